#include "tests/bench/bench_mqtt.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define CONNACK_MS 10000
#define KEEPALIVE_S 600 /* longer than any run: no pings */

double bench_now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int bench_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		const ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};

			(void)poll(&wait, 1, -1);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static void put_u16(struct buf *out, size_t value)
{
	buf_putc(out, (char)(value >> 8 & 0xff));
	buf_putc(out, (char)(value & 0xff));
}

static void put_text(struct buf *out, const char *text)
{
	const size_t len = strlen(text);

	put_u16(out, len);
	buf_append(out, text, len);
}

static void put_head(struct buf *out, int first, size_t remaining)
{
	buf_putc(out, (char)first);
	do {
		const size_t low = remaining % 128;

		remaining /= 128;
		buf_putc(out, (char)(remaining ? low | 128 : low));
	} while (remaining);
}

void bench_mqtt_publish(struct buf *out, const char *topic, const void *payload, size_t len,
			int qos, uint16_t id)
{
	put_head(out, BENCH_PUBLISH << 4 | qos << 1, 2 + strlen(topic) + (qos ? 2 : 0) + len);
	put_text(out, topic);
	if (qos)
		put_u16(out, id);
	buf_append(out, payload, len);
}

void bench_mqtt_puback(struct buf *out, uint16_t id)
{
	put_head(out, BENCH_PUBACK << 4, 2);
	put_u16(out, id);
}

void bench_mqtt_subscribe(struct buf *out, const char *filter, int qos)
{
	put_head(out, 0x82, 2 + 2 + strlen(filter) + 1);
	put_u16(out, 1);
	put_text(out, filter);
	buf_putc(out, (char)qos);
}

static int64_t read_publish(const uint8_t *body, size_t len, int flags,
			    struct bench_message *message)
{
	size_t at;

	if (len < 2)
		return -EPROTO;
	message->topic_len = (size_t)body[0] << 8 | body[1];
	message->topic = (const char *)body + 2;
	message->qos = flags >> 1 & 3;
	at = 2 + message->topic_len;
	if (at + (message->qos ? 2 : 0) > len)
		return -EPROTO;
	if (message->qos) {
		message->id = (uint16_t)(body[at] << 8 | body[at + 1]);
		at += 2;
	}
	message->payload = (const char *)body + at;
	message->len = len - at;
	return 0;
}

int64_t bench_mqtt_next(const void *data, size_t len, struct bench_message *ret_message)
{
	const uint8_t *bytes = data;
	struct bench_message message = {0};
	size_t remaining = 0, at = 1;
	int64_t r = 0;

	for (unsigned shift = 0;; shift += 7) {
		if (at >= len)
			return 0;
		if (shift > 21)
			return -EPROTO;
		remaining |= (size_t)(bytes[at] & 127) << shift;
		if (!(bytes[at++] & 128))
			break;
	}
	if (len - at < remaining)
		return 0;
	message.type = (enum bench_packet)(bytes[0] >> 4);
	if (message.type == BENCH_PUBLISH)
		r = read_publish(bytes + at, remaining, bytes[0] & 15, &message);
	else if (remaining >= 2)
		message.id = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
	if (r)
		return r;
	*ret_message = message;
	return (int64_t)(at + remaining);
}

static int say_connect(int fd, const struct bench_login *login)
{
	const int flags = 2 | (login->user ? 128 : 0) | (login->password ? 64 : 0);
	size_t len = 10 + 2 + strlen(login->client_id);
	struct buf out;
	int r;

	if (login->user)
		len += 2 + strlen(login->user);
	if (login->password)
		len += 2 + strlen(login->password);
	buf_init(&out, 4096);
	put_head(&out, 0x10, len);
	put_text(&out, "MQTT");
	buf_putc(&out, 4);
	buf_putc(&out, (char)flags);
	put_u16(&out, KEEPALIVE_S);
	put_text(&out, login->client_id);
	if (login->user)
		put_text(&out, login->user);
	if (login->password)
		put_text(&out, login->password);
	r = out.error ? out.error : bench_write_all(fd, out.data, out.len);
	buf_free(&out);
	return r;
}

static int hear_connack(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint8_t answer[4];

	if (poll(&wait, 1, CONNACK_MS) <= 0)
		return -ETIMEDOUT;
	if (recv(fd, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
		return -ECONNRESET;
	return answer[0] == BENCH_CONNACK << 4 && answer[3] == 0 ? 0 : -EACCES;
}

int bench_mqtt_connect(const struct bench_login *login)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)login->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;
	int r;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	if (!r)
		r = say_connect(fd, login);
	if (!r)
		r = hear_connack(fd);
	if (!r)
		return fd;
	(void)close(fd);
	return r;
}
