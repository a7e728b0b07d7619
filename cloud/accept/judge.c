/* Whether a body is new, came before, or shares its number with another. */
#include <stdlib.h>

#include "cloud/accept/intake.h"
#include "cloud/accept/sets.h"

uint64_t intake_digest(const struct intake *in)
{
	return strtoull(in->header.digest, NULL, 16);
}

static int fork(struct intake *in)
{
	if (!in->ledger.epoch.forked) {
		in->ledger.epoch.forked = true;
		in->ledger.lost_changed = true;
	}
	return duplicate_forked(in->accept, &in->workspace, &in->gateway, in->header.session,
				in->received_ms);
}

/* The digest of a folded number is gone. Nobody can tell whether this body is the one that was committed
 * (what a machine says of when it was made is worth nothing where the machine was set back), so it is
 * not applied a second time, and may be lost: from its number on the epoch is in doubt. */
static void doubt(struct intake *in)
{
	struct ledger *ledger = &in->ledger;

	if (!ledger->doubt_from || in->header.batch < ledger->doubt_from)
		ledger->doubt_from = in->header.batch;
	ledger->epoch.forked = true;
	ledger->lost_changed = true;
}

/* A number that stands for another body is a fork: both are taken. One without a body where all are kept
 * was only counted as committed with its neighbours (gaps.c). */
int intake_judge(struct intake *in, bool *ret_apply)
{
	struct coredb_epoch *epoch = &in->ledger.epoch;
	enum coredb_known known;
	int r;

	*ret_apply = true;
	if (!set_ranges_contain(&epoch->committed, in->header.batch))
		return 0;
	r = coredb_digest_look(in->accept->db, epoch->id, in->header.batch, intake_digest(in),
			       &known);
	if (r)
		return accept_fail(in->accept, r, "digest");
	switch (known) {
	case COREDB_BODY_OTHER:
		return fork(in);
	case COREDB_BODY_SAME:
		*ret_apply = false;
		break;
	case COREDB_BODY_NEW:
		*ret_apply = epoch->folded_at_ms == MODEL_NO_TIME &&
			     in->header.batch > epoch->highest - COREDB_DIGESTS;
		if (epoch->folded_at_ms != MODEL_NO_TIME)
			doubt(in);
		break;
	}
	return 0;
}
