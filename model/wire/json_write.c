#include "model/wire/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "model/wire/json_priv.h"

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
		size_t n = json_utf8_length(s + i, len - i);

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
