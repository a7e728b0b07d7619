/* Sets of batch numbers as sorted, disjoint ranges that do not touch, in the caller's memory.
 * Portable: an operation that would need more ranges than there is room for changes nothing and
 * says so; the caller then gives more room.
 */
#ifndef CLOUD_DOMAIN_INTERVALS_H
#define CLOUD_DOMAIN_INTERVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* first..last, both included, 0 <= first <= last < INT64_MAX. */
struct interval {
	int64_t first, last;
};

struct intervals {
	struct interval *items; /* the caller's */
	size_t count, cap;
};

enum intervals_error {
	INTERVALS_E_SPACE = -1,
	INTERVALS_E_INVALID = -2, /* a range that is none */
};

void intervals_init(struct intervals *set, struct interval *items, size_t cap);

/* Adds first..last. Returns 0, INTERVALS_E_SPACE or INTERVALS_E_INVALID. Needs at most one more
 * range than there are. */
int intervals_add(struct intervals *set, int64_t first, int64_t last);

bool intervals_contains(const struct intervals *set, int64_t number);

/* How many numbers are in it (saturates at INT64_MAX). */
int64_t intervals_total(const struct intervals *set);

/* ret = a - b; ret's own contents are replaced. Needs at most a->count + b->count ranges. `ret` is
 * neither of them. Returns 0 or INTERVALS_E_SPACE (ret is then undefined). */
int intervals_subtract(const struct intervals *a, const struct intervals *b, struct intervals *ret);

/* ret = what both have; same rules and needs as intervals_subtract(). */
int intervals_intersect(const struct intervals *a, const struct intervals *b,
			struct intervals *ret);

#endif
