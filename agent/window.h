/* Which batch is sent next: the window of what the CORE has not acknowledged, and its two lanes.
 *
 * Live batches go first: those stored after the connection was made, each in its turn. The backlog,
 * what was there before, follows oldest first, in at most three quarters of the window, within what
 * pace.h finds that the way takes and a rate that may be set besides, so that it never delays live
 * data.
 *
 * Beside the window stands what the BROKER has not confirmed (PUBACK): never more than it takes at
 * once, the Receive Maximum of MQTT 5. A batch that it has confirmed and the core has not
 * acknowledged is due again after a time-out that grows and is jittered; one that it has not is still
 * on this connection's way and is not sent again, unless the broker confirms what went out after it:
 * it confirms in order (MQTT 5 section 4.6), so that one was lost between the two. Its place at the
 * broker stays taken. A new connection starts over (sending twice is harmless). Deferred batches wait
 * outside the window.
 *
 * Pure: no I/O, no clock (times are monotonic microseconds given by the caller), no allocation.
 * Batches are named by the spool's ids: larger is younger.
 */
#ifndef AGENT_WINDOW_H
#define AGENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/pace.h"

#define WINDOW_MAX 512                       /* batches in flight, most that can be configured */
#define WINDOW_DEFERRED_MAX 64               /* batches that the core wants later */
#define WINDOW_LIVE_LAG_MAX 1000             /* batches behind which live data becomes backlog */
#define WINDOW_LIVE_LAG_US INT64_C(10000000) /* and time */
#define WINDOW_RECEIVE_MAX 65535 /* where the broker sets no limit (MQTT 5 section 3.2.2.3.3) */
/* A batch that went out so often, while the core acknowledged others, is set aside for a while. */
#define WINDOW_ATTEMPTS_MAX 4
#define WINDOW_ASIDE_US INT64_C(600000000)
/* Older than this, a batch went out before anything else that the broker confirms now. */
#define WINDOW_PASSED_US INT64_C(20000000)

struct window_config {
	int batches;           /* 1..WINDOW_MAX: unacknowledged batches */
	int64_t bytes;         /* unacknowledged bytes; one batch is always allowed */
	int64_t resend_us;     /* first time-out */
	int64_t resend_max_us; /* its ceiling */
	int64_t backlog_rate;  /* bytes a second of backlog at most; 0: what the way takes */
};

enum window_lane { WINDOW_LIVE, WINDOW_BACKLOG };

struct window_entry {
	int64_t id; /* 0: free */
	int64_t bytes;
	int64_t sent_us; /* first */
	int64_t due_us;  /* sent again then; INT64_MAX: not before the broker confirms */
	int64_t acks;    /* the window's count of acknowledgements when it was sent first */
	int64_t order;   /* the window's count of sent batches when it was last sent */
	int64_t last_us; /* sent last */
	int attempts;
	enum window_lane lane;
	bool confirmed; /* by the broker, since it was last sent; or passed over by it */
	bool repeated;  /* sent more than once */
	bool deferred;  /* does not count in the window */
};

struct window {
	struct window_config config;
	struct pace pace;
	struct window_entry entries[WINDOW_MAX + WINDOW_DEFERRED_MAX];
	int in_flight; /* batches, of both lanes, without the deferred */
	int backlog_in_flight;
	int deferred;
	int unconfirmed; /* publishes that the broker has not confirmed, batches or not */
	int receive_maximum;
	int64_t bytes, backlog_bytes; /* in flight */
	int64_t newest;               /* youngest id known to be in the spool */
	int64_t live;                 /* cursor: live ids up to here have been sent */
	int64_t backlog;              /* cursor: backlog ids up to here have been sent */
	int64_t behind;               /* live batches not yet sent */
	int64_t behind_us;            /* since when there have been any */
	int64_t mark;                 /* ids above are live, up to it backlog */
	int64_t rate_us;              /* when backlog may go again by the rate that is set */
	int64_t acks;                 /* acknowledged batches */
	int64_t sends;                /* batches sent, each time */
	int64_t aside;                /* batches set aside, ever */
	int64_t taken_bytes; /* of backlog, of the acknowledgement that is being taken in */
	bool limited;        /* the backlog waited for the pace when that began */
	uint32_t random;
};

void window_init(struct window *window, const struct window_config *config, uint32_t seed);

/* A connection is made: the broker takes `receive_maximum` publishes at once, 1..WINDOW_RECEIVE_MAX. */
void window_broker(struct window *window, int receive_maximum);
/* Batches may go: all that the spool holds, up to `newest`, is backlog. */
void window_connected(struct window *window, int64_t newest, int64_t now_us);

/* The spool holds batches up to `newest`, `count` more than before. */
void window_stored(struct window *window, int64_t newest, int64_t count, int64_t now_us);

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
/* Batches may have been passed over: the backlog begins again with the oldest. The spool holds batches up
 * to `newest`. What is in flight is not sent again for it. */
void window_rewind(struct window *window, int64_t newest);
/* True where this batch is in flight or deferred: NEXT met one that the other lane has sent. */
bool window_holds(const struct window *window, int64_t id);
/* NEXT's batch is not sent: its lane goes on behind it. */
void window_pass(struct window *window, int64_t id, enum window_lane lane);

/* Something else than a batch was published. */
void window_other(struct window *window);
/* The broker has confirmed a publish: of this batch, or of something else (0). */
void window_confirmed(struct window *window, int64_t id, int64_t now_us);
/* The broker takes one more publish that is no batch: batches leave it room. */
bool window_takes_other(const struct window *window);

/* The core has committed this batch, or set it aside. False where it was not in flight. */
bool window_acked(struct window *window, int64_t id, int64_t now_us);
/* An acknowledgement of the core has been taken in whole. */
void window_ack_end(struct window *window, int64_t now_us);

/* The core wants it later, or the broker cannot take it. Where too many are deferred it stays in
 * flight until then. */
void window_deferred(struct window *window, int64_t id, int64_t retry_us, int64_t now_us);

/* The core is back after a silence: what was sent more than once in vain is due now. */
void window_hurry(struct window *window, int64_t now_us);

/* When something falls due by itself; INT64_MAX where nothing does. */
int64_t window_due(const struct window *window, int64_t now_us);

/* Batches that may be in flight now. */
int window_limit(const struct window *window);
/* Bytes a second of backlog as in force now; 0: none is known yet. */
int64_t window_rate(const struct window *window);

#endif
