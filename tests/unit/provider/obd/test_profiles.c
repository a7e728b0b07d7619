/* Every profile that is shipped, loaded by the loader of the agent behind the gate of the agent,
 * and led through answers that were made by hand from the scales its sources state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/protocol/obd2.h"
#include "provider/obd/reading.h"

int suite_provider_profiles(void);

#define SECOND INT64_C(1000000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ANSWERS_MAX 3
#define ANSWER_MAX 256
#define TEXT_MAX 1024

/* What is said to a reading, and all that it sets then. */
struct step {
	int after_s;
	/* A command of the profile, or one of the words below. */
	const char *command;
	/* "620101+59 10=FF9C 12=1B3C": the echo, so many zeros after it, bytes from a place after
	 * the echo. "7E9:410D20 | 7E8:410D21" where several units answer. */
	const char *answer;
	const char *expected; /* in the order of the fields: "pack_voltage_v=697.2 fl=null" */
	const char *activity;
};

#define SILENT "(silent)"
#define PLUG "(plug)" /* the adapter's own voltage */
#define RESET "(reset)"

struct bench {
	struct profile *profile;
	struct obd_reading *reading;
	struct model_update_room room;
	struct model_update update;
	int64_t now_us;
	bool seen[PROFILE_SIGNALS_MAX]; /* which signals had a value in some step */
	uint8_t bytes[ANSWERS_MAX][ANSWER_MAX];
	struct obd_answer answers[ANSWERS_MAX];
	size_t count;
	char text[TEXT_MAX];
};

static struct bench bench;

/* ---- profiles ---- */

static void open_profile(const char *path)
{
	memset(&bench, 0, sizeof(bench));
	assert_int_equal(profile_load(path, obd2_request_allowed, stderr, &bench.profile), 0);
	assert_int_equal(obd_reading_create(bench.profile, &bench.reading), 0);
	bench.now_us = 1000 * SECOND;
}

static int close_profile(void **state)
{
	(void)state;
	obd_reading_destroy(bench.reading);
	profile_free(bench.profile);
	bench.reading = NULL;
	bench.profile = NULL;
	return 0;
}

static size_t index_of(const char *command)
{
	for (size_t i = 0; i < profile_command_count(bench.profile); i++)
		if (strcmp(profile_command(bench.profile, i)->id, command) == 0)
			return i;
	fail_msg("%s has no command %s", profile_name(bench.profile), command);
	return 0;
}

/* ---- answers ---- */

static size_t put_hex(const char *hex, uint8_t *out, size_t at)
{
	for (; *hex && *hex != ' ' && *hex != '+'; hex += 2) {
		const char pair[3] = {hex[0], hex[1], '\0'};

		assert_true(at < ANSWER_MAX);
		out[at++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return at;
}

/* "7E9:410D20", "620101+59 10=FF9C". */
static void make_answer(char *text, const struct profile_command *command)
{
	struct obd_answer *answer = &bench.answers[bench.count];
	uint8_t *bytes = bench.bytes[bench.count++];
	char *colon = strchr(text, ':');
	char *word, *rest = NULL;
	size_t echo, end;

	memset(bytes, 0, ANSWER_MAX);
	answer->ecu = command->ecu.rx ? command->ecu.rx : 0x7e8;
	if (colon) {
		answer->ecu = (uint32_t)strtoul(text, NULL, 16);
		text = colon + 1;
	}
	word = strtok_r(text, " ", &rest);
	assert_non_null(word);
	end = put_hex(word, bytes, 0);
	echo = command->echo_len;
	if (strchr(word, '+'))
		end = echo + strtoul(strchr(word, '+') + 1, NULL, 10);
	while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
		const size_t at = echo + strtoul(word, NULL, 10);

		assert_non_null(strchr(word, '='));
		assert_true(put_hex(strchr(word, '=') + 1, bytes, at) <= end);
	}
	answer->data = bytes;
	answer->len = end;
}

static void make_answers(const char *text, const struct profile_command *command)
{
	char copy[TEXT_MAX];
	char *part, *rest = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	bench.count = 0;
	for (part = strtok_r(copy, "|", &rest); part; part = strtok_r(NULL, "|", &rest)) {
		assert_true(bench.count < ANSWERS_MAX);
		make_answer(part + strspn(part, " "), command);
	}
}

static void note_seen(const struct profile_command *command)
{
	for (size_t i = 0; i < command->signal_count; i++) {
		const size_t s = command->signal_first + i;
		struct profile_value value;

		for (size_t a = 0; a < bench.count; a++)
			if (profile_decode(bench.profile, profile_signal(bench.profile, s),
					   bench.answers[a].data, bench.answers[a].len,
					   &value) == PROFILE_VALUE)
				bench.seen[s] = true;
	}
}

/* ---- what was set ---- */

static size_t write_value(const struct model_item *item, char *out, size_t size)
{
	const struct model_field_info *info = model_field_info((enum model_field)item->field);
	const struct model_value *value = &item->value;
	const char *name = strrchr(info->path, '.') ? strrchr(info->path, '.') + 1 : info->path;
	int n;

	if (item->null)
		n = snprintf(out, size, "%s=null ", name);
	else if (info->type == MODEL_TYPE_NUMBER)
		n = snprintf(out, size, "%s=%.6g ", name, value->as.number);
	else if (info->type == MODEL_TYPE_BOOL)
		n = snprintf(out, size, "%s=%s ", name, value->as.integer ? "yes" : "no");
	else if (info->type == MODEL_TYPE_ENUM)
		n = snprintf(out, size, "%s=%s ", name,
			     model_word((enum model_words)info->aux, (size_t)value->as.integer));
	else
		n = snprintf(out, size, "%s=%.*s ", name, (int)value->as.text.len,
			     value->as.text.data);
	assert_true(n > 0 && (size_t)n < size);
	return (size_t)n;
}

static void write_update(void)
{
	size_t len = 0;

	bench.text[0] = '\0';
	for (size_t f = 0; f < MODEL_FIELD_COUNT; f++) {
		const struct model_item *item =
			model_update_get(&bench.update, (enum model_field)f);

		if (item)
			len += write_value(item, bench.text + len, sizeof(bench.text) - len);
	}
	if (len > 0)
		bench.text[len - 1] = '\0';
}

static void do_step(const struct step *step)
{
	size_t index;

	bench.now_us += step->after_s * SECOND;
	model_update_init(&bench.update, &bench.room);
	if (strcmp(step->command, SILENT) == 0) {
		(void)obd_reading_silent(bench.reading, bench.now_us, &bench.update);
	} else if (strcmp(step->command, PLUG) == 0) {
		(void)obd_reading_plug_voltage(bench.reading, strtod(step->answer, NULL),
					       bench.now_us, &bench.update);
	} else if (strcmp(step->command, RESET) == 0) {
		obd_reading_reset(bench.reading);
	} else {
		index = index_of(step->command);
		make_answers(step->answer, profile_command(bench.profile, index));
		note_seen(profile_command(bench.profile, index));
		(void)obd_reading_take(bench.reading, index, bench.answers, bench.count,
				       bench.now_us, &bench.update);
	}
	write_update();
}

static void check_step(const char *profile, size_t i, const struct step *step)
{
	const char *activity;

	do_step(step);
	if (strcmp(bench.text, step->expected) != 0)
		fail_msg("%s step %zu (%s %s)\n  sets     \"%s\"\n  expected \"%s\"", profile, i,
			 step->command, step->answer, bench.text, step->expected);
	activity = obd_activity_name(obd_reading_activity(bench.reading, bench.now_us));
	if (step->activity && strcmp(activity, step->activity) != 0)
		fail_msg("%s step %zu (%s %s): activity %s, expected %s", profile, i, step->command,
			 step->answer, activity, step->activity);
}

static void lead(const char *profile, const struct step *steps, size_t count)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s.conf", PROFILES_FOLDER, profile);
	open_profile(path);
	assert_string_equal(profile_name(bench.profile), profile);
	for (size_t i = 0; i < count; i++)
		check_step(profile, i, &steps[i]);
	for (size_t s = 0; s < profile_signal_count(bench.profile); s++)
		if (!bench.seen[s])
			fail_msg("%s: no step has a value of %s", profile,
				 profile_signal(bench.profile, s)->id);
}

/* ---- the vehicles ---- */

static const struct step generic[] = {
	/* An engine idles, drives off, stops; another unit answers too. */
	{0, "engine_speed", "7E9:410C0000 | 7E8:410C0C80", "ignition=on engine_rpm=800", "on"},
	{1, "speed", "7E9:410D36 | 7E8:410D37", "speed_kmh=55 ignition=on", "driving"},
	{1, "coolant", "410578", "ignition=on engine_coolant_temp_c=80", NULL},
	{1, "fuel", "412F80", "ignition=on fuel_level_pct=50.1961", NULL},
	{1, "outside", "41463C", "ignition=on outside_temp_c=20", NULL},
	{1, "odometer", "41A6000F4240", "odometer_km=100000 ignition=on", NULL},
	{1, "unit_voltage", "41423840", "ignition=on aux_battery_v=14.4", NULL},
	{1, "status", "7E8:410100076500 | 7E9:410182000000", "ignition=on mil_on=yes", NULL},
	{1, "status", "410100076500", "ignition=on mil_on=no", NULL},
	{1, "fuel_type", "415104", "powertrain=ice ignition=on", NULL},
	{1, "fuel_type", "415111", "powertrain=null ignition=on", NULL},
	{1, "engine_speed", "410C0000", "ignition=on engine_rpm=0", NULL},
	{1, "speed", "410D00", "speed_kmh=0 ignition=on", "on"},
	{1, "unit_voltage", "41423070", "ignition=unknown aux_battery_v=12.4", "off"},
	/* Sentinels. */
	{1, "coolant", "4105FF", "ignition=unknown engine_coolant_temp_c=null", NULL},
	{1, "speed", "410DFF", "speed_kmh=null ignition=unknown", NULL},
	{1, "unit_voltage", "41420000", "ignition=unknown aux_battery_v=null", NULL},
	/* Asleep: nobody answers. */
	{10, SILENT, "", "ignition=off", "asleep"},
	{10, PLUG, "12.6", "aux_battery_v=12.6", "asleep"},
	/* A plug-in hybrid: standing on its converter it is not said to be on. */
	{9, RESET, "", "", "unknown"},
	{1, "hybrid_charge", "415BCC", "state_of_charge_pct=80", "unknown"},
	{1, "hybrid_battery", "419A060057800064", "pack_voltage_v=350", NULL},
	{1, "hybrid_battery", "419A000057800064", "", NULL},
	{1, "speed", "410D00", "speed_kmh=0", NULL},
	{1, "unit_voltage", "41423840", "aux_battery_v=14.4", "unknown"},
	{1, "speed", "410D05", "speed_kmh=5 ignition=on", "driving"},
};

static const struct step egmp[] = {
	/* Fast charging, then AC, then no more. Bits of 22 0101 that lie are set. */
	{0, "battery", "620101+59 9=E3 10=FF9C 12=1B3C 14=17 15=12 23=B8 25=B5 29=8E 50=04",
	 "aux_battery_v=14.2 pack_voltage_v=697.2 pack_current_a=-10 pack_power_kw=-6.972 "
	 "temperature_min_c=18 temperature_max_c=23 cell_min_v=3.62 cell_max_v=3.68",
	 "unknown"},
	{1, "charger", "62E001+36 17=08 28=07D5",
	 "charging_state=charging plugged_in=yes charger_power_kw=20 charger_current_a=0 "
	 "fast_charger_present=yes",
	 "charging"},
	{1, "charger", "62E001+36 17=04 23=00A0 28=02B7",
	 "charging_state=charging plugged_in=yes charger_power_kw=6.9 charger_current_a=16 "
	 "fast_charger_present=no",
	 "charging"},
	{1, "body", "62BC03+8 5=00", "ignition=off", "charging"},
	{1, "charger", "62E001+36",
	 "charging_state=stopped plugged_in=null charger_power_kw=0 charger_current_a=0 "
	 "fast_charger_present=no",
	 "off"},
	{1, "charger", "62E001+36 28=0005",
	 "charging_state=stopped charger_power_kw=0 charger_current_a=0 fast_charger_present=no",
	 "off"},
	/* Driving. */
	{1, "body", "62BC03+8 5=60", "ignition=on", "on"},
	{1, "climate", "620100+36 5=85 6=72 29=58",
	 "speed_kmh=88 inside_temp_c=26.5 outside_temp_c=17 charging_state=disconnected "
	 "plugged_in=no",
	 "driving"},
	{1, "battery", "620101+59 10=0528 12=1B22 14=FB 15=F9 23=B5 25=B4 29=88",
	 "aux_battery_v=13.6 pack_voltage_v=694.6 pack_current_a=132 pack_power_kw=91.6872 "
	 "temperature_min_c=-7 temperature_max_c=-5 cell_min_v=3.6 cell_max_v=3.62",
	 "driving"},
	{1, "climate", "620100+36 29=FF",
	 "speed_kmh=null inside_temp_c=null outside_temp_c=null charging_state=unknown "
	 "plugged_in=null",
	 "on"},
	/* The charge stands in two units: the battery's has it. */
	{1, "battery_state", "620105+43 25=03DE 31=7D",
	 "state_of_charge_pct=62.5 state_of_health_pct=99", NULL},
	{1, "charger_state", "62E003+66 13=1C52 15=7A", "", NULL},
	{1, "battery_state", "620105+43 25=03DE 31=FF",
	 "state_of_charge_pct=null state_of_health_pct=99", NULL},
	{1, "charger_state", "62E003+66 13=1C52 15=7A", "state_of_charge_pct=61", NULL},
	{1, "charger_state", "62E003+17 13=1C52 15=30", "", NULL},
	{1, "tyres", "62C00B+33 4=B4 9=B5 14=B6 19=B7",
	 "fl=248.211 fr=249.59 rl=250.969 rr=252.348", NULL},
	{1, "tyres", "62C00B+33 4=FF 9=B5 14=00 19=02", "fl=null fr=249.59 rl=null", NULL},
	{1, "tyres", "62C00B+20 4=B4 8=B5 12=B6 16=B7", "", NULL},
	{1, "cluster", "62B002+12 6=005BA0", "odometer_km=23456", NULL},
	{60, "cluster", "62B002+12 6=FFFFFF 9=FFFFFF",
	 "odometer_km=null ignition=unknown fast_charger_present=null", NULL},
	/* Asleep: the units answer zeros. */
	{1, "battery", "620101+59", "", "unknown"},
	{1, "battery_state", "620105+43", "", NULL},
	{1, SILENT, "", "ignition=off", "asleep"},
	/* A cluster that counts miles. */
	{1, RESET, "", "", "unknown"},
	{1, "cluster", "62B002+12 9=003039", "odometer_km=19867.4", NULL},
};

static const struct step gen1[] = {
	/* Driving, with the "charging" bit 7 set. */
	{0, "battery", "620101+59 9=83 10=02FA 12=0CFC 14=22 15=20 23=A9 25=A8 29=83 50=04",
	 "ignition=on aux_battery_v=13.1 pack_voltage_v=332.4 pack_current_a=76.2 "
	 "pack_power_kw=25.3289 temperature_min_c=32 temperature_max_c=34 cell_min_v=3.36 "
	 "cell_max_v=3.38",
	 "on"},
	{1, "climate", "620100+35 5=82 6=70 29=32",
	 "speed_kmh=50 inside_temp_c=25 outside_temp_c=16 charging_state=disconnected "
	 "plugged_in=no",
	 "driving"},
	/* Regeneration is no charging. */
	{5, "battery", "620101+59 9=83 10=FE0C 12=0F94 14=08 15=06 23=D0 25=CF 29=8A 50=04",
	 "ignition=on aux_battery_v=13.8 charging_state=disconnected pack_voltage_v=398.8 "
	 "pack_current_a=-50 pack_power_kw=-19.94 temperature_min_c=6 temperature_max_c=8 "
	 "cell_min_v=4.14 cell_max_v=4.16",
	 "driving"},
	{1, "climate", "620100+35 29=00",
	 "speed_kmh=0 inside_temp_c=null outside_temp_c=null charging_state=unknown "
	 "plugged_in=null",
	 "on"},
	/* Charging: relay closed, ignition off, current into the battery. */
	{9, "battery", "620101+59 9=03 10=FDF3 12=0F94 14=08 15=06 23=D0 25=CF 29=8A 50=00",
	 "ignition=off aux_battery_v=13.8 charging_state=charging pack_voltage_v=398.8 "
	 "pack_current_a=-52.5 pack_power_kw=-20.937 temperature_min_c=6 temperature_max_c=8 "
	 "cell_min_v=4.14 cell_max_v=4.16 plugged_in=yes",
	 "charging"},
	/* Parked: a little current out of it, bit 7 set all the same. */
	{5, "battery", "620101+59 9=83 10=0003 12=0DF4 14=09 15=09 23=B6 25=B6 29=8E 50=00",
	 "ignition=off aux_battery_v=14.2 charging_state=stopped pack_voltage_v=357.2 "
	 "pack_current_a=0.3 pack_power_kw=0.10716 temperature_min_c=9 temperature_max_c=9 "
	 "cell_min_v=3.64 cell_max_v=3.64 plugged_in=null",
	 "off"},
	{1, "battery_state", "620105+43 25=03AB 31=C8",
	 "state_of_charge_pct=100 state_of_health_pct=93.9", NULL},
	{1, "tyres", "62C00B+20 4=B3 8=B9 12=B0 16=AA",
	 "fl=246.832 fr=255.106 rl=242.695 rr=234.422", NULL},
	{1, "tyres", "62C00B+33 4=B4 9=B5 14=B6 19=B7", "", NULL},
	{1, "cluster", "62B002+12 6=007138", "odometer_km=28984", NULL},
	{1, "cluster", "62B002+12 6=000000 9=00465A", "odometer_km=28984.3", NULL},
	/* Asleep. */
	{5, "battery", "620101+59", "", NULL},
	{1, "battery_state", "620105+43", "", NULL},
	{1, SILENT, "", "ignition=off charging_state=unknown", "asleep"},
};

static const struct step leaf[] = {
	/* The three layouts of 21 01, and the one of a start. */
	{0, "battery", "6101+39 18=8F8E 29=080CDA",
	 "state_of_charge_pct=52.7578 pack_voltage_v=367.5", "unknown"},
	{1, "battery", "6101+41 18=8F8E 29=080CDA",
	 "state_of_charge_pct=52.7578 pack_voltage_v=367.5", NULL},
	{31, "battery", "6101+51 18=98C8 29=0FFFFF 31=0D5FC4",
	 "state_of_charge_pct=87.6484 pack_voltage_v=391.12", NULL},
	{1, "battery", "6101+42 18=98C8 29=0D5FC4 31=0D5FC4", "", NULL},
	/* Driving. */
	{1, "speed", "62121A0222",
	 "speed_kmh=54.6 ignition=on charging_state=disconnected plugged_in=no", "driving"},
	{1, "gear", "62115604", "gear=d ignition=on", NULL},
	{1, "gear", "62115607", "gear=d ignition=on", NULL},
	{1, "aux", "621103A3", "ignition=on aux_battery_v=13.04", NULL},
	{1, "battery_health", "6161+10 2=1CA2", "ignition=on state_of_health_pct=73.3", NULL},
	{1, "cluster", "620E01005573", "odometer_km=21875 ignition=on", NULL},
	{1, "tyre_front_right", "620E258F", "ignition=on fr=246.488", NULL},
	{1, "tyre_front_left", "620E26B8", "ignition=on fl=317.159", NULL},
	{1, "tyre_rear_right", "620E2794", "ignition=on rr=255.106", NULL},
	{1, "tyre_rear_left", "620E288A", "ignition=on rl=237.869", NULL},
	/* Parked and plugged in, charging, fast charging. */
	{1, "speed", "62121A0000", "speed_kmh=0 ignition=on charging_state=unknown plugged_in=null",
	 "on"},
	{1, "gear", "62115601", "gear=p", "unknown"},
	{1, "plug", "62123402", "plugged_in=yes", NULL},
	{1, "charge_mode", "62114E02",
	 "charging_state=charging plugged_in=yes fast_charger_present=no", "charging"},
	{1, "charge_power", "6212360011", "charger_power_kw=1.7", "charging"},
	{1, "charge_mode", "62114E03",
	 "charging_state=charging plugged_in=yes fast_charger_present=yes", "charging"},
	{1, "charge_mode", "62114E00", "charging_state=stopped fast_charger_present=no", NULL},
	{1, "plug", "62123400", "charging_state=disconnected plugged_in=no", NULL},
	/* Sentinels, and a unit that has no value yet. */
	{1, "speed", "62121AFFFF", "speed_kmh=null", NULL},
	{1, "tyre_rear_left", "620E2800", "rl=null", NULL},
	{1, "gear", "62115600", "gear=null", NULL},
	/* Asleep. */
	{1, "battery", "6101+51", "", NULL},
	{1, SILENT, "",
	 "ignition=off charging_state=unknown plugged_in=null fast_charger_present=null", "asleep"},
};

static const struct step i3[] = {
	/* Driving. */
	{0, "voltage", "62DD688F9A", "pack_voltage_v=367.62", "unknown"},
	{1, "current", "62DD69FFFFBF8C", "pack_current_a=165 pack_power_kw=60.6573", NULL},
	{1, "speed", "62D107050A",
	 "speed_kmh=129 ignition=on charging_state=disconnected plugged_in=no", "driving"},
	{1, "charge", "62DDBC02CD035C0050", "ignition=on state_of_charge_pct=71.7", NULL},
	{1, "temperatures", "62DDC006A0076E",
	 "ignition=on temperature_min_c=16.96 temperature_max_c=19.02", NULL},
	{1, "health", "6263350000004A", "ignition=on state_of_health_pct=74", NULL},
	{1, "odometer", "62D10D0001969000019690", "odometer_km=104080 ignition=on", NULL},
	{1, "range", "62D111+14 0=0262", "ignition=on estimated_range_km=61", NULL},
	/* Regeneration at speed, then standing. */
	{1, "current", "62DD6900003039",
	 "ignition=on charging_state=disconnected pack_current_a=-123.45", "driving"},
	{1, "speed", "62D1070000", "speed_kmh=0 charging_state=unknown plugged_in=null", "unknown"},
	{1, "charger", "62DE00+8", "", NULL},
	/* Charging. */
	{1, "charger", "62DE00+8 3=01 4=01", "charging_state=charging plugged_in=yes", "charging"},
	{3, "voltage", "62DD689600", "pack_voltage_v=384", NULL},
	{1, "current", "62DD6900000640",
	 "charging_state=charging pack_current_a=-16 pack_power_kw=-6.144 plugged_in=yes",
	 "charging"},
	{1, "current", "62DD6900000000",
	 "charging_state=stopped pack_current_a=0 pack_power_kw=0 plugged_in=null", NULL},
	/* Sentinels, and what cannot be. */
	{1, "charge", "62DDBCFFFFFFFFFFFF", "state_of_charge_pct=null", NULL},
	{1, "charge", "62DDBC06A30000006E", "", NULL},
	{1, "speed", "62D107FFFF", "speed_kmh=null", NULL},
	{1, "range", "62D111+14 0=FFFF", "estimated_range_km=null", NULL},
	/* Asleep. */
	{1, "voltage", "62DD680000", "", NULL},
	{1, SILENT, "", "ignition=off charging_state=unknown", "asleep"},
};

static const struct step meb[] = {
	/* Driving. */
	{0, "voltage", "621E3B05C2", "pack_voltage_v=368.5", "unknown"},
	{1, "modes", "62744801", "ignition=on fast_charger_present=no", "on"},
	{1, "speed", "62F40D40", "speed_kmh=64 charging_state=disconnected plugged_in=no",
	 "driving"},
	{1, "charge", "62028C79", "state_of_charge_pct=48.4", NULL},
	{1, "aux", "18DAF105:41423598", "aux_battery_v=13.72", NULL},
	{1, "temperature_max", "621E0E00F80003", "temperature_max_c=3.875", NULL},
	{1, "temperature_min", "621E0FFF200001", "temperature_min_c=-3.5", NULL},
	{1, "odometer", "62295A0052FF", "odometer_km=21247", NULL},
	/* Charging. */
	{1, "speed", "62F40D00", "speed_kmh=0 charging_state=unknown plugged_in=null", "on"},
	{1, "modes", "62744804",
	 "ignition=off charging_state=charging plugged_in=yes fast_charger_present=no", "charging"},
	{1, "modes", "62744808",
	 "ignition=off charging_state=charging plugged_in=yes fast_charger_present=yes",
	 "charging"},
	{1, "modes", "62744800",
	 "ignition=off charging_state=stopped plugged_in=null fast_charger_present=no", "off"},
	/* Sentinels. */
	{1, "voltage", "621E3B0FFE", "pack_voltage_v=null", NULL},
	{1, "voltage", "621E3B0FFF", "pack_voltage_v=null", NULL},
	{1, "charge", "62028CFE", "state_of_charge_pct=null", NULL},
	{1, "charge", "62028CFD", "", NULL},
	{1, "speed", "62F40DFF", "speed_kmh=null", NULL},
	{1, "odometer", "62295AFFFFFE", "odometer_km=null", NULL},
	/* Asleep. */
	{1, "voltage", "621E3B0000", "pack_voltage_v=null", NULL},
	{1, SILENT, "", "ignition=off charging_state=unknown fast_charger_present=null", "asleep"},
};

static const struct step zoe1[] = {
	/* Driving: 32768 is no current, less is out of the battery. */
	{0, "voltage", "62320302EE", "pack_voltage_v=375", "unknown"},
	{1, "current", "6232047F60", "pack_current_a=40 pack_power_kw=15", NULL},
	{1, "key", "62200E01", "ignition=on", "on"},
	{1, "speed", "6220031388", "speed_kmh=50 charging_state=disconnected plugged_in=no",
	 "driving"},
	{1, "charge", "6220020F8C", "state_of_charge_pct=79.6", NULL},
	{1, "range", "6234510096", "estimated_range_km=150", NULL},
	{1, "aux", "6220050582", "aux_battery_v=14.1", NULL},
	{1, "odometer", "62200600C350", "odometer_km=50000", NULL},
	{1, "health", "6232065F", "state_of_health_pct=95", NULL},
	/* Charging. */
	{1, "speed", "6220030000", "speed_kmh=0 charging_state=unknown plugged_in=null", NULL},
	{1, "key", "62200E00", "ignition=off", "off"},
	{1, "plug", "62339D01", "charging_state=stopped plugged_in=yes", "off"},
	{1, "current", "6232048050", "charging_state=charging pack_current_a=-20 plugged_in=yes",
	 "charging"},
	{1, "voltage", "6232030320", "pack_voltage_v=400 pack_power_kw=-8", "charging"},
	{1, "plug", "62339D00", "charging_state=disconnected plugged_in=no", "off"},
	/* Sentinels; asleep. */
	{1, "charge", "622002FFFF", "state_of_charge_pct=null", NULL},
	{1, "odometer", "622006FFFFFF", "odometer_km=null", NULL},
	{1, "voltage", "6232030000", "", NULL},
	{1, SILENT, "", "ignition=off charging_state=unknown plugged_in=null", "asleep"},
};

static const struct step zoe2[] = {
	/* Driving: 32640 is no current, less is out of the battery. */
	{0, "voltage", "6290050EA6", "pack_voltage_v=375", "unknown"},
	{1, "current", "62925D7A80", "pack_current_a=40 pack_power_kw=15", NULL},
	{1, "speed", "6220031388",
	 "speed_kmh=50 ignition=on charging_state=disconnected plugged_in=no", "driving"},
	{1, "charge", "6290021F40", "ignition=on state_of_charge_pct=80", NULL},
	{1, "aux", "6220050578", "ignition=on aux_battery_v=14", NULL},
	{1, "odometer", "62200600C350", "odometer_km=50000 ignition=on", NULL},
	{1, "health", "629003251C", "ignition=on state_of_health_pct=95", NULL},
	/* What OBD-II says stands behind. */
	{1, "charge_obd", "415BC4", "ignition=on", NULL},
	{1, "speed_obd", "410D33", "ignition=on", NULL},
	{1, "aux_obd", "41423598", "ignition=on", NULL},
	/* Charging. */
	{1, "speed", "6220030000", "speed_kmh=0 charging_state=unknown plugged_in=null", NULL},
	{1, "plug", "622B8501", "charging_state=stopped plugged_in=yes", NULL},
	{1, "current", "62925D8200", "charging_state=charging pack_current_a=-20 plugged_in=yes",
	 "charging"},
	{1, "plug", "622B8500", "charging_state=disconnected plugged_in=no", NULL},
	/* Sentinels: OBD-II stands in. */
	{1, "charge", "629002FFFF", "state_of_charge_pct=null", NULL},
	{1, "charge_obd", "415BC4", "state_of_charge_pct=76.8627", NULL},
	{1, "speed", "622003FFFF", "speed_kmh=null", NULL},
	{1, "speed_obd", "410D00", "speed_kmh=0", NULL},
	{1, "aux", "622005FFFF", "aux_battery_v=null", NULL},
	{1, "aux_obd", "41423598", "aux_battery_v=13.72", NULL},
	/* Asleep. */
	{1, "voltage", "6290050000", "", NULL},
	{1, SILENT, "", "ignition=off charging_state=unknown plugged_in=null", "asleep"},
};

static const struct step bz4x[] = {
	{0, "charge", "62173933", "state_of_charge_pct=51", "unknown"},
	{1, "battery_charge", "621F5BC8", "", NULL},
	{1, "speed", "621F0D7F", "speed_kmh=127 ignition=on", "driving"},
	{1, "odometer", "62010300006D0E", "odometer_km=27918 ignition=on", NULL},
	/* Sentinels: the battery's unit stands in. */
	{1, "charge", "62173900", "ignition=on state_of_charge_pct=null", NULL},
	{1, "battery_charge", "621F5BC8", "ignition=on state_of_charge_pct=78.4314", NULL},
	{1, "charge", "621739FF", "ignition=on", NULL},
	{1, "speed", "621F0DFF", "speed_kmh=null", NULL},
	{1, "odometer", "62010300FFFFFF", "odometer_km=null", NULL},
	/* Charging is not known: nothing is said of it. */
	{1, "speed", "621F0D00", "speed_kmh=0", "unknown"},
	{1, PLUG, "12.5", "ignition=unknown aux_battery_v=12.5", "off"},
	{60, "speed", "621F0D00", "speed_kmh=0 ignition=unknown", "off"},
	{1, SILENT, "", "ignition=off", "asleep"},
};

static const struct step bolt[] = {
	{0, "charge", "628334B4", "state_of_charge_pct=70.5882", "unknown"},
	{1, "speed", "62000D64",
	 "speed_kmh=100 ignition=on charging_state=disconnected plugged_in=no", "driving"},
	{1, "speed", "62000D00", "speed_kmh=0 charging_state=unknown plugged_in=null", NULL},
	{1, "charge_active", "6243730001", "charging_state=charging plugged_in=yes", "charging"},
	{1, "charge_level", "62453102", "fast_charger_present=no", "charging"},
	{1, "charge_voltage", "62436878", "charger_voltage_v=240", NULL},
	{1, "charge_current", "624369A0", "charger_current_a=32", NULL},
	{1, "charge_level", "62453103", "fast_charger_present=yes", NULL},
	{1, "charge_active", "6243730000", "charging_state=stopped plugged_in=null", NULL},
	/* Sentinels; what is no level. */
	{1, "charge", "628334FF", "state_of_charge_pct=null", NULL},
	{1, "speed", "62000DFF", "speed_kmh=null", NULL},
	{1, "charge_voltage", "624368FF", "charger_voltage_v=null", NULL},
	{1, "charge_level", "62453107", "", NULL},
	{1, "outside", "414634", "outside_temp_c=12", NULL},
	{1, "odometer", "41A6000678EE", "odometer_km=42417.4", NULL},
	{1, "aux", "414232A8", "aux_battery_v=12.968", "unknown"},
	{1, SILENT, "", "ignition=off charging_state=unknown fast_charger_present=null", "asleep"},
};

static const struct step ford[] = {
	{0, "voltage", "62480D8100", "pack_voltage_v=330.24", "unknown"},
	{1, "speed", "6215052D00",
	 "speed_kmh=90 ignition=on charging_state=disconnected plugged_in=no", "driving"},
	{1, "charge", "62484553", "ignition=on state_of_charge_pct=41.5", NULL},
	{1, "aux", "62402AAA", "ignition=on aux_battery_v=14.5", NULL},
	{1, "odometer", "62DD01009D2F", "odometer_km=40239 ignition=on", NULL},
	{1, "health", "62490CB2", "ignition=on state_of_health_pct=89", NULL},
	{1, "inside", "62DD043E", "ignition=on inside_temp_c=22", NULL},
	{1, "outside", "62DD0548", "ignition=on outside_temp_c=32", NULL},
	{1, "tyre_front_left", "6228130272", "ignition=on fl=215.806", NULL},
	{1, "tyre_front_right", "6228140300", "ignition=on fr=264.759", NULL},
	{1, "tyre_rear_right", "6228150279", "ignition=on rr=218.219", NULL},
	{1, "tyre_rear_left", "62281602FE", "ignition=on rl=264.069", NULL},
	{1, "tyre_rear_left", "6228160BB8", "ignition=on rl=null", NULL},
	/* Charging. */
	{1, "speed", "6215050000", "speed_kmh=0 charging_state=unknown plugged_in=null", NULL},
	{1, "charge_state", "62484F05", "charging_state=charging plugged_in=yes", "charging"},
	{1, "charge_state", "62484F06", "charging_state=stopped plugged_in=null", NULL},
	{1, "charge_state", "62484F01", "charging_state=stopped", NULL},
	/* Sentinels; units that sleep. */
	{1, "charge", "624845FF", "state_of_charge_pct=null", NULL},
	{1, "charge", "62484500", "state_of_charge_pct=null", NULL},
	{1, "voltage", "62480D0000", "pack_voltage_v=null", NULL},
	{1, "aux", "62402AFF", "aux_battery_v=null", NULL},
	{1, "odometer", "62DD01FFFFFF", "odometer_km=null", NULL},
	{1, "charge_state", "62484F09", "", NULL},
	{1, SILENT, "", "ignition=off charging_state=unknown", "asleep"},
};

enum { GENERIC, EGMP, GEN1, LEAF, I3, MEB, ZOE1, ZOE2, BZ4X, BOLT, FORD, SHIPPED };

static const char *const names[SHIPPED] = {
	[GENERIC] = "generic",
	[EGMP] = "hyundai-kia-egmp",
	[GEN1] = "hyundai-kia-gen1",
	[LEAF] = "nissan-leaf",
	[I3] = "bmw-i3",
	[MEB] = "vw-meb",
	[ZOE1] = "renault-zoe-ph1",
	[ZOE2] = "renault-zoe-ph2",
	[BZ4X] = "toyota-bz4x",
	[BOLT] = "chevrolet-bolt",
	[FORD] = "ford-bev",
};

static void any_vehicle_with_obd2_is_read(void **state)
{
	(void)state;
	lead(names[GENERIC], generic, COUNT(generic));
}

static void an_ioniq_5_is_read(void **state)
{
	(void)state;
	lead(names[EGMP], egmp, COUNT(egmp));
}

static void a_kona_is_read(void **state)
{
	(void)state;
	lead(names[GEN1], gen1, COUNT(gen1));
}

static void a_leaf_is_read_in_three_layouts(void **state)
{
	(void)state;
	lead(names[LEAF], leaf, COUNT(leaf));
}

static void an_i3_is_read(void **state)
{
	(void)state;
	lead(names[I3], i3, COUNT(i3));
}

static void an_id_4_is_read(void **state)
{
	(void)state;
	lead(names[MEB], meb, COUNT(meb));
}

static void a_zoe_of_phase_1_is_read(void **state)
{
	(void)state;
	lead(names[ZOE1], zoe1, COUNT(zoe1));
}

static void a_zoe_of_phase_2_is_read(void **state)
{
	(void)state;
	lead(names[ZOE2], zoe2, COUNT(zoe2));
}

static void a_bz4x_is_read(void **state)
{
	(void)state;
	lead(names[BZ4X], bz4x, COUNT(bz4x));
}

static void a_bolt_is_read(void **state)
{
	(void)state;
	lead(names[BOLT], bolt, COUNT(bolt));
}

static void a_mach_e_is_read(void **state)
{
	(void)state;
	lead(names[FORD], ford, COUNT(ford));
}

/* ---- what all of them keep ---- */

static int check_shipped(void *arg, const char *path)
{
	size_t *count = arg;
	bool known = false;

	open_profile(path);
	for (size_t i = 0; i < SHIPPED; i++)
		known = known || strcmp(names[i], profile_name(bench.profile)) == 0;
	if (!known)
		fail_msg("%s is not led through its answers here", path);
	assert_true(strlen(profile_title(bench.profile)) > 0);
	for (size_t i = 0; i < profile_command_count(bench.profile); i++) {
		const struct profile_command *command = profile_command(bench.profile, i);

		assert_true(obd2_request_allowed(command->request, command->request_len));
		/* Gentle: an ECU hears of us at most once in five seconds a request. */
		assert_true(command->when == PROFILE_WHEN_ONCE || command->period_us >= 5 * SECOND);
	}
	/* All but the general one say what tells their family. */
	assert_true(profile_detect(bench.profile) ||
		    strcmp(profile_name(bench.profile), "generic") == 0);
	++*count;
	return close_profile(NULL);
}

static void every_shipped_profile_loads_and_is_led_here(void **state)
{
	size_t count = 0;

	(void)state;
	assert_int_equal(profile_list(PROFILES_FOLDER, check_shipped, &count), 0);
	assert_int_equal(count, SHIPPED);
}

#define LED(test) cmocka_unit_test_teardown(test, close_profile)

int suite_provider_profiles(void)
{
	const struct CMUnitTest tests[] = {
		LED(every_shipped_profile_loads_and_is_led_here),
		LED(any_vehicle_with_obd2_is_read),
		LED(an_ioniq_5_is_read),
		LED(a_kona_is_read),
		LED(a_leaf_is_read_in_three_layouts),
		LED(an_i3_is_read),
		LED(an_id_4_is_read),
		LED(a_zoe_of_phase_1_is_read),
		LED(a_zoe_of_phase_2_is_read),
		LED(a_bz4x_is_read),
		LED(a_bolt_is_read),
		LED(a_mach_e_is_read),
	};

	return cmocka_run_group_tests_name("provider.profiles", tests, NULL, NULL);
}
