/* Who is there: protocol, control units, supported parameters. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define SEARCH_TIMEOUT_US (12 * OBD_SECOND) /* the first request searches all protocols */
#define UNUSABLE_MAX 15 /* replies to searches in a row, then the vehicle is looked at seldom */

static const struct diag_target everybody = {.tx = 0x7df, .id_bits = 11, .functional = true};

/* ---- is anybody there? ---- */

/* Nobody was heard, but that says nothing of the vehicle: it is looked at again as one that sleeps,
 * and not told to. */
static void give_up(struct obd *obd, unsigned frames)
{
	obd->garbage = 0;
	obd_tell_silence(obd);
	rhythm_looked(obd->rhythm, false, frames, obd_now_us(obd));
	obd_next(obd);
}

static void ask_by_detect(struct obd *obd, unsigned frames)
{
	const struct profile_command *command = obd_plan_question(obd);
	struct diag_target target;
	int r = 0;

	if (command) {
		target = obd_target(&command->ecu);
		r = obd_ask(obd, OBD_PHASE_DETECT, &target, command->request, command->request_len,
			    SEARCH_TIMEOUT_US);
		obd->detect_problem = r ? obd_way_problem(obd, r) : NULL;
		if (!r)
			return;
	}
	obd->by_detect = false;
	/* Where the adapter cannot ask, silence says something of a vehicle only that has answered. */
	if (!r || obd->by_everybody) {
		obd_fall_asleep(obd, frames);
		return;
	}
	obd_plan_fit(obd); /* says of each command why it is not asked for */
	obd_set_state(obd, SOURCE_SILENT, "source_silent", obd_way_problem(obd, r));
	give_up(obd, frames);
}

/* Electric vehicles often keep silent when everybody is asked, but for what their makers ask. */
void obd_start_search(struct obd *obd)
{
	static const uint8_t request[] = {0x01, 0x00};

	/* Its bus is silent, so it sleeps: there is no need to ask. */
	if (obd_is_quiet(obd)) {
		obd_fall_asleep(obd, 0);
		return;
	}
	if (!obd->connected) {
		memset(obd->units, 0, sizeof(obd->units));
		obd->unit_count = 0;
		obd->base = 0;
	}
	if (obd->by_detect)
		ask_by_detect(obd, 0);
	else if (obd_ask(obd, OBD_PHASE_SEARCH, &everybody, request, sizeof(request),
			 SEARCH_TIMEOUT_US))
		obd_fall_asleep(obd, 0);
}

bool obd_is_damaged(const struct obd_reply *reply)
{
	return reply->kind == OBD_REPLY_BAD || reply->kind == OBD_REPLY_PARTIAL ||
	       reply->rejected > 0;
}

/* Every unit has its own bitmaps. */
static void take_support(struct obd *obd, const struct obd_reply *reply)
{
	for (size_t i = 0; i < reply->count; i++) {
		const struct obd_answer *answer = &reply->answers[i];
		size_t unit = 0;

		while (unit < obd->unit_count && obd->units[unit].id != answer->ecu)
			unit++;
		if (unit == OBD_UNITS_MAX ||
		    obd2_decode_support(obd->base, answer->data, answer->len,
					&obd->units[unit].support)) {
			obd->report.rejected++;
			continue;
		}
		obd->units[unit].id = answer->ecu;
		if (unit == obd->unit_count)
			obd->unit_count++;
	}
}

/* The bus learns which one it is. */
static void identify(struct obd *obd)
{
	obd->phase = OBD_PHASE_OWN;
	obd->bus->ops->identify(obd->bus);
}

/* Somebody is there. */
static void found(struct obd *obd, const struct obd_reply *reply)
{
	rhythm_looked(obd->rhythm, true, reply->frames, obd_now_us(obd));
	obd_note_answer(obd);
	if (obd->connected) {
		obd_next(obd);
		return;
	}
	obd->found = true;
	obd->answered = true;
	obd->unusable = 0;
	identify(obd);
}

/* Lines of a bus before CAN cannot be read before it is known that it is one: then the adapter is asked
 * which bus it found, and everybody again. Who answers what nobody understands must not be kept awake by
 * being asked again and again. */
static void unusable(struct obd *obd, const struct obd_reply *reply)
{
	obd->garbage++;
	obd_check_silence(obd);
	if (++obd->unusable >= UNUSABLE_MAX) {
		give_up(obd, reply->frames);
		return;
	}
	if (obd_too_much_garbage(obd))
		return;
	if (obd->bus->protocol == 0 && reply->kind == OBD_REPLY_BAD)
		identify(obd);
	else
		(void)obd_wait(obd, OBD_BUS_PAUSE_US, obd_start_search);
}

/* A look at a vehicle that sleeps is one request: who has never answered is asked the profile's question
 * the next time. */
static void nobody(struct obd *obd, const struct obd_reply *reply)
{
	if (obd->asleep && obd_plan_question(obd)) {
		obd->by_detect = !obd->by_everybody;
		obd_fall_asleep(obd, reply->frames);
		return;
	}
	ask_by_detect(obd, reply->frames);
}

void obd_on_search_reply(struct obd *obd, const struct obd_reply *reply)
{
	const size_t units = obd->unit_count;

	switch (reply->kind) {
	case OBD_REPLY_DATA:
	case OBD_REPLY_PARTIAL:
		if (!obd->connected)
			take_support(obd, reply);
		if (!obd->connected && obd_is_damaged(reply) &&
		    obd->bus->repeats < OBD_DAMAGED_MAX) {
			obd->bus->repeats++;
			obd_ask_again(obd);
			return;
		}
		if (!obd->connected && obd->unit_count == units) {
			unusable(obd, reply);
			return;
		}
		obd->by_everybody = true;
		found(obd, reply);
		return;
	case OBD_REPLY_NEGATIVE:
	case OBD_REPLY_PENDING:
		found(obd, reply); /* it refuses, so it is there */
		return;
	case OBD_REPLY_SILENCE:
		nobody(obd, reply);
		return;
	default:
		unusable(obd, reply);
	}
}

void obd_on_detect_reply(struct obd *obd, const struct obd_reply *reply)
{
	switch (reply->kind) {
	case OBD_REPLY_DATA:
	case OBD_REPLY_PARTIAL:
	case OBD_REPLY_NEGATIVE:
	case OBD_REPLY_PENDING:
		obd->by_detect = true;
		obd->detected = true;
		found(obd, reply);
		return;
	case OBD_REPLY_SILENCE:
	case OBD_REPLY_UNSUPPORTED:
		/* Who has answered everybody's question is asked that; nobody knows: in turns. */
		obd->by_detect = obd->by_detect && !obd->by_everybody && obd->detected;
		obd_fall_asleep(obd, reply->frames);
		return;
	default:
		unusable(obd, reply);
	}
}

/* ---- what is supported ---- */

static int next_base(const struct obd *obd)
{
	int next = -1;

	for (size_t i = 0; i < obd->unit_count; i++) {
		const int of_unit = obd2_support_next(&obd->units[i].support, obd->base);

		if (of_unit >= 0 && (next < 0 || of_unit < next))
			next = of_unit;
	}
	return next;
}

static void ask_support(struct obd *obd)
{
	const int next = next_base(obd);
	const uint8_t request[] = {0x01, (uint8_t)next};

	if (next >= 0 && obd_plan_wants_support(obd, (uint8_t)next)) {
		obd->base = (uint8_t)next;
		if (!obd_ask(obd, OBD_PHASE_SUPPORT, &everybody, request, sizeof(request),
			     obd->source.config->timeout_us))
			return;
	}
	obd_start_vin(obd);
}

/* An adapter that was just opened may be at another vehicle; but one with a loose contact must not
 * keep a vehicle awake. */
static bool may_look(const struct obd *obd)
{
	struct rhythm_stats stats;

	rhythm_stats(obd->rhythm, obd_now_us(obd), &stats);
	return !obd->asleep ||
	       (obd->fresh && stats.looks_today < obd->source.config->rhythm.wake_budget);
}

void obd_go_on_discovering(struct obd *obd)
{
	if (obd->found)
		ask_support(obd);
	else if (may_look(obd))
		obd_start_search(obd);
	else
		obd_next(obd);
}

/* A unit whose list is lost has nothing of what it could be asked for. */
void obd_on_support_reply(struct obd *obd, const struct obd_reply *reply)
{
	take_support(obd, reply);
	if (obd_is_damaged(reply) && obd->bus->repeats < OBD_DAMAGED_MAX) {
		obd->bus->repeats++;
		obd_ask_again(obd);
	} else {
		ask_support(obd);
	}
}

void obd_end_discovery(struct obd *obd)
{
	size_t asked = 0;

	obd_plan_fit(obd);
	for (size_t i = 0; i < obd->item_count; i++) {
		obd->items[i].tried = false;
		obd->items[i].heard_count = 0;
		asked += !obd->items[i].barred;
	}
	obd->report.ecus = (unsigned)obd->unit_count + (obd->unit_count == 0);
	obd->report.values = (unsigned)asked;
	obd->connected = true;
	obd->stir_wait_us = 0;
	obd->asleep = false;
	obd->fresh = false;
	obd->whole_due = true;
	obd->several = OBD_SEVERAL_UNTRIED;
	obd->several_failures = 0;
	obd->vin_wait_us = OBD_VIN_WAIT_US;
	obd->vin_due_us = obd_now_us(obd) + obd->vin_wait_us;
	rhythm_connected(obd->rhythm, obd_now_us(obd));
	/* Only a value makes a source ok. */
	if (asked == 0)
		obd_set_state(obd, SOURCE_SILENT, "source_silent",
			      "The vehicle has nothing of what the profile and the configuration "
			      "ask for.");
	else if (obd->report.state != SOURCE_SILENT && !obd->bus->resets &&
		 !obd->bus->internal_errors)
		obd_set_state(obd, SOURCE_SILENT, obd_starting, "The vehicle was found.");
	obd_next(obd);
}
