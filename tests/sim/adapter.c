#include "tests/sim/adapter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sim/line_speed.h"
#include "tests/sim/pty.h"

#define OUT_MAX 16384

void adapter_init(struct adapter *adapter, struct loop *loop, unsigned number,
		  const enum vehicle_kind *kind, int64_t delay_us)
{
	memset(adapter, 0, sizeof(*adapter));
	adapter->loop = loop;
	adapter->line = -1;
	adapter->keeper = -1;
	adapter->listener = -1;
	buf_init(&adapter->out, OUT_MAX);
	if (kind)
		vehicle_init_kind(&adapter->vehicle, *kind, number, loop_now_us(loop));
	else
		vehicle_init(&adapter->vehicle, number, loop_now_us(loop));
	snprintf(adapter->name, sizeof(adapter->name), "%s-%02u",
		 vehicle_kind_name(adapter->vehicle.kind), number);
	elm327_init(&adapter->elm, &adapter->vehicle, number * 7919u, delay_us);
}

static void drop_line(struct adapter *adapter)
{
	loop_fd_remove(&adapter->line_watch);
	if (adapter->line >= 0)
		close(adapter->line);
	adapter->line = -1;
	buf_reset(&adapter->out);
}

/* Sends what the line takes; the rest goes when it is writable. */
static void flush_out(struct adapter *adapter)
{
	while (adapter->out.len > 0) {
		ssize_t n = write(adapter->line, adapter->out.data, adapter->out.len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		memmove(adapter->out.data, adapter->out.data + n, adapter->out.len - (size_t)n);
		adapter->out.len -= (size_t)n;
	}
	loop_fd_set(&adapter->line_watch,
		    adapter->out.len > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void on_reply_due(struct loop_timer *timer);

static void arm_reply(struct adapter *adapter)
{
	int64_t due = elm327_due_us(&adapter->elm);

	if (due == INT64_MAX) {
		loop_timer_cancel(&adapter->reply_timer);
		return;
	}
	loop_timer_set(adapter->loop, &adapter->reply_timer, due - loop_now_us(adapter->loop),
		       on_reply_due, adapter);
}

static void on_reply_due(struct loop_timer *timer)
{
	struct adapter *adapter = timer->arg;

	if (adapter->line < 0)
		return;
	elm327_advance(&adapter->elm, loop_now_us(adapter->loop), &adapter->out);
	flush_out(adapter);
	arm_reply(adapter);
}

/* A pty has no speed, but its other end was set to one. */
static bool speed_differs(const struct adapter *adapter)
{
	return adapter->baud != 0 && adapter->keeper >= 0 &&
	       line_speed(adapter->keeper) != adapter->baud;
}

/* At the wrong speed bits are read in the wrong places: neither side understands the other. */
static void talk_nonsense(struct adapter *adapter, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += 3)
		buf_putc(&adapter->out, (char)(0xE0 ^ (bytes[i] * 7) % 0x5F));
}

static void on_line(struct loop_fd *watch, unsigned events)
{
	struct adapter *adapter = watch->arg;
	char bytes[256];
	ssize_t n;

	(void)events;
	n = read(adapter->line, bytes, sizeof(bytes));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		drop_line(adapter); /* a TCP client has gone */
		return;
	}
	if (speed_differs(adapter)) {
		talk_nonsense(adapter, bytes, n > 0 ? (size_t)n : 0);
		n = 0;
	}
	for (ssize_t i = 0; i < n; i++)
		elm327_hear(&adapter->elm, bytes[i], loop_now_us(adapter->loop), &adapter->out);
	flush_out(adapter);
	arm_reply(adapter);
}

static int watch_line(struct adapter *adapter, int fd)
{
	int rc = loop_fd_add(adapter->loop, &adapter->line_watch, fd, LOOP_READ, on_line, adapter);

	if (rc < 0) {
		close(fd);
		return rc;
	}
	adapter->line = fd;
	return 0;
}

static int make_pty(struct adapter *adapter)
{
	int master;
	int rc = pty_open(adapter->link, &master, &adapter->keeper);

	return rc < 0 ? rc : watch_line(adapter, master);
}

int adapter_open_pty(struct adapter *adapter, const char *link)
{
	if (strlen(link) >= sizeof(adapter->link))
		return -ENAMETOOLONG;
	snprintf(adapter->link, sizeof(adapter->link), "%s", link);
	snprintf(adapter->address, sizeof(adapter->address), "serial:%s", link);
	return adapter_plug(adapter);
}

static void on_connect(struct loop_fd *watch, unsigned events)
{
	struct adapter *adapter = watch->arg;
	int one = 1;
	int fd;

	(void)events;
	fd = accept4(adapter->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	/* A Wi-Fi adapter serves one client; a new one takes its place. */
	drop_line(adapter);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	watch_line(adapter, fd);
}

static int listen_on(struct adapter *adapter, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(at);
	int one = 1;
	int rc;
	int fd;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
		rc = -errno;
		goto fail;
	}
	rc = loop_fd_add(adapter->loop, &adapter->listen_watch, fd, LOOP_READ, on_connect, adapter);
	if (rc < 0)
		goto fail;
	adapter->listener = fd;
	adapter->port = ntohs(at.sin_port);
	snprintf(adapter->address, sizeof(adapter->address), "tcp:127.0.0.1:%u",
		 (unsigned)ntohs(at.sin_port));
	return 0;
fail:
	close(fd);
	return rc;
}

int adapter_open_tcp(struct adapter *adapter, uint16_t port)
{
	int rc = listen_on(adapter, port);

	if (rc == 0)
		adapter->plugged = true;
	return rc;
}

void adapter_unplug(struct adapter *adapter)
{
	if (!adapter->plugged)
		return;
	adapter->plugged = false;
	drop_line(adapter);
	loop_timer_cancel(&adapter->reply_timer);
	loop_fd_remove(&adapter->listen_watch);
	if (adapter->link[0] != '\0')
		unlink(adapter->link);
	if (adapter->keeper >= 0)
		close(adapter->keeper);
	if (adapter->listener >= 0)
		close(adapter->listener);
	adapter->keeper = -1;
	adapter->listener = -1;
}

int adapter_plug(struct adapter *adapter)
{
	enum elm327_fault fault = adapter->elm.fault;
	enum elm327_temperament temperament = adapter->elm.temperament;
	elm327_served_fn *served = adapter->elm.served;
	void *served_arg = adapter->elm.served_arg;
	int64_t delay_us = adapter->elm.delay_us;
	int rc;

	if (adapter->plugged)
		return 0;
	/* Power was gone: the chip starts from its defaults. */
	elm327_fini(&adapter->elm);
	elm327_init(&adapter->elm, &adapter->vehicle, adapter->elm.seed, delay_us);
	elm327_set_temperament(&adapter->elm, temperament);
	adapter->elm.fault = fault;
	adapter->elm.served = served;
	adapter->elm.served_arg = served_arg;
	if (adapter->link[0] != '\0') {
		rc = make_pty(adapter);
	} else {
		rc = listen_on(adapter, adapter->port);
	}
	if (rc == 0)
		adapter->plugged = true;
	return rc;
}

void adapter_close(struct adapter *adapter)
{
	adapter_unplug(adapter);
	elm327_fini(&adapter->elm);
	buf_free(&adapter->out);
}
