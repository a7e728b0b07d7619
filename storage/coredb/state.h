/* What is now: devices' cells and the narrow facts from which health is judged, gateways' reports. */
#ifndef STORAGE_COREDB_STATE_H
#define STORAGE_COREDB_STATE_H

#include "model/snapshot.h"
#include "model/wire/status.h"
#include "storage/coredb/registry.h"

/* The narrow row of a device; a device without one has never said anything. */
struct coredb_state {
	int64_t last_update_at_ms;   /* max over accepted updates of min(observed, received) */
	int64_t last_received_at_ms; /* receipt of the newest accepted update */
	int64_t last_accepted_at_ms; /* when it was accepted (later than receipt if parked before) */
	int64_t observed_at_ms;      /* of the update that gave last_update_at, not clamped */
	int64_t boot, mono_us, at_ms; /* ... and its stamp, so that a better anchor corrects it */
	int64_t contact_at_ms;        /* contact is not data */
	int64_t gateway; /* row of the one by which the last accepted update came; 0: by none */
	bool simulated;
	int64_t vin_mismatch_at_ms; /* newest record parked for it; NO_TIME: none is */
	bool ignition_off;
	int64_t ignition_since_ms;
	bool asleep;
	int64_t asleep_since_ms;
	int swept_state; /* state as the sweep last judged, -1: never */
	int64_t swept_at_ms;
};
void coredb_state_init(struct coredb_state *state);
int coredb_state_get(struct coredb *db, int64_t device, struct coredb_state *ret); /* -ENOENT */
/* Writes all but the sweep's verdict, which only a new row takes from `state`. */
int coredb_state_put(struct coredb *db, int64_t device, const struct coredb_state *state);
int coredb_state_set_swept(struct coredb *db, int64_t device, int swept_state, int64_t now_ms);

/* Times of receipt later than `limit_ms`, by a clock that was ahead then, become `now_ms`. Returns how
 * many devices, gateways and shards had such, or -errno. */
int coredb_heal_future(struct coredb *db, int64_t now_ms, int64_t limit_ms);

/* The cells. `device` must be initialised; -ENOENT leaves it as it was. */
int coredb_body_get(struct coredb *db, int64_t device, struct model_device *ret);
int coredb_body_put(struct coredb *db, int64_t device, const struct model_device *cells);

/* Everything that health, lists and the page need of a device, in one row; cloud/accept/evidence.h
 * makes the domain's input of it. */
struct coredb_health_row {
	struct coredb_device
		device; /* its gateway: the registered one, else the one that it came by */
	bool has_state;
	struct coredb_state state;
	int boot_quality; /* enum clock_quality of the newest data's anchor; -1: it has no boot */
	bool gateway_said_offline;
	int64_t duplicate_since_ms, duplicate_at_ms; /* of its gateway */
	int64_t gateway_contact_at_ms;
	int64_t backlog_batches, backlog_oldest_at_ms;
	int source_state; /* enum wire_source_state, -1: the gateway names none for the device */
	char source_name[IDS_SIZE];
	char source_reason[32];
	char source_detail[160];
	int64_t source_since_ms;
};
typedef int coredb_health_fn(void *arg, const struct coredb_health_row *row);
/* Devices of a workspace (0: of all) with row id > `after`, in order of ids, until `fn` returns
 * non-zero. Returns how many were shown or -errno. */
int coredb_health_each(struct coredb *db, int64_t workspace, int64_t after, int limit,
		       coredb_health_fn *fn, void *arg);
int coredb_health_get(struct coredb *db, int64_t device, struct coredb_health_row *ret);

/* A gateway's report and link. */
struct coredb_gateway_state {
	char session[IDS_RANDOM_SIZE];
	bool offline;
	int64_t link_at_ms;
	int64_t contact_at_ms; /* last live message */
	int64_t status_at_ms;
	int64_t backlog_batches, backlog_oldest_at_ms;
	int64_t live_epoch; /* row; 0: none */
	/* Two machines with one identity: since when (NO_TIME: there is one), and when last seen. */
	int64_t duplicate_since_ms, duplicate_at_ms;
	/* The evidence that is gathered for that. */
	char spoke[IDS_RANDOM_SIZE];        /* the session of the last batch */
	char spoke_before[IDS_RANDOM_SIZE]; /* and the one before it */
	int returns;                        /* how often these two alternated */
	int64_t returned_at_ms;
	char fork_session[IDS_RANDOM_SIZE];
	int64_t fork_at_ms;
	int suspicion;
	int64_t suspected_at_ms;
};
/* So long without a sign of two machines, and there is one again. */
#define COREDB_DUPLICATE_MS (INT64_C(600) * 1000)
/* Is it (still) two at `now_ms`? */
bool coredb_is_duplicate(int64_t since_ms, int64_t at_ms, int64_t now_ms);
/* Gateways that are two, without a sign of it since `before_ms`: up to `cap` rows. Count or -errno. */
int coredb_gateway_duplicates(struct coredb *db, int64_t before_ms, int64_t *ret_ids, int cap);
/* Calls `fn` for each gateway of a workspace that is two at `now_ms`. */
typedef void coredb_duplicate_fn(void *arg, const char *gateway, int64_t since_ms);
int coredb_gateway_duplicate_each(struct coredb *db, int64_t workspace, int64_t now_ms, int limit,
				  coredb_duplicate_fn *fn, void *arg);
void coredb_gateway_state_init(struct coredb_gateway_state *state);
int coredb_gateway_state_get(struct coredb *db, int64_t gateway,
			     struct coredb_gateway_state *ret); /* -ENOENT */
int coredb_gateway_state_put(struct coredb *db, int64_t gateway,
			     const struct coredb_gateway_state *state);
/* Keeps the report as it came, and its sources. */
int coredb_gateway_report(struct coredb *db, int64_t gateway, const struct wire_status *status,
			  const char *json, size_t len);
/* Hands the newest report over as it came. 0, -ENOENT before the first, or -errno. */
int coredb_gateway_report_get(struct coredb *db, int64_t gateway,
			      void (*fn)(void *arg, const char *json, size_t len), void *arg);

#endif
