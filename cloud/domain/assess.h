/* Was a fetch complete, and may it be billed? From the module statuses and what the provider
 * declares of each module. Portable.
 */
#ifndef CLOUD_DOMAIN_ASSESS_H
#define CLOUD_DOMAIN_ASSESS_H

#include "model/model.h"

enum assess_need { ASSESS_SOFT, ASSESS_HARD, ASSESS_PREMIUM };

enum assess_core_status { ASSESS_COMPLETE, ASSESS_PARTIAL, ASSESS_FAILED };

/* "complete", "partial", "failed"; "billable_complete", "billable_partial",
 * "non_billable_failed". */
const char *assess_core_status_name(enum assess_core_status status);
const char *assess_reportability_name(enum assess_core_status status);

/* A failed hard dependency fails all; a failed soft or premium one makes it partial; `unsupported`
 * and `not_requested` do not lower a result, nor does `partial` or `empty` of one module (it says so
 * itself). `need` and `status` have MODEL_MODULE_COUNT entries. */
enum assess_core_status assess_core_status(const enum assess_need *need, const uint8_t *status);

#endif
