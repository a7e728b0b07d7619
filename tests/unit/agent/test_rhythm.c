#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/rhythm.h"

int suite_agent_rhythm(void);

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define ITEMS 40
#define ASKS 400000
#define NOTHING UINT_MAX

/* A vehicle, and a source that does what the rhythm says. */
struct world {
	struct rhythm *rhythm;
	struct rhythm_config config;
	struct rhythm_item items[ITEMS];
	size_t count;
	int64_t now;

	enum obd_activity activity;
	bool answers;   /* a look is answered */
	bool has_volts; /* the adapter measures */
	double volts;
	enum rhythm_outcome outcomes[ITEMS];
	unsigned frames;
	int64_t exchange_us;

	int asked[ITEMS];
	int64_t last[ITEMS];
	int looks, measures, switches;
	unsigned last_ecu;
	int64_t first_ask, last_ask, last_look;
	int64_t look_at[2000];
	struct {
		int64_t at;
		unsigned frames;
	} * log;
	size_t logged;
};

static struct world w;
static uint32_t dice;

/* The same numbers in each run (Numerical Recipes' linear congruence). */
static int any(void)
{
	dice = dice * 1664525 + 1013904223;
	return (int)(dice >> 17);
}

static void add(int64_t period_us, enum profile_when when, unsigned ecu)
{
	assert_true(w.count < ITEMS);
	w.items[w.count++] = (struct rhythm_item){.period_us = period_us, .when = when, .ecu = ecu};
}

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	rhythm_defaults(&w.config);
	w.now = 1000 * SECOND;
	w.answers = true;
	w.has_volts = true;
	w.volts = 14.1;
	w.activity = OBD_ACTIVITY_ON;
	w.frames = 2;
	w.exchange_us = 30000;
	w.first_ask = -1;
	w.last_ecu = NOTHING;
	w.log = calloc(ASKS, sizeof(w.log[0]));
	return w.log ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	rhythm_destroy(w.rhythm);
	free(w.log);
	return 0;
}

static void create(void)
{
	assert_int_equal(rhythm_create(&w.config, w.items, w.count, &w.rhythm), 0);
}

static void forget_counts(void)
{
	memset(w.asked, 0, sizeof(w.asked));
	w.looks = w.measures = w.switches = 0;
	w.logged = 0;
	w.first_ask = -1;
}

static void note(unsigned frames)
{
	if (w.logged < ASKS) {
		w.log[w.logged].at = w.now;
		w.log[w.logged++].frames = frames;
	}
}

static void ask(size_t index)
{
	assert_true(index < w.count);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
	w.now += w.exchange_us;
	w.asked[index]++;
	w.last[index] = w.now;
	w.switches += w.last_ecu != w.items[index].ecu;
	w.last_ecu = w.items[index].ecu;
	if (w.first_ask < 0)
		w.first_ask = w.now;
	w.last_ask = w.now;
	note(w.frames);
	rhythm_asked(w.rhythm, index, w.outcomes[index], w.frames, w.now);
}

static void look(void)
{
	w.now += w.exchange_us;
	assert_true(w.looks < 2000);
	w.look_at[w.looks++] = w.now;
	w.last_look = w.now;
	note(2);
	rhythm_looked(w.rhythm, w.answers, w.answers ? 2 : 1, w.now);
}

/* Does one thing; false where there is nothing to do before `until`. */
static bool step(int64_t until)
{
	size_t index = SIZE_MAX;
	int64_t next = INT64_MIN;

	switch (rhythm_next(w.rhythm, w.activity, w.now, &index, &next)) {
	case RHYTHM_ASK:
		ask(index);
		return true;
	case RHYTHM_LOOK:
		look();
		return true;
	case RHYTHM_VOLTAGE:
		w.measures++;
		w.now += 1000;
		rhythm_measured(w.rhythm, w.has_volts, w.volts, w.now);
		return true;
	case RHYTHM_WAIT:
		break;
	}
	assert_true(next > w.now);
	if (next > until)
		return false;
	w.now = next;
	return true;
}

static void run(int64_t us)
{
	const int64_t until = w.now + us;

	while (w.now < until && step(until))
		;
	w.now = until;
}

static struct rhythm_stats stats(void)
{
	struct rhythm_stats s;

	rhythm_stats(w.rhythm, w.now, &s);
	return s;
}

/* ---- what is due ---- */

static void each_item_is_asked_at_its_period(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(5 * SECOND, PROFILE_WHEN_AWAKE, 0);
	add(60 * SECOND, PROFILE_WHEN_AWAKE, 1);
	create();
	run(10 * MINUTE);
	assert_in_range(w.asked[0], 599, 601);
	assert_in_range(w.asked[1], 119, 121);
	assert_in_range(w.asked[2], 10, 11);
	assert_int_equal(w.looks, 1);
	assert_int_equal(stats().requests, w.asked[0] + w.asked[1] + w.asked[2] + 1);
}

static void a_rhythm_keeps_its_phase_and_makes_up_for_nothing(void **state)
{
	int64_t phase;

	(void)state;
	add(10 * SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	rhythm_connected(w.rhythm, w.now);
	phase = w.now % (10 * SECOND);
	run(MINUTE);
	forget_counts();
	w.now += 47 * SECOND; /* the source was busy with something else */
	run(33 * SECOND);
	assert_in_range(w.asked[0], 3, 5); /* not 8 */
	assert_in_range((w.last[0] - phase) % (10 * SECOND), 0, w.exchange_us);
}

static void what_may_be_asked_follows_the_activity(void **state)
{
	static const struct {
		enum obd_activity activity;
		bool awake, on, driving, charging;
	} cases[] = {
		{OBD_ACTIVITY_UNKNOWN, true, false, false, false},
		{OBD_ACTIVITY_OFF, true, false, false, false},
		{OBD_ACTIVITY_CHARGING, true, false, false, true},
		{OBD_ACTIVITY_ON, true, true, false, false},
		{OBD_ACTIVITY_DRIVING, true, true, true, false},
	};

	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(SECOND, PROFILE_WHEN_ON, 0);
	add(SECOND, PROFILE_WHEN_DRIVING, 0);
	add(SECOND, PROFILE_WHEN_CHARGING, 0);
	create();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		forget_counts();
		w.activity = cases[i].activity;
		run(30 * SECOND);
		assert_int_equal(w.asked[0] > 0, cases[i].awake);
		assert_int_equal(w.asked[1] > 0, cases[i].on);
		assert_int_equal(w.asked[2] > 0, cases[i].driving);
		assert_int_equal(w.asked[3] > 0, cases[i].charging);
	}
}

static void nothing_is_asked_of_a_vehicle_that_is_asleep(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	run(MINUTE);
	w.activity = OBD_ACTIVITY_ASLEEP;
	w.answers = false;
	w.volts = 12.7;
	forget_counts();
	run(HOUR);
	assert_int_equal(w.asked[0], 0);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_SILENT);
}

static void once_is_asked_until_it_is_answered(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(10 * SECOND, PROFILE_WHEN_ONCE, 0);
	add(10 * SECOND, PROFILE_WHEN_ONCE, 0);
	w.outcomes[1] = RHYTHM_UNANSWERED;
	w.outcomes[2] = RHYTHM_REFUSED;
	create();
	run(2 * MINUTE);
	assert_in_range(w.asked[1], 2, 6);
	assert_int_equal(w.asked[2], 1);
	w.outcomes[1] = RHYTHM_ANSWERED;
	run(10 * MINUTE);
	forget_counts();
	run(HOUR);
	assert_int_equal(w.asked[1], 0);
	rhythm_connected(w.rhythm, w.now);
	run(MINUTE);
	assert_int_equal(w.asked[1], 1);
	assert_int_equal(w.asked[2], 1);
}

static void a_vehicle_that_charges_or_is_off_is_asked_gently(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(2 * SECOND, PROFILE_WHEN_CHARGING, 0);
	create();
	run(MINUTE);
	forget_counts();
	w.activity = OBD_ACTIVITY_CHARGING;
	run(10 * MINUTE);
	assert_in_range(w.asked[0], 58, 61);
	assert_in_range(w.asked[1], 298, 301);
	forget_counts();
	w.activity = OBD_ACTIVITY_OFF;
	run(2 * MINUTE);
	assert_in_range(w.asked[0], 11, 13);
	w.activity = OBD_ACTIVITY_ON;
	forget_counts();
	run(3 * SECOND);
	assert_in_range(w.asked[0], 2, 4);
}

static void a_barred_item_is_never_asked(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	rhythm_bar(w.rhythm, 1, true);
	run(10 * SECOND);
	rhythm_connected(w.rhythm, w.now);
	run(10 * SECOND);
	assert_int_equal(w.asked[1], 0);
	assert_false(rhythm_is_due(w.rhythm, 1, w.activity, w.now));
	rhythm_bar(w.rhythm, 1, false);
	assert_true(rhythm_is_due(w.rhythm, 1, w.activity, w.now));
	run(10 * SECOND);
	assert_true(w.asked[1] >= 10);
}

static void an_item_that_went_with_another_is_not_due_any_more(void **state)
{
	size_t index = 0;
	int64_t until;

	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	rhythm_looked(w.rhythm, true, 2, w.now);
	rhythm_measured(w.rhythm, true, 14, w.now);
	assert_int_equal(rhythm_next(w.rhythm, w.activity, w.now, &index, &until), RHYTHM_ASK);
	assert_int_equal(index, 0);
	assert_true(rhythm_is_due(w.rhythm, 1, w.activity, w.now));
	rhythm_asked(w.rhythm, 0, RHYTHM_ANSWERED, 4, w.now);
	rhythm_asked(w.rhythm, 1, RHYTHM_ANSWERED, 0, w.now);
	assert_false(rhythm_is_due(w.rhythm, 1, w.activity, w.now));
	assert_int_equal(stats().requests, 2);
	assert_int_equal(rhythm_next(w.rhythm, w.activity, w.now, &index, &until), RHYTHM_WAIT);
}

static void control_units_are_switched_seldom(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 30; i++)
		add(5 * SECOND, PROFILE_WHEN_AWAKE, i % 3);
	w.config.bus_load_pct = 0;
	create();
	run(10 * MINUTE);
	/* 120 rounds of three units, not 3600 switches. */
	assert_true(w.asked[0] >= 119);
	assert_in_range(w.switches, 200, 500);
}

static void no_item_starves_on_a_bus_that_is_too_slow(void **state)
{
	(void)state;
	dice = 1;
	for (int round = 0; round < 20; round++) {
		rhythm_destroy(w.rhythm);
		w.rhythm = NULL;
		w.count = 0;
		for (unsigned i = 0; i < ITEMS; i++)
			add(SECOND << (any() % 6), PROFILE_WHEN_AWAKE, (unsigned)any() % 7);
		w.config.bus_load_pct = 0.5;
		w.config.bit_rate = 250000;
		w.frames = 1 + (unsigned)any() % 10;
		create();
		run(MINUTE);
		/* The slowest gets its 32nd of what the fastest gets, of seconds an exchange. */
		for (int half = 0; half < 5; half++) {
			forget_counts();
			run(30 * MINUTE);
			for (size_t i = 0; i < w.count; i++)
				assert_true(w.asked[i] > 0);
		}
		assert_true(stats().held_back > 0);
	}
}

static void what_is_scarce_is_shared_by_the_periods(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		add(i < 10 ? SECOND : 4 * SECOND, PROFILE_WHEN_AWAKE, 0);
	w.config.bus_load_pct = 0.2; /* about three exchanges a second instead of 12.5 */
	create();
	run(10 * MINUTE);
	forget_counts();
	run(10 * MINUTE);
	for (size_t i = 1; i < 10; i++) {
		assert_in_range(w.asked[i], w.asked[0] - 20, w.asked[0] + 20);
		assert_true(w.asked[i] > w.asked[10 + i]);
	}
}

/* ---- the bus ---- */

/* The most frames of any window of 60 s, in percent of the bus. */
static double worst_minute(unsigned bit_rate)
{
	double worst = 0, bits = 0;
	size_t first = 0;

	for (size_t i = 0; i < w.logged; i++) {
		bits += (double)w.log[i].frames * RHYTHM_FRAME_BITS;
		while (w.log[i].at - w.log[first].at >= MINUTE)
			bits -= (double)w.log[first++].frames * RHYTHM_FRAME_BITS;
		if (bits > worst)
			worst = bits;
	}
	return 100 * worst / (60.0 * bit_rate);
}

static void no_minute_has_more_load_than_the_limit(void **state)
{
	static const struct {
		double pct;
		unsigned rate, frames;
	} cases[] = {{2, 500000, 2},
		     {2, 500000, 11},
		     {1, 250000, 12},
		     {0.5, 500000, 3},
		     {5, 250000, 40}};

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		add(SECOND / 10, PROFILE_WHEN_AWAKE, i % 4);
	w.exchange_us = 2000; /* an adapter that is faster than any */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rhythm_destroy(w.rhythm);
		w.rhythm = NULL;
		w.config.bus_load_pct = cases[i].pct;
		w.config.bit_rate = cases[i].rate;
		w.frames = cases[i].frames;
		forget_counts();
		create();
		run(10 * MINUTE);
		assert_true(worst_minute(cases[i].rate) <= cases[i].pct);
		assert_true(worst_minute(cases[i].rate) > 0.9 * cases[i].pct);
		assert_true(stats().bus_load_pct <= cases[i].pct);
		assert_true(stats().bus_load_pct > 0.9 * cases[i].pct);
		assert_true(stats().held_back > 100);
	}
}

static void without_a_limit_nothing_is_held_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		add(SECOND / 10, PROFILE_WHEN_AWAKE, 0);
	w.exchange_us = 2000;
	w.config.bus_load_pct = 0;
	create();
	run(10 * SECOND);
	assert_true(w.asked[9] >= 99);
	assert_int_equal(stats().held_back, 0);
}

/* ---- back-off ---- */

static void an_item_without_an_answer_is_asked_less_and_less(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.outcomes[1] = RHYTHM_UNANSWERED;
	create();
	run(HOUR);
	assert_in_range(w.asked[1], 15, 25); /* 2 + 4 + ... + 256 s, then every 300 */
	assert_true(w.asked[0] > 3500);
	w.outcomes[1] = RHYTHM_ANSWERED;
	run(5 * MINUTE + SECOND);
	forget_counts();
	run(MINUTE);
	assert_in_range(w.asked[1], 59, 61);
}

static void a_refused_item_is_asked_up_to_once_an_hour(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.outcomes[1] = RHYTHM_REFUSED;
	create();
	run(3 * HOUR);
	forget_counts();
	run(10 * HOUR);
	assert_in_range(w.asked[1], 9, 11);
}

static void a_garbled_item_keeps_its_period(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.outcomes[1] = RHYTHM_GARBLED;
	create();
	run(MINUTE);
	assert_in_range(w.asked[1], 59, 61);
}

static void an_adapter_that_gives_only_garbage_is_asked_less(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.outcomes[0] = RHYTHM_GARBLED;
	create();
	run(10 * MINUTE);
	assert_in_range(w.asked[0], 15, 40);
}

static void a_control_unit_that_answers_nothing_backs_off_as_one(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	for (int i = 0; i < 10; i++) {
		w.outcomes[w.count] = RHYTHM_UNANSWERED;
		add(SECOND, PROFILE_WHEN_AWAKE, 1);
	}
	create();
	run(10 * MINUTE);
	forget_counts();
	run(HOUR);
	{
		int tries = 0;

		for (size_t i = 1; i < w.count; i++)
			tries += w.asked[i];
		assert_in_range(tries, 10, 14); /* one item each 5 min */
	}
	assert_true(w.asked[0] > 3500);
	for (size_t i = 1; i < w.count; i++)
		w.outcomes[i] = RHYTHM_ANSWERED;
	run(5 * MINUTE + SECOND);
	forget_counts();
	run(MINUTE);
	for (size_t i = 1; i < w.count; i++)
		assert_in_range(w.asked[i], 58, 61);
}

static void one_answer_keeps_a_control_unit_from_backing_off(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	for (int i = 0; i < 3; i++) {
		w.outcomes[w.count] = RHYTHM_UNANSWERED;
		add(SECOND, PROFILE_WHEN_AWAKE, 0);
	}
	create();
	run(10 * MINUTE);
	assert_true(w.asked[0] > 590);
}

static void coming_up_forgets_missing_answers_but_no_refusals(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(SECOND, PROFILE_WHEN_AWAKE, 1);
	add(SECOND, PROFILE_WHEN_AWAKE, 1);
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.outcomes[1] = w.outcomes[2] = RHYTHM_UNANSWERED;
	w.outcomes[3] = RHYTHM_REFUSED;
	w.config.linger_us = DAY;
	w.activity = OBD_ACTIVITY_OFF;
	create();
	run(HOUR);
	forget_counts();
	w.outcomes[1] = w.outcomes[2] = RHYTHM_ANSWERED;
	w.activity = OBD_ACTIVITY_ON;
	run(3 * SECOND);
	assert_true(w.asked[1] >= 2 && w.asked[2] >= 2);
	assert_int_equal(w.asked[3], 0);
}

/* ---- rest ---- */

static void a_new_rhythm_looks_at_once(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.activity = OBD_ACTIVITY_UNKNOWN;
	create();
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_SILENT);
	run(SECOND);
	assert_int_equal(w.looks, 1);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
	assert_true(w.asked[0] >= 1);
}

static void an_activity_of_before_the_waking_is_not_believed(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.activity = OBD_ACTIVITY_ASLEEP;
	create();
	run(SECOND);
	assert_true(w.asked[0] >= 1);
	w.activity = OBD_ACTIVITY_ON;
	run(SECOND);
	w.activity = OBD_ACTIVITY_ASLEEP;
	forget_counts();
	run(2 * SECOND);
	assert_int_equal(w.asked[0], 0);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_SILENT);
}

static void silence_of_all_items_leads_to_a_look_and_to_rest(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		add(SECOND, PROFILE_WHEN_AWAKE, i % 2);
	create();
	run(MINUTE);
	for (size_t i = 0; i < w.count; i++)
		w.outcomes[i] = RHYTHM_UNANSWERED;
	w.answers = false;
	w.volts = 12.8;
	forget_counts();
	run(5 * SECOND);
	assert_int_equal(w.looks, 1);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_SILENT);
	assert_int_equal(stats().looks_today, 1);
}

static void items_that_are_silent_on_a_vehicle_that_answers_cost_few_looks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		w.outcomes[i] = RHYTHM_UNANSWERED;
		add(SECOND, PROFILE_WHEN_AWAKE, i % 2);
	}
	create();
	run(HOUR);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
	assert_in_range(w.looks, 2, 20);
	assert_int_equal(stats().looks_today, 0);
}

/* Runs until the vehicle rests, with the voltage of a battery at rest. */
static void fall_asleep(void)
{
	run(MINUTE);
	w.volts = 12.7;
	run(3 * MINUTE);
	w.activity = OBD_ACTIVITY_ASLEEP;
	w.answers = false;
	run(3 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_SILENT);
	forget_counts();
}

static void a_rising_voltage_wakes_within_a_measurement(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	fall_asleep();
	run(8 * HOUR);
	forget_counts();
	w.volts = 14.2;
	w.answers = true;
	run(MINUTE + SECOND);
	assert_int_equal(w.looks, 1);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
	w.activity = OBD_ACTIVITY_ON;
	run(MINUTE);
	assert_true(w.asked[0] > 50);
}

static void an_adapter_that_reads_too_low_shows_a_rise_all_the_same(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	w.volts = 13.0;
	fall_asleep();
	w.volts = 12.5;
	run(HOUR);
	forget_counts();
	w.answers = true;
	w.volts = 13.05;
	run(MINUTE + SECOND);
	assert_int_equal(w.looks, 1);
}

static void a_battery_that_only_wavers_wakes_nobody(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	fall_asleep();
	for (int i = 0; i < 24 * 60; i++) {
		w.volts = 12.7 + 0.2 * (i % 3 - 1);
		run(MINUTE);
	}
	assert_in_range(w.looks, 5, 6); /* one in 4 h */
	assert_int_equal(w.asked[0], 0);
}

static void looks_that_a_sign_asked_for_are_repeated_while_it_starts(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	fall_asleep();
	run(HOUR);
	forget_counts();
	w.volts = 14.2; /* its units need 20 s */
	run(MINUTE);
	assert_in_range(w.looks, 1, 3);
	w.answers = true;
	w.activity = OBD_ACTIVITY_ON;
	run(2 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
}

static void the_voltage_is_measured_through_the_night(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	fall_asleep();
	run(8 * HOUR);
	assert_in_range(w.measures, 478, 481);
}

static void no_day_has_more_looks_than_the_budget(void **state)
{
	(void)state;
	dice = 7;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	for (int budget = 1; budget <= 60; budget += 7) {
		rhythm_destroy(w.rhythm);
		w.rhythm = NULL;
		w.config.wake_budget = budget;
		w.config.asleep_retry_us = 10 * MINUTE;
		w.activity = OBD_ACTIVITY_ON;
		w.answers = true;
		create();
		fall_asleep();
		for (int i = 0; i < 3 * 24 * 60; i++) {
			/* A relay that chatters: signs that lie, for hours. */
			w.volts = i / 60 % 5 == 0 && any() % 4 == 0 ? 13.6 : 12.7;
			w.has_volts = i / 60 % 7 != 0;
			run(MINUTE);
			assert_in_range(stats().looks_today, 0, budget);
		}
		for (int i = 0; i < w.looks; i++) {
			int within = 0;

			for (int j = i; j < w.looks && w.look_at[j] - w.look_at[i] < DAY; j++)
				within++;
			/* Beyond the budget: signs, once in 30 min. */
			assert_true(within <= budget + 48);
		}
		assert_int_equal(w.asked[0], 0);
	}
}

static void without_a_voltage_the_looks_are_spread_over_the_day(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.config.wake_budget = 24;
	w.config.asleep_retry_us = MINUTE;
	w.has_volts = false;
	create();
	fall_asleep();
	run(3 * DAY);
	assert_in_range(w.looks, 3 * 18 - 1, 3 * 18 + 1);
	for (int i = 1; i < w.looks; i++)
		assert_in_range(w.look_at[i] - w.look_at[i - 1], 79 * MINUTE, 81 * MINUTE);
	w.answers = true;
	w.activity = OBD_ACTIVITY_ON;
	run(81 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
}

static void without_a_budget_only_signs_are_followed(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.config.wake_budget = 0;
	create();
	fall_asleep();
	run(2 * DAY);
	assert_int_equal(w.looks, 0);
	w.volts = 14;
	w.answers = true;
	w.activity = OBD_ACTIVITY_ON;
	run(31 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
}

static void an_adapter_without_a_voltage_is_not_asked_for_it_for_ever(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.has_volts = false;
	create();
	run(DAY);
	assert_in_range(w.measures, 1, 40);
}

static void a_vehicle_that_is_off_is_left_alone_though_it_answers(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	run(MINUTE);
	w.activity = OBD_ACTIVITY_OFF;
	w.volts = 12.8;
	run(6 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_OFF);
	forget_counts();
	/* Each look is answered, and the visit is one round. */
	run(DAY);
	assert_in_range(w.looks, 5, 6);
	assert_in_range(w.asked[0], 5, 6);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_OFF);
}

static void a_loose_adapter_keeps_no_vehicle_awake(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	run(MINUTE);
	w.activity = OBD_ACTIVITY_OFF;
	w.volts = 12.8;
	for (int i = 0; i < 10; i++) {
		rhythm_connected(w.rhythm, w.now);
		run(MINUTE);
	}
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_OFF);
	forget_counts();
	for (int i = 0; i < 60; i++) {
		rhythm_connected(w.rhythm, w.now);
		run(MINUTE);
	}
	assert_in_range(w.asked[0], 50, 70); /* one visit a connect */
}

static void a_converter_that_runs_is_a_vehicle_that_may_start(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	fall_asleep();
	run(HOUR);
	/* Unlocked: the converter runs, the ignition is off; driven away 8 minutes later. */
	w.volts = 14.3;
	w.answers = true;
	w.activity = OBD_ACTIVITY_OFF;
	run(8 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_OFF);
	w.activity = OBD_ACTIVITY_DRIVING;
	run(6 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
}

static void a_vehicle_that_charges_is_read_as_long_as_it_charges(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	run(MINUTE);
	w.activity = OBD_ACTIVITY_CHARGING;
	w.volts = 12.3; /* an adapter that reads too low */
	run(8 * HOUR);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
}

static void who_says_nothing_of_its_ignition_is_told_by_its_alternator(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.activity = OBD_ACTIVITY_UNKNOWN;
	create();
	run(3 * HOUR);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
	w.volts = 12.7;
	run(8 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_OFF);
}

static void a_low_battery_is_spared_but_one_dip_is_no_low_battery(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.config.linger_us = HOUR;
	create();
	run(MINUTE);
	w.activity = OBD_ACTIVITY_OFF;
	w.volts = 9.8; /* the starter */
	for (int i = 0; i < 70 && w.measures == 1; i++)
		run(SECOND);
	w.volts = 12.9;
	run(MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
	w.volts = 12.4;
	run(MINUTE + 10 * SECOND);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_VOLTAGE);
	/* Hysteresis. */
	forget_counts();
	w.volts = 12.6;
	run(20 * MINUTE);
	assert_int_equal(w.looks, 0);
	w.volts = 13.2;
	run(MINUTE + SECOND);
	assert_int_equal(w.looks, 1);
}

static void a_low_battery_does_not_end_a_drive(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.volts = 11.9;
	create();
	run(HOUR);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
}

static void a_low_battery_is_looked_at_four_times_less(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.config.asleep_retry_us = 30 * MINUTE;
	create();
	fall_asleep();
	w.volts = 12.1;
	run(HOUR);
	forget_counts();
	run(DAY);
	assert_in_range(w.looks, 11, 13);
}

static void the_ignition_line_wakes_and_keeps_awake(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	add(SECOND, PROFILE_WHEN_ON, 0);
	w.has_volts = false;
	create();
	rhythm_ignition(w.rhythm, false, w.now);
	fall_asleep();
	w.answers = true;
	w.activity = OBD_ACTIVITY_OFF; /* its profile knows no better */
	rhythm_ignition(w.rhythm, true, w.now);
	run(SECOND);
	assert_int_equal(w.looks, 1);
	run(HOUR);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
	assert_true(w.asked[1] > 3500);
	rhythm_ignition(w.rhythm, false, w.now);
	run(6 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_OFF);
}

static void an_adapter_with_a_line_only_is_read_every_time(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.has_volts = false;
	create();
	rhythm_ignition(w.rhythm, false, w.now);
	run(HOUR);
	assert_in_range(w.measures, 59, 61);
}

static void a_24_v_system_has_twice_the_thresholds(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.volts = 28.2;
	create();
	run(5 * MINUTE);
	assert_true(stats().is_24v);
	w.activity = OBD_ACTIVITY_OFF;
	w.volts = 25.6;
	run(3 * MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
	w.volts = 24.8;
	run(MINUTE + 10 * SECOND);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_REST_VOLTAGE);
	/* Flat: 12 V of 24 are spared, not taken for another system. */
	forget_counts();
	w.answers = false;
	w.volts = 12.9;
	run(HOUR);
	assert_int_equal(w.looks, 0);
	w.volts = 27.6;
	w.answers = true;
	run(MINUTE + SECOND);
	assert_int_equal(w.looks, 1);
}

static void one_odd_reading_makes_no_24_v_system(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	create();
	run(MINUTE);
	rhythm_measured(w.rhythm, true, 25.5, w.now);
	run(3 * MINUTE);
	assert_false(stats().is_24v);
	for (int i = 0; i < 5; i++)
		rhythm_measured(w.rhythm, true, 0.0, w.now);
	rhythm_measured(w.rhythm, true, 99.9, w.now);
	run(MINUTE);
	assert_int_equal(rhythm_rest(w.rhythm), RHYTHM_AWAKE);
}

static void an_adapter_that_was_moved_to_a_12_v_vehicle_notices(void **state)
{
	(void)state;
	add(SECOND, PROFILE_WHEN_AWAKE, 0);
	w.volts = 28;
	create();
	run(5 * MINUTE);
	assert_true(stats().is_24v);
	w.volts = 14.1;
	rhythm_connected(w.rhythm, w.now);
	run(5 * MINUTE);
	assert_false(stats().is_24v);
}

/* ---- whatever happens ---- */

static void a_random_life_breaks_no_rule(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 30; seed++) {
		int64_t end;

		dice = seed;
		rhythm_destroy(w.rhythm);
		w.rhythm = NULL;
		w.count = 0;
		forget_counts();
		for (int i = 0; i < 12; i++)
			add((1 + any() % 600) * SECOND / 10, (enum profile_when)(any() % 5),
			    (unsigned)any() % 4);
		w.config.wake_budget = any() % 50;
		w.config.asleep_retry_us = (1 + any() % 60) * MINUTE;
		create();
		end = w.now + 2 * DAY;
		while (w.now < end) {
			w.activity = (enum obd_activity)(any() % 6);
			w.answers = w.activity > OBD_ACTIVITY_ASLEEP;
			w.has_volts = any() % 8 != 0;
			w.volts = 11 + any() % 40 * 0.1;
			for (size_t i = 0; i < w.count; i++)
				w.outcomes[i] = any() % 3 ? RHYTHM_ANSWERED
							  : (enum rhythm_outcome)(any() % 4);
			if (any() % 20 == 0)
				rhythm_connected(w.rhythm, w.now);
			if (any() % 20 == 0)
				rhythm_ignition(w.rhythm, any() % 2 == 0, w.now);
			run((1 + any() % 3600) * SECOND);
			assert_true(stats().bus_load_pct <= w.config.bus_load_pct);
			assert_in_range(stats().looks_today, 0, w.config.wake_budget);
		}
		assert_true(worst_minute(500000) <= w.config.bus_load_pct);
	}
}

int suite_agent_rhythm(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(each_item_is_asked_at_its_period),
		TEST(a_rhythm_keeps_its_phase_and_makes_up_for_nothing),
		TEST(what_may_be_asked_follows_the_activity),
		TEST(nothing_is_asked_of_a_vehicle_that_is_asleep),
		TEST(once_is_asked_until_it_is_answered),
		TEST(a_vehicle_that_charges_or_is_off_is_asked_gently),
		TEST(a_barred_item_is_never_asked),
		TEST(an_item_that_went_with_another_is_not_due_any_more),
		TEST(control_units_are_switched_seldom),
		TEST(no_item_starves_on_a_bus_that_is_too_slow),
		TEST(what_is_scarce_is_shared_by_the_periods),
		TEST(no_minute_has_more_load_than_the_limit),
		TEST(without_a_limit_nothing_is_held_back),
		TEST(an_item_without_an_answer_is_asked_less_and_less),
		TEST(a_refused_item_is_asked_up_to_once_an_hour),
		TEST(a_garbled_item_keeps_its_period),
		TEST(an_adapter_that_gives_only_garbage_is_asked_less),
		TEST(a_control_unit_that_answers_nothing_backs_off_as_one),
		TEST(one_answer_keeps_a_control_unit_from_backing_off),
		TEST(coming_up_forgets_missing_answers_but_no_refusals),
		TEST(a_new_rhythm_looks_at_once),
		TEST(an_activity_of_before_the_waking_is_not_believed),
		TEST(silence_of_all_items_leads_to_a_look_and_to_rest),
		TEST(items_that_are_silent_on_a_vehicle_that_answers_cost_few_looks),
		TEST(a_rising_voltage_wakes_within_a_measurement),
		TEST(an_adapter_that_reads_too_low_shows_a_rise_all_the_same),
		TEST(a_battery_that_only_wavers_wakes_nobody),
		TEST(looks_that_a_sign_asked_for_are_repeated_while_it_starts),
		TEST(the_voltage_is_measured_through_the_night),
		TEST(no_day_has_more_looks_than_the_budget),
		TEST(without_a_voltage_the_looks_are_spread_over_the_day),
		TEST(without_a_budget_only_signs_are_followed),
		TEST(an_adapter_without_a_voltage_is_not_asked_for_it_for_ever),
		TEST(a_vehicle_that_is_off_is_left_alone_though_it_answers),
		TEST(a_loose_adapter_keeps_no_vehicle_awake),
		TEST(a_converter_that_runs_is_a_vehicle_that_may_start),
		TEST(a_vehicle_that_charges_is_read_as_long_as_it_charges),
		TEST(who_says_nothing_of_its_ignition_is_told_by_its_alternator),
		TEST(a_low_battery_is_spared_but_one_dip_is_no_low_battery),
		TEST(a_low_battery_does_not_end_a_drive),
		TEST(a_low_battery_is_looked_at_four_times_less),
		TEST(the_ignition_line_wakes_and_keeps_awake),
		TEST(an_adapter_with_a_line_only_is_read_every_time),
		TEST(a_24_v_system_has_twice_the_thresholds),
		TEST(one_odd_reading_makes_no_24_v_system),
		TEST(an_adapter_that_was_moved_to_a_12_v_vehicle_notices),
		TEST(a_random_life_breaks_no_rule),
#undef TEST
	};

	return cmocka_run_group_tests_name("agent.rhythm", tests, NULL, NULL);
}
