/* Lists that only show rows: the registry and the ledger of what was kept back, refused or lost. */
#include <errno.h>
#include <string.h>

#include "cloud/query/query_priv.h"

static int each_device(void *arg, const struct coredb_device *row)
{
	struct query_list *list = arg;
	struct jw *w = list->w;

	if (!query_list_room(list))
		return 1;
	jw_open_object(w);
	jw_text(w, "device_id", row->name);
	jw_text(w, "asset_kind", row->energy_site ? "energy_site" : "vehicle");
	query_text(w, "vehicle_id", row->vehicle_name);
	query_text(w, "vin", row->vin);
	query_text(w, "gateway_id", row->gateway_name);
	jw_text(w, "provider", row->provider);
	query_text(w, "external_id", row->external_id);
	jw_flag(w, "simulated", row->simulated);
	jw_int(w, "interval_s", row->interval_s);
	jw_time(w, "activated_at", row->activated_at_ms);
	jw_time(w, "created_at", row->created_at_ms);
	jw_close_object(w);
	query_list_shown_name(list, row->name);
	return 0;
}

static int each_vehicle(void *arg, const struct coredb_vehicle *row)
{
	struct query_list *list = arg;
	struct jw *w = list->w;

	if (!query_list_room(list))
		return 1;
	jw_open_object(w);
	jw_text(w, "vehicle_id", row->name);
	query_text(w, "vin", row->vin);
	query_text(w, "display_name", row->display_name);
	jw_time(w, "created_at", row->created_at_ms);
	jw_close_object(w);
	query_list_shown_name(list, row->name);
	return 0;
}

static int each_rejection(void *arg, const struct coredb_rejection *row)
{
	struct query_list *list = arg;
	struct jw *w = list->w;

	if (!query_list_room(list))
		return 1;
	jw_open_object(w);
	jw_int(w, "rejection_id", row->id);
	query_text(w, "gateway_id", row->gateway_name);
	jw_text(w, "source", row->source);
	jw_text(w, "reason", row->reason);
	jw_text(w, "detail", row->detail);
	jw_int(w, "count", row->count);
	jw_time(w, "first_at", row->first_at_ms);
	jw_time(w, "last_at", row->last_at_ms);
	jw_int(w, "bytes", row->bytes);
	jw_key(w, "head");
	jw_put_string(w, row->data ? row->data : "", row->data ? row->len : 0);
	query_text(w, "rest_sha256", row->rest_sha256);
	jw_close_object(w);
	query_list_shown_id(list, row->id);
	return 0;
}

static int each_parked(void *arg, const struct coredb_parked *row)
{
	struct query_list *list = arg;
	struct jw *w = list->w;

	if (!query_list_room(list))
		return 1;
	jw_open_object(w);
	jw_int(w, "parked_id", row->id);
	query_text(w, "gateway_id", row->gateway_name);
	query_text(w, "device_id", row->device_name);
	jw_flag(w, "registered", row->device != 0);
	query_text(w, "vin", row->vin);
	jw_text(w, "reason", row->reason);
	jw_time(w, "received_at", row->received_ms);
	jw_int(w, "bytes", (int64_t)row->record_len);
	jw_key(w, "record");
	if (row->record_len > 0 && row->record_len <= QUERY_RECORD_SHOWN)
		jw_put_raw(w, row->record, row->record_len);
	else
		jw_put_null(w);
	jw_close_object(w);
	query_list_shown_id(list, row->id);
	return 0;
}

/* One more than is shown tells whether more follow. */
static int names(struct query *query, const struct coredb_workspace *workspace,
		 const struct query_page *page, struct jw *w, int what)
{
	const int limit = page->limit + 1;
	struct query_list list;
	int r;

	if (page->cursor && !ids_valid(page->cursor, strlen(page->cursor)))
		return -EINVAL;
	jw_open_object(w);
	query_list_open(&list, query, workspace, page, w);
	if (what == 'd')
		r = coredb_device_each(query->db, workspace->id, page->cursor, limit, each_device,
				       &list);
	else
		r = coredb_vehicle_each(query->db, workspace->id, page->cursor, limit, each_vehicle,
					&list);
	r = query_list_close(&list, r);
	jw_close_object(w);
	return r;
}

int query_devices(struct query *query, const struct coredb_workspace *workspace,
		  const struct query_page *page, struct jw *w)
{
	return names(query, workspace, page, w, 'd');
}

int query_vehicles(struct query *query, const struct coredb_workspace *workspace,
		   const struct query_page *page, struct jw *w)
{
	return names(query, workspace, page, w, 'v');
}

int query_rejections(struct query *query, const struct coredb_workspace *workspace,
		     const struct query_page *page, struct jw *w)
{
	struct query_list list;
	int64_t before;
	int r;

	r = query_cursor_id(page, &before);
	if (r)
		return r;
	jw_open_object(w);
	query_list_open(&list, query, workspace, page, w);
	r = coredb_rejection_each(query->db, workspace->id, before, page->limit + 1, each_rejection,
				  &list);
	r = query_list_close(&list, r);
	jw_close_object(w);
	return r;
}

int query_parked(struct query *query, const struct coredb_workspace *workspace,
		 const struct query_page *page, struct jw *w)
{
	struct query_list list;
	int64_t after;
	int r;

	r = query_cursor_id(page, &after);
	if (r)
		return r;
	jw_open_object(w);
	query_list_open(&list, query, workspace, page, w);
	r = coredb_parked_each(query->db, workspace->id, NULL, after, page->limit + 1, each_parked,
			       &list);
	r = query_list_close(&list, r);
	jw_close_object(w);
	return r;
}
