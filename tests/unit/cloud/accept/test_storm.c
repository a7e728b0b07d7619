/* A storm: gateways that make batches, a network that doubles, reorders and withholds them, a database
 * that refuses commits, a core that dies, clocks that nobody trusts. An oracle of a few lines says what
 * must come out. */
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

#include "tests/unit/cloud/accept/bench.h"

int suite_cloud_storm(void);

#define DEVICES 3
#define EPOCHS 3
#define BATCHES 12 /* an epoch */
#define ROUNDS 160
#define SECOND INT64_C(1000000)

struct made {
	struct buf payload;
	bool committed; /* as acknowledged */
	bool gone;      /* the gateway has given it up: never sent again */
};

struct truth {
	int64_t mono_us; /* of the newest committed reading; -1: none */
	double soc;
};

struct storm {
	struct bench *b;
	uint32_t seed;
	struct made made[EPOCHS][BATCHES + 1];
	/* The oracle: what each body says of each device. */
	struct truth says[EPOCHS][BATCHES + 1][DEVICES];
	int64_t rows[DEVICES];
	int64_t sent_mono_us;
};

static uint32_t next(struct storm *s)
{
	s->seed = s->seed * 1664525U + 1013904223U;
	return s->seed >> 8;
}

static const char *epoch_name(int epoch)
{
	static const char *const names[EPOCHS] = {"e1", "e2", "e3"};

	return names[epoch];
}

static void make_batch(struct storm *s, int epoch, int number)
{
	struct pack pack;

	clock_fake_advance(&s->b->clock, 3 * SECOND);
	pack_begin(&pack, s->b, epoch_name(epoch), number);
	for (int d = 0; d < DEVICES; d++) {
		int64_t mono_us = clock_mono_us(&s->b->clock.clock) - (int64_t)(next(s) % 1000);
		char name[8];

		s->says[epoch][number][d].mono_us = -1;
		if (next(s) % 4 == 0)
			continue;
		(void)snprintf(name, sizeof(name), "d%d", d + 1);
		s->says[epoch][number][d] = (struct truth){mono_us, (double)(next(s) % 1000) / 10};
		pack_soc(&pack, name, mono_us, s->says[epoch][number][d].soc);
	}
	pack_soc(&pack, "d1", 5, 1); /* always one record at least, older than all */
	pack_finish(&pack, &s->made[epoch][number].payload);
}

static void register_devices(struct storm *s)
{
	assert_int_equal(accept_begin(s->b->accept), 0);
	s->rows[0] = s->b->device.id;
	for (int d = 1; d < DEVICES; d++) {
		struct coredb_device device = s->b->device;

		(void)snprintf(device.name, sizeof(device.name), "d%d", d + 1);
		device.vehicle = 0;
		assert_int_equal(coredb_device_add(s->b->db, &device, WALL), 0);
		s->rows[d] = device.id;
	}
	assert_int_equal(accept_commit(s->b->accept), 0);
}

static void take_ack(void *arg, const char *workspace, const char *gateway,
		     const struct wire_ack *ack)
{
	struct storm *s = arg;
	int epoch = ack->epoch[1] - '1';

	(void)workspace;
	(void)gateway;
	if (epoch >= EPOCHS) /* the ledger's own epoch */
		return;
	for (size_t i = 0; i < ack->committed_count; i++) {
		for (int64_t n = ack->committed[i].first; n <= ack->committed[i].last; n++)
			s->made[epoch][n].committed = true;
	}
}

/* Sends a few bodies in any order, twice or not at all, and commits or fails. */
static void one_round(struct storm *s)
{
	struct bench *b = s->b;
	bool fail = next(s) % 4 == 0;
	int count = 1 + (int)(next(s) % 5);
	int r = 0;

	if (fail)
		assert_int_equal(sql_exec(coredb_sql(b->db),
					  next(s) % 2 ? "CREATE TEMP TRIGGER fault BEFORE INSERT ON"
							" device_body BEGIN SELECT"
							" RAISE(ABORT, 'f'); END"
						      : "CREATE TEMP TRIGGER fault BEFORE INSERT ON"
							" batch_digest BEGIN SELECT"
							" RAISE(ABORT, 'f'); END"),
				 0);
	for (int i = 0; i < count && !r; i++) {
		int epoch = (int)(next(s) % EPOCHS);
		int number = 1 + (int)(next(s) % BATCHES);
		struct made *made = &s->made[epoch][number];
		struct accept_batch_result result;

		if (made->gone)
			continue;
		r = accept_batch(b->accept, "w1", "g1", made->payload.data, made->payload.len,
				 clock_wall_ms(&b->clock.clock), &result);
		if (!r && made->committed)
			assert_int_equal(result.answer, ACCEPT_AGAIN);
	}
	if (!r && next(s) % 8 != 0)
		r = accept_commit(b->accept);
	else
		accept_rollback(b->accept); /* it died before */
	accept_acks(b->accept, take_ack, s);
	if (r)
		accept_rollback(b->accept);
	if (fail)
		assert_int_equal(sql_exec(coredb_sql(b->db), "DROP TRIGGER fault"), 0);
	if (next(s) % 10 == 0)
		bench_reopen(b);
	clock_fake_advance(&b->clock, SECOND);
}

static void check_devices(struct storm *s)
{
	for (int d = 0; d < DEVICES; d++) {
		struct truth newest = {.mono_us = -1};

		for (int e = 0; e < EPOCHS; e++) {
			for (int n = 1; n <= BATCHES; n++) {
				if (s->made[e][n].committed &&
				    s->says[e][n][d].mono_us > newest.mono_us)
					newest = s->says[e][n][d];
			}
		}
		if (newest.mono_us >= 0)
			assert_true(bench_soc(s->b, s->rows[d]) == newest.soc);
	}
}

/* Exactly the acknowledged bodies are history, each once; what an end does not hold is a gap. */
static void check_ledger(struct storm *s)
{
	for (int e = 0; e < EPOCHS; e++) {
		for (int n = 1; n <= BATCHES; n++) {
			char sql[300];

			(void)snprintf(sql, sizeof(sql),
				       "SELECT count(*) FROM batch b JOIN epoch e ON e.id ="
				       " b.epoch_id WHERE e.name = '%s' AND b.number = %d",
				       epoch_name(e), n);
			assert_int_equal(bench_query(s->b, sql), s->made[e][n].committed);
			(void)snprintf(sql, sizeof(sql),
				       "SELECT count(*) FROM gap g JOIN epoch e ON e.id ="
				       " g.epoch_id WHERE e.name = '%s' AND g.possible = 0 AND"
				       " g.recovered_at IS NULL AND %d BETWEEN g.first AND g.last",
				       epoch_name(e), n);
			assert_int_equal(bench_query(s->b, sql), s->made[e][n].gone);
		}
	}
}

/* The gateway gives up some of what was not acknowledged and says what it holds. */
static void end_epochs(struct storm *s)
{
	struct pack pack;

	pack_begin(&pack, s->b, "e9", 1);
	for (int e = 0; e < EPOCHS; e++) {
		char json[600];
		int len =
			snprintf(json, sizeof(json),
				 "{\"kind\":\"epoch_end\",\"epoch\":\"%s\",\"boot_id\":\"boot-1\","
				 "\"end\":%d,\"held\":[",
				 epoch_name(e), BATCHES + 1);
		bool more = false;

		for (int n = 1; n <= BATCHES; n++) {
			struct made *made = &s->made[e][n];

			made->gone = !made->committed && next(s) % 2;
			if (made->committed || made->gone)
				continue;
			len += snprintf(json + len, sizeof(json) - (size_t)len, "%s[%d,%d]",
					more ? "," : "", n, n);
			more = true;
		}
		(void)snprintf(json + len, sizeof(json) - (size_t)len, "]}");
		pack_raw(&pack, json);
	}
	assert_int_equal(pack_send(&pack, s->b, NULL), 0);
	assert_int_equal(accept_commit(s->b->accept), 0);
}

static void drain(struct storm *s)
{
	for (int e = 0; e < EPOCHS; e++) {
		for (int n = 1; n <= BATCHES; n++) {
			struct made *made = &s->made[e][n];
			struct accept_batch_result result;

			if (made->gone)
				continue;
			assert_int_equal(accept_batch(s->b->accept, "w1", "g1", made->payload.data,
						      made->payload.len,
						      clock_wall_ms(&s->b->clock.clock), &result),
					 0);
		}
	}
	assert_int_equal(accept_commit(s->b->accept), 0);
	accept_acks(s->b->accept, take_ack, s);
}

static void storm(void **state, uint32_t seed)
{
	struct storm *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->b = *state;
	s->seed = seed;
	register_devices(s);
	for (int n = 1; n <= BATCHES; n++) {
		for (int e = 0; e < EPOCHS; e++)
			make_batch(s, e, n);
	}
	for (int i = 0; i < ROUNDS / 4; i++)
		one_round(s);
	end_epochs(s);
	for (int i = 0; i < ROUNDS / 4; i++)
		one_round(s);
	check_ledger(s);
	check_devices(s);
	drain(s);
	check_ledger(s);
	check_devices(s);
	assert_int_equal(bench_query(s->b, "SELECT count(*) FROM epoch WHERE open = 1 AND"
					   " name <> 'e9'"),
			 0);
	for (int e = 0; e < EPOCHS; e++) {
		for (int n = 1; n <= BATCHES; n++)
			buf_free(&s->made[e][n].payload);
	}
	free(s);
}

static void a_storm_leaves_what_the_oracle_says(void **state)
{
	storm(state, 1);
}

static void another_storm_does_too(void **state)
{
	storm(state, 20261120);
}

static void and_a_third(void **state)
{
	const char *seed = getenv("FRESHET_STORM_SEED");

	storm(state, seed ? (uint32_t)strtoul(seed, NULL, 10) : 777);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int suite_cloud_storm(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_storm_leaves_what_the_oracle_says),
		TEST(another_storm_does_too),
		TEST(and_a_third),
	};

	return cmocka_run_group_tests_name("cloud.storm", tests, NULL, NULL);
}
