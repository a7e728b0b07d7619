#include "cloud/accept/evidence.h"

#include <errno.h>

void evidence_policy(const struct coredb_policy *row, struct policy *ret_policy)
{
	ret_policy->freshness_target_s = row->freshness_target_s;
	ret_policy->stale_threshold_s = row->stale_threshold_s;
	ret_policy->no_data_grace_s = row->no_data_grace_s;
	ret_policy->poll_interval_s = row->poll_interval_s;
	ret_policy->retention_days = row->retention_days;
}

void evidence_policy_back(const struct policy *policy, struct coredb_policy *ret_row)
{
	ret_row->freshness_target_s = policy->freshness_target_s;
	ret_row->stale_threshold_s = policy->stale_threshold_s;
	ret_row->no_data_grace_s = policy->no_data_grace_s;
	ret_row->poll_interval_s = policy->poll_interval_s;
	ret_row->retention_days = policy->retention_days;
}

static enum health_source source_of(int state)
{
	switch (state) {
	case WIRE_SOURCE_OK:
		return HEALTH_SOURCE_OK;
	case WIRE_SOURCE_SILENT:
		return HEALTH_SOURCE_SILENT;
	case WIRE_SOURCE_ERROR:
		return HEALTH_SOURCE_ERROR;
	default:
		return HEALTH_SOURCE_UNKNOWN;
	}
}

void evidence_health(const struct coredb_health_row *row, int64_t listening_since_ms,
		     int64_t evaluated_at_ms, char masked_vin[static MODEL_VIN_SIZE],
		     struct health_input *ret_input)
{
	const struct coredb_state *state = &row->state;

	model_vin_mask(row->device.vin, masked_vin);
	*ret_input = (struct health_input){
		.evaluated_at_ms = evaluated_at_ms,
		.activated_at_ms = row->device.activated_at_ms,
		.interval_s = row->device.interval_s,
		.last_update_at_ms = state->last_update_at_ms,
		.last_accepted_at_ms = state->last_accepted_at_ms,
		/* It was heard, and yet nothing made it fresh. */
		.clock_untrusted = state->contact_at_ms != MODEL_NO_TIME &&
				   state->last_update_at_ms == MODEL_NO_TIME,
		.vin_mismatch_at_ms = state->vin_mismatch_at_ms,
		.registered_vin = masked_vin,
		.has_gateway = row->device.gateway != 0,
		.gateway_name = row->device.gateway_name,
		.gateway_is_two = row->device.gateway != 0 &&
				  coredb_is_duplicate(row->duplicate_since_ms, row->duplicate_at_ms,
						      evaluated_at_ms),
		.gateway_two_since_ms = row->duplicate_since_ms,
		.gateway_said_offline = row->gateway_said_offline,
		.gateway_contact_at_ms = row->gateway_contact_at_ms,
		.listening_since_ms = listening_since_ms,
		.backlog_batches = row->backlog_batches,
		.backlog_oldest_at_ms = row->backlog_oldest_at_ms,
		.source = source_of(row->source_state),
		.source_name = row->source_name,
		.source_reason = row->source_reason,
		.source_since_ms = row->source_since_ms,
		.ignition_off = state->ignition_off,
		.ignition_since_ms = state->ignition_since_ms,
		.asleep = state->asleep,
		.asleep_since_ms = state->asleep_since_ms,
	};
}

static enum anchor_quality anchor_quality_of(enum clock_quality quality)
{
	switch (quality) {
	case CLOCK_QUALITY_SYNCED:
		return ANCHOR_SYNCED;
	case CLOCK_QUALITY_GPS:
		return ANCHOR_GPS;
	case CLOCK_QUALITY_CORE:
		return ANCHOR_CORE;
	case CLOCK_QUALITY_NONE:
		break;
	}
	return ANCHOR_NONE;
}

static enum clock_quality clock_quality_of(enum anchor_quality quality)
{
	switch (quality) {
	case ANCHOR_SYNCED:
		return CLOCK_QUALITY_SYNCED;
	case ANCHOR_GPS:
		return CLOCK_QUALITY_GPS;
	case ANCHOR_CORE:
		return CLOCK_QUALITY_CORE;
	case ANCHOR_NONE:
		break;
	}
	return CLOCK_QUALITY_NONE;
}

void evidence_anchor(const struct coredb_boot *boot, struct anchor *ret_anchor)
{
	ret_anchor->quality = anchor_quality_of(boot->quality);
	ret_anchor->mono_us = boot->mono_us;
	ret_anchor->offset_ms = boot->offset_ms;
	ret_anchor->ceiling_ms = boot->ceiling_ms;
	ret_anchor->ceiling_base_ms = boot->ceiling_base_ms;
}

void evidence_anchor_back(const struct anchor *anchor, struct coredb_boot *boot)
{
	enum anchor_quality held;

	boot->quality = clock_quality_of(anchor->quality);
	boot->mono_us = anchor->mono_us;
	boot->offset_ms = anchor->offset_ms;
	boot->ceiling_ms = anchor->ceiling_ms;
	boot->ceiling_base_ms = anchor->ceiling_base_ms;
	boot->held_offset_ms = anchor_offset_ms(anchor, &held);
	boot->held_quality = clock_quality_of(held);
}

void evidence_anchor_offer(struct anchor *anchor, enum clock_quality quality, int64_t mono_us,
			   int64_t at_ms)
{
	anchor_offer(anchor, anchor_quality_of(quality), mono_us, at_ms);
}

/* Nobody vouched for the clock of its boot, and that was never live. */
static void bound_time(struct coredb_anchors *anchors, const struct model_stamp *stamp,
		       struct wire_time *ret)
{
	struct coredb_between row;
	struct anchor_between between;
	int r = coredb_boot_between(anchors->db, stamp->boot, &row);

	*ret = (struct wire_time){.at_ms = MODEL_NO_TIME,
				  .quality = WIRE_TIME_UNSYNCED,
				  .not_before_ms = MODEL_NO_TIME,
				  .not_after_ms = stamp->received_ms};
	if (r) {
		if (r != -ENOENT)
			anchors->error = r;
		return;
	}
	between = (struct anchor_between){.after_ms = row.after_ms,
					  .before_ms = row.before_ms,
					  .min_mono_us = row.min_mono_us,
					  .max_mono_us = row.max_mono_us};
	anchor_bounds(&between, stamp->mono_us, stamp->received_ms, &ret->not_before_ms,
		      &ret->not_after_ms);
}

/* A time that the source gave itself counts as that, one that was ahead of its receipt does not. */
static enum wire_time_quality quality_without_boot(const struct model_stamp *stamp)
{
	return stamp->at_ms != MODEL_NO_TIME && stamp->at_ms <= stamp->received_ms
		       ? WIRE_TIME_SYNCED
		       : WIRE_TIME_CORRECTED;
}

void evidence_time(void *anchors, const struct model_stamp *stamp, struct wire_time *ret_time)
{
	struct wire_time time = {.not_before_ms = MODEL_NO_TIME, .not_after_ms = MODEL_NO_TIME};
	struct coredb_held held;

	time.at_ms = model_effective_ms(stamp, coredb_anchor, anchors);
	time.quality = quality_without_boot(stamp);
	if (stamp->boot != 0 && stamp->mono_us != MODEL_NO_TIME) {
		coredb_anchor_look(anchors, stamp->boot, &held);
		if (held.offset_ms == MODEL_NO_TIME) {
			bound_time(anchors, stamp, ret_time);
			return;
		}
		time.quality = held.quality >= CLOCK_QUALITY_GPS && !held.cut ? WIRE_TIME_SYNCED
									      : WIRE_TIME_CORRECTED;
	}
	*ret_time = time;
}
