#include "storage/coredb/coredb.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema_core.h"
#include "storage/coredb/coredb_priv.h"
#include "storage/schema/schema.h"

int coredb_fail(struct coredb *db, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the analyzer misreads va_start */
	(void)vsnprintf(db->error, sizeof(db->error), fmt, args);
	va_end(args);
	return error;
}

struct sql_stmt *coredb_stmt(struct coredb *db, const char *text)
{
	db->error[0] = '\0';
	return sql_stmt(db->sql, text);
}

void coredb_bind_time(struct sql_stmt *stmt, int index, int64_t ms)
{
	if (ms == MODEL_NO_TIME)
		sql_bind_null(stmt, index);
	else
		sql_bind_int(stmt, index, ms);
}

int64_t coredb_col_time(struct sql_stmt *stmt, int column)
{
	return sql_is_null(stmt, column) ? MODEL_NO_TIME : sql_int(stmt, column);
}

void coredb_bind_ref(struct sql_stmt *stmt, int index, int64_t id)
{
	if (id == 0)
		sql_bind_null(stmt, index);
	else
		sql_bind_int(stmt, index, id);
}

const char *coredb_col_str(struct sql_stmt *stmt, int column)
{
	const char *text = sql_text(stmt, column);

	return text ? text : "";
}

void coredb_col_text(struct sql_stmt *stmt, int column, char *out, size_t size)
{
	(void)snprintf(out, size, "%s", coredb_col_str(stmt, column));
}

int coredb_one(struct sql_stmt *stmt)
{
	int r = sql_step(stmt);

	if (r == 0)
		return -ENOENT;
	return r < 0 ? r : 0;
}

int coredb_insert(struct sql_stmt *stmt, int64_t *ret_id)
{
	int64_t id;
	int r = coredb_one(stmt);

	if (r)
		return r;
	id = sql_int(stmt, 0);
	/* Step on to the end: only then is an INSERT ... RETURNING complete. */
	r = sql_step(stmt);
	if (r < 0)
		return r;
	*ret_id = id;
	return 0;
}

static int say(char *error, size_t size, int r, const char *text)
{
	if (error && size)
		(void)snprintf(error, size, "%s", text);
	return r;
}

static int check_version(struct sql *sql, char *error, size_t error_size)
{
	int from;
	int to;
	int r = schema_check(sql, &schema_core, &from, &to, error, error_size);

	if (r)
		return r;
	if (from == to)
		return 0;
	if (error && error_size)
		(void)snprintf(error, error_size,
			       "the database is of version %d, this program wants %d: run "
			       "`freshet-core migrate`",
			       from, to);
	return -EPROTO;
}

int coredb_open(const char *url, unsigned flags, struct coredb **ret_db, char *error,
		size_t error_size)
{
	struct coredb *db = calloc(1, sizeof(*db));
	unsigned how = 0;
	int r;

	if (!db)
		return say(error, error_size, -ENOMEM, "out of memory");
	if (flags & COREDB_READ_ONLY)
		how |= SQL_READ_ONLY;
	if (flags & COREDB_CREATE)
		how |= SQL_CREATE;
	r = sql_open(url, how, &db->sql, error, error_size);
	if (r)
		goto out;
	if (flags & COREDB_CREATE)
		r = schema_migrate(db->sql, &schema_core, NULL, NULL, error, error_size);
	else
		r = check_version(db->sql, error, error_size);
	if (r)
		goto out;
	*ret_db = db;
	db = NULL;
out:
	coredb_close(db);
	return r;
}

void coredb_close(struct coredb *db)
{
	if (!db)
		return;
	sql_close(db->sql);
	free(db);
}

const char *coredb_error(const struct coredb *db)
{
	return db->error[0] ? db->error : sql_error(db->sql);
}

struct sql *coredb_sql(struct coredb *db)
{
	return db->sql;
}

int coredb_migrate(const char *url, bool check_only, int *ret_pending, char *error,
		   size_t error_size)
{
	struct sql *sql = NULL;
	int from = 0;
	int to = 0;
	int r;

	r = sql_open(url, check_only ? SQL_READ_ONLY : SQL_CREATE, &sql, error, error_size);
	if (r)
		return r;
	if (check_only)
		r = schema_check(sql, &schema_core, &from, &to, error, error_size);
	else
		r = schema_migrate(sql, &schema_core, &from, &to, error, error_size);
	if (!r)
		*ret_pending = to - from;
	sql_close(sql);
	return r;
}

/* The first statement of every write transaction: it takes the row's lock where a database locks
 * rows, and its counter shows everybody else that something was written. */
static int take_shard(struct coredb *db)
{
	struct sql_stmt *stmt;
	int64_t epoch;
	int r;

	stmt = coredb_stmt(db, "UPDATE shard SET writes = writes + 1 WHERE id = 1"
			       " RETURNING next_event, epoch, writes");
	r = coredb_one(stmt);
	if (r)
		return r;
	db->first_event = sql_int(stmt, 0);
	epoch = sql_int(stmt, 1);
	db->write = sql_int(stmt, 2);
	r = sql_step(stmt);
	if (r < 0)
		return r;
	if (db->lease_epoch && epoch != db->lease_epoch)
		return coredb_fail(db, -ESTALE, "another core has taken the database over");
	db->next_event = db->first_event;
	return 0;
}

int coredb_begin(struct coredb *db, bool *ret_foreign)
{
	int r;

	db->error[0] = '\0';
	r = sql_begin(db->sql);
	if (r)
		return r;
	r = take_shard(db);
	if (r) {
		coredb_rollback(db);
		return r;
	}
	if (ret_foreign)
		*ret_foreign =
			db->first_event != db->expected_event || db->write != db->last_write + 1;
	return 0;
}

int coredb_begin_aside(struct coredb *db)
{
	db->error[0] = '\0';
	db->first_event = db->expected_event;
	db->next_event = db->expected_event;
	db->write = db->last_write;
	return sql_begin(db->sql);
}

int coredb_commit(struct coredb *db)
{
	int r = 0;

	if (db->next_event != db->first_event) {
		struct sql_stmt *stmt =
			coredb_stmt(db, "UPDATE shard SET next_event = $1 WHERE id = 1");

		sql_bind_int(stmt, 1, db->next_event);
		r = sql_run(stmt);
	}
	if (!r)
		r = sql_commit(db->sql);
	if (r) {
		coredb_rollback(db);
		return r;
	}
	db->expected_event = db->next_event;
	db->last_write = db->write;
	return 0;
}

void coredb_rollback(struct coredb *db)
{
	/* Keep what went wrong before: rolling back says nothing of interest. */
	if (!db->error[0])
		(void)snprintf(db->error, sizeof(db->error), "%s", sql_error(db->sql));
	sql_rollback(db->sql);
	db->next_event = db->first_event;
}

int coredb_begin_read(struct coredb *db)
{
	return sql_begin_read(db->sql);
}

int coredb_lease_take(struct coredb *db, const char *owner, int64_t now_ms, int64_t expires_ms)
{
	struct sql_stmt *stmt;
	int64_t epoch;
	int r;

	(void)now_ms;
	db->lease_epoch = 0;
	r = coredb_begin(db, NULL);
	if (r)
		return r;
	stmt = coredb_stmt(db, "UPDATE shard SET owner = $1, epoch = epoch + 1, expires_at = $2"
			       " WHERE id = 1 RETURNING epoch");
	sql_bind_text(stmt, 1, owner);
	sql_bind_int(stmt, 2, expires_ms);
	r = coredb_insert(stmt, &epoch);
	if (r)
		goto out;
	r = coredb_commit(db);
	if (!r)
		db->lease_epoch = epoch;
out:
	if (r)
		coredb_rollback(db);
	return r;
}

int coredb_lease_renew(struct coredb *db, int64_t expires_ms)
{
	struct sql_stmt *stmt = coredb_stmt(db, "UPDATE shard SET expires_at = $1 WHERE id = 1");

	sql_bind_int(stmt, 1, expires_ms);
	return sql_run(stmt);
}

int coredb_set_listening(struct coredb *db, int64_t since_ms)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "UPDATE shard SET listening_since = $1 WHERE id = 1");

	coredb_bind_time(stmt, 1, since_ms);
	return sql_run(stmt);
}

int coredb_set_published(struct coredb *db, int64_t seq)
{
	struct sql_stmt *stmt = coredb_stmt(db, "UPDATE shard SET published = $1 WHERE id = 1");

	sql_bind_int(stmt, 1, seq);
	return sql_run(stmt);
}

int coredb_shard(struct coredb *db, struct coredb_shard *ret_shard)
{
	struct sql_stmt *stmt;
	int r;

	stmt = coredb_stmt(db, "SELECT owner, epoch, expires_at, next_event, published,"
			       " listening_since FROM shard WHERE id = 1");
	r = coredb_one(stmt);
	if (r)
		return r;
	coredb_col_text(stmt, 0, ret_shard->owner, sizeof(ret_shard->owner));
	ret_shard->epoch = sql_int(stmt, 1);
	ret_shard->expires_at_ms = sql_int(stmt, 2);
	ret_shard->next_event = sql_int(stmt, 3);
	ret_shard->published = sql_int(stmt, 4);
	ret_shard->listening_since_ms = coredb_col_time(stmt, 5);
	sql_done(stmt);
	return 0;
}

int coredb_event_add(struct coredb *db, struct coredb_event *event)
{
	struct sql_stmt *stmt;
	int r;

	r = ids_ulid(event->occurred_at_ms, event->id);
	if (r)
		return r;
	stmt = coredb_stmt(db, "INSERT INTO event (seq, event_id, workspace_id, device_id, name,"
			       " occurred_at, late, trace_id, payload)"
			       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
	sql_bind_int(stmt, 1, db->next_event);
	sql_bind_text(stmt, 2, event->id);
	sql_bind_int(stmt, 3, event->workspace);
	sql_bind_int(stmt, 4, event->device);
	sql_bind_text(stmt, 5, event->name);
	sql_bind_int(stmt, 6, event->occurred_at_ms);
	sql_bind_int(stmt, 7, event->late);
	sql_bind_text(stmt, 8, event->trace_id);
	sql_bind_text(stmt, 9, event->payload);
	r = sql_run(stmt);
	if (r)
		return r;
	event->seq = db->next_event++;
	return 0;
}

static void read_event(struct sql_stmt *stmt, struct coredb_event *event)
{
	event->seq = sql_int(stmt, 0);
	coredb_col_text(stmt, 1, event->id, sizeof(event->id));
	event->workspace = sql_int(stmt, 2);
	event->device = sql_int(stmt, 3);
	event->name = coredb_col_str(stmt, 4);
	event->occurred_at_ms = sql_int(stmt, 5);
	event->late = sql_int(stmt, 6) != 0;
	event->trace_id = sql_text(stmt, 7);
	event->payload = coredb_col_str(stmt, 8);
	event->workspace_name = coredb_col_str(stmt, 9);
	event->device_name = coredb_col_str(stmt, 10);
}

COREDB_EVERY(event, struct coredb_event);

int coredb_event_each(struct coredb *db, int64_t workspace, int64_t after, int limit,
		      coredb_event_fn *fn, void *arg)
{
	struct sql_stmt *stmt;

	if (workspace)
		stmt = coredb_stmt(db, "SELECT e.seq, e.event_id, e.workspace_id, e.device_id,"
				       " e.name, e.occurred_at, e.late, e.trace_id, e.payload,"
				       " w.name, d.name FROM event e"
				       " LEFT JOIN workspace w ON w.id = e.workspace_id"
				       " LEFT JOIN device d ON d.id = e.device_id"
				       " WHERE e.seq > $1 AND e.workspace_id = $3"
				       " ORDER BY e.seq LIMIT $2");
	else
		stmt = coredb_stmt(db, "SELECT e.seq, e.event_id, e.workspace_id, e.device_id,"
				       " e.name, e.occurred_at, e.late, e.trace_id, e.payload,"
				       " w.name, d.name FROM event e"
				       " LEFT JOIN workspace w ON w.id = e.workspace_id"
				       " LEFT JOIN device d ON d.id = e.device_id"
				       " WHERE e.seq > $1 ORDER BY e.seq LIMIT $2");
	sql_bind_int(stmt, 1, after);
	sql_bind_int(stmt, 2, limit);
	if (workspace)
		sql_bind_int(stmt, 3, workspace);
	return every_event(stmt, fn, arg);
}
