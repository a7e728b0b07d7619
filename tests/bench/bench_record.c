#include "tests/bench/bench_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char mono_key[] = "\"mono_us\":";

/* xorshift64*: the same records in every run. */
static uint64_t next_random(struct bench_records *records)
{
	uint64_t x = records->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	records->random = x;
	return x * UINT64_C(2685821657736338717) >> 32;
}

/* -reach .. reach */
static int wander(struct bench_records *records, int reach)
{
	return (int)(next_random(records) % (unsigned)(2 * reach + 1)) - reach;
}

static int within(int value, int low, int high)
{
	if (value < low)
		return low;
	return value > high ? high : value;
}

void bench_records_init(struct bench_records *records, int64_t base_us, int64_t step_us)
{
	memset(records, 0, sizeof(*records));
	records->base_us = base_us;
	records->step_us = step_us;
	records->random = UINT64_C(88172645463325252);
	for (int i = 0; i < BENCH_VEHICLES; i++)
		records->vehicles[i] = (struct bench_vehicle){
			.odometer_mm = INT64_C(80000000000) + INT64_C(7654321000) * i,
			.speed_kmh = 3 * i,
			.rpm_quarters = 4 * 800 + 300 * i,
			.coolant_c = 80 + i % 12,
			.battery_mv = i % 2 ? 14150 : 27500,
		};
}

static void drive(struct bench_records *records, struct bench_vehicle *vehicle)
{
	vehicle->speed_kmh = within(vehicle->speed_kmh + wander(records, 3), 0, 95);
	vehicle->rpm_quarters =
		within(4 * (750 + 22 * vehicle->speed_kmh) + wander(records, 240), 2800, 14000);
	if (next_random(records) % 30 == 0)
		vehicle->coolant_c = within(vehicle->coolant_c + wander(records, 1), 78, 96);
	vehicle->battery_mv = within(vehicle->battery_mv + wander(records, 25), 13900, 27800);
	/* One look a second at a vehicle: 1 km/h is 278 mm. */
	vehicle->odometer_mm += INT64_C(278) * vehicle->speed_kmh;
}

size_t bench_records_next(struct bench_records *records, char *out)
{
	const int64_t number = records->number++;
	const unsigned index = (unsigned)(number % BENCH_VEHICLES);
	struct bench_vehicle *vehicle = &records->vehicles[index];
	const int64_t mono_us = records->base_us + number * records->step_us +
				(int64_t)(next_random(records) % (uint64_t)records->step_us);
	const int64_t odometer = vehicle->odometer_mm / 100000; /* tenths of a km */
	int len;

	drive(records, vehicle);
	len = snprintf(out, BENCH_RECORD_MAX,
		       "{\"kind\":\"update\",\"device_id\":\"coach-%02u-obd\",\"provider\":\"obd\","
		       "\"source\":\"coach-%02u\",%s%" PRId64 ",\"vin\":\"ZZ9FRESHET00000%02u\","
		       "\"module_status\":{\"vehicle_state\":\"success\"},\"vehicle_state\":{"
		       "\"odometer_km\":%" PRId64 ".%d,\"speed_kmh\":%d,\"engine_rpm\":%d.%02d,"
		       "\"engine_coolant_temp_c\":%d,\"aux_battery_v\":%d.%03d}}",
		       index + 1, index + 1, mono_key, mono_us, index + 1, odometer / 10,
		       (int)(odometer % 10), vehicle->speed_kmh, vehicle->rpm_quarters / 4,
		       vehicle->rpm_quarters % 4 * 25, vehicle->coolant_c,
		       vehicle->battery_mv / 1000, vehicle->battery_mv % 1000);
	return len > 0 && len < BENCH_RECORD_MAX ? (size_t)len : 0;
}

size_t bench_records_find(int64_t base_us, int64_t step_us, const char *text, size_t len,
			  void (*fn)(void *arg, int64_t number), void *arg)
{
	const size_t key_len = sizeof(mono_key) - 1;
	const char *end = text + len, *at = text;
	size_t found = 0;

	while ((at = memmem(at, (size_t)(end - at), mono_key, key_len))) {
		int64_t mono_us = 0;

		for (at += key_len; at < end && *at >= '0' && *at <= '9'; at++)
			mono_us = mono_us * 10 + (*at - '0');
		if (mono_us >= base_us)
			fn(arg, (mono_us - base_us) / step_us);
		found++;
	}
	return found;
}
