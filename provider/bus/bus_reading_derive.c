/* What follows from several values. */
#include "provider/bus/bus_reading_priv.h"

#define TURNING_RPM 50.0 /* less is a sensor's noise; no engine idles below 400 */
#define MOVING_KMH 1.0
#define TOGETHER_US INT64_C(3000000)

bool bus_reading_runs(const struct bus_reading *reading, int64_t mono_us)
{
	return (bus_recent(&reading->rpm, mono_us) && reading->rpm.value > TURNING_RPM) ||
	       (bus_recent(&reading->speed, mono_us) && reading->speed.value > MOVING_KMH);
}

/* BUS_IGNITION_NONE: nothing is known, or was. */
static int ignition_of(const struct bus_reading *reading, int64_t mono_us)
{
	if (bus_reading_runs(reading, mono_us))
		return MODEL_IGNITION_ON;
	if (bus_recent(&reading->rpm, mono_us))
		return MODEL_IGNITION_ACCESSORY;
	return reading->ignition == BUS_IGNITION_NONE ? BUS_IGNITION_NONE : MODEL_IGNITION_UNKNOWN;
}

static int derive_ignition(struct bus_reading *reading, int64_t mono_us,
			   struct model_update *update)
{
	const bool fresh = reading->rpm.fresh || reading->speed.fresh;
	const int ignition = ignition_of(reading, mono_us);

	reading->rpm.fresh = false;
	reading->speed.fresh = false;
	/* A signal of its own says it better, while it is heard. */
	if (reading->holders[MODEL_FIELD_IGNITION].heard_us != MODEL_NO_TIME &&
	    mono_us - reading->holders[MODEL_FIELD_IGNITION].heard_us <=
		    reading->holders[MODEL_FIELD_IGNITION].window_us) {
		reading->ignition = BUS_IGNITION_SAID;
		return 0;
	}
	if (ignition < 0 ||
	    (ignition == reading->ignition && (!fresh || ignition == MODEL_IGNITION_UNKNOWN)))
		return 0;
	reading->ignition = ignition;
	return model_update_set_integer(update, MODEL_FIELD_IGNITION, ignition) == 0;
}

static bool are_together(const struct bus_evidence *one, const struct bus_evidence *other)
{
	return one->at_us != MODEL_NO_TIME && other->at_us != MODEL_NO_TIME &&
	       one->at_us - other->at_us <= TOGETHER_US && other->at_us - one->at_us <= TOGETHER_US;
}

static int derive_power(struct bus_reading *reading, struct model_update *update)
{
	if (!reading->current.fresh || reading->mapped[MODEL_FIELD_PACK_POWER_KW] ||
	    !are_together(&reading->current, &reading->voltage))
		return 0;
	reading->current.fresh = false;
	return model_update_set_number(update, MODEL_FIELD_PACK_POWER_KW,
				       reading->voltage.value * reading->current.value / 1000) == 0;
}

static int derive_location(struct model_update *update)
{
	if (!model_update_get(update, MODEL_FIELD_LATITUDE) ||
	    !model_update_get(update, MODEL_FIELD_LONGITUDE))
		return 0;
	return model_update_set_text(update, MODEL_FIELD_LOCATION_STATUS, "available", 9) == 0;
}

int bus_reading_derive(struct bus_reading *reading, int64_t mono_us, struct model_update *update)
{
	return derive_power(reading, update) + derive_ignition(reading, mono_us, update) +
	       derive_location(update);
}
