/* A map with its names resolved: which frames of a bus are wanted, and which numbers stand in them for
 * which signals of the map. The names are those of J1939's parameter table, or "Message.Signal" of the
 * map's DBC file.
 *
 * Never changes once it is loaded: any thread may read it. Decoding allocates nothing.
 */
#ifndef AGENT_SOURCE_BUS_TABLE_H
#define AGENT_SOURCE_BUS_TABLE_H

#include "hal/can.h"
#include "provider/bus/bus_map.h"

#define BUS_DBC_MAX ((size_t)16 << 20) /* bytes of a DBC file */

struct bus_table;

/* Loads the map and what it names. Mistakes are printed to `errors` with the map's or the DBC file's
 * line. Returns 0, -EINVAL (printed), or -errno (printed). */
int bus_table_load(const char *path, FILE *errors, struct bus_table **ret_table);
void bus_table_free(struct bus_table *table); /* NULL is accepted */

const struct bus_map *bus_table_map(const struct bus_table *table);
/* Frames are told apart by their parameter group (J1939), not by their whole identifier. */
bool bus_table_by_pgn(const struct bus_table *table);

/* The filters that let in what is wanted. Returns how many there are; they are put into `out` where
 * there is room for all. */
size_t bus_table_filters(const struct bus_table *table, struct canbus_filter *out, size_t room);

/* The filter for all senders of a parameter group. */
struct canbus_filter bus_filter_pgn(uint32_t pgn);

/* A number of a message, of signal `index` of the map. */
typedef void bus_table_fn(void *arg, size_t index, double value);

/* Takes a message apart: `key` is its identifier, or by_pgn its parameter group. What a unit says to
 * be not available or in error is no number. Returns whether the message is one that is wanted. */
bool bus_table_decode(const struct bus_table *table, uint32_t key, bool extended,
		      const uint8_t *data, size_t len, bus_table_fn *fn, void *arg);

#endif
