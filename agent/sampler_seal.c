/* Records and batches. */
#include <errno.h>
#include <string.h>

#include "agent/sampler_priv.h"
#include "model/wire/record.h"

#define RETRY_US 1000000 /* after the spool refused */

/* ---- what goes into a record ---- */

static bool is_beat_near(const struct sampler *sampler, const struct track *track, int64_t now_us)
{
	return track->beat &&
	       track->beat_us - now_us <= SAMPLER_SLACK(sampler->config.heartbeat_us);
}

/* Something goes out anyhow: what is soon to be told goes along, as it costs almost nothing then. */
static bool is_ready(const struct sampler *sampler, const struct track *track, int64_t now_us,
		     bool all)
{
	if (track->due_us == INT64_MAX)
		return false;
	return all || track->change || track->due_us <= now_us ||
	       is_beat_near(sampler, track, now_us);
}

static bool is_ripe(const struct sampler *sampler, const struct track *track,
		    const struct track_field *f, int64_t now_us, bool all)
{
	switch ((enum sampler_wait)f->wait) {
	case SAMPLER_WAIT_CHANGE:
		return true;
	case SAMPLER_WAIT_HELD:
		return all || now_us - f->told_us >= sampler->config.min_interval_us / 2;
	case SAMPLER_WAIT_BEAT:
		return all || is_beat_near(sampler, track, now_us);
	case SAMPLER_WAIT_NOT:
		break;
	}
	return false;
}

/* A position is told whole: the core keeps the newest of each field, and a latitude alone could meet
 * the longitude that another device of the vehicle has told. */
static void complete_location(struct sampler *sampler)
{
	bool any = false;

	for (int field = SAMPLER_LOCATION_FIRST; field <= SAMPLER_LOCATION_LAST; field++)
		any = any || sampler->in_record[field];
	for (int field = SAMPLER_LOCATION_FIRST; field <= SAMPLER_LOCATION_LAST; field++)
		sampler->in_record[field] = any;
}

static void select_fields(struct sampler *sampler, struct track *track, int64_t now_us, bool all)
{
	if (track->keyframe_at_beat && (is_beat_near(sampler, track, now_us) ||
					now_us - track->keyframe_us >= sampler->config.keyframe_us))
		track->keyframe = true;
	for (size_t i = 0; i < MODEL_FIELD_COUNT; i++)
		sampler->in_record[i] =
			track->keyframe || is_ripe(sampler, track, &track->fields[i], now_us, all);
	complete_location(sampler);
}

/* ---- records ---- */

static void head_record(struct model_update *record, const struct track *track)
{
	memcpy(record->device_id, track->known.device_id, sizeof(record->device_id));
	memcpy(record->source, track->known.source, sizeof(record->source));
	memcpy(record->provider, track->known.provider, sizeof(record->provider));
	memcpy(record->vin, track->known.vin, sizeof(record->vin));
	record->simulated = track->known.simulated;
	record->keyframe = track->keyframe;
}

/* A record has one time of the source's own: that of all it holds, or none. */
static void date_record(struct model_update *record, const struct track *track)
{
	if (record->mono_us == track->at_us)
		record->at_ms = track->at_ms;
	for (size_t i = 0; i < record->item_count; i++) {
		const enum model_field field = (enum model_field)record->items[i].field;
		const int64_t age_us = record->mono_us - track->fields[field].read_us;

		model_update_set_age(record, field, age_us / 1000);
		if (age_us)
			record->at_ms = MODEL_NO_TIME;
	}
}

/* Builds the record of a track in sampler->record. */
static int build_record(struct sampler *sampler, struct track *track)
{
	struct model_update *record = &sampler->record;
	int r = 0;

	model_update_init(record, &sampler->record_room);
	head_record(record, track);
	for (size_t i = 0; i < track->known.item_count; i++) {
		const struct model_item *item = &track->known.items[i];
		const enum model_field field = (enum model_field)item->field;

		if (!sampler->in_record[field])
			continue;
		r = item->null ? model_update_set_null(record, field)
			       : model_update_set_value(record, field, &item->value);
		if (r)
			return r == MODEL_E_SPACE ? -ENOSPC : -EINVAL;
		if (record->mono_us == MODEL_NO_TIME ||
		    track->fields[field].read_us > record->mono_us)
			record->mono_us = track->fields[field].read_us;
	}
	/* Only what was delivered: a keyframe nulls what it does not name of delivered modules. */
	for (size_t i = 0; i < MODEL_MODULE_COUNT; i++)
		if (track->keyframe || record->module_status[i] != MODEL_STATUS_NOT_REQUESTED)
			record->module_status[i] = track->known.module_status[i];
	date_record(record, track);
	return 0;
}

/* ---- batches ---- */

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
	struct spool_put puts[SAMPLER_CLASS_COUNT];
	size_t count = 0;

	for (int class = SAMPLER_CLASS_COUNT - 1; class >= 0; class --) {
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
	for (size_t i = 0; i < SAMPLER_CLASS_COUNT; i++) {
		buf_reset(&sampler->packs[i].json);
		sampler->packs[i].count = 0;
	}
}

static bool is_full(const struct sampler *sampler)
{
	int64_t bytes = 0;
	int count = 0;

	for (size_t i = 0; i < SAMPLER_CLASS_COUNT; i++) {
		bytes += (int64_t)sampler->packs[i].json.len;
		count += sampler->packs[i].count;
	}
	return count >= sampler->config.max_records || bytes >= sampler->config.max_bytes;
}

/* ---- afterwards ---- */

static void settle_field(struct sampler *sampler, struct track *track,
			 const struct model_item *item)
{
	struct track_field *f = &track->fields[item->field];

	f->told = true;
	f->told_null = item->null;
	f->told_us = f->read_us;
	f->wait = SAMPLER_WAIT_NOT;
	if (model_field_info((enum model_field)item->field)->type == MODEL_TYPE_NUMBER &&
	    !item->null)
		f->number = item->value.as.number;
	sampler->stats.told++;
}

/* When what still waits is due. */
static void settle_waits(struct sampler *sampler, struct track *track)
{
	bool beat = track->keyframe_at_beat;

	track->due_us = INT64_MAX;
	for (size_t i = 0; i < track->known.item_count; i++) {
		const struct track_field *f = &track->fields[track->known.items[i].field];
		const int64_t end_us = f->told_us + sampler->config.min_interval_us;

		beat = beat || f->wait == SAMPLER_WAIT_BEAT;
		if (f->wait == SAMPLER_WAIT_HELD && end_us < track->due_us)
			track->due_us = end_us;
	}
	track->beat = beat;
	if (beat && track->beat_us < track->due_us)
		track->due_us = track->beat_us;
}

static void settle(struct sampler *sampler, struct track *track, int64_t now_us, bool all)
{
	select_fields(sampler, track, now_us, all);
	for (size_t i = 0; i < track->known.item_count; i++)
		if (sampler->in_record[track->known.items[i].field])
			settle_field(sampler, track, &track->known.items[i]);
	if (track->keyframe && track->known.item_count) {
		track->keyframe_us = now_us;
		track->keyframe = false;
		track->keyframe_at_beat = false;
	}
	sampler->changes -= track->change;
	track->change = false;
	track->class = WIRE_CLASS_SAMPLE;
	settle_waits(sampler, track);
}

/* ---- sealing ---- */

static enum wire_class class_of_record(const struct sampler *sampler, const struct track *track)
{
	if (sampler->record.keyframe && track->class == WIRE_CLASS_SAMPLE)
		return WIRE_CLASS_STATE;
	return track->class;
}

/* One batch (a class each) from `*from` on. */
static int seal_some(struct sampler *sampler, size_t *from, int64_t now_us, bool all)
{
	const size_t first = *from;
	size_t end = first;
	int r = 0;

	reset_packs(sampler);
	for (; end < sampler->track_count && !is_full(sampler); end++) {
		struct track *track = sampler->tracks[end];

		if (!is_ready(sampler, track, now_us, all))
			continue;
		select_fields(sampler, track, now_us, all);
		r = build_record(sampler, track);
		if (r)
			return r;
		/* Nothing is known yet: there is nothing to say. */
		if (sampler->record.item_count)
			add_record(&sampler->packs[class_of_record(sampler, track)],
				   &sampler->record);
	}
	r = seal_packs(sampler);
	if (r)
		return r;
	for (size_t i = first; i < end; i++)
		if (is_ready(sampler, sampler->tracks[i], now_us, all))
			settle(sampler, sampler->tracks[i], now_us, all);
	*from = end;
	return 0;
}

static int64_t least_due_us(const struct sampler *sampler)
{
	int64_t due_us = INT64_MAX;

	for (size_t i = 0; i < sampler->track_count; i++)
		if (sampler->tracks[i]->due_us < due_us)
			due_us = sampler->tracks[i]->due_us;
	return due_us;
}

int sampler_seal_due(struct sampler *sampler, int64_t now_us, bool all)
{
	size_t from = 0;
	int r = 0;

	while (from < sampler->track_count && !r)
		r = seal_some(sampler, &from, now_us, all);
	sampler->refused = r != 0;
	sampler->due_us = r ? now_us + RETRY_US : least_due_us(sampler);
	return r;
}
