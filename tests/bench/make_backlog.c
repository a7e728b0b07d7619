/* The backlog of hours without a link: a depot's readings through the real sampler into the real
 * spool, on a clock that jumps from event to event.
 *
 * make_backlog VEHICLES MINUTES SPOOL YOUNG BOOT_ID END_MONO_US END_WALL_MS
 *
 * The spool is left as an orderly end leaves it. Prints one JSON object.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/fleet.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)

struct night {
	struct clock_fake clock;
	struct spool *spool;
	struct sampler *sampler;
	struct fleet *fleet;
	int64_t batches, records;
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "make_backlog: %s: %s\n", what, why);
	exit(1);
}

static int store(void *arg, const struct spool_put *puts, size_t count)
{
	struct night *night = arg;
	int64_t first;
	const int r = spool_append(night->spool, puts, count, &first);

	if (r)
		die("the spool refuses", spool_error(night->spool));
	for (size_t i = 0; i < count; i++) {
		night->batches++;
		night->records += puts[i].count;
	}
	return 0;
}

static void open_spool(struct night *night, const char *path, const char *young)
{
	struct spool_config config = {
		.path = path,
		.young_path = young,
		.window_us = 2 * SECOND,
		.max_bytes = INT64_C(256) * 1024 * 1024,
		.young_max_bytes = INT64_C(8) * 1024 * 1024,
		.clock = &night->clock.clock,
	};
	char error[256] = "";
	char *notice = NULL;

	if (spool_open(&config, &night->spool, &notice, error, sizeof(error)))
		die(path, error);
	if (notice)
		die(path, notice);
}

/* What the agent's configuration has by default. */
static void make_sampler(struct night *night)
{
	struct sampler_config config = {
		.max_records = 100,
		.max_bytes = INT64_C(64) * 1024,
		.max_age_us = SECOND / 10,
		.max_age_offline_us = SECOND,
		.min_interval_us = SECOND,
		.heartbeat_us = 2 * MINUTE,
		.keyframe_us = 5 * MINUTE,
	};

	deadband_default(&config.bands);
	if (sampler_create(&config, store, night, &night->sampler))
		die("sampler", strerror(ENOMEM));
	sampler_set_offline(night->sampler, true);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void run(struct night *night, int64_t until_us)
{
	int64_t anchor_us = 0;

	while (night->clock.mono_us < until_us) {
		int64_t next = least(fleet_due(night->fleet), sampler_due(night->sampler));
		const int64_t now = night->clock.mono_us;

		next = least(least(next, spool_due(night->spool)), until_us);
		if (next > now)
			clock_fake_advance(&night->clock, next - now);
		if (night->clock.mono_us >= anchor_us &&
		    spool_set_anchor(night->spool, night->clock.mono_us, night->clock.wall_ms,
				     CLOCK_QUALITY_SYNCED) < 0)
			die("the clock's anchor", spool_error(night->spool));
		if (night->clock.mono_us >= anchor_us)
			anchor_us = night->clock.mono_us + MINUTE;
		if (fleet_read(night->fleet, night->sampler, night->clock.mono_us))
			die("sampler", "it does not take a reading");
		if (sampler_due(night->sampler) <= night->clock.mono_us &&
		    sampler_run(night->sampler, night->clock.mono_us))
			die("sampler", "it cannot seal");
		if (spool_due(night->spool) <= night->clock.mono_us && spool_run(night->spool))
			die("the spool's upkeep", spool_error(night->spool));
	}
}

int main(int argc, char **argv)
{
	struct night night = {.batches = 0};
	struct spool_stats stats;
	struct sampler_stats sampled;
	int64_t end_us, end_ms, length_us;

	if (argc != 8) {
		(void)fprintf(stderr, "usage: make_backlog VEHICLES MINUTES SPOOL YOUNG BOOT_ID "
				      "END_MONO_US END_WALL_MS\n");
		return 2;
	}
	length_us = strtoll(argv[2], NULL, 10) * MINUTE;
	end_us = strtoll(argv[6], NULL, 10);
	end_ms = strtoll(argv[7], NULL, 10);
	clock_fake_init(&night.clock, end_ms - length_us / 1000, end_us - length_us);
	(void)snprintf(night.clock.boot_id, sizeof(night.clock.boot_id), "%s", argv[5]);
	open_spool(&night, argv[3], argv[4]);
	make_sampler(&night);
	night.fleet = fleet_create((unsigned)strtoul(argv[1], NULL, 10), night.clock.mono_us,
				   length_us, false);
	if (!night.fleet)
		die("vehicles", strerror(ENOMEM));
	run(&night, end_us);
	if (sampler_flush(night.sampler, end_us))
		die("sampler", "it cannot seal");
	spool_stats(night.spool, &stats);
	sampler_stats(night.sampler, &sampled);
	(void)printf("{\"values\":%" PRId64 ",\"told\":%" PRId64 ",\"records\":%" PRId64
		     ",\"batches\":%" PRId64 ",\"bytes\":%" PRId64 ",\"dropped\":%" PRId64
		     ",\"written\":%" PRId64 "}\n",
		     fleet_values(night.fleet), sampled.told, night.records, night.batches,
		     stats.bytes, stats.dropped_total, stats.written_bytes_total);
	sampler_destroy(night.sampler);
	fleet_destroy(night.fleet);
	spool_close(night.spool);
	return 0;
}
