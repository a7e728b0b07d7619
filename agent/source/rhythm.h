/* The rhythm of asking: what is due, what the bus can bear, and when to leave a vehicle alone.
 *
 * Pure policy: time comes in, decisions go out; the source does the talking. Rules:
 *	each item has a period, and a state of the vehicle in which it may be asked;
 *	an item, a control unit, an adapter that fails is asked less and less;
 *	requests and answers together take at most a share of the bus;
 *	a vehicle that sleeps is not asked: the plug's voltage (which costs no request) says when it
 *	woke, and looks without it are counted against a budget a day;
 *	a vehicle that is off is read for a while and then left alone although it still answers: many
 *	stay awake as long as somebody asks, until their 12 V battery is flat.
 *
 * One owner; no I/O, no clock, allocates nothing after rhythm_create().
 */
#ifndef AGENT_SOURCE_RHYTHM_H
#define AGENT_SOURCE_RHYTHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/obd/reading.h"

/* Beside each its default and why. */
struct rhythm_config {
	/* 2 %: of the bus's time that we may take, 0: no limit. Diagnostic traffic has low priority,
	 * but gateways queue; 2 % of 500 kbit/s are 60 frames a second, twice what an ELM327 manages. */
	double bus_load_pct;
	unsigned bit_rate; /* of the bus, bit/s; 0: not known, taken as 500,000 */
	/* 48: requests a day to a vehicle that sleeps. A quarter of it is kept for looks with a sign;
	 * where the plug's voltage cannot be measured the others are spread evenly over the day, one
	 * in 40 min, else they are seldom used up. */
	int wake_budget;
	/* 4 h: between two looks without a sign where the voltage is measured: it tells every engine
	 * and every converter that starts, and many vehicles are woken for ten minutes by a request. */
	int64_t asleep_retry_us;
	/* 60 s: between two measurements of the plug's voltage. They keep the source fresh for the
	 * core through the night, and are how long a waking goes unnoticed. */
	int64_t voltage_us;
	/* 12.4 V: on a 12 V system; at or below it a vehicle without ignition is left alone: a lead
	 * battery at rest with 12.4 V is at three quarters. 24 V systems are told by their voltage and
	 * take twice that. */
	double sleep_below_v;
	/* 13.2 V: and at or above it is looked at again: above what a battery shows after charging, so
	 * an alternator or a converter runs. */
	double wake_above_v;
	/* 5 min: how long a vehicle that is off is still read: the last state of charge, the doors,
	 * and a driver who comes back from the shop. */
	int64_t linger_us;
};

/* The defaults of a source. */
void rhythm_defaults(struct rhythm_config *config);

/* Something that is asked for. */
struct rhythm_item {
	int64_t period_us; /* > 0 */
	enum profile_when when;
	unsigned ecu; /* items of one control unit share its back-off; 0..RHYTHM_ECUS_MAX - 1 */
};

#define RHYTHM_ECUS_MAX 64
#define RHYTHM_BUDGET_MAX 10000 /* a larger wake_budget counts as this */

/* A frame on the bus, worst case: 29-bit identifier, 8 data bytes, all stuff bits and the gap
 * between frames (ISO 11898-1: 131 + 29 bits; with an 11-bit identifier 111 + 24). */
#define RHYTHM_FRAME_BITS 160

enum rhythm_outcome {
	RHYTHM_ANSWERED,
	RHYTHM_REFUSED,    /* negative response, '?': this item is not for this vehicle */
	RHYTHM_UNANSWERED, /* NO DATA */
	RHYTHM_GARBLED,    /* an answer that could not be used: asked again at its period */
};

struct rhythm;

/* Memory for `count` items, made once; `items` is copied. A new
 * rhythm rests (RHYTHM_REST_SILENT) and looks at once. Returns 0 or -ENOMEM. */
int rhythm_create(const struct rhythm_config *config, const struct rhythm_item *items, size_t count,
		  struct rhythm **ret_rhythm);
void rhythm_destroy(struct rhythm *rhythm); /* NULL is accepted */

/* The bus is another one. */
void rhythm_set_bit_rate(struct rhythm *rhythm, unsigned bit_rate);

/* The vehicle was found (again): everything is due, back-offs are forgotten; barred items stay. What
 * is known of how long it has been off is kept: an adapter with a loose contact keeps no vehicle
 * awake. */
void rhythm_connected(struct rhythm *rhythm, int64_t now_us);

/* Takes an item out, or in again: the vehicle does not support it, the adapter cannot reach its
 * control unit. A barred item is never asked. */
void rhythm_bar(struct rhythm *rhythm, size_t index, bool barred);

/* Each but WAIT is to be done and its outcome told; until then rhythm_next() says the same again. */
enum rhythm_action {
	RHYTHM_ASK, /* *ret_index; tell rhythm_asked() */
	/* Measure the plug's voltage, tell rhythm_measured(); where the adapter has an ignition line,
	 * read that too and tell rhythm_ignition() before. No request to the vehicle. */
	RHYTHM_VOLTAGE,
	/* See whether the vehicle is awake: one request (0100, or another that any such vehicle
	 * answers); tell rhythm_looked(). While the vehicle rests it is paid from the budget; it also
	 * comes while it is awake and nothing was answered for a while. */
	RHYTHM_LOOK,
	RHYTHM_WAIT, /* until *ret_until_us, or the activity changes */
};

/* What to do now. `activity` as the reading says. Right after a connect or a look that was answered it
 * may still say asleep: it is believed once it said something else. The most overdue item comes first,
 * in periods. Of the items that are due those of the control unit that was asked last come first, as
 * long as all that were due when it was turned to are not done: the adapter is seldom switched, and
 * no unit waits for ever. The out-parameter of the action is set, the other untouched. */
enum rhythm_action rhythm_next(struct rhythm *rhythm, enum obd_activity activity, int64_t now_us,
			       size_t *ret_index, int64_t *ret_until_us);

/* May this item, too, be asked now: due, in this state, not backed off, not barred? For a request that
 * carries several parameters; the bus load was judged for the whole of it by rhythm_next(). */
bool rhythm_is_due(const struct rhythm *rhythm, size_t index, enum obd_activity activity,
		   int64_t now_us);

/* What became of it. `frames` on the bus, request and flow control included; 0 for an item that went
 * with the request of another, which is told first. */
void rhythm_asked(struct rhythm *rhythm, size_t index, enum rhythm_outcome outcome, unsigned frames,
		  int64_t now_us);
/* Also for looks that the source did on its own account. One that is not answered means rest. */
void rhythm_looked(struct rhythm *rhythm, bool answered, unsigned frames, int64_t now_us);
/* Anything but 4 to 32 V counts as not known. */
void rhythm_measured(struct rhythm *rhythm, bool known, double volts, int64_t now_us);
/* The ignition line of the adapter, where it has one. */
void rhythm_ignition(struct rhythm *rhythm, bool on, int64_t now_us);

/* Is the vehicle left alone now, and why: as rhythm_next() last decided. */
enum rhythm_rest {
	RHYTHM_AWAKE,
	RHYTHM_REST_SILENT,  /* nobody answers */
	RHYTHM_REST_VOLTAGE, /* its battery must be spared */
	RHYTHM_REST_OFF,     /* it is off, and was read long enough */
};
enum rhythm_rest rhythm_rest(const struct rhythm *rhythm);

struct rhythm_stats {
	int64_t requests; /* asked and looked */
	int64_t looks;    /* at a vehicle that sleeps */
	int looks_today;  /* of the budget: in the last 24 h */
	int64_t frames;
	double bus_load_pct; /* of the last minute */
	int64_t held_back;   /* times that the bus load made a request wait */
	bool has_voltage;    /* the plug's voltage is measured */
	bool is_24v;
	bool is_bright; /* voltage or ignition line say that it runs, or is charged */
	bool is_dark;   /* the voltage says that it does not run */
};
void rhythm_stats(const struct rhythm *rhythm, int64_t now_us, struct rhythm_stats *ret_stats);

#endif
