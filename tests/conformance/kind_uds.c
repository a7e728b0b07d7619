/* A recording of CAN frames (candump -L) and the messages and values in it: {log, broken_sequences,
 * results: [{t, id, payload, values}]}. ISO-TP is put together by listening alone, each identifier by
 * itself, whatever requests and flow control the recording lacks. Values are decoded as the facts of
 * vehicles (kind ev_pids) describe the signals of that name, loaded as a signal set.
 *
 * A case is a message, and a value. `log` is a path in the folder, or beside the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/isotp.h"
#include "tests/conformance/candump.h"
#include "tests/conformance/ev_facts.h"

#define IDS_MAX 64
#define MESSAGE_MAX 4095
#define MESSAGES_MAX 100000
#define COMMANDS_MAX 128
#define SAME_TIME_S 0.0005

struct message {
	double t; /* of its first frame */
	uint32_t id;
	uint8_t *data; /* owned */
	size_t len;
	bool used;
};

/* What one identifier is sending. */
struct sender {
	uint32_t id;
	double t;
	struct isotp_rx rx;
	uint8_t data[MESSAGE_MAX];
};

struct recording {
	struct message *messages;
	size_t count, room;
	struct sender *senders; /* IDS_MAX */
	size_t sender_count;
	int64_t broken;
};

/* ---- the recording ---- */

static int keep(struct recording *recording, double t, uint32_t id, const uint8_t *data, size_t len)
{
	struct message *messages = recording->messages;
	uint8_t *copy;

	if (recording->count == MESSAGES_MAX)
		return -EFBIG;
	if (recording->count == recording->room) {
		const size_t room = recording->room ? 2 * recording->room : 256;

		messages = realloc(messages, room * sizeof(*messages));
		if (!messages)
			return -ENOMEM;
		recording->messages = messages;
		recording->room = room;
	}
	copy = malloc(len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, len);
	messages[recording->count++] = (struct message){.t = t, .id = id, .data = copy, .len = len};
	return 0;
}

static struct sender *sender_of(struct recording *recording, uint32_t id)
{
	size_t i = 0;

	while (i < recording->sender_count && recording->senders[i].id != id)
		i++;
	if (i == IDS_MAX)
		return NULL;
	if (i == recording->sender_count) {
		recording->senders[i] = (struct sender){.id = id};
		recording->sender_count++;
	}
	return &recording->senders[i];
}

static int take_frame(struct recording *recording, double t, uint32_t id, const uint8_t *data,
		      size_t len)
{
	const struct isotp_frame frame = isotp_frame_parse(data, len, ISOTP_FRAME_MAX);
	struct sender *sender = sender_of(recording, id);
	enum isotp_event event;

	if (!sender)
		return -EFBIG;
	switch (frame.type) {
	/* A new message ends the one that was being sent: nobody let it go on, and that is no
	 * broken sequence. */
	case ISOTP_SINGLE:
		sender->rx.busy = false;
		return keep(recording, t, id, frame.data, frame.length);
	case ISOTP_FIRST:
		sender->t = t;
		isotp_rx_start(&sender->rx, &frame, sender->data);
		return 0;
	case ISOTP_CONSECUTIVE:
		event = isotp_rx_push(&sender->rx, &frame);
		if (event == ISOTP_BROKEN)
			recording->broken++;
		if (event == ISOTP_COMPLETE)
			return keep(recording, sender->t, id, sender->data, sender->rx.length);
		return 0;
	default:
		return 0;
	}
}

static int take_line(void *arg, const struct candump_frame *frame)
{
	return take_frame(arg, frame->t, frame->id, frame->data, frame->len);
}

static void recording_free(struct recording *recording)
{
	for (size_t i = 0; i < recording->count; i++)
		free(recording->messages[i].data);
	free(recording->messages);
	free(recording->senders);
}

static int read_recording(struct conform_run *run, const char *log, struct recording *recording)
{
	recording->senders = calloc(IDS_MAX, sizeof(*recording->senders));
	if (!recording->senders)
		return -ENOMEM;
	return candump_read(run, log, take_line, recording);
}

/* ---- the judgement ---- */

/* A command of the vehicle, loaded when it is first asked for. */
struct known {
	const struct jr_value *object;
	struct ev_command command;
	struct profile *profile;
};

struct judging {
	struct conform_run *run;
	struct conform_run *facts; /* whose document the commands are of */
	const struct jr_value *document;
	struct recording *recording;
	struct known known[COMMANDS_MAX];
	size_t known_count;
	int err;
};

static bool answers(const struct ev_command *command, const struct message *message)
{
	const size_t echo = command->request_len;

	return command->rx == message->id && message->len >= echo &&
	       message->data[0] == (uint8_t)(command->request[0] + 0x40) &&
	       memcmp(message->data + 1, command->request + 1, echo - 1) == 0;
}

static bool names(const struct jr_value *command, const char *name)
{
	const struct jr_value *signals = jr_get(command, "signals");

	for (size_t i = 0; i < jr_count(signals); i++) {
		const char *have = conform_text(jr_at(signals, i), "name");

		if (have && strcmp(have, name) == 0)
			return true;
	}
	return false;
}

static struct known *find_known(struct judging *judging, const struct message *message,
				const char *name)
{
	for (size_t i = 0; i < judging->known_count; i++) {
		struct known *known = &judging->known[i];

		if (answers(&known->command, message) &&
		    ev_command_fits(known->object, message->len - known->command.request_len) &&
		    names(known->object, name))
			return known;
	}
	return NULL;
}

struct value_taking {
	struct judging *judging;
	const struct message *message;
	size_t found; /* when only counting */
	bool count_only;
};

static int take_value(void *arg, const char *key, size_t key_len, const struct jr_value *expected)
{
	struct value_taking *taking = arg;
	struct judging *judging = taking->judging;
	struct known *known = find_known(judging, taking->message, key);
	struct profile_value value;
	int signal;

	(void)key_len;
	if (taking->count_only) {
		taking->found += known != NULL;
		return 0;
	}
	if (known && !known->profile && !judging->err)
		judging->err = ev_command_profile(judging->facts, known->object, &known->profile);
	signal = known && known->profile ? profile_signal_find(known->profile, key) : -1;
	if (signal < 0 ||
	    profile_decode(known->profile, profile_signal(known->profile, (size_t)signal),
			   taking->message->data, taking->message->len, &value) != PROFILE_VALUE)
		conform_withheld(judging->run, "%s", key);
	else if (conform_same_number(expected, value.number))
		conform_right(judging->run);
	else
		conform_wrong(judging->run, "%s: %.9g", key, value.number);
	return judging->err;
}

/* The message that a result means: of its identifier, begun at its time. */
static struct message *find_message(struct recording *recording, const struct jr_value *result)
{
	const char *id_text = conform_text(result, "id");
	const uint32_t id = id_text ? (uint32_t)strtoul(id_text, NULL, 16) : 0;
	double t = 0;

	if (!jr_number(jr_get(result, "t"), &t))
		return NULL;
	for (size_t i = 0; i < recording->count; i++) {
		struct message *message = &recording->messages[i];

		if (!message->used && message->id == id && message->t > t - SAME_TIME_S &&
		    message->t < t + SAME_TIME_S)
			return message;
	}
	return NULL;
}

static int take_result(struct judging *judging, const struct jr_value *result)
{
	struct message *message = find_message(judging->recording, result);
	struct value_taking taking = {.judging = judging, .message = message};
	const char *payload = conform_text(result, "payload");
	uint8_t want[MESSAGE_MAX];
	size_t len = 0;

	if (!payload || !conform_hex_bytes(payload, want, sizeof(want), &len))
		return conform_bad(judging->run, result, "\"payload\": expected hex digits");
	judging->run->line = conform_line(judging->run, result);
	if (!message) {
		conform_withheld(judging->run, "no message of %s", conform_text(result, "id"));
	} else if (message->len != len || memcmp(message->data, want, len) != 0) {
		conform_wrong(judging->run, "the message is another one");
	} else {
		conform_right(judging->run);
	}
	if (message) {
		message->used = true;
		(void)jr_each(jr_get(result, "values"), take_value, &taking);
	}
	judging->run->line = 1;
	return judging->err;
}

/* How many of the values a vehicle's facts name. */
static size_t named_by(struct judging *judging)
{
	const struct jr_value *results = jr_get(judging->document, "results");
	size_t found = 0;

	for (size_t i = 0; i < jr_count(results); i++) {
		struct value_taking taking = {
			.judging = judging,
			.message = find_message(judging->recording, jr_at(results, i)),
			.count_only = true,
		};

		if (!taking.message)
			continue;
		(void)jr_each(jr_get(jr_at(results, i), "values"), take_value, &taking);
		found += taking.found;
	}
	return found;
}

static void know(struct judging *judging, const struct jr_value *vehicle)
{
	const struct jr_value *commands = jr_get(vehicle, "commands");

	judging->known_count = 0;
	for (size_t i = 0; i < jr_count(commands) && judging->known_count < COMMANDS_MAX; i++) {
		struct known known = {.object = jr_at(commands, i)};

		if (ev_command_read(judging->facts, known.object, &known.command))
			judging->known[judging->known_count++] = known;
	}
}

static int judge(struct judging *judging)
{
	const struct jr_value *results = jr_get(judging->document, "results");
	int64_t broken = 0;
	int err = 0;

	for (size_t i = 0; !err && i < jr_count(results); i++)
		err = take_result(judging, jr_at(results, i));
	for (size_t i = 0; i < judging->recording->count; i++)
		if (!judging->recording->messages[i].used)
			conform_wrong(judging->run, "a message of %X that none may be",
				      (unsigned)judging->recording->messages[i].id);
	if (jr_integer(jr_get(judging->document, "broken_sequences"), &broken) &&
	    broken != judging->recording->broken)
		conform_wrong(judging->run, "%" PRId64 " broken sequences, expected %" PRId64,
			      judging->recording->broken, broken);
	for (size_t i = 0; i < judging->known_count; i++)
		profile_free(judging->known[i].profile);
	return err;
}

/* With the facts at hand: the vehicle is the one that knows most of the values. */
static int judge_by_facts(struct conform_run *facts, const struct jr_value *root)
{
	const struct jr_value *vehicles = jr_get(root, "vehicles"), *best = NULL;
	struct judging *judging = facts->state;
	size_t most = 0;

	for (size_t i = 0; i < jr_count(vehicles); i++) {
		size_t found;

		know(judging, jr_at(vehicles, i));
		found = named_by(judging);
		if (found > most) {
			most = found;
			best = jr_at(vehicles, i);
		}
	}
	know(judging, best);
	return judge(judging);
}

int conform_uds(struct conform_run *run, const struct jr_value *document)
{
	const char *log = conform_need_text(run, document, "log");
	struct recording recording = {0};
	struct judging *judging = calloc(1, sizeof(*judging));
	struct conform_run facts = {.options = run->options, .state = judging, .line = 1};
	enum conform_shape shape;
	int err = -EINVAL;

	if (!log || !judging) {
		err = judging ? -EINVAL : -ENOMEM;
		goto out;
	}
	judging->run = run;
	judging->facts = &facts;
	judging->document = document;
	judging->recording = &recording;
	err = read_recording(run, log, &recording);
	if (err)
		goto out;
	facts.file = run->options->facts;
	err = facts.file ? conform_read_first(&facts, &shape, judge_by_facts) : judge(judging);
out:
	recording_free(&recording);
	free(judging);
	return err;
}
