#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "tests/unit/agent/obd_bench.h"

int suite_agent_source_obd(void);

static double speed(void)
{
	return bench.seen.number[MODEL_FIELD_SPEED_KMH];
}

static double rpm(void)
{
	return bench.seen.number[MODEL_FIELD_ENGINE_RPM];
}

static int ignition(void)
{
	return bench.seen.given[MODEL_FIELD_IGNITION]
		       ? (int)bench.seen.integer[MODEL_FIELD_IGNITION]
		       : -1;
}

static void a_vehicle_is_found_and_polled(void **state)
{
	(void)state;
	bench_pass(5 * SECOND);
	assert_string_equal(bench_report().reason, "");
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_int_equal(bench_report().ecus, 1);
	assert_int_equal(bench_report().values, 2);
	assert_string_equal(bench_report().protocol, "CAN 11/500");
	assert_string_equal(bench.seen.vin, "1D4GP00RX5B123456");
	assert_float_equal(speed(), 50, 0);
	assert_float_equal(rpm(), 1726, 0);
	assert_int_equal(ignition(), MODEL_IGNITION_ON);
	assert_int_equal(bench.seen.keyframes, 1);
	assert_in_range(bench_count("010D"), 4, 6);
	assert_in_range(bench_count("010C"), 4, 6);
}

static void pulling_and_plugging_the_adapter_needs_no_restart(void **state)
{
	int updates;

	(void)state;
	bench_pass(3 * SECOND);
	stream_fake_vanish(bench.device);
	bench_pass(20 * MS);
	assert_int_equal(bench_report().state, SOURCE_ERROR);
	assert_string_equal(bench_report().reason, "adapter_unplugged");
	bench_pass(60 * SECOND);
	updates = bench.seen.updates;
	stream_fake_return(bench.device);
	bench_pass(8 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_true(bench.seen.updates > updates);
	assert_int_equal(bench.seen.keyframes, 2);
}

static void an_adapter_that_is_absent_from_the_start_is_tried_again(void **state)
{
	(void)state;
	stream_fake_vanish(bench.device);
	bench_pass(3 * SECOND);
	assert_string_equal(bench_report().reason, "adapter_unplugged");
	stream_fake_return(bench.device);
	bench_pass(8 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void a_lost_prompt_is_found_again(void **state)
{
	int updates;
	int idents;

	(void)state;
	bench_pass(3 * SECOND);
	idents = bench_count("ATI");
	bench_mute(1);
	bench_pass(6 * SECOND);
	updates = bench.seen.updates;
	assert_true(bench_count("ATI") > idents);
	bench_pass(3 * SECOND);
	assert_true(bench.seen.updates > updates);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_int_equal(bench_count("ATZ"), 1);
}

static void a_dead_adapter_is_silent_and_comes_back(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	bench_mute(1000);
	bench_pass(15 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_SILENT);
	assert_string_equal(bench_report().reason, "source_silent");
	bench_mute(0);
	bench_pass(20 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void a_reset_runs_the_set_up_again(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	bench_reply("010D", "LV RESET");
	bench_pass(2 * SECOND);
	bench_reply("010D", "7E803410D33");
	bench_pass(5 * SECOND);
	assert_true(bench_count("ATZ") >= 2);
	assert_float_equal(speed(), 51, 0);
}

static void garbage_gives_no_value_and_is_counted(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	bench_reply("010D", "7E803410DZZ");
	bench_reply("010C", "7E8044"); /* cut off */
	bench_pass(2 * SECOND);
	assert_float_equal(speed(), 50, 0);
	assert_float_equal(rpm(), 1726, 0);
	assert_true(bench_report().rejected >= 2);
	bench_pass(20 * SECOND);
	assert_string_equal(bench_report().reason, "source_silent");
	bench_reply("010D", "7E803410D34");
	bench_pass(20 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_float_equal(speed(), 52, 0);
}

static void a_stopped_request_is_sent_once_more(void **state)
{
	int before;

	(void)state;
	bench_pass(3 * SECOND);
	before = bench_count("010D");
	bench_reply("010D", "STOPPED");
	bench_pass(SECOND);
	assert_int_equal(bench_count("010D"), before + 2);
}

static void a_bus_that_fails_is_paused_closed_and_reset(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	bench_forget();
	bench_reply("010D", "CAN ERROR");
	bench_reply("010C", "CAN ERROR");
	bench_reply("0100", "CAN ERROR");
	bench_pass(SECOND);
	assert_string_equal(bench_report().reason, "bus_error");
	bench_pass(8 * SECOND);
	assert_non_null(strstr(bench_sent(), "ATPC\rATSP0\r"));
	bench_pass(10 * SECOND);
	assert_true(bench_count("ATZ") >= 2);
	bench_reply("010D", "7E803410D35");
	bench_reply("010C", "7E804410C1AF8");
	bench_reply("0100", "7E806410000180000");
	bench_pass(10 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void a_vehicle_that_sleeps_is_measured_and_left_alone(void **state)
{
	int asked;

	(void)state;
	bench_pass(3 * SECOND);
	bench_reply("010D", "NO DATA");
	bench_reply("010C", "NO DATA");
	bench_reply("0100", "UNABLE TO CONNECT");
	bench_pass(20 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	assert_int_equal(ignition(), MODEL_IGNITION_OFF);
	asked = bench_count("010D");
	bench_pass(60 * SECOND);
	assert_int_equal(bench_count("010D"), asked);
	bench_reply("0100", "7E806410000180000");
	bench_reply("010D", "7E803410D35");
	bench_reply("010C", "7E804410C1AF8");
	bench_pass(40 * SECOND);
	assert_string_equal(bench_report().reason, "");
	assert_int_equal(ignition(), MODEL_IGNITION_ON);
}

static void a_parameter_without_an_answer_is_asked_for_less_and_less(void **state)
{
	int before;

	(void)state;
	bench_reply("010C", "NO DATA");
	bench_pass(60 * SECOND);
	before = bench_count("010C");
	assert_true(before < 10);
	assert_true(bench_count("010D") > 50);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_int_equal(bench.seen.keyframes, 1);
}

static void words_of_an_adapter_that_was_not_asked_lead_to_a_new_set_up(void **state)
{
	(void)state;
	bench_pass(3 * SECOND + 500 * MS);
	assert_int_equal(stream_fake_give_text(bench.device, "\r\rELM327 v1.5\r\r>"), 0);
	bench_pass(5 * SECOND);
	assert_int_equal(bench_count("ATZ"), 2);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void the_list_of_signals_is_read_strictly(void **state)
{
	const struct profile *own;
	struct obd_want wants[4];
	char expected[160] = "";
#define MAKE(text) obd_wants_make(own, text, 0, wants, expected, sizeof(expected))

	(void)state;
	own = bench.profile;
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
}

int suite_agent_source_obd(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)
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
		TEST(the_list_of_signals_is_read_strictly),
#undef TEST

	};

	return cmocka_run_group_tests_name("agent.source_obd", tests, NULL, NULL);
}
