#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/decimal.h"

static void a_number_ends_where_it_can_no_more_go_on(void **state)
{
	static const struct {
		const char *text, *rest;
		double value;
	} cases[] = {
		{"0", "", 0},     {"-12", "", -12},   {"+3.25", "", 3.25},    {".5", "", 0.5},
		{"5.", "", 5},    {"1e3", "", 1000},  {"2.5E-1x", "x", 0.25}, {"7e", "e", 7},
		{"7e+", "e+", 7}, {"1..9", "..9", 1}, {"1.5..9", "..9", 1.5}, {"0x10", "x10", 0},
		{"4 5", " 5", 4},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *rest = NULL;
		double value = 77;

		assert_true(decimal_parse(cases[i].text, &value, &rest));
		assert_float_equal(value, cases[i].value, 0);
		assert_string_equal(rest, cases[i].rest);
		/* Without `rest` the text must end there. */
		assert_int_equal(decimal_parse(cases[i].text, &value, NULL), !*cases[i].rest);
	}
}

static void what_is_no_number_sets_nothing(void **state)
{
	static const char *const cases[] = {
		"",
		"-",
		"+",
		".",
		"-.",
		"e5",
		"x",
		" 1",
		"inf",
		"nan",
		"--1",
		"1e999",
		/* 64 digits and more are nobody's measurement. */
		"1000000000000000000000000000000000000000000000000000000000000000000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *rest = "as it was";
		double value = 77;

		assert_false(decimal_parse(cases[i], &value, &rest));
		assert_float_equal(value, 77, 0);
		assert_string_equal(rest, "as it was");
	}
}

int suite_base_decimal(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_ends_where_it_can_no_more_go_on),
		cmocka_unit_test(what_is_no_number_sets_nothing),
	};

	return cmocka_run_group_tests_name("base.decimal", tests, NULL, NULL);
}
