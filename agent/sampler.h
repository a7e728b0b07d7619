/* The sampler: what sources observe becomes records, records become batches for the spool.
 *
 * It remembers the last value of each field of each source. A record carries the fields that have
 * changed, and those whose last record is older than the heartbeat; each with its age. A record is
 * a full keyframe after a source has connected, after a drop, after the uplink came back, and at
 * least every keyframe interval, once its source has said that it is known whole. Readings that
 * come within the batch's age share one record a device; a field that is read again before that
 * seals first, so no reading is lost to a later one. What was read of a vehicle is not stated again
 * once the source gives another VIN, or none any more.
 *
 * A time of the source's own (update->at_ms) stands in a record whose fields are all of that update.
 *
 * Batches are sealed by count, bytes and age, and encoded once. What the spool does not take stays
 * and is offered again; meanwhile newer readings of a field replace older ones, counted in
 * sampler_coalesced(): memory is bounded whatever happens.
 *
 * One thread. Times are monotonic microseconds given by the caller.
 */
#ifndef AGENT_SAMPLER_H
#define AGENT_SAMPLER_H

#include "model/update.h"
#include "storage/spool/spool.h"

#define SAMPLER_TRACKS_MAX 256 /* devices times sources */

struct sampler_config {
	int max_records;    /* a batch, 1..WIRE_RECORDS_MAX */
	int64_t max_bytes;  /* of a batch's JSON */
	int64_t max_age_us; /* of the oldest reading that is not yet in the spool; 0: none waits */
	int64_t heartbeat_us; /* an unchanged field is stated again after this */
	int64_t keyframe_us;
};

/* Takes the batches of one sealing, in one transaction. 0 or -errno: nothing taken. */
typedef int sampler_seal_fn(void *arg, const struct spool_put *puts, size_t count);

struct sampler;

/* Returns 0 or -ENOMEM. */
int sampler_create(const struct sampler_config *config, sampler_seal_fn *seal, void *arg,
		   struct sampler **ret_sampler);
/* Does not seal what waits: call sampler_flush() before. NULL is accepted. */
void sampler_destroy(struct sampler *sampler);

/* Takes what a source has just observed (copied). update->keyframe asks for a keyframe, as after a
 * connect. Returns 0; -ENOSPC where there are too many devices (nothing taken); -ENOMEM; or the
 * error of the seal function, where the readings are kept and offered again. */
int sampler_update(struct sampler *sampler, const struct model_update *update, int64_t now_us);

/* Every device's state is stated whole at the next sealing (drop, reconnect). */
void sampler_keyframe_all(struct sampler *sampler, int64_t now_us);

/* Forgets what was read, on a new time base: the sources begin anew. What waits is lost, so flush
 * before. */
void sampler_forget(struct sampler *sampler);

/* Seals what waits. Returns 0 or an error as above. */
int sampler_flush(struct sampler *sampler, int64_t now_us);

/* When sampler_flush() is due; INT64_MAX where nothing waits. */
int64_t sampler_due(const struct sampler *sampler);

/* Readings that were replaced before the spool could take them, ever. */
int64_t sampler_coalesced(const struct sampler *sampler);

#endif
