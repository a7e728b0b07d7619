#include "tests/sim/sim_control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static void on_command(struct loop_fd *watch, unsigned events)
{
	struct sim_control *control = watch->arg;
	struct sockaddr_un from = {0};
	socklen_t from_len = sizeof(from);
	char command[128];
	char reply[SIM_CONTROL_REPLY_MAX];
	ssize_t n;

	(void)events;
	n = recvfrom(control->fd, command, sizeof(command) - 1, MSG_DONTWAIT,
		     (struct sockaddr *)&from, &from_len);
	if (n < 0)
		return;
	command[n] = '\0';
	control->fn(control->arg, command, reply, sizeof(reply));
	sendto(control->fd, reply, strlen(reply), MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
}

int sim_control_open(struct sim_control *control, struct loop *loop, const char *path,
		     sim_control_fn *fn, void *arg)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memset(control, 0, sizeof(*control));
	control->fn = fn;
	control->arg = arg;
	control->fd = -1;
	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);
	memcpy(control->path, path, strlen(path) + 1);
	unlink(path);
	control->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control->fd < 0 || bind(control->fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    chmod(path, 0600) != 0)
		return -errno;
	return loop_fd_add(loop, &control->watch, control->fd, LOOP_READ, on_command, control);
}

void sim_control_close(struct sim_control *control)
{
	loop_fd_remove(&control->watch);
	if (control->fd < 0)
		return;
	close(control->fd);
	unlink(control->path);
	control->fd = -1;
}

int sim_control_send(const char *path, const char *who, const char *what)
{
	struct sockaddr_un from = {.sun_family = AF_UNIX};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 5};
	char text[SIM_CONTROL_REPLY_MAX];
	ssize_t n = -1;
	int fd;

	if (strlen(path) >= sizeof(to.sun_path)) {
		fprintf(stderr, "freshet-sim: %s: too long for a socket's name\n", path);
		return 2;
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* An autobound address, so that the simulator can answer. */
	if (fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof(from.sun_family)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0) {
		snprintf(text, sizeof(text), "%s %s", who, what);
		if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)) >= 0)
			n = recv(fd, text, sizeof(text) - 1, 0);
	}
	if (n < 0)
		fprintf(stderr, "freshet-sim: %s: %s (is a simulator running with --control?)\n",
			path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return 1;
	text[n] = '\0';
	puts(text);
	return strncmp(text, "error", 5) != 0 ? 0 : 1;
}
