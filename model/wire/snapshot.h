/* Snapshots: the JSON that a vehicle shows, and a device's cells as bytes for a database. */
#ifndef MODEL_WIRE_SNAPSHOT_H
#define MODEL_WIRE_SNAPSHOT_H

#include "model/snapshot.h"
#include "model/wire/json.h"

/* A vehicle's snapshot: {provider, vin, <ten modules>, module_status}; every canonical field of a
 * module that was ever delivered is there, null where not known. A module that nobody delivered is
 * null and its status says why. `provider` and `vin` are those of the device with the newest update
 * that has them; null where none has. With `provenance`, "provenance": {"module.field": {at, source,
 * device_id, provider, simulated}} for each field that somebody has stated. Writes members into the
 * object that the caller has opened; errors are the buffer's. */
void wire_snapshot_encode(struct jw *w, const struct model_device *const *devices, size_t count,
			  model_anchor_fn *anchor, void *arg, bool provenance);

/* A device's cells to and from bytes for a database (format of this module: versioned JSON).
 * wire_device_encode() appends; returns 0, -ENOMEM, -EMSGSIZE.
 * wire_device_decode() returns 0; -EINVAL where the bytes are not of this format, or -ENOMEM, and
 * then the device is as by model_device_init(). A field that this
 * version does not know is left out. */
int wire_device_encode(const struct model_device *device, struct buf *out);
int wire_device_decode(const char *data, size_t len, struct model_device *device);

#endif
