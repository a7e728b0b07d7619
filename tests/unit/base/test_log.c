#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

/* stderr goes through a pipe while a test runs. */
struct capture {
	int saved;
	int out;
	char text[4096];
};

static int begin(void **state)
{
	static struct capture capture;
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	capture.saved = dup(STDERR_FILENO);
	capture.out = fds[0];
	if (capture.saved < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		return -1;
	close(fds[1]);
	unsetenv("JOURNAL_STREAM");
	*state = &capture;
	return 0;
}

static int end(void **state)
{
	struct capture *capture = *state;

	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	close(capture->out);
	return 0;
}

/* What was written, in one read(2): one line. */
static const char *line(struct capture *capture)
{
	ssize_t n = read(capture->out, capture->text, sizeof(capture->text) - 1);

	assert_true(n > 0);
	capture->text[n] = '\0';
	return capture->text;
}

/* The line without its time. */
static const char *after_time(struct capture *capture)
{
	const char *text = line(capture);

	assert_true(strlen(text) > 25);
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[23], 'Z');
	return text + 25;
}

static void a_line_has_time_level_program_and_message(void **state)
{
	log_init("freshet-test", LOG_LEVEL_INFO);
	log_warning("source failed source=%s errors=%d", "obd0", 3);
	assert_string_equal(after_time(*state),
			    "warning freshet-test: source failed source=obd0 errors=3\n");
}

static void values_with_spaces_quotes_or_nothing_are_quoted(void **state)
{
	log_init("t", LOG_LEVEL_INFO);
	log_info("x a=%s b=%s c=%s d=%s e=%.2s f=%s", "two words", "say \"hi\"", "", "k=v", "a b",
		 "ok");
	assert_string_equal(
		after_time(*state),
		"info t: x a=\"two words\" b=\"say \\\"hi\\\"\" c=\"\" d=\"k=v\" e=\"a \" "
		"f=ok\n");
}

static void a_value_cannot_forge_a_line(void **state)
{
	log_init("t", LOG_LEVEL_INFO);
	log_info("got answer=%s", "x\n2026 error t: forged\x1b[2J");
	assert_string_equal(after_time(*state),
			    "info t: got answer=\"x\\n2026 error t: forged\\x1b[2J\"\n");
	log_info("free text: %s", "a\nb");
	assert_string_equal(after_time(*state), "info t: free text: a\\nb\n");
}

static void a_value_cannot_leave_its_quotes(void **state)
{
	log_init("t", LOG_LEVEL_INFO);
	log_info("got answer=%s", "x\x02 admin=yes");
	assert_string_equal(after_time(*state),
			    "info t: msg=\"got answer=\\x01x\\x02 admin=yes\\x02\"\n");
}

static void quieter_levels_are_not_written(void **state)
{
	log_init("t", LOG_LEVEL_WARNING);
	assert_false(log_enabled(LOG_LEVEL_NOTICE));
	assert_true(log_enabled(LOG_LEVEL_ERROR));
	log_notice("not this");
	log_error("but this");
	assert_string_equal(after_time(*state), "error t: but this\n");
}

static void long_lines_end_in_dots_within_1024_bytes(void **state)
{
	char big[3000];
	const char *text;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_init("t", LOG_LEVEL_INFO);
	log_info("big value=%s", big);
	text = line(*state);
	assert_int_equal(strlen(text), 1024);
	assert_string_equal(text + 1018, "xx...\n");
	/* Escapes make it longer than the message was. */
	memset(big, '\n', 600);
	big[600] = '\0';
	log_info("%s", big);
	text = line(*state);
	assert_int_equal(strlen(text), 1024);
	assert_string_equal(text + 1020, "...\n");
}

static void a_cut_does_not_split_a_utf8_character(void **state)
{
	const char *text;
	char big[2001];

	log_init("t", LOG_LEVEL_INFO);
	for (int shift = 0; shift < 2; shift++) {
		for (int i = 0; i < 2000; i += 2)
			memcpy(big + i, "\xc3\xa4", 2);
		big[2000] = '\0';
		log_info("%s%s", shift ? "-" : "", big);
		text = line(*state);
		assert_memory_equal(text + strlen(text) - 6, "\xc3\xa4...\n", 6);
	}
}

static void journald_gets_a_priority_and_no_time(void **state)
{
	char where[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(where, sizeof(where), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", where, 1);
	log_init("t", LOG_LEVEL_DEBUG);
	log_debug("hello n=%d", 1);
	assert_string_equal(line(*state), "<7>hello n=1\n");
	/* Someone else's journal: stderr was redirected since. */
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_init("t", LOG_LEVEL_DEBUG);
	log_error("hello");
	assert_string_equal(after_time(*state), "error t: hello\n");
	unsetenv("JOURNAL_STREAM");
}

static void logging_keeps_errno(void **state)
{
	log_init("t", LOG_LEVEL_INFO);
	errno = ENOENT;
	log_error("open failed errno=%d", errno);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(after_time(*state), "error t: open failed errno=2\n");
}

static void levels_have_names(void **state)
{
	enum log_level level = LOG_LEVEL_ERROR;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("warning", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARNING);
	assert_int_equal(log_level_parse("warn", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_WARNING);
}

int suite_base_log(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_has_time_level_program_and_message, begin,
						end),
		cmocka_unit_test_setup_teardown(values_with_spaces_quotes_or_nothing_are_quoted,
						begin, end),
		cmocka_unit_test_setup_teardown(a_value_cannot_forge_a_line, begin, end),
		cmocka_unit_test_setup_teardown(a_value_cannot_leave_its_quotes, begin, end),
		cmocka_unit_test_setup_teardown(quieter_levels_are_not_written, begin, end),
		cmocka_unit_test_setup_teardown(long_lines_end_in_dots_within_1024_bytes, begin,
						end),
		cmocka_unit_test_setup_teardown(a_cut_does_not_split_a_utf8_character, begin, end),
		cmocka_unit_test_setup_teardown(journald_gets_a_priority_and_no_time, begin, end),
		cmocka_unit_test_setup_teardown(logging_keeps_errno, begin, end),
		cmocka_unit_test(levels_have_names),
	};

	return cmocka_run_group_tests_name("base.log", tests, NULL, NULL);
}
