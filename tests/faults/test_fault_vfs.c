/* The disk of the tests is itself tested: kind enough for SQLite to keep its word on it, cruel enough for
 * a program that does not sync to lose. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "storage/sql/sql.h"
#include "tests/faults/fault_image.h"
#include "tests/unit/storage/folder.h"

int suite_faults_vfs(void);

#define ROWS 40
#define PATH_SIZE (FOLDER_SIZE + 32)

struct fixture {
	char folder[FOLDER_SIZE], cut_folder[FOLDER_SIZE];
	char url[PATH_SIZE], cut_url[PATH_SIZE];
	struct fault_disk *disk;
	struct sql *sql;
	int64_t done_at[ROWS + 1]; /* the journal's length when the commit of a row had returned */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(fault_vfs_install(), 0);
	folder_make(f->folder);
	folder_make(f->cut_folder);
	(void)snprintf(f->url, sizeof(f->url), "sqlite:%s/a.db", f->folder);
	(void)snprintf(f->cut_url, sizeof(f->cut_url), "sqlite:%s/a.db", f->cut_folder);
	assert_int_equal(fault_disk_create(f->folder, &f->disk), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sql_close(f->sql);
	fault_disk_free(f->disk);
	fault_vfs_remove();
	folder_remove(f->folder);
	folder_remove(f->cut_folder);
	free(f);
	return 0;
}

static void open_it(struct fixture *f)
{
	char error[256] = "";

	if (sql_open(f->url, SQL_CREATE, &f->sql, error, sizeof(error)))
		fail_msg("%s", error);
}

static int put_row(struct sql *sql, int n)
{
	struct sql_stmt *stmt = sql_stmt(sql, "INSERT INTO t (n, pad) VALUES ($1, $2)");
	char pad[700];

	memset(pad, 'a' + n % 26, sizeof(pad));
	sql_bind_int(stmt, 1, n);
	sql_bind_text_n(stmt, 2, pad, sizeof(pad));
	return sql_run(stmt);
}

/* Commits of a row each, checkpoints between; `pragma` may take the syncs away. */
static void run(struct fixture *f, const char *pragma)
{
	int n;

	open_it(f);
	if (sql_exec(f->sql, pragma) ||
	    sql_exec(f->sql, "CREATE TABLE t (n INTEGER PRIMARY KEY, pad TEXT) STRICT;"))
		fail_msg("%s", sql_error(f->sql));
	for (n = 1; n <= ROWS; n++) {
		assert_int_equal(put_row(f->sql, n), 0);
		f->done_at[n] = fault_disk_position(f->disk);
	}
	sql_close(f->sql);
	f->sql = NULL;
}

static int64_t ask(struct sql *sql, const char *text)
{
	struct sql_stmt *stmt = sql_stmt(sql, text);
	int64_t value = -1;

	if (sql_step(stmt) == 1)
		value = sql_int(stmt, 0);
	sql_done(stmt);
	return value;
}

static bool is_whole(struct sql *sql)
{
	struct sql_stmt *stmt = sql_stmt(sql, "PRAGMA integrity_check(1)");
	bool whole = sql_step(stmt) == 1 && strcmp(sql_text(stmt, 0), "ok") == 0;

	sql_done(stmt);
	return whole;
}

/* What a cut at `position` left is opened: all rows that were committed by then are there. */
static bool survives(struct fixture *f, int64_t position)
{
	struct sql *sql = NULL;
	bool good = false;
	int n = 0;

	while (n < ROWS && f->done_at[n + 1] <= position)
		n++;
	if (sql_open(f->cut_url, SQL_CREATE, &sql, NULL, 0))
		return false;
	good = is_whole(sql) && (n == 0 || ask(sql, "SELECT count(*) FROM t") >= n);
	sql_close(sql);
	return good;
}

struct cuts {
	int64_t points, images, broken;
};

static void cut_everywhere(struct fixture *f, enum fault_loss loss, struct cuts *cuts)
{
	struct fault_image *image = NULL;
	int64_t i;

	assert_int_equal(fault_image_create(f->disk, &image), 0);
	for (i = 0; i <= fault_disk_position(f->disk); i++) {
		fault_image_advance(image, i);
		assert_int_equal(fault_image_write(image, loss, (uint64_t)i + 1, i % 2 ? 512 : 4096,
						   f->cut_folder),
				 0);
		cuts->images++;
		cuts->broken += !survives(f, i);
	}
	cuts->points = fault_disk_position(f->disk) + 1;
	fault_image_free(image);
}

static void what_was_committed_survives_every_cut(void **state)
{
	struct fixture *f = *state;
	struct cuts cuts = {0};
	int loss;

	run(f, "PRAGMA wal_autocheckpoint = 20;");
	for (loss = 0; loss < FAULT_LOSSES; loss++)
		cut_everywhere(f, (enum fault_loss)loss, &cuts);
	print_message("cut points %lld, images %lld, broken %lld\n", (long long)cuts.points,
		      (long long)cuts.images, (long long)cuts.broken);
	assert_int_equal(cuts.broken, 0);
	assert_true(cuts.points > INT64_C(4) * ROWS);
}

static void without_syncs_most_is_lost(void **state)
{
	struct fixture *f = *state;
	struct cuts none = {0}, some = {0};

	run(f, "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 20;");
	cut_everywhere(f, FAULT_LOSE_UNSYNCED, &none);
	cut_everywhere(f, FAULT_LOSE_SOME, &some);
	assert_true(none.broken > none.images / 2);
	assert_true(some.broken > some.images / 2);
}

static void a_killed_process_loses_nothing_without_syncs(void **state)
{
	struct fixture *f = *state;
	struct cuts cuts = {0};

	run(f, "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 20;");
	cut_everywhere(f, FAULT_LOSE_NOTHING, &cuts);
	assert_int_equal(cuts.broken, 0);
}

static void a_lying_card_loses_what_it_said_was_synced(void **state)
{
	struct fixture *f = *state;
	struct fault_image *image = NULL;
	int64_t end, broken = 0, i;

	run(f, "PRAGMA wal_autocheckpoint = 20;");
	end = fault_disk_position(f->disk);
	for (i = 0; i <= end; i += 5) {
		assert_int_equal(fault_image_create(f->disk, &image), 0);
		fault_image_advance(image, i);
		fault_image_advance_lying(image, end);
		assert_int_equal(
			fault_image_write(image, FAULT_LOSE_UNSYNCED, 1, 512, f->cut_folder), 0);
		broken += !survives(f, end);
		fault_image_free(image);
	}
	assert_true(broken > end / 5 / 2);
}

static void after_a_cut_nothing_reaches_the_disk(void **state)
{
	struct fixture *f = *state;
	int64_t position;

	open_it(f);
	assert_int_equal(
		sql_exec(f->sql, "CREATE TABLE t (n INTEGER PRIMARY KEY, pad TEXT) STRICT"), 0);
	position = fault_disk_position(f->disk);
	fault_disk_cut_at(f->disk, position + 1);
	assert_int_equal(put_row(f->sql, 1), -EIO);
	assert_true(fault_disk_is_cut(f->disk));
	assert_int_equal(put_row(f->sql, 2), -EIO);
	sql_close(f->sql);
	f->sql = NULL;
	assert_int_equal(fault_disk_position(f->disk), position + 1);
	assert_int_equal(sql_open(f->url, SQL_CREATE, &f->sql, NULL, 0), -EIO);
}

static void refuse(struct fixture *f, unsigned ops, int error, int want)
{
	fault_disk_plan(f->disk,
			&(struct fault_plan){.ops = ops, .at = 1, .count = 0, .error = error});
	assert_int_equal(put_row(f->sql, 1), want);
	assert_true(fault_disk_failed(f->disk) > 0);
	fault_disk_plan(f->disk, NULL);
}

static void errors_come_out_as_the_system_gives_them(void **state)
{
	struct fixture *f = *state;

	open_it(f);
	assert_int_equal(
		sql_exec(f->sql, "CREATE TABLE t (n INTEGER PRIMARY KEY, pad TEXT) STRICT"), 0);
	refuse(f, FAULT_WRITE, ENOSPC, -ENOSPC);
	refuse(f, FAULT_WRITE, EDQUOT, -ENOSPC);
	refuse(f, FAULT_WRITE, EROFS, -EROFS);
	refuse(f, FAULT_WRITE, EIO, -EIO);
	refuse(f, FAULT_SYNC, EIO, -EIO);
	refuse(f, FAULT_CHANGES, ENOSPC, -ENOSPC);
	assert_int_equal(put_row(f->sql, 1), 0);
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM t"), 1);
	sql_close(f->sql);
	f->sql = NULL;
	fault_disk_plan(f->disk, &(struct fault_plan){.ops = FAULT_OPEN, .at = 1, .error = EROFS});
	assert_int_equal(sql_open(f->url, SQL_CREATE, &f->sql, NULL, 0), -EROFS);
	fault_disk_plan(f->disk, &(struct fault_plan){.ops = FAULT_OPEN, .at = 1, .error = EMFILE});
	assert_int_equal(sql_open(f->url, SQL_CREATE, &f->sql, NULL, 0), -EMFILE);
	fault_disk_plan(f->disk, NULL);
	open_it(f);
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM t"), 1);
}

static void a_commit_that_failed_at_its_sync_may_come_to_life(void **state)
{
	struct fixture *f = *state;

	open_it(f);
	assert_int_equal(
		sql_exec(f->sql, "CREATE TABLE t (n INTEGER PRIMARY KEY, pad TEXT) STRICT"), 0);
	fault_disk_plan(f->disk, &(struct fault_plan){.ops = FAULT_WRITE, .at = 1, .error = EIO});
	assert_int_equal(sql_begin(f->sql), 0);
	assert_int_equal(put_row(f->sql, 1), 0);
	assert_int_equal(sql_commit(f->sql), -EIO);
	assert_false(sql_in_doubt(f->sql));
	fault_disk_plan(f->disk, &(struct fault_plan){.ops = FAULT_SYNC, .at = 1, .error = EIO});
	assert_int_equal(sql_begin(f->sql), 0);
	assert_int_equal(put_row(f->sql, 1), 0);
	assert_int_equal(sql_commit(f->sql), -EIO);
	assert_true(sql_in_doubt(f->sql));
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM t"), 0);
	fault_disk_plan(f->disk, NULL);
	/* It is killed. */
	fault_disk_cut(f->disk);
	sql_close(f->sql);
	f->sql = NULL;
	fault_disk_uncut(f->disk);
	open_it(f);
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM t"), 1);
}

static void a_fault_hits_the_operation_that_it_is_meant_for_and_passes(void **state)
{
	struct fixture *f = *state;
	int64_t all, i;

	open_it(f);
	assert_int_equal(
		sql_exec(f->sql, "CREATE TABLE t (n INTEGER PRIMARY KEY, pad TEXT) STRICT"), 0);
	fault_disk_plan(f->disk, &(struct fault_plan){.ops = FAULT_CHANGES});
	assert_int_equal(put_row(f->sql, 1000), 0);
	all = fault_disk_counted(f->disk);
	assert_true(all >= 2);
	for (i = 1; i <= all; i++) {
		fault_disk_plan(f->disk,
				&(struct fault_plan){
					.ops = FAULT_CHANGES, .at = i, .count = 1, .error = EIO});
		(void)put_row(f->sql, (int)i);
		assert_int_equal(fault_disk_failed(f->disk), i <= fault_disk_counted(f->disk));
		assert_int_equal(put_row(f->sql, 100 + (int)i), 0);
	}
	assert_true(is_whole(f->sql));
}

static void a_file_made_without_its_folder_synced_may_be_gone(void **state)
{
	struct fixture *f = *state;
	struct fault_image *image = NULL;
	char path[PATH_SIZE];
	struct stat st;

	open_it(f); /* nothing is written by opening but the mark of WAL */
	assert_int_equal(fault_image_create(f->disk, &image), 0);
	fault_image_advance(image, 1);
	(void)snprintf(path, sizeof(path), "%s/a.db", f->cut_folder);
	assert_int_equal(fault_image_write(image, FAULT_LOSE_UNSYNCED, 1, 512, f->cut_folder), 0);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(fault_image_write(image, FAULT_LOSE_NOTHING, 1, 512, f->cut_folder), 0);
	assert_int_equal(stat(path, &st), 0);
	fault_image_advance(image, fault_disk_position(f->disk));
	assert_int_equal(fault_image_write(image, FAULT_LOSE_UNSYNCED, 1, 512, f->cut_folder), 0);
	assert_int_equal(stat(path, &st), 0);
	fault_image_free(image);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_faults_vfs(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_committed_survives_every_cut),
		TEST(without_syncs_most_is_lost),
		TEST(a_killed_process_loses_nothing_without_syncs),
		TEST(a_lying_card_loses_what_it_said_was_synced),
		TEST(after_a_cut_nothing_reaches_the_disk),
		TEST(errors_come_out_as_the_system_gives_them),
		TEST(a_commit_that_failed_at_its_sync_may_come_to_life),
		TEST(a_fault_hits_the_operation_that_it_is_meant_for_and_passes),
		TEST(a_file_made_without_its_folder_synced_may_be_gone),
	};

	return cmocka_run_group_tests_name("faults.vfs", tests, NULL, NULL);
}
