#include "cloud/domain/policy.h"

#include <stddef.h>
#include <string.h>

static const struct policy_field_info infos[POLICY_FIELD_COUNT] = {
#define X(field, fallback_, min_, max_, help_)                                                     \
	{.name = #field, .help = (help_), .fallback = (fallback_), .min = (min_), .max = (max_)},
	POLICY_FIELDS(X)
#undef X
};

static const size_t offsets[POLICY_FIELD_COUNT] = {
#define X(field, fallback, min, max, help) offsetof(struct policy, field),
	POLICY_FIELDS(X)
#undef X
};

const struct policy_field_info *policy_field_info(enum policy_field field)
{
	return (unsigned)field < POLICY_FIELD_COUNT ? &infos[field] : NULL;
}

int policy_field_find(const char *name)
{
	for (int i = 0; i < POLICY_FIELD_COUNT; i++) {
		if (strcmp(infos[i].name, name) == 0)
			return i;
	}
	return -1;
}

int64_t policy_get(const struct policy *policy, enum policy_field field)
{
	int64_t value;

	memcpy(&value, (const char *)policy + offsets[field], sizeof(value));
	return value;
}

void policy_set(struct policy *policy, enum policy_field field, int64_t value)
{
	memcpy((char *)policy + offsets[field], &value, sizeof(value));
}

void policy_default(struct policy *policy)
{
	for (int i = 0; i < POLICY_FIELD_COUNT; i++)
		policy_set(policy, (enum policy_field)i, infos[i].fallback);
}

static int fail(enum policy_field *ret_field, enum policy_field field, int error)
{
	if (ret_field)
		*ret_field = field;
	return error;
}

int policy_check(const struct policy *policy, enum policy_field *ret_field)
{
	for (int i = 0; i < POLICY_FIELD_COUNT; i++) {
		int64_t value = policy_get(policy, (enum policy_field)i);

		if (value < infos[i].min || value > infos[i].max)
			return fail(ret_field, (enum policy_field)i, POLICY_E_RANGE);
	}
	if (policy->stale_threshold_s < policy->freshness_target_s)
		return fail(ret_field, POLICY_stale_threshold_s, POLICY_E_ORDER);
	return 0;
}

void policy_limits(const struct policy *policy, int64_t interval_s, struct policy_limits *ret)
{
	int64_t extra = 0;

	if (interval_s > policy->poll_interval_s)
		extra = interval_s - policy->poll_interval_s;
	ret->target_ms = (policy->freshness_target_s + extra) * 1000;
	ret->stale_ms = (policy->stale_threshold_s + extra) * 1000;
	ret->grace_ms = policy->no_data_grace_s * 1000;
}
