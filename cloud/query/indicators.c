/* The figures of a workspace over a window of time: how fresh, how complete, what became of what came,
 * and what is missing. Reads narrow rows only. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/query/query_priv.h"

#define PAGE 500
#define WORST 100

struct ages {
	struct query *query;
	const struct coredb_workspace *workspace;
	int64_t *items; /* freshness ages in ms of devices that have data */
	size_t count, cap;
	int64_t devices, within;
	int64_t last;
	int error;
};

static int look(void *arg, const struct coredb_health_row *row)
{
	struct ages *ages = arg;
	struct query_row judged;

	ages->last = row->device.id;
	ages->devices++;
	query_judge(ages->query, ages->workspace, row, &judged);
	ages->within += judged.health.state == HEALTH_HEALTHY;
	if (judged.health.age_ms == MODEL_NO_TIME)
		return 0;
	if (ages->count == ages->cap) {
		size_t cap = ages->cap ? 2 * ages->cap : 256;
		int64_t *items = realloc(ages->items, cap * sizeof(*items));

		if (!items) {
			ages->error = -ENOMEM;
			return 1;
		}
		ages->items = items;
		ages->cap = cap;
	}
	ages->items[ages->count++] = judged.health.age_ms;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a;
	const int64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Nearest rank: the smallest age that at least `percent` of the devices do not exceed. */
static void put_percentile(struct jw *w, const char *key, const struct ages *ages, size_t percent)
{
	size_t rank = (ages->count * percent + 99) / 100;

	jw_key(w, key);
	if (ages->count == 0)
		jw_put_null(w);
	else
		jw_put_number(w, (double)ages->items[rank - 1] / 1000.0);
}

static int put_freshness(struct query *query, const struct coredb_workspace *workspace,
			 struct jw *w)
{
	struct ages ages = {.query = query, .workspace = workspace};
	int shown;

	do {
		shown = coredb_health_each(query->db, workspace->id, ages.last, PAGE, look, &ages);
	} while (shown == PAGE && !ages.error);
	if (shown < 0 || ages.error)
		goto out;
	if (ages.count)
		qsort(ages.items, ages.count, sizeof(*ages.items), compare);
	jw_key(w, "freshness");
	jw_open_object(w);
	jw_int(w, "devices", ages.devices);
	jw_int(w, "devices_with_data", (int64_t)ages.count);
	put_percentile(w, "p50_s", &ages, 50);
	put_percentile(w, "p95_s", &ages, 95);
	put_percentile(w, "p99_s", &ages, 99);
	jw_close_object(w);
	jw_key(w, "coverage");
	if (ages.devices == 0)
		jw_put_null(w);
	else
		jw_put_number(w, (double)ages.within / (double)ages.devices);
out:
	free(ages.items);
	return ages.error ? ages.error : shown < 0 ? shown : 0;
}

#define KINDS 24
struct outcomes {
	struct {
		char outcome[24], reason[40];
		int64_t count;
	} kinds[KINDS];
	size_t count;
	int64_t gateway; /* 0: all */
};

static int add_outcome(void *arg, const struct coredb_outcome *row)
{
	struct outcomes *all = arg;
	size_t i = 0;

	if (all->gateway && row->gateway != all->gateway)
		return 0;
	while (i < all->count && (strcmp(all->kinds[i].outcome, row->outcome) != 0 ||
				  strcmp(all->kinds[i].reason, row->reason) != 0))
		i++;
	/* More kinds than this program writes: they count in their outcome. */
	if (i == KINDS)
		i = KINDS - 1;
	if (i == all->count) {
		strncpy(all->kinds[i].outcome, row->outcome, sizeof(all->kinds[i].outcome) - 1);
		strncpy(all->kinds[i].reason, row->reason, sizeof(all->kinds[i].reason) - 1);
		all->count++;
	}
	all->kinds[i].count += row->count;
	return 0;
}

int query_outcomes_write(struct query *query, const struct coredb_workspace *workspace,
			 int64_t gateway, int64_t from_ms, struct jw *w)
{
	struct outcomes all = {.gateway = gateway};
	int r = coredb_outcome_each(query->db, workspace->id, from_ms, add_outcome, &all);

	jw_open_array(w);
	for (size_t i = 0; i < all.count; i++) {
		jw_open_object(w);
		jw_text(w, "outcome", all.kinds[i].outcome);
		query_text(w, "reason", all.kinds[i].reason);
		jw_int(w, "count", all.kinds[i].count);
		jw_close_object(w);
	}
	jw_close_array(w);
	return r < 0 ? r : 0;
}

/* What is missing, of the workspace, a gateway or a device. */
struct missing {
	char name[IDS_SIZE];
	int64_t certain, batches, records, unknown, ms;
	int64_t possible, possible_ms;
	int64_t recovered, dismissed;
};

struct losses {
	struct query *query;
	int64_t from_ms;
	struct missing all;
	struct missing *gateways, *devices;
	size_t gateway_count, device_count;
	const struct coredb_gap *gap; /* whose devices are looked at */
	int error;
};

static void add_gap(struct missing *to, const struct coredb_gap *gap)
{
	int64_t ms = query_gap_ms(gap);

	if (gap->recovered_at_ms != MODEL_NO_TIME) {
		to->recovered++;
	} else if (gap->dismissed_at_ms != MODEL_NO_TIME) {
		to->dismissed++;
	} else if (gap->possible) {
		to->possible++;
		to->possible_ms += ms > 0 ? ms : 0;
	} else {
		to->certain++;
		to->batches += gap->epoch ? gap->last - gap->first + 1 : 0;
		to->records += gap->records > 0 ? gap->records : 0;
		to->unknown += gap->records < 0;
		to->ms += ms > 0 ? ms : 0;
	}
}

/* The row of a name; the first WORST names that lost something are told apart. */
static struct missing *row_of(struct missing *rows, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	if (*count == WORST)
		return NULL;
	strncpy(rows[*count].name, name, sizeof(rows[0].name) - 1);
	return &rows[(*count)++];
}

static int add_to_device(void *arg, int64_t device, const char *name)
{
	struct losses *losses = arg;
	struct missing *row = row_of(losses->devices, &losses->device_count, name);

	(void)device;
	if (row)
		add_gap(row, losses->gap);
	return 0;
}

static int take_gap(void *arg, const struct coredb_gap *stored)
{
	struct losses *losses = arg;
	struct coredb_gap copy = *stored;
	const struct coredb_gap *gap = &copy;
	struct missing *row;
	int r;

	if (gap->detected_at_ms < losses->from_ms)
		return 0;
	losses->error = query_gap_date(losses->query, &copy);
	if (losses->error)
		return 1;
	add_gap(&losses->all, gap);
	row = row_of(losses->gateways, &losses->gateway_count, gap->gateway_name);
	if (row)
		add_gap(row, gap);
	losses->gap = gap;
	r = coredb_gap_devices(losses->query->db, gap, WORST, add_to_device, losses);
	losses->error = r < 0 ? r : 0;
	return losses->error != 0;
}

static void put_missing(struct jw *w, const struct missing *m)
{
	jw_int(w, "count", m->certain);
	jw_int(w, "batches", m->batches);
	jw_int(w, "records", m->records);
	jw_int(w, "records_unknown_in", m->unknown);
	jw_key(w, "seconds");
	jw_put_number(w, (double)m->ms / 1000.0);
	jw_int(w, "possible", m->possible);
	jw_key(w, "possible_seconds");
	jw_put_number(w, (double)m->possible_ms / 1000.0);
	jw_int(w, "recovered", m->recovered);
	jw_int(w, "dismissed", m->dismissed);
}

static void put_rows(struct jw *w, const char *key, const char *name, const struct missing *rows,
		     size_t count)
{
	jw_key(w, key);
	jw_open_array(w);
	for (size_t i = 0; i < count; i++) {
		jw_open_object(w);
		jw_text(w, name, rows[i].name);
		put_missing(w, &rows[i]);
		jw_close_object(w);
	}
	jw_close_array(w);
}

static int put_gaps(struct query *query, const struct coredb_workspace *workspace, int64_t from_ms,
		    struct jw *w)
{
	struct losses losses = {.query = query, .from_ms = from_ms};
	int r = -ENOMEM;

	losses.gateways = calloc(WORST, sizeof(*losses.gateways));
	losses.devices = calloc(WORST, sizeof(*losses.devices));
	if (!losses.gateways || !losses.devices)
		goto out;
	r = coredb_gap_each(query->db, workspace->id, NULL, 0, INT32_MAX, take_gap, &losses);
	r = losses.error ? losses.error : r < 0 ? r : 0;
	jw_key(w, "gaps");
	jw_open_object(w);
	put_missing(w, &losses.all);
	put_rows(w, "by_gateway", "gateway_id", losses.gateways, losses.gateway_count);
	put_rows(w, "by_device", "device_id", losses.devices, losses.device_count);
	jw_close_object(w);
out:
	free(losses.gateways);
	free(losses.devices);
	return r;
}

int query_indicators(struct query *query, const struct coredb_workspace *workspace,
		     int64_t window_s, struct jw *w)
{
	int64_t from_ms = query->now_ms - window_s * 1000;
	int r;

	jw_open_object(w);
	jw_text(w, "workspace_id", workspace->name);
	jw_time(w, "evaluated_at", query->now_ms);
	jw_int(w, "window_s", window_s);
	r = put_freshness(query, workspace, w);
	jw_key(w, "outcomes");
	if (r == 0)
		r = query_outcomes_write(query, workspace, 0, from_ms, w);
	if (r == 0)
		r = put_gaps(query, workspace, from_ms, w);
	jw_close_object(w);
	return r ? r : w->out->error;
}
