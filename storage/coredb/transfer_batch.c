/* History: a row a batch. */
#include "storage/coredb/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "storage/coredb/coredb_priv.h"
#include "storage/coredb/packed.h"

#define DAY_MS INT64_C(86400000)

int coredb_batch_next(struct coredb *db, int64_t *ret_id)
{
	struct sql_stmt *stmt = coredb_stmt(db, "SELECT coalesce(max(id), 0) + 1 FROM batch");
	int r = coredb_one(stmt);

	if (r)
		return r;
	*ret_id = sql_int(stmt, 0);
	sql_done(stmt);
	return 0;
}

int coredb_batch_add(struct coredb *db, const struct coredb_batch *batch)
{
	struct sql_stmt *stmt;
	struct buf devices;
	int r;

	buf_init(&devices, (size_t)16 * COREDB_BATCH_DEVICES);
	packed_put_numbers(&devices, batch->devices, batch->device_count);
	r = devices.error;
	if (r)
		goto out;
	stmt = coredb_stmt(db,
			   "INSERT INTO batch (workspace_id, gateway_id, epoch_id, number, boot_id,"
			   " class, received_at, first_mono_us, last_mono_us, first_at, last_at,"
			   " records, accepted, late, duplicate, parked, rejected, devices,"
			   " packing, body, id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
			   " $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)");
	sql_bind_int(stmt, 1, batch->workspace);
	sql_bind_int(stmt, 2, batch->gateway);
	sql_bind_int(stmt, 3, batch->epoch);
	sql_bind_int(stmt, 4, batch->number);
	sql_bind_int(stmt, 5, batch->boot);
	sql_bind_int(stmt, 6, batch->class);
	sql_bind_int(stmt, 7, batch->received_ms);
	coredb_bind_time(stmt, 8, batch->first_mono_us);
	coredb_bind_time(stmt, 9, batch->last_mono_us);
	sql_bind_int(stmt, 10, batch->first_at_ms);
	sql_bind_int(stmt, 11, batch->last_at_ms);
	sql_bind_int(stmt, 12, batch->records);
	sql_bind_int(stmt, 13, batch->accepted);
	sql_bind_int(stmt, 14, batch->late);
	sql_bind_int(stmt, 15, batch->duplicate);
	sql_bind_int(stmt, 16, batch->parked);
	sql_bind_int(stmt, 17, batch->rejected);
	sql_bind_blob(stmt, 18, devices.data ? devices.data : "", devices.len);
	sql_bind_int(stmt, 19, batch->packing);
	sql_bind_blob(stmt, 20, batch->len ? batch->body : "", batch->len);
	sql_bind_int(stmt, 21, batch->id);
	r = sql_run(stmt);
out:
	buf_free(&devices);
	return r;
}

static int read_batch(struct sql_stmt *stmt, struct coredb_batch *row, int64_t *devices)
{
	size_t len = 0;
	const void *data;

	row->id = sql_int(stmt, 0);
	row->workspace = sql_int(stmt, 1);
	row->gateway = sql_int(stmt, 2);
	row->epoch = sql_int(stmt, 3);
	row->number = sql_int(stmt, 4);
	row->boot = sql_int(stmt, 5);
	row->class = (int)sql_int(stmt, 6);
	row->received_ms = sql_int(stmt, 7);
	row->first_mono_us = coredb_col_time(stmt, 8);
	row->last_mono_us = coredb_col_time(stmt, 9);
	row->first_at_ms = sql_int(stmt, 10);
	row->last_at_ms = sql_int(stmt, 11);
	row->records = (int)sql_int(stmt, 12);
	row->accepted = (unsigned)sql_int(stmt, 13);
	row->late = (unsigned)sql_int(stmt, 14);
	row->duplicate = (unsigned)sql_int(stmt, 15);
	row->parked = (unsigned)sql_int(stmt, 16);
	row->rejected = (unsigned)sql_int(stmt, 17);
	row->packing = (int)sql_int(stmt, 19);
	row->body = sql_blob(stmt, 20, &row->len);
	row->devices = devices;
	data = sql_blob(stmt, 18, &len);
	return packed_get_numbers(data, len, devices, COREDB_BATCH_DEVICES, &row->device_count);
}

int coredb_batch_each(struct coredb *db, int64_t gateway, int64_t from_ms, int64_t to_ms,
		      coredb_batch_fn *fn, void *arg)
{
	int64_t *devices = calloc(COREDB_BATCH_DEVICES, sizeof(*devices));
	struct coredb_batch row;
	struct sql_stmt *stmt;
	int shown = 0;
	int r;

	if (!devices)
		return -ENOMEM;
	stmt = coredb_stmt(db, "SELECT id, workspace_id, gateway_id, epoch_id, number, boot_id,"
			       " class, received_at, first_mono_us, last_mono_us, first_at,"
			       " last_at, records, accepted, late, duplicate, parked, rejected,"
			       " devices, packing, body FROM batch WHERE gateway_id = $1"
			       " AND first_at <= $3 AND last_at >= $2 ORDER BY first_at, id");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_int(stmt, 2, from_ms);
	sql_bind_int(stmt, 3, to_ms);
	while ((r = sql_step(stmt)) == 1) {
		r = read_batch(stmt, &row, devices);
		if (r)
			break;
		shown++;
		if (fn(arg, &row))
			break;
	}
	sql_done(stmt);
	free(devices);
	return r < 0 ? r : shown;
}

/* Puts `device` into the ascending list; returns the new count. */
static size_t insert_device(int64_t *devices, size_t count, int64_t device)
{
	size_t at = 0;

	while (at < count && devices[at] < device)
		at++;
	if (at < count && devices[at] == device)
		return count;
	memmove(&devices[at + 1], &devices[at], (count - at) * sizeof(*devices));
	devices[at] = device;
	return count + 1;
}

int coredb_batch_add_device(struct coredb *db, int64_t batch, int64_t device, unsigned applied)
{
	int64_t *devices = calloc(COREDB_BATCH_DEVICES + 1, sizeof(*devices));
	struct sql_stmt *stmt;
	struct buf packed;
	const void *data;
	size_t len = 0;
	size_t count = 0;
	int r = -ENOMEM;

	buf_init(&packed, (size_t)16 * COREDB_BATCH_DEVICES);
	if (!devices)
		goto out;
	stmt = coredb_stmt(db, "SELECT devices FROM batch WHERE id = $1");
	sql_bind_int(stmt, 1, batch);
	r = coredb_one(stmt);
	if (r)
		goto out;
	data = sql_blob(stmt, 0, &len);
	r = packed_get_numbers(data, len, devices, COREDB_BATCH_DEVICES, &count);
	sql_done(stmt);
	if (r)
		goto out;
	count = insert_device(devices, count, device);
	packed_put_numbers(&packed, devices, count);
	r = packed.error;
	if (r)
		goto out;
	stmt = coredb_stmt(db, "UPDATE batch SET devices = $2, parked = max(0, parked - $3),"
			       " late = late + $3 WHERE id = $1");
	sql_bind_int(stmt, 1, batch);
	sql_bind_blob(stmt, 2, packed.data, packed.len);
	sql_bind_int(stmt, 3, applied);
	r = sql_run(stmt);
out:
	buf_free(&packed);
	free(devices);
	return r;
}

int coredb_history_prune(struct coredb *db, int64_t now_ms, int limit)
{
	struct sql_stmt *stmt;
	int pruned;
	int r;

	/* What is still parked keeps the batch that it came in. */
	stmt = coredb_stmt(db, "DELETE FROM batch WHERE id IN (SELECT b.id FROM workspace w"
			       " CROSS JOIN batch b ON b.workspace_id = w.id"
			       " WHERE b.received_at < $1 - w.retention_days * $2"
			       " AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.batch_id = b.id)"
			       " LIMIT $3)");
	sql_bind_int(stmt, 1, now_ms);
	sql_bind_int(stmt, 2, DAY_MS);
	sql_bind_int(stmt, 3, limit);
	r = sql_run(stmt);
	if (r)
		return r;
	pruned = (int)sql_changes(db->sql);
	/* What is known of who fed whom goes with the longest kept history. */
	stmt = coredb_stmt(db, "DELETE FROM fed WHERE day < $1 / $2 -"
			       " (SELECT coalesce(max(retention_days), 0) FROM workspace)");
	sql_bind_int(stmt, 1, now_ms);
	sql_bind_int(stmt, 2, DAY_MS);
	r = sql_run(stmt);
	return r ? r : pruned;
}
