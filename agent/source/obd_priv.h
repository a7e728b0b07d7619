/* What the files of the OBD-II source share. Which file does what:
 *
 *	obd.c           the course of things: open, set up, send, take replies, deal with trouble
 *	obd_discover.c  who is there: protocol, supported parameters, VIN
 *	obd_poll.c      what is asked for when, and what the answers are worth
 *	obd_tell.c      what is told: the source's state, and updates of the vehicle
 *	obd_wants.c     the configuration's list of parameters
 *	obd_trouble.c   the words for an adapter that cannot be reached
 */
#ifndef AGENT_SOURCE_OBD_PRIV_H
#define AGENT_SOURCE_OBD_PRIV_H

#include "agent/protocol/obd2.h"
#include "agent/source/elm_link.h"
#include "agent/source/obd.h"
#include "provider/obd/obd.h"

#define OBD_SECOND INT64_C(1000000)
#define OBD_REOPEN_MIN_US (OBD_SECOND / 2) /* a dongle that is plugged in again is soon found */
#define OBD_BUS_PAUSE_US (2 * OBD_SECOND)

/* In the order of a connection's life; each but CLOSED and OPENING is a command that is out, or one
 * that the timer will send. */
enum obd_phase {
	OBD_PHASE_CLOSED,    /* no device; the timer opens it again */
	OBD_PHASE_OPENING,   /* the link brings the adapter into step */
	OBD_PHASE_INIT,      /* init_commands[step] */
	OBD_PHASE_SEARCH,    /* 0100 */
	OBD_PHASE_PROTOCOL,  /* ATDPN */
	OBD_PHASE_SUPPORT,   /* 0120, 0140 ... */
	OBD_PHASE_VIN,       /* 0902 */
	OBD_PHASE_POLL,      /* polls[current] */
	OBD_PHASE_BUS_CLOSE, /* ATPC */
	OBD_PHASE_BUS_OPEN,  /* ATSP0 */
};

/* A parameter that is asked for again and again. */
struct obd_poll {
	uint8_t pid;
	bool tried; /* since the connect */
	int64_t period_us;
	int64_t backoff_us; /* 0: none; else what is waited after the last failure */
	int64_t due_us;
};

struct obd {
	struct source source;
	struct elm_link link;
	struct loop_timer timer; /* reopen, next poll, pause, sleep */
	enum obd_phase phase;
	size_t step;
	uint8_t base; /* of the bitmap that was asked for */
	struct elm327_config functional;
	struct obd2_support support;
	struct obd_want wants[OBD_WANTS_MAX];
	int want_count; /* 0: by default */
	struct obd_poll polls[OBD_WANTS_MAX];
	size_t poll_count;
	size_t current;
	bool connected; /* discovery is done; records may be whole */
	bool whole_due; /* the first full round is not over yet */
	bool asleep;
	bool running;
	int repeats;
	int bus_errors, garbage, no_data;
	int64_t reopen_us;
	struct obd_evidence evidence;
	struct source_report report;
	struct model_update update;
	struct model_update_room room;
};

static inline int64_t obd_now_us(const struct obd *obd)
{
	return loop_now_us(obd->source.env->loop);
}

/* ---- obd.c ---- */

/* The timer goes off after `us`; what it does depends on the phase. */
void obd_wait_us(struct obd *obd, int64_t us);
/* Begins a phase and sends its command. */
void obd_enter(struct obd *obd, enum obd_phase phase);
/* The adapter is set up from its first command on. */
void obd_start_init(struct obd *obd);
/* Unusable replies in a row: the adapter is not where we think it is. True where it was started
 * anew. */
bool obd_too_much_garbage(struct obd *obd);
/* Nobody is there: look again now and then, gently. */
void obd_fall_asleep(struct obd *obd);

/* ---- obd_trouble.c ---- */

struct obd_trouble {
	const char *reason, *detail; /* static */
};

/* What is said of an adapter at `address` that ended, or did not open, with `error` (-errno). */
const struct obd_trouble *obd_trouble(const char *address, int error);

/* ---- obd_discover.c ---- */

/* Searches the vehicle. Also asks whether anybody is still there: then what was discovered before is
 * kept. */
void obd_start_search(struct obd *obd);
void obd_on_search_reply(struct obd *obd, const struct elm327_reply *reply);
void obd_on_protocol_reply(struct obd *obd, const struct elm327_reply *reply);
void obd_on_support_reply(struct obd *obd, const struct elm327_reply *reply);
void obd_on_vin_reply(struct obd *obd, const struct elm327_reply *reply);

/* ---- obd_poll.c ---- */

/* Makes the list of what is asked for, from the configuration or what the vehicle supports. */
void obd_plan_polls(struct obd *obd);
/* Sends the request that is due, or waits for it. */
void obd_next_poll(struct obd *obd);
void obd_on_poll_reply(struct obd *obd, const struct elm327_reply *reply);
/* The first round after a connect is over, once, when every parameter was asked for: then what is
 * known is stated whole. */
bool obd_round_is_over(struct obd *obd);

/* ---- obd_tell.c ---- */

extern const char obd_starting[]; /* the reason before the first value */

/* Tells the owner where state or reason is another one. `reason` is static. */
void obd_set_state(struct obd *obd, enum source_state state, const char *reason,
		   const char *detail);
/* The vehicle has given a usable answer. */
void obd_set_ok(struct obd *obd);
/* The adapter works but no usable answer comes: says so after a while. */
void obd_check_silence(struct obd *obd);
/* An update with the value of a parameter, and what it says of the ignition. */
void obd_tell_value(struct obd *obd, uint8_t pid, double value);
/* Nobody answers on a bus that works: that is a measurement too. */
void obd_tell_asleep(struct obd *obd);

#endif
