/* What comes back: confirmations of the broker, acknowledgements of the core. */
#include <errno.h>
#include <string.h>

#include <mqtt_protocol.h>

#include "agent/uplink_priv.h"

#define SETTLE_US 10000 /* acknowledgements are told to the spool in groups */

static void on_ack_due(struct loop_timer *timer)
{
	uplink_data_settle(timer->arg);
}

static void count_reason(struct uplink *uplink, int reason)
{
	if (reason == MQTT_RC_NO_MATCHING_SUBSCRIBERS) {
		uplink->report.no_core++;
		uplink->no_core_us = uplink_now_us(uplink);
	} else if (reason == MQTT_RC_NOT_AUTHORIZED) {
		uplink->report.not_allowed++;
	} else if (reason == MQTT_RC_PACKET_TOO_LARGE) {
		uplink->report.too_large++;
	}
}

void uplink_data_confirmed(struct uplink *uplink, int mid, int reason)
{
	const int64_t now = loop_now_us(uplink->env->loop);
	int64_t id = 0;

	for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]) && !id; i++)
		if (uplink->flights[i].id && uplink->flights[i].mid == mid) {
			uplink->flights[i].mid = 0;
			id = uplink->flights[i].id;
		}
	count_reason(uplink, reason);
	window_confirmed(&uplink->window, id, now);
	if (reason == MQTT_RC_PACKET_TOO_LARGE)
		window_deferred(&uplink->window, id, WINDOW_ASIDE_US, now);
	uplink_data_soon(uplink);
}

void uplink_data_settle(struct uplink *uplink)
{
	int r;

	loop_timer_cancel(&uplink->ack_due);
	if (!uplink->ack_count)
		return;
	r = spool_ack(uplink->env->spool, uplink->ack_epoch, uplink->acks, uplink->ack_count, NULL);
	/* What the spool keeps is sent again with the next connection, and acknowledged again. */
	uplink->ack_count = 0;
	uplink->floor_us = MODEL_NO_TIME;
	if (r < 0)
		uplink_spool_error(uplink, r);
}

static void keep_ack(struct uplink *uplink, const struct wire_ack *ack)
{
	if (!ack->committed_count)
		return;
	if (uplink->ack_count && (strcmp(uplink->ack_epoch, ack->epoch) != 0 ||
				  uplink->ack_count + ack->committed_count > WIRE_RANGES_MAX))
		uplink_data_settle(uplink);
	memcpy(uplink->ack_epoch, ack->epoch, sizeof(uplink->ack_epoch));
	memcpy(uplink->acks + uplink->ack_count, ack->committed,
	       ack->committed_count * sizeof(ack->committed[0]));
	uplink->ack_count += ack->committed_count;
	if (!uplink->ack_due.loop)
		(void)loop_timer_set(uplink->env->loop, &uplink->ack_due, SETTLE_US, on_ack_due,
				     uplink);
}

static bool is_committed(const struct wire_ack *ack, int64_t number)
{
	for (size_t i = 0; i < ack->committed_count; i++)
		if (number >= ack->committed[i].first && number <= ack->committed[i].last)
			return true;
	return false;
}

static void take_committed(struct uplink *uplink, const struct wire_ack *ack)
{
	const int64_t now = loop_now_us(uplink->env->loop);

	for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]); i++) {
		struct uplink_flight *flight = &uplink->flights[i];

		if (!flight->id || strcmp(flight->epoch, ack->epoch) != 0 ||
		    !is_committed(ack, flight->number))
			continue;
		if (window_acked(&uplink->window, flight->id, now))
			uplink->report.acked++;
		flight->id = 0; /* its PUBACK may still come, and is then of no batch */
	}
}

static void take_deferred(struct uplink *uplink, const struct wire_ack *ack)
{
	const int64_t now = loop_now_us(uplink->env->loop);

	for (size_t k = 0; k < ack->deferred_count; k++) {
		const struct wire_deferred *deferred = &ack->deferred[k];
		int64_t retry_s = deferred->retry_after_s;

		if (retry_s < 1)
			retry_s = 1;
		if (retry_s > 86400)
			retry_s = 86400;
		uplink->report.deferred++;
		for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]); i++)
			if (uplink->flights[i].id && uplink->flights[i].number == deferred->batch &&
			    strcmp(uplink->flights[i].epoch, ack->epoch) == 0)
				window_deferred(&uplink->window, uplink->flights[i].id,
						retry_s * 1000000, now);
	}
}

static void take_asked(struct uplink *uplink, const struct wire_ack *ack)
{
	size_t stated = 0;

	for (size_t i = 0; i < ack->ask_count; i++) {
		const int r = spool_tell_end(uplink->env->spool, ack->ask[i]);

		if (r < 0)
			uplink_spool_error(uplink, r);
		stated += r > 0;
	}
	if (stated)
		uplink_stored(uplink, stated);
}

void uplink_data_ack(struct uplink *uplink, const void *payload, size_t len)
{
	const int64_t now = loop_now_us(uplink->env->loop);
	char problem[160];
	struct wire_ack ack;

	if (wire_ack_decode(payload, len, &ack, problem, sizeof(problem))) {
		uplink->report.bad_acks++;
		return;
	}
	/* An answer to another session may speak of other bodies under the same numbers. */
	if (strcmp(ack.session, uplink->session) != 0) {
		uplink->report.stray_acks++;
		return;
	}
	/* After a silence the core is back: what waits for its time-out goes now. */
	if (now - uplink->heard_us > uplink->config->window.resend_us)
		window_hurry(&uplink->window, now);
	uplink->heard_us = now;
	uplink->silence_us = UPLINK_SILENCE_US;
	uplink->report.last_ack_us = now;
	uplink->env->core_time(uplink->env->arg, ack.at_ms);
	keep_ack(uplink, &ack);
	take_committed(uplink, &ack);
	take_deferred(uplink, &ack);
	window_ack_end(&uplink->window, now);
	take_asked(uplink, &ack);
	uplink_data_soon(uplink);
}
