#include "agent/protocol/isotp.h"

#include <string.h>

static void parse_single(struct isotp_frame *out, const uint8_t *frame, size_t len, uint8_t room)
{
	const uint8_t length = frame[0] & 0x0f;

	if (length == 0 || length > room - 1 || (size_t)length + 1 > len)
		return;
	out->type = ISOTP_SINGLE;
	out->length = length;
	out->data = frame + 1;
	out->count = length;
}

static void parse_first(struct isotp_frame *out, const uint8_t *frame, size_t len, uint8_t room)
{
	uint16_t length;

	if (len != room)
		return;
	length = (uint16_t)((frame[0] & 0x0f) << 8 | frame[1]);
	if (length < room) /* would have fitted into a single frame, or is the escape (0) */
		return;
	out->type = ISOTP_FIRST;
	out->length = length;
	out->data = frame + 2;
	out->count = (uint8_t)(len - 2);
}

struct isotp_frame isotp_frame_parse(const uint8_t *frame, size_t len, uint8_t room)
{
	struct isotp_frame out = {.type = ISOTP_BAD};

	if (len < 1 || len > room)
		return out;
	out.full = len == room;
	switch (frame[0] >> 4) {
	case 0:
		parse_single(&out, frame, len, room);
		break;
	case 1:
		parse_first(&out, frame, len, room);
		break;
	case 2:
		if (len < 2)
			break;
		out.type = ISOTP_CONSECUTIVE;
		out.sequence = frame[0] & 0x0f;
		out.data = frame + 1;
		out.count = (uint8_t)(len - 1);
		break;
	case 3:
		out.type = ISOTP_FLOW_CONTROL;
		out.sequence = frame[0] & 0x0f;
		out.data = frame + 1;
		out.count = (uint8_t)(len - 1);
		break;
	default:
		break;
	}
	return out;
}

void isotp_rx_start(struct isotp_rx *rx, const struct isotp_frame *first, uint8_t *data)
{
	rx->data = data;
	rx->length = first->length;
	rx->have = first->count;
	rx->next = 1;
	rx->busy = true;
	memcpy(data, first->data, first->count);
}

enum isotp_event isotp_rx_push(struct isotp_rx *rx, const struct isotp_frame *frame)
{
	uint16_t want;

	if (!rx->busy)
		return ISOTP_STRAY;
	want = (uint16_t)(rx->length - rx->have);
	if (frame->sequence != rx->next || (frame->count < want && !frame->full)) {
		rx->busy = false;
		return ISOTP_BROKEN;
	}
	if (want > frame->count)
		want = frame->count;
	memcpy(rx->data + rx->have, frame->data, want);
	rx->have = (uint16_t)(rx->have + want);
	rx->next = (rx->next + 1) & 0x0f;
	if (rx->have < rx->length)
		return ISOTP_MORE;
	rx->busy = false;
	return ISOTP_COMPLETE;
}
