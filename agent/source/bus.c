/* The source as others see it: made, started, stopped, asked for a report. */
#include "agent/source/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/bus_priv.h"

const char *bus_interface(const char *device)
{
	return canbus_interface(device);
}

/* ---- is the configuration right? ---- */

static int fault(const char **ret_key, const char *key, char *expected, size_t size,
		 const char *text)
{
	*ret_key = key;
	(void)snprintf(expected, size, "%s", text);
	return -EINVAL;
}

static int check_common(const struct source_config *config, const char **ret_key, char *expected,
			size_t size)
{
	if (!bus_interface(config->device)) {
		*ret_key = "device";
		(void)snprintf(expected, size, "a CAN interface such as can:can0, not '%.80s'",
			       config->device);
		return -EINVAL;
	}
	if (config->period_us)
		return fault(ret_key, "period", expected, size,
			     "no period: the map says how often each value is wanted");
	if (config->signals[0])
		return fault(ret_key, "signals", expected, size,
			     "no signals: the map says what is wanted");
	if (!config->table)
		return fault(ret_key, "map", expected, size, "a map");
	return 0;
}

static int j1939_check(const struct source_config *config, const char **ret_key, char *expected,
		       size_t size)
{
	uint32_t requests[BUS_REQUESTS_MAX];
	int r = check_common(config, ret_key, expected, size);

	if (!r && !bus_table_by_pgn(config->table))
		r = fault(ret_key, "map", expected, size,
			  "a map of parameter groups; this one matches identifiers (kind = can)");
	if (!r && bus_requests_parse(config->requests, requests, expected, size) < 0) {
		*ret_key = "requests";
		r = -EINVAL;
	}
	return r;
}

static int can_check(const struct source_config *config, const char **ret_key, char *expected,
		     size_t size)
{
	int r = check_common(config, ret_key, expected, size);

	if (!r && !bus_map_dbc(bus_table_map(config->table))[0])
		r = fault(ret_key, "map", expected, size,
			  "a map with a DBC file; J1939's own parameters are of kind = j1939");
	if (!r && config->requests[0])
		r = fault(ret_key, "requests", expected, size,
			  "no requests: nothing is sent by this kind");
	return r;
}

/* ---- life ---- */

static void destroy(struct source *source);

/* A bus whose values are all slow is not silent between them. */
static int64_t silence_of(const struct bus_map *map)
{
	int64_t fastest = INT64_MAX;

	for (size_t i = 0; i < bus_map_count(map); i++)
		if (bus_map_signal(map, i)->period_us < fastest)
			fastest = bus_map_signal(map, i)->period_us;
	return fastest / 3 > BUS_SILENCE_US / 9 ? 3 * fastest : BUS_SILENCE_US;
}

static void begin_report(struct bus *bus)
{
	struct source_report *report = &bus->report;
	const struct bus_map *map = bus_table_map(bus->table);

	report->reason = bus_starting;
	report->state = SOURCE_SILENT;
	report->last_ok_us = MODEL_NO_TIME;
	report->since_us = bus_now_us(bus);
	report->vin_judgement = "";
	report->activity = "";
	report->values = (unsigned)bus_map_count(map);
	report->bus.map = bus_map_title(map);
	report->bus.condition = "";
	report->bus.asking = "";
	report->bus.address = -1;
	(void)snprintf(report->detail, sizeof(report->detail), "%s",
		       "The interface is being opened.");
}

static int create(const struct source_ops *ops, const struct source_config *config,
		  const struct source_env *env, struct source **ret_source)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (!bus)
		return -ENOMEM;
	bus->source.ops = ops;
	bus->source.config = config;
	bus->source.env = env;
	bus->table = config->table;
	bus->j1939 = ops == &source_j1939_ops;
	r = bus_reading_create(bus_table_map(bus->table), &bus->reading);
	if (!r)
		r = bus_ask_make(bus);
	if (r) {
		destroy(&bus->source);
		return r;
	}
	bus->silence_us = silence_of(bus_table_map(bus->table));
	bus->heard_us = MODEL_NO_TIME;
	bus->awake_us = MODEL_NO_TIME;
	bus->off_told_us = MODEL_NO_TIME;
	bus->vin_told_us = MODEL_NO_TIME;
	bus_codes_init(&bus->active);
	bus_codes_init(&bus->previous);
	j1939_tp_init(&bus->tp, J1939_NULL);
	model_update_init(&bus->update, &bus->room);
	begin_report(bus);
	*ret_source = &bus->source;
	return 0;
}

static int j1939_create(const struct source_config *config, const struct source_env *env,
			struct source **ret_source)
{
	return create(&source_j1939_ops, config, env, ret_source);
}

static int can_create(const struct source_config *config, const struct source_env *env,
		      struct source **ret_source)
{
	return create(&source_can_ops, config, env, ret_source);
}

static int start(struct source *source)
{
	struct bus *bus = (struct bus *)source;

	if (bus->running)
		return 0;
	bus->running = true;
	bus->reopen_us = 0;
	bus_open(bus);
	return 0;
}

static void stop(struct source *source)
{
	struct bus *bus = (struct bus *)source;

	bus->running = false;
	bus_close(bus);
	loop_timer_cancel(&bus->tick);
}

static void destroy(struct source *source)
{
	struct bus *bus = (struct bus *)source;

	if (!bus)
		return;
	stop(source);
	bus_reading_destroy(bus->reading);
	free(bus);
}

static unsigned count_addresses(const struct bus *bus)
{
	unsigned count = 0;

	for (unsigned i = 0; i < 256; i++)
		count += bus->addresses[i / 8] >> i % 8 & 1;
	return count;
}

static void report(const struct source *source, struct source_report *ret_report)
{
	const struct bus *bus = (const struct bus *)source;
	struct bus_reading_counts counts;

	*ret_report = bus->report;
	bus_reading_counts(bus->reading, &counts);
	ret_report->ecus = count_addresses(bus);
	ret_report->bus.values = counts.values;
	ret_report->bus.implausible = counts.implausible;
	ret_report->bus.outranked = counts.outranked;
	ret_report->rejected += counts.implausible;
	ret_report->bus.messages = bus->tp.counts.complete;
	ret_report->bus.broken = bus->tp.counts.broken + bus->tp.counts.late +
				 bus->tp.counts.no_room + bus->tp.counts.malformed;
	ret_report->rejected += ret_report->bus.broken;
}

const struct source_ops source_j1939_ops = {
	.kind = "j1939",
	.check = j1939_check,
	.create = j1939_create,
	.start = start,
	.stop = stop,
	.report = report,
	.destroy = destroy,
};

const struct source_ops source_can_ops = {
	.kind = "can",
	.check = can_check,
	.create = can_create,
	.start = start,
	.stop = stop,
	.report = report,
	.destroy = destroy,
};
