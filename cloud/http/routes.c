/* The route table and its handlers. A new route is one row and its handler. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/http/routes_priv.h"

/* ---- arguments -------------------------------------------------------------------------------- */

bool api_refuse(struct api_call *call, const char *name, const char *detail)
{
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/query/%s", name);
	http_invalid(call->reply, pointer, detail, call->request->path);
	return false;
}

bool api_take_page(struct api_call *call, struct query_page *page)
{
	const char *text = http_arg(call->request, "limit");
	char *end;
	long limit;

	*page = (struct query_page){.limit = QUERY_LIMIT_DEFAULT,
				    .cursor = http_arg(call->request, "cursor")};
	if (page->cursor && !page->cursor[0])
		return api_refuse(call, "cursor", "must be the next_cursor of an earlier answer");
	if (!text)
		return true;
	errno = 0;
	limit = strtol(text, &end, 10);
	if (errno || end == text || *end || limit < 1 || limit > QUERY_LIMIT_MAX)
		return api_refuse(call, "limit", "must be a whole number from 1 to 1000");
	page->limit = (int)limit;
	return true;
}

bool api_take_flag(struct api_call *call, const char *name, bool *ret)
{
	const char *text = http_arg(call->request, name);

	*ret = text && strcmp(text, "1") == 0;
	if (!text || *ret || strcmp(text, "0") == 0)
		return true;
	return api_refuse(call, name, "must be 0 or 1");
}

static bool take_filter(struct api_call *call, struct query_filter *filter)
{
	const char *state = http_arg(call->request, "state");
	const char *reason = http_arg(call->request, "reason");

	*filter = (struct query_filter){-1, -1, http_arg(call->request, "q")};
	if (state) {
		filter->state = health_state_find(state);
		if (filter->state < 0)
			return api_refuse(call, "state",
					  "must be healthy, delayed, stale, awaiting-first-data or "
					  "configured-no-data");
	}
	if (reason) {
		filter->reason = reason[0] ? health_reason_find(reason) : -1;
		if (filter->reason < 0)
			return api_refuse(call, "reason", "is no reason that health knows");
	}
	return true;
}

int api_finish(struct api_call *call, int r)
{
	if (r == -EINVAL && http_arg(call->request, "cursor") && !call->reply->body.error) {
		(void)api_refuse(call, "cursor", "must be the next_cursor of an earlier answer");
		return 0;
	}
	return r;
}

/* ---- the workspace's tree --------------------------------------------------------------------- */

static bool visible(void *arg, const char *workspace)
{
	return access_sees(arg, workspace);
}

static int get_workspaces(struct api_call *call)
{
	struct query_page page;
	struct jw w;

	if (!api_take_page(call, &page))
		return 0;
	jw_init(&w, &call->reply->body);
	return api_finish(call,
			  query_workspaces(call->api->query, visible, &call->principal, &page, &w));
}

static int get_workspace(struct api_call *call)
{
	struct jw w;

	jw_init(&w, &call->reply->body);
	return query_workspace(call->api->query, &call->workspace, &w);
}

static int get_health(struct api_call *call)
{
	struct query_filter filter;
	struct query_page page;
	struct jw w;

	if (!api_take_page(call, &page) || !take_filter(call, &filter))
		return 0;
	jw_init(&w, &call->reply->body);
	return api_finish(call,
			  query_health(call->api->query, &call->workspace, &filter, &page, &w));
}

typedef int list_fn(struct query *query, const struct coredb_workspace *workspace,
		    const struct query_page *page, struct jw *w);

static int get_list(struct api_call *call, list_fn *list)
{
	struct query_page page;
	struct jw w;

	if (!api_take_page(call, &page))
		return 0;
	jw_init(&w, &call->reply->body);
	return api_finish(call, list(call->api->query, &call->workspace, &page, &w));
}

static int get_issues(struct api_call *call)
{
	return get_list(call, query_issues);
}

static int get_issues_csv(struct api_call *call)
{
	call->reply->type = "text/csv; charset=utf-8";
	http_reply_header(call->reply, "Content-Disposition",
			  "attachment; filename=\"issues.csv\"");
	return query_issues_csv(call->api->query, &call->workspace, &call->reply->body);
}

static int get_rejections(struct api_call *call)
{
	return get_list(call, query_rejections);
}

static int get_parked(struct api_call *call)
{
	return get_list(call, query_parked);
}

static int get_devices(struct api_call *call)
{
	return get_list(call, query_devices);
}

static int get_vehicles(struct api_call *call)
{
	return get_list(call, query_vehicles);
}

static int get_gateways(struct api_call *call)
{
	return get_list(call, query_gateways);
}

static int get_gateway(struct api_call *call)
{
	struct jw w;

	jw_init(&w, &call->reply->body);
	return api_finish(
		call, query_gateway(call->api->query, &call->workspace, call->match.params[1], &w));
}

/* A client that has this version already is told so, in a few bytes. */
static int tag_snapshot(struct api_call *call, int r, const char *etag)
{
	struct http_reply *reply = call->reply;

	if (r || reply->body.error)
		return api_finish(call, r);
	http_reply_header(reply, "ETag", etag);
	if (strstr(call->request->if_none_match, etag)) {
		reply->status = 304;
		buf_reset(&reply->body);
	}
	return 0;
}

static int get_snapshots(struct api_call *call)
{
	const char *device = http_arg(call->request, "device");
	char etag[QUERY_ETAG_SIZE];
	struct query_page page;
	bool provenance;
	struct jw w;
	int r;

	if (!api_take_page(call, &page) || !api_take_flag(call, "provenance", &provenance))
		return 0;
	if (device && !ids_valid(device, strlen(device))) {
		(void)api_refuse(call, "device", "must be a device's id");
		return 0;
	}
	jw_init(&w, &call->reply->body);
	if (device)
		r = query_snapshot_of_device(call->api->query, &call->workspace, device, provenance,
					     &w, etag);
	else
		r = query_snapshots(call->api->query, &call->workspace, &page, provenance, &w,
				    etag);
	return tag_snapshot(call, r, etag);
}

static int get_snapshot(struct api_call *call)
{
	char etag[QUERY_ETAG_SIZE];
	bool provenance;
	struct jw w;
	int r;

	if (!api_take_flag(call, "provenance", &provenance))
		return 0;
	jw_init(&w, &call->reply->body);
	r = query_snapshot(call->api->query, &call->workspace, call->match.params[1], provenance,
			   &w, etag);
	return tag_snapshot(call, r, etag);
}

/* ---- the core itself ---------------------------------------------------------------------- */

static int get_health_of_core(struct api_call *call)
{
	struct jw w;

	jw_init(&w, &call->reply->body);
	jw_open_object(&w);
	jw_text(&w, "status", "healthy");
	jw_time(&w, "at", call->now_ms);
	jw_close_object(&w);
	return 0;
}

static bool came_round(struct api_call *call, const atomic_llong *seen_us)
{
	const int64_t seen = atomic_load(seen_us);

	return seen != 0 && clock_mono_us(call->api->config.clock) - seen <= API_INGEST_SILENCE_US;
}

/* Both threads: the one that hears the broker and the one that writes. */
static bool ingest_alive(struct api_call *call)
{
	const struct core_status *status = call->api->config.status;

	return came_round(call, &status->ingest_seen_us) &&
	       came_round(call, &status->writer_seen_us);
}

static int get_ready(struct api_call *call)
{
	const struct core_status *status = call->api->config.status;
	struct coredb_shard shard;
	/* Before the first commit nothing is known against it. */
	const bool writable =
		atomic_load(&status->database_ok) ||
		(atomic_load(&status->commits) == 0 && atomic_load(&status->commit_failures) == 0);
	const bool database = coredb_shard(call->api->reader, &shard) == 0 && writable;
	const bool broker = atomic_load(&status->broker_connected);
	const bool ingest = ingest_alive(call);
	const bool ready = database && broker && ingest;
	struct jw w;

	call->reply->status = ready ? 200 : 503;
	jw_init(&w, &call->reply->body);
	jw_open_object(&w);
	jw_text(&w, "status", ready ? "ready" : "not_ready");
	jw_key(&w, "checks");
	jw_open_object(&w);
	jw_flag(&w, "database", database);
	jw_flag(&w, "ingest", ingest);
	jw_flag(&w, "broker", broker);
	jw_close_object(&w);
	jw_close_object(&w);
	return 0;
}

static void metric(struct buf *out, const char *name, const char *kind, const char *help,
		   unsigned long long value)
{
	buf_printf(out, "# HELP freshet_%s %s\n# TYPE freshet_%s %s\nfreshet_%s %llu\n", name, help,
		   name, kind, name, value);
}

static int get_metrics(struct api_call *call)
{
	struct core_status *status = call->api->config.status;
	struct buf *out = &call->reply->body;
	int r;

	if (!call->request->loopback) {
		r = api_identify(call->api, call->request, &call->principal);
		if (r == -ENOENT || (!r && !(call->principal.roles & ACCESS_READERS))) {
			http_problem(call->reply, r ? 401 : 403,
				     "Metrics need a token, but from this machine itself.",
				     call->request->path);
			if (r)
				http_reply_header(call->reply, "WWW-Authenticate",
						  "Bearer realm=\"freshet\"");
			return 0;
		}
		if (r)
			return r;
	}
	call->reply->type = "text/plain; version=0.0.4; charset=utf-8";
	metric(out, "batches_total", "counter", "Batches taken from the broker.",
	       atomic_load(&status->batches));
	metric(out, "records_total", "counter", "Records taken.", atomic_load(&status->records));
	metric(out, "rejected_total", "counter", "Records and payloads refused.",
	       atomic_load(&status->rejected));
	metric(out, "commits_total", "counter", "Commits of the writer.",
	       atomic_load(&status->commits));
	metric(out, "commit_failures_total", "counter", "Commits that failed.",
	       atomic_load(&status->commit_failures));
	metric(out, "deferred_total", "counter", "Batches answered but not taken as they were.",
	       atomic_load(&status->deferred));
	metric(out, "acks_total", "counter", "Acknowledgement messages sent to gateways.",
	       atomic_load(&status->acks));
	metric(out, "http_requests_total", "counter", "Requests answered.",
	       atomic_load(&call->api->requests));
	metric(out, "http_failures_total", "counter", "Requests answered with 5xx.",
	       atomic_load(&call->api->failures));
	metric(out, "broker_connected", "gauge", "1 while the broker is connected.",
	       atomic_load(&status->broker_connected));
	metric(out, "database_ok", "gauge", "1 while the last commit succeeded.",
	       atomic_load(&status->database_ok));
	return 0;
}

/* ---- browser sessions ------------------------------------------------------------------------ */

static void to_the_page(struct api_call *call)
{
	call->reply->status = 303;
	http_reply_header(call->reply, "Location", "/");
}

static int get_login(struct api_call *call)
{
	const char *code = http_arg(call->request, "code");
	char secret[COREDB_SECRET_SIZE];
	int r = -ENOENT;

	/* A HEAD (a preview, a scanner) must not use the code up. */
	if (code && call->request->method == HTTP_GET && strlen(code) < COREDB_SECRET_SIZE)
		r = access_login(call->api->writer, code, call->now_ms, secret);
	if (!r) {
		access_set_cookie(call->reply, secret, call->api->config.secure);
		explicit_bzero(secret, sizeof(secret));
		to_the_page(call);
		return 0;
	}
	if (r != -ENOENT)
		return r;
	/* Whoever reloads the link is logged in already. */
	r = api_identify(call->api, call->request, &call->principal);
	if (r && r != -ENOENT)
		return r;
	if (!r)
		to_the_page(call);
	else
		http_problem(call->reply, 403,
			     "This link was used or is older than ten minutes: make a new one with "
			     "freshet-core token link.",
			     call->request->path);
	return 0;
}

static int post_logout(struct api_call *call)
{
	int r = 0;

	if (call->principal.by_cookie)
		r = access_logout(call->api->writer, call->principal.secret);
	if (r)
		return r;
	access_set_cookie(call->reply, "", call->api->config.secure);
	call->reply->status = 204;
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------ */

#define WS "/api/workspaces/{ws}"

const struct route api_routes[] = {
	{HTTP_GET, "/health", 0, get_health_of_core},
	{HTTP_GET, "/ready", 0, get_ready},
	{HTTP_GET, "/metrics", 0, get_metrics}, /* judges by itself: loopback needs no token */
	{HTTP_GET, "/login", 0, get_login},
	{HTTP_POST, "/logout", ACCESS_READERS, post_logout},
	{HTTP_GET, "/api/workspaces", ACCESS_READERS, get_workspaces},
	{HTTP_GET, WS, ACCESS_READERS, get_workspace},
	{HTTP_GET, WS "/health", ACCESS_READERS, get_health},
	{HTTP_GET, WS "/issues", ACCESS_READERS, get_issues},
	{HTTP_GET, WS "/issues.csv", ACCESS_READERS, get_issues_csv},
	{HTTP_GET, WS "/snapshots", ACCESS_READERS, get_snapshots},
	{HTTP_GET, WS "/snapshots/{vehicle}", ACCESS_READERS, get_snapshot},
	{HTTP_GET, WS "/gaps", ACCESS_READERS, api_get_gaps},
	{HTTP_GET, WS "/gaps/{gap}", ACCESS_READERS, api_get_gap},
	{HTTP_POST, WS "/gaps/{gap}/dismiss", ACCESS_ADMIN | ACCESS_SYSTEM, api_dismiss_gap},
	{HTTP_GET, WS "/indicators", ACCESS_READERS, api_get_indicators},
	{HTTP_GET, WS "/rejections", ACCESS_READERS, get_rejections},
	{HTTP_GET, WS "/parked", ACCESS_READERS, get_parked},
	{HTTP_GET, WS "/devices", ACCESS_READERS, get_devices},
	{HTTP_GET, WS "/vehicles", ACCESS_READERS, get_vehicles},
	{HTTP_GET, WS "/gateways", ACCESS_READERS, get_gateways},
	{HTTP_GET, WS "/gateways/{gateway}", ACCESS_READERS, get_gateway},
};
const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);
