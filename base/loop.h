/* The event loop: file descriptors, timers and signals, on one thread, on epoll(7).
 *
 * Watches and timers live inside the objects that they serve; the loop only links them. Callbacks
 * may add, change and remove any watch or timer, also their own. All calls belong to the loop's
 * thread, but loop_wake() and loop_stop(), which any thread may call.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct loop;
struct loop_fd;
struct loop_timer;

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 /* always reported */ };

typedef void loop_fd_fn(struct loop_fd *watch, unsigned events);
typedef void loop_timer_fn(struct loop_timer *timer);
typedef void loop_signal_fn(void *arg, int signo);

struct loop_fd {
	loop_fd_fn *fn;
	void *arg;
	int fd;            /* owned by the caller; remove the watch before closing it */
	unsigned events;   /* read only; change with loop_fd_set() */
	struct loop *loop; /* NULL while not watched */
};

struct loop_timer {
	loop_timer_fn *fn;
	void *arg;
	int64_t due_us;    /* read only */
	struct loop *loop; /* NULL while not armed */
	unsigned slot;     /* the loop's own */
	uint64_t order;    /* the loop's own */
};

/* `clock` gives the monotonic time of the timers and must outlive the loop. With a fake clock the
 * loop never sleeps for a timer: the test advances the clock and calls loop_run_once().
 * Returns 0 or -errno. */
int loop_create(struct clock *clock, struct loop **ret_loop);
/* Watches and timers are forgotten, not touched: their owners may be gone. NULL is accepted. */
void loop_destroy(struct loop *loop);

/* Start watching `fd`, which no other watch of the loop has (-EEXIST). `watch` is the caller's and
 * must stay where it is until removed. Returns 0 or -errno. */
int loop_fd_add(struct loop *loop, struct loop_fd *watch, int fd, unsigned events, loop_fd_fn *fn,
		void *arg);
int loop_fd_set(struct loop_fd *watch, unsigned events);
void loop_fd_remove(struct loop_fd *watch); /* one that is not watched is accepted */

/* Arm (or re-arm) a one-shot timer to fire `after_us` from now (negative counts as 0). `timer` is
 * zeroed before its first use. Timers that are due at the same time fire in the order of arming; one
 * that arms itself with 0 waits for the next round. Returns 0 or -ENOMEM. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t after_us, loop_timer_fn *fn,
		   void *arg);
void loop_timer_cancel(struct loop_timer *timer); /* one that is not armed is accepted */

/* Blocks `signo` for the calling thread and hands it to `fn` on the loop. One handler a signal.
 * Call before threads are made. The signal stays blocked when the loop is destroyed. Returns 0 or
 * -errno. */
int loop_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *arg);

/* Runs until loop_stop(), which also counts when it came before. Returns 0, or -errno when waiting
 * itself fails. */
int loop_run(struct loop *loop);
/* Waits at most `max_wait_ms` for something to do and does it once. Returns how many callbacks ran
 * or -errno. */
int loop_run_once(struct loop *loop, int max_wait_ms);
void loop_stop(struct loop *loop);
/* Makes a waiting loop come round once. */
void loop_wake(struct loop *loop);

int64_t loop_now_us(const struct loop *loop);
/* When the next timer goes off; INT64_MAX: none is armed. A test with a fake clock goes there. */
int64_t loop_due_us(const struct loop *loop);

#endif
