#include "cloud/domain/assess.h"

static const char *const status_names[] = {"complete", "partial", "failed"};
static const char *const reportability_names[] = {"billable_complete", "billable_partial",
						  "non_billable_failed"};

const char *assess_core_status_name(enum assess_core_status status)
{
	return (unsigned)status <= ASSESS_FAILED ? status_names[status] : "";
}

const char *assess_reportability_name(enum assess_core_status status)
{
	return (unsigned)status <= ASSESS_FAILED ? reportability_names[status] : "";
}

static bool failed(uint8_t status)
{
	return status == MODEL_STATUS_AUTH_FAILED || status == MODEL_STATUS_TRANSPORT_FAILED ||
	       status == MODEL_STATUS_SCHEMA_FAILED;
}

enum assess_core_status assess_core_status(const enum assess_need *need, const uint8_t *status)
{
	enum assess_core_status result = ASSESS_COMPLETE;

	for (int i = 0; i < MODEL_MODULE_COUNT; i++) {
		if (!failed(status[i]))
			continue;
		if (need[i] == ASSESS_HARD)
			return ASSESS_FAILED;
		result = ASSESS_PARTIAL;
	}
	return result;
}
