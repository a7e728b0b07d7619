#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/source/bus_table.h"

#define VALUES_MAX 64

struct values {
	size_t count;
	size_t index[VALUES_MAX];
	double value[VALUES_MAX];
};

static void keep(void *arg, size_t index, double value)
{
	struct values *values = arg;

	assert_true(values->count < VALUES_MAX);
	values->index[values->count] = index;
	values->value[values->count++] = value;
}

static struct bus_table *load(const char *path)
{
	struct bus_table *table = NULL;

	assert_int_equal(bus_table_load(path, stderr, &table), 0);
	return table;
}

static struct values decode(const struct bus_table *table, uint32_t key, bool extended,
			    const char *data, size_t len)
{
	struct values values = {0};

	(void)bus_table_decode(table, key, extended, (const uint8_t *)data, len, keep, &values);
	return values;
}

static void a_frame_is_found_by_its_identifier_and_taken_apart(void **state)
{
	struct bus_table *table = load(BUS_FOLDER "/car.conf");
	struct values values = decode(table, 0x380, false, "\x10\x00\x04\x00\x00\x00\x00\x00", 8);

	(void)state;
	assert_false(bus_table_by_pgn(table));
	assert_int_equal(values.count, 2);
	assert_int_equal(values.index[0], 0);
	assert_float_equal(values.value[0], 40.96, 1e-9);
	assert_int_equal(values.index[1], 1);
	/* The pages of a multiplexer. */
	values = decode(table, 0x520, false, "\x00\xa0\x0f\x9c\xff\x00\x00\x00", 8);
	assert_int_equal(values.count, 2);
	assert_float_equal(values.value[0], 400, 1e-9);
	assert_float_equal(values.value[1], -10, 1e-9);
	values = decode(table, 0x520, false, "\x01\x00\x00\xa2\x42\x00\x00\x00", 8);
	assert_int_equal(values.count, 1);
	assert_float_equal(values.value[0], 81, 1e-9);
	/* 11 and 29 bits are told apart; others are none of ours. */
	assert_int_equal(decode(table, 0x160, true, "\x01", 1).count, 1);
	assert_int_equal(decode(table, 0x160, false, "\x01", 1).count, 0);
	assert_int_equal(decode(table, 0x380, true, "\x10\x00\x04", 3).count, 0);
	/* One that ends early has what it has. */
	assert_int_equal(decode(table, 0x380, false, "\x10\x00", 2).count, 1);
	bus_table_free(table);
}

static void only_what_is_wanted_is_let_in(void **state)
{
	struct bus_table *table = load(BUS_FOLDER "/car.conf");
	struct canbus_filter filters[8];

	(void)state;
	assert_int_equal(bus_table_filters(table, filters, 8), 3);
	assert_int_equal(filters[0].id, 0x380);
	assert_int_equal(filters[0].mask, 0x7ff);
	assert_false(filters[0].extended);
	assert_int_equal(filters[2].id, 0x160);
	assert_int_equal(filters[2].mask, 0x1fffffff);
	assert_true(filters[2].extended);
	assert_int_equal(bus_table_filters(table, filters, 1), 3);
	bus_table_free(table);
	table = load(BUS_FOLDER "/truck.conf");
	assert_int_equal(bus_table_filters(table, filters, 8), 6);
	assert_int_equal(filters[0].id, 0x00f00400);
	assert_int_equal(filters[0].mask, 0x03ffff00);
	bus_table_free(table);
	/* A group that has a destination is let in for all of them. */
	assert_int_equal(bus_filter_pgn(60416).id, 0x00ec0000);
	assert_int_equal(bus_filter_pgn(60416).mask, 0x03ff0000);
}

/* ---- a DBC file and the table say the same ---- */

static void compare(const struct bus_table *one, const struct bus_table *other, const char *log,
		    size_t least)
{
	FILE *in = fopen(log, "r");
	char line[256];
	size_t values = 0;

	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		const char *hash = strchr(line, '#');
		const uint32_t id =
			hash && hash - line > 8 ? (uint32_t)strtoul(hash - 8, NULL, 16) : 0;
		struct values a = {0}, b = {0};
		uint8_t data[8];
		size_t len = 0;

		if (!hash || hash[-9] != ' ')
			continue;
		for (const char *at = hash + 1; at[0] > ' ' && len < 8; at += 2) {
			const char pair[3] = {at[0], at[1], '\0'};

			data[len++] = (uint8_t)strtoul(pair, NULL, 16);
		}
		(void)bus_table_decode(one, id >> 8 & 0x3ffff, true, data, len, keep, &a);
		(void)bus_table_decode(other, id >> 8 & 0x3ffff, true, data, len, keep, &b);
		assert_int_equal(a.count, b.count);
		for (size_t i = 0; i < a.count; i++) {
			assert_int_equal(a.index[i], b.index[i]);
			assert_true(a.value[i] - b.value[i] < 1e-9 &&
				    b.value[i] - a.value[i] < 1e-9);
		}
		values += a.count;
	}
	assert_int_equal(fclose(in), 0);
	assert_true(values >= least);
}

static void a_dbc_file_reads_a_recording_as_the_table_does(void **state)
{
	struct bus_table *by_dbc = load(BUS_FOLDER "/truck.conf");
	struct bus_table *by_table = load(BUS_FOLDER "/truck-table.conf");
	const char *fixtures = getenv("FRESHET_FIXTURES");
	static const char *const logs[] = {"truck_a.log", "truck_c.log"};
	char path[512];

	(void)state;
	compare(by_dbc, by_table, BUS_FOLDER "/truck.log", 40);
	/* And recordings of real trucks, where they are. */
	for (size_t i = 0; fixtures && i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/j1939/%s", fixtures, logs[i]);
		if (access(path, R_OK) == 0)
			compare(by_dbc, by_table, path, 100);
	}
	bus_table_free(by_dbc);
	bus_table_free(by_table);
}

static void what_a_j1939_unit_does_not_know_is_no_number_of_a_dbc_file_either(void **state)
{
	struct bus_table *table = load(BUS_FOLDER "/truck.conf");

	(void)state;
	assert_int_equal(decode(table, 61444, true, "\xff\xff\x7d\xff\xff\xff\xff\xff", 8).count,
			 0);
	assert_int_equal(decode(table, 61444, true, "\xff\xff\x7d\x00\x00\xff\xff\xff", 8).count,
			 1);
	assert_int_equal(decode(table, 65265, true, "\xff\xff\xff\xff\xff\xff\xff\xff", 8).count,
			 0);
	bus_table_free(table);
}

/* ---- mistakes ---- */

struct mistake {
	const char *map, *dbc;
	const char *says; /* after the folder */
	int error;
};

#define HEAD "[map]\ndbc = x.dbc\n"
#define DBC "BU_: A\n\nBO_ 100 M: 8 A\n SG_ S : 0|8@1+ (1,0) [0|0] \"mph\" A\n"

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[128];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static void remove_file(const char *folder, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	(void)unlink(path);
}

static void each_mistake_names_the_map_or_the_dbc_file_with_its_line(void **state)
{
	static const struct mistake cases[] = {
		{"[map]\n[signal warp]\nfield = vehicle_state.speed_kmh\n", NULL,
		 "/m.conf:2: [signal warp]: expected a parameter of the J1939 table "
		 "(docs/buses.md)\n",
		 -EINVAL},
		{HEAD "[signal M.T]\nfield = vehicle_state.speed_kmh\n", DBC,
		 "/m.conf:3: [signal M.T]: expected Message.Signal of the DBC file, which has no "
		 "such\n",
		 -EINVAL},
		{HEAD "[signal M.S]\nfield = vehicle_state.speed_kmh\n", DBC,
		 "/m.conf:3: [signal M.S] unit: expected `unit = mph`, which its file says, or "
		 "another one: the field's is \"km/h\"\n",
		 -EINVAL},
		{HEAD "match = pgn\n[signal M.S]\nfield = vehicle_state.speed_kmh\nunit = mph\n",
		 DBC,
		 "/m.conf:4: [signal M.S]: expected a message with 29 bits of identifier, for it "
		 "is matched by its parameter group\n",
		 -EINVAL},
		{HEAD "[signal M.S]\nfield = vehicle_state.speed_kmh\n",
		 "BU_: A\n\nBO_ 100 M: 8 A\n SG_ S : 0|65@1+ (1,0) [0|0] \"\" A\n",
		 "/x.dbc:4: ", -EINVAL},
		{HEAD "[signal M.S]\nfield = vehicle_state.speed_kmh\n", NULL,
		 "/x.dbc: No such file or directory\n", -ENOENT},
	};
	char folder[] = "/tmp/freshet-map-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bus_table *table = NULL;
		char path[64];
		char *said = NULL;
		size_t size = 0;
		FILE *errors = open_memstream(&said, &size);

		assert_non_null(errors);
		remove_file(folder, "x.dbc");
		write_file(folder, "m.conf", cases[i].map);
		if (cases[i].dbc)
			write_file(folder, "x.dbc", cases[i].dbc);
		(void)snprintf(path, sizeof(path), "%s/m.conf", folder);
		assert_int_equal(bus_table_load(path, errors, &table), cases[i].error);
		assert_int_equal(fclose(errors), 0);
		assert_null(table);
		assert_memory_equal(said, folder, strlen(folder));
		said[strlen(folder) + strlen(cases[i].says)] = '\0';
		assert_string_equal(said + strlen(folder), cases[i].says);
		free(said);
	}
	remove_file(folder, "m.conf");
	remove_file(folder, "x.dbc");
	(void)rmdir(folder);
}

/* ---- the documentation ---- */

/* The text of the page's `number`-th block in a fence that begins with ```ini or ```dbc. */
static void put_block(const char *folder, const char *name, const char *fence)
{
	FILE *in = fopen(FRESHET_DOCS "/buses.md", "r");
	char path[128], line[512];
	bool inside = false, done = false;
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "w");
	assert_non_null(in);
	assert_non_null(out);
	while (!done && fgets(line, sizeof(line), in)) {
		if (inside && strncmp(line, "```", 3) == 0)
			done = true;
		else if (inside)
			assert_true(fputs(line, out) >= 0);
		else
			inside = strncmp(line, fence, strlen(fence)) == 0;
	}
	assert_true(done);
	assert_int_equal(fclose(in), 0);
	assert_int_equal(fclose(out), 0);
}

static void the_example_of_the_documentation_loads(void **state)
{
	char folder[] = "/tmp/freshet-map-XXXXXX";
	char path[64];
	struct bus_table *table;

	(void)state;
	assert_non_null(mkdtemp(folder));
	put_block(folder, "van.conf", "```ini map");
	put_block(folder, "van.dbc", "```dbc");
	(void)snprintf(path, sizeof(path), "%s/van.conf", folder);
	table = load(path);
	assert_true(bus_map_count(bus_table_map(table)) >= 3);
	bus_table_free(table);
	remove_file(folder, "van.conf");
	remove_file(folder, "van.dbc");
	(void)rmdir(folder);
}

int suite_agent_bus_table(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_found_by_its_identifier_and_taken_apart),
		cmocka_unit_test(only_what_is_wanted_is_let_in),
		cmocka_unit_test(a_dbc_file_reads_a_recording_as_the_table_does),
		cmocka_unit_test(what_a_j1939_unit_does_not_know_is_no_number_of_a_dbc_file_either),
		cmocka_unit_test(each_mistake_names_the_map_or_the_dbc_file_with_its_line),
		cmocka_unit_test(the_example_of_the_documentation_loads),
	};

	return cmocka_run_group_tests_name("agent.bus.table", tests, NULL, NULL);
}
