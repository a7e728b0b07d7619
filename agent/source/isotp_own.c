#include "agent/source/isotp_own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/protocol/isotp_session.h"

#define SHORT_ID_MAX 0x7ffU
#define LONG_ID_MAX 0x1fffffffU

#define READ_BATCH 32
#define READ_ROUNDS 8 /* before other sources have their turn */

/* What is sent without a pause by the other side's wish still leaves the loop, and the receiver, time
 * to breathe: 8 frames a millisecond are a full bus of 1 Mbit/s. */
#define BURST 8
#define BURST_PAUSE_US 1000

/* A full queue of the interface: a frame takes 0.25 ms at 500 kbit/s. It gets N_As, one second. */
#define RETRY_US 1000
#define RETRY_MAX_US 1000000

/* Two messages of any length, or many short ones ("pending" and the answer). */
#define LENGTH_SIZE sizeof(uint16_t)
#define INBOX_SIZE (2 * (ISOTP_CHANNEL_MAX + LENGTH_SIZE))

_Static_assert(ISOTP_CHANNEL_MAX == ISOTP_MESSAGE_MAX, "a channel takes what the protocol can");

struct isotp_own {
	struct loop *loop;
	struct canbus *bus;
	struct loop_fd watch;
	struct own_channel *channels;
	int gone;  /* -errno: the bus is good for nothing more */
	bool down; /* the interface was, as far as we know */
	struct isotp_own_counts counts;
};

struct own_channel {
	struct isotp_channel channel;
	struct isotp_own *own;
	struct own_channel *next;
	struct isotp_pair pair;
	struct isotp_session session;
	struct loop_timer timer;

	struct canbus_frame frame; /* waits for room in the interface's queue */
	bool waiting;
	int64_t waiting_since_us;

	int error; /* to be told */
	uint8_t inbox[INBOX_SIZE];
	size_t inbox_len;
	int fd; /* eventfd: readable while there is something to be fetched */
	bool marked;
};

static struct own_channel *own_of(struct isotp_channel *channel)
{
	return (struct own_channel *)channel;
}

/* ---- what is to be fetched ---- */

/* Neither call can fail on a descriptor whose counter is 0 or 1, and neither waits. */
static void mark(struct own_channel *channel)
{
	const bool wanted = channel->error || channel->inbox_len || channel->own->gone;
	uint64_t count = 1;
	ssize_t n;

	if (wanted == channel->marked)
		return;
	do
		n = wanted ? write(channel->fd, &count, sizeof(count))
			   : read(channel->fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	channel->marked = wanted;
}

static void tell(struct own_channel *channel, int error)
{
	channel->error = error;
	mark(channel);
}

static void store(struct own_channel *channel)
{
	const uint16_t len = channel->session.rx_len;

	if (channel->inbox_len + LENGTH_SIZE + len > sizeof(channel->inbox)) {
		channel->own->counts.lost++;
		tell(channel, -ENOBUFS);
		return;
	}
	memcpy(channel->inbox + channel->inbox_len, &len, LENGTH_SIZE);
	channel->inbox_len += LENGTH_SIZE;
	memcpy(channel->inbox + channel->inbox_len, channel->session.rx_data, len);
	channel->inbox_len += len;
	mark(channel);
}

static void handle(struct own_channel *channel, enum isotp_session_event event)
{
	switch (event) {
	case ISOTP_SESSION_NOTHING:
	case ISOTP_SESSION_SENT:
		break;
	case ISOTP_SESSION_MESSAGE:
		store(channel);
		break;
	case ISOTP_SESSION_BROKEN:
		tell(channel, -EILSEQ);
		break;
	case ISOTP_SESSION_RX_LATE:
		tell(channel, -ETIMEDOUT);
		break;
	case ISOTP_SESSION_TX_LATE:
		tell(channel, -ECOMM);
		break;
	case ISOTP_SESSION_TX_REFUSED:
		tell(channel, -ECONNREFUSED);
		break;
	}
}

static void drop_all(struct own_channel *channel)
{
	isotp_session_reset(&channel->session);
	channel->waiting = false;
	loop_timer_cancel(&channel->timer);
}

/* ---- what goes ---- */

static int pump(struct own_channel *channel);

static void timer_ran_out(struct loop_timer *timer)
{
	struct own_channel *channel = timer->arg;
	const int r = pump(channel);

	if (r < 0)
		tell(channel, r);
}

/* Comes back after that time; without a timer nothing can go on. */
static int come_back(struct own_channel *channel, int64_t after_us)
{
	int r = loop_timer_set(channel->own->loop, &channel->timer, after_us, timer_ran_out,
			       channel);

	if (r < 0)
		drop_all(channel);
	return r;
}

/* The interface is down, or gone: that ends what is going on, and every channel is told, once, but
 * `teller`, which knows. */
static void bus_failed(struct isotp_own *own, const struct own_channel *teller, int error)
{
	if (error == -ENETDOWN && own->down)
		return;
	own->down = true;
	if (error != -ENETDOWN) {
		own->gone = error;
		loop_fd_remove(&own->watch);
	}
	for (struct own_channel *channel = own->channels; channel; channel = channel->next) {
		if (channel == teller)
			continue;
		drop_all(channel);
		tell(channel, error);
	}
}

/* Writes the frame that waits. Returns 1: written; 0: it waits on; -errno: everything was dropped. */
static int write_frame(struct own_channel *channel)
{
	const int64_t now = loop_now_us(channel->own->loop);
	int r = canbus_write(channel->own->bus, &channel->frame);

	if (r == 0) {
		channel->own->down = false;
		channel->waiting = false;
		return 1;
	}
	if (r == -EAGAIN && !channel->waiting) {
		channel->waiting = true;
		channel->waiting_since_us = now;
	}
	if (r == -EAGAIN && now - channel->waiting_since_us < RETRY_MAX_US)
		return come_back(channel, RETRY_US);
	drop_all(channel);
	if (r == -EAGAIN) {
		channel->own->counts.refused++;
		return -ECOMM;
	}
	if (r == -ENETDOWN || r == -ENODEV)
		bus_failed(channel->own, channel, r);
	return r;
}

/* One step of the session. Returns 1: there may be more; 0: nothing more now; -errno. */
static int step(struct own_channel *channel)
{
	struct canbus_frame *frame = &channel->frame;
	enum isotp_session_event event;
	size_t len;

	event = isotp_session_next(&channel->session, loop_now_us(channel->own->loop), frame->data,
				   &len);
	handle(channel, event);
	if (!len)
		return event != ISOTP_SESSION_NOTHING;
	frame->id = channel->pair.tx;
	frame->extended = channel->pair.extended;
	frame->len = (uint8_t)len;
	return write_frame(channel);
}

static int wait_for_due(struct own_channel *channel, int64_t least_us)
{
	const int64_t due = isotp_session_due(&channel->session);
	int64_t after;

	if (due == INT64_MAX) {
		loop_timer_cancel(&channel->timer);
		return 0;
	}
	after = due == INT64_MIN ? 0 : due - loop_now_us(channel->own->loop);
	return come_back(channel, after > least_us ? after : least_us);
}

/* Sends what is to be sent now and sets the timer for the rest. Returns 0, or -errno when everything
 * that was going on was dropped. */
static int pump(struct own_channel *channel)
{
	int r = channel->waiting ? write_frame(channel) : 1;

	for (int i = 0; r > 0 && i < BURST; i++)
		r = step(channel);
	if (r < 0 || channel->waiting)
		return r < 0 ? r : 0;
	return wait_for_due(channel, r > 0 ? BURST_PAUSE_US : 0);
}

static size_t message_max(const struct isotp_pair *pair)
{
	if (!pair->functional)
		return ISOTP_CHANNEL_MAX;
	return pair->addressed ? ISOTP_FRAME_MAX - 2 : ISOTP_FRAME_MAX - 1;
}

static int own_send(struct isotp_channel *isotp, const uint8_t *data, size_t len)
{
	struct own_channel *channel = own_of(isotp);

	if (channel->own->gone)
		return channel->own->gone;
	if (len < 1 || len > message_max(&channel->pair))
		return -EMSGSIZE;
	if (channel->waiting ||
	    !isotp_session_send(&channel->session, data, len, loop_now_us(channel->own->loop)))
		return -EAGAIN;
	return pump(channel);
}

/* ---- what comes ---- */

static bool hears(const struct own_channel *channel, const struct canbus_frame *frame)
{
	const struct isotp_pair *pair = &channel->pair;

	return !pair->functional && frame->id == pair->rx && frame->extended == pair->extended &&
	       (!pair->addressed || (frame->len && frame->data[0] == pair->tester));
}

static void take(struct own_channel *channel, const struct canbus_frame *frame)
{
	const uint32_t bad = channel->session.counts.bad;
	int r;

	handle(channel,
	       isotp_session_take(&channel->session, frame->data, frame->len, frame->mono_us));
	channel->own->counts.bad += channel->session.counts.bad - bad;
	r = pump(channel);
	if (r < 0)
		tell(channel, r);
}

static void dispatch(struct isotp_own *own, const struct canbus_frame *frame)
{
	struct own_channel *channel = own->channels;

	own->counts.frames++;
	own->down = false;
	while (channel && !hears(channel, frame))
		channel = channel->next;
	if (channel)
		take(channel, frame);
	else
		own->counts.strays++;
}

static void bus_readable(struct loop_fd *watch, unsigned events)
{
	struct isotp_own *own = watch->arg;
	struct canbus_frame frames[READ_BATCH];
	ssize_t count = 0;

	(void)events;
	for (int round = 0; round < READ_ROUNDS && count >= 0; round++) {
		count = canbus_read(own->bus, frames, READ_BATCH);
		for (ssize_t i = 0; i < count; i++)
			dispatch(own, &frames[i]);
	}
	if (count < 0 && count != -EAGAIN)
		bus_failed(own, NULL, (int)count);
}

static ssize_t own_receive(struct isotp_channel *isotp, uint8_t *data, size_t room)
{
	struct own_channel *channel = own_of(isotp);
	const int error = channel->error;
	uint16_t len;
	size_t used;

	if (channel->own->gone)
		return channel->own->gone;
	if (error) {
		tell(channel, 0);
		return error;
	}
	if (!channel->inbox_len)
		return -EAGAIN;
	memcpy(&len, channel->inbox, LENGTH_SIZE);
	if (len <= room)
		memcpy(data, channel->inbox + LENGTH_SIZE, len);
	used = LENGTH_SIZE + len;
	channel->inbox_len -= used;
	memmove(channel->inbox, channel->inbox + used, channel->inbox_len);
	mark(channel);
	return len <= room ? len : -EMSGSIZE;
}

/* ---- life ---- */

/* Lets in what the channels hear; of too many, everything. */
static int set_filters(struct isotp_own *own)
{
	struct canbus_filter filters[CANBUS_FILTERS_MAX];
	size_t count = 0;

	for (const struct own_channel *c = own->channels; c; c = c->next) {
		if (c->pair.functional)
			continue;
		if (count == CANBUS_FILTERS_MAX)
			return canbus_set_filters(own->bus, NULL, 0);
		filters[count++] = (struct canbus_filter){
			.id = c->pair.rx, .mask = LONG_ID_MAX, .extended = c->pair.extended};
	}
	return canbus_set_filters(own->bus, filters, count);
}

static int own_fd(const struct isotp_channel *channel)
{
	return ((const struct own_channel *)channel)->fd;
}

static void own_close(struct isotp_channel *isotp)
{
	struct own_channel *channel = own_of(isotp);
	struct own_channel **at = &channel->own->channels;

	while (*at != channel)
		at = &(*at)->next;
	*at = channel->next;
	/* Where this fails more comes than is wanted: strays. */
	(void)set_filters(channel->own);
	loop_timer_cancel(&channel->timer);
	close(channel->fd);
	free(channel);
}

static const struct isotp_channel_ops own_ops = {
	.send = own_send,
	.receive = own_receive,
	.fd = own_fd,
	.close = own_close,
};

static bool id_valid(uint32_t id, bool extended)
{
	return id <= (extended ? LONG_ID_MAX : SHORT_ID_MAX);
}

/* Would a frame be for both? */
static bool collide(const struct isotp_pair *a, const struct isotp_pair *b)
{
	if (a->functional || b->functional || a->rx != b->rx || a->extended != b->extended)
		return false;
	return !a->addressed || !b->addressed || a->tester == b->tester;
}

static int check_pair(const struct isotp_own *own, const struct isotp_pair *pair)
{
	if (!id_valid(pair->tx, pair->extended))
		return -EINVAL;
	if (!pair->functional && (!id_valid(pair->rx, pair->extended) || pair->rx == pair->tx))
		return -EINVAL;
	for (const struct own_channel *c = own->channels; c; c = c->next)
		if (collide(&c->pair, pair))
			return -EADDRINUSE;
	return 0;
}

static struct isotp_session_config session_config(const struct isotp_pair *pair)
{
	struct isotp_session_config config = isotp_tester_config();

	config.extended = pair->addressed;
	config.target = pair->target;
	config.tester = pair->tester;
	return config;
}

int isotp_own_open(struct isotp_own *own, const struct isotp_pair *pair,
		   struct isotp_channel **ret_channel)
{
	const struct isotp_session_config config = session_config(pair);
	struct own_channel *channel;
	int r = check_pair(own, pair);

	if (r < 0)
		return r;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	channel->channel.ops = &own_ops;
	channel->own = own;
	channel->pair = *pair;
	isotp_session_init(&channel->session, &config);
	channel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (channel->fd < 0) {
		r = -errno;
		free(channel);
		return r;
	}
	channel->next = own->channels;
	own->channels = channel;
	mark(channel);
	r = own->gone ? 0 : set_filters(own);
	if (r < 0) {
		own_close(&channel->channel);
		return r;
	}
	*ret_channel = &channel->channel;
	return 0;
}

int isotp_own_create(struct loop *loop, struct canbus *bus, struct isotp_own **ret_own)
{
	struct isotp_own *own = calloc(1, sizeof(*own));
	int r = own ? 0 : -ENOMEM;

	if (!r) {
		own->loop = loop;
		own->bus = bus;
		r = set_filters(own);
	}
	if (!r)
		r = loop_fd_add(loop, &own->watch, canbus_fd(bus), LOOP_READ, bus_readable, own);
	if (r < 0) {
		canbus_close(bus);
		free(own);
		return r;
	}
	*ret_own = own;
	return 0;
}

void isotp_own_destroy(struct isotp_own *own)
{
	if (!own)
		return;
	loop_fd_remove(&own->watch);
	canbus_close(own->bus);
	free(own);
}

void isotp_own_state(struct isotp_own *own, struct canbus_state *ret_state)
{
	canbus_state(own->bus, ret_state);
}

struct isotp_own_counts isotp_own_counts(const struct isotp_own *own)
{
	return own->counts;
}
