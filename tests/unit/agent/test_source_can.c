#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/unit/agent/bus_bench.h"

#define SEEN (bus_bench.seen)

#define MOVING "380#1000040000000000"
#define PACK "520#00A00F9CFF000000"

static int setup(void **state)
{
	(void)state;
	bus_bench_make(&source_can_ops, BUS_FOLDER "/car.conf");
	bus_bench_start();
	return 0;
}

static int setup_truck(void **state)
{
	(void)state;
	bus_bench_make(&source_can_ops, BUS_FOLDER "/truck.conf");
	bus_bench_start();
	return 0;
}

static void signals_of_a_dbc_file_become_the_vehicle(void **state)
{
	(void)state;
	bus_bench_say(MOVING);
	assert_float_equal(SEEN.number[MODEL_FIELD_SPEED_KMH], 65.918730F, 1e-3);
	assert_int_equal(SEEN.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_ON);
	assert_int_equal(SEEN.given[MODEL_FIELD_GEAR], 0); /* 0 is no word of the map */
	bus_bench_say("380#1000140000000000");
	assert_int_equal(SEEN.given[MODEL_FIELD_GEAR], 1);
	assert_int_equal(SEEN.integer[MODEL_FIELD_GEAR], 0);
	bus_bench_say("380#1000400000000000");
	assert_int_equal(SEEN.integer[MODEL_FIELD_GEAR], 3);
	bus_bench_say(PACK);
	assert_float_equal(SEEN.number[MODEL_FIELD_PACK_VOLTAGE_V], 400, 1e-9);
	assert_float_equal(SEEN.number[MODEL_FIELD_PACK_CURRENT_A], 10, 1e-9);
	assert_float_equal(SEEN.number[MODEL_FIELD_PACK_POWER_KW], 4, 1e-9);
	bus_bench_say("520#010000A242000000");
	assert_float_equal(SEEN.number[MODEL_FIELD_STATE_OF_CHARGE_PCT], 81, 1e-9);
	assert_int_equal(bus_bench_report().bus.frames, 5);
	assert_string_equal(bus_bench_report().bus.map, "A car");
	assert_int_equal(SEEN.written, 0);
}

static void an_implausible_number_is_refused(void **state)
{
	(void)state;
	bus_bench_say("520#0000000000000000"); /* 0 V */
	bus_bench_say("520#010000C07F000000"); /* not a number */
	bus_bench_say("520#010000FA43000000"); /* 500 % */
	assert_int_equal(SEEN.given[MODEL_FIELD_PACK_VOLTAGE_V], 0);
	assert_int_equal(SEEN.given[MODEL_FIELD_STATE_OF_CHARGE_PCT], 0);
	assert_int_equal(bus_bench_report().bus.implausible, 2);
}

static void what_is_not_of_the_map_is_not_heard(void **state)
{
	(void)state;
	bus_bench_say("381#1000040000000000");
	bus_bench_say("18FEF100#FFFFFFFFFFFFFFFF");
	assert_int_equal(bus_bench_report().bus.frames, 0);
	assert_string_equal(bus_bench_report().reason, "starting");
}

static void a_silent_bus_is_off_and_one_that_is_down_is_not(void **state)
{
	(void)state;
	bus_bench_repeat(MOVING, 2 * SECOND);
	bus_bench_pass(12 * SECOND);
	assert_string_equal(bus_bench_report().reason, "ignition_off");
	assert_int_equal(SEEN.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_OFF);
	bus_bench_repeat(MOVING, 2 * SECOND);
	assert_int_equal(SEEN.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_ON);
	can_fake_down(bus_bench.fake);
	bus_bench_pass(30 * SECOND);
	assert_string_equal(bus_bench_report().reason, "interface_down");
	assert_int_equal(SEEN.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_ON);
}

static void frames_that_could_not_be_kept_are_counted(void **state)
{
	(void)state;
	for (int i = 0; i < CAN_FAKE_QUEUE + 10; i++)
		can_fake_send_data(bus_bench.fake, 0x380, "\x10\x00\x04\x00\x00\x00\x00\x00", 8);
	bus_bench_pass(2 * SECOND);
	assert_int_equal(bus_bench_report().bus.frames, CAN_FAKE_QUEUE);
	assert_int_equal(bus_bench_report().bus.dropped, 10);
}

static void it_can_be_stopped_and_started_again(void **state)
{
	(void)state;
	bus_bench_say(MOVING);
	source_can_ops.stop(bus_bench.source);
	assert_int_equal(can_fake_ends(bus_bench.fake), 0);
	bus_bench_say(MOVING);
	bus_bench_pass(5 * SECOND);
	assert_int_equal(bus_bench_report().bus.frames, 1);
	assert_int_equal(source_can_ops.start(bus_bench.source), 0);
	bus_bench_say(MOVING);
	assert_int_equal(bus_bench_report().bus.frames, 2);
	can_fake_fail_read(bus_bench.fake, -EIO);
	bus_bench_say(MOVING);
	assert_string_equal(bus_bench_report().reason, "adapter_unreachable");
	bus_bench_pass(SECOND);
	bus_bench_say(MOVING);
	assert_int_equal(bus_bench_report().state, SOURCE_OK);
}

static void a_dbc_file_of_a_truck_is_matched_by_parameter_group(void **state)
{
	(void)state;
	bus_bench_say("0CF00400#FFFF7DE015FFFFFF");
	assert_float_equal(SEEN.number[MODEL_FIELD_ENGINE_RPM], 700, 0);
	bus_bench_say("18FEC1EE#E8F4E40141B11600");
	assert_float_equal(SEEN.number[MODEL_FIELD_ODOMETER_KM], 158910.6, 1e-6);
	assert_int_equal(bus_bench_report().ecus, 2);
}

static void nothing_is_sent_by_this_kind(void **state)
{
	const char *key = "";
	char expected[200];

	(void)state;
	bus_bench.config.requests = "vin";
	assert_int_equal(source_can_ops.check(&bus_bench.config, &key, expected, 200), -EINVAL);
	assert_string_equal(key, "requests");
	bus_bench.config.requests = "";
	assert_int_equal(source_can_ops.check(&bus_bench.config, &key, expected, 200), 0);
	assert_int_equal(source_j1939_ops.check(&bus_bench.config, &key, expected, 200), -EINVAL);
	assert_string_equal(key, "map");
}

#define CAR(test) cmocka_unit_test_setup_teardown(test, setup, bus_bench_teardown)

int suite_agent_source_can(void)
{
	const struct CMUnitTest tests[] = {
		CAR(signals_of_a_dbc_file_become_the_vehicle),
		CAR(an_implausible_number_is_refused),
		CAR(what_is_not_of_the_map_is_not_heard),
		CAR(a_silent_bus_is_off_and_one_that_is_down_is_not),
		CAR(frames_that_could_not_be_kept_are_counted),
		CAR(it_can_be_stopped_and_started_again),
		cmocka_unit_test_setup_teardown(a_dbc_file_of_a_truck_is_matched_by_parameter_group,
						setup_truck, bus_bench_teardown),
		CAR(nothing_is_sent_by_this_kind),
	};

	return cmocka_run_group_tests_name("agent.source.can", tests, NULL, NULL);
}
