/* What the files of the maps share: bus_map.c (the file), bus_map_signal.c (its signals). */
#ifndef PROVIDER_BUS_BUS_MAP_PRIV_H
#define PROVIDER_BUS_BUS_MAP_PRIV_H

#include "base/conf.h"
#include "provider/bus/bus_map.h"

/* A [signal] that is being read. */
struct bus_map_section {
	struct conf *conf;
	const struct conf_sect *sect;
};

bool bus_map_conf_by_pgn(const struct conf *conf);
/* Reads a [signal]. Mistakes are added to the conf. Returns 0, -EINVAL (added) or -ENOMEM. */
int bus_map_read_signal(const struct bus_map_section *in, struct bus_map_signal *signal);

#endif
