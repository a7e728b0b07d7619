/* Letting go of what the core has.
 *
 * The young floor forgets at once. On disk that would cost a commit for each acknowledgement, so
 * there it is only noted ("doomed"), and deleted with the next move or soon after. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

/* A few may wait for company; many would all be sent again after a crash. */
#define DOOM_FEW_US INT64_C(5000000)
#define DOOM_MANY_US INT64_C(500000)
#define DOOM_FEW 16

const struct id_range *spool_doomed(const struct spool *spool, int64_t id)
{
	int i;

	for (i = 0; i < spool->doomed_count; i++)
		if (id >= spool->doomed[i].first && id <= spool->doomed[i].last)
			return &spool->doomed[i];
	return NULL;
}

int spool_delete_doomed(struct spool *spool)
{
	struct held held[CLASSES];
	int i, r = 0;

	/* They are counted as gone already. */
	memcpy(held, spool->now.held[DISK], sizeof(held));
	for (i = 0; r == 0 && i < spool->doomed_count; i++)
		r = floor_remove(spool, DISK, spool->doomed[i], NULL);
	memcpy(spool->now.held[DISK], held, sizeof(held));
	return r;
}

void spool_clear_doomed(struct spool *spool)
{
	spool->doomed_count = 0;
	spool->doomed_batches = 0;
	spool->doom_due_us = INT64_MAX;
}

/* Joins the ranges that touch; keeps them in order. */
static void doom(struct spool *spool, struct id_range range)
{
	struct id_range *doomed = spool->doomed;
	int at = 0, end;

	while (at < spool->doomed_count && doomed[at].last + 1 < range.first)
		at++;
	for (end = at; end < spool->doomed_count && doomed[end].first <= range.last + 1; end++) {
		if (doomed[end].first < range.first)
			range.first = doomed[end].first;
		if (doomed[end].last > range.last)
			range.last = doomed[end].last;
	}
	memmove(&doomed[at + 1], &doomed[end],
		(size_t)(spool->doomed_count - end) * sizeof(*doomed));
	spool->doomed_count += 1 - (end - at);
	doomed[at] = range;
}

static void arm_doom(struct spool *spool, int64_t batches)
{
	int64_t due = clock_mono_us(spool->clock);

	spool->doomed_batches += batches;
	due += spool->doomed_batches > DOOM_FEW ? DOOM_MANY_US : DOOM_FEW_US;
	if (due < spool->doom_due_us)
		spool->doom_due_us = due;
}

/* What the disk has in a range counts as gone from now on; *ret_batches is how many. */
static int count_out(struct spool *spool, struct id_range range, int64_t *ret_batches)
{
	struct held held[CLASSES];
	int class;
	const int r = floor_held(spool, DISK, range, held, ret_batches);

	for (class = 0; r == 0 && class < CLASSES; class ++) {
		spool->now.held[DISK][class].batches -= held[class].batches;
		spool->now.held[DISK][class].bytes -= held[class].bytes;
	}
	return r;
}

int spool_count_disk(struct spool *spool)
{
	int64_t unused;
	int i, r;

	r = floor_count(spool, DISK);
	for (i = 0; r == 0 && i < spool->doomed_count; i++)
		r = count_out(spool, spool->doomed[i], &unused);
	return r;
}

/* The part of a range that begins at `first` and of which nothing is doomed. */
static struct id_range next_part(const struct spool *spool, int64_t first, int64_t last)
{
	int i;

	for (i = 0; i < spool->doomed_count; i++) {
		if (spool->doomed[i].last < first)
			continue;
		if (spool->doomed[i].first <= first)
			first = spool->doomed[i].last + 1;
		else if (spool->doomed[i].first <= last)
			return (struct id_range){first, spool->doomed[i].first - 1};
		else
			break;
	}
	return (struct id_range){first, last};
}

/* Makes room: at worst the acknowledged is sent again. */
static int make_room(struct spool *spool)
{
	if (spool->doomed_count < DOOMED_MAX)
		return 0;
	if (spool_disk_well(spool) && spool_move(spool, WIRE_CLASS_ALARM) == 0)
		return 0;
	spool_clear_doomed(spool);
	spool->recount = true;
	return 0;
}

static int ack_on_disk(struct spool *spool, struct id_range range)
{
	int64_t at, batches = 0, all = 0;
	struct id_range part;
	int r;

	if (!spool->sql[DISK] || !spool_on_disk(spool))
		return 0;
	for (at = range.first; at <= range.last; at = part.last + 1) {
		part = next_part(spool, at, range.last);
		if (part.first > part.last)
			break;
		r = count_out(spool, part, &batches);
		if (r) {
			(void)spool_disk_failed(spool, r);
			spool->recount = true;
			return r == -EUCLEAN ? r : 0;
		}
		all += batches;
		spool->now.acked += batches;
	}
	if (!all)
		return 0;
	(void)make_room(spool);
	doom(spool, range);
	arm_doom(spool, all);
	return 0;
}

static int ack_young(struct spool *spool, const struct id_range *ranges, size_t count)
{
	size_t i;
	int r;

	r = floor_begin(spool, YOUNG);
	if (r)
		return r;
	for (i = 0; r == 0 && i < count; i++)
		r = floor_remove(spool, YOUNG, ranges[i], &spool->now.acked);
	return floor_end(spool, r);
}

int spool_ack(struct spool *spool, const char *epoch, const struct wire_range *ranges, size_t count,
	      int64_t *ret_removed)
{
	const int64_t before = spool->now.acked;
	struct id_range ids[WIRE_RANGES_MAX];
	int64_t seq = 0, first, last, most = NUMBER_MAX;
	size_t i, n = 0;
	int r;

	r = spool_find_epoch(spool, epoch, &seq);
	/* What is acknowledged before it was made is none of ours. */
	if (seq == spool->now.seq)
		most = spool->now.row.next - 1;
	for (i = 0; r == 1 && i < count && n < WIRE_RANGES_MAX; i++) {
		first = ranges[i].first > 0 ? ranges[i].first : 1;
		last = ranges[i].last < most ? ranges[i].last : most;
		if (first <= last)
			ids[n++] = (struct id_range){id_of(seq, first), id_of(seq, last)};
	}
	if (r == 1)
		r = n ? ack_young(spool, ids, n) : 0;
	for (i = 0; r == 0 && i < n; i++)
		r = ack_on_disk(spool, ids[i]);
	if (r == 0 && ret_removed)
		*ret_removed = spool->now.acked - before;
	return r;
}
