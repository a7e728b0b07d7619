/* Vehicles of a depot through hours, read at the rhythm of the profile `generic`: the simulator's
 * vehicles, what OBD-II resolves of their values, and updates as the agent's source makes them. In
 * process and on the caller's time, so that a night takes seconds.
 *
 * A fifth each: drives all night, drives then charges, charges then sleeps, sleeps, drives then sleeps.
 */
#ifndef TESTS_BENCH_FLEET_H
#define TESTS_BENCH_FLEET_H

#include "agent/sampler.h"
#include "tests/sim/vehicle.h"

struct fleet;

/* `count` vehicles from `start_us` for `length_us`, named as `freshet-sim depot` names them; `gps`: with
 * a receiver each, a device NAME-gps. NULL without memory. */
struct fleet *fleet_create(unsigned count, int64_t start_us, int64_t length_us, bool gps);
void fleet_destroy(struct fleet *fleet); /* NULL is accepted */
/* When the next reading is due. */
int64_t fleet_due(const struct fleet *fleet);
/* Gives the sampler what is due by `now_us`. 0 or what the sampler said. */
int fleet_read(struct fleet *fleet, struct sampler *sampler, int64_t now_us);
/* Values read so far. */
int64_t fleet_values(const struct fleet *fleet);

#endif
