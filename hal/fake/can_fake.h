/* A CAN bus in memory behind the ops of hal/can.h, for tests: what one end writes comes to all the
 * others, the interface goes down, up and away on command, the controller leaves the bus.
 *
 * The fake is the wire, the interfaces and their controllers: whatever name is opened, it is an end of
 * this bus. The test may open ends of its own (to play a control unit on the event loop), or send and
 * look at frames directly. No kernel's ISO-TP is there (-EPROTONOSUPPORT). One thread.
 */
#ifndef HAL_FAKE_CAN_FAKE_H
#define HAL_FAKE_CAN_FAKE_H

#include "base/clock.h"
#include "hal/can.h"

#define CAN_FAKE_QUEUE 1024 /* frames that an end keeps; more are dropped and counted */

struct can_fake;

/* Sees each frame that an end writes (not the test's own); it may answer with can_fake_send(). */
typedef void can_fake_fn(struct can_fake *fake, const struct canbus_frame *frame, void *arg);

/* A bus that is up. Frames are stamped with `clock`, which must outlive it. Returns 0 or -errno. */
int can_fake_create(struct clock *clock, struct can_fake **ret_fake);
/* Its ends must be closed before. NULL is accepted. */
void can_fake_destroy(struct can_fake *fake);

/* Opens ends. -ENODEV while the interface is away, or what can_fake_fail_open() asked for. Owned by the
 * fake. */
struct canbus_opener *can_fake_opener(struct can_fake *fake);
/* The name that was last opened, "" before; and how many ends are open. */
const char *can_fake_interface(const struct can_fake *fake);
unsigned can_fake_ends(const struct can_fake *fake);

/* A frame on the wire from somebody who is no end; `frame->mono_us` is not looked at. Nobody hears it
 * while the bus is down, or its controller off. */
void can_fake_send(struct can_fake *fake, const struct canbus_frame *frame);
/* The same, with less ink: 29 bits where `id` is above 7FF. */
void can_fake_send_data(struct can_fake *fake, uint32_t id, const void *data, size_t len);
/* `fn` NULL: nobody looks. */
void can_fake_on_write(struct can_fake *fake, can_fake_fn *fn, void *arg);

/* How many frames ends have written, and the last of them. */
uint64_t can_fake_written(const struct can_fake *fake);
const struct canbus_frame *can_fake_last(const struct can_fake *fake);

/* The interface: down (each end is told once), up again, removed for good (those that are open do not
 * come back; new ones open after can_fake_return()). */
void can_fake_down(struct can_fake *fake);
void can_fake_up(struct can_fake *fake);
void can_fake_remove(struct can_fake *fake);
void can_fake_return(struct can_fake *fake);

/* The controller: what it tells in error frames. CANBUS_OFF: nothing comes or goes until another
 * condition is set (which then counts as a restart). */
void can_fake_set_condition(struct can_fake *fake, enum canbus_condition condition);
void can_fake_set_rate(struct can_fake *fake, unsigned bit_rate, unsigned restart_ms);
/* The interface is set to listen only. */
void can_fake_set_silent(struct can_fake *fake, bool silent);

/* So many writes in all are taken before they say -EAGAIN (SIZE_MAX: no limit). */
void can_fake_limit_write(struct can_fake *fake, size_t room);
/* The next opening, write or read (of any end) returns `error` (negative), once. */
void can_fake_fail_open(struct can_fake *fake, int error);
void can_fake_fail_write(struct can_fake *fake, int error);
void can_fake_fail_read(struct can_fake *fake, int error);

#endif
