#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "agent/source/obd.h"
#include "hal/fake/stream_fake.h"

int suite_agent_source_obd(void);

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

/* A scripted adapter with one vehicle behind it. */
struct adapter {
	struct stream_fake *device;
	char line[64]; /* of the command as it comes in */
	size_t len;
	const char *rpm, *speed; /* replies, without prompt; NULL: no prompt either */
	const char *search;      /* to 0100 */
	int asked_speed, asked_rpm, resets, idents;
	int mute; /* so many commands get no answer at all */
};

struct seen {
	int updates, keyframes, changes;
	double speed, rpm;
	int ignition;
	char vin[MODEL_VIN_SIZE];
};

static struct adapter adapter;
static struct seen seen;
static struct clock_fake fake_clock;
static struct loop *loop;
static struct source *source;

static const char vin_reply[] = "7E81014490201314434\r7E82147503030525835\r7E82242313233343536";

static const char *answer(struct adapter *a, const char *command)
{
	static char text[32];

	if (strcmp(command, "ATZ") == 0) {
		a->resets++;
		return "\r\rELM327 v1.5";
	}
	if (strcmp(command, "ATI") == 0) {
		a->idents++;
		return "ELM327 v1.5";
	}
	if (strcmp(command, "ATDPN") == 0)
		return "A6";
	if (strcmp(command, "ATFE") == 0)
		return "?";
	if (strncmp(command, "AT", 2) == 0)
		return "OK";
	if (strcmp(command, "0100") == 0)
		return a->search;
	if (strcmp(command, "0902") == 0)
		return vin_reply;
	if (strcmp(command, "010D") == 0) {
		a->asked_speed++;
		return a->speed;
	}
	if (strcmp(command, "010C") == 0) {
		a->asked_rpm++;
		return a->rpm;
	}
	(void)snprintf(text, sizeof(text), "NO DATA");
	return text;
}

static void on_write(struct stream_fake *device, const void *data, size_t len, void *arg)
{
	struct adapter *a = arg;
	const char *bytes = data;

	for (size_t i = 0; i < len; i++) {
		const char *reply;

		if (bytes[i] == ' ')
			continue;
		if (bytes[i] != '\r') {
			assert_true(a->len + 1 < sizeof(a->line));
			a->line[a->len++] = bytes[i];
			continue;
		}
		a->line[a->len] = '\0';
		a->len = 0;
		if (a->mute > 0) {
			a->mute--;
			continue;
		}
		reply = answer(a, a->line);
		if (!reply)
			continue;
		assert_int_equal(stream_fake_give_text(device, reply), 0);
		assert_int_equal(stream_fake_give_text(device, "\r\r>"), 0);
	}
}

static void on_update(void *arg, const struct model_update *update)
{
	struct seen *to = arg;
	const struct model_item *item;

	to->updates++;
	to->keyframes += update->keyframe;
	memcpy(to->vin, update->vin, sizeof(to->vin));
	assert_string_equal(update->device_id, "bus-12");
	assert_string_equal(update->provider, "obd");
	item = model_update_get(update, MODEL_FIELD_SPEED_KMH);
	if (item)
		to->speed = item->value.as.number;
	item = model_update_get(update, MODEL_FIELD_ENGINE_RPM);
	if (item)
		to->rpm = item->value.as.number;
	item = model_update_get(update, MODEL_FIELD_IGNITION);
	if (item)
		to->ignition = (int)item->value.as.integer;
}

static void on_changed(void *arg, struct source *changed)
{
	(void)changed;
	((struct seen *)arg)->changes++;
}

static struct source_config config = {
	.name = "obd0",
	.kind = "obd",
	.device = "serial:/dev/fake",
	.device_id = "bus-12",
	.signals = "",
	.baud = 38400,
	.timeout_us = 2 * SECOND,
};
static struct source_env env;

static const char generic[] =
	"[profile]\nname = test\n"
	"[command speed]\nrequest = 01 0D\nperiod = 1 s\n"
	"[command rpm]\nrequest = 01 0C\nperiod = 1 s\n"
	"[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\ntrust = sources\n"
	"field = vehicle_state.speed_kmh\n"
	"[signal rpm]\ncommand = rpm\nbytes = 0 2\ndiv = 4\nunit = rpm\ntrust = sources\n"
	"field = vehicle_state.engine_rpm\n";

static struct profile *profile;

static struct profile *read_profile(const char *text)
{
	struct profile *read = NULL;

	assert_int_equal(
		profile_parse(text, strlen(text), "test.conf", obd2_request_allowed, stderr, &read),
		0);
	return read;
}

static int setup(void **state)
{
	(void)state;
	profile = read_profile(generic);
	config.profile = profile;
	rhythm_defaults(&config.rhythm);
	config.rhythm.asleep_retry_us = 30 * SECOND;
	config.rhythm.wake_budget = 5000;
	memset(&adapter, 0, sizeof(adapter));
	memset(&seen, 0, sizeof(seen));
	seen.ignition = -1;
	/* Supported: 0C and 0D. */
	adapter.search = "SEARCHING...\r7E806410000180000";
	adapter.speed = "7E803410D32";
	adapter.rpm = "7E804410C1AF8";
	clock_fake_init(&fake_clock, 0, SECOND);
	if (loop_create(&fake_clock.clock, &loop) || stream_fake_create(&adapter.device))
		return -1;
	stream_fake_on_write(adapter.device, on_write, &adapter);
	env = (struct source_env){
		.loop = loop,
		.opener = stream_fake_opener(adapter.device),
		.update = on_update,
		.changed = on_changed,
		.arg = &seen,
	};
	if (source_obd_ops.create(&config, &env, &source))
		return -1;
	return source_obd_ops.start(source);
}

static int teardown(void **state)
{
	(void)state;
	source_obd_ops.destroy(source);
	stream_fake_destroy(adapter.device);
	loop_destroy(loop);
	profile_free(profile);
	return 0;
}

/* Lets time pass in steps of 10 ms. */
static void pass(int64_t us)
{
	for (int64_t t = 0; t < us; t += 10 * MS) {
		clock_fake_advance(&fake_clock, 10 * MS);
		for (int i = 0; i < 100 && loop_run_once(loop, 0) > 0; i++)
			;
	}
}

static struct source_report report_of(void)
{
	struct source_report report;

	source_obd_ops.report(source, &report);
	return report;
}

static void a_vehicle_is_found_and_polled(void **state)
{
	(void)state;
	pass(5 * SECOND);
	assert_string_equal(report_of().reason, "");
	assert_int_equal(report_of().state, SOURCE_OK);
	assert_int_equal(report_of().ecus, 1);
	assert_int_equal(report_of().values, 2);
	assert_string_equal(report_of().protocol, "CAN 11/500");
	assert_string_equal(seen.vin, "1D4GP00RX5B123456");
	assert_float_equal(seen.speed, 50, 0);
	assert_float_equal(seen.rpm, 1726, 0);
	assert_int_equal(seen.ignition, MODEL_IGNITION_ON);
	assert_int_equal(seen.keyframes, 1);
	assert_in_range(adapter.asked_speed, 4, 6);
	assert_in_range(adapter.asked_rpm, 4, 6);
}

static void pulling_and_plugging_the_adapter_needs_no_restart(void **state)
{
	int updates;

	(void)state;
	pass(3 * SECOND);
	stream_fake_vanish(adapter.device);
	pass(20 * MS);
	assert_int_equal(report_of().state, SOURCE_ERROR);
	assert_string_equal(report_of().reason, "adapter_unplugged");
	pass(60 * SECOND);
	updates = seen.updates;
	stream_fake_return(adapter.device);
	pass(8 * SECOND);
	assert_int_equal(report_of().state, SOURCE_OK);
	assert_true(seen.updates > updates);
	assert_int_equal(seen.keyframes, 2);
}

static void an_adapter_that_is_absent_from_the_start_is_tried_again(void **state)
{
	(void)state;
	stream_fake_vanish(adapter.device);
	pass(3 * SECOND);
	assert_string_equal(report_of().reason, "adapter_unplugged");
	stream_fake_return(adapter.device);
	pass(8 * SECOND);
	assert_int_equal(report_of().state, SOURCE_OK);
}

static void a_lost_prompt_is_found_again(void **state)
{
	int updates;
	int idents;

	(void)state;
	pass(3 * SECOND);
	idents = adapter.idents;
	adapter.mute = 1;
	pass(6 * SECOND);
	updates = seen.updates;
	assert_true(adapter.idents > idents);
	pass(3 * SECOND);
	assert_true(seen.updates > updates);
	assert_int_equal(report_of().state, SOURCE_OK);
	assert_int_equal(adapter.resets, 1);
}

static void a_dead_adapter_is_silent_and_comes_back(void **state)
{
	(void)state;
	pass(3 * SECOND);
	adapter.mute = 1000;
	pass(15 * SECOND);
	assert_int_equal(report_of().state, SOURCE_SILENT);
	assert_string_equal(report_of().reason, "source_silent");
	adapter.mute = 0;
	pass(20 * SECOND);
	assert_int_equal(report_of().state, SOURCE_OK);
}

static void a_reset_runs_the_set_up_again(void **state)
{
	(void)state;
	pass(3 * SECOND);
	adapter.speed = "LV RESET";
	pass(2 * SECOND);
	adapter.speed = "7E803410D33";
	pass(5 * SECOND);
	assert_true(adapter.resets >= 2);
	assert_float_equal(seen.speed, 51, 0);
}

static void garbage_gives_no_value_and_is_counted(void **state)
{
	(void)state;
	pass(3 * SECOND);
	adapter.speed = "7E803410DZZ";
	adapter.rpm = "7E8044"; /* cut off */
	pass(2 * SECOND);
	assert_float_equal(seen.speed, 50, 0);
	assert_float_equal(seen.rpm, 1726, 0);
	assert_true(report_of().rejected >= 2);
	pass(20 * SECOND);
	assert_string_equal(report_of().reason, "source_silent");
	adapter.speed = "7E803410D34";
	pass(20 * SECOND);
	assert_int_equal(report_of().state, SOURCE_OK);
	assert_float_equal(seen.speed, 52, 0);
}

static void a_stopped_request_is_sent_once_more(void **state)
{
	int before;

	(void)state;
	pass(3 * SECOND);
	before = adapter.asked_speed;
	adapter.speed = "STOPPED";
	pass(SECOND);
	assert_int_equal(adapter.asked_speed, before + 2);
}

static void a_bus_that_fails_is_paused_closed_and_reset(void **state)
{
	size_t len;

	(void)state;
	pass(3 * SECOND);
	stream_fake_forget_written(adapter.device);
	adapter.speed = "CAN ERROR";
	adapter.rpm = "CAN ERROR";
	adapter.search = "CAN ERROR";
	pass(SECOND);
	assert_string_equal(report_of().reason, "bus_error");
	pass(8 * SECOND);
	assert_non_null(strstr(stream_fake_written(adapter.device, &len), "ATPC\rATSP0\r"));
	pass(10 * SECOND);
	assert_true(adapter.resets >= 2);
	adapter.speed = "7E803410D35";
	adapter.rpm = "7E804410C1AF8";
	adapter.search = "7E806410000180000";
	pass(10 * SECOND);
	assert_int_equal(report_of().state, SOURCE_OK);
}

static void a_vehicle_that_sleeps_is_measured_and_left_alone(void **state)
{
	int asked;

	(void)state;
	pass(3 * SECOND);
	adapter.speed = "NO DATA";
	adapter.rpm = "NO DATA";
	adapter.search = "UNABLE TO CONNECT";
	pass(20 * SECOND);
	assert_int_equal(report_of().state, SOURCE_OK);
	assert_string_equal(report_of().reason, "vehicle_asleep");
	assert_int_equal(seen.ignition, MODEL_IGNITION_OFF);
	asked = adapter.asked_speed;
	pass(60 * SECOND);
	assert_int_equal(adapter.asked_speed, asked);
	adapter.search = "7E806410000180000";
	adapter.speed = "7E803410D35";
	adapter.rpm = "7E804410C1AF8";
	pass(40 * SECOND);
	assert_string_equal(report_of().reason, "");
	assert_int_equal(seen.ignition, MODEL_IGNITION_ON);
}

static void a_parameter_without_an_answer_is_asked_for_less_and_less(void **state)
{
	int before;

	(void)state;
	adapter.rpm = "NO DATA";
	pass(60 * SECOND);
	before = adapter.asked_rpm;
	assert_true(before < 10);
	assert_true(adapter.asked_speed > 50);
	assert_int_equal(report_of().state, SOURCE_OK);
	assert_int_equal(seen.keyframes, 1);
}

static void words_of_an_adapter_that_was_not_asked_lead_to_a_new_set_up(void **state)
{
	(void)state;
	pass(3 * SECOND + 500 * MS);
	assert_int_equal(stream_fake_give_text(adapter.device, "\r\rELM327 v1.5\r\r>"), 0);
	pass(5 * SECOND);
	assert_int_equal(adapter.resets, 2);
	assert_int_equal(report_of().state, SOURCE_OK);
}

static void the_list_of_signals_is_read_strictly(void **state)
{
	struct profile *own = read_profile(generic);
	struct obd_want wants[4];
	char expected[160] = "";
#define MAKE(text) obd_wants_make(own, text, 0, wants, expected, sizeof(expected))

	(void)state;
	assert_int_equal(MAKE("speed, engine_rpm:200ms"), 2);
	assert_int_equal(wants[0].command, 0);
	assert_int_equal(wants[0].period_us, SECOND);
	assert_int_equal(wants[1].period_us, 200 * MS);
	assert_int_equal(MAKE("vehicle_state.engine_rpm:5min"), 1);
	assert_int_equal(wants[0].period_us, 300 * SECOND);
	assert_int_equal(MAKE(""), 2);
	assert_int_equal(MAKE("sped"), -EINVAL);
	assert_non_null(strstr(expected, "'sped'"));
	assert_int_equal(MAKE("04"), -EINVAL);
	assert_non_null(strstr(expected, "'04'"));
	assert_int_equal(MAKE("speed:5"), -EINVAL);
	assert_int_equal(MAKE("speed:1ms"), -EINVAL);
	assert_int_equal(obd_wants_make(own, "", 500 * MS, wants, expected, sizeof(expected)), 2);
	assert_int_equal(wants[0].period_us, 500 * MS);
#undef MAKE
	profile_free(own);
}

int suite_agent_source_obd(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(a_vehicle_is_found_and_polled),
		TEST(pulling_and_plugging_the_adapter_needs_no_restart),
		TEST(an_adapter_that_is_absent_from_the_start_is_tried_again),
		TEST(a_lost_prompt_is_found_again),
		TEST(a_dead_adapter_is_silent_and_comes_back),
		TEST(a_reset_runs_the_set_up_again),
		TEST(garbage_gives_no_value_and_is_counted),
		TEST(a_stopped_request_is_sent_once_more),
		TEST(a_bus_that_fails_is_paused_closed_and_reset),
		TEST(a_vehicle_that_sleeps_is_measured_and_left_alone),
		TEST(a_parameter_without_an_answer_is_asked_for_less_and_less),
		TEST(words_of_an_adapter_that_was_not_asked_lead_to_a_new_set_up),
#undef TEST
		cmocka_unit_test(the_list_of_signals_is_read_strictly),
	};

	return cmocka_run_group_tests_name("agent.source_obd", tests, NULL, NULL);
}
