/* Ends of epochs: what is said of them when the next one begins, and when the core asks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/wire/json.h"
#include "storage/spool/spool_priv.h"

/* How often the core is told of one epoch's end on being asked. */
#define TELL_US INT64_C(60000000)
/* Ends that are stated by one ledger batch. */
#define ENDS_A_BATCH 16

static void copy_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
}

/* What is still held of an epoch, as ranges. Of more holes than a record can tell, the last ones are
 * told as held. That hides no loss: what is not there any more was committed, or its loss is stated
 * by a `dropped` record. */
static void hold(struct wire_epoch_end *end, int64_t number)
{
	struct wire_range *last = end->held_count ? &end->held[end->held_count - 1] : NULL;

	if (last && (number == last->last + 1 || end->held_count == WIRE_RANGES_MAX))
		last->last = number;
	else
		end->held[end->held_count++] = (struct wire_range){number, number};
}

static struct sql_stmt *ids_of(struct spool *spool, enum floor_name floor, int64_t seq)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[floor], "SELECT id FROM batch WHERE id BETWEEN $1 AND $2"
					    " ORDER BY id");

	sql_bind_int(stmt, 1, id_of(seq, 0));
	sql_bind_int(stmt, 2, id_of(seq, NUMBER_MAX));
	return stmt;
}

/* Both floors, merged. */
static int read_held(struct spool *spool, int64_t seq, struct wire_epoch_end *end)
{
	struct sql_stmt *stmts[FLOORS] = {ids_of(spool, YOUNG, seq), ids_of(spool, DISK, seq)};
	int64_t ids[FLOORS] = {0}, id;
	int more[FLOORS], f, r = 0;

	for (f = YOUNG; f < FLOORS; f++)
		more[f] = sql_step(stmts[f]);
	while (more[YOUNG] == 1 || more[DISK] == 1) {
		for (f = YOUNG; f < FLOORS; f++)
			ids[f] = more[f] == 1 ? sql_int(stmts[f], 0) : INT64_MAX;
		id = ids[YOUNG] < ids[DISK] ? ids[YOUNG] : ids[DISK];
		if (id == ids[YOUNG] || !spool_doomed(spool, id))
			hold(end, number_of(id));
		for (f = YOUNG; f < FLOORS; f++)
			if (more[f] == 1 && ids[f] == id)
				more[f] = sql_step(stmts[f]);
	}
	for (f = YOUNG; f < FLOORS && r == 0; f++)
		if (more[f] < 0)
			r = spool_fail_sql(spool, (enum floor_name)f, more[f]);
	sql_done(stmts[YOUNG]);
	sql_done(stmts[DISK]);
	return r;
}

/* What the row of an epoch says, for the record of its end. */
static int read_epoch_row(struct spool *spool, int64_t seq, struct wire_epoch_end *end)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[DISK], "SELECT id, boot, prev, next, orderly FROM epoch"
					   " WHERE seq = $1");
	int r;

	sql_bind_int(stmt, 1, seq);
	r = sql_step(stmt);
	if (r == 1) {
		copy_text(end->epoch, sizeof(end->epoch), sql_text(stmt, 0));
		copy_text(end->boot_id, sizeof(end->boot_id), sql_text(stmt, 1));
		copy_text(end->prev, sizeof(end->prev), sql_text(stmt, 2));
		end->end = sql_int(stmt, 4) == 1 ? sql_int(stmt, 3) : -1;
	}
	sql_done(stmt);
	if (r == 1)
		return 0;
	return r ? spool_fail_sql(spool, DISK, r)
		 : spool_fail(spool, -EUCLEAN, "an epoch is not there any more");
}

static int put_end(struct spool *spool, int64_t seq, struct jw *w)
{
	struct wire_epoch_end record = {.held_count = 0};
	int r;

	r = read_epoch_row(spool, seq, &record);
	if (r == 0)
		r = read_held(spool, seq, &record);
	if (r == 0)
		wire_epoch_end_encode(w, &record);
	return r;
}

static int next_seq(struct spool *spool, int64_t from, int64_t *ret_seq)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql[DISK], "SELECT seq FROM epoch WHERE seq >= $1"
							   " ORDER BY seq LIMIT 1");
	int r;

	sql_bind_int(stmt, 1, from);
	r = sql_step(stmt);
	if (r == 1)
		*ret_seq = sql_int(stmt, 0);
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, DISK, r) : r;
}

/* Ends of epochs from *seq to `last`, as many as one batch takes: 1 there may be more, 0, -errno. */
static int put_ends(struct spool *spool, int64_t *seq, int64_t last, struct jw *w, int *count)
{
	int r;

	for (*count = 0; *count < ENDS_A_BATCH; ++*count, ++*seq) {
		r = next_seq(spool, *seq, seq);
		if (r <= 0)
			return r;
		if (*seq > last)
			return 0;
		r = put_end(spool, *seq, w);
		if (r)
			return r;
	}
	return 1;
}

/* States the ends of the epochs from `seq` to `last` in the running one, by one batch or more. */
int spool_state_ends(struct spool *spool, int64_t seq, int64_t last)
{
	int count, more, r = 0;
	struct jw w;

	do {
		buf_reset(&spool->ledger);
		jw_init(&w, &spool->ledger);
		jw_open_array(&w);
		more = put_ends(spool, &seq, last, &w, &count);
		jw_close_array(&w);
		if (more < 0)
			return more;
		if (count > 0)
			r = spool_store_ledger(spool, DISK, count);
	} while (r == 0 && more == 1);
	return r;
}

/* Being asked. */

static bool told_lately(struct spool *spool, struct sql_stmt *stmt)
{
	const char *boot = sql_text(stmt, 0);

	return boot && strcmp(boot, spool->now.boot_id) == 0 &&
	       clock_mono_us(spool->clock) - sql_int(stmt, 1) < TELL_US;
}

/* Notes the telling: 1 to be told now, 0 not, -errno. */
static int note_telling(struct spool *spool, int64_t seq)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql[DISK], "SELECT told_boot, told_mono_us"
							   " FROM epoch WHERE seq = $1");
	bool lately;
	int r;

	sql_bind_int(stmt, 1, seq);
	r = sql_step(stmt);
	lately = r == 1 && told_lately(spool, stmt);
	sql_done(stmt);
	if (r < 0)
		return spool_fail_sql(spool, DISK, r);
	if (r == 0 || lately)
		return 0;
	stmt = sql_stmt(spool->sql[DISK],
			"UPDATE epoch SET told_boot = $2, told_mono_us = $3 WHERE seq = $1");
	sql_bind_int(stmt, 1, seq);
	sql_bind_text(stmt, 2, spool->now.boot_id);
	sql_bind_int(stmt, 3, clock_mono_us(spool->clock));
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, DISK, r) : 1;
}

static int tell_end(struct spool *spool, const char *epoch, int *ret_told)
{
	int64_t seq = 0;
	int r;

	r = spool_find_on(spool, DISK, epoch, &seq);
	if (r <= 0 || seq == spool->now.seq)
		return r < 0 ? r : 0;
	r = note_telling(spool, seq);
	if (r <= 0)
		return r;
	*ret_told = 1;
	return spool_state_ends(spool, seq, seq);
}

int spool_tell_end(struct spool *spool, const char *epoch)
{
	int r, told = 0;

	if (!spool_disk_well(spool) || !spool->now.adopted)
		return 0;
	r = floor_begin(spool, DISK);
	if (r == 0)
		r = floor_end(spool, tell_end(spool, epoch, &told));
	if (r) {
		(void)spool_disk_failed(spool, r);
		return r == -EUCLEAN ? r : 0;
	}
	floor_settle(spool);
	return told;
}
