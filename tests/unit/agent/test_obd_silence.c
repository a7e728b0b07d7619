#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/agent/obd_bench.h"

int suite_agent_obd_silence(void);

/* A battery whose answers need flow control by hand, and which 0100 does not reach. */
static const char distant[] =
	"[profile]\nname = distant\nbus = can11_500\ndetect = battery\n"
	"[command battery]\nrequest = 22 01 01\necu = 79B 7BB\nperiod = 2 s\n"
	"[signal soc]\ncommand = battery\nbytes = 0 1\ndiv = 2\nunit = %\ntrust = claimed\n"
	"field = battery.state_of_charge_pct\n";

static const char vin_reply[] = "7E81014490201314434\r7E82147503030525835\r7E82242313233343536";

static void without_flow_control(void)
{
	bench_reply("ATFCSH7E0", "?");
	bench_reply("ATFCSD300000", "?");
	bench_reply("ATFCSM1", "?");
}

static int distant_setup(void **state)
{
	(void)state;
	bench_make(distant);
	rhythm_defaults(&bench.config.rhythm);
	bench_reply("ATDPN", "6");
	bench_reply("ATRV", "14.1V");
	bench_reply("0100", "NO DATA");
	bench_reply("220101", "7BB0462010164");
	return 0;
}

static void a_vehicle_that_the_adapter_cannot_ask_is_not_called_asleep(void **state)
{
	(void)state;
	without_flow_control();
	bench_start();
	bench_pass(2 * MINUTE);
	assert_int_equal(bench.seen.given[MODEL_FIELD_IGNITION], 0);
	assert_int_equal(bench_report().state, SOURCE_SILENT);
	assert_string_equal(bench_report().reason, "source_silent");
	assert_non_null(strstr(bench_report().detail, "flow control"));
	assert_in_range(bench_count("0100"), 1, 6); /* and it is not asked for ever */
	assert_true(bench.seen.given[MODEL_FIELD_AUX_BATTERY_V] > 0);
}

static void a_vehicle_that_answered_before_sleeps_when_it_is_silent(void **state)
{
	(void)state;
	without_flow_control();
	bench_reply("0100", "7E806410000180000");
	bench_start();
	bench_pass(10 * SECOND);
	bench_reply("0100", "NO DATA");
	bench_reply("ATRV", "12.6V");
	bench_pass(20 * MINUTE);
	/* Nobody has looked yet: what is known is that nothing can be read. */
	assert_string_equal(bench_report().reason, "source_silent");
	bench_pass(240 * MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
}

static void a_filter_that_cannot_be_taken_away_is_not_tried(void **state)
{
	(void)state;
	bench_reply("ATCRA", "?");
	bench_reply("ATAR", "?");
	bench_reply("0100", "7E806410000180000");
	bench_start();
	bench_pass(MINUTE);
	assert_int_equal(bench_count("ATCRA7E8"), 0);
	assert_int_equal(bench_count("ATCRA7BB"), 0);
	assert_int_equal(bench_count("220101"), 0); /* its answer would not be heard */
	assert_true(bench_refusal("battery")[0] != '\0');
}

static void whoever_answers_what_nobody_understands_is_asked_seldom(void **state)
{
	int asked;

	(void)state;
	bench_reply("0100", "7E8ZZ");
	bench_reply("ATRV", "12.6V");
	bench_start();
	bench_pass(5 * MINUTE);
	asked = bench_count("0100");
	assert_in_range(asked, 15, 30); /* garbled ones twice */
	assert_string_equal(bench_report().reason, "source_silent");
	bench_pass(60 * MINUTE);
	assert_in_range(bench_count("0100") - asked, 0, 2);
	assert_int_equal(bench.seen.given[MODEL_FIELD_IGNITION], 0);
	assert_string_equal(bench_report().reason, "source_silent");
}

static void a_plug_and_silence_tell_nothing_of_the_vin(void **state)
{
	int given, measured;

	(void)state;
	bench_reply("0100", "7E806410000180000");
	bench_reply("0902", vin_reply);
	bench_reply("ATRV", "12.6V");
	bench_start();
	bench_pass(10 * SECOND);
	given = bench.seen.given[MODEL_FIELD_IDENTITY_VIN];
	assert_true(given > 0);
	assert_string_equal(bench.seen.vin, "1D4GP00RX5B123456");
	bench_reply("220101", "NO DATA");
	bench_reply("0100", "NO DATA");
	bench_pass(10 * MINUTE);
	assert_string_equal(bench_report().reason, "vehicle_asleep");
	given = bench.seen.given[MODEL_FIELD_IDENTITY_VIN];
	measured = bench.seen.given[MODEL_FIELD_AUX_BATTERY_V];
	bench_pass(10 * MINUTE);
	assert_int_equal(bench.seen.given[MODEL_FIELD_IDENTITY_VIN], given);
	assert_in_range(bench.seen.given[MODEL_FIELD_AUX_BATTERY_V] - measured, 9, 11);
}

int suite_agent_obd_silence(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, distant_setup, bench_teardown)
		TEST(a_vehicle_that_the_adapter_cannot_ask_is_not_called_asleep),
		TEST(a_vehicle_that_answered_before_sleeps_when_it_is_silent),
		TEST(a_filter_that_cannot_be_taken_away_is_not_tried),
		TEST(whoever_answers_what_nobody_understands_is_asked_seldom),
		TEST(a_plug_and_silence_tell_nothing_of_the_vin),
#undef TEST
	};

	return cmocka_run_group_tests_name("agent.obd_silence", tests, NULL, NULL);
}
