/* A CAN interface: frames in, frames out, and how the bus is doing.
 *
 * What a port owes: nothing blocks. Frames come in the order of the bus, each with the time of its
 * arrival. An interface that goes down (-ENETDOWN) is told once, by read or by a write that comes
 * first, and the bus may stay open: frames come again when the interface is up. One that goes away
 * (-ENODEV) does not come back: the bus is then good only for closing. Error frames of the controller
 * do not come as frames: they become the state. Remote frames and what this bus itself has written do not come at all; what others
 * on this machine write does. A bus that was opened to listen refuses to write (-EPERM), whatever the
 * interface itself allows. The caller's thread owns the bus.
 */
#ifndef HAL_CAN_H
#define HAL_CAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CANBUS_DATA_MAX 8 /* classic CAN */
#define CANBUS_FILTERS_MAX 64

struct canbus_frame {
	uint32_t id; /* 11 bits, or 29 with `extended` */
	bool extended;
	uint8_t len;
	uint8_t data[CANBUS_DATA_MAX];
	int64_t mono_us; /* when it arrived, on the clock of base/clock.h; written frames: unused */
};

/* Frames with (id & mask) == (filter.id & mask) and the same length of identifier come in. */
struct canbus_filter {
	uint32_t id, mask;
	bool extended;
};

struct canbus_options {
	bool listen_only; /* nothing can be written */
	/* At most CANBUS_FILTERS_MAX. NULL: everything comes; none of them: nothing but the state. */
	const struct canbus_filter *filters;
	size_t filter_count;
};

enum canbus_condition {
	CANBUS_ACTIVE,  /* as it should be */
	CANBUS_WARNING, /* error warning limit reached */
	CANBUS_PASSIVE, /* error passive: somebody disturbs, or nobody acknowledges */
	CANBUS_OFF,     /* the controller has left the bus */
	CANBUS_DOWN,    /* the interface is down */
};

struct canbus_state {
	enum canbus_condition condition;
	unsigned bit_rate; /* bit/s; 0: the interface does not tell (virtual ones) */
	unsigned
		restart_ms; /* after that time off the bus the controller is started again; 0: it is
			      * not, or the interface does not tell */
	bool silent;        /* the interface itself is set to listen only */
	/* Since the bus was opened: */
	uint64_t dropped;    /* frames that the kernel could not keep for us; learnt with the next
			      * frame. An overflow of the controller counts as one. */
	uint64_t bus_errors; /* error frames of any kind */
	uint64_t bus_offs;
	uint64_t restarts;
};

struct canbus;

struct canbus_ops {
	/* Up to `room` frames that are there now. Returns how many (> 0), -EAGAIN when none are (the
	 * state may be another one now), -ENETDOWN, -ENODEV, -errno. */
	ssize_t (*read)(struct canbus *bus, struct canbus_frame *frames, size_t room);
	/* Returns 0: it is in the queue of the interface; -EAGAIN when that is full (no descriptor
	 * tells when it is not: try again after a frame or two); -EPERM on a bus that only listens,
	 * or an interface that does; -EINVAL for an identifier or a length that there is not;
	 * -ENETDOWN, -ENODEV, -errno. */
	int (*write)(struct canbus *bus, const struct canbus_frame *frame);
	/* What comes from now on, as in struct canbus_options. Returns 0, -EINVAL or -errno. */
	int (*set_filters)(struct canbus *bus, const struct canbus_filter *filters, size_t count);
	/* For the event loop, owned by the bus. Readable, or in error: read tells. */
	int (*fd)(const struct canbus *bus);
	/* How it is now; an interface that is up again is no longer DOWN. */
	void (*state)(struct canbus *bus, struct canbus_state *ret_state);
	void (*close)(struct canbus *bus);
};

struct canbus {
	const struct canbus_ops *ops;
};

static inline ssize_t canbus_read(struct canbus *bus, struct canbus_frame *frames, size_t room)
{
	return bus->ops->read(bus, frames, room);
}
static inline int canbus_write(struct canbus *bus, const struct canbus_frame *frame)
{
	return bus->ops->write(bus, frame);
}
static inline int canbus_set_filters(struct canbus *bus, const struct canbus_filter *filters,
				     size_t count)
{
	return bus->ops->set_filters(bus, filters, count);
}
static inline int canbus_fd(const struct canbus *bus)
{
	return bus->ops->fd(bus);
}
static inline void canbus_state(struct canbus *bus, struct canbus_state *ret_state)
{
	bus->ops->state(bus, ret_state);
}
static inline void canbus_close(struct canbus *bus)
{
	if (bus)
		bus->ops->close(bus);
}

/* ---- messages over ISO-TP ---- */

#define ISOTP_CHANNEL_MAX 4095 /* bytes of a message */

struct isotp_pair {
	uint32_t tx, rx; /* identifiers of what is sent and of what comes */
	bool extended;   /* 29 bits */
	bool addressed;  /* extended addressing: a byte before the PCI, */
	uint8_t target;  /* in what is sent, */
	uint8_t tester;  /* and in what comes */
	bool functional; /* single frames to everybody; nothing comes back on this channel */
};

struct isotp_channel;

struct isotp_channel_ops {
	/* Sends a message of 1..4095 bytes. Returns 0: on its way (trouble is told by receive);
	 * -EAGAIN while another is on its way; -EMSGSIZE: empty, too long, or more than a single
	 * frame on a functional channel; -ENETDOWN, -ENODEV, -errno. An error of before that was
	 * not received yet may come here in its place; nothing was sent then. */
	int (*send)(struct isotp_channel *channel, const uint8_t *data, size_t len);
	/* A message that has come; where `room` is too small for it, -EMSGSIZE, and it is lost: have
	 * ISOTP_CHANNEL_MAX. Returns its length (> 0); -EAGAIN when none has. Trouble is told once,
	 * before messages that have come, and the channel stays good:
	 *	-ETIMEDOUT  the other side stopped in the middle of its message
	 *	-EILSEQ     its frames were out of sequence
	 *	-ECOMM      its flow control did not come: what was sent is not across
	 *	-ECONNREFUSED  it refuses what was sent: too long for it, or not now
	 *	-ENOBUFS    messages that were not fetched in time are lost
	 *	-ENETDOWN   the interface is down; what was on its way is lost
	 *	-ENODEV     it is gone: the channel is good only for closing
	 *	-errno */
	ssize_t (*receive)(struct isotp_channel *channel, uint8_t *data, size_t room);
	/* For the event loop, owned by the channel. Readable, or in error: receive until -EAGAIN. */
	int (*fd)(const struct isotp_channel *channel);
	/* Ends what is on its way, both ways. */
	void (*close)(struct isotp_channel *channel);
};

struct isotp_channel {
	const struct isotp_channel_ops *ops;
};

static inline int isotp_channel_send(struct isotp_channel *channel, const uint8_t *data, size_t len)
{
	return channel->ops->send(channel, data, len);
}
static inline ssize_t isotp_channel_receive(struct isotp_channel *channel, uint8_t *data,
					    size_t room)
{
	return channel->ops->receive(channel, data, room);
}
static inline int isotp_channel_fd(const struct isotp_channel *channel)
{
	return channel->ops->fd(channel);
}
static inline void isotp_channel_close(struct isotp_channel *channel)
{
	if (channel)
		channel->ops->close(channel);
}

/* ---- opening (hal/linux; tests put hal/fake in its place) ---- */

struct canbus_opener {
	/* `interface` is a name such as "can0"; one that is down opens, and the first read says so.
	 * Returns 0; -ENODEV where there is none, or it is not a CAN interface; -EAFNOSUPPORT where
	 * the kernel has no CAN; -EINVAL for too many filters; -errno. */
	int (*open)(struct canbus_opener *opener, const char *interface,
		    const struct canbus_options *options, struct canbus **ret_bus);
	/* The kernel's ISO-TP (since Linux 5.10). Returns 0; -EPROTONOSUPPORT where the kernel has
	 * none: then the caller speaks ISO-TP itself on a bus; -ENODEV, -errno. One channel a pair
	 * of identifiers: two would both send flow control. */
	int (*open_isotp)(struct canbus_opener *opener, const char *interface,
			  const struct isotp_pair *pair, struct isotp_channel **ret_channel);
};

/* SocketCAN. Never freed, any thread. */
struct canbus_opener *canbus_opener_linux(void);

/* True where `name` may be an interface's (1..15 characters without '/' and blanks). */
bool canbus_name_valid(const char *name);
/* The interface of an address "can:can0", within it; NULL where it is none. */
const char *canbus_interface(const char *address);

#endif
