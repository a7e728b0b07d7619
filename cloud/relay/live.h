/* Which devices have changed, from the writer to the live push: a set, so that a device that changes
 * often stands in it once. Bounded: past LIVE_MAX it only knows that too many changed, and the reader
 * looks at everything. Any thread may call. */
#ifndef CLOUD_RELAY_LIVE_H
#define CLOUD_RELAY_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_MAX 65536

struct live;

struct live_change {
	int64_t workspace, device; /* rows */
};

int live_create(struct live **ret_live); /* 0, -ENOMEM, or -errno of eventfd(2) */
void live_destroy(struct live *live);    /* NULL is accepted */

/* A device has changed. Never blocks for long, never fails: what does not fit sets the overflow. */
void live_changed(struct live *live, int64_t workspace, int64_t device);

/* Takes up to `cap` changes; *ret_overflow (not NULL): more changed than were kept, look at all.
 * Returns how many were taken. */
size_t live_take(struct live *live, struct live_change *changes, size_t cap, bool *ret_overflow);

/* Readable while changes wait; for event loops. Owned by the set. */
int live_fd(const struct live *live);

#endif
