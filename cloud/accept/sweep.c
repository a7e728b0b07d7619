/* The look at everything that time alone changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "cloud/accept/accept_priv.h"

#define PAGE 500
#define PRUNE_BATCHES 500
#define REFILE_BATCHES 1000
#define REJECTIONS_KEPT 100000
#define WORKSPACES_MAX 100000

struct crossing {
	int64_t device;
	int before, now;
	int64_t since_ms, activated_at_ms, grace_end_ms, last_update_at_ms;
	enum health_reason reason;
};

struct page {
	const struct coredb_workspace *workspace;
	struct policy policy;
	int64_t listening_since_ms, now_ms;
	int64_t last_device;
	struct crossing crossings[PAGE];
	size_t count;
};

static int look(void *arg, const struct coredb_health_row *row)
{
	struct page *page = arg;
	char masked[MODEL_VIN_SIZE];
	struct health_input input;
	struct health health;
	struct crossing *crossing;

	page->last_device = row->device.id;
	evidence_health(row, page->listening_since_ms, page->now_ms, masked, &input);
	health_evaluate(&page->policy, &input, &health);
	if ((int)health.state == row->state.swept_state)
		return 0;
	crossing = &page->crossings[page->count++];
	*crossing = (struct crossing){
		.device = row->device.id,
		.before = row->state.swept_state,
		.now = (int)health.state,
		.since_ms = health.state_since_ms,
		.activated_at_ms = row->device.activated_at_ms,
		.grace_end_ms = row->device.activated_at_ms + page->policy.no_data_grace_s * 1000,
		.last_update_at_ms = row->state.last_update_at_ms,
		.reason = health.reason,
	};
	return 0;
}

static void time_or_null(int64_t ms, char *out, size_t size)
{
	char text[RFC3339_SIZE];

	if (ms == MODEL_NO_TIME)
		(void)snprintf(out, size, "null");
	else
		(void)snprintf(out, size, "\"%s\"", rfc3339_format(ms, text));
}

/* The name of the event for a crossing; NULL: it is none that anybody waits for. */
static const char *event_name(const struct crossing *crossing)
{
	if (crossing->now == HEALTH_CONFIGURED_NO_DATA)
		return "DeviceMarkedConfiguredNoData";
	if (crossing->now == HEALTH_STALE)
		return "DeviceMarkedStale";
	if (crossing->now == HEALTH_HEALTHY &&
	    (crossing->before == HEALTH_STALE || crossing->before == HEALTH_CONFIGURED_NO_DATA))
		return "DeviceRecovered";
	return NULL;
}

static int tell(struct accept *accept, const struct page *page, const struct crossing *crossing)
{
	char payload[320];
	char first[40];
	char second[40];
	struct coredb_event event = {.workspace = page->workspace->id,
				     .device = crossing->device,
				     .name = event_name(crossing),
				     .occurred_at_ms = page->now_ms,
				     .payload = payload};

	if (!event.name)
		return 0;
	if (crossing->now == HEALTH_CONFIGURED_NO_DATA) {
		time_or_null(crossing->activated_at_ms, first, sizeof(first));
		time_or_null(crossing->grace_end_ms, second, sizeof(second));
		(void)snprintf(payload, sizeof(payload),
			       "{\"configuredAt\":%s,\"graceExceededAt\":%s,\"reason\":\"%s\"}",
			       first, second, health_reason_name(crossing->reason));
	} else {
		time_or_null(crossing->last_update_at_ms, first, sizeof(first));
		time_or_null(crossing->since_ms, second, sizeof(second));
		(void)snprintf(payload, sizeof(payload),
			       "{\"lastUpdateAt\":%s,\"since\":%s,\"reason\":\"%s\"}", first,
			       second, health_reason_name(crossing->reason));
	}
	return coredb_event_add(accept->db, &event);
}

static int write_page(struct accept *accept, const struct page *page, unsigned *changed)
{
	int r = page->count > 0 ? accept_begin(accept) : 0;

	for (size_t i = 0; i < page->count && !r; i++) {
		const struct crossing *crossing = &page->crossings[i];

		r = coredb_state_set_swept(accept->db, crossing->device, crossing->now,
					   page->now_ms);
		if (!r)
			r = tell(accept, page, crossing);
		if (!r)
			r = accept_mark_changed(accept, page->workspace->id, crossing->device);
		if (!r)
			(*changed)++;
	}
	return r;
}

static int sweep_workspace(struct accept *accept, const struct coredb_workspace *workspace,
			   struct page *page, unsigned *changed)
{
	int64_t after = 0;
	int shown;
	int r;

	page->workspace = workspace;
	evidence_policy(&workspace->policy, &page->policy);
	do {
		page->count = 0;
		shown = coredb_health_each(accept->db, workspace->id, after, PAGE, look, page);
		if (shown < 0)
			return shown;
		after = page->last_device;
		r = write_page(accept, page, changed);
	} while (!r && shown == PAGE);
	return r;
}

struct next_workspace {
	struct coredb_workspace row;
};

static int take_workspace(void *arg, const struct coredb_workspace *workspace)
{
	struct next_workspace *next = arg;

	next->row = *workspace;
	return 1;
}

static bool is_short(const struct coredb_policy *policy)
{
	return policy->freshness_target_s < ACCEPT_SHORT_S ||
	       policy->stale_threshold_s < ACCEPT_SHORT_S ||
	       policy->no_data_grace_s < ACCEPT_SHORT_S;
}

static int sweep_all(struct accept *accept, struct page *page, bool only_short, unsigned *changed)
{
	struct next_workspace next = {0};
	int shown;
	int r = 0;

	for (int i = 0; i < WORKSPACES_MAX && !r; i++) {
		char after[IDS_SIZE];

		memcpy(after, next.row.name, sizeof(after));
		shown = coredb_workspace_each(accept->db, after, 1, take_workspace, &next);
		if (shown <= 0)
			return shown;
		if (!only_short || is_short(&next.row.policy))
			r = sweep_workspace(accept, &next.row, page, changed);
	}
	return r;
}

static int judge_all(struct accept *accept, int64_t now_ms, bool only_short, unsigned *changed)
{
	struct coredb_shard shard;
	struct page *page;
	int r = coredb_shard(accept->db, &shard);

	if (r)
		return r;
	page = calloc(1, sizeof(*page));
	if (!page)
		return -ENOMEM;
	page->now_ms = now_ms;
	page->listening_since_ms = shard.listening_since_ms;
	r = sweep_all(accept, page, only_short, changed);
	free(page);
	return r;
}

int accept_sweep_short(struct accept *accept, int64_t now_ms, unsigned *ret_changed)
{
	unsigned changed = 0;
	/* What an open transaction has in memory only must be judged too. */
	int r = accept->open ? accept_flush_devices(accept) : 0;

	if (!r)
		r = judge_all(accept, now_ms, true, &changed);
	if (r)
		return accept_fail(accept, r, "sweep");
	*ret_changed = changed;
	return 0;
}

int accept_sweep(struct accept *accept, int64_t now_ms, unsigned *ret_changed)
{
	unsigned changed = 0;
	int r = accept_begin(accept);

	/* What is only in memory yet must be judged too. */
	if (!r)
		r = accept_flush_devices(accept);
	if (!r)
		r = own_clock_heal(accept, now_ms);
	if (!r)
		r = judge_all(accept, now_ms, false, &changed);
	if (!r)
		r = ledger_give_up(accept, now_ms);
	if (!r)
		r = ledger_fold(accept, now_ms);
	if (!r)
		r = duplicate_clear(accept, now_ms);
	if (!r)
		r = coredb_rejection_prune(accept->db, REJECTIONS_KEPT);
	/* A clock that was set ahead by years must not end all history. */
	if (!r && own_clock_is_steady(accept)) {
		r = coredb_history_prune(accept->db, now_ms, PRUNE_BATCHES);
		r = r < 0 ? r : 0;
	}
	if (!r) {
		r = coredb_boot_refile(accept->db, REFILE_BATCHES);
		r = r < 0 ? r : 0;
	}
	if (r)
		return accept_fail(accept, r, "sweep");
	*ret_changed = changed;
	return 0;
}
