/* Every shipped profile against the gate where requests leave, with adapters that can much and little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/protocol/elm327_adapter.h"
#include "agent/protocol/elm327_gate.h"
#include "agent/protocol/obd2.h"
#include "agent/source/obd_target.h"
#include "provider/obd/profile.h"

int suite_agent_profile_gate(void);

struct visit {
	const char *path;
	struct elm327_capabilities can;
	struct elm327_gate gate;
	bool has_from;
	struct diag_target from;
	size_t passed, refused, profiles;
};

static struct elm327_reply reply;

static bool passes(struct visit *visit, const char *command, const struct elm327_config *config)
{
	elm327_begin(&reply, command, config);
	return elm327_gate_passes(&visit->gate, &reply);
}

/* Turns to the command's target; false where the adapter cannot. */
static bool turn(struct visit *visit, uint8_t protocol, const struct diag_target *to)
{
	const struct elm327_config plain = {.headers = true};
	struct elm327_switch way;
	const int r = elm327_switch_target(&visit->can, protocol,
					   visit->has_from ? &visit->from : NULL, to, &way);

	if (r == ELM327_E_ID || r == ELM327_E_BUS)
		fail_msg("%s: %s", visit->path, elm327_target_problem(r));
	if (r)
		return false;
	for (size_t i = 0; i < way.count; i++)
		if (!passes(visit, way.commands[i], &plain))
			fail_msg("%s: %s is refused", visit->path, way.commands[i]);
	visit->from = *to;
	visit->has_from = true;
	return true;
}

static void take_command(struct visit *visit, uint8_t protocol,
			 const struct profile_command *command)
{
	const struct diag_target target = obd_target(&command->ecu);
	const struct elm327_config config = elm327_target_config(&target, protocol);
	char text[OBD2_TEXT_SIZE];

	if (!turn(visit, protocol, &target)) {
		visit->refused++;
		return;
	}
	assert_int_equal(obd2_request_text(command->request, command->request_len, text), 0);
	if (!passes(visit, text, &config))
		fail_msg("%s: %s is refused", visit->path, command->id);
	visit->passed++;
}

/* The bus that the profile names; without one any on which its identifiers are. */
static uint8_t protocol_of(const struct profile *profile)
{
	const struct profile_command *first = profile_command(profile, 0);

	if (profile_protocol(profile))
		return profile_protocol(profile);
	return first->ecu.id_bits == 29 ? 7 : 6;
}

static int visit_profile(void *arg, const char *path)
{
	struct visit *visit = arg;
	struct profile *profile = NULL;

	visit->path = path;
	visit->gate = (struct elm327_gate){.known = true};
	visit->has_from = false;
	assert_int_equal(profile_load(path, obd2_request_allowed, stderr, &profile), 0);
	for (size_t i = 0; i < profile_command_count(profile); i++)
		take_command(visit, protocol_of(profile), profile_command(profile, i));
	visit->profiles++;
	profile_free(profile);
	return 0;
}

static void what_shipped_profiles_ask_passes_the_gate(void **state)
{
	struct visit stn = {.can.has = UINT32_MAX};
	struct visit genuine = {.can.has = ~(UINT32_C(1) << ELM327_CAN_STN_FLOW |
					     UINT32_C(1) << ELM327_CAN_LONG_HEADER)};
	struct visit poor = {.can.has = 0};

	(void)state;
	assert_int_equal(profile_list(FRESHET_PROFILES, visit_profile, &stn), 0);
	assert_int_equal(profile_list(FRESHET_PROFILES, visit_profile, &genuine), 0);
	assert_int_equal(profile_list(FRESHET_PROFILES, visit_profile, &poor), 0);
	assert_true(stn.profiles >= 7);
	assert_int_equal(stn.refused, 0);
	assert_int_equal(genuine.refused, 0);
	assert_int_equal(genuine.passed, stn.passed);
	/* A poor clone reads what 7E0..7E7 and everybody answer, and is told the rest by name. */
	assert_true(poor.passed > 0 && poor.refused > 0);
}

int suite_agent_profile_gate(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_shipped_profiles_ask_passes_the_gate),
	};

	return cmocka_run_group_tests_name("agent.profile_gate", tests, NULL, NULL);
}
