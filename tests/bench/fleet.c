#include "tests/bench/fleet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define LEGS 4
#define JITTER_US 60000
#define METRES_PER_DEGREE 111320.0
#define PI 3.14159265358979323846

/* ---- what is read, and how often (provider/obd/profiles/generic.conf) ---- */

enum need { ANY, ENGINE, TRACTION };
enum wakefulness { AWAKE, ALWAYS };

typedef double value_fn(const struct vehicle *vehicle);

static double speed(const struct vehicle *v)
{
	return v->speed_kmh;
}
static double rpm(const struct vehicle *v)
{
	return vehicle_rpm(v);
}
static double pack_volts(const struct vehicle *v)
{
	return v->pack_v;
}
static double pack_amperes(const struct vehicle *v)
{
	return v->pack_a;
}
static double aux_volts(const struct vehicle *v)
{
	return v->aux_battery_v;
}
static double charge(const struct vehicle *v)
{
	return v->soc_pct;
}
static double coolant(const struct vehicle *v)
{
	return v->coolant_c;
}
static double fuel(const struct vehicle *v)
{
	return v->fuel_pct;
}
static double outside(const struct vehicle *v)
{
	return v->outside_c;
}
static double odometer(const struct vehicle *v)
{
	return v->odometer_km;
}
static double ignition(const struct vehicle *v)
{
	return vehicle_ignition_on(v) ? MODEL_IGNITION_ON : MODEL_IGNITION_OFF;
}
static double charging(const struct vehicle *v)
{
	return vehicle_charging(v) ? MODEL_CHARGING_CHARGING : MODEL_CHARGING_DISCONNECTED;
}
static double mil(const struct vehicle *v)
{
	(void)v;
	return 0;
}

/* Rows of one command stand together; they share its period and its moment. */
static const struct reading {
	enum model_field field;
	int period_s;
	double step; /* of the scale in SAE J1979-DA */
	value_fn *value;
	enum need need;
	enum wakefulness when;
} readings[] = {
	{MODEL_FIELD_SPEED_KMH, 5, 1, speed, ANY, AWAKE},
	{MODEL_FIELD_ENGINE_RPM, 5, 0.25, rpm, ENGINE, AWAKE},
	{MODEL_FIELD_PACK_VOLTAGE_V, 5, 1.0 / 64, pack_volts, TRACTION, AWAKE},
	{MODEL_FIELD_PACK_CURRENT_A, 5, 0.1, pack_amperes, TRACTION, AWAKE},
	{MODEL_FIELD_CHARGING_STATE, 5, 1, charging, TRACTION, AWAKE},
	{MODEL_FIELD_AUX_BATTERY_V, 15, 0.001, aux_volts, ANY, AWAKE},
	{MODEL_FIELD_STATE_OF_CHARGE_PCT, 30, 100.0 / 255, charge, TRACTION, AWAKE},
	{MODEL_FIELD_ENGINE_COOLANT_TEMP_C, 30, 1, coolant, ENGINE, AWAKE},
	{MODEL_FIELD_IGNITION, 30, 1, ignition, ANY, AWAKE},
	{MODEL_FIELD_FUEL_LEVEL_PCT, 60, 100.0 / 255, fuel, ENGINE, AWAKE},
	{MODEL_FIELD_OUTSIDE_TEMP_C, 60, 1, outside, ANY, AWAKE},
	{MODEL_FIELD_ODOMETER_KM, 60, 0.1, odometer, ANY, AWAKE},
	{MODEL_FIELD_MIL_ON, 60, 1, mil, ANY, AWAKE},
	/* The adapter's own, at its plug, also of a vehicle that sleeps. */
	{MODEL_FIELD_AUX_BATTERY_V, 60, 0.1, aux_volts, ANY, ALWAYS},
};
#define READINGS (sizeof(readings) / sizeof(readings[0]))

static const struct {
	double at; /* of the whole time */
	enum vehicle_activity activity;
} nights[5][LEGS] = {
	{{0, VEHICLE_DRIVING},
	 {0.3, VEHICLE_STANDING},
	 {0.32, VEHICLE_DRIVING},
	 {2, VEHICLE_PARKED}},
	{{0, VEHICLE_DRIVING},
	 {0.2, VEHICLE_CHARGING},
	 {0.7, VEHICLE_PARKED},
	 {0.95, VEHICLE_DRIVING}},
	{{0, VEHICLE_CHARGING},
	 {0.5, VEHICLE_PARKED},
	 {0.96, VEHICLE_DRIVING},
	 {2, VEHICLE_PARKED}},
	{{0, VEHICLE_PARKED}, {0.97, VEHICLE_STANDING}, {2, VEHICLE_PARKED}, {3, VEHICLE_PARKED}},
	{{0, VEHICLE_DRIVING}, {0.25, VEHICLE_PARKED}, {2, VEHICLE_PARKED}, {3, VEHICLE_PARKED}},
};

struct berth {
	struct vehicle vehicle;
	struct vehicle_leg legs[LEGS];
	char name[32];
	int64_t due_us[READINGS];
	int64_t least_us;
	int64_t whole_us; /* when its first round is over; 0: told */
	int64_t gps_us;
	double latitude, longitude, course;
	double track_km; /* odometer at the position */
};

struct fleet {
	unsigned count;
	bool gps;
	uint32_t noise;
	int64_t values;
	struct model_update update;
	struct model_update_room room;
	struct berth berths[];
};

static int64_t jitter_us(struct fleet *fleet)
{
	fleet->noise = fleet->noise * 1664525u + 1013904223u;
	return (int64_t)(fleet->noise >> 8) % JITTER_US;
}

static void init_berth(struct fleet *fleet, unsigned index, int64_t start_us, int64_t length_us)
{
	struct berth *berth = &fleet->berths[index];

	vehicle_init(&berth->vehicle, index + 1, start_us);
	(void)snprintf(berth->name, sizeof(berth->name), "%s-%02u",
		       vehicle_kind_name(berth->vehicle.kind), index + 1);
	for (size_t i = 0; i < LEGS; i++) {
		berth->legs[i].at_us =
			start_us + (int64_t)(nights[index % 5][i].at * (double)length_us);
		berth->legs[i].activity = nights[index % 5][i].activity;
	}
	vehicle_set_script(&berth->vehicle, berth->legs, LEGS);
	for (size_t i = 0; i < READINGS; i++)
		berth->due_us[i] = start_us + (int64_t)index * 37000 + (int64_t)i * 110000;
	berth->whole_us = start_us + 5 * SECOND_US;
	berth->gps_us = start_us + jitter_us(fleet);
	berth->latitude = 53.55 + 0.01 * (double)(index % 7);
	berth->longitude = 9.93 + 0.013 * (double)(index % 11);
	berth->course = (double)(index * 53 % 360);
	berth->track_km = berth->vehicle.odometer_km;
}

struct fleet *fleet_create(unsigned count, int64_t start_us, int64_t length_us, bool gps)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet) + count * sizeof(fleet->berths[0]));

	if (!fleet)
		return NULL;
	fleet->count = count;
	fleet->gps = gps;
	fleet->noise = 1;
	for (unsigned i = 0; i < count; i++)
		init_berth(fleet, i, start_us, length_us);
	return fleet;
}

void fleet_destroy(struct fleet *fleet)
{
	free(fleet);
}

int64_t fleet_values(const struct fleet *fleet)
{
	return fleet->values;
}

int64_t fleet_due(const struct fleet *fleet)
{
	int64_t due_us = INT64_MAX;

	for (unsigned i = 0; i < fleet->count; i++)
		if (fleet->berths[i].least_us < due_us)
			due_us = fleet->berths[i].least_us;
	return due_us;
}

/* ---- one reading ---- */

static bool is_had(const struct vehicle *vehicle, const struct reading *reading)
{
	if (reading->need == ENGINE && !vehicle_has_engine(vehicle))
		return false;
	if (reading->need == TRACTION && !vehicle_has_traction_battery(vehicle))
		return false;
	/* Who sleeps, or is left alone so that it can, is measured at the plug alone. */
	return (reading->when == AWAKE) == vehicle_battery_live(vehicle);
}

static void begin_update(struct fleet *fleet, const struct berth *berth, const char *what,
			 int64_t now_us)
{
	struct model_update *update = &fleet->update;

	model_update_init(update, &fleet->room);
	(void)snprintf(update->device_id, sizeof(update->device_id), "%s-%s", berth->name, what);
	(void)snprintf(update->source, sizeof(update->source), "%s%s", berth->name,
		       strcmp(what, "obd") == 0 ? "" : "-gps");
	(void)snprintf(update->provider, sizeof(update->provider), "%s", what);
	update->simulated = true;
	update->mono_us = now_us;
}

static int set(struct model_update *update, const struct reading *reading,
	       const struct vehicle *vehicle)
{
	const double value = reading->value(vehicle);

	if (model_field_info(reading->field)->type != MODEL_TYPE_NUMBER)
		return model_update_set_integer(update, reading->field, (int64_t)value);
	/* As a decoder gives it: no more digits than the scale has. */
	return model_update_set_number(update, reading->field,
				       round(round(value / reading->step) * reading->step * 1e4) /
					       1e4);
}

/* All that is due together is one answer. */
static int read_berth(struct fleet *fleet, struct berth *berth, struct sampler *sampler,
		      int64_t now_us)
{
	const struct vehicle *vehicle = &berth->vehicle;
	struct model_update *update = &fleet->update;

	begin_update(fleet, berth, "obd", now_us);
	memcpy(update->vin, vehicle->vin, sizeof(update->vin));
	for (size_t i = 0; i < READINGS; i++) {
		if (berth->due_us[i] > now_us)
			continue;
		berth->due_us[i] = now_us + readings[i].period_s * SECOND_US + jitter_us(fleet);
		if (is_had(vehicle, &readings[i]) && set(update, &readings[i], vehicle))
			return -1;
	}
	if (!update->item_count)
		return 0;
	if (vehicle_battery_live(vehicle))
		(void)model_update_set_text(update, MODEL_FIELD_IDENTITY_VIN, vehicle->vin,
					    MODEL_VIN_LEN);
	if (berth->whole_us && now_us >= berth->whole_us) {
		update->keyframe = true;
		berth->whole_us = 0;
	}
	fleet->values += (int64_t)update->item_count;
	return sampler_update(sampler, update, now_us);
}

static void move(struct fleet *fleet, struct berth *berth)
{
	const double km = berth->vehicle.odometer_km - berth->track_km;

	berth->track_km = berth->vehicle.odometer_km;
	if (km <= 0)
		return;
	berth->course += (double)(jitter_us(fleet) % 31) - 15;
	berth->latitude += 1000 * km * cos(berth->course * PI / 180) / METRES_PER_DEGREE;
	berth->longitude += 1000 * km * sin(berth->course * PI / 180) /
			    (METRES_PER_DEGREE * cos(berth->latitude * PI / 180));
}

/* A receiver that stands gives the position that it holds (agent/source/gps.h). */
static int read_gps(struct fleet *fleet, struct berth *berth, struct sampler *sampler,
		    int64_t now_us)
{
	struct model_update *update = &fleet->update;

	if (!fleet->gps || berth->gps_us > now_us)
		return 0;
	berth->gps_us = now_us + 5 * SECOND_US;
	move(fleet, berth);
	begin_update(fleet, berth, "gps", now_us);
	update->at_ms = INT64_C(1795190400000) + now_us / 1000;
	(void)model_update_set_number(update, MODEL_FIELD_LATITUDE,
				      round(berth->latitude * 1e7) / 1e7);
	(void)model_update_set_number(update, MODEL_FIELD_LONGITUDE,
				      round(berth->longitude * 1e7) / 1e7);
	(void)model_update_set_number(update, MODEL_FIELD_ALTITUDE_M,
				      12 + (double)(jitter_us(fleet) % 40) / 10);
	(void)model_update_set_number(update, MODEL_FIELD_ACCURACY_M,
				      2 + (double)(jitter_us(fleet) % 20) / 10);
	(void)model_update_set_text(update, MODEL_FIELD_LOCATION_STATUS, "available", 9);
	fleet->values += (int64_t)update->item_count;
	return sampler_update(sampler, update, now_us);
}

int fleet_read(struct fleet *fleet, struct sampler *sampler, int64_t now_us)
{
	int r = 0;

	for (unsigned i = 0; i < fleet->count && !r; i++) {
		struct berth *berth = &fleet->berths[i];

		if (berth->least_us > now_us)
			continue;
		vehicle_step(&berth->vehicle, now_us);
		r = read_berth(fleet, berth, sampler, now_us);
		if (!r)
			r = read_gps(fleet, berth, sampler, now_us);
		berth->least_us = fleet->gps ? berth->gps_us : INT64_MAX;
		for (size_t k = 0; k < READINGS; k++)
			if (berth->due_us[k] < berth->least_us)
				berth->least_us = berth->due_us[k];
	}
	return r;
}
