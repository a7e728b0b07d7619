/* What the suites of http/ share: the bench of accept/ with an api on its database. */
#ifndef TESTS_UNIT_CLOUD_HTTP_DESK_H
#define TESTS_UNIT_CLOUD_HTTP_DESK_H

#include "cloud/http/api.h"
#include "tests/unit/cloud/accept/bench.h"

struct desk {
	struct bench *bench;
	struct core_status status;
	struct api *api;
	char bearer[COREDB_SECRET_SIZE + 8]; /* of the last desk_token() */
	int tokens;
	/* The next request's further headers; the last answer. */
	struct http_request request;
	struct http_reply reply;
	struct jr_doc *doc; /* NULL where it is no JSON */
};

/* For cmocka: *state is a desk with a token of role system. */
int desk_setup(void **state);
int desk_teardown(void **state);

/* From now on requests carry a new token of these roles and workspaces. */
void desk_token(struct desk *desk, const char *roles, const char *workspaces);
/* GET of a path with a query; `authorization` NULL: the desk's token. The status. */
int desk_get(struct desk *desk, const char *path, const char *authorization);
/* POST of a body with the desk's token. */
int desk_post(struct desk *desk, const char *path, const char *body);
/* A header of the last answer. */
bool desk_header(const struct desk *desk, const char *name, char *out, size_t size);
/* A route's pattern with the desk's own names in it. */
void desk_fill(const char *pattern, char *out, size_t size);

/* Batch `number` with an SoC of device d1, now; committed. */
void desk_data(struct desk *desk, int64_t number, double soc);
/* The same, and all below `floor` that did not come is lost. */
void desk_lose(struct desk *desk, int64_t number, int64_t floor);
/* Registers device x<i>, of no vehicle. Its row. */
int64_t desk_device(struct desk *desk, int i);

#endif
