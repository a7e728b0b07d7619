#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/bus/bus_reading.h"

#define SECOND INT64_C(1000000)
#define TACHOGRAPH 0xee
#define CLUSTER 0x17

static const char truck[] = "[map]\n"
			    "[signal odometer]\n"
			    "field = vehicle_state.odometer_km\n"
			    "sources = EE 17 *\n"
			    "[signal old_odometer]\n"
			    "field = vehicle_state.odometer_km\n"
			    "sources = EE *\n"
			    "[signal engine_speed]\n"
			    "field = vehicle_state.engine_rpm\n"
			    "[signal speed]\n"
			    "field = vehicle_state.speed_kmh\n"
			    "period = 0\n"
			    "[signal outside]\n"
			    "field = vehicle_state.outside_temp_c\n"
			    "period = 20 s\n"
			    "[signal oil]\n"
			    "field = vehicle_state.engine_coolant_temp_c\n"
			    "unit = F\n"
			    "min = 1\n"
			    "[signal door]\n"
			    "field = vehicle_state.doors_open\n"
			    "words = 0:yes 1:yes 2:no\n"
			    "period = 60 s\n"
			    "[signal brake]\n"
			    "field = vehicle_state.brake_pressed\n"
			    "[signal volts]\n"
			    "field = battery.pack_voltage_v\n"
			    "[signal amperes]\n"
			    "field = battery.pack_current_a\n"
			    "[signal latitude]\n"
			    "field = vehicle_state.location.latitude\n"
			    "[signal longitude]\n"
			    "field = vehicle_state.location.longitude\n";

enum { ODOMETER, OLD_ODOMETER, RPM, SPEED, OUTSIDE, OIL, DOOR, BRAKE, VOLTS, AMPERES, LAT, LON };

struct bench {
	struct bus_map *map;
	struct bus_reading *reading;
	struct model_update update;
	struct model_update_room room;
};

static struct bench bench;

static int make(void **state, const char *text)
{
	*state = &bench;
	memset(&bench, 0, sizeof(bench));
	if (bus_map_parse(text, strlen(text), "/m.conf", stderr, &bench.map))
		return -1;
	return bus_reading_create(bench.map, &bench.reading);
}

static int make_truck(void **state)
{
	return make(state, truck);
}

static int make_key(void **state)
{
	return make(state, "[map]\n"
			   "[signal engine_speed]\n"
			   "field = vehicle_state.engine_rpm\n"
			   "[signal key]\n"
			   "field = vehicle_state.ignition\n"
			   "above = 6\n");
}

static int drop(void **state)
{
	struct bench *b = *state;

	bus_reading_destroy(b->reading);
	bus_map_free(b->map);
	return 0;
}

/* Returns what take() returned; the update holds this value alone. */
static int take(struct bench *b, size_t index, uint8_t source, double value, double at_s)
{
	model_update_init(&b->update, &b->room);
	return bus_reading_take(b->reading, index, source, value, (int64_t)(at_s * 1e6),
				&b->update);
}

static double number(const struct bench *b, enum model_field field)
{
	const struct model_item *item = model_update_get(&b->update, field);

	return item ? item->value.as.number : -12345;
}

static int integer(const struct bench *b, enum model_field field)
{
	const struct model_item *item = model_update_get(&b->update, field);

	return item ? (int)item->value.as.integer : -1;
}

static int derive(struct bench *b, double at_s)
{
	return bus_reading_derive(b->reading, (int64_t)(at_s * 1e6), &b->update);
}

static struct bus_reading_counts counts(const struct bench *b)
{
	struct bus_reading_counts counts;

	bus_reading_counts(b->reading, &counts);
	return counts;
}

/* ---- values ---- */

static void a_value_becomes_its_field_in_its_unit(void **state)
{
	struct bench *b = *state;

	assert_int_equal(take(b, SPEED, 0, 63.5, 1), 1);
	assert_float_equal(number(b, MODEL_FIELD_SPEED_KMH), 63.5, 0);
	assert_int_equal(b->update.module_status[MODEL_VEHICLE_STATE], MODEL_STATUS_SUCCESS);
	assert_int_equal(take(b, OIL, 0, 212, 1), 1);
	assert_float_equal(number(b, MODEL_FIELD_ENGINE_COOLANT_TEMP_C), 100, 1e-9);
	assert_int_equal(take(b, DOOR, 0, 1, 1), 1);
	assert_int_equal(integer(b, MODEL_FIELD_DOORS_OPEN), 1);
	assert_int_equal(take(b, BRAKE, 0, 0, 1), 1);
	assert_int_equal(integer(b, MODEL_FIELD_BRAKE_PRESSED), 0);
	assert_int_equal(counts(b).values, 4);
	assert_int_equal(take(b, 99, 0, 1, 1), 0);
}

static void what_is_not_plausible_is_refused_and_counted(void **state)
{
	struct bench *b = *state;

	assert_int_equal(take(b, OUTSIDE, 0x47, -273, 1), 0);
	assert_int_equal(take(b, OIL, 0, 0, 1), 0);
	assert_int_equal(take(b, SPEED, 0, 301, 1), 0);
	assert_int_equal(take(b, SPEED, 0, NAN, 1), 0);
	assert_int_equal(take(b, SPEED, 0, INFINITY, 1), 0);
	assert_int_equal(take(b, DOOR, 0, 7, 1), 0);
	assert_int_equal(take(b, BRAKE, 0, 0.5, 1), 0);
	assert_int_equal(b->update.item_count, 0);
	assert_int_equal(counts(b).implausible, 7);
	/* Who says such a thing has not been heard: another unit is believed at once. */
	assert_int_equal(take(b, OUTSIDE, 0x21, 14, 1), 1);
}

static void a_value_is_given_once_in_its_period_and_a_switch_when_it_changes(void **state)
{
	struct bench *b = *state;

	assert_int_equal(take(b, OUTSIDE, 0, 14, 1), 1);
	assert_int_equal(take(b, OUTSIDE, 0, 15, 20.9), 0);
	assert_int_equal(take(b, OUTSIDE, 0, 16, 21), 1);
	assert_int_equal(counts(b).thinned, 1);
	assert_int_equal(take(b, DOOR, 0, 2, 30), 1);
	assert_int_equal(take(b, DOOR, 0, 2, 31), 0);
	assert_int_equal(take(b, DOOR, 0, 0, 32), 1);
	assert_int_equal(integer(b, MODEL_FIELD_DOORS_OPEN), 1);
	assert_int_equal(take(b, SPEED, 0, 10, 33), 1);
	assert_int_equal(take(b, SPEED, 0, 11, 33.01), 1);
}

/* ---- trust ---- */

static void the_most_trusted_source_is_believed_at_once_and_others_after_a_while(void **state)
{
	struct bench *b = *state;

	/* Moving, so that an odometer of anybody may count. */
	assert_int_equal(take(b, SPEED, 0, 50, 1), 1);
	assert_int_equal(take(b, ODOMETER, CLUSTER, 0, 1), 0);
	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 158910.6, 2), 1);
	for (int s = 3; s < 60; s++) {
		assert_int_equal(take(b, SPEED, 0, 50, s), 1);
		assert_int_equal(take(b, ODOMETER, CLUSTER, 158909, s), 0);
		assert_int_equal(take(b, OLD_ODOMETER, TACHOGRAPH, 158909, s), 0);
		assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 158910.6, s), 1);
	}
	/* The tachograph is gone: the next one has it when 10 s are over. */
	assert_int_equal(take(b, ODOMETER, CLUSTER, 158912, 69), 0);
	assert_int_equal(take(b, SPEED, 0, 50, 69.5), 1);
	assert_int_equal(take(b, ODOMETER, CLUSTER, 158912, 69.5), 1);
	assert_int_equal(take(b, ODOMETER, 0x21, 158913, 70), 0);
	/* And it is back. */
	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 158914, 71), 1);
}

static void without_the_most_trusted_one_another_has_it_after_the_start(void **state)
{
	struct bench *b = *state;

	for (int s = 0; s <= 10; s++) {
		assert_int_equal(take(b, SPEED, 0, 50, s), 1);
		assert_int_equal(take(b, ODOMETER, CLUSTER, 1000, s), 0);
	}
	assert_int_equal(take(b, ODOMETER, CLUSTER, 1000, 10.1), 1);
	/* One of a signal further down waits for it too. */
	assert_int_equal(take(b, OLD_ODOMETER, TACHOGRAPH, 2000, 11), 0);
}

static void a_cluster_that_wakes_has_no_say_while_the_vehicle_stands(void **state)
{
	struct bench *b = *state;
	int s = 0;

	/* Seen on a truck: 37.5 km for six minutes, 0, then the truth, as the tachograph wakes. */
	for (; s < 375; s++) {
		assert_int_equal(take(b, RPM, 0, 0, s), 1);
		assert_int_equal(take(b, ODOMETER, CLUSTER, 37.5, s), 0);
	}
	assert_int_equal(take(b, ODOMETER, CLUSTER, 0, s), 0);
	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 158910.6, s), 1);
	assert_int_equal(take(b, ODOMETER, CLUSTER, 158910.6, s + 1), 0);
}

static void a_trusted_odometer_replaces_what_was_believed_of_another(void **state)
{
	struct bench *b = *state;

	(void)take(b, SPEED, 0, 50, 0);
	(void)take(b, SPEED, 0, 50, 11);
	assert_int_equal(take(b, ODOMETER, CLUSTER, 12, 11), 1);
	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 158910.6, 12), 1);
	/* From then on the guard holds. */
	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 12, 14), 0);
	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 158910.7, 16), 1);
	assert_int_equal(counts(b).implausible, 1);
}

static void of_those_that_are_trusted_alike_one_has_the_field(void **state)
{
	struct bench *b = *state;

	assert_int_equal(take(b, SPEED, 0x0b, 50, 1), 1);
	assert_int_equal(take(b, SPEED, 0x27, 49, 1.1), 0);
	assert_int_equal(take(b, SPEED, 0x0b, 51, 1.2), 1);
	assert_int_equal(take(b, SPEED, 0x27, 49, 12), 1);
	assert_int_equal(take(b, SPEED, 0x0b, 51, 12.1), 0);
	assert_int_equal(counts(b).outranked, 2);
}

static void a_slow_signal_counts_for_three_of_its_periods(void **state)
{
	struct bench *b = *state;

	assert_int_equal(take(b, OUTSIDE, 1, 14, 1), 1);
	assert_int_equal(take(b, OUTSIDE, 2, 15, 60), 0);
	assert_int_equal(take(b, OUTSIDE, 2, 15, 61.1), 1);
}

static void a_source_that_is_not_listed_has_no_say(void **state)
{
	struct bench *b = *state;

	assert_int_equal(take(b, ODOMETER, 0x21, 5, 0), 0);
	assert_int_equal(take(b, ODOMETER, 0x21, 5, 100), 0);
	assert_int_equal(counts(b).outranked, 2);
}

static int make_strict(void **state)
{
	return make(state, "[map]\n[signal odometer]\n"
			   "field = vehicle_state.odometer_km\nsources = EE\n");
}

static void another_vehicle_begins_anew(void **state)
{
	struct bench *b = *state;

	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 158910, 1), 1);
	bus_reading_reset(b->reading);
	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 20, 2), 1);
}

/* ---- what follows ---- */

static void an_engine_that_turns_or_a_vehicle_that_moves_is_on(void **state)
{
	struct bench *b = *state;

	(void)take(b, RPM, 0, 650, 1);
	assert_int_equal(derive(b, 1), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_ON);
	/* It is said again with what it rests on, and only then. */
	(void)take(b, OUTSIDE, 0, 10, 1.5);
	assert_int_equal(derive(b, 1.5), 0);
	(void)take(b, RPM, 0, 0, 2);
	assert_int_equal(derive(b, 2), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_ACCESSORY);
	(void)take(b, SPEED, 0, 5, 2.5);
	assert_int_equal(derive(b, 2.5), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_ON);
	/* Neither is heard any more, others are. */
	(void)take(b, OUTSIDE, 0, 10, 40);
	assert_int_equal(derive(b, 40), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_UNKNOWN);
	(void)take(b, OUTSIDE, 0, 10, 80);
	assert_int_equal(derive(b, 80), 0);
}

static void a_bus_without_engine_and_speed_says_nothing_of_the_ignition(void **state)
{
	struct bench *b = *state;

	(void)take(b, OUTSIDE, 0, 10, 1);
	assert_int_equal(derive(b, 1), 0);
}

static void a_silent_bus_is_off_and_forgets_what_it_heard(void **state)
{
	struct bench *b = *state;

	(void)take(b, RPM, 0, 650, 1);
	(void)take(b, ODOMETER, TACHOGRAPH, 158910, 1);
	(void)derive(b, 1);
	model_update_init(&b->update, &b->room);
	assert_int_equal(bus_reading_silent(b->reading, 20 * SECOND, &b->update), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_OFF);
	/* It wakes: the most trusted one is waited for again, but the odometer is not forgotten. */
	assert_int_equal(take(b, ODOMETER, CLUSTER, 158910, 30), 0);
	assert_int_equal(take(b, ODOMETER, TACHOGRAPH, 3, 31), 0);
	assert_int_equal(counts(b).implausible, 1);
	(void)take(b, RPM, 0, 0, 31);
	assert_int_equal(derive(b, 31), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_ACCESSORY);
}

static void a_key_that_is_read_says_it_itself(void **state)
{
	struct bench *b = *state;

	(void)take(b, 0, 0, 650, 1);
	assert_int_equal(take(b, 1, 0, 0.2, 1.1), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_OFF);
	assert_int_equal(derive(b, 1.1), 0);
	assert_int_equal(take(b, 1, 0, 24.1, 1.2), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_ON);
	/* It is not heard any more: the engine speaks for it. */
	(void)take(b, 0, 0, 0, 20);
	assert_int_equal(derive(b, 20), 1);
	assert_int_equal(integer(b, MODEL_FIELD_IGNITION), MODEL_IGNITION_ACCESSORY);
}

static void power_is_of_a_voltage_and_a_current_of_the_same_moment(void **state)
{
	struct bench *b = *state;

	(void)take(b, AMPERES, 0, 100, 1);
	assert_int_equal(derive(b, 1), 0);
	(void)take(b, VOLTS, 0, 600, 2);
	assert_int_equal(derive(b, 2), 1);
	assert_float_equal(number(b, MODEL_FIELD_PACK_POWER_KW), 60, 1e-9);
	(void)take(b, VOLTS, 0, 601, 3);
	assert_int_equal(derive(b, 3), 0);
	(void)take(b, AMPERES, 0, -50, 6.5);
	assert_int_equal(derive(b, 6.5), 0);
	(void)take(b, VOLTS, 0, 600, 7);
	assert_int_equal(derive(b, 7), 1);
	assert_float_equal(number(b, MODEL_FIELD_PACK_POWER_KW), -30, 1e-9);
}

static void both_coordinates_are_a_location(void **state)
{
	struct bench *b = *state;

	(void)take(b, LAT, 0, 48.1, 1);
	assert_int_equal(derive(b, 1), 0);
	model_update_init(&b->update, &b->room);
	(void)bus_reading_take(b->reading, LAT, 0, 48.1, 5 * SECOND, &b->update);
	(void)bus_reading_take(b->reading, LON, 0, 11.5, 5 * SECOND, &b->update);
	assert_int_equal(derive(b, 5), 1);
	assert_int_equal(integer(b, MODEL_FIELD_LOCATION_STATUS), 0);
}

#define TRUCK(test) cmocka_unit_test_setup_teardown(test, make_truck, drop)

int suite_provider_bus_reading(void)
{
	const struct CMUnitTest tests[] = {
		TRUCK(a_value_becomes_its_field_in_its_unit),
		TRUCK(what_is_not_plausible_is_refused_and_counted),
		TRUCK(a_value_is_given_once_in_its_period_and_a_switch_when_it_changes),
		TRUCK(the_most_trusted_source_is_believed_at_once_and_others_after_a_while),
		TRUCK(without_the_most_trusted_one_another_has_it_after_the_start),
		TRUCK(a_cluster_that_wakes_has_no_say_while_the_vehicle_stands),
		TRUCK(a_trusted_odometer_replaces_what_was_believed_of_another),
		TRUCK(of_those_that_are_trusted_alike_one_has_the_field),
		TRUCK(a_slow_signal_counts_for_three_of_its_periods),
		cmocka_unit_test_setup_teardown(a_source_that_is_not_listed_has_no_say, make_strict,
						drop),
		TRUCK(another_vehicle_begins_anew),
		TRUCK(an_engine_that_turns_or_a_vehicle_that_moves_is_on),
		TRUCK(a_bus_without_engine_and_speed_says_nothing_of_the_ignition),
		TRUCK(a_silent_bus_is_off_and_forgets_what_it_heard),
		cmocka_unit_test_setup_teardown(a_key_that_is_read_says_it_itself, make_key, drop),
		TRUCK(power_is_of_a_voltage_and_a_current_of_the_same_moment),
		TRUCK(both_coordinates_are_a_location),
	};

	return cmocka_run_group_tests_name("provider.bus.reading", tests, NULL, NULL);
}
