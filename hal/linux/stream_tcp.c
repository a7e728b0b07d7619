/* TCP connections to adapters (Wi-Fi ELM327, serial servers, the simulator). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

static int same(int error)
{
	return error;
}

int stream_tcp_open(const char *target, struct stream **ret_stream)
{
	struct sockaddr_storage address;
	socklen_t len;
	int r = parse_target(target, &address, &len);
	int fd;

	if (r < 0)
		return r;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = set_options(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return stream_socket_connect(fd, (const struct sockaddr *)&address, len, same, ret_stream);
}
