/* One HTTP connection: a request's head and body in, an answer out in chunks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cloud/http/http_priv.h"

/* The library's user space of an HTTP connection; lives over its requests. */
struct connection {
	struct http_incoming *incoming; /* owned; NULL between requests */
	struct buf body;                /* of the request */
	struct http_reply reply;
	bool open;     /* `body` and `reply` are initialised */
	bool replying; /* the head of the answer is out */
	bool close;    /* after this answer */
	size_t sent;   /* of the answer's body */
};

_Static_assert(sizeof(struct connection) <= HTTP_CONNECTION_SIZE, "make it larger");

/* ---- the request's head ----------------------------------------------------------------------- */

static const enum http_method methods[] = {
	[LWSHUMETH_GET] = HTTP_GET,
	[LWSHUMETH_POST] = HTTP_POST,
	[LWSHUMETH_OPTIONS] = HTTP_OPTIONS,
	[LWSHUMETH_PUT] = HTTP_PUT,
	[LWSHUMETH_PATCH] = HTTP_PATCH,
	[LWSHUMETH_DELETE] = HTTP_DELETE,
	[LWSHUMETH_CONNECT] = HTTP_METHOD_COUNT,
	[LWSHUMETH_HEAD] = HTTP_HEAD,
};

/* False where the header is too long. */
static bool copy_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
	out[0] = '\0';
	if (lws_hdr_total_length(wsi, token) == 0)
		return true;
	return lws_hdr_copy(wsi, out, (int)size, token) >= 0;
}

static bool copy_headers(struct lws *wsi, struct http_incoming *in)
{
	struct http_request *request = &in->request;

	request->authorization = in->authorization;
	request->cookie = in->cookie;
	request->accept = in->accept;
	request->if_none_match = in->if_none_match;
	request->host = in->host;
	request->origin = in->origin;
	return copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, in->authorization,
			   sizeof(in->authorization)) &&
	       copy_header(wsi, WSI_TOKEN_HTTP_COOKIE, in->cookie, sizeof(in->cookie)) &&
	       copy_header(wsi, WSI_TOKEN_HTTP_ACCEPT, in->accept, sizeof(in->accept)) &&
	       copy_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, in->if_none_match,
			   sizeof(in->if_none_match)) &&
	       copy_header(wsi, WSI_TOKEN_HOST, in->host, sizeof(in->host)) &&
	       copy_header(wsi, WSI_TOKEN_ORIGIN, in->origin, sizeof(in->origin));
}

/* 0 or the status that refuses them. */
static int copy_args(struct lws *wsi, struct http_incoming *in)
{
	struct http_request *request = &in->request;

	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) > HTTP_URI_MAX)
		return 414;
	for (int i = 0; i <= HTTP_ARGS_MAX; i++) {
		int len = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
		char *text;
		char *value;

		if (len <= 0)
			return 0;
		if (i == HTTP_ARGS_MAX)
			return 400;
		text = in->args[i];
		if (len >= HTTP_ARG_SIZE ||
		    lws_hdr_copy_fragment(wsi, text, HTTP_ARG_SIZE, WSI_TOKEN_HTTP_URI_ARGS, i) < 0)
			return 414;
		value = strchr(text, '=');
		if (value)
			*value++ = '\0';
		request->args[request->arg_count].name = text;
		request->args[request->arg_count++].value = value ? value : text + strlen(text);
	}
	return 0;
}

/* What a proxy passes on comes from elsewhere, whoever carries it. */
static bool is_loopback(struct lws *wsi)
{
	char peer[64] = "";

	if (lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) > 0)
		return false;
	lws_get_peer_simple(wsi, peer, sizeof(peer));
	return strncmp(peer, "127.", 4) == 0 || strncmp(peer, "::ffff:127.", 11) == 0 ||
	       strcmp(peer, "::1") == 0;
}

static int read_head(struct lws *wsi, struct http_incoming *in)
{
	char *uri = NULL;
	int len = 0;
	int method = lws_http_get_uri_and_method(wsi, &uri, &len);

	if (method < 0 || (size_t)method >= sizeof(methods) / sizeof(methods[0]) || !uri)
		return 400;
	in->request.method = methods[method];
	if (in->request.method == HTTP_METHOD_COUNT)
		return 400;
	if (len < 0 || len >= HTTP_PATH_SIZE)
		return 414;
	memcpy(in->path, uri, (size_t)len);
	in->request.path = in->path;
	in->request.loopback = is_loopback(wsi);
	in->request.body = "";
	if (!copy_headers(wsi, in))
		return 431;
	return copy_args(wsi, in);
}

struct http_incoming *http_incoming_read(struct lws *wsi, int *ret_status)
{
	struct http_incoming *in = calloc(1, sizeof(*in));

	*ret_status = in ? read_head(wsi, in) : 0;
	if (!in || *ret_status == 0)
		return in;
	http_incoming_free(in);
	return NULL;
}

void http_incoming_free(struct http_incoming *incoming)
{
	if (!incoming)
		return;
	explicit_bzero(incoming->authorization, sizeof(incoming->authorization));
	explicit_bzero(incoming->cookie, sizeof(incoming->cookie));
	explicit_bzero(incoming->args, sizeof(incoming->args));
	free(incoming);
}

/* How much body will come: 0 or more; -411 without a length, -400 for a length that is none, -413
 * for one that is too large. */
static int body_length(struct lws *wsi, enum http_method method)
{
	const bool carries = method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH;
	unsigned long length;
	char text[16];
	int n;

	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		return -411;
	n = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
	if (n <= 0)
		return carries ? -411 : 0;
	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) < 0)
		return -413;
	if (strspn(text, "0123456789") != strlen(text))
		return -400;
	errno = 0;
	length = strtoul(text, NULL, 10);
	return errno || length > HTTP_BODY_MAX ? -413 : (int)length;
}

/* ---- the answer ------------------------------------------------------------------------------- */

struct head {
	unsigned char memory[LWS_PRE + 4096];
	unsigned char *at, *end;
};

/* Adds "Name: value\r\n" lines. */
static int add_lines(struct lws *wsi, struct head *head, const char *text, size_t len)
{
	while (len) {
		const char *eol = memchr(text, '\r', len);
		const char *colon = memchr(text, ':', len);
		char name[64];
		size_t name_len;

		if (!eol || !colon || colon > eol)
			return -1;
		name_len = (size_t)(colon - text) + 1;
		if (name_len >= sizeof(name))
			return -1;
		memcpy(name, text, name_len);
		name[name_len] = '\0';
		if (lws_add_http_header_by_name(wsi, (const unsigned char *)name,
						(const unsigned char *)colon + 2,
						(int)(eol - colon - 2), &head->at, head->end))
			return -1;
		len -= (size_t)(eol + 2 - text);
		text = eol + 2;
	}
	return 0;
}

static size_t reply_length(const struct http_reply *reply)
{
	return reply->file ? reply->file_len : reply->body.len;
}

static bool has_content(const struct http_reply *reply)
{
	return reply->status != 204 && reply->status != 304;
}

static int add_content(struct lws *wsi, const struct http_reply *reply, struct head *head)
{
	if (!has_content(reply))
		return 0;
	if (lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE,
					 (const unsigned char *)reply->type,
					 (int)strlen(reply->type), &head->at, head->end))
		return -1;
	return lws_add_http_header_content_length(wsi, reply_length(reply), &head->at, head->end);
}

static int send_head(struct lws *wsi, const struct http_reply *reply, bool close)
{
	static const char no_store[] = "Cache-Control: no-store\r\n";
	static const char no_cache[] = "Cache-Control: no-cache\r\n";
	static const char bye[] = "Connection: close\r\n";
	const char *cache = reply->cacheable ? no_cache : no_store;
	struct head head;

	head.at = head.memory + LWS_PRE;
	head.end = head.memory + sizeof(head.memory) - 1;
	if (lws_add_http_header_status(wsi, (unsigned)reply->status, &head.at, head.end) ||
	    add_content(wsi, reply, &head) ||
	    add_lines(wsi, &head, api_security_headers, strlen(api_security_headers)) ||
	    add_lines(wsi, &head, cache, strlen(cache)) ||
	    add_lines(wsi, &head, reply->headers.data, reply->headers.len) ||
	    (close && add_lines(wsi, &head, bye, strlen(bye))) ||
	    lws_finalize_write_http_header(wsi, head.memory + LWS_PRE, &head.at, head.end))
		return -1;
	return 0;
}

/* Sends up to a chunk of the body from *sent. 0 or -1. */
static int send_chunk(struct lws *wsi, const struct http_reply *reply, size_t *sent)
{
	unsigned char chunk[LWS_PRE + HTTP_CHUNK];
	const size_t total = reply_length(reply);
	const unsigned char *data =
		reply->file ? reply->file : (const unsigned char *)reply->body.data;
	size_t len = total - *sent;

	if (len > HTTP_CHUNK)
		len = HTTP_CHUNK;
	if (len == 0)
		return 0;
	memcpy(chunk + LWS_PRE, data + *sent, len);
	*sent += len;
	if (lws_write(wsi, chunk + LWS_PRE, len,
		      *sent == total ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
		return -1;
	return 0;
}

int http_send_now(struct lws *wsi, struct http_reply *reply, bool close)
{
	size_t sent = 0;

	if (send_head(wsi, reply, close))
		return -1;
	return send_chunk(wsi, reply, &sent);
}

/* The request is answered: what was kept for it goes. */
static void connection_reset(struct connection *conn)
{
	http_incoming_free(conn->incoming);
	conn->incoming = NULL;
	if (conn->open) {
		buf_free(&conn->body);
		http_reply_free(&conn->reply);
	}
	conn->open = conn->replying = conn->close = false;
	conn->sent = 0;
}

static void connection_open(struct connection *conn)
{
	connection_reset(conn);
	buf_init(&conn->body, HTTP_BODY_MAX);
	http_reply_init(&conn->reply);
	conn->open = true;
}

static int connection_done(struct lws *wsi, struct connection *conn)
{
	bool close = conn->close;

	connection_reset(conn);
	if (close || lws_http_transaction_completed(wsi))
		return -1;
	return 0;
}

/* Sends the head now and the body as the socket takes it. */
static int connection_reply(struct lws *wsi, struct connection *conn)
{
	const bool head_only = conn->incoming && conn->incoming->request.method == HTTP_HEAD;

	conn->replying = true;
	if (send_head(wsi, &conn->reply, conn->close))
		return -1;
	if (head_only || !has_content(&conn->reply) || reply_length(&conn->reply) == 0)
		return connection_done(wsi, conn);
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_REQUEST_S);
	lws_callback_on_writable(wsi);
	return 0;
}

/* Refuses what was not read to its end: the connection cannot go on. */
static int connection_refuse(struct lws *wsi, struct connection *conn, int status)
{
	conn->close = true;
	http_problem(&conn->reply, status, NULL, NULL);
	return connection_reply(wsi, conn);
}

static int connection_answer(struct lws *wsi, struct connection *conn, struct http *http)
{
	struct http_request *request = &conn->incoming->request;
	int r;

	request->body = conn->body.data ? conn->body.data : "";
	request->body_len = conn->body.len;
	r = api_answer(http->api, request, &conn->reply);
	if (r)
		log_warning("request failed method=%s path=%s status=%d error=%s",
			    http_method_name(request->method), request->path, conn->reply.status,
			    strerror(-r));
	else
		log_debug("request method=%s path=%s status=%d", http_method_name(request->method),
			  request->path, conn->reply.status);
	return connection_reply(wsi, conn);
}

static int on_head(struct lws *wsi, struct connection *conn, struct http *http)
{
	int status;
	int length;

	connection_open(conn);
	conn->incoming = http_incoming_read(wsi, &status);
	if (!conn->incoming)
		return connection_refuse(wsi, conn, status ? status : 503);
	length = body_length(wsi, conn->incoming->request.method);
	if (length < 0)
		return connection_refuse(wsi, conn, -length);
	/* The library tells of an empty body's end after POST only. */
	if (length > 0 || conn->incoming->request.method == HTTP_POST) {
		lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_REQUEST_S);
		return 0;
	}
	return connection_answer(wsi, conn, http);
}

static int on_body(struct lws *wsi, struct connection *conn, const void *data, size_t len)
{
	if (!conn->incoming || conn->replying)
		return 0;
	buf_append(&conn->body, data, len);
	if (conn->body.error)
		return connection_refuse(wsi, conn, conn->body.error == -EMSGSIZE ? 413 : 503);
	return 0;
}

static int on_writeable(struct lws *wsi, struct connection *conn)
{
	if (!conn->replying)
		return 0;
	if (send_chunk(wsi, &conn->reply, &conn->sent))
		return -1;
	if (conn->sent == reply_length(&conn->reply))
		return connection_done(wsi, conn);
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_REQUEST_S);
	lws_callback_on_writable(wsi);
	return 0;
}

/* Before a WebSocket is opened: who may, from where, for what. 0 go on, 1 answered, -1 hang up. */
static int on_upgrade(struct lws *wsi, struct http *http, const char *what)
{
	struct access_principal principal = {.roles = 0};
	struct http_incoming *in;
	struct http_reply reply;
	char protocols[128];
	int status;
	int r = 0;

	if (strcasecmp(what, "websocket") != 0)
		return -1;
	in = http_incoming_read(wsi, &status);
	if (!in)
		return -1;
	http_reply_init(&reply);
	if (strcmp(in->path, "/ws") != 0)
		http_problem(&reply, 404, "The WebSocket is at /ws.", in->path);
	else if (!copy_header(wsi, WSI_TOKEN_PROTOCOL, protocols, sizeof(protocols)) ||
		 !strstr(protocols, HTTP_PROTOCOL_WS))
		http_problem(&reply, 400, "The subprotocol must be " HTTP_PROTOCOL_WS ".",
			     in->path);
	else if (!access_same_origin(&in->request))
		http_problem(&reply, 403, "Origin is another server's page.", in->path);
	else
		r = api_identify(http->api, &in->request, &principal);
	if (r == -ENOENT) {
		http_problem(&reply, 401, "This needs a token or a browser session.", in->path);
		http_reply_header(&reply, "WWW-Authenticate", "Bearer realm=\"freshet\"");
	} else if (r) {
		http_problem(&reply, 503, NULL, in->path);
	} else if (reply.status == 200 && !(principal.roles & ACCESS_READERS)) {
		http_problem(&reply, 403, "The token's roles do not allow this.", in->path);
	}
	http_incoming_free(in);
	explicit_bzero(&principal, sizeof(principal));
	r = reply.status == 200 ? 0 : http_send_now(wsi, &reply, true) ? -1 : 1;
	http_reply_free(&reply);
	return r;
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		  size_t len)
{
	struct connection *conn = user;
	struct http *http;

	if (!wsi)
		return 0; /* of the context itself */
	http = lws_context_user(lws_get_context(wsi));
	switch (reason) {
	case LWS_CALLBACK_HTTP:
		return on_head(wsi, conn, http);
	case LWS_CALLBACK_HTTP_BODY:
		return on_body(wsi, conn, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		if (!conn->incoming || conn->replying)
			return 0;
		return connection_answer(wsi, conn, http);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return on_writeable(wsi, conn);
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_upgrade(wsi, http, in);
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return -1; /* a WebSocket without our subprotocol */
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (conn)
			connection_reset(conn);
		return 0;
	default:
		return 0;
	}
}
