/* Report by exception, with what the agent has by default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/sampler.h"
#include "model/wire/record.h"
#include "tests/bench/wire_meter.h"

int suite_agent_sampler_band(void);

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define HEARTBEAT (2 * MINUTE)
#define TOLD_MAX 400000

/* One value that was told. */
struct told {
	enum model_field field;
	bool null;
	double number;
	int64_t read_us; /* as its record says */
	int64_t sealed_us;
	enum wire_class class;
};

static struct {
	struct sampler *sampler;
	struct wire_meter meter;
	struct model_update_room room, record_room;
	struct model_update update;
	struct told told[TOLD_MAX];
	size_t count;
	int64_t now_us;
	int64_t keyframes;
} t;

static void take_record(const struct jr_value *json, enum wire_class class)
{
	struct wire_record record;
	char problem[160];

	model_update_init(&record.update, &t.record_room);
	assert_int_equal(wire_record_decode(json, &record, problem, sizeof(problem)), 0);
	t.keyframes += record.update.keyframe;
	for (size_t i = 0; i < record.update.item_count; i++) {
		const struct model_item *item = &record.update.items[i];

		assert_true(t.count < TOLD_MAX);
		t.told[t.count++] = (struct told){
			.field = (enum model_field)item->field,
			.null = item->null,
			.number = item->null ? 0 : item->value.as.number,
			.read_us = record.update.mono_us - item->age_ms * 1000,
			.sealed_us = t.now_us,
			.class = class,
		};
	}
}

static int take(void *arg, const struct spool_put *puts, size_t count)
{
	struct jr_error error;
	struct jr_doc *doc = NULL;

	(void)arg;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(jr_parse(puts[i].json, puts[i].len, &doc, &error), 0);
		for (size_t k = 0; k < jr_count(jr_root(doc)); k++)
			take_record(jr_at(jr_root(doc), k), puts[i].class);
		jr_free(doc);
	}
	return wire_meter_take(&t.meter, puts, count);
}

static int make(int64_t min_interval_us)
{
	struct sampler_config config = {
		.max_records = 100,
		.max_bytes = 65536,
		.max_age_us = 100 * MS,
		.max_age_offline_us = SECOND,
		.min_interval_us = min_interval_us,
		.heartbeat_us = HEARTBEAT,
		.keyframe_us = 5 * MINUTE,
	};

	deadband_default(&config.bands);
	t.count = 0;
	t.keyframes = 0;
	t.now_us = HOUR;
	wire_meter_init(&t.meter);
	return sampler_create(&config, take, NULL, &t.sampler);
}

static int setup(void **state)
{
	(void)state;
	return make(SECOND);
}

static int setup_unlimited(void **state)
{
	(void)state;
	return make(0);
}

static int teardown(void **state)
{
	(void)state;
	sampler_destroy(t.sampler);
	wire_meter_free(&t.meter);
	return 0;
}

/* Time goes on, and what is due is sealed when it is. */
static void go(int64_t until_us)
{
	while (sampler_due(t.sampler) <= until_us) {
		if (sampler_due(t.sampler) > t.now_us)
			t.now_us = sampler_due(t.sampler);
		assert_int_equal(sampler_run(t.sampler, t.now_us), 0);
	}
	t.now_us = until_us;
}

static void begin(const char *device)
{
	model_update_init(&t.update, &t.room);
	(void)snprintf(t.update.device_id, sizeof(t.update.device_id), "%s", device);
	(void)snprintf(t.update.provider, sizeof(t.update.provider), "j1939");
	(void)snprintf(t.update.source, sizeof(t.update.source), "can0");
	t.update.mono_us = t.now_us;
}

static void give(void)
{
	assert_int_equal(sampler_update(t.sampler, &t.update, t.now_us), 0);
}

static void observe(enum model_field field, double value)
{
	begin("bus-1");
	assert_int_equal(model_update_set_number(&t.update, field, value), 0);
	give();
}

static void observe_place(double latitude, double longitude)
{
	begin("bus-1");
	(void)model_update_set_number(&t.update, MODEL_FIELD_LATITUDE, latitude);
	(void)model_update_set_number(&t.update, MODEL_FIELD_LONGITUDE, longitude);
	give();
}

/* How often a field was told from `from` on, and its last value. */
static size_t count_of(enum model_field field, size_t from, double *ret_last)
{
	size_t count = 0;

	for (size_t i = from; i < t.count; i++) {
		if (t.told[i].field != field)
			continue;
		count++;
		if (ret_last)
			*ret_last = t.told[i].number;
	}
	return count;
}

static void every_number_of_the_model_has_a_deadband(void **state)
{
	static const struct conf_section schema[] = {{"deadband", CONF_OPTIONAL, deadband_keys},
						     {.kind = NULL}};
	static const char text[] = "[deadband]\nodometer_km = 7\nlocation_m = 3\n";
	int lines[MODEL_FIELD_COUNT] = {0};
	struct deadband bands, read;
	struct conf *conf = NULL;

	(void)state;
#define BAND(name, band, first, last, unit)                                                        \
	for (int f = MODEL_FIELD_##first; f <= MODEL_FIELD_##last; f++)                            \
		lines[f]++;
#include "agent/deadband.def"
	lines[MODEL_FIELD_LATITUDE]++;
	lines[MODEL_FIELD_LONGITUDE]++;
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++)
		if (lines[f] != (model_field_info(f)->type == MODEL_TYPE_NUMBER))
			fail_msg("%s has %d lines", model_field_info(f)->path, lines[f]);
	deadband_default(&bands);
	assert_true(bands.of[MODEL_FIELD_TYRE_PRESSURE_RL_KPA] > 0);
	/* The section's defaults are the same, and each key is its own. */
	assert_int_equal(conf_parse(text, sizeof(text) - 1, "x", schema, &conf), 0);
	deadband_read(conf_get(conf, "deadband"), &read);
	assert_true(read.of[MODEL_FIELD_ODOMETER_KM] == 7 && read.location_m == 3);
	read.of[MODEL_FIELD_ODOMETER_KM] = bands.of[MODEL_FIELD_ODOMETER_KM];
	read.location_m = bands.location_m;
	assert_memory_equal(&read, &bands, sizeof(bands));
	conf_free(conf);
}

static void what_is_within_the_deadband_is_withheld_and_slow_drift_is_not_lost(void **state)
{
	double last = 0;

	(void)state;
	observe(MODEL_FIELD_STATE_OF_CHARGE_PCT, 80);
	go(t.now_us + 10 * SECOND);
	for (int i = 1; i <= 10; i++) {
		observe(MODEL_FIELD_STATE_OF_CHARGE_PCT, 80 - 0.06 * i);
		go(t.now_us + 2 * SECOND);
	}
	/* Each step is small; the sum of nine is not. */
	assert_int_equal(count_of(MODEL_FIELD_STATE_OF_CHARGE_PCT, 0, &last), 2);
	assert_true(fabs(last - 79.46) < 1e-6);
}

static void a_last_bit_that_flips_is_not_told(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		begin("bus-1");
		(void)model_update_set_number(&t.update, MODEL_FIELD_ENGINE_COOLANT_TEMP_C,
					      80 + i % 2);
		(void)model_update_set_number(&t.update, MODEL_FIELD_FUEL_LEVEL_PCT,
					      50 + 0.4 * (i % 2));
		(void)model_update_set_number(&t.update, MODEL_FIELD_AUX_BATTERY_V,
					      12.4 + 0.1 * (i % 2));
		(void)model_update_set_number(&t.update, MODEL_FIELD_TYRE_PRESSURE_FL_KPA,
					      800 + 4 * (i % 2));
		give();
		go(t.now_us + 100 * MS);
	}
	assert_int_equal(t.count, 4);
}

static void zero_and_the_ends_of_a_range_are_told(void **state)
{
	double last = -1;

	(void)state;
	observe(MODEL_FIELD_SPEED_KMH, 1.5);
	go(t.now_us + 5 * SECOND);
	observe(MODEL_FIELD_SPEED_KMH, 0);
	go(t.now_us + 5 * SECOND);
	assert_int_equal(count_of(MODEL_FIELD_SPEED_KMH, 0, &last), 2);
	assert_true(last == 0);
	observe(MODEL_FIELD_STATE_OF_CHARGE_PCT, 99.8);
	go(t.now_us + 5 * SECOND);
	observe(MODEL_FIELD_STATE_OF_CHARGE_PCT, 100);
	go(t.now_us + 5 * SECOND);
	assert_int_equal(count_of(MODEL_FIELD_STATE_OF_CHARGE_PCT, 0, &last), 2);
	assert_true(last == 100);
}

static void a_course_is_compared_round_the_circle(void **state)
{
	(void)state;
	observe(MODEL_FIELD_HEADING_DEG, 358);
	go(t.now_us + 5 * SECOND);
	observe(MODEL_FIELD_HEADING_DEG, 3);
	go(t.now_us + 5 * SECOND);
	assert_int_equal(t.count, 1);
	observe(MODEL_FIELD_HEADING_DEG, 9);
	go(t.now_us + 5 * SECOND);
	assert_int_equal(t.count, 2);
}

static void a_position_is_told_by_metres(void **state)
{
	(void)state;
	observe_place(60, 10);
	go(t.now_us + 5 * SECOND);
	assert_int_equal(t.count, 2);
	/* 8 m to the north-east: neither coordinate nor both are news. */
	observe_place(60.00005, 10.0001);
	go(t.now_us + 5 * SECOND);
	assert_int_equal(t.count, 2);
	/* 12 m from what was told, 6 m from what was read. */
	observe_place(60.0001, 10.0001);
	go(t.now_us + 5 * SECOND);
	assert_int_equal(t.count, 4);
}

static void a_chatty_number_is_told_once_an_interval_and_its_last_value_at_the_end(void **state)
{
	const int64_t start = t.now_us;
	double last = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		observe(MODEL_FIELD_ENGINE_RPM, 1000 + 60 * i);
		go(t.now_us + 100 * MS);
	}
	/* 10 s, and the first. */
	assert_in_range(count_of(MODEL_FIELD_ENGINE_RPM, 0, NULL), 10, 12);
	for (size_t i = 1; i < t.count; i++)
		assert_true(t.told[i].read_us - t.told[i - 1].read_us >= 875 * MS);
	go(start + 12 * SECOND);
	(void)count_of(MODEL_FIELD_ENGINE_RPM, 0, &last);
	assert_true(last == 1000 + 60 * 99);
}

static void states_are_told_at_once_however_often_they_change(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		begin("bus-1");
		(void)model_update_set_integer(&t.update, MODEL_FIELD_BRAKE_PRESSED, i % 2);
		give();
		go(t.now_us + 100 * MS);
	}
	assert_int_equal(t.count, 20);
	begin("bus-1");
	(void)model_update_set_text(&t.update, MODEL_FIELD_DTC_CONFIRMED, "P0420", 6);
	give();
	go(t.now_us + 100 * MS);
	assert_int_equal(t.told[20].class, WIRE_CLASS_ALARM);
	assert_int_equal(t.told[20].sealed_us - t.told[20].read_us, 100 * MS);
}

static void what_becomes_unknown_is_told(void **state)
{
	(void)state;
	observe(MODEL_FIELD_FUEL_LEVEL_PCT, 50);
	go(t.now_us + 5 * SECOND);
	begin("bus-1");
	(void)model_update_set_null(&t.update, MODEL_FIELD_FUEL_LEVEL_PCT);
	give();
	go(t.now_us + 5 * SECOND);
	assert_int_equal(t.count, 2);
	assert_true(t.told[1].null);
	observe(MODEL_FIELD_FUEL_LEVEL_PCT, 50);
	go(t.now_us + 5 * SECOND);
	assert_int_equal(t.count, 3);
}

/* Each is read at its own rhythm; none is shown to be older than the heartbeat, and none fresher than
 * it was read. */
static void what_does_not_change_stays_fresh(void **state)
{
	static const int64_t periods[] = {100 * MS, SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND};
	static const enum model_field fields[] = {
		MODEL_FIELD_ENGINE_RPM, MODEL_FIELD_SPEED_KMH, MODEL_FIELD_FUEL_LEVEL_PCT,
		MODEL_FIELD_AUX_BATTERY_V, MODEL_FIELD_ODOMETER_KM};
	const int64_t start = t.now_us;
	int64_t shown[5] = {0}, oldest[5] = {0};
	size_t seen = 0;

	(void)state;
	for (int64_t at = start; at < start + HOUR; at += 100 * MS) {
		go(at);
		for (; seen < t.count; seen++)
			for (size_t i = 0; i < 5; i++)
				if (t.told[seen].field == fields[i]) {
					assert_int_equal(
						(t.told[seen].read_us - start) % periods[i], 0);
					shown[i] = t.told[seen].read_us;
				}
		for (size_t i = 0; i < 5; i++) {
			if (shown[i] && at - shown[i] > oldest[i])
				oldest[i] = at - shown[i];
			if ((at - start) % periods[i] == 0)
				observe(fields[i], 40);
		}
	}
	for (size_t i = 0; i < 5; i++)
		if (oldest[i] > HEARTBEAT + periods[i])
			fail_msg("what is read each %" PRId64 " ms was shown to be %" PRId64
				 " ms old",
				 periods[i] / MS, oldest[i] / MS);
}

static void devices_that_do_not_change_share_batches(void **state)
{
	const int64_t start = t.now_us;
	int64_t before = 0;
	char device[16];

	(void)state;
	for (int64_t at = start; at < start + HOUR; at += SECOND) {
		go(at);
		if (at == start + 10 * MINUTE)
			before = t.meter.batches;
		for (int i = 0; i < 50; i++) {
			/* They were switched on one after the other. */
			if (at < start + (int64_t)i * 7 * SECOND)
				continue;
			(void)snprintf(device, sizeof(device), "bus-%d", i);
			begin(device);
			(void)model_update_set_number(&t.update, MODEL_FIELD_SPEED_KMH, 0);
			give();
		}
	}
	/* A beat is 53.3 s. */
	assert_true(t.meter.batches - before <= 50 * 60 / 53 + 1);
}

/* Between two that were told, every reading was withheld within the deadband of the first. */
static void what_is_withheld_is_within_the_deadband(void **state)
{
	double read[3600], shown = NAN;
	size_t next = 0;
	struct sampler_stats stats;
	const int64_t start = t.now_us;
	uint32_t noise = 1;

	(void)state;
	for (int i = 0; i < 3600; i++) {
		noise = noise * 1664525u + 1013904223u;
		read[i] = 50 + 30 * sin(i / 300.0) + (double)(noise >> 16) / 65536.0;
		observe(MODEL_FIELD_FUEL_LEVEL_PCT, read[i]);
		go(t.now_us + SECOND);
	}
	for (int i = 0; i < 3600; i++) {
		while (next < t.count && t.told[next].read_us <= start + i * SECOND)
			shown = t.told[next++].number;
		assert_true(fabs(shown - read[i]) < 1);
	}
	sampler_stats(t.sampler, &stats);
	assert_true(stats.told < 1000 && stats.withheld > 2000);
	assert_in_range(stats.told + stats.withheld, 3599, 3601);
	assert_int_equal(stats.limited + stats.coalesced, 0);
}

static void what_is_read_offline_fills_batches_but_alarms_do_not_wait(void **state)
{
	(void)state;
	sampler_set_offline(t.sampler, true);
	observe(MODEL_FIELD_SPEED_KMH, 50);
	assert_int_equal(sampler_due(t.sampler), t.now_us + SECOND);
	go(t.now_us + 300 * MS);
	begin("bus-2");
	(void)model_update_set_number(&t.update, MODEL_FIELD_SPEED_KMH, 60);
	give();
	/* What is read again seals first, as ever. */
	observe(MODEL_FIELD_SPEED_KMH, 55);
	assert_int_equal(t.count, 2);
	begin("bus-2");
	(void)model_update_set_integer(&t.update, MODEL_FIELD_MIL_ON, 1);
	give();
	assert_int_equal(sampler_due(t.sampler), t.now_us + 100 * MS);
	go(t.now_us + 100 * MS);
	assert_int_equal(t.count, 3);
	sampler_set_offline(t.sampler, false);
	observe(MODEL_FIELD_ENGINE_RPM, 900);
	assert_int_equal(sampler_due(t.sampler), t.now_us + 100 * MS);
}

static void a_reading_of_months_ago_is_not_made_younger(void **state)
{
	const int64_t start = t.now_us;

	(void)state;
	begin("bus-1");
	(void)model_update_set_number(&t.update, MODEL_FIELD_USABLE_CAPACITY_KWH, 64);
	t.update.keyframe = true;
	give();
	go(t.now_us + SECOND);
	t.now_us += INT64_C(2400) * HOUR; /* 49.7 days are 2^32 ms */
	observe(MODEL_FIELD_SPEED_KMH, 50);
	go(t.now_us + 5 * MINUTE);
	assert_true(t.keyframes >= 2);
	assert_int_equal(count_of(MODEL_FIELD_USABLE_CAPACITY_KWH, 1, NULL), 1);
	for (size_t i = 1; i < t.count; i++)
		if (t.told[i].field == MODEL_FIELD_USABLE_CAPACITY_KWH)
			assert_int_equal(t.told[i].read_us, start);
}

/* ---- what it costs ---- */

/* A bus that is parked with its network awake, as J1939 gives it: 10 times a second, and the last bit of
 * each value flickers. */
static void say_parked(int64_t n)
{
	static const struct {
		enum model_field field;
		double value, bit;
	} signals[] = {
		{MODEL_FIELD_SPEED_KMH, 0, 0},
		{MODEL_FIELD_ENGINE_RPM, 0, 0},
		{MODEL_FIELD_ODOMETER_KM, 251337.125, 0},
		{MODEL_FIELD_ENGINE_COOLANT_TEMP_C, 41, 1},
		{MODEL_FIELD_OUTSIDE_TEMP_C, 8.5, 0.03125},
		{MODEL_FIELD_INSIDE_TEMP_C, 14, 0.03125},
		{MODEL_FIELD_FUEL_LEVEL_PCT, 62.8, 0.4},
		{MODEL_FIELD_ADBLUE_LEVEL_PCT, 71.2, 0.4},
		{MODEL_FIELD_AUX_BATTERY_V, 25.1, 0.05},
		{MODEL_FIELD_GROSS_WEIGHT_KG, 12340, 10},
		{MODEL_FIELD_TYRE_PRESSURE_FL_KPA, 812, 4},
		{MODEL_FIELD_TYRE_PRESSURE_FR_KPA, 808, 4},
		{MODEL_FIELD_TYRE_PRESSURE_RL_KPA, 788, 4},
		{MODEL_FIELD_TYRE_PRESSURE_RR_KPA, 792, 4},
		{MODEL_FIELD_PACK_VOLTAGE_V, 652.15, 0.05},
		{MODEL_FIELD_PACK_CURRENT_A, 0.75, 0.05},
		{MODEL_FIELD_STATE_OF_CHARGE_PCT, 63.1, 0.0015625},
	};
	static uint32_t noise = 1;

	begin("bus-1");
	t.update.keyframe = n == 100;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		noise = noise * 1664525u + 1013904223u;
		(void)model_update_set_number(&t.update, signals[i].field,
					      signals[i].value + signals[i].bit * (noise >> 31));
	}
	(void)model_update_set_integer(&t.update, MODEL_FIELD_IGNITION, MODEL_IGNITION_OFF);
	(void)model_update_set_integer(&t.update, MODEL_FIELD_PARKING_BRAKE, 1);
	(void)model_update_set_integer(&t.update, MODEL_FIELD_DOORS_OPEN, 0);
	give();
}

static void a_parked_chatty_bus_costs_almost_nothing_on_the_wire(void **state)
{
	const int64_t values = INT64_C(20) * 36000;
	struct sampler_stats stats;
	int64_t start, bytes;

	(void)state;
	for (int64_t n = 0; n < 600; n++) { /* connects, first keyframe */
		say_parked(n);
		go(t.now_us + 100 * MS);
	}
	start = t.meter.total;
	for (int64_t n = 600; n < 36600; n++) {
		say_parked(n);
		go(t.now_us + 100 * MS);
	}
	bytes = t.meter.total - start;
	sampler_stats(t.sampler, &stats);
	(void)printf("parked bus, %" PRId64 " values an hour: %" PRId64
		     " bytes an hour on the wire, %" PRId64 " batches; told %" PRId64
		     " values, withheld %" PRId64 "\n",
		     values, bytes, t.meter.batches, stats.told, stats.withheld);
	/* 10 bytes a second, and one value of 700. */
	assert_true(bytes < 36000);
	assert_true(stats.told < values / 700);
}

int suite_agent_sampler_band(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define UNLIMITED(fn) cmocka_unit_test_setup_teardown(fn, setup_unlimited, teardown)
		TEST(every_number_of_the_model_has_a_deadband),
		TEST(what_is_within_the_deadband_is_withheld_and_slow_drift_is_not_lost),
		TEST(a_last_bit_that_flips_is_not_told),
		TEST(zero_and_the_ends_of_a_range_are_told),
		TEST(a_course_is_compared_round_the_circle),
		TEST(a_position_is_told_by_metres),
		TEST(a_chatty_number_is_told_once_an_interval_and_its_last_value_at_the_end),
		TEST(states_are_told_at_once_however_often_they_change),
		TEST(what_becomes_unknown_is_told),
		TEST(what_does_not_change_stays_fresh),
		TEST(devices_that_do_not_change_share_batches),
		UNLIMITED(what_is_withheld_is_within_the_deadband),
		TEST(what_is_read_offline_fills_batches_but_alarms_do_not_wait),
		TEST(a_reading_of_months_ago_is_not_made_younger),
		TEST(a_parked_chatty_bus_costs_almost_nothing_on_the_wire),
#undef TEST
#undef UNLIMITED
	};

	return cmocka_run_group_tests_name("agent.sampler_band", tests, NULL, NULL);
}
