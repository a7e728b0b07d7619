/* Which batch is sent next: the window of what the CORE has not acknowledged, and its two lanes.
 *
 * Live batches go first: those stored after the connection was made, each in its turn. The backlog,
 * what was there before, follows oldest first, in at most three quarters of the window and at a
 * limited rate, so that it never delays live data. A batch without an acknowledgement is due again
 * after a time-out that grows and is jittered; a new connection starts over (sending twice is
 * harmless). Deferred batches wait outside the window.
 *
 * Pure: no I/O, no clock (times are monotonic microseconds given by the caller), no allocation.
 * Batches are named by the spool's ids: larger is younger.
 */
#ifndef AGENT_WINDOW_H
#define AGENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_MAX 256           /* batches in flight, most that can be configured */
#define WINDOW_DEFERRED_MAX 64   /* batches that the core wants later */
#define WINDOW_LIVE_LAG_MAX 1000 /* batches behind which live data becomes backlog */

struct window_config {
	int batches;           /* 1..WINDOW_MAX: unacknowledged batches */
	int64_t bytes;         /* unacknowledged bytes; one batch is always allowed */
	int64_t resend_us;     /* first time-out */
	int64_t resend_max_us; /* its ceiling */
	int64_t backlog_rate;  /* bytes a second of backlog; 0: no limit */
};

enum window_lane { WINDOW_LIVE, WINDOW_BACKLOG };

struct window_entry {
	int64_t id; /* 0: free */
	int64_t bytes;
	int64_t due_us; /* sent again then */
	int attempts;
	enum window_lane lane;
	bool deferred; /* does not count in the window */
};

struct window {
	struct window_config config;
	struct window_entry entries[WINDOW_MAX + WINDOW_DEFERRED_MAX];
	int in_flight; /* batches, of both lanes, without the deferred */
	int backlog_in_flight;
	int deferred;
	int64_t bytes;
	int64_t newest;  /* youngest id known to be in the spool */
	int64_t live;    /* cursor: live ids up to here have been sent */
	int64_t backlog; /* cursor: backlog ids up to here have been sent */
	int64_t behind;  /* live batches not yet sent */
	int64_t mark;    /* ids above are live, up to it backlog */
	int64_t credit;  /* bytes of backlog that may go now */
	int64_t credit_us;
	uint32_t random;
};

void window_init(struct window *window, const struct window_config *config, uint32_t seed);

/* A connection is made: all that the spool holds, up to `newest`, is backlog. */
void window_connected(struct window *window, int64_t newest, int64_t now_us);

/* The spool holds batches up to `newest`, `count` more than before. */
void window_stored(struct window *window, int64_t newest, int64_t count);

enum window_what {
	WINDOW_NOTHING, /* wait for an acknowledgement, a new batch, or window_due() */
	WINDOW_AGAIN,   /* send the batch with this id again */
	WINDOW_NEXT,    /* send the oldest batch with an id above `after` and up to `last` */
};

struct window_choice {
	enum window_what what;
	enum window_lane lane;
	int64_t id;          /* AGAIN */
	int64_t after, last; /* NEXT */
};

/* What to send now. */
struct window_choice window_choose(struct window *window, int64_t now_us);

/* The batch that was chosen went out. */
void window_sent(struct window *window, int64_t id, int64_t bytes, enum window_lane lane,
		 int64_t now_us);
/* There is none: AGAIN's batch is gone from the spool, or NEXT's range is empty. */
void window_missing(struct window *window, const struct window_choice *choice);

/* The core has committed this batch, or set it aside. False where it was not in flight. */
bool window_acked(struct window *window, int64_t id);

/* The core wants it later. Where too many are deferred it stays in flight until then. */
void window_deferred(struct window *window, int64_t id, int64_t retry_us, int64_t now_us);

/* The core is back after a silence: what was sent more than once in vain is due now. */
void window_hurry(struct window *window, int64_t now_us);

/* When something falls due by itself; INT64_MAX where nothing does. */
int64_t window_due(const struct window *window, int64_t now_us);

#endif
