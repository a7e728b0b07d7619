/* What came of a request. */
#include <stdio.h>
#include <string.h>

#include "agent/protocol/uds.h"
#include "agent/source/obd_priv.h"

void obd_item_done(struct obd *obd, size_t item, enum rhythm_outcome outcome, unsigned frames)
{
	obd->items[item].tried = true;
	if (outcome == RHYTHM_ANSWERED)
		obd_take_back_refusal(obd, item);
	obd->ecus[obd->items[item].ecu].silent = outcome == RHYTHM_UNANSWERED;
	rhythm_asked(obd->rhythm, item, outcome, frames, obd_now_us(obd));
}

bool obd_take_answers(struct obd *obd, size_t item, const struct obd_answer *answers, size_t count)
{
	const struct profile_command *command = obd_command(obd, item);
	struct model_update *update = obd_begin_update(obd);
	int set = 0;
	int taken;

	obd->items[item].tried = true; /* before: this may be what makes the update whole */
	/* The reading learns of every answer: units answer, so the vehicle is awake. */
	taken = obd_reading_take(obd->reading, obd->items[item].command, answers, count,
				 update->mono_us, update);
	if (command->kind != PROFILE_KIND_SIGNALS) {
		set = obd_take_list(obd, command, answers, count);
		if (set < 0) {
			obd->report.rejected++;
			return false;
		}
	}
	obd->report.answers++;
	obd_set_ok(obd);
	if (set > 0 || taken > 0)
		obd_emit(obd, true);
	return true;
}

/* ---- a unit that refuses ---- */

static enum rhythm_outcome refused(struct obd *obd, size_t item, uint8_t nrc)
{
	const struct uds_nrc *what = uds_nrc(nrc);
	char reason[sizeof(obd->refusals[0].reason)];

	obd_note_answer(obd);
	(void)snprintf(reason, sizeof(reason), "%s (%02X)", what->sentence, nrc);
	switch (what->advice) {
	case UDS_NEVER:
		obd_refuse(obd, item, reason);
		return RHYTHM_REFUSED;
	case UDS_REFUSED:
		obd_note_refusal(obd, item, reason);
		return RHYTHM_REFUSED;
	case UDS_LATER:
	case UDS_PENDING:
		break;
	}
	return RHYTHM_GARBLED; /* asked again at its period */
}

static enum rhythm_outcome not_understood(struct obd *obd, size_t item)
{
	const struct profile_command *command = obd_command(obd, item);

	obd_refuse(obd, item,
		   obd2_request_allowed(command->request, command->request_len)
			   ? "the adapter does not understand the request"
			   : "the gate of requests refuses it");
	return RHYTHM_REFUSED;
}

/* The next item, after what this one needed was put back. */
static void go_on(struct obd *obd)
{
	obd->phase = OBD_PHASE_OWN;
	if (!obd->bus->ops->wind_up(obd->bus))
		obd_next(obd);
}

/* ---- answers that were too many ---- */

/* Everybody answers at once: from now on only the first of them is listened to. False where that is
 * so already, or cannot be. */
static bool narrow(struct obd *obd, size_t item)
{
	struct obd_ecu *ecu = &obd->ecus[obd->items[item].ecu];
	struct diag_target target = ecu->target;

	if (!target.functional || ecu->now.rx || obd->unit_count == 0)
		return false;
	target.rx = obd->units[0].id;
	for (size_t i = 1; i < obd->unit_count; i++)
		if (obd->units[i].id < target.rx)
			target.rx = obd->units[i].id;
	target.tx = obd_bus_is_long(obd->bus) ? DIAG_FUNCTIONAL_29 : DIAG_FUNCTIONAL_11;
	target.id_bits = obd_bus_is_long(obd->bus) ? 29 : 11;
	if (!obd_bus_is_can(obd->bus) || obd_way(obd, &target) <= 0)
		return false;
	ecu->now = target;
	return true;
}

/* ---- the reply ---- */

static enum rhythm_outcome lacks_unit(struct obd *obd, size_t item)
{
	obd_note_answer(obd);
	obd->report.rejected++;
	obd_note_refusal(obd, item, "a unit that has answered before is missing");
	return RHYTHM_GARBLED;
}

/* Notes who answered a list. False where somebody is missing who has answered it before: what that unit
 * said is not known to be over, and a list without it is not the vehicle's. */
static bool is_from_all(struct obd_item *item, const struct obd_reply *reply)
{
	size_t again = 0;

	for (size_t i = 0; i < reply->count; i++) {
		const uint32_t unit = reply->answers[i].ecu;
		size_t at = 0;

		while (at < item->heard_count && item->heard[at] != unit)
			at++;
		if (at == item->heard_count && at < OBD_UNITS_MAX)
			item->heard[item->heard_count++] = unit;
	}
	for (size_t at = 0; at < item->heard_count; at++)
		for (size_t i = 0; i < reply->count; i++)
			if (reply->answers[i].ecu == item->heard[at]) {
				again++;
				break;
			}
	return again == item->heard_count;
}

static enum rhythm_outcome judge(struct obd *obd, size_t item, const struct obd_reply *reply)
{
	switch (reply->kind) {
	case OBD_REPLY_DATA:
	case OBD_REPLY_PARTIAL:
		if (obd_is_list(obd, item) && obd_is_damaged(reply))
			break;
		if (obd_is_list(obd, item) && !is_from_all(&obd->items[item], reply))
			return lacks_unit(obd, item);
		if (reply->count && obd_take_answers(obd, item, reply->answers, reply->count))
			return RHYTHM_ANSWERED;
		break;
	case OBD_REPLY_SILENCE:
		return RHYTHM_UNANSWERED;
	case OBD_REPLY_NEGATIVE:
		return refused(obd, item, reply->nrc);
	case OBD_REPLY_PENDING:
		obd_note_answer(obd);
		return RHYTHM_GARBLED;
	case OBD_REPLY_UNSUPPORTED:
		return not_understood(obd, item);
	default:
		break;
	}
	obd->garbage++;
	return RHYTHM_GARBLED;
}

void obd_on_item_reply(struct obd *obd, const struct obd_reply *reply)
{
	const size_t item = obd->current;
	enum rhythm_outcome outcome;

	if (obd->joined_count) {
		obd_several_reply(obd, reply);
		return;
	}
	if (reply->kind == OBD_REPLY_OVERRUN && !obd_is_list(obd, item) && narrow(obd, item)) {
		obd_ask_item(obd, item);
		return;
	}
	if (obd_is_list(obd, item) && obd_is_damaged(reply) &&
	    obd->bus->repeats < OBD_DAMAGED_MAX) {
		obd->bus->repeats++;
		obd_ask_again(obd);
		return;
	}
	outcome = judge(obd, item, reply);
	if (!obd->running || obd->phase == OBD_PHASE_CLOSED)
		return;
	obd_item_done(obd, item, outcome, reply->frames);
	if (outcome != RHYTHM_ANSWERED)
		obd_check_silence(obd);
	if (outcome == RHYTHM_REFUSED)
		obd_check_left(obd);
	if (!obd_too_much_garbage(obd))
		go_on(obd);
}
