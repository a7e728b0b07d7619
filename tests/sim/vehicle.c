#include "tests/sim/vehicle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US 1000000

struct kind_facts {
	const char *name;
	bool engine;
	bool traction_battery;
	double cruise_kmh;
	double battery_kwh;
	double kwh_per_km;
	double fuel_pct_per_km;
	double charge_kw;
	double aux_v; /* 12 or 24 V system, with the converter or alternator running */
};

static const struct kind_facts kinds[VEHICLE_KIND_COUNT] = {
	[VEHICLE_BUS_EV] = {"bus", false, true, 32, 420, 1.25, 0, 150, 27.6},
	[VEHICLE_VAN_EV] = {"van", false, true, 48, 75, 0.28, 0, 22, 14.2},
	[VEHICLE_CAR_PHEV] = {"car", true, true, 62, 13, 0.18, 0.06, 7.4, 14.3},
	[VEHICLE_TRUCK_DIESEL] = {"truck", true, false, 70, 0, 0, 0.09, 0, 28.1},
};

static const struct kind_facts *facts(const struct vehicle *vehicle)
{
	return &kinds[vehicle->kind];
}

const char *vehicle_kind_name(enum vehicle_kind kind)
{
	return kinds[kind].name;
}

bool vehicle_has_engine(const struct vehicle *vehicle)
{
	return facts(vehicle)->engine;
}

bool vehicle_has_traction_battery(const struct vehicle *vehicle)
{
	return facts(vehicle)->traction_battery;
}

/* A small generator of its own (Numerical Recipes' LCG), so that a seed gives the same day
 * everywhere. */
static double chance(struct vehicle *vehicle)
{
	vehicle->seed = vehicle->seed * 1664525u + 1013904223u;
	return (double)(vehicle->seed >> 8) / (double)(1u << 24);
}

static void begin(struct vehicle *vehicle, enum vehicle_activity activity, double least_s,
		  double most_s)
{
	double seconds = least_s + chance(vehicle) * (most_s - least_s);

	vehicle->activity = activity;
	vehicle->activity_until_us = vehicle->now_us + (int64_t)(seconds * SECOND_US);
}

static void begin_next(struct vehicle *vehicle)
{
	bool thirsty = facts(vehicle)->traction_battery && vehicle->soc_pct < 60;

	if (vehicle->activity == VEHICLE_DRIVING && thirsty)
		begin(vehicle, VEHICLE_CHARGING, 240, 900);
	else if (vehicle->activity == VEHICLE_DRIVING)
		begin(vehicle, VEHICLE_PARKED, 20, 60);
	else
		begin(vehicle, VEHICLE_DRIVING, 180, 600);
}

void vehicle_init(struct vehicle *vehicle, unsigned number, int64_t now_us)
{
	memset(vehicle, 0, sizeof(*vehicle));
	vehicle->seed = number * 2654435761u;
	vehicle->kind = (enum vehicle_kind)((number - 1) % VEHICLE_KIND_COUNT);
	vehicle->now_us = now_us;
	vehicle->odometer_km = 8000 + 90000 * chance(vehicle);
	vehicle->soc_pct = 35 + 60 * chance(vehicle);
	vehicle->fuel_pct = 30 + 65 * chance(vehicle);
	vehicle->coolant_c = 20;
	vehicle->aux_battery_v = facts(vehicle)->aux_v;
	/* A made-up manufacturer of a region that does not use the check digit. */
	snprintf(vehicle->vin, sizeof(vehicle->vin), "ZZ9FRESHET%07u", number % 10000000u);
	if (facts(vehicle)->traction_battery && number % 5 == 2)
		begin(vehicle, VEHICLE_CHARGING, 240, 900);
	else
		begin(vehicle, VEHICLE_DRIVING, 180, 600);
}

static void drive(struct vehicle *vehicle, double seconds)
{
	const struct kind_facts *kind = facts(vehicle);
	double target = kind->cruise_kmh * (0.4 + 1.1 * chance(vehicle));
	double km;

	vehicle->speed_kmh += (target - vehicle->speed_kmh) * fmin(1, seconds / 8);
	km = vehicle->speed_kmh * seconds / 3600;
	vehicle->odometer_km += km;
	if (kind->traction_battery)
		vehicle->soc_pct =
			fmax(4, vehicle->soc_pct - 100 * km * kind->kwh_per_km / kind->battery_kwh);
	vehicle->fuel_pct = fmax(3, vehicle->fuel_pct - km * kind->fuel_pct_per_km);
	if (kind->engine)
		vehicle->coolant_c += (90 - vehicle->coolant_c) * fmin(1, seconds / 120);
}

static void charge(struct vehicle *vehicle, double seconds)
{
	const struct kind_facts *kind = facts(vehicle);
	double kwh = kind->charge_kw * seconds / 3600;

	vehicle->speed_kmh = 0;
	vehicle->soc_pct = fmin(100, vehicle->soc_pct + 100 * kwh / kind->battery_kwh);
	if (vehicle->soc_pct >= 100)
		vehicle->activity_until_us = vehicle->now_us;
}

void vehicle_step(struct vehicle *vehicle, int64_t now_us)
{
	double seconds = (double)(now_us - vehicle->now_us) / SECOND_US;

	if (seconds <= 0)
		return;
	vehicle->now_us = now_us;
	switch (vehicle->activity) {
	case VEHICLE_DRIVING:
		drive(vehicle, seconds);
		break;
	case VEHICLE_CHARGING:
		charge(vehicle, seconds);
		break;
	case VEHICLE_PARKED:
		vehicle->speed_kmh = 0;
		break;
	}
	vehicle->aux_battery_v = facts(vehicle)->aux_v - 0.2 * chance(vehicle);
	if (now_us >= vehicle->activity_until_us)
		begin_next(vehicle);
}

double vehicle_rpm(const struct vehicle *vehicle)
{
	if (!facts(vehicle)->engine || vehicle->activity == VEHICLE_CHARGING)
		return 0;
	/* A hybrid creeps on its battery. */
	if (facts(vehicle)->traction_battery && vehicle->speed_kmh < 30)
		return 0;
	return 700 + 22 * vehicle->speed_kmh;
}
