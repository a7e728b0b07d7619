/* Batches from the spool to the broker. */
#include <errno.h>
#include <string.h>

#include "agent/uplink_priv.h"

#define SENDS_MAX 64 /* a round, so that the loop stays live */
#define RETRY_SPOOL_US 1000000
#define FLOOR_US 1000000 /* an older one only states less */

/* A look at the spool, from which batches are sent while it lasts: it must not be called meanwhile. */
struct look {
	struct uplink *uplink;
	struct window_choice choice; /* the batch that comes next is for it */
	bool shown;                  /* there was a batch for the choice */
	bool floor_asked;            /* the spool is to be asked for the floor of `epoch` first */
	char epoch[IDS_RANDOM_SIZE];
	int sent;
	int error; /* -errno */
};

static int take_id(void *arg, const struct spool_batch *batch)
{
	*(int64_t *)arg = batch->id;
	return 1;
}

/* The youngest batch in the spool; 0 where it is empty. */
static int newest_id(struct uplink *uplink, int64_t *ret_id)
{
	int64_t id = 0;
	const int r = spool_peek(uplink->env->spool, SPOOL_NEWEST_FIRST, 0, 1, take_id, &id);

	if (r < 0)
		return r;
	*ret_id = id;
	return 0;
}

void uplink_data_begin(struct uplink *uplink)
{
	int64_t newest = 0;
	const int r = newest_id(uplink, &newest);

	if (r)
		uplink_spool_error(uplink, r);
	memset(uplink->flights, 0, sizeof(uplink->flights));
	uplink->floor_us = MODEL_NO_TIME;
	window_connected(&uplink->window, newest, loop_now_us(uplink->env->loop));
}

void uplink_data_end(struct uplink *uplink)
{
	loop_timer_cancel(&uplink->pump);
	uplink_data_settle(uplink);
	memset(uplink->flights, 0, sizeof(uplink->flights));
}

void uplink_stored(struct uplink *uplink, size_t count)
{
	int64_t newest;
	int r;

	if (uplink->report.state != UPLINK_ONLINE || !uplink->subscribed)
		return;
	r = newest_id(uplink, &newest);
	if (r) {
		uplink_spool_error(uplink, r);
		return;
	}
	window_stored(&uplink->window, newest, (int64_t)count, loop_now_us(uplink->env->loop));
	uplink_data_pump(uplink);
}

void uplink_spool_passed_over(struct uplink *uplink)
{
	int64_t newest = 0;
	int r;

	if (uplink->report.state != UPLINK_ONLINE || !uplink->subscribed)
		return; /* a connection begins with the oldest */
	r = newest_id(uplink, &newest);
	if (r) {
		uplink_spool_error(uplink, r);
		return;
	}
	window_rewind(&uplink->window, newest);
	uplink_data_soon(uplink);
}

/* ---- one batch ---- */

/* The floor of an epoch rises with acknowledgements; stating an older one is harmless, and asking for
 * each batch costs more than sending it. */
static bool knows_floor(const struct uplink *uplink, const char *epoch)
{
	return uplink->floor_us != MODEL_NO_TIME &&
	       uplink_now_us(uplink) - uplink->floor_us < FLOOR_US &&
	       strcmp(uplink->floor_epoch, epoch) == 0;
}

static int ask_floor(struct uplink *uplink, const char *epoch)
{
	int64_t floor;
	const int r = spool_floor(uplink->env->spool, epoch, &floor);

	if (r)
		return r;
	uplink->floor = floor;
	uplink->floor_us = uplink_now_us(uplink);
	memcpy(uplink->floor_epoch, epoch, sizeof(uplink->floor_epoch));
	return 0;
}

static int encode(struct uplink *uplink, const struct spool_batch *batch, enum window_lane lane)
{
	struct wire_header header = {0};

	memcpy(header.epoch, batch->epoch, sizeof(header.epoch));
	memcpy(header.prev, batch->prev, sizeof(header.prev));
	memcpy(header.session, uplink->session, sizeof(header.session));
	memcpy(header.digest, batch->digest, sizeof(header.digest));
	header.batch = batch->number;
	header.floor = uplink->floor;
	header.count = batch->count;
	header.class = batch->class;
	header.body = batch->body;
	header.lane = lane == WINDOW_LIVE ? WIRE_LANE_LIVE : WIRE_LANE_BACKLOG;
	/* Losses are to be known soon, whenever they happened. */
	if (batch->class == WIRE_CLASS_LEDGER)
		header.lane = WIRE_LANE_LIVE;
	header.boot = batch->boot;
	header.boot.sent_mono_us = MODEL_NO_TIME;
	if (strcmp(batch->boot.id, spool_boot(uplink->env->spool)) == 0)
		header.boot.sent_mono_us = clock_mono_us(uplink->env->clock);
	buf_reset(&uplink->payload);
	return wire_batch_encode(&header, batch->data, batch->len, &uplink->payload);
}

static void note_flight(struct uplink *uplink, const struct spool_batch *batch, int mid)
{
	struct uplink_flight *free_slot = NULL;

	for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]); i++) {
		struct uplink_flight *flight = &uplink->flights[i];

		if (flight->id == batch->id) {
			uplink->report.resent++;
			flight->mid = mid;
			return;
		}
		if (!flight->id && !free_slot)
			free_slot = flight;
	}
	uplink->report.sent++;
	if (!free_slot)
		return; /* as many as the window has entries: cannot be */
	free_slot->id = batch->id;
	free_slot->mid = mid;
	free_slot->number = batch->number;
	memcpy(free_slot->epoch, batch->epoch, sizeof(free_slot->epoch));
}

static void forget_flight(struct uplink *uplink, int64_t id)
{
	for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]); i++)
		if (uplink->flights[i].id == id)
			uplink->flights[i].id = 0;
}

/* The broker has said that it takes no packet of this size: another one may, later. */
static void note_oversize(struct uplink *uplink, int64_t id, enum window_lane lane, int64_t now_us)
{
	uplink->report.too_large++;
	window_sent(&uplink->window, id, 0, lane, now_us);
	window_confirmed(&uplink->window, id, now_us);
	window_deferred(&uplink->window, id, WINDOW_ASIDE_US, now_us);
}

/* Returns 1 sent, 0 the connection is at its end (all starts over with the next), -errno. */
static int send_batch(struct uplink *uplink, const struct spool_batch *batch, enum window_lane lane)
{
	const int64_t now = loop_now_us(uplink->env->loop);
	int mid = 0;
	int r = encode(uplink, batch, lane);

	if (r)
		return r;
	r = uplink_publish_raw(uplink, uplink->topic_data, uplink->payload.data,
			       uplink->payload.len, false, &mid);
	if (r == MOSQ_ERR_OVERSIZE_PACKET) {
		note_oversize(uplink, batch->id, lane, now);
		return 1;
	}
	if (r)
		return 0;
	uplink->report.bytes_sent += (int64_t)uplink->payload.len;
	note_flight(uplink, batch, mid);
	window_sent(&uplink->window, batch->id, (int64_t)uplink->payload.len, lane, now);
	return 1;
}

/* ---- as many as the window lets through ---- */

static bool same_row(const struct window_choice *a, const struct window_choice *b)
{
	return a->what == WINDOW_NEXT && b->what == WINDOW_NEXT && a->lane == b->lane;
}

/* The spool shows a batch. Returns 0 where the next one in its order is wanted, too. */
static int take_batch(void *arg, const struct spool_batch *batch)
{
	struct look *look = arg;
	struct uplink *uplink = look->uplink;
	const struct window_choice choice = look->choice;
	int r;

	if (choice.what == WINDOW_NEXT && batch->id > choice.last)
		return 1;
	look->shown = true;
	if (choice.what == WINDOW_NEXT && window_holds(&uplink->window, batch->id)) {
		window_pass(&uplink->window, batch->id, choice.lane);
	} else if (!knows_floor(uplink, batch->epoch)) {
		look->floor_asked = true;
		memcpy(look->epoch, batch->epoch, sizeof(look->epoch));
		return 1;
	} else {
		r = send_batch(uplink, batch, choice.lane);
		if (r <= 0) {
			look->error = r;
			return 1;
		}
	}
	if (++look->sent >= SENDS_MAX)
		return 1;
	look->choice = window_choose(&uplink->window, loop_now_us(uplink->env->loop));
	look->shown = false;
	return !same_row(&choice, &look->choice);
}

/* Shows the spool's batches for the choice, and for those that follow from it. -errno. */
static int look_once(struct look *look)
{
	struct uplink *uplink = look->uplink;
	const struct window_choice choice = look->choice;
	int r;

	look->shown = false;
	look->floor_asked = false;
	look->error = 0;
	if (choice.what == WINDOW_AGAIN)
		r = spool_peek_id(uplink->env->spool, choice.id, take_batch, look);
	else
		r = spool_peek(uplink->env->spool, SPOOL_OLDEST_FIRST, choice.after,
			       SENDS_MAX - look->sent, take_batch, look);
	if (r >= 0)
		r = look->error;
	if (r >= 0 && look->floor_asked)
		r = ask_floor(uplink, look->epoch);
	return r < 0 ? r : 0;
}

/* There was no batch for the choice. */
static void note_missing(struct look *look)
{
	if (look->choice.what == WINDOW_AGAIN)
		forget_flight(look->uplink, look->choice.id);
	window_missing(&look->uplink->window, &look->choice);
	look->choice = window_choose(&look->uplink->window, loop_now_us(look->uplink->env->loop));
}

/* 1: there is more, 0: there is not, -errno. */
static int send_all(struct uplink *uplink)
{
	struct look look = {.uplink = uplink};
	int looks, r;

	look.choice = window_choose(&uplink->window, loop_now_us(uplink->env->loop));
	for (looks = 0; looks < SENDS_MAX && look.sent < SENDS_MAX; looks++) {
		const int sent = look.sent;

		if (look.choice.what == WINDOW_NOTHING)
			return 0;
		r = look_once(&look);
		if (r < 0)
			return r;
		if (uplink->broken)
			return 0;
		if (look.sent == sent && !look.shown && !look.floor_asked)
			note_missing(&look);
	}
	return look.choice.what != WINDOW_NOTHING;
}

static void on_pump(struct loop_timer *timer)
{
	uplink_data_pump(timer->arg);
}

void uplink_data_pump(struct uplink *uplink)
{
	const int64_t now = loop_now_us(uplink->env->loop);
	int64_t due;
	int r;

	if (uplink->report.state != UPLINK_ONLINE || !uplink->subscribed || uplink->broken)
		return;
	r = send_all(uplink);
	due = r > 0 ? now : window_due(&uplink->window, now);
	if (r < 0) {
		uplink_spool_error(uplink, r);
		due = now + RETRY_SPOOL_US;
	}
	if (due == INT64_MAX)
		loop_timer_cancel(&uplink->pump);
	else
		(void)loop_timer_set(uplink->env->loop, &uplink->pump, due - now, on_pump, uplink);
}

void uplink_data_soon(struct uplink *uplink)
{
	if (uplink->subscribed)
		(void)loop_timer_set(uplink->env->loop, &uplink->pump, 0, on_pump, uplink);
}
