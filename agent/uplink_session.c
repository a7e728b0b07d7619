#include <stdio.h>
#include <string.h>

#include <mqtt_protocol.h>

#include "agent/uplink_priv.h"

#define CONFIG_BYTES_MAX ((size_t)256 * 1024)

/* libmosquitto's callbacks run inside its calls: none of them throws the handle away, they mark it
 * broken, and uplink_check() sees that after the call. */

/* A broker that does not know MQTT 5 may answer with a code of 3.1.1. */
static const char *refusal_text(const struct uplink *uplink, int code)
{
	return uplink->mqtt5 && code >= 0x80 ? mosquitto_reason_string(code)
					     : mosquitto_connack_string(code);
}

static void note_refusal(struct uplink *uplink, int code)
{
	const char *reason = "connection_refused";

	/* MQTT 3.1.1 table 3.1; MQTT 5 section 3.2.2.2. */
	if (code == 1 || code == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION)
		reason = "protocol_refused";
	else if (code == 4 || code == 5 || code == MQTT_RC_NOT_AUTHORIZED ||
		 code == MQTT_RC_BAD_USERNAME_OR_PASSWORD)
		reason = "not_authorised";
	uplink_refuse(uplink, reason, "The broker %s refuses %s with MQTT %s: %s.", uplink->peer,
		      uplink->user, uplink->mqtt5 ? "5" : "3.1.1", refusal_text(uplink, code));
	if (strcmp(reason, "protocol_refused") == 0 && uplink->config->protocol == UPLINK_AUTO) {
		uplink->report.mqtt5 = !uplink->mqtt5;
		uplink->version_guessed = false;
	}
	if (strcmp(reason, "protocol_refused") == 0)
		uplink->hurry = uplink->mqtt5;
}

/* What the broker takes (MQTT 5 section 3.2.2.3). The library keeps to some of it by queueing, or by
 * refusing to publish: so it is known here. */
static void note_limits(struct uplink *uplink, const mosquitto_property *properties)
{
	uint16_t publishes = WINDOW_RECEIVE_MAX;
	uint32_t packet = 0;
	uint8_t retain = 1;

	(void)mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM, &publishes,
					    false);
	(void)mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, &packet,
					    false);
	(void)mosquitto_property_read_byte(properties, MQTT_PROP_RETAIN_AVAILABLE, &retain, false);
	window_broker(&uplink->window, publishes ? publishes : 1);
	uplink->packet_maximum = packet;
	uplink->retain_refused = !retain;
}

static void on_connect(struct mosquitto *mosq, void *arg, int code, int flags,
		       const mosquitto_property *properties)
{
	struct uplink *uplink = arg;
	struct buf link;

	(void)flags;
	if (code) {
		note_refusal(uplink, code);
		return;
	}
	note_limits(uplink, properties);
	uplink->online_us = uplink_now_us(uplink);
	uplink->heard_us = uplink->online_us;
	tls_let_go(&uplink->tls_said);
	uplink->report.sessions++;
	uplink->broker_ends_ms = uplink->tls_said.ends_ms;
	uplink->subscribe_by_us = uplink->online_us + uplink->config->connect_us;
	uplink->report.mqtt5 = uplink->mqtt5;
	uplink_encode_link(uplink, true, &link);
	if (link.error ||
	    !uplink_publish(uplink, uplink->topic_link, link.data, link.len, true,
			    &uplink->online_mid) ||
	    mosquitto_subscribe(mosq, &uplink->subscribe_mid, uplink->topic_ack, 0) ||
	    mosquitto_subscribe(mosq, NULL, uplink->topic_config, 1))
		uplink->broken = true;
	buf_free(&link);
	if (uplink->broken)
		return;
	uplink_set_state(uplink, UPLINK_ONLINE, "", "");
	uplink->status_at_us = uplink_now_us(uplink);
}

/* The broker lets us in, read and write: so it accepts our certificate. */
static void note_accepted(struct uplink *uplink)
{
	if (uplink->subscribed && uplink->announced)
		(void)renewal_accepted(&uplink->renewal, uplink_now_us(uplink));
}

/* A new certificate that the broker knows, but not as ours. */
static void note_denied(struct uplink *uplink)
{
	uplink->subscribed = false;
	uplink_refuse(uplink, "not_authorised", "The broker %s does not let the gateway write %s.",
		      uplink->peer, uplink->topic_link);
}

static void on_subscribe(struct mosquitto *mosq, void *arg, int mid, int count, const int *granted)
{
	struct uplink *uplink = arg;

	(void)mosq;
	if (mid != uplink->subscribe_mid || uplink->subscribed)
		return;
	if (count < 1 || granted[0] > 2) {
		uplink_refuse(uplink, "not_authorised",
			      "The broker %s does not let the gateway read %s.", uplink->peer,
			      uplink->topic_ack);
		return;
	}
	uplink->subscribed = true;
	note_accepted(uplink);
	/* Keyframes first: what is stored from here on is live, and goes before the backlog. */
	uplink_data_begin(uplink);
	uplink->env->online(uplink->env->arg);
	uplink_data_soon(uplink);
}

static void on_puback(struct mosquitto *mosq, void *arg, int mid, int reason,
		      const mosquitto_property *properties)
{
	struct uplink *uplink = arg;

	(void)mosq;
	(void)properties;
	uplink->progress_us = uplink_now_us(uplink);
	if (mid == uplink->online_mid && reason < MQTT_RC_UNSPECIFIED) {
		uplink->announced = true;
		note_accepted(uplink);
	} else if (mid == uplink->online_mid && uplink->renewal.trying) {
		note_denied(uplink);
	}
	uplink_data_confirmed(uplink, mid, reason);
	if (uplink->report.state == UPLINK_STOPPING && mid == uplink->offline_mid)
		(void)mosquitto_disconnect(uplink->mosq);
}

static void on_message(struct mosquitto *mosq, void *arg, const struct mosquitto_message *message,
		       const mosquitto_property *properties)
{
	struct uplink *uplink = arg;
	const size_t len = message->payloadlen > 0 ? (size_t)message->payloadlen : 0;

	(void)mosq;
	(void)properties;
	if (uplink->report.state == UPLINK_STOPPING)
		return;
	if (strcmp(message->topic, uplink->topic_ack) == 0 && !message->retain)
		uplink_data_ack(uplink, message->payload, len);
	else if (strcmp(message->topic, uplink->topic_config) == 0)
		uplink->report.config_len = len > CONFIG_BYTES_MAX ? -1 : (int)len;
}

static void on_disconnect(struct mosquitto *mosq, void *arg, int code,
			  const mosquitto_property *properties)
{
	struct uplink *uplink = arg;

	(void)mosq;
	(void)properties;
	(void)code;
	uplink->broken = true;
}

/* What the library says of an error, TLS above all, is better than its codes. */
static void on_log(struct mosquitto *mosq, void *arg, int level, const char *text)
{
	struct uplink *uplink = arg;

	(void)mosq;
	if (level == MOSQ_LOG_ERR || level == MOSQ_LOG_WARNING)
		(void)snprintf(uplink->said, sizeof(uplink->said), "%s", text);
}

void uplink_session_listen(struct mosquitto *mosq)
{
	mosquitto_log_callback_set(mosq, on_log);
	mosquitto_connect_v5_callback_set(mosq, on_connect);
	mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
	mosquitto_subscribe_callback_set(mosq, on_subscribe);
	mosquitto_publish_v5_callback_set(mosq, on_puback);
	mosquitto_message_v5_callback_set(mosq, on_message);
}
