/* What the files of the reading share: bus_reading.c (one value), bus_reading_derive.c (what follows from
 * several). */
#ifndef PROVIDER_BUS_BUS_READING_PRIV_H
#define PROVIDER_BUS_BUS_READING_PRIV_H

#include "provider/bus/bus_reading.h"
#include "provider/odometer.h"

#define BUS_HEARD_US INT64_C(10000000) /* how long what was heard counts, at least */

#define BUS_IGNITION_NONE (-1) /* nothing was said yet */
#define BUS_IGNITION_SAID (-2) /* by a signal of its own */

/* Whose word counts for a field now. */
struct bus_holder {
	int rank; /* 0: the most trusted */
	uint8_t source;
	size_t signal;
	int64_t heard_us; /* MODEL_NO_TIME: nobody's yet */
	int64_t window_us;
};

/* What a signal of the map is beside what the file says. */
struct bus_signal_state {
	int rank;          /* of its first source, in its field's order of trust */
	int64_t window_us; /* how long it counts once it was heard */
	int64_t given_us;  /* MODEL_NO_TIME: not yet */
	struct model_value given;
};

/* A number that something is derived from. */
struct bus_evidence {
	double value;
	int64_t at_us; /* MODEL_NO_TIME: not heard */
	int64_t window_us;
	bool fresh; /* given since the last derivation */
};

struct bus_reading {
	const struct bus_map *map;
	struct bus_holder holders[MODEL_FIELD_COUNT];
	bool mapped[MODEL_FIELD_COUNT];
	struct odometer odometer;
	int64_t start_us; /* of listening; MODEL_NO_TIME: nothing was heard yet */
	struct bus_evidence rpm, speed, voltage, current;
	int ignition; /* enum model_ignition that was derived last, or BUS_IGNITION_x */
	struct bus_reading_counts counts;
	struct bus_signal_state signals[];
};

static inline bool bus_recent(const struct bus_evidence *evidence, int64_t mono_us)
{
	return evidence->at_us != MODEL_NO_TIME && mono_us - evidence->at_us <= evidence->window_us;
}

/* Does the engine turn, or the vehicle move? */
bool bus_reading_runs(const struct bus_reading *reading, int64_t mono_us);

#endif
