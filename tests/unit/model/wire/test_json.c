#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/wire/json.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct jr_doc *parse(const char *text)
{
	struct jr_doc *doc = NULL;
	struct jr_error error;

	assert_int_equal(jr_parse(text, strlen(text), &doc, &error), 0);
	return doc;
}

static void what_is_not_strict_json_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"{",
		"{\"a\":1} x",
		"{\"a\":1}{}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":1,}",
		"[1,]",
		"{a:1}",
		"'a'",
		"[NaN]",
		"[Infinity]",
		"[-Infinity]",
		"[1e999]",
		"[01]",
		"[.5]",
		"[+1]",
		"[0x10]",
		"[9223372036854775808]",
		"[\"\xff\"]",
		"[\"\xc0\x80\"]",
		"[\"\xed\xa0\x80\"]",
		"[\"\\ud800\"]",
		"[\"a\nb\"]",
		"[\"\\x\"]",
		"[tru]",
		"// c\n1",
		"\xef\xbb\xbf{}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct jr_doc *doc = NULL;
		struct jr_error error = {0};

		if (jr_parse(cases[i], strlen(cases[i]), &doc, &error) != -EINVAL || doc ||
		    error.message[0] == '\0')
			fail_msg("taken or without a message: %s", cases[i]);
	}
}

static void an_error_names_the_byte(void **state)
{
	struct jr_doc *doc = NULL;
	struct jr_error error;

	(void)state;
	assert_int_equal(jr_parse("{\"a\":tru}", 9, &doc, &error), -EINVAL);
	assert_in_range(error.offset, 5, 9);
}

static int nested(int depth)
{
	char text[100];
	struct jr_doc *doc = NULL;
	struct jr_error error;
	int status;

	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	status = jr_parse(text, (size_t)depth * 2, &doc, &error);
	jr_free(doc);
	return status;
}

static void depth_ends_at_32(void **state)
{
	struct jr_doc *doc;

	(void)state;
	assert_int_equal(nested(32), 0);
	assert_int_equal(nested(33), -EINVAL);
	/* Brackets in strings, also after escaped quotes, are no depth. */
	doc = parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]");
	jr_free(doc);
}

static void a_document_of_too_many_small_things_is_refused(void **state)
{
	/* The outer array counts too. */
	size_t count = JR_VALUES_MAX, len = count * 2 + 1;
	char *text = malloc(len);
	struct jr_doc *doc = NULL;
	struct jr_error error;

	(void)state;
	assert_non_null(text);
	text[0] = '[';
	for (size_t i = 0; i < count; i++)
		memcpy(text + 1 + i * 2, "0,", 2);
	text[len - 1] = ']';
	assert_int_equal(jr_parse(text, len, &doc, &error), -EINVAL);
	assert_string_equal(error.message, "too many values");
	text[len - 3] = ']';
	assert_int_equal(jr_parse(text, len - 2, &doc, &error), 0);
	assert_int_equal(jr_count(jr_root(doc)), JR_VALUES_MAX - 1);
	jr_free(doc);
	free(text);
}

static void values_have_their_types(void **state)
{
	struct jr_doc *doc = parse("{\"n\":null,\"b\":true,\"i\":9007199254740993,\"r\":1.0,"
				   "\"s\":\"x\\u0000y\",\"a\":[1,2,3],\"o\":{}}");
	const struct jr_value *root = jr_root(doc);
	const char *text;
	int64_t integer = 0;
	double number = 0;
	bool flag = false;
	size_t len;
	char copy[8];

	(void)state;
	assert_int_equal(jr_type(root), JR_OBJECT);
	assert_int_equal(jr_count(root), 7);
	assert_int_equal(jr_type(jr_get(root, "n")), JR_NULL);
	assert_true(jr_bool(jr_get(root, "b"), &flag) && flag);
	assert_true(jr_integer(jr_get(root, "i"), &integer));
	assert_true(integer == 9007199254740993);
	assert_true(jr_number(jr_get(root, "i"), &number));
	assert_true(jr_number(jr_get(root, "r"), &number) && number > 0.9 && number < 1.1);
	assert_false(jr_integer(jr_get(root, "r"), &integer));
	assert_false(jr_number(jr_get(root, "s"), &number));
	assert_true(jr_string(jr_get(root, "s"), &text, &len));
	assert_int_equal(len, 3);
	assert_memory_equal(text, "x\0y", 4);
	assert_false(jr_string_copy(jr_get(root, "s"), copy, sizeof(copy)));
	assert_int_equal(jr_count(jr_get(root, "a")), 3);
	assert_true(jr_integer(jr_at(jr_get(root, "a"), 2), &integer) && integer == 3);
	assert_null(jr_at(jr_get(root, "a"), 3));
	assert_null(jr_get(jr_get(jr_get(root, "none"), "x"), "y"));
	assert_int_equal(jr_type(NULL), JR_NONE);
	assert_int_equal(jr_count(NULL), 0);
	assert_null(jr_get(jr_get(root, "a"), "x"));
	assert_false(jr_bool(NULL, &flag));
	jr_free(doc);
	jr_free(NULL);
}

static void a_value_has_the_bytes_of_the_text(void **state)
{
	static const char text[] = " { \"a\\u0062\" : [ 1.50 , \"\\u0041\" ] , \"c\":{ }\n} ";
	struct jr_doc *doc = parse(text);
	const struct jr_value *list = jr_get(jr_root(doc), "ab");
	const struct {
		const struct jr_value *value;
		const char *raw;
	} cases[] = {
		{jr_root(doc), "{ \"a\\u0062\" : [ 1.50 , \"\\u0041\" ] , \"c\":{ }\n}"},
		{list, "[ 1.50 , \"\\u0041\" ]"},
		{jr_at(list, 0), "1.50"},
		{jr_at(list, 1), "\"\\u0041\""},
		{jr_get(jr_root(doc), "c"), "{ }"},
	};
	const char *raw;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_non_null(cases[i].value);
		jr_raw(doc, cases[i].value, &raw, &len);
		assert_int_equal(len, strlen(cases[i].raw));
		assert_memory_equal(raw, cases[i].raw, len);
		assert_true(raw >= text && raw + len <= text + sizeof(text));
	}
	jr_free(doc);
}

static int collect(void *arg, const char *key, size_t len, const struct jr_value *value)
{
	int64_t number = 0;

	assert_true(jr_integer(value, &number));
	strncat(arg, key, len);
	return number == 3 ? 7 : 0;
}

static void members_come_in_document_order_until_told_to_stop(void **state)
{
	struct jr_doc *doc = parse("{\"z\":1,\"a\":2,\"m\":3,\"b\":4}");
	char keys[8] = "";

	(void)state;
	assert_int_equal(jr_each(jr_root(doc), collect, keys), 7);
	assert_string_equal(keys, "zam");
	assert_int_equal(jr_each(NULL, collect, keys), 0);
	jr_free(doc);
}

struct written {
	struct buf buf;
	struct jw w;
};

static int set_up(void **state)
{
	struct written *t = malloc(sizeof(*t));

	assert_non_null(t);
	buf_init(&t->buf, 1 << 20);
	jw_init(&t->w, &t->buf);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct written *t = *state;

	buf_free(&t->buf);
	free(t);
	return 0;
}

static void the_writer_puts_the_commas(void **state)
{
	struct written *t = *state;
	struct jw *w = &t->w;

	jw_open_object(w);
	jw_text(w, "a", "x");
	jw_int(w, "b", INT64_MIN);
	jw_key(w, "c");
	jw_open_array(w);
	jw_put_bool(w, false);
	jw_put_null(w);
	jw_open_object(w);
	jw_close_object(w);
	jw_put_raw(w, "[1]", 3);
	jw_close_array(w);
	jw_flag(w, "d", true);
	jw_text(w, "e", NULL);
	jw_time(w, "f", 1795190400123);
	jw_time(w, "g", INT64_MIN);
	jw_num(w, "h", 0.5);
	jw_close_object(w);
	assert_string_equal(buf_text(&t->buf),
			    "{\"a\":\"x\",\"b\":-9223372036854775808,\"c\":[false,null,{},[1]],"
			    "\"d\":true,\"e\":null,\"f\":\"2026-11-20T16:00:00.123Z\",\"g\":null,"
			    "\"h\":0.5}");
}

static void strings_are_escaped_and_mended(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"a\"b\\c/", "\"a\\\"b\\\\c/\""},
		{"\b\t\n\v\f\r\x01\x1f", "\"\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\""},
		{"\xc3\xa4\xf0\x9f\x9a\x8c", "\"\xc3\xa4\xf0\x9f\x9a\x8c\""},
		{"a\xff"
		 "b",
		 "\"a\xef\xbf\xbd"
		 "b\""},
		{"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"", "\"\""},
	};
	struct written *t = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct jr_doc *doc;

		buf_reset(&t->buf);
		jw_init(&t->w, &t->buf);
		jw_put_text(&t->w, cases[i].in);
		assert_string_equal(buf_text(&t->buf), cases[i].out);
		doc = parse(buf_text(&t->buf));
		jr_free(doc);
	}
}

static void check_number(struct written *t, double value, const char *expected)
{
	struct jr_doc *doc;
	double back = 0;

	buf_reset(&t->buf);
	jw_init(&t->w, &t->buf);
	jw_put_number(&t->w, value);
	doc = parse(buf_text(&t->buf));
	assert_true(jr_number(jr_root(doc), &back));
	jr_free(doc);
	if (back < value || back > value)
		fail_msg("%.17g came back as %.17g from %s", value, back, buf_text(&t->buf));
	if (expected)
		assert_string_equal(buf_text(&t->buf), expected);
}

static void numbers_are_short_and_read_back_equal(void **state)
{
	struct written *t = *state;
	uint64_t seed = 42;

	check_number(t, 82.0, "82");
	check_number(t, 0.1, "0.1");
	check_number(t, -0.25, "-0.25");
	check_number(t, -0.0, "0");
	check_number(t, 48.137154, "48.137154");
	check_number(t, 0.1 + 0.2, "0.30000000000000004");
	check_number(t, 1e300, "1e+300");
	check_number(t, 5e-324, NULL);
	check_number(t, DBL_MAX, NULL);
	check_number(t, 999999999.999999, NULL);
	check_number(t, 16383.75, "16383.75");
	for (int i = 0; i < 20000; i++) {
		double value;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		memcpy(&value, &seed, sizeof(value));
		if (isfinite(value))
			check_number(t, value, NULL);
		check_number(t, (double)(int64_t)(seed >> 24) / 1e5, NULL);
	}
}

static void misuse_of_the_writer_is_a_sticky_error(void **state)
{
	struct written *t = *state;
	struct jw *w = &t->w;

	jw_open_object(w);
	jw_put_integer(w, 1);
	assert_int_equal(t->buf.error, -EINVAL);
	assert_null(buf_text(&t->buf));

	for (int i = 0; i < 6; i++) {
		buf_reset(&t->buf);
		jw_init(w, &t->buf);
		switch (i) {
		case 0:
			jw_put_number(w, HUGE_VAL);
			break;
		case 1:
			jw_key(w, "a");
			break;
		case 2:
			jw_open_array(w);
			jw_close_object(w);
			break;
		case 3:
			jw_put_null(w);
			jw_put_null(w);
			break;
		case 4:
			jw_close_array(w);
			break;
		default:
			for (int n = 0; n <= JR_DEPTH_MAX; n++)
				jw_open_array(w);
			break;
		}
		assert_int_equal(t->buf.error, -EINVAL);
	}
}

int suite_model_wire_json(void);
int suite_model_wire_json(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_strict_json_is_refused),
		cmocka_unit_test(an_error_names_the_byte),
		cmocka_unit_test(depth_ends_at_32),
		cmocka_unit_test(a_document_of_too_many_small_things_is_refused),
		cmocka_unit_test(values_have_their_types),
		cmocka_unit_test(a_value_has_the_bytes_of_the_text),
		cmocka_unit_test(members_come_in_document_order_until_told_to_stop),
		cmocka_unit_test_setup_teardown(the_writer_puts_the_commas, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strings_are_escaped_and_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_are_short_and_read_back_equal, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(misuse_of_the_writer_is_a_sticky_error, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("model.wire_json", tests, NULL, NULL);
}
