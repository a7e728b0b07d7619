#include "agent/uplink.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/uplink_priv.h"
#include "base/tls.h"

#define SILENCE_MAX_US INT64_C(3600000000)
#define EXPIRING_MS INT64_C(1209600000) /* a fortnight */
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

static void count_loss(struct uplink *uplink, const char *reason)
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
	count_loss(uplink, reason);
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
	if (!lose_to_tls(uplink))
		lose_to_error(uplink, rc, error);
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
		if (uplink->silence_us > SILENCE_MAX_US)
			uplink->silence_us = SILENCE_MAX_US;
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
		finish_stop(uplink);
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

void uplink_on_tick(struct loop_timer *timer)
{
	struct uplink *uplink = timer->arg;

	if (!uplink->mosq || is_overdue(uplink) || renew(uplink))
		return;
	if (loop_timer_set(uplink->env->loop, &uplink->tick, UPLINK_TICK_US, uplink_on_tick,
			   uplink)) {
		uplink_lose(uplink, "misconfigured",
			    "There is no memory for a connection to the broker %s.", uplink->peer);
		return;
	}
	watch_certificate(uplink);
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
	uplink->no_core_us = uplink->report.since_us - SILENCE_MAX_US;
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
