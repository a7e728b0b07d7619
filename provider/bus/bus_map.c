#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "provider/bus/bus_map_priv.h"

#define PERIOD_MAX_MS ((int64_t)7 * 24 * 3600 * 1000)

struct bus_map {
	struct conf *conf; /* owns the texts */
	char *path;
	const char *title, *dbc;
	struct bus_map_signal *signals;
	size_t count;
};

static const struct conf_key map_keys[] = {
	{"title", CONF_TEXT, "", 0, 0, NULL, "the vehicles, for people"},
	{"dbc", CONF_PATH, "", 0, 0, NULL, "a DBC file"},
	{"match", CONF_ENUM, "id", 0, 0, "id pgn",
	 "how frames find their message of the DBC file: id or pgn"},
	{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_key signal_keys[] = {
	{"signal", CONF_TEXT, "", 1, BUS_MAP_NAME_SIZE - 1, NULL,
	 "the signal's name, where the section has another one"},
	{"field", CONF_TEXT, NULL, 1, 80, NULL, "the canonical field that it becomes"},
	{"unit", CONF_TEXT, "", 0, 0, NULL, "the unit of the values"},
	{"negate", CONF_BOOL, "no", 0, 0, NULL, "the field has the other sign"},
	{"min", CONF_NUMBER, "0", 0, 0, NULL, "the least plausible value"},
	{"max", CONF_NUMBER, "0", 0, 0, NULL, "the greatest plausible value"},
	{"above", CONF_NUMBER, "0", 0, 0, NULL, "more than this is true, or on"},
	{"period", CONF_DURATION, "1 s", 0, PERIOD_MAX_MS, NULL, "between two values"},
	{"sources", CONF_TEXT, "", 0, 0, NULL, "addresses in hex, the most trusted first"},
	{"words", CONF_TEXT, "", 0, 0, NULL, "RAW:WORD for each value"},
	{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_section schema[] = {
	{"map", CONF_REQUIRED, map_keys},
	{"signal", CONF_MANY, signal_keys},
	{0},
};

/* ---- reading ---- */

bool bus_map_conf_by_pgn(const struct conf *conf)
{
	const struct conf_sect *head = conf_get(conf, "map");

	return !conf_text(head, "dbc")[0] || conf_int(head, "match") == 1;
}

static size_t count_signals(const struct conf *conf)
{
	const struct conf_sect *sect = NULL;
	size_t count = 0;

	while ((sect = conf_next(conf, "signal", sect)) != NULL)
		count++;
	return count;
}

/* Returns 0 or -ENOMEM; mistakes are in the conf. */
static int read_signals(struct bus_map *map)
{
	const size_t count = count_signals(map->conf);
	struct bus_map_section in = {.conf = map->conf};

	if (count == 0)
		return conf_add_error(map->conf, conf_get(map->conf, "map"), "title",
				      "at least one [signal NAME] after it");
	if (count > BUS_MAP_SIGNALS_MAX)
		return conf_add_error(map->conf, conf_get(map->conf, "map"), "title",
				      "at most 1024 signals after it");
	map->signals = calloc(count, sizeof(*map->signals));
	if (!map->signals)
		return -ENOMEM;
	while ((in.sect = conf_next(map->conf, "signal", in.sect)) != NULL) {
		const int r = bus_map_read_signal(&in, &map->signals[map->count]);

		if (r == -ENOMEM)
			return r;
		map->count++;
	}
	return 0;
}

/* Reads on from what the reader of INI files has made. Takes `conf`. */
static int make(struct conf *conf, const char *path, FILE *errors, struct bus_map **ret_map)
{
	struct bus_map *map = calloc(1, sizeof(*map));
	int r = -ENOMEM;

	if (!map) {
		conf_free(conf);
		goto out;
	}
	map->conf = conf;
	map->path = strdup(path);
	if (!map->path)
		goto out;
	r = conf_error_count(conf) ? 0 : read_signals(map);
	if (r)
		goto out;
	if (conf_error_count(conf)) {
		conf_print_errors(conf, errors);
		r = -EINVAL;
		goto out;
	}
	map->title = conf_text(conf_get(conf, "map"), "title");
	map->dbc = conf_text(conf_get(conf, "map"), "dbc");
	*ret_map = map;
	return 0;
out:
	bus_map_free(map);
	return r;
}

static int finish(int r, struct conf *conf, const char *path, FILE *errors,
		  struct bus_map **ret_map)
{
	if (r == 0 || r == -EINVAL)
		r = make(conf, path, errors, ret_map);
	if (r && r != -EINVAL)
		(void)fprintf(errors, "%s: %s\n", path, strerror(-r));
	return r;
}

int bus_map_load(const char *path, FILE *errors, struct bus_map **ret_map)
{
	struct conf *conf = NULL;
	const int r = conf_load(path, schema, &conf);

	return finish(r, conf, path, errors, ret_map);
}

int bus_map_parse(const char *text, size_t len, const char *path, FILE *errors,
		  struct bus_map **ret_map)
{
	struct conf *conf = NULL;
	const int r = conf_parse(text, len, path, schema, &conf);

	return finish(r, conf, path, errors, ret_map);
}

void bus_map_free(struct bus_map *map)
{
	if (!map)
		return;
	conf_free(map->conf);
	free(map->signals);
	free(map->path);
	free(map);
}

/* ---- what it says ---- */

const char *bus_map_title(const struct bus_map *map)
{
	return map->title;
}

const char *bus_map_path(const struct bus_map *map)
{
	return map->path;
}

const char *bus_map_dbc(const struct bus_map *map)
{
	return map->dbc;
}

bool bus_map_by_pgn(const struct bus_map *map)
{
	return bus_map_conf_by_pgn(map->conf);
}

size_t bus_map_count(const struct bus_map *map)
{
	return map->count;
}

const struct bus_map_signal *bus_map_signal(const struct bus_map *map, size_t index)
{
	return index < map->count ? &map->signals[index] : NULL;
}
