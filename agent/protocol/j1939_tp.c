#include "agent/protocol/j1939_tp.h"

#include <string.h>

/* Control bytes of TP.CM. */
#define CM_RTS 16
#define CM_CTS 17
#define CM_END 19
#define CM_BAM 32
#define CM_ABORT 255

/* J1939-21 5.10.2.4. Packets of a broadcast are at most 200 ms apart; T1 is what a receiver allows. */
#define T1_US INT64_C(750000)
#define T2_US INT64_C(1250000)
#define PACKET 7
#define WINDOW_MAX 16

void j1939_tp_init(struct j1939_tp *tp, uint8_t own)
{
	memset(tp, 0, sizeof(*tp));
	tp->own = own;
}

static void end(struct j1939_session *session)
{
	session->busy = false;
}

void j1939_tp_drop(struct j1939_tp *tp)
{
	for (size_t i = 0; i < J1939_TP_SESSIONS; i++)
		end(&tp->sessions[i]);
}

static void expire(struct j1939_tp *tp, int64_t now_us)
{
	for (size_t i = 0; i < J1939_TP_SESSIONS; i++) {
		struct j1939_session *session = &tp->sessions[i];

		if (!session->busy || now_us <= session->until_us)
			continue;
		end(session);
		tp->counts.late++;
	}
}

static struct j1939_session *find(struct j1939_tp *tp, uint8_t source, uint8_t destination)
{
	for (size_t i = 0; i < J1939_TP_SESSIONS; i++) {
		struct j1939_session *session = &tp->sessions[i];

		if (session->busy && session->source == source &&
		    session->destination == destination)
			return session;
	}
	return NULL;
}

/* One session a pair of addresses: a new one replaces what was going on. */
static struct j1939_session *open_session(struct j1939_tp *tp, const struct j1939_id *id)
{
	struct j1939_session *old = find(tp, id->source, id->destination);

	if (old) {
		tp->counts.broken++;
		return old;
	}
	for (size_t i = 0; i < J1939_TP_SESSIONS; i++)
		if (!tp->sessions[i].busy)
			return &tp->sessions[i];
	tp->counts.no_room++;
	return NULL;
}

static void put_reply(struct j1939_tp *tp, const struct j1939_session *session,
		      const uint8_t head[static 5], struct j1939_tp_result *ret)
{
	ret->reply = true;
	ret->reply_id = (struct j1939_id){.priority = 7,
					  .pgn = J1939_PGN_TP_CM,
					  .destination = session->source,
					  .source = tp->own};
	memcpy(ret->reply_data, head, 5);
	ret->reply_data[5] = session->pgn & 0xff;
	ret->reply_data[6] = session->pgn >> 8 & 0xff;
	ret->reply_data[7] = session->pgn >> 16 & 0xff;
}

/* Lets the sender go on with the next packets. */
static void clear_to_send(struct j1939_tp *tp, struct j1939_session *session,
			  struct j1939_tp_result *ret)
{
	const unsigned left = (unsigned)session->packets - (session->next - 1U);
	uint8_t head[5] = {CM_CTS, 0, session->next, 0xff, 0xff};

	session->window = (uint8_t)(left < WINDOW_MAX ? left : WINDOW_MAX);
	head[1] = session->window;
	put_reply(tp, session, head, ret);
}

static bool is_ours(const struct j1939_tp *tp, const struct j1939_session *session)
{
	return tp->own != J1939_NULL && session->destination == tp->own;
}

static void begin(struct j1939_tp *tp, const struct j1939_id *id, const uint8_t data[static 8],
		  int64_t now_us, struct j1939_tp_result *ret)
{
	const uint16_t length = (uint16_t)(data[1] | data[2] << 8);
	struct j1939_session *session;

	if (length <= 8 || length > J1939_TP_MAX || data[3] != (length + PACKET - 1) / PACKET ||
	    (data[0] == CM_BAM) != (id->destination == J1939_GLOBAL)) {
		tp->counts.malformed++;
		return;
	}
	session = open_session(tp, id);
	if (!session)
		return;
	session->busy = true;
	session->source = id->source;
	session->destination = id->destination;
	session->length = length;
	session->have = 0;
	session->packets = data[3];
	session->next = 1;
	session->window = 0;
	session->pgn = data[5] | (uint32_t)data[6] << 8 | (uint32_t)(data[7] & 3) << 16;
	session->until_us = now_us + (data[0] == CM_BAM ? T1_US : T2_US);
	if (is_ours(tp, session))
		clear_to_send(tp, session, ret);
}

/* The receiver of a session that is not ours lets the sender go on, or repeat. */
static void go_on(struct j1939_tp *tp, const struct j1939_id *id, const uint8_t data[static 8],
		  int64_t now_us)
{
	struct j1939_session *session = find(tp, id->destination, id->source);

	if (!session)
		return;
	session->until_us = now_us + T2_US;
	/* A repetition: the packets from there on come again. */
	if (data[1] && data[2] && data[2] < session->next) {
		session->next = data[2];
		session->have = (uint16_t)((data[2] - 1) * PACKET);
	}
}

static void abort_session(struct j1939_tp *tp, const struct j1939_id *id)
{
	struct j1939_session *session = find(tp, id->source, id->destination);

	if (!session)
		session = find(tp, id->destination, id->source);
	if (!session)
		return;
	end(session);
	tp->counts.aborted++;
}

static void take_control(struct j1939_tp *tp, const struct j1939_id *id, const uint8_t *data,
			 size_t len, int64_t now_us, struct j1939_tp_result *ret)
{
	if (len != 8) {
		tp->counts.malformed++;
		return;
	}
	switch (data[0]) {
	case CM_RTS:
	case CM_BAM:
		begin(tp, id, data, now_us, ret);
		break;
	case CM_CTS:
		go_on(tp, id, data, now_us);
		break;
	case CM_ABORT:
		abort_session(tp, id);
		break;
	case CM_END:
		break; /* the message was told with its last packet */
	default:
		tp->counts.malformed++;
		break;
	}
}

static void finish(struct j1939_tp *tp, struct j1939_session *session, uint8_t priority,
		   struct j1939_tp_result *ret)
{
	const uint8_t head[5] = {CM_END, (uint8_t)(session->length & 0xff),
				 (uint8_t)(session->length >> 8), session->packets, 0xff};

	ret->data = session->data;
	ret->len = session->length;
	ret->id = (struct j1939_id){.priority = priority,
				    .pgn = session->pgn,
				    .destination = session->destination,
				    .source = session->source};
	if (is_ours(tp, session))
		put_reply(tp, session, head, ret);
	end(session);
	tp->counts.complete++;
}

static void take_packet(struct j1939_tp *tp, const struct j1939_id *id, const uint8_t *data,
			size_t len, int64_t now_us, struct j1939_tp_result *ret)
{
	struct j1939_session *session = find(tp, id->source, id->destination);
	size_t part;

	if (!session) {
		tp->counts.stray++;
		return;
	}
	part = (size_t)(session->length - session->have);
	if (part > PACKET)
		part = PACKET;
	/* A last packet may come without its padding. */
	if (len < 1 + part || data[0] != session->next) {
		end(session);
		tp->counts.broken++;
		return;
	}
	memcpy(session->data + session->have, data + 1, part);
	session->have = (uint16_t)(session->have + part);
	session->next++;
	session->until_us = now_us + T1_US;
	if (session->have == session->length) {
		finish(tp, session, id->priority, ret);
		return;
	}
	if (is_ours(tp, session) && --session->window == 0)
		clear_to_send(tp, session, ret);
}

void j1939_tp_feed(struct j1939_tp *tp, const struct j1939_id *id, const uint8_t *data, size_t len,
		   int64_t now_us, struct j1939_tp_result *ret)
{
	memset(ret, 0, sizeof(*ret));
	expire(tp, now_us);
	if (id->pgn == J1939_PGN_TP_CM)
		take_control(tp, id, data, len, now_us, ret);
	else if (id->pgn == J1939_PGN_TP_DT)
		take_packet(tp, id, data, len, now_us, ret);
}
