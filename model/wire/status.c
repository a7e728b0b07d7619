#include "model/wire/status.h"

#include <errno.h>
#include <stdlib.h>

#include "model/wire/member_priv.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Figures of which -1 says that there is none yet. */
static void put_known(struct jw *w, const char *key, int64_t value)
{
	jw_key(w, key);
	if (value < 0)
		jw_put_null(w);
	else
		jw_put_integer(w, value);
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

void wire_spool_encode(struct jw *w, const struct wire_spool *spool)
{
	jw_int(w, "young", spool->young);
	jw_int(w, "batches", spool->batches);
	jw_int(w, "bytes", spool->bytes);
	jw_time(w, "oldest_at", spool->oldest_at_ms);
	jw_int(w, "dropped_total", spool->dropped_total);
	jw_int(w, "written_bytes_today", spool->written_bytes_today);
	jw_text(w, "disk", spool->disk);
	jw_int(w, "young_bytes", spool->young_bytes);
	jw_int(w, "written_bytes_total", spool->written_bytes_total);
	jw_int(w, "write_budget", spool->write_budget);
	put_known(w, "card_life_days", spool->card_life_days);
	jw_int(w, "errors", spool->errors);
	jw_key(w, "classes");
	jw_open_object(w);
	for (int class = 0; class < WIRE_CLASS_COUNT; class ++) {
		jw_key(w, wire_class_name((enum wire_class) class));
		jw_open_object(w);
		jw_int(w, "batches", spool->classes[class].batches);
		jw_int(w, "bytes", spool->classes[class].bytes);
		jw_int(w, "dropped", spool->classes[class].dropped);
		jw_close_object(w);
	}
	jw_close_object(w);
}

void wire_uplink_encode(struct jw *w, const struct wire_uplink *uplink)
{
	jw_text(w, "state", uplink->state);
	jw_text(w, "reason", uplink->reason);
	jw_text(w, "detail", uplink->detail);
	jw_text(w, "protocol", uplink->protocol);
	jw_flag(w, "tls", uplink->tls);
	jw_int(w, "sessions", uplink->sessions);
	jw_int(w, "sent", uplink->sent);
	jw_int(w, "resent", uplink->resent);
	jw_int(w, "acked", uplink->acked);
	jw_int(w, "deferred", uplink->deferred);
	jw_int(w, "bytes_sent", uplink->bytes_sent);
	jw_int(w, "set_aside", uplink->set_aside);
	jw_int(w, "live_in_flight", uplink->live_in_flight);
	jw_int(w, "backlog_in_flight", uplink->backlog_in_flight);
	jw_int(w, "window_batches", uplink->window_batches);
	jw_int(w, "window_bytes", uplink->window_bytes);
	jw_int(w, "backlog_rate", uplink->backlog_rate);
	put_known(w, "ack_ms", uplink->ack_ms);
	put_known(w, "ack_max_ms", uplink->ack_max_ms);
}

void wire_sampler_encode(struct jw *w, const struct wire_sampler *sampler)
{
	jw_int(w, "told", sampler->told);
	jw_int(w, "withheld", sampler->withheld);
	jw_int(w, "limited", sampler->limited);
	jw_int(w, "coalesced", sampler->coalesced);
	jw_int(w, "refused", sampler->refused);
}

void wire_certificates_encode(struct jw *w, const struct wire_certificate *certificates,
			      size_t count)
{
	jw_open_array(w);
	for (size_t i = 0; i < count; i++) {
		jw_open_object(w);
		jw_text(w, "name", certificates[i].name);
		jw_time(w, "expires_at", certificates[i].expires_at_ms);
		jw_close_object(w);
	}
	jw_close_array(w);
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
	jw_key(w, "spool");
	jw_open_object(w);
	wire_spool_encode(w, &status->spool);
	jw_close_object(w);
	jw_key(w, "uplink");
	jw_open_object(w);
	wire_uplink_encode(w, &status->uplink);
	jw_close_object(w);
	jw_key(w, "sampler");
	jw_open_object(w);
	wire_sampler_encode(w, &status->sampler);
	jw_close_object(w);
	jw_key(w, "sources");
	jw_open_array(w);
	for (size_t i = 0; i < status->source_count; i++)
		encode_source(w, &status->sources[i]);
	jw_close_array(w);
	jw_key(w, "certificates");
	wire_certificates_encode(w, status->certificates, status->certificate_count);
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
	size_t count = member_list(r, "sources", WIRE_SOURCES_MAX, &list);

	for (size_t i = 0; i < count; i++) {
		struct member_reader in = member_inner(r, jr_at(list, i));

		read_source(&in, &status->sources[i]);
		r->error = in.error;
	}
	status->source_count = count;
}

static void read_certificates(struct member_reader *r, struct wire_status *status)
{
	const struct jr_value *list;
	size_t count = member_list(r, "certificates", WIRE_CERTIFICATES_MAX, &list);

	for (size_t i = 0; i < count; i++) {
		struct member_reader in = member_inner(r, jr_at(list, i));
		struct wire_certificate *certificate = &status->certificates[i];

		member_id(&in, "name", certificate->name, sizeof(certificate->name));
		member_time_or_none(&in, "expires_at", &certificate->expires_at_ms);
		r->error = in.error;
	}
	status->certificate_count = count;
}

static void read_spool(struct member_reader *r, struct wire_spool *spool)
{
	struct member_reader in = member_inner(r, r->error ? NULL : jr_get(r->object, "spool"));

	member_integer(&in, "young", 0, INT64_MAX, &spool->young);
	member_integer(&in, "batches", 0, INT64_MAX, &spool->batches);
	member_integer(&in, "bytes", 0, INT64_MAX, &spool->bytes);
	member_time_or_none(&in, "oldest_at", &spool->oldest_at_ms);
	member_integer(&in, "dropped_total", 0, INT64_MAX, &spool->dropped_total);
	member_integer(&in, "written_bytes_today", 0, INT64_MAX, &spool->written_bytes_today);
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
		calloc(1, sizeof(*status)); /* too large for a thread's stack */
	struct member_payload p;

	if (!status)
		return -ENOMEM;
	member_payload_open(&p, payload, len, problem, problem_size);
	member_text_or_none(&p.r, "agent_version", status->agent_version,
			    sizeof(status->agent_version));
	member_text_or_none(&p.r, "board", status->board, sizeof(status->board));
	member_id(&p.r, "boot_id", status->boot_id, sizeof(status->boot_id));
	member_integer(&p.r, "uptime_s", 0, INT64_MAX, &status->uptime_s);
	read_clock(&p.r, &status->clock);
	read_spool(&p.r, &status->spool);
	read_sources(&p.r, status);
	read_certificates(&p.r, status);
	member_time(&p.r, "sent_at", &status->sent_at_ms);
	if (p.r.error == 0)
		*ret_status = *status;
	free(status);
	return member_payload_close(&p);
}
