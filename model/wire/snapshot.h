/* Snapshots: the JSON that a vehicle shows, and a device's cells as bytes for a database. */
#ifndef MODEL_WIRE_SNAPSHOT_H
#define MODEL_WIRE_SNAPSHOT_H

#include "model/snapshot.h"
#include "model/wire/json.h"

/* How sure a time is. */
enum wire_time_quality {
	WIRE_TIME_SYNCED, /* "synced": a clock that was vouched for gave it, or the source itself */
	WIRE_TIME_CORRECTED, /* "corrected": worked out by the core, from its receipts */
	WIRE_TIME_UNSYNCED,  /* "unsynced": nobody can date it; there may be bounds */
};
const char *wire_time_quality_name(enum wire_time_quality quality);

struct wire_time {
	int64_t at_ms; /* MODEL_NO_TIME where unsynced */
	enum wire_time_quality quality;
	int64_t not_before_ms, not_after_ms; /* where unsynced; MODEL_NO_TIME where not known */
};
typedef void wire_time_fn(void *arg, const struct model_stamp *stamp, struct wire_time *ret_time);
/* Writes the member `name` (a time or null) and "time_quality", and where unsynced "not_before" and
 * "not_after". */
void wire_time_encode(struct jw *w, const char *name, const struct wire_time *time);

/* A vehicle's snapshot: {provider, vin, <ten modules>, module_status}; every canonical field of a
 * module that was ever delivered is there, null where not known. A module that nobody delivered is
 * null and its status says why. `provider` and `vin` are those of the device with the newest update
 * that has them; null where none has. With `provenance`, "provenance": {"module.field": {at,
 * time_quality, source, device_id, provider, simulated}} for each field that somebody has stated; `time`
 * judges those times (may be NULL without provenance). `arg` is for both functions. Writes members into
 * the object that the caller has opened; errors are the buffer's. */
void wire_snapshot_encode(struct jw *w, const struct model_device *const *devices, size_t count,
			  model_anchor_fn *anchor, wire_time_fn *time, void *arg, bool provenance);

/* A device's cells to and from bytes for a database (format of this module: versioned JSON).
 * wire_device_encode() appends; returns 0, -ENOMEM, -EMSGSIZE.
 * wire_device_decode() returns 0; -EINVAL where the bytes are not of this format, or -ENOMEM, and
 * then the device is as by model_device_init(). A field that this
 * version does not know is left out. */
int wire_device_encode(const struct model_device *device, struct buf *out);
int wire_device_decode(const char *data, size_t len, struct model_device *device);

#endif
