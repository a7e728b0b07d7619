#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/elm327_adapter.h"
#include "agent/protocol/elm327_gate.h"

int suite_agent_elm327_adapter(void);

#define HAS(what) (UINT32_C(1) << ELM327_CAN_##what)
#define GENUINE_15                                                                                 \
	(HAS(VOLTAGE) | HAS(IGNITION) | HAS(RECEIVE_FILTER) | HAS(FILTER_RESET) |                  \
	 HAS(AUTO_RECEIVE) | HAS(FLOW_HEADER) | HAS(FLOW_DATA) | HAS(FLOW_MODE) | HAS(PRIORITY) |  \
	 HAS(EXTENDED) | HAS(TESTER))
#define GENUINE_23 (GENUINE_15 | HAS(LONG_HEADER) | HAS(FORGET_EVENTS))
#define STN (GENUINE_23 | HAS(STN) | HAS(STN_FLOW) | HAS(STN_SEGMENTS))
#define POOR_CLONE (HAS(VOLTAGE) | HAS(RECEIVE_FILTER) | HAS(AUTO_RECEIVE))
#define NO_FILTER HAS(VOLTAGE)

static const struct diag_target everybody = {.tx = 0x7df, .id_bits = 11, .functional = true};
static const struct diag_target everybody29 = {.tx = 0x18db33f1, .id_bits = 29, .functional = true};
static const struct diag_target engine = {.tx = 0x7e0, .id_bits = 11};
static const struct diag_target battery = {.tx = 0x7e4,
					   .rx = 0x7ec,
					   .id_bits = 11,
					   .flow_control = true};
static const struct diag_target leaf = {.tx = 0x79b,
					.rx = 0x7bb,
					.id_bits = 11,
					.flow_control = true};
static const struct diag_target hvac = {.tx = 0x744,
					.rx = 0x74c,
					.id_bits = 11,
					.flow_control = true};
static const struct diag_target one_frame = {.tx = 0x744, .rx = 0x74c, .id_bits = 11};
static const struct diag_target bmw = {.tx = 0x6f1,
				       .rx = 0x607,
				       .id_bits = 11,
				       .extension = 0x07,
				       .tester = 0xf1,
				       .flow_control = true};
static const struct diag_target bmw_other = {.tx = 0x6f1,
					     .rx = 0x640,
					     .id_bits = 11,
					     .extension = 0x40,
					     .tester = 0xf1,
					     .flow_control = true};
static const struct diag_target toyota = {.tx = 0x750,
					  .rx = 0x758,
					  .id_bits = 11,
					  .extension = 0x2a,
					  .tester = 0x2a,
					  .flow_control = true};
static const struct diag_target brakes = {.tx = 0x130, .rx = 0x131, .id_bits = 11};
static const struct diag_target meb = {.tx = 0x17fc007b,
				       .rx = 0x17fe007b,
				       .id_bits = 29,
				       .flow_control = true};
static const struct diag_target honda = {.tx = 0x18da10f1, .id_bits = 29, .flow_control = true};

struct switch_case {
	const char *name;
	uint32_t has;
	uint8_t protocol;
	const struct diag_target *from, *to;
	int want;
	const char *commands; /* separated by a blank */
};

static const struct switch_case switches[] = {
	{"nothing to do", GENUINE_15, 6, NULL, &everybody, 0, ""},
	{"the same again", GENUINE_15, 6, &leaf, &leaf, 0, ""},
	{"one unit", GENUINE_15, 6, NULL, &engine, 0, "ATSH7E0 ATCRA7E8"},
	{"one unit to another", GENUINE_15, 6, &engine, &battery, 0, "ATSH7E4 ATCRA7EC"},
	{"and back", GENUINE_15, 6, &battery, NULL, 0, "ATSH7DF ATCRA"},
	{"back without ATCRA", POOR_CLONE, 6, &battery, NULL, 0, "ATSH7DF ATAR"},
	{"a clone without filters hears 7E8 to 7EF", NO_FILTER, 6, NULL, &battery, 0, "ATSH7E4"},
	{"a filter that stays for ever is not set", HAS(RECEIVE_FILTER), 6, NULL, &engine, 0,
	 "ATSH7E0"},
	{"flow control by hand", GENUINE_15, 6, NULL, &leaf, 0,
	 "ATSH79B ATCRA7BB ATFCSH79B ATFCSD300000 ATFCSM1"},
	{"by hand for another", GENUINE_15, 6, &leaf, &hvac, 0, "ATSH744 ATCRA74C ATFCSH744"},
	{"by hand no longer", GENUINE_15, 6, &leaf, &engine, 0, "ATFCSM0 ATSH7E0 ATCRA7E8"},
	{"by hand, back to all", GENUINE_15, 6, &leaf, &everybody, 0, "ATFCSM0 ATSH7DF ATCRA"},
	{"single frames need no flow control", POOR_CLONE, 6, NULL, &one_frame, 0,
	 "ATSH744 ATCRA74C"},
	{"the same unit, now with several frames", GENUINE_15, 6, &one_frame, &hvac, 0,
	 "ATFCSH744 ATFCSD300000 ATFCSM1"},
	{"pairs of an STN", STN, 6, NULL, &leaf, 0, "ATSH79B ATCRA7BB STCAFCP79B,7BB"},
	{"another pair", STN, 6, &leaf, &hvac, 0, "STCCFCP ATSH744 ATCRA74C STCAFCP744,74C"},
	{"pairs no longer", STN, 6, &leaf, &battery, 0, "STCCFCP ATSH7E4 ATCRA7EC"},
	{"the same pair", STN, 6, &leaf, &leaf, 0, ""},
	{"extended addressing", GENUINE_15, 6, NULL, &bmw, 0,
	 "ATSH6F1 ATCRA607 ATCEA07 ATFCSH6F1 ATFCSD07300000 ATFCSM1"},
	{"another extension", GENUINE_15, 6, &bmw, &bmw_other, 0,
	 "ATCRA640 ATCEA40 ATFCSD40300000"},
	{"extended addressing on an STN", STN, 6, NULL, &bmw, 0,
	 "ATSH6F1 ATCRA607 ATCEA07 ATFCSH6F1 ATFCSD07300000 ATFCSM1"},
	{"another tester", GENUINE_15, 6, &bmw, &toyota, 0,
	 "ATSH750 ATCRA758 ATCEA2A ATTA2A ATFCSH750 ATFCSD2A300000"},
	{"no tester", GENUINE_15 & ~HAS(TESTER), 6, NULL, &toyota, ELM327_E_EXTENDED, NULL},
	{"the old tester again", GENUINE_15, 6, &toyota, NULL, 0,
	 "ATFCSM0 ATSH7DF ATCRA ATCEA ATTAF1"},
	{"not a diagnostic request", STN, 6, NULL, &brakes, ELM327_E_ID, NULL},
	{"extension off", GENUINE_15, 6, &bmw, NULL, 0, "ATFCSM0 ATSH7DF ATCRA ATCEA"},
	{"extension off, others by hand", GENUINE_15, 6, &bmw, &leaf, 0,
	 "ATSH79B ATCRA7BB ATCEA ATFCSH79B ATFCSD300000"},
	{"29 bit by priority and header", GENUINE_15, 7, NULL, &meb, 0,
	 "ATCP17 ATSHFC007B ATCRA17FE007B ATFCSH17FC007B ATFCSD300000 ATFCSM1"},
	{"29 bit by a long header", GENUINE_23, 7, NULL, &meb, 0,
	 "ATSH17FC007B ATCRA17FE007B ATFCSH17FC007B ATFCSD300000 ATFCSM1"},
	{"29 bit on an STN", STN, 7, NULL, &meb, 0,
	 "ATSH17FC007B ATCRA17FE007B ATFCSH17FC007B ATFCSD300000 ATFCSM1"},
	{"29 bit back", GENUINE_15, 7, &meb, &everybody29, 0, "ATFCSM0 ATCP18 ATSHDB33F1 ATCRA"},
	{"29 bit, the standard's own", GENUINE_15, 7, NULL, &honda, 0, "ATSHDA10F1 ATCRA18DAF110"},
	{"29 bit, a clone", NO_FILTER, 7, NULL, &honda, 0, "ATSHDA10F1"},
	{"everybody, whatever the bus", GENUINE_15, 7, NULL, &everybody, 0, ""},
	{"everybody on a K line", GENUINE_15, 3, NULL, &everybody, 0, ""},
	{"no flow control", POOR_CLONE, 6, NULL, &leaf, ELM327_E_FLOW_CONTROL, NULL},
	{"half a flow control", POOR_CLONE | HAS(FLOW_HEADER) | HAS(FLOW_MODE), 6, NULL, &leaf,
	 ELM327_E_FLOW_CONTROL, NULL},
	{"its own flow control is enough", POOR_CLONE, 6, NULL, &battery, 0, "ATSH7E4 ATCRA7EC"},
	{"no extended addressing", GENUINE_15 & ~HAS(EXTENDED), 6, NULL, &bmw, ELM327_E_EXTENDED,
	 NULL},
	{"no priority byte", POOR_CLONE, 7, NULL, &meb, ELM327_E_LONG_ID, NULL},
	{"no filter", NO_FILTER, 6, NULL, &one_frame, ELM327_E_FILTER, NULL},
	{"29 bit on a bus of 11", STN, 6, NULL, &meb, ELM327_E_BUS, NULL},
	{"11 bit on a bus of 29", STN, 7, NULL, &battery, ELM327_E_BUS, NULL},
	{"one unit on a K line", STN, 3, NULL, &engine, ELM327_E_BUS, NULL},
	{"J1939", STN, 10, NULL, &honda, ELM327_E_BUS, NULL},
};

/* The commands of a switch as one text. */
static const char *joined(const struct elm327_switch *commands)
{
	static char text[ELM327_SWITCH_MAX * (ELM327_COMMAND_MAX + 1) + 1];
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < commands->count; i++) {
		const size_t len = strlen(commands->commands[i]);

		assert_true(len <= ELM327_COMMAND_MAX);
		if (i > 0)
			text[at++] = ' ';
		memcpy(text + at, commands->commands[i], len + 1);
		at += len;
	}
	return text;
}

static struct elm327_reply reply; /* too much for a small target's stack */
static struct elm327_config config;

static void expect_passes(struct elm327_gate *gate, const struct elm327_switch *commands,
			  const char *name)
{
	config = elm327_config_functional(6);
	for (size_t i = 0; i < commands->count; i++) {
		elm327_begin(&reply, commands->commands[i], &config);
		if (!elm327_gate_passes(gate, &reply))
			fail_msg("%s: %s does not pass", name, commands->commands[i]);
	}
}

static void each_switch_takes_the_commands_that_it_needs_and_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		const struct switch_case *c = &switches[i];
		const struct elm327_capabilities can = {.has = c->has};
		struct elm327_switch got = {.count = 77};
		const int r = elm327_switch_target(&can, c->protocol, c->from, c->to, &got);

		if (r != c->want)
			fail_msg("%s: returned %d, want %d", c->name, r, c->want);
		if (r && got.count != 77)
			fail_msg("%s: wrote commands of a target that it refused", c->name);
		if (!r && strcmp(joined(&got), c->commands) != 0)
			fail_msg("%s: \"%s\", want \"%s\"", c->name, joined(&got), c->commands);
	}
}

/* What is chosen here may be sent, and then so may a request. */
static void what_is_chosen_passes_the_gate(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		const struct switch_case *c = &switches[i];
		const struct elm327_capabilities can = {.has = c->has};
		struct elm327_gate gate = {.known = true};
		struct elm327_switch there;

		if (c->want || elm327_switch_target(&can, c->protocol, NULL, c->from, &there))
			continue;
		expect_passes(&gate, &there, c->name);
		assert_int_equal(elm327_switch_target(&can, c->protocol, c->from, c->to, &there),
				 0);
		expect_passes(&gate, &there, c->name);
		config = elm327_target_config(c->to, c->protocol);
		elm327_begin(&reply, "22F190", &config);
		if (!elm327_gate_passes(&gate, &reply))
			fail_msg("%s: then a request does not pass", c->name);
	}
}

static void every_refusal_has_a_sentence(void **state)
{
	(void)state;
	for (int error = ELM327_E_ID; error < 0; error++)
		assert_string_not_equal(elm327_target_problem(error), elm327_target_problem(1));
}

static void answer(const char *command, const char *raw)
{
	config = (struct elm327_config){.headers = true};
	elm327_begin(&reply, command, &config);
	for (; *raw; raw++)
		(void)elm327_feed(&reply, (uint8_t)*raw);
}

struct probe_case {
	enum elm327_capability capability;
	const char *raw;
	bool probed, has;
};

static const struct probe_case probes[] = {
	{ELM327_CAN_STN, "STN1110 v4.2.0\r\r>", true, true},
	{ELM327_CAN_STN, "?\r\r>", true, false},
	{ELM327_CAN_STN, "ELM327 v2.1\r\r>", true, false},
	{ELM327_CAN_STN, "OK\r\r>", true, false},
	{ELM327_CAN_VOLTAGE, "12.4V\r\r>", true, true},
	{ELM327_CAN_VOLTAGE, "OK\r\r>", true, false},
	{ELM327_CAN_VOLTAGE, "?\r\r>", true, false},
	{ELM327_CAN_IGNITION, "OFF\r\r>", true, true},
	{ELM327_CAN_IGNITION, "?\r\r>", true, false},
	{ELM327_CAN_FLOW_MODE, "OK\r\r>", true, true},
	{ELM327_CAN_FLOW_MODE, "?\r\r>", true, false},
	{ELM327_CAN_FLOW_MODE, "\r>", false, false},
	{ELM327_CAN_FLOW_MODE, "O", false, false}, /* a lost prompt */
	{ELM327_CAN_FLOW_MODE, "STOPPED\r\r>", false, false},
	{ELM327_CAN_FLOW_MODE, "ELM327 v1.5\r\r>", false, false}, /* it was reset */
};

static void only_an_answer_says_what_an_adapter_can(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		const struct probe_case *c = &probes[i];
		struct elm327_capabilities can = {.has = 0};
		const char *command = elm327_probe_command(c->capability);

		answer(command, c->raw);
		elm327_probe_reply(&can, c->capability, &reply);
		if (elm327_can(&can, c->capability) != c->has || (can.probed != 0) != c->probed)
			fail_msg("%s answered by \"%s\": has %d, probed %d", command, c->raw,
				 elm327_can(&can, c->capability), can.probed != 0);
	}
}

static void an_stn_tells_its_chip(void **state)
{
	struct elm327_capabilities can = {.has = 0};

	(void)state;
	answer("STI", "STN2120 v4.0.1\r\r>");
	elm327_probe_reply(&can, ELM327_CAN_STN, &reply);
	assert_string_equal(can.chip, "STN2120 v4.0.1");
}

static void probes_are_asked_where_they_say_something(void **state)
{
	(void)state;
	assert_true(elm327_probe_applies(ELM327_CAN_VOLTAGE, 3));
	assert_false(elm327_probe_applies(ELM327_CAN_FLOW_MODE, 3));
	assert_true(elm327_probe_applies(ELM327_CAN_FLOW_MODE, 0));
	assert_true(elm327_probe_applies(ELM327_CAN_STN_FLOW, 6));
	assert_false(elm327_probe_applies(ELM327_CAN_STN_FLOW, 7));
	/* It would leave a 29-bit header behind. */
	assert_false(elm327_probe_applies(ELM327_CAN_LONG_HEADER, 6));
	assert_true(elm327_probe_applies(ELM327_CAN_LONG_HEADER, 7));
	assert_false(elm327_probe_applies(ELM327_CAPABILITY_COUNT, 6));
}

static void every_capability_has_a_name_and_a_probe(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ELM327_CAPABILITY_COUNT; i++) {
		const char *probe = elm327_probe_command((enum elm327_capability)i);

		assert_non_null(elm327_capability_name((enum elm327_capability)i));
		assert_true(strlen(probe) <= ELM327_COMMAND_MAX);
		assert_true(strncmp(probe, "ATTP", 4) != 0); /* locks some clones up */
	}
	assert_null(elm327_capability_name(ELM327_CAPABILITY_COUNT));
	assert_null(elm327_probe_command(ELM327_CAPABILITY_COUNT));
}

static void what_probing_changed_is_undone(void **state)
{
	const struct elm327_capabilities stn = {.has = STN};
	const struct elm327_capabilities genuine = {.has = GENUINE_15};
	const struct elm327_capabilities clone = {.has = POOR_CLONE};
	const struct elm327_capabilities nothing = {.has = 0};
	struct elm327_switch commands;

	(void)state;
	elm327_probe_undo(&stn, 6, &commands);
	assert_string_equal(joined(&commands), "ATFCSM0 STCCFCP ATCP18 ATSH7DF ATCRA");
	elm327_probe_undo(&stn, 7, &commands);
	assert_string_equal(joined(&commands), "ATFCSM0 STCCFCP ATCP18 ATSH18DB33F1 ATCRA");
	elm327_probe_undo(&genuine, 7, &commands);
	assert_string_equal(joined(&commands), "ATFCSM0 ATCP18 ATCRA");
	elm327_probe_undo(&clone, 6, &commands);
	assert_string_equal(joined(&commands), "ATAR");
	elm327_probe_undo(&nothing, 6, &commands);
	assert_int_equal(commands.count, 0);
}

static void expect_config(const struct diag_target *target, uint8_t protocol, uint32_t rx,
			  uint32_t mask, uint8_t digits, uint8_t address)
{
	config = elm327_target_config(target, protocol);
	assert_true(config.headers);
	assert_int_equal(config.rx_id, rx);
	assert_int_equal(config.rx_mask, mask);
	assert_int_equal(config.id_digits, digits);
	assert_int_equal(config.address, address);
}

static void only_who_was_asked_may_answer(void **state)
{
	const struct diag_target unnamed = {
		.tx = 0x6f1, .rx = 0x607, .id_bits = 11, .extension = 0x07};

	(void)state;
	expect_config(&everybody, 6, 0x7e8, 0x7f8, 3, 0);
	expect_config(&everybody29, 7, 0x18daf100, 0x1fffff00, 8, 0);
	expect_config(&everybody, 7, 0x18daf100, 0x1fffff00, 8, 0);
	expect_config(&engine, 6, 0x7e8, UINT32_MAX, 3, 0);
	expect_config(&leaf, 6, 0x7bb, UINT32_MAX, 3, 0);
	expect_config(&honda, 7, 0x18daf110, UINT32_MAX, 8, 0);
	expect_config(&meb, 7, 0x17fe007b, UINT32_MAX, 8, 0);
	expect_config(&bmw, 6, 0x607, UINT32_MAX, 3, 0xf1);
	expect_config(&unnamed, 6, 0x607, UINT32_MAX, 3, 0xf1);
	expect_config(NULL, 6, 0x7e8, 0x7f8, 3, 0);
}

int suite_agent_elm327_adapter(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_switch_takes_the_commands_that_it_needs_and_no_other),
		cmocka_unit_test(what_is_chosen_passes_the_gate),
		cmocka_unit_test(every_refusal_has_a_sentence),
		cmocka_unit_test(only_an_answer_says_what_an_adapter_can),
		cmocka_unit_test(an_stn_tells_its_chip),
		cmocka_unit_test(probes_are_asked_where_they_say_something),
		cmocka_unit_test(every_capability_has_a_name_and_a_probe),
		cmocka_unit_test(what_probing_changed_is_undone),
		cmocka_unit_test(only_who_was_asked_may_answer),
	};

	return cmocka_run_group_tests_name("agent.elm327_adapter", tests, NULL, NULL);
}
