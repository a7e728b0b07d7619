#include "agent/protocol/isotp_session.h"

#include <string.h>

#define SECOND INT64_C(1000000)
#define MS INT64_C(1000)

/* Flow status (clause 9.6.5.1). */
enum { CONTINUE, WAIT, OVERFLOW };

struct isotp_session_config isotp_tester_config(void)
{
	const struct isotp_session_config config = {
		.pad = true, .padding = 0xcc, .n_bs_us = SECOND, .n_cr_us = SECOND};

	return config;
}

int64_t isotp_separation_us(uint8_t coded)
{
	if (coded >= 0xf1 && coded <= 0xf9)
		return (coded - INT64_C(0xf0)) * 100;
	return (coded <= 0x7f ? coded : 0x7f) * MS;
}

void isotp_session_init(struct isotp_session *session, const struct isotp_session_config *config)
{
	memset(session, 0, sizeof(*session));
	session->config = *config;
}

void isotp_session_reset(struct isotp_session *session)
{
	session->rx.busy = false;
	session->flow_owed = false;
	session->tx_busy = false;
}

bool isotp_session_send(struct isotp_session *session, const uint8_t *data, size_t len,
			int64_t now_us)
{
	if (session->tx_busy || len < 1 || len > ISOTP_MESSAGE_MAX)
		return false;
	memcpy(session->tx_data, data, len);
	session->tx_len = (uint16_t)len;
	session->tx_sent = 0;
	session->tx_sequence = 1;
	session->tx_waits = 0;
	session->tx_gap_us = 0;
	session->tx_next_us = now_us;
	session->tx_may_go = true;
	session->tx_busy = true;
	return true;
}

/* ---- what comes ---- */

static size_t room(const struct isotp_session *session)
{
	return session->config.extended ? ISOTP_FRAME_MAX - 1 : ISOTP_FRAME_MAX;
}

static enum isotp_session_event end_tx(struct isotp_session *session, uint32_t *count,
				       enum isotp_session_event event)
{
	session->tx_busy = false;
	(*count)++;
	return event;
}

static enum isotp_session_event take_flow(struct isotp_session *session,
					  const struct isotp_frame *frame, int64_t now_us)
{
	const bool awaited = session->tx_busy && session->tx_sent > 0 && !session->tx_may_go;

	if (!awaited || frame->count < 2) {
		session->counts.bad++;
		return ISOTP_SESSION_NOTHING;
	}
	switch (frame->sequence) {
	case CONTINUE:
		session->tx_endless = frame->data[0] == 0;
		session->tx_block_left = frame->data[0];
		session->tx_gap_us = isotp_separation_us(frame->data[1]);
		session->tx_next_us = now_us;
		session->tx_waits = 0;
		session->tx_may_go = true;
		return ISOTP_SESSION_NOTHING;
	case WAIT:
		session->tx_until_us = now_us + session->config.n_bs_us;
		if (++session->tx_waits <= ISOTP_WAITS_MAX)
			return ISOTP_SESSION_NOTHING;
		break;
	default:
		break; /* overflow, or a status that there is not */
	}
	return end_tx(session, &session->counts.tx_refused, ISOTP_SESSION_TX_REFUSED);
}

/* A new message ends the one that was coming in (clause 9.8.3). */
static void replace(struct isotp_session *session)
{
	session->counts.replaced += session->rx.busy;
	session->rx.busy = false;
	session->flow_owed = false;
}

static enum isotp_session_event take_whole(struct isotp_session *session)
{
	session->counts.messages_in++;
	return ISOTP_SESSION_MESSAGE;
}

static void owe_flow(struct isotp_session *session)
{
	session->flow_owed = true;
	session->rx_block_left = session->config.block;
}

static enum isotp_session_event take_consecutive(struct isotp_session *session,
						 const struct isotp_frame *frame, int64_t now_us)
{
	switch (isotp_rx_push(&session->rx, frame)) {
	case ISOTP_MORE:
		session->rx_until_us = now_us + session->config.n_cr_us;
		if (session->config.block && --session->rx_block_left == 0)
			owe_flow(session);
		return ISOTP_SESSION_NOTHING;
	case ISOTP_COMPLETE:
		session->rx_len = session->rx.length;
		return take_whole(session);
	case ISOTP_BROKEN:
		session->counts.broken++;
		return ISOTP_SESSION_BROKEN;
	default:
		session->counts.bad++;
		return ISOTP_SESSION_NOTHING;
	}
}

static enum isotp_session_event take_frame(struct isotp_session *session,
					   const struct isotp_frame *frame, int64_t now_us)
{
	switch (frame->type) {
	case ISOTP_SINGLE:
		replace(session);
		memcpy(session->rx_data, frame->data, frame->length);
		session->rx_len = frame->length;
		return take_whole(session);
	case ISOTP_FIRST:
		replace(session);
		isotp_rx_start(&session->rx, frame, session->rx_data);
		session->rx_until_us = now_us + session->config.n_cr_us;
		owe_flow(session);
		return ISOTP_SESSION_NOTHING;
	case ISOTP_CONSECUTIVE:
		return take_consecutive(session, frame, now_us);
	case ISOTP_FLOW_CONTROL:
		return take_flow(session, frame, now_us);
	default:
		session->counts.bad++;
		return ISOTP_SESSION_NOTHING;
	}
}

enum isotp_session_event isotp_session_take(struct isotp_session *session, const uint8_t *frame,
					    size_t len, int64_t now_us)
{
	struct isotp_frame parsed;

	if (session->config.extended) {
		if (len < 2 || frame[0] != session->config.tester) {
			session->counts.bad++;
			return ISOTP_SESSION_NOTHING;
		}
		frame++;
		len--;
	}
	parsed = isotp_frame_parse(frame, len, (uint8_t)room(session));
	return take_frame(session, &parsed, now_us);
}

/* ---- what goes ---- */

/* Address, PCI and data, padded. Returns the frame's length. */
static size_t build(const struct isotp_session *session, const uint8_t *pci, size_t pci_len,
		    const uint8_t *data, size_t len, uint8_t frame[static ISOTP_FRAME_MAX])
{
	size_t at = 0;

	if (session->config.extended)
		frame[at++] = session->config.target;
	memcpy(frame + at, pci, pci_len);
	at += pci_len;
	if (len)
		memcpy(frame + at, data, len);
	at += len;
	if (!session->config.pad)
		return at;
	memset(frame + at, session->config.padding, ISOTP_FRAME_MAX - at);
	return ISOTP_FRAME_MAX;
}

static size_t flow_frame(struct isotp_session *session, uint8_t frame[static ISOTP_FRAME_MAX])
{
	const uint8_t pci[] = {0x30, session->config.block, session->config.separation};

	session->flow_owed = false;
	return build(session, pci, sizeof(pci), NULL, 0, frame);
}

static size_t first_frame(struct isotp_session *session, int64_t now_us,
			  uint8_t frame[static ISOTP_FRAME_MAX])
{
	const uint8_t pci[] = {(uint8_t)(0x10 | session->tx_len >> 8),
			       (uint8_t)(session->tx_len & 0xff)};
	const size_t part = room(session) - sizeof(pci);

	session->tx_sent = (uint16_t)part;
	session->tx_may_go = false;
	session->tx_until_us = now_us + session->config.n_bs_us;
	return build(session, pci, sizeof(pci), session->tx_data, part, frame);
}

static size_t next_part(struct isotp_session *session, int64_t now_us,
			uint8_t frame[static ISOTP_FRAME_MAX])
{
	const uint8_t pci = 0x20 | session->tx_sequence;
	const size_t left = (size_t)(session->tx_len - session->tx_sent);
	const size_t part = left < room(session) - 1 ? left : room(session) - 1;
	const uint8_t *data = session->tx_data + session->tx_sent;

	session->tx_sent = (uint16_t)(session->tx_sent + part);
	session->tx_sequence = (session->tx_sequence + 1) & 0x0f;
	session->tx_next_us = now_us + session->tx_gap_us;
	if (!session->tx_endless && --session->tx_block_left == 0) {
		session->tx_may_go = false;
		session->tx_until_us = now_us + session->config.n_bs_us;
	}
	return build(session, &pci, 1, data, part, frame);
}

static size_t data_frame(struct isotp_session *session, int64_t now_us,
			 uint8_t frame[static ISOTP_FRAME_MAX])
{
	const uint8_t pci = (uint8_t)session->tx_len;

	if (session->tx_sent)
		return next_part(session, now_us, frame);
	if (session->tx_len > room(session) - 1)
		return first_frame(session, now_us, frame);
	session->tx_sent = session->tx_len;
	return build(session, &pci, 1, session->tx_data, session->tx_len, frame);
}

static enum isotp_session_event expire(struct isotp_session *session, int64_t now_us)
{
	if (session->rx.busy && now_us >= session->rx_until_us) {
		session->rx.busy = false;
		session->flow_owed = false;
		session->counts.rx_late++;
		return ISOTP_SESSION_RX_LATE;
	}
	if (session->tx_busy && !session->tx_may_go && now_us >= session->tx_until_us)
		return end_tx(session, &session->counts.tx_late, ISOTP_SESSION_TX_LATE);
	return ISOTP_SESSION_NOTHING;
}

enum isotp_session_event isotp_session_next(struct isotp_session *session, int64_t now_us,
					    uint8_t frame[static ISOTP_FRAME_MAX], size_t *ret_len)
{
	const enum isotp_session_event event = expire(session, now_us);

	*ret_len = 0;
	if (event != ISOTP_SESSION_NOTHING)
		return event;
	if (session->flow_owed) {
		*ret_len = flow_frame(session, frame);
		return ISOTP_SESSION_NOTHING;
	}
	if (!session->tx_busy || !session->tx_may_go || now_us < session->tx_next_us)
		return ISOTP_SESSION_NOTHING;
	*ret_len = data_frame(session, now_us, frame);
	if (session->tx_sent < session->tx_len)
		return ISOTP_SESSION_NOTHING;
	return end_tx(session, &session->counts.messages_out, ISOTP_SESSION_SENT);
}

int64_t isotp_session_due(const struct isotp_session *session)
{
	int64_t due = INT64_MAX;

	if (session->flow_owed)
		return INT64_MIN;
	if (session->rx.busy)
		due = session->rx_until_us;
	if (session->tx_busy && session->tx_may_go && session->tx_next_us < due)
		due = session->tx_next_us;
	if (session->tx_busy && !session->tx_may_go && session->tx_until_us < due)
		due = session->tx_until_us;
	return due;
}
