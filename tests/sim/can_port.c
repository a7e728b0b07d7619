#include "tests/sim/can_port.h"

#include <errno.h>
#include <string.h>

#define MS INT64_C(1000)
#define CHATTER_US (100 * MS)
#define RETRY_US MS
#define SLOW_US (300 * MS)
#define READ_ROOM 32
#define CHATTER_11 0x130U
#define CHATTER_29 UINT32_C(0x17330110)

static const char *const names[] = {
#define X(ident, name) name,
	CAN_PORT_FAULTS(X)
#undef X
};

const char *can_port_fault_name(enum can_port_fault fault)
{
	return (unsigned)fault < CAN_PORT_FAULT_COUNT ? names[fault] : NULL;
}

int can_port_fault_parse(const char *name, enum can_port_fault *ret_fault)
{
	for (int i = 0; i < CAN_PORT_FAULT_COUNT; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret_fault = (enum can_port_fault)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void on_due(struct loop_timer *timer);

static void arm(struct can_port *port)
{
	const int64_t due = bus_due_us(&port->bus);
	const int64_t now = loop_now_us(port->loop);
	int64_t after = due - now;

	if (due == INT64_MAX) {
		loop_timer_cancel(&port->timer);
		return;
	}
	if (port->fault == CAN_PORT_SLOW && after < SLOW_US && !port->timer.loop)
		after = SLOW_US;
	(void)loop_timer_set(port->loop, &port->timer, after, on_due, port);
}

/* ---- to the plug ---- */

static bool is_extended_address(const struct can_port *port, const struct canbus_frame *frame)
{
	const struct unit_family *family = units_of(port->bus.vehicle->kind);

	for (size_t i = 0; i < family->count; i++)
		if (family->units[i].rx == frame->id)
			return family->units[i].extension != 0;
	return false;
}

/* False where the frame does not get out. */
static bool spoil(struct can_port *port, struct canbus_frame *frame)
{
	uint8_t *pci = &frame->data[is_extended_address(port, frame)];

	if ((*pci & 0xf0) == 0x10)
		port->consecutive = 0;
	if ((*pci & 0xf0) != 0x20)
		return true;
	port->consecutive++;
	if (port->fault == CAN_PORT_WRONG_SEQUENCE && port->consecutive == 2)
		*pci = (uint8_t)((*pci & 0xf0) | ((*pci + 1) & 0x0f));
	return !(port->fault == CAN_PORT_LOST_FRAME && port->consecutive == 2) &&
	       port->fault != CAN_PORT_CUT_OFF;
}

static void put(struct can_port *port, const struct bus_frame *out)
{
	struct canbus_frame frame = {
		.id = out->id, .extended = out->id_bits == 29, .len = out->len};

	memcpy(frame.data, out->data, sizeof(frame.data));
	if (port->fault == CAN_PORT_SILENCE || !spoil(port, &frame))
		return;
	(void)canbus_write(port->can, &frame); /* a full queue loses it, as on a wire */
}

static void on_due(struct loop_timer *timer)
{
	struct can_port *port = timer->arg;
	const uint8_t *answer;
	struct bus_frame frame;
	size_t len;

	vehicle_step(port->bus.vehicle, loop_now_us(port->loop));
	while (port->can &&
	       bus_receive(&port->bus, loop_now_us(port->loop), &frame, &answer, &len)) {
		put(port, &frame);
		if (answer && port->served)
			port->served(port->served_arg, answer, len);
	}
	if (port->can)
		arm(port);
}

/* Only while the vehicle is awake; a bus before CAN is not at this plug. */
static void on_chatter(struct loop_timer *timer)
{
	struct can_port *port = timer->arg;
	const enum unit_bus kind = units_of(port->bus.vehicle->kind)->bus;
	struct canbus_frame frame = {.id = CHATTER_11, .len = 8};

	if (kind == UNIT_BUS_CAN29) {
		frame.id = CHATTER_29;
		frame.extended = true;
	}
	vehicle_step(port->bus.vehicle, loop_now_us(port->loop));
	if (kind != UNIT_BUS_KLINE && !vehicle_asleep(port->bus.vehicle))
		(void)canbus_write(port->can, &frame);
	(void)loop_timer_set(port->loop, &port->chatter, CHATTER_US, on_chatter, port);
}

/* ---- from the plug ---- */

static bool is_flow_control(const struct canbus_frame *frame)
{
	return frame->len >= 3 &&
	       ((frame->data[0] & 0xf0) == 0x30 || (frame->data[1] & 0xf0) == 0x30);
}

/* 7F 22 from the unit that is asked, or from the first. */
static void refuse(struct can_port *port, const struct canbus_frame *frame)
{
	const struct unit_family *family = units_of(port->bus.vehicle->kind);
	struct canbus_frame no = {.len = 8, .data = {3, 0x7f, frame->data[1], 0x22}};
	size_t i = 0;

	while (i < family->count && family->units[i].tx != frame->id)
		i++;
	if (i == family->count)
		i = 0;
	if (family->units[i].extension || family->count == 0)
		return;
	no.id = family->units[i].rx;
	no.extended = family->units[i].id_bits == 29;
	(void)canbus_write(port->can, &no);
}

static void hear(struct can_port *port, const struct canbus_frame *frame)
{
	struct bus_frame in = {
		.id = frame->id, .id_bits = frame->extended ? 29 : 11, .len = frame->len};

	if (frame->len < 2)
		return;
	if (port->fault == CAN_PORT_DEAF && is_flow_control(frame))
		return;
	if (port->fault == CAN_PORT_REFUSE && !is_flow_control(frame)) {
		refuse(port, frame);
		return;
	}
	memcpy(in.data, frame->data, frame->len);
	(void)bus_send(&port->bus, &in, loop_now_us(port->loop));
	arm(port);
}

static void on_readable(struct loop_fd *watch, unsigned events)
{
	struct can_port *port = watch->arg;
	struct canbus_frame frames[READ_ROOM];
	const ssize_t count = canbus_read(port->can, frames, READ_ROOM);

	(void)events;
	for (ssize_t i = 0; i < count; i++)
		hear(port, &frames[i]);
	if (count == -ENODEV)
		can_port_close(port);
}

/* ---- life ---- */

int can_port_open(struct can_port *port, struct loop *loop, struct canbus_opener *opener,
		  const char *interface, struct vehicle *vehicle, int64_t delay_us)
{
	const struct canbus_options options = {.listen_only = false};
	int r;

	port->loop = loop;
	bus_init(&port->bus, vehicle, delay_us);
	r = opener->open(opener, interface, &options, &port->can);
	if (r)
		return r;
	r = loop_fd_add(loop, &port->watch, canbus_fd(port->can), LOOP_READ, on_readable, port);
	if (!r)
		r = loop_timer_set(loop, &port->chatter, CHATTER_US, on_chatter, port);
	if (r)
		can_port_close(port);
	return r;
}

void can_port_close(struct can_port *port)
{
	if (!port->can)
		return;
	loop_timer_cancel(&port->timer);
	loop_timer_cancel(&port->chatter);
	loop_fd_remove(&port->watch);
	canbus_close(port->can);
	port->can = NULL;
}
