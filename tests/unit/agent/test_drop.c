#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/drop.h"

#define EPOCH "b1f0c2d3e4f5061728394a5b6c7d8e9f"

static void what_an_operator_names_is_read(void **state)
{
	struct drop drop;

	(void)state;
	drop_init(&drop);
	assert_int_equal(drop.filter.class, -1);
	assert_int_equal(drop_parse_batches(&drop, EPOCH), 0);
	assert_string_equal(drop.filter.epoch, EPOCH);
	assert_int_equal(drop.filter.last, 0);
	assert_int_equal(drop_parse_batches(&drop, EPOCH ":7"), 0);
	assert_int_equal(drop.filter.first, 7);
	assert_int_equal(drop.filter.last, 7);
	assert_int_equal(drop_parse_batches(&drop, EPOCH ":7-19"), 0);
	assert_int_equal(drop.filter.last, 19);
	assert_int_equal(drop_parse_class(&drop, "alarm"), 0);
	assert_int_equal(drop.filter.class, WIRE_CLASS_ALARM);
}

static void what_is_no_range_is_refused(void **state)
{
	static const char *const wrong[] = {"",
					    ":1",
					    EPOCH ":",
					    EPOCH ":0",
					    EPOCH ":-1",
					    EPOCH ":+1",
					    EPOCH ":2-1",
					    EPOCH ":1-",
					    EPOCH ":1-2-3",
					    EPOCH ":1x",
					    EPOCH ":9999999999999999999999",
					    EPOCH "0:1",
					    "a b"};
	struct drop drop;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		drop_init(&drop);
		if (drop_parse_batches(&drop, wrong[i]) != -EINVAL)
			fail_msg("%s was taken", wrong[i]);
	}
	/* Ledgers are never given up. */
	assert_int_equal(drop_parse_class(&drop, "ledger"), -EINVAL);
	assert_int_equal(drop_parse_class(&drop, ""), -EINVAL);
}

static void a_line_comes_back_as_it_was(void **state)
{
	struct drop drop, back;
	char line[DROP_TEXT_MAX];

	(void)state;
	drop_init(&drop);
	drop_format(&drop, line);
	assert_int_equal(drop_parse(&back, line), 0);
	assert_null(back.filter.epoch);
	assert_int_equal(back.filter.class, -1);
	assert_int_equal(drop_parse_batches(&drop, EPOCH ":3-1099511627775"), 0);
	drop.filter.class = WIRE_CLASS_STATE;
	drop.filter.older_than_ms = 7200000;
	drop_format(&drop, line);
	assert_int_equal(drop_parse(&back, line), 0);
	assert_string_equal(back.filter.epoch, EPOCH);
	assert_int_equal(back.filter.first, 3);
	assert_int_equal(back.filter.last, 1099511627775);
	assert_int_equal(back.filter.class, WIRE_CLASS_STATE);
	assert_int_equal(back.filter.older_than_ms, 7200000);
}

static void a_line_of_nonsense_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",           "all",         "- 0 0 -1",    "- 0 0 3 0",   "- 0 0 -2 0",
		"- 5 4 -1 0", "- -1 4 -1 0", "- 0 0 -1 -5", "- 0 0 -1 0 x"};
	struct drop drop;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (drop_parse(&drop, wrong[i]) != -EINVAL)
			fail_msg("%s was taken", wrong[i]);
}

int suite_agent_drop(void);
int suite_agent_drop(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_operator_names_is_read),
		cmocka_unit_test(what_is_no_range_is_refused),
		cmocka_unit_test(a_line_comes_back_as_it_was),
		cmocka_unit_test(a_line_of_nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("agent.drop", tests, NULL, NULL);
}
