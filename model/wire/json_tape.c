/* What callers see of a document. */
#include "model/wire/json_tape.h"

#include <stdlib.h>
#include <string.h>

void jr_free(struct jr_doc *doc)
{
	if (!doc)
		return;
	free(doc->tape);
	free(doc);
}

const struct jr_value *jr_root(const struct jr_doc *doc)
{
	return doc ? doc->tape : NULL;
}

void jr_raw(const struct jr_doc *doc, const struct jr_value *value, const char **ret_text,
	    size_t *ret_len)
{
	*ret_text = doc->source + value->raw;
	*ret_len = value->raw_len;
}

enum jr_type jr_type(const struct jr_value *value)
{
	return value ? value->type : JR_NONE;
}

const struct jr_value *jr_get(const struct jr_value *object, const char *key)
{
	const struct jr_value *member;
	size_t len;

	if (jr_type(object) != JR_OBJECT)
		return NULL;
	len = strlen(key);
	member = object + 1;
	for (uint32_t i = 0; i < object->count; i++, member = json_tape_next(member))
		if (member->key_len == len && memcmp(member->key, key, len) == 0)
			return member;
	return NULL;
}

size_t jr_count(const struct jr_value *array_or_object)
{
	enum jr_type type = jr_type(array_or_object);

	return type == JR_ARRAY || type == JR_OBJECT ? array_or_object->count : 0;
}

const struct jr_value *jr_at(const struct jr_value *array, size_t index)
{
	const uint32_t *list;

	if (jr_type(array) != JR_ARRAY || index >= array->count)
		return NULL;
	list = json_tape_elements(array);
	return array + (list ? list[index] : index + 1);
}

bool jr_bool(const struct jr_value *value, bool *ret)
{
	if (jr_type(value) != JR_BOOL)
		return false;
	*ret = value->as.flag;
	return true;
}

bool jr_integer(const struct jr_value *value, int64_t *ret)
{
	if (jr_type(value) != JR_INTEGER)
		return false;
	*ret = value->as.integer;
	return true;
}

bool jr_number(const struct jr_value *value, double *ret)
{
	if (jr_type(value) == JR_REAL)
		*ret = value->as.real;
	else if (jr_type(value) == JR_INTEGER)
		*ret = (double)value->as.integer;
	else
		return false;
	return true;
}

bool jr_string(const struct jr_value *value, const char **ret_text, size_t *ret_len)
{
	if (jr_type(value) != JR_STRING)
		return false;
	*ret_text = value->as.text;
	*ret_len = value->count;
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
	const struct jr_value *member;
	int status = 0;

	if (jr_type(object) != JR_OBJECT)
		return 0;
	member = object + 1;
	for (uint32_t i = 0; i < object->count && status == 0; i++, member = json_tape_next(member))
		status = fn(arg, member->key, member->key_len, member);
	return status;
}
