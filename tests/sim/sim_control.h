/* The socket by which a running simulator is told what to do: one datagram a command, one an answer. */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include <stddef.h>
#include <sys/un.h>

#include "base/loop.h"

#define SIM_CONTROL_REPLY_MAX 4096

/* Carries out a command (which it may change) and says what came of it; what fails begins with
 * "error". */
typedef void sim_control_fn(void *arg, char *command, char *reply, size_t reply_size);

struct sim_control {
	sim_control_fn *fn;
	void *arg;
	int fd; /* -1: closed */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct loop_fd watch;
};

/* Listens at a unix socket that only its owner may use. `control` stays where it is until closed.
 * Returns 0 or -errno; sim_control_close() is right after both. */
int sim_control_open(struct sim_control *control, struct loop *loop, const char *path,
		     sim_control_fn *fn, void *arg);
/* One that was never opened (fd -1) is accepted. */
void sim_control_close(struct sim_control *control);

/* Sends "WHO WHAT" to a running simulator's socket and prints its answer. Exit code. */
int sim_control_send(const char *path, const char *who, const char *what);

#endif
