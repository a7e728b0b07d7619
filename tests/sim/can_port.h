/* A simulated vehicle on a CAN interface: its bus (bus.h) on a real one, or on one in memory. A vehicle
 * that is awake also says things that nobody asked for, as vehicles do; one that sleeps is silent. Lives
 * on the loop's thread. */
#ifndef SIM_CAN_PORT_H
#define SIM_CAN_PORT_H

#include "base/loop.h"
#include "hal/can.h"
#include "tests/sim/bus.h"

/* X(IDENT, "name") */
#define CAN_PORT_FAULTS(X)                                                                         \
	X(NONE, "none")                                                                            \
	X(SILENCE, "silence")               /* no control unit answers; the bus lives */           \
	X(DEAF, "deaf")                     /* they hear no flow control */                        \
	X(LOST_FRAME, "lost-frame")         /* the second frame of a long answer is missing */     \
	X(WRONG_SEQUENCE, "wrong-sequence") /* its number is wrong */                              \
	X(CUT_OFF, "cut-off")               /* only the first frame comes */                       \
	X(SLOW, "slow")                     /* nobody keeps P2: 300 ms and more to each answer */  \
	X(REFUSE, "refuse")                 /* 7F 22: conditions not correct, whatever is asked */

enum can_port_fault {
#define X(ident, name) CAN_PORT_##ident,
	CAN_PORT_FAULTS(X)
#undef X
		CAN_PORT_FAULT_COUNT
};

const char *can_port_fault_name(enum can_port_fault fault);
int can_port_fault_parse(const char *name, enum can_port_fault *ret_fault); /* 0 or -EINVAL */

struct can_port {
	struct loop *loop;
	struct canbus *can; /* NULL: closed */
	struct loop_fd watch;
	struct loop_timer timer;   /* the next frame of an answer */
	struct loop_timer chatter; /* what nobody asked for */
	struct bus bus;
	enum can_port_fault fault;
	unsigned consecutive; /* frames of a long answer since its first */
	/* Told of each whole answer; may be NULL. */
	void (*served)(void *arg, const uint8_t *answer, size_t len);
	void *served_arg;
};

/* Puts the vehicle, which outlives it, on an interface of `opener`. `delay_us`: how long a control unit
 * needs. Returns 0 or -errno. */
int can_port_open(struct can_port *port, struct loop *loop, struct canbus_opener *opener,
		  const char *interface, struct vehicle *vehicle, int64_t delay_us);
void can_port_close(struct can_port *port); /* a closed one is accepted */

#endif
