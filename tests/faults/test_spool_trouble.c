/* Disks that are full, read only or broken, from any operation on, for one, for some, or until somebody
 * mends them. The spool lives on, loses nothing but what its caps let go of (and says so), and is well again
 * by itself when the disk is. */
#include <errno.h>
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

int suite_faults_trouble(void);

#define STEPS 70
#define EVERY (FAULT_CHANGES | FAULT_OPEN)

struct trouble {
	const char *name;
	unsigned ops;
	int error;
};

static const struct trouble troubles[] = {
	{"full", FAULT_WRITE | FAULT_TRUNCATE | FAULT_OPEN, ENOSPC},
	{"read only", EVERY, EROFS},
	{"I/O errors on writing", EVERY, EIO},
	{"I/O errors on syncs", FAULT_SYNC, EIO},
	{"quota", FAULT_WRITE, EDQUOT},
	{"I/O errors on everything", EVERY | FAULT_READ, EIO},
};
#define TROUBLES (sizeof(troubles) / sizeof(troubles[0]))

/* How many operations fail: one, some, or all until the disk is mended at the end. */
static const int64_t lengths[] = {1, 9, 0};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

struct sum {
	int64_t runs, points, failed, refused, batches, lost, dropped;
};

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(fault_vfs_install(), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fault_vfs_remove();
	return 0;
}

static void one_run(const struct trouble *trouble, int64_t at, int64_t length, bool young,
		    struct sum *sum)
{
	struct story *story = calloc(1, sizeof(*story));
	struct judge *judge = calloc(1, sizeof(*judge));
	struct fault_disk *disk;
	char what[96];

	assert_non_null(story);
	assert_non_null(judge);
	(void)snprintf(what, sizeof(what), "%s%s from operation %lld for %lld", trouble->name,
		       young ? " (young floor)" : "", (long long)at, (long long)length);
	story_begin(story, 11);
	(void)snprintf(story->name, sizeof(story->name), "%s", what);
	story->lenient = true;
	story->no_boots = true;
	disk = young ? story->young : story->disk;
	fault_disk_plan(disk, &(struct fault_plan){.ops = trouble->ops,
						   .at = at,
						   .count = length,
						   .error = trouble->error});
	story_play(story, STEPS);
	sum->failed += fault_disk_failed(disk);
	if (sum->points < fault_disk_counted(disk))
		sum->points = fault_disk_counted(disk);
	fault_disk_plan(disk, NULL);
	if (!story_recover(story))
		fail_msg("%s: it does not recover: %s", what,
			 story->spool ? spool_error(story->spool) : story->error);
	assert_int_equal(story->notices, 0);
	story_play(story, 10);
	assert_true(story_recover(story));
	story_drain(story);
	judge_begin(judge, story);
	judge_story(judge, what, true);
	sum->runs++;
	sum->refused += story->refused_appends + story->refused_opens;
	sum->batches += (int64_t)story->batch_count;
	sum->lost += judge->lost;
	sum->dropped += story->dropped;
	judge_end(judge);
	story_free(story);
	free(judge);
	free(story);
}

/* How many operations of the kind a run without trouble has. */
static int64_t count_points(const struct trouble *trouble, bool young)
{
	struct sum sum = {0};

	one_run(trouble, 0, 0, young, &sum);
	return sum.points;
}

static void try_trouble(const struct trouble *trouble, bool young, int64_t points_wanted)
{
	int64_t at, stride, points = count_points(trouble, young);
	struct sum sum = {0};
	size_t i;

	stride = getenv("FRESHET_FAULTS_ALL") ? 1 : points / points_wanted + 1;
	for (at = 1; at <= points; at += stride)
		for (i = 0; i < LENGTHS; i++)
			if (stride == 1 || (size_t)(at / stride) % LENGTHS == i)
				one_run(trouble, at, lengths[i], young, &sum);
	print_message(
		"%s%s: operations %lld, runs %lld, failed operations %lld, refused calls %lld,"
		" batches %lld, given up and stated %lld, gaps %lld, unreported 0\n",
		trouble->name, young ? " (young floor)" : "", (long long)points,
		(long long)sum.runs, (long long)sum.failed, (long long)sum.refused,
		(long long)sum.batches, (long long)sum.dropped, (long long)sum.lost);
}

static void the_disk_may_refuse_at_any_operation(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < TROUBLES; i++)
		try_trouble(&troubles[i], false, 24);
}

static void the_young_floor_may_be_full_at_any_operation(void **state)
{
	(void)state;
	try_trouble(&troubles[0], true, 24);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_faults_trouble(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_disk_may_refuse_at_any_operation),
		TEST(the_young_floor_may_be_full_at_any_operation),
	};

	return cmocka_run_group_tests_name("faults.trouble", tests, NULL, NULL);
}
