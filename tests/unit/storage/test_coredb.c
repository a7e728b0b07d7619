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

#include "storage/coredb/auth.h"
#include "storage/coredb/ledger.h"
#include "storage/coredb/packed.h"
#include "storage/coredb/registry.h"
#include "tests/unit/storage/folder.h"

int suite_storage_coredb(void);

#define NOW INT64_C(1795190400000)

struct fixture {
	char folder[FOLDER_SIZE];
	char url[FOLDER_SIZE + 32];
	struct coredb *db;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	folder_make(f->folder);
	(void)snprintf(f->url, sizeof(f->url), "sqlite:%s/core.db", f->folder);
	assert_int_equal(coredb_open(f->url, COREDB_CREATE, &f->db, NULL, 0), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	coredb_close(f->db);
	folder_remove(f->folder);
	free(f);
	return 0;
}

static struct coredb_workspace add_workspace(struct coredb *db, const char *name)
{
	struct coredb_workspace row = {.policy = {300, 900, 3600, 240, 90}};

	(void)snprintf(row.name, sizeof(row.name), "%s", name);
	assert_int_equal(coredb_workspace_add(db, &row, NOW), 0);
	return row;
}

static void a_database_that_is_missing_is_refused_unless_it_may_be_made(void **state)
{
	struct fixture *f = *state;
	struct coredb *db = NULL;
	char url[FOLDER_SIZE + 32];
	char error[200] = "";
	int pending = -1;

	(void)snprintf(url, sizeof(url), "sqlite:%s/none.db", f->folder);
	assert_true(coredb_open(url, 0, &db, error, sizeof(error)) < 0);
	assert_null(db);
	assert_true(error[0] != '\0');
	assert_int_equal(coredb_migrate(url, false, &pending, error, sizeof(error)), 0);
	assert_true(pending >= 1);
	assert_int_equal(coredb_migrate(url, true, &pending, error, sizeof(error)), 0);
	assert_int_equal(pending, 0);
}

static void names_are_checked_and_taken_once(void **state)
{
	struct fixture *f = *state;
	struct coredb_workspace row = {0};
	struct coredb_workspace found;

	assert_int_equal(coredb_begin(f->db, NULL), 0);
	(void)add_workspace(f->db, "w1");
	(void)snprintf(row.name, sizeof(row.name), "w1");
	assert_int_equal(coredb_workspace_add(f->db, &row, NOW), -EEXIST);
	assert_non_null(strstr(coredb_error(f->db), "w1"));
	(void)snprintf(row.name, sizeof(row.name), "a/b");
	assert_int_equal(coredb_workspace_add(f->db, &row, NOW), -EINVAL);
	(void)snprintf(row.name, sizeof(row.name), "events");
	assert_int_equal(coredb_workspace_add(f->db, &row, NOW), -EINVAL);
	assert_int_equal(coredb_workspace_find(f->db, "w1", &found), 0);
	assert_int_equal(coredb_workspace_find(f->db, "w2", &found), -ENOENT);
	assert_int_equal(coredb_commit(f->db), 0);
}

static void what_is_in_use_is_not_removed(void **state)
{
	struct fixture *f = *state;
	struct coredb_workspace ws;
	struct coredb_gateway gw = {.name = "g1"};
	struct coredb_device device = {.name = "d1", .provider = "obd"};

	assert_int_equal(coredb_begin(f->db, NULL), 0);
	ws = add_workspace(f->db, "w1");
	gw.workspace = ws.id;
	assert_int_equal(coredb_gateway_add(f->db, &gw, NOW), 0);
	device.workspace = ws.id;
	device.gateway = gw.id;
	assert_int_equal(coredb_device_add(f->db, &device, NOW), 0);
	assert_int_equal(coredb_gateway_remove(f->db, gw.id, NOW), -EBUSY);
	assert_int_equal(coredb_workspace_remove(f->db, ws.id, NOW), -EBUSY);
	assert_int_equal(coredb_device_remove(f->db, device.id, NOW), 0);
	assert_int_equal(coredb_gateway_remove(f->db, gw.id, NOW), 0);
	assert_int_equal(coredb_gateway_find(f->db, ws.id, "g1", &gw), -ENOENT);
	/* Its ledger stays, so it comes back as the same row. */
	assert_int_equal(coredb_gateway_add(f->db, &gw, NOW), 0);
	assert_int_equal(coredb_commit(f->db), 0);
}

static int count_event(void *arg, const struct coredb_event *event)
{
	int64_t *next = arg;

	assert_int_equal(event->seq, *next);
	(*next)++;
	return 0;
}

static void events_are_numbered_without_holes_whatever_is_rolled_back(void **state)
{
	struct fixture *f = *state;
	struct coredb_event event = {.name = "X", .occurred_at_ms = NOW, .payload = "{}"};
	int64_t next = 1;

	for (int i = 0; i < 6; i++) {
		assert_int_equal(coredb_begin(f->db, NULL), 0);
		assert_int_equal(coredb_event_add(f->db, &event), 0);
		if (i % 2)
			coredb_rollback(f->db);
		else
			assert_int_equal(coredb_commit(f->db), 0);
	}
	assert_int_equal(coredb_event_each(f->db, 0, 0, 100, count_event, &next), 3);
}

static void a_write_of_another_connection_is_seen(void **state)
{
	struct fixture *f = *state;
	struct coredb *other = NULL;
	bool foreign;

	assert_int_equal(coredb_open(f->url, 0, &other, NULL, 0), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(coredb_begin(f->db, &foreign), 0);
		assert_int_equal(coredb_commit(f->db), 0);
	}
	assert_false(foreign);
	assert_int_equal(coredb_begin_aside(other), 0);
	assert_int_equal(coredb_commit(other), 0);
	assert_int_equal(coredb_begin(f->db, &foreign), 0);
	assert_false(foreign);
	assert_int_equal(coredb_commit(f->db), 0);
	assert_int_equal(coredb_begin(other, NULL), 0);
	assert_int_equal(coredb_commit(other), 0);
	assert_int_equal(coredb_begin(f->db, &foreign), 0);
	assert_true(foreign);
	coredb_rollback(f->db);
	coredb_close(other);
}

static void who_takes_the_lease_fences_the_owner_before(void **state)
{
	struct fixture *f = *state;
	struct coredb *other = NULL;

	assert_int_equal(coredb_lease_take(f->db, "a", NOW, NOW + 1000), 0);
	assert_int_equal(coredb_begin(f->db, NULL), 0);
	assert_int_equal(coredb_commit(f->db), 0);
	assert_int_equal(coredb_open(f->url, 0, &other, NULL, 0), 0);
	assert_int_equal(coredb_lease_take(other, "b", NOW, NOW + 1000), 0);
	assert_int_equal(coredb_begin(f->db, NULL), -ESTALE);
	assert_int_equal(coredb_begin(other, NULL), 0);
	assert_int_equal(coredb_commit(other), 0);
	coredb_close(other);
}

static void packed_ranges_come_back_and_damage_is_noticed(void **state)
{
	struct wire_range items[] = {{1, 1}, {3, 200}, {INT64_C(1) << 40, (INT64_C(1) << 40) + 5}};
	const struct coredb_ranges ranges = {items, 3, 3};
	struct coredb_ranges back = {0};
	static const unsigned char endless[] = {0x80, 0x80};
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	packed_put_ranges(&buf, &ranges);
	assert_int_equal(packed_get_ranges(buf.data, buf.len, &back), 0);
	assert_int_equal(back.count, 3);
	assert_memory_equal(back.items, items, sizeof(items));
	assert_int_equal(packed_get_ranges(endless, sizeof(endless), &back), -EUCLEAN);
	assert_int_equal(packed_get_ranges(buf.data, buf.len - 1, &back), -EUCLEAN);
	free(back.items);
	buf_free(&buf);
}

static void a_rejection_that_comes_again_only_counts(void **state)
{
	struct fixture *f = *state;
	char data[600];
	struct coredb_rejection row = {.source = "t",
				       .reason = "malformed",
				       .detail = "d",
				       .data = data,
				       .len = sizeof(data),
				       .last_at_ms = NOW};
	struct sql_stmt *stmt;

	memset(data, 'x', sizeof(data));
	assert_int_equal(coredb_begin(f->db, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(coredb_rejection_add(f->db, &row), 0);
	data[500] = 'y'; /* differs past the head */
	assert_int_equal(coredb_rejection_add(f->db, &row), 0);
	assert_int_equal(coredb_commit(f->db), 0);
	stmt = sql_stmt(coredb_sql(f->db), "SELECT count(*), max(count), max(length(head)),"
					   " max(bytes) FROM rejection");
	assert_int_equal(sql_step(stmt), 1);
	assert_int_equal(sql_int(stmt, 0), 2);
	assert_int_equal(sql_int(stmt, 1), 3);
	assert_int_equal(sql_int(stmt, 2), 256);
	assert_int_equal(sql_int(stmt, 3), 600);
	sql_done(stmt);
}

static void tokens_codes_and_sessions_end(void **state)
{
	struct fixture *f = *state;
	struct coredb_token token = {.name = "t",
				     .roles = "ops",
				     .workspaces = "*",
				     .expires_at_ms = NOW + 1000,
				     .revoked_at_ms = MODEL_NO_TIME};
	struct coredb_token found;
	int64_t id;

	assert_int_equal(coredb_begin_aside(f->db), 0);
	assert_int_equal(coredb_token_add(f->db, &token, "frt_secret", NOW), 0);
	assert_int_equal(coredb_token_add(f->db, &token, "frt_other", NOW), -EEXIST);
	assert_int_equal(coredb_code_add(f->db, "code", token.id, NOW, NOW + 500), 0);
	assert_int_equal(coredb_token_check(f->db, "frt_secret", NOW, &found), 0);
	assert_string_equal(found.roles, "ops");
	assert_int_equal(coredb_token_check(f->db, "frt_guess", NOW, &found), -ENOENT);
	assert_int_equal(coredb_token_check(f->db, "frt_secret", NOW + 1000, &found), -ENOENT);
	assert_int_equal(coredb_code_use(f->db, "code", NOW, &id), 0);
	assert_int_equal(id, token.id);
	assert_int_equal(coredb_code_use(f->db, "code", NOW, &id), -ENOENT);
	assert_int_equal(coredb_session_add(f->db, "cookie", id, NOW, NOW + 900), 0);
	assert_int_equal(coredb_session_check(f->db, "cookie", NOW + 99, 100, &found, NULL), 0);
	assert_int_equal(coredb_session_check(f->db, "cookie", NOW + 100, 100, &found, NULL),
			 -ENOENT);
	assert_int_equal(coredb_token_revoke(f->db, "t", NOW), 0);
	assert_int_equal(coredb_session_check(f->db, "cookie", NOW + 1, 100, &found, NULL),
			 -ENOENT);
	assert_int_equal(coredb_token_check(f->db, "frt_secret", NOW, &found), -ENOENT);
	assert_int_equal(coredb_commit(f->db), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int suite_storage_coredb(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_database_that_is_missing_is_refused_unless_it_may_be_made),
		TEST(names_are_checked_and_taken_once),
		TEST(what_is_in_use_is_not_removed),
		TEST(events_are_numbered_without_holes_whatever_is_rolled_back),
		TEST(a_write_of_another_connection_is_seen),
		TEST(who_takes_the_lease_fences_the_owner_before),
		TEST(packed_ranges_come_back_and_damage_is_noticed),
		TEST(a_rejection_that_comes_again_only_counts),
		TEST(tokens_codes_and_sessions_end),
	};

	return cmocka_run_group_tests_name("storage.coredb", tests, NULL, NULL);
}
