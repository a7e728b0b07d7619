/* The way over a CAN interface: opening and closing, the bus and its trouble. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/obd_can_priv.h"

/* ---- the timer ---- */

static void on_timer(struct loop_timer *timer)
{
	struct obd_can *can = timer->arg;
	void (*later)(struct obd_can * can) = can->later;

	can->later = NULL;
	if (later)
		later(can);
}

void can_post(struct obd_can *can, int64_t us, void (*later)(struct obd_can *can))
{
	can->later =
		loop_timer_set(can->bus.env->loop, &can->timer, us, on_timer, can) ? NULL : later;
}

/* ---- trouble ---- */

const char *can_bus_problem(const struct canbus_state *state)
{
	switch (state->condition) {
	case CANBUS_OFF:
		return state->restart_ms
			       ? "The CAN controller has left the bus (bus-off) and will be started "
				 "again: check bit rate and wiring."
			       : "The CAN controller has left the bus (bus-off) and stays off: ip link "
				 "set NAME type can restart-ms 100.";
	case CANBUS_PASSIVE:
		return "Nobody acknowledges what the CAN interface sends: check plug, bit rate and "
		       "wiring.";
	default:
		return NULL;
	}
}

/* Lets go of everything. */
static void shut(struct obd_can *can)
{
	can->later = NULL;
	loop_timer_cancel(&can->timer);
	can_forget_request(can);
	if (can->ear)
		can_ear_close(can);
	can_channels_close(can);
	can_isotp_destroy(can->isotp);
	can->isotp = NULL;
	can->bus.protocol = 0;
	can->talkative = false;
	can->answered_bits = 0;
}

static void tell_lost(struct obd_can *can)
{
	const int error = can->error;

	shut(can);
	can->bus.events->lost(can->bus.arg, error);
}

void can_lose(struct obd_can *can, int error)
{
	can->error = error;
	can_post(can, 0, tell_lost);
}

/* ---- the bus ---- */

static const char *name_of(uint8_t protocol, unsigned bit_rate)
{
	static const char *const names[] = {"CAN 11/500", "CAN 29/500", "CAN 11/250", "CAN 29/250"};
	const bool extended = protocol == 7 || protocol == 9;

	if (bit_rate == 500000 || bit_rate == 250000)
		return names[protocol - 6];
	return extended ? "CAN 29" : "CAN 11";
}

/* The number that adapters have for it: what is neither 500 nor 250 kbit/s counts as the first. */
static uint8_t number_of(unsigned bits, unsigned bit_rate)
{
	return (uint8_t)((bit_rate == 250000 ? 8 : 6) + (bits == 29));
}

static void set_protocol(struct obd_can *can, unsigned bits)
{
	can->bus.protocol = number_of(bits, can->bit_rate);
	can->bus.events->protocol(can->bus.arg, name_of(can->bus.protocol, can->bit_rate),
				  can->bit_rate ? can->bit_rate : 500000);
}

static void tell_ready(struct obd_can *can)
{
	can->bus.events->ready(can->bus.arg);
}

static void tell_identified(struct obd_can *can)
{
	if (can->bus.protocol == 0)
		set_protocol(can, can->answered_bits ? can->answered_bits : 11);
	tell_ready(can);
}

static void identify(struct obd_bus *bus)
{
	struct obd_can *can = (struct obd_can *)bus;

	/* The profile's own question was answered, not everybody's. */
	if (!can->answered_bits)
		can->answered_bits = can->target.id_bits;
	can_post(can, 0, tell_identified);
}

/* ---- opening and closing ---- */

static void tell_open(struct obd_can *can)
{
	if (can->usual)
		set_protocol(can, can->usual == 7 || can->usual == 9 ? 29 : 11);
	tell_ready(can);
}

static int open_can(struct obd_bus *bus)
{
	struct obd_can *can = (struct obd_can *)bus;
	struct canbus_state state;
	int r;

	if (!bus->env->can)
		return -EAFNOSUPPORT;
	r = can_isotp_create(bus->env->loop, bus->env->can, can->interface, CAN_ISOTP_ANY,
			     &can->isotp);
	if (r)
		return r;
	can_isotp_state(can->isotp, &state);
	if (state.condition == CANBUS_DOWN)
		r = -ENETDOWN;
	else if (state.silent)
		r = -EPERM;
	else
		r = can_ear_open(can);
	if (r) {
		shut(can);
		return r;
	}
	can->bit_rate = state.bit_rate;
	can_post(can, 0, tell_open);
	return 0;
}

static void close_can(struct obd_bus *bus)
{
	shut((struct obd_can *)bus);
}

static void destroy_can(struct obd_bus *bus)
{
	close_can(bus);
	free(bus);
}

static bool is_idle(const struct obd_bus *bus)
{
	const struct obd_can *can = (const struct obd_can *)bus;

	return can->isotp && !can->busy && !can->later;
}

static bool wind_up(struct obd_bus *bus)
{
	(void)bus;
	return false; /* nothing was changed */
}

/* The controller recovers by itself, or the operator must help; asking again shows. */
static bool recover(struct obd_bus *bus, int errors)
{
	(void)bus;
	(void)errors;
	return false;
}

static void restart(struct obd_bus *bus)
{
	struct obd_can *can = (struct obd_can *)bus;

	can_forget_request(can);
	can_channels_close(can);
	bus->events->anew(bus->arg);
	can_post(can, 0, tell_ready);
}

static bool measure(struct obd_bus *bus)
{
	(void)bus;
	return false; /* there is no plug */
}

static void report_can(const struct obd_bus *bus, struct source_report *report)
{
	const struct obd_can *can = (const struct obd_can *)bus;
	const char *by = "";

	if (!can->isotp)
		return;
	if (can_isotp_way(can->isotp) == CAN_ISOTP_KERNEL)
		by = ", ISO-TP of the kernel";
	else if (can_isotp_way(can->isotp) == CAN_ISOTP_OWN)
		by = ", own ISO-TP";
	if (can->bit_rate)
		(void)snprintf(report->adapter, sizeof(report->adapter), "%s, %u bit/s%s",
			       can->interface, can->bit_rate, by);
	else
		(void)snprintf(report->adapter, sizeof(report->adapter), "%s%s", can->interface,
			       by);
}

static const struct obd_bus_ops ops = {
	.open = open_can,
	.close = close_can,
	.destroy = destroy_can,
	.idle = is_idle,
	.way = can_way,
	.problem = can_problem,
	.ask = can_ask,
	.again = can_again,
	.identify = identify,
	.wind_up = wind_up,
	.recover = recover,
	.restart = restart,
	.measure = measure,
	.rest = can_ear_listen,
	.quiet = can_ear_is_quiet,
	.report = report_can,
};

int obd_can_create(const struct obd_bus *common, uint8_t protocol, struct obd_bus **ret_bus)
{
	struct obd_can *can = calloc(1, sizeof(*can));

	if (!can)
		return -ENOMEM;
	can->bus = *common;
	can->bus.ops = &ops;
	can->interface = canbus_interface(common->config->device);
	can->usual = protocol >= 6 && protocol <= 9 ? protocol : 0;
	*ret_bus = &can->bus;
	return 0;
}
