/* The one writer, on a thread of its own (named "writer"): takes what came from the broker, group by
 * group, through accept/ into the database, and hands acknowledgements, changes and events on. It also
 * sweeps once a minute (every second where a workspace's thresholds are short) and renews the lease.
 * A group that meets a full or read-only disk is kept and tried again: it is committed once when the
 * fault is over, and until then nothing of it is acknowledged. */
#ifndef CLOUD_INGEST_WRITER_H
#define CLOUD_INGEST_WRITER_H

#include "base/clock.h"
#include "cloud/ingest/messages.h"
#include "cloud/relay/live.h"

struct writer_config {
	const char *database_url;
	const char *owner; /* for the lease */
	size_t cache_devices;
	struct clock *clock;
	struct ingest_queues *queues;
	struct live *live;
	atomic_bool *stop;        /* set by main: ends when the queue to it is empty */
	atomic_bool *database_ok; /* told: the last commit succeeded */
	atomic_bool
		*lost; /* told: another core has taken the database over; the writer has ended */
	atomic_llong *seen_us;
	atomic_ullong *batches, *records, *rejected, *commits, *commit_failures, *deferred, *acks;
};

struct writer;

/* Opens the database, takes the lease and starts the thread. `config` is copied. 0 or -errno with
 * `error` (may be NULL). */
int writer_start(const struct writer_config *config, struct writer **ret_writer, char *error,
		 size_t error_size);
/* Waits, after `stop` is set, until the queue to it is empty and committed; frees. NULL is accepted. */
void writer_join(struct writer *writer);

#endif
