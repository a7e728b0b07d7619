/* Opening and closing, the line's speed, bytes that come. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/source/gps_priv.h"

#define REOPEN_MAX_US (10 * GPS_SECOND)
#define CONNECT_US (10 * GPS_SECOND)
#define LOOK_US (GPS_SECOND / 2)
#define SPEED_TRY_US (5 * GPS_SECOND / 2) /* receivers speak once a second, some every two */
#define FLUSH_US (GPS_SECOND / 5)
#define DEAD_US (30 * GPS_SECOND) /* a connection whose other end has vanished */
#define ASK_US (10 * GPS_SECOND)
#define READ_SIZE 512
#define READS_MAX 32 /* a round, so that a babbling line does not starve the loop */
#define GPSD_HERE "tcp:127.0.0.1:2947"

/* What receivers use, most likely first. */
static const unsigned usual_speeds[] = {9600, 4800, 38400, 115200};
#define SPEED_COUNT (sizeof(usual_speeds) / sizeof(usual_speeds[0]))

static void on_stream(struct loop_fd *watch, unsigned events);
static void on_timer(struct loop_timer *timer);

int gps_address(const char *device, bool *ret_gpsd, char out[static GPS_ADDRESS_SIZE])
{
	static const char localhost[] = "localhost:";
	const bool by_gpsd = strcmp(device, "gpsd") == 0 || strncmp(device, "gpsd:", 5) == 0;
	const char *target = by_gpsd && device[4] ? device + 5 : "";
	int len;

	if (!by_gpsd)
		len = snprintf(out, GPS_ADDRESS_SIZE, "%s", device);
	else if (strcmp(device, "gpsd") == 0)
		len = snprintf(out, GPS_ADDRESS_SIZE, "%s", GPSD_HERE);
	else if (strncmp(target, localhost, sizeof(localhost) - 1) == 0)
		len = snprintf(out, GPS_ADDRESS_SIZE, "tcp:127.0.0.1:%s",
			       target + sizeof(localhost) - 1);
	else
		len = snprintf(out, GPS_ADDRESS_SIZE, "tcp:%s", target);
	if (len < 0 || len >= GPS_ADDRESS_SIZE || !stream_address_valid(out))
		return -EINVAL;
	*ret_gpsd = by_gpsd;
	return 0;
}

static int arm(struct gps *gps, int64_t after_us)
{
	return loop_timer_set(gps->source.env->loop, &gps->timer, after_us, on_timer, gps);
}

void gps_line_close(struct gps *gps)
{
	loop_timer_cancel(&gps->timer);
	loop_timer_cancel(&gps->pause);
	loop_fd_remove(&gps->watch);
	stream_close(gps->stream);
	gps->stream = NULL;
	gps->connecting = false;
	gps->out_len = gps->out_sent = 0;
}

/* Tries again later, longer each time. */
static void fail(struct gps *gps, int error)
{
	gps_line_close(gps);
	gps->whole_due = true;
	gps_say_trouble(gps, error);
	(void)arm(gps, gps->reopen_us);
	gps->reopen_us += gps->reopen_us / 2;
	if (gps->reopen_us > REOPEN_MAX_US)
		gps->reopen_us = REOPEN_MAX_US;
}

/* Begins anew with what comes; what was counted stays counted. */
static void reset_nmea(struct gps *gps)
{
	const struct nmea_counts *counts = &gps->nmea.parser.counts;

	gps->sentences += counts->sentences;
	gps->bad_checksum += counts->bad_checksum;
	gps->malformed += (int64_t)counts->malformed + counts->overlong;
	gps_nmea_init(&gps->nmea, gps->source.env->floor_ms);
}

/* ---- what is sent: gpsd alone is asked ---- */

static int push_out(struct gps *gps)
{
	while (gps->out_sent < gps->out_len) {
		const ssize_t n = stream_write(gps->stream, gps->out + gps->out_sent,
					       gps->out_len - gps->out_sent);

		if (n == -EAGAIN)
			return loop_fd_set(&gps->watch, LOOP_READ | LOOP_WRITE);
		if (n < 0)
			return (int)n;
		gps->out_sent += (size_t)n;
	}
	return loop_fd_set(&gps->watch, LOOP_READ);
}

static int say(struct gps *gps, const char *text)
{
	/* What was said before is still on its way: this will be said again. */
	if (gps->out_sent < gps->out_len)
		return 0;
	gps->out_len = (size_t)snprintf(gps->out, sizeof(gps->out), "%s\n", text);
	gps->out_sent = 0;
	gps->asked_us = gps_now_us(gps);
	return push_out(gps);
}

/* ---- what comes ---- */

static void on_pause(struct loop_timer *timer)
{
	struct gps *gps = timer->arg;
	struct gps_fix fix;
	const enum gps_event event = gps_nmea_flush(&gps->nmea, &fix);

	if (event == GPS_FIX)
		gps_take_fix(gps, &fix);
	else if (event == GPS_NO_FIX)
		gps_take_no_fix(gps);
}

static void note_heard(struct gps *gps, int64_t now_us)
{
	gps->heard_us = now_us;
	gps->reopen_us = GPS_REOPEN_MIN_US;
	if (gps->is_serial)
		gps->baud = gps->source.config->baud ? gps->source.config->baud
						     : usual_speeds[gps->speed];
}

static enum gps_event feed(struct gps *gps, uint8_t byte, int64_t now_us, struct gps_fix *ret_fix)
{
	enum gps_event event;
	uint32_t sentences;
	bool heard;

	if (gps->gpsd) {
		event = gps_gpsd_feed(gps->gpsd, byte, now_us, &heard, ret_fix);
	} else {
		sentences = gps->nmea.parser.counts.sentences;
		event = gps_nmea_feed(&gps->nmea, byte, now_us, ret_fix);
		heard = gps->nmea.parser.counts.sentences != sentences;
	}
	if (heard)
		note_heard(gps, now_us);
	return event;
}

/* Reads all that is there. What waits unread is not from now: of several fixes the last one counts.
 * Returns 0 or -errno. */
static int read_all(struct gps *gps)
{
	const int64_t now_us = gps_now_us(gps);
	enum gps_event last = GPS_NOTHING;
	struct gps_fix fix;
	ssize_t n = 0;

	for (int i = 0; i < READS_MAX; i++) {
		uint8_t bytes[READ_SIZE];

		n = stream_read(gps->stream, bytes, sizeof(bytes));
		if (n <= 0)
			break;
		for (ssize_t k = 0; k < n; k++) {
			const enum gps_event event = feed(gps, bytes[k], now_us, &fix);

			if (event != GPS_NOTHING)
				last = event;
		}
	}
	if (last == GPS_FIX)
		gps_take_fix(gps, &fix);
	else if (last == GPS_NO_FIX)
		gps_take_no_fix(gps);
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	return gps->gpsd ? 0
			 : loop_timer_set(gps->source.env->loop, &gps->pause, FLUSH_US, on_pause,
					  gps);
}

static int connected(struct gps *gps)
{
	gps->connecting = false;
	if (gps->gpsd)
		return say(gps, "?WATCH={\"enable\":true,\"json\":true};");
	return loop_fd_set(&gps->watch, LOOP_READ);
}

static void on_stream(struct loop_fd *watch, unsigned events)
{
	struct gps *gps = watch->arg;
	int r = 0;

	(void)events;
	if (gps->connecting) {
		r = stream_ready(gps->stream);
		if (r == -EAGAIN)
			return;
		if (!r)
			r = connected(gps);
	}
	if (!r)
		r = read_all(gps);
	if (!r)
		r = push_out(gps);
	if (r)
		fail(gps, r);
}

/* ---- what does not come ---- */

/* Nothing is understood at this speed. */
static int next_speed(struct gps *gps, int64_t now_us)
{
	int r = -ERANGE;

	if (!gps->is_serial || gps->source.config->baud || now_us - gps->speed_us < SPEED_TRY_US)
		return 0;
	for (size_t i = 0; i < SPEED_COUNT && r == -ERANGE; i++) {
		gps->speed = (gps->speed + 1) % SPEED_COUNT;
		r = stream_set_baud(gps->stream, usual_speeds[gps->speed]);
	}
	gps->speed_us = now_us;
	reset_nmea(gps);
	return r == -ERANGE || r == -ENOTSUP ? 0 : r;
}

static void say_silence(struct gps *gps, int64_t now_us)
{
	if (gps->gpsd && gps_gpsd_receiver(gps->gpsd) == GPS_RECEIVER_GONE)
		gps_set_state(gps, SOURCE_ERROR, "adapter_unplugged",
			      "gpsd runs, but cannot reach its receiver: plug it in again.");
	else if (gps->gpsd && gps_gpsd_receiver(gps->gpsd) == GPS_RECEIVER_NONE)
		gps_set_state(
			gps, SOURCE_SILENT, "source_silent",
			"gpsd runs, but knows no receiver: name it in /etc/default/gpsd (DEVICES).");
	else if (gps->gpsd)
		gps_set_state(gps, SOURCE_SILENT, "source_silent",
			      "gpsd runs, but gives no position of its receiver.");
	else if (gps->heard_us != MODEL_NO_TIME && now_us - gps->heard_us < GPS_SILENT_US)
		gps_set_state(gps, SOURCE_SILENT, "source_silent",
			      "The receiver speaks, but tells no new time and position.");
	else if (gps->nmea.byte_us != MODEL_NO_TIME && now_us - gps->nmea.byte_us < GPS_SILENT_US)
		gps_set_state(gps, SOURCE_SILENT, "source_silent",
			      "What comes from the receiver is no NMEA: check its speed and mode.");
	else
		gps_set_state(gps, SOURCE_SILENT, "source_silent",
			      "Nothing comes from the receiver: check its power and cable.");
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int look(struct gps *gps)
{
	const int64_t now_us = gps_now_us(gps);
	const int64_t heard_us = later(gps->heard_us, gps->opened_us);
	int r = 0;

	if (gps->connecting)
		return now_us - gps->opened_us < CONNECT_US ? 0 : -ETIMEDOUT;
	if (now_us - later(gps->epoch_us, gps->opened_us) >= GPS_SILENT_US)
		say_silence(gps, now_us);
	if (gps->heard_us == MODEL_NO_TIME || now_us - gps->heard_us >= GPS_SILENT_US)
		r = next_speed(gps, now_us);
	if (!r && gps->gpsd && now_us - heard_us >= ASK_US && now_us - gps->asked_us >= ASK_US)
		r = say(gps, "?DEVICES;");
	if (!r && !gps->is_serial && now_us - heard_us >= DEAD_US)
		r = -ETIMEDOUT;
	return r;
}

static void on_timer(struct loop_timer *timer)
{
	struct gps *gps = timer->arg;
	int r;

	if (!gps->stream) {
		gps_line_open(gps);
		return;
	}
	r = look(gps);
	if (!r)
		r = arm(gps, LOOK_US);
	if (r)
		fail(gps, r);
}

/* ---- opening ---- */

static int watch_stream(struct gps *gps)
{
	int r = loop_fd_add(gps->source.env->loop, &gps->watch, stream_fd(gps->stream), LOOP_READ,
			    on_stream, gps);

	if (r)
		return r;
	r = stream_ready(gps->stream);
	if (r == -EAGAIN) {
		gps->connecting = true;
		return loop_fd_set(&gps->watch, LOOP_READ | LOOP_WRITE);
	}
	return r ? r : connected(gps);
}

void gps_line_open(struct gps *gps)
{
	const struct source_env *env = gps->source.env;
	const int64_t now_us = gps_now_us(gps);
	unsigned baud = gps->source.config->baud;
	int r;

	if (!baud)
		baud = usual_speeds[gps->speed];
	gps->opened_us = now_us;
	gps->speed_us = now_us;
	gps->heard_us = MODEL_NO_TIME;
	gps->asked_us = now_us;
	gps->complete = gps->gpsd != NULL; /* it puts them together */
	reset_nmea(gps);
	if (gps->gpsd)
		gps_gpsd_reset(gps->gpsd);
	r = env->opener->open(env->opener, gps->address, baud, &gps->stream);
	if (r)
		gps->stream = NULL;
	else
		r = watch_stream(gps);
	if (!r)
		r = arm(gps, LOOK_US);
	if (r)
		fail(gps, r);
}
