/* From the young floor to the disk, and a disk that fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

/* Of bodies, a transaction: what is young after a long failure does not go in one heap. */
#define MOVE_BYTES INT64_C(1048576)
#define RETRY_MIN_US INT64_C(2000000)
#define RETRY_MAX_US INT64_C(60000000)
/* After so many failures the file is opened anew: a card that was put back is another mount. */
#define TRIES_OPEN 3
#define DAY_US INT64_C(86400000000)
#define DAY_MS INT64_C(86400000)
/* The part of the write budget that may go at once. */
#define BURST_SHARE 8

/* Whether the disk works. */

bool spool_disk_well(const struct spool *spool)
{
	return spool->sql[DISK] && !spool->disk_error && !spool->unclean;
}

int spool_disk_failed(struct spool *spool, int r)
{
	const int64_t now = clock_mono_us(spool->clock);
	int64_t wait = RETRY_MIN_US;
	int i;

	if (r == -EUCLEAN)
		return r;
	if (!spool->disk_error) {
		spool->disk_since_us = now;
		spool->disk_tries = 0;
	}
	spool->disk_error = r;
	for (i = 0; i < spool->disk_tries && wait < RETRY_MAX_US; i++)
		wait *= 2;
	spool->disk_tries++;
	spool->disk_retry_us = now + (wait < RETRY_MAX_US ? wait : RETRY_MAX_US);
	return r;
}

void spool_disk_works(struct spool *spool)
{
	spool->disk_error = 0;
	spool->disk_tries = 0;
	spool->passed_over |= spool->unread;
	spool->unread = false;
}

bool spool_on_disk(const struct spool *spool)
{
	int class;

	for (class = 0; class < CLASSES; class ++)
		if (spool->now.held[DISK][class].batches != 0)
			return true;
	return spool->recount;
}

/* What was written, and what may be. */

static int64_t burst(const struct spool *spool)
{
	return spool->config.write_budget / BURST_SHARE;
}

/* In 24 hours the burst and what comes by are the budget. */
static void add_credit(struct spool *spool, int64_t now)
{
	const int64_t rate = spool->config.write_budget - burst(spool);
	const double gain = (double)rate * (double)(now - spool->credit_us) / (double)DAY_US;

	/* Whole bytes, so that calls in a row lose none. */
	if (gain < 1)
		return;
	spool->credit += (int64_t)gain;
	spool->credit_us = now;
	if (spool->credit > burst(spool))
		spool->credit = burst(spool);
}

void spool_count_written(struct spool *spool)
{
	const int64_t now = clock_mono_us(spool->clock);
	const int64_t day = clock_wall_ms(spool->clock) / DAY_MS;
	int64_t written = spool->written_base, fresh;

	if (spool->sql[DISK])
		written = sql_written_bytes(spool->sql[DISK]);
	fresh = written - spool->written_base;
	spool->written_base = written;
	if (spool->written_day != day) {
		spool->written_day = day;
		spool->written_today = 0;
	}
	spool->written_today += fresh;
	spool->written_total += fresh;
	spool->measured_ms += (now - spool->measured_us) / 1000;
	spool->measured_us += (now - spool->measured_us) / 1000 * 1000;
	if (!spool->config.write_budget)
		return;
	add_credit(spool, now);
	spool->credit -= fresh;
}

bool spool_in_budget(struct spool *spool)
{
	if (!spool->config.write_budget)
		return true;
	spool_count_written(spool);
	return spool->credit > 0;
}

/* When the budget allows a move again. */
static int64_t budget_due(const struct spool *spool)
{
	const int64_t rate = spool->config.write_budget - burst(spool);

	if (!spool->config.write_budget || spool->credit > 0)
		return 0;
	return spool->credit_us +
	       (int64_t)((double)(1 - spool->credit) * (double)DAY_US / (double)rate) + 1000;
}

/* Since when what is young is there. */

void spool_mark(struct spool *spool, int64_t id)
{
	const int64_t now = clock_mono_us(spool->clock);
	const struct mark *last = spool->mark_count ? &spool->marks[spool->mark_count - 1] : NULL;

	if (spool->young_due_us == INT64_MAX)
		spool->young_due_us = now + spool->config.window_us;
	if (last && now - last->us < spool->config.window_us / (MARKS / 2))
		return;
	if (spool->mark_count == MARKS)
		memmove(&spool->marks[0], &spool->marks[1],
			(size_t)--spool->mark_count * sizeof(spool->marks[0]));
	spool->marks[spool->mark_count++] = (struct mark){id, now};
}

/* No later than this a batch was stored; long ago where marks do not go back so far. */
static int64_t stored_us(const struct spool *spool, int64_t id)
{
	int i;

	for (i = spool->mark_count - 1; i >= 0; i--)
		if (spool->marks[i].first_id <= id)
			return spool->marks[i].us;
	return -SPOOL_WINDOW_MAX_US;
}

/* Moving. */

/* Copies young batches to the disk, about MOVE_BYTES; *last is where it stopped. 1 there are more. */
static int copy_some(struct spool *spool, enum wire_class first_class, int64_t *last)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[YOUNG], "SELECT " FLOOR_COLUMNS " FROM batch WHERE id > $1 AND"
					    " class >= $2 ORDER BY id");
	int64_t bytes = 0;
	struct row row;
	int r, stored;

	sql_bind_int(stmt, 1, *last);
	sql_bind_int(stmt, 2, first_class);
	while ((r = sql_step(stmt)) == 1 && bytes < MOVE_BYTES) {
		floor_read_row(stmt, &row);
		stored = floor_insert(spool, DISK, &row);
		if (stored < 0) {
			sql_done(stmt);
			return stored;
		}
		spool->now.moved += stored;
		bytes += (int64_t)row.len;
		*last = row.id;
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, YOUNG, r) : r;
}

static int disk_part(struct spool *spool, enum wire_class first_class, int64_t *last, int *more)
{
	int r;

	*more = copy_some(spool, first_class, last);
	r = *more < 0 ? *more : spool_delete_doomed(spool);
	if (r == 0 && spool->now.anchor_dirty)
		r = spool_write_boot(spool, DISK);
	spool->now.moves++;
	return r;
}

static int move_some(struct spool *spool, enum wire_class first_class, int64_t *last, int *more)
{
	struct id_range range = {.first = *last + 1};
	int r;

	r = floor_begin(spool, DISK);
	if (r == 0)
		r = floor_end(spool, disk_part(spool, first_class, last, more));
	if (r)
		return spool_disk_failed(spool, r);
	spool_clear_doomed(spool);
	spool_disk_works(spool);
	spool->anchor_due_us = INT64_MAX;
	range.last = *last;
	/* Failing, they are twins: read once, and forgotten with the next move. */
	r = floor_begin(spool, YOUNG);
	if (r == 0)
		r = floor_end(spool, floor_remove_class(spool, YOUNG, range, first_class, NULL));
	if (r)
		spool->twins = true;
	return r == -EUCLEAN ? r : 0;
}

int spool_move(struct spool *spool, enum wire_class first_class)
{
	int64_t last = 0;
	int r, more;

	if (!spool->now.adopted) {
		r = spool_adopt_now(spool);
		if (r)
			return r;
	}
	do {
		more = 0;
		r = move_some(spool, first_class, &last, &more);
	} while (r == 0 && more == 1);
	if (r == 0 && first_class == WIRE_CLASS_SAMPLE)
		spool->young_due_us = INT64_MAX;
	return r;
}

/* Upkeep. */

/* Opens the disk's file anew. The old handle stays where that fails: what it has can still be read. */
static int open_anew(struct spool *spool)
{
	struct sql *old = spool->sql[DISK];
	int r;

	spool_count_written(spool);
	spool->sql[DISK] = NULL;
	r = floor_open(spool, DISK);
	if (r) {
		spool->sql[DISK] = old;
		return r;
	}
	sql_close(old);
	spool->written_base = 0;
	return 0;
}

void spool_know_disk(struct spool *spool, int64_t seq, const char *epoch)
{
	spool->disk_seq = seq;
	(void)snprintf(spool->disk_epoch, sizeof(spool->disk_epoch), "%s", epoch);
}

/* True where the disk that was opened is the one that was there before. */
static bool is_same_disk(struct spool *spool)
{
	int64_t seq = 0;

	if (!spool->disk_seq)
		return spool_largest_seq(spool, DISK, &seq) == 0 && seq == 0;
	return spool_find_on(spool, DISK, spool->disk_epoch, &seq) == 1 && seq == spool->disk_seq;
}

int spool_attach(struct spool *spool)
{
	bool was_there = spool->sql[DISK] != NULL;
	int r;

	r = open_anew(spool);
	if (r)
		return spool_disk_failed(spool, r);
	/* What is remembered of one card says nothing of another: same ids, other batches. */
	was_there = was_there && is_same_disk(spool);
	if (!was_there) {
		spool_clear_doomed(spool);
		spool->note_count = 0;
		spool->note_next = 0;
	}
	r = spool_load(spool);
	if (r) {
		floor_close(spool, DISK);
		memset(spool->now.held[DISK], 0, sizeof(spool->now.held[DISK]));
		return spool_disk_failed(spool, r);
	}
	memset(spool->now.from, 0, sizeof(spool->now.from));
	spool->young_due_us = 0;
	spool->replaced |= !was_there;
	return spool_adopt_now(spool);
}

bool spool_take_replaced(struct spool *spool)
{
	const bool replaced = spool->replaced;

	spool->replaced = false;
	return replaced;
}

bool spool_take_passed_over(struct spool *spool)
{
	const bool passed_over = spool->passed_over;

	spool->passed_over = false;
	return passed_over;
}

/* True where the oldest young batch has been there for the window; else says when it will have. */
static int look_young(struct spool *spool, int64_t now)
{
	const struct id_range all = {.first = 0, .last = INT64_MAX};
	int64_t oldest = 0, due;
	int r;

	r = floor_first(spool, YOUNG, all, &oldest);
	if (r <= 0) {
		/* A young floor that cannot be read is asked again after a while. */
		spool->young_due_us = r == 0 ? INT64_MAX : now + RETRY_MIN_US;
		return r;
	}
	due = stored_us(spool, oldest) + spool->config.window_us;
	if (due > now)
		spool->young_due_us = due;
	return due <= now;
}

static int recount(struct spool *spool)
{
	int r;

	if (!spool->recount)
		return 0;
	r = spool_count_disk(spool);
	if (r)
		return spool_disk_failed(spool, r);
	spool->recount = false;
	return 0;
}

/* What is due on a disk that works, or is to be tried. */
static int work(struct spool *spool, bool trial)
{
	const int64_t now = clock_mono_us(spool->clock);
	int young = 0, r = 0;

	/* An anchor is for what is on disk; other batches bring it along. */
	if (now >= spool->anchor_due_us && !spool_on_disk(spool))
		spool->anchor_due_us = INT64_MAX;
	if (now >= spool->young_due_us)
		young = look_young(spool, now);
	if (young < 0)
		return trial ? spool_disk_failed(spool, young) : young;
	if (young == 1 || trial)
		r = spool_move(spool, WIRE_CLASS_SAMPLE);
	else if (now >= spool->doom_due_us || now >= spool->anchor_due_us || !spool->now.adopted)
		r = spool_move(spool, WIRE_CLASS_ALARM);
	if (r == 0)
		r = recount(spool);
	return r;
}

int64_t spool_due(struct spool *spool)
{
	int64_t due = spool->young_due_us, budget;

	if (spool->unclean)
		return 0;
	if (!spool_disk_well(spool))
		return spool->disk_retry_us;
	if (spool->doom_due_us < due)
		due = spool->doom_due_us;
	if (spool->anchor_due_us < due)
		due = spool->anchor_due_us;
	if (!spool->now.adopted || spool->recount)
		due = 0;
	budget = budget_due(spool);
	return due > budget ? due : budget;
}

int spool_run(struct spool *spool)
{
	const int64_t now = clock_mono_us(spool->clock);
	const bool trial = !spool_disk_well(spool);
	int r = 0;

	if (spool->unclean)
		return -EUCLEAN;
	if (trial && now < spool->disk_retry_us)
		return spool->disk_error;
	if (!trial && !spool_in_budget(spool))
		return 0;
	if (trial && spool->sql[DISK] && spool->disk_error == -ENOSPC)
		floor_shrink(spool, DISK);
	if (spool->twins && !trial)
		(void)spool_forget_twins(spool);
	if (trial && (!spool->sql[DISK] || spool->disk_tries >= TRIES_OPEN))
		r = spool_attach(spool);
	if (r == 0)
		r = work(spool, trial);
	if (r == 0)
		r = spool_trim(spool);
	return spool->unclean ? -EUCLEAN : r;
}

int spool_flush(struct spool *spool)
{
	int r = 0;

	if (spool->unclean)
		return -EUCLEAN;
	if (!spool->sql[DISK])
		r = spool_attach(spool);
	if (r == 0)
		r = spool_move(spool, WIRE_CLASS_SAMPLE);
	return spool->unclean ? -EUCLEAN : r;
}
