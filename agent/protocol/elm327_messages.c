#include <string.h>

#include "agent/protocol/diag.h"
#include "agent/protocol/elm327_priv.h"

/* ---- putting messages together ---- */

uint8_t *elm327_reserve(struct elm327_reply *reply, uint32_t id, uint16_t len, bool segmented)
{
	struct elm327_message *message;

	if (reply->message_count == ELM327_MESSAGES_MAX || len > ELM327_POOL - reply->pool_len)
		return NULL;
	message = &reply->messages[reply->message_count++];
	message->id = id;
	message->len = len;
	message->offset = reply->pool_len;
	message->segmented = segmented;
	reply->pool_len = (uint16_t)(reply->pool_len + len);
	return reply->pool + message->offset;
}

static struct elm327_message *last_message(struct elm327_reply *reply)
{
	return &reply->messages[reply->message_count - 1];
}

static struct elm327_message *open_message(struct elm327_reply *reply, uint32_t id)
{
	for (size_t i = reply->message_count; i-- > 0;)
		if (reply->messages[i].id == id && reply->messages[i].rx.busy)
			return &reply->messages[i];
	return NULL;
}

/* A new message of an ECU ends the one that it was sending. */
static void abandon(struct elm327_reply *reply, uint32_t id)
{
	struct elm327_message *open = open_message(reply, id);

	if (!open)
		return;
	open->rx.busy = false;
	reply->counts.rejected++;
}

bool elm327_take_single(struct elm327_reply *reply, uint32_t id, const uint8_t *data, uint16_t len)
{
	uint8_t *room = elm327_reserve(reply, id, len, false);

	if (!room)
		return false;
	memcpy(room, data, len);
	last_message(reply)->whole = true;
	return true;
}

static bool take_first(struct elm327_reply *reply, uint32_t id, const struct isotp_frame *frame)
{
	uint8_t *room = elm327_reserve(reply, id, frame->length, true);

	if (!room)
		return false;
	isotp_rx_start(&last_message(reply)->rx, frame, room);
	return true;
}

static bool take_consecutive(struct elm327_reply *reply, uint32_t id,
			     const struct isotp_frame *frame)
{
	struct elm327_message *open = open_message(reply, id);
	enum isotp_event event;

	if (!open)
		return false;
	event = isotp_rx_push(&open->rx, frame);
	open->whole = event == ISOTP_COMPLETE;
	return event == ISOTP_MORE || event == ISOTP_COMPLETE;
}

bool elm327_take_frame(struct elm327_reply *reply, uint32_t id, const uint8_t *data, size_t len)
{
	uint8_t room = ISOTP_FRAME_MAX;
	struct isotp_frame frame;

	if (reply->config.address) {
		if (len < 1 || data[0] != reply->config.address)
			return false;
		data++;
		len--;
		room--;
	}
	frame = isotp_frame_parse(data, len, room);
	switch (frame.type) {
	case ISOTP_SINGLE:
		abandon(reply, id);
		return elm327_take_single(reply, id, frame.data, frame.length);
	case ISOTP_FIRST:
		abandon(reply, id);
		return take_first(reply, id, &frame);
	case ISOTP_CONSECUTIVE:
		return take_consecutive(reply, id, &frame);
	default:
		return false;
	}
}

bool elm327_take_length(struct elm327_reply *reply, uint16_t len)
{
	reply->segment_left = 0;
	if (len < ISOTP_FRAME_MAX || !elm327_reserve(reply, 0, len, true))
		return false;
	reply->segment_left = len;
	reply->segment_next = 0;
	return true;
}

bool elm327_take_segment(struct elm327_reply *reply, int sequence, const uint8_t *data, size_t len)
{
	struct elm327_message *message;

	if (reply->segment_left == 0 || sequence != reply->segment_next)
		goto broken;
	message = last_message(reply);
	/* Six bytes in the first, seven in the others, full unless last. */
	if (len < reply->segment_left && len != (message->rx.have == 0 ? 6U : 7U))
		goto broken;
	if (len > reply->segment_left)
		len = reply->segment_left;
	memcpy(reply->pool + message->offset + message->rx.have, data, len);
	message->rx.have = (uint16_t)(message->rx.have + len);
	reply->segment_left = (uint16_t)(reply->segment_left - len);
	reply->segment_next = (reply->segment_next + 1) & 0x0f;
	message->whole = reply->segment_left == 0;
	return true;
broken:
	reply->segment_left = 0;
	return false;
}

/* ---- judging them ---- */

static const uint8_t *payload(const struct elm327_reply *reply,
			      const struct elm327_message *message)
{
	return reply->pool + message->offset;
}

static enum elm327_kind kind_of(const struct elm327_reply *reply,
				const struct elm327_message *message)
{
	enum diag_meaning meaning = DIAG_OTHER;

	if (message->whole)
		meaning = diag_meaning(reply->request, reply->request_len, payload(reply, message),
				       message->len);
	switch (meaning) {
	case DIAG_ANSWER:
		return message->piece ? ELM327_DATA_BAD : ELM327_DATA;
	case DIAG_REFUSAL:
		return ELM327_NEGATIVE;
	case DIAG_PENDING:
		return ELM327_PENDING;
	default:
		return ELM327_DATA_BAD;
	}
}

size_t elm327_incomplete(const struct elm327_reply *reply)
{
	size_t count = 0;

	for (size_t i = 0; i < reply->message_count; i++)
		if (!reply->messages[i].whole)
			count++;
	return count;
}

enum elm327_kind elm327_judge(struct elm327_reply *reply)
{
	size_t answers = 0;
	size_t refusals = 0;

	if (elm327_is_old(reply) && reply->request[0] == 0x09)
		elm327_join_numbered(reply);
	for (size_t i = 0; i < reply->message_count; i++) {
		const struct elm327_message *message = &reply->messages[i];

		switch (kind_of(reply, message)) {
		case ELM327_DATA:
			answers++;
			break;
		case ELM327_PENDING:
			reply->counts.pending++;
			break;
		case ELM327_NEGATIVE:
			reply->nrc = payload(reply, message)[2];
			refusals++;
			break;
		default:
			reply->counts.rejected += message->whole && !message->piece;
			break;
		}
	}
	if (answers)
		return elm327_incomplete(reply) ? ELM327_DATA_PARTIAL : ELM327_DATA;
	if (refusals)
		return ELM327_NEGATIVE;
	return reply->counts.pending ? ELM327_PENDING : ELM327_DATA_BAD;
}

bool elm327_part(const struct elm327_reply *reply, size_t index, struct elm327_part *ret)
{
	const struct elm327_message *message = reply->messages;
	const struct elm327_message *end = message + reply->message_count;

	while (message < end && (message->piece || index-- > 0))
		message++;
	if (!reply->request_len || message == end)
		return false;
	*ret = (struct elm327_part){.id = message->id, .kind = kind_of(reply, message)};
	if (message->whole) {
		ret->data = payload(reply, message);
		ret->len = message->len;
	}
	if (ret->kind == ELM327_NEGATIVE || ret->kind == ELM327_PENDING)
		ret->nrc = ret->data[2];
	return true;
}

/* From the least to the most that an ECU can say. */
static int weight(enum elm327_kind kind)
{
	switch (kind) {
	case ELM327_DATA:
		return 4;
	case ELM327_NEGATIVE:
		return 3;
	case ELM327_PENDING:
		return 2;
	case ELM327_DATA_BAD:
		return 1;
	default:
		return 0;
	}
}

enum elm327_kind elm327_ecu_kind(const struct elm327_reply *reply, uint32_t id, uint8_t *ret_nrc)
{
	enum elm327_kind kind = ELM327_NO_DATA;
	struct elm327_part part;

	for (size_t i = 0; elm327_part(reply, i, &part); i++) {
		if (part.id != id || weight(part.kind) < weight(kind))
			continue;
		kind = part.kind;
		if (kind == ELM327_NEGATIVE)
			*ret_nrc = part.nrc;
	}
	return kind;
}

const uint8_t *elm327_message(const struct elm327_reply *reply, size_t index, uint32_t *ret_id,
			      size_t *ret_len)
{
	if (!reply->request_len)
		return NULL;
	for (size_t i = 0; i < reply->message_count; i++) {
		const struct elm327_message *message = &reply->messages[i];

		if (kind_of(reply, message) != ELM327_DATA || index-- > 0)
			continue;
		*ret_id = message->id;
		*ret_len = message->len;
		return payload(reply, message);
	}
	return NULL;
}
