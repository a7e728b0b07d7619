/* A device's cells as bytes:
 *
 * {"v":1,"device_id","provider","vin","sources":["obd0",...],
 *  "stamps":[[boot,mono_us|null,at_ms|null,received_ms,batch,position],...],
 *  "newest":STAMP|null,
 *  "modules":{"battery":["success",STAMP]},
 *  "cells":{"battery.state_of_charge_pct":[STAMP,SOURCE,FLAGS,value|null],...}}
 *
 * STAMP is an index into stamps: most cells share one with their neighbours, and a keyframe gives
 * one to dozens. Names stand for modules and fields, so that a new field does not shift the others.
 */
#include <errno.h>
#include <string.h>

#include "base/ids.h"
#include "model/wire/snapshot.h"
#include "model/wire/value.h"

#define DEVICE_VERSION 1

enum { FLAG_IMPLIED = 1, FLAG_SIMULATED = 2 };

/* Every stamp of a device once. */
#define STAMPS_MAX (MODEL_FIELD_COUNT + MODEL_MODULE_COUNT + 1)
struct stamps {
	struct model_stamp list[STAMPS_MAX];
	size_t count;
};

static bool same_stamp(const struct model_stamp *a, const struct model_stamp *b)
{
	return a->boot == b->boot && a->mono_us == b->mono_us && a->at_ms == b->at_ms &&
	       a->received_ms == b->received_ms && a->batch == b->batch &&
	       a->position == b->position;
}

/* The index of a stamp; STAMPS_MAX different ones are the most that a device can have. */
static size_t stamp_index(struct stamps *stamps, const struct model_stamp *stamp)
{
	for (size_t i = stamps->count; i > 0; i--)
		if (same_stamp(&stamps->list[i - 1], stamp))
			return i - 1;
	stamps->list[stamps->count] = *stamp;
	return stamps->count++;
}

static void collect_stamps(struct stamps *stamps, const struct model_device *device)
{
	stamps->count = 0;
	if (device->merged)
		(void)stamp_index(stamps, &device->newest);
	for (enum model_module i = 0; i < MODEL_MODULE_COUNT; i++)
		if (device->module_status[i] != MODEL_STATUS_NOT_REQUESTED)
			(void)stamp_index(stamps, &device->module_stamp[i]);
	for (size_t f = 0; f < MODEL_FIELD_COUNT; f++)
		if (device->cells[f].present)
			(void)stamp_index(stamps, &device->cells[f].stamp);
}

static void put_index(struct jw *w, struct stamps *stamps, const struct model_stamp *stamp)
{
	jw_put_integer(w, (int64_t)stamp_index(stamps, stamp));
}

static void put_time_or_null(struct jw *w, int64_t time)
{
	if (time == MODEL_NO_TIME)
		jw_put_null(w);
	else
		jw_put_integer(w, time);
}

static void encode_stamps(struct jw *w, const struct stamps *stamps)
{
	jw_key(w, "stamps");
	jw_open_array(w);
	for (size_t i = 0; i < stamps->count; i++) {
		const struct model_stamp *stamp = &stamps->list[i];

		jw_open_array(w);
		jw_put_integer(w, stamp->boot);
		put_time_or_null(w, stamp->mono_us);
		put_time_or_null(w, stamp->at_ms);
		jw_put_integer(w, stamp->received_ms);
		jw_put_integer(w, stamp->batch);
		jw_put_integer(w, stamp->position);
		jw_close_array(w);
	}
	jw_close_array(w);
}

static void encode_modules(struct jw *w, const struct model_device *device, struct stamps *stamps)
{
	jw_key(w, "modules");
	jw_open_object(w);
	for (enum model_module i = 0; i < MODEL_MODULE_COUNT; i++) {
		if (device->module_status[i] == MODEL_STATUS_NOT_REQUESTED)
			continue;
		jw_key(w, model_module_name(i));
		jw_open_array(w);
		jw_put_text(w, model_status_name(device->module_status[i]));
		put_index(w, stamps, &device->module_stamp[i]);
		jw_close_array(w);
	}
	jw_close_object(w);
}

static void encode_cell(struct jw *w, enum model_field field, const struct model_cell *cell,
			struct stamps *stamps)
{
	char name[WIRE_FIELD_NAME_SIZE];

	wire_field_name(field, name);
	jw_key(w, name);
	jw_open_array(w);
	put_index(w, stamps, &cell->stamp);
	jw_put_integer(w, cell->source);
	jw_put_integer(w,
		       (cell->implied ? FLAG_IMPLIED : 0) | (cell->simulated ? FLAG_SIMULATED : 0));
	if (cell->null)
		jw_put_null(w);
	else
		wire_value_encode(w, field, &cell->value);
	jw_close_array(w);
}

int wire_device_encode(const struct model_device *device, struct buf *out)
{
	struct stamps stamps;
	struct jw w;

	jw_init(&w, out);
	collect_stamps(&stamps, device);
	jw_open_object(&w);
	jw_int(&w, "v", DEVICE_VERSION);
	jw_text(&w, "device_id", device->device_id);
	jw_text(&w, "provider", device->provider);
	jw_text(&w, "vin", device->vin);
	jw_key(&w, "sources");
	jw_open_array(&w);
	for (size_t i = 0; i < MODEL_SOURCES_MAX; i++)
		jw_put_text(&w, device->sources[i]);
	jw_close_array(&w);
	encode_stamps(&w, &stamps);
	jw_key(&w, "newest");
	if (device->merged)
		put_index(&w, &stamps, &device->newest);
	else
		jw_put_null(&w);
	encode_modules(&w, device, &stamps);
	jw_key(&w, "cells");
	jw_open_object(&w);
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++)
		if (device->cells[f].present)
			encode_cell(&w, f, &device->cells[f], &stamps);
	jw_close_object(&w);
	jw_close_object(&w);
	return out->error;
}

struct decoding {
	struct model_device *device;
	struct stamps stamps;
	struct wire_cells cells;
};

/* An id or "". */
static bool take_id(const struct jr_value *value, char *out, size_t size)
{
	return jr_string_copy(value, out, size) && (out[0] == '\0' || ids_valid(out, strlen(out)));
}

static bool take_time_or_null(const struct jr_value *value, int64_t *out)
{
	*out = MODEL_NO_TIME;
	return jr_type(value) == JR_NULL || jr_integer(value, out);
}

static bool take_stamp(const struct jr_value *value, struct model_stamp *stamp)
{
	int64_t position = 0;

	if (!jr_integer(jr_at(value, 0), &stamp->boot) ||
	    !take_time_or_null(jr_at(value, 1), &stamp->mono_us) ||
	    !take_time_or_null(jr_at(value, 2), &stamp->at_ms) ||
	    !jr_integer(jr_at(value, 3), &stamp->received_ms) ||
	    !jr_integer(jr_at(value, 4), &stamp->batch) ||
	    !jr_integer(jr_at(value, 5), &position) || position < INT32_MIN || position > INT32_MAX)
		return false;
	stamp->position = (int32_t)position;
	return true;
}

static bool take_stamps(const struct jr_value *list, struct stamps *stamps)
{
	if (jr_type(list) != JR_ARRAY || jr_count(list) > STAMPS_MAX)
		return false;
	stamps->count = jr_count(list);
	for (size_t i = 0; i < stamps->count; i++)
		if (!take_stamp(jr_at(list, i), &stamps->list[i]))
			return false;
	return true;
}

static bool take_index(const struct jr_value *value, const struct stamps *stamps,
		       struct model_stamp *stamp)
{
	int64_t index;

	if (!jr_integer(value, &index) || index < 0 || (uint64_t)index >= stamps->count)
		return false;
	*stamp = stamps->list[index];
	return true;
}

static int take_module(void *arg, const char *key, size_t len, const struct jr_value *value)
{
	struct decoding *d = arg;
	int module = model_module_find(key, len), status;
	const char *word;
	size_t word_len;

	if (module < 0)
		return 0;
	if (!jr_string(jr_at(value, 0), &word, &word_len))
		return -EINVAL;
	status = model_status_find(word, word_len);
	if (status < 0 ||
	    !take_index(jr_at(value, 1), &d->stamps, &d->device->module_stamp[module]))
		return -EINVAL;
	d->device->module_status[module] = (uint8_t)status;
	return 0;
}

/* Takes a value; false where it is none that the field can have. */
static bool take_value(struct decoding *d, enum model_field field, const struct jr_value *json,
		       struct model_value *value)
{
	enum model_type type = model_field_info(field)->type;
	struct model_device *device = d->device;

	if (wire_value_decode(json, field, &d->cells, value) ||
	    model_validate(field, value) != MODEL_VALID)
		return false;
	if (type != MODEL_TYPE_TEXT && type != MODEL_TYPE_LIST)
		return true;
	if (value->as.text.len > sizeof(device->text) - device->text_len)
		return false;
	if (value->as.text.len > 0)
		memcpy(device->text + device->text_len, value->as.text.data, value->as.text.len);
	value->as.text.data = device->text + device->text_len;
	device->text_len += value->as.text.len;
	return true;
}

static int take_cell(void *arg, const char *key, size_t len, const struct jr_value *json)
{
	struct decoding *d = arg;
	struct model_cell cell = {.present = true};
	int field = wire_field_find(key, len);
	int64_t source, flags;

	if (field < 0)
		return 0;
	if (!take_index(jr_at(json, 0), &d->stamps, &cell.stamp) ||
	    !jr_integer(jr_at(json, 1), &source) || source < 0 || source >= MODEL_SOURCES_MAX ||
	    !jr_integer(jr_at(json, 2), &flags))
		return -EINVAL;
	cell.source = (uint8_t)source;
	cell.implied = flags & FLAG_IMPLIED;
	cell.simulated = flags & FLAG_SIMULATED;
	cell.null = jr_type(jr_at(json, 3)) == JR_NULL;
	if (cell.null || take_value(d, (enum model_field)field, jr_at(json, 3), &cell.value))
		d->device->cells[field] = cell;
	return 0;
}

static bool take_sources(const struct jr_value *list, struct model_device *device)
{
	if (jr_count(list) != MODEL_SOURCES_MAX)
		return false;
	for (size_t i = 0; i < MODEL_SOURCES_MAX; i++)
		if (!take_id(jr_at(list, i), device->sources[i], sizeof(device->sources[i])))
			return false;
	return true;
}

static bool take_newest(const struct jr_value *value, struct decoding *d)
{
	if (jr_type(value) == JR_NULL)
		return true;
	d->device->merged = true;
	return take_index(value, &d->stamps, &d->device->newest);
}

static int take_device(const struct jr_value *root, struct decoding *d)
{
	struct model_device *device = d->device;
	int64_t version;

	if (!jr_integer(jr_get(root, "v"), &version) || version != DEVICE_VERSION ||
	    !take_id(jr_get(root, "device_id"), device->device_id, sizeof(device->device_id)) ||
	    !take_id(jr_get(root, "provider"), device->provider, sizeof(device->provider)) ||
	    !take_id(jr_get(root, "vin"), device->vin, sizeof(device->vin)) ||
	    !take_sources(jr_get(root, "sources"), device) ||
	    !take_stamps(jr_get(root, "stamps"), &d->stamps) ||
	    !take_newest(jr_get(root, "newest"), d))
		return -EINVAL;
	if (jr_each(jr_get(root, "modules"), take_module, d) != 0)
		return -EINVAL;
	return jr_each(jr_get(root, "cells"), take_cell, d);
}

int wire_device_decode(const char *data, size_t len, struct model_device *device)
{
	struct decoding d = {.device = device};
	struct jr_doc *doc = NULL;
	struct jr_error error;
	int status;

	model_device_init(device, "");
	status = jr_parse(data, len, &doc, &error);
	if (status == 0)
		status = take_device(jr_root(doc), &d);
	if (status != 0)
		model_device_init(device, "");
	jr_free(doc);
	return status;
}
