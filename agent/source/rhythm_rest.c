#include <string.h>

#include "agent/source/rhythm_priv.h"

/* A short visit: long enough for one answer of each control unit. */
#define PEEK_US (30 * RHYTHM_SECOND)
/* Between two looks whatever the signs say: control units take seconds to start. */
#define LOOK_GAP_US (5 * RHYTHM_SECOND)
/* While voltage or ignition say awake but it is at rest: doubled from look to look. The longest is also
 * what a sign waits for that comes when the budget is used up. */
#define BRIGHT_WAIT_US (15 * RHYTHM_SECOND)
#define BRIGHT_WAIT_MAX_US (30 * RHYTHM_MINUTE)
/* A low voltage is measured again before it is believed: a starter pulls any battery down. */
#define LOW_AGAIN_US (5 * RHYTHM_SECOND)
#define LOW_RUN 2
/* And what is low is read so long all the same: units that are awake pull a good battery down to where
 * it is low, and what a vehicle's state is takes a minute to be told (GRACE_US of the reading). */
#define LOW_LINGER_US (90 * RHYTHM_SECOND)
/* Looks without a sign at a vehicle whose battery is low are so much rarer. */
#define LOW_LOOK_FACTOR 4
/* A rise within RHYTHM_VOLTS_KEPT measurements that only a charger makes (12 V system); adapters
 * that read too low show it too. */
#define RISE_V 0.5
#define MEASURE_WAIT_MAX_US (3600 * RHYTHM_SECOND)
#define PLAUSIBLE_MIN_V 4.0
#define PLAUSIBLE_MAX_V 32.0
/* No 12 V system has more, no charged 24 V system less. Believed after so many in a row. */
#define SYSTEM_24_V 17.0
#define SYSTEM_RUN 3

static double scale(const struct rhythm *rhythm)
{
	return rhythm->is_24v ? 2 : 1;
}

static int64_t at_least(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* ---- the voltage ---- */

static bool volts_fresh(const struct rhythm *rhythm, int64_t now_us)
{
	return rhythm->volts_known &&
	       now_us - rhythm->volts_us <= 3 * rhythm->config.voltage_us + 10 * RHYTHM_SECOND;
}

bool rhythm_rest_is_bright(const struct rhythm *rhythm, int64_t now_us)
{
	if (rhythm->line_known && rhythm->line_on)
		return true;
	return volts_fresh(rhythm, now_us) &&
	       rhythm->volts >= rhythm->config.wake_above_v * scale(rhythm);
}

bool rhythm_rest_is_dark(const struct rhythm *rhythm, int64_t now_us)
{
	return volts_fresh(rhythm, now_us) && !rhythm_rest_is_bright(rhythm, now_us);
}

static bool is_low(const struct rhythm *rhythm, double volts)
{
	return volts <= rhythm->config.sleep_below_v * scale(rhythm);
}

/* Once 24 V were seen, a reading of 12 V is a flat battery, to be spared; but a vehicle that runs with
 * 12 V is one of 12 V: the adapter was moved. 13 to 17 V without having seen more stay a 12 V
 * system. */
static void tell_system(struct rhythm *rhythm, double volts)
{
	const bool runs = rhythm->activity >= OBD_ACTIVITY_ON && rhythm->rest == RHYTHM_AWAKE;

	rhythm->high_24_run = volts > SYSTEM_24_V ? rhythm->high_24_run + 1 : 0;
	rhythm->low_24_run = runs && volts < SYSTEM_24_V ? rhythm->low_24_run + 1 : 0;
	if (rhythm->high_24_run >= SYSTEM_RUN)
		rhythm->is_24v = true;
	if (rhythm->low_24_run >= SYSTEM_RUN)
		rhythm->is_24v = false;
}

static void raise_sign(struct rhythm *rhythm)
{
	rhythm->sign = true;
	rhythm->bright_wait_us = BRIGHT_WAIT_US;
	rhythm->kept_count = 0;
}

static void keep(struct rhythm *rhythm, double volts)
{
	if (rhythm->kept_count == RHYTHM_VOLTS_KEPT) {
		memmove(&rhythm->kept[0], &rhythm->kept[1],
			(RHYTHM_VOLTS_KEPT - 1) * sizeof(rhythm->kept[0]));
		rhythm->kept_count--;
	}
	rhythm->kept[rhythm->kept_count++] = volts;
}

static bool has_risen(const struct rhythm *rhythm, double volts)
{
	for (size_t i = 0; i < rhythm->kept_count; i++)
		if (volts - rhythm->kept[i] >= RISE_V * scale(rhythm))
			return true;
	return false;
}

/* Did the vehicle wake? */
static void judge_voltage(struct rhythm *rhythm, double volts)
{
	const bool high = volts >= rhythm->config.wake_above_v * scale(rhythm);

	if ((high && rhythm->armed) || (has_risen(rhythm, volts) && !is_low(rhythm, volts))) {
		rhythm->armed = false;
		raise_sign(rhythm);
	}
	if (!high)
		rhythm->armed = true;
	keep(rhythm, volts);
}

void rhythm_measured(struct rhythm *rhythm, bool known, double volts, int64_t now_us)
{
	known = known && volts >= PLAUSIBLE_MIN_V && volts <= PLAUSIBLE_MAX_V;
	if (!known) {
		/* An adapter that cannot measure is asked less and less, but for its line. */
		if (!rhythm->line_known)
			rhythm->measure_wait_us *= 2;
		if (rhythm->measure_wait_us > MEASURE_WAIT_MAX_US)
			rhythm->measure_wait_us = MEASURE_WAIT_MAX_US;
		rhythm->measure_us = now_us + rhythm->measure_wait_us;
		return;
	}
	tell_system(rhythm, volts);
	rhythm->volts_known = true;
	rhythm->volts = volts;
	rhythm->volts_us = now_us;
	rhythm->measure_wait_us = rhythm->config.voltage_us;
	rhythm->measure_us = now_us + rhythm->measure_wait_us;
	rhythm->low_run = is_low(rhythm, volts) ? rhythm->low_run + 1 : 0;
	if (rhythm->rest != RHYTHM_AWAKE)
		judge_voltage(rhythm, volts);
	else if (rhythm->low_run == 1 && rhythm->measure_wait_us > LOW_AGAIN_US)
		rhythm->measure_us = now_us + LOW_AGAIN_US;
}

void rhythm_ignition(struct rhythm *rhythm, bool on, int64_t now_us)
{
	(void)now_us;
	if (on && !rhythm->line_on && rhythm->rest != RHYTHM_AWAKE)
		raise_sign(rhythm);
	if (!rhythm->line_known)
		rhythm->measure_wait_us = rhythm->config.voltage_us;
	rhythm->line_known = true;
	rhythm->line_on = on;
}

/* ---- the budget ---- */

size_t rhythm_rest_paid(const struct rhythm *rhythm, int64_t now_us)
{
	size_t count = 0;

	for (size_t i = 0; i < rhythm->budget; i++)
		count += rhythm->paid[i] != RHYTHM_NEVER && now_us - rhythm->paid[i] < RHYTHM_DAY;
	return count;
}

static void pay(struct rhythm *rhythm, int64_t now_us)
{
	if (!rhythm->budget)
		return;
	rhythm->paid[rhythm->paid_next] = now_us;
	rhythm->paid_next = (rhythm->paid_next + 1) % rhythm->budget;
}

/* When fewer than `limit` looks will have been paid in 24 h. */
static int64_t affordable(const struct rhythm *rhythm, size_t limit)
{
	size_t slot;

	if (limit == 0)
		return INT64_MAX;
	/* The one that makes room is the limit-th last. */
	slot = (rhythm->paid_next + rhythm->budget - limit) % rhythm->budget;
	if (rhythm->paid[slot] == RHYTHM_NEVER)
		return RHYTHM_NEVER;
	return rhythm->paid[slot] + RHYTHM_DAY;
}

/* ---- looks ---- */

/* Signs have a quarter of the budget for themselves. */
static size_t blind_budget(const struct rhythm *rhythm)
{
	return rhythm->budget - rhythm->budget / 4;
}

static int64_t blind_wait(const struct rhythm *rhythm, int64_t now_us)
{
	const size_t budget = blind_budget(rhythm);

	/* Where looks are all there is: evenly over the whole day. */
	if (!volts_fresh(rhythm, now_us))
		return RHYTHM_DAY / (budget ? (int64_t)budget : 1);
	return rhythm->config.asleep_retry_us *
	       (is_low(rhythm, rhythm->volts) ? LOW_LOOK_FACTOR : 1);
}

static int64_t sign_due(const struct rhythm *rhythm, int64_t base_us, int64_t wait_us)
{
	const bool afford =
		rhythm->budget && affordable(rhythm, rhythm->budget) <= base_us + wait_us;

	/* Beyond the budget a sign is believed now and then all the same. */
	return base_us + (afford ? wait_us : BRIGHT_WAIT_MAX_US);
}

int64_t rhythm_rest_look_due(const struct rhythm *rhythm, int64_t now_us)
{
	const int64_t base = at_least(rhythm->look_us, rhythm->rest_us);
	int64_t due;

	if (rhythm->sign && rhythm->look_us == RHYTHM_NEVER)
		return now_us;
	if (rhythm->sign)
		return sign_due(rhythm, rhythm->look_us, LOOK_GAP_US);
	due = affordable(rhythm, blind_budget(rhythm));
	if (due != INT64_MAX)
		due = at_least(due, base + blind_wait(rhythm, now_us));
	if (rhythm_rest_is_bright(rhythm, now_us)) {
		const int64_t bright = sign_due(rhythm, base, rhythm->bright_wait_us);

		return bright < due ? bright : due;
	}
	return due;
}

static void begin_rest(struct rhythm *rhythm, enum rhythm_rest why, int64_t now_us)
{
	if (rhythm->rest == RHYTHM_AWAKE) {
		rhythm->rest_us = now_us;
		rhythm->sign = false;
		rhythm->kept_count = 0;
		rhythm->armed = rhythm->volts_known && !rhythm_rest_is_bright(rhythm, now_us);
	}
	rhythm->rest = why;
}

void rhythm_rest_wake(struct rhythm *rhythm, bool woke, int64_t now_us)
{
	if (rhythm->rest == RHYTHM_AWAKE)
		return;
	/* A vehicle that only answers a look is visited; one that woke by itself is read. */
	rhythm->peek = rhythm->found && !woke;
	rhythm->found = true;
	rhythm->rest = RHYTHM_AWAKE;
	rhythm->wake_us = now_us;
	rhythm->off_us = now_us;
	rhythm->doubt = true;
	rhythm->sign = false;
	rhythm->silent_run = 0;
	rhythm_forgive(rhythm, now_us);
}

void rhythm_looked(struct rhythm *rhythm, bool answered, unsigned frames, int64_t now_us)
{
	const bool resting = rhythm->rest != RHYTHM_AWAKE;
	const bool woke = rhythm->sign;
	const bool by_sign = woke || rhythm_rest_is_bright(rhythm, now_us);

	rhythm->stats.requests++;
	rhythm->stats.looks += resting;
	rhythm_spend(rhythm, frames, now_us);
	rhythm->look_us = now_us;
	rhythm->sign = false;
	rhythm->silent_run = 0;
	/* A sign that told the truth is no request to a vehicle that sleeps. */
	if (!answered || (resting && !by_sign))
		pay(rhythm, now_us);
	if (resting && by_sign) {
		rhythm->bright_wait_us *= 2;
		if (rhythm->bright_wait_us > BRIGHT_WAIT_MAX_US)
			rhythm->bright_wait_us = BRIGHT_WAIT_MAX_US;
	}
	if (answered)
		rhythm_rest_wake(rhythm, woke, now_us);
	else
		begin_rest(rhythm, RHYTHM_REST_SILENT, now_us);
}

/* ---- awake ---- */

static bool has_line(const struct rhythm *rhythm)
{
	return rhythm->line_known && rhythm->line_on;
}

enum obd_activity rhythm_rest_believed(const struct rhythm *rhythm, enum obd_activity activity)
{
	if (rhythm->doubt && activity == OBD_ACTIVITY_ASLEEP)
		activity = OBD_ACTIVITY_UNKNOWN;
	if (has_line(rhythm) && (activity == OBD_ACTIVITY_UNKNOWN || activity == OBD_ACTIVITY_OFF))
		activity = OBD_ACTIVITY_ON;
	return activity;
}

/* Every item that may be asked was asked since the waking. */
static bool was_visited(const struct rhythm *rhythm)
{
	for (size_t i = 0; i < rhythm->count; i++) {
		const struct rhythm_entry *entry = &rhythm->entries[i];

		if (rhythm_eligible(entry, rhythm->activity) && !entry->backoff_us &&
		    (entry->asked_us == RHYTHM_NEVER || entry->asked_us < rhythm->wake_us))
			return false;
	}
	return true;
}

int64_t rhythm_rest_begins(const struct rhythm *rhythm)
{
	if (rhythm->off_us == RHYTHM_NEVER)
		return INT64_MAX;
	if (rhythm->peek)
		return rhythm->wake_us + PEEK_US;
	return rhythm->off_us + rhythm->config.linger_us;
}

void rhythm_rest_step(struct rhythm *rhythm, enum obd_activity activity, int64_t now_us)
{
	const enum obd_activity before = rhythm->activity;
	bool runs;

	if (rhythm->rest != RHYTHM_AWAKE)
		return;
	if (activity != OBD_ACTIVITY_ASLEEP)
		rhythm->doubt = false;
	activity = rhythm_rest_believed(rhythm, activity);
	rhythm->activity = activity;
	if (activity == OBD_ACTIVITY_ASLEEP) {
		begin_rest(rhythm, RHYTHM_REST_SILENT, now_us);
		return;
	}
	/* Who says nothing of its ignition is told by its alternator. */
	runs = activity >= OBD_ACTIVITY_CHARGING ||
	       (activity == OBD_ACTIVITY_UNKNOWN && rhythm_rest_is_bright(rhythm, now_us));
	if (runs) {
		rhythm->off_us = RHYTHM_NEVER;
		rhythm->peek = false;
		rhythm->bright_wait_us = BRIGHT_WAIT_US;
		if (before < OBD_ACTIVITY_CHARGING && activity >= OBD_ACTIVITY_CHARGING)
			rhythm_forgive(rhythm, now_us);
		return;
	}
	if (rhythm->off_us == RHYTHM_NEVER)
		rhythm->off_us = now_us;
	if (rhythm->low_run >= LOW_RUN && now_us - rhythm->off_us >= LOW_LINGER_US)
		begin_rest(rhythm, RHYTHM_REST_VOLTAGE, now_us);
	else if (now_us >= rhythm_rest_begins(rhythm) ||
		 (rhythm->peek && activity == OBD_ACTIVITY_OFF && was_visited(rhythm)))
		begin_rest(rhythm, RHYTHM_REST_OFF, now_us);
}

void rhythm_rest_init(struct rhythm *rhythm)
{
	rhythm->rest = RHYTHM_REST_SILENT;
	rhythm->rest_us = RHYTHM_NEVER;
	rhythm->look_us = RHYTHM_NEVER;
	rhythm->sign = true; /* we were started: somebody is working at the vehicle */
	rhythm->bright_wait_us = BRIGHT_WAIT_US;
	rhythm->off_us = RHYTHM_NEVER;
	rhythm->measure_us = RHYTHM_NEVER;
	rhythm->measure_wait_us = rhythm->config.voltage_us;
	for (size_t i = 0; i < rhythm->budget; i++)
		rhythm->paid[i] = RHYTHM_NEVER;
}

enum rhythm_rest rhythm_rest(const struct rhythm *rhythm)
{
	return rhythm->rest;
}
