#include "tests/faults/story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define WALL_MS INT64_C(1795190400000) /* 2026-11-20T16:00:00Z */
#define RECORD_SIZE 160
#define PUTS_MAX 3
#define RECOVER_TRIES 5

static uint32_t next(struct story *story)
{
	story->seed ^= story->seed << 13;
	story->seed ^= story->seed >> 7;
	story->seed ^= story->seed << 17;
	return (uint32_t)(story->seed >> 24);
}

/* What is in the spool. */

struct collection {
	struct spool_batch *items;
	int count;
};

static int collect_one(void *arg, const struct spool_batch *batch)
{
	struct collection *all = arg;
	struct spool_batch *items;
	void *data;

	items = realloc(all->items, ((size_t)all->count + 1) * sizeof(*items));
	data = malloc(batch->len);
	assert_non_null(items);
	assert_non_null(data);
	memcpy(data, batch->data, batch->len);
	all->items = items;
	items[all->count] = *batch;
	items[all->count++].data = data;
	return 0;
}

int story_collect(struct spool *spool, enum spool_order order, int limit, struct spool_batch **ret)
{
	struct collection all = {.items = NULL};
	int r;

	r = spool_peek(spool, order, 0, limit, collect_one, &all);
	*ret = all.items;
	if (r >= 0)
		return all.count;
	story_collected_free(all.items, all.count);
	*ret = NULL;
	return r;
}

void story_collected_free(struct spool_batch *batches, int count)
{
	int i;

	for (i = 0; i < count; i++)
		free((void *)(uintptr_t)batches[i].data);
	free(batches);
}

struct story_batch *story_find(struct story *story, const char *epoch, int64_t number)
{
	size_t i;

	for (i = story->batch_count; i > 0; i--) {
		struct story_batch *batch = &story->batches[i - 1];

		if (batch->number == number && strcmp(batch->epoch, epoch) == 0)
			return batch;
	}
	return NULL;
}

static void note_batch(struct story *story, const struct spool_batch *seen, int64_t begun)
{
	struct story_batch *batch = story_find(story, seen->epoch, seen->number);

	if (batch) {
		/* The one rule that has no exception: a number has one body. */
		if (strcmp(batch->digest, seen->digest) != 0)
			fail_msg(
				"%s: %s %lld has two bodies, %s (%s, made %lld, gone %lld) and %s (%s)",
				story->name, seen->epoch, (long long)seen->number, batch->digest,
				wire_class_name(batch->class), (long long)batch->made,
				(long long)(batch->gone == STORY_NEVER ? -1 : batch->gone),
				seen->digest, wire_class_name(seen->class));
		batch->seen = true;
		return;
	}
	if (story->batch_count == story->batch_cap) {
		story->batch_cap = story->batch_cap ? 2 * story->batch_cap : 256;
		story->batches =
			realloc(story->batches, story->batch_cap * sizeof(*story->batches));
		assert_non_null(story->batches);
	}
	batch = &story->batches[story->batch_count++];
	*batch = (struct story_batch){.number = seen->number,
				      .class = seen->class,
				      .boot = story->boot,
				      .mono_us = story->clock.mono_us,
				      .begun = begun,
				      .made = fault_stamp(),
				      .durable = STORY_NEVER,
				      .gone = STORY_NEVER,
				      .seen = true};
	memcpy(batch->epoch, seen->epoch, sizeof(batch->epoch));
	memcpy(batch->digest, seen->digest, sizeof(batch->digest));
}

/* After each call: what has come, and what is gone. */
static void look(struct story *story, int64_t begun)
{
	struct spool_batch *held = NULL;
	struct spool_stats stats;
	int i, count;
	size_t k;

	count = story_collect(story->spool, SPOOL_OLDEST_FIRST, 100000, &held);
	spool_stats(story->spool, &stats);
	if (count < 0 && !story->lenient)
		fail_msg("peek: %s", spool_error(story->spool));
	for (k = 0; k < story->batch_count; k++)
		story->batches[k].seen = false;
	for (i = 0; i < count; i++)
		note_batch(story, &held[i], begun);
	/* What is on a disk that cannot be read is not seen, and not gone. */
	for (k = 0; count >= 0 && !stats.disk_errno && k < story->batch_count; k++) {
		struct story_batch *batch = &story->batches[k];

		if (batch->seen || batch->gone != STORY_NEVER)
			continue;
		batch->gone = begun;
		story->dropped += !batch->acked;
	}
	story_collected_free(held, count > 0 ? count : 0);
}

/* The spool has said that what was made by then is on disk. */
static void note_durable(struct story *story, int64_t before_mono_us, int64_t begun, bool all)
{
	struct spool_stats stats;
	size_t i;

	spool_stats(story->spool, &stats);
	if (stats.disk_errno)
		return;
	for (i = 0; i < story->batch_count; i++) {
		struct story_batch *batch = &story->batches[i];

		if (batch->durable == STORY_NEVER && batch->gone == STORY_NEVER &&
		    (all || batch->boot < story->boot || batch->mono_us <= before_mono_us ||
		     (batch->begun >= begun && batch->class != WIRE_CLASS_SAMPLE &&
		      batch->class != WIRE_CLASS_STATE)))
			batch->durable = fault_stamp();
	}
}

/* Opening and closing. */

static void pass(struct story *story, int64_t us)
{
	clock_fake_advance(&story->clock, us);
}

static void open_spool(struct story *story)
{
	int64_t begun = fault_stamp();
	char error[256] = "", *notice = NULL;
	int r;

	story->config.damaged = story->damaged;
	r = spool_open(&story->config, &story->spool, &notice, error, sizeof(error));
	story->damaged = 0;
	story->notices += notice != NULL;
	if ((r || notice) && !story->lenient)
		fail_msg("open: %s", r ? error : notice);
	if (getenv("FRESHET_FAULTS_TELL"))
		print_message("%lld open boot %d: %d %s%s%s\n", (long long)fault_stamp(),
			      story->boot, r, r ? error : spool_epoch(story->spool),
			      notice ? ": " : "", notice ? notice : "");
	free(notice);
	if (r) {
		story->refused_opens++;
		(void)snprintf(story->error, sizeof(story->error), "%s", error);
		story->spool = NULL;
		return;
	}
	look(story, begun);
}

void story_boot_id(int boot, char out[static CLOCK_BOOT_ID_LEN + 1])
{
	(void)snprintf(out, CLOCK_BOOT_ID_LEN + 1, "00000000-0000-4000-8000-%012d", boot);
}

int story_boot_at(const struct story *story, int64_t stamp)
{
	int boot = story->boot;

	while (boot > 1 && story->boots[boot] > stamp)
		boot--;
	return boot;
}

static void boot_id(struct story *story)
{
	assert_true(story->boot < STORY_BOOTS_MAX);
	story->boots[++story->boot] = fault_stamp();
	story_boot_id(story->boot, story->clock.boot_id);
	story->clock.mono_us = 1000000;
}

void story_stop(struct story *story)
{
	if (!story->spool)
		return;
	spool_close(story->spool);
	story->spool = NULL;
}

static void wipe_young(struct story *story)
{
	char path[FOLDER_SIZE + 32];
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	size_t i;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", story->young_path, suffixes[i]);
		(void)remove(path);
	}
}

static void restart(struct story *story)
{
	story->restarts++;
	story_stop(story);
	if (next(story) % 2 && !story->no_boots) {
		wipe_young(story);
		boot_id(story);
	}
	open_spool(story);
}

void story_kill(struct story *story)
{
	fault_disk_cut(story->disk);
	fault_disk_cut(story->young);
	story_stop(story);
	fault_disk_uncut(story->disk);
	fault_disk_uncut(story->young);
}

static void kill_it(struct story *story)
{
	story->restarts++;
	story_kill(story);
	open_spool(story);
}

/* The calls of an agent. */

static size_t make_json(struct story *story, char *out, size_t size, int count)
{
	size_t len = 0;
	int i;

	out[len++] = '[';
	for (i = 0; i < count; i++)
		len += (size_t)snprintf(
			out + len, size - len,
			"%s{\"kind\":\"update\",\"device_id\":\"d1\",\"provider\":\"obd\",\"source\":"
			"\"obd%u\",\"mono_us\":%lld,\"battery\":{\"state_of_charge_pct\":%u.%u}}",
			i ? "," : "", next(story), (long long)story->clock.mono_us,
			next(story) % 100, next(story));
	out[len++] = ']';
	return len;
}

static void append(struct story *story, enum wire_class class)
{
	char json[PUTS_MAX][8192];
	struct spool_put puts[PUTS_MAX];
	int64_t first = 0, begun = fault_stamp();
	size_t i, count = 1 + next(story) % PUTS_MAX;
	int r;

	for (i = 0; i < count; i++) {
		puts[i] = (struct spool_put){
			.class = i == 0 ? class : WIRE_CLASS_SAMPLE,
			.json = json[i],
			.count = 1 + (int)(next(story) % 30),
			.first_mono_us = story->clock.mono_us,
			.last_mono_us = story->clock.mono_us,
		};
		puts[i].len = make_json(story, json[i], sizeof(json[i]), puts[i].count);
	}
	r = spool_append(story->spool, puts, count, &first);
	if (r && !story->lenient)
		fail_msg("append: %s", spool_error(story->spool));
	story->refused_appends += r != 0;
	story->appended += r ? 0 : (int64_t)count;
	look(story, begun);
	if (r == 0)
		note_durable(story, -1, begun, story->window_us == 0);
	if (r == -EUCLEAN)
		story->damaged = spool_damage(story->spool);
}

static void run(struct story *story, bool flush)
{
	int64_t begun = fault_stamp();
	int r;

	r = flush ? spool_flush(story->spool) : spool_run(story->spool);
	if (r && !story->lenient)
		fail_msg("run: %s", spool_error(story->spool));
	look(story, begun);
	if (r == 0)
		note_durable(story, story->clock.mono_us - story->window_us, begun, flush);
	if (r == -EUCLEAN)
		story->damaged = spool_damage(story->spool);
}

void story_encode(struct spool *spool, struct clock *clock, const struct spool_batch *batch,
		  struct buf *out)
{
	struct wire_header header = {
		.session = "00112233445566778899aabbccddeeff",
		.batch = batch->number,
		.count = batch->count,
		.lane = WIRE_LANE_BACKLOG,
		.class = batch->class,
		.body = batch->body,
		.boot = batch->boot,
	};

	memcpy(header.epoch, batch->epoch, sizeof(header.epoch));
	memcpy(header.prev, batch->prev, sizeof(header.prev));
	memcpy(header.digest, batch->digest, sizeof(header.digest));
	header.boot.sent_mono_us = MODEL_NO_TIME;
	if (strcmp(batch->boot.id, spool_boot(spool)) == 0) {
		header.boot.sent_mono_us = clock_mono_us(clock);
		header.lane = WIRE_LANE_LIVE;
	}
	if (spool_floor(spool, batch->epoch, &header.floor))
		header.floor = 1;
	buf_init(out, WIRE_BATCH_BYTES_MAX);
	assert_int_equal(wire_batch_encode(&header, batch->data, batch->len, out), 0);
}

static void send_one(struct story *story, const struct spool_batch *batch)
{
	struct story_send *send;

	if (story->send_count == story->send_cap) {
		story->send_cap = story->send_cap ? 2 * story->send_cap : 256;
		story->sends = realloc(story->sends, story->send_cap * sizeof(*story->sends));
		assert_non_null(story->sends);
	}
	send = &story->sends[story->send_count++];
	story_encode(story->spool, &story->clock.clock, batch, &send->payload);
	send->committed = fault_stamp();
}

static void acknowledge(struct story *story, const struct spool_batch *batch)
{
	const struct wire_range range = {batch->number, batch->number};
	struct story_batch *known = story_find(story, batch->epoch, batch->number);
	int64_t begun = fault_stamp();

	if (known)
		known->acked = true;

	if (spool_ack(story->spool, batch->epoch, &range, 1, NULL) && !story->lenient)
		fail_msg("ack: %s", spool_error(story->spool));
	story->acked++;
	look(story, begun);
}

/* Some batches reach the core; some of the acknowledgements come back, in any order. */
static void send_some(struct story *story, enum spool_order order, int limit, bool all)
{
	struct spool_batch *batches = NULL;
	int i, count, from;

	count = story_collect(story->spool, order, limit, &batches);
	for (i = 0; i < count; i++)
		send_one(story, &batches[i]);
	from = count > 0 ? (int)(next(story) % (unsigned)count) : 0;
	for (i = 0; i < count; i++)
		if (all || next(story) % 4)
			acknowledge(story, &batches[(from + i * 7) % count]);
	story_collected_free(batches, count > 0 ? count : 0);
}

static void anchor(struct story *story, int64_t shift_ms)
{
	int64_t begun = fault_stamp();
	int r;

	story->clock.wall_ms += shift_ms;
	r = spool_set_anchor(story->spool, story->clock.mono_us, story->clock.wall_ms,
			     CLOCK_QUALITY_SYNCED);
	if (r < 0 && !story->lenient)
		fail_msg("anchor: %s", spool_error(story->spool));
	look(story, begun);
}

/* The core asks what became of an epoch. */
static void ask(struct story *story)
{
	int64_t begun = fault_stamp();
	int r;

	if (story->batch_count == 0)
		return;
	r = spool_tell_end(story->spool, story->batches[next(story) % story->batch_count].epoch);
	if (r < 0 && !story->lenient)
		fail_msg("tell end: %s", spool_error(story->spool));
	look(story, begun);
}

static void give_up(struct story *story)
{
	const struct spool_filter filter = {.class = -1, .older_than_ms = 20000};
	int64_t begun = fault_stamp();

	if (spool_drop(story->spool, &filter, NULL) && !story->lenient)
		fail_msg("drop: %s", spool_error(story->spool));
	look(story, begun);
}

static void step(struct story *story)
{
	uint32_t die = next(story) % 100;

	pass(story, 20000 + next(story) % 1000000);
	if (!story->spool || story->damaged) {
		story_stop(story);
		open_spool(story);
	} else if (spool_due(story->spool) <= story->clock.mono_us) {
		run(story, false);
	} else if (die < 50) {
		append(story, WIRE_CLASS_SAMPLE);
	} else if (die < 58) {
		append(story, WIRE_CLASS_STATE);
	} else if (die < 64) {
		append(story, WIRE_CLASS_ALARM);
	} else if (die < 76) {
		send_some(story, SPOOL_OLDEST_FIRST, 1 + (int)(next(story) % 8), false);
	} else if (die < 84) {
		send_some(story, SPOOL_NEWEST_FIRST, 1 + (int)(next(story) % 4), false);
	} else if (die < 88) {
		anchor(story, next(story) % 8 == 0 ? 10000 : 0);
	} else if (die < 90) {
		ask(story);
	} else if (die < 92) {
		run(story, true);
	} else if (die < 93) {
		give_up(story);
	} else if (die < 97) {
		kill_it(story);
	} else {
		restart(story);
	}
}

void story_play(struct story *story, int steps)
{
	while (steps-- > 0)
		step(story);
}

bool story_recover(struct story *story)
{
	struct spool_stats stats = {0};
	int i;

	for (i = 0; i < RECOVER_TRIES; i++) {
		pass(story, INT64_C(61000000));
		if (!story->spool || story->damaged) {
			story_stop(story);
			open_spool(story);
			continue;
		}
		run(story, true);
		spool_stats(story->spool, &stats);
		if (stats.disk_errno == 0 && stats.young_batches == 0 && !story->damaged)
			return true;
	}
	return false;
}

void story_drain(struct story *story)
{
	send_some(story, SPOOL_OLDEST_FIRST, 100000, true);
}

void story_begin(struct story *story, uint64_t seed)
{
	memset(story, 0, sizeof(*story));
	story->seed = seed * 2654435761u + 88172645463325252u;
	folder_make(story->disk_folder);
	folder_make(story->young_folder);
	(void)snprintf(story->disk_path, sizeof(story->disk_path), "%s/spool.db",
		       story->disk_folder);
	(void)snprintf(story->young_path, sizeof(story->young_path), "%s/young.db",
		       story->young_folder);
	assert_int_equal(fault_disk_create(story->disk_folder, &story->disk), 0);
	assert_int_equal(fault_disk_create(story->young_folder, &story->young), 0);
	clock_fake_init(&story->clock, WALL_MS, 1000000);
	story->clock.quality = CLOCK_QUALITY_SYNCED;
	boot_id(story);
	story->window_us = STORY_WINDOW_US;
	story->config = (struct spool_config){
		.path = story->disk_path,
		.max_bytes = STORY_CAP,
		.young_path = story->young_path,
		.window_us = STORY_WINDOW_US,
		.young_max_bytes = STORY_CAP / 2,
		.clock = &story->clock.clock,
	};
}

void story_free(struct story *story)
{
	size_t i;

	story_stop(story);
	fault_disk_free(story->disk);
	fault_disk_free(story->young);
	folder_remove(story->disk_folder);
	folder_remove(story->young_folder);
	for (i = 0; i < story->send_count; i++)
		buf_free(&story->sends[i].payload);
	free(story->sends);
	free(story->batches);
}
