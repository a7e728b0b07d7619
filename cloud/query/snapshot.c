/* Snapshots of vehicles: what their devices contribute, merged by the model. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/evidence.h"
#include "cloud/query/query_priv.h"
#include "model/wire/snapshot.h"
#include "storage/coredb/auth.h"

#define STABLE_MAX ((size_t)4 * 1024 * 1024)

/* One vehicle in the making. */
struct view {
	struct query *query;
	const struct coredb_workspace *workspace;
	const struct coredb_vehicle *vehicle; /* NULL: a device without one */
	struct coredb_device devices[QUERY_VEHICLE_DEVICES];
	struct model_device *cells[QUERY_VEHICLE_DEVICES]; /* owned */
	size_t count;
	struct query_row best; /* the freshest of the devices */
	size_t best_device;    /* ... which it is */
	int64_t received_ms;   /* newest of them */
	bool simulated;
};

static int each_device(void *arg, const struct coredb_device *device)
{
	struct view *view = arg;

	if (view->count == QUERY_VEHICLE_DEVICES)
		return 1;
	view->devices[view->count++] = *device;
	return 0;
}

static bool fresher(const struct query_row *a, const struct query_row *b)
{
	return a->row.state.last_update_at_ms > b->row.state.last_update_at_ms;
}

static int view_add_health(struct view *view, size_t index)
{
	struct coredb_health_row row;
	struct query_row judged;
	int r;

	r = coredb_health_get(view->query->db, view->devices[index].id, &row);
	if (r)
		return r;
	query_judge(view->query, view->workspace, &row, &judged);
	if (index == 0 || fresher(&judged, &view->best)) {
		view->best = judged;
		view->best_device = index;
	}
	if (row.state.last_received_at_ms > view->received_ms)
		view->received_ms = row.state.last_received_at_ms;
	view->simulated = view->simulated || row.device.simulated || row.state.simulated;
	return 0;
}

static int view_load(struct view *view)
{
	view->received_ms = MODEL_NO_TIME;
	for (size_t i = 0; i < view->count; i++) {
		int r;

		view->cells[i] = malloc(sizeof(*view->cells[i]));
		if (!view->cells[i])
			return -ENOMEM;
		model_device_init(view->cells[i], view->devices[i].name);
		r = coredb_body_get(view->query->db, view->devices[i].id, view->cells[i]);
		if (r && r != -ENOENT)
			return r;
		/* What the registry knows of the vehicle holds also where no source reads it. */
		if (view->cells[i]->vin[0] == '\0')
			memcpy(view->cells[i]->vin, view->devices[i].vin, MODEL_VIN_SIZE);
		r = view_add_health(view, i);
		if (r)
			return r;
	}
	return 0;
}

static void view_free(struct view *view)
{
	for (size_t i = 0; i < view->count; i++)
		free(view->cells[i]);
}

/* When the newest of it was observed, or its bounds where nobody can date it: those are never fresh. */
static void observed_write(struct view *view, struct jw *w)
{
	const struct model_stamp *newest = NULL;
	struct wire_time time = {.quality = WIRE_TIME_UNSYNCED,
				 .at_ms = MODEL_NO_TIME,
				 .not_before_ms = MODEL_NO_TIME,
				 .not_after_ms = MODEL_NO_TIME};

	if (view->count && view->cells[view->best_device]->merged)
		newest = &view->cells[view->best_device]->newest;
	if (!newest) {
		jw_time(w, "observed_at", MODEL_NO_TIME);
		jw_text(w, "time_quality", NULL);
		return;
	}
	evidence_time(&view->query->anchors, newest, &time);
	/* As health judges it: of data that was accepted. */
	if (time.quality != WIRE_TIME_UNSYNCED)
		time.at_ms = view->best.row.state.observed_at_ms;
	wire_time_encode(w, "observed_at", &time);
}

/* What does not change by the passing of time alone. */
static void stable_write(struct view *view, bool provenance, struct jw *w)
{
	jw_text(w, "workspace_id", view->workspace->name);
	jw_text(w, "vehicle_id", view->vehicle ? view->vehicle->name : NULL);
	query_text(w, "display_name", view->vehicle ? view->vehicle->display_name : NULL);
	jw_key(w, "devices");
	jw_open_array(w);
	for (size_t i = 0; i < view->count; i++)
		jw_put_text(w, view->devices[i].name);
	jw_close_array(w);
	jw_flag(w, "simulated", view->simulated);
	observed_write(view, w);
	jw_time(w, "received_at", view->received_ms);
	jw_key(w, "health_state");
	if (view->count)
		jw_put_text(w, health_state_name(view->best.health.state));
	else
		jw_put_null(w);
	jw_key(w, "reason");
	if (view->count && view->best.health.reason != HEALTH_REASON_NONE) {
		jw_open_object(w);
		jw_text(w, "code", health_reason_name(view->best.health.reason));
		jw_time(w, "since", view->best.health.reason_since_ms);
		jw_text(w, "detail", view->best.health.detail);
		jw_close_object(w);
	} else {
		jw_put_null(w);
	}
	wire_snapshot_encode(w, (const struct model_device *const *)view->cells, view->count,
			     coredb_anchor, evidence_time, &view->query->anchors, provenance);
}

static void freshness_write(const struct view *view, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_open_object(&w);
	jw_time(&w, "evaluated_at", view->query->now_ms);
	jw_key(&w, "freshness_age_s");
	if (!view->count || view->best.health.age_ms == MODEL_NO_TIME)
		jw_put_null(&w);
	else
		jw_put_number(&w, (double)view->best.health.age_ms / 1000.0);
	jw_close_object(&w);
}

/* Writes the snapshot, and folds its stable part into `etag` (a chain over a list's items). */
static int view_write(struct view *view, bool provenance, struct jw *w,
		      char etag[static QUERY_ETAG_SIZE])
{
	char hash[COREDB_HASH_SIZE];
	struct buf stable, whole;
	struct jw inner;
	int r;

	buf_init(&stable, STABLE_MAX);
	buf_init(&whole, STABLE_MAX + 256);
	jw_init(&inner, &stable);
	jw_open_object(&inner);
	stable_write(view, provenance, &inner);
	jw_close_object(&inner);
	freshness_write(view, &whole);
	r = stable.error ? stable.error : whole.error;
	if (r)
		goto out;
	whole.data[whole.len - 1] = ',';
	buf_append(&whole, stable.data + 1, stable.len - 1);
	jw_put_raw(w, whole.data, whole.len);
	buf_puts(&stable, etag);
	r = whole.error ? whole.error : stable.error;
	if (r)
		goto out;
	coredb_hash(stable.data, stable.len, hash);
	snprintf(etag, QUERY_ETAG_SIZE, "\"%.32s\"", hash);
out:
	buf_free(&stable);
	buf_free(&whole);
	return r ? r : w->out->error;
}

/* The snapshot of `vehicle`, or where that is NULL of `device`, which has none. */
static int snapshot_write(struct query *query, const struct coredb_workspace *workspace,
			  const struct coredb_vehicle *vehicle, const struct coredb_device *device,
			  bool provenance, struct jw *w, char etag[static QUERY_ETAG_SIZE])
{
	struct view *view = calloc(1, sizeof(*view));
	int r = 0;

	if (!view)
		return -ENOMEM;
	view->query = query;
	view->workspace = workspace;
	view->vehicle = vehicle;
	if (vehicle)
		r = coredb_vehicle_devices(query->db, vehicle->id, each_device, view);
	else if (device)
		(void)each_device(view, device);
	if (r >= 0)
		r = view_load(view);
	if (!r)
		r = view_write(view, provenance, w, etag);
	view_free(view);
	free(view);
	return r;
}

struct snapshots {
	struct query_list list;
	bool provenance;
	char *etag;
};

static int each_vehicle(void *arg, const struct coredb_vehicle *vehicle)
{
	struct snapshots *all = arg;
	struct query_list *list = &all->list;

	if (!query_list_room(list))
		return 1;
	list->error = snapshot_write(list->query, list->workspace, vehicle, NULL, all->provenance,
				     list->w, all->etag);
	query_list_shown_name(list, vehicle->name);
	return list->error != 0;
}

int query_snapshots(struct query *query, const struct coredb_workspace *workspace,
		    const struct query_page *page, bool provenance, struct jw *w,
		    char etag[static QUERY_ETAG_SIZE])
{
	struct snapshots all = {.provenance = provenance, .etag = etag};
	int r;

	if (page->cursor && !ids_valid(page->cursor, strlen(page->cursor)))
		return -EINVAL;
	snprintf(etag, QUERY_ETAG_SIZE, "%s", "\"empty\"");
	jw_open_object(w);
	query_list_open(&all.list, query, workspace, page, w);
	r = coredb_vehicle_each(query->db, workspace->id, page->cursor, page->limit + 1,
				each_vehicle, &all);
	r = query_list_close(&all.list, r);
	jw_close_object(w);
	return r;
}

int query_snapshot(struct query *query, const struct coredb_workspace *workspace,
		   const char *vehicle, bool provenance, struct jw *w,
		   char etag[static QUERY_ETAG_SIZE])
{
	struct coredb_vehicle row;
	int r;

	r = coredb_vehicle_find(query->db, workspace->id, vehicle, &row);
	if (r)
		return r;
	etag[0] = '\0';
	return snapshot_write(query, workspace, &row, NULL, provenance, w, etag);
}

int query_snapshot_of_device(struct query *query, const struct coredb_workspace *workspace,
			     const char *device, bool provenance, struct jw *w,
			     char etag[static QUERY_ETAG_SIZE])
{
	struct coredb_vehicle vehicle;
	struct coredb_device row;
	int r;

	r = coredb_device_find(query->db, workspace->id, device, &row);
	if (!r && row.vehicle)
		r = coredb_vehicle_find(query->db, workspace->id, row.vehicle_name, &vehicle);
	if (r)
		return r;
	etag[0] = '\0';
	jw_open_object(w);
	jw_key(w, "items");
	jw_open_array(w);
	r = snapshot_write(query, workspace, row.vehicle ? &vehicle : NULL, &row, provenance, w,
			   etag);
	jw_close_array(w);
	jw_text(w, "next_cursor", NULL);
	jw_close_object(w);
	return r ? r : w->out->error;
}
