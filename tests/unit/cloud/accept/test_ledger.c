/* The account of epochs: folded when they are over, asked for in turn, with gaps that have bounds in time
 * and devices, and two machines with one identity. */
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

#include "cloud/accept/evidence.h"
#include "tests/unit/cloud/accept/bench.h"

int suite_cloud_ledger(void);

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static int64_t mono(struct bench *b)
{
	return clock_mono_us(&b->clock.clock);
}

static int64_t now(struct bench *b)
{
	return clock_wall_ms(&b->clock.clock);
}

struct sending {
	const char *epoch, *prev, *session, *boot, *device;
	int64_t number, floor, mono_us;
	bool backlog; /* of a boot that runs no more */
	const char *notice;
};

static enum accept_answer send(struct bench *b, struct sending what)
{
	struct accept_batch_result result;
	struct pack pack;

	pack_begin(&pack, b, what.epoch, what.number);
	if (what.prev)
		(void)snprintf(pack.header.prev, sizeof(pack.header.prev), "%s", what.prev);
	if (what.session)
		(void)snprintf(pack.header.session, sizeof(pack.header.session), "%s",
			       what.session);
	if (what.boot)
		(void)snprintf(pack.header.boot.id, sizeof(pack.header.boot.id), "%s", what.boot);
	if (what.floor)
		pack.header.floor = what.floor;
	if (what.backlog) {
		pack.header.lane = WIRE_LANE_BACKLOG;
		pack.header.boot.sent_mono_us = MODEL_NO_TIME;
	}
	if (what.notice) {
		pack.header.class = WIRE_CLASS_LEDGER;
		pack_raw(&pack, what.notice);
	} else {
		pack_soc(&pack, what.device ? what.device : "d1",
			 what.mono_us ? what.mono_us : mono(b), (double)(what.number % 100));
	}
	assert_int_equal(pack_send(&pack, b, &result), 0);
	return result.answer;
}

static void sweep(struct bench *b)
{
	unsigned changed;

	assert_int_equal(accept_sweep(b->accept, now(b), &changed), 0);
	assert_int_equal(bench_commit(b), 0);
}

/* Epoch e1 with 1..5 committed and 6..8 lost, ended by e2. */
static void end_e1(struct bench *b)
{
	for (int64_t n = 1; n <= 5; n++)
		(void)send(b, (struct sending){.epoch = "e1", .number = n});
	(void)send(b, (struct sending){
			      .epoch = "e2",
			      .prev = "e1",
			      .number = 1,
			      .notice = "{\"kind\":\"epoch_end\",\"epoch\":\"e1\",\"boot_id\":"
					"\"boot-1\",\"held\":[],\"end\":9}"});
	assert_int_equal(bench_commit(b), 0);
}

static void a_finished_epoch_is_folded_after_a_day(void **state)
{
	struct bench *b = *state;

	end_e1(b);
	assert_int_equal(bench_query(b, "SELECT open FROM epoch WHERE name = 'e1'"), 0);
	clock_fake_advance(&b->clock, 23 * HOUR);
	sweep(b);
	assert_int_equal(bench_query(b, "SELECT folded FROM epoch WHERE name = 'e1'"), 0);
	clock_fake_advance(&b->clock, 2 * HOUR);
	sweep(b);
	assert_int_equal(bench_query(b, "SELECT folded FROM epoch WHERE name = 'e1'"), 1);
	/* The one that runs is not. */
	assert_int_equal(bench_query(b, "SELECT folded FROM epoch WHERE name = 'e2'"), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch_digest d JOIN epoch e ON"
					" e.id = d.epoch_id WHERE e.name = 'e1'"),
			 0);
	assert_int_equal(bench_query(b, "SELECT length(committed) + length(lost) FROM epoch"
					" WHERE name = 'e1'"),
			 2);
	assert_int_equal(bench_query(b, "SELECT first * 100 + last FROM gap WHERE recovered_at"
					" IS NULL"),
			 608);
}

static void what_was_lost_of_a_folded_epoch_is_taken_when_it_comes(void **state)
{
	struct bench *b = *state;
	int64_t read_at = mono(b);

	end_e1(b);
	clock_fake_advance(&b->clock, 25 * HOUR);
	sweep(b);
	assert_int_equal(send(b, (struct sending){.epoch = "e1",
						  .number = 7,
						  .backlog = true,
						  .mono_us = read_at + 1}),
			 ACCEPT_COMMITTED);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT folded * 10 + forked FROM epoch WHERE name ="
					" 'e1'"),
			 10);
	assert_int_equal(send(b, (struct sending){.epoch = "e1",
						  .number = 7,
						  .backlog = true,
						  .mono_us = read_at + 1}),
			 ACCEPT_AGAIN);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT forked FROM epoch WHERE name = 'e1'"), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE recovered_at IS NULL AND"
					" possible = 0"),
			 2);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE recovered_at IS NOT NULL"
					" AND first = 7 AND last = 7"),
			 1);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 7);
}

/* Whether it was sent again or is another body, nobody can tell: not applied, and said to be in doubt. */
static void a_folded_number_that_comes_again_is_taken_no_second_time_and_may_be_lost(void **state)
{
	struct bench *b = *state;

	end_e1(b);
	clock_fake_advance(&b->clock, 25 * HOUR);
	sweep(b);
	for (int64_t n = 4; n >= 3; n--) {
		assert_int_equal(send(b, (struct sending){.epoch = "e1", .number = n}),
				 ACCEPT_AGAIN);
		assert_int_equal(bench_commit(b), 0);
		assert_int_equal(b->acked_count, 1);
		assert_int_equal(bench_query(b, "SELECT first FROM gap WHERE reason = 'forked' AND"
						" possible = 1 AND last = -1"),
				 n);
	}
	(void)send(b, (struct sending){.epoch = "e1", .number = 5});
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT first FROM gap WHERE reason = 'forked'"), 3);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE reason = 'forked'"), 1);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 6);
	/* The row is as small as before. */
	assert_int_equal(bench_query(b, "SELECT folded FROM epoch WHERE name = 'e1'"), 1);
	/* Its numbers go on: of these the digests are kept. */
	assert_int_equal(send(b, (struct sending){.epoch = "e1", .number = 9}), ACCEPT_COMMITTED);
	assert_int_equal(send(b, (struct sending){.epoch = "e1", .number = 9}), ACCEPT_AGAIN);
}

static void a_number_past_the_end_is_a_second_life(void **state)
{
	struct bench *b = *state;

	end_e1(b);
	assert_int_equal(send(b, (struct sending){.epoch = "e1", .number = 9}), ACCEPT_COMMITTED);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT forked FROM epoch WHERE name = 'e1'"), 1);
}

static void an_abandoned_epoch_loses_its_digests_and_keeps_its_sets(void **state)
{
	struct bench *b = *state;
	int64_t read_at = mono(b);

	(void)send(b, (struct sending){.epoch = "e1", .number = 1});
	(void)send(b, (struct sending){.epoch = "e1", .number = 5});
	assert_int_equal(bench_commit(b), 0);
	clock_fake_advance(&b->clock, 11 * MINUTE);
	(void)send(b, (struct sending){.epoch = "e2", .number = 1});
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->last_ack.ask_count, 1);
	clock_fake_advance(&b->clock, 25 * HOUR);
	sweep(b);
	sweep(b);
	assert_int_equal(bench_query(b, "SELECT abandoned * 10 + folded FROM epoch WHERE name ="
					" 'e1'"),
			 11);
	/* It speaks again: what was committed is not taken twice, the rest is. */
	assert_int_equal(send(b, (struct sending){.epoch = "e1", .number = 5, .mono_us = read_at}),
			 ACCEPT_AGAIN);
	assert_int_equal(send(b, (struct sending){.epoch = "e1", .number = 3, .mono_us = read_at}),
			 ACCEPT_COMMITTED);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT abandoned * 10 + folded FROM epoch WHERE name ="
					" 'e1'"),
			 0);
}

static void every_silent_epoch_is_asked_for_in_its_turn(void **state)
{
	struct bench *b = *state;
	int asked[50] = {0};
	int total = 0;
	char name[16];

	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "old%d", i);
		assert_int_equal(accept_begin(b->accept), 0);
		assert_int_equal(coredb_epoch_mention(b->db, b->gateway.id, name, WALL), 0);
	}
	assert_int_equal(bench_commit(b), 0);
	clock_fake_advance(&b->clock, 11 * MINUTE);
	/* Four batches a second for two minutes. */
	for (int i = 0; i < 480; i++) {
		(void)send(b, (struct sending){.epoch = "run", .number = i + 1});
		assert_int_equal(bench_commit(b), 0);
		for (size_t k = 0; k < b->last_ack.ask_count; k++) {
			assert_memory_equal(b->last_ack.ask[k], "old", 3);
			asked[strtol(b->last_ack.ask[k] + 3, NULL, 10)]++;
			total++;
		}
		clock_fake_advance(&b->clock, SECOND / 4);
	}
	for (int i = 0; i < 50; i++)
		assert_in_range(asked[i], 1, 3);
	/* 8 in ten seconds, not 8 an acknowledgement. */
	assert_in_range(total, 50, 8 * 13);
}

struct seen {
	struct coredb_gap gap;
	int count;
	char devices[200];
};

static int note_device(void *arg, int64_t device, const char *name)
{
	struct seen *seen = arg;

	(void)device;
	(void)snprintf(seen->devices + strlen(seen->devices),
		       sizeof(seen->devices) - strlen(seen->devices), "%s ", name);
	return 0;
}

static int note_gap(void *arg, const struct coredb_gap *gap)
{
	struct seen *seen = arg;

	seen->gap = *gap;
	seen->count++;
	return 0;
}

static void look_at_gaps(struct bench *b, const struct coredb_gap_filter *filter, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	assert_true(coredb_gap_each(b->db, b->workspace.id, filter, 0, 100, note_gap, seen) >= 0);
	if (seen->count == 1)
		assert_true(coredb_gap_devices(b->db, &seen->gap, 10, note_device, seen) >= 0);
}

static void a_gap_lies_between_its_neighbours_in_time(void **state)
{
	struct bench *b = *state;
	struct seen seen;
	int64_t at[7];

	for (int64_t n = 1; n <= 6; n++) {
		at[n] = mono(b);
		if (n != 3 && n != 4)
			(void)send(b, (struct sending){.epoch = "e1", .number = n, .floor = 1});
		clock_fake_advance(&b->clock, MINUTE);
	}
	(void)send(b, (struct sending){.epoch = "e1", .number = 7, .floor = 7});
	assert_int_equal(bench_commit(b), 0);
	look_at_gaps(b, NULL, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.gap.first * 10 + seen.gap.last, 34);
	assert_int_equal(seen.gap.from_ms, WALL + 60000);
	assert_int_equal(seen.gap.to_ms, WALL + 240000);
	assert_string_equal(seen.devices, "d1 ");
	/* One of the two comes after all. */
	(void)send(b, (struct sending){.epoch = "e1", .number = 4, .floor = 7, .mono_us = at[4]});
	assert_int_equal(bench_commit(b), 0);
	look_at_gaps(b, &(struct coredb_gap_filter){.open = true}, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.gap.to_ms, WALL + 180000);
}

static void a_notice_says_when_what_was_dropped_was_read(void **state)
{
	struct bench *b = *state;
	struct seen seen;
	char notice[300];

	(void)snprintf(notice, sizeof(notice),
		       "{\"kind\":\"dropped\",\"epoch\":\"e1\",\"ranges\":[[2,9]],\"records\":80,"
		       "\"reason\":\"spool_full\",\"first_mono_us\":%lld,\"last_mono_us\":%lld}",
		       (long long)(mono(b) - 50 * SECOND), (long long)(mono(b) - 20 * SECOND));
	(void)send(b, (struct sending){.epoch = "e1", .number = 10, .notice = notice});
	assert_int_equal(bench_commit(b), 0);
	look_at_gaps(b, NULL, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.gap.records, 80);
	assert_int_equal(seen.gap.from_ms, WALL - 50000);
	assert_int_equal(seen.gap.to_ms, WALL - 20000);
	assert_int_equal(seen.gap.time_quality, CLOCK_QUALITY_CORE);
}

/* A power cut: the rest of the epoch may be lost, from its last batch to the next boot. */
/* After an outage the first live batch tells by its floor what is gone, before the ledgers tell why. */
static void a_notice_that_comes_after_the_floor_explains_the_gap(void **state)
{
	struct bench *b = *state;

	(void)send(b, (struct sending){.epoch = "e1", .number = 20, .floor = 19});
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE reason = 'below_floor'"
					" AND first = 1 AND last = 18"),
			 1);
	(void)send(b,
		   (struct sending){.epoch = "e1",
				    .number = 19,
				    .floor = 19,
				    .notice = "{\"kind\":\"dropped\",\"epoch\":\"e1\",\"ranges\":"
					      "[[5,9]],\"records\":80,\"reason\":\"disk_failed\","
					      "\"first_mono_us\":1000,\"last_mono_us\":2000}"});
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE reason = 'disk_failed'"
					" AND first = 5 AND last = 9 AND records = 80"
					" AND from_mono_us = 1000 AND to_mono_us = 2000"),
			 1);
	assert_int_equal(bench_query(b, "SELECT sum(first * 100 + last) FROM gap"
					" WHERE reason = 'below_floor'"),
			 104 + 1018);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap"), 3);
	/* The same again changes nothing; what comes after all is no gap any more. */
	(void)send(b, (struct sending){.epoch = "e1", .number = 9, .floor = 19});
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT first * 100 + last FROM gap WHERE reason ="
					" 'disk_failed' AND recovered_at IS NULL"),
			 508);
}

static void an_open_tail_ends_where_the_next_boot_begins(void **state)
{
	struct bench *b = *state;
	struct seen seen;
	int64_t boot2;
	char notice[300];

	(void)send(b, (struct sending){.epoch = "e1", .number = 1});
	clock_fake_advance(&b->clock, MINUTE);
	(void)send(b, (struct sending){.epoch = "e1", .number = 2});
	assert_int_equal(bench_commit(b), 0);
	/* Two hours later it is up again; its clock counts from zero, 30 s ago. */
	clock_fake_advance(&b->clock, 2 * HOUR);
	boot2 = now(b) - 30000;
	b->clock.mono_us = 30 * SECOND;
	(void)snprintf(notice, sizeof(notice),
		       "{\"kind\":\"epoch_end\",\"epoch\":\"e1\",\"boot_id\":\"boot-1\","
		       "\"held\":[],\"end\":null}");
	(void)send(b, (struct sending){.epoch = "e2",
				       .prev = "e1",
				       .boot = "boot-2",
				       .number = 1,
				       .notice = notice});
	assert_int_equal(bench_commit(b), 0);
	look_at_gaps(b, NULL, &seen);
	assert_int_equal(seen.count, 1);
	assert_true(seen.gap.possible && seen.gap.last == -1);
	assert_int_equal(seen.gap.from_ms, WALL + 60000);
	assert_int_equal(seen.gap.to_ms, boot2);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event WHERE name = 'GapDetected'"
					" AND payload LIKE '%\"gateway_id\":\"g1\"%end_unknown%'"),
			 1);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event WHERE name ="
					" 'GatewayEpochBegan'"),
			 2);
}

static void a_gap_is_shown_with_the_devices_that_were_fed_then(void **state)
{
	struct bench *b = *state;
	struct coredb_device later = b->device;
	struct seen seen;

	(void)send(b, (struct sending){.epoch = "e1", .number = 1});
	(void)send(b, (struct sending){.epoch = "e1", .number = 3, .floor = 3});
	assert_int_equal(bench_commit(b), 0);
	/* A week later another device is at the gateway. */
	clock_fake_advance(&b->clock, INT64_C(7) * 24 * HOUR);
	(void)snprintf(later.name, sizeof(later.name), "d2");
	later.vehicle = 0;
	later.activated_at_ms = now(b);
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_device_add(b->db, &later, now(b)), 0);
	(void)send(b, (struct sending){.epoch = "e1", .number = 4, .floor = 3, .device = "d2"});
	assert_int_equal(bench_commit(b), 0);
	look_at_gaps(b, NULL, &seen);
	assert_string_equal(seen.devices, "d1 ");
	look_at_gaps(b, &(struct coredb_gap_filter){.device = later.id}, &seen);
	assert_int_equal(seen.count, 0);
	look_at_gaps(b, &(struct coredb_gap_filter){.device = b->device.id}, &seen);
	assert_int_equal(seen.count, 1);
	look_at_gaps(b, &(struct coredb_gap_filter){.gateway = b->gateway.id + 1}, &seen);
	assert_int_equal(seen.count, 0);
}

static void only_what_may_be_empty_can_be_dismissed(void **state)
{
	struct bench *b = *state;
	struct seen seen;
	int64_t sure;
	int64_t tail;

	for (int64_t n = 1; n <= 5; n += 4)
		(void)send(b, (struct sending){.epoch = "e1", .number = n});
	(void)send(b, (struct sending){
			      .epoch = "e2",
			      .prev = "e1",
			      .number = 1,
			      .notice = "{\"kind\":\"epoch_end\",\"epoch\":\"e1\",\"boot_id\":"
					"\"boot-1\",\"held\":[],\"end\":null}"});
	assert_int_equal(bench_commit(b), 0);
	sure = bench_query(b, "SELECT id FROM gap WHERE possible = 0");
	tail = bench_query(b, "SELECT id FROM gap WHERE possible = 1");
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_gap_dismiss(b->db, b->workspace.id, sure, "ann", "", now(b)),
			 -EPERM);
	assert_int_equal(coredb_gap_dismiss(b->db, b->workspace.id, 4711, "ann", "", now(b)),
			 -ENOENT);
	assert_int_equal(coredb_gap_dismiss(b->db, b->workspace.id + 1, tail, "ann", "", now(b)),
			 -ENOENT);
	assert_int_equal(coredb_gap_dismiss(b->db, b->workspace.id, tail, "ann",
					    "parked \"all\" night", now(b)),
			 0);
	assert_int_equal(coredb_gap_dismiss(b->db, b->workspace.id, tail, "bob", "", now(b)),
			 -EALREADY);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM event WHERE name = 'GapDismissed'"
					" AND payload LIKE '%\"by\":\"ann\"%'"),
			 1);
	look_at_gaps(b, &(struct coredb_gap_filter){.open = true}, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.gap.id, sure);
	/* What changes nothing about it leaves it dismissed; what does is new. */
	(void)send(b, (struct sending){.epoch = "e1", .number = 3});
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE dismissed_by = 'ann'"), 1);
	(void)send(b, (struct sending){.epoch = "e1", .number = 6});
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gap WHERE dismissed_by = 'ann'"), 0);
	assert_int_equal(bench_query(b, "SELECT first FROM gap WHERE possible = 1"), 7);
}

static bool is_two(struct bench *b)
{
	char masked[MODEL_VIN_SIZE];
	struct coredb_health_row row;
	struct health_input input;
	struct policy policy;
	struct health health;

	assert_int_equal(coredb_health_get(b->db, b->device.id, &row), 0);
	evidence_health(&row, WALL, now(b), masked, &input);
	policy_default(&policy);
	health_evaluate(&policy, &input, &health);
	return health.reason == HEALTH_REASON_DUPLICATE_GATEWAY;
}

static int64_t events(struct bench *b, const char *name)
{
	char sql[200];

	(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM event WHERE name = '%s'", name);
	return bench_query(b, sql);
}

static void two_machines_are_seen_and_forgotten_when_one_is_off(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 4; i++) {
		(void)send(b, (struct sending){.epoch = i % 2 ? "e2" : "e1",
					       .boot = i % 2 ? "boot-2" : "boot-1",
					       .number = i / 2 + 1});
		assert_int_equal(bench_commit(b), 0);
		assert_int_equal(is_two(b), i == 3);
		clock_fake_advance(&b->clock, 30 * SECOND);
	}
	/* One goes on alone. */
	for (int i = 0; i < 12; i++) {
		(void)send(b, (struct sending){.epoch = "e1", .number = 10 + i});
		assert_int_equal(bench_commit(b), 0);
		sweep(b);
		clock_fake_advance(&b->clock, MINUTE);
	}
	assert_false(is_two(b));
	assert_int_equal(events(b, "DuplicateGatewayDetected"), 1);
	assert_int_equal(events(b, "DuplicateGatewayCleared"), 1);
	/* It is switched on again. */
	for (int i = 0; i < 6; i++) {
		(void)send(b, (struct sending){.epoch = i % 2 ? "e1" : "e2", .number = 40 + i});
		assert_int_equal(bench_commit(b), 0);
	}
	assert_true(is_two(b));
	assert_int_equal(events(b, "DuplicateGatewayDetected"), 2);
}

static void sessions_that_alternate_are_two_machines_too(void **state)
{
	static const char *const order[] = {"s1", "s2", "s1", "s2", "s1"};
	struct bench *b = *state;

	/* Of one image, with one epoch and one boot. */
	for (int i = 0; i < 5; i++) {
		(void)send(b,
			   (struct sending){.epoch = "e1", .number = i + 1, .session = order[i]});
		assert_int_equal(bench_commit(b), 0);
		assert_int_equal(is_two(b), i == 4);
	}
}

static void copies_that_throw_each_other_out_are_two_machines_too(void **state)
{
	static const char *const sessions[] = {"s1", "s2", "s3", "s4", "s5"};
	struct bench *b = *state;

	/* Each connection has a session of its own; both count on under the same numbers. */
	for (int i = 0; i < 5; i++) {
		for (int64_t n = 0; n < 3; n++)
			(void)send(b, (struct sending){.epoch = "e1",
						       .number = 10 + i / 2 * 3 + n,
						       .mono_us = mono(b) + i,
						       .session = sessions[i]});
		assert_int_equal(bench_commit(b), 0);
		clock_fake_advance(&b->clock, 20 * SECOND);
	}
	assert_int_equal(bench_query(b, "SELECT forked FROM epoch"), 1);
	for (int i = 0; i < 6; i++)
		(void)send(b, (struct sending){.epoch = "e1",
					       .number = 11,
					       .mono_us = mono(b) + 100 + i,
					       .session = i % 2 ? "s7" : "s6"});
	assert_int_equal(bench_commit(b), 0);
	assert_true(is_two(b));
}

static void an_honest_gateway_is_never_taken_for_two(void **state)
{
	struct bench *b = *state;
	char session[16];
	char before[16];

	/* It reconnects every minute; each time something of the connection before comes late. */
	for (int i = 0; i < 30; i++) {
		char link[100];
		int len;

		(void)snprintf(session, sizeof(session), "s%d", i);
		(void)snprintf(before, sizeof(before), "s%d", i ? i - 1 : 0);
		len = snprintf(link, sizeof(link),
			       "{\"v\":1,\"session\":\"%s\",\"state\":\"online\"}", session);
		assert_int_equal(
			accept_link(b->accept, "w1", "g1", link, (size_t)len, false, now(b)), 0);
		(void)send(b, (struct sending){
				      .epoch = "e1", .number = 3 * i + 1, .session = session});
		(void)send(b,
			   (struct sending){.epoch = "e1", .number = 3 * i + 2, .session = before});
		(void)send(b, (struct sending){
				      .epoch = "e1", .number = 3 * i + 3, .session = session});
		clock_fake_advance(&b->clock, MINUTE);
	}
	/* It restarts; losses of the old epoch are told on the live lane between new batches. */
	for (int i = 0; i < 5; i++) {
		(void)send(b, (struct sending){.epoch = "e2", .prev = "e1", .number = i + 1});
		(void)send(b, (struct sending){.epoch = "e1",
					       .number = 200 + i,
					       .notice = "{\"kind\":\"dropped\",\"epoch\":\"e0\","
							 "\"ranges\":[[1,1]],\"records\":1,"
							 "\"reason\":\"spool_full\","
							 "\"first_mono_us\":1,"
							 "\"last_mono_us\":2}"});
		(void)send(b, (struct sending){.epoch = "e1", .number = 150 + i, .backlog = true});
	}
	assert_int_equal(bench_commit(b), 0);
	assert_false(is_two(b));
	assert_int_equal(events(b, "DuplicateGatewayDetected"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int suite_cloud_ledger(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_finished_epoch_is_folded_after_a_day),
		TEST(what_was_lost_of_a_folded_epoch_is_taken_when_it_comes),
		TEST(a_folded_number_that_comes_again_is_taken_no_second_time_and_may_be_lost),
		TEST(a_number_past_the_end_is_a_second_life),
		TEST(an_abandoned_epoch_loses_its_digests_and_keeps_its_sets),
		TEST(every_silent_epoch_is_asked_for_in_its_turn),
		TEST(a_gap_lies_between_its_neighbours_in_time),
		TEST(a_notice_says_when_what_was_dropped_was_read),
		TEST(a_notice_that_comes_after_the_floor_explains_the_gap),
		TEST(an_open_tail_ends_where_the_next_boot_begins),
		TEST(a_gap_is_shown_with_the_devices_that_were_fed_then),
		TEST(only_what_may_be_empty_can_be_dismissed),
		TEST(two_machines_are_seen_and_forgotten_when_one_is_off),
		TEST(sessions_that_alternate_are_two_machines_too),
		TEST(copies_that_throw_each_other_out_are_two_machines_too),
		TEST(an_honest_gateway_is_never_taken_for_two),
	};

	return cmocka_run_group_tests_name("cloud.ledger", tests, NULL, NULL);
}
