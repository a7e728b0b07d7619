/* Time bases, and what is known of their clocks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

/* An anchor of batches that are on disk already goes there within. */
#define STORE_US INT64_C(60000000)

/* Reads the newest time base of this boot of the kernel; keeps it where it is newer than *base. */
static int read_base(struct spool *spool, enum floor_name floor, int64_t *base)
{
	struct sql_stmt *stmt;
	struct anchor *anchor = &spool->now.anchor;
	const char *id;
	int r;

	if (!spool->sql[floor])
		return 0;
	stmt = sql_stmt(spool->sql[floor],
			"SELECT id, base, anchor_mono_us, anchor_at_ms, quality FROM boot"
			" WHERE kernel = $1 ORDER BY base DESC LIMIT 1");
	sql_bind_text(stmt, 1, clock_boot_id(spool->clock));
	r = sql_step(stmt);
	if (r == 1 && sql_int(stmt, 1) > *base) {
		*base = sql_int(stmt, 1);
		id = sql_text(stmt, 0);
		(void)snprintf(spool->now.boot_id, sizeof(spool->now.boot_id), "%s", id ? id : "");
		anchor->known = !sql_is_null(stmt, 2);
		anchor->mono_us = sql_int(stmt, 2);
		anchor->at_ms = sql_int(stmt, 3);
		anchor->quality = (int)sql_int(stmt, 4);
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, floor, r) : 0;
}

static int name_base(struct spool *spool, int64_t base)
{
	const char *kernel = clock_boot_id(spool->clock);
	char *out = spool->now.boot_id;
	int len;

	if (base == 1)
		len = snprintf(out, WIRE_BOOT_ID_SIZE, "%s", kernel);
	else
		len = snprintf(out, WIRE_BOOT_ID_SIZE, "%s.%lld", kernel, (long long)base);
	if (len < 0 || len >= WIRE_BOOT_ID_SIZE)
		return spool_fail(spool, -EOVERFLOW, "too many time bases in one boot");
	spool->now.base = base;
	return 0;
}

int spool_choose_base(struct spool *spool, const struct anchor *anchor)
{
	struct anchor none = {.known = false};
	int64_t base = 0;
	int r;

	r = read_base(spool, YOUNG, &base);
	if (r == 0)
		r = read_base(spool, DISK, &base);
	if (r)
		return r;
	spool->now.base = base;
	if (base > 0 && !anchor)
		return 0;
	spool->now.anchor = anchor ? *anchor : none;
	spool->now.anchor_dirty = true;
	return name_base(spool, base + 1);
}

int spool_write_boot(struct spool *spool, enum floor_name floor)
{
	const struct anchor *anchor = &spool->now.anchor;
	struct sql_stmt *stmt = sql_stmt(
		spool->sql[floor],
		"INSERT INTO boot VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE"
		" SET anchor_mono_us = $4, anchor_at_ms = $5, quality = $6");
	int r;

	sql_bind_text(stmt, 1, spool->now.boot_id);
	sql_bind_text(stmt, 2, clock_boot_id(spool->clock));
	sql_bind_int(stmt, 3, spool->now.base);
	if (anchor->known) {
		sql_bind_int(stmt, 4, anchor->mono_us);
		sql_bind_int(stmt, 5, anchor->at_ms);
	}
	sql_bind_int(stmt, 6, anchor->quality);
	r = sql_run(stmt);
	if (r)
		return spool_fail_sql(spool, floor, r);
	if (floor == DISK)
		spool->now.anchor_dirty = false;
	return 0;
}

/* How far apart the times are that two anchors give to one moment. */
static int64_t distance(const struct anchor *a, const struct anchor *b)
{
	const int64_t ms = (a->at_ms - b->at_ms) - (a->mono_us - b->mono_us) / 1000;

	return ms < 0 ? -ms : ms;
}

static bool trusted(const struct anchor *anchor)
{
	return anchor->known && anchor->quality >= CLOCK_QUALITY_GPS;
}

/* Less is not worth a write. */
static bool better(const struct anchor *old, const struct anchor *new)
{
	if (!old->known || new->quality > old->quality)
		return true;
	return new->quality == old->quality &&distance(old, new) >= SPOOL_ANCHOR_STEP_MS;
}

static int keep_anchor(struct spool *spool, const struct anchor *anchor)
{
	int r;

	r = floor_begin(spool, YOUNG);
	if (r)
		return r;
	spool->now.anchor = *anchor;
	spool->now.anchor_dirty = true;
	r = floor_end(spool, spool_write_boot(spool, YOUNG));
	if (r == 0 && spool->anchor_due_us == INT64_MAX)
		spool->anchor_due_us = clock_mono_us(spool->clock) + STORE_US;
	return r;
}

int spool_set_anchor(struct spool *spool, int64_t mono_us, int64_t at_ms,
		     enum clock_quality quality)
{
	const struct anchor anchor = {
		.known = true, .mono_us = mono_us, .at_ms = at_ms, .quality = (int)quality};
	const struct anchor *old = &spool->now.anchor;
	int r;

	if (quality <= CLOCK_QUALITY_NONE || quality > CLOCK_QUALITY_SYNCED)
		return spool_fail(spool, -EINVAL, "an anchor without quality");
	if (trusted(old) && trusted(&anchor) && distance(old, &anchor) > SPOOL_TIME_BASE_MS) {
		/* What the end of this one will say is held goes to the disk first: no power cut may
		 * take it. A disk that refuses gets it later. */
		if (spool_disk_well(spool))
			(void)spool_move(spool, WIRE_CLASS_SAMPLE);
		r = spool->unclean ? -EUCLEAN : spool_begin_epoch(spool, &anchor);
		if (r)
			return r;
		/* A disk that refuses learns of it later. */
		if (spool_disk_well(spool))
			(void)spool_adopt_now(spool);
		return spool->unclean ? -EUCLEAN : 1;
	}
	return better(old, &anchor) ? keep_anchor(spool, &anchor) : 0;
}
