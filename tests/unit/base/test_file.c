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

#include "base/file.h"

#define SIZE 10000 /* more than one read */

static char folder[64];
static char path[80];

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/freshet-file-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/it", folder);
	return 0;
}

static int drop_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static void write_file(size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	for (size_t i = 0; i < len; i++)
		assert_int_not_equal(fputc('a' + (int)(i % 26), out), EOF);
	assert_int_equal(fclose(out), 0);
}

static void a_file_is_read_whole_and_ends_with_a_nul(void **state)
{
	static const size_t sizes[] = {0, 1, 4094, 4095, 4096, SIZE};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *text = NULL;
		size_t len = 77;

		write_file(sizes[i]);
		assert_int_equal(file_read(path, SIZE, &text, &len), 0);
		assert_int_equal(len, sizes[i]);
		assert_int_equal(strlen(text), len);
		assert_true(len == 0 || text[len - 1] == 'a' + (int)((len - 1) % 26));
		free(text);
	}
}

static void a_longer_file_gives_nothing(void **state)
{
	char *text = NULL;
	size_t len = 77;

	(void)state;
	write_file(SIZE);
	assert_int_equal(file_read(path, SIZE - 1, &text, &len), -EFBIG);
	assert_null(text);
	assert_int_equal(len, 77);
}

static void what_cannot_be_read_says_why(void **state)
{
	char *text = NULL;
	size_t len = 77;

	(void)state;
	assert_int_equal(file_read(path, SIZE, &text, &len), -ENOENT);
	assert_int_equal(file_read(folder, SIZE, &text, &len), -EISDIR);
	assert_null(text);
	assert_int_equal(len, 77);
}

static void a_fifo_without_a_writer_does_not_hold_the_program(void **state)
{
	char *text = NULL;
	size_t len = 77;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_read(path, SIZE, &text, &len), 0);
	assert_int_equal(len, 0);
	free(text);
}

static void the_folder_of_a_name_is_synced_if_it_is_there(void **state)
{
	char deep[128];

	(void)state;
	assert_int_equal(file_sync_name(path), 0);
	assert_int_equal(file_sync_name("/it"), 0);
	assert_int_equal(file_sync_name("it"), 0);
	(void)snprintf(deep, sizeof(deep), "%s/away/it", folder);
	assert_int_equal(file_sync_name(deep), -ENOENT);
	write_file(1);
	(void)snprintf(deep, sizeof(deep), "%s/it", path);
	assert_int_equal(file_sync_name(deep), -ENOTDIR);
}

int suite_base_file(void);

int suite_base_file(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		CASE(a_file_is_read_whole_and_ends_with_a_nul),
		CASE(a_longer_file_gives_nothing),
		CASE(what_cannot_be_read_says_why),
		CASE(a_fifo_without_a_writer_does_not_hold_the_program),
		CASE(the_folder_of_a_name_is_synced_if_it_is_there),
	};
#undef CASE

	return cmocka_run_group_tests_name("base.file", tests, NULL, NULL);
}
