/* What an epoch committed, lost and may still hold, and the gaps that follow. The rules are those of
 * docs/decisions/0001-transfer-protocol.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/accept_priv.h"

#define SILENCE_MS (INT64_C(10) * 60 * 1000)
#define GIVE_UP_MS (INT64_C(24) * 3600 * 1000)
#define ASK_LOOK 64

/* Interval sets in memory of their own, from and to the ranges of the database. */
struct set {
	struct intervals set;
};

static int set_make(struct set *set, size_t cap)
{
	struct interval *items = calloc(cap ? cap : 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	intervals_init(&set->set, items, cap ? cap : 1);
	return 0;
}

static void set_free(struct set *set)
{
	free(set->set.items);
	set->set.items = NULL;
}

static int set_from(struct set *set, const struct coredb_ranges *ranges, size_t extra)
{
	int r = set_make(set, ranges->count + extra);

	if (r)
		return r;
	for (size_t i = 0; i < ranges->count; i++) {
		set->set.items[i].first = ranges->items[i].first;
		set->set.items[i].last = ranges->items[i].last;
	}
	set->set.count = ranges->count;
	return 0;
}

static int set_into(const struct set *set, struct coredb_ranges *ranges)
{
	if (set->set.count > ranges->cap) {
		size_t cap = set->set.count + 8;
		struct wire_range *items = realloc(ranges->items, cap * sizeof(*items));

		if (!items)
			return -ENOMEM;
		ranges->items = items;
		ranges->cap = cap;
	}
	for (size_t i = 0; i < set->set.count; i++) {
		ranges->items[i].first = set->set.items[i].first;
		ranges->items[i].last = set->set.items[i].last;
	}
	ranges->count = set->set.count;
	return 0;
}

int ledger_open(struct accept *accept, int64_t workspace, int64_t gateway, const char *name,
		int64_t now_ms, struct ledger *ret)
{
	int r;

	*ret = (struct ledger){.workspace = workspace, .reason = "below_floor", .records = -1};
	r = coredb_epoch_open(accept->db, gateway, name, now_ms, &ret->epoch);
	if (r) {
		ledger_free(ret);
		return accept_fail(accept, r, "epoch");
	}
	return 0;
}

void ledger_free(struct ledger *ledger)
{
	coredb_epoch_free(&ledger->epoch);
}

static bool ranges_contain(const struct coredb_ranges *ranges, int64_t number)
{
	for (size_t i = 0; i < ranges->count; i++) {
		if (number >= ranges->items[i].first && number <= ranges->items[i].last)
			return true;
	}
	return false;
}

int ledger_commit(struct ledger *ledger, int64_t number)
{
	struct coredb_epoch *epoch = &ledger->epoch;
	struct set committed;
	int r = set_from(&committed, &epoch->committed, 1);

	if (r)
		return r;
	r = intervals_add(&committed.set, number, number) ? -EINVAL : 0;
	if (!r)
		r = set_into(&committed, &epoch->committed);
	set_free(&committed);
	if (r)
		return r;
	if (number > epoch->highest)
		epoch->highest = number;
	/* It was given up as lost, or doubted, and came after all. */
	if (ranges_contain(&epoch->lost, number) || epoch->forked || epoch->abandoned ||
	    epoch->over)
		ledger->lost_changed = true;
	return 0;
}

/* lost += what of `stated` is not committed. */
static int add_lost(struct ledger *ledger, const struct intervals *stated)
{
	struct coredb_epoch *epoch = &ledger->epoch;
	struct set committed = {0};
	struct set missing = {0};
	struct set lost = {0};
	int64_t before;
	int r;

	r = set_from(&committed, &epoch->committed, 0);
	if (!r)
		r = set_make(&missing, stated->count + epoch->committed.count);
	if (!r && intervals_subtract(stated, &committed.set, &missing.set))
		r = -EOVERFLOW;
	if (r || missing.set.count == 0)
		goto out;
	r = set_from(&lost, &epoch->lost, missing.set.count);
	if (r)
		goto out;
	before = intervals_total(&lost.set);
	for (size_t i = 0; i < missing.set.count && !r; i++) {
		if (intervals_add(&lost.set, missing.set.items[i].first, missing.set.items[i].last))
			r = -EINVAL;
	}
	if (!r)
		r = set_into(&lost, &epoch->lost);
	if (!r && intervals_total(&lost.set) != before)
		ledger->lost_changed = true;
out:
	set_free(&committed);
	set_free(&missing);
	set_free(&lost);
	return r;
}

int ledger_raise_floor(struct ledger *ledger, int64_t floor)
{
	struct interval below = {1, floor - 1};
	const struct intervals stated = {&below, 1, 1};

	if (floor <= ledger->epoch.floor)
		return 0;
	ledger->epoch.floor = floor;
	if (floor - 1 > ledger->epoch.highest)
		ledger->epoch.highest = floor - 1;
	return floor > 1 ? add_lost(ledger, &stated) : 0;
}

int ledger_dropped(struct ledger *ledger, const struct wire_dropped *dropped)
{
	struct interval items[WIRE_RANGES_MAX];
	struct intervals stated;

	intervals_init(&stated, items, WIRE_RANGES_MAX);
	for (size_t i = 0; i < dropped->range_count; i++) {
		const struct wire_range *range = &dropped->ranges[i];

		if (range->first < 1 || intervals_add(&stated, range->first, range->last))
			return -EDOM;
	}
	for (size_t i = 0; i < dropped->range_count; i++) {
		const struct wire_range *range = &dropped->ranges[i];

		if (range->last > ledger->epoch.highest)
			ledger->epoch.highest = range->last;
	}
	ledger->reason = "spool_full";
	ledger->records = dropped->records;
	return add_lost(ledger, &stated);
}

/* What an epoch_end leaves as lost: all below its end that is neither held nor committed. */
static int lost_by_end(struct ledger *ledger, const struct wire_epoch_end *end)
{
	int64_t top = ledger->epoch.end >= 0 ? ledger->epoch.end - 1 : ledger->epoch.highest;
	struct interval held_items[WIRE_RANGES_MAX];
	struct interval missing_items[WIRE_RANGES_MAX + 1];
	struct interval all_items = {1, top};
	struct intervals all = {&all_items, 1, 1};
	struct intervals held;
	struct intervals missing;

	if (top < 1)
		return 0;
	intervals_init(&held, held_items, WIRE_RANGES_MAX);
	intervals_init(&missing, missing_items, WIRE_RANGES_MAX + 1);
	for (size_t i = 0; i < end->held_count; i++) {
		if (intervals_add(&held, end->held[i].first, end->held[i].last))
			return -EDOM;
	}
	if (intervals_subtract(&all, &held, &missing))
		return -EOVERFLOW;
	return add_lost(ledger, &missing);
}

int ledger_end(struct accept *accept, struct ledger *ledger, const struct wire_epoch_end *end,
	       int64_t now_ms)
{
	struct coredb_epoch *epoch = &ledger->epoch;
	int r = 0;

	for (size_t i = 0; i < end->held_count; i++) {
		if (end->held[i].first < 1 || end->held[i].last < end->held[i].first ||
		    end->held[i].last == INT64_MAX)
			return -EDOM;
	}
	epoch->heard_at_ms = now_ms;
	epoch->asked_at_ms = MODEL_NO_TIME;
	if (!epoch->over || epoch->abandoned)
		ledger->lost_changed = true;
	epoch->over = true;
	epoch->abandoned = false;
	if (end->end > epoch->end) {
		epoch->end = end->end;
		ledger->lost_changed = true;
	}
	for (size_t i = 0; i < end->held_count; i++) {
		if (end->held[i].last > epoch->highest)
			epoch->highest = end->held[i].last;
	}
	if (end->prev[0]) {
		memcpy(epoch->prev, end->prev, sizeof(epoch->prev));
		r = coredb_epoch_mention(accept->db, epoch->gateway, end->prev, now_ms);
	}
	ledger->reason = "epoch_end";
	return r ? r : lost_by_end(ledger, end);
}

/* Every number below the end, or up to the highest heard of, is committed or lost. */
static int account_is_closed(const struct coredb_epoch *epoch, bool *ret_closed)
{
	int64_t top = epoch->end >= 0 ? epoch->end - 1 : epoch->highest;
	struct set known = {0};
	int r;

	*ret_closed = false;
	if (!epoch->over)
		return 0;
	r = set_from(&known, &epoch->committed, epoch->lost.count);
	for (size_t i = 0; i < epoch->lost.count && !r; i++) {
		if (intervals_add(&known.set, epoch->lost.items[i].first,
				  epoch->lost.items[i].last))
			r = -EINVAL;
	}
	if (!r)
		*ret_closed = top < 1 || (known.set.count > 0 && known.set.items[0].first <= 1 &&
					  known.set.items[0].last >= top);
	set_free(&known);
	return r;
}

/* A gap as it should be: the sure ones are sets, the possible one is the rest. */
struct wanted {
	struct set sure;
	bool rest; /* from rest_first on, all that is not committed may be lost */
	int64_t rest_first;
	const char *rest_reason;
};

static int want_gaps(const struct coredb_epoch *epoch, struct wanted *want)
{
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
		want->rest_reason = "forked";
	else if (epoch->abandoned)
		want->rest_reason = "abandoned";
	else if (epoch->over && epoch->end < 0)
		want->rest_reason = "end_unknown";
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
		    int64_t first, int64_t last, const char *reason, int64_t now_ms)
{
	char payload[256];
	struct coredb_event event = {.workspace = ledger->workspace,
				     .name = name,
				     .occurred_at_ms = now_ms,
				     .payload = payload};

	(void)snprintf(payload, sizeof(payload),
		       "{\"epoch\":\"%s\",\"first\":%lld,\"last\":%lld,\"reason\":\"%s\"}",
		       ledger->epoch.name, (long long)first, (long long)last, reason);
	return coredb_event_add(accept->db, &event);
}

static int add_gap(struct accept *accept, const struct ledger *ledger, struct coredb_gap *gap,
		   int64_t now_ms)
{
	int r;

	gap->workspace = ledger->workspace;
	gap->gateway = ledger->epoch.gateway;
	gap->epoch = ledger->epoch.id;
	r = coredb_gap_add(accept->db, gap);
	if (r || gap->detected_at_ms != now_ms || gap->recovered_at_ms != MODEL_NO_TIME)
		return r;
	return tell_gap(accept, ledger, "GapDetected", gap->first, gap->last, gap->reason, now_ms);
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
			r = tell_gap(accept, ledger, "GapRecovered", piece.first, piece.last,
				     reason, now_ms);
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
				 .recovered_at_ms = MODEL_NO_TIME};
	bool kept = false;
	int r = 0;

	for (size_t i = 0; i < open->count && !r; i++) {
		const struct coredb_gap *row = &open->rows[i];

		if (row->last >= 0)
			continue;
		kept = want->rest && row->first == want->rest_first &&
		       strcmp(open->reasons[i], want->rest_reason) == 0;
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
		if (open->rows[i].last >= 0 &&
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
					 .recovered_at_ms = MODEL_NO_TIME};

		r = add_gap(accept, ledger, &gap, now_ms);
	}
	set_free(&told);
	set_free(&fresh);
	return r;
}

static int settle_gaps(struct accept *accept, const struct ledger *ledger, int64_t now_ms)
{
	struct open_gaps open = {0};
	struct wanted want = {0};
	int r;

	r = coredb_gap_open_of(accept->db, ledger->workspace, ledger->epoch.id, collect_gap, &open);
	r = r < 0 ? r : open.error;
	if (!r)
		r = want_gaps(&ledger->epoch, &want);
	for (size_t i = 0; i < open.count && !r; i++) {
		if (open.rows[i].last >= 0)
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

int ledger_close(struct accept *accept, struct ledger *ledger, int64_t now_ms)
{
	bool closed;
	int r = account_is_closed(&ledger->epoch, &closed);

	if (!r) {
		ledger->epoch.open = !closed;
		r = coredb_epoch_put(accept->db, &ledger->epoch);
	}
	if (!r && ledger->lost_changed)
		r = settle_gaps(accept, ledger, now_ms);
	return r ? accept_fail(accept, r, "ledger") : 0;
}

static int ask_for(struct accept *accept, int64_t id, struct pending_ack *ack, int64_t now_ms)
{
	struct coredb_epoch epoch = {0};
	int r = coredb_epoch_get(accept->db, id, &epoch);

	if (r)
		goto out;
	memcpy(ack->ask[ack->ask_count++], epoch.name, sizeof(ack->ask[0]));
	if (epoch.asked_at_ms != MODEL_NO_TIME)
		goto out;
	epoch.asked_at_ms = now_ms;
	r = coredb_epoch_put(accept->db, &epoch);
out:
	coredb_epoch_free(&epoch);
	return r;
}

int ledger_ask(struct accept *accept, struct pending_ack *ack, int64_t now_ms)
{
	int64_t ids[WIRE_ASK_MAX];
	int count;
	int r = 0;

	count = coredb_epoch_silent(accept->db, ack->gateway_row, now_ms - SILENCE_MS, ids,
				    WIRE_ASK_MAX);
	ack->ask_count = 0;
	for (int i = 0; i < count && !r; i++)
		r = ask_for(accept, ids[i], ack, now_ms);
	if (count < 0)
		r = count;
	return r ? accept_fail(accept, r, "asking for epochs") : 0;
}

static int give_up(struct accept *accept, int64_t id, int64_t now_ms)
{
	struct ledger ledger = {.reason = "abandoned", .records = -1};
	int r = coredb_epoch_get(accept->db, id, &ledger.epoch);

	if (!r)
		r = coredb_gateway_workspace(accept->db, ledger.epoch.gateway, &ledger.workspace);
	if (!r && ledger.epoch.asked_at_ms != MODEL_NO_TIME &&
	    ledger.epoch.asked_at_ms < now_ms - GIVE_UP_MS) {
		ledger.epoch.abandoned = true;
		ledger.lost_changed = true;
		r = ledger_close(accept, &ledger, now_ms);
	}
	ledger_free(&ledger);
	return r;
}

int ledger_give_up(struct accept *accept, int64_t now_ms)
{
	int64_t ids[ASK_LOOK];
	int count;
	int r = 0;

	count = coredb_epoch_silent(accept->db, 0, now_ms - GIVE_UP_MS, ids, ASK_LOOK);
	for (int i = 0; i < count && !r; i++)
		r = give_up(accept, ids[i], now_ms);
	return count < 0 ? count : r;
}
