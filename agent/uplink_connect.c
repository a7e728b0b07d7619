#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mqtt_protocol.h>

#include "agent/uplink_priv.h"
#include "base/file.h"

#define LOOKUP_POLL_US 20000
#define PASSWORD_MAX 512
#define VERSION_AGAIN_US INT64_C(3600000000)
#define LIBRARY_INFLIGHT 65535 /* never its queue: the window keeps to what the broker takes */

static void on_retry(struct loop_timer *timer);

/* ---- pauses ---- */

static int64_t jitter(int64_t low, int64_t high)
{
	char text[IDS_RANDOM_SIZE];
	uint32_t random;

	if (high <= low || ids_random(text))
		return low;
	text[8] = '\0'; /* hex digits */
	random = (uint32_t)strtoul(text, NULL, 16);
	return low + (int64_t)((uint64_t)(high - low) * random >> 32);
}

/* Decorrelated jitter; only a session that lasted lets the pauses begin anew. */
static int64_t next_pause(struct uplink *uplink)
{
	const int64_t low = uplink->config->reconnect_min_us;
	int64_t high = uplink->wait_us * 3;

	if (uplink->online_us != MODEL_NO_TIME &&
	    uplink_now_us(uplink) - uplink->online_us >= uplink->config->stable_us)
		high = low * 3;
	if (high < low)
		high = low;
	uplink->wait_us = jitter(low, high);
	if (uplink->wait_us > uplink->config->reconnect_max_us)
		uplink->wait_us = uplink->config->reconnect_max_us;
	return uplink->wait_us;
}

void uplink_connect_later(struct uplink *uplink)
{
	/* Another version, another certificate: it is us who want another connection. That does not
	 * repeat itself, and the pauses stay as they are. */
	const int64_t pause =
		uplink->hurry ? jitter(0, uplink->config->reconnect_min_us) : next_pause(uplink);

	uplink->hurry = false;
	uplink->online_us = MODEL_NO_TIME;
	(void)loop_timer_set(uplink->env->loop, &uplink->retry, pause, on_retry, uplink);
}

/* ---- who we are, whom we expect ---- */

static int read_password(int fd, char out[static PASSWORD_MAX])
{
	const ssize_t n = read(fd, out, PASSWORD_MAX - 1);

	if (n < 0)
		return -errno;
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

/* The password file must be its owner's alone, each time. */
static int use_password(struct uplink *uplink, char problem[static TLS_PROBLEM_SIZE])
{
	const char *path = uplink->config->password_file;
	char password[PASSWORD_MAX] = "";
	int r = 0, fd;

	if (path) {
		r = file_open_secret(path, &fd, problem, TLS_PROBLEM_SIZE);
		if (r)
			return r;
		r = read_password(fd, password);
		close(fd);
	}
	if (r)
		(void)snprintf(problem, TLS_PROBLEM_SIZE, "%s: %s", path, strerror(-r));
	else if (mosquitto_username_pw_set(uplink->mosq, uplink->user, path ? password : NULL))
		r = -ENOMEM;
	explicit_bzero(password, sizeof(password));
	return r;
}

int64_t uplink_verify_ms(const struct uplink *uplink)
{
	const int64_t ms = clock_wall_ms(uplink->env->clock);

	return ms < uplink->env->verify_ms ? uplink->env->verify_ms : ms;
}

static int use_tls(struct uplink *uplink, char problem[static TLS_PROBLEM_SIZE])
{
	const struct uplink_config *config = uplink->config;
	struct tls_peer peer = {
		.host = config->host,
		.ca_file = config->ca_file,
		.at_ms = uplink_verify_ms(uplink),
		.said = &uplink->tls_said,
	};
	SSL_CTX *context;
	int r;

	uplink->tls_said.keep = true;
	renewal_choose(&uplink->renewal, peer.at_ms, uplink_now_us(uplink), &peer.cert_file,
		       &peer.key_file);
	r = tls_context(&peer, &context, problem);
	if (r)
		return r;
	if (!peer.cert_file || tls_certificate_end(peer.cert_file, &uplink->own_ends_ms))
		uplink->own_ends_ms = 0;
	/* The context verifies all by itself; libmosquitto takes a reference of its own. With its
	 * "defaults" on top, its own verification refuses contexts that it has not made. */
	if (mosquitto_void_option(uplink->mosq, MOSQ_OPT_SSL_CTX, context) ||
	    mosquitto_int_option(uplink->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0))
		r = -ENOMEM;
	SSL_CTX_free(context);
	return r;
}

static int use_will(struct uplink *uplink)
{
	struct buf will;
	int r;

	uplink_encode_link(uplink, false, &will);
	r = will.error;
	if (!r &&
	    mosquitto_will_set(uplink->mosq, uplink->topic_link, (int)will.len, will.data, 1, true))
		r = -ENOMEM;
	buf_free(&will);
	return r;
}

/* ---- the handle ---- */

static struct mosquitto *make_handle(struct uplink *uplink)
{
	struct mosquitto *mosq = mosquitto_new(uplink->user, true, uplink);

	if (!mosq)
		return NULL;
	uplink_session_listen(mosq);
	if (mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION,
				 uplink->mqtt5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311) ||
	    mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1) ||
	    mosquitto_max_inflight_messages_set(mosq, LIBRARY_INFLIGHT)) {
		mosquitto_destroy(mosq);
		return NULL;
	}
	return mosq;
}

/* 5 is asked for first. A broker that hung up on it may know it after all, and have been starting: it
 * is asked again some day. */
static bool choose_version(struct uplink *uplink)
{
	if (uplink->config->protocol != UPLINK_AUTO)
		return uplink->config->protocol == UPLINK_5;
	if (!uplink->report.mqtt5 && uplink->version_guessed && uplink->wait_us &&
	    uplink_now_us(uplink) - uplink->guessed_us > VERSION_AGAIN_US)
		uplink->report.mqtt5 = true;
	return uplink->report.mqtt5;
}

/* A new handle for every connection. Returns 0, or -errno with what is wrong in `problem`. */
static int set_up(struct uplink *uplink, char problem[static TLS_PROBLEM_SIZE])
{
	int r = ids_random(uplink->session);

	uplink->mqtt5 = choose_version(uplink);
	(void)snprintf(problem, TLS_PROBLEM_SIZE, "there is no memory");
	if (r)
		return r;
	uplink->mosq = make_handle(uplink);
	if (!uplink->mosq)
		return -ENOMEM;
	r = use_password(uplink, problem);
	if (!r && uplink->config->tls)
		r = use_tls(uplink, problem);
	if (!r)
		r = use_will(uplink);
	if (!r)
		r = loop_timer_set(uplink->env->loop, &uplink->tick, UPLINK_TICK_US, uplink_on_tick,
				   uplink);
	return r;
}

/* Data that the network does not take is the end of a connection, sooner than TCP finds by itself. */
static void watch_network(struct uplink *uplink)
{
	/* A little longer than ours, which says more. */
	const unsigned ms = (unsigned)(uplink->config->dead_us / 1000 * 3 / 2);
	const int fd = mosquitto_socket(uplink->mosq);

	/* Without it the deadlines above TCP still hold. */
	if (fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static void connect_now(struct uplink *uplink)
{
	const struct uplink_config *config = uplink->config;
	char problem[TLS_PROBLEM_SIZE];
	int r = set_up(uplink, problem);

	if (r) {
		uplink_lose(uplink, "misconfigured", "No connection to the broker %s: %s.",
			    uplink->peer, problem);
		return;
	}
	uplink->progress_us = uplink_now_us(uplink);
	uplink_set_state(uplink, UPLINK_CONNECTING, uplink->report.reason, uplink->report.detail);
	r = mosquitto_connect_async(uplink->mosq, config->host, config->port, config->keepalive_s);
	if (!r)
		watch_network(uplink);
	uplink_check(uplink, r);
}

/* ---- the name ---- */

static bool is_address(const char *host)
{
	unsigned char room[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1 ||
	       strcmp(host, "localhost") == 0;
}

void uplink_connect_end(struct uplink *uplink)
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

/* libmosquitto resolves names inside its connect call. It is asked only when a resolver has just
 * answered, on a thread of the C library's, so that a dead network does not hold up the vehicles. */
static void look_up(struct uplink *uplink)
{
	struct gaicb *lookup = calloc(1, sizeof(*lookup));

	if (!lookup) {
		uplink_lose(uplink, "misconfigured", "No connection to the broker %s: no memory.",
			    uplink->peer);
		return;
	}
	lookup->ar_name = uplink->config->host;
	if (getaddrinfo_a(GAI_NOWAIT, &lookup, 1, NULL)) {
		free(lookup);
		uplink_lose(uplink, "name_unknown",
			    "The name of the broker %s cannot be looked up.", uplink->peer);
		return;
	}
	uplink->lookup = lookup;
	uplink_set_state(uplink, UPLINK_LOOKUP, uplink->report.reason, uplink->report.detail);
	(void)loop_timer_set(uplink->env->loop, &uplink->retry, LOOKUP_POLL_US, on_retry, uplink);
}

static void check_lookup(struct uplink *uplink)
{
	const int result = gai_error(uplink->lookup);

	if (result == EAI_INPROGRESS && uplink_now_us(uplink) < uplink->deadline_us) {
		(void)loop_timer_set(uplink->env->loop, &uplink->retry, LOOKUP_POLL_US, on_retry,
				     uplink);
		return;
	}
	if (result == 0) {
		uplink_connect_end(uplink);
		connect_now(uplink);
		return;
	}
	uplink_lose(uplink, "name_unknown", "The name of the broker %s cannot be looked up: %s.",
		    uplink->peer, result == EAI_INPROGRESS ? "no answer" : gai_strerror(result));
}

static void on_retry(struct loop_timer *timer)
{
	struct uplink *uplink = timer->arg;

	if (uplink->lookup) {
		check_lookup(uplink);
		return;
	}
	uplink->deadline_us = uplink_now_us(uplink) + uplink->config->connect_us;
	if (is_address(uplink->config->host))
		connect_now(uplink);
	else
		look_up(uplink);
}

int uplink_connect(struct uplink *uplink)
{
	return loop_timer_set(uplink->env->loop, &uplink->retry, 0, on_retry, uplink);
}
