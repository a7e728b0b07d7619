/* Figures. */
#include <string.h>

#include "storage/spool/spool_priv.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)

struct oldest {
	const struct spool *spool;
	struct spool_stats *stats;
};

/* The oldest batch tells its time; the oldest of the running boot is asked for apart. */
static int take_oldest(void *arg, const struct spool_batch *batch)
{
	struct oldest *oldest = arg;
	struct spool_stats *stats = oldest->stats;
	const struct wire_boot *boot = &batch->boot;

	if (boot->anchor_at_ms != MODEL_NO_TIME)
		stats->oldest_at_ms =
			boot->anchor_at_ms + (batch->first_mono_us - boot->anchor_mono_us) / 1000;
	if (strcmp(boot->id, oldest->spool->now.boot_id) == 0)
		stats->oldest_mono_us = batch->first_mono_us;
	return 1;
}

/* Of the running epoch, where older ones are of another boot. */
static int take_mono(void *arg, const struct spool_batch *batch)
{
	struct oldest *oldest = arg;

	if (strcmp(batch->boot.id, oldest->spool->now.boot_id) == 0)
		oldest->stats->oldest_mono_us = batch->first_mono_us;
	return 1;
}

static void find_oldest(struct spool *spool, struct spool_stats *stats)
{
	struct oldest oldest = {.spool = spool, .stats = stats};
	const int64_t shown = spool->shown_ledger_id;

	/* What cannot be read is not known; the next append or peek says why. */
	(void)spool_peek(spool, SPOOL_OLDEST_FIRST, 0, 1, take_oldest, &oldest);
	if (stats->oldest_mono_us < 0)
		(void)spool_peek(spool, SPOOL_OLDEST_FIRST, id_of(spool->now.seq, 0), 1, take_mono,
				 &oldest);
	spool->shown_ledger_id = shown; /* nobody else has seen it */
}

static void count_held(const struct spool *spool, struct spool_stats *stats)
{
	const struct held *young, *disk;
	int class;

	for (class = 0; class < CLASSES; class ++) {
		young = &spool->now.held[YOUNG][class];
		disk = &spool->now.held[DISK][class];
		stats->young_batches += young->batches;
		stats->young_bytes += young->bytes;
		stats->disk_batches += disk->batches;
		stats->disk_bytes += disk->bytes;
		stats->class_batches[class] = young->batches + disk->batches;
		stats->class_bytes[class] = young->bytes + disk->bytes;
		stats->dropped[class] = spool->now.row.dropped[class];
		stats->dropped_total += stats->dropped[class];
	}
	stats->batches = stats->young_batches + stats->disk_batches;
	stats->bytes = stats->young_bytes + stats->disk_bytes;
}

static int64_t card_life(const struct spool *spool)
{
	const double written = (double)spool->written_total * SPOOL_CARD_AMPLIFICATION;
	const double days = (double)spool->measured_ms / (double)DAY_MS;
	double life;

	if (spool->config.card_endurance <= 0 || spool->measured_ms < HOUR_MS)
		return -1;
	life = written > 0 ? (double)spool->config.card_endurance / (written / days) : 1e9;
	return life < 1e9 ? (int64_t)life : INT64_C(1000000000);
}

void spool_stats(struct spool *spool, struct spool_stats *ret_stats)
{
	const struct spool_state *now = &spool->now;

	spool_count_written(spool);
	*ret_stats = (struct spool_stats){
		.oldest_mono_us = -1,
		.oldest_at_ms = MODEL_NO_TIME,
		.appended_total = now->appended,
		.acked_total = now->acked,
		.moved_total = now->moved,
		.moves = now->moves,
		.disk_errno = -spool->disk_error,
		.disk_failing_since_us = spool->disk_error ? spool->disk_since_us : MODEL_NO_TIME,
		.disk_there = spool->sql[DISK] != NULL,
		.written_bytes_today = spool->written_today,
		.written_bytes_total = spool->written_total,
		.measured_ms = spool->measured_ms,
		.write_budget = spool->config.write_budget,
		.budget_left = spool->config.write_budget ? spool->credit : 0,
		.card_life_days = card_life(spool),
	};
	count_held(spool, ret_stats);
	find_oldest(spool, ret_stats);
}
