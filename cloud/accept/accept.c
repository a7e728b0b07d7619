#include "cloud/accept/accept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/accept_priv.h"

#define CACHE_DEVICES 4096

static const char *const outcome_names[ACCEPT_OUTCOME_COUNT] = {
	"accepted", "late", "stale", "duplicate", "parked", "rejected",
};

const char *accept_outcome_name(enum accept_outcome outcome)
{
	return (unsigned)outcome < ACCEPT_OUTCOME_COUNT ? outcome_names[outcome] : "";
}

int accept_create(const struct accept_config *config, struct accept **ret_accept)
{
	size_t capacity = config->cache_devices ? config->cache_devices : CACHE_DEVICES;
	struct accept *accept = calloc(1, sizeof(*accept));
	int r;

	if (!accept)
		return -ENOMEM;
	accept->db = config->db;
	accept->clock = config->clock;
	accept->anchors.db = config->db;
	accept->own_base_ms = own_clock_base_ms(accept);
	accept->steady_since_us = clock_mono_us(config->clock);
	accept->unpacker = wire_unpacker_create();
	r = accept->unpacker ? cache_create(capacity, &accept->cache) : -ENOMEM;
	if (r) {
		wire_unpacker_free(accept->unpacker);
		free(accept);
		return r;
	}
	*ret_accept = accept;
	return 0;
}

static void free_acks(struct pending_ack **list)
{
	while (*list) {
		struct pending_ack *ack = *list;

		*list = ack->next;
		free(ack);
	}
}

void accept_destroy(struct accept *accept)
{
	if (!accept)
		return;
	accept_rollback(accept);
	free_acks(&accept->ready_acks);
	cache_destroy(accept->cache);
	wire_unpacker_free(accept->unpacker);
	free(accept->changed);
	free(accept);
}

const char *accept_error(const struct accept *accept)
{
	return accept->error[0] ? accept->error : coredb_error(accept->db);
}

int accept_fail(struct accept *accept, int error, const char *what)
{
	(void)snprintf(accept->error, sizeof(accept->error), "%s: %s", what,
		       coredb_error(accept->db));
	return error;
}

static void forget_anchors(struct accept *accept)
{
	memset(accept->anchors.boot, 0, sizeof(accept->anchors.boot));
	accept->anchors.error = 0;
}

int accept_begin(struct accept *accept)
{
	bool foreign;
	int r;

	if (accept->open)
		return 0;
	accept->error[0] = '\0';
	r = coredb_begin(accept->db, &foreign);
	if (r)
		return accept_fail(accept, r, "begin");
	/* Somebody else has written: what is remembered may be wrong. */
	if (foreign) {
		cache_drop(accept->cache);
		forget_anchors(accept);
	}
	accept->open = true;
	accept->changed_count = 0;
	accept->ready_changed = 0;
	return 0;
}

bool accept_is_open(const struct accept *accept)
{
	return accept->open;
}

static void forget_transaction(struct accept *accept)
{
	free_acks(&accept->acks);
	memset(accept->counters, 0, sizeof(accept->counters));
	accept->counter_count = 0;
	accept->changed_count = 0;
	memset(&accept->uncommitted, 0, sizeof(accept->uncommitted));
	accept->open = false;
}

void accept_rollback(struct accept *accept)
{
	coredb_rollback(accept->db);
	if (!accept->open)
		return;
	/* Entries hold what was rolled back, or were read from it. */
	cache_drop(accept->cache);
	forget_anchors(accept);
	forget_transaction(accept);
}

static int flush_counters(struct accept *accept)
{
	int64_t now_ms = clock_wall_ms(accept->clock);
	int r = 0;

	for (size_t i = 0; i < ACCEPT_COUNTERS && !r; i++) {
		struct counter *c = &accept->counters[i];
		struct coredb_outcome row = {.workspace = c->workspace,
					     .gateway = c->gateway,
					     .device = c->device,
					     .outcome = c->outcome,
					     .reason = c->reason,
					     .count = c->count};

		if (c->count)
			r = coredb_outcome_add(accept->db, &row, now_ms);
	}
	memset(accept->counters, 0, sizeof(accept->counters));
	accept->counter_count = 0;
	return r;
}

int accept_count(struct accept *accept, int64_t workspace, int64_t gateway, int64_t device,
		 const char *outcome, const char *reason, int64_t count)
{
	uint64_t hash = ((uint64_t)device * 31 + (uint64_t)gateway) * 31 +
			(uint64_t)(unsigned char)outcome[0] + (uint64_t)(unsigned char)reason[0];
	size_t slot = (size_t)(hash % ACCEPT_COUNTERS);
	struct counter *c;
	int r;

	if (accept->counter_count >= ACCEPT_COUNTERS / 2) {
		r = flush_counters(accept);
		if (r)
			return r;
	}
	for (c = &accept->counters[slot]; c->count; c = &accept->counters[slot]) {
		if (c->workspace == workspace && c->gateway == gateway && c->device == device &&
		    strcmp(c->outcome, outcome) == 0 && strcmp(c->reason, reason) == 0)
			break;
		slot = (slot + 1) % ACCEPT_COUNTERS;
	}
	if (!c->count)
		accept->counter_count++;
	*c = (struct counter){workspace, gateway, device, outcome, reason, c->count + count};
	return 0;
}

int accept_end(struct accept *accept, struct delivery *delivery, int64_t device,
	       enum accept_outcome outcome, const char *reason)
{
	delivery->outcomes[outcome]++;
	accept->uncommitted.records[outcome]++;
	return accept_count(accept, delivery->workspace, delivery->gateway, device,
			    accept_outcome_name(outcome), reason, 1);
}

int accept_log_rejection(struct accept *accept, int64_t workspace, int64_t gateway,
			 const char *source, const char *reason, const char *detail,
			 const void *data, size_t len, int64_t now_ms)
{
	const struct coredb_rejection row = {.workspace = workspace,
					     .gateway = gateway,
					     .source = source,
					     .reason = reason,
					     .detail = detail,
					     .data = data,
					     .len = len,
					     .last_at_ms = now_ms};
	int r = coredb_rejection_add(accept->db, &row);

	return r ? accept_fail(accept, r, "rejection") : 0;
}

int accept_foreign(struct accept *accept, const char *source, const char *reason,
		   const char *detail, const void *payload, size_t len, int64_t received_ms)
{
	int r = accept_begin(accept);

	if (r)
		return r;
	accept->uncommitted.batches[ACCEPT_REFUSED]++;
	r = accept_count(accept, 0, 0, 0, "rejected", reason, 1);
	if (r)
		return r;
	return accept_log_rejection(accept, 0, 0, source, reason, detail, payload, len,
				    received_ms);
}

int accept_mark_changed(struct accept *accept, int64_t workspace, int64_t device)
{
	if (accept->changed_count == accept->changed_cap) {
		size_t cap = accept->changed_cap ? 2 * accept->changed_cap : 64;
		void *grown = realloc(accept->changed, cap * sizeof(*accept->changed));

		if (!grown)
			return -ENOMEM;
		accept->changed = grown;
		accept->changed_cap = cap;
	}
	accept->changed[accept->changed_count].workspace = workspace;
	accept->changed[accept->changed_count++].device = device;
	return 0;
}

static int flush_entry(void *arg, struct cache_entry *entry)
{
	struct accept *accept = arg;
	int r;

	if (!entry->dirty)
		return 0;
	r = coredb_state_put(accept->db, entry->device.id, &entry->state);
	if (!r)
		r = coredb_body_put(accept->db, entry->device.id, &entry->cells);
	if (!r)
		r = accept_mark_changed(accept, entry->device.workspace, entry->device.id);
	if (!r)
		entry->dirty = false;
	return r;
}

int accept_flush_devices(struct accept *accept)
{
	int r = cache_each(accept->cache, flush_entry, accept);

	return r ? accept_fail(accept, r, "device state") : 0;
}

int accept_forget_devices(struct accept *accept)
{
	int r = accept_flush_devices(accept);

	if (!r)
		cache_drop(accept->cache);
	return r;
}

static int flush(struct accept *accept)
{
	int64_t now_ms = clock_wall_ms(accept->clock);
	int r = accept_flush_devices(accept);

	if (r)
		return r;
	if (accept->anchors.error)
		return accept_fail(accept, accept->anchors.error, "boot");
	r = flush_counters(accept);
	if (r)
		return accept_fail(accept, r, "outcomes");
	for (struct pending_ack *ack = accept->acks; ack && !r; ack = ack->next)
		r = ledger_ask(accept, ack, now_ms);
	return r;
}

static void add_totals(struct accept_totals *to, const struct accept_totals *from)
{
	for (int i = 0; i < ACCEPT_OUTCOME_COUNT; i++)
		to->records[i] += from->records[i];
	for (int i = 0; i <= ACCEPT_REFUSED; i++)
		to->batches[i] += from->batches[i];
}

int accept_commit(struct accept *accept)
{
	int r;

	if (!accept->open)
		return 0;
	r = flush(accept);
	if (!r) {
		r = coredb_commit(accept->db);
		if (r)
			(void)accept_fail(accept, r, "commit");
	}
	if (r) {
		accept->totals.failures++;
		accept_rollback(accept);
		return r;
	}
	accept->totals.commits++;
	add_totals(&accept->totals, &accept->uncommitted);
	free_acks(&accept->ready_acks);
	accept->ready_acks = accept->acks;
	accept->acks = NULL;
	accept->ready_changed = accept->changed_count;
	forget_transaction(accept);
	return 0;
}

static void tell_ack(const struct accept *accept, const struct pending_ack *pending,
		     struct wire_ack *ack, accept_ack_fn *fn, void *arg)
{
	memset(ack, 0, sizeof(*ack));
	ack->at_ms = clock_wall_ms(accept->clock);
	memcpy(ack->session, pending->session, sizeof(ack->session));
	memcpy(ack->epoch, pending->epoch, sizeof(ack->epoch));
	for (size_t i = 0; i < pending->committed.count; i++) {
		ack->committed[i].first = pending->items[i].first;
		ack->committed[i].last = pending->items[i].last;
	}
	ack->committed_count = pending->committed.count;
	memcpy(ack->deferred, pending->deferred, sizeof(ack->deferred));
	ack->deferred_count = pending->deferred_count;
	memcpy(ack->ask, pending->ask, sizeof(ack->ask));
	ack->ask_count = pending->ask_count;
	fn(arg, pending->workspace, pending->gateway, ack);
}

void accept_acks(struct accept *accept, accept_ack_fn *fn, void *arg)
{
	struct wire_ack ack;

	for (struct pending_ack *pending = accept->ready_acks; pending; pending = pending->next)
		tell_ack(accept, pending, &ack, fn, arg);
	free_acks(&accept->ready_acks);
}

void accept_changed(struct accept *accept, accept_changed_fn *fn, void *arg)
{
	for (size_t i = 0; i < accept->ready_changed; i++)
		fn(arg, accept->changed[i].workspace, accept->changed[i].device);
	accept->ready_changed = 0;
}

void accept_totals(const struct accept *accept, struct accept_totals *ret_totals)
{
	*ret_totals = accept->totals;
}
