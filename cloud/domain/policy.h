/* What a workspace asks of its devices' data. Portable. */
#ifndef CLOUD_DOMAIN_POLICY_H
#define CLOUD_DOMAIN_POLICY_H

#include <stdint.h>

/* X(field, default, min, max, what it means): the one home of names, defaults and ranges. */
#define POLICY_FIELDS(X)                                                                           \
	X(freshness_target_s, 300, 1, 604800, "age up to which a device is healthy")               \
	X(stale_threshold_s, 900, 1, 2592000, "age past which a device is stale")                  \
	X(no_data_grace_s, 3600, 0, 2592000, "time that a new device has for its first update")    \
	X(poll_interval_s, 240, 1, 604800, "how often a device is polled")                         \
	X(retention_days, 90, 1, 36500, "how long history is kept")

struct policy {
#define X(field, fallback, min, max, help) int64_t field;
	POLICY_FIELDS(X)
#undef X
};

enum policy_field {
#define X(field, fallback, min, max, help) POLICY_##field,
	POLICY_FIELDS(X)
#undef X
		POLICY_FIELD_COUNT
};

struct policy_field_info {
	const char *name;
	const char *help;
	int64_t fallback, min, max;
};

/* NULL where `field` is out of range. */
const struct policy_field_info *policy_field_info(enum policy_field field);
/* -1 where there is none of that name. */
int policy_field_find(const char *name);
int64_t policy_get(const struct policy *policy, enum policy_field field);
void policy_set(struct policy *policy, enum policy_field field, int64_t value);

void policy_default(struct policy *policy);

enum policy_error {
	POLICY_E_RANGE = -1, /* a field is outside its range */
	POLICY_E_ORDER = -2, /* the stale threshold must not be below the freshness target */
};

/* Returns 0, or the first error with its field in *ret_field (may be NULL). */
int policy_check(const struct policy *policy, enum policy_field *ret_field);

/* The thresholds of one device in ms. `interval_s` is the longer interval that a budget or a profile
 * dictates (0: none): where it exceeds the policy's poll interval, target and stale threshold move
 * later by the difference, so that such a device has the same slack as the others. */
struct policy_limits {
	int64_t target_ms, stale_ms, grace_ms;
};
void policy_limits(const struct policy *policy, int64_t interval_s, struct policy_limits *ret);

#endif
