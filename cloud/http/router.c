#include "cloud/http/router.h"

#include <stdio.h>
#include <string.h>

static const char alias[] = "/api/telematics-mvp/workspaces";
static const char canonical[] = "/api/workspaces";

/* Takes one segment of the path for `{...}` of the pattern; false where it is no id. */
static bool take_param(const char *segment, size_t len, struct router_match *match)
{
	char *param;

	if (match->param_count == ROUTER_PARAMS_MAX || !ids_valid(segment, len))
		return false;
	param = match->params[match->param_count++];
	memcpy(param, segment, len);
	param[len] = '\0';
	return true;
}

static bool matches(const char *pattern, const char *path, struct router_match *match)
{
	match->param_count = 0;
	while (*pattern && *path) {
		if (*pattern == '{') {
			const size_t len = strcspn(path, "/");
			const char *end = strchr(pattern, '}');

			if (!end || !take_param(path, len, match))
				return false;
			pattern = end + 1;
			path += len;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*pattern && !*path;
}

static bool answers(const struct route *route, enum http_method method)
{
	return route->method == method || (route->method == HTTP_GET && method == HTTP_HEAD);
}

static unsigned methods_of(const struct route *route)
{
	unsigned bits = 1U << route->method;

	return route->method == HTTP_GET ? bits | 1U << HTTP_HEAD : bits;
}

void router_match(const struct route *routes, size_t count, enum http_method method,
		  const char *path, struct router_match *ret_match)
{
	char renamed[HTTP_PATH_SIZE];

	memset(ret_match, 0, sizeof(*ret_match));
	if (strncmp(path, alias, sizeof(alias) - 1) == 0 && strlen(path) < sizeof(renamed)) {
		snprintf(renamed, sizeof(renamed), "%s%s", canonical, path + sizeof(alias) - 1);
		path = renamed;
	}
	for (size_t i = 0; i < count; i++) {
		if (!matches(routes[i].pattern, path, ret_match))
			continue;
		if (answers(&routes[i], method)) {
			ret_match->route = &routes[i];
			return;
		}
		ret_match->allowed |= methods_of(&routes[i]);
	}
}

void router_allow(unsigned allowed, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (enum http_method i = 0; i < HTTP_METHOD_COUNT; i++) {
		if (!(allowed & 1U << i) || len >= size)
			continue;
		len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "",
					http_method_name(i));
	}
}
