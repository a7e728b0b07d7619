/* The sampler: what sources observe becomes records, records become batches for the spool.
 *
 * Report by exception. It remembers of each field of each source what was last told and what was last
 * read. A reading is told
 *  - at once, where it differs from what was TOLD by the field's deadband or more (a word, a flag, a
 *    list: at all; a position: by metres; null from a value), but a number not sooner than the minimum
 *    interval after the last that was told: then the last reading is told when the interval ends;
 *  - at the next beat, where it does not differ, but what was told would be older than the heartbeat by
 *    the beat after it. Beats are at the same moments for all devices, so that they share batches.
 * What else is read is withheld: it is within the deadband of what was told. What is told of an
 * unchanged field is the newest reading with its own time, so nothing is ever fresher or older than it
 * was read, and a field that is not read any more is not told any more.
 *
 * A record carries what is to be told of one device and source, each field with its age. It is a full
 * keyframe after a source has connected, after a drop, after the uplink came back, and at least every
 * keyframe interval, once its source has said that it is known whole. Readings that come within the
 * batch's age share one record a device; a field that changes again before that seals first, so no
 * reading is lost to a later one. What was read of a vehicle is not stated again once the source gives
 * another VIN, or none any more.
 *
 * A time of the source's own (update->at_ms) stands in a record whose fields are all of that update.
 *
 * Batches are sealed by count, bytes and age, and encoded once. What the spool does not take stays
 * and is offered again; meanwhile newer readings of a field replace older ones, and are counted:
 * memory is bounded whatever happens.
 *
 * One thread. Times are monotonic microseconds given by the caller.
 */
#ifndef AGENT_SAMPLER_H
#define AGENT_SAMPLER_H

#include "agent/deadband.h"
#include "model/update.h"
#include "storage/spool/spool.h"

#define SAMPLER_TRACKS_MAX 256 /* devices times sources */

struct sampler_config {
	int max_records;    /* a batch, 1..WIRE_RECORDS_MAX */
	int64_t max_bytes;  /* of a batch's JSON */
	int64_t max_age_us; /* of the oldest change that is not yet in the spool; 0: none waits */
	/* The same for samples while the link is down: nobody waits for them, and they fill batches. */
	int64_t max_age_offline_us;
	int64_t min_interval_us; /* between two values of a number; 0: none */
	int64_t heartbeat_us; /* what is read but does not change is stated again after this at most */
	int64_t keyframe_us;
	struct deadband bands;
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

/* The link went down (true) or came up. At first it counts as up. */
void sampler_set_offline(struct sampler *sampler, bool offline);

/* Forgets what was read, on a new time base: the sources begin anew. What waits is lost, so flush
 * before. */
void sampler_forget(struct sampler *sampler);

/* When sampler_run() is due; INT64_MAX where nothing waits. */
int64_t sampler_due(const struct sampler *sampler);
/* Seals what is due, and what can go along. Returns 0 or an error as above. */
int sampler_run(struct sampler *sampler, int64_t now_us);
/* Seals all that waits, due or not (an orderly stop). Returns 0 or an error as above. */
int sampler_flush(struct sampler *sampler, int64_t now_us);

/* What became of the readings (values of fields), ever. */
struct sampler_stats {
	int64_t told;      /* put into records, those that were stated again included */
	int64_t withheld;  /* within the deadband of what was told */
	int64_t limited;   /* replaced by newer ones within the minimum interval */
	int64_t coalesced; /* replaced by newer ones before the spool could take them */
};
void sampler_stats(const struct sampler *sampler, struct sampler_stats *ret_stats);
/* stats.coalesced alone. */
int64_t sampler_coalesced(const struct sampler *sampler);

#endif
