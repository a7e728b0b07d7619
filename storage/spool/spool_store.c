/* Storing batches. */
#include <errno.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

int spool_store(struct spool *spool, enum floor_name floor, const struct spool_put *put)
{
	char digest[WIRE_DIGEST_SIZE];
	enum wire_body encoding;
	struct row row;
	int r;

	if (spool->now.row.next >= NUMBER_MAX)
		return spool_fail(spool, -EOVERFLOW, "the epoch's numbers are used up");
	buf_reset(&spool->body);
	r = wire_body_pack(put->json, put->len, &spool->body, &encoding);
	if (r)
		return spool_fail(spool, r,
				  r == -EMSGSIZE ? "too large for one batch" : strerror(-r));
	wire_digest(spool->body.data, spool->body.len, digest);
	row = (struct row){
		.id = id_of(spool->now.seq, spool->now.row.next),
		.class = put->class,
		.encoding = encoding,
		.records = put->count,
		.first_mono_us = put->first_mono_us,
		.last_mono_us = put->last_mono_us,
		.digest = digest,
		.body = spool->body.data,
		.len = spool->body.len,
	};
	row.mark = floor_mark(spool->now.epoch, &row);
	r = floor_insert(spool, floor, &row);
	if (r < 0)
		return r;
	if (r == 0)
		return spool_fail(spool, -EUCLEAN, "a number was given twice");
	spool->now.row.next++;
	spool->now.appended++;
	return 0;
}

int spool_store_ledger(struct spool *spool, enum floor_name floor, int records)
{
	const int64_t mono_us = clock_mono_us(spool->clock);
	struct spool_put put = {
		.class = WIRE_CLASS_LEDGER,
		.json = spool->ledger.data,
		.len = spool->ledger.len,
		.count = records,
		.first_mono_us = mono_us,
		.last_mono_us = mono_us,
	};

	if (spool->ledger.error)
		return spool_fail(spool, spool->ledger.error, "a ledger record cannot be made");
	return spool_store(spool, floor, &put);
}

static bool put_valid(const struct spool_put *put)
{
	return (int)put->class >= 0 && put->class <= WIRE_CLASS_LEDGER && put->json &&
	       put->len >= 2 && put->count >= 1 && put->count <= WIRE_RECORDS_MAX &&
	       put->first_mono_us <= put->last_mono_us;
}

static int append_on(struct spool *spool, enum floor_name floor, const struct spool_put *puts,
		     size_t count, int64_t *ret_first)
{
	size_t i;
	int r;

	r = floor_begin(spool, floor);
	if (r)
		return r;
	*ret_first = spool->now.row.next;
	for (i = 0; r == 0 && i < count; i++)
		r = spool_store(spool, floor, &puts[i]);
	return floor_end(spool, r);
}

/* True where the young floor cannot take what another floor may. */
static bool refuses(int r)
{
	return r == -ENOSPC || r == -EROFS || r == -EIO;
}

static int append(struct spool *spool, const struct spool_put *puts, size_t count,
		  int64_t *ret_first)
{
	int r, disk;

	r = append_on(spool, YOUNG, puts, count, ret_first);
	if (r == -ENOSPC) {
		floor_shrink(spool, YOUNG);
		r = append_on(spool, YOUNG, puts, count, ret_first);
	}
	if (r == 0)
		spool_mark(spool, id_of(spool->now.seq, *ret_first));
	if (!refuses(r) || !spool_disk_well(spool))
		return r;
	if (!spool->now.adopted && spool_adopt_now(spool))
		return r;
	disk = append_on(spool, DISK, puts, count, ret_first);
	if (disk)
		(void)spool_disk_failed(spool, disk);
	return disk ? r : 0;
}

static bool wants_disk(const struct spool *spool, const struct spool_put *puts, size_t count)
{
	size_t i;

	if (spool->config.window_us == 0)
		return true;
	for (i = 0; i < count; i++)
		if (puts[i].class >= WIRE_CLASS_ALARM)
			return true;
	return false;
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
	r = append(spool, puts, count, &first);
	if (r)
		return r;
	/* A disk that refuses has it later; spool_run() tells. */
	if (wants_disk(spool, puts, count) && spool_disk_well(spool))
		(void)spool_move(spool,
				 spool_in_budget(spool) ? WIRE_CLASS_SAMPLE : WIRE_CLASS_ALARM);
	(void)spool_trim(spool);
	*ret_first = first;
	return 0;
}
