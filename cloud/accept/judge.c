/* Whether a body is new, came before, or shares its number with another. */
#include <stdlib.h>

#include "cloud/accept/intake.h"
#include "cloud/accept/sets.h"

uint64_t intake_digest(const struct intake *in)
{
	return strtoull(in->header.digest, NULL, 16);
}

/* The moment of the newest record of a body; MODEL_NO_TIME without. */
static int64_t newest_mono_us(const struct wire_batch *batch)
{
	int64_t newest = MODEL_NO_TIME;
	int64_t mono_us;

	for (size_t i = 0; batch && i < wire_batch_count(batch); i++) {
		if (jr_integer(jr_get(wire_batch_at(batch, i), "mono_us"), &mono_us) &&
		    mono_us > newest)
			newest = mono_us;
	}
	return newest;
}

/* Digests of an epoch that was folded are gone. A body that was made after that is none of those that
 * were committed before, whatever its number: a machine was set back, or runs a second time. */
static bool made_since_folded(const struct intake *in)
{
	const struct wire_boot *sent = &in->header.boot;
	int64_t newest_us = newest_mono_us(in->batch);
	int64_t at_ms = MODEL_NO_TIME;

	if (newest_us == MODEL_NO_TIME)
		return false;
	if (sent->sent_mono_us != MODEL_NO_TIME)
		at_ms = in->received_ms - (sent->sent_mono_us - newest_us) / 1000;
	else if (in->boot.held_quality >= CLOCK_QUALITY_GPS)
		at_ms = anchor_wall_ms(in->boot.held_offset_ms, newest_us);
	return at_ms != MODEL_NO_TIME && at_ms > in->ledger.epoch.folded_at_ms;
}

/* A number that stands for another body is a fork: both are taken. One
 * without a body where all are kept was only counted as committed with its neighbours (gaps.c). */
int intake_judge(struct intake *in, bool *ret_apply)
{
	struct coredb_epoch *epoch = &in->ledger.epoch;
	enum coredb_known known;
	bool other;
	int r;

	*ret_apply = true;
	if (!set_ranges_contain(&epoch->committed, in->header.batch))
		return 0;
	r = coredb_digest_look(in->accept->db, epoch->id, in->header.batch, intake_digest(in),
			       &known);
	if (r)
		return accept_fail(in->accept, r, "digest");
	other = known == COREDB_BODY_OTHER;
	if (known == COREDB_BODY_NEW && epoch->folded_at_ms != MODEL_NO_TIME)
		other = made_since_folded(in);
	else if (known == COREDB_BODY_NEW)
		*ret_apply = in->header.batch > epoch->highest - COREDB_DIGESTS;
	if (known != COREDB_BODY_NEW || epoch->folded_at_ms != MODEL_NO_TIME)
		*ret_apply = other;
	if (!other)
		return 0;
	if (!epoch->forked) {
		epoch->forked = true;
		in->ledger.lost_changed = true;
	}
	return duplicate_forked(in->accept, &in->workspace, &in->gateway, in->header.session,
				in->received_ms);
}
