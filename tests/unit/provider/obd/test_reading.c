#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "provider/obd/reading.h"
#include "provider/odometer.h"

int suite_provider_reading(void);

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define FIELD(name) MODEL_FIELD_##name
#define ECU 0x7ec
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A vehicle for tests: a battery's unit that sleeps, two units that know the charge, a cluster in
 * km or miles, units that are asked together, a charger. */
static const char vehicle[] = "[profile]\n"
			      "name = test\n"
			      "title = A vehicle for tests\n"
			      "[state]\n"
			      "charging = charger = 2 or charger = 3\n"
			      "fast_charging = charger = 3\n"
			      "plugged_in = socket = 1\n"
			      "ignition_on = key = 1\n"
			      "[command dash]\n"
			      "request = 22 0105\n"
			      "ecu = 7E4\n"
			      "period = 30s\n"
			      "[command pack]\n"
			      "request = 22 0101\n"
			      "ecu = 7E4\n"
			      "period = 5s\n"
			      "valid_if = volts > 100 and cell > 0\n"
			      "[command charger]\n"
			      "request = 22 0102\n"
			      "ecu = 7E4\n"
			      "period = 5s\n"
			      "[command body]\n"
			      "request = 22 0103\n"
			      "ecu = 7E4\n"
			      "period = 10s\n"
			      "[command cluster]\n"
			      "request = 22 0104\n"
			      "ecu = 7E4\n"
			      "period = 60s\n"
			      "[command speed]\n"
			      "request = 01 0D\n"
			      "ecu = all\n"
			      "period = 2s\n"
			      "[command status]\n"
			      "request = 01 01\n"
			      "ecu = all\n"
			      "period = 60s\n"
			      "[command codes]\n"
			      "request = 03\n"
			      "ecu = all\n"
			      "period = 600s\n"
			      "kind = dtc_confirmed\n"
			      "[command name]\n"
			      "request = 21 81\n"
			      "ecu = 7E4\n"
			      "when = once\n"
			      "[signal dash_soc]\n"
			      "command = dash\n"
			      "bits = 0 8\n"
			      "div = 2\n"
			      "null = ones\n"
			      "unit = %\n"
			      "field = battery.state_of_charge_pct\n"
			      "trust = captures\n"
			      "[signal pack_soc]\n"
			      "command = pack\n"
			      "bits = 0 8\n"
			      "div = 2\n"
			      "max = 100\n"
			      "min = 0\n"
			      "unit = %\n"
			      "field = battery.state_of_charge_pct\n"
			      "trust = captures\n"
			      "[signal volts]\n"
			      "command = pack\n"
			      "bits = 8 16\n"
			      "div = 10\n"
			      "min = 100\n"
			      "max = 900\n"
			      "unit = V\n"
			      "field = battery.pack_voltage_v\n"
			      "trust = captures\n"
			      "[signal amperes]\n"
			      "command = pack\n"
			      "bits = 24 16\n"
			      "signed = yes\n"
			      "div = 10\n"
			      "unit = A\n"
			      "negate = yes\n"
			      "field = battery.pack_current_a\n"
			      "trust = captures\n"
			      "[signal cell]\n"
			      "command = pack\n"
			      "bits = 40 8\n"
			      "div = 50\n"
			      "unit = V\n"
			      "field = battery.cell_min_v\n"
			      "trust = captures\n"
			      "[signal charger]\n"
			      "command = charger\n"
			      "bits = 0 8\n"
			      "trust = captures\n"
			      "[signal socket]\n"
			      "command = charger\n"
			      "bits = 8 8\n"
			      "null = ones\n"
			      "trust = captures\n"
			      "[signal key]\n"
			      "command = body\n"
			      "bits = 0 8\n"
			      "trust = captures\n"
			      "[signal aux]\n"
			      "command = body\n"
			      "bits = 8 8\n"
			      "div = 10\n"
			      "unit = V\n"
			      "null = ones\n"
			      "field = vehicle_state.aux_battery_v\n"
			      "trust = captures\n"
			      "[signal gear]\n"
			      "command = body\n"
			      "bits = 16 8\n"
			      "words = 1:p 2:r 3:n 4:d\n"
			      "field = vehicle_state.gear\n"
			      "trust = captures\n"
			      "[signal odometer]\n"
			      "command = cluster\n"
			      "bits = 0 24\n"
			      "unit = km\n"
			      "null = 0\n"
			      "field = vehicle_state.odometer_km\n"
			      "trust = captures\n"
			      "[signal odometer_mi]\n"
			      "command = cluster\n"
			      "bits = 24 24\n"
			      "unit = mi\n"
			      "null = 0\n"
			      "field = vehicle_state.odometer_km\n"
			      "trust = captures\n"
			      "[signal speed]\n"
			      "command = speed\n"
			      "bits = 0 8\n"
			      "unit = km/h\n"
			      "field = vehicle_state.speed_kmh\n"
			      "trust = captures\n"
			      "[signal mil]\n"
			      "command = status\n"
			      "bits = 0 1\n"
			      "field = service.mil_on\n"
			      "trust = captures\n"
			      "[signal name]\n"
			      "command = name\n"
			      "bits = 0 136\n"
			      "text = yes\n"
			      "field = identity.vin\n"
			      "trust = captures\n";

struct bench {
	struct profile *profile;
	struct obd_reading *reading;
	struct model_update_room room;
	struct model_update update;
	int64_t now_us;
};

static struct bench bench;

static bool allow(const uint8_t *request, size_t len)
{
	return len > 0 && request[0] != 0x04;
}

static void make(const char *text)
{
	assert_int_equal(
		profile_parse(text, strlen(text), "test.conf", allow, stderr, &bench.profile), 0);
	assert_int_equal(obd_reading_create(bench.profile, &bench.reading), 0);
	bench.now_us = 1000 * SECOND;
}

static int setup(void **state)
{
	(void)state;
	make(vehicle);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	obd_reading_destroy(bench.reading);
	profile_free(bench.profile);
	memset(&bench, 0, sizeof(bench));
	return 0;
}

static size_t index_of(const char *command)
{
	for (size_t i = 0; i < profile_command_count(bench.profile); i++)
		if (strcmp(profile_command(bench.profile, i)->id, command) == 0)
			return i;
	fail_msg("no command %s", command);
	return 0;
}

static int take_all(const char *command, const struct obd_answer *answers, size_t count)
{
	model_update_init(&bench.update, &bench.room);
	return obd_reading_take(bench.reading, index_of(command), answers, count, bench.now_us,
				&bench.update);
}

static int take(const char *command, const uint8_t *data, size_t len)
{
	const struct obd_answer answer = {ECU, data, len};

	return take_all(command, &answer, 1);
}

#define TAKE(command, ...)                                                                         \
	take(command, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define PACK(soc, volts, amperes, cell)                                                            \
	TAKE("pack", 0x62, 0x01, 0x01, soc, (volts) >> 8, (volts)&0xff, ((amperes) >> 8) & 0xff,   \
	     (amperes)&0xff, cell)
#define CHARGER(mode, socket) TAKE("charger", 0x62, 0x01, 0x02, mode, socket)
#define BODY(key, aux, gear) TAKE("body", 0x62, 0x01, 0x03, key, aux, gear)
#define CLUSTER(km, mi)                                                                            \
	TAKE("cluster", 0x62, 0x01, 0x04, (km) >> 16, ((km) >> 8) & 0xff, (km)&0xff, (mi) >> 16,   \
	     ((mi) >> 8) & 0xff, (mi)&0xff)
#define SPEED(kmh) TAKE("speed", 0x41, 0x0d, kmh)

static const struct model_item *item(enum model_field field)
{
	return model_update_get(&bench.update, field);
}

static void expect_number(enum model_field field, double value)
{
	const struct model_item *found = item(field);

	assert_non_null(found);
	assert_false(found->null);
	assert_float_equal(found->value.as.number, value, 1e-6);
}

static void expect_integer(enum model_field field, int64_t value)
{
	const struct model_item *found = item(field);

	assert_non_null(found);
	assert_false(found->null);
	assert_int_equal(found->value.as.integer, value);
}

static void expect_null(enum model_field field)
{
	assert_non_null(item(field));
	assert_true(item(field)->null);
}

static void expect_absent(enum model_field field)
{
	assert_null(item(field));
}

static void expect_activity(enum obd_activity activity)
{
	assert_string_equal(obd_activity_name(obd_reading_activity(bench.reading, bench.now_us)),
			    obd_activity_name(activity));
}

static struct obd_reading_counts counts(void)
{
	struct obd_reading_counts now;

	obd_reading_counts(bench.reading, &now);
	return now;
}

/* ---- values ---- */

static void an_answer_becomes_its_fields(void **state)
{
	(void)state;
	assert_int_equal(PACK(160, 3600, 100, 180), 5);
	expect_number(FIELD(STATE_OF_CHARGE_PCT), 80);
	expect_number(FIELD(PACK_VOLTAGE_V), 360);
	expect_number(FIELD(PACK_CURRENT_A), -10);
	expect_number(FIELD(CELL_MIN_V), 3.6);
	expect_number(FIELD(PACK_POWER_KW), -3.6);
	assert_int_equal(counts().values, 4);
}

static void words_and_texts_become_their_fields(void **state)
{
	static const uint8_t name[] = "\x61\x81JN1AZ0CP5BT000082\x1b";

	(void)state;
	(void)BODY(1, 130, 4);
	expect_integer(FIELD(GEAR), 3);
	bench.now_us += SECOND;
	assert_int_equal(take("name", name, 19), 1);
	assert_memory_equal(item(FIELD(IDENTITY_VIN))->value.as.text.data, "JN1AZ0CP5BT000082", 17);
}

static void what_is_no_word_or_out_of_range_is_refused_and_counted(void **state)
{
	(void)state;
	(void)BODY(1, 130, 9);
	expect_absent(FIELD(GEAR));
	assert_int_equal(counts().implausible, 1);
	(void)PACK(210, 3600, 0, 180);
	expect_absent(FIELD(STATE_OF_CHARGE_PCT));
	expect_number(FIELD(PACK_VOLTAGE_V), 360);
	assert_int_equal(counts().implausible, 2);
}

static void a_short_answer_gives_what_it_reaches(void **state)
{
	(void)state;
	(void)TAKE("body", 0x62, 0x01, 0x03, 1);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
	expect_absent(FIELD(AUX_BATTERY_V));
	expect_absent(FIELD(GEAR));
	assert_int_equal(counts().shorts, 2);
	/* Without what its check needs, an answer is not believed. */
	bench.now_us += SECOND;
	assert_int_equal(TAKE("pack", 0x62, 0x01, 0x01, 100), 0);
	assert_int_equal(counts().shorts, 5);
	assert_int_equal(counts().asleep, 0);
}

static void an_answer_of_a_unit_that_sleeps_is_dropped_whole(void **state)
{
	(void)state;
	assert_int_equal(PACK(0, 0, 0, 0), 0);
	assert_int_equal(bench.update.item_count, 0);
	assert_int_equal(counts().asleep, 1);
	assert_int_equal(counts().implausible, 0);
	assert_int_equal(PACK(160, 3600, 0, 0), 0);
	assert_int_equal(counts().asleep, 2);
}

static void a_value_that_the_vehicle_does_not_know_is_null(void **state)
{
	(void)state;
	assert_true(TAKE("dash", 0x62, 0x01, 0x05, 0xff) >= 1);
	expect_null(FIELD(STATE_OF_CHARGE_PCT));
	assert_int_equal(counts().nulls, 1);
}

static void another_signal_s_value_is_not_nulled(void **state)
{
	(void)state;
	(void)PACK(160, 3600, 0, 180);
	bench.now_us += SECOND;
	(void)TAKE("dash", 0x62, 0x01, 0x05, 0xff);
	expect_absent(FIELD(STATE_OF_CHARGE_PCT));
	/* A cluster that counts miles does not know the km. */
	(void)CLUSTER(0, 1000);
	expect_number(FIELD(ODOMETER_KM), 1609.344);
}

static void a_signal_that_knows_no_more_lets_go_of_its_field(void **state)
{
	(void)state;
	(void)CLUSTER(1608, 1000);
	expect_number(FIELD(ODOMETER_KM), 1608);
	bench.now_us += MINUTE;
	/* One mile less is refused, but something is known. */
	(void)CLUSTER(0, 999);
	expect_absent(FIELD(ODOMETER_KM));
	(void)CLUSTER(0, 1000);
	expect_number(FIELD(ODOMETER_KM), 1609.344);
	(void)CLUSTER(0, 0);
	expect_null(FIELD(ODOMETER_KM));
}

static void the_first_signal_of_the_profile_has_the_field(void **state)
{
	(void)state;
	(void)PACK(160, 3600, 0, 180);
	expect_number(FIELD(STATE_OF_CHARGE_PCT), 80);
	bench.now_us += SECOND;
	(void)TAKE("dash", 0x62, 0x01, 0x05, 166);
	expect_number(FIELD(STATE_OF_CHARGE_PCT), 83);
	for (int i = 0; i < 15; i++) {
		bench.now_us += 5 * SECOND;
		(void)PACK(160, 3600, 0, 180);
		expect_absent(FIELD(STATE_OF_CHARGE_PCT));
		expect_number(FIELD(PACK_VOLTAGE_V), 360);
	}
	/* Three periods without it: the other takes over. */
	bench.now_us += 20 * SECOND;
	(void)PACK(160, 3600, 0, 180);
	expect_number(FIELD(STATE_OF_CHARGE_PCT), 80);
}

static void the_plug_s_voltage_stands_back_behind_a_unit_s(void **state)
{
	(void)state;
	model_update_init(&bench.update, &bench.room);
	assert_int_equal(obd_reading_plug_voltage(bench.reading, 12.3, bench.now_us, &bench.update),
			 1);
	expect_number(FIELD(AUX_BATTERY_V), 12.3);
	(void)BODY(0, 125, 1);
	expect_number(FIELD(AUX_BATTERY_V), 12.5);
	model_update_init(&bench.update, &bench.room);
	assert_int_equal(obd_reading_plug_voltage(bench.reading, 12.3, bench.now_us, &bench.update),
			 0);
	bench.now_us += MINUTE;
	assert_int_equal(obd_reading_plug_voltage(bench.reading, 12.3, bench.now_us, &bench.update),
			 1);
	model_update_init(&bench.update, &bench.room);
	assert_int_equal(obd_reading_plug_voltage(bench.reading, 0, bench.now_us, &bench.update),
			 0);
	assert_int_equal(counts().implausible, 1);
}

static void of_several_units_the_smallest_with_a_value_speaks(void **state)
{
	static const uint8_t slow[] = {0x41, 0x0d, 50}, fast[] = {0x41, 0x0d, 60},
			     cut[] = {0x41, 0x0d};
	const struct obd_answer answers[] = {{0x7ea, fast, sizeof(fast)},
					     {0x7e9, slow, sizeof(slow)},
					     {0x7e8, cut, sizeof(cut)}};

	(void)state;
	(void)take_all("speed", answers, COUNT(answers));
	expect_number(FIELD(SPEED_KMH), 50);
	assert_int_equal(counts().shorts, 1);
}

static void a_warning_lamp_is_on_where_any_unit_says_so(void **state)
{
	static const uint8_t off[] = {0x41, 0x01, 0x00, 0, 0, 0},
			     on[] = {0x41, 0x01, 0x81, 0, 0, 0};
	const struct obd_answer answers[] = {
		{0x7e8, off, sizeof(off)}, {0x7e9, on, sizeof(on)}, {0x7ea, off, sizeof(off)}};

	(void)state;
	(void)take_all("status", answers, COUNT(answers));
	expect_integer(FIELD(MIL_ON), 1);
	(void)take_all("status", answers, 1);
	expect_integer(FIELD(MIL_ON), 0);
}

static void trouble_codes_become_their_list(void **state)
{
	static const char codes[] = "P0301\0P0A80";

	(void)state;
	model_update_init(&bench.update, &bench.room);
	assert_int_equal(obd_reading_dtcs(bench.reading, PROFILE_KIND_DTC_CONFIRMED, codes,
					  sizeof(codes), &bench.update),
			 1);
	assert_int_equal(item(FIELD(DTC_CONFIRMED))->value.as.text.len, sizeof(codes));
	assert_int_equal(
		obd_reading_dtcs(bench.reading, PROFILE_KIND_DTC_PENDING, "", 0, &bench.update), 1);
	assert_non_null(item(FIELD(DTC_PENDING)));
	assert_int_equal(obd_reading_dtcs(bench.reading, PROFILE_KIND_DTC_PERMANENT, "P03", 3,
					  &bench.update),
			 0);
	assert_int_equal(counts().implausible, 1);
	assert_int_equal(obd_reading_dtcs(bench.reading, PROFILE_KIND_VIN, "", 0, &bench.update),
			 0);
}

static void an_answer_to_no_command_sets_nothing(void **state)
{
	static const uint8_t data[] = {0x43, 0};
	const struct obd_answer answer = {ECU, data, sizeof(data)};

	(void)state;
	assert_int_equal(take_all("codes", &answer, 1), 0);
	assert_int_equal(obd_reading_take(bench.reading, 1000, &answer, 1, 0, &bench.update), 0);
	assert_int_equal(obd_reading_take(bench.reading, 0, &answer, 0, 0, &bench.update), 0);
}

static void a_full_update_is_an_error(void **state)
{
	static const uint8_t data[] = {0x62, 0x01, 0x05, 100};
	const struct obd_answer answer = {ECU, data, sizeof(data)};

	(void)state;
	model_update_init(&bench.update, &bench.room);
	bench.update.item_cap = 0;
	assert_int_equal(obd_reading_take(bench.reading, index_of("dash"), &answer, 1, bench.now_us,
					  &bench.update),
			 MODEL_E_SPACE);
	assert_int_equal(obd_reading_silent(bench.reading, bench.now_us, &bench.update),
			 MODEL_E_SPACE);
	assert_int_equal(obd_reading_plug_voltage(bench.reading, 12.5, bench.now_us, &bench.update),
			 MODEL_E_SPACE);
	assert_int_equal(counts().values, 0);
}

/* ---- what follows ---- */

static void power_needs_both_from_the_same_moment(void **state)
{
	(void)state;
	(void)PACK(160, 0xffff, 100, 180);
	expect_number(FIELD(PACK_CURRENT_A), -10);
	expect_absent(FIELD(PACK_POWER_KW));
	bench.now_us += 4 * SECOND;
	(void)PACK(160, 3600, 0, 180);
	expect_number(FIELD(PACK_POWER_KW), 0);
}

static void charging_follows_the_profile_s_condition(void **state)
{
	(void)state;
	assert_int_equal(CHARGER(2, 1), 3);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_CHARGING);
	expect_integer(FIELD(PLUGGED_IN), 1);
	expect_integer(FIELD(FAST_CHARGER_PRESENT), 0);
	expect_activity(OBD_ACTIVITY_CHARGING);
	(void)CHARGER(3, 1);
	expect_integer(FIELD(FAST_CHARGER_PRESENT), 1);
	(void)CHARGER(0, 1);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_STOPPED);
	(void)CHARGER(0, 0);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_DISCONNECTED);
	expect_integer(FIELD(PLUGGED_IN), 0);
}

static void a_cable_that_nobody_sees_is_not_known(void **state)
{
	(void)state;
	(void)CHARGER(0, 0xff);
	expect_absent(FIELD(CHARGING_STATE));
	expect_absent(FIELD(PLUGGED_IN));
	/* Where it charges, there is one; and after that it has stopped. */
	(void)CHARGER(2, 0xff);
	expect_integer(FIELD(PLUGGED_IN), 1);
	(void)CHARGER(0, 0xff);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_STOPPED);
	expect_null(FIELD(PLUGGED_IN));
	/* Nothing moves off with the cable in. */
	(void)SPEED(30);
	expect_integer(FIELD(PLUGGED_IN), 0);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_DISCONNECTED);
	expect_activity(OBD_ACTIVITY_DRIVING);
}

static void charging_is_not_known_from_old_evidence(void **state)
{
	(void)state;
	(void)CHARGER(2, 1);
	bench.now_us += 14 * SECOND;
	(void)TAKE("dash", 0x62, 0x01, 0x05, 100);
	expect_absent(FIELD(CHARGING_STATE));
	expect_activity(OBD_ACTIVITY_CHARGING);
	bench.now_us += 2 * SECOND;
	(void)TAKE("dash", 0x62, 0x01, 0x05, 100);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_UNKNOWN);
	expect_null(FIELD(PLUGGED_IN));
	expect_null(FIELD(FAST_CHARGER_PRESENT));
	/* Said once. */
	(void)TAKE("dash", 0x62, 0x01, 0x05, 100);
	expect_absent(FIELD(CHARGING_STATE));
	expect_absent(FIELD(PLUGGED_IN));
}

static void ignition_follows_the_profile_s_condition(void **state)
{
	(void)state;
	(void)BODY(1, 125, 1);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
	expect_activity(OBD_ACTIVITY_ON);
	(void)BODY(0, 145, 1);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_OFF);
	expect_activity(OBD_ACTIVITY_OFF);
	/* Another unit's answer says nothing new of it. */
	bench.now_us += SECOND;
	(void)TAKE("dash", 0x62, 0x01, 0x05, 100);
	expect_absent(FIELD(IGNITION));
}

static void the_profile_s_own_evidence_has_a_minute_to_come(void **state)
{
	(void)state;
	(void)SPEED(0);
	model_update_init(&bench.update, &bench.room);
	(void)obd_reading_plug_voltage(bench.reading, 12.5, bench.now_us, &bench.update);
	expect_absent(FIELD(IGNITION));
	expect_activity(OBD_ACTIVITY_UNKNOWN);
	(void)SPEED(10);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
	bench.now_us += 61 * SECOND;
	(void)SPEED(0);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_UNKNOWN);
	expect_activity(OBD_ACTIVITY_OFF);
}

static void a_silent_bus_is_off_and_what_was_read_counts_no_more(void **state)
{
	(void)state;
	(void)CHARGER(2, 1);
	(void)SPEED(10);
	model_update_init(&bench.update, &bench.room);
	assert_int_equal(obd_reading_silent(bench.reading, bench.now_us, &bench.update), 4);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_OFF);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_UNKNOWN);
	expect_null(FIELD(PLUGGED_IN));
	expect_activity(OBD_ACTIVITY_ASLEEP);
	bench.now_us += 1000 * MINUTE;
	expect_activity(OBD_ACTIVITY_ASLEEP);
	(void)TAKE("dash", 0x62, 0x01, 0x05, 100);
	expect_activity(OBD_ACTIVITY_UNKNOWN);
	expect_absent(FIELD(IGNITION));
	expect_absent(FIELD(SPEED_KMH));
}

static void a_vehicle_that_was_not_asked_for_long_is_unknown(void **state)
{
	(void)state;
	expect_activity(OBD_ACTIVITY_UNKNOWN);
	(void)BODY(0, 125, 1);
	expect_activity(OBD_ACTIVITY_OFF);
	bench.now_us += 3 * MINUTE;
	expect_activity(OBD_ACTIVITY_UNKNOWN);
}

static void a_reset_forgets_the_vehicle(void **state)
{
	(void)state;
	(void)CHARGER(2, 1);
	(void)CLUSTER(158910, 0);
	obd_reading_reset(bench.reading);
	expect_activity(OBD_ACTIVITY_UNKNOWN);
	(void)CLUSTER(1000, 0);
	expect_number(FIELD(ODOMETER_KM), 1000);
	expect_absent(FIELD(CHARGING_STATE));
}

/* ---- by general rules ---- */

static const char plain[] = "[profile]\n"
			    "name = plain\n"
			    "[command speed]\n"
			    "request = 01 0D\n"
			    "ecu = all\n"
			    "period = 2s\n"
			    "[command rpm]\n"
			    "request = 01 0C\n"
			    "ecu = all\n"
			    "period = 2s\n"
			    "[command aux]\n"
			    "request = 01 42\n"
			    "ecu = all\n"
			    "period = 10s\n"
			    "[command soc]\n"
			    "request = 01 5B\n"
			    "ecu = all\n"
			    "period = 10s\n"
			    "[signal speed]\n"
			    "command = speed\n"
			    "bits = 0 8\n"
			    "unit = km/h\n"
			    "field = vehicle_state.speed_kmh\n"
			    "trust = captures\n"
			    "[signal rpm]\n"
			    "command = rpm\n"
			    "bits = 0 16\n"
			    "div = 4\n"
			    "unit = rpm\n"
			    "field = vehicle_state.engine_rpm\n"
			    "trust = captures\n"
			    "[signal aux]\n"
			    "command = aux\n"
			    "bits = 0 16\n"
			    "div = 1000\n"
			    "unit = V\n"
			    "field = vehicle_state.aux_battery_v\n"
			    "trust = captures\n"
			    "[signal soc]\n"
			    "command = soc\n"
			    "bits = 0 8\n"
			    "mul = 100\n"
			    "div = 255\n"
			    "unit = %\n"
			    "field = battery.state_of_charge_pct\n"
			    "trust = captures\n";

static int setup_plain(void **state)
{
	(void)state;
	make(plain);
	return 0;
}

#define RPM(rpm) TAKE("rpm", 0x41, 0x0c, ((rpm)*4) >> 8, ((rpm)*4) & 0xff)
#define AUX(mv) TAKE("aux", 0x41, 0x42, (mv) >> 8, (mv)&0xff)

static void an_engine_or_a_motion_or_a_generator_is_on(void **state)
{
	(void)state;
	(void)RPM(0);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_UNKNOWN);
	(void)RPM(800);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
	(void)RPM(0);
	(void)SPEED(3);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
	expect_activity(OBD_ACTIVITY_DRIVING);
	(void)SPEED(0);
	(void)AUX(14100);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
	expect_activity(OBD_ACTIVITY_ON);
	(void)AUX(12400);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_UNKNOWN);
	expect_activity(OBD_ACTIVITY_OFF);
	expect_absent(FIELD(PLUGGED_IN));
	expect_absent(FIELD(CHARGING_STATE));
}

static void a_truck_s_24_volts_are_not_taken_for_a_generator(void **state)
{
	(void)state;
	(void)RPM(0);
	(void)AUX(25000);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_UNKNOWN);
	/* Without an engine that ran it may be an electric one, whose converter runs. */
	(void)AUX(28200);
	expect_absent(FIELD(IGNITION));
	bench.now_us += MINUTE;
	(void)RPM(0);
	(void)AUX(28200);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
}

static void voltage_alone_does_not_say_that_a_vehicle_is_on(void **state)
{
	(void)state;
	(void)AUX(14100);
	expect_absent(FIELD(IGNITION));
	expect_activity(OBD_ACTIVITY_UNKNOWN);
}

static void an_electric_vehicle_charges_its_12_volts_while_it_stands(void **state)
{
	(void)state;
	(void)TAKE("soc", 0x41, 0x5b, 128);
	(void)SPEED(5);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
	(void)AUX(14100);
	bench.now_us += MINUTE;
	(void)AUX(14100);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_UNKNOWN);
	(void)SPEED(0);
	expect_absent(FIELD(IGNITION));
	expect_activity(OBD_ACTIVITY_UNKNOWN);
	(void)AUX(12700);
	expect_activity(OBD_ACTIVITY_UNKNOWN);
	(void)AUX(12500);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_UNKNOWN);
}

/* ---- fields that a vehicle says itself ---- */

static const char direct[] = "[profile]\n"
			     "name = direct\n"
			     "[state]\n"
			     "charging = current > 0\n"
			     "ignition_on = current < 0\n"
			     "[command all]\n"
			     "request = 22 0101\n"
			     "ecu = 7E4\n"
			     "period = 5s\n"
			     "[signal current]\n"
			     "command = all\n"
			     "bytes = 0 1\n"
			     "signed = yes\n"
			     "trust = sources\n"
			     "[signal key]\n"
			     "command = all\n"
			     "bytes = 1 1\n"
			     "words = 0:off 1:on\n"
			     "field = vehicle_state.ignition\n"
			     "trust = sources\n"
			     "[signal cable]\n"
			     "command = all\n"
			     "bytes = 2 1\n"
			     "words = 1:yes 2:no\n"
			     "field = charging.plugged_in\n"
			     "trust = sources\n";

static int setup_direct(void **state)
{
	(void)state;
	make(direct);
	return 0;
}

static void what_the_vehicle_says_itself_is_not_derived(void **state)
{
	(void)state;
	(void)TAKE("all", 0x62, 0x01, 0x01, 5, 1, 2);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_ON);
	expect_integer(FIELD(PLUGGED_IN), 0);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_CHARGING);
	/* But other things are, from it. */
	(void)TAKE("all", 0x62, 0x01, 0x01, 0xfb, 0, 2);
	expect_integer(FIELD(IGNITION), MODEL_IGNITION_OFF);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_DISCONNECTED);
	expect_activity(OBD_ACTIVITY_OFF);
	(void)TAKE("all", 0x62, 0x01, 0x01, 0xfb, 1, 1);
	expect_integer(FIELD(PLUGGED_IN), 1);
	expect_integer(FIELD(CHARGING_STATE), MODEL_CHARGING_STOPPED);
	expect_activity(OBD_ACTIVITY_ON);
}

/* ---- the odometer ---- */

static void an_odometer_never_goes_back_or_jumps(void **state)
{
	(void)state;
	(void)CLUSTER(50000, 0);
	expect_number(FIELD(ODOMETER_KM), 50000);
	bench.now_us += MINUTE;
	(void)CLUSTER(49999, 0);
	expect_absent(FIELD(ODOMETER_KM));
	(void)CLUSTER(20000, 0);
	expect_absent(FIELD(ODOMETER_KM));
	(void)CLUSTER(60000, 0);
	expect_absent(FIELD(ODOMETER_KM));
	assert_int_equal(counts().implausible, 3);
	bench.now_us += MINUTE;
	(void)CLUSTER(50002, 0);
	expect_number(FIELD(ODOMETER_KM), 50002);
	/* A day away explains much. */
	bench.now_us += 1440 * MINUTE;
	(void)CLUSTER(51000, 0);
	expect_number(FIELD(ODOMETER_KM), 51000);
}

static void an_odometer_that_insists_is_believed(void **state)
{
	struct odometer odometer = {0};
	int64_t now = 0;

	(void)state;
	assert_true(odometer_accept(&odometer, 5, now)); /* a cluster that counts up as it wakes */
	for (int i = 0; i < ODOMETER_CONFIRM - 1; i++) {
		now += MINUTE;
		assert_false(odometer_accept(&odometer, 158910 + i, now));
	}
	now += MINUTE;
	assert_true(odometer_accept(&odometer, 158913, now));
	now += MINUTE;
	assert_false(odometer_accept(&odometer, 5, now));
	/* In one breath is no confirmation. */
	for (int i = 0; i < 10; i++)
		assert_false(odometer_accept(&odometer, 1000, now + i));
	now += ODOMETER_CONFIRM_US;
	assert_true(odometer_accept(&odometer, 1000, now));
}

static void an_odometer_a_little_behind_waits_until_it_is_passed(void **state)
{
	struct odometer odometer = {0};

	(void)state;
	assert_true(odometer_accept(&odometer, 1000.4, 0));
	for (int i = 1; i < 60; i++)
		assert_false(odometer_accept(&odometer, 1000, i * MINUTE));
	assert_true(odometer_accept(&odometer, 1001, 60 * MINUTE));
}

static void contradictions_that_contradict_each_other_confirm_nothing(void **state)
{
	struct odometer odometer = {0};

	(void)state;
	assert_true(odometer_accept(&odometer, 1000, 0));
	for (int i = 1; i < 60; i++)
		assert_false(odometer_accept(&odometer, i % 2 ? 90000 : 70000, i * MINUTE));
}

/* ---- VINs ---- */

static void a_vin_is_judged_by_its_region(void **state)
{
	(void)state;
	assert_int_equal(obd_vin_check("1N4AZ1CP7KC314356"), OBD_VIN_RIGHT);
	assert_int_equal(obd_vin_check("1N4AZ1CP8KC314356"), OBD_VIN_WRONG_SUM);
	assert_int_equal(obd_vin_check("LSVAU033762184285"), OBD_VIN_WRONG_SUM);
	assert_int_equal(obd_vin_check("WVWZZZE1ZMP000968"), OBD_VIN_UNCHECKED);
	assert_int_equal(obd_vin_check("WVWZZZE1ZMP00096O"), OBD_VIN_BAD);
	assert_int_equal(obd_vin_check("WVWZZZE1ZMP00096"), OBD_VIN_BAD);
	assert_int_equal(obd_vin_check("WVWZZZE1ZMP0009688"), OBD_VIN_BAD);
	assert_int_equal(obd_vin_check(""), OBD_VIN_BAD);
}

#define ON_VEHICLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define ON_DIRECT(test) cmocka_unit_test_setup_teardown(test, setup_direct, teardown)
#define ON_PLAIN(test) cmocka_unit_test_setup_teardown(test, setup_plain, teardown)

int suite_provider_reading(void)
{
	const struct CMUnitTest tests[] = {
		ON_VEHICLE(an_answer_becomes_its_fields),
		ON_VEHICLE(words_and_texts_become_their_fields),
		ON_VEHICLE(what_is_no_word_or_out_of_range_is_refused_and_counted),
		ON_VEHICLE(a_short_answer_gives_what_it_reaches),
		ON_VEHICLE(an_answer_of_a_unit_that_sleeps_is_dropped_whole),
		ON_VEHICLE(a_value_that_the_vehicle_does_not_know_is_null),
		ON_VEHICLE(another_signal_s_value_is_not_nulled),
		ON_VEHICLE(a_signal_that_knows_no_more_lets_go_of_its_field),
		ON_VEHICLE(the_first_signal_of_the_profile_has_the_field),
		ON_VEHICLE(the_plug_s_voltage_stands_back_behind_a_unit_s),
		ON_VEHICLE(of_several_units_the_smallest_with_a_value_speaks),
		ON_VEHICLE(a_warning_lamp_is_on_where_any_unit_says_so),
		ON_VEHICLE(trouble_codes_become_their_list),
		ON_VEHICLE(an_answer_to_no_command_sets_nothing),
		ON_VEHICLE(a_full_update_is_an_error),
		ON_VEHICLE(power_needs_both_from_the_same_moment),
		ON_VEHICLE(charging_follows_the_profile_s_condition),
		ON_VEHICLE(a_cable_that_nobody_sees_is_not_known),
		ON_VEHICLE(charging_is_not_known_from_old_evidence),
		ON_VEHICLE(ignition_follows_the_profile_s_condition),
		ON_VEHICLE(the_profile_s_own_evidence_has_a_minute_to_come),
		ON_VEHICLE(a_silent_bus_is_off_and_what_was_read_counts_no_more),
		ON_VEHICLE(a_vehicle_that_was_not_asked_for_long_is_unknown),
		ON_VEHICLE(a_reset_forgets_the_vehicle),
		ON_PLAIN(an_engine_or_a_motion_or_a_generator_is_on),
		ON_PLAIN(a_truck_s_24_volts_are_not_taken_for_a_generator),
		ON_PLAIN(voltage_alone_does_not_say_that_a_vehicle_is_on),
		ON_PLAIN(an_electric_vehicle_charges_its_12_volts_while_it_stands),
		ON_DIRECT(what_the_vehicle_says_itself_is_not_derived),
		ON_VEHICLE(an_odometer_never_goes_back_or_jumps),
		cmocka_unit_test(an_odometer_that_insists_is_believed),
		cmocka_unit_test(an_odometer_a_little_behind_waits_until_it_is_passed),
		cmocka_unit_test(contradictions_that_contradict_each_other_confirm_nothing),
		cmocka_unit_test(a_vin_is_judged_by_its_region),
	};

	return cmocka_run_group_tests_name("provider.reading", tests, NULL, NULL);
}
