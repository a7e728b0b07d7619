/* What the files of query/ share. */
#ifndef CLOUD_QUERY_QUERY_PRIV_H
#define CLOUD_QUERY_QUERY_PRIV_H

#include "cloud/query/query.h"
#include "storage/coredb/transfer.h"

struct query {
	struct coredb *db;
	bool open;
	int64_t now_ms;
	int64_t listening_since_ms;
	struct coredb_anchors anchors;
	struct model_device *device; /* scratch: the cells of one device */
};

/* A list in the making: opens {"items":[, counts, and ends with next_cursor. */
struct query_list {
	struct query *query;
	const struct coredb_workspace *workspace;
	struct jw *w;
	int limit;
	int shown;
	bool more;
	char last[IDS_SIZE]; /* cursor of the last item shown */
	int error;           /* of a callback */
};
void query_list_open(struct query_list *list, struct query *query,
		     const struct coredb_workspace *workspace, const struct query_page *page,
		     struct jw *w);
/* Is there room for one more? Where there is not, remembers that more follow. */
bool query_list_room(struct query_list *list);
void query_list_shown_id(struct query_list *list, int64_t id);
void query_list_shown_name(struct query_list *list, const char *name);
/* `r` is what the *_each() function returned. 0 or -errno. */
int query_list_close(struct query_list *list, int r);

/* "" counts as NULL for JSON. */
void query_text(struct jw *w, const char *key, const char *text);
/* The id in a cursor; 0 without one. 0 or -EINVAL. */
int query_cursor_id(const struct query_page *page, int64_t *ret_id);
/* Bounds a gap of a boot that nobody can date by the boots before and after it. */
int query_gap_date(struct query *query, struct coredb_gap *gap);
/* How long a gap is; -1: a bound is not known. */
int64_t query_gap_ms(const struct coredb_gap *gap);
/* A list of {outcome, reason, count} since `from_ms`, of one gateway (row) or (0) all. */
int query_outcomes_write(struct query *query, const struct coredb_workspace *workspace,
			 int64_t gateway, int64_t from_ms, struct jw *w);

#endif
