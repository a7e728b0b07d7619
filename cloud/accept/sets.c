#include "cloud/accept/sets.h"

#include <errno.h>
#include <stdlib.h>

int set_make(struct set *set, size_t cap)
{
	struct interval *items = calloc(cap ? cap : 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	intervals_init(&set->set, items, cap ? cap : 1);
	return 0;
}

void set_free(struct set *set)
{
	free(set->set.items);
	set->set.items = NULL;
}

int set_from(struct set *set, const struct coredb_ranges *ranges, size_t extra)
{
	int r = set_make(set, ranges->count + extra);

	if (r)
		return r;
	for (size_t i = 0; i < ranges->count; i++) {
		set->set.items[i].first = ranges->items[i].first;
		set->set.items[i].last = ranges->items[i].last;
	}
	set->set.count = ranges->count;
	return 0;
}

int set_into(const struct set *set, struct coredb_ranges *ranges)
{
	if (set->set.count > ranges->cap) {
		size_t cap = set->set.count + 8;
		struct wire_range *items = realloc(ranges->items, cap * sizeof(*items));

		if (!items)
			return -ENOMEM;
		ranges->items = items;
		ranges->cap = cap;
	}
	for (size_t i = 0; i < set->set.count; i++) {
		ranges->items[i].first = set->set.items[i].first;
		ranges->items[i].last = set->set.items[i].last;
	}
	ranges->count = set->set.count;
	return 0;
}

bool set_ranges_contain(const struct coredb_ranges *ranges, int64_t number)
{
	size_t low = 0;
	size_t high = ranges->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ranges->items[mid].last < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < ranges->count && ranges->items[low].first <= number;
}
