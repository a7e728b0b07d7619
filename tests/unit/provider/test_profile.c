#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/obd/condition.h"
#include "provider/obd/profile.h"

/* Like the gate of requests: what reads. */
static bool reads(const uint8_t *request, size_t len)
{
	static const uint8_t services[] = {0x01, 0x02, 0x03, 0x06, 0x07, 0x09,
					   0x0a, 0x19, 0x1a, 0x21, 0x22, 0x3e};

	return len >= 1 && len <= 7 && memchr(services, request[0], sizeof(services)) != NULL;
}

/* Parses; the mistakes are in a text that the caller frees. */
static int parse(const char *text, struct profile **ret_profile, char **ret_errors)
{
	size_t size = 0;
	FILE *errors = open_memstream(ret_errors, &size);
	int r;

	assert_non_null(errors);
	r = profile_parse(text, strlen(text), "car.conf", reads, errors, ret_profile);
	assert_int_equal(fclose(errors), 0);
	return r;
}

static struct profile *parse_good(const char *text)
{
	struct profile *profile = NULL;
	char *errors = NULL;

	if (parse(text, &profile, &errors) != 0)
		fail_msg("%s", errors);
	free(errors);
	return profile;
}

#define HEAD "[profile]\nname = car\n"
#define BMS "[command bms]\nrequest = 22 01 01\necu = 7E4 7EC\nperiod = 5 s\n"
#define VOLTAGE                                                                                    \
	"[signal voltage]\ncommand = bms\nbytes = 12 2\ndiv = 10\nunit = V\n"                      \
	"field = battery.pack_voltage_v\ntrust = captures\n"

static void a_file_becomes_commands_and_signals(void **state)
{
	struct profile *profile = parse_good(
		"[profile]\nname = e-gmp\ntitle = Hyundai, Kia\nbus = can11_500\n"
		"vin = KMHKM KNDC3, KNA?3\ndetect = bms\n"
		"[command bms]\nrequest = 220101\necu = 7E4 7EC\nperiod = 5 s\nwhen = awake\n"
		"[command vcms]\nrequest = 22 E0 01\necu = 744 74C\nperiod = 1 min\n"
		"[command speed]\nrequest = 01 0D\nperiod = 1 s\nwhen = driving\n"
		"[signal soc]\ncommand = bms\nbytes = 4 1\ndiv = 2\nunit = %\n"
		"field = battery.state_of_charge_pct\ntrust = captures\n"
		"[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\n"
		"field = vehicle_state.speed_kmh\ntrust = sources\n"
		"[signal ac]\ncommand = vcms\nbit = 17.2\ntrust = claimed\n" VOLTAGE);
	const struct profile_command *bms = profile_command(profile, 0);
	const struct profile_command *vcms = profile_command(profile, 1);
	const struct profile_command *speed = profile_command(profile, 2);
	const struct profile_signal *voltage;

	(void)state;
	assert_string_equal(profile_name(profile), "e-gmp");
	assert_string_equal(profile_title(profile), "Hyundai, Kia");
	assert_string_equal(profile_path(profile), "car.conf");
	assert_int_equal(profile_protocol(profile), 6);
	assert_ptr_equal(profile_detect(profile), bms);
	assert_int_equal(profile_matches_vin(profile, "KMHKM81AFNU000001"), 5);
	assert_int_equal(profile_matches_vin(profile, "KNAC481AFNU000001"), 0);
	assert_int_equal(profile_matches_vin(profile, "KNAC"), 0);
	assert_int_equal(profile_matches_vin(profile, "KNAX3"), 5);
	assert_int_equal(profile_command_count(profile), 3);
	assert_null(profile_command(profile, 3));
	assert_int_equal(bms->ecu.tx, 0x7e4);
	assert_int_equal(bms->ecu.rx, 0x7ec);
	assert_int_equal(bms->ecu.id_bits, 11);
	assert_false(bms->ecu.flow_control);
	assert_false(bms->ecu.functional);
	assert_int_equal(bms->request_len, 3);
	assert_int_equal(bms->echo_len, 3);
	assert_int_equal(bms->period_us, 5000000);
	assert_int_equal(bms->unless_valid, -1);
	assert_true(vcms->ecu.flow_control);
	assert_true(speed->ecu.functional);
	assert_int_equal(speed->ecu.tx, 0x7df);
	assert_int_equal(speed->echo_len, 2);
	assert_int_equal(speed->when, PROFILE_WHEN_DRIVING);
	/* The signals of a command stand together though the file mixes them. */
	assert_int_equal(bms->signal_first, 0);
	assert_int_equal(bms->signal_count, 2);
	assert_int_equal(vcms->signal_first, 2);
	assert_int_equal(vcms->signal_count, 1);
	assert_int_equal(profile_signal_find(profile, "voltage"), 1);
	assert_int_equal(profile_signal_find(profile, "ac"), 2);
	assert_int_equal(profile_signal_find(profile, "none"), -1);
	voltage = profile_signal(profile, 1);
	assert_int_equal(voltage->field, MODEL_FIELD_PACK_VOLTAGE_V);
	assert_int_equal(voltage->format.start, 96);
	assert_int_equal(voltage->format.bits, 16);
	assert_int_equal(voltage->trust, PROFILE_TRUST_CAPTURES);
	assert_int_equal(profile_signal(profile, 2)->format.start, 17 * 8 + 5);
	profile_free(profile);
}

static void identifiers_say_who_answers_and_who_needs_flow_control(void **state)
{
	static const struct {
		const char *keys;
		uint32_t tx, rx;
		uint8_t bits, extension, tester;
		bool functional, flow_control;
	} cases[] = {
		{"ecu = 7E4 7EC\n", 0x7e4, 0x7ec, 11, 0, 0, false, false},
		{"ecu = 7E4\n", 0x7e4, 0, 11, 0, 0, false, false},
		{"ecu = all\n", 0x7df, 0, 11, 0, 0, true, false},
		{"", 0x7df, 0, 11, 0, 0, true, false},
		{"ecu = 7df 7e8\n", 0x7df, 0x7e8, 11, 0, 0, true, false},
		{"ecu = 79B 7BB\n", 0x79b, 0x7bb, 11, 0, 0, false, true},
		{"ecu = 744 74C\n", 0x744, 0x74c, 11, 0, 0, false, true},
		{"ecu = 6F1 607\nextension = 07\n", 0x6f1, 0x607, 11, 7, 0xf1, false, true},
		{"ecu = 6F1 607\nextension = 07\ntester = F2\n", 0x6f1, 0x607, 11, 7, 0xf2, false,
		 true},
		{"ecu = 18DA10F1\n", 0x18da10f1, 0, 29, 0, 0, false, false},
		{"ecu = 18DA10F1 18DAF110\n", 0x18da10f1, 0x18daf110, 29, 0, 0, false, false},
		{"ecu = 17FC007B 17FE007B\n", 0x17fc007b, 0x17fe007b, 29, 0, 0, false, true},
		{"ecu = 18DB33F1\n", 0x18db33f1, 0, 29, 0, 0, true, false},
		{"ecu = 7E4 7EC\nflow_control = yes\n", 0x7e4, 0x7ec, 11, 0, 0, false, true},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *profile;
		const struct profile_ecu *ecu;

		(void)snprintf(text, sizeof(text),
			       HEAD "[command bms]\nrequest = 22 01 01\nperiod = 5 s\n%s" VOLTAGE,
			       cases[i].keys);
		profile = parse_good(text);
		ecu = &profile_command(profile, 0)->ecu;
		assert_int_equal(ecu->tx, cases[i].tx);
		assert_int_equal(ecu->rx, cases[i].rx);
		assert_int_equal(ecu->id_bits, cases[i].bits);
		assert_int_equal(ecu->extension, cases[i].extension);
		assert_int_equal(ecu->tester, cases[i].tester);
		assert_int_equal(ecu->functional, cases[i].functional);
		assert_int_equal(ecu->flow_control, cases[i].flow_control);
		profile_free(profile);
	}
}

static void all_units_of_a_29_bit_bus_have_their_own_identifier(void **state)
{
	struct profile *profile = parse_good("[profile]\nname = x\nbus = can29_250\n"
					     "[command a]\nrequest = 03\nperiod = 1 min\n"
					     "kind = dtc_confirmed\n");

	(void)state;
	assert_int_equal(profile_protocol(profile), 9);
	assert_int_equal(profile_command(profile, 0)->ecu.tx, 0x18db33f1);
	assert_true(profile_command(profile, 0)->ecu.functional);
	assert_int_equal(profile_command(profile, 0)->echo_len, 1);
	profile_free(profile);
}

static void a_unit_becomes_the_unit_of_the_field(void **state)
{
	static const struct {
		const char *field, *unit;
		double value, canonical;
	} cases[] = {
		{"vehicle_state.odometer_km", "mi", 100, 160.9344},
		{"vehicle_state.odometer_km", "m", 1500, 1.5},
		{"vehicle_state.speed_kmh", "mph", 10, 16.09344},
		{"vehicle_state.speed_kmh", "m/s", 10, 36},
		{"vehicle_state.tyre_pressure_kpa.fl", "psi", 32, 220.632233},
		{"vehicle_state.tyre_pressure_kpa.rr", "bar", 2.4, 240},
		{"vehicle_state.outside_temp_c", "F", 14, -10},
		{"battery.temperature_max_c", "K", 273.15, 0},
		{"battery.temperature_max_c", "C", 21, 21},
		{"battery.pack_power_kw", "W", 1500, 1.5},
		{"battery.cell_min_v", "mV", 3700, 3.7},
		{"battery.usable_capacity_kwh", "Wh", 64000, 64},
		{"charging.time_to_full_min", "h", 1.5, 90},
		{"charging.time_to_full_min", "s", 90, 1.5},
		{"vehicle_state.engine_rpm", "rpm", 800, 800},
		{"vehicle_state.heading_deg", "deg", 90, 90},
		{"charging.phases", "", 3, 3},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *profile;
		const struct profile_signal *signal;
		double canonical;

		(void)snprintf(text, sizeof(text),
			       HEAD BMS "[signal x]\ncommand = bms\nbytes = 0 2\ntrust = claimed\n"
					"field = %s\n%s%s\n",
			       cases[i].field, *cases[i].unit ? "unit = " : "", cases[i].unit);
		profile = parse_good(text);
		signal = profile_signal(profile, 0);
		canonical = cases[i].value * signal->to_mul + signal->to_add;
		if (canonical < cases[i].canonical - 1e-6 || canonical > cases[i].canonical + 1e-6)
			fail_msg("%s %s: %f", cases[i].field, cases[i].unit, canonical);
		profile_free(profile);
	}
}

static void a_current_of_the_other_sign_is_turned(void **state)
{
	struct profile *profile =
		parse_good(HEAD BMS "[signal x]\ncommand = bms\nbytes = 0 2\ntrust = claimed\n"
				    "unit = A\nfield = battery.pack_current_a\nnegate = yes\n");

	(void)state;
	assert_float_equal(profile_signal(profile, 0)->to_mul, -1, 0);
	profile_free(profile);
}

/* ---- decoding ---- */

static enum profile_outcome decode(const struct profile *profile, const char *id, const char *hex,
				   struct profile_value *ret_value)
{
	uint8_t answer[64];
	size_t len = 0;
	const int signal = profile_signal_find(profile, id);

	for (; hex[2 * len] && hex[2 * len + 1]; len++) {
		const char pair[] = {hex[2 * len], hex[2 * len + 1], '\0'};

		answer[len] = (uint8_t)strtoul(pair, NULL, 16);
	}
	assert_true(signal >= 0);
	return profile_decode(profile, profile_signal(profile, (size_t)signal), answer, len,
			      ret_value);
}

#define SIGNAL(id, keys) "[signal " id "]\ncommand = bms\ntrust = claimed\n" keys

static void answers_become_values_or_say_why_not(void **state)
{
	struct profile *profile = parse_good(
		HEAD BMS SIGNAL("volts", "bytes = 0 2\ndiv = 10\nmin = 200\nmax = 900\n") SIGNAL(
			"amps", "bytes = 2 2\nsigned = yes\ndiv = 10\nnull = 0x7FFF ones\n")
			SIGNAL("temp", "bytes = 4 1\nadd = -40\nnull = 0 254..255\n"
				       "null_value = 100..120.5\n")
				SIGNAL("low", "bytes = 0 2\norder = reversed\nmax = 1000\n")
					SIGNAL("gear", "bits = 44 4\nwords = 0:p 1:r 0x2:n\n"
						       "field = vehicle_state.gear\n")
						SIGNAL("wide", "bytes = 0 8\nnull = ones\n"));
	struct profile_value value = {0};

	(void)state;
	assert_int_equal(decode(profile, "volts", "6201011A2C", &value), PROFILE_VALUE);
	assert_float_equal(value.number, 670, 1e-9);
	assert_int_equal(value.raw, 0x1a2c);
	assert_null(value.word);
	assert_int_equal(decode(profile, "volts", "6201010010", &value), PROFILE_IMPLAUSIBLE);
	assert_float_equal(value.number, 1.6, 1e-9);
	value.number = 77;
	assert_int_equal(decode(profile, "volts", "6201011A", &value), PROFILE_SHORT);
	assert_int_equal(decode(profile, "volts", "62", &value), PROFILE_SHORT);
	assert_int_equal(decode(profile, "volts", "", &value), PROFILE_SHORT);
	assert_float_equal(value.number, 77, 0);
	assert_int_equal(decode(profile, "amps", "6201010000F3A6", &value), PROFILE_VALUE);
	assert_float_equal(value.number, -316.2, 1e-9);
	assert_int_equal(decode(profile, "amps", "62010100007FFF", &value), PROFILE_NULL);
	assert_int_equal(decode(profile, "amps", "6201010000FFFF", &value), PROFILE_NULL);
	assert_int_equal(decode(profile, "amps", "6201010000FFFE", &value), PROFILE_VALUE);
	assert_int_equal(decode(profile, "temp", "620101000000003C", &value), PROFILE_VALUE);
	assert_float_equal(value.number, 20, 0);
	assert_int_equal(decode(profile, "temp", "6201010000000000", &value), PROFILE_NULL);
	assert_int_equal(decode(profile, "temp", "62010100000000FE", &value), PROFILE_NULL);
	assert_int_equal(decode(profile, "temp", "62010100000000A0", &value), PROFILE_NULL);
	assert_int_equal(decode(profile, "temp", "62010100000000A1", &value), PROFILE_VALUE);
	assert_int_equal(decode(profile, "low", "6201012C01", &value), PROFILE_VALUE);
	assert_float_equal(value.number, 300, 0);
	assert_int_equal(decode(profile, "low", "6201012C11", &value), PROFILE_IMPLAUSIBLE);
	assert_int_equal(decode(profile, "gear", "62010100000000FF02", &value), PROFILE_VALUE);
	assert_string_equal(value.word, "n");
	assert_int_equal(decode(profile, "gear", "62010100000000FF03", &value),
			 PROFILE_IMPLAUSIBLE);
	assert_null(value.word);
	assert_int_equal(decode(profile, "wide", "620101FFFFFFFFFFFFFFFF", &value), PROFILE_NULL);
	assert_int_equal(decode(profile, "wide", "620101FFFF00FFFFFFFFFF", &value), PROFILE_VALUE);
	profile_free(profile);
}

static void a_signal_of_another_layout_does_not_apply(void **state)
{
	struct profile *profile =
		parse_good(HEAD BMS SIGNAL("small", "bytes = 0 1\nlength = 3..4\n")
				   SIGNAL("large", "bytes = 1 1\nlength = 5\n")
					   SIGNAL("name", "bytes = 0 4\ntext = yes\n"));
	struct profile_value value = {.number = 77};

	(void)state;
	assert_int_equal(decode(profile, "small", "6201010102", &value), PROFILE_NOT_APPLICABLE);
	assert_float_equal(value.number, 77, 0);
	assert_int_equal(decode(profile, "small", "620101010203", &value), PROFILE_VALUE);
	assert_int_equal(decode(profile, "small", "62010101020304", &value), PROFILE_VALUE);
	assert_int_equal(decode(profile, "small", "6201010102030405", &value),
			 PROFILE_NOT_APPLICABLE);
	assert_int_equal(decode(profile, "large", "6201010102030405", &value), PROFILE_VALUE);
	assert_float_equal(value.number, 2, 0);
	assert_int_equal(decode(profile, "name", "62010141424344", &value), PROFILE_NOT_APPLICABLE);
	assert_true(profile_signal(profile, 2)->text);
	profile_free(profile);
}

/* ---- conditions ---- */

static bool all_are_one(void *arg, size_t signal, double *ret_value)
{
	(void)arg;
	(void)signal;
	*ret_value = 1;
	return true;
}

static void states_and_validity_are_conditions_over_signals(void **state)
{
	struct profile *profile =
		parse_good(HEAD "[state]\ncharging = ac = 1 or dc = 1\nplugged_in = ac = 0\n" BMS
				"valid_if = ac > 0 and dc > 0\n" SIGNAL("ac", "bit = 0.0\n")
					SIGNAL("dc", "bit = 0.1\n"));
	const struct profile_command *bms = profile_command(profile, 0);

	(void)state;
	assert_int_equal(condition_eval(profile_state_condition(profile, PROFILE_STATE_CHARGING),
					all_are_one, NULL),
			 TRUTH_TRUE);
	assert_int_equal(condition_eval(profile_state_condition(profile, PROFILE_STATE_PLUGGED_IN),
					all_are_one, NULL),
			 TRUTH_FALSE);
	assert_null(profile_state_condition(profile, PROFILE_STATE_DRIVING));
	assert_null(profile_state_condition(profile, PROFILE_STATE_COUNT));
	assert_true(bms->unless_valid >= 0);
	assert_int_equal(
		condition_eval(profile_condition(profile, bms->unless_valid), all_are_one, NULL),
		TRUTH_TRUE);
	assert_null(profile_condition(profile, -1));
	assert_null(profile_condition(profile, 99));
	profile_free(profile);
}

/* ---- mistakes ---- */

struct mistake {
	const char *text;
	const char *said; /* a part of it */
};

static void expect_mistakes(const struct mistake *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct profile *profile = NULL;
		char *errors = NULL;

		assert_int_equal(parse(cases[i].text, &profile, &errors), -EINVAL);
		assert_null(profile);
		if (!strstr(errors, cases[i].said))
			fail_msg("wanted: %s\nsaid: %s", cases[i].said, errors);
		free(errors);
	}
}

#define COMMAND(keys) HEAD "[command bms]\n" keys VOLTAGE

static void a_request_that_may_change_the_vehicle_does_not_load(void **state)
{
	static const char *const forbidden[] = {"04",          "08 01",    "10 03", "11 01",
						"14 FF FF FF", "27 01",    "28 00", "2E F1 90 00",
						"2F 00 00 03", "31 01 02", "34 00", "36 01",
						"37",          "3B 01",    "3D 14", "85 01"};
	char text[512], said[128];

	(void)state;
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		struct profile *profile = NULL;
		char *errors = NULL;

		(void)snprintf(text, sizeof(text),
			       COMMAND("ecu = 7E4 7EC\nrequest = %s\nperiod = 5 s\n"),
			       forbidden[i]);
		(void)snprintf(said, sizeof(said),
			       "car.conf:5: [command bms] request: expected a request that only "
			       "reads: service %.2s may change the vehicle",
			       forbidden[i]);
		assert_int_equal(parse(text, &profile, &errors), -EINVAL);
		if (!strstr(errors, said))
			fail_msg("%s: %s", forbidden[i], errors);
		free(errors);
	}
}

static void without_a_gate_nothing_may_be_sent(void **state)
{
	struct profile *profile = NULL;
	char *said = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&said, &size);

	(void)state;
	assert_non_null(errors);
	assert_int_equal(profile_parse(HEAD BMS VOLTAGE, strlen(HEAD BMS VOLTAGE), "x", NULL,
				       errors, &profile),
			 -EINVAL);
	assert_int_equal(fclose(errors), 0);
	assert_non_null(strstr(said, "only reads"));
	free(said);
}

static void each_mistake_of_a_command_is_said_with_its_line(void **state)
{
	static const struct mistake cases[] = {
		{COMMAND("ecu = 7E4 7EC\nperiod = 5 s\n"),
		 "car.conf:3: [command bms] request: expected the required key"},
		{COMMAND("request = 22 01 0\nperiod = 5 s\n"),
		 "car.conf:4: [command bms] request: expected bytes in hex, such as 22 01 01, not "
		 "\"0\""},
		{COMMAND("request = 22 01 01 02 03 04 05 06\nperiod = 5 s\n"),
		 "car.conf:4: [command bms] request: expected at most 7 bytes"},
		{COMMAND("ecu = 6F1 607\nextension = 07\nrequest = 22 01 02 03 04 05 06\n"
			 "period = 5 s\n"),
		 "car.conf:6: [command bms] request: expected 1..6 bytes"},
		{COMMAND("request = 22 01\nperiod = 5 s\n"), "expected 3..7 bytes for service 22"},
		{COMMAND("request = 01 0C 0D\nperiod = 5 s\n"), "one parameter a command"},
		{COMMAND("request = 3E 80\nperiod = 5 s\n"), "a request that is answered"},
		{COMMAND("request = 22 01 01\n"),
		 "car.conf:3: [command bms] period: expected 100ms..7d"},
		{COMMAND("request = 22 01 01\nperiod = 50 ms\n"),
		 "car.conf:5: [command bms] period: expected 100ms..7d"},
		{COMMAND("request = 22 01 01\nperiod = 5\n"),
		 "car.conf:5: [command bms] period: expected between two requests"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\necu = 7E4 7EC 7ED\n"),
		 "car.conf:6: [command bms] ecu: expected one answer's identifier"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\necu = 7E4 18DAF110\n"),
		 "one answer's identifier of as many digits"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\necu = 79B\n"),
		 "car.conf:6: [command bms] ecu: expected the answer's identifier"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\necu = 7E4 7E4\n"), "not the request's"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\necu = FFF 7EC\n"),
		 "identifiers up to 7FF"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\necu = FFFFFFFF 18DAF110\n"),
		 "identifiers up to 1FFFFFFF"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\necu = 7E\n"), "3 or 8 hex digits"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\nextension = 07\n"),
		 "car.conf:6: [command bms] extension: expected no extended addressing"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\nextension = 107\n"),
		 "a byte in hex, 01..FF"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\ntester = F1\n"), "an `extension` too"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\nyears = 2020..2018\n"),
		 "car.conf:6: [command bms] years: expected a first year"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\nyears = new\n"), "2018..2022"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\nkind = vin\n"),
		 "car.conf:6: [command bms] kind: expected a kind that is the request's: this one "
		 "takes 09 02"},
		{COMMAND("request = 22 F1 90\nwhen = once\nkind = vin\n"),
		 "command: expected a command of kind signals, not \"bms\""},
		{COMMAND("request = 22 01 01\nperiod = 5 s\nwhen = asleep\n"),
		 "one of: awake on driving charging once, not \"asleep\""},
		{COMMAND("request = 22 01 01\nperiod = 5 s\nvalid_if = voltage is 1\n"),
		 "valid_if: expected one of = != < <= > >=, not \"is 1\"\n"},
		{COMMAND("request = 22 01 01\nperiod = 5 s\nvalid_if = none = 1\n"),
		 "car.conf:6: [command bms] valid_if: expected the name of a signal"},
		{HEAD BMS "valid_if = b = 1\n[command two]\nrequest = 22 01 02\nperiod = 1 s\n"
			  "[signal b]\ncommand = two\nbytes = 0 1\ntrust = claimed\n" VOLTAGE,
		 "car.conf:7: [command bms] valid_if: expected the name of a signal that is a "
		 "number, not \"b\" (of this command)"},
		{HEAD BMS, "car.conf:4: [command bms] request: expected at least one [signal]"},
		{HEAD BMS BMS VOLTAGE, "car.conf:7: [command bms]: expected every section once"},
	};

	(void)state;
	expect_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

/* Line 7 is the heading of the signal, 8 its first key. */
#define ONE(keys) HEAD BMS "[signal x]\n" keys "trust = claimed\n"

static void each_mistake_of_a_signal_is_said_with_its_line(void **state)
{
	static const struct mistake cases[] = {
		{ONE("bytes = 0 1\n"),
		 "car.conf:7: [signal x] command: expected the required key, the name of a [command]"},
		{ONE("command = cmd\nbytes = 0 1\n"), "car.conf:8: [signal x] command: expected"},
		{ONE("command = bms\n"),
		 "car.conf:7: [signal x] bits: expected exactly one of bytes, bits, bit"},
		{ONE("command = bms\nbytes = 0 1\nbit = 0.0\n"), "exactly one of"},
		{ONE("command = bms\nbytes = 0\n"), "car.conf:9: [signal x] bytes: expected FIRST"},
		{ONE("command = bms\nbytes = 0 1 2\n"), "expected FIRST COUNT"},
		{ONE("command = bms\nbytes = 0 9\n"), "how many (1..8)"},
		{ONE("command = bms\nbits = 0 65\n"), "how many (1..64)"},
		{ONE("command = bms\nbits = 0 0\n"), "car.conf:9: [signal x] bits: expected 1..64"},
		{ONE("command = bms\nbytes = 4092 1\n"),
		 "car.conf:9: [signal x] bits: expected an end within the longest answer, 4095"},
		{ONE("command = bms\nbit = 1.8\n"),
		 "car.conf:9: [signal x] bit: expected BYTE.BIT"},
		{ONE("command = bms\nbits = 0 12\norder = reversed\n"),
		 "whole bytes where their order is reversed"},
		{ONE("command = bms\nbits = 4 8\ntext = yes\n"), "whole bytes for a text"},
		{ONE("command = bms\nbytes = 0 4\ntext = yes\ndiv = 2\n"),
		 "car.conf:11: [signal x] div: expected no such key: a text is no number"},
		{ONE("command = bms\nbytes = 0 1\ndiv = 0\n"),
		 "car.conf:10: [signal x] div: expected a number that is not 0"},
		{ONE("command = bms\nbytes = 0 1\nmul = 0.0\n"),
		 "car.conf:10: [signal x] mul: expected a number that is not 0"},
		{ONE("command = bms\nbytes = 0 1\nmin = 5\nmax = 4.5\n"),
		 "car.conf:11: [signal x] max: expected a number that is not less than min"},
		{ONE("command = bms\nbytes = 0 1\nnull = 5 7..\n"),
		 "car.conf:10: [signal x] null: expected values or ranges"},
		{ONE("command = bms\nbytes = 0 1\nnull = 7..5\n"), "its smaller end"},
		{ONE("command = bms\nbytes = 0 1\nnull = 1 2 3 4 5 6 7 8 9\n"), "at most 8 values"},
		{ONE("command = bms\nbytes = 0 1\nnull_value = ones\n"),
		 "car.conf:10: [signal x] null_value: expected"},
		{ONE("command = bms\nbytes = 0 1\nlength = 41..39\n"),
		 "car.conf:10: [signal x] length: expected a range"},
		{ONE("command = bms\nbytes = 0 1\nlength = 0\n"), "39 or 39..41"},
		{ONE("command = bms\nbytes = 10 2\nlength = 8..11\n"),
		 "car.conf:10: [signal x] length: expected answers that reach as far"},
		{ONE("command = bms\nbytes = 0 1\nunit = parsec\n"),
		 "car.conf:10: [signal x] unit: expected a known unit (docs/profiles.md), not "
		 "\"parsec\""},
		{ONE("command = bms\nbytes = 0 1\nunit = V\nfield = vehicle_state.speed_kmh\n"),
		 "[signal x] unit: expected a unit that becomes the field's, \"km/h\", not \"V\""},
		{ONE("command = bms\nbytes = 0 1\nfield = vehicle_state.speed_kmh\n"),
		 "\"km/h\", not \"\""},
		{ONE("command = bms\nbytes = 0 1\nfield = vehicle_state.sped\n"),
		 "car.conf:10: [signal x] field: expected a canonical field "
		 "(docs/canonical-model.md)"},
		{ONE("command = bms\nbytes = 0 1\nfield = vehicle_state.gear\n"),
		 "[signal x] words: expected a word for each raw value"},
		{ONE("command = bms\nbytes = 0 1\nfield = vehicle_state.gear\nwords = 0:p 1:park\n"),
		 "car.conf:11: [signal x] words: expected words that the field has, not \"park\""},
		{ONE("command = bms\nbytes = 0 1\nfield = service.mil_on\nwords = 0:off 1:on\n"),
		 "words: expected yes or no for this field, not \"off\""},
		{ONE("command = bms\nbytes = 0 1\nwords = 0:a 0:b\n"), "not 0 twice"},
		{ONE("command = bms\nbytes = 0 1\nwords = 0.5:a\n"), "RAW:WORD such as 0:p"},
		{ONE("command = bms\nbytes = 0 1\nwords = 0:\n"), "names of 1..31 bytes"},
		{ONE("command = bms\nbytes = 0 1\nunit = km\nwords = 0:a\n"
		     "field = vehicle_state.odometer_km\n"),
		 "[signal x] words: expected no words for a number"},
		{ONE("command = bms\nbytes = 0 1\nfield = software.current_version\n"),
		 "no text without `text = yes`"},
		{ONE("command = bms\nbytes = 0 1\ntext = yes\nfield = vehicle_state.gear\n"),
		 "a field of type text"},
		{ONE("command = bms\nbytes = 0 1\nfield = service.dtc_pending\n"),
		 "field: expected a field that is a number, a word, yes or no, or a text"},
		{HEAD BMS "[signal x]\ncommand = bms\nbytes = 0 1\n",
		 "car.conf:7: [signal x] trust: expected the required key"},
		{HEAD BMS VOLTAGE "[signal voltage]\ncommand = bms\n",
		 "car.conf:14: [signal voltage]: expected every section once"},
	};

	(void)state;
	expect_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

static void each_mistake_of_the_head_is_said_with_its_line(void **state)
{
	static const struct mistake cases[] = {
		{"", "car.conf: [profile]: expected the required section"},
		{"[profile]\ntitle = x\n" BMS VOLTAGE,
		 "car.conf:1: [profile] name: expected the required key"},
		{"[profile]\nname = a b\n" BMS VOLTAGE,
		 "car.conf:2: [profile] name: expected a name of 1..31"},
		{"[profile]\nname = a23456789012345678901234567890123\n" BMS VOLTAGE,
		 "a length in 1..31"},
		{HEAD "bus = lin\n" BMS VOLTAGE, "car.conf:3: [profile] bus: expected"},
		{HEAD "vin = KM\n" BMS VOLTAGE,
		 "car.conf:3: [profile] vin: expected beginnings of VINs, 3..17"},
		{HEAD "vin = KMO12\n" BMS VOLTAGE, "not \"KMO12\""},
		{HEAD "detect = none\n" BMS VOLTAGE,
		 "car.conf:3: [profile] detect: expected the name of a command of this profile"},
		{HEAD "obdb = missing.json\n" BMS VOLTAGE,
		 "car.conf:3: [profile] obdb: expected a file that can be read"},
		{HEAD "[state]\ncharging = ac = 1\n" BMS VOLTAGE,
		 "car.conf:4: [state] charging: expected the name of a signal that is a number, "
		 "not \"ac\""},
		{HEAD "[state]\nparked = voltage = 1\n" BMS VOLTAGE, "a known key: ignition_on"},
		{HEAD, "car.conf: expected at least one command"},
		{HEAD "[thing]\n", "car.conf:3: [thing]: expected a known section"},
	};

	(void)state;
	expect_mistakes(cases, sizeof(cases) / sizeof(cases[0]));
}

static void all_mistakes_are_said_in_one_go(void **state)
{
	struct profile *profile = NULL;
	char *errors = NULL;
	size_t lines = 0;

	(void)state;
	assert_int_equal(parse(HEAD "vin = KM\n[command a]\nrequest = 04\nperiod = 1 s\n" BMS
				    "valid_if = x = 1\n" SIGNAL("p", "bytes = 0 1\ndiv = 0\n")
					    SIGNAL("q", "bytes = 0 1\nunit = ell\n"),
			       &profile, &errors),
			 -EINVAL);
	for (const char *at = errors; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 5);
	free(errors);
}

/* ---- limits and files ---- */

static char *many(size_t commands, size_t signals)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	(void)fputs(HEAD, out);
	for (size_t i = 0; i < commands; i++)
		(void)fprintf(
			out, "[command c%zu]\nrequest = 07\nkind = dtc_pending\nperiod = 1 s\n", i);
	(void)fputs(BMS, out);
	for (size_t i = 0; i < signals; i++)
		(void)fprintf(out, "[signal s%zu]\ncommand = bms\nbytes = 0 1\ntrust = claimed\n",
			      i);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void a_file_has_at_most_so_many_commands_and_signals(void **state)
{
	struct profile *profile = NULL;
	char *text = many(PROFILE_COMMANDS_MAX - 1, PROFILE_SIGNALS_MAX);
	char *errors = NULL;

	(void)state;
	profile = parse_good(text);
	assert_int_equal(profile_command_count(profile), PROFILE_COMMANDS_MAX);
	assert_int_equal(profile_signal_count(profile), PROFILE_SIGNALS_MAX);
	profile_free(profile);
	free(text);
	profile = NULL;
	text = many(PROFILE_COMMANDS_MAX, 0);
	assert_int_equal(parse(text, &profile, &errors), -EINVAL);
	assert_non_null(strstr(errors, "[command bms]: expected at most 512 commands"));
	free(errors);
	free(text);
	text = many(0, PROFILE_SIGNALS_MAX + 1);
	assert_int_equal(parse(text, &profile, &errors), -EINVAL);
	assert_non_null(strstr(errors, "[signal s4096]: expected at most 4096 signals"));
	free(errors);
	free(text);
}

static char folder[] = "/tmp/freshet-profile-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	return mkdtemp(folder) ? 0 : -1;
}

static void write_file(const char *name, const char *text, char *out, size_t size)
{
	FILE *file;

	(void)snprintf(out, size, "%s/%s", folder, name);
	file = fopen(out, "w");
	assert_non_null(file);
	(void)fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"a.conf", "b.conf", ".hidden.conf", "c.txt",
					    "set.json"};
	char path[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

static int note_path(void *arg, const char *path)
{
	char *list = arg;

	strncat(list, path + strlen(folder), 100 - strlen(list));
	return strcmp(list, "/a.conf/b.conf/set.json") == 0 ? 5 : 0;
}

static void profiles_are_found_by_name_and_by_path(void **state)
{
	struct profile *profile = NULL;
	char path[PATH_MAX], found[PATH_MAX], list[128] = "";

	(void)state;
	write_file("b.conf", HEAD BMS VOLTAGE, path, sizeof(path));
	write_file(".hidden.conf", "", path, sizeof(path));
	write_file("c.txt", "", path, sizeof(path));
	write_file("a.conf", HEAD BMS VOLTAGE, path, sizeof(path));
	assert_int_equal(profile_find(folder, "a", found, sizeof(found)), 0);
	assert_string_equal(found, path);
	assert_int_equal(profile_find("/nowhere", path, found, sizeof(found)), 0);
	assert_string_equal(found, path);
	assert_int_equal(profile_find(folder, "../a b", found, sizeof(found)), 0);
	write_file("set.json", "{}", path, sizeof(path));
	assert_int_equal(profile_find(folder, "set", found, sizeof(found)), 0);
	assert_string_equal(found, path);
	assert_int_equal(profile_find(folder, "..", found, sizeof(found)), -EINVAL);
	assert_int_equal(profile_find(folder, "", found, sizeof(found)), -EINVAL);
	assert_int_equal(profile_find(folder, "a", found, 10), -ENAMETOOLONG);
	assert_int_equal(profile_list(folder, note_path, list), 5);
	assert_string_equal(list, "/a.conf/b.conf/set.json");
	assert_int_equal(profile_list("/nowhere/at/all", note_path, list), -ENOENT);
	assert_int_equal(profile_find(folder, "b", found, sizeof(found)), 0);
	assert_int_equal(profile_load(found, reads, stderr, &profile), 0);
	assert_string_equal(profile_path(profile), found);
	profile_free(profile);
	profile_free(NULL);
	assert_true(profile_dir()[0] == '/');
}

#define SIGNAL_SET                                                                                 \
	"{\"commands\": [{\"hdr\": \"7E4\", \"rax\": \"7EC\", \"cmd\": {\"22\": \"0101\"},\n"      \
	" \"freq\": 5, \"signals\": [\n"                                                           \
	"{\"id\": \"SOC\", \"suggestedMetric\": \"stateOfCharge\",\n"                              \
	" \"fmt\": {\"bix\": 32, \"len\": 8, \"div\": 2, \"max\": 100, \"unit\": \"percent\"}},\n" \
	"{\"id\": \"AMPS\", \"fmt\": {\"bix\": 80, \"len\": 16, \"sign\": true, \"div\": 10,\n"    \
	" \"min\": -400, \"max\": 400, \"unit\": \"amps\"}},\n"                                    \
	"{\"id\": \"CHG\", \"suggestedMetric\": \"isCharging\",\n"                                 \
	" \"fmt\": {\"bix\": 75, \"len\": 1, \"max\": 1, \"unit\": \"offon\",\n"                   \
	" \"map\": {\"0\": \"idle\", \"1\": \"busy\"}}}]}]}\n"

static int load(const char *text, struct profile **ret_profile, char **ret_errors)
{
	char path[PATH_MAX];
	size_t size = 0;
	FILE *errors = open_memstream(ret_errors, &size);
	int r;

	assert_non_null(errors);
	write_file("set.json", SIGNAL_SET, path, sizeof(path));
	write_file("a.conf", text, path, sizeof(path));
	r = profile_load(path, reads, errors, ret_profile);
	assert_int_equal(fclose(errors), 0);
	return r;
}

static void a_file_completes_a_signal_set(void **state)
{
	struct profile *profile = NULL;
	const struct profile_signal *signal;
	char *errors = NULL;

	(void)state;
	if (load("[profile]\nname = set\nobdb = set.json\n"
		 "[state]\ncharging = AMPS < -1\n"
		 "[command 7E4.7EC.220101]\nperiod = 20 s\nwhen = on\nvalid_if = SOC > 0\n"
		 "[signal AMPS]\nfield = battery.pack_current_a\nnegate = yes\ntrust = captures\n"
		 "null = ones\n"
		 "[signal SOC]\nfield = none\ntrust = claimed\n"
		 "[signal CHG]\nfield = charging.plugged_in\nwords = 0:no 1:yes\ntrust = sources\n"
		 "[command speed]\nrequest = 01 0D\nperiod = 1 s\n"
		 "[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\n"
		 "field = vehicle_state.speed_kmh\ntrust = sources\n",
		 &profile, &errors) != 0)
		fail_msg("%s", errors);
	free(errors);
	assert_string_equal(profile_name(profile), "set");
	assert_int_equal(profile_command_count(profile), 2);
	assert_int_equal(profile_command(profile, 0)->period_us, 20000000);
	assert_int_equal(profile_command(profile, 0)->when, PROFILE_WHEN_ON);
	assert_int_equal(profile_command(profile, 0)->signal_count, 3);
	assert_true(profile_command(profile, 0)->unless_valid >= 0);
	assert_int_equal(profile_signal(profile, 0)->field, -1);
	signal = profile_signal(profile, 1);
	assert_int_equal(signal->field, MODEL_FIELD_PACK_CURRENT_A);
	assert_float_equal(signal->to_mul, -1, 0);
	assert_int_equal(signal->null_count, 1);
	assert_int_equal(signal->trust, PROFILE_TRUST_CAPTURES);
	assert_float_equal(signal->min, -400, 0);
	/* Ours, not those of the set. */
	signal = profile_signal(profile, 2);
	assert_int_equal(signal->word_count, 2);
	assert_string_equal(profile_word(profile, signal->word_first)->name, "no");
	assert_string_equal(profile_word(profile, signal->word_first + 1)->name, "yes");
	/* The set suggests CHG = 1; ours is the last word: all signals are 1. */
	assert_int_equal(condition_eval(profile_state_condition(profile, PROFILE_STATE_CHARGING),
					all_are_one, NULL),
			 TRUTH_FALSE);
	profile_free(profile);
}

static void a_mistake_beside_a_signal_set_names_the_right_file(void **state)
{
	static const struct mistake cases[] = {
		{"[profile]\nname = set\nobdb = set.json\n[signal AMPS]\nbytes = 0 1\n"
		 "trust = claimed\n",
		 "a.conf:5: [signal AMPS] bytes: expected no such key: the signal set has"},
		{"[profile]\nname = set\nobdb = set.json\n[command 7E4.7EC.220101]\necu = all\n",
		 "a.conf:5: [command 7E4.7EC.220101] ecu: expected no such key"},
		{"[profile]\nname = set\nobdb = set.json\n[command 7E4.7EC.220101]\nperiod = 1 ms\n",
		 "a.conf:5: [command 7E4.7EC.220101] period: expected 100ms..7d"},
		{"[profile]\nname = set\nobdb = set.json\n[signal SOC]\nfield = vehicle_state.gear\n"
		 "unit = \ntrust = claimed\n",
		 "set.json:4: [signal SOC] words: expected a word for each raw value"},
		{"[profile]\nname = set\nobdb = set.json\n[signal SOC]\nwords = 0:no 1:yes\n"
		 "trust = claimed\n",
		 "a.conf:5: [signal SOC] words: expected no words for a number"},
		{"[profile]\nname = set\nobdb = a.conf\n", "expected"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *profile = NULL;
		char *errors = NULL;

		assert_int_equal(load(cases[i].text, &profile, &errors), -EINVAL);
		if (!strstr(errors, cases[i].said))
			fail_msg("wanted: %s\nsaid: %s", cases[i].said, errors);
		free(errors);
	}
}

/* The next block of that language in a text of Markdown, to be freed; *at moves past it. */
static char *next_block(const char **at, const char *fence)
{
	const char *begin = strstr(*at, fence);
	const char *end = begin ? strstr(begin + strlen(fence), "\n```") : NULL;
	char *block;

	if (!end)
		return NULL;
	begin += strlen(fence);
	block = strndup(begin, (size_t)(end + 1 - begin));
	assert_non_null(block);
	*at = end;
	return block;
}

static char *read_document(void)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen(FRESHET_DOCS "/profiles.md", "r");

	assert_non_null(text);
	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 1000 && feof(file));
	assert_int_equal(fclose(file), 0);
	return text;
}

static void the_examples_of_the_documentation_load(void **state)
{
	char *text = read_document();
	const char *at = text;
	char *example = next_block(&at, "```ini\n");
	char *set = next_block(&at, "```json\n");
	char *completion = next_block(&at, "```ini\n");
	struct profile *profile = NULL;
	char path[PATH_MAX];

	(void)state;
	assert_non_null(example);
	assert_non_null(set);
	assert_non_null(completion);
	profile = parse_good(example);
	assert_int_equal(profile_command_count(profile), 5);
	assert_int_equal(profile_signal_count(profile), 6);
	assert_string_equal(profile_detect(profile)->id, "bms");
	profile_free(profile);
	write_file("set.json", set, path, sizeof(path));
	write_file("a.conf", completion, path, sizeof(path));
	assert_int_equal(profile_load(path, reads, stderr, &profile), 0);
	assert_int_equal(profile_signal_count(profile), 2);
	assert_int_equal(profile_signal(profile, 0)->field, -1);
	assert_int_equal(profile_signal(profile, 1)->field, MODEL_FIELD_PACK_CURRENT_A);
	profile_free(profile);
	free(completion);
	free(set);
	free(example);
	free(text);
}

static void a_file_that_cannot_be_read_is_said(void **state)
{
	struct profile *profile = NULL;
	char *said = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&said, &size);
	char *large = calloc(1, PROFILE_FILE_MAX + 2);

	(void)state;
	assert_non_null(errors);
	assert_non_null(large);
	memset(large, ' ', PROFILE_FILE_MAX + 1);
	assert_int_equal(profile_load("/nowhere.conf", reads, errors, &profile), -ENOENT);
	assert_int_equal(profile_load("/tmp", reads, errors, &profile), -EISDIR);
	assert_int_equal(
		profile_parse(large, PROFILE_FILE_MAX + 1, "large", reads, errors, &profile),
		-EFBIG);
	assert_int_equal(fclose(errors), 0);
	assert_null(profile);
	assert_string_equal(said, "/nowhere.conf: No such file or directory\n"
				  "/tmp: Is a directory\n"
				  "large: File too large\n");
	free(said);
	free(large);
}

int suite_provider_profile(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_becomes_commands_and_signals),
		cmocka_unit_test(identifiers_say_who_answers_and_who_needs_flow_control),
		cmocka_unit_test(all_units_of_a_29_bit_bus_have_their_own_identifier),
		cmocka_unit_test(a_unit_becomes_the_unit_of_the_field),
		cmocka_unit_test(a_current_of_the_other_sign_is_turned),
		cmocka_unit_test(answers_become_values_or_say_why_not),
		cmocka_unit_test(a_signal_of_another_layout_does_not_apply),
		cmocka_unit_test(states_and_validity_are_conditions_over_signals),
		cmocka_unit_test(a_request_that_may_change_the_vehicle_does_not_load),
		cmocka_unit_test(without_a_gate_nothing_may_be_sent),
		cmocka_unit_test(each_mistake_of_a_command_is_said_with_its_line),
		cmocka_unit_test(each_mistake_of_a_signal_is_said_with_its_line),
		cmocka_unit_test(each_mistake_of_the_head_is_said_with_its_line),
		cmocka_unit_test(all_mistakes_are_said_in_one_go),
		cmocka_unit_test(a_file_has_at_most_so_many_commands_and_signals),
		cmocka_unit_test_setup_teardown(profiles_are_found_by_name_and_by_path, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(a_file_completes_a_signal_set, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(a_mistake_beside_a_signal_set_names_the_right_file,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(the_examples_of_the_documentation_load, make_folder,
						remove_folder),
		cmocka_unit_test(a_file_that_cannot_be_read_is_said),
	};

	return cmocka_run_group_tests_name("provider.profile", tests, NULL, NULL);
}
