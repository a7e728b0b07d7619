/* What the signals of a vehicle's bus mean: a file that maps names (of J1939's table, or of a DBC file)
 * to canonical fields. Data, not code (docs/buses.md).
 *
 * A map never changes once it is loaded: any thread may read it.
 */
#ifndef PROVIDER_BUS_BUS_MAP_H
#define PROVIDER_BUS_BUS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "model/model.h"

#define BUS_MAP_SIGNALS_MAX 1024
#define BUS_MAP_NAME_SIZE 96
#define BUS_MAP_SOURCES_MAX 8
#define BUS_MAP_WORDS_MAX 16

/* A value of the bus with a word of the canonical field's list: 1 is "on". */
struct bus_map_word {
	double value;
	int64_t integer; /* of the field: a word's index, 0 or 1 */
};

struct bus_map_signal {
	char name[BUS_MAP_NAME_SIZE]; /* J1939: "engine_speed"; DBC: "Message.Signal" */
	enum model_field field;
	double to_mul, to_add; /* canonical = value * to_mul + to_add */
	double min, max;       /* plausible, in the signal's unit; min > max: no bound */
	int64_t period_us;     /* at most one value is given in this time; 0: each */
	/* J1939: whose word counts, the first of these that is heard; none: anybody's. */
	uint8_t sources[BUS_MAP_SOURCES_MAX];
	uint8_t source_count;
	struct bus_map_word words[BUS_MAP_WORDS_MAX];
	uint8_t word_count;
	int line;
};

struct bus_map;

/* Loads a file. Every mistake is printed to `errors` as `FILE:LINE: ...`. Returns 0, -EINVAL (printed),
 * or -errno (printed). Free with bus_map_free(). */
int bus_map_load(const char *path, FILE *errors, struct bus_map **ret_map);
int bus_map_parse(const char *text, size_t len, const char *path, FILE *errors,
		  struct bus_map **ret_map);
void bus_map_free(struct bus_map *map); /* NULL is accepted */

const char *bus_map_title(const struct bus_map *map);
/* The DBC file that describes the frames, its path absolute; "" for J1939's own table. */
const char *bus_map_dbc(const struct bus_map *map);
size_t bus_map_count(const struct bus_map *map);
const struct bus_map_signal *bus_map_signal(const struct bus_map *map, size_t index);

#endif
