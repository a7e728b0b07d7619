#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/agent/obd_bench.h"

int suite_agent_obd_mend(void);

static double speed(void)
{
	return bench.seen.number[MODEL_FIELD_SPEED_KMH];
}

static void what_the_adapter_does_not_understand_is_not_asked_again(void **state)
{
	int before;

	(void)state;
	bench_reply("010C", "?");
	bench_pass(5 * SECOND);
	before = bench_count("010C");
	assert_int_equal(before, 1);
	assert_string_equal(bench_refusal("rpm"), "the adapter does not understand the request");
	bench_pass(10 * MINUTE);
	assert_int_equal(bench_count("010C"), before);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void a_stopped_request_is_sent_once_more_and_no_more(void **state)
{
	int before;

	(void)state;
	bench_pass(3 * SECOND);
	before = bench_count("010D");
	bench_reply("010D", "STOPPED");
	bench_pass(SECOND);
	assert_int_equal(bench_count("010D"), before + 2);
}

static void a_line_with_an_error_is_no_data_and_is_asked_for_once_more(void **state)
{
	static const char *const errors[] = {
		"7E803410D99<DATA ERROR",
		"7E803410D99 <RX ERROR",
		"DATA ERROR",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int before;

		bench_pass(3 * SECOND);
		before = bench_count("010D");
		bench_reply("010D", errors[i]);
		bench_pass(SECOND);
		assert_int_equal(bench_count("010D"), before + 2);
		assert_float_equal(speed(), 50, 0);
		bench_reply("010D", "7E803410D32");
	}
}

static void an_adapter_whose_buffer_overran_listens_to_one_unit(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	bench_forget();
	bench_reply("010D", "7E803410D99\r7E9BUFFER FULL");
	bench_pass(SECOND);
	assert_non_null(strstr(bench_sent(), "010D\rATCRA7E8\r010D\r"));
	assert_float_equal(speed(), 50, 0);
	bench_reply("010D", "7E803410D33");
	bench_forget();
	bench_pass(3 * SECOND);
	assert_null(strstr(bench_sent(), "ATCRA"));
	assert_float_equal(speed(), 51, 0);
}

static void an_overrun_that_cannot_be_narrowed_gives_nothing(void **state)
{
	(void)state;
	bench_reply("ATCRA7E8", "?");
	bench_pass(3 * SECOND);
	bench_reply("010D", "7E803410D99\rBUFFER FULL");
	bench_pass(2 * SECOND);
	assert_float_equal(speed(), 50, 0);
	assert_null(strstr(bench_sent(), "ATCRA7E8\r010D"));
}

static void a_low_voltage_reset_runs_the_set_up_and_forgets_the_event(void **state)
{
	(void)state;
	bench_reply("ATFE", "OK");
	bench_pass(3 * SECOND);
	bench_forget();
	bench_reply("010D", "LV RESET");
	bench_pass(SECOND);
	assert_non_null(strstr(bench_sent(), "010D\rATZ\r"));
	assert_non_null(strstr(bench_sent(), "ATFE\rATSP6\r"));
}

/* Here it sits in the reply to a request; the banner itself was lost. */
static void an_echo_that_comes_back_runs_the_set_up(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	bench_forget();
	bench_reply("010D", "010D\rSEARCHING...\rUNABLE TO CONNECT");
	bench_pass(SECOND);
	assert_non_null(strstr(bench_sent(), "010D\rATZ\r"));
	bench_reply("010D", "7E803410D33");
	bench_pass(5 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_float_equal(speed(), 51, 0);
}

static void an_adapter_that_resets_itself_for_ever_is_reported_and_paused(void **state)
{
	int before;

	(void)state;
	bench_pass(3 * SECOND);
	bench_reply("010D", "LV RESET");
	bench_reply("010C", "LV RESET");
	bench_pass(10 * SECOND);
	assert_string_equal(bench_report().reason, "adapter_error");
	before = bench_count("ATZ");
	bench_pass(MINUTE);
	assert_in_range(bench_count("ATZ") - before, 1, 6);
	bench_reply("010D", "7E803410D32");
	bench_reply("010C", "7E804410C1AF8");
	bench_pass(70 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void an_internal_error_runs_the_set_up_and_is_reported_when_it_goes_on(void **state)
{
	int resets;

	(void)state;
	bench_pass(3 * SECOND);
	resets = bench_count("ATZ");
	bench_reply("010D", "ERR91");
	bench_reply("010C", "ERR91");
	bench_pass(2 * SECOND);
	assert_true(bench_count("ATZ") > resets);
	bench_pass(5 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_ERROR);
	assert_string_equal(bench_report().reason, "adapter_error");
	assert_non_null(strstr(bench_report().detail, "ERR91"));
	bench_reply("010D", "7E803410D32");
	bench_reply("010C", "7E804410C1AF8");
	bench_pass(10 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void an_adapter_that_warns_of_sleep_is_spoken_to(void **state)
{
	int before;

	(void)state;
	bench_pass(3 * SECOND);
	before = bench_count("010D");
	bench_reply("010D", "ACT ALERT");
	bench_pass(SECOND);
	assert_int_equal(bench_count("010D"), before + 2);
	bench_reply("010D", "7E803410D34\r!LP ALERT");
	bench_pass(2 * SECOND);
	assert_float_equal(speed(), 52, 0);
	before = bench_count("ATI");
	/* Between two requests: everything but silence wakes it, and we learn where it is. */
	bench_pass(500 * MS);
	assert_int_equal(stream_fake_give_text(bench.device, "\r!ACT ALERT\r"), 0);
	bench_pass(50 * MS);
	assert_true(bench_count("ATI") > before);
	bench_pass(5 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void a_vehicle_that_sleeps_keeps_its_protocol(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	assert_int_equal(bench_count("ATSP6"), 1);
	bench_forget();
	bench_reply("010D", "UNABLE TO CONNECT");
	bench_reply("010C", "UNABLE TO CONNECT");
	bench_reply("0100", "CAN ERROR"); /* nobody acknowledges a frame on a bus that sleeps */
	bench_pass(5 * MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_null(strstr(bench_sent(), "ATSP"));
	assert_null(strstr(bench_sent(), "ATPC"));
	assert_null(strstr(bench_sent(), "ATZ"));
	assert_null(strstr(bench_sent(), "0902"));
}

static void a_bus_that_never_works_is_left_alone_in_the_end(void **state)
{
	(void)state;
	bench_reply("0100", "CAN ERROR");
	bench_pass(2 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_ERROR);
	assert_string_equal(bench_report().reason, "bus_error");
	bench_forget();
	bench_pass(10 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_ERROR);
	/* Looks, a few a minute at most. */
	assert_true(bench_count("0100") < 18 + 12 + 30);
	bench_reply("0100", "7E806410000180000");
	bench_pass(2 * MINUTE);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_string_equal(bench_report().reason, "");
}

static void one_request_that_breaks_the_bus_does_not_starve_the_others(void **state)
{
	int before;

	(void)state;
	bench_pass(3 * SECOND);
	before = bench_count("010D");
	bench_reply("010C", "CAN ERROR");
	bench_pass(2 * MINUTE);
	assert_true(bench_count("010D") > before + 40);
	assert_int_equal(bench_report().state, SOURCE_OK);
}

static void bytes_without_a_prompt_do_not_hold_the_source(void **state)
{
	(void)state;
	bench_pass(3 * SECOND);
	bench_reply("010D", NULL);
	bench_pass(20 * SECOND);
	assert_true(bench_count("010C") > 3);
	bench_reply("010D", "7E803410D36");
	bench_pass(30 * SECOND);
	assert_float_equal(speed(), 54, 0);
}

/* ---- the line's speed ---- */

static void the_speed_is_found_by_trying_and_remembered(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench.config.baud = 0;
	bench.speed = 500000;
	bench_start();
	bench_pass(15 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_int_equal(bench_report().baud, 500000);
	stream_fake_vanish(bench.device);
	bench_pass(2 * SECOND);
	stream_fake_return(bench.device);
	bench_pass(4 * SECOND); /* at once, this time */
	assert_int_equal(bench_report().state, SOURCE_OK);
	bench_end();
}

static void an_adapter_at_another_speed_than_configured_is_said_to_be_silent(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench.speed = 9600;
	bench_start();
	bench_pass(30 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_SILENT);
	assert_string_equal(bench_report().reason, "source_silent");
	bench_end();
}

static void an_adapter_that_wakes_late_is_found_in_a_later_round(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench.config.baud = 0;
	bench.speed = 77777; /* none of ours */
	bench_start();
	bench_pass(30 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_SILENT);
	bench.speed = 38400;
	bench_pass(40 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_int_equal(bench_report().baud, 38400);
	bench_end();
}

static void a_speed_that_the_line_cannot_do_is_passed_over(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench.config.baud = 0;
	bench.speed = 9600;
	bench_start();
	bench_pass(100 * MS);
	stream_fake_fail_baud(bench.device, -34 /* ERANGE: 115200 */);
	bench_pass(10 * SECOND);
	assert_int_equal(bench_report().state, SOURCE_OK);
	assert_int_equal(bench_report().baud, 9600);
	bench_end();
}

int suite_agent_obd_mend(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)
		TEST(what_the_adapter_does_not_understand_is_not_asked_again),
		TEST(a_stopped_request_is_sent_once_more_and_no_more),
		TEST(a_line_with_an_error_is_no_data_and_is_asked_for_once_more),
		TEST(an_adapter_whose_buffer_overran_listens_to_one_unit),
		TEST(an_overrun_that_cannot_be_narrowed_gives_nothing),
		TEST(a_low_voltage_reset_runs_the_set_up_and_forgets_the_event),
		TEST(an_echo_that_comes_back_runs_the_set_up),
		TEST(an_adapter_that_resets_itself_for_ever_is_reported_and_paused),
		TEST(an_internal_error_runs_the_set_up_and_is_reported_when_it_goes_on),
		TEST(an_adapter_that_warns_of_sleep_is_spoken_to),
		TEST(a_vehicle_that_sleeps_keeps_its_protocol),
		TEST(a_bus_that_never_works_is_left_alone_in_the_end),
		TEST(one_request_that_breaks_the_bus_does_not_starve_the_others),
		TEST(bytes_without_a_prompt_do_not_hold_the_source),
#undef TEST
		cmocka_unit_test(the_speed_is_found_by_trying_and_remembered),
		cmocka_unit_test(an_adapter_at_another_speed_than_configured_is_said_to_be_silent),
		cmocka_unit_test(an_adapter_that_wakes_late_is_found_in_a_later_round),
		cmocka_unit_test(a_speed_that_the_line_cannot_do_is_passed_over),
	};

	return cmocka_run_group_tests_name("agent.obd_mend", tests, NULL, NULL);
}
