/* What the files of the way through an adapter share.
 *
 *	obd_elm.c        opening and closing; one command after the other, its reply
 *	obd_elm_way.c    whom a request is for: the commands that lead there
 *	obd_elm_setup.c  its settings, what it can do
 *	obd_elm_own.c    its own questions: protocol, patience, voltage
 *	obd_elm_mend.c   what is done about each of its error texts
 *
 * The course: open, (find the line's speed,) bring into step, set up, probe: ready. It is always in
 * exactly one of: a command is out (the link is busy), a timer is armed, nothing is asked of it.
 */
#ifndef AGENT_SOURCE_OBD_ELM_PRIV_H
#define AGENT_SOURCE_OBD_ELM_PRIV_H

#include "agent/source/elm_link.h"
#include "agent/source/obd_bus.h"

#define ELM_SECOND INT64_C(1000000)
#define ELM_BUS_PAUSE_US (2 * ELM_SECOND)
#define ELM_COMMAND_US (2 * ELM_SECOND) /* an adapter's own command; a reset takes a second */

/* What the command that is out is for. */
enum elm_phase {
	ELM_PHASE_OPENING,   /* the link brings the adapter into step */
	ELM_PHASE_SETUP,     /* the set-up's commands */
	ELM_PHASE_PROBE,     /* what the adapter can do, and back from there */
	ELM_PHASE_PROTOCOL,  /* ATDPN, ATSP */
	ELM_PHASE_WAY,       /* to the request's target */
	ELM_PHASE_REQUEST,   /* the vehicle's */
	ELM_PHASE_PATIENCE,  /* the adapter waits longer, or as usual again */
	ELM_PHASE_VOLTAGE,   /* ATIGN, ATRV */
	ELM_PHASE_BUS_CLOSE, /* ATPC */
	ELM_PHASE_BUS_OPEN,  /* ATSP */
	ELM_PHASE_COUNT
};

/* A target to which the adapter could not be led. */
struct elm_way {
	struct diag_target target;
	int failures; /* in a row */
};

/* A command as it is sent. */
struct elm_outgoing {
	char text[ELM327_COMMAND_MAX + 1];
	struct elm327_config config;
	int64_t timeout_us;
};

struct obd_elm {
	struct obd_bus bus;
	struct elm_link link;
	struct loop_timer timer;
	void (*later)(struct obd_elm *elm); /* what the timer is for */
	enum elm_phase phase;
	struct elm_outgoing out;
	struct obd_request request;
	struct elm327_switch way; /* commands that come before it */
	size_t way_step;
	struct diag_target talks_to;          /* where the adapter stands */
	bool has_target;                      /* false: as after the set-up */
	struct elm_way ways[RHYTHM_ECUS_MAX]; /* where it could not be led */
	size_t way_count;
	struct obd_reply reply;

	size_t step;  /* of the set-up, the probing */
	int failures; /* of the set-up, in a row */
	int64_t inits;
	unsigned baud;       /* at which the adapter was last found; 0: never */
	unsigned answers_at; /* baud, as it is reported */
	char missing[160], chip[ELM327_TEXT_MAX]; /* as they are reported */

	struct elm327_capabilities can;
	struct elm327_switch undo; /* of the probing */
	bool undoing, undo_owed;
	int undo_failures;      /* since it was opened */
	uint8_t usual;          /* ATSP's, to begin with */
	uint8_t fixed;          /* ATSP's; 0: search */
	bool line_on, line_off; /* what its ignition line has said: one alone says nothing */
	bool echo_off;          /* since the set-up it gave a reply without its command */
	bool header_sent;       /* since the set-up: the adapter's own would be another's */

	int pendings; /* the unit wants time */
	int64_t pending_since_us;
	bool patient; /* the adapter was told to wait longer */
};

/* ---- obd_elm.c ---- */

void elm_wait(struct obd_elm *elm, int64_t us, void (*later)(struct obd_elm *elm));
/* Sends a command of the adapter's own. */
void elm_say(struct obd_elm *elm, enum elm_phase phase, const char *command);
/* The same within a phase. */
void elm_send_command(struct obd_elm *elm, const char *command);
/* Sends the request itself. */
void elm_send_request(struct obd_elm *elm);
/* Sends what was sent last, whatever that was. */
void elm_send_again(struct obd_elm *elm);
/* Tells the source what came of its request. */
void elm_tell(struct obd_elm *elm, const struct elm327_reply *reply);

/* ---- obd_elm_way.c ---- */

/* Besides enum elm327_target_error: it said that it can, and then could not. */
#define ELM_E_WAY (-100)
int elm_find_way(const struct obd_elm *elm, const struct diag_target *target,
		 struct elm327_switch *ret_way);
const char *elm_way_problem(int error);
/* Leads the adapter to elm->request.target by elm->way, then sends the request. */
void elm_walk(struct obd_elm *elm);
void elm_on_way_reply(struct obd_elm *elm, const struct elm327_reply *reply);

/* ---- obd_elm_setup.c ---- */

/* The adapter is set up from its first command on. */
void elm_start_setup(struct obd_elm *elm);
void elm_on_setup_reply(struct obd_elm *elm, const struct elm327_reply *reply);
/* Asks for what is not known yet of what the adapter can do on this bus; then it is ready. */
void elm_start_probe(struct obd_elm *elm);
void elm_on_probe_reply(struct obd_elm *elm, const struct elm327_reply *reply);

/* ---- obd_elm_own.c ---- */

void elm_ask_protocol(struct obd_elm *elm);
void elm_on_protocol_reply(struct obd_elm *elm, const struct elm327_reply *reply);
/* True where the unit that wants time gets some. */
bool elm_wait_on(struct obd_elm *elm, const struct elm327_reply *reply);
/* Puts back what waiting needed. False where there is nothing to put back. */
bool elm_wait_as_usual(struct obd_elm *elm);
void elm_on_patience_reply(struct obd_elm *elm, const struct elm327_reply *reply);
bool elm_measure(struct obd_elm *elm);
void elm_on_voltage_reply(struct obd_elm *elm, const struct elm327_reply *reply);

/* ---- obd_elm_mend.c ---- */

/* What every command has in common. True where the reply is dealt with. */
bool elm_mend(struct obd_elm *elm, const struct elm327_reply *reply);
/* An echo that comes back says that the adapter has forgotten its settings, whatever became of the text
 * that told so. True where it is set up anew. */
bool elm_mend_echo(struct obd_elm *elm, const struct elm327_reply *reply);
bool elm_recover(struct obd_elm *elm, int errors);
void elm_on_bus_close_reply(struct obd_elm *elm, const struct elm327_reply *reply);
void elm_on_bus_open_reply(struct obd_elm *elm, const struct elm327_reply *reply);

#endif
