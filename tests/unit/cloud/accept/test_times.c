/* What the core makes of times: corrections of what was derived from them, the order of boots, its own
 * clock. Whole stories stand in tests/unit/agent/test_clock_stories.c. */
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

#include "cloud/accept/evidence.h"
#include "tests/unit/cloud/accept/bench.h"

int suite_cloud_times(void);

#define SECOND INT64_C(1000000)
#define DAY_MS INT64_C(86400000)

static int64_t mono(struct bench *b)
{
	return clock_mono_us(&b->clock.clock);
}

static void commit(struct pack *pack, struct bench *b, struct accept_batch_result *result)
{
	assert_int_equal(pack_send(pack, b, result), 0);
	assert_int_equal(result->answer, ACCEPT_COMMITTED);
	assert_int_equal(bench_commit(b), 0);
}

/* A batch of a boot that is over, from the spool. */
static void begin_earlier(struct pack *pack, struct bench *b, const char *epoch, const char *prev,
			  const char *boot)
{
	pack_begin(pack, b, epoch, 1);
	(void)snprintf(pack->header.prev, sizeof(pack->header.prev), "%s", prev);
	(void)snprintf(pack->header.boot.id, sizeof(pack->header.boot.id), "%s", boot);
	pack->header.boot.sent_mono_us = MODEL_NO_TIME;
	pack->header.lane = WIRE_LANE_BACKLOG;
}

static int64_t boot_row(struct bench *b, const char *name)
{
	char sql[128];

	(void)snprintf(sql, sizeof(sql), "SELECT id FROM boot WHERE name = '%s'", name);
	return bench_query(b, sql);
}

static void a_better_anchor_also_corrects_since_when_the_ignition_is_off(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;
	char record[256];

	(void)snprintf(
		record, sizeof(record),
		"{\"kind\":\"update\",\"device_id\":\"d1\",\"provider\":\"obd\",\"source\":"
		"\"obd0\",\"mono_us\":%lld,\"module_status\":{\"vehicle_state\":\"partial\"},"
		"\"vehicle_state\":{\"ignition\":\"off\"}}",
		(long long)(mono(b) - 40 * SECOND));
	pack_begin(&pack, b, "e1", 1);
	pack_raw(&pack, record);
	commit(&pack, b, &result);
	assert_int_equal(bench_query(b, "SELECT ignition_since FROM device_state"), WALL - 40000);
	/* In the database as in memory. */
	for (int round = 0; round < 2; round++) {
		int64_t late_ms = 10000 + 5000 * round;

		if (round == 1)
			bench_reopen(b);
		pack_begin(&pack, b, "e1", 2 + round);
		pack.header.boot.anchor_mono_us = mono(b) + round;
		pack.header.boot.anchor_at_ms = WALL - late_ms;
		pack.header.boot.quality = CLOCK_QUALITY_SYNCED;
		pack_soc(&pack, "d1", mono(b) - 30 * SECOND + round, 50);
		commit(&pack, b, &result);
		assert_int_equal(bench_query(b, "SELECT ignition_since FROM device_state"),
				 WALL - 40000 - late_ms);
	}
}

static void what_nobody_can_date_has_no_since(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	begin_earlier(&pack, b, "e1", "", "boot-old");
	pack_raw(&pack, "{\"kind\":\"update\",\"device_id\":\"d1\",\"provider\":\"obd\",\"source\":"
			"\"obd0\",\"mono_us\":5000000,\"module_status\":{\"vehicle_state\":"
			"\"partial\"},\"vehicle_state\":{\"ignition\":\"off\"}}");
	commit(&pack, b, &result);
	assert_int_equal(bench_query(b, "SELECT ignition_off FROM device_state"), 1);
	assert_int_equal(bench_query(b, "SELECT ignition_since IS NULL FROM device_state"), 1);
}

static void an_update_of_a_batch_that_nothing_dates_is_malformed(void **state)
{
	static const char *const dated[] = {"\"mono_us\":5000000,",
					    "\"at\":\"2026-11-20T15:59:00.000Z\",", ""};
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;
	char record[256];

	for (int i = 0; i < 3; i++) {
		(void)snprintf(record, sizeof(record),
			       "{\"kind\":\"update\",\"device_id\":\"d1\",\"provider\":\"obd\","
			       "\"source\":\"obd%d\",%s\"module_status\":{\"battery\":\"partial\"},"
			       "\"battery\":{\"state_of_charge_pct\":%d}}",
			       i, dated[i], 50 + i);
		pack_begin(&pack, b, "e1", i + 1);
		pack_raw(&pack, record);
		commit(&pack, b, &result);
		assert_int_equal(result.outcomes[ACCEPT_REJECTED], i == 2);
	}
	assert_int_equal(bench_query(b, "SELECT count(*) FROM rejection WHERE reason = 'malformed'"
					" AND detail LIKE '%nobody can date it%'"),
			 1);
}

static void a_live_send_is_the_last_known_moment_of_its_boot(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	pack_begin(&pack, b, "e1", 1);
	pack_soc(&pack, "d1", mono(b) - 400 * SECOND, 50);
	commit(&pack, b, &result);
	assert_int_equal(bench_query(b, "SELECT max_mono_us FROM boot"), mono(b));
	assert_int_equal(bench_query(b, "SELECT min_mono_us FROM boot"), mono(b) - 400 * SECOND);
}

/* The boot between lost all that it recorded: only the end of its epoch names it. */
static void a_boot_of_which_nothing_came_still_links_its_neighbours(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct coredb_between between;
	struct pack pack;

	pack_begin(&pack, b, "e1", 1);
	pack.header.boot.anchor_mono_us = mono(b);
	pack.header.boot.anchor_at_ms = WALL;
	pack.header.boot.quality = CLOCK_QUALITY_SYNCED;
	pack_soc(&pack, "d1", mono(b), 50);
	commit(&pack, b, &result);

	begin_earlier(&pack, b, "e3", "e2", "boot-3");
	pack_soc(&pack, "d1", 7 * SECOND, 60);
	pack_raw(&pack, "{\"kind\":\"epoch_end\",\"epoch\":\"e2\",\"boot_id\":\"boot-2\",\"prev\":"
			"\"e1\",\"held\":[],\"end\":null}");
	commit(&pack, b, &result);
	assert_true(boot_row(b, "boot-2") > 0);
	assert_int_equal(coredb_boot_between(b->db, boot_row(b, "boot-3"), &between), 0);
	/* The end of e2 names what came before it, and so does the header of its own batches. */
	assert_int_equal(bench_query(b, "SELECT prev = 'e1' FROM epoch WHERE name = 'e2'"), 1);
	assert_true(between.after_ms == WALL);
	assert_true(between.before_ms == MODEL_NO_TIME);
	assert_true(between.min_mono_us == 7 * SECOND);
}

static void apply_without_time(struct bench *b, double soc, enum accept_outcome want)
{
	struct model_update_room room = {0};
	struct model_update update;
	enum accept_outcome outcome;
	const char *reason;

	model_update_init(&update, &room);
	(void)snprintf(update.device_id, sizeof(update.device_id), "d1");
	(void)snprintf(update.provider, sizeof(update.provider), "cloud");
	(void)snprintf(update.source, sizeof(update.source), "api");
	update.mono_us = MODEL_NO_TIME;
	update.at_ms = MODEL_NO_TIME;
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_STATE_OF_CHARGE_PCT, soc), 0);
	assert_int_equal(accept_update(b->accept, "w1", &update, "{}", 2,
				       clock_wall_ms(&b->clock.clock), &outcome, &reason),
			 0);
	assert_int_equal(outcome, want);
	assert_int_equal(bench_commit(b), 0);
}

static void what_came_while_the_clock_was_ahead_does_not_hide_what_comes_after(void **state)
{
	struct bench *b = *state;

	b->clock.wall_ms += DAY_MS;
	apply_without_time(b, 50, ACCEPT_ACCEPTED);
	b->clock.wall_ms -= DAY_MS;
	bench_reopen(b);
	clock_fake_advance(&b->clock, SECOND);
	apply_without_time(b, 60, ACCEPT_ACCEPTED);
	assert_true(bench_soc(b, b->device.id) == 60);
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL + 1000);
}

static void a_time_says_how_sure_it_is(void **state)
{
	struct bench *b = *state;
	struct coredb_anchors anchors = {.db = b->db};
	struct accept_batch_result result;
	struct model_stamp stamp = {.at_ms = MODEL_NO_TIME, .received_ms = WALL};
	struct wire_time time;
	struct pack pack;
	static const struct {
		const char *boot;
		enum clock_quality quality;
		int64_t ahead_ms;
		enum wire_time_quality want;
	} cases[] = {
		{"a", CLOCK_QUALITY_SYNCED, 0, WIRE_TIME_SYNCED},
		{"b", CLOCK_QUALITY_SYNCED, 999, WIRE_TIME_SYNCED},
		{"c", CLOCK_QUALITY_SYNCED, 1000, WIRE_TIME_CORRECTED},
		{"d", CLOCK_QUALITY_GPS, 0, WIRE_TIME_SYNCED},
		{"e", CLOCK_QUALITY_CORE, 0, WIRE_TIME_CORRECTED},
		{"f", CLOCK_QUALITY_NONE, 0, WIRE_TIME_CORRECTED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pack_begin(&pack, b, cases[i].boot, 1);
		(void)snprintf(pack.header.boot.id, sizeof(pack.header.boot.id), "%s",
			       cases[i].boot);
		pack.header.boot.quality = cases[i].quality;
		if (cases[i].quality != CLOCK_QUALITY_NONE) {
			pack.header.boot.anchor_mono_us = mono(b);
			pack.header.boot.anchor_at_ms = WALL + cases[i].ahead_ms;
		}
		pack_soc(&pack, "d1", mono(b) + (int64_t)i, 50);
		commit(&pack, b, &result);
		stamp.boot = boot_row(b, cases[i].boot);
		stamp.mono_us = mono(b) - SECOND;
		evidence_time(&anchors, &stamp, &time);
		assert_int_equal(time.quality, cases[i].want);
		assert_true(time.at_ms == WALL - 1000);
	}
	/* Without a boot: the source's own word, or the receipt. */
	stamp = (struct model_stamp){.at_ms = WALL - 5, .received_ms = WALL};
	evidence_time(&anchors, &stamp, &time);
	assert_int_equal(time.quality, WIRE_TIME_SYNCED);
	stamp.at_ms = MODEL_NO_TIME;
	evidence_time(&anchors, &stamp, &time);
	assert_int_equal(time.quality, WIRE_TIME_CORRECTED);
	assert_true(time.at_ms == WALL);
	assert_int_equal(anchors.error, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int suite_cloud_times(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_better_anchor_also_corrects_since_when_the_ignition_is_off),
		TEST(what_nobody_can_date_has_no_since),
		TEST(an_update_of_a_batch_that_nothing_dates_is_malformed),
		TEST(a_live_send_is_the_last_known_moment_of_its_boot),
		TEST(a_boot_of_which_nothing_came_still_links_its_neighbours),
		TEST(what_came_while_the_clock_was_ahead_does_not_hide_what_comes_after),
		TEST(a_time_says_how_sure_it_is),
	};

	return cmocka_run_group_tests_name("cloud.times", tests, NULL, NULL);
}
