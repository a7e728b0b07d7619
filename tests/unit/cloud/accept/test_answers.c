/* What a gateway is answered when its batch cannot be taken as it is, and what it is asked for. */
#include <stdio.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "tests/unit/cloud/accept/bench.h"

int suite_cloud_answers(void);

#define SECOND INT64_C(1000000)

static int64_t mono(struct bench *b)
{
	return clock_mono_us(&b->clock.clock);
}

/* Sends a batch whose header line has `from` replaced by `to`. */
static void send_changed(struct bench *b, int64_t number, const char *from, const char *to,
			 struct accept_batch_result *result)
{
	struct pack pack;
	struct buf payload, changed;
	const char *at;

	pack_begin(&pack, b, "e1", number);
	pack_soc(&pack, "d1", mono(b), 50);
	pack_finish(&pack, &payload);
	at = strstr(buf_text(&payload), from);
	assert_non_null(at);
	buf_init(&changed, WIRE_BATCH_BYTES_MAX);
	buf_append(&changed, payload.data, (size_t)(at - payload.data));
	buf_puts(&changed, to);
	at += strlen(from);
	buf_append(&changed, at, payload.len - (size_t)(at - payload.data));
	assert_int_equal(
		accept_batch(b->accept, "w1", "g1", changed.data, changed.len, WALL, result), 0);
	buf_free(&payload);
	buf_free(&changed);
}

static void a_header_that_is_readable_in_part_is_answered(void **state)
{
	static const struct {
		const char *from, *to, *reason;
	} cases[] = {
		{"\"lane\":\"live\"", "\"lane\":\"express\"", "malformed"},
		{"\"class\":\"sample\"", "\"class\":7", "malformed"},
		{"\"quality\":\"none\"", "\"quality\":\"divine\"", "malformed"},
		{"\"count\":1", "\"count\":0", "malformed"},
		{"\"v\":1", "\"v\":2", "unsupported_version"},
		{"\"v\":1,", "", "malformed"},
		{"\"digest\":\"", "\"digest\":\"0123456789abcdef\",\"was\":\"", "bad_digest"},
	};
	struct bench *b = *state;
	struct accept_batch_result result;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t number = (int64_t)i + 1;

		send_changed(b, number, cases[i].from, cases[i].to, &result);
		assert_int_equal(result.answer, ACCEPT_DEFERRED);
		assert_int_equal(bench_commit(b), 0);
		assert_int_equal(b->acks, 1);
		assert_int_equal(b->acked_count, 0);
		assert_string_equal(b->last_ack.session, "session1");
		assert_string_equal(b->last_ack.epoch, "e1");
		assert_int_equal(b->last_ack.deferred_count, 1);
		assert_int_equal(b->last_ack.deferred[0].batch, number);
		assert_string_equal(b->last_ack.deferred[0].reason, cases[i].reason);
		assert_true(b->last_ack.deferred[0].retry_after_s >= 60);
	}
	/* Nothing of them is in the ledger; each is counted and listed. */
	assert_int_equal(bench_query(b, "SELECT count(*) FROM epoch"), 0);
	assert_int_equal(bench_query(b, "SELECT sum(count) FROM outcome WHERE outcome ="
					" 'deferred'"),
			 sizeof(cases) / sizeof(cases[0]));
	assert_int_equal(bench_query(b, "SELECT sum(count) FROM rejection"),
			 sizeof(cases) / sizeof(cases[0]));
	/* The same numbers are taken when they can be read. */
	for (int64_t number = 1; number <= 7; number++) {
		struct pack pack;

		pack_begin(&pack, b, "e1", number);
		pack_soc(&pack, "d1", mono(b) + number, 50);
		assert_int_equal(pack_send(&pack, b, &result), 0);
		assert_int_equal(result.answer, ACCEPT_COMMITTED);
	}
}

static void without_session_epoch_or_number_it_is_counted_only(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"\"session\":\"session1\"", "\"session\":7"},
		{"\"epoch\":\"e1\"", "\"epoch\":\"../e1\""},
		{"\"batch\":4", "\"batch\":-4"},
		{"\"batch\":5", "\"batch\":9223372036854775807"},
		{"{\"v\"", "{{\"v\""},
	};
	struct bench *b = *state;
	struct accept_batch_result result;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send_changed(b, (int64_t)i + 2, cases[i].from, cases[i].to, &result);
		assert_int_equal(result.answer, ACCEPT_REFUSED);
	}
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->acks, 0);
	assert_int_equal(bench_query(b, "SELECT sum(count) FROM outcome WHERE outcome ="
					" 'rejected' AND gateway_id > 0"),
			 sizeof(cases) / sizeof(cases[0]));
}

static void a_deferred_batch_that_comes_again_is_deferred_again(void **state)
{
	struct bench *b = *state;
	struct accept_batch_result result;

	for (int i = 0; i < 5; i++) {
		send_changed(b, 1, "\"v\":1", "\"v\":2", &result);
		assert_int_equal(bench_commit(b), 0);
		assert_int_equal(b->last_ack.deferred_count, 1);
	}
	/* One row, counted up. */
	assert_int_equal(bench_query(b, "SELECT count(*) FROM rejection"), 1);
	assert_int_equal(bench_query(b, "SELECT count FROM rejection"), 5);
}

static void what_the_broker_kept_on_a_data_topic_is_ignored_and_counted(void **state)
{
	struct bench *b = *state;
	struct pack pack;
	struct buf payload;

	pack_begin(&pack, b, "e1", 1);
	pack_soc(&pack, "d1", mono(b), 50);
	pack_finish(&pack, &payload);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			accept_retained(b->accept, "w1", "g1", payload.data, payload.len, WALL), 0);
	assert_int_equal(
		accept_retained(b->accept, "w1", "nobody", payload.data, payload.len, WALL), 0);
	assert_int_equal(bench_commit(b), 0);
	assert_int_equal(b->acks, 0);
	assert_int_equal(bench_query(b, "SELECT count(*) FROM batch"), 0);
	/* It proves no contact either. */
	assert_int_equal(bench_query(b, "SELECT count(*) FROM gateway_state"), 0);
	assert_int_equal(bench_query(b, "SELECT sum(count) FROM outcome WHERE reason = 'retained'"),
			 2);
	assert_int_equal(bench_query(b, "SELECT count FROM rejection WHERE reason = 'retained'"),
			 2);
	buf_free(&payload);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int suite_cloud_answers(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_header_that_is_readable_in_part_is_answered),
		TEST(without_session_epoch_or_number_it_is_counted_only),
		TEST(a_deferred_batch_that_comes_again_is_deferred_again),
		TEST(what_the_broker_kept_on_a_data_topic_is_ignored_and_counted),
	};

	return cmocka_run_group_tests_name("cloud.answers", tests, NULL, NULL);
}
