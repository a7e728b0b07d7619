/* How fresh a device is. Portable; times are ms UTC, MODEL_NO_TIME where not known. */
#ifndef CLOUD_DOMAIN_FRESHNESS_H
#define CLOUD_DOMAIN_FRESHNESS_H

#include "model/update.h"

/* min(observed, received): what an update may claim, whatever its clock says. A time without
 * evidence (MODEL_NO_TIME) counts as received. */
int64_t freshness_claim_ms(int64_t observed_ms, int64_t received_ms);

/* The later of what was and what an ACCEPTED update claims: late data never lowers it. */
int64_t freshness_advance_ms(int64_t last_update_at_ms, int64_t claim_ms);

/* evaluated - last update, never negative; MODEL_NO_TIME where there is no update. */
int64_t freshness_age_ms(int64_t evaluated_at_ms, int64_t last_update_at_ms);

/* A vehicle is as fresh as the best of its devices. */
int64_t freshness_best_ms(const int64_t *last_update_at_ms, size_t count);

#endif
