#include "agent/source/elm_link.h"

#include <errno.h>
#include <string.h>

#define CONNECT_US 10000000 /* TCP */
#define RESYNC_US 1500000   /* for the banner; a clone takes up to a second after a reset */
#define RESYNC_TRIES 4
#define SPEED_TRY_US 700000 /* for the banner while the speed is sought */
/* The first ATI ends what the adapter took of commands at other speeds ('?'), the second is heard. */
#define SPEED_TRIES 2
#define QUIET_US 100000 /* silence that ends a drain */
#define READS_MAX 16    /* a round, so that a babbling adapter does not starve the loop */

static void on_timer(struct loop_timer *timer);
static void on_stream(struct loop_fd *watch, unsigned events);

void elm_link_init(struct elm_link *link, struct loop *loop, const struct elm_link_events *events,
		   void *arg)
{
	memset(link, 0, sizeof(*link));
	link->loop = loop;
	link->events = events;
	link->arg = arg;
}

void elm_link_close(struct elm_link *link)
{
	loop_timer_cancel(&link->timer);
	loop_fd_remove(&link->watch);
	stream_close(link->stream);
	link->stream = NULL;
	link->state = ELM_LINK_CLOSED;
	link->fresh = false;
	link->spoke = false;
	link->reply_owed = false;
	link->out_len = 0;
	link->out_sent = 0;
}

static void fail(struct elm_link *link, int error)
{
	elm_link_close(link);
	link->events->lost(link->arg, error);
}

static int arm(struct elm_link *link, int64_t after_us)
{
	return loop_timer_set(link->loop, &link->timer, after_us, on_timer, link);
}

/* Sends what is left of the command; waits for room where the line is full. */
static int push_out(struct elm_link *link)
{
	while (link->out_sent < link->out_len) {
		const ssize_t n = stream_write(link->stream, link->out + link->out_sent,
					       link->out_len - link->out_sent);

		if (n == -EAGAIN)
			return loop_fd_set(&link->watch, LOOP_READ | LOOP_WRITE);
		if (n < 0)
			return (int)n;
		link->out_sent += (size_t)n;
	}
	return loop_fd_set(&link->watch, LOOP_READ);
}

static int say(struct elm_link *link, const char *command)
{
	const size_t len = strlen(command);

	if (len + 1 > sizeof(link->out))
		return -EMSGSIZE;
	memcpy(link->out, command, len);
	link->out[len] = '\r';
	link->out_len = len + 1;
	link->out_sent = 0;
	return push_out(link);
}

/* An adapter that wakes up loses the first byte or two, and of 0104 (engine load) 04 is left, which
 * clears trouble codes. Blanks, which adapters ignore, are lost instead. */
static int say_request(struct elm_link *link, const char *request)
{
	char text[ELM_LINK_BLANKS + ELM327_COMMAND_MAX + 1];

	memset(text, ' ', ELM_LINK_BLANKS);
	memcpy(text + ELM_LINK_BLANKS, request, strlen(request) + 1);
	return say(link, text);
}

/* Is the adapter's speed still to be found? */
static bool is_seeking(const struct elm_link *link)
{
	return link->fresh && link->speed_count > 1;
}

static int resync(struct elm_link *link)
{
	int r;

	link->state = ELM_LINK_RESYNC;
	link->heard_len = 0;
	link->tries++;
	link->resyncs++;
	r = arm(link, is_seeking(link) ? SPEED_TRY_US : RESYNC_US);
	return r ? r : say(link, "ATI");
}

/* The line at the next speed that it can do. Returns 0, -ETIMEDOUT where all were tried, -errno. */
static int next_speed(struct elm_link *link)
{
	int r = -ERANGE;

	while (r == -ERANGE && ++link->speed < link->speed_count)
		r = stream_set_baud(link->stream, link->speeds[link->speed]);
	if (r == -ENOTSUP || (r == -ERANGE && link->speed == link->speed_count))
		return -ETIMEDOUT;
	link->tries = 0;
	return r;
}

/* No banner came. */
static int try_again(struct elm_link *link)
{
	const int most = is_seeking(link) ? SPEED_TRIES : RESYNC_TRIES;
	int r = 0;

	if (link->tries >= most)
		r = is_seeking(link) ? next_speed(link) : -ETIMEDOUT;
	return r ? r : resync(link);
}

int elm_link_open(struct elm_link *link, struct stream *stream, const unsigned *speeds,
		  size_t count)
{
	int r;

	link->stream = stream;
	link->fresh = true;
	link->tries = 0;
	link->speed = 0;
	link->speed_count = count < ELM_LINK_SPEEDS_MAX ? count : ELM_LINK_SPEEDS_MAX;
	for (size_t i = 0; i < link->speed_count; i++)
		link->speeds[i] = speeds[i];
	link->baud = 0;
	link->adapter[0] = '\0';
	link->gate = (struct elm327_gate){.known = false};
	r = loop_fd_add(link->loop, &link->watch, stream_fd(stream), LOOP_READ, on_stream, link);
	if (r)
		goto out;
	r = stream_ready(stream);
	if (r == -EAGAIN) {
		link->state = ELM_LINK_CONNECTING;
		r = arm(link, CONNECT_US);
		if (!r)
			r = loop_fd_set(&link->watch, LOOP_READ | LOOP_WRITE);
	} else if (!r) {
		r = resync(link);
	}
out:
	if (r)
		elm_link_close(link);
	return r;
}

int elm_link_send(struct elm_link *link, const char *command, const struct elm327_config *config,
		  int64_t timeout_us)
{
	int r;

	if (link->state != ELM_LINK_IDLE)
		return -EBUSY;
	if (strlen(command) > ELM327_COMMAND_MAX)
		return -EMSGSIZE;
	elm327_begin(&link->reply, command, config);
	if (!elm327_gate_passes(&link->gate, &link->reply))
		return -EPERM;
	r = arm(link, timeout_us);
	if (r)
		return r;
	link->state = ELM_LINK_BUSY;
	r = link->reply.request_len ? say_request(link, command) : say(link, command);
	/* The device may have gone: told from the loop, never from inside a send. */
	if (r == -ENOMEM)
		return r;
	return r ? arm(link, 0) : 0;
}

/* ---- in step again: tell what is owed ---- */

static void settle(struct elm_link *link)
{
	const bool fresh = link->fresh;
	const bool spoke = link->spoke;
	const bool reply_owed = link->reply_owed;

	link->state = ELM_LINK_IDLE;
	link->tries = 0;
	link->fresh = false;
	if (link->speed < link->speed_count)
		link->baud = link->speeds[link->speed];
	link->spoke = false;
	link->reply_owed = false;
	if (fresh)
		link->events->ready(link->arg);
	else if (reply_owed)
		link->events->reply(link->arg, &link->reply);
	else if (spoke)
		link->events->noise(link->arg);
}

static void on_timer(struct loop_timer *timer)
{
	struct elm_link *link = timer->arg;
	int r = 0;

	switch (link->state) {
	case ELM_LINK_CONNECTING:
		r = -ETIMEDOUT;
		break;
	case ELM_LINK_BUSY:
		if (link->out_sent < link->out_len) {
			r = push_out(link);
			if (r)
				break;
		}
		link->reply.kind = ELM327_INCOMPLETE;
		elm327_gate_reply(&link->gate, &link->reply);
		link->reply_owed = true;
		r = resync(link);
		break;
	case ELM_LINK_RESYNC:
		r = try_again(link);
		break;
	case ELM_LINK_DRAIN:
		settle(link);
		break;
	default:
		break;
	}
	if (r)
		fail(link, r);
}

/* ---- bytes ---- */

/* The banner's line, kept for people; true at the prompt that follows a version string. */
static bool hear(struct elm_link *link, uint8_t byte)
{
	static const char version[] = "ELM327";
	const size_t len = sizeof(version) - 1;
	size_t room;

	if (byte == '>')
		return link->adapter[0] && link->heard_len >= len;
	if (byte == '\r' && link->heard_len == len)
		link->heard_len++; /* the version's line is over */
	if (byte < 0x20 || byte >= 0x80 || link->heard_len > len)
		return false;
	/* heard_len counts what matched of "ELM327"; then the rest of the line is the version. */
	if (link->heard_len < len) {
		link->heard_len = byte == (uint8_t)version[link->heard_len] ? link->heard_len + 1
				  : byte == (uint8_t)version[0]             ? 1
									    : 0;
		if (link->heard_len == len)
			memcpy(link->adapter, version, len + 1);
		return false;
	}
	room = strlen(link->adapter);
	if (room + 1 < sizeof(link->adapter)) {
		link->adapter[room] = (char)byte;
		link->adapter[room + 1] = '\0';
	}
	return false;
}

static bool matters(uint8_t byte)
{
	return byte > 0x20 && byte < 0x80;
}

/* Returns 0, or what ends the link. */
static int take_byte(struct elm_link *link, uint8_t byte)
{
	switch (link->state) {
	case ELM_LINK_RESYNC:
		if (!hear(link, byte))
			return 0;
		link->state = ELM_LINK_DRAIN;
		return arm(link, QUIET_US);
	case ELM_LINK_DRAIN:
		link->noise++;
		return arm(link, QUIET_US);
	case ELM_LINK_BUSY:
		if (!elm327_feed(&link->reply, byte))
			return 0;
		loop_timer_cancel(&link->timer);
		link->dropped += link->reply.counts.dropped;
		elm327_gate_reply(&link->gate, &link->reply);
		link->state = ELM_LINK_IDLE;
		link->events->reply(link->arg, &link->reply);
		return 0;
	case ELM_LINK_IDLE:
		if (!matters(byte)) {
			link->dropped++;
			return 0;
		}
		/* Nobody asked: find out where we are. */
		link->noise++;
		link->spoke = true;
		return resync(link);
	default:
		return 0;
	}
}

static void read_some(struct elm_link *link)
{
	uint8_t data[256];
	ssize_t n;
	int r = 0;

	for (int i = 0; i < READS_MAX && link->stream; i++) {
		n = stream_read(link->stream, data, sizeof(data));
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			fail(link, (int)n);
			return;
		}
		/* An event may close the link; what is left of the bytes is gone with it. */
		for (ssize_t k = 0; k < n && link->stream && !r; k++)
			r = take_byte(link, data[k]);
		if (r && link->stream) {
			fail(link, r);
			return;
		}
	}
}

static void on_stream(struct loop_fd *watch, unsigned events)
{
	struct elm_link *link = watch->arg;
	int r = 0;

	if (link->state == ELM_LINK_CONNECTING) {
		r = stream_ready(link->stream);
		if (r == -EAGAIN)
			return;
		if (!r)
			r = resync(link);
		if (r)
			fail(link, r);
		return;
	}
	if (events & LOOP_WRITE) {
		r = push_out(link);
		if (r) {
			fail(link, r);
			return;
		}
	}
	if (events & (LOOP_READ | LOOP_HANGUP))
		read_some(link);
}
