/* A request over CAN, from the gate to what came of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "agent/source/obd_can_priv.h"

/* P2 of ISO 15765-4 is 50 ms from the end of the request to the first frame of the answer; gateways
 * inside of vehicles, the bus and this machine have the same again and a half. */
#define WAIT_US (125 * CAN_MS)
#define WAIT_PENDING_US (5 * CAN_SECOND + 100 * CAN_MS) /* P2*, after 7F xx 78 */
#define PENDINGS_MAX 8
#define MOST_US (30 * CAN_SECOND) /* for all of it */
#define RETRY_US (5 * CAN_MS)     /* an interface whose queue is full */
#define RETRIES_MAX 100
#define FUNCTIONAL_ANSWERS 8 /* 7E8..7EF */

static const char refused_by_gate[] = "the gate of requests refuses it";

/* ---- whom ---- */

static unsigned bus_bits(const struct obd_bus *bus)
{
	return bus->protocol == 0 ? 0 : obd_bus_is_long(bus) ? 29 : 11;
}

/* By 11 bits first where the bus is not known. */
static struct diag_target everybody(const struct obd_bus *bus)
{
	const bool extended = bus_bits(bus) == 29;

	return (struct diag_target){
		.tx = extended ? DIAG_FUNCTIONAL_29 : DIAG_FUNCTIONAL_11,
		.id_bits = extended ? 29 : 11,
		.functional = true,
		.flow_control = true,
	};
}

int can_way(const struct obd_bus *bus, const struct diag_target *target)
{
	const uint32_t most = target->id_bits == 11 ? UINT32_C(0x7ff) : UINT32_C(0x1fffffff);
	const unsigned bits = bus_bits(bus);

	if (diag_target_is_everybody(target))
		return 0;
	if ((target->id_bits != 11 && target->id_bits != 29) || (bits && bits != target->id_bits) ||
	    target->tx > most || target->rx > most)
		return ELM327_E_BUS;
	if (!diag_id_allowed(target->tx, target->id_bits))
		return ELM327_E_ID;
	return diag_target_answers(target) ? 0 : CAN_E_NOBODY;
}

const char *can_problem(int error)
{
	switch (error) {
	case ELM327_E_BUS:
		return "the vehicle's bus has other identifiers";
	case ELM327_E_ID:
		return refused_by_gate;
	case CAN_E_NOBODY:
		return "the profile does not say who answers";
	default:
		return "the CAN interface cannot ask";
	}
}

/* ---- the one gate ---- */

static bool is_allowed(const struct obd_can *can)
{
	const struct obd_request *request = &can->request;
	const struct diag_target *target = &can->target;

	if (!obd2_request_allowed(request->bytes, request->len) ||
	    !diag_id_allowed(target->tx, target->id_bits))
		return false;
	return !target->extension ||
	       diag_extended_allowed(target->extension, request->bytes, request->len);
}

static int leave(struct obd_can *can, struct can_channel *channel)
{
	if (!is_allowed(can))
		return -EPERM;
	return isotp_channel_send(channel->channel, can->request.bytes, can->request.len);
}

/* ---- what came of it ---- */

static void tell(struct obd_can *can)
{
	for (size_t i = 0; i < CAN_CHANNELS_MAX; i++)
		can->channels[i].awaited = false;
	can->busy = false;
	can->bus.events->reply(can->bus.arg, &can->reply);
}

void can_forget_request(struct obd_can *can)
{
	for (size_t i = 0; i < CAN_CHANNELS_MAX; i++)
		can->channels[i].awaited = false;
	can->busy = false;
}

static void end(struct obd_can *can, enum obd_reply_kind kind)
{
	can->reply.kind = kind;
	can_post(can, 0, tell);
}

static void bus_failed(struct obd_can *can, const char *sentence)
{
	(void)snprintf(can->reply.trouble, sizeof(can->reply.trouble), "%s", sentence);
	end(can, OBD_REPLY_BUS_ERROR);
}

static void send_it(struct obd_can *can);

/* Nobody spoke up. Where the bus is not known, everybody is asked by 29 bits, too. */
static void was_silent(struct obd_can *can)
{
	struct canbus_state state;
	const char *problem;

	can_isotp_state(can->isotp, &state);
	problem = can_bus_problem(&state);
	if (problem) {
		bus_failed(can, problem);
	} else if (can->bus.protocol == 0 && diag_target_is_everybody(&can->target) &&
		   can->target.id_bits == 11) {
		can_forget_request(can);
		can->target.id_bits = 29;
		can->target.tx = DIAG_FUNCTIONAL_29;
		send_it(can);
	} else {
		end(can, OBD_REPLY_SILENCE);
	}
}

static void finish(struct obd_can *can)
{
	const struct obd_reply *reply = &can->reply;

	for (size_t i = 0; i < CAN_CHANNELS_MAX; i++)
		can->broken += can->channels[i].awaited && can->channels[i].receiving;
	if (can->overrun)
		end(can, OBD_REPLY_OVERRUN);
	else if (reply->count)
		end(can, can->broken ? OBD_REPLY_PARTIAL : OBD_REPLY_DATA);
	else if (can->refusals)
		end(can, OBD_REPLY_NEGATIVE);
	else if (can->pendings)
		end(can, OBD_REPLY_PENDING);
	else if (can->broken || reply->rejected)
		end(can, OBD_REPLY_BAD);
	else
		was_silent(can);
	if (can->later == tell && reply->kind != OBD_REPLY_BUS_ERROR && can->bus.protocol == 0 &&
	    diag_target_is_everybody(&can->target) && (reply->count || can->refusals))
		can->answered_bits = can->target.id_bits;
}

static void on_time(struct obd_can *can)
{
	can_settle(can);
}

/* Until when answers are waited for. */
static int64_t until(const struct obd_can *can)
{
	int64_t at = can->base_until_us;

	for (size_t i = 0; i < CAN_CHANNELS_MAX; i++)
		if (can->channels[i].awaited && can->channels[i].until_us > at)
			at = can->channels[i].until_us;
	return at < can->hard_until_us ? at : can->hard_until_us;
}

void can_settle(struct obd_can *can)
{
	int64_t at;

	/* Something else is on its way to be told. */
	if (!can->busy || (can->later && can->later != on_time))
		return;
	at = until(can);
	if (can_now_us(can) >= at)
		finish(can);
	else
		can_post(can, at - can_now_us(can), on_time);
}

static void keep(struct obd_can *can, uint32_t id, const uint8_t *data, size_t len)
{
	struct obd_reply *reply = &can->reply;

	if (reply->count == OBD_ANSWERS_MAX || can->pool_len + len > CAN_POOL) {
		can->overrun = true;
		return;
	}
	memcpy(can->pool + can->pool_len, data, len);
	reply->answers[reply->count++] = (struct obd_answer){id, can->pool + can->pool_len, len};
	can->pool_len += len;
}

static void wants_time(struct obd_can *can, uint32_t id)
{
	struct can_channel *channel = can_channel_of(can, id, can->target.id_bits == 29);

	if (++can->pendings <= PENDINGS_MAX && channel)
		channel->until_us = can_now_us(can) + WAIT_PENDING_US;
}

/* A single unit has said what it had to say. */
static void note_end(struct obd_can *can)
{
	if (!can->target.functional || can->target.rx)
		can->base_until_us = can_now_us(can);
}

bool can_take(struct obd_can *can, uint32_t id, const uint8_t *data, size_t len)
{
	const struct obd_request *request = &can->request;

	if (!can->busy)
		return false;
	switch (diag_meaning(request->bytes, request->len, data, len)) {
	case DIAG_ANSWER:
		keep(can, id, data, len);
		note_end(can);
		return true;
	case DIAG_REFUSAL:
		can->reply.nrc = data[2];
		can->refusals++;
		note_end(can);
		return true;
	case DIAG_PENDING:
		wants_time(can, id);
		return false;
	default:
		can->reply.rejected++;
		can->bus.rejected++;
		return false;
	}
}

void can_broke(struct obd_can *can)
{
	can->broken++;
	can->reply.rejected++;
	note_end(can);
}

/* ---- sending ---- */

static struct isotp_pair pair_of(const struct diag_target *target)
{
	return (struct isotp_pair){
		.tx = target->tx,
		.rx = diag_target_answers(target),
		.extended = target->id_bits == 29,
		.addressed = target->extension != 0,
		.target = target->extension,
		.tester = target->tester ? target->tester : DIAG_TESTER,
	};
}

static int await(struct obd_can *can, const struct isotp_pair *pair, struct can_channel **ret)
{
	const int r = can_channel_get(can, pair, ret);

	if (r)
		return r;
	can_channel_drain(*ret);
	(*ret)->awaited = true;
	(*ret)->receiving = false;
	(*ret)->done = false;
	(*ret)->until_us = 0;
	return 0;
}

/* Everybody who may answer a request to all: by 11 bits the eight of ISO 15765-4, by 29 those that were
 * heard. */
static int await_all(struct obd_can *can)
{
	struct can_channel *channel;
	int r = 0;

	for (uint32_t i = 0; can->target.id_bits == 11 && i < FUNCTIONAL_ANSWERS && !r; i++)
		r = await(can, &(struct isotp_pair){.tx = 0x7e0 + i, .rx = 0x7e8 + i}, &channel);
	for (size_t i = 0; can->target.id_bits == 29 && i < CAN_CHANNELS_MAX && !r; i++) {
		channel = &can->channels[i];
		if (channel->channel && !channel->pair.functional && !channel->pair.addressed &&
		    (channel->pair.rx & UINT32_C(0xffffff00)) == UINT32_C(0x18daf100))
			r = await(can, &channel->pair, &channel);
	}
	return r;
}

/* The channel that the request leaves by; those that answers come by are awaited. */
static int make_ready(struct obd_can *can, struct can_channel **ret_channel)
{
	const struct diag_target *target = &can->target;
	struct isotp_pair pair = pair_of(target);
	struct can_channel *channel;
	int r = can_ear_turn(can);

	if (r)
		return r;
	if (!target->functional)
		return await(can, &pair, ret_channel);
	if (pair.rx) {
		/* Of all who are asked one is listened to: answers come to its own address. */
		pair.tx = target->id_bits == 11 ? pair.rx - 8
						: UINT32_C(0x18da00f1) | (pair.rx & 0xff) << 8;
		r = await(can, &pair, &channel);
	} else {
		r = await_all(can);
	}
	if (r)
		return r;
	pair = pair_of(target);
	pair.rx = 0;
	pair.functional = true;
	return can_channel_get(can, &pair, ret_channel);
}

static void begin_reply(struct obd_can *can)
{
	can->reply = (struct obd_reply){.frames = 1};
	can->pool_len = 0;
	can->pendings = can->broken = can->refusals = 0;
	can->overrun = false;
}

static void send_it(struct obd_can *can)
{
	const int64_t now = can_now_us(can);
	struct can_channel *channel = NULL;
	struct canbus_state state;
	int r;

	begin_reply(can);
	can->busy = true;
	can_isotp_state(can->isotp, &state);
	if (state.silent || state.condition == CANBUS_DOWN) {
		can_lose(can, state.silent ? -EPERM : -ENETDOWN);
		return;
	}
	if (state.condition == CANBUS_OFF) {
		bus_failed(can, can_bus_problem(&state));
		return;
	}
	r = make_ready(can, &channel);
	if (!r)
		r = leave(can, channel);
	if (r == -EAGAIN && can->tries++ < RETRIES_MAX) {
		can_post(can, RETRY_US, send_it);
		return;
	}
	if (r == -EAGAIN) {
		bus_failed(can, "The CAN interface sends nothing: nobody acknowledges, check plug "
				"and bit rate.");
		return;
	}
	if (r == -EPERM || r == -EMSGSIZE || r == -EINVAL) {
		can->reply.frames = 0;
		end(can, OBD_REPLY_UNSUPPORTED);
		return;
	}
	if (r) {
		can_lose(can, r);
		return;
	}
	can->bus.requests++;
	can->base_until_us = now + WAIT_US;
	can->hard_until_us = now + MOST_US;
	can_post(can, WAIT_US, on_time);
}

int can_ask(struct obd_bus *bus, const struct obd_request *request)
{
	struct obd_can *can = (struct obd_can *)bus;
	const int r = can_way(bus, &request->target);

	if (r < 0)
		return r;
	can->request = *request;
	bus->repeats = 0;
	can_again(bus);
	return 0;
}

void can_again(struct obd_bus *bus)
{
	struct obd_can *can = (struct obd_can *)bus;

	can->target = diag_target_is_everybody(&can->request.target) ? everybody(bus)
								     : can->request.target;
	can->tries = 0;
	send_it(can);
}
