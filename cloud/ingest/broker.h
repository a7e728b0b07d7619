/* The core's connection to the broker, on a thread of its own (named "ingest"): it only copies what
 * comes into the queue to the writer, and publishes what the writer hands back. A new client handle
 * for every connection, clean session, MQTT 5 asked for first and 3.1.1 as the fall-back. */
#ifndef CLOUD_INGEST_BROKER_H
#define CLOUD_INGEST_BROKER_H

#include "base/clock.h"
#include "cloud/ingest/messages.h"

struct broker_config {
	const char *host;
	int port;
	const char *user;     /* also the client id; "" for an anonymous client */
	const char *password; /* "" without */
	bool tls;
	const char *ca_file;              /* "" : the system's */
	const char *cert_file, *key_file; /* "" : without */
	int keepalive_s;
	int64_t connect_us;   /* name, TCP, TLS, CONNACK and SUBACK together */
	int reconnect_max_ms; /* at least 250; decorrelated jitter from there to this */
	int64_t stable_us;    /* a connection that lasted so long starts the waits over */
	struct clock *clock;
	struct ingest_queues *queues;
	atomic_bool *stop;      /* set by main: the thread ends within a second */
	atomic_bool *connected; /* told by this thread */
	atomic_llong *seen_us;  /* monotonic time of each round */
};

struct broker;

/* Starts the thread. `config` is copied, what it points to must outlive the broker. */
int broker_start(const struct broker_config *config, struct broker **ret_broker);
/* Waits for the thread, after `stop` is set, and frees. NULL is accepted. */
void broker_join(struct broker *broker);

#endif
