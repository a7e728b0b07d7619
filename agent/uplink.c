#include "agent/uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mqtt_protocol.h>

#include "agent/uplink_priv.h"
#include "base/tls.h"

#define TICK_US 500000
#define LOOKUP_POLL_US 20000
#define PUBACK_STALL_US 20000000 /* in-flight faults of 2.0.11: a new handle heals them */
#define STOP_US 2000000
#define STATUS_SOON_US 200000 /* changes that come together share a report */
#define PASSWORD_MAX 512
#define LIBRARY_INFLIGHT 20
#define READS_MAX 1000
#define CONFIG_BYTES_MAX ((size_t)256 * 1024)

static void on_socket(struct loop_fd *watch, unsigned events);
static void on_tick(struct loop_timer *timer);
static void on_retry(struct loop_timer *timer);
static void publish_status(struct uplink *uplink);

const char *uplink_state_name(enum uplink_state state)
{
	static const char *const names[] = {"down", "lookup", "connecting", "online", "stopping"};

	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

static int64_t now_us(const struct uplink *uplink)
{
	return loop_now_us(uplink->env->loop);
}

void uplink_spool_error(struct uplink *uplink, int error)
{
	uplink->env->spool_failed(uplink->env->arg, error);
}

static void set_state(struct uplink *uplink, enum uplink_state state, const char *reason,
		      const char *detail)
{
	struct uplink_report *report = &uplink->report;
	const bool other = report->state != state || strcmp(report->reason, reason) != 0;

	if (detail != report->detail)
		(void)snprintf(report->detail, sizeof(report->detail), "%s", detail);
	if (!other)
		return;
	if (report->state != state)
		report->since_us = now_us(uplink);
	report->state = state;
	if (reason != report->reason)
		(void)snprintf(report->reason, sizeof(report->reason), "%s", reason);
	uplink->env->changed(uplink->env->arg);
}

/* ---- making and breaking connections ---- */

static void free_lookup(struct uplink *uplink)
{
	struct gaicb *lookup = uplink->lookup;

	if (!lookup)
		return;
	/* A request that runs cannot be taken back: it keeps its memory, which is small. */
	if (gai_error(lookup) == EAI_INPROGRESS && gai_cancel(lookup) != EAI_CANCELED) {
		uplink->lookup = NULL;
		return;
	}
	if (lookup->ar_result)
		freeaddrinfo(lookup->ar_result);
	free(lookup);
	uplink->lookup = NULL;
}

static void drop_connection(struct uplink *uplink)
{
	uplink_data_end(uplink);
	loop_timer_cancel(&uplink->tick);
	loop_fd_remove(&uplink->watch);
	free_lookup(uplink);
	if (uplink->mosq)
		mosquitto_destroy(uplink->mosq);
	uplink->mosq = NULL;
	uplink->broken = false;
	uplink->refused = false;
	uplink->tls_refusal = 0;
	uplink->said[0] = '\0';
	uplink->subscribed = false;
	uplink->unconfirmed = 0;
	uplink->report.in_flight = 0;
}

static int64_t jitter(int64_t low, int64_t high)
{
	uint32_t random;
	char text[IDS_RANDOM_SIZE];

	if (high <= low || ids_random(text))
		return low;
	memcpy(&random, text, sizeof(random));
	/* Hex digits: enough spread for a pause. */
	random = random * 2654435761U;
	return low + (int64_t)((uint64_t)(high - low) * random >> 32);
}

/* Decorrelated jitter; only a session that lasted lets the pauses begin anew. */
static void connect_later(struct uplink *uplink)
{
	const int64_t low = uplink->config->reconnect_min_us;
	int64_t high = uplink->wait_us * 3;

	if (uplink->online_us != MODEL_NO_TIME &&
	    now_us(uplink) - uplink->online_us >= uplink->config->stable_us)
		high = low * 3;
	uplink->online_us = MODEL_NO_TIME;
	if (high < low)
		high = low;
	uplink->wait_us = jitter(low, high);
	if (uplink->wait_us > uplink->config->reconnect_max_us)
		uplink->wait_us = uplink->config->reconnect_max_us;
	(void)loop_timer_set(uplink->env->loop, &uplink->retry, uplink->wait_us, on_retry, uplink);
}

static void finish_stop(struct uplink *uplink)
{
	drop_connection(uplink);
	uplink->report.state = UPLINK_DOWN;
	uplink->env->stopped(uplink->env->arg);
}

static void lose(struct uplink *uplink, const char *reason, const char *detail)
{
	if (uplink->report.state == UPLINK_STOPPING) {
		finish_stop(uplink);
		return;
	}
	drop_connection(uplink);
	set_state(uplink, UPLINK_DOWN, reason, detail);
	connect_later(uplink);
}

/* After every call into libmosquitto: is there still a connection, does it want to write? */
static void after(struct uplink *uplink, int rc)
{
	const int error = errno; /* what MOSQ_ERR_ERRNO speaks of */
	const char *why;
	char reason[32];
	char detail[160];
	int fd;

	if (!uplink->mosq)
		return;
	fd = mosquitto_socket(uplink->mosq);
	if (!rc && !uplink->broken && fd >= 0) {
		if (uplink->watch.loop && uplink->watch.fd != fd)
			loop_fd_remove(&uplink->watch);
		if (!uplink->watch.loop && loop_fd_add(uplink->env->loop, &uplink->watch, fd,
						       LOOP_READ, on_socket, uplink))
			rc = MOSQ_ERR_NOMEM;
		else if (!loop_fd_set(&uplink->watch, mosquitto_want_write(uplink->mosq)
							      ? LOOP_READ | LOOP_WRITE
							      : LOOP_READ))
			return;
	}
	if (uplink->refused) {
		memcpy(reason, uplink->report.reason, sizeof(reason));
		memcpy(detail, uplink->report.detail, sizeof(detail));
		lose(uplink, reason, detail);
		return;
	}
	if (uplink->tls_refusal) {
		(void)snprintf(detail, sizeof(detail),
			       "The certificate of the broker is refused: %s.",
			       tls_refusal(uplink->tls_refusal));
		lose(uplink, "certificate_refused", detail);
		return;
	}
	why = rc == MOSQ_ERR_ERRNO ? strerror(error) : rc ? mosquitto_strerror(rc) : "closed";
	if (uplink->said[0])
		why = uplink->said;
	/* libmosquitto's sentences bring their own full stop. */
	(void)snprintf(detail, sizeof(detail), "The connection to the broker is gone: %.*s.",
		       (int)strcspn(why, "."), why);
	lose(uplink,
	     uplink->report.state == UPLINK_CONNECTING ? "connection_refused" : "connection_lost",
	     detail);
}

/* Reads the password; the file must be its owner's alone. Returns 0 or -errno. */
static int read_password(const char *path, char out[static PASSWORD_MAX])
{
	struct stat info;
	ssize_t n = 0;
	int r = 0;
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &info))
		r = -errno;
	else if (info.st_mode & 077)
		r = -EPERM;
	if (!r) {
		n = read(fd, out, PASSWORD_MAX - 1);
		r = n < 0 ? -errno : 0;
	}
	close(fd);
	if (r)
		return r;
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

static int use_password(struct uplink *uplink)
{
	char password[PASSWORD_MAX] = "";
	int r = 0;

	if (uplink->config->password_file)
		r = read_password(uplink->config->password_file, password);
	if (!r && mosquitto_username_pw_set(uplink->mosq, uplink->user,
					    uplink->config->password_file ? password : NULL))
		r = -ENOMEM;
	explicit_bzero(password, sizeof(password));
	return r;
}

static int use_tls(struct uplink *uplink)
{
	const struct uplink_config *config = uplink->config;
	struct tls_peer peer = {
		.host = config->host,
		.ca_file = config->ca_file,
		.cert_file = config->cert_file,
		.key_file = config->key_file,
		.at_ms = clock_wall_ms(uplink->env->clock),
		.refusal = &uplink->tls_refusal,
	};
	SSL_CTX *context;
	int r;

	if (peer.at_ms < uplink->env->verify_ms)
		peer.at_ms = uplink->env->verify_ms;
	r = tls_context(&peer, &context);
	if (r)
		return r;
	/* The context verifies all by itself; libmosquitto takes a reference of its own. With its
	 * "defaults" on top, its own verification refuses contexts that it has not made. */
	if (mosquitto_void_option(uplink->mosq, MOSQ_OPT_SSL_CTX, context) ||
	    mosquitto_int_option(uplink->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0))
		r = -EINVAL;
	SSL_CTX_free(context);
	return r;
}

static void encode_link(const struct uplink *uplink, bool online, struct buf *out)
{
	struct wire_link link = {.online = online};
	struct jw w;

	memcpy(link.session, uplink->session, sizeof(link.session));
	buf_init(out, 512);
	jw_init(&w, out);
	wire_link_encode(&w, &link);
}

static int use_will(struct uplink *uplink)
{
	struct buf will;
	int r;

	encode_link(uplink, false, &will);
	r = will.error;
	if (!r &&
	    mosquitto_will_set(uplink->mosq, uplink->topic_link, (int)will.len, will.data, 1, true))
		r = -ENOMEM;
	buf_free(&will);
	return r;
}

bool uplink_publish(struct uplink *uplink, const char *topic, const void *data, size_t len,
		    bool retain, int *ret_mid)
{
	int rc;

	if (!uplink->mosq || uplink->broken)
		return false;
	if (!uplink->unconfirmed)
		uplink->progress_us = now_us(uplink);
	rc = mosquitto_publish(uplink->mosq, ret_mid, topic, (int)len, data, 1, retain);
	if (rc) {
		/* Seen by the loop at its next turn: never from inside a caller's work. */
		uplink->broken = true;
		(void)loop_timer_set(uplink->env->loop, &uplink->tick, 0, on_tick, uplink);
		return false;
	}
	uplink->unconfirmed++;
	if (uplink->watch.loop && mosquitto_want_write(uplink->mosq))
		(void)loop_fd_set(&uplink->watch, LOOP_READ | LOOP_WRITE);
	return true;
}

/* ---- what the broker says ---- */

static void note_refusal(struct uplink *uplink, int code)
{
	const char *reason = "connection_refused";

	/* MQTT 3.1.1 table 3.1; MQTT 5 section 3.2.2.2. */
	if (code == 1 || code == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION)
		reason = "protocol_refused";
	else if (code == 4 || code == 5 || code == MQTT_RC_NOT_AUTHORIZED ||
		 code == MQTT_RC_BAD_USERNAME_OR_PASSWORD)
		reason = "not_authorised";
	(void)snprintf(uplink->report.reason, sizeof(uplink->report.reason), "%s", reason);
	(void)snprintf(uplink->report.detail, sizeof(uplink->report.detail),
		       "The broker refuses the gateway: %s.",
		       uplink->mqtt5 ? mosquitto_reason_string(code)
				     : mosquitto_connack_string(code));
	if (strcmp(reason, "protocol_refused") == 0 && uplink->config->protocol == UPLINK_AUTO)
		uplink->report.mqtt5 = !uplink->mqtt5;
	uplink->refused = true;
	uplink->broken = true;
}

static void on_connect(struct mosquitto *mosq, void *arg, int code, int flags,
		       const mosquitto_property *properties)
{
	struct uplink *uplink = arg;
	struct buf link;

	(void)flags;
	(void)properties;
	if (code) {
		note_refusal(uplink, code);
		return;
	}
	uplink->online_us = now_us(uplink);
	uplink->heard_us = uplink->online_us;
	uplink->report.sessions++;
	uplink->report.mqtt5 = uplink->mqtt5;
	encode_link(uplink, true, &link);
	if (link.error ||
	    !uplink_publish(uplink, uplink->topic_link, link.data, link.len, true, NULL) ||
	    mosquitto_subscribe(mosq, &uplink->subscribe_mid, uplink->topic_ack, 0) ||
	    mosquitto_subscribe(mosq, NULL, uplink->topic_config, 1))
		uplink->broken = true;
	buf_free(&link);
	if (uplink->broken)
		return;
	set_state(uplink, UPLINK_ONLINE, "", "");
	uplink->status_at_us = now_us(uplink);
}

static void on_subscribe(struct mosquitto *mosq, void *arg, int mid, int count, const int *granted)
{
	struct uplink *uplink = arg;

	(void)mosq;
	if (mid != uplink->subscribe_mid || uplink->subscribed)
		return;
	if (count < 1 || granted[0] > 2) {
		(void)snprintf(uplink->report.reason, sizeof(uplink->report.reason),
			       "not_authorised");
		(void)snprintf(uplink->report.detail, sizeof(uplink->report.detail),
			       "The broker does not let the gateway read %.110s.",
			       uplink->topic_ack);
		uplink->refused = true;
		uplink->broken = true;
		return;
	}
	uplink->subscribed = true;
	/* Keyframes first: what is stored from here on is live. */
	uplink_data_begin(uplink);
	uplink->env->online(uplink->env->arg);
}

static void on_puback(struct mosquitto *mosq, void *arg, int mid, int reason,
		      const mosquitto_property *properties)
{
	struct uplink *uplink = arg;

	(void)mosq;
	(void)properties;
	uplink->progress_us = now_us(uplink);
	if (uplink->unconfirmed)
		uplink->unconfirmed--;
	if (reason == MQTT_RC_NO_MATCHING_SUBSCRIBERS)
		uplink->report.no_core++;
	else if (reason == MQTT_RC_NOT_AUTHORIZED)
		uplink->report.not_allowed++;
	else if (reason == MQTT_RC_PACKET_TOO_LARGE)
		uplink->report.too_large++;
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

/* ---- connecting ---- */

static struct mosquitto *make_handle(struct uplink *uplink)
{
	struct mosquitto *mosq = mosquitto_new(uplink->user, true, uplink);

	if (!mosq)
		return NULL;
	mosquitto_log_callback_set(mosq, on_log);
	mosquitto_connect_v5_callback_set(mosq, on_connect);
	mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
	mosquitto_subscribe_callback_set(mosq, on_subscribe);
	mosquitto_publish_v5_callback_set(mosq, on_puback);
	mosquitto_message_v5_callback_set(mosq, on_message);
	if (mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION,
				 uplink->mqtt5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311) ||
	    mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1) ||
	    mosquitto_max_inflight_messages_set(mosq, LIBRARY_INFLIGHT)) {
		mosquitto_destroy(mosq);
		return NULL;
	}
	return mosq;
}

static const char *setup_problem(int error)
{
	switch (error) {
	case -EPERM:
		return "The password file may be read by others than its owner (chmod 600).";
	case -ENOENT:
		return "The password file is not there.";
	case -EACCES:
		return "The password file may not be read.";
	case -EINVAL:
		return "The certificates or the key cannot be used.";
	default:
		return "There is no memory for a connection.";
	}
}

static void connect_now(struct uplink *uplink)
{
	const struct uplink_config *config = uplink->config;
	int r;

	uplink->mqtt5 = config->protocol == UPLINK_AUTO ? uplink->report.mqtt5
							: config->protocol == UPLINK_5;
	r = ids_random(uplink->session);
	if (!r) {
		uplink->mosq = make_handle(uplink);
		r = uplink->mosq ? 0 : -ENOMEM;
	}
	if (!r)
		r = use_password(uplink);
	if (!r && config->tls)
		r = use_tls(uplink);
	if (!r)
		r = use_will(uplink);
	if (!r)
		r = loop_timer_set(uplink->env->loop, &uplink->tick, TICK_US, on_tick, uplink);
	if (r) {
		lose(uplink, "misconfigured", setup_problem(r));
		return;
	}
	uplink->progress_us = now_us(uplink);
	set_state(uplink, UPLINK_CONNECTING, uplink->report.reason, uplink->report.detail);
	after(uplink, mosquitto_connect_async(uplink->mosq, config->host, config->port,
					      config->keepalive_s));
}

static bool is_address(const char *host)
{
	unsigned char room[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1 ||
	       strcmp(host, "localhost") == 0;
}

/* libmosquitto resolves names inside its connect call. It is asked only when a resolver has just
 * answered, on a thread of the C library's, so that a dead network does not hold up the vehicles. */
static void look_up(struct uplink *uplink)
{
	struct gaicb *lookup = calloc(1, sizeof(*lookup));

	if (!lookup) {
		lose(uplink, "misconfigured", setup_problem(-ENOMEM));
		return;
	}
	lookup->ar_name = uplink->config->host;
	if (getaddrinfo_a(GAI_NOWAIT, &lookup, 1, NULL)) {
		free(lookup);
		lose(uplink, "name_unknown", "The broker's name cannot be looked up.");
		return;
	}
	uplink->lookup = lookup;
	set_state(uplink, UPLINK_LOOKUP, uplink->report.reason, uplink->report.detail);
	(void)loop_timer_set(uplink->env->loop, &uplink->retry, LOOKUP_POLL_US, on_retry, uplink);
}

static void check_lookup(struct uplink *uplink)
{
	const int result = gai_error(uplink->lookup);
	char detail[160];

	if (result == EAI_INPROGRESS && now_us(uplink) < uplink->deadline_us) {
		(void)loop_timer_set(uplink->env->loop, &uplink->retry, LOOKUP_POLL_US, on_retry,
				     uplink);
		return;
	}
	if (result == 0) {
		free_lookup(uplink);
		connect_now(uplink);
		return;
	}
	(void)snprintf(detail, sizeof(detail), "The broker's name cannot be looked up: %s.",
		       result == EAI_INPROGRESS ? "no answer" : gai_strerror(result));
	lose(uplink, "name_unknown", detail);
}

static void on_retry(struct loop_timer *timer)
{
	struct uplink *uplink = timer->arg;

	if (uplink->lookup) {
		check_lookup(uplink);
		return;
	}
	uplink->deadline_us = now_us(uplink) + uplink->config->connect_us;
	if (is_address(uplink->config->host))
		connect_now(uplink);
	else
		look_up(uplink);
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
	after(uplink, rc);
}

static bool is_overdue(struct uplink *uplink)
{
	const int64_t now = now_us(uplink);

	if (uplink->report.state == UPLINK_CONNECTING && now >= uplink->deadline_us) {
		lose(uplink, "connection_timeout", "The broker did not answer in time.");
		return true;
	}
	if (uplink->report.state == UPLINK_STOPPING && now >= uplink->deadline_us) {
		finish_stop(uplink);
		return true;
	}
	if (uplink->report.state == UPLINK_ONLINE && uplink->unconfirmed &&
	    now - uplink->progress_us > PUBACK_STALL_US) {
		lose(uplink, "broker_stalled", "The broker no longer confirms what it gets.");
		return true;
	}
	return false;
}

static void on_tick(struct loop_timer *timer)
{
	struct uplink *uplink = timer->arg;

	if (!uplink->mosq || is_overdue(uplink))
		return;
	if (loop_timer_set(uplink->env->loop, &uplink->tick, TICK_US, on_tick, uplink)) {
		lose(uplink, "misconfigured", setup_problem(-ENOMEM));
		return;
	}
	if (uplink->report.state == UPLINK_ONLINE && now_us(uplink) >= uplink->status_at_us)
		publish_status(uplink);
	after(uplink, uplink->broken ? MOSQ_ERR_CONN_LOST : mosquitto_loop_misc(uplink->mosq));
}

static void publish_status(struct uplink *uplink)
{
	struct wire_status *status = calloc(1, sizeof(*status));
	struct buf out;
	struct jw w;

	uplink->status_at_us = now_us(uplink) + uplink->config->status_us;
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
	uplink->report.since_us = now_us(uplink);
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
	return loop_timer_set(uplink->env->loop, &uplink->retry, 0, on_retry, uplink);
}

void uplink_status_changed(struct uplink *uplink)
{
	const int64_t soon = now_us(uplink) + STATUS_SOON_US;

	if (uplink->report.state != UPLINK_ONLINE || uplink->status_at_us <= soon)
		return;
	uplink->status_at_us = soon;
	(void)loop_timer_set(uplink->env->loop, &uplink->tick, STATUS_SOON_US, on_tick, uplink);
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
	uplink->deadline_us = now_us(uplink) + STOP_US;
	encode_link(uplink, false, &link);
	if (link.error || !uplink_publish(uplink, uplink->topic_link, link.data, link.len, true,
					  &uplink->offline_mid))
		finish_stop(uplink);
	buf_free(&link);
}

void uplink_report(const struct uplink *uplink, struct uplink_report *ret_report)
{
	*ret_report = uplink->report;
}
