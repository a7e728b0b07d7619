#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sampler.h"

int suite_agent_sampler(void);

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

/* What the spool was given. */
struct spool_double {
	int error;
	int sealings;
	size_t batches;
	int records;
	enum wire_class first_class;
	char json[65536]; /* of the last sealing, bodies joined by a newline */
};

static struct spool_double taken;
static struct sampler *sampler;
static struct model_update_room room;
static struct model_update update;

static int take(void *arg, const struct spool_put *puts, size_t count)
{
	struct spool_double *to = arg;

	if (to->error)
		return to->error;
	to->sealings++;
	to->json[0] = '\0';
	to->first_class = puts[0].class;
	for (size_t i = 0; i < count; i++) {
		to->batches++;
		to->records += puts[i].count;
		assert_true(puts[i].len + strlen(to->json) + 2 < sizeof(to->json));
		assert_true(puts[i].first_mono_us <= puts[i].last_mono_us);
		strncat(to->json, puts[i].json, puts[i].len);
		strncat(to->json, "\n", 2);
	}
	return 0;
}

static const struct sampler_config config = {
	.max_records = 100,
	.max_bytes = 65536,
	.max_age_us = 100 * MS,
	.heartbeat_us = 10 * SECOND,
	.keyframe_us = 300 * SECOND,
};

static int setup(void **state)
{
	(void)state;
	memset(&taken, 0, sizeof(taken));
	return sampler_create(&config, take, &taken, &sampler);
}

static int teardown(void **state)
{
	(void)state;
	sampler_destroy(sampler);
	return 0;
}

static void begin(const char *device, int64_t mono_us)
{
	model_update_init(&update, &room);
	(void)snprintf(update.device_id, sizeof(update.device_id), "%s", device);
	(void)snprintf(update.provider, sizeof(update.provider), "obd");
	(void)snprintf(update.source, sizeof(update.source), "obd0");
	update.mono_us = mono_us;
}

static int observe(const char *device, enum model_field field, double value, int64_t now_us)
{
	begin(device, now_us);
	assert_int_equal(model_update_set_number(&update, field, value), 0);
	return sampler_update(sampler, &update, now_us);
}

static int observe_of(const char *vin, enum model_field field, double value, int64_t now_us,
		      bool keyframe)
{
	begin("bus-1", now_us);
	(void)snprintf(update.vin, sizeof(update.vin), "%s", vin);
	update.keyframe = keyframe;
	assert_int_equal(model_update_set_number(&update, field, value), 0);
	return sampler_update(sampler, &update, now_us);
}

static void says(const char *text)
{
	if (!strstr(taken.json, text))
		fail_msg("no %s in %s", text, taken.json);
}

static void says_not(const char *text)
{
	if (strstr(taken.json, text))
		fail_msg("there is %s in %s", text, taken.json);
}

static int observe_position(double latitude, double longitude, int64_t now_us)
{
	begin("bus-1", now_us);
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_LATITUDE, latitude), 0);
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_LONGITUDE, longitude), 0);
	return sampler_update(sampler, &update, now_us);
}

static void a_position_is_told_whole_where_a_part_of_it_changed(void **state)
{
	(void)state;
	assert_int_equal(observe_position(52.5, 13.4, 0), 0);
	assert_int_equal(observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 0), 0);
	assert_int_equal(sampler_flush(sampler, 0), 0);
	/* North, along a meridian. */
	assert_int_equal(observe_position(52.6, 13.4, SECOND), 0);
	assert_int_equal(sampler_flush(sampler, SECOND), 0);
	says("\"latitude\":52.6");
	says("\"longitude\":13.4");
	says_not("age_ms"); /* both were read together */
	says_not("speed_kmh");
	says_not("altitude_m"); /* never said, so not known to be anything */
	assert_int_equal(sampler_coalesced(sampler), 0);
	/* Parked: nothing to tell. */
	taken.json[0] = '\0';
	assert_int_equal(observe_position(52.6, 13.4, 2 * SECOND), 0);
	assert_int_equal(sampler_flush(sampler, 2 * SECOND), 0);
	says_not("latitude");
}

static void readings_within_the_age_share_a_record_with_their_ages(void **state)
{
	(void)state;
	assert_int_equal(observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 0), 0);
	assert_int_equal(sampler_due(sampler), 100 * MS);
	assert_int_equal(observe("bus-1", MODEL_FIELD_STATE_OF_CHARGE_PCT, 80, 40 * MS), 0);
	assert_int_equal(taken.sealings, 0);
	assert_int_equal(sampler_flush(sampler, 100 * MS), 0);
	assert_int_equal(taken.records, 1);
	says("\"mono_us\":40000");
	says("\"speed_kmh\":50");
	says("\"state_of_charge_pct\":80");
	says("\"vehicle_state.speed_kmh\":40");
	assert_int_equal(sampler_due(sampler), INT64_MAX);
}

static void only_changes_are_recorded_until_the_heartbeat(void **state)
{
	(void)state;
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 0);
	(void)sampler_flush(sampler, 0);
	assert_int_equal(taken.records, 1);
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, SECOND);
	assert_int_equal(sampler_due(sampler), INT64_MAX);
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 10 * SECOND);
	(void)sampler_flush(sampler, 10 * SECOND);
	assert_int_equal(taken.records, 2);
	says("\"mono_us\":10000000");
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 51, 11 * SECOND);
	(void)sampler_flush(sampler, 11 * SECOND);
	assert_int_equal(taken.records, 3);
}

static void what_is_not_observed_again_is_not_stated_again(void **state)
{
	(void)state;
	(void)observe_of("", MODEL_FIELD_SPEED_KMH, 50, 0, true);
	(void)sampler_flush(sampler, 0);
	for (int64_t t = 10 * SECOND; t < 300 * SECOND; t += 10 * SECOND) {
		(void)observe("bus-1", MODEL_FIELD_AUX_BATTERY_V, 12.6, t);
		(void)sampler_flush(sampler, t);
		says("aux_battery_v");
		says_not("speed_kmh");
	}
	/* A keyframe names it, with its own age: it does not become newer. */
	(void)observe("bus-1", MODEL_FIELD_AUX_BATTERY_V, 12.6, 300 * SECOND);
	(void)sampler_flush(sampler, 300 * SECOND);
	says("\"keyframe\":true");
	says("\"vehicle_state.speed_kmh\":300000");
}

static void a_field_read_again_is_not_lost_to_the_later_reading(void **state)
{
	(void)state;
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 0);
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 51, 50 * MS);
	assert_int_equal(taken.records, 1);
	says("\"speed_kmh\":50");
	(void)sampler_flush(sampler, 100 * MS);
	assert_int_equal(taken.records, 2);
	says("\"speed_kmh\":51");
	assert_int_equal(sampler_coalesced(sampler), 0);
}

static void a_keyframe_states_everything_with_its_age(void **state)
{
	(void)state;
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 0);
	(void)sampler_flush(sampler, 0);
	says_not("\"keyframe\":true");
	begin("bus-1", 4 * SECOND);
	(void)model_update_set_number(&update, MODEL_FIELD_STATE_OF_CHARGE_PCT, 80);
	update.keyframe = true;
	(void)sampler_update(sampler, &update, 4 * SECOND);
	(void)sampler_flush(sampler, 4 * SECOND);
	says("\"keyframe\":true");
	says("\"speed_kmh\":50");
	says("\"vehicle_state.speed_kmh\":4000");
	assert_int_equal(taken.first_class, WIRE_CLASS_STATE);
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 55, 5 * SECOND);
	(void)sampler_flush(sampler, 5 * SECOND);
	says_not("\"keyframe\":true");
	says_not("state_of_charge_pct");
}

static void what_was_read_of_one_vehicle_is_not_told_of_the_next(void **state)
{
	static const char first[] = "1D4GP00RX5B123456", second[] = "1D4GP10R85B123457";

	(void)state;
	assert_int_equal(observe_of(first, MODEL_FIELD_ODOMETER_KM, 120000, 0, true), 0);
	assert_int_equal(sampler_flush(sampler, 0), 0);
	/* Not sealed yet when the adapter is moved. */
	assert_int_equal(observe_of(first, MODEL_FIELD_SPEED_KMH, 50, SECOND, false), 0);
	assert_int_equal(observe_of(second, MODEL_FIELD_ENGINE_RPM, 800, SECOND + MS, false), 0);
	assert_int_equal(taken.sealings, 2);
	says("1D4GP00RX5B123456");
	says("\"speed_kmh\":50");
	says_not("engine_rpm");
	assert_int_equal(observe_of(second, MODEL_FIELD_ENGINE_RPM, 900, 2 * SECOND, true), 0);
	assert_int_equal(sampler_flush(sampler, 2 * SECOND), 0);
	says("1D4GP10R85B123457");
	says("\"engine_rpm\":900");
	says_not("odometer_km");
	says_not("speed_kmh");
	/* Nor of one that does not say which it is. */
	assert_int_equal(observe_of("", MODEL_FIELD_SPEED_KMH, 30, 3 * SECOND, true), 0);
	assert_int_equal(sampler_flush(sampler, 3 * SECOND), 0);
	says("\"speed_kmh\":30");
	says_not("engine_rpm");
	/* Whose VIN comes late it is the same. */
	assert_int_equal(observe_of(first, MODEL_FIELD_ENGINE_RPM, 700, 4 * SECOND, true), 0);
	assert_int_equal(sampler_flush(sampler, 4 * SECOND), 0);
	says("\"speed_kmh\":30");
	says("\"engine_rpm\":700");
	assert_int_equal(sampler_coalesced(sampler), 0);
}

static void a_keyframe_comes_at_least_every_interval(void **state)
{
	(void)state;
	(void)observe_of("", MODEL_FIELD_SPEED_KMH, 50, 0, true);
	(void)sampler_flush(sampler, 0);
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 51, 290 * SECOND);
	(void)sampler_flush(sampler, 290 * SECOND);
	says_not("\"keyframe\":true");
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 52, 300 * SECOND);
	(void)sampler_flush(sampler, 300 * SECOND);
	says("\"keyframe\":true");
}

/* A vehicle that sleeps has nothing but its plug's voltage to tell: a keyframe of that would take its
 * odometer away. */
static void what_is_not_known_whole_is_not_stated_whole(void **state)
{
	(void)state;
	(void)observe("bus-1", MODEL_FIELD_AUX_BATTERY_V, 12.6, 0);
	(void)sampler_flush(sampler, 0);
	(void)observe("bus-1", MODEL_FIELD_AUX_BATTERY_V, 12.5, 400 * SECOND);
	(void)sampler_flush(sampler, 400 * SECOND);
	says("12.5");
	says_not("\"keyframe\":true");
}

static void a_drop_or_reconnect_states_what_is_known_whole(void **state)
{
	(void)state;
	begin("bus-1", 0);
	(void)model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 50);
	update.keyframe = true;
	(void)sampler_update(sampler, &update, 0);
	(void)observe("bus-2", MODEL_FIELD_SPEED_KMH, 60, 0); /* its first round is not over */
	(void)sampler_flush(sampler, 0);
	sampler_keyframe_all(sampler, SECOND);
	assert_int_equal(sampler_due(sampler), SECOND + 100 * MS);
	(void)sampler_flush(sampler, SECOND);
	says("bus-1");
	says("\"keyframe\":true");
	says("\"mono_us\":0");
	says_not("bus-2");
}

static void what_the_spool_refuses_is_offered_again(void **state)
{
	(void)state;
	taken.error = -ENOSPC;
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 0);
	assert_int_equal(sampler_flush(sampler, 100 * MS), -ENOSPC);
	assert_true(sampler_due(sampler) > 100 * MS);
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 51, 200 * MS);
	assert_int_equal(sampler_coalesced(sampler), 1);
	taken.error = 0;
	assert_int_equal(sampler_flush(sampler, 2 * SECOND), 0);
	assert_int_equal(taken.records, 1);
	says("\"speed_kmh\":51");
}

static void without_an_age_every_reading_is_sealed_at_once(void **state)
{
	struct sampler_config at_once = config;
	struct sampler *own = NULL;

	(void)state;
	at_once.max_age_us = 0;
	assert_int_equal(sampler_create(&at_once, take, &taken, &own), 0);
	begin("bus-1", 0);
	(void)model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 50);
	assert_int_equal(sampler_update(own, &update, 0), 0);
	assert_int_equal(taken.records, 1);
	sampler_destroy(own);
}

static void batches_are_cut_by_count(void **state)
{
	struct sampler_config small = config;
	struct sampler *own = NULL;
	char device[8];

	(void)state;
	small.max_records = 3;
	assert_int_equal(sampler_create(&small, take, &taken, &own), 0);
	for (int i = 0; i < 7; i++) {
		(void)snprintf(device, sizeof(device), "bus-%d", i);
		begin(device, 0);
		(void)model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 50);
		assert_int_equal(sampler_update(own, &update, 0), 0);
	}
	assert_int_equal(taken.records, 6);
	assert_int_equal(taken.sealings, 2);
	assert_int_equal(sampler_flush(own, 0), 0);
	assert_int_equal(taken.records, 7);
	sampler_destroy(own);
}

static void a_change_of_state_does_not_share_a_batch_with_samples(void **state)
{
	(void)state;
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 0);
	begin("bus-2", 0);
	(void)model_update_set_integer(&update, MODEL_FIELD_IGNITION, MODEL_IGNITION_OFF);
	(void)sampler_update(sampler, &update, 0);
	(void)sampler_flush(sampler, 0);
	assert_int_equal(taken.sealings, 1);
	assert_int_equal(taken.batches, 2);
	assert_int_equal(taken.first_class, WIRE_CLASS_STATE);
}

static void a_time_of_the_sources_own_is_told_of_what_it_is_the_time_of(void **state)
{
	(void)state;
	begin("bus-1", SECOND);
	update.at_ms = INT64_C(1786968000250); /* 2026-08-17T12:00:00.250Z */
	(void)model_update_set_number(&update, MODEL_FIELD_LATITUDE, 52.5);
	(void)model_update_set_number(&update, MODEL_FIELD_LONGITUDE, 13.4);
	(void)sampler_update(sampler, &update, SECOND);
	(void)sampler_flush(sampler, SECOND);
	says("\"at\":\"2026-08-17T12:00:00.250Z\"");
	/* What was read without such a time, or at another, is not dated by it. */
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 50, 2 * SECOND);
	(void)sampler_flush(sampler, 2 * SECOND);
	says_not("\"at\":");
	(void)observe("bus-1", MODEL_FIELD_SPEED_KMH, 51, 3 * SECOND);
	begin("bus-1", 3 * SECOND + 50 * MS);
	update.at_ms = INT64_C(1786968002300);
	(void)model_update_set_number(&update, MODEL_FIELD_LATITUDE, 52.6);
	(void)sampler_update(sampler, &update, 3 * SECOND + 50 * MS);
	(void)sampler_flush(sampler, 4 * SECOND);
	says("52.6");
	says_not("\"at\":");
}

int suite_agent_sampler(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(a_position_is_told_whole_where_a_part_of_it_changed),
		TEST(readings_within_the_age_share_a_record_with_their_ages),
		TEST(only_changes_are_recorded_until_the_heartbeat),
		TEST(what_is_not_observed_again_is_not_stated_again),
		TEST(a_field_read_again_is_not_lost_to_the_later_reading),
		TEST(a_keyframe_states_everything_with_its_age),
		TEST(what_was_read_of_one_vehicle_is_not_told_of_the_next),
		TEST(a_keyframe_comes_at_least_every_interval),
		TEST(what_is_not_known_whole_is_not_stated_whole),
		TEST(a_drop_or_reconnect_states_what_is_known_whole),
		TEST(what_the_spool_refuses_is_offered_again),
		TEST(without_an_age_every_reading_is_sealed_at_once),
		TEST(batches_are_cut_by_count),
		TEST(a_change_of_state_does_not_share_a_batch_with_samples),
		TEST(a_time_of_the_sources_own_is_told_of_what_it_is_the_time_of),
#undef TEST
	};

	return cmocka_run_group_tests_name("agent.sampler", tests, NULL, NULL);
}
