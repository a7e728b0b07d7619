/* What was lost: listed, looked at, dismissed, counted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/http/routes_priv.h"

#define NOTE_SIZE 400

/* The row of a name given as an argument; 0 without the argument. False: answered. */
static bool take_gateway(struct api_call *call, int64_t *ret_row, int *ret_error)
{
	const char *name = http_arg(call->request, "gateway");
	struct coredb_gateway row;
	int r;

	if (!name)
		return true;
	if (!ids_valid(name, strlen(name)))
		return api_refuse(call, "gateway", "must be a gateway's id");
	r = coredb_gateway_find(call->api->reader, call->workspace.id, name, &row);
	if (r == -ENOENT)
		return api_refuse(call, "gateway", "is no gateway of this workspace");
	*ret_error = r;
	*ret_row = row.id;
	return r == 0;
}

static bool take_device(struct api_call *call, int64_t *ret_row, int *ret_error)
{
	const char *name = http_arg(call->request, "device");
	struct coredb_device row;
	int r;

	if (!name)
		return true;
	if (!ids_valid(name, strlen(name)))
		return api_refuse(call, "device", "must be a device's id");
	r = coredb_device_find(call->api->reader, call->workspace.id, name, &row);
	if (r == -ENOENT)
		return api_refuse(call, "device", "is no device of this workspace");
	*ret_error = r;
	*ret_row = row.id;
	return r == 0;
}

int api_get_gaps(struct api_call *call)
{
	struct coredb_gap_filter filter = {0};
	struct query_page page;
	struct jw w;
	int r = 0;

	if (!api_take_page(call, &page) || !api_take_flag(call, "open", &filter.open) ||
	    !api_take_flag(call, "certain", &filter.sure) ||
	    !take_gateway(call, &filter.gateway, &r) || !take_device(call, &filter.device, &r))
		return r;
	jw_init(&w, &call->reply->body);
	return api_finish(call, query_gaps(call->api->query, &call->workspace, &filter, &page, &w));
}

/* The number in the path; -ENOENT where it is none. */
static int gap_id(const struct api_call *call, int64_t *ret_id)
{
	const char *text = call->match.params[1];
	char *end;

	errno = 0;
	*ret_id = strtoll(text, &end, 10);
	return errno || end == text || *end || *ret_id <= 0 ? -ENOENT : 0;
}

int api_get_gap(struct api_call *call)
{
	struct jw w;
	int64_t id;
	int r = gap_id(call, &id);

	if (r)
		return r;
	jw_init(&w, &call->reply->body);
	return query_gap(call->api->query, &call->workspace, id, &w);
}

/* `{"note":"..."}`, or no body at all. False: answered. */
static bool take_note(struct api_call *call, char note[static NOTE_SIZE])
{
	const struct http_request *request = call->request;
	const struct jr_value *value;
	struct jr_doc *doc = NULL;
	struct jr_error error;
	bool good;

	note[0] = '\0';
	if (request->body_len == 0)
		return true;
	if (jr_parse(request->body, request->body_len, &doc, &error)) {
		http_invalid(call->reply, "", error.message, request->path);
		return false;
	}
	value = jr_get(jr_root(doc), "note");
	good = jr_type(jr_root(doc)) == JR_OBJECT &&
	       (!value || jr_string_copy(value, note, NOTE_SIZE));
	if (!good)
		http_invalid(call->reply, "/note", "must be a text of less than 400 bytes",
			     request->path);
	jr_free(doc);
	return good;
}

static int dismiss(struct api_call *call, int64_t id, const char *note)
{
	struct coredb *writer = call->api->writer;
	char by[IDS_SIZE + 8];
	int r = coredb_begin(writer, NULL);

	if (r)
		return r;
	(void)snprintf(by, sizeof(by), "token:%.64s", call->principal.token.name);
	r = coredb_gap_dismiss(writer, call->workspace.id, id, by, note, call->now_ms);
	if (!r)
		return coredb_commit(writer);
	coredb_rollback(writer);
	return r;
}

int api_dismiss_gap(struct api_call *call)
{
	char note[NOTE_SIZE];
	struct jw w;
	int64_t id;
	int r = gap_id(call, &id);

	if (r || !take_note(call, note))
		return r;
	r = dismiss(call, id, note);
	if (r == -EPERM || r == -EALREADY) {
		http_problem(call->reply, 409, coredb_error(call->api->writer),
			     call->request->path);
		return 0;
	}
	/* The view that was opened for this call is of before. */
	if (!r)
		r = query_begin(call->api->query, call->now_ms);
	if (r)
		return r;
	jw_init(&w, &call->reply->body);
	return query_gap(call->api->query, &call->workspace, id, &w);
}

/* "3600", "90m", "24h" or "7d". */
static bool take_window(struct api_call *call, int64_t *ret_s)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	const char *text = http_arg(call->request, "window");
	char *end;
	long long number;

	*ret_s = 86400;
	if (!text)
		return true;
	errno = 0;
	number = strtoll(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (errno || end == text || number < 1 || number > QUERY_WINDOW_MAX_S ||
		    *end != units[i].unit || (*end && end[1]))
			continue;
		*ret_s = number * units[i].s;
		if (*ret_s <= QUERY_WINDOW_MAX_S)
			return true;
	}
	return api_refuse(call, "window", "must be like 3600, 90m, 24h or 7d, at most 400d");
}

int api_get_indicators(struct api_call *call)
{
	int64_t window_s;
	struct jw w;

	if (!take_window(call, &window_s))
		return 0;
	jw_init(&w, &call->reply->body);
	return query_indicators(call->api->query, &call->workspace, window_s, &w);
}
