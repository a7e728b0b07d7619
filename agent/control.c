#include "agent/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define REQUEST_MAX 128
#define CLIENT_US 5000000 /* a conversation is over then */

struct client {
	struct control *control;
	struct loop_fd watch;
	struct loop_timer deadline;
	int fd; /* -1: free */
	char request[REQUEST_MAX];
	size_t len;
	struct buf answer;
	size_t sent;
};

struct control {
	struct loop *loop;
	struct loop_fd watch;
	int fd;
	control_fn *fn;
	void *arg;
	struct sockaddr_un address;
	struct client clients[CLIENTS_MAX];
};

static void end_client(struct client *client)
{
	loop_timer_cancel(&client->deadline);
	loop_fd_remove(&client->watch);
	close(client->fd);
	buf_free(&client->answer);
	client->fd = -1;
}

static void on_deadline(struct loop_timer *timer)
{
	end_client(timer->arg);
}

/* Sends what the socket takes; ends the conversation when all is sent. */
static void send_answer(struct client *client)
{
	while (client->sent < client->answer.len) {
		const ssize_t n = send(client->fd, client->answer.data + client->sent,
				       client->answer.len - client->sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (!loop_fd_set(&client->watch, LOOP_WRITE))
				return;
			break;
		}
		if (n < 0)
			break;
		client->sent += (size_t)n;
	}
	end_client(client);
}

static void on_client(struct loop_fd *watch, unsigned events)
{
	struct client *client = watch->arg;
	char *newline;
	ssize_t n;

	if (client->answer.len) {
		send_answer(client);
		return;
	}
	(void)events;
	n = recv(client->fd, client->request + client->len, REQUEST_MAX - 1 - client->len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_client(client);
		return;
	}
	client->len += (size_t)n;
	client->request[client->len] = '\0';
	newline = strchr(client->request, '\n');
	if (!newline) {
		if (client->len == REQUEST_MAX - 1)
			end_client(client);
		return;
	}
	*newline = '\0';
	client->control->fn(client->control->arg, client->request, &client->answer);
	buf_putc(&client->answer, '\n');
	if (client->answer.error)
		end_client(client);
	else
		send_answer(client);
}

static void on_listen(struct loop_fd *watch, unsigned events)
{
	struct control *control = watch->arg;
	struct client *client = NULL;
	int fd;

	(void)events;
	fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX && !client; i++)
		if (control->clients[i].fd < 0)
			client = &control->clients[i];
	if (!client) {
		close(fd); /* too many at once: they may ask again */
		return;
	}
	client->fd = fd;
	client->len = 0;
	client->sent = 0;
	buf_init(&client->answer, CONTROL_ANSWER_MAX);
	if (loop_fd_add(control->loop, &client->watch, fd, LOOP_READ, on_client, client) ||
	    loop_timer_set(control->loop, &client->deadline, CLIENT_US, on_deadline, client))
		end_client(client);
}

static int make_address(const char *path, struct sockaddr_un *ret_address)
{
	const size_t len = strlen(path);

	if (len >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	memcpy(ret_address->sun_path, path, len);
	return 0;
}

/* Binds; a socket file whose daemon is dead is removed first. */
static int bind_socket(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *to = (const struct sockaddr *)address;
	mode_t mask;
	int probe;
	int r;

	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return -errno;
	r = connect(probe, to, sizeof(*address)) ? -errno : 0;
	close(probe);
	if (!r)
		return -EADDRINUSE;
	if (r == -ECONNREFUSED && unlink(address->sun_path))
		return -errno;
	mask = umask(0117);
	r = bind(fd, to, sizeof(*address)) ? -errno : 0;
	(void)umask(mask);
	return r;
}

int control_listen(struct loop *loop, const char *path, control_fn *fn, void *arg,
		   struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return -ENOMEM;
	control->loop = loop;
	control->fn = fn;
	control->arg = arg;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		control->clients[i].fd = -1;
		control->clients[i].control = control;
	}
	r = make_address(path, &control->address);
	if (r)
		goto out_free;
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (control->fd < 0) {
		r = -errno;
		goto out_free;
	}
	r = bind_socket(control->fd, &control->address);
	if (r)
		goto out_close;
	if (listen(control->fd, CLIENTS_MAX)) {
		r = -errno;
		goto out_unlink;
	}
	r = loop_fd_add(loop, &control->watch, control->fd, LOOP_READ, on_listen, control);
	if (r)
		goto out_unlink;
	*ret_control = control;
	return 0;
out_unlink:
	(void)unlink(control->address.sun_path);
out_close:
	close(control->fd);
out_free:
	free(control);
	return r;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (control->clients[i].fd >= 0)
			end_client(&control->clients[i]);
	loop_fd_remove(&control->watch);
	(void)unlink(control->address.sun_path);
	close(control->fd);
	free(control);
}

static int64_t steady_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int read_answer(int fd, int64_t until_ms, struct buf *out)
{
	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		const int64_t left = until_ms - steady_ms();
		char *room;
		ssize_t n;

		if (left <= 0 || poll(&wait, 1, (int)left) == 0)
			return -ETIMEDOUT;
		room = buf_reserve(out, 16384);
		if (!room)
			return out->error;
		n = recv(fd, room, 16384, 0);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return out->len ? 0 : -ECONNRESET;
		if (n > 0)
			buf_commit(out, (size_t)n);
	}
}

int control_ask(const char *path, const char *request, int timeout_ms, struct buf *out)
{
	const int64_t until_ms = steady_ms() + timeout_ms;
	struct sockaddr_un address;
	int r = make_address(path, &address);
	int fd;

	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) < 0 ||
	    send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
		r = -errno;
	if (!r)
		r = read_answer(fd, until_ms, out);
	close(fd);
	return r;
}
