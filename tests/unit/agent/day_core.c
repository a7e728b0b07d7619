#include <inttypes.h>
#include <string.h>

#include "cloud/domain/freshness.h"
#include "model/wire/record.h"
#include "tests/unit/agent/day.h"

/* What the agent's configuration has by default. */
static const struct sampler_config sampler_config = {
	.max_records = 100,
	.max_bytes = 65536,
	.max_age_us = 100 * DAY_MS,
	.min_interval_us = DAY_SECOND,
	.heartbeat_us = 120 * DAY_SECOND,
	.keyframe_us = 300 * DAY_SECOND,
};

/* ---- the one door ---- */

static void accept_ignition(struct day *day, const struct model_update *update)
{
	const struct model_item *item = model_update_get(update, MODEL_FIELD_IGNITION);
	bool off;

	if (!item)
		return;
	off = !item->null && item->value.as.integer == MODEL_IGNITION_OFF;
	if (off != day->ignition_off)
		day->ignition_since_ms =
			day_wall_ms(update->mono_us - (int64_t)item->age_ms * 1000);
	day->ignition_off = off;
}

static void accept_record(struct day *day, const struct jr_value *value)
{
	struct wire_record record = {0};
	char problem[160] = "";
	int64_t claim;

	model_update_init(&record.update, &day->record_room);
	if (wire_record_decode(value, &record, problem, sizeof(problem)) || record.implausible ||
	    record.unknown_fields) {
		day_fault(day, "the core refuses a record: %s %s", problem, record.first_problem);
		return;
	}
	day->records++;
	for (size_t i = 0; i < record.update.item_count; i++) {
		const struct model_item *item = &record.update.items[i];

		if (!item->null &&
		    !day_judge_was_read(day, (enum model_field)item->field,
					record.update.mono_us - (int64_t)item->age_ms * 1000))
			day_fault(day,
				  "%s is told as if read %" PRId64 " ms before %.3f s, and was not",
				  model_field_info((enum model_field)item->field)->path,
				  item->age_ms, (double)record.update.mono_us / DAY_SECOND);
	}
	claim = freshness_claim_ms(day_wall_ms(record.update.mono_us),
				   day_wall_ms(day_now_us(day)));
	day->last_update_ms = freshness_advance_ms(day->last_update_ms, claim);
	day->last_accepted_ms = day_wall_ms(day_now_us(day));
	accept_ignition(day, &record.update);
}

static int take_batches(void *arg, const struct spool_put *puts, size_t count)
{
	struct day *day = arg;

	for (size_t i = 0; i < count; i++) {
		struct jr_error error;
		struct jr_doc *doc;

		if (jr_parse(puts[i].json, puts[i].len, &doc, &error)) {
			day_fault(day, "a batch is no JSON: %s", error.message);
			continue;
		}
		for (size_t k = 0; k < jr_count(jr_root(doc)); k++)
			accept_record(day, jr_at(jr_root(doc), k));
		jr_free(doc);
	}
	return 0;
}

/* ---- health ---- */

static enum health_source source_as_told(enum source_state state)
{
	switch (state) {
	case SOURCE_OK:
		return HEALTH_SOURCE_OK;
	case SOURCE_SILENT:
		return HEALTH_SOURCE_SILENT;
	case SOURCE_ERROR:
		break;
	}
	return HEALTH_SOURCE_ERROR;
}

/* The gateway is there and reports each minute: what is judged is the vehicle. */
void day_core_minute(struct day *day, struct day_minute *minute)
{
	const int64_t now = day_wall_ms(day_now_us(day));
	struct source_report report;
	struct health_input input;
	struct health health;

	day->source->ops->report(day->source, &report);
	input = (struct health_input){
		.evaluated_at_ms = now,
		.activated_at_ms = DAY_WALL_MS,
		.last_update_at_ms = day->last_update_ms,
		.last_accepted_at_ms = day->last_accepted_ms,
		.vin_mismatch_at_ms = MODEL_NO_TIME,
		.registered_vin = "",
		.has_gateway = true,
		.gateway_name = "gateway",
		.gateway_contact_at_ms = now,
		.listening_since_ms = DAY_WALL_MS,
		.backlog_oldest_at_ms = MODEL_NO_TIME,
		.source = source_as_told(report.state),
		.source_name = day->config.name,
		.source_reason = report.reason,
		.source_since_ms = day_wall_ms(report.since_us),
		.ignition_off = day->ignition_off,
		.ignition_since_ms = day->ignition_since_ms,
		.asleep_since_ms = MODEL_NO_TIME,
	};
	health_evaluate(&day->policy, &input, &health);
	minute->state = health.state;
	minute->reason = health.reason;
}

int day_core_begin(struct day *day)
{
	struct sampler_config config = sampler_config;

	deadband_default(&config.bands);
	policy_default(&day->policy);
	day->last_update_ms = MODEL_NO_TIME;
	day->last_accepted_ms = MODEL_NO_TIME;
	day->ignition_since_ms = MODEL_NO_TIME;
	return sampler_create(&config, take_batches, day, &day->sampler);
}

void day_core_end(struct day *day)
{
	sampler_destroy(day->sampler);
}
