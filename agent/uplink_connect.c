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

#define LOOKUP_POLL_US 20000
#define PASSWORD_MAX 512
#define LIBRARY_INFLIGHT 65535 /* never its queue: the window keeps to what the broker takes */

static void on_retry(struct loop_timer *timer);

/* ---- pauses ---- */

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
void uplink_connect_later(struct uplink *uplink)
{
	const int64_t low = uplink->config->reconnect_min_us;
	int64_t high = uplink->wait_us * 3;

	if (uplink->online_us != MODEL_NO_TIME &&
	    uplink_now_us(uplink) - uplink->online_us >= uplink->config->stable_us)
		high = low * 3;
	uplink->online_us = MODEL_NO_TIME;
	if (high < low)
		high = low;
	uplink->wait_us = jitter(low, high);
	if (uplink->wait_us > uplink->config->reconnect_max_us)
		uplink->wait_us = uplink->config->reconnect_max_us;
	(void)loop_timer_set(uplink->env->loop, &uplink->retry, uplink->wait_us, on_retry, uplink);
}

/* ---- who we are, whom we expect ---- */

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

/* A new handle for every connection. Returns 0 or -errno for setup_problem(). */
static int set_up(struct uplink *uplink)
{
	const struct uplink_config *config = uplink->config;
	int r = ids_random(uplink->session);

	uplink->mqtt5 = config->protocol == UPLINK_AUTO ? uplink->report.mqtt5
							: config->protocol == UPLINK_5;
	if (r)
		return r;
	uplink->mosq = make_handle(uplink);
	if (!uplink->mosq)
		return -ENOMEM;
	r = use_password(uplink);
	if (!r && config->tls)
		r = use_tls(uplink);
	if (!r)
		r = use_will(uplink);
	if (!r)
		r = loop_timer_set(uplink->env->loop, &uplink->tick, UPLINK_TICK_US, uplink_on_tick,
				   uplink);
	return r;
}

static void connect_now(struct uplink *uplink)
{
	const struct uplink_config *config = uplink->config;
	const int r = set_up(uplink);

	if (r) {
		uplink_lose(uplink, "misconfigured", setup_problem(r));
		return;
	}
	uplink->progress_us = uplink_now_us(uplink);
	uplink_set_state(uplink, UPLINK_CONNECTING, uplink->report.reason, uplink->report.detail);
	uplink_check(uplink, mosquitto_connect_async(uplink->mosq, config->host, config->port,
						     config->keepalive_s));
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
		uplink_lose(uplink, "misconfigured", setup_problem(-ENOMEM));
		return;
	}
	lookup->ar_name = uplink->config->host;
	if (getaddrinfo_a(GAI_NOWAIT, &lookup, 1, NULL)) {
		free(lookup);
		uplink_lose(uplink, "name_unknown", "The broker's name cannot be looked up.");
		return;
	}
	uplink->lookup = lookup;
	uplink_set_state(uplink, UPLINK_LOOKUP, uplink->report.reason, uplink->report.detail);
	(void)loop_timer_set(uplink->env->loop, &uplink->retry, LOOKUP_POLL_US, on_retry, uplink);
}

static void check_lookup(struct uplink *uplink)
{
	const int result = gai_error(uplink->lookup);
	char detail[160];

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
	(void)snprintf(detail, sizeof(detail), "The broker's name cannot be looked up: %s.",
		       result == EAI_INPROGRESS ? "no answer" : gai_strerror(result));
	uplink_lose(uplink, "name_unknown", detail);
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
