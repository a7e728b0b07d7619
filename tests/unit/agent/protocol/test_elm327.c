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
	{"a clone takes STI for ATI", "STI", "ELM327 v2.1\r\r>", ELM327_OK},
	{"banner to a setting", "ATSP6", "ELM327 v1.5\r\r>", ELM327_RESET},
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

static void a_command_that_came_back_is_told(void **state)
{
	(void)state;
	assert_true(feed("010D", &with_headers, "010D\r7E803410D20\r\r>", 19));
	assert_true(reply.echoed);
	assert_int_equal(reply.kind, ELM327_DATA);
	assert_true(feed("010D", &with_headers, "7E803410D20\r\r>", 14));
	assert_false(reply.echoed);
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

struct old_case {
	const char *name;
	uint8_t protocol;
	const char *sent;
	const char *raw;
	enum elm327_kind kind;
	uint32_t id;
	const char *message; /* the first; NULL: none */
};

static const struct old_case old_cases[] = {
	{"J1850 PWM", 1, "010C", "416B10410C1AF83D\r\r>", ELM327_DATA, 0x10, "410C1AF8"},
	{"J1850 VPW", 2, "010C", "48 6B 10 41 0C 1A F8 B2 \r\r>", ELM327_DATA, 0x10, "410C1AF8"},
	{"data sheet's example", 2, "0100", "486B104100BE3EB811FA\r\r>", ELM327_DATA, 0x10,
	 "4100BE3EB811"},
	{"ISO 9141-2", 3, "010C", "486B10410C1AF822\r\r>", ELM327_DATA, 0x10, "410C1AF8"},
	{"ISO 14230-4", 5, "010C", "84F110410C1AF8E4\r\r>", ELM327_DATA, 0x10, "410C1AF8"},
	{"bus initialised", 4, "010C", "BUS INIT: OK\r84F110410C1AF8E4\r\r>", ELM327_DATA, 0x10,
	 "410C1AF8"},
	{"checksum", 3, "010C", "486B10410C1AF823\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"cyclic checksum", 2, "010C", "486B10410C1BF8B2\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"checksum of another bus", 2, "010C", "486B10410C1AF822\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"length behind the header", 5, "010D", "80F11003410D3204\r\r>", ELM327_DATA, 0x10,
	 "410D32"},
	{"another length there", 5, "010D", "80F11004410D3205\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"nothing behind the length", 5, "010D", "80F1100081\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"length in the header", 5, "010C", "85F110410C1AF8E5\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"for another tester", 5, "010C", "84F210410C1AF8E5\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"a request of somebody", 3, "0100", "686AF10100C4\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"a lost byte", 3, "010C", "486B10410CF822\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"too short", 3, "03", "486B10C3\r\r>", ELM327_DATA_BAD, 0, NULL},
	{"refusal", 5, "0100", "83F1107F011216\r\r>", ELM327_NEGATIVE, 0, NULL},
	{"codes", 3, "03", "486B10430133000000003A\r\r>", ELM327_DATA, 0x10, "43013300000000"},
	{"number of messages", 3, "0901", "486B1049010512\r\r>", ELM327_DATA, 0x10, "490105"},
	{"a bitmap", 2, "0900", "486B104900010000007F50\r\r>", ELM327_DATA, 0x10, "49000000007F"},
	{"a VIN in five", 3, "0902",
	 "486B104902010000005766\r486B1049020256575A5A71\r486B104902035A314A5A40\r"
	 "486B104902045857303021\r486B1049020530303031D4\r\r>",
	 ELM327_DATA, 0x10, "4902010000005756575A5A5A314A5A5857303030303031"},
	{"a VIN with a gap", 3, "0902",
	 "486B104902010000005766\r486B1049020256575A5A71\r"
	 "486B104902045857303021\r486B1049020530303031D4\r\r>",
	 ELM327_DATA_BAD, 0, NULL},
	{"a VIN without its end", 3, "0902",
	 "486B104902010000005766\r486B1049020256575A5A71\r486B104902035A314A5A40\r"
	 "486B104902045857303021\r\r>",
	 ELM327_DATA_BAD, 0, NULL},
	{"a VIN with a line twice", 3, "0902",
	 "486B104902010000005766\r486B104902010000005766\r486B1049020256575A5A71\r"
	 "486B104902035A314A5A40\r486B104902045857303021\r486B1049020530303031D4\r\r>",
	 ELM327_DATA_BAD, 0, NULL},
	{"a VIN, one line garbled", 3, "0902",
	 "486B104902010000005766\r486B1049020256575A5A70\r486B104902035A314A5A40\r"
	 "486B104902045857303021\r486B1049020530303031D4\r\r>",
	 ELM327_DATA_BAD, 0, NULL},
	{"a calibration in four", 2, "0904",
	 "486B104904014A4D422A5A\r486B1049040233363736CD\r486B1049040331353030BB\r"
	 "486B104904040000000068\r\r>",
	 ELM327_DATA, 0x10, "4904014A4D422A333637363135303000000000"},
	{"a verification number", 3, "0906", "486B104906011791BC82F9\r\r>", ELM327_DATA, 0x10,
	 "4906011791BC82"},
};

static void each_bus_before_can_has_its_own_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(old_cases) / sizeof(old_cases[0]); i++) {
		const struct old_case *c = &old_cases[i];
		const struct elm327_config config = elm327_config_functional(c->protocol);

		if (!feed(c->sent, &config, c->raw, strlen(c->raw)) || reply.kind != c->kind)
			fail_msg("%s: got %s, want %s", c->name, elm327_kind_name(reply.kind),
				 elm327_kind_name(c->kind));
		if (c->message)
			expect(0, c->id, c->message);
		assert_null(
			elm327_message(&reply, c->message ? 1 : 0, &(uint32_t){0}, &(size_t){0}));
	}
}

static void numbered_messages_of_two_ecus_are_joined_apart(void **state)
{
	const struct elm327_config config = elm327_config_functional(3);
	const char *raw = "486B104902010000005766\r486B114902010000005767\r486B1149020256575A5A72\r"
			  "486B1049020256575A5A71\r486B104902035A314A5A40\r486B114902035A314A5A41\r"
			  "486B104902045857303021\r486B114902045857303022\r486B1149020530303031D5\r"
			  "486B1049020530303031D4\r\r>";
	const char *lame = "486B104902010000005766\r486B114902010000005767\r"
			   "486B1049020256575A5A71\r486B104902035A314A5A40\r"
			   "486B104902045857303021\r486B1049020530303031D4\r\r>";
	const char *joined = "4902010000005756575A5A5A314A5A5857303030303031";

	(void)state;
	assert_true(feed("0902", &config, raw, strlen(raw)));
	assert_int_equal(reply.kind, ELM327_DATA);
	expect(0, 0x10, joined);
	expect(1, 0x11, joined);
	/* One of them lost lines. */
	assert_true(feed("0902", &config, lame, strlen(lame)));
	assert_int_equal(reply.kind, ELM327_DATA_PARTIAL);
	expect(0, 0x10, joined);
	assert_null(elm327_message(&reply, 1, &(uint32_t){0}, &(size_t){0}));
	assert_int_equal(elm327_ecu_kind(&reply, 0x11, &(uint8_t){0}), ELM327_DATA_BAD);
}

static void numbered_messages_without_headers_are_joined(void **state)
{
	const struct elm327_config config = {.headers = false, .protocol = 3};
	const char *raw = "49 02 01 00 00 00 57 \r49 02 02 56 57 5A 5A \r49 02 03 5A 31 4A 5A \r"
			  "49 02 04 58 57 30 30 \r49 02 05 30 30 30 31 \r\r>";
	/* Two ECUs that cannot be told apart. */
	const char *two =
		"49 02 01 00 00 00 57 \r49 02 01 00 00 00 58 \r49 02 02 56 57 5A 5A \r\r>";

	(void)state;
	assert_true(feed("0902", &config, raw, strlen(raw)));
	expect(0, 0, "4902010000005756575A5A5A314A5A5857303030303031");
	assert_true(feed("0902", &config, two, strlen(two)));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
}

static void several_pids_may_be_answered_in_part_and_any_order(void **state)
{
	const char *other_order = "7E806410D500C13FB\r\r>";
	const char *one = "7E803410D50\r\r>";
	const char *none = "7E803410550\r\r>";

	(void)state;
	assert_true(feed("010C0D", &with_headers, other_order, strlen(other_order)));
	expect(0, 0x7e8, "410D500C13FB");
	assert_true(feed("010C0D", &with_headers, one, strlen(one)));
	expect(0, 0x7e8, "410D50");
	assert_true(feed("010C0D", &with_headers, none, strlen(none)));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
}

static void a_frozen_frame_is_told_by_its_number(void **state)
{
	const char *right = "7E805420C0013FB\r\r>";
	const char *other = "7E805420C0113FB\r\r>";

	(void)state;
	assert_true(feed("020C00", &with_headers, right, strlen(right)));
	expect(0, 0x7e8, "420C0013FB");
	assert_true(feed("020C00", &with_headers, other, strlen(other)));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
}

static void each_ecu_says_for_itself_whether_it_refused(void **state)
{
	const char *raw = "7E80462010155\r7E9037F2278\r7EA037F2231\r7EB037F2278\r7EB037F2278\r"
			  "7EC103E620101EFFBE7\r7E9037F2212\r7EB0462010166\r\r>";
	struct elm327_part part;
	uint8_t nrc = 0;

	(void)state;
	assert_true(feed("220101", &with_headers, raw, strlen(raw)));
	assert_int_equal(reply.kind, ELM327_DATA_PARTIAL);
	assert_int_equal(elm327_ecu_kind(&reply, 0x7e8, &nrc), ELM327_DATA);
	assert_int_equal(nrc, 0);
	assert_int_equal(elm327_ecu_kind(&reply, 0x7ea, &nrc), ELM327_NEGATIVE);
	assert_int_equal(nrc, 0x31);
	assert_int_equal(elm327_ecu_kind(&reply, 0x7e9, &nrc), ELM327_NEGATIVE);
	assert_int_equal(nrc, 0x12);
	assert_int_equal(elm327_ecu_kind(&reply, 0x7eb, &nrc), ELM327_DATA);
	assert_int_equal(elm327_ecu_kind(&reply, 0x7ec, &nrc), ELM327_DATA_BAD);
	assert_int_equal(elm327_ecu_kind(&reply, 0x7ed, &nrc), ELM327_NO_DATA);
	assert_int_equal(reply.counts.pending, 3);
	assert_true(elm327_part(&reply, 1, &part));
	assert_int_equal(part.id, 0x7e9);
	assert_int_equal(part.kind, ELM327_PENDING);
	assert_int_equal(part.nrc, 0x78);
	assert_true(elm327_part(&reply, 5, &part));
	assert_null(part.data);
	assert_false(elm327_part(&reply, 8, &part));
}

/* What stands between lines of data, or behind them, is no data and spoils none. */
static void text_between_data_is_not_data(void **state)
{
	const char *ok = "7E803410D50\rOK\r\r>";
	const char *banner = "7E803410D50\rELM327 v1.5\r\r>";
	const char *stopped = "7E803410D50\rSTOPPED\r\r>";
	const char *prompt = "7E803410D50\r\r>010C\r7E804410C13FB\r\r>";

	(void)state;
	assert_true(feed("010D", &with_headers, ok, strlen(ok)));
	assert_int_equal(reply.kind, ELM327_DATA);
	assert_int_equal(reply.counts.rejected, 1);
	assert_true(feed("010D", &with_headers, banner, strlen(banner)));
	assert_int_equal(reply.kind, ELM327_RESET);
	assert_true(feed("010D", &with_headers, stopped, strlen(stopped)));
	assert_int_equal(reply.kind, ELM327_STOPPED);
	/* The prompt ends it; what follows belongs to nobody. */
	assert_false(feed("010D", &with_headers, prompt, strlen(prompt)));
	assert_int_equal(reply.kind, ELM327_DATA);
	expect(0, 0x7e8, "410D50");
	assert_null(elm327_message(&reply, 1, &(uint32_t){0}, &(size_t){0}));
}

static void an_identifier_that_no_bus_has_is_rejected(void **state)
{
	const char *eleven = "FFF03410D50\r\r>";
	/* A lost digit makes 29 bits of 11. */
	const char *lost = "7E80341 0D50A\r\r>";

	(void)state;
	assert_true(feed("010D", &with_headers, eleven, strlen(eleven)));
	assert_int_equal(reply.kind, ELM327_DATA_BAD);
	assert_true(feed("010D", &with_headers, lost, strlen(lost)));
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
		cmocka_unit_test(a_command_that_came_back_is_told),
		cmocka_unit_test(only_the_prompt_ends_a_reply),
		cmocka_unit_test(stray_bytes_are_dropped_and_counted),
		cmocka_unit_test(two_ecus_are_kept_apart_by_id),
		cmocka_unit_test(interleaved_messages_of_two_ecus_are_reassembled),
		cmocka_unit_test(a_lost_frame_loses_its_message_and_no_other),
		cmocka_unit_test(a_line_of_an_unexpected_id_is_rejected),
		cmocka_unit_test(ids_of_29_bits_are_read_also_with_spaces),
		cmocka_unit_test(without_headers_lines_and_numbered_segments_are_read),
		cmocka_unit_test(extended_addresses_stand_before_the_pci_byte),
		cmocka_unit_test(each_bus_before_can_has_its_own_lines),
		cmocka_unit_test(numbered_messages_of_two_ecus_are_joined_apart),
		cmocka_unit_test(numbered_messages_without_headers_are_joined),
		cmocka_unit_test(several_pids_may_be_answered_in_part_and_any_order),
		cmocka_unit_test(a_frozen_frame_is_told_by_its_number),
		cmocka_unit_test(each_ecu_says_for_itself_whether_it_refused),
		cmocka_unit_test(text_between_data_is_not_data),
		cmocka_unit_test(an_identifier_that_no_bus_has_is_rejected),
		cmocka_unit_test(a_flood_without_a_prompt_ends_as_an_error),
		cmocka_unit_test(an_overlong_line_is_rejected_whole),
		cmocka_unit_test(protocol_numbers_and_voltages_are_read_strictly),
	};

	return cmocka_run_group_tests_name("agent.elm327", tests, NULL, NULL);
}
