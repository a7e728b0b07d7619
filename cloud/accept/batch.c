/* A batch: taken apart, ordered in its epoch, its records taken one by one, kept whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/intake.h"
#include "cloud/accept/sets.h"

/* Numbers past this are no honest count of batches; intervals need room above. */
#define NUMBER_MAX (INT64_C(1) << 62)
/* How long a gateway keeps a deferred batch before it offers it again. */
#define DEFER_S 600

/* The answer of this gateway, session and epoch that is being gathered. */
static struct pending_ack *find_ack(struct accept *accept, const struct intake *in)
{
	for (struct pending_ack *ack = accept->acks; ack; ack = ack->next) {
		if (ack->gateway_row == in->gateway.id &&
		    strcmp(ack->epoch, in->header.epoch) == 0 &&
		    strcmp(ack->session, in->header.session) == 0)
			return ack;
	}
	return NULL;
}

static struct pending_ack *new_ack(struct accept *accept, const struct intake *in)
{
	struct pending_ack *ack = calloc(1, sizeof(*ack));

	if (!ack)
		return NULL;
	ack->gateway_row = in->gateway.id;
	memcpy(ack->workspace, in->workspace.name, sizeof(ack->workspace));
	memcpy(ack->gateway, in->gateway.name, sizeof(ack->gateway));
	memcpy(ack->session, in->header.session, sizeof(ack->session));
	memcpy(ack->epoch, in->header.epoch, sizeof(ack->epoch));
	intervals_init(&ack->committed, ack->items, WIRE_RANGES_MAX);
	ack->next = accept->acks;
	accept->acks = ack;
	return ack;
}

static int answer_committed(struct accept *accept, const struct intake *in)
{
	struct pending_ack *ack = find_ack(accept, in);

	if (!ack)
		ack = new_ack(accept, in);
	if (!ack)
		return -ENOMEM;
	if (intervals_add(&ack->committed, in->header.batch, in->header.batch) == 0)
		return 0;
	/* Full: the next one takes its place at the head of the list. */
	ack = new_ack(accept, in);
	if (!ack)
		return -ENOMEM;
	return intervals_add(&ack->committed, in->header.batch, in->header.batch) ? -EINVAL : 0;
}

static int answer_deferred(struct accept *accept, const struct intake *in, const char *reason,
			   int64_t retry_after_s)
{
	struct pending_ack *ack = find_ack(accept, in);
	struct wire_deferred *deferred;

	if (!ack || ack->deferred_count == WIRE_DEFERRED_MAX)
		ack = new_ack(accept, in);
	if (!ack)
		return -ENOMEM;
	deferred = &ack->deferred[ack->deferred_count++];
	deferred->batch = in->header.batch;
	deferred->retry_after_s = retry_after_s;
	(void)snprintf(deferred->reason, sizeof(deferred->reason), "%s", reason);
	return 0;
}

/* Kept in the rejection log, and counted by `outcome`. */
static int log_refusal(struct intake *in, const char *outcome, const char *reason,
		       const char *detail)
{
	struct accept *accept = in->accept;
	char source[200];
	int r;

	(void)snprintf(source, sizeof(source), "freshet/v1/%s/%s/data", in->workspace.name,
		       in->gateway.name);
	r = accept_count(accept, in->workspace.id, in->gateway.id, 0, outcome, reason, 1);
	if (r)
		return r;
	return accept_log_rejection(accept, in->workspace.id, in->gateway.id, source, reason,
				    detail, in->payload, in->len, in->received_ms);
}

static int refuse(struct intake *in, const char *reason, const char *detail,
		  struct accept_batch_result *result)
{
	result->answer = ACCEPT_REFUSED;
	result->outcomes[ACCEPT_REJECTED]++;
	in->accept->uncommitted.records[ACCEPT_REJECTED]++;
	return log_refusal(in, "rejected", reason, detail);
}

/* Not taken as it is, but its sender can be answered: without an answer it would send the batch again
 * and again as fast as its time-outs allow. It keeps it, and asks later whether it is wanted. */
static int defer(struct intake *in, const char *reason, const char *detail,
		 struct accept_batch_result *result)
{
	int r = log_refusal(in, "deferred", reason, detail);

	result->answer = ACCEPT_DEFERRED;
	return r ? r : answer_deferred(in->accept, in, reason, DEFER_S);
}

/* The first word of an epoch. */
static int tell_epoch(const struct intake *in)
{
	char payload[320];
	struct coredb_event event = {.workspace = in->workspace.id,
				     .name = "GatewayEpochBegan",
				     .occurred_at_ms = in->received_ms,
				     .payload = payload};

	(void)snprintf(
		payload, sizeof(payload),
		"{\"gateway_id\":\"%s\",\"epoch\":\"%s\",\"prev\":%s%s%s,\"boot_id\":\"%s\"}",
		in->gateway.name, in->header.epoch, in->header.prev[0] ? "\"" : "",
		in->header.prev[0] ? in->header.prev : "null", in->header.prev[0] ? "\"" : "",
		in->header.boot.id);
	return coredb_event_add(in->accept->db, &event);
}

/* Loss is told on the live lane whenever it happened: of a machine that runs it says nothing. */
static bool is_live(const struct wire_header *header)
{
	return header->lane == WIRE_LANE_LIVE && header->class != WIRE_CLASS_LEDGER &&
	       header->boot.sent_mono_us != MODEL_NO_TIME;
}

static int update_epoch(struct intake *in)
{
	struct coredb_epoch *epoch = &in->ledger.epoch;
	const struct wire_header *header = &in->header;
	int r = epoch->committed.count == 0 ? tell_epoch(in) : 0;

	epoch->boot = in->boot.id;
	epoch->heard_at_ms = in->received_ms;
	epoch->asked_at_ms = MODEL_NO_TIME;
	if (epoch->abandoned) {
		epoch->abandoned = false;
		in->ledger.lost_changed = true;
	}
	/* A number past the last that was made: what ended lives a second time. */
	if (epoch->over && epoch->end >= 0 && header->batch >= epoch->end && !epoch->forked) {
		epoch->forked = true;
		in->ledger.lost_changed = true;
	}
	if (header->batch > epoch->highest) {
		epoch->highest = header->batch;
		in->ledger.lost_changed |= epoch->over && epoch->end < 0;
	}
	if (!r && header->prev[0] && strcmp(header->prev, epoch->prev) != 0) {
		memcpy(epoch->prev, header->prev, sizeof(epoch->prev));
		r = coredb_epoch_chain(in->accept->db, in->gateway.id, header->prev, epoch->id,
				       in->received_ms);
	}
	if (r)
		return accept_fail(in->accept, r, "epoch");
	r = duplicate_heard(in->accept, &in->workspace, &in->gateway, header->session,
			    is_live(header) ? epoch : NULL, in->received_ms);
	if (is_live(header))
		epoch->live_at_ms = in->received_ms;
	return r;
}

static int64_t at_or(const struct intake *in, int64_t mono_us)
{
	int64_t ms = anchor_wall_ms(in->boot.held_offset_ms, mono_us);

	return ms == MODEL_NO_TIME || ms > in->received_ms ? in->received_ms : ms;
}

static int keep_batch(struct intake *in)
{
	const struct delivery *delivery = &in->delivery;
	const char *line_end = memchr(in->payload, '\n', in->len);
	const char *body = line_end ? line_end + 1 : in->payload + in->len;
	const struct coredb_batch row = {
		.id = delivery->batch_row,
		.workspace = in->workspace.id,
		.gateway = in->gateway.id,
		.epoch = in->ledger.epoch.id,
		.number = in->header.batch,
		.boot = in->boot.id,
		.class = (int)in->header.class,
		.received_ms = in->received_ms,
		.first_mono_us = delivery->first_mono_us,
		.last_mono_us = delivery->last_mono_us,
		.first_at_ms = at_or(in, delivery->first_mono_us),
		.last_at_ms = at_or(in, delivery->last_mono_us),
		.records = in->header.count,
		.accepted = delivery->outcomes[ACCEPT_ACCEPTED],
		.late = delivery->outcomes[ACCEPT_LATE],
		.duplicate = delivery->outcomes[ACCEPT_DUPLICATE],
		.parked = delivery->outcomes[ACCEPT_PARKED],
		.rejected = delivery->outcomes[ACCEPT_REJECTED],
		.devices = delivery->devices,
		.device_count = delivery->device_count,
		.packing = (int)in->header.body,
		.body = body,
		.len = in->len - (size_t)(body - in->payload),
	};
	int r = coredb_batch_add(in->accept->db, &row);

	return r ? accept_fail(in->accept, r, "history") : 0;
}

/* What was lost beside this batch was read before or after it. */
static int bound_neighbours(struct intake *in)
{
	const struct coredb_epoch *epoch = &in->ledger.epoch;
	const struct delivery *delivery = &in->delivery;
	int64_t number = in->header.batch;
	bool beside = set_ranges_contain(&epoch->lost, number - 1) ||
		      set_ranges_contain(&epoch->lost, number + 1) ||
		      (number == epoch->highest && (epoch->over || epoch->abandoned));

	if (!beside || delivery->first_mono_us == MODEL_NO_TIME)
		return 0;
	return coredb_gap_tighten(in->accept->db, epoch->id, number, delivery->first_mono_us,
				  delivery->last_mono_us);
}

/* The ledger's side of a body that is applied now. */
static int note_commit(struct intake *in)
{
	struct coredb *db = in->accept->db;
	struct coredb_epoch *epoch = &in->ledger.epoch;
	int64_t first_us = in->delivery.first_mono_us;
	int r = ledger_commit(&in->ledger, in->header.batch);

	if (first_us != MODEL_NO_TIME &&
	    (epoch->first_mono_us == MODEL_NO_TIME || first_us < epoch->first_mono_us))
		epoch->first_mono_us = first_us;
	if (!r)
		r = coredb_digest_put(db, epoch->id, in->header.batch, intake_digest(in),
				      in->delivery.batch_row);
	if (!r && in->header.batch % 256 == 0)
		r = coredb_digest_prune(db, epoch->id, epoch->highest - COREDB_DIGESTS + 1);
	if (!r)
		r = bound_neighbours(in);
	return r ? accept_fail(in->accept, r, "ledger") : 0;
}

static int take_records(struct intake *in)
{
	size_t count = wire_batch_count(in->batch);
	int r = 0;

	for (size_t i = 0; i < count && !r; i++)
		r = accept_record(in->accept, &in->delivery, wire_batch_at(in->batch, i),
				  wire_batch_raw(in->batch, i), (int)i);
	return r;
}

static void start_delivery(struct intake *in)
{
	struct delivery *delivery = &in->delivery;

	delivery->workspace = in->workspace.id;
	delivery->gateway = in->gateway.id;
	delivery->workspace_name = in->workspace.name;
	delivery->gateway_name = in->gateway.name;
	delivery->boot = in->boot.id;
	delivery->number = in->header.batch;
	delivery->epoch = in->ledger.epoch.id;
	delivery->ledger = &in->ledger;
	delivery->received_ms = in->received_ms;
	delivery->by_spool = true;
	delivery->first_mono_us = MODEL_NO_TIME;
	delivery->last_mono_us = MODEL_NO_TIME;
}

/* Its body cannot be read, but its digest says that this is what the gateway made: sending it again
 * will not mend it. It is committed as refused, so that the stream goes on. */
static int take_unreadable(struct intake *in, const char *reason, const char *detail)
{
	struct accept_batch_result ignored = {0};
	int r = refuse(in, reason, detail, &ignored);

	in->delivery.outcomes[ACCEPT_REJECTED] +=
		in->header.count > 0 ? (unsigned)in->header.count : 1;
	return r;
}

static int apply(struct intake *in, const char *problem, const char *detail)
{
	int r;

	start_delivery(in);
	r = coredb_batch_next(in->accept->db, &in->delivery.batch_row);
	if (r)
		return accept_fail(in->accept, r, "history");
	r = problem ? take_unreadable(in, problem, detail) : take_records(in);
	if (!r && boot_span(&in->boot, &in->delivery))
		r = coredb_boot_put(in->accept->db, &in->boot);
	if (!r)
		r = note_commit(in);
	return r ? r : keep_batch(in);
}

/* From here on the batch is known by epoch, number and digest. */
static int take(struct intake *in, const char *problem, const char *detail,
		struct accept_batch_result *result)
{
	struct accept *accept = in->accept;
	bool wanted;
	int r;

	r = ledger_open(accept, in->workspace.id, in->gateway.id, in->header.epoch, in->received_ms,
			&in->ledger);
	if (!r)
		r = boot_learn(accept, in->gateway.id, &in->header.boot, in->received_ms,
			       &in->boot);
	if (!r)
		r = update_epoch(in);
	if (!r)
		r = intake_judge(in, &wanted);
	if (r)
		return r;
	result->answer = wanted ? ACCEPT_COMMITTED : ACCEPT_AGAIN;
	if (wanted)
		r = apply(in, problem, detail);
	else
		r = accept_count(accept, in->workspace.id, in->gateway.id, 0, "duplicate", "batch",
				 1);
	memcpy(result->outcomes, in->delivery.outcomes, sizeof(result->outcomes));
	if (!r)
		r = ledger_raise_floor(&in->ledger, in->header.floor);
	if (!r)
		r = ledger_close(accept, &in->ledger, in->received_ms);
	return r ? r : answer_committed(accept, in);
}

static bool numbers_are_sane(const struct wire_header *header)
{
	return header->batch >= 1 && header->batch < NUMBER_MAX && header->floor < NUMBER_MAX &&
	       header->epoch[0] != '\0';
}

static int take_decoded(struct intake *in, enum wire_problem problem, const char *detail,
			struct accept_batch_result *result)
{
	bool named = numbers_are_sane(&in->header);
	const char *reason = wire_problem_name(problem);

	switch (problem) {
	case WIRE_OK:
		if (!named)
			return refuse(in, "malformed", "epoch or numbers out of range", result);
		return take(in, NULL, NULL, result);
	case WIRE_BAD_COMPRESSION:
	case WIRE_BAD_BODY:
		if (named && in->header.boot.id[0])
			return take(in, "malformed", detail, result);
		reason = "malformed";
		break;
	case WIRE_NO_HEADER:
		reason = "malformed";
		break;
	case WIRE_NO_MEMORY:
		return -ENOMEM;
	case WIRE_BAD_VERSION:
	case WIRE_TOO_LARGE:
	case WIRE_BAD_DIGEST:
		break;
	}
	return named ? defer(in, reason, detail, result) : refuse(in, reason, detail, result);
}

static int identify(struct intake *in, const char *workspace, const char *gateway,
		    struct accept_batch_result *result)
{
	int r = gateway_identify(in->accept, workspace, gateway, &in->workspace, &in->gateway);
	char source[200];

	if (r != -ENOENT)
		return r;
	(void)snprintf(source, sizeof(source), "freshet/v1/%s/%s/data", workspace, gateway);
	result->answer = ACCEPT_REFUSED;
	r = accept_foreign(in->accept, source, "unknown_gateway",
			   "no gateway of that name is registered", in->payload, in->len,
			   in->received_ms);
	return r ? r : 1;
}

int accept_batch(struct accept *accept, const char *workspace, const char *gateway,
		 const void *payload, size_t len, int64_t received_ms,
		 struct accept_batch_result *ret_result)
{
	struct accept_batch_result result = {.answer = ACCEPT_REFUSED};
	enum wire_problem problem;
	char detail[160] = "";
	struct intake *in;
	int r = accept_begin(accept);

	if (r)
		return r;
	in = calloc(1, sizeof(*in));
	if (!in)
		return -ENOMEM;
	in->accept = accept;
	in->payload = payload;
	in->len = len;
	in->received_ms = received_ms;
	r = identify(in, workspace, gateway, &result);
	if (r)
		goto out;
	r = gateway_contact(accept, in->gateway.id, received_ms);
	if (r)
		goto out;
	problem = wire_batch_decode(accept->unpacker, payload, len, &in->header, &in->batch, detail,
				    sizeof(detail));
	if (problem == WIRE_NO_HEADER && len > WIRE_BATCH_BYTES_MAX)
		problem = WIRE_TOO_LARGE;
	r = take_decoded(in, problem, detail, &result);
	if (!r)
		accept->uncommitted.batches[result.answer]++;
out:
	wire_batch_free(in->batch);
	ledger_free(&in->ledger);
	free(in);
	if (r < 0)
		return r;
	*ret_result = result;
	return 0;
}
