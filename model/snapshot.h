/* A device's part of a snapshot, and the merge by field.
 *
 * One snapshot a VEHICLE; each of its DEVICES contributes cells, one a field. For each field the
 * newest value of each device is kept, and the newest of the devices is shown; ties go to the
 * smaller device_id. Every cell keeps its own time and provenance.
 *
 * Times are measurements: a cell holds the boot and monotonic time of its observation, and its
 * effective time (ms UTC) is worked out by the caller from the boot's one anchor, so a better anchor
 * also corrects what was stored before. Portable: memory comes from the caller.
 */
#ifndef MODEL_SNAPSHOT_H
#define MODEL_SNAPSHOT_H

#include "model/update.h"

/* When a value was observed and by which way it came. */
struct model_stamp {
	int64_t boot;        /* the core's handle of the gateway's boot; 0: without (HTTP, polls) */
	int64_t mono_us;     /* observation (already less its age); meaningless where boot is 0 */
	int64_t at_ms;       /* the source's own time (less its age), MODEL_NO_TIME without */
	int64_t received_ms; /* when the core got it */
	int64_t batch;       /* order within (boot, mono) */
	int32_t position;    /* in its batch */
};

/* Gives the anchored wall time of a monotonic moment of a boot, or MODEL_NO_TIME. */
typedef int64_t model_anchor_fn(void *arg, int64_t boot, int64_t mono_us);

/* min(at, anchored mono, received); a time without evidence counts as received. */
int64_t model_effective_ms(const struct model_stamp *stamp, model_anchor_fn *anchor, void *arg);

struct model_cell {
	bool present; /* the device has ever said something of this field */
	bool null;    /* ... namely that it is not known */
	bool implied; /* null only because a keyframe of `source` did not name it: hides nobody else's */
	bool simulated;
	uint8_t source; /* index into model_device.sources */
	struct model_stamp stamp;
	struct model_value value; /* texts live in the device's text memory */
};

#define MODEL_SOURCES_MAX 8
#define MODEL_DEVICE_TEXT MODEL_TEXT_MAX

/* Everything that one device contributes. About 22 KB, of which the texts are 14; keep it on the
 * heap. Texts point into the device itself: never copy it by assignment. */
struct model_device {
	char device_id[MODEL_ID_SIZE];
	char provider[MODEL_ID_SIZE];
	char vin[MODEL_VIN_SIZE];
	char sources[MODEL_SOURCES_MAX][MODEL_ID_SIZE];
	uint8_t module_status[MODEL_MODULE_COUNT];
	struct model_stamp module_stamp[MODEL_MODULE_COUNT]; /* of each status that is there */
	bool merged;                                         /* anything, ever */
	struct model_stamp newest;                           /* of all merged updates */
	struct model_cell cells[MODEL_FIELD_COUNT];
	char text[MODEL_DEVICE_TEXT];
	size_t text_len;
};

/* `device_id` is cut at MODEL_ID_SIZE - 1. */
void model_device_init(struct model_device *device, const char *device_id);

enum model_merge {
	MODEL_MERGE_NEWER,     /* newer than what was there: shown */
	MODEL_MERGE_COMPLETES, /* older than the device's newest, but nothing was there */
	MODEL_MERGE_OLDER,     /* history only */
	MODEL_MERGE_DUPLICATE, /* same time, source and value */
};

/* How many of an update's items ended which way. */
struct model_merge_result {
	unsigned count[4]; /* by enum model_merge */
	unsigned nulled;   /* cells nulled because a keyframe did not name them */
};

/* Merges an update into the device's cells; `stamp` is that of the update (each item's age is
 * subtracted here). Within one boot (mono, batch, position) decides, else effective time, and where
 * that is equal (received, batch, position). So the values do not depend on the order of merges.
 *
 * A keyframe nulls what it does not name, of delivered modules (success, partial, empty), of the
 * same source, where the keyframe is newer. It also remembers "not known" where nothing was there,
 * so that an older value of that source cannot slip in afterwards; such an implied null gives way to
 * any value of another source or device.
 *
 * Returns 0, or MODEL_E_SPACE (more than MODEL_SOURCES_MAX sources have values; texts can never be
 * too large when they came through model_update_set_*()) with the device unchanged. `ret_result`
 * may be NULL; `anchor` may be NULL where nothing is anchored. */
int model_device_merge(struct model_device *device, const struct model_update *update,
		       const struct model_stamp *stamp, model_anchor_fn *anchor, void *arg,
		       struct model_merge_result *ret_result);

/* The cell that a vehicle shows of a field: the newest over `devices`, and its device's index in
 * *ret_device. A null newer than a value is shown as null. NULL where no device has it. */
const struct model_cell *model_snapshot_cell(const struct model_device *const *devices,
					     size_t count, enum model_field field,
					     model_anchor_fn *anchor, void *arg,
					     size_t *ret_device);

/* The best status that the devices gave a module (success > partial > empty > failures). */
enum model_status model_snapshot_status(const struct model_device *const *devices, size_t count,
					enum model_module module);

#endif
