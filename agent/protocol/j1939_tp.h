/* J1939 transport protocol (J1939-21 5.10): messages of 9 to 1,785 bytes come in several frames, by
 * broadcast (BAM) or with a handshake (RTS, CTS, EoMA), several at once.
 *
 * A passive receiver: it listens, also to what others send to each other, and sends nothing. For the
 * sessions that are meant for `own` (a claimed address) it says what must be answered; the caller
 * sends that, or not. Strict: packets in sequence, within the standard's times.
 *
 * Portable: no I/O, no clock (time comes in), no allocation.
 */
#ifndef AGENT_PROTOCOL_J1939_TP_H
#define AGENT_PROTOCOL_J1939_TP_H

#include "agent/protocol/j1939.h"

#define J1939_TP_MAX 1785 /* 255 packets of 7 bytes */
#define J1939_TP_SESSIONS 16

struct j1939_session {
	uint8_t data[J1939_TP_MAX];
	uint16_t length, have;
	uint32_t pgn;
	int64_t until_us; /* the next packet must have come */
	uint8_t source, destination;
	uint8_t packets, next;
	uint8_t window; /* packets until we must let the sender go on; ours alone */
	bool busy;
};

struct j1939_tp_counts {
	uint32_t complete;
	uint32_t broken;  /* out of sequence, cut off, replaced by a new one */
	uint32_t late;    /* the standard's time was over */
	uint32_t aborted; /* by sender or receiver */
	uint32_t stray;   /* packets that belong to nothing */
	uint32_t no_room; /* more sessions at once than there is room for */
	uint32_t malformed;
};

struct j1939_tp {
	struct j1939_tp_counts counts;
	uint8_t own; /* our address; J1939_NULL while passive */
	struct j1939_session sessions[J1939_TP_SESSIONS];
};

/* What a frame led to. */
struct j1939_tp_result {
	/* A whole message; NULL: none. `data` lives until the next call. */
	const uint8_t *data;
	size_t len;
	struct j1939_id id; /* of the message */
	/* A frame of TP.CM that must be sent now. */
	bool reply;
	struct j1939_id reply_id;
	uint8_t reply_data[8];
};

void j1939_tp_init(struct j1939_tp *tp, uint8_t own);

/* Ends all sessions: the bus was lost. */
void j1939_tp_drop(struct j1939_tp *tp);

/* Takes a frame; one that is no TP.CM or TP.DT is not looked at. */
void j1939_tp_feed(struct j1939_tp *tp, const struct j1939_id *id, const uint8_t *data, size_t len,
		   int64_t now_us, struct j1939_tp_result *ret);

#endif
