#include "model/snapshot.h"

#include <string.h>

#include "model/model_priv.h"

void model_device_init(struct model_device *device, const char *device_id)
{
	memset(device, 0, sizeof(*device));
	strncpy(device->device_id, device_id, sizeof(device->device_id) - 1);
}

static bool by_boot(const struct model_stamp *stamp)
{
	return stamp->boot != 0 && stamp->mono_us != MODEL_NO_TIME;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t model_effective_ms(const struct model_stamp *stamp, model_anchor_fn *anchor, void *arg)
{
	int64_t ms = stamp->received_ms;
	int64_t anchored = MODEL_NO_TIME;

	if (stamp->at_ms != MODEL_NO_TIME)
		ms = least(ms, stamp->at_ms);
	if (anchor && by_boot(stamp))
		anchored = anchor(arg, stamp->boot, stamp->mono_us);
	return anchored != MODEL_NO_TIME ? least(ms, anchored) : ms;
}

/* The two sides of every comparison share the anchors. */
struct times {
	model_anchor_fn *anchor;
	void *arg;
};

static int compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static bool same_boot(const struct model_stamp *a, const struct model_stamp *b)
{
	return by_boot(a) && by_boot(b) && a->boot == b->boot;
}

/* Compares the moments of two observations. */
static int compare_time(const struct model_stamp *a, const struct model_stamp *b,
			const struct times *times)
{
	if (same_boot(a, b))
		return compare(a->mono_us, b->mono_us);
	return compare(model_effective_ms(a, times->anchor, times->arg),
		       model_effective_ms(b, times->anchor, times->arg));
}

/* A total order of one device's observations: the moment, then the way it came. */
static int compare_stamps(const struct model_stamp *a, const struct model_stamp *b,
			  const struct times *times)
{
	int order = compare_time(a, b, times);

	if (order == 0 && !same_boot(a, b))
		order = compare(a->received_ms, b->received_ms);
	if (order == 0)
		order = compare(a->batch, b->batch);
	if (order == 0)
		order = compare(a->position, b->position);
	return order;
}

static bool has_text(enum model_field field, bool present, bool null)
{
	return present && !null && model_type_has_text(model_field_info(field)->type);
}

/* The slot of a source's name: its own, else one that no cell refers to; -1 where all are taken. */
static int find_source(const struct model_device *device, const char *name)
{
	bool used[MODEL_SOURCES_MAX] = {false};

	for (int i = 0; i < MODEL_SOURCES_MAX; i++)
		if (strcmp(device->sources[i], name) == 0)
			return i;
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++)
		if (device->cells[f].present)
			used[device->cells[f].source] = true;
	for (int i = 0; i < MODEL_SOURCES_MAX; i++)
		if (!used[i])
			return i;
	return -1;
}

/* One merge; verdicts are made for all items before the device is touched. */
struct merge {
	struct model_device *device;
	const struct model_update *update;
	const struct model_stamp *stamp;
	struct times times;
	uint8_t source;
	/* By field: the item that speaks of it, and how that ends. */
	const struct model_item *items[MODEL_FIELD_COUNT];
	uint8_t verdicts[MODEL_FIELD_COUNT];
};

/* The stamp of one item: the update's, less its age. */
static struct model_stamp item_stamp(const struct merge *m, const struct model_item *item)
{
	struct model_stamp stamp = *m->stamp;
	int64_t age = item->age_ms;

	if (stamp.mono_us != MODEL_NO_TIME)
		stamp.mono_us -= age * 1000;
	if (stamp.at_ms != MODEL_NO_TIME)
		stamp.at_ms -= age;
	else if (age > 0 && !by_boot(&stamp))
		stamp.at_ms = stamp.received_ms - age; /* the only evidence of when it was read */
	return stamp;
}

static bool same_value(const struct model_cell *cell, enum model_field field,
		       const struct model_item *item)
{
	if (cell->null || item->null)
		return cell->null == item->null;
	return model_value_equal(field, &cell->value, &item->value);
}

static enum model_merge judge(const struct merge *m, enum model_field field)
{
	const struct model_cell *cell = &m->device->cells[field];
	const struct model_item *item = m->items[field];
	struct model_stamp stamp = item_stamp(m, item);

	/* An implied null says only that another source has nothing. */
	if (!cell->present || (cell->implied && cell->source != m->source)) {
		if (m->device->merged &&
		    compare_stamps(m->stamp, &m->device->newest, &m->times) < 0)
			return MODEL_MERGE_COMPLETES;
		return MODEL_MERGE_NEWER;
	}
	if (cell->source == m->source && !cell->implied &&
	    compare_time(&stamp, &cell->stamp, &m->times) == 0 && same_value(cell, field, item))
		return MODEL_MERGE_DUPLICATE;
	return compare_stamps(&stamp, &cell->stamp, &m->times) > 0 ? MODEL_MERGE_NEWER
								   : MODEL_MERGE_OLDER;
}

static bool stored(const struct merge *m, size_t field)
{
	return m->items[field] && (m->verdicts[field] == MODEL_MERGE_NEWER ||
				   m->verdicts[field] == MODEL_MERGE_COMPLETES);
}

/* Does this keyframe make the cell an implied null? */
static bool implies_null(const struct merge *m, enum model_field field)
{
	const struct model_cell *cell = &m->device->cells[field];
	enum model_module module = model_field_info(field)->module;

	if (!m->update->keyframe || m->items[field] ||
	    !model_status_delivered(m->update->module_status[module]))
		return false;
	if (!cell->present)
		return true;
	return cell->source == m->source && compare_stamps(m->stamp, &cell->stamp, &m->times) > 0;
}

/* What the texts will need when the merge is done. */
static size_t text_need(const struct merge *m)
{
	size_t need = 0;

	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++) {
		const struct model_cell *cell = &m->device->cells[f];

		if (stored(m, f))
			need += has_text(f, true, m->items[f]->null)
					? m->items[f]->value.as.text.len
					: 0;
		else if (has_text(f, cell->present, cell->null))
			need += cell->value.as.text.len;
	}
	return need;
}

static void compact(struct model_device *device)
{
	struct model_text *texts[MODEL_FIELD_COUNT];
	size_t count = 0;

	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++)
		if (has_text(f, device->cells[f].present, device->cells[f].null))
			texts[count++] = &device->cells[f].value.as.text;
	model_text_compact(device->text, &device->text_len, texts, count);
}

/* Gives a cell what an item says, but for its text, whose old memory is given up here. */
static void put_cell(const struct merge *m, enum model_field field)
{
	const struct model_item *item = m->items[field];
	struct model_cell *cell = &m->device->cells[field];

	*cell = (struct model_cell){.present = true,
				    .null = item->null,
				    .simulated = m->update->simulated,
				    .source = m->source,
				    .stamp = item_stamp(m, item)};
	if (!item->null && !has_text(field, true, false))
		cell->value = item->value;
}

static void put_text(const struct merge *m, enum model_field field)
{
	struct model_device *device = m->device;
	const struct model_text *text = &m->items[field]->value.as.text;

	if (text->len > sizeof(device->text) - device->text_len)
		compact(device);
	if (text->len > 0)
		memcpy(device->text + device->text_len, text->data, text->len);
	device->cells[field].value.as.text =
		(struct model_text){device->text + device->text_len, text->len};
	device->text_len += text->len;
}

static void put_implied_null(const struct merge *m, enum model_field field,
			     struct model_merge_result *result)
{
	struct model_cell *cell = &m->device->cells[field];

	if (cell->present && !cell->null)
		result->nulled++;
	*cell = (struct model_cell){.present = true,
				    .null = true,
				    .implied = true,
				    .simulated = m->update->simulated,
				    .source = m->source,
				    .stamp = *m->stamp};
}

static void put_module(const struct merge *m, enum model_module module)
{
	struct model_device *device = m->device;
	uint8_t status = m->update->module_status[module];

	if (status == MODEL_STATUS_NOT_REQUESTED)
		return;
	if (device->module_status[module] != MODEL_STATUS_NOT_REQUESTED &&
	    compare_stamps(m->stamp, &device->module_stamp[module], &m->times) < 0)
		return;
	device->module_status[module] = status;
	device->module_stamp[module] = *m->stamp;
}

/* What an update says of the device as a whole: the newest holds, older ones complete. */
static void put_device(const struct merge *m)
{
	struct model_device *device = m->device;
	bool newer = !device->merged || compare_stamps(m->stamp, &device->newest, &m->times) >= 0;

	if (m->update->provider[0] != '\0' && (newer || device->provider[0] == '\0'))
		memcpy(device->provider, m->update->provider, sizeof(device->provider));
	if (m->update->vin[0] != '\0' && (newer || device->vin[0] == '\0'))
		memcpy(device->vin, m->update->vin, sizeof(device->vin));
	for (enum model_module i = 0; i < MODEL_MODULE_COUNT; i++)
		put_module(m, i);
	if (newer)
		device->newest = *m->stamp;
	device->merged = true;
}

static void apply(const struct merge *m, struct model_merge_result *result)
{
	memcpy(m->device->sources[m->source], m->update->source,
	       sizeof(m->device->sources[m->source]));
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++) {
		if (m->items[f])
			result->count[m->verdicts[f]]++;
		if (stored(m, f))
			put_cell(m, f);
		else if (implies_null(m, f))
			put_implied_null(m, f, result);
	}
	/* The replaced texts are gone from every cell now, so compaction gives up all of them. */
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++)
		if (stored(m, f) && has_text(f, true, m->items[f]->null))
			put_text(m, f);
	put_device(m);
}

int model_device_merge(struct model_device *device, const struct model_update *update,
		       const struct model_stamp *stamp, model_anchor_fn *anchor, void *arg,
		       struct model_merge_result *ret_result)
{
	struct merge m = {
		.device = device, .update = update, .stamp = stamp, .times = {anchor, arg}};
	struct model_merge_result result = {.nulled = 0};
	int source = find_source(device, update->source);

	if (source < 0)
		return MODEL_E_SPACE;
	m.source = (uint8_t)source;
	for (size_t i = 0; i < update->item_count; i++)
		if (update->items[i].field < MODEL_FIELD_COUNT)
			m.items[update->items[i].field] = &update->items[i];
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++)
		if (m.items[f])
			m.verdicts[f] = (uint8_t)judge(&m, f);
	if (text_need(&m) > sizeof(device->text))
		return MODEL_E_SPACE;
	apply(&m, &result);
	if (ret_result)
		*ret_result = result;
	return 0;
}

/* Does the cell of `device` come before `best`? Values and stated nulls before implied ones. */
static bool shown_before(const struct model_device *device, const struct model_cell *cell,
			 const struct model_device *best_device, const struct model_cell *best,
			 const struct times *times)
{
	int order;

	if (cell->implied != best->implied)
		return best->implied;
	/* Monotonic times order within a device only; between devices a moment is its wall time. */
	order = compare(model_effective_ms(&cell->stamp, times->anchor, times->arg),
			model_effective_ms(&best->stamp, times->anchor, times->arg));
	if (order != 0)
		return order > 0;
	return strcmp(device->device_id, best_device->device_id) < 0;
}

const struct model_cell *model_snapshot_cell(const struct model_device *const *devices,
					     size_t count, enum model_field field,
					     model_anchor_fn *anchor, void *arg, size_t *ret_device)
{
	const struct times times = {anchor, arg};
	const struct model_cell *best = NULL;
	size_t best_device = 0;

	if ((unsigned)field >= MODEL_FIELD_COUNT)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const struct model_cell *cell = &devices[i]->cells[field];

		if (!cell->present)
			continue;
		if (!best || shown_before(devices[i], cell, devices[best_device], best, &times)) {
			best = cell;
			best_device = i;
		}
	}
	if (best && ret_device)
		*ret_device = best_device;
	return best;
}

enum model_status model_snapshot_status(const struct model_device *const *devices, size_t count,
					enum model_module module)
{
	/* Best first. A failure says more than "unsupported" by some other device. */
	static const uint8_t order[] = {
		MODEL_STATUS_SUCCESS,     MODEL_STATUS_PARTIAL,       MODEL_STATUS_EMPTY,
		MODEL_STATUS_AUTH_FAILED, MODEL_STATUS_SCHEMA_FAILED, MODEL_STATUS_TRANSPORT_FAILED,
		MODEL_STATUS_UNSUPPORTED,
	};

	if ((unsigned)module >= MODEL_MODULE_COUNT)
		return MODEL_STATUS_NOT_REQUESTED;
	for (size_t i = 0; i < sizeof(order); i++)
		for (size_t d = 0; d < count; d++)
			if (devices[d]->module_status[module] == order[i])
				return (enum model_status)order[i];
	return MODEL_STATUS_NOT_REQUESTED;
}
