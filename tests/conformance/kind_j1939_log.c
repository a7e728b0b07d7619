/* A recording of a J1939 bus and what is in it: {log, frames, signals: [{pgn, sa, spn, frames, status:
 * {ok, na ...}, first, last, min, max}], transport: [{pgn, sa, da, length, payload}], dm1_single: [{frame,
 * sa, mil, red_stop, amber, protect, dtcs: [{spn, fmi}]}]}.
 *
 * A case is a signal of one source over the whole recording, a message that came in several frames, a
 * frame with trouble codes. `log` is a path in the folder, or beside the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/kind_j1939.h"

#define SIGNALS_MAX 512
#define MESSAGES_MAX 4096
#define DTCS_MAX 16

/* A parameter of one source. */
struct heard {
	const struct j1939_spn *spn;
	uint8_t sa;
	int64_t frames, status[J1939_STATUS_COUNT];
	double first, last, min, max;
};

struct message {
	struct j1939_id id;
	uint8_t *data; /* owned */
	size_t len;
};

struct recording {
	int64_t frames;
	struct heard heard[SIGNALS_MAX];
	size_t heard_count;
	struct message messages[MESSAGES_MAX];
	size_t message_count;
	struct j1939_tp tp;
};

/* ---- the recording ---- */

static struct heard *heard_of(struct recording *recording, const struct j1939_spn *spn, uint8_t sa)
{
	size_t i = 0;

	while (i < recording->heard_count &&
	       (recording->heard[i].spn != spn || recording->heard[i].sa != sa))
		i++;
	if (i == SIGNALS_MAX)
		return NULL;
	if (i == recording->heard_count) {
		recording->heard[i] = (struct heard){.spn = spn, .sa = sa};
		recording->heard_count++;
	}
	return &recording->heard[i];
}

static void note_value(struct heard *heard, double value)
{
	if (heard->status[J1939_OK] == 1) {
		heard->first = value;
		heard->min = value;
		heard->max = value;
	}
	heard->last = value;
	if (value < heard->min)
		heard->min = value;
	if (value > heard->max)
		heard->max = value;
}

static int take_values(struct recording *recording, const struct j1939_id *id,
		       const struct candump_frame *frame)
{
	size_t count = 0;
	const struct j1939_spn *spns = j1939_spns(id->pgn, &count);

	for (size_t i = 0; i < count; i++) {
		struct heard *heard = heard_of(recording, &spns[i], id->source);
		enum j1939_status status;
		double value = 0;

		if (!heard)
			return -EFBIG;
		status = j1939_value(&spns[i], frame->data, frame->len, &value);
		heard->frames++;
		heard->status[status]++;
		if (status == J1939_OK)
			note_value(heard, value);
	}
	return 0;
}

static int keep(struct recording *recording, const struct j1939_tp_result *result)
{
	struct message *message = &recording->messages[recording->message_count];

	if (recording->message_count == MESSAGES_MAX)
		return -EFBIG;
	message->data = malloc(result->len);
	if (!message->data)
		return -ENOMEM;
	memcpy(message->data, result->data, result->len);
	message->len = result->len;
	message->id = result->id;
	recording->message_count++;
	return 0;
}

static int take_frame(void *arg, const struct candump_frame *frame)
{
	struct recording *recording = arg;
	struct j1939_tp_result result;
	struct j1939_id id;

	recording->frames++;
	if (!frame->extended)
		return 0;
	id = j1939_id_parse(frame->id);
	j1939_tp_feed(&recording->tp, &id, frame->data, frame->len, (int64_t)(frame->t * 1e6),
		      &result);
	if (result.data)
		return keep(recording, &result);
	return take_values(recording, &id, frame);
}

/* ---- the judgement ---- */

static const struct heard *find_heard(const struct recording *recording, int64_t pgn, int64_t sa,
				      int64_t spn)
{
	for (size_t i = 0; i < recording->heard_count; i++) {
		const struct heard *heard = &recording->heard[i];

		if (heard->spn->pgn == pgn && heard->sa == sa && heard->spn->spn == spn)
			return heard;
	}
	return NULL;
}

/* How often each status was met; one that is not named was not met. */
static bool same_counts(const struct jr_value *expected, const struct heard *heard)
{
	for (int i = 0; i < J1939_STATUS_COUNT; i++) {
		int64_t want = 0;

		(void)jr_integer(jr_get(expected, conform_j1939_status((enum j1939_status)i)),
				 &want);
		if (want != heard->status[i])
			return false;
	}
	return true;
}

static bool same_values(const struct jr_value *expected, const struct heard *heard)
{
	return conform_same_number(jr_get(expected, "first"), heard->first) &&
	       conform_same_number(jr_get(expected, "last"), heard->last) &&
	       conform_same_number(jr_get(expected, "min"), heard->min) &&
	       conform_same_number(jr_get(expected, "max"), heard->max);
}

static int judge_signal(struct conform_run *run, const struct recording *recording,
			const struct jr_value *expected)
{
	const struct heard *heard;
	int64_t pgn, sa, spn, frames;

	if (!conform_j1939_need(run, expected, "pgn", &pgn) ||
	    !conform_j1939_need(run, expected, "sa", &sa) ||
	    !conform_j1939_need(run, expected, "spn", &spn) ||
	    !conform_j1939_need(run, expected, "frames", &frames))
		return -EINVAL;
	heard = find_heard(recording, pgn, sa, spn);
	if (!heard)
		conform_withheld(run, "SPN %" PRId64 " of %" PRId64, spn, sa);
	else if (heard->frames != frames || !same_counts(jr_get(expected, "status"), heard))
		conform_wrong(run, "%s of %" PRId64 ": other frames or other indicators",
			      heard->spn->name, sa);
	else if (heard->status[J1939_OK] && !same_values(expected, heard))
		conform_wrong(run, "%s of %" PRId64 ": %.9g to %.9g, between %.9g and %.9g",
			      heard->spn->name, sa, heard->first, heard->last, heard->min,
			      heard->max);
	else
		conform_right(run);
	return 0;
}

static bool same_message(const struct jr_value *expected, const struct message *message)
{
	static uint8_t want[J1939_TP_MAX];
	const char *payload = conform_text(expected, "payload");
	int64_t pgn = -1, sa = -1, da = -1;
	size_t len = 0;

	(void)jr_integer(jr_get(expected, "pgn"), &pgn);
	(void)jr_integer(jr_get(expected, "sa"), &sa);
	(void)jr_integer(jr_get(expected, "da"), &da);
	return payload && conform_hex_bytes(payload, want, sizeof(want), &len) &&
	       message->id.pgn == pgn && message->id.source == sa &&
	       message->id.destination == da && message->len == len &&
	       memcmp(message->data, want, len) == 0;
}

static void judge_messages(struct conform_run *run, const struct recording *recording,
			   const struct jr_value *expected)
{
	const size_t count = jr_count(expected);

	for (size_t i = 0; i < count; i++) {
		run->line = conform_line(run, jr_at(expected, i));
		if (i >= recording->message_count)
			conform_withheld(run, "no message");
		else if (same_message(jr_at(expected, i), &recording->messages[i]))
			conform_right(run);
		else
			conform_wrong(run, "the message is another one");
	}
	run->line = 1;
	for (size_t i = count; i < recording->message_count; i++)
		conform_wrong(run, "a message of group %u that none may be",
			      (unsigned)recording->messages[i].id.pgn);
}

/* ---- trouble codes ---- */

static bool same_codes(const struct jr_value *expected, const struct j1939_dtc *dtcs, size_t count)
{
	if (jr_count(expected) != count || count > DTCS_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		int64_t spn = -1, fmi = -1;

		(void)jr_integer(jr_get(jr_at(expected, i), "spn"), &spn);
		(void)jr_integer(jr_get(jr_at(expected, i), "fmi"), &fmi);
		if (dtcs[i].spn != spn || dtcs[i].fmi != fmi)
			return false;
	}
	return true;
}

static bool same_lamps(const struct jr_value *expected, const struct j1939_lamps *lamps)
{
	return conform_same_number(jr_get(expected, "mil"), lamps->malfunction) &&
	       conform_same_number(jr_get(expected, "red_stop"), lamps->red_stop) &&
	       conform_same_number(jr_get(expected, "amber"), lamps->amber_warning) &&
	       conform_same_number(jr_get(expected, "protect"), lamps->protect);
}

static int judge_dm1(struct conform_run *run, const struct jr_value *expected)
{
	const char *text = conform_need_text(run, expected, "frame");
	struct j1939_dtc dtcs[DTCS_MAX];
	struct j1939_lamps lamps = {0};
	struct candump_frame frame;
	size_t count = 0;

	if (!text)
		return -EINVAL;
	if (!candump_frame_parse(text, &frame))
		return conform_bad(run, expected, "\"frame\": expected a frame");
	run->line = conform_line(run, expected);
	if (!j1939_dtcs(frame.data, frame.len, &lamps, dtcs, DTCS_MAX, &count))
		conform_withheld(run, "no trouble codes");
	else if (same_codes(jr_get(expected, "dtcs"), dtcs, count) && same_lamps(expected, &lamps))
		conform_right(run);
	else
		conform_wrong(run, "%zu codes, or other lamps", count);
	run->line = 1;
	return 0;
}

/* ---- the whole ---- */

static int judge(struct conform_run *run, const struct recording *recording,
		 const struct jr_value *document)
{
	const struct jr_value *signals = jr_get(document, "signals");
	const struct jr_value *singles = jr_get(document, "dm1_single");
	int64_t frames = recording->frames;
	int err = 0;

	(void)jr_integer(jr_get(document, "frames"), &frames);
	if (frames != recording->frames)
		conform_wrong(run, "%" PRId64 " frames, expected %" PRId64, recording->frames,
			      frames);
	for (size_t i = 0; !err && i < jr_count(signals); i++) {
		run->line = conform_line(run, jr_at(signals, i));
		err = judge_signal(run, recording, jr_at(signals, i));
	}
	run->line = 1;
	judge_messages(run, recording, jr_get(document, "transport"));
	for (size_t i = 0; !err && i < jr_count(singles); i++)
		err = judge_dm1(run, jr_at(singles, i));
	return err;
}

int conform_j1939_log(struct conform_run *run, const struct jr_value *document)
{
	const char *log = conform_need_text(run, document, "log");
	struct recording *recording = calloc(1, sizeof(*recording));
	int err = -ENOMEM;

	if (!recording)
		goto out;
	err = -EINVAL;
	if (!log)
		goto out;
	j1939_tp_init(&recording->tp, J1939_NULL);
	err = candump_read(run, log, take_frame, recording);
	if (!err)
		err = judge(run, recording, document);
out:
	for (size_t i = 0; recording && i < recording->message_count; i++)
		free(recording->messages[i].data);
	free(recording);
	return err;
}
