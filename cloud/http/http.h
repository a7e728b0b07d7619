/* The HTTP and WebSocket server on a thread of its own, named "http". */
#ifndef CLOUD_HTTP_HTTP_H
#define CLOUD_HTTP_HTTP_H

#include "cloud/http/api.h"
#include "cloud/relay/live.h"

/* Limits of a request's head: past them 414, 431, or (past HTTP_HEAD_MAX) a closed connection. */
#define HTTP_URI_MAX 4096
#define HTTP_HEADER_MAX 2048
#define HTTP_HEAD_MAX 16384
/* Seconds: for one request to come in and be taken, and for a connection to stay idle. */
#define HTTP_REQUEST_S 15
#define HTTP_IDLE_S 60
#define HTTP_CONNECTIONS_MAX 1000

struct http_config {
	const char *host; /* an address or name; "" for all of the machine's addresses */
	uint16_t port;    /* 0: one that is free, see http_port() */
	const char *database_url;
	struct clock *clock;
	struct core_status *status; /* http_seen_us is told */
	struct live *live;
	api_file_fn *file;  /* NULL: no page */
	size_t connections; /* most at a time; 0: HTTP_CONNECTIONS_MAX */
};

struct http;

/* Opens the database, binds and starts the thread; `config` is copied, what it points to must outlive
 * the server. 0, or -errno with a sentence in `error` (-EADDRINUSE where the port is taken). One
 * server a process: the library behind it logs through one global function. */
int http_start(const struct http_config *config, struct http **ret_http, char *error,
	       size_t error_size);
/* Ends the thread and frees; at most a second or so. NULL is accepted. Any thread but its own. */
void http_stop(struct http *http);
uint16_t http_port(const struct http *http);

#endif
