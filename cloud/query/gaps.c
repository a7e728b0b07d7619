/* What was lost: when, of which gateway and which devices. */
#include <errno.h>
#include <string.h>

#include "cloud/domain/anchor.h"
#include "cloud/query/query_priv.h"

#define DEVICES_SHOWN 100

static int each_name(void *arg, int64_t device, const char *name)
{
	struct jw *w = arg;

	(void)device;
	jw_put_string(w, name, strlen(name));
	return 0;
}

static void put_or_null(struct jw *w, const char *key, int64_t value)
{
	jw_key(w, key);
	if (value < 0)
		jw_put_null(w);
	else
		jw_put_integer(w, value);
}

int query_gap_date(struct query *query, struct coredb_gap *gap)
{
	struct coredb_between row;
	struct anchor_between between;
	int64_t ignored;
	int64_t to_ms;
	int r;

	if (!gap->boot || gap->dated)
		return 0;
	r = coredb_boot_between(query->db, gap->boot, &row);
	if (r)
		return r == -ENOENT ? 0 : r;
	between = (struct anchor_between){.after_ms = row.after_ms,
					  .before_ms = row.before_ms,
					  .min_mono_us = row.min_mono_us,
					  .max_mono_us = row.max_mono_us};
	anchor_bounds(&between, gap->from_mono_us == MODEL_NO_TIME ? 0 : gap->from_mono_us,
		      gap->detected_at_ms, &gap->from_ms, &ignored);
	if (gap->to_mono_us == MODEL_NO_TIME)
		return 0;
	anchor_bounds(&between, gap->to_mono_us, gap->detected_at_ms, &ignored, &to_ms);
	if (to_ms != MODEL_NO_TIME)
		gap->to_ms = to_ms;
	return 0;
}

int64_t query_gap_ms(const struct coredb_gap *gap)
{
	if (gap->from_ms == MODEL_NO_TIME || gap->to_ms == MODEL_NO_TIME)
		return -1;
	return gap->to_ms - gap->from_ms;
}

static int put_gap(struct query *query, struct jw *w, const struct coredb_gap *stored)
{
	struct coredb_gap copy = *stored;
	const struct coredb_gap *row = &copy;
	int r = query_gap_date(query, &copy);
	int64_t ms = query_gap_ms(row);

	if (r)
		return r;
	jw_open_object(w);
	jw_int(w, "gap_id", row->id);
	query_text(w, "gateway_id", row->gateway_name);
	query_text(w, "epoch", row->epoch_name);
	jw_int(w, "first", row->first);
	put_or_null(w, "last", row->last);
	put_or_null(w, "records", row->records);
	jw_text(w, "reason", row->reason);
	jw_flag(w, "possible", row->possible);
	jw_time(w, "detected_at", row->detected_at_ms);
	jw_time(w, "recovered_at", row->recovered_at_ms);
	jw_time(w, "from_at", row->from_ms);
	jw_time(w, "to_at", row->to_ms);
	jw_key(w, "seconds");
	if (ms < 0)
		jw_put_null(w);
	else
		jw_put_number(w, (double)ms / 1000.0);
	jw_text(w, "time_quality",
		row->time_quality < 0 ? NULL
				      : clock_quality_name((enum clock_quality)row->time_quality));
	jw_time(w, "dismissed_at", row->dismissed_at_ms);
	query_text(w, "dismissed_by", row->dismissed_by);
	query_text(w, "note", row->note);
	jw_key(w, "devices");
	jw_open_array(w);
	r = coredb_gap_devices(query->db, row, DEVICES_SHOWN, each_name, w);
	jw_close_array(w);
	jw_close_object(w);
	return r < 0 ? r : 0;
}

static int each_gap(void *arg, const struct coredb_gap *row)
{
	struct query_list *list = arg;

	if (!query_list_room(list))
		return 1;
	list->error = put_gap(list->query, list->w, row);
	query_list_shown_id(list, row->id);
	return list->error != 0;
}

int query_gaps(struct query *query, const struct coredb_workspace *workspace,
	       const struct coredb_gap_filter *filter, const struct query_page *page, struct jw *w)
{
	struct query_list list;
	int64_t after;
	int r;

	r = query_cursor_id(page, &after);
	if (r)
		return r;
	jw_open_object(w);
	query_list_open(&list, query, workspace, page, w);
	r = coredb_gap_each(query->db, workspace->id, filter, after, page->limit + 1, each_gap,
			    &list);
	r = query_list_close(&list, r);
	jw_close_object(w);
	return r;
}

struct one_gap {
	struct query *query;
	struct jw *w;
	int error;
};

static int the_gap(void *arg, const struct coredb_gap *row)
{
	struct one_gap *one = arg;

	one->error = put_gap(one->query, one->w, row);
	return 1;
}

int query_gap(struct query *query, const struct coredb_workspace *workspace, int64_t id,
	      struct jw *w)
{
	struct one_gap one = {query, w, 0};
	int r = coredb_gap_get(query->db, workspace->id, id, the_gap, &one);

	return r ? r : one.error ? one.error : w->out->error;
}
