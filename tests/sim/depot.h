/* A depot: many adapters, a journal of what was served, and a control socket for faults, and for
 * telling vehicles what to do and asking what is true. */
#ifndef SIM_DEPOT_H
#define SIM_DEPOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "tests/sim/elm327.h"
#include "tests/sim/vehicle.h"

struct depot_options {
	unsigned vehicles; /* 1..1000 */
	const char *kinds; /* "ioniq5,zoe": taken in turn; NULL: bus, van, car, truck */
	enum elm327_temperament temperament;
	unsigned baud;           /* the ptys' speed; 0: any will do */
	const char *activity;    /* what all do, for good; NULL: each its own day */
	bool frozen;             /* nothing changes */
	const char *dir;         /* where the ptys' stable names go */
	const char *control;     /* unix socket for faults; NULL: none */
	const char *journal;     /* file, a line of JSON for each answer served; NULL: none */
	int64_t delay_us;        /* of a usual answer */
	double odometer_step_km; /* > 0: each reading of an odometer is further by this */
	bool tcp;                /* TCP ports instead of ptys */
	const char *can;         /* one vehicle on this CAN interface, without an adapter; NULL */
};

struct depot;

/* Opens every adapter. Returns 0 or -errno. */
int depot_create(struct loop *loop, const struct depot_options *options, struct depot **ret_depot);
void depot_destroy(struct depot *depot);

/* Prints one line a vehicle: name, VIN, kind, the profile that reads it, address; as JSON lines with
 * `json`, as sections of an agent's configuration with `agent_conf`. */
void depot_print(const struct depot *depot, bool json, bool agent_conf);

#endif
