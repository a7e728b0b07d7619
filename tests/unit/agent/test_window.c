#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/window.h"

int suite_agent_window(void);

#define SECOND INT64_C(1000000)

static struct window window;

static const struct window_config config = {
	.batches = 8,
	.bytes = 10000,
	.resend_us = 10 * SECOND,
	.resend_max_us = 60 * SECOND,
	.backlog_rate = 0,
};

static int setup(void **state)
{
	(void)state;
	window_init(&window, &config, 7);
	window_broker(&window, WINDOW_RECEIVE_MAX);
	return 0;
}

/* Sends what is chosen, as if the spool held every id; returns the id, 0 where nothing is. */
static int64_t send_unconfirmed(int64_t now_us, int64_t bytes)
{
	const struct window_choice choice = window_choose(&window, now_us);
	int64_t id = 0;

	if (choice.what == WINDOW_NOTHING)
		return 0;
	id = choice.what == WINDOW_AGAIN ? choice.id : choice.after + 1;
	window_sent(&window, id, bytes, choice.lane, now_us);
	return id;
}

/* The same, and the broker confirms it at once. */
static int64_t send_one(int64_t now_us, int64_t bytes)
{
	const int64_t id = send_unconfirmed(now_us, bytes);

	if (id)
		window_confirmed(&window, id, now_us);
	return id;
}

static void live_batches_go_before_the_backlog(void **state)
{
	(void)state;
	window_connected(&window, 100, 0);
	assert_int_equal(send_one(0, 10), 1);
	window_stored(&window, 101, 1, 0);
	assert_int_equal(send_one(0, 10), 101);
	assert_int_equal(send_one(0, 10), 2);
}

static void the_backlog_leaves_room_for_live_batches(void **state)
{
	int64_t id = 0;

	(void)state;
	window_connected(&window, 100, 0);
	for (int i = 1; i <= 6; i++)
		assert_int_equal(send_one(0, 10), i);
	assert_int_equal(send_one(0, 10), 0);
	window_stored(&window, 102, 1, 0);
	assert_int_equal(send_one(0, 10), 101);
	assert_int_equal(send_one(0, 10), 102);
	window_stored(&window, 103, 1, 0);
	id = send_one(0, 10);
	assert_int_equal(id, 0); /* the window is full */
	assert_true(window_acked(&window, 101, 0));
	assert_int_equal(send_one(0, 10), 103);
}

static void bytes_close_the_window_too_but_never_for_one_batch(void **state)
{
	(void)state;
	window_connected(&window, 100, 0);
	assert_int_equal(send_one(0, 50000), 1);
	assert_int_equal(send_one(0, 10), 0);
	assert_true(window_acked(&window, 1, 0));
	assert_int_equal(send_one(0, 10), 2);
}

static void an_unacked_batch_is_sent_again_later_and_later(void **state)
{
	int64_t now = 0;
	int64_t last_gap = 0;

	(void)state;
	window_connected(&window, 1, 0);
	assert_int_equal(send_one(0, 10), 1);
	for (int i = 0; i < 12; i++) {
		const int64_t due = window_due(&window, now);

		assert_int_equal(send_one(due - 1, 10), 0);
		assert_int_equal(send_one(due, 10), 1);
		last_gap = due - now;
		now = due;
		assert_int_equal(window.in_flight, 1);
	}
	assert_in_range(last_gap, 45 * SECOND, 75 * SECOND);
	assert_true(window_acked(&window, 1, 0));
	assert_false(window_acked(&window, 1, 0));
	assert_int_equal(window_due(&window, now), INT64_MAX);
	assert_int_equal(window.bytes, 0);
}

static void a_new_connection_starts_over_with_what_the_spool_holds(void **state)
{
	(void)state;
	window_connected(&window, 3, 0);
	assert_int_equal(send_one(0, 10), 1);
	assert_int_equal(send_one(0, 10), 2);
	window_connected(&window, 5, SECOND);
	assert_int_equal(window.in_flight, 0);
	assert_int_equal(send_one(SECOND, 10), 1);
}

static void a_range_without_batches_is_passed_over(void **state)
{
	struct window_choice choice;

	(void)state;
	window_connected(&window, 100, 0);
	choice = window_choose(&window, 0);
	assert_int_equal(choice.what, WINDOW_NEXT);
	assert_int_equal(choice.last, 100);
	window_missing(&window, &choice);
	assert_int_equal(window_choose(&window, 0).what, WINDOW_NOTHING);
	assert_int_equal(send_one(0, 1), 0);
}

static void what_was_passed_over_is_sent_after_all(void **state)
{
	struct window_choice choice;

	(void)state;
	window_connected(&window, 100, 0);
	assert_int_equal(send_one(0, 10), 1);
	choice = window_choose(&window, 0);
	window_missing(&window, &choice); /* the disk cannot be read */
	window_stored(&window, 101, 1, 0);
	assert_int_equal(send_one(0, 10), 101);
	assert_int_equal(window_choose(&window, 0).what, WINDOW_NOTHING);
	window_rewind(&window, 101);
	choice = window_choose(&window, 0);
	assert_int_equal(choice.lane, WINDOW_BACKLOG);
	assert_int_equal(choice.after, 0);
	assert_int_equal(choice.last, 101);
	assert_true(window_holds(&window, 1));
	window_stored(&window, 102, 1, 0);
	assert_int_equal(send_one(0, 10), 102);
}

static void what_comes_to_light_is_backlog(void **state)
{
	struct window_choice choice;

	(void)state;
	window_connected(&window, 0, 0); /* nothing could be read */
	window_rewind(&window, 50);
	choice = window_choose(&window, 0);
	assert_int_equal(choice.what, WINDOW_NEXT);
	assert_int_equal(choice.lane, WINDOW_BACKLOG);
	assert_int_equal(choice.last, 50);
}

static void a_deferred_batch_waits_outside_the_window(void **state)
{
	(void)state;
	window_connected(&window, 1, 0);
	assert_int_equal(send_one(0, 10), 1);
	window_deferred(&window, 1, 600 * SECOND, 0);
	assert_int_equal(window.in_flight, 0);
	assert_int_equal(window.bytes, 0);
	assert_int_equal(send_one(599 * SECOND, 10), 0);
	assert_int_equal(send_one(600 * SECOND, 10), 1);
	assert_int_equal(window.in_flight, 1);
	assert_int_equal(window.deferred, 0);
}

static void too_many_deferred_batches_stay_in_the_window(void **state)
{
	int64_t total = 0;

	(void)state;
	window_connected(&window, 1000, 0);
	for (;;) {
		const int64_t id = send_one(0, 1);

		if (!id)
			break;
		total++;
		window_deferred(&window, id, 600 * SECOND, 0);
	}
	assert_int_equal(window.deferred, WINDOW_DEFERRED_MAX);
	assert_int_equal(total, WINDOW_DEFERRED_MAX + 6);
}

static void the_backlog_keeps_its_rate(void **state)
{
	struct window_config limited = config;
	int64_t sent = 0;

	(void)state;
	limited.backlog_rate = 1000;
	window_init(&window, &limited, 7);
	window_broker(&window, WINDOW_RECEIVE_MAX);
	window_connected(&window, 1000000, 0);
	for (int64_t now = 0; now < 100 * SECOND; now += SECOND / 10) {
		int64_t id;

		while ((id = send_one(now, 500)) != 0) {
			sent += 500;
			assert_true(window_acked(&window, id, 0));
		}
	}
	assert_in_range(sent, 95000, 105000);
}

static void the_slowest_rate_is_kept_too(void **state)
{
	struct window_config limited = config;
	int64_t now = 0;
	int64_t sent = 0;

	(void)state;
	limited.backlog_rate = 7;
	window_init(&window, &limited, 7);
	window_broker(&window, WINDOW_RECEIVE_MAX);
	window_connected(&window, 1000000, 0);
	while (now < 100000 * SECOND) {
		const int64_t id = send_one(now, 500);

		if (id) {
			sent += 500;
			assert_true(window_acked(&window, id, now));
			window_ack_end(&window, now);
		}
		/* What is looked at often must not lose the fractions. */
		now = id ? now + 1000 : window_due(&window, now + 1);
	}
	assert_in_range(sent, 690000, 710000);
}

static void no_more_goes_than_the_broker_takes_at_once(void **state)
{
	int sent = 0;

	(void)state;
	window_broker(&window, 5);
	window_connected(&window, 100, 0);
	window_stored(&window, 200, 100, 0);
	while (send_unconfirmed(0, 10))
		sent++;
	assert_int_equal(sent, 4); /* one place is kept for what is no batch */
	assert_true(window_takes_other(&window));
	window_other(&window);
	assert_false(window_takes_other(&window));
	window_confirmed(&window, 0, 0);
	assert_int_equal(send_unconfirmed(0, 10), 0);
	window_confirmed(&window, 101, 0);
	assert_int_equal(send_unconfirmed(0, 10), 105);
	/* An acknowledgement of the core's makes no place at the broker. */
	assert_true(window_acked(&window, 102, 0));
	assert_int_equal(send_unconfirmed(0, 10), 0);
}

static void a_broker_that_takes_one_publish_gets_one(void **state)
{
	(void)state;
	window_broker(&window, 1);
	window_connected(&window, 100, 0);
	for (int i = 1; i < 20; i++) {
		assert_int_equal(send_unconfirmed(0, 10), i);
		assert_int_equal(send_unconfirmed(0, 10), 0);
		window_confirmed(&window, i, 0);
		assert_true(window_acked(&window, i, 0));
	}
}

static void the_backlog_leaves_live_batches_room_at_the_broker(void **state)
{
	(void)state;
	window_broker(&window, 5);
	window_connected(&window, 100, 0);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(send_unconfirmed(0, 10), i);
	assert_int_equal(send_unconfirmed(0, 10), 0);
	window_stored(&window, 101, 1, 0);
	assert_int_equal(send_unconfirmed(0, 10), 101);
}

static void what_the_broker_has_not_confirmed_is_not_sent_again(void **state)
{
	int64_t due;

	(void)state;
	window_connected(&window, 1, 0);
	assert_int_equal(send_unconfirmed(0, 10), 1);
	assert_int_equal(window_due(&window, 0), INT64_MAX);
	assert_int_equal(send_unconfirmed(1000 * SECOND, 10), 0);
	window_confirmed(&window, 1, 1000 * SECOND);
	due = window_due(&window, 1000 * SECOND);
	assert_in_range(due, 1007 * SECOND, 1013 * SECOND);
	assert_int_equal(send_unconfirmed(due, 10), 1);
	assert_int_equal(window_due(&window, due), INT64_MAX);
}

static void what_the_broker_has_passed_over_is_sent_again(void **state)
{
	int64_t due;

	(void)state;
	window_connected(&window, 3, 0);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(send_unconfirmed(0, 10), i);
	window_confirmed(&window, 2, SECOND);
	assert_true(window_acked(&window, 2, SECOND));
	/* The first has been lost: the second was confirmed. Nothing is known of the third. */
	due = window_due(&window, SECOND);
	assert_in_range(due, 8 * SECOND, 14 * SECOND);
	assert_int_equal(send_unconfirmed(due, 10), 1);
	assert_int_equal(window_due(&window, due), INT64_MAX);
	window_confirmed(&window, 1, due);
	assert_int_equal(send_unconfirmed(due + 14 * SECOND, 10), 3);
}

static void what_is_long_unconfirmed_is_sent_again_when_the_broker_confirms_something_else(
	void **state)
{
	int64_t due;

	(void)state;
	window_connected(&window, 1, 0);
	assert_int_equal(send_unconfirmed(0, 10), 1);
	window_confirmed(&window, 0, WINDOW_PASSED_US);
	assert_int_equal(window_due(&window, WINDOW_PASSED_US), INT64_MAX);
	window_confirmed(&window, 0, WINDOW_PASSED_US + 1);
	due = window_due(&window, WINDOW_PASSED_US + 1);
	assert_in_range(due, WINDOW_PASSED_US + 7 * SECOND, WINDOW_PASSED_US + 14 * SECOND);
	assert_int_equal(send_unconfirmed(due, 10), 1);
}

static void a_batch_that_is_never_answered_is_set_aside_when_others_are(void **state)
{
	int64_t now = 0;
	int64_t id = 1;

	(void)state;
	window_connected(&window, 0, 0);
	window_stored(&window, 1, 1, 0);
	assert_int_equal(send_one(0, 10), 1);
	for (int i = 0; i < 20 && !window.aside; i++) {
		id++;
		window_stored(&window, id, 1, now);
		assert_int_equal(send_one(now, 10), id);
		assert_true(window_acked(&window, id, now));
		now = window_due(&window, now);
		(void)send_one(now, 10);
	}
	assert_int_equal(window.aside, 1);
	assert_int_equal(window.in_flight, 0);
	assert_int_equal(window_due(&window, now), now + WINDOW_ASIDE_US);
	assert_int_equal(send_one(now + WINDOW_ASIDE_US, 10), 1);
	assert_true(window_acked(&window, 1, now + WINDOW_ASIDE_US));
	assert_int_equal(window.in_flight, 0);
	assert_int_equal(window.deferred, 0);
}

static void without_any_answer_nothing_is_set_aside(void **state)
{
	int64_t now = 0;

	(void)state;
	window_connected(&window, 1, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(send_one(now, 10), 1);
		now = window_due(&window, now);
	}
	assert_int_equal(window.aside, 0);
}

static void live_data_that_waits_too_long_becomes_backlog(void **state)
{
	int64_t now = 0;
	int64_t id = 0;

	(void)state;
	window_connected(&window, 0, 0);
	for (id = 1; id <= 8; id++) {
		window_stored(&window, id, 1, now);
		assert_int_equal(send_unconfirmed(now, 10), id);
	}
	for (; id < 30; id++) {
		now += SECOND;
		window_stored(&window, id, 1, now);
		assert_int_equal(send_unconfirmed(now, 10), 0);
	}
	for (int i = 1; i <= 8; i++) {
		window_confirmed(&window, i, now);
		assert_true(window_acked(&window, i, now));
	}
	/* The newest first: what waits less than ten seconds, each in its turn. */
	id = send_unconfirmed(now, 10);
	assert_in_range(id, 20, 29);
}

static void what_the_other_lane_has_sent_is_held(void **state)
{
	(void)state;
	window_connected(&window, 0, 0);
	window_stored(&window, 1, 1, 0);
	assert_int_equal(send_one(0, 10), 1);
	window_stored(&window, WINDOW_LIVE_LAG_MAX + 2, WINDOW_LIVE_LAG_MAX + 1, 0);
	assert_int_equal(window_choose(&window, 0).lane, WINDOW_BACKLOG);
	assert_true(window_holds(&window, 1));
	window_pass(&window, 1, WINDOW_BACKLOG);
	assert_int_equal(send_one(0, 10), 2);
	assert_true(window_acked(&window, 1, 0));
	assert_false(window_holds(&window, 1));
}

static void live_data_that_cannot_follow_becomes_backlog(void **state)
{
	(void)state;
	window_connected(&window, 0, 0);
	window_stored(&window, WINDOW_LIVE_LAG_MAX + 1, WINDOW_LIVE_LAG_MAX + 1, 0);
	window_stored(&window, WINDOW_LIVE_LAG_MAX + 2, 1, 0);
	assert_int_equal(send_one(0, 10), WINDOW_LIVE_LAG_MAX + 2);
	assert_int_equal(send_one(0, 10), 1);
}

static void ids_may_leap_between_epochs(void **state)
{
	(void)state;
	window_connected(&window, 0, 0);
	window_stored(&window, INT64_C(1) << 40, 1, 0);
	assert_int_equal(window_choose(&window, 0).lane, WINDOW_LIVE);
}

static void the_core_is_back_and_what_waited_goes_at_once(void **state)
{
	int64_t due;

	(void)state;
	window_connected(&window, 1, 0);
	assert_int_equal(send_one(0, 10), 1);
	due = window_due(&window, 0);
	assert_int_equal(send_one(due, 10), 1);
	assert_int_equal(send_one(due + 1, 10), 0);
	window_hurry(&window, due + 1);
	assert_int_equal(send_one(due + 1, 10), 1);
}

int suite_agent_window(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(live_batches_go_before_the_backlog, setup),
		cmocka_unit_test_setup(the_backlog_leaves_room_for_live_batches, setup),
		cmocka_unit_test_setup(bytes_close_the_window_too_but_never_for_one_batch, setup),
		cmocka_unit_test_setup(an_unacked_batch_is_sent_again_later_and_later, setup),
		cmocka_unit_test_setup(a_new_connection_starts_over_with_what_the_spool_holds,
				       setup),
		cmocka_unit_test_setup(a_range_without_batches_is_passed_over, setup),
		cmocka_unit_test_setup(what_was_passed_over_is_sent_after_all, setup),
		cmocka_unit_test_setup(what_comes_to_light_is_backlog, setup),
		cmocka_unit_test_setup(a_deferred_batch_waits_outside_the_window, setup),
		cmocka_unit_test_setup(too_many_deferred_batches_stay_in_the_window, setup),
		cmocka_unit_test_setup(the_backlog_keeps_its_rate, setup),
		cmocka_unit_test_setup(the_slowest_rate_is_kept_too, setup),
		cmocka_unit_test_setup(no_more_goes_than_the_broker_takes_at_once, setup),
		cmocka_unit_test_setup(a_broker_that_takes_one_publish_gets_one, setup),
		cmocka_unit_test_setup(the_backlog_leaves_live_batches_room_at_the_broker, setup),
		cmocka_unit_test_setup(what_the_broker_has_not_confirmed_is_not_sent_again, setup),
		cmocka_unit_test_setup(what_the_broker_has_passed_over_is_sent_again, setup),
		cmocka_unit_test_setup(
			what_is_long_unconfirmed_is_sent_again_when_the_broker_confirms_something_else,
			setup),
		cmocka_unit_test_setup(a_batch_that_is_never_answered_is_set_aside_when_others_are,
				       setup),
		cmocka_unit_test_setup(without_any_answer_nothing_is_set_aside, setup),
		cmocka_unit_test_setup(live_data_that_waits_too_long_becomes_backlog, setup),
		cmocka_unit_test_setup(what_the_other_lane_has_sent_is_held, setup),
		cmocka_unit_test_setup(live_data_that_cannot_follow_becomes_backlog, setup),
		cmocka_unit_test_setup(ids_may_leap_between_epochs, setup),
		cmocka_unit_test_setup(the_core_is_back_and_what_waited_goes_at_once, setup),
	};

	return cmocka_run_group_tests_name("agent.window", tests, NULL, NULL);
}
