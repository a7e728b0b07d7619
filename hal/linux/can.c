/* CAN by SocketCAN's raw sockets. They need no capability. */
#include <errno.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hal/linux/can_priv.h"

#define BATCH 32
#define ROUNDS 4 /* of batches with nothing but error frames, before others have their turn */
/* About a second of a full bus, where net.core.rmem_max allows that much. */
#define RECEIVE_BUFFER (2 << 20)
#define CONTROL_SIZE (CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t)))

struct linux_canbus {
	struct canbus bus;
	int fd;
	int index;
	bool listen_only;
	bool gone;            /* the interface was removed: this socket hears nothing more */
	struct can_link link; /* as it was when we last asked */
	struct canbus_state state;
	uint32_t overflows; /* SO_RXQ_OVFL, as the kernel counts */
	int64_t last_us;    /* when the last frame came */

	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	struct can_frame frames[BATCH];
	/* Control messages want the alignment of their header; the size keeps it. */
	_Alignas(struct cmsghdr) unsigned char controls[BATCH][CONTROL_SIZE];
};

static struct linux_canbus *linux_of(struct canbus *bus)
{
	return (struct linux_canbus *)bus;
}

static int64_t clock_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- how the bus is doing ---- */

/* Asks the kernel how the interface is. */
static int look(struct linux_canbus *bus)
{
	struct can_link link;
	int r = bus->gone ? -ENODEV : can_link_read(bus->fd, bus->index, &link);

	if (r < 0) {
		if (r == -ENODEV) {
			bus->gone = true;
			bus->state.condition = CANBUS_DOWN;
		}
		return r;
	}
	bus->link = link;
	bus->state.bit_rate = link.bit_rate;
	bus->state.restart_ms = link.restart_ms;
	bus->state.silent = link.silent;
	if (!link.up)
		bus->state.condition = CANBUS_DOWN;
	else if (link.controller || bus->state.condition == CANBUS_DOWN)
		bus->state.condition = link.condition;
	return 0;
}

/* Not every driver tells of a state that became better, so the kernel is asked where it knows. */
static void linux_state(struct canbus *canbus, struct canbus_state *ret_state)
{
	struct linux_canbus *bus = linux_of(canbus);

	(void)look(bus); /* what was known stays */
	*ret_state = bus->state;
}

static void take_error_frame(struct linux_canbus *bus, const struct can_frame *frame)
{
	struct canbus_state *state = &bus->state;
	const uint8_t detail = frame->can_id & CAN_ERR_CRTL && frame->len > 1 ? frame->data[1] : 0;

	state->bus_errors++;
	if (detail & CAN_ERR_CRTL_RX_OVERFLOW)
		state->dropped++;
	if (detail & (CAN_ERR_CRTL_RX_PASSIVE | CAN_ERR_CRTL_TX_PASSIVE))
		state->condition = CANBUS_PASSIVE;
	else if (detail & (CAN_ERR_CRTL_RX_WARNING | CAN_ERR_CRTL_TX_WARNING))
		state->condition = CANBUS_WARNING;
	else if (detail & CAN_ERR_CRTL_ACTIVE)
		state->condition = CANBUS_ACTIVE;
	if (frame->can_id & CAN_ERR_BUSOFF) {
		state->bus_offs++;
		state->condition = CANBUS_OFF;
	}
	if (frame->can_id & CAN_ERR_RESTARTED) {
		state->restarts++;
		state->condition = CANBUS_ACTIVE;
	}
}

/* A failed call on the socket. */
static int failed(struct linux_canbus *bus, int error)
{
	switch (error) {
	case ENETDOWN:
		bus->state.condition = CANBUS_DOWN;
		return -ENETDOWN;
	case ENODEV:
	case ENXIO: /* sending after it was removed */
		bus->gone = true;
		bus->state.condition = CANBUS_DOWN;
		return -ENODEV;
	case ENOBUFS: /* the queue of the interface */
		return -EAGAIN;
	default:
		return -error;
	}
}

/* ---- reading ---- */

/* The kernel stamps with the wall clock, which may have been set since. A frame came after the one
 * before it, and before now. */
static int64_t to_boot_us(struct linux_canbus *bus, int64_t stamp_us, int64_t wall_us,
			  int64_t boot_us)
{
	int64_t at = boot_us - (wall_us - stamp_us);

	if (at > boot_us)
		at = boot_us;
	if (at < bus->last_us)
		at = bus->last_us;
	bus->last_us = at;
	return at;
}

static void take_overflows(struct linux_canbus *bus, uint32_t overflows)
{
	bus->state.dropped += overflows - bus->overflows; /* wraps as the kernel's does */
	bus->overflows = overflows;
}

/* Reads what came beside a frame. Returns the time of its arrival, `wall_us` where none is given. */
static int64_t read_control(struct linux_canbus *bus, struct msghdr *message, int64_t wall_us)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec stamp;

			memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
			wall_us = (int64_t)stamp.tv_sec * 1000000 + stamp.tv_nsec / 1000;
		} else if (c->cmsg_type == SO_RXQ_OVFL) {
			uint32_t overflows;

			memcpy(&overflows, CMSG_DATA(c), sizeof(overflows));
			take_overflows(bus, overflows);
		}
	}
	return wall_us;
}

static void copy_frame(const struct can_frame *from, int64_t at, struct canbus_frame *to)
{
	to->extended = (from->can_id & CAN_EFF_FLAG) != 0;
	to->id = from->can_id & (to->extended ? CAN_EFF_MASK : CAN_SFF_MASK);
	to->len = from->len < CANBUS_DATA_MAX ? from->len : CANBUS_DATA_MAX;
	memcpy(to->data, from->data, to->len);
	to->mono_us = at;
}

/* Sorts `count` messages into frames and errors. Returns how many frames. */
static size_t sort(struct linux_canbus *bus, unsigned count, struct canbus_frame *frames)
{
	const int64_t wall_us = clock_us(CLOCK_REALTIME), boot_us = clock_us(CLOCK_BOOTTIME);
	size_t taken = 0;

	for (unsigned i = 0; i < count; i++) {
		struct msghdr *message = &bus->messages[i].msg_hdr;
		const struct can_frame *frame = &bus->frames[i];
		const int64_t at =
			to_boot_us(bus, read_control(bus, message, wall_us), wall_us, boot_us);

		if (bus->messages[i].msg_len != CAN_MTU || frame->can_id & CAN_RTR_FLAG)
			continue;
		if (frame->can_id & CAN_ERR_FLAG) {
			take_error_frame(bus, frame);
			continue;
		}
		/* Whoever hears frames is on the bus. */
		if (bus->state.condition == CANBUS_OFF || bus->state.condition == CANBUS_DOWN)
			bus->state.condition = CANBUS_ACTIVE;
		copy_frame(frame, at, &frames[taken++]);
	}
	return taken;
}

static ssize_t linux_read(struct canbus *canbus, struct canbus_frame *frames, size_t room)
{
	struct linux_canbus *bus = linux_of(canbus);
	const unsigned most = room < BATCH ? (unsigned)room : BATCH;

	if (bus->gone)
		return -ENODEV;
	for (int round = 0; round < ROUNDS; round++) {
		size_t taken;
		int count;

		for (unsigned i = 0; i < most; i++)
			bus->messages[i].msg_hdr.msg_controllen = sizeof(bus->controls[i]);
		count = recvmmsg(bus->fd, bus->messages, most, MSG_DONTWAIT, NULL);
		if (count < 0)
			return failed(bus, errno);
		taken = sort(bus, (unsigned)count, frames);
		if (taken)
			return (ssize_t)taken;
	}
	return -EAGAIN;
}

/* ---- writing ---- */

/* May it send at all? An interface that is down may be set otherwise before it is up again. */
static int may_write(struct linux_canbus *bus)
{
	if (bus->listen_only)
		return -EPERM;
	if (bus->gone)
		return -ENODEV;
	if (bus->state.condition == CANBUS_DOWN) {
		int r = look(bus);

		if (r < 0)
			return r;
	}
	/* The kernel would drop it and say nothing. */
	return bus->link.silent ? -EPERM : 0;
}

static int linux_write(struct canbus *canbus, const struct canbus_frame *frame)
{
	struct linux_canbus *bus = linux_of(canbus);
	struct can_frame wire = {.can_id = can_wire_id(frame->id, frame->extended),
				 .len = frame->len};
	int r = may_write(bus);

	if (r < 0)
		return r;
	if (!can_id_valid(frame->id, frame->extended) || frame->len > CANBUS_DATA_MAX)
		return -EINVAL;
	memcpy(wire.data, frame->data, frame->len);
	if (send(bus->fd, &wire, sizeof(wire), MSG_DONTWAIT) < 0)
		return failed(bus, errno);
	return 0;
}

/* ---- life ---- */

/* Remote frames never pass: their flag is part of every mask. */
static int linux_set_filters(struct canbus *canbus, const struct canbus_filter *filters,
			     size_t count)
{
	struct can_filter wire[CANBUS_FILTERS_MAX] = {{.can_id = 0, .can_mask = CAN_RTR_FLAG}};
	const struct linux_canbus *bus = linux_of(canbus);
	socklen_t size = sizeof(wire[0]);

	if (count > CANBUS_FILTERS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		const uint32_t limit = filters[i].extended ? CAN_EFF_MASK : CAN_SFF_MASK;

		wire[i].can_id = can_wire_id(filters[i].id & limit, filters[i].extended);
		wire[i].can_mask = (filters[i].mask & limit) | CAN_EFF_FLAG | CAN_RTR_FLAG;
	}
	if (filters)
		size = (socklen_t)(count * sizeof(wire[0]));
	return setsockopt(bus->fd, SOL_CAN_RAW, CAN_RAW_FILTER, wire, size) < 0 ? -errno : 0;
}

static int linux_fd(const struct canbus *bus)
{
	return ((const struct linux_canbus *)bus)->fd;
}

static void linux_close(struct canbus *canbus)
{
	struct linux_canbus *bus = linux_of(canbus);

	if (bus->fd >= 0)
		close(bus->fd);
	free(bus);
}

static const struct canbus_ops linux_ops = {
	.read = linux_read,
	.write = linux_write,
	.set_filters = linux_set_filters,
	.fd = linux_fd,
	.state = linux_state,
	.close = linux_close,
};

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_options(struct linux_canbus *bus, const struct canbus_options *options)
{
	int r = set_option(bus->fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);

	if (!r)
		r = set_option(bus->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	/* Asking for more than is allowed is no error. */
	if (!r)
		r = set_option(bus->fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
	if (!r)
		r = set_option(bus->fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, CAN_ERR_MASK);
	if (r < 0)
		return r;
	return linux_set_filters(&bus->bus, options->filters, options->filter_count);
}

static int bind_to(struct linux_canbus *bus, const char *interface)
{
	struct sockaddr_can address = {.can_family = AF_CAN};
	int r = can_link_index(bus->fd, interface, &bus->index);

	if (r < 0)
		return r;
	address.can_ifindex = bus->index;
	return bind(bus->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static void prepare_messages(struct linux_canbus *bus)
{
	for (unsigned i = 0; i < BATCH; i++) {
		bus->parts[i].iov_base = &bus->frames[i];
		bus->parts[i].iov_len = sizeof(bus->frames[i]);
		bus->messages[i].msg_hdr.msg_iov = &bus->parts[i];
		bus->messages[i].msg_hdr.msg_iovlen = 1;
		bus->messages[i].msg_hdr.msg_control = bus->controls[i];
	}
}

static int open_bus(struct canbus_opener *opener, const char *interface,
		    const struct canbus_options *options, struct canbus **ret_bus)
{
	struct linux_canbus *bus = calloc(1, sizeof(*bus));
	int r;

	(void)opener;
	if (!bus)
		return -ENOMEM;
	bus->bus.ops = &linux_ops;
	bus->listen_only = options->listen_only;
	bus->last_us = clock_us(CLOCK_BOOTTIME);
	prepare_messages(bus);
	bus->fd = socket(AF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);
	if (bus->fd < 0)
		r = errno == EPROTONOSUPPORT ? -EAFNOSUPPORT : -errno;
	else
		r = set_options(bus, options);
	if (!r)
		r = bind_to(bus, interface);
	if (!r)
		r = look(bus);
	if (r < 0) {
		linux_close(&bus->bus);
		return r;
	}
	*ret_bus = &bus->bus;
	return 0;
}

struct canbus_opener *canbus_opener_linux(void)
{
	static struct canbus_opener opener = {.open = open_bus, .open_isotp = can_isotp_open_linux};

	return &opener;
}
