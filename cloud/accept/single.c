/* Updates that did not come in a batch, and those that come out of the parking. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/accept_priv.h"

static void start(struct delivery *delivery, const struct coredb_workspace *workspace,
		  int64_t received_ms)
{
	delivery->workspace = workspace->id;
	delivery->workspace_name = workspace->name;
	delivery->gateway_name = "direct";
	delivery->received_ms = received_ms;
	delivery->first_mono_us = MODEL_NO_TIME;
	delivery->last_mono_us = MODEL_NO_TIME;
}

/* What was taken is history, as a batch of its own. */
static int keep_single(struct accept *accept, const struct delivery *delivery, int64_t at_ms,
		       const char *json, size_t len)
{
	struct coredb_batch row = {
		.workspace = delivery->workspace,
		.received_ms = delivery->received_ms,
		.first_mono_us = MODEL_NO_TIME,
		.last_mono_us = MODEL_NO_TIME,
		.first_at_ms = at_ms == MODEL_NO_TIME ? delivery->received_ms : at_ms,
		.last_at_ms = at_ms == MODEL_NO_TIME ? delivery->received_ms : at_ms,
		.records = 1,
		.accepted = delivery->outcomes[ACCEPT_ACCEPTED],
		.devices = delivery->devices,
		.device_count = delivery->device_count,
	};
	struct buf body;
	int r;

	buf_init(&body, WIRE_UNPACKED_BYTES_MAX);
	buf_putc(&body, '[');
	buf_append(&body, json, len);
	buf_putc(&body, ']');
	r = body.error ? body.error : coredb_batch_next(accept->db, &row.id);
	row.body = body.data;
	row.len = body.len;
	if (!r)
		r = coredb_batch_add(accept->db, &row);
	buf_free(&body);
	return r ? accept_fail(accept, r, "history") : 0;
}

int accept_update(struct accept *accept, const char *workspace, const struct model_update *update,
		  const char *record_json, size_t record_len, int64_t received_ms,
		  enum accept_outcome *ret_outcome, const char **ret_reason)
{
	const struct model_text raw = {.data = record_json, .len = record_len};
	enum accept_outcome outcome;
	const char *reason;
	struct coredb_workspace ws;
	struct delivery *delivery = NULL;
	int r = accept_begin(accept);

	if (r)
		return r;
	r = coredb_workspace_find(accept->db, workspace, &ws);
	if (r)
		return r == -ENOENT ? r : accept_fail(accept, r, "workspace");
	delivery = calloc(1, sizeof(*delivery));
	if (!delivery)
		return -ENOMEM;
	start(delivery, &ws, received_ms);
	r = accept_apply(accept, delivery, update, 0, &raw, &outcome, &reason);
	if (!r && outcome == ACCEPT_ACCEPTED)
		r = keep_single(accept, delivery, update->at_ms, record_json, record_len);
	free(delivery);
	if (r)
		return r;
	*ret_outcome = outcome;
	*ret_reason = reason;
	return 0;
}

/* One parked row, copied out of the reader. */
struct parked_copy {
	struct coredb_parked row;
	char reason[32];
	struct buf record;
};

static int copy_parked(void *arg, const struct coredb_parked *parked)
{
	struct parked_copy *copy = arg;
	size_t len = strlen(parked->reason);

	copy->row = *parked;
	if (len >= sizeof(copy->reason))
		len = sizeof(copy->reason) - 1;
	memcpy(copy->reason, parked->reason, len);
	copy->reason[len] = '\0';
	buf_reset(&copy->record);
	buf_append(&copy->record, parked->record, parked->record_len);
	return 1;
}

static bool still_contradicts(const struct coredb_device *device, const struct parked_copy *copy,
			      const char *vin)
{
	return strcmp(copy->reason, "vin_mismatch") == 0 && device->vin[0] && vin[0] &&
	       strcmp(device->vin, vin) != 0;
}

/* The record is applied under the name that the device has now. 1 applied, 0 left where it is,
 * -errno. */
static int release(struct accept *accept, const struct coredb_device *device,
		   const struct coredb_workspace *workspace, const struct parked_copy *copy,
		   const struct jr_value *json)
{
	const struct model_text raw = {.data = copy->record.data, .len = copy->record.len};
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	char problem[160] = "";
	int r;

	if (!delivery)
		return -ENOMEM;
	start(delivery, workspace, copy->row.received_ms);
	delivery->gateway = copy->row.gateway;
	delivery->boot = copy->row.boot;
	delivery->batch_row = copy->row.batch;
	delivery->number = copy->row.number;
	delivery->by_spool = true;
	model_update_init(&accept->record.update, &accept->room);
	r = wire_record_decode(json, &accept->record, problem, sizeof(problem));
	if (r) {
		r = r == -ENOMEM ? r : 0; /* stays parked, for a person to look at */
		goto out;
	}
	/* First out of the parking: what is parked again gets a new row. */
	r = coredb_parked_remove(accept->db, copy->row.id);
	if (r)
		goto out;
	memcpy(accept->record.update.device_id, device->name, sizeof(device->name));
	r = accept_apply(accept, delivery, &accept->record.update, copy->row.position, &raw, NULL,
			 NULL);
	if (!r && copy->row.batch)
		r = coredb_batch_add_device(accept->db, copy->row.batch, device->id, 1);
	if (r == -ENOENT) /* history has been pruned */
		r = 0;
	if (!r)
		r = 1;
out:
	free(delivery);
	return r;
}

static int consider(struct accept *accept, const struct coredb_device *device,
		    const struct coredb_workspace *workspace, const struct parked_copy *copy,
		    unsigned *applied)
{
	struct jr_doc *doc = NULL;
	struct jr_error error;
	char vin[MODEL_VIN_SIZE] = "";
	int r;

	if (strcmp(copy->reason, "unsupported_provider") == 0)
		return 0;
	r = jr_parse(copy->record.data, copy->record.len, &doc, &error);
	if (r)
		return r == -ENOMEM ? r : 0; /* stays parked, for a person to look at */
	(void)jr_string_copy(jr_get(jr_root(doc), "vin"), vin, sizeof(vin));
	if (!still_contradicts(device, copy, vin)) {
		r = release(accept, device, workspace, copy, jr_root(doc));
		if (r > 0)
			(*applied)++;
	}
	jr_free(doc);
	return r < 0 ? r : 0;
}

static int drain(struct accept *accept, const struct coredb_device *device,
		 const struct coredb_workspace *workspace, const char *name, unsigned *applied)
{
	struct parked_copy copy = {0};
	int64_t after = 0;
	int64_t last;
	int shown;
	int r = 0;

	/* Rows that are parked anew while this runs are not looked at again. */
	r = coredb_parked_last(accept->db, &last);
	if (r)
		return r;
	buf_init(&copy.record, WIRE_UNPACKED_BYTES_MAX);
	for (;;) {
		shown = coredb_parked_each(accept->db, workspace->id, name, after, 1, copy_parked,
					   &copy);
		r = shown < 0 ? shown : copy.record.error;
		if (r || shown == 0 || copy.row.id > last)
			break;
		after = copy.row.id;
		r = consider(accept, device, workspace, &copy, applied);
		if (r)
			break;
	}
	buf_free(&copy.record);
	return r;
}

int accept_parked(struct accept *accept, const struct coredb_device *device, int64_t now_ms,
		  unsigned *ret_applied)
{
	struct coredb_workspace workspace = {0};
	struct cache_entry *entry;
	unsigned applied = 0;
	int r = accept_begin(accept);

	if (r)
		return r;
	/* The registry has just changed: what is remembered of the device is older. */
	r = accept_forget_devices(accept);
	if (!r)
		r = coredb_workspace_get(accept->db, device->workspace, &workspace);
	if (!r)
		r = cache_get(accept->cache, accept->db, workspace.id, device->name, &entry);
	if (r)
		return accept_fail(accept, r, "parked records");
	entry->state.vin_mismatch_at_ms = MODEL_NO_TIME;
	entry->dirty = true;
	r = drain(accept, device, &workspace, device->name, &applied);
	if (!r && device->external_id[0] && strcmp(device->external_id, device->name) != 0)
		r = drain(accept, device, &workspace, device->external_id, &applied);
	if (r)
		return accept_fail(accept, r, "parked records");
	(void)now_ms;
	*ret_applied = applied;
	return 0;
}
