/* Shared by the adapter's files: elm327.c (the line), elm327_at.c (its commands), elm327_request.c
 * (requests to the bus). */
#ifndef SIM_ELM327_PRIV_H
#define SIM_ELM327_PRIV_H

#include "tests/sim/elm327.h"

#define ELM327_MS INT64_C(1000)
#define ELM327_COMMAND_US (2 * ELM327_MS)

/* What not every adapter has. */
enum elm327_ability {
	ABILITY_NONE = 0,
	ABILITY_FLOW = 1 << 0,        /* ATFCSH, ATFCSD, ATFCSM */
	ABILITY_LONG_HEADER = 1 << 1, /* ATSH with eight digits (2.0) */
	ABILITY_V14 = 1 << 2,         /* ATAMC ATCEA ATCP ATCTM ATCRA without argument ... */
	ABILITY_V2 = 1 << 3,          /* what came with 2.x */
	ABILITY_STN = 1 << 4,
	ABILITY_MULTI_PID = 1 << 5,
	ABILITY_EVENTS = 1 << 6,   /* ATFE */
	ABILITY_IGNITION = 1 << 7, /* its ignition line is wired: else it reads ON */
	ABILITY_PENDING = 1 << 8,  /* waits on when a unit says 78 */
};

struct elm327_make {
	const char *name;
	const char *banner;
	unsigned abilities;
	unsigned baud; /* of the factory */
	bool paced;    /* replies take as long as that speed makes them */
	int64_t search_us, fail_us;
};

const struct elm327_make *elm327_make(const struct elm327 *elm);
static inline bool elm327_able(const struct elm327 *elm, enum elm327_ability ability)
{
	return (elm327_make(elm)->abilities & (unsigned)ability) == (unsigned)ability;
}

void elm327_set_defaults(struct elm327 *elm);
void elm327_say(struct elm327 *elm, const char *text);
void elm327_end_line(struct elm327 *elm);

/* Carries out what follows "AT" or "ST" and says its reply; returns how long that takes. */
int64_t elm327_run_at(struct elm327 *elm, const char *command);
int64_t elm327_run_st(struct elm327 *elm, const char *command);

/* Begins a request in hex. Returns how long a reply takes that is complete, or -1: it is under way, see
 * phase. */
int64_t elm327_run_request(struct elm327 *elm, const char *digits);
int64_t elm327_run_stpx(struct elm327 *elm, const char *arguments); /* H:7E4,D:220101,R:1 */
/* The search is over: the request goes out. Returns like elm327_run_request(). */
int64_t elm327_start_request(struct elm327 *elm);
/* Hears what the bus says until now_us; returns like elm327_run_request(). */
int64_t elm327_listen(struct elm327 *elm);

#endif
