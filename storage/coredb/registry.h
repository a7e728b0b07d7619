/* The registry: workspaces, gateways, vehicles and devices. Writers call inside a transaction; every
 * change adds a RegistryChanged event, by which a running core sees that its caches are old. */
#ifndef STORAGE_COREDB_REGISTRY_H
#define STORAGE_COREDB_REGISTRY_H

#include "storage/coredb/coredb.h"

#define COREDB_DISPLAY_SIZE 129

/* As cloud/domain/policy.h understands and checks it; here only kept. */
struct coredb_policy {
	int64_t freshness_target_s, stale_threshold_s, no_data_grace_s, poll_interval_s;
	int64_t retention_days;
};

struct coredb_workspace {
	int64_t id;
	char name[IDS_SIZE];
	char display_name[COREDB_DISPLAY_SIZE];
	struct coredb_policy policy;
	int64_t created_at_ms;
};

struct coredb_gateway {
	int64_t id;
	int64_t workspace;
	char name[IDS_SIZE];
	int64_t created_at_ms;
};

struct coredb_vehicle {
	int64_t id;
	int64_t workspace;
	char name[IDS_SIZE];
	char vin[MODEL_VIN_SIZE]; /* "": not known */
	char display_name[COREDB_DISPLAY_SIZE];
	int64_t created_at_ms;
};

struct coredb_device {
	int64_t id;
	int64_t workspace;
	char name[IDS_SIZE];
	int64_t vehicle; /* 0: of none */
	char vehicle_name[IDS_SIZE];
	char vin[MODEL_VIN_SIZE]; /* the vehicle's, as registered */
	int64_t gateway;          /* 0: by no gateway */
	char gateway_name[IDS_SIZE];
	char provider[IDS_SIZE];
	char external_id[IDS_SIZE]; /* "": none */
	bool energy_site;           /* asset_kind: vehicle or energy_site */
	bool simulated;
	int64_t interval_s;
	int64_t activated_at_ms;
	int64_t created_at_ms;
};

/* Each finds one by its name: 0, -ENOENT, -errno. Deleted ones are not found. */
int coredb_workspace_find(struct coredb *db, const char *name, struct coredb_workspace *ret);
int coredb_workspace_get(struct coredb *db, int64_t id, struct coredb_workspace *ret);
int coredb_gateway_get(struct coredb *db, int64_t id, struct coredb_gateway *ret);
int coredb_gateway_find(struct coredb *db, int64_t workspace, const char *name,
			struct coredb_gateway *ret);
/* The workspace of a gateway, also of one that was removed. */
int coredb_gateway_workspace(struct coredb *db, int64_t gateway, int64_t *ret_workspace);
int coredb_gateway_name(struct coredb *db, int64_t gateway, char ret_name[static IDS_SIZE]);
int coredb_vehicle_get(struct coredb *db, int64_t id, struct coredb_vehicle *ret);
int coredb_vehicle_find(struct coredb *db, int64_t workspace, const char *name,
			struct coredb_vehicle *ret);
int coredb_device_find(struct coredb *db, int64_t workspace, const char *name,
		       struct coredb_device *ret);
int coredb_device_get(struct coredb *db, int64_t id, struct coredb_device *ret);
/* A device by the provider's own id. */
int coredb_device_find_external(struct coredb *db, int64_t workspace, const char *provider,
				const char *external_id, struct coredb_device *ret);
/* Is a device of that name registered in any other workspace? 1, 0 or -errno. */
int coredb_device_elsewhere(struct coredb *db, int64_t workspace, const char *name);

/* Each adds; id and created_at_ms are given. -EEXIST where the name is taken, -EINVAL where a field
 * is wrong (coredb_error() says which). For devices `vehicle` and `gateway` are rows (0: none). */
int coredb_workspace_add(struct coredb *db, struct coredb_workspace *row, int64_t now_ms);
int coredb_gateway_add(struct coredb *db, struct coredb_gateway *row, int64_t now_ms);
int coredb_vehicle_add(struct coredb *db, struct coredb_vehicle *row, int64_t now_ms);
int coredb_device_add(struct coredb *db, struct coredb_device *row, int64_t now_ms);

/* Each writes all changeable fields of the row `id`; names stay. */
int coredb_workspace_update(struct coredb *db, const struct coredb_workspace *row, int64_t now_ms);
int coredb_vehicle_update(struct coredb *db, const struct coredb_vehicle *row, int64_t now_ms);
int coredb_device_update(struct coredb *db, const struct coredb_device *row, int64_t now_ms);

/* Each removes; -EBUSY where others still refer to it. A gateway's transfer ledger stays. */
int coredb_workspace_remove(struct coredb *db, int64_t id, int64_t now_ms);
int coredb_gateway_remove(struct coredb *db, int64_t id, int64_t now_ms);
int coredb_vehicle_remove(struct coredb *db, int64_t id, int64_t now_ms);
int coredb_device_remove(struct coredb *db, int64_t id, int64_t now_ms);

/* Lists in order of names, with name > `after` (NULL or "": from the start), until `fn` returns
 * non-zero. Return how many were shown or -errno. */
typedef int coredb_workspace_fn(void *arg, const struct coredb_workspace *workspace);
typedef int coredb_gateway_fn(void *arg, const struct coredb_gateway *gateway);
typedef int coredb_vehicle_fn(void *arg, const struct coredb_vehicle *vehicle);
typedef int coredb_device_fn(void *arg, const struct coredb_device *device);
int coredb_workspace_each(struct coredb *db, const char *after, int limit, coredb_workspace_fn *fn,
			  void *arg);
int coredb_gateway_each(struct coredb *db, int64_t workspace, const char *after, int limit,
			coredb_gateway_fn *fn, void *arg);
int coredb_vehicle_each(struct coredb *db, int64_t workspace, const char *after, int limit,
			coredb_vehicle_fn *fn, void *arg);
int coredb_device_each(struct coredb *db, int64_t workspace, const char *after, int limit,
		       coredb_device_fn *fn, void *arg);
/* The devices of one vehicle. */
int coredb_vehicle_devices(struct coredb *db, int64_t vehicle, coredb_device_fn *fn, void *arg);

#endif
