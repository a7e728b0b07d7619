/* The clock of a boot: what each send says of it, and what moves with it. */
#include <string.h>

#include "cloud/accept/accept_priv.h"

/* A boot whose offset has moved. */
struct move {
	const struct coredb_boot *boot;
	int64_t old_offset_ms;
};

/* What began before the boot's monotonic zero is not of this boot. */
static void shift_fact(const struct move *move, int64_t *since_ms)
{
	if (move->old_offset_ms != MODEL_NO_TIME && *since_ms != MODEL_NO_TIME &&
	    *since_ms >= move->old_offset_ms)
		*since_ms += move->boot->held_offset_ms - move->old_offset_ms;
}

static int retime(void *arg, struct cache_entry *entry)
{
	const struct move *move = arg;
	struct coredb_state *state = &entry->state;
	int64_t at_ms;

	if (state->boot != move->boot->id)
		return 0;
	at_ms = anchor_wall_ms(move->boot->held_offset_ms, state->mono_us);
	if (state->at_ms != MODEL_NO_TIME && state->at_ms < at_ms)
		at_ms = state->at_ms;
	if (state->last_received_at_ms < at_ms)
		at_ms = state->last_received_at_ms;
	state->observed_at_ms = at_ms;
	state->last_update_at_ms = at_ms;
	shift_fact(move, &state->ignition_since_ms);
	shift_fact(move, &state->asleep_since_ms);
	return 0;
}

/* Cells keep (boot, mono), so only what was derived from them is worked out again. */
static int retime_all(struct accept *accept, const struct coredb_boot *boot, int64_t old_offset_ms)
{
	struct move move = {boot, old_offset_ms};
	int r;

	memset(accept->anchors.boot, 0, sizeof(accept->anchors.boot));
	if (boot->held_offset_ms == MODEL_NO_TIME)
		return 0;
	(void)cache_each(accept->cache, retime, &move);
	r = coredb_boot_retime(accept->db, boot->id, old_offset_ms, boot->held_offset_ms);
	return r ? accept_fail(accept, r, "boot") : 0;
}

static void weigh(const struct wire_boot *sent, int64_t received_ms, int64_t base_ms,
		  struct coredb_boot *boot)
{
	struct anchor anchor;

	evidence_anchor(boot, &anchor);
	evidence_anchor_offer(&anchor, sent->quality, sent->anchor_mono_us, sent->anchor_at_ms);
	if (sent->sent_mono_us != MODEL_NO_TIME) {
		anchor_live(&anchor, sent->sent_mono_us, received_ms, base_ms);
		/* It was there then: the next boot can only have come later. */
		if (sent->sent_mono_us > boot->max_mono_us)
			boot->max_mono_us = sent->sent_mono_us;
	}
	evidence_anchor_back(&anchor, boot);
}

bool boot_span(struct coredb_boot *boot, const struct delivery *delivery)
{
	bool wider = false;

	if (delivery->first_mono_us != MODEL_NO_TIME &&
	    (boot->min_mono_us < 0 || delivery->first_mono_us < boot->min_mono_us)) {
		boot->min_mono_us = delivery->first_mono_us;
		wider = true;
	}
	if (delivery->last_mono_us > boot->max_mono_us) {
		boot->max_mono_us = delivery->last_mono_us;
		wider = true;
	}
	return wider;
}

int boot_learn(struct accept *accept, int64_t gateway, const struct wire_boot *sent,
	       int64_t received_ms, struct coredb_boot *ret_boot)
{
	struct coredb_boot before;
	int r = coredb_boot_open(accept->db, gateway, sent->id, received_ms, ret_boot);

	if (r)
		return accept_fail(accept, r, "boot");
	before = *ret_boot;
	weigh(sent, received_ms, own_clock_base_ms(accept), ret_boot);
	if (before.max_mono_us < 0)
		ret_boot->filed_offset_ms = ret_boot->held_offset_ms; /* nothing is filed yet */
	ret_boot->last_seen_ms = received_ms;
	r = coredb_boot_put(accept->db, ret_boot);
	if (r)
		return accept_fail(accept, r, "boot");
	if (ret_boot->held_offset_ms == before.held_offset_ms &&
	    ret_boot->held_quality == before.held_quality)
		return 0;
	return retime_all(accept, ret_boot, before.held_offset_ms);
}
