/* Gateways: what they are, when they last spoke, and what they say of themselves. */
#include <errno.h>

#include "cloud/accept/evidence.h"
#include "cloud/query/query_priv.h"

#define DAY_MS INT64_C(86400000)
#define EPOCHS_SHOWN 20
#define BOOTS_SHOWN 20

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
	/* Only while two machines send under its name. */
	jw_time(w, "duplicate_since",
		coredb_is_duplicate(state.duplicate_since_ms, state.duplicate_at_ms, query->now_ms)
			? state.duplicate_since_ms
			: MODEL_NO_TIME);
	return 0;
}

static const char *epoch_state(const struct coredb_epoch *epoch)
{
	if (epoch->abandoned)
		return "abandoned";
	if (!epoch->over)
		return "running";
	return epoch->open ? "over" : "accounted_for";
}

static int each_epoch(void *arg, const struct coredb_epoch *epoch, const char *boot, int64_t lost)
{
	struct jw *w = arg;

	jw_open_object(w);
	jw_text(w, "epoch", epoch->name);
	query_text(w, "prev", epoch->prev);
	query_text(w, "boot_id", boot);
	jw_text(w, "state", epoch_state(epoch));
	jw_flag(w, "forked", epoch->forked);
	jw_time(w, "first_seen_at", epoch->first_seen_ms);
	jw_time(w, "heard_at", epoch->heard_at_ms);
	jw_time(w, "asked_at", epoch->asked_at_ms);
	jw_int(w, "highest", epoch->highest);
	jw_key(w, "end");
	if (epoch->end < 0)
		jw_put_null(w);
	else
		jw_put_integer(w, epoch->end);
	jw_int(w, "lost_batches", lost);
	jw_close_object(w);
	return 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a == MODEL_NO_TIME || b < a ? b : a;
}

/* From when to when a boot was heard of: by its clock, or between which times where nobody vouches for
 * that. */
static void put_span(struct query *query, struct jw *w, const struct coredb_boot *boot)
{
	struct model_stamp stamp = {.boot = boot->id,
				    .mono_us = boot->min_mono_us,
				    .at_ms = MODEL_NO_TIME,
				    .received_ms = boot->last_seen_ms};
	struct wire_time first = {.at_ms = MODEL_NO_TIME};
	struct wire_time last = {.at_ms = MODEL_NO_TIME};

	if (boot->min_mono_us >= 0) {
		evidence_time(&query->anchors, &stamp, &first);
		stamp.mono_us = boot->max_mono_us;
		evidence_time(&query->anchors, &stamp, &last);
	}
	jw_time(w, "first_at", first.at_ms);
	jw_time(w, "last_at", last.at_ms);
	if (boot->held_offset_ms != MODEL_NO_TIME || boot->min_mono_us < 0)
		return;
	jw_time(w, "not_before", first.not_before_ms);
	jw_time(w, "not_after", earlier(last.not_after_ms, boot->last_seen_ms));
}

struct boots {
	struct query *query;
	struct jw *w;
};

static int each_boot(void *arg, const struct coredb_boot *boot)
{
	const struct boots *boots = arg;
	struct jw *w = boots->w;

	jw_open_object(w);
	jw_text(w, "boot_id", boot->name);
	jw_text(w, "clock", clock_quality_name(boot->held_quality));
	/* How far its clock was ahead of the receipt of what it had just sent. */
	jw_key(w, "cut_ms");
	if (boot->quality == CLOCK_QUALITY_NONE)
		jw_put_null(w);
	else
		jw_put_integer(w, boot->offset_ms - boot->held_offset_ms);
	put_span(boots->query, w, boot);
	jw_time(w, "first_seen_at", boot->first_seen_ms);
	jw_time(w, "last_seen_at", boot->last_seen_ms);
	jw_close_object(w);
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
	if (r == 0) {
		jw_key(w, "outcomes_24h");
		r = query_outcomes_write(query, workspace, row.id, query->now_ms - DAY_MS, w);
	}
	if (r == 0) {
		jw_key(w, "epochs");
		jw_open_array(w);
		r = coredb_epoch_each(query->db, row.id, EPOCHS_SHOWN, each_epoch, w);
		jw_close_array(w);
	}
	if (r >= 0) {
		struct boots boots = {query, w};

		jw_key(w, "boots");
		jw_open_array(w);
		r = coredb_boot_each(query->db, row.id, 0, BOOTS_SHOWN, each_boot, &boots);
		jw_close_array(w);
	}
	jw_close_object(w);
	return r < 0 ? r : w->out->error;
}
