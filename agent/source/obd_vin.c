/* Which vehicle it is. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

/* Ways to the VIN, in order: step 0 is what SAE J1979 has for everybody, the others are the profile's
 * commands of that kind. */

static const struct diag_target everybody = {.tx = 0x7df,
					     .id_bits = 11,
					     .functional = true,
					     .flow_control = true};
#define VIN_WAIT_MAX_US (3600 * OBD_SECOND)

static const uint8_t standard[] = {0x09, 0x02};

static bool is_standard(const struct profile_command *command)
{
	return command->ecu.functional && command->request_len == sizeof(standard) &&
	       memcmp(command->request, standard, sizeof(standard)) == 0;
}

/* The profile's way number `step` (from 1), NULL past the last. */
static const struct profile_command *way(const struct obd *obd, size_t step)
{
	for (size_t i = 0; i < profile_command_count(obd->profile); i++) {
		const struct profile_command *command = profile_command(obd->profile, i);

		if (command->kind == PROFILE_KIND_VIN && !is_standard(command) && --step == 0)
			return command;
	}
	return NULL;
}

/* Asks by the next way from obd->vin_step on. */
static void ask(struct obd *obd)
{
	const int64_t timeout = obd->source.config->timeout_us;
	const struct profile_command *command;
	struct diag_target target;

	/* Who does not answer 0100 does not answer this. */
	if (obd->vin_step == 0 && obd->unit_count > 0 &&
	    !obd_ask(obd, OBD_PHASE_VIN, &everybody, standard, sizeof(standard), timeout))
		return;
	if (obd->vin_step == 0)
		obd->vin_step = 1;
	for (; (command = way(obd, obd->vin_step)) != NULL; obd->vin_step++) {
		target = obd_target(&command->ecu);
		if (!obd_ask(obd, OBD_PHASE_VIN, &target, command->request, command->request_len,
			     timeout))
			return;
	}
	obd_end_vin(obd);
}

void obd_start_vin(struct obd *obd)
{
	/* Who was lost for a moment may be another vehicle by now: adapters fed by USB are carried from
	 * one to the next. */
	obd->report.vin[0] = '\0';
	obd->report.vin_given[0] = '\0';
	obd->report.vin_judgement = "";
	obd->vin_step = 0;
	ask(obd);
}

static const char *judgement(enum obd_vin sure)
{
	static const char *const names[] = {"bad", "wrong_sum", "unchecked", "right"};

	return names[sure];
}

/* True where the vehicle's VIN is known now. */
static bool judge(struct obd *obd, const char *vin)
{
	const enum obd_vin sure = obd_vin_check(vin);

	obd->report.vin_judgement = judgement(sure);
	obd->vin_sure = sure;
	if (sure == OBD_VIN_BAD || sure == OBD_VIN_WRONG_SUM) {
		(void)snprintf(obd->report.vin_given, sizeof(obd->report.vin_given), "%s", vin);
		return false;
	}
	obd->report.vin_given[0] = '\0';
	memcpy(obd->report.vin, vin, sizeof(obd->report.vin));
	return true;
}

void obd_on_vin_reply(struct obd *obd, const struct obd_reply *reply)
{
	char vin[MODEL_VIN_SIZE];

	for (size_t i = 0; i < reply->count; i++) {
		if (obd2_decode_vin(reply->answers[i].data, reply->answers[i].len, vin)) {
			obd->report.rejected++;
			obd->report.vin_judgement = judgement(OBD_VIN_BAD);
			continue;
		}
		if (judge(obd, vin)) {
			obd_end_vin(obd);
			return;
		}
	}
	if (obd_is_damaged(reply) && obd->bus->repeats < OBD_DAMAGED_MAX) {
		obd->bus->repeats++;
		obd_ask_again(obd);
		return;
	}
	obd->vin_step++;
	ask(obd);
}

bool obd_ask_late_vin(struct obd *obd)
{
	const int64_t now = obd_now_us(obd);

	if (!obd->connected || obd->report.vin[0] || obd->report.vin_given[0] ||
	    now < obd->vin_due_us || rhythm_rest(obd->rhythm) != RHYTHM_AWAKE ||
	    obd_reading_activity(obd->reading, now) < OBD_ACTIVITY_ON)
		return false;
	obd->vin_wait_us *= 2;
	if (obd->vin_wait_us > VIN_WAIT_MAX_US)
		obd->vin_wait_us = VIN_WAIT_MAX_US;
	obd->vin_due_us = now + obd->vin_wait_us;
	obd->vin_late = true;
	obd_start_vin(obd);
	return true;
}

/* Another vehicle, or perhaps another: what was read of the last one does not count for it. */
void obd_end_vin(struct obd *obd)
{
	const char *vin = obd->report.vin;
	/* What was read without a VIN is of this vehicle all the same. */
	const bool known = obd->vin_late && !obd->vin_last[0];
	const bool other = vin[0] ? !known && strcmp(vin, obd->vin_last) != 0 : obd->fresh;

	if (other)
		obd_reading_reset(obd->reading);
	if (vin[0])
		memcpy(obd->vin_last, vin, sizeof(obd->vin_last));
	if (!obd->vin_late) {
		obd_end_discovery(obd);
		return;
	}
	obd->vin_late = false;
	obd_next(obd);
}
