/* What readers ask, answered at request time from one consistent view of the database, as JSON.
 *
 * A query belongs to one thread, as its connection does. Between query_begin() and query_end() all
 * answers are of one moment. Functions append to the writer's buffer and return 0, -EINVAL for a
 * cursor that is none of ours, -ENOENT where the thing asked for is not there (or not in this
 * workspace, which is the same to the asker), or -errno of the database or of the buffer.
 */
#ifndef CLOUD_QUERY_QUERY_H
#define CLOUD_QUERY_QUERY_H

#include "cloud/domain/health.h"
#include "model/wire/json.h"
#include "storage/coredb/gap.h"
#include "storage/coredb/ledger.h"
#include "storage/coredb/state.h"

#define QUERY_LIMIT_DEFAULT 100
#define QUERY_LIMIT_MAX 1000
/* Devices of one vehicle that a snapshot takes into account. */
#define QUERY_VEHICLE_DEVICES 32
/* A parked record is shown whole up to this size; its length is always told. */
#define QUERY_RECORD_SHOWN 4096

struct query;

/* `db` stays the caller's and must outlive the query. 0 or -ENOMEM. */
int query_create(struct coredb *db, struct query **ret_query);
void query_destroy(struct query *query); /* NULL is accepted */

/* Opens the view; `now_ms` is what ages are judged by. */
int query_begin(struct query *query, int64_t now_ms);
void query_end(struct query *query); /* without a view: accepted */

/* Which part of a list. `cursor` is the next_cursor of the part before, NULL from the start. */
struct query_page {
	int limit; /* 1..QUERY_LIMIT_MAX */
	const char *cursor;
};

/* A device, judged. */
struct query_row {
	struct coredb_health_row row;
	struct health health;
	int64_t due_ms; /* when time alone changes the judgement; INT64_MAX: never */
};
void query_judge(const struct query *query, const struct coredb_workspace *workspace,
		 const struct coredb_health_row *row, struct query_row *ret_row);
/* The item of a device in health, issues and live messages; without `age` the member
 * freshness_age_s is left out. */
int query_row_write(struct query *query, struct jw *w, const struct query_row *item, bool age);

typedef bool query_visible_fn(void *arg, const char *workspace);
/* {items, next_cursor} of the workspaces that `visible` lets through. */
int query_workspaces(struct query *query, query_visible_fn *visible, void *arg,
		     const struct query_page *page, struct jw *w);
/* One workspace with its policy. */
int query_workspace(struct query *query, const struct coredb_workspace *workspace, struct jw *w);

/* Filters of health; -1 and "" let everything through. `text`: every word occurs (ASCII case does
 * not count) in device, vehicle, VIN, gateway, provider or reason. */
struct query_filter {
	int state;
	int reason;
	const char *text;
};
/* The Telematics Health Report. Its counts are those of the whole workspace, whatever is filtered. */
int query_health(struct query *query, const struct coredb_workspace *workspace,
		 const struct query_filter *filter, const struct query_page *page, struct jw *w);

/* How many devices are in each state, as {"healthy": n, ...}. */
void query_counts_write(struct jw *w, const int64_t counts[static HEALTH_STATE_COUNT]);

/* The worklist: stale and configured-no-data devices, those without data for longest first. */
int query_issues(struct query *query, const struct coredb_workspace *workspace,
		 const struct query_page *page, struct jw *w);
/* The same, whole, as CSV (RFC 4180) with a header line. */
int query_issues_csv(struct query *query, const struct coredb_workspace *workspace,
		     struct buf *out);

/* Snapshots. *etag changes with what a snapshot shows, but not by the passing of time alone. */
#define QUERY_ETAG_SIZE 40
int query_snapshots(struct query *query, const struct coredb_workspace *workspace,
		    const struct query_page *page, bool provenance, struct jw *w,
		    char etag[static QUERY_ETAG_SIZE]);
int query_snapshot(struct query *query, const struct coredb_workspace *workspace,
		   const char *vehicle, bool provenance, struct jw *w,
		   char etag[static QUERY_ETAG_SIZE]);
/* The list that holds what `device` contributes to: its vehicle's snapshot, or its own where it is
 * of no vehicle. */
int query_snapshot_of_device(struct query *query, const struct coredb_workspace *workspace,
			     const char *device, bool provenance, struct jw *w,
			     char etag[static QUERY_ETAG_SIZE]);

/* The registry's lists. */
int query_devices(struct query *query, const struct coredb_workspace *workspace,
		  const struct query_page *page, struct jw *w);
int query_vehicles(struct query *query, const struct coredb_workspace *workspace,
		   const struct query_page *page, struct jw *w);
int query_gateways(struct query *query, const struct coredb_workspace *workspace,
		   const struct query_page *page, struct jw *w);
/* One gateway, with its newest report as it came under `status` (null before the first). */
int query_gateway(struct query *query, const struct coredb_workspace *workspace, const char *name,
		  struct jw *w);

/* What was lost; `filter` may be NULL. One item: -ENOENT where it is not of the workspace. */
int query_gaps(struct query *query, const struct coredb_workspace *workspace,
	       const struct coredb_gap_filter *filter, const struct query_page *page, struct jw *w);
int query_gap(struct query *query, const struct coredb_workspace *workspace, int64_t id,
	      struct jw *w);
/* How fresh and complete the last `window_s` seconds were: ages, coverage, outcomes, gaps. */
#define QUERY_WINDOW_MAX_S (INT64_C(400) * 86400)
int query_indicators(struct query *query, const struct coredb_workspace *workspace,
		     int64_t window_s, struct jw *w);

/* What was refused (newest first) and kept back. */
int query_rejections(struct query *query, const struct coredb_workspace *workspace,
		     const struct query_page *page, struct jw *w);
int query_parked(struct query *query, const struct coredb_workspace *workspace,
		 const struct query_page *page, struct jw *w);

#endif
