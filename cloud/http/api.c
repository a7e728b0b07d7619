#include "cloud/http/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The page is one origin: its own scripts and styles, its own socket, nothing else. */
const char api_security_headers[] =
	"Content-Security-Policy: default-src 'self'; base-uri 'none'; form-action 'self'; "
	"frame-ancestors 'none'; object-src 'none'\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"X-Frame-Options: DENY\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"Cross-Origin-Opener-Policy: same-origin\r\n"
	"Cross-Origin-Resource-Policy: same-origin\r\n";

int api_create(const struct api_config *config, struct api **ret_api, char *error,
	       size_t error_size)
{
	struct api *api = calloc(1, sizeof(*api));
	int r;

	if (!api) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	api->config = *config;
	r = coredb_open(config->database_url, 0, &api->writer, error, error_size);
	if (!r)
		r = coredb_open(config->database_url, COREDB_READ_ONLY, &api->reader, error,
				error_size);
	if (!r) {
		r = query_create(api->reader, &api->query);
		if (r)
			snprintf(error, error_size, "out of memory");
	}
	if (r) {
		api_destroy(api);
		return r;
	}
	*ret_api = api;
	return 0;
}

void api_destroy(struct api *api)
{
	if (!api)
		return;
	query_destroy(api->query);
	coredb_close(api->reader);
	coredb_close(api->writer);
	free(api);
}

int api_identify(struct api *api, const struct http_request *request,
		 struct access_principal *ret_principal)
{
	const int64_t now_ms = clock_wall_ms(api->config.clock);
	bool touch = false;
	int r;

	r = access_check(api->reader, request, now_ms, ret_principal, &touch);
	/* That a session was used is no reason to refuse it: a full disk keeps readers reading. */
	if (!r && touch)
		(void)access_touch(api->writer, ret_principal->secret, now_ms);
	return r;
}

/* ---- what comes before every handler ---------------------------------------------------------- */

/* Does the request's Accept let `type` through? Quality values of 0 are rare enough to be ignored. */
static bool accepts(const char *accept, const char *type)
{
	const size_t major = strcspn(type, "/") + 1;
	size_t len = strcspn(type, ";");

	if (!accept[0])
		return true;
	while (*accept) {
		accept += strspn(accept, ", ");
		if (strncmp(accept, "*/*", 3) == 0 || strncmp(accept, type, len) == 0 ||
		    (strncmp(accept, type, major) == 0 && accept[major] == '*'))
			return true;
		accept += strcspn(accept, ",");
	}
	return false;
}

static void unauthorized(struct api_call *call)
{
	http_problem(call->reply, 401,
		     "This needs a token (Authorization: Bearer ...) or a browser session; "
		     "freshet-core token link prints a link that logs a browser in.",
		     call->request->path);
	http_reply_header(call->reply, "WWW-Authenticate",
			  call->request->authorization[0]
				  ? "Bearer realm=\"freshet\", error=\"invalid_token\""
				  : "Bearer realm=\"freshet\"");
}

static void answer_error(struct api_call *call, int r)
{
	const char *path = call->request->path;

	if (r == -ENOENT)
		http_problem(call->reply, 404, "There is no such thing here.", path);
	else if (r == -EBUSY || r == -ENOSPC || r == -EROFS || r == -EIO)
		http_problem(call->reply, 503, "The database cannot be used at the moment.", path);
	else if (r == -EMSGSIZE)
		http_problem(call->reply, 413, "The answer is too large: ask with a smaller limit.",
			     path);
	else
		http_problem(call->reply, 500,
			     "Something went wrong inside the core; its log says "
			     "what.",
			     path);
}

/* Only what stands in the principal's reach exists. */
static int find_workspace(struct api_call *call)
{
	if (call->match.param_count == 0)
		return 0;
	if (!access_sees(&call->principal, call->match.params[0]))
		return -ENOENT;
	return coredb_workspace_find(call->api->reader, call->match.params[0], &call->workspace);
}

/* 1: the request may be handled; 0: it is answered already; -errno. */
static int admit(struct api_call *call)
{
	const struct route *route = call->match.route;
	int r;

	if (route->roles == 0)
		return 1;
	r = api_identify(call->api, call->request, &call->principal);
	if (r == -ENOENT) {
		unauthorized(call);
		return 0;
	}
	if (r)
		return r;
	if (!(call->principal.roles & route->roles)) {
		http_problem(call->reply, 403, "The token's roles do not allow this.",
			     call->request->path);
		return 0;
	}
	/* A cookie travels with what other sites make a browser send; their Origin tells them. */
	if (call->principal.by_cookie && route->method != HTTP_GET &&
	    (!call->request->origin[0] || !access_same_origin(call->request))) {
		http_problem(call->reply, 403, "A browser session acts from its own page only.",
			     call->request->path);
		return 0;
	}
	return 1;
}

static bool is_api(const char *path)
{
	return strncmp(path, "/api/", 5) == 0;
}

static int answer_unrouted(struct api_call *call)
{
	char allow[64];

	if (!call->match.allowed)
		return -ENOENT;
	http_problem(call->reply, 405, "This path does not know the method.", call->request->path);
	router_allow(call->match.allowed, allow, sizeof(allow));
	http_reply_header(call->reply, "Allow", allow);
	return 0;
}

/* An embedded file; -ENOENT where the path names none. */
static int answer_file(struct api_call *call)
{
	const struct http_request *request = call->request;
	struct http_reply *reply = call->reply;
	struct api_file file;

	if (!call->api->config.file || !call->api->config.file(request->path, &file))
		return -ENOENT;
	if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
		call->match.allowed = 1U << HTTP_GET | 1U << HTTP_HEAD;
		return answer_unrouted(call);
	}
	reply->type = file.type;
	reply->cacheable = true;
	http_reply_header(reply, "ETag", file.etag);
	if (strstr(request->if_none_match, file.etag)) {
		reply->status = 304;
		return 0;
	}
	reply->file = file.data;
	reply->file_len = file.size;
	return 0;
}

static int handle(struct api_call *call)
{
	int r;

	router_match(api_routes, api_route_count, call->request->method, call->request->path,
		     &call->match);
	if (!call->match.route) {
		r = answer_file(call);
		return r == -ENOENT ? answer_unrouted(call) : r;
	}
	if (is_api(call->request->path) && !accepts(call->request->accept, "application/json") &&
	    !accepts(call->request->accept, "text/csv")) {
		http_problem(call->reply, 406, "This answers in application/json.",
			     call->request->path);
		return 0;
	}
	r = admit(call);
	if (r <= 0)
		return r;
	r = find_workspace(call);
	if (r)
		return r;
	if (call->match.route->roles) {
		r = query_begin(call->api->query, call->now_ms);
		if (r)
			return r;
	}
	r = call->match.route->handle(call);
	query_end(call->api->query);
	return r;
}

int api_answer(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	struct api_call call = {.api = api, .request = request, .reply = reply};
	int r;

	call.now_ms = clock_wall_ms(api->config.clock);
	atomic_fetch_add(&api->requests, 1);
	r = handle(&call);
	if (!r)
		r = reply->body.error ? reply->body.error : reply->headers.error;
	if (r) {
		buf_reset(&reply->headers);
		answer_error(&call, r);
	}
	explicit_bzero(call.principal.secret, sizeof(call.principal.secret));
	if (reply->status < 500)
		return 0;
	atomic_fetch_add(&api->failures, 1);
	return r;
}
