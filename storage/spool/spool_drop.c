/* Giving up batches: by size, by age, because they cannot be read. Each is stated by a ledger batch in
 * the same transaction. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/wire/json.h"
#include "storage/spool/spool_priv.h"

/* A cap is met with some room to spare (1/32), so that a full spool does not write a ledger batch
 * for each batch that comes in: ledger batches are never dropped and would fill it in the end. */
#define ROOM_SHIFT 5

struct row {
	int64_t id, records, first_mono_us, last_mono_us, bytes;
	int64_t boot;
	bool anchored;
	int64_t anchor_mono_us, anchor_at_ms;
};

/* Batches of one epoch that are given up together. */
struct pass {
	struct wire_dropped record;
	int64_t batches, bytes;
	int64_t last_id;
};

/* Which batches one pass looks at, in order of their ids, and when it has enough. */
struct choice {
	int64_t first_id, last_id;
	int first_class, last_class;
	const char *reason;
	int64_t bytes; /* enough is given up; INT64_MAX: no limit */
	bool by_age;
};

/* True where it is certain that a row is older than the cap. */
static bool expired(struct spool *spool, const struct row *row)
{
	int64_t at_ms;

	if (row->boot == spool->now.boot)
		return clock_mono_us(spool->clock) - row->last_mono_us > spool->max_age_ms * 1000;
	if (!row->anchored || clock_quality(spool->clock) == CLOCK_QUALITY_NONE)
		return false;
	at_ms = row->anchor_at_ms + (row->last_mono_us - row->anchor_mono_us) / 1000;
	return clock_wall_ms(spool->clock) - at_ms > spool->max_age_ms;
}

/* Takes a row into the pass; false where its record has no room for one more range. */
static bool take(struct pass *pass, const struct row *row)
{
	struct wire_dropped *record = &pass->record;
	int64_t number = number_of(row->id);
	struct wire_range *last = NULL;

	if (record->range_count)
		last = &record->ranges[record->range_count - 1];
	if (last && last->last + 1 == number) {
		last->last = number;
	} else {
		if (record->range_count == WIRE_RANGES_MAX)
			return false;
		record->ranges[record->range_count++] = (struct wire_range){number, number};
	}
	if (pass->batches == 0 || row->first_mono_us < record->first_mono_us)
		record->first_mono_us = row->first_mono_us;
	if (pass->batches == 0 || row->last_mono_us > record->last_mono_us)
		record->last_mono_us = row->last_mono_us;
	record->records += row->records;
	pass->batches++;
	pass->bytes += row->bytes;
	pass->last_id = row->id;
	return true;
}

static void read_row(struct sql_stmt *stmt, struct row *row)
{
	row->id = sql_int(stmt, 0);
	row->records = sql_int(stmt, 1);
	row->first_mono_us = sql_int(stmt, 2);
	row->last_mono_us = sql_int(stmt, 3);
	row->bytes = sql_int(stmt, 4);
	row->boot = sql_int(stmt, 5);
	row->anchored = !sql_is_null(stmt, 6);
	row->anchor_mono_us = sql_int(stmt, 6);
	row->anchor_at_ms = sql_int(stmt, 7);
}

static int choose(struct spool *spool, const struct choice *choice, struct pass *pass)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "SELECT b.id, b.records, b.first_mono_us, b.last_mono_us,"
				     " length(b.body), o.seq, o.anchor_mono_us, o.anchor_at_ms"
				     " FROM batch AS b CROSS JOIN epoch AS e ON e.seq = b.id >> 40"
				     " CROSS JOIN boot AS o ON o.seq = e.boot"
				     " WHERE b.id BETWEEN $1 AND $2 AND b.class BETWEEN $3 AND $4"
				     " ORDER BY b.id");
	struct row row;
	int r;

	sql_bind_int(stmt, 1, choice->first_id);
	sql_bind_int(stmt, 2, choice->last_id);
	sql_bind_int(stmt, 3, choice->first_class);
	sql_bind_int(stmt, 4, choice->last_class);
	while ((r = sql_step(stmt)) == 1) {
		read_row(stmt, &row);
		if (choice->by_age && !expired(spool, &row))
			break;
		if (!take(pass, &row) || pass->bytes >= choice->bytes)
			break;
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, r) : 0;
}

/* The ranges hold nothing but what the pass has taken: a number between two that follow each other
 * does not exist. */
static int remove_chosen(struct spool *spool, int64_t seq, const struct pass *pass)
{
	const struct wire_dropped *record = &pass->record;
	struct sql_stmt *stmt;
	int64_t removed = 0;
	size_t i;
	int r;

	for (i = 0; i < record->range_count; i++) {
		stmt = sql_stmt(spool->sql, "DELETE FROM batch WHERE id BETWEEN $1 AND $2");
		sql_bind_int(stmt, 1, id_of(seq, record->ranges[i].first));
		sql_bind_int(stmt, 2, id_of(seq, record->ranges[i].last));
		r = sql_run(stmt);
		if (r)
			return spool_fail_sql(spool, r);
		removed += sql_changes(spool->sql);
	}
	if (removed != pass->batches)
		return spool_fail(spool, -EUCLEAN, "other batches were found than were chosen");
	spool->now.batches -= pass->batches;
	spool->now.bytes -= pass->bytes;
	stmt = sql_stmt(spool->sql, "UPDATE total SET dropped = dropped + $1");
	sql_bind_int(stmt, 1, record->records);
	r = sql_run(stmt);
	if (r)
		return spool_fail_sql(spool, r);
	spool->now.dropped += record->records;
	return 0;
}

static int read_epoch_id(struct spool *spool, int64_t seq, char out[static IDS_RANDOM_SIZE])
{
	struct sql_stmt *stmt = sql_stmt(spool->sql, "SELECT id FROM epoch WHERE seq = $1");
	const char *id;
	int r;

	sql_bind_int(stmt, 1, seq);
	r = sql_step(stmt);
	id = r == 1 ? sql_text(stmt, 0) : NULL;
	if (id)
		(void)snprintf(out, IDS_RANDOM_SIZE, "%s", id);
	sql_done(stmt);
	if (r < 0)
		return spool_fail_sql(spool, r);
	return id ? 0 : spool_fail(spool, -EUCLEAN, "a batch has no epoch");
}

static int state_loss(struct spool *spool, const struct wire_dropped *record)
{
	struct jw w;

	buf_reset(&spool->ledger);
	jw_init(&w, &spool->ledger);
	jw_open_array(&w);
	wire_dropped_encode(&w, record);
	jw_close_array(&w);
	return spool_store_ledger(spool);
}

/* One pass: 1 where something was given up, 0 where there was nothing, -errno. */
static int drop(struct spool *spool, const struct choice *choice, struct pass *pass)
{
	int64_t seq = choice->first_id >> NUMBER_BITS;
	int r;

	*pass = (struct pass){0};
	(void)snprintf(pass->record.reason, sizeof(pass->record.reason), "%s", choice->reason);
	r = choose(spool, choice, pass);
	if (r || pass->batches == 0)
		return r;
	r = read_epoch_id(spool, seq, pass->record.epoch);
	if (r == 0)
		r = remove_chosen(spool, seq, pass);
	if (r == 0)
		r = state_loss(spool, &pass->record);
	return r ? r : 1;
}

/* By size. */

/* The oldest batch of a class: 1, 0 or -errno. Where to look begins at what was found last: new
 * batches only come at the other end. */
static int oldest(struct spool *spool, int class, int64_t *ret_id)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql,
			 "SELECT id FROM batch WHERE id >= $1 AND class = $2 ORDER BY id LIMIT 1");
	int r;

	sql_bind_int(stmt, 1, spool->now.from[class]);
	sql_bind_int(stmt, 2, class);
	r = sql_step(stmt);
	if (r == 1)
		*ret_id = sql_int(stmt, 0);
	sql_done(stmt);
	if (r < 0)
		return spool_fail_sql(spool, r);
	if (r == 1)
		spool->now.from[class] = *ret_id;
	return r;
}

static int drop_oldest(struct spool *spool, int64_t bytes)
{
	struct pass pass;
	struct choice choice = {.reason = "spool_full", .bytes = bytes};
	int class, r;

	for (class = WIRE_CLASS_SAMPLE; class < DROPPABLE; class ++) {
		r = oldest(spool, class, &choice.first_id);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		choice.last_id = choice.first_id | NUMBER_MAX;
		choice.first_class = class;
		choice.last_class = class;
		r = drop(spool, &choice, &pass);
		if (r == 1)
			spool->now.from[class] = pass.last_id + 1;
		return r;
	}
	return 0;
}

static int trim_bytes(struct spool *spool)
{
	int64_t goal = spool->max_bytes - (spool->max_bytes >> ROOM_SHIFT);
	int r = 1;

	if (spool->now.bytes <= spool->max_bytes)
		return 0;
	while (r == 1 && spool->now.bytes > goal)
		r = drop_oldest(spool, spool->now.bytes - goal);
	return r < 0 ? r : 0;
}

/* By age. */

/* The epoch after `seq` that has batches: 1, 0 or -errno. */
static int next_epoch(struct spool *spool, int64_t seq, int64_t *ret_seq)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql, "SELECT id FROM batch WHERE id > $1 ORDER BY id LIMIT 1");
	int r;

	sql_bind_int(stmt, 1, id_of(seq, NUMBER_MAX));
	r = sql_step(stmt);
	if (r == 1)
		*ret_seq = sql_int(stmt, 0) >> NUMBER_BITS;
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, r) : r;
}

static int expire_epoch(struct spool *spool, int64_t seq)
{
	struct pass pass;
	struct choice choice = {
		.first_id = id_of(seq, 0),
		.last_id = id_of(seq, NUMBER_MAX),
		.first_class = WIRE_CLASS_SAMPLE,
		.last_class = DROPPABLE - 1,
		.reason = "spool_age",
		.bytes = INT64_MAX,
		.by_age = true,
	};
	int r;

	do
		r = drop(spool, &choice, &pass);
	while (r == 1);
	return r;
}

/* Epoch by epoch, for one whose times are not known must not keep the others. Looked at every
 * hundredth of the cap only, so that ages share ledger batches too. */
static int trim_age(struct spool *spool)
{
	int64_t now_us = clock_mono_us(spool->clock), seq = 0;
	int r;

	if (spool->max_age_ms <= 0 || now_us < spool->next_age_check_us)
		return 0;
	while ((r = next_epoch(spool, seq, &seq)) == 1) {
		r = expire_epoch(spool, seq);
		if (r)
			return r;
	}
	if (r == 0)
		spool->next_age_check_us = now_us + spool->max_age_ms * 10;
	return r;
}

int spool_trim(struct spool *spool)
{
	int r;

	r = trim_age(spool);
	return r ? r : trim_bytes(spool);
}

/* What cannot be read. */

int spool_drop_unreadable(struct spool *spool, int64_t id)
{
	struct pass pass;
	struct choice choice = {
		.first_id = id,
		.last_id = id,
		.first_class = WIRE_CLASS_SAMPLE,
		.last_class = WIRE_CLASS_LEDGER,
		.reason = "unreadable",
		.bytes = INT64_MAX,
	};
	int r;

	r = drop(spool, &choice, &pass);
	return r < 0 ? r : 0;
}
