#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/saved_time.h"

int suite_agent_daemon_parts(void);

static char folder[64];
static char path[96];
static struct clock_system sys;
static struct loop *loop;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/freshet-parts-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/agent.sock", folder);
	return clock_system_init(&sys, CLOCK_TRUST_ALWAYS) || loop_create(&sys.clock, &loop);
}

static int teardown(void **state)
{
	char file[128];

	(void)state;
	loop_destroy(loop);
	(void)snprintf(file, sizeof(file), "%s/time", folder);
	(void)unlink(file);
	(void)unlink(path);
	return rmdir(folder);
}

static void answer(void *arg, const char *request, struct buf *out)
{
	(*(int *)arg)++;
	buf_printf(out, "{\"asked\":\"%s\"}", request);
}

struct asker {
	struct buf out;
	int r;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;

	buf_init(&asker->out, 65536);
	asker->r = control_ask(path, "status", 5000, &asker->out);
	loop_stop(loop);
	return NULL;
}

static void a_request_is_answered_over_the_socket(void **state)
{
	struct control *control;
	struct asker asker;
	struct stat info;
	pthread_t thread;
	int asked = 0;

	(void)state;
	assert_int_equal(control_listen(loop, path, answer, &asked, &control), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0660);
	assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(asker.r, 0);
	assert_string_equal(buf_text(&asker.out), "{\"asked\":\"status\"}\n");
	assert_int_equal(asked, 1);
	buf_free(&asker.out);
	control_close(control);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_second_daemon_is_refused_and_a_dead_ones_socket_replaced(void **state)
{
	const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control *control;
	struct control *second;
	int asked = 0;

	(void)state;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(dead);
	assert_int_equal(control_listen(loop, path, answer, &asked, &control), 0);
	assert_int_equal(control_listen(loop, path, answer, &asked, &second), -EADDRINUSE);
	control_close(control);
}

static void nobody_answers_where_no_daemon_runs(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	assert_int_equal(control_ask(path, "status", 1000, &out), -ENOENT);
	buf_free(&out);
}

static void the_time_outlives_the_process(void **state)
{
	(void)state;
	assert_int_equal(saved_time_load(folder), 0);
	assert_int_equal(saved_time_store(folder, INT64_C(1795190400123)), 0);
	assert_int_equal(saved_time_load(folder), INT64_C(1795190400123));
	assert_int_equal(saved_time_store("/nowhere/at/all", 1), -ENOENT);
}

static void the_saved_time_never_goes_backwards(void **state)
{
	const int64_t now = INT64_C(1795190400123);

	(void)state;
	assert_int_equal(saved_time_store(folder, now), 0);
	/* A clock that was set back a day, and one at 1970 within a month of the epoch. */
	assert_int_equal(saved_time_store(folder, now - 86400000), 0);
	assert_int_equal(saved_time_load(folder), now);
	assert_int_equal(saved_time_store(folder, now + 1), 0);
	assert_int_equal(saved_time_load(folder), now + 1);
}

static void a_saved_time_of_another_age_is_put_back(void **state)
{
	const int64_t now = INT64_C(1795190400123);
	const int64_t in_2090 = INT64_C(3786912000000);

	(void)state;
	assert_int_equal(saved_time_store(folder, in_2090), 0);
	assert_int_equal(saved_time_load(folder), in_2090);
	assert_int_equal(saved_time_store(folder, now), 0);
	assert_int_equal(saved_time_load(folder), now);
}

static void a_torn_saved_time_is_none(void **state)
{
	char file[128];
	FILE *out;

	(void)state;
	(void)snprintf(file, sizeof(file), "%s/time", folder);
	out = fopen(file, "w");
	assert_non_null(out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(saved_time_load(folder), 0);
	assert_int_equal(saved_time_store(folder, 1795190400123), 0);
	assert_int_equal(saved_time_load(folder), INT64_C(1795190400123));
}

int suite_agent_daemon_parts(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(a_request_is_answered_over_the_socket),
		TEST(a_second_daemon_is_refused_and_a_dead_ones_socket_replaced),
		TEST(nobody_answers_where_no_daemon_runs),
		TEST(the_time_outlives_the_process),
		TEST(the_saved_time_never_goes_backwards),
		TEST(a_saved_time_of_another_age_is_put_back),
		TEST(a_torn_saved_time_is_none),
#undef TEST
	};

	return cmocka_run_group_tests_name("agent.daemon_parts", tests, NULL, NULL);
}
