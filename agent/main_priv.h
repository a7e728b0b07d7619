/* What the files of the command line share. */
#ifndef AGENT_MAIN_PRIV_H
#define AGENT_MAIN_PRIV_H

#include "agent/config.h"
#include "base/buf.h"
#include "base/clock.h"
#include "model/wire/json.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	const char *config;
	bool config_given;
	bool json;
	/* of probe; NULL where they were not given */
	const char *device, *baud, *write, *source, *device_id, *profiles;
	bool show_vin;
	/* of spool drop */
	const char *class, *older, *batches;
	bool all, yes;
	const char *words[3]; /* after the command */
	int word_count;
};

/* Say on stderr what is wrong; return the exit code. */
int main_usage_error(const char *what, const char *word);
int main_fail(const char *what, int error);

/* probe without a configuration: one device, or a list of what is there. Return the exit code. */
int main_probe_device(const struct options *options);
int main_probe_list(const struct options *options);

/* Members of the daemon's answers; "" and 0 where they are missing. */
const char *main_text_of(const struct jr_value *object, const char *key);
int64_t main_int_of(const struct jr_value *object, const char *key);

/* Asks the running daemon; `out` is initialised and holds the answer, to be freed also after an
 * error. Returns 0, -ENOENT or -ECONNREFUSED where none runs, another -errno. */
int main_ask(const struct agent_config *config, const char *request, struct buf *out);

/* The command `status`; returns the exit code. */
int main_status(const struct agent_config *config, const struct options *options);

/* The commands `spool` and, of these, `spool drop`; return the exit code. */
int main_spool(const struct agent_config *config, const struct options *options);
int main_spool_drop(const struct agent_config *config, const struct options *options);

/* A stopped agent's spool, for this process alone. */
struct main_spool {
	struct spool *spool;
	struct clock_system clock;
	int lock, run_lock;
};
/* Says on stderr what is wrong with the files. Returns 0, -EWOULDBLOCK where the agent runs, -errno. */
int main_spool_open(const struct agent_config *config, struct main_spool *spool);
void main_spool_close(struct main_spool *spool);

/* The command `profile`, which needs no configuration; returns the exit code. */
int main_profile(const struct options *options);

#endif
