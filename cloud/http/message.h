/* A request and its answer, apart from the server that carries them. */
#ifndef CLOUD_HTTP_MESSAGE_H
#define CLOUD_HTTP_MESSAGE_H

#include "base/buf.h"
#include "model/wire/json.h"

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_METHOD_COUNT
};
const char *http_method_name(enum http_method method);

#define HTTP_ARGS_MAX 16
#define HTTP_ARG_SIZE 256
#define HTTP_PATH_SIZE 1024
#define HTTP_BODY_MAX ((size_t)1024 * 1024)
#define HTTP_REPLY_MAX ((size_t)64 * 1024 * 1024)

struct http_arg {
	const char *name, *value; /* percent-decoded */
};

/* What was asked. Texts are the server's and live as long as the call; "" where absent. */
struct http_request {
	enum http_method method;
	const char *path; /* percent-decoded, without the query */
	struct http_arg args[HTTP_ARGS_MAX];
	size_t arg_count;
	const char *authorization, *cookie, *accept, *if_none_match, *host, *origin;
	bool loopback; /* from this machine itself, not through a proxy */
	const char *body;
	size_t body_len;
};
/* The value of a query argument, NULL where absent. */
const char *http_arg(const struct http_request *request, const char *name);

/* The answer. `headers` are further ones, "Name: value\r\n" each; only constants and what this
 * program made itself go in there. */
struct http_reply {
	int status;
	const char *type; /* a constant */
	struct buf headers;
	struct buf body;
	/* Data that lives as long as the program, instead of the body (embedded files). */
	const unsigned char *file;
	size_t file_len;
	bool cacheable; /* otherwise Cache-Control: no-store */
};
void http_reply_init(struct http_reply *reply);
void http_reply_free(struct http_reply *reply);
/* Adds a header; what would end the line is refused (-EINVAL in the buffer). */
void http_reply_header(struct http_reply *reply, const char *name, const char *value);

/* "Not Found"; "Error" for a number that we do not use. */
const char *http_status_name(int status);

/* Replaces the answer by application/problem+json (RFC 9457). `detail` and `instance` may be NULL. */
void http_problem(struct http_reply *reply, int status, const char *detail, const char *instance);
/* The same with status 400 and one entry in errors[]: what of the request is wrong, and how. */
void http_invalid(struct http_reply *reply, const char *pointer, const char *detail,
		  const char *instance);

#endif
