/* Why a connection ended, in words and counted. */
#include <string.h>

#include "agent/uplink_priv.h"

const char *uplink_loss_name(enum uplink_loss loss)
{
	static const char *const names[] = {"name",           "refused", "timeout", "tls",
					    "not_authorised", "closed",  "dead",    "silent",
					    "misconfigured",  "own"};

	return (unsigned)loss < sizeof(names) / sizeof(names[0]) ? names[loss] : NULL;
}

void uplink_loss_count(struct uplink *uplink, const char *reason)
{
	static const struct {
		const char *reason;
		enum uplink_loss loss;
	} losses[] = {
		{"name_unknown", UPLINK_LOSS_NAME},
		{"connection_refused", UPLINK_LOSS_REFUSED},
		{"protocol_refused", UPLINK_LOSS_REFUSED},
		{"connection_timeout", UPLINK_LOSS_TIMEOUT},
		{"certificate_refused", UPLINK_LOSS_TLS},
		{"own_certificate_refused", UPLINK_LOSS_TLS},
		{"tls_failed", UPLINK_LOSS_TLS},
		{"not_authorised", UPLINK_LOSS_NOT_AUTHORISED},
		{"broker_stalled", UPLINK_LOSS_DEAD},
		{"core_silent", UPLINK_LOSS_SILENT},
		{"misconfigured", UPLINK_LOSS_MISCONFIGURED},
		{"spool_replaced", UPLINK_LOSS_OWN},
		{"certificate_renewal", UPLINK_LOSS_OWN},
	};
	enum uplink_loss loss = UPLINK_LOSS_CLOSED;

	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		if (strcmp(losses[i].reason, reason) == 0)
			loss = losses[i].loss;
	uplink->report.losses[loss]++;
}

/* What TLS says of the end; false where nothing. */
static bool lose_to_tls(struct uplink *uplink)
{
	const struct tls_said *said = &uplink->tls_said;
	const char *cert_file = uplink->config->cert_file;
	char why[TLS_PROBLEM_SIZE];

	if (mosquitto_socket(uplink->mosq) < 0)
		tls_last_word(&uplink->tls_said);
	if (said->refusal) {
		tls_refusal(said, why, sizeof(why));
		uplink_lose(uplink, "certificate_refused",
			    "The certificate of the broker %s is refused: %s.", uplink->peer, why);
	} else if (said->alert && !tls_alert_is_of_certificate(said->alert)) {
		uplink_lose(uplink, "tls_failed", "The broker %s and TLS: %s.", uplink->peer,
			    tls_alert(said->alert));
	} else if (said->alert && !cert_file) {
		uplink_lose(uplink, "own_certificate_refused",
			    "The broker %s wants a certificate of the gateway, and cert_file is "
			    "not set: %s.",
			    uplink->peer, tls_alert(said->alert));
	} else if (said->alert) {
		uplink_lose(uplink, "own_certificate_refused",
			    "The broker %s refuses the gateway's certificate %s%s: %s.",
			    uplink->peer, cert_file, uplink->renewal.trying ? ".new" : "",
			    tls_alert(said->alert));
	} else {
		return false;
	}
	return true;
}

/* A broker that does not know MQTT 5 may say so, or just hang up on it; one that hangs up may also be
 * starting or stopping. So both versions are tried by turns until one is answered. */
static void try_other_version(struct uplink *uplink)
{
	if (uplink->config->protocol != UPLINK_AUTO)
		return;
	uplink->report.mqtt5 = !uplink->mqtt5;
	uplink->version_guessed = true;
	uplink->guessed_us = uplink_now_us(uplink);
	uplink->hurry = uplink->mqtt5;
}

static void lose_to_error(struct uplink *uplink, int rc, int error)
{
	const bool connecting = uplink->report.state == UPLINK_CONNECTING;
	const bool hung_up = connecting && uplink->greeted;
	const char *why;

	if (uplink->said[0])
		why = uplink->said;
	else if (rc == MOSQ_ERR_ERRNO)
		why = strerror(error);
	else
		why = rc && rc != MOSQ_ERR_NO_CONN ? mosquitto_strerror(rc) : "closed";
	/* libmosquitto's sentences bring their own full stop. */
	if (hung_up) {
		try_other_version(uplink);
		uplink_lose(uplink, "connection_closed",
			    "The broker %s hung up on the login with MQTT %s: %.*s.", uplink->peer,
			    uplink->mqtt5 ? "5" : "3.1.1", (int)strcspn(why, "."), why);
	} else {
		uplink_lose(uplink, connecting ? "connection_refused" : "connection_lost",
			    "The connection to the broker %s is %s: %.*s.", uplink->peer,
			    connecting ? "refused" : "gone", (int)strcspn(why, "."), why);
	}
}

void uplink_loss_explain(struct uplink *uplink, int rc, int error)
{
	if (!lose_to_tls(uplink))
		lose_to_error(uplink, rc, error);
}
