/* Interval sets in memory of their own, from and to the ranges of the database. */
#ifndef CLOUD_ACCEPT_SETS_H
#define CLOUD_ACCEPT_SETS_H

#include "cloud/domain/intervals.h"
#include "storage/coredb/transfer.h"

struct set {
	struct intervals set;
};

/* Room for `cap` ranges; 0 or -ENOMEM. A zeroed one may be freed. */
int set_make(struct set *set, size_t cap);
void set_free(struct set *set);
/* A copy with room for `extra` more ranges; 0 or -ENOMEM. */
int set_from(struct set *set, const struct coredb_ranges *ranges, size_t extra);
int set_into(const struct set *set, struct coredb_ranges *ranges);
bool set_ranges_contain(const struct coredb_ranges *ranges, int64_t number);

#endif
