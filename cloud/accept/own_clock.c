/* The core's own clock: what was received while it was wrong. */
#include "cloud/accept/accept_priv.h"
#include "cloud/domain/anchor.h"

#define STEADY_US (INT64_C(6) * 3600 * 1000000)
/* The threads that receive and that commit look at the clock one after the other. */
#define AHEAD_MS 1000

int64_t own_clock_base_ms(struct accept *accept)
{
	const struct clock_moment now = clock_moment(accept->clock);

	return now.wall_ms - now.mono_us / 1000;
}

bool own_clock_is_steady(struct accept *accept)
{
	const int64_t base_ms = own_clock_base_ms(accept);
	const int64_t moved_ms = base_ms - accept->own_base_ms;
	const int64_t now_us = clock_mono_us(accept->clock);

	if (moved_ms >= ANCHOR_BASE_STEP_MS || moved_ms <= -ANCHOR_BASE_STEP_MS) {
		accept->own_base_ms = base_ms;
		accept->steady_since_us = now_us;
	}
	return now_us - accept->steady_since_us >= STEADY_US;
}

static void cut(int64_t *ms, int64_t now_ms)
{
	if (*ms > now_ms)
		*ms = now_ms;
}

static void cut_stamp(struct model_stamp *stamp, int64_t now_ms)
{
	cut(&stamp->received_ms, now_ms);
	cut(&stamp->at_ms, now_ms);
}

void own_clock_heal_device(struct cache_entry *entry, int64_t now_ms)
{
	struct coredb_state *state = &entry->state;

	if (entry->cells.newest.received_ms <= now_ms + AHEAD_MS &&
	    state->last_received_at_ms <= now_ms + AHEAD_MS)
		return;
	now_ms--; /* what comes now is newer */
	cut(&state->last_update_at_ms, now_ms);
	cut(&state->last_received_at_ms, now_ms);
	cut(&state->observed_at_ms, now_ms);
	cut(&state->at_ms, now_ms);
	cut(&state->contact_at_ms, now_ms);
	cut_stamp(&entry->cells.newest, now_ms);
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++)
		cut_stamp(&entry->cells.cells[f].stamp, now_ms);
	for (enum model_module m = 0; m < MODEL_MODULE_COUNT; m++)
		cut_stamp(&entry->cells.module_stamp[m], now_ms);
	entry->dirty = true;
}

int own_clock_heal(struct accept *accept, int64_t now_ms)
{
	int healed;

	healed = coredb_heal_future(accept->db, now_ms, now_ms + AHEAD_MS);
	if (healed < 0)
		return accept_fail(accept, healed, "times ahead");
	return healed ? accept_forget_devices(accept) : 0;
}
