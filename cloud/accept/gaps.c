/* The gaps that follow from an epoch's account: gap = lost less committed, always computed so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/accept_priv.h"
#include "cloud/accept/sets.h"

static const char reason_forked[] = "forked";
static const char reason_scattered[] = "too_scattered";

/* A gap as it should be: the sure ones are sets, the possible one is the rest. */
struct wanted {
	struct set sure;
	bool rest; /* from rest_first on, all that is not committed may be lost */
	int64_t rest_first;
	const char *rest_reason;
};

/* The first number that is neither committed nor lost. */
static int first_unknown(const struct coredb_epoch *epoch, int64_t *ret_first)
{
	struct set known = {0};
	int r = set_from(&known, &epoch->committed, epoch->lost.count);

	for (size_t i = 0; i < epoch->lost.count && !r; i++) {
		if (intervals_add(&known.set, epoch->lost.items[i].first,
				  epoch->lost.items[i].last))
			r = -EINVAL;
	}
	if (!r)
		*ret_first = known.set.count > 0 && known.set.items[0].first <= 1
				     ? known.set.items[0].last + 1
				     : 1;
	set_free(&known);
	return r;
}

static int want_gaps(const struct ledger *ledger, struct wanted *want)
{
	const struct coredb_epoch *epoch = &ledger->epoch;
	struct set lost = {0};
	struct set committed = {0};
	int r = set_from(&lost, &epoch->lost, 0);

	if (!r)
		r = set_from(&committed, &epoch->committed, 0);
	if (!r)
		r = set_make(&want->sure, lost.set.count + committed.set.count);
	if (!r && intervals_subtract(&lost.set, &committed.set, &want->sure.set))
		r = -EOVERFLOW;
	set_free(&lost);
	set_free(&committed);
	want->rest_first = epoch->highest + 1;
	if (epoch->forked)
		want->rest_reason = reason_forked;
	else if (epoch->abandoned)
		want->rest_reason = "abandoned";
	else if (epoch->over && epoch->end < 0)
		want->rest_reason = "end_unknown";
	/* Of these two also what is missing below the highest number may never come. */
	if (!r && (epoch->forked || epoch->abandoned))
		r = first_unknown(epoch, &want->rest_first);
	if (ledger->doubt_from && ledger->doubt_from < want->rest_first)
		want->rest_first = ledger->doubt_from;
	want->rest = want->rest_reason != NULL;
	return r;
}

/* The open rows of an epoch, read before they are changed. */
struct open_gaps {
	struct coredb_gap *rows;
	char (*reasons)[32];
	size_t count, cap;
	int error;
};

static int collect_gap(void *arg, const struct coredb_gap *gap)
{
	struct open_gaps *open = arg;

	if (open->count == open->cap) {
		size_t cap = open->cap ? 2 * open->cap : 16;
		void *rows = realloc(open->rows, cap * sizeof(*open->rows));
		void *reasons;

		if (rows)
			open->rows = rows;
		reasons = rows ? realloc(open->reasons, cap * sizeof(*open->reasons)) : NULL;
		if (!reasons) {
			open->error = -ENOMEM;
			return 1;
		}
		open->reasons = reasons;
		open->cap = cap;
	}
	open->rows[open->count] = *gap;
	(void)snprintf(open->reasons[open->count], sizeof(open->reasons[0]), "%s", gap->reason);
	open->count++;
	return 0;
}

static int tell_gap(struct accept *accept, const struct ledger *ledger, const char *name,
		    const struct coredb_gap *gap, int64_t now_ms)
{
	char payload[400];
	char gateway[IDS_SIZE] = "";
	struct coredb_event event = {.workspace = ledger->workspace,
				     .name = name,
				     .occurred_at_ms = now_ms,
				     .payload = payload};

	int r = coredb_gateway_name(accept->db, ledger->epoch.gateway, gateway);

	if (r && r != -ENOENT)
		return r;
	(void)snprintf(payload, sizeof(payload),
		       "{\"gateway_id\":\"%s\",\"epoch\":\"%s\",\"first\":%lld,\"last\":%lld,"
		       "\"reason\":\"%s\",\"possible\":%s}",
		       gateway, ledger->epoch.name, (long long)gap->first, (long long)gap->last,
		       gap->reason, gap->possible ? "true" : "false");
	return coredb_event_add(accept->db, &event);
}

/* Between which moments the records of a gap were read: as its notice says, else between the nearest
 * batches that are known. A neighbour's own span is taken in: classes are stored side by side. */
static int bound_gap(struct accept *accept, const struct ledger *ledger, struct coredb_gap *gap)
{
	int64_t from_us = ledger->from_mono_us;
	int64_t to_us = ledger->to_mono_us;
	int64_t ignored;
	int r = 0;

	if (from_us == MODEL_NO_TIME)
		r = coredb_neighbour(accept->db, ledger->epoch.id, gap->first, true, &from_us,
				     &ignored);
	if (!r && to_us == MODEL_NO_TIME && gap->last >= 0)
		r = coredb_neighbour(accept->db, ledger->epoch.id, gap->last, false, &ignored,
				     &to_us);
	if (from_us > gap->from_mono_us)
		gap->from_mono_us = from_us;
	if (to_us != MODEL_NO_TIME && (gap->to_mono_us == MODEL_NO_TIME || to_us < gap->to_mono_us))
		gap->to_mono_us = to_us;
	return r;
}

static int add_gap(struct accept *accept, const struct ledger *ledger, struct coredb_gap *gap,
		   int64_t now_ms)
{
	int r = 0;

	if (gap->recovered_at_ms == MODEL_NO_TIME)
		r = bound_gap(accept, ledger, gap);
	if (r)
		return r;
	gap->workspace = ledger->workspace;
	gap->gateway = ledger->epoch.gateway;
	gap->epoch = ledger->epoch.id;
	r = coredb_gap_add(accept->db, gap);
	if (r || gap->detected_at_ms != now_ms || gap->recovered_at_ms != MODEL_NO_TIME)
		return r;
	return tell_gap(accept, ledger, "GapDetected", gap, now_ms);
}

/* A stretch of which nothing is kept apart any more. */
static bool is_settled(const struct coredb_gap *row)
{
	return row->possible && row->last >= 0;
}

/* One open row against what is wanted: it stays, or is cut into what is still lost and what came. */
static int settle_row(struct accept *accept, const struct ledger *ledger,
		      const struct coredb_gap *row, const char *reason, const struct wanted *want,
		      int64_t now_ms)
{
	struct interval range = {row->first, row->last};
	const struct intervals whole = {&range, 1, 1};
	struct coredb_gap piece = *row;
	struct set still = {0};
	struct set came = {0};
	int r;

	r = set_make(&still, want->sure.set.count + 1);
	if (!r)
		r = set_make(&came, want->sure.set.count + 2);
	if (!r && (intervals_intersect(&whole, &want->sure.set, &still.set) ||
		   intervals_subtract(&whole, &want->sure.set, &came.set)))
		r = -EOVERFLOW;
	if (r || came.set.count == 0)
		goto out;
	r = coredb_gap_remove(accept->db, row->id);
	piece.reason = reason;
	piece.records = -1;
	for (size_t i = 0; i < still.set.count && !r; i++) {
		piece.first = still.set.items[i].first;
		piece.last = still.set.items[i].last;
		r = add_gap(accept, ledger, &piece, now_ms);
	}
	piece.recovered_at_ms = now_ms;
	for (size_t i = 0; i < came.set.count && !r; i++) {
		piece.first = came.set.items[i].first;
		piece.last = came.set.items[i].last;
		r = add_gap(accept, ledger, &piece, now_ms);
		if (!r)
			r = tell_gap(accept, ledger, "GapRecovered", &piece, now_ms);
	}
out:
	set_free(&still);
	set_free(&came);
	return r;
}

/* The possible gap: there is at most one open row of it. */
static int settle_rest(struct accept *accept, const struct ledger *ledger,
		       const struct open_gaps *open, const struct wanted *want, int64_t now_ms)
{
	struct coredb_gap gap = {.first = want->rest_first,
				 .last = -1,
				 .records = -1,
				 .reason = want->rest_reason,
				 .possible = true,
				 .detected_at_ms = now_ms,
				 .recovered_at_ms = MODEL_NO_TIME,
				 .from_mono_us = MODEL_NO_TIME,
				 .to_mono_us = MODEL_NO_TIME};
	bool kept = false;
	int r = 0;

	for (size_t i = 0; i < open->count && !r; i++) {
		const struct coredb_gap *row = &open->rows[i];

		if (row->last >= 0)
			continue;
		/* A fork stays one: its row stands from where it was found, so that not every batch
		 * writes it anew. */
		kept = want->rest && strcmp(open->reasons[i], want->rest_reason) == 0 &&
		       (row->first == want->rest_first ||
			(row->first < want->rest_first && want->rest_reason == reason_forked));
		if (!kept)
			r = coredb_gap_remove(accept->db, row->id);
		if (!kept && want->rest)
			gap.detected_at_ms = row->detected_at_ms;
	}
	if (r || kept || !want->rest)
		return r;
	return add_gap(accept, ledger, &gap, now_ms);
}

/* What is wanted and stands in no open row yet. */
static int add_new_gaps(struct accept *accept, const struct ledger *ledger,
			const struct open_gaps *open, const struct wanted *want, int64_t now_ms)
{
	struct set told = {0};
	struct set fresh = {0};
	int r = set_make(&told, open->count + 1);

	for (size_t i = 0; i < open->count && !r; i++) {
		if (open->rows[i].last >= 0 && !is_settled(&open->rows[i]) &&
		    intervals_add(&told.set, open->rows[i].first, open->rows[i].last))
			r = -EINVAL;
	}
	if (!r)
		r = set_make(&fresh, told.set.count + want->sure.set.count);
	if (!r && intervals_subtract(&want->sure.set, &told.set, &fresh.set))
		r = -EOVERFLOW;
	for (size_t i = 0; i < fresh.set.count && !r; i++) {
		struct coredb_gap gap = {.first = fresh.set.items[i].first,
					 .last = fresh.set.items[i].last,
					 .records = fresh.set.count == 1 ? ledger->records : -1,
					 .reason = ledger->reason,
					 .detected_at_ms = now_ms,
					 .recovered_at_ms = MODEL_NO_TIME,
					 .from_mono_us = MODEL_NO_TIME,
					 .to_mono_us = MODEL_NO_TIME};

		r = add_gap(accept, ledger, &gap, now_ms);
	}
	set_free(&told);
	set_free(&fresh);
	return r;
}

static int settle_all(struct accept *accept, const struct ledger *ledger, int64_t now_ms)
{
	struct open_gaps open = {0};
	struct wanted want = {0};
	int r;

	r = coredb_gap_open_of(accept->db, ledger->workspace, ledger->epoch.id, collect_gap, &open);
	r = r < 0 ? r : open.error;
	if (!r)
		r = want_gaps(ledger, &want);
	for (size_t i = 0; i < open.count && !r; i++) {
		if (open.rows[i].last >= 0 && !is_settled(&open.rows[i]))
			r = settle_row(accept, ledger, &open.rows[i], open.reasons[i], &want,
				       now_ms);
	}
	if (!r)
		r = settle_rest(accept, ledger, &open, &want, now_ms);
	if (!r)
		r = add_new_gaps(accept, ledger, &open, &want, now_ms);
	set_free(&want.sure);
	free(open.rows);
	free(open.reasons);
	return r;
}

/* Removes the open rows within first..last; tells since when the oldest of the settled ones stood,
 * and where it began. */
static int remove_rows(struct accept *accept, const struct ledger *ledger, int64_t first,
		       int64_t last, bool settled, struct coredb_gap *ret_settled)
{
	struct open_gaps open = {0};
	int r = coredb_gap_open_of(accept->db, ledger->workspace, ledger->epoch.id, collect_gap,
				   &open);

	r = r < 0 ? r : open.error;
	for (size_t i = 0; i < open.count && !r; i++) {
		const struct coredb_gap *row = &open.rows[i];

		if (row->last < 0 || row->first < first || row->last > last ||
		    (is_settled(row) && !settled))
			continue;
		if (is_settled(row)) {
			ret_settled->first = row->first;
			ret_settled->detected_at_ms = row->detected_at_ms;
		}
		r = coredb_gap_remove(accept->db, row->id);
	}
	free(open.rows);
	free(open.reasons);
	return r;
}

/* Too many ranges are stated as lost: the lower half becomes one. What lies between and has not come
 * is now stated as lost too, under a reason of its own; if it comes the gap shrinks as ever. */
static int coarsen_lost(struct accept *accept, struct ledger *ledger, int64_t now_ms)
{
	struct coredb_ranges *lost = &ledger->epoch.lost;
	size_t half = lost->count / 2;
	struct coredb_gap ignored;
	int r;

	if (lost->count <= ACCEPT_RANGES_MAX)
		return 0;
	lost->items[half].first = lost->items[0].first;
	r = remove_rows(accept, ledger, lost->items[half].first, lost->items[half].last, false,
			&ignored);
	lost->count -= half;
	memmove(lost->items, lost->items + half, lost->count * sizeof(*lost->items));
	ledger->reason = reason_scattered;
	ledger->records = -1;
	ledger->from_mono_us = MODEL_NO_TIME;
	ledger->to_mono_us = MODEL_NO_TIME;
	return r ? r : settle_all(accept, ledger, now_ms);
}

/* Too many committed ranges: of the lower half it is no longer kept which numbers are missing. One
 * possible gap says so for good; there is one such row an epoch, and it only grows. Numbers whose
 * digests are kept are still told apart by these, so what is under way is still taken. */
static int coarsen_committed(struct accept *accept, struct ledger *ledger, int64_t now_ms)
{
	struct coredb_ranges *committed = &ledger->epoch.committed;
	struct coredb_ranges *lost = &ledger->epoch.lost;
	size_t half = committed->count / 2;
	struct coredb_gap gap = {.records = -1,
				 .reason = reason_scattered,
				 .possible = true,
				 .detected_at_ms = now_ms,
				 .recovered_at_ms = MODEL_NO_TIME,
				 .from_mono_us = MODEL_NO_TIME,
				 .to_mono_us = MODEL_NO_TIME};
	int64_t below;
	size_t kept = 0;
	int r;

	if (committed->count <= ACCEPT_RANGES_MAX)
		return 0;
	below = committed->items[half].first;
	gap.first = committed->items[0].first > 1 ? 1 : committed->items[0].last + 1;
	gap.last = below - 1;
	r = remove_rows(accept, ledger, 1, gap.last, true, &gap);
	if (!r)
		r = add_gap(accept, ledger, &gap, now_ms);
	committed->items[half].first = 1;
	committed->count -= half;
	memmove(committed->items, committed->items + half,
		committed->count * sizeof(*committed->items));
	for (size_t i = 0; i < lost->count; i++) {
		if (lost->items[i].last < below)
			continue;
		lost->items[kept] = lost->items[i];
		if (lost->items[kept].first < below)
			lost->items[kept].first = below;
		kept++;
	}
	lost->count = kept;
	return r;
}

/* A gap of which only the numbers are known: that they are not held any more. */
static bool is_unexplained(const struct coredb_gap *row, const char *reason)
{
	return row->last >= 0 && !row->possible &&
	       (strcmp(reason, "below_floor") == 0 || strcmp(reason, "epoch_end") == 0);
}

/* A row is cut into what the notice speaks of, which takes its words, and the rest, which stays. */
static int explain_row(struct accept *accept, const struct ledger *ledger,
		       const struct coredb_gap *row, const char *reason,
		       const struct intervals *stated, int64_t now_ms)
{
	struct interval range = {row->first, row->last};
	const struct intervals whole = {&range, 1, 1};
	struct coredb_gap piece = *row;
	struct set told = {0};
	struct set rest = {0};
	int r;

	r = set_make(&told, stated->count + 1);
	if (!r)
		r = set_make(&rest, stated->count + 1);
	if (!r && (intervals_intersect(&whole, stated, &told.set) ||
		   intervals_subtract(&whole, stated, &rest.set)))
		r = -EOVERFLOW;
	if (r || told.set.count == 0)
		goto out;
	r = coredb_gap_remove(accept->db, row->id);
	piece.workspace = ledger->workspace;
	piece.gateway = ledger->epoch.gateway;
	piece.epoch = ledger->epoch.id;
	piece.records = -1;
	piece.reason = reason;
	for (size_t i = 0; i < rest.set.count && !r; i++) {
		piece.first = rest.set.items[i].first;
		piece.last = rest.set.items[i].last;
		r = coredb_gap_add(accept->db, &piece);
	}
	piece.reason = ledger->reason;
	piece.from_mono_us = MODEL_NO_TIME;
	piece.to_mono_us = MODEL_NO_TIME;
	if (stated->count == 1 && told.set.items[0].first == stated->items[0].first &&
	    told.set.items[0].last == stated->items[0].last)
		piece.records = ledger->records;
	for (size_t i = 0; i < told.set.count && !r; i++) {
		piece.first = told.set.items[i].first;
		piece.last = told.set.items[i].last;
		r = add_gap(accept, ledger, &piece, now_ms);
	}
out:
	set_free(&told);
	set_free(&rest);
	return r;
}

int gaps_explain(struct accept *accept, const struct ledger *ledger, const struct intervals *stated,
		 int64_t now_ms)
{
	struct open_gaps open = {0};
	int r = coredb_gap_open_of(accept->db, ledger->workspace, ledger->epoch.id, collect_gap,
				   &open);

	r = r < 0 ? r : open.error;
	for (size_t i = 0; i < open.count && !r; i++)
		if (is_unexplained(&open.rows[i], open.reasons[i]))
			r = explain_row(accept, ledger, &open.rows[i], open.reasons[i], stated,
					now_ms);
	free(open.rows);
	free(open.reasons);
	return r;
}

int gaps_settle(struct accept *accept, struct ledger *ledger, int64_t now_ms)
{
	int r = ledger->lost_changed ? settle_all(accept, ledger, now_ms) : 0;

	if (!r)
		r = coarsen_lost(accept, ledger, now_ms);
	return r ? r : coarsen_committed(accept, ledger, now_ms);
}
