#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ids.h"

static void ids_are_letters_digits_dot_underscore_and_dash(void **state)
{
	(void)state;
	assert_true(ids_valid("a", 1));
	assert_true(ids_valid("7", 1));
	assert_true(ids_valid("Bus-12_v1.5", 11));
	assert_false(ids_valid("", 0));
	assert_false(ids_valid("-a", 2));
	assert_false(ids_valid(".a", 2));
	assert_false(ids_valid("_a", 2));
	assert_false(ids_valid("a b", 3));
	assert_false(ids_valid("a/b", 3));
	assert_false(ids_valid("a+", 2));
	assert_false(ids_valid("a#", 2));
	assert_false(ids_valid("a\0b", 3));
	assert_false(ids_valid("\xc3\xa4", 2));
}

static void ids_end_at_64_characters(void **state)
{
	char text[65];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_true(ids_valid(text, 64));
	assert_false(ids_valid(text, 65));
}

static void reserved_ids_are_valid_but_not_assignable(void **state)
{
	(void)state;
	assert_true(ids_valid("events", 6));
	assert_false(ids_assignable("events", 6));
	assert_true(ids_assignable("events2", 7));
	assert_true(ids_assignable("event", 5));
	assert_true(ids_assignable("Events", 6));
	assert_false(ids_assignable("", 0));
}

static void random_ids_are_hex_and_differ(void **state)
{
	char a[IDS_RANDOM_SIZE], b[IDS_RANDOM_SIZE];

	(void)state;
	assert_int_equal(ids_random(a), 0);
	assert_int_equal(ids_random(b), 0);
	assert_int_equal(strlen(a), 32);
	assert_int_equal(strspn(a, "0123456789abcdef"), 32);
	assert_string_not_equal(a, b);
	assert_true(ids_valid(a, 32));
}

static void a_ulid_begins_with_its_time(void **state)
{
	char a[IDS_ULID_SIZE], b[IDS_ULID_SIZE];

	(void)state;
	/* The example of the specification: 1469918176385 is 01ARYZ6S41. */
	assert_int_equal(ids_ulid(1469918176385, a), 0);
	assert_int_equal(strlen(a), 26);
	assert_memory_equal(a, "01ARYZ6S41", 10);
	assert_int_equal(strspn(a, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
	assert_int_equal(ids_ulid(1469918176385, b), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(ids_ulid(1469918176386, b), 0);
	assert_true(strcmp(a, b) < 0);
}

static void a_ulid_refuses_times_it_cannot_hold(void **state)
{
	char text[IDS_ULID_SIZE] = "untouched";

	(void)state;
	assert_int_equal(ids_ulid(-1, text), -EINVAL);
	assert_int_equal(ids_ulid(INT64_C(1) << 48, text), -EINVAL);
	assert_string_equal(text, "untouched");
	assert_int_equal(ids_ulid((INT64_C(1) << 48) - 1, text), 0);
	assert_memory_equal(text, "7ZZZZZZZZZ", 10);
}

static void secrets_compare_over_their_whole_length(void **state)
{
	(void)state;
	assert_true(ids_secret_equal("abcd", "abcd", 4));
	assert_false(ids_secret_equal("abcd", "abce", 4));
	assert_false(ids_secret_equal("abcd", "bbcd", 4));
	assert_true(ids_secret_equal("abcd", "abce", 3));
	assert_true(ids_secret_equal("a", "b", 0));
	/* Differences must not cancel each other out. */
	assert_false(ids_secret_equal("ab", "ba", 2));
}

int suite_base_ids(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_letters_digits_dot_underscore_and_dash),
		cmocka_unit_test(ids_end_at_64_characters),
		cmocka_unit_test(reserved_ids_are_valid_but_not_assignable),
		cmocka_unit_test(random_ids_are_hex_and_differ),
		cmocka_unit_test(a_ulid_begins_with_its_time),
		cmocka_unit_test(a_ulid_refuses_times_it_cannot_hold),
		cmocka_unit_test(secrets_compare_over_their_whole_length),
	};

	return cmocka_run_group_tests_name("base.ids", tests, NULL, NULL);
}
