/* One floor: its file, transactions and rows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema_spool.h"
#include "storage/spool/spool_priv.h"

/* A check reads the whole file; on a card that reads 20 MB/s this many pages take a second or two. */
#define CHECK_PAGES_MAX 16384
/* SQLite's result code of it, as quick_check words it. */
#define SQLITE_IOERR_CODE 10

/* Opening. */

/* The texts of a database's tables; free() it. */
static int read_schema(struct sql *sql, char **ret_text)
{
	struct sql_stmt *stmt = sql_stmt(
		sql, "SELECT coalesce(group_concat(type || name || coalesce(sql, ''), ';'), '')"
		     " FROM (SELECT * FROM sqlite_schema ORDER BY type, name)");
	const char *text;
	int r;

	r = sql_step(stmt);
	text = r == 1 ? sql_text(stmt, 0) : NULL;
	*ret_text = text ? strdup(text) : NULL;
	sql_done(stmt);
	if (r < 0)
		return r;
	return *ret_text ? 0 : -ENOMEM;
}

/* What the tables are in a database that nothing has happened to. */
static int read_true_schema(char **ret_text)
{
	struct sql *sql = NULL;
	int r;

	r = sql_open("sqlite::memory:", SQL_CREATE | SQL_LEAN, &sql, NULL, 0);
	if (r == 0)
		r = schema_migrate(sql, &schema_spool, NULL, NULL, NULL, 0);
	if (r == 0)
		r = read_schema(sql, ret_text);
	sql_close(sql);
	return r;
}

/* A changed bit in the name of a column harms no page, and no statement can be prepared any more. */
static int check_schema(struct spool *spool, enum floor_name floor)
{
	char *found = NULL, *want = NULL;
	int r;

	r = read_true_schema(&want);
	if (r == 0)
		r = read_schema(spool->sql[floor], &found);
	if (r)
		(void)spool_fail(spool, r, strerror(-r));
	else if (strcmp(found, want) != 0)
		r = spool_fail(spool, -EUCLEAN, "its tables are not the spool's");
	free(found);
	free(want);
	return r;
}

/* Brings it to the newest schema. What says of itself that it is newer than this program is left
 * alone; what else cannot be is damaged. */
static int bring_up(struct spool *spool, enum floor_name floor)
{
	int r;

	r = schema_migrate(spool->sql[floor], &schema_spool, NULL, NULL, spool->error,
			   sizeof(spool->error));
	if (r == -EINVAL || r == -EEXIST || r == -EKEYREJECTED)
		return -EUCLEAN;
	return r ? r : check_schema(spool, floor);
}

int floor_open(struct spool *spool, enum floor_name floor)
{
	const unsigned flags[FLOORS] = {
		[YOUNG] = SQL_CREATE | SQL_LEAN | SQL_VOLATILE,
		[DISK] = SQL_CREATE | SQL_LEAN | SQL_COUNTED,
	};
	char *url = NULL;
	int r;

	if (asprintf(&url, "sqlite:%s", spool->paths[floor]) < 0)
		return spool_fail(spool, -ENOMEM, "out of memory");
	spool->blame = floor;
	r = sql_open(url, flags[floor], &spool->sql[floor], spool->error, sizeof(spool->error));
	free(url);
	/* A header that makes no sense; the url is ours and right. */
	if (r == -EINVAL)
		r = -EUCLEAN;
	if (r)
		return r;
	r = bring_up(spool, floor);
	if (r == -EUCLEAN)
		spool->damage = damage_of(floor);
	if (r)
		floor_close(spool, floor);
	return r;
}

void floor_close(struct spool *spool, enum floor_name floor)
{
	sql_close(spool->sql[floor]);
	spool->sql[floor] = NULL;
}

/* A page that could not be read for an I/O error is one more finding to quick_check, and says nothing of
 * what is on the page. */
static bool is_io_error(const char *answer)
{
	const char *code = strstr(answer, "error code=");

	return code && (strtol(code + strlen("error code="), NULL, 10) & 0xff) == SQLITE_IOERR_CODE;
}

/* What is corrupt beyond the limit is found by whoever reads it: each body has its digest. */
int floor_check(struct spool *spool, enum floor_name floor)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql[floor], "PRAGMA page_count");
	const char *answer;
	int64_t pages = 0;
	int r;

	r = floor_number(spool, floor, stmt, &pages);
	if (r || pages > CHECK_PAGES_MAX)
		return r;
	stmt = sql_stmt(spool->sql[floor], "PRAGMA quick_check(1)");
	r = sql_step(stmt);
	if (r < 0)
		return spool_fail_sql(spool, floor, r);
	answer = r == 1 ? sql_text(stmt, 0) : NULL;
	r = 0;
	if (answer && is_io_error(answer)) {
		spool->blame = floor;
		r = spool_fail(spool, -EIO, "it cannot be read to be checked");
	} else if (!answer || strcmp(answer, "ok") != 0) {
		r = spool_fail(spool, -EUCLEAN, answer ? answer : "no answer to quick_check");
		spool->damage = damage_of(floor);
	}
	sql_done(stmt);
	return r;
}

/* The log of a full disk may hold room that the file does not need: it is emptied into that. */
void floor_shrink(struct spool *spool, enum floor_name floor)
{
	(void)sql_exec(spool->sql[floor], "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* Transactions. */

int floor_begin(struct spool *spool, enum floor_name floor)
{
	int r;

	if (!spool->sql[floor])
		return spool_fail(spool, spool->disk_error ? spool->disk_error : -EIO,
				  "the disk is not there");
	r = sql_begin(spool->sql[floor]);
	if (r)
		return spool_fail_sql(spool, floor, r);
	spool->saved = spool->now;
	spool->in = floor;
	return 0;
}

/* The running epoch's row; the figures of the disk stand on the disk alone. */
static int store_row(struct spool *spool, enum floor_name floor)
{
	const struct epoch_row *row = &spool->now.row;
	struct sql_stmt *stmt;
	int r;

	stmt = sql_stmt(spool->sql[floor],
			"UPDATE epoch SET next = $2, settled = $3, dropped_sample = $4,"
			" dropped_state = $5, dropped_alarm = $6, dropped_ledger = $7,"
			" written_total = $8, written_today = $9, written_day = $10,"
			" measured_ms = $11, credit = $12 WHERE seq = $1");
	sql_bind_int(stmt, 1, spool->now.seq);
	sql_bind_int(stmt, 2, row->next);
	sql_bind_int(stmt, 3, row->settled);
	sql_bind_int(stmt, 4, row->dropped[WIRE_CLASS_SAMPLE]);
	sql_bind_int(stmt, 5, row->dropped[WIRE_CLASS_STATE]);
	sql_bind_int(stmt, 6, row->dropped[WIRE_CLASS_ALARM]);
	sql_bind_int(stmt, 7, row->dropped[WIRE_CLASS_LEDGER]);
	sql_bind_int(stmt, 8, spool->written_total);
	sql_bind_int(stmt, 9, spool->written_today);
	sql_bind_int(stmt, 10, spool->written_day);
	sql_bind_int(stmt, 11, spool->measured_ms);
	if (spool->config.write_budget)
		sql_bind_int(stmt, 12, spool->credit);
	r = sql_run(stmt);
	if (r)
		return spool_fail_sql(spool, floor, r);
	if (sql_changes(spool->sql[floor]) != 1)
		return spool_fail(spool, -EUCLEAN, "the running epoch is not there any more");
	spool->now.stored[floor] = *row;
	return 0;
}

static bool row_differs(const struct spool *spool, enum floor_name floor)
{
	return memcmp(&spool->now.row, &spool->now.stored[floor], sizeof(spool->now.row)) != 0;
}

/* `next` of the running epoch as the disk has it; 0 where it has no such epoch. */
static int next_on_disk(struct spool *spool, int64_t *ret_next)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[DISK], "SELECT coalesce((SELECT next FROM epoch WHERE seq = $1"
					   " AND id = $2), 0)");

	sql_bind_int(stmt, 1, spool->now.seq);
	sql_bind_text(stmt, 2, spool->now.epoch);
	return floor_number(spool, DISK, stmt, ret_next);
}

/* A commit that failed at its sync may have come through all the same: its mark is in the log, and
 * whoever opens the file next finds it. So it is opened at once. Where it came through, or nobody can
 * tell, the disk is loaded anew by the next try, and no number below `next`, which it may have given, is
 * given again. */
static void learn_outcome(struct spool *spool, int64_t next)
{
	int64_t known = 0;
	int r;

	spool_count_written(spool);
	floor_close(spool, DISK);
	spool->written_base = 0;
	r = floor_open(spool, DISK);
	if (r == 0)
		r = next_on_disk(spool, &known);
	if (r == 0 && known < next && next > spool->now.row.next)
		return; /* it has not */
	if (spool->sql[DISK])
		floor_close(spool, DISK);
	if (spool->now.row.next < next)
		spool->now.row.next = next;
	memset(spool->now.held[DISK], 0, sizeof(spool->now.held[DISK]));
}

int floor_end(struct spool *spool, int r)
{
	const enum floor_name floor = spool->in;
	const int64_t next = spool->now.row.next;
	bool doubtful = false;

	if (r == 0 && row_differs(spool, floor) && (floor == YOUNG || spool->now.adopted))
		r = store_row(spool, floor);
	if (r == 0) {
		r = sql_commit(spool->sql[floor]);
		if (r)
			r = spool_fail_sql(spool, floor, r);
		doubtful = r && floor == DISK && sql_in_doubt(spool->sql[floor]);
	}
	if (r == 0) {
		if (floor == DISK)
			spool->now.row.settled = spool->now.row.next;
		return 0;
	}
	sql_rollback(spool->sql[floor]);
	spool->now = spool->saved;
	spool->notice.id = 0;
	if (doubtful)
		learn_outcome(spool, next);
	return r;
}

void floor_settle(struct spool *spool)
{
	if (row_differs(spool, YOUNG) && floor_begin(spool, YOUNG) == 0)
		(void)floor_end(spool, 0);
}

/* Rows. */

int floor_number(struct spool *spool, enum floor_name floor, struct sql_stmt *stmt,
		 int64_t *ret_number)
{
	int r;

	r = sql_step(stmt);
	if (r == 1)
		*ret_number = sql_int(stmt, 0);
	sql_done(stmt);
	return r == 1 ? 0 : spool_fail_sql(spool, floor, r ? r : -EIO);
}

/* Added up here, row by row: a GROUP BY would sort, with all bodies in memory. */
int floor_held(struct spool *spool, enum floor_name floor, struct id_range range,
	       struct held held[static CLASSES], int64_t *ret_batches)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql[floor], "SELECT class, length(body) FROM batch"
							    " WHERE id BETWEEN $1 AND $2");
	int64_t class, batches = 0;
	int r;

	memset(held, 0, CLASSES * sizeof(held[0]));
	sql_bind_int(stmt, 1, range.first);
	sql_bind_int(stmt, 2, range.last);
	while ((r = sql_step(stmt)) == 1) {
		batches++;
		class = sql_int(stmt, 0);
		if (class < 0 || class >= CLASSES)
			continue; /* unreadable: given up when it is read */
		held[class].batches++;
		held[class].bytes += sql_int(stmt, 1);
	}
	if (r)
		return spool_fail_sql(spool, floor, r);
	*ret_batches = batches;
	return 0;
}

int floor_count(struct spool *spool, enum floor_name floor)
{
	const struct id_range all = {.first = INT64_MIN, .last = INT64_MAX};
	struct held held[CLASSES];
	int64_t unused;
	const int r = floor_held(spool, floor, all, held, &unused);

	if (r == 0)
		memcpy(spool->now.held[floor], held, sizeof(held));
	return r;
}

void floor_read_row(struct sql_stmt *stmt, struct row *ret_row)
{
	ret_row->id = sql_int(stmt, 0);
	ret_row->class = sql_int(stmt, 1);
	ret_row->encoding = sql_int(stmt, 2);
	ret_row->records = sql_int(stmt, 3);
	ret_row->first_mono_us = sql_int(stmt, 4);
	ret_row->last_mono_us = sql_int(stmt, 5);
	ret_row->digest = sql_text(stmt, 6);
	ret_row->mark = sql_int(stmt, 7);
	ret_row->body = sql_blob(stmt, 8, &ret_row->len);
}

/* FNV-1a, 64 bits. */
static uint64_t hash_byte(uint64_t sum, unsigned char byte)
{
	return (sum ^ byte) * 1099511628211u;
}

static uint64_t hash_text(uint64_t sum, const char *text)
{
	while (*text)
		sum = hash_byte(sum, (unsigned char)*text++);
	return sum;
}

static uint64_t hash_number(uint64_t sum, int64_t number)
{
	int i;

	for (i = 0; i < 64; i += 8)
		sum = hash_byte(sum, (unsigned char)((uint64_t)number >> i));
	return sum;
}

int64_t floor_mark(const char *epoch, const struct row *row)
{
	uint64_t sum = hash_text(14695981039346656037u, epoch);

	sum = hash_number(sum, number_of(row->id));
	sum = hash_number(sum, row->class);
	sum = hash_number(sum, row->encoding);
	sum = hash_number(sum, row->records);
	sum = hash_number(sum, row->first_mono_us);
	sum = hash_number(sum, row->last_mono_us);
	return (int64_t)hash_text(sum, row->digest);
}

bool floor_intact(const char *epoch, const struct row *row)
{
	char digest[WIRE_DIGEST_SIZE];

	if (!row->body || !row->digest || row->class < 0 || row->class >= CLASSES ||
	    row->encoding < 0 || row->encoding > WIRE_BODY_ZSTD || row->records < 1 ||
	    row->records > WIRE_RECORDS_MAX || row->mark != floor_mark(epoch, row))
		return false;
	wire_digest(row->body, row->len, digest);
	return strcmp(digest, row->digest) == 0;
}

int floor_insert(struct spool *spool, enum floor_name floor, const struct row *row)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[floor], "INSERT INTO batch (" FLOOR_COLUMNS ")"
					    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
					    " ON CONFLICT (id) DO NOTHING");
	struct held *held;
	int r;

	sql_bind_int(stmt, 1, row->id);
	sql_bind_int(stmt, 2, row->class);
	sql_bind_int(stmt, 3, row->encoding);
	sql_bind_int(stmt, 4, row->records);
	sql_bind_int(stmt, 5, row->first_mono_us);
	sql_bind_int(stmt, 6, row->last_mono_us);
	sql_bind_text(stmt, 7, row->digest);
	sql_bind_int(stmt, 8, row->mark);
	sql_bind_blob(stmt, 9, row->body, row->len);
	r = sql_run(stmt);
	if (r)
		return spool_fail_sql(spool, floor, r);
	if (sql_changes(spool->sql[floor]) == 0)
		return 0;
	if (row->class >= 0 && row->class < CLASSES) {
		held = &spool->now.held[floor][row->class];
		held->batches++;
		held->bytes += (int64_t)row->len;
	}
	/* What the young floor had no room for went to the disk before older ones did. */
	if (row->class >= 0 && row->class < SPOOL_CLASSES &&
	    spool->now.from[floor][row->class] > row->id)
		spool->now.from[floor][row->class] = row->id;
	return 1;
}

int floor_remove_class(struct spool *spool, enum floor_name floor, struct id_range range,
		       int64_t first_class, int64_t *ret_batches)
{
	struct sql_stmt *stmt = sql_stmt(
		spool->sql[floor], "DELETE FROM batch WHERE id BETWEEN $1 AND $2 AND class >= $3"
				   " RETURNING class, length(body)");
	int64_t class;
	int r;

	sql_bind_int(stmt, 1, range.first);
	sql_bind_int(stmt, 2, range.last);
	sql_bind_int(stmt, 3, first_class);
	while ((r = sql_step(stmt)) == 1) {
		class = sql_int(stmt, 0);
		if (ret_batches)
			++*ret_batches;
		if (class < 0 || class >= CLASSES)
			continue;
		spool->now.held[floor][class].batches--;
		spool->now.held[floor][class].bytes -= sql_int(stmt, 1);
	}
	return r ? spool_fail_sql(spool, floor, r) : 0;
}

int floor_remove(struct spool *spool, enum floor_name floor, struct id_range range,
		 int64_t *ret_batches)
{
	return floor_remove_class(spool, floor, range, INT64_MIN, ret_batches);
}

int floor_first(struct spool *spool, enum floor_name floor, struct id_range range, int64_t *ret_id)
{
	struct sql_stmt *stmt =
		sql_stmt(spool->sql[floor], "SELECT id FROM batch WHERE id BETWEEN $1 AND $2"
					    " ORDER BY id LIMIT 1");
	int r;

	sql_bind_int(stmt, 1, range.first);
	sql_bind_int(stmt, 2, range.last);
	r = sql_step(stmt);
	if (r == 1)
		*ret_id = sql_int(stmt, 0);
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, floor, r) : r;
}
