#include "tests/unit/model/wire/json_peer.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "model/wire/json.h"

#define FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)
/* Larger values are not read again by themselves, and their members are not looked up one by one. */
#define SMALL 512

struct pair {
	const struct jr_doc *doc;
	const struct jr_value *ours;
	const json_t *theirs;
};

static const char *differ(struct pair pair);

/* NOLINTNEXTLINE(misc-no-recursion): jansson stops at its own limit */
static size_t measure(const json_t *json, size_t *values)
{
	size_t deepest = 0, depth, i;
	const char *key;
	json_t *value;

	(*values)++;
	json_array_foreach(json, i, value)
	{
		depth = measure(value, values);
		deepest = depth > deepest ? depth : deepest;
	}
	/* The macro wants what it does not change as not const. */
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		depth = measure(value, values);
		deepest = depth > deepest ? depth : deepest;
	}
	return json_is_array(json) || json_is_object(json) ? deepest + 1 : deepest;
}

static bool within_our_limits(const json_t *json)
{
	size_t values = 0;

	return measure(json, &values) <= JR_DEPTH_MAX && values <= JR_VALUES_MAX;
}

/* Also tells the zeros apart. */
static uint64_t bits_of(double number)
{
	uint64_t bits;

	memcpy(&bits, &number, sizeof(bits));
	return bits;
}

static const char *differ_scalar(struct pair pair)
{
	const char *text = NULL;
	int64_t integer = 0;
	double number = 0, theirs = json_number_value(pair.theirs);
	bool flag = false;
	size_t len = 0;

	switch (json_typeof(pair.theirs)) {
	case JSON_STRING:
		if (!jr_string(pair.ours, &text, &len) || len != json_string_length(pair.theirs) ||
		    memcmp(text, json_string_value(pair.theirs), len + 1) != 0)
			return "another string";
		return NULL;
	case JSON_INTEGER:
		if (!jr_integer(pair.ours, &integer) || integer != json_integer_value(pair.theirs))
			return "another integer";
		return jr_number(pair.ours, &number) && !(number < theirs) && !(number > theirs)
			       ? NULL
			       : "another number of an integer";
	case JSON_REAL:
		if (jr_integer(pair.ours, &integer) || !jr_number(pair.ours, &number) ||
		    bits_of(number) != bits_of(theirs))
			return "another real";
		return NULL;
	case JSON_TRUE:
	case JSON_FALSE:
		return jr_bool(pair.ours, &flag) && flag == json_is_true(pair.theirs)
			       ? NULL
			       : "another truth";
	default:
		return jr_type(pair.ours) == JR_NULL ? NULL : "no null";
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): what was accepted is nested JR_DEPTH_MAX at most */
static const char *differ_array(struct pair pair)
{
	size_t count = json_array_size(pair.theirs);

	if (jr_type(pair.ours) != JR_ARRAY || jr_count(pair.ours) != count)
		return "another array";
	for (size_t i = 0; i < count; i++) {
		const char *what = differ((struct pair){pair.doc, jr_at(pair.ours, i),
							json_array_get(pair.theirs, i)});

		if (what)
			return what;
	}
	return jr_at(pair.ours, count) ? "an element too many" : NULL;
}

struct members {
	struct pair object;
	void *iterator;
	const char *what;
};

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static int differ_member(void *arg, const char *key, size_t len, const struct jr_value *value)
{
	struct members *m = arg;
	json_t *theirs = (json_t *)(uintptr_t)m->object.theirs;
	bool find = jr_count(m->object.ours) < SMALL;

	if (!m->iterator || len != json_object_iter_key_len(m->iterator) ||
	    memcmp(key, json_object_iter_key(m->iterator), len + 1) != 0)
		m->what = "another key, or another order";
	else if (find && jr_get(m->object.ours, key) != value)
		m->what = "a member that is not found by its key";
	else
		m->what = differ(
			(struct pair){m->object.doc, value, json_object_iter_value(m->iterator)});
	if (!m->what)
		m->iterator = json_object_iter_next(theirs, m->iterator);
	return m->what ? 1 : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static const char *differ_object(struct pair pair)
{
	struct members m = {.object = pair,
			    .iterator = json_object_iter((json_t *)(uintptr_t)pair.theirs)};

	if (jr_type(pair.ours) != JR_OBJECT || jr_count(pair.ours) != json_object_size(pair.theirs))
		return "another object";
	(void)jr_each(pair.ours, differ_member, &m);
	if (!m.what && m.iterator)
		return "a member too few";
	return m.what;
}

/* The exact bytes of a value are that value. */
static const char *differ_raw(struct pair pair)
{
	const char *text;
	size_t len;
	json_t *again;
	bool same;

	jr_raw(pair.doc, pair.ours, &text, &len);
	if (len > SMALL)
		return NULL;
	if (len == 0 || strchr(" \t\r\n", text[0]) || strchr(" \t\r\n", text[len - 1]))
		return "raw bytes with space around them";
	again = json_loadb(text, len, FLAGS, NULL);
	same = again && json_equal(again, pair.theirs);
	json_decref(again);
	return same ? NULL : "raw bytes of another value";
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static const char *differ(struct pair pair)
{
	const char *what = differ_raw(pair);

	if (what)
		return what;
	if (json_is_array(pair.theirs))
		return differ_array(pair);
	if (json_is_object(pair.theirs))
		return differ_object(pair);
	return differ_scalar(pair);
}

static const char *check_error(int status, const struct jr_error *error, size_t len)
{
	if (status != -EINVAL)
		return "neither taken nor refused";
	if (error->message[0] == '\0' || error->offset > len)
		return "an error that says nothing";
	return NULL;
}

const char *json_peer_differ(const char *text, size_t len, bool *ret_taken)
{
	struct jr_error error = {0};
	struct jr_doc *doc = NULL;
	json_t *theirs = json_loadb(text, len, FLAGS, NULL);
	bool expected = theirs && within_our_limits(theirs) && !memchr(text, '\0', len);
	const char *what = NULL;
	int status = jr_parse(text, len, &doc, &error);

	if (!expected && status == 0)
		what = "taken, but not to be";
	else if (expected && status != 0)
		what = error.message[0] ? "refused, but to be taken" : "refused, without a reason";
	else if (expected)
		what = differ((struct pair){doc, jr_root(doc), theirs});
	else
		what = check_error(status, &error, len);
	if (ret_taken)
		*ret_taken = expected && status == 0;
	jr_free(doc);
	json_decref(theirs);
	return what;
}
