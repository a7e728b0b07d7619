/* The daemon's unix socket: a client sends one line, gets one JSON document, and the end. */
#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H

#include "base/buf.h"
#include "base/loop.h"

#define CONTROL_ANSWER_MAX ((size_t)4 * 1024 * 1024)

struct control;

/* Writes the answer to a request ("status") into `out`. Called on the loop's thread. */
typedef void control_fn(void *arg, const char *request, struct buf *out);

/* Listens at `path`, which only owner and group may use. A socket that nobody serves any more is
 * replaced. Returns 0, -EADDRINUSE where another daemon answers there, -ENAMETOOLONG, -errno. */
int control_listen(struct loop *loop, const char *path, control_fn *fn, void *arg,
		   struct control **ret_control);
/* Ends every conversation and removes the socket. NULL is accepted. */
void control_close(struct control *control);

/* The client's side; blocks for at most `timeout_ms`. Returns 0, -ENOENT or -ECONNREFUSED where no
 * daemon runs, -ETIMEDOUT, -errno. */
int control_ask(const char *path, const char *request, int timeout_ms, struct buf *out);

#endif
