#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/uds.h"

int suite_agent_uds(void);

static void a_refusal_says_what_to_do(void **state)
{
	(void)state;
	assert_int_equal(uds_nrc(0x10)->advice, UDS_REFUSED);
	assert_int_equal(uds_nrc(0x11)->advice, UDS_NEVER);
	assert_int_equal(uds_nrc(0x12)->advice, UDS_NEVER);
	assert_int_equal(uds_nrc(0x21)->advice, UDS_LATER);
	assert_int_equal(uds_nrc(0x22)->advice, UDS_LATER);
	assert_int_equal(uds_nrc(0x31)->advice, UDS_NEVER);
	assert_int_equal(uds_nrc(0x33)->advice, UDS_NEVER);
	assert_int_equal(uds_nrc(0x78)->advice, UDS_PENDING);
	assert_int_equal(uds_nrc(0x7f)->advice, UDS_NEVER);
	assert_string_equal(uds_nrc(0x31)->name, "request_out_of_range");
}

static void every_code_has_a_name_and_a_sentence(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		const struct uds_nrc *nrc = uds_nrc((uint8_t)code);

		assert_true(strlen(nrc->name) > 0 && strlen(nrc->sentence) > 10);
		assert_true(nrc->code == code || nrc->code == 0);
		known += nrc->code != 0;
	}
	assert_in_range(known, 30, 60);
	assert_int_equal(uds_nrc(0xfe)->advice, UDS_REFUSED);
}

static void a_text_is_printable_and_without_padding(void **state)
{
	const uint8_t part[] = "\x62\xf1\x87"
			       " 5Q0937087 \0\xff";
	const uint8_t empty[] = {0x62, 0xf1, 0x87, 0x00, 0x20, 0xff};
	const uint8_t binary[] = {0x62, 0xf1, 0x87, 0x41, 0x01, 0x42};
	uint8_t endless[3 + UDS_TEXT_SIZE];
	char text[UDS_TEXT_SIZE] = "-";

	(void)state;
	assert_int_equal(uds_decode_text(part, 3, 3, text), OBD2_E_SHORT);
	assert_int_equal(uds_decode_text(part, 2, 3, text), OBD2_E_SHORT);
	assert_int_equal(uds_decode_text(empty, sizeof(empty), 3, text), OBD2_E_VALUE);
	assert_int_equal(uds_decode_text(binary, sizeof(binary), 3, text), OBD2_E_VALUE);
	memset(endless, 'A', sizeof(endless));
	assert_int_equal(uds_decode_text(endless, sizeof(endless), 3, text), OBD2_E_SHORT);
	assert_string_equal(text, "-");
	assert_int_equal(uds_decode_text(part, sizeof(part) - 1, 3, text), 0);
	assert_string_equal(text, "5Q0937087");
	assert_int_equal(uds_decode_text(endless, sizeof(endless) - 1, 3, text), 0);
	assert_int_equal(strlen(text), UDS_TEXT_SIZE - 1);
}

int suite_agent_uds(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_says_what_to_do),
		cmocka_unit_test(every_code_has_a_name_and_a_sentence),
		cmocka_unit_test(a_text_is_printable_and_without_padding),
	};

	return cmocka_run_group_tests_name("agent.uds", tests, NULL, NULL);
}
