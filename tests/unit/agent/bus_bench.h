/* A bus in memory and a source that listens to it, on a fake clock. */
#ifndef TESTS_UNIT_AGENT_BUS_BENCH_H
#define TESTS_UNIT_AGENT_BUS_BENCH_H

#include "agent/source/bus.h"
#include "hal/fake/can_fake.h"

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

struct bus_seen {
	int updates, keyframes, changes;
	int given[MODEL_FIELD_COUNT]; /* times */
	double number[MODEL_FIELD_COUNT];
	int64_t integer[MODEL_FIELD_COUNT];
	char text[MODEL_FIELD_COUNT][256]; /* lists: their cells joined by semicolons */
	char vin[MODEL_VIN_SIZE];
	int64_t mono_us;
	int64_t written;                /* frames of the source */
	struct canbus_frame frames[32]; /* the last of them */
};

struct bus_bench {
	struct can_fake *fake;
	struct source_config config; /* may be changed before bus_bench_start() */
	struct source *source;
	struct bus_table *table;
	struct bus_seen seen;
};

extern struct bus_bench bus_bench;

/* A stopped source of the map in a file. */
void bus_bench_make(const struct source_ops *ops, const char *map_path);
void bus_bench_start(void);
void bus_bench_end(void);
int bus_bench_teardown(void **state);

/* Lets time pass in steps of 10 ms. */
void bus_bench_pass(int64_t us);
/* A frame on the bus, which is taken at once: "18FEF100#FFFFFF". */
void bus_bench_say(const char *frame);
/* The same frame every 100 ms for so long. */
void bus_bench_repeat(const char *frame, int64_t us);
/* A message of several frames by broadcast, `pgn` of `source`; 50 ms a packet. */
void bus_bench_broadcast(uint32_t pgn, uint8_t source, const void *data, size_t len);

struct source_report bus_bench_report(void);
/* The frame that the source sent last, as text; "" none. */
const char *bus_bench_sent(void);

#endif
