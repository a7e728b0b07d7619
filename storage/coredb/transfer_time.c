/* What the order of boots says of their times, and batches filed by time. */
#include "storage/coredb/transfer.h"

#include <errno.h>

#include "storage/coredb/coredb_priv.h"

/* Boots without a trusted clock in a row that are looked through for a neighbour that has a time. */
#define WALK_MAX 64

enum side { BEFORE, AFTER };

/* The boot before or after one, by the order of their epochs. Where a card was copied a boot may have
 * several: the first one seen. */
static int find_neighbour(struct coredb *db, int64_t boot, enum side side, int64_t *ret_id)
{
	static const char *const queries[] = {
		[BEFORE] = "SELECT p.boot_id FROM epoch AS e JOIN epoch AS p"
			   " ON p.gateway_id = e.gateway_id AND p.name = e.prev"
			   " WHERE e.boot_id = $1 AND e.prev <> '' AND p.boot_id <> $1"
			   " ORDER BY e.id LIMIT 1",
		[AFTER] = "SELECT e.boot_id FROM epoch AS p JOIN epoch AS e"
			  " ON e.gateway_id = p.gateway_id AND e.prev = p.name"
			  " WHERE p.boot_id = $1 AND e.prev <> '' AND e.boot_id <> $1"
			  " ORDER BY e.id LIMIT 1",
	};
	struct sql_stmt *stmt = coredb_stmt(db, queries[side]);
	int r;

	sql_bind_int(stmt, 1, boot);
	r = coredb_one(stmt);
	if (r)
		return r;
	*ret_id = sql_int(stmt, 0);
	sql_done(stmt);
	return 0;
}

/* What an undated boot is known to have lasted. */
static int64_t lasted_ms(const struct coredb_boot *boot)
{
	if (boot->min_mono_us < 0 || boot->max_mono_us < boot->min_mono_us)
		return 0;
	return (boot->max_mono_us - boot->min_mono_us) / 1000;
}

static int64_t last_moment_ms(const struct coredb_boot *boot)
{
	return boot->held_offset_ms + (boot->max_mono_us > 0 ? boot->max_mono_us / 1000 : 0);
}

static int64_t first_moment_ms(const struct coredb_boot *boot)
{
	return boot->min_mono_us < 0 ? boot->first_seen_ms
				     : boot->held_offset_ms + boot->min_mono_us / 1000;
}

/* The nearest dated boot on one side gives the bound; MODEL_NO_TIME where there is none. */
static int walk(struct coredb *db, int64_t boot, enum side side, int64_t *ret_ms)
{
	struct coredb_boot row;
	int64_t between_ms = 0;
	int64_t id = boot;

	*ret_ms = MODEL_NO_TIME;
	for (int i = 0; i < WALK_MAX; i++) {
		int r = find_neighbour(db, id, side, &id);

		if (!r)
			r = coredb_boot_get(db, id, &row);
		if (r)
			return r == -ENOENT ? 0 : r;
		if (row.held_offset_ms != MODEL_NO_TIME) {
			*ret_ms = side == BEFORE ? last_moment_ms(&row) + between_ms
						 : first_moment_ms(&row) - between_ms;
			return 0;
		}
		between_ms += lasted_ms(&row);
	}
	return 0;
}

int coredb_boot_between(struct coredb *db, int64_t boot, struct coredb_between *ret)
{
	struct coredb_between between;
	struct coredb_boot row;
	int r = coredb_boot_get(db, boot, &row);

	if (!r)
		r = walk(db, boot, BEFORE, &between.after_ms);
	if (!r)
		r = walk(db, boot, AFTER, &between.before_ms);
	if (r)
		return r;
	between.min_mono_us = row.min_mono_us;
	between.max_mono_us = row.max_mono_us;
	*ret = between;
	return 0;
}

/* ---- filing ---- */

/* A boot whose batches stand under other times than its anchor gives them now. */
static int find_misfiled(struct coredb *db, struct coredb_boot *ret)
{
	struct sql_stmt *stmt;
	int64_t id;
	int r;

	stmt = coredb_stmt(db, "SELECT id FROM boot WHERE held_offset_ms IS NOT NULL AND"
			       " (filed_offset_ms IS NULL OR"
			       " abs(held_offset_ms - filed_offset_ms) >= $1) ORDER BY id LIMIT 1");
	sql_bind_int(stmt, 1, COREDB_FILED_MS);
	r = coredb_one(stmt);
	if (r)
		return r;
	id = sql_int(stmt, 0);
	sql_done(stmt);
	return coredb_boot_get(db, id, ret);
}

/* No batch is filed after its receipt, and none before what its boot was dated by until now. */
static int64_t filed_from_ms(const struct coredb_boot *boot)
{
	if (boot->filed_offset_ms == MODEL_NO_TIME || boot->first_seen_ms < boot->filed_offset_ms)
		return boot->first_seen_ms;
	return boot->filed_offset_ms;
}

#define FILED(moment) "min($4 + " moment " / 1000, received_at)"

static int refile(struct coredb *db, struct coredb_boot *boot, int limit)
{
	struct sql_stmt *stmt;
	int count;
	int r;

	stmt = coredb_stmt(
		db,
		"UPDATE batch SET first_at = " FILED(
			"first_mono_us") ","
					 " last_at = " FILED(
						 "last_mono_us") " WHERE id IN (SELECT id"
								 " FROM batch WHERE gateway_id = $1 AND first_at >= $2"
								 " AND boot_id = $3 AND first_mono_us IS NOT NULL"
								 " AND (first_at <> " FILED("first_mono_us") " OR last_at <> " FILED(
									 "last_mono_us") ") LIMIT $5)");
	sql_bind_int(stmt, 1, boot->gateway);
	sql_bind_int(stmt, 2, filed_from_ms(boot));
	sql_bind_int(stmt, 3, boot->id);
	sql_bind_int(stmt, 4, boot->held_offset_ms);
	sql_bind_int(stmt, 5, limit);
	r = sql_run(stmt);
	if (r)
		return r;
	count = (int)sql_changes(db->sql);
	if (count == limit)
		return count;
	boot->filed_offset_ms = boot->held_offset_ms;
	r = coredb_boot_put(db, boot);
	return r ? r : count;
}

int coredb_boot_refile(struct coredb *db, int limit)
{
	struct coredb_boot boot;
	int done = 0;

	while (done < limit) {
		int r = find_misfiled(db, &boot);

		if (r == -ENOENT)
			break;
		if (!r)
			r = refile(db, &boot, limit - done);
		if (r < 0)
			return r;
		done += r;
	}
	return done;
}
