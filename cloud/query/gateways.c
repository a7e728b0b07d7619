/* Gateways: what they are, when they last spoke, and what they say of themselves. */
#include <errno.h>

#include "cloud/query/query_priv.h"

/* The members of an item, into an open object. */
static int put_gateway(struct query *query, struct jw *w, const struct coredb_gateway *row)
{
	struct coredb_gateway_state state;
	int r;

	coredb_gateway_state_init(&state);
	r = coredb_gateway_state_get(query->db, row->id, &state);
	if (r && r != -ENOENT)
		return r;
	jw_text(w, "gateway_id", row->name);
	jw_time(w, "created_at", row->created_at_ms);
	/* Known only once it has spoken. */
	jw_text(w, "link", r ? NULL : state.offline ? "offline" : "online");
	jw_time(w, "last_contact_at", state.contact_at_ms);
	jw_time(w, "status_at", state.status_at_ms);
	jw_int(w, "backlog_batches", state.backlog_batches);
	jw_time(w, "backlog_oldest_at", state.backlog_oldest_at_ms);
	jw_time(w, "duplicate_at", state.duplicate_at_ms);
	return 0;
}

static int each_gateway(void *arg, const struct coredb_gateway *row)
{
	struct query_list *list = arg;

	if (!query_list_room(list))
		return 1;
	jw_open_object(list->w);
	list->error = put_gateway(list->query, list->w, row);
	jw_close_object(list->w);
	query_list_shown_name(list, row->name);
	return list->error != 0;
}

int query_gateways(struct query *query, const struct coredb_workspace *workspace,
		   const struct query_page *page, struct jw *w)
{
	struct query_list list;
	int r;

	jw_open_object(w);
	query_list_open(&list, query, workspace, page, w);
	r = coredb_gateway_each(query->db, workspace->id, page->cursor, page->limit + 1,
				each_gateway, &list);
	r = query_list_close(&list, r);
	jw_close_object(w);
	return r;
}

/* The report is JSON: it was read before it was stored. */
static void put_report(void *arg, const char *json, size_t len)
{
	struct jw *w = arg;

	jw_put_raw(w, json, len);
}

int query_gateway(struct query *query, const struct coredb_workspace *workspace, const char *name,
		  struct jw *w)
{
	struct coredb_gateway row;
	int r;

	r = coredb_gateway_find(query->db, workspace->id, name, &row);
	if (r)
		return r;
	jw_open_object(w);
	r = put_gateway(query, w, &row);
	jw_key(w, "status");
	if (r == 0)
		r = coredb_gateway_report_get(query->db, row.id, put_report, w);
	if (r == -ENOENT) {
		jw_put_null(w);
		r = 0;
	}
	jw_close_object(w);
	return r;
}
