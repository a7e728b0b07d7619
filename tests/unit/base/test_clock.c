#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
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

static void a_stale_or_doubtful_synchronisation_is_none(void **state)
{
	static const struct {
		const char *what;
		struct clock_kernel kernel;
		bool synced;
	} cases[] = {
		{"steered a moment ago", {TIME_OK, 0, 1500}, true},
		{"steered every half hour", {TIME_OK, STA_PLL, 1100000}, true},
		{"a leap second is announced", {TIME_INS, STA_INS, 1500}, true},
		{"the leap second itself, which has the name of the one before",
		 {TIME_OOP, STA_INS, 1500},
		 false},
		{"after the leap second", {TIME_WAIT, STA_INS, 1500}, true},
		{"no server for hours", {TIME_OK, STA_PLL, CLOCK_MAX_ERROR_US}, false},
		{"no server for days", {TIME_ERROR, STA_PLL | STA_UNSYNC, 16000000}, false},
		{"set at boot from a file, or by hand", {TIME_ERROR, STA_UNSYNC, 16000000}, false},
		{"flagged without the state", {TIME_OK, STA_UNSYNC, 1500}, false},
		{"the call is not allowed (a container)", {-1, 0, 0}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (clock_kernel_synced(&cases[i].kernel) != cases[i].synced)
			fail_msg("%s", cases[i].what);
	}
}

static void before_the_build_no_clock_is_trusted_whoever_vouches(void **state)
{
	struct clock_system sys;

	(void)state;
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_ALWAYS), 0);
	sys.floor_ms = clock_wall_ms(&sys.clock) - 1000;
	assert_int_equal(clock_quality(&sys.clock), CLOCK_QUALITY_SYNCED);
	sys.floor_ms = clock_wall_ms(&sys.clock) + 3600000;
	assert_int_equal(clock_quality(&sys.clock), CLOCK_QUALITY_NONE);
}

static int64_t busy_reads;

/* A thread that is kept from the processor for a second between its first two looks. */
static int64_t busy_mono_us(struct clock *clock)
{
	struct clock_fake *fake = (struct clock_fake *)clock;

	if (busy_reads++ == 1)
		clock_fake_advance(fake, 1000000);
	return fake->mono_us;
}

static int64_t busy_wall_ms(struct clock *clock)
{
	return ((struct clock_fake *)clock)->wall_ms;
}

static void a_busy_machine_does_not_tear_a_moment_apart(void **state)
{
	static const struct clock_ops ops = {.wall_ms = busy_wall_ms, .mono_us = busy_mono_us};
	struct clock_fake fake;
	struct clock_moment moment;

	(void)state;
	busy_reads = 0;
	clock_fake_init(&fake, 5000000, 5000000000);
	fake.clock.ops = &ops;
	moment = clock_moment(&fake.clock);
	assert_int_equal(moment.wall_ms, moment.mono_us / 1000);
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
		cmocka_unit_test(a_stale_or_doubtful_synchronisation_is_none),
		cmocka_unit_test(before_the_build_no_clock_is_trusted_whoever_vouches),
		cmocka_unit_test(a_busy_machine_does_not_tear_a_moment_apart),
		cmocka_unit_test(a_fake_clock_moves_only_when_told),
		cmocka_unit_test(small_steps_of_a_fake_clock_add_up),
		cmocka_unit_test(qualities_have_their_names_of_the_wire),
	};

	return cmocka_run_group_tests_name("base.clock", tests, NULL, NULL);
}
