/* The API: the route table and what it leads to. Knows no sockets: a request goes in, an answer comes
 * out. One thread owns an api and its connections. */
#ifndef CLOUD_HTTP_API_H
#define CLOUD_HTTP_API_H

#include "base/clock.h"
#include "cloud/http/access.h"
#include "cloud/http/message.h"
#include "cloud/http/router.h"
#include "cloud/main/core.h"
#include "cloud/query/query.h"

/* A file of the page; as web_find(). */
struct api_file {
	const char *type, *etag;
	const unsigned char *data;
	size_t size;
};
/* Fills *ret; false where there is no such file. */
typedef bool api_file_fn(const char *path, struct api_file *ret);

/* A thread of ingest (broker, writer) that was not seen for this long is not alive. */
#define API_INGEST_SILENCE_US (INT64_C(15) * 1000 * 1000)

struct api_config {
	const char *database_url;
	struct clock *clock;
	struct core_status *status;
	api_file_fn *file; /* NULL: the core has no page */
	bool secure;       /* served by TLS: cookies say so */
};

struct api {
	struct api_config config;
	struct coredb *reader, *writer; /* owned; the writer for tokens and sessions only */
	struct query *query;
	atomic_ullong requests, failures;
};

struct api_call {
	struct api *api;
	const struct http_request *request;
	struct http_reply *reply;
	struct router_match match;
	struct access_principal principal;
	struct coredb_workspace workspace; /* of a pattern's {ws} */
	int64_t now_ms;
};

extern const struct route api_routes[];
extern const size_t api_route_count;

/* Opens the connections. 0 or -errno with a sentence in `error`. */
int api_create(const struct api_config *config, struct api **ret_api, char *error,
	       size_t error_size);
void api_destroy(struct api *api); /* NULL is accepted */

/* Answers one request. Never fails: what goes wrong is an answer too. Returns 0, or the -errno behind
 * a 5xx for the log. */
int api_answer(struct api *api, const struct http_request *request, struct http_reply *reply);

/* Who sends this request, for the WebSocket: 0, -ENOENT, -errno. */
int api_identify(struct api *api, const struct http_request *request,
		 struct access_principal *ret_principal);

/* What every answer of this program carries besides its own headers. */
extern const char api_security_headers[];

#endif
