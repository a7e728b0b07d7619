#include <errno.h>
#include <math.h>
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

/* Parses; what was said is in a text that the caller frees. */
static int parse(const char *text, struct profile **ret_profile, char **ret_said)
{
	size_t size = 0;
	FILE *errors = open_memstream(ret_said, &size);
	int r;

	assert_non_null(errors);
	r = profile_parse(text, strlen(text), "car.json", reads, errors, ret_profile);
	assert_int_equal(fclose(errors), 0);
	return r;
}

static struct profile *parse_good(const char *text)
{
	struct profile *profile = NULL;
	char *said = NULL;

	if (parse(text, &profile, &said) != 0)
		fail_msg("%s", said);
	free(said);
	return profile;
}

/* A set of one command with what stands beside its request, and one signal of 8 bits. */
static struct profile *parse_command(const char *members)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "{\"commands\": [{%s, \"signals\": [{\"id\": \"A\", \"name\": \"a\","
		       "\"fmt\": {\"len\": 8, \"max\": 255, \"unit\": \"scalar\"}}]}]}",
		       members);
	return parse_good(text);
}

/* A set of one command of mode 22 with one signal "A" of this format, and what stands beside it. */
static struct profile *parse_signal(const char *fmt, const char *members)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "{\"commands\": [{\"hdr\": \"7E4\", \"rax\": \"7EC\","
		       "\"cmd\": {\"22\": \"0101\"}, \"freq\": 1, \"signals\": ["
		       "{\"id\": \"A\", \"name\": \"a\", \"fmt\": {%s}%s}]}]}",
		       fmt, members);
	return parse_good(text);
}

/* ---- commands ---- */

struct address_case {
	const char *name, *members;
	uint32_t tx, rx;
	uint8_t id_bits, extension, tester;
	bool functional, flow_control;
};

static const struct address_case addresses[] = {
	{"11 bits", "\"hdr\": \"7E4\", \"rax\": \"7EC\", \"cmd\": {\"22\": \"0101\"}, \"freq\": 1",
	 0x7e4, 0x7ec, 11, 0, 0, false, false},
	{"a unit that no automatic flow control reaches",
	 "\"hdr\": \"744\", \"rax\": \"74C\", \"cmd\": {\"22\": \"E001\"}, \"freq\": 1", 0x744,
	 0x74c, 11, 0, 0, false, true},
	{"flow control that is asked for",
	 "\"hdr\": \"7E4\", \"rax\": \"7EC\", \"fcm1\": true, \"cmd\": {\"22\": \"0101\"}, "
	 "\"freq\": 1",
	 0x7e4, 0x7ec, 11, 0, 0, false, true},
	{"everybody, for what every vehicle has",
	 "\"hdr\": \"7E0\", \"cmd\": {\"01\": \"0C\"}, \"freq\": 1", 0x7df, 0, 11, 0, 0, true,
	 false},
	{"the engine's unit for its own",
	 "\"hdr\": \"7E0\", \"cmd\": {\"22\": \"10E0\"}, \"freq\": 1", 0x7e0, 0x7e8, 11, 0, 0,
	 false, false},
	{"eight above the request", "\"hdr\": \"7C0\", \"cmd\": {\"21\": \"29\"}, \"freq\": 1",
	 0x7c0, 0x7c8, 11, 0, 0, false, true},
	{"BMW's extended addressing",
	 "\"hdr\": \"6F1\", \"rax\": \"607\", \"eax\": \"07\", \"cmd\": {\"22\": \"DDBC\"}, "
	 "\"freq\": 1",
	 0x6f1, 0x607, 11, 0x07, 0xf1, false, true},
	{"Toyota's",
	 "\"hdr\": \"750\", \"rax\": \"758\", \"eax\": \"2A\", \"cmd\": {\"21\": \"30\"}, "
	 "\"freq\": 1",
	 0x750, 0x758, 11, 0x2a, 0x2a, false, true},
	{"29 bits, everybody", "\"hdr\": \"DB33\", \"cmd\": {\"01\": \"0D\"}, \"freq\": 1",
	 0x18db33f1, 0, 29, 0, 0, true, false},
	{"29 bits, one byte of the answer",
	 "\"hdr\": \"DA10\", \"rax\": \"10\", \"cmd\": {\"22\": \"2660\"}, \"freq\": 1", 0x18da10f1,
	 0x18daf110, 29, 0, 0, false, false},
	{"29 bits, no receive address",
	 "\"hdr\": \"DA60\", \"cmd\": {\"22\": \"7028\"}, \"freq\": 1", 0x18da60f1, 0x18daf160, 29,
	 0, 0, false, false},
	{"29 bits with a priority",
	 "\"hdr\": \"DA10\", \"rax\": \"10\", \"pri\": \"14\", \"cmd\": {\"22\": \"2660\"}, "
	 "\"freq\": 1",
	 0x14da10f1, 0x14daf110, 29, 0, 0, false, true},
	{"29 bits, six digits of the answer",
	 "\"hdr\": \"FC00\", \"rax\": \"FE007B\", \"pri\": \"17\", \"tst\": \"7B\", "
	 "\"cmd\": {\"22\": \"028C\"}, \"freq\": 1",
	 0x17fc007b, 0x17fe007b, 29, 0, 0, false, true},
	{"29 bits, the whole answer",
	 "\"hdr\": \"D016\", \"rax\": \"1EC60E80\", \"pri\": \"1D\", \"tst\": \"30\", "
	 "\"cmd\": {\"22\": \"DA2C\"}, \"freq\": 1",
	 0x1dd01630, 0x1ec60e80, 29, 0, 0, false, true},
};

static void headers_and_receive_addresses_become_identifiers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const struct address_case *want = &addresses[i];
		struct profile *profile = parse_command(want->members);
		const struct profile_ecu *ecu = &profile_command(profile, 0)->ecu;

		if (ecu->tx != want->tx || ecu->rx != want->rx || ecu->id_bits != want->id_bits)
			fail_msg("%s: %X %X, %d bits", want->name, (unsigned)ecu->tx,
				 (unsigned)ecu->rx, ecu->id_bits);
		if (ecu->extension != want->extension || ecu->tester != want->tester)
			fail_msg("%s: extension %02X %02X", want->name, ecu->extension,
				 ecu->tester);
		if (ecu->functional != want->functional || ecu->flow_control != want->flow_control)
			fail_msg("%s: functional %d, flow control %d", want->name, ecu->functional,
				 ecu->flow_control);
		profile_free(profile);
	}
}

static void a_command_becomes_a_request_with_a_period(void **state)
{
	struct profile *profile = parse_good(
		"{\"diagnosticLevel\": \"03\", \"ecu\": [], \"commands\": [\n"
		"{\"hdr\": \"7E4\", \"rax\": \"7EC\", \"cmd\": {\"22\": \"0101\"}, \"freq\": 0.25,\n"
		" \"signals\": [{\"id\": \"A\", \"name\": \"a\", \"fmt\": {\"len\": 8}}]},\n"
		"{\"hdr\": \"7E4\", \"rax\": \"7EC\", \"cmd\": {\"22\": \"0101\"}, \"freq\": 3600,\n"
		" \"filter\": {\"from\": 2019, \"to\": 2022, \"years\": [2024]},\n"
		" \"signals\": [{\"id\": \"B\", \"name\": \"b\", \"fmt\": {\"len\": 8}}]},\n"
		"{\"hdr\": \"7E0\", \"cmd\": {\"01\": \"0D\"}, \"freq\": 1, \"dbg\": true,\n"
		" \"filter\": {\"to\": 2018, \"from\": 2022}, \"tmo\": \"96\", \"later\": [1],\n"
		" \"signals\": []}]}");
	const struct profile_command *first = profile_command(profile, 0);
	const struct profile_command *second = profile_command(profile, 1);
	const struct profile_command *third = profile_command(profile, 2);

	(void)state;
	assert_int_equal(profile_command_count(profile), 3);
	assert_string_equal(profile_name(profile), "car");
	assert_string_equal(first->id, "7E4.7EC.220101");
	assert_int_equal(first->request_len, 3);
	assert_memory_equal(first->request, "\x22\x01\x01", 3);
	assert_int_equal(first->echo_len, 3);
	assert_int_equal(first->period_us, 250000);
	assert_int_equal(first->when, PROFILE_WHEN_AWAKE);
	assert_int_equal(first->line, 2);
	assert_int_equal(first->year_from, 0);
	assert_int_equal(first->signal_count, 1);
	assert_string_equal(second->id, "7E4.7EC.220101_2");
	assert_int_equal(second->period_us, INT64_C(3600000000));
	assert_int_equal(second->year_from, 2019);
	assert_int_equal(second->year_to, 2024);
	assert_string_equal(third->id, "7E0.010D");
	assert_int_equal(third->echo_len, 2);
	/* The years outside: every year may be one of them. */
	assert_int_equal(third->year_from, 0);
	assert_int_equal(third->year_to, 0);
	profile_free(profile);
}

/* ---- signals ---- */

struct value_case {
	const char *name, *fmt, *payload; /* hex, after the echo */
	enum profile_outcome outcome;
	double value;
	const char *word;
};

static const struct value_case values[] = {
	{"nothing but a length", "\"len\": 8", "C8", PROFILE_VALUE, 200, NULL},
	{"a place", "\"bix\": 16, \"len\": 16", "00000102", PROFILE_VALUE, 258, NULL},
	{"bits inside a byte", "\"bix\": 3, \"len\": 2", "18", PROFILE_VALUE, 3, NULL},
	{"reversed bytes", "\"bix\": 8, \"len\": 24, \"blsb\": true", "00010203", PROFILE_VALUE,
	 0x030201, NULL},
	{"a reversed byte is a byte", "\"bix\": 4, \"len\": 4, \"blsb\": true", "0C", PROFILE_VALUE,
	 12, NULL},
	{"a sign", "\"len\": 16, \"sign\": true, \"div\": 10", "FF38", PROFILE_VALUE, -20, NULL},
	{"a scale", "\"len\": 8, \"mul\": 100, \"div\": 255, \"add\": -40", "FF", PROFILE_VALUE, 60,
	 NULL},
	{"inside bounds", "\"len\": 8, \"min\": 10, \"max\": 100", "64", PROFILE_VALUE, 100, NULL},
	{"past its maximum", "\"len\": 8, \"max\": 100", "65", PROFILE_IMPLAUSIBLE, 101, NULL},
	{"below its minimum", "\"len\": 8, \"min\": 10, \"max\": 100", "09", PROFILE_IMPLAUSIBLE, 9,
	 NULL},
	{"no bound that is not there", "\"len\": 8, \"sign\": true, \"max\": 100", "80",
	 PROFILE_VALUE, -128, NULL},
	{"bounds that cross are none", "\"len\": 8, \"min\": 9, \"max\": 1", "05", PROFILE_VALUE, 5,
	 NULL},
	{"at nullmax", "\"len\": 8, \"nullmax\": 255", "FF", PROFILE_NULL, 255, NULL},
	{"past nullmax", "\"len\": 8, \"nullmax\": 250", "FB", PROFILE_NULL, 251, NULL},
	{"before nullmax", "\"len\": 8, \"nullmax\": 255", "FE", PROFILE_VALUE, 254, NULL},
	{"at nullmin, on its scale", "\"len\": 8, \"add\": -40, \"nullmin\": -40", "00",
	 PROFILE_NULL, -40, NULL},
	{"after nullmin", "\"len\": 8, \"add\": -40, \"nullmin\": -40", "01", PROFILE_VALUE, -39,
	 NULL},
	{"a word", "\"len\": 8, \"map\": {\"3\": \"D\", \"4\": \"R\"}", "04", PROFILE_VALUE, 4,
	 "R"},
	{"a word that is described",
	 "\"len\": 8, \"map\": {\"3\": {\"description\": \"Drive\", \"value\": \"D\"}}", "03",
	 PROFILE_VALUE, 3, "D"},
	{"a word that is only described",
	 "\"len\": 8, \"map\": {\"3\": {\"description\": \"Drive\"}}", "03", PROFILE_VALUE, 3,
	 "Drive"},
	{"a list of words", "\"len\": 2, \"map\": [\"P\", \"R\", {\"value\": \"N\"}]", "80",
	 PROFILE_VALUE, 2, "N"},
	{"a raw value without a word", "\"len\": 8, \"map\": {\"3\": \"D\"}", "05",
	 PROFILE_IMPLAUSIBLE, 5, NULL},
	{"a word that is too long, cut at a character",
	 "\"len\": 8, \"map\": {\"0\": \"thirty letters and one more, \xc3\xa4\xc3\xb6\"}", "00",
	 PROFILE_VALUE, 0, "thirty letters and one more, \xc3\xa4"},
	{"an answer that is too short", "\"bix\": 8, \"len\": 16", "0102", PROFILE_SHORT, 0, NULL},
};

static size_t answer_of(const char *payload, uint8_t out[32])
{
	char byte[3] = "";
	size_t len = 3;

	memcpy(out, "\x62\x01\x01", 3);
	for (; *payload; payload += 2) {
		memcpy(byte, payload, 2);
		out[len++] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return len;
}

static void formats_become_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const struct value_case *want = &values[i];
		struct profile *profile = parse_signal(want->fmt, "");
		struct profile_value value = {0};
		uint8_t answer[32];
		const size_t len = answer_of(want->payload, answer);
		const enum profile_outcome outcome =
			profile_decode(profile, profile_signal(profile, 0), answer, len, &value);

		if (outcome != want->outcome || fabs(value.number - want->value) > 1e-9)
			fail_msg("%s: outcome %d, %f", want->name, (int)outcome, value.number);
		if (want->word && (!value.word || strcmp(value.word, want->word) != 0))
			fail_msg("%s: \"%s\"", want->name, value.word ? value.word : "");
		profile_free(profile);
	}
}

struct metric_case {
	const char *fmt, *metric;
	int field;
	double mul, add;
};

static const struct metric_case metrics[] = {
	{"\"len\": 8, \"unit\": \"percent\"", "stateOfCharge", MODEL_FIELD_STATE_OF_CHARGE_PCT, 1,
	 0},
	{"\"len\": 24, \"unit\": \"miles\"", "odometer", MODEL_FIELD_ODOMETER_KM, 1.609344, 0},
	{"\"len\": 8, \"unit\": \"psi\"", "rearLeftTirePressure", MODEL_FIELD_TYRE_PRESSURE_RL_KPA,
	 6.894757293168, 0},
	{"\"len\": 8, \"unit\": \"bars\"", "frontRightTirePressure",
	 MODEL_FIELD_TYRE_PRESSURE_FR_KPA, 100, 0},
	{"\"len\": 8, \"unit\": \"fahrenheit\"", "engineCoolantTemperature",
	 MODEL_FIELD_ENGINE_COOLANT_TEMP_C, 5.0 / 9, -160.0 / 9},
	{"\"len\": 16, \"unit\": \"millivolts\"", "starterBatteryVoltage",
	 MODEL_FIELD_AUX_BATTERY_V, 0.001, 0},
	{"\"len\": 1, \"unit\": \"noyes\"", "pluggedIn", MODEL_FIELD_PLUGGED_IN, 1, 0},
	/* 1 is no. */
	{"\"len\": 1, \"unit\": \"yesno\"", "pluggedIn", -1, 1, 0},
	/* Words of their own. */
	{"\"len\": 1, \"map\": {\"0\": \"OUT\", \"1\": \"IN\"}", "pluggedIn", -1, 1, 0},
	/* Litres are no share of a tank. */
	{"\"len\": 8, \"unit\": \"liters\"", "fuelTankLevel", -1, 1, 0},
	{"\"len\": 8, \"unit\": \"percent\"", "fuelTankLevel", MODEL_FIELD_FUEL_LEVEL_PCT, 1, 0},
	/* No set says which sign is charging. */
	{"\"len\": 16, \"unit\": \"amps\"", "tractionBatteryCurrent", -1, 1, 0},
	{"\"len\": 8, \"unit\": \"percent\"", "engineLoad", -1, 1, 0},
	{"\"len\": 8, \"unit\": \"percent\"", "whatComesNext", -1, 1, 0},
};

static void suggested_metrics_become_fields_in_their_units(void **state)
{
	char members[80];

	(void)state;
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		const struct metric_case *want = &metrics[i];
		const struct profile_signal *signal;
		struct profile *profile;

		(void)snprintf(members, sizeof(members), ", \"suggestedMetric\": \"%s\"",
			       want->metric);
		profile = parse_signal(want->fmt, members);
		signal = profile_signal(profile, 0);
		if (signal->field != want->field || fabs(signal->to_mul - want->mul) > 1e-9 ||
		    fabs(signal->to_add - want->add) > 1e-9)
			fail_msg("%s, %s: field %d * %f + %f", want->metric, want->fmt,
				 signal->field, signal->to_mul, signal->to_add);
		assert_int_equal(signal->trust, PROFILE_TRUST_CLAIMED);
		profile_free(profile);
	}
}

static bool flag_value(void *arg, size_t signal, double *ret_value)
{
	*ret_value = ((const double *)arg)[signal];
	return true;
}

static void signals_that_say_charging_become_its_condition(void **state)
{
	struct profile *profile = parse_good(
		"{\"commands\": [{\"hdr\": \"744\", \"rax\": \"74C\", \"cmd\": {\"22\": \"E001\"},"
		"\"freq\": 1, \"signals\": ["
		"{\"id\": \"AC\", \"fmt\": {\"bix\": 1, \"len\": 1, \"unit\": \"noyes\"},"
		" \"suggestedMetric\": \"isCharging\"},"
		"{\"id\": \"DC\", \"fmt\": {\"len\": 1, \"unit\": \"offon\"},"
		" \"suggestedMetric\": \"isCharging\"}]}]}");
	const struct profile_condition *charging =
		profile_state_condition(profile, PROFILE_STATE_CHARGING);
	double none[] = {0, 0}, fast[] = {0, 1};

	(void)state;
	assert_non_null(charging);
	assert_int_equal(condition_eval(charging, flag_value, none), TRUTH_FALSE);
	assert_int_equal(condition_eval(charging, flag_value, fast), TRUTH_TRUE);
	profile_free(profile);
}

static void a_text_is_a_text(void **state)
{
	struct profile *profile = parse_signal("\"len\": 136, \"unit\": \"ascii\"", "");

	(void)state;
	assert_true(profile_signal(profile, 0)->text);
	assert_int_equal(profile_signal(profile, 0)->format.bits, 136);
	profile_free(profile);
}

static void what_cannot_be_had_is_passed_over_with_a_remark(void **state)
{
	struct profile *profile = NULL;
	char *said = NULL;

	(void)state;
	assert_int_equal(
		parse("{\"commands\": [\n"
		      "{\"hdr\": \"686A\", \"cmd\": {\"01\": \"0D\"}, \"freq\": 1, \"signals\": []},\n"
		      "{\"hdr\": \"7E0\", \"cmd\": {\"22\": \"F190\"}, \"freq\": 1, \"signals\": [\n"
		      "{\"id\": \"LONG\", \"fmt\": {\"len\": 512, \"unit\": \"hex\"}},\n"
		      "{\"id\": \"NAME\", \"fmt\": {\"len\": 256, \"unit\": \"ascii\"}},\n"
		      "{\"id\": \"HALF\", \"fmt\": {\"bix\": 4, \"len\": 16, \"blsb\": true}},\n"
		      "{\"id\": \"GOOD\", \"fmt\": {\"len\": 8}}]}]}",
		      &profile, &said),
		0);
	assert_string_equal(
		said, "car.json:2: passed over: a command for a bus that is not CAN\n"
		      "car.json:4: passed over: signal LONG: a number of more than 64 bits\n"
		      "car.json:5: passed over: signal NAME: a text that is not of 1..31 whole "
		      "bytes\n"
		      "car.json:6: passed over: signal HALF: reversed bytes that are not whole "
		      "ones\n");
	assert_int_equal(profile_command_count(profile), 1);
	assert_int_equal(profile_signal_count(profile), 1);
	profile_free(profile);
	free(said);
}

/* ---- mistakes ---- */

/* Line 3 holds what is wrong. */
#define SET(request, signals)                                                                      \
	"{\"commands\": [\n{\"hdr\": \"7E4\", \"rax\": \"7EC\", \"freq\": 1,\n\"cmd\": " request   \
	",\n\"signals\": [" signals "]}]}"
#define COMMAND(members)                                                                           \
	"{\"commands\": [\n{\"cmd\": {\"22\": \"0101\"}, \"signals\": [],\n" members "}]}"
#define SIGNAL(members)                                                                            \
	"{\"commands\": [{\"hdr\": \"7E4\", \"cmd\": {\"22\": \"0101\"}, \"freq\": 1,\n"           \
	"\"signals\": [\n{" members "}]}]}"
#define ADDRESS "\"hdr\": \"7E4\", \"freq\": 1"

struct mistake {
	const char *text, *said; /* how it begins, and what must stand in it */
	const char *why;
};

static const struct mistake mistakes[] = {
	{"{\"commands\": [\n{\n]}", "car.json:3:", "JSON"},
	{"{\"signals\": []}", "car.json:1:", "\"commands\""},
	{"{\"commands\": []}", "car.json:", "at least one command"},
	{"{\"commands\": [\n7]}", "car.json:2:", "an object"},
	{SET("{\"2E\": \"F19001\"}", ""), "car.json:3: [command 7E4.7EC.2EF19001] request",
	 "only reads: service 2E"},
	{SET("{\"04\": \"\"}", ""), "car.json:3: [command 7E4.7EC.04] request", "service 04"},
	{SET("{\"31\": \"010203\"}", ""), "car.json:3:", "service 31"},
	{SET("{\"10\": \"03\"}", ""), "car.json:3:", "service 10"},
	{SET("{\"3E\": \"80\"}", ""), "car.json:3:", "tester present"},
	{SET("{\"22\": \"010\"}", ""), "car.json:3:", "a service and its parameter"},
	{SET("{\"22\": \"01\"}", ""), "car.json:3:", "3..7 bytes for service 22"},
	{SET("{\"22\": \"0101010101010101\"}", ""), "car.json:3:", "a service and its parameter"},
	{SET("{\"22\": \"01ZZ\"}", ""), "car.json:3:", "hex digits"},
	{SET("{\"22\": \"0101\", \"21\": \"01\"}", ""), "car.json:3:", "a service"},
	{SET("\"220101\"", ""), "car.json:3:", "a service"},
	{COMMAND("\"freq\": 1"), "car.json:2: [command ?.220101] hdr", "the header"},
	{COMMAND("\"hdr\": \"7E\", \"freq\": 1"), "car.json:3:", "3 hex digits, or 4"},
	{COMMAND("\"hdr\": \"7G4\", \"freq\": 1"), "car.json:3:", "3 hex digits, or 4"},
	{COMMAND("\"hdr\": \"7E4\", \"rax\": \"7E\", \"freq\": 1"), "car.json:3:", "3 hex digits"},
	{COMMAND("\"hdr\": \"DA10\", \"rax\": \"7E8\", \"freq\": 1"),
	 "car.json:3:", "2, 6 or 8 hex digits"},
	{COMMAND("\"hdr\": \"D016\", \"freq\": 1"), "car.json:2:", "no standard"},
	{COMMAND("\"hdr\": \"FFF\", \"rax\": \"7EC\", \"freq\": 1"),
	 "car.json:2:", "identifiers up to 7FF"},
	{COMMAND(ADDRESS ", \"eax\": \"1\""), "car.json:3:", "2 hex digits"},
	{COMMAND(ADDRESS ", \"fcm1\": 1"), "car.json:3:", "true or false"},
	{COMMAND("\"hdr\": \"7E4\""), "car.json:2: [command 7E4.220101] freq", "seconds"},
	{COMMAND("\"hdr\": \"7E4\", \"freq\": 0"), "car.json:3:", "seconds"},
	{COMMAND("\"hdr\": \"7E4\", \"freq\": 1e9"), "car.json:3:", "seconds"},
	{COMMAND(ADDRESS ", \"filter\": 2020"), "car.json:3:", "{from, to, years}"},
	{COMMAND(ADDRESS ", \"filter\": {\"from\": \"2020\"}"), "car.json:3:", "model years"},
	{SIGNAL("\"fmt\": {\"len\": 8}"), "car.json:3: [command 7E4.220101] signals", "an id"},
	{SIGNAL("\"id\": \"A B\", \"fmt\": {\"len\": 8}"), "car.json:3: [signal A B]", "an id"},
	{SIGNAL("\"id\": \"A\""), "car.json:3: [signal A] fmt", "an object"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {}"), "car.json:3: [signal A] len", "how many bits"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 0}"), "car.json:3:", "how many bits"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 1.5}"), "car.json:3:", "how many bits"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"bix\": -1}"), "car.json:3:", "begins"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"bix\": 32760}"),
	 "car.json:3:", "longest answer"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"sign\": 1}"),
	 "car.json:3:", "true or false"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"mul\": \"2\"}"), "car.json:3:", "a number"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"div\": 0}"), "car.json:3: [signal A] div",
	 "not 0"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"nullmax\": null}"),
	 "car.json:3:", "a number"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"map\": 1}"),
	 "car.json:3:", "raw values and their names"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"map\": {\"x\": \"A\"}}"),
	 "car.json:3:", "raw values as keys"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"map\": {\"1\": 7}}"),
	 "car.json:3:", "a text, or"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8, \"map\": {\"1\": \"a\", \"01\": \"b\"}}"),
	 "car.json:3:", "every raw value once"},
	{SIGNAL("\"id\": \"A\", \"fmt\": {\"len\": 8}}, {\"id\": \"A\", \"fmt\": {\"len\": 8}"),
	 "car.json:3: [signal A]", "every signal once"},
};

static void mistakes_are_said_with_file_and_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const struct mistake *want = &mistakes[i];
		struct profile *profile = NULL;
		char *said = NULL;
		const int r = parse(want->text, &profile, &said);

		if (r != -EINVAL || profile || strncmp(said, want->said, strlen(want->said)) != 0 ||
		    !strstr(said, want->why))
			fail_msg("%s\nsays %d: %swant: %s ... %s", want->text, r, said, want->said,
				 want->why);
		free(said);
	}
}

static void every_mistake_is_said_not_only_the_first(void **state)
{
	struct profile *profile = NULL;
	char *said = NULL;

	(void)state;
	assert_int_equal(parse("{\"commands\": [\n"
			       "{\"hdr\": \"7E4\", \"cmd\": {\"2F\": \"0101\"}, \"freq\": 1,\n"
			       " \"signals\": []},\n"
			       "{\"hdr\": \"7E4\", \"cmd\": {\"22\": \"0101\"}, \"freq\": 1,\n"
			       " \"signals\": [{\"id\": \"A\", \"fmt\": {\"len\": 99}},\n"
			       " {\"id\": \"B\", \"fmt\": {\"len\": \"8\"}}]}]}",
			       &profile, &said),
			 -EINVAL);
	assert_non_null(strstr(said, "car.json:2: [command 7E4.2F0101] request"));
	assert_non_null(strstr(said, "car.json:6: [signal B] len"));
	free(said);
}

/* ---- with a file of ours around it ---- */

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void a_file_of_ours_completes_a_signal_set(void **state)
{
	char folder[] = "/tmp/freshet-obdb-XXXXXX", path[256], set[256];
	const struct profile_condition *charging;
	const struct profile_signal *current;
	struct profile *profile = NULL;
	double off[] = {1, 0}, on[] = {0, -5};

	(void)state;
	assert_non_null(mkdtemp(folder));
	write_file(folder, "set.json",
		   "{\"commands\": [{\"hdr\": \"7E4\", \"cmd\": {\"22\": \"0101\"}, \"freq\": 1,"
		   "\"signals\": [{\"id\": \"FLAG\", \"fmt\": {\"len\": 1, \"unit\": \"noyes\"},"
		   "\"suggestedMetric\": \"isCharging\"},"
		   "{\"id\": \"AMPS\", \"fmt\": {\"bix\": 8, \"len\": 16, \"sign\": true,"
		   "\"unit\": \"amps\"}, \"suggestedMetric\": \"tractionBatteryCurrent\"}]}]}");
	write_file(folder, "car.conf",
		   "[profile]\nname = car\nobdb = set.json\n"
		   "[signal AMPS]\nfield = battery.pack_current_a\ntrust = sources\n"
		   "[state]\ncharging = AMPS < -1\n");
	(void)snprintf(path, sizeof(path), "%s/car.conf", folder);
	(void)snprintf(set, sizeof(set), "%s/set.json", folder);
	assert_int_equal(profile_load(path, reads, stderr, &profile), 0);
	current = profile_signal(profile, (size_t)profile_signal_find(profile, "AMPS"));
	assert_int_equal(current->field, MODEL_FIELD_PACK_CURRENT_A);
	assert_int_equal(current->format.start, 8);
	/* Our condition stands, not the one that the set suggests. */
	charging = profile_state_condition(profile, PROFILE_STATE_CHARGING);
	assert_int_equal(condition_eval(charging, flag_value, off), TRUTH_FALSE);
	assert_int_equal(condition_eval(charging, flag_value, on), TRUTH_TRUE);
	profile_free(profile);
	(void)unlink(path);
	(void)unlink(set);
	assert_int_equal(rmdir(folder), 0);
}

int suite_provider_profile_obdb(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_and_receive_addresses_become_identifiers),
		cmocka_unit_test(a_command_becomes_a_request_with_a_period),
		cmocka_unit_test(formats_become_values),
		cmocka_unit_test(suggested_metrics_become_fields_in_their_units),
		cmocka_unit_test(signals_that_say_charging_become_its_condition),
		cmocka_unit_test(a_text_is_a_text),
		cmocka_unit_test(what_cannot_be_had_is_passed_over_with_a_remark),
		cmocka_unit_test(mistakes_are_said_with_file_and_line),
		cmocka_unit_test(every_mistake_is_said_not_only_the_first),
		cmocka_unit_test(a_file_of_ours_completes_a_signal_set),
	};

	return cmocka_run_group_tests_name("provider.profile_obdb", tests, NULL, NULL);
}
