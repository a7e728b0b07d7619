#include <stdlib.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <poll.h>

#include "cloud/relay/live.h"

int suite_cloud_live(void);

static int readable(const struct live *live)
{
	struct pollfd fd = {.fd = live_fd(live), .events = POLLIN};

	return poll(&fd, 1, 0);
}

static void a_device_that_changes_often_stands_in_it_once(void **state)
{
	struct live_change taken[4];
	struct live *live = NULL;
	bool overflow = true;

	(void)state;
	assert_int_equal(live_create(&live), 0);
	assert_int_equal(readable(live), 0);
	for (int i = 0; i < 100; i++)
		live_changed(live, 1, 7 + i % 2);
	assert_int_equal(readable(live), 1);
	assert_int_equal(live_take(live, taken, 1, &overflow), 1);
	assert_false(overflow);
	assert_int_equal(taken[0].device, 7);
	assert_int_equal(readable(live), 1);
	assert_int_equal(live_take(live, taken, 4, &overflow), 1);
	assert_int_equal(taken[0].device, 8);
	assert_int_equal(readable(live), 0);
	live_changed(live, 1, 7);
	assert_int_equal(live_take(live, taken, 4, &overflow), 1);
	live_destroy(live);
}

static void what_does_not_fit_sets_the_overflow_once(void **state)
{
	struct live_change *taken = calloc(LIVE_MAX, sizeof(*taken));
	struct live *live = NULL;
	bool overflow = false;

	(void)state;
	assert_non_null(taken);
	assert_int_equal(live_create(&live), 0);
	for (int64_t i = 1; i <= LIVE_MAX + 5; i++)
		live_changed(live, 1, i);
	assert_int_equal(live_take(live, taken, LIVE_MAX, &overflow), LIVE_MAX);
	assert_true(overflow);
	assert_int_equal(live_take(live, taken, LIVE_MAX, &overflow), 0);
	assert_false(overflow);
	live_destroy(live);
	free(taken);
}

int suite_cloud_live(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_changes_often_stands_in_it_once),
		cmocka_unit_test(what_does_not_fit_sets_the_overflow_once),
	};

	return cmocka_run_group_tests_name("cloud.live", tests, NULL, NULL);
}
