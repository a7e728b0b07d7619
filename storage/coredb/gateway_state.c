/* What a gateway says of itself, and what is found out about it. */
#include "storage/coredb/state.h"

#include <errno.h>
#include <string.h>

#include "storage/coredb/coredb_priv.h"

void coredb_gateway_state_init(struct coredb_gateway_state *state)
{
	*state = (struct coredb_gateway_state){
		.link_at_ms = MODEL_NO_TIME,
		.contact_at_ms = MODEL_NO_TIME,
		.status_at_ms = MODEL_NO_TIME,
		.backlog_oldest_at_ms = MODEL_NO_TIME,
		.duplicate_since_ms = MODEL_NO_TIME,
		.duplicate_at_ms = MODEL_NO_TIME,
		.returned_at_ms = MODEL_NO_TIME,
		.fork_at_ms = MODEL_NO_TIME,
		.suspected_at_ms = MODEL_NO_TIME,
	};
}

int coredb_gateway_state_get(struct coredb *db, int64_t gateway, struct coredb_gateway_state *ret)
{
	struct sql_stmt *stmt;
	int r;

	stmt = coredb_stmt(
		db,
		"SELECT session, offline, link_at, contact_at, status_at,"
		" backlog_batches, backlog_oldest_at, live_epoch, duplicate_at,"
		" duplicate_since, spoke, spoke_before, fork_session, fork_at,"
		" suspicion, suspected_at, returns, returned_at FROM gateway_state WHERE gateway_id = $1");
	sql_bind_int(stmt, 1, gateway);
	r = coredb_one(stmt);
	if (r)
		return r;
	coredb_col_text(stmt, 0, ret->session, sizeof(ret->session));
	ret->offline = sql_int(stmt, 1) != 0;
	ret->link_at_ms = coredb_col_time(stmt, 2);
	ret->contact_at_ms = coredb_col_time(stmt, 3);
	ret->status_at_ms = coredb_col_time(stmt, 4);
	ret->backlog_batches = sql_int(stmt, 5);
	ret->backlog_oldest_at_ms = coredb_col_time(stmt, 6);
	ret->live_epoch = sql_int(stmt, 7);
	ret->duplicate_at_ms = coredb_col_time(stmt, 8);
	ret->duplicate_since_ms = coredb_col_time(stmt, 9);
	coredb_col_text(stmt, 10, ret->spoke, sizeof(ret->spoke));
	coredb_col_text(stmt, 11, ret->spoke_before, sizeof(ret->spoke_before));
	coredb_col_text(stmt, 12, ret->fork_session, sizeof(ret->fork_session));
	ret->fork_at_ms = coredb_col_time(stmt, 13);
	ret->suspicion = (int)sql_int(stmt, 14);
	ret->suspected_at_ms = coredb_col_time(stmt, 15);
	ret->returns = (int)sql_int(stmt, 16);
	ret->returned_at_ms = coredb_col_time(stmt, 17);
	sql_done(stmt);
	return 0;
}

int coredb_gateway_state_put(struct coredb *db, int64_t gateway,
			     const struct coredb_gateway_state *state)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "INSERT INTO gateway_state (gateway_id, session, offline, link_at,"
			       " contact_at, status_at, backlog_batches, backlog_oldest_at,"
			       " live_epoch, duplicate_at, duplicate_since, spoke, spoke_before,"
			       " fork_session, fork_at, suspicion, suspected_at, returns,"
			       " returned_at)"
			       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
			       " $14, $15, $16, $17, $18, $19)"
			       " ON CONFLICT (gateway_id) DO UPDATE SET session = excluded.session,"
			       " offline = excluded.offline, link_at = excluded.link_at,"
			       " contact_at = excluded.contact_at, status_at = excluded.status_at,"
			       " backlog_batches = excluded.backlog_batches,"
			       " backlog_oldest_at = excluded.backlog_oldest_at,"
			       " live_epoch = excluded.live_epoch,"
			       " duplicate_at = excluded.duplicate_at,"
			       " duplicate_since = excluded.duplicate_since,"
			       " spoke = excluded.spoke, spoke_before = excluded.spoke_before,"
			       " fork_session = excluded.fork_session, fork_at = excluded.fork_at,"
			       " suspicion = excluded.suspicion,"
			       " suspected_at = excluded.suspected_at, returns = excluded.returns,"
			       " returned_at = excluded.returned_at");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_text(stmt, 2, state->session);
	sql_bind_int(stmt, 3, state->offline);
	coredb_bind_time(stmt, 4, state->link_at_ms);
	coredb_bind_time(stmt, 5, state->contact_at_ms);
	coredb_bind_time(stmt, 6, state->status_at_ms);
	sql_bind_int(stmt, 7, state->backlog_batches);
	coredb_bind_time(stmt, 8, state->backlog_oldest_at_ms);
	coredb_bind_ref(stmt, 9, state->live_epoch);
	coredb_bind_time(stmt, 10, state->duplicate_at_ms);
	coredb_bind_time(stmt, 11, state->duplicate_since_ms);
	sql_bind_text(stmt, 12, state->spoke);
	sql_bind_text(stmt, 13, state->spoke_before);
	sql_bind_text(stmt, 14, state->fork_session);
	coredb_bind_time(stmt, 15, state->fork_at_ms);
	sql_bind_int(stmt, 16, state->suspicion);
	coredb_bind_time(stmt, 17, state->suspected_at_ms);
	sql_bind_int(stmt, 18, state->returns);
	coredb_bind_time(stmt, 19, state->returned_at_ms);
	return sql_run(stmt);
}

bool coredb_is_duplicate(int64_t since_ms, int64_t at_ms, int64_t now_ms)
{
	return since_ms != MODEL_NO_TIME && now_ms - at_ms <= COREDB_DUPLICATE_MS;
}

int coredb_gateway_duplicates(struct coredb *db, int64_t before_ms, int64_t *ret_ids, int cap)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "SELECT gateway_id FROM gateway_state WHERE duplicate_since"
				" IS NOT NULL AND duplicate_at < $1 LIMIT $2");
	int count = 0;
	int r = 0;

	sql_bind_int(stmt, 1, before_ms);
	sql_bind_int(stmt, 2, cap);
	while (count < cap && (r = sql_step(stmt)) == 1)
		ret_ids[count++] = sql_int(stmt, 0);
	sql_done(stmt);
	return r < 0 ? r : count;
}

int coredb_gateway_duplicate_each(struct coredb *db, int64_t workspace, int64_t now_ms, int limit,
				  coredb_duplicate_fn *fn, void *arg)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "SELECT g.name, s.duplicate_since FROM gateway_state s"
				" JOIN gateway g ON g.id = s.gateway_id"
				" WHERE s.duplicate_since IS NOT NULL AND s.duplicate_at >= $1"
				" AND g.workspace_id = $2 AND g.deleted_at IS NULL"
				" ORDER BY g.name LIMIT $3");
	int r;

	sql_bind_int(stmt, 1, now_ms - COREDB_DUPLICATE_MS);
	sql_bind_int(stmt, 2, workspace);
	sql_bind_int(stmt, 3, limit);
	while ((r = sql_step(stmt)) == 1)
		fn(arg, coredb_col_str(stmt, 0), sql_int(stmt, 1));
	sql_done(stmt);
	return r;
}

static int put_source(struct coredb *db, int64_t gateway, const struct wire_source *source)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "INSERT INTO gateway_source (gateway_id, name, kind, device_name,"
			       " state, reason, detail, since, last_ok_at)"
			       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
			       " ON CONFLICT (gateway_id, name) DO NOTHING");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_text(stmt, 2, source->name);
	sql_bind_text(stmt, 3, source->kind);
	sql_bind_text(stmt, 4, source->device_id);
	sql_bind_int(stmt, 5, source->state);
	sql_bind_text(stmt, 6, source->reason);
	sql_bind_text(stmt, 7, source->detail);
	coredb_bind_time(stmt, 8, source->since_ms);
	coredb_bind_time(stmt, 9, source->last_ok_at_ms);
	return sql_run(stmt);
}

int coredb_gateway_report(struct coredb *db, int64_t gateway, const struct wire_status *status,
			  const char *json, size_t len)
{
	struct sql_stmt *stmt;
	int r;

	stmt = coredb_stmt(db, "UPDATE gateway_state SET status = $2 WHERE gateway_id = $1");
	sql_bind_int(stmt, 1, gateway);
	sql_bind_text_n(stmt, 2, json, len);
	r = sql_run(stmt);
	if (r)
		return r;
	stmt = coredb_stmt(db, "DELETE FROM gateway_source WHERE gateway_id = $1");
	sql_bind_int(stmt, 1, gateway);
	r = sql_run(stmt);
	for (size_t i = 0; !r && i < status->source_count; i++)
		r = put_source(db, gateway, &status->sources[i]);
	return r;
}

int coredb_gateway_report_get(struct coredb *db, int64_t gateway,
			      void (*fn)(void *arg, const char *json, size_t len), void *arg)
{
	struct sql_stmt *stmt = coredb_stmt(db, "SELECT status FROM gateway_state"
						" WHERE gateway_id = $1 AND status IS NOT NULL");
	const char *json;
	int r;

	sql_bind_int(stmt, 1, gateway);
	r = coredb_one(stmt);
	if (r)
		return r;
	json = sql_text(stmt, 0);
	r = json ? 0 : -ENOMEM;
	if (json)
		fn(arg, json, strlen(json));
	sql_done(stmt);
	return r;
}
