#include "model/wire/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "model/wire/member_priv.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A payload that is being read: its document, and the reader of its object. */
struct payload {
	struct jr_doc *doc;
	struct member_reader r;
};

/* Parses and checks the version; always ended by payload_close(). */
static void payload_open(struct payload *p, const void *data, size_t len, char *problem,
			 size_t problem_size)
{
	struct jr_error error;
	int64_t version = 0;
	int status;

	*p = (struct payload){.r = {.problem = problem, .problem_size = problem_size}};
	if (len > WIRE_BATCH_BYTES_MAX) {
		member_fail(&p->r, -EMSGSIZE, "more than %zu bytes", WIRE_BATCH_BYTES_MAX);
		return;
	}
	status = jr_parse(data, len, &p->doc, &error);
	if (status == -EINVAL)
		member_fail(&p->r, status, "byte %zu: %s", error.offset, error.message);
	else if (status != 0)
		member_fail(&p->r, status, "no memory");
	p->r.object = jr_root(p->doc);
	if (jr_type(p->r.object) != JR_OBJECT)
		member_fail(&p->r, -EINVAL, "expected an object");
	member_integer(&p->r, "v", WIRE_VERSION, WIRE_VERSION, &version);
}

static int payload_close(struct payload *p)
{
	jr_free(p->doc);
	return p->r.error;
}

/* The elements of a list member; 0 where it is absent. */
static size_t open_list(struct member_reader *r, const char *key, size_t max,
			const struct jr_value **ret_list)
{
	const struct jr_value *list = r->error ? NULL : jr_get(r->object, key);
	size_t count = jr_count(list);

	*ret_list = list;
	if (jr_type(list) != JR_ARRAY && jr_type(list) != JR_NONE && jr_type(list) != JR_NULL)
		member_fail(r, -EINVAL, "%s: expected a list", key);
	else if (count > max)
		member_fail(r, -EMSGSIZE, "%s: more than %zu", key, max);
	return r->error ? 0 : count;
}

/* A reader of an element of a list, or of a member that is an object. */
static struct member_reader inner(const struct member_reader *r, const struct jr_value *object)
{
	struct member_reader in = *r;

	in.object = object;
	if (jr_type(object) != JR_OBJECT)
		member_fail(&in, -EINVAL, "expected an object inside");
	return in;
}

void wire_ack_encode(struct jw *w, const struct wire_ack *ack)
{
	jw_open_object(w);
	jw_int(w, "v", WIRE_VERSION);
	jw_time(w, "at", ack->at_ms);
	if (ack->session[0] != '\0')
		jw_text(w, "session", ack->session);
	jw_text(w, "epoch", ack->epoch);
	member_ranges_encode(w, "committed", ack->committed, ack->committed_count);
	jw_key(w, "ask");
	jw_open_array(w);
	for (size_t i = 0; i < ack->ask_count; i++)
		jw_put_text(w, ack->ask[i]);
	jw_close_array(w);
	jw_key(w, "deferred");
	jw_open_array(w);
	for (size_t i = 0; i < ack->deferred_count; i++) {
		jw_open_object(w);
		jw_int(w, "batch", ack->deferred[i].batch);
		jw_text(w, "reason", ack->deferred[i].reason);
		jw_int(w, "retry_after_s", ack->deferred[i].retry_after_s);
		jw_close_object(w);
	}
	jw_close_array(w);
	jw_close_object(w);
}

static void read_asked(struct member_reader *r, struct wire_ack *ack)
{
	const struct jr_value *list;
	size_t count = open_list(r, "ask", WIRE_ASK_MAX, &list);

	for (size_t i = 0; i < count; i++)
		if (!jr_string_copy(jr_at(list, i), ack->ask[i], sizeof(ack->ask[i])) ||
		    !ids_valid(ack->ask[i], strlen(ack->ask[i])))
			member_fail(r, -EINVAL, "ask: expected ids of epochs");
	ack->ask_count = count;
}

static void read_deferred(struct member_reader *r, struct wire_ack *ack)
{
	const struct jr_value *list;
	size_t count = open_list(r, "deferred", WIRE_DEFERRED_MAX, &list);

	for (size_t i = 0; i < count; i++) {
		struct member_reader in = inner(r, jr_at(list, i));
		struct wire_deferred *deferred = &ack->deferred[i];

		member_integer(&in, "batch", 1, INT64_MAX, &deferred->batch);
		member_id(&in, "reason", deferred->reason, sizeof(deferred->reason));
		member_integer_or(&in, "retry_after_s", 0, INT32_MAX, 0, &deferred->retry_after_s);
		r->error = in.error;
	}
	ack->deferred_count = count;
}

int wire_ack_decode(const void *payload, size_t len, struct wire_ack *ret_ack, char *problem,
		    size_t problem_size)
{
	struct wire_ack ack = {.at_ms = 0};
	struct payload p;

	payload_open(&p, payload, len, problem, problem_size);
	member_time(&p.r, "at", &ack.at_ms);
	member_id_or_none(&p.r, "session", ack.session, sizeof(ack.session));
	member_id(&p.r, "epoch", ack.epoch, sizeof(ack.epoch));
	member_ranges(&p.r, "committed", ack.committed, COUNT(ack.committed), &ack.committed_count);
	read_asked(&p.r, &ack);
	read_deferred(&p.r, &ack);
	if (p.r.error == 0)
		*ret_ack = ack;
	return payload_close(&p);
}

static const char *const link_states[] = {"offline", "online"};

void wire_link_encode(struct jw *w, const struct wire_link *link)
{
	jw_open_object(w);
	jw_int(w, "v", WIRE_VERSION);
	jw_text(w, "session", link->session);
	jw_text(w, "state", link_states[link->online]);
	jw_close_object(w);
}

int wire_link_decode(const void *payload, size_t len, struct wire_link *ret_link, char *problem,
		     size_t problem_size)
{
	struct wire_link link = {.online = false};
	struct payload p;

	payload_open(&p, payload, len, problem, problem_size);
	member_id(&p.r, "session", link.session, sizeof(link.session));
	link.online = member_word(&p.r, "state", link_states, COUNT(link_states)) == 1;
	if (p.r.error == 0)
		*ret_link = link;
	return payload_close(&p);
}

static const char *const source_states[] = {
	[WIRE_SOURCE_OK] = "ok",
	[WIRE_SOURCE_SILENT] = "silent",
	[WIRE_SOURCE_ERROR] = "error",
};

static void encode_vehicle(struct jw *w, const struct wire_vehicle *vehicle)
{
	jw_key(w, "vehicle");
	jw_open_object(w);
	jw_text(w, "profile", vehicle->profile);
	jw_text(w, "activity", vehicle->activity);
	if (vehicle->vin_judgement[0] != '\0')
		jw_text(w, "vin_judgement", vehicle->vin_judgement);
	if (vehicle->missing[0] != '\0')
		jw_text(w, "missing", vehicle->missing);
	jw_num(w, "bus_load_pct", vehicle->bus_load_pct);
	jw_int(w, "looks_today", vehicle->looks_today);
	jw_int(w, "wake_budget", vehicle->wake_budget);
	jw_int(w, "refused_total", (int64_t)vehicle->refused_total);
	jw_key(w, "refused");
	jw_open_array(w);
	for (size_t i = 0; i < vehicle->refused_count; i++) {
		jw_open_object(w);
		jw_text(w, "command", vehicle->refused[i].what);
		jw_text(w, "reason", vehicle->refused[i].reason);
		jw_close_object(w);
	}
	jw_close_array(w);
	jw_close_object(w);
}

static void encode_source(struct jw *w, const struct wire_source *source)
{
	jw_open_object(w);
	jw_text(w, "name", source->name);
	jw_text(w, "kind", source->kind);
	if (source->device_id[0] != '\0')
		jw_text(w, "device_id", source->device_id);
	jw_text(w, "state", source_states[source->state]);
	if (source->reason[0] != '\0')
		jw_text(w, "reason", source->reason);
	if (source->detail[0] != '\0')
		jw_text(w, "detail", source->detail);
	jw_time(w, "since", source->since_ms);
	jw_time(w, "last_ok_at", source->last_ok_at_ms);
	if (source->vehicle.profile[0] != '\0')
		encode_vehicle(w, &source->vehicle);
	jw_close_object(w);
}

static void encode_spool(struct jw *w, const struct wire_status *status)
{
	jw_key(w, "spool");
	jw_open_object(w);
	jw_int(w, "young", status->spool_young);
	jw_int(w, "batches", status->spool_batches);
	jw_int(w, "bytes", status->spool_bytes);
	jw_time(w, "oldest_at", status->spool_oldest_at_ms);
	jw_int(w, "dropped_total", status->spool_dropped_total);
	jw_int(w, "written_bytes_today", status->spool_written_bytes_today);
	jw_close_object(w);
}

void wire_status_encode(struct jw *w, const struct wire_status *status)
{
	jw_open_object(w);
	jw_int(w, "v", WIRE_VERSION);
	jw_text(w, "agent_version", status->agent_version);
	jw_text(w, "board", status->board);
	jw_text(w, "boot_id", status->boot_id);
	jw_int(w, "uptime_s", status->uptime_s);
	jw_text(w, "clock", clock_quality_name(status->clock));
	encode_spool(w, status);
	jw_key(w, "sources");
	jw_open_array(w);
	for (size_t i = 0; i < status->source_count; i++)
		encode_source(w, &status->sources[i]);
	jw_close_array(w);
	jw_key(w, "certificates");
	jw_open_array(w);
	for (size_t i = 0; i < status->certificate_count; i++) {
		jw_open_object(w);
		jw_text(w, "name", status->certificates[i].name);
		jw_time(w, "expires_at", status->certificates[i].expires_at_ms);
		jw_close_object(w);
	}
	jw_close_array(w);
	jw_time(w, "sent_at", status->sent_at_ms);
	jw_close_object(w);
}

static void read_source(struct member_reader *r, struct wire_source *source)
{
	member_id(r, "name", source->name, sizeof(source->name));
	member_id(r, "kind", source->kind, sizeof(source->kind));
	member_id_or_none(r, "device_id", source->device_id, sizeof(source->device_id));
	source->state = (enum wire_source_state)member_word(r, "state", source_states,
							    COUNT(source_states));
	member_id_or_none(r, "reason", source->reason, sizeof(source->reason));
	member_text_or_none(r, "detail", source->detail, sizeof(source->detail));
	member_time_or_none(r, "since", &source->since_ms);
	member_time_or_none(r, "last_ok_at", &source->last_ok_at_ms);
}

static void read_sources(struct member_reader *r, struct wire_status *status)
{
	const struct jr_value *list;
	size_t count = open_list(r, "sources", WIRE_SOURCES_MAX, &list);

	for (size_t i = 0; i < count; i++) {
		struct member_reader in = inner(r, jr_at(list, i));

		read_source(&in, &status->sources[i]);
		r->error = in.error;
	}
	status->source_count = count;
}

static void read_certificates(struct member_reader *r, struct wire_status *status)
{
	const struct jr_value *list;
	size_t count = open_list(r, "certificates", WIRE_CERTIFICATES_MAX, &list);

	for (size_t i = 0; i < count; i++) {
		struct member_reader in = inner(r, jr_at(list, i));
		struct wire_certificate *certificate = &status->certificates[i];

		member_id(&in, "name", certificate->name, sizeof(certificate->name));
		member_time_or_none(&in, "expires_at", &certificate->expires_at_ms);
		r->error = in.error;
	}
	status->certificate_count = count;
}

static void read_spool(struct member_reader *r, struct wire_status *status)
{
	struct member_reader in = inner(r, r->error ? NULL : jr_get(r->object, "spool"));

	member_integer(&in, "young", 0, INT64_MAX, &status->spool_young);
	member_integer(&in, "batches", 0, INT64_MAX, &status->spool_batches);
	member_integer(&in, "bytes", 0, INT64_MAX, &status->spool_bytes);
	member_time_or_none(&in, "oldest_at", &status->spool_oldest_at_ms);
	member_integer(&in, "dropped_total", 0, INT64_MAX, &status->spool_dropped_total);
	member_integer(&in, "written_bytes_today", 0, INT64_MAX,
		       &status->spool_written_bytes_today);
	r->error = in.error;
}

static void read_clock(struct member_reader *r, enum clock_quality *quality)
{
	char name[16] = "";

	member_id(r, "clock", name, sizeof(name));
	if (!r->error && clock_quality_parse(name, quality) != 0)
		member_fail(r, -EINVAL, "clock: expected none, core, gps or synced");
}

int wire_status_decode(const void *payload, size_t len, struct wire_status *ret_status,
		       char *problem, size_t problem_size)
{
	struct wire_status *status =
		calloc(1, sizeof(*status)); /* 20 KB: not on a thread's stack */
	struct payload p;

	if (!status)
		return -ENOMEM;
	payload_open(&p, payload, len, problem, problem_size);
	member_text_or_none(&p.r, "agent_version", status->agent_version,
			    sizeof(status->agent_version));
	member_text_or_none(&p.r, "board", status->board, sizeof(status->board));
	member_id(&p.r, "boot_id", status->boot_id, sizeof(status->boot_id));
	member_integer(&p.r, "uptime_s", 0, INT64_MAX, &status->uptime_s);
	read_clock(&p.r, &status->clock);
	read_spool(&p.r, status);
	read_sources(&p.r, status);
	read_certificates(&p.r, status);
	member_time(&p.r, "sent_at", &status->sent_at_ms);
	if (p.r.error == 0)
		*ret_status = *status;
	free(status);
	return payload_close(&p);
}
