/* Lines of gpsd of any shape: every fix that comes out is a place on earth. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "agent/source/gps_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct gps_fix *fix)
{
	if (!(fabs(fix->latitude) <= 90) || !(fabs(fix->longitude) <= 180))
		abort();
	if ((fix->has_track && !(fix->track_deg >= 0 && fix->track_deg <= 360)) ||
	    (fix->has_speed && !(fix->speed_kmh >= 0)) ||
	    (fix->has_accuracy && !(fix->accuracy_m > 0)) ||
	    (fix->has_altitude && !isfinite(fix->altitude_m)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gps_gpsd *gpsd;
	struct gps_fix fix = {0};
	bool line;

	if (!gpsd && gps_gpsd_create(&gpsd))
		return 0;
	gps_gpsd_reset(gpsd);
	for (size_t i = 0; i < size; i++)
		if (gps_gpsd_feed(gpsd, data[i], 1, &line, &fix) == GPS_FIX)
			judge(&fix);
	if (gps_gpsd_feed(gpsd, '\n', 1, &line, &fix) == GPS_FIX)
		judge(&fix);
	return 0;
}
