/* A day of one vehicle, from its control units to what the core would say of it, in one process on a
 * clock that jumps from event to event: freshet-sim's vehicle and adapter, the agent's source and
 * sampler, the core's freshness and health.
 *
 *	day.c        time, the line between adapter and source
 *	day_judge.c  what the source tells, against the truth
 *	day_core.c   what the core would make of the sampler's records
 */
#ifndef TESTS_UNIT_AGENT_DAY_H
#define TESTS_UNIT_AGENT_DAY_H

#include <stdio.h>

#include "agent/sampler.h"
#include "agent/source/obd.h"
#include "cloud/domain/health.h"
#include "hal/fake/can_fake.h"
#include "hal/fake/stream_fake.h"
#include "tests/sim/can_port.h"
#include "tests/sim/elm327.h"
#include "tests/sim/vehicle.h"

#define DAY_MS INT64_C(1000)
#define DAY_SECOND INT64_C(1000000)
#define DAY_MINUTE (60 * DAY_SECOND)
#define DAY_HOUR (60 * DAY_MINUTE)
#define DAY_WALL_MS INT64_C(1735689600000) /* the clock's wall time at monotonic 0 */
#define DAY_MINUTES 1440

struct day_setup {
	enum vehicle_kind kind;
	const struct vehicle_leg *legs;
	size_t leg_count;
	bool no_voltage; /* the adapter cannot measure the plug's voltage */
	struct rhythm_config rhythm;
	enum elm327_temperament temperament;
	bool over_can; /* without an adapter: on a CAN interface */
};

#define DAY_QUANTITIES_MAX 40
#define DAY_SAMPLES 512

/* The truth at one moment, by the table of day_judge.c. */
struct day_truth {
	int64_t at_us;
	double values[DAY_QUANTITIES_MAX];
};

/* A state of the vehicle, and how soon it was told. */
struct day_state {
	bool is, was;
	int64_t since_us;
	bool told; /* since then */
	int64_t worst_on_us, worst_off_us;
};

#define DAY_READS 4096 /* remembered, a field */

/* What was observed of a field, for what the sampler says of it later. */
struct day_reads {
	int64_t at_us[DAY_READS];
	size_t next, count;
	int64_t answers; /* day.answers when it was last told, */
	int64_t told_us; /* and when that was */
};

struct day_minute {
	enum vehicle_activity activity;
	bool asleep;
	uint64_t frames;
	int64_t requests, requests_asleep, looks;
	int64_t updates, values, records;
	enum health_state state;
	enum health_reason reason;
};

struct day {
	struct day_setup setup;
	struct clock_fake clock;
	struct loop *loop;
	struct stream_fake *line;
	struct vehicle vehicle;
	struct elm327 elm;
	struct can_fake *wire; /* over CAN, instead of line and elm */
	struct can_port port;
	struct buf out;
	const struct profile *profile;
	struct source_config config;
	struct source_env env;
	struct source *source;
	struct sampler *sampler;

	/* day_judge.c */
	struct day_truth truth[DAY_SAMPLES];
	size_t truth_next;
	struct day_state ignition, charging;
	int64_t answers; /* that left the adapter whole */
	int64_t updates, values, checked;
	double odometer_km;
	struct day_reads reads[MODEL_FIELD_COUNT];

	/* day_core.c */
	struct policy policy;
	int64_t records;
	int64_t last_update_ms, last_accepted_ms;
	bool ignition_off;
	int64_t ignition_since_ms;
	struct model_update_room record_room;

	struct day_minute minutes[DAY_MINUTES];
	size_t minute_count;
	int64_t faults;
	FILE *report; /* where faults are told */
};

/* The vehicle stands as at the beginning of its script, and the source is started. */
int day_begin(struct day *day, const struct day_setup *setup, const struct profile *profile);
void day_run(struct day *day, int64_t until_us);
void day_end(struct day *day);

/* Something is not as it should be: counted, and the first are told. */
__attribute__((format(printf, 2, 3))) void day_fault(struct day *day, const char *fmt, ...);

int64_t day_now_us(const struct day *day);
int64_t day_wall_ms(int64_t mono_us);

void day_judge_begin(struct day *day);
void day_judge_truth(struct day *day);
void day_judge_update(struct day *day, const struct model_update *update);
/* Was the field read then? */
bool day_judge_was_read(const struct day *day, enum model_field field, int64_t at_us);

int day_core_begin(struct day *day);
void day_core_minute(struct day *day, struct day_minute *minute);
void day_core_end(struct day *day);

#endif
