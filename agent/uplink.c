#include "agent/uplink.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/uplink_priv.h"
#include "base/tls.h"

#define STOP_US 2000000
#define STATUS_SOON_US 200000 /* changes that come together share a report */
#define READS_MAX 1000

static void on_socket(struct loop_fd *watch, unsigned events);

const char *uplink_state_name(enum uplink_state state)
{
	static const char *const names[] = {"down", "lookup", "connecting", "online", "stopping"};

	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
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
	uplink->greeted = false;
	tls_let_go(&uplink->tls_said);
	uplink->tls_said = (struct tls_said){0};
	uplink->said[0] = '\0';
	uplink->subscribed = false;
	uplink->announced = false;
	uplink->online_mid = 0;
	uplink->retain_refused = false;
}

static void finish_stop(struct uplink *uplink)
{
	drop_connection(uplink);
	uplink->report.state = UPLINK_DOWN;
	uplink->env->stopped(uplink->env->arg);
}

/* The gateway's own certificate, or what the broker lets it do, is at fault. */
static bool is_of_identity(const char *reason)
{
	return strcmp(reason, "own_certificate_refused") == 0 ||
	       strcmp(reason, "not_authorised") == 0 || strcmp(reason, "misconfigured") == 0;
}

void uplink_lose(struct uplink *uplink, const char *reason, const char *detail, ...)
{
	char sentence[sizeof(uplink->report.detail)];
	va_list list;

	va_start(list, detail);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the analyzer misreads va_start */
	(void)vsnprintf(sentence, sizeof(sentence), detail, list);
	va_end(list);
	if (uplink->report.state == UPLINK_STOPPING) {
		finish_stop(uplink);
		return;
	}
	if (!uplink->subscribed)
		renewal_failed(&uplink->renewal, is_of_identity(reason), sentence,
			       uplink_now_us(uplink));
	uplink_loss_count(uplink, reason);
	drop_connection(uplink);
	uplink_set_state(uplink, UPLINK_DOWN, reason, sentence);
	uplink_connect_later(uplink);
}

void uplink_refuse(struct uplink *uplink, const char *reason, const char *detail, ...)
{
	struct uplink_report *report = &uplink->report;
	va_list list;

	va_start(list, detail);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the analyzer misreads va_start */
	(void)vsnprintf(report->detail, sizeof(report->detail), detail, list);
	va_end(list);
	(void)snprintf(report->reason, sizeof(report->reason), "%s", reason);
	uplink->refused = true;
	uplink->broken = true;
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

void uplink_check(struct uplink *uplink, int rc)
{
	const int error = errno; /* what MOSQ_ERR_ERRNO speaks of */
	char reason[sizeof(uplink->report.reason)];
	char detail[sizeof(uplink->report.detail)];

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
		uplink_lose(uplink, reason, "%s", detail);
		return;
	}
	uplink_loss_explain(uplink, rc, error);
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

/* The way to the broker stands, and our login is on it. */
static void note_greeting(struct uplink *uplink)
{
	const SSL *ssl = mosquitto_ssl_get(uplink->mosq);
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (uplink->report.state != UPLINK_CONNECTING || uplink->greeted)
		return;
	uplink->greeted = getpeername(uplink->watch.fd, (struct sockaddr *)&address, &len) == 0 &&
			  (!ssl || SSL_is_init_finished(ssl));
}

static void on_socket(struct loop_fd *watch, unsigned events)
{
	struct uplink *uplink = watch->arg;
	int rc = 0;

	note_greeting(uplink);
	if (events & (LOOP_READ | LOOP_HANGUP))
		rc = mosquitto_loop_read(uplink->mosq, 1);
	for (int i = 0; i < READS_MAX && !rc && !uplink->broken && has_unread(uplink); i++)
		rc = mosquitto_loop_read(uplink->mosq, 1);
	if (!rc && !uplink->broken && (events & LOOP_WRITE))
		rc = mosquitto_loop_write(uplink->mosq, 1);
	uplink_check(uplink, rc);
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

	if (!uplink->mosq || uplink_watch(uplink))
		return;
	if (loop_timer_set(uplink->env->loop, &uplink->tick, UPLINK_TICK_US, uplink_on_tick,
			   uplink)) {
		uplink_lose(uplink, "misconfigured",
			    "There is no memory for a connection to the broker %s.", uplink->peer);
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

static void name_peer(struct uplink *uplink)
{
	const char *host = uplink->config->host;
	const bool v6 = strchr(host, ':') != NULL;

	(void)snprintf(uplink->peer, sizeof(uplink->peer), "%s%.100s%s:%d", v6 ? "[" : "", host,
		       v6 ? "]" : "", uplink->config->port);
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
	r = renewal_init(&uplink->renewal, config->tls ? config->cert_file : NULL,
			 config->key_file);
	if (r) {
		mosquitto_lib_cleanup();
		free(uplink);
		return r;
	}
	uplink->config = config;
	uplink->env = env;
	uplink->report.mqtt5 = config->protocol != UPLINK_311;
	uplink->report.last_ack_us = MODEL_NO_TIME;
	uplink->report.config_len = -1;
	uplink->report.since_us = uplink_now_us(uplink);
	uplink->online_us = MODEL_NO_TIME;
	uplink->wait_us = config->reconnect_min_us;
	buf_init(&uplink->payload, WIRE_BATCH_BYTES_MAX);
	window_init(&uplink->window, &config->window, seed);
	name_topics(uplink);
	name_peer(uplink);
	uplink->silence_us = UPLINK_SILENCE_US;
	uplink->no_core_us = uplink->report.since_us - UPLINK_SILENCE_MAX_US;
	*ret_uplink = uplink;
	return 0;
}

void uplink_destroy(struct uplink *uplink)
{
	if (!uplink)
		return;
	drop_connection(uplink);
	loop_timer_cancel(&uplink->retry);
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
	uplink_refuse(uplink, "spool_replaced",
		      "The spool was replaced: the broker %s gets what it holds anew.",
		      uplink->peer);
	uplink->hurry = true;
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

static void put_certificate(struct wire_certificate *out, size_t *count, size_t size,
			    const char *name, int64_t ends_ms)
{
	if (!ends_ms || *count >= size)
		return;
	(void)snprintf(out[*count].name, sizeof(out[*count].name), "%s", name);
	out[*count].expires_at_ms = ends_ms;
	(*count)++;
}

size_t uplink_certificates(const struct uplink *uplink, struct wire_certificate *out, size_t size)
{
	const struct renewal *renewal = &uplink->renewal;
	size_t count = 0;
	int64_t ms = 0;

	if (renewal->cert_file && tls_certificate_end(renewal->cert_file, &ms) == 0)
		put_certificate(out, &count, size, "gateway", ms);
	ms = 0;
	if (renewal->cert_file && tls_certificate_end(renewal->new_cert, &ms) == 0)
		put_certificate(out, &count, size, "gateway.new", ms);
	put_certificate(out, &count, size, "broker", uplink->broker_ends_ms);
	return count;
}

void uplink_report(const struct uplink *uplink, struct uplink_report *ret_report)
{
	const struct window *window = &uplink->window;

	*ret_report = uplink->report;
	(void)snprintf(ret_report->certificate, sizeof(ret_report->certificate), "%s",
		       uplink->renewal.problem);
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
