/* ISO-TP (ISO 15765-2), both halves: one pair of identifiers, a tester and a control unit. Messages
 * of up to 4,095 bytes go out and come in as frames of classic CAN; flow control is sent and obeyed.
 *
 * Portable: no I/O, no clock (time comes in), no allocation. The caller moves frames:
 *	isotp_session_take()  a frame with the pair's answering identifier has come
 *	isotp_session_next()  is there a frame to be sent now?
 *	isotp_session_due()   when to ask again though nothing comes
 */
#ifndef AGENT_PROTOCOL_ISOTP_SESSION_H
#define AGENT_PROTOCOL_ISOTP_SESSION_H

#include "agent/protocol/isotp.h"

#define ISOTP_MESSAGE_MAX 4095
#define ISOTP_WAITS_MAX 10 /* flow control "wait" in a row (N_WFTmax) */

struct isotp_session_config {
	uint8_t target;     /* extended addressing: the byte before the PCI of what is sent; */
	uint8_t tester;     /* and of what comes (F1) */
	bool extended;      /* whether there are such bytes */
	bool pad;           /* frames of 8 bytes always (ISO 15765-4 wants that), */
	uint8_t padding;    /* filled with this (CC: the standard's; 00, 55, AA are seen) */
	uint8_t block;      /* how many frames a sender may send without our flow control; 0: all */
	uint8_t separation; /* the least time between its frames, as STmin is coded */
	int64_t n_bs_us;    /* until the flow control comes: 1,000,000 (ISO 15765-2), 75,000 (-4) */
	int64_t n_cr_us;    /* until the next frame comes: 1,000,000 (-2), 150,000 (-4) */
};

/* A tester's: 30 00 00, padded, times of ISO 15765-2 (what kernels use, too). */
struct isotp_session_config isotp_tester_config(void);

enum isotp_session_event {
	ISOTP_SESSION_NOTHING,
	ISOTP_SESSION_MESSAGE,   /* a message has come: session->rx_data, rx_len */
	ISOTP_SESSION_SENT,      /* the last frame of ours was handed out */
	ISOTP_SESSION_BROKEN,    /* a frame out of sequence: what was coming in is lost */
	ISOTP_SESSION_RX_LATE,   /* the next frame did not come (N_Cr) */
	ISOTP_SESSION_TX_LATE,   /* no flow control came (N_Bs) */
	ISOTP_SESSION_TX_REFUSED /* overflow, or told to wait too often */
};

struct isotp_session_counts {
	uint32_t messages_in, messages_out;
	uint32_t bad; /* frames that are none, or belong to nothing */
	uint32_t broken, rx_late, tx_late, tx_refused;
	uint32_t replaced; /* messages that a new one cut off */
};

struct isotp_session {
	struct isotp_session_counts counts;
	/* The message that came last; valid after ISOTP_SESSION_MESSAGE until the next take. */
	uint8_t rx_data[ISOTP_MESSAGE_MAX];
	uint16_t rx_len;

	/* The session's own. */
	struct isotp_session_config config;
	struct isotp_rx rx;
	int64_t rx_until_us;
	uint8_t rx_block_left;
	bool flow_owed;
	uint8_t tx_data[ISOTP_MESSAGE_MAX];
	uint16_t tx_len, tx_sent;
	uint8_t tx_sequence, tx_block_left, tx_waits;
	bool tx_busy, tx_may_go, tx_endless;
	int64_t tx_gap_us, tx_next_us, tx_until_us;
};

void isotp_session_init(struct isotp_session *session, const struct isotp_session_config *config);

/* Begins to send. Returns false where the message is empty or too long, or one is being sent. */
bool isotp_session_send(struct isotp_session *session, const uint8_t *data, size_t len,
			int64_t now_us);

/* Takes a frame of 1 to 8 bytes. */
enum isotp_session_event isotp_session_take(struct isotp_session *session, const uint8_t *frame,
					    size_t len, int64_t now_us);

/* The frame to be sent now; *ret_len 0: none. The event tells what ended by it or by the time. */
enum isotp_session_event isotp_session_next(struct isotp_session *session, int64_t now_us,
					    uint8_t frame[static ISOTP_FRAME_MAX], size_t *ret_len);

/* When isotp_session_next() has something to do; INT64_MAX: only after a take or a send. */
int64_t isotp_session_due(const struct isotp_session *session);

/* Forgets what is going on in both directions. */
void isotp_session_reset(struct isotp_session *session);

/* STmin as a time: 00..7F ms, F1..F9 100..900 us, others as 7F (clause 9.6.5.4). */
int64_t isotp_separation_us(uint8_t coded);

#endif
