#include "cloud/domain/freshness.h"

int64_t freshness_claim_ms(int64_t observed_ms, int64_t received_ms)
{
	if (observed_ms == MODEL_NO_TIME || observed_ms > received_ms)
		return received_ms;
	return observed_ms;
}

int64_t freshness_advance_ms(int64_t last_update_at_ms, int64_t claim_ms)
{
	/* MODEL_NO_TIME is the smallest time there is. */
	return claim_ms > last_update_at_ms ? claim_ms : last_update_at_ms;
}

int64_t freshness_age_ms(int64_t evaluated_at_ms, int64_t last_update_at_ms)
{
	if (last_update_at_ms == MODEL_NO_TIME)
		return MODEL_NO_TIME;
	return evaluated_at_ms > last_update_at_ms ? evaluated_at_ms - last_update_at_ms : 0;
}

int64_t freshness_best_ms(const int64_t *last_update_at_ms, size_t count)
{
	int64_t best = MODEL_NO_TIME;

	for (size_t i = 0; i < count; i++)
		best = freshness_advance_ms(best, last_update_at_ms[i]);
	return best;
}
