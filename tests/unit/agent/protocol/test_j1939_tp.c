#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/j1939_tp.h"

int suite_agent_j1939_tp(void);

#define MS INT64_C(1000)

static struct j1939_tp tp;
static struct j1939_tp_result result;
static int64_t now;

/* Identifier and bytes; true where a message is whole. */
static bool frame(uint32_t can_id, const uint8_t *data, size_t len)
{
	const struct j1939_id id = j1939_id_parse(can_id);

	now += 10 * MS;
	j1939_tp_feed(&tp, &id, data, len, now, &result);
	return result.data != NULL;
}

#define FRAME(can_id, ...)                                                                         \
	frame(can_id, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static int begin(void **state)
{
	(void)state;
	now = 0;
	j1939_tp_init(&tp, J1939_NULL);
	return 0;
}

static void a_broadcast_of_three_packets_is_one_message(void **state)
{
	static const uint8_t expected[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
					   11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

	(void)state;
	assert_false(FRAME(0x18ecff80, 0x20, 20, 0, 3, 0xff, 0xca, 0xfe, 0));
	assert_false(FRAME(0x18ebff80, 1, 1, 2, 3, 4, 5, 6, 7));
	assert_false(FRAME(0x18ebff80, 2, 8, 9, 10, 11, 12, 13, 14));
	assert_true(FRAME(0x18ebff80, 3, 15, 16, 17, 18, 19, 20, 0xff));
	assert_int_equal(result.len, sizeof(expected));
	assert_memory_equal(result.data, expected, sizeof(expected));
	assert_int_equal(result.id.pgn, J1939_PGN_DM1);
	assert_int_equal(result.id.source, 0x80);
	assert_false(result.reply);
	assert_int_equal(tp.counts.complete, 1);
}

static void two_senders_interleave(void **state)
{
	(void)state;
	FRAME(0x18ecff80, 0x20, 9, 0, 2, 0xff, 0xca, 0xfe, 0);
	FRAME(0x18ecff21, 0x20, 10, 0, 2, 0xff, 0xec, 0xfe, 0);
	FRAME(0x18ebff21, 1, 'A', 'B', 'C', 'D', 'E', 'F', 'G');
	FRAME(0x18ebff80, 1, 1, 2, 3, 4, 5, 6, 7);
	assert_true(FRAME(0x18ebff80, 2, 8, 9));
	assert_int_equal(result.id.source, 0x80);
	assert_true(FRAME(0x18ebff21, 2, 'H', 'I', 'J', 0xff, 0xff, 0xff, 0xff));
	assert_memory_equal(result.data, "ABCDEFGHIJ", 10);
}

static void a_lost_packet_loses_the_message(void **state)
{
	(void)state;
	FRAME(0x18ecff80, 0x20, 20, 0, 3, 0xff, 0xca, 0xfe, 0);
	FRAME(0x18ebff80, 1, 1, 2, 3, 4, 5, 6, 7);
	assert_false(FRAME(0x18ebff80, 3, 15, 16, 17, 18, 19, 20, 0xff));
	assert_int_equal(tp.counts.broken, 1);
	assert_false(FRAME(0x18ebff80, 2, 8, 9, 10, 11, 12, 13, 14));
	assert_int_equal(tp.counts.stray, 1);
}

static void a_packet_that_is_too_short_loses_the_message(void **state)
{
	(void)state;
	FRAME(0x18ecff80, 0x20, 20, 0, 3, 0xff, 0xca, 0xfe, 0);
	assert_false(FRAME(0x18ebff80, 1, 1, 2, 3));
	assert_int_equal(tp.counts.broken, 1);
}

static void a_packet_that_comes_too_late_is_stray(void **state)
{
	(void)state;
	FRAME(0x18ecff80, 0x20, 9, 0, 2, 0xff, 0xca, 0xfe, 0);
	FRAME(0x18ebff80, 1, 1, 2, 3, 4, 5, 6, 7);
	now += 741 * MS; /* and 10 more with the frame: 751 */
	assert_false(FRAME(0x18ebff80, 2, 8, 9));
	assert_int_equal(tp.counts.late, 1);
	assert_int_equal(tp.counts.stray, 1);
}

static void a_new_broadcast_replaces_the_one_that_was_going_on(void **state)
{
	(void)state;
	FRAME(0x18ecff80, 0x20, 20, 0, 3, 0xff, 0xca, 0xfe, 0);
	FRAME(0x18ebff80, 1, 1, 2, 3, 4, 5, 6, 7);
	FRAME(0x18ecff80, 0x20, 9, 0, 2, 0xff, 0xcb, 0xfe, 0);
	assert_int_equal(tp.counts.broken, 1);
	FRAME(0x18ebff80, 1, 1, 2, 3, 4, 5, 6, 7);
	assert_true(FRAME(0x18ebff80, 2, 8, 9));
	assert_int_equal(result.id.pgn, J1939_PGN_DM2);
}

static void headers_that_contradict_themselves_are_refused(void **state)
{
	(void)state;
	FRAME(0x18ecff80, 0x20, 8, 0, 2, 0xff, 0xca, 0xfe, 0);         /* fits one frame */
	FRAME(0x18ecff80, 0x20, 20, 0, 4, 0xff, 0xca, 0xfe, 0);        /* three packets, not four */
	FRAME(0x18ecff80, 0x20, 0xfa, 0x06, 255, 0xff, 0xca, 0xfe, 0); /* 1,786 bytes */
	FRAME(0x18ec2180, 0x20, 20, 0, 3, 0xff, 0xca, 0xfe, 0);        /* a broadcast to one */
	FRAME(0x18ecff80, 0x10, 20, 0, 3, 0xff, 0xca, 0xfe, 0);        /* a handshake with all */
	FRAME(0x18ecff80, 0x20, 20, 0, 3, 0xff, 0xca);                 /* cut */
	FRAME(0x18ecff80, 0x42, 20, 0, 3, 0xff, 0xca, 0xfe, 0);        /* no such control byte */
	assert_int_equal(tp.counts.malformed, 7);
}

static void what_others_send_each_other_is_overheard(void **state)
{
	(void)state;
	FRAME(0x18ec9080, 0x10, 20, 0, 3, 3, 0, 0x23, 1);
	FRAME(0x18ec8090, 0x11, 3, 1, 0xff, 0xff, 0, 0x23, 1);
	FRAME(0x18eb9080, 1, 1, 2, 3, 4, 5, 6, 7);
	FRAME(0x18eb9080, 2, 8, 9, 10, 11, 12, 13, 14);
	FRAME(0x18ec8090, 0x11, 2, 2, 0xff, 0xff, 0, 0x23, 1); /* the second again */
	FRAME(0x18eb9080, 2, 8, 9, 10, 11, 12, 13, 14);
	assert_true(FRAME(0x18eb9080, 3, 15, 16, 17, 18, 19, 20, 0xff));
	assert_int_equal(result.len, 20);
	assert_int_equal(result.id.destination, 0x90);
	assert_int_equal(result.data[7], 8);
	assert_false(result.reply);
	FRAME(0x18ec8090, 0x13, 20, 0, 3, 0xff, 0, 0x23, 1);
	assert_int_equal(tp.counts.malformed, 0);
}

static void either_side_may_abort(void **state)
{
	(void)state;
	FRAME(0x18ec9080, 0x10, 20, 0, 3, 3, 0, 0x23, 1);
	FRAME(0x18ec8090, 0xff, 1, 0xff, 0xff, 0xff, 0, 0x23, 1);
	FRAME(0x18ec9080, 0x10, 20, 0, 3, 3, 0, 0x23, 1);
	FRAME(0x18ec9080, 0xff, 1, 0xff, 0xff, 0xff, 0, 0x23, 1);
	assert_int_equal(tp.counts.aborted, 2);
	assert_false(FRAME(0x18eb9080, 1, 1, 2, 3, 4, 5, 6, 7));
}

static void what_is_for_us_is_answered_window_by_window(void **state)
{
	uint8_t packet[8] = {0};

	(void)state;
	j1939_tp_init(&tp, 0x90);
	FRAME(0x18ec9080, 0x10, 140, 0, 20, 0xff, 0, 0x23, 1);
	assert_true(result.reply);
	assert_int_equal(j1939_id_make(&result.reply_id), 0x1cec8090);
	assert_memory_equal(result.reply_data, "\x11\x10\x01\xff\xff\x00\x23\x01", 8);
	for (packet[0] = 1; packet[0] < 16; packet[0]++) {
		frame(0x18eb9080, packet, 8);
		assert_false(result.reply);
	}
	frame(0x18eb9080, packet, 8);
	assert_true(result.reply);
	assert_memory_equal(result.reply_data, "\x11\x04\x11\xff\xff\x00\x23\x01", 8);
	for (packet[0] = 17; packet[0] < 20; packet[0]++)
		frame(0x18eb9080, packet, 8);
	assert_true(frame(0x18eb9080, packet, 8));
	assert_true(result.reply);
	assert_memory_equal(result.reply_data, "\x13\x8c\x00\x14\xff\x00\x23\x01", 8);
}

static void more_sessions_than_room_are_counted(void **state)
{
	(void)state;
	for (unsigned source = 0; source < J1939_TP_SESSIONS + 1; source++) {
		now -= 10 * MS; /* all at once */
		FRAME(0x18ecff00 | source, 0x20, 20, 0, 3, 0xff, 0xca, 0xfe, 0);
	}
	assert_int_equal(tp.counts.no_room, 1);
}

int suite_agent_j1939_tp(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_broadcast_of_three_packets_is_one_message, begin),
		cmocka_unit_test_setup(two_senders_interleave, begin),
		cmocka_unit_test_setup(a_lost_packet_loses_the_message, begin),
		cmocka_unit_test_setup(a_packet_that_is_too_short_loses_the_message, begin),
		cmocka_unit_test_setup(a_packet_that_comes_too_late_is_stray, begin),
		cmocka_unit_test_setup(a_new_broadcast_replaces_the_one_that_was_going_on, begin),
		cmocka_unit_test_setup(headers_that_contradict_themselves_are_refused, begin),
		cmocka_unit_test_setup(what_others_send_each_other_is_overheard, begin),
		cmocka_unit_test_setup(either_side_may_abort, begin),
		cmocka_unit_test_setup(what_is_for_us_is_answered_window_by_window, begin),
		cmocka_unit_test_setup(more_sessions_than_room_are_counted, begin),
	};

	return cmocka_run_group_tests_name("agent.j1939_tp", tests, NULL, NULL);
}
