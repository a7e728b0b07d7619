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

/* How a value becomes the field's. */
enum bus_map_kind {
	BUS_MAP_NUMBER, /* value * to_mul + to_add; whole where the field is an INTEGER */
	BUS_MAP_FLAG,   /* 0 or 1 as they are */
	BUS_MAP_WORDS,  /* one of `words`, others are refused */
	BUS_MAP_ABOVE,  /* more than `above`: true, "on"; else false, "off" */
};

struct bus_map_signal {
	char name[BUS_MAP_NAME_SIZE]; /* J1939: "engine_speed"; DBC: "Message.Signal" */
	enum model_field field;
	enum bus_map_kind kind;
	const char *unit;      /* static; "": not said, then it is the field's own */
	double to_mul, to_add; /* canonical = value * to_mul + to_add */
	double min, max;       /* plausible, in the signal's unit; min > max: no bound */
	double above;
	int64_t period_us; /* at most one value is given in this time; 0: each */
	/* J1939: whose word counts, the first of these that is heard; none: anybody's. */
	uint8_t sources[BUS_MAP_SOURCES_MAX];
	uint8_t source_count;
	bool others; /* after these, anybody's */
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
/* The file it was read from. */
const char *bus_map_path(const struct bus_map *map);
/* The DBC file that describes the frames, its path absolute; "" for J1939's own table. */
const char *bus_map_dbc(const struct bus_map *map);
/* True where frames are found by their parameter group (J1939), whoever sends them. */
bool bus_map_by_pgn(const struct bus_map *map);
size_t bus_map_count(const struct bus_map *map);
/* In the order of the file; where several are one field, the first has it while it is heard. */
const struct bus_map_signal *bus_map_signal(const struct bus_map *map, size_t index);

/* The folder of the maps that come with the agent: provider/bus/maps of the source tree in a
 * developer's build, else /usr/share/freshet/maps. */
const char *bus_map_dir(void);
/* The path of a map into `out`: NAME.conf of the folder, or `name` itself where it has a slash.
 * Returns 0, -EINVAL for what is no name, -ENAMETOOLONG. The file need not be there. */
int bus_map_find(const char *dir, const char *name, char *out, size_t size);

#endif
