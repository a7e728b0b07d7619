/* Storing batches, and letting go of what the core has. */
#include <errno.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

int spool_take_numbers(struct spool *spool, int64_t count, int64_t *ret_first)
{
	struct sql_stmt *stmt = sql_stmt(spool->sql, "UPDATE epoch SET next = next + $2"
						     " WHERE seq = $1 RETURNING next - $2");
	int64_t first = 0;
	int r;

	sql_bind_int(stmt, 1, spool->now.seq);
	sql_bind_int(stmt, 2, count);
	r = sql_step(stmt);
	if (r == 1)
		first = sql_int(stmt, 0);
	sql_done(stmt);
	if (r < 0)
		return spool_fail_sql(spool, r);
	if (r == 0)
		return spool_fail(spool, -EUCLEAN, "the running epoch is not there any more");
	if (first < 1 || first > NUMBER_MAX - count)
		return spool_fail(spool, -EOVERFLOW, "the epoch's numbers are used up");
	*ret_first = first;
	return 0;
}

static void count_written(struct spool *spool, int64_t bytes)
{
	int64_t day = clock_wall_ms(spool->clock) / 86400000;

	if (spool->now.day != day) {
		spool->now.day = day;
		spool->now.written_today = 0;
	}
	spool->now.written_today += bytes;
}

int spool_store(struct spool *spool, int64_t number, const struct spool_put *put)
{
	struct sql_stmt *stmt;
	char digest[WIRE_DIGEST_SIZE];
	enum wire_body encoding;
	int r;

	buf_reset(&spool->body);
	r = wire_body_pack(put->json, put->len, &spool->body, &encoding);
	if (r)
		return spool_fail(spool, r,
				  r == -EMSGSIZE ? "too large for one batch" : strerror(-r));
	wire_digest(spool->body.data, spool->body.len, digest);
	stmt = sql_stmt(spool->sql,
			"INSERT INTO batch (id, class, encoding, records, first_mono_us,"
			" last_mono_us, digest, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
	sql_bind_int(stmt, 1, id_of(spool->now.seq, number));
	sql_bind_int(stmt, 2, put->class);
	sql_bind_int(stmt, 3, encoding);
	sql_bind_int(stmt, 4, put->count);
	sql_bind_int(stmt, 5, put->first_mono_us);
	sql_bind_int(stmt, 6, put->last_mono_us);
	sql_bind_text(stmt, 7, digest);
	sql_bind_blob(stmt, 8, spool->body.data, spool->body.len);
	r = sql_run(stmt);
	if (r)
		return spool_fail_sql(spool, r);
	spool->now.batches++;
	spool->now.bytes += (int64_t)spool->body.len;
	spool->now.appended++;
	count_written(spool, (int64_t)spool->body.len);
	return 0;
}

int spool_store_ledger(struct spool *spool)
{
	int64_t mono_us = clock_mono_us(spool->clock), number = 0;
	struct spool_put put = {
		.class = WIRE_CLASS_LEDGER,
		.json = spool->ledger.data,
		.len = spool->ledger.len,
		.count = 1,
		.first_mono_us = mono_us,
		.last_mono_us = mono_us,
	};
	int r;

	if (spool->ledger.error)
		return spool_fail(spool, spool->ledger.error, "a ledger record cannot be made");
	r = spool_take_numbers(spool, 1, &number);
	if (r)
		return r;
	return spool_store(spool, number, &put);
}

static bool put_valid(const struct spool_put *put)
{
	return (int)put->class >= 0 && put->class <= WIRE_CLASS_LEDGER && put->json &&
	       put->len >= 2 && put->count >= 1 && put->count <= WIRE_RECORDS_MAX &&
	       put->first_mono_us <= put->last_mono_us;
}

static int append(struct spool *spool, const struct spool_put *puts, size_t count,
		  int64_t *ret_first)
{
	size_t i;
	int r;

	r = spool_take_numbers(spool, (int64_t)count, ret_first);
	for (i = 0; r == 0 && i < count; i++)
		r = spool_store(spool, *ret_first + (int64_t)i, &puts[i]);
	return r ? r : spool_trim(spool);
}

int spool_append(struct spool *spool, const struct spool_put *puts, size_t count,
		 int64_t *ret_first)
{
	int64_t first = 0;
	size_t i;
	int r;

	if (count == 0)
		return spool_fail(spool, -EINVAL, "nothing to append");
	for (i = 0; i < count; i++)
		if (!put_valid(&puts[i]))
			return spool_fail(spool, -EINVAL, "a batch that is none");
	r = spool_begin(spool);
	if (r)
		return r;
	r = spool_end(spool, append(spool, puts, count, &first));
	if (r == 0)
		*ret_first = first;
	return r;
}

/* Letting go. */

static int remove_range(struct spool *spool, int64_t first_id, int64_t last_id)
{
	struct sql_stmt *stmt = sql_stmt(
		spool->sql, "DELETE FROM batch WHERE id BETWEEN $1 AND $2 RETURNING length(body)");
	int r;

	sql_bind_int(stmt, 1, first_id);
	sql_bind_int(stmt, 2, last_id);
	while ((r = sql_step(stmt)) == 1) {
		spool->now.batches--;
		spool->now.bytes -= sql_int(stmt, 0);
		spool->now.acked++;
	}
	return r ? spool_fail_sql(spool, r) : 0;
}

static int acknowledge(struct spool *spool, const char *epoch, const struct wire_range *ranges,
		       size_t count)
{
	int64_t seq, first, last;
	size_t i;
	int r;

	r = spool_find_epoch(spool, epoch, &seq);
	if (r <= 0)
		return r;
	for (i = 0, r = 0; r == 0 && i < count; i++) {
		first = ranges[i].first > 0 ? ranges[i].first : 1;
		last = ranges[i].last < NUMBER_MAX ? ranges[i].last : NUMBER_MAX;
		if (first <= last)
			r = remove_range(spool, id_of(seq, first), id_of(seq, last));
	}
	return r;
}

int spool_ack(struct spool *spool, const char *epoch, const struct wire_range *ranges, size_t count,
	      int64_t *ret_removed)
{
	int r;

	r = spool_begin(spool);
	if (r)
		return r;
	r = spool_end(spool, acknowledge(spool, epoch, ranges, count));
	if (r == 0 && ret_removed)
		*ret_removed = spool->now.acked - spool->saved.acked;
	return r;
}
