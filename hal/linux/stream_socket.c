/* What connected sockets have in common: connecting in the background, never blocking, and telling a
 * peer that is gone from one that is slow. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hal/linux/stream_priv.h"

struct connection {
	struct stream stream;
	int fd;
	int connecting;
	int error; /* sticky: 0, or what ended the connection, negative */
	int (*error_of)(int error);
};

static struct connection *connection_of(struct stream *stream)
{
	return (struct connection *)stream;
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
	case ENODEV:
	case EIO: /* Bluetooth: the controller failed */
		return 1;
	default:
		return 0;
	}
}

static int connection_ready(struct stream *stream)
{
	struct connection *connection = connection_of(stream);
	struct pollfd writable = {.fd = connection->fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int error = 0;

	if (connection->error || !connection->connecting)
		return connection->error;
	if (poll(&writable, 1, 0) <= 0)
		return -EAGAIN;
	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	/* Bluetooth: a connection that was closed while it was made may have no error to tell. */
	if (!error && (writable.revents & POLLHUP))
		error = ECONNREFUSED;
	connection->connecting = 0;
	connection->error = error ? -connection->error_of(error) : 0;
	return connection->error;
}

/* -EAGAIN while connecting, -ENODEV after the end, else 0. */
static int check_connected(struct connection *connection)
{
	int r = connection_ready(&connection->stream);

	if (r == 0 || r == -EAGAIN)
		return r;
	return is_gone(-r) ? -ENODEV : r;
}

static ssize_t fail(struct connection *connection, int error)
{
	if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR)
		return -EAGAIN;
	if (!is_gone(error))
		return -error;
	connection->error = -ENODEV;
	return -ENODEV;
}

static ssize_t connection_read(struct stream *stream, void *data, size_t len)
{
	struct connection *connection = connection_of(stream);
	ssize_t n;
	int r = check_connected(connection);

	if (r < 0)
		return r;
	if (!len)
		return -EINVAL;
	n = recv(connection->fd, data, len, 0);
	if (n == 0) {
		connection->error = -ENODEV;
		return -ENODEV;
	}
	return n < 0 ? fail(connection, errno) : n;
}

static ssize_t connection_write(struct stream *stream, const void *data, size_t len)
{
	struct connection *connection = connection_of(stream);
	ssize_t n;
	int r = check_connected(connection);

	if (r < 0)
		return r;
	if (!len)
		return -EINVAL;
	n = send(connection->fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? fail(connection, errno) : n;
}

static int connection_set_baud(struct stream *stream, unsigned baud)
{
	(void)stream;
	(void)baud;
	return -ENOTSUP;
}

static int connection_fd(const struct stream *stream)
{
	return ((const struct connection *)stream)->fd;
}

static void connection_close(struct stream *stream)
{
	struct connection *connection = connection_of(stream);

	close(connection->fd);
	free(connection);
}

static const struct stream_ops connection_ops = {
	.read = connection_read,
	.write = connection_write,
	.set_baud = connection_set_baud,
	.fd = connection_fd,
	.ready = connection_ready,
	.close = connection_close,
};

int stream_socket_connect(int fd, const struct sockaddr *address, socklen_t len,
			  int (*error_of)(int error), struct stream **ret_stream)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int r;

	if (!connection) {
		r = -ENOMEM;
		goto fail;
	}
	connection->stream.ops = &connection_ops;
	connection->fd = fd;
	connection->error_of = error_of;
	if (connect(fd, address, len) < 0) {
		if (errno != EINPROGRESS) {
			r = -error_of(errno);
			goto fail;
		}
		connection->connecting = 1;
	}
	*ret_stream = &connection->stream;
	return 0;
fail:
	close(fd);
	free(connection);
	return r;
}
