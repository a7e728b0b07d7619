#include <stdio.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "cloud/ingest/acks.h"

int suite_cloud_acks(void);

#define MS INT64_C(1000)
#define SENT_MAX 4096

struct sent {
	char gateway[IDS_SIZE];
	char epoch[IDS_RANDOM_SIZE];
	int64_t first, last, at_us;
	size_t ranges, deferred, asked;
};

struct desk {
	struct acks *acks;
	int64_t now_us;
	struct sent sent[SENT_MAX];
	size_t count;
	int64_t batches;
};

static int setup(void **state)
{
	static struct desk desk;

	memset(&desk, 0, sizeof(desk));
	assert_int_equal(acks_create(&desk.acks), 0);
	desk.now_us = 1000000 * MS;
	*state = &desk;
	return 0;
}

static int teardown(void **state)
{
	struct desk *desk = *state;

	acks_destroy(desk->acks);
	return 0;
}

static void note(void *arg, const char *workspace, const char *gateway, struct wire_ack *ack)
{
	struct desk *desk = arg;
	struct sent *sent = &desk->sent[desk->count++];

	assert_true(desk->count < SENT_MAX);
	assert_string_equal(workspace, "w");
	(void)snprintf(sent->gateway, sizeof(sent->gateway), "%s", gateway);
	(void)snprintf(sent->epoch, sizeof(sent->epoch), "%s", ack->epoch);
	sent->ranges = ack->committed_count;
	sent->deferred = ack->deferred_count;
	sent->asked = ack->ask_count;
	sent->at_us = desk->now_us;
	if (ack->committed_count > 0) {
		sent->first = ack->committed[0].first;
		sent->last = ack->committed[ack->committed_count - 1].last;
	}
	for (size_t i = 0; i < ack->committed_count; i++)
		desk->batches += ack->committed[i].last - ack->committed[i].first + 1;
}

static void add(struct desk *desk, const char *gateway, const char *epoch, int64_t first,
		int64_t last)
{
	struct wire_ack ack = {.committed = {{first, last}}, .committed_count = 1};

	(void)snprintf(ack.session, sizeof(ack.session), "s");
	(void)snprintf(ack.epoch, sizeof(ack.epoch), "%s", epoch);
	assert_int_equal(acks_add(desk->acks, "w", gateway, &ack), 0);
}

static void send_at(struct desk *desk, int64_t later_us)
{
	desk->now_us += later_us;
	acks_send(desk->acks, desk->now_us, note, desk);
}

static void the_first_answer_to_a_quiet_gateway_goes_at_once(void **state)
{
	struct desk *desk = *state;

	add(desk, "g1", "e", 7, 7);
	assert_true(acks_due_us(desk->acks) <= desk->now_us);
	send_at(desk, 0);
	assert_int_equal(desk->count, 1);
	assert_int_equal(desk->sent[0].first, 7);
	/* Quiet for a while: again at once. */
	send_at(desk, ACKS_INTERVAL_US);
	add(desk, "g1", "e", 8, 8);
	send_at(desk, 0);
	assert_int_equal(desk->count, 2);
}

static void a_busy_gateway_gets_one_message_in_the_interval(void **state)
{
	struct desk *desk = *state;

	for (int64_t n = 1; n <= 40; n++) {
		add(desk, "g1", "e", n, n);
		send_at(desk, 1 * MS);
	}
	assert_int_equal(desk->count, 1);
	assert_int_equal(acks_due_us(desk->acks), desk->sent[0].at_us + ACKS_INTERVAL_US);
	send_at(desk, acks_due_us(desk->acks) - desk->now_us - 1);
	assert_int_equal(desk->count, 1);
	send_at(desk, 1);
	assert_int_equal(desk->count, 2);
	assert_int_equal(desk->sent[1].ranges, 1);
	assert_int_equal(desk->sent[1].first, 2);
	assert_int_equal(desk->sent[1].last, 40);
	assert_int_equal(acks_due_us(desk->acks), INT64_MAX);
}

static void sixty_four_batches_do_not_wait(void **state)
{
	struct desk *desk = *state;

	add(desk, "g1", "e", 1, 1);
	send_at(desk, 0);
	add(desk, "g1", "e", 2, ACKS_BATCHES);
	send_at(desk, 1);
	assert_int_equal(desk->count, 1);
	add(desk, "g1", "e", ACKS_BATCHES + 1, ACKS_BATCHES + 1);
	send_at(desk, 1);
	assert_int_equal(desk->count, 2);
	assert_int_equal(desk->sent[1].last, ACKS_BATCHES + 1);
}

static void gateways_do_not_wait_for_each_other(void **state)
{
	struct desk *desk = *state;

	add(desk, "g1", "e", 1, 1);
	send_at(desk, 0);
	add(desk, "g1", "e", 2, 2);
	add(desk, "g2", "e", 1, 1);
	send_at(desk, 1);
	assert_int_equal(desk->count, 2);
	assert_string_equal(desk->sent[1].gateway, "g2");
}

static void epochs_of_a_gateway_take_turns_and_none_starves(void **state)
{
	struct desk *desk = *state;
	int live = 0;

	add(desk, "g1", "live", 1, 1);
	send_at(desk, 0);
	for (int64_t n = 1; n <= 100; n++) {
		add(desk, "g1", "old", n, n);
		if (n % 10 == 1)
			add(desk, "g1", "live", n + 1, n + 1);
		send_at(desk, 10 * MS);
	}
	for (size_t i = 1; i < desk->count; i++) {
		assert_true(desk->sent[i].at_us - desk->sent[i - 1].at_us >= ACKS_INTERVAL_US);
		live += strcmp(desk->sent[i].epoch, "live") == 0;
	}
	assert_in_range(live, 9, 11);
	assert_in_range(desk->count, 20, 22);
}

/* A backlog of an earlier epoch that fills message after message. */
static void what_is_live_does_not_wait_for_a_backlog(void **state)
{
	struct desk *desk = *state;
	int64_t added_us[101] = {0};
	int live = 0;

	for (int64_t n = 1; n <= 1000; n++) {
		add(desk, "g1", "old", 1 + (n - 1) * 10, n * 10);
		if (n % 100 == 50) {
			added_us[n / 100] = desk->now_us;
			add(desk, "g1", "live", 1 + n / 100, 1 + n / 100);
		}
		send_at(desk, 1 * MS);
	}
	for (size_t i = 0; i < desk->count; i++) {
		if (strcmp(desk->sent[i].epoch, "live") != 0)
			continue;
		live++;
		assert_true(desk->sent[i].at_us - added_us[desk->sent[i].first - 1] <=
			    2 * ACKS_INTERVAL_US);
	}
	assert_int_equal(live, 10);
}

static void more_ranges_than_an_ack_holds_go_in_several(void **state)
{
	struct desk *desk = *state;
	struct wire_ack ack = {.committed_count = 0};

	(void)snprintf(ack.epoch, sizeof(ack.epoch), "e");
	(void)snprintf(ack.session, sizeof(ack.session), "s");
	add(desk, "g1", "e", 1000000, 1000000);
	send_at(desk, 0);
	for (int64_t n = 1; n <= INT64_C(3) * WIRE_RANGES_MAX; n++)
		add(desk, "g1", "e", 2 * n, 2 * n);
	ack.deferred_count = WIRE_DEFERRED_MAX;
	ack.ask_count = WIRE_ASK_MAX;
	for (size_t i = 0; i < WIRE_ASK_MAX; i++)
		(void)snprintf(ack.ask[i], sizeof(ack.ask[i]), "a%zu", i);
	assert_int_equal(acks_add(desk->acks, "w", "g1", &ack), 0);
	assert_int_equal(acks_add(desk->acks, "w", "g1", &ack), 0);
	for (int i = 0; i < 10; i++)
		send_at(desk, ACKS_INTERVAL_US);
	assert_int_equal(desk->batches, INT64_C(3) * WIRE_RANGES_MAX + 1);
	assert_int_equal(acks_due_us(desk->acks), INT64_MAX);
	assert_int_equal(desk->sent[desk->count - 1].deferred, WIRE_DEFERRED_MAX);
	assert_int_equal(desk->sent[desk->count - 1].asked, WIRE_ASK_MAX);
}

/* A flood of 100 batches a millisecond for a second, and one batch a second: the rate of messages and
 * how long a batch waits. */
static void the_rate_and_the_wait_are_bounded(void **state)
{
	struct desk *desk = *state;
	int64_t next = 1;
	int64_t began_us = desk->now_us;
	size_t least;

	for (int i = 0; i < 1000; i++) {
		add(desk, "g1", "e", next, next + 9);
		next += 10;
		send_at(desk, 1 * MS);
	}
	send_at(desk, ACKS_INTERVAL_US);
	assert_int_equal(desk->batches, next - 1);
	/* 10,000 batches a second: the 64 fill faster than the interval passes. */
	least = (size_t)(next / ACKS_BATCHES / 2);
	assert_in_range(desk->count, least, (size_t)(next / ACKS_BATCHES + 21));
	print_message("flood: %lld batches, %zu messages in %lld ms\n", (long long)desk->batches,
		      desk->count, (long long)((desk->now_us - began_us) / MS));
	desk->count = 0;
	began_us = desk->now_us;
	/* 500 batches a second: the interval passes before 64 are there. */
	for (int i = 0; i < 500; i++) {
		add(desk, "g1", "e", next, next);
		next++;
		send_at(desk, 2 * MS);
	}
	assert_in_range(desk->count, 18, 21);
	for (size_t i = 1; i < desk->count; i++)
		assert_true(desk->sent[i].at_us - desk->sent[i - 1].at_us <=
			    ACKS_INTERVAL_US + 2 * MS);
	print_message("steady: 500 batches, %zu messages in %lld ms\n", desk->count,
		      (long long)((desk->now_us - began_us) / MS));
}

static void what_nobody_hears_is_forgotten(void **state)
{
	struct desk *desk = *state;

	add(desk, "g1", "e", 1, 1);
	add(desk, "g1", "f", 1, 1);
	add(desk, "g2", "e", 1, 1);
	assert_int_equal(acks_forget(desk->acks), 3);
	assert_int_equal(acks_due_us(desk->acks), INT64_MAX);
	send_at(desk, ACKS_INTERVAL_US);
	assert_int_equal(desk->count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int suite_cloud_acks(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_answer_to_a_quiet_gateway_goes_at_once),
		TEST(a_busy_gateway_gets_one_message_in_the_interval),
		TEST(sixty_four_batches_do_not_wait),
		TEST(gateways_do_not_wait_for_each_other),
		TEST(epochs_of_a_gateway_take_turns_and_none_starves),
		TEST(what_is_live_does_not_wait_for_a_backlog),
		TEST(more_ranges_than_an_ack_holds_go_in_several),
		TEST(the_rate_and_the_wait_are_bounded),
		TEST(what_nobody_hears_is_forgotten),
	};

	return cmocka_run_group_tests_name("cloud.acks", tests, NULL, NULL);
}
