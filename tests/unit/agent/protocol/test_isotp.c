#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/protocol/isotp.h"

int suite_agent_isotp(void);

static void a_single_frame_has_as_many_bytes_as_it_says(void **state)
{
	const uint8_t whole[] = {0x03, 0x41, 0x0d, 0x20, 0xaa, 0xaa, 0xaa, 0xaa};
	const uint8_t cut[] = {0x05, 0x41, 0x0d};
	const uint8_t empty[] = {0x00, 0x41};
	const uint8_t too_long[] = {0x08, 1, 2, 3, 4, 5, 6, 7};
	struct isotp_frame frame = isotp_frame_parse(whole, sizeof(whole), 8);

	(void)state;
	assert_int_equal(frame.type, ISOTP_SINGLE);
	assert_int_equal(frame.length, 3);
	assert_ptr_equal(frame.data, whole + 1);
	assert_int_equal(isotp_frame_parse(cut, sizeof(cut), 8).type, ISOTP_BAD);
	assert_int_equal(isotp_frame_parse(empty, sizeof(empty), 8).type, ISOTP_BAD);
	assert_int_equal(isotp_frame_parse(too_long, sizeof(too_long), 8).type, ISOTP_BAD);
}

static void a_first_frame_is_whole_and_says_more_than_one_frame_holds(void **state)
{
	const uint8_t good[] = {0x10, 0x14, 1, 2, 3, 4, 5, 6};
	const uint8_t short_frame[] = {0x10, 0x14, 1, 2, 3, 4, 5};
	const uint8_t small[] = {0x10, 0x07, 1, 2, 3, 4, 5, 6};
	const uint8_t escape[] = {0x10, 0x00, 0, 0, 1, 0, 5, 6};
	struct isotp_frame frame = isotp_frame_parse(good, 8, 8);

	(void)state;
	assert_int_equal(frame.type, ISOTP_FIRST);
	assert_int_equal(frame.length, 20);
	assert_int_equal(frame.count, 6);
	assert_int_equal(isotp_frame_parse(short_frame, 7, 8).type, ISOTP_BAD);
	assert_int_equal(isotp_frame_parse(small, 8, 8).type, ISOTP_BAD);
	assert_int_equal(isotp_frame_parse(escape, 8, 8).type, ISOTP_BAD);
}

static enum isotp_event push(struct isotp_rx *rx, const uint8_t *bytes, size_t len)
{
	const struct isotp_frame frame = isotp_frame_parse(bytes, len, 8);

	assert_int_equal(frame.type, ISOTP_CONSECUTIVE);
	return isotp_rx_push(rx, &frame);
}

static void start(struct isotp_rx *rx, uint8_t *room)
{
	const uint8_t first[] = {0x10, 0x10, 0, 1, 2, 3, 4, 5};
	const struct isotp_frame frame = isotp_frame_parse(first, 8, 8);

	isotp_rx_start(rx, &frame, room);
}

static void a_message_in_sequence_completes(void **state)
{
	const uint8_t second[] = {0x21, 6, 7, 8, 9, 10, 11, 12};
	const uint8_t last[] = {0x22, 13, 14, 15};
	uint8_t room[16];
	struct isotp_rx rx = {0};

	(void)state;
	start(&rx, room);
	assert_int_equal(push(&rx, second, sizeof(second)), ISOTP_MORE);
	assert_int_equal(push(&rx, last, sizeof(last)), ISOTP_COMPLETE);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(room[i], i);
	assert_int_equal(push(&rx, last, sizeof(last)), ISOTP_STRAY);
}

static void a_lost_or_short_frame_breaks_the_message(void **state)
{
	const uint8_t skipped[] = {0x22, 6, 7, 8, 9, 10, 11, 12};
	const uint8_t short_one[] = {0x21, 6, 7, 8};
	uint8_t room[16];
	struct isotp_rx rx = {0};

	(void)state;
	start(&rx, room);
	assert_int_equal(push(&rx, skipped, sizeof(skipped)), ISOTP_BROKEN);
	assert_int_equal(push(&rx, skipped, sizeof(skipped)), ISOTP_STRAY);
	start(&rx, room);
	assert_int_equal(push(&rx, short_one, sizeof(short_one)), ISOTP_BROKEN);
}

static void the_sequence_number_wraps(void **state)
{
	uint8_t first[] = {0x10, 0x80, 0, 0, 0, 0, 0, 0};
	uint8_t next[8] = {0};
	uint8_t room[128];
	struct isotp_frame frame = isotp_frame_parse(first, 8, 8);
	struct isotp_rx rx = {0};
	enum isotp_event event = ISOTP_MORE;
	unsigned frames = 0;

	(void)state;
	isotp_rx_start(&rx, &frame, room);
	while (event == ISOTP_MORE) {
		frames++;
		next[0] = (uint8_t)(0x20 | (frames & 0x0f));
		event = push(&rx, next, sizeof(next));
	}
	assert_int_equal(event, ISOTP_COMPLETE);
	assert_int_equal(frames, 18);
}

int suite_agent_isotp(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_single_frame_has_as_many_bytes_as_it_says),
		cmocka_unit_test(a_first_frame_is_whole_and_says_more_than_one_frame_holds),
		cmocka_unit_test(a_message_in_sequence_completes),
		cmocka_unit_test(a_lost_or_short_frame_breaks_the_message),
		cmocka_unit_test(the_sequence_number_wraps),
	};

	return cmocka_run_group_tests_name("agent.isotp", tests, NULL, NULL);
}
