#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void the_machine_has_a_boot_id_and_two_clocks(void **state)
{
	struct clock_system sys;
	int64_t mono;

	(void)state;
	unsetenv("FRESHET_BOOT_ID");
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_KERNEL), 0);
	assert_int_equal(strlen(clock_boot_id(&sys.clock)), CLOCK_BOOT_ID_LEN);
	mono = clock_mono_us(&sys.clock);
	assert_true(mono > 0);
	assert_true(clock_mono_us(&sys.clock) >= mono);
	/* Milliseconds: within ten seconds of the C library's seconds. */
	assert_true(llabs((long long)clock_wall_ms(&sys.clock) - (long long)time(NULL) * 1000) <
		    10000);
	assert_false(clock_is_fake(&sys.clock));
}

static void the_environment_may_stand_in_for_the_boot_id(void **state)
{
	static const char id[] = "12345678-9abc-def0-1234-56789abcdef0";
	struct clock_system sys;

	(void)state;
	setenv("FRESHET_BOOT_ID", id, 1);
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_KERNEL), 0);
	assert_string_equal(clock_boot_id(&sys.clock), id);
	setenv("FRESHET_BOOT_ID", "second-boot", 1);
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_KERNEL), -EINVAL);
	assert_string_equal(clock_boot_id(&sys.clock), id);
	setenv("FRESHET_BOOT_ID", "12345678-9abc-def0-1234-56789abcdefg", 1);
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_KERNEL), -EINVAL);
	unsetenv("FRESHET_BOOT_ID");
}

static void trust_decides_the_quality_of_the_system_clock(void **state)
{
	struct clock_system sys;
	enum clock_quality quality;

	(void)state;
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_ALWAYS), 0);
	assert_int_equal(clock_quality(&sys.clock), CLOCK_QUALITY_SYNCED);
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_GPS), 0);
	assert_int_equal(clock_quality(&sys.clock), CLOCK_QUALITY_NONE);
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_CORE), 0);
	assert_int_equal(clock_quality(&sys.clock), CLOCK_QUALITY_NONE);
	/* What the kernel says depends on the machine; it says one or the other. */
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_KERNEL), 0);
	quality = clock_quality(&sys.clock);
	assert_true(quality == CLOCK_QUALITY_NONE || quality == CLOCK_QUALITY_SYNCED);
}

static void a_fake_clock_moves_only_when_told(void **state)
{
	struct clock_fake fake;

	(void)state;
	clock_fake_init(&fake, 1000, 500);
	assert_true(clock_is_fake(&fake.clock));
	assert_int_equal(clock_wall_ms(&fake.clock), 1000);
	assert_int_equal(clock_mono_us(&fake.clock), 500);
	clock_fake_advance(&fake, 2000000);
	assert_int_equal(clock_wall_ms(&fake.clock), 3000);
	assert_int_equal(clock_mono_us(&fake.clock), 2000500);
	fake.quality = CLOCK_QUALITY_GPS;
	assert_int_equal(clock_quality(&fake.clock), CLOCK_QUALITY_GPS);
	assert_int_equal(strlen(clock_boot_id(&fake.clock)), CLOCK_BOOT_ID_LEN);
}

static void small_steps_of_a_fake_clock_add_up(void **state)
{
	struct clock_fake fake;

	(void)state;
	clock_fake_init(&fake, 0, 0);
	for (int i = 0; i < 10000; i++)
		clock_fake_advance(&fake, 100);
	assert_int_equal(clock_mono_us(&fake.clock), 1000000);
	assert_int_equal(clock_wall_ms(&fake.clock), 1000);
}

static void qualities_have_their_names_of_the_wire(void **state)
{
	static const char *const names[] = {"none", "core", "gps", "synced"};
	enum clock_quality quality = CLOCK_QUALITY_GPS;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_string_equal(clock_quality_name((enum clock_quality)i), names[i]);
		assert_int_equal(clock_quality_parse(names[i], &quality), 0);
		assert_int_equal(quality, i);
	}
	assert_int_equal(clock_quality_parse("Synced", &quality), -EINVAL);
	assert_int_equal(clock_quality_parse("", &quality), -EINVAL);
	assert_int_equal(quality, CLOCK_QUALITY_SYNCED);
}

int suite_base_clock(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_machine_has_a_boot_id_and_two_clocks),
		cmocka_unit_test(the_environment_may_stand_in_for_the_boot_id),
		cmocka_unit_test(trust_decides_the_quality_of_the_system_clock),
		cmocka_unit_test(a_fake_clock_moves_only_when_told),
		cmocka_unit_test(small_steps_of_a_fake_clock_add_up),
		cmocka_unit_test(qualities_have_their_names_of_the_wire),
	};

	return cmocka_run_group_tests_name("base.clock", tests, NULL, NULL);
}
