/* What the files of hal/linux/can*.c share. */
#ifndef HAL_LINUX_CAN_PRIV_H
#define HAL_LINUX_CAN_PRIV_H

#include <linux/can.h>

#include "hal/can.h"

/* How the kernel describes an interface. */
struct can_link {
	bool up;
	bool controller; /* the rest is known: a real controller, and netlink may be used */
	bool silent;
	enum canbus_condition condition; /* of the controller */
	unsigned bit_rate;
	unsigned restart_ms;
};

/* Asks the kernel; takes microseconds, never waits for hardware. `fd` is any socket. Returns 0;
 * -ENODEV where the interface is gone; -errno. What netlink does not tell (virtual interfaces, or a
 * sandbox without AF_NETLINK) is left out without an error. */
int can_link_read(int fd, int index, struct can_link *ret_link);

/* The number of the interface of that name. Returns 0, -ENODEV or -errno. */
int can_link_index(int fd, const char *interface, int *ret_index);

/* An identifier with the flag that socketcan has for long ones. */
static inline canid_t can_wire_id(uint32_t id, bool extended)
{
	return extended ? id | CAN_EFF_FLAG : id;
}
/* Is there such an identifier? */
static inline bool can_id_valid(uint32_t id, bool extended)
{
	return id <= (extended ? CAN_EFF_MASK : CAN_SFF_MASK);
}

int can_isotp_open_linux(struct canbus_opener *opener, const char *interface,
			 const struct isotp_pair *pair, struct isotp_channel **ret_channel);

#endif
