/* Looking at what is held. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

#define COLUMNS                                                                                    \
	"SELECT b.id, e.id, b.class, b.encoding, b.records, b.first_mono_us, b.last_mono_us,"      \
	" b.digest, b.body, o.id, o.anchor_mono_us, o.anchor_at_ms, o.quality, e.prev"             \
	" FROM batch AS b CROSS JOIN epoch AS e ON e.seq = b.id >> 40"                             \
	" CROSS JOIN boot AS o ON o.seq = e.boot "

/* Bodies that are not what was stored, found by one call; more are found by the next. */
#define UNREADABLE_MAX 16

struct unreadable {
	int64_t ids[UNREADABLE_MAX];
	int count;
};

static void copy_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
}

static void read_boot(struct sql_stmt *stmt, struct wire_boot *boot)
{
	copy_text(boot->id, sizeof(boot->id), sql_text(stmt, 9));
	boot->sent_mono_us = MODEL_NO_TIME;
	boot->anchor_mono_us = sql_int(stmt, 10);
	boot->anchor_at_ms = sql_is_null(stmt, 11) ? MODEL_NO_TIME : sql_int(stmt, 11);
	boot->quality = (enum clock_quality)sql_int(stmt, 12);
}

static bool plausible(const struct spool_batch *batch)
{
	return (int)batch->class >= 0 && batch->class <= WIRE_CLASS_LEDGER &&
	       (int)batch->body >= 0 && batch->body <= WIRE_BODY_ZSTD && batch->count >= 1 &&
	       batch->count <= WIRE_RECORDS_MAX;
}

/* False where the body's digest is not the one that was stored: the card has changed it. */
static bool read_batch(struct sql_stmt *stmt, struct spool_batch *batch)
{
	char digest[WIRE_DIGEST_SIZE];

	memset(batch, 0, sizeof(*batch));
	batch->id = sql_int(stmt, 0);
	batch->number = number_of(batch->id);
	copy_text(batch->epoch, sizeof(batch->epoch), sql_text(stmt, 1));
	copy_text(batch->prev, sizeof(batch->prev), sql_text(stmt, 13));
	batch->class = (enum wire_class)sql_int(stmt, 2);
	batch->body = (enum wire_body)sql_int(stmt, 3);
	batch->count = (int)sql_int(stmt, 4);
	batch->first_mono_us = sql_int(stmt, 5);
	batch->last_mono_us = sql_int(stmt, 6);
	copy_text(batch->digest, sizeof(batch->digest), sql_text(stmt, 7));
	read_boot(stmt, &batch->boot);
	batch->data = sql_blob(stmt, 8, &batch->len);
	if (!batch->data || !plausible(batch))
		return false;
	wire_digest(batch->data, batch->len, digest);
	return strcmp(digest, batch->digest) == 0;
}

/* Runs the statement to its end; returns how many were shown or -errno. */
static int show(struct spool *spool, struct sql_stmt *stmt,
		int (*fn)(void *arg, const struct spool_batch *batch), void *arg,
		struct unreadable *unreadable)
{
	struct spool_batch batch;
	int r, shown = 0;

	while ((r = sql_step(stmt)) == 1) {
		if (!read_batch(stmt, &batch)) {
			unreadable->ids[unreadable->count++] = batch.id;
			if (unreadable->count == UNREADABLE_MAX)
				break;
			continue;
		}
		shown++;
		if (fn(arg, &batch))
			break;
	}
	sql_done(stmt);
	return r < 0 ? spool_fail_sql(spool, r) : shown;
}

/* Such a batch could never be sent: the core would refuse it each time. */
static int give_up(struct spool *spool, const struct unreadable *unreadable)
{
	int i, r;

	if (unreadable->count == 0)
		return 0;
	r = spool_begin(spool);
	if (r)
		return r;
	for (i = 0; r == 0 && i < unreadable->count; i++)
		r = spool_drop_unreadable(spool, unreadable->ids[i]);
	return spool_end(spool, r);
}

static int show_all(struct spool *spool, struct sql_stmt *stmt,
		    int (*fn)(void *arg, const struct spool_batch *batch), void *arg,
		    int *ret_given_up)
{
	struct unreadable unreadable = {.count = 0};
	int r, shown;

	shown = show(spool, stmt, fn, arg, &unreadable);
	r = give_up(spool, &unreadable);
	*ret_given_up = unreadable.count;
	return r ? r : shown;
}

static struct sql_stmt *in_order(struct spool *spool, enum spool_order order, int64_t after,
				 int limit)
{
	struct sql_stmt *stmt;

	if (order == SPOOL_OLDEST_FIRST)
		stmt = sql_stmt(spool->sql, COLUMNS "WHERE b.id > $1 ORDER BY b.id LIMIT $2");
	else
		stmt = sql_stmt(spool->sql, COLUMNS "WHERE b.id < $1 ORDER BY b.id DESC LIMIT $2");
	if (order == SPOOL_NEWEST_FIRST && after == 0)
		after = INT64_MAX;
	sql_bind_int(stmt, 1, after);
	sql_bind_int(stmt, 2, limit > 0 ? limit : 0);
	return stmt;
}

int spool_peek(struct spool *spool, enum spool_order order, int64_t after, int limit,
	       int (*fn)(void *arg, const struct spool_batch *batch), void *arg)
{
	int given_up, shown;

	/* Who is shown nothing takes it that nothing is there: what was given up is gone by then. */
	do
		shown = show_all(spool, in_order(spool, order, after, limit), fn, arg, &given_up);
	while (shown == 0 && given_up > 0);
	return shown;
}

int spool_peek_id(struct spool *spool, int64_t id,
		  int (*fn)(void *arg, const struct spool_batch *batch), void *arg)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql, COLUMNS "WHERE b.id = $1");
	int given_up;

	sql_bind_int(stmt, 1, id);
	return show_all(spool, stmt, fn, arg, &given_up);
}

int spool_floor(struct spool *spool, const char *epoch, int64_t *ret_floor)
{
	struct sql_stmt *stmt;
	int64_t seq;
	int r;

	r = spool_find_epoch(spool, epoch, &seq);
	if (r <= 0)
		return r ? r : spool_fail(spool, -ENOENT, "no such epoch");
	stmt = sql_stmt(spool->sql, "SELECT coalesce((SELECT min(id) FROM batch WHERE id BETWEEN"
				    " $2 AND $3) - $2, next) FROM epoch WHERE seq = $1");
	sql_bind_int(stmt, 1, seq);
	sql_bind_int(stmt, 2, id_of(seq, 0));
	sql_bind_int(stmt, 3, id_of(seq, NUMBER_MAX));
	r = sql_step(stmt);
	if (r == 1)
		*ret_floor = sql_int(stmt, 0);
	sql_done(stmt);
	if (r == 1)
		return 0;
	return spool_fail_sql(spool, r ? r : -EIO);
}
