/* An ELM327 adapter as seen from its serial line: bytes of commands in, bytes of replies out, with
 * the pauses of the real one, with the temperament of its make, and with faults on demand.
 *
 * Follows the ELM327 data sheet and, for one temperament, the STN11xx command set; what an adapter
 * does not know it answers with "?". The bus behind it is bus.h's. The caller owns time and the line.
 */
#ifndef SIM_ELM327_H
#define SIM_ELM327_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tests/sim/bus.h"
#include "tests/sim/ecu.h"
#include "tests/sim/vehicle.h"

/* What adapters from the shops are like. X(IDENT, "name") */
#define ELM327_TEMPERAMENTS(X)                                                                         \
	X(PLAIN, "plain") /* knows every AT command, answers at once */                                \
	X(STN, "stn")     /* STN1110: ST commands too, 2.x AT commands */                              \
	X(V15, "v15")     /* the 1.4b set: flow control by hand, no eight-digit ATSH */                \
	X(CLONE,                                                                                       \
	  "clone") /* "v2.1" without flow control, ATCP, ATCEA, ATFE ...; stray bytes after a reset; \
			   * one PID a request; ATTP A0 locks it up */ \
	X(MOODY, "moody") /* resets in mid-stream, drops prompts and characters, glues lines */        \
	X(SLOW, "slow")   /* 9600 baud, 1-2 s an answer, a long search */

enum elm327_temperament {
#define X(ident, name) ELM327_TEMPER_##ident,
	ELM327_TEMPERAMENTS(X)
#undef X
		ELM327_TEMPERAMENT_COUNT
};

const char *elm327_temperament_name(enum elm327_temperament temperament);
int elm327_temperament_parse(const char *name, enum elm327_temperament *ret); /* 0 or -EINVAL */
/* The speed at which such an adapter leaves the factory. */
unsigned elm327_temperament_baud(enum elm327_temperament temperament);

enum elm327_fault {
	ELM327_FAULT_NONE,
	ELM327_FAULT_SILENCE,   /* no control unit answers: NO DATA */
	ELM327_FAULT_ASLEEP,    /* the bus is dead: UNABLE TO CONNECT */
	ELM327_FAULT_MUTE,      /* the adapter itself says nothing, not even a prompt */
	ELM327_FAULT_GARBAGE,   /* bytes of replies are changed, lost and doubled */
	ELM327_FAULT_CAN_ERROR, /* CAN ERROR instead of data */
	ELM327_FAULT_LV_RESET, /* LV RESET in the middle of the next reply, once; settings are lost */
	ELM327_FAULT_SLOW,     /* two seconds a reply */
	ELM327_FAULT_NO_PROMPT, /* every third reply lacks its prompt */
	ELM327_FAULT_COUNT
};

/* Names for the command line: "none", "silence" ... NULL past the last. */
const char *elm327_fault_name(enum elm327_fault fault);
int elm327_fault_parse(const char *name, enum elm327_fault *ret_fault); /* 0 or -EINVAL */

/* Told of every answer of a control unit that left whole and undisturbed: for journals. */
typedef void elm327_served_fn(void *arg, const uint8_t *answer, size_t len);

#define ELM327_ANSWERS_MAX 16 /* kept for the journal, a reply */
#define ELM327_PAIRS_MAX 8    /* flow control pairs (STCAFCP) */

struct elm327_answer {
	uint8_t data[ECU_ANSWER_MAX];
	size_t len;
};

enum elm327_phase {
	ELM327_IDLE,
	ELM327_SEARCHING, /* until when_us, then the request goes out */
	ELM327_LISTENING, /* to the bus, until when_us at the latest */
	ELM327_REPLYING,  /* the reply is on the line, whole at when_us */
};

struct elm327_pair {
	uint32_t tx, rx;
};

/* Lost at a reset. */
struct elm327_settings {
	bool echo, linefeed, spaces, headers, adaptive, auto_format;
	unsigned protocol;    /* set by ATSP, ATTP; 0: searched for */
	unsigned found;       /* the protocol in use; 0: none yet */
	unsigned timeout_4ms; /* ATST */
	uint32_t header;      /* ATSH, 24 bits; 0: the protocol's own */
	uint32_t long_header; /* ATSH with eight digits; 0: none */
	uint8_t priority;     /* ATCP */
	uint8_t extension;    /* ATCEA; 0: off */
	uint32_t receive_id;  /* ATCRA; 0: the protocol's own */
	uint32_t filter, mask;
	bool filter_set, mask_set;
	uint32_t flow_header;
	uint8_t flow_data[5];
	uint8_t flow_len;
	unsigned flow_mode;
	bool segments; /* STCSEGR: the chip reassembles */
	struct elm327_pair pairs[ELM327_PAIRS_MAX];
	size_t pair_count;
};

struct elm327 {
	struct vehicle *vehicle;
	struct bus bus;
	enum elm327_temperament temperament;
	enum elm327_fault fault;
	unsigned seed;
	unsigned replies;
	int64_t delay_us; /* a usual answer takes this long */
	unsigned baud;    /* pace of the line; 0: no pause */
	bool locked_up;   /* until power is gone */
	struct elm327_settings set;

	char line[128];
	size_t line_len;
	bool line_overflow;
	char last[128];

	enum elm327_phase phase;
	int64_t when_us;
	int64_t now_us;
	int64_t first_line_us; /* of data in this reply; 0: none yet */
	size_t first_line_at;
	uint8_t request[8];
	size_t request_len;   /* 0: a command */
	uint32_t once_id;     /* of this request alone (STPX); 0: none */
	unsigned frames_left; /* after so many frames it does not wait on; 0: it waits */
	unsigned frames_heard;
	struct buf reply;
	struct elm327_answer answers[ELM327_ANSWERS_MAX]; /* in that reply */
	size_t answer_count;
	elm327_served_fn *served;
	void *served_arg;
};

/* An adapter with the PLAIN temperament. */
void elm327_init(struct elm327 *elm, struct vehicle *vehicle, unsigned seed, int64_t delay_us);
/* Gives it another, as if it had just got power; its line's pace is then the temperament's own. */
void elm327_set_temperament(struct elm327 *elm, enum elm327_temperament temperament);
void elm327_fini(struct elm327 *elm);

/* A byte from the line. Echoes go to `out` at once; a reply becomes due later. A byte while busy
 * aborts the work: STOPPED. */
void elm327_hear(struct elm327 *elm, char byte, int64_t now_us, struct buf *out);

/* When it goes on (monotonic us), INT64_MAX while it is idle. */
int64_t elm327_due_us(const struct elm327 *elm);

/* Goes on to `now_us`; a reply whose time has come is moved to `out`. */
void elm327_advance(struct elm327 *elm, int64_t now_us, struct buf *out);

#endif
