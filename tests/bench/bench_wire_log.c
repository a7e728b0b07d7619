/* What a record of recorded traffic costs on the wire: logs of a J1939 bus (candump -L) through the
 * agent's own source and sampler, packed and counted as sends are.
 *
 * bench_wire_log [--json] FILE...
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sampler.h"
#include "agent/source/bus.h"
#include "base/loop.h"
#include "hal/fake/can_fake.h"
#include "tests/bench/rows.h"
#include "tests/bench/wire_meter.h"

#define SECOND INT64_C(1000000)
#define START (3600 * SECOND)
#define TARGET 40 /* bytes a record */
#define TARGET_RECORDS 100

struct log {
	struct clock_fake clock;
	struct loop *loop;
	struct can_fake *bus;
	struct bus_table *table;
	struct source_config config;
	struct source_env env;
	struct source *source;
	struct sampler *sampler;
	struct wire_meter meter;
	int64_t values, frames;
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_wire_log: %s: %s\n", what, why);
	exit(1);
}

static void on_update(void *arg, const struct model_update *update)
{
	struct log *log = arg;

	log->values += (int64_t)update->item_count;
	if (sampler_update(log->sampler, update, log->clock.mono_us))
		die("sampler", "it takes no reading");
}

static void on_changed(void *arg, struct source *source)
{
	(void)arg;
	(void)source;
}

/* `all`: every value is told, as if there were no deadbands. */
static void open_log(struct log *log, bool all)
{
	struct sampler_config config = {
		.max_records = TARGET_RECORDS,
		.max_bytes = INT64_C(64) * 1024,
		.max_age_us = SECOND / 10,
		.min_interval_us = SECOND,
		.heartbeat_us = 120 * SECOND,
		.keyframe_us = 300 * SECOND,
	};
	char path[4096];

	clock_fake_init(&log->clock, INT64_C(1795190400000), START);
	wire_meter_init(&log->meter);
	log->meter.fill = TARGET_RECORDS;
	if (all) {
		config.min_interval_us = 0;
		config.heartbeat_us = SECOND / 10;
	} else {
		deadband_default(&config.bands);
	}
	if (bus_map_find(bus_map_dir(), "j1939", path, sizeof(path)) ||
	    bus_table_load(path, stderr, &log->table))
		die("the map of J1939", "cannot be read");
	if (loop_create(&log->clock.clock, &log->loop) ||
	    can_fake_create(&log->clock.clock, &log->bus) ||
	    sampler_create(&config, wire_meter_take, &log->meter, &log->sampler))
		die("start", "out of memory");
	log->config = (struct source_config){.name = "bus0",
					     .kind = "j1939",
					     .device = "can:can0",
					     .device_id = "truck-7",
					     .signals = "",
					     .requests = "",
					     .table = log->table};
	log->env = (struct source_env){.loop = log->loop,
				       .can = can_fake_opener(log->bus),
				       .update = on_update,
				       .changed = on_changed,
				       .arg = log};
	if (source_j1939_ops.create(&log->config, &log->env, &log->source) ||
	    source_j1939_ops.start(log->source))
		die("the source", "does not start");
}

static void close_log(struct log *log)
{
	source_j1939_ops.destroy(log->source);
	sampler_destroy(log->sampler);
	can_fake_destroy(log->bus);
	loop_destroy(log->loop);
	bus_table_free(log->table);
	wire_meter_free(&log->meter);
}

static void settle(struct log *log)
{
	for (int i = 0; i < 100 && loop_run_once(log->loop, 0) > 0; i++)
		;
	if (sampler_due(log->sampler) <= log->clock.mono_us &&
	    sampler_run(log->sampler, log->clock.mono_us))
		die("sampler", "it cannot seal");
}

static void pass(struct log *log, int64_t until_us)
{
	while (log->clock.mono_us < until_us) {
		int64_t next = loop_due_us(log->loop);

		if (sampler_due(log->sampler) < next)
			next = sampler_due(log->sampler);
		if (next > until_us)
			next = until_us;
		if (next > log->clock.mono_us)
			clock_fake_advance(&log->clock, next - log->clock.mono_us);
		settle(log);
	}
}

/* "(1701363725.986550) can0 18F75E89#FF3528282B2D00A3". */
static bool read_line(const char *line, int64_t *ret_us, struct canbus_frame *ret_frame)
{
	const char *space = strrchr(line, ' ');
	char *end;

	*ret_frame = (struct canbus_frame){.extended = true};
	if (line[0] != '(' || !space)
		return false;
	*ret_us = strtoll(line + 1, &end, 10) * SECOND;
	*ret_us += *end == '.' ? strtoll(end + 1, &end, 10) : 0;
	ret_frame->id = (uint32_t)strtoul(space + 1, &end, 16);
	if (*end++ != '#')
		return false;
	while (ret_frame->len < 8 && strspn(end, "0123456789ABCDEFabcdef") >= 2) {
		const char byte[3] = {end[0], end[1], '\0'};

		ret_frame->data[ret_frame->len++] = (uint8_t)strtoul(byte, NULL, 16);
		end += 2;
	}
	return true;
}

static void play(struct log *log, const char *path)
{
	const int64_t start = log->clock.mono_us;
	struct canbus_frame frame;
	int64_t at, first = 0;
	char line[256];
	FILE *file = fopen(path, "re");

	if (!file)
		die(path, "cannot be read");
	while (fgets(line, sizeof(line), file)) {
		if (!read_line(line, &at, &frame))
			continue;
		if (!first)
			first = at;
		pass(log, start + at - first);
		can_fake_send(log->bus, &frame);
		settle(log);
		log->frames++;
	}
	(void)fclose(file);
}

static void tell(struct rows *rows, const char *path, const struct log *log, bool all)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const char *what = all ? "every value" : "by exception";
	const double seconds = (double)(log->clock.mono_us - START) / (double)SECOND;
	struct sampler_stats stats;
	char text[120];

	sampler_stats(log->sampler, &stats);
	(void)snprintf(text, sizeof(text), "%s: length", name);
	if (!all)
		rows_put(rows, text, seconds, "s", log->frames, 0);
	(void)snprintf(text, sizeof(text), "%s, %s: told", name, what);
	rows_put(rows, text, (double)stats.told, "values", log->values, 0);
	(void)snprintf(text, sizeof(text), "%s, %s: bytes", name, what);
	rows_put(rows, text, (double)log->meter.total / seconds, "bytes a second",
		 log->meter.records, 0);
	/* The target is of full batches. */
	(void)snprintf(text, sizeof(text), "%s, %s: on the wire", name, what);
	rows_put(rows, text, (double)log->meter.total / (double)log->meter.records,
		 "bytes a record", log->meter.records,
		 log->meter.records >= TARGET_RECORDS ? TARGET : 0);
	(void)snprintf(text, sizeof(text), "%s, %s: in a batch", name, what);
	rows_put(rows, text, (double)log->meter.records / (double)log->meter.batches, "records",
		 log->meter.batches, 0);
}

static void run(struct rows *rows, const char *path, bool all)
{
	struct log log = {.values = 0};

	open_log(&log, all);
	play(&log, path);
	pass(&log, log.clock.mono_us + SECOND);
	if (sampler_flush(log.sampler, log.clock.mono_us) || wire_meter_end(&log.meter))
		die(path, "the last records cannot be packed");
	if (log.meter.records)
		tell(rows, path, &log, all);
	close_log(&log);
}

int main(int argc, char **argv)
{
	struct rows rows = {.prefix = "wire"};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			rows.as_json = true;
			continue;
		}
		run(&rows, argv[i], false);
		run(&rows, argv[i], true);
	}
	return rows.missed;
}
