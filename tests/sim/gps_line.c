#include "tests/sim/gps_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "tests/sim/gps.h"
#include "tests/sim/pty.h"
#include "tests/sim/sim_control.h"

#define OUT_MAX 4096

struct gps_line {
	struct loop *loop;
	struct clock *clock;
	struct sim_gps gps;
	int64_t interval_us;
	char link[224]; /* the pty's stable name; "" for TCP */
	char address[256];
	uint16_t port;
	int master;   /* the pty, or a TCP client; -1 */
	int keeper;   /* the pty's other end */
	int listener; /* TCP */
	bool plugged;
	struct loop_timer timer;
	struct loop_fd watch;  /* what a reader sends is read, and means nothing */
	struct loop_fd arrive; /* TCP clients */
	struct sim_control control;
};

/* ---- the line ---- */

static void drop(struct gps_line *line)
{
	loop_fd_remove(&line->watch);
	if (line->master >= 0)
		close(line->master);
	line->master = -1;
}

static void on_bytes(struct loop_fd *watch, unsigned events)
{
	struct gps_line *line = watch->arg;
	char bytes[256];
	const ssize_t n = read(line->master, bytes, sizeof(bytes));

	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(line); /* a TCP client has gone */
}

static int watch_master(struct gps_line *line, int fd)
{
	const int rc = loop_fd_add(line->loop, &line->watch, fd, LOOP_READ, on_bytes, line);

	if (rc < 0)
		close(fd);
	else
		line->master = fd;
	return rc;
}

static void on_client(struct loop_fd *watch, unsigned events)
{
	struct gps_line *line = watch->arg;
	const int fd = accept4(line->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	/* One client; a new one takes its place. */
	drop(line);
	(void)watch_master(line, fd);
}

static int listen_here(struct gps_line *line)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(line->port)};
	socklen_t len = sizeof(at);
	int one = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	line->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (line->listener < 0)
		return -errno;
	setsockopt(line->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(line->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(line->listener, 4) != 0 ||
	    getsockname(line->listener, (struct sockaddr *)&at, &len) != 0)
		return -errno;
	line->port = ntohs(at.sin_port);
	snprintf(line->address, sizeof(line->address), "tcp:127.0.0.1:%u", (unsigned)line->port);
	return loop_fd_add(line->loop, &line->arrive, line->listener, LOOP_READ, on_client, line);
}

static void unplug(struct gps_line *line)
{
	line->plugged = false;
	drop(line);
	loop_fd_remove(&line->arrive);
	if (line->link[0] != '\0')
		unlink(line->link);
	if (line->keeper >= 0)
		close(line->keeper);
	if (line->listener >= 0)
		close(line->listener);
	line->keeper = line->listener = -1;
}

static int plug(struct gps_line *line)
{
	int master = -1;
	int rc;

	if (line->plugged)
		return 0;
	if (line->link[0] != '\0') {
		rc = pty_open(line->link, &master, &line->keeper);
		if (rc == 0)
			rc = watch_master(line, master);
	} else {
		rc = listen_here(line);
	}
	line->plugged = rc == 0;
	return rc;
}

/* ---- moments ---- */

static void on_moment(struct loop_timer *timer)
{
	struct gps_line *line = timer->arg;
	struct buf out;

	buf_init(&out, OUT_MAX);
	sim_gps_moment(&line->gps, clock_wall_ms(line->clock), line->interval_us / 1000, &out);
	/* Nobody waits for a receiver: what the line does not take is lost. */
	if (line->master >= 0 && !out.error && out.len > 0 &&
	    write(line->master, out.data, out.len) < 0 && errno != EAGAIN)
		drop(line);
	buf_free(&out);
	(void)loop_timer_set(line->loop, &line->timer, line->interval_us, on_moment, line);
}

/* ---- control ---- */

static void on_control(void *arg, char *command, char *reply, size_t reply_size)
{
	struct gps_line *line = arg;
	const char *what = strchr(command, ' ') ? strchr(command, ' ') + 1 : "";
	enum sim_gps_fault fault;
	double latitude, longitude;
	int rc = 0;

	(void)snprintf(reply, reply_size, "ok");
	if (strcmp(what, "unplug") == 0) {
		unplug(line);
	} else if (strcmp(what, "plug") == 0) {
		rc = plug(line);
	} else if (strcmp(what, "freeze") == 0 || strcmp(what, "thaw") == 0) {
		line->gps.frozen = what[0] == 'f';
	} else if (strcmp(what, "truth") == 0) {
		sim_gps_place(&line->gps, &latitude, &longitude);
		(void)snprintf(reply, reply_size, "{\"latitude\":%.7f,\"longitude\":%.7f}",
			       latitude, longitude);
	} else {
		rc = sim_gps_fault_parse(what, &fault);
		if (rc == 0)
			sim_gps_set_fault(&line->gps, fault, clock_wall_ms(line->clock));
	}
	if (rc < 0)
		(void)snprintf(reply, reply_size, "error: '%s': %s", what, strerror(-rc));
}

/* ---- life ---- */

int gps_line_create(struct loop *loop, struct clock *clock, const struct gps_line_options *options,
		    struct gps_line **ret_line)
{
	struct gps_line *line = calloc(1, sizeof(*line));
	int rc;

	if (!line)
		return -ENOMEM;
	line->loop = loop;
	line->clock = clock;
	line->interval_us = options->interval_us;
	line->master = line->keeper = line->listener = line->control.fd = -1;
	sim_gps_init(&line->gps);
	line->gps.frozen = options->frozen;
	if (!options->tcp) {
		snprintf(line->link, sizeof(line->link), "%s/gps", options->dir);
		snprintf(line->address, sizeof(line->address), "serial:%s", line->link);
	}
	rc = plug(line);
	if (rc == 0 && options->control)
		rc = sim_control_open(&line->control, loop, options->control, on_control, line);
	if (rc == 0)
		rc = loop_timer_set(loop, &line->timer, line->interval_us, on_moment, line);
	if (rc < 0) {
		gps_line_destroy(line);
		return rc;
	}
	*ret_line = line;
	return 0;
}

void gps_line_destroy(struct gps_line *line)
{
	if (!line)
		return;
	loop_timer_cancel(&line->timer);
	sim_control_close(&line->control);
	unplug(line);
	free(line);
}

const char *gps_line_address(const struct gps_line *line)
{
	return line->address;
}
