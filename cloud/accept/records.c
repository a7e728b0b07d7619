/* One record: who it is about, whether it may be taken, what it changes, how it ends. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cloud/accept/accept_priv.h"
#include "cloud/domain/freshness.h"

#define FUTURE_MS (INT64_C(300) * 1000)

static const char *const problem_malformed = "malformed";

/* Returns 1 where the device was not in the delivery yet, 0, or -EOVERFLOW. */
static int touch_device(struct delivery *delivery, int64_t device)
{
	size_t at = 0;

	while (at < delivery->device_count && delivery->devices[at] < device)
		at++;
	if (at < delivery->device_count && delivery->devices[at] == device)
		return 0;
	if (delivery->device_count == COREDB_BATCH_DEVICES)
		return -EOVERFLOW;
	memmove(&delivery->devices[at + 1], &delivery->devices[at],
		(delivery->device_count - at) * sizeof(delivery->devices[0]));
	delivery->devices[at] = device;
	delivery->device_count++;
	return 1;
}

static void span_mono(struct delivery *delivery, int64_t mono_us)
{
	if (mono_us == MODEL_NO_TIME)
		return;
	if (delivery->first_mono_us == MODEL_NO_TIME || mono_us < delivery->first_mono_us)
		delivery->first_mono_us = mono_us;
	if (delivery->last_mono_us == MODEL_NO_TIME || mono_us > delivery->last_mono_us)
		delivery->last_mono_us = mono_us;
}

/* Refuses a record: kept in the rejection log, counted, its neighbours go on. */
static int reject(struct accept *accept, struct delivery *delivery, int64_t device,
		  const char *about, const char *reason, const char *detail,
		  const struct model_text *raw)
{
	char source[200];
	int r;

	(void)snprintf(source, sizeof(source), "%s/%s%s%s", delivery->workspace_name,
		       delivery->gateway_name, about[0] ? "/" : "", about);
	r = accept_log_rejection(accept, delivery->workspace, delivery->gateway, source, reason,
				 detail, raw->data, raw->len, delivery->received_ms);
	return r ? r : accept_end(accept, delivery, device, ACCEPT_REJECTED, reason);
}

/* The parking of the workspace is full: that is loss, and is stated as a gap. */
static int park_overflow(struct accept *accept, const struct delivery *delivery)
{
	struct coredb_gap gap = {.workspace = delivery->workspace,
				 .gateway = delivery->gateway,
				 .first = delivery->number,
				 .last = delivery->number,
				 .records = 1,
				 .reason = "parked_full",
				 .detected_at_ms = delivery->received_ms,
				 .recovered_at_ms = MODEL_NO_TIME,
				 .from_mono_us = MODEL_NO_TIME,
				 .to_mono_us = MODEL_NO_TIME};

	return coredb_gap_overflow(accept->db, &gap);
}

static int park(struct accept *accept, struct delivery *delivery, int64_t device, const char *name,
		const char *reason, const char *vin, int position, const struct model_text *raw)
{
	struct coredb_parked row = {.workspace = delivery->workspace,
				    .gateway = delivery->gateway,
				    .device = device,
				    .device_name = name,
				    .reason = reason,
				    .batch = delivery->batch_row,
				    .number = delivery->number,
				    .boot = delivery->boot,
				    .position = position,
				    .received_ms = delivery->received_ms,
				    .vin = vin,
				    .record = raw->data,
				    .record_len = raw->len};
	int r = coredb_parked_add(accept->db, &row);
	if (r == -EDQUOT) {
		r = park_overflow(accept, delivery);
		if (r)
			return accept_fail(accept, r, "parking");
		return reject(accept, delivery, device, name, "parked_full",
			      "the workspace's parking is full", raw);
	}
	if (r)
		return accept_fail(accept, r, "parking");
	return accept_end(accept, delivery, device, ACCEPT_PARKED, reason);
}

/* The VIN that the record claims: its own, or the one among its fields. */
static void claimed_vin(const struct model_update *update, char vin[static MODEL_VIN_SIZE])
{
	const struct model_item *item = model_update_get(update, MODEL_FIELD_IDENTITY_VIN);

	memcpy(vin, update->vin, MODEL_VIN_SIZE);
	if (vin[0] || !item || item->null || item->value.as.text.len != MODEL_VIN_LEN)
		return;
	memcpy(vin, item->value.as.text.data, MODEL_VIN_LEN);
	vin[MODEL_VIN_LEN] = '\0';
}

static bool contradicts(const char *registered, const char *claimed)
{
	return registered[0] && claimed[0] && strcmp(registered, claimed) != 0;
}

static bool cell_is(const struct model_cell *cell, int64_t word)
{
	return cell->present && !cell->null && cell->value.as.integer == word;
}

/* A fact that holds since the moment at which it was first seen. */
static void note_fact(bool now, int64_t at_ms, bool *fact, int64_t *since_ms)
{
	if (now && !*fact)
		*since_ms = at_ms;
	if (!now)
		*since_ms = MODEL_NO_TIME;
	*fact = now;
}

/* When a cell was observed; MODEL_NO_TIME where nobody can date its boot. */
static int64_t observed_ms(struct accept *accept, const struct model_stamp *stamp)
{
	if (stamp->boot &&
	    coredb_anchor(&accept->anchors, stamp->boot, stamp->mono_us) == COREDB_UNDATED)
		return MODEL_NO_TIME;
	return model_effective_ms(stamp, coredb_anchor, &accept->anchors);
}

static void note_facts(struct accept *accept, struct cache_entry *entry)
{
	const struct model_cell *ignition = &entry->cells.cells[MODEL_FIELD_IGNITION];
	const struct model_cell *inventory = &entry->cells.cells[MODEL_FIELD_INVENTORY_STATE];
	int asleep = model_word_find(MODEL_WORDS_INVENTORY_STATE, "asleep", strlen("asleep"));

	note_fact(cell_is(ignition, MODEL_IGNITION_OFF), observed_ms(accept, &ignition->stamp),
		  &entry->state.ignition_off, &entry->state.ignition_since_ms);
	note_fact(cell_is(inventory, asleep), observed_ms(accept, &inventory->stamp),
		  &entry->state.asleep, &entry->state.asleep_since_ms);
}

/* What an accepted update says of the device's freshness. */
static void advance(struct accept *accept, struct cache_entry *entry,
		    const struct model_stamp *stamp, bool simulated)
{
	struct coredb_state *state = &entry->state;
	int64_t claim_ms = model_effective_ms(stamp, coredb_anchor, &accept->anchors);
	int64_t anchored_ms = coredb_anchor(&accept->anchors, stamp->boot, stamp->mono_us);

	state->last_accepted_at_ms = clock_wall_ms(accept->clock);
	if (simulated)
		state->simulated = true;
	/* What cannot be dated makes nothing fresh. */
	if (stamp->boot && anchored_ms == COREDB_UNDATED)
		return;
	claim_ms = freshness_claim_ms(claim_ms, stamp->received_ms);
	if (freshness_advance_ms(state->last_update_at_ms, claim_ms) != claim_ms)
		return;
	state->last_update_at_ms = claim_ms;
	state->last_received_at_ms = stamp->received_ms;
	state->observed_at_ms = stamp->boot ? anchored_ms : stamp->at_ms;
	if (stamp->at_ms != MODEL_NO_TIME && stamp->at_ms < state->observed_at_ms)
		state->observed_at_ms = stamp->at_ms;
	/* Nothing was observed after it was received, whatever a clock says. */
	if (state->observed_at_ms > stamp->received_ms)
		state->observed_at_ms = stamp->received_ms;
	state->boot = stamp->boot;
	state->mono_us = stamp->boot ? stamp->mono_us : 0;
	state->at_ms = stamp->at_ms;
}

static enum accept_outcome outcome_of(const struct model_merge_result *result, bool newer)
{
	if (result->count[MODEL_MERGE_NEWER] || result->nulled)
		return ACCEPT_ACCEPTED;
	if (result->count[MODEL_MERGE_COMPLETES] || result->count[MODEL_MERGE_OLDER])
		return ACCEPT_LATE;
	if (result->count[MODEL_MERGE_DUPLICATE])
		return ACCEPT_DUPLICATE;
	/* Nothing but a sign of life: as new as its time. */
	return newer ? ACCEPT_ACCEPTED : ACCEPT_LATE;
}

/* Is the update later than everything of the device so far? */
static bool is_newest(struct accept *accept, const struct cache_entry *entry,
		      const struct model_stamp *stamp)
{
	const struct model_stamp *newest = &entry->cells.newest;

	if (!entry->cells.merged)
		return true;
	if (stamp->boot && stamp->boot == newest->boot)
		return stamp->mono_us > newest->mono_us;
	return model_effective_ms(stamp, coredb_anchor, &accept->anchors) >
	       model_effective_ms(newest, coredb_anchor, &accept->anchors);
}

static struct model_stamp stamp_of(const struct delivery *delivery,
				   const struct model_update *update, int position)
{
	struct model_stamp stamp = {.boot = update->mono_us == MODEL_NO_TIME ? 0 : delivery->boot,
				    .mono_us = update->mono_us,
				    .at_ms = update->at_ms,
				    .received_ms = delivery->received_ms,
				    .batch = delivery->number,
				    .position = position};

	/* A source's own clock that is ahead: by a little it is cut to the receipt. */
	if (!stamp.boot && stamp.at_ms != MODEL_NO_TIME && stamp.at_ms > stamp.received_ms)
		stamp.at_ms = stamp.received_ms;
	return stamp;
}

static bool is_newest_update(struct accept *accept, const struct delivery *delivery,
			     const struct cache_entry *entry, const struct model_update *update,
			     int position)
{
	struct model_stamp stamp = stamp_of(delivery, update, position);

	return is_newest(accept, entry, &stamp);
}

static int merge(struct accept *accept, struct delivery *delivery, struct cache_entry *entry,
		 const struct model_update *update, int position, const struct model_text *raw,
		 enum accept_outcome *ret_outcome, const char **ret_reason)
{
	struct model_stamp stamp = stamp_of(delivery, update, position);
	struct model_merge_result result;
	bool newest;
	int r;

	own_clock_heal_device(entry, clock_wall_ms(accept->clock));
	newest = is_newest(accept, entry, &stamp);
	if (!delivery->by_spool && !newest && entry->cells.merged &&
	    model_effective_ms(&stamp, coredb_anchor, &accept->anchors) <
		    model_effective_ms(&entry->cells.newest, coredb_anchor, &accept->anchors)) {
		*ret_outcome = ACCEPT_STALE;
		*ret_reason = "";
		return accept_end(accept, delivery, entry->device.id, ACCEPT_STALE, "");
	}
	r = model_device_merge(&entry->cells, update, &stamp, coredb_anchor, &accept->anchors,
			       &result);
	if (r) {
		*ret_outcome = ACCEPT_REJECTED;
		*ret_reason = "too_large";
		return reject(accept, delivery, entry->device.id, entry->device.name, "too_large",
			      "more sources or texts than a device can hold", raw);
	}
	entry->dirty = true;
	*ret_reason = "";
	*ret_outcome = outcome_of(&result, newest);
	if (*ret_outcome == ACCEPT_ACCEPTED) {
		entry->state.gateway = delivery->gateway;
		advance(accept, entry, &stamp, update->simulated || entry->device.simulated);
	}
	note_facts(accept, entry);
	if (entry->state.contact_at_ms < delivery->received_ms)
		entry->state.contact_at_ms = delivery->received_ms;
	r = touch_device(delivery, entry->device.id);
	if (r == 1 && delivery->gateway)
		r = accept_fed(accept, delivery, entry,
			       model_effective_ms(&stamp, coredb_anchor, &accept->anchors));
	return r < 0 ? r : accept_end(accept, delivery, entry->device.id, *ret_outcome, "");
}

/* Who is meant by a name that this workspace does not know? */
static int handle_unknown(struct accept *accept, struct delivery *delivery, const char *name,
			  const char *vin, int position, const struct model_text *raw,
			  enum accept_outcome *ret_outcome, const char **ret_reason)
{
	int r = coredb_device_elsewhere(accept->db, delivery->workspace, name);

	if (r < 0)
		return accept_fail(accept, r, "device");
	if (r == 1) {
		*ret_outcome = ACCEPT_REJECTED;
		*ret_reason = "wrong_workspace";
		return reject(accept, delivery, 0, name, "wrong_workspace",
			      "the device is not one of this workspace", raw);
	}
	*ret_outcome = ACCEPT_PARKED;
	*ret_reason = "unknown_device";
	return park(accept, delivery, 0, name, "unknown_device", vin, position, raw);
}

static int find_entry(struct accept *accept, const struct delivery *delivery,
		      const struct model_update *update, struct cache_entry **ret_entry)
{
	struct coredb_device device;
	int r;

	if (update->device_id[0])
		return cache_get(accept->cache, accept->db, delivery->workspace, update->device_id,
				 ret_entry);
	r = coredb_device_find_external(accept->db, delivery->workspace, update->provider,
					update->external_id, &device);
	return r ? r
		 : cache_get(accept->cache, accept->db, delivery->workspace, device.name,
			     ret_entry);
}

int accept_apply(struct accept *accept, struct delivery *delivery,
		 const struct model_update *update, int position, const struct model_text *raw,
		 enum accept_outcome *ret_outcome, const char **ret_reason)
{
	const char *name = update->device_id[0] ? update->device_id : update->external_id;
	struct cache_entry *entry = NULL;
	enum accept_outcome outcome = ACCEPT_REJECTED;
	const char *reason = "";
	char vin[MODEL_VIN_SIZE];
	int r;

	claimed_vin(update, vin);
	r = find_entry(accept, delivery, update, &entry);
	if (r == -ENOENT) {
		r = handle_unknown(accept, delivery, name, vin, position, raw, &outcome, &reason);
	} else if (r) {
		return accept_fail(accept, r, "device");
	} else if (contradicts(entry->device.vin, vin)) {
		/* What was read long ago tells nothing of which vehicle answers now. */
		if (is_newest_update(accept, delivery, entry, update, position)) {
			entry->state.vin_mismatch_at_ms = clock_wall_ms(accept->clock);
			entry->dirty = true;
		}
		outcome = ACCEPT_PARKED;
		reason = "vin_mismatch";
		r = park(accept, delivery, entry->device.id, entry->device.name, reason, vin,
			 position, raw);
	} else if (update->mono_us == MODEL_NO_TIME && update->at_ms != MODEL_NO_TIME &&
		   update->at_ms > delivery->received_ms + FUTURE_MS) {
		reason = "future";
		r = reject(accept, delivery, entry->device.id, entry->device.name, reason,
			   "observed more than 300 s after it was received", raw);
	} else {
		r = merge(accept, delivery, entry, update, position, raw, &outcome, &reason);
	}
	if (ret_outcome)
		*ret_outcome = outcome;
	if (ret_reason)
		*ret_reason = reason;
	return r;
}

/* An implausible field was nulled; its record stays. It is counted, and listed once a device. */
static int note_implausible(struct accept *accept, struct delivery *delivery, const char *name)
{
	const struct wire_record *record = &accept->record;
	char source[200];
	int r;

	(void)snprintf(source, sizeof(source), "%s/%s/%s", delivery->workspace_name,
		       delivery->gateway_name, name);
	r = accept_log_rejection(accept, delivery->workspace, delivery->gateway, source,
				 "implausible", record->first_problem, record->first_problem,
				 strlen(record->first_problem), delivery->received_ms);
	if (r)
		return r;
	return accept_count(accept, delivery->workspace, delivery->gateway, 0, "field_nulled",
			    "implausible", record->implausible);
}

static int take_update(struct accept *accept, struct delivery *delivery,
		       const struct model_text *raw, int position)
{
	const struct model_update *update = &accept->record.update;
	int r;

	/* Its receipt says nothing of when it was read: it may come from a spool, hours late. */
	if (delivery->by_spool && update->mono_us == MODEL_NO_TIME &&
	    update->at_ms == MODEL_NO_TIME)
		return reject(accept, delivery, 0, update->device_id, problem_malformed,
			      "an update of a batch has neither mono_us nor at: nobody can date it",
			      raw);
	span_mono(delivery, update->mono_us);
	if (accept->record.implausible) {
		r = note_implausible(accept, delivery, update->device_id);
		if (r)
			return r;
	}
	return accept_apply(accept, delivery, update, position, raw, NULL, NULL);
}

static int take_envelope(struct accept *accept, struct delivery *delivery,
			 const struct model_text *raw, int position)
{
	const struct wire_envelope *envelope = &accept->record.envelope;

	span_mono(delivery, envelope->mono_us);
	return park(accept, delivery, 0, envelope->external_id, "unsupported_provider", "",
		    position, raw);
}

/* What a notice says, into the ledger of its epoch, and the gaps that follow. */
static int enter_notice(struct accept *accept, struct delivery *delivery, struct ledger *ledger,
			const struct model_text *raw)
{
	const struct wire_record *record = &accept->record;
	int r;

	if (record->kind == WIRE_DROPPED)
		r = ledger_dropped(accept, ledger, &record->dropped, delivery->received_ms);
	else
		r = ledger_end(accept, ledger, &record->epoch_end, delivery->received_ms);
	if (r == -EDOM)
		return reject(accept, delivery, 0, "", problem_malformed, "ranges that are none",
			      raw);
	if (!r)
		r = ledger_close(accept, ledger, delivery->received_ms);
	return r ? r : accept_end(accept, delivery, 0, ACCEPT_ACCEPTED, "notice");
}

/* A notice of loss: of another epoch of the same gateway, or of the batch's own, whose row is written
 * once more when the batch is through: there must be only one copy of it. */
static int take_notice(struct accept *accept, struct delivery *delivery,
		       const struct model_text *raw)
{
	const struct wire_record *record = &accept->record;
	const char *name =
		record->kind == WIRE_DROPPED ? record->dropped.epoch : record->epoch_end.epoch;
	struct ledger *own = delivery->ledger;
	struct ledger other;
	int r;

	if (own && strcmp(own->epoch.name, name) == 0) {
		const char *reason = own->reason;

		r = enter_notice(accept, delivery, own, raw);
		own->reason = reason;
		own->records = -1;
		own->from_mono_us = MODEL_NO_TIME;
		own->to_mono_us = MODEL_NO_TIME;
		return r;
	}
	r = ledger_open(accept, delivery->workspace, delivery->gateway, name, delivery->received_ms,
			&other);
	if (r)
		return r;
	r = enter_notice(accept, delivery, &other, raw);
	ledger_free(&other);
	return r;
}

int accept_record(struct accept *accept, struct delivery *delivery, const struct jr_value *json,
		  struct model_text raw, int position)
{
	char problem[160] = "";
	int r;

	model_update_init(&accept->record.update, &accept->room);
	r = wire_record_decode(json, &accept->record, problem, sizeof(problem));
	if (r == -ENOMEM)
		return r;
	if (r) {
		const char *reason = r == -EMSGSIZE ? "too_large" : problem_malformed;

		return reject(accept, delivery, 0, "", reason, problem, &raw);
	}
	switch (accept->record.kind) {
	case WIRE_UPDATE:
		return take_update(accept, delivery, &raw, position);
	case WIRE_ENVELOPE:
		return take_envelope(accept, delivery, &raw, position);
	case WIRE_DROPPED:
	case WIRE_EPOCH_END:
		break;
	}
	return take_notice(accept, delivery, &raw);
}
