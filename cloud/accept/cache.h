/* Devices with their cells in memory, found by name, bounded: the least recently used go, unless the
 * open transaction has changed them. One thread. */
#ifndef CLOUD_ACCEPT_CACHE_H
#define CLOUD_ACCEPT_CACHE_H

#include "storage/coredb/state.h"

struct cache_entry {
	struct coredb_device device;
	struct coredb_state state;
	struct model_device cells;
	bool dirty; /* differs from the database */
	/* Gateways and days that are known to have fed it; the oldest gives way. */
	struct {
		int64_t gateway, day;
	} fed[4];
	unsigned fed_next;
	/* The cache's own. */
	struct cache_entry *hash_next, *lru_prev, *lru_next;
};

struct cache;

int cache_create(size_t capacity, struct cache **ret_cache); /* 0 or -ENOMEM */
void cache_destroy(struct cache *cache);                     /* NULL is accepted */

/* The entry of a device, loaded where it is not there: 0, -ENOENT (no such device), -errno. It stays
 * where it is until cache_drop(), or until it is not dirty and others are loaded. */
int cache_get(struct cache *cache, struct coredb *db, int64_t workspace, const char *name,
	      struct cache_entry **ret_entry);

/* Forgets everything. */
void cache_drop(struct cache *cache);

/* Calls `fn` for every entry, most recently used first, until it returns non-zero; returns that. */
int cache_each(struct cache *cache, int (*fn)(void *arg, struct cache_entry *entry), void *arg);

#endif
