/* ISO-TP on one CAN interface, whoever speaks it: the kernel where it can, else this program
 * (isotp_own.h). Beside the channels it keeps an eye on the bus. All on the loop's thread. */
#ifndef AGENT_SOURCE_CAN_ISOTP_H
#define AGENT_SOURCE_CAN_ISOTP_H

#include "base/loop.h"
#include "hal/can.h"

enum can_isotp_way {
	CAN_ISOTP_ANY,    /* the kernel's where there is one */
	CAN_ISOTP_KERNEL, /* that or none */
	CAN_ISOTP_OWN,    /* ours */
};

struct can_isotp;

/* Opens the interface (its state only: frames come with the channels). `loop` and `opener` must outlive
 * it. Returns 0, or as canbus_opener's open() says. */
int can_isotp_create(struct loop *loop, struct canbus_opener *opener, const char *interface,
		     enum can_isotp_way way, struct can_isotp **ret_isotp);
/* Its channels must be closed before. NULL is accepted. */
void can_isotp_destroy(struct can_isotp *isotp);

/* A channel. Returns 0; -EPROTONOSUPPORT where it must be the kernel's, which has none; else as
 * canbus_opener's open_isotp() and isotp_own_open() say. */
int can_isotp_open(struct can_isotp *isotp, const struct isotp_pair *pair,
		   struct isotp_channel **ret_channel);

/* CAN_ISOTP_KERNEL or CAN_ISOTP_OWN; CAN_ISOTP_ANY until a channel was opened. */
enum can_isotp_way can_isotp_way(const struct can_isotp *isotp);

/* How the bus is doing. */
void can_isotp_state(struct can_isotp *isotp, struct canbus_state *ret_state);

#endif
