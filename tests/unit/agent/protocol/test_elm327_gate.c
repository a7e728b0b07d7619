#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/diag.h"
#include "agent/protocol/elm327_gate.h"
#include "agent/protocol/obd2.h"

int suite_agent_elm327_gate(void);

static struct elm327_reply reply; /* too much for a small target's stack */

/* How the bus is named in the tables. */
enum bus { SEARCHING, BITS_11, BITS_29, EXTENDED };

static struct elm327_config config_of(enum bus bus)
{
	static const uint8_t digits[] = {0, 3, 8, 3};
	struct elm327_config config = {.headers = true, .id_digits = digits[bus]};

	if (bus == EXTENDED)
		config.address = 0xf1;
	return config;
}

static bool passes(struct elm327_gate *gate, enum bus bus, const char *command)
{
	const struct elm327_config config = config_of(bus);

	elm327_begin(&reply, command, &config);
	return elm327_gate_passes(gate, &reply);
}

static const char *const sent_by_the_agent[] = {
	"ATZ",          "ATE0",      "ATL0",           "ATS0",
	"ATH1",         "ATCAF1",    "ATAL",           "ATM0",
	"ATAT1",        "ATST96",    "ATFE",           "ATSP0",
	"ATSP6",        "ATSP 7",    "at dpn",         "ATRV",
	"ATIGN",        "ATI",       "AT@1",           "STI",
	"STDI",         "ATPC",      "ATWS",           "ATD",
	"ATSH7E4",      "ATSH 7DF",  "ATCRA7EC",       "ATCRA17FE007B",
	"ATCRA",        "ATAR",      "ATCP18",         "ATSHDB33F1",
	"ATSH18DB33F1", "ATFCSH7E4", "ATFCSH17FC007B", "ATFCSD300000",
	"ATFCSM1",      "ATFCSM0",   "ATCEA07",        "ATFCSD07300000",
	"ATCEA",        "ATTAF1",    "STCAFCP7E4,7EC", "STCCFCP",
	"STCSEGR0",     "ATAT0",     "ATAT2",          "ATSTFF",
};

static void the_commands_of_the_agent_pass(void **state)
{
	struct elm327_gate gate = {.known = false};

	(void)state;
	for (size_t i = 0; i < sizeof(sent_by_the_agent) / sizeof(sent_by_the_agent[0]); i++)
		if (!passes(&gate, BITS_11, sent_by_the_agent[i]))
			fail_msg("%s", sent_by_the_agent[i]);
}

/* They send frames, choose what is sent, write EEPROM, or change what a request is. */
static const char *const never[] = {
	"",       /* repeats the last command */
	"0",      /* half a byte */
	"ATCAF0", /* the request's first byte would be the length: 0104 clears */
	"ATMA",
	"ATMP FEEC",
	"ATMP00FECA",
	"ATDM1",
	"ATRTR",
	"ATWM 8111F13E",
	"ATSW00",
	"ATFI",
	"ATSI",
	"ATIIA 13",
	"ATPP FF ON",
	"ATPP2CSV81",
	"ATPPS",
	"ATSD55",
	"ATRD",
	"ATSPA",
	"ATSPB",
	"ATSPA0",
	"ATTP0",
	"ATTPA0",
	"ATBRD 10",
	"ATBRT 00",
	"ATLP",
	"ATPB0101",
	"ATV1",
	"ATCV1234",
	"ATSS",
	"ATR0",
	"ATE1",
	"ATH0",
	"ATM1",
	"ATKW0",
	"ATFCSM2",
	"ATFCSD",
	"ATFCSD0104",
	"ATFCSD300001",
	"ATFCSD320000",
	"ATFCSD0104300000",
	"ATFCSD07300000",
	"ATFCSH",
	"ATFCSH0C4",
	"ATFCSH18FEF100",
	"ATSH",
	"ATSH0C4",
	"ATSH130",
	"ATSH5FF",
	"ATSH800",
	"ATSH18FEF100",
	"ATSH0C00F9",
	"ATSHC233F1",
	"ATSH18DA1000",
	"ATSH118DB33F1",
	"ATSH7E",
	"ATSH7E0X",
	"ATCP",
	"ATCP20",
	"ATCP1",
	"ATCEA7",
	"ATCEA0007",
	"ATCRAX",
	"ATCRA7",
	"ATST",
	"ATST123",
	"ATTA1",
	"ATSP",
	"ATSP66",
	"ATZ1",
	"ATI\r04",
	"STPX H:7E0,D:04",
	"STPX H:7DF, D:0100",
	"STPXH:7E4,D:220101,R:1",
	"STMA",
	"STM",
	"STPX",
	"STCSEGT1",
	"STCSEGR1",
	"STDIX O",
	"STCMM1",
	"STCSWM2",
	"STSLEEP",
	"STSBR115200",
	"STWBR",
	"STP33",
	"STPO",
	"STPPMA500,7E0,04",
	"STCAFCP",
	"STCAFCP0C4,7EC",
	"STCAFCP7E4",
	"STCAFCP7E4,7ECA",
	"STCAFCP7E4 03,7EC",
	"STCFCPA7E4,7EC",
	"STUIL1",
	"VTI",
	"DEBUG",
	"X",
	"01 0C\r04",
};

static void nothing_else_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		struct elm327_gate gate = {.known = true};

		if (passes(&gate, BITS_11, never[i]))
			fail_msg("%s", never[i]);
	}
}

static void a_request_passes_where_its_service_may(void **state)
{
	static const char hex[] = "0123456789ABCDEF";

	(void)state;
	for (unsigned service = 0; service < 256; service++)
		for (size_t len = 1; len <= 9; len++) {
			struct elm327_gate gate = {.known = true};
			uint8_t request[9] = {(uint8_t)service, 0x80};
			char text[19] = "";

			for (size_t i = 0; i < len; i++) {
				text[2 * i] = hex[request[i] >> 4];
				text[2 * i + 1] = hex[request[i] & 0x0f];
			}
			if (passes(&gate, BITS_11, text) != obd2_request_allowed(request, len))
				fail_msg("%s", text);
		}
}

/* Sends a command that passes, and has it answered. */
static void answer(struct elm327_gate *gate, const char *command, const char *raw)
{
	assert_true(passes(gate, BITS_11, command));
	for (; *raw; raw++)
		(void)elm327_feed(&reply, (uint8_t)*raw);
	elm327_gate_reply(gate, &reply);
}

static void no_request_passes_before_a_reset(void **state)
{
	struct elm327_gate gate = {.known = false};

	(void)state;
	assert_true(passes(&gate, SEARCHING, "ATI"));
	assert_false(passes(&gate, SEARCHING, "0100"));
	assert_true(passes(&gate, SEARCHING, "ATZ"));
	assert_false(passes(&gate, SEARCHING, "0100"));
	/* It did not understand, or nobody heard what it said. */
	answer(&gate, "ATZ", "?\r\r>");
	assert_false(passes(&gate, SEARCHING, "0100"));
	answer(&gate, "ATZ", "ELM3");
	assert_false(passes(&gate, SEARCHING, "0100"));
	/* An answer to another command is none to a reset. */
	answer(&gate, "ATE0", "OK\r\r>");
	assert_false(passes(&gate, SEARCHING, "0100"));
	answer(&gate, "ATZ", "\r\rELM327 v1.5\r\r>");
	assert_true(passes(&gate, SEARCHING, "0100"));
}

static void a_header_must_be_of_the_bus(void **state)
{
	struct elm327_gate gate = {.known = true};

	(void)state;
	assert_true(passes(&gate, BITS_11, "ATSH7E0"));
	assert_true(passes(&gate, BITS_11, "0100"));
	/* 7E0 on 29 bits is 180007E0. */
	assert_false(passes(&gate, BITS_29, "0100"));
	assert_false(passes(&gate, SEARCHING, "0100"));
	assert_true(passes(&gate, BITS_11, "ATSH7DF"));
	assert_true(passes(&gate, SEARCHING, "0100"));
	assert_true(passes(&gate, BITS_29, "ATSH18DA10F1"));
	assert_true(passes(&gate, BITS_29, "0100"));
	assert_false(passes(&gate, BITS_11, "0100"));
	/* A reset takes the header away. */
	answer(&gate, "ATD", "OK\r\r>");
	assert_true(passes(&gate, BITS_11, "0100"));
}

static void a_priority_makes_another_identifier_of_a_header(void **state)
{
	struct elm327_gate gate = {.known = true};

	(void)state;
	/* 18FC007B is a message of the vehicle. */
	assert_false(passes(&gate, BITS_29, "ATSHFC007B"));
	assert_true(passes(&gate, BITS_29, "ATCP17"));
	assert_true(passes(&gate, BITS_29, "ATSHFC007B"));
	assert_true(passes(&gate, BITS_29, "22F190"));
	assert_true(passes(&gate, BITS_29, "ATCP18"));
	assert_false(passes(&gate, BITS_29, "22F190"));
	assert_true(passes(&gate, BITS_29, "ATSHDB33F1"));
	assert_true(passes(&gate, BITS_29, "22F190"));
}

static void an_extension_is_on_for_those_that_have_one_only(void **state)
{
	struct elm327_gate gate = {.known = true};

	(void)state;
	assert_true(passes(&gate, BITS_11, "ATSH6F1"));
	assert_false(passes(&gate, EXTENDED, "22DD68"));
	assert_true(passes(&gate, EXTENDED, "ATCEA07"));
	assert_true(passes(&gate, EXTENDED, "22DD68"));
	assert_false(passes(&gate, BITS_11, "22DD68"));
	assert_true(passes(&gate, EXTENDED, "ATFCSD07300000"));
	assert_false(passes(&gate, EXTENDED, "ATFCSD08300000"));
	assert_false(passes(&gate, EXTENDED, "ATFCSD300000"));
	/* To a unit that takes 07 for a length this is service 04. */
	assert_false(passes(&gate, EXTENDED, "22010104"));
	assert_true(passes(&gate, EXTENDED, "ATCEA"));
	assert_true(passes(&gate, BITS_11, "22010104"));
}

static void an_extension_below_eight_is_a_length_to_others(void **state)
{
	static const uint8_t request[] = {0x22, 0x01, 0x01, 0x04, 0x01};

	(void)state;
	for (unsigned extension = 0; extension < 256; extension++) {
		const uint8_t e = (uint8_t)extension;
		const bool length = extension >= 1 && extension <= 7;

		assert_true(diag_extended_allowed(e, request, 1));
		assert_true(diag_extended_allowed(e, request, 3));
		assert_int_equal(diag_extended_allowed(e, request, 4), !length); /* 04 clears */
		assert_int_equal(diag_extended_allowed(e, request, 5), !length);
		assert_false(diag_extended_allowed(e, (const uint8_t[]){0x14, 0xff}, 2));
		assert_false(diag_extended_allowed(e, (const uint8_t[7]){0x22}, 7));
	}
}

struct id_case {
	uint32_t id;
	unsigned bits;
	bool allowed;
};

static const struct id_case ids[] = {
	{0x7df, 11, true},       {0x7e0, 11, true},       {0x6f1, 11, true},
	{0x79b, 11, true},       {0x241, 11, true},       {0x600, 11, true},
	{0x7ff, 11, true},       {0x800, 11, false},      {0x5ff, 11, false},
	{0x0c4, 11, false},      {0x000, 11, false},      {0x23f, 11, false},
	{0x260, 11, false},      {0x18da10f1, 29, true},  {0x18db33f1, 29, true},
	{0x14da10f1, 29, true},  {0x17fc007b, 29, true},  {0x1dd01635, 29, true},
	{0x18da10fa, 29, true},  {0x18da1000, 29, false}, {0x18fef100, 29, false},
	{0x0c00f9f1, 29, false}, {0x180007e0, 29, false}, {0x18fc007b, 29, false},
	{0x38da10f1, 29, false}, {0x18eafff9, 29, false}, {0x7e0, 29, false},
	{0x7e0, 0, false},
};

static void only_identifiers_of_diagnostic_requests_are_used(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (diag_id_allowed(ids[i].id, ids[i].bits) != ids[i].allowed)
			fail_msg("%lx of %u bits", (unsigned long)ids[i].id, ids[i].bits);
}

int suite_agent_elm327_gate(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_commands_of_the_agent_pass),
		cmocka_unit_test(nothing_else_passes),
		cmocka_unit_test(a_request_passes_where_its_service_may),
		cmocka_unit_test(no_request_passes_before_a_reset),
		cmocka_unit_test(a_header_must_be_of_the_bus),
		cmocka_unit_test(a_priority_makes_another_identifier_of_a_header),
		cmocka_unit_test(an_extension_is_on_for_those_that_have_one_only),
		cmocka_unit_test(an_extension_below_eight_is_a_length_to_others),
		cmocka_unit_test(only_identifiers_of_diagnostic_requests_are_used),
	};

	return cmocka_run_group_tests_name("agent.elm327_gate", tests, NULL, NULL);
}
