#include "storage/spool/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "tests/unit/storage/spool_fixture.h"

#define SAMPLE WIRE_CLASS_SAMPLE
#define STATE WIRE_CLASS_STATE
#define ALARM WIRE_CLASS_ALARM
#define LEDGER WIRE_CLASS_LEDGER

static int ack(struct spool_fixture *f, const char *epoch, int64_t first, int64_t last)
{
	const struct wire_range range = {first, last};
	int64_t removed = -1;

	assert_int_equal(spool_ack(f->spool, epoch, &range, 1, &removed), 0);
	return (int)removed;
}

static int64_t floor_of(struct spool_fixture *f, const char *epoch)
{
	int64_t number = -1;

	assert_int_equal(spool_floor(f->spool, epoch, &number), 0);
	return number;
}

static struct spool_stats stats_of(struct spool_fixture *f)
{
	struct spool_stats stats;

	spool_stats(f->spool, &stats);
	return stats;
}

/* Order, peek and ack. */

static void numbers_count_from_one_in_order(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_put puts[3];
	int64_t first = -1;
	int i;

	assert_int_equal(fixture_put(f, SAMPLE, 10, 0), 1);
	assert_int_equal(fixture_put(f, STATE, 11, 0), 2);
	for (i = 0; i < 3; i++)
		puts[i] = (struct spool_put){
			.class = SAMPLE, .json = "[{\"n\":5}]", .len = 9, .count = 1};
	assert_int_equal(spool_append(f->spool, puts, 3, &first), 0);
	assert_int_equal(first, 3);
	assert_int_equal(fixture_put(f, SAMPLE, 12, 0), 6);
	assert_int_equal(stats_of(f).batches, 6);
	assert_int_equal(stats_of(f).appended_total, 6);
}

static void peek_shows_bodies_as_they_were_stored(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;
	int i;

	for (i = 1; i <= 20; i++)
		assert_int_equal(fixture_put(f, SAMPLE, i * 7, (size_t)i * 100), i);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 20);
	for (i = 0; i < 20; i++) {
		assert_int_equal(seen.items[i].number, i + 1);
		assert_int_equal(seen.items[i].n, (i + 1) * 7);
		assert_string_equal(seen.items[i].epoch, spool_epoch(f->spool));
		assert_string_equal(seen.items[i].boot.id, f->clock.boot_id);
		assert_true(seen.items[i].boot.anchor_at_ms == MODEL_NO_TIME);
	}
	seen_free(&seen);
	fixture_see(f, SPOOL_NEWEST_FIRST, &seen);
	assert_int_equal(seen.count, 20);
	assert_int_equal(seen.items[0].number, 20);
	assert_int_equal(seen.items[19].number, 1);
	seen_free(&seen);
}

struct few {
	int64_t ids[8];
	int count, stop_at;
};

static int note(void *arg, const struct spool_batch *batch)
{
	struct few *few = arg;

	few->ids[few->count++] = batch->id;
	return few->count == few->stop_at;
}

static void peek_goes_on_after_an_id(void **state)
{
	struct spool_fixture *f = *state;
	struct few few = {.count = 0}, more = {.count = 0}, stopped = {.stop_at = 2};
	struct few back = {.count = 0}, one = {.count = 0};
	int i;

	for (i = 0; i < 6; i++)
		(void)fixture_put(f, SAMPLE, i, 0);
	assert_int_equal(spool_peek(f->spool, SPOOL_OLDEST_FIRST, 0, 3, note, &few), 3);
	assert_int_equal(spool_peek(f->spool, SPOOL_OLDEST_FIRST, few.ids[2], 8, note, &more), 3);
	assert_true(few.ids[2] < more.ids[0]);
	assert_int_equal(spool_peek(f->spool, SPOOL_NEWEST_FIRST, more.ids[0], 8, note, &back), 3);
	assert_true(back.ids[0] == few.ids[2] && back.ids[2] == few.ids[0]);
	assert_int_equal(spool_peek(f->spool, SPOOL_OLDEST_FIRST, 0, 8, note, &stopped), 2);
	assert_int_equal(spool_peek(f->spool, SPOOL_OLDEST_FIRST, 0, 0, note, &one), 0);
	assert_int_equal(spool_peek_id(f->spool, few.ids[1], note, &one), 1);
	assert_true(one.ids[0] == few.ids[1]);
	assert_int_equal(ack(f, spool_epoch(f->spool), 2, 2), 1);
	assert_int_equal(spool_peek_id(f->spool, few.ids[1], note, &one), 0);
}

static void acks_come_in_any_order_and_twice(void **state)
{
	struct spool_fixture *f = *state;
	const struct wire_range ranges[] = {{9, 9}, {1, 2}, {5, 7}, {6, 100}, {3, 2}, {-5, 0}};
	const char *epoch = spool_epoch(f->spool);
	int64_t removed = -1;
	struct seen seen;
	int i;

	for (i = 1; i <= 10; i++)
		(void)fixture_put(f, SAMPLE, i, 0);
	assert_int_equal(spool_ack(f->spool, epoch, ranges, 6, &removed), 0);
	assert_int_equal(removed, 8);
	assert_int_equal(ack(f, epoch, 1, 2), 0);
	assert_int_equal(ack(f, "0123456789abcdef0123456789abcdef", 1, 100), 0);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.items[0].number, 3);
	assert_int_equal(seen.items[1].number, 4);
	seen_free(&seen);
	assert_int_equal(stats_of(f).acked_total, 8);
	assert_int_equal(stats_of(f).batches, 2);
}

static void the_floor_is_the_oldest_that_is_held(void **state)
{
	struct spool_fixture *f = *state;
	const char *epoch = spool_epoch(f->spool);
	int64_t number = -1;
	int i;

	assert_int_equal(floor_of(f, epoch), 1);
	for (i = 1; i <= 4; i++)
		(void)fixture_put(f, SAMPLE, i, 0);
	assert_int_equal(floor_of(f, epoch), 1);
	(void)ack(f, epoch, 2, 3);
	assert_int_equal(floor_of(f, epoch), 1);
	(void)ack(f, epoch, 1, 1);
	assert_int_equal(floor_of(f, epoch), 4);
	(void)ack(f, epoch, 4, 4);
	assert_int_equal(floor_of(f, epoch), 5);
	assert_int_equal(spool_floor(f->spool, "ffffffffffffffffffffffffffffffff", &number),
			 -ENOENT);
	assert_int_equal(number, -1);
}

static void what_is_no_batch_is_refused(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_put put = {.class = SAMPLE, .json = "[{}]", .len = 4, .count = 1};
	int64_t number = -1;

	assert_int_equal(spool_append(f->spool, &put, 0, &number), -EINVAL);
	put.count = WIRE_RECORDS_MAX + 1;
	assert_int_equal(spool_append(f->spool, &put, 1, &number), -EINVAL);
	put.count = 1;
	put.first_mono_us = 2;
	put.last_mono_us = 1;
	assert_int_equal(spool_append(f->spool, &put, 1, &number), -EINVAL);
	assert_int_equal(number, -1);
	assert_int_equal(fixture_put(f, SAMPLE, 1, 0), 1);
}

static void a_group_with_one_too_large_is_not_stored_at_all(void **state)
{
	struct spool_fixture *f = *state;
	size_t i, len = WIRE_UNPACKED_BYTES_MAX + 64;
	struct spool_put puts[2] = {
		{.class = SAMPLE, .json = "[{\"n\":1}]", .len = 9, .count = 1},
		{.class = SAMPLE, .len = len, .count = 1},
	};
	char *json = malloc(len);
	uint64_t x = 88172645463325252u;
	int64_t number = -1;

	assert_non_null(json);
	for (i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		json[i] = (char)('a' + (x >> 32) % 26);
	}
	memcpy(json, "[\"", 2);
	memcpy(json + len - 2, "\"]", 2);
	puts[1].json = json;
	assert_int_equal(spool_append(f->spool, puts, 2, &number), -EMSGSIZE);
	free(json);
	assert_int_equal(number, -1);
	assert_int_equal(stats_of(f).batches, 0);
	assert_int_equal(stats_of(f).appended_total, 0);
	assert_int_equal(fixture_put(f, SAMPLE, 1, 0), 1);
}

/* Restart and reboot. */

static void a_restart_keeps_the_epoch_and_its_numbers(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	struct seen seen;

	(void)snprintf(epoch, sizeof(epoch), "%s", spool_epoch(f->spool));
	(void)fixture_put(f, SAMPLE, 1, 0);
	(void)fixture_put(f, SAMPLE, 2, 0);
	fixture_reopen(f);
	assert_string_equal(spool_epoch(f->spool), epoch);
	assert_int_equal(ack(f, epoch, 1, 2), 2);
	/* Also where nothing is held that could tell which number was the last. */
	fixture_reopen(f);
	assert_int_equal(fixture_put(f, SAMPLE, 3, 0), 3);
	fixture_abandon(f);
	assert_string_equal(spool_epoch(f->spool), epoch);
	assert_int_equal(fixture_put(f, SAMPLE, 4, 0), 4);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.items[0].n, 3);
	assert_int_equal(seen.items[1].n, 4);
	seen_free(&seen);
}

static void an_orderly_reboot_states_what_is_held_and_the_end(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	struct seen seen;
	int i;

	(void)snprintf(epoch, sizeof(epoch), "%s", spool_epoch(f->spool));
	for (i = 1; i <= 9; i++)
		(void)fixture_put(f, SAMPLE, i, 0);
	(void)ack(f, epoch, 1, 4);
	(void)ack(f, epoch, 7, 7);
	spool_close(f->spool);
	fixture_boot(f, 2);
	fixture_open(f);
	assert_string_not_equal(spool_epoch(f->spool), epoch);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 5);
	assert_string_equal(seen.items[3].epoch, epoch);
	assert_string_equal(seen.items[3].boot.id, "00000000-0000-4000-8000-000000000001");
	assert_int_equal(seen.items[4].number, 1);
	assert_int_equal(seen.items[4].class, LEDGER);
	assert_string_equal(seen.items[4].kind, "epoch_end");
	assert_string_equal(seen.items[4].epoch, spool_epoch(f->spool));
	assert_string_equal(seen.items[4].boot.id, "00000000-0000-4000-8000-000000000002");
	assert_string_equal(seen.items[4].of_epoch, epoch);
	assert_string_equal(seen.items[4].of_boot, "00000000-0000-4000-8000-000000000001");
	assert_int_equal(seen.items[4].end, 10);
	assert_int_equal(seen.items[4].range_count, 2);
	assert_int_equal(seen.items[4].ranges[0].first, 5);
	assert_int_equal(seen.items[4].ranges[0].last, 6);
	assert_int_equal(seen.items[4].ranges[1].first, 8);
	assert_int_equal(seen.items[4].ranges[1].last, 9);
	seen_free(&seen);
	assert_int_equal(fixture_put(f, SAMPLE, 10, 0), 2);
	assert_int_equal(floor_of(f, epoch), 5);
}

static void a_power_cut_leaves_the_end_open(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;

	(void)fixture_put(f, SAMPLE, 1, 0);
	fixture_boot(f, 2);
	fixture_abandon(f);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.items[1].kind, "epoch_end");
	assert_int_equal(seen.items[1].end, -1);
	assert_int_equal(seen.items[1].range_count, 1);
	seen_free(&seen);
}

static void an_orderly_end_counts_for_one_opening_only(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;

	(void)fixture_put(f, SAMPLE, 1, 0);
	fixture_reopen(f);
	fixture_boot(f, 2);
	fixture_abandon(f);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.items[1].end, -1);
	seen_free(&seen);
}

static void old_epochs_are_forgotten_but_for_the_newest_and_what_is_held(void **state)
{
	struct spool_fixture *f = *state;
	char held[IDS_RANDOM_SIZE], empty[IDS_RANDOM_SIZE];
	const struct wire_range all = {1, 10};
	int64_t number = -1;
	struct seen seen;
	int i;

	(void)snprintf(held, sizeof(held), "%s", spool_epoch(f->spool));
	(void)fixture_put(f, SAMPLE, 1, 0);
	fixture_boot(f, 2);
	fixture_reopen(f);
	(void)snprintf(empty, sizeof(empty), "%s", spool_epoch(f->spool));
	for (i = 3; i <= 300; i++) {
		assert_int_equal(spool_ack(f->spool, spool_epoch(f->spool), &all, 1, NULL), 0);
		if (i == 100)
			assert_int_equal(floor_of(f, empty), 2);
		fixture_boot(f, i);
		fixture_reopen(f);
	}
	assert_int_equal(floor_of(f, held), 1);
	assert_int_equal(spool_floor(f->spool, empty, &number), -ENOENT);
	assert_int_equal(ack(f, held, 1, 1), 1);
	fixture_reopen(f);
	assert_int_equal(spool_floor(f->spool, held, &number), -ENOENT);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_not_equal(strlen(seen.items[0].of_prev), 0);
	seen_free(&seen);
}

static void ids_of_younger_epochs_are_larger(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;
	int i;

	for (i = 1; i <= 5; i++) {
		(void)fixture_put(f, SAMPLE, i, 0);
		fixture_boot(f, i + 1);
		fixture_abandon(f);
	}
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 10);
	for (i = 1; i < seen.count; i++)
		assert_true(seen.items[i].id > seen.items[i - 1].id);
	seen_free(&seen);
}

static void more_holes_than_a_record_tells_are_told_as_held(void **state)
{
	struct spool_fixture *f = *state;
	const char *epoch = spool_epoch(f->spool);
	const struct seen_batch *end;
	struct seen seen;
	int i;

	for (i = 1; i <= 600; i++)
		(void)fixture_put(f, SAMPLE, i, 0);
	for (i = 2; i <= 600; i += 2)
		(void)ack(f, epoch, i, i);
	fixture_boot(f, 2);
	fixture_reopen(f);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 301);
	end = &seen.items[300];
	assert_int_equal(end->range_count, WIRE_RANGES_MAX);
	assert_int_equal(end->ranges[0].last, 1);
	assert_int_equal(end->ranges[WIRE_RANGES_MAX - 1].first, 511);
	assert_int_equal(end->ranges[WIRE_RANGES_MAX - 1].last, 599);
	seen_free(&seen);
}

/* Anchors. */

static void a_batch_carries_the_best_anchor_of_its_boot(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;

	(void)fixture_put(f, SAMPLE, 1, 0);
	assert_int_equal(spool_set_anchor(f->spool, 5000000, 1000, CLOCK_QUALITY_GPS), 0);
	assert_int_equal(spool_set_anchor(f->spool, 6000000, 99000, CLOCK_QUALITY_CORE), 0);
	fixture_boot(f, 2);
	fixture_reopen(f);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.items[0].boot.anchor_mono_us, 5000000);
	assert_int_equal(seen.items[0].boot.anchor_at_ms, 1000);
	assert_int_equal(seen.items[0].boot.quality, CLOCK_QUALITY_GPS);
	assert_true(seen.items[1].boot.anchor_at_ms == MODEL_NO_TIME);
	assert_int_equal(seen.items[1].boot.quality, CLOCK_QUALITY_NONE);
	seen_free(&seen);
	assert_int_equal(spool_set_anchor(f->spool, 1, 1, CLOCK_QUALITY_NONE), -EINVAL);
}

static void an_anchor_moves_for_a_step_or_a_better_one(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;

	(void)fixture_put(f, SAMPLE, 1, 0);
	assert_int_equal(spool_set_anchor(f->spool, 0, 1000000, CLOCK_QUALITY_CORE), 0);
	assert_int_equal(spool_set_anchor(f->spool, 1000000, 1001040, CLOCK_QUALITY_CORE), 0);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.items[0].boot.anchor_at_ms, 1000000);
	seen_free(&seen);
	assert_int_equal(spool_set_anchor(f->spool, 1000000, 1003000, CLOCK_QUALITY_CORE), 0);
	assert_int_equal(spool_set_anchor(f->spool, 2000000, 1004000, CLOCK_QUALITY_SYNCED), 0);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.items[0].boot.anchor_at_ms, 1004000);
	assert_int_equal(seen.items[0].boot.quality, CLOCK_QUALITY_SYNCED);
	seen_free(&seen);
}

static void stats_tell_the_oldest_as_its_anchor_says(void **state)
{
	struct spool_fixture *f = *state;

	assert_true(stats_of(f).oldest_at_ms == MODEL_NO_TIME);
	assert_int_equal(stats_of(f).oldest_mono_us, -1);
	(void)fixture_put(f, SAMPLE, 1, 0);
	assert_int_equal(stats_of(f).oldest_mono_us, f->clock.mono_us - 500);
	assert_true(stats_of(f).oldest_at_ms == MODEL_NO_TIME);
	assert_int_equal(spool_set_anchor(f->spool, f->clock.mono_us - 500, 777, CLOCK_QUALITY_GPS),
			 0);
	assert_int_equal(stats_of(f).oldest_at_ms, 777);
	fixture_boot(f, 2);
	fixture_reopen(f);
	(void)ack(f, spool_epoch(f->spool), 1, 1);
	assert_int_equal(stats_of(f).oldest_mono_us, -1);
	assert_int_equal(stats_of(f).oldest_at_ms, 777);
}

static void written_bytes_start_anew_at_midnight(void **state)
{
	struct spool_fixture *f = *state;
	int64_t today, total;

	(void)fixture_put(f, SAMPLE, 1, 1000);
	today = stats_of(f).written_bytes_today;
	total = stats_of(f).written_bytes_total;
	assert_true(today > 4096 && total >= today);
	f->clock.wall_ms += 86400000;
	assert_int_equal(stats_of(f).written_bytes_today, 0);
	(void)fixture_put(f, SAMPLE, 1, 1000);
	assert_in_range(stats_of(f).written_bytes_today, 4096, today);
	assert_true(stats_of(f).written_bytes_total >= total + 4096);
	total = stats_of(f).written_bytes_total;
	fixture_reopen(f);
	/* All but what closing itself wrote is known again. */
	assert_true(stats_of(f).written_bytes_total >= total);
	assert_true(stats_of(f).written_bytes_today > 4096);
}

/* Caps. */

static int count_class(const struct seen *seen, enum wire_class class)
{
	int i, count = 0;

	for (i = 0; i < seen->count; i++)
		count += seen->items[i].class == class;
	return count;
}

static int64_t records_stated(const struct seen *seen, const char *reason)
{
	int64_t records = 0;
	int i;

	for (i = 0; i < seen->count; i++)
		if (strcmp(seen->items[i].reason, reason) == 0)
			records += seen->items[i].records;
	return records;
}

static void a_full_spool_drops_the_oldest_samples_and_says_so(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;
	int i;

	f->config.max_bytes = 100000;
	fixture_reopen(f);
	for (i = 1; i <= 300; i++) {
		(void)fixture_put(f, SAMPLE, i, 1000);
		assert_true(stats_of(f).bytes <= 100000 + 2000);
	}
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	/* The newest are there, the oldest are stated, none is both or neither. */
	assert_int_equal(count_class(&seen, SAMPLE) + records_stated(&seen, "spool_full"), 300);
	assert_int_equal(records_stated(&seen, "spool_full"), stats_of(f).dropped_total);
	assert_true(count_class(&seen, SAMPLE) >= 60);
	for (i = seen.count - 1; seen.items[i].class != SAMPLE; i--)
		assert_int_equal(seen.items[i].class, LEDGER);
	assert_int_equal(seen.items[i].n, 300);
	/* Losses share their statements. */
	assert_true(count_class(&seen, LEDGER) < 100);
	seen_free(&seen);
	fixture_reopen(f);
	assert_true(stats_of(f).dropped_total > 100);
}

static void samples_go_before_states_and_these_before_alarms(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;
	int i;

	f->config.max_bytes = 46000;
	fixture_reopen(f);
	for (i = 0; i < 20; i++) {
		(void)fixture_put(f, ALARM, i, 1000);
		(void)fixture_put(f, STATE, i, 1000);
	}
	for (i = 0; i < 100; i++)
		(void)fixture_put(f, SAMPLE, i, 1000);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(count_class(&seen, ALARM), 20);
	assert_int_equal(count_class(&seen, STATE), 20);
	seen_free(&seen);
	for (i = 0; i < 20; i++)
		(void)fixture_put(f, ALARM, i, 1000);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(count_class(&seen, SAMPLE), 0);
	assert_true(count_class(&seen, STATE) < 20);
	assert_int_equal(count_class(&seen, ALARM), 40);
	seen_free(&seen);
	for (i = 0; i < 30; i++)
		(void)fixture_put(f, ALARM, i, 1000);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(count_class(&seen, STATE), 0);
	assert_true(count_class(&seen, ALARM) < 70);
	assert_int_equal(count_class(&seen, SAMPLE) + count_class(&seen, STATE) +
				 count_class(&seen, ALARM) + records_stated(&seen, "spool_full"),
			 190);
	seen_free(&seen);
}

static void a_batch_larger_than_the_spool_is_stated_at_once(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;

	f->config.max_bytes = 5000;
	fixture_reopen(f);
	assert_int_equal(fixture_put(f, SAMPLE, 1, 9000), 1);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.items[0].number, 2);
	assert_string_equal(seen.items[0].kind, "dropped");
	assert_string_equal(seen.items[0].reason, "spool_full");
	assert_string_equal(seen.items[0].of_epoch, spool_epoch(f->spool));
	assert_int_equal(seen.items[0].range_count, 1);
	assert_int_equal(seen.items[0].ranges[0].first, 1);
	assert_int_equal(seen.items[0].ranges[0].last, 1);
	assert_int_equal(seen.items[0].records, 1);
	seen_free(&seen);
	assert_int_equal(floor_of(f, spool_epoch(f->spool)), 2);
}

static void ledgers_are_never_dropped(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;
	int i;

	f->config.max_bytes = 3000;
	fixture_reopen(f);
	for (i = 0; i < 20; i++)
		(void)fixture_put(f, LEDGER, i, 500);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 20);
	assert_int_equal(count_class(&seen, LEDGER), 20);
	seen_free(&seen);
}

static void losses_of_each_epoch_are_stated_apart(void **state)
{
	struct spool_fixture *f = *state;
	char first[IDS_RANDOM_SIZE];
	int64_t of_first = 0, of_second = 0;
	struct seen seen;
	int i;

	f->config.max_bytes = 20000;
	fixture_reopen(f);
	(void)snprintf(first, sizeof(first), "%s", spool_epoch(f->spool));
	for (i = 0; i < 15; i++)
		(void)fixture_put(f, SAMPLE, i, 1000);
	fixture_boot(f, 2);
	fixture_reopen(f);
	for (i = 0; i < 40; i++)
		(void)fixture_put(f, SAMPLE, i, 1000);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++) {
		if (strcmp(seen.items[i].kind, "dropped") != 0)
			continue;
		if (strcmp(seen.items[i].of_epoch, first) == 0)
			of_first += seen.items[i].records;
		else
			of_second += seen.items[i].records;
	}
	assert_int_equal(of_first, 15);
	assert_int_equal(of_first + of_second + count_class(&seen, SAMPLE), 55);
	assert_true(of_second > 10);
	seen_free(&seen);
}

static void set_ages(struct spool_fixture *f, int64_t age_ms)
{
	int class;

	for (class = 0; class < SPOOL_CLASSES; class ++)
		f->config.caps[class].age_ms = age_ms;
}

static void what_is_too_old_is_dropped_by_age(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;

	set_ages(f, 60000);
	fixture_reopen(f);
	(void)fixture_put(f, SAMPLE, 1, 0);
	(void)fixture_put(f, ALARM, 2, 0);
	clock_fake_advance(&f->clock, 30000000);
	(void)fixture_put(f, SAMPLE, 3, 0);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 3);
	seen_free(&seen);
	clock_fake_advance(&f->clock, 31000000);
	(void)fixture_put(f, SAMPLE, 4, 0);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.items[0].n, 3);
	assert_int_equal(seen.items[1].n, 4);
	assert_string_equal(seen.items[2].reason, "spool_age");
	assert_int_equal(seen.items[2].ranges[0].first, 1);
	assert_int_equal(seen.items[2].ranges[0].last, 2);
	seen_free(&seen);
}

static void the_age_of_another_boot_must_be_certain(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;

	set_ages(f, 60000);
	fixture_reopen(f);
	(void)fixture_put(f, SAMPLE, 1, 0); /* of a boot without an anchor */
	fixture_boot(f, 2);
	fixture_reopen(f);
	(void)fixture_put(f, SAMPLE, 2, 0); /* of one with an anchor */
	assert_int_equal(
		spool_set_anchor(f->spool, f->clock.mono_us, f->clock.wall_ms, CLOCK_QUALITY_GPS),
		0);
	clock_fake_advance(&f->clock, INT64_C(3600) * 1000000);
	fixture_boot(f, 3);
	f->clock.quality = CLOCK_QUALITY_NONE;
	fixture_reopen(f);
	(void)fixture_put(f, SAMPLE, 3, 0);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(count_class(&seen, SAMPLE), 3);
	seen_free(&seen);
	f->clock.quality = CLOCK_QUALITY_GPS;
	clock_fake_advance(&f->clock, 5000000);
	(void)fixture_put(f, SAMPLE, 4, 0);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(count_class(&seen, SAMPLE), 3);
	assert_int_equal(seen.items[0].n, 1);
	assert_int_equal(records_stated(&seen, "spool_age"), 1);
	seen_free(&seen);
}

/* Time bases, and being asked. */

static void a_clock_that_keeps_jumping_gets_a_time_base_each_time(void **state)
{
	struct spool_fixture *f = *state;
	int i;

	assert_int_equal(spool_set_anchor(f->spool, 0, 1000000, CLOCK_QUALITY_SYNCED), 0);
	for (i = 1; i <= 120; i++)
		assert_int_equal(spool_set_anchor(f->spool, 0, 1000000 + i * INT64_C(10000),
						  CLOCK_QUALITY_SYNCED),
				 1);
	assert_string_equal(spool_boot(f->spool), "00000000-0000-4000-8000-000000000001.121");
}

static void a_clock_that_jumps_begins_a_time_base_and_an_epoch(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	struct seen seen;

	(void)snprintf(epoch, sizeof(epoch), "%s", spool_epoch(f->spool));
	(void)fixture_put(f, SAMPLE, 1, 0);
	assert_int_equal(spool_set_anchor(f->spool, 1000000, 50000, CLOCK_QUALITY_CORE), 0);
	/* What the core said was no trusted reading, so nothing has jumped. */
	assert_int_equal(spool_set_anchor(f->spool, 1000000, 90000, CLOCK_QUALITY_SYNCED), 0);
	assert_int_equal(spool_set_anchor(f->spool, 2000000, 93000, CLOCK_QUALITY_GPS), 0);
	assert_string_equal(spool_epoch(f->spool), epoch);
	assert_int_equal(spool_set_anchor(f->spool, 2000000, 94000, CLOCK_QUALITY_GPS), 1);
	assert_string_not_equal(spool_epoch(f->spool), epoch);
	assert_string_equal(spool_boot(f->spool), "00000000-0000-4000-8000-000000000001.2");
	(void)fixture_put(f, SAMPLE, 2, 0);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 3);
	assert_string_equal(seen.items[0].boot.id, f->clock.boot_id);
	assert_int_equal(seen.items[0].boot.anchor_at_ms, 90000);
	assert_string_equal(seen.items[0].prev, "");
	assert_string_equal(seen.items[1].kind, "epoch_end");
	assert_int_equal(seen.items[1].end, 2);
	assert_string_equal(seen.items[1].prev, epoch);
	assert_string_equal(seen.items[1].of_prev, "");
	assert_string_equal(seen.items[2].boot.id, spool_boot(f->spool));
	assert_int_equal(seen.items[2].boot.anchor_at_ms, 94000);
	assert_int_equal(seen.items[2].boot.quality, CLOCK_QUALITY_GPS);
	seen_free(&seen);
	/* A restart goes on in the same. */
	fixture_abandon(f);
	assert_string_equal(spool_boot(f->spool), "00000000-0000-4000-8000-000000000001.2");
	assert_int_equal(fixture_put(f, SAMPLE, 3, 0), 3);
	assert_int_equal(spool_set_anchor(f->spool, 0, 0, CLOCK_QUALITY_SYNCED), 1);
	assert_string_equal(spool_boot(f->spool), "00000000-0000-4000-8000-000000000001.3");
}

static void an_asked_epoch_is_told_again_once_a_minute(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE], second[IDS_RANDOM_SIZE];
	struct seen seen;

	(void)snprintf(epoch, sizeof(epoch), "%s", spool_epoch(f->spool));
	(void)fixture_put(f, SAMPLE, 1, 0);
	(void)fixture_put(f, SAMPLE, 2, 0);
	fixture_boot(f, 2);
	fixture_reopen(f);
	(void)snprintf(second, sizeof(second), "%s", spool_epoch(f->spool));
	(void)ack(f, epoch, 1, 1);
	assert_int_equal(spool_tell_end(f->spool, epoch), 1);
	assert_int_equal(spool_tell_end(f->spool, epoch), 0);
	assert_int_equal(spool_tell_end(f->spool, second), 0);
	assert_int_equal(spool_tell_end(f->spool, "ffffffffffffffffffffffffffffffff"), 0);
	clock_fake_advance(&f->clock, 60000000);
	fixture_boot(f, 3);
	fixture_reopen(f);
	assert_int_equal(spool_tell_end(f->spool, second), 1);
	assert_int_equal(spool_tell_end(f->spool, epoch), 1);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 6);
	assert_string_equal(seen.items[1].of_epoch, epoch);
	assert_int_equal(seen.items[1].ranges[0].first, 1);
	assert_string_equal(seen.items[2].of_epoch, epoch);
	assert_int_equal(seen.items[2].range_count, 1);
	assert_int_equal(seen.items[2].ranges[0].first, 2);
	assert_int_equal(seen.items[2].end, 3);
	assert_string_equal(seen.items[4].of_epoch, second);
	assert_string_equal(seen.items[4].of_prev, epoch);
	assert_int_equal(seen.items[4].end, 3);
	assert_string_equal(seen.items[5].of_epoch, epoch);
	seen_free(&seen);
}

int suite_storage_spool(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, spool_fixture_set_up, spool_fixture_tear_down)
	const struct CMUnitTest cases[] = {
		CASE(numbers_count_from_one_in_order),
		CASE(peek_shows_bodies_as_they_were_stored),
		CASE(peek_goes_on_after_an_id),
		CASE(acks_come_in_any_order_and_twice),
		CASE(the_floor_is_the_oldest_that_is_held),
		CASE(what_is_no_batch_is_refused),
		CASE(a_group_with_one_too_large_is_not_stored_at_all),
		CASE(a_restart_keeps_the_epoch_and_its_numbers),
		CASE(an_orderly_reboot_states_what_is_held_and_the_end),
		CASE(a_power_cut_leaves_the_end_open),
		CASE(an_orderly_end_counts_for_one_opening_only),
		CASE(old_epochs_are_forgotten_but_for_the_newest_and_what_is_held),
		CASE(ids_of_younger_epochs_are_larger),
		CASE(more_holes_than_a_record_tells_are_told_as_held),
		CASE(a_batch_carries_the_best_anchor_of_its_boot),
		CASE(an_anchor_moves_for_a_step_or_a_better_one),
		CASE(stats_tell_the_oldest_as_its_anchor_says),
		CASE(written_bytes_start_anew_at_midnight),
		CASE(a_full_spool_drops_the_oldest_samples_and_says_so),
		CASE(samples_go_before_states_and_these_before_alarms),
		CASE(a_batch_larger_than_the_spool_is_stated_at_once),
		CASE(ledgers_are_never_dropped),
		CASE(losses_of_each_epoch_are_stated_apart),
		CASE(what_is_too_old_is_dropped_by_age),
		CASE(the_age_of_another_boot_must_be_certain),
		CASE(a_clock_that_jumps_begins_a_time_base_and_an_epoch),
		CASE(a_clock_that_keeps_jumping_gets_a_time_base_each_time),
		CASE(an_asked_epoch_is_told_again_once_a_minute),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
