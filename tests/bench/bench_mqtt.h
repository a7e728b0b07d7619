/* Just enough of an MQTT 3.1.1 client for the benchmarks: many packets a system call, so that what is
 * measured is the other side. */
#ifndef TESTS_BENCH_MQTT_H
#define TESTS_BENCH_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum bench_packet { BENCH_CONNACK = 2, BENCH_PUBLISH = 3, BENCH_PUBACK = 4, BENCH_SUBACK = 9 };

struct bench_login {
	int port; /* on 127.0.0.1 */
	const char *client_id;
	const char *user, *password; /* NULL: none */
};

struct bench_message {
	enum bench_packet type;
	const char *topic; /* of a publish; not NUL-terminated */
	size_t topic_len;
	const char *payload;
	size_t len;
	int qos;
	uint16_t id; /* of a publish above QoS 0, of an acknowledgement */
};

/* Connects and waits for CONNACK (10 s). Returns a blocking socket or -errno; -EACCES where the broker
 * refuses. */
int bench_mqtt_connect(const struct bench_login *login);
/* Each appends one packet. */
void bench_mqtt_publish(struct buf *out, const char *topic, const void *payload, size_t len,
			int qos, uint16_t id);
void bench_mqtt_puback(struct buf *out, uint16_t id);
void bench_mqtt_subscribe(struct buf *out, const char *filter, int qos);
/* The first packet in `data`; the message points into it. Returns its length, 0 where it is not whole
 * yet, -EPROTO. */
int64_t bench_mqtt_next(const void *data, size_t len, struct bench_message *ret_message);

/* Writes all of it, waiting as needed. Returns 0 or -errno. */
int bench_write_all(int fd, const void *data, size_t len);
/* CLOCK_MONOTONIC. */
double bench_now_s(void);

#endif
