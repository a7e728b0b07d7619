/* What can still be read of a damaged database.
 *
 * It is read row by row, oldest first. Where a page cannot be read the next id is tried, and the next,
 * until another page answers. A batch is kept where its body has the digest that was stored with it
 * and its epoch is known. Nothing is believed of the ends of epochs: a number may have been given that
 * is on none of the pages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "storage/spool/spool_priv.h"

/* Of bodies, a transaction. */
#define CHUNK_BYTES INT64_C(1048576)
/* As long as nothing can be read the steps grow: a hole between ids may be wide. */
#define STEADY_TRIES 4096
/* A card that takes longer has the rest in the file that was set aside. */
#define SALVAGE_US INT64_C(30000000)

struct source {
	struct spool *spool;
	enum floor_name to;
	struct sql *sql;
	struct salvage *salvage;
	int64_t end_us;
};

/* One row with a key above `after`: 1 there, 0 no more, -errno. */
static int row_after(struct source *source, const char *text, int64_t after,
		     struct sql_stmt **ret_stmt)
{
	*ret_stmt = sql_stmt(source->sql, text);
	sql_bind_int(*ret_stmt, 1, after);
	return sql_step(*ret_stmt);
}

/* Steps over what cannot be read. */
static int64_t step_over(int *tries)
{
	const int wide = *tries / STEADY_TRIES;

	++*tries;
	return INT64_C(1) << (wide < 40 ? wide : 40);
}

/* Epochs and their boots. */

static int keep_boot(struct source *source, struct sql_stmt *row)
{
	struct spool *spool = source->spool;
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[source->to], "INSERT INTO boot VALUES ($1, $2, $3, $4, $5, $6)"
						 " ON CONFLICT (id) DO NOTHING");
	int r;

	sql_bind_text(stmt, 1, sql_text(row, 9));
	sql_bind_text(stmt, 2, sql_text(row, 10));
	sql_bind_int(stmt, 3, sql_int(row, 11));
	if (!sql_is_null(row, 12)) {
		sql_bind_int(stmt, 4, sql_int(row, 12));
		sql_bind_int(stmt, 5, sql_int(row, 13));
	}
	sql_bind_int(stmt, 6, sql_int(row, 14));
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, source->to, r) : 0;
}

static int keep_epoch(struct source *source, struct sql_stmt *row)
{
	struct spool *spool = source->spool;
	struct sql_stmt *stmt;
	int i, r;

	r = keep_boot(source, row);
	if (r)
		return r;
	stmt = sql_stmt(spool->sql[source->to],
			"INSERT INTO epoch VALUES ($1, $2, $3, $4, $5, $6, -1, NULL, NULL, $7, $8,"
			" $9, $10, $11, 0, 0, $12, NULL) ON CONFLICT DO NOTHING");
	sql_bind_int(stmt, 1, sql_int(row, 0));
	sql_bind_text(stmt, 2, sql_text(row, 1));
	sql_bind_text(stmt, 3, sql_text(row, 9));
	sql_bind_text(stmt, 4, sql_text(row, 2));
	sql_bind_int(stmt, 5, sql_int(row, 3));
	sql_bind_int(stmt, 6, sql_int(row, 4));
	for (i = 0; i < CLASSES; i++)
		sql_bind_int(stmt, 7 + i, sql_int(row, 5 + i));
	sql_bind_int(stmt, 11, sql_int(row, 15));
	sql_bind_int(stmt, 12, sql_int(row, 16));
	r = sql_run(stmt);
	return r ? spool_fail_sql(spool, source->to, r) : 0;
}

/* An id that the core could have heard of. */
static bool plausible_epoch(struct sql_stmt *row)
{
	const char *id = sql_text(row, 1), *boot = sql_text(row, 9), *kernel = sql_text(row, 10);

	return id && strlen(id) == IDS_RANDOM_SIZE - 1 && boot && kernel &&
	       strlen(boot) < WIRE_BOOT_ID_SIZE && sql_int(row, 0) > 0 &&
	       sql_int(row, 0) < (INT64_C(1) << 22) && sql_int(row, 3) > 0 && sql_int(row, 4) >= 0;
}

static int keep_epochs(struct source *source)
{
	static const char text[] =
		"SELECT e.seq, e.id, e.prev, e.next, e.settled, e.dropped_sample, e.dropped_state,"
		" e.dropped_alarm, e.dropped_ledger, o.id, o.kernel, o.base, o.anchor_mono_us,"
		" o.anchor_at_ms, o.quality, e.written_total, e.measured_ms FROM epoch AS e"
		" JOIN boot AS o ON o.id = e.boot WHERE e.seq > $1 ORDER BY e.seq LIMIT 1";
	struct sql_stmt *row;
	int64_t seq = 0;
	int r, failed = 0, tries = 0;

	while (!failed && tries < 2 * STEADY_TRIES && (r = row_after(source, text, seq, &row))) {
		if (r < 0) {
			source->salvage->damaged += tries == 0;
			seq += step_over(&tries);
			continue;
		}
		tries = 0;
		seq = sql_int(row, 0) > seq ? sql_int(row, 0) : seq + 1;
		if (plausible_epoch(row))
			failed = keep_epoch(source, row);
		sql_done(row);
	}
	return failed;
}

/* Batches. */

/* The epoch of a batch, where the floor knows it: 1, 0, -errno. */
static int find_epoch(struct source *source, int64_t seq, char epoch[static IDS_RANDOM_SIZE])
{
	struct spool *spool = source->spool;
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[source->to], "SELECT id FROM epoch WHERE seq = $1");
	const char *id;
	int r;

	sql_bind_int(stmt, 1, seq);
	r = sql_step(stmt);
	id = r == 1 ? sql_text(stmt, 0) : NULL;
	(void)snprintf(epoch, IDS_RANDOM_SIZE, "%s", id ? id : "");
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, source->to, r) : r;
}

/* 1 kept, or there already; 0 it is not what was stored; -errno of the floor. */
static int keep_batch(struct source *source, const struct row *row)
{
	char epoch[IDS_RANDOM_SIZE];
	int r;

	r = find_epoch(source, seq_of(row->id), epoch);
	if (r != 1)
		return r;
	if (!floor_intact(epoch, row))
		return 0;
	r = floor_insert(source->spool, source->to, row);
	if (r == 1) {
		source->salvage->batches++;
		source->salvage->records += row->records;
	}
	return r < 0 ? r : 1;
}

/* The batch above *id: 1 there may be more, 0 there is none, -errno of the floor. A row that cannot be
 * read, or is none, says nothing of where the next one is. */
static int keep_next(struct source *source, int64_t *id, int *tries, int64_t *bytes)
{
	static const char text[] =
		"SELECT " FLOOR_COLUMNS " FROM batch WHERE id > $1 ORDER BY id LIMIT 1";
	struct sql_stmt *stmt;
	struct row row = {.id = 0};
	int r, kept = 0;

	r = row_after(source, text, *id, &stmt);
	if (r == 0)
		return 0;
	*bytes += 64;
	if (r == 1) {
		floor_read_row(stmt, &row);
		*bytes += (int64_t)row.len;
		kept = row.id > *id ? keep_batch(source, &row) : 0;
	}
	if (kept == 1) {
		*id = row.id;
		*tries = 0;
	} else {
		source->salvage->damaged += *tries == 0;
		*id += step_over(tries);
	}
	sql_done(stmt);
	return kept < 0 ? kept : 1;
}

static int keep_some(struct source *source, int64_t *id, int *tries)
{
	int64_t bytes = 0;
	int r = 1;

	while (r == 1 && bytes < CHUNK_BYTES)
		r = keep_next(source, id, tries, &bytes);
	return r;
}

static int keep_batches(struct source *source)
{
	struct spool *spool = source->spool;
	struct salvage before;
	int64_t id = 0;
	int r, more = 1, tries = 0;

	while (more == 1 && id < INT64_MAX / 2) {
		if (clock_mono_us(spool->clock) > source->end_us)
			return 0;
		before = *source->salvage;
		r = floor_begin(spool, source->to);
		if (r)
			return r;
		more = keep_some(source, &id, &tries);
		r = floor_end(spool, more < 0 ? more : 0);
		if (r) {
			*source->salvage = before;
			return r;
		}
	}
	source->salvage->whole = true;
	return 0;
}

static int keep_all(struct source *source)
{
	struct spool *spool = source->spool;
	int r;

	r = floor_begin(spool, source->to);
	if (r == 0)
		r = floor_end(spool, keep_epochs(source));
	/* The young floor may know an epoch that can no longer be read here. */
	if (r == 0 && source->to == DISK)
		r = spool_place_young(spool);
	if (r == 0 && source->to == DISK) {
		r = floor_begin(spool, DISK);
		if (r == 0)
			r = floor_end(spool, spool_adopt_rows(spool));
	}
	return r ? r : keep_batches(source);
}

/* Reading made a list of the log's pages, and a log where there was none. */
static void tidy(const char *path)
{
	char *name = NULL;
	struct stat st;

	if (asprintf(&name, "%s-shm", path) < 0)
		return;
	(void)unlink(name);
	memcpy(name + strlen(path), "-wal", 4);
	if (stat(name, &st) == 0 && st.st_size == 0)
		(void)unlink(name);
	free(name);
}

int spool_salvage(struct spool *spool, enum floor_name floor, const char *path,
		  struct salvage *ret_salvage)
{
	struct source source = {
		.spool = spool,
		.to = floor,
		.salvage = ret_salvage,
		.end_us = clock_mono_us(spool->clock) + SALVAGE_US,
	};
	char *url = NULL;
	int r;

	*ret_salvage = (struct salvage){0};
	if (asprintf(&url, "sqlite:%s", path) < 0)
		return spool_fail(spool, -ENOMEM, "out of memory");
	/* Where not even its first page can be read nothing of it can. */
	r = sql_open(url, SQL_READ_ONLY, &source.sql, NULL, 0);
	free(url);
	if (r == 0)
		r = keep_all(&source);
	else
		r = 0;
	sql_close(source.sql);
	tidy(path);
	return r;
}
