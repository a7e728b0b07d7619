/* Damaged pages: bytes of the spool's file are changed at random, while it is closed or while it runs.
 * Nothing crashes, the agent goes on, and what cannot be read any more is stated: as given up, or as a gap. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "tests/faults/judge.h"

int suite_faults_damage(void);

#define SEEDS 36
#define SEEDS_ALL 500
#define STEPS_BEFORE 90
#define STEPS_AFTER 40

struct sum {
	int64_t seeds, notices, batches, committed, lost, possible, beyond;
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

static uint32_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 24);
}

/* A few bits, a few bytes, a sector or a page of some file that is there. */
static void damage(const char *path, uint64_t *seed)
{
	static const size_t sizes[] = {1, 1, 1, 8, 64, 512, 4096};
	unsigned char bytes[4096];
	int i, times = 1 + (int)(next(seed) % 6), fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	assert_int_equal(fstat(fd, &st), 0);
	for (i = 0; i < times && st.st_size > 0; i++) {
		size_t k, size = sizes[next(seed) % (sizeof(sizes) / sizeof(sizes[0]))];
		off_t at = (off_t)((next(seed) * (uint64_t)next(seed)) % (uint64_t)st.st_size);
		ssize_t len = pread(fd, bytes, size, at);

		assert_true(len > 0);
		for (k = 0; k < (size_t)len; k++) {
			const unsigned old = size == 1 ? bytes[k] : 0;
			const unsigned change = size == 1 ? 1u << next(seed) % 8 : next(seed);

			bytes[k] = (unsigned char)(old ^ change);
		}
		assert_true(pwrite(fd, bytes, (size_t)len, at) == len);
	}
	(void)close(fd);
	if (getenv("FRESHET_FAULTS_TELL"))
		print_message("%lld damage %d times: %s of %lld\n", (long long)fault_stamp(), times,
			      path, (long long)st.st_size);
}

/* The log of the young floor is left alone: it never leaves memory, and one whose end is gone cannot be
 * told from one that never had it. Of the disk's log the young floor knows better. */
static void damage_some(const char *path, bool young, uint64_t *seed)
{
	char log[FOLDER_SIZE + 32];

	(void)snprintf(log, sizeof(log), "%s-wal", path);
	if (young || next(seed) % 4 != 0)
		damage(path, seed);
	else
		damage(log, seed);
}

/* `running`: under the open spool. Else after a kill or an orderly stop. */
static void one_seed(uint64_t number, bool running, bool young, struct sum *sum)
{
	struct story *story = calloc(1, sizeof(*story));
	struct judge *judge = calloc(1, sizeof(*judge));
	uint64_t seed = number * 2654435761u + 88172645463325252u;
	char what[64];

	assert_non_null(story);
	assert_non_null(judge);
	(void)snprintf(what, sizeof(what), "damaged %s, seed %llu",
		       young     ? "young"
		       : running ? "running"
				 : "closed",
		       (unsigned long long)number);
	story_begin(story, number);
	(void)snprintf(story->name, sizeof(story->name), "%s", what);
	story_play(story, STEPS_BEFORE);
	story->lenient = true;
	if (!running && next(&seed) % 2)
		story_stop(story);
	else if (!running)
		story_kill(story);
	damage_some(young ? story->young_path : story->disk_path, young, &seed);
	story_play(story, STEPS_AFTER);
	if (!story_recover(story))
		fail_msg("%s: it does not recover: %s", what,
			 story->spool ? spool_error(story->spool) : story->error);
	story_drain(story);
	judge_begin(judge, story);
	judge_story(judge, what, false);
	sum->seeds++;
	sum->notices += story->notices;
	sum->batches += (int64_t)story->batch_count;
	sum->committed += judge->committed;
	sum->lost += judge->lost;
	sum->possible += judge->possible;
	sum->beyond += judge->beyond;
	judge_end(judge);
	story_free(story);
	free(judge);
	free(story);
}

static void try_seeds(const char *what, bool running, bool young)
{
	const char *only = getenv("FRESHET_FAULTS_SEED");
	uint64_t i, seeds = getenv("FRESHET_FAULTS_ALL") ? SEEDS_ALL : SEEDS;
	struct sum sum = {0};

	if (only)
		one_seed(strtoull(only, NULL, 10), running, young, &sum);
	for (i = 1; !only && i <= seeds; i++)
		one_seed(i, running, young, &sum);
	print_message(
		"%s: seeds %lld, set aside %lld, batches %lld, committed %lld, gaps %lld,"
		" possible %lld, of epochs that no table knows any more (a notice tells) %lld,"
		" unreported 0\n",
		what, (long long)sum.seeds, (long long)sum.notices, (long long)sum.batches,
		(long long)sum.committed, (long long)sum.lost, (long long)sum.possible,
		(long long)sum.beyond);
}

static void a_closed_file_may_be_damaged_anywhere(void **state)
{
	(void)state;
	try_seeds("damaged while closed", false, false);
}

static void a_running_file_may_be_damaged_anywhere(void **state)
{
	(void)state;
	try_seeds("damaged while running", true, false);
}

static void the_young_floor_may_be_damaged_anywhere(void **state)
{
	(void)state;
	try_seeds("young floor damaged while running", true, true);
}

/* Every bit of the file's header: SQLite keeps versions, sizes and counters there that no check of its
 * pages looks at. */
#define HEADER_BYTES 100

struct kept {
	unsigned char *data;
	size_t len;
};

static struct kept keep(const char *path)
{
	struct kept kept = {.data = NULL};
	FILE *in = fopen(path, "rb");
	struct stat st;

	assert_non_null(in);
	assert_int_equal(fstat(fileno(in), &st), 0);
	kept.len = (size_t)st.st_size;
	kept.data = malloc(kept.len);
	assert_non_null(kept.data);
	assert_int_equal(fread(kept.data, 1, kept.len, in), kept.len);
	(void)fclose(in);
	return kept;
}

static void put_back(const char *path, const struct kept *kept)
{
	FILE *out = fopen(path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(kept->data, 1, kept->len, out), kept->len);
	assert_int_equal(fclose(out), 0);
}

static void with_a_changed_bit(struct story *story, const char *path, const struct kept *kept,
			       int bit, struct sum *sum)
{
	story->batch_count = 0; /* each is a story of its own from here on */
	folder_remove(story->disk_folder);
	folder_remove(story->young_folder);
	assert_int_equal(mkdir(story->disk_folder, 0700), 0);
	assert_int_equal(mkdir(story->young_folder, 0700), 0);
	put_back(story->disk_path, &kept[0]);
	put_back(story->young_path, &kept[1]);
	{
		FILE *file = fopen(path, "r+b");
		const struct kept *whole = path == story->disk_path ? &kept[0] : &kept[1];

		assert_non_null(file);
		assert_int_equal(fseek(file, bit / 8, SEEK_SET), 0);
		(void)fputc(whole->data[bit / 8] ^ (1 << bit % 8), file);
		assert_int_equal(fclose(file), 0);
	}
	(void)snprintf(story->name, sizeof(story->name), "bit %d of byte %d", bit % 8, bit / 8);
	story_play(story, 3);
	if (!story_recover(story))
		fail_msg("%s: it does not recover: %s", story->name,
			 story->spool ? spool_error(story->spool) : story->error);
	story_stop(story);
	sum->seeds++;
}

static void every_bit(bool young)
{
	struct story *story = calloc(1, sizeof(*story));
	int bit, stride = getenv("FRESHET_FAULTS_ALL") ? 1 : 5;
	struct sum sum = {0};
	struct kept kept[2];

	assert_non_null(story);
	story_begin(story, 3);
	story_play(story, STEPS_BEFORE);
	story_stop(story);
	kept[0] = keep(story->disk_path);
	kept[1] = keep(story->young_path);
	story->lenient = true;
	for (bit = 0; bit < HEADER_BYTES * 8; bit += stride)
		with_a_changed_bit(story, young ? story->young_path : story->disk_path, kept, bit,
				   &sum);
	print_message("bits of the header of %s: %lld, set aside %lld\n",
		      young ? "the young floor" : "the disk floor", (long long)sum.seeds,
		      (long long)story->notices);
	story_free(story);
	free(kept[0].data);
	free(kept[1].data);
	free(story);
}

static void any_bit_of_the_header_may_change(void **state)
{
	(void)state;
	every_bit(false);
	every_bit(true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_faults_damage(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_closed_file_may_be_damaged_anywhere),
		TEST(a_running_file_may_be_damaged_anywhere),
		TEST(the_young_floor_may_be_damaged_anywhere),
		TEST(any_bit_of_the_header_may_change),
	};

	cmocka_set_test_filter(getenv("FRESHET_FAULTS_TEST"));
	return cmocka_run_group_tests_name("faults.damage", tests, NULL, NULL);
}
