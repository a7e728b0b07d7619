/* OBD-II values become canonical fields.
 *
 * Only what a vehicle sent is set; a parameter that has no canonical field sets nothing, and a value
 * that no vehicle can have is refused by the model's ranges. Stateless; any thread.
 */
#ifndef PROVIDER_OBD_OBD_H
#define PROVIDER_OBD_OBD_H

#include "model/update.h"

#define OBD_PROVIDER "obd"

/* The canonical field of a parameter of service 01, or -1 where it has none. */
int obd_field(uint8_t pid);

/* Sets the field of `pid` from its decoded value in the unit of SAE J1979-DA. Returns 1 where it was
 * set, 0 where the parameter has no canonical field, MODEL_E_INVALID where the value is out of the
 * field's range, MODEL_E_SPACE; nothing changed but with 1. */
int obd_apply(struct model_update *update, uint8_t pid, double value);

/* What is known of whether the vehicle is on. */
struct obd_evidence {
	bool answers; /* an ECU answered just now */
	bool silent;  /* the bus is silent: nobody answered though the adapter works */
	bool has_rpm, has_speed, has_voltage;
	double rpm, speed_kmh, voltage_v;
};

/* At and above this the 12 V system is being charged: alternator or DC/DC converter is running. */
#define OBD_CHARGING_V 13.2

/* on: the engine turns, the vehicle moves, or the 12 V system is being charged; accessory: ECUs
 * answer but none of that; off: the bus is silent; unknown: no evidence. An electric vehicle that
 * charges also runs its converter: without speed or engine speed, charging voltage alone says
 * unknown. */
enum model_ignition obd_ignition(const struct obd_evidence *evidence);

#endif
