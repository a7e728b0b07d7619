/* Epochs that are over are many and say nothing any more: each is folded into a row that does not grow
 * with what it was. The gaps of a folded epoch tell what of it was not committed. */
#include <errno.h>

#include "cloud/accept/accept_priv.h"
#include "cloud/accept/sets.h"

/* Its gateway may still send again what it never heard an answer of. */
#define FOLD_AFTER_MS (INT64_C(24) * 3600 * 1000)
#define FOLD_AT_ONCE 16

struct missing {
	struct set set;
	int error;
};

static int collect(void *arg, const struct coredb_gap *gap)
{
	struct missing *missing = arg;
	struct set grown;

	if (gap->possible || gap->last < 0)
		return 0;
	if (missing->set.set.count == missing->set.set.cap) {
		missing->error = set_make(&grown, 2 * missing->set.set.cap);
		if (missing->error)
			return 1;
		for (size_t i = 0; i < missing->set.set.count; i++)
			grown.set.items[i] = missing->set.set.items[i];
		grown.set.count = missing->set.set.count;
		set_free(&missing->set);
		missing->set = grown;
	}
	if (intervals_add(&missing->set.set, gap->first, gap->last))
		missing->error = -EUCLEAN;
	return missing->error != 0;
}

/* committed = what it was folded into, less what is missing; lost = what is missing. */
static int take_sets(struct coredb_epoch *epoch, const struct set *missing)
{
	struct set whole = {0};
	struct set rest = {0};
	int r = set_from(&whole, &epoch->committed, 0);

	if (!r)
		r = set_make(&rest, whole.set.count + missing->set.count);
	if (!r && intervals_subtract(&whole.set, &missing->set, &rest.set))
		r = -EOVERFLOW;
	if (!r)
		r = set_into(&rest, &epoch->committed);
	if (!r)
		r = set_into(missing, &epoch->lost);
	set_free(&whole);
	set_free(&rest);
	return r;
}

int ledger_unfold(struct accept *accept, struct ledger *ledger)
{
	struct coredb_epoch *epoch = &ledger->epoch;
	struct missing missing = {0};
	int r;

	if (!epoch->folded)
		return 0;
	ledger->was_folded = true;
	epoch->folded = false;
	if (epoch->open)
		return 0;
	missing.error = set_make(&missing.set, 16);
	r = missing.error;
	if (!r)
		r = coredb_gap_open_of(accept->db, ledger->workspace, epoch->id, collect, &missing);
	if (r >= 0)
		r = missing.error ? missing.error : take_sets(epoch, &missing.set);
	set_free(&missing.set);
	return r;
}

void ledger_refold(struct ledger *ledger)
{
	struct coredb_epoch *epoch = &ledger->epoch;
	int64_t top = epoch->end > epoch->highest ? epoch->end - 1 : epoch->highest;

	if (!ledger->was_folded || (epoch->open && !epoch->abandoned))
		return;
	epoch->folded = true;
	if (epoch->open)
		return;
	/* Where it is closed every number up to the top is committed or lost, so there is a range. */
	if (top < 1 || epoch->committed.cap < 1) {
		epoch->committed.count = 0;
	} else {
		epoch->committed.items[0] = (struct wire_range){1, top};
		epoch->committed.count = 1;
	}
	epoch->lost.count = 0;
}

static int fold(struct accept *accept, int64_t id, int64_t now_ms)
{
	struct ledger ledger = {.reason = "epoch_end",
				.records = -1,
				.from_mono_us = MODEL_NO_TIME,
				.to_mono_us = MODEL_NO_TIME,
				.lost_changed = true,
				.was_folded = true};
	int r = coredb_epoch_get(accept->db, id, &ledger.epoch);

	if (!r)
		r = coredb_gateway_workspace(accept->db, ledger.epoch.gateway, &ledger.workspace);
	if (!r)
		r = coredb_digest_prune(accept->db, id, INT64_MAX);
	ledger.epoch.folded_at_ms = now_ms;
	/* Its gaps are what they have to be before its sets go. */
	if (!r)
		r = ledger_close(accept, &ledger, now_ms);
	ledger_free(&ledger);
	return r;
}

int ledger_fold(struct accept *accept, int64_t now_ms)
{
	int64_t ids[FOLD_AT_ONCE];
	int count = coredb_epoch_foldable(accept->db, now_ms - FOLD_AFTER_MS, ids, FOLD_AT_ONCE);
	int r = 0;

	for (int i = 0; i < count && !r; i++)
		r = fold(accept, ids[i], now_ms);
	return count < 0 ? count : r;
}
