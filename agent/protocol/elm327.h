/* The reply grammar of ELM327 adapters (ELM327 data sheet; STN1110 family; clones).
 *
 * A push parser: tell it what was sent, feed it every byte that comes, until it says that the
 * prompt '>' was there. The prompt is the only end marker; a pause never is. NUL and bytes >= 0x80
 * are dropped. What comes out is one kind (the table below) and, for requests to the vehicle, the
 * messages of each ECU, reassembled. Everything that does not keep the rules is rejected and
 * counted, never repaired:
 *	a line is whole hex, its id is one that was expected, even digits, at most 8 bytes;
 *	single frame 1..7 bytes and present; first frame whole; consecutive frames strictly in
 *	sequence and full unless last; then service + 0x40 and the PID or DID echo the request (of
 *	several PIDs in a request of service 01 any: ECUs leave out what they do not have).
 * Before CAN: the header of an answer to a tester, the length where the header has one, the checksum;
 * messages of service 09 with a number each strictly in sequence: they become one message as on CAN.
 *
 * Portable: no I/O, no clock, no allocation. One struct a request, owned by the caller.
 */
#ifndef AGENT_PROTOCOL_ELM327_H
#define AGENT_PROTOCOL_ELM327_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/protocol/isotp.h"

/* What a reply says. The worst of its lines decides; the later in this list the worse. */
#define ELM327_KINDS(X)                                                                            \
	X(INCOMPLETE, "incomplete")     /* no prompt yet */                                        \
	X(OK, "ok")                     /* a command's answer; see text */                         \
	X(DATA, "data")                 /* messages, all of them whole */                          \
	X(DATA_PARTIAL, "data_partial") /* some ECUs whole, others not */                          \
	X(DATA_BAD, "data_bad")         /* lines, but no whole message that answers */             \
	X(NEGATIVE, "negative")         /* 7F: the ECU refuses; see nrc */                         \
	X(PENDING, "pending")           /* 7F xx 78 and nothing after it */                        \
	X(UNSUPPORTED, "unsupported")   /* '?': the adapter does not understand */                 \
	X(ALERT, "alert")               /* ACT ALERT, LP ALERT: going to sleep */                  \
	X(NO_DATA, "no_data")           /* nobody answered in time */                              \
	X(STOPPED, "stopped")           /* we interrupted it */                                    \
	X(DATA_ERROR, "data_error")     /* checksum or frame error */                              \
	X(RX_ERROR, "rx_error")                                                                    \
	X(BUFFER_FULL, "buffer_full") /* the adapter overran: the reply is not whole */            \
	X(CAN_ERROR, "can_error")     /* no acknowledgement, or the wrong rate */                  \
	X(BUS_BUSY, "bus_busy")                                                                    \
	X(BUS_ERROR, "bus_error")                                                                  \
	X(FB_ERROR, "fb_error")                                                                    \
	X(BUS_INIT_ERROR, "bus_init_error")                                                        \
	X(UNABLE_TO_CONNECT, "unable_to_connect") /* no protocol found: vehicle off or asleep */   \
	X(INTERNAL_ERROR, "internal_error")       /* ERRxx */                                      \
	X(RESET, "reset") /* LV RESET, ERR94, banner unasked: settings lost */

enum elm327_kind {
#define X(ident, name) ELM327_##ident,
	ELM327_KINDS(X)
#undef X
		ELM327_KIND_COUNT
};

const char *elm327_kind_name(enum elm327_kind kind); /* NULL where out of range */

/* True where messages of the reply may be used. */
static inline bool elm327_has_data(enum elm327_kind kind)
{
	return kind == ELM327_DATA || kind == ELM327_DATA_PARTIAL;
}

#define ELM327_COMMAND_MAX 40  /* longest command, without CR */
#define ELM327_LINE_MAX 128    /* longer lines are rejected */
#define ELM327_TEXT_MAX 64     /* of a command's answer */
#define ELM327_MESSAGES_MAX 32 /* a reply; more are rejected */
#define ELM327_POOL 2048       /* payload bytes a reply; more are rejected */
#define ELM327_REPLY_MAX 16384 /* bytes without a prompt after which the reply is called broken */

/* How the adapter was set up, and who may answer. */
struct elm327_config {
	bool headers;     /* ATH1; without them ECUs cannot be told apart */
	uint8_t protocol; /* from ATDPN: 1..5 have three bytes of header, data and a checksum in a line,
			    * and number the messages of service 09; any other is CAN */
	uint8_t id_digits; /* 3 (11 bit), 8 (29 bit), 0: either, told by the parity of the digits */
	uint32_t rx_id;    /* an answer's id is expected where (id & rx_mask) == rx_id; */
	uint32_t rx_mask;  /* 0 accepts any */
	uint8_t address;   /* extended addressing (ATCEA): the byte before the PCI; 0: none */
};

/* One message of one ECU. */
struct elm327_message {
	uint32_t id; /* CAN identifier; before CAN the sender's address; 0 without headers */
	uint16_t len;
	uint16_t offset; /* into the reply's pool */
	bool whole;
	bool segmented;
	bool piece;         /* a numbered message that was joined into another one */
	struct isotp_rx rx; /* while it comes in */
};

struct elm327_counts {
	uint32_t lines;    /* lines of data taken */
	uint32_t rejected; /* lines and messages that broke a rule */
	uint32_t dropped;  /* bytes: NUL, >= 0x80 */
	uint32_t pending;  /* 7F xx 78 */
};

struct elm327_reply {
	/* Results; valid once elm327_feed() has returned true. */
	enum elm327_kind kind;
	char text[ELM327_TEXT_MAX]; /* last line of a command's answer, or the error line */
	uint8_t nrc;                /* NEGATIVE: the negative response code */
	bool echoed; /* the command came back first: after ATE0 that means that settings are lost */
	struct elm327_counts counts;

	/* The parser's own. */
	struct elm327_config config;
	char sent[ELM327_COMMAND_MAX + 1];
	uint8_t request[ELM327_COMMAND_MAX / 2];
	uint8_t request_len; /* 0: an AT or ST command */
	uint8_t echo_len;    /* how many bytes of the request an answer repeats */
	bool done;
	bool overlong;
	enum elm327_kind worst;
	uint32_t bytes;
	size_t line_len;
	char line[ELM327_LINE_MAX + 1];
	struct elm327_message messages[ELM327_MESSAGES_MAX];
	uint8_t message_count;
	uint16_t pool_len;
	uint8_t pool[ELM327_POOL];
	/* Without headers: the message that "014", "0: ..", "1: .." spell. */
	uint16_t segment_left;
	uint8_t segment_next;
};

/* Begins a reply to `sent` (as written, without CR). */
void elm327_begin(struct elm327_reply *reply, const char *sent, const struct elm327_config *config);

/* Takes one byte. True when the prompt came: the reply is complete, its kind is set, and further
 * bytes belong to nobody (count them as noise). */
bool elm327_feed(struct elm327_reply *reply, uint8_t byte);

/* The whole positive answers, in order of their first frame: call with index 0, 1, ... NULL ends.
 * *ret_id and *ret_len are set; the bytes begin with service + 0x40 and live with the reply. */
const uint8_t *elm327_message(const struct elm327_reply *reply, size_t index, uint32_t *ret_id,
			      size_t *ret_len);

/* Messages that began and did not end. */
size_t elm327_incomplete(const struct elm327_reply *reply);

/* One message of a reply, whatever it is. */
struct elm327_part {
	uint32_t id;
	enum elm327_kind
		kind; /* DATA: it answers; NEGATIVE, PENDING; DATA_BAD: it did not end, or is no
				 * answer to the request */
	uint8_t nrc;  /* of NEGATIVE and PENDING */
	const uint8_t *data; /* lives with the reply; NULL where it did not end */
	size_t len;
};

/* Every message, in order of their first frame: call with index 0, 1, ... False ends. */
bool elm327_part(const struct elm327_reply *reply, size_t index, struct elm327_part *ret);

/* What an ECU's part of the reply comes to: DATA where it answered, else NEGATIVE (*ret_nrc is set),
 * PENDING, DATA_BAD; NO_DATA where nothing came from it. */
enum elm327_kind elm327_ecu_kind(const struct elm327_reply *reply, uint32_t id, uint8_t *ret_nrc);

/* "A6" or "6", the answer to ATDPN: protocol 0..12; *ret_auto: found by search. False where the
 * text is no protocol number. */
bool elm327_parse_protocol(const char *text, uint8_t *ret_protocol, bool *ret_auto);

/* "14.5V", the answer to ATRV. False where the text is no voltage of 0..40 V. */
bool elm327_parse_voltage(const char *text, double *ret_volts);

/* Response ids for functional requests by protocol (ISO 15765-4 clause 8): 6, 8: 7E8..7EF; 7, 9:
 * 18DAF1xx; else any. */
struct elm327_config elm327_config_functional(uint8_t protocol);

#endif
