#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "agent/source/isotp_own.h"
#include "hal/fake/can_fake.h"
#include "tests/unit/agent/isotp_bench.h"

int suite_agent_isotp_own(void);

#define SECOND INT64_C(1000000)

static struct clock_fake the_clock;
static struct can_fake *wire;

/* ---- the cases that every ISO-TP must pass ---- */

static void set_link(struct isotp_bench *bench, bool up)
{
	(void)bench;
	if (up)
		can_fake_up(wire);
	else
		can_fake_down(wire);
}

static int begin_case(void **state)
{
	struct isotp_bench *bench = *state;

	clock_fake_init(&the_clock, 0, SECOND);
	assert_int_equal(can_fake_create(&the_clock.clock, &wire), 0);
	bench->opener = can_fake_opener(wire);
	bench_begin(bench, &the_clock.clock);
	return 0;
}

static int end_case(void **state)
{
	struct isotp_bench *bench = *state;

	assert_int_equal(can_isotp_way(bench->isotp), CAN_ISOTP_OWN);
	bench_end(bench);
	assert_int_equal(can_fake_ends(wire), 0);
	can_fake_destroy(wire);
	return 0;
}

/* ---- what is ours alone ---- */

struct desk {
	struct loop *loop;
	struct isotp_own *own;
};

static const struct isotp_pair engine = {.tx = 0x7e0, .rx = 0x7e8};
static uint8_t text[ISOTP_CHANNEL_MAX];

static int begin(void **state)
{
	static struct desk desk;
	const struct canbus_options options = {0};
	struct canbus_opener *opener;
	struct canbus *bus;

	clock_fake_init(&the_clock, 0, SECOND);
	assert_int_equal(can_fake_create(&the_clock.clock, &wire), 0);
	assert_int_equal(loop_create(&the_clock.clock, &desk.loop), 0);
	opener = can_fake_opener(wire);
	assert_int_equal(opener->open(opener, "can0", &options, &bus), 0);
	assert_int_equal(isotp_own_create(desk.loop, bus, &desk.own), 0);
	*state = &desk;
	return 0;
}

static int end(void **state)
{
	struct desk *desk = *state;

	isotp_own_destroy(desk->own);
	assert_true(loop_due_us(desk->loop) == INT64_MAX); /* no timer is left */
	loop_destroy(desk->loop);
	assert_int_equal(can_fake_ends(wire), 0);
	can_fake_destroy(wire);
	return 0;
}

static struct isotp_channel *open_channel(struct desk *desk, const struct isotp_pair *pair)
{
	struct isotp_channel *channel;

	assert_int_equal(isotp_own_open(desk->own, pair, &channel), 0);
	return channel;
}

/* Lets everything happen that happens until then. */
static void pass(struct desk *desk, int64_t us)
{
	const int64_t until = loop_now_us(desk->loop) + us;

	for (;;) {
		int64_t due;

		while (loop_run_once(desk->loop, 0) > 0)
			;
		due = loop_due_us(desk->loop);
		if (due > until)
			break;
		if (due > loop_now_us(desk->loop))
			clock_fake_advance(&the_clock, due - loop_now_us(desk->loop));
	}
	clock_fake_advance(&the_clock, until - loop_now_us(desk->loop));
}

static int readable(const struct isotp_channel *channel)
{
	struct pollfd poll_fd = {.fd = isotp_channel_fd(channel), .events = POLLIN};

	return poll(&poll_fd, 1, 0);
}

static void two_channels_cannot_hear_the_same(void **state)
{
	static const struct isotp_pair wrong[] = {
		{.tx = 0x800, .rx = 0x100},
		{.tx = 0x100, .rx = 0x800},
		{.tx = 0x100, .rx = 0x100},
		{.tx = 0x20000000, .rx = 0x100, .extended = true},
	};
	const struct isotp_pair same = {.tx = 0x7e1, .rx = 0x7e8};
	const struct isotp_pair longer = {.tx = 0x7e1, .rx = 0x7e8, .extended = true};
	const struct isotp_pair all = {.tx = 0x7df, .functional = true};
	struct isotp_pair bmw = {.tx = 0x6f1, .rx = 0x612, .addressed = true, .tester = 0xf1};
	struct desk *desk = *state;
	struct isotp_channel *open[5], *none;

	open[0] = open_channel(desk, &engine);
	assert_int_equal(isotp_own_open(desk->own, &same, &none), -EADDRINUSE);
	open[1] = open_channel(desk, &longer);
	open[2] = open_channel(desk, &all);
	open[3] = open_channel(desk, &bmw);
	assert_int_equal(isotp_own_open(desk->own, &bmw, &none), -EADDRINUSE);
	bmw.tester = 0xf2;
	open[4] = open_channel(desk, &bmw);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(isotp_own_open(desk->own, &wrong[i], &none), -EINVAL);
	for (size_t i = 0; i < 5; i++)
		isotp_channel_close(open[i]);
	isotp_channel_close(open_channel(desk, &same)); /* free again */
}

static void only_what_channels_hear_passes_the_filter(void **state)
{
	struct desk *desk = *state;
	struct isotp_channel *channel;
	uint8_t got[8];

	can_fake_send_data(wire, 0x7e8, "\x01x", 2);
	pass(desk, 1000);
	assert_int_equal(isotp_own_counts(desk->own).frames, 0);
	channel = open_channel(desk, &engine);
	can_fake_send_data(wire, 0x7e8, "\x01y", 2);
	can_fake_send_data(wire, 0x7e9, "\x01z", 2);
	can_fake_send_data(wire, 0x7e8, "\x21z", 2); /* belongs to nothing */
	pass(desk, 1000);
	assert_int_equal(isotp_own_counts(desk->own).frames, 2);
	assert_int_equal(isotp_own_counts(desk->own).strays, 0);
	assert_int_equal(isotp_own_counts(desk->own).bad, 1);
	assert_int_equal(readable(channel), 1);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), 1);
	assert_int_equal(got[0], 'y');
	assert_int_equal(readable(channel), 0);
	isotp_channel_close(channel);
}

static void frames_go_to_the_channel_that_they_are_for(void **state)
{
	const struct isotp_pair pairs[] = {
		{.tx = 0x6f1, .rx = 0x612, .addressed = true, .target = 0x12, .tester = 0xf1},
		{.tx = 0x6f2, .rx = 0x612, .addressed = true, .target = 0x12, .tester = 0xf2},
		{.tx = 0x7e0, .rx = 0x612, .extended = true},
	};
	struct desk *desk = *state;
	struct isotp_channel *channels[3];
	uint8_t got[8];

	for (size_t i = 0; i < 3; i++)
		channels[i] = open_channel(desk, &pairs[i]);
	can_fake_send_data(wire, 0x612, "\xf1\x01z", 3);
	can_fake_send_data(wire, 0x612, "\xf2\x01y", 3);
	can_fake_send(wire, &(struct canbus_frame){
				    .id = 0x612, .extended = true, .len = 2, .data = {1, 'x'}});
	pass(desk, 1000);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(isotp_channel_receive(channels[i], got, sizeof(got)), 1);
		assert_int_equal(got[0], 'z' - i);
		assert_int_equal(isotp_channel_receive(channels[i], got, sizeof(got)), -EAGAIN);
		isotp_channel_close(channels[i]);
	}
	assert_int_equal(isotp_own_counts(desk->own).bad, 0);
}

static void a_full_queue_delays_and_then_fails(void **state)
{
	struct desk *desk = *state;
	struct isotp_channel *channel = open_channel(desk, &engine);
	uint8_t got[8];

	can_fake_limit_write(wire, 0);
	assert_int_equal(isotp_channel_send(channel, text, 5), 0);
	pass(desk, SECOND / 2);
	assert_int_equal(can_fake_written(wire), 0);
	assert_int_equal(isotp_channel_send(channel, text, 5), -EAGAIN);
	can_fake_limit_write(wire, 1);
	pass(desk, 5000);
	assert_int_equal(can_fake_written(wire), 1);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -EAGAIN);
	assert_int_equal(isotp_channel_send(channel, text, 5), 0);
	pass(desk, SECOND + 5000);
	assert_int_equal(readable(channel), 1);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -ECOMM);
	assert_int_equal(isotp_own_counts(desk->own).refused, 1);
	can_fake_limit_write(wire, SIZE_MAX);
	assert_int_equal(isotp_channel_send(channel, text, 5), 0);
	assert_int_equal(can_fake_written(wire), 2);
	isotp_channel_close(channel);
}

static void messages_that_nobody_fetches_are_counted_and_told(void **state)
{
	struct desk *desk = *state;
	struct isotp_channel *channel = open_channel(desk, &engine);
	unsigned fetched = 0;
	uint8_t got[8];

	for (int i = 0; i < 1000; i++)
		can_fake_send_data(wire, 0x7e8,
				   "\x07"
				   "1234567",
				   8);
	pass(desk, 1000);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -ENOBUFS);
	while (isotp_channel_receive(channel, got, sizeof(got)) == 7)
		fetched++;
	assert_int_equal(isotp_own_counts(desk->own).lost, 1000 - fetched);
	assert_true(fetched > 500);
	isotp_channel_close(channel);
}

static void a_unit_that_tells_to_wait_for_ever_has_refused(void **state)
{
	struct desk *desk = *state;
	struct isotp_channel *channel = open_channel(desk, &engine);
	uint8_t got[8];

	assert_int_equal(isotp_channel_send(channel, text, 30), 0);
	for (int i = 0; i < ISOTP_WAITS_MAX; i++) {
		can_fake_send_data(wire, 0x7e8, "\x31\0\0", 3);
		pass(desk, SECOND - 1000);
		assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -EAGAIN);
	}
	can_fake_send_data(wire, 0x7e8, "\x31\0\0", 3);
	pass(desk, 1000);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -ECONNREFUSED);
	isotp_channel_close(channel);
}

static void a_message_without_pauses_does_not_starve_others(void **state)
{
	struct desk *desk = *state;
	struct isotp_channel *channel = open_channel(desk, &engine);

	assert_int_equal(isotp_channel_send(channel, text, 4095), 0);
	can_fake_send_data(wire, 0x7e8, "\x30\0\0", 3);
	loop_run_once(desk->loop, 0);
	assert_in_range(can_fake_written(wire), 2, 20);
	pass(desk, SECOND);
	assert_int_equal(can_fake_written(wire), 1 + (4095 - 6 + 6) / 7);
	isotp_channel_close(channel);
}

static void an_interface_that_is_gone_ends_its_channels(void **state)
{
	struct desk *desk = *state;
	struct isotp_channel *channel = open_channel(desk, &engine), *late;
	uint8_t got[8];

	assert_int_equal(isotp_channel_send(channel, text, 30), 0);
	can_fake_remove(wire);
	pass(desk, 1000);
	assert_int_equal(readable(channel), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -ENODEV);
		assert_int_equal(isotp_channel_send(channel, text, 3), -ENODEV);
	}
	late = open_channel(desk, &(struct isotp_pair){.tx = 1, .rx = 2});
	assert_int_equal(isotp_channel_send(late, text, 3), -ENODEV);
	isotp_channel_close(late);
	isotp_channel_close(channel);
	pass(desk, SECOND); /* nothing spins */
}

static void every_channel_learns_once_that_the_interface_is_down(void **state)
{
	const struct isotp_pair gearbox = {.tx = 0x7e1, .rx = 0x7e9};
	struct desk *desk = *state;
	struct isotp_channel *one = open_channel(desk, &engine);
	struct isotp_channel *two = open_channel(desk, &gearbox);
	uint8_t got[8];

	for (int round = 0; round < 2; round++) {
		can_fake_down(wire);
		for (int i = 0; i < 3; i++) /* before the loop has read */
			assert_int_equal(isotp_channel_send(one, text, 3), -ENETDOWN);
		pass(desk, 1000);
		assert_int_equal(readable(one), 0);
		assert_int_equal(isotp_channel_receive(two, got, sizeof(got)), -ENETDOWN);
		assert_int_equal(isotp_channel_receive(two, got, sizeof(got)), -EAGAIN);
		can_fake_up(wire);
		assert_int_equal(isotp_channel_send(two, text, 3), 0);
		can_fake_down(wire);
		pass(desk, 1000);
		assert_int_equal(isotp_channel_receive(one, got, sizeof(got)), -ENETDOWN);
		assert_int_equal(isotp_channel_receive(two, got, sizeof(got)), -ENETDOWN);
		can_fake_up(wire);
		assert_int_equal(isotp_channel_send(one, text, 3), 0);
	}
	isotp_channel_close(one);
	isotp_channel_close(two);
}

static void what_was_on_its_way_ends_when_the_interface_goes_down(void **state)
{
	struct desk *desk = *state;
	struct isotp_channel *channel = open_channel(desk, &engine);
	uint8_t got[8];

	for (int round = 0; round < 2; round++) {
		assert_int_equal(isotp_channel_send(channel, text, 30), 0);
		can_fake_send_data(wire, 0x7e8, "\x10\x10\1\2\3\4\5\6", 8);
		pass(desk, 1000);
		can_fake_down(wire);
		pass(desk, 1000);
		assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -ENETDOWN);
		can_fake_up(wire);
		pass(desk, 2 * SECOND); /* nothing is late any more */
		assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -EAGAIN);
		/* Up again without a word of ours: what is heard shows it. */
		can_fake_send_data(wire, 0x7e8, "\x01x", 2);
		pass(desk, 1000);
		assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), 1);
	}
	can_fake_down(wire);
	pass(desk, 1000);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -ENETDOWN);
	can_fake_up(wire);
	can_fake_send_data(wire, 0x7e8, "\x01x", 2);
	pass(desk, 1000);
	can_fake_down(wire);
	pass(desk, 1000);
	assert_int_equal(isotp_channel_receive(channel, got, sizeof(got)), -ENETDOWN);
	isotp_channel_close(channel);
}

static void what_cannot_be_written_is_told_at_once(void **state)
{
	struct desk *desk = *state;
	struct isotp_channel *channel = open_channel(desk, &engine);
	struct canbus_state told;

	can_fake_set_silent(wire, true);
	assert_int_equal(isotp_channel_send(channel, text, 30), -EPERM);
	isotp_own_state(desk->own, &told);
	assert_true(told.silent);
	can_fake_set_silent(wire, false);
	assert_int_equal(isotp_channel_send(channel, text, 30), 0);
	isotp_channel_close(channel);
}

static void many_channels_open_the_filter(void **state)
{
	enum { MANY = CANBUS_FILTERS_MAX + 4 };
	struct desk *desk = *state;
	struct isotp_channel *channels[MANY];
	uint8_t got[8];

	for (uint32_t i = 0; i < MANY; i++)
		channels[i] =
			open_channel(desk, &(struct isotp_pair){.tx = 0x100, .rx = 0x200 + i});
	for (uint32_t i = 0; i < MANY; i++)
		can_fake_send_data(wire, 0x200 + i, "\x01q", 2);
	can_fake_send_data(wire, 0x400, "\x01q", 2);
	pass(desk, 1000);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(isotp_channel_receive(channels[i], got, sizeof(got)), 1);
		isotp_channel_close(channels[i]);
	}
	assert_int_equal(isotp_own_counts(desk->own).strays, 1);
}

static void the_kernel_comes_first_where_it_can(void **state)
{
	struct desk *desk = *state;
	struct can_isotp *isotp;
	struct isotp_channel *channel;

	can_fake_fail_open(wire, -ENODEV);
	assert_int_equal(
		can_isotp_create(desk->loop, can_fake_opener(wire), "can0", CAN_ISOTP_ANY, &isotp),
		-ENODEV);
	assert_int_equal(can_isotp_create(desk->loop, can_fake_opener(wire), "no/name",
					  CAN_ISOTP_ANY, &isotp),
			 -ENODEV);
	assert_int_equal(can_isotp_create(desk->loop, can_fake_opener(wire), "can0",
					  CAN_ISOTP_KERNEL, &isotp),
			 0);
	assert_int_equal(can_isotp_open(isotp, &engine, &channel), -EPROTONOSUPPORT);
	assert_int_equal(can_isotp_way(isotp), CAN_ISOTP_ANY);
	can_isotp_destroy(isotp);
	assert_int_equal(
		can_isotp_create(desk->loop, can_fake_opener(wire), "can0", CAN_ISOTP_ANY, &isotp),
		0);
	assert_int_equal(can_isotp_open(isotp, &engine, &channel), 0);
	assert_int_equal(can_isotp_way(isotp), CAN_ISOTP_OWN);
	assert_string_equal(can_fake_interface(wire), "can0");
	isotp_channel_close(channel);
	can_isotp_destroy(isotp);
}

int suite_agent_isotp_own(void)
{
	struct isotp_bench bench = {
		.interface = "can0", .way = CAN_ISOTP_ANY, .set_link = set_link, .thorough = true};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_channels_cannot_hear_the_same, begin, end),
		cmocka_unit_test_setup_teardown(only_what_channels_hear_passes_the_filter, begin,
						end),
		cmocka_unit_test_setup_teardown(frames_go_to_the_channel_that_they_are_for, begin,
						end),
		cmocka_unit_test_setup_teardown(a_full_queue_delays_and_then_fails, begin, end),
		cmocka_unit_test_setup_teardown(messages_that_nobody_fetches_are_counted_and_told,
						begin, end),
		cmocka_unit_test_setup_teardown(a_unit_that_tells_to_wait_for_ever_has_refused,
						begin, end),
		cmocka_unit_test_setup_teardown(a_message_without_pauses_does_not_starve_others,
						begin, end),
		cmocka_unit_test_setup_teardown(an_interface_that_is_gone_ends_its_channels, begin,
						end),
		cmocka_unit_test_setup_teardown(
			every_channel_learns_once_that_the_interface_is_down, begin, end),
		cmocka_unit_test_setup_teardown(
			what_was_on_its_way_ends_when_the_interface_goes_down, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_is_told_at_once, begin, end),
		cmocka_unit_test_setup_teardown(many_channels_open_the_filter, begin, end),
		cmocka_unit_test_setup_teardown(the_kernel_comes_first_where_it_can, begin, end),
	};

	return isotp_cases_run("agent_isotp_own, every ISO-TP", &bench, begin_case, end_case) +
	       cmocka_run_group_tests_name("agent_isotp_own", tests, NULL, NULL);
}
