/* Deadlines: of the broker, of the core, of certificates. */
#include <inttypes.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "agent/uplink_priv.h"

#define EXPIRING_MS INT64_C(1209600000) /* a fortnight */

/* Bytes that leave the socket's queue are progress, too: a large batch takes its time on a slow link. */
static void watch_queue(struct uplink *uplink)
{
	int queued = 0;

	if (!uplink->watch.loop || ioctl(uplink->watch.fd, SIOCOUTQ, &queued))
		return;
	if (queued != uplink->outq)
		uplink->progress_us = uplink_now_us(uplink);
	uplink->outq = queued;
}

/* The broker confirms, and the core says nothing, though it has subscribed: does it hear us, do we
 * hear it? Another connection may mend that. */
static bool is_core_silent(const struct uplink *uplink)
{
	const int64_t now = uplink_now_us(uplink);

	return uplink->window.in_flight && now - uplink->heard_us > uplink->silence_us &&
	       now - uplink->no_core_us > uplink->silence_us;
}

static bool is_overdue_online(struct uplink *uplink, int64_t now)
{
	watch_queue(uplink);
	if (uplink->window.unconfirmed && now - uplink->progress_us > uplink->config->dead_us) {
		uplink_lose(uplink, "broker_stalled",
			    "The broker %s no longer confirms what it gets.", uplink->peer);
	} else if (!uplink->subscribed && now >= uplink->subscribe_by_us) {
		uplink_lose(uplink, "broker_stalled",
			    "The broker %s does not answer the subscription.", uplink->peer);
	} else if (uplink->subscribed && is_core_silent(uplink)) {
		uplink->silence_us *= 2;
		if (uplink->silence_us > UPLINK_SILENCE_MAX_US)
			uplink->silence_us = UPLINK_SILENCE_MAX_US;
		uplink_lose(uplink, "core_silent",
			    "The broker %s confirms batches, and no core answers.", uplink->peer);
	} else {
		return false;
	}
	return true;
}

static bool is_overdue(struct uplink *uplink)
{
	const int64_t now = uplink_now_us(uplink);

	if (uplink->report.state == UPLINK_CONNECTING && now >= uplink->deadline_us) {
		uplink_lose(uplink, "connection_timeout", "The broker %s did not answer in time.",
			    uplink->peer);
		return true;
	}
	if (uplink->report.state == UPLINK_STOPPING && now >= uplink->deadline_us) {
		uplink_lose(uplink, "connection_timeout", "The broker %s did not say goodbye.",
			    uplink->peer);
		return true;
	}
	return uplink->report.state == UPLINK_ONLINE && is_overdue_online(uplink, now);
}

/* A new certificate is tried on a connection of its own: the broker knows one of us at a time. */
static bool renew(struct uplink *uplink)
{
	if (uplink->report.state != UPLINK_ONLINE || !uplink->subscribed ||
	    !renewal_waits(&uplink->renewal, uplink_verify_ms(uplink), uplink_now_us(uplink)))
		return false;
	(void)mosquitto_disconnect(uplink->mosq);
	uplink->hurry = true;
	uplink_lose(uplink, "certificate_renewal", "A new certificate is tried at the broker %s.",
		    uplink->peer);
	return true;
}

/* While all goes well the report tells what will not for long: our certificate. */
static void watch_certificate(struct uplink *uplink)
{
	const struct uplink_report *report = &uplink->report;
	const int64_t left_ms = uplink->own_ends_ms - uplink_verify_ms(uplink);
	const char *reason = "";
	char detail[sizeof(report->detail)] = "";

	if (report->state != UPLINK_ONLINE || !uplink->renewal.cert_file)
		return;
	if (uplink->renewal.problem[0]) {
		reason = "certificate_not_renewed";
		(void)snprintf(detail, sizeof(detail), "%.*s", (int)sizeof(detail) - 1,
			       uplink->renewal.problem);
	} else if (uplink->own_ends_ms && left_ms < EXPIRING_MS) {
		reason = "certificate_expiring";
		(void)snprintf(detail, sizeof(detail),
			       "The gateway's certificate ends in %" PRId64 " days: %.180s.",
			       left_ms > 0 ? left_ms / 86400000 : 0, uplink->renewal.cert_file);
	}
	uplink_set_state(uplink, UPLINK_ONLINE, reason, detail);
}

bool uplink_watch(struct uplink *uplink)
{
	if (is_overdue(uplink) || renew(uplink))
		return true;
	watch_certificate(uplink);
	return false;
}
