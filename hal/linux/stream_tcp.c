/* TCP connections to adapters (Wi-Fi ELM327, serial servers, the simulator). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hal/linux/stream_priv.h"

/* A peer that vanished without a word (Wi-Fi out of reach) is gone after about this long. */
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 3
#define UNACKED_MS 25000

struct tcp {
	struct stream stream;
	int fd;
	int connecting;
	int error; /* sticky: 0, or what ended the connection, negative */
};

static struct tcp *tcp_of(struct stream *stream)
{
	return (struct tcp *)stream;
}

/* Splits and converts address:port. Returns 0 or -EINVAL. */
static int parse_target(const char *target, struct sockaddr_storage *address, socklen_t *ret_len)
{
	const char *colon = strrchr(target, ':');
	char host[INET6_ADDRSTRLEN];
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	unsigned long port;
	size_t len;
	char *end;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (*end || port < 1 || port > 65535)
		return -EINVAL;
	len = (size_t)(colon - target);
	memset(address, 0, sizeof(*address));
	if (len > 2 && target[0] == '[' && colon[-1] == ']') {
		len -= 2;
		target++;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(*v6);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*ret_len = sizeof(*v4);
	}
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, target, len);
	host[len] = '\0';
	if (inet_pton(address->ss_family, host,
		      address->ss_family == AF_INET6 ? (void *)&v6->sin6_addr
						     : (void *)&v4->sin_addr) != 1)
		return -EINVAL;
	return 0;
}

int stream_tcp_target_valid(const char *target)
{
	struct sockaddr_storage address;
	socklen_t len;

	return parse_target(target, &address, &len) == 0;
}

/* Errors by which the network says that the other end is not there any more. */
static int is_gone(int error)
{
	switch (error) {
	case ECONNRESET:
	case ECONNREFUSED:
	case ECONNABORTED:
	case EPIPE:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case ENETRESET:
	case ENOTCONN:
		return 1;
	default:
		return 0;
	}
}

static int tcp_ready(struct stream *stream)
{
	struct tcp *tcp = tcp_of(stream);
	struct pollfd writable = {.fd = tcp->fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int error = 0;

	if (tcp->error || !tcp->connecting)
		return tcp->error;
	if (poll(&writable, 1, 0) <= 0)
		return -EAGAIN;
	if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	tcp->connecting = 0;
	tcp->error = -error;
	return tcp->error;
}

/* -EAGAIN while connecting, -ENODEV after the end, else 0. */
static int check_connected(struct tcp *tcp)
{
	int r = tcp_ready(&tcp->stream);

	if (r == 0 || r == -EAGAIN)
		return r;
	return is_gone(-r) || r == -ENODEV ? -ENODEV : r;
}

static ssize_t fail(struct tcp *tcp, int error)
{
	if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR)
		return -EAGAIN;
	if (!is_gone(error))
		return -error;
	tcp->error = -ENODEV;
	return -ENODEV;
}

static ssize_t tcp_read(struct stream *stream, void *data, size_t len)
{
	struct tcp *tcp = tcp_of(stream);
	ssize_t n;
	int r = check_connected(tcp);

	if (r < 0)
		return r;
	if (!len)
		return -EINVAL;
	n = recv(tcp->fd, data, len, 0);
	if (n == 0) {
		tcp->error = -ENODEV;
		return -ENODEV;
	}
	return n < 0 ? fail(tcp, errno) : n;
}

static ssize_t tcp_write(struct stream *stream, const void *data, size_t len)
{
	struct tcp *tcp = tcp_of(stream);
	ssize_t n;
	int r = check_connected(tcp);

	if (r < 0)
		return r;
	if (!len)
		return -EINVAL;
	n = send(tcp->fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? fail(tcp, errno) : n;
}

static int tcp_set_baud(struct stream *stream, unsigned baud)
{
	(void)stream;
	(void)baud;
	return -ENOTSUP;
}

static int tcp_fd(const struct stream *stream)
{
	return ((const struct tcp *)stream)->fd;
}

static void tcp_close(struct stream *stream)
{
	struct tcp *tcp = tcp_of(stream);

	close(tcp->fd);
	free(tcp);
}

static const struct stream_ops tcp_ops = {
	.read = tcp_read,
	.write = tcp_write,
	.set_baud = tcp_set_baud,
	.fd = tcp_fd,
	.ready = tcp_ready,
	.close = tcp_close,
};

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Commands are short and wait for their answer: send at once; and notice a peer that is gone. */
static int set_options(int fd)
{
	int r = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (!r)
		r = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (!r)
		r = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	if (!r)
		r = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	if (!r)
		r = set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	if (!r)
		r = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
	return r;
}

int stream_tcp_open(const char *target, struct stream **ret_stream)
{
	struct sockaddr_storage address;
	socklen_t len;
	struct tcp *tcp;
	int r = parse_target(target, &address, &len);

	if (r < 0)
		return r;
	tcp = calloc(1, sizeof(*tcp));
	if (!tcp)
		return -ENOMEM;
	tcp->stream.ops = &tcp_ops;
	tcp->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tcp->fd < 0) {
		r = -errno;
		goto fail_socket;
	}
	r = set_options(tcp->fd);
	if (r < 0)
		goto fail_connect;
	if (connect(tcp->fd, (const struct sockaddr *)&address, len) < 0) {
		if (errno != EINPROGRESS) {
			r = -errno;
			goto fail_connect;
		}
		tcp->connecting = 1;
	}
	*ret_stream = &tcp->stream;
	return 0;
fail_connect:
	close(tcp->fd);
fail_socket:
	free(tcp);
	return r;
}
