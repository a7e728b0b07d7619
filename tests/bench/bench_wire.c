/* What a record costs on the wire and to make: readings of a depot through the real sampler, packed
 * and counted as sends are.
 *
 * bench_wire [--json]
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>

#include <zdict.h>
#include <zstd.h>

#include "tests/bench/fleet.h"
#include "tests/bench/rows.h"
#include "tests/bench/wire_meter.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define START HOUR
#define VEHICLES 50
#define TARGET 40 /* bytes a record */
#define TARGET_RECORDS 100
#define SAMPLES_MAX 65536
#define DICTIONARY_BYTES 8192

static struct rows rows = {.prefix = "wire"};

static void die(const char *what)
{
	(void)fprintf(stderr, "bench_wire: %s\n", what);
	exit(1);
}

static double cpu_s(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t))
		die("no clock");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The bodies, for other ways of packing. */
struct store {
	struct buf bytes;
	size_t sizes[SAMPLES_MAX];
	unsigned count;
	int64_t records;
};
static struct store store;

static int keep(void *arg, const struct spool_put *put)
{
	(void)arg;
	if (store.count < SAMPLES_MAX) {
		buf_append(&store.bytes, put->json, put->len);
		store.sizes[store.count++] = put->len;
		store.records += put->count;
	}
	return store.bytes.error;
}

static void run(struct wire_meter *meter, bool gps, bool offline, int64_t length_us,
		struct sampler_stats *ret_stats)
{
	struct sampler_config config = {
		.max_records = 100,
		.max_bytes = INT64_C(512) * 1024,
		.max_age_us = SECOND / 10,
		.max_age_offline_us = SECOND,
		.min_interval_us = SECOND,
		.heartbeat_us = 120 * SECOND,
		.keyframe_us = 300 * SECOND,
	};
	struct fleet *fleet = fleet_create(VEHICLES, START, length_us, gps);
	struct sampler *sampler = NULL;
	int64_t now = START;

	deadband_default(&config.bands);
	if (!fleet || sampler_create(&config, wire_meter_take, meter, &sampler))
		die("out of memory");
	sampler_set_offline(sampler, offline);
	while (now < START + length_us) {
		now = fleet_due(fleet) < sampler_due(sampler) ? fleet_due(fleet)
							      : sampler_due(sampler);
		if (fleet_read(fleet, sampler, now) ||
		    (sampler_due(sampler) <= now && sampler_run(sampler, now)))
			die("the sampler fails");
	}
	sampler_stats(sampler, ret_stats);
	sampler_destroy(sampler);
	fleet_destroy(fleet);
}

static void measure(const char *name, int fill, bool gps, bool offline, int64_t length_us,
		    double target)
{
	struct wire_meter meter;
	struct sampler_stats stats;
	const double began = cpu_s();
	double used;
	char text[80];

	wire_meter_init(&meter);
	meter.fill = fill;
	meter.filled = fill == TARGET_RECORDS ? keep : NULL;
	run(&meter, gps, offline, length_us, &stats);
	if (wire_meter_end(&meter))
		die("the last records cannot be packed");
	used = cpu_s() - began;
	(void)snprintf(text, sizeof(text), "%s: on the wire", name);
	rows_put(&rows, text, (double)meter.total / (double)meter.records, "bytes a record",
		 meter.records, target);
	(void)snprintf(text, sizeof(text), "%s: in a batch", name);
	rows_put(&rows, text, (double)meter.records / (double)meter.batches, "records",
		 meter.batches, 0);
	(void)snprintf(text, sizeof(text), "%s: as JSON, unpacked", name);
	rows_put(&rows, text, (double)meter.json / (double)meter.records, "bytes a record",
		 meter.records, 0);
	(void)snprintf(text, sizeof(text), "%s: of readings told", name);
	rows_put(&rows, text,
		 100.0 * (double)stats.told / (double)(stats.told + stats.withheld + stats.limited),
		 "percent", stats.told + stats.withheld, 0);
	(void)snprintf(text, sizeof(text), "%s: CPU, vehicles included", name);
	rows_put(&rows, text, 1e6 * used / (double)meter.records, "us a record", meter.records, 0);
	wire_meter_free(&meter);
}

/* ---- other ways of packing the same bodies ---- */

static void pack_all(const char *name, int level, const ZSTD_CDict *dictionary)
{
	const size_t room = ZSTD_compressBound(WIRE_UNPACKED_BYTES_MAX);
	ZSTD_CCtx *context = ZSTD_createCCtx();
	char *out = malloc(room), text[80];
	const char *at = store.bytes.data;
	size_t total = 0;
	double began;

	if (!context || !out)
		die("out of memory");
	began = cpu_s();
	for (unsigned i = 0; i < store.count; i++) {
		const size_t len = dictionary ? ZSTD_compress_usingCDict(context, out, room, at,
									 store.sizes[i], dictionary)
					      : ZSTD_compressCCtx(context, out, room, at,
								  store.sizes[i], level);

		if (ZSTD_isError(len))
			die(ZSTD_getErrorName(len));
		total += len;
		at += store.sizes[i];
	}
	(void)snprintf(text, sizeof(text), "body by %s", name);
	rows_put(&rows, text, (double)total / (double)store.records, "bytes a record",
		 store.records, 0);
	(void)snprintf(text, sizeof(text), "body by %s: CPU", name);
	rows_put(&rows, text, 1e6 * (cpu_s() - began) / (double)store.records, "us a record",
		 store.records, 0);
	free(out);
	ZSTD_freeCCtx(context);
}

static void compare(void)
{
	static const int levels[] = {1, 2, 3, 6};
	static char dictionary[DICTIONARY_BYTES];
	/* Trained on one half, so on half of what it is tried on. */
	const size_t len = ZDICT_trainFromBuffer(dictionary, sizeof(dictionary), store.bytes.data,
						 store.sizes, store.count / 2);
	char name[64];

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		(void)snprintf(name, sizeof(name), "zstd -%d", levels[i]);
		pack_all(name, levels[i], NULL);
	}
	if (ZDICT_isError(len))
		return;
	for (int level = 1; level <= 3; level += 2) {
		ZSTD_CDict *made = ZSTD_createCDict(dictionary, len, level);

		if (!made)
			die("out of memory");
		(void)snprintf(name, sizeof(name), "zstd -%d with a dictionary of 8 KiB", level);
		pack_all(name, level, made);
		ZSTD_freeCDict(made);
	}
}

int main(int argc, char **argv)
{
	rows.as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
	buf_init(&store.bytes, SIZE_MAX / 2);
	measure("OBD-II, full batches", TARGET_RECORDS, false, false, 8 * HOUR, TARGET);
	measure("OBD-II and GPS, full batches", TARGET_RECORDS, true, false, 8 * HOUR, 0);
	measure("OBD-II, 10 a batch", 10, false, false, 2 * HOUR, 0);
	measure("OBD-II, 50 a batch", 50, false, false, 2 * HOUR, 0);
	measure("OBD-II, as sealed while the link is down", 0, false, true, 2 * HOUR, 0);
	measure("OBD-II, as sealed while it is up", 0, false, false, 2 * HOUR, 0);
	if (store.bytes.error)
		die("out of memory");
	compare();
	buf_free(&store.bytes);
	return rows.missed;
}
