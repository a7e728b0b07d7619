/* Boots with their one anchor. */
#include "storage/coredb/transfer.h"

#include <errno.h>

#include "storage/coredb/coredb_priv.h"

/* Clocks of two machines differ by a little: a claim cut by less is still the claim. */
#define CUT_MS 1000

#define BOOT_COLUMNS                                                                               \
	"SELECT id, gateway_id, name, quality, mono_us, offset_ms, ceiling_ms, held_quality,"      \
	" held_offset_ms, max_mono_us, first_seen, last_seen, filed_offset_ms,"                    \
	" ceiling_base_ms, min_mono_us FROM boot"

static void take_boot(struct sql_stmt *stmt, struct coredb_boot *ret)
{
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
	ret->filed_offset_ms = coredb_col_time(stmt, 12);
	ret->ceiling_base_ms = sql_int(stmt, 13);
	ret->min_mono_us = sql_int(stmt, 14);
}

static int read_boot(struct sql_stmt *stmt, struct coredb_boot *ret)
{
	int r = coredb_one(stmt);

	if (r)
		return r;
	take_boot(stmt, ret);
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

int coredb_boot_each(struct coredb *db, int64_t gateway, int64_t before, int limit,
		     coredb_boot_fn *fn, void *arg)
{
	struct coredb_boot row;
	struct sql_stmt *stmt;
	int shown = 0;
	int r;

	stmt = coredb_stmt(db, BOOT_COLUMNS " WHERE gateway_id = $1 AND ($2 = 0 OR id < $2)"
					    " ORDER BY id DESC LIMIT $3");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_int(stmt, 2, before);
	sql_bind_int(stmt, 3, limit);
	while ((r = sql_step(stmt)) == 1) {
		take_boot(stmt, &row);
		shown++;
		if (fn(arg, &row))
			break;
	}
	sql_done(stmt);
	return r < 0 ? r : shown;
}

int coredb_boot_put(struct coredb *db, const struct coredb_boot *boot)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "UPDATE boot SET quality = $2, mono_us = $3, offset_ms = $4,"
			       " ceiling_ms = $5, held_quality = $6, held_offset_ms = $7,"
			       " max_mono_us = $8, last_seen = $9, filed_offset_ms = $10,"
			       " ceiling_base_ms = $11, min_mono_us = $12"
			       " WHERE id = $1");
	sql_bind_int(stmt, 1, boot->id);
	sql_bind_int(stmt, 2, boot->quality);
	sql_bind_int(stmt, 3, boot->mono_us);
	sql_bind_int(stmt, 4, boot->offset_ms);
	sql_bind_int(stmt, 5, boot->ceiling_ms);
	sql_bind_int(stmt, 6, boot->held_quality);
	coredb_bind_time(stmt, 7, boot->held_offset_ms);
	sql_bind_int(stmt, 8, boot->max_mono_us);
	sql_bind_int(stmt, 9, boot->last_seen_ms);
	coredb_bind_time(stmt, 10, boot->filed_offset_ms);
	sql_bind_int(stmt, 11, boot->ceiling_base_ms);
	sql_bind_int(stmt, 12, boot->min_mono_us);
	return sql_run(stmt);
}

static int retime_data(struct coredb *db, int64_t boot, int64_t offset_ms)
{
	struct sql_stmt *stmt;

	/* The same as model_effective_ms(): min(at, anchored mono, received). */
	stmt = coredb_stmt(db, "UPDATE device_state SET observed_at ="
			       " min($2 + mono_us / 1000,"
			       " coalesce(at_ms, last_received_at), last_received_at),"
			       " last_update_at = min($2 + mono_us / 1000,"
			       " coalesce(at_ms, last_received_at), last_received_at)"
			       " WHERE boot_id = $1");
	sql_bind_int(stmt, 1, boot);
	sql_bind_int(stmt, 2, offset_ms);
	return sql_run(stmt);
}

/* What began before the boot's monotonic zero is not of this boot. */
static int retime_facts(struct coredb *db, int64_t boot, int64_t old_offset_ms, int64_t offset_ms)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "UPDATE device_state SET"
			       " ignition_since = iif(ignition_since >= $2, ignition_since + $3,"
			       " ignition_since),"
			       " asleep_since = iif(asleep_since >= $2, asleep_since + $3,"
			       " asleep_since) WHERE boot_id = $1");
	sql_bind_int(stmt, 1, boot);
	sql_bind_int(stmt, 2, old_offset_ms);
	sql_bind_int(stmt, 3, offset_ms - old_offset_ms);
	return sql_run(stmt);
}

int coredb_boot_retime(struct coredb *db, int64_t boot, int64_t old_offset_ms, int64_t offset_ms)
{
	int r = retime_data(db, boot, offset_ms);

	if (r || old_offset_ms == MODEL_NO_TIME)
		return r;
	return retime_facts(db, boot, old_offset_ms, offset_ms);
}

/* Remembers what a boot is worth; the slot where it stands. */
static size_t anchor_slot(struct coredb_anchors *anchors, int64_t boot)
{
	size_t slot = (size_t)((uint64_t)boot * UINT64_C(0x9e3779b97f4a7c15) >> 58);
	struct coredb_boot row;
	int r;

	if (anchors->boot[slot] == boot)
		return slot;
	anchors->boot[slot] = boot;
	anchors->offset_ms[slot] = MODEL_NO_TIME;
	anchors->quality[slot] = CLOCK_QUALITY_NONE;
	anchors->cut[slot] = false;
	/* A boot that is not there is one without an anchor: undated. */
	r = coredb_boot_get(anchors->db, boot, &row);
	if (r && r != -ENOENT)
		anchors->error = r;
	if (r)
		return slot;
	anchors->offset_ms[slot] = row.held_offset_ms;
	anchors->quality[slot] = (int8_t)row.held_quality;
	anchors->cut[slot] =
		row.quality != CLOCK_QUALITY_NONE && row.offset_ms - row.held_offset_ms >= CUT_MS;
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

void coredb_anchor_look(struct coredb_anchors *anchors, int64_t boot, struct coredb_held *ret)
{
	const size_t slot = anchor_slot(anchors, boot);

	ret->offset_ms = anchors->offset_ms[slot];
	ret->quality = (enum clock_quality)anchors->quality[slot];
	ret->cut = anchors->cut[slot];
}
