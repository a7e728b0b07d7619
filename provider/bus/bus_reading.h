/* What a vehicle's bus says unasked, becoming the canonical model: the memory of one vehicle whose bus
 * is listened to.
 *
 * Several units say the same thing, and not all are right: a cluster counts its odometer up from 0
 * after it wakes while the tachograph has it right all the time. So:
 *	a field has an order of trust: its signals in the order of the map, and of each signal the
 *	sources in their order. One further down counts only while none before it has been heard for
 *	10 s (or three of its periods, where that is more), also after the start. Of those that are
 *	trusted alike, the one that was heard first has the field until it has been quiet that long;
 *	an odometer of any but the most trusted source counts only while the engine turns or the
 *	vehicle moves, where the map knows either; and the odometer's guard (odometer.h) refuses what
 *	no vehicle can do, until a more trusted source speaks;
 *	what is not plausible (the map's bounds, the field's own) is refused and counted, and its
 *	source has not been heard;
 *	a value is given at most once in its signal's period, a BOOL or a word also when it changes;
 *	power is voltage times current where both were read within 3 s, once a current;
 *	ignition, where no signal says it: on while the engine turns or the vehicle moves; accessory
 *	while an engine that stands is heard; unknown when neither is heard any more; off when the bus
 *	is silent. It is set with the values that it rests on, and when it changes;
 *	a location is available where both coordinates are in one update.
 *
 * Allocates once, when it is made. One thread.
 */
#ifndef PROVIDER_BUS_BUS_READING_H
#define PROVIDER_BUS_BUS_READING_H

#include "model/update.h"
#include "provider/bus/bus_map.h"

#define BUS_PROVIDER_J1939 "j1939"
#define BUS_PROVIDER_CAN "can"

struct bus_reading;

struct bus_reading_counts {
	int64_t values;      /* given */
	int64_t implausible; /* refused */
	int64_t outranked;   /* a better source is there */
	int64_t thinned;     /* more often than the map wants */
};

/* `map` must outlive it. Returns 0 or -ENOMEM. */
int bus_reading_create(const struct bus_map *map, struct bus_reading **ret_reading);
void bus_reading_destroy(struct bus_reading *reading); /* NULL is accepted */
/* Forgets what was read; another vehicle may be there now. The odometer's guard goes too. */
void bus_reading_reset(struct bus_reading *reading);

/* Takes a value of signal `index` of the map, said by `source` (J1939: its address; DBC: 0) at
 * `mono_us`; sets its field in `update` where it counts. Returns how many fields were set, 0 or 1. */
int bus_reading_take(struct bus_reading *reading, size_t index, uint8_t source, double value,
		     int64_t mono_us, struct model_update *update);

/* Adds what follows from several values (pack power, ignition). Returns how many fields were set. */
int bus_reading_derive(struct bus_reading *reading, int64_t mono_us, struct model_update *update);

/* Nothing has been heard on the bus: ignition off, and what was heard counts no more. Returns how many
 * fields were set. */
int bus_reading_silent(struct bus_reading *reading, int64_t mono_us, struct model_update *update);

void bus_reading_counts(const struct bus_reading *reading, struct bus_reading_counts *ret_counts);

#endif
