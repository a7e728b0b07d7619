#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/elm327_gate.h"
#include "agent/protocol/obd2.h"
#include "tests/unit/agent/obd_bench.h"

int suite_agent_obd_profile(void);

/* Battery at 7E4, tyres at 7A0 (flow control by hand), both with a fast and a slow request. */
static const char electric[] =
	"[profile]\nname = electric\nbus = can11_500\ndetect = battery\n"
	"[command battery]\nrequest = 22 01 01\necu = 7E4 7EC\nperiod = 2 s\n"
	"[command cells]\nrequest = 22 01 05\necu = 7E4 7EC\nperiod = 10 s\n"
	"[command tyres]\nrequest = 22 C0 0B\necu = 7A0 7A8\nperiod = 2 s\n"
	"[command temps]\nrequest = 22 C0 0C\necu = 7A0 7A8\nperiod = 10 s\n"
	"[signal soc]\ncommand = battery\nbytes = 0 1\ndiv = 2\nunit = %\ntrust = claimed\n"
	"field = battery.state_of_charge_pct\n"
	"[signal soh]\ncommand = cells\nbytes = 0 1\nunit = %\ntrust = claimed\n"
	"field = battery.state_of_health_pct\n"
	"[signal fl]\ncommand = tyres\nbytes = 0 1\nunit = psi\ntrust = claimed\n"
	"field = vehicle_state.tyre_pressure_kpa.fl\n"
	"[signal out]\ncommand = temps\nbytes = 0 1\nadd = -40\nunit = C\ntrust = claimed\n"
	"field = vehicle_state.outside_temp_c\n";

static double number(enum model_field field)
{
	return bench.seen.number[field];
}

static int given(enum model_field field)
{
	return bench.seen.given[field];
}

/* How often `what` stands in `text`. */
static int count_of(const char *text, const char *what)
{
	int count = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		count++;
	return count;
}

static int electric_setup(void **state)
{
	(void)state;
	bench_make(electric);
	bench_reply("ATDPN", "6");
	bench_reply("0100", "NO DATA");
	bench_reply("220101", "7EC0462010164"); /* 50 % */
	bench_reply("220105", "7EC0462010560");
	bench_reply("22C00B", "7A80462C00B22");
	bench_reply("22C00C", "7A80462C00C3C");
	return 0;
}

/* ---- control units ---- */

static void a_vehicle_that_answers_only_its_makers_requests_is_found(void **state)
{
	(void)state;
	bench_start();
	bench_pass(5 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_string_equal(bench_report().profile, "electric");
	assert_float_equal(number(MODEL_FIELD_STATE_OF_CHARGE_PCT), 50, 0);
	assert_float_equal(number(MODEL_FIELD_STATE_OF_HEALTH_PCT), 96, 0);
	assert_float_equal(number(MODEL_FIELD_TYRE_PRESSURE_FL_KPA), 234.42, 0.01);
	assert_float_equal(number(MODEL_FIELD_OUTSIDE_TEMP_C), 20, 0);
	assert_int_equal(bench.seen.keyframes, 1);
	/* Nobody answers 0100, so nobody is asked for a VIN that way. */
	assert_int_equal(bench_count("0902"), 0);
}

static void units_are_turned_to_in_the_order_that_adapters_want(void **state)
{
	(void)state;
	bench_start();
	bench_pass(3 * SECOND);
	assert_non_null(strstr(bench_sent(), "ATSH7E4\rATCRA7EC\r220101\r"));
	assert_non_null(
		strstr(bench_sent(), "ATSH7A0\rATCRA7A8\rATFCSH7A0\rATFCSD300000\rATFCSM1\r22C00"));
	assert_non_null(strstr(bench_sent(), "ATFCSM0\rATSH7E4\rATCRA7EC\r2201"));
}

static void what_is_due_is_grouped_by_unit(void **state)
{
	(void)state;
	bench_start();
	bench_pass(5 * SECOND);
	bench_forget();
	bench_pass(60 * SECOND);
	/* 30 rounds of two units each; without grouping there were more than 60 turns. */
	assert_in_range(count_of(bench_sent(), "ATSH"), 30, 61);
	assert_in_range(count_of(bench_sent(), "220101"), 28, 31);
	assert_in_range(count_of(bench_sent(), "22C00B"), 28, 31);
	assert_in_range(count_of(bench_sent(), "220105"), 5, 7);
}

static void a_unit_that_the_adapter_cannot_reach_is_refused_with_the_reason(void **state)
{
	(void)state;
	bench_reply("ATFCSH7E0", "?");
	bench_reply("ATFCSD300000", "?");
	bench_reply("ATFCSM1", "?");
	bench_start();
	bench_pass(10 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_float_equal(number(MODEL_FIELD_STATE_OF_CHARGE_PCT), 50, 0);
	assert_int_equal(given(MODEL_FIELD_TYRE_PRESSURE_FL_KPA), 0);
	assert_non_null(strstr(bench_refusal("tyres"), "flow control"));
	assert_non_null(strstr(bench_refusal("temps"), "flow control"));
	assert_string_equal(bench_refusal("battery"), "");
	assert_non_null(strstr(bench_report().missing, "flow_mode"));
	assert_int_equal(bench_count("ATSH7A0"), 0);
	assert_int_equal(bench_count("22C00B"), 0);
	assert_int_equal(bench.seen.keyframes, 1); /* what cannot be asked is not waited for */
}

static void an_adapter_that_promises_what_it_cannot_do_is_not_tried_in_a_loop(void **state)
{
	(void)state;
	bench_reply("ATFCSH7A0", "?");
	bench_start();
	bench_pass(60 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_int_equal(bench_count("ATFCSH7A0"), 1);
	assert_int_equal(bench_count("22C00B"), 0);
	assert_non_null(strstr(bench_refusal("tyres"), "does not take the commands"));
	assert_true(given(MODEL_FIELD_STATE_OF_CHARGE_PCT) > 10);
}

static void a_target_whose_commands_get_no_ok_is_given_up_after_a_few_times(void **state)
{
	(void)state;
	bench_reply("ATFCSH7A0", "FC");
	bench_start();
	bench_pass(120 * SECOND);
	assert_in_range(bench_count("ATFCSH7A0"), 1, 3);
	assert_true(given(MODEL_FIELD_STATE_OF_CHARGE_PCT) > 10);
}

static void where_the_question_cannot_be_asked_another_is(void **state)
{
	(void)state;
	bench_make("[profile]\nname = question\nbus = can11_500\ndetect = far\n"
		   "[command far]\nrequest = 22 C0 0B\necu = 7A0 7A8\nperiod = 2 s\n"
		   "[command near]\nrequest = 22 01 01\necu = 7E4 7EC\nperiod = 2 s\n"
		   "[signal far]\ncommand = far\nbytes = 0 1\ntrust = claimed\n"
		   "[signal near]\ncommand = near\nbytes = 0 1\ndiv = 2\nunit = %\n"
		   "trust = claimed\nfield = battery.state_of_charge_pct\n");
	bench_reply("0100", "NO DATA");
	bench_reply("ATFCSM1", "?");
	bench_reply("220101", "7EC0462010164");
	bench_start();
	bench_pass(10 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_float_equal(number(MODEL_FIELD_STATE_OF_CHARGE_PCT), 50, 0);
	assert_non_null(strstr(bench_refusal("far"), "flow control"));
	bench_end();
}

static void where_nothing_can_be_asked_each_command_says_why(void **state)
{
	(void)state;
	bench_make("[profile]\nname = out_of_reach\nbus = can11_500\ndetect = far\n"
		   "[command far]\nrequest = 22 C0 0B\necu = 7A0 7A8\nperiod = 2 s\n"
		   "[signal far]\ncommand = far\nbytes = 0 1\ntrust = claimed\n");
	bench_reply("0100", "NO DATA");
	bench_reply("ATFCSM1", "?");
	bench_start();
	bench_pass(10 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_SILENT);
	assert_string_equal(bench_report().reason, "source_silent");
	assert_non_null(strstr(bench_report().detail, "flow control"));
	assert_non_null(strstr(bench_refusal("far"), "flow control"));
	assert_int_equal(bench_count("22C00B"), 0);
	bench_end();
}

static void a_signal_set_without_a_bus_is_asked_on_the_usual_one(void **state)
{
	(void)state;
	bench_make("{\"commands\": [{\"hdr\": \"7E4\", \"rax\": \"7EC\", "
		   "\"cmd\": {\"22\": \"0101\"}, \"freq\": 5, \"signals\": ["
		   "{\"id\": \"SOC\", \"name\": \"SOC\", \"suggestedMetric\": \"stateOfCharge\","
		   "\"fmt\": {\"len\": 8, \"div\": 2, \"max\": 100, \"unit\": \"percent\"}}]}]}");
	bench_reply("ATDPN", "6");
	bench_reply("0100", "NO DATA");
	bench_reply("220101", "7EC0462010164");
	bench_start();
	bench_pass(10 * SECOND);
	assert_int_equal(bench_count("ATSP6"), 1);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_float_equal(number(MODEL_FIELD_STATE_OF_CHARGE_PCT), 50, 0);
	bench_end();
}

static void the_abilities_are_asked_for_once(void **state)
{
	(void)state;
	bench_start();
	bench_pass(5 * SECOND);
	bench_reply("220101", "LV RESET");
	bench_pass(3 * SECOND);
	bench_reply("220101", "7EC0462010164");
	bench_pass(10 * SECOND);
	assert_true(bench_count("ATZ") >= 2);
	assert_int_equal(bench_count("STI"), 1);
	assert_int_equal(bench_count("ATFCSH7E0"), 1);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void a_bus_of_29_bits_is_asked_in_its_own_way(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench_reply("ATDPN", "A7");
	bench_reply("0100", "18DAF110064100001800 00");
	bench_reply("0902", "NO DATA");
	bench_reply("010D", "18DAF11003410D32");
	bench_reply("010C", "18DAF11004410C1AF8");
	bench_start();
	bench_pass(5 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_string_equal(bench_report().protocol, "CAN 29/500");
	assert_float_equal(number(MODEL_FIELD_SPEED_KMH), 50, 0);
	bench_end();
}

static void requests_of_11_bits_are_refused_on_a_bus_of_29(void **state)
{
	(void)state;
	bench_make("[profile]\nname = small\n"
		   "[command codes]\nrequest = 03\nkind = dtc_confirmed\nperiod = 10 s\n"
		   "[command battery]\nrequest = 22 01 01\necu = 7E4 7EC\nperiod = 2 s\n"
		   "[signal soc]\ncommand = battery\nbytes = 0 1\ntrust = claimed\n");
	bench_reply("ATDPN", "A7");
	bench_reply("0100", "18DAF11006410000180000");
	bench_reply("0902", "NO DATA");
	bench_start();
	bench_pass(5 * SECOND);
	assert_non_null(strstr(bench_refusal("battery"), "bus"));
	assert_int_equal(bench_report().values, 1);
	bench_end();
}

static void a_look_at_a_vehicle_that_sleeps_is_one_request(void **state)
{
	int looks, requests, given_soc;

	(void)state;
	bench_start();
	bench_pass(5 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	bench_vehicle("NO DATA");
	bench_reply("220101", "NO DATA");
	bench_reply("220105", "NO DATA");
	bench_reply("22C00B", "NO DATA");
	bench_reply("22C00C", "NO DATA");
	bench_pass(2 * MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	looks = (int)bench_report().rhythm.looks;
	requests = (int)bench_report().requests;
	bench_pass(60 * MINUTE);
	looks = (int)bench_report().rhythm.looks - looks;
	assert_true(looks > 10);
	assert_int_equal(bench_report().requests - requests, looks);
	/* By what it has answered. */
	assert_true(bench_count("0100") < 5);
	given_soc = given(MODEL_FIELD_STATE_OF_CHARGE_PCT);
	bench_reply("220101", "7EC0462010164");
	bench_pass(2 * MINUTE);
	assert_true(given(MODEL_FIELD_STATE_OF_CHARGE_PCT) > given_soc);
}

static void a_vehicle_never_heard_is_looked_at_in_both_ways_by_turns(void **state)
{
	int everybody, own;

	(void)state;
	bench_reply("220101", "NO DATA");
	bench_start();
	bench_pass(5 * MINUTE);
	everybody = bench_count("0100");
	own = bench_count("220101");
	bench_pass(60 * MINUTE);
	everybody = bench_count("0100") - everybody;
	own = bench_count("220101") - own;
	assert_true(everybody > 10);
	assert_in_range(own, everybody - 1, everybody + 1);
	bench_reply("220101", "7EC0462010164");
	bench_pass(3 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_string_equal(bench_report().reason, "");
}

static void a_unit_that_is_dead_does_not_hold_back_the_first_whole_statement(void **state)
{
	(void)state;
	bench_reply("22C00B", "NO DATA");
	bench_reply("22C00C", "NO DATA");
	bench_start();
	bench_pass(10 * SECOND);
	assert_int_equal(bench.seen.keyframes, 1);
}

/* ---- several parameters a request ---- */

static void two_parameters_are_tried_together_and_then_always(void **state)
{
	(void)state;
	bench_reply("010D0C", "7E806410D320C1AF8");
	bench_reply("010C0D", "7E806410C1AF80D32");
	bench_pass(30 * SECOND);
	assert_int_equal(bench_count("010D") + bench_count("010C"), 0);
	assert_in_range(bench_count("010D0C") + bench_count("010C0D"), 27, 31);
	assert_float_equal(number(MODEL_FIELD_SPEED_KMH), 50, 0);
	assert_float_equal(number(MODEL_FIELD_ENGINE_RPM), 1726, 0);
	assert_int_equal(bench_report().rejected, 0);
}

static void a_vehicle_that_answers_two_wrongly_is_asked_one_by_one(void **state)
{
	static const char *const wrong[] = {
		"7E803410D32",         /* only the first */
		"7E805410D320C1A",     /* cut off */
		"7E807410D320C1AF800", /* a byte too many */
		"NO DATA",
		"7E8037F0112",
		"?",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		bench_make(bench_generic);
		bench_reply("010D0C", wrong[i]);
		bench_reply("010C0D", wrong[i]);
		bench_start();
		bench_pass(20 * SECOND);
		assert_int_equal(bench_count("010D0C") + bench_count("010C0D"), 1);
		assert_in_range(bench_count("010D"), 17, 21);
		assert_float_equal(number(MODEL_FIELD_SPEED_KMH), 50, 0);
		assert_int_equal(bench_report().state, SOURCE_OK);
		bench_end();
	}
}

static void several_are_given_up_where_they_stop_to_work(void **state)
{
	(void)state;
	bench_reply("010D0C", "7E806410D320C1AF8");
	bench_reply("010C0D", "7E806410C1AF80D32");
	bench_pass(10 * SECOND);
	bench_reply("010D0C", "7E804410D32ZZ");
	bench_reply("010C0D", "7E804410C32ZZ");
	bench_pass(20 * SECOND);
	assert_true(bench_count("010D") > 5);
	assert_true(bench_count("010C") > 5);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void before_can_each_parameter_goes_alone(void **state)
{
	(void)state;
	bench_reply("ATDPN", "A5");
	bench_reply("0100", "86F1104100001800 00C0");
	bench_pass(10 * SECOND);
	assert_int_equal(bench_count("010D0C") + bench_count("010C0D"), 0);
}

/* ---- what units say ---- */

static void a_refusal_for_good_is_not_asked_again(void **state)
{
	(void)state;
	bench_reply("220105", "7EC037F2231");
	bench_start();
	bench_pass(5 * MINUTE);
	assert_int_equal(bench_count("220105"), 1);
	assert_non_null(strstr(bench_refusal("cells"), "(31)"));
	assert_int_equal(bench_report().state, SOURCE_OK);
}

/* Where all is refused nothing is asked any more: that must not look like a start for ever. */
static void a_vehicle_that_refuses_all_of_a_profile_is_told_of_soon(void **state)
{
	(void)state;
	bench_reply("0100", "7E8 06 41 00 00 00 00 00");
	bench_reply("220101", "7EC037F2231");
	bench_reply("220105", "7EC037F2231");
	bench_reply("22C00B", "7A8037F2231");
	bench_reply("22C00C", "7A8037F2231");
	bench_start();
	bench_pass(20 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_SILENT);
	assert_string_equal(bench_report().reason, "source_silent");
	assert_non_null(strstr(bench_report().detail, "the right profile"));
}

static void a_refusal_for_now_is_asked_again_at_its_period(void **state)
{
	(void)state;
	bench_reply("220105", "7EC037F2222");
	bench_start();
	bench_pass(MINUTE);
	assert_in_range(bench_count("220105"), 5, 8);
	assert_string_equal(bench_refusal("cells"), "");
	bench_reply("220105", "7EC0462010560");
	bench_pass(11 * SECOND);
	assert_float_equal(number(MODEL_FIELD_STATE_OF_HEALTH_PCT), 96, 0);
}

static void a_unit_that_wants_time_is_waited_for(void **state)
{
	(void)state;
	bench_reply("220105", "7EC037F2278");
	bench_start();
	bench_pass(2 * SECOND);
	assert_int_equal(bench_count("ATSTFF"), 1);
	assert_in_range(bench_count("220105"), 2, 8);
	bench_reply("220105", "7EC037F2278\r7EC0462010560");
	bench_pass(2 * SECOND);
	assert_float_equal(number(MODEL_FIELD_STATE_OF_HEALTH_PCT), 96, 0);
	assert_int_equal(bench_count("ATSTFF"), 1);
	assert_non_null(strstr(bench_sent(), "220105\rATST96\r"));
}

static void a_unit_that_wants_time_for_ever_does_not_hold_the_others(void **state)
{
	(void)state;
	bench_reply("220105", "7EC037F2278");
	bench_start();
	bench_pass(2 * MINUTE);
	assert_true(given(MODEL_FIELD_STATE_OF_CHARGE_PCT) > 15);
	/* At most nine at a time, a period between them. */
	assert_true(bench_count("220105") <= 9 * 12);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void answers_of_others_are_not_taken(void **state)
{
	(void)state;
	bench_reply("220101", "7EA0462010164\r7EC0462020164\r7EC036201");
	bench_start();
	bench_pass(10 * SECOND);
	assert_int_equal(given(MODEL_FIELD_STATE_OF_CHARGE_PCT), 0);
	assert_true(bench_report().rejected > 2);
}

/* ---- trouble codes, software ---- */

static const char lists[] =
	"[profile]\nname = lists\n"
	"[command speed]\nrequest = 01 0D\nperiod = 1 s\n"
	"[command stored]\nrequest = 03\nkind = dtc_confirmed\nperiod = 10 s\n"
	"[command seen]\nrequest = 07\nkind = dtc_pending\nperiod = 10 s\n"
	"[command kept]\nrequest = 0A\nkind = dtc_permanent\nperiod = 10 s\n"
	"[command software]\nrequest = 09 04\nkind = calibration\nwhen = once\n"
	"[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\ntrust = sources\n"
	"field = vehicle_state.speed_kmh\n";

static void trouble_codes_of_all_units_become_one_list(void **state)
{
	(void)state;
	bench_make(lists);
	bench_reply("03", "7E80643020301C123\r7E90443010301");
	bench_reply("07", "7E8024700");
	bench_reply("0A", "7E8044A01C123");
	bench_reply("0904", "7E810134904014142 43\r7E8214445464748494A\r7E8224B4C4D4E4F00");
	bench_start();
	bench_pass(5 * SECOND);
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_CONFIRMED], "P0301 U0123 ");
	assert_int_equal(given(MODEL_FIELD_DTC_PENDING), 1);
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_PENDING], "");
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_PERMANENT], "U0123 ");
	assert_int_equal(bench.seen.keyframes, 1);
	assert_non_null(strstr(bench_report().calibration, "ABCDEFGHIJKLMNO"));
	bench_pass(MINUTE);
	assert_int_equal(bench_count("0904"), 1);
	bench_end();
}

static void a_list_with_a_unit_cut_off_is_not_told(void **state)
{
	(void)state;
	bench_make(lists);
	/* Three codes are announced in two frames; the second is lost. */
	bench_reply("03", "7E80443010301\r7E91008430303030104");
	bench_start();
	bench_pass(5 * SECOND);
	assert_int_equal(given(MODEL_FIELD_DTC_CONFIRMED), 0);
	/* A line that is no frame may have been a unit's. */
	bench_reply("03", "7E80443010301\r7E9044301C1");
	bench_pass(10 * SECOND);
	assert_int_equal(given(MODEL_FIELD_DTC_CONFIRMED), 0);
	bench_reply("03", "7E80443010301\r7E9044301C123");
	bench_pass(11 * SECOND);
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_CONFIRMED], "P0301 U0123 ");
	bench_end();
}

static void codes_of_one_unit_are_chosen_by_their_status(void **state)
{
	(void)state;
	bench_make("[profile]\nname = uds\nbus = can11_500\ndetect = body\n"
		   "[command body]\nrequest = 19 02 08\necu = 7E4 7EC\n"
		   "kind = dtc_confirmed\nperiod = 10 s\n");
	bench_reply("0100", "NO DATA");
	bench_reply("190208", "7EC100B5902FF03011C\r7EC210803020004");
	bench_start();
	bench_pass(5 * SECOND);
	assert_string_equal(bench.seen.text[MODEL_FIELD_DTC_CONFIRMED], "P0301-1C ");
	bench_end();
}

static void a_list_that_lacks_a_unit_is_not_told(void **state)
{
	(void)state;
	bench_make(lists);
	bench_reply("03", "7E80643020301C123\r7E90443020301"); /* two are announced, one is there */
	bench_start();
	bench_pass(5 * SECOND);
	assert_int_equal(given(MODEL_FIELD_DTC_CONFIRMED), 0);
	bench_end();
}

/* ---- which vehicle ---- */

static const char with_vin[] =
	"[profile]\nname = vins\n"
	"[command vin]\nrequest = 22 F1 90\necu = 7E0 7E8\nkind = vin\nwhen = once\n"
	"[command speed]\nrequest = 01 0D\nperiod = 1 s\n"
	"[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\ntrust = sources\n"
	"field = vehicle_state.speed_kmh\n";

static void a_vin_with_a_wrong_check_digit_is_shown_and_not_believed(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench_reply("0902", "7E81014490201314434\r7E82147503030523535\r7E82242313233343536");
	bench_start();
	bench_pass(5 * SECOND);
	assert_string_equal(bench_report().vin, "");
	assert_string_equal(bench_report().vin_given, "1D4GP00R55B123456");
	assert_string_equal(bench_report().vin_judgement, "wrong_sum");
	assert_string_equal(bench.seen.vin, "");
	assert_int_equal(given(MODEL_FIELD_IDENTITY_VIN), 0);
	assert_int_equal(bench_report().state, SOURCE_OK);
	bench_end();
}

static void a_vin_is_asked_for_in_the_profiles_way_too(void **state)
{
	(void)state;
	bench_make(with_vin);
	bench_reply("0902", "NO DATA");
	bench_reply("22F190", "7E8101462F190314434\r7E82147503030525835\r7E82242313233343536");
	bench_start();
	bench_pass(5 * SECOND);
	assert_string_equal(bench_report().vin, "1D4GP00RX5B123456");
	assert_string_equal(bench_report().vin_judgement, "right");
	assert_string_equal(bench.seen.vin, "1D4GP00RX5B123456");
	assert_int_equal(bench_count("22F190"), 1);
	bench_end();
}

static void a_vin_that_came_damaged_is_asked_for_again(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench_reply("0902", "7E81014490201314434\r7E82247503030525835");
	bench_start();
	bench_pass(10 * SECOND);
	assert_string_equal(bench_report().vin, "");
	assert_int_equal(bench_count("0902"), 4);
	assert_int_equal(bench_report().state, SOURCE_OK);
	bench_reply("0902", "7E81014490201314434\r7E82147503030525835\r7E82242313233343536");
	bench_pass(70 * SECOND);
	assert_string_equal(bench_report().vin, "1D4GP00RX5B123456");
	assert_string_equal(bench.seen.vin, "1D4GP00RX5B123456");
	bench_pass(5 * MINUTE);
	assert_int_equal(bench_count("0902"), 5);
	bench_end();
}

static void a_vin_is_told_after_a_reset_or_unplugging_only_if_given_again(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	assert_string_equal(bench_report().vin, "1D4GP00RX5B123456");
	bench_reply("0902", "NO DATA");
	bench_reply("010D", "LV RESET");
	bench_pass(SECOND);
	bench_reply("010D", "7E803410D32");
	bench_pass(5 * SECOND);
	assert_true(bench_count("ATZ") >= 2);
	assert_string_equal(bench_report().vin, "");
	bench_reply("0902", "7E81014490201314434\r7E82147503030525835\r7E82242313233343536");
	bench_pass(70 * SECOND);
	assert_string_equal(bench_report().vin, "1D4GP00RX5B123456");
	bench_reply("0902", "NO DATA");
	stream_fake_vanish(bench.device);
	bench_pass(2 * SECOND);
	stream_fake_return(bench.device);
	bench_pass(10 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_string_equal(bench_report().vin, "");
	assert_string_equal(bench.seen.vin, "");
}

/* ---- the gate ---- */

static bool everything(const uint8_t *request, size_t len)
{
	(void)request;
	(void)len;
	return true;
}

static void what_may_not_be_sent_is_not_sent_whatever_a_profile_says(void **state)
{
	static const char *const forbidden[] = {"04 00", "08 01",    "10 03",    "11 01", "14 FF",
						"27 01", "28 03 01", "2E F1 90", "2F 01", "31 01",
						"3B 01", "3D 01",    "85 02"};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		char compact[16] = "";
		struct profile *none = NULL;
		char *said = NULL;
		size_t size;
		FILE *errors = open_memstream(&said, &size);

		(void)snprintf(text, sizeof(text),
			       "%s[command bad]\nrequest = %s\nperiod = 1 s\n"
			       "[signal bad]\ncommand = bad\nbytes = 0 1\ntrust = claimed\n",
			       bench_generic, forbidden[i]);
		for (const char *at = forbidden[i]; *at; at++)
			if (*at != ' ')
				strncat(compact, at, 1);
		/* Once at load ... */
		assert_non_null(errors);
		assert_true(profile_parse(text, strlen(text), "bad.conf", obd2_request_allowed,
					  errors, &none) < 0);
		assert_int_equal(fclose(errors), 0);
		assert_non_null(strstr(said, "bad.conf:2"));
		free(said);
		/* ... and once where requests leave. */
		bench_make_allowed(text, everything);
		bench_vehicle("7E80144");
		bench_start();
		bench_pass(30 * SECOND);
		assert_int_equal(bench_count(compact), 0);
		assert_string_equal(bench_refusal("bad"), "the gate of requests refuses it");
		assert_int_equal(bench_report().state, SOURCE_OK);
		assert_float_equal(number(MODEL_FIELD_SPEED_KMH), 50, 0);
		bench_end();
	}
}

static void the_question_of_a_profile_goes_through_the_gate_too(void **state)
{
	(void)state;
	bench_make_allowed("[profile]\nname = bad\nbus = can11_500\ndetect = bad\n"
			   "[command bad]\nrequest = 2E F1 90\necu = 7E4 7EC\nperiod = 1 s\n"
			   "[signal bad]\ncommand = bad\nbytes = 0 1\ntrust = claimed\n",
			   everything);
	bench_reply("0100", "NO DATA");
	bench_reply("2EF190", "7EC046EF19001");
	bench_start();
	bench_pass(5 * MINUTE);
	assert_true(bench_count("ATSH7E4") > 0);
	assert_int_equal(bench_count("2EF190"), 0);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	bench_end();
}

static void the_link_itself_refuses_what_may_not_be_sent(void **state)
{
	/* Without anybody before it who would ask. */
	struct elm327_gate gate = {.known = true};
	const struct elm327_config config = {.headers = true, .id_digits = 3};
	struct elm327_reply begun;

	(void)state;
	elm327_begin(&begun, "04", &config);
	assert_false(elm327_gate_passes(&gate, &begun));
	elm327_begin(&begun, "010D", &config);
	assert_true(elm327_gate_passes(&gate, &begun));
}

int suite_agent_obd_profile(void)
{
	const struct CMUnitTest tests[] = {
#define ELECTRIC(fn) cmocka_unit_test_setup_teardown(fn, electric_setup, bench_teardown)
#define GENERIC(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)
		ELECTRIC(a_vehicle_that_answers_only_its_makers_requests_is_found),
		ELECTRIC(units_are_turned_to_in_the_order_that_adapters_want),
		ELECTRIC(what_is_due_is_grouped_by_unit),
		ELECTRIC(a_unit_that_the_adapter_cannot_reach_is_refused_with_the_reason),
		ELECTRIC(an_adapter_that_promises_what_it_cannot_do_is_not_tried_in_a_loop),
		ELECTRIC(a_target_whose_commands_get_no_ok_is_given_up_after_a_few_times),
		cmocka_unit_test(where_the_question_cannot_be_asked_another_is),
		cmocka_unit_test(where_nothing_can_be_asked_each_command_says_why),
		cmocka_unit_test(a_signal_set_without_a_bus_is_asked_on_the_usual_one),
		ELECTRIC(the_abilities_are_asked_for_once),
		cmocka_unit_test(a_bus_of_29_bits_is_asked_in_its_own_way),
		cmocka_unit_test(requests_of_11_bits_are_refused_on_a_bus_of_29),
		ELECTRIC(a_look_at_a_vehicle_that_sleeps_is_one_request),
		ELECTRIC(a_vehicle_never_heard_is_looked_at_in_both_ways_by_turns),
		ELECTRIC(a_unit_that_is_dead_does_not_hold_back_the_first_whole_statement),
		GENERIC(two_parameters_are_tried_together_and_then_always),
		cmocka_unit_test(a_vehicle_that_answers_two_wrongly_is_asked_one_by_one),
		GENERIC(several_are_given_up_where_they_stop_to_work),
		GENERIC(before_can_each_parameter_goes_alone),
		ELECTRIC(a_refusal_for_good_is_not_asked_again),
		ELECTRIC(a_vehicle_that_refuses_all_of_a_profile_is_told_of_soon),
		ELECTRIC(a_refusal_for_now_is_asked_again_at_its_period),
		ELECTRIC(a_unit_that_wants_time_is_waited_for),
		ELECTRIC(a_unit_that_wants_time_for_ever_does_not_hold_the_others),
		ELECTRIC(answers_of_others_are_not_taken),
		cmocka_unit_test(trouble_codes_of_all_units_become_one_list),
		cmocka_unit_test(a_list_with_a_unit_cut_off_is_not_told),
		cmocka_unit_test(codes_of_one_unit_are_chosen_by_their_status),
		cmocka_unit_test(a_list_that_lacks_a_unit_is_not_told),
		cmocka_unit_test(a_vin_with_a_wrong_check_digit_is_shown_and_not_believed),
		cmocka_unit_test(a_vin_is_asked_for_in_the_profiles_way_too),
		cmocka_unit_test(a_vin_that_came_damaged_is_asked_for_again),
		GENERIC(a_vin_is_told_after_a_reset_or_unplugging_only_if_given_again),
		cmocka_unit_test(what_may_not_be_sent_is_not_sent_whatever_a_profile_says),
		cmocka_unit_test(the_question_of_a_profile_goes_through_the_gate_too),
		cmocka_unit_test(the_link_itself_refuses_what_may_not_be_sent),
	};

	return cmocka_run_group_tests_name("agent.obd_profile", tests, NULL, NULL);
}
