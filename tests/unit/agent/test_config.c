#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
	const int fd = mkstemp(path);
	struct agent_config config;
	struct rhythm_config expected;
	const struct rhythm_config *given;

	(void)state;
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

int suite_agent_config(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_has_the_rhythm_s_own_defaults),
	};

	return cmocka_run_group_tests_name("agent.config", tests, NULL, NULL);
}
