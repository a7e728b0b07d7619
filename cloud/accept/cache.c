#include "cloud/accept/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bucket {
	struct cache_entry *first;
};

struct cache {
	struct bucket *buckets;
	size_t bucket_count; /* a power of two */
	size_t capacity, count;
	struct cache_entry *newest, *oldest;
};

int cache_create(size_t capacity, struct cache **ret_cache)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->capacity = capacity;
	cache->bucket_count = 64;
	while (cache->bucket_count < capacity && cache->bucket_count < ((size_t)1 << 20))
		cache->bucket_count *= 2;
	cache->buckets = calloc(cache->bucket_count, sizeof(cache->buckets[0]));
	if (!cache->buckets) {
		free(cache);
		return -ENOMEM;
	}
	*ret_cache = cache;
	return 0;
}

void cache_destroy(struct cache *cache)
{
	if (!cache)
		return;
	cache_drop(cache);
	free(cache->buckets);
	free(cache);
}

/* FNV-1a. */
static size_t bucket_of(const struct cache *cache, int64_t workspace, const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)workspace;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
	return (size_t)(hash ^ hash >> 32) & (cache->bucket_count - 1);
}

static void unlink_lru(struct cache *cache, struct cache_entry *entry)
{
	if (entry->lru_prev)
		entry->lru_prev->lru_next = entry->lru_next;
	else
		cache->newest = entry->lru_next;
	if (entry->lru_next)
		entry->lru_next->lru_prev = entry->lru_prev;
	else
		cache->oldest = entry->lru_prev;
}

static void link_newest(struct cache *cache, struct cache_entry *entry)
{
	entry->lru_prev = NULL;
	entry->lru_next = cache->newest;
	if (cache->newest)
		cache->newest->lru_prev = entry;
	else
		cache->oldest = entry;
	cache->newest = entry;
}

static void drop_entry(struct cache *cache, struct cache_entry *entry)
{
	struct cache_entry **at =
		&cache->buckets[bucket_of(cache, entry->device.workspace, entry->device.name)]
			 .first;

	while (*at != entry)
		at = &(*at)->hash_next;
	*at = entry->hash_next;
	unlink_lru(cache, entry);
	free(entry);
	cache->count--;
}

/* Dirty ones wait for their transaction, so the cache may stand above its capacity until then. */
static void make_room(struct cache *cache)
{
	struct cache_entry *entry = cache->oldest;

	while (cache->count >= cache->capacity && entry) {
		struct cache_entry *younger = entry->lru_prev;

		if (!entry->dirty)
			drop_entry(cache, entry);
		entry = younger;
	}
}

static int load(struct coredb *db, int64_t workspace, const char *name, struct cache_entry *entry)
{
	int r = coredb_device_find(db, workspace, name, &entry->device);

	if (r)
		return r;
	model_device_init(&entry->cells, name);
	coredb_state_init(&entry->state);
	r = coredb_state_get(db, entry->device.id, &entry->state);
	if (r && r != -ENOENT)
		return r;
	r = coredb_body_get(db, entry->device.id, &entry->cells);
	return r == -ENOENT ? 0 : r;
}

int cache_get(struct cache *cache, struct coredb *db, int64_t workspace, const char *name,
	      struct cache_entry **ret_entry)
{
	size_t bucket = bucket_of(cache, workspace, name);
	struct cache_entry *entry;
	int r;

	for (entry = cache->buckets[bucket].first; entry; entry = entry->hash_next) {
		if (entry->device.workspace != workspace || strcmp(entry->device.name, name) != 0)
			continue;
		unlink_lru(cache, entry);
		link_newest(cache, entry);
		*ret_entry = entry;
		return 0;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	r = load(db, workspace, name, entry);
	if (r) {
		free(entry);
		return r;
	}
	make_room(cache);
	entry->hash_next = cache->buckets[bucket].first;
	cache->buckets[bucket].first = entry;
	link_newest(cache, entry);
	cache->count++;
	*ret_entry = entry;
	return 0;
}

void cache_drop(struct cache *cache)
{
	struct cache_entry *entry = cache->newest;

	while (entry) {
		struct cache_entry *older = entry->lru_next;

		free(entry);
		entry = older;
	}
	for (size_t i = 0; i < cache->bucket_count; i++)
		cache->buckets[i].first = NULL;
	cache->newest = NULL;
	cache->oldest = NULL;
	cache->count = 0;
}

int cache_each(struct cache *cache, int (*fn)(void *arg, struct cache_entry *entry), void *arg)
{
	int r = 0;

	for (struct cache_entry *entry = cache->newest; entry && !r; entry = entry->lru_next)
		r = fn(arg, entry);
	return r;
}
