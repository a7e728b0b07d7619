/* The rhythm of asking: what is due, what the bus can bear, and when to leave a vehicle alone.
 *
 * Pure policy: time comes in, decisions go out; the source does the talking. Rules:
 *	each item has a period, and a state of the vehicle in which it may be asked;
 *	an item, a control unit, an adapter that fails is asked less and less;
 *	requests and answers together take at most a share of the bus;
 *	a vehicle that sleeps is not asked: the plug's voltage (which costs no request) says when it
 *	woke, and looks without it are counted against a budget a day.
 *
 * One owner; no I/O, no clock, allocates nothing after rhythm_init().
 */
#ifndef AGENT_SOURCE_RHYTHM_H
#define AGENT_SOURCE_RHYTHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/obd/reading.h"

struct rhythm_config {
	double bus_load_pct;     /* of the bus's time that we may take; 0: no limit */
	unsigned bit_rate;       /* of the bus, bit/s; 0: not known, taken as 500,000 */
	int wake_budget;         /* requests a day to a vehicle that sleeps */
	int64_t asleep_retry_us; /* between two looks at a vehicle that sleeps */
	int64_t voltage_us;      /* between two measurements of the plug's voltage */
	double sleep_below_v; /* on a 12 V system: at or below it a vehicle without ignition is left
				  * alone; 24 V systems are told by their voltage, and take twice that */
	double wake_above_v;  /* and at or above it is looked at again (hysteresis) */
	int64_t linger_us; /* how long a vehicle that is off is still read, so that it may sleep */
};

/* The defaults of a source. */
void rhythm_defaults(struct rhythm_config *config);

/* Something that is asked for. */
struct rhythm_item {
	int64_t period_us;
	enum profile_when when;
	unsigned ecu; /* items of one control unit share its back-off; 0..RHYTHM_ECUS_MAX - 1 */
};

#define RHYTHM_ECUS_MAX 64

enum rhythm_outcome {
	RHYTHM_ANSWERED,
	RHYTHM_REFUSED,    /* negative response, '?': this item is not for this vehicle */
	RHYTHM_UNANSWERED, /* NO DATA */
	RHYTHM_GARBLED,    /* an answer that could not be used: asked again at its period */
};

struct rhythm;

/* Memory for `count` items, made once. Returns 0 or -ENOMEM. */
int rhythm_create(const struct rhythm_config *config, const struct rhythm_item *items, size_t count,
		  struct rhythm **ret_rhythm);
void rhythm_destroy(struct rhythm *rhythm); /* NULL is accepted */

/* The vehicle was found (again): everything is due, back-offs are forgotten; barred items stay. */
void rhythm_connected(struct rhythm *rhythm, int64_t now_us);

/* Takes an item out, or in again: the vehicle does not support it, the adapter cannot reach its
 * control unit. A barred item is never asked. */
void rhythm_bar(struct rhythm *rhythm, size_t index, bool barred);

enum rhythm_action {
	RHYTHM_ASK,     /* *ret_index */
	RHYTHM_VOLTAGE, /* measure the plug's voltage */
	RHYTHM_LOOK, /* see whether the vehicle is awake: one request (0100), paid from the budget */
	RHYTHM_WAIT, /* until *ret_until_us */
};

/* What to do now. Of the items that are due those of the control unit that was asked last come
 * first, as long as all that were due when it was turned to are not done: the adapter is seldom
 * switched, and no unit waits for ever. */
enum rhythm_action rhythm_next(struct rhythm *rhythm, enum obd_activity activity, int64_t now_us,
			       size_t *ret_index, int64_t *ret_until_us);

/* May this item, too, be asked now: due, in this state, not backed off, not barred? For a request that
 * carries several parameters; the bus load was judged for the whole of it by rhythm_next(). */
bool rhythm_is_due(const struct rhythm *rhythm, size_t index, enum obd_activity activity,
		   int64_t now_us);

/* What became of it. `frames` on the bus, request and flow control included. */
void rhythm_asked(struct rhythm *rhythm, size_t index, enum rhythm_outcome outcome, unsigned frames,
		  int64_t now_us);
void rhythm_looked(struct rhythm *rhythm, bool answered, unsigned frames, int64_t now_us);
void rhythm_measured(struct rhythm *rhythm, bool known, double volts, int64_t now_us);
/* The ignition line of the adapter, where it has one. */
void rhythm_ignition(struct rhythm *rhythm, bool on, int64_t now_us);

/* Is the vehicle left alone now, and why. */
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
	int looks_today;  /* of the budget */
	int64_t frames;
	double bus_load_pct; /* of the last minute */
	int64_t held_back;   /* times that the bus load made a request wait */
};
void rhythm_stats(const struct rhythm *rhythm, int64_t now_us, struct rhythm_stats *ret_stats);

#endif
