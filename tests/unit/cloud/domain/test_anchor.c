#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cloud/domain/anchor.h"

int suite_domain_anchor(void);

#define WALL INT64_C(1795190400000) /* an evening in November 2026 */
#define BASE WALL
#define SECOND_US INT64_C(1000000)

static int64_t offset(const struct anchor *anchor)
{
	return anchor_offset_ms(anchor, NULL);
}

static enum anchor_quality quality(const struct anchor *anchor)
{
	enum anchor_quality q;

	anchor_offset_ms(anchor, &q);
	return q;
}

static void nothing_known_gives_no_time(void **state)
{
	struct anchor a;

	(void)state;
	anchor_init(&a);
	assert_true(offset(&a) == MODEL_NO_TIME);
	assert_int_equal(quality(&a), ANCHOR_NONE);
	assert_true(anchor_wall_ms(offset(&a), 5) == MODEL_NO_TIME);
}

static void the_better_quality_wins_in_any_order(void **state)
{
	static const enum anchor_quality orders[][3] = {
		{ANCHOR_CORE, ANCHOR_GPS, ANCHOR_SYNCED},
		{ANCHOR_SYNCED, ANCHOR_GPS, ANCHOR_CORE},
		{ANCHOR_GPS, ANCHOR_SYNCED, ANCHOR_CORE},
		{ANCHOR_CORE, ANCHOR_SYNCED, ANCHOR_GPS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct anchor a;

		anchor_init(&a);
		for (int j = 0; j < 3; j++)
			anchor_offer(&a, orders[i][j], 0, WALL + (int64_t)orders[i][j] * 1000);
		assert_int_equal(quality(&a), ANCHOR_SYNCED);
		assert_true(offset(&a) == WALL + (int64_t)ANCHOR_SYNCED * 1000);
	}
}

static void of_two_synced_ones_the_later_read_holds(void **state)
{
	struct anchor a;

	(void)state;
	anchor_init(&a);
	anchor_offer(&a, ANCHOR_SYNCED, 100 * SECOND_US, WALL + 100500);
	anchor_offer(&a, ANCHOR_SYNCED, 50 * SECOND_US, WALL + 50000);
	assert_true(offset(&a) == WALL + 500);
	anchor_offer(&a, ANCHOR_SYNCED, 200 * SECOND_US, WALL + 200200);
	assert_true(offset(&a) == WALL + 200);
}

static void of_two_core_ones_the_later_offset_holds(void **state)
{
	struct anchor a;

	(void)state;
	anchor_init(&a);
	anchor_offer(&a, ANCHOR_CORE, 100 * SECOND_US, WALL + 100000 - 900);
	anchor_offer(&a, ANCHOR_CORE, 50 * SECOND_US, WALL + 50000 - 100);
	assert_true(offset(&a) == WALL - 100);
	anchor_offer(&a, ANCHOR_CORE, 300 * SECOND_US, WALL + 300000 - 500);
	assert_true(offset(&a) == WALL - 100);
}

static void a_live_send_bounds_every_quality_from_above(void **state)
{
	struct anchor a;

	(void)state;
	anchor_init(&a);
	/* A gateway an hour ahead that swears its clock is right. */
	anchor_offer(&a, ANCHOR_SYNCED, 0, WALL + 3600000);
	anchor_live(&a, 10 * SECOND_US, WALL + 10000 + 40, BASE);
	assert_true(offset(&a) == WALL + 40);
	anchor_live(&a, 20 * SECOND_US, WALL + 20000 + 900, BASE);
	assert_true(offset(&a) == WALL + 40);
	assert_int_equal(quality(&a), ANCHOR_SYNCED);
}

static void a_ceiling_is_made_anew_where_the_cores_clock_was_set(void **state)
{
	struct anchor a;

	(void)state;
	anchor_init(&a);
	/* The core was an hour behind. */
	anchor_live(&a, 10 * SECOND_US, WALL - 3600000 + 10000, BASE - 3600000);
	assert_true(offset(&a) == WALL - 3600000);
	anchor_live(&a, 20 * SECOND_US, WALL + 20000 + 40, BASE);
	assert_true(offset(&a) == WALL + 40);
	/* It is steered by less than a second: the same base. */
	anchor_live(&a, 30 * SECOND_US, WALL + 30000 + 700, BASE + ANCHOR_BASE_STEP_MS - 1);
	assert_true(offset(&a) == WALL + 40);
}

static void bounds_narrow_by_what_the_boot_lasted(void **state)
{
	static const struct {
		struct anchor_between between;
		int64_t mono_us, received_ms, not_before_ms, not_after_ms;
	} cases[] = {
		/* Nobody knows anything but when it came. */
		{{MODEL_NO_TIME, MODEL_NO_TIME, 10 * SECOND_US, 100 * SECOND_US},
		 0,
		 WALL,
		 MODEL_NO_TIME,
		 WALL},
		{{WALL, MODEL_NO_TIME, 10 * SECOND_US, 100 * SECOND_US},
		 40 * SECOND_US,
		 WALL + 500000,
		 WALL + 30000,
		 WALL + 500000},
		{{WALL, WALL + 120000, 10 * SECOND_US, 100 * SECOND_US},
		 40 * SECOND_US,
		 WALL + 500000,
		 WALL + 30000,
		 WALL + 60000},
		/* Nobody knows when it began. */
		{{WALL, WALL + 120000, -1, 100 * SECOND_US},
		 40 * SECOND_US,
		 WALL + 500000,
		 WALL,
		 WALL + 60000},
		/* Received before the next boot is known to have begun. */
		{{WALL, WALL + 900000, 10 * SECOND_US, 100 * SECOND_US},
		 40 * SECOND_US,
		 WALL + 70000,
		 WALL + 30000,
		 WALL + 70000},
		/* The boot before still ran: a copied card. */
		{{WALL + 600000, WALL + 120000, 10 * SECOND_US, 100 * SECOND_US},
		 40 * SECOND_US,
		 WALL + 500000,
		 MODEL_NO_TIME,
		 WALL + 60000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t not_before_ms, not_after_ms;

		anchor_bounds(&cases[i].between, cases[i].mono_us, cases[i].received_ms,
			      &not_before_ms, &not_after_ms);
		assert_true(not_before_ms == cases[i].not_before_ms);
		assert_true(not_after_ms == cases[i].not_after_ms);
	}
}

static void a_live_boot_without_any_clock_is_anchored_by_the_core(void **state)
{
	struct anchor a;

	(void)state;
	anchor_init(&a);
	anchor_offer(&a, ANCHOR_NONE, 0, 1000);
	anchor_live(&a, 5 * SECOND_US, WALL + 5000 + 70, BASE);
	anchor_live(&a, 9 * SECOND_US, WALL + 9000 + 30, BASE);
	assert_int_equal(quality(&a), ANCHOR_CORE);
	assert_true(offset(&a) == WALL + 30);
	assert_true(anchor_wall_ms(offset(&a), 1500) == WALL + 31);
}

static void a_boot_that_was_never_live_and_has_no_clock_has_no_time(void **state)
{
	struct anchor a;

	(void)state;
	anchor_init(&a);
	anchor_offer(&a, ANCHOR_NONE, 5, WALL);
	anchor_offer(&a, ANCHOR_SYNCED, 5, MODEL_NO_TIME);
	assert_true(offset(&a) == MODEL_NO_TIME);
	assert_int_equal(quality(&a), ANCHOR_NONE);
}

static void a_wobble_below_the_step_is_not_followed(void **state)
{
	struct anchor a;

	(void)state;
	anchor_init(&a);
	anchor_offer(&a, ANCHOR_SYNCED, 0, WALL);
	anchor_offer(&a, ANCHOR_SYNCED, SECOND_US, WALL + 1000 + ANCHOR_STEP_MS - 1);
	assert_true(offset(&a) == WALL);
	anchor_offer(&a, ANCHOR_SYNCED, 2 * SECOND_US, WALL + 2000 + ANCHOR_STEP_MS);
	assert_true(offset(&a) == WALL + ANCHOR_STEP_MS);
	assert_false(anchor_moved(WALL, WALL + ANCHOR_STEP_MS - 1));
	assert_true(anchor_moved(WALL, WALL - ANCHOR_STEP_MS));
	assert_true(anchor_moved(MODEL_NO_TIME, WALL));
	assert_false(anchor_moved(MODEL_NO_TIME, MODEL_NO_TIME));
}

static void moments_before_monotonic_zero_round_down(void **state)
{
	(void)state;
	assert_true(anchor_wall_ms(WALL, -1) == WALL - 1);
	assert_true(anchor_wall_ms(WALL, -1000) == WALL - 1);
	assert_true(anchor_wall_ms(WALL, 999) == WALL);
}

int suite_domain_anchor(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_known_gives_no_time),
		cmocka_unit_test(the_better_quality_wins_in_any_order),
		cmocka_unit_test(of_two_synced_ones_the_later_read_holds),
		cmocka_unit_test(of_two_core_ones_the_later_offset_holds),
		cmocka_unit_test(a_live_send_bounds_every_quality_from_above),
		cmocka_unit_test(a_ceiling_is_made_anew_where_the_cores_clock_was_set),
		cmocka_unit_test(bounds_narrow_by_what_the_boot_lasted),
		cmocka_unit_test(a_live_boot_without_any_clock_is_anchored_by_the_core),
		cmocka_unit_test(a_boot_that_was_never_live_and_has_no_clock_has_no_time),
		cmocka_unit_test(a_wobble_below_the_step_is_not_followed),
		cmocka_unit_test(moments_before_monotonic_zero_round_down),
	};

	return cmocka_run_group_tests_name("domain.anchor", tests, NULL, NULL);
}
