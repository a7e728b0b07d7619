/* What a spool must give up, what it may write, and what it keeps of a damaged file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "storage/spool/spool.h"
#include "storage/sql/sql.h"
#include "tests/unit/storage/spool_fixture.h"

#define SAMPLE WIRE_CLASS_SAMPLE
#define STATE WIRE_CLASS_STATE
#define ALARM WIRE_CLASS_ALARM
#define LEDGER WIRE_CLASS_LEDGER
#define SECOND_US INT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)
#define DAY_US (24 * HOUR_US)
#define SEEDS 40
#define MINUTES (7 * 24 * 60)

static int set_up(void **state)
{
	struct spool_fixture *f;

	(void)spool_fixture_set_up(state);
	f = *state;
	f->config.window_us = 2 * SECOND_US;
	fixture_reopen(f);
	return 0;
}

static struct spool_stats stats_of(struct spool_fixture *f)
{
	struct spool_stats stats;

	spool_stats(f->spool, &stats);
	return stats;
}

static void pass(struct spool_fixture *f, int64_t us)
{
	const int64_t end = f->clock.mono_us + us;
	int64_t due;

	while ((due = spool_due(f->spool)) <= end) {
		if (due > f->clock.mono_us)
			clock_fake_advance(&f->clock, due - f->clock.mono_us);
		(void)spool_run(f->spool);
		if (spool_due(f->spool) <= f->clock.mono_us)
			clock_fake_advance(&f->clock, 1000);
	}
	if (end > f->clock.mono_us)
		clock_fake_advance(&f->clock, end - f->clock.mono_us);
}

/* Caps. */

static void a_week_full_does_not_fill_the_spool_with_notices(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_stats stats;
	int i;

	f->config.max_bytes = INT64_C(1024) * 1024;
	fixture_reopen(f);
	for (i = 1; i <= MINUTES; i++) {
		(void)fixture_put(f, i % 500 ? SAMPLE : STATE, i, 4000);
		pass(f, 60 * SECOND_US);
	}
	stats = stats_of(f);
	assert_true(stats.bytes <= 1024 * 1024 + 8000);
	assert_int_equal(stats.class_batches[STATE], 20);
	assert_int_equal(stats.class_batches[SAMPLE] + stats.dropped_total, MINUTES - 20);
	print_message("%d notices of %d bytes\n", (int)stats.class_batches[LEDGER],
		      (int)stats.class_bytes[LEDGER]);
	assert_in_range(stats.class_batches[LEDGER], 1, 3);
	assert_true(stats.class_bytes[LEDGER] < 2000);
}

static int64_t stated(struct spool_fixture *f, const char *reason)
{
	int64_t records = 0;
	struct seen seen;
	int i;

	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++)
		if (strcmp(seen.items[i].reason, reason) == 0)
			records += seen.items[i].records;
	seen_free(&seen);
	return records;
}

/* A notice that was sent is not taken back. */
static void a_notice_that_was_shown_stays(void **state)
{
	struct spool_fixture *f = *state;
	int i;

	f->config.max_bytes = 100000;
	fixture_reopen(f);
	for (i = 1; i <= 200; i++) {
		(void)fixture_put(f, SAMPLE, i, 1000);
		if (i % 10 == 0)
			(void)stated(f, "spool_full");
	}
	assert_true(stats_of(f).class_batches[LEDGER] > 3);
	assert_int_equal(stated(f, "spool_full"), stats_of(f).dropped_total);
}

static void each_class_has_a_cap_of_its_own(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_stats stats;
	int i;

	f->config.caps[SAMPLE].bytes = 50000;
	f->config.caps[STATE].bytes = 20000;
	fixture_reopen(f);
	for (i = 1; i <= 100; i++) {
		(void)fixture_put(f, SAMPLE, i, 1000);
		(void)fixture_put(f, STATE, i, 1000);
		(void)fixture_put(f, ALARM, i, 1000);
	}
	stats = stats_of(f);
	assert_in_range(stats.class_bytes[SAMPLE], 40000, 50000);
	assert_in_range(stats.class_bytes[STATE], 15000, 20000);
	assert_int_equal(stats.class_batches[ALARM], 100);
	assert_int_equal(stats.dropped[ALARM], 0);
	assert_int_equal(stats.class_batches[SAMPLE] + stats.dropped[SAMPLE], 100);
	assert_int_equal(stats.class_batches[STATE] + stats.dropped[STATE], 100);
	assert_int_equal(stated(f, "spool_full"), stats.dropped_total);
	fixture_reopen(f);
	assert_int_equal(stats_of(f).dropped[STATE], stats.dropped[STATE]);
}

static void each_class_has_an_age_of_its_own(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_stats stats;

	f->config.caps[SAMPLE].age_ms = 60000;
	f->config.caps[STATE].age_ms = 3600000;
	fixture_reopen(f);
	(void)fixture_put(f, SAMPLE, 1, 100);
	(void)fixture_put(f, STATE, 2, 100);
	(void)fixture_put(f, ALARM, 3, 100);
	pass(f, 100 * SECOND_US);
	(void)fixture_put(f, SAMPLE, 4, 100);
	stats = stats_of(f);
	assert_int_equal(stats.dropped[SAMPLE], 1);
	assert_int_equal(stats.class_batches[STATE], 1);
	pass(f, 2 * HOUR_US);
	(void)fixture_put(f, SAMPLE, 5, 100);
	stats = stats_of(f);
	assert_int_equal(stats.dropped[SAMPLE], 2);
	assert_int_equal(stats.dropped[STATE], 1);
	assert_int_equal(stats.class_batches[ALARM], 1);
	assert_int_equal(stated(f, "spool_age"), 3);
}

static void an_operator_gives_up_what_a_filter_says(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_filter filter = {.class = SAMPLE, .first = 2, .last = 5};
	int64_t records = -1;
	int i;

	for (i = 1; i <= 6; i++)
		(void)fixture_put(f, i == 3 ? STATE : SAMPLE, i, 100);
	pass(f, 3 * SECOND_US);
	(void)fixture_put(f, SAMPLE, 7, 100);
	assert_int_equal(spool_drop(f->spool, &filter, &records), 0);
	assert_int_equal(records, 3);
	assert_int_equal(stated(f, "operator"), 3);
	filter = (struct spool_filter){.class = -1, .epoch = "ffffffffffffffffffffffffffffffff"};
	assert_int_equal(spool_drop(f->spool, &filter, &records), 0);
	assert_int_equal(records, 0);
	filter.epoch = spool_epoch(f->spool);
	assert_int_equal(spool_drop(f->spool, &filter, &records), 0);
	assert_int_equal(records, 4);
	assert_int_equal(stats_of(f).batches, stats_of(f).class_batches[LEDGER]);
	filter.class = LEDGER;
	assert_int_equal(spool_drop(f->spool, &filter, &records), -EINVAL);
}

/* The write budget. */

static void the_write_budget_is_kept_in_any_day(void **state)
{
	struct spool_fixture *f = *state;
	const int64_t budget = INT64_C(12) * 1024 * 1024;
	int64_t written[49] = {0}, day, most = 0;
	struct spool_stats stats;
	int i, hour;

	f->config.write_budget = budget;
	f->config.max_bytes = INT64_C(64) * 1024 * 1024;
	fixture_reopen(f);
	for (hour = 1; hour <= 48; hour++) {
		for (i = 0; i < 360; i++) {
			(void)fixture_put(f, SAMPLE, hour * 1000 + i, 300);
			pass(f, 10 * SECOND_US);
		}
		written[hour] = stats_of(f).written_bytes_total;
	}
	for (hour = 24; hour <= 48; hour++) {
		day = written[hour] - written[hour - 24];
		if (day > most)
			most = day;
	}
	stats = stats_of(f);
	print_message("%lld of %lld bytes in the worst day, %lld a batch\n", (long long)most,
		      (long long)budget, (long long)(written[48] / (INT64_C(48) * 360)));
	assert_true(most <= budget + budget / 50);
	/* It is used, and nothing is lost by it. */
	assert_true(most > budget / 2);
	assert_int_equal(stats.dropped_total, 0);
	assert_int_equal(stats.batches, 48 * 360);
	assert_true(stats.measured_ms >= INT64_C(48) * 3600 * 1000 - 1000);
}

static void over_the_budget_alarms_are_written_and_samples_given_up(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_stats stats;
	int64_t on_disk;
	int i;

	f->config.write_budget = 200000;
	f->config.young_max_bytes = 100000;
	fixture_reopen(f);
	for (i = 1; i <= 400; i++) {
		(void)fixture_put(f, SAMPLE, i, 1000);
		pass(f, SECOND_US);
	}
	stats = stats_of(f);
	assert_true(stats.budget_left <= 0);
	assert_true(stats.young_bytes <= 101000);
	assert_true(stats.dropped[SAMPLE] > 100);
	assert_int_equal(stated(f, "write_budget"), stats.dropped_total);
	on_disk = stats.disk_batches;
	(void)fixture_put(f, ALARM, 401, 100);
	assert_true(stats_of(f).disk_batches > on_disk);
	assert_int_equal(fixture_count_on_disk(f, "class = 2"), 1);
	/* A restart does not fill it up again. */
	fixture_reopen(f);
	assert_true(stats_of(f).budget_left <= 0);
}

static void the_life_of_the_card_is_told(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_stats stats;
	int64_t days;
	int i;

	assert_int_equal(stats_of(f).card_life_days, -1);
	f->config.card_endurance = INT64_C(1) << 30;
	fixture_reopen(f);
	assert_int_equal(stats_of(f).card_life_days, -1); /* too early */
	for (i = 1; i <= 720; i++) {
		(void)fixture_put(f, SAMPLE, i, 300);
		pass(f, 10 * SECOND_US);
	}
	stats = stats_of(f);
	days = (INT64_C(1) << 30) * stats.measured_ms /
	       (SPOOL_CARD_AMPLIFICATION * stats.written_bytes_total * 86400000);
	assert_in_range(stats.card_life_days, days - 1, days + 1);
	assert_true(days > 0);
	fixture_reopen(f);
	assert_true(stats_of(f).measured_ms >= stats.measured_ms);
	assert_true(stats_of(f).written_bytes_total >= stats.written_bytes_total);
}

/* Salvage. */

static uint32_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)(*x >> 24);
}

/* Some bytes of some pages change, never those of the first page. */
static void damage(const char *path, uint64_t *seed)
{
	unsigned char bytes[64];
	struct stat st;
	int fd = open(path, O_WRONLY | O_CLOEXEC), i, times = 1 + (int)(random_next(seed) % 4);
	off_t at;
	size_t k;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	for (i = 0; i < times; i++) {
		for (k = 0; k < sizeof(bytes); k++)
			bytes[k] = (unsigned char)random_next(seed);
		at = 2048 + (off_t)(random_next(seed) % (uint32_t)(st.st_size - 4096));
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), at), sizeof(bytes));
	}
	(void)close(fd);
}

/* The ends that are stated: what is held is told as held, what is not there is not, the end is known. */
static int check_salvaged(struct spool_fixture *f, const char *epoch, int made)
{
	static const struct seen_batch none = {.range_count = 0};
	bool held[1024] = {false}, told[1024] = {false};
	const struct seen_batch *end = &none;
	int64_t number;
	struct seen seen;
	int i, count = 0;
	size_t k;

	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++) {
		if (strcmp(seen.items[i].epoch, epoch) == 0) {
			assert_int_equal(seen.items[i].n, seen.items[i].number);
			held[seen.items[i].number] = true;
			count++;
		}
		if (strcmp(seen.items[i].kind, "epoch_end") == 0 &&
		    strcmp(seen.items[i].of_epoch, epoch) == 0)
			end = &seen.items[i];
	}
	assert_int_equal(end->end, made + 1);
	for (k = 0; k < end->range_count; k++)
		for (number = end->ranges[k].first; number <= end->ranges[k].last; number++)
			told[number] = true;
	for (i = 1; i <= made; i++)
		assert_int_equal(held[i], told[i]);
	seen_free(&seen);
	return count;
}

static void a_damaged_file_gives_what_can_be_read_and_states_the_rest(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE], copy[160], cmd[640];
	int i, count, kept = 0, whole = 0;
	uint64_t seed;

	(void)snprintf(epoch, sizeof(epoch), "%s", spool_epoch(f->spool));
	for (i = 1; i <= 400; i++)
		assert_int_equal(fixture_put(f, SAMPLE, i, 200 + (size_t)i % 7 * 300), i);
	spool_close(f->spool);
	f->spool = NULL;
	(void)snprintf(copy, sizeof(copy), "%s/whole", f->folder);
	(void)snprintf(cmd, sizeof(cmd), "mkdir %s && cp %s %s %s", copy, f->path, f->young_path,
		       copy);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c): paths of our own making */
	(void)snprintf(cmd, sizeof(cmd), "rm -f %s/*.db*; cp %s/* %s", f->folder, copy, f->folder);
	for (seed = 1; seed <= SEEDS; seed++) {
		uint64_t x = seed * 88172645463325252u;

		assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c): the same */
		damage(f->path, &x);
		f->config.damaged = SPOOL_DAMAGED_DISK;
		fixture_open(f);
		f->config.damaged = 0;
		assert_non_null(strstr(f->notice, "were read from it"));
		count = check_salvaged(f, epoch, 400);
		kept += count;
		whole += count == 400;
		assert_string_not_equal(spool_epoch(f->spool), epoch);
		spool_close(f->spool);
		f->spool = NULL;
	}
	print_message("%d of %d batches kept, %d files of %d whole\n", kept, 400 * SEEDS, whole,
		      SEEDS);
	assert_true(kept > 400 * SEEDS * 7 / 10);
	fixture_open(f);
}

static void a_kill_while_salvaging_states_the_rest_all_the_same(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	struct sql *sql = NULL;
	char url[160];
	int i;

	(void)snprintf(epoch, sizeof(epoch), "%s", spool_epoch(f->spool));
	for (i = 1; i <= 20; i++)
		(void)fixture_put(f, SAMPLE, i, 200);
	spool_close(f->spool);
	f->spool = NULL;
	/* Half of it was copied when the kill came. */
	(void)snprintf(url, sizeof(url), "sqlite:%s", f->path);
	assert_int_equal(sql_open(url, 0, &sql, NULL, 0), 0);
	assert_int_equal(sql_exec(sql, "UPDATE epoch SET orderly = -1"), 0);
	assert_int_equal(sql_exec(sql, "DELETE FROM batch WHERE id % 2 = 1"), 0);
	sql_close(sql);
	fixture_open(f);
	assert_int_equal(check_salvaged(f, epoch, 20), 10);
	fixture_reopen(f);
	assert_int_equal(stats_of(f).class_batches[LEDGER], 1);
}

static void a_damaged_young_floor_is_salvaged_too(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	struct seen seen;
	int i, fd;

	(void)snprintf(epoch, sizeof(epoch), "%s", spool_epoch(f->spool));
	for (i = 1; i <= 200; i++)
		(void)fixture_put(f, SAMPLE, i, 500);
	f->abandoned[f->abandoned_count++] = f->spool;
	f->spool = NULL;
	fd = open(f->young_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "no database", 11, 0), 11);
	(void)close(fd);
	fixture_open(f);
	assert_non_null(strstr(f->notice, "young floor"));
	assert_string_not_equal(spool_epoch(f->spool), epoch);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_string_equal(seen.items[0].kind, "epoch_end");
	assert_string_equal(seen.items[0].of_epoch, epoch);
	assert_int_equal(seen.items[0].end, -1);
	seen_free(&seen);
}

static void three_files_that_were_set_aside_are_kept(void **state)
{
	struct spool_fixture *f = *state;
	char name[256];
	int i;

	for (i = 1; i <= 8; i++) {
		(void)fixture_put(f, SAMPLE, i, 100);
		clock_fake_advance(&f->clock, SECOND_US);
		spool_close(f->spool);
		f->config.damaged = SPOOL_DAMAGED_DISK;
		fixture_open(f);
		f->config.damaged = 0;
	}
	assert_int_equal(folder_find(f->folder, "spool.db.corrupt-", name, sizeof(name)),
			 SPOOL_ASIDE_MAX);
	assert_int_equal(stats_of(f).class_batches[SAMPLE], 8);
}

int suite_storage_spool_limits(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, spool_fixture_tear_down)
	const struct CMUnitTest cases[] = {
		CASE(a_week_full_does_not_fill_the_spool_with_notices),
		CASE(a_notice_that_was_shown_stays),
		CASE(each_class_has_a_cap_of_its_own),
		CASE(each_class_has_an_age_of_its_own),
		CASE(an_operator_gives_up_what_a_filter_says),
		CASE(the_write_budget_is_kept_in_any_day),
		CASE(over_the_budget_alarms_are_written_and_samples_given_up),
		CASE(the_life_of_the_card_is_told),
		CASE(a_damaged_file_gives_what_can_be_read_and_states_the_rest),
		CASE(a_kill_while_salvaging_states_the_rest_all_the_same),
		CASE(a_damaged_young_floor_is_salvaged_too),
		CASE(three_files_that_were_set_aside_are_kept),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
