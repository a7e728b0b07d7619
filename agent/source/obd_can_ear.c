/* What is heard beside the channels. */
#include <errno.h>
#include <string.h>

#include "agent/source/obd_can_priv.h"

/* A unit that has begun goes on within a second (N_Cr of ISO 15765-2), or its channel says so. */
#define GOES_ON_US (1200 * CAN_MS)
#define QUIET_US (3 * CAN_SECOND) /* without a frame: the bus sleeps */
#define DEAF_US CAN_SECOND        /* between two samples of a bus that does not */
#define READ_ROOM 32
#define READ_ROUNDS 8

static void on_ear(struct loop_fd *watch, unsigned events);

int can_ear_open(struct obd_can *can)
{
	static const struct canbus_filter nothing;
	const struct canbus_options options = {.listen_only = true, .filters = &nothing};
	struct canbus_opener *opener = can->bus.env->can;
	int r = opener->open(opener, can->interface, &options, &can->ear);

	if (r)
		return r;
	r = loop_fd_add(can->bus.env->loop, &can->ear_watch, canbus_fd(can->ear), LOOP_READ, on_ear,
			can);
	if (r) {
		canbus_close(can->ear);
		can->ear = NULL;
	}
	return r;
}

void can_ear_close(struct obd_can *can)
{
	loop_timer_cancel(&can->ear_timer);
	loop_fd_remove(&can->ear_watch);
	canbus_close(can->ear);
	can->ear = NULL;
	can->listening = false;
	can->deaf = false;
}

/* ---- who may answer ---- */

int can_ear_turn(struct obd_can *can)
{
	const bool extended = can->target.id_bits == 29;
	const uint32_t rx = diag_target_answers(&can->target);
	const struct canbus_filter one = {rx, extended ? UINT32_C(0x1fffffff) : 0x7ff, extended};
	const struct canbus_filter all =
		extended ? (struct canbus_filter){UINT32_C(0x18daf100), UINT32_C(0x1fffff00), true}
			 : (struct canbus_filter){0x7e8, 0x7f8, false};

	loop_timer_cancel(&can->ear_timer);
	can->listening = false;
	can->deaf = false;
	return canbus_set_filters(can->ear, rx ? &one : &all, 1);
}

static bool is_single(const struct canbus_frame *frame)
{
	return frame->len >= 2 && frame->data[0] >= 1 && frame->data[0] < frame->len;
}

/* A unit of 29 bits that no channel hears: a single frame is its answer; of a longer one the rest will
 * not come, but the next will be heard. */
static void take_stranger(struct obd_can *can, const struct canbus_frame *frame)
{
	const struct isotp_pair pair = {
		.tx = UINT32_C(0x18da00f1) | (frame->id & 0xff) << 8,
		.rx = frame->id,
		.extended = true,
	};
	struct can_channel *channel;

	if (!frame->extended || (frame->id & UINT32_C(0x1fffff00)) != UINT32_C(0x18daf100))
		return;
	if (can_channel_get(can, &pair, &channel) == 0)
		channel->awaited = true;
	if (is_single(frame))
		(void)can_take(can, frame->id, frame->data + 1, frame->data[0]);
	else if ((frame->data[0] & 0xf0) == 0x10)
		can_broke(can);
}

static void take_frame(struct obd_can *can, const struct canbus_frame *frame)
{
	struct can_channel *channel = can_channel_of(can, frame->id, frame->extended);
	const size_t at = channel && channel->pair.addressed;

	if (!can->busy || frame->len < 2)
		return;
	if (channel && !channel->awaited)
		return;
	can->reply.frames++;
	if (!channel) {
		take_stranger(can, frame);
		return;
	}
	if ((frame->data[at] & 0xf0) == 0x10)
		can->reply.frames++; /* our flow control */
	if (channel->done)
		return; /* its channel was faster */
	if ((frame->data[at] & 0xf0) == 0x10) {
		channel->receiving = true;
		channel->until_us = can_now_us(can) + GOES_ON_US;
	} else if ((frame->data[at] & 0xf0) == 0x20 && channel->receiving) {
		channel->until_us = can_now_us(can) + GOES_ON_US;
	}
}

/* ---- a vehicle that wakes up ---- */

static void stop_listening(struct obd_can *can)
{
	static const struct canbus_filter nothing;

	(void)canbus_set_filters(can->ear, &nothing, 0);
}

static void hear_everything(struct obd_can *can)
{
	can->deaf = false;
	if (can->listening && canbus_set_filters(can->ear, NULL, 0))
		can->listening = false; /* looks will tell */
}

static void listen_again(struct loop_timer *timer)
{
	hear_everything(timer->arg);
}

/* What came of answers is no sign. */
static void empty(struct obd_can *can)
{
	struct canbus_frame frames[READ_ROOM];

	for (int round = 0; round < READ_ROUNDS; round++)
		if (canbus_read(can->ear, frames, READ_ROOM) <= 0)
			return;
}

void can_ear_listen(struct obd_bus *bus)
{
	struct obd_can *can = (struct obd_can *)bus;

	if (!can->ear || can->listening)
		return;
	can->listening = true;
	can->heard_us = can_now_us(can);
	empty(can);
	hear_everything(can);
}

bool can_ear_is_quiet(const struct obd_bus *bus)
{
	const struct obd_can *can = (const struct obd_can *)bus;

	return can->listening && !can->deaf && can->talkative &&
	       can_now_us(can) - can->heard_us >= QUIET_US;
}

/* While the bus is not silent it is only sampled: a full one is 4,000 frames a second. */
static void heard(struct obd_can *can)
{
	const int64_t now = can_now_us(can);
	const bool woke = now - can->heard_us >= QUIET_US;

	can->talkative = true;
	can->heard_us = now;
	can->deaf = true;
	stop_listening(can);
	if (loop_timer_set(can->bus.env->loop, &can->ear_timer, DEAF_US, listen_again, can))
		can->listening = false;
	can->bus.events->stirred(can->bus.arg, woke);
}

/* ---- reading ---- */

static void on_ear(struct loop_fd *watch, unsigned events)
{
	struct obd_can *can = watch->arg;
	struct canbus_frame frames[READ_ROOM];
	ssize_t count = 0;

	(void)events;
	for (int round = 0; round < READ_ROUNDS && can->ear; round++) {
		count = canbus_read(can->ear, frames, READ_ROOM);
		if (count <= 0)
			break;
		for (ssize_t i = 0; i < count && can->ear; i++) {
			if (can->listening && !can->deaf)
				heard(can);
			else
				take_frame(can, &frames[i]);
		}
	}
	if (count < 0 && count != -EAGAIN)
		can_lose(can, (int)count);
	else
		can_settle(can);
}
