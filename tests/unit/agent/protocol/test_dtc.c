#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/dtc.h"

int suite_agent_dtc(void);

#define ROOM 4

struct decode_case {
	const char *name;
	bool can;
	uint8_t answer[16];
	size_t len;
	int want;
	const char *texts; /* separated by blanks */
};

static const struct decode_case obd_cases[] = {
	{"none on CAN", true, {0x43, 0x00}, 2, 0, ""},
	{"two on CAN", true, {0x43, 0x02, 0x01, 0x43, 0xc1, 0x23}, 6, 2, "P0143 U0123"},
	{"pending", true, {0x47, 0x01, 0x03, 0x01}, 4, 1, "P0301"},
	{"permanent", true, {0x4a, 0x01, 0x42, 0x34}, 4, 1, "C0234"},
	{"zeros behind the codes", true, {0x43, 0x01, 0x03, 0x01, 0, 0, 0, 0}, 8, 1, "P0301"},
	{"more than the count", true, {0x43, 0x01, 0x03, 0x01, 0x03, 0x02}, 6, OBD2_E_SHORT, ""},
	{"fewer than the count", true, {0x43, 0x02, 0x03, 0x01}, 4, OBD2_E_SHORT, ""},
	{"no count", true, {0x43}, 1, OBD2_E_SHORT, ""},
	{"an empty place on CAN", true, {0x43, 0x02, 0x00, 0x00, 0x03, 0x01}, 6, 1, "P0301"},
	{"one before CAN", false, {0x43, 0x01, 0x33, 0, 0, 0, 0}, 7, 1, "P0133"},
	{"three before CAN",
	 false,
	 {0x43, 0x01, 0x33, 0xd0, 0x16, 0x9a, 0xbc},
	 7,
	 3,
	 "P0133 U1016 B1ABC"},
	{"none before CAN", false, {0x43, 0, 0, 0, 0, 0, 0}, 7, 0, ""},
	{"half a code", false, {0x43, 0x01, 0x33, 0x02}, 4, OBD2_E_SHORT, ""},
	{"too long before CAN", false, {0x43, 1, 2, 3, 4, 5, 6, 7, 8}, 9, OBD2_E_SHORT, ""},
	{"nothing before CAN", false, {0x43}, 1, OBD2_E_SHORT, ""},
	{"another service", true, {0x41, 0x00}, 2, OBD2_E_ECHO, ""},
	{"nothing", true, {0}, 0, OBD2_E_ECHO, ""},
};

static const struct decode_case uds_cases[] = {
	{"none", true, {0x59, 0x02, 0xff}, 3, 0, ""},
	{"one", true, {0x59, 0x02, 0xff, 0x03, 0x01, 0x1c, 0x08}, 7, 1, "P0301-1C"},
	{"without a failure type", true, {0x59, 0x02, 0xff, 0x03, 0x01, 0, 0x08}, 7, 1, "P0301"},
	{"two",
	 true,
	 {0x59, 0x02, 0x0c, 0x03, 0x01, 0x1c, 0x08, 0xc1, 0x00, 0x87, 0x2f},
	 11,
	 2,
	 "P0301-1C U0100-87"},
	{"zeros", true, {0x59, 0x02, 0xff, 0, 0, 0, 0}, 7, 0, ""},
	{"cut off", true, {0x59, 0x02, 0xff, 0x03, 0x01, 0x1c}, 6, OBD2_E_SHORT, ""},
	{"no mask", true, {0x59, 0x02}, 2, OBD2_E_SHORT, ""},
	{"supported", true, {0x59, 0x0a, 0xff, 0x03, 0x01, 0x1c, 0x40}, 7, 1, "P0301-1C"},
	{"a count", true, {0x59, 0x01, 0xff, 0x00, 0x00, 0x05}, 6, OBD2_E_ECHO, ""},
	{"another service", true, {0x43, 0x02, 0xff}, 3, OBD2_E_ECHO, ""},
};

static const char *joined(const struct dtc *codes, int count)
{
	static char text[ROOM * DTC_TEXT_SIZE];
	size_t at = 0;

	text[0] = '\0';
	for (int i = 0; i < count && i < ROOM; i++) {
		if (i > 0)
			text[at++] = ' ';
		dtc_text(&codes[i], text + at);
		at += strlen(text + at);
	}
	return text;
}

static void codes_of_obd_are_taken_by_count_and_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(obd_cases) / sizeof(obd_cases[0]); i++) {
		const struct decode_case *c = &obd_cases[i];
		struct dtc codes[ROOM];
		const int r = dtc_decode_obd(c->answer, c->len, c->can, codes, ROOM);

		if (r != c->want || strcmp(joined(codes, r), c->texts) != 0)
			fail_msg("%s: %d \"%s\"", c->name, r, joined(codes, r));
	}
}

static void codes_of_uds_have_a_failure_type_and_a_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(uds_cases) / sizeof(uds_cases[0]); i++) {
		const struct decode_case *c = &uds_cases[i];
		struct dtc codes[ROOM];
		const int r = dtc_decode_uds(c->answer, c->len, codes, ROOM);

		if (r != c->want || strcmp(joined(codes, r), c->texts) != 0)
			fail_msg("%s: %d \"%s\"", c->name, r, joined(codes, r));
	}
}

static void a_status_has_only_the_bits_that_the_ecu_supports(void **state)
{
	const uint8_t answer[] = {0x59, 0x02, 0x0c, 0x03, 0x01, 0x1c, 0x2f};
	const uint8_t pending[] = {0x47, 0x01, 0x03, 0x01};
	struct dtc code;

	(void)state;
	assert_int_equal(dtc_decode_uds(answer, sizeof(answer), &code, 1), 1);
	assert_int_equal(code.status, DTC_CONFIRMED | DTC_PENDING);
	assert_int_equal(dtc_decode_obd(pending, sizeof(pending), true, &code, 1), 1);
	assert_int_equal(code.status, DTC_PENDING);
}

static void more_codes_than_there_is_room_for_are_counted(void **state)
{
	const uint8_t answer[] = {0x43, 0x03, 0x03, 0x01, 0x03, 0x02, 0x03, 0x03};
	struct dtc codes[2];

	(void)state;
	codes[1].code = 0x1234;
	assert_int_equal(dtc_decode_obd(answer, sizeof(answer), true, codes, 1), 3);
	assert_int_equal(codes[0].code, 0x0301);
	assert_int_equal(codes[1].code, 0x1234);
	assert_int_equal(dtc_decode_obd(answer, sizeof(answer), true, NULL, 0), 3);
}

int suite_agent_dtc(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_of_obd_are_taken_by_count_and_place),
		cmocka_unit_test(codes_of_uds_have_a_failure_type_and_a_status),
		cmocka_unit_test(a_status_has_only_the_bits_that_the_ecu_supports),
		cmocka_unit_test(more_codes_than_there_is_room_for_are_counted),
	};

	return cmocka_run_group_tests_name("agent.dtc", tests, NULL, NULL);
}
