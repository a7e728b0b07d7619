#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/source/obd_priv.h"

static void every_error_has_a_reason_and_a_sentence(void **state)
{
	static const char *const addresses[] = {"serial:/dev/ttyUSB0", "tcp:10.0.0.1:35000",
						"rfcomm:00:1D:A5:68:98:8B"};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		for (int error = 1; error < 134; error++) {
			const struct obd_trouble *trouble = obd_trouble(addresses[i], -error);
			struct source_report report;
			const size_t len = strlen(trouble->detail);

			assert_true(trouble->reason[0] != '\0');
			assert_true(len > 10 && len < sizeof(report.detail));
			assert_int_equal(trouble->detail[len - 1], '.');
		}
	}
}

static void what_to_do_depends_on_how_the_adapter_is_reached(void **state)
{
	(void)state;
	assert_non_null(strstr(obd_trouble("serial:/dev/ttyUSB0", -EACCES)->detail, "dialout"));
	assert_non_null(strstr(obd_trouble("rfcomm:00:1D:A5:68:98:8B", -EACCES)->detail, "pair"));
	assert_string_equal(obd_trouble("serial:/dev/ttyUSB0", -EACCES)->reason, "adapter_denied");
	assert_string_equal(obd_trouble("serial:/dev/ttyUSB0", -ENOENT)->reason,
			    "adapter_unplugged");
	assert_string_equal(obd_trouble("rfcomm:00:1D:A5:68:98:8B", -EHOSTDOWN)->reason,
			    "adapter_unreachable");
	assert_string_equal(obd_trouble("tcp:10.0.0.1:35000", -EHOSTUNREACH)->reason,
			    "adapter_unreachable");
}

int suite_agent_obd_trouble(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_a_reason_and_a_sentence),
		cmocka_unit_test(what_to_do_depends_on_how_the_adapter_is_reached),
	};

	return cmocka_run_group_tests_name("agent.obd_trouble", tests, NULL, NULL);
}
