/* Power cuts and kills under the spool: at every write and sync of a scripted life of it. After each it
 * opens, has what it said was on disk, gives no number twice, and the core reports the rest. */
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

#include "tests/faults/judge.h"

int suite_faults_spool(void);

#define STEPS 320
#define RESTORED 16

static bool all_of_it(void)
{
	return getenv("FRESHET_FAULTS_ALL") != NULL;
}

struct fixture {
	struct story story;
	struct judge judge;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *seed = getenv("FRESHET_FAULTS_SEED");

	assert_non_null(f);
	assert_int_equal(fault_vfs_install(), 0);
	story_begin(&f->story, seed ? strtoull(seed, NULL, 10) : 5);
	story_play(&f->story, STEPS);
	story_stop(&f->story);
	judge_begin(&f->judge, &f->story);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	judge_end(&f->judge);
	story_free(&f->story);
	fault_vfs_remove();
	free(f);
	return 0;
}

static void tell(const struct fixture *f, const char *what, int64_t points)
{
	const struct judge *judge = &f->judge;
	int64_t writes, syncs;

	fault_disk_tally(f->story.disk, &writes, &syncs);
	print_message(
		"%s: cut points %lld (disk: writes %lld, syncs %lld), images %lld; story: batches"
		" %zu, acked %lld, dropped %lld, restarts %lld; after the cuts: held %lld of"
		" %lld, committed %lld, gaps %lld, possible %lld, beyond %lld, told on asking in %lld"
		" cuts, times of gaps right in %lld of %lld (dated %lld), set aside %lld, unreported 0\n",
		what, (long long)points, (long long)writes, (long long)syncs,
		(long long)judge->cuts, f->story.batch_count, (long long)f->story.acked,
		(long long)f->story.dropped, (long long)f->story.restarts, (long long)judge->held,
		(long long)judge->batches, (long long)judge->committed, (long long)judge->lost,
		(long long)judge->possible, (long long)judge->beyond, (long long)judge->asked,
		(long long)judge->gaps, (long long)judge->gaps, (long long)judge->dated,
		(long long)judge->set_aside);
}

static void every_power_cut_keeps_what_was_on_disk_and_reports_the_rest(void **state)
{
	struct fixture *f = *state;
	int64_t i, end = fault_disk_position(f->story.disk);
	struct fault_image *image = NULL;
	int k;

	assert_true(f->story.dropped > 0 && f->story.acked > 20 && f->story.restarts > 2);
	assert_int_equal(fault_image_create(f->story.disk, &image), 0);
	for (i = 0; i <= end; i++)
		for (k = 0; k < FAULT_LOSSES; k++)
			if (all_of_it() || k == i % FAULT_LOSSES)
				judge_power(&f->judge, image, i, (enum fault_loss)k,
					    (uint64_t)i * FAULT_LOSSES + 1);
	fault_image_free(image);
	tell(f, "power cut", end + 1);
}

static void every_kill_loses_nothing_at_all(void **state)
{
	struct fixture *f = *state;
	struct fault_image *disk = NULL, *young = NULL;
	int64_t stamp, points = 0;
	int64_t first = fault_disk_change(f->story.disk, 0)->stamp;
	int64_t stride = all_of_it() ? 1 : 9;

	assert_int_equal(fault_image_create(f->story.disk, &disk), 0);
	assert_int_equal(fault_image_create(f->story.young, &young), 0);
	for (stamp = first; stamp <= fault_stamp(); stamp += stride) {
		judge_kill(&f->judge, disk, young, stamp);
		points++;
	}
	fault_image_free(disk);
	fault_image_free(young);
	tell(f, "kill", points);
	assert_int_equal(f->judge.possible, 0);
}

static void a_lying_card_gives_no_number_twice_and_what_it_lost_is_reported(void **state)
{
	struct fixture *f = *state;
	int64_t i, honest, end = fault_disk_position(f->story.disk), points = 0;
	int64_t stride = all_of_it() ? end / 400 + 1 : end / RESTORED + 1;

	for (i = stride; i <= end; i += stride, points++) {
		honest = i - points * 13 % 90;
		judge_lying(&f->judge, honest > 0 ? honest : 0, i,
			    (enum fault_loss)(points % FAULT_LOSSES));
	}
	tell(f, "lying card", points);
}

static void restore(struct fixture *f, bool same_boot)
{
	struct fault_image *image = NULL, *young = NULL;
	int64_t i, end = fault_disk_position(f->story.disk), points = 0;
	int64_t stride = all_of_it() ? end / 400 + 1 : end / RESTORED + 1;

	assert_int_equal(fault_image_create(f->story.disk, &image), 0);
	if (same_boot) {
		assert_int_equal(fault_image_create(f->story.young, &young), 0);
		fault_image_advance(young, fault_disk_position(f->story.young));
	}
	for (i = 0; i <= end; i += stride, points++)
		judge_restored(&f->judge, image, i, young);
	fault_image_free(image);
	fault_image_free(young);
	tell(f, same_boot ? "restored card, same boot" : "restored card", points);
}

static void a_restored_card_gives_no_number_twice(void **state)
{
	restore(*state, false);
}

static void a_card_restored_under_a_running_machine_gives_no_number_twice(void **state)
{
	restore(*state, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_faults_spool(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_power_cut_keeps_what_was_on_disk_and_reports_the_rest),
		TEST(every_kill_loses_nothing_at_all),
		TEST(a_lying_card_gives_no_number_twice_and_what_it_lost_is_reported),
		TEST(a_restored_card_gives_no_number_twice),
		TEST(a_card_restored_under_a_running_machine_gives_no_number_twice),
	};

	cmocka_set_test_filter(getenv("FRESHET_FAULTS_TEST"));
	return cmocka_run_group_tests_name("faults.spool", tests, NULL, NULL);
}
