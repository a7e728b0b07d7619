#include <string.h>

#include "agent/protocol/elm327_priv.h"

#define TESTER 0xf1
#define HEADER 3
#define DATA_MAX 7 /* of J1850 and ISO 9141-2 (SAE J1979) */
#define NUMBERED 7 /* 49, the type, the number, four bytes */
#define NUMBERED_DATA 4
#define NUMBERED_MAX 200 /* a number has a byte */

/* SAE J1850: polynomial 1D, begins with FF, inverted. */
static uint8_t crc8(const uint8_t *bytes, size_t len)
{
	unsigned crc = 0xff;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x80 ? (crc << 1 ^ 0x1d) & 0xff : crc << 1;
	}
	return (uint8_t)~crc;
}

static uint8_t sum8(const uint8_t *bytes, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += bytes[i];
	return (uint8_t)sum;
}

/* How many bytes of header an answer to a tester has; 0 where it is none. `len` without the checksum.
 * SAE J2178-1: 41 or 48, 6B, the sender. ISO 14230-2: the length, or 80 and the length behind them. */
static size_t header_of(uint8_t protocol, const uint8_t *bytes, size_t len)
{
	const uint8_t priority = protocol == 1 ? 0x41 : 0x48;

	if (protocol <= 3)
		return bytes[0] == priority && bytes[1] == 0x6b && len - HEADER <= DATA_MAX ? HEADER
											    : 0;
	if (!(bytes[0] & 0x80) || bytes[1] != TESTER)
		return 0;
	if (bytes[0] & 0x3f)
		return len - HEADER == (bytes[0] & 0x3fU) ? HEADER : 0;
	return len > HEADER + 1 && len - HEADER - 1 == bytes[HEADER] ? HEADER + 1 : 0;
}

bool elm327_take_old(struct elm327_reply *reply, const uint8_t *bytes, size_t len)
{
	const uint8_t protocol = reply->config.protocol;
	size_t header;

	if (len < HEADER + 2)
		return false;
	len--;
	if (bytes[len] != (protocol <= 2 ? crc8(bytes, len) : sum8(bytes, len)))
		return false;
	header = header_of(protocol, bytes, len);
	if (header == 0)
		return false;
	return elm327_take_single(reply, bytes[2], bytes + header, (uint16_t)(len - header));
}

/* ---- service 09: a number a message ---- */

static bool is_numbered(const struct elm327_reply *reply, const struct elm327_message *message)
{
	const uint8_t *data = reply->pool + message->offset;

	return message->whole && !message->piece && !message->segmented &&
	       message->len == NUMBERED && data[0] == 0x49 && data[1] == reply->request[1];
}

static uint8_t number_of(const struct elm327_reply *reply, const struct elm327_message *message)
{
	return reply->pool[message->offset + 2];
}

/* How many numbered messages an ECU sent; 0 where they are not 1, 2, 3 ... Marks them as pieces. */
static size_t take_pieces(struct elm327_reply *reply, uint32_t id)
{
	bool in_sequence = true;
	size_t count = 0;

	for (size_t i = 0; i < reply->message_count; i++) {
		struct elm327_message *message = &reply->messages[i];

		if (message->id != id || !is_numbered(reply, message))
			continue;
		in_sequence = in_sequence && number_of(reply, message) == ++count;
		message->piece = true;
	}
	return in_sequence ? count : 0;
}

/* How many items on CAN would have the same bytes; 0 where they are not whole. */
static size_t count_items(uint8_t type, size_t bytes)
{
	switch (type) {
	case 0x02: /* VIN: one, with three zeros before it */
	case 0x0a: /* ECU name */
		return bytes == 20;
	case 0x04: /* calibration identifications of 16 */
		return bytes % 16 == 0 ? bytes / 16 : 0;
	case 0x06: /* verification numbers of 4 */
		return bytes / 4;
	default: /* counters of two */
		return bytes / 2;
	}
}

/* The message that an ECU on CAN would have sent: 49, the type, the number of items (not for bitmaps),
 * their bytes. */
static void join(struct elm327_reply *reply, uint32_t id, size_t count)
{
	const uint8_t type = reply->request[1];
	const size_t pieces = reply->message_count;
	const size_t bytes = count * NUMBERED_DATA;
	const size_t items = count_items(type, bytes);
	const size_t head = type % 0x20 ? 3 : 2;
	uint8_t *out;

	if (count == 0 || count > NUMBERED_MAX || items == 0)
		goto broken;
	out = elm327_reserve(reply, id, (uint16_t)(head + bytes), true);
	if (!out)
		goto broken;
	reply->messages[reply->message_count - 1].whole = true;
	*out++ = 0x49;
	*out++ = type;
	if (head == 3)
		*out++ = (uint8_t)items;
	for (size_t i = 0; i < pieces; i++) {
		const struct elm327_message *message = &reply->messages[i];

		if (message->id != id || !message->piece)
			continue;
		memcpy(out, reply->pool + message->offset + 3, NUMBERED_DATA);
		out += NUMBERED_DATA;
	}
	return;
broken:
	reply->counts.rejected++;
	/* It began and did not end. */
	(void)elm327_reserve(reply, id, 0, true);
}

void elm327_join_numbered(struct elm327_reply *reply)
{
	const size_t pieces = reply->message_count;

	/* Odd types say how many messages the type after them has: one each, no number. */
	if (reply->request_len < 2 || reply->request[1] % 2)
		return;
	for (size_t i = 0; i < pieces; i++) {
		const struct elm327_message *message = &reply->messages[i];

		if (is_numbered(reply, message))
			join(reply, message->id, take_pieces(reply, message->id));
	}
}
