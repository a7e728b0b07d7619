#include "provider/odometer.h"

#define HOUR_US 3.6e9

void odometer_reset(struct odometer *odometer)
{
	*odometer = (struct odometer){0};
}

static bool explained(double km, double since_km, int64_t elapsed_us)
{
	const double most = ODOMETER_KMH * ((double)elapsed_us / HOUR_US) + ODOMETER_SLACK_KM;

	return km >= since_km && km - since_km <= most;
}

static bool believe(struct odometer *odometer, double km, int64_t mono_us)
{
	odometer->known = true;
	odometer->km = km;
	odometer->at_us = mono_us;
	odometer->held = 0;
	return true;
}

/* Another contradiction, or the first. True where it has been confirmed. */
static bool hold(struct odometer *odometer, double km, int64_t mono_us)
{
	if (odometer->held == 0 ||
	    !explained(km, odometer->held_km, mono_us - odometer->held_last_us)) {
		odometer->held = 0;
		odometer->held_first_us = mono_us;
	}
	odometer->held++;
	odometer->held_km = km;
	odometer->held_last_us = mono_us;
	return odometer->held >= ODOMETER_CONFIRM &&
	       mono_us - odometer->held_first_us >= ODOMETER_CONFIRM_US;
}

bool odometer_accept(struct odometer *odometer, double km, int64_t mono_us)
{
	if (!odometer->known || explained(km, odometer->km, mono_us - odometer->at_us))
		return believe(odometer, km, mono_us);
	if (km < odometer->km && odometer->km - km <= ODOMETER_SLACK_KM) {
		odometer->held = 0;
		return false;
	}
	return hold(odometer, km, mono_us) && believe(odometer, km, mono_us);
}
