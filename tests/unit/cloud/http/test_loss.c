/* What the API says of losses: lists, figures, who may dismiss, gateways that are two. */
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

int suite_cloud_loss(void);

#define WS "/api/workspaces/w1"
#define MINUTE (INT64_C(60) * 1000000)
#define EPOCH "0123456789abcdef0123456789abcdef"

static const struct jr_value *root(struct desk *desk)
{
	assert_non_null(desk->doc);
	return jr_root(desk->doc);
}

static const struct jr_value *items(struct desk *desk)
{
	return jr_get(root(desk), "items");
}

static bool text_is(const struct jr_value *value, const char *want)
{
	char text[400];

	return jr_string_copy(value, text, sizeof(text)) && strcmp(text, want) == 0;
}

static int64_t integer_at(const struct jr_value *object, const char *key)
{
	int64_t value = -1;

	assert_true(jr_integer(jr_get(object, key), &value));
	return value;
}

static double number_at(const struct jr_value *object, const char *key)
{
	double value = -1;

	assert_true(jr_number(jr_get(object, key), &value));
	return value;
}

/* Batches 1 and 6, a minute apart; 2..5 are lost, and after 6 nobody knows. */
static void lose(struct desk *desk)
{
	struct pack pack;

	desk_data(desk, 1, 50);
	clock_fake_advance(&desk->bench->clock, MINUTE);
	desk_lose(desk, 6, 6);
	clock_fake_advance(&desk->bench->clock, MINUTE);
	pack_begin(&pack, desk->bench, "e2", 1);
	(void)snprintf(pack.header.prev, sizeof(pack.header.prev), EPOCH);
	pack_raw(&pack, "{\"kind\":\"epoch_end\",\"epoch\":\"" EPOCH "\",\"boot_id\":\"boot-1\","
			"\"held\":[],\"end\":null}");
	assert_int_equal(pack_send(&pack, desk->bench, NULL), 0);
	assert_int_equal(bench_commit(desk->bench), 0);
}

static void a_gap_is_listed_with_its_bounds_and_its_devices(void **state)
{
	struct desk *desk = *state;
	const struct jr_value *gap;

	lose(desk);
	assert_int_equal(desk_get(desk, WS "/gaps?certain=1", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	gap = jr_at(items(desk), 0);
	assert_true(text_is(jr_get(gap, "gateway_id"), "g1"));
	assert_int_equal(integer_at(gap, "first"), 2);
	assert_int_equal(integer_at(gap, "last"), 5);
	assert_true(number_at(gap, "seconds") == 60.0);
	assert_int_equal(jr_count(jr_get(gap, "devices")), 1);
	assert_true(text_is(jr_at(jr_get(gap, "devices"), 0), "d1"));
	assert_int_equal(desk_get(desk, WS "/gaps?open=1&gateway=g1&device=d1", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 2);
	assert_int_equal(desk_get(desk, WS "/gaps?gateway=nobody", NULL), 400);
	assert_int_equal(desk_get(desk, WS "/gaps?device=..", NULL), 400);
	assert_int_equal(desk_get(desk, WS "/gaps?open=yes", NULL), 400);
	/* Page by page they are all there, once each. */
	assert_int_equal(desk_get(desk, WS "/gaps?limit=1&device=d1", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_true(text_is(jr_get(root(desk), "next_cursor"), "1"));
	assert_int_equal(desk_get(desk, WS "/gaps?limit=1&device=d1&cursor=1", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_int_equal(jr_type(jr_get(root(desk), "next_cursor")), JR_NULL);
}

/* Sent when it runs no more, by a gateway without a clock: the boots around it bound it. */
static void a_gap_that_nobody_can_date_lies_between_its_neighbours(void **state)
{
	static const struct {
		const char *epoch, *prev, *boot;
		int64_t number;
		bool live;
	} sent[] = {
		{"e0", "", "boot-0", 1, true},
		{"e2", "e1", "boot-2", 1, true},
		{"e1", "e0", "boot-1", 1, false},
		{"e1", "e0", "boot-1", 9, false},
	};
	struct desk *desk = *state;
	struct bench *b = desk->bench;
	char from[40];
	char to[40];

	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		struct pack pack;

		pack_begin(&pack, b, sent[i].epoch, sent[i].number);
		(void)snprintf(pack.header.prev, sizeof(pack.header.prev), "%s", sent[i].prev);
		(void)snprintf(pack.header.boot.id, sizeof(pack.header.boot.id), "%s",
			       sent[i].boot);
		pack.header.floor = sent[i].number;
		if (!sent[i].live) {
			pack.header.lane = WIRE_LANE_BACKLOG;
			pack.header.boot.sent_mono_us = MODEL_NO_TIME;
		}
		pack_soc(&pack, "d1", sent[i].live ? b->clock.mono_us : sent[i].number * MINUTE,
			 50);
		assert_int_equal(pack_send(&pack, b, NULL), 0);
		assert_int_equal(bench_commit(b), 0);
		if (i == 0) {
			clock_fake_advance(&b->clock, 120 * MINUTE);
			b->clock.mono_us = MINUTE;
		}
	}
	assert_int_equal(desk_get(desk, WS "/gaps?certain=1", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_true(jr_string_copy(jr_get(jr_at(items(desk), 0), "from_at"), from, sizeof(from)));
	assert_true(jr_string_copy(jr_get(jr_at(items(desk), 0), "to_at"), to, sizeof(to)));
	assert_true(text_is(jr_get(jr_at(items(desk), 0), "time_quality"), "none"));
	/* After what boot-0 read, before boot-2 began; less what is known to lie between. */
	assert_int_equal(strncmp(from, "2026-11-20T", 11), 0);
	assert_true(strcmp(from, to) < 0);
	assert_true(number_at(jr_at(items(desk), 0), "seconds") <= 7200.0);
	assert_true(number_at(jr_at(items(desk), 0), "seconds") > 6000.0);
}

static void only_who_may_change_things_dismisses_and_it_is_written_down(void **state)
{
	struct desk *desk = *state;
	char path[100];
	int64_t sure;
	int64_t tail;

	lose(desk);
	sure = bench_query(desk->bench, "SELECT id FROM gap WHERE possible = 0");
	tail = bench_query(desk->bench, "SELECT id FROM gap WHERE possible = 1");
	desk_token(desk, "ops", "w1");
	(void)snprintf(path, sizeof(path), WS "/gaps/%lld/dismiss", (long long)tail);
	assert_int_equal(desk_post(desk, path, ""), 403);
	desk_token(desk, "admin", "w2");
	assert_int_equal(desk_post(desk, path, ""), 404);
	desk_token(desk, "admin", "w1");
	assert_int_equal(desk_post(desk, path, "{\"note\":7}"), 400);
	assert_int_equal(desk_post(desk, path, "{"), 400);
	assert_int_equal(desk_post(desk, path, "{\"note\":\"it was \\\"off\\\"\"}"), 200);
	assert_true(text_is(jr_get(root(desk), "dismissed_by"), "token:token-3"));
	assert_true(text_is(jr_get(root(desk), "note"), "it was \"off\""));
	assert_int_equal(desk_post(desk, path, ""), 409);
	assert_true(text_is(jr_get(root(desk), "title"), "Conflict"));
	(void)snprintf(path, sizeof(path), WS "/gaps/%lld/dismiss", (long long)sure);
	assert_int_equal(desk_post(desk, path, ""), 409);
	assert_int_equal(desk_post(desk, WS "/gaps/4711/dismiss", ""), 404);
	assert_int_equal(desk_post(desk, WS "/gaps/x/dismiss", ""), 404);
	assert_int_equal(desk_get(desk, WS "/gaps?open=1", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_int_equal(bench_query(desk->bench, "SELECT count(*) FROM event WHERE name ="
						  " 'GapDismissed'"),
			 1);
	/* The writer of the core goes on behind it. */
	desk_data(desk, 7, 51);
}

static void the_figures_count_what_is_missing_by_gateway_and_device(void **state)
{
	struct desk *desk = *state;
	const struct jr_value *gaps;

	lose(desk);
	assert_int_equal(desk_get(desk, WS "/indicators?window=24h", NULL), 200);
	gaps = jr_get(root(desk), "gaps");
	assert_int_equal(integer_at(gaps, "count"), 1);
	assert_int_equal(integer_at(gaps, "batches"), 4);
	assert_int_equal(integer_at(gaps, "records_unknown_in"), 1);
	assert_true(number_at(gaps, "seconds") == 60.0);
	assert_int_equal(integer_at(gaps, "possible"), 1);
	assert_int_equal(integer_at(gaps, "recovered"), 0);
	assert_int_equal(integer_at(jr_at(jr_get(gaps, "by_gateway"), 0), "batches"), 4);
	assert_true(text_is(jr_get(jr_at(jr_get(gaps, "by_device"), 0), "device_id"), "d1"));
	assert_int_equal(integer_at(jr_get(root(desk), "freshness"), "devices"), 1);
	assert_true(number_at(jr_get(root(desk), "freshness"), "p99_s") == 60.0);
	assert_true(number_at(root(desk), "coverage") == 1.0);
	assert_true(jr_count(jr_get(root(desk), "outcomes")) >= 2);
	/* One of them comes after all; the whole is behind the window later. */
	desk_data(desk, 3, 49);
	assert_int_equal(desk_get(desk, WS "/indicators?window=60m", NULL), 200);
	gaps = jr_get(root(desk), "gaps");
	assert_int_equal(integer_at(gaps, "batches"), 3);
	assert_int_equal(integer_at(gaps, "recovered"), 1);
	clock_fake_advance(&desk->bench->clock, 61 * MINUTE);
	assert_int_equal(desk_get(desk, WS "/indicators?window=3600", NULL), 200);
	assert_int_equal(integer_at(jr_get(root(desk), "gaps"), "count"), 0);
	assert_int_equal(desk_get(desk, WS "/indicators?window=never", NULL), 400);
	assert_int_equal(desk_get(desk, WS "/indicators?window=500d", NULL), 400);
	assert_int_equal(desk_get(desk, WS "/indicators?window=0", NULL), 400);
}

static void a_gateway_shows_its_epochs_and_what_was_answered(void **state)
{
	struct desk *desk = *state;
	const struct jr_value *epochs;

	lose(desk);
	assert_int_equal(desk_get(desk, WS "/gateways/g1", NULL), 200);
	epochs = jr_get(root(desk), "epochs");
	assert_int_equal(jr_count(epochs), 2);
	assert_true(text_is(jr_get(jr_at(epochs, 0), "epoch"), "e2"));
	assert_true(text_is(jr_get(jr_at(epochs, 0), "prev"), EPOCH));
	assert_true(text_is(jr_get(jr_at(epochs, 0), "state"), "running"));
	assert_true(text_is(jr_get(jr_at(epochs, 1), "state"), "accounted_for"));
	assert_int_equal(integer_at(jr_at(epochs, 1), "lost_batches"), 4);
	assert_true(jr_count(jr_get(root(desk), "outcomes_24h")) > 0);
}

static void two_machines_stand_in_list_worklist_and_health(void **state)
{
	struct desk *desk = *state;
	const struct jr_value *gateways;

	for (int i = 0; i < 6; i++) {
		struct pack pack;

		pack_begin(&pack, desk->bench, i % 2 ? "e1" : "e2", i + 1);
		pack_soc(&pack, "d1", desk->bench->clock.mono_us + i, 50);
		assert_int_equal(pack_send(&pack, desk->bench, NULL), 0);
	}
	assert_int_equal(bench_commit(desk->bench), 0);
	assert_int_equal(desk_get(desk, WS "/health?reason=duplicate_gateway", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 1);
	assert_int_equal(desk_get(desk, WS "/issues", NULL), 200);
	gateways = jr_get(root(desk), "gateways");
	assert_int_equal(jr_count(gateways), 1);
	assert_true(text_is(jr_get(jr_at(gateways, 0), "reason"), "duplicate_gateway"));
	assert_int_equal(desk_get(desk, WS "/gateways", NULL), 200);
	assert_int_equal(jr_type(jr_get(jr_at(items(desk), 0), "duplicate_since")), JR_STRING);
	/* One is switched off. */
	clock_fake_advance(&desk->bench->clock, 11 * MINUTE);
	assert_int_equal(desk_get(desk, WS "/issues", NULL), 200);
	assert_int_equal(jr_count(jr_get(root(desk), "gateways")), 0);
	assert_int_equal(desk_get(desk, WS "/gateways", NULL), 200);
	assert_int_equal(jr_type(jr_get(jr_at(items(desk), 0), "duplicate_since")), JR_NULL);
	assert_int_equal(desk_get(desk, WS "/health?reason=duplicate_gateway", NULL), 200);
	assert_int_equal(jr_count(items(desk)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)

int suite_cloud_loss(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_gap_is_listed_with_its_bounds_and_its_devices),
		TEST(a_gap_that_nobody_can_date_lies_between_its_neighbours),
		TEST(only_who_may_change_things_dismisses_and_it_is_written_down),
		TEST(the_figures_count_what_is_missing_by_gateway_and_device),
		TEST(a_gateway_shows_its_epochs_and_what_was_answered),
		TEST(two_machines_stand_in_list_worklist_and_health),
	};

	return cmocka_run_group_tests_name("cloud.loss", tests, NULL, NULL);
}
