/* freshet-core's inside: one struct that the main thread builds before the others start and tears
 * down after they have ended; between, it is read only but for what says otherwise.
 *
 *	main    signals, watchdog, sd_notify; starts and stops the others
 *	ingest  the broker (ingest/broker.h)
 *	writer  accept/ and the writing connection (ingest/writer.h); feeds `live`
 *	http    the API and the page, on a reading connection; takes from `live`
 */
#ifndef CLOUD_MAIN_CORE_H
#define CLOUD_MAIN_CORE_H

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/conf.h"
#include "cloud/ingest/messages.h"
#include "cloud/relay/live.h"

/* Exit codes of every command. */
enum core_exit { CORE_DONE = 0, CORE_FAILED = 1, CORE_USAGE = 2 };

/* What the threads tell of themselves: for /ready, /metrics, the watchdog and the log. */
struct core_status {
	atomic_bool broker_connected;
	atomic_bool database_ok;                     /* the last commit succeeded */
	atomic_bool lost;                            /* another core has taken the database over */
	atomic_llong ingest_seen_us, writer_seen_us; /* monotonic: last came round */
	atomic_llong http_seen_us;                   /* same; 0: not started */
	atomic_ullong batches, records, rejected, commits, commit_failures;
	atomic_ullong deferred, acks; /* batches answered so; messages to gateways */
};

struct core {
	struct conf *conf;
	char database_url[600];
	const char *state_dir;
	struct clock *clock;
	struct clock_system system_clock;
	struct ingest_queues queues;
	struct live *live;
	struct core_status status;
	atomic_bool stop;        /* set by main: ingest and http end soon */
	atomic_bool writer_stop; /* set by main when nobody feeds the writer any more */
};

/* conf.c */
extern const struct conf_section core_conf_schema[];
/* Reads and checks the file; prints every mistake on stderr. 0 or CORE_USAGE. */
int core_conf_load(const char *path, struct conf **ret_conf);
/* Takes over `conf`, works out paths. 0 or -errno. */
int core_init(struct core *core, struct conf *conf);
void core_fini(struct core *core);
/* Reads a secret from a file's first line; says on stderr what is wrong. "" for path "". */
int core_read_secret(const char *path, char *out, size_t size);

/* token.c: makes the first token where there is none, and keeps it in STATE_DIR/admin.token (0600).
 * *ret_made: it was made now. */
int core_admin_token(struct core *core, bool *ret_made);
/* Where it is kept. */
void core_admin_token_path(const struct core *core, char *out, size_t size);

/* page.c: a file of the page, as api_file_fn. */
struct api_file;
bool core_page_file(const char *path, struct api_file *ret_file);

/* run.c and cli*.c: whole commands; exit codes. */
int core_run(struct core *core);
int core_cli(struct core *core, int argc, char **argv, bool json);
/* Prints the commands. */
void core_usage(FILE *out);

#endif
