/* Giving up batches, stated by a ledger batch in the same transaction: whatever the caller chose, what
 * cannot be read, and what an operator does not want. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/wire/json.h"
#include "storage/spool/spool_priv.h"

/* Batches of one epoch and floor that are given up together. */
struct pass {
	struct wire_dropped record;
	int64_t dropped[CLASSES]; /* records */
	int64_t batches, bytes;
	int64_t last_id;
};

/* True where it is certain that a batch is older. */
static bool older(struct spool *spool, const struct row *row, const struct epoch_note *note,
		  int64_t age_ms)
{
	const struct anchor *anchor = &note->anchor;
	int64_t at_ms;

	if (strcmp(note->boot, spool->now.boot_id) == 0)
		return clock_mono_us(spool->clock) - row->last_mono_us > age_ms * 1000;
	if (!anchor->known || clock_quality(spool->clock) == CLOCK_QUALITY_NONE)
		return false;
	at_ms = anchor->at_ms + (row->last_mono_us - anchor->mono_us) / 1000;
	return clock_wall_ms(spool->clock) - at_ms > age_ms;
}

/* Takes a batch into the pass; false where its record has no room for one more range. */
static bool take(struct pass *pass, const struct row *row)
{
	struct wire_dropped *record = &pass->record;
	const int64_t number = number_of(row->id);
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
	if (row->class >= 0 && row->class < CLASSES)
		pass->dropped[row->class] += row->records;
	pass->batches++;
	pass->bytes += (int64_t)row->len;
	pass->last_id = row->id;
	return true;
}

static int choose(struct spool *spool, const struct drop_choice *choice,
		  const struct epoch_note *note, struct pass *pass)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[choice->floor],
			 "SELECT id, class, length(body), records, first_mono_us, last_mono_us"
			 " FROM batch WHERE id BETWEEN $1 AND $2 AND class BETWEEN $3 AND $4"
			 " ORDER BY id");
	struct row row = {.id = 0};
	int r;

	sql_bind_int(stmt, 1, choice->range.first);
	sql_bind_int(stmt, 2, choice->range.last);
	sql_bind_int(stmt, 3, choice->first_class);
	sql_bind_int(stmt, 4, choice->last_class);
	while ((r = sql_step(stmt)) == 1) {
		row.id = sql_int(stmt, 0);
		row.class = sql_int(stmt, 1);
		row.len = (size_t)sql_int(stmt, 2);
		row.records = sql_int(stmt, 3);
		row.first_mono_us = sql_int(stmt, 4);
		row.last_mono_us = sql_int(stmt, 5);
		/* The core has it. */
		if (choice->floor == DISK && spool_doomed(spool, row.id))
			continue;
		if (choice->older_than_ms && !older(spool, &row, note, choice->older_than_ms))
			break;
		if (!take(pass, &row) || pass->bytes >= choice->bytes)
			break;
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, choice->floor, r) : 0;
}

/* The ranges hold nothing but what the pass has taken: a number between two that follow each other
 * does not exist. */
static int remove_chosen(struct spool *spool, const struct drop_choice *choice,
			 const struct pass *pass)
{
	const int64_t seq = seq_of(choice->range.first);
	const struct wire_dropped *record = &pass->record;
	struct id_range range;
	int64_t removed = 0;
	size_t i;
	int r;

	for (i = 0; i < record->range_count; i++) {
		range.first = id_of(seq, record->ranges[i].first);
		range.last = id_of(seq, record->ranges[i].last);
		r = floor_remove(spool, choice->floor, range, &removed);
		if (r)
			return r;
	}
	if (removed != pass->batches)
		return spool_fail(spool, -EUCLEAN, "other batches were found than were chosen");
	for (i = 0; i < CLASSES; i++)
		spool->now.row.dropped[i] += pass->dropped[i];
	return 0;
}

/* Notices.
 *
 * A spool that stays full for a week must not fill with notices. One that was shown to nobody yet is
 * replaced by the next of its kind, which then speaks for both; the number of the one replaced is
 * among those that are stated as lost. */

static bool follows(const struct spool *spool, const struct drop_choice *choice,
		    const struct pass *pass)
{
	const struct notice *old = &spool->notice;

	return old->id && old->floor == choice->floor && old->id > spool->shown_ledger_id &&
	       seq_of(old->id) == spool->now.seq &&
	       strcmp(old->record.epoch, spool->now.epoch) == 0 &&
	       strcmp(old->record.epoch, pass->record.epoch) == 0 &&
	       strcmp(old->record.reason, pass->record.reason) == 0;
}

/* Adds a range to ranges in order; joins what touches. False where there is no room. */
static bool add_range(struct wire_dropped *record, struct wire_range range)
{
	struct wire_range *ranges = record->ranges;
	size_t at = 0, end;

	while (at < record->range_count && ranges[at].last + 1 < range.first)
		at++;
	for (end = at; end < record->range_count && ranges[end].first <= range.last + 1; end++) {
		if (ranges[end].first < range.first)
			range.first = ranges[end].first;
		if (ranges[end].last > range.last)
			range.last = ranges[end].last;
	}
	if (end == at && record->range_count == WIRE_RANGES_MAX)
		return false;
	memmove(&ranges[at + 1], &ranges[end], (record->range_count - end) * sizeof(*ranges));
	record->range_count += 1 - (end - at);
	ranges[at] = range;
	return true;
}

static bool join(struct wire_dropped *record, const struct wire_dropped *more, int64_t number)
{
	size_t i;

	if (!add_range(record, (struct wire_range){number, number}))
		return false;
	for (i = 0; i < more->range_count; i++)
		if (!add_range(record, more->ranges[i]))
			return false;
	record->records += more->records;
	if (more->first_mono_us < record->first_mono_us)
		record->first_mono_us = more->first_mono_us;
	if (more->last_mono_us > record->last_mono_us)
		record->last_mono_us = more->last_mono_us;
	return true;
}

/* 1 where the old notice went and `record` speaks for it too, 0, -errno. */
static int replace_notice(struct spool *spool, const struct drop_choice *choice,
			  const struct pass *pass, struct wire_dropped *record)
{
	const struct notice *old = &spool->notice;
	int64_t removed = 0;
	int r;

	*record = pass->record;
	if (!follows(spool, choice, pass))
		return 0;
	if (!join(record, &old->record, number_of(old->id))) {
		*record = pass->record;
		return 0;
	}
	r = floor_remove(spool, old->floor, (struct id_range){old->id, old->id}, &removed);
	if (r == 0 && removed == 0) /* it was moved, or the core has it: it speaks for itself */
		*record = pass->record;
	return r;
}

static int state_loss(struct spool *spool, const struct drop_choice *choice,
		      const struct pass *pass)
{
	struct wire_dropped record;
	struct jw w;
	int r;

	r = replace_notice(spool, choice, pass, &record);
	if (r)
		return r;
	buf_reset(&spool->ledger);
	jw_init(&w, &spool->ledger);
	jw_open_array(&w);
	wire_dropped_encode(&w, &record);
	jw_close_array(&w);
	spool->notice.id = id_of(spool->now.seq, spool->now.row.next);
	spool->notice.floor = choice->floor;
	spool->notice.record = record;
	return spool_store_ledger(spool, choice->floor, 1);
}

/* One pass in the transaction: 1 where something was given up, 0 where there was nothing, -errno. */
static int drop_pass(struct spool *spool, const struct drop_choice *choice, struct pass *pass)
{
	struct epoch_note note;
	int r;

	r = spool_note_epoch(spool, seq_of(choice->range.first), &note);
	if (r)
		return r;
	memcpy(pass->record.epoch, note.id, sizeof(note.id));
	(void)snprintf(pass->record.reason, sizeof(pass->record.reason), "%s", choice->reason);
	r = choose(spool, choice, &note, pass);
	if (r || pass->batches == 0)
		return r;
	r = remove_chosen(spool, choice, pass);
	if (r == 0)
		r = state_loss(spool, choice, pass);
	return r ? r : 1;
}

int spool_drop_some(struct spool *spool, const struct drop_choice *choice, int64_t *ret_last_id)
{
	struct pass pass = {0};
	int r, dropped = 0;

	if (choice->floor == DISK && !spool->now.adopted)
		return spool->disk_error ? spool->disk_error : -EIO;
	r = floor_begin(spool, choice->floor);
	if (r == 0) {
		dropped = drop_pass(spool, choice, &pass);
		r = floor_end(spool, dropped < 0 ? dropped : 0);
	}
	if (r && choice->floor == DISK)
		return spool_disk_failed(spool, r);
	if (choice->floor == DISK)
		floor_settle(spool);
	if (r == 0 && dropped == 1 && ret_last_id)
		*ret_last_id = pass.last_id;
	return r ? r : dropped;
}

/* What cannot be read. */

int spool_drop_unreadable(struct spool *spool, enum floor_name floor, int64_t id)
{
	const struct drop_choice choice = {
		.floor = floor,
		.range = {id, id},
		.first_class = INT64_MIN,
		.last_class = INT64_MAX,
		.reason = "unreadable",
		.bytes = INT64_MAX,
	};
	int r;

	r = spool_drop_some(spool, &choice, NULL);
	/* It was read a moment ago and is not found by its id: the tree is broken. */
	if (r == 0) {
		spool->blame = floor;
		return spool_fail(spool, -EUCLEAN, "a batch is not found where it was read");
	}
	return r < 0 ? r : 0;
}

/* By hand. */

int spool_next_held(struct spool *spool, enum floor_name floor, int64_t *seq)
{
	int64_t id = 0;
	int r = floor_first(spool, floor, (struct id_range){id_of(*seq, 0), INT64_MAX}, &id);

	if (r == 1)
		*seq = seq_of(id);
	return r;
}

static bool fits(const struct spool_filter *filter, const struct epoch_note *note)
{
	return !filter->epoch || strcmp(filter->epoch, note->id) == 0;
}

static int drop_epoch(struct spool *spool, enum floor_name floor, int64_t seq,
		      const struct spool_filter *filter)
{
	struct drop_choice choice = {
		.floor = floor,
		.range = {id_of(seq, 0), id_of(seq, NUMBER_MAX)},
		.first_class = filter->class < 0 ? 0 : filter->class,
		.last_class = filter->class < 0 ? SPOOL_CLASSES - 1 : filter->class,
		.reason = "operator",
		.bytes = INT64_MAX,
		.older_than_ms = filter->older_than_ms,
	};
	struct epoch_note note;
	int r;

	r = spool_note_epoch(spool, seq, &note);
	if (r || !fits(filter, &note))
		return r;
	if (filter->first > 0)
		choice.range.first = id_of(seq, filter->first);
	if (filter->last > 0 && filter->last < NUMBER_MAX)
		choice.range.last = id_of(seq, filter->last);
	do
		r = spool_drop_some(spool, &choice, NULL);
	while (r == 1);
	return r;
}

static int64_t dropped_of(const struct spool *spool)
{
	int64_t records = 0;
	int class;

	for (class = 0; class < CLASSES; class ++)
		records += spool->now.row.dropped[class];
	return records;
}

int spool_drop(struct spool *spool, const struct spool_filter *filter, int64_t *ret_records)
{
	const int64_t before = dropped_of(spool);
	int64_t seq;
	int f, r = 0;

	if (filter->class >= SPOOL_CLASSES)
		return spool_fail(spool, -EINVAL, "ledger batches are never given up");
	for (f = YOUNG; f < FLOORS && r == 0; f++) {
		if (!spool->sql[f])
			continue;
		for (seq = 0; (r = spool_next_held(spool, (enum floor_name)f, &seq)) == 1; seq++) {
			r = drop_epoch(spool, (enum floor_name)f, seq, filter);
			if (r)
				break;
		}
	}
	if (r == 0 && ret_records)
		*ret_records = dropped_of(spool) - before;
	return r;
}
