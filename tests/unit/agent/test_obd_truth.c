/* What the OBD source tells of a vehicle must have been said by this vehicle, now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/agent/obd_bench.h"

int suite_agent_obd_truth(void);

static const char first_vin[] = "7E81014490201314434\r7E82147503030525835\r7E82242313233343536";
/* Its check digit is wrong. */
static const char other_vin[] = "7E81014490201314434\r7E82147503130525835\r7E82242313233343537";

static const char lists[] =
	"[profile]\nname = lists\n"
	"[command stored]\nrequest = 03\nkind = dtc_confirmed\nperiod = 10 s\n"
	"[command speed]\nrequest = 01 0D\nperiod = 1 s\n"
	"[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\ntrust = sources\n"
	"field = vehicle_state.speed_kmh\n";

/* A vehicle with units of 29-bit identifiers, and a profile that knows that. */
static const char far_away[] =
	"[profile]\nname = far\nbus = can29_500\n"
	"[command battery]\nrequest = 22 1E 3B\necu = 17FC007B 17FE007B\nperiod = 2 s\n"
	"[signal volts]\ncommand = battery\nbytes = 0 2\ndiv = 4\nunit = V\ntrust = claimed\n"
	"field = battery.pack_voltage_v\n";

static int given(enum model_field field)
{
	return bench.seen.given[field];
}

/* A vehicle that drives, with its VIN. */
static int vehicle_setup(void **state)
{
	(void)state;
	bench_make(bench_generic);
	rhythm_defaults(&bench.config.rhythm);
	bench_reply("ATDPN", "6");
	bench_reply("ATRV", "14.1V");
	bench_reply("0100", "7E806410000180000");
	bench_reply("010D", "7E803410D32");
	bench_reply("010C", "7E804410C0FA0");
	bench_reply("010D0C", "NO DATA");
	bench_reply("010C0D", "NO DATA");
	bench_reply("0902", first_vin);
	bench_start();
	bench_pass(10 * SECOND);
	assert_string_equal(bench_report().vin, "1D4GP00RX5B123456");
	return 0;
}

static void an_adapter_that_lost_its_power_may_be_at_another_vehicle(void **state)
{
	int told;

	(void)state;
	bench_reply("0902", "NO DATA");
	assert_int_equal(stream_fake_give_text(bench.device, "\r\rELM327 v1.5\r\r>"), 0);
	bench_pass(2 * SECOND);
	told = given(MODEL_FIELD_IDENTITY_VIN);
	bench_pass(30 * SECOND);
	assert_true(given(MODEL_FIELD_SPEED_KMH) > 20);
	assert_string_equal(bench_report().vin, "");
	assert_string_equal(bench.seen.vin, "");
	assert_int_equal(given(MODEL_FIELD_IDENTITY_VIN), told);
}

static void after_a_silence_it_may_be_another_vehicle(void **state)
{
	int told;

	(void)state;
	bench_reply("0902", "NO DATA");
	bench_reply("0100", "NO DATA");
	bench_reply("010D", "NO DATA");
	bench_reply("010C", "NO DATA");
	bench_pass(5 * MINUTE);
	assert_true(bench_report().reason[0] != '\0');
	bench_reply("0100", "7E806410000180000");
	bench_reply("010D", "7E803410D32");
	told = given(MODEL_FIELD_IDENTITY_VIN);
	bench_pass(60 * MINUTE);
	assert_string_equal(bench_report().vin, "");
	assert_int_equal(given(MODEL_FIELD_IDENTITY_VIN), told);
}

static void a_vin_that_is_not_believed_is_not_the_last_ones_either(void **state)
{
	(void)state;
	bench_reply("0902", other_vin);
	assert_int_equal(stream_fake_give_text(bench.device, "\r\rELM327 v1.5\r\r>"), 0);
	bench_pass(30 * SECOND);
	assert_string_equal(bench_report().vin_given, "1D4GP10RX5B123457");
	assert_string_equal(bench_report().vin, "");
	assert_string_equal(bench.seen.vin, "");
}

static void a_list_that_a_unit_does_not_add_to_any_more_is_not_told(void **state)
{
	int told;

	(void)state;
	bench_make(lists);
	bench_reply("ATDPN", "6");
	bench_reply("0100", "7E806410000080000\r7E906410000000000");
	bench_reply("03", "7E80443010301\r7E9044301C123");
	bench_start();
	bench_pass(5 * SECOND);
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_CONFIRMED], "P0301 U0123 ");
	told = given(MODEL_FIELD_DTC_CONFIRMED);
	bench_reply("03", "7E80443010301");
	bench_pass(30 * SECOND);
	assert_int_equal(given(MODEL_FIELD_DTC_CONFIRMED), told);
	bench_reply("03", "7E80443010301\r7E9024300");
	bench_pass(11 * SECOND);
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_CONFIRMED], "P0301 ");
	bench_end();
}

static void a_list_that_a_unit_is_still_at_is_not_told(void **state)
{
	(void)state;
	bench_make(lists);
	bench_reply("ATDPN", "6");
	bench_reply("0100", "7E806410000080000\r7E906410000000000");
	bench_reply("03", "7E80443010301\r7E9037F0378");
	bench_start();
	bench_pass(5 * SECOND);
	assert_int_equal(given(MODEL_FIELD_DTC_CONFIRMED), 0);
	bench_reply("03", "7E80443010301\r7E9037F0378\r7E9044301C123");
	bench_pass(11 * SECOND);
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_CONFIRMED], "P0301 U0123 ");
	bench_end();
}

/* The last filter that was set before the last request of the list. */
static void a_list_is_asked_of_all_where_values_are_asked_of_one(void **state)
{
	const char *filter = NULL, *all = NULL;

	(void)state;
	bench_make(lists);
	bench_reply("ATDPN", "6");
	bench_reply("0100", "7E806410000080000\r7E906410000000000");
	bench_reply("010D", "BUFFER FULL");
	bench_reply("03", "7E80443010301\r7E9044301C123");
	bench_start();
	while (bench_count("ATCRA7E8") < 2) /* the first one probes */
		bench_pass(10 * MS);
	bench_reply("010D", "7E803410D32");
	bench_pass(5 * SECOND);
	bench_forget();
	bench_pass(10 * SECOND);
	for (const char *at = bench_sent(); (at = strstr(at, "ATCRA")) != NULL; at++) {
		if (strncmp(at, "ATCRA\r03\r", 9) == 0)
			all = at;
		if (strncmp(at, "ATCRA7E8\r010D\r", 14) == 0)
			filter = at;
	}
	assert_non_null(all);
	assert_non_null(filter);
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_CONFIRMED], "P0301 U0123 ");
	bench_end();
}

static void a_bus_that_nobody_was_ever_heard_on_says_nothing_of_the_ignition(void **state)
{
	struct source_report report;

	(void)state;
	bench_make(far_away);
	rhythm_defaults(&bench.config.rhythm);
	bench_reply("ATDPN", "7");
	bench_reply("0100", "NO DATA");
	bench_reply("ATRV", "14.1V");
	bench_start();
	bench_pass(30 * MINUTE);
	report = bench_report();
	assert_int_equal(given(MODEL_FIELD_IGNITION), 0);
	assert_int_equal(report.state, SOURCE_SILENT);
	assert_string_equal(report.reason, "source_silent");
	assert_non_null(strstr(report.detail, "profile"));
	/* Parked, nobody can tell it from one that sleeps. */
	bench_reply("ATRV", "12.6V");
	bench_pass(30 * MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	assert_non_null(strstr(bench_report().detail, "or the profile"));
	assert_int_equal(given(MODEL_FIELD_IGNITION), 0);
	bench_end();
}

static void an_adapter_that_says_ok_to_everything_is_found_out(void **state)
{
	struct source_report report;

	(void)state;
	bench_make(bench_generic);
	rhythm_defaults(&bench.config.rhythm);
	bench_vehicle("OK");
	bench_reply("ATI", "ELM327 v2.1");
	bench_reply("ATFE", "OK");
	bench_reply("ATDPN", "OK");
	bench_reply("0100", "OK");
	bench_reply("0902", "OK");
	bench_reply("010D", "OK");
	bench_reply("010C", "OK");
	bench_start();
	bench_pass(20 * MINUTE);
	report = bench_report();
	assert_int_equal(report.state, SOURCE_SILENT);
	bench_end();
}

static void silence_in_the_midst_of_asking_for_a_vin_is_over_with_it(void **state)
{
	int asked;

	(void)state;
	bench_reply("0902", "NO DATA");
	assert_int_equal(stream_fake_give_text(bench.device, "\r\rELM327 v1.5\r\r>"), 0);
	bench_pass(30 * SECOND);
	bench_reply("0902", "UNABLE TO CONNECT");
	bench_pass(60 * SECOND);
	bench_reply("0902", first_vin);
	asked = bench_count("0100");
	bench_pass(60 * SECOND);
	assert_string_equal(bench_report().vin, "1D4GP00RX5B123456");
	assert_int_equal(bench_count("0100") - asked, 1);
}

static void can_errors(void)
{
	static const char *const requests[] = {"0100", "010D", "010C", "0902"};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		bench_reply(requests[i], "CAN ERROR");
}

/* Where everybody sleeps nobody acknowledges a frame. */
static void a_bus_without_acknowledgement_sleeps_where_the_plug_says_so(void **state)
{
	(void)state;
	can_errors();
	bench_reply("ATRV", "12.6V");
	bench_pass(5 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	assert_int_equal(bench.seen.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_OFF);
	bench_pass(360 * MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
}

static void a_bus_that_fails_while_the_vehicle_runs_says_nothing_of_the_ignition(void **state)
{
	int told;

	(void)state;
	told = given(MODEL_FIELD_IGNITION);
	can_errors();
	bench_pass(60 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_ERROR);
	assert_string_equal(bench_report().reason, "bus_error");
	assert_in_range(given(MODEL_FIELD_IGNITION) - told, 0, 3); /* by what was known, at first */
	assert_int_equal(bench.seen.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_ON);
}

static void a_filter_that_was_tried_is_surely_taken_away(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench_reply("ATDPN", "6");
	bench_reply("ATCRA7E8", NULL); /* holds it before the end of the probing */
	bench_start();
	while (bench_count("ATCRA7E8") < 1)
		bench_pass(10 * MS);
	bench_reply("ATCRA7E8", "OK");
	bench_reply("ATCRA", NULL);
	for (int i = 0; i < 2000 && bench_count("ATCRA") < 3; i++)
		bench_pass(10 * MS);
	bench_reply("ATCRA", "OK");
	bench_pass(20 * SECOND);
	assert_int_equal(bench_count("ATZ"), 2);
	assert_int_equal(bench_report().state, SOURCE_OK);
	bench_end();
}

static void an_adapter_that_never_takes_its_filter_away_is_not_set_up_for_ever(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench_reply("ATDPN", "6");
	bench_reply("ATCRA7E8", NULL); /* holds it before the end of the probing */
	bench_start();
	while (bench_count("ATCRA7E8") < 1)
		bench_pass(10 * MS);
	bench_reply("ATCRA7E8", "OK");
	bench_reply("ATCRA", NULL);
	bench_pass(5 * MINUTE);
	assert_in_range(bench_count("ATZ"), 2, 5);
	bench_end();
}

/* Units that answer everybody, and refuse what the profile asks. */
static void a_vehicle_that_refuses_everything_says_so(void **state)
{
	(void)state;
	bench_make(far_away);
	rhythm_defaults(&bench.config.rhythm);
	bench_reply("ATDPN", "7");
	bench_reply("0100", "18DAF11006410000180000");
	bench_reply("221E3B", "17FE007B037F2231");
	bench_reply("ATRV", "14.1V");
	bench_start();
	bench_pass(MINUTE);
	assert_string_equal(bench_report().reason, "source_silent");
	assert_non_null(strstr(bench_report().detail, "profile"));
	assert_true(bench_refusal("battery")[0] != '\0');
	bench_end();
}

/* A flat battery lets an adapter reset at each request, and each request drains it more. */
static void an_adapter_that_resets_at_each_request_is_asked_less_and_less(void **state)
{
	(void)state;
	bench_make(bench_generic);
	rhythm_defaults(&bench.config.rhythm);
	bench_reply("0100", "LV RESET");
	bench_start();
	bench_pass(60 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_ERROR);
	assert_string_equal(bench_report().reason, "adapter_error");
	assert_in_range(bench_count("0100"), 10, 75);
	bench_reply("0100", "7E806410000180000");
	bench_pass(2 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_OK);
	bench_end();
	bench_make(bench_generic);
	rhythm_defaults(&bench.config.rhythm);
	bench_reply("0100", "ERR71");
	bench_start();
	bench_pass(60 * MINUTE);
	assert_string_equal(bench_report().reason, "adapter_error");
	assert_in_range(bench_count("0100"), 10, 75);
	bench_end();
}

static void who_gives_no_usable_answer_is_not_called_off(void **state)
{
	(void)state;
	bench_make(bench_generic);
	rhythm_defaults(&bench.config.rhythm);
	bench_reply("ATDPN", "6");
	bench_reply("010D", "BUFFER FULL");
	bench_reply("010C", "BUFFER FULL");
	bench_start();
	bench_pass(30 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_SILENT);
	assert_string_equal(bench_report().reason, "source_silent");
	assert_int_equal(given(MODEL_FIELD_IGNITION), 0);
	bench_end();
}

int suite_agent_obd_truth(void)
{
	const struct CMUnitTest tests[] = {
#define VEHICLE(fn) cmocka_unit_test_setup_teardown(fn, vehicle_setup, bench_teardown)
		VEHICLE(an_adapter_that_lost_its_power_may_be_at_another_vehicle),
		VEHICLE(after_a_silence_it_may_be_another_vehicle),
		VEHICLE(a_vin_that_is_not_believed_is_not_the_last_ones_either),
		cmocka_unit_test(a_list_that_a_unit_does_not_add_to_any_more_is_not_told),
		cmocka_unit_test(a_list_that_a_unit_is_still_at_is_not_told),
		cmocka_unit_test(a_list_is_asked_of_all_where_values_are_asked_of_one),
		cmocka_unit_test(a_bus_that_nobody_was_ever_heard_on_says_nothing_of_the_ignition),
		cmocka_unit_test(an_adapter_that_says_ok_to_everything_is_found_out),
		VEHICLE(silence_in_the_midst_of_asking_for_a_vin_is_over_with_it),
		VEHICLE(a_bus_without_acknowledgement_sleeps_where_the_plug_says_so),
		VEHICLE(a_bus_that_fails_while_the_vehicle_runs_says_nothing_of_the_ignition),
		cmocka_unit_test(a_filter_that_was_tried_is_surely_taken_away),
		cmocka_unit_test(
			an_adapter_that_never_takes_its_filter_away_is_not_set_up_for_ever),
		cmocka_unit_test(a_vehicle_that_refuses_everything_says_so),
		cmocka_unit_test(an_adapter_that_resets_at_each_request_is_asked_less_and_less),
		cmocka_unit_test(who_gives_no_usable_answer_is_not_called_off),
#undef VEHICLE
	};

	return cmocka_run_group_tests_name("agent.obd_truth", tests, NULL, NULL);
}
