/* The conversation with an ELM327: one command, one reply, on the event loop.
 *
 * It takes over an open device, finds the speed of its line where that is not known, brings the
 * adapter into step, sends commands and collects their replies. A
 * reply that never ends (a lost prompt) is resynchronised with ATI before the next command; an
 * adapter that cannot be brought into step is reported as lost. Everything goes through the one
 * gate (elm327_gate.h): what it refuses is not sent, and no request before a reset command.
 */
#ifndef AGENT_SOURCE_ELM_LINK_H
#define AGENT_SOURCE_ELM_LINK_H

#include "agent/protocol/elm327_gate.h"
#include "base/loop.h"
#include "hal/stream.h"

#define ELM_LINK_SPEEDS_MAX 10
#define ELM_LINK_BLANKS 2 /* before a request: it survives the loss of its first bytes */

enum elm_link_state {
	ELM_LINK_CLOSED,
	ELM_LINK_CONNECTING, /* TCP */
	ELM_LINK_RESYNC,     /* ATI was sent; its banner and prompt are awaited */
	ELM_LINK_DRAIN,      /* in step; waiting for quiet */
	ELM_LINK_IDLE,
	ELM_LINK_BUSY, /* a command is out */
};

/* Called on the loop's thread; they may send the next command, or close. */
struct elm_link_events {
	/* In step: after elm_link_open(). */
	void (*ready)(void *arg);
	/* The reply to the last command; kind ELM327_INCOMPLETE where its prompt was lost (the
	 * adapter is in step again). */
	void (*reply)(void *arg, const struct elm327_reply *reply);
	/* The adapter spoke unasked: it may have reset itself. The link is in step again. */
	void (*noise)(void *arg);
	/* The link is closed: -ENODEV the device is gone, -ETIMEDOUT the adapter does not answer,
	 * another -errno as the stream said. */
	void (*lost)(void *arg, int error);
};

struct elm_link {
	struct loop *loop;
	const struct elm_link_events *events;
	void *arg;

	/* Read only. */
	enum elm_link_state state;
	int64_t noise;   /* bytes that belonged to no reply */
	int64_t dropped; /* NUL and bytes >= 0x80 */
	int64_t resyncs;
	char adapter[ELM327_TEXT_MAX]; /* what it answered to ATI */
	struct elm327_reply reply;     /* of the last command */
	unsigned baud; /* at which the adapter answers, of those it was opened with; 0: not known */

	/* The link's own. */
	struct elm327_gate gate;
	struct stream *stream;
	struct loop_fd watch;
	struct loop_timer timer;
	int tries;
	unsigned speeds[ELM_LINK_SPEEDS_MAX]; /* that are tried, none: the line's own */
	size_t speed_count, speed;
	bool fresh;      /* ready() is owed */
	bool spoke;      /* noise() is owed */
	bool reply_owed; /* an INCOMPLETE reply is owed */
	size_t out_len, out_sent;
	char out[ELM_LINK_BLANKS + ELM327_COMMAND_MAX + 2];
	size_t heard_len; /* how much of a banner came while resynchronising */
};

void elm_link_init(struct elm_link *link, struct loop *loop, const struct elm_link_events *events,
		   void *arg);

/* Takes over `stream` and brings the adapter into step; ready() follows. `speeds` (at most
 * ELM_LINK_SPEEDS_MAX) are tried in turn until the adapter answers at one: the line has the first
 * already. With fewer than two the line is left as it is; so is one without speeds (TCP). Returns 0
 * or -errno, then the stream is closed. The link is closed before. */
int elm_link_open(struct elm_link *link, struct stream *stream, const unsigned *speeds,
		  size_t count);

/* No event follows. A closed link is accepted. */
void elm_link_close(struct elm_link *link);

/* Sends a command (without CR) on an idle link; its reply must end within `timeout_us`. Returns 0;
 * -EBUSY where the link is not idle; -EPERM for what may not be sent; -EMSGSIZE. */
int elm_link_send(struct elm_link *link, const char *command, const struct elm327_config *config,
		  int64_t timeout_us);

#endif
