/* A link with a delay: forwards TCP connections, each byte `delay` after it came, without limiting how
 * many are under way, and counts them.
 *
 * bench_proxy LISTEN TARGET DELAY_US: ports on 127.0.0.1, the delay is that of one direction. On
 * SIGUSR1, and on SIGTERM before it ends, prints {"up":BYTES,"down":BYTES,"connections":N,"begin_s":S}: up
 * is from whoever connects to the target, S when the first one did (CLOCK_MONOTONIC). "listening" is
 * said once it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define LINKS_MAX 32
#define READ_MAX 262144
#define UNDER_WAY_MAX                                                                              \
	((size_t)256 * 1024 * 1024) /* of one direction: no limit for any sender here */

struct chunk {
	struct chunk *next;
	int64_t due_us;
	size_t len, sent;
	char data[];
};

struct way {
	struct chunk *head, *tail;
	size_t under_way;
	bool eof;  /* the reader's side has said all */
	bool shut; /* and the other side knows */
};

/* fds[0] is who connected, fds[1] the target; ways[i] begins at fds[i]. */
struct tunnel {
	bool used;
	int fds[2];
	struct way ways[2];
};

struct proxy {
	int listener;
	struct sockaddr_in target;
	int64_t delay_us;
	struct tunnel tunnels[LINKS_MAX];
	int64_t bytes[2];
	int connections;
	int64_t begin_us;
};

static volatile sig_atomic_t want_report, want_end;

static void on_signal(int signo)
{
	if (signo == SIGUSR1)
		want_report = 1;
	else
		want_end = 1;
}

static int64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void report(const struct proxy *proxy)
{
	(void)printf("{\"up\":%" PRId64 ",\"down\":%" PRId64 ",\"connections\":%d,"
		     "\"begin_s\":%.6f}\n",
		     proxy->bytes[0], proxy->bytes[1], proxy->connections,
		     (double)proxy->begin_us / 1e6);
	(void)fflush(stdout);
}

static void drop(struct tunnel *tunnel)
{
	for (int i = 0; i < 2; i++) {
		struct chunk *chunk = tunnel->ways[i].head;

		while (chunk) {
			struct chunk *next = chunk->next;

			free(chunk);
			chunk = next;
		}
		(void)close(tunnel->fds[i]);
	}
	memset(tunnel, 0, sizeof(*tunnel));
}

static struct sockaddr_in local_port(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void accept_one(struct proxy *proxy)
{
	const int fd = accept4(proxy->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	const int on = 1;
	struct tunnel *tunnel = NULL;
	int target;

	if (fd < 0)
		return;
	for (int i = 0; i < LINKS_MAX && !tunnel; i++)
		if (!proxy->tunnels[i].used)
			tunnel = &proxy->tunnels[i];
	target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!tunnel || target < 0 ||
	    connect(target, (struct sockaddr *)&proxy->target, sizeof(proxy->target))) {
		(void)close(fd);
		if (target >= 0)
			(void)close(target);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(target, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	tunnel->used = true;
	tunnel->fds[0] = fd;
	tunnel->fds[1] = target;
	if (!proxy->connections++)
		proxy->begin_us = now_us();
}

/* Takes what has come; false where the tunnel is broken. */
static bool take(struct proxy *proxy, struct tunnel *tunnel, int i)
{
	static char data[READ_MAX];
	struct way *way = &tunnel->ways[i];
	const ssize_t n = recv(tunnel->fds[i], data, sizeof(data), MSG_DONTWAIT);
	struct chunk *chunk;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		way->eof = true;
		return true;
	}
	chunk = malloc(sizeof(*chunk) + (size_t)n);
	if (!chunk)
		return false;
	*chunk = (struct chunk){.due_us = now_us() + proxy->delay_us, .len = (size_t)n};
	memcpy(chunk->data, data, (size_t)n);
	if (way->tail)
		way->tail->next = chunk;
	else
		way->head = chunk;
	way->tail = chunk;
	way->under_way += (size_t)n;
	proxy->bytes[i] += n;
	return true;
}

/* Gives what is due; false where the tunnel is broken. */
static bool give(struct tunnel *tunnel, int i, int64_t now)
{
	struct way *way = &tunnel->ways[i];
	const int to = tunnel->fds[1 - i];

	while (way->head && way->head->due_us <= now) {
		struct chunk *chunk = way->head;
		const ssize_t n = send(to, chunk->data + chunk->sent, chunk->len - chunk->sent,
				       MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		chunk->sent += (size_t)n;
		way->under_way -= (size_t)n;
		if (chunk->sent < chunk->len)
			return true;
		way->head = chunk->next;
		if (!way->head)
			way->tail = NULL;
		free(chunk);
	}
	if (way->eof && !way->head && !way->shut) {
		way->shut = true;
		(void)shutdown(to, SHUT_WR);
	}
	return true;
}

/* What to wait for on both ends, and until when. */
static void want(const struct tunnel *tunnel, struct pollfd polls[2], int64_t now, int64_t *due_us)
{
	for (int i = 0; i < 2; i++) {
		const struct way *in = &tunnel->ways[i], *out = &tunnel->ways[1 - i];

		polls[i] = (struct pollfd){.fd = tunnel->fds[i]};
		if (!in->eof && in->under_way < UNDER_WAY_MAX)
			polls[i].events |= POLLIN;
		if (out->head && out->head->due_us <= now)
			polls[i].events |= POLLOUT;
		else if (out->head && out->head->due_us < *due_us)
			*due_us = out->head->due_us;
		if (!polls[i].events)
			polls[i].fd = -1; /* else a hang-up would be told for ever */
	}
}

static void serve_tunnel(struct proxy *proxy, struct tunnel *tunnel, const struct pollfd polls[2],
			 int64_t now)
{
	bool good = true;

	for (int i = 0; i < 2 && good; i++)
		if (polls[i].fd >= 0 && polls[i].revents & (POLLIN | POLLHUP | POLLERR) &&
		    polls[i].events & POLLIN)
			good = take(proxy, tunnel, i);
	for (int i = 0; i < 2 && good; i++)
		good = give(tunnel, i, proxy->delay_us ? now : now_us());
	if (!good || (tunnel->ways[0].shut && tunnel->ways[1].shut))
		drop(tunnel);
}

static int serve(struct proxy *proxy, const sigset_t *unblocked)
{
	while (!want_end) {
		struct pollfd polls[1 + 2 * LINKS_MAX] = {
			{.fd = proxy->listener, .events = POLLIN}};
		int64_t now = now_us(), due_us = now + 1000000;
		struct timespec wait;

		for (int i = 0; i < LINKS_MAX; i++) {
			polls[1 + 2 * i].fd = -1;
			polls[2 + 2 * i].fd = -1;
			if (proxy->tunnels[i].used)
				want(&proxy->tunnels[i], polls + 1 + 2 * (size_t)i, now, &due_us);
		}
		wait = (struct timespec){.tv_nsec = (due_us - now) % 1000000 * 1000,
					 .tv_sec = (due_us - now) / 1000000};
		if (ppoll(polls, sizeof(polls) / sizeof(polls[0]), &wait, unblocked) < 0 &&
		    errno != EINTR)
			return -errno;
		if (want_report) {
			want_report = 0;
			report(proxy);
			continue; /* the polls were not filled in */
		}
		now = now_us();
		for (int i = 0; i < LINKS_MAX; i++)
			if (proxy->tunnels[i].used)
				serve_tunnel(proxy, &proxy->tunnels[i], polls + 1 + 2 * (size_t)i,
					     now);
		if (polls[0].revents)
			accept_one(proxy);
	}
	return 0;
}

static int listen_on(int port)
{
	const struct sockaddr_in address = local_port(port);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, 64)) {
		const int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

int main(int argc, char **argv)
{
	static struct proxy proxy;
	const struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked, unblocked;
	int r;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: bench_proxy LISTEN TARGET DELAY_US\n");
		return 2;
	}
	/* Signals are seen in ppoll() alone: none can come between a look and the wait. */
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGUSR1);
	(void)sigaddset(&blocked, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	proxy.target = local_port((int)strtol(argv[2], NULL, 10));
	proxy.delay_us = strtoll(argv[3], NULL, 10);
	proxy.listener = listen_on((int)strtol(argv[1], NULL, 10));
	if (proxy.listener < 0) {
		(void)fprintf(stderr, "bench_proxy: port %s: %s\n", argv[1],
			      strerror(-proxy.listener));
		return 1;
	}
	(void)printf("listening\n");
	(void)fflush(stdout);
	r = serve(&proxy, &unblocked);
	report(&proxy);
	return r ? 1 : 0;
}
