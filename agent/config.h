/* The agent's configuration: one INI file, its schema, and what no schema can say. */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdio.h>

#include "agent/profiles.h"
#include "agent/sampler.h"
#include "agent/source/source.h"
#include "agent/uplink.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "model/wire/status.h"

struct agent_config {
	struct conf *conf;         /* owns the texts below */
	struct profiles *profiles; /* owns those of the sources */
	const char *workspace, *gateway_id;
	const char *state_dir; /* spool, saved clock, lock */
	const char *run_dir;   /* on tmpfs: the spool's young floor; for this gateway alone */
	const char *socket;    /* the daemon answers `status` there */
	enum clock_trust trust;
	enum log_level log_level;
	struct uplink_config uplink;
	struct sampler_config sampler;
	struct spool_config spool; /* without paths and clock */
	size_t source_count;
	struct source_config sources[WIRE_SOURCES_MAX];
	struct bus_table *tables[WIRE_SOURCES_MAX]; /* owns those of the sources */
};

/* Reads and checks a file. On mistakes writes one line each to `errors` (file, line, section, key and
 * what was expected) and returns -EINVAL; -errno where the file cannot be read. On 0, free with
 * agent_config_free(). */
int agent_config_load(const char *path, struct agent_config *ret_config, FILE *errors);
/* Secrets are files that only their owner may read: judged by commands that will use them, so that
 * others can still tell how the running agent is. 0; -EINVAL with lines as above; -ENOMEM. */
int agent_config_check_secrets(const struct agent_config *config, FILE *errors);
void agent_config_free(struct agent_config *config);

#endif
