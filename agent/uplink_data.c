#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mqtt_protocol.h>

#include "agent/uplink_priv.h"

#define SENDS_MAX 32    /* a round, so that the loop stays live */
#define SETTLE_US 10000 /* acknowledgements are told to the spool in groups */
#define RETRY_SPOOL_US 1000000

static void on_pump(struct loop_timer *timer)
{
	uplink_data_pump(timer->arg);
}

static void on_ack_due(struct loop_timer *timer)
{
	uplink_data_settle(timer->arg);
}

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
	window_connected(&uplink->window, newest, loop_now_us(uplink->env->loop));
	uplink_data_pump(uplink);
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

/* ---- sending ---- */

/* Copies a batch: the spool must not be called while it shows one. */
static int copy_batch(void *arg, const struct spool_batch *batch)
{
	struct uplink *uplink = arg;

	buf_reset(&uplink->body);
	buf_append(&uplink->body, batch->data, batch->len);
	uplink->batch = *batch;
	uplink->batch.data = NULL;
	uplink->batch_ok = true;
	return 1;
}

/* Fetches what was chosen. 1 there, 0 not there, -errno. */
static int fetch(struct uplink *uplink, const struct window_choice *choice)
{
	int r;

	uplink->batch_ok = false;
	if (choice->what == WINDOW_AGAIN)
		r = spool_peek_id(uplink->env->spool, choice->id, copy_batch, uplink);
	else
		r = spool_peek(uplink->env->spool, SPOOL_OLDEST_FIRST, choice->after, 1, copy_batch,
			       uplink);
	if (r < 0)
		return r;
	if (!uplink->batch_ok || (choice->what == WINDOW_NEXT && uplink->batch.id > choice->last))
		return 0;
	return uplink->body.error ? uplink->body.error : 1;
}

static int encode(struct uplink *uplink, enum window_lane lane)
{
	const struct spool_batch *batch = &uplink->batch;
	struct wire_header header = {0};
	int r;

	memcpy(header.epoch, batch->epoch, sizeof(header.epoch));
	memcpy(header.prev, batch->prev, sizeof(header.prev));
	memcpy(header.session, uplink->session, sizeof(header.session));
	memcpy(header.digest, batch->digest, sizeof(header.digest));
	header.batch = batch->number;
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
	r = spool_floor(uplink->env->spool, batch->epoch, &header.floor);
	if (r)
		return r;
	buf_reset(&uplink->payload);
	return wire_batch_encode(&header, uplink->body.data, uplink->body.len, &uplink->payload);
}

static void note_flight(struct uplink *uplink, int mid)
{
	struct uplink_flight *free_slot = NULL;

	for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]); i++) {
		struct uplink_flight *flight = &uplink->flights[i];

		if (flight->id == uplink->batch.id) {
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
	free_slot->id = uplink->batch.id;
	free_slot->mid = mid;
	free_slot->number = uplink->batch.number;
	memcpy(free_slot->epoch, uplink->batch.epoch, sizeof(free_slot->epoch));
}

static void forget_flight(struct uplink *uplink, int64_t id)
{
	for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]); i++)
		if (uplink->flights[i].id == id)
			uplink->flights[i].id = 0;
}

/* The broker has said that it takes no packet of this size: another one may, later. */
static void note_oversize(struct uplink *uplink, enum window_lane lane, int64_t now_us)
{
	const int64_t id = uplink->batch.id;

	uplink->report.too_large++;
	window_sent(&uplink->window, id, 0, lane, now_us);
	window_confirmed(&uplink->window, id, now_us);
	window_deferred(&uplink->window, id, WINDOW_ASIDE_US, now_us);
}

/* Returns 1 sent, 0 nothing to send, -errno. */
static int send_choice(struct uplink *uplink, const struct window_choice *choice)
{
	const int64_t now = loop_now_us(uplink->env->loop);
	int mid = 0;
	int r = fetch(uplink, choice);

	if (r == 0) {
		if (choice->what == WINDOW_AGAIN)
			forget_flight(uplink, choice->id);
		window_missing(&uplink->window, choice);
		return 1;
	}
	if (r < 0)
		return r;
	r = encode(uplink, choice->lane);
	if (r)
		return r;
	r = uplink_publish_raw(uplink, uplink->topic_data, uplink->payload.data,
			       uplink->payload.len, false, &mid);
	if (r == MOSQ_ERR_OVERSIZE_PACKET) {
		note_oversize(uplink, choice->lane, now);
		return 1;
	}
	if (r)
		return 0; /* the connection is at its end; all starts over with the next */
	uplink->report.bytes_sent += (int64_t)uplink->payload.len;
	note_flight(uplink, mid);
	window_sent(&uplink->window, uplink->batch.id, (int64_t)uplink->payload.len, choice->lane,
		    now);
	return 1;
}

void uplink_data_pump(struct uplink *uplink)
{
	struct window_choice choice;
	int64_t due;
	int r = 1;

	if (uplink->report.state != UPLINK_ONLINE || !uplink->subscribed)
		return;
	for (int i = 0; i < SENDS_MAX && r > 0; i++) {
		choice = window_choose(&uplink->window, loop_now_us(uplink->env->loop));
		if (choice.what == WINDOW_NOTHING)
			break;
		r = send_choice(uplink, &choice);
		if (i + 1 == SENDS_MAX && r > 0)
			(void)loop_timer_set(uplink->env->loop, &uplink->pump, 0, on_pump, uplink);
	}
	if (uplink->pump.loop && uplink->pump.due_us <= loop_now_us(uplink->env->loop))
		return;
	due = window_due(&uplink->window, loop_now_us(uplink->env->loop));
	if (r < 0) {
		uplink_spool_error(uplink, r);
		due = loop_now_us(uplink->env->loop) + RETRY_SPOOL_US;
	}
	if (due == INT64_MAX)
		loop_timer_cancel(&uplink->pump);
	else
		(void)loop_timer_set(uplink->env->loop, &uplink->pump,
				     due - loop_now_us(uplink->env->loop), on_pump, uplink);
}

/* ---- acknowledgements ---- */

static void count_reason(struct uplink *uplink, int reason)
{
	if (reason == MQTT_RC_NO_MATCHING_SUBSCRIBERS) {
		uplink->report.no_core++;
		uplink->no_core_us = uplink_now_us(uplink);
	} else if (reason == MQTT_RC_NOT_AUTHORIZED) {
		uplink->report.not_allowed++;
	} else if (reason == MQTT_RC_PACKET_TOO_LARGE) {
		uplink->report.too_large++;
	}
}

void uplink_data_confirmed(struct uplink *uplink, int mid, int reason)
{
	const int64_t now = loop_now_us(uplink->env->loop);
	int64_t id = 0;

	for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]) && !id; i++)
		if (uplink->flights[i].id && uplink->flights[i].mid == mid) {
			uplink->flights[i].mid = 0;
			id = uplink->flights[i].id;
		}
	count_reason(uplink, reason);
	window_confirmed(&uplink->window, id, now);
	if (reason == MQTT_RC_PACKET_TOO_LARGE)
		window_deferred(&uplink->window, id, WINDOW_ASIDE_US, now);
	uplink_data_pump(uplink);
}

void uplink_data_settle(struct uplink *uplink)
{
	int r;

	loop_timer_cancel(&uplink->ack_due);
	if (!uplink->ack_count)
		return;
	r = spool_ack(uplink->env->spool, uplink->ack_epoch, uplink->acks, uplink->ack_count, NULL);
	/* What the spool keeps is sent again with the next connection, and acknowledged again. */
	uplink->ack_count = 0;
	if (r < 0)
		uplink_spool_error(uplink, r);
}

static void keep_ack(struct uplink *uplink, const struct wire_ack *ack)
{
	if (!ack->committed_count)
		return;
	if (uplink->ack_count && (strcmp(uplink->ack_epoch, ack->epoch) != 0 ||
				  uplink->ack_count + ack->committed_count > WIRE_RANGES_MAX))
		uplink_data_settle(uplink);
	memcpy(uplink->ack_epoch, ack->epoch, sizeof(uplink->ack_epoch));
	memcpy(uplink->acks + uplink->ack_count, ack->committed,
	       ack->committed_count * sizeof(ack->committed[0]));
	uplink->ack_count += ack->committed_count;
	if (!uplink->ack_due.loop)
		(void)loop_timer_set(uplink->env->loop, &uplink->ack_due, SETTLE_US, on_ack_due,
				     uplink);
}

static bool is_committed(const struct wire_ack *ack, int64_t number)
{
	for (size_t i = 0; i < ack->committed_count; i++)
		if (number >= ack->committed[i].first && number <= ack->committed[i].last)
			return true;
	return false;
}

static void take_committed(struct uplink *uplink, const struct wire_ack *ack)
{
	const int64_t now = loop_now_us(uplink->env->loop);

	for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]); i++) {
		struct uplink_flight *flight = &uplink->flights[i];

		if (!flight->id || strcmp(flight->epoch, ack->epoch) != 0 ||
		    !is_committed(ack, flight->number))
			continue;
		if (window_acked(&uplink->window, flight->id, now))
			uplink->report.acked++;
		flight->id = 0; /* its PUBACK may still come, and is then of no batch */
	}
}

static void take_deferred(struct uplink *uplink, const struct wire_ack *ack)
{
	const int64_t now = loop_now_us(uplink->env->loop);

	for (size_t k = 0; k < ack->deferred_count; k++) {
		const struct wire_deferred *deferred = &ack->deferred[k];
		int64_t retry_s = deferred->retry_after_s;

		if (retry_s < 1)
			retry_s = 1;
		if (retry_s > 86400)
			retry_s = 86400;
		uplink->report.deferred++;
		for (size_t i = 0; i < sizeof(uplink->flights) / sizeof(uplink->flights[0]); i++)
			if (uplink->flights[i].id && uplink->flights[i].number == deferred->batch &&
			    strcmp(uplink->flights[i].epoch, ack->epoch) == 0)
				window_deferred(&uplink->window, uplink->flights[i].id,
						retry_s * 1000000, now);
	}
}

static void take_asked(struct uplink *uplink, const struct wire_ack *ack)
{
	size_t stated = 0;

	for (size_t i = 0; i < ack->ask_count; i++) {
		const int r = spool_tell_end(uplink->env->spool, ack->ask[i]);

		if (r < 0)
			uplink_spool_error(uplink, r);
		stated += r > 0;
	}
	if (stated)
		uplink_stored(uplink, stated);
}

void uplink_data_ack(struct uplink *uplink, const void *payload, size_t len)
{
	const int64_t now = loop_now_us(uplink->env->loop);
	char problem[160];
	struct wire_ack ack;

	if (wire_ack_decode(payload, len, &ack, problem, sizeof(problem))) {
		uplink->report.bad_acks++;
		return;
	}
	/* An answer to another session may speak of other bodies under the same numbers. */
	if (strcmp(ack.session, uplink->session) != 0) {
		uplink->report.stray_acks++;
		return;
	}
	/* After a silence the core is back: what waits for its time-out goes now. */
	if (now - uplink->heard_us > uplink->config->window.resend_us)
		window_hurry(&uplink->window, now);
	uplink->heard_us = now;
	uplink->silence_us = UPLINK_SILENCE_US;
	uplink->report.last_ack_us = now;
	uplink->env->core_time(uplink->env->arg, ack.at_ms);
	keep_ack(uplink, &ack);
	take_committed(uplink, &ack);
	take_deferred(uplink, &ack);
	window_ack_end(&uplink->window, now);
	take_asked(uplink, &ack);
	uplink_data_pump(uplink);
}
