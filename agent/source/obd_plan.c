/* What of what is wanted this vehicle and this adapter can do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/obd_priv.h"

/* ---- making ---- */

static bool same_ecu(const struct diag_target *a, const struct diag_target *b)
{
	return a->tx == b->tx && a->rx == b->rx && a->id_bits == b->id_bits &&
	       a->extension == b->extension && a->tester == b->tester &&
	       a->functional == b->functional && a->flow_control == b->flow_control;
}

/* The control unit's place, made where it is new. What is more than there is room for shares a place
 * of the rhythm with the last, never an address: then the profile is refused. */
static int ecu_of(struct obd *obd, const struct diag_target *target)
{
	for (size_t i = 0; i < obd->ecu_count; i++)
		if (same_ecu(&obd->ecus[i].target, target))
			return (int)i;
	if (obd->ecu_count == RHYTHM_ECUS_MAX)
		return -ENOSPC;
	obd->ecus[obd->ecu_count] = (struct obd_ecu){.target = *target, .now = *target};
	return (int)obd->ecu_count++;
}

/* A parameter of service 01 that everybody is asked for. */
static bool is_single(const struct profile_command *command)
{
	return command->kind == PROFILE_KIND_SIGNALS && command->ecu.functional &&
	       command->request_len == 2 && command->request[0] == 0x01 &&
	       obd2_pid_bytes(command->request[1]) != 0;
}

static int add_item(struct obd *obd, const struct obd_want *want, struct rhythm_item *ret_rhythm)
{
	const struct profile_command *command = profile_command(obd->profile, want->command);
	const struct diag_target target = obd_target(&command->ecu);
	const int ecu = ecu_of(obd, &target);

	if (ecu < 0)
		return ecu;
	obd->items[obd->item_count++] = (struct obd_item){
		.command = want->command,
		.ecu = (unsigned)ecu,
		.named = want->named,
		.single = is_single(command),
	};
	*ret_rhythm = (struct rhythm_item){
		.period_us = want->period_us,
		.when = command->when,
		.ecu = (unsigned)ecu,
	};
	return 0;
}

int obd_plan_make(struct obd *obd)
{
	const struct source_config *config = obd->source.config;
	const size_t count = profile_command_count(obd->profile);
	struct rhythm_item *rhythm = calloc(count + 1, sizeof(*rhythm));
	struct obd_want *wants = calloc(count + 1, sizeof(*wants));
	char expected[160];
	int want_count;
	int r = -ENOMEM;

	obd->items = calloc(count + 1, sizeof(*obd->items));
	obd->refusals = calloc(count + 1, sizeof(*obd->refusals));
	if (!rhythm || !wants || !obd->items || !obd->refusals)
		goto out;
	want_count = obd_wants_make(obd->profile, config->signals, config->period_us, wants,
				    expected, sizeof(expected));
	r = want_count < 0 ? want_count : 0;
	for (int i = 0; i < want_count && !r; i++)
		r = add_item(obd, &wants[i], &rhythm[i]);
	if (!r)
		r = rhythm_create(&config->rhythm, rhythm, obd->item_count, &obd->rhythm);
out:
	free(wants);
	free(rhythm);
	return r;
}

void obd_plan_free(struct obd *obd)
{
	rhythm_destroy(obd->rhythm);
	free(obd->refusals);
	free(obd->items);
}

/* ---- fitting ---- */

void obd_note_refusal(struct obd *obd, size_t item, const char *reason)
{
	struct source_report *report = &obd->report;
	const char *what = obd_command(obd, item)->id;
	size_t at = 0;

	while (at < report->refusal_count && obd->refusals[at].what != what)
		at++;
	obd->refusals[at].what = what;
	(void)snprintf(obd->refusals[at].reason, sizeof(obd->refusals[at].reason), "%s", reason);
	if (at == report->refusal_count)
		report->refusal_count++;
}

void obd_take_back_refusal(struct obd *obd, size_t item)
{
	struct source_report *report = &obd->report;
	const char *what = obd_command(obd, item)->id;
	size_t at = 0;

	while (at < report->refusal_count && obd->refusals[at].what != what)
		at++;
	if (at < report->refusal_count)
		obd->refusals[at] = obd->refusals[--report->refusal_count];
}

void obd_refuse(struct obd *obd, size_t item, const char *reason)
{
	obd_note_refusal(obd, item, reason);
	obd->items[item].barred = true;
	rhythm_bar(obd->rhythm, item, true);
}

/* Does any of the units that it asks support the parameter? */
static bool is_supported(const struct obd *obd, const struct obd_item *item)
{
	const struct profile_command *command = profile_command(obd->profile, item->command);
	const uint32_t rx = diag_target_answers(&obd->ecus[item->ecu].target);

	if (command->request[0] != 0x01 || command->request_len != 2 || item->named)
		return true;
	/* Before anybody was heard nobody knows. */
	if (!obd->found)
		return true;
	for (size_t i = 0; i < obd->unit_count; i++)
		if ((rx == 0 || rx == obd->units[i].id) &&
		    obd2_supports(&obd->units[i].support, command->request[1]))
			return true;
	return false;
}

/* The model year of a VIN that is sure, in North America and China (49 CFR 565.15: A is 2010, 1 is
 * 2001; the code repeats after 30 years); 0: not known. */
static int model_year(const struct obd *obd)
{
	static const char letters[] = "ABCDEFGHJKLMNPRSTVWXY";
	const char code = obd->report.vin[0] ? obd->report.vin[9] : '\0';
	const char *at = code ? strchr(letters, code) : NULL;

	if (obd->vin_sure != OBD_VIN_RIGHT)
		return 0;
	if (at)
		return 2010 + (int)(at - letters);
	return code >= '1' && code <= '9' ? 2000 + (code - '0') : 0;
}

static bool is_of_year(const struct profile_command *command, int year)
{
	return year == 0 || ((!command->year_from || year >= command->year_from) &&
			     (!command->year_to || year <= command->year_to));
}

static void fit(struct obd *obd, size_t index, int year)
{
	struct obd_item *item = &obd->items[index];
	const struct profile_command *command = obd_command(obd, index);
	int r;

	item->barred = false;
	rhythm_bar(obd->rhythm, index, false);
	r = obd_way(obd, &obd->ecus[item->ecu].now);
	if (r < 0)
		obd_refuse(obd, index, obd_way_problem(obd, r));
	else if (!obd2_request_allowed(command->request, command->request_len))
		obd_refuse(obd, index, "the gate of requests refuses it");
	else if (!is_supported(obd, item))
		obd_refuse(obd, index, "the vehicle does not list the parameter");
	else if (!is_of_year(command, year))
		obd_refuse(obd, index, "vehicles of this model year do not have it");
}

void obd_plan_fit(struct obd *obd)
{
	const int year = model_year(obd);

	obd->report.refusal_count = 0;
	for (size_t i = 0; i < obd->ecu_count; i++)
		obd->ecus[i].now = obd->ecus[i].target;
	for (size_t i = 0; i < obd->item_count; i++)
		fit(obd, i, year);
}

/* ---- the first question ---- */

static bool is_reachable(const struct obd *obd, const struct profile_command *command)
{
	const struct diag_target target = obd_target(&command->ecu);

	return obd_way(obd, &target) >= 0;
}

const struct profile_command *obd_plan_question(const struct obd *obd)
{
	const struct profile_command *detect = profile_detect(obd->profile);

	if (detect && is_reachable(obd, detect))
		return detect;
	for (size_t i = 0; i < obd->item_count; i++) {
		const struct profile_command *command = obd_command(obd, i);

		if (command->when == PROFILE_WHEN_AWAKE && !command->ecu.functional &&
		    is_reachable(obd, command))
			return command;
	}
	return detect;
}

uint8_t obd_plan_protocol(const struct profile *profile)
{
	uint8_t bits = 0;

	if (profile_protocol(profile))
		return profile_protocol(profile);
	for (size_t i = 0; i < profile_command_count(profile); i++) {
		const struct profile_ecu *ecu = &profile_command(profile, i)->ecu;

		if (ecu->functional || (bits && bits != ecu->id_bits))
			return 0;
		bits = ecu->id_bits;
	}
	return bits == 11 ? 6 : bits == 29 ? 7 : 0;
}

bool obd_plan_wants_support(const struct obd *obd, uint8_t base)
{
	for (size_t i = 0; i < obd->item_count; i++) {
		const struct profile_command *command = obd_command(obd, i);

		if (command->request[0] == 0x01 && command->request_len == 2 &&
		    command->request[1] > base)
			return true;
	}
	return false;
}
