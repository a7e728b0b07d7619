/* What every ISO-TP must do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/unit/agent/isotp_bench.h"

#define MS INT64_C(1000)
#define QUIET_US (300 * MS)

static uint8_t message[ISOTP_CHANNEL_MAX];
static uint8_t got[ISOTP_CHANNEL_MAX];

static void make_message(void)
{
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 7 + i / 256);
}

static ssize_t receive(struct isotp_bench *bench, struct isotp_channel *channel)
{
	return bench_receive(bench, channel, got, BENCH_PATIENCE_US);
}

/* The channel works. */
static void assert_good(struct isotp_bench *bench, struct isotp_channel *channel, struct unit *unit)
{
	const unsigned before = unit->messages;
	int r;

	/* What a failed message leaves behind in the kernel ends a moment later. */
	do {
		bench_step(bench);
		r = isotp_channel_send(channel, message, 20);
	} while (r == -EAGAIN);
	assert_int_equal(r, 0);
	bench_wait_messages(bench, unit, before + 1);
	unit_send(unit, message, 20);
	assert_int_equal(receive(bench, channel), 20);
	assert_memory_equal(got, message, 20);
}

static void there_and_back(struct isotp_bench *bench, struct isotp_channel *channel, size_t len)
{
	struct unit *unit = &bench->unit;
	const unsigned before = unit->messages;
	int r;

	unit->heard_count = 0;
	while ((r = isotp_channel_send(channel, message, len)) == -EAGAIN)
		bench_step(bench);
	assert_int_equal(r, 0);
	bench_wait_messages(bench, unit, before + 1);
	assert_int_equal(unit->session.rx_len, len);
	assert_memory_equal(unit->session.rx_data, message, len);
	for (size_t i = 0; i < unit->heard_count; i++)
		assert_int_equal(unit->heard[i].len, 8); /* padded */
	unit_send(unit, message, len);
	assert_int_equal(receive(bench, channel), len);
	assert_memory_equal(got, message, len);
}

static void messages_of_every_length_pass_both_ways(void **state)
{
	static const size_t lengths[] = {1,  2,   6,   7,   8,   12,  13,  14,   20,   21,
					 62, 110, 111, 112, 118, 255, 256, 1000, 4094, 4095};
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		there_and_back(bench, channel, lengths[i]);
	for (size_t len = 1; bench->thorough && len <= ISOTP_CHANNEL_MAX; len += len < 600 ? 1 : 31)
		there_and_back(bench, channel, len);
	assert_int_equal(isotp_channel_send(channel, message, 0), -EMSGSIZE);
	assert_int_equal(isotp_channel_send(channel, message, ISOTP_CHANNEL_MAX + 1), -EMSGSIZE);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -EAGAIN);
	isotp_channel_close(channel);
}

static void long_identifiers_are_others_than_short_ones(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel =
		bench_open(bench, &bench->unit, 0x18da10f1, 0x18daf110, false);

	/* The same number with 11 bits. */
	unit_open(bench, &bench->other, 0x110, 0x0f1, false);
	unit_send(&bench->other, message, 5);
	assert_int_equal(bench_receive(bench, channel, got, QUIET_US), -EAGAIN);
	there_and_back(bench, channel, 62);
	assert_true(bench->unit.heard[0].extended);
	isotp_channel_close(channel);
}

static void extended_addresses_leave_a_byte_less(void **state)
{
	static const uint8_t for_another[] = {0xf2, 2, 0x50, 0x03};
	static const size_t lengths[] = {1, 6, 7, 8, 62, 4095};
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x6f1, 0x607, true);
	struct canbus_frame frame = {.id = 0x607, .len = sizeof(for_another)};

	unit_open(bench, &bench->other, 0x608, 0x6f2, false);
	memcpy(frame.data, for_another, sizeof(for_another));
	assert_int_equal(canbus_write(bench->other.bus, &frame), 0);
	assert_int_equal(bench_receive(bench, channel, got, QUIET_US), -EAGAIN);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		there_and_back(bench, channel, lengths[i]);
	assert_int_equal(bench->unit.heard[0].data[0], 0x07);
	isotp_channel_close(channel);
}

static void a_frame_that_is_lost_or_spoilt_breaks_the_message(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	bench->unit.drop = 3;
	unit_send(&bench->unit, message, 62);
	assert_int_equal(receive(bench, channel), -EILSEQ);
	while (bench->unit.session.tx_busy)
		bench_step(bench);
	bench->unit.spoil = bench->unit.sent + 4;
	unit_send(&bench->unit, message, 62);
	assert_int_equal(receive(bench, channel), -EILSEQ);
	while (bench->unit.session.tx_busy)
		bench_step(bench);
	assert_good(bench, channel, &bench->unit);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -EAGAIN);
	isotp_channel_close(channel);
}

static void a_message_that_stops_in_the_middle_is_given_up_after_a_second(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);
	int64_t since;

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	bench->unit.drop = 3; /* the last */
	since = loop_now_us(bench->loop);
	unit_send(&bench->unit, message, 20);
	assert_int_equal(receive(bench, channel), -ETIMEDOUT);
	assert_in_range(loop_now_us(bench->loop) - since, 900 * MS, 3000 * MS);
	assert_good(bench, channel, &bench->unit);
	isotp_channel_close(channel);
}

static void without_flow_control_what_was_sent_is_given_up_after_a_second(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);
	int64_t since;

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	bench->unit.mute = true;
	since = loop_now_us(bench->loop);
	assert_int_equal(isotp_channel_send(channel, message, 30), 0);
	assert_int_equal(isotp_channel_send(channel, message, 3), -EAGAIN); /* still on its way */
	assert_int_equal(receive(bench, channel), -ECOMM);
	assert_in_range(loop_now_us(bench->loop) - since, 900 * MS, 3000 * MS);
	bench->unit.mute = false;
	assert_good(bench, channel, &bench->unit);
	isotp_channel_close(channel);
}

static void a_message_that_is_too_long_for_the_other_side_is_refused(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	bench->unit.status = 2;
	assert_int_equal(isotp_channel_send(channel, message, 30), 0);
	assert_int_equal(receive(bench, channel), -ECONNREFUSED);
	bench->unit.status = 0;
	assert_good(bench, channel, &bench->unit);
	isotp_channel_close(channel);
}

static void a_new_message_ends_the_one_that_was_coming(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	bench->unit.cut = 3;
	unit_send(&bench->unit, message, 62);
	assert_int_equal(receive(bench, channel), 3);
	assert_memory_equal(got, "\x7f\x22\x78", 3);
	assert_good(bench, channel, &bench->unit);
	isotp_channel_close(channel);
}

/* The least time between two of the consecutive frames that the unit heard, within their blocks: after
 * a flow control the next may come at once. */
static int64_t least_gap_us(const struct unit *unit, size_t block)
{
	int64_t least = INT64_MAX;

	for (size_t i = 2; i < unit->heard_count; i++) {
		const int64_t gap = unit->heard[i].mono_us - unit->heard[i - 1].mono_us;

		if ((i - 1) % block && gap < least)
			least = gap;
	}
	return least;
}

static void the_units_block_size_and_separation_are_kept(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	bench->unit.session.config.block = 3;
	bench->unit.session.config.separation = 20; /* ms */
	assert_int_equal(isotp_channel_send(channel, message, 80), 0);
	bench_wait_messages(bench, &bench->unit, 1);
	assert_memory_equal(bench->unit.session.rx_data, message, 80);
	assert_int_equal(bench->unit.heard_count, 12);
	/* Stamps are taken at the other end of a queue: a little jitter is theirs. */
	assert_true(least_gap_us(&bench->unit, 3) >= 19 * MS);
	isotp_channel_close(channel);
}

static void two_channels_talk_at_the_same_time(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *one = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);
	struct isotp_channel *two = bench_open(bench, &bench->other, 0x7e1, 0x7e9, false);

	bench->unit.session.config.separation = 2;
	bench->other.session.config.separation = 3;
	assert_int_equal(isotp_channel_send(one, message, 200), 0);
	assert_int_equal(isotp_channel_send(two, message + 100, 150), 0);
	unit_send(&bench->unit, message + 1, 300);
	unit_send(&bench->other, message + 2, 310);
	assert_int_equal(receive(bench, one), 300);
	assert_memory_equal(got, message + 1, 300);
	assert_int_equal(receive(bench, two), 310);
	assert_memory_equal(got, message + 2, 310);
	bench_wait_messages(bench, &bench->unit, 1);
	bench_wait_messages(bench, &bench->other, 1);
	assert_memory_equal(bench->unit.session.rx_data, message, 200);
	assert_memory_equal(bench->other.session.rx_data, message + 100, 150);
	isotp_channel_close(one);
	isotp_channel_close(two);
}

static void messages_wait_until_they_are_fetched(void **state)
{
	static const uint8_t pending[] = {0x7f, 0x22, 0x78};
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	for (int i = 0; i < 3; i++)
		unit_send(&bench->unit, pending, sizeof(pending));
	unit_send(&bench->unit, message, 62);
	while (bench->unit.session.tx_busy)
		bench_step(bench);
	for (int i = 0; i < 3; i++)
		assert_int_equal(receive(bench, channel), sizeof(pending));
	assert_int_equal(receive(bench, channel), 62);
	/* One that is longer than the room for it. */
	unit_send(&bench->unit, pending, sizeof(pending));
	for (int i = 0; i < 20; i++)
		bench_step(bench);
	assert_int_equal(isotp_channel_receive(channel, got, 2), -EMSGSIZE);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -EAGAIN);
	isotp_channel_close(channel);
}

static void a_request_to_everybody_is_one_frame(void **state)
{
	static const uint8_t request[] = {0x01, 0x00};
	const struct isotp_pair pair = {.tx = 0x7df, .functional = true};
	struct isotp_bench *bench = *state;
	struct isotp_channel *one, *two, *all;

	one = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);
	two = bench_open(bench, &bench->other, 0x7e1, 0x7e9, false);
	assert_int_equal(can_isotp_open(bench->isotp, &pair, &all), 0);
	assert_int_equal(canbus_set_filters(bench->unit.bus, NULL, 0), 0);
	assert_int_equal(isotp_channel_send(all, message, 8), -EMSGSIZE);
	assert_int_equal(isotp_channel_send(all, request, sizeof(request)), 0);
	bench_wait_messages(bench, &bench->unit, 1);
	assert_int_equal(bench->unit.heard[0].id, 0x7df);
	assert_memory_equal(bench->unit.heard[0].data, "\x02\x01\x00\xcc\xcc\xcc\xcc\xcc", 8);
	unit_send(&bench->unit, message, 6);
	unit_send(&bench->other, message, 20);
	assert_int_equal(receive(bench, one), 6);
	assert_int_equal(receive(bench, two), 20);
	assert_int_equal(isotp_channel_receive(all, got, sizeof(got)), -EAGAIN);
	isotp_channel_close(all);
	isotp_channel_close(one);
	isotp_channel_close(two);
}

static void an_interface_that_goes_down_is_told_and_comes_back(void **state)
{
	struct isotp_bench *bench = *state;
	struct isotp_channel *channel = bench_open(bench, &bench->unit, 0x7e0, 0x7e8, false);
	struct canbus_state told;

	unit_open(bench, &bench->other, 0x7e9, 0x7e1, false);
	bench->unit.mute = true;
	assert_int_equal(isotp_channel_send(channel, message, 30), 0);
	bench->set_link(bench, false);
	assert_int_equal(receive(bench, channel), -ENETDOWN);
	can_isotp_state(bench->isotp, &told);
	assert_int_equal(told.condition, CANBUS_DOWN);
	/* What was on its way may end a while later, and the kernel may tell that, too. */
	for (int i = 0; i < 400 && isotp_channel_send(channel, message, 3) == -EAGAIN; i++) {
		bench_step(bench);
		isotp_channel_receive(channel, got, sizeof(got));
	}
	assert_int_equal(isotp_channel_send(channel, message, 3), -ENETDOWN);
	bench->set_link(bench, true);
	bench->unit.mute = false;
	can_isotp_state(bench->isotp, &told);
	assert_int_equal(told.condition, CANBUS_ACTIVE);
	while (isotp_channel_receive(channel, got, sizeof(got)) != -EAGAIN)
		;
	assert_good(bench, channel, &bench->unit);
	isotp_channel_close(channel);
}

int isotp_cases_run(const char *name, struct isotp_bench *bench, int (*setup)(void **state),
		    int (*teardown)(void **state))
{
#define CASE(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, bench)
	const struct CMUnitTest tests[] = {
		CASE(messages_of_every_length_pass_both_ways),
		CASE(long_identifiers_are_others_than_short_ones),
		CASE(extended_addresses_leave_a_byte_less),
		CASE(a_frame_that_is_lost_or_spoilt_breaks_the_message),
		CASE(a_message_that_stops_in_the_middle_is_given_up_after_a_second),
		CASE(without_flow_control_what_was_sent_is_given_up_after_a_second),
		CASE(a_message_that_is_too_long_for_the_other_side_is_refused),
		CASE(a_new_message_ends_the_one_that_was_coming),
		CASE(the_units_block_size_and_separation_are_kept),
		CASE(two_channels_talk_at_the_same_time),
		CASE(messages_wait_until_they_are_fetched),
		CASE(a_request_to_everybody_is_one_frame),
		CASE(an_interface_that_goes_down_is_told_and_comes_back),
	};
#undef CASE

	make_message();
	return _cmocka_run_group_tests(name, tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
