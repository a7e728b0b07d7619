/* Which epoch runs: after opening, and when a disk comes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

/* The newest epoch of a floor. */
struct newest {
	int64_t seq; /* 0: none */
	char id[IDS_RANDOM_SIZE];
	char prev[IDS_RANDOM_SIZE];
	bool of_this_boot, orderly;
	struct epoch_row row;
};

static void copy_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
}

static int read_newest(struct spool *spool, enum floor_name floor, struct newest *newest)
{
	struct sql_stmt *stmt;
	int i, r;

	if (!spool->sql[floor])
		return 0;
	stmt = sql_stmt(spool->sql[floor],
			"SELECT e.seq, e.id, e.prev, o.kernel = $1, e.orderly, e.next, e.settled,"
			" e.dropped_sample, e.dropped_state, e.dropped_alarm, e.dropped_ledger"
			" FROM epoch AS e JOIN boot AS o ON o.id = e.boot"
			" ORDER BY e.seq DESC LIMIT 1");
	sql_bind_text(stmt, 1, clock_boot_id(spool->clock));
	r = sql_step(stmt);
	if (r == 1) {
		newest->seq = sql_int(stmt, 0);
		copy_text(newest->id, sizeof(newest->id), sql_text(stmt, 1));
		copy_text(newest->prev, sizeof(newest->prev), sql_text(stmt, 2));
		newest->of_this_boot = sql_int(stmt, 3) != 0;
		newest->orderly = sql_int(stmt, 4) == 1;
		newest->row.next = sql_int(stmt, 5);
		newest->row.settled = sql_int(stmt, 6);
		for (i = 0; i < CLASSES; i++)
			newest->row.dropped[i] = sql_int(stmt, 7 + i);
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, floor, r) : 0;
}

/* What the disk says of itself. */
static int read_figures(struct spool *spool)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[DISK],
			 "SELECT written_total, written_today, written_day, measured_ms, credit"
			 " FROM epoch ORDER BY seq DESC LIMIT 1");
	int r;

	r = sql_step(stmt);
	if (r == 1) {
		spool->written_total = sql_int(stmt, 0);
		spool->written_today = sql_int(stmt, 1);
		spool->written_day = sql_int(stmt, 2);
		spool->measured_ms = sql_int(stmt, 3);
		if (!sql_is_null(stmt, 4) && sql_int(stmt, 4) < spool->credit)
			spool->credit = sql_int(stmt, 4);
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, DISK, r) : 0;
}

/* Numbers of young epochs.
 *
 * An epoch has the same seq on both floors. One that began without this disk may have a seq that
 * the disk gave to another, or one that is not larger than those it knows. */

/* Where the young epoch `seq` belongs: at the disk's seq of it, else behind all that the disk has. */
static int place_of(struct spool *spool, int64_t seq, const char *id, int64_t *next_free,
		    int64_t *ret_place)
{
	int r;

	r = spool_find_on(spool, DISK, id, ret_place);
	if (r)
		return r < 0 ? r : 0;
	*ret_place = seq > *next_free ? seq : *next_free;
	*next_free = *ret_place + 1;
	return 0;
}

/* The first young epoch from `seq` on: 1, 0 none, -errno. */
static int next_young(struct spool *spool, int64_t *seq, char id[static IDS_RANDOM_SIZE])
{
	struct sql_stmt *stmt = sql_stmt(spool->sql[YOUNG], "SELECT seq, id FROM epoch WHERE"
							    " seq >= $1 ORDER BY seq LIMIT 1");
	int r;

	sql_bind_int(stmt, 1, *seq);
	r = sql_step(stmt);
	if (r == 1) {
		*seq = sql_int(stmt, 0);
		copy_text(id, IDS_RANDOM_SIZE, sql_text(stmt, 1));
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, YOUNG, r) : r;
}

static int shift(struct spool *spool, int64_t from, int64_t to, int64_t count)
{
	struct sql_stmt *stmt;
	int r;

	stmt = sql_stmt(spool->sql[YOUNG],
			"UPDATE epoch SET seq = seq + $2 WHERE seq BETWEEN $1 AND $3");
	sql_bind_int(stmt, 1, from);
	sql_bind_int(stmt, 2, to - from);
	sql_bind_int(stmt, 3, from + count - 1);
	r = sql_run(stmt);
	if (r)
		return spool_fail_sql(spool, YOUNG, r);
	stmt = sql_stmt(spool->sql[YOUNG],
			"UPDATE batch SET id = id + $2 WHERE id BETWEEN $1 AND $3");
	sql_bind_int(stmt, 1, id_of(from, 0));
	sql_bind_int(stmt, 2, (to - from) * id_of(1, 0));
	sql_bind_int(stmt, 3, id_of(from + count - 1, NUMBER_MAX));
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, YOUNG, r) : 0;
}

/* 1 where a young epoch has to move, 0, -errno. */
static int misplaced(struct spool *spool, int64_t next_free)
{
	char id[IDS_RANDOM_SIZE] = "";
	int64_t seq = 0, place = 0;
	int r;

	for (; (r = next_young(spool, &seq, id)) == 1; seq++) {
		r = place_of(spool, seq, id, &next_free, &place);
		if (r)
			return r;
		if (place != seq)
			return 1;
	}
	return r;
}

/* All go far away first, so that none meets another. */
static int place_all(struct spool *spool, int64_t next_free, int64_t young_max)
{
	const int64_t away = next_free + 2 * (young_max + 1);
	char id[IDS_RANDOM_SIZE] = "";
	int64_t seq = away, place = 0;
	int r;

	r = shift(spool, 0, away, young_max + 1);
	for (; r == 0 && (r = next_young(spool, &seq, id)) == 1; seq++) {
		r = place_of(spool, seq - away, id, &next_free, &place);
		if (r == 0 && place >= away)
			r = spool_fail(spool, -EOVERFLOW, "epochs cannot be put in order");
		if (r == 0)
			r = shift(spool, seq, place, 1);
	}
	return r;
}

int spool_place_young(struct spool *spool)
{
	int64_t young_max = 0, disk_max = 0;
	int r;

	r = spool_largest_seq(spool, YOUNG, &young_max);
	if (r == 0)
		r = spool_largest_seq(spool, DISK, &disk_max);
	if (r)
		return r;
	r = misplaced(spool, disk_max + 1);
	if (r <= 0)
		return r;
	r = floor_begin(spool, YOUNG);
	if (r)
		return r;
	spool->now.stored[YOUNG] = spool->now.row; /* its row is on the move */
	r = floor_end(spool, place_all(spool, disk_max + 1, young_max));
	spool->note_count = 0;
	spool->note_next = 0;
	spool->replaced = true;
	return r;
}

/* Going on. */

static void take_epoch(struct spool *spool, const struct newest *newest)
{
	memcpy(spool->now.epoch, newest->id, sizeof(newest->id));
	memcpy(spool->now.prev, newest->prev, sizeof(newest->prev));
	spool->now.seq = newest->seq;
	spool->now.row.next = newest->row.next;
	spool->now.row.settled = newest->row.settled;
}

static void take_dropped(struct spool *spool, const struct newest *newest)
{
	int64_t *dropped = spool->now.row.dropped;
	int i;

	for (i = 0; i < CLASSES; i++)
		if (newest->row.dropped[i] > dropped[i])
			dropped[i] = newest->row.dropped[i];
}

/* True where the young floor's newest epoch goes on. Where the disk is not there only one that it
 * never had: who knows what else it had. A disk that had it has not gone back behind what the
 * young floor knows to be there. */
static bool goes_on(const struct spool *spool, const struct newest *young,
		    const struct newest *disk)
{
	if (!young->seq || !young->of_this_boot || young->orderly || spool->restate)
		return false;
	if (disk->seq == 0 || strcmp(disk->id, young->id) != 0)
		return young->row.settled == 0 && young->seq > disk->seq;
	return disk->row.next >= young->row.settled;
}

static int choose_epoch(struct spool *spool, const struct newest *young, const struct newest *disk)
{
	const struct newest *newest = young->seq > disk->seq ? young : disk;
	int64_t next;

	take_dropped(spool, young);
	take_dropped(spool, disk);
	if (!goes_on(spool, young, disk)) {
		take_epoch(spool, newest);
		if (newest->seq == young->seq && young->row.next > spool->now.row.next)
			spool->now.row.next = young->row.next;
		return spool_begin_epoch(spool, NULL);
	}
	next = strcmp(spool->now.epoch, young->id) == 0 ? spool->now.row.next : 1;
	take_epoch(spool, young);
	if (disk->seq == young->seq && disk->row.next > next)
		next = disk->row.next;
	if (next > spool->now.row.next)
		spool->now.row.next = next;
	spool->now.adopted = false;
	spool->was_orderly = disk->orderly;
	return spool_choose_base(spool, NULL);
}

static int remove_twins(struct spool *spool)
{
	struct id_range rest = {.first = 0, .last = INT64_MAX}, twin;
	int64_t id = 0, found = 0;
	int r;

	while ((r = floor_first(spool, YOUNG, rest, &id)) == 1) {
		twin = (struct id_range){id, id};
		r = floor_first(spool, DISK, twin, &found);
		if (r == 1)
			r = floor_remove(spool, YOUNG, twin, NULL);
		if (r < 0)
			return r;
		rest.first = id + 1;
	}
	return r;
}

int spool_forget_twins(struct spool *spool)
{
	int r;

	r = floor_begin(spool, YOUNG);
	if (r == 0)
		r = floor_end(spool, remove_twins(spool));
	if (r == 0)
		spool->twins = false;
	return r;
}

/* Salvaged epochs whose ends were not stated yet. */
static int find_salvaged(struct spool *spool, enum floor_name floor)
{
	int64_t count = 0;
	int r;

	if (!spool->sql[floor])
		return 0;
	r = floor_number(
		spool, floor,
		sql_stmt(spool->sql[floor], "SELECT count(*) FROM epoch WHERE orderly < 0"),
		&count);
	if (count > 0) {
		spool->restate = true;
		spool->inexact |= floor == YOUNG;
	}
	return r;
}

int spool_load(struct spool *spool)
{
	struct newest young = {.seq = 0}, disk = {.seq = 0};
	int r;

	r = find_salvaged(spool, YOUNG);
	if (r == 0)
		r = find_salvaged(spool, DISK);
	if (r)
		return r;
	if (spool->sql[DISK])
		r = spool_place_young(spool);
	if (r == 0)
		r = read_newest(spool, YOUNG, &young);
	if (r == 0)
		r = read_newest(spool, DISK, &disk);
	if (r == 0 && spool->sql[DISK])
		spool_know_disk(spool, disk.seq, disk.id);
	if (r == 0 && spool->sql[DISK] && disk.seq && !disk.orderly)
		r = floor_check(spool, DISK);
	if (r == 0 && spool->sql[DISK])
		r = read_figures(spool);
	if (r == 0 && spool->sql[DISK])
		r = spool_forget_twins(spool);
	if (r == 0)
		r = floor_count(spool, YOUNG);
	if (r == 0 && spool->sql[DISK])
		r = spool_count_disk(spool);
	return r ? r : choose_epoch(spool, &young, &disk);
}
