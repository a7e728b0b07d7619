#include "agent/window.h"

#include <string.h>

#define CREDIT_MAX_US 2000000 /* backlog may burst what two seconds allow */

static struct window_entry *find(struct window *window, int64_t id)
{
	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++)
		if (window->entries[i].id == id)
			return &window->entries[i];
	return NULL;
}

/* xorshift32: only spreads resends, nothing depends on its quality. */
static uint32_t next_random(struct window *window)
{
	uint32_t x = window->random;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	window->random = x;
	return x;
}

void window_init(struct window *window, const struct window_config *config, uint32_t seed)
{
	memset(window, 0, sizeof(*window));
	window->config = *config;
	window->random = seed ? seed : 1;
}

void window_connected(struct window *window, int64_t newest, int64_t now_us)
{
	memset(window->entries, 0, sizeof(window->entries));
	window->in_flight = 0;
	window->backlog_in_flight = 0;
	window->deferred = 0;
	window->bytes = 0;
	window->newest = newest;
	window->live = newest;
	window->mark = newest;
	window->behind = 0;
	window->backlog = 0;
	window->credit = 0;
	window->credit_us = now_us - CREDIT_MAX_US;
}

void window_stored(struct window *window, int64_t newest, int64_t count)
{
	if (newest <= window->newest)
		return;
	window->newest = newest;
	window->behind += count;
	/* The link cannot follow: what has piled up is a backlog, the next batch is live again. */
	if (window->behind > WINDOW_LIVE_LAG_MAX) {
		window->behind = 0;
		window->mark = window->newest;
		window->live = window->newest;
	}
}

/* 0.75 .. 1.25 of a time-out that grows by half with each attempt. */
static int64_t timeout_us(struct window *window, int attempts)
{
	int64_t us = window->config.resend_us;

	for (int i = 1; i < attempts && us < window->config.resend_max_us; i++)
		us += us / 2;
	if (us > window->config.resend_max_us)
		us = window->config.resend_max_us;
	return us / 4 * 3 + (int64_t)(next_random(window) % 1024) * (us / 2) / 1024;
}

static bool has_room(const struct window *window)
{
	return window->in_flight < window->config.batches &&
	       (window->in_flight == 0 || window->bytes < window->config.bytes);
}

static bool backlog_has_room(const struct window *window)
{
	const int share = window->config.batches - window->config.batches / 4;

	return window->backlog_in_flight < (share > 0 ? share : 1);
}

static void earn_credit(struct window *window, int64_t now_us)
{
	int64_t us = now_us - window->credit_us;

	if (us > CREDIT_MAX_US)
		us = CREDIT_MAX_US;
	if (us < 1000)
		return;
	window->credit += window->config.backlog_rate * (us / 1000) / 1000;
	if (window->credit > window->config.backlog_rate * 2)
		window->credit = window->config.backlog_rate * 2;
	window->credit_us = now_us;
}

static struct window_entry *overdue(struct window *window, int64_t now_us)
{
	struct window_entry *first = NULL;

	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++) {
		struct window_entry *entry = &window->entries[i];

		if (!entry->id || entry->due_us > now_us || (entry->deferred && !has_room(window)))
			continue;
		if (!first || entry->due_us < first->due_us)
			first = entry;
	}
	return first;
}

struct window_choice window_choose(struct window *window, int64_t now_us)
{
	struct window_choice choice = {.what = WINDOW_NOTHING};
	const struct window_entry *again;

	if (has_room(window) && window->live < window->newest) {
		choice.what = WINDOW_NEXT;
		choice.lane = WINDOW_LIVE;
		choice.after = window->live;
		choice.last = window->newest;
		return choice;
	}
	again = overdue(window, now_us);
	if (again) {
		choice.what = WINDOW_AGAIN;
		choice.lane = again->lane;
		choice.id = again->id;
		return choice;
	}
	if (!has_room(window) || !backlog_has_room(window) || window->backlog >= window->mark)
		return choice;
	earn_credit(window, now_us);
	if (window->config.backlog_rate && window->credit <= 0)
		return choice;
	choice.what = WINDOW_NEXT;
	choice.lane = WINDOW_BACKLOG;
	choice.after = window->backlog;
	choice.last = window->mark;
	return choice;
}

static void count(struct window *window, const struct window_entry *entry, int sign)
{
	if (entry->deferred) {
		window->deferred += sign;
		return;
	}
	window->in_flight += sign;
	window->bytes += sign * entry->bytes;
	if (entry->lane == WINDOW_BACKLOG)
		window->backlog_in_flight += sign;
}

void window_sent(struct window *window, int64_t id, int64_t bytes, enum window_lane lane,
		 int64_t now_us)
{
	struct window_entry *entry = find(window, id);
	const bool again = entry != NULL;

	/* Cursors first: a batch may be re-sent by NEXT after live data became backlog. */
	if (lane == WINDOW_LIVE && id > window->live) {
		window->live = id;
		if (window->behind > 0)
			window->behind--;
	}
	if (lane == WINDOW_BACKLOG && id > window->backlog && id <= window->mark)
		window->backlog = id;
	if (!again)
		entry = find(window, 0);
	if (!entry)
		return; /* cannot be: the table is larger than window and deferred together */
	if (again)
		count(window, entry, -1);
	else
		entry->attempts = 0;
	entry->id = id;
	entry->bytes = bytes;
	entry->lane = lane;
	entry->deferred = false;
	entry->attempts++;
	entry->due_us = now_us + timeout_us(window, entry->attempts);
	count(window, entry, 1);
	if (lane == WINDOW_BACKLOG)
		window->credit -= bytes;
}

void window_missing(struct window *window, const struct window_choice *choice)
{
	if (choice->what == WINDOW_AGAIN) {
		(void)window_acked(window, choice->id);
	} else if (choice->lane == WINDOW_LIVE) {
		window->live = choice->last;
		window->behind = 0;
	} else {
		window->backlog = choice->last;
	}
}

bool window_acked(struct window *window, int64_t id)
{
	struct window_entry *entry = id ? find(window, id) : NULL;

	if (!entry)
		return false;
	count(window, entry, -1);
	memset(entry, 0, sizeof(*entry));
	return true;
}

void window_deferred(struct window *window, int64_t id, int64_t retry_us, int64_t now_us)
{
	struct window_entry *entry = id ? find(window, id) : NULL;

	if (!entry)
		return;
	count(window, entry, -1);
	entry->deferred = window->deferred < WINDOW_DEFERRED_MAX;
	entry->due_us = now_us + retry_us;
	count(window, entry, 1);
}

void window_hurry(struct window *window, int64_t now_us)
{
	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++)
		if (window->entries[i].id && !window->entries[i].deferred &&
		    window->entries[i].attempts > 1) {
			window->entries[i].due_us = now_us;
			window->entries[i].attempts = 1;
		}
}

int64_t window_due(const struct window *window, int64_t now_us)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++)
		/* A deferred one without room waits for an acknowledgement, not for time. */
		if (window->entries[i].id && window->entries[i].due_us < due &&
		    (!window->entries[i].deferred || has_room(window)))
			due = window->entries[i].due_us;
	/* Backlog that waits for its rate. */
	if (window->config.backlog_rate && window->backlog < window->mark && has_room(window) &&
	    backlog_has_room(window)) {
		const int64_t owed = window->credit < 0 ? -window->credit : 0;
		const int64_t at = window->credit_us + 10000 +
				   owed * 1000 / window->config.backlog_rate * 1000;

		if (at < due)
			due = at;
	}
	return due < now_us ? now_us : due;
}
