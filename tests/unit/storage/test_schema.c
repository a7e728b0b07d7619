#include "storage/schema/schema.h"

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

#include "schema_spool.h"
#include "tests/unit/storage/folder.h"

static const struct schema_file files[] = {
	{"0001_first.sql", "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);", "c1"},
	{"0002_second.sql", "ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET y = 'y';", "c2"},
	{"0003_third.sql", "CREATE TABLE b (x INTEGER) STRICT;", "c3"},
};
static const struct schema_file edited[] = {
	{"0001_first.sql", "CREATE TABLE a (x INTEGER, z INTEGER) STRICT;", "other"},
};
static const struct schema_file broken[] = {
	{"0001_first.sql", "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);", "c1"},
	{"0002_broken.sql", "CREATE TABLE b (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1);",
	 "c2"},
};
static const struct schema_file commits[] = {
	{"0001_commits.sql", "CREATE TABLE a (x INTEGER) STRICT; COMMIT;", "c1"},
};

struct fixture {
	char folder[FOLDER_SIZE];
	char url[FOLDER_SIZE + 64];
	struct sql *sql;
	char error[256];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	folder_make(f->folder);
	(void)snprintf(f->url, sizeof(f->url), "sqlite:%s/t.db", f->folder);
	assert_int_equal(sql_open(f->url, SQL_CREATE, &f->sql, NULL, 0), 0);
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

static struct schema_set set_of(const struct schema_file *list, size_t count)
{
	return (struct schema_set){"test", list, count};
}

static int migrate(struct fixture *f, const struct schema_file *list, size_t count, int *from,
		   int *to)
{
	const struct schema_set set = set_of(list, count);

	return schema_migrate(f->sql, &set, from, to, f->error, sizeof(f->error));
}

static void an_empty_database_gets_every_migration(void **state)
{
	struct fixture *f = *state;
	int from = -1, to = -1;

	assert_int_equal(migrate(f, files, 3, &from, &to), 0);
	assert_int_equal(from, 0);
	assert_int_equal(to, 3);
	assert_int_equal(sql_exec(f->sql, "INSERT INTO b VALUES (1)"), 0);
	assert_int_equal(migrate(f, files, 3, &from, &to), 0);
	assert_int_equal(from, 3);
	assert_int_equal(to, 3);
}

static void only_what_is_missing_is_applied(void **state)
{
	struct fixture *f = *state;
	struct sql_stmt *stmt;
	int from = -1, to = -1;

	assert_int_equal(migrate(f, files, 1, NULL, NULL), 0);
	assert_int_equal(sql_has_table(f->sql, "b"), 0);
	assert_int_equal(migrate(f, files, 3, &from, &to), 0);
	assert_int_equal(from, 1);
	assert_int_equal(to, 3);
	stmt = sql_stmt(f->sql, "SELECT y, (SELECT count(*) FROM a) FROM a");
	assert_int_equal(sql_step(stmt), 1);
	assert_string_equal(sql_text(stmt, 0), "y");
	assert_int_equal(sql_int(stmt, 1), 1);
	sql_done(stmt);
}

static void a_check_tells_what_is_pending_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const struct schema_set set = set_of(files, 3);
	struct sql *reader = NULL;
	int from = -1, to = -1;

	assert_int_equal(schema_check(f->sql, &set, &from, &to, NULL, 0), 0);
	assert_int_equal(from, 0);
	assert_int_equal(to, 3);
	assert_int_equal(sql_has_table(f->sql, "schema_version"), 0);
	assert_int_equal(migrate(f, files, 2, NULL, NULL), 0);
	assert_int_equal(sql_open(f->url, SQL_READ_ONLY, &reader, NULL, 0), 0);
	assert_int_equal(schema_check(reader, &set, &from, &to, NULL, 0), 0);
	assert_int_equal(from, 2);
	assert_int_equal(to, 3);
	sql_close(reader);
	assert_int_equal(sql_has_table(f->sql, "b"), 0);
}

static void a_newer_database_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct schema_set older = set_of(files, 2);
	int from = -1, to = -1;

	assert_int_equal(migrate(f, files, 3, NULL, NULL), 0);
	assert_int_equal(migrate(f, files, 2, &from, &to), -EOVERFLOW);
	assert_non_null(strstr(f->error, "0003_third.sql"));
	assert_int_equal(from, -1);
	assert_int_equal(schema_check(f->sql, &older, &from, &to, f->error, sizeof(f->error)),
			 -EOVERFLOW);
	assert_false(sql_in_transaction(f->sql));
}

static void a_changed_migration_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(migrate(f, files, 1, NULL, NULL), 0);
	assert_int_equal(migrate(f, edited, 1, NULL, NULL), -EKEYREJECTED);
	assert_non_null(strstr(f->error, "0001_first.sql"));
}

static void a_hole_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(migrate(f, files, 3, NULL, NULL), 0);
	assert_int_equal(sql_exec(f->sql, "DELETE FROM schema_version WHERE version = 2"), 0);
	assert_int_equal(migrate(f, files, 3, NULL, NULL), -EKEYREJECTED);
}

static void a_broken_migration_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(migrate(f, broken, 2, NULL, NULL), -EINVAL);
	assert_non_null(strstr(f->error, "0002_broken.sql"));
	assert_non_null(strstr(f->error, "nowhere"));
	assert_int_equal(sql_has_table(f->sql, "a"), 0);
	assert_int_equal(sql_has_table(f->sql, "schema_version"), 0);
	assert_false(sql_in_transaction(f->sql));
}

static void a_migration_must_not_end_the_transaction(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(migrate(f, commits, 1, NULL, NULL), -EINVAL);
	assert_non_null(strstr(f->error, "0001_commits.sql"));
}

static void two_sets_live_in_one_database(void **state)
{
	struct fixture *f = *state;
	int from = -1, to = -1;

	assert_int_equal(migrate(f, files, 3, NULL, NULL), 0);
	assert_int_equal(schema_migrate(f->sql, &schema_spool, &from, &to, NULL, 0), 0);
	assert_int_equal(from, 0);
	assert_int_equal(to, (int)schema_spool.count);
}

static void the_build_embeds_whole_files(void **state)
{
	char path[256], text[16384];
	size_t i, len;
	FILE *file;

	(void)state;
	assert_string_equal(schema_spool.name, "spool");
	for (i = 0; i < schema_spool.count; i++) {
		(void)snprintf(path, sizeof(path), "%.*s/storage/schema/spool/%s",
			       (int)(strlen(FRESHET_TEST_DATA) - strlen("/tests/data")),
			       FRESHET_TEST_DATA, schema_spool.files[i].name);
		file = fopen(path, "rb");
		assert_non_null(file);
		len = fread(text, 1, sizeof(text) - 1, file);
		(void)fclose(file);
		text[len] = '\0';
		assert_string_equal(schema_spool.files[i].text, text);
		assert_int_equal(strlen(schema_spool.files[i].checksum), 64);
	}
}

int suite_storage_schema(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(an_empty_database_gets_every_migration),
		CASE(only_what_is_missing_is_applied),
		CASE(a_check_tells_what_is_pending_and_changes_nothing),
		CASE(a_newer_database_is_refused),
		CASE(a_changed_migration_is_refused),
		CASE(a_hole_is_refused),
		CASE(a_broken_migration_leaves_nothing),
		CASE(a_migration_must_not_end_the_transaction),
		CASE(two_sets_live_in_one_database),
		CASE(the_build_embeds_whole_files),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
