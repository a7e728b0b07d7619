#include "agent/window.h"

#include <string.h>

#define BURST_US INT64_C(2000000) /* backlog may burst what two seconds of its rate allow */

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
	window->receive_maximum = WINDOW_RECEIVE_MAX;
	pace_init(&window->pace, config->bytes - config->bytes / 4);
}

void window_broker(struct window *window, int receive_maximum)
{
	window->receive_maximum = receive_maximum;
	window->unconfirmed = 0;
}

void window_connected(struct window *window, int64_t newest, int64_t now_us)
{
	memset(window->entries, 0, sizeof(window->entries));
	window->in_flight = 0;
	window->backlog_in_flight = 0;
	window->deferred = 0;
	window->bytes = 0;
	window->backlog_bytes = 0;
	window->newest = newest;
	window->live = newest;
	window->mark = newest;
	window->behind = 0;
	window->behind_us = now_us;
	window->backlog = 0;
	window->rate_us = now_us - BURST_US;
	window->taken_bytes = 0;
	window->limited = false;
	pace_connected(&window->pace, now_us);
}

/* The link cannot follow: what has piled up is a backlog, the next batch is live again. */
static void watch_lag(struct window *window, int64_t now_us)
{
	if (window->behind <= WINDOW_LIVE_LAG_MAX &&
	    (!window->behind || now_us - window->behind_us <= WINDOW_LIVE_LAG_US))
		return;
	window->behind = 0;
	window->mark = window->newest;
	window->live = window->newest;
}

void window_stored(struct window *window, int64_t newest, int64_t count, int64_t now_us)
{
	if (newest <= window->newest)
		return;
	watch_lag(window, now_us);
	if (!window->behind)
		window->behind_us = now_us;
	window->newest = newest;
	window->behind += count;
	watch_lag(window, now_us);
}

/* 0.75 .. 1.25 of a time-out that grows by half with each attempt. */
static int64_t timeout_us(struct window *window, int attempts)
{
	int64_t us = window->config.resend_us;

	/* Never before an answer can be there. */
	if (us < 2 * window->pace.smoothed_us)
		us = 2 * window->pace.smoothed_us;
	for (int i = 1; i < attempts && us < window->config.resend_max_us; i++)
		us += us / 2;
	if (us > window->config.resend_max_us)
		us = window->config.resend_max_us;
	return us / 4 * 3 + (int64_t)(next_random(window) % 1024) * (us / 2) / 1024;
}

static int limit(const struct window *window)
{
	/* One place is kept for what is no batch. */
	const int places =
		window->receive_maximum > 2 ? window->receive_maximum - 1 : window->receive_maximum;

	return places < window->config.batches ? places : window->config.batches;
}

static int backlog_share(int places)
{
	const int share = places - places / 4;

	return share > 0 ? share : 1;
}

/* The broker takes another one, at most `places` at once. */
static bool has_place(const struct window *window, int places)
{
	return window->unconfirmed < places;
}

static bool has_room(const struct window *window)
{
	return window->in_flight < window->config.batches &&
	       (window->in_flight == 0 || window->bytes < window->config.bytes);
}

static bool backlog_has_room(const struct window *window)
{
	return window->backlog_in_flight < backlog_share(window->config.batches) &&
	       has_place(window, backlog_share(limit(window)));
}

/* What the way takes: one batch is always allowed. */
static bool pace_allows(const struct window *window)
{
	return window->backlog_in_flight == 0 || window->backlog_bytes < pace_window(&window->pace);
}

static bool rate_allows(const struct window *window, int64_t now_us)
{
	return !window->config.backlog_rate || window->rate_us <= now_us;
}

static void spend_rate(struct window *window, int64_t bytes, int64_t now_us)
{
	if (!window->config.backlog_rate)
		return;
	if (window->rate_us < now_us - BURST_US)
		window->rate_us = now_us - BURST_US;
	window->rate_us += bytes * 1000000 / window->config.backlog_rate;
}

static bool may_repeat(const struct window *window, const struct window_entry *entry)
{
	return !entry->deferred || has_room(window);
}

static struct window_entry *overdue(struct window *window, int64_t now_us)
{
	struct window_entry *first = NULL;

	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++) {
		struct window_entry *entry = &window->entries[i];

		if (!entry->id || entry->due_us > now_us || !may_repeat(window, entry))
			continue;
		if (!first || entry->due_us < first->due_us)
			first = entry;
	}
	return first;
}

static void count(struct window *window, const struct window_entry *entry, int sign)
{
	if (entry->deferred) {
		window->deferred += sign;
		return;
	}
	window->in_flight += sign;
	window->bytes += sign * entry->bytes;
	if (entry->lane == WINDOW_BACKLOG) {
		window->backlog_in_flight += sign;
		window->backlog_bytes += sign * entry->bytes;
	}
}

/* Others are acknowledged and this one never is: it must not hold a place in the window for ever. */
static bool set_aside(struct window *window, struct window_entry *entry, int64_t now_us)
{
	if (entry->deferred || entry->attempts < WINDOW_ATTEMPTS_MAX ||
	    window->acks - entry->acks < WINDOW_ATTEMPTS_MAX)
		return false;
	entry->attempts = 1;
	entry->acks = window->acks;
	window->aside++;
	window_deferred(window, entry->id, WINDOW_ASIDE_US, now_us);
	return true;
}

static bool choose_again(struct window *window, int64_t now_us, struct window_choice *choice)
{
	struct window_entry *again;

	if (!has_place(window, limit(window)))
		return false;
	do {
		again = overdue(window, now_us);
		if (!again)
			return false;
	} while (set_aside(window, again, now_us));
	choice->what = WINDOW_AGAIN;
	choice->lane = again->lane;
	choice->id = again->id;
	return true;
}

struct window_choice window_choose(struct window *window, int64_t now_us)
{
	struct window_choice choice = {.what = WINDOW_NOTHING};

	if (window->live < window->newest && has_room(window) && has_place(window, limit(window))) {
		choice.what = WINDOW_NEXT;
		choice.lane = WINDOW_LIVE;
		choice.after = window->live;
		choice.last = window->newest;
		return choice;
	}
	if (choose_again(window, now_us, &choice))
		return choice;
	if (window->backlog >= window->mark || !has_room(window) || !backlog_has_room(window) ||
	    !rate_allows(window, now_us))
		return choice;
	if (!window->backlog_in_flight)
		pace_begin(&window->pace, now_us);
	if (!pace_allows(window)) {
		window->limited = true;
		return choice;
	}
	choice.what = WINDOW_NEXT;
	choice.lane = WINDOW_BACKLOG;
	choice.after = window->backlog;
	choice.last = window->mark;
	return choice;
}

void window_pass(struct window *window, int64_t id, enum window_lane lane)
{
	if (lane == WINDOW_LIVE && id > window->live) {
		window->live = id;
		if (window->behind > 0)
			window->behind--;
	}
	if (lane == WINDOW_BACKLOG && id > window->backlog && id <= window->mark)
		window->backlog = id;
}

void window_sent(struct window *window, int64_t id, int64_t bytes, enum window_lane lane,
		 int64_t now_us)
{
	struct window_entry *entry = find(window, id);
	const bool again = entry != NULL;

	/* Cursors first: a batch may be re-sent by NEXT after live data became backlog. */
	window_pass(window, id, lane);
	if (window->live == window->newest)
		window->behind = 0;
	if (!again)
		entry = find(window, 0);
	if (!entry)
		return; /* cannot be: the table is larger than window and deferred together */
	if (again) {
		count(window, entry, -1);
		if (!entry->deferred)
			pace_lost(&window->pace, now_us);
	} else {
		entry->attempts = 0;
		entry->sent_us = now_us;
		entry->acks = window->acks;
	}
	entry->repeated = again;
	window->unconfirmed++;
	entry->id = id;
	entry->bytes = bytes;
	entry->lane = lane;
	entry->deferred = false;
	entry->confirmed = false;
	entry->attempts++;
	entry->order = ++window->sends;
	entry->last_us = now_us;
	entry->due_us = INT64_MAX;
	count(window, entry, 1);
	if (lane == WINDOW_BACKLOG)
		spend_rate(window, bytes, now_us);
}

void window_missing(struct window *window, const struct window_choice *choice)
{
	if (choice->what == WINDOW_AGAIN) {
		struct window_entry *entry = find(window, choice->id);

		if (entry) {
			count(window, entry, -1);
			memset(entry, 0, sizeof(*entry));
		}
	} else if (choice->lane == WINDOW_LIVE) {
		window->live = choice->last;
		window->behind = 0;
	} else {
		window->backlog = choice->last;
	}
}

void window_rewind(struct window *window, int64_t newest)
{
	window->backlog = 0;
	if (newest > window->newest) {
		window->newest = newest;
		window->live = newest;
		window->behind = 0;
	}
	window->mark = window->live;
}

bool window_holds(const struct window *window, int64_t id)
{
	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++)
		if (window->entries[i].id == id)
			return true;
	return false;
}

static void confirm(struct window *window, struct window_entry *entry, int64_t now_us)
{
	entry->confirmed = true;
	if (!entry->deferred)
		entry->due_us = now_us + timeout_us(window, entry->attempts);
}

static bool went_before(const struct window_entry *entry, const struct window_entry *confirmed,
			int64_t now_us)
{
	return confirmed ? entry->order < confirmed->order
			 : now_us - entry->last_us > WINDOW_PASSED_US;
}

void window_confirmed(struct window *window, int64_t id, int64_t now_us)
{
	struct window_entry *confirmed = id ? find(window, id) : NULL;

	if (window->unconfirmed > 0)
		window->unconfirmed--;
	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++) {
		struct window_entry *entry = &window->entries[i];

		if (entry->id && !entry->confirmed && went_before(entry, confirmed, now_us))
			confirm(window, entry, now_us);
	}
	if (confirmed)
		confirm(window, confirmed, now_us);
}

void window_other(struct window *window)
{
	window->unconfirmed++;
}

bool window_takes_other(const struct window *window)
{
	return has_place(window, window->receive_maximum);
}

bool window_acked(struct window *window, int64_t id, int64_t now_us)
{
	struct window_entry *entry = id ? find(window, id) : NULL;

	if (!entry)
		return false;
	window->acks++;
	/* Of one that was sent twice nobody knows which send is answered (Karn's rule). */
	if (!entry->repeated && !entry->deferred)
		pace_round_trip(&window->pace, now_us - entry->sent_us, now_us);
	if (entry->lane == WINDOW_BACKLOG && !entry->deferred)
		window->taken_bytes += entry->bytes;
	count(window, entry, -1);
	memset(entry, 0, sizeof(*entry));
	return true;
}

void window_ack_end(struct window *window, int64_t now_us)
{
	pace_acked(&window->pace, window->taken_bytes, window->limited, now_us);
	window->taken_bytes = 0;
	window->limited = false;
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
	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++) {
		struct window_entry *entry = &window->entries[i];

		if (!entry->id || entry->deferred || !entry->confirmed || entry->attempts < 2)
			continue;
		entry->due_us = now_us;
		entry->attempts = 1;
	}
}

int64_t window_due(const struct window *window, int64_t now_us)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < sizeof(window->entries) / sizeof(window->entries[0]); i++)
		/* One without room or place waits for the broker or the core, not for time. */
		if (window->entries[i].id && window->entries[i].due_us < due &&
		    may_repeat(window, &window->entries[i]) && has_place(window, limit(window)))
			due = window->entries[i].due_us;
	/* Backlog that waits for its rate. */
	if (window->config.backlog_rate && window->backlog < window->mark && has_room(window) &&
	    backlog_has_room(window) && pace_allows(window) && window->rate_us < due)
		due = window->rate_us;
	return due < now_us ? now_us : due;
}

int window_limit(const struct window *window)
{
	return limit(window);
}

int64_t window_rate(const struct window *window)
{
	const int64_t rate = pace_rate(&window->pace);
	const int64_t set = window->config.backlog_rate;

	return set && (!rate || set < rate) ? set : rate;
}
