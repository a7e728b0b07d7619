/* What came of a request. */
#include <stdio.h>
#include <string.h>

#include "agent/protocol/uds.h"
#include "agent/source/obd_priv.h"

/* A unit that wants time (78): the adapter waits longer, then it is asked again. */
#define PENDINGS_MAX 8
#define PENDING_MAX_US (30 * OBD_SECOND)
#define PENDING_PAUSE_US (OBD_SECOND / 2)
#define WAIT_LONG "ATSTFF" /* 1.04 s */
#define WAIT_USUAL "ATST96"

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

static size_t collect(const struct elm327_reply *reply,
		      struct obd_answer answers[static OBD_ANSWERS_MAX])
{
	const uint8_t *data;
	size_t count = 0;
	uint32_t id;
	size_t len;

	for (size_t i = 0;
	     count < OBD_ANSWERS_MAX && (data = elm327_message(reply, i, &id, &len)) != NULL; i++)
		answers[count++] = (struct obd_answer){id, data, len};
	return count;
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

/* ---- a unit that wants time ---- */

static bool is_patience_left(const struct obd *obd)
{
	return obd->pendings < PENDINGS_MAX &&
	       obd_now_us(obd) - obd->pending_since_us < PENDING_MAX_US;
}

static void ask_pending(struct obd *obd)
{
	obd->phase = OBD_PHASE_ITEM;
	obd_ask_again(obd);
}

static void wait_on(struct obd *obd)
{
	if (obd->pendings++ == 0)
		obd->pending_since_us = obd_now_us(obd);
	if (!obd->patient) {
		obd->patient = true;
		obd_say(obd, OBD_PHASE_PATIENCE, WAIT_LONG);
	} else {
		(void)obd_wait(obd, PENDING_PAUSE_US, ask_pending);
	}
}

void obd_on_patience_reply(struct obd *obd, const struct elm327_reply *reply)
{
	(void)reply;
	if (obd->patient)
		ask_pending(obd);
	else
		obd_next(obd);
}

/* The next item, after the adapter was told to wait as usual again. */
static void go_on(struct obd *obd)
{
	obd->pendings = 0;
	if (!obd->patient) {
		obd_next(obd);
		return;
	}
	obd->patient = false;
	obd_say(obd, OBD_PHASE_PATIENCE, WAIT_USUAL);
}

/* ---- an adapter whose buffer overran ---- */

/* Everybody answers at once: from now on only the first of them is listened to. False where that is
 * so already, or cannot be. */
static bool narrow(struct obd *obd, size_t item)
{
	struct obd_ecu *ecu = &obd->ecus[obd->items[item].ecu];
	struct elm327_target target = ecu->target;
	struct elm327_switch way;

	if (!target.functional || ecu->now.rx || obd->unit_count == 0)
		return false;
	target.rx = obd->units[0].id;
	for (size_t i = 1; i < obd->unit_count; i++)
		if (obd->units[i].id < target.rx)
			target.rx = obd->units[i].id;
	target.tx = obd->protocol == 7 || obd->protocol == 9 ? UINT32_C(0x18db33f1) : 0x7df;
	target.id_bits = target.tx == 0x7df ? 11 : 29;
	if (!obd_is_can(obd) || obd_find_way(obd, &target, &way) || way.count == 0)
		return false;
	ecu->now = target;
	return true;
}

/* ---- the reply ---- */

/* A list of all units' that lacks what one has said is none. */
static bool is_list(const struct obd *obd, size_t item)
{
	return obd_command(obd, item)->kind != PROFILE_KIND_SIGNALS;
}

static enum rhythm_outcome judge(struct obd *obd, size_t item, const struct elm327_reply *reply)
{
	struct obd_answer answers[OBD_ANSWERS_MAX];
	size_t count;

	switch (reply->kind) {
	case ELM327_DATA:
	case ELM327_DATA_PARTIAL:
		if (is_list(obd, item) && obd_is_damaged(reply))
			break;
		count = collect(reply, answers);
		if (count && obd_take_answers(obd, item, answers, count))
			return RHYTHM_ANSWERED;
		break;
	case ELM327_NO_DATA:
		return RHYTHM_UNANSWERED;
	case ELM327_NEGATIVE:
		return refused(obd, item, reply->nrc);
	case ELM327_PENDING:
		obd_note_answer(obd);
		return RHYTHM_GARBLED;
	case ELM327_UNSUPPORTED:
		return not_understood(obd, item);
	default:
		break;
	}
	obd->garbage++;
	return RHYTHM_GARBLED;
}

void obd_on_item_reply(struct obd *obd, const struct elm327_reply *reply)
{
	const size_t item = obd->current;
	enum rhythm_outcome outcome;

	if (obd->joined_count) {
		obd_several_reply(obd, reply);
		return;
	}
	if (reply->kind == ELM327_PENDING && is_patience_left(obd)) {
		wait_on(obd);
		return;
	}
	if (reply->kind == ELM327_BUFFER_FULL && narrow(obd, item)) {
		obd_ask_item(obd, item);
		return;
	}
	if (is_list(obd, item) && obd_is_damaged(reply) && obd->repeats < OBD_DAMAGED_MAX) {
		obd->repeats++;
		obd_ask_again(obd);
		return;
	}
	outcome = judge(obd, item, reply);
	if (!obd->running || obd->link.state == ELM_LINK_CLOSED)
		return;
	obd_item_done(obd, item, outcome, obd_frames(reply));
	if (outcome != RHYTHM_ANSWERED)
		obd_check_silence(obd);
	if (!obd_too_much_garbage(obd))
		go_on(obd);
}
