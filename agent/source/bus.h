/* Sources that listen to a vehicle's bus: kind "j1939" (trucks and buses, by the J1939 parameter table)
 * and kind "can" (any bus, by a DBC file). Both take what is said unasked; the first also asks, where
 * the configuration wants it to. */
#ifndef AGENT_SOURCE_BUS_H
#define AGENT_SOURCE_BUS_H

#include "agent/source/bus_table.h"
#include "agent/source/source.h"

extern const struct source_ops source_j1939_ops;
extern const struct source_ops source_can_ops;

#define BUS_REQUESTS_MAX 16

/* Parameter groups that may be asked for, by name: those that only tell. (A request can also do
 * something: DM3 and DM11 erase trouble codes; no name leads there.) Reads words, separated by blanks or
 * commas. Returns how many, or -EINVAL with `expected` naming the word. */
int bus_requests_parse(const char *text, uint32_t out[static BUS_REQUESTS_MAX], char *expected,
		       size_t size);

/* The interface of an address "can:can0"; NULL where it is none. */
const char *bus_interface(const char *device);

#endif
