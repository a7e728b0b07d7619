/* A vehicle that drives, parks, charges and sleeps, as a function of time.
 *
 * It stands in for the physics only: what its control units would answer is ecu.h's and units.h's,
 * how they say it on the bus is bus.h's, how an adapter says it is elm327.h's. Deterministic for a
 * seed; the caller owns time.
 */
#ifndef SIM_VEHICLE_H
#define SIM_VEHICLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The first four have legislated OBD-II alone, and are what a depot is made of where nothing else is
 * asked for. X(IDENT, "name", "profile that reads it") */
#define VEHICLE_KINDS(X)                                                                           \
	X(BUS_EV, "bus", "generic")                                                                \
	X(VAN_EV, "van", "generic")                                                                \
	X(CAR_PHEV, "car", "generic")                                                              \
	X(TRUCK_DIESEL, "truck", "generic")                                                        \
	X(SUV_29BIT, "suv", "generic")   /* CAN with 29-bit identifiers, three control units */    \
	X(OLD_VAN, "old-van", "generic") /* K-line, KWP2000 */                                     \
	X(IONIQ5, "ioniq5", "hyundai-kia-egmp")                                                    \
	X(NIRO, "niro", "hyundai-kia-gen1")                                                        \
	X(LEAF_24, "leaf-24", "nissan-leaf") /* answers of 39 bytes */                             \
	X(LEAF_30, "leaf-30", "nissan-leaf") /* of 41 */                                           \
	X(LEAF_40, "leaf-40", "nissan-leaf") /* of 51 */                                           \
	X(I3, "i3", "bmw-i3")                                                                      \
	X(ID4, "id4", "vw-meb")                                                                    \
	X(ZOE_40, "zoe-40", "renault-zoe-ph1")                                                     \
	X(ZOE, "zoe", "renault-zoe-ph2")                                                           \
	X(BOLT, "bolt", "chevrolet-bolt")                                                          \
	X(MACH_E, "mach-e", "ford-bev")                                                            \
	X(BZ4X, "bz4x", "toyota-bz4x")

enum vehicle_kind {
#define X(ident, name, profile) VEHICLE_##ident,
	VEHICLE_KINDS(X)
#undef X
		VEHICLE_KIND_COUNT
};

#define VEHICLE_MIXED 4 /* the kinds of vehicle_init() */

/* X(IDENT, "name") */
#define VEHICLE_ACTIVITIES(X)                                                                      \
	X(DRIVING, "driving")                                                                      \
	X(PARKED, "parked") /* ignition off; it falls asleep after a while */                      \
	X(CHARGING, "charging")                                                                    \
	X(FAST_CHARGING, "fast-charging")                                                          \
	X(STANDING, "standing") /* ignition on, not moving */

enum vehicle_activity {
#define X(ident, name) VEHICLE_##ident,
	VEHICLE_ACTIVITIES(X)
#undef X
		VEHICLE_ACTIVITY_COUNT
};

/* From `at_us` (on the caller's clock) on it does this. */
struct vehicle_leg {
	int64_t at_us;
	enum vehicle_activity activity;
};

struct vehicle_counts {
	int64_t requests;        /* that reached the vehicle's plug */
	int64_t requests_parked; /* of them with the ignition off and no charging */
	int64_t requests_asleep; /* of them into a silent bus */
	int64_t wakeups;         /* times that a request woke the bus */
	int64_t starved;         /* long answers that no flow control let through */
	int64_t forbidden;       /* requests of services that write, clear, actuate or unlock */
};

struct vehicle {
	enum vehicle_kind kind;
	enum vehicle_activity activity;
	unsigned seed;
	int64_t now_us;
	int64_t activity_until_us;
	const struct vehicle_leg *legs; /* a day by script, in order of time; the caller's */
	size_t leg_count;
	bool frozen; /* nothing changes any more: for comparisons with vehicle_print_truth() */
	double odometer_km;
	double speed_kmh;
	double soc_pct;  /* of the traction battery, what the dash shows; EVs and PHEVs */
	double fuel_pct; /* engines */
	double coolant_c;
	double outside_c;
	double aux_battery_v;
	double pack_v;
	double pack_a; /* positive = discharging */
	double pack_temp_c;
	double soh_pct;
	double charged_kwh;     /* in its life */
	double run_s;           /* since the ignition came on */
	int64_t sleep_after_us; /* the bus is silent so long after the last reason to be awake */
	int64_t awake_until_us;
	bool wakes_on_request;   /* a request into the silent bus wakes it, unanswered */
	double odometer_step_km; /* > 0: each reading of the odometer is further by this */
	char vin[18];
	struct vehicle_counts counts;
};

const char *vehicle_kind_name(enum vehicle_kind kind);    /* "bus"; NULL where out of range */
const char *vehicle_kind_profile(enum vehicle_kind kind); /* the profile that reads it */
int vehicle_kind_parse(const char *name, enum vehicle_kind *ret_kind); /* 0 or -EINVAL */
const char *vehicle_activity_name(enum vehicle_activity activity);
int vehicle_activity_parse(const char *name, enum vehicle_activity *ret_activity);

bool vehicle_has_engine(const struct vehicle *vehicle);
bool vehicle_has_traction_battery(const struct vehicle *vehicle);

/* A vehicle of its own: VIN and how far its day has come follow from `number` (from 1), with
 * vehicle_init() its kind too. */
void vehicle_init(struct vehicle *vehicle, unsigned number, int64_t now_us);
void vehicle_init_kind(struct vehicle *vehicle, enum vehicle_kind kind, unsigned number,
		       int64_t now_us);

/* From now on it does this until it is told otherwise; a script is forgotten. */
void vehicle_set_activity(struct vehicle *vehicle, enum vehicle_activity activity);
/* A day by script: `legs` outlive the vehicle's use of them. */
void vehicle_set_script(struct vehicle *vehicle, const struct vehicle_leg *legs, size_t count);

/* Lives on until `now_us`; going back in time is ignored. */
void vehicle_step(struct vehicle *vehicle, int64_t now_us);

/* A request is on its bus. Counts it; one that comes into a silent bus may wake it; one that comes
 * while nothing else keeps it awake puts sleep off. Returns whether the bus is awake to answer. */
bool vehicle_request(struct vehicle *vehicle);

bool vehicle_asleep(const struct vehicle *vehicle);
bool vehicle_ignition_on(const struct vehicle *vehicle);
bool vehicle_charging(const struct vehicle *vehicle);
/* The high-voltage side is on: else a battery's control unit sends zeros. */
bool vehicle_battery_live(const struct vehicle *vehicle);

double vehicle_rpm(const struct vehicle *vehicle); /* engine speed; 0 while it does not run */
double vehicle_bms_soc_pct(const struct vehicle *vehicle); /* what the battery itself calls full */
double vehicle_cell_v(const struct vehicle *vehicle, double spread); /* mean cell + spread */
double vehicle_capacity_kwh(const struct vehicle *vehicle);
double vehicle_charger_kw(const struct vehicle *vehicle); /* 0 while it does not charge */
double vehicle_tyre_kpa(const struct vehicle *vehicle, unsigned wheel); /* fl fr rl rr */
double vehicle_range_km(const struct vehicle *vehicle);
/* The next reading of the odometer (odometer_step_km). */
double vehicle_read_odometer(struct vehicle *vehicle);

/* What is true now, in the canonical model's fields and units, as one line of JSON without its
 * newline; with what a test wants to know besides: activity, asleep, the counts. */
void vehicle_print_truth(const struct vehicle *vehicle, char *out, size_t size);

#endif
