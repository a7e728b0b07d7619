/* The pace of the backlog on simulated ways to the core: a link with a rate and a delay, a core that
 * commits at a rate and coalesces its acknowledgements. Time is simulated in steps of a millisecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/window.h"

int suite_agent_pace(void);

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define WAY_MAX 4096

/* A batch on its way: over the link, then through the core, then back as an acknowledgement. */
struct packet {
	int64_t id, bytes;
	int64_t sent_us;
	int64_t there_us;  /* at the core's door */
	int64_t commit_us; /* committed */
	bool live;
};

struct way {
	int64_t link_rate;    /* bytes a second */
	int64_t one_way_us;   /* propagation, each way */
	int64_t core_rate;    /* batches a second */
	int64_t others_rate;  /* bytes a second of the link that others take */
	int64_t link_free_us; /* the link is busy until then */
	int64_t core_free_us;
	int64_t last_ack_us;
	struct packet packets[WAY_MAX];
	size_t first, count;    /* a ring */
	size_t confirmed;       /* of them, by the broker at the core's door */
	int64_t live_us[20000]; /* round trips of live batches */
	size_t live_count;
	int64_t backlog_bytes; /* acknowledged */
};

static struct window window;
static struct way way;

static int64_t now;
static int64_t next_live;

static int setup(void **state)
{
	const struct window_config config = {
		.batches = 256,
		.bytes = INT64_C(2) << 20,
		.resend_us = 10 * SECOND,
		.resend_max_us = 30 * SECOND,
	};

	(void)state;
	memset(&way, 0, sizeof(way));
	way.link_rate = 1000000;
	way.one_way_us = 20 * MS;
	way.core_rate = 6000;
	now = 1000 * SECOND;
	way.link_free_us = way.core_free_us = way.last_ack_us = now;
	window_init(&window, &config, 7);
	window_broker(&window, WINDOW_RECEIVE_MAX);
	next_live = INT64_C(1) << 40;
	window_connected(&window, next_live, now);
	return 0;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void put_on_the_way(int64_t id, int64_t bytes, bool live)
{
	struct packet *packet = &way.packets[(way.first + way.count) % WAY_MAX];

	assert_true(way.count < WAY_MAX);
	way.count++;
	way.link_free_us =
		later(way.link_free_us, now) + bytes * SECOND / (way.link_rate - way.others_rate);
	*packet = (struct packet){.id = id, .bytes = bytes, .sent_us = now, .live = live};
	packet->there_us = way.link_free_us + way.one_way_us;
	way.core_free_us = later(way.core_free_us, packet->there_us) + SECOND / way.core_rate;
	packet->commit_us = way.core_free_us;
}

static void send_all(int64_t bytes)
{
	for (;;) {
		const struct window_choice choice = window_choose(&window, now);
		int64_t id;

		if (choice.what == WINDOW_NOTHING)
			return;
		id = choice.what == WINDOW_AGAIN ? choice.id : choice.after + 1;
		window_sent(&window, id, bytes, choice.lane, now);
		put_on_the_way(id, bytes, choice.lane == WINDOW_LIVE);
	}
}

static void take_confirmations(void)
{
	while (way.confirmed < way.count) {
		const struct packet *packet = &way.packets[(way.first + way.confirmed) % WAY_MAX];

		if (packet->there_us + way.one_way_us > now)
			return;
		window_confirmed(&window, packet->id, now);
		way.confirmed++;
	}
}

static size_t committed(void)
{
	size_t count = 0;

	while (count < way.count &&
	       way.packets[(way.first + count) % WAY_MAX].commit_us + way.one_way_us <= now)
		count++;
	return count;
}

/* At most one acknowledgement in 50 ms, or one as soon as 64 batches are committed. */
static void take_acks(void)
{
	const size_t count = committed();

	if (!count || (count < 64 && now - way.last_ack_us < 50 * MS))
		return;
	for (size_t i = 0; i < count; i++) {
		const struct packet *packet = &way.packets[way.first];

		assert_true(window_acked(&window, packet->id, now));
		if (packet->live && way.live_count < 20000)
			way.live_us[way.live_count++] = now - packet->sent_us;
		else
			way.backlog_bytes += packet->bytes;
		way.first = (way.first + 1) % WAY_MAX;
		way.count--;
		way.confirmed--;
	}
	window_ack_end(&window, now);
	way.last_ack_us = now;
}

/* Runs for so long; a live batch of 400 bytes every `live_us` (0: none). Returns the backlog's bytes a
 * second. */
static int64_t run(int64_t us, int64_t live_us, int64_t bytes)
{
	const int64_t from = now;
	const int64_t before = way.backlog_bytes;

	way.live_count = 0;
	for (; now < from + us; now += MS) {
		take_confirmations();
		take_acks();
		if (live_us && (now - from) % live_us == 0)
			window_stored(&window, ++next_live, 1, now);
		send_all(bytes);
	}
	return (way.backlog_bytes - before) * SECOND / us;
}

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t live_percentile(size_t percent)
{
	assert_true(way.live_count > 0);
	qsort(way.live_us, way.live_count, sizeof(way.live_us[0]), compare);
	return way.live_us[(way.live_count - 1) * percent / 100];
}

static void an_idle_link_is_used(void **state)
{
	(void)state;
	(void)run(3 * SECOND, SECOND, 4000);
	assert_in_range(run(20 * SECOND, SECOND, 4000), 900000, 1000000);
}

static void live_batches_do_not_wait_long_behind_the_backlog(void **state)
{
	(void)state;
	(void)run(30 * SECOND, 200 * MS, 4000);
	assert_true(live_percentile(100) < 40 * MS + 50 * MS + 3 * PACE_TARGET_US);
	(void)run(30 * SECOND, 200 * MS, 4000);
	assert_true(live_percentile(99) < 40 * MS + 50 * MS + 2 * PACE_TARGET_US);
}

static void a_link_of_a_hundred_milliseconds_carries_twelve_thousand_records_a_second(void **state)
{
	(void)state;
	way.link_rate = 100000000;
	way.one_way_us = 50 * MS;
	(void)run(SECOND, SECOND, 4000);
	/* Of 100 a batch; the start is over within a second. */
	assert_true(run(5 * SECOND, SECOND, 4000) / 4000 * 100 > 60000);
}

static void the_core_of_this_machine_gets_all_that_it_can_commit(void **state)
{
	(void)state;
	way.link_rate = 1000000000;
	way.one_way_us = 50;
	way.core_rate = 2000;
	(void)run(SECOND, SECOND, 4000);
	assert_true(run(5 * SECOND, SECOND, 4000) / 4000 > 1800);
}

static void a_core_that_becomes_slow_is_given_less(void **state)
{
	(void)state;
	way.link_rate = 1000000000;
	way.one_way_us = 50;
	(void)run(5 * SECOND, SECOND, 4000);
	way.core_rate = 50;
	(void)run(20 * SECOND, SECOND, 4000);
	assert_true(run(20 * SECOND, 200 * MS, 4000) / 4000 >= 35);
	assert_true(live_percentile(99) < 50 * MS + 2 * PACE_TARGET_US);
}

static void a_link_that_becomes_slow_is_given_less(void **state)
{
	(void)state;
	(void)run(5 * SECOND, SECOND, 4000);
	way.link_rate = 20000;
	(void)run(60 * SECOND, 5 * SECOND, 1000);
	assert_true(run(60 * SECOND, 5 * SECOND, 1000) > 15000);
	assert_true(live_percentile(99) < 90 * MS + 2 * PACE_TARGET_US);
}

static void traffic_of_others_makes_it_give_way(void **state)
{
	(void)state;
	(void)run(10 * SECOND, SECOND, 4000);
	way.others_rate = 900000;
	(void)run(10 * SECOND, SECOND, 4000);
	assert_true(run(30 * SECOND, 500 * MS, 4000) < 100000);
	assert_true(live_percentile(99) < 90 * MS + 2 * PACE_TARGET_US);
	way.others_rate = 0;
	(void)run(10 * SECOND, SECOND, 4000);
	assert_true(run(10 * SECOND, SECOND, 4000) > 900000);
}

static void a_way_that_becomes_longer_is_used_again(void **state)
{
	(void)state;
	(void)run(10 * SECOND, SECOND, 4000);
	way.one_way_us = 300 * MS;
	(void)run(40 * SECOND, SECOND, 4000);
	assert_true(run(20 * SECOND, SECOND, 4000) > 700000);
}

static void the_slowest_link_carries_live_data_first(void **state)
{
	(void)state;
	way.link_rate = 1200; /* 9600 bit/s */
	way.one_way_us = 400 * MS;
	(void)run(120 * SECOND, 5 * SECOND, 400);
	assert_true(run(300 * SECOND, 5 * SECOND, 400) > 800);
	assert_true(live_percentile(99) < 5 * SECOND);
}

static void a_loss_halves_the_window_once_a_round_trip(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, 1 << 20);
	pace_connected(&pace, 0);
	pace.window = 100000;
	pace_round_trip(&pace, 300 * MS, SECOND);
	pace_acked(&pace, 0, false, SECOND);
	pace_lost(&pace, 2 * SECOND);
	pace_lost(&pace, 2 * SECOND + 100 * MS);
	assert_int_equal(pace_window(&pace), 50000);
	pace_lost(&pace, 3 * SECOND);
	assert_int_equal(pace_window(&pace), 25000);
	for (int i = 0; i < 20; i++)
		pace_lost(&pace, (4 + i) * SECOND);
	assert_int_equal(pace_window(&pace), PACE_FLOOR_BYTES);
}

static void the_worst_round_trip_is_forgotten_after_a_minute(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, 1 << 20);
	assert_int_equal(pace_worst_us(&pace, 0), -1);
	pace_round_trip(&pace, 700 * MS, SECOND);
	pace_round_trip(&pace, 30 * MS, 2 * SECOND);
	assert_int_equal(pace_worst_us(&pace, 50 * SECOND), 700 * MS);
	assert_int_equal(pace_worst_us(&pace, 61 * SECOND), -1);
	pace_round_trip(&pace, 20 * MS, 40 * SECOND);
	assert_int_equal(pace_worst_us(&pace, 61 * SECOND), 20 * MS);
	assert_int_equal(pace_worst_us(&pace, 3600 * SECOND), -1);
}

static void a_window_that_nothing_fills_does_not_grow(void **state)
{
	const int64_t tenth = SECOND / 10;
	struct pace pace;

	(void)state;
	pace_init(&pace, 1 << 20);
	pace_connected(&pace, 0);
	for (int64_t i = 1; i < 1000; i++) {
		pace_round_trip(&pace, 30 * MS, i * tenth);
		pace_acked(&pace, 4000, false, i * tenth);
	}
	assert_int_equal(pace_window(&pace), PACE_START_BYTES);
}

int suite_agent_pace(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_idle_link_is_used, setup),
		cmocka_unit_test_setup(live_batches_do_not_wait_long_behind_the_backlog, setup),
		cmocka_unit_test_setup(
			a_link_of_a_hundred_milliseconds_carries_twelve_thousand_records_a_second,
			setup),
		cmocka_unit_test_setup(the_core_of_this_machine_gets_all_that_it_can_commit, setup),
		cmocka_unit_test_setup(a_core_that_becomes_slow_is_given_less, setup),
		cmocka_unit_test_setup(a_link_that_becomes_slow_is_given_less, setup),
		cmocka_unit_test_setup(traffic_of_others_makes_it_give_way, setup),
		cmocka_unit_test_setup(a_way_that_becomes_longer_is_used_again, setup),
		cmocka_unit_test_setup(the_slowest_link_carries_live_data_first, setup),
		cmocka_unit_test(a_loss_halves_the_window_once_a_round_trip),
		cmocka_unit_test(the_worst_round_trip_is_forgotten_after_a_minute),
		cmocka_unit_test(a_window_that_nothing_fills_does_not_grow),
	};

	return cmocka_run_group_tests_name("agent.pace", tests, NULL, NULL);
}
