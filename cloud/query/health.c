/* The health report and the worklist. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "cloud/query/query_priv.h"

void query_counts_write(struct jw *w, const int64_t counts[static HEALTH_STATE_COUNT])
{
	jw_open_object(w);
	for (enum health_state i = 0; i < HEALTH_STATE_COUNT; i++)
		jw_int(w, health_state_name(i), counts[i]);
	jw_close_object(w);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool has_word(const char *text, const char *word, size_t len)
{
	for (; *text; text++) {
		size_t i = 0;

		while (i < len && text[i] && lower(text[i]) == lower(word[i]))
			i++;
		if (i == len)
			return true;
	}
	return false;
}

static bool row_has_word(const struct query_row *item, const char *word, size_t len)
{
	const struct coredb_device *device = &item->row.device;

	return has_word(device->name, word, len) || has_word(device->vehicle_name, word, len) ||
	       has_word(device->vin, word, len) || has_word(device->gateway_name, word, len) ||
	       has_word(device->provider, word, len) ||
	       has_word(health_reason_name(item->health.reason), word, len) ||
	       has_word(item->health.detail, word, len);
}

static bool passes(const struct query_filter *filter, const struct query_row *item)
{
	const char *text = filter->text;

	if (filter->state >= 0 && (int)item->health.state != filter->state)
		return false;
	if (filter->reason >= 0 && (int)item->health.reason != filter->reason)
		return false;
	while (text && *text) {
		size_t len = strcspn(text, " ");

		if (len && !row_has_word(item, text, len))
			return false;
		text += len + strspn(text + len, " ");
	}
	return true;
}

struct report {
	struct query_list list;
	const struct query_filter *filter;
	int64_t after;
	int64_t counts[HEALTH_STATE_COUNT];
};

static int each_health(void *arg, const struct coredb_health_row *row)
{
	struct report *report = arg;
	struct query_list *list = &report->list;
	struct query_row item;

	query_judge(list->query, list->workspace, row, &item);
	report->counts[item.health.state]++;
	if (row->device.id <= report->after || !passes(report->filter, &item) ||
	    !query_list_room(list))
		return 0;
	list->error = query_row_write(list->query, list->w, &item, true);
	query_list_shown_id(list, row->device.id);
	return list->error != 0;
}

int query_health(struct query *query, const struct coredb_workspace *workspace,
		 const struct query_filter *filter, const struct query_page *page, struct jw *w)
{
	struct report report = {.filter = filter};
	int r;

	r = query_cursor_id(page, &report.after);
	if (r)
		return r;
	jw_open_object(w);
	jw_text(w, "workspace_id", workspace->name);
	jw_time(w, "evaluated_at", query->now_ms);
	jw_key(w, "policy");
	jw_open_object(w);
	jw_int(w, "freshness_target_s", workspace->policy.freshness_target_s);
	jw_int(w, "stale_threshold_s", workspace->policy.stale_threshold_s);
	jw_int(w, "no_data_grace_s", workspace->policy.no_data_grace_s);
	jw_close_object(w);
	query_list_open(&report.list, query, workspace, page, w);
	r = coredb_health_each(query->db, workspace->id, 0, INT32_MAX, each_health, &report);
	r = query_list_close(&report.list, r);
	jw_key(w, "counts");
	query_counts_write(w, report.counts);
	jw_close_object(w);
	return r;
}

/* ---- the worklist ------------------------------------------------------------------------- */

struct issue {
	int64_t since_ms; /* the last data, or since when some is waited for */
	int64_t device;
};

struct issues {
	struct query *query;
	const struct coredb_workspace *workspace;
	struct issue *items;
	size_t count, cap;
	int error;
};

static int each_issue(void *arg, const struct coredb_health_row *row)
{
	struct issues *issues = arg;
	struct query_row item;
	struct issue *grown;

	query_judge(issues->query, issues->workspace, row, &item);
	if (item.health.state != HEALTH_STALE && item.health.state != HEALTH_CONFIGURED_NO_DATA)
		return 0;
	if (issues->count == issues->cap) {
		size_t cap = issues->cap ? issues->cap * 2 : 256;

		grown = realloc(issues->items, cap * sizeof(*grown));
		if (!grown) {
			issues->error = -ENOMEM;
			return 1;
		}
		issues->items = grown;
		issues->cap = cap;
	}
	issues->items[issues->count].device = row->device.id;
	issues->items[issues->count++].since_ms = item.health.state == HEALTH_STALE
							  ? row->state.last_update_at_ms
							  : row->device.activated_at_ms;
	return 0;
}

static int compare_issues(const void *a, const void *b)
{
	const struct issue *x = a;
	const struct issue *y = b;

	if (x->since_ms != y->since_ms)
		return x->since_ms < y->since_ms ? -1 : 1;
	return (x->device > y->device) - (x->device < y->device);
}

static int issues_find(struct query *query, const struct coredb_workspace *workspace,
		       struct issues *ret)
{
	int r;

	*ret = (struct issues){.query = query, .workspace = workspace};
	r = coredb_health_each(query->db, workspace->id, 0, INT32_MAX, each_issue, ret);
	if (r >= 0)
		r = ret->error;
	if (r) {
		free(ret->items);
		return r;
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare_issues);
	return 0;
}

static int issue_row(const struct issues *issues, size_t index, struct query_row *ret_row)
{
	struct coredb_health_row row;
	int r = coredb_health_get(issues->query->db, issues->items[index].device, &row);

	if (!r)
		query_judge(issues->query, issues->workspace, &row, ret_row);
	return r;
}

/* The cursor is the last one shown: it keeps its place while others come and go. */
static int parse_cursor(const char *cursor, struct issue *ret)
{
	char *end;
	long long since_ms, device;

	if (!cursor) {
		*ret = (struct issue){INT64_MIN, INT64_MIN};
		return 0;
	}
	errno = 0;
	since_ms = strtoll(cursor, &end, 10);
	if (errno || end == cursor || *end != '.')
		return -EINVAL;
	cursor = end + 1;
	device = strtoll(cursor, &end, 10);
	if (errno || end == cursor || *end)
		return -EINVAL;
	*ret = (struct issue){since_ms, device};
	return 0;
}

static void issues_write(const struct issues *issues, const struct issue *after,
			 struct query_list *list)
{
	struct query_row row;

	for (size_t i = 0; i < issues->count && !list->error; i++) {
		if (compare_issues(&issues->items[i], after) <= 0)
			continue;
		if (!query_list_room(list))
			return;
		list->error = issue_row(issues, i, &row);
		if (!list->error)
			list->error = query_row_write(list->query, list->w, &row, true);
		list->shown++;
		snprintf(list->last, sizeof(list->last), "%" PRId64 ".%" PRId64,
			 issues->items[i].since_ms, issues->items[i].device);
	}
}

#define DUPLICATES_SHOWN 100

static void each_duplicate(void *arg, const char *gateway, int64_t since_ms)
{
	struct jw *w = arg;

	jw_open_object(w);
	jw_text(w, "gateway_id", gateway);
	jw_text(w, "reason", health_reason_name(HEALTH_REASON_DUPLICATE_GATEWAY));
	jw_time(w, "since", since_ms);
	jw_close_object(w);
}

/* What is wrong with gateways themselves, also where their devices are fresh all the same. */
static int put_duplicates(struct query *query, const struct coredb_workspace *workspace,
			  struct jw *w)
{
	int r;

	jw_key(w, "gateways");
	jw_open_array(w);
	r = coredb_gateway_duplicate_each(query->db, workspace->id, query->now_ms, DUPLICATES_SHOWN,
					  each_duplicate, w);
	jw_close_array(w);
	return r;
}

int query_issues(struct query *query, const struct coredb_workspace *workspace,
		 const struct query_page *page, struct jw *w)
{
	struct query_list list;
	struct issues issues;
	struct issue after;
	int r;

	r = parse_cursor(page->cursor, &after);
	if (!r)
		r = issues_find(query, workspace, &issues);
	if (r)
		return r;
	jw_open_object(w);
	jw_text(w, "workspace_id", workspace->name);
	jw_time(w, "evaluated_at", query->now_ms);
	jw_int(w, "total", (int64_t)issues.count);
	r = put_duplicates(query, workspace, w);
	if (r) {
		free(issues.items);
		return r;
	}
	query_list_open(&list, query, workspace, page, w);
	issues_write(&issues, &after, &list);
	r = query_list_close(&list, 0);
	jw_close_object(w);
	free(issues.items);
	return r;
}

/* A cell that a spreadsheet would run as a formula is led by an apostrophe. */
static void csv_cell(struct buf *out, const char *text, const char *end)
{
	buf_putc(out, '"');
	if (text[0] && strchr("=+-@\t\r", text[0]))
		buf_putc(out, '\'');
	for (; *text; text++) {
		if (*text == '"')
			buf_putc(out, '"');
		buf_putc(out, *text);
	}
	buf_putc(out, '"');
	buf_puts(out, end);
}

static void csv_time(struct buf *out, int64_t ms)
{
	char text[RFC3339_SIZE];

	csv_cell(out, ms == MODEL_NO_TIME ? "" : rfc3339_format(ms, text), ",");
}

static void csv_row(struct buf *out, const struct query_row *row)
{
	const struct coredb_device *device = &row->row.device;

	csv_cell(out, device->name, ",");
	csv_cell(out, device->vehicle_name, ",");
	csv_cell(out, device->vin, ",");
	csv_cell(out, device->gateway_name, ",");
	csv_cell(out, device->provider, ",");
	csv_cell(out, health_state_name(row->health.state), ",");
	csv_time(out, row->row.state.last_update_at_ms);
	if (row->health.age_ms != MODEL_NO_TIME)
		buf_printf(out, "%" PRId64, row->health.age_ms / 1000);
	buf_putc(out, ',');
	csv_cell(out, health_reason_name(row->health.reason), ",");
	csv_time(out, row->health.reason_since_ms);
	csv_cell(out, row->health.detail, "\r\n");
}

int query_issues_csv(struct query *query, const struct coredb_workspace *workspace, struct buf *out)
{
	struct query_row row;
	struct issues issues;
	int r;

	r = issues_find(query, workspace, &issues);
	if (r)
		return r;
	buf_puts(out, "device_id,vehicle_id,vin,gateway_id,provider,health_state,last_update_at,"
		      "freshness_age_s,reason,since,detail\r\n");
	for (size_t i = 0; i < issues.count && !r; i++) {
		r = issue_row(&issues, i, &row);
		if (!r)
			csv_row(out, &row);
	}
	free(issues.items);
	return r ? r : out->error;
}
