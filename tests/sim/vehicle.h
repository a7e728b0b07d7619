/* A vehicle that drives, parks and charges, as a function of time.
 *
 * It stands in for the physics only: what an ECU would answer is ecu.h's, how an adapter says it is
 * elm327.h's. Deterministic for a seed; the caller owns time.
 */
#ifndef SIM_VEHICLE_H
#define SIM_VEHICLE_H

#include <stdbool.h>
#include <stdint.h>

enum vehicle_kind {
	VEHICLE_BUS_EV,
	VEHICLE_VAN_EV,
	VEHICLE_CAR_PHEV,
	VEHICLE_TRUCK_DIESEL,
	VEHICLE_KIND_COUNT
};

enum vehicle_activity { VEHICLE_DRIVING, VEHICLE_PARKED, VEHICLE_CHARGING };

struct vehicle {
	enum vehicle_kind kind;
	enum vehicle_activity activity;
	unsigned seed;
	int64_t now_us;
	int64_t activity_until_us;
	double odometer_km;
	double speed_kmh;
	double soc_pct;  /* of the traction battery; EVs and PHEVs */
	double fuel_pct; /* engines */
	double coolant_c;
	double aux_battery_v;
	double odometer_step_km; /* > 0: each reading of the odometer is further by this */
	char vin[18];
};

const char *vehicle_kind_name(enum vehicle_kind kind); /* "bus", "van", "car", "truck" */
bool vehicle_has_engine(const struct vehicle *vehicle);
bool vehicle_has_traction_battery(const struct vehicle *vehicle);

/* A vehicle of its own: kind, VIN and how far its day has come follow from `number` (from 1). */
void vehicle_init(struct vehicle *vehicle, unsigned number, int64_t now_us);

/* Lives on until `now_us`; going back in time is ignored. */
void vehicle_step(struct vehicle *vehicle, int64_t now_us);

/* Engine speed; 0 while it does not run. */
double vehicle_rpm(const struct vehicle *vehicle);

#endif
