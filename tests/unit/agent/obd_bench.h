/* A vehicle behind a scripted adapter, and an OBD-II source that reads it, on a fake clock. */
#ifndef TESTS_UNIT_AGENT_OBD_BENCH_H
#define TESTS_UNIT_AGENT_OBD_BENCH_H

#include "agent/source/obd.h"
#include "hal/fake/stream_fake.h"

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)

/* Speed and engine speed, once a second. */
extern const char bench_generic[];

struct bench_seen {
	int updates, keyframes, changes;
	int given[MODEL_FIELD_COUNT]; /* times */
	double number[MODEL_FIELD_COUNT];
	int64_t integer[MODEL_FIELD_COUNT];
	char text[MODEL_FIELD_COUNT][64]; /* lists: their cells joined by blanks */
	char vin[MODEL_VIN_SIZE];
};

struct bench {
	struct stream_fake *device;
	struct source_config config; /* may be changed before bench_start() */
	struct source *source;
	struct profile *profile;
	struct bench_seen seen;
	unsigned speed; /* of the adapter: at another baud rate it understands nothing; 0: at any */
};

extern struct bench bench;

/* A stopped source of a profile's text; adapter and vehicle answer as a usual one. */
void bench_make(const char *text);
void bench_make_allowed(const char *text, profile_allowed_fn *allowed);
void bench_start(void);
void bench_end(void);

/* For cmocka: made of bench_generic and started. */
int bench_setup(void **state);
int bench_teardown(void **state);

/* What the adapter says to a command from now on, without prompt; NULL: nothing, not even a prompt. */
void bench_reply(const char *command, const char *reply);
/* What the vehicle says to every request that has no reply of its own, NO DATA at first. */
void bench_vehicle(const char *reply);
/* The next so many commands get no answer at all. */
void bench_mute(int commands);
/* How often a command was sent. */
int bench_count(const char *command);
/* All that was sent since bench_forget(), each with its CR, without blanks. */
const char *bench_sent(void);
void bench_forget(void);

/* Lets time pass in steps of 10 ms. */
void bench_pass(int64_t us);

struct source_report bench_report(void);
/* The reason why a command of the profile is not asked for; "" where it is. */
const char *bench_refusal(const char *command);

#endif
