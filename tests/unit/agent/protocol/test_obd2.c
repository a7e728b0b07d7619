#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/protocol/obd2.h"

int suite_agent_obd2(void);

/* Every service with every length, and 3E with every function. */
static void only_reading_services_may_be_sent(void **state)
{
	static const uint8_t allowed[] = {0x01, 0x02, 0x03, 0x06, 0x07, 0x09,
					  0x0a, 0x19, 0x1a, 0x21, 0x22};
	unsigned count = 0;

	(void)state;
	for (unsigned service = 0; service < 256; service++)
		for (size_t len = 0; len <= 16; len++) {
			const uint8_t request[16] = {(uint8_t)service, 0x01};
			const bool listed = memchr(allowed, (int)service, sizeof(allowed)) != NULL;

			if (obd2_request_allowed(request, len) != (listed && len >= 1 && len <= 7))
				fail_msg("service %02x of %u bytes", service, (unsigned)len);
			count += listed && len == 1;
		}
	assert_int_equal(count, sizeof(allowed));
	for (unsigned function = 0; function < 256; function++) {
		const uint8_t request[] = {0x3e, (uint8_t)function, 0x00};

		assert_int_equal(obd2_request_allowed(request, 2), function == 0x80);
		assert_false(obd2_request_allowed(request, 3));
		assert_false(obd2_request_allowed(request, 1));
	}
}

static void a_request_becomes_text_where_it_may_be_sent(void **state)
{
	char text[OBD2_TEXT_SIZE] = "-";

	(void)state;
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

static void a_vin_is_found_in_every_service_that_has_it(void **state)
{
	const uint8_t uds[] = "\x62\xf1\x90"
			      "WVWZZZ1JZXW000001";
	const uint8_t kwp[] = "\x5a\x90"
			      "WVWZZZ1JZXW000001";
	const uint8_t local[] = "\x61\x81"
				"WVWZZZ1JZXW000001\x12\x34";
	/* As elm327.h joins five messages of four bytes. */
	const uint8_t before_can[] = "\x49\x02\x01\0\0\0"
				     "WVWZZZ1JZXW000001";
	const uint8_t other[] = "\x62\xf1\x91"
				"WVWZZZ1JZXW000001";
	const uint8_t two_more[] = "\x62\xf1\x90"
				   "WVWZZZ1JZXW000001AB";
	const struct {
		const uint8_t *answer;
		size_t len;
		int want;
	} cases[] = {
		{uds, sizeof(uds) - 1, 0},
		{kwp, sizeof(kwp) - 1, 0},
		{local, sizeof(local) - 1, 0},
		{before_can, sizeof(before_can) - 1, 0},
		{other, sizeof(other) - 1, OBD2_E_ECHO},
		{two_more, sizeof(two_more) - 1, OBD2_E_VALUE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char vin[OBD2_VIN_SIZE] = "-";

		assert_int_equal(obd2_decode_vin(cases[i].answer, cases[i].len, vin),
				 cases[i].want);
		assert_string_equal(vin, cases[i].want ? "-" : "WVWZZZ1JZXW000001");
	}
}

static void calibrations_are_texts_of_sixteen(void **state)
{
	uint8_t answer[3 + 2 * 16] = {0x49, 0x04, 0x02};
	char ids[2][OBD2_CALIBRATION_SIZE] = {"-", "-"};

	(void)state;
	memcpy(answer + 3, "JMB*36761500", 12);
	memcpy(answer + 19, "JMB*47872611    ", 16);
	assert_int_equal(obd2_decode_calibrations(answer, sizeof(answer), ids, 2), 2);
	assert_string_equal(ids[0], "JMB*36761500");
	assert_string_equal(ids[1], "JMB*47872611");
	/* More than there is room for are counted. */
	(void)strcpy(ids[1], "-");
	assert_int_equal(obd2_decode_calibrations(answer, sizeof(answer), ids, 1), 2);
	assert_string_equal(ids[1], "-");
	assert_int_equal(obd2_decode_calibrations(answer, sizeof(answer) - 1, ids, 2),
			 OBD2_E_SHORT);
	answer[3] = 0x07;
	assert_int_equal(obd2_decode_calibrations(answer, sizeof(answer), ids, 2), OBD2_E_VALUE);
	memset(answer + 3, 0, 16);
	assert_int_equal(obd2_decode_calibrations(answer, sizeof(answer), ids, 2), 1);
	assert_string_equal(ids[0], "JMB*47872611");
	answer[1] = 0x06;
	assert_int_equal(obd2_decode_calibrations(answer, sizeof(answer), ids, 2), OBD2_E_ECHO);
}

static void verification_numbers_are_four_bytes_each(void **state)
{
	const uint8_t answer[] = {0x49, 0x06, 0x02, 0x17, 0x91, 0xbc, 0x82, 0x16, 0xe0, 0x62, 0xbe};
	uint32_t numbers[2] = {0};

	(void)state;
	assert_int_equal(obd2_decode_verifications(answer, sizeof(answer), numbers, 2), 2);
	assert_int_equal(numbers[0], 0x1791bc82);
	assert_int_equal(numbers[1], 0x16e062be);
	assert_int_equal(obd2_decode_verifications(answer, sizeof(answer) - 1, numbers, 2),
			 OBD2_E_SHORT);
}

static void an_ecu_has_an_acronym_and_a_name(void **state)
{
	const uint8_t answer[] = "\x49\x0a\x01"
				 "ECM\0-EngineControl\0\0";
	uint8_t bare[sizeof(answer)];
	char name[OBD2_ECU_NAME_SIZE] = "-";

	(void)state;
	memcpy(bare, answer, sizeof(answer));
	bare[3 + 4] = 'X';
	assert_int_equal(obd2_decode_ecu_name(bare, sizeof(bare) - 1, name), OBD2_E_VALUE);
	assert_int_equal(obd2_decode_ecu_name(answer, sizeof(answer) - 2, name), OBD2_E_SHORT);
	assert_string_equal(name, "-");
	assert_int_equal(obd2_decode_ecu_name(answer, sizeof(answer) - 1, name), 0);
	assert_string_equal(name, "ECM-EngineControl");
	memset(bare + 3 + 4, 0, 16);
	bare[3 + 4] = '-';
	assert_int_equal(obd2_decode_ecu_name(bare, sizeof(bare) - 1, name), 0);
	assert_string_equal(name, "ECM");
}

static void several_parameters_fit_into_one_request(void **state)
{
	const uint8_t pids[] = {0x0c, 0x0d, 0x05, 0x11, 0x2f, 0x42, 0x46};
	const uint8_t twice[] = {0x0c, 0x0d, 0x0c};
	const uint8_t varying[] = {0x0c, 0x06};
	const uint8_t mixed[] = {0x00, 0x0c};
	const uint8_t bitmaps[] = {0x00, 0x20, 0x40};
	uint8_t out[1 + OBD2_MULTI_MAX] = {0};

	(void)state;
	assert_int_equal(obd2_multi_request(pids, 7, out), OBD2_E_VALUE);
	assert_int_equal(obd2_multi_request(pids, 0, out), OBD2_E_VALUE);
	assert_int_equal(obd2_multi_request(twice, 3, out), OBD2_E_VALUE);
	assert_int_equal(obd2_multi_request(varying, 2, out), OBD2_E_UNKNOWN);
	assert_int_equal(obd2_multi_request(mixed, 2, out), OBD2_E_VALUE);
	assert_int_equal(out[0], 0);
	assert_int_equal(obd2_multi_request(bitmaps, 3, out), 4);
	/* Asked for alone, its length need not be known. */
	assert_int_equal(obd2_multi_request(varying + 1, 1, out), 2);
	assert_int_equal(obd2_multi_request(pids, 6, out), 7);
	assert_memory_equal(out, ((const uint8_t[]){0x01, 0x0c, 0x0d, 0x05, 0x11, 0x2f, 0x42}), 7);
	assert_true(obd2_request_allowed(out, 7));
}

struct split_case {
	const char *name;
	uint8_t request[7];
	size_t request_len;
	uint8_t answer[12];
	size_t len;
	int want;
	const char *parts; /* PID and first data byte of each, as hex */
};

static const struct split_case splits[] = {
	{"in order", {1, 0x0c, 0x0d}, 3, {0x41, 0x0c, 0x13, 0xfb, 0x0d, 0x50}, 6, 2, "0C130D50"},
	{"in another order",
	 {1, 0x0c, 0x0d},
	 3,
	 {0x41, 0x0d, 0x50, 0x0c, 0x13, 0xfb},
	 6,
	 2,
	 "0D500C13"},
	{"one left out",
	 {1, 0x0c, 0x0d, 0x05},
	 4,
	 {0x41, 0x0d, 0x50, 0x05, 0x7b},
	 5,
	 2,
	 "0D50057B"},
	{"all but one left out", {1, 0x0c, 0x0d}, 3, {0x41, 0x0d, 0x50}, 3, 1, "0D50"},
	{"alone", {1, 0x06}, 2, {0x41, 0x06, 0x80, 0x81}, 4, 1, "0680"},
	{"alone, another", {1, 0x06}, 2, {0x41, 0x07, 0x80}, 3, OBD2_E_ECHO, ""},
	{"not asked for", {1, 0x0c, 0x0d}, 3, {0x41, 0x0d, 0x50, 0x05, 0x7b}, 5, OBD2_E_ECHO, ""},
	{"twice", {1, 0x0c, 0x0d}, 3, {0x41, 0x0d, 0x50, 0x0d, 0x51}, 5, OBD2_E_ECHO, ""},
	{"cut off", {1, 0x0c, 0x0d}, 3, {0x41, 0x0d, 0x50, 0x0c, 0x13}, 5, OBD2_E_SHORT, ""},
	{"a byte too many",
	 {1, 0x0c, 0x0d},
	 3,
	 {0x41, 0x0d, 0x50, 0x0c, 0x13, 0xfb, 0x00},
	 7,
	 OBD2_E_ECHO,
	 ""},
	{"no known length", {1, 0x0c, 0x06}, 3, {0x41, 0x06, 0x80}, 3, OBD2_E_UNKNOWN, ""},
	{"another service", {1, 0x0c, 0x0d}, 3, {0x62, 0x0d, 0x50}, 3, OBD2_E_ECHO, ""},
	{"nothing", {1, 0x0c, 0x0d}, 3, {0x41}, 1, OBD2_E_ECHO, ""},
	{"no request of 01", {0x22, 0xf1, 0x90}, 3, {0x41, 0x90}, 2, OBD2_E_ECHO, ""},
	{"no request", {1}, 1, {0x41, 0x0c}, 2, OBD2_E_ECHO, ""},
};

static void an_answer_to_several_comes_apart_whole_or_not_at_all(void **state)
{
	static struct obd2_part parts[OBD2_MULTI_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
		const struct split_case *c = &splits[i];
		const int r =
			obd2_multi_split(c->request, c->request_len, c->answer, c->len, parts);
		char got[32] = "";

		for (int k = 0; k < r; k++) {
			assert_int_equal(parts[k].answer[0], 0x41);
			(void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%02X%02X",
				       parts[k].answer[1], parts[k].answer[2]);
		}
		if (r != c->want || strcmp(got, c->parts) != 0)
			fail_msg("%s: %d %s, want %d %s", c->name, r, got, c->want, c->parts);
	}
}

static void a_length_is_told_where_no_edition_of_the_standard_changed_it(void **state)
{
	(void)state;
	for (unsigned pid = 0; pid < 256; pid++)
		assert_true(obd2_pid_bytes((uint8_t)pid) <= OBD2_PID_BYTES_MAX);
	assert_int_equal(obd2_pid_bytes(0x06), 0);
	assert_int_equal(obd2_pid_bytes(0x24), 4);
	assert_int_equal(obd2_pid_bytes(0x68), 7);
	assert_int_equal(obd2_pid_bytes(0x9f), 9);
	assert_int_equal(obd2_pid_bytes(0xc0), 4);
	assert_int_equal(obd2_pid_bytes(0xff), 0);
}

static void what_every_vehicle_may_have_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(obd2_pid_name(0x0d), "speed");
	assert_string_equal(obd2_pid_name(0xa6), "odometer");
	assert_null(obd2_pid_name(0x02));
}

int suite_agent_obd2(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_reading_services_may_be_sent),
		cmocka_unit_test(a_request_becomes_text_where_it_may_be_sent),
		cmocka_unit_test(bitmaps_say_which_pids_exist),
		cmocka_unit_test(the_last_bitmap_ends_with_pid_ff),
		cmocka_unit_test(a_vin_is_seventeen_valid_characters),
		cmocka_unit_test(a_vin_is_found_in_every_service_that_has_it),
		cmocka_unit_test(calibrations_are_texts_of_sixteen),
		cmocka_unit_test(verification_numbers_are_four_bytes_each),
		cmocka_unit_test(an_ecu_has_an_acronym_and_a_name),
		cmocka_unit_test(several_parameters_fit_into_one_request),
		cmocka_unit_test(an_answer_to_several_comes_apart_whole_or_not_at_all),
		cmocka_unit_test(a_length_is_told_where_no_edition_of_the_standard_changed_it),
		cmocka_unit_test(what_every_vehicle_may_have_has_a_name),
	};

	return cmocka_run_group_tests_name("agent.obd2", tests, NULL, NULL);
}
