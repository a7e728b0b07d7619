/* The vehicle behind the adapter: its day, its sleep, its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/bus.h"
#include "tests/sim/vehicle.h"

int suite_sim_vehicle(void);

#define MINUTE_US INT64_C(60000000)

static struct vehicle vehicle;

static void make(enum vehicle_kind kind, enum vehicle_activity activity)
{
	vehicle_init_kind(&vehicle, kind, 1, 0);
	vehicle_set_activity(&vehicle, activity);
	vehicle_step(&vehicle, MINUTE_US);
}

static void it_falls_asleep_some_minutes_after_the_ignition(void **state)
{
	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_DRIVING);
	vehicle_set_activity(&vehicle, VEHICLE_PARKED);
	vehicle_step(&vehicle, MINUTE_US + vehicle.sleep_after_us - 1);
	assert_false(vehicle_asleep(&vehicle));
	vehicle_step(&vehicle, MINUTE_US + vehicle.sleep_after_us);
	assert_true(vehicle_asleep(&vehicle));
}

static void requests_keep_it_awake_and_are_counted(void **state)
{
	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_PARKED);
	for (int64_t i = 2; i < 60; i++) {
		vehicle_step(&vehicle, i * MINUTE_US);
		assert_true(vehicle_request(&vehicle));
	}
	assert_int_equal(vehicle.counts.requests_parked, 58);
	assert_int_equal(vehicle.counts.requests_asleep, 0);
	vehicle_step(&vehicle, 59 * MINUTE_US + vehicle.sleep_after_us);
	assert_true(vehicle_asleep(&vehicle));
}

static void a_request_wakes_it_but_gets_no_answer(void **state)
{
	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_PARKED);
	vehicle_step(&vehicle, 60 * MINUTE_US);
	assert_false(vehicle_request(&vehicle));
	assert_false(vehicle_asleep(&vehicle));
	assert_true(vehicle_request(&vehicle));
	assert_int_equal(vehicle.counts.requests_asleep, 1);
	assert_int_equal(vehicle.counts.wakeups, 1);
}

static void charging_and_driving_wake_it(void **state)
{
	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_PARKED);
	vehicle_step(&vehicle, 60 * MINUTE_US);
	assert_true(vehicle_asleep(&vehicle));
	vehicle_set_activity(&vehicle, VEHICLE_CHARGING);
	assert_false(vehicle_asleep(&vehicle));
}

static void who_cannot_charge_parks_and_who_cannot_fast_charges_slowly(void **state)
{
	(void)state;
	make(VEHICLE_TRUCK_DIESEL, VEHICLE_CHARGING);
	assert_int_equal(vehicle.activity, VEHICLE_PARKED);
	make(VEHICLE_ZOE_40, VEHICLE_FAST_CHARGING);
	assert_int_equal(vehicle.activity, VEHICLE_CHARGING);
	make(VEHICLE_IONIQ5, VEHICLE_FAST_CHARGING);
	assert_int_equal(vehicle.activity, VEHICLE_FAST_CHARGING);
}

static void its_small_battery_tells_rest_sleep_and_converter_apart(void **state)
{
	double awake_v;

	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_DRIVING);
	assert_true(vehicle.aux_battery_v > 14);
	vehicle_set_activity(&vehicle, VEHICLE_PARKED);
	vehicle_step(&vehicle, 2 * MINUTE_US);
	awake_v = vehicle.aux_battery_v;
	assert_true(awake_v > 12.2 && awake_v < 12.45);
	vehicle_step(&vehicle, 60 * MINUTE_US);
	assert_true(vehicle.aux_battery_v > awake_v);
	vehicle_step(&vehicle, INT64_C(60) * 24 * 10 * MINUTE_US);
	assert_true(vehicle.aux_battery_v < 12);
}

static void a_script_makes_its_day(void **state)
{
	static const struct vehicle_leg legs[] = {
		{0, VEHICLE_DRIVING},
		{30 * MINUTE_US, VEHICLE_PARKED},
		{120 * MINUTE_US, VEHICLE_CHARGING},
	};
	double soc;

	(void)state;
	vehicle_init_kind(&vehicle, VEHICLE_NIRO, 1, 0);
	vehicle_set_script(&vehicle, legs, 3);
	vehicle_step(&vehicle, 29 * MINUTE_US);
	assert_true(vehicle_ignition_on(&vehicle));
	assert_true(vehicle.pack_a > 5);
	vehicle_step(&vehicle, 119 * MINUTE_US);
	assert_true(vehicle_asleep(&vehicle));
	assert_true(vehicle.speed_kmh == 0);
	soc = vehicle.soc_pct;
	vehicle_step(&vehicle, 180 * MINUTE_US);
	assert_true(vehicle_charging(&vehicle));
	assert_true(vehicle.pack_a < -1);
	assert_true(vehicle.soc_pct > soc + 5);
}

static void a_frozen_one_does_not_change(void **state)
{
	char before[2048];
	char after[2048];

	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_DRIVING);
	vehicle.frozen = true;
	vehicle_print_truth(&vehicle, before, sizeof(before));
	vehicle_step(&vehicle, 100 * MINUTE_US);
	vehicle_print_truth(&vehicle, after, sizeof(after));
	assert_string_equal(before, after);
}

/* Worked out apart from the code, by a sum that also gives X for 1M8GDM9A?KP042788. */
static void check_digits_are_right_where_they_are_used(void **state)
{
	(void)state;
	vehicle_init_kind(&vehicle, VEHICLE_LEAF_40, 1, 0);
	assert_string_equal(vehicle.vin, "1N4AZ1CP0J0000001");
	vehicle_init_kind(&vehicle, VEHICLE_SUV_29BIT, 1, 0);
	assert_string_equal(vehicle.vin, "5FNYF6H5XN0000001");
}

/* One request to `unit`; returns the length of its answer. */
static size_t ask(size_t unit, const char *request, size_t len, uint8_t answer[ECU_ANSWER_MAX])
{
	unsigned pending = 0;

	return unit_answer(&vehicle, &units_of(vehicle.kind)->units[unit], false,
			   (const uint8_t *)request, len, answer, &pending);
}

static void e_gmp_says_current_in_tenths_positive_discharging(void **state)
{
	uint8_t answer[ECU_ANSWER_MAX];

	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_DRIVING);
	vehicle.pack_a = 1.3;
	vehicle.pack_v = 697.4;
	assert_int_equal(ask(0, "\x22\x01\x01", 3, answer), 62);
	assert_memory_equal(answer + 3 + 10, "\x00\x0D\x1B\x3E", 4);
	vehicle.pack_a = -20.5;
	ask(0, "\x22\x01\x01", 3, answer);
	assert_memory_equal(answer + 3 + 10, "\xFF\x33", 2);
}

static void a_battery_at_rest_sends_zeros(void **state)
{
	static const uint8_t zeros[59];
	uint8_t answer[ECU_ANSWER_MAX];

	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_PARKED);
	assert_int_equal(ask(0, "\x22\x01\x01", 3, answer), 62);
	assert_memory_equal(answer + 3, zeros, sizeof(zeros));
}

static void the_leaf_has_three_layouts(void **state)
{
	static const struct {
		enum vehicle_kind kind;
		size_t len, soc_at;
	} layouts[] = {
		{VEHICLE_LEAF_24, 39, 29}, {VEHICLE_LEAF_30, 41, 29}, {VEHICLE_LEAF_40, 51, 31}};
	uint8_t answer[ECU_ANSWER_MAX];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make(layouts[i].kind, VEHICLE_STANDING);
		vehicle.soc_pct = 50; /* of the battery's own 100 % it is half */
		assert_int_equal(ask(0, "\x21\x01", 2, answer), layouts[i].len + 2);
		assert_memory_equal(answer + 2 + layouts[i].soc_at, "\x07\xA1\x20", 3);
	}
}

static void what_it_does_not_know_it_refuses(void **state)
{
	uint8_t answer[ECU_ANSWER_MAX];

	(void)state;
	make(VEHICLE_ZOE, VEHICLE_DRIVING);
	assert_int_equal(ask(0, "\x22\x12\x34", 3, answer), 3);
	assert_memory_equal(answer, "\x7F\x22\x31", 3);
	assert_int_equal(ask(0, "\x2E\x90\x02\x00", 4, answer), 3);
	assert_memory_equal(answer, "\x7F\x2E\x11", 3);
}

/* BS 2: after two frames the unit wants another flow control. */
static void block_size_and_separation_time_are_kept(void **state)
{
	const struct bus_frame request = {0x7E4, 11, 8, {3, 0x22, 0x01, 0x01}};
	const struct bus_frame control = {0x7E4, 11, 8, {0x30, 2, 20}};
	const uint8_t *answer;
	struct bus_frame frame;
	struct bus bus;
	size_t len;

	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_DRIVING);
	bus_init(&bus, &vehicle, 0);
	assert_true(bus_send(&bus, &request, MINUTE_US));
	assert_true(bus_receive(&bus, MINUTE_US, &frame, &answer, &len));
	assert_memory_equal(frame.data, "\x10\x3E\x62\x01\x01", 5);
	assert_int_equal(bus_due_us(&bus), INT64_MAX);
	bus_send(&bus, &control, MINUTE_US);
	assert_int_equal(bus_due_us(&bus), MINUTE_US + 20000);
	assert_true(bus_receive(&bus, MINUTE_US + 20000, &frame, &answer, &len));
	assert_true(bus_receive(&bus, MINUTE_US + 40000, &frame, &answer, &len));
	assert_int_equal(frame.data[0], 0x22);
	assert_int_equal(bus_due_us(&bus), INT64_MAX);
}

static void send_request(struct bus *bus, uint8_t len, uint8_t service, uint8_t id)
{
	const struct bus_frame request = {0x7E4, 11, 8, {len, service, 0x01, id}};

	assert_true(bus_send(bus, &request, MINUTE_US));
}

static void what_starves_and_what_is_forbidden_is_counted(void **state)
{
	const uint8_t *answer;
	struct bus_frame frame;
	struct bus bus;
	size_t len;

	(void)state;
	make(VEHICLE_IONIQ5, VEHICLE_DRIVING);
	bus_init(&bus, &vehicle, 0);
	send_request(&bus, 3, 0x22, 0x01);
	assert_true(bus_receive(&bus, MINUTE_US, &frame, &answer, &len));
	send_request(&bus, 1, 0x04, 0);
	assert_int_equal(vehicle.counts.starved, 1);
	assert_int_equal(vehicle.counts.forbidden, 1);
}

int suite_sim_vehicle(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_falls_asleep_some_minutes_after_the_ignition),
		cmocka_unit_test(requests_keep_it_awake_and_are_counted),
		cmocka_unit_test(a_request_wakes_it_but_gets_no_answer),
		cmocka_unit_test(charging_and_driving_wake_it),
		cmocka_unit_test(who_cannot_charge_parks_and_who_cannot_fast_charges_slowly),
		cmocka_unit_test(its_small_battery_tells_rest_sleep_and_converter_apart),
		cmocka_unit_test(a_script_makes_its_day),
		cmocka_unit_test(a_frozen_one_does_not_change),
		cmocka_unit_test(check_digits_are_right_where_they_are_used),
		cmocka_unit_test(e_gmp_says_current_in_tenths_positive_discharging),
		cmocka_unit_test(a_battery_at_rest_sends_zeros),
		cmocka_unit_test(the_leaf_has_three_layouts),
		cmocka_unit_test(what_it_does_not_know_it_refuses),
		cmocka_unit_test(block_size_and_separation_time_are_kept),
		cmocka_unit_test(what_starves_and_what_is_forbidden_is_counted),
	};

	return cmocka_run_group_tests_name("sim_vehicle", tests, NULL, NULL);
}
