#include "tests/sim/vehicle.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define SLEEP_AFTER_US (10 * MINUTE_US)
#define REST_CURRENT_A 0.4
#define AUX_REST_V 12.6
#define AUX_DROOP_V_PER_H 0.004 /* of a vehicle that sleeps */
#define AUX_LOAD_V 0.25         /* less while control units run without a converter */

struct kind_facts {
	bool engine;
	bool traction_battery;
	double cruise_kmh;
	double battery_kwh;
	double kwh_per_km;
	double fuel_pct_per_km;
	double charge_kw;
	double fast_kw;
	unsigned cells;  /* in series */
	double aux_v;    /* 12 or 24 V system, with the converter or alternator running */
	const char *vin; /* begins so; '*' is the check digit where the region uses it */
};

/* A manufacturer of no region that uses the check digit, where nothing else is said. */
#define VIN_NOBODY "ZZ9FRESHET"

static const struct kind_facts kinds[VEHICLE_KIND_COUNT] = {
	[VEHICLE_BUS_EV] = {false, true, 32, 420, 1.25, 0, 150, 150, 180, 27.6, VIN_NOBODY},
	[VEHICLE_VAN_EV] = {false, true, 48, 75, 0.28, 0, 22, 90, 102, 14.2, VIN_NOBODY},
	[VEHICLE_CAR_PHEV] = {true, true, 62, 13, 0.18, 0.06, 7.4, 0, 88, 14.3, VIN_NOBODY},
	[VEHICLE_TRUCK_DIESEL] = {true, false, 70, 0, 0, 0.09, 0, 0, 0, 28.1, VIN_NOBODY},
	[VEHICLE_SUV_29BIT] = {true, false, 66, 0, 0, 0.08, 0, 0, 0, 14.1, "5FNYF6H5*N"},
	[VEHICLE_OLD_VAN] = {true, false, 51, 0, 0, 0.07, 0, 0, 0, 13.9, "WV1ZZZ70Z2"},
	[VEHICLE_IONIQ5] = {false, true, 58, 72.6, 0.18, 0, 11, 220, 180, 14.5, "KM8KNDAF*N"},
	[VEHICLE_NIRO] = {false, true, 54, 64, 0.16, 0, 7.2, 75, 98, 14.4, "KNDCC3LG*K"},
	[VEHICLE_LEAF_24] = {false, true, 40, 21.3, 0.16, 0, 3.3, 44, 96, 14.2, "SJNFAAZE0U"},
	[VEHICLE_LEAF_30] = {false, true, 42, 28, 0.16, 0, 6.6, 44, 96, 14.2, "1N4BZ0CP*G"},
	[VEHICLE_LEAF_40] = {false, true, 45, 39, 0.17, 0, 6.6, 46, 96, 14.3, "1N4AZ1CP*J"},
	[VEHICLE_I3] = {false, true, 47, 37.9, 0.15, 0, 11, 49, 96, 14.4, "WBY1Z8C5*H"},
	[VEHICLE_ID4] = {false, true, 60, 77, 0.18, 0, 11, 135, 96, 14.6, "WVGZZZE2ZM"},
	[VEHICLE_ZOE_40] = {false, true, 46, 41, 0.16, 0, 22, 0, 96, 14.3, "VF1AGVYB05"},
	[VEHICLE_BOLT] = {false, true, 52, 60, 0.17, 0, 7.2, 55, 96, 14.1, "1G1FY6S0*M"},
	[VEHICLE_MACH_E] = {false, true, 64, 88, 0.2, 0, 10.5, 150, 94, 14.6, "3FMTK3SU*M"},
	[VEHICLE_BZ4X] = {false, true, 56, 64, 0.18, 0, 6.6, 100, 96, 14.0, "JTMABABA1P"},
	[VEHICLE_ZOE] = {false, true, 49, 52, 0.17, 0, 22, 46, 96, 14.3, "VF1AG00016"},
};

static const struct {
	const char *name, *profile;
} kind_names[VEHICLE_KIND_COUNT] = {
#define X(ident, name, profile) [VEHICLE_##ident] = {name, profile},
	VEHICLE_KINDS(X)
#undef X
};

static const char *const activity_names[VEHICLE_ACTIVITY_COUNT] = {
#define X(ident, name) [VEHICLE_##ident] = name,
	VEHICLE_ACTIVITIES(X)
#undef X
};

static const struct kind_facts *facts(const struct vehicle *vehicle)
{
	return &kinds[vehicle->kind];
}

const char *vehicle_kind_name(enum vehicle_kind kind)
{
	return (unsigned)kind < VEHICLE_KIND_COUNT ? kind_names[kind].name : NULL;
}

const char *vehicle_kind_profile(enum vehicle_kind kind)
{
	return (unsigned)kind < VEHICLE_KIND_COUNT ? kind_names[kind].profile : NULL;
}

int vehicle_kind_parse(const char *name, enum vehicle_kind *ret_kind)
{
	for (unsigned i = 0; i < VEHICLE_KIND_COUNT; i++) {
		if (strcmp(name, kind_names[i].name) == 0) {
			*ret_kind = (enum vehicle_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *vehicle_activity_name(enum vehicle_activity activity)
{
	return (unsigned)activity < VEHICLE_ACTIVITY_COUNT ? activity_names[activity] : NULL;
}

int vehicle_activity_parse(const char *name, enum vehicle_activity *ret_activity)
{
	for (unsigned i = 0; i < VEHICLE_ACTIVITY_COUNT; i++) {
		if (strcmp(name, activity_names[i]) == 0) {
			*ret_activity = (enum vehicle_activity)i;
			return 0;
		}
	}
	return -EINVAL;
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

/* ---- what it does ---- */

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

/* Who has no battery parks instead of charging; who has no socket for direct current charges slowly. */
static enum vehicle_activity possible(const struct vehicle *vehicle, enum vehicle_activity activity)
{
	if (activity != VEHICLE_CHARGING && activity != VEHICLE_FAST_CHARGING)
		return activity;
	if (!facts(vehicle)->traction_battery)
		return VEHICLE_PARKED;
	return facts(vehicle)->fast_kw > 0 ? activity : VEHICLE_CHARGING;
}

void vehicle_set_activity(struct vehicle *vehicle, enum vehicle_activity activity)
{
	vehicle->legs = NULL;
	vehicle->leg_count = 0;
	vehicle->activity = possible(vehicle, activity);
	vehicle->activity_until_us = INT64_MAX;
}

void vehicle_set_script(struct vehicle *vehicle, const struct vehicle_leg *legs, size_t count)
{
	vehicle->legs = legs;
	vehicle->leg_count = count;
	vehicle->activity_until_us = INT64_MAX;
}

bool vehicle_ignition_on(const struct vehicle *vehicle)
{
	return vehicle->activity == VEHICLE_DRIVING || vehicle->activity == VEHICLE_STANDING;
}

bool vehicle_charging(const struct vehicle *vehicle)
{
	return vehicle->activity == VEHICLE_CHARGING || vehicle->activity == VEHICLE_FAST_CHARGING;
}

bool vehicle_battery_live(const struct vehicle *vehicle)
{
	return vehicle_ignition_on(vehicle) || vehicle_charging(vehicle);
}

bool vehicle_asleep(const struct vehicle *vehicle)
{
	return !vehicle_battery_live(vehicle) && vehicle->now_us >= vehicle->awake_until_us;
}

bool vehicle_request(struct vehicle *vehicle)
{
	vehicle->counts.requests++;
	if (vehicle_battery_live(vehicle))
		return true;
	vehicle->counts.requests_parked++;
	if (!vehicle_asleep(vehicle)) {
		if (vehicle->wakes_on_request)
			vehicle->awake_until_us = vehicle->now_us + vehicle->sleep_after_us;
		return true;
	}
	vehicle->counts.requests_asleep++;
	if (vehicle->wakes_on_request) {
		vehicle->counts.wakeups++;
		vehicle->awake_until_us = vehicle->now_us + vehicle->sleep_after_us;
	}
	return false;
}

/* ---- its beginning ---- */

/* 49 CFR 565.15: the ninth character. */
static char vin_check_digit(const char *vin)
{
	static const char letters[] = "ABCDEFGHJKLMNPRSTUVWXYZ";
	static const char values[] = "12345678123457923456789";
	static const unsigned char weights[] = {8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2};
	unsigned sum = 0;

	for (size_t i = 0; i < 17; i++) {
		const char *letter = strchr(letters, vin[i]);
		char digit = letter ? values[letter - letters] : vin[i];

		if (weights[i] != 0)
			sum += weights[i] * (unsigned)(digit - '0');
	}
	return "0123456789X"[sum % 11];
}

static void make_vin(struct vehicle *vehicle, unsigned number)
{
	char *digit;

	(void)snprintf(vehicle->vin, sizeof(vehicle->vin), "%.10s%07u", facts(vehicle)->vin,
		       number % 10000000u);
	digit = strchr(vehicle->vin, '*');
	if (digit)
		*digit = vin_check_digit(vehicle->vin);
}

static void settle(struct vehicle *vehicle);

void vehicle_init_kind(struct vehicle *vehicle, enum vehicle_kind kind, unsigned number,
		       int64_t now_us)
{
	memset(vehicle, 0, sizeof(*vehicle));
	vehicle->kind = kind;
	vehicle->seed = number * 2654435761u;
	vehicle->now_us = now_us;
	vehicle->odometer_km = 8000 + 90000 * chance(vehicle);
	vehicle->soc_pct = 35 + 60 * chance(vehicle);
	vehicle->fuel_pct = 30 + 65 * chance(vehicle);
	vehicle->coolant_c = 20;
	vehicle->outside_c = 11 + (double)(number % 10);
	vehicle->pack_temp_c = 15 + (double)(number % 10);
	vehicle->soh_pct = 99 - vehicle->odometer_km / 10000;
	vehicle->charged_kwh = vehicle->odometer_km * (facts(vehicle)->kwh_per_km + 0.02);
	vehicle->aux_battery_v = facts(vehicle)->aux_v;
	vehicle->sleep_after_us = SLEEP_AFTER_US;
	vehicle->awake_until_us = now_us + SLEEP_AFTER_US;
	vehicle->wakes_on_request = true;
	make_vin(vehicle, number);
	if (facts(vehicle)->traction_battery && number % 5 == 2)
		begin(vehicle, VEHICLE_CHARGING, 240, 900);
	else
		begin(vehicle, VEHICLE_DRIVING, 180, 600);
	settle(vehicle);
}

void vehicle_init(struct vehicle *vehicle, unsigned number, int64_t now_us)
{
	vehicle_init_kind(vehicle, (enum vehicle_kind)((number - 1) % VEHICLE_MIXED), number,
			  now_us);
}

/* ---- physics ---- */

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
	double kwh = vehicle_charger_kw(vehicle) * seconds / 3600;

	vehicle->soc_pct = fmin(100, vehicle->soc_pct + 100 * kwh / facts(vehicle)->battery_kwh);
	vehicle->charged_kwh += kwh;
	/* By script it stays plugged in; by itself it drives on. */
	if (vehicle->soc_pct >= 100 && vehicle->activity_until_us != INT64_MAX)
		vehicle->activity_until_us = vehicle->now_us;
}

static double open_voltage(const struct vehicle *vehicle)
{
	return facts(vehicle)->cells * (3.35 + 0.008 * vehicle->soc_pct);
}

static void settle_pack(struct vehicle *vehicle)
{
	const struct kind_facts *kind = facts(vehicle);
	double kw = REST_CURRENT_A * open_voltage(vehicle) / 1000;

	if (!kind->traction_battery)
		return;
	if (vehicle_charging(vehicle))
		kw = -vehicle_charger_kw(vehicle);
	else if (vehicle->activity == VEHICLE_DRIVING)
		kw += vehicle->speed_kmh * kind->kwh_per_km;
	vehicle->pack_a = 1000 * kw / open_voltage(vehicle);
	vehicle->pack_v = open_voltage(vehicle) - vehicle->pack_a * 0.0005 * kind->cells;
}

static void settle_aux(struct vehicle *vehicle)
{
	const struct kind_facts *kind = facts(vehicle);
	double systems = kind->aux_v > 20 ? 2 : 1;
	double asleep_h;

	if (vehicle_battery_live(vehicle)) {
		vehicle->aux_battery_v = kind->aux_v - 0.2 * chance(vehicle);
		return;
	}
	vehicle->aux_battery_v = systems * (AUX_REST_V - AUX_LOAD_V);
	if (!vehicle_asleep(vehicle))
		return;
	asleep_h = (double)(vehicle->now_us - vehicle->awake_until_us) / (3600.0 * SECOND_US);
	vehicle->aux_battery_v = systems * fmax(11.2, AUX_REST_V - AUX_DROOP_V_PER_H * asleep_h);
}

/* What follows from what it does. */
static void settle(struct vehicle *vehicle)
{
	if (vehicle->activity != VEHICLE_DRIVING)
		vehicle->speed_kmh = 0;
	settle_pack(vehicle);
	settle_aux(vehicle);
}

static void live(struct vehicle *vehicle, double seconds)
{
	if (vehicle->activity == VEHICLE_DRIVING)
		drive(vehicle, seconds);
	else if (vehicle_charging(vehicle))
		charge(vehicle, seconds);
	vehicle->run_s = vehicle_ignition_on(vehicle) ? vehicle->run_s + seconds : 0;
	if (vehicle_battery_live(vehicle))
		vehicle->awake_until_us = vehicle->now_us + vehicle->sleep_after_us;
	settle(vehicle);
}

/* The script's activity now, and until when. */
static int64_t follow_script(struct vehicle *vehicle, int64_t until_us)
{
	for (size_t i = 0; i < vehicle->leg_count; i++) {
		if (vehicle->legs[i].at_us > vehicle->now_us)
			return vehicle->legs[i].at_us < until_us ? vehicle->legs[i].at_us
								 : until_us;
		vehicle->activity = possible(vehicle, vehicle->legs[i].activity);
	}
	return until_us;
}

/* In pieces of a minute at most, so that a test may take large steps. */
void vehicle_step(struct vehicle *vehicle, int64_t now_us)
{
	while (vehicle->now_us < now_us) {
		int64_t from_us = vehicle->now_us;
		int64_t until_us = now_us - from_us > MINUTE_US ? from_us + MINUTE_US : now_us;

		until_us = follow_script(vehicle, until_us);
		vehicle->now_us = until_us;
		if (vehicle->frozen) {
			if (vehicle_battery_live(vehicle))
				vehicle->awake_until_us = until_us + vehicle->sleep_after_us;
			continue;
		}
		live(vehicle, (double)(until_us - from_us) / SECOND_US);
		if (until_us >= vehicle->activity_until_us)
			begin_next(vehicle);
	}
}

/* ---- what can be measured ---- */

double vehicle_rpm(const struct vehicle *vehicle)
{
	if (!facts(vehicle)->engine || !vehicle_ignition_on(vehicle))
		return 0;
	/* A hybrid creeps on its battery. */
	if (facts(vehicle)->traction_battery && vehicle->speed_kmh < 30)
		return 0;
	return 700 + 22 * vehicle->speed_kmh;
}

double vehicle_bms_soc_pct(const struct vehicle *vehicle)
{
	return 4 + 0.92 * vehicle->soc_pct;
}

double vehicle_cell_v(const struct vehicle *vehicle, double spread)
{
	return facts(vehicle)->cells ? vehicle->pack_v / facts(vehicle)->cells + spread : 0;
}

double vehicle_capacity_kwh(const struct vehicle *vehicle)
{
	return facts(vehicle)->battery_kwh * vehicle->soh_pct / 100;
}

double vehicle_charger_kw(const struct vehicle *vehicle)
{
	double most = vehicle->activity == VEHICLE_FAST_CHARGING ? facts(vehicle)->fast_kw
								 : facts(vehicle)->charge_kw;

	return vehicle_charging(vehicle) && vehicle->soc_pct < 100 ? most : 0;
}

double vehicle_tyre_kpa(const struct vehicle *vehicle, unsigned wheel)
{
	(void)vehicle;
	return 240 + 5.0 * wheel;
}

double vehicle_range_km(const struct vehicle *vehicle)
{
	const struct kind_facts *kind = facts(vehicle);

	return kind->kwh_per_km > 0
		       ? vehicle->soc_pct / 100 * vehicle_capacity_kwh(vehicle) / kind->kwh_per_km
		       : 0;
}

double vehicle_read_odometer(struct vehicle *vehicle)
{
	vehicle->odometer_km += vehicle->odometer_step_km;
	return vehicle->odometer_km;
}
