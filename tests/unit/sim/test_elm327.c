/* The simulated adapter must say what the real one says: these are transcripts in the data sheet's
 * grammar, not in our parser's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/elm327.h"

int suite_sim_elm327(void);

#define LATER_US 10000000

struct bench {
	struct vehicle vehicle;
	struct elm327 elm;
	struct buf out;
	int64_t now_us;
	unsigned served;
};

static void on_served(void *arg, const uint8_t *answer, size_t len)
{
	struct bench *bench = arg;

	(void)answer;
	(void)len;
	bench->served++;
}

static int begin(void **state)
{
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	vehicle_init(&bench.vehicle, 1, 0);
	elm327_init(&bench.elm, &bench.vehicle, 7, 1000);
	bench.elm.served = on_served;
	bench.elm.served_arg = &bench;
	buf_init(&bench.out, 65536);
	*state = &bench;
	return 0;
}

static int end(void **state)
{
	struct bench *bench = *state;

	elm327_fini(&bench->elm);
	buf_free(&bench->out);
	return 0;
}

/* Sends a command, waits for its reply, returns all that came. */
static const char *ask(struct bench *bench, const char *command)
{
	buf_reset(&bench->out);
	for (const char *c = command; *c != '\0'; c++)
		elm327_hear(&bench->elm, *c, bench->now_us, &bench->out);
	elm327_hear(&bench->elm, '\r', bench->now_us, &bench->out);
	bench->now_us += LATER_US;
	elm327_advance(&bench->elm, bench->now_us, &bench->out);
	return buf_text(&bench->out);
}

static void prepare(struct bench *bench)
{
	static const char *const commands[] = {"ATE0", "ATL0", "ATS0", "ATH1", "ATSP0"};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		ask(bench, commands[i]);
}

static void reset_shows_echo_banner_and_prompt(void **state)
{
	assert_string_equal(ask(*state, "ATZ"), "ATZ\r\r\rELM327 v1.5\r\r>");
}

static void echo_off_takes_effect_after_its_own_reply(void **state)
{
	assert_string_equal(ask(*state, "ate0"), "ate0\rOK\r\r>");
	assert_string_equal(ask(*state, "ATI"), "ELM327 v1.5\r\r>");
}

static void unknown_command_gets_a_question_mark(void **state)
{
	ask(*state, "ATE0");
	assert_string_equal(ask(*state, "ATXYZ"), "?\r\r>");
	assert_string_equal(ask(*state, "hello"), "?\r\r>");
}

static void first_request_searches_and_both_units_answer_with_their_ids(void **state)
{
	prepare(*state);
	const char *reply = ask(*state, "0100");

	assert_memory_equal(reply, "SEARCHING...\r7E8064100", 22);
	assert_non_null(strstr(reply, "\r7EC064100"));
	assert_int_equal(((struct bench *)*state)->served, 2);
}

static void speed_is_one_padded_frame(void **state)
{
	struct bench *bench = *state;

	prepare(bench);
	ask(bench, "0100");
	bench->vehicle.speed_kmh = 50;
	bench->vehicle.activity = VEHICLE_PARKED;
	bench->vehicle.activity_until_us = INT64_MAX;
	assert_string_equal(ask(bench, "010D"), "7E803410D00AAAAAAAA\r\r>");
}

static void vin_comes_in_three_frames(void **state)
{
	prepare(*state);
	ask(*state, "0100");
	assert_string_equal(ask(*state, "0902"), "7E810144902015A5A39\r"
						 "7E82146524553484554\r"
						 "7E82230303030303031\r\r>");
}

static void without_headers_the_chip_numbers_the_lines(void **state)
{
	prepare(*state);
	ask(*state, "0100");
	ask(*state, "ATH0");
	assert_string_equal(ask(*state, "0902"), "014\r0:4902015A5A39\r"
						 "1:46524553484554\r"
						 "2:30303030303031\r\r>");
}

static void a_pid_that_nobody_has_gets_no_data(void **state)
{
	prepare(*state);
	ask(*state, "0100");
	assert_string_equal(ask(*state, "0111"), "NO DATA\r\r>");
}

static void a_byte_while_busy_stops_the_work(void **state)
{
	struct bench *bench = *state;

	prepare(bench);
	ask(bench, "0100");
	buf_reset(&bench->out);
	for (const char *c = "010D\r"; *c != '\0'; c++)
		elm327_hear(&bench->elm, *c, bench->now_us, &bench->out);
	elm327_hear(&bench->elm, 'A', bench->now_us, &bench->out);
	elm327_advance(&bench->elm, bench->now_us + LATER_US, &bench->out);
	assert_string_equal(buf_text(&bench->out), "STOPPED\r\r>");
}

static void low_voltage_resets_once_and_loses_settings(void **state)
{
	struct bench *bench = *state;

	prepare(bench);
	ask(bench, "0100");
	bench->elm.fault = ELM327_FAULT_LV_RESET;
	assert_non_null(strstr(ask(bench, "010D"), "LV RESET"));
	assert_string_equal(ask(bench, "ATI"), "ATI\rELM327 v1.5\r\r>");
	assert_false(bench->elm.set.headers);
}

static void mute_says_nothing_at_all(void **state)
{
	struct bench *bench = *state;

	prepare(bench);
	bench->elm.fault = ELM327_FAULT_MUTE;
	assert_string_equal(ask(bench, "010D"), "");
}

static void each_reading_of_a_stepping_odometer_is_further(void **state)
{
	struct bench *bench = *state;
	uint8_t first[ECU_ANSWER_MAX];
	uint8_t second[ECU_ANSWER_MAX];
	const uint8_t request[] = {0x01, 0xA6};

	bench->vehicle.odometer_step_km = 0.1;
	assert_int_equal(ecu_answer(&bench->vehicle, ECU_POWERTRAIN, request, 2, first), 6);
	assert_int_equal(ecu_answer(&bench->vehicle, ECU_POWERTRAIN, request, 2, second), 6);
	assert_int_not_equal(first[5], second[5]);
}

static void several_pids_in_one_request_come_in_one_answer(void **state)
{
	struct bench *bench = *state;
	uint8_t answer[ECU_ANSWER_MAX];
	const uint8_t request[] = {0x01, 0x0D, 0x42};

	assert_int_equal(ecu_answer(&bench->vehicle, ECU_POWERTRAIN, request, 3, answer), 6);
	assert_int_equal(answer[1], 0x0D);
	assert_int_equal(answer[3], 0x42);
}

int suite_sim_elm327(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(reset_shows_echo_banner_and_prompt),
		CASE(echo_off_takes_effect_after_its_own_reply),
		CASE(unknown_command_gets_a_question_mark),
		CASE(first_request_searches_and_both_units_answer_with_their_ids),
		CASE(speed_is_one_padded_frame),
		CASE(vin_comes_in_three_frames),
		CASE(without_headers_the_chip_numbers_the_lines),
		CASE(a_pid_that_nobody_has_gets_no_data),
		CASE(a_byte_while_busy_stops_the_work),
		CASE(low_voltage_resets_once_and_loses_settings),
		CASE(mute_says_nothing_at_all),
		CASE(each_reading_of_a_stepping_odometer_is_further),
		CASE(several_pids_in_one_request_come_in_one_answer),
	};

	return cmocka_run_group_tests_name("sim_elm327", tests, NULL, NULL);
}
