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

#include "cloud/accept/accept_priv.h"
#include "cloud/domain/health.h"
#include "tests/unit/cloud/accept/bench.h"

int suite_cloud_accept(void);

#define EPOCH "e1"
#define SECOND INT64_C(1000000)

static int64_t mono(struct bench *b)
{
	return clock_mono_us(&b->clock.clock);
}

static void send_soc(struct bench *b, int64_t number, const char *device, int64_t mono_us,
		     double soc, struct accept_batch_result *result)
{
	struct pack pack;

	pack_begin(&pack, b, EPOCH, number);
	pack_soc(&pack, device, mono_us, soc);
	assert_int_equal(pack_send(&pack, b, result), 0);
}

static void a_batch_is_acked_after_its_commit_and_not_before(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;

	send_soc(b, 1, "d1", mono(b), 80, &result);
	assert_int_equal(result.answer, ACCEPT_COMMITTED);
	assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
	assert_int_equal(b->acks, 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->acks, 1);
	assert_int_equal(b->acked_count, 1);
	assert_int_equal(b->acked[0], 1);
	assert_string_equal(b->last_ack.session, "session1");
	assert_string_equal(b->last_ack.epoch, EPOCH);
	assert_true(bench_soc(b, b->device.id) == 80);
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(bench_query(b, "SELECT sum(count) FROM outcome WHERE outcome = 'accepted'"
					" AND device_id > 0"),
			 1);
}

static void a_batch_that_comes_again_is_acked_again_and_changes_nothing(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	int64_t at = mono(b);

	for (int i = 0; i < 3; i++) {
		send_soc(b, 1, "d1", at, 80, &result);
		assert_int_equal(result.answer, i == 0 ? ACCEPT_COMMITTED : ACCEPT_AGAIN);
		if (i < 2)
			assert_int_equal(bench_commit(b), 0);
		if (i == 1)
			bench_reopen(b);
	}
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->acked_count, 1);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(bench_query(b, "SELECT sum(count) FROM outcome WHERE outcome ="
					" 'duplicate'"),
			 2);
}

static void another_body_under_the_same_number_is_taken_too_and_the_epoch_is_forked(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;

	send_soc(b, 1, "d1", mono(b), 80, &result);
	assert_int_equal(bench_commit(b), 0);
	send_soc(b, 1, "d1", mono(b) + 1, 81, &result);
	assert_int_equal(result.answer, ACCEPT_COMMITTED);
	assert_int_equal(bench_commit(b), 0);
	assert_true(bench_soc(b, b->device.id) == 81);
	assert_int_equal(bench_query(b, "SELECT forked FROM epoch"), 1);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE possible = 1 AND"
					" reason = 'forked' AND recovered_at IS NULL"),
			 1);
	send_soc(b, 1, "d1", mono(b) + 1, 81, &result);
	assert_int_equal(result.answer, ACCEPT_AGAIN);
}

static void a_fork_does_not_write_its_gap_anew_at_each_batch(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	int64_t row;

	send_soc(b, 1, "d1", mono(b), 80, &result);
	send_soc(b, 1, "d1", mono(b) + 1, 81, &result);
	assert_int_equal(bench_commit(b), 0);
	row = bench_query(b, "SELECT id FROM gap WHERE reason = 'forked' AND first = 2");
	assert_true(row > 0);
	for (int64_t number = 2; number < 6; number++) {
		send_soc(b, number, "d1", mono(b) + number, 82, &result);
		assert_int_equal(bench_commit(b), 0);
	}
	assert_int_equal(bench_query(b, "SELECT id FROM gap WHERE reason = 'forked'"), row);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap"), 1);
}

/* Every second number of an epoch: sent, lost, never heard of. */
#define SCATTERED (2 * (int64_t)ACCEPT_RANGES_MAX + 200)

static void send_scattered(struct bench *b, int64_t from)
{
	struct accept_batch_result result;

	for (int64_t number = from; number <= SCATTERED; number += 2) {
		send_soc(b, number, "d1", mono(b) + number, (double)(number % 100), &result);
		assert_int_equal(result.answer, ACCEPT_COMMITTED);
		if (number % 64 < 2)
			assert_int_equal(bench_commit(b), 0);
	}
	assert_int_equal(bench_commit(b), 0);
}

static void a_scattered_epoch_stays_bounded_and_hides_no_loss(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	int64_t below;

	send_scattered(b, 2);
	assert_in_range(bench_query(b, "SELECT length(committed) FROM epoch"), 1,
			4 * ACCEPT_RANGES_MAX);
	/* All that is missing and no longer kept apart stands in one possible gap. */
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap"), 1);
	below = bench_query(b, "SELECT last FROM gap WHERE reason = 'too_scattered' AND"
			       " possible = 1 AND first = 1 AND recovered_at IS NULL");
	assert_true(below > ACCEPT_RANGES_MAX / 2 && below % 2 == 1);
	/* What was under way all the time is taken, once. */
	send_scattered(b, 1);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), SCATTERED);
	send_soc(b, 1, "d1", mono(b) + 1, 1, &result);
	assert_int_equal(result.answer, ACCEPT_AGAIN);
	send_soc(b, 2, "d1", mono(b) + 2, 2, &result);
	assert_int_equal(result.answer, ACCEPT_AGAIN);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), SCATTERED);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap"), 1);
}

static void scattered_losses_stay_bounded_and_shrink_when_they_come(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	char record[8192];

	for (int64_t first = 2; first < SCATTERED; first += 400) {
		struct pack pack;
		int len = snprintf(record, sizeof(record),
				   "{\"kind\":\"dropped\",\"epoch\":\"lossy\",\"ranges\":[");

		for (int64_t n = first; n < first + 400; n += 2)
			len += snprintf(record + len, sizeof(record) - (size_t)len, "%s[%lld,%lld]",
					n > first ? "," : "", (long long)n, (long long)n);
		(void)snprintf(record + len, sizeof(record) - (size_t)len,
			       "],\"records\":200,\"reason\":\"spool_full\",\"first_mono_us\":1,"
			       "\"last_mono_us\":2}");
		pack_begin(&pack, b, EPOCH, first / 400 + 1);
		pack_raw(&pack, record);
		assert_int_equal(pack_send(&pack, b, &result), 0);
		assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
		assert_int_equal(bench_commit(b), 0);
	}
	assert_in_range(bench_query(b, "SELECT length(lost) FROM epoch WHERE name = 'lossy'"), 1,
			4 * ACCEPT_RANGES_MAX);
	assert_in_range(bench_query(b, "SELECT count(*) FROM gap"), 1, ACCEPT_RANGES_MAX);
	/* Nothing that was stated is missing from the gaps, and what is in them beside it says why. */
	(void)snprintf(
		record, sizeof(record),
		"WITH RECURSIVE n(x) AS (SELECT 2 UNION ALL SELECT x + 2 FROM n WHERE x < %lld)"
		" SELECT count(*) FROM n WHERE 1 <> (SELECT count(*) FROM gap"
		" WHERE first <= x AND last >= x)",
		(long long)SCATTERED - 2);
	assert_int_equal(bench_query(b, record), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE last > first AND"
					" reason <> 'too_scattered'"),
			 0);
	/* A number between them comes after all. */
	{
		struct pack pack;

		pack_begin(&pack, b, "lossy", 3);
		pack_soc(&pack, "d1", mono(b), 33);
		assert_int_equal(pack_send(&pack, b, &result), 0);
	}
	assert_int_equal(result.answer, ACCEPT_COMMITTED);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b,
				     "SELECT count(*) FROM gap WHERE first <= 3 AND last >= 3 AND"
				     " recovered_at IS NULL"),
			 0);
}

static void one_poisonous_record_does_not_stop_its_neighbours(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	pack_begin(&pack, b, EPOCH, 1);
	pack_soc(&pack, "d1", mono(b), 70);
	pack_raw(&pack, "{\"kind\":\"update\",\"device_id\":7}");
	pack_raw(&pack, "[]");
	pack_raw(&pack, "{\"kind\":\"update\",\"device_id\":\"d1\",\"provider\":\"obd\","
			"\"source\":\"obd0\",\"mono_us\":1000000001,"
			"\"module_status\":{\"battery\":\"success\"},"
			"\"battery\":{\"state_of_charge_pct\":900}}");
	pack_soc(&pack, "d1", mono(b) + 2, 71);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(result.outcomes[ACCEPT_REJECTED], 2);
	assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 3);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->acked_count, 1);
	assert_true(bench_soc(b, b->device.id) == 71);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM rejection WHERE reason ="
					" 'malformed'"),
			 2);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM rejection WHERE reason ="
					" 'implausible'"),
			 1);
}

static void what_cannot_be_read_is_counted_and_disturbs_nothing(void **state)
{
	static const char *const payloads[] = {"", "not json\n[]", "{\"v\":1}\n[]",
					       "{\"v\":9,\"epoch\":\"e1\",\"batch\":4}\n[]",
					       "\xff\xfe\n"};
	struct bench *b = *state;
	struct accept_batch_result result;

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		assert_int_equal(accept_batch(b->accept, "w1", "g1", payloads[i],
					      strlen(payloads[i]), WALL, &result),
				 0);
		assert_true(result.answer == ACCEPT_REFUSED || result.answer == ACCEPT_DEFERRED);
	}
	assert_int_equal(accept_batch(b->accept, "w1", "nobody", "x", 1, WALL, &result), 0);
	assert_int_equal(result.answer, ACCEPT_REFUSED);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->acked_count, 0);
	assert_int_equal(bench_query(b, "SELECT sum(count) FROM outcome WHERE outcome ="
					" 'rejected'"),
			 6);
	assert_int_equal(bench_query(b, "SELECT sum(count) FROM rejection"), 6);
}

static void an_unknown_device_is_parked_and_applied_when_it_is_registered(void **state)
{
	struct bench *b = *state;
	struct coredb_device device = b->device;
	struct accept_batch_result result;
	unsigned applied = 0;

	send_soc(b, 1, "d2", mono(b), 55, &result);
	assert_int_equal(result.outcomes[ACCEPT_PARKED], 1);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->acked_count, 1);
	clock_fake_advance(&b->clock, 60 * SECOND);
	(void)snprintf(device.name, sizeof(device.name), "d2");
	device.vehicle = 0;
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_device_add(b->db, &device, WALL + 60000), 0);
	assert_int_equal(accept_parked(b->accept, &device, WALL + 60000, &applied), 0);
	assert_int_equal(applied, 1);
	assert_int_equal(bench_commit(b), 0);
	assert_true(bench_soc(b, device.id) == 55);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM parked"), 0);
	/* It is as old as it was when it was received. */
	assert_int_equal(bench_query(b, "SELECT max(last_update_at) FROM device_state"), WALL);
}

static void a_device_of_another_workspace_is_refused(void **state)
{
	struct bench *b = *state;
	struct coredb_workspace other = b->workspace;
	struct coredb_device device = b->device;
	struct accept_batch_result result;

	(void)snprintf(other.name, sizeof(other.name), "w2");
	(void)snprintf(device.name, sizeof(device.name), "theirs");
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_workspace_add(b->db, &other, WALL), 0);
	device.workspace = other.id;
	device.vehicle = 0;
	device.gateway = 0;
	assert_int_equal(coredb_device_add(b->db, &device, WALL), 0);
	send_soc(b, 1, "theirs", mono(b), 55, &result);
	assert_int_equal(result.outcomes[ACCEPT_REJECTED], 1);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM rejection WHERE reason ="
					" 'wrong_workspace'"),
			 1);
	assert_true(bench_soc(b, device.id) < 0);
}

/* The command line of another process mends the registry while this core has everything cached. */
static void a_wrong_vin_is_parked_until_another_process_corrects_it(void **state)
{
	struct bench *b = *state;
	struct bench other = *b;
	struct accept_batch_result result;
	struct accept_config config = {.clock = &b->clock.clock, .cache_devices = 4};
	unsigned applied = 0;
	struct pack pack;

	send_soc(b, 1, "d1", mono(b), 50, &result);
	pack_begin(&pack, b, EPOCH, 2);
	pack_soc_vin(&pack, "d1", mono(b) + 1, 60, OTHER_VIN);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(result.outcomes[ACCEPT_PARKED], 1);
	assert_int_equal(bench_commit(b), 0);
	assert_true(bench_soc(b, b->device.id) == 50);

	assert_int_equal(coredb_open(b->url, 0, &other.db, NULL, 0), 0);
	config.db = other.db;
	assert_int_equal(accept_create(&config, &other.accept), 0);
	assert_int_equal(accept_begin(other.accept), 0);
	(void)snprintf(other.vehicle.vin, sizeof(other.vehicle.vin), "%s", OTHER_VIN);
	assert_int_equal(coredb_vehicle_update(other.db, &other.vehicle, WALL), 0);
	assert_int_equal(coredb_device_get(other.db, b->device.id, &other.device), 0);
	assert_int_equal(accept_parked(other.accept, &other.device, WALL, &applied), 0);
	assert_int_equal(applied, 1);
	assert_int_equal(accept_commit(other.accept), 0);
	accept_destroy(other.accept);
	coredb_close(other.db);

	assert_true(bench_soc(b, b->device.id) == 60);
	/* The first core goes on with the new VIN and with what the other has written. */
	pack_begin(&pack, b, EPOCH, 3);
	pack_soc_vin(&pack, "d1", mono(b) + 2, 61, OTHER_VIN);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
	assert_int_equal(bench_commit(b), 0);
	assert_true(bench_soc(b, b->device.id) == 61);
}

static void late_data_is_history_and_does_not_touch_freshness(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;

	clock_fake_advance(&b->clock, 100 * SECOND);
	send_soc(b, 2, "d1", mono(b), 80, &result);
	assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
	send_soc(b, 1, "d1", mono(b) - 50 * SECOND, 70, &result);
	assert_int_equal(result.outcomes[ACCEPT_LATE], 1);
	assert_int_equal(bench_commit(b), 0);
	assert_true(bench_soc(b, b->device.id) == 80);
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL + 100000);
}

static void what_falls_below_the_floor_is_a_gap_until_it_arrives(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	pack_begin(&pack, b, EPOCH, 9);
	pack.header.floor = 5;
	pack_soc(&pack, "d1", mono(b), 50);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT first * 100 + last FROM gap WHERE recovered_at IS"
					" NULL"),
			 104);
	send_soc(b, 2, "d1", mono(b) - 5, 49, &result);
	assert_int_equal(result.answer, ACCEPT_COMMITTED);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE recovered_at IS NULL"), 2);
	assert_int_equal(bench_query(b, "SELECT sum(last - first + 1) FROM gap WHERE recovered_at"
					" IS NULL"),
			 3);
	assert_int_equal(bench_query(b, "SELECT first * 100 + last FROM gap WHERE recovered_at IS"
					" NOT NULL"),
			 202);
}

static void an_end_states_what_is_lost_and_what_may_be(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	send_soc(b, 1, "d1", mono(b), 50, &result);
	send_soc(b, 4, "d1", mono(b) + 1, 51, &result);
	pack_begin(&pack, b, "e2", 1);
	(void)snprintf(pack.header.prev, sizeof(pack.header.prev), EPOCH);
	pack_raw(&pack, "{\"kind\":\"epoch_end\",\"epoch\":\"" EPOCH "\",\"boot_id\":\"boot-1\","
			"\"held\":[[3,3]],\"end\":null}");
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
	assert_int_equal(bench_commit(b), 0);
	/* 2 is lost, 3 is held, from 5 on nobody knows. */
	assert_int_equal(bench_query(b, "SELECT first * 100 + last FROM gap WHERE possible = 0"),
			 202);
	assert_int_equal(bench_query(b, "SELECT first FROM gap WHERE possible = 1"), 5);
	assert_int_equal(bench_query(b, "SELECT open FROM epoch WHERE name = '" EPOCH "'"), 1);
	send_soc(b, 3, "d1", mono(b), 50, &result);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT open FROM epoch WHERE name = '" EPOCH "'"), 0);
}

static void a_silent_open_epoch_is_asked_for_and_given_up_after_a_day(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;
	unsigned changed;

	send_soc(b, 1, "d1", mono(b), 50, &result);
	send_soc(b, 5, "d1", mono(b), 50, &result);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->last_ack.ask_count, 0);
	clock_fake_advance(&b->clock, 601 * SECOND);
	pack_begin(&pack, b, "e2", 1);
	pack_soc(&pack, "d1", mono(b), 51);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->last_ack.ask_count, 1);
	assert_string_equal(b->last_ack.ask[0], EPOCH);
	clock_fake_advance(&b->clock, 25 * INT64_C(3600) * SECOND);
	assert_int_equal(accept_sweep(b->accept, clock_wall_ms(&b->clock.clock), &changed), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT abandoned FROM epoch WHERE name = '" EPOCH "'"), 1);
	/* Also what is missing below the highest number that was heard of. */
	assert_int_equal(bench_query(b, "SELECT first FROM gap WHERE reason = 'abandoned' AND"
					" possible = 1 AND last = -1"),
			 2);
	/* It speaks after all. */
	send_soc(b, 2, "d1", mono(b), 52, &result);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT abandoned FROM epoch WHERE name = '" EPOCH "'"), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap"), 0);
}

static void gateways_that_are_away_do_not_keep_an_epoch_from_being_given_up(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct coredb_gateway away = {.workspace = b->workspace.id};
	char name[32];
	struct pack pack;
	unsigned changed;

	(void)snprintf(away.name, sizeof(away.name), "g2");
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_gateway_add(b->db, &away, WALL), 0);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "away%d", i);
		assert_int_equal(coredb_epoch_mention(b->db, away.id, name, WALL - 1000), 0);
	}
	send_soc(b, 1, "d1", mono(b), 50, &result);
	send_soc(b, 5, "d1", mono(b), 50, &result);
	assert_int_equal(bench_commit(b), 0);
	clock_fake_advance(&b->clock, 601 * SECOND);
	pack_begin(&pack, b, "e2", 1);
	pack_soc(&pack, "d1", mono(b), 51);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->last_ack.ask_count, 1);
	clock_fake_advance(&b->clock, 25 * INT64_C(3600) * SECOND);
	assert_int_equal(accept_sweep(b->accept, clock_wall_ms(&b->clock.clock), &changed), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE reason = 'abandoned'"), 1);
	/* Nobody could ask the others. */
	assert_int_equal(bench_query(b, "SELECT count(*) FROM epoch WHERE abandoned = 1"), 1);
}

static void nothing_is_observed_after_it_was_received(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	/* A clock that is an hour ahead, in a boot that ended before anything was sent live. */
	for (int64_t number = 1; number <= 2; number++) {
		pack_begin(&pack, b, EPOCH, number);
		pack.header.boot.sent_mono_us = MODEL_NO_TIME;
		pack.header.boot.anchor_mono_us = mono(b) + number;
		pack.header.boot.anchor_at_ms = WALL + number * 3600000;
		pack.header.boot.quality = CLOCK_QUALITY_SYNCED;
		pack_soc(&pack, "d1", mono(b), 50);
		assert_int_equal(pack_send(&pack, b, &result), 0);
		assert_int_equal(bench_commit(b), 0);
		assert_int_equal(bench_query(b, "SELECT observed_at FROM device_state"), WALL);
		assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL);
	}
}

static void a_parked_record_that_cannot_be_read_any_more_stays_parked(void **state)
{
	struct bench *b = *state;
	static const char record[] = "{\"kind\":\"of another version\"}";
	struct coredb_parked row = {.workspace = b->workspace.id,
				    .gateway = b->gateway.id,
				    .device_name = "d1",
				    .reason = "unknown_device",
				    .received_ms = WALL,
				    .vin = "",
				    .record = record,
				    .record_len = sizeof(record) - 1};
	unsigned applied = 1;

	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_parked_add(b->db, &row), 0);
	assert_int_equal(accept_parked(b->accept, &b->device, WALL, &applied), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(applied, 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM parked"), 1);
}

static void what_was_judged_without_the_boot_is_not_committed(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct model_update update;
	struct model_update_room room = {0};
	struct model_value soc = {.as = {.number = 10}};
	enum accept_outcome outcome;
	const char *reason;

	send_soc(b, 1, "d1", mono(b), 80, &result);
	assert_int_equal(bench_commit(b), 0);
	bench_reopen(b);
	model_update_init(&update, &room);
	(void)snprintf(update.device_id, sizeof(update.device_id), "d1");
	(void)snprintf(update.provider, sizeof(update.provider), "obd");
	update.at_ms = WALL - 60000;
	assert_int_equal(model_update_set_value(&update, MODEL_FIELD_STATE_OF_CHARGE_PCT, &soc), 0);
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(sql_run(sql_stmt(coredb_sql(b->db), "ALTER TABLE boot RENAME TO away")),
			 0);
	(void)accept_update(b->accept, "w1", &update, "{}", 2, WALL, &outcome, &reason);
	assert_int_not_equal(accept_commit(b->accept), 0);
	assert_true(bench_soc(b, b->device.id) == 80);
}

static void a_gap_has_the_reason_that_the_gateway_gave(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	pack_begin(&pack, b, EPOCH, 3);
	pack_raw(&pack, "{\"kind\":\"dropped\",\"epoch\":\"" EPOCH "\",\"ranges\":[[1,2]],"
			"\"records\":2,\"reason\":\"spool_age\",\"first_mono_us\":1,"
			"\"last_mono_us\":2}");
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE reason = 'spool_age'"), 1);
}

static void a_better_anchor_corrects_what_was_committed_with_a_worse_one(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	/* Recorded 40 s before it is sent, by a gateway without any clock. */
	send_soc(b, 1, "d1", mono(b) - 40 * SECOND, 50, &result);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL - 40000);
	/* Then it learns the time, and that the way here had taken 10 s. */
	pack_begin(&pack, b, EPOCH, 2);
	pack.header.boot.anchor_mono_us = mono(b);
	pack.header.boot.anchor_at_ms = WALL - 10000;
	pack.header.boot.quality = CLOCK_QUALITY_SYNCED;
	pack_raw(&pack, "{\"kind\":\"dropped\",\"epoch\":\"e9\",\"ranges\":[[1,1]],\"records\":1,"
			"\"reason\":\"spool_full\",\"first_mono_us\":1,\"last_mono_us\":2}");
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL - 50000);
	assert_int_equal(bench_query(b, "SELECT held_quality FROM boot"), CLOCK_QUALITY_SYNCED);
}

static void a_gateway_ahead_of_time_makes_nothing_fresher_than_its_receipt(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	pack_begin(&pack, b, EPOCH, 1);
	pack.header.boot.anchor_mono_us = mono(b);
	pack.header.boot.anchor_at_ms = WALL + 3600000;
	pack.header.boot.quality = CLOCK_QUALITY_SYNCED;
	pack_soc(&pack, "d1", mono(b), 50);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL);
}

static void items_without_mono_are_stale_or_of_the_future(void **state)
{
	struct bench *b = *state;
	struct model_update_room room = {0};
	struct model_update update;
	static const struct {
		int64_t at_ms;
		double soc;
		enum accept_outcome want;
	} cases[] = {
		{WALL - 5000, 50, ACCEPT_ACCEPTED},   {WALL - 9000, 40, ACCEPT_STALE},
		{WALL + 300001, 60, ACCEPT_REJECTED}, {WALL + 300000, 61, ACCEPT_ACCEPTED},
		{WALL - 1, 62, ACCEPT_STALE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum accept_outcome outcome;
		const char *reason;

		model_update_init(&update, &room);
		(void)snprintf(update.device_id, sizeof(update.device_id), "d1");
		(void)snprintf(update.provider, sizeof(update.provider), "cloud");
		(void)snprintf(update.source, sizeof(update.source), "api");
		update.mono_us = MODEL_NO_TIME;
		update.at_ms = cases[i].at_ms;
		assert_int_equal(model_update_set_number(&update, MODEL_FIELD_STATE_OF_CHARGE_PCT,
							 cases[i].soc),
				 0);
		assert_int_equal(
			accept_update(b->accept, "w1", &update, "{}", 2, WALL, &outcome, &reason),
			0);
		assert_int_equal(outcome, cases[i].want);
		if (outcome == ACCEPT_REJECTED)
			assert_string_equal(reason, "future");
	}
	assert_int_equal(bench_commit(b), 0);
	assert_true(bench_soc(b, b->device.id) == 61);
	/* Clamped by its receipt. */
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 2);
}

static void a_failing_write_leaves_nothing_half_applied(void **state)
{
	static const char *const places[] = {
		"CREATE TEMP TRIGGER fault BEFORE INSERT ON batch"
		" BEGIN SELECT RAISE(ABORT, 'fault'); END",
		"CREATE TEMP TRIGGER fault BEFORE UPDATE ON epoch"
		" BEGIN SELECT RAISE(ABORT, 'fault'); END",
		"CREATE TEMP TRIGGER fault BEFORE INSERT ON device_body"
		" BEGIN SELECT RAISE(ABORT, 'fault'); END",
		"CREATE TEMP TRIGGER fault BEFORE INSERT ON outcome"
		" BEGIN SELECT RAISE(ABORT, 'fault'); END",
		"CREATE TEMP TRIGGER fault BEFORE INSERT ON parked"
		" BEGIN SELECT RAISE(ABORT, 'fault'); END",
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int64_t number = (int64_t)i + 1;
		double before = bench_soc(b, b->device.id);
		struct accept_batch_result result;
		struct pack pack;
		struct buf payload;
		int r;

		pack_begin(&pack, b, EPOCH, number);
		pack_soc(&pack, "d1", mono(b) + number, 10.0 + (double)i);
		pack_soc(&pack, "nobody", mono(b) + number, 10);
		pack_finish(&pack, &payload);
		assert_int_equal(sql_exec(coredb_sql(b->db), places[i]), 0);
		r = accept_batch(b->accept, "w1", "g1", payload.data, payload.len, WALL, &result);
		if (!r)
			r = bench_commit(b);
		accept_rollback(b->accept);
		assert_true(r < 0);
		assert_int_equal(b->acks, 0);
		assert_int_equal(sql_exec(coredb_sql(b->db), "DROP TRIGGER fault"), 0);
		assert_true(bench_soc(b, b->device.id) == before);
		assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), (int64_t)i);
		assert_int_equal(bench_query(b, "SELECT count(*) FROM parked"), (int64_t)i);
		assert_int_equal(bench_query(b, "SELECT count(*) FROM batch_digest"), (int64_t)i);
		/* Memory is as the database is: the same batch is new, and is taken now. */
		assert_int_equal(accept_batch(b->accept, "w1", "g1", payload.data, payload.len,
					      WALL, &result),
				 0);
		assert_int_equal(result.answer, ACCEPT_COMMITTED);
		assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
		assert_int_equal(bench_commit(b), 0);
		assert_int_equal(b->acked_count, 1);
		assert_true(bench_soc(b, b->device.id) == 10.0 + (double)i);
		b->acks = 0;
		buf_free(&payload);
	}
}

static void the_sweep_tells_each_crossing_once(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	unsigned changed = 0;

	for (int i = 0; i < 3; i++) {
		clock_fake_advance(&b->clock, 3601 * SECOND);
		assert_int_equal(accept_sweep(b->accept, clock_wall_ms(&b->clock.clock), &changed),
				 0);
		assert_int_equal(bench_commit(b), 0);
		assert_int_equal(changed, i == 0);
	}
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event WHERE name ="
					" 'DeviceMarkedConfiguredNoData' AND device_id > 0"),
			 1);
	send_soc(b, 1, "d1", mono(b), 50, &result);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(accept_sweep(b->accept, clock_wall_ms(&b->clock.clock), &changed), 0);
	assert_int_equal(changed, 1);
	clock_fake_advance(&b->clock, 901 * SECOND);
	assert_int_equal(accept_sweep(b->accept, clock_wall_ms(&b->clock.clock), &changed), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event WHERE name ="
					" 'DeviceRecovered'"),
			 1);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event WHERE name ="
					" 'DeviceMarkedStale'"),
			 1);
	assert_int_equal(bench_query(b, "SELECT max(seq) - count(*) FROM event"), 0);
}

static void a_will_of_an_older_session_says_nothing(void **state)
{
	static const char online[] = "{\"v\":1,\"session\":\"s2\",\"state\":\"online\"}";
	static const char old[] = "{\"v\":1,\"session\":\"s1\",\"state\":\"offline\"}";
	static const char will[] = "{\"v\":1,\"session\":\"s2\",\"state\":\"offline\"}";
	struct bench *b = *state;
	struct accept_batch_result result;

	assert_int_equal(accept_link(b->accept, "w1", "g1", online, strlen(online), false, WALL),
			 0);
	assert_int_equal(accept_link(b->accept, "w1", "g1", old, strlen(old), false, WALL), 0);
	assert_int_equal(bench_query(b, "SELECT offline FROM gateway_state"), 0);
	assert_int_equal(accept_link(b->accept, "w1", "g1", will, strlen(will), false, WALL), 0);
	assert_int_equal(bench_query(b, "SELECT offline FROM gateway_state"), 1);
	/* Who sends is there. */
	send_soc(b, 1, "d1", mono(b), 50, &result);
	assert_int_equal(bench_query(b, "SELECT offline FROM gateway_state"), 0);
	assert_int_equal(bench_commit(b), 0);
}

static void a_report_gives_the_device_its_reason(void **state)
{
	static const char report[] =
		"{\"v\":1,\"agent_version\":\"1\",\"board\":\"b\",\"boot_id\":\"boot-1\","
		"\"uptime_s\":1,\"clock\":\"synced\",\"spool\":{\"young\":0,\"batches\":3,"
		"\"bytes\":1,\"oldest_at\":null,\"dropped_total\":0,\"written_bytes_today\":0},"
		"\"sources\":[{\"name\":\"obd0\",\"kind\":\"obd\",\"device_id\":\"d1\","
		"\"state\":\"error\",\"reason\":\"adapter_unplugged\",\"detail\":\"gone\","
		"\"since\":\"2026-11-20T16:00:00.000Z\",\"last_ok_at\":null}],"
		"\"certificates\":[],\"sent_at\":\"2026-11-20T16:00:00.000Z\"}";
	struct bench *b = *state;
	struct coredb_health_row row;

	assert_int_equal(accept_status(b->accept, "w1", "g1", report, strlen(report), true, WALL),
			 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gateway_source"), 0);
	assert_int_equal(accept_status(b->accept, "w1", "g1", report, strlen(report), false, WALL),
			 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(coredb_health_get(b->db, b->device.id, &row), 0);
	assert_int_equal(row.source_state, WIRE_SOURCE_ERROR);
	assert_string_equal(row.source_reason, "adapter_unplugged");
	assert_int_equal(row.backlog_batches, 3);
	assert_int_equal(row.gateway_contact_at_ms, WALL);
}

static void a_device_without_a_gateway_gets_evidence_of_the_one_it_came_by(void **state)
{
	struct bench *b = *state;
	struct coredb_device device = {.workspace = b->workspace.id,
				       .name = "d2",
				       .provider = "obd",
				       .activated_at_ms = WALL};
	struct accept_batch_result result;
	struct coredb_health_row row;

	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_device_add(b->db, &device, WALL), 0);
	send_soc(b, 1, "d2", mono(b), 50, &result);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(coredb_health_get(b->db, device.id, &row), 0);
	assert_int_equal(row.device.gateway, b->gateway.id);
	assert_string_equal(row.device.gateway_name, "g1");
	assert_int_equal(row.gateway_contact_at_ms, WALL);
	/* Who has a gateway of its own keeps that. */
	assert_int_equal(coredb_health_get(b->db, b->device.id, &row), 0);
	assert_int_equal(row.device.gateway, b->gateway.id);
	/* It is evidence, no registration. */
	assert_int_equal(coredb_device_get(b->db, device.id, &device), 0);
	assert_int_equal(device.gateway, 0);
}

static void data_that_nobody_can_date_blames_the_clock(void **state)
{
	struct bench *b = *state;
	char masked[MODEL_VIN_SIZE];
	struct accept_batch_result result;
	struct coredb_health_row row;
	struct health_input input;
	struct pack pack;

	pack_begin(&pack, b, EPOCH, 1);
	pack.header.boot.sent_mono_us = MODEL_NO_TIME;
	pack.header.lane = WIRE_LANE_BACKLOG;
	pack_soc(&pack, "d1", 5, 50);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(coredb_health_get(b->db, b->device.id, &row), 0);
	evidence_health(&row, WALL, WALL, masked, &input);
	assert_true(input.clock_untrusted);
	/* A live send of the same boot dates it by its receipt. */
	send_soc(b, 2, "d1", mono(b), 51, &result);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(coredb_health_get(b->db, b->device.id, &row), 0);
	evidence_health(&row, WALL, WALL, masked, &input);
	assert_false(input.clock_untrusted);
}

static void two_epochs_that_alternate_are_two_machines(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 4; i++) {
		struct accept_batch_result result;
		struct pack pack;

		pack_begin(&pack, b, i % 2 ? "e2" : EPOCH, i / 2 + 1);
		pack_soc(&pack, "d1", mono(b) + i, 50);
		assert_int_equal(pack_send(&pack, b, &result), 0);
	}
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event WHERE name ="
					" 'DuplicateGatewayDetected'"),
			 1);
	assert_int_equal(bench_query(b, "SELECT duplicate_at FROM gateway_state"), WALL);
}

static void an_end_below_a_number_that_was_heard_is_not_believed(void **state)
{
	struct bench *b = *state;
	struct pack pack;

	pack_begin(&pack, b, "e1", 5);
	pack_soc(&pack, "d1", clock_mono_us(&b->clock.clock), 50);
	assert_int_equal(pack_send(&pack, b, NULL), 0);
	/* As an image of the card says that was taken after number 2 and put back after number 5. */
	pack_begin(&pack, b, "e2", 1);
	pack_raw(&pack, "{\"kind\":\"epoch_end\",\"epoch\":\"e1\",\"boot_id\":\"boot-1\","
			"\"held\":[],\"end\":3}");
	assert_int_equal(pack_send(&pack, b, NULL), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT end_at FROM epoch WHERE name = 'e1'"), -1);
	assert_int_equal(bench_query(b, "SELECT last FROM gap WHERE possible = 0 AND first = 1"),
			 4);
	assert_int_equal(bench_query(b, "SELECT first FROM gap WHERE possible = 1 AND last = -1"),
			 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int suite_cloud_accept(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_end_below_a_number_that_was_heard_is_not_believed),
		TEST(a_batch_is_acked_after_its_commit_and_not_before),
		TEST(a_batch_that_comes_again_is_acked_again_and_changes_nothing),
		TEST(another_body_under_the_same_number_is_taken_too_and_the_epoch_is_forked),
		TEST(one_poisonous_record_does_not_stop_its_neighbours),
		TEST(what_cannot_be_read_is_counted_and_disturbs_nothing),
		TEST(an_unknown_device_is_parked_and_applied_when_it_is_registered),
		TEST(a_device_of_another_workspace_is_refused),
		TEST(a_wrong_vin_is_parked_until_another_process_corrects_it),
		TEST(late_data_is_history_and_does_not_touch_freshness),
		TEST(what_falls_below_the_floor_is_a_gap_until_it_arrives),
		TEST(an_end_states_what_is_lost_and_what_may_be),
		TEST(a_silent_open_epoch_is_asked_for_and_given_up_after_a_day),
		TEST(gateways_that_are_away_do_not_keep_an_epoch_from_being_given_up),
		TEST(nothing_is_observed_after_it_was_received),
		TEST(a_parked_record_that_cannot_be_read_any_more_stays_parked),
		TEST(what_was_judged_without_the_boot_is_not_committed),
		TEST(a_gap_has_the_reason_that_the_gateway_gave),
		TEST(a_better_anchor_corrects_what_was_committed_with_a_worse_one),
		TEST(a_gateway_ahead_of_time_makes_nothing_fresher_than_its_receipt),
		TEST(items_without_mono_are_stale_or_of_the_future),
		TEST(a_failing_write_leaves_nothing_half_applied),
		TEST(the_sweep_tells_each_crossing_once),
		TEST(a_fork_does_not_write_its_gap_anew_at_each_batch),
		TEST(a_scattered_epoch_stays_bounded_and_hides_no_loss),
		TEST(scattered_losses_stay_bounded_and_shrink_when_they_come),
		TEST(a_device_without_a_gateway_gets_evidence_of_the_one_it_came_by),
		TEST(data_that_nobody_can_date_blames_the_clock),
		TEST(a_will_of_an_older_session_says_nothing),
		TEST(a_report_gives_the_device_its_reason),
		TEST(two_epochs_that_alternate_are_two_machines),
	};

	return cmocka_run_group_tests_name("cloud.accept", tests, NULL, NULL);
}
