#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/obd/condition.h"

/* Signals a, b, c, and what is known of them. */
struct values {
	bool known[3];
	double value[3];
};

static int find(void *arg, const char *id)
{
	(void)arg;
	return strlen(id) == 1 && id[0] >= 'a' && id[0] <= 'c' ? id[0] - 'a' : -1;
}

static bool value_of(void *arg, size_t signal, double *ret_value)
{
	const struct values *values = arg;

	if (!values->known[signal])
		return false;
	*ret_value = values->value[signal];
	return true;
}

static enum truth eval(const char *text, struct values *values)
{
	struct profile_condition *condition = NULL;
	char expected[160] = "";
	enum truth truth;

	if (condition_parse(text, find, NULL, expected, sizeof(expected), &condition) != 0)
		fail_msg("%s: %s", text, expected);
	truth = condition_eval(condition, value_of, values);
	condition_free(condition);
	return truth;
}

static void a_comparison_is_what_it_says(void **state)
{
	static const struct {
		const char *text;
		enum truth truth;
	} cases[] = {
		{"a = 5", TRUTH_TRUE},  {"a = 5.1", TRUTH_FALSE}, {"a != 5", TRUTH_FALSE},
		{"a != 4", TRUTH_TRUE}, {"a < 5", TRUTH_FALSE},   {"a < 5.5", TRUTH_TRUE},
		{"a <= 5", TRUTH_TRUE}, {"a <= 4", TRUTH_FALSE},  {"a > 4", TRUTH_TRUE},
		{"a > 5", TRUTH_FALSE}, {"a >= 5", TRUTH_TRUE},   {"a >= 6", TRUTH_FALSE},
		{"b<-1", TRUTH_TRUE},   {"b=-2e0", TRUTH_TRUE},   {"  b\t>-3  ", TRUTH_TRUE},
	};
	struct values values = {.known = {true, true, false}, .value = {5, -2, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (eval(cases[i].text, &values) != cases[i].truth)
			fail_msg("%s", cases[i].text);
	}
}

static void and_binds_closer_than_or(void **state)
{
	struct values values = {.known = {true, true, true}, .value = {1, 0, 0}};

	(void)state;
	assert_int_equal(eval("a = 1 or b = 1 and c = 1", &values), TRUTH_TRUE);
	assert_int_equal(eval("c = 1 and b = 1 or a = 1", &values), TRUTH_TRUE);
	assert_int_equal(eval("a = 1 and b = 1 or c = 1", &values), TRUTH_FALSE);
}

static void what_is_not_known_is_neither_true_nor_false(void **state)
{
	struct values values = {.known = {true, false, true}, .value = {1, 0, 0}};

	(void)state;
	assert_int_equal(eval("b = 0", &values), TRUTH_UNKNOWN);
	assert_int_equal(eval("b != 0", &values), TRUTH_UNKNOWN);
	assert_int_equal(eval("a = 0 and b = 0", &values), TRUTH_FALSE);
	assert_int_equal(eval("b = 0 and a = 0", &values), TRUTH_FALSE);
	assert_int_equal(eval("a = 1 and b = 0", &values), TRUTH_UNKNOWN);
	assert_int_equal(eval("b = 0 or a = 1", &values), TRUTH_TRUE);
	assert_int_equal(eval("b = 0 or a = 0", &values), TRUTH_UNKNOWN);
	assert_int_equal(eval("b = 0 or a = 0 or c = 0", &values), TRUTH_TRUE);
	assert_int_equal(condition_eval(NULL, value_of, &values), TRUTH_UNKNOWN);
}

static void a_mistake_says_what_was_expected(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"", "the name of a signal, not \"the end\""},
		{"x = 1", "the name of a signal that is a number, not \"x\""},
		{"a", "one of = != < <= > >=, not \"the end\""},
		{"a == 1", "a number, not \"= 1\""},
		{"a = one", "a number, not \"one\""},
		{"a = 1x", "a number, not \"1x\""},
		{"a = 0x10", "a number, not \"0x10\""},
		{"a = 1 b = 2", "\"and\" or \"or\", not \"b = 2\""},
		{"a = 1 and", "the name of a signal, not \"the end\""},
		{"a = 1 or or b = 1", "the name of a signal that is a number, not \"or\""},
		{"a=1 or a=1 or a=1 or a=1 or a=1 or a=1 or a=1 or a=1 or a=1 or "
		 "a=1 or a=1 or a=1 or a=1 or a=1 or a=1 or a=1 or a=1",
		 "at most 16 comparisons, not \" a=1\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile_condition *condition = NULL;
		char expected[160] = "";

		assert_int_equal(condition_parse(cases[i].text, find, NULL, expected,
						 sizeof(expected), &condition),
				 -EINVAL);
		assert_null(condition);
		assert_string_equal(expected, cases[i].expected);
	}
}

int suite_provider_condition(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_comparison_is_what_it_says),
		cmocka_unit_test(and_binds_closer_than_or),
		cmocka_unit_test(what_is_not_known_is_neither_true_nor_false),
		cmocka_unit_test(a_mistake_says_what_was_expected),
	};

	return cmocka_run_group_tests_name("provider.condition", tests, NULL, NULL);
}
