/* The core's database: a connection, its transactions, its events. What stands in it has headers of
 * its own: registry.h (workspaces, gateways, vehicles, devices), transfer.h (boots, epochs, batches),
 * state.h (snapshots, health evidence), ledger.h (parked, rejected, counted), gap.h (lost), auth.h (tokens).
 *
 * A connection belongs to one thread. Every write transaction of every process takes the shard row
 * first; that is the one order of the shard. Functions return 0 or -errno as sql.h names them, and
 * coredb_error() says more; those that look up give -ENOENT where there is nothing. Times are ms UTC,
 * MODEL_NO_TIME where not known (NULL in the database).
 */
#ifndef STORAGE_COREDB_COREDB_H
#define STORAGE_COREDB_COREDB_H

#include "base/ids.h"
#include "model/update.h"
#include "storage/sql/sql.h"

struct coredb;

enum coredb_flags {
	COREDB_READ_ONLY = 1, /* for readers: http, status */
	COREDB_CREATE = 2,    /* make and migrate where there is none */
};

/* Opens the database at `url` ("sqlite:PATH"). Without COREDB_CREATE one that is missing or not of
 * this version's schema is refused: -ENOENT, -EPROTO (older: migrate it; newer: another program).
 * `error` (may be NULL) says why in a sentence. */
int coredb_open(const char *url, unsigned flags, struct coredb **ret_db, char *error,
		size_t error_size);
void coredb_close(struct coredb *db); /* rolls back what is open; NULL is accepted */
const char *coredb_error(const struct coredb *db);
/* For queries that no function here has; the same thread, read only. */
struct sql *coredb_sql(struct coredb *db);

/* Brings the schema up to date. *ret_pending: how many migrations were, or with `check_only` would
 * be, applied. */
int coredb_migrate(const char *url, bool check_only, int *ret_pending, char *error,
		   size_t error_size);

/* Write transactions. coredb_begin() takes the shard row. *ret_foreign (may be NULL) is true where
 * somebody else has changed something since this connection's last transaction: caches must go.
 * -ESTALE: the lease was taken by another owner (only after coredb_lease_take()). */
int coredb_begin(struct coredb *db, bool *ret_foreign);
/* A write transaction for what no cache holds (auth.h): it takes no number, so nobody's cache goes. */
int coredb_begin_aside(struct coredb *db);
/* Commits; on failure everything is rolled back and no event number was used. */
int coredb_commit(struct coredb *db);
void coredb_rollback(struct coredb *db);
/* A consistent view for several reads; end it with coredb_rollback(). */
int coredb_begin_read(struct coredb *db);

/* The lease of the shard. Taking it fences every earlier owner: their next coredb_begin() fails with
 * -ESTALE. Who may take it is decided outside (a lock file beside a SQLite database). */
int coredb_lease_take(struct coredb *db, const char *owner, int64_t now_ms, int64_t expires_ms);
/* Inside a transaction. */
int coredb_lease_renew(struct coredb *db, int64_t expires_ms);

/* Since when the owner hears its gateways (MODEL_NO_TIME: it does not). Inside a transaction. */
int coredb_set_listening(struct coredb *db, int64_t since_ms);

/* An event of the outbox, written with the change that it tells of. */
struct coredb_event {
	int64_t seq;                /* given by coredb_event_add() */
	char id[IDS_ULID_SIZE];     /* given by coredb_event_add() */
	int64_t workspace;          /* row, 0: none */
	int64_t device;             /* row, 0: none */
	const char *workspace_name; /* on reading */
	const char *device_name;    /* on reading; "" without */
	const char *name;
	int64_t occurred_at_ms;
	bool late;
	const char *trace_id; /* NULL without */
	const char *payload;  /* a JSON object */
};

/* Inside a transaction: gives seq and id. */
int coredb_event_add(struct coredb *db, struct coredb_event *event);

typedef int coredb_event_fn(void *arg, const struct coredb_event *event);
/* Events with seq > after, oldest first, of one workspace or (0) all. Until `fn` returns non-zero;
 * its texts live during the call. Returns how many were shown, or -errno. */
int coredb_event_each(struct coredb *db, int64_t workspace, int64_t after, int limit,
		      coredb_event_fn *fn, void *arg);

struct coredb_shard {
	char owner[IDS_SIZE];
	int64_t epoch, expires_at_ms;
	int64_t next_event;
	int64_t published;          /* the cursor of the outbox */
	int64_t listening_since_ms; /* MODEL_NO_TIME: the core does not hear gateways */
};
int coredb_shard(struct coredb *db, struct coredb_shard *ret_shard);
/* Moves the cursor of the outbox; inside a transaction. */
int coredb_set_published(struct coredb *db, int64_t seq);

#endif
