/* Epochs, what they committed and lost, and the digests of their last bodies. */
#include "storage/coredb/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "storage/coredb/coredb_priv.h"
#include "storage/coredb/packed.h"

#define RANGES_BYTES_MAX ((size_t)16 * 1024 * 1024)

static int read_ids(struct sql_stmt *stmt, int64_t *ret_ids, int cap)
{
	int count = 0;
	int r = 0;

	while (count < cap && (r = sql_step(stmt)) == 1)
		ret_ids[count++] = sql_int(stmt, 0);
	sql_done(stmt);
	return r < 0 ? r : count;
}

#define EPOCH_COLUMNS                                                                              \
	"SELECT id, gateway_id, name, prev, first_seen, heard_at, live_at, floor, highest,"        \
	" committed, lost, over, end_at, forked, asked_at, abandoned, open, told_at, folded,"      \
	" folded_at, boot_id, first_mono_us, next_id FROM epoch"

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
	ret->told_at_ms = sql_int(stmt, 17);
	ret->folded = sql_int(stmt, 18) != 0;
	ret->folded_at_ms = coredb_col_time(stmt, 19);
	ret->boot = sql_int(stmt, 20);
	ret->first_mono_us = coredb_col_time(stmt, 21);
	ret->next = sql_int(stmt, 22);
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

int coredb_epoch_chain(struct coredb *db, int64_t gateway, const char *name, int64_t next,
		       int64_t now_ms)
{
	struct sql_stmt *stmt;
	int r = coredb_epoch_mention(db, gateway, name, now_ms);

	if (r)
		return r;
	stmt = coredb_stmt(db, "UPDATE epoch SET next_id = $3 WHERE gateway_id = $1 AND name = $2"
			       " AND next_id = 0");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_text(stmt, 2, name);
	sql_bind_int(stmt, 3, next);
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
			       " open = $14, told_at = $15, folded = $16, folded_at = $17,"
			       " boot_id = nullif($18, 0), first_mono_us = $19 WHERE id = $1");
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
	sql_bind_int(stmt, 15, epoch->told_at_ms);
	sql_bind_int(stmt, 16, epoch->folded);
	coredb_bind_time(stmt, 17, epoch->folded_at_ms);
	sql_bind_int(stmt, 18, epoch->boot);
	coredb_bind_time(stmt, 19, epoch->first_mono_us);
	r = sql_run(stmt);
out:
	buf_free(&committed);
	buf_free(&lost);
	return r;
}

int coredb_epoch_each(struct coredb *db, int64_t gateway, int limit, coredb_epoch_fn *fn, void *arg)
{
	struct sql_stmt *stmt;
	int shown = 0;
	int r;

	stmt = coredb_stmt(db,
			   "SELECT e.id, e.name, e.prev, e.first_seen, e.heard_at, e.highest,"
			   " e.over, e.end_at, e.forked, e.asked_at, e.abandoned, e.open, b.name,"
			   " (SELECT coalesce(sum(x.last - x.first + 1), 0) FROM gap x"
			   " WHERE x.epoch_id = e.id AND x.possible = 0 AND x.recovered_at IS NULL)"
			   " FROM epoch e LEFT JOIN boot b ON b.id = e.boot_id"
			   " WHERE e.gateway_id = $1 ORDER BY e.id DESC LIMIT $2");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_int(stmt, 2, limit);
	while ((r = sql_step(stmt)) == 1) {
		struct coredb_epoch row = {.id = sql_int(stmt, 0), .gateway = gateway};

		coredb_col_text(stmt, 1, row.name, sizeof(row.name));
		coredb_col_text(stmt, 2, row.prev, sizeof(row.prev));
		row.first_seen_ms = sql_int(stmt, 3);
		row.heard_at_ms = sql_int(stmt, 4);
		row.highest = sql_int(stmt, 5);
		row.over = sql_int(stmt, 6) != 0;
		row.end = sql_int(stmt, 7);
		row.forked = sql_int(stmt, 8) != 0;
		row.asked_at_ms = coredb_col_time(stmt, 9);
		row.abandoned = sql_int(stmt, 10) != 0;
		row.open = sql_int(stmt, 11) != 0;
		shown++;
		if (fn(arg, &row, coredb_col_str(stmt, 12), sql_int(stmt, 13)))
			break;
	}
	sql_done(stmt);
	return r < 0 ? r : shown;
}

void coredb_epoch_free(struct coredb_epoch *epoch)
{
	free(epoch->committed.items);
	free(epoch->lost.items);
	*epoch = (struct coredb_epoch){0};
}

int coredb_epoch_silent(struct coredb *db, int64_t gateway, int64_t before_ms,
			int64_t told_before_ms, int64_t *ret_ids, int cap)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "SELECT id FROM epoch WHERE open = 1 AND abandoned = 0"
				" AND gateway_id = $1 AND told_at < $2 AND heard_at < $3"
				" ORDER BY told_at LIMIT $4");

	sql_bind_int(stmt, 1, gateway);
	sql_bind_int(stmt, 2, told_before_ms);
	sql_bind_int(stmt, 3, before_ms);
	sql_bind_int(stmt, 4, cap);
	return read_ids(stmt, ret_ids, cap);
}

int coredb_epoch_told(struct coredb *db, int64_t gateway, int64_t *ret_at_ms)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "SELECT told_at FROM epoch WHERE open = 1 AND abandoned = 0"
				" AND gateway_id = $1 ORDER BY told_at DESC LIMIT 1");
	int r;

	sql_bind_int(stmt, 1, gateway);
	r = coredb_one(stmt);
	if (r == -ENOENT)
		*ret_at_ms = 0;
	if (r)
		return r == -ENOENT ? 0 : r;
	*ret_at_ms = sql_int(stmt, 0);
	sql_done(stmt);
	return 0;
}

int coredb_epoch_foldable(struct coredb *db, int64_t before_ms, int64_t *ret_ids, int cap)
{
	struct sql_stmt *stmt = coredb_stmt(db, "SELECT id FROM epoch WHERE folded = 0"
						" AND (open = 0 OR abandoned = 1)"
						" AND heard_at < $1 ORDER BY heard_at LIMIT $2");

	sql_bind_int(stmt, 1, before_ms);
	sql_bind_int(stmt, 2, cap);
	return read_ids(stmt, ret_ids, cap);
}

int coredb_epoch_unanswered(struct coredb *db, int64_t before_ms, int64_t *ret_ids, int cap)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "SELECT id FROM epoch WHERE open = 1 AND abandoned = 0"
				" AND asked_at IS NOT NULL AND asked_at < $1"
				" ORDER BY asked_at LIMIT $2");

	sql_bind_int(stmt, 1, before_ms);
	sql_bind_int(stmt, 2, cap);
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

int coredb_digest_put(struct coredb *db, int64_t epoch, int64_t number, uint64_t digest,
		      int64_t batch)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "INSERT INTO batch_digest (epoch_id, number, digest, batch_id)"
				" VALUES ($1, $2, $3, $4)");

	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, number);
	sql_bind_int(stmt, 3, as_signed(digest));
	sql_bind_int(stmt, 4, batch);
	return sql_run(stmt);
}

int coredb_neighbour(struct coredb *db, int64_t epoch, int64_t number, bool below,
		     int64_t *ret_first_mono_us, int64_t *ret_last_mono_us)
{
	struct sql_stmt *stmt;
	int r;

	if (below)
		stmt = coredb_stmt(db, "SELECT b.first_mono_us, b.last_mono_us FROM batch_digest d"
				       " JOIN batch b ON b.id = d.batch_id WHERE d.epoch_id = $1"
				       " AND d.number < $2 AND b.first_mono_us IS NOT NULL"
				       " ORDER BY d.number DESC LIMIT 1");
	else
		stmt = coredb_stmt(db, "SELECT b.first_mono_us, b.last_mono_us FROM batch_digest d"
				       " JOIN batch b ON b.id = d.batch_id WHERE d.epoch_id = $1"
				       " AND d.number > $2 AND b.first_mono_us IS NOT NULL"
				       " ORDER BY d.number LIMIT 1");
	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, number);
	*ret_first_mono_us = MODEL_NO_TIME;
	*ret_last_mono_us = MODEL_NO_TIME;
	r = coredb_one(stmt);
	if (r)
		return r == -ENOENT ? 0 : r;
	*ret_first_mono_us = coredb_col_time(stmt, 0);
	*ret_last_mono_us = coredb_col_time(stmt, 1);
	sql_done(stmt);
	return 0;
}

int coredb_digest_prune(struct coredb *db, int64_t epoch, int64_t below)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "DELETE FROM batch_digest WHERE epoch_id = $1 AND number < $2");

	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, below);
	return sql_run(stmt);
}
