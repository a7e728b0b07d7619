/* Boots and epochs: which numbers are given now, and what is said of the ones before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/wire/json.h"
#include "storage/spool/spool_priv.h"

/* How often the core is told of one epoch's end on being asked. */
#define TELL_US INT64_C(60000000)
/* Epochs that are over and of which nothing is held, kept to answer for them. */
#define EPOCHS_KEPT "256"

/* Time bases. */

/* How many time bases this boot of the kernel has had. */
static int count_bases(struct spool *spool, int64_t *ret_count)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "SELECT coalesce(max(base), 0) FROM boot WHERE kernel = $1");
	int r;

	sql_bind_text(stmt, 1, clock_boot_id(spool->clock));
	r = sql_step(stmt);
	if (r == 1)
		*ret_count = sql_int(stmt, 0);
	sql_done(stmt);
	return r == 1 ? 0 : spool_fail_sql(spool, r ? r : -EIO);
}

static int insert_base(struct spool *spool)
{
	struct sql_stmt *stmt;
	const char *kernel = clock_boot_id(spool->clock);
	int64_t count = 0;
	char id[sizeof(spool->now.boot_id)];
	int r, len;

	r = count_bases(spool, &count);
	if (r)
		return r;
	len = count == 0 ? snprintf(id, sizeof(id), "%s", kernel)
			 : snprintf(id, sizeof(id), "%s.%lld", kernel, (long long)count + 1);
	if (len < 0 || (size_t)len >= sizeof(id))
		return spool_fail(spool, -EOVERFLOW, "too many time bases in one boot");
	stmt = sql_stmt(spool->sql,
			"INSERT INTO boot (id, kernel, base) VALUES ($1, $2, $3) RETURNING seq");
	sql_bind_text(stmt, 1, id);
	sql_bind_text(stmt, 2, kernel);
	sql_bind_int(stmt, 3, count + 1);
	r = sql_step(stmt);
	if (r == 1) {
		spool->now.boot = sql_int(stmt, 0);
		memcpy(spool->now.boot_id, id, sizeof(id));
	}
	sql_done(stmt);
	return r == 1 ? 0 : spool_fail_sql(spool, r ? r : -EIO);
}

/* Epochs. */

int spool_find_epoch(struct spool *spool, const char *epoch, int64_t *ret_seq)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql, "SELECT seq FROM epoch WHERE id = $1");
	int r;

	sql_bind_text(stmt, 1, epoch);
	r = sql_step(stmt);
	if (r == 1)
		*ret_seq = sql_int(stmt, 0);
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, r) : r;
}

/* What is still held of an epoch, as ranges. Of more holes than a record can tell, the last ones are
 * told as held. That hides no loss: what is not there any more was committed, or its loss is stated
 * by a `dropped` record. */
static int read_held(struct spool *spool, int64_t seq, struct wire_epoch_end *end)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "SELECT id FROM batch WHERE id BETWEEN $1 AND $2 ORDER BY id");
	struct wire_range *last;
	int64_t number;
	int r;

	sql_bind_int(stmt, 1, id_of(seq, 0));
	sql_bind_int(stmt, 2, id_of(seq, NUMBER_MAX));
	while ((r = sql_step(stmt)) == 1) {
		number = number_of(sql_int(stmt, 0));
		last = end->held_count ? &end->held[end->held_count - 1] : NULL;
		if (last && (number == last->last + 1 || end->held_count == WIRE_RANGES_MAX))
			last->last = number;
		else
			end->held[end->held_count++] = (struct wire_range){number, number};
	}
	return r ? spool_fail_sql(spool, r) : 0;
}

/* What the row of an epoch says, for the record of its end. */
static int read_epoch_row(struct spool *spool, int64_t seq, struct wire_epoch_end *end)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "SELECT e.id, o.id, e.prev, e.next, e.orderly FROM epoch AS e"
				     " JOIN boot AS o ON o.seq = e.boot WHERE e.seq = $1");
	const char *id, *boot, *prev;
	int r;

	sql_bind_int(stmt, 1, seq);
	r = sql_step(stmt);
	if (r == 1) {
		id = sql_text(stmt, 0);
		boot = sql_text(stmt, 1);
		prev = sql_text(stmt, 2);
		(void)snprintf(end->epoch, sizeof(end->epoch), "%s", id ? id : "");
		(void)snprintf(end->boot_id, sizeof(end->boot_id), "%s", boot ? boot : "");
		(void)snprintf(end->prev, sizeof(end->prev), "%s", prev ? prev : "");
		end->end = sql_int(stmt, 4) ? sql_int(stmt, 3) : -1;
	}
	sql_done(stmt);
	if (r == 1)
		return 0;
	return r ? spool_fail_sql(spool, r) : spool_fail(spool, -EUCLEAN, "an epoch has no boot");
}

/* States the end of an epoch in the running one. */
static int state_end(struct spool *spool, int64_t seq)
{
	struct wire_epoch_end record = {.held_count = 0};
	struct jw w;
	int r;

	r = read_epoch_row(spool, seq, &record);
	if (r == 0)
		r = read_held(spool, seq, &record);
	if (r)
		return r;
	buf_reset(&spool->ledger);
	jw_init(&w, &spool->ledger);
	jw_open_array(&w);
	wire_epoch_end_encode(&w, &record);
	jw_close_array(&w);
	return spool_store_ledger(spool);
}

static int insert_epoch(struct spool *spool)
{
	struct sql_stmt *stmt;
	char id[IDS_RANDOM_SIZE];
	int r;

	r = ids_random(id);
	if (r)
		return spool_fail(spool, r, "no random numbers");
	stmt = sql_stmt(spool->sql,
			"INSERT INTO epoch (id, boot, prev) VALUES ($1, $2, $3) RETURNING seq");
	sql_bind_text(stmt, 1, id);
	sql_bind_int(stmt, 2, spool->now.boot);
	sql_bind_text(stmt, 3, spool->now.seq ? spool->now.epoch : NULL);
	r = sql_step(stmt);
	if (r == 1) {
		spool->now.seq = sql_int(stmt, 0);
		memcpy(spool->now.epoch, id, sizeof(id));
	}
	sql_done(stmt);
	return r == 1 ? 0 : spool_fail_sql(spool, r ? r : -EIO);
}

int spool_begin_base(struct spool *spool)
{
	int64_t before = spool->now.seq;
	int r;

	r = insert_base(spool);
	if (r == 0)
		r = insert_epoch(spool);
	return r || !before ? r : state_end(spool, before);
}

static int set_orderly(struct spool *spool, int orderly)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "UPDATE epoch SET orderly = $2 WHERE seq = $1");
	int r;

	sql_bind_int(stmt, 1, spool->now.seq);
	sql_bind_int(stmt, 2, orderly);
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, r) : 0;
}

/* Being asked. */

static bool told_lately(struct spool *spool, struct sql_stmt *stmt)
{
	return !sql_is_null(stmt, 0) && sql_int(stmt, 0) == spool->now.boot &&
	       clock_mono_us(spool->clock) - sql_int(stmt, 1) < TELL_US;
}

/* Notes the telling: 1 to be told now, 0 not, -errno. */
static int note_telling(struct spool *spool, int64_t seq)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "SELECT told_boot, told_mono_us FROM epoch WHERE seq = $1");
	bool lately;
	int r;

	sql_bind_int(stmt, 1, seq);
	r = sql_step(stmt);
	lately = r == 1 && told_lately(spool, stmt);
	sql_done(stmt);
	if (r < 0)
		return spool_fail_sql(spool, r);
	if (r == 0 || lately)
		return 0;
	stmt = sql_stmt(spool->sql,
			"UPDATE epoch SET told_boot = $2, told_mono_us = $3 WHERE seq = $1");
	sql_bind_int(stmt, 1, seq);
	sql_bind_int(stmt, 2, spool->now.boot);
	sql_bind_int(stmt, 3, clock_mono_us(spool->clock));
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, r) : 1;
}

static int tell_end(struct spool *spool, const char *epoch, int *ret_told)
{
	int64_t seq = 0;
	int r;

	r = spool_find_epoch(spool, epoch, &seq);
	if (r <= 0 || seq == spool->now.seq)
		return r < 0 ? r : 0;
	r = note_telling(spool, seq);
	if (r <= 0)
		return r;
	*ret_told = 1;
	return state_end(spool, seq);
}

int spool_tell_end(struct spool *spool, const char *epoch)
{
	int r, told = 0;

	r = spool_begin(spool);
	if (r)
		return r;
	r = spool_end(spool, tell_end(spool, epoch, &told));
	return r ? r : told;
}

/* Anchors. */

struct anchor {
	bool known;
	int64_t mono_us, at_ms;
	int quality;
};

static int read_anchor(struct spool *spool, struct anchor *anchor)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql, "SELECT anchor_mono_us, anchor_at_ms, quality"
						     " FROM boot WHERE seq = $1");
	int r;

	sql_bind_int(stmt, 1, spool->now.boot);
	r = sql_step(stmt);
	if (r == 1) {
		anchor->known = !sql_is_null(stmt, 0);
		anchor->mono_us = sql_int(stmt, 0);
		anchor->at_ms = sql_int(stmt, 1);
		anchor->quality = (int)sql_int(stmt, 2);
	}
	sql_done(stmt);
	return r == 1 ? 0 : spool_fail_sql(spool, r ? r : -EIO);
}

static int write_anchor(struct spool *spool, const struct anchor *anchor)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "UPDATE boot SET anchor_mono_us = $2, anchor_at_ms = $3,"
				     " quality = $4 WHERE seq = $1");
	int r;

	sql_bind_int(stmt, 1, spool->now.boot);
	sql_bind_int(stmt, 2, anchor->mono_us);
	sql_bind_int(stmt, 3, anchor->at_ms);
	sql_bind_int(stmt, 4, anchor->quality);
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, r) : 0;
}

/* How far two anchors of one time base are apart, in ms. */
static int64_t distance(const struct anchor *a, const struct anchor *b)
{
	int64_t ms = (a->at_ms - b->at_ms) - (a->mono_us - b->mono_us) / 1000;

	return ms < 0 ? -ms : ms;
}

/* All numbers given so far are on disk, so the end of the epoch is known. */
static int change_base(struct spool *spool)
{
	int r;

	r = set_orderly(spool, 1);
	return r ? r : spool_begin_base(spool);
}

static int keep_anchor(struct spool *spool, const struct anchor *anchor, int *ret_new_base)
{
	struct anchor old = {.known = false};
	int r;

	r = read_anchor(spool, &old);
	if (r)
		return r;
	if (old.known && old.quality >= CLOCK_QUALITY_GPS && anchor->quality >= CLOCK_QUALITY_GPS &&
	    distance(&old, anchor) > SPOOL_TIME_BASE_MS) {
		*ret_new_base = 1;
		r = change_base(spool);
		return r ? r : write_anchor(spool, anchor);
	}
	/* Less than a second is not worth a write to the card. */
	if (old.known && (anchor->quality < old.quality ||
			  (anchor->quality == old.quality && distance(&old, anchor) < 1000)))
		return 0;
	return write_anchor(spool, anchor);
}

int spool_set_anchor(struct spool *spool, int64_t mono_us, int64_t at_ms,
		     enum clock_quality quality)
{
	const struct anchor anchor = {
		.known = true, .mono_us = mono_us, .at_ms = at_ms, .quality = (int)quality};
	int r, new_base = 0;

	if (quality <= CLOCK_QUALITY_NONE || quality > CLOCK_QUALITY_SYNCED)
		return spool_fail(spool, -EINVAL, "an anchor without quality");
	r = spool_begin(spool);
	if (r)
		return r;
	r = spool_end(spool, keep_anchor(spool, &anchor, &new_base));
	return r ? r : new_base;
}

/* Loading. */

struct last_epoch {
	bool orderly;
	bool of_this_boot;
};

/* The epoch with the largest seq becomes the running one: 1, 0 where there is none, -errno. */
static int load_epoch(struct spool *spool, struct last_epoch *last)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "SELECT e.seq, e.id, e.orderly, o.seq, o.id, o.kernel = $1"
				     " FROM epoch AS e JOIN boot AS o ON o.seq = e.boot"
				     " ORDER BY e.seq DESC LIMIT 1");
	const char *id, *boot_id;
	int r;

	sql_bind_text(stmt, 1, clock_boot_id(spool->clock));
	r = sql_step(stmt);
	if (r == 1) {
		id = sql_text(stmt, 1);
		boot_id = sql_text(stmt, 4);
		spool->now.seq = sql_int(stmt, 0);
		spool->now.boot = sql_int(stmt, 3);
		(void)snprintf(spool->now.epoch, sizeof(spool->now.epoch), "%s", id ? id : "");
		(void)snprintf(spool->now.boot_id, sizeof(spool->now.boot_id), "%s",
			       boot_id ? boot_id : "");
		last->orderly = sql_int(stmt, 2) != 0;
		last->of_this_boot = sql_int(stmt, 5) != 0;
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, r) : r;
}

/* After a disorderly end (a power cut, a lying card) the whole file is looked through. */
static int check_file(struct spool *spool)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql, "PRAGMA quick_check(1)");
	const char *answer;
	int r;

	r = sql_step(stmt);
	if (r < 0)
		return spool_fail_sql(spool, r);
	answer = r == 1 ? sql_text(stmt, 0) : NULL;
	r = 0;
	if (!answer || strcmp(answer, "ok") != 0)
		r = spool_fail(spool, -EUCLEAN, answer ? answer : "no answer to quick_check");
	sql_done(stmt);
	return r;
}

/* Kept are the newest epochs, to answer for them, and all of which batches are held. */
static int forget_old(struct spool *spool)
{
	struct sql_stmt *stmt;
	int r;

	stmt = sql_stmt(spool->sql,
			"DELETE FROM epoch WHERE seq < (SELECT seq FROM epoch ORDER BY seq DESC"
			" LIMIT 1 OFFSET " EPOCHS_KEPT " - 1) AND NOT EXISTS (SELECT 1 FROM batch"
			" WHERE batch.id BETWEEN epoch.seq << 40 AND ((epoch.seq + 1) << 40) - 1)");
	r = sql_run(stmt);
	if (r)
		return spool_fail_sql(spool, r);
	stmt = sql_stmt(spool->sql, "DELETE FROM boot WHERE seq NOT IN (SELECT boot FROM epoch)");
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, r) : 0;
}

static int count_held(struct spool *spool)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "SELECT count(*), coalesce(sum(length(body)), 0),"
				     " (SELECT dropped FROM total) FROM batch");
	int r;

	r = sql_step(stmt);
	if (r == 1) {
		spool->now.batches = sql_int(stmt, 0);
		spool->now.bytes = sql_int(stmt, 1);
		spool->now.dropped = sql_int(stmt, 2);
	}
	sql_done(stmt);
	return r == 1 ? 0 : spool_fail_sql(spool, r ? r : -EIO);
}

int spool_load(struct spool *spool)
{
	struct last_epoch last = {.orderly = false};
	int found, r;

	found = load_epoch(spool, &last);
	if (found < 0)
		return found;
	if (found && !last.orderly) {
		r = check_file(spool);
		if (r)
			return r;
	}
	/* Counted first: what a new epoch stores counts itself. */
	r = count_held(spool);
	if (r)
		return r;
	if (!found || !last.of_this_boot)
		r = spool_begin_base(spool);
	else if (last.orderly)
		r = set_orderly(spool, 0);
	return r ? r : forget_old(spool);
}
