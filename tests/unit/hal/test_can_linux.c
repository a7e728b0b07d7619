/* What needs no CAN in the kernel; the rest is tests/vm/suite_can.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "hal/can.h"

int suite_hal_can_linux(void);

static void names_of_interfaces_are_short_and_plain(void **state)
{
	static const char *const good[] = {"can0", "c", "can-truck.1", "slcan0123456789"};
	static const char *const bad[] = {
		"",      "slcan01234567890", "can 0", "can/0", "can:0", ".", "..",
		"can\n", "c\xc3\xa4n0"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(canbus_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(canbus_name_valid(bad[i]));
}

static void an_interface_that_there_is_not_does_not_open(void **state)
{
	const struct canbus_options options = {0};
	struct canbus_opener *opener = canbus_opener_linux();
	struct canbus *bus = NULL;
	const int r = opener->open(opener, "freshet-none", &options, &bus);

	(void)state;
	/* Many machines that build have no CAN in their kernel. */
	assert_true(r == -ENODEV || r == -EAFNOSUPPORT);
	assert_null(bus);
}

int suite_hal_can_linux(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_interfaces_are_short_and_plain),
		cmocka_unit_test(an_interface_that_there_is_not_does_not_open),
	};

	return cmocka_run_group_tests_name("hal_can_linux", tests, NULL, NULL);
}
