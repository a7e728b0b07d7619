/* The section [spool] of the agent's configuration. Stateless. */
#ifndef AGENT_CONFIG_SPOOL_H
#define AGENT_CONFIG_SPOOL_H

#include "base/conf.h"
#include "storage/spool/spool.h"

extern const struct conf_key config_spool_keys[];

/* Fills in all but the paths and the clock. */
void config_read_spool(const struct conf_sect *sect, struct spool_config *spool);

#endif
