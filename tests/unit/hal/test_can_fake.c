#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "hal/fake/can_fake.h"

int suite_hal_can_fake(void);

struct bench {
	struct clock_fake clock;
	struct can_fake *fake;
	struct canbus *here, *there;
};

static struct canbus *open_end(struct bench *bench, const struct canbus_options *options)
{
	struct canbus_opener *opener = can_fake_opener(bench->fake);
	struct canbus *bus;

	assert_int_equal(opener->open(opener, "can0", options, &bus), 0);
	return bus;
}

static int begin(void **state)
{
	static struct bench bench;
	const struct canbus_options options = {0};

	memset(&bench, 0, sizeof(bench));
	clock_fake_init(&bench.clock, 0, 5000);
	assert_int_equal(can_fake_create(&bench.clock.clock, &bench.fake), 0);
	bench.here = open_end(&bench, &options);
	bench.there = open_end(&bench, &options);
	*state = &bench;
	return 0;
}

static int end(void **state)
{
	struct bench *bench = *state;

	canbus_close(bench->here);
	canbus_close(bench->there);
	assert_int_equal(can_fake_ends(bench->fake), 0);
	can_fake_destroy(bench->fake);
	return 0;
}

static int readable(struct canbus *bus)
{
	struct pollfd poll_fd = {.fd = canbus_fd(bus), .events = POLLIN};

	return poll(&poll_fd, 1, 0);
}

static enum canbus_condition condition(struct canbus *bus)
{
	struct canbus_state state;

	canbus_state(bus, &state);
	return state.condition;
}

static void frames_come_to_all_others_with_their_time(void **state)
{
	struct bench *bench = *state;
	const struct canbus_frame frame = {.id = 0x123, .len = 2, .data = {1, 2}};
	struct canbus_frame got[4];

	assert_int_equal(canbus_write(bench->here, &frame), 0);
	assert_int_equal(readable(bench->here), 0);
	assert_int_equal(canbus_read(bench->here, got, 4), -EAGAIN);
	assert_int_equal(readable(bench->there), 1);
	assert_int_equal(canbus_read(bench->there, got, 4), 1);
	assert_int_equal(got[0].id, 0x123);
	assert_int_equal(got[0].len, 2);
	assert_int_equal(got[0].mono_us, 5000);
	assert_int_equal(readable(bench->there), 0);
}

static void filters_tell_identifiers_and_their_length(void **state)
{
	struct bench *bench = *state;
	const struct canbus_filter filter = {.id = 0x7e8, .mask = 0x7f8};
	struct canbus_frame got[8];

	assert_int_equal(canbus_set_filters(bench->here, &filter, 1), 0);
	can_fake_send_data(bench->fake, 0x7ef, "a", 1);
	can_fake_send_data(bench->fake, 0x7df, "b", 1);
	can_fake_send(bench->fake, &(struct canbus_frame){.id = 0x7e8, .extended = true});
	assert_int_equal(canbus_read(bench->here, got, 8), 1);
	assert_int_equal(got[0].id, 0x7ef);
	assert_int_equal(canbus_read(bench->there, got, 8), 3);
	assert_int_equal(canbus_set_filters(bench->here, &filter, 0), 0);
	can_fake_send_data(bench->fake, 0x7ef, "a", 1);
	assert_int_equal(canbus_read(bench->here, got, 8), -EAGAIN);
	assert_int_equal(canbus_set_filters(bench->here, NULL, 0), 0);
	can_fake_send_data(bench->fake, 0x7df, "a", 1);
	assert_int_equal(canbus_read(bench->here, got, 8), 1);
	assert_int_equal(canbus_set_filters(bench->here, &filter, CANBUS_FILTERS_MAX + 1), -EINVAL);
}

static void an_interface_that_goes_down_says_so_once_and_comes_back(void **state)
{
	struct bench *bench = *state;
	const struct canbus_frame frame = {.id = 1};
	struct canbus_frame got[4];

	can_fake_down(bench->fake);
	assert_int_equal(readable(bench->here), 1);
	assert_int_equal(condition(bench->here), CANBUS_DOWN);
	assert_int_equal(canbus_read(bench->here, got, 4), -ENETDOWN);
	assert_int_equal(canbus_read(bench->here, got, 4), -EAGAIN);
	assert_int_equal(canbus_write(bench->here, &frame), -ENETDOWN);
	can_fake_up(bench->fake);
	assert_int_equal(condition(bench->here), CANBUS_ACTIVE);
	assert_int_equal(canbus_write(bench->there, &frame), 0);
	assert_int_equal(canbus_read(bench->here, got, 4), 1);
}

static void an_interface_that_is_removed_is_gone_for_those_who_had_it(void **state)
{
	struct bench *bench = *state;
	const struct canbus_options options = {0};
	struct canbus_opener *opener = can_fake_opener(bench->fake);
	struct canbus_frame got[1];
	struct canbus *bus;

	can_fake_remove(bench->fake);
	assert_int_equal(canbus_read(bench->here, got, 1), -ENODEV);
	assert_int_equal(canbus_read(bench->here, got, 1), -ENODEV);
	assert_int_equal(opener->open(opener, "can0", &options, &bus), -ENODEV);
	can_fake_return(bench->fake);
	bus = open_end(bench, &options);
	assert_int_equal(canbus_read(bus, got, 1), -EAGAIN);
	assert_int_equal(canbus_read(bench->here, got, 1), -ENODEV);
	canbus_close(bus);
}

static void a_controller_off_the_bus_tells_and_hears_nothing(void **state)
{
	struct bench *bench = *state;
	struct canbus_state told;
	struct canbus_frame got[4];

	can_fake_set_rate(bench->fake, 250000, 100);
	can_fake_set_condition(bench->fake, CANBUS_OFF);
	assert_int_equal(readable(bench->here), 1);
	assert_int_equal(canbus_read(bench->here, got, 4), -EAGAIN);
	can_fake_send_data(bench->fake, 0x100, "x", 1);
	assert_int_equal(canbus_read(bench->here, got, 4), -EAGAIN);
	assert_int_equal(canbus_write(bench->here, &(struct canbus_frame){.id = 1}), -EAGAIN);
	can_fake_set_condition(bench->fake, CANBUS_ACTIVE);
	canbus_state(bench->here, &told);
	assert_int_equal(told.condition, CANBUS_ACTIVE);
	assert_int_equal(told.bus_offs, 1);
	assert_int_equal(told.restarts, 1);
	assert_int_equal(told.bit_rate, 250000);
	assert_int_equal(told.restart_ms, 100);
}

static void who_only_listens_cannot_write(void **state)
{
	struct bench *bench = *state;
	const struct canbus_options options = {.listen_only = true};
	struct canbus *bus = open_end(bench, &options);
	struct canbus_frame got[1];

	assert_int_equal(canbus_write(bus, &(struct canbus_frame){.id = 1}), -EPERM);
	assert_int_equal(canbus_write(bench->here, &(struct canbus_frame){.id = 1}), 0);
	assert_int_equal(canbus_read(bus, got, 1), 1);
	can_fake_set_silent(bench->fake, true);
	assert_int_equal(canbus_write(bench->here, &(struct canbus_frame){.id = 1}), -EPERM);
	canbus_close(bus);
}

static void queues_are_full_at_both_sides(void **state)
{
	struct bench *bench = *state;
	struct canbus_frame got[16];
	struct canbus_state told;
	size_t count = 0;
	ssize_t n;

	can_fake_limit_write(bench->fake, 1);
	assert_int_equal(canbus_write(bench->here, &(struct canbus_frame){.id = 1}), 0);
	assert_int_equal(canbus_write(bench->here, &(struct canbus_frame){.id = 1}), -EAGAIN);
	assert_int_equal(can_fake_written(bench->fake), 1);
	for (size_t i = 0; i < CAN_FAKE_QUEUE + 4; i++)
		can_fake_send_data(bench->fake, 2, "y", 1);
	while ((n = canbus_read(bench->here, got, 16)) > 0)
		count += (size_t)n;
	assert_int_equal(count, CAN_FAKE_QUEUE);
	canbus_state(bench->here, &told);
	assert_int_equal(told.dropped, 4);
}

static void frames_that_there_are_not_are_refused(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(canbus_write(bench->here, &(struct canbus_frame){.id = 0x800}), -EINVAL);
	assert_int_equal(canbus_write(bench->here,
				      &(struct canbus_frame){.id = 0x20000000, .extended = true}),
			 -EINVAL);
	assert_int_equal(canbus_write(bench->here, &(struct canbus_frame){.id = 1, .len = 9}),
			 -EINVAL);
}

int suite_hal_can_fake(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_come_to_all_others_with_their_time, begin,
						end),
		cmocka_unit_test_setup_teardown(filters_tell_identifiers_and_their_length, begin,
						end),
		cmocka_unit_test_setup_teardown(
			an_interface_that_goes_down_says_so_once_and_comes_back, begin, end),
		cmocka_unit_test_setup_teardown(
			an_interface_that_is_removed_is_gone_for_those_who_had_it, begin, end),
		cmocka_unit_test_setup_teardown(a_controller_off_the_bus_tells_and_hears_nothing,
						begin, end),
		cmocka_unit_test_setup_teardown(who_only_listens_cannot_write, begin, end),
		cmocka_unit_test_setup_teardown(queues_are_full_at_both_sides, begin, end),
		cmocka_unit_test_setup_teardown(frames_that_there_are_not_are_refused, begin, end),
	};

	return cmocka_run_group_tests_name("hal_can_fake", tests, NULL, NULL);
}
