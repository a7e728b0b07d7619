/* Changes of the registry, each with the event that tells of it. */
#include "storage/coredb/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/coredb/coredb_priv.h"

/* The event by which a running core sees the change, and an operator its history. */
static int tell(struct coredb *db, int64_t workspace, const char *kind, const char *name,
		const char *change, int64_t now_ms)
{
	char payload[200];
	struct coredb_event event = {
		.workspace = workspace,
		.name = "RegistryChanged",
		.occurred_at_ms = now_ms,
		.payload = payload,
	};

	/* Names are ids: nothing in them needs an escape. */
	(void)snprintf(payload, sizeof(payload),
		       "{\"kind\":\"%s\",\"name\":\"%s\",\"change\":\"%s\"}", kind, name, change);
	return coredb_event_add(db, &event);
}

static int check_name(struct coredb *db, const char *what, const char *name)
{
	if (ids_assignable(name, strlen(name)))
		return 0;
	return coredb_fail(db, -EINVAL,
			   "%s: expected 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or "
			   "digit, and not \"events\"",
			   what);
}

static int check_vin(struct coredb *db, const char *vin)
{
	if (!vin[0] || model_vin_valid(vin, strlen(vin)))
		return 0;
	return coredb_fail(db, -EINVAL,
			   "vin: expected 17 of A-Z 0-9 without I, O and Q (ISO 3779)");
}

static int taken(struct coredb *db, int r, const char *what, const char *name)
{
	if (r == -EEXIST)
		return coredb_fail(db, r, "%s %s is there already", what, name);
	return r;
}

int coredb_workspace_add(struct coredb *db, struct coredb_workspace *row, int64_t now_ms)
{
	struct sql_stmt *stmt;
	int r = check_name(db, "workspace", row->name);

	if (r)
		return r;
	stmt = coredb_stmt(db,
			   "INSERT INTO workspace (name, display_name, freshness_target_s,"
			   " stale_threshold_s, no_data_grace_s, poll_interval_s, retention_days,"
			   " created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id");
	sql_bind_text(stmt, 1, row->name);
	sql_bind_text(stmt, 2, row->display_name);
	sql_bind_int(stmt, 3, row->policy.freshness_target_s);
	sql_bind_int(stmt, 4, row->policy.stale_threshold_s);
	sql_bind_int(stmt, 5, row->policy.no_data_grace_s);
	sql_bind_int(stmt, 6, row->policy.poll_interval_s);
	sql_bind_int(stmt, 7, row->policy.retention_days);
	sql_bind_int(stmt, 8, now_ms);
	r = taken(db, coredb_insert(stmt, &row->id), "workspace", row->name);
	if (r)
		return r;
	row->created_at_ms = now_ms;
	return tell(db, row->id, "workspace", row->name, "added", now_ms);
}

int coredb_gateway_add(struct coredb *db, struct coredb_gateway *row, int64_t now_ms)
{
	struct sql_stmt *stmt;
	int r = check_name(db, "gateway", row->name);

	if (r)
		return r;
	/* One that was deleted keeps its row, for its ledger: it comes to life again. */
	stmt = coredb_stmt(db, "INSERT INTO gateway (workspace_id, name, created_at)"
			       " VALUES ($1, $2, $3) ON CONFLICT (workspace_id, name) DO UPDATE"
			       " SET deleted_at = NULL, created_at = excluded.created_at"
			       " WHERE deleted_at IS NOT NULL RETURNING id");
	sql_bind_int(stmt, 1, row->workspace);
	sql_bind_text(stmt, 2, row->name);
	sql_bind_int(stmt, 3, now_ms);
	r = coredb_insert(stmt, &row->id);
	if (r == -ENOENT)
		r = -EEXIST;
	r = taken(db, r, "gateway", row->name);
	if (r)
		return r;
	row->created_at_ms = now_ms;
	return tell(db, row->workspace, "gateway", row->name, "added", now_ms);
}

int coredb_vehicle_add(struct coredb *db, struct coredb_vehicle *row, int64_t now_ms)
{
	struct sql_stmt *stmt;
	int r = check_name(db, "vehicle", row->name);

	if (!r)
		r = check_vin(db, row->vin);
	if (r)
		return r;
	stmt = coredb_stmt(db, "INSERT INTO vehicle (workspace_id, name, vin, display_name,"
			       " created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id");
	sql_bind_int(stmt, 1, row->workspace);
	sql_bind_text(stmt, 2, row->name);
	sql_bind_text(stmt, 3, row->vin[0] ? row->vin : NULL);
	sql_bind_text(stmt, 4, row->display_name);
	sql_bind_int(stmt, 5, now_ms);
	r = taken(db, coredb_insert(stmt, &row->id), "vehicle", row->name);
	if (r)
		return r;
	row->created_at_ms = now_ms;
	return tell(db, row->workspace, "vehicle", row->name, "added", now_ms);
}

static int check_device(struct coredb *db, const struct coredb_device *row)
{
	int r = check_name(db, "device", row->name);

	if (r)
		return r;
	if (!ids_valid(row->provider, strlen(row->provider)))
		return coredb_fail(db, -EINVAL, "provider: expected an id such as obd");
	if (row->interval_s < 0)
		return coredb_fail(db, -EINVAL, "interval: expected seconds, 0 for none");
	return 0;
}

/* What INSERT and UPDATE have in common: $3 to $10. */
static void bind_device(struct sql_stmt *stmt, const struct coredb_device *row)
{
	coredb_bind_ref(stmt, 3, row->vehicle);
	coredb_bind_ref(stmt, 4, row->gateway);
	sql_bind_text(stmt, 5, row->provider);
	sql_bind_text(stmt, 6, row->external_id[0] ? row->external_id : NULL);
	sql_bind_text(stmt, 7, row->energy_site ? "energy_site" : "vehicle");
	sql_bind_int(stmt, 8, row->simulated);
	sql_bind_int(stmt, 9, row->interval_s);
	sql_bind_int(stmt, 10, row->activated_at_ms);
}

int coredb_device_add(struct coredb *db, struct coredb_device *row, int64_t now_ms)
{
	struct sql_stmt *stmt;
	int r = check_device(db, row);

	if (r)
		return r;
	stmt = coredb_stmt(db, "INSERT INTO device (workspace_id, name, vehicle_id, gateway_id,"
			       " provider, external_id, asset_kind, simulated, interval_s,"
			       " activated_at, created_at)"
			       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
			       " RETURNING id");
	sql_bind_int(stmt, 1, row->workspace);
	sql_bind_text(stmt, 2, row->name);
	bind_device(stmt, row);
	sql_bind_int(stmt, 11, now_ms);
	r = taken(db, coredb_insert(stmt, &row->id), "device", row->name);
	if (r)
		return r;
	row->created_at_ms = now_ms;
	return tell(db, row->workspace, "device", row->name, "added", now_ms);
}

/* Runs an UPDATE or DELETE that must hit one row. */
static int run_on_one(struct coredb *db, struct sql_stmt *stmt)
{
	int r = sql_run(stmt);

	if (r)
		return r;
	return sql_changes(db->sql) > 0 ? 0 : -ENOENT;
}

int coredb_workspace_update(struct coredb *db, const struct coredb_workspace *row, int64_t now_ms)
{
	struct sql_stmt *stmt;
	int r;

	stmt = coredb_stmt(db, "UPDATE workspace SET display_name = $2, freshness_target_s = $3,"
			       " stale_threshold_s = $4, no_data_grace_s = $5,"
			       " poll_interval_s = $6, retention_days = $7 WHERE id = $1");
	sql_bind_int(stmt, 1, row->id);
	sql_bind_text(stmt, 2, row->display_name);
	sql_bind_int(stmt, 3, row->policy.freshness_target_s);
	sql_bind_int(stmt, 4, row->policy.stale_threshold_s);
	sql_bind_int(stmt, 5, row->policy.no_data_grace_s);
	sql_bind_int(stmt, 6, row->policy.poll_interval_s);
	sql_bind_int(stmt, 7, row->policy.retention_days);
	r = run_on_one(db, stmt);
	return r ? r : tell(db, row->id, "workspace", row->name, "changed", now_ms);
}

int coredb_vehicle_update(struct coredb *db, const struct coredb_vehicle *row, int64_t now_ms)
{
	struct sql_stmt *stmt;
	int r = check_vin(db, row->vin);

	if (r)
		return r;
	stmt = coredb_stmt(db, "UPDATE vehicle SET vin = $2, display_name = $3 WHERE id = $1");
	sql_bind_int(stmt, 1, row->id);
	sql_bind_text(stmt, 2, row->vin[0] ? row->vin : NULL);
	sql_bind_text(stmt, 3, row->display_name);
	r = run_on_one(db, stmt);
	return r ? r : tell(db, row->workspace, "vehicle", row->name, "changed", now_ms);
}

int coredb_device_update(struct coredb *db, const struct coredb_device *row, int64_t now_ms)
{
	struct sql_stmt *stmt;
	int r = check_device(db, row);

	if (r)
		return r;
	stmt = coredb_stmt(db, "UPDATE device SET vehicle_id = $3, gateway_id = $4,"
			       " provider = $5, external_id = $6, asset_kind = $7, simulated = $8,"
			       " interval_s = $9, activated_at = $10"
			       " WHERE id = $1 AND workspace_id = $2");
	sql_bind_int(stmt, 1, row->id);
	sql_bind_int(stmt, 2, row->workspace);
	bind_device(stmt, row);
	r = run_on_one(db, stmt);
	return r ? r : tell(db, row->workspace, "device", row->name, "changed", now_ms);
}

static int in_use(struct coredb *db, int r, const char *what)
{
	if (r == -EINVAL)
		return coredb_fail(db, -EBUSY, "%s is still in use: remove what refers to it first",
				   what);
	return r;
}

int coredb_workspace_remove(struct coredb *db, int64_t id, int64_t now_ms)
{
	struct coredb_workspace row;
	struct sql_stmt *stmt;
	int r = coredb_workspace_get(db, id, &row);

	if (r)
		return r;
	/* Gateways keep their ledger, so their workspace keeps its row: it is only hidden. */
	stmt = coredb_stmt(db, "SELECT 1 FROM device WHERE workspace_id = $1 UNION ALL"
			       " SELECT 1 FROM vehicle WHERE workspace_id = $1 UNION ALL"
			       " SELECT 1 FROM gateway WHERE workspace_id = $1"
			       " AND deleted_at IS NULL");
	sql_bind_int(stmt, 1, id);
	r = sql_step(stmt);
	sql_done(stmt);
	if (r)
		return r < 0 ? r : in_use(db, -EINVAL, "the workspace");
	stmt = coredb_stmt(db, "UPDATE workspace SET deleted_at = $2,"
			       " name = name || '#' || id WHERE id = $1");
	sql_bind_int(stmt, 1, id);
	sql_bind_int(stmt, 2, now_ms);
	r = run_on_one(db, stmt);
	return r ? r : tell(db, id, "workspace", row.name, "removed", now_ms);
}

int coredb_gateway_remove(struct coredb *db, int64_t id, int64_t now_ms)
{
	struct sql_stmt *stmt;
	struct coredb_gateway row;
	int r;

	r = coredb_gateway_get(db, id, &row);
	if (r)
		return r;
	stmt = coredb_stmt(db, "SELECT 1 FROM device WHERE gateway_id = $1");
	sql_bind_int(stmt, 1, id);
	r = sql_step(stmt);
	sql_done(stmt);
	if (r)
		return r < 0 ? r : in_use(db, -EINVAL, "the gateway");
	stmt = coredb_stmt(db, "UPDATE gateway SET deleted_at = $2 WHERE id = $1");
	sql_bind_int(stmt, 1, id);
	sql_bind_int(stmt, 2, now_ms);
	r = run_on_one(db, stmt);
	return r ? r : tell(db, row.workspace, "gateway", row.name, "removed", now_ms);
}

int coredb_vehicle_remove(struct coredb *db, int64_t id, int64_t now_ms)
{
	struct sql_stmt *stmt;
	struct coredb_vehicle row;
	int r;

	r = coredb_vehicle_get(db, id, &row);
	if (r)
		return r;
	stmt = coredb_stmt(db, "DELETE FROM vehicle WHERE id = $1");
	sql_bind_int(stmt, 1, id);
	r = in_use(db, run_on_one(db, stmt), "the vehicle");
	return r ? r : tell(db, row.workspace, "vehicle", row.name, "removed", now_ms);
}

int coredb_device_remove(struct coredb *db, int64_t id, int64_t now_ms)
{
	struct sql_stmt *stmt;
	struct coredb_device row;
	int r = coredb_device_get(db, id, &row);

	if (r)
		return r;
	stmt = coredb_stmt(db, "DELETE FROM device_body WHERE device_id = $1");
	sql_bind_int(stmt, 1, id);
	r = sql_run(stmt);
	if (r)
		return r;
	stmt = coredb_stmt(db, "DELETE FROM device_state WHERE device_id = $1");
	sql_bind_int(stmt, 1, id);
	r = sql_run(stmt);
	if (r)
		return r;
	stmt = coredb_stmt(db, "DELETE FROM device WHERE id = $1");
	sql_bind_int(stmt, 1, id);
	r = run_on_one(db, stmt);
	return r ? r : tell(db, row.workspace, "device", row.name, "removed", now_ms);
}
