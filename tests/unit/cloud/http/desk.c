#include "tests/unit/cloud/http/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void forget_answer(struct desk *desk)
{
	http_reply_free(&desk->reply);
	jr_free(desk->doc);
	desk->doc = NULL;
}

int desk_setup(void **state)
{
	struct desk *desk = calloc(1, sizeof(*desk));
	struct api_config config;
	char error[200] = "";
	void *bench = NULL;

	assert_non_null(desk);
	assert_int_equal(bench_setup(&bench), 0);
	desk->bench = bench;
	config = (struct api_config){.database_url = desk->bench->url,
				     .clock = &desk->bench->clock.clock,
				     .status = &desk->status};
	assert_int_equal(api_create(&config, &desk->api, error, sizeof(error)), 0);
	desk->request = (struct http_request){.cookie = "",
					      .accept = "",
					      .if_none_match = "",
					      .host = "core",
					      .origin = "",
					      .body = ""};
	http_reply_init(&desk->reply);
	desk_token(desk, "system", "*");
	*state = desk;
	return 0;
}

int desk_teardown(void **state)
{
	struct desk *desk = *state;
	void *bench = desk->bench;

	forget_answer(desk);
	api_destroy(desk->api);
	bench_teardown(&bench);
	free(desk);
	return 0;
}

void desk_token(struct desk *desk, const char *roles, const char *workspaces)
{
	struct coredb_token token = {.expires_at_ms = MODEL_NO_TIME};
	char secret[COREDB_SECRET_SIZE];

	(void)snprintf(token.name, sizeof(token.name), "token-%d", desk->tokens++);
	(void)snprintf(token.roles, sizeof(token.roles), "%s", roles);
	(void)snprintf(token.workspaces, sizeof(token.workspaces), "%s", workspaces);
	assert_int_equal(access_secret(secret), 0);
	assert_int_equal(coredb_begin_aside(desk->bench->db), 0);
	assert_int_equal(coredb_token_add(desk->bench->db, &token, secret, WALL), 0);
	assert_int_equal(coredb_commit(desk->bench->db), 0);
	(void)snprintf(desk->bearer, sizeof(desk->bearer), "Bearer %s", secret);
}

/* Splits "a=b&c=d" in place. */
static void take_args(struct http_request *request, char *query)
{
	request->arg_count = 0;
	for (char *arg = query; arg && *arg;) {
		char *next = strchr(arg, '&');
		char *value;

		if (next)
			*next++ = '\0';
		value = strchr(arg, '=');
		assert_non_null(value);
		*value++ = '\0';
		request->args[request->arg_count++] = (struct http_arg){arg, value};
		arg = next;
	}
}

static int ask(struct desk *desk, enum http_method method, const char *path,
	       const char *authorization, const char *body)
{
	struct jr_error error;
	char text[400];
	char *query;

	(void)snprintf(text, sizeof(text), "%s", path);
	query = strchr(text, '?');
	if (query)
		*query++ = '\0';
	forget_answer(desk);
	http_reply_init(&desk->reply);
	desk->request.method = method;
	desk->request.body = body;
	desk->request.body_len = strlen(body);
	desk->request.path = text;
	desk->request.authorization = authorization ? authorization : desk->bearer;
	take_args(&desk->request, query);
	(void)api_answer(desk->api, &desk->request, &desk->reply);
	desk->request.arg_count = 0;
	if (desk->reply.body.len &&
	    jr_parse(desk->reply.body.data, desk->reply.body.len, &desk->doc, &error))
		desk->doc = NULL;
	return desk->reply.status;
}

int desk_get(struct desk *desk, const char *path, const char *authorization)
{
	return ask(desk, HTTP_GET, path, authorization, "");
}

int desk_post(struct desk *desk, const char *path, const char *body)
{
	return ask(desk, HTTP_POST, path, NULL, body);
}

bool desk_header(const struct desk *desk, const char *name, char *out, size_t size)
{
	const struct buf *headers = &desk->reply.headers;
	const size_t len = strlen(name);

	for (size_t at = 0; at < headers->len;) {
		const char *line = headers->data + at;
		const char *end = memchr(line, '\r', headers->len - at);

		assert_non_null(end);
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			(void)snprintf(out, size, "%.*s", (int)(end - line - (ptrdiff_t)len - 2),
				       line + len + 2);
			return true;
		}
		at += (size_t)(end - line) + 2;
	}
	return false;
}

void desk_fill(const char *pattern, char *out, size_t size)
{
	const char *name = strstr(pattern, "{ws}");

	if (!name) {
		(void)snprintf(out, size, "%s", pattern);
		return;
	}
	(void)snprintf(out, size, "%.*sw1%s", (int)(name - pattern), pattern, name + 4);
	if (strstr(out, "{vehicle}"))
		memcpy(strstr(out, "{vehicle}"), "v1", 3);
	if (strstr(out, "{gateway}"))
		memcpy(strstr(out, "{gateway}"), "g1", 3);
	if (strstr(out, "{gap}"))
		memcpy(strstr(out, "{gap}"), "1", 2);
}

void desk_data(struct desk *desk, int64_t number, double soc)
{
	struct accept_batch_result result;
	struct pack pack;

	pack_begin(&pack, desk->bench, "0123456789abcdef0123456789abcdef", number);
	pack_soc(&pack, "d1", desk->bench->clock.mono_us, soc);
	assert_int_equal(pack_send(&pack, desk->bench, &result), 0);
	assert_int_equal(result.answer, ACCEPT_COMMITTED);
	assert_int_equal(bench_commit(desk->bench), 0);
}

void desk_lose(struct desk *desk, int64_t number, int64_t floor)
{
	struct pack pack;

	pack_begin(&pack, desk->bench, "0123456789abcdef0123456789abcdef", number);
	pack.header.floor = floor;
	pack_soc(&pack, "d1", desk->bench->clock.mono_us, 50);
	assert_int_equal(pack_send(&pack, desk->bench, NULL), 0);
	assert_int_equal(bench_commit(desk->bench), 0);
}

int64_t desk_device(struct desk *desk, int i)
{
	struct coredb_device device = {.workspace = desk->bench->workspace.id};

	(void)snprintf(device.name, sizeof(device.name), "x%d", i);
	(void)snprintf(device.provider, sizeof(device.provider), "obd");
	device.activated_at_ms = desk->bench->clock.wall_ms;
	assert_int_equal(accept_begin(desk->bench->accept), 0);
	assert_int_equal(coredb_device_add(desk->bench->db, &device, WALL), 0);
	assert_int_equal(accept_commit(desk->bench->accept), 0);
	return device.id;
}
