#include "hal/fake/can_fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SHORT_MAX 0x7ffU
#define LONG_MAX_ID 0x1fffffffU

struct fake_end {
	struct canbus bus;
	struct can_fake *fake; /* NULL once the interface was removed */
	struct fake_end *next;
	int fd;         /* eventfd: readable while there is something to learn */
	bool down_owed; /* -ENETDOWN was not told yet */
	bool news;      /* the state changed since it was asked */
	bool listen_only;
	bool everything; /* comes */
	uint64_t dropped;
	struct canbus_filter filters[CANBUS_FILTERS_MAX];
	size_t filter_count;
	struct canbus_frame queue[CAN_FAKE_QUEUE];
	size_t first, count;
};

struct can_fake {
	struct canbus_opener opener;
	struct clock *clock;
	struct fake_end *ends;
	struct canbus_state state;
	bool down, away;
	can_fake_fn *on_write;
	void *on_write_arg;
	uint64_t written;
	struct canbus_frame last;
	size_t write_room;
	int fail_open, fail_write, fail_read;
	char interface[32];
};

static struct fake_end *end_of(struct canbus *bus)
{
	return (struct fake_end *)bus;
}

/* The error that was ordered, once. */
static int take_error(int *error)
{
	int r = *error;

	*error = 0;
	return r;
}

/* Makes the descriptor say whether a read would tell anything. */
static void mark(struct fake_end *end)
{
	static const uint64_t one = 1;
	uint64_t count;

	if (read(end->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		abort(); /* a test that runs on would lie */
	if (end->fake && !end->fake->fail_read && !end->count && !end->down_owed && !end->news)
		return;
	if (write(end->fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		abort();
}

/* ---- the wire ---- */

static bool wants(const struct fake_end *end, const struct canbus_frame *frame)
{
	for (size_t i = 0; i < end->filter_count; i++) {
		const struct canbus_filter *filter = &end->filters[i];

		if (filter->extended == frame->extended &&
		    (frame->id & filter->mask) == (filter->id & filter->mask))
			return true;
	}
	return end->everything;
}

static void give(struct fake_end *end, const struct canbus_frame *frame)
{
	if (!wants(end, frame))
		return;
	if (end->count == CAN_FAKE_QUEUE) {
		end->dropped++;
		return;
	}
	end->queue[(end->first + end->count++) % CAN_FAKE_QUEUE] = *frame;
	mark(end);
}

static bool passes(const struct can_fake *fake)
{
	return !fake->down && !fake->away && fake->state.condition != CANBUS_OFF;
}

static void spread(struct can_fake *fake, const struct fake_end *from,
		   const struct canbus_frame *frame)
{
	struct canbus_frame stamped = *frame;

	if (!passes(fake))
		return;
	stamped.mono_us = clock_mono_us(fake->clock);
	for (struct fake_end *end = fake->ends; end; end = end->next)
		if (end != from)
			give(end, &stamped);
}

/* ---- an end ---- */

static ssize_t fake_read(struct canbus *bus, struct canbus_frame *frames, size_t room)
{
	struct fake_end *end = end_of(bus);
	size_t n = 0;
	int r;

	if (!end->fake)
		return -ENODEV;
	r = take_error(&end->fake->fail_read);
	if (!r && end->down_owed) {
		end->down_owed = false;
		r = -ENETDOWN;
	}
	end->news = false;
	while (!r && n < room && end->count) {
		frames[n++] = end->queue[end->first];
		end->first = (end->first + 1) % CAN_FAKE_QUEUE;
		end->count--;
	}
	mark(end);
	if (r)
		return r;
	return n ? (ssize_t)n : -EAGAIN;
}

static bool frame_valid(const struct canbus_frame *frame)
{
	return frame->id <= (frame->extended ? LONG_MAX_ID : SHORT_MAX) &&
	       frame->len <= CANBUS_DATA_MAX;
}

static int may_write(struct fake_end *end, const struct canbus_frame *frame)
{
	if (end->listen_only)
		return -EPERM;
	if (!end->fake)
		return -ENODEV;
	if (end->fake->state.silent)
		return -EPERM;
	if (!frame_valid(frame))
		return -EINVAL;
	if (!end->fake->down)
		return 0;
	end->down_owed = false; /* told now */
	mark(end);
	return -ENETDOWN;
}

static int fake_write(struct canbus *bus, const struct canbus_frame *frame)
{
	struct fake_end *end = end_of(bus);
	struct can_fake *fake = end->fake;
	int r = may_write(end, frame);

	if (!r)
		r = take_error(&fake->fail_write);
	if (r < 0)
		return r;
	/* A controller that is off the bus takes nothing from its queue, which is soon full. */
	if (!fake->write_room || fake->state.condition == CANBUS_OFF)
		return -EAGAIN;
	if (fake->write_room != SIZE_MAX)
		fake->write_room--;
	fake->written++;
	fake->last = *frame;
	spread(fake, end, frame);
	if (fake->on_write)
		fake->on_write(fake, frame, fake->on_write_arg);
	return 0;
}

static int fake_set_filters(struct canbus *bus, const struct canbus_filter *filters, size_t count)
{
	struct fake_end *end = end_of(bus);

	if (count > CANBUS_FILTERS_MAX)
		return -EINVAL;
	if (count)
		memcpy(end->filters, filters, count * sizeof(filters[0]));
	end->filter_count = count;
	end->everything = !filters;
	return 0;
}

static int fake_fd(const struct canbus *bus)
{
	return ((const struct fake_end *)bus)->fd;
}

static void fake_state(struct canbus *bus, struct canbus_state *ret_state)
{
	const struct fake_end *end = end_of(bus);
	struct canbus_state state = {.condition = CANBUS_DOWN};

	if (end->fake) {
		state = end->fake->state;
		if (end->fake->down)
			state.condition = CANBUS_DOWN;
	}
	state.dropped = end->dropped;
	*ret_state = state;
}

static void fake_close(struct canbus *bus)
{
	struct fake_end *end = end_of(bus);

	if (end->fake) {
		struct fake_end **at = &end->fake->ends;

		while (*at != end)
			at = &(*at)->next;
		*at = end->next;
	}
	close(end->fd);
	free(end);
}

static const struct canbus_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.set_filters = fake_set_filters,
	.fd = fake_fd,
	.state = fake_state,
	.close = fake_close,
};

static int make_end(struct can_fake *fake, const struct canbus_options *options,
		    struct fake_end **ret_end)
{
	struct fake_end *end = calloc(1, sizeof(*end));
	int r;

	if (!end)
		return -ENOMEM;
	end->bus.ops = &fake_ops;
	end->listen_only = options->listen_only;
	r = fake_set_filters(&end->bus, options->filters, options->filter_count);
	if (!r) {
		end->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r = end->fd < 0 ? -errno : 0;
	}
	if (r < 0) {
		free(end);
		return r;
	}
	end->down_owed = fake->down;
	*ret_end = end;
	return 0;
}

static int fake_open(struct canbus_opener *opener, const char *interface,
		     const struct canbus_options *options, struct canbus **ret_bus)
{
	struct can_fake *fake = (struct can_fake *)opener;
	struct fake_end *end;
	int r = take_error(&fake->fail_open);

	snprintf(fake->interface, sizeof(fake->interface), "%s", interface);
	if (!r && fake->away)
		r = -ENODEV;
	if (!r)
		r = make_end(fake, options, &end);
	if (r)
		return r;
	end->fake = fake;
	end->next = fake->ends;
	fake->ends = end;
	mark(end);
	*ret_bus = &end->bus;
	return 0;
}

static int fake_open_isotp(struct canbus_opener *opener, const char *interface,
			   const struct isotp_pair *pair, struct isotp_channel **ret_channel)
{
	(void)opener;
	(void)interface;
	(void)pair;
	(void)ret_channel;
	return -EPROTONOSUPPORT;
}

/* ---- the test's side ---- */

int can_fake_create(struct clock *clock, struct can_fake **ret_fake)
{
	struct can_fake *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return -ENOMEM;
	fake->opener.open = fake_open;
	fake->opener.open_isotp = fake_open_isotp;
	fake->clock = clock;
	fake->write_room = SIZE_MAX;
	*ret_fake = fake;
	return 0;
}

void can_fake_destroy(struct can_fake *fake)
{
	free(fake);
}

struct canbus_opener *can_fake_opener(struct can_fake *fake)
{
	return &fake->opener;
}

const char *can_fake_interface(const struct can_fake *fake)
{
	return fake->interface;
}

unsigned can_fake_ends(const struct can_fake *fake)
{
	unsigned count = 0;

	for (const struct fake_end *end = fake->ends; end; end = end->next)
		count++;
	return count;
}

void can_fake_send(struct can_fake *fake, const struct canbus_frame *frame)
{
	spread(fake, NULL, frame);
}

void can_fake_send_data(struct can_fake *fake, uint32_t id, const void *data, size_t len)
{
	struct canbus_frame frame = {.id = id, .extended = id > SHORT_MAX};

	frame.len = (uint8_t)(len < CANBUS_DATA_MAX ? len : CANBUS_DATA_MAX);
	if (frame.len)
		memcpy(frame.data, data, frame.len);
	can_fake_send(fake, &frame);
}

void can_fake_on_write(struct can_fake *fake, can_fake_fn *fn, void *arg)
{
	fake->on_write = fn;
	fake->on_write_arg = arg;
}

uint64_t can_fake_written(const struct can_fake *fake)
{
	return fake->written;
}

const struct canbus_frame *can_fake_last(const struct can_fake *fake)
{
	return &fake->last;
}

static void mark_all(struct can_fake *fake)
{
	for (struct fake_end *end = fake->ends; end; end = end->next)
		mark(end);
}

void can_fake_down(struct can_fake *fake)
{
	if (fake->down)
		return;
	fake->down = true;
	for (struct fake_end *end = fake->ends; end; end = end->next)
		end->down_owed = true;
	mark_all(fake);
}

void can_fake_up(struct can_fake *fake)
{
	fake->down = false;
	fake->state.condition = CANBUS_ACTIVE;
}

void can_fake_remove(struct can_fake *fake)
{
	struct fake_end *end = fake->ends;

	fake->away = true;
	fake->ends = NULL;
	while (end) {
		end->fake = NULL;
		mark(end);
		end = end->next;
	}
}

void can_fake_return(struct can_fake *fake)
{
	fake->away = false;
	fake->down = false;
	fake->state.condition = CANBUS_ACTIVE;
}

void can_fake_set_condition(struct can_fake *fake, enum canbus_condition condition)
{
	struct canbus_state *state = &fake->state;

	state->bus_errors++;
	state->bus_offs += condition == CANBUS_OFF && state->condition != CANBUS_OFF;
	state->restarts += condition != CANBUS_OFF && state->condition == CANBUS_OFF;
	state->condition = condition;
	for (struct fake_end *end = fake->ends; end; end = end->next)
		end->news = true;
	mark_all(fake);
}

void can_fake_set_rate(struct can_fake *fake, unsigned bit_rate, unsigned restart_ms)
{
	fake->state.bit_rate = bit_rate;
	fake->state.restart_ms = restart_ms;
}

void can_fake_set_silent(struct can_fake *fake, bool silent)
{
	fake->state.silent = silent;
}

void can_fake_limit_write(struct can_fake *fake, size_t room)
{
	fake->write_room = room;
}

void can_fake_fail_open(struct can_fake *fake, int error)
{
	fake->fail_open = error;
}

void can_fake_fail_write(struct can_fake *fake, int error)
{
	fake->fail_write = error;
}

void can_fake_fail_read(struct can_fake *fake, int error)
{
	fake->fail_read = error;
	mark_all(fake);
}
