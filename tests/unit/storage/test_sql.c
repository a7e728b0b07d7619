#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "storage/sql/sql.h"
#include "tests/unit/storage/folder.h"

struct fixture {
	char folder[FOLDER_SIZE];
	char path[FOLDER_SIZE + 32];
	char url[FOLDER_SIZE + 64];
	struct sql *sql;
};

static struct sql *open_or_fail(const char *url, unsigned flags)
{
	char error[256] = "";
	struct sql *sql = NULL;

	if (sql_open(url, flags, &sql, error, sizeof(error)))
		fail_msg("%s", error);
	return sql;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	folder_make(f->folder);
	(void)snprintf(f->path, sizeof(f->path), "%s/t.db", f->folder);
	(void)snprintf(f->url, sizeof(f->url), "sqlite:%s", f->path);
	f->sql = open_or_fail(f->url, SQL_CREATE);
	assert_int_equal(sql_exec(f->sql,
				  "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE,"
				  " size REAL, body BLOB) STRICT;"
				  "CREATE TABLE child (t INTEGER NOT NULL REFERENCES t(id),"
				  " n INTEGER CHECK (n > 0)) STRICT;"),
			 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sql_close(f->sql);
	folder_remove(f->folder);
	free(f);
	return 0;
}

static int64_t ask(struct sql *sql, const char *text)
{
	struct sql_stmt *stmt = sql_stmt(sql, text);
	int64_t value;

	if (sql_step(stmt) != 1)
		fail_msg("%s: %s", text, sql_error(sql));
	value = sql_int(stmt, 0);
	sql_done(stmt);
	return value;
}

static int insert(struct sql *sql, int64_t id, const char *name)
{
	struct sql_stmt *stmt = sql_stmt(sql, "INSERT INTO t (id, name) VALUES ($1, $2)");

	sql_bind_int(stmt, 1, id);
	sql_bind_text(stmt, 2, name);
	return sql_run(stmt);
}

static void an_unknown_driver_is_refused_by_name(void **state)
{
	struct sql *sql = NULL;
	char error[128] = "";

	(void)state;
	assert_int_equal(sql_open("oracle:x", 0, &sql, error, sizeof(error)), -ENOTSUP);
	assert_non_null(strstr(error, "oracle"));
	assert_null(sql);
	assert_int_equal(sql_open("sqlite", 0, &sql, NULL, 0), -ENOTSUP);
}

static void every_connection_has_its_pragmas(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *stmt = sql_stmt(f->sql, "PRAGMA journal_mode");

	assert_int_equal(sql_step(stmt), 1);
	assert_string_equal(sql_text(stmt, 0), "wal");
	sql_done(stmt);
	assert_int_equal(ask(f->sql, "PRAGMA synchronous"), 2);
	assert_int_equal(ask(f->sql, "PRAGMA foreign_keys"), 1);
	assert_int_equal(ask(f->sql, "PRAGMA busy_timeout"), 5000);
	assert_int_equal(ask(f->sql, "PRAGMA temp_store"), 2);
	assert_int_equal(ask(f->sql, "PRAGMA trusted_schema"), 0);
	assert_int_equal(ask(f->sql, "PRAGMA cell_size_check"), 1);
	assert_int_equal(ask(f->sql, "PRAGMA wal_autocheckpoint"), 1000);
	assert_string_equal(sql_driver(f->sql), "sqlite");
}

static void a_new_file_is_not_for_everybody(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
}

static void what_is_missing_is_named(void **state)
{
	struct fixture *f = *state;
	char url[sizeof(f->url) + 32], error[256] = "";
	struct sql *sql = NULL;

	(void)snprintf(url, sizeof(url), "sqlite:%s/none/x.db", f->folder);
	assert_int_equal(sql_open(url, SQL_CREATE, &sql, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "none/x.db"));
	(void)snprintf(url, sizeof(url), "sqlite:%s/other.db", f->folder);
	assert_int_equal(sql_open(url, 0, &sql, error, sizeof(error)), -ENOENT);
	assert_int_not_equal(access(url + 7, F_OK), 0);
	assert_null(sql);
}

static void values_come_back_as_they_went_in(void **state)
{
	static const char blob[] = {0, 1, (char)0xff, 0};
	struct fixture *f = *state;
	struct sql_stmt *stmt;
	const char *data;
	size_t len = 0;

	stmt = sql_stmt(f->sql, "INSERT INTO t (id, name, size, body) VALUES ($1, $2, $3, $4)");
	sql_bind_int(stmt, 1, INT64_MAX);
	sql_bind_text_n(stmt, 2, "Zürich, ...", 7);
	sql_bind_double(stmt, 3, 0.1);
	sql_bind_blob(stmt, 4, blob, sizeof(blob));
	assert_int_equal(sql_run(stmt), 0);
	assert_int_equal(sql_changes(f->sql), 1);

	stmt = sql_stmt(f->sql, "SELECT id, name, size, body FROM t");
	assert_int_equal(sql_step(stmt), 1);
	assert_true(sql_int(stmt, 0) == INT64_MAX);
	assert_string_equal(sql_text(stmt, 1), "Zürich");
	assert_true(sql_double(stmt, 2) == 0.1);
	data = sql_blob(stmt, 3, &len);
	assert_int_equal(len, sizeof(blob));
	assert_memory_equal(data, blob, sizeof(blob));
	assert_int_equal(sql_step(stmt), 0);
}

static void null_and_empty_differ(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *stmt = sql_stmt(f->sql, "SELECT $1, $2, $3, $4");
	size_t len = 9;

	sql_bind_blob(stmt, 1, "", 0);
	sql_bind_blob(stmt, 2, NULL, 0);
	sql_bind_text(stmt, 3, "");
	sql_bind_text(stmt, 4, NULL);
	assert_int_equal(sql_step(stmt), 1);
	assert_non_null(sql_blob(stmt, 0, &len));
	assert_int_equal(len, 0);
	assert_false(sql_is_null(stmt, 0));
	assert_null(sql_blob(stmt, 1, &len));
	assert_true(sql_is_null(stmt, 1));
	assert_string_equal(sql_text(stmt, 2), "");
	assert_null(sql_text(stmt, 3));
	assert_int_equal(sql_int(stmt, 3), 0);
	sql_done(stmt);
}

static void placeholders_go_by_number_not_by_place(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *stmt = sql_stmt(f->sql, "SELECT $2, $1, $2");

	sql_bind_int(stmt, 1, 11);
	sql_bind_int(stmt, 2, 22);
	assert_int_equal(sql_step(stmt), 1);
	assert_int_equal(sql_int(stmt, 0), 22);
	assert_int_equal(sql_int(stmt, 1), 11);
	assert_int_equal(sql_int(stmt, 2), 22);
	sql_done(stmt);
}

static void a_bad_index_comes_out_of_the_step(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *stmt = sql_stmt(f->sql, "SELECT $1");

	sql_bind_int(stmt, 1, 1);
	sql_bind_int(stmt, 3, 1);
	assert_int_equal(sql_step(stmt), -EINVAL);
	assert_non_null(strstr(sql_error(f->sql), "$3"));
	/* The error ended with its use. */
	stmt = sql_stmt(f->sql, "SELECT $1");
	sql_bind_int(stmt, 1, 7);
	assert_int_equal(sql_step(stmt), 1);
	assert_int_equal(sql_int(stmt, 0), 7);
	sql_done(stmt);
}

static void a_bad_text_says_why(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *stmt = sql_stmt(f->sql, "SELECT nothing FROM t");

	sql_bind_int(stmt, 1, 1);
	assert_int_equal(sql_step(stmt), -EINVAL);
	assert_non_null(strstr(sql_error(f->sql), "nothing"));
	sql_done(stmt);
	assert_int_equal(sql_run(sql_stmt(f->sql, "SELECT 1; SELECT 2")), -EINVAL);
	assert_int_equal(sql_run(sql_stmt(f->sql, "SELECT ?1")), -EINVAL);
	assert_int_equal(sql_run(sql_stmt(f->sql, "SELECT \"text\"")), -EINVAL);
	assert_int_equal(sql_run(sql_stmt(f->sql, "SELECT 1")), -EINVAL);
	assert_int_equal(sql_exec(f->sql, "CREATE TABLE a (x INTEGER) STRICT; nonsense"), -EINVAL);
}

static void the_same_text_is_the_same_statement(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *first = sql_stmt(f->sql, "SELECT 1 + $1"), *again;
	char text[32], copy[] = "SELECT 1 + $1";
	int i;

	sql_bind_int(first, 1, 1);
	/* Enough others to make the table grow. */
	for (i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), "SELECT %d", i);
		assert_int_equal(ask(f->sql, text), i);
	}
	again = sql_stmt(f->sql, copy);
	assert_ptr_equal(first, again);
	/* It came with nothing bound. */
	assert_int_equal(sql_step(again), 1);
	assert_true(sql_is_null(again, 0));
	sql_done(again);
}

static void texts_without_end_meet_a_limit(void **state)
{
	struct fixture *f = *state;
	char text[32];
	int i, r = 1;

	for (i = 0; i < 2000 && r == 1; i++) {
		(void)snprintf(text, sizeof(text), "SELECT %d", i);
		r = sql_step(sql_stmt(f->sql, text));
	}
	assert_int_equal(r, -EMFILE);
}

static void constraints_are_told_apart(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(insert(f->sql, 1, "a"), 0);
	assert_int_equal(insert(f->sql, 1, "b"), -EEXIST);
	assert_int_equal(insert(f->sql, 2, "a"), -EEXIST);
	assert_int_equal(sql_exec(f->sql, "INSERT INTO child VALUES (1, 1)"), 0);
	assert_int_equal(sql_exec(f->sql, "INSERT INTO child VALUES (99, 1)"), -EINVAL);
	assert_int_equal(sql_exec(f->sql, "INSERT INTO child VALUES (NULL, 1)"), -EINVAL);
	assert_int_equal(sql_exec(f->sql, "INSERT INTO child VALUES (1, 0)"), -EINVAL);
	assert_int_equal(sql_exec(f->sql, "INSERT INTO child VALUES (1, 'x')"), -EINVAL);
	assert_string_not_equal(sql_error(f->sql), "no error");
}

static void a_transaction_is_kept_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sql_begin(f->sql), 0);
	assert_true(sql_in_transaction(f->sql));
	assert_int_equal(insert(f->sql, 1, "a"), 0);
	sql_rollback(f->sql);
	assert_false(sql_in_transaction(f->sql));
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM t"), 0);
	assert_int_equal(sql_begin(f->sql), 0);
	assert_int_equal(insert(f->sql, 1, "a"), 0);
	assert_int_equal(sql_begin(f->sql), -EINVAL);
	assert_int_equal(sql_commit(f->sql), 0);
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM t"), 1);
	sql_rollback(f->sql);
	assert_int_equal(sql_commit(f->sql), -EINVAL);
}

static void a_commit_that_fails_has_rolled_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sql_exec(f->sql, "CREATE TABLE late (t INTEGER REFERENCES t(id)"
					  " DEFERRABLE INITIALLY DEFERRED) STRICT"),
			 0);
	assert_int_equal(sql_begin(f->sql), 0);
	assert_int_equal(sql_exec(f->sql, "INSERT INTO late VALUES (5)"), 0);
	assert_int_equal(sql_commit(f->sql), -EINVAL);
	assert_non_null(strstr(sql_error(f->sql), "FOREIGN KEY"));
	assert_false(sql_in_transaction(f->sql));
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM late"), 0);
}

static void a_reader_sees_one_state_beside_a_writer(void **state)
{
	struct fixture *f = *state;
	struct sql *reader = open_or_fail(f->url, SQL_READ_ONLY);

	assert_int_equal(sql_begin_read(reader), 0);
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 0);
	assert_int_equal(insert(f->sql, 1, "a"), 0);
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 0);
	assert_int_equal(sql_commit(reader), 0);
	assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);
	assert_int_equal(insert(reader, 2, "b"), -EROFS);
	sql_close(reader);
}

static void a_second_writer_waits_and_is_told(void **state)
{
	struct fixture *f = *state;
	struct sql *other = open_or_fail(f->url, 0);

	assert_int_equal(sql_exec(other, "PRAGMA busy_timeout = 20"), 0);
	assert_int_equal(sql_begin(f->sql), 0);
	assert_int_equal(sql_begin(other), -EBUSY);
	sql_rollback(f->sql);
	assert_int_equal(sql_begin(other), 0);
	sql_close(other);
}

static void a_file_that_is_no_database_is_unclean(void **state)
{
	struct fixture *f = *state;
	char path[sizeof(f->path) + 8], url[sizeof(path) + 16], error[256];
	struct sql *sql = NULL;
	FILE *file;
	int i;

	(void)snprintf(path, sizeof(path), "%s.txt", f->path);
	(void)snprintf(url, sizeof(url), "sqlite:%s", path);
	file = fopen(path, "w");
	assert_non_null(file);
	for (i = 0; i < 500; i++)
		(void)fputs("this is no database\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(sql_open(url, 0, &sql, error, sizeof(error)), -EUCLEAN);
	assert_int_equal(sql_open(url, SQL_READ_ONLY, &sql, error, sizeof(error)), -EUCLEAN);
	assert_null(sql);
}

static void a_full_disk_is_told_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, low = {.rlim_cur = 200000};
	struct sql_stmt *stmt;
	int i, r = 0;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low.rlim_max = old.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	for (i = 0; i < 1000 && r == 0; i++) {
		stmt = sql_stmt(f->sql, "INSERT INTO t (body) VALUES (zeroblob(3000))");
		r = sql_run(stmt);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM t"), i - 1);
	assert_int_equal(insert(f->sql, 1000, "after"), 0);
	assert_int_equal(sql_exec(f->sql, "DELETE FROM t"), 0);
}

static void a_database_knows_its_tables(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sql_has_table(f->sql, "t"), 1);
	assert_int_equal(sql_has_table(f->sql, "u"), 0);
}

static void closing_rolls_back_what_is_open(void **state)
{
	struct fixture *f = *state;
	struct sql *other = open_or_fail(f->url, 0);

	assert_int_equal(sql_begin(other), 0);
	assert_int_equal(insert(other, 1, "a"), 0);
	assert_int_equal(sql_step(sql_stmt(other, "SELECT * FROM t")), 1);
	sql_close(other);
	assert_int_equal(ask(f->sql, "SELECT count(*) FROM t"), 0);
	sql_close(NULL);
}

int suite_storage_sql(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(an_unknown_driver_is_refused_by_name),
		CASE(every_connection_has_its_pragmas),
		CASE(a_new_file_is_not_for_everybody),
		CASE(what_is_missing_is_named),
		CASE(values_come_back_as_they_went_in),
		CASE(null_and_empty_differ),
		CASE(placeholders_go_by_number_not_by_place),
		CASE(a_bad_index_comes_out_of_the_step),
		CASE(a_bad_text_says_why),
		CASE(the_same_text_is_the_same_statement),
		CASE(texts_without_end_meet_a_limit),
		CASE(constraints_are_told_apart),
		CASE(a_transaction_is_kept_whole_or_not_at_all),
		CASE(a_commit_that_fails_has_rolled_back),
		CASE(a_reader_sees_one_state_beside_a_writer),
		CASE(a_second_writer_waits_and_is_told),
		CASE(a_file_that_is_no_database_is_unclean),
		CASE(a_full_disk_is_told_and_loses_nothing),
		CASE(a_database_knows_its_tables),
		CASE(closing_rolls_back_what_is_open),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
