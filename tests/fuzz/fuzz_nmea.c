/* NMEA sentences of any shape: every fix that comes out is a place on earth after the floor. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "agent/protocol/nmea.h"

#define FLOOR_MS INT64_C(1577836800000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct nmea_fix *fix)
{
	if (fix->time_ms < FLOOR_MS || !(fabs(fix->latitude) <= 90) ||
	    !(fabs(fix->longitude) <= 180))
		abort();
	if ((fix->has_track && !(fix->track_deg >= 0 && fix->track_deg <= 360)) ||
	    (fix->has_speed && !(fix->speed_kmh >= 0)) || !(nmea_accuracy_m(fix) >= 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nmea_fix fix = {0};
	struct nmea nmea;

	nmea_init(&nmea, FLOOR_MS);
	for (size_t i = 0; i < size; i++)
		if (nmea_feed(&nmea, data[i], &fix) == NMEA_FIX)
			judge(&fix);
	if (nmea_flush(&nmea, &fix) == NMEA_FIX)
		judge(&fix);
	return 0;
}
