#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void pieces_add_up_in_order(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	buf_puts(&buf, "one");
	buf_putc(&buf, ',');
	buf_append(&buf, "two\0", 4);
	buf_printf(&buf, "%s=%d", "three", 3);
	assert_int_equal(buf.error, 0);
	assert_int_equal(buf.len, 15);
	assert_memory_equal(buf.data, "one,two\0three=3", 15);
	buf_free(&buf);
}

static void grows_past_its_first_memory(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 100000);
	for (int i = 0; i < 10000; i++)
		buf_putc(&buf, (char)('a' + i % 26));
	assert_int_equal(buf.error, 0);
	assert_int_equal(buf.len, 10000);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(buf.data[i], 'a' + i % 26);
	buf_free(&buf);
}

static void may_be_filled_to_the_limit_and_no_further(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	buf_puts(&buf, "abcd");
	assert_int_equal(buf.error, 0);
	assert_string_equal(buf_text(&buf), "abcd");
	buf_putc(&buf, 'e');
	assert_int_equal(buf.error, -EMSGSIZE);
	assert_int_equal(buf.len, 4);
	buf_free(&buf);
}

static void an_error_is_sticky_until_reset(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	buf_puts(&buf, "abc");
	buf_printf(&buf, "%d", 12345);
	assert_int_equal(buf.error, -EMSGSIZE);
	buf_putc(&buf, 'x');
	assert_int_equal(buf.len, 3);
	assert_null(buf_reserve(&buf, 1));
	assert_null(buf_text(&buf));
	buf_reset(&buf);
	buf_puts(&buf, "wxyz");
	assert_string_equal(buf_text(&buf), "wxyz");
	buf_free(&buf);
}

static void memory_that_is_not_there_is_an_error(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, SIZE_MAX);
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(buf.error, -ENOMEM);
	buf_reset(&buf);
	buf_puts(&buf, "still good");
	assert_string_equal(buf_text(&buf), "still good");
	buf_free(&buf);
}

static void reserve_and_commit_append_what_was_written(void **state)
{
	struct buf buf;
	char *room;

	(void)state;
	buf_init(&buf, 100);
	buf_puts(&buf, "n=");
	room = buf_reserve(&buf, 10);
	assert_non_null(room);
	memcpy(room, "42", 2);
	buf_commit(&buf, 2);
	assert_string_equal(buf_text(&buf), "n=42");
	buf_free(&buf);
}

static void an_empty_buffer_is_an_empty_text(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 0);
	assert_string_equal(buf_text(&buf), "");
	buf_append(&buf, "", 0);
	assert_int_equal(buf.error, 0);
	buf_free(&buf);
	buf_free(&buf);
}

int suite_base_buf(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_add_up_in_order),
		cmocka_unit_test(grows_past_its_first_memory),
		cmocka_unit_test(may_be_filled_to_the_limit_and_no_further),
		cmocka_unit_test(an_error_is_sticky_until_reset),
		cmocka_unit_test(memory_that_is_not_there_is_an_error),
		cmocka_unit_test(reserve_and_commit_append_what_was_written),
		cmocka_unit_test(an_empty_buffer_is_an_empty_text),
	};

	return cmocka_run_group_tests_name("base.buf", tests, NULL, NULL);
}
