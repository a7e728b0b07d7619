/* Epochs: which numbers are given now, how the disk learns of it, and what is said of the ones before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

/* Epochs that are over and of which nothing is held, kept to answer for them. */
#define EPOCHS_KEPT "256"

static void copy_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
}

/* Finding. */

int spool_find_on(struct spool *spool, enum floor_name floor, const char *epoch, int64_t *ret_seq)
{
	struct sql_stmt *stmt;
	int r;

	if (!spool->sql[floor])
		return 0;
	stmt = sql_stmt(spool->sql[floor], "SELECT seq FROM epoch WHERE id = $1");
	sql_bind_text(stmt, 1, epoch);
	r = sql_step(stmt);
	if (r == 1)
		*ret_seq = sql_int(stmt, 0);
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, floor, r) : r;
}

int spool_find_epoch(struct spool *spool, const char *epoch, int64_t *ret_seq)
{
	int i, r;

	if (strcmp(epoch, spool->now.epoch) == 0) {
		*ret_seq = spool->now.seq;
		return 1;
	}
	for (i = 0; i < spool->note_count; i++) {
		if (strcmp(spool->notes[i].id, epoch) != 0)
			continue;
		*ret_seq = spool->notes[i].seq;
		return 1;
	}
	r = spool_find_on(spool, YOUNG, epoch, ret_seq);
	return r ? r : spool_find_on(spool, DISK, epoch, ret_seq);
}

static int read_note(struct spool *spool, enum floor_name floor, int64_t seq,
		     struct epoch_note *note)
{
	struct sql_stmt *stmt;
	int r;

	if (!spool->sql[floor])
		return 0;
	stmt = sql_stmt(spool->sql[floor],
			"SELECT e.id, e.prev, o.id, o.anchor_mono_us, o.anchor_at_ms, o.quality"
			" FROM epoch AS e JOIN boot AS o ON o.id = e.boot WHERE e.seq = $1");
	sql_bind_int(stmt, 1, seq);
	r = sql_step(stmt);
	if (r == 1) {
		note->seq = seq;
		copy_text(note->id, sizeof(note->id), sql_text(stmt, 0));
		copy_text(note->prev, sizeof(note->prev), sql_text(stmt, 1));
		copy_text(note->boot, sizeof(note->boot), sql_text(stmt, 2));
		note->anchor.known = !sql_is_null(stmt, 3);
		note->anchor.mono_us = sql_int(stmt, 3);
		note->anchor.at_ms = sql_int(stmt, 4);
		note->anchor.quality = (int)sql_int(stmt, 5);
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, floor, r) : r;
}

static void note_running(const struct spool *spool, struct epoch_note *note)
{
	note->seq = spool->now.seq;
	copy_text(note->id, sizeof(note->id), spool->now.epoch);
	copy_text(note->prev, sizeof(note->prev), spool->now.prev);
	copy_text(note->boot, sizeof(note->boot), spool->now.boot_id);
	note->anchor = spool->now.anchor;
}

/* An earlier epoch of the running time base has its newest anchor. */
static void give_anchor(const struct spool *spool, struct epoch_note *note)
{
	if (strcmp(note->boot, spool->now.boot_id) == 0)
		note->anchor = spool->now.anchor;
}

int spool_note_epoch(struct spool *spool, int64_t seq, struct epoch_note *ret_note)
{
	struct epoch_note note = {.seq = 0};
	int i, r, disk;

	if (seq == spool->now.seq) {
		note_running(spool, ret_note);
		return 0;
	}
	for (i = 0; i < spool->note_count; i++) {
		if (spool->notes[i].seq != seq)
			continue;
		*ret_note = spool->notes[i];
		give_anchor(spool, ret_note);
		return 0;
	}
	disk = read_note(spool, DISK, seq, &note);
	r = disk == 1 ? 1 : read_note(spool, YOUNG, seq, &note);
	/* What is young can be read without the disk. */
	if (r == 0 && disk < 0)
		r = disk;
	if (r <= 0)
		return r ? r : spool_fail(spool, -EUCLEAN, "a batch has no epoch");
	if (disk < 0) {
		*ret_note = note;
		give_anchor(spool, ret_note);
		return 0;
	}
	spool->notes[spool->note_next] = note;
	spool->note_next = (spool->note_next + 1) % NOTES_MAX;
	if (spool->note_count < NOTES_MAX)
		spool->note_count++;
	give_anchor(spool, &note);
	*ret_note = note;
	return 0;
}

/* Beginning. */

static int insert_epoch(struct spool *spool, enum floor_name floor, const struct epoch_note *note,
			int64_t next, int orderly)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[floor],
			 "INSERT INTO epoch VALUES ($1, $2, $3, $4, $5, 0, $6, NULL, NULL, 0, 0, 0,"
			 " 0, 0, 0, 0, 0, NULL)");
	int r;

	sql_bind_int(stmt, 1, note->seq);
	sql_bind_text(stmt, 2, note->id);
	sql_bind_text(stmt, 3, note->boot);
	sql_bind_text(stmt, 4, note->prev[0] ? note->prev : NULL);
	sql_bind_int(stmt, 5, next);
	sql_bind_int(stmt, 6, orderly);
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, floor, r) : 0;
}

/* Every number of it was given through the young floor: its end is known. */
static int end_running(struct spool *spool)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[YOUNG],
			 "UPDATE epoch SET orderly = 1, next = max(next, $2) WHERE seq = $1 AND"
			 " boot IN (SELECT id FROM boot WHERE kernel = $3)");
	int r;

	sql_bind_int(stmt, 1, spool->now.seq);
	sql_bind_int(stmt, 2, spool->now.row.next);
	sql_bind_text(stmt, 3, clock_boot_id(spool->clock));
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, YOUNG, r) : 0;
}

int spool_largest_seq(struct spool *spool, enum floor_name floor, int64_t *ret_seq)
{
	if (!spool->sql[floor])
		return 0;
	return floor_number(spool, floor,
			    sql_stmt(spool->sql[floor], "SELECT coalesce(max(seq), 0) FROM epoch"),
			    ret_seq);
}

static int begin_epoch(struct spool *spool, const struct anchor *new_base)
{
	struct spool_state *now = &spool->now;
	struct epoch_note note;
	int64_t young = 0, disk = 0;
	int r;

	r = spool_largest_seq(spool, YOUNG, &young);
	if (r == 0)
		r = spool_largest_seq(spool, DISK, &disk);
	if (r == 0 && !spool->inexact)
		r = end_running(spool);
	if (r == 0)
		r = spool_choose_base(spool, new_base);
	if (r)
		return r;
	memcpy(now->prev, now->epoch, sizeof(now->prev));
	if (ids_random(now->epoch))
		return spool_fail(spool, -EIO, "no random numbers");
	now->seq = (young > disk ? young : disk) + 1;
	note_running(spool, &note);
	r = spool_write_boot(spool, YOUNG);
	if (r == 0)
		r = insert_epoch(spool, YOUNG, &note, 1, 0);
	now->row.next = 1;
	now->row.settled = 0;
	memset(now->stored, 0, sizeof(now->stored));
	now->adopted = false;
	return r;
}

int spool_begin_epoch(struct spool *spool, const struct anchor *new_base)
{
	int r;

	r = floor_begin(spool, YOUNG);
	if (r)
		return r;
	return floor_end(spool, begin_epoch(spool, new_base));
}

/* Making known. */

static int copy_boot(struct spool *spool, const char *boot)
{
	struct sql_stmt *from = sql_stmt(spool->sql[YOUNG], "SELECT kernel, base, anchor_mono_us,"
							    " anchor_at_ms, quality FROM boot"
							    " WHERE id = $1");
	struct sql_stmt *to = sql_stmt(spool->sql[DISK], "INSERT INTO boot VALUES ($1, $2, $3, $4,"
							 " $5, $6) ON CONFLICT (id) DO UPDATE SET"
							 " anchor_mono_us = $4, anchor_at_ms = $5,"
							 " quality = $6 WHERE quality <= $6");
	int r;

	sql_bind_text(from, 1, boot);
	r = sql_step(from);
	if (r != 1)
		return r ? spool_fail_sql(spool, YOUNG, r)
			 : spool_fail(spool, -EUCLEAN, "an epoch has no boot");
	sql_bind_text(to, 1, boot);
	sql_bind_text(to, 2, sql_text(from, 0));
	sql_bind_int(to, 3, sql_int(from, 1));
	if (!sql_is_null(from, 2)) {
		sql_bind_int(to, 4, sql_int(from, 2));
		sql_bind_int(to, 5, sql_int(from, 3));
	}
	sql_bind_int(to, 6, sql_int(from, 4));
	r = sql_run(to);
	sql_done(from);
	return r ? spool_fail_sql(spool, DISK, r) : 0;
}

/* The disk knows the epoch: it learns its end, where the young floor knows it. */
static int update_epoch(struct spool *spool, int64_t seq, int64_t next, int orderly)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[DISK], "UPDATE epoch SET next = max(next, $2), orderly = $3"
					   " WHERE seq = $1 AND (orderly <> $3 OR next < $2)");
	int r;

	sql_bind_int(stmt, 1, seq);
	sql_bind_int(stmt, 2, next);
	sql_bind_int(stmt, 3, orderly);
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, DISK, r) : 0;
}

static int newest_id(struct spool *spool, int64_t before, char out[static IDS_RANDOM_SIZE])
{
	struct sql_stmt *stmt = sql_stmt(spool->sql[DISK], "SELECT id FROM epoch WHERE seq < $1"
							   " ORDER BY seq DESC LIMIT 1");
	int r;

	sql_bind_int(stmt, 1, before);
	r = sql_step(stmt);
	if (r == 1)
		copy_text(out, IDS_RANDOM_SIZE, sql_text(stmt, 0));
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, DISK, r) : 0;
}

/* One epoch of the young floor, the row that `stmt` is at. */
static int adopt_epoch(struct spool *spool, struct sql_stmt *stmt)
{
	struct epoch_note note = {.seq = sql_int(stmt, 0)};
	const int64_t next = sql_int(stmt, 4);
	const int orderly = sql_int(stmt, 5) == 1;
	int64_t known = 0;
	int r;

	copy_text(note.id, sizeof(note.id), sql_text(stmt, 1));
	copy_text(note.boot, sizeof(note.boot), sql_text(stmt, 2));
	copy_text(note.prev, sizeof(note.prev), sql_text(stmt, 3));
	r = copy_boot(spool, note.boot);
	if (r == 0)
		r = spool_find_on(spool, DISK, note.id, &known);
	if (r < 0)
		return r;
	if (r == 1 && (orderly || note.seq == spool->now.seq))
		return update_epoch(spool, known, next, orderly);
	if (r == 1)
		return 0;
	if (!note.prev[0])
		r = newest_id(spool, note.seq, note.prev);
	if (r == 0 && note.seq == spool->now.seq)
		memcpy(spool->now.prev, note.prev, sizeof(note.prev));
	return r ? r : insert_epoch(spool, DISK, &note, next, orderly);
}

int spool_adopt_rows(struct spool *spool)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[YOUNG],
			 "SELECT seq, id, boot, prev, next, orderly FROM epoch ORDER BY seq");
	int r, failed = 0;

	while (!failed && (r = sql_step(stmt)) == 1)
		failed = adopt_epoch(spool, stmt);
	sql_done(stmt);
	if (failed)
		return failed;
	return r < 0 ? spool_fail_sql(spool, YOUNG, r) : 0;
}

/* Kept are the newest epochs, to answer for them, and all of which batches are held. */
static int forget_old(struct spool *spool)
{
	struct sql_stmt *stmt;
	int r;

	stmt = sql_stmt(spool->sql[DISK],
			"DELETE FROM epoch WHERE seq < (SELECT seq FROM epoch ORDER BY seq DESC"
			" LIMIT 1 OFFSET " EPOCHS_KEPT " - 1) AND NOT EXISTS (SELECT 1 FROM batch"
			" WHERE batch.id BETWEEN epoch.seq << 40 AND ((epoch.seq + 1) << 40) - 1)");
	r = sql_run(stmt);
	if (r)
		return spool_fail_sql(spool, DISK, r);
	stmt = sql_stmt(spool->sql[DISK], "DELETE FROM boot WHERE id NOT IN"
					  " (SELECT boot FROM epoch)");
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, DISK, r) : 0;
}

/* What was salvaged is stated. */
static int end_salvage(struct spool *spool, enum floor_name floor)
{
	int r = sql_run(
		sql_stmt(spool->sql[floor], "UPDATE epoch SET orderly = 0 WHERE orderly < 0"));

	return r ? spool_fail_sql(spool, floor, r) : 0;
}

int spool_adopt(struct spool *spool)
{
	int64_t before = 0, known = 0;
	int r, found;

	r = spool_largest_seq(spool, DISK, &before);
	if (r)
		return r;
	found = spool_find_on(spool, DISK, spool->now.epoch, &known);
	if (found < 0)
		return found;
	r = spool_adopt_rows(spool);
	if (r == 0 && spool->restate)
		before = 0;
	if (r == 0 && !found && (before > 0 || spool->restate))
		r = spool_state_ends(spool, before, spool->now.seq - 1);
	if (r == 0)
		r = end_salvage(spool, DISK);
	if (r == 0)
		r = forget_old(spool);
	if (r == 0)
		r = spool_write_boot(spool, DISK);
	if (r == 0)
		spool->now.adopted = true;
	return r;
}

/* The young floor keeps what it has batches of. */
static void tidy_young(struct spool *spool)
{
	struct sql_stmt *stmt;
	int r;

	if (floor_begin(spool, YOUNG))
		return;
	stmt = sql_stmt(spool->sql[YOUNG],
			"DELETE FROM epoch WHERE seq <> $1 AND NOT EXISTS (SELECT 1 FROM batch"
			" WHERE batch.id BETWEEN epoch.seq << 40 AND ((epoch.seq + 1) << 40) - 1)");
	sql_bind_int(stmt, 1, spool->now.seq);
	r = sql_run(stmt);
	if (r == 0)
		r = sql_run(sql_stmt(spool->sql[YOUNG], "DELETE FROM boot WHERE id NOT IN"
							" (SELECT boot FROM epoch)"));
	if (r == 0)
		r = end_salvage(spool, YOUNG);
	(void)floor_end(spool, r);
}

int spool_adopt_now(struct spool *spool)
{
	int r;

	/* From here on the young floor alone does not know which numbers were given. */
	if (spool->now.row.settled == 0) {
		spool->now.row.settled = 1;
		floor_settle(spool);
	}
	r = floor_begin(spool, DISK);
	if (r == 0)
		r = floor_end(spool, spool_adopt(spool));
	if (r)
		return spool_disk_failed(spool, r);
	spool->restate = false;
	spool_know_disk(spool, spool->now.seq, spool->now.epoch);
	spool_disk_works(spool);
	tidy_young(spool);
	return 0;
}
