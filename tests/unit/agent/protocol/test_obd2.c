#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/obd2.h"

int suite_agent_obd2(void);

static void only_reading_services_may_be_sent(void **state)
{
	static const uint8_t allowed[] = {0x01, 0x02, 0x03, 0x06, 0x07, 0x09,
					  0x0a, 0x19, 0x1a, 0x21, 0x22};
	const uint8_t present[] = {0x3e, 0x80};
	const uint8_t present_loud[] = {0x3e, 0x00};
	char text[OBD2_TEXT_SIZE] = "-";
	unsigned count = 0;

	(void)state;
	for (unsigned service = 0; service < 256; service++) {
		const uint8_t request[] = {(uint8_t)service, 0x00};
		const bool want = memchr(allowed, (int)service, sizeof(allowed)) != NULL;

		assert_int_equal(obd2_request_allowed(request, 2), want);
		count += want;
	}
	assert_int_equal(count, sizeof(allowed));
	assert_true(obd2_request_allowed(present, 2));
	assert_false(obd2_request_allowed(present_loud, 2));
	assert_false(obd2_request_allowed(present, 1));
	assert_false(obd2_request_allowed(allowed, 0));
	assert_false(obd2_request_allowed(allowed, 8));
	assert_int_equal(obd2_request_text((const uint8_t[]){0x04}, 1, text), OBD2_E_REFUSED);
	assert_string_equal(text, "-");
	assert_int_equal(obd2_request_text((const uint8_t[]){0x01, 0xa6}, 2, text), 0);
	assert_string_equal(text, "01A6");
}

static void bitmaps_say_which_pids_exist(void **state)
{
	const uint8_t first[] = {0x41, 0x00, 0xbe, 0x3f, 0xa8, 0x13};
	const uint8_t second[] = {0x41, 0x20, 0x80, 0x00, 0x00, 0x00};
	struct obd2_support support = {{0}};

	(void)state;
	assert_int_equal(obd2_decode_support(0x00, first, sizeof(first), &support), 0);
	assert_true(obd2_supports(&support, 0x01));
	assert_false(obd2_supports(&support, 0x02));
	assert_true(obd2_supports(&support, 0x0c));
	assert_true(obd2_supports(&support, 0x0d));
	assert_int_equal(obd2_support_next(&support, 0x00), 0x20);
	assert_int_equal(obd2_decode_support(0x20, second, sizeof(second), &support), 0);
	assert_true(obd2_supports(&support, 0x21));
	assert_int_equal(obd2_support_next(&support, 0x20), -1);
	assert_int_equal(obd2_decode_support(0x20, first, sizeof(first), &support), OBD2_E_ECHO);
	assert_int_equal(obd2_decode_support(0x00, first, 5, &support), OBD2_E_SHORT);
}

static void the_last_bitmap_ends_with_pid_ff(void **state)
{
	const uint8_t all[] = {0xff, 0xff, 0xff, 0xff};
	struct obd2_support support = {{0}};

	(void)state;
	assert_int_equal(obd2_support_add(&support, 0xe0, all), 0);
	assert_true(obd2_supports(&support, 0xff));
	assert_false(obd2_supports(&support, 0x00));
	assert_int_equal(obd2_support_next(&support, 0xe0), -1);
	assert_int_equal(obd2_support_add(&support, 0x10, all), OBD2_E_UNKNOWN);
}

struct value_case {
	uint8_t pid;
	uint8_t answer[6];
	size_t len;
	double want;
};

static void each_pid_has_its_formula(void **state)
{
	static const struct value_case cases[] = {
		{0x0c, {0x41, 0x0c, 0x13, 0xfb}, 4, 1278.75},
		{0x0d, {0x41, 0x0d, 0x50}, 3, 80},
		{0x05, {0x41, 0x05, 0x00}, 3, -40},
		{0x05, {0x41, 0x05, 0x7b}, 3, 83},
		{0x2f, {0x41, 0x2f, 0xff}, 3, 100},
		{0x5b, {0x41, 0x5b, 0x33}, 3, 20},
		{0x42, {0x41, 0x42, 0x36, 0xb0}, 4, 14.0},
		{0xa6, {0x41, 0xa6, 0x00, 0x01, 0x86, 0xa1}, 6, 10000.1},
		{0x46, {0x41, 0x46, 0x3c}, 3, 20},
		{0x31, {0x41, 0x31, 0x01, 0x00}, 4, 256},
		{0x21, {0x41, 0x21, 0x00, 0x07}, 4, 7},
		{0x5e, {0x41, 0x5e, 0x00, 0x64}, 4, 5},
		{0x62, {0x41, 0x62, 0x7d}, 3, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double value = -1;

		assert_int_equal(obd2_decode(cases[i].pid, cases[i].answer, cases[i].len, &value),
				 0);
		assert_float_equal(value, cases[i].want, 1e-6);
	}
}

static void short_long_unknown_and_foreign_answers_give_no_value(void **state)
{
	const uint8_t rpm[] = {0x41, 0x0c, 0x13, 0xfb, 0x00};
	const uint8_t unknown[] = {0x41, 0xff, 0x00};
	double value = -1;

	(void)state;
	assert_int_equal(obd2_decode(0x0c, rpm, 3, &value), OBD2_E_SHORT);
	assert_int_equal(obd2_decode(0x0c, rpm, 5, &value), OBD2_E_SHORT);
	assert_int_equal(obd2_decode(0x0d, rpm, 4, &value), OBD2_E_ECHO);
	assert_int_equal(obd2_decode(0x0c, rpm, 1, &value), OBD2_E_ECHO);
	assert_int_equal(obd2_decode(0xff, unknown, 3, &value), OBD2_E_UNKNOWN);
	assert_float_equal(value, -1, 0);
}

static void a_vin_is_seventeen_valid_characters(void **state)
{
	const uint8_t good[] = "\x49\x02\x01"
			       "1D4GP00R55B123456";
	const uint8_t padded[] = "\x49\x02\x01\0\0\0"
				 "1D4GP00R55B123456";
	const uint8_t bad[] = "\x49\x02\x01"
			      "1D4GP00R55B12345O";
	const uint8_t zeros[24] = {0x49, 0x02, 0x01};
	char vin[OBD2_VIN_SIZE] = "-";

	(void)state;
	assert_int_equal(obd2_decode_vin(bad, sizeof(bad) - 1, vin), OBD2_E_VALUE);
	assert_int_equal(obd2_decode_vin(zeros, sizeof(zeros), vin), OBD2_E_VALUE);
	assert_int_equal(obd2_decode_vin(good, sizeof(good) - 2, vin), OBD2_E_SHORT);
	assert_string_equal(vin, "-");
	assert_int_equal(obd2_decode_vin(good, sizeof(good) - 1, vin), 0);
	assert_string_equal(vin, "1D4GP00R55B123456");
	assert_int_equal(obd2_decode_vin(padded, sizeof(padded) - 1, vin), 0);
	assert_string_equal(vin, "1D4GP00R55B123456");
}

static void pids_are_found_by_name_and_number(void **state)
{
	(void)state;
	assert_int_equal(obd2_pid_find("speed")->pid, 0x0d);
	assert_string_equal(obd2_pid_info(0xa6)->unit, "km");
	assert_null(obd2_pid_find("nothing"));
	assert_null(obd2_pid_info(0x02));
}

int suite_agent_obd2(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_reading_services_may_be_sent),
		cmocka_unit_test(bitmaps_say_which_pids_exist),
		cmocka_unit_test(the_last_bitmap_ends_with_pid_ff),
		cmocka_unit_test(each_pid_has_its_formula),
		cmocka_unit_test(short_long_unknown_and_foreign_answers_give_no_value),
		cmocka_unit_test(a_vin_is_seventeen_valid_characters),
		cmocka_unit_test(pids_are_found_by_name_and_number),
	};

	return cmocka_run_group_tests_name("agent.obd2", tests, NULL, NULL);
}
