#include <errno.h>
#include <poll.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hal/fake/stream_fake.h"

struct bench {
	struct stream_fake *fake;
	struct stream *stream;
};

static int open_fake(struct bench *bench)
{
	struct stream_opener *opener = stream_fake_opener(bench->fake);

	return opener->open(opener, "serial:/dev/fake", 38400, &bench->stream);
}

static int begin(void **state)
{
	static struct bench bench;

	*state = &bench;
	bench.stream = NULL;
	if (stream_fake_create(&bench.fake) < 0)
		return -1;
	return open_fake(&bench);
}

static int end(void **state)
{
	struct bench *bench = *state;

	stream_close(bench->stream);
	stream_fake_destroy(bench->fake);
	return 0;
}

static int readable(struct stream *stream)
{
	struct pollfd fd = {.fd = stream_fd(stream), .events = POLLIN};

	return poll(&fd, 1, 0);
}

static void what_is_given_is_read(void **state)
{
	struct bench *bench = *state;
	char text[16] = "";

	assert_int_equal(readable(bench->stream), 0);
	assert_int_equal(stream_read(bench->stream, text, 8), -EAGAIN);
	assert_int_equal(stream_fake_give_text(bench->fake, "abcdef"), 0);
	assert_int_equal(readable(bench->stream), 1);
	stream_fake_limit_read(bench->fake, 4);
	assert_int_equal(stream_read(bench->stream, text, 8), 4);
	assert_int_equal(readable(bench->stream), 1);
	assert_int_equal(stream_read(bench->stream, text + 4, 8), 2);
	assert_string_equal(text, "abcdef");
	assert_int_equal(readable(bench->stream), 0);
}

static void what_is_written_is_seen(void **state)
{
	struct bench *bench = *state;
	size_t len = 0;

	stream_fake_limit_write(bench->fake, 5);
	assert_int_equal(stream_write(bench->stream, "ATZ\r", 4), 4);
	assert_int_equal(stream_write(bench->stream, "ATE0\r", 5), 1);
	assert_int_equal(stream_write(bench->stream, "x", 1), -EAGAIN);
	assert_string_equal(stream_fake_written(bench->fake, &len), "ATZ\rA");
	assert_int_equal(len, 5);
	stream_fake_forget_written(bench->fake);
	stream_fake_limit_write(bench->fake, SIZE_MAX);
	assert_int_equal(stream_write(bench->stream, "x", 1), 1);
	assert_string_equal(stream_fake_written(bench->fake, NULL), "x");
}

static void answer_prompt(struct stream_fake *fake, const void *data, size_t len, void *arg)
{
	if (len && ((const char *)data)[len - 1] == '\r')
		stream_fake_give_text(fake, arg);
}

static void a_script_answers(void **state)
{
	static char answer[] = "ELM327 v1.5\r\r>";
	struct bench *bench = *state;
	char text[32] = "";

	stream_fake_on_write(bench->fake, answer_prompt, answer);
	assert_int_equal(stream_write(bench->stream, "ATZ", 3), 3);
	assert_int_equal(stream_read(bench->stream, text, sizeof(text)), -EAGAIN);
	assert_int_equal(stream_write(bench->stream, "\r", 1), 1);
	assert_int_equal(stream_read(bench->stream, text, sizeof(text)), strlen(answer));
	assert_string_equal(text, answer);
}

static void failures_come_once_and_on_demand(void **state)
{
	struct bench *bench = *state;
	struct stream *stream = NULL;
	char byte;

	stream_fake_fail_read(bench->fake, -EIO);
	assert_int_equal(readable(bench->stream), 1);
	assert_int_equal(stream_read(bench->stream, &byte, 1), -EIO);
	assert_int_equal(stream_read(bench->stream, &byte, 1), -EAGAIN);
	stream_fake_fail_write(bench->fake, -ENOSPC);
	assert_int_equal(stream_write(bench->stream, "x", 1), -ENOSPC);
	assert_int_equal(stream_write(bench->stream, "x", 1), 1);
	stream_fake_fail_baud(bench->fake, -ERANGE);
	assert_int_equal(stream_set_baud(bench->stream, 500000), -ERANGE);
	assert_int_equal(stream_fake_baud(bench->fake), 38400);
	assert_int_equal(stream_set_baud(bench->stream, 500000), 0);
	assert_int_equal(stream_fake_baud(bench->fake), 500000);
	stream_close(bench->stream);
	bench->stream = NULL;
	stream_fake_fail_open(bench->fake, -EACCES);
	assert_int_equal(stream_fake_opener(bench->fake)
				 ->open(stream_fake_opener(bench->fake), "x", 1, &stream),
			 -EACCES);
	assert_null(stream);
	assert_int_equal(open_fake(bench), 0);
}

static void a_device_vanishes_and_comes_back(void **state)
{
	struct bench *bench = *state;
	struct stream *old = bench->stream;
	char byte;

	assert_int_equal(stream_fake_give_text(bench->fake, "lost"), 0);
	stream_fake_vanish(bench->fake);
	assert_int_equal(readable(old), 1);
	assert_int_equal(stream_read(old, &byte, 1), -ENODEV);
	assert_int_equal(stream_write(old, "x", 1), -ENODEV);
	assert_int_equal(stream_ready(old), -ENODEV);
	assert_int_equal(stream_set_baud(old, 9600), -ENODEV);
	assert_int_equal(open_fake(bench), -ENOENT);
	stream_fake_return(bench->fake);
	assert_int_equal(open_fake(bench), 0);
	assert_ptr_not_equal(bench->stream, old);
	assert_int_equal(stream_fake_opens(bench->fake), 2);
	assert_int_equal(stream_read(bench->stream, &byte, 1), -EAGAIN);
	/* The old opening is still gone, and closing it leaves the new one alone. */
	assert_int_equal(stream_read(old, &byte, 1), -ENODEV);
	stream_close(old);
	assert_true(stream_fake_is_open(bench->fake));
	assert_int_equal(stream_write(bench->stream, "x", 1), 1);
}

static void it_has_one_opener_and_knows_the_address(void **state)
{
	struct bench *bench = *state;
	struct stream *first = bench->stream;

	assert_string_equal(stream_fake_address(bench->fake), "serial:/dev/fake");
	assert_int_equal(stream_fake_baud(bench->fake), 38400);
	assert_int_equal(open_fake(bench), -EBUSY);
	assert_ptr_equal(bench->stream, first);
	stream_close(bench->stream);
	bench->stream = NULL;
	assert_false(stream_fake_is_open(bench->fake));
}

static void it_can_take_its_time_to_connect(void **state)
{
	struct bench *bench = *state;
	char byte;

	stream_fake_set_ready(bench->fake, -EAGAIN);
	assert_int_equal(stream_ready(bench->stream), -EAGAIN);
	assert_int_equal(stream_write(bench->stream, "x", 1), -EAGAIN);
	assert_int_equal(stream_read(bench->stream, &byte, 1), -EAGAIN);
	stream_fake_set_ready(bench->fake, 0);
	assert_int_equal(stream_write(bench->stream, "x", 1), 1);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int suite_hal_stream_fake(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(what_is_given_is_read),
		WITH_FAKE(what_is_written_is_seen),
		WITH_FAKE(a_script_answers),
		WITH_FAKE(failures_come_once_and_on_demand),
		WITH_FAKE(a_device_vanishes_and_comes_back),
		WITH_FAKE(it_has_one_opener_and_knows_the_address),
		WITH_FAKE(it_can_take_its_time_to_connect),
	};

	return cmocka_run_group_tests_name("hal.stream_fake", tests, NULL, NULL);
}
