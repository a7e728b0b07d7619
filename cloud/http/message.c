#include "cloud/http/message.h"

#include <errno.h>
#include <string.h>

static const char *const method_names[HTTP_METHOD_COUNT] = {"GET",   "HEAD",   "POST",   "PUT",
							    "PATCH", "DELETE", "OPTIONS"};

const char *http_method_name(enum http_method method)
{
	return (unsigned)method < HTTP_METHOD_COUNT ? method_names[method] : "";
}

const char *http_arg(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->arg_count; i++) {
		if (strcmp(request->args[i].name, name) == 0)
			return request->args[i].value;
	}
	return NULL;
}

void http_reply_init(struct http_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->status = 200;
	reply->type = "application/json";
	buf_init(&reply->headers, 2048);
	buf_init(&reply->body, HTTP_REPLY_MAX);
}

void http_reply_free(struct http_reply *reply)
{
	buf_free(&reply->headers);
	buf_free(&reply->body);
}

void http_reply_header(struct http_reply *reply, const char *name, const char *value)
{
	if (strpbrk(value, "\r\n")) {
		reply->headers.error = -EINVAL;
		return;
	}
	buf_printf(&reply->headers, "%s: %s\r\n", name, value);
}

static const struct {
	int status;
	const char *name;
} statuses[] = {
	{200, "OK"},
	{204, "No Content"},
	{303, "See Other"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{409, "Conflict"},
	{411, "Length Required"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
};

const char *http_status_name(int status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status == status)
			return statuses[i].name;
	}
	return "Error";
}

static void problem_open(struct http_reply *reply, struct jw *w, int status, const char *detail,
			 const char *instance)
{
	reply->status = status;
	reply->type = "application/problem+json";
	reply->cacheable = false;
	reply->file = NULL;
	buf_reset(&reply->body);
	jw_init(w, &reply->body);
	jw_open_object(w);
	jw_text(w, "type", "about:blank");
	jw_text(w, "title", http_status_name(status));
	jw_int(w, "status", status);
	if (detail)
		jw_text(w, "detail", detail);
	if (instance)
		jw_text(w, "instance", instance);
}

void http_problem(struct http_reply *reply, int status, const char *detail, const char *instance)
{
	struct jw w;

	problem_open(reply, &w, status, detail, instance);
	jw_close_object(&w);
}

void http_invalid(struct http_reply *reply, const char *pointer, const char *detail,
		  const char *instance)
{
	struct jw w;

	problem_open(reply, &w, 400, "The request is not valid.", instance);
	jw_key(&w, "errors");
	jw_open_array(&w);
	jw_open_object(&w);
	jw_text(&w, "pointer", pointer);
	jw_text(&w, "detail", detail);
	jw_close_object(&w);
	jw_close_array(&w);
	jw_close_object(&w);
}
