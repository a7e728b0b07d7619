/* Two ends of ISO-TP, and somebody between them: bytes say what happens next: time passes, an end
 * begins to send, hands out a frame that arrives, is lost or is changed, or gets a frame of nobody's. A
 * message that arrives with nothing forged was sent as it is; and no end keeps a timer running for
 * ever.
 *
 * Byte 0: pad, extended addresses, block size; byte 1: separation; then one byte a step: 3 bits what, one
 * which end, four how much; some steps take further bytes. */
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/isotp_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 4096

enum step { PASS, SHORT_PASS, SEND, MOVE, LOSE, CHANGE, FORGE, RESET };

struct end {
	struct isotp_session session;
	uint8_t sent[ISOTP_MESSAGE_MAX];
	size_t sent_len;
};

struct line {
	struct end ends[2];
	const uint8_t *data;
	size_t size;
	int64_t now_us;
	bool honest; /* nothing was changed, lost or forged since both were at rest */
};

static uint8_t next_byte(struct line *line)
{
	if (!line->size)
		return 0;
	line->size--;
	return *line->data++;
}

static void check_message(struct line *line, const struct end *from, const struct end *to)
{
	const struct isotp_session *session = &to->session;

	if (session->rx_len < 1 || session->rx_len > ISOTP_MESSAGE_MAX)
		abort();
	if (line->honest && (session->rx_len != from->sent_len ||
			     memcmp(session->rx_data, from->sent, from->sent_len) != 0))
		abort();
}

static void deliver(struct line *line, int to, const uint8_t *frame, size_t len)
{
	struct end *end = &line->ends[to];

	if (isotp_session_take(&end->session, frame, len, line->now_us) == ISOTP_SESSION_MESSAGE)
		check_message(line, &line->ends[1 - to], end);
}

static void begin_to_send(struct line *line, struct end *end, uint8_t how)
{
	const size_t len =
		((size_t)how << 8 | next_byte(line)) + 1; /* one more than there may be */
	const bool busy = end->session.tx_busy;

	for (size_t i = 0; i < len && i < sizeof(end->sent) && !busy; i++)
		end->sent[i] = (uint8_t)(i + line->size);
	if (isotp_session_send(&end->session, end->sent, len, line->now_us) !=
	    (!busy && len <= ISOTP_MESSAGE_MAX))
		abort();
	if (!busy && len <= ISOTP_MESSAGE_MAX)
		end->sent_len = len;
}

static void hand_out(struct line *line, int from, enum step what)
{
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	isotp_session_next(&line->ends[from].session, line->now_us, frame, &len);
	if (len > ISOTP_FRAME_MAX)
		abort();
	if (what != MOVE)
		line->honest = false;
	if (!len || what == LOSE)
		return;
	if (what == CHANGE) {
		frame[next_byte(line) % len] ^= next_byte(line);
		len = 1 + next_byte(line) % len;
	}
	deliver(line, 1 - from, frame, len);
}

static void forge(struct line *line, int to, uint8_t how)
{
	uint8_t frame[ISOTP_FRAME_MAX];
	const size_t len = 1 + how % ISOTP_FRAME_MAX;

	for (size_t i = 0; i < len; i++)
		frame[i] = next_byte(line);
	line->honest = false;
	deliver(line, to, frame, len);
}

static void do_step(struct line *line)
{
	const uint8_t byte = next_byte(line);
	const int which = byte >> 3 & 1;
	const uint8_t how = byte >> 4;

	switch ((enum step)(byte & 7)) {
	case PASS:
		line->now_us += INT64_C(50000) * (how + 1);
		break;
	case SHORT_PASS:
		line->now_us += INT64_C(100) * (how + 1);
		break;
	case SEND:
		begin_to_send(line, &line->ends[which], how);
		break;
	case FORGE:
		forge(line, which, how);
		break;
	case RESET:
		isotp_session_reset(&line->ends[which].session);
		line->honest = false;
		break;
	default:
		hand_out(line, which, (enum step)(byte & 7));
		break;
	}
}

/* However it stands: a session that hears nothing more has nothing to do after a while. */
static void must_come_to_rest(struct isotp_session *session, int64_t now_us)
{
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	for (int i = 0; i < 2000; i++) {
		const int64_t due = isotp_session_due(session);

		if (due == INT64_MAX)
			return;
		if (due > now_us)
			now_us = due;
		isotp_session_next(session, now_us, frame, &len);
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line line;
	struct isotp_session_config config = isotp_tester_config();
	uint8_t flags;

	memset(&line, 0, sizeof(line));
	line.data = data;
	line.size = size;
	line.honest = true;
	flags = next_byte(&line);
	config.pad = flags & 1;
	config.extended = flags & 2;
	config.block = flags >> 4;
	config.separation = next_byte(&line);
	isotp_session_init(&line.ends[0].session, &config);
	isotp_session_init(&line.ends[1].session, &config);
	for (int i = 0; i < STEPS_MAX && line.size; i++)
		do_step(&line);
	must_come_to_rest(&line.ends[0].session, line.now_us);
	must_come_to_rest(&line.ends[1].session, line.now_us);
	return 0;
}
