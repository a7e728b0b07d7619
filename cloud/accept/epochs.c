/* What an epoch committed, lost and may still hold. The rules are those of
 * docs/decisions/0001-transfer-protocol.md. */
#include <errno.h>
#include <string.h>

#include "cloud/accept/accept_priv.h"
#include "cloud/accept/sets.h"

#define SILENCE_MS (INT64_C(10) * 60 * 1000)
#define GIVE_UP_MS (INT64_C(24) * 3600 * 1000)
/* An epoch is asked for once a minute at most, a gateway for up to 8 of them every ten seconds. */
#define ASK_AGAIN_MS (INT64_C(60) * 1000)
#define ASK_PAUSE_MS (INT64_C(10) * 1000)
#define GIVE_UP_AT_ONCE 64

int ledger_open(struct accept *accept, int64_t workspace, int64_t gateway, const char *name,
		int64_t now_ms, struct ledger *ret)
{
	int r;

	*ret = (struct ledger){.workspace = workspace,
			       .reason = "below_floor",
			       .records = -1,
			       .from_mono_us = MODEL_NO_TIME,
			       .to_mono_us = MODEL_NO_TIME};
	r = coredb_epoch_open(accept->db, gateway, name, now_ms, &ret->epoch);
	if (!r)
		r = ledger_unfold(accept, ret);
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
	/* It was given up as lost and came after all. */
	if (set_ranges_contain(&epoch->lost, number))
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

/* As the gateway says, in words that outlive the record. */
static const char *dropped_reason(const char *said)
{
	static const char *const reasons[] = {"spool_full",   "spool_age",   "unreadable",
					      "write_budget", "disk_failed", "operator"};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(said, reasons[i]) == 0)
			return reasons[i];
	return "dropped";
}

int ledger_dropped(struct accept *accept, struct ledger *ledger, const struct wire_dropped *dropped,
		   int64_t now_ms)
{
	int r;

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
	ledger->reason = dropped_reason(dropped->reason);
	ledger->records = dropped->records;
	if (dropped->first_mono_us <= dropped->last_mono_us) {
		ledger->from_mono_us = dropped->first_mono_us;
		ledger->to_mono_us = dropped->last_mono_us;
	}
	/* The floor of a batch that went before it may have told the numbers already. */
	r = gaps_explain(accept, ledger, &stated, now_ms);
	return r ? r : add_lost(ledger, &stated);
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

/* Also of a boot of which nothing ever came: its neighbours are found by it. */
static int note_boot(struct accept *accept, struct coredb_epoch *epoch, const char *boot_id,
		     int64_t now_ms)
{
	struct coredb_boot boot;
	int r;

	if (epoch->boot || !boot_id[0])
		return 0;
	r = coredb_boot_open(accept->db, epoch->gateway, boot_id, now_ms, &boot);
	if (!r)
		epoch->boot = boot.id;
	return r;
}

int ledger_end(struct accept *accept, struct ledger *ledger, const struct wire_epoch_end *end,
	       int64_t now_ms)
{
	struct coredb_epoch *epoch = &ledger->epoch;
	int64_t stated = end->end;
	int r = note_boot(accept, epoch, end->boot_id, now_ms);

	if (r)
		return accept_fail(accept, r, "boot");
	/* Numbers past it were heard: a card that was set back says what was true once. */
	if (stated <= epoch->highest)
		stated = -1;
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
	if (stated > epoch->end) {
		epoch->end = stated;
		ledger->lost_changed = true;
	}
	for (size_t i = 0; i < end->held_count; i++) {
		if (end->held[i].last > epoch->highest)
			epoch->highest = end->held[i].last;
	}
	if (end->prev[0]) {
		memcpy(epoch->prev, end->prev, sizeof(epoch->prev));
		r = coredb_epoch_chain(accept->db, epoch->gateway, end->prev, epoch->id, now_ms);
	}
	ledger->reason = "epoch_end";
	return r ? r : lost_by_end(ledger, end);
}

/* Every number below the end, or up to the highest heard of, is committed or lost. */
static int account_is_closed(const struct coredb_epoch *epoch, bool *ret_closed)
{
	int64_t top = epoch->end > epoch->highest ? epoch->end - 1 : epoch->highest;
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

int ledger_close(struct accept *accept, struct ledger *ledger, int64_t now_ms)
{
	bool closed = false;
	int r = gaps_settle(accept, ledger, now_ms);

	if (!r)
		r = account_is_closed(&ledger->epoch, &closed);
	if (!r) {
		ledger->epoch.open = !closed;
		ledger_refold(ledger);
		r = coredb_epoch_put(accept->db, &ledger->epoch);
	}
	return r ? accept_fail(accept, r, "ledger") : 0;
}

static int ask_for(struct accept *accept, int64_t id, struct pending_ack *ack, int64_t now_ms)
{
	struct coredb_epoch epoch = {0};
	int r = coredb_epoch_get(accept->db, id, &epoch);

	if (r)
		goto out;
	memcpy(ack->ask[ack->ask_count++], epoch.name, sizeof(ack->ask[0]));
	if (epoch.asked_at_ms == MODEL_NO_TIME)
		epoch.asked_at_ms = now_ms;
	epoch.told_at_ms = now_ms;
	r = coredb_epoch_put(accept->db, &epoch);
out:
	coredb_epoch_free(&epoch);
	return r;
}

/* Those that were not asked for longest, so that every one has its turn however many there are. */
int ledger_ask(struct accept *accept, struct pending_ack *ack, int64_t now_ms)
{
	int64_t ids[WIRE_ASK_MAX];
	int64_t told_ms = 0;
	int count = 0;
	int r;

	ack->ask_count = 0;
	r = coredb_epoch_told(accept->db, ack->gateway_row, &told_ms);
	/* A clock that was set back must not silence it. */
	if (!r && (told_ms <= now_ms - ASK_PAUSE_MS || told_ms > now_ms))
		count = coredb_epoch_silent(accept->db, ack->gateway_row, now_ms - SILENCE_MS,
					    told_ms > now_ms ? INT64_MAX : now_ms - ASK_AGAIN_MS,
					    ids, WIRE_ASK_MAX);
	for (int i = 0; i < count && !r; i++)
		r = ask_for(accept, ids[i], ack, now_ms);
	if (count < 0)
		r = count;
	return r ? accept_fail(accept, r, "asking for epochs") : 0;
}

static int give_up(struct accept *accept, int64_t id, int64_t now_ms)
{
	struct ledger ledger = {.reason = "abandoned",
				.records = -1,
				.from_mono_us = MODEL_NO_TIME,
				.to_mono_us = MODEL_NO_TIME};
	int r = coredb_epoch_get(accept->db, id, &ledger.epoch);

	if (!r)
		r = coredb_gateway_workspace(accept->db, ledger.epoch.gateway, &ledger.workspace);
	if (!r) {
		ledger.epoch.abandoned = true;
		ledger.lost_changed = true;
		r = ledger_close(accept, &ledger, now_ms);
	}
	ledger_free(&ledger);
	return r;
}

int ledger_give_up(struct accept *accept, int64_t now_ms)
{
	int64_t ids[GIVE_UP_AT_ONCE];
	int count;
	int r = 0;

	/* Not by silence: gateways that are away were never asked, and there may be many of them. */
	count = coredb_epoch_unanswered(accept->db, now_ms - GIVE_UP_MS, ids, GIVE_UP_AT_ONCE);
	for (int i = 0; i < count && !r; i++)
		r = give_up(accept, ids[i], now_ms);
	return count < 0 ? count : r;
}
