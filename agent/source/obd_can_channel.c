/* ISO-TP channels, one a pair of identifiers. */
#include <errno.h>
#include <string.h>

#include "agent/source/obd_can_priv.h"

static void close_one(struct can_channel *channel)
{
	if (!channel->channel)
		return;
	loop_fd_remove(&channel->watch);
	isotp_channel_close(channel->channel);
	memset(channel, 0, sizeof(*channel));
}

void can_channels_close(struct obd_can *can)
{
	for (size_t i = 0; i < CAN_CHANNELS_MAX; i++)
		close_one(&can->channels[i]);
}

static bool same_pair(const struct isotp_pair *a, const struct isotp_pair *b)
{
	return a->tx == b->tx && a->rx == b->rx && a->extended == b->extended &&
	       a->addressed == b->addressed && a->target == b->target && a->tester == b->tester &&
	       a->functional == b->functional;
}

static bool hear_the_same(const struct isotp_pair *a, const struct isotp_pair *b)
{
	return !a->functional && !b->functional && a->rx == b->rx && a->extended == b->extended;
}

struct can_channel *can_channel_of(struct obd_can *can, uint32_t id, bool extended)
{
	for (size_t i = 0; i < CAN_CHANNELS_MAX; i++) {
		struct can_channel *channel = &can->channels[i];

		if (channel->channel && !channel->pair.functional && channel->pair.rx == id &&
		    channel->pair.extended == extended)
			return channel;
	}
	return NULL;
}

/* ---- what comes ---- */

static void failed(struct can_channel *channel, int error)
{
	struct obd_can *can = channel->can;

	if (error == -ENETDOWN || error == -ENODEV) {
		can_lose(can, error);
		return;
	}
	can->bus.rejected++;
	if (channel->awaited) {
		channel->until_us = 0;
		channel->receiving = false;
		can_broke(can);
	}
}

static void on_readable(struct loop_fd *watch, unsigned events)
{
	struct can_channel *channel = watch->arg;
	struct obd_can *can = channel->can;
	uint8_t data[ISOTP_CHANNEL_MAX];
	ssize_t len;

	(void)events;
	while (channel->channel &&
	       (len = isotp_channel_receive(channel->channel, data, sizeof(data))) != -EAGAIN) {
		if (len < 0) {
			failed(channel, (int)len);
			if (len == -ENETDOWN || len == -ENODEV)
				return;
			continue;
		}
		if (!channel->awaited) {
			can->bus.rejected++;
			continue;
		}
		channel->until_us = 0;
		channel->receiving = false;
		channel->done = can_take(can, channel->pair.rx, data, (size_t)len);
	}
	can_settle(can);
}

void can_channel_drain(struct can_channel *channel)
{
	uint8_t data[ISOTP_CHANNEL_MAX];
	ssize_t len;

	while ((len = isotp_channel_receive(channel->channel, data, sizeof(data))) != -EAGAIN) {
		if (len == -ENETDOWN || len == -ENODEV)
			return; /* the loop will tell */
		channel->can->bus.rejected++;
	}
}

/* ---- opening ---- */

/* A free place; where there is none that of the channel which was not used for longest. */
static struct can_channel *find_place(struct obd_can *can)
{
	struct can_channel *oldest = NULL;

	for (size_t i = 0; i < CAN_CHANNELS_MAX; i++) {
		struct can_channel *channel = &can->channels[i];

		if (!channel->channel)
			return channel;
		if (!channel->awaited && (!oldest || channel->used < oldest->used))
			oldest = channel;
	}
	if (oldest)
		close_one(oldest);
	return oldest;
}

static int open_at(struct obd_can *can, struct can_channel *place, const struct isotp_pair *pair)
{
	struct isotp_channel *channel;
	int r = can_isotp_open(can->isotp, pair, &channel);

	if (r)
		return r;
	memset(place, 0, sizeof(*place));
	r = loop_fd_add(can->bus.env->loop, &place->watch, isotp_channel_fd(channel), LOOP_READ,
			on_readable, place);
	if (r) {
		isotp_channel_close(channel);
		return r;
	}
	place->can = can;
	place->channel = channel;
	place->pair = *pair;
	return 0;
}

int can_channel_get(struct obd_can *can, const struct isotp_pair *pair,
		    struct can_channel **ret_channel)
{
	struct can_channel *place;
	int r;

	for (size_t i = 0; i < CAN_CHANNELS_MAX; i++) {
		place = &can->channels[i];
		if (place->channel && same_pair(&place->pair, pair))
			goto out;
		/* Two that hear one identifier would both send flow control. */
		if (place->channel && hear_the_same(&place->pair, pair))
			close_one(place);
	}
	place = find_place(can);
	r = place ? open_at(can, place, pair) : -ENOSPC;
	if (r)
		return r;
out:
	place->used = ++can->uses;
	*ret_channel = place;
	return 0;
}
