/* What the files of the ELM327 parser share. Which file does what:
 *
 *	elm327.c           the adapter's text: bytes become lines, lines become data or remarks
 *	elm327_messages.c  data becomes messages of ECUs, and these are judged against the request
 *	elm327_old.c       the same for what buses before CAN have of their own
 *	elm327_values.c    answers to the adapter's own commands, and which ids may answer
 */
#ifndef AGENT_PROTOCOL_ELM327_PRIV_H
#define AGENT_PROTOCOL_ELM327_PRIV_H

#include "agent/protocol/elm327.h"

static inline char elm327_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* -1 where it is none; lower case is none. */
static inline int elm327_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* ---- elm327_messages.c ---- */

/* Each returns false where a rule is broken or the reply has no room: nothing is taken then. */

/* A whole message that came in one piece; `id` is 0 without headers. */
bool elm327_take_single(struct elm327_reply *reply, uint32_t id, const uint8_t *data, uint16_t len);
/* A CAN frame of an ECU; of the extended address on where there is one. */
bool elm327_take_frame(struct elm327_reply *reply, uint32_t id, const uint8_t *data, size_t len);
/* Without headers: the length of a message whose segments follow. */
bool elm327_take_length(struct elm327_reply *reply, uint16_t len);
/* One of its segments, `sequence` 0 to 15; the last may be padded. */
bool elm327_take_segment(struct elm327_reply *reply, int sequence, const uint8_t *data, size_t len);

/* Room for a message, its bytes zero; NULL where there is none. */
uint8_t *elm327_reserve(struct elm327_reply *reply, uint32_t id, uint16_t len, bool segmented);

/* What the messages of a request come to, where no text said otherwise. Counts those that are no
 * answer. */
enum elm327_kind elm327_judge(struct elm327_reply *reply);

/* ---- elm327_old.c ---- */

/* J1850, ISO 9141-2, ISO 14230-4: protocols 1..5. */
static inline bool elm327_is_old(const struct elm327_reply *reply)
{
	return reply->config.protocol >= 1 && reply->config.protocol <= 5;
}

/* Header, data and checksum. Returns false where a rule is broken or the reply has no room. */
bool elm327_take_old(struct elm327_reply *reply, const uint8_t *bytes, size_t len);

/* Joins the numbered messages of service 09 once all have come. */
void elm327_join_numbered(struct elm327_reply *reply);

#endif
