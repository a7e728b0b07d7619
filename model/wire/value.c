#include "model/wire/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"

static void encode_cell(struct jw *w, enum model_type type, const char *cell)
{
	if (*cell == '\0')
		jw_put_null(w);
	else if (type == MODEL_TYPE_TEXT)
		jw_put_text(w, cell);
	else if (type == MODEL_TYPE_TIME)
		jw_put_time(w, strtoll(cell, NULL, 10));
	else
		jw_put_number(w, strtod(cell, NULL));
}

static void encode_list(struct jw *w, enum model_rows rows, const struct model_text *text)
{
	size_t count = 0, column = 0;
	const struct model_column *columns = model_columns(rows, &count);
	const char *cell = text->data;

	jw_open_array(w);
	for (size_t left = text->len; columns && left > 0;) {
		size_t len = strlen(cell) + 1;

		if (column == 0 && count > 1)
			jw_open_object(w);
		if (count > 1)
			jw_key(w, columns[column].name);
		encode_cell(w, columns[column].type, cell);
		column = (column + 1) % count;
		if (column == 0 && count > 1)
			jw_close_object(w);
		cell += len;
		left -= len;
	}
	jw_close_array(w);
}

void wire_value_encode(struct jw *w, enum model_field field, const struct model_value *value)
{
	const struct model_field_info *info = model_field_info(field);

	switch (info->type) {
	case MODEL_TYPE_NUMBER:
		jw_put_number(w, value->as.number);
		break;
	case MODEL_TYPE_INTEGER:
		jw_put_integer(w, value->as.integer);
		break;
	case MODEL_TYPE_BOOL:
		jw_put_bool(w, value->as.integer != 0);
		break;
	case MODEL_TYPE_TIME:
		jw_put_time(w, value->as.integer);
		break;
	case MODEL_TYPE_TEXT:
		jw_put_string(w, value->as.text.data, value->as.text.len);
		break;
	case MODEL_TYPE_ENUM:
		jw_put_text(w, model_word(info->aux, (size_t)value->as.integer));
		break;
	case MODEL_TYPE_LIST:
		encode_list(w, info->aux, &value->as.text);
		break;
	}
}

/* Adds a cell and its NUL. A text with a NUL inside would become two cells. */
static bool add_cell(struct wire_cells *cells, const char *text, size_t len)
{
	if (len >= sizeof(cells->data) - cells->len) {
		cells->overflow = true;
		return true;
	}
	if (memchr(text, '\0', len))
		return false;
	memcpy(cells->data + cells->len, text, len);
	cells->data[cells->len + len] = '\0';
	cells->len += len + 1;
	return true;
}

static bool add_number(struct wire_cells *cells, double value)
{
	struct buf out;
	struct jw w;
	bool ok;

	buf_init(&out, 64);
	jw_init(&w, &out);
	jw_put_number(&w, value);
	ok = out.error == 0 && add_cell(cells, out.data, out.len);
	buf_free(&out);
	return ok;
}

static bool decode_cell(const struct jr_value *json, enum model_type type, struct wire_cells *cells)
{
	const char *text;
	char decimal[24];
	double number;
	int64_t ms;
	size_t len;

	if (jr_type(json) == JR_NONE || jr_type(json) == JR_NULL)
		return add_cell(cells, "", 0);
	if (type == MODEL_TYPE_NUMBER)
		return jr_number(json, &number) && add_number(cells, number);
	if (!jr_string(json, &text, &len))
		return false;
	if (type == MODEL_TYPE_TEXT)
		return add_cell(cells, text, len);
	if (rfc3339_parse(text, len, &ms) != 0)
		return false;
	len = (size_t)snprintf(decimal, sizeof(decimal), "%" PRId64, ms);
	return add_cell(cells, decimal, len);
}

static bool decode_row(const struct jr_value *json, const struct model_column *columns,
		       size_t count, struct wire_cells *cells)
{
	size_t known = 0;

	if (count == 1)
		return decode_cell(json, columns[0].type, cells);
	if (jr_type(json) != JR_OBJECT)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct jr_value *cell = jr_get(json, columns[i].name);

		known += cell != NULL;
		if (!decode_cell(cell, columns[i].type, cells))
			return false;
	}
	cells->unknown += (unsigned)(jr_count(json) - known);
	return true;
}

static const char *decode_list(const struct jr_value *json, const struct model_field_info *info,
			       struct wire_cells *cells, struct model_value *ret_value)
{
	size_t count = 0, rows = jr_count(json);
	const struct model_column *columns = model_columns(info->aux, &count);

	if (jr_type(json) != JR_ARRAY)
		return "is no list";
	if ((double)rows > info->max)
		return "has too many rows";
	cells->len = 0;
	cells->overflow = false;
	for (size_t i = 0; i < rows; i++)
		if (!decode_row(jr_at(json, i), columns, count, cells))
			return "has a row of another form";
	if (cells->overflow)
		return "is too long a list";
	ret_value->as.text = (struct model_text){cells->data, cells->len};
	return NULL;
}

static const char *decode_scalar(const struct jr_value *json, const struct model_field_info *info,
				 struct model_value *ret_value)
{
	const char *text;
	size_t len;
	bool flag;

	if (info->type == MODEL_TYPE_NUMBER)
		return jr_number(json, &ret_value->as.number) ? NULL : "is no number";
	if (info->type == MODEL_TYPE_INTEGER)
		return jr_integer(json, &ret_value->as.integer) ? NULL : "is no integer";
	if (info->type == MODEL_TYPE_BOOL) {
		if (!jr_bool(json, &flag))
			return "is neither true nor false";
		ret_value->as.integer = flag;
		return NULL;
	}
	if (!jr_string(json, &text, &len))
		return "is no string";
	if (info->type == MODEL_TYPE_TIME)
		return rfc3339_parse(text, len, &ret_value->as.integer) == 0 ? NULL : "is no time";
	if (info->type == MODEL_TYPE_ENUM) {
		ret_value->as.integer = model_word_find(info->aux, text, len);
		return NULL;
	}
	ret_value->as.text = (struct model_text){text, len};
	return NULL;
}

const char *wire_value_decode(const struct jr_value *json, enum model_field field,
			      struct wire_cells *cells, struct model_value *ret_value)
{
	const struct model_field_info *info = model_field_info(field);

	if (info->type == MODEL_TYPE_LIST)
		return decode_list(json, info, cells, ret_value);
	return decode_scalar(json, info, ret_value);
}

void wire_path_key(struct wire_path *path, enum model_field field)
{
	const char *name = model_field_info(field)->path;
	const char *dot = strchr(name, '.');
	size_t len = dot ? (size_t)(dot - name) : 0;
	char group[WIRE_FIELD_NAME_SIZE];

	if (path->group && (len != path->group_len || memcmp(path->group, name, len) != 0))
		wire_path_end(path);
	if (dot && !path->group) {
		snprintf(group, sizeof(group), "%.*s", (int)len, name);
		jw_key(path->w, group);
		jw_open_object(path->w);
		path->group = name;
		path->group_len = len;
	}
	jw_key(path->w, dot ? dot + 1 : name);
}

void wire_path_end(struct wire_path *path)
{
	if (path->group)
		jw_close_object(path->w);
	path->group = NULL;
}

void wire_field_name(enum model_field field, char out[static WIRE_FIELD_NAME_SIZE])
{
	const struct model_field_info *info = model_field_info(field);

	snprintf(out, WIRE_FIELD_NAME_SIZE, "%s.%s", model_module_name(info->module), info->path);
}

int wire_field_find(const char *name, size_t len)
{
	const char *dot = memchr(name, '.', len);
	int module;

	if (!dot)
		return -1;
	module = model_module_find(name, (size_t)(dot - name));
	if (module < 0)
		return -1;
	return model_field_find((enum model_module)module, dot + 1, len - (size_t)(dot + 1 - name));
}
