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

#include "tests/unit/cloud/http/desk.h"

int suite_cloud_api(void);

#define WS "/api/workspaces/w1"

/* The number at a path such as "counts.healthy" of the last answer. */
static int64_t count_at(struct desk *desk, const char *group, const char *key)
{
	int64_t value = -1;

	assert_true(jr_integer(jr_get(jr_get(jr_root(desk->doc), group), key), &value));
	return value;
}

static const struct jr_value *items(struct desk *desk)
{
	return jr_get(jr_root(desk->doc), "items");
}

static bool text_is(const struct jr_value *value, const char *want)
{
	char text[256];

	return jr_string_copy(value, text, sizeof(text)) && strcmp(text, want) == 0;
}

static void a_device_without_data_awaits_it_then_is_an_issue(void **state)
{
	struct desk *desk = *state;

	assert_int_equal(desk_get(desk, WS "/health", NULL), 200);
	assert_int_equal(count_at(desk, "counts", "awaiting-first-data"), 1);
	assert_int_equal(desk_get(desk, WS "/issues", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 0);
	clock_fake_advance(&desk->bench->clock, INT64_C(3601) * 1000000);
	assert_int_equal(desk_get(desk, WS "/issues", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_true(text_is(jr_get(jr_at(items(desk), 0), "health_state"), "configured-no-data"));
}

static void a_vehicle_that_never_reported_shows_its_registered_vin(void **state)
{
	struct desk *desk = *state;

	assert_int_equal(desk_get(desk, WS "/snapshots/v1", NULL), 200);
	assert_true(text_is(jr_get(jr_root(desk->doc), "vin"), VIN));
	assert_int_equal(jr_type(jr_get(jr_root(desk->doc), "provider")), JR_NULL);
	assert_int_equal(jr_type(jr_get(jr_root(desk->doc), "observed_at")), JR_NULL);
}

static void data_makes_a_device_healthy_and_time_makes_it_stale(void **state)
{
	struct desk *desk = *state;
	const struct jr_value *item;
	double value = 0;

	desk_data(desk, 1, 82.5);
	assert_int_equal(desk_get(desk, WS "/health", NULL), 200);
	assert_int_equal(count_at(desk, "counts", "healthy"), 1);
	item = jr_at(items(desk), 0);
	assert_true(jr_number(jr_get(jr_get(item, "values"), "state_of_charge_pct"), &value));
	assert_true(value > 82.4 && value < 82.6);
	assert_true(text_is(jr_get(item, "vin"), VIN));
	assert_true(text_is(jr_get(item, "gateway_id"), "g1"));
	clock_fake_advance(&desk->bench->clock, INT64_C(301) * 1000000);
	assert_int_equal(desk_get(desk, WS "/health?state=delayed", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_true(jr_number(jr_get(jr_at(items(desk), 0), "freshness_age_s"), &value));
	assert_true(value > 300 && value < 303);
	clock_fake_advance(&desk->bench->clock, INT64_C(600) * 1000000);
	assert_int_equal(desk_get(desk, WS "/issues", NULL), 200);
	assert_true(text_is(jr_get(jr_at(items(desk), 0), "health_state"), "stale"));
	assert_int_equal(desk_get(desk, WS "/issues.csv", NULL), 200);
	assert_non_null(strstr(buf_text(&desk->reply.body), "\"d1\",\"v1\",\"" VIN "\""));
}

static void a_snapshots_tag_changes_with_data_but_not_with_time(void **state)
{
	struct desk *desk = *state;
	char tag[64], other[64];

	desk_data(desk, 1, 50);
	assert_int_equal(desk_get(desk, WS "/snapshots/v1", NULL), 200);
	assert_true(desk_header(desk, "ETag", tag, sizeof(tag)));
	clock_fake_advance(&desk->bench->clock, INT64_C(20) * 1000000);
	desk->request.if_none_match = tag;
	assert_int_equal(desk_get(desk, WS "/snapshots/v1", NULL), 304);
	assert_int_equal(desk->reply.body.len, 0);
	desk_data(desk, 2, 51);
	assert_int_equal(desk_get(desk, WS "/snapshots/v1", NULL), 200);
	assert_true(desk_header(desk, "ETag", other, sizeof(other)));
	assert_string_not_equal(tag, other);
}

static void the_worklist_keeps_its_place_between_pages(void **state)
{
	struct desk *desk = *state;
	char cursor[64];
	char path[200];
	int seen = 0;

	for (int i = 0; i < 4; i++)
		desk_device(desk, i);
	clock_fake_advance(&desk->bench->clock, INT64_C(7200) * 1000000);
	(void)snprintf(path, sizeof(path), WS "/issues?limit=2");
	for (;;) {
		assert_int_equal(desk_get(desk, path, NULL), 200);
		seen += (int)jr_count(items(desk));
		if (!jr_string_copy(jr_get(jr_root(desk->doc), "next_cursor"), cursor,
				    sizeof(cursor)))
			break;
		(void)snprintf(path, sizeof(path), WS "/issues?limit=2&cursor=%s", cursor);
	}
	assert_int_equal(seen, 5);
}

static void without_a_token_nothing_is_answered(void **state)
{
	struct desk *desk = *state;
	char value[128];

	desk_lose(desk, 9, 5);
	for (size_t i = 0; i < api_route_count; i++) {
		char path[200];

		if (api_routes[i].roles == 0 || api_routes[i].method != HTTP_GET)
			continue;
		desk_fill(api_routes[i].pattern, path, sizeof(path));
		assert_int_equal(desk_get(desk, path, ""), 401);
		assert_true(desk_header(desk, "WWW-Authenticate", value, sizeof(value)));
		assert_int_equal(desk_get(desk, path, "Bearer fst_wrong"), 401);
		assert_int_equal(desk_get(desk, path, NULL), 200);
	}
}

static void another_tenants_workspace_is_not_there(void **state)
{
	struct desk *desk = *state;

	desk_token(desk, "ops", "w2");
	assert_int_equal(desk_get(desk, WS "/health", NULL), 404);
	assert_int_equal(desk_get(desk, "/api/workspaces/nobody/health", NULL), 404);
	assert_int_equal(desk_get(desk, "/api/workspaces", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 0);
	desk_token(desk, "ingest", "w1");
	assert_int_equal(desk_get(desk, WS "/health", NULL), 403);
}

static void bad_arguments_are_named(void **state)
{
	static const char *const queries[] = {"limit=0",  "limit=1001", "limit=x", "limit=1x",
					      "cursor=",  "cursor=x",   "state=x", "reason=x",
					      "cursor=0", "limit=-1"};
	struct desk *desk = *state;

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		const struct jr_value *errors;
		char path[100];

		(void)snprintf(path, sizeof(path), WS "/health?%s", queries[i]);
		assert_int_equal(desk_get(desk, path, NULL), 400);
		assert_string_equal(desk->reply.type, "application/problem+json");
		errors = jr_get(jr_root(desk->doc), "errors");
		assert_int_equal(jr_count(errors), 1);
	}
}

static void readiness_names_what_is_missing(void **state)
{
	struct desk *desk = *state;
	bool value = true;

	assert_int_equal(desk_get(desk, "/ready", ""), 503);
	assert_true(jr_bool(jr_get(jr_get(jr_root(desk->doc), "checks"), "broker"), &value));
	assert_false(value);
	atomic_store(&desk->status.broker_connected, true);
	atomic_store(&desk->status.database_ok, true);
	atomic_store(&desk->status.ingest_seen_us, desk->bench->clock.mono_us);
	assert_int_equal(desk_get(desk, "/ready", ""), 503);
	atomic_store(&desk->status.writer_seen_us, desk->bench->clock.mono_us);
	assert_int_equal(desk_get(desk, "/ready", ""), 200);
	clock_fake_advance(&desk->bench->clock, API_INGEST_SILENCE_US + 1);
	assert_int_equal(desk_get(desk, "/ready", ""), 503);
	assert_true(jr_bool(jr_get(jr_get(jr_root(desk->doc), "checks"), "ingest"), &value));
	assert_false(value);
}

static void metrics_are_for_this_machine_or_a_token(void **state)
{
	struct desk *desk = *state;

	assert_int_equal(desk_get(desk, "/metrics", ""), 401);
	assert_int_equal(desk_get(desk, "/metrics", NULL), 200);
	desk->request.loopback = true;
	assert_int_equal(desk_get(desk, "/metrics", ""), 200);
	assert_non_null(strstr(buf_text(&desk->reply.body), "freshet_commits_total 0"));
	desk->request.loopback = false;
	desk_token(desk, "ingest", "w1");
	assert_int_equal(desk_get(desk, "/metrics", NULL), 403);
}

static void what_was_parked_and_rejected_is_listed(void **state)
{
	struct accept_batch_result result;
	struct desk *desk = *state;
	struct pack pack;

	pack_begin(&pack, desk->bench, "0123456789abcdef0123456789abcdef", 1);
	pack_soc(&pack, "stranger", desk->bench->clock.mono_us, 10);
	pack_raw(&pack, "{\"kind\":\"update\",\"provider\":7}");
	assert_int_equal(pack_send(&pack, desk->bench, &result), 0);
	assert_int_equal(bench_commit(desk->bench), 0);
	assert_int_equal(desk_get(desk, WS "/parked", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_true(text_is(jr_get(jr_at(items(desk), 0), "device_id"), "stranger"));
	assert_true(text_is(jr_get(jr_at(items(desk), 0), "reason"), "unknown_device"));
	assert_int_equal(jr_type(jr_get(jr_at(items(desk), 0), "record")), JR_OBJECT);
	assert_int_equal(desk_get(desk, WS "/rejections", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_true(text_is(jr_get(jr_at(items(desk), 0), "reason"), "malformed"));
}

static void a_broken_database_is_503_and_counted(void **state)
{
	struct desk *desk = *state;

	/* Under the reader's feet: what the query needs is no longer there. */
	assert_int_equal(sql_exec(coredb_sql(desk->bench->db), "DROP TABLE gateway_source"), 0);
	assert_true(desk_get(desk, WS "/health", NULL) >= 500);
	assert_int_equal(atomic_load(&desk->api->failures), 1);
	assert_string_equal(desk->reply.type, "application/problem+json");
}

#define WITH_DESK(test) cmocka_unit_test_setup_teardown(test, desk_setup, desk_teardown)

int suite_cloud_api(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DESK(a_device_without_data_awaits_it_then_is_an_issue),
		WITH_DESK(a_vehicle_that_never_reported_shows_its_registered_vin),
		WITH_DESK(data_makes_a_device_healthy_and_time_makes_it_stale),
		WITH_DESK(a_snapshots_tag_changes_with_data_but_not_with_time),
		WITH_DESK(the_worklist_keeps_its_place_between_pages),
		WITH_DESK(without_a_token_nothing_is_answered),
		WITH_DESK(another_tenants_workspace_is_not_there),
		WITH_DESK(bad_arguments_are_named),
		WITH_DESK(readiness_names_what_is_missing),
		WITH_DESK(metrics_are_for_this_machine_or_a_token),
		WITH_DESK(what_was_parked_and_rejected_is_listed),
		WITH_DESK(a_broken_database_is_503_and_counted),
	};

	return cmocka_run_group_tests_name("cloud_api", tests, NULL, NULL);
}
