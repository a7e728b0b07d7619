/* The gateway daemon: sources, sampler, spool and uplink on one loop. Main-level: it logs. */
#ifndef AGENT_DAEMON_H
#define AGENT_DAEMON_H

#include "agent/config.h"

/* Runs until SIGTERM or SIGINT. Returns 0 after an orderly end, -errno otherwise (said in the log). */
int daemon_run(const struct agent_config *config);

/* Opens every source (or the one called `only`) and says what is behind it, as a table or JSON on
 * stdout. Returns 0 where all answered, 1 where not, -errno. */
int daemon_probe(const struct agent_config *config, const char *only, bool json);

/* The path of the spool's file in a state folder. */
#define DAEMON_PATH_MAX 4096
int daemon_spool_path(const struct agent_config *config, char out[static DAEMON_PATH_MAX]);

/* Takes the state folder for this process alone (made where it is missing). Returns a descriptor to
 * keep open, -EWOULDBLOCK where another process has it, -errno. */
int daemon_lock(const struct agent_config *config);

#endif
