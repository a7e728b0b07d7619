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

#include "agent/config.h"

int suite_agent_config(void);

static const char text[] = "[agent]\nworkspace = depot\ngateway_id = gw-1\n"
			   "[source obd0]\nkind = obd\ndevice = serial:/dev/ttyUSB0\n"
			   "device_id = bus-1\n";

/* The configuration names its defaults to people, the rhythm knows why: they are the same. */
static void a_source_has_the_rhythm_s_own_defaults(void **state)
{
	char path[] = "/tmp/freshet-config-XXXXXX";
	struct agent_config config;
	struct rhythm_config expected;
	const struct rhythm_config *given;
	int fd;

	(void)state;
	if (!source_kind("obd"))
		skip();
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(agent_config_load(path, &config, stderr), 0);
	assert_int_equal(unlink(path), 0);
	rhythm_defaults(&expected);
	given = &config.sources[0].rhythm;
	assert_float_equal(given->bus_load_pct, expected.bus_load_pct, 0);
	assert_int_equal(given->wake_budget, expected.wake_budget);
	assert_int_equal(given->asleep_retry_us, expected.asleep_retry_us);
	assert_int_equal(given->voltage_us, expected.voltage_us);
	assert_float_equal(given->sleep_below_v, expected.sleep_below_v, 0);
	assert_float_equal(given->wake_above_v, expected.wake_above_v, 0);
	assert_int_equal(given->linger_us, expected.linger_us);
	agent_config_free(&config);
}

#ifdef CONFIG_SOURCE_BUS

#define HEAD "[agent]\nworkspace = depot\ngateway_id = gw-1\n"
#define J1939 HEAD "[source truck]\nkind = j1939\ndevice = can:can0\ndevice_id = truck-7\n"

/* Loads a text; what is said goes into `said`. */
static int load(const char *conf, struct agent_config *config, char *said, size_t size)
{
	char path[] = "/tmp/freshet-config-XXXXXX";
	const int fd = mkstemp(path);
	FILE *errors = fmemopen(said, size, "w");
	int r;

	assert_true(fd >= 0);
	assert_non_null(errors);
	assert_int_equal(write(fd, conf, strlen(conf)), (ssize_t)strlen(conf));
	assert_int_equal(close(fd), 0);
	r = agent_config_load(path, config, errors);
	assert_int_equal(fclose(errors), 0);
	assert_int_equal(unlink(path), 0);
	return r;
}

static void a_truck_s_bus_needs_no_more_than_its_interface(void **state)
{
	struct agent_config config;
	char said[2048] = "";

	(void)state;
	if (load(J1939 "requests = vin\n"
		       "[source obd0]\nkind = can\ndevice = can:can0\ndevice_id = truck-7\n"
		       "map = " BUS_FOLDER "/truck.conf\n",
		 &config, said, sizeof(said)) != 0)
		fail_msg("%s", said);
	assert_non_null(config.sources[0].table);
	assert_string_equal(config.sources[0].requests, "vin");
	assert_int_equal(config.sources[0].request_us, 600000000);
	assert_non_null(config.sources[1].table);
	agent_config_free(&config);
}

static void mistakes_of_bus_sources_name_key_and_reason(void **state)
{
	static const char *const cases[][2] = {
		{HEAD "[source t]\nkind = j1939\ndevice = can0\ndevice_id = t\n",
		 ":6: [source t] device: expected a CAN interface such as can:can0"},
		{J1939 "requests = dm3\n", ":8: [source truck] requests: expected words of: vin "},
		{J1939 "map = nowhere\n",
		 ":8: [source truck] map: expected a map that is there, with its DBC file, not "
		 "'nowhere'"},
		{J1939 "map = a/b\n", ":8: [source truck] map: expected a map without mistakes"},
		{J1939 "map = " BUS_FOLDER "/car.conf\n",
		 ":8: [source truck] map: expected a map of parameter groups"},
		{J1939 "period = 1 s\n", ":8: [source truck] period: expected no period"},
		{HEAD "[source v]\nkind = can\ndevice = can:can0\ndevice_id = v\n",
		 ":4: [source v] map: expected the name of a map"},
		{HEAD "[source v]\nkind = can\ndevice = can:can0\ndevice_id = v\n"
		      "map = j1939\n",
		 ":8: [source v] map: expected a map with a DBC file"},
		{J1939 "[source u]\nkind = j1939\ndevice = can:can0\ndevice_id = u\n",
		 ":10: [source u] device: expected a device of its own"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct agent_config config;
		char said[2048] = "";

		if (load(cases[i][0], &config, said, sizeof(said)) != -EINVAL)
			fail_msg("case %zu: %s", i, said);
		if (!strstr(said, cases[i][1]))
			fail_msg("case %zu: %s", i, said);
	}
}

#endif /* CONFIG_SOURCE_BUS */

int suite_agent_config(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_has_the_rhythm_s_own_defaults),
#ifdef CONFIG_SOURCE_BUS
		cmocka_unit_test(a_truck_s_bus_needs_no_more_than_its_interface),
		cmocka_unit_test(mistakes_of_bus_sources_name_key_and_reason),
#endif
	};

	return cmocka_run_group_tests_name("agent.config", tests, NULL, NULL);
}
