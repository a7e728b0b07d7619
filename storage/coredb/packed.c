#include "storage/coredb/packed.h"

#include <errno.h>
#include <stdlib.h>

static void put(struct buf *buf, uint64_t value)
{
	do {
		uint8_t byte = value & 0x7f;

		value >>= 7;
		if (value)
			byte |= 0x80;
		buf_putc(buf, (char)byte);
	} while (value);
}

static int get(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (*at == end)
			return -EUCLEAN;
		byte = *(*at)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 0;
		}
	}
	return -EUCLEAN;
}

void packed_put_ranges(struct buf *buf, const struct coredb_ranges *ranges)
{
	int64_t before = 0;

	for (size_t i = 0; i < ranges->count; i++) {
		const struct wire_range *range = &ranges->items[i];

		put(buf, (uint64_t)(range->first - before));
		put(buf, (uint64_t)(range->last - range->first));
		before = range->last;
	}
}

void packed_put_numbers(struct buf *buf, const int64_t *numbers, size_t count)
{
	int64_t before = 0;

	for (size_t i = 0; i < count; i++) {
		put(buf, (uint64_t)(numbers[i] - before));
		before = numbers[i];
	}
}

int packed_get_ranges(const void *data, size_t len, struct coredb_ranges *ret)
{
	const uint8_t *at = data;
	const uint8_t *end = at ? at + len : at;
	struct wire_range *items;
	/* A range takes two bytes at least. */
	size_t cap = len / 2 + 4;
	size_t count = 0;
	uint64_t last = 0;

	items = calloc(cap, sizeof(*items));
	if (!items)
		return -ENOMEM;
	while (at != end) {
		uint64_t skip;
		uint64_t more;

		if (count == cap || get(&at, end, &skip) || get(&at, end, &more) ||
		    skip >= (uint64_t)INT64_MAX - last ||
		    more >= (uint64_t)INT64_MAX - last - skip) {
			free(items);
			return -EUCLEAN;
		}
		items[count].first = (int64_t)(last + skip);
		last += skip + more;
		items[count++].last = (int64_t)last;
	}
	free(ret->items);
	ret->items = items;
	ret->count = count;
	ret->cap = cap;
	return 0;
}

int packed_get_numbers(const void *data, size_t len, int64_t *ret, size_t cap, size_t *ret_count)
{
	const uint8_t *at = data;
	const uint8_t *end = at ? at + len : at;
	size_t count = 0;
	uint64_t last = 0;

	while (at != end) {
		uint64_t more;

		if (count == cap || get(&at, end, &more) || more >= (uint64_t)INT64_MAX - last)
			return -EUCLEAN;
		last += more;
		ret[count++] = (int64_t)last;
	}
	*ret_count = count;
	return 0;
}
