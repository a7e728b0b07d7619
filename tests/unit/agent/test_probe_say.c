#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/probe/probe.h"
#include "model/wire/json.h"

#define DEVICE "serial:/dev/ttyUSB0"

static const char leaf_text[] =
	"[profile]\nname = leaf\ntitle = A leaf\nvin = 1N4AZ\ndetect = battery\n"
	"[command battery]\nrequest = 21 01\necu = 79B 7BB\nperiod = 10s\n"
	"[signal charge]\ncommand = battery\nbytes = 0 1\n"
	"unit = %\nfield = battery.state_of_charge_pct\ntrust = claimed\n";
static const char generic_text[] =
	"[profile]\nname = generic\ntitle = Any vehicle\n"
	"[command speed]\nrequest = 01 0D\necu = 7DF\nperiod = 1s\n"
	"[signal speed]\ncommand = speed\nbytes = 0 1\n"
	"unit = km/h\nfield = vehicle_state.speed_kmh\ntrust = sources\n";

/* A result as probe_run() leaves it, of a vehicle with one control unit. */
struct found {
	struct probe_result result;
	struct profile *leaf, *generic;
	struct buf out;
};

static struct profile *parse(const char *text)
{
	struct profile *profile = NULL;

	assert_int_equal(profile_parse(text, strlen(text), "test.conf", obd2_request_allowed,
				       stderr, &profile),
			 0);
	return profile;
}

static int begin(void **state)
{
	struct found *found = calloc(1, sizeof(*found));
	struct probe_result *result;

	if (!found)
		return -1;
	found->leaf = parse(leaf_text);
	found->generic = parse(generic_text);
	buf_init(&found->out, 65536);
	result = &found->result;
	probe_init(result);
	result->candidates[0].profile = found->generic;
	result->candidates[1].profile = found->leaf;
	result->candidates[1].inquiry.command = profile_detect(found->leaf);
	result->candidate_count = 2;
	strcpy(result->report.adapter, "ELM327 v1.5");
	result->report.baud = 38400;
	*state = found;
	return 0;
}

static int end(void **state)
{
	struct found *found = *state;

	profile_free(found->leaf);
	profile_free(found->generic);
	buf_free(&found->out);
	free(found);
	return 0;
}

static void find_a_leaf(struct found *found)
{
	static const uint8_t bitmap[] = {0x00, 0x18, 0x00, 0x00}; /* engine speed, speed */
	struct probe_result *result = &found->result;

	result->found = true;
	result->report.state = SOURCE_OK;
	strcpy(result->report.vin, "1N4AZ0CP0FC300001");
	result->report.vin_judgement = "right";
	strcpy(result->report.protocol, "CAN 11/500");
	result->report.activity = "driving";
	result->units[0].id = 0x7e8;
	assert_int_equal(obd2_support_add(&result->units[0].support, 0, bitmap), 0);
	result->view.units = result->units;
	result->view.unit_count = 1;
	result->candidates[1].vin_match = 5;
	result->candidates[1].inquiry.outcome = OBD_INQUIRY_ANSWERED;
	result->candidates[1].inquiry.ecu = 0x7bb;
	result->suggested = 1;
	assert_int_equal(model_update_set_number(&result->known, MODEL_FIELD_SPEED_KMH, 51.0 / 3),
			 0);
	assert_int_equal(model_update_set_text(&result->known, MODEL_FIELD_IDENTITY_VIN,
					       result->report.vin, MODEL_VIN_LEN),
			 0);
}

static const char *say(struct found *found, bool show_vin)
{
	buf_reset(&found->out);
	probe_say(&found->result, DEVICE, show_vin, &found->out);
	assert_non_null(buf_text(&found->out));
	return buf_text(&found->out);
}

static const char *encode(struct found *found)
{
	struct jw w;

	buf_reset(&found->out);
	jw_init(&w, &found->out);
	jw_open_object(&w);
	probe_encode(&found->result, DEVICE, false, &w);
	jw_close_object(&w);
	assert_non_null(buf_text(&found->out));
	return buf_text(&found->out);
}

static void expect(const char *text, const char *want)
{
	if (!strstr(text, want))
		fail_msg("'%s' is not in:\n%s", want, text);
}

static void refuse(const char *text, const char *unwanted)
{
	if (strstr(text, unwanted))
		fail_msg("'%s' is in:\n%s", unwanted, text);
}

static void a_vehicle_is_shown_with_what_speaks_for_its_profile(void **state)
{
	struct found *found = *state;
	const char *text;

	find_a_leaf(found);
	text = say(found, false);
	expect(text, "ELM327 v1.5, 38400 baud\n");
	expect(text, "CAN 11/500, 1 control unit\n");
	expect(text, "7E8 has 2 parameters:\n");
	expect(text, "engine_rpm speed\n");
	expect(text, "leaf: A leaf\n");
	expect(text, "the VIN begins with 1N4AZ; 7BB answers 2101\n");
	expect(text, "vehicle_state.speed_kmh              17\n");
	refuse(text, "trouble");
}

static void a_vin_is_masked_everywhere_unless_it_is_asked_for(void **state)
{
	struct found *found = *state;

	find_a_leaf(found);
	refuse(say(found, false), "0001");
	expect(say(found, false), "1N4AZ0CP0FC30****");
	expect(say(found, true), "1N4AZ0CP0FC300001");
	refuse(encode(found), "300001");
}

static void a_vin_that_is_not_believed_says_so(void **state)
{
	struct found *found = *state;

	find_a_leaf(found);
	memcpy(found->result.report.vin_given, found->result.report.vin, MODEL_VIN_SIZE);
	found->result.report.vin[0] = '\0';
	found->result.report.vin_judgement = "wrong_sum";
	expect(say(found, false), "1N4AZ0CP0FC30**** (not believed: its check digit is wrong)");
}

static void what_is_not_read_is_joined_by_its_reason(void **state)
{
	static const struct probe_refusal refusals[] = {{"battery", "the adapter cannot"},
							{"plug", "not there"},
							{"speed", "the adapter cannot"}};
	struct found *found = *state;

	find_a_leaf(found);
	memcpy(found->result.refusals, refusals, sizeof(refusals));
	found->result.refusal_count = 3;
	expect(say(found, false), "battery, speed: the adapter cannot\n");
	expect(say(found, false), "plug: not there\n");
}

static void a_family_that_the_adapter_cannot_ask_for_is_named(void **state)
{
	struct found *found = *state;
	struct probe_result *result = &found->result;

	find_a_leaf(found);
	result->candidates[1].vin_match = 0;
	result->candidates[1].inquiry.outcome = OBD_INQUIRY_UNREACHABLE;
	result->candidates[1].inquiry.problem = "it has no arms";
	result->suggested = 0;
	expect(say(found, false), "it has no arms; not asked for: A leaf\n");
	/* One on another bus is no question at all. */
	result->candidates[1].inquiry.outcome = OBD_INQUIRY_OTHER_BUS;
	refuse(say(found, false), "not asked");
	/* The VIN says leaf, and nothing of it can be read. */
	result->candidates[1].vin_match = 5;
	result->candidates[1].inquiry.outcome = OBD_INQUIRY_UNREACHABLE;
	result->unreadable = 1;
	expect(say(found, false), "leaf would fit (the VIN begins with 1N4AZ);\n");
	refuse(say(found, false), "not asked");
}

static void every_trouble_comes_with_what_to_do(void **state)
{
	static const struct {
		const char *reason, *device, *want;
	} cases[] = {
		{"adapter_unplugged", "serial:/dev/ttyUSB0", "Plug the adapter in"},
		{"adapter_denied", "serial:/dev/ttyUSB0", "dialout"},
		{"adapter_denied", "rfcomm:00:1D:A5:68:98:8B", "PIN 1234 or 0000"},
		{"adapter_busy", "serial:/dev/ttyUSB0", "systemctl stop freshet-agent"},
		{"adapter_unreachable", "tcp:10.0.0.1:35000", "ping"},
		{"adapter_unreachable", "rfcomm:00:1D:A5:68:98:8B", "bluetoothctl"},
		{"source_silent", "serial:/dev/ttyUSB0", "ELM327"},
		{"vehicle_asleep", "tcp:10.0.0.1:35000", "Turn the ignition on"},
		{"bus_error", "tcp:10.0.0.1:35000", "plug sits firmly"},
	};
	struct found *found = *state;
	struct source_report *report = &found->result.report;

	report->state = SOURCE_ERROR;
	report->adapter[0] = '\0';
	strcpy(report->detail, "Something is wrong.");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		report->reason = cases[i].reason;
		expect(probe_advice(report, cases[i].device), cases[i].want);
	}
	report->reason = "adapter_busy";
	expect(say(found, false), "trouble    Something is wrong.\n");
	expect(say(found, false), "to do      Stop the program");
	/* An adapter that has told its name has power. */
	report->reason = "source_silent";
	strcpy(report->adapter, "ELM327 v1.5");
	refuse(say(found, false), "power");
	/* Nor is the plug loose where the vehicle gave its VIN. */
	expect(probe_advice(report, "serial:/dev/ttyUSB0"), "plug");
	strcpy(report->vin, "KMHKR81AANU000012");
	expect(probe_advice(report, "serial:/dev/ttyUSB0"), "profile");
}

static void json_has_the_same_and_null_where_nothing_is_known(void **state)
{
	struct found *found = *state;
	struct jr_error error;
	struct jr_doc *doc;
	const char *text;

	text = encode(found);
	expect(text, "\"vehicle\":null");
	expect(text, "\"suggested\":null");
	find_a_leaf(found);
	text = encode(found);
	assert_int_equal(jr_parse(text, strlen(text), &doc, &error), 0);
	jr_free(doc);
	expect(text, "\"pids\":[12,13]");
	expect(text, "\"suggested\":\"leaf\"");
	expect(text, "\"detect\":\"answered\"");
	expect(text, "\"vehicle_state.speed_kmh\":17");
	expect(text, "\"to_do\":null");
}

#define FOUND(test) cmocka_unit_test_setup_teardown(test, begin, end)

int suite_agent_probe_say(void)
{
	const struct CMUnitTest tests[] = {
		FOUND(a_vehicle_is_shown_with_what_speaks_for_its_profile),
		FOUND(a_vin_is_masked_everywhere_unless_it_is_asked_for),
		FOUND(a_vin_that_is_not_believed_says_so),
		FOUND(what_is_not_read_is_joined_by_its_reason),
		FOUND(a_family_that_the_adapter_cannot_ask_for_is_named),
		FOUND(every_trouble_comes_with_what_to_do),
		FOUND(json_has_the_same_and_null_where_nothing_is_known),
	};

	return cmocka_run_group_tests_name("agent.probe_say", tests, NULL, NULL);
}
