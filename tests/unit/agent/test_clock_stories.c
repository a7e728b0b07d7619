/* What clocks do to gateways, each as a story with the real spool, time keeper and core: whatever the
 * gateway's wall clock shows, the core says when a value was read, or between which times. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "tests/unit/agent/clock_bench.h"

int suite_agent_clock_stories(void);

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define IN_1970_MS INT64_C(7000)
#define UNSEEN_MS INT64_C(310000)
/* What the issue of a time may be off by, beside the drift of the gateway's oscillator. */
#define ALLOWED_MS 100

static int64_t drift_ms(const struct story *s, int64_t us)
{
	return llabs(s->drift_ppm) * us / INT64_C(1000000000);
}

/* ---- 1970 ---- */

/* An hour offline in 1970, a value every ten seconds; returns the first record's number. */
static int hour_in_1970(struct story *s, int64_t drift_ppm)
{
	int first;

	s->drift_ppm = drift_ppm;
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	first = s->records;
	story_sample(s, 360, 10 * SECOND_US);
	assert_int_equal(time_keeper_quality(&s->keeper), CLOCK_QUALITY_NONE);
	return first;
}

static void check_hour(struct story *s, int first)
{
	int64_t worst = story_worst_ms(s, first, s->records - 1);

	print_message("           worst error %lld ms, of which the oscillator's drift %lld\n",
		      (long long)worst, (long long)drift_ms(s, HOUR_US));
	assert_true(worst <= ALLOWED_MS + drift_ms(s, HOUR_US));
	assert_int_equal(story_shown(s), s->records - 1);
	assert_true(llabs(story_last_update_ms(s) - s->truth_us[s->records - 1] / 1000) <=
		    ALLOWED_MS);
}

static void an_hour_recorded_in_1970_is_dated_by_the_kernels_synchronisation(void **state)
{
	struct story *s = *state;
	int first = hour_in_1970(s, 50);

	story_sync(s, story_true_ms(s));
	story_send(s);
	check_hour(s, first);
	assert_int_equal(story_time(s, first).quality, WIRE_TIME_SYNCED);
	assert_int_equal(s->bases, 0);
}

static void an_hour_recorded_in_1970_is_dated_by_a_gps_fix(void **state)
{
	struct story *s = *state;
	int first = hour_in_1970(s, -50);

	story_gps(s);
	story_send(s);
	check_hour(s, first);
	assert_int_equal(story_time(s, first).quality, WIRE_TIME_SYNCED);
}

static void an_hour_recorded_in_1970_is_dated_by_the_core_alone(void **state)
{
	struct story *s = *state;
	int first = hour_in_1970(s, 50);

	story_send(s);
	check_hour(s, first);
	assert_int_equal(story_time(s, first).quality, WIRE_TIME_CORRECTED);
	/* The acknowledgements told the gateway the time as well. */
	assert_int_equal(time_keeper_quality(&s->keeper), CLOCK_QUALITY_CORE);
	assert_true(llabs(time_keeper_wall_ms(&s->keeper, s->gateway.mono_us) - story_true_ms(s)) <=
		    ALLOWED_MS);
}

static void trust_that_comes_after_the_commit_corrects_what_was_committed(void **state)
{
	struct story *s = *state;
	int first;

	/* A slow link: what the core alone can say is off by its delay. */
	s->delay_ms = 4000;
	first = hour_in_1970(s, 0);
	story_send(s);
	assert_true(story_worst_ms(s, first, s->records - 1) > 1000);
	assert_true(llabs(story_last_update_ms(s) - s->truth_us[s->records - 1] / 1000) > 1000);
	/* No record is sent again: one live batch with a better anchor corrects all of them. */
	story_sync(s, story_true_ms(s));
	(void)story_look(s);
	(void)story_read(s);
	story_send(s);
	check_hour(s, first);
	assert_int_equal(story_time(s, first).quality, WIRE_TIME_SYNCED);
}

static void batches_of_a_boot_that_is_dated_late_are_filed_where_they_belong(void **state)
{
	struct story *s = *state;
	unsigned changed;
	int first;

	first = hour_in_1970(s, 0);
	/* The card of this boot goes into the next one: nothing dates it, it is filed by receipt. */
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	story_send(s);
	assert_int_equal(story_time(s, first).quality, WIRE_TIME_UNSYNCED);
	assert_true(story_query(s, "SELECT min(first_at) FROM batch") > story_true_ms(s) - HOUR_MS);
	/* An anchor of it turns up after all. */
	assert_true(story_query(s, "UPDATE boot SET held_quality = 3, held_offset_ms ="
				   " (SELECT max(received_at) FROM batch) - 3660000"
				   " WHERE held_offset_ms IS NULL RETURNING 1") == 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(accept_sweep(s->accept, s->core.wall_ms, &changed), 0);
		assert_int_equal(accept_commit(s->accept), 0);
	}
	assert_true(llabs(story_query(s, "SELECT min(first_at) FROM batch WHERE boot_id ="
					 " (SELECT id FROM boot WHERE filed_offset_ms IS NOT NULL"
					 " ORDER BY max_mono_us DESC LIMIT 1)") -
			  s->truth_us[first] / 1000) < 60000);
	assert_int_equal(story_query(s, "SELECT count(*) FROM batch WHERE first_at > last_at"), 0);
}

/* ---- boots that nobody can date ---- */

static void assert_bounded(struct story *s, int n, int64_t width_ms)
{
	const struct wire_time time = story_time(s, n);
	const int64_t truth_ms = s->truth_us[n] / 1000;

	assert_int_equal(time.quality, WIRE_TIME_UNSYNCED);
	assert_true(time.at_ms == MODEL_NO_TIME);
	assert_true(time.not_before_ms != MODEL_NO_TIME);
	assert_true(time.not_before_ms <= truth_ms && truth_ms <= time.not_after_ms);
	assert_true(time.not_after_ms - time.not_before_ms <= width_ms);
}

static void two_boots_in_1970_are_bounded_by_the_boots_before_and_after(void **state)
{
	struct story *s = *state;
	int dated, first, second, last;

	(void)story_look(s);
	dated = story_read(s);
	story_send(s);
	story_pass(s, MINUTE_US);
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	first = s->records;
	story_sample(s, 60, MINUTE_US);
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	second = s->records;
	story_sample(s, 30, MINUTE_US);
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	story_pass(s, MINUTE_US);
	story_sync(s, story_true_ms(s));
	(void)story_look(s);
	last = story_read(s);
	story_send(s);
	assert_true(llabs(story_error_ms(s, dated)) <= ALLOWED_MS);
	assert_true(llabs(story_error_ms(s, last)) <= ALLOWED_MS);
	/* What they lasted is known: only the minutes in which nobody saw them are open. */
	for (int n = first; n < last; n++)
		assert_bounded(s, n, UNSEEN_MS);
	assert_bounded(s, second, UNSEEN_MS);
	/* None of it is fresh, none of it hides what can be dated. */
	assert_int_equal(story_shown(s), last);
	assert_true(llabs(story_last_update_ms(s) - s->truth_us[last] / 1000) <= ALLOWED_MS);
}

static void a_boot_that_nobody_can_date_makes_nothing_fresh(void **state)
{
	struct story *s = *state;
	struct coredb_health_row row;
	int n;

	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	story_sample(s, 3, MINUTE_US);
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	/* Only the spool of the boot before is sent, nothing live. */
	n = s->records - 1;
	story_send(s);
	assert_int_equal(story_shown(s), n);
	assert_int_equal(story_time(s, n).quality, WIRE_TIME_UNSYNCED);
	assert_true(story_time(s, n).not_after_ms <= story_true_ms(s));
	assert_int_equal(coredb_health_get(s->db, s->device.id, &row), 0);
	assert_true(row.state.last_update_at_ms == MODEL_NO_TIME);
	assert_true(row.state.observed_at_ms == MODEL_NO_TIME);
}

static void a_power_cut_in_1970_leaves_bounds_and_a_gap_but_no_false_time(void **state)
{
	struct story *s = *state;
	int first, last;

	(void)story_look(s);
	(void)story_read(s);
	story_send(s);
	story_boot(s, STORY_POWER_CUT, IN_1970_MS);
	first = s->records;
	story_sample(s, 20, MINUTE_US);
	story_boot(s, STORY_POWER_CUT, IN_1970_MS);
	story_sync(s, story_true_ms(s));
	(void)story_look(s);
	last = story_read(s);
	story_send(s);
	for (int n = first; n < last; n++)
		assert_bounded(s, n, UNSEEN_MS);
	assert_true(llabs(story_error_ms(s, last)) <= ALLOWED_MS);
}

static void a_copied_card_makes_bounds_wider_but_not_wrong(void **state)
{
	struct story *s = *state;
	struct wire_time time;
	int n;

	(void)story_look(s);
	(void)story_read(s);
	story_send(s);
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	story_sample(s, 3, MINUTE_US);
	n = s->records - 1;
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	story_sync(s, story_true_ms(s));
	story_send(s);
	/* The first card still runs elsewhere: its boot is alive long after the next one began. */
	assert_true(story_query(s,
				"UPDATE boot SET max_mono_us = max_mono_us + 86400000000 WHERE id"
				" = (SELECT min(id) FROM boot) RETURNING 1") == 1);
	time = story_time(s, n);
	assert_int_equal(time.quality, WIRE_TIME_UNSYNCED);
	assert_true(time.not_before_ms == MODEL_NO_TIME);
	assert_true(time.not_after_ms >= s->truth_us[n] / 1000);
}

/* ---- jumps ---- */

static void a_wall_clock_that_jumps_back_a_day_while_trusted_dates_nothing_fresher(void **state)
{
	struct story *s = *state;
	int before, wrong, after;

	story_sample(s, 30, 10 * SECOND_US);
	before = s->records - 1;
	story_sync(s, story_true_ms(s) - DAY_MS);
	story_pass(s, 10 * SECOND_US);
	assert_int_equal(story_look(s), 1); /* a new time base: the old one stays as it was */
	story_sample(s, 30, 10 * SECOND_US);
	wrong = s->records - 1;
	story_send(s);
	assert_true(story_worst_ms(s, 0, before) <= ALLOWED_MS);
	assert_true(story_error_ms(s, wrong) < -DAY_MS + HOUR_MS);
	assert_int_equal(story_shown(s), before);
	/* It is set right again: a third time base, and what is read then is right and shown. */
	story_sync(s, story_true_ms(s));
	assert_int_equal(story_look(s), 1);
	after = story_read(s);
	story_send(s);
	assert_true(llabs(story_error_ms(s, after)) <= ALLOWED_MS);
	assert_true(story_worst_ms(s, 0, before) <= ALLOWED_MS);
	assert_int_equal(story_shown(s), after);
}

static void a_wall_clock_that_jumps_forward_is_cut_at_the_receipt(void **state)
{
	struct story *s = *state;
	int before, ahead;

	story_sample(s, 30, 10 * SECOND_US);
	before = s->records - 1;
	story_sync(s, story_true_ms(s) + DAY_MS);
	assert_int_equal(story_look(s), 1);
	story_sample(s, 30, 10 * SECOND_US);
	ahead = s->records - 1;
	story_send(s);
	assert_true(story_worst_ms(s, 0, before) <= ALLOWED_MS);
	assert_true(story_worst_ms(s, before + 1, ahead) <= ALLOWED_MS);
	assert_int_equal(story_time(s, ahead).quality, WIRE_TIME_CORRECTED);
	assert_true(story_last_update_ms(s) <= s->core.wall_ms);
}

static void a_gateway_that_claims_a_wrong_time_from_its_start_is_cut_at_the_receipt(void **state)
{
	struct story *s = *state;
	int first;

	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	story_sync(s, story_true_ms(s) + 5 * HOUR_MS);
	first = s->records;
	story_sample(s, 60, MINUTE_US);
	story_send(s);
	assert_true(story_worst_ms(s, first, s->records - 1) <= ALLOWED_MS);
	assert_int_equal(story_time(s, first).quality, WIRE_TIME_CORRECTED);
}

static void a_correction_of_hours_after_a_boot_without_trust_dates_all_of_it(void **state)
{
	struct story *s = *state;
	int first;

	story_boot(s, STORY_ORDERLY, story_true_ms(s) - 7 * HOUR_MS);
	first = s->records;
	story_sample(s, 60, MINUTE_US);
	story_sync(s, story_true_ms(s));
	assert_int_equal(story_look(s), 0);
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	assert_true(story_worst_ms(s, first, s->records - 1) <= ALLOWED_MS);
	assert_int_equal(s->bases, 0);
}

static void a_small_step_corrects_the_whole_boot(void **state)
{
	struct story *s = *state;

	/* Hours without a server: the clock fell behind with its oscillator, then is stepped. */
	(void)story_look(s);
	s->drift_ppm = -100;
	for (int hour = 0; hour < 4; hour++)
		story_sample(s, 20, 3 * MINUTE_US);
	story_sync(s, story_true_ms(s));
	assert_int_equal(story_look(s), 0);
	(void)story_read(s);
	story_send(s);
	assert_int_equal(s->bases, 0);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS + drift_ms(s, 4 * HOUR_US));
	assert_true(llabs(story_error_ms(s, s->records - 1)) <= ALLOWED_MS);
}

static void a_step_below_a_second_is_followed_too(void **state)
{
	struct story *s = *state;

	/* A clock that was 0.9 s behind when the kernel first called it synchronised. */
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	story_sync(s, story_true_ms(s) - 900);
	story_sample(s, 30, 10 * SECOND_US);
	story_sync(s, story_true_ms(s));
	assert_int_equal(story_look(s), 0);
	(void)story_read(s);
	story_send(s);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS);
}

static void a_slewed_clock_stays_true(void **state)
{
	struct story *s = *state;

	/* The kernel slews wall and monotonic clock alike: 500 ppm for two minutes make 60 ms. */
	story_sync(s, story_true_ms(s) - 60);
	story_sample(s, 30, 10 * SECOND_US);
	s->drift_ppm = 500;
	story_sample(s, 12, 10 * SECOND_US);
	s->drift_ppm = 0;
	story_sample(s, 30, 10 * SECOND_US);
	story_send(s);
	assert_int_equal(s->bases, 0);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS);
}

/* ---- sleep ---- */

static void three_hours_of_suspend_are_no_jump(void **state)
{
	struct story *s = *state;

	story_sample(s, 10, MINUTE_US);
	story_suspend(s, 3 * HOUR_US);
	assert_int_equal(story_look(s), 0);
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	assert_int_equal(s->bases, 0);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS);
}

static void three_hours_of_suspend_in_1970_are_dated_too(void **state)
{
	struct story *s = *state;
	int first;

	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	first = s->records;
	story_sample(s, 10, MINUTE_US);
	story_suspend(s, 3 * HOUR_US);
	story_sample(s, 10, MINUTE_US);
	story_sync(s, story_true_ms(s));
	story_send(s);
	assert_true(story_worst_ms(s, first, s->records - 1) <= ALLOWED_MS);
}

static void a_machine_that_stood_still_begins_a_new_time_base(void **state)
{
	struct story *s = *state;
	int before;

	story_sample(s, 10, MINUTE_US);
	before = s->records - 1;
	story_freeze(s, 3 * HOUR_US);
	story_sync(s, story_true_ms(s));
	assert_int_equal(story_look(s), 1);
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	assert_true(story_worst_ms(s, 0, before) <= ALLOWED_MS);
	assert_true(story_worst_ms(s, before + 1, s->records - 1) <= ALLOWED_MS);
}

/* ---- calendars ---- */

static void a_leap_second_moves_what_was_before_it_by_that_second_and_nothing_after(void **state)
{
	struct story *s = *state;
	int before, after;

	story_sample(s, 30, 10 * SECOND_US);
	before = s->records - 1;
	/* UTC repeats a second: from here on its name is one less than time gone by. */
	s->true_us -= SECOND_US;
	s->core.wall_ms -= 1000;
	story_sync(s, story_true_ms(s));
	assert_int_equal(story_look(s), 0);
	story_sample(s, 30, 10 * SECOND_US);
	after = s->records - 1;
	story_send(s);
	assert_int_equal(s->bases, 0);
	assert_true(story_worst_ms(s, 0, before) <= 1000 + ALLOWED_MS);
	assert_true(story_worst_ms(s, before + 1, after) <= ALLOWED_MS);
	assert_int_equal(story_shown(s), after);
}

static void a_smeared_leap_second_is_followed(void **state)
{
	struct story *s = *state;

	/* Servers that smear it run 11.6 ppm slow for a day; the clock is set after them, 21 ms each
	 * half hour. */
	s->drift_ppm = 12;
	for (int half_hour = 0; half_hour < 48; half_hour++) {
		story_sample(s, 6, 5 * MINUTE_US);
		story_sync(s, story_true_ms(s));
	}
	(void)story_look(s);
	(void)story_read(s);
	story_send(s);
	assert_int_equal(s->bases, 0);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS + drift_ms(s, DAY_US));
	assert_true(llabs(story_error_ms(s, s->records - 1)) <= ALLOWED_MS);
}

static void the_nineteenth_of_january_2038_is_a_day_like_any_other(void **state)
{
	const int64_t last_ms = INT64_C(2147483647) * 1000; /* what 32 bits can tell */
	struct story *s = *state;
	int64_t ahead_us = (last_ms - HOUR_MS / 2) * 1000 - s->true_us;
	int first;

	s->true_us += ahead_us;
	s->core.wall_ms += ahead_us / 1000;
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	first = s->records;
	story_sample(s, 60, MINUTE_US); /* half of it after */
	story_sync(s, story_true_ms(s));
	story_send(s);
	assert_true(story_true_ms(s) > last_ms);
	assert_true(story_worst_ms(s, first, s->records - 1) <= ALLOWED_MS);
	assert_true(story_last_update_ms(s) > last_ms);
	story_restart_core(s);
	assert_true(story_worst_ms(s, first, s->records - 1) <= ALLOWED_MS);
}

/* ---- who is believed ---- */

static void a_plausible_clock_that_nobody_vouches_for_is_no_trust(void **state)
{
	struct story *s = *state;
	int first;

	/* fake-hwclock: the time of the last orderly stop, two days ago. */
	story_boot(s, STORY_ORDERLY, story_true_ms(s) - 2 * DAY_MS);
	assert_int_equal(story_look(s), 0);
	assert_int_equal(time_keeper_quality(&s->keeper), CLOCK_QUALITY_NONE);
	assert_true(time_keeper_wall_ms(&s->keeper, s->gateway.mono_us) == MODEL_NO_TIME);
	first = s->records;
	story_sample(s, 60, MINUTE_US);
	story_send(s);
	assert_true(story_worst_ms(s, first, s->records - 1) <= ALLOWED_MS);
	assert_int_equal(story_time(s, first).quality, WIRE_TIME_CORRECTED);
}

static void before_the_programs_build_no_witness_is_believed(void **state)
{
	struct story *s = *state;
	struct time_offer offer;

	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	s->keeper.floor_ms = NOW_MS - DAY_MS;
	story_sync(s, IN_1970_MS);
	assert_false(time_keeper_system(&s->keeper, &offer));
	assert_false(time_keeper_gps(&s->keeper, IN_1970_MS, s->gateway.mono_us, &offer));
	assert_false(time_keeper_core(&s->keeper, IN_1970_MS, &offer));
	assert_int_equal(time_keeper_quality(&s->keeper), CLOCK_QUALITY_NONE);
	assert_true(time_keeper_core(&s->keeper, NOW_MS, &offer));
}

static void each_trust_believes_its_own_witnesses(void **state)
{
	static const struct {
		enum clock_trust trust;
		bool gps, core;
	} cases[] = {
		{CLOCK_TRUST_KERNEL, true, true},
		{CLOCK_TRUST_GPS, true, true},
		{CLOCK_TRUST_CORE, false, true},
		{CLOCK_TRUST_ALWAYS, false, true},
	};
	struct clock_fake clock;
	struct time_offer offer;

	(void)state;
	clock_fake_init(&clock, IN_1970_MS, SECOND_US);
	clock.quality = CLOCK_QUALITY_NONE;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct time_keeper keeper;

		time_keeper_init(&keeper, &clock.clock, cases[i].trust, 0);
		assert_int_equal(time_keeper_gps(&keeper, NOW_MS, SECOND_US, &offer), cases[i].gps);
		time_keeper_init(&keeper, &clock.clock, cases[i].trust, 0);
		assert_int_equal(time_keeper_core(&keeper, NOW_MS, &offer), cases[i].core);
	}
}

static void a_better_witness_replaces_a_worse_one_without_a_new_time_base(void **state)
{
	struct story *s = *state;
	int first;

	s->delay_ms = 3000;
	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	first = story_read(s);
	story_send(s); /* the core's time, seconds off */
	assert_int_equal(time_keeper_quality(&s->keeper), CLOCK_QUALITY_CORE);
	story_gps(s);
	story_pass(s, MINUTE_US);
	story_sync(s, story_true_ms(s));
	assert_int_equal(story_look(s), 0);
	(void)story_read(s);
	story_send(s);
	assert_int_equal(s->bases, 0);
	assert_true(story_worst_ms(s, first, s->records - 1) <= ALLOWED_MS);
}

static void a_synchronisation_that_is_lost_leaves_its_anchor(void **state)
{
	struct story *s = *state;

	story_sample(s, 10, MINUTE_US);
	s->gateway.quality = CLOCK_QUALITY_NONE; /* no server for hours: the kernel gives up */
	story_sample(s, 10, MINUTE_US);
	assert_int_equal(time_keeper_quality(&s->keeper), CLOCK_QUALITY_SYNCED);
	story_send(s);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS);
	assert_int_equal(story_time(s, s->records - 1).quality, WIRE_TIME_SYNCED);
	assert_int_equal(s->bases, 0);
}

static void an_agent_that_is_killed_keeps_the_boots_anchor(void **state)
{
	struct story *s = *state;

	story_sample(s, 10, MINUTE_US);
	story_restart_agent(s);
	s->gateway.quality = CLOCK_QUALITY_NONE;
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS);
	assert_int_equal(story_time(s, 0).quality, WIRE_TIME_SYNCED);
}

/* ---- the core's own clock ---- */

static void a_core_that_was_behind_does_not_hold_its_gateways_back_for_good(void **state)
{
	struct story *s = *state;

	/* A small machine without a real-time clock: it starts with the time of its last stop. */
	s->core.wall_ms -= 5 * HOUR_MS;
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	assert_true(story_error_ms(s, 0) < -4 * HOUR_MS); /* too old, never too fresh */
	s->core.wall_ms = story_true_ms(s);
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	/* What it received too early stays cut there; all that comes now is right. */
	assert_true(story_worst_ms(s, 10, s->records - 1) <= ALLOWED_MS);
	assert_true(llabs(story_last_update_ms(s) - s->truth_us[s->records - 1] / 1000) <=
		    ALLOWED_MS);
	assert_int_equal(story_shown(s), s->records - 1);
}

static void a_core_that_was_ahead_dates_a_gateway_without_a_clock_rightly_afterwards(void **state)
{
	struct story *s = *state;
	int first;

	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	first = s->records;
	s->core.wall_ms += 5 * HOUR_MS;
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	assert_true(story_error_ms(s, first) > 4 * HOUR_MS);
	s->core.wall_ms = story_true_ms(s);
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	assert_true(story_worst_ms(s, first, s->records - 1) <= ALLOWED_MS);
	assert_true(story_last_update_ms(s) <= s->core.wall_ms);
	assert_int_equal(story_shown(s), s->records - 1);
}

static void what_a_core_received_while_it_was_ahead_does_not_stay_fresh_until_then(void **state)
{
	struct story *s = *state;
	unsigned changed;

	story_boot(s, STORY_ORDERLY, IN_1970_MS);
	s->core.wall_ms += DAY_MS;
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	s->core.wall_ms = story_true_ms(s);
	/* Nothing more comes of the gateway. */
	assert_int_equal(accept_sweep(s->accept, s->core.wall_ms, &changed), 0);
	assert_int_equal(accept_commit(s->accept), 0);
	assert_true(story_last_update_ms(s) <= s->core.wall_ms);
	assert_true(story_query(s, "SELECT contact_at FROM gateway_state") <= s->core.wall_ms);
}

static void a_core_that_is_restarted_elsewhere_goes_on_with_the_same_times(void **state)
{
	struct story *s = *state;

	story_sample(s, 10, MINUTE_US);
	story_send(s);
	s->core.mono_us = 77 * SECOND_US; /* another machine's uptime */
	story_restart_core(s);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS);
	story_sample(s, 10, MINUTE_US);
	story_send(s);
	assert_true(story_worst_ms(s, 0, s->records - 1) <= ALLOWED_MS);
}

int suite_agent_clock_stories(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, story_set_up, story_tear_down)
		TEST(an_hour_recorded_in_1970_is_dated_by_the_kernels_synchronisation),
		TEST(an_hour_recorded_in_1970_is_dated_by_a_gps_fix),
		TEST(an_hour_recorded_in_1970_is_dated_by_the_core_alone),
		TEST(trust_that_comes_after_the_commit_corrects_what_was_committed),
		TEST(batches_of_a_boot_that_is_dated_late_are_filed_where_they_belong),
		TEST(two_boots_in_1970_are_bounded_by_the_boots_before_and_after),
		TEST(a_boot_that_nobody_can_date_makes_nothing_fresh),
		TEST(a_power_cut_in_1970_leaves_bounds_and_a_gap_but_no_false_time),
		TEST(a_copied_card_makes_bounds_wider_but_not_wrong),
		TEST(a_wall_clock_that_jumps_back_a_day_while_trusted_dates_nothing_fresher),
		TEST(a_wall_clock_that_jumps_forward_is_cut_at_the_receipt),
		TEST(a_gateway_that_claims_a_wrong_time_from_its_start_is_cut_at_the_receipt),
		TEST(a_correction_of_hours_after_a_boot_without_trust_dates_all_of_it),
		TEST(a_small_step_corrects_the_whole_boot),
		TEST(a_step_below_a_second_is_followed_too),
		TEST(a_slewed_clock_stays_true),
		TEST(three_hours_of_suspend_are_no_jump),
		TEST(three_hours_of_suspend_in_1970_are_dated_too),
		TEST(a_machine_that_stood_still_begins_a_new_time_base),
		TEST(a_leap_second_moves_what_was_before_it_by_that_second_and_nothing_after),
		TEST(a_smeared_leap_second_is_followed),
		TEST(the_nineteenth_of_january_2038_is_a_day_like_any_other),
		TEST(a_plausible_clock_that_nobody_vouches_for_is_no_trust),
		TEST(before_the_programs_build_no_witness_is_believed),
		TEST(each_trust_believes_its_own_witnesses),
		TEST(a_better_witness_replaces_a_worse_one_without_a_new_time_base),
		TEST(a_synchronisation_that_is_lost_leaves_its_anchor),
		TEST(an_agent_that_is_killed_keeps_the_boots_anchor),
		TEST(a_core_that_was_behind_does_not_hold_its_gateways_back_for_good),
		TEST(a_core_that_was_ahead_dates_a_gateway_without_a_clock_rightly_afterwards),
		TEST(what_a_core_received_while_it_was_ahead_does_not_stay_fresh_until_then),
		TEST(a_core_that_is_restarted_elsewhere_goes_on_with_the_same_times),
#undef TEST
	};

	return cmocka_run_group_tests_name("agent.clock_stories", tests, NULL, NULL);
}
