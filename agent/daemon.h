/* The gateway daemon: sources, sampler, spool and uplink on one loop. Main-level: it logs. */
#ifndef AGENT_DAEMON_H
#define AGENT_DAEMON_H

#include "agent/config.h"

/* Runs until SIGTERM or SIGINT. Returns 0 after an orderly end, -errno otherwise (said in the log). */
int daemon_run(const struct agent_config *config);

/* Opens every source (or the one called `only`) and says what is behind it, as a table or JSON on
 * stdout. Returns 0 where all answered, 1 where not, -errno. */
int daemon_probe(const struct agent_config *config, const char *only, bool json);

/* What spool_open() wants, from the configuration: its texts point into `paths`. Returns 0 or -errno. */
#define DAEMON_PATH_MAX 4096
struct daemon_spool_paths {
	char disk[DAEMON_PATH_MAX];
	char young[DAEMON_PATH_MAX];
};
int daemon_spool_config(const struct agent_config *config, struct clock *clock,
			struct daemon_spool_paths *paths, struct spool_config *ret_spool);

/* Takes the state folder for this process alone (made where it is missing). Returns a descriptor to
 * keep open, -EWOULDBLOCK where another process has it, -errno. */
int daemon_lock(const struct agent_config *config);
/* The same of the run folder: two gateways on one machine need two. */
int daemon_lock_run(const struct agent_config *config);
/* True where the run folder is kept in memory; where it cannot be asked, too. */
bool daemon_run_is_tmpfs(const struct agent_config *config);

#endif
