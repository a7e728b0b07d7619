#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/unit/agent/bus_bench.h"

/* A sum that is right, invented: 1 M8 GDM9A _ KP 042788 is the standard's own example. */
#define VIN "1M8GDM9AXKP042788"
#define SEEN (bus_bench.seen)

#define IDLE "0CF00400#FFFF7DE015FFFFFF" /* 700 rpm */
#define STANDING "0CF00400#FFFF7D0000FFFFFF"

static int setup(void **state)
{
	(void)state;
	bus_bench_make(&source_j1939_ops, MAPS_FOLDER "/j1939.conf");
	return 0;
}

static int setup_started(void **state)
{
	(void)setup(state);
	bus_bench_start();
	return 0;
}

static int setup_asking(void **state)
{
	(void)setup(state);
	bus_bench.config.requests = "vin hours";
	bus_bench_start();
	return 0;
}

/* ---- values ---- */

static void what_the_bus_says_becomes_the_vehicle(void **state)
{
	(void)state;
	bus_bench_say(IDLE);
	assert_int_equal(SEEN.updates, 1);
	assert_float_equal(SEEN.number[MODEL_FIELD_ENGINE_RPM], 700, 0);
	assert_int_equal(SEEN.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_ON);
	assert_int_equal(SEEN.mono_us, 5 * SECOND);
	bus_bench_say("18FEC1EE#E8F4E40141B11600");
	assert_float_equal(SEEN.number[MODEL_FIELD_ODOMETER_KM], 158910.6, 1e-6);
	bus_bench_say("18FE4E21#F0FFFFFFFFFFFFFF");
	assert_int_equal(SEEN.integer[MODEL_FIELD_DOORS_OPEN], 1);
	bus_bench_say("18FEF100#F7FFFFC3FFFFFFFF");
	assert_int_equal(SEEN.integer[MODEL_FIELD_PARKING_BRAKE], 1);
	assert_int_equal(SEEN.integer[MODEL_FIELD_BRAKE_PRESSED], 0);
	bus_bench_say("18FEF300#0013AC990040B085");
	assert_float_equal(SEEN.number[MODEL_FIELD_LATITUDE], 47.8191104F, 1e-5);
	assert_int_equal(SEEN.given[MODEL_FIELD_LOCATION_STATUS], 1);
	assert_string_equal(bus_bench_report().reason, "");
	assert_int_equal(bus_bench_report().state, SOURCE_OK);
	assert_int_equal(bus_bench_report().ecus, 3);
	assert_int_equal(bus_bench_report().bus.frames, 5);
	/* Nothing was sent, ever. */
	assert_int_equal(SEEN.written, 0);
}

static void what_is_not_available_or_implausible_is_not_given(void **state)
{
	(void)state;
	bus_bench_say("0CF00400#FFFF7DFFFFFFFFFF");
	bus_bench_say("18FEF547#0000002022000000"); /* -273 C in the cab, 0 C outside */
	bus_bench_say("18FEEE00#FEFFFFFFFFFFFFFF");
	assert_int_equal(SEEN.given[MODEL_FIELD_ENGINE_RPM], 0);
	assert_int_equal(SEEN.given[MODEL_FIELD_INSIDE_TEMP_C], 0);
	assert_int_equal(SEEN.given[MODEL_FIELD_ENGINE_COOLANT_TEMP_C], 0);
	assert_int_equal(SEEN.given[MODEL_FIELD_OUTSIDE_TEMP_C], 1);
	assert_int_equal(bus_bench_report().bus.implausible, 1);
}

static void the_cluster_that_wakes_does_not_outdo_the_tachograph(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		bus_bench_say(STANDING);
		bus_bench_say("18FEC117#4C1D00004C1D0000"); /* 37.5 km */
		bus_bench_pass(SECOND);
	}
	assert_int_equal(SEEN.given[MODEL_FIELD_ODOMETER_KM], 0);
	bus_bench_say("18FEC1EE#E8F4E40141B11600");
	assert_float_equal(SEEN.number[MODEL_FIELD_ODOMETER_KM], 158910.6, 1e-6);
	assert_true(bus_bench_report().bus.outranked >= 20);
}

static void it_is_stated_whole_once_it_was_heard_a_while(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, 9 * SECOND);
	assert_int_equal(SEEN.keyframes, 0);
	bus_bench_repeat(IDLE, 20 * SECOND);
	assert_int_equal(SEEN.keyframes, 1);
	/* About once a second, not ten times. */
	assert_in_range(SEEN.given[MODEL_FIELD_ENGINE_RPM], 25, 31);
}

/* ---- several frames ---- */

static void broadcasts_of_two_units_at_once_are_put_together(void **state)
{
	static const char *const frames[] = {
		"1CECFF00#20130003FFECFE00", "1CECFF21#200A0002FFCAFE00",
		"1CEBFF00#01314D3847444D39", "1CEBFF21#0140FF6E000302FF",
		"1CEBFF00#0241584B50303432", "1CEBFF21#02E10603FFFFFFFF",
		"1CEBFF00#033738382A2AFFFF",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		bus_bench_say(frames[i]);
		bus_bench_pass(50 * MS);
	}
	assert_int_equal(bus_bench_report().bus.messages, 2);
	assert_int_equal(bus_bench_report().bus.broken, 0);
}

static void the_vin_of_the_bus_is_the_vehicle(void **state)
{
	(void)state;
	bus_bench_broadcast(65260, 0, VIN "*", 18);
	assert_string_equal(SEEN.text[MODEL_FIELD_IDENTITY_VIN], VIN);
	assert_string_equal(SEEN.vin, VIN);
	assert_string_equal(bus_bench_report().vin, VIN);
	assert_string_equal(bus_bench_report().vin_judgement, "right");
	/* A trailer's is not the vehicle's; the engine's other one is another vehicle. */
	bus_bench_broadcast(65260, 0x35, "WDB9634031L123456*", 18);
	assert_string_equal(bus_bench_report().vin, VIN);
	bus_bench_broadcast(65260, 0, "WDB9634031L123456*", 18);
	assert_string_equal(bus_bench_report().vin, "WDB9634031L123456");
	assert_string_equal(bus_bench_report().vin_judgement, "unchecked");
	assert_string_equal(SEEN.vin, "WDB9634031L123456");
}

static void a_vin_is_not_of_who_was_there_before_the_interface_was_lost(void **state)
{
	(void)state;
	bus_bench_broadcast(65260, 0, VIN "*", 18);
	bus_bench_say("18FEC1EE#E8F4E40141B11600");
	can_fake_remove(bus_bench.fake);
	bus_bench_pass(SECOND);
	assert_string_equal(bus_bench_report().vin, "");
	can_fake_return(bus_bench.fake);
	bus_bench_pass(2 * SECOND);
	bus_bench_say(IDLE);
	assert_string_equal(SEEN.vin, "");
	/* Another vehicle: its odometer is not held against the last one's. */
	bus_bench_broadcast(65260, 0, "WDB9634031L123456*", 18);
	bus_bench_say("18FEC1EE#400D0300FFFFFFFF");
	assert_float_equal(SEEN.number[MODEL_FIELD_ODOMETER_KM], 1000, 0);
	assert_string_equal(SEEN.vin, "WDB9634031L123456");
}

static void a_vin_whose_sum_is_wrong_is_not_believed(void **state)
{
	(void)state;
	bus_bench_broadcast(65260, 0, "1M8GDM9A5KP042788*", 18);
	assert_int_equal(SEEN.given[MODEL_FIELD_IDENTITY_VIN], 0);
	assert_string_equal(bus_bench_report().vin, "");
	assert_string_equal(bus_bench_report().vin_given, "1M8GDM9A5KP042788");
	assert_string_equal(bus_bench_report().vin_judgement, "wrong_sum");
}

static void the_engine_names_itself(void **state)
{
	(void)state;
	bus_bench_broadcast(65259, 0, "ACME*T 500*00012345**", 21);
	bus_bench_broadcast(65242, 0, "\001V1.2.3*", 8 + 1);
	assert_string_equal(bus_bench_report().bus.component, "ACME T500 00012345");
	assert_string_equal(bus_bench_report().bus.software, "V1.2.3");
}

static void a_handshake_between_others_is_overheard(void **state)
{
	(void)state;
	bus_bench_say("18EC0B00#10120003FFECFE00");
	bus_bench_say("18EC000B#110301FFFFECFE00");
	bus_bench_say("18EB0B00#01314D3847444D39");
	bus_bench_say("18EB0B00#0241584B50303432");
	bus_bench_say("18EB0B00#033738382AFFFFFF");
	bus_bench_say("18EC000B#13120003FFECFE00");
	assert_string_equal(bus_bench_report().vin, VIN);
	assert_int_equal(SEEN.written, 0);
}

/* ---- trouble codes ---- */

static void trouble_codes_of_all_units_are_one_list(void **state)
{
	static const uint8_t two[] = {0x00, 0xff, 0x6e, 0x00, 0x03, 0x02, 0xe1, 0x06, 0x03, 0x01};

	(void)state;
	for (int i = 0; i < 5; i++) {
		bus_bench_say("18FECA21#40FF6E000302FFFF"); /* lamp on; SPN 110 FMI 3 */
		bus_bench_broadcast(65226, 0, two, sizeof(two));
		bus_bench_say("18FECA31#00FF00000000FFFF");
		bus_bench_pass(SECOND);
	}
	assert_string_equal(SEEN.text[MODEL_FIELD_DTC_CONFIRMED], "SPN 110 FMI 3;SPN 1761 FMI 3");
	assert_int_equal(SEEN.integer[MODEL_FIELD_MIL_ON], 1);
	/* Once, for nothing has changed. */
	assert_int_equal(SEEN.given[MODEL_FIELD_DTC_CONFIRMED], 1);
	/* One goes, its unit stays. */
	for (int i = 0; i < 12; i++) {
		bus_bench_say("18FECA21#00FF00000000FFFF");
		bus_bench_broadcast(65226, 0, two, sizeof(two));
		bus_bench_pass(SECOND);
	}
	assert_string_equal(SEEN.text[MODEL_FIELD_DTC_CONFIRMED], "SPN 110 FMI 3;SPN 1761 FMI 3");
	assert_int_equal(SEEN.integer[MODEL_FIELD_MIL_ON], 0);
	/* All are gone: units without codes may be quiet, others of the bus are not. */
	bus_bench_repeat(IDLE, 13 * SECOND);
	assert_string_equal(SEEN.text[MODEL_FIELD_DTC_CONFIRMED], "");
}

static void codes_stay_while_the_bus_sleeps(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		bus_bench_say("18FECA21#40FF6E000302FFFF");
		bus_bench_pass(SECOND);
	}
	bus_bench_pass(60 * SECOND);
	assert_string_equal(bus_bench_report().reason, "ignition_off");
	bus_bench_say(STANDING);
	bus_bench_pass(2 * SECOND);
	bus_bench_say("18FECA21#40FF6E000302FFFF");
	bus_bench_pass(2 * SECOND);
	assert_string_equal(SEEN.text[MODEL_FIELD_DTC_CONFIRMED], "SPN 110 FMI 3");
}

static void codes_that_were_active_before_are_a_list_of_their_own(void **state)
{
	(void)state;
	bus_bench_say("18FECB00#00FF64000401FFFF");
	bus_bench_repeat(IDLE, 5 * SECOND);
	assert_string_equal(SEEN.text[MODEL_FIELD_DTC_PREVIOUS], "SPN 100 FMI 4");
	assert_int_equal(SEEN.given[MODEL_FIELD_DTC_CONFIRMED], 0);
	assert_int_equal(SEEN.given[MODEL_FIELD_MIL_ON], 0);
}

/* ---- how the bus is doing ---- */

static void a_bus_that_falls_silent_is_off_and_says_so_each_minute(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, 3 * SECOND);
	assert_true(bus_bench_report().bus.frames_per_s > 9);
	bus_bench_pass(9 * SECOND);
	assert_string_equal(bus_bench_report().reason, "");
	bus_bench_pass(3 * SECOND);
	assert_string_equal(bus_bench_report().reason, "ignition_off");
	assert_int_equal(bus_bench_report().state, SOURCE_OK);
	assert_int_equal(SEEN.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_OFF);
	SEEN.given[MODEL_FIELD_IGNITION] = 0;
	bus_bench_pass(180 * SECOND);
	assert_int_equal(SEEN.given[MODEL_FIELD_IGNITION], 3);
	bus_bench_say(STANDING);
	assert_string_equal(bus_bench_report().reason, "");
	assert_int_equal(SEEN.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_ACCESSORY);
}

static void a_bus_that_was_never_heard_is_not_called_off(void **state)
{
	(void)state;
	bus_bench_pass(5 * SECOND);
	assert_string_equal(bus_bench_report().reason, "starting");
	bus_bench_pass(10 * SECOND);
	assert_string_equal(bus_bench_report().reason, "source_silent");
	assert_int_equal(bus_bench_report().state, SOURCE_SILENT);
	assert_int_equal(SEEN.updates, 0);
	bus_bench_say("18FF0021#0000");
	assert_string_equal(bus_bench_report().reason, "source_silent");
	bus_bench_say(IDLE);
	assert_int_equal(bus_bench_report().state, SOURCE_OK);
}

static void an_interface_that_goes_down_and_up_is_told_and_heard_again(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, 3 * SECOND);
	can_fake_down(bus_bench.fake);
	bus_bench_pass(2 * SECOND);
	assert_int_equal(bus_bench_report().state, SOURCE_ERROR);
	assert_string_equal(bus_bench_report().reason, "interface_down");
	assert_string_equal(bus_bench_report().bus.condition, "down");
	bus_bench_pass(60 * SECOND);
	assert_string_equal(bus_bench_report().reason, "interface_down");
	assert_int_equal(SEEN.integer[MODEL_FIELD_IGNITION], MODEL_IGNITION_ON);
	can_fake_up(bus_bench.fake);
	bus_bench_repeat(IDLE, 2 * SECOND);
	assert_int_equal(bus_bench_report().state, SOURCE_OK);
	assert_string_equal(bus_bench_report().reason, "");
}

static void an_interface_that_is_unplugged_is_opened_again_when_it_is_back(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, SECOND);
	can_fake_remove(bus_bench.fake);
	bus_bench_pass(20 * SECOND);
	assert_string_equal(bus_bench_report().reason, "adapter_unplugged");
	assert_int_equal(bus_bench_report().state, SOURCE_ERROR);
	can_fake_return(bus_bench.fake);
	bus_bench_repeat(IDLE, 31 * SECOND);
	assert_int_equal(bus_bench_report().state, SOURCE_OK);
	assert_int_equal(bus_bench_report().inits, 2);
}

static void a_controller_that_has_left_the_bus_is_told(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, SECOND);
	can_fake_set_condition(bus_bench.fake, CANBUS_OFF);
	bus_bench_pass(30 * SECOND);
	assert_string_equal(bus_bench_report().reason, "bus_off");
	assert_int_equal(bus_bench_report().state, SOURCE_ERROR);
	assert_int_equal(bus_bench_report().bus.bus_offs, 1);
	can_fake_set_condition(bus_bench.fake, CANBUS_ACTIVE);
	bus_bench_repeat(IDLE, SECOND);
	assert_int_equal(bus_bench_report().state, SOURCE_OK);
}

static void garbage_gives_nothing(void **state)
{
	static const char *const frames[] = {"1CECFF00#20FFFFFFFFFFFFFF",
					     "1CECFF00#FF",
					     "1CEBFF00#",
					     "1CEBFF00#0100000000000000",
					     "18FECA00#00",
					     "18FEEC00#0102030405060708",
					     "0CF00400#",
					     "18FEC1EE#FFFFFFFFFFFFFFFF",
					     "18FECA00#FFFFFFFFFFFFFFFF",
					     "123#0102030405060708",
					     "1CEC00FF#1100000000000000"};

	(void)state;
	for (int round = 0; round < 20; round++)
		for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
			bus_bench_say(frames[i]);
	bus_bench_pass(5 * SECOND);
	for (int i = 0; i < MODEL_FIELD_COUNT; i++)
		if (i != MODEL_FIELD_DTC_CONFIRMED)
			assert_int_equal(SEEN.given[i], 0);
	assert_string_equal(SEEN.text[MODEL_FIELD_DTC_CONFIRMED], "");
	assert_true(bus_bench_report().rejected > 0);
}

/* ---- asking ---- */

static void nothing_is_asked_of_a_bus_that_sleeps(void **state)
{
	(void)state;
	bus_bench_pass(60 * SECOND);
	assert_int_equal(SEEN.written, 0);
}

static void who_asks_has_claimed_an_address_before(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, 1100 * MS);
	assert_int_equal(SEEN.written, 1);
	assert_int_equal(SEEN.frames[0].id, 0x18eefff9);
	assert_string_equal(bus_bench_report().bus.asking, "claiming an address");
	bus_bench_repeat(IDLE, SECOND);
	assert_int_equal(bus_bench_report().bus.address, 0xf9);
	assert_string_equal(bus_bench_sent(), "18EAFFF9#ECFE00");
	assert_int_equal(bus_bench_report().requests, 1);
	bus_bench_broadcast(65260, 0, VIN "*", 18);
	assert_int_equal(bus_bench_report().answers, 1);
	bus_bench_repeat(IDLE, 2 * SECOND);
	assert_string_equal(bus_bench_sent(), "18EAFFF9#E5FE00");
	bus_bench_say("18FEE500#80841E00FFFFFFFF");
	assert_float_equal(SEEN.number[MODEL_FIELD_ENGINE_HOURS_H], 100000, 0);
	assert_int_equal(bus_bench_report().answers, 2);
	/* Each of them again after its period, no earlier. */
	bus_bench_repeat(IDLE, 500 * SECOND);
	assert_int_equal(bus_bench_report().requests, 2);
	bus_bench_repeat(IDLE, 150 * SECOND);
	assert_int_equal(bus_bench_report().requests, 4);
}

static void what_nobody_answers_is_asked_less_often(void **state)
{
	(void)state;
	bus_bench.config.request_us = 60 * SECOND;
	bus_bench_repeat(IDLE, 1000 * SECOND);
	/* Three times in three minutes, then every six. */
	assert_in_range(bus_bench_report().requests, 2 * 5, 2 * 6);
	assert_int_equal(bus_bench_report().bus.unanswered, bus_bench_report().requests);
	assert_int_equal(bus_bench_report().answers, 0);
}

static void a_stronger_claim_moves_us_to_another_address(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, 1100 * MS);
	bus_bench_say("18EEFFF9#0000000000000000");
	assert_int_equal(SEEN.written, 2);
	assert_int_equal(SEEN.frames[1].id, 0x18eeff80);
	bus_bench_repeat(IDLE, 2 * SECOND);
	assert_int_equal(bus_bench_report().bus.address, 0x80);
	assert_int_equal(SEEN.frames[2].id, 0x18eaff80);
	/* A weaker one is told. */
	bus_bench_say("18EEFF80#FFFFFFFFFFFFFFFF");
	assert_int_equal(SEEN.frames[3].id, 0x18eeff80);
	assert_int_equal(bus_bench_report().bus.address, 0x80);
}

static void a_handshake_that_is_meant_for_us_is_answered(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, 2 * SECOND);
	bus_bench_say("18ECF900#10120003FFECFE00");
	assert_string_equal(bus_bench_sent(), "1CEC00F9#110301FFFFECFE00");
	bus_bench_say("18EBF900#01314D3847444D39");
	bus_bench_say("18EBF900#0241584B50303432");
	bus_bench_say("18EBF900#033738382AFFFFFF");
	assert_string_equal(bus_bench_sent(), "1CEC00F9#13120003FFECFE00");
	assert_string_equal(bus_bench_report().vin, VIN);
}

static void a_lost_interface_loses_the_address_too(void **state)
{
	(void)state;
	bus_bench_repeat(IDLE, 2 * SECOND);
	assert_int_equal(bus_bench_report().bus.address, 0xf9);
	can_fake_down(bus_bench.fake);
	bus_bench_pass(2 * SECOND);
	assert_int_equal(bus_bench_report().bus.address, -1);
	can_fake_up(bus_bench.fake);
	SEEN.written = 0;
	bus_bench_repeat(IDLE, 2 * SECOND);
	assert_int_equal(SEEN.frames[0].id, 0x18eefff9);
}

static void an_interface_that_only_listens_is_said_to_do_so(void **state)
{
	(void)state;
	can_fake_set_silent(bus_bench.fake, true);
	bus_bench_repeat(IDLE, 3 * SECOND);
	assert_string_equal(bus_bench_report().bus.asking, "the interface only listens");
	assert_int_equal(bus_bench_report().requests, 0);
	assert_int_equal(bus_bench_report().state, SOURCE_OK);
}

/* ---- configuration ---- */

static void only_what_tells_may_be_asked_for(void **state)
{
	uint32_t out[BUS_REQUESTS_MAX];
	char expected[200];

	(void)state;
	assert_int_equal(bus_requests_parse("", out, expected, sizeof(expected)), 0);
	assert_int_equal(bus_requests_parse("vin, hours dm2", out, expected, sizeof(expected)), 3);
	assert_int_equal(out[2], 65227);
	assert_int_equal(bus_requests_parse("dm3", out, expected, sizeof(expected)), -EINVAL);
	assert_non_null(strstr(expected, "not 'dm3'"));
	assert_int_equal(bus_requests_parse("65228", out, expected, sizeof(expected)), -EINVAL);
	assert_int_equal(bus_requests_parse("vin vin", out, expected, sizeof(expected)), -EINVAL);
}

static void a_wrong_configuration_is_told_by_its_key(void **state)
{
	const char *key = "";
	char expected[200];

	(void)state;
	bus_bench.config.device = "can0";
	assert_int_equal(source_j1939_ops.check(&bus_bench.config, &key, expected, 200), -EINVAL);
	assert_string_equal(key, "device");
	bus_bench.config.device = "can:can0";
	bus_bench.config.requests = "everything";
	assert_int_equal(source_j1939_ops.check(&bus_bench.config, &key, expected, 200), -EINVAL);
	assert_string_equal(key, "requests");
	bus_bench.config.requests = "vin";
	bus_bench.config.period_us = SECOND;
	assert_int_equal(source_j1939_ops.check(&bus_bench.config, &key, expected, 200), -EINVAL);
	assert_string_equal(key, "period");
	bus_bench.config.period_us = 0;
	assert_int_equal(source_j1939_ops.check(&bus_bench.config, &key, expected, 200), 0);
	assert_int_equal(source_can_ops.check(&bus_bench.config, &key, expected, 200), -EINVAL);
	assert_string_equal(key, "map");
}

#define STARTED(test) cmocka_unit_test_setup_teardown(test, setup_started, bus_bench_teardown)
#define ASKING(test) cmocka_unit_test_setup_teardown(test, setup_asking, bus_bench_teardown)

int suite_agent_source_j1939(void)
{
	const struct CMUnitTest tests[] = {
		STARTED(what_the_bus_says_becomes_the_vehicle),
		STARTED(what_is_not_available_or_implausible_is_not_given),
		STARTED(the_cluster_that_wakes_does_not_outdo_the_tachograph),
		STARTED(it_is_stated_whole_once_it_was_heard_a_while),
		STARTED(broadcasts_of_two_units_at_once_are_put_together),
		STARTED(the_vin_of_the_bus_is_the_vehicle),
		STARTED(a_vin_is_not_of_who_was_there_before_the_interface_was_lost),
		STARTED(a_vin_whose_sum_is_wrong_is_not_believed),
		STARTED(the_engine_names_itself),
		STARTED(a_handshake_between_others_is_overheard),
		STARTED(trouble_codes_of_all_units_are_one_list),
		STARTED(codes_stay_while_the_bus_sleeps),
		STARTED(codes_that_were_active_before_are_a_list_of_their_own),
		STARTED(a_bus_that_falls_silent_is_off_and_says_so_each_minute),
		STARTED(a_bus_that_was_never_heard_is_not_called_off),
		STARTED(an_interface_that_goes_down_and_up_is_told_and_heard_again),
		STARTED(an_interface_that_is_unplugged_is_opened_again_when_it_is_back),
		STARTED(a_controller_that_has_left_the_bus_is_told),
		STARTED(garbage_gives_nothing),
		ASKING(nothing_is_asked_of_a_bus_that_sleeps),
		ASKING(who_asks_has_claimed_an_address_before),
		ASKING(what_nobody_answers_is_asked_less_often),
		ASKING(a_stronger_claim_moves_us_to_another_address),
		ASKING(a_handshake_that_is_meant_for_us_is_answered),
		ASKING(a_lost_interface_loses_the_address_too),
		ASKING(an_interface_that_only_listens_is_said_to_do_so),
		cmocka_unit_test(only_what_tells_may_be_asked_for),
		cmocka_unit_test_setup_teardown(a_wrong_configuration_is_told_by_its_key, setup,
						bus_bench_teardown),
	};

	return cmocka_run_group_tests_name("agent.source.j1939", tests, NULL, NULL);
}
