#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/isotp_session.h"

int suite_agent_isotp_session(void);

#define MS INT64_C(1000)
#define STEPS 4000

static struct isotp_session tester, unit;
static uint8_t message[ISOTP_MESSAGE_MAX];

static int begin(void **state)
{
	struct isotp_session_config config = isotp_tester_config();

	(void)state;
	isotp_session_init(&tester, &config);
	isotp_session_init(&unit, &config);
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 7 + i / 256);
	return 0;
}

/* Gives `session` frames and lets time pass in steps of a millisecond until nothing is going on.
 * Returns the event that the receiver came to. */
static enum isotp_session_event talk(struct isotp_session *from, struct isotp_session *to,
				     int64_t *now)
{
	enum isotp_session_event result = ISOTP_SESSION_NOTHING;

	for (int step = 0; step < STEPS; step++, *now += MS) {
		struct isotp_session *both[] = {from, to};

		for (int i = 0; i < 2; i++) {
			uint8_t frame[ISOTP_FRAME_MAX];
			enum isotp_session_event event;
			size_t len;

			event = isotp_session_next(both[i], *now, frame, &len);
			if (event > ISOTP_SESSION_SENT)
				return event;
			if (!len)
				continue;
			event = isotp_session_take(both[1 - i], frame, len, *now);
			if (event == ISOTP_SESSION_MESSAGE || event > ISOTP_SESSION_SENT)
				result = event;
		}
		if (result != ISOTP_SESSION_NOTHING)
			return result;
	}
	return result;
}

static void messages_of_every_length_arrive_whole(void **state)
{
	static const size_t lengths[] = {1, 6, 7, 8, 13, 14, 62, 111, 112, 4094, 4095};
	int64_t now = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_true(isotp_session_send(&unit, message, lengths[i], now));
		assert_int_equal(talk(&unit, &tester, &now), ISOTP_SESSION_MESSAGE);
		assert_int_equal(tester.rx_len, lengths[i]);
		assert_memory_equal(tester.rx_data, message, lengths[i]);
		assert_true(isotp_session_due(&unit) == INT64_MAX);
	}
	assert_int_equal(tester.counts.bad, 0);
}

static void extended_addresses_leave_a_byte_less(void **state)
{
	int64_t now = 0;
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	(void)state;
	tester.config.extended = true;
	tester.config.target = 0x07;
	tester.config.tester = 0xf1;
	unit.config.extended = true;
	unit.config.target = 0xf1;
	unit.config.tester = 0x07;
	assert_true(isotp_session_send(&unit, message, 7, now)); /* one more than fits */
	assert_int_equal(talk(&unit, &tester, &now), ISOTP_SESSION_MESSAGE);
	assert_memory_equal(tester.rx_data, message, 7);
	assert_true(isotp_session_send(&tester, message, 6, now));
	isotp_session_next(&tester, now, frame, &len);
	assert_int_equal(frame[0], 0x07);
	assert_int_equal(frame[1], 0x06);
	frame[0] = 0x12; /* for another unit */
	assert_int_equal(isotp_session_take(&unit, frame, len, now), ISOTP_SESSION_NOTHING);
	assert_int_equal(unit.counts.bad, 1);
}

static void the_receivers_flow_control_is_obeyed(void **state)
{
	static const uint8_t go[] = {0x30, 2, 10};
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	(void)state;
	isotp_session_send(&unit, message, 30, 0);
	isotp_session_next(&unit, 0, frame, &len);
	assert_int_equal(frame[0], 0x10);
	isotp_session_next(&unit, 1, frame, &len);
	assert_int_equal(len, 0); /* nothing without a flow control */
	isotp_session_take(&unit, go, sizeof(go), 2 * MS);
	isotp_session_next(&unit, 2 * MS, frame, &len);
	assert_int_equal(frame[0], 0x21);
	isotp_session_next(&unit, 11 * MS, frame, &len);
	assert_int_equal(len, 0); /* ten milliseconds apart */
	assert_true(isotp_session_due(&unit) == 12 * MS);
	isotp_session_next(&unit, 12 * MS, frame, &len);
	assert_int_equal(frame[0], 0x22);
	isotp_session_next(&unit, 100 * MS, frame, &len);
	assert_int_equal(len, 0); /* two frames, then ask again */
	isotp_session_take(&unit, go, sizeof(go), 100 * MS);
	isotp_session_next(&unit, 100 * MS, frame, &len);
	assert_int_equal(frame[0], 0x23);
	assert_int_equal(isotp_session_next(&unit, 110 * MS, frame, &len), ISOTP_SESSION_SENT);
	assert_int_equal(frame[0], 0x24);
	assert_int_equal(frame[4], 0xcc); /* 30 - 6 - 21 = 3 bytes, then padding */
}

static void our_own_flow_control_asks_for_blocks(void **state)
{
	int64_t now = 0;

	(void)state;
	tester.config.block = 3;
	tester.config.separation = 0xf5;
	assert_true(isotp_session_send(&unit, message, 200, now));
	assert_int_equal(talk(&unit, &tester, &now), ISOTP_SESSION_MESSAGE);
	assert_memory_equal(tester.rx_data, message, 200);
	assert_true(unit.tx_gap_us == 500);
}

static void separation_times_are_read_as_the_standard_says(void **state)
{
	(void)state;
	assert_true(isotp_separation_us(0) == 0);
	assert_true(isotp_separation_us(0x7f) == 127 * MS);
	assert_true(isotp_separation_us(0x80) == 127 * MS);
	assert_true(isotp_separation_us(0xf1) == 100);
	assert_true(isotp_separation_us(0xf9) == 900);
	assert_true(isotp_separation_us(0xfa) == 127 * MS);
}

static void a_lost_frame_breaks_the_message(void **state)
{
	static const uint8_t first[] = {0x10, 20, 1, 2, 3, 4, 5, 6};
	static const uint8_t second[] = {0x22, 1, 2, 3, 4, 5, 6, 7};

	(void)state;
	isotp_session_take(&tester, first, sizeof(first), 0);
	assert_int_equal(isotp_session_take(&tester, second, sizeof(second), MS),
			 ISOTP_SESSION_BROKEN);
	assert_int_equal(isotp_session_take(&tester, second, sizeof(second), MS),
			 ISOTP_SESSION_NOTHING);
	assert_int_equal(tester.counts.broken, 1);
	assert_int_equal(tester.counts.bad, 1);
}

static void a_frame_that_does_not_come_is_told_in_time(void **state)
{
	static const uint8_t first[] = {0x10, 20, 1, 2, 3, 4, 5, 6};
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	(void)state;
	isotp_session_take(&tester, first, sizeof(first), 0);
	isotp_session_next(&tester, 0, frame, &len);
	assert_int_equal(frame[0], 0x30);
	assert_true(isotp_session_due(&tester) == 1000 * MS);
	assert_int_equal(isotp_session_next(&tester, 999 * MS, frame, &len), ISOTP_SESSION_NOTHING);
	assert_int_equal(isotp_session_next(&tester, 1000 * MS, frame, &len),
			 ISOTP_SESSION_RX_LATE);
	isotp_session_send(&tester, message, 20, 2000 * MS);
	isotp_session_next(&tester, 2000 * MS, frame, &len);
	assert_int_equal(isotp_session_next(&tester, 3000 * MS, frame, &len),
			 ISOTP_SESSION_TX_LATE);
	assert_true(isotp_session_due(&tester) == INT64_MAX);
}

static void a_receiver_may_ask_to_wait_but_not_for_ever(void **state)
{
	static const uint8_t wait[] = {0x31, 0, 0};
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	(void)state;
	isotp_session_send(&tester, message, 20, 0);
	isotp_session_next(&tester, 0, frame, &len);
	for (int i = 0; i < ISOTP_WAITS_MAX; i++)
		assert_int_equal(isotp_session_take(&tester, wait, 3, 900 * MS * i),
				 ISOTP_SESSION_NOTHING);
	assert_int_equal(isotp_session_take(&tester, wait, 3, 9000 * MS), ISOTP_SESSION_TX_REFUSED);
}

static void an_overflow_ends_the_sending(void **state)
{
	static const uint8_t overflow[] = {0x32, 0, 0};
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	(void)state;
	isotp_session_send(&tester, message, 20, 0);
	isotp_session_next(&tester, 0, frame, &len);
	assert_int_equal(isotp_session_take(&tester, overflow, 3, 1), ISOTP_SESSION_TX_REFUSED);
	assert_true(isotp_session_send(&tester, message, 20, 2));
}

static void a_new_message_replaces_the_one_that_was_coming_in(void **state)
{
	static const uint8_t first[] = {0x10, 20, 1, 2, 3, 4, 5, 6};
	static const uint8_t single[] = {0x03, 0x7f, 0x22, 0x31};
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	(void)state;
	isotp_session_take(&tester, first, sizeof(first), 0);
	assert_int_equal(isotp_session_take(&tester, single, sizeof(single), 1),
			 ISOTP_SESSION_MESSAGE);
	assert_int_equal(tester.rx_len, 3);
	isotp_session_next(&tester, 2, frame, &len);
	assert_int_equal(len, 0); /* no flow control for what is gone */
	assert_int_equal(tester.counts.replaced, 1);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	(void)state;
	assert_false(isotp_session_send(&tester, message, 0, 0));
	assert_false(isotp_session_send(&tester, message, ISOTP_MESSAGE_MAX + 1, 0));
	assert_true(isotp_session_send(&tester, message, 1, 0));
	assert_false(isotp_session_send(&tester, message, 1, 0));
	isotp_session_reset(&tester);
	assert_true(isotp_session_send(&tester, message, 1, 0));
}

static void a_flow_control_that_nobody_waits_for_is_counted(void **state)
{
	static const uint8_t go[] = {0x30, 0, 0};
	static const uint8_t cut[] = {0x30, 0};
	uint8_t frame[ISOTP_FRAME_MAX];
	size_t len;

	(void)state;
	isotp_session_take(&tester, go, sizeof(go), 0);
	isotp_session_send(&tester, message, 20, 0);
	isotp_session_take(&tester, go, sizeof(go), 0); /* before the first frame */
	isotp_session_next(&tester, 0, frame, &len);
	isotp_session_take(&tester, cut, sizeof(cut), 0);
	assert_int_equal(tester.counts.bad, 3);
	isotp_session_next(&tester, 1, frame, &len);
	assert_int_equal(len, 0);
}

int suite_agent_isotp_session(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(messages_of_every_length_arrive_whole, begin),
		cmocka_unit_test_setup(extended_addresses_leave_a_byte_less, begin),
		cmocka_unit_test_setup(the_receivers_flow_control_is_obeyed, begin),
		cmocka_unit_test_setup(our_own_flow_control_asks_for_blocks, begin),
		cmocka_unit_test(separation_times_are_read_as_the_standard_says),
		cmocka_unit_test_setup(a_lost_frame_breaks_the_message, begin),
		cmocka_unit_test_setup(a_frame_that_does_not_come_is_told_in_time, begin),
		cmocka_unit_test_setup(a_receiver_may_ask_to_wait_but_not_for_ever, begin),
		cmocka_unit_test_setup(an_overflow_ends_the_sending, begin),
		cmocka_unit_test_setup(a_new_message_replaces_the_one_that_was_coming_in, begin),
		cmocka_unit_test_setup(what_cannot_be_sent_is_refused, begin),
		cmocka_unit_test_setup(a_flow_control_that_nobody_waits_for_is_counted, begin),
	};

	return cmocka_run_group_tests_name("agent.isotp_session", tests, NULL, NULL);
}
