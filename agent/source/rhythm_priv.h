/* What the files of the rhythm share. rhythm.c: what is due, back-off, the bus; rhythm_rest.c: when
 * the vehicle is left alone and looked at again. */
#ifndef AGENT_SOURCE_RHYTHM_PRIV_H
#define AGENT_SOURCE_RHYTHM_PRIV_H

#include "agent/source/rhythm.h"

#define RHYTHM_SECOND INT64_C(1000000)
#define RHYTHM_MINUTE (60 * RHYTHM_SECOND)
#define RHYTHM_DAY (86400 * RHYTHM_SECOND)
#define RHYTHM_NEVER INT64_MIN
#define RHYTHM_MINUTE_SLOTS 60
#define RHYTHM_VOLTS_KEPT 4

/* One item and what became of it. */
struct rhythm_entry {
	struct rhythm_item item;
	int64_t due_us;
	int64_t asked_us;   /* last; RHYTHM_NEVER before */
	int64_t hold_us;    /* not before, by its back-off */
	int64_t backoff_us; /* 0: none */
	unsigned frames;    /* of the last exchange; 0: not known */
	bool unanswered;    /* the last time */
	bool refused;       /* the last time */
	bool done;          /* ONCE: answered or refused */
	bool barred;
};

struct rhythm_ecu {
	int64_t until_us;
	int64_t backoff_us; /* 0: none */
};

struct rhythm {
	struct rhythm_config config;
	size_t count;
	struct rhythm_ecu ecus[RHYTHM_ECUS_MAX];
	enum obd_activity activity; /* as last used */
	unsigned last_ecu;
	int64_t turn_us; /* when it was turned to */
	int silent_run;  /* requests in a row that nobody answered */
	int garbled_run; /* and answers in a row that could not be used */
	int64_t pause_us;
	int64_t forgave_us; /* back-offs were forgotten because the vehicle came up */

	/* The bus. */
	double credit; /* bits that may be sent now; negative: to be waited for */
	int64_t credit_us;
	bool held;
	int64_t minute_second[RHYTHM_MINUTE_SLOTS];
	double minute_bits[RHYTHM_MINUTE_SLOTS];
	struct rhythm_stats stats;

	/* Rest. */
	enum rhythm_rest rest;
	int64_t rest_us;        /* since */
	int64_t wake_us;        /* awake since */
	bool found;             /* was ever awake */
	bool doubt;             /* the activity may still be that of before the waking */
	bool peek;              /* woken by a look without a sign: a short visit */
	int64_t off_us;         /* off since; RHYTHM_NEVER: it runs */
	bool sign;              /* it may have woken: look now */
	int64_t look_us;        /* the last one */
	int64_t bright_wait_us; /* between looks while the voltage says awake */
	bool line_known, line_on;

	/* The plug's voltage. */
	bool volts_known;
	double volts;
	int64_t volts_us;
	int64_t measure_us; /* next */
	int64_t measure_wait_us;
	int low_run, high_24_run, low_24_run;
	bool is_24v;
	bool armed; /* it was below the waking voltage since the rest began */
	double kept[RHYTHM_VOLTS_KEPT];
	size_t kept_count;

	/* When looks were paid, a ring of the last `budget`. */
	size_t budget, paid_next;
	int64_t *paid;
	struct rhythm_entry entries[];
};

/* ---- rhythm.c ---- */

/* May it be asked of a vehicle in this state? */
bool rhythm_eligible(const struct rhythm_entry *entry, enum obd_activity activity);
/* Back-offs for want of an answer are forgotten: whoever slept may be awake now. */
void rhythm_forgive(struct rhythm *rhythm, int64_t now_us);
/* Frames went over the bus. */
void rhythm_spend(struct rhythm *rhythm, unsigned frames, int64_t now_us);

/* ---- rhythm_rest.c ---- */

void rhythm_rest_init(struct rhythm *rhythm);
/* What an activity is worth: the ignition line knows better, and what was before a waking is none. */
enum obd_activity rhythm_rest_believed(const struct rhythm *rhythm, enum obd_activity activity);
/* Takes the activity; begins a rest where it is time. Sets rhythm->activity. */
void rhythm_rest_step(struct rhythm *rhythm, enum obd_activity activity, int64_t now_us);
/* While resting: when to look again. */
int64_t rhythm_rest_look_due(const struct rhythm *rhythm, int64_t now_us);
/* While awake: when rest begins if nothing changes; INT64_MAX: never. */
int64_t rhythm_rest_begins(const struct rhythm *rhythm);
/* It was found; `woke`: there was a sign that it woke by itself just now. */
void rhythm_rest_wake(struct rhythm *rhythm, bool woke, int64_t now_us);
/* Looks paid in the last 24 h. */
size_t rhythm_rest_paid(const struct rhythm *rhythm, int64_t now_us);
/* Does the plug say that the vehicle runs, or is charged? */
bool rhythm_rest_is_bright(const struct rhythm *rhythm, int64_t now_us);
bool rhythm_rest_is_dark(const struct rhythm *rhythm, int64_t now_us); /* or that it does not? */

#endif
