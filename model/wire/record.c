#include "model/wire/record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/wire/member_priv.h"
#include "model/wire/value.h"

static const char *const kind_names[] = {
	[WIRE_UPDATE] = "update",
	[WIRE_ENVELOPE] = "envelope",
	[WIRE_DROPPED] = "dropped",
	[WIRE_EPOCH_END] = "epoch_end",
};

static void text_if_any(struct jw *w, const char *key, const char *text)
{
	if (text[0] != '\0')
		jw_text(w, key, text);
}

static void encode_head(struct jw *w, const struct model_update *update)
{
	jw_text(w, "kind", kind_names[WIRE_UPDATE]);
	text_if_any(w, "device_id", update->device_id);
	text_if_any(w, "external_id", update->external_id);
	jw_text(w, "provider", update->provider);
	text_if_any(w, "source", update->source);
	if (update->mono_us != MODEL_NO_TIME)
		jw_int(w, "mono_us", update->mono_us);
	if (update->at_ms != MODEL_NO_TIME)
		jw_time(w, "at", update->at_ms);
	text_if_any(w, "vin", update->vin);
	if (update->keyframe)
		jw_flag(w, "keyframe", true);
	if (update->simulated)
		jw_flag(w, "simulated", true);
}

static void encode_statuses(struct jw *w, const struct model_update *update)
{
	jw_key(w, "module_status");
	jw_open_object(w);
	for (unsigned i = 0; i < MODEL_MODULE_COUNT; i++)
		if (update->module_status[i] != MODEL_STATUS_NOT_REQUESTED)
			jw_text(w, model_module_name(i),
				model_status_name(update->module_status[i]));
	jw_close_object(w);
}

static void encode_module(struct jw *w, enum model_module module,
			  const struct model_item *const *items)
{
	struct wire_path path = {.w = w};
	bool any = false;

	for (enum model_field f = model_module_first(module); f < model_module_end(module); f++) {
		if (!items[f])
			continue;
		if (!any) {
			jw_key(w, model_module_name((enum model_module)module));
			jw_open_object(w);
			any = true;
		}
		wire_path_key(&path, f);
		if (items[f]->null)
			jw_put_null(w);
		else
			wire_value_encode(w, f, &items[f]->value);
	}
	wire_path_end(&path);
	if (any)
		jw_close_object(w);
}

static void encode_ages(struct jw *w, const struct model_item *const *items)
{
	char name[WIRE_FIELD_NAME_SIZE];
	bool any = false;

	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++) {
		if (!items[f] || items[f]->age_ms == 0)
			continue;
		if (!any) {
			jw_key(w, "age_ms");
			jw_open_object(w);
			any = true;
		}
		wire_field_name(f, name);
		jw_int(w, name, items[f]->age_ms);
	}
	if (any)
		jw_close_object(w);
}

void wire_update_encode(struct jw *w, const struct model_update *update)
{
	/* The items by field: the wire has the table's order, the update that of its making. */
	const struct model_item *items[MODEL_FIELD_COUNT] = {NULL};

	for (size_t i = 0; i < update->item_count; i++)
		if (update->items[i].field < MODEL_FIELD_COUNT)
			items[update->items[i].field] = &update->items[i];
	jw_open_object(w);
	encode_head(w, update);
	encode_statuses(w, update);
	for (unsigned i = 0; i < MODEL_MODULE_COUNT; i++)
		encode_module(w, i, items);
	encode_ages(w, items);
	jw_close_object(w);
}

void wire_envelope_encode(struct jw *w, const struct wire_envelope *envelope)
{
	jw_open_object(w);
	jw_text(w, "kind", kind_names[WIRE_ENVELOPE]);
	jw_text(w, "provider", envelope->provider);
	jw_text(w, "external_id", envelope->external_id);
	if (envelope->mono_us != MODEL_NO_TIME)
		jw_int(w, "mono_us", envelope->mono_us);
	if (envelope->at_ms != MODEL_NO_TIME)
		jw_time(w, "at", envelope->at_ms);
	jw_key(w, "raw");
	jw_put_string(w, envelope->raw.data, envelope->raw.len);
	jw_close_object(w);
}

void wire_dropped_encode(struct jw *w, const struct wire_dropped *dropped)
{
	jw_open_object(w);
	jw_text(w, "kind", kind_names[WIRE_DROPPED]);
	jw_text(w, "epoch", dropped->epoch);
	member_ranges_encode(w, "ranges", dropped->ranges, dropped->range_count);
	jw_int(w, "records", dropped->records);
	jw_text(w, "reason", dropped->reason);
	if (dropped->first_mono_us != MODEL_NO_TIME)
		jw_int(w, "first_mono_us", dropped->first_mono_us);
	if (dropped->last_mono_us != MODEL_NO_TIME)
		jw_int(w, "last_mono_us", dropped->last_mono_us);
	jw_close_object(w);
}

void wire_epoch_end_encode(struct jw *w, const struct wire_epoch_end *end)
{
	jw_open_object(w);
	jw_text(w, "kind", kind_names[WIRE_EPOCH_END]);
	jw_text(w, "epoch", end->epoch);
	jw_text(w, "prev", end->prev[0] != '\0' ? end->prev : NULL);
	jw_text(w, "boot_id", end->boot_id);
	member_ranges_encode(w, "held", end->held, end->held_count);
	jw_key(w, "end");
	if (end->end >= 0)
		jw_put_integer(w, end->end);
	else
		jw_put_null(w);
	jw_close_object(w);
}

/* Everything that decoding one update needs at hand. */
struct decoding {
	struct wire_record *record;
	struct wire_cells *cells;
	enum model_module module;
	const char *group; /* "location" while inside it, else NULL */
	size_t group_len;
	int error; /* -EMSGSIZE */
};

/* A peer's key for a message: printable ASCII and short. */
struct shown {
	char text[48];
};

static struct shown show(const char *key, size_t len)
{
	struct shown shown;
	size_t n = len < sizeof(shown.text) - 1 ? len : sizeof(shown.text) - 1;

	for (size_t i = 0; i < n; i++)
		shown.text[i] = key[i] >= 0x20 && key[i] < 0x7f ? key[i] : '?';
	shown.text[n] = '\0';
	return shown;
}

__attribute__((format(printf, 2, 3))) static void note(struct wire_record *record, const char *fmt,
						       ...)
{
	va_list args;

	if (record->first_problem[0] != '\0')
		return;
	va_start(args, fmt);
	vsnprintf(record->first_problem, sizeof(record->first_problem), fmt, args);
	va_end(args);
}

static void implausible(struct decoding *d, const char *key, size_t len, const char *what)
{
	d->record->implausible++;
	note(d->record, "%s.%s%s%s: %s", model_module_name(d->module),
	     d->group ? show(d->group, d->group_len).text : "", d->group ? "." : "",
	     show(key, len).text, what);
}

static void unknown(struct decoding *d, const char *where, const char *key, size_t len)
{
	d->record->unknown_fields++;
	note(d->record, "%s%s%s: is not known here", where, where[0] != '\0' ? "." : "",
	     show(key, len).text);
}

/* Returns 0 or -EMSGSIZE. */
static int set(struct decoding *d, enum model_field field, const struct model_value *value,
	       const char *key, size_t len)
{
	int status = model_update_set_value(&d->record->update, field, value);

	if (status == MODEL_E_INVALID) {
		implausible(d, key, len, model_validity_name(model_validate(field, value)));
		status = model_update_set_null(&d->record->update, field);
	}
	return status == 0 ? 0 : -EMSGSIZE;
}

static int take_field(struct decoding *d, enum model_field field, const char *key, size_t len,
		      const struct jr_value *json)
{
	struct model_value value = {.as = {.integer = 0}};
	const char *problem = NULL;
	unsigned before = d->cells->unknown;

	if (jr_type(json) != JR_NULL) {
		problem = wire_value_decode(json, field, d->cells, &value);
		if (!problem)
			d->error = set(d, field, &value, key, len);
	}
	if (d->cells->unknown > before) {
		note(d->record, "%s.%s: a row has members that are not known here",
		     model_module_name(d->module), show(key, len).text);
		d->record->unknown_fields += d->cells->unknown - before;
	}
	if (problem)
		implausible(d, key, len, problem);
	if (problem || jr_type(json) == JR_NULL)
		d->error = model_update_set_null(&d->record->update, field) == 0 ? 0 : -EMSGSIZE;
	return d->error;
}

/* The first field of the group `key` ("location"), -1 where the module has no such group. */
static int find_group(enum model_module module, const char *key, size_t len)
{
	for (enum model_field f = model_module_first(module); f < model_module_end(module); f++) {
		const char *path = model_field_info(f)->path;

		if (path[0] == key[0] && strncmp(path, key, len) == 0 && path[len] == '.')
			return (int)f;
	}
	return -1;
}

static int null_group(struct decoding *d, const char *key, size_t len)
{
	for (enum model_field f = model_module_first(d->module); f < model_module_end(d->module);
	     f++) {
		const char *path = model_field_info(f)->path;

		if (strncmp(path, key, len) == 0 && path[len] == '.' &&
		    model_update_set_null(&d->record->update, f) != 0)
			d->error = -EMSGSIZE;
	}
	return d->error;
}

static int take_group_member(void *arg, const char *key, size_t len, const struct jr_value *json)
{
	struct decoding *d = arg;
	char path[WIRE_FIELD_NAME_SIZE];
	int field = -1;

	if (d->group_len + 1 + len < sizeof(path)) {
		memcpy(path, d->group, d->group_len);
		path[d->group_len] = '.';
		memcpy(path + d->group_len + 1, key, len);
		field = model_field_find(d->module, path, d->group_len + 1 + len);
	}
	if (field >= 0)
		return take_field(d, (enum model_field)field, key, len, json);
	unknown(d, show(d->group, d->group_len).text, key, len);
	return 0;
}

static int take_group(struct decoding *d, const char *key, size_t len, const struct jr_value *json)
{
	int status;

	if (jr_type(json) != JR_OBJECT) {
		if (jr_type(json) != JR_NULL)
			implausible(d, key, len, "is no object");
		return null_group(d, key, len);
	}
	d->group = key;
	d->group_len = len;
	status = jr_each(json, take_group_member, d);
	d->group = NULL;
	return status;
}

static int take_module_member(void *arg, const char *key, size_t len, const struct jr_value *json)
{
	struct decoding *d = arg;
	int field = memchr(key, '.', len) ? -1 : model_field_find(d->module, key, len);

	if (field >= 0)
		return take_field(d, (enum model_field)field, key, len, json);
	if (len > 0 && find_group(d->module, key, len) >= 0)
		return take_group(d, key, len, json);
	unknown(d, model_module_name(d->module), key, len);
	return 0;
}

static bool known_member(const char *key)
{
	static const char *const known[] = {
		"kind", "device_id", "external_id", "provider",  "source",        "mono_us",
		"at",   "vin",       "keyframe",    "simulated", "module_status", "age_ms"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (key[0] == known[i][0] && strcmp(key, known[i]) == 0)
			return true;
	return false;
}

/* The modules, wherever they stand among an update's members. A module that is null says nothing. */
static int take_member(void *arg, const char *key, size_t len, const struct jr_value *json)
{
	struct decoding *d = arg;
	int module = model_module_find(key, len);

	if (module >= 0 && jr_type(json) == JR_OBJECT) {
		d->module = (enum model_module)module;
		return jr_each(json, take_module_member, d);
	}
	if (module >= 0 && jr_type(json) != JR_NULL) {
		d->record->implausible++;
		note(d->record, "%s: is no object", model_module_name((enum model_module)module));
	} else if (module < 0 && !known_member(key)) {
		unknown(d, "", key, len);
	}
	return 0;
}

static int take_status(void *arg, const char *key, size_t len, const struct jr_value *json)
{
	struct decoding *d = arg;
	uint8_t *statuses = d->record->update.module_status;
	int module = model_module_find(key, len), status = -1;
	const char *word;
	size_t word_len;

	if (module < 0) {
		unknown(d, "module_status", key, len);
		return 0;
	}
	if (jr_string(json, &word, &word_len))
		status = model_status_find(word, word_len);
	if (status > MODEL_STATUS_NOT_REQUESTED) {
		statuses[module] = (uint8_t)status;
	} else if (status < 0) {
		d->record->implausible++;
		note(d->record, "module_status.%s: is none of the statuses",
		     model_module_name((enum model_module)module));
	}
	return 0;
}

static int take_age(void *arg, const char *key, size_t len, const struct jr_value *json)
{
	struct decoding *d = arg;
	int field = wire_field_find(key, len);
	int64_t age;

	if (field < 0) {
		unknown(d, "age_ms", key, len);
		return 0;
	}
	if (!jr_integer(json, &age) || age < 0 || age > MODEL_AGE_MAX_MS ||
	    !model_update_get(&d->record->update, (enum model_field)field)) {
		d->record->implausible++;
		note(d->record, "age_ms.%s: is no age of a field that is here",
		     show(key, len).text);
		return 0;
	}
	model_update_set_age(&d->record->update, (enum model_field)field, age);
	return 0;
}

static void read_vin(struct member_reader *r, char vin[static MODEL_VIN_SIZE])
{
	const struct jr_value *value = jr_get(r->object, "vin");

	vin[0] = '\0';
	if (jr_type(value) == JR_NONE || jr_type(value) == JR_NULL)
		return;
	if (!jr_string_copy(value, vin, MODEL_VIN_SIZE) || !model_vin_valid(vin, strlen(vin)))
		member_fail(r, -EINVAL, "vin: expected 17 of A-Z and 0-9 without I, O, Q");
}

static void read_update_head(struct member_reader *r, struct model_update *update)
{
	member_id_or_none(r, "device_id", update->device_id, sizeof(update->device_id));
	member_id_or_none(r, "external_id", update->external_id, sizeof(update->external_id));
	if (update->device_id[0] == '\0' && update->external_id[0] == '\0')
		member_fail(r, -EINVAL, "device_id: is missing");
	member_id(r, "provider", update->provider, sizeof(update->provider));
	member_id_or_none(r, "source", update->source, sizeof(update->source));
	member_integer_or(r, "mono_us", 0, INT64_MAX, MODEL_NO_TIME, &update->mono_us);
	member_time_or_none(r, "at", &update->at_ms);
	read_vin(r, update->vin);
	member_bool_or(r, "keyframe", false, &update->keyframe);
	member_bool_or(r, "simulated", false, &update->simulated);
}

static void read_object(struct member_reader *r, struct decoding *d, const char *key,
			int (*fn)(void *, const char *, size_t, const struct jr_value *))
{
	const struct jr_value *object = jr_get(r->object, key);

	if (jr_type(object) == JR_OBJECT)
		jr_each(object, fn, d);
	else if (jr_type(object) != JR_NONE && jr_type(object) != JR_NULL)
		member_fail(r, -EINVAL, "%s: expected an object", key);
}

static void read_update(struct member_reader *r, struct wire_record *record)
{
	struct wire_cells cells = {.len = 0};
	struct decoding d = {.record = record, .cells = &cells};

	model_update_clear(&record->update);
	read_update_head(r, &record->update);
	if (r->error)
		return;
	if (jr_each(r->object, take_member, &d) != 0) {
		member_fail(r, d.error, "the fields are too large");
		return;
	}
	read_object(r, &d, "module_status", take_status);
	read_object(r, &d, "age_ms", take_age);
}

static void read_envelope(struct member_reader *r, struct wire_envelope *envelope)
{
	const struct jr_value *raw = jr_get(r->object, "raw");

	member_id(r, "provider", envelope->provider, sizeof(envelope->provider));
	member_id(r, "external_id", envelope->external_id, sizeof(envelope->external_id));
	member_integer_or(r, "mono_us", 0, INT64_MAX, MODEL_NO_TIME, &envelope->mono_us);
	member_time_or_none(r, "at", &envelope->at_ms);
	if (!jr_string(raw, &envelope->raw.data, &envelope->raw.len))
		member_fail(r, -EINVAL, "raw: expected a string");
}

static void read_dropped(struct member_reader *r, struct wire_dropped *dropped)
{
	member_id(r, "epoch", dropped->epoch, sizeof(dropped->epoch));
	member_ranges(r, "ranges", dropped->ranges, WIRE_RANGES_MAX, &dropped->range_count);
	member_integer(r, "records", 0, INT64_MAX, &dropped->records);
	member_id(r, "reason", dropped->reason, sizeof(dropped->reason));
	member_integer_or(r, "first_mono_us", 0, INT64_MAX, MODEL_NO_TIME, &dropped->first_mono_us);
	member_integer_or(r, "last_mono_us", 0, INT64_MAX, MODEL_NO_TIME, &dropped->last_mono_us);
}

static void read_epoch_end(struct member_reader *r, struct wire_epoch_end *end)
{
	member_id(r, "epoch", end->epoch, sizeof(end->epoch));
	member_id_or_none(r, "prev", end->prev, sizeof(end->prev));
	member_id(r, "boot_id", end->boot_id, sizeof(end->boot_id));
	member_ranges(r, "held", end->held, WIRE_RANGES_MAX, &end->held_count);
	/* 1: nothing was ever made; larger: one past the last. */
	member_integer_or(r, "end", 1, INT64_MAX, -1, &end->end);
}

int wire_record_decode(const struct jr_value *value, struct wire_record *record, char *problem,
		       size_t problem_size)
{
	struct member_reader r = {value, problem, problem_size, 0};

	record->unknown_fields = 0;
	record->implausible = 0;
	record->first_problem[0] = '\0';
	if (jr_type(value) != JR_OBJECT)
		member_fail(&r, -EINVAL, "expected an object");
	record->kind = (enum wire_kind)member_word(&r, "kind", kind_names,
						   sizeof(kind_names) / sizeof(kind_names[0]));
	if (r.error)
		return r.error;
	switch (record->kind) {
	case WIRE_UPDATE:
		read_update(&r, record);
		break;
	case WIRE_ENVELOPE:
		read_envelope(&r, &record->envelope);
		break;
	case WIRE_DROPPED:
		read_dropped(&r, &record->dropped);
		break;
	case WIRE_EPOCH_END:
		read_epoch_end(&r, &record->epoch_end);
		break;
	}
	return r.error;
}
