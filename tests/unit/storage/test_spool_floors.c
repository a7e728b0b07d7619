/* The two floors of a spool: what moves when, what a kill, a power cut or another card leaves of them,
 * and a disk that refuses for a while. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <sqlite3.h>

#include "storage/spool/spool.h"
#include "storage/sql/sql.h"
#include "tests/faults/fault_vfs.h"
#include "tests/unit/storage/spool_fixture.h"

#define SAMPLE WIRE_CLASS_SAMPLE
#define STATE WIRE_CLASS_STATE
#define ALARM WIRE_CLASS_ALARM
#define LEDGER WIRE_CLASS_LEDGER
#define SECOND_US INT64_C(1000000)

/* The disk's file lies in a folder of its own, on a disk that the test owns. */
struct card {
	struct spool_fixture *f;
	char folder[FOLDER_SIZE + 8];
	struct fault_disk *disk;
};

static int set_up(void **state)
{
	struct card *card = calloc(1, sizeof(*card));
	void *fixture = NULL;

	assert_non_null(card);
	assert_int_equal(fault_vfs_install(), 0);
	(void)spool_fixture_set_up(&fixture);
	card->f = fixture;
	spool_close(card->f->spool);
	(void)unlink(card->f->young_path);
	(void)snprintf(card->folder, sizeof(card->folder), "%s/card", card->f->folder);
	assert_int_equal(mkdir(card->folder, 0700), 0);
	assert_int_equal(fault_disk_create(card->folder, &card->disk), 0);
	(void)snprintf(card->f->path, sizeof(card->f->path), "%s/card/s.db", card->f->folder);
	card->f->config.window_us = 2 * SECOND_US;
	card->f->config.young_max_bytes = 200000;
	fixture_open(card->f);
	*state = card;
	return 0;
}

static int tear_down(void **state)
{
	struct card *card = *state;
	void *fixture = card->f;

	fault_disk_plan(card->disk, NULL);
	(void)spool_fixture_tear_down(&fixture);
	fault_disk_free(card->disk);
	fault_vfs_remove();
	free(card);
	return 0;
}

static struct spool_stats stats_of(struct card *card)
{
	struct spool_stats stats;

	spool_stats(card->f->spool, &stats);
	return stats;
}

/* Time passes as on the agent's loop: the spool works when it is due. */
static void pass(struct card *card, int64_t us)
{
	struct clock_fake *clock = &card->f->clock;
	const int64_t end = clock->mono_us + us;
	int64_t due;

	while ((due = spool_due(card->f->spool)) <= end) {
		if (due > clock->mono_us)
			clock_fake_advance(clock, due - clock->mono_us);
		(void)spool_run(card->f->spool);
		if (spool_due(card->f->spool) <= clock->mono_us)
			clock_fake_advance(clock, 1000); /* nobody may be due for ever */
	}
	if (end > clock->mono_us)
		clock_fake_advance(clock, end - clock->mono_us);
}

static void put(struct card *card, int first, int count)
{
	int n;

	for (n = first; n < first + count; n++)
		(void)fixture_put(card->f, SAMPLE, n, 300);
}

static void ack(struct card *card, int64_t first, int64_t last)
{
	const struct wire_range range = {first, last};

	assert_int_equal(spool_ack(card->f->spool, spool_epoch(card->f->spool), &range, 1, NULL),
			 0);
}

static int64_t ask(const char *path, const char *question)
{
	struct sql *sql = NULL;
	struct sql_stmt *stmt;
	char url[160];
	int64_t answer;

	(void)snprintf(url, sizeof(url), "sqlite:%s", path);
	assert_int_equal(sql_open(url, 0, &sql, NULL, 0), 0);
	stmt = sql_stmt(sql, question);
	assert_int_equal(sql_step(stmt), 1);
	answer = sql_int(stmt, 0);
	sql_close(sql);
	return answer;
}

static int64_t count_on(const char *path)
{
	return ask(path, "SELECT count(*) FROM batch");
}

static void change(const char *path, const char *text)
{
	struct sql *sql = NULL;
	char url[160];

	(void)snprintf(url, sizeof(url), "sqlite:%s", path);
	assert_int_equal(sql_open(url, 0, &sql, NULL, 0), 0);
	if (sql_exec(sql, text))
		fail_msg("%s", sql_error(sql));
	sql_close(sql);
}

/* In another file: handles of the old one keep that. */
static void copy_database(const char *from, const char *to)
{
	char cmd[640];

	(void)snprintf(cmd, sizeof(cmd),
		       "rm -f %s %s-wal %s-shm; for s in '' -wal; do"
		       " [ ! -e %s$s ] || cp %s$s %s$s; done",
		       to, to, to, from, from, to);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c): paths of our own making */
}

static void keep_epoch(struct card *card, char out[static IDS_RANDOM_SIZE])
{
	(void)snprintf(out, IDS_RANDOM_SIZE, "%s", spool_epoch(card->f->spool));
}

/* All samples from 1 to `last` are shown once each, in order. */
static void expect_samples(struct card *card, int last)
{
	struct seen seen;
	int i, n = 1;

	fixture_see(card->f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++) {
		if (seen.items[i].class == LEDGER)
			continue;
		assert_int_equal(seen.items[i].n, n);
		n++;
	}
	assert_int_equal(n - 1, last);
	seen_free(&seen);
}

/* The `index`th ledger batch. */
static struct seen_batch ledger(struct card *card, int index)
{
	struct seen_batch found = {.number = 0};
	struct seen seen;
	int i;

	fixture_see(card->f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++)
		if (seen.items[i].class == LEDGER && index-- == 0)
			found = seen.items[i];
	seen_free(&seen);
	return found;
}

/* The window. */

static void what_is_acknowledged_within_the_window_never_reaches_the_disk(void **state)
{
	struct card *card = *state;
	int64_t written, changes;
	int i;

	pass(card, 10 * SECOND_US);
	written = stats_of(card).written_bytes_total;
	changes = fault_disk_position(card->disk);
	for (i = 1; i <= 200; i++) {
		(void)fixture_put(card->f, SAMPLE, i, 300);
		assert_true(spool_set_anchor(card->f->spool, card->f->clock.mono_us,
					     card->f->clock.wall_ms + i * INT64_C(60),
					     CLOCK_QUALITY_SYNCED) == 0 ||
			    i > 1);
		pass(card, SECOND_US);
		ack(card, i, i);
	}
	pass(card, 100 * SECOND_US);
	assert_int_equal(stats_of(card).batches, 0);
	assert_int_equal(stats_of(card).acked_total, 200);
	assert_int_equal(stats_of(card).written_bytes_total, written);
	assert_int_equal(fault_disk_position(card->disk), changes);
}

static void the_bytes_that_are_told_are_those_that_were_written(void **state)
{
	struct card *card = *state;
	const int64_t begin = fault_disk_position(card->disk);
	const int64_t before = stats_of(card).written_bytes_total;
	const struct fault_change *change_at;
	int64_t at, bytes = 0;
	int i;

	for (i = 1; i <= 3000; i++) {
		(void)fixture_put(card->f, SAMPLE, i, 900);
		pass(card, SECOND_US / 4);
		if (i > 20 && i % 3 == 0)
			ack(card, i - 20, i - 15);
	}
	for (at = begin; at < fault_disk_position(card->disk); at++) {
		change_at = fault_disk_change(card->disk, at);
		if (change_at->kind == FAULT_WRITTEN)
			bytes += (int64_t)change_at->len;
	}
	assert_true(bytes > 5000000); /* checkpoints are among them */
	assert_int_equal(stats_of(card).written_bytes_total - before, bytes);
}

static void what_is_older_than_the_window_goes_to_disk_in_one_commit(void **state)
{
	struct card *card = *state;
	struct spool_stats stats;
	int64_t moves;
	int i;

	moves = stats_of(card).moves;
	for (i = 1; i <= 19; i++) {
		(void)fixture_put(card->f, SAMPLE, i, 300);
		pass(card, SECOND_US / 10);
	}
	assert_int_equal(stats_of(card).young_batches, 19);
	assert_int_equal(count_on(card->f->path), 0);
	pass(card, SECOND_US);
	stats = stats_of(card);
	assert_int_equal(stats.young_batches, 0);
	assert_int_equal(stats.disk_batches, 19);
	assert_int_equal(stats.moves, moves + 1);
	assert_int_equal(count_on(card->f->path), 19);
	assert_int_equal(count_on(card->f->young_path), 0);
	assert_int_equal(spool_due(card->f->spool), INT64_MAX);
	expect_samples(card, 19);
}

static void a_batch_is_never_young_for_longer_than_the_window(void **state)
{
	struct card *card = *state;
	int64_t stored[400];
	int i, on_disk;

	for (i = 0; i < 400; i++) {
		(void)fixture_put(card->f, SAMPLE, i + 1, 100);
		stored[i] = card->f->clock.mono_us;
		pass(card, (1 + i % 7) * SECOND_US / 20);
		on_disk = (int)stats_of(card).disk_batches;
		if (on_disk <= i)
			assert_true(card->f->clock.mono_us - stored[on_disk] <= 2 * SECOND_US);
	}
}

static void an_alarm_is_on_disk_before_append_returns(void **state)
{
	struct card *card = *state;

	put(card, 1, 2);
	assert_int_equal(count_on(card->f->path), 0);
	(void)fixture_put(card->f, ALARM, 3, 100);
	assert_int_equal(ask(card->f->path, "SELECT count(*) FROM batch WHERE class = 2"), 1);
	expect_samples(card, 3);
}

static void without_a_window_everything_is(void **state)
{
	struct card *card = *state;
	int i;

	card->f->config.window_us = 0;
	fixture_reopen(card->f);
	for (i = 1; i <= 5; i++) {
		(void)fixture_put(card->f, SAMPLE, i, 100);
		assert_int_equal(count_on(card->f->path), i);
	}
	assert_int_equal(stats_of(card).young_batches, 0);
}

static void the_disk_forgets_in_groups(void **state)
{
	struct card *card = *state;
	int64_t changes;
	int i;

	put(card, 1, 100);
	pass(card, 3 * SECOND_US);
	changes = fault_disk_position(card->disk);
	for (i = 100; i >= 1; i--)
		if (i % 10)
			ack(card, i, i);
	assert_int_equal(fault_disk_position(card->disk), changes);
	assert_int_equal(stats_of(card).disk_batches, 10);
	assert_int_equal(stats_of(card).acked_total, 90);
	pass(card, SECOND_US);
	assert_int_equal(count_on(card->f->path), 10);
	assert_int_equal(stats_of(card).disk_batches, 10);
	for (i = 1; i <= 10; i++)
		ack(card, 1, 100);
	assert_int_equal(stats_of(card).acked_total, 100);
	assert_int_equal(stats_of(card).batches, 0);
	pass(card, SECOND_US);
	assert_int_equal(count_on(card->f->path), 10);
	pass(card, 5 * SECOND_US);
	assert_int_equal(count_on(card->f->path), 0);
}

static void scattered_acknowledgements_need_no_more_memory(void **state)
{
	struct card *card = *state;
	int i;

	put(card, 1, 1000);
	pass(card, 3 * SECOND_US);
	for (i = 1; i <= 1000; i += 2)
		ack(card, i, i);
	assert_int_equal(stats_of(card).batches, 500);
	pass(card, SECOND_US);
	assert_int_equal(count_on(card->f->path), 500);
}

/* Kills and cuts. */

static void a_kill_leaves_the_young_floor(void **state)
{
	struct card *card = *state;
	char epoch[IDS_RANDOM_SIZE];

	keep_epoch(card, epoch);
	put(card, 1, 3);
	pass(card, 3 * SECOND_US);
	put(card, 4, 3);
	fixture_abandon(card->f);
	assert_string_equal(spool_epoch(card->f->spool), epoch);
	expect_samples(card, 6);
	assert_int_equal(fixture_put(card->f, SAMPLE, 7, 100), 7);
	/* How old that is which was found nobody knows: it goes at once. */
	pass(card, 1000);
	assert_int_equal(count_on(card->f->path), 7);
	expect_samples(card, 7);
}

static void a_power_cut_takes_what_is_young_and_its_epoch_is_told_without_an_end(void **state)
{
	struct card *card = *state;
	char epoch[IDS_RANDOM_SIZE];
	struct seen_batch end;

	keep_epoch(card, epoch);
	put(card, 1, 3);
	pass(card, 3 * SECOND_US);
	put(card, 4, 3);
	fixture_boot(card->f, 2);
	fixture_abandon(card->f);
	assert_string_not_equal(spool_epoch(card->f->spool), epoch);
	expect_samples(card, 3);
	end = ledger(card, 0);
	assert_string_equal(end.kind, "epoch_end");
	assert_string_equal(end.of_epoch, epoch);
	assert_int_equal(end.end, -1);
	assert_int_equal(end.range_count, 1);
	assert_int_equal(end.ranges[0].last, 3);
	assert_int_equal(end.number, 1);
	assert_int_equal(fixture_put(card->f, SAMPLE, 4, 100), 2);
}

/* What the end of an epoch says is held must not be gone with the memory. */
static void a_power_cut_after_a_new_time_base_takes_nothing_of_the_one_before(void **state)
{
	struct card *card = *state;
	struct spool_fixture *f = card->f;

	assert_int_equal(spool_set_anchor(f->spool, f->clock.mono_us, 1000000, CLOCK_QUALITY_GPS),
			 0);
	put(card, 1, 3);
	assert_int_equal(spool_set_anchor(f->spool, f->clock.mono_us, 9000000, CLOCK_QUALITY_GPS),
			 1);
	fixture_boot(f, 2);
	fixture_abandon(f);
	expect_samples(card, 3);
}

static void an_orderly_end_takes_nothing_and_is_exact(void **state)
{
	struct card *card = *state;
	struct seen_batch end;

	put(card, 1, 3);
	ack(card, 2, 2);
	fixture_boot(card->f, 2);
	fixture_reopen(card->f);
	assert_int_equal(count_on(card->f->path), 3);
	end = ledger(card, 0);
	assert_int_equal(end.end, 4);
	assert_int_equal(end.range_count, 2);
}

static void an_epoch_whose_young_floor_was_removed_is_over(void **state)
{
	struct card *card = *state;
	char epoch[IDS_RANDOM_SIZE];

	keep_epoch(card, epoch);
	put(card, 1, 3);
	spool_close(card->f->spool);
	(void)unlink(card->f->young_path);
	fixture_open(card->f);
	assert_string_not_equal(spool_epoch(card->f->spool), epoch);
	assert_int_equal(ledger(card, 0).end, 4);
	expect_samples(card, 3);
}

/* A kill between the commit on disk and the one on the young floor. */
static void what_is_on_both_floors_is_shown_and_kept_once(void **state)
{
	struct card *card = *state;
	char copy[128];

	(void)snprintf(copy, sizeof(copy), "%s/copy.db", card->f->folder);
	put(card, 1, 10);
	copy_database(card->f->young_path, copy);
	pass(card, 3 * SECOND_US);
	assert_int_equal(count_on(card->f->path), 10);
	fixture_abandon(card->f);
	spool_close(card->f->spool);
	copy_database(copy, card->f->young_path);
	fixture_open(card->f);
	assert_int_equal(stats_of(card).batches, 10);
	expect_samples(card, 10);
	assert_int_equal(fixture_put(card->f, SAMPLE, 11, 100), 11);
	expect_samples(card, 11);
}

/* A kill after the young floor began an epoch and before the disk learned of it. */
static void an_epoch_that_the_disk_never_heard_of_goes_on(void **state)
{
	struct card *card = *state;
	char first[IDS_RANDOM_SIZE], copy[128], second[IDS_RANDOM_SIZE];
	struct seen_batch end;

	keep_epoch(card, first);
	put(card, 1, 2);
	pass(card, 3 * SECOND_US);
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", card->f->folder);
	copy_database(card->f->path, copy);
	fixture_boot(card->f, 2);
	fixture_abandon(card->f);
	keep_epoch(card, second);
	spool_close(card->f->spool);
	/* As it was before: the disk's epoch_end is gone, and the young floor's row is new. */
	copy_database(copy, card->f->path);
	change(card->f->young_path, "UPDATE epoch SET next = 1, settled = 0, orderly = 0");
	fixture_open(card->f);
	assert_string_equal(spool_epoch(card->f->spool), second);
	end = ledger(card, 0);
	assert_string_equal(end.of_epoch, first);
	assert_int_equal(end.number, 1);
	assert_int_equal(end.end, -1);
	assert_string_equal(end.prev, first);
	assert_int_equal(ask(card->f->path, "SELECT count(*) FROM epoch"), 2);
	expect_samples(card, 2);
}

/* The card comes from another gateway, and the machine runs on. */
static void another_card_learns_of_the_young_epoch(void **state)
{
	struct card *card = *state;
	char other[128], theirs[IDS_RANDOM_SIZE], ours[IDS_RANDOM_SIZE];
	struct seen_batch end;

	(void)snprintf(other, sizeof(other), "%s/other.db", card->f->folder);
	keep_epoch(card, theirs);
	put(card, 1, 2);
	spool_close(card->f->spool);
	copy_database(card->f->path, other);
	(void)unlink(card->f->path);
	(void)unlink(card->f->young_path);
	fixture_open(card->f);
	keep_epoch(card, ours);
	put(card, 3, 2);
	pass(card, 3 * SECOND_US); /* these are lost with the card */
	put(card, 3, 4);
	fixture_abandon(card->f);
	card->f->abandoned[card->f->abandoned_count++] = card->f->spool;
	copy_database(other, card->f->path);
	fixture_open(card->f);
	assert_string_not_equal(spool_epoch(card->f->spool), ours);
	expect_samples(card, 6);
	end = ledger(card, 0);
	assert_string_equal(end.of_epoch, theirs);
	assert_int_equal(end.end, 3);
	assert_int_equal(ask(card->f->path, "SELECT count(*) FROM epoch"), 3);
	assert_int_equal(ask(card->f->path, "SELECT next FROM epoch ORDER BY seq LIMIT 1 OFFSET 1"),
			 7);
	assert_int_equal(
		ask(card->f->path, "SELECT orderly FROM epoch ORDER BY seq LIMIT 1 OFFSET 1"), 1);
}

/* An old image of the card is put back while the machine runs: its epoch is known, but not so far. */
static void a_card_that_was_set_back_ends_the_epoch(void **state)
{
	struct card *card = *state;
	char copy[128], epoch[IDS_RANDOM_SIZE];
	struct seen_batch end;

	keep_epoch(card, epoch);
	put(card, 1, 3);
	pass(card, 3 * SECOND_US);
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", card->f->folder);
	copy_database(card->f->path, copy);
	put(card, 4, 3);
	pass(card, 3 * SECOND_US);
	fixture_abandon(card->f);
	card->f->abandoned[card->f->abandoned_count++] = card->f->spool;
	copy_database(copy, card->f->path);
	fixture_open(card->f);
	assert_string_not_equal(spool_epoch(card->f->spool), epoch);
	end = ledger(card, 0);
	assert_string_equal(end.of_epoch, epoch);
	assert_int_equal(end.end, 7);
	assert_int_equal(end.range_count, 1);
	assert_int_equal(end.ranges[0].last, 3);
}

static void a_young_floor_that_outlives_its_boot_goes_to_disk_first(void **state)
{
	struct card *card = *state;
	char epoch[IDS_RANDOM_SIZE], copy[128];
	struct seen_batch end;

	keep_epoch(card, epoch);
	put(card, 1, 3);
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", card->f->folder);
	copy_database(card->f->young_path, copy);
	fixture_boot(card->f, 2);
	fixture_abandon(card->f); /* removes it, as tmpfs would */
	card->f->abandoned[card->f->abandoned_count++] = card->f->spool;
	copy_database(copy, card->f->young_path);
	fixture_open(card->f);
	assert_string_not_equal(spool_epoch(card->f->spool), epoch);
	expect_samples(card, 3);
	end = ledger(card, 0);
	assert_string_equal(end.of_epoch, epoch);
	assert_int_equal(end.end, -1); /* nobody synced it: there may have been more */
	pass(card, 1000);
	assert_int_equal(ask(card->f->path, "SELECT count(*) FROM batch WHERE class < 3"), 3);
}

/* Disks that refuse. */

static void refuse(struct card *card, unsigned ops, int error)
{
	fault_disk_plan(card->disk, &(struct fault_plan){.ops = ops, .at = 1, .error = error});
}

static void a_disk_that_comes_late_is_taken_in(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EROFS};
	struct card *card = *state;
	char before[IDS_RANDOM_SIZE];
	struct seen_batch end;
	size_t i;
	int n = 1;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		keep_epoch(card, before);
		put(card, n, 2);
		fixture_boot(card->f, 10 + (int)i);
		spool_close(card->f->spool);
		refuse(card, FAULT_OPEN | FAULT_CHANGES, errors[i]);
		fixture_open(card->f);
		assert_false(stats_of(card).disk_there);
		assert_int_equal(stats_of(card).disk_errno, errors[i]);
		assert_int_equal(fixture_put(card->f, SAMPLE, n + 2, 100), 1);
		(void)fixture_put(card->f, ALARM, n + 3, 100);
		pass(card, 60 * SECOND_US);
		assert_int_equal(stats_of(card).young_batches, 2);
		assert_false(spool_take_replaced(card->f->spool));
		fault_disk_plan(card->disk, NULL);
		pass(card, 61 * SECOND_US);
		assert_true(stats_of(card).disk_there);
		assert_int_equal(stats_of(card).disk_errno, 0);
		assert_int_equal(stats_of(card).young_batches, 0);
		assert_true(spool_take_replaced(card->f->spool));
		assert_false(spool_take_replaced(card->f->spool));
		n += 4;
		expect_samples(card, n - 1);
		end = ledger(card, (int)i);
		assert_string_equal(end.of_epoch, before);
		assert_true(end.end > 0);
	}
}

static void a_folder_that_is_missing_is_the_callers_mistake(void **state)
{
	struct card *card = *state;
	struct spool_config config = card->f->config;
	struct spool *spool = NULL;
	char error[256] = "";

	config.path = "/nonexistent/folder/spool.db";
	config.young_path = card->f->young_path;
	assert_int_equal(spool_open(&config, &spool, NULL, error, sizeof(error)), -ENOENT);
	assert_string_not_equal(error, "");
}

static void a_disk_that_is_full_for_an_hour_loses_nothing(void **state)
{
	struct card *card = *state;
	struct spool_stats stats;
	int i;

	put(card, 1, 20);
	pass(card, 3 * SECOND_US);
	refuse(card, FAULT_WRITE, ENOSPC);
	for (i = 21; i <= 200; i++) {
		(void)fixture_put(card->f, SAMPLE, i, 300);
		pass(card, 20 * SECOND_US);
	}
	stats = stats_of(card);
	assert_int_equal(stats.disk_errno, ENOSPC);
	assert_true(card->f->clock.mono_us - stats.disk_failing_since_us > 3000 * SECOND_US);
	expect_samples(card, 200);
	/* What the core has is forgotten, and is not sent again. */
	ack(card, 1, 100);
	assert_int_equal(stats_of(card).batches, 100);
	fault_disk_plan(card->disk, NULL);
	pass(card, 61 * SECOND_US);
	stats = stats_of(card);
	assert_int_equal(stats.disk_errno, 0);
	assert_int_equal(stats.young_batches, 0);
	assert_int_equal(stats.dropped_total, 0);
	assert_int_equal(count_on(card->f->path), 100);
}

static void a_disk_that_cannot_be_read_stops_no_live_data(void **state)
{
	struct card *card = *state;
	int64_t floor = -1;
	struct seen seen;

	put(card, 1, 2000);
	pass(card, 3 * SECOND_US);
	put(card, 2001, 3);
	refuse(card, FAULT_READ | FAULT_CHANGES, EIO);
	fixture_see(card->f, SPOOL_NEWEST_FIRST, &seen);
	assert_true(seen.count >= 3);
	assert_int_equal(seen.items[0].n, 2003);
	seen_free(&seen);
	assert_int_equal(spool_floor(card->f->spool, spool_epoch(card->f->spool), &floor), 0);
	assert_int_equal(floor, 1);
	assert_int_equal(fixture_put(card->f, SAMPLE, 2004, 100), 2004);
	assert_false(spool_take_passed_over(card->f->spool));
	fault_disk_plan(card->disk, NULL);
	pass(card, 61 * SECOND_US);
	/* Whoever read on meanwhile was not shown everything. */
	assert_false(spool_take_replaced(card->f->spool));
	assert_true(spool_take_passed_over(card->f->spool));
	assert_false(spool_take_passed_over(card->f->spool));
	expect_samples(card, 2004);
}

/* Not every error of a check is damage. */
static void a_check_that_cannot_read_sets_no_sound_spool_aside(void **state)
{
	struct card *card = *state;
	int64_t at, reads;

	put(card, 1, 3000);
	pass(card, 3 * SECOND_US);
	fault_disk_plan(card->disk, &(struct fault_plan){.ops = FAULT_READ});
	fixture_abandon(card->f);
	reads = fault_disk_counted(card->disk);
	assert_in_range(reads, 10, 100000);
	for (at = 1; at <= reads; at += reads / 10) {
		fault_disk_plan(card->disk,
				&(struct fault_plan){
					.ops = FAULT_READ, .at = at, .count = 3, .error = EIO});
		fixture_abandon(card->f);
		fault_disk_plan(card->disk, NULL);
		assert_null(card->f->notice);
	}
	pass(card, 61 * SECOND_US);
	expect_samples(card, 3000);
}

static int count_shown(void *arg, const struct spool_batch *batch)
{
	(void)batch;
	++*(int *)arg;
	return 0;
}

static void young_batches_of_older_epochs_are_shown_without_the_disk(void **state)
{
	struct card *card = *state;
	const int64_t at = card->f->clock.wall_ms;
	struct clock_fake *clock = &card->f->clock;
	int i, shown = 0;

	put(card, 1, 8000);
	pass(card, 3 * SECOND_US);
	refuse(card, FAULT_CHANGES,
	       EIO); /* else they would go to the disk with the new time base */
	for (i = 1; i <= 3; i++) {
		assert_true(spool_set_anchor(card->f->spool, clock->mono_us,
					     at + i * INT64_C(100000), CLOCK_QUALITY_SYNCED) >= 0);
		put(card, 8000 + i, 1);
	}
	/* The pages of the epochs go out of the cache. */
	assert_true(spool_peek(card->f->spool, SPOOL_OLDEST_FIRST, 0, 8000, count_shown, &shown) >
		    0);
	refuse(card, FAULT_READ | FAULT_CHANGES, EIO);
	shown = 0;
	assert_true(spool_peek(card->f->spool, SPOOL_NEWEST_FIRST, 0, 3, count_shown, &shown) >= 3);
}

static void readable_batches_behind_many_unreadable_ones_are_shown_by_a_disk_that_refuses(
	void **state)
{
	struct card *card = *state;
	struct seen seen;
	int i, found = 0;

	put(card, 1, 50);
	pass(card, 3 * SECOND_US);
	change(card->f->path, "UPDATE batch SET mark = mark + 1 WHERE id & 0xffff <= 40");
	refuse(card, FAULT_CHANGES, EROFS);
	fixture_see(card->f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++)
		found += seen.items[i].class == SAMPLE;
	seen_free(&seen);
	assert_in_range(found, 10, 11);
	fault_disk_plan(card->disk, NULL);
	pass(card, 61 * SECOND_US);
	fixture_see(card->f, SPOOL_OLDEST_FIRST, &seen);
	seen_free(&seen);
	assert_in_range(stats_of(card).dropped_total, 39, 40);
}

static void a_class_that_the_card_made_huge_is_given_up_too(void **state)
{
	struct card *card = *state;
	struct seen seen;
	int i, found = 0;

	put(card, 1, 6);
	pass(card, 3 * SECOND_US);
	change(card->f->path, "UPDATE batch SET class = 1 << 40 WHERE id & 0xffff <= 2");
	change(card->f->path, "UPDATE batch SET class = -(1 << 40) WHERE id & 0xffff = 3");
	fixture_see(card->f, SPOOL_OLDEST_FIRST, &seen);
	seen_free(&seen);
	fixture_see(card->f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++)
		found += seen.items[i].class == SAMPLE;
	seen_free(&seen);
	assert_in_range(found, 3, 4);
	assert_int_equal(ask(card->f->path, "SELECT count(*) FROM batch WHERE abs(class) > 3"), 0);
}

/* Another card, that has epochs of its own, lies where the handle's card was. What is remembered of the one
 * says nothing of the other. */
static void a_card_that_is_exchanged_for_another_keeps_what_it_has(void **state)
{
	struct card *card = *state;
	struct spool_config config = card->f->config;
	char other[128], other_young[128], error[256];
	struct spool *mine;
	struct seen seen;
	int i, found = 0;

	/* Another spool's card: an epoch of the same seq with ten batches of the same numbers. */
	mine = card->f->spool;
	config.path = other;
	config.young_path = other_young;
	(void)snprintf(other, sizeof(other), "%s/other.db", card->f->folder);
	(void)snprintf(other_young, sizeof(other_young), "%s/other-young.db", card->f->folder);
	assert_int_equal(spool_open(&config, &card->f->spool, NULL, error, sizeof(error)), 0);
	put(card, 1, 10);
	spool_close(card->f->spool);
	card->f->spool = mine;
	/* This card's are acknowledged. */
	put(card, 1, 10);
	pass(card, 3 * SECOND_US);
	fixture_see(card->f, SPOOL_OLDEST_FIRST, &seen);
	seen_free(&seen);
	ack(card, 1, 10);
	assert_int_equal(stats_of(card).class_batches[SAMPLE], 0);
	refuse(card, FAULT_READ | FAULT_CHANGES, EIO);
	pass(card, 30 * SECOND_US);
	fault_disk_plan(card->disk, NULL);
	copy_database(other, card->f->path);
	pass(card, 61 * SECOND_US);
	assert_int_equal(stats_of(card).disk_errno, 0);
	assert_true(spool_take_replaced(card->f->spool));
	fixture_see(card->f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++)
		found += seen.items[i].class == SAMPLE;
	seen_free(&seen);
	assert_int_equal(found, 10);
}

/* A disk that fails for good: the newest are kept, what goes is stated, alarms go last. */
static void a_full_young_floor_gives_up_the_oldest_samples(void **state)
{
	struct card *card = *state;
	struct seen_batch notice;
	struct spool_stats stats;
	int i;

	refuse(card, FAULT_CHANGES, EIO);
	for (i = 1; i <= 1500; i++) {
		(void)fixture_put(card->f, i % 100 ? SAMPLE : ALARM, i, 300);
		assert_true(stats_of(card).young_bytes <= 200000 + 1000);
	}
	stats = stats_of(card);
	assert_int_equal(stats.class_batches[ALARM], 15);
	assert_int_equal(stats.dropped[ALARM], 0);
	assert_int_equal(stats.class_batches[SAMPLE] + stats.dropped[SAMPLE], 1485);
	assert_true(stats.dropped_total > 500);
	assert_true(stats.class_batches[LEDGER] <= 2);
	notice = ledger(card, 0);
	assert_string_equal(notice.reason, "disk_failed");
	assert_int_equal(notice.records, stats.dropped_total);
	fault_disk_plan(card->disk, NULL);
	pass(card, 61 * SECOND_US);
	assert_int_equal(stats_of(card).disk_errno, 0);
	assert_int_equal(stats_of(card).dropped_total, stats.dropped_total);
	assert_int_equal(stats_of(card).batches, stats.batches);
}

/* Every disk change of a scripted life fails once, with each error; nothing is lost, and no number is
 * given twice. */
static void live(struct card *card, int from)
{
	put(card, from, 3);
	pass(card, 3 * SECOND_US);
	(void)fixture_put(card->f, ALARM, from + 3, 100);
	put(card, from + 4, 2);
	pass(card, 3 * SECOND_US);
}

static void each_single_failure_of_the_disk_loses_nothing(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EROFS};
	struct card *card = *state;
	int64_t changes, at;
	size_t e;
	int n = 1;

	fault_disk_plan(card->disk, &(struct fault_plan){.ops = FAULT_CHANGES});
	live(card, n);
	n += 6;
	changes = fault_disk_counted(card->disk);
	assert_in_range(changes, 5, 200);
	for (e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		for (at = 1; at <= changes; at++) {
			fault_disk_plan(card->disk, &(struct fault_plan){.ops = FAULT_CHANGES,
									 .at = at,
									 .count = 1,
									 .error = errors[e]});
			live(card, n);
			n += 6;
			fault_disk_plan(card->disk, NULL);
			pass(card, 5 * SECOND_US);
			assert_int_equal(stats_of(card).disk_errno, 0);
			assert_int_equal(stats_of(card).young_batches, 0);
		}
	}
	expect_samples(card, n - 1);
	fixture_reopen(card->f);
	expect_samples(card, n - 1);
}

static void what_is_held_takes_no_memory(void **state)
{
	const struct wire_range all = {1, INT32_MAX};
	struct card *card = *state;
	char epoch[IDS_RANDOM_SIZE];
	int64_t before, removed = 0;
	int n;

	card->f->config.window_us = 0;
	card->f->config.young_max_bytes = INT64_C(1) << 26;
	fixture_reopen(card->f);
	for (n = 0; n < 64; n++)
		(void)fixture_put(card->f, SAMPLE, n, 131072);
	assert_in_range(stats_of(card).disk_bytes, 4 << 20, 16 << 20);
	(void)snprintf(epoch, sizeof(epoch), "%s", spool_epoch(card->f->spool));
	spool_close(card->f->spool);
	before = sqlite3_memory_used();
	(void)sqlite3_memory_highwater(1);
	fixture_open(card->f);
	assert_int_equal(stats_of(card).class_batches[SAMPLE], 64);
	assert_int_equal(spool_ack(card->f->spool, epoch, &all, 1, &removed), 0);
	assert_int_equal(stats_of(card).class_batches[SAMPLE], 0);
	assert_in_range(removed, 64, 66); /* ends of epochs among them */
	assert_in_range(sqlite3_memory_highwater(0) - before, 1, 3 << 20);
}

int suite_storage_spool_floors(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(what_is_acknowledged_within_the_window_never_reaches_the_disk),
		CASE(the_bytes_that_are_told_are_those_that_were_written),
		CASE(what_is_older_than_the_window_goes_to_disk_in_one_commit),
		CASE(a_batch_is_never_young_for_longer_than_the_window),
		CASE(an_alarm_is_on_disk_before_append_returns),
		CASE(without_a_window_everything_is),
		CASE(the_disk_forgets_in_groups),
		CASE(scattered_acknowledgements_need_no_more_memory),
		CASE(a_kill_leaves_the_young_floor),
		CASE(a_power_cut_takes_what_is_young_and_its_epoch_is_told_without_an_end),
		CASE(a_power_cut_after_a_new_time_base_takes_nothing_of_the_one_before),
		CASE(an_orderly_end_takes_nothing_and_is_exact),
		CASE(an_epoch_whose_young_floor_was_removed_is_over),
		CASE(what_is_on_both_floors_is_shown_and_kept_once),
		CASE(an_epoch_that_the_disk_never_heard_of_goes_on),
		CASE(another_card_learns_of_the_young_epoch),
		CASE(a_card_that_was_set_back_ends_the_epoch),
		CASE(a_young_floor_that_outlives_its_boot_goes_to_disk_first),
		CASE(a_disk_that_comes_late_is_taken_in),
		CASE(a_folder_that_is_missing_is_the_callers_mistake),
		CASE(a_disk_that_is_full_for_an_hour_loses_nothing),
		CASE(a_disk_that_cannot_be_read_stops_no_live_data),
		CASE(young_batches_of_older_epochs_are_shown_without_the_disk),
		CASE(readable_batches_behind_many_unreadable_ones_are_shown_by_a_disk_that_refuses),
		CASE(a_check_that_cannot_read_sets_no_sound_spool_aside),
		CASE(a_class_that_the_card_made_huge_is_given_up_too),
		CASE(a_card_that_is_exchanged_for_another_keeps_what_it_has),
		CASE(a_full_young_floor_gives_up_the_oldest_samples),
		CASE(each_single_failure_of_the_disk_loses_nothing),
		CASE(what_is_held_takes_no_memory),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
