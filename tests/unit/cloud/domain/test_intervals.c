#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cloud/domain/intervals.h"

int suite_domain_intervals(void);

#define ROOM 64
#define WORLD 48 /* numbers 0..47 in the random tests */

struct fixture {
	struct interval room[ROOM];
	struct intervals set;
};

static void start(struct fixture *f)
{
	intervals_init(&f->set, f->room, ROOM);
}

static void assert_ranges(const struct intervals *set, const struct interval *want, size_t count)
{
	assert_int_equal(set->count, count);
	for (size_t i = 0; i < count; i++) {
		assert_true(set->items[i].first == want[i].first);
		assert_true(set->items[i].last == want[i].last);
	}
}

static void ranges_that_touch_melt_into_one(void **state)
{
	struct fixture f;
	const struct interval one[] = {{1, 9}};

	(void)state;
	start(&f);
	assert_int_equal(intervals_add(&f.set, 1, 3), 0);
	assert_int_equal(intervals_add(&f.set, 7, 9), 0);
	assert_int_equal(f.set.count, 2);
	assert_int_equal(intervals_add(&f.set, 4, 6), 0);
	assert_ranges(&f.set, one, 1);
}

static void a_range_swallows_all_that_it_covers(void **state)
{
	struct fixture f;
	const struct interval want[] = {{0, 30}, {40, 40}};

	(void)state;
	start(&f);
	for (int64_t n = 2; n < 30; n += 4)
		assert_int_equal(intervals_add(&f.set, n, n), 0);
	assert_int_equal(intervals_add(&f.set, 40, 40), 0);
	assert_int_equal(intervals_add(&f.set, 0, 30), 0);
	assert_ranges(&f.set, want, 2);
}

static void what_is_no_range_is_refused(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	assert_int_equal(intervals_add(&f.set, 3, 2), INTERVALS_E_INVALID);
	assert_int_equal(intervals_add(&f.set, -1, 2), INTERVALS_E_INVALID);
	assert_int_equal(intervals_add(&f.set, 1, INT64_MAX), INTERVALS_E_INVALID);
	assert_int_equal(f.set.count, 0);
}

static void a_full_set_refuses_and_stays_as_it_was(void **state)
{
	struct interval room[2];
	struct intervals set;
	const struct interval want[] = {{1, 1}, {3, 3}};
	const struct interval melted[] = {{1, 3}};

	(void)state;
	intervals_init(&set, room, 2);
	assert_int_equal(intervals_add(&set, 1, 1), 0);
	assert_int_equal(intervals_add(&set, 3, 3), 0);
	assert_int_equal(intervals_add(&set, 9, 9), INTERVALS_E_SPACE);
	assert_ranges(&set, want, 2);
	assert_int_equal(intervals_add(&set, 2, 2), 0);
	assert_ranges(&set, melted, 1);
}

static void subtracting_leaves_the_gaps(void **state)
{
	struct fixture lost;
	struct fixture committed;
	struct fixture gap;
	const struct interval want[] = {{1, 2}, {6, 6}, {9, 10}};

	(void)state;
	start(&lost);
	start(&committed);
	start(&gap);
	assert_int_equal(intervals_add(&lost.set, 1, 6), 0);
	assert_int_equal(intervals_add(&lost.set, 8, 10), 0);
	assert_int_equal(intervals_add(&committed.set, 3, 5), 0);
	assert_int_equal(intervals_add(&committed.set, 8, 8), 0);
	assert_int_equal(intervals_add(&committed.set, 20, 30), 0);
	assert_int_equal(intervals_subtract(&lost.set, &committed.set, &gap.set), 0);
	assert_ranges(&gap.set, want, 3);
	assert_true(intervals_total(&gap.set) == 5);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static void fill(struct fixture *f, uint8_t *bits, uint32_t *seed)
{
	start(f);
	for (int i = 0; i < WORLD; i++)
		bits[i] = 0;
	for (int i = 0; i < 6; i++) {
		uint32_t first = next(seed) % WORLD;
		uint32_t last = first + next(seed) % 5;

		if (last >= WORLD)
			last = WORLD - 1;
		assert_int_equal(intervals_add(&f->set, first, last), 0);
		for (uint32_t n = first; n <= last; n++)
			bits[n] = 1;
	}
}

/* Sorted, disjoint, not touching, and exactly the bits. */
static void assert_is(const struct intervals *set, const uint8_t *bits)
{
	int64_t total = 0;

	for (size_t i = 0; i < set->count; i++) {
		assert_true(set->items[i].first <= set->items[i].last);
		if (i > 0)
			assert_true(set->items[i].first > set->items[i - 1].last);
	}
	for (int n = 0; n < WORLD; n++) {
		assert_int_equal(intervals_contains(set, n), bits[n]);
		total += bits[n];
	}
	assert_true(intervals_total(set) == total);
}

static void random_sets_agree_with_a_bitmap(void **state)
{
	uint32_t seed = 20261120;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct fixture a;
		struct fixture b;
		struct fixture out;
		uint8_t a_bits[WORLD];
		uint8_t b_bits[WORLD];
		uint8_t want[WORLD];

		fill(&a, a_bits, &seed);
		fill(&b, b_bits, &seed);
		start(&out);
		assert_is(&a.set, a_bits);
		for (int n = 0; n < WORLD; n++)
			want[n] = a_bits[n] && !b_bits[n];
		assert_int_equal(intervals_subtract(&a.set, &b.set, &out.set), 0);
		assert_is(&out.set, want);
		for (int n = 0; n < WORLD; n++)
			want[n] = a_bits[n] && b_bits[n];
		assert_int_equal(intervals_intersect(&a.set, &b.set, &out.set), 0);
		assert_is(&out.set, want);
	}
}

int suite_domain_intervals(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_touch_melt_into_one),
		cmocka_unit_test(a_range_swallows_all_that_it_covers),
		cmocka_unit_test(what_is_no_range_is_refused),
		cmocka_unit_test(a_full_set_refuses_and_stays_as_it_was),
		cmocka_unit_test(subtracting_leaves_the_gaps),
		cmocka_unit_test(random_sets_agree_with_a_bitmap),
	};

	return cmocka_run_group_tests_name("domain.intervals", tests, NULL, NULL);
}
