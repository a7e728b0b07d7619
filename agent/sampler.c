#include "agent/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_US 1000000 /* after the spool refused */
#define LOCATION_FIRST MODEL_FIELD_LATITUDE
#define LOCATION_LAST MODEL_FIELD_LOCATION_STATUS
#define CLASS_COUNT 3 /* sample, state, alarm: the ledger is the spool's own */

/* What one source has said of one device. */
struct track {
	struct model_update known; /* last value of each field; ages are not used */
	struct model_update_room room;
	int64_t read_us[MODEL_FIELD_COUNT]; /* when the value was observed */
	int64_t told_us[MODEL_FIELD_COUNT]; /* when it was last put into a record */
	bool told[MODEL_FIELD_COUNT];
	bool waiting[MODEL_FIELD_COUNT]; /* goes into the next record */
	bool any_waiting;
	bool whole;    /* its source has said once that it is known whole */
	bool keyframe; /* the next record is one */
	int64_t keyframe_us;
	int64_t at_ms, at_us;  /* the source's own time of what was read at `at_us` */
	enum wire_class class; /* of the next record */
};

/* The records of one class while they are put together. */
struct pack {
	struct buf json;
	int count;
	int64_t first_us, last_us;
};

struct sampler {
	struct sampler_config config;
	sampler_seal_fn *seal;
	void *arg;
	struct track *tracks[SAMPLER_TRACKS_MAX];
	size_t track_count;
	size_t waiting; /* tracks with something for the next record */
	int64_t due_us;
	int64_t coalesced;
	struct pack packs[CLASS_COUNT];
	struct model_update record;
	struct model_update_room record_room;
};

int sampler_create(const struct sampler_config *config, sampler_seal_fn *seal, void *arg,
		   struct sampler **ret_sampler)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));

	if (!sampler)
		return -ENOMEM;
	sampler->config = *config;
	sampler->seal = seal;
	sampler->arg = arg;
	sampler->due_us = INT64_MAX;
	for (size_t i = 0; i < CLASS_COUNT; i++)
		buf_init(&sampler->packs[i].json, (size_t)WIRE_UNPACKED_BYTES_MAX);
	*ret_sampler = sampler;
	return 0;
}

void sampler_destroy(struct sampler *sampler)
{
	if (!sampler)
		return;
	for (size_t i = 0; i < sampler->track_count; i++)
		free(sampler->tracks[i]);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		buf_free(&sampler->packs[i].json);
	free(sampler);
}

static int track_of(struct sampler *sampler, const struct model_update *update, int64_t now_us,
		    struct track **ret_track)
{
	struct track *track;

	for (size_t i = 0; i < sampler->track_count; i++) {
		track = sampler->tracks[i];
		if (strcmp(track->known.device_id, update->device_id) == 0 &&
		    strcmp(track->known.source, update->source) == 0) {
			*ret_track = track;
			return 0;
		}
	}
	if (sampler->track_count == SAMPLER_TRACKS_MAX)
		return -ENOSPC;
	track = calloc(1, sizeof(*track));
	if (!track)
		return -ENOMEM;
	model_update_init(&track->known, &track->room);
	memcpy(track->known.device_id, update->device_id, sizeof(track->known.device_id));
	memcpy(track->known.source, update->source, sizeof(track->known.source));
	track->keyframe_us = now_us;
	track->at_ms = MODEL_NO_TIME;
	sampler->tracks[sampler->track_count++] = track;
	*ret_track = track;
	return 0;
}

static bool differs(const struct model_item *known, const struct model_item *item)
{
	if (!known || known->null != item->null)
		return true;
	return !item->null &&
	       !model_value_equal((enum model_field)item->field, &known->value, &item->value);
}

/* A change that people wait for does not share a batch with samples. */
static enum wire_class class_of(enum model_field field)
{
	const struct model_field_info *info = model_field_info(field);

	if (field == MODEL_FIELD_MIL_ON || field == MODEL_FIELD_DTC_CONFIRMED)
		return WIRE_CLASS_ALARM;
	if (info->type == MODEL_TYPE_NUMBER)
		return WIRE_CLASS_SAMPLE;
	return WIRE_CLASS_STATE;
}

static void mark(struct sampler *sampler, struct track *track, int64_t now_us)
{
	if (track->any_waiting)
		return;
	track->any_waiting = true;
	track->class = WIRE_CLASS_SAMPLE;
	sampler->waiting++;
	if (sampler->due_us > now_us + sampler->config.max_age_us)
		sampler->due_us = now_us + sampler->config.max_age_us;
}

static bool stale(const struct sampler *sampler, const struct track *track, enum model_field field,
		  int64_t now_us)
{
	return !track->told[field] ||
	       now_us - track->told_us[field] >= sampler->config.heartbeat_us;
}

static int take_item(struct sampler *sampler, struct track *track, const struct model_item *item,
		     int64_t read_us, int64_t now_us)
{
	const enum model_field field = (enum model_field)item->field;
	const bool changed = differs(model_update_get(&track->known, field), item);
	int r = 0;

	if (changed)
		r = item->null ? model_update_set_null(&track->known, field)
			       : model_update_set_value(&track->known, field, &item->value);
	if (r)
		return r == MODEL_E_SPACE ? -ENOSPC : -EINVAL;
	track->read_us[field] = read_us;
	if (!changed && !stale(sampler, track, field, now_us))
		return 0;
	if (track->waiting[field])
		sampler->coalesced++;
	mark(sampler, track, now_us);
	track->waiting[field] = true;
	if (changed && class_of(field) > track->class)
		track->class = class_of(field);
	return 0;
}

/* A position is told whole: the core keeps the newest of each field, and a latitude alone could meet
 * the longitude that another device of the vehicle has told. */
static void complete_location(struct track *track)
{
	bool any = false;

	for (int field = LOCATION_FIRST; field <= LOCATION_LAST; field++)
		any = any || track->waiting[field];
	for (int field = LOCATION_FIRST; any && field <= LOCATION_LAST; field++)
		track->waiting[field] =
			model_update_get(&track->known, (enum model_field)field) != NULL;
}

/* Would a reading that waits be replaced? */
static bool collides(const struct track *track, const struct model_update *update)
{
	for (size_t i = 0; i < update->item_count; i++)
		if (track->waiting[update->items[i].field])
			return true;
	return false;
}

/* Is it another vehicle than the one whose values are known? A source that has lost its vehicle and does
 * not know yet whether it is the same may be at another. */
static bool is_another(const struct track *track, const struct model_update *update)
{
	return track->known.vin[0] && strcmp(track->known.vin, update->vin) != 0;
}

/* What was read of the last vehicle is sealed with its VIN, and never told of the next one. */
static void forget_vehicle(struct sampler *sampler, struct track *track, int64_t now_us)
{
	if (track->any_waiting)
		(void)sampler_flush(sampler, now_us); /* where it fails, it is counted below */
	for (size_t i = 0; i < MODEL_FIELD_COUNT; i++) {
		sampler->coalesced += track->waiting[i];
		track->waiting[i] = false;
		track->told[i] = false;
	}
	if (track->any_waiting)
		sampler->waiting--;
	track->any_waiting = false;
	track->whole = false;
	track->keyframe = false;
	track->keyframe_us = now_us;
	model_update_init(&track->known, &track->room);
}

int sampler_update(struct sampler *sampler, const struct model_update *update, int64_t now_us)
{
	const int64_t mono_us = update->mono_us == MODEL_NO_TIME ? now_us : update->mono_us;
	struct track *track;
	int r = track_of(sampler, update, now_us, &track);

	if (r)
		return r;
	if (collides(track, update) && sampler->due_us != INT64_MAX &&
	    sampler->due_us <= now_us + sampler->config.max_age_us)
		(void)sampler_flush(sampler, now_us); /* where it fails, it is counted below */
	if (is_another(track, update))
		forget_vehicle(sampler, track, now_us);
	memcpy(track->known.device_id, update->device_id, sizeof(track->known.device_id));
	memcpy(track->known.source, update->source, sizeof(track->known.source));
	memcpy(track->known.provider, update->provider, sizeof(track->known.provider));
	memcpy(track->known.vin, update->vin, sizeof(track->known.vin));
	track->known.simulated = update->simulated;
	track->at_ms = update->at_ms;
	track->at_us = mono_us;
	track->whole = track->whole || update->keyframe;
	if (update->keyframe || (track->whole && update->item_count &&
				 now_us - track->keyframe_us >= sampler->config.keyframe_us)) {
		track->keyframe = true;
		mark(sampler, track, now_us);
	}
	for (size_t i = 0; i < MODEL_MODULE_COUNT; i++) {
		const uint8_t status = update->module_status[i];

		if (status == MODEL_STATUS_NOT_REQUESTED || status == track->known.module_status[i])
			continue;
		/* A change of status is stated whole, so that what it says of absent fields holds. */
		if (track->known.module_status[i] != MODEL_STATUS_NOT_REQUESTED)
			track->keyframe = true;
		track->known.module_status[i] = status;
		mark(sampler, track, now_us);
	}
	for (size_t i = 0; i < update->item_count && !r; i++)
		r = take_item(sampler, track, &update->items[i],
			      mono_us - (int64_t)update->items[i].age_ms * 1000, now_us);
	complete_location(track);
	if (r)
		return r;
	if (sampler->due_us <= now_us || sampler->waiting >= (size_t)sampler->config.max_records)
		return sampler_flush(sampler, now_us);
	return 0;
}

void sampler_keyframe_all(struct sampler *sampler, int64_t now_us)
{
	for (size_t i = 0; i < sampler->track_count; i++) {
		struct track *track = sampler->tracks[i];

		/* What is not known whole would be stated as not known: its source will say when. */
		if (!track->whole || !track->known.item_count)
			continue;
		track->keyframe = true;
		mark(sampler, track, now_us);
	}
}

void sampler_forget(struct sampler *sampler)
{
	for (size_t i = 0; i < sampler->track_count; i++)
		free(sampler->tracks[i]);
	sampler->track_count = 0;
	sampler->waiting = 0;
	sampler->due_us = INT64_MAX;
}

/* Builds the record of a track in sampler->record. */
static int build_record(struct sampler *sampler, struct track *track)
{
	struct model_update *record = &sampler->record;
	int r = 0;

	model_update_init(record, &sampler->record_room);
	memcpy(record->device_id, track->known.device_id, sizeof(record->device_id));
	memcpy(record->source, track->known.source, sizeof(record->source));
	memcpy(record->provider, track->known.provider, sizeof(record->provider));
	memcpy(record->vin, track->known.vin, sizeof(record->vin));
	record->simulated = track->known.simulated;
	record->keyframe = track->keyframe;
	for (size_t i = 0; i < track->known.item_count; i++) {
		const struct model_item *item = &track->known.items[i];
		const enum model_field field = (enum model_field)item->field;

		if (!track->keyframe && !track->waiting[field])
			continue;
		r = item->null ? model_update_set_null(record, field)
			       : model_update_set_value(record, field, &item->value);
		if (r)
			return r == MODEL_E_SPACE ? -ENOSPC : -EINVAL;
		if (record->mono_us == MODEL_NO_TIME || track->read_us[field] > record->mono_us)
			record->mono_us = track->read_us[field];
	}
	/* Only what was delivered: a keyframe nulls what it does not name of delivered modules. */
	for (size_t i = 0; i < MODEL_MODULE_COUNT; i++)
		if (track->keyframe || record->module_status[i] != MODEL_STATUS_NOT_REQUESTED)
			record->module_status[i] = track->known.module_status[i];
	/* A record has one time of the source's own: that of all it holds, or none. */
	if (record->mono_us == track->at_us)
		record->at_ms = track->at_ms;
	for (size_t i = 0; i < record->item_count; i++) {
		const int64_t age_us = record->mono_us - track->read_us[record->items[i].field];
		const int64_t age_ms = age_us / 1000;

		record->items[i].age_ms = age_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)age_ms;
		if (age_us)
			record->at_ms = MODEL_NO_TIME;
	}
	return 0;
}

static void add_record(struct pack *pack, const struct model_update *record)
{
	struct jw w;

	buf_putc(&pack->json, pack->count ? ',' : '[');
	jw_init(&w, &pack->json);
	wire_update_encode(&w, record);
	if (!pack->count || record->mono_us < pack->first_us)
		pack->first_us = record->mono_us;
	if (!pack->count || record->mono_us > pack->last_us)
		pack->last_us = record->mono_us;
	pack->count++;
}

/* Hands the packs over. Alarms first: they get the smaller numbers. */
static int seal_packs(struct sampler *sampler)
{
	struct spool_put puts[CLASS_COUNT];
	size_t count = 0;

	for (int class = CLASS_COUNT - 1; class >= 0; class --) {
		struct pack *pack = &sampler->packs[class];

		if (!pack->count)
			continue;
		buf_putc(&pack->json, ']');
		if (pack->json.error)
			return pack->json.error;
		puts[count] = (struct spool_put){
			.class = (enum wire_class) class,
			.json = pack->json.data,
			.len = pack->json.len,
			.count = pack->count,
			.first_mono_us = pack->first_us,
			.last_mono_us = pack->last_us,
		};
		count++;
	}
	return count ? sampler->seal(sampler->arg, puts, count) : 0;
}

static void reset_packs(struct sampler *sampler)
{
	for (size_t i = 0; i < CLASS_COUNT; i++) {
		buf_reset(&sampler->packs[i].json);
		sampler->packs[i].count = 0;
	}
}

static bool is_full(const struct sampler *sampler)
{
	int64_t bytes = 0;
	int count = 0;

	for (size_t i = 0; i < CLASS_COUNT; i++) {
		bytes += (int64_t)sampler->packs[i].json.len;
		count += sampler->packs[i].count;
	}
	return count >= sampler->config.max_records || bytes >= sampler->config.max_bytes;
}

static void settle(struct sampler *sampler, struct track *track, int64_t now_us)
{
	for (size_t i = 0; i < track->known.item_count; i++) {
		const uint16_t field = track->known.items[i].field;

		if (!track->keyframe && !track->waiting[field])
			continue;
		track->told[field] = true;
		track->told_us[field] = now_us;
		track->waiting[field] = false;
	}
	if (track->keyframe && track->known.item_count) {
		track->keyframe_us = now_us;
		track->keyframe = false;
	}
	track->any_waiting = false;
	sampler->waiting--;
}

/* One batch (a class each) from `*from` on. */
static int seal_some(struct sampler *sampler, size_t *from, int64_t now_us)
{
	const size_t first = *from;
	size_t end = first;
	int r = 0;

	reset_packs(sampler);
	for (; end < sampler->track_count && !is_full(sampler); end++) {
		struct track *track = sampler->tracks[end];

		if (!track->any_waiting)
			continue;
		r = build_record(sampler, track);
		if (r)
			return r;
		/* Nothing is known yet: there is nothing to say. */
		if (!sampler->record.item_count)
			continue;
		add_record(
			&sampler->packs[sampler->record.keyframe && !track->class ? WIRE_CLASS_STATE
										  : track->class],
			&sampler->record);
	}
	r = seal_packs(sampler);
	if (r)
		return r;
	for (size_t i = first; i < end; i++)
		if (sampler->tracks[i]->any_waiting)
			settle(sampler, sampler->tracks[i], now_us);
	*from = end;
	return 0;
}

int sampler_flush(struct sampler *sampler, int64_t now_us)
{
	size_t from = 0;
	int r = 0;

	while (sampler->waiting && from < sampler->track_count && !r)
		r = seal_some(sampler, &from, now_us);
	sampler->due_us = r ? now_us + RETRY_US : INT64_MAX;
	return r;
}

int64_t sampler_due(const struct sampler *sampler)
{
	return sampler->due_us;
}

int64_t sampler_coalesced(const struct sampler *sampler)
{
	return sampler->coalesced;
}
