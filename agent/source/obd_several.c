/* Several parameters of service 01 in one request (SAE J1979: up to six, on CAN). Not every vehicle
 * takes that, and some answer wrongly: two are tried first, and where their answers are not right each
 * goes alone for as long as the vehicle is connected. */
#include <string.h>

#include "agent/source/obd_priv.h"

#define FAILURES_MAX 3 /* of such requests in a row, then each goes alone */
#define PIECES_MAX ((size_t)OBD_UNITS_MAX * OBD_SEVERAL_MAX)

/* Does a unit say that it has the parameter? Only such are joined: silence of one among several says
 * nothing of it. */
static bool is_listed(const struct obd *obd, uint8_t pid)
{
	for (size_t i = 0; i < obd->unit_count; i++)
		if (obd2_supports(&obd->units[i].support, pid))
			return true;
	return false;
}

static bool may_join(const struct obd *obd, size_t item)
{
	return obd->items[item].single && !obd->items[item].barred &&
	       is_listed(obd, obd_command(obd, item)->request[1]);
}

static void join(struct obd *obd, size_t item, uint8_t *request)
{
	request[1 + obd->joined_count] = obd_command(obd, item)->request[1];
	obd->joined[obd->joined_count++] = item;
}

static bool is_joined(const struct obd *obd, size_t item)
{
	for (size_t i = 0; i < obd->joined_count; i++)
		if (obd_command(obd, obd->joined[i])->request[1] ==
		    obd_command(obd, item)->request[1])
			return true;
	return false;
}

size_t obd_several_join(struct obd *obd, size_t item, uint8_t request[static PROFILE_REQUEST_MAX])
{
	const int64_t now = obd_now_us(obd);
	const enum obd_activity activity = obd_reading_activity(obd->reading, now);
	const size_t most = obd->several == OBD_SEVERAL_WORKS ? OBD_SEVERAL_MAX : 2;

	obd->joined_count = 0;
	if (!obd_bus_is_can(obd->bus) || obd->several == OBD_SEVERAL_NEVER || !may_join(obd, item))
		return 0;
	request[0] = 0x01;
	join(obd, item, request);
	for (size_t i = 0; i < obd->item_count && obd->joined_count < most; i++)
		if (obd->items[i].ecu == obd->items[item].ecu && may_join(obd, i) &&
		    !is_joined(obd, i) && rhythm_is_due(obd->rhythm, i, activity, now))
			join(obd, i, request);
	if (obd->joined_count < 2) {
		obd->joined_count = 0;
		return 0;
	}
	if (obd->several == OBD_SEVERAL_UNTRIED)
		obd->several = OBD_SEVERAL_TRIAL;
	return 1 + obd->joined_count;
}

/* What one unit answered to one parameter. */
struct piece {
	uint32_t ecu;
	struct obd2_part part;
};

struct pieces {
	struct piece piece[PIECES_MAX];
	size_t count;
};

/* The answers of all units, taken apart; one that does not come out even is none. */
static void split(struct obd *obd, const struct obd_reply *reply, struct pieces *ret_pieces)
{
	struct obd2_part parts[OBD2_MULTI_MAX];

	ret_pieces->count = 0;
	for (size_t i = 0; i < reply->count; i++) {
		const struct obd_answer *answer = &reply->answers[i];
		const int count = obd2_multi_split(obd->request.bytes, obd->request.len,
						   answer->data, answer->len, parts);

		if (count < 0)
			obd->report.rejected++;
		for (int k = 0; k < count && ret_pieces->count < PIECES_MAX; k++)
			ret_pieces->piece[ret_pieces->count++] =
				(struct piece){answer->ecu, parts[k]};
	}
}

/* All that was answered to a joined item, as if it had been asked alone. */
static size_t answers_to(const struct obd *obd, size_t item, const struct pieces *pieces,
			 struct obd_answer answers[static OBD_ANSWERS_MAX])
{
	const uint8_t pid = obd_command(obd, item)->request[1];
	size_t count = 0;

	for (size_t i = 0; i < pieces->count && count < OBD_ANSWERS_MAX; i++) {
		const struct piece *piece = &pieces->piece[i];

		if (piece->part.answer[1] == pid)
			answers[count++] = (struct obd_answer){piece->ecu, piece->part.answer,
							       piece->part.len};
	}
	return count;
}

/* Each parameter alone from now on; those that were joined are asked at once. */
static void give_up(struct obd *obd)
{
	obd->several = OBD_SEVERAL_NEVER;
	obd->joined_count = 0;
	obd_ask_item(obd, obd->current);
}

/* Was every joined parameter answered by somebody? */
static bool is_right(const struct obd *obd, const struct pieces *pieces)
{
	struct obd_answer answers[OBD_ANSWERS_MAX];

	for (size_t i = 0; i < obd->joined_count; i++)
		if (answers_to(obd, obd->joined[i], pieces, answers) == 0)
			return false;
	return true;
}

void obd_several_reply(struct obd *obd, const struct obd_reply *reply)
{
	const enum rhythm_outcome otherwise =
		reply->kind == OBD_REPLY_SILENCE ? RHYTHM_UNANSWERED : RHYTHM_GARBLED;
	struct obd_answer answers[OBD_ANSWERS_MAX];
	unsigned frames = reply->frames;
	struct pieces pieces = {.count = 0};
	bool right;

	split(obd, reply, &pieces);
	right = is_right(obd, &pieces);
	obd->several_failures = right ? 0 : obd->several_failures + 1;
	if (right)
		obd->several = OBD_SEVERAL_WORKS;
	else if (obd->several == OBD_SEVERAL_TRIAL || obd->several_failures >= FAILURES_MAX) {
		give_up(obd);
		return;
	}
	for (size_t i = 0; i < obd->joined_count; i++) {
		const size_t item = obd->joined[i];
		const size_t count = answers_to(obd, item, &pieces, answers);
		const bool taken = count && obd_take_answers(obd, item, answers, count);

		obd_item_done(obd, item, taken ? RHYTHM_ANSWERED : otherwise, frames);
		frames = 0;
	}
	obd->joined_count = 0;
	obd_next(obd);
}
