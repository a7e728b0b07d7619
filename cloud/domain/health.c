#include "cloud/domain/health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cloud/domain/freshness.h"

static const char *const state_names[HEALTH_STATE_COUNT] = {
#define X(ident, name) name,
	HEALTH_STATES(X)
#undef X
};

static const char *const reason_names[HEALTH_REASON_COUNT] = {
#define X(ident, name) name,
	HEALTH_REASONS(X)
#undef X
};

const char *health_state_name(enum health_state state)
{
	return (unsigned)state < HEALTH_STATE_COUNT ? state_names[state] : "";
}

const char *health_reason_name(enum health_reason reason)
{
	return (unsigned)reason < HEALTH_REASON_COUNT ? reason_names[reason] : "";
}

static int find(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

int health_state_find(const char *name)
{
	return find(state_names, HEALTH_STATE_COUNT, name);
}

int health_reason_find(const char *name)
{
	return find(reason_names, HEALTH_REASON_COUNT, name);
}

static bool never_updated(const struct health_input *in)
{
	/* A device that was activated again waits for data again. */
	return in->last_update_at_ms == MODEL_NO_TIME || in->last_accepted_at_ms == MODEL_NO_TIME ||
	       in->last_accepted_at_ms < in->activated_at_ms;
}

static void judge_state(const struct policy_limits *limits, const struct health_input *in,
			struct health *health)
{
	int64_t age_ms;

	health->age_ms = freshness_age_ms(in->evaluated_at_ms, in->last_update_at_ms);
	if (never_updated(in)) {
		int64_t grace_end_ms = in->activated_at_ms + limits->grace_ms;

		health->state = HEALTH_AWAITING_FIRST_DATA;
		health->state_since_ms = in->activated_at_ms;
		if (in->evaluated_at_ms > grace_end_ms) {
			health->state = HEALTH_CONFIGURED_NO_DATA;
			health->state_since_ms = grace_end_ms;
		}
		return;
	}
	age_ms = health->age_ms;
	if (age_ms <= limits->target_ms) {
		health->state = HEALTH_HEALTHY;
		health->state_since_ms = in->last_update_at_ms;
	} else if (age_ms <= limits->stale_ms) {
		health->state = HEALTH_DELAYED;
		health->state_since_ms = in->last_update_at_ms + limits->target_ms;
	} else {
		health->state = HEALTH_STALE;
		health->state_since_ms = in->last_update_at_ms + limits->stale_ms;
	}
}

static bool source_says(const struct health_input *in, const char *word)
{
	return in->source_reason && strcmp(in->source_reason, word) == 0 &&
	       in->source != HEALTH_SOURCE_UNKNOWN;
}

static const char *text(const char *value)
{
	return value && value[0] ? value : "?";
}

/* Says when the gateway went, or MODEL_NO_TIME where it is there or nobody can tell. */
static bool gateway_is_offline(const struct health_input *in, int64_t *ret_since_ms)
{
	int64_t quiet_from_ms = in->gateway_contact_at_ms;

	if (!in->has_gateway)
		return false;
	if (in->gateway_said_offline) {
		*ret_since_ms = in->gateway_contact_at_ms;
		return true;
	}
	if (in->listening_since_ms == MODEL_NO_TIME)
		return false;
	if (quiet_from_ms < in->listening_since_ms)
		quiet_from_ms = in->listening_since_ms;
	if (in->evaluated_at_ms - quiet_from_ms <= HEALTH_GATEWAY_SILENCE_MS)
		return false;
	*ret_since_ms = in->gateway_contact_at_ms;
	return true;
}

static void tell(struct health *health, enum health_reason reason, int64_t since_ms)
{
	health->reason = reason;
	health->reason_since_ms = since_ms;
}

static bool has_data(const struct health *health)
{
	return health->state == HEALTH_HEALTHY || health->state == HEALTH_DELAYED ||
	       health->state == HEALTH_STALE;
}

static bool newer_than_data(const struct health_input *in, int64_t at_ms)
{
	return at_ms != MODEL_NO_TIME &&
	       (in->last_accepted_at_ms == MODEL_NO_TIME || at_ms >= in->last_accepted_at_ms);
}

/* A source that has just begun has not been silent yet. */
static bool source_is_silent(const struct health_input *in)
{
	if (in->source != HEALTH_SOURCE_SILENT && in->source != HEALTH_SOURCE_ERROR)
		return false;
	return !source_says(in, "starting") ||
	       (in->source_since_ms != MODEL_NO_TIME &&
		in->evaluated_at_ms - in->source_since_ms > HEALTH_SOURCE_START_MS);
}

static void judge_reason(const struct health_input *in, struct health *health)
{
	int64_t since_ms = MODEL_NO_TIME;
	bool late = health->state != HEALTH_HEALTHY;

	if (newer_than_data(in, in->vin_mismatch_at_ms))
		tell(health, HEALTH_REASON_VIN_MISMATCH, in->vin_mismatch_at_ms);
	else if (in->has_gateway && in->gateway_is_two)
		tell(health, HEALTH_REASON_DUPLICATE_GATEWAY, in->gateway_two_since_ms);
	else if (gateway_is_offline(in, &since_ms))
		tell(health, HEALTH_REASON_GATEWAY_OFFLINE, since_ms);
	else if (source_says(in, "adapter_unplugged"))
		tell(health, HEALTH_REASON_ADAPTER_UNPLUGGED, in->source_since_ms);
	else if (source_says(in, "ignition_off"))
		tell(health, HEALTH_REASON_IGNITION_OFF, in->source_since_ms);
	/* What its source says of it now, before what was measured last: asleep is more than off. */
	else if (source_says(in, "vehicle_asleep"))
		tell(health, HEALTH_REASON_VEHICLE_ASLEEP, in->source_since_ms);
	else if (has_data(health) && in->ignition_off)
		tell(health, HEALTH_REASON_IGNITION_OFF, in->ignition_since_ms);
	else if (has_data(health) && in->asleep)
		tell(health, HEALTH_REASON_VEHICLE_ASLEEP, in->asleep_since_ms);
	else if (late && source_is_silent(in))
		tell(health, HEALTH_REASON_SOURCE_SILENT, in->source_since_ms);
	else if (late && in->has_gateway && in->backlog_batches > 0)
		tell(health, HEALTH_REASON_BACKLOG_DRAINING, in->backlog_oldest_at_ms);
	else if (late && in->clock_untrusted)
		tell(health, HEALTH_REASON_CLOCK_UNTRUSTED, MODEL_NO_TIME);
	else if (!has_data(health))
		tell(health, HEALTH_REASON_NEVER_REPORTED, in->activated_at_ms);
}

static void explain(const struct health_input *in, struct health *health)
{
	char *out = health->detail;
	const size_t size = sizeof(health->detail);

	switch (health->reason) {
	case HEALTH_REASON_VIN_MISMATCH:
		snprintf(
			out, size,
			"Another vehicle answers than the registered %s: move the adapter back, or "
			"correct the VIN in the registry; the records are kept until then.",
			text(in->registered_vin));
		break;
	case HEALTH_REASON_DUPLICATE_GATEWAY:
		snprintf(out, size,
			 "Two machines send as gateway %s: switch off the copy, or give it a name "
			 "and credentials of its own. Nothing is lost, but readings of both mix.",
			 text(in->gateway_name));
		break;
	case HEALTH_REASON_GATEWAY_OFFLINE:
		snprintf(out, size,
			 "Gateway %s cannot be reached: check its power and network. What it "
			 "records meanwhile is sent when it returns.",
			 text(in->gateway_name));
		break;
	case HEALTH_REASON_ADAPTER_UNPLUGGED:
		snprintf(out, size,
			 "Gateway %s cannot reach the adapter of source %s: plug it in again or "
			 "check its cable and power.",
			 text(in->gateway_name), text(in->source_name));
		break;
	case HEALTH_REASON_IGNITION_OFF:
		snprintf(out, size,
			 "The ignition is off: new values come when the vehicle is started.");
		break;
	case HEALTH_REASON_VEHICLE_ASLEEP:
		snprintf(out, size, "The vehicle is asleep: new values come when it wakes up.");
		break;
	case HEALTH_REASON_SOURCE_SILENT:
		snprintf(out, size,
			 "Gateway %s is online but source %s gets no data%s%s: check the vehicle's "
			 "connection.",
			 text(in->gateway_name), text(in->source_name),
			 in->source_reason && in->source_reason[0] ? ", " : "",
			 in->source_reason ? in->source_reason : "");
		break;
	case HEALTH_REASON_BACKLOG_DRAINING:
		snprintf(out, size,
			 "Gateway %s still sends %" PRId64
			 " batches that it recorded earlier: wait, or check its network speed.",
			 text(in->gateway_name), in->backlog_batches);
		break;
	case HEALTH_REASON_CLOCK_UNTRUSTED:
		snprintf(out, size,
			 "Data came but nobody can tell its time: give gateway %s a time source "
			 "(network time or GPS), or let it connect while it runs.",
			 text(in->gateway_name));
		break;
	case HEALTH_REASON_NEVER_REPORTED:
		snprintf(out, size,
			 "No data has ever come for this device: check that a source is "
			 "configured with exactly this device id.");
		break;
	default:
		out[0] = '\0';
		break;
	}
}

void health_evaluate(const struct policy *policy, const struct health_input *input,
		     struct health *ret_health)
{
	struct policy_limits limits;

	policy_limits(policy, input->interval_s, &limits);
	ret_health->reason = HEALTH_REASON_NONE;
	ret_health->reason_since_ms = MODEL_NO_TIME;
	judge_state(&limits, input, ret_health);
	judge_reason(input, ret_health);
	explain(input, ret_health);
}
