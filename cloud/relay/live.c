#include "cloud/relay/live.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Twice as many slots as changes: probing stays short. */
#define SLOTS ((size_t)2 * LIVE_MAX)

struct live {
	pthread_mutex_t lock;
	int fd;
	struct live_change *changes; /* in order of arrival */
	size_t count;
	uint32_t *slots; /* index into changes plus one; 0: free */
	bool overflow;
};

int live_create(struct live **ret_live)
{
	struct live *live = calloc(1, sizeof(*live));
	int r = -ENOMEM;

	if (!live)
		return r;
	live->fd = -1;
	live->changes = calloc(LIVE_MAX, sizeof(*live->changes));
	live->slots = calloc(SLOTS, sizeof(*live->slots));
	if (!live->changes || !live->slots)
		goto fail;
	live->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (live->fd < 0) {
		r = -errno;
		goto fail;
	}
	r = -pthread_mutex_init(&live->lock, NULL);
	if (r)
		goto fail;
	*ret_live = live;
	return 0;
fail:
	if (live->fd >= 0)
		(void)close(live->fd);
	free(live->changes);
	free(live->slots);
	free(live);
	return r;
}

void live_destroy(struct live *live)
{
	if (!live)
		return;
	(void)pthread_mutex_destroy(&live->lock);
	(void)close(live->fd);
	free(live->changes);
	free(live->slots);
	free(live);
}

static size_t slot_of(int64_t device)
{
	return (size_t)((uint64_t)device * UINT64_C(0x9e3779b97f4a7c15) >> 40) % SLOTS;
}

/* True where the set has grown. */
static bool add(struct live *live, int64_t workspace, int64_t device)
{
	size_t slot = slot_of(device);

	for (; live->slots[slot]; slot = (slot + 1) % SLOTS) {
		if (live->changes[live->slots[slot] - 1].device == device)
			return false;
	}
	if (live->count == LIVE_MAX) {
		live->overflow = true;
		return false;
	}
	live->changes[live->count].workspace = workspace;
	live->changes[live->count].device = device;
	live->slots[slot] = (uint32_t)++live->count;
	return true;
}

static void signal_fd(const struct live *live)
{
	const uint64_t one = 1;

	/* It can only fail where it is readable already. */
	if (write(live->fd, &one, sizeof(one)) < 0)
		return;
}

void live_changed(struct live *live, int64_t workspace, int64_t device)
{
	bool grown;

	(void)pthread_mutex_lock(&live->lock);
	grown = add(live, workspace, device);
	(void)pthread_mutex_unlock(&live->lock);
	if (grown)
		signal_fd(live);
}

/* Puts the table right after the first `taken` changes have gone. */
static void rebuild(struct live *live, size_t taken)
{
	size_t left = live->count - taken;

	for (size_t i = 0; i < SLOTS; i++)
		live->slots[i] = 0;
	live->count = 0;
	for (size_t i = 0; i < left; i++) {
		struct live_change change = live->changes[taken + i];

		(void)add(live, change.workspace, change.device);
	}
}

size_t live_take(struct live *live, struct live_change *changes, size_t cap, bool *ret_overflow)
{
	uint64_t drained;
	size_t taken;

	(void)pthread_mutex_lock(&live->lock);
	taken = live->count < cap ? live->count : cap;
	for (size_t i = 0; i < taken; i++)
		changes[i] = live->changes[i];
	*ret_overflow = live->overflow;
	live->overflow = false;
	if (taken > 0)
		rebuild(live, taken);
	if (live->count == 0 && read(live->fd, &drained, sizeof(drained)) < 0)
		drained = 0;
	(void)pthread_mutex_unlock(&live->lock);
	return taken;
}

int live_fd(const struct live *live)
{
	return live->fd;
}
