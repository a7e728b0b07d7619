#include "storage/coredb/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/coredb/coredb_priv.h"

/* One text for each kind of row, whatever finds it. */
#define WORKSPACE_COLUMNS                                                                          \
	"SELECT id, name, display_name, freshness_target_s, stale_threshold_s, no_data_grace_s,"   \
	" poll_interval_s, retention_days, created_at FROM workspace WHERE deleted_at IS NULL"
#define GATEWAY_COLUMNS                                                                            \
	"SELECT id, workspace_id, name, created_at FROM gateway WHERE deleted_at IS NULL"
#define VEHICLE_COLUMNS                                                                            \
	"SELECT id, workspace_id, name, vin, display_name, created_at FROM vehicle WHERE TRUE"
#define DEVICE_COLUMNS                                                                             \
	"SELECT " COREDB_DEVICE_COLUMNS " FROM device d"                                           \
	" LEFT JOIN vehicle v ON v.id = d.vehicle_id"                                              \
	" LEFT JOIN gateway g ON g.id = d.gateway_id WHERE TRUE"

static void read_workspace(struct sql_stmt *stmt, struct coredb_workspace *row)
{
	row->id = sql_int(stmt, 0);
	coredb_col_text(stmt, 1, row->name, sizeof(row->name));
	coredb_col_text(stmt, 2, row->display_name, sizeof(row->display_name));
	row->policy.freshness_target_s = sql_int(stmt, 3);
	row->policy.stale_threshold_s = sql_int(stmt, 4);
	row->policy.no_data_grace_s = sql_int(stmt, 5);
	row->policy.poll_interval_s = sql_int(stmt, 6);
	row->policy.retention_days = sql_int(stmt, 7);
	row->created_at_ms = sql_int(stmt, 8);
}

static void read_gateway(struct sql_stmt *stmt, struct coredb_gateway *row)
{
	row->id = sql_int(stmt, 0);
	row->workspace = sql_int(stmt, 1);
	coredb_col_text(stmt, 2, row->name, sizeof(row->name));
	row->created_at_ms = sql_int(stmt, 3);
}

static void read_vehicle(struct sql_stmt *stmt, struct coredb_vehicle *row)
{
	row->id = sql_int(stmt, 0);
	row->workspace = sql_int(stmt, 1);
	coredb_col_text(stmt, 2, row->name, sizeof(row->name));
	coredb_col_text(stmt, 3, row->vin, sizeof(row->vin));
	coredb_col_text(stmt, 4, row->display_name, sizeof(row->display_name));
	row->created_at_ms = sql_int(stmt, 5);
}

void coredb_read_device(struct sql_stmt *stmt, struct coredb_device *row)
{
	row->id = sql_int(stmt, 0);
	row->workspace = sql_int(stmt, 1);
	coredb_col_text(stmt, 2, row->name, sizeof(row->name));
	row->vehicle = sql_int(stmt, 3);
	coredb_col_text(stmt, 4, row->vehicle_name, sizeof(row->vehicle_name));
	coredb_col_text(stmt, 5, row->vin, sizeof(row->vin));
	row->gateway = sql_int(stmt, 6);
	coredb_col_text(stmt, 7, row->gateway_name, sizeof(row->gateway_name));
	coredb_col_text(stmt, 8, row->provider, sizeof(row->provider));
	coredb_col_text(stmt, 9, row->external_id, sizeof(row->external_id));
	row->energy_site = strcmp(coredb_col_str(stmt, 10), "energy_site") == 0;
	row->simulated = sql_int(stmt, 11) != 0;
	row->interval_s = sql_int(stmt, 12);
	row->activated_at_ms = sql_int(stmt, 13);
	row->created_at_ms = sql_int(stmt, 14);
}

static void read_device(struct sql_stmt *stmt, struct coredb_device *row)
{
	coredb_read_device(stmt, row);
}

COREDB_ONE(workspace, struct coredb_workspace);
COREDB_ONE(gateway, struct coredb_gateway);
COREDB_ONE(vehicle, struct coredb_vehicle);
COREDB_ONE(device, struct coredb_device);
COREDB_EVERY(workspace, struct coredb_workspace);
COREDB_EVERY(gateway, struct coredb_gateway);
COREDB_EVERY(vehicle, struct coredb_vehicle);
COREDB_EVERY(device, struct coredb_device);

int coredb_workspace_find(struct coredb *db, const char *name, struct coredb_workspace *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, WORKSPACE_COLUMNS " AND name = $1");

	sql_bind_text(stmt, 1, name);
	return one_workspace(stmt, ret);
}

int coredb_workspace_get(struct coredb *db, int64_t id, struct coredb_workspace *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, WORKSPACE_COLUMNS " AND id = $1");

	sql_bind_int(stmt, 1, id);
	return one_workspace(stmt, ret);
}

int coredb_gateway_find(struct coredb *db, int64_t workspace, const char *name,
			struct coredb_gateway *ret)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, GATEWAY_COLUMNS " AND workspace_id = $1 AND name = $2");

	sql_bind_int(stmt, 1, workspace);
	sql_bind_text(stmt, 2, name);
	return one_gateway(stmt, ret);
}

int coredb_gateway_get(struct coredb *db, int64_t id, struct coredb_gateway *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, GATEWAY_COLUMNS " AND id = $1");

	sql_bind_int(stmt, 1, id);
	return one_gateway(stmt, ret);
}

int coredb_gateway_workspace(struct coredb *db, int64_t gateway, int64_t *ret_workspace)
{
	struct sql_stmt *stmt = coredb_stmt(db, "SELECT workspace_id FROM gateway WHERE id = $1");
	int r;

	sql_bind_int(stmt, 1, gateway);
	r = coredb_one(stmt);
	if (r)
		return r;
	*ret_workspace = sql_int(stmt, 0);
	sql_done(stmt);
	return 0;
}

int coredb_gateway_name(struct coredb *db, int64_t gateway, char ret_name[static IDS_SIZE])
{
	struct sql_stmt *stmt = coredb_stmt(db, "SELECT name FROM gateway WHERE id = $1");
	int r;

	sql_bind_int(stmt, 1, gateway);
	r = coredb_one(stmt);
	if (r)
		return r;
	coredb_col_text(stmt, 0, ret_name, IDS_SIZE);
	sql_done(stmt);
	return 0;
}

int coredb_vehicle_find(struct coredb *db, int64_t workspace, const char *name,
			struct coredb_vehicle *ret)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, VEHICLE_COLUMNS " AND workspace_id = $1 AND name = $2");

	sql_bind_int(stmt, 1, workspace);
	sql_bind_text(stmt, 2, name);
	return one_vehicle(stmt, ret);
}

int coredb_vehicle_get(struct coredb *db, int64_t id, struct coredb_vehicle *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, VEHICLE_COLUMNS " AND id = $1");

	sql_bind_int(stmt, 1, id);
	return one_vehicle(stmt, ret);
}

int coredb_device_find(struct coredb *db, int64_t workspace, const char *name,
		       struct coredb_device *ret)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, DEVICE_COLUMNS " AND d.workspace_id = $1 AND d.name = $2");

	sql_bind_int(stmt, 1, workspace);
	sql_bind_text(stmt, 2, name);
	return one_device(stmt, ret);
}

int coredb_device_get(struct coredb *db, int64_t id, struct coredb_device *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, DEVICE_COLUMNS " AND d.id = $1");

	sql_bind_int(stmt, 1, id);
	return one_device(stmt, ret);
}

int coredb_device_find_external(struct coredb *db, int64_t workspace, const char *provider,
				const char *external_id, struct coredb_device *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, DEVICE_COLUMNS " AND d.workspace_id = $1"
							       " AND d.provider = $2"
							       " AND d.external_id = $3");

	sql_bind_int(stmt, 1, workspace);
	sql_bind_text(stmt, 2, provider);
	sql_bind_text(stmt, 3, external_id);
	return one_device(stmt, ret);
}

int coredb_device_elsewhere(struct coredb *db, int64_t workspace, const char *name)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "SELECT 1 FROM device WHERE name = $1 AND workspace_id <> $2");
	int r;

	sql_bind_text(stmt, 1, name);
	sql_bind_int(stmt, 2, workspace);
	r = sql_step(stmt);
	sql_done(stmt);
	return r;
}

int coredb_workspace_each(struct coredb *db, const char *after, int limit, coredb_workspace_fn *fn,
			  void *arg)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, WORKSPACE_COLUMNS " AND name > $1 ORDER BY name LIMIT $2");

	sql_bind_text(stmt, 1, after ? after : "");
	sql_bind_int(stmt, 2, limit);
	return every_workspace(stmt, fn, arg);
}

static void bind_list(struct sql_stmt *stmt, int64_t workspace, const char *after, int limit)
{
	sql_bind_int(stmt, 1, workspace);
	sql_bind_text(stmt, 2, after ? after : "");
	sql_bind_int(stmt, 3, limit);
}

int coredb_gateway_each(struct coredb *db, int64_t workspace, const char *after, int limit,
			coredb_gateway_fn *fn, void *arg)
{
	struct sql_stmt *stmt = coredb_stmt(db, GATEWAY_COLUMNS " AND workspace_id = $1"
								" AND name > $2"
								" ORDER BY name LIMIT $3");

	bind_list(stmt, workspace, after, limit);
	return every_gateway(stmt, fn, arg);
}

int coredb_vehicle_each(struct coredb *db, int64_t workspace, const char *after, int limit,
			coredb_vehicle_fn *fn, void *arg)
{
	struct sql_stmt *stmt = coredb_stmt(db, VEHICLE_COLUMNS " AND workspace_id = $1"
								" AND name > $2"
								" ORDER BY name LIMIT $3");

	bind_list(stmt, workspace, after, limit);
	return every_vehicle(stmt, fn, arg);
}

int coredb_device_each(struct coredb *db, int64_t workspace, const char *after, int limit,
		       coredb_device_fn *fn, void *arg)
{
	struct sql_stmt *stmt = coredb_stmt(db, DEVICE_COLUMNS " AND d.workspace_id = $1"
							       " AND d.name > $2"
							       " ORDER BY d.name LIMIT $3");

	bind_list(stmt, workspace, after, limit);
	return every_device(stmt, fn, arg);
}

int coredb_vehicle_devices(struct coredb *db, int64_t vehicle, coredb_device_fn *fn, void *arg)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, DEVICE_COLUMNS " AND d.vehicle_id = $1 ORDER BY d.name");

	sql_bind_int(stmt, 1, vehicle);
	return every_device(stmt, fn, arg);
}
