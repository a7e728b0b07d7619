#include "model/wire/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/rfc3339.h"

/* A jr_value is a json_t and a jr_doc is its root; only this file knows. */
static const json_t *as_json(const struct jr_value *value)
{
	return (const json_t *)value;
}

static const struct jr_value *as_value(const json_t *json)
{
	return (const struct jr_value *)json;
}

static void set_error(struct jr_error *ret_error, size_t offset, const char *message)
{
	ret_error->offset = offset;
	/* jansson's texts may be longer than ours: what stands first is what helps. */
	snprintf(ret_error->message, sizeof(ret_error->message), "%.*s",
		 (int)sizeof(ret_error->message) - 1, message);
}

/* One past the string that starts at `i` (its opening quote); `len` where it does not end. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
	for (i++; i < len && text[i] != '"'; i++)
		if (text[i] == '\\')
			i++;
	return i < len ? i + 1 : len;
}

/* Counts depth and size before jansson allocates (and recurses) for them. */
static bool within_limits(const char *text, size_t len, struct jr_error *ret_error)
{
	size_t depth = 0, containers = 0, values = 0, i = 0;

	while (i < len) {
		const char *problem = NULL;

		switch (text[i]) {
		case '"':
			i = skip_string(text, len, i);
			continue;
		case '[':
		case '{':
			depth++;
			containers++;
			values++;
			break;
		case ']':
		case '}':
			if (depth > 0)
				depth--;
			break;
		case ',':
			values++;
			break;
		default:
			break;
		}
		if (depth > JR_DEPTH_MAX)
			problem = "nested too deep";
		else if (containers > JR_CONTAINERS_MAX || values > JR_VALUES_MAX)
			problem = "too many values";
		if (problem) {
			set_error(ret_error, i, problem);
			return false;
		}
		i++;
	}
	return true;
}

int jr_parse(const char *text, size_t len, struct jr_doc **ret_doc, struct jr_error *ret_error)
{
	json_error_t error;
	json_t *root;

	if (!within_limits(text, len, ret_error))
		return -EINVAL;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
			  &error);
	if (!root) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return -ENOMEM;
		set_error(ret_error, error.position > 0 ? (size_t)error.position : 0, error.text);
		return -EINVAL;
	}
	*ret_doc = (struct jr_doc *)root;
	return 0;
}

void jr_free(struct jr_doc *doc)
{
	json_decref((json_t *)doc);
}

const struct jr_value *jr_root(const struct jr_doc *doc)
{
	return (const struct jr_value *)doc;
}

enum jr_type jr_type(const struct jr_value *value)
{
	if (!value)
		return JR_NONE;
	switch (json_typeof(as_json(value))) {
	case JSON_OBJECT:
		return JR_OBJECT;
	case JSON_ARRAY:
		return JR_ARRAY;
	case JSON_STRING:
		return JR_STRING;
	case JSON_INTEGER:
		return JR_INTEGER;
	case JSON_REAL:
		return JR_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JR_BOOL;
	case JSON_NULL:
		return JR_NULL;
	}
	return JR_NONE;
}

const struct jr_value *jr_get(const struct jr_value *object, const char *key)
{
	return as_value(json_object_get(as_json(object), key));
}

size_t jr_count(const struct jr_value *array_or_object)
{
	if (jr_type(array_or_object) == JR_OBJECT)
		return json_object_size(as_json(array_or_object));
	return json_array_size(as_json(array_or_object));
}

const struct jr_value *jr_at(const struct jr_value *array, size_t index)
{
	return as_value(json_array_get(as_json(array), index));
}

bool jr_bool(const struct jr_value *value, bool *ret)
{
	if (jr_type(value) != JR_BOOL)
		return false;
	*ret = json_is_true(as_json(value));
	return true;
}

bool jr_integer(const struct jr_value *value, int64_t *ret)
{
	if (jr_type(value) != JR_INTEGER)
		return false;
	*ret = json_integer_value(as_json(value));
	return true;
}

bool jr_number(const struct jr_value *value, double *ret)
{
	enum jr_type type = jr_type(value);

	if (type != JR_INTEGER && type != JR_REAL)
		return false;
	*ret = json_number_value(as_json(value));
	return true;
}

bool jr_string(const struct jr_value *value, const char **ret_text, size_t *ret_len)
{
	if (jr_type(value) != JR_STRING)
		return false;
	*ret_text = json_string_value(as_json(value));
	*ret_len = json_string_length(as_json(value));
	return true;
}

bool jr_string_copy(const struct jr_value *value, char *out, size_t size)
{
	const char *text;
	size_t len;

	if (!jr_string(value, &text, &len) || len >= size || memchr(text, '\0', len))
		return false;
	memcpy(out, text, len + 1);
	return true;
}

int jr_each(const struct jr_value *object,
	    int (*fn)(void *arg, const char *key, size_t key_len, const struct jr_value *value),
	    void *arg)
{
	/* jansson's iterator is not const-correct; it changes nothing. */
	json_t *json = (json_t *)(uintptr_t)as_json(object);

	for (void *i = json_object_iter(json); i; i = json_object_iter_next(json, i)) {
		int status = fn(arg, json_object_iter_key(i), json_object_iter_key_len(i),
				as_value(json_object_iter_value(i)));

		if (status != 0)
			return status;
	}
	return 0;
}

static void fail(struct jw *w)
{
	if (w->out->error == 0)
		w->out->error = -EINVAL;
}

void jw_init(struct jw *w, struct buf *out)
{
	memset(w, 0, sizeof(*w));
	w->out = out;
	w->first[0] = true;
}

/* Before each value: the comma of an array, and the rule that members have keys. */
static void begin_value(struct jw *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->object[w->depth] || (w->depth == 0 && !w->first[0])) {
		fail(w);
		return;
	}
	if (!w->first[w->depth])
		buf_putc(w->out, ',');
	w->first[w->depth] = false;
}

static void open_container(struct jw *w, char c, bool object)
{
	begin_value(w);
	if (w->depth == JR_DEPTH_MAX) {
		fail(w);
		return;
	}
	w->depth++;
	w->first[w->depth] = true;
	w->object[w->depth] = object;
	buf_putc(w->out, c);
}

static void close_container(struct jw *w, char c, bool object)
{
	if (w->depth == 0 || w->after_key || w->object[w->depth] != object) {
		fail(w);
		return;
	}
	w->depth--;
	buf_putc(w->out, c);
}

void jw_open_object(struct jw *w)
{
	open_container(w, '{', true);
}

void jw_close_object(struct jw *w)
{
	close_container(w, '}', true);
}

void jw_open_array(struct jw *w)
{
	open_container(w, '[', false);
}

void jw_close_array(struct jw *w)
{
	close_container(w, ']', false);
}

void jw_key(struct jw *w, const char *key)
{
	if (!w->object[w->depth] || w->after_key) {
		fail(w);
		return;
	}
	if (!w->first[w->depth])
		buf_putc(w->out, ',');
	w->first[w->depth] = false;
	w->after_key = true;
	buf_putc(w->out, '"');
	buf_puts(w->out, key);
	buf_append(w->out, "\":", 2);
}

/* The bytes of the UTF-8 sequence at `s` (Unicode table 3-7), 0 where there is none. */
static size_t sequence_length(const unsigned char *s, size_t len)
{
	unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
	size_t need = s[0] < 0x80   ? 1
		      : s[0] < 0xc2 ? 0
		      : s[0] < 0xe0 ? 2
		      : s[0] < 0xf0 ? 3
		      : s[0] < 0xf5 ? 4
				    : 0;

	if (need == 0 || need > len)
		return 0;
	if (need > 1 && (s[1] < low || s[1] > high))
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

static void put_escape(struct buf *out, unsigned char c)
{
	static const char letters[] = "btn\0fr"; /* 0x08..0x0d */

	if (c == '"' || c == '\\')
		buf_printf(out, "\\%c", c);
	else if (c >= 0x08 && c <= 0x0d && letters[c - 0x08] != '\0')
		buf_printf(out, "\\%c", letters[c - 0x08]);
	else
		buf_printf(out, "\\u%04x", c);
}

void jw_put_string(struct jw *w, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t plain = 0, i = 0;

	begin_value(w);
	buf_putc(w->out, '"');
	while (i < len) {
		size_t n = sequence_length(s + i, len - i);

		if (n > 0 && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\') {
			i += n;
			continue;
		}
		buf_append(w->out, text + plain, i - plain);
		if (n == 0)
			buf_append(w->out, "\xef\xbf\xbd", 3); /* U+FFFD */
		else
			put_escape(w->out, s[i]);
		i++;
		plain = i;
	}
	buf_append(w->out, text + plain, len - plain);
	buf_putc(w->out, '"');
}

void jw_put_text(struct jw *w, const char *text)
{
	if (text)
		jw_put_string(w, text, strlen(text));
	else
		jw_put_null(w);
}

void jw_put_integer(struct jw *w, int64_t value)
{
	begin_value(w);
	buf_printf(w->out, "%" PRId64, value);
}

/* Most measurements have at most six decimals. n / 10^6 is correctly rounded when both are exact
 * doubles, so where it gives `value`, its decimal text reads back as `value`. */
static bool put_short_decimal(struct buf *out, double value)
{
	double scaled = value * 1e6;
	int64_t n, fraction;
	char text[40];
	int len;

	if (!(fabs(scaled) < 1e15))
		return false;
	n = llround(scaled);
	if (n == 0 || (double)n / 1e6 < value || (double)n / 1e6 > value)
		return false;
	fraction = llabs(n % 1000000);
	len = snprintf(text, sizeof(text), "%s%" PRId64 ".%06" PRId64, n < 0 ? "-" : "",
		       (int64_t)llabs(n / 1000000), fraction);
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	buf_append(out, text, (size_t)len);
	return true;
}

void jw_put_number(struct jw *w, double value)
{
	char text[40];

	begin_value(w);
	if (!isfinite(value)) {
		fail(w);
		return;
	}
	if (put_short_decimal(w->out, value))
		return;
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (!(strtod(text, NULL) < value) && !(strtod(text, NULL) > value))
			break;
	}
	/* The sign of a zero is no measurement, and "-0" would be read as an integer. */
	buf_puts(w->out, strcmp(text, "-0") == 0 ? "0" : text);
}

void jw_put_bool(struct jw *w, bool value)
{
	begin_value(w);
	buf_puts(w->out, value ? "true" : "false");
}

void jw_put_null(struct jw *w)
{
	begin_value(w);
	buf_puts(w->out, "null");
}

void jw_put_time(struct jw *w, int64_t ms)
{
	char text[RFC3339_SIZE];

	if (ms == INT64_MIN)
		jw_put_null(w);
	else
		jw_put_text(w, rfc3339_format(ms, text));
}

void jw_put_raw(struct jw *w, const char *json, size_t len)
{
	begin_value(w);
	buf_append(w->out, json, len);
}

void jw_text(struct jw *w, const char *key, const char *text)
{
	jw_key(w, key);
	jw_put_text(w, text);
}

void jw_int(struct jw *w, const char *key, int64_t value)
{
	jw_key(w, key);
	jw_put_integer(w, value);
}

void jw_num(struct jw *w, const char *key, double value)
{
	jw_key(w, key);
	jw_put_number(w, value);
}

void jw_flag(struct jw *w, const char *key, bool value)
{
	jw_key(w, key);
	jw_put_bool(w, value);
}

void jw_time(struct jw *w, const char *key, int64_t ms)
{
	jw_key(w, key);
	jw_put_time(w, ms);
}
