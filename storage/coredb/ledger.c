#include "storage/coredb/ledger.h"

#include <errno.h>
#include <stdio.h>

#include "storage/coredb/auth.h"
#include "storage/coredb/coredb_priv.h"

#define HEAD_BYTES 256
#define HOUR_MS INT64_C(3600000)

/* *ret_full says whether `more` bytes still fit. */
static int parking_is_full(struct coredb *db, int64_t workspace, size_t more, bool *ret_full)
{
	struct sql_stmt *stmt;
	int r;

	stmt = coredb_stmt(db, "SELECT records, bytes FROM parking WHERE workspace_id = $1");
	sql_bind_int(stmt, 1, workspace);
	r = coredb_one(stmt);
	*ret_full = false;
	if (r)
		return r == -ENOENT ? 0 : r;
	*ret_full = sql_int(stmt, 0) >= COREDB_PARKED_MAX ||
		    sql_int(stmt, 1) + (int64_t)more > COREDB_PARKED_BYTES_MAX;
	sql_done(stmt);
	return 0;
}

static int take_room(struct coredb *db, int64_t workspace, int64_t records, int64_t bytes)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "INSERT INTO parking (workspace_id, records, bytes)"
			       " VALUES ($1, $2, $3) ON CONFLICT (workspace_id) DO UPDATE SET"
			       " records = records + excluded.records,"
			       " bytes = bytes + excluded.bytes");
	sql_bind_int(stmt, 1, workspace);
	sql_bind_int(stmt, 2, records);
	sql_bind_int(stmt, 3, bytes);
	return sql_run(stmt);
}

int coredb_parked_add(struct coredb *db, const struct coredb_parked *row)
{
	struct sql_stmt *stmt;
	bool full;
	int r = parking_is_full(db, row->workspace, row->record_len, &full);

	if (r)
		return r;
	if (full)
		return coredb_fail(db, -EDQUOT, "the workspace's parking is full");
	stmt = coredb_stmt(db, "INSERT INTO parked (workspace_id, gateway_id, device_id,"
			       " device_name, reason, batch_id, number, position, boot_id,"
			       " received_at, vin, record)"
			       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
	sql_bind_int(stmt, 1, row->workspace);
	sql_bind_int(stmt, 2, row->gateway);
	sql_bind_int(stmt, 3, row->device);
	sql_bind_text(stmt, 4, row->device_name);
	sql_bind_text(stmt, 5, row->reason);
	sql_bind_int(stmt, 6, row->batch);
	sql_bind_int(stmt, 7, row->number);
	sql_bind_int(stmt, 8, row->position);
	sql_bind_int(stmt, 9, row->boot);
	sql_bind_int(stmt, 10, row->received_ms);
	sql_bind_text(stmt, 11, row->vin);
	sql_bind_text_n(stmt, 12, row->record, row->record_len);
	r = sql_run(stmt);
	return r ? r : take_room(db, row->workspace, 1, (int64_t)row->record_len);
}

int coredb_parked_last(struct coredb *db, int64_t *ret_id)
{
	struct sql_stmt *stmt = coredb_stmt(db, "SELECT coalesce(max(id), 0) FROM parked");
	int r = coredb_one(stmt);

	if (r)
		return r;
	*ret_id = sql_int(stmt, 0);
	sql_done(stmt);
	return 0;
}

int coredb_parked_remove(struct coredb *db, int64_t id)
{
	struct sql_stmt *stmt = coredb_stmt(db, "DELETE FROM parked WHERE id = $1 RETURNING"
						" workspace_id, length(CAST(record AS BLOB))");
	int64_t workspace;
	int64_t bytes;
	int r;

	sql_bind_int(stmt, 1, id);
	r = coredb_one(stmt);
	if (r)
		return r;
	workspace = sql_int(stmt, 0);
	bytes = sql_int(stmt, 1);
	r = sql_step(stmt);
	sql_done(stmt);
	return r ? r : take_room(db, workspace, -1, -bytes);
}

static void read_parked(struct sql_stmt *stmt, struct coredb_parked *row)
{
	const void *record;

	row->id = sql_int(stmt, 0);
	row->workspace = sql_int(stmt, 1);
	row->gateway = sql_int(stmt, 2);
	row->device = sql_int(stmt, 3);
	row->device_name = coredb_col_str(stmt, 4);
	row->reason = coredb_col_str(stmt, 5);
	row->batch = sql_int(stmt, 6);
	row->number = sql_int(stmt, 7);
	row->position = (int)sql_int(stmt, 8);
	row->boot = sql_int(stmt, 9);
	row->received_ms = sql_int(stmt, 10);
	row->vin = coredb_col_str(stmt, 11);
	record = sql_blob(stmt, 12, &row->record_len);
	row->record = record ? record : "";
	row->gateway_name = coredb_col_str(stmt, 13);
}

COREDB_EVERY(parked, struct coredb_parked);

#define PARKED_COLUMNS                                                                             \
	"SELECT p.id, p.workspace_id, p.gateway_id, p.device_id, p.device_name, p.reason,"         \
	" p.batch_id, p.number, p.position, p.boot_id, p.received_at, p.vin, p.record, g.name"     \
	" FROM parked p LEFT JOIN gateway g ON g.id = p.gateway_id WHERE p.workspace_id = $1"      \
	" AND p.id > $2"

int coredb_parked_each(struct coredb *db, int64_t workspace, const char *device_name, int64_t after,
		       int limit, coredb_parked_fn *fn, void *arg)
{
	struct sql_stmt *stmt;

	if (device_name)
		stmt = coredb_stmt(db, PARKED_COLUMNS " AND p.device_name = $4"
						      " ORDER BY p.id LIMIT $3");
	else
		stmt = coredb_stmt(db, PARKED_COLUMNS " ORDER BY p.id LIMIT $3");
	sql_bind_int(stmt, 1, workspace);
	sql_bind_int(stmt, 2, after);
	sql_bind_int(stmt, 3, limit);
	if (device_name)
		sql_bind_text(stmt, 4, device_name);
	return every_parked(stmt, fn, arg);
}

int coredb_rejection_add(struct coredb *db, const struct coredb_rejection *row)
{
	size_t head = row->len < HEAD_BYTES ? row->len : HEAD_BYTES;
	char hash[COREDB_HASH_SIZE] = "";
	struct sql_stmt *stmt;

	if (row->len > head)
		coredb_hash((const char *)row->data + head, row->len - head, hash);
	stmt = coredb_stmt(db, "INSERT INTO rejection (workspace_id, gateway_id, source, reason,"
			       " detail, head, rest_sha256, bytes, first_at, last_at, count)"
			       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 1)"
			       " ON CONFLICT (workspace_id, gateway_id, source, reason,"
			       " rest_sha256, head) DO UPDATE SET count = count + 1,"
			       " last_at = excluded.last_at, detail = excluded.detail");
	sql_bind_int(stmt, 1, row->workspace);
	sql_bind_int(stmt, 2, row->gateway);
	sql_bind_text(stmt, 3, row->source);
	sql_bind_text(stmt, 4, row->reason);
	sql_bind_text(stmt, 5, row->detail);
	sql_bind_blob(stmt, 6, head ? row->data : "", head);
	sql_bind_text(stmt, 7, hash);
	sql_bind_int(stmt, 8, (int64_t)row->len);
	sql_bind_int(stmt, 9, row->last_at_ms);
	return sql_run(stmt);
}

static void read_rejection(struct sql_stmt *stmt, struct coredb_rejection *row)
{
	row->id = sql_int(stmt, 0);
	row->workspace = sql_int(stmt, 1);
	row->gateway = sql_int(stmt, 2);
	row->source = coredb_col_str(stmt, 3);
	row->reason = coredb_col_str(stmt, 4);
	row->detail = coredb_col_str(stmt, 5);
	row->data = sql_blob(stmt, 6, &row->len);
	row->rest_sha256 = coredb_col_str(stmt, 7);
	row->bytes = sql_int(stmt, 8);
	row->first_at_ms = sql_int(stmt, 9);
	row->last_at_ms = sql_int(stmt, 10);
	row->count = sql_int(stmt, 11);
	row->gateway_name = coredb_col_str(stmt, 12);
}

COREDB_EVERY(rejection, struct coredb_rejection);

int coredb_rejection_each(struct coredb *db, int64_t workspace, int64_t before, int limit,
			  coredb_rejection_fn *fn, void *arg)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "SELECT x.id, x.workspace_id, x.gateway_id, x.source, x.reason,"
			       " x.detail, x.head, x.rest_sha256, x.bytes, x.first_at, x.last_at,"
			       " x.count, g.name FROM rejection x"
			       " LEFT JOIN gateway g ON g.id = x.gateway_id"
			       " WHERE x.workspace_id = $1 AND x.id < $2"
			       " ORDER BY x.id DESC LIMIT $3");
	sql_bind_int(stmt, 1, workspace);
	sql_bind_int(stmt, 2, before ? before : INT64_MAX);
	sql_bind_int(stmt, 3, limit);
	return every_rejection(stmt, fn, arg);
}

int coredb_rejection_prune(struct coredb *db, int64_t keep)
{
	struct sql_stmt *stmt = coredb_stmt(db, "DELETE FROM rejection WHERE id <="
						" (SELECT max(id) - $1 FROM rejection)");

	sql_bind_int(stmt, 1, keep);
	return sql_run(stmt);
}

int coredb_outcome_add(struct coredb *db, const struct coredb_outcome *row, int64_t now_ms)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "INSERT INTO outcome (workspace_id, gateway_id, device_id, hour,"
			       " outcome, reason, count) VALUES ($1, $2, $3, $4, $5, $6, $7)"
			       " ON CONFLICT (workspace_id, hour, gateway_id, device_id, outcome,"
			       " reason) DO UPDATE SET count = count + excluded.count");
	sql_bind_int(stmt, 1, row->workspace);
	sql_bind_int(stmt, 2, row->gateway);
	sql_bind_int(stmt, 3, row->device);
	sql_bind_int(stmt, 4, now_ms / HOUR_MS);
	sql_bind_text(stmt, 5, row->outcome);
	sql_bind_text(stmt, 6, row->reason);
	sql_bind_int(stmt, 7, row->count);
	return sql_run(stmt);
}

int coredb_outcome_each(struct coredb *db, int64_t workspace, int64_t from_ms,
			coredb_outcome_fn *fn, void *arg)
{
	struct coredb_outcome row;
	struct sql_stmt *stmt;
	int shown = 0;
	int r;

	stmt = coredb_stmt(db, "SELECT x.workspace_id, x.gateway_id, x.device_id, x.outcome,"
			       " x.reason, sum(x.count), g.name, d.name FROM outcome x"
			       " LEFT JOIN gateway g ON g.id = x.gateway_id"
			       " LEFT JOIN device d ON d.id = x.device_id"
			       " WHERE x.workspace_id = $1 AND x.hour >= $2"
			       " GROUP BY x.gateway_id, x.device_id, x.outcome, x.reason");
	sql_bind_int(stmt, 1, workspace);
	sql_bind_int(stmt, 2, from_ms / HOUR_MS);
	while ((r = sql_step(stmt)) == 1) {
		row.workspace = sql_int(stmt, 0);
		row.gateway = sql_int(stmt, 1);
		row.device = sql_int(stmt, 2);
		row.outcome = coredb_col_str(stmt, 3);
		row.reason = coredb_col_str(stmt, 4);
		row.count = sql_int(stmt, 5);
		row.gateway_name = coredb_col_str(stmt, 6);
		row.device_name = coredb_col_str(stmt, 7);
		shown++;
		if (fn(arg, &row))
			break;
	}
	sql_done(stmt);
	return r < 0 ? r : shown;
}
