/* Records for the benchmarks: what 20 vehicles say through OBD adapters, as an agent's sampler writes
 * it, about 300 bytes each. Values wander as a vehicle's do, in steps of the sensor's resolution, and
 * the times between two records are uneven: a compressor finds in them what it finds on the road.
 *
 * A record says its number: mono_us lies between base + number * step and base + (number + 1) * step.
 */
#ifndef TESTS_BENCH_RECORD_H
#define TESTS_BENCH_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_RECORD_MAX 400
#define BENCH_VEHICLES 20

struct bench_vehicle {
	int64_t odometer_mm;
	int speed_kmh;
	int rpm_quarters;
	int coolant_c;
	int battery_mv;
};

struct bench_records {
	int64_t base_us, step_us;
	int64_t number; /* of the next record */
	uint64_t random;
	struct bench_vehicle vehicles[BENCH_VEHICLES];
};

/* Begins at number 0. `step_us` is at least 1. */
void bench_records_init(struct bench_records *records, int64_t base_us, int64_t step_us);
/* Writes the next record (not NUL-terminated) to `out`, which has BENCH_RECORD_MAX bytes; how long it
 * is. */
size_t bench_records_next(struct bench_records *records, char *out);

/* Shows the number of each record in `text`, which is one record or an array of them, in the order in
 * which they stand there. Returns how many there were. */
size_t bench_records_find(int64_t base_us, int64_t step_us, const char *text, size_t len,
			  void (*fn)(void *arg, int64_t number), void *arg);

#endif
