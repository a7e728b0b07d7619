#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/queue.h"

static int numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};

static int readable(struct queue *queue)
{
	struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};

	return poll(&fd, 1, 0);
}

static void items_come_out_in_the_order_they_went_in(void **state)
{
	struct queue *queue;

	(void)state;
	assert_int_equal(queue_create(3, &queue), 0);
	for (int round = 0; round < 5; round++) {
		assert_int_equal(queue_push(queue, &numbers[1]), 0);
		assert_int_equal(queue_push(queue, &numbers[2]), 0);
		assert_int_equal(queue_count(queue), 2);
		assert_ptr_equal(queue_pop(queue), &numbers[1]);
		assert_ptr_equal(queue_pop(queue), &numbers[2]);
		assert_null(queue_pop(queue));
	}
	queue_destroy(queue, NULL);
}

static void a_full_queue_refuses_and_counts(void **state)
{
	struct queue *queue;

	(void)state;
	assert_int_equal(queue_create(2, &queue), 0);
	assert_int_equal(queue_push(queue, &numbers[1]), 0);
	assert_int_equal(queue_push(queue, &numbers[2]), 0);
	assert_int_equal(queue_push(queue, &numbers[3]), -ENOSPC);
	assert_int_equal(queue_push(queue, &numbers[3]), -ENOSPC);
	assert_int_equal(queue_refused(queue), 2);
	assert_ptr_equal(queue_pop(queue), &numbers[1]);
	assert_int_equal(queue_push(queue, &numbers[3]), 0);
	assert_int_equal(queue_refused(queue), 2);
	queue_destroy(queue, NULL);
}

static void capacities_out_of_range_are_refused(void **state)
{
	struct queue *queue = NULL;

	(void)state;
	assert_int_equal(queue_create(0, &queue), -EINVAL);
	assert_int_equal(queue_create(1048577, &queue), -EINVAL);
	assert_null(queue);
	assert_int_equal(queue_create(1048576, &queue), 0);
	queue_destroy(queue, NULL);
	queue_destroy(NULL, NULL);
}

static void the_descriptor_is_readable_while_items_wait(void **state)
{
	struct queue *queue;

	(void)state;
	assert_int_equal(queue_create(4, &queue), 0);
	assert_int_equal(readable(queue), 0);
	queue_push(queue, &numbers[1]);
	queue_push(queue, &numbers[2]);
	assert_int_equal(readable(queue), 1);
	queue_pop(queue);
	assert_int_equal(readable(queue), 1);
	queue_pop(queue);
	assert_int_equal(readable(queue), 0);
	queue_push(queue, &numbers[3]);
	assert_int_equal(readable(queue), 1);
	queue_destroy(queue, NULL);
}

static void a_closed_queue_takes_nothing_and_gives_what_it_has(void **state)
{
	struct queue *queue;

	(void)state;
	assert_int_equal(queue_create(4, &queue), 0);
	queue_push(queue, &numbers[1]);
	queue_close(queue);
	assert_int_equal(queue_push(queue, &numbers[2]), -EPIPE);
	assert_int_equal(queue_refused(queue), 0);
	assert_ptr_equal(queue_pop_wait(queue, -1), &numbers[1]);
	assert_null(queue_pop_wait(queue, -1));
	queue_destroy(queue, NULL);
}

static int destroyed;

static void count_destroyed(void *item)
{
	assert_in_range((int *)item - numbers, 0, 7);
	destroyed++;
}

static void what_is_left_is_destroyed(void **state)
{
	struct queue *queue;

	(void)state;
	destroyed = 0;
	assert_int_equal(queue_create(4, &queue), 0);
	queue_push(queue, &numbers[1]);
	queue_push(queue, &numbers[2]);
	queue_destroy(queue, count_destroyed);
	assert_int_equal(destroyed, 2);
}

static void waiting_ends_at_its_time(void **state)
{
	struct timespec before, after;
	struct queue *queue;
	int64_t ms;

	(void)state;
	assert_int_equal(queue_create(1, &queue), 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_null(queue_pop_wait(queue, 20));
	clock_gettime(CLOCK_MONOTONIC, &after);
	ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	assert_in_range(ms, 19, 10000);
	assert_null(queue_pop_wait(queue, 0));
	queue_destroy(queue, NULL);
}

#define PRODUCERS 3
#define CONSUMERS 2
#define EACH 20000

struct item {
	int producer;
	int number;
};

struct worker {
	pthread_t thread;
	struct queue *queue;
	int id;
	int got;
	int last[PRODUCERS];
	int out_of_order;
	int64_t sum;
};

static void *produce(void *arg)
{
	struct worker *worker = arg;

	for (int i = 1; i <= EACH; i++) {
		struct item *item = malloc(sizeof(*item));

		if (!item)
			break;
		item->producer = worker->id;
		item->number = i;
		/* The policy of this test: try until there is room. */
		while (queue_push(worker->queue, item) == -ENOSPC)
			sched_yield();
		worker->got++;
	}
	return NULL;
}

/* How many consumers are about to wait. */
static atomic_int waiting;

static void *consume(void *arg)
{
	struct worker *worker = arg;
	struct item *item;

	atomic_fetch_add(&waiting, 1);
	while ((item = queue_pop_wait(worker->queue, -1)) != NULL) {
		worker->got++;
		worker->sum += item->number;
		worker->out_of_order += item->number <= worker->last[item->producer];
		worker->last[item->producer] = item->number;
		free(item);
	}
	return NULL;
}

static void threads_lose_nothing_and_double_nothing(void **state)
{
	struct worker producers[PRODUCERS] = {0};
	struct worker consumers[CONSUMERS] = {0};
	struct queue *queue;
	int64_t sum = 0;
	int got = 0;

	(void)state;
	assert_int_equal(queue_create(64, &queue), 0);
	for (int i = 0; i < CONSUMERS; i++) {
		consumers[i].queue = queue;
		assert_int_equal(pthread_create(&consumers[i].thread, NULL, consume, &consumers[i]),
				 0);
	}
	for (int i = 0; i < PRODUCERS; i++) {
		producers[i].queue = queue;
		producers[i].id = i;
		assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]),
				 0);
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i].thread, NULL);
	queue_close(queue);
	for (int i = 0; i < CONSUMERS; i++) {
		pthread_join(consumers[i].thread, NULL);
		got += consumers[i].got;
		sum += consumers[i].sum;
		assert_int_equal(consumers[i].out_of_order, 0);
	}
	assert_int_equal(got, PRODUCERS * EACH);
	assert_true(sum == (int64_t)PRODUCERS * EACH * (EACH + 1) / 2);
	assert_int_equal(readable(queue), 0);
	queue_destroy(queue, NULL);
}

static void closing_wakes_every_waiter(void **state)
{
	struct worker consumers[CONSUMERS] = {0};
	struct queue *queue;

	(void)state;
	atomic_store(&waiting, 0);
	assert_int_equal(queue_create(4, &queue), 0);
	for (int i = 0; i < CONSUMERS; i++) {
		consumers[i].queue = queue;
		assert_int_equal(pthread_create(&consumers[i].thread, NULL, consume, &consumers[i]),
				 0);
	}
	/* Nothing tells that a thread sleeps; give them many turns to fall asleep. A queue that wakes
	 * only one of them hangs here, into the time-out. */
	while (atomic_load(&waiting) < CONSUMERS)
		sched_yield();
	for (int i = 0; i < 10000; i++)
		sched_yield();
	queue_close(queue);
	for (int i = 0; i < CONSUMERS; i++)
		pthread_join(consumers[i].thread, NULL);
	queue_destroy(queue, NULL);
}

int suite_base_queue(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_in_the_order_they_went_in),
		cmocka_unit_test(a_full_queue_refuses_and_counts),
		cmocka_unit_test(capacities_out_of_range_are_refused),
		cmocka_unit_test(the_descriptor_is_readable_while_items_wait),
		cmocka_unit_test(a_closed_queue_takes_nothing_and_gives_what_it_has),
		cmocka_unit_test(what_is_left_is_destroyed),
		cmocka_unit_test(waiting_ends_at_its_time),
		cmocka_unit_test(threads_lose_nothing_and_double_nothing),
		cmocka_unit_test(closing_wakes_every_waiter),
	};

	return cmocka_run_group_tests_name("base.queue", tests, NULL, NULL);
}
