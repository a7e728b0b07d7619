#include "model/wire/snapshot.h"

#include <string.h>

#include "model/wire/value.h"

/* What all parts of one snapshot look at. */
struct view {
	struct jw *w;
	const struct model_device *const *devices;
	size_t count;
	model_anchor_fn *anchor;
	wire_time_fn *time;
	void *arg;
};

const char *wire_time_quality_name(enum wire_time_quality quality)
{
	static const char *const names[] = {
		[WIRE_TIME_SYNCED] = "synced",
		[WIRE_TIME_CORRECTED] = "corrected",
		[WIRE_TIME_UNSYNCED] = "unsynced",
	};

	return names[quality];
}

void wire_time_encode(struct jw *w, const char *name, const struct wire_time *time)
{
	jw_time(w, name, time->at_ms);
	jw_text(w, "time_quality", wire_time_quality_name(time->quality));
	if (time->quality != WIRE_TIME_UNSYNCED)
		return;
	jw_time(w, "not_before", time->not_before_ms);
	jw_time(w, "not_after", time->not_after_ms);
}

static const struct model_cell *view_cell(const struct view *v, enum model_field field,
					  size_t *ret_device)
{
	return model_snapshot_cell(v->devices, v->count, field, v->anchor, v->arg, ret_device);
}

/* The `text` of the device with the newest update, of those that have one; NULL without. A device
 * that never reported may still have what the registry knows: it comes last. */
static const char *newest_text(const struct view *v,
			       const char *(*text)(const struct model_device *))
{
	const char *best = NULL;
	int64_t best_ms = 0;

	for (size_t i = 0; i < v->count; i++) {
		const struct model_device *device = v->devices[i];
		int64_t ms = MODEL_NO_TIME;

		if (device->merged)
			ms = model_effective_ms(&device->newest, v->anchor, v->arg);
		if (text(device)[0] == '\0' || (best && ms <= best_ms))
			continue;
		best = text(device);
		best_ms = ms;
	}
	return best;
}

static const char *device_provider(const struct model_device *device)
{
	return device->provider;
}

static const char *device_vin(const struct model_device *device)
{
	return device->vin;
}

static bool ever_delivered(const struct view *v, enum model_module module)
{
	if (model_status_delivered(model_snapshot_status(v->devices, v->count, module)))
		return true;
	for (enum model_field f = model_module_first(module); f < model_module_end(module); f++)
		for (size_t i = 0; i < v->count; i++)
			if (v->devices[i]->cells[f].present)
				return true;
	return false;
}

static void encode_module(const struct view *v, enum model_module module)
{
	struct wire_path path = {.w = v->w};

	jw_key(v->w, model_module_name(module));
	if (!ever_delivered(v, module)) {
		jw_put_null(v->w);
		return;
	}
	jw_open_object(v->w);
	for (enum model_field f = model_module_first(module); f < model_module_end(module); f++) {
		const struct model_cell *cell = view_cell(v, f, NULL);

		wire_path_key(&path, f);
		if (cell && !cell->null)
			wire_value_encode(v->w, f, &cell->value);
		else
			jw_put_null(v->w);
	}
	wire_path_end(&path);
	jw_close_object(v->w);
}

static void encode_provenance(const struct view *v)
{
	char name[WIRE_FIELD_NAME_SIZE];

	jw_key(v->w, "provenance");
	jw_open_object(v->w);
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++) {
		size_t i = 0;
		const struct model_cell *cell = view_cell(v, f, &i);
		struct wire_time time;

		if (!cell || cell->implied)
			continue;
		wire_field_name(f, name);
		jw_key(v->w, name);
		jw_open_object(v->w);
		v->time(v->arg, &cell->stamp, &time);
		wire_time_encode(v->w, "at", &time);
		jw_text(v->w, "source", v->devices[i]->sources[cell->source]);
		jw_text(v->w, "device_id", v->devices[i]->device_id);
		jw_text(v->w, "provider", v->devices[i]->provider);
		jw_flag(v->w, "simulated", cell->simulated);
		jw_close_object(v->w);
	}
	jw_close_object(v->w);
}

void wire_snapshot_encode(struct jw *w, const struct model_device *const *devices, size_t count,
			  model_anchor_fn *anchor, wire_time_fn *time, void *arg, bool provenance)
{
	const struct view v = {w, devices, count, anchor, time, arg};

	jw_text(w, "provider", newest_text(&v, device_provider));
	jw_text(w, "vin", newest_text(&v, device_vin));
	for (enum model_module i = 0; i < MODEL_MODULE_COUNT; i++)
		encode_module(&v, i);
	jw_key(w, "module_status");
	jw_open_object(w);
	for (enum model_module i = 0; i < MODEL_MODULE_COUNT; i++)
		jw_text(w, model_module_name(i),
			model_status_name(model_snapshot_status(devices, count, i)));
	jw_close_object(w);
	if (provenance)
		encode_provenance(&v);
}
