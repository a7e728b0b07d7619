#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/agent/obd_bench.h"

int suite_agent_obd_sleep(void);

static double number(enum model_field field)
{
	return bench.seen.number[field];
}

static int given(enum model_field field)
{
	return bench.seen.given[field];
}

static void a_vehicle_left_alone_is_measured_at_its_plug_and_wakes_by_it(void **state)
{
	int asked, looked, updates;

	(void)state;
	bench_make(bench_generic);
	bench.config.rhythm.asleep_retry_us = 60 * MINUTE;
	bench.config.rhythm.voltage_us = 10 * SECOND;
	bench_reply("ATRV", "14.2V");
	bench_start();
	bench_pass(15 * SECOND);
	assert_float_equal(number(MODEL_FIELD_AUX_BATTERY_V), 14.2, 0);
	bench_reply("ATRV", "12.6V");
	bench_vehicle("NO DATA");
	bench_reply("0100", "NO DATA");
	bench_reply("010C", "NO DATA");
	bench_reply("010D", "NO DATA");
	bench_pass(MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	assert_int_equal(bench_report().state, SOURCE_OK);
	asked = bench_count("010D") + bench_count("010C");
	looked = bench_count("0100");
	updates = given(MODEL_FIELD_AUX_BATTERY_V);
	bench_pass(10 * MINUTE);
	assert_int_equal(bench_count("010D") + bench_count("010C"), asked);
	assert_int_equal(bench_count("0100"), looked);
	assert_in_range(given(MODEL_FIELD_AUX_BATTERY_V) - updates, 55, 65);
	assert_float_equal(number(MODEL_FIELD_AUX_BATTERY_V), 12.6, 0);
	bench_reply("ATRV", "14.1V");
	bench_reply("0100", "7E806410000180000");
	bench_reply("010C", "7E804410C1AF8");
	bench_reply("010D", "7E803410D37");
	bench_pass(20 * SECOND);
	assert_string_equal(bench_report().reason, "");
	assert_float_equal(number(MODEL_FIELD_SPEED_KMH), 55, 0);
	bench_end();
}

static void an_ignition_line_is_believed_once_it_has_said_both(void **state)
{
	int looked;

	(void)state;
	bench_make(bench_generic);
	bench.config.rhythm.asleep_retry_us = 60 * MINUTE;
	bench.config.rhythm.voltage_us = 10 * SECOND;
	bench_reply("ATIGN", "ON"); /* not connected: it says so for ever */
	bench_reply("ATRV", "12.6V");
	bench_reply("0100", "NO DATA");
	bench_start();
	bench_pass(MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	looked = bench_count("0100");
	bench_pass(10 * MINUTE);
	assert_int_equal(bench_count("0100"), looked);
	/* A line that is connected: off, and on again. */
	bench_reply("ATIGN", "OFF");
	bench_pass(MINUTE);
	assert_int_equal(bench_count("0100"), looked);
	bench_reply("ATIGN", "ON");
	bench_reply("0100", "7E806410000180000");
	bench_pass(MINUTE);
	assert_true(bench_count("0100") > looked);
	assert_float_equal(number(MODEL_FIELD_SPEED_KMH), 50, 0);
	bench_end();
}

static const char with_ignition[] =
	"[profile]\nname = ignition\n[state]\nignition_on = on = 1\n"
	"[command state]\nrequest = 22 01 01\necu = 7E4 7EC\nperiod = 2 s\n"
	"[signal on]\ncommand = state\nbit = 0.0\ntrust = claimed\n";

static void a_vehicle_that_is_off_says_so_and_is_left_alone_after_a_while(void **state)
{
	int asked;

	(void)state;
	bench_make(with_ignition);
	bench.config.rhythm.linger_us = MINUTE;
	bench.config.rhythm.asleep_retry_us = 60 * MINUTE;
	bench_reply("ATRV", "12.7V");
	bench_reply("220101", "7EC0462010100");
	bench_start();
	bench_pass(20 * SECOND);
	assert_string_equal(bench_report().reason, "ignition_off");
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_int_equal(bench.seen.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_OFF);
	bench_pass(2 * MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	asked = bench_count("220101");
	bench_pass(20 * MINUTE);
	assert_int_equal(bench_count("220101"), asked);
	assert_int_equal(bench_report().state, SOURCE_OK);
	bench_reply("ATRV", "14.0V");
	bench_reply("220101", "7EC0462010101");
	bench_pass(2 * MINUTE);
	assert_string_equal(bench_report().reason, "");
	assert_int_equal(bench.seen.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_ON);
	bench_end();
}

static void a_loose_contact_does_not_keep_a_vehicle_awake(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench.config.rhythm.wake_budget = 5;
	bench.config.rhythm.asleep_retry_us = 60 * MINUTE;
	bench_reply("0100", "NO DATA");
	bench_reply("ATRV", "12.5V");
	bench_start();
	for (int i = 0; i < 40; i++) {
		bench_pass(10 * SECOND);
		stream_fake_vanish(bench.device);
		bench_pass(SECOND);
		stream_fake_return(bench.device);
	}
	assert_in_range(bench_count("0100"), 1, 6);
	bench_end();
}

static void another_vehicles_odometer_may_be_smaller(void **state)
{
	static const char odometer[] =
		"[profile]\nname = km\n[command km]\nrequest = 01 A6\nperiod = 5 s\n"
		"[signal km]\ncommand = km\nbytes = 0 4\ndiv = 10\nunit = km\ntrust = sources\n"
		"field = vehicle_state.odometer_km\n";

	(void)state;
	bench_make(odometer);
	bench.config.signals = "km";
	bench_reply("01A6", "7E80641A600100000");
	bench_start();
	bench_pass(60 * SECOND);
	assert_float_equal(number(MODEL_FIELD_ODOMETER_KM), 104857.6, 0.01);
	bench_reply("01A6", "7E80641A600010000");
	bench_pass(60 * SECOND);
	assert_float_equal(number(MODEL_FIELD_ODOMETER_KM), 104857.6, 0.01);
	stream_fake_vanish(bench.device);
	bench_pass(SECOND);
	bench_reply("0902", "7E81014490201314434\r7E82147503030525835\r7E82242313233343537");
	bench_reply("0902", "NO DATA");
	stream_fake_return(bench.device);
	bench_pass(60 * SECOND);
	assert_float_equal(number(MODEL_FIELD_ODOMETER_KM), 6553.6, 0.01);
	bench_end();
}

int suite_agent_obd_sleep(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vehicle_left_alone_is_measured_at_its_plug_and_wakes_by_it),
		cmocka_unit_test(an_ignition_line_is_believed_once_it_has_said_both),
		cmocka_unit_test(a_vehicle_that_is_off_says_so_and_is_left_alone_after_a_while),
		cmocka_unit_test(a_loose_contact_does_not_keep_a_vehicle_awake),
		cmocka_unit_test(another_vehicles_odometer_may_be_smaller),
	};

	return cmocka_run_group_tests_name("agent.obd_sleep", tests, NULL, NULL);
}
