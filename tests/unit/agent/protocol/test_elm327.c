#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/protocol/elm327.h"

int suite_agent_elm327(void);

static struct elm327_reply reply; /* 5 KB: too much for a small target's stack */

static const struct elm327_config with_headers = {.headers = true};
static const struct elm327_config without_headers = {.headers = false};

/* Feeds a reply; true when its last byte, and none before, completed it. */
static bool feed(const char *sent, const struct elm327_config *config, const char *raw, size_t len)
{
	elm327_begin(&reply, sent, config);
	for (size_t i = 0; i < len; i++)
		if (elm327_feed(&reply, (uint8_t)raw[i]))
			return i + 1 == len;
	return false;
}

struct kind_case {
	const char *name;
	const char *sent;
	const char *raw;
	enum elm327_kind kind;
};

static const struct kind_case kinds[] = {
	{"echo still on", "ATE0", "ATE0\rOK\r\r>", ELM327_OK},
	{"line feeds on", "ATL1", "ATL1\r\r\nOK\r\n\r\n>", ELM327_OK},
	{"not understood", "ATXYZ", "?\r\r>", ELM327_UNSUPPORTED},
	{"nothing but a prompt", "ATE0", "\r>", ELM327_DATA_BAD},
	{"no data", "0181", "NO DATA\r\r>", ELM327_NO_DATA},
	{"no data, no space", "0181", "NODATA\r\r>", ELM327_NO_DATA},
	{"search fails", "0100", "SEARCHING...\rUNABLE TO CONNECT\r\r>", ELM327_UNABLE_TO_CONNECT},
	{"search succeeds", "0100", "SEARCHING...\r7E8064100BE3FA813\r\r>", ELM327_DATA},
	{"search glued to data", "0100", "SEARCHING...7E8064100BE3FA813\r\r>", ELM327_DATA},
	{"stopped", "010C", "STOPPED\r\r>", ELM327_STOPPED},
	{"can error", "010C", "CAN ERROR\r\r>", ELM327_CAN_ERROR},
	{"bus init error", "0100", "BUS INIT: ...ERROR\r\r>", ELM327_BUS_INIT_ERROR},
	{"bus init error, no spaces", "0100", "BUSINIT:ERROR\r\r>", ELM327_BUS_INIT_ERROR},
	{"bus busy", "0100", "BUS BUSY\r\r>", ELM327_BUS_BUSY},
	{"bus error", "0100", "BUS ERROR\r\r>", ELM327_BUS_ERROR},
	{"feedback error", "0100", "FB ERROR\r\r>", ELM327_FB_ERROR},
	{"data error", "0100", "DATA ERROR\r\r>", ELM327_DATA_ERROR},
	{"flagged line is no data", "010C", "7E804410C13FB <DATA ERROR\r\r>", ELM327_DATA_ERROR},
	{"receive error", "010C", "7E804410C13FB <RX ERROR\r\r>", ELM327_RX_ERROR},
	{"overrun after data", "010C", "7E804410C13FB\rBUFFER FULL\r\r>", ELM327_BUFFER_FULL},
	{"low voltage reset", "010C", "LV RESET\r\r>", ELM327_RESET},
	{"banner unasked", "010C", "\r\rELM327 v1.5\r\r>", ELM327_RESET},
	{"fatal CAN error", "0100", "ERR94\r\r>", ELM327_RESET},
	{"internal error", "0106", "7E803410679\r\rERR91\r\r>", ELM327_INTERNAL_ERROR},
	{"going to sleep", "010C", "!ACT ALERT\r\r>", ELM327_ALERT},
	{"alert beside data", "010C", "7E804410C13FB\rLP ALERT\r\r>", ELM327_DATA},
	{"refusal", "010C", "7E8037F0131\r\r>", ELM327_NEGATIVE},
	{"refusal of another request", "010C", "7E8037F0931\r\r>", ELM327_DATA_BAD},
	{"pending only", "220101", "7EC037F2278\r\r>", ELM327_PENDING},
	{"pending, then data", "220101", "7EC037F2278\r7EC0462010155\r\r>", ELM327_DATA},
	{"answer of the request before", "010C", "7E803410D20\r\r>", ELM327_DATA_BAD},
	{"an OK that is one behind", "010C", "OK\r\r>", ELM327_DATA_BAD},
	{"odd digits", "010D", "7E803410D2\r\r>", ELM327_DATA_BAD},
	{"nine bytes", "010D", "7E803410D200000000000\r\r>", ELM327_DATA_BAD},
	{"two lines glued", "010D", "7E803410D207E803410D20\r\r>", ELM327_DATA_BAD},
	{"not hex", "010D", "7E803410DZ0\r\r>", ELM327_DATA_BAD},
};

static void each_text_has_its_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind_case *c = &kinds[i];

		if (!feed(c->sent, &with_headers, c->raw, strlen(c->raw)) || reply.kind != c->kind)
			fail_msg("%s: got %s, want %s", c->name, elm327_kind_name(reply.kind),
				 elm327_kind_name(c->kind));
	}
}

static void expect(size_t index, uint32_t want_id, const char *want)
{
	uint32_t id = 0;
	size_t len = 0;
	const uint8_t *data = elm327_message(&reply, index, &id, &len);
	char text[128] = "";

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, sizeof(text) - 2 * i, "%02X", data[i]);
	assert_string_equal(text, want);
	assert_int_equal(id, want_id);
}

static void only_the_prompt_ends_a_reply(void **state)
{
	const char *raw = "OK\r\r";

	(void)state;
	elm327_begin(&reply, "ATSP0", &with_headers);
	for (size_t i = 0; i < strlen(raw); i++)
		assert_false(elm327_feed(&reply, (uint8_t)raw[i]));
	assert_int_equal(reply.kind, ELM327_INCOMPLETE);
	assert_true(elm327_feed(&reply, '>'));
	assert_int_equal(reply.kind, ELM327_OK);
}

static void stray_bytes_are_dropped_and_counted(void **state)
{
	const char raw[] = "ATZ\r\xfc\0\r\rELM327 v1.5\r\r>";

	(void)state;
	assert_true(feed("ATZ", &with_headers, raw, sizeof(raw) - 1));
	assert_int_equal(reply.kind, ELM327_OK);
	assert_string_equal(reply.text, "ELM327 v1.5");
	assert_int_equal(reply.counts.dropped, 2);
}

static void two_ecus_are_kept_apart_by_id(void **state)
{
	const char *raw = "7E906410088180013\r7E8064100BE3FA813\r\r>";

	(void)state;
	assert_true(feed("0100", &with_headers, raw, strlen(raw)));
	expect(0, 0x7e9, "410088180013");
	expect(1, 0x7e8, "4100BE3FA813");
	assert_null(elm327_message(&reply, 2, &(uint32_t){0}, &(size_t){0}));
}

static void interleaved_messages_of_two_ecus_are_reassembled(void **state)
{
	const char *raw = "7E81014490201314434\r7E91014490201324434\r7E82147503030523535\r"
			  "7E92147503030523535\r7E92242313233343537\r7E82242313233343536\r\r>";

	(void)state;
	assert_true(feed("0902", &with_headers, raw, strlen(raw)));
	assert_int_equal(reply.kind, ELM327_DATA);
	expect(0, 0x7e8, "4902013144344750303052353542313233343536");
	expect(1, 0x7e9, "4902013244344750303052353542313233343537");
}

static void a_lost_frame_loses_its_message_and_no_other(void **state)
{
	const char *alone = "7E81014490201314434\r7E82242313233343536\r\r>";
	const char *beside = "7EC103E620101EFFBE7\r7CE100F62010100000\r7CE100F62010100000000\r\r>";
	const char *partial = "7EC103E620101EFFBE7\r7ED0462010155\r\r>";

	(void)state;
	assert_true(feed("0902", &with_headers, alone, strlen(alone)));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
	assert_int_equal(elm327_incomplete(&reply), 1);
	assert_true(feed("220101", &with_headers, beside, strlen(beside)));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
	assert_true(feed("220101", &with_headers, partial, strlen(partial)));
	assert_int_equal(reply.kind, ELM327_DATA_PARTIAL);
	expect(0, 0x7ed, "62010155");
}

static void a_line_of_an_unexpected_id_is_rejected(void **state)
{
	const struct elm327_config config = elm327_config_functional(6);
	const char *raw = "7C003410D20\r7E803410D21\r7F003410D22\r\r>";

	(void)state;
	assert_true(feed("010D", &config, raw, strlen(raw)));
	expect(0, 0x7e8, "410D21");
	assert_int_equal(reply.counts.lines, 1);
	assert_int_equal(reply.counts.rejected, 2);
}

static void ids_of_29_bits_are_read_also_with_spaces(void **state)
{
	const struct elm327_config config = elm327_config_functional(7);
	const char *raw = "18 DA F1 10 04 41 0C 1C F8 \r\r>";

	(void)state;
	assert_true(feed("010C", &config, raw, strlen(raw)));
	expect(0, 0x18daf110, "410C1CF8");
	assert_true(feed("010C", &with_headers, raw, strlen(raw)));
	expect(0, 0x18daf110, "410C1CF8");
}

static void without_headers_lines_and_numbered_segments_are_read(void **state)
{
	const char *vin = "014 \r0: 49 02 01 31 44 34 \r1: 47 50 30 30 52 35 35 \r"
			  "2: 42 31 32 33 34 35 36 \r\r>";
	const char *gap = "014 \r0: 49 02 01 31 44 34 \r2: 42 31 32 33 34 35 36 \r\r>";
	const char *plain = "41 0C 13 FB \r\r>";

	(void)state;
	assert_true(feed("0902", &without_headers, vin, strlen(vin)));
	expect(0, 0, "4902013144344750303052353542313233343536");
	assert_true(feed("0902", &without_headers, gap, strlen(gap)));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
	assert_true(feed("010C", &without_headers, plain, strlen(plain)));
	expect(0, 0, "410C13FB");
}

static void extended_addresses_stand_before_the_pci_byte(void **state)
{
	const struct elm327_config config = {.headers = true, .address = 0xf1};
	const char *raw = "607F10562DD688DCD\r\r>";
	const char *other = "607F20562DD688DCD\r\r>";

	(void)state;
	assert_true(feed("22DD68", &config, raw, strlen(raw)));
	expect(0, 0x607, "62DD688DCD");
	assert_true(feed("22DD68", &config, other, strlen(other)));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
}

static void a_flood_without_a_prompt_ends_as_an_error(void **state)
{
	static const char line[] = "7E804410C13FB\r";
	size_t fed = 0;

	(void)state;
	elm327_begin(&reply, "010C", &with_headers);
	while (fed < 1000000 && !elm327_feed(&reply, (uint8_t)line[fed % 14]))
		fed++;
	assert_in_range(fed, 1000, ELM327_REPLY_MAX);
	assert_int_equal(reply.kind, ELM327_DATA_ERROR);
	assert_true(reply.counts.rejected > 0);
}

static void an_overlong_line_is_rejected_whole(void **state)
{
	(void)state;
	elm327_begin(&reply, "010C", &with_headers);
	for (size_t i = 0; i < 3 * (size_t)ELM327_LINE_MAX; i++)
		assert_false(elm327_feed(&reply, 'A'));
	assert_false(elm327_feed(&reply, '\r'));
	assert_true(elm327_feed(&reply, '>'));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
	assert_int_equal(reply.counts.rejected, 1);
}

static void protocol_numbers_and_voltages_are_read_strictly(void **state)
{
	uint8_t protocol = 99;
	bool automatic = false;
	double volts = 0;

	(void)state;
	assert_true(elm327_parse_protocol("A6", &protocol, &automatic));
	assert_int_equal(protocol, 6);
	assert_true(automatic);
	assert_true(elm327_parse_protocol("A", &protocol, &automatic));
	assert_int_equal(protocol, 10);
	assert_false(automatic);
	assert_false(elm327_parse_protocol("OK", &protocol, &automatic));
	assert_false(elm327_parse_protocol("66", &protocol, &automatic));
	assert_true(elm327_parse_voltage("14.5V", &volts));
	assert_float_equal(volts, 14.5, 1e-9);
	assert_false(elm327_parse_voltage("14.5", &volts));
	assert_false(elm327_parse_voltage("V", &volts));
	assert_false(elm327_parse_voltage("99.9V", &volts));
}

int suite_agent_elm327(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_text_has_its_kind),
		cmocka_unit_test(only_the_prompt_ends_a_reply),
		cmocka_unit_test(stray_bytes_are_dropped_and_counted),
		cmocka_unit_test(two_ecus_are_kept_apart_by_id),
		cmocka_unit_test(interleaved_messages_of_two_ecus_are_reassembled),
		cmocka_unit_test(a_lost_frame_loses_its_message_and_no_other),
		cmocka_unit_test(a_line_of_an_unexpected_id_is_rejected),
		cmocka_unit_test(ids_of_29_bits_are_read_also_with_spaces),
		cmocka_unit_test(without_headers_lines_and_numbered_segments_are_read),
		cmocka_unit_test(extended_addresses_stand_before_the_pci_byte),
		cmocka_unit_test(a_flood_without_a_prompt_ends_as_an_error),
		cmocka_unit_test(an_overlong_line_is_rejected_whole),
		cmocka_unit_test(protocol_numbers_and_voltages_are_read_strictly),
	};

	return cmocka_run_group_tests_name("agent.elm327", tests, NULL, NULL);
}
