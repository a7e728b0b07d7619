/* From a method and a path to a route. Pure. */
#ifndef CLOUD_HTTP_ROUTER_H
#define CLOUD_HTTP_ROUTER_H

#include "base/ids.h"
#include "cloud/http/message.h"

#define ROUTER_PARAMS_MAX 3

struct api_call; /* of api.h */

/* A row of the table: everything that there is to say of a route. A pattern's `{name}` stands for
 * one segment of the path, which must be an id. */
struct route {
	enum http_method method; /* GET also answers HEAD */
	const char *pattern;     /* "/api/workspaces/{ws}/health" */
	unsigned roles;          /* bits of access.h; 0: public */
	/* Fills the answer. 0, or -errno: answered as 404 (-ENOENT), 503 (-EBUSY) or 500. */
	int (*handle)(struct api_call *call);
};

struct router_match {
	const struct route *route;                /* NULL: none */
	char params[ROUTER_PARAMS_MAX][IDS_SIZE]; /* in the pattern's order */
	size_t param_count;
	unsigned allowed; /* bits of methods that the path has, where no route matched */
};

/* `/api/telematics-mvp/workspaces...` is the same as `/api/workspaces...`. */
void router_match(const struct route *routes, size_t count, enum http_method method,
		  const char *path, struct router_match *ret_match);

/* "GET, HEAD" for a header Allow. */
void router_allow(unsigned allowed, char *out, size_t size);

#endif
