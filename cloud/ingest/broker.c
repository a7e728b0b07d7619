#include "cloud/ingest/broker.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/tls.h"

#define BACKOFF_MIN_MS 250
#define ROUND_MS 500
#define PACKETS_A_ROUND 64
#define PUBLISHES_A_ROUND 256

struct broker {
	struct broker_config config;
	pthread_t thread;
	struct mosquitto *client; /* of this connection; NULL between */
	bool v311;                /* the broker does not speak MQTT 5 */
	bool up;                  /* CONNACK came */
	bool told_connected;
	int refused;              /* reason of a CONNACK that refuses; 0: none */
	struct tls_said tls_said; /* why a certificate is not accepted, ours or the broker's */
	int64_t began_us, up_us;
	int backoff_ms;
	int outbox_mid; /* in flight; 0: none */
	int64_t outbox_seq;
};

static int64_t now_us(const struct broker *broker)
{
	return clock_mono_us(broker->config.clock);
}

static void give_notice(struct broker *broker, enum inbound_kind kind, int64_t seq)
{
	struct inbound *message = calloc(1, sizeof(*message));

	if (!message) {
		log_error("no memory for a notice to the writer");
		return;
	}
	message->kind = kind;
	message->seq = seq;
	message->received_ms = clock_wall_ms(broker->config.clock);
	if (ingest_give(broker->config.queues, message))
		log_error("the writer's queue takes no notice");
}

/* Cuts freshet/v1/{workspace}/{gateway}/{what}. */
static bool cut_topic(const char *topic, struct inbound *message, const char **ret_what)
{
	static const char prefix[] = "freshet/v1/";
	const char *workspace;
	const char *gateway;
	const char *what;

	if (strncmp(topic, prefix, sizeof(prefix) - 1) != 0)
		return false;
	workspace = topic + sizeof(prefix) - 1;
	gateway = strchr(workspace, '/');
	what = gateway ? strchr(gateway + 1, '/') : NULL;
	if (!what || !ids_valid(workspace, (size_t)(gateway - workspace)) ||
	    !ids_valid(gateway + 1, (size_t)(what - gateway - 1)))
		return false;
	memcpy(message->workspace, workspace, (size_t)(gateway - workspace));
	memcpy(message->gateway, gateway + 1, (size_t)(what - gateway - 1));
	*ret_what = what + 1;
	return true;
}

static enum inbound_kind kind_of(const char *topic, struct inbound *message)
{
	const char *what;

	if (!cut_topic(topic, message, &what))
		return INBOUND_FOREIGN;
	if (strcmp(what, "data") == 0)
		return INBOUND_DATA;
	if (strcmp(what, "link") == 0)
		return INBOUND_LINK;
	return strcmp(what, "status") == 0 ? INBOUND_STATUS : INBOUND_FOREIGN;
}

static void on_message(struct mosquitto *client, void *arg, const struct mosquitto_message *packet)
{
	struct broker *broker = arg;
	size_t len = packet->payloadlen > 0 ? (size_t)packet->payloadlen : 0;
	struct inbound *message = calloc(1, sizeof(*message) + len);

	(void)client;
	if (!message) {
		/* It was not acknowledged, so its gateway sends it again. */
		log_error("no memory for a message");
		return;
	}
	message->kind = kind_of(packet->topic, message);
	(void)snprintf(message->topic, sizeof(message->topic), "%s", packet->topic);
	message->retained = packet->retain;
	message->received_ms = clock_wall_ms(broker->config.clock);
	message->len = len;
	if (len > 0)
		memcpy(message->payload, packet->payload, len);
	/* There was room before the socket was read; the rest of one read stays below the notices'
	 * reserve. */
	if (ingest_give(broker->config.queues, message))
		log_warning("a message did not fit into the queue; its gateway sends it again");
}

static void on_connect(struct mosquitto *client, void *arg, int reason)
{
	/* The library wants them writable. */
	char data[] = "freshet/v1/+/+/data";
	char link[] = "freshet/v1/+/+/link";
	char status[] = "freshet/v1/+/+/status";
	char *const topics[] = {data, link, status};
	struct broker *broker = arg;

	if (reason) {
		broker->refused = reason;
		return;
	}
	if (mosquitto_subscribe_multiple(client, NULL, 3, topics, 1, 0, NULL) != MOSQ_ERR_SUCCESS) {
		broker->refused = -1;
		return;
	}
	broker->up = true;
	broker->up_us = now_us(broker);
}

/* The gateways are heard when the broker has taken the subscriptions. */
static void on_subscribe(struct mosquitto *client, void *arg, int mid, int count,
			 const int *granted)
{
	struct broker *broker = arg;

	(void)client;
	(void)mid;
	for (int i = 0; i < count; i++) {
		if (granted[i] >= 0x80)
			log_error("the broker refuses a subscription");
	}
	broker->told_connected = true;
	atomic_store(broker->config.connected, true);
	give_notice(broker, INBOUND_CONNECTED, 0);
	log_info("listening to gateways host=%s port=%d protocol=%s", broker->config.host,
		 broker->config.port, broker->v311 ? "3.1.1" : "5");
}

static void on_publish(struct mosquitto *client, void *arg, int mid)
{
	struct broker *broker = arg;

	(void)client;
	if (mid != broker->outbox_mid || broker->outbox_mid == 0)
		return;
	broker->outbox_mid = 0;
	give_notice(broker, INBOUND_PUBLISHED, broker->outbox_seq);
}

static const char *given(const char *text)
{
	return text[0] ? text : NULL;
}

/* The context verifies chain, host and time by itself; libmosquitto takes a reference of its own.
 * With its "defaults" on top, its own verification refuses contexts that it has not made. */
static int set_up_tls(struct broker *broker)
{
	const struct broker_config *c = &broker->config;
	struct tls_peer peer = {
		.host = c->host,
		.ca_file = given(c->ca_file),
		.cert_file = given(c->cert_file),
		.key_file = given(c->key_file),
		.at_ms = clock_wall_ms(c->clock),
		.said = &broker->tls_said,
	};
	char problem[TLS_PROBLEM_SIZE];
	SSL_CTX *context;
	int r;

	if (!c->tls)
		return MOSQ_ERR_SUCCESS;
	if (peer.at_ms < tls_build_ms())
		peer.at_ms = tls_build_ms();
	r = tls_context(&peer, &context, problem);
	if (r) {
		log_error("the certificates or the key for the broker cannot be used error=\"%s\"",
			  problem);
		return r == -ENOMEM ? MOSQ_ERR_NOMEM : MOSQ_ERR_INVAL;
	}
	r = mosquitto_void_option(broker->client, MOSQ_OPT_SSL_CTX, context);
	if (!r)
		r = mosquitto_int_option(broker->client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
	SSL_CTX_free(context);
	return r;
}

static int set_up(struct broker *broker)
{
	const struct broker_config *c = &broker->config;
	int r;

	broker->client = mosquitto_new(c->user[0] ? c->user : NULL, true, broker);
	if (!broker->client)
		return MOSQ_ERR_NOMEM;
	mosquitto_connect_callback_set(broker->client, on_connect);
	mosquitto_subscribe_callback_set(broker->client, on_subscribe);
	mosquitto_message_callback_set(broker->client, on_message);
	mosquitto_publish_callback_set(broker->client, on_publish);
	r = mosquitto_int_option(broker->client, MOSQ_OPT_PROTOCOL_VERSION,
				 broker->v311 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5);
	if (!r)
		r = mosquitto_int_option(broker->client, MOSQ_OPT_TCP_NODELAY, 1);
	if (!r && c->user[0])
		r = mosquitto_username_pw_set(broker->client, c->user,
					      c->password[0] ? c->password : NULL);
	return r ? r : set_up_tls(broker);
}

static int open_connection(struct broker *broker)
{
	int r;

	broker->up = false;
	broker->told_connected = false;
	broker->refused = 0;
	broker->tls_said = (struct tls_said){0};
	broker->outbox_mid = 0;
	broker->began_us = now_us(broker);
	r = set_up(broker);
	if (!r)
		r = mosquitto_connect_async(broker->client, broker->config.host,
					    broker->config.port, broker->config.keepalive_s);
	return r;
}

static void close_connection(struct broker *broker)
{
	if (broker->told_connected) {
		atomic_store(broker->config.connected, false);
		give_notice(broker, INBOUND_DISCONNECTED, 0);
	}
	if (broker->client)
		mosquitto_destroy(broker->client);
	broker->client = NULL;
}

/* Publishes what the writer has handed over. What cannot be taken is dropped with the connection:
 * an acknowledgement is made again, the outbox goes on from its cursor. */
static int publish_some(struct broker *broker)
{
	for (int i = 0; i < PUBLISHES_A_ROUND && broker->told_connected; i++) {
		struct outbound *message = queue_pop(broker->config.queues->out);
		int mid = 0;
		int r;

		if (!message)
			break;
		r = mosquitto_publish(broker->client, &mid, message->topic, (int)message->len,
				      message->payload, message->qos, false);
		if (!r && message->seq) {
			broker->outbox_mid = mid;
			broker->outbox_seq = message->seq;
		}
		free(message);
		if (r)
			return r;
	}
	return MOSQ_ERR_SUCCESS;
}

static void drain_fd(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

/* Reads packet by packet, so that a full queue stops the socket at once. */
static int read_some(struct broker *broker)
{
	for (int i = 0; i < PACKETS_A_ROUND && ingest_has_room(broker->config.queues); i++) {
		struct pollfd ready = {.fd = mosquitto_socket(broker->client), .events = POLLIN};
		int r = mosquitto_loop_read(broker->client, 1);

		if (r)
			return r;
		if (broker->config.tls || poll(&ready, 1, 0) <= 0)
			break;
	}
	return MOSQ_ERR_SUCCESS;
}

/* One round: waits, reads, writes, keeps alive. A reason to give the connection up, or 0. */
static int one_round(struct broker *broker)
{
	struct ingest_queues *queues = broker->config.queues;
	bool room = ingest_has_room(queues);
	bool want_write = mosquitto_want_write(broker->client);
	struct pollfd fds[3] = {
		{.fd = mosquitto_socket(broker->client)},
		{.fd = queue_fd(queues->out), .events = POLLIN},
		{.fd = queues->room_fd, .events = POLLIN},
	};
	int r = MOSQ_ERR_SUCCESS;

	if (fds[0].fd < 0)
		return MOSQ_ERR_CONN_LOST;
	fds[0].events = (short)((room ? POLLIN : 0) | (want_write ? POLLOUT : 0));
	/* Before the connection stands the writer's messages wait: do not spin on them. */
	if (poll(fds, broker->told_connected ? 3 : 1, ROUND_MS) < 0 && errno != EINTR)
		return MOSQ_ERR_ERRNO;
	atomic_store(broker->config.seen_us, now_us(broker));
	if (fds[2].revents)
		drain_fd(queues->room_fd);
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
		r = read_some(broker);
	if (!r)
		r = publish_some(broker);
	if (!r && mosquitto_want_write(broker->client))
		r = mosquitto_loop_write(broker->client, 1);
	if (!r)
		r = mosquitto_loop_misc(broker->client);
	if (!r && broker->refused)
		r = MOSQ_ERR_CONN_REFUSED;
	if (!r && !broker->told_connected &&
	    now_us(broker) - broker->began_us > broker->config.connect_us)
		r = MOSQ_ERR_CONN_PENDING;
	return r;
}

/* The CONNACK's reason as MQTT 5 or 3.1.1 names it. */
static const char *refusal_text(const struct broker *broker)
{
	if (broker->refused >= 0x80)
		return mosquitto_reason_string(broker->refused);
	return mosquitto_connack_string(broker->refused);
}

static bool is_about_password(const struct broker *broker)
{
	return broker->refused == CONNACK_REFUSED_BAD_USERNAME_PASSWORD ||
	       broker->refused == CONNACK_REFUSED_NOT_AUTHORIZED ||
	       broker->refused == MQTT_RC_BAD_USERNAME_OR_PASSWORD ||
	       broker->refused == MQTT_RC_NOT_AUTHORIZED;
}

static void log_tls_end(const struct broker *broker)
{
	char why[TLS_PROBLEM_SIZE];

	if (!broker->tls_said.refusal) {
		log_error("the broker refuses the core's TLS host=%s port=%d error=\"%s\"",
			  broker->config.host, broker->config.port,
			  tls_alert(broker->tls_said.alert));
		return;
	}
	tls_refusal(&broker->tls_said, why, sizeof(why));
	log_error("the certificate of the broker is refused host=%s port=%d error=\"%s\"",
		  broker->config.host, broker->config.port, why);
}

static void note_end(struct broker *broker, int r)
{
	/* Brokers of 3.1.1 refuse version 5 with 1, or hang up without a word. */
	bool version = broker->refused == 1 ||
		       broker->refused == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION ||
		       (!broker->up && !broker->refused && !broker->tls_said.refusal &&
			r == MOSQ_ERR_CONN_LOST);

	if (broker->up && now_us(broker) - broker->up_us > broker->config.stable_us)
		broker->backoff_ms = BACKOFF_MIN_MS;
	if (broker->refused > 0)
		log_error("the broker refuses the connection host=%s port=%d user=%s reason=%d "
			  "error=\"%s\"%s",
			  broker->config.host, broker->config.port, broker->config.user,
			  broker->refused, refusal_text(broker),
			  is_about_password(broker)
				  ? " expected=\"[mqtt] user and password_file as "
				    "the broker knows them\""
				  : "");
	else if (broker->tls_said.refusal || broker->tls_said.alert)
		log_tls_end(broker);
	else
		log_warning("broker connection ended host=%s port=%d error=\"%s\"",
			    broker->config.host, broker->config.port, mosquitto_strerror(r));
	if (version)
		broker->v311 = !broker->v311;
}

/* Decorrelated jitter: between the least and three times the last. */
static int next_backoff(struct broker *broker)
{
	uint32_t random = 0;
	int span = 3 * broker->backoff_ms - BACKOFF_MIN_MS;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (uint32_t)now_us(broker);
	broker->backoff_ms = BACKOFF_MIN_MS + (int)(random % (uint32_t)(span + 1));
	if (broker->backoff_ms > broker->config.reconnect_max_ms)
		broker->backoff_ms = broker->config.reconnect_max_ms;
	return broker->backoff_ms;
}

static void wait_backoff(struct broker *broker)
{
	int64_t until_us = now_us(broker) + (int64_t)next_backoff(broker) * 1000;

	while (!atomic_load(broker->config.stop) && now_us(broker) < until_us) {
		atomic_store(broker->config.seen_us, now_us(broker));
		(void)poll(NULL, 0, 50);
	}
}

/* An orderly end sends what the writer still hands over meanwhile. */
static void end_orderly(struct broker *broker)
{
	if (!broker->told_connected)
		return;
	(void)publish_some(broker);
	(void)mosquitto_disconnect(broker->client);
	for (int i = 0; i < 16 && mosquitto_want_write(broker->client); i++)
		(void)mosquitto_loop_write(broker->client, 1);
}

static void *run(void *arg)
{
	struct broker *broker = arg;

	while (!atomic_load(broker->config.stop)) {
		int r = open_connection(broker);

		while (!r && !atomic_load(broker->config.stop))
			r = one_round(broker);
		if (r)
			note_end(broker, r);
		else
			end_orderly(broker);
		close_connection(broker);
		if (r)
			wait_backoff(broker);
	}
	return NULL;
}

int broker_start(const struct broker_config *config, struct broker **ret_broker)
{
	struct broker *broker = calloc(1, sizeof(*broker));
	int r;

	if (!broker)
		return -ENOMEM;
	broker->config = *config;
	broker->backoff_ms = BACKOFF_MIN_MS;
	if (mosquitto_lib_init() != MOSQ_ERR_SUCCESS) {
		free(broker);
		return -EIO;
	}
	r = pthread_create(&broker->thread, NULL, run, broker);
	if (r) {
		(void)mosquitto_lib_cleanup();
		free(broker);
		return -r;
	}
	(void)pthread_setname_np(broker->thread, "ingest");
	*ret_broker = broker;
	return 0;
}

void broker_join(struct broker *broker)
{
	if (!broker)
		return;
	(void)pthread_join(broker->thread, NULL);
	(void)mosquitto_lib_cleanup();
	free(broker);
}
