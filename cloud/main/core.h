/* freshet-core's inside: one struct that the main thread builds before the others start and tears
 * down after they have ended; between, it is read only but for what says otherwise.
 *
 *	main    signals, watchdog, sd_notify; starts and stops the others
 *	ingest  the broker, accept/ and the writing connection; feeds `live`
 *	http    the API and the page, on a reading connection; takes from `live`
 */
#ifndef CLOUD_MAIN_CORE_H
#define CLOUD_MAIN_CORE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/conf.h"
#include "cloud/relay/live.h"

/* What the threads tell of themselves: for /ready, /metrics, the watchdog and the log. */
struct core_status {
	atomic_bool broker_connected;
	atomic_bool database_ok;     /* the last commit succeeded */
	atomic_llong ingest_seen_us; /* monotonic: the ingest thread last came round */
	atomic_llong http_seen_us;   /* same of the http thread; 0: not started */
	atomic_ullong batches, records, rejected, commits, commit_failures;
};

struct core {
	struct conf *conf;
	const char *database_url;
	struct clock *clock;
	struct live *live;
	struct core_status status;
	atomic_bool stop; /* set by main: threads end soon */
};

/* The schema of core.conf. */
extern const struct conf_section core_conf_schema[];

/* Reads and checks the file, prints every mistake on stderr. 0 or 2 (the exit code). */
int core_conf_load(const char *path, struct conf **ret_conf);

#endif
