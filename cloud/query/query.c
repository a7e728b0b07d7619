#include "cloud/query/query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/evidence.h"
#include "cloud/query/query_priv.h"
#include "model/wire/value.h"

int query_create(struct coredb *db, struct query **ret_query)
{
	struct query *query = calloc(1, sizeof(*query));

	if (!query)
		return -ENOMEM;
	query->db = db;
	query->device = malloc(sizeof(*query->device));
	if (!query->device) {
		free(query);
		return -ENOMEM;
	}
	*ret_query = query;
	return 0;
}

void query_destroy(struct query *query)
{
	if (!query)
		return;
	query_end(query);
	free(query->device);
	free(query);
}

int query_begin(struct query *query, int64_t now_ms)
{
	struct coredb_shard shard;
	int r;

	query_end(query);
	r = coredb_begin_read(query->db);
	if (r)
		return r;
	query->open = true;
	r = coredb_shard(query->db, &shard);
	if (r) {
		query_end(query);
		return r;
	}
	query->now_ms = now_ms;
	query->listening_since_ms = shard.listening_since_ms;
	/* Anchors may have become better since the last view. */
	memset(&query->anchors, 0, sizeof(query->anchors));
	query->anchors.db = query->db;
	return 0;
}

void query_end(struct query *query)
{
	if (query->open)
		coredb_rollback(query->db);
	query->open = false;
}

void query_text(struct jw *w, const char *key, const char *text)
{
	jw_text(w, key, text && text[0] ? text : NULL);
}

int query_cursor_id(const struct query_page *page, int64_t *ret_id)
{
	char *end;
	long long id;

	if (!page->cursor) {
		*ret_id = 0;
		return 0;
	}
	errno = 0;
	id = strtoll(page->cursor, &end, 10);
	if (errno || end == page->cursor || *end || id <= 0)
		return -EINVAL;
	*ret_id = id;
	return 0;
}

void query_list_open(struct query_list *list, struct query *query,
		     const struct coredb_workspace *workspace, const struct query_page *page,
		     struct jw *w)
{
	*list = (struct query_list){
		.query = query, .workspace = workspace, .w = w, .limit = page->limit};
	jw_key(w, "items");
	jw_open_array(w);
}

bool query_list_room(struct query_list *list)
{
	if (list->shown < list->limit)
		return true;
	list->more = true;
	return false;
}

void query_list_shown_id(struct query_list *list, int64_t id)
{
	list->shown++;
	snprintf(list->last, sizeof(list->last), "%" PRId64, id);
}

void query_list_shown_name(struct query_list *list, const char *name)
{
	list->shown++;
	snprintf(list->last, sizeof(list->last), "%s", name);
}

int query_list_close(struct query_list *list, int r)
{
	jw_close_array(list->w);
	jw_text(list->w, "next_cursor", list->more ? list->last : NULL);
	if (r < 0)
		return r;
	return list->error ? list->error : list->w->out->error;
}

/* ---- one device --------------------------------------------------------------------------- */

static int64_t judged_until(const struct query *query, const struct policy *policy,
			    const struct health_input *in, const struct health *health)
{
	struct policy_limits limits;
	int64_t due_ms = INT64_MAX;
	int64_t quiet_ms;

	policy_limits(policy, in->interval_s, &limits);
	if (health->state == HEALTH_HEALTHY)
		due_ms = in->last_update_at_ms + limits.target_ms + 1;
	else if (health->state == HEALTH_DELAYED)
		due_ms = in->last_update_at_ms + limits.stale_ms + 1;
	else if (health->state == HEALTH_AWAITING_FIRST_DATA)
		due_ms = in->activated_at_ms + limits.grace_ms + 1;
	if (!in->has_gateway || in->gateway_said_offline ||
	    query->listening_since_ms == MODEL_NO_TIME)
		return due_ms;
	quiet_ms = in->gateway_contact_at_ms > query->listening_since_ms
			   ? in->gateway_contact_at_ms
			   : query->listening_since_ms;
	quiet_ms += HEALTH_GATEWAY_SILENCE_MS + 1;
	return quiet_ms > query->now_ms && quiet_ms < due_ms ? quiet_ms : due_ms;
}

void query_judge(const struct query *query, const struct coredb_workspace *workspace,
		 const struct coredb_health_row *row, struct query_row *ret_row)
{
	char masked[MODEL_VIN_SIZE];
	struct health_input input;
	struct policy policy;

	ret_row->row = *row;
	evidence_policy(&workspace->policy, &policy);
	evidence_health(row, query->listening_since_ms, query->now_ms, masked, &input);
	health_evaluate(&policy, &input, &ret_row->health);
	ret_row->due_ms = judged_until(query, &policy, &input, &ret_row->health);
	/* Two machines are one again when nothing more is heard of the second. */
	if (input.gateway_is_two &&
	    row->duplicate_at_ms + COREDB_DUPLICATE_MS + 1 < ret_row->due_ms)
		ret_row->due_ms = row->duplicate_at_ms + COREDB_DUPLICATE_MS + 1;
}

/* The values that a list shows beside the state. */
static const enum model_field shown_fields[] = {
	MODEL_FIELD_STATE_OF_CHARGE_PCT, MODEL_FIELD_FUEL_LEVEL_PCT, MODEL_FIELD_SPEED_KMH,
	MODEL_FIELD_ODOMETER_KM,         MODEL_FIELD_CHARGING_STATE, MODEL_FIELD_IGNITION,
};

static int values_write(struct query *query, struct jw *w, const struct coredb_health_row *row)
{
	const size_t count = sizeof(shown_fields) / sizeof(shown_fields[0]);
	int r;

	model_device_init(query->device, row->device.name);
	r = row->has_state ? coredb_body_get(query->db, row->device.id, query->device) : -ENOENT;
	if (r && r != -ENOENT)
		return r;
	jw_key(w, "values");
	jw_open_object(w);
	for (size_t i = 0; i < count; i++) {
		const struct model_cell *cell = &query->device->cells[shown_fields[i]];

		jw_key(w, model_field_info(shown_fields[i])->path);
		if (cell->present && !cell->null)
			wire_value_encode(w, shown_fields[i], &cell->value);
		else
			jw_put_null(w);
	}
	jw_close_object(w);
	return 0;
}

static void reason_write(struct jw *w, const struct health *health)
{
	jw_key(w, "reason");
	if (health->reason == HEALTH_REASON_NONE) {
		jw_put_null(w);
		return;
	}
	jw_open_object(w);
	jw_text(w, "code", health_reason_name(health->reason));
	jw_time(w, "since", health->reason_since_ms);
	jw_text(w, "detail", health->detail);
	jw_close_object(w);
}

/* Contact with a gateway is contact with its devices. */
static int64_t contact_ms(const struct coredb_health_row *row)
{
	int64_t own = row->has_state ? row->state.contact_at_ms : MODEL_NO_TIME;

	return row->gateway_contact_at_ms > own ? row->gateway_contact_at_ms : own;
}

int query_row_write(struct query *query, struct jw *w, const struct query_row *item, bool age)
{
	const struct coredb_health_row *row = &item->row;
	int r;

	jw_open_object(w);
	jw_text(w, "device_id", row->device.name);
	query_text(w, "vehicle_id", row->device.vehicle_name);
	query_text(w, "vin", row->device.vin);
	query_text(w, "gateway_id", row->device.gateway_name);
	query_text(w, "provider", row->device.provider);
	jw_flag(w, "simulated", row->device.simulated || row->state.simulated);
	jw_text(w, "health_state", health_state_name(item->health.state));
	jw_time(w, "state_since", item->health.state_since_ms);
	if (age) {
		jw_key(w, "freshness_age_s");
		if (item->health.age_ms == MODEL_NO_TIME)
			jw_put_null(w);
		else
			jw_put_number(w, (double)item->health.age_ms / 1000.0);
	}
	jw_time(w, "last_update_received_at", row->state.last_received_at_ms);
	jw_time(w, "observed_at", row->state.observed_at_ms);
	jw_time(w, "last_contact_at", contact_ms(row));
	reason_write(w, &item->health);
	r = values_write(query, w, row);
	jw_close_object(w);
	return r ? r : w->out->error;
}

/* ---- workspaces --------------------------------------------------------------------------- */

static void workspace_write(struct jw *w, const struct coredb_workspace *row)
{
	struct policy policy;

	jw_open_object(w);
	jw_text(w, "workspace_id", row->name);
	query_text(w, "display_name", row->display_name);
	jw_time(w, "created_at", row->created_at_ms);
	jw_key(w, "policy");
	jw_open_object(w);
	evidence_policy(&row->policy, &policy);
	for (enum policy_field i = 0; i < POLICY_FIELD_COUNT; i++)
		jw_int(w, policy_field_info(i)->name, policy_get(&policy, i));
	jw_close_object(w);
	jw_close_object(w);
}

int query_workspace(struct query *query, const struct coredb_workspace *workspace, struct jw *w)
{
	(void)query;
	workspace_write(w, workspace);
	return w->out->error;
}

struct workspaces {
	struct query_list list;
	query_visible_fn *visible;
	void *arg;
};

static int each_workspace(void *arg, const struct coredb_workspace *row)
{
	struct workspaces *all = arg;

	if (!all->visible(all->arg, row->name))
		return 0;
	if (!query_list_room(&all->list))
		return 1;
	workspace_write(all->list.w, row);
	query_list_shown_name(&all->list, row->name);
	return 0;
}

int query_workspaces(struct query *query, query_visible_fn *visible, void *arg,
		     const struct query_page *page, struct jw *w)
{
	struct workspaces all = {.visible = visible, .arg = arg};
	int r;

	jw_open_object(w);
	query_list_open(&all.list, query, NULL, page, w);
	r = coredb_workspace_each(query->db, page->cursor, INT32_MAX, each_workspace, &all);
	r = query_list_close(&all.list, r);
	jw_close_object(w);
	return r;
}
