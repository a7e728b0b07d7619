#include "cloud/ingest/acks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/domain/intervals.h"

#define BUCKETS 1024

/* What waits for one session and epoch of a gateway. */
struct part {
	struct part *next;
	int64_t batches; /* that were added: their numbers may touch or repeat */
	struct wire_ack ack;
};

/* A gateway that was answered lately, or waits for an answer. */
struct gate {
	struct gate *next, *hash_next;
	char workspace[IDS_SIZE];
	char gateway[IDS_SIZE];
	bool answered;
	int64_t answered_us;
	struct part *first, *last; /* the longest waiting first */
};

struct acks {
	struct gate *gates;
	struct gate *buckets[BUCKETS];
};

int acks_create(struct acks **ret_acks)
{
	struct acks *acks = calloc(1, sizeof(*acks));

	if (!acks)
		return -ENOMEM;
	*ret_acks = acks;
	return 0;
}

static void free_parts(struct gate *gate)
{
	while (gate->first) {
		struct part *part = gate->first;

		gate->first = part->next;
		free(part);
	}
	gate->last = NULL;
}

void acks_destroy(struct acks *acks)
{
	if (!acks)
		return;
	while (acks->gates) {
		struct gate *gate = acks->gates;

		acks->gates = gate->next;
		free_parts(gate);
		free(gate);
	}
	free(acks);
}

/* FNV-1a. */
static struct gate **bucket_of(struct acks *acks, const char *workspace, const char *gateway)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *workspace; workspace++)
		hash = (hash ^ (unsigned char)*workspace) * UINT64_C(1099511628211);
	for (hash *= UINT64_C(1099511628211); *gateway; gateway++)
		hash = (hash ^ (unsigned char)*gateway) * UINT64_C(1099511628211);
	return &acks->buckets[(hash ^ hash >> 32) % BUCKETS];
}

static struct gate *find_gate(struct acks *acks, const char *workspace, const char *gateway)
{
	struct gate **bucket = bucket_of(acks, workspace, gateway);
	struct gate *gate = *bucket;

	while (gate &&
	       (strcmp(gate->gateway, gateway) != 0 || strcmp(gate->workspace, workspace) != 0))
		gate = gate->hash_next;
	if (gate)
		return gate;
	gate = calloc(1, sizeof(*gate));
	if (!gate)
		return NULL;
	strncpy(gate->workspace, workspace, sizeof(gate->workspace) - 1);
	strncpy(gate->gateway, gateway, sizeof(gate->gateway) - 1);
	gate->hash_next = *bucket;
	*bucket = gate;
	gate->next = acks->gates;
	acks->gates = gate;
	return gate;
}

/* The newest part of that session and epoch; an older one is full. */
static struct part *find_part(const struct gate *gate, const struct wire_ack *ack)
{
	struct part *found = NULL;

	for (struct part *part = gate->first; part; part = part->next) {
		if (strcmp(part->ack.epoch, ack->epoch) == 0 &&
		    strcmp(part->ack.session, ack->session) == 0)
			found = part;
	}
	return found;
}

static int64_t count_batches(const struct wire_ack *ack)
{
	int64_t batches = (int64_t)ack->deferred_count;

	for (size_t i = 0; i < ack->committed_count; i++)
		batches += ack->committed[i].last - ack->committed[i].first + 1;
	return batches;
}

/* Adds all committed ranges, or none where there is no room. */
static bool merge_committed(struct wire_ack *into, const struct wire_ack *ack)
{
	struct interval items[WIRE_RANGES_MAX];
	struct intervals set;

	intervals_init(&set, items, WIRE_RANGES_MAX);
	for (size_t i = 0; i < into->committed_count; i++)
		items[i] = (struct interval){into->committed[i].first, into->committed[i].last};
	set.count = into->committed_count;
	for (size_t i = 0; i < ack->committed_count; i++) {
		if (intervals_add(&set, ack->committed[i].first, ack->committed[i].last))
			return false;
	}
	for (size_t i = 0; i < set.count; i++)
		into->committed[i] = (struct wire_range){items[i].first, items[i].last};
	into->committed_count = set.count;
	return true;
}

/* What is asked for once is enough; what finds no room is asked for again. */
static void merge_asked(struct wire_ack *into, const struct wire_ack *ack)
{
	for (size_t i = 0; i < ack->ask_count && into->ask_count < WIRE_ASK_MAX; i++) {
		bool there = false;

		for (size_t k = 0; k < into->ask_count && !there; k++)
			there = strcmp(into->ask[k], ack->ask[i]) == 0;
		if (!there)
			memcpy(into->ask[into->ask_count++], ack->ask[i], sizeof(into->ask[0]));
	}
}

static bool merge(struct part *part, const struct wire_ack *ack)
{
	struct wire_ack *into = &part->ack;

	if (into->deferred_count + ack->deferred_count > WIRE_DEFERRED_MAX ||
	    !merge_committed(into, ack))
		return false;
	memcpy(&into->deferred[into->deferred_count], ack->deferred,
	       ack->deferred_count * sizeof(ack->deferred[0]));
	into->deferred_count += ack->deferred_count;
	merge_asked(into, ack);
	part->batches += count_batches(ack);
	return true;
}

int acks_add(struct acks *acks, const char *workspace, const char *gateway,
	     const struct wire_ack *ack)
{
	struct gate *gate = find_gate(acks, workspace, gateway);
	struct part *part = gate ? find_part(gate, ack) : NULL;

	if (part && merge(part, ack))
		return 0;
	part = gate ? calloc(1, sizeof(*part)) : NULL;
	if (!part)
		return -ENOMEM;
	part->ack = *ack;
	part->batches = count_batches(ack);
	if (gate->last)
		gate->last->next = part;
	else
		gate->first = part;
	gate->last = part;
	return 0;
}

static void send_part(struct gate *gate, struct part *part, struct part *before, acks_send_fn *fn,
		      void *arg)
{
	fn(arg, gate->workspace, gate->gateway, &part->ack);
	if (before)
		before->next = part->next;
	else
		gate->first = part->next;
	if (gate->last == part)
		gate->last = before;
	free(part);
}

static bool may_be_answered(const struct gate *gate, int64_t now_us)
{
	return !gate->answered || now_us - gate->answered_us >= ACKS_INTERVAL_US;
}

static void send_due(struct gate *gate, int64_t now_us, acks_send_fn *fn, void *arg)
{
	struct part *before = NULL;
	struct part *next;

	for (struct part *part = gate->first; part; part = next) {
		next = part->next;
		if (part->batches >= ACKS_BATCHES)
			send_part(gate, part, before, fn, arg);
		else
			before = part;
	}
	if (!gate->first || !may_be_answered(gate, now_us))
		return;
	/* What goes because it is full does not put this off: live data of the running epoch would wait
	 * until the backlog of another one is in. */
	gate->answered = true;
	gate->answered_us = now_us;
	send_part(gate, gate->first, NULL, fn, arg);
}

static void drop_gate(struct acks *acks, struct gate **at)
{
	struct gate *gate = *at;
	struct gate **bucket = bucket_of(acks, gate->workspace, gate->gateway);

	while (*bucket != gate)
		bucket = &(*bucket)->hash_next;
	*bucket = gate->hash_next;
	*at = gate->next;
	free_parts(gate);
	free(gate);
}

void acks_send(struct acks *acks, int64_t now_us, acks_send_fn *fn, void *arg)
{
	struct gate **at = &acks->gates;

	while (*at) {
		send_due(*at, now_us, fn, arg);
		if (!(*at)->first && may_be_answered(*at, now_us))
			drop_gate(acks, at);
		else
			at = &(*at)->next;
	}
}

int64_t acks_due_us(const struct acks *acks)
{
	int64_t due_us = INT64_MAX;

	for (const struct gate *gate = acks->gates; gate; gate = gate->next) {
		int64_t at_us = gate->answered ? gate->answered_us + ACKS_INTERVAL_US : 0;

		if (gate->first && at_us < due_us)
			due_us = at_us;
	}
	return due_us;
}

size_t acks_forget(struct acks *acks)
{
	size_t count = 0;

	while (acks->gates) {
		for (struct part *part = acks->gates->first; part; part = part->next)
			count++;
		drop_gate(acks, &acks->gates);
	}
	return count;
}
