/* J1939 without a recording: single frames {frame, pgn, sa, spn, expected, status}; ranges of values that
 * say something else {cases: [{bits, start_bit, frame, status}]}; a table of parameters {pgns: [{pgn, spns:
 * [{spn, start_bit, bits, mul, add}]}]}, each row of which is a case; a transport session {payload, pgn,
 * sa, bam, rts_cts} as the frames of a broadcast and of a handshake, each of which is a case.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tests/conformance/kind_j1939.h"

#define FRAME_GAP_US 1000

const char *conform_j1939_status(enum j1939_status status)
{
	static const char *const names[J1939_STATUS_COUNT] = {"ok", "na", "error", "reserved",
							      "short"};

	return names[status];
}

/* The parameter of a group by its number; NULL: the table has none. */
static const struct j1939_spn *find_spn(int64_t pgn, int64_t spn)
{
	size_t count = 0;
	const struct j1939_spn *spns =
		pgn >= 0 && pgn <= 0x3ffff ? j1939_spns((uint32_t)pgn, &count) : NULL;

	for (size_t i = 0; i < count; i++)
		if (spns[i].spn == spn)
			return &spns[i];
	return NULL;
}

bool conform_j1939_need(const struct conform_run *run, const struct jr_value *object,
			const char *key, int64_t *ret)
{
	if (jr_integer(jr_get(object, key), ret))
		return true;
	(void)conform_bad(run, object, "\"%s\": expected an integer", key);
	return false;
}

static bool need_frame(const struct conform_run *run, const struct jr_value *object,
		       struct candump_frame *ret)
{
	const char *text = conform_need_text(run, object, "frame");

	if (!text)
		return false;
	if (candump_frame_parse(text, ret))
		return true;
	(void)conform_bad(run, jr_get(object, "frame"), "expected a frame such as 0CF00400#..");
	return false;
}

/* ---- a frame ---- */

static void judge(struct conform_run *run, const struct jr_value *row, const struct j1939_spn *spn,
		  const struct candump_frame *frame)
{
	const struct jr_value *expected = jr_get(row, "expected");
	const char *want = conform_text(row, "status");
	double value = 0;
	const enum j1939_status status = j1939_value(spn, frame->data, frame->len, &value);
	const char *got = conform_j1939_status(status);

	if (!want || strcmp(got, want) != 0) {
		if (want && strcmp(want, "ok") == 0)
			conform_withheld(run, "%s: %s", spn->name, got);
		else
			conform_wrong(run, "%s: %s, expected %s", spn->name, got,
				      want ? want : "a status");
	} else if (status != J1939_OK || conform_same_number(expected, value)) {
		conform_right(run);
	} else {
		conform_wrong(run, "%s: %.9g", spn->name, value);
	}
}

int conform_j1939_case(struct conform_run *run, const struct jr_value *row)
{
	const struct j1939_spn *spn;
	struct candump_frame frame;
	struct j1939_id id;
	int64_t pgn, sa, number;

	if (!need_frame(run, row, &frame) || !conform_j1939_need(run, row, "pgn", &pgn) ||
	    !conform_j1939_need(run, row, "sa", &sa) ||
	    !conform_j1939_need(run, row, "spn", &number))
		return -EINVAL;
	id = j1939_id_parse(frame.id);
	spn = find_spn(pgn, number);
	if (id.pgn != pgn || id.source != sa)
		conform_wrong(run, "group %u of %u", (unsigned)id.pgn, (unsigned)id.source);
	else if (!spn)
		conform_withheld(run, "SPN %" PRId64 " is not in the table", number);
	else
		judge(run, row, spn, &frame);
	return 0;
}

/* ---- indicators ---- */

int conform_j1939_indicators(struct conform_run *run, const struct jr_value *document)
{
	const struct jr_value *cases = jr_get(document, "cases");

	for (size_t i = 0; i < jr_count(cases); i++) {
		const struct jr_value *one = jr_at(cases, i);
		const char *want = conform_need_text(run, one, "status");
		struct candump_frame frame;
		int64_t bits, start;
		uint64_t raw = 0;
		const char *got;

		if (!want || !need_frame(run, one, &frame) ||
		    !conform_j1939_need(run, one, "bits", &bits) ||
		    !conform_j1939_need(run, one, "start_bit", &start))
			return -EINVAL;
		if (bits < 1 || bits > 64 || start < 0 || start > 64)
			return conform_bad(run, one, "expected bits of one frame");
		got = conform_j1939_status(
			j1939_raw((uint16_t)start, (uint8_t)bits, frame.data, frame.len, &raw));
		run->line = conform_line(run, one);
		if (strcmp(got, want) == 0)
			conform_right(run);
		else
			conform_wrong(run, "%s, expected %s", got, want);
	}
	return 0;
}

/* ---- the table ---- */

static bool same(const struct jr_value *row, const char *key, double ours)
{
	double theirs = 0;

	return jr_number(jr_get(row, key), &theirs) &&
	       fabs(theirs - ours) <= 1e-9 * fmax(fabs(theirs), fabs(ours));
}

/* By its number, or where it has none by its place. */
static const struct j1939_spn *find_row(int64_t pgn, const struct jr_value *row)
{
	size_t count = 0;
	const struct j1939_spn *spns;
	int64_t number;

	if (jr_integer(jr_get(row, "spn"), &number))
		return find_spn(pgn, number);
	spns = pgn >= 0 && pgn <= 0x3ffff ? j1939_spns((uint32_t)pgn, &count) : NULL;
	for (size_t i = 0; i < count; i++)
		if (same(row, "start_bit", spns[i].start))
			return &spns[i];
	return NULL;
}

static void judge_row(struct conform_run *run, int64_t pgn, const struct jr_value *row)
{
	const struct j1939_spn *spn = find_row(pgn, row);
	const char *name = conform_text(row, "name");

	if (!jr_get(row, "bits") || jr_type(jr_get(row, "bits")) == JR_NULL)
		return; /* a text */
	if (!spn)
		conform_withheld(run, "%s: not in the table", name ? name : "?");
	else if (same(row, "start_bit", spn->start) && same(row, "bits", spn->bits) &&
		 same(row, "mul", spn->mul) && same(row, "add", spn->add))
		conform_right(run);
	else
		conform_wrong(run, "%s: %u %u %.9g %.9g", name ? name : "?", spn->start, spn->bits,
			      spn->mul, spn->add);
}

int conform_j1939_spns(struct conform_run *run, const struct jr_value *document)
{
	const struct jr_value *pgns = jr_get(document, "pgns");

	for (size_t i = 0; i < jr_count(pgns); i++) {
		const struct jr_value *group = jr_at(pgns, i);
		const struct jr_value *rows = jr_get(group, "spns");
		int64_t pgn;

		if (!conform_j1939_need(run, group, "pgn", &pgn))
			return -EINVAL;
		for (size_t j = 0; j < jr_count(rows); j++) {
			run->line = conform_line(run, jr_at(rows, j));
			judge_row(run, pgn, jr_at(rows, j));
		}
	}
	return 0;
}

/* ---- a transport session ---- */

struct session {
	int64_t pgn, sa;
	uint8_t payload[J1939_TP_MAX];
	size_t len;
};

static int judge_session(struct conform_run *run, const struct session *session,
			 const struct jr_value *frames)
{
	static struct j1939_tp tp;
	int messages = 0, alike = 0;

	j1939_tp_init(&tp, J1939_NULL);
	for (size_t i = 0; i < jr_count(frames); i++) {
		const char *text = NULL;
		struct j1939_tp_result result;
		struct candump_frame frame;
		struct j1939_id id;
		size_t len = 0;

		if (!jr_string(jr_at(frames, i), &text, &len) || !candump_frame_parse(text, &frame))
			return conform_bad(run, jr_at(frames, i), "expected a frame");
		id = j1939_id_parse(frame.id);
		j1939_tp_feed(&tp, &id, frame.data, frame.len, (int64_t)i * FRAME_GAP_US, &result);
		if (!result.data)
			continue;
		messages++;
		alike += result.id.pgn == session->pgn && result.id.source == session->sa &&
			 result.len == session->len &&
			 memcmp(result.data, session->payload, session->len) == 0;
	}
	run->line = conform_line(run, frames);
	if (messages == 0)
		conform_withheld(run, "no message");
	else if (messages == 1 && alike == 1)
		conform_right(run);
	else
		conform_wrong(run, "%d messages, %d as expected", messages, alike);
	return 0;
}

int conform_j1939_transport(struct conform_run *run, const struct jr_value *document)
{
	const char *payload = conform_need_text(run, document, "payload");
	struct session session = {0};
	int err;

	if (!payload || !conform_j1939_need(run, document, "pgn", &session.pgn) ||
	    !conform_j1939_need(run, document, "sa", &session.sa))
		return -EINVAL;
	if (!conform_hex_bytes(payload, session.payload, sizeof(session.payload), &session.len))
		return conform_bad(run, jr_get(document, "payload"), "expected hex digits");
	err = judge_session(run, &session, jr_get(document, "bam"));
	return err ? err : judge_session(run, &session, jr_get(document, "rts_cts"));
}
