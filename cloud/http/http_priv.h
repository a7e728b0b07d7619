/* What the files of the server share. All of it belongs to the thread "http". */
#ifndef CLOUD_HTTP_HTTP_PRIV_H
#define CLOUD_HTTP_HTTP_PRIV_H

#include <libwebsockets.h>
#include <pthread.h>

#include "cloud/http/http.h"
#include "cloud/http/push.h"

#define HTTP_CHUNK 16384
#define HTTP_CONNECTION_SIZE 512 /* what connection.c keeps of one */
#define HTTP_PROTOCOL_WS "freshet.v1"

/* Copies of what a request's head says: the library gives its memory back early. */
struct http_incoming {
	struct http_request request;
	char path[HTTP_PATH_SIZE];
	char args[HTTP_ARGS_MAX][HTTP_ARG_SIZE];
	char authorization[HTTP_HEADER_MAX], cookie[HTTP_HEADER_MAX];
	char accept[HTTP_HEADER_MAX], if_none_match[HTTP_HEADER_MAX];
	char host[512], origin[512];
};

/* A WebSocket connection; the library's user space of protocol freshet.v1. */
struct http_ws {
	struct http_ws *next, **link; /* in http.sockets; link NULL: not in it */
	struct lws *wsi;
	struct access_principal principal;
	struct push_client *client;
	struct buf in, out;
	size_t sent;  /* of `out` */
	bool discard; /* the rest of a message that is refused */
	bool binary;
};

struct http {
	struct http_config config;
	struct api *api;
	struct push *push;
	struct lws_context *context;
	struct lws_sorted_usec_list tick;
	struct http_ws *sockets;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	uint16_t port;
	int tick_error; /* the last one, so that it is logged once */
};

/* Reads the head of the connection's request. NULL and *ret_status 0: out of memory; otherwise the
 * status that refuses it. Free with free(). */
struct http_incoming *http_incoming_read(struct lws *wsi, int *ret_status);
void http_incoming_free(struct http_incoming *incoming); /* NULL is accepted */

/* Sends a small answer whole, in one go. 0 or -1. */
int http_send_now(struct lws *wsi, struct http_reply *reply, bool close);

lws_callback_function http_callback, http_ws_callback;

#endif
