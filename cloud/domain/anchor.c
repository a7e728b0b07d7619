#include "cloud/domain/anchor.h"

#include <stddef.h>

/* Floor division, so that also times before monotonic zero (mono less an age) are right. */
static int64_t to_ms(int64_t us)
{
	int64_t ms = us / 1000;

	return us % 1000 < 0 ? ms - 1 : ms;
}

void anchor_init(struct anchor *anchor)
{
	anchor->quality = ANCHOR_NONE;
	anchor->mono_us = 0;
	anchor->offset_ms = 0;
	anchor->ceiling_ms = INT64_MAX;
	anchor->ceiling_base_ms = 0;
}

static bool better(const struct anchor *anchor, enum anchor_quality quality, int64_t mono_us,
		   int64_t offset_ms)
{
	if (quality != anchor->quality)
		return quality > anchor->quality;
	if (quality == ANCHOR_CORE)
		return offset_ms > anchor->offset_ms;
	return mono_us > anchor->mono_us;
}

void anchor_offer(struct anchor *anchor, enum anchor_quality quality, int64_t mono_us,
		  int64_t at_ms)
{
	int64_t offset_ms;

	if (quality == ANCHOR_NONE || at_ms == MODEL_NO_TIME || mono_us == MODEL_NO_TIME)
		return;
	offset_ms = at_ms - to_ms(mono_us);
	if (!better(anchor, quality, mono_us, offset_ms))
		return;
	/* A clock that is steered wobbles by a millisecond at each send: not worth a write. */
	if (quality == anchor->quality && !anchor_moved(anchor->offset_ms, offset_ms))
		return;
	anchor->quality = quality;
	anchor->mono_us = mono_us;
	anchor->offset_ms = offset_ms;
}

static bool same_base(int64_t a_ms, int64_t b_ms)
{
	return a_ms - b_ms < ANCHOR_BASE_STEP_MS && b_ms - a_ms < ANCHOR_BASE_STEP_MS;
}

void anchor_live(struct anchor *anchor, int64_t sent_mono_us, int64_t received_ms, int64_t base_ms)
{
	int64_t ceiling_ms = received_ms - to_ms(sent_mono_us);

	if (same_base(anchor->ceiling_base_ms, base_ms) && ceiling_ms >= anchor->ceiling_ms)
		return;
	anchor->ceiling_ms = ceiling_ms;
	anchor->ceiling_base_ms = base_ms;
}

int64_t anchor_offset_ms(const struct anchor *anchor, enum anchor_quality *ret_quality)
{
	enum anchor_quality quality = anchor->quality;
	int64_t offset_ms = MODEL_NO_TIME;

	if (quality != ANCHOR_NONE) {
		offset_ms = anchor->offset_ms;
		if (offset_ms > anchor->ceiling_ms)
			offset_ms = anchor->ceiling_ms;
	} else if (anchor->ceiling_ms != INT64_MAX) {
		offset_ms = anchor->ceiling_ms;
		quality = ANCHOR_CORE;
	}
	if (ret_quality)
		*ret_quality = quality;
	return offset_ms;
}

int64_t anchor_wall_ms(int64_t offset_ms, int64_t mono_us)
{
	if (offset_ms == MODEL_NO_TIME || mono_us == MODEL_NO_TIME)
		return MODEL_NO_TIME;
	return offset_ms + to_ms(mono_us);
}

bool anchor_moved(int64_t old_offset_ms, int64_t new_offset_ms)
{
	int64_t delta;

	if (old_offset_ms == MODEL_NO_TIME || new_offset_ms == MODEL_NO_TIME)
		return old_offset_ms != new_offset_ms;
	delta = new_offset_ms - old_offset_ms;
	return delta >= ANCHOR_STEP_MS || delta <= -ANCHOR_STEP_MS;
}

void anchor_bounds(const struct anchor_between *between, int64_t mono_us, int64_t received_ms,
		   int64_t *ret_not_before_ms, int64_t *ret_not_after_ms)
{
	int64_t before_ms = MODEL_NO_TIME;
	int64_t after_ms = received_ms;
	int64_t left_us = between->max_mono_us - mono_us;

	if (between->before_ms != MODEL_NO_TIME) {
		int64_t bound_ms = between->before_ms - (left_us > 0 ? to_ms(left_us) : 0);

		if (after_ms == MODEL_NO_TIME || bound_ms < after_ms)
			after_ms = bound_ms;
	}
	if (between->after_ms != MODEL_NO_TIME) {
		before_ms = between->after_ms;
		if (between->min_mono_us >= 0 && mono_us > between->min_mono_us)
			before_ms += to_ms(mono_us - between->min_mono_us);
		if (after_ms != MODEL_NO_TIME && before_ms > after_ms)
			before_ms = MODEL_NO_TIME;
	}
	*ret_not_before_ms = before_ms;
	*ret_not_after_ms = after_ms;
}
