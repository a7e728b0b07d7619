/* From what the database holds to what the domain judges. Pure but for evidence_time(), which reads
 * the database; any thread. */
#ifndef CLOUD_ACCEPT_EVIDENCE_H
#define CLOUD_ACCEPT_EVIDENCE_H

#include "cloud/domain/anchor.h"
#include "cloud/domain/health.h"
#include "model/wire/snapshot.h"
#include "storage/coredb/state.h"
#include "storage/coredb/transfer.h"

void evidence_policy(const struct coredb_policy *row, struct policy *ret_policy);
void evidence_policy_back(const struct policy *policy, struct coredb_policy *ret_row);

/* The evidence about a device. `listening_since_ms` as of coredb_shard(). `masked_vin` gets the
 * registered VIN masked; it and `row` must outlive the input. */
void evidence_health(const struct coredb_health_row *row, int64_t listening_since_ms,
		     int64_t evaluated_at_ms, char masked_vin[static MODEL_VIN_SIZE],
		     struct health_input *ret_input);

/* The anchor of a boot, and back with what follows from it. */
void evidence_anchor(const struct coredb_boot *boot, struct anchor *ret_anchor);
void evidence_anchor_back(const struct anchor *anchor, struct coredb_boot *boot);

/* anchor_offer() with a quality as on the wire. */
void evidence_anchor_offer(struct anchor *anchor, enum clock_quality quality, int64_t mono_us,
			   int64_t at_ms);

/* The time of a stamp, how sure that is, and its bounds where nobody can date it: a wire_time_fn whose
 * `arg` is a struct coredb_anchors. What cannot be read is in its `error`. */
void evidence_time(void *anchors, const struct model_stamp *stamp, struct wire_time *ret_time);

#endif
