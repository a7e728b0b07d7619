#include "agent/time_keeper.h"

#define JUMP_MS 1000

static const struct time_offer nothing = {.quality = CLOCK_QUALITY_NONE};

void time_keeper_init(struct time_keeper *keeper, struct clock *clock, enum clock_trust trust,
		      int64_t floor_ms)
{
	*keeper = (struct time_keeper){
		.clock = clock,
		.trust = trust,
		.floor_ms = floor_ms,
		.system = nothing,
		.gps = nothing,
		.core = nothing,
		.given = nothing,
	};
}

/* By how much `a` makes the wall later than `b` does, in ms. */
static int64_t later_by(const struct time_offer *a, const struct time_offer *b)
{
	return (a->at_ms - b->at_ms) - (a->mono_us - b->mono_us) / 1000;
}

static int64_t distance(const struct time_offer *a, const struct time_offer *b)
{
	const int64_t ms = later_by(a, b);

	return ms < 0 ? -ms : ms;
}

static bool worth_making(const struct time_keeper *keeper, const struct time_offer *offer)
{
	const struct time_offer *given = &keeper->given;

	if (given->quality != offer->quality)
		return true;
	/* It was that late at least: a slow answer is no reason to be earlier. */
	if (offer->quality == CLOCK_QUALITY_CORE)
		return later_by(offer, given) >= TIME_KEEPER_STEP_MS;
	return distance(given, offer) >= TIME_KEEPER_STEP_MS ||
	       offer->mono_us - given->mono_us >= TIME_KEEPER_PACE_US;
}

static bool system_is_believed(struct time_keeper *keeper)
{
	return clock_quality(keeper->clock) != CLOCK_QUALITY_NONE &&
	       clock_wall_ms(keeper->clock) >= keeper->floor_ms;
}

bool time_keeper_system(struct time_keeper *keeper, struct time_offer *ret_offer)
{
	struct clock_moment now;

	if (!system_is_believed(keeper))
		return false;
	now = clock_moment(keeper->clock);
	keeper->system = (struct time_offer){now.mono_us, now.wall_ms, CLOCK_QUALITY_SYNCED};
	if (!worth_making(keeper, &keeper->system))
		return false;
	*ret_offer = keeper->system;
	return true;
}

bool time_keeper_gps(struct time_keeper *keeper, int64_t wall_ms, int64_t mono_us,
		     struct time_offer *ret_offer)
{
	if ((keeper->trust != CLOCK_TRUST_GPS && keeper->trust != CLOCK_TRUST_KERNEL) ||
	    wall_ms < keeper->floor_ms || system_is_believed(keeper))
		return false;
	keeper->gps = (struct time_offer){mono_us, wall_ms, CLOCK_QUALITY_GPS};
	if (!worth_making(keeper, &keeper->gps))
		return false;
	*ret_offer = keeper->gps;
	return true;
}

bool time_keeper_core(struct time_keeper *keeper, int64_t at_ms, struct time_offer *ret_offer)
{
	const struct time_offer offer = {clock_mono_us(keeper->clock), at_ms, CLOCK_QUALITY_CORE};

	if (at_ms < keeper->floor_ms || system_is_believed(keeper))
		return false;
	if (keeper->core.quality == CLOCK_QUALITY_NONE || later_by(&offer, &keeper->core) > 0)
		keeper->core = offer;
	/* What is better was given already: the spool keeps that. */
	if (keeper->given.quality > CLOCK_QUALITY_CORE || !worth_making(keeper, &offer))
		return false;
	*ret_offer = offer;
	return true;
}

bool time_keeper_jumped(const struct time_keeper *keeper, const struct time_offer *offer)
{
	return keeper->given.quality == CLOCK_QUALITY_NONE ||
	       distance(&keeper->given, offer) >= JUMP_MS;
}

void time_keeper_given(struct time_keeper *keeper, const struct time_offer *offer)
{
	keeper->given = *offer;
}

/* The best witness so far, the running system clock above all. */
static const struct time_offer *best(const struct time_keeper *keeper)
{
	if (keeper->system.quality != CLOCK_QUALITY_NONE)
		return &keeper->system;
	if (keeper->gps.quality != CLOCK_QUALITY_NONE)
		return &keeper->gps;
	return &keeper->core;
}

enum clock_quality time_keeper_quality(struct time_keeper *keeper)
{
	if (system_is_believed(keeper))
		return CLOCK_QUALITY_SYNCED;
	return best(keeper)->quality;
}

int64_t time_keeper_wall_ms(struct time_keeper *keeper, int64_t mono_us)
{
	struct time_offer now = *best(keeper);

	if (mono_us == MODEL_NO_TIME)
		return MODEL_NO_TIME;
	if (system_is_believed(keeper)) {
		const struct clock_moment moment = clock_moment(keeper->clock);

		now = (struct time_offer){moment.mono_us, moment.wall_ms, CLOCK_QUALITY_SYNCED};
	}
	if (now.quality == CLOCK_QUALITY_NONE)
		return MODEL_NO_TIME;
	return now.at_ms + (mono_us - now.mono_us) / 1000;
}
