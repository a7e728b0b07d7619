#include "storage/coredb/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "storage/coredb/coredb_priv.h"
#include "storage/coredb/packed.h"

#define RANGES_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define DAY_MS INT64_C(86400000)

#define BOOT_COLUMNS                                                                               \
	"SELECT id, gateway_id, name, quality, mono_us, offset_ms, ceiling_ms, held_quality,"      \
	" held_offset_ms, max_mono_us, first_seen, last_seen FROM boot"

static int read_boot(struct sql_stmt *stmt, struct coredb_boot *ret)
{
	int r = coredb_one(stmt);

	if (r)
		return r;
	ret->id = sql_int(stmt, 0);
	ret->gateway = sql_int(stmt, 1);
	coredb_col_text(stmt, 2, ret->name, sizeof(ret->name));
	ret->quality = (enum clock_quality)sql_int(stmt, 3);
	ret->mono_us = sql_int(stmt, 4);
	ret->offset_ms = sql_int(stmt, 5);
	ret->ceiling_ms = sql_int(stmt, 6);
	ret->held_quality = (enum clock_quality)sql_int(stmt, 7);
	ret->held_offset_ms = coredb_col_time(stmt, 8);
	ret->max_mono_us = sql_int(stmt, 9);
	ret->first_seen_ms = sql_int(stmt, 10);
	ret->last_seen_ms = sql_int(stmt, 11);
	sql_done(stmt);
	return 0;
}

int coredb_boot_get(struct coredb *db, int64_t id, struct coredb_boot *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, BOOT_COLUMNS " WHERE id = $1");

	sql_bind_int(stmt, 1, id);
	return read_boot(stmt, ret);
}

static int find_boot(struct coredb *db, int64_t gateway, const char *name, struct coredb_boot *ret)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, BOOT_COLUMNS " WHERE gateway_id = $1 AND name = $2");

	sql_bind_int(stmt, 1, gateway);
	sql_bind_text(stmt, 2, name);
	return read_boot(stmt, ret);
}

int coredb_boot_open(struct coredb *db, int64_t gateway, const char *name, int64_t now_ms,
		     struct coredb_boot *ret)
{
	struct sql_stmt *stmt;
	int64_t id;
	int r = find_boot(db, gateway, name, ret);

	if (r != -ENOENT)
		return r;
	stmt = coredb_stmt(db, "INSERT INTO boot (gateway_id, name, quality, mono_us, offset_ms,"
			       " ceiling_ms, held_quality, max_mono_us, first_seen, last_seen)"
			       " VALUES ($1, $2, 0, 0, 0, $3, 0, -1, $4, $4) RETURNING id");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_text(stmt, 2, name);
	sql_bind_int(stmt, 3, INT64_MAX);
	sql_bind_int(stmt, 4, now_ms);
	r = coredb_insert(stmt, &id);
	return r ? r : coredb_boot_get(db, id, ret);
}

int coredb_boot_put(struct coredb *db, const struct coredb_boot *boot)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "UPDATE boot SET quality = $2, mono_us = $3, offset_ms = $4,"
			       " ceiling_ms = $5, held_quality = $6, held_offset_ms = $7,"
			       " max_mono_us = $8, last_seen = $9 WHERE id = $1");
	sql_bind_int(stmt, 1, boot->id);
	sql_bind_int(stmt, 2, boot->quality);
	sql_bind_int(stmt, 3, boot->mono_us);
	sql_bind_int(stmt, 4, boot->offset_ms);
	sql_bind_int(stmt, 5, boot->ceiling_ms);
	sql_bind_int(stmt, 6, boot->held_quality);
	coredb_bind_time(stmt, 7, boot->held_offset_ms);
	sql_bind_int(stmt, 8, boot->max_mono_us);
	sql_bind_int(stmt, 9, boot->last_seen_ms);
	return sql_run(stmt);
}

static int read_ids(struct sql_stmt *stmt, int64_t *ret_ids, int cap)
{
	int count = 0;
	int r = 0;

	while (count < cap && (r = sql_step(stmt)) == 1)
		ret_ids[count++] = sql_int(stmt, 0);
	sql_done(stmt);
	return r < 0 ? r : count;
}

int coredb_boot_retime(struct coredb *db, int64_t boot, int64_t offset_ms)
{
	struct sql_stmt *stmt;

	/* The same as model_effective_ms(): min(at, anchored mono, received). */
	stmt = coredb_stmt(db, "UPDATE device_state SET observed_at ="
			       " min($2 + mono_us / 1000, coalesce(at_ms, $2 + mono_us / 1000)),"
			       " last_update_at = min($2 + mono_us / 1000,"
			       " coalesce(at_ms, last_received_at), last_received_at)"
			       " WHERE boot_id = $1");
	sql_bind_int(stmt, 1, boot);
	sql_bind_int(stmt, 2, offset_ms);
	return sql_run(stmt);
}

static size_t anchor_slot(struct coredb_anchors *anchors, int64_t boot)
{
	size_t slot = (size_t)((uint64_t)boot * UINT64_C(0x9e3779b97f4a7c15) >> 58);
	struct coredb_boot row;

	if (anchors->boot[slot] == boot)
		return slot;
	anchors->boot[slot] = boot;
	anchors->offset_ms[slot] = MODEL_NO_TIME;
	anchors->quality[slot] = CLOCK_QUALITY_NONE;
	/* A boot that cannot be read is one without an anchor: undated. */
	if (coredb_boot_get(anchors->db, boot, &row) == 0) {
		anchors->offset_ms[slot] = row.held_offset_ms;
		anchors->quality[slot] = row.held_quality;
	}
	return slot;
}

int64_t coredb_anchor(void *anchors, int64_t boot, int64_t mono_us)
{
	struct coredb_anchors *cache = anchors;
	int64_t offset_ms;
	int64_t ms = mono_us / 1000;

	if (boot == 0 || mono_us == MODEL_NO_TIME)
		return MODEL_NO_TIME;
	offset_ms = cache->offset_ms[anchor_slot(cache, boot)];
	if (offset_ms == MODEL_NO_TIME)
		return COREDB_UNDATED;
	return offset_ms + (mono_us % 1000 < 0 ? ms - 1 : ms);
}

enum clock_quality coredb_anchor_quality(struct coredb_anchors *anchors, int64_t boot)
{
	return boot == 0 ? CLOCK_QUALITY_NONE : anchors->quality[anchor_slot(anchors, boot)];
}

#define EPOCH_COLUMNS                                                                              \
	"SELECT id, gateway_id, name, prev, first_seen, heard_at, live_at, floor, highest,"        \
	" committed, lost, over, end_at, forked, asked_at, abandoned, open FROM epoch"

static int read_ranges(struct sql_stmt *stmt, int column, struct coredb_ranges *ret)
{
	size_t len = 0;
	const void *data = sql_blob(stmt, column, &len);

	return packed_get_ranges(data, len, ret);
}

static int read_epoch(struct sql_stmt *stmt, struct coredb_epoch *ret)
{
	int r = coredb_one(stmt);

	if (r)
		return r;
	ret->id = sql_int(stmt, 0);
	ret->gateway = sql_int(stmt, 1);
	coredb_col_text(stmt, 2, ret->name, sizeof(ret->name));
	coredb_col_text(stmt, 3, ret->prev, sizeof(ret->prev));
	ret->first_seen_ms = sql_int(stmt, 4);
	ret->heard_at_ms = sql_int(stmt, 5);
	ret->live_at_ms = coredb_col_time(stmt, 6);
	ret->floor = sql_int(stmt, 7);
	ret->highest = sql_int(stmt, 8);
	r = read_ranges(stmt, 9, &ret->committed);
	if (!r)
		r = read_ranges(stmt, 10, &ret->lost);
	ret->over = sql_int(stmt, 11) != 0;
	ret->end = sql_int(stmt, 12);
	ret->forked = sql_int(stmt, 13) != 0;
	ret->asked_at_ms = coredb_col_time(stmt, 14);
	ret->abandoned = sql_int(stmt, 15) != 0;
	ret->open = sql_int(stmt, 16) != 0;
	sql_done(stmt);
	return r;
}

int coredb_epoch_get(struct coredb *db, int64_t id, struct coredb_epoch *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, EPOCH_COLUMNS " WHERE id = $1");

	sql_bind_int(stmt, 1, id);
	return read_epoch(stmt, ret);
}

int coredb_epoch_mention(struct coredb *db, int64_t gateway, const char *name, int64_t now_ms)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "INSERT INTO epoch (gateway_id, name, prev, first_seen, heard_at,"
			       " floor, highest, committed, lost, over, end_at, forked, abandoned,"
			       " open) VALUES ($1, $2, '', $3, $3, 0, 0, $4, $4, 0, -1, 0, 0, 1)"
			       " ON CONFLICT (gateway_id, name) DO NOTHING");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_text(stmt, 2, name);
	sql_bind_int(stmt, 3, now_ms);
	sql_bind_blob(stmt, 4, "", 0);
	return sql_run(stmt);
}

static int find_epoch(struct coredb *db, int64_t gateway, const char *name,
		      struct coredb_epoch *ret)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, EPOCH_COLUMNS " WHERE gateway_id = $1 AND name = $2");

	sql_bind_int(stmt, 1, gateway);
	sql_bind_text(stmt, 2, name);
	return read_epoch(stmt, ret);
}

int coredb_epoch_open(struct coredb *db, int64_t gateway, const char *name, int64_t now_ms,
		      struct coredb_epoch *ret)
{
	int r = find_epoch(db, gateway, name, ret);

	if (r != -ENOENT)
		return r;
	r = coredb_epoch_mention(db, gateway, name, now_ms);
	return r ? r : find_epoch(db, gateway, name, ret);
}

int coredb_epoch_put(struct coredb *db, const struct coredb_epoch *epoch)
{
	struct sql_stmt *stmt;
	struct buf committed;
	struct buf lost;
	int r;

	buf_init(&committed, RANGES_BYTES_MAX);
	buf_init(&lost, RANGES_BYTES_MAX);
	packed_put_ranges(&committed, &epoch->committed);
	packed_put_ranges(&lost, &epoch->lost);
	r = committed.error ? committed.error : lost.error;
	if (r)
		goto out;
	stmt = coredb_stmt(db, "UPDATE epoch SET prev = $2, heard_at = $3, live_at = $4,"
			       " floor = $5, highest = $6, committed = $7, lost = $8, over = $9,"
			       " end_at = $10, forked = $11, asked_at = $12, abandoned = $13,"
			       " open = $14 WHERE id = $1");
	sql_bind_int(stmt, 1, epoch->id);
	sql_bind_text(stmt, 2, epoch->prev);
	sql_bind_int(stmt, 3, epoch->heard_at_ms);
	coredb_bind_time(stmt, 4, epoch->live_at_ms);
	sql_bind_int(stmt, 5, epoch->floor);
	sql_bind_int(stmt, 6, epoch->highest);
	sql_bind_blob(stmt, 7, committed.data ? committed.data : "", committed.len);
	sql_bind_blob(stmt, 8, lost.data ? lost.data : "", lost.len);
	sql_bind_int(stmt, 9, epoch->over);
	sql_bind_int(stmt, 10, epoch->end);
	sql_bind_int(stmt, 11, epoch->forked);
	coredb_bind_time(stmt, 12, epoch->asked_at_ms);
	sql_bind_int(stmt, 13, epoch->abandoned);
	sql_bind_int(stmt, 14, epoch->open);
	r = sql_run(stmt);
out:
	buf_free(&committed);
	buf_free(&lost);
	return r;
}

void coredb_epoch_free(struct coredb_epoch *epoch)
{
	free(epoch->committed.items);
	free(epoch->lost.items);
	*epoch = (struct coredb_epoch){0};
}

int coredb_epoch_silent(struct coredb *db, int64_t gateway, int64_t before_ms, int64_t *ret_ids,
			int cap)
{
	struct sql_stmt *stmt;

	if (gateway)
		stmt = coredb_stmt(db, "SELECT id FROM epoch WHERE open = 1 AND abandoned = 0"
				       " AND heard_at < $1 AND gateway_id = $3"
				       " ORDER BY heard_at LIMIT $2");
	else
		stmt = coredb_stmt(db, "SELECT id FROM epoch WHERE open = 1 AND abandoned = 0"
				       " AND heard_at < $1 ORDER BY heard_at LIMIT $2");
	sql_bind_int(stmt, 1, before_ms);
	sql_bind_int(stmt, 2, cap);
	if (gateway)
		sql_bind_int(stmt, 3, gateway);
	return read_ids(stmt, ret_ids, cap);
}

/* SQL integers are signed: the digest's bits stand as they are. */
static int64_t as_signed(uint64_t bits)
{
	int64_t value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

int coredb_digest_look(struct coredb *db, int64_t epoch, int64_t number, uint64_t digest,
		       enum coredb_known *ret_known)
{
	struct sql_stmt *stmt = coredb_stmt(
		db, "SELECT count(*), count(*) FILTER (WHERE digest = $3) FROM batch_digest"
		    " WHERE epoch_id = $1 AND number = $2");
	int r;

	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, number);
	sql_bind_int(stmt, 3, as_signed(digest));
	r = coredb_one(stmt);
	if (r)
		return r;
	if (sql_int(stmt, 0) == 0)
		*ret_known = COREDB_BODY_NEW;
	else
		*ret_known = sql_int(stmt, 1) > 0 ? COREDB_BODY_SAME : COREDB_BODY_OTHER;
	sql_done(stmt);
	return 0;
}

int coredb_digest_put(struct coredb *db, int64_t epoch, int64_t number, uint64_t digest)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "INSERT INTO batch_digest (epoch_id, number, digest)"
				" VALUES ($1, $2, $3)");

	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, number);
	sql_bind_int(stmt, 3, as_signed(digest));
	return sql_run(stmt);
}

int coredb_digest_prune(struct coredb *db, int64_t epoch, int64_t below)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "DELETE FROM batch_digest WHERE epoch_id = $1 AND number < $2");

	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, below);
	return sql_run(stmt);
}

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
	return r ? r : (int)sql_changes(db->sql);
}
