/* What a vehicle's bus says unasked, becoming the canonical model: the memory of one vehicle whose bus
 * is listened to.
 *
 * Several units say the same thing, and not all are right: a cluster counts its odometer up from 0
 * after it wakes while the tachograph has it right all the time. So each signal has an order of
 * trust; a source further down counts only while none before it has been heard for a while; the
 * odometer's guard refuses what no vehicle can do; what is not plausible is refused and counted.
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

/* Takes a value of signal `index` of the map, said by `source` (J1939: its address; DBC: 0) at
 * `mono_us`; sets its field in `update` where it counts. Returns how many fields were set, 0 or 1. */
int bus_reading_take(struct bus_reading *reading, size_t index, uint8_t source, double value,
		     int64_t mono_us, struct model_update *update);

/* Adds what follows from several values (pack power, ignition). Returns how many fields were set. */
int bus_reading_derive(struct bus_reading *reading, int64_t mono_us, struct model_update *update);

/* Nothing has been heard on the bus: ignition off. Returns how many fields were set. */
int bus_reading_silent(struct bus_reading *reading, int64_t mono_us, struct model_update *update);

void bus_reading_counts(const struct bus_reading *reading, struct bus_reading_counts *ret_counts);

#endif
