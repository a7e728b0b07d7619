/* Messages over CAN where the kernel has no ISO-TP: the protocol of agent/protocol/isotp_session.h on
 * a bus and the timers of the event loop.
 *
 * One struct isotp_own owns one bus, reads it, and gives each frame to the channel that its
 * identifier (and address) belongs to; only such frames pass the bus's filter. Channels are those of
 * hal/can.h and behave as the kernel's: flow control 30 00 00 at once, one second for N_Bs and N_Cr,
 * frames padded with CC. All on the loop's thread.
 */
#ifndef AGENT_SOURCE_ISOTP_OWN_H
#define AGENT_SOURCE_ISOTP_OWN_H

#include "base/loop.h"
#include "hal/can.h"

struct isotp_own;

struct isotp_own_counts {
	uint64_t frames;  /* that came */
	uint64_t strays;  /* that belong to no channel */
	uint64_t bad;     /* that are none of ISO-TP, or belong to nothing that is going on */
	uint64_t lost;    /* messages that were not fetched in time */
	uint64_t refused; /* writes that the bus did not take for a second */
};

/* Takes over `bus`, whose filters it sets, also after an error. `loop` must outlive it. Returns 0 or
 * -errno. */
int isotp_own_create(struct loop *loop, struct canbus *bus, struct isotp_own **ret_own);
/* Closes the bus. Its channels must be closed before. NULL is accepted. */
void isotp_own_destroy(struct isotp_own *own);

/* A channel. Returns 0; -EINVAL for identifiers that there are not; -EADDRINUSE where another
 * channel hears the same; -EPERM where the bus only listens is told by send; -ENOMEM, -errno. */
int isotp_own_open(struct isotp_own *own, const struct isotp_pair *pair,
		   struct isotp_channel **ret_channel);

/* How the bus is doing, and what passed on it. */
void isotp_own_state(struct isotp_own *own, struct canbus_state *ret_state);
struct isotp_own_counts isotp_own_counts(const struct isotp_own *own);

#endif
