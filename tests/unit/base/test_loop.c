#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/loop.h"

/* A loop on a fake clock, and a notebook for the callbacks. */
struct bench {
	struct clock_fake clock;
	struct loop *loop;
	char notes[64];
	struct loop_timer timers[4];
	struct loop_fd watches[2];
	int pipes[2][2];
};

static int begin(void **state)
{
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	clock_fake_init(&bench.clock, 0, 1000000);
	if (loop_create(&bench.clock.clock, &bench.loop) < 0 || pipe(bench.pipes[0]) < 0 ||
	    pipe(bench.pipes[1]) < 0)
		return -1;
	*state = &bench;
	return 0;
}

static int end(void **state)
{
	struct bench *bench = *state;

	loop_destroy(bench->loop);
	for (int i = 0; i < 4; i++) {
		if (bench->pipes[i / 2][i % 2] >= 0)
			close(bench->pipes[i / 2][i % 2]);
	}
	return 0;
}

static void note(struct bench *bench, const char *text)
{
	strncat(bench->notes, text, sizeof(bench->notes) - strlen(bench->notes) - 1);
}

static void note_timer(struct loop_timer *timer)
{
	struct bench *bench = timer->arg;
	char name[] = {(char)('a' + (timer - bench->timers)), '\0'};

	note(bench, name);
}

static void arm(struct bench *bench, int i, int64_t after_us)
{
	assert_int_equal(
		loop_timer_set(bench->loop, &bench->timers[i], after_us, note_timer, bench), 0);
}

static void timers_fire_in_the_order_of_their_time(void **state)
{
	struct bench *bench = *state;
	const int64_t now_us = loop_now_us(bench->loop);

	assert_true(loop_due_us(bench->loop) == INT64_MAX);
	arm(bench, 0, 3000);
	arm(bench, 1, 1000);
	arm(bench, 2, 2000);
	arm(bench, 3, 2000);
	assert_true(loop_due_us(bench->loop) == now_us + 1000);
	assert_int_equal(loop_run_once(bench->loop, 0), 0);
	clock_fake_advance(&bench->clock, 999);
	assert_int_equal(loop_run_once(bench->loop, 0), 0);
	clock_fake_advance(&bench->clock, 1);
	assert_int_equal(loop_run_once(bench->loop, 0), 1);
	assert_string_equal(bench->notes, "b");
	clock_fake_advance(&bench->clock, 10000);
	assert_int_equal(loop_run_once(bench->loop, 0), 3);
	assert_string_equal(bench->notes, "bcda");
	assert_int_equal(loop_run_once(bench->loop, 0), 0);
	assert_null(bench->timers[0].loop);
}

static void a_fake_clock_is_never_waited_for(void **state)
{
	struct bench *bench = *state;

	/* An hour of fake time; the suite's time-out would show a sleep. */
	arm(bench, 0, INT64_C(3600000000));
	assert_int_equal(loop_run_once(bench->loop, 1), 0);
	clock_fake_advance(&bench->clock, INT64_C(3600000000));
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
}

static void timers_can_be_moved_and_cancelled(void **state)
{
	struct bench *bench = *state;

	arm(bench, 0, 1000);
	arm(bench, 1, 2000);
	arm(bench, 2, 3000);
	arm(bench, 0, 5000);
	arm(bench, 2, 0);
	loop_timer_cancel(&bench->timers[1]);
	loop_timer_cancel(&bench->timers[1]);
	loop_timer_cancel(&bench->timers[3]);
	clock_fake_advance(&bench->clock, 4999);
	assert_int_equal(loop_run_once(bench->loop, 0), 1);
	assert_string_equal(bench->notes, "c");
	clock_fake_advance(&bench->clock, 1);
	assert_int_equal(loop_run_once(bench->loop, 0), 1);
	assert_string_equal(bench->notes, "ca");
}

static void arm_again_at_once(struct loop_timer *timer)
{
	struct bench *bench = timer->arg;

	note_timer(timer);
	loop_timer_set(bench->loop, timer, -5, arm_again_at_once, bench);
	loop_timer_cancel(&bench->timers[3]);
}

static void a_timer_that_arms_itself_with_nothing_waits_for_the_next_round(void **state)
{
	struct bench *bench = *state;

	loop_timer_set(bench->loop, &bench->timers[0], 0, arm_again_at_once, bench);
	arm(bench, 1, 0);
	assert_int_equal(loop_run_once(bench->loop, -1), 2);
	assert_string_equal(bench->notes, "ab");
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
	assert_string_equal(bench->notes, "aba");
}

static void a_timer_may_cancel_another_that_is_due(void **state)
{
	struct bench *bench = *state;

	loop_timer_set(bench->loop, &bench->timers[0], 0, arm_again_at_once, bench);
	arm(bench, 3, 0);
	assert_int_equal(loop_run_once(bench->loop, 0), 2);
	assert_null(strchr(bench->notes, 'd'));
}

/* Checks that no timer fires before its time, or before one that was due earlier. */
static int64_t last_due;
static int fired;

static void check_order(struct loop_timer *timer)
{
	struct bench *bench = timer->arg;

	assert_true(timer->due_us >= last_due);
	assert_true(timer->due_us <= bench->clock.mono_us);
	last_due = timer->due_us;
	fired++;
}

static void a_thousand_timers_keep_their_order(void **state)
{
	static struct loop_timer timers[1000];
	struct bench *bench = *state;
	uint64_t seed = 1;
	int armed = 0;

	last_due = 0;
	fired = 0;
	memset(timers, 0, sizeof(timers));
	for (int i = 0; i < 3000; i++) {
		seed = seed * 6364136223846793005U + 1442695040888963407U;
		assert_int_equal(loop_timer_set(bench->loop, &timers[i % 1000],
						(int64_t)(seed >> 40 & 0xffff), check_order, bench),
				 0);
		if (seed >> 62 == 0)
			loop_timer_cancel(&timers[seed >> 33 & 511]);
	}
	for (int i = 0; i < 1000; i++)
		armed += timers[i].loop != NULL;
	assert_in_range(armed, 500, 999);
	for (int64_t us = 0; us <= 0xffff; us += 97) {
		loop_run_once(bench->loop, 0);
		for (int i = 0; i < 1000; i++)
			assert_true(!timers[i].loop || timers[i].due_us > bench->clock.mono_us);
		clock_fake_advance(&bench->clock, 97);
	}
	loop_run_once(bench->loop, 0);
	assert_int_equal(fired, armed);
}

static void take_byte(struct loop_fd *watch, unsigned events)
{
	struct bench *bench = watch->arg;
	char text[2] = "";

	if (events & LOOP_READ && read(watch->fd, text, 1) == 1)
		note(bench, text);
	if (events & LOOP_WRITE)
		note(bench, "W");
	if (events & LOOP_HANGUP)
		note(bench, "H");
}

static void descriptors_are_reported_by_what_is_asked_for(void **state)
{
	struct bench *bench = *state;
	struct loop_fd *reader = &bench->watches[0];
	struct loop_fd *writer = &bench->watches[1];

	assert_int_equal(
		loop_fd_add(bench->loop, reader, bench->pipes[0][0], LOOP_READ, take_byte, bench),
		0);
	assert_int_equal(loop_run_once(bench->loop, 0), 0);
	assert_int_equal(write(bench->pipes[0][1], "xy", 2), 2);
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
	assert_int_equal(loop_run_once(bench->loop, 0), 0);
	assert_string_equal(bench->notes, "xy");

	assert_int_equal(loop_fd_add(bench->loop, writer, bench->pipes[0][1], 0, take_byte, bench),
			 0);
	assert_int_equal(loop_run_once(bench->loop, 0), 0);
	assert_int_equal(loop_fd_set(writer, LOOP_WRITE), 0);
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
	assert_string_equal(bench->notes, "xyW");
	loop_fd_remove(writer);
	loop_fd_remove(writer);
	assert_int_equal(loop_fd_set(writer, LOOP_READ), -EINVAL);
	assert_int_equal(loop_run_once(bench->loop, 0), 0);

	close(bench->pipes[0][1]);
	bench->pipes[0][1] = -1;
	assert_int_equal(loop_fd_set(reader, 0), 0);
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
	assert_string_equal(bench->notes, "xyWH");
	loop_fd_remove(reader);
}

static void remove_both(struct loop_fd *watch, unsigned events)
{
	struct bench *bench = watch->arg;

	(void)events;
	note(bench, "!");
	loop_fd_remove(&bench->watches[0]);
	loop_fd_remove(&bench->watches[1]);
}

static void a_removed_watch_is_not_called_even_when_it_was_ready(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(write(bench->pipes[i][1], "x", 1), 1);
		assert_int_equal(loop_fd_add(bench->loop, &bench->watches[i], bench->pipes[i][0],
					     LOOP_READ, remove_both, bench),
				 0);
	}
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
	assert_string_equal(bench->notes, "!");
	assert_int_equal(loop_run_once(bench->loop, 0), 0);
}

static void what_cannot_be_watched_is_an_error(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(
		loop_fd_add(bench->loop, &bench->watches[0], -1, LOOP_READ, take_byte, bench),
		-EBADF);
	assert_null(bench->watches[0].loop);
	loop_fd_remove(&bench->watches[0]);
}

static void stop_from_timer(struct loop_timer *timer)
{
	loop_stop(timer->arg);
}

static void real_time_passes_by_waiting(void **state)
{
	struct loop_timer early = {0}, late = {0};
	struct clock_system sys;
	struct loop *loop;
	int64_t start;

	(void)state;
	assert_int_equal(clock_system_init(&sys, CLOCK_TRUST_KERNEL), 0);
	assert_int_equal(loop_create(&sys.clock, &loop), 0);
	start = loop_now_us(loop);
	assert_int_equal(loop_timer_set(loop, &late, 60000000, stop_from_timer, loop), 0);
	assert_int_equal(loop_timer_set(loop, &early, 5000, stop_from_timer, loop), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_in_range(loop_now_us(loop) - start, 5000, 10000000);
	assert_non_null(late.loop);
	loop_destroy(loop);
}

static void *stop_from_afar(void *arg)
{
	loop_stop(arg);
	return NULL;
}

static void another_thread_may_stop_the_loop(void **state)
{
	struct bench *bench = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, stop_from_afar, bench->loop), 0);
	assert_int_equal(loop_run(bench->loop), 0);
	pthread_join(thread, NULL);
}

static void waking_ends_a_wait_without_a_callback(void **state)
{
	struct bench *bench = *state;

	loop_wake(bench->loop);
	assert_int_equal(loop_run_once(bench->loop, -1), 0);
	assert_int_equal(loop_run_once(bench->loop, 0), 0);
}

static void note_signal(void *arg, int signo)
{
	note(arg, signo == SIGUSR1 ? "1" : signo == SIGUSR2 ? "2" : "?");
}

static void signals_arrive_as_callbacks(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(loop_signal(bench->loop, SIGUSR1, note_signal, bench), 0);
	assert_int_equal(loop_signal(bench->loop, SIGUSR2, note_signal, bench), 0);
	assert_int_equal(loop_signal(bench->loop, 0, note_signal, bench), -EINVAL);
	assert_int_equal(loop_signal(bench->loop, 65, note_signal, bench), -EINVAL);
	kill(getpid(), SIGUSR2);
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
	kill(getpid(), SIGUSR1);
	assert_int_equal(loop_run_once(bench->loop, -1), 1);
	assert_string_equal(bench->notes, "21");
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int suite_base_loop(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(timers_fire_in_the_order_of_their_time),
		WITH_BENCH(a_fake_clock_is_never_waited_for),
		WITH_BENCH(timers_can_be_moved_and_cancelled),
		WITH_BENCH(a_timer_that_arms_itself_with_nothing_waits_for_the_next_round),
		WITH_BENCH(a_timer_may_cancel_another_that_is_due),
		WITH_BENCH(a_thousand_timers_keep_their_order),
		WITH_BENCH(descriptors_are_reported_by_what_is_asked_for),
		WITH_BENCH(a_removed_watch_is_not_called_even_when_it_was_ready),
		WITH_BENCH(what_cannot_be_watched_is_an_error),
		cmocka_unit_test(real_time_passes_by_waiting),
		WITH_BENCH(another_thread_may_stop_the_loop),
		WITH_BENCH(waking_ends_a_wait_without_a_callback),
		WITH_BENCH(signals_arrive_as_callbacks),
	};

	return cmocka_run_group_tests_name("base.loop", tests, NULL, NULL);
}
