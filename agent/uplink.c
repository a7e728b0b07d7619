#include "agent/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/uplink_priv.h"
#include "base/tls.h"

#define PUBACK_STALL_US 20000000 /* in-flight faults of 2.0.11: a new handle heals them */
#define STOP_US 2000000
#define STATUS_SOON_US 200000 /* changes that come together share a report */
#define READS_MAX 1000

static void on_socket(struct loop_fd *watch, unsigned events);

const char *uplink_state_name(enum uplink_state state)
{
	static const char *const names[] = {"down", "lookup", "connecting", "online", "stopping"};

	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

const char *uplink_loss_name(enum uplink_loss loss)
{
	static const char *const names[] = {"name",           "refused", "timeout", "tls",
					    "not_authorised", "closed",  "dead",    "silent",
					    "misconfigured",  "own"};

	return (unsigned)loss < sizeof(names) / sizeof(names[0]) ? names[loss] : NULL;
}

void uplink_spool_error(struct uplink *uplink, int error)
{
	uplink->env->spool_failed(uplink->env->arg, error);
}

/* ---- the state of the connection ---- */

void uplink_set_state(struct uplink *uplink, enum uplink_state state, const char *reason,
		      const char *detail)
{
	struct uplink_report *report = &uplink->report;
	const bool other = report->state != state || strcmp(report->reason, reason) != 0;

	if (detail != report->detail)
		(void)snprintf(report->detail, sizeof(report->detail), "%s", detail);
	if (!other)
		return;
	if (report->state != state)
		report->since_us = uplink_now_us(uplink);
	report->state = state;
	if (reason != report->reason)
		(void)snprintf(report->reason, sizeof(report->reason), "%s", reason);
	uplink->env->changed(uplink->env->arg);
}

static void drop_connection(struct uplink *uplink)
{
	uplink_data_end(uplink);
	loop_timer_cancel(&uplink->tick);
	loop_fd_remove(&uplink->watch);
	uplink_connect_end(uplink);
	if (uplink->mosq)
		mosquitto_destroy(uplink->mosq);
	uplink->mosq = NULL;
	uplink->broken = false;
	uplink->refused = false;
	uplink->tls_refusal = 0;
	uplink->said[0] = '\0';
	uplink->subscribed = false;
	uplink->retain_refused = false;
}

static void finish_stop(struct uplink *uplink)
{
	drop_connection(uplink);
	uplink->report.state = UPLINK_DOWN;
	uplink->env->stopped(uplink->env->arg);
}

void uplink_lose(struct uplink *uplink, const char *reason, const char *detail)
{
	if (uplink->report.state == UPLINK_STOPPING) {
		finish_stop(uplink);
		return;
	}
	drop_connection(uplink);
	uplink_set_state(uplink, UPLINK_DOWN, reason, detail);
	uplink_connect_later(uplink);
}

/* Keeps the loop's watch on the handle's socket. Returns 0, MOSQ_ERR_NO_CONN where there is none (any
 * more), MOSQ_ERR_NOMEM. */
static int keep_watching(struct uplink *uplink)
{
	const int fd = mosquitto_socket(uplink->mosq);
	unsigned events = LOOP_READ;

	if (fd < 0)
		return MOSQ_ERR_NO_CONN;
	if (uplink->watch.loop && uplink->watch.fd != fd)
		loop_fd_remove(&uplink->watch);
	if (!uplink->watch.loop &&
	    loop_fd_add(uplink->env->loop, &uplink->watch, fd, LOOP_READ, on_socket, uplink))
		return MOSQ_ERR_NOMEM;
	if (mosquitto_want_write(uplink->mosq))
		events |= LOOP_WRITE;
	return loop_fd_set(&uplink->watch, events) ? MOSQ_ERR_NO_CONN : 0;
}

/* Why the connection is gone, in a sentence. */
static const char *explain(struct uplink *uplink, int rc, int error, char *detail, size_t size)
{
	const char *why;

	if (uplink->tls_refusal) {
		(void)snprintf(detail, size, "The certificate of the broker is refused: %s.",
			       tls_refusal(uplink->tls_refusal));
		return "certificate_refused";
	}
	if (uplink->said[0])
		why = uplink->said;
	else if (rc == MOSQ_ERR_ERRNO)
		why = strerror(error);
	else
		why = rc && rc != MOSQ_ERR_NO_CONN ? mosquitto_strerror(rc) : "closed";
	/* libmosquitto's sentences bring their own full stop. */
	(void)snprintf(detail, size, "The connection to the broker is gone: %.*s.",
		       (int)strcspn(why, "."), why);
	return uplink->report.state == UPLINK_CONNECTING ? "connection_refused" : "connection_lost";
}

void uplink_check(struct uplink *uplink, int rc)
{
	const int error = errno; /* what MOSQ_ERR_ERRNO speaks of */
	const char *why;
	char reason[32];
	char detail[160];

	if (!uplink->mosq)
		return;
	if (!rc && !uplink->broken) {
		rc = keep_watching(uplink);
		if (!rc)
			return;
	}
	if (uplink->refused) {
		memcpy(reason, uplink->report.reason, sizeof(reason));
		memcpy(detail, uplink->report.detail, sizeof(detail));
		uplink_lose(uplink, reason, detail);
		return;
	}
	why = explain(uplink, rc, error, detail, sizeof(detail));
	uplink_lose(uplink, why, detail);
}

void uplink_encode_link(const struct uplink *uplink, bool online, struct buf *out)
{
	struct wire_link link = {.online = online};
	struct jw w;

	memcpy(link.session, uplink->session, sizeof(link.session));
	buf_init(out, 512);
	jw_init(&w, out);
	wire_link_encode(&w, &link);
}

int uplink_publish_raw(struct uplink *uplink, const char *topic, const void *data, size_t len,
		       bool retain, int *ret_mid)
{
	int rc;

	if (!uplink->mosq || uplink->broken)
		return MOSQ_ERR_NO_CONN;
	if (!uplink->window.unconfirmed)
		uplink->progress_us = uplink_now_us(uplink);
	rc = mosquitto_publish(uplink->mosq, ret_mid, topic, (int)len, data, 1,
			       retain && !uplink->retain_refused);
	if (rc == MOSQ_ERR_OVERSIZE_PACKET)
		return rc;
	if (rc) {
		/* Seen by the loop at its next turn: never from inside a caller's work. */
		uplink->broken = true;
		(void)loop_timer_set(uplink->env->loop, &uplink->tick, 0, uplink_on_tick, uplink);
		return rc;
	}
	if (uplink->watch.loop && mosquitto_want_write(uplink->mosq))
		(void)loop_fd_set(&uplink->watch, LOOP_READ | LOOP_WRITE);
	return 0;
}

bool uplink_publish(struct uplink *uplink, const char *topic, const void *data, size_t len,
		    bool retain, int *ret_mid)
{
	if (uplink_publish_raw(uplink, topic, data, len, retain, ret_mid))
		return false;
	window_other(&uplink->window);
	return true;
}

/* ---- the loop ---- */

/* What TLS has already taken off the socket does not wake the loop again. */
static bool has_unread(const struct uplink *uplink)
{
	const SSL *ssl = mosquitto_ssl_get(uplink->mosq);

	return ssl && SSL_pending(ssl) > 0;
}

static void on_socket(struct loop_fd *watch, unsigned events)
{
	struct uplink *uplink = watch->arg;
	int rc = 0;

	if (events & (LOOP_READ | LOOP_HANGUP))
		rc = mosquitto_loop_read(uplink->mosq, 1);
	for (int i = 0; i < READS_MAX && !rc && !uplink->broken && has_unread(uplink); i++)
		rc = mosquitto_loop_read(uplink->mosq, 1);
	if (!rc && !uplink->broken && (events & LOOP_WRITE))
		rc = mosquitto_loop_write(uplink->mosq, 1);
	uplink_check(uplink, rc);
}

static bool is_overdue(struct uplink *uplink)
{
	const int64_t now = uplink_now_us(uplink);

	if (uplink->report.state == UPLINK_CONNECTING && now >= uplink->deadline_us) {
		uplink_lose(uplink, "connection_timeout", "The broker did not answer in time.");
		return true;
	}
	if (uplink->report.state == UPLINK_STOPPING && now >= uplink->deadline_us) {
		finish_stop(uplink);
		return true;
	}
	if (uplink->report.state == UPLINK_ONLINE && uplink->window.unconfirmed &&
	    now - uplink->progress_us > PUBACK_STALL_US) {
		uplink_lose(uplink, "broker_stalled",
			    "The broker no longer confirms what it gets.");
		return true;
	}
	return false;
}

static void publish_status(struct uplink *uplink)
{
	struct wire_status *status = calloc(1, sizeof(*status));
	struct buf out;
	struct jw w;

	uplink->status_at_us = uplink_now_us(uplink) + uplink->config->status_us;
	if (!status)
		return; /* the next one comes in a while */
	uplink->env->status(uplink->env->arg, status);
	buf_init(&out, WIRE_BATCH_BYTES_MAX);
	jw_init(&w, &out);
	wire_status_encode(&w, status);
	if (!out.error)
		(void)uplink_publish(uplink, uplink->topic_status, out.data, out.len, true, NULL);
	buf_free(&out);
	free(status);
}

void uplink_on_tick(struct loop_timer *timer)
{
	struct uplink *uplink = timer->arg;

	if (!uplink->mosq || is_overdue(uplink))
		return;
	if (loop_timer_set(uplink->env->loop, &uplink->tick, UPLINK_TICK_US, uplink_on_tick,
			   uplink)) {
		uplink_lose(uplink, "misconfigured", "There is no memory for a connection.");
		return;
	}
	if (uplink->report.state == UPLINK_ONLINE &&
	    uplink_now_us(uplink) >= uplink->status_at_us && window_takes_other(&uplink->window))
		publish_status(uplink);
	uplink_check(uplink,
		     uplink->broken ? MOSQ_ERR_CONN_LOST : mosquitto_loop_misc(uplink->mosq));
}

/* ---- life ---- */

static void name_topics(struct uplink *uplink)
{
	const struct {
		char *topic;
		const char *last;
	} topics[] = {
		{uplink->topic_data, "data"},     {uplink->topic_ack, "ack"},
		{uplink->topic_link, "link"},     {uplink->topic_status, "status"},
		{uplink->topic_config, "config"},
	};

	(void)snprintf(uplink->user, sizeof(uplink->user), "%s/%s", uplink->config->workspace,
		       uplink->config->gateway_id);
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		(void)snprintf(topics[i].topic, UPLINK_TOPIC_SIZE, "freshet/v1/%s/%s", uplink->user,
			       topics[i].last);
}

int uplink_create(const struct uplink_config *config, const struct uplink_env *env,
		  struct uplink **ret_uplink)
{
	struct uplink *uplink = calloc(1, sizeof(*uplink));
	char random[IDS_RANDOM_SIZE];
	uint32_t seed;
	int r;

	if (!uplink)
		return -ENOMEM;
	r = ids_random(random);
	if (!r && mosquitto_lib_init())
		r = -ENOMEM;
	if (r) {
		free(uplink);
		return r;
	}
	memcpy(&seed, random, sizeof(seed));
	uplink->config = config;
	uplink->env = env;
	uplink->report.mqtt5 = config->protocol != UPLINK_311;
	uplink->report.last_ack_us = MODEL_NO_TIME;
	uplink->report.config_len = -1;
	uplink->report.since_us = uplink_now_us(uplink);
	uplink->online_us = MODEL_NO_TIME;
	uplink->wait_us = config->reconnect_min_us;
	buf_init(&uplink->body, WIRE_BATCH_BYTES_MAX);
	buf_init(&uplink->payload, WIRE_BATCH_BYTES_MAX);
	window_init(&uplink->window, &config->window, seed);
	name_topics(uplink);
	*ret_uplink = uplink;
	return 0;
}

void uplink_destroy(struct uplink *uplink)
{
	if (!uplink)
		return;
	drop_connection(uplink);
	loop_timer_cancel(&uplink->retry);
	buf_free(&uplink->body);
	buf_free(&uplink->payload);
	free(uplink);
	mosquitto_lib_cleanup();
}

int uplink_start(struct uplink *uplink)
{
	return uplink_connect(uplink);
}

void uplink_status_changed(struct uplink *uplink)
{
	const int64_t soon = uplink_now_us(uplink) + STATUS_SOON_US;

	if (uplink->report.state != UPLINK_ONLINE || uplink->status_at_us <= soon)
		return;
	uplink->status_at_us = soon;
	(void)loop_timer_set(uplink->env->loop, &uplink->tick, STATUS_SOON_US, uplink_on_tick,
			     uplink);
}

void uplink_spool_replaced(struct uplink *uplink)
{
	if (uplink->report.state != UPLINK_ONLINE)
		return;
	/* Seen by the loop at its next turn: the caller may be the uplink's own work. Until then
	 * nothing is sent. */
	(void)snprintf(uplink->said, sizeof(uplink->said), "the spool was replaced");
	uplink->broken = true;
	(void)loop_timer_set(uplink->env->loop, &uplink->tick, 0, uplink_on_tick, uplink);
}

void uplink_stop(struct uplink *uplink)
{
	const bool online = uplink->report.state == UPLINK_ONLINE;
	struct buf link;

	loop_timer_cancel(&uplink->retry);
	uplink_data_settle(uplink);
	if (!online || uplink->broken) {
		finish_stop(uplink);
		return;
	}
	uplink->report.state = UPLINK_STOPPING;
	uplink->deadline_us = uplink_now_us(uplink) + STOP_US;
	uplink_encode_link(uplink, false, &link);
	if (link.error || !uplink_publish(uplink, uplink->topic_link, link.data, link.len, true,
					  &uplink->offline_mid))
		finish_stop(uplink);
	buf_free(&link);
}

size_t uplink_certificates(const struct uplink *uplink, struct wire_certificate *out, size_t size)
{
	size_t count = 0;

	if (!uplink->config->tls || !uplink->config->cert_file || !size)
		return 0;
	if (tls_certificate_end(uplink->config->cert_file, &out[count].expires_at_ms) == 0) {
		(void)snprintf(out[count].name, sizeof(out[count].name), "gateway");
		count++;
	}
	return count;
}

void uplink_report(const struct uplink *uplink, struct uplink_report *ret_report)
{
	const struct window *window = &uplink->window;

	*ret_report = uplink->report;
	ret_report->in_flight = window->in_flight;
	ret_report->backlog_in_flight = window->backlog_in_flight;
	ret_report->live_in_flight = window->in_flight - window->backlog_in_flight;
	ret_report->bytes_in_flight = window->bytes;
	ret_report->window_batches = window->config.batches;
	ret_report->window_bytes = window->config.bytes;
	ret_report->window_limit = window_limit(window);
	ret_report->receive_maximum =
		window->receive_maximum < WINDOW_RECEIVE_MAX ? window->receive_maximum : 0;
	ret_report->packet_maximum = uplink->packet_maximum;
	ret_report->backlog_limit = pace_window(&window->pace);
	ret_report->backlog_rate = window_rate(window);
	ret_report->ack_round_trip_us = window->pace.smoothed_us;
	ret_report->ack_round_trip_worst_us = pace_worst_us(&window->pace, uplink_now_us(uplink));
	ret_report->set_aside = window->aside;
}
