#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/j1939.h"

int suite_agent_j1939(void);

static void near(double a, double b)
{
	assert_true(a > b - 1e-9 && a < b + 1e-9);
}

static void an_identifier_keeps_its_destination_where_its_group_has_one(void **state)
{
	const struct j1939_id request = j1939_id_parse(0x18ea0021);
	const struct j1939_id speed = j1939_id_parse(0x0cf00400);
	const struct j1939_id paged = j1939_id_parse(0x1bfeca17);

	(void)state;
	assert_int_equal(request.pgn, J1939_PGN_REQUEST);
	assert_int_equal(request.destination, 0);
	assert_int_equal(request.source, 0x21);
	assert_int_equal(speed.pgn, 61444);
	assert_int_equal(speed.destination, J1939_GLOBAL);
	assert_int_equal(speed.priority, 3);
	assert_int_equal(paged.pgn, 0x3feca); /* extended and data page belong to the group */
	assert_int_equal(j1939_id_make(&request), 0x18ea0021);
	assert_int_equal(j1939_id_make(&speed), 0x0cf00400);
	assert_int_equal(j1939_id_make(&paged), 0x1bfeca17);
}

static void the_table_is_in_the_order_of_its_groups(void **state)
{
	size_t count;
	size_t total = 0;

	(void)state;
	for (uint32_t pgn = 0; pgn < 0x10000; pgn++) {
		const struct j1939_spn *spns = j1939_spns(pgn, &count);

		assert_true((spns != NULL) == (count > 0));
		for (size_t i = 0; spns && i < count; i++) {
			assert_int_equal(spns[i].pgn, pgn);
			assert_ptr_equal(j1939_spn_find(spns[i].name), &spns[i]); /* names differ */
			assert_true(spns[i].start + spns[i].bits <= 64);
		}
		total += count;
	}
	assert_true(total > 60); /* every line was found by its group */
	assert_null(j1939_spn_find("wings"));
}

static void a_value_is_on_its_scale(void **state)
{
	const uint8_t eec1[] = {0xf0, 0x7d, 0x8c, 0x28, 0x23, 0x00, 0xff, 0xff};
	double value = -1;

	(void)state;
	assert_int_equal(j1939_value(j1939_spn_find("engine_speed"), eec1, 8, &value), J1939_OK);
	near(value, 0x2328 * 0.125);
	assert_int_equal(j1939_value(j1939_spn_find("actual_torque"), eec1, 8, &value), J1939_OK);
	near(value, 0x8c - 125);
}

static void what_is_no_value_is_not_given_as_one(void **state)
{
	static const struct {
		uint8_t bits;
		uint64_t raw;
		enum j1939_status status;
	} cases[] = {
		{2, 0, J1939_OK},
		{2, 1, J1939_OK},
		{2, 2, J1939_ERROR},
		{2, 3, J1939_NOT_AVAILABLE},
		{4, 13, J1939_OK},
		{4, 14, J1939_ERROR},
		{4, 15, J1939_NOT_AVAILABLE},
		{8, 0xfa, J1939_OK},
		{8, 0xfb, J1939_RESERVED},
		{8, 0xfd, J1939_RESERVED},
		{8, 0xfe, J1939_ERROR},
		{8, 0xff, J1939_NOT_AVAILABLE},
		{16, 0xfaff, J1939_OK},
		{16, 0xfb00, J1939_RESERVED},
		{16, 0xfeff, J1939_ERROR},
		{16, 0xff00, J1939_NOT_AVAILABLE},
		{32, 0xfaffffff, J1939_OK},
		{32, 0xfe000000, J1939_ERROR},
		{32, 0xffffffff, J1939_NOT_AVAILABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t data[8];
		uint64_t raw = 0;

		for (unsigned k = 0; k < 8; k++)
			data[k] = (uint8_t)(cases[i].raw >> 8 * k & 0xff);
		assert_int_equal(j1939_raw(0, cases[i].bits, data, 8, &raw), cases[i].status);
		assert_true(raw == cases[i].raw);
	}
}

static void a_message_that_ends_early_has_no_value(void **state)
{
	const uint8_t data[8] = {0};
	uint64_t raw = 7;
	double value = 7;

	(void)state;
	assert_int_equal(j1939_raw(56, 16, data, 8, &raw), J1939_SHORT);
	assert_int_equal(j1939_raw(0, 0, data, 8, &raw), J1939_SHORT);
	assert_int_equal(j1939_raw(0, 65, data, 8, &raw), J1939_SHORT);
	assert_int_equal(j1939_value(j1939_spn_find("engine_speed"), data, 4, &value), J1939_SHORT);
	assert_true(raw == 7 && value == 7);
}

static void trouble_codes_are_read_and_padding_is_none(void **state)
{
	const uint8_t none[] = {0xf3, 0xff, 0, 0, 0, 0, 0xff, 0xff};
	const uint8_t padded[] = {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const uint8_t two[] = {0x44, 0xff, 0xe1, 0x06, 0x03, 0x05, 0x9e, 0x0e, 0xe4, 0x81};
	struct j1939_lamps lamps;
	struct j1939_dtc dtcs[2];
	char text[J1939_DTC_TEXT];
	size_t count = 9;

	(void)state;
	assert_true(j1939_dtcs(none, sizeof(none), &lamps, dtcs, 2, &count));
	assert_int_equal(count, 0);
	assert_int_equal(lamps.malfunction, 3);
	assert_int_equal(lamps.amber_warning, 0);
	assert_true(j1939_dtcs(padded, sizeof(padded), &lamps, dtcs, 2, &count));
	assert_int_equal(count, 0);
	assert_true(j1939_dtcs(two, sizeof(two), &lamps, dtcs, 2, &count));
	assert_int_equal(count, 2);
	assert_int_equal(lamps.malfunction, 1);
	assert_int_equal(lamps.amber_warning, 1);
	j1939_dtc_text(&dtcs[0], text);
	assert_string_equal(text, "SPN 1761 FMI 3");
	assert_int_equal(dtcs[0].count, 5);
	assert_int_equal(dtcs[1].spn, 0x70e9e);
	assert_int_equal(dtcs[1].fmi, 4);
	assert_true(dtcs[1].old_form);
	assert_true(j1939_dtcs(two, sizeof(two), &lamps, dtcs, 1, &count)); /* room for one */
	assert_int_equal(count, 2);
	assert_false(j1939_dtcs(two, 5, &lamps, dtcs, 2, &count));
	assert_false(j1939_dtcs(two, 9, &lamps, dtcs, 2, &count));
}

static bool vin_of(const char *text, char out[J1939_VIN_SIZE])
{
	return j1939_vin((const uint8_t *)text, strlen(text), out);
}

static void a_vin_is_its_first_seventeen_letters(void **state)
{
	char vin[J1939_VIN_SIZE] = "";

	(void)state;
	assert_true(vin_of("WDB96340310000001*", vin));
	assert_string_equal(vin, "WDB96340310000001");
	assert_true(vin_of("WDB96340310000001xyzxyzxyzxy*", vin)); /* junk before the asterisk */
	assert_string_equal(vin, "WDB96340310000001");
	assert_false(vin_of("WDB9634031000000*1", vin));
	assert_false(vin_of("", vin));
	assert_string_equal(vin, "WDB96340310000001"); /* untouched */
}

static void a_text_has_its_fields_between_asterisks(void **state)
{
	const uint8_t text[] = "MAKE*MODEL\x01X**UNIT";
	char out[8];

	(void)state;
	assert_true(j1939_text(text, sizeof(text) - 1, 0, out, sizeof(out)));
	assert_string_equal(out, "MAKE");
	assert_true(j1939_text(text, sizeof(text) - 1, 1, out, sizeof(out)));
	assert_string_equal(out, "MODELX");
	assert_false(j1939_text(text, sizeof(text) - 1, 2, out, sizeof(out)));
	assert_true(j1939_text(text, sizeof(text) - 1, 3, out, 3));
	assert_string_equal(out, "UN");
	assert_false(j1939_text(text, sizeof(text) - 1, 4, out, sizeof(out)));
	assert_false(j1939_text(text, 0, 0, out, sizeof(out)));
	assert_false(j1939_text(text, 4, 0, out, 0));
}

int suite_agent_j1939(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_identifier_keeps_its_destination_where_its_group_has_one),
		cmocka_unit_test(the_table_is_in_the_order_of_its_groups),
		cmocka_unit_test(a_value_is_on_its_scale),
		cmocka_unit_test(what_is_no_value_is_not_given_as_one),
		cmocka_unit_test(a_message_that_ends_early_has_no_value),
		cmocka_unit_test(trouble_codes_are_read_and_padding_is_none),
		cmocka_unit_test(a_vin_is_its_first_seventeen_letters),
		cmocka_unit_test(a_text_has_its_fields_between_asterisks),
	};

	return cmocka_run_group_tests_name("agent.j1939", tests, NULL, NULL);
}
