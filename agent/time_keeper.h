/* What the gateway knows of the time: which clock is believed, and which anchors (a moment on the
 * monotonic clock with its wall time) that gives the spool. Pure policy over struct clock: no timers,
 * no storage.
 *
 *	system   where the kernel says that it is synchronised, or the operator vouches for it; never
 *	         before `floor_ms`
 *	gps      a fix, where the system clock is not believed and `trust` is kernel or gps
 *	core     the `at` of an acknowledgement, where neither is there: it was that late at least
 *
 * A plausible wall clock is no evidence: fake-hwclock gives one that nobody vouches for. One thread.
 */
#ifndef AGENT_TIME_KEEPER_H
#define AGENT_TIME_KEEPER_H

#include "base/clock.h"
#include "model/update.h"

/* An anchor for spool_set_anchor(). */
struct time_offer {
	int64_t mono_us, at_ms;
	enum clock_quality quality;
};

struct time_keeper {
	struct clock *clock;
	enum clock_trust trust;
	int64_t floor_ms;         /* no time is earlier */
	struct time_offer system; /* the last of each that was believed; quality NONE: none yet */
	struct time_offer gps, core;
	struct time_offer given; /* the last offer that was made */
};

void time_keeper_init(struct time_keeper *keeper, struct clock *clock, enum clock_trust trust,
		      int64_t floor_ms);

/* Each looks at one witness, and tells whether that gives an offer worth making: the first one, one
 * of another quality, one that moves times by TIME_KEEPER_STEP_MS (of the core: makes them later),
 * else one every TIME_KEEPER_PACE_US. */
#define TIME_KEEPER_STEP_MS 20
#define TIME_KEEPER_PACE_US INT64_C(60000000)
bool time_keeper_system(struct time_keeper *keeper, struct time_offer *ret_offer);
bool time_keeper_gps(struct time_keeper *keeper, int64_t wall_ms, int64_t mono_us,
		     struct time_offer *ret_offer);
bool time_keeper_core(struct time_keeper *keeper, int64_t at_ms, struct time_offer *ret_offer);

/* Does the offer contradict the one before so far that a new time base may begin? What waits to be
 * stored was read before. Also true of the first offer, as what was offered before a restart is not
 * known here. */
bool time_keeper_jumped(const struct time_keeper *keeper, const struct time_offer *offer);
/* The offer was made. */
void time_keeper_given(struct time_keeper *keeper, const struct time_offer *offer);

/* Who vouches for the time now, or has vouched for it in this run. */
enum clock_quality time_keeper_quality(struct time_keeper *keeper);
/* A monotonic moment as wall time; MODEL_NO_TIME where nobody ever vouched for one. */
int64_t time_keeper_wall_ms(struct time_keeper *keeper, int64_t mono_us);
/* How often the system clock should be looked at: so late is a jump of it seen. */
#define TIME_KEEPER_LOOK_US INT64_C(5000000)

#endif
