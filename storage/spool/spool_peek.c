/* Looking at what is held: both floors as one sequence of ids. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

/* Bodies that are not what was stored, found by one call; more are found by the next. */
#define UNREADABLE_MAX 16

struct unreadable {
	struct {
		enum floor_name floor;
		int64_t id;
	} items[UNREADABLE_MAX];
	int count;
};

/* Where a reader is on a floor. */
struct cursor {
	struct sql_stmt *stmt; /* NULL: the floor is not there, or at its end */
	int64_t id;
};

struct reader {
	struct spool *spool;
	struct cursor cursors[FLOORS];
	bool back; /* newest first */
	int limit;
	int (*fn)(void *arg, const struct spool_batch *batch);
	void *arg;
	struct unreadable unreadable;
	bool past; /* nothing can be given up now: more unreadable ones are stepped over */
};

static void copy_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
}

static struct sql_stmt *prepare(struct spool *spool, enum floor_name floor, bool back,
				int64_t after)
{
	struct sql_stmt *stmt;

	if (!spool->sql[floor])
		return NULL;
	if (back)
		stmt = sql_stmt(spool->sql[floor], "SELECT " FLOOR_COLUMNS
						   " FROM batch WHERE id < $1 ORDER BY id DESC");
	else
		stmt = sql_stmt(spool->sql[floor],
				"SELECT " FLOOR_COLUMNS " FROM batch WHERE id > $1 ORDER BY id");
	sql_bind_int(stmt, 1, back && after == 0 ? INT64_MAX : after);
	return stmt;
}

/* Moves a cursor to the next batch that is held. A disk that fails is at its end: that stops nobody
 * from reading what is young. */
static int advance(struct reader *reader, enum floor_name floor)
{
	struct spool *spool = reader->spool;
	struct cursor *cursor = &reader->cursors[floor];
	const struct id_range *doomed;
	int64_t past = 0;
	int r;

	if (!cursor->stmt)
		return 0;
	while ((r = sql_step(cursor->stmt)) == 1) {
		cursor->id = sql_int(cursor->stmt, 0);
		doomed = floor == DISK ? spool_doomed(spool, cursor->id) : NULL;
		if (!doomed)
			return 0;
		/* In a broken tree what was stepped over comes again, for ever. */
		if (past && (reader->back ? cursor->id >= past : cursor->id <= past)) {
			sql_done(cursor->stmt);
			cursor->stmt = NULL;
			spool->blame = floor;
			return spool_fail(spool, -EUCLEAN, "batches are not in their order");
		}
		past = reader->back ? doomed->first : doomed->last;
		cursor->stmt = prepare(spool, floor, reader->back,
				       reader->back ? doomed->first : doomed->last);
	}
	cursor->stmt = NULL;
	if (r == 0)
		return 0;
	r = spool_fail_sql(spool, floor, r);
	if (floor == YOUNG)
		return r;
	(void)spool_disk_failed(spool, r);
	spool->unread = true;
	return 0;
}

static void close_reader(struct reader *reader)
{
	sql_done(reader->cursors[YOUNG].stmt);
	sql_done(reader->cursors[DISK].stmt);
}

static void fill_batch(const struct row *row, const struct epoch_note *note,
		       struct spool_batch *batch)
{
	const struct anchor *anchor = &note->anchor;

	*batch = (struct spool_batch){
		.id = row->id,
		.number = number_of(row->id),
		.class = (enum wire_class)row->class,
		.body = (enum wire_body)row->encoding,
		.count = (int)row->records,
		.first_mono_us = row->first_mono_us,
		.last_mono_us = row->last_mono_us,
		.data = row->body,
		.len = row->len,
		.boot = {.sent_mono_us = MODEL_NO_TIME,
			 .anchor_mono_us = anchor->mono_us,
			 .anchor_at_ms = anchor->known ? anchor->at_ms : MODEL_NO_TIME,
			 .quality = (enum clock_quality)anchor->quality},
	};
	memcpy(batch->epoch, note->id, sizeof(batch->epoch));
	memcpy(batch->prev, note->prev, sizeof(batch->prev));
	memcpy(batch->boot.id, note->boot, sizeof(batch->boot.id));
	copy_text(batch->digest, sizeof(batch->digest), row->digest);
}

/* Reads the row a cursor is at: 1, 0 where its body is not what was stored (the card has changed it),
 * -errno. */
static int read_batch(struct spool *spool, struct sql_stmt *stmt, struct spool_batch *batch)
{
	struct epoch_note note;
	struct row row;
	int r;

	floor_read_row(stmt, &row);
	r = spool_note_epoch(spool, seq_of(row.id), &note);
	if (r)
		return r;
	if (!floor_intact(note.id, &row))
		return 0;
	fill_batch(&row, &note, batch);
	return 1;
}

/* The floor whose batch comes next; FLOORS: none. */
static enum floor_name choose(const struct reader *reader)
{
	const struct cursor *young = &reader->cursors[YOUNG], *disk = &reader->cursors[DISK];

	if (!young->stmt)
		return disk->stmt ? DISK : FLOORS;
	if (!disk->stmt || young->id == disk->id)
		return YOUNG;
	return (young->id < disk->id) != reader->back ? YOUNG : DISK;
}

/* A batch may be on both floors for a moment: it is shown once. */
static int pass(struct reader *reader, int64_t id)
{
	int f, r = 0;

	for (f = YOUNG; f < FLOORS && r == 0; f++)
		if (reader->cursors[f].stmt && reader->cursors[f].id == id)
			r = advance(reader, (enum floor_name)f);
	return r;
}

/* Shows the batch that comes next: 1 shown, 2 shown and it was enough, 0 it is unreadable, -errno. */
static int show(struct reader *reader, enum floor_name floor)
{
	struct spool *spool = reader->spool;
	struct unreadable *unreadable = &reader->unreadable;
	struct spool_batch batch;
	int r;

	r = read_batch(spool, reader->cursors[floor].stmt, &batch);
	if (r < 0)
		return r;
	if (r == 0 && unreadable->count == UNREADABLE_MAX)
		return 0;
	if (r == 0) {
		unreadable->items[unreadable->count].floor = floor;
		unreadable->items[unreadable->count++].id = reader->cursors[floor].id;
		return 0;
	}
	if (batch.class == WIRE_CLASS_LEDGER && batch.id > spool->shown_ledger_id)
		spool->shown_ledger_id = batch.id;
	return reader->fn(reader->arg, &batch) ? 2 : 1;
}

/* How many were shown or -errno. */
static int show_all(struct reader *reader)
{
	enum floor_name floor;
	int r = 0, shown = 0;

	while (shown < reader->limit &&
	       (reader->past || reader->unreadable.count < UNREADABLE_MAX)) {
		floor = choose(reader);
		if (floor == FLOORS)
			break;
		r = show(reader, floor);
		if (r < 0)
			return r;
		shown += r > 0;
		if (r == 2)
			break;
		if (shown < reader->limit)
			r = pass(reader, reader->cursors[floor].id);
		if (r < 0)
			return r;
	}
	return shown;
}

/* Such a batch could never be sent: the core would refuse it each time. Where its floor cannot be
 * written it stays for now, unseen. */
static int give_up(struct spool *spool, struct unreadable *unreadable)
{
	int i, r, gone = 0;

	for (i = 0; i < unreadable->count; i++) {
		r = spool_drop_unreadable(spool, unreadable->items[i].floor,
					  unreadable->items[i].id);
		if (r == -EUCLEAN)
			return r;
		gone += r == 0;
	}
	return gone;
}

/* One round of reading. *ret_gone is how many were given up. */
static int read_round(struct reader *reader, int64_t after, int *ret_gone)
{
	struct spool *spool = reader->spool;
	int f, r = 0, shown = 0;

	reader->unreadable.count = 0;
	for (f = YOUNG; f < FLOORS && r == 0; f++) {
		reader->cursors[f].stmt = prepare(spool, (enum floor_name)f, reader->back, after);
		r = advance(reader, (enum floor_name)f);
	}
	if (r == 0)
		shown = show_all(reader);
	close_reader(reader);
	*ret_gone = give_up(spool, &reader->unreadable);
	if (r || shown < 0)
		return r ? r : shown;
	return *ret_gone < 0 ? *ret_gone : shown;
}

int spool_peek(struct spool *spool, enum spool_order order, int64_t after, int limit,
	       int (*fn)(void *arg, const struct spool_batch *batch), void *arg)
{
	struct reader reader = {
		.spool = spool,
		.back = order == SPOOL_NEWEST_FIRST,
		.limit = limit > 0 ? limit : 0,
		.fn = fn,
		.arg = arg,
	};
	int shown, gone;

	if (limit <= 0)
		return 0;
	/* Who is shown nothing takes it that nothing is there: what was given up is gone by then, and
	 * where nothing can be given up the next readable one is shown. */
	for (;;) {
		shown = read_round(&reader, after, &gone);
		if (shown != 0 || (gone == 0 && reader.past) ||
		    (gone == 0 && reader.unreadable.count < UNREADABLE_MAX))
			return shown;
		reader.past = gone == 0;
	}
}

struct one {
	int64_t id;
	int (*fn)(void *arg, const struct spool_batch *batch);
	void *arg;
	bool shown;
};

static int show_one(void *arg, const struct spool_batch *batch)
{
	struct one *one = arg;

	if (batch->id != one->id)
		return 1;
	one->shown = true;
	(void)one->fn(one->arg, batch);
	return 1;
}

int spool_peek_id(struct spool *spool, int64_t id,
		  int (*fn)(void *arg, const struct spool_batch *batch), void *arg)
{
	struct one one = {.id = id, .fn = fn, .arg = arg};
	int r = spool_peek(spool, SPOOL_OLDEST_FIRST, id - 1, 1, show_one, &one);

	return r < 0 ? r : one.shown;
}

/* The oldest id of an epoch on disk that is not acknowledged: 1, 0 none, -errno. */
static int oldest_on_disk(struct spool *spool, struct id_range range, int64_t *ret_id)
{
	const struct id_range *doomed;
	int r;

	while ((r = floor_first(spool, DISK, range, ret_id)) == 1) {
		doomed = spool_doomed(spool, *ret_id);
		if (!doomed)
			return 1;
		range.first = doomed->last + 1;
	}
	return r;
}

/* One past the newest number of an epoch that is over. */
static int end_of(struct spool *spool, int64_t seq, int64_t *ret_floor)
{
	struct sql_stmt *stmt;
	int64_t next = 1;
	int f, r;

	for (f = YOUNG; f < FLOORS; f++) {
		if (!spool->sql[f])
			continue;
		stmt = sql_stmt(spool->sql[f],
				"SELECT coalesce((SELECT next FROM epoch WHERE seq = $1), 1)");
		sql_bind_int(stmt, 1, seq);
		r = floor_number(spool, (enum floor_name)f, stmt, ret_floor);
		if (r)
			return r;
		if (*ret_floor > next)
			next = *ret_floor;
	}
	*ret_floor = next;
	return 0;
}

static int find_floor(struct spool *spool, int64_t seq, int64_t *ret_floor)
{
	const struct id_range range = {id_of(seq, 0), id_of(seq, NUMBER_MAX)};
	int64_t young = INT64_MAX, disk = INT64_MAX;
	int found_young, found_disk = 0;

	found_young = floor_first(spool, YOUNG, range, &young);
	if (found_young < 0)
		return found_young;
	if (spool->sql[DISK] && spool_on_disk(spool)) {
		found_disk = oldest_on_disk(spool, range, &disk);
		if (found_disk < 0)
			(void)spool_disk_failed(spool, found_disk);
	}
	/* Too low a floor states less, and nothing that is wrong. */
	if (found_disk < 0 ||
	    (!spool->sql[DISK] && (seq != spool->now.seq || spool->now.row.settled))) {
		*ret_floor = 1;
		return 0;
	}
	if (found_young || found_disk)
		*ret_floor = number_of(young < disk ? young : disk);
	else if (seq == spool->now.seq)
		*ret_floor = spool->now.row.next;
	else
		return end_of(spool, seq, ret_floor);
	return 0;
}

int spool_floor(struct spool *spool, const char *epoch, int64_t *ret_floor)
{
	int64_t seq = 0, number = 1;
	int r;

	r = spool_find_epoch(spool, epoch, &seq);
	if (r <= 0)
		return r ? r : spool_fail(spool, -ENOENT, "no such epoch");
	r = find_floor(spool, seq, &number);
	if (r == 0)
		*ret_floor = number;
	return r;
}
