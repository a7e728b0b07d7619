/* How much backlog may be under way: as much as the link and the core take without making live data
 * wait.
 *
 * A controller on delay, after LEDBAT (RFC 6817). The round trip from a send to the core's
 * acknowledgement is a base, what the way takes when nothing waits, plus what waits on it: in the
 * socket, in the network, in the broker, before the core's disk. The backlog's window grows while
 * less than PACE_TARGET_US wait, and shrinks in proportion while more do; it begins small and
 * doubles with every round trip until something waits. So the backlog uses a link that is idle,
 * makes way for whatever else needs it, and a live batch never waits much longer than the target.
 *
 * The base is the least round trip of the last ten minutes. Where even the smallest window does not
 * bring the delay down, the way itself has become longer (another radio cell, another route), and
 * the base is measured anew.
 *
 * Pure: no I/O, no clock (times are monotonic microseconds given by the caller), no allocation.
 */
#ifndef AGENT_PACE_H
#define AGENT_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_TARGET_US INT64_C(200000)    /* what may wait on the way because of the backlog */
#define PACE_START_BYTES INT64_C(8192)    /* the first window of a connection */
#define PACE_FLOOR_BYTES INT64_C(4096)    /* the smallest; one batch is always allowed */
#define PACE_BASE_MAX_US INT64_C(3000000) /* no way is believed to take longer by itself */

#define PACE_BASES 10 /* minutes that the base looks back */
#define PACE_WORSTS 6 /* times ten seconds that the worst round trip looks back */

struct pace {
	int64_t ceiling;           /* bytes */
	int64_t window;            /* bytes */
	bool starting;             /* doubling */
	int64_t smoothed_us;       /* -1 before the first */
	int64_t bases[PACE_BASES]; /* least of each minute, newest first; INT64_MAX: none */
	int64_t base_from_us;
	int64_t worsts[PACE_WORSTS]; /* longest of each ten seconds, newest first; -1: none */
	int64_t worst_from_us;
	int64_t least_us; /* of the acknowledgement that is being taken in; -1: none */
	int64_t acked_us; /* when backlog was last acknowledged */
	int64_t cut_us;   /* when the window was last cut for a loss */
	int64_t floor_us; /* since when the window has been the smallest; -1: it is not */
	int64_t floor_least_us;
	int floor_samples;
};

/* `ceiling` bytes, at least PACE_FLOOR_BYTES, are the largest window. */
void pace_init(struct pace *pace, int64_t ceiling);
/* A new connection, maybe another way: starts small; what is known of the base stays. */
void pace_connected(struct pace *pace, int64_t now_us);

/* The bytes of backlog that may be unacknowledged now. */
int64_t pace_window(const struct pace *pace);
/* Backlog is sent after none was under way: a window of long ago is no longer believed. */
void pace_begin(struct pace *pace, int64_t now_us);

/* A batch that was sent once was acknowledged after `us`; before pace_acked(). */
void pace_round_trip(struct pace *pace, int64_t us, int64_t now_us);
/* An acknowledgement has been taken in: of `bytes` of backlog. `limited`: the window, and nothing
 * else, held the backlog back. */
void pace_acked(struct pace *pace, int64_t bytes, bool limited, int64_t now_us);
/* A batch waited for its acknowledgement in vain. */
void pace_lost(struct pace *pace, int64_t now_us);

/* Bytes a second that the window comes to; 0 before the first round trip. */
int64_t pace_rate(const struct pace *pace);
/* The longest round trip of the last minute; -1 where there was none. */
int64_t pace_worst_us(const struct pace *pace, int64_t now_us);

#endif
