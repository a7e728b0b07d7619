#include "cloud/domain/intervals.h"

#include <string.h>

void intervals_init(struct intervals *set, struct interval *items, size_t cap)
{
	set->items = items;
	set->count = 0;
	set->cap = cap;
}

/* The first range that ends at or after `number`; count where there is none. */
static size_t find(const struct intervals *set, int64_t number)
{
	size_t low = 0;
	size_t high = set->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (set->items[mid].last < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int intervals_add(struct intervals *set, int64_t first, int64_t last)
{
	size_t from;
	size_t to;

	if (first < 0 || last < first || last == INT64_MAX)
		return INTERVALS_E_INVALID;
	/* Ranges from..to-1 overlap or touch the new one and melt into it. */
	from = find(set, first == 0 ? 0 : first - 1);
	to = from;
	while (to < set->count && set->items[to].first <= last + 1)
		to++;
	if (from == to) {
		if (set->count == set->cap)
			return INTERVALS_E_SPACE;
		memmove(&set->items[from + 1], &set->items[from],
			(set->count - from) * sizeof(set->items[0]));
		set->items[from] = (struct interval){first, last};
		set->count++;
		return 0;
	}
	if (set->items[from].first < first)
		first = set->items[from].first;
	if (set->items[to - 1].last > last)
		last = set->items[to - 1].last;
	set->items[from] = (struct interval){first, last};
	memmove(&set->items[from + 1], &set->items[to], (set->count - to) * sizeof(set->items[0]));
	set->count -= to - from - 1;
	return 0;
}

bool intervals_contains(const struct intervals *set, int64_t number)
{
	size_t at = find(set, number);

	return at < set->count && set->items[at].first <= number;
}

int64_t intervals_total(const struct intervals *set)
{
	int64_t total = 0;

	for (size_t i = 0; i < set->count; i++) {
		int64_t size = set->items[i].last - set->items[i].first + 1;

		if (total > INT64_MAX - size)
			return INT64_MAX;
		total += size;
	}
	return total;
}

static int push(struct intervals *set, int64_t first, int64_t last)
{
	if (set->count == set->cap)
		return INTERVALS_E_SPACE;
	set->items[set->count++] = (struct interval){first, last};
	return 0;
}

int intervals_subtract(const struct intervals *a, const struct intervals *b, struct intervals *ret)
{
	size_t j = 0;

	ret->count = 0;
	for (size_t i = 0; i < a->count; i++) {
		int64_t first = a->items[i].first;
		int64_t last = a->items[i].last;

		while (j < b->count && b->items[j].last < first)
			j++;
		/* Cut what b has out of first..last, from the left. */
		for (size_t k = j; k < b->count && b->items[k].first <= last; k++) {
			if (b->items[k].first > first && push(ret, first, b->items[k].first - 1))
				return INTERVALS_E_SPACE;
			first = b->items[k].last + 1;
			if (first > last)
				break;
		}
		if (first <= last && push(ret, first, last))
			return INTERVALS_E_SPACE;
	}
	return 0;
}

int intervals_intersect(const struct intervals *a, const struct intervals *b, struct intervals *ret)
{
	size_t i = 0;
	size_t j = 0;

	ret->count = 0;
	while (i < a->count && j < b->count) {
		const struct interval *x = &a->items[i];
		const struct interval *y = &b->items[j];
		int64_t first = x->first > y->first ? x->first : y->first;
		int64_t last = x->last < y->last ? x->last : y->last;

		if (first <= last && push(ret, first, last))
			return INTERVALS_E_SPACE;
		if (x->last < y->last)
			i++;
		else
			j++;
	}
	return 0;
}
