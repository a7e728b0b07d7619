/* A bounded queue of pointers between two threads (any number of producers and consumers).
 *
 * It never grows. When it is full queue_push() says so and the caller carries out the policy that
 * its own documentation names; the queue counts the refusals.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue;

/* Room for `capacity` items (1..1,048,576). Returns 0, -EINVAL, -ENOMEM or -errno of eventfd(2). */
int queue_create(size_t capacity, struct queue **ret_queue);

/* Frees what is still inside through `destroy` (may be NULL). NULL queue is accepted. No thread may
 * use the queue any more. */
void queue_destroy(struct queue *queue, void (*destroy)(void *item));

/* Hands over ownership of `item` (not NULL). Returns 0; -ENOSPC when full and -EPIPE when closed,
 * and then the caller still owns it. Never blocks. */
int queue_push(struct queue *queue, void *item);

/* The oldest item, now the caller's; NULL when empty. Never blocks. */
void *queue_pop(struct queue *queue);

/* The oldest item; waits at most `timeout_ms` (-1: for ever). NULL on time-out, or when the queue is
 * closed and empty. */
void *queue_pop_wait(struct queue *queue, int timeout_ms);

/* No more pushes; wakes every waiter. */
void queue_close(struct queue *queue);

/* Readable while items wait; for event loops. Owned by the queue. */
int queue_fd(const struct queue *queue);

size_t queue_count(struct queue *queue);
uint64_t queue_refused(struct queue *queue);

#endif
