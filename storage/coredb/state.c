#include "storage/coredb/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/wire/snapshot.h"
#include "storage/coredb/coredb_priv.h"

#define BODY_BYTES_MAX ((size_t)1024 * 1024)

void coredb_state_init(struct coredb_state *state)
{
	*state = (struct coredb_state){
		.last_update_at_ms = MODEL_NO_TIME,
		.last_received_at_ms = MODEL_NO_TIME,
		.last_accepted_at_ms = MODEL_NO_TIME,
		.observed_at_ms = MODEL_NO_TIME,
		.at_ms = MODEL_NO_TIME,
		.contact_at_ms = MODEL_NO_TIME,
		.vin_mismatch_at_ms = MODEL_NO_TIME,
		.ignition_since_ms = MODEL_NO_TIME,
		.asleep_since_ms = MODEL_NO_TIME,
		.swept_state = -1,
		.swept_at_ms = MODEL_NO_TIME,
	};
}

#define STATE_COLUMNS                                                                              \
	"s.last_update_at, s.last_received_at, s.last_accepted_at, s.observed_at, s.boot_id,"      \
	" s.mono_us, s.at_ms, s.contact_at, s.simulated, s.vin_mismatch_at, s.ignition_off,"       \
	" s.ignition_since, s.asleep, s.asleep_since, s.swept_state, s.swept_at, s.gateway_id"

static void read_state(struct sql_stmt *stmt, int c, struct coredb_state *state)
{
	state->last_update_at_ms = coredb_col_time(stmt, c);
	state->last_received_at_ms = coredb_col_time(stmt, c + 1);
	state->last_accepted_at_ms = coredb_col_time(stmt, c + 2);
	state->observed_at_ms = coredb_col_time(stmt, c + 3);
	state->boot = sql_int(stmt, c + 4);
	state->mono_us = sql_int(stmt, c + 5);
	state->at_ms = coredb_col_time(stmt, c + 6);
	state->contact_at_ms = coredb_col_time(stmt, c + 7);
	state->simulated = sql_int(stmt, c + 8) != 0;
	state->vin_mismatch_at_ms = coredb_col_time(stmt, c + 9);
	state->ignition_off = sql_int(stmt, c + 10) != 0;
	state->ignition_since_ms = coredb_col_time(stmt, c + 11);
	state->asleep = sql_int(stmt, c + 12) != 0;
	state->asleep_since_ms = coredb_col_time(stmt, c + 13);
	state->swept_state = (int)sql_int(stmt, c + 14);
	state->swept_at_ms = coredb_col_time(stmt, c + 15);
	state->gateway = sql_int(stmt, c + 16);
}

int coredb_state_get(struct coredb *db, int64_t device, struct coredb_state *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, "SELECT " STATE_COLUMNS
						" FROM device_state s WHERE s.device_id = $1");
	int r;

	sql_bind_int(stmt, 1, device);
	r = coredb_one(stmt);
	if (r)
		return r;
	read_state(stmt, 0, ret);
	sql_done(stmt);
	return 0;
}

int coredb_state_put(struct coredb *db, int64_t device, const struct coredb_state *state)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(
		db, "INSERT INTO device_state (device_id, last_update_at, last_received_at,"
		    " last_accepted_at, observed_at, boot_id, mono_us, at_ms, contact_at,"
		    " simulated, vin_mismatch_at, ignition_off, ignition_since, asleep,"
		    " asleep_since, swept_state, swept_at, gateway_id)"
		    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
		    " $16, $17, $18) ON CONFLICT (device_id) DO UPDATE SET"
		    " last_update_at = excluded.last_update_at,"
		    " last_received_at = excluded.last_received_at,"
		    " last_accepted_at = excluded.last_accepted_at,"
		    " observed_at = excluded.observed_at, boot_id = excluded.boot_id,"
		    " mono_us = excluded.mono_us, at_ms = excluded.at_ms,"
		    " contact_at = excluded.contact_at, simulated = excluded.simulated,"
		    " vin_mismatch_at = excluded.vin_mismatch_at,"
		    " ignition_off = excluded.ignition_off,"
		    " ignition_since = excluded.ignition_since, asleep = excluded.asleep,"
		    " asleep_since = excluded.asleep_since, gateway_id = excluded.gateway_id");
	sql_bind_int(stmt, 1, device);
	coredb_bind_time(stmt, 2, state->last_update_at_ms);
	coredb_bind_time(stmt, 3, state->last_received_at_ms);
	coredb_bind_time(stmt, 4, state->last_accepted_at_ms);
	coredb_bind_time(stmt, 5, state->observed_at_ms);
	sql_bind_int(stmt, 6, state->boot);
	sql_bind_int(stmt, 7, state->mono_us);
	coredb_bind_time(stmt, 8, state->at_ms);
	coredb_bind_time(stmt, 9, state->contact_at_ms);
	sql_bind_int(stmt, 10, state->simulated);
	coredb_bind_time(stmt, 11, state->vin_mismatch_at_ms);
	sql_bind_int(stmt, 12, state->ignition_off);
	coredb_bind_time(stmt, 13, state->ignition_since_ms);
	sql_bind_int(stmt, 14, state->asleep);
	coredb_bind_time(stmt, 15, state->asleep_since_ms);
	sql_bind_int(stmt, 16, state->swept_state);
	coredb_bind_time(stmt, 17, state->swept_at_ms);
	coredb_bind_ref(stmt, 18, state->gateway);
	return sql_run(stmt);
}

int coredb_state_set_swept(struct coredb *db, int64_t device, int swept_state, int64_t now_ms)
{
	struct coredb_state state;
	struct sql_stmt *stmt;
	int r;

	stmt = coredb_stmt(db, "UPDATE device_state SET swept_state = $2, swept_at = $3"
			       " WHERE device_id = $1");
	sql_bind_int(stmt, 1, device);
	sql_bind_int(stmt, 2, swept_state);
	sql_bind_int(stmt, 3, now_ms);
	r = sql_run(stmt);
	if (r || sql_changes(db->sql) > 0)
		return r;
	/* A device that has never said anything gets its first row here. */
	coredb_state_init(&state);
	state.swept_state = swept_state;
	state.swept_at_ms = now_ms;
	return coredb_state_put(db, device, &state);
}

int coredb_body_get(struct coredb *db, int64_t device, struct model_device *ret)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "SELECT body FROM device_body WHERE device_id = $1");
	const void *data;
	size_t len = 0;
	int r;

	sql_bind_int(stmt, 1, device);
	r = coredb_one(stmt);
	if (r)
		return r;
	data = sql_blob(stmt, 0, &len);
	r = wire_device_decode(data, len, ret);
	sql_done(stmt);
	return r;
}

int coredb_body_put(struct coredb *db, int64_t device, const struct model_device *cells)
{
	struct sql_stmt *stmt;
	struct buf body;
	int r;

	buf_init(&body, BODY_BYTES_MAX);
	r = wire_device_encode(cells, &body);
	if (!r)
		r = body.error;
	if (r)
		goto out;
	stmt = coredb_stmt(db, "INSERT INTO device_body (device_id, body) VALUES ($1, $2)"
			       " ON CONFLICT (device_id) DO UPDATE SET body = excluded.body");
	sql_bind_int(stmt, 1, device);
	sql_bind_blob(stmt, 2, body.data, body.len);
	r = sql_run(stmt);
out:
	buf_free(&body);
	return r;
}

/* A device has one source on its gateway as a rule; of several the best state counts. */
#define HEALTH_COLUMNS                                                                             \
	"SELECT " COREDB_DEVICE_COLUMNS ", s.device_id, " STATE_COLUMNS                            \
	", b.held_quality, gs.offline, gs.contact_at, gs.backlog_batches, gs.backlog_oldest_at,"   \
	" so.state, so.name, so.reason, so.detail, so.since, gs.duplicate_since, gs.duplicate_at"  \
	" FROM device d"                                                                           \
	" LEFT JOIN vehicle v ON v.id = d.vehicle_id"                                              \
	" LEFT JOIN device_state s ON s.device_id = d.id"                                          \
	" LEFT JOIN gateway g ON g.id = coalesce(d.gateway_id, s.gateway_id)"                      \
	" AND g.deleted_at IS NULL"                                                                \
	" LEFT JOIN boot b ON b.id = s.boot_id"                                                    \
	" LEFT JOIN gateway_state gs ON gs.gateway_id = g.id"                                      \
	" LEFT JOIN gateway_source so ON so.gateway_id = g.id AND so.name ="                       \
	" (SELECT name FROM gateway_source WHERE gateway_id = g.id"                                \
	" AND device_name = d.name ORDER BY state, name LIMIT 1)"

static void read_health(struct sql_stmt *stmt, struct coredb_health_row *row)
{
	*row = (struct coredb_health_row){.boot_quality = -1, .source_state = -1};
	coredb_read_device(stmt, &row->device);
	row->has_state = !sql_is_null(stmt, 15);
	coredb_state_init(&row->state);
	if (row->has_state)
		read_state(stmt, 16, &row->state);
	if (!sql_is_null(stmt, 33))
		row->boot_quality = (int)sql_int(stmt, 33);
	row->gateway_said_offline = sql_int(stmt, 34) != 0;
	row->gateway_contact_at_ms = coredb_col_time(stmt, 35);
	row->backlog_batches = sql_int(stmt, 36);
	row->backlog_oldest_at_ms = coredb_col_time(stmt, 37);
	if (!sql_is_null(stmt, 38))
		row->source_state = (int)sql_int(stmt, 38);
	coredb_col_text(stmt, 39, row->source_name, sizeof(row->source_name));
	coredb_col_text(stmt, 40, row->source_reason, sizeof(row->source_reason));
	coredb_col_text(stmt, 41, row->source_detail, sizeof(row->source_detail));
	row->source_since_ms = coredb_col_time(stmt, 42);
	row->duplicate_since_ms = coredb_col_time(stmt, 43);
	row->duplicate_at_ms = coredb_col_time(stmt, 44);
}

COREDB_ONE(health, struct coredb_health_row);
COREDB_EVERY(health, struct coredb_health_row);

int coredb_health_each(struct coredb *db, int64_t workspace, int64_t after, int limit,
		       coredb_health_fn *fn, void *arg)
{
	struct sql_stmt *stmt;

	if (workspace)
		stmt = coredb_stmt(db, HEALTH_COLUMNS " WHERE d.id > $1 AND d.workspace_id = $3"
						      " ORDER BY d.id LIMIT $2");
	else
		stmt = coredb_stmt(db, HEALTH_COLUMNS " WHERE d.id > $1 ORDER BY d.id LIMIT $2");
	sql_bind_int(stmt, 1, after);
	sql_bind_int(stmt, 2, limit);
	if (workspace)
		sql_bind_int(stmt, 3, workspace);
	return every_health(stmt, fn, arg);
}

int coredb_health_get(struct coredb *db, int64_t device, struct coredb_health_row *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, HEALTH_COLUMNS " WHERE d.id = $1");

	sql_bind_int(stmt, 1, device);
	return one_health(stmt, ret);
}

/* ---- times ahead ---- */

static int heal(struct coredb *db, const char *sql, int64_t now_ms, int64_t limit_ms, int *count)
{
	struct sql_stmt *stmt = coredb_stmt(db, sql);
	int r;

	sql_bind_int(stmt, 1, now_ms);
	sql_bind_int(stmt, 2, limit_ms);
	r = sql_run(stmt);
	if (!r)
		*count += (int)sql_changes(db->sql);
	return r;
}

int coredb_heal_future(struct coredb *db, int64_t now_ms, int64_t limit_ms)
{
	static const char *const statements[] = {
		"UPDATE device_state SET last_update_at = min(last_update_at, $1),"
		" last_received_at = $1, observed_at = min(observed_at, $1),"
		" at_ms = min(at_ms, $1), contact_at = min(contact_at, $1)"
		" WHERE last_received_at > $2",
		"UPDATE gateway_state SET link_at = min(link_at, $1),"
		" contact_at = min(contact_at, $1), status_at = min(status_at, $1)"
		" WHERE max(coalesce(link_at, 0), coalesce(contact_at, 0), coalesce(status_at, 0))"
		" > $2",
		"UPDATE shard SET listening_since = $1 WHERE listening_since > $2",
	};
	int count = 0;
	int r = 0;

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && !r; i++)
		r = heal(db, statements[i], now_ms, limit_ms, &count);
	return r ? r : count;
}
