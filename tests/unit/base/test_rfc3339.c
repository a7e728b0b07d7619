#include <errno.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rfc3339.h"

struct good {
	const char *text;
	int64_t ms;
};

static void known_times_parse(void **state)
{
	/* The first five are examples of RFC 3339 section 5.8; the figures come from date(1). */
	static const struct good cases[] = {
		{"1985-04-12T23:20:50.52Z", 482196050520},
		{"1996-12-19T16:39:57-08:00", 851042397000},
		{"1990-12-31T23:59:60Z", 662687999999},
		{"1990-12-31T15:59:60-08:00", 662687999999},
		{"1937-01-01T12:00:27.87+00:20", -1041337172130},
		{"1970-01-01T00:00:00Z", 0},
		{"1969-12-31T23:59:59.999Z", -1},
		{"2026-11-20T16:00:00.000Z", 1795190400000},
		{"2024-02-29T00:00:00.1Z", 1709164800100},
		{"2000-02-29T12:00:00.123999999999999999999999Z", 951825600123},
		{"2000-03-01T00:30:00+01:00", 951867000000},
		{"2026-11-20t16:00:00z", 1795190400000},
		{"2026-11-20T16:00:00-00:00", 1795190400000},
		{"9999-12-31T23:59:59.999Z", 253402300799999},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = 4711;

		if (rfc3339_parse(cases[i].text, strlen(cases[i].text), &ms) != 0)
			fail_msg("%s is refused", cases[i].text);
		if (ms != cases[i].ms)
			fail_msg("%s gives %lld", cases[i].text, (long long)ms);
	}
}

static void what_is_no_time_is_refused_and_touches_nothing(void **state)
{
	static const char *const cases[] = {
		"",
		"2026",
		"2026-11-20",
		"2026-11-20T16:00:00",
		"2026-11-20 16:00:00Z",
		"2026-11-20T16:00Z",
		"2026-11-20T16:00:00.Z",
		"2026-11-20T16:00:00,5Z",
		"2026-11-20T16:00:00Z ",
		" 2026-11-20T16:00:00Z",
		"2026-11-20T16:00:00ZZ",
		"2026-11-20T16:00:00+1:00",
		"2026-11-20T16:00:00+0100",
		"2026-11-20T16:00:00+24:00",
		"2026-11-20T16:00:00+01:60",
		"2026-11-20T24:00:00Z",
		"2026-11-20T16:60:00Z",
		"2026-11-20T16:00:61Z",
		"2026-11-20T16:00:60Z",
		"2026-00-20T16:00:00Z",
		"2026-13-20T16:00:00Z",
		"2026-11-00T16:00:00Z",
		"2026-11-31T16:00:00Z",
		"2026-02-29T16:00:00Z",
		"1900-02-29T16:00:00Z",
		"+026-11-20T16:00:00Z",
		"2026-1-20T16:00:00Z",
		"2026-11-20T16:00:-1Z",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = 4711;

		if (rfc3339_parse(cases[i], strlen(cases[i]), &ms) != -EINVAL)
			fail_msg("'%s' is taken", cases[i]);
		assert_int_equal(ms, 4711);
	}
}

static void only_the_given_length_is_read(void **state)
{
	int64_t ms;

	(void)state;
	assert_int_equal(rfc3339_parse("1970-01-01T00:00:01Zjunk", 20, &ms), 0);
	assert_int_equal(ms, 1000);
	assert_int_equal(rfc3339_parse("1970-01-01T00:00:01Z\0", 21, &ms), -EINVAL);
}

static void format_has_milliseconds_and_z(void **state)
{
	char text[RFC3339_SIZE];

	(void)state;
	assert_string_equal(rfc3339_format(1795190400000, text), "2026-11-20T16:00:00.000Z");
	assert_string_equal(rfc3339_format(951825600007, text), "2000-02-29T12:00:00.007Z");
	assert_string_equal(rfc3339_format(0, text), "1970-01-01T00:00:00.000Z");
}

static void format_clamps_what_it_cannot_say(void **state)
{
	char text[RFC3339_SIZE];

	(void)state;
	assert_string_equal(rfc3339_format(-1, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(rfc3339_format(INT64_MIN, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(rfc3339_format(253402300800000, text), "9999-12-31T23:59:59.999Z");
	assert_string_equal(rfc3339_format(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
}

static void every_day_agrees_with_the_c_library_and_comes_back(void **state)
{
	(void)state;
	/* 1970 to 2500, with a step that also walks through the hours. */
	for (int64_t s = 0; s < INT64_C(16725225600); s += 86400 + 61) {
		time_t t = (time_t)s;
		char text[RFC3339_SIZE], want[RFC3339_SIZE];
		struct tm tm;
		int64_t ms = 0;

		rfc3339_format(s * 1000 + 678, text);
		/* Where time_t has 32 bits (armhf), the C library cannot tell past 2038. */
		if ((int64_t)t == s) {
			assert_non_null(gmtime_r(&t, &tm));
			strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.678Z", &tm);
			assert_string_equal(text, want);
		}
		assert_int_equal(rfc3339_parse(text, strlen(text), &ms), 0);
		assert_true(ms == s * 1000 + 678);
	}
}

int suite_base_rfc3339(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_times_parse),
		cmocka_unit_test(what_is_no_time_is_refused_and_touches_nothing),
		cmocka_unit_test(only_the_given_length_is_read),
		cmocka_unit_test(format_has_milliseconds_and_z),
		cmocka_unit_test(format_clamps_what_it_cannot_say),
		cmocka_unit_test(every_day_agrees_with_the_c_library_and_comes_back),
	};

	return cmocka_run_group_tests_name("base.rfc3339", tests, NULL, NULL);
}
