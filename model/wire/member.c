#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ids.h"
#include "base/rfc3339.h"
#include "model/wire/member_priv.h"

void member_fail(struct member_reader *r, int error, const char *fmt, ...)
{
	va_list args;

	if (r->error)
		return;
	r->error = error;
	va_start(args, fmt);
	vsnprintf(r->problem, r->problem_size, fmt, args);
	va_end(args);
}

/* The member, NULL where it is absent or null or the reader has failed. */
static const struct jr_value *get(struct member_reader *r, const char *key)
{
	const struct jr_value *value = r->error ? NULL : jr_get(r->object, key);

	return jr_type(value) == JR_NULL ? NULL : value;
}

/* The same where it has to be there. */
static const struct jr_value *need(struct member_reader *r, const char *key)
{
	const struct jr_value *value = get(r, key);

	if (!value)
		member_fail(r, -EINVAL, "%s: is missing", key);
	return value;
}

static void take_id(struct member_reader *r, const char *key, const struct jr_value *value,
		    char *out, size_t size)
{
	if (!jr_string_copy(value, out, size) || !ids_valid(out, strlen(out)))
		member_fail(r, -EINVAL, "%s: expected an id of at most %zu characters", key,
			    size - 1);
}

void member_id(struct member_reader *r, const char *key, char *out, size_t size)
{
	const struct jr_value *value = need(r, key);

	if (value)
		take_id(r, key, value, out, size);
}

void member_id_or_none(struct member_reader *r, const char *key, char *out, size_t size)
{
	const struct jr_value *value = get(r, key);

	out[0] = '\0';
	if (value)
		take_id(r, key, value, out, size);
}

void member_text_or_none(struct member_reader *r, const char *key, char *out, size_t size)
{
	const struct jr_value *value = get(r, key);

	out[0] = '\0';
	if (value && (!jr_string_copy(value, out, size) || !model_utf8_valid(out, strlen(out))))
		member_fail(r, -EINVAL, "%s: expected a text of less than %zu bytes", key, size);
}

static void take_integer(struct member_reader *r, const char *key, const struct jr_value *value,
			 int64_t min, int64_t max, int64_t *out)
{
	int64_t number;

	if (jr_integer(value, &number) && number >= min && number <= max)
		*out = number;
	else
		member_fail(r, -EINVAL, "%s: expected an integer in %" PRId64 "..%" PRId64, key,
			    min, max);
}

void member_integer(struct member_reader *r, const char *key, int64_t min, int64_t max,
		    int64_t *out)
{
	const struct jr_value *value = need(r, key);

	if (value)
		take_integer(r, key, value, min, max, out);
}

void member_integer_or(struct member_reader *r, const char *key, int64_t min, int64_t max,
		       int64_t fallback, int64_t *out)
{
	const struct jr_value *value = get(r, key);

	*out = fallback;
	if (value)
		take_integer(r, key, value, min, max, out);
}

void member_bool_or(struct member_reader *r, const char *key, bool fallback, bool *out)
{
	const struct jr_value *value = get(r, key);

	*out = fallback;
	if (value && !jr_bool(value, out))
		member_fail(r, -EINVAL, "%s: expected true or false", key);
}

static void take_time(struct member_reader *r, const char *key, const struct jr_value *value,
		      int64_t *out)
{
	const char *text;
	size_t len;

	if (!jr_string(value, &text, &len) || rfc3339_parse(text, len, out) != 0)
		member_fail(r, -EINVAL, "%s: expected a time by RFC 3339", key);
}

void member_time(struct member_reader *r, const char *key, int64_t *out)
{
	const struct jr_value *value = need(r, key);

	if (value)
		take_time(r, key, value, out);
}

void member_time_or_none(struct member_reader *r, const char *key, int64_t *out)
{
	const struct jr_value *value = get(r, key);

	*out = MODEL_NO_TIME;
	if (value)
		take_time(r, key, value, out);
}

int member_word(struct member_reader *r, const char *key, const char *const *words, size_t count)
{
	const struct jr_value *value = need(r, key);
	const char *text;
	size_t len;

	if (!value)
		return 0;
	if (jr_string(value, &text, &len))
		for (size_t i = 0; i < count; i++)
			if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
				return (int)i;
	member_fail(r, -EINVAL, "%s: expected \"%s\" or another of its %zu words", key, words[0],
		    count);
	return 0;
}

void member_ranges(struct member_reader *r, const char *key, struct wire_range *out, size_t max,
		   size_t *ret_count)
{
	const struct jr_value *array = need(r, key);
	size_t count = jr_count(array);
	int64_t before = 0;

	if (!array)
		return;
	if (jr_type(array) != JR_ARRAY) {
		member_fail(r, -EINVAL, "%s: expected a list of [first,last]", key);
		return;
	}
	if (count > max) {
		member_fail(r, -EMSGSIZE, "%s: more than %zu ranges", key, max);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const struct jr_value *pair = jr_at(array, i);

		if (jr_count(pair) != 2 || !jr_integer(jr_at(pair, 0), &out[i].first) ||
		    !jr_integer(jr_at(pair, 1), &out[i].last) || out[i].first <= before ||
		    out[i].last < out[i].first) {
			member_fail(r, -EINVAL, "%s: expected ascending [first,last] from 1", key);
			return;
		}
		before = out[i].last;
	}
	*ret_count = count;
}

void member_ranges_encode(struct jw *w, const char *key, const struct wire_range *ranges,
			  size_t count)
{
	jw_key(w, key);
	jw_open_array(w);
	for (size_t i = 0; i < count; i++) {
		jw_open_array(w);
		jw_put_integer(w, ranges[i].first);
		jw_put_integer(w, ranges[i].last);
		jw_close_array(w);
	}
	jw_close_array(w);
}

/* Whole payloads. */

void member_payload_open(struct member_payload *p, const void *data, size_t len, char *problem,
			 size_t problem_size)
{
	struct jr_error error;
	int64_t version = 0;
	int status;

	*p = (struct member_payload){.r = {.problem = problem, .problem_size = problem_size}};
	if (len > WIRE_BATCH_BYTES_MAX) {
		member_fail(&p->r, -EMSGSIZE, "more than %zu bytes", WIRE_BATCH_BYTES_MAX);
		return;
	}
	status = jr_parse(data, len, &p->doc, &error);
	if (status == -EINVAL)
		member_fail(&p->r, status, "byte %zu: %s", error.offset, error.message);
	else if (status != 0)
		member_fail(&p->r, status, "no memory");
	p->r.object = jr_root(p->doc);
	if (jr_type(p->r.object) != JR_OBJECT)
		member_fail(&p->r, -EINVAL, "expected an object");
	member_integer(&p->r, "v", WIRE_VERSION, WIRE_VERSION, &version);
}

int member_payload_close(struct member_payload *p)
{
	jr_free(p->doc);
	return p->r.error;
}

size_t member_list(struct member_reader *r, const char *key, size_t max,
		   const struct jr_value **ret_list)
{
	const struct jr_value *list = r->error ? NULL : jr_get(r->object, key);
	size_t count = jr_count(list);

	*ret_list = list;
	if (jr_type(list) != JR_ARRAY && jr_type(list) != JR_NONE && jr_type(list) != JR_NULL)
		member_fail(r, -EINVAL, "%s: expected a list", key);
	else if (count > max)
		member_fail(r, -EMSGSIZE, "%s: more than %zu", key, max);
	return r->error ? 0 : count;
}

struct member_reader member_inner(const struct member_reader *r, const struct jr_value *object)
{
	struct member_reader in = *r;

	in.object = object;
	if (jr_type(object) != JR_OBJECT)
		member_fail(&in, -EINVAL, "expected an object inside");
	return in;
}
