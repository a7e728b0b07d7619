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

#include "storage/coredb/ledger.h"
#include "tests/unit/cloud/accept/bench.h"

int suite_cloud_history(void);

#define SECOND INT64_C(1000000)
#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* The batch that coredb_batch_each() showed last. */
struct shown {
	int count, records;
	unsigned accepted, parked;
	size_t devices;
	int64_t device;
	void *body;
	size_t len;
};

static int show_batch(void *arg, const struct coredb_batch *batch)
{
	struct shown *shown = arg;

	shown->count++;
	shown->records = batch->records;
	shown->accepted = batch->accepted;
	shown->parked = batch->parked;
	shown->devices = batch->device_count;
	shown->device = batch->device_count ? batch->devices[0] : 0;
	free(shown->body);
	shown->body = malloc(batch->len);
	assert_non_null(shown->body);
	memcpy(shown->body, batch->body, batch->len);
	shown->len = batch->len;
	return 0;
}

/* One batch of d1, and of d2, which nobody has registered. Its payload is the caller's. */
static void send_two(struct bench *b, struct buf *payload)
{
	struct accept_batch_result result;
	struct pack pack;

	pack_begin(&pack, b, "e1", 1);
	pack_soc(&pack, "d1", clock_mono_us(&b->clock.clock) - SECOND, 80);
	pack_soc(&pack, "d2", clock_mono_us(&b->clock.clock), 55);
	pack_finish(&pack, payload);
	assert_int_equal(
		accept_batch(b->accept, "w1", "g1", payload->data, payload->len, WALL, &result), 0);
	assert_int_equal(bench_commit(b), 0);
}

static void a_batch_is_found_by_its_time_with_the_body_that_was_sent(void **state)
{
	struct bench *b = *state;
	struct shown shown = {0};
	struct buf payload;
	const char *body;

	send_two(b, &payload);
	assert_int_equal(coredb_batch_each(b->db, b->gateway.id, WALL, WALL, show_batch, &shown),
			 1);
	assert_int_equal(shown.count, 1);
	assert_int_equal(shown.records, 2);
	assert_int_equal(shown.accepted, 1);
	assert_int_equal(shown.parked, 1);
	assert_int_equal(shown.devices, 1);
	assert_int_equal(shown.device, b->device.id);
	body = memchr(payload.data, '\n', payload.len);
	assert_non_null(body);
	body++;
	assert_int_equal(shown.len, payload.len - (size_t)(body - (const char *)payload.data));
	assert_memory_equal(shown.body, body, shown.len);

	assert_int_equal(
		coredb_batch_each(b->db, b->gateway.id, WALL + 1, WALL + 60000, show_batch, &shown),
		0);
	assert_int_equal(coredb_batch_each(b->db, b->gateway.id, WALL - 60000, WALL - 1001,
					   show_batch, &shown),
			 0);
	assert_int_equal(
		coredb_batch_each(b->db, b->gateway.id + 1, WALL, WALL, show_batch, &shown), 0);
	free(shown.body);
	buf_free(&payload);
}

static int sum_outcome(void *arg, const struct coredb_outcome *row)
{
	int64_t *sums = arg;

	if (strcmp(row->outcome, "accepted") == 0) {
		assert_string_equal(row->device_name, "d1");
		sums[0] += row->count;
	} else {
		assert_string_equal(row->outcome, "parked");
		assert_string_equal(row->reason, "unknown_device");
		assert_string_equal(row->device_name, "");
		sums[1] += row->count;
	}
	assert_string_equal(row->gateway_name, "g1");
	return 0;
}

static void outcomes_are_summed_by_device_and_reason(void **state)
{
	struct bench *b = *state;
	int64_t sums[2] = {0, 0};
	struct buf payload;

	send_two(b, &payload);
	assert_int_equal(coredb_outcome_each(b->db, b->workspace.id, WALL, sum_outcome, sums), 2);
	assert_int_equal(sums[0], 1);
	assert_int_equal(sums[1], 1);
	assert_int_equal(
		coredb_outcome_each(b->db, b->workspace.id, WALL + DAY_MS, sum_outcome, sums), 0);
	buf_free(&payload);
}

static void sweep(struct bench *b, int64_t now_ms)
{
	int64_t ahead_ms = now_ms - clock_wall_ms(&b->clock.clock);
	unsigned changed;

	if (ahead_ms > 0)
		clock_fake_advance(&b->clock, ahead_ms * 1000);
	assert_int_equal(accept_sweep(b->accept, now_ms, &changed), 0);
	assert_int_equal(bench_commit(b), 0);
}

static void history_ends_with_its_retention_but_not_while_a_record_is_parked(void **state)
{
	const int64_t days = 1 + ((struct bench *)*state)->workspace.policy.retention_days;
	struct bench *b = *state;
	struct buf payload;

	send_two(b, &payload);
	sweep(b, WALL + (days - 2) * DAY_MS);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 1);
	sweep(b, WALL + days * DAY_MS);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(sql_exec(coredb_sql(b->db), "DELETE FROM parked"), 0);
	sweep(b, WALL + (days - 2) * DAY_MS);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 1);
	sweep(b, WALL + days * DAY_MS);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 0);
	buf_free(&payload);
}

static void a_clock_that_jumps_ahead_by_years_ends_no_history(void **state)
{
	const int64_t hour_us = INT64_C(3600) * 1000000;
	struct bench *b = *state;
	struct buf payload;

	send_two(b, &payload);
	assert_int_equal(sql_exec(coredb_sql(b->db), "DELETE FROM parked"), 0);
	clock_fake_advance(&b->clock, 10 * hour_us);
	b->clock.wall_ms += (int64_t)20 * 365 * DAY_MS;
	for (int i = 0; i < 5; i++) {
		sweep(b, clock_wall_ms(&b->clock.clock));
		clock_fake_advance(&b->clock, hour_us);
	}
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 1);
	/* Nobody set it back: so be it. */
	clock_fake_advance(&b->clock, 2 * hour_us);
	sweep(b, clock_wall_ms(&b->clock.clock));
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 0);
	buf_free(&payload);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int suite_cloud_history(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_is_found_by_its_time_with_the_body_that_was_sent),
		TEST(outcomes_are_summed_by_device_and_reason),
		TEST(history_ends_with_its_retention_but_not_while_a_record_is_parked),
		TEST(a_clock_that_jumps_ahead_by_years_ends_no_history),
	};

	return cmocka_run_group_tests_name("cloud.history", tests, NULL, NULL);
}
