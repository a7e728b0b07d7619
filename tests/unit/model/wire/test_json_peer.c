/* Differential: the reader and jansson on hand-written, random and damaged texts. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tests/unit/model/wire/json_peer.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT_MAX ((size_t)1 << 20)

/* A copy of exactly this size, so that a sanitizer sees a read past its end. */
static bool agree(const char *text, size_t len)
{
	char *exact = malloc(len > 0 ? len : 1);
	const char *what;
	bool taken = false;

	assert_non_null(exact);
	if (len > 0)
		memcpy(exact, text, len);
	what = json_peer_differ(exact, len, &taken);
	if (what)
		fail_msg("%s: %.*s", what, (int)(len < 2000 ? len : 2000), exact);
	free(exact);
	return taken;
}

struct text {
	const char *data;
	size_t len;
};
/* sizeof, because texts hold NULs. */
#define T(s)                                                                                       \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

static void good_texts_are_taken_by_both(void **state)
{
	static const struct text cases[] = {
		T("[[]   ]"),
		T("[\"\"]"),
		T("[]"),
		T("[\"a\"]"),
		T("[false]"),
		T("[null, 1, \"1\", {}]"),
		T("[null]"),
		T("[1\n]"),
		T(" [1]"),
		T("[1,null,null,null,2]"),
		T("[2] "),
		T("\t\r\n 42 \n"),
		T("\"x\""),
		T("\"\""),
		T("true"),
		T("null"),
		T("-0.1"),
		T("[0e1]"),
		T("[0e+1]"),
		T("[ 4]"),
		T("[-0.000000000000000000000000000000000000000000000000000000000000000000000001]"),
		T("[20e1]"),
		T("[-0]"),
		T("[-0.0]"),
		T("[-123]"),
		T("[1E22]"),
		T("[1E-2]"),
		T("[1E+2]"),
		T("[123e45]"),
		T("[123.456e78]"),
		T("[1e-400]"),
		T("[4.9e-324]"),
		T("[2.2250738585072011e-308]"),
		T("[2.2250738585072014e-308]"),
		T("[1.7976931348623157e308]"),
		T("[1.7976931348623158e308]"),
		T("[9007199254740993.0]"),
		T("[9007199254740992.0]"),
		T("[0e99999999999999999999]"),
		T("[1e-99999999999999999999]"),
		T("[100000000000000000000.0]"),
		T("[0.00000000000000000000000000000000000001234567890123456789]"),
		T("[123456789012345678901234567890.123456789e-20]"),
		T("[9223372036854775807,-9223372036854775808]"),
		T("[\"\\u0060\\u012a\\u12AB\"]"),
		T("[\"\\uD801\\udc37\\ud83d\\ude39\\ud83d\\udc8d\"]"),
		T("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
		T("[\"\\\\u0000\"]"),
		T("[\"\\u0000\"]"),
		T("[\"a\\u0000b\\u0000\"]"),
		T("[\"\\uDBFF\\uDFFF\\uD800\\uDC00\"]"),
		T("[\"\\uFFFF\\uFFFE\\u007f\\u0080\\u07ff\\u0800\"]"),
		T("[\"\x7f\"]"),
		T("[\"\xc3\xa4\xe2\x82\xac\xf4\x8f\xbf\xbf\xef\xbf\xbf\xef\xbb\xbf\"]"),
		T("[\"abcdefg\\u0041hijklmno\xc3\xa4pqrstuvwxyz\\n\"]"),
		T("{\"\":0}"),
		T("{\"a\":[]}"),
		T("{\"a\":\"b\",\"c\":{\"a\":1}}"),
		T("{\"title\":\"\\u041f\\u043e\"}"),
		T("{\"\\u0061b\":1,\"\\u0062a\":2,\"A\\n\":3}"),
		T("[[[1],[2,[3]],{}],{\"a\":[{\"b\":[[]]}]},[4,5]]"),
		T("{\"a\":[1,{\"b\":2},3],\"c\":[[1,2],[3,4]],\"d\":4}"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (!agree(cases[i].data, cases[i].len))
			fail_msg("refused: %s", cases[i].data);
}

static void bad_texts_are_refused_by_both(void **state)
{
	static const struct text cases[] = {
		T(""),
		T(" "),
		T("\0"),
		T("[1]\0"),
		T("[\0]"),
		T("1\0"),
		T("[1\0]"),
		T("[1\0,2]"),
		T("[1 true]"),
		T("[a\xe5]"),
		T("[\"\": 1]"),
		T("[\"\"],"),
		T("[,1]"),
		T("[1,,2]"),
		T("[\"x\",,]"),
		T("[\"x\"]]"),
		T("[\"\",]"),
		T("[\"x\""),
		T("[x"),
		T("[3[4]]"),
		T("[\xff]"),
		T("[1:2]"),
		T("[,]"),
		T("[-]"),
		T("[\"\n\"]"),
		T("[1,]"),
		T("[\"\x0b\"]"),
		T("[\x0c]"),
		T("\xc2\xa0[]"),
		T("\xe2\x81\xa0[]"),
		T("\xef\xbb\xbf"),
		T("\xff\xfe[\0]\0"),
		T("[fals]"),
		T("[nul"),
		T("[tru]"),
		T("[True]"),
		T("[trueish]"),
		T("nullnull"),
		T("[++1]"),
		T("[+1]"),
		T("[-01]"),
		T("[-1.0.]"),
		T("[-2.]"),
		T("[.-1]"),
		T("[.2e-3]"),
		T("[0.1.2]"),
		T("[0.3e+]"),
		T("[0.3e]"),
		T("[0E+]"),
		T("[0E]"),
		T("[0.e1]"),
		T("[1.0e+]"),
		T("[1.0e-]"),
		T("[1.0e]"),
		T("[1 000.0]"),
		T("[1eE2]"),
		T("[2.e+3]"),
		T("[9.e+]"),
		T("[Inf]"),
		T("[NaN]"),
		T("[-NaN]"),
		T("[-Infinity]"),
		T("[-foo]"),
		T("[- 1]"),
		T("[-012]"),
		T("[012]"),
		T("[0x1]"),
		T("[0x42]"),
		T("[1.2a-3]"),
		T("[1.8011670033376514H-308]"),
		T("[1ea]"),
		T("[1+2]"),
		T("[\xef\xbc\x91]"),
		T("[1e309]"),
		T("[0.1e1000000000000000000000000000000]"),
		T("[-1e309]"),
		T("[1.7976931348623159e308]"),
		T("[1e99999999999999999999]"),
		T("[9223372036854775808]"),
		T("[-9223372036854775809]"),
		T("[18446744073709551616]"),
		T("[10000000000000000000000]"),
		T("[\"\\uD800\\\"]"),
		T("[\"\\uD800\\u\"]"),
		T("[\"\\uD800\\u1\"]"),
		T("[\"\\uD800\\u1x\"]"),
		T("[\"\\uD800\\uD800\\n\"]"),
		T("[\"\\uD888\\u1234\"]"),
		T("[\"\\uD800abc\"]"),
		T("[\"\\uDd1ea\"]"),
		T("[\"\\uDFAA\"]"),
		T("[\"\\uD834"),
		T("[\"\\uD834\\"),
		T("[\"\\uD834\\u"),
		T("[\"\\u00A\"]"),
		T("[\"\\u"),
		T("[\"\\u00"),
		T("[\"\\x00\"]"),
		T("[\"\\\\\\\"]"),
		T("[\"\\\t\"]"),
		T("[\"\\\0\"]"),
		T("[\"\\a\"]"),
		T("[\"\\uqqqq\"]"),
		T("[\"\\U0041\"]"),
		T("[\"\\'\"]"),
		T("[\"\xe5\"]"),
		T("[\"\\\xe5\"]"),
		T("[\"\xed\xa0\x80\"]"),
		T("[\"\xed\xbf\xbf\"]"),
		T("[\"\xc0\xaf\"]"),
		T("[\"\xe0\x80\xaf\"]"),
		T("[\"\xf0\x80\x80\x80\"]"),
		T("[\"\xf4\x90\x80\x80\"]"),
		T("[\"\xf8\x88\x80\x80\x80\"]"),
		T("[\"\xe2\x82\"]"),
		T("[\"\xe2\x82"),
		T("[\"\xf0\x9f\x9a"),
		T("[\"\x80\"]"),
		T("[\"a\0a\"]"),
		T("[\"new\nline\"]"),
		T("[\"\t\"]"),
		T("[\"abcdefghijklmno\x1f\"]"),
		T("\""),
		T("\"abcdefgh"),
		T("['x']"),
		T("\"x\" y"),
		T("[\\n]"),
		T("[\"a\"x]"),
		T("[<null>]"),
		T("*"),
		T("[1]x"),
		T("[1}"),
		T("{\"a\":1]"),
		T("[][]"),
		T("]"),
		T("}"),
		T("{]"),
		T("[}"),
		T("{}}"),
		T("{\"a\":"),
		T("{\"a\""),
		T("{\"a"),
		T("{\"a\" 1}"),
		T("{\"a\":\"a\" 123}"),
		T("{key: 'v'}"),
		T("{[: \"x\"}"),
		T("{null:null}"),
		T("{1:1}"),
		T("{\"a\":1,}"),
		T("{\"a\":1,,\"b\":2}"),
		T("{,\"a\":1}"),
		T("{:\"b\"}"),
		T("{\"a\"::1}"),
		T("{\"a\",1}"),
		T("{\"a\":1}/**/"),
		T("{\"a\":1}#"),
		T("{\"a\":1,\"a\":1}"),
		T("{\"a\":1,\"\\u0061\":1}"),
		T("{\"\":1,\"\":1}"),
		T("{\"b\":{\"a\":1,\"c\":2,\"a\":3}}"),
		T("{\"\\u0000\":1}"),
		T("{\"a\\u0000b\":1}"),
		T("{\"a\":1 \"b\":2}"),
		T("[1 2]"),
		T("[\"a\" \"b\"]"),
		T("1 2"),
		T("[{}{}]"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (agree(cases[i].data, cases[i].len))
			fail_msg("taken: %.*s", (int)cases[i].len, cases[i].data);
}

/* ---- random ---- */

static uint32_t roll(uint64_t *seed, uint32_t sides)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % sides;
}

static const char *pick(uint64_t *seed, const char *const *list, size_t count)
{
	return list[roll(seed, (uint32_t)count)];
}

static void put_random_string(struct buf *out, uint64_t *seed)
{
	static const char *const parts[] = {"a",
					    "key",
					    "longer text of ascii",
					    "\\n",
					    "\\\"",
					    "\\u00e4",
					    "\\ud83d\\ude39",
					    "\xc3\xa4",
					    "\xe2\x82\xac",
					    "\xf0\x9f\x9a\x8c",
					    " ",
					    "/",
					    "\\\\",
					    "\\u0001",
					    "12345678"};

	buf_putc(out, '"');
	for (uint32_t n = roll(seed, 5); n > 0; n--)
		buf_puts(out, pick(seed, parts, COUNT(parts)));
	buf_putc(out, '"');
}

static void put_random_digits(struct buf *out, uint64_t *seed, uint32_t most)
{
	for (uint32_t n = roll(seed, most) + 1; n > 0; n--)
		buf_putc(out, (char)('0' + roll(seed, 10)));
}

static void put_random_number(struct buf *out, uint64_t *seed)
{
	if (roll(seed, 3) == 0)
		buf_putc(out, '-');
	if (roll(seed, 4) == 0)
		buf_putc(out, '0');
	else
		buf_printf(out, "%u", roll(seed, 9) + 1);
	if (out->data[out->len - 1] != '0' && roll(seed, 2) == 0)
		put_random_digits(out, seed, 20);
	if (roll(seed, 2) == 0) {
		buf_putc(out, '.');
		put_random_digits(out, seed, roll(seed, 8) == 0 ? 40 : 8);
	}
	if (roll(seed, 4) == 0)
		buf_printf(out, "e%s%u", pick(seed, (const char *[]){"", "+", "-"}, 3),
			   roll(seed, roll(seed, 4) == 0 ? 400 : 30));
}

static void put_random_scalar(struct buf *out, uint64_t *seed)
{
	static const char *const words[] = {"true", "false", "null", "{}", "[]", "[ ]"};

	switch (roll(seed, 3)) {
	case 0:
		put_random_string(out, seed);
		break;
	case 1:
		put_random_number(out, seed);
		break;
	default:
		buf_puts(out, pick(seed, words, COUNT(words)));
		break;
	}
}

static void put_space(struct buf *out, uint64_t *seed)
{
	static const char *const spaces[] = {"", "", "", "", " ", "\n", "\t ", "\r\n"};

	buf_puts(out, pick(seed, spaces, COUNT(spaces)));
}

/* Opens and closes by chance: a document without recursion. Keys are mostly different. */
static void put_random_document(struct buf *out, uint64_t *seed)
{
	char closes[40] = "";
	uint32_t depth = 0, keys = 0, steps = roll(seed, 120);
	bool first = true;

	do {
		if (depth > 0 && (steps == 0 || roll(seed, 6) == 0)) {
			put_space(out, seed);
			buf_putc(out, closes[--depth]);
			first = false;
			continue;
		}
		put_space(out, seed);
		if (depth > 0 && !first)
			buf_putc(out, ',');
		put_space(out, seed);
		if (depth > 0 && closes[depth - 1] == '}')
			buf_printf(out,
				   "\"k%u\" :", roll(seed, 40) == 0 ? roll(seed, 30) : ++keys + 30);
		put_space(out, seed);
		first = steps > 0 && depth < sizeof(closes) && roll(seed, 3) == 0;
		if (steps > 0)
			steps--;
		if (first) {
			closes[depth] = roll(seed, 2) == 0 ? '}' : ']';
			buf_putc(out, closes[depth++] == '}' ? '{' : '[');
		} else {
			put_random_scalar(out, seed);
		}
	} while (depth > 0);
	put_space(out, seed);
}

static void random_documents_are_read_alike(void **state)
{
	uint64_t seed = 20261120;
	unsigned taken = 0;
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (int i = 0; i < 6000; i++) {
		buf_reset(&out);
		put_random_document(&out, &seed);
		assert_int_equal(out.error, 0);
		taken += agree(out.data, out.len);
	}
	buf_free(&out);
	/* Some hold a key twice or a number that is too large; most are good. */
	assert_in_range(taken, 3000, 5999);
}

static void random_numbers_are_read_alike(void **state)
{
	uint64_t seed = 7;
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (int i = 0; i < 40000; i++) {
		buf_reset(&out);
		put_random_number(&out, &seed);
		(void)agree(out.data, out.len);
	}
	buf_free(&out);
}

/* ---- damaged ---- */

static void mutate(struct buf *text, uint64_t *seed)
{
	static const char *const tokens[] = {"{",    "}",        "[",        "]",
					     ",",    ":",        "\"",       "\\",
					     "\\u",  "\\ud800",  "0",        "-",
					     ".",    "e9",       "1e999",    "null",
					     "\xc3", "\xf0\x9f", "\n",       "\x01",
					     " ",    "{}",       "[]",       "true",
					     "\x7f", "\\u0000",  "\"a\":1,", "9223372036854775807"};
	size_t at = roll(seed, (uint32_t)text->len + 1), len = text->len;
	const char *token = pick(seed, tokens, COUNT(tokens));
	size_t n = strlen(token), cut;

	switch (roll(seed, 4)) {
	case 0:
		if (at < len)
			text->data[at] = (char)roll(seed, 256);
		return;
	case 1: /* a part is lost */
		cut = roll(seed, 12) + 1;
		cut = cut < len - at ? cut : len - at;
		memmove(text->data + at, text->data + at + cut, len - at - cut);
		text->len -= cut;
		return;
	case 2: /* the rest is lost */
		if (roll(seed, 8) == 0)
			text->len = at;
		return;
	default:
		buf_append(text, token, n);
		memmove(text->data + at + n, text->data + at, len - at);
		memcpy(text->data + at, token, n);
		return;
	}
}

static void damage(const char *data, size_t len, uint64_t *seed)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	(void)agree(data, len);
	for (int i = 0; i < 400; i++) {
		buf_reset(&text);
		buf_append(&text, data, len);
		for (uint32_t n = roll(seed, 3) + 1; n > 0; n--)
			mutate(&text, seed);
		assert_int_equal(text.error, 0);
		(void)agree(text.data, text.len);
	}
	buf_free(&text);
}

/* A file whole, and where it is a batch, its header and its body too. */
static void damage_file(const char *path, uint64_t *seed)
{
	char *data = malloc(TEXT_MAX), *newline;
	FILE *file = fopen(path, "rb");
	size_t len;

	assert_non_null(data);
	if (!file)
		fail_msg("cannot open %s", path);
	len = fread(data, 1, TEXT_MAX, file);
	(void)fclose(file);
	damage(data, len, seed);
	newline = memchr(data, '\n', len);
	if (newline && newline + 1 < data + len) {
		damage(data, (size_t)(newline - data), seed);
		damage(newline + 1, len - (size_t)(newline + 1 - data), seed);
	}
	free(data);
}

static int count_folder(const char *folder, uint64_t *seed)
{
	struct dirent **list = NULL;
	int n = scandir(folder, &list, NULL, alphasort), done = 0;
	char path[4096];

	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (name[0] != '.' && !strstr(name, ".h") && !strstr(name, ".md")) {
			damage_file(path, seed);
			done++;
		}
		free(list[i]);
	}
	free((void *)list);
	return done;
}

static void damaged_files_are_read_alike(void **state)
{
	uint64_t seed = 99;

	(void)state;
	assert_in_range(count_folder(FRESHET_GOLDEN, &seed), 10, 1000);
	assert_in_range(count_folder(FRESHET_CORPUS "/wire_batch", &seed), 5, 1000);
	assert_in_range(count_folder(FRESHET_CORPUS "/json", &seed), 5, 1000);
}

/* ---- large ---- */

static void put_members(struct buf *out, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		buf_printf(out, "%s\"member %u\":[%u]", i > 0 ? "," : "", i * 7919 % 100003, i);
}

static void large_objects_are_read_alike(void **state)
{
	static const unsigned sizes[] = {1, 63, 64, 65, 66, 129, 1000, 20000};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (unsigned twice = 0; twice < 2; twice++) {
			buf_reset(&out);
			buf_putc(&out, '{');
			put_members(&out, 0, sizes[i]);
			if (twice) /* the key of the middle */
				buf_printf(&out, ",\"member %u\":0", sizes[i] / 2 * 7919 % 100003);
			buf_putc(&out, '}');
			assert_int_equal(out.error, 0);
			assert_int_equal(agree(out.data, out.len), !twice);
		}
	buf_free(&out);
}

static void deep_texts_end_where_ours_says(void **state)
{
	char text[200];

	(void)state;
	for (size_t depth = 1; depth <= 80; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(agree(text, 2 * depth), depth <= 32);
		(void)agree(text, 2 * depth - 1);
	}
}

int suite_model_wire_json_peer(void);
int suite_model_wire_json_peer(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_are_taken_by_both),
		cmocka_unit_test(bad_texts_are_refused_by_both),
		cmocka_unit_test(random_documents_are_read_alike),
		cmocka_unit_test(random_numbers_are_read_alike),
		cmocka_unit_test(damaged_files_are_read_alike),
		cmocka_unit_test(large_objects_are_read_alike),
		cmocka_unit_test(deep_texts_end_where_ours_says),
	};

	return cmocka_run_group_tests_name("model.wire_json_peer", tests, NULL, NULL);
}
