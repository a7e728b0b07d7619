/* What comes late is history: it completes what is missing, and nothing else happens. */
#include <stdio.h>
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

int suite_cloud_late(void);

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static int64_t mono(struct bench *b)
{
	return clock_mono_us(&b->clock.clock);
}

/* One record with these modules, read at `mono_us`, from the spool of the running boot. */
static void send(struct bench *b, int64_t number, int64_t mono_us, const char *modules,
		 struct accept_batch_result *result)
{
	char json[600];
	struct pack pack;

	(void)snprintf(json, sizeof(json),
		       "{\"kind\":\"update\",\"device_id\":\"d1\",\"provider\":\"obd\","
		       "\"source\":\"obd0\",\"mono_us\":%lld,%s}",
		       (long long)mono_us, modules);
	pack_begin(&pack, b, "e1", number);
	if (mono_us < mono(b) - SECOND)
		pack.header.lane = WIRE_LANE_BACKLOG;
	pack_raw(&pack, json);
	assert_int_equal(pack_send(&pack, b, result), 0);
	assert_int_equal(bench_commit(b), 0);
}

#define BATTERY(soc)                                                                               \
	"\"module_status\":{\"battery\":\"partial\"},\"battery\":{\"state_of_charge_pct\":" soc "}"
#define VEHICLE(fields)                                                                            \
	"\"module_status\":{\"vehicle_state\":\"partial\"},\"vehicle_state\":{" fields "}"

static double shown(struct bench *b, enum model_field field)
{
	static struct model_device cells;
	const struct model_cell *cell = &cells.cells[field];

	model_device_init(&cells, "d1");
	assert_int_equal(coredb_body_get(b->db, b->device.id, &cells), 0);
	return cell->present && !cell->null ? cell->value.as.number : -1;
}

static unsigned sweep(struct bench *b)
{
	unsigned changed = 0;

	assert_int_equal(accept_sweep(b->accept, clock_wall_ms(&b->clock.clock), &changed), 0);
	assert_int_equal(bench_commit(b), 0);
	return changed;
}

static enum health_reason reason(struct bench *b, enum health_state *ret_state)
{
	char masked[MODEL_VIN_SIZE];
	struct coredb_health_row row;
	struct health_input input;
	struct policy policy;
	struct health health;

	assert_int_equal(coredb_health_get(b->db, b->device.id, &row), 0);
	evidence_health(&row, WALL, clock_wall_ms(&b->clock.clock), masked, &input);
	policy_default(&policy);
	health_evaluate(&policy, &input, &health);
	if (ret_state)
		*ret_state = health.state;
	return health.reason;
}

static void it_completes_what_is_missing_and_overwrites_nothing(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;

	clock_fake_advance(&b->clock, HOUR);
	send(b, 2, mono(b), BATTERY("80"), &result);
	assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
	send(b, 1, mono(b) - 50 * MINUTE,
	     "\"module_status\":{\"battery\":\"partial\",\"vehicle_state\":\"partial\"},"
	     "\"battery\":{\"state_of_charge_pct\":70},\"vehicle_state\":{\"odometer_km\":1000}",
	     &result);
	assert_int_equal(result.outcomes[ACCEPT_LATE], 1);
	assert_true(shown(b, MODEL_FIELD_STATE_OF_CHARGE_PCT) == 80);
	assert_true(shown(b, MODEL_FIELD_ODOMETER_KM) == 1000);
	/* Between the two: newer than the field has, older than the device's newest. */
	send(b, 3, mono(b) - 20 * MINUTE, VEHICLE("\"odometer_km\":1010"), &result);
	assert_true(shown(b, MODEL_FIELD_ODOMETER_KM) == 1010);
	send(b, 4, mono(b) - 30 * MINUTE, VEHICLE("\"odometer_km\":1005"), &result);
	assert_int_equal(result.outcomes[ACCEPT_LATE], 1);
	assert_true(shown(b, MODEL_FIELD_ODOMETER_KM) == 1010);
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL + 3600000);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 4);
}

/* A night without a link: the live keyframe first, then the night's records. */
static void a_backlog_changes_no_state_and_tells_no_event(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	enum health_state health;
	int64_t night = mono(b);
	int64_t events;

	send(b, 1, mono(b), BATTERY("90"), &result);
	assert_int_equal(sweep(b), 1);
	clock_fake_advance(&b->clock, 8 * HOUR);
	assert_int_equal(sweep(b), 1);
	send(b, 1000, mono(b), BATTERY("50"), &result);
	assert_int_equal(sweep(b), 1);
	events = bench_query(b, "SELECT count(*) FROM event");
	for (int64_t n = 2; n < 100; n++) {
		send(b, n, night + n * 5 * MINUTE, BATTERY("70"), &result);
		assert_int_equal(result.outcomes[ACCEPT_LATE] + result.outcomes[ACCEPT_DUPLICATE],
				 n * 5 * MINUTE + night < mono(b));
		if (n * 5 * MINUTE + night >= mono(b) - 10 * MINUTE)
			break;
		assert_int_equal(sweep(b), 0);
	}
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event"), events);
	assert_true(shown(b, MODEL_FIELD_STATE_OF_CHARGE_PCT) == 50);
	(void)reason(b, &health);
	assert_int_equal(health, HEALTH_HEALTHY);
}

static void a_backlog_alone_makes_nothing_fresh(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	enum health_state health;
	int64_t then;

	send(b, 1, mono(b), BATTERY("90"), &result);
	clock_fake_advance(&b->clock, 2 * HOUR);
	(void)sweep(b);
	then = mono(b) - HOUR;
	/* Newer than what is shown, and an hour old. */
	send(b, 2, then, BATTERY("85"), &result);
	assert_int_equal(result.outcomes[ACCEPT_ACCEPTED], 1);
	assert_true(shown(b, MODEL_FIELD_STATE_OF_CHARGE_PCT) == 85);
	assert_int_equal(bench_query(b, "SELECT last_update_at FROM device_state"), WALL + 3600000);
	assert_int_equal(sweep(b), 0);
	(void)reason(b, &health);
	assert_int_equal(health, HEALTH_STALE);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event WHERE name ="
					" 'DeviceRecovered'"),
			 0);
}

static void an_old_measurement_is_no_fact_of_now(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;

	clock_fake_advance(&b->clock, HOUR);
	send(b, 2, mono(b), VEHICLE("\"ignition\":\"on\""), &result);
	send(b, 1, mono(b) - 30 * MINUTE, VEHICLE("\"ignition\":\"off\""), &result);
	assert_int_equal(result.outcomes[ACCEPT_LATE], 1);
	assert_int_equal(bench_query(b, "SELECT ignition_off FROM device_state"), 0);
	assert_int_equal(reason(b, NULL), HEALTH_REASON_NONE);
}

static void another_vehicle_of_yesterday_alarms_nobody_today(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct pack pack;

	clock_fake_advance(&b->clock, 24 * HOUR);
	send(b, 2, mono(b), BATTERY("80"), &result);
	pack_begin(&pack, b, "e1", 1);
	pack.header.lane = WIRE_LANE_BACKLOG;
	pack_soc_vin(&pack, "d1", mono(b) - 20 * HOUR, 10, OTHER_VIN);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	/* Kept, and no reason of now. */
	assert_int_equal(result.outcomes[ACCEPT_PARKED], 1);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM parked"), 1);
	assert_int_equal(reason(b, NULL), HEALTH_REASON_NONE);
	/* Read now, it is one. */
	pack_begin(&pack, b, "e1", 3);
	pack_soc_vin(&pack, "d1", mono(b) + 1, 10, OTHER_VIN);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(reason(b, NULL), HEALTH_REASON_VIN_MISMATCH);
}

static void parking_is_counted_where_it_is_kept(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;
	struct coredb_device device = b->device;
	unsigned applied = 0;
	struct pack pack;

	pack_begin(&pack, b, "e1", 1);
	for (int i = 0; i < 50; i++)
		pack_soc(&pack, "d2", mono(b) + i, 50);
	assert_int_equal(pack_send(&pack, b, &result), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT records FROM parking"), 50);
	assert_int_equal(bench_query(b, "SELECT bytes FROM parking"),
			 bench_query(b, "SELECT sum(length(CAST(record AS BLOB))) FROM parked"));
	(void)snprintf(device.name, sizeof(device.name), "d2");
	device.vehicle = 0;
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_device_add(b->db, &device, WALL), 0);
	assert_int_equal(accept_parked(b->accept, &device, WALL, &applied), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(applied, 50);
	assert_int_equal(bench_query(b, "SELECT records + bytes FROM parking"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int suite_cloud_late(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_completes_what_is_missing_and_overwrites_nothing),
		TEST(a_backlog_changes_no_state_and_tells_no_event),
		TEST(a_backlog_alone_makes_nothing_fresh),
		TEST(an_old_measurement_is_no_fact_of_now),
		TEST(another_vehicle_of_yesterday_alarms_nobody_today),
		TEST(parking_is_counted_where_it_is_kept),
	};

	return cmocka_run_group_tests_name("cloud.late", tests, NULL, NULL);
}
