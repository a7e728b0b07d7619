/* An ELM327 adapter as seen from its serial line: bytes of commands in, bytes of replies out, with
 * the pauses of the real one, and with its faults on demand.
 *
 * Follows the ELM327 data sheet (v1.4b/2.x command set); what it does not know it answers with "?".
 * The caller owns time and the line.
 */
#ifndef SIM_ELM327_H
#define SIM_ELM327_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tests/sim/ecu.h"
#include "tests/sim/vehicle.h"

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

struct elm327_answer {
	uint8_t data[ECU_ANSWER_MAX];
	size_t len;
};

struct elm327 {
	struct vehicle *vehicle;
	enum elm327_fault fault;
	unsigned seed;
	unsigned replies;
	int64_t delay_us; /* a usual answer takes this long */

	/* settings, lost at a reset */
	bool echo, linefeed, spaces, headers, adaptive;
	bool searched; /* the protocol has been found */
	unsigned timeout_4ms;
	unsigned transmit_id;
	unsigned receive_id; /* 0: any */

	char line[128];
	size_t line_len;
	bool line_overflow;
	char last[128];

	struct buf reply;                            /* what goes out at due_us */
	int64_t due_us;                              /* INT64_MAX while idle */
	struct elm327_answer answers[ECU_ADDRESSES]; /* in that reply */
	size_t answer_count;
	elm327_served_fn *served;
	void *served_arg;
};

void elm327_init(struct elm327 *elm, struct vehicle *vehicle, unsigned seed, int64_t delay_us);
void elm327_fini(struct elm327 *elm);

/* A byte from the line. Echoes go to `out` at once; a reply becomes due later. A byte while busy
 * aborts the work: STOPPED. */
void elm327_feed(struct elm327 *elm, char byte, int64_t now_us, struct buf *out);

/* When the pending reply is due (monotonic us), INT64_MAX where none is. */
int64_t elm327_due_us(const struct elm327 *elm);

/* Moves the reply to `out` if its time has come. */
void elm327_advance(struct elm327 *elm, int64_t now_us, struct buf *out);

#endif
