#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/daemon_priv.h"
#include "agent/drop.h"

#define BATCHES_MAX 1000

static enum wire_source_state wire_state(enum source_state state)
{
	switch (state) {
	case SOURCE_OK:
		return WIRE_SOURCE_OK;
	case SOURCE_SILENT:
		return WIRE_SOURCE_SILENT;
	default:
		return WIRE_SOURCE_ERROR;
	}
}

static void fill_vehicle(const struct source_report *report, struct wire_vehicle *out)
{
	if (!report->profile)
		return;
	(void)snprintf(out->profile, sizeof(out->profile), "%s", report->profile);
	(void)snprintf(out->activity, sizeof(out->activity), "%s", report->activity);
	(void)snprintf(out->vin_judgement, sizeof(out->vin_judgement), "%s", report->vin_judgement);
	(void)snprintf(out->missing, sizeof(out->missing), "%s", report->missing);
	out->bus_load_pct = report->rhythm.bus_load_pct;
	out->looks_today = report->rhythm.looks_today;
	out->wake_budget = report->wake_budget;
	out->refused_total = report->refusal_count;
	for (size_t i = 0; i < report->refusal_count && i < WIRE_REFUSALS_MAX; i++) {
		(void)snprintf(out->refused[i].what, sizeof(out->refused[i].what), "%s",
			       report->refusals[i].what);
		(void)snprintf(out->refused[i].reason, sizeof(out->refused[i].reason), "%s",
			       report->refusals[i].reason);
		out->refused_count++;
	}
}

static void fill_source(struct daemon *daemon, const struct source *source, struct wire_source *out)
{
	struct source_report report;

	source->ops->report(source, &report);
	(void)snprintf(out->name, sizeof(out->name), "%s", source->config->name);
	(void)snprintf(out->kind, sizeof(out->kind), "%s", source->config->kind);
	(void)snprintf(out->device_id, sizeof(out->device_id), "%s", source->config->device_id);
	(void)snprintf(out->reason, sizeof(out->reason), "%s", report.reason);
	(void)snprintf(out->detail, sizeof(out->detail), "%s", report.detail);
	out->state = wire_state(report.state);
	out->since_ms = daemon_wall_ms(daemon, report.since_us);
	out->last_ok_at_ms = daemon_wall_ms(daemon, report.last_ok_us);
	fill_vehicle(&report, &out->vehicle);
}

void daemon_fill_status(struct daemon *daemon, struct wire_status *status)
{
	struct clock *clock = &daemon->clock.clock;

	(void)snprintf(status->agent_version, sizeof(status->agent_version), "%s", FRESHET_VERSION);
	(void)snprintf(status->board, sizeof(status->board), "%s", CONFIG_BOARD);
	(void)snprintf(status->boot_id, sizeof(status->boot_id), "%s", clock_boot_id(clock));
	status->uptime_s = (loop_now_us(daemon->loop) - daemon->start_us) / 1000000;
	status->clock = time_keeper_quality(&daemon->time);
	daemon_fill_spool(daemon, &status->spool);
	daemon_fill_uplink(daemon, &status->uplink);
	daemon_fill_sampler(daemon, &status->sampler);
	status->certificate_count =
		uplink_certificates(daemon->uplink, status->certificates, WIRE_CERTIFICATES_MAX);
	status->sent_at_ms = clock_wall_ms(clock);
	for (size_t i = 0; i < daemon->source_count; i++)
		fill_source(daemon, daemon->sources[i], &status->sources[i]);
	status->source_count = daemon->source_count;
}

/* Seconds since a monotonic moment; null where there was none. */
static void put_age(struct jw *w, const char *key, int64_t us, int64_t now_us)
{
	jw_key(w, key);
	if (us == MODEL_NO_TIME)
		jw_put_null(w);
	else
		jw_put_number(w, (double)(now_us - us) / 1e6);
}

static void put_refusals(struct jw *w, const struct source_report *report)
{
	jw_key(w, "refused");
	jw_open_array(w);
	for (size_t i = 0; i < report->refusal_count; i++) {
		jw_open_object(w);
		jw_text(w, "command", report->refusals[i].what);
		jw_text(w, "reason", report->refusals[i].reason);
		jw_close_object(w);
	}
	jw_close_array(w);
}

/* What only some kinds of sources know. */
static void put_vehicle(struct jw *w, const struct source_report *report)
{
	char given[MODEL_VIN_SIZE];

	if (!report->profile)
		return;
	model_vin_mask(report->vin_given, given);
	jw_text(w, "profile", report->profile);
	jw_text(w, "activity", report->activity);
	jw_text(w, "vin_judgement", report->vin_judgement);
	jw_text(w, "vin_given", report->vin_given[0] ? given : NULL);
	jw_text(w, "calibration", report->calibration);
	jw_text(w, "chip", report->chip);
	jw_int(w, "baud", report->baud);
	jw_text(w, "missing", report->missing);
	jw_num(w, "bus_load_pct", report->rhythm.bus_load_pct);
	jw_int(w, "held_back", report->rhythm.held_back);
	jw_int(w, "looks", report->rhythm.looks);
	jw_int(w, "looks_today", report->rhythm.looks_today);
	jw_int(w, "wake_budget", report->wake_budget);
	jw_int(w, "implausible", report->readings.implausible);
	jw_int(w, "nulls", report->readings.nulls);
	jw_int(w, "short_answers", report->readings.shorts);
	put_refusals(w, report);
}

static void put_bus(struct jw *w, const struct source_report *report)
{
	const struct source_bus_report *bus = &report->bus;
	char given[MODEL_VIN_SIZE];

	if (!bus->map)
		return;
	jw_text(w, "map", bus->map);
	model_vin_mask(report->vin_given, given);
	jw_text(w, "vin_judgement", report->vin_judgement);
	jw_text(w, "vin_given", report->vin_given[0] ? given : NULL);
	jw_text(w, "condition", bus->condition);
	jw_num(w, "frames_per_s", bus->frames_per_s);
	jw_int(w, "frames", bus->frames);
	jw_int(w, "dropped", bus->dropped);
	jw_int(w, "bus_errors", bus->bus_errors);
	jw_int(w, "bus_offs", bus->bus_offs);
	jw_int(w, "messages", bus->messages);
	jw_int(w, "broken", bus->broken);
	jw_int(w, "given", bus->values);
	jw_int(w, "implausible", bus->implausible);
	jw_int(w, "outranked", bus->outranked);
	jw_text(w, "asking", bus->asking);
	jw_int(w, "address", bus->address);
	jw_int(w, "unanswered", bus->unanswered);
	jw_text(w, "component", bus->component);
	jw_text(w, "software", bus->software);
}

static void put_gps(struct jw *w, const struct source_report *report)
{
	const struct source_gps_report *gps = &report->gps;

	if (!gps->known)
		return;
	jw_int(w, "baud", report->baud);
	jw_flag(w, "fix", gps->fix);
	jw_int(w, "satellites", gps->satellites);
	jw_num(w, "accuracy_m", gps->accuracy_m);
	jw_int(w, "fixes", gps->fixes);
	jw_int(w, "repeated", gps->repeated);
	jw_int(w, "bad_checksum", gps->bad_checksum);
	jw_int(w, "malformed", gps->malformed);
	jw_int(w, "refused_times", gps->refused_times);
}

void daemon_encode_source(struct jw *w, const struct source *source, int64_t now_us)
{
	struct source_report report;
	char vin[MODEL_VIN_SIZE];

	source->ops->report(source, &report);
	model_vin_mask(report.vin, vin);
	jw_text(w, "name", source->config->name);
	jw_text(w, "kind", source->config->kind);
	jw_text(w, "device", source->config->device);
	jw_text(w, "device_id", source->config->device_id);
	jw_text(w, "vin", report.vin[0] ? vin : NULL);
	jw_text(w, "state", source_state_name(report.state));
	jw_text(w, "reason", report.reason);
	jw_text(w, "detail", report.detail);
	put_age(w, "since_s", report.since_us, now_us);
	put_age(w, "last_ok_s", report.last_ok_us, now_us);
	jw_text(w, "adapter", report.adapter);
	jw_text(w, "protocol", report.protocol);
	jw_int(w, "ecus", report.ecus);
	jw_int(w, "values", report.values);
	jw_int(w, "requests", report.requests);
	jw_int(w, "answers", report.answers);
	jw_int(w, "rejected", report.rejected);
	jw_int(w, "noise", report.noise);
	jw_int(w, "resyncs", report.resyncs);
	jw_int(w, "inits", report.inits);
	put_vehicle(w, &report);
	put_gps(w, &report);
	put_bus(w, &report);
}

static void put_losses(struct jw *w, const struct uplink_report *report)
{
	jw_key(w, "losses");
	jw_open_object(w);
	for (int loss = 0; loss < UPLINK_LOSS_COUNT; loss++)
		if (report->losses[loss])
			jw_int(w, uplink_loss_name((enum uplink_loss)loss), report->losses[loss]);
	jw_close_object(w);
}

static void put_uplink(struct daemon *daemon, struct jw *w)
{
	const int64_t now = loop_now_us(daemon->loop);
	struct wire_uplink figures;
	struct uplink_report report;

	daemon_fill_uplink(daemon, &figures);
	uplink_report(daemon->uplink, &report);
	jw_key(w, "uplink");
	jw_open_object(w);
	jw_text(w, "host", daemon->config->uplink.host);
	jw_int(w, "port", daemon->config->uplink.port);
	put_age(w, "since_s", report.since_us, now);
	wire_uplink_encode(w, &figures);
	jw_int(w, "in_flight", report.in_flight);
	jw_int(w, "bytes_in_flight", report.bytes_in_flight);
	jw_int(w, "receive_maximum", report.receive_maximum);
	jw_int(w, "packet_maximum", report.packet_maximum);
	put_losses(w, &report);
	jw_int(w, "bad_acks", report.bad_acks);
	jw_int(w, "stray_acks", report.stray_acks);
	jw_int(w, "no_core", report.no_core);
	jw_int(w, "not_allowed", report.not_allowed);
	jw_int(w, "too_large", report.too_large);
	put_age(w, "last_ack_s", report.last_ack_us, now);
	jw_key(w, "config_bytes");
	if (report.config_len < 0)
		jw_put_null(w);
	else
		jw_put_integer(w, report.config_len);
	jw_close_object(w);
}

static void put_spool(struct daemon *daemon, struct jw *w)
{
	struct wire_spool figures;
	struct spool_stats stats;

	daemon_fill_spool(daemon, &figures);
	spool_stats(daemon->spool, &stats);
	jw_key(w, "spool");
	jw_open_object(w);
	jw_text(w, "epoch", spool_epoch(daemon->spool));
	wire_spool_encode(w, &figures);
	jw_int(w, "appended", stats.appended_total);
	jw_int(w, "acked", stats.acked_total);
	jw_int(w, "moved", stats.moved_total);
	jw_int(w, "moves", stats.moves);
	jw_int(w, "budget_left", stats.budget_left);
	jw_close_object(w);
}

static void put_sampler(struct daemon *daemon, struct jw *w)
{
	struct wire_sampler figures;

	daemon_fill_sampler(daemon, &figures);
	jw_key(w, "sampler");
	jw_open_object(w);
	wire_sampler_encode(w, &figures);
	jw_close_object(w);
}

static void put_certificates(struct daemon *daemon, struct jw *w)
{
	struct wire_certificate certificates[WIRE_CERTIFICATES_MAX];
	const size_t count =
		uplink_certificates(daemon->uplink, certificates, WIRE_CERTIFICATES_MAX);

	jw_key(w, "certificates");
	wire_certificates_encode(w, certificates, count);
}

static void answer_status(struct daemon *daemon, struct jw *w)
{
	struct clock *clock = &daemon->clock.clock;
	const int64_t now = loop_now_us(daemon->loop);

	jw_open_object(w);
	jw_int(w, "v", 1);
	jw_text(w, "agent_version", FRESHET_VERSION);
	jw_text(w, "board", CONFIG_BOARD);
	jw_int(w, "pid", getpid());
	jw_text(w, "workspace", daemon->config->workspace);
	jw_text(w, "gateway_id", daemon->config->gateway_id);
	jw_text(w, "boot_id", clock_boot_id(clock));
	jw_int(w, "uptime_s", (now - daemon->start_us) / 1000000);
	jw_text(w, "clock", clock_quality_name(time_keeper_quality(&daemon->time)));
	put_uplink(daemon, w);
	put_spool(daemon, w);
	put_sampler(daemon, w);
	put_certificates(daemon, w);
	jw_key(w, "sources");
	jw_open_array(w);
	for (size_t i = 0; i < daemon->source_count; i++) {
		jw_open_object(w);
		daemon_encode_source(w, daemon->sources[i], now);
		jw_close_object(w);
	}
	jw_close_array(w);
	jw_close_object(w);
}

static int put_batch(void *arg, const struct spool_batch *batch)
{
	struct jw *w = arg;

	jw_open_object(w);
	jw_int(w, "id", batch->id);
	jw_text(w, "epoch", batch->epoch);
	jw_int(w, "batch", batch->number);
	jw_text(w, "class", wire_class_name(batch->class));
	jw_int(w, "records", batch->count);
	jw_int(w, "bytes", (int64_t)batch->len);
	jw_text(w, "digest", batch->digest);
	jw_text(w, "boot_id", batch->boot.id);
	jw_int(w, "first_mono_us", batch->first_mono_us);
	jw_int(w, "last_mono_us", batch->last_mono_us);
	jw_close_object(w);
	return 0;
}

int daemon_encode_batches(struct jw *w, struct spool *spool, int64_t after, int limit)
{
	int r;

	jw_open_array(w);
	r = spool_peek(spool, SPOOL_OLDEST_FIRST, after, limit, put_batch, w);
	jw_close_array(w);
	return r;
}

static void answer_batches(struct daemon *daemon, struct jw *w, int64_t after)
{
	struct spool_stats stats;

	spool_stats(daemon->spool, &stats);
	jw_open_object(w);
	jw_int(w, "batches", stats.batches);
	jw_int(w, "bytes", stats.bytes);
	jw_key(w, "items");
	if (daemon_encode_batches(w, daemon->spool, after, BATCHES_MAX) < 0)
		jw_text(w, "error", spool_error(daemon->spool));
	jw_close_object(w);
}

static void answer_drop(struct daemon *daemon, struct jw *w, const char *line)
{
	struct drop drop;
	int64_t records = 0;
	int r = drop_parse(&drop, line);

	if (r == 0)
		r = daemon_drop(daemon, &drop.filter, &records);
	jw_open_object(w);
	jw_int(w, "records", records);
	if (r)
		jw_text(w, "error", r == -EINVAL ? "unknown request" : spool_error(daemon->spool));
	jw_close_object(w);
}

void daemon_answer(void *arg, const char *request, struct buf *out)
{
	static const char list[] = "spool ls ";
	struct daemon *daemon = arg;
	struct jw w;

	jw_init(&w, out);
	if (strcmp(request, "status") == 0) {
		answer_status(daemon, &w);
	} else if (strncmp(request, DROP_REQUEST, sizeof(DROP_REQUEST) - 1) == 0) {
		answer_drop(daemon, &w, request + sizeof(DROP_REQUEST) - 1);
	} else if (strncmp(request, list, sizeof(list) - 1) == 0) {
		answer_batches(daemon, &w, strtoll(request + sizeof(list) - 1, NULL, 10));
	} else {
		jw_open_object(&w);
		jw_text(&w, "error", "unknown request");
		jw_close_object(&w);
	}
}
