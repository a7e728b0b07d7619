/* The interface: opened, lost, opened again; how the bus is doing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/source/bus_priv.h"

#define REOPEN_MIN_US (BUS_SECOND / 2)
#define REOPEN_MAX_US (30 * BUS_SECOND)
#define ROUNDS 8 /* of reads, before others have their turn */

/* ---- what is let in ---- */

/* Groups that are wanted of every J1939 bus. */
static const uint32_t always[] = {J1939_PGN_TP_CM, J1939_PGN_TP_DT, J1939_PGN_DM1, J1939_PGN_DM2,
				  J1939_PGN_VI,    J1939_PGN_CI,    J1939_PGN_SOFT};
/* And where we ask. */
static const uint32_t asking[] = {J1939_PGN_CLAIM, J1939_PGN_REQUEST, J1939_PGN_ACK};

static size_t add(struct canbus_filter *filters, size_t count, const uint32_t *pgns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (count + i < CANBUS_FILTERS_MAX)
			filters[count + i] = bus_filter_pgn(pgns[i]);
	return count + n;
}

/* Returns how many; more than there may be: everything is let in. */
static size_t make_filters(const struct bus *bus, struct canbus_filter *filters)
{
	size_t count = bus_table_filters(bus->table, filters, CANBUS_FILTERS_MAX);

	if (bus->j1939)
		count = add(filters, count, always, sizeof(always) / sizeof(always[0]));
	else if (bus_table_by_pgn(bus->table))
		count = add(filters, count, always, 2);
	if (bus->request_count)
		count = add(filters, count, asking, sizeof(asking) / sizeof(asking[0]));
	/* Who answers is known by the answer: those of the requests are let in too. */
	for (size_t i = 0; i < bus->request_count; i++)
		count = add(filters, count, &bus->requests[i].pgn, 1);
	return count;
}

/* ---- trouble ---- */

static void tell_trouble(struct bus *bus, int error)
{
	switch (error) {
	case -ENODEV:
		bus_set_state(bus, SOURCE_ERROR, "adapter_unplugged",
			      "There is no such CAN interface: its adapter is not plugged in.");
		break;
	case -ENETDOWN:
		bus_set_state(bus, SOURCE_ERROR, "interface_down",
			      "The CAN interface is down: it must be set up with the bit rate of "
			      "the bus.");
		break;
	case -EAFNOSUPPORT:
		bus_set_state(bus, SOURCE_ERROR, "no_can", "This kernel has no CAN.");
		break;
	case -EPERM:
	case -EACCES:
		bus_set_state(bus, SOURCE_ERROR, "adapter_denied",
			      "The agent may not open the CAN interface.");
		break;
	default:
		bus_set_state(bus, SOURCE_ERROR, "adapter_unreachable",
			      "The CAN interface cannot be read.");
		break;
	}
}

static void on_reopen(struct loop_timer *timer)
{
	bus_open(timer->arg);
}

/* What was heard before says nothing of now. */
static void forget_hearing(struct bus *bus)
{
	bus->heard_us = MODEL_NO_TIME;
	bus->awake_us = MODEL_NO_TIME;
	bus->report.bus.frames_per_s = 0;
	/* The adapter may be in another vehicle when it is back. */
	bus->report.vin[0] = '\0';
	bus->report.vin_given[0] = '\0';
	bus->report.vin_judgement = "";
	bus->vin_told_us = MODEL_NO_TIME;
	bus_codes_init(&bus->active);
	bus_codes_init(&bus->previous);
	memset(bus->addresses, 0, sizeof(bus->addresses));
	bus_ask_reset(bus);
	j1939_tp_drop(&bus->tp);
}

static void try_again(struct bus *bus)
{
	bus->reopen_us = bus->reopen_us ? 2 * bus->reopen_us : REOPEN_MIN_US;
	if (bus->reopen_us > REOPEN_MAX_US)
		bus->reopen_us = REOPEN_MAX_US;
	if (bus->running &&
	    loop_timer_set(bus->source.env->loop, &bus->tick, bus->reopen_us, on_reopen, bus) != 0)
		bus_set_state(bus, SOURCE_ERROR, "no_memory", "There is no memory for a timer.");
}

static void lose(struct bus *bus, int error)
{
	bus_close(bus);
	tell_trouble(bus, error);
	try_again(bus);
}

/* ---- reading ---- */

static void on_readable(struct loop_fd *watch, unsigned events)
{
	struct bus *bus = watch->arg;

	(void)events;
	for (int round = 0; round < ROUNDS; round++) {
		const ssize_t n = canbus_read(bus->can, bus->frames, BUS_BATCH);

		if (n == -EAGAIN)
			return;
		if (n == -ENETDOWN) {
			/* It stays open, and is heard again when it is up. */
			forget_hearing(bus);
			bus->open_us = bus_now_us(bus);
			tell_trouble(bus, -ENETDOWN);
			return;
		}
		if (n < 0) {
			lose(bus, (int)n);
			return;
		}
		for (ssize_t i = 0; i < n; i++)
			bus_take_frame(bus, &bus->frames[i]);
		if (!bus->can)
			return; /* a listener has stopped us */
		if (n < BUS_BATCH)
			return;
	}
}

static void on_tick(struct loop_timer *timer)
{
	struct bus *bus = timer->arg;

	if (loop_timer_set(bus->source.env->loop, &bus->tick, BUS_TICK_US, on_tick, bus) != 0)
		bus_set_state(bus, SOURCE_ERROR, "no_memory", "There is no memory for a timer.");
	bus_tick(bus);
}

static int watch(struct bus *bus)
{
	struct loop *loop = bus->source.env->loop;
	int r = loop_fd_add(loop, &bus->watch, canbus_fd(bus->can), LOOP_READ, on_readable, bus);

	if (!r)
		r = loop_timer_set(loop, &bus->tick, BUS_TICK_US, on_tick, bus);
	return r;
}

void bus_open(struct bus *bus)
{
	const struct source_env *env = bus->source.env;
	struct canbus_filter filters[CANBUS_FILTERS_MAX];
	const size_t count = make_filters(bus, filters);
	/* Where there are too many filters, everything is let in: what is not wanted is passed over. */
	const struct canbus_options options = {.listen_only = bus->request_count == 0,
					       .filters =
						       count > CANBUS_FILTERS_MAX ? NULL : filters,
					       .filter_count = count};
	int r = env->can ? env->can->open(env->can, bus_interface(bus->source.config->device),
					  &options, &bus->can)
			 : -EAFNOSUPPORT;

	if (!r)
		r = watch(bus);
	if (r) {
		lose(bus, r);
		return;
	}
	bus->reopen_us = 0;
	bus->report.inits++;
	bus->open_us = bus_now_us(bus);
	bus->last_tick_us = bus->open_us;
	bus_note_state(bus);
}

void bus_close(struct bus *bus)
{
	struct source_bus_report *report = &bus->report.bus;

	loop_fd_remove(&bus->watch);
	loop_timer_cancel(&bus->tick);
	loop_timer_cancel(&bus->ask_timer);
	if (bus->can) {
		bus_note_state(bus);
		bus->before.dropped = (uint64_t)report->dropped;
		bus->before.bus_errors = (uint64_t)report->bus_errors;
		bus->before.bus_offs = (uint64_t)report->bus_offs;
	}
	canbus_close(bus->can);
	bus->can = NULL;
	forget_hearing(bus);
}

int bus_send(struct bus *bus, const struct j1939_id *id, const uint8_t data[static 8], size_t len)
{
	struct canbus_frame frame = {
		.id = j1939_id_make(id), .extended = true, .len = (uint8_t)len};
	int r;

	memcpy(frame.data, data, len);
	r = bus->can ? canbus_write(bus->can, &frame) : -ENETDOWN;
	if (r == -EPERM)
		bus->report.bus.asking = "the interface only listens";
	return r;
}

/* ---- how the bus is doing ---- */

void bus_note_state(struct bus *bus)
{
	static const char *const names[] = {"active", "warning", "passive", "off", "down"};
	struct source_bus_report *report = &bus->report.bus;
	struct canbus_state state;

	canbus_state(bus->can, &state);
	report->condition = names[state.condition];
	report->dropped = (int64_t)(bus->before.dropped + state.dropped);
	report->bus_errors = (int64_t)(bus->before.bus_errors + state.bus_errors);
	report->bus_offs = (int64_t)(bus->before.bus_offs + state.bus_offs);
	if (state.bit_rate)
		(void)snprintf(bus->report.protocol, sizeof(bus->report.protocol),
			       "CAN %u kbit/s%s", state.bit_rate / 1000,
			       state.silent ? ", silent" : "");
	else
		(void)snprintf(bus->report.protocol, sizeof(bus->report.protocol), "CAN");
}
