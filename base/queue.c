#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define CAPACITY_MAX 1048576

struct queue {
	pthread_mutex_t lock; /* all that follows but `fd` and `capacity` */
	pthread_cond_t filled;
	int fd; /* its counter is 1 while items wait, else 0 */
	size_t capacity;
	size_t first;
	size_t count;
	uint64_t refused;
	bool closed;
	void *items[];
};

/* The condition waits on CLOCK_MONOTONIC, which nobody sets. */
static int init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int r = pthread_condattr_init(&attr);

	if (r)
		return -r;
	r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!r)
		r = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -r;
}

int queue_create(size_t capacity, struct queue **ret_queue)
{
	struct queue *queue;
	int r;

	if (capacity < 1 || capacity > CAPACITY_MAX)
		return -EINVAL;
	queue = calloc(1, sizeof(*queue) + capacity * sizeof(queue->items[0]));
	if (!queue)
		return -ENOMEM;
	queue->capacity = capacity;
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->fd < 0) {
		r = -errno;
		goto fail_fd;
	}
	r = -pthread_mutex_init(&queue->lock, NULL);
	if (r)
		goto fail_lock;
	r = init_cond(&queue->filled);
	if (r)
		goto fail_cond;
	*ret_queue = queue;
	return 0;
fail_cond:
	pthread_mutex_destroy(&queue->lock);
fail_lock:
	close(queue->fd);
fail_fd:
	free(queue);
	return r;
}

void queue_destroy(struct queue *queue, void (*destroy)(void *item))
{
	void *item;

	if (!queue)
		return;
	while ((item = queue_pop(queue)) != NULL) {
		if (destroy)
			destroy(item);
	}
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
	close(queue->fd);
	free(queue);
}

/* Neither can fail: the counter goes from 0 to 1 and back, under the lock. */
static void mark_filled(struct queue *queue)
{
	static const uint64_t one = 1;

	while (write(queue->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void mark_empty(struct queue *queue)
{
	uint64_t count;

	while (read(queue->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

int queue_push(struct queue *queue, void *item)
{
	int r = 0;

	pthread_mutex_lock(&queue->lock);
	if (queue->closed) {
		r = -EPIPE;
	} else if (queue->count == queue->capacity) {
		queue->refused++;
		r = -ENOSPC;
	} else {
		queue->items[(queue->first + queue->count) % queue->capacity] = item;
		if (!queue->count++)
			mark_filled(queue);
		pthread_cond_signal(&queue->filled);
	}
	pthread_mutex_unlock(&queue->lock);
	return r;
}

/* With the lock held. */
static void *take(struct queue *queue)
{
	void *item;

	if (!queue->count)
		return NULL;
	item = queue->items[queue->first];
	queue->first = (queue->first + 1) % queue->capacity;
	if (!--queue->count)
		mark_empty(queue);
	return item;
}

void *queue_pop(struct queue *queue)
{
	void *item;

	pthread_mutex_lock(&queue->lock);
	item = take(queue);
	pthread_mutex_unlock(&queue->lock);
	return item;
}

static struct timespec deadline_after(int ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000L;
	if (at.tv_nsec >= 1000000000L) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000L;
	}
	return at;
}

void *queue_pop_wait(struct queue *queue, int timeout_ms)
{
	struct timespec deadline = deadline_after(timeout_ms < 0 ? 0 : timeout_ms);
	void *item;
	int r = 0;

	pthread_mutex_lock(&queue->lock);
	while (!queue->count && !queue->closed && !r) {
		if (timeout_ms < 0)
			r = pthread_cond_wait(&queue->filled, &queue->lock);
		else
			r = pthread_cond_timedwait(&queue->filled, &queue->lock, &deadline);
	}
	item = take(queue);
	pthread_mutex_unlock(&queue->lock);
	return item;
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}

int queue_fd(const struct queue *queue)
{
	return queue->fd;
}

size_t queue_count(struct queue *queue)
{
	size_t count;

	pthread_mutex_lock(&queue->lock);
	count = queue->count;
	pthread_mutex_unlock(&queue->lock);
	return count;
}

uint64_t queue_refused(struct queue *queue)
{
	uint64_t refused;

	pthread_mutex_lock(&queue->lock);
	refused = queue->refused;
	pthread_mutex_unlock(&queue->lock);
	return refused;
}
