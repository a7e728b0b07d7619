#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/protocol/j1939.h"
#include "provider/bus/bus_map.h"

static struct bus_map *parse(const char *text)
{
	struct bus_map *map = NULL;

	if (bus_map_parse(text, strlen(text), "/maps/x.conf", stderr, &map) != 0)
		fail_msg("the map does not load");
	return map;
}

static void a_file_becomes_signals_in_its_order(void **state)
{
	struct bus_map *map = parse("[map]\n"
				    "title = A bus\n"
				    "[signal tachograph_speed]\n"
				    "field = vehicle_state.speed_kmh\n"
				    "sources = EE 17 0 *\n"
				    "min = 0\n"
				    "period = 2 s\n"
				    "[signal wheel_speed]\n"
				    "field = vehicle_state.speed_kmh\n"
				    "unit = mph\n");
	const struct bus_map_signal *signal = bus_map_signal(map, 0);

	(void)state;
	assert_string_equal(bus_map_title(map), "A bus");
	assert_string_equal(bus_map_path(map), "/maps/x.conf");
	assert_string_equal(bus_map_dbc(map), "");
	assert_true(bus_map_by_pgn(map));
	assert_int_equal(bus_map_count(map), 2);
	assert_string_equal(signal->name, "tachograph_speed");
	assert_int_equal(signal->line, 3);
	assert_int_equal(signal->field, MODEL_FIELD_SPEED_KMH);
	assert_int_equal(signal->kind, BUS_MAP_NUMBER);
	assert_int_equal(signal->source_count, 3);
	assert_memory_equal(signal->sources, "\xee\x17\x00", 3);
	assert_true(signal->others);
	assert_int_equal(signal->period_us, 2000000);
	assert_true(signal->min <= signal->max);
	assert_string_equal(signal->unit, "");
	signal = bus_map_signal(map, 1);
	assert_string_equal(signal->unit, "mph");
	assert_float_equal(signal->to_mul, 1.609344, 1e-9);
	assert_int_equal(signal->period_us, 1000000);
	assert_int_equal(signal->source_count, 0);
	assert_false(signal->others);
	assert_true(signal->min > signal->max);
	assert_null(bus_map_signal(map, 2));
	bus_map_free(map);
}

static void words_bounds_and_signs_say_what_a_value_becomes(void **state)
{
	struct bus_map *map = parse("[map]\n"
				    "dbc = cars/x.dbc\n"
				    "[signal Doors.Position]\n"
				    "field = vehicle_state.doors_open\n"
				    "words = 0:yes 1:on 2:no\n"
				    "[signal Gear.Lever]\n"
				    "field = vehicle_state.gear\n"
				    "words = 0:p 7:r\n"
				    "[signal key]\n"
				    "signal = _Key.Voltage\n"
				    "field = vehicle_state.ignition\n"
				    "above = 6\n"
				    "[signal Pack.Current]\n"
				    "field = battery.pack_current_a\n"
				    "unit = mA\n"
				    "negate = yes\n"
				    "[signal Brake.Pedal]\n"
				    "field = vehicle_state.brake_pressed\n");
	const struct bus_map_signal *signal = bus_map_signal(map, 0);

	(void)state;
	assert_string_equal(bus_map_dbc(map), "/maps/cars/x.dbc");
	assert_false(bus_map_by_pgn(map));
	assert_int_equal(signal->kind, BUS_MAP_WORDS);
	assert_int_equal(signal->word_count, 3);
	assert_int_equal(signal->words[1].integer, 1);
	assert_int_equal(signal->words[2].integer, 0);
	assert_int_equal(bus_map_signal(map, 1)->words[1].integer, 1);
	signal = bus_map_signal(map, 2);
	assert_string_equal(signal->name, "_Key.Voltage");
	assert_int_equal(signal->line, 10);
	assert_int_equal(signal->kind, BUS_MAP_ABOVE);
	assert_float_equal(signal->above, 6, 0);
	assert_float_equal(bus_map_signal(map, 3)->to_mul, -0.001, 1e-12);
	assert_int_equal(bus_map_signal(map, 4)->kind, BUS_MAP_FLAG);
	bus_map_free(map);
}

static void a_dbc_file_may_be_matched_by_parameter_group(void **state)
{
	struct bus_map *map = parse("[map]\ndbc = /x.dbc\nmatch = pgn\n"
				    "[signal EEC1.EngineSpeed]\n"
				    "field = vehicle_state.engine_rpm\nsources = 0\n");

	(void)state;
	assert_true(bus_map_by_pgn(map));
	bus_map_free(map);
}

/* ---- mistakes ---- */

struct mistake {
	const char *text; /* after "[map]\n" */
	const char *says;
};

#define SPEED "[signal s]\nfield = vehicle_state.speed_kmh\n"
#define DOORS "[signal s]\nfield = vehicle_state.doors_open\n"

static void each_mistake_is_said_with_its_line(void **state)
{
	static const struct mistake cases[] = {
		{"", "/m.conf:1: [map] title: expected at least one [signal NAME] after it\n"},
		{"[signal s]\n", "/m.conf:2: [signal s] field: expected the required key, the "
				 "canonical field that it becomes: text with a length in 1..80\n"},
		{"[signal s]\nfield = speed\n",
		 "/m.conf:3: [signal s] field: expected a canonical field "
		 "(docs/canonical-model.md) such as vehicle_state.speed_kmh, not \"speed\"\n"},
		{"[signal s]\nfield = identity.vin\n",
		 "/m.conf:3: [signal s] field: expected a field that is a number, yes or no, or "
		 "a word\n"},
		{"[signal s]\nfield = vehicle_state.gear\n",
		 "/m.conf:3: [signal s] field: expected words too, which say what each value "
		 "means\n"},
		{"[signal s]\nfield = vehicle_state.gear\nabove = 1\n",
		 "/m.conf:4: [signal s] above: expected words: only ignition is on above a "
		 "value\n"},
		{SPEED "words = 0:on\n",
		 "/m.conf:4: [signal s] words: expected no such key: the field is a number\n"},
		{SPEED "above = 3\n",
		 "/m.conf:4: [signal s] above: expected no such key: the field is a number\n"},
		{DOORS "words = 0:no\nabove = 3\n",
		 "/m.conf:5: [signal s] above: expected either words or above\n"},
		{DOORS "words = 0-no\n",
		 "/m.conf:4: [signal s] words: expected RAW:WORD such as 1:on, not \"0-no\"\n"},
		{DOORS "words = 0:open\n",
		 "/m.conf:4: [signal s] words: expected a word that the field has, not "
		 "\"open\"\n"},
		{DOORS "negate = yes\n",
		 "/m.conf:4: [signal s] negate: expected no such key: the field is no number\n"},
		{SPEED "unit = furlong\n", "/m.conf:4: [signal s] unit: expected a unit such as "
					   "km/h, V, C, %, not \"furlong\"\n"},
		{SPEED "unit = C\n", "/m.conf:4: [signal s] unit: expected a unit that becomes "
				     "the field's (km/h), not \"C\"\n"},
		{SPEED "min = 5\nmax = 4\n",
		 "/m.conf:5: [signal s] max: expected a number that is not less than min\n"},
		{SPEED "sources = 100\n", "/m.conf:4: [signal s] sources: expected addresses of 1 "
					  "or 2 hex digits, 0..FD, or *, not \"100\"\n"},
		{SPEED "sources = FE\n", "/m.conf:4: [signal s] sources: expected addresses of 1 "
					 "or 2 hex digits, 0..FD, or *, not \"FE\"\n"},
		{SPEED "sources = 1 01\n", "/m.conf:4: [signal s] sources: expected each address "
					   "once, not \"01\" again\n"},
		{SPEED "sources = * 1\n", "/m.conf:4: [signal s] sources: expected nothing after "
					  "*, which is anybody else\n"},
		{SPEED "sources = 1 2 3 4 5 6 7 8 9\n",
		 "/m.conf:4: [signal s] sources: expected at most 8 addresses\n"},
		{"dbc = x.dbc\n" SPEED "sources = 1\n",
		 "/m.conf:5: [signal s] sources: expected no such key: frames that match by id "
		 "have one source each\n"},
		{SPEED "colour = red\n",
		 "/m.conf:4: [signal s] colour: expected a known key: signal, field, unit, "
		 "negate, min, max, above, period, sources, words, note\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bus_map *map = NULL;
		char text[512];
		char *said = NULL;
		size_t size = 0;
		FILE *errors = open_memstream(&said, &size);
		const int len = snprintf(text, sizeof(text), "[map]\n%s", cases[i].text);

		assert_non_null(errors);
		assert_int_equal(bus_map_parse(text, (size_t)len, "/m.conf", errors, &map),
				 -EINVAL);
		assert_int_equal(fclose(errors), 0);
		assert_string_equal(said, cases[i].says);
		assert_null(map);
		free(said);
	}
}

static void a_file_that_is_not_there_is_said(void **state)
{
	struct bus_map *map = NULL;
	char *said = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&said, &size);

	(void)state;
	assert_non_null(errors);
	assert_int_equal(bus_map_load("/nowhere.conf", errors, &map), -ENOENT);
	assert_int_equal(fclose(errors), 0);
	assert_string_equal(said, "/nowhere.conf: No such file or directory\n");
	free(said);
}

static void maps_are_found_by_name_and_by_path(void **state)
{
	char path[64];

	(void)state;
	assert_int_equal(bus_map_find("/maps", "j1939", path, sizeof(path)), 0);
	assert_string_equal(path, "/maps/j1939.conf");
	assert_int_equal(bus_map_find("/maps", "/my/own.conf", path, sizeof(path)), 0);
	assert_string_equal(path, "/my/own.conf");
	assert_int_equal(bus_map_find("/maps", "no name", path, sizeof(path)), -EINVAL);
	assert_int_equal(bus_map_find("/maps", "j1939", path, 10), -ENAMETOOLONG);
}

/* ---- what is shipped ---- */

static void the_map_that_is_shipped_names_parameters_of_the_table(void **state)
{
	struct bus_map *map = NULL;

	(void)state;
	assert_int_equal(bus_map_load(MAPS_FOLDER "/j1939.conf", stderr, &map), 0);
	assert_true(bus_map_count(map) > 25);
	for (size_t i = 0; i < bus_map_count(map); i++) {
		const struct bus_map_signal *signal = bus_map_signal(map, i);
		const struct j1939_spn *spn = j1939_spn_find(signal->name);

		if (!spn)
			fail_msg("%s is not in the table", signal->name);
		/* The unit that the map says is the one that the table gives. */
		if (spn && signal->unit[0])
			assert_string_equal(signal->unit, spn->unit);
	}
	bus_map_free(map);
}

int suite_provider_bus_map(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_becomes_signals_in_its_order),
		cmocka_unit_test(words_bounds_and_signs_say_what_a_value_becomes),
		cmocka_unit_test(a_dbc_file_may_be_matched_by_parameter_group),
		cmocka_unit_test(each_mistake_is_said_with_its_line),
		cmocka_unit_test(a_file_that_is_not_there_is_said),
		cmocka_unit_test(maps_are_found_by_name_and_by_path),
		cmocka_unit_test(the_map_that_is_shipped_names_parameters_of_the_table),
	};

	return cmocka_run_group_tests_name("provider.bus.map", tests, NULL, NULL);
}
