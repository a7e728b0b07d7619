/* J1939: an address of our own, requests, answers. Nothing is sent by a source without requests. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/source/bus_priv.h"

#define ALIVE_US (2 * BUS_SECOND)  /* a bus that sleeps is not woken */
#define ANSWER_US (5 * BUS_SECOND) /* a long answer comes by broadcast, 50 to 200 ms a packet */
#define UNANSWERED_MAX 3           /* in a row; then it is asked less often */
#define SELDOM 6
#define PRIORITY 6
#define NACK 1
#define WORD_SIZE 24

static const struct {
	const char *name;
	uint32_t pgn;
} names[] = {
	{"vin", J1939_PGN_VI}, {"component", J1939_PGN_CI}, {"software", J1939_PGN_SOFT},
	{"hours", 65253},      {"distance", 65248},         {"distance_fine", 65217},
	{"fuel", 65257},       {"fuel_fine", 64777},        {"service", 65216},
	{"weight", 65136},     {"dm2", J1939_PGN_DM2},      {"health", 64606},
};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

static uint32_t pgn_of(const char *word)
{
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (strcmp(names[i].name, word) == 0)
			return names[i].pgn;
	return 0;
}

static int unknown(const char *word, char *expected, size_t size)
{
	int len = snprintf(expected, size, "words of:");

	for (size_t i = 0; i < NAME_COUNT && len >= 0 && (size_t)len < size; i++)
		len += snprintf(expected + len, size - (size_t)len, " %s", names[i].name);
	if (len >= 0 && (size_t)len < size)
		(void)snprintf(expected + len, size - (size_t)len, "; not '%s'", word);
	return -EINVAL;
}

int bus_requests_parse(const char *text, uint32_t out[static BUS_REQUESTS_MAX], char *expected,
		       size_t size)
{
	int count = 0;

	for (;;) {
		char word[WORD_SIZE];
		size_t len;
		uint32_t pgn;

		text += strspn(text, " \t,");
		len = strcspn(text, " \t,");
		if (!len)
			return count;
		(void)snprintf(word, sizeof(word), "%.*s",
			       (int)(len < sizeof(word) ? len : sizeof(word)), text);
		pgn = pgn_of(word);
		for (int i = 0; i < count; i++)
			if (out[i] == pgn)
				pgn = 0;
		if (!pgn || count == BUS_REQUESTS_MAX)
			return unknown(word, expected, size);
		out[count++] = pgn;
		text += len;
	}
}

/* ---- life ---- */

/* FNV-1a: the same source of the same device has the same NAME always. */
static uint32_t identity_of(const struct source_config *config)
{
	uint32_t hash = 2166136261U;

	for (const char *c = config->device_id; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619U;
	for (const char *c = config->name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619U;
	return hash ^ hash >> 21;
}

int bus_ask_make(struct bus *bus)
{
	const struct source_config *config = bus->source.config;
	uint32_t pgns[BUS_REQUESTS_MAX] = {0};
	char expected[200];
	const int count =
		bus->j1939 && config->requests
			? bus_requests_parse(config->requests, pgns, expected, sizeof(expected))
			: 0;

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++)
		bus->requests[i].pgn = pgns[i];
	bus->request_count = (size_t)count;
	bus_ask_reset(bus);
	return 0;
}

void bus_ask_reset(struct bus *bus)
{
	j1939_claim_init(&bus->claim, j1939_name(identity_of(bus->source.config)),
			 J1939_SERVICE_TOOL);
	bus->asked = NULL;
	bus->tp.own = J1939_NULL;
	bus->report.bus.address = -1;
	bus->report.bus.asking = "";
	loop_timer_cancel(&bus->ask_timer);
}

/* ---- the address ---- */

static void on_claim_due(struct loop_timer *timer);

/* What the claim led to: a frame, a new time, a new state. */
static void follow_claim(struct bus *bus, bool send, const struct j1939_claim_frame *frame)
{
	struct source_bus_report *report = &bus->report.bus;
	const struct j1939_claim *claim = &bus->claim;

	report->asking = claim->state == J1939_CLAIM_DONE       ? "asking"
			 : claim->state == J1939_CLAIM_WAITING  ? "claiming an address"
			 : claim->state == J1939_CLAIM_HOPELESS ? "no address is free"
								: "";
	report->address = claim->state == J1939_CLAIM_DONE ? claim->address : -1;
	bus->tp.own = claim->state == J1939_CLAIM_DONE ? claim->address : J1939_NULL;
	/* A claim that did not get out is none: it is made again. */
	if (send && bus_send(bus, &frame->id, frame->data, 8) != 0 &&
	    claim->state == J1939_CLAIM_WAITING) {
		bus->claim.state = J1939_CLAIM_NONE;
		bus->claim.address = J1939_NULL;
		bus->claim.due_us = INT64_MAX;
	}
	if (claim->due_us == INT64_MAX)
		loop_timer_cancel(&bus->ask_timer);
	else if (loop_timer_set(bus->source.env->loop, &bus->ask_timer,
				claim->due_us - bus_now_us(bus), on_claim_due, bus) != 0)
		bus_ask_reset(bus);
}

static void on_claim_due(struct loop_timer *timer)
{
	struct bus *bus = timer->arg;
	struct j1939_claim_frame frame;
	const bool send = j1939_claim_tick(&bus->claim, bus_now_us(bus), &frame);

	follow_claim(bus, send, &frame);
}

/* ---- requests ---- */

static void end_request(struct bus *bus, struct bus_request *request, bool answered)
{
	request->waiting = false;
	request->unanswered = answered ? 0 : request->unanswered + 1;
	if (answered)
		bus->report.answers++;
	else
		bus->report.bus.unanswered++;
	if (bus->asked == request)
		bus->asked = NULL;
}

static void ask(struct bus *bus, struct bus_request *request, int64_t now_us)
{
	const int64_t period = bus->source.config->request_us;
	const struct j1939_id id = {.pgn = J1939_PGN_REQUEST,
				    .priority = PRIORITY,
				    .destination = J1939_GLOBAL,
				    .source = bus->claim.address};
	const uint8_t data[8] = {request->pgn & 0xff, request->pgn >> 8 & 0xff,
				 request->pgn >> 16 & 0xff};

	if (bus_send(bus, &id, data, 3) != 0)
		return; /* it is still due */
	bus->report.requests++;
	request->waiting = true;
	request->due_us =
		now_us + (request->unanswered >= UNANSWERED_MAX ? SELDOM * period : period);
	bus->asked = request;
	bus->asked_us = now_us;
}

void bus_ask_tick(struct bus *bus)
{
	const int64_t now = bus_now_us(bus);
	struct j1939_claim_frame frame;

	if (!bus->request_count || bus->heard_us == MODEL_NO_TIME || now - bus->heard_us > ALIVE_US)
		return;
	if (bus->claim.state == J1939_CLAIM_NONE) {
		const bool send = j1939_claim_start(&bus->claim, now, &frame);

		follow_claim(bus, send, &frame);
		return;
	}
	if (bus->asked && now - bus->asked_us > ANSWER_US)
		end_request(bus, bus->asked, false);
	if (bus->claim.state != J1939_CLAIM_DONE || bus->asked)
		return;
	for (size_t i = 0; i < bus->request_count; i++) {
		if (now < bus->requests[i].due_us)
			continue;
		ask(bus, &bus->requests[i], now);
		return;
	}
}

/* A refusal, to us or to everybody, of what we have asked for. */
static bool refuses(const struct bus *bus, const struct j1939_id *id, const uint8_t *data,
		    size_t len)
{
	return id->pgn == J1939_PGN_ACK && len == 8 && data[0] == NACK &&
	       data[4] == bus->claim.address &&
	       (data[5] | (uint32_t)data[6] << 8 | (uint32_t)data[7] << 16) == bus->asked->pgn;
}

void bus_ask_take(struct bus *bus, const struct j1939_id *id, const uint8_t *data, size_t len)
{
	struct j1939_claim_frame frame;
	const enum j1939_claim_state state = bus->claim.state;
	const uint8_t address = bus->claim.address;
	const bool send = j1939_claim_feed(&bus->claim, id, data, len, bus_now_us(bus), &frame);

	if (send || bus->claim.state != state || bus->claim.address != address)
		follow_claim(bus, send, &frame);
	if (!bus->asked)
		return;
	if (id->pgn == bus->asked->pgn)
		end_request(bus, bus->asked, true);
	else if (refuses(bus, id, data, len))
		end_request(bus, bus->asked, false);
}
