#include "tests/unit/agent/isotp_bench.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#define SHORT_ID_MAX 0x7ffU

/* ---- control units ---- */

static void write_frame(struct unit *unit, const uint8_t *data, size_t len)
{
	struct canbus_frame frame = {.id = unit->tx, .extended = unit->extended};

	frame.len = (uint8_t)len;
	memcpy(frame.data, data, len);
	assert_int_equal(canbus_write(unit->bus, &frame), 0);
}

/* The PCI byte of a frame. */
static uint8_t *pci_of(const struct unit *unit, uint8_t *frame)
{
	return frame + unit->session.config.extended;
}

/* Sends a frame of the session, or what the script makes of it. */
static void send_scripted(struct unit *unit, uint8_t *frame, size_t len)
{
	static const uint8_t cutting[] = {3, 0x7f, 0x22, 0x78};
	uint8_t *pci = pci_of(unit, frame);

	if ((*pci & 0xf0) == 0x30) {
		*pci |= unit->status;
		if (!unit->mute)
			write_frame(unit, frame, len);
		return;
	}
	unit->sent++;
	if (unit->sent == unit->drop)
		return;
	if (unit->sent == unit->spoil)
		*pci = (uint8_t)((*pci & 0xf0) | ((*pci + 1) & 0x0f));
	write_frame(unit, frame, len);
	if (unit->sent == unit->cut) {
		isotp_session_reset(&unit->session);
		write_frame(unit, cutting, sizeof(cutting));
	}
}

static void unit_pump(struct unit *unit);

static void unit_timer(struct loop_timer *timer)
{
	unit_pump(timer->arg);
}

static void unit_pump(struct unit *unit)
{
	struct loop *loop = unit->bench->loop;
	uint8_t frame[ISOTP_FRAME_MAX];
	int64_t due;
	size_t len;

	for (int i = 0; i < 8; i++) { /* as fast as a bus, no faster */
		isotp_session_next(&unit->session, loop_now_us(loop), frame, &len);
		if (!len)
			break;
		send_scripted(unit, frame, len);
	}
	due = isotp_session_due(&unit->session);
	if (due == INT64_MAX) {
		loop_timer_cancel(&unit->timer);
		return;
	}
	due = due == INT64_MIN ? 0 : due - loop_now_us(loop);
	assert_int_equal(
		loop_timer_set(loop, &unit->timer, due > 1000 ? due : 1000, unit_timer, unit), 0);
}

static void unit_take(struct unit *unit, const struct canbus_frame *frame)
{
	if (unit->heard_count < UNIT_FRAMES_MAX)
		unit->heard[unit->heard_count++] = *frame;
	if (isotp_session_take(&unit->session, frame->data, frame->len, frame->mono_us) ==
	    ISOTP_SESSION_MESSAGE)
		unit->messages++;
	unit_pump(unit);
}

static void unit_readable(struct loop_fd *watch, unsigned events)
{
	struct unit *unit = watch->arg;
	struct canbus_frame frames[16];
	const ssize_t count = canbus_read(unit->bus, frames, 16);

	(void)events;
	for (ssize_t i = 0; i < count; i++)
		unit_take(unit, &frames[i]);
}

void unit_open(struct isotp_bench *bench, struct unit *unit, uint32_t tx, uint32_t rx,
	       bool addressed)
{
	struct isotp_session_config config = isotp_tester_config();
	const struct canbus_filter filter = {
		.id = rx, .mask = 0x1fffffff, .extended = rx > SHORT_ID_MAX};
	const struct canbus_options options = {.filters = &filter, .filter_count = 1};

	memset(unit, 0, sizeof(*unit));
	unit->bench = bench;
	unit->tx = tx;
	unit->rx = rx;
	unit->extended = rx > SHORT_ID_MAX;
	config.padding = 0x55;
	config.extended = addressed;
	config.target = 0xf1;
	config.tester = 0x07; /* what comes is addressed to it */
	isotp_session_init(&unit->session, &config);
	assert_int_equal(bench->opener->open(bench->opener, bench->interface, &options, &unit->bus),
			 0);
	assert_int_equal(loop_fd_add(bench->loop, &unit->watch, canbus_fd(unit->bus), LOOP_READ,
				     unit_readable, unit),
			 0);
}

static void unit_close(struct unit *unit)
{
	loop_timer_cancel(&unit->timer);
	loop_fd_remove(&unit->watch);
	canbus_close(unit->bus);
	unit->bus = NULL;
}

void unit_send(struct unit *unit, const uint8_t *data, size_t len)
{
	assert_true(isotp_session_send(&unit->session, data, len, loop_now_us(unit->bench->loop)));
	unit_pump(unit);
}

/* ---- the bench ---- */

void bench_begin(struct isotp_bench *bench, struct clock *clock)
{
	bench->clock = clock;
	assert_int_equal(loop_create(clock, &bench->loop), 0);
	assert_int_equal(can_isotp_create(bench->loop, bench->opener, bench->interface, bench->way,
					  &bench->isotp),
			 0);
}

void bench_end(struct isotp_bench *bench)
{
	unit_close(&bench->unit);
	unit_close(&bench->other);
	can_isotp_destroy(bench->isotp);
	loop_destroy(bench->loop);
}

struct isotp_channel *bench_open(struct isotp_bench *bench, struct unit *unit, uint32_t tx,
				 uint32_t rx, bool addressed)
{
	const struct isotp_pair pair = {.tx = tx,
					.rx = rx,
					.extended = tx > SHORT_ID_MAX,
					.addressed = addressed,
					.target = 0x07,
					.tester = 0xf1};
	struct isotp_channel *channel;

	unit_open(bench, unit, rx, tx, addressed);
	assert_int_equal(can_isotp_open(bench->isotp, &pair, &channel), 0);
	return channel;
}

void bench_step(struct isotp_bench *bench)
{
	int64_t due;

	if (!clock_is_fake(bench->clock)) {
		assert_true(loop_run_once(bench->loop, 10) >= 0);
		return;
	}
	if (loop_run_once(bench->loop, 0))
		return;
	due = loop_due_us(bench->loop) - loop_now_us(bench->loop);
	clock_fake_advance((struct clock_fake *)bench->clock, due < 10000 ? due : 10000);
}

static void told(struct loop_fd *watch, unsigned events)
{
	bool *ready = watch->arg;

	(void)events;
	*ready = true;
}

ssize_t bench_receive(struct isotp_bench *bench, struct isotp_channel *channel, uint8_t *data,
		      int64_t patience_us)
{
	const int64_t until = loop_now_us(bench->loop) + patience_us;
	struct loop_fd watch = {0};
	bool ready = false;

	assert_int_equal(loop_fd_add(bench->loop, &watch, isotp_channel_fd(channel), LOOP_READ,
				     told, &ready),
			 0);
	while (!ready && loop_now_us(bench->loop) < until)
		bench_step(bench);
	loop_fd_remove(&watch);
	return ready ? isotp_channel_receive(channel, data, ISOTP_CHANNEL_MAX) : -EAGAIN;
}

void bench_wait_messages(struct isotp_bench *bench, const struct unit *unit, unsigned messages)
{
	const int64_t until = loop_now_us(bench->loop) + BENCH_PATIENCE_US;

	while (unit->messages < messages && loop_now_us(bench->loop) < until)
		bench_step(bench);
	assert_int_equal(unit->messages, messages);
}
