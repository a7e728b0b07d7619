#include "agent/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/geo.h"
#include "agent/sampler_priv.h"

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
	for (size_t i = 0; i < SAMPLER_CLASS_COUNT; i++)
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
	for (size_t i = 0; i < SAMPLER_CLASS_COUNT; i++)
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
	track->due_us = INT64_MAX;
	sampler->tracks[sampler->track_count++] = track;
	*ret_track = track;
	return 0;
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

/* ---- when ---- */

static void set_due(struct sampler *sampler, struct track *track, int64_t due_us)
{
	if (due_us < track->due_us)
		track->due_us = due_us;
	if (due_us < sampler->due_us && !sampler->refused)
		sampler->due_us = due_us;
}

static void mark_change(struct sampler *sampler, struct track *track, enum wire_class class,
			int64_t now_us)
{
	const struct sampler_config *config = &sampler->config;
	int64_t age_us = config->max_age_us;

	if (sampler->offline && class == WIRE_CLASS_SAMPLE && config->max_age_offline_us > age_us)
		age_us = config->max_age_offline_us;
	sampler->changes += !track->change;
	track->change = true;
	if (class > track->class)
		track->class = class;
	set_due(sampler, track, now_us + age_us);
}

/* A device that is read at its own rhythm is told at everybody's: a beat is a little less than half of
 * a heartbeat, and what would be older than that by the beat after the next is told at the next. What
 * is read once a second is so told at every second beat. */
static int64_t beat_len_us(const struct sampler *sampler)
{
	const struct sampler_config *config = &sampler->config;
	const int64_t us = config->heartbeat_us < config->keyframe_us ? config->heartbeat_us
								      : config->keyframe_us;

	return us < 9 ? 1 : us / 9 * 4;
}

static int64_t next_beat_us(const struct sampler *sampler, int64_t now_us)
{
	const int64_t beat = beat_len_us(sampler);

	return (now_us / beat + 1) * beat;
}

/* Would something of `since_us` be older than `limit_us` by the beat after the next? */
static bool cannot_wait(const struct sampler *sampler, int64_t since_us, int64_t limit_us,
			int64_t now_us)
{
	return since_us + limit_us < next_beat_us(sampler, now_us) + beat_len_us(sampler);
}

static void mark_beat(struct sampler *sampler, struct track *track, int64_t now_us)
{
	if (!track->beat)
		track->beat_us = next_beat_us(sampler, now_us);
	track->beat = true;
	set_due(sampler, track, track->beat_us);
}

/* ---- what ---- */

static bool differs(const struct model_item *known, const struct model_item *item)
{
	if (!known || known->null != item->null)
		return true;
	return !item->null &&
	       !model_value_equal((enum model_field)item->field, &known->value, &item->value);
}

static bool is_place(enum model_field field)
{
	return field == MODEL_FIELD_LATITUDE || field == MODEL_FIELD_LONGITUDE;
}

static const struct model_item *known_of(const struct track *track, enum model_field field)
{
	return model_update_get(&track->known, field);
}

/* Where a position is known, the other coordinate of an item is that of the update, or else of before. */
static double coordinate(const struct track *track, const struct model_update *update,
			 enum model_field field)
{
	const struct model_item *item = model_update_get(update, field);

	if (!item)
		item = known_of(track, field);
	return item && !item->null ? item->value.as.number : 0;
}

static double moved_m(const struct track *track, const struct model_update *update, double latitude,
		      double longitude)
{
	return geo_metres(latitude, longitude, coordinate(track, update, MODEL_FIELD_LATITUDE),
			  coordinate(track, update, MODEL_FIELD_LONGITUDE));
}

/* Is an item news to who was told these numbers? */
static bool is_news(const struct sampler *sampler, const struct track *track,
		    const struct model_update *update, const struct model_item *item, double number,
		    double latitude, double longitude)
{
	const struct deadband *bands = &sampler->config.bands;
	const enum model_field field = (enum model_field)item->field;

	if (!is_place(field))
		return deadband_is_news(bands, field, number, item->value.as.number);
	if (bands->location_m <= 0)
		return number != item->value.as.number;
	return moved_m(track, update, latitude, longitude) >= bands->location_m;
}

/* To who was told what was last told. */
static bool is_change(const struct sampler *sampler, const struct track *track,
		      const struct model_update *update, const struct model_item *item)
{
	const enum model_field field = (enum model_field)item->field;
	const struct track_field *told = &track->fields[field];

	if (!told->told || told->told_null != item->null)
		return true;
	if (model_field_info(field)->type != MODEL_TYPE_NUMBER)
		return differs(known_of(track, field), item);
	if (item->null)
		return false;
	return is_news(sampler, track, update, item, told->number,
		       track->fields[MODEL_FIELD_LATITUDE].number,
		       track->fields[MODEL_FIELD_LONGITUDE].number);
}

/* To who will be told what waits. */
static bool is_further_change(const struct sampler *sampler, const struct track *track,
			      const struct model_update *update, const struct model_item *item)
{
	const struct model_item *known = known_of(track, (enum model_field)item->field);
	const struct model_item *latitude = known_of(track, MODEL_FIELD_LATITUDE);
	const struct model_item *longitude = known_of(track, MODEL_FIELD_LONGITUDE);

	if (!differs(known, item))
		return false;
	if (known->null || item->null ||
	    model_field_info((enum model_field)item->field)->type != MODEL_TYPE_NUMBER)
		return true;
	return is_news(sampler, track, update, item, known->value.as.number,
		       latitude ? latitude->value.as.number : 0,
		       longitude ? longitude->value.as.number : 0);
}

/* Would a change that waits be replaced by another? */
static bool collides(const struct sampler *sampler, const struct track *track,
		     const struct model_update *update)
{
	if (!track->change)
		return false;
	for (size_t i = 0; i < update->item_count; i++)
		if (track->fields[update->items[i].field].wait == SAMPLER_WAIT_CHANGE &&
		    is_further_change(sampler, track, update, &update->items[i]))
			return true;
	return false;
}

/* ---- taking ---- */

static int keep(struct track *track, const struct model_item *item, int64_t read_us)
{
	const enum model_field field = (enum model_field)item->field;
	int r = 0;

	if (differs(known_of(track, field), item))
		r = item->null ? model_update_set_null(&track->known, field)
			       : model_update_set_value(&track->known, field, &item->value);
	if (r)
		return r == MODEL_E_SPACE ? -ENOSPC : -EINVAL;
	track->fields[field].read_us = read_us;
	return 0;
}

static void take_change(struct sampler *sampler, struct track *track, enum model_field field,
			bool anew, int64_t now_us)
{
	struct track_field *f = &track->fields[field];
	const int64_t wait_us = sampler->config.min_interval_us;
	const bool soon = f->told && f->read_us - f->told_us < wait_us - SAMPLER_SLACK(wait_us);

	sampler->stats.withheld += f->wait == SAMPLER_WAIT_BEAT;
	if (f->wait == SAMPLER_WAIT_CHANGE) {
		sampler->stats.coalesced += anew;
	} else if (soon && class_of(field) == WIRE_CLASS_SAMPLE) {
		sampler->stats.limited += f->wait == SAMPLER_WAIT_HELD;
		f->wait = SAMPLER_WAIT_HELD;
		set_due(sampler, track, f->told_us + wait_us);
		return;
	}
	sampler->stats.limited += f->wait == SAMPLER_WAIT_HELD;
	f->wait = SAMPLER_WAIT_CHANGE;
	mark_change(sampler, track, class_of(field), now_us);
}

static void take_same(struct sampler *sampler, struct track *track, enum model_field field,
		      int64_t now_us)
{
	struct track_field *f = &track->fields[field];

	if (f->wait == SAMPLER_WAIT_HELD) {
		sampler->stats
			.limited++; /* it was away in between: the last is told all the same */
	} else if (f->wait == SAMPLER_WAIT_NOT &&
		   cannot_wait(sampler, f->told_us, sampler->config.heartbeat_us, now_us)) {
		f->wait = SAMPLER_WAIT_BEAT;
		mark_beat(sampler, track, now_us);
	} else {
		sampler->stats.withheld++;
	}
}

/* Takes an item whose verdict stands: `change` to what was told, `further` to what waits. */
static int take_item(struct sampler *sampler, struct track *track, const struct model_item *item,
		     bool change, bool further, int64_t read_us, int64_t now_us)
{
	const enum model_field field = (enum model_field)item->field;
	int r;

	/* What waits is the first that differed, with its time. A spool that does not take it for
	 * long shall have the newest. */
	if (track->fields[field].wait == SAMPLER_WAIT_CHANGE && !further && !sampler->refused) {
		sampler->stats.withheld++;
		return 0;
	}
	r = keep(track, item, read_us);
	if (r)
		return r;
	if (change || track->fields[field].wait == SAMPLER_WAIT_CHANGE)
		take_change(sampler, track, field, further, now_us);
	else
		take_same(sampler, track, field, now_us);
	return 0;
}

static int take_items(struct sampler *sampler, struct track *track,
		      const struct model_update *update, int64_t mono_us, int64_t now_us)
{
	bool change[MODEL_FIELD_COUNT], further[MODEL_FIELD_COUNT];
	int r = 0;

	/* All verdicts first: a position has two coordinates. */
	for (size_t i = 0; i < update->item_count; i++) {
		change[i] = is_change(sampler, track, update, &update->items[i]);
		further[i] = track->fields[update->items[i].field].wait == SAMPLER_WAIT_CHANGE &&
			     is_further_change(sampler, track, update, &update->items[i]);
	}
	for (size_t i = 0; i < update->item_count && !r; i++)
		r = take_item(sampler, track, &update->items[i], change[i], further[i],
			      mono_us - update->items[i].age_ms * 1000, now_us);
	return r;
}

static void take_statuses(struct sampler *sampler, struct track *track,
			  const struct model_update *update, int64_t now_us)
{
	for (size_t i = 0; i < MODEL_MODULE_COUNT; i++) {
		const uint8_t status = update->module_status[i];

		if (status == MODEL_STATUS_NOT_REQUESTED || status == track->known.module_status[i])
			continue;
		/* A change of status is stated whole, so that what it says of absent fields holds. */
		if (track->known.module_status[i] != MODEL_STATUS_NOT_REQUESTED)
			track->keyframe = true;
		track->known.module_status[i] = status;
		mark_change(sampler, track, WIRE_CLASS_SAMPLE, now_us);
	}
}

static void take_keyframe(struct sampler *sampler, struct track *track,
			  const struct model_update *update, int64_t now_us)
{
	track->whole = track->whole || update->keyframe;
	if (update->keyframe) {
		track->keyframe = true;
		mark_change(sampler, track, WIRE_CLASS_SAMPLE, now_us);
	} else if (track->whole && update->item_count &&
		   cannot_wait(sampler, track->keyframe_us, sampler->config.keyframe_us, now_us)) {
		track->keyframe_at_beat = true;
		mark_beat(sampler, track, now_us);
	}
}

/* ---- another vehicle ---- */

/* Is it another vehicle than the one whose values are known? A source that has lost its vehicle and does
 * not know yet whether it is the same may be at another. */
static bool is_another(const struct track *track, const struct model_update *update)
{
	return track->known.vin[0] && strcmp(track->known.vin, update->vin) != 0;
}

/* What was read of the last vehicle is sealed with its VIN, and never told of the next one. */
static void forget_vehicle(struct sampler *sampler, struct track *track, int64_t now_us)
{
	if (track->due_us != INT64_MAX)
		(void)sampler_flush(sampler, now_us); /* where it fails, it is counted below */
	for (size_t i = 0; i < MODEL_FIELD_COUNT; i++) {
		sampler->stats.coalesced += track->fields[i].wait != SAMPLER_WAIT_NOT;
		track->fields[i] = (struct track_field){.told = false};
	}
	sampler->changes -= track->change;
	track->change = false;
	track->beat = false;
	track->due_us = INT64_MAX;
	track->whole = false;
	track->keyframe = false;
	track->keyframe_at_beat = false;
	track->keyframe_us = now_us;
	track->class = WIRE_CLASS_SAMPLE;
	model_update_init(&track->known, &track->room);
}

int sampler_update(struct sampler *sampler, const struct model_update *update, int64_t now_us)
{
	const int64_t mono_us = update->mono_us == MODEL_NO_TIME ? now_us : update->mono_us;
	struct track *track;
	int r = track_of(sampler, update, now_us, &track);

	if (r)
		return r;
	if (!sampler->refused && collides(sampler, track, update))
		(void)sampler_run(sampler, now_us); /* where it fails, it is counted below */
	if (is_another(track, update))
		forget_vehicle(sampler, track, now_us);
	memcpy(track->known.device_id, update->device_id, sizeof(track->known.device_id));
	memcpy(track->known.source, update->source, sizeof(track->known.source));
	memcpy(track->known.provider, update->provider, sizeof(track->known.provider));
	memcpy(track->known.vin, update->vin, sizeof(track->known.vin));
	track->known.simulated = update->simulated;
	track->at_ms = update->at_ms;
	track->at_us = mono_us;
	take_keyframe(sampler, track, update, now_us);
	take_statuses(sampler, track, update, now_us);
	r = take_items(sampler, track, update, mono_us, now_us);
	if (r)
		return r;
	if (sampler->due_us <= now_us ||
	    (sampler->changes >= (size_t)sampler->config.max_records && !sampler->refused))
		return sampler_run(sampler, now_us);
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
		mark_change(sampler, track, WIRE_CLASS_SAMPLE, now_us);
	}
}

void sampler_set_offline(struct sampler *sampler, bool offline)
{
	sampler->offline = offline;
}

void sampler_forget(struct sampler *sampler)
{
	for (size_t i = 0; i < sampler->track_count; i++)
		free(sampler->tracks[i]);
	sampler->track_count = 0;
	sampler->changes = 0;
	sampler->due_us = INT64_MAX;
	sampler->refused = false;
}

int sampler_run(struct sampler *sampler, int64_t now_us)
{
	return sampler_seal_due(sampler, now_us, false);
}

int sampler_flush(struct sampler *sampler, int64_t now_us)
{
	return sampler_seal_due(sampler, now_us, true);
}

int64_t sampler_due(const struct sampler *sampler)
{
	return sampler->due_us;
}

void sampler_stats(const struct sampler *sampler, struct sampler_stats *ret_stats)
{
	*ret_stats = sampler->stats;
}

int64_t sampler_coalesced(const struct sampler *sampler)
{
	return sampler->stats.coalesced;
}
