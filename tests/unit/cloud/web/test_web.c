#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cloud/web/web.h"

int suite_cloud_web(void);

static const struct web_file *find(const char *path)
{
	return web_find(path, strlen(path));
}

static void the_root_is_the_index(void **state)
{
	const struct web_file *file = find("/");

	(void)state;
	assert_non_null(file);
	assert_ptr_equal(file, find("/index.html"));
	assert_string_equal(file->type, "text/html; charset=utf-8");
	assert_memory_equal(file->data, "<!doctype html>", 15);
}

static void the_page_names_only_files_that_are_there(void **state)
{
	static const char *const paths[] = {"/app.js", "/app.css", "/favicon.svg"};
	const struct web_file *index = find("/");
	char text[16384];

	(void)state;
	assert_in_range(index->size, 1, sizeof(text) - 1);
	memcpy(text, index->data, index->size);
	text[index->size] = '\0';
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct web_file *file = find(paths[i]);

		assert_non_null(file);
		assert_true(file->size > 0);
		assert_non_null(strstr(text, paths[i] + 1));
	}
}

static void tags_are_quoted_and_differ(void **state)
{
	const char *js = find("/app.js")->etag;

	(void)state;
	assert_int_equal(js[0], '"');
	assert_int_equal(js[strlen(js) - 1], '"');
	assert_string_not_equal(js, find("/app.css")->etag);
}

static void what_is_not_there_is_not_found(void **state)
{
	(void)state;
	assert_null(find("/index.htm"));
	assert_null(find("/index.html2"));
	assert_null(find("index.html"));
	assert_null(find("/../web.h"));
	assert_null(web_find("", 0));
}

int suite_cloud_web(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_is_the_index),
		cmocka_unit_test(the_page_names_only_files_that_are_there),
		cmocka_unit_test(tags_are_quoted_and_differ),
		cmocka_unit_test(what_is_not_there_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
