#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BATCH 64
#define MAX_SIGNAL 64

struct loop {
	struct clock *clock;
	int epoll_fd;

	/* What the last wait reported. loop_fd_remove() clears entries that are still to come, so
	 * that no callback runs for a watch that another one has removed. */
	struct epoll_event batch[BATCH];
	int batch_len;
	int batch_at;

	/* Timers in a binary heap by time, those of the same time in the order of arming. */
	struct loop_timer **timers;
	unsigned n_timers;
	unsigned cap_timers;
	uint64_t next_order;

	/* CLOCK_BOOTTIME, so that a timer which ran out in suspend fires at once, and exact to the
	 * microsecond, which the timeout of epoll_wait(2) is not. */
	struct loop_fd timer_watch;
	int64_t timer_armed_us; /* what it is set to; INT64_MAX: nothing */

	struct loop_fd wake_watch; /* eventfd */
	atomic_bool stop;

	struct loop_fd signal_watch; /* signalfd; its fd is -1 until it is needed */
	sigset_t signals;
	struct {
		loop_signal_fn *fn;
		void *arg;
	} handlers[MAX_SIGNAL + 1];
};

static uint32_t to_epoll(unsigned events)
{
	return (events & LOOP_READ ? EPOLLIN : 0U) | (events & LOOP_WRITE ? EPOLLOUT : 0U);
}

static unsigned from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? (unsigned)LOOP_READ : 0U) |
	       (events & EPOLLOUT ? (unsigned)LOOP_WRITE : 0U) |
	       (events & (EPOLLHUP | EPOLLERR) ? (unsigned)LOOP_HANGUP : 0U);
}

int loop_fd_add(struct loop *loop, struct loop_fd *watch, int fd, unsigned events, loop_fd_fn *fn,
		void *arg)
{
	struct epoll_event event = {.events = to_epoll(events), .data.ptr = watch};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	watch->fn = fn;
	watch->arg = arg;
	watch->fd = fd;
	watch->events = events;
	watch->loop = loop;
	return 0;
}

int loop_fd_set(struct loop_fd *watch, unsigned events)
{
	struct epoll_event event = {.events = to_epoll(events), .data.ptr = watch};

	if (!watch->loop)
		return -EINVAL;
	if (events == watch->events)
		return 0;
	if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
		return -errno;
	watch->events = events;
	return 0;
}

void loop_fd_remove(struct loop_fd *watch)
{
	struct loop *loop = watch->loop;

	if (!loop)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = loop->batch_at; i < loop->batch_len; i++) {
		if (loop->batch[i].data.ptr == watch)
			loop->batch[i].data.ptr = NULL;
	}
	watch->loop = NULL;
}

static bool sooner(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->due_us < b->due_us || (a->due_us == b->due_us && a->order < b->order);
}

static void place(struct loop *loop, struct loop_timer *timer, unsigned slot)
{
	loop->timers[slot] = timer;
	timer->slot = slot;
}

/* Moves a timer to where it belongs, starting in `slot`, whose content is free. */
static void sift(struct loop *loop, struct loop_timer *timer, unsigned slot)
{
	while (slot && sooner(timer, loop->timers[(slot - 1) / 2])) {
		place(loop, loop->timers[(slot - 1) / 2], slot);
		slot = (slot - 1) / 2;
	}
	for (;;) {
		unsigned child = 2 * slot + 1;

		if (child + 1 < loop->n_timers &&
		    sooner(loop->timers[child + 1], loop->timers[child]))
			child++;
		if (child >= loop->n_timers || !sooner(loop->timers[child], timer))
			break;
		place(loop, loop->timers[child], slot);
		slot = child;
	}
	place(loop, timer, slot);
}

static int grow_timers(struct loop *loop)
{
	unsigned cap = loop->cap_timers ? 2 * loop->cap_timers : 16;
	struct loop_timer **timers;

	if (loop->n_timers < loop->cap_timers)
		return 0;
	timers = reallocarray(loop->timers, cap, sizeof(struct loop_timer *));
	if (!timers)
		return -ENOMEM;
	loop->timers = timers;
	loop->cap_timers = cap;
	return 0;
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t after_us, loop_timer_fn *fn,
		   void *arg)
{
	int64_t now = loop_now_us(loop);
	unsigned slot;
	int r;

	if (timer->loop) {
		slot = timer->slot;
	} else {
		r = grow_timers(loop);
		if (r < 0)
			return r;
		slot = loop->n_timers++;
	}
	if (after_us < 0)
		after_us = 0;
	timer->fn = fn;
	timer->arg = arg;
	if (__builtin_add_overflow(now, after_us, &timer->due_us))
		timer->due_us = INT64_MAX;
	timer->order = loop->next_order++;
	timer->loop = loop;
	sift(loop, timer, slot);
	return 0;
}

void loop_timer_cancel(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;
	struct loop_timer *last;

	if (!loop)
		return;
	timer->loop = NULL;
	last = loop->timers[--loop->n_timers];
	if (last != timer)
		sift(loop, last, timer->slot);
}

/* The eventfd or timerfd has done its work by waking us; empty it. */
static void drain(struct loop_fd *watch, unsigned events)
{
	uint64_t count;
	ssize_t n;

	(void)events;
	do
		n = read(watch->fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
}

static void timer_ran_out(struct loop_fd *watch, unsigned events)
{
	drain(watch, events);
	watch->loop->timer_armed_us = INT64_MAX;
}

/* Sets the timerfd to the first timer. A fake clock's time does not pass by waiting. */
static int arm_timerfd(struct loop *loop)
{
	struct itimerspec when = {.it_value = {0, 0}};
	int64_t due = loop->n_timers ? loop->timers[0]->due_us : INT64_MAX;
	int64_t wait;

	if (clock_is_fake(loop->clock) || due == loop->timer_armed_us)
		return 0;
	if (due != INT64_MAX) {
		wait = due - loop_now_us(loop);
		if (wait < 1)
			wait = 1; /* 0 would disarm it */
		when.it_value.tv_sec = (time_t)(wait / 1000000);
		when.it_value.tv_nsec = (long)(wait % 1000000 * 1000);
	}
	if (timerfd_settime(loop->timer_watch.fd, 0, &when, NULL) < 0)
		return -errno;
	loop->timer_armed_us = due;
	return 0;
}

/* Runs the timers that are due, at most as many as there were at the start: one that arms itself
 * with no delay waits for the next round. */
static int run_timers(struct loop *loop)
{
	int64_t now = loop_now_us(loop);
	unsigned most = loop->n_timers;
	int ran = 0;

	while (most-- && loop->n_timers && loop->timers[0]->due_us <= now) {
		struct loop_timer *timer = loop->timers[0];

		loop_timer_cancel(timer);
		timer->fn(timer);
		ran++;
	}
	return ran;
}

static bool is_own(const struct loop *loop, const struct loop_fd *watch)
{
	return watch == &loop->timer_watch || watch == &loop->wake_watch;
}

static int run_batch(struct loop *loop)
{
	int ran = 0;

	for (loop->batch_at = 0; loop->batch_at < loop->batch_len;) {
		struct epoll_event *event = &loop->batch[loop->batch_at++];
		struct loop_fd *watch = event->data.ptr;
		bool own;

		if (!watch)
			continue;
		own = is_own(loop, watch); /* afterwards the watch may be gone */
		watch->fn(watch, from_epoll(event->events));
		if (!own)
			ran++;
	}
	loop->batch_len = 0;
	return ran;
}

int loop_run_once(struct loop *loop, int max_wait_ms)
{
	int r = arm_timerfd(loop);

	if (r < 0)
		return r;
	if (loop->n_timers && loop->timers[0]->due_us <= loop_now_us(loop))
		max_wait_ms = 0;
	r = epoll_wait(loop->epoll_fd, loop->batch, BATCH, max_wait_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	loop->batch_len = r;
	r = run_batch(loop);
	return r + run_timers(loop);
}

int loop_run(struct loop *loop)
{
	int r = 0;

	while (r >= 0 && !atomic_exchange(&loop->stop, false))
		r = loop_run_once(loop, -1);
	return r < 0 ? r : 0;
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stop, true);
	loop_wake(loop);
}

void loop_wake(struct loop *loop)
{
	static const uint64_t one = 1;

	/* Fails only when the counter is full, and then the loop wakes anyway. */
	while (write(loop->wake_watch.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void signals_came(struct loop_fd *watch, unsigned events)
{
	struct loop *loop = watch->loop;
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo <= MAX_SIGNAL && loop->handlers[info.ssi_signo].fn)
		loop->handlers[info.ssi_signo].fn(loop->handlers[info.ssi_signo].arg,
						  (int)info.ssi_signo);
}

int loop_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *arg)
{
	sigset_t wanted = loop->signals;
	sigset_t one;
	int fd, r;

	if (signo < 1 || signo > MAX_SIGNAL || sigaddset(&wanted, signo) < 0)
		return -EINVAL;
	sigemptyset(&one);
	sigaddset(&one, signo);
	r = pthread_sigmask(SIG_BLOCK, &one, NULL);
	if (r)
		return -r;
	fd = signalfd(loop->signal_watch.fd, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (!loop->signal_watch.loop) {
		r = loop_fd_add(loop, &loop->signal_watch, fd, LOOP_READ, signals_came, NULL);
		if (r < 0) {
			close(fd);
			return r;
		}
	}
	loop->signals = wanted;
	loop->handlers[signo].fn = fn;
	loop->handlers[signo].arg = arg;
	return 0;
}

/* Watches a descriptor of the loop's own; the watch owns it. */
static int add_own(struct loop *loop, struct loop_fd *watch, int fd, loop_fd_fn *fn)
{
	int r;

	if (fd < 0)
		return -errno;
	r = loop_fd_add(loop, watch, fd, LOOP_READ, fn, NULL);
	if (r < 0)
		close(fd);
	return r;
}

int loop_create(struct clock *clock, struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	loop->clock = clock;
	loop->timer_armed_us = INT64_MAX;
	loop->timer_watch.fd = -1;
	loop->wake_watch.fd = -1;
	loop->signal_watch.fd = -1;
	sigemptyset(&loop->signals);
	atomic_init(&loop->stop, false);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		r = -errno;
		goto fail;
	}
	r = add_own(loop, &loop->wake_watch, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), drain);
	if (r < 0)
		goto fail;
	r = add_own(loop, &loop->timer_watch,
		    timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), timer_ran_out);
	if (r < 0)
		goto fail;
	*ret_loop = loop;
	return 0;
fail:
	loop_destroy(loop);
	return r;
}

static void close_own(struct loop_fd *watch)
{
	if (watch->loop)
		close(watch->fd);
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	close_own(&loop->timer_watch);
	close_own(&loop->wake_watch);
	close_own(&loop->signal_watch);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop->timers);
	free(loop);
}

int64_t loop_now_us(const struct loop *loop)
{
	return clock_mono_us(loop->clock);
}

int64_t loop_due_us(const struct loop *loop)
{
	return loop->n_timers ? loop->timers[0]->due_us : INT64_MAX;
}
