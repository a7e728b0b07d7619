#include "tests/sim/bus.h"

#include <string.h>

#define MS INT64_C(1000)
#define FLOW_WAIT_US (1000 * MS) /* N_Bs of ISO 15765-2; OBD's 75 ms begin at the tester */
#define PADDING 0xAA
#define FUNCTIONAL_11 0x7DFu
#define FUNCTIONAL_29 0x18DB33F1u
#define KLINE_TESTER 0xF1
#define KLINE_FUNCTIONAL 0x33

static const struct unit_family *family(const struct bus *bus)
{
	return units_of(bus->vehicle->kind);
}

static void be_silent(struct bus_talk *talk)
{
	talk->len = 0;
	talk->due_us = INT64_MAX;
	talk->flow_wait_us = INT64_MAX;
}

void bus_init(struct bus *bus, struct vehicle *vehicle, int64_t delay_us)
{
	memset(bus, 0, sizeof(*bus));
	bus->vehicle = vehicle;
	bus->delay_us = delay_us;
	for (size_t i = 0; i < UNITS_MAX; i++)
		be_silent(&bus->talks[i]);
}

/* ---- a request comes in ---- */

/* Services that only read, and the tester's sign of life. */
static bool is_reading(uint8_t service)
{
	static const uint8_t services[] = {0x01, 0x02, 0x03, 0x06, 0x07, 0x09,
					   0x0A, 0x19, 0x1A, 0x21, 0x22, 0x3E};

	return memchr(services, service, sizeof(services)) != NULL;
}

static void begin_talk(struct bus *bus, size_t index, bool functional, const uint8_t *request,
		       size_t len, int64_t now_us)
{
	const struct unit *unit = &family(bus)->units[index];
	struct bus_talk *talk = &bus->talks[index];
	bool vin = len == 2 && request[0] == 0x09 && request[1] == 0x02;

	if (talk->flow_wait_us != INT64_MAX)
		bus->vehicle->counts.starved++;
	be_silent(talk); /* a new request ends what was being said */
	bus->vehicle->counts.forbidden += !is_reading(request[0]);
	if (unit->id_bits == 8 && vin) {
		talk->kline_part = 1; /* in five messages */
		talk->len = 7;
		talk->pending = 0;
	} else {
		talk->kline_part = 0;
		talk->len = unit_answer(bus->vehicle, unit, functional, request, len, talk->answer,
					&talk->pending);
	}
	if (talk->len == 0)
		return;
	talk->service = request[0];
	talk->sent = 0;
	talk->due_us = now_us + bus->delay_us + (int64_t)index; /* lower addresses win */
}

/* 30 BS ST: the unit goes on. 31: it waits on. Anything else ends it. */
static void take_flow_control(struct bus *bus, struct bus_talk *talk, const uint8_t *pci,
			      int64_t now_us)
{
	uint8_t separation = pci[2];

	if (talk->flow_wait_us == INT64_MAX || now_us > talk->flow_wait_us)
		return;
	if (pci[0] == 0x31) {
		talk->flow_wait_us = now_us + FLOW_WAIT_US;
		return;
	}
	if (pci[0] != 0x30) {
		be_silent(talk);
		return;
	}
	talk->flow_wait_us = INT64_MAX;
	talk->block_left = pci[1];
	if (separation <= 0x7F)
		talk->gap_us = separation * MS;
	else if (separation >= 0xF1 && separation <= 0xF9)
		talk->gap_us = (separation - 0xF0) * INT64_C(100);
	else
		talk->gap_us = 0x7F * MS;
	if (talk->gap_us < bus->delay_us / 4)
		talk->gap_us = bus->delay_us / 4; /* no unit is faster than it can be */
	talk->due_us = now_us + talk->gap_us;
}

static bool is_functional(const struct bus_frame *frame)
{
	return frame->id == (frame->id_bits == 29 ? FUNCTIONAL_29 : FUNCTIONAL_11);
}

static void hear_can(struct bus *bus, size_t index, const struct bus_frame *frame, int64_t now_us)
{
	const struct unit *unit = &family(bus)->units[index];
	bool functional = is_functional(frame) && unit->legislated >= 0;
	const uint8_t *pci = frame->data;
	size_t room = frame->len;

	if (frame->id_bits != unit->id_bits || (frame->id != unit->tx && !functional))
		return;
	if (unit->extension != 0) {
		if (frame->len < 2 || frame->data[0] != unit->extension)
			return;
		pci++;
		room--;
	}
	if (room >= 3 && (pci[0] & 0xF0) == 0x30)
		take_flow_control(bus, &bus->talks[index], pci, now_us);
	else if (room >= 2 && pci[0] >= 1 && pci[0] <= 7 && (size_t)pci[0] < room)
		begin_talk(bus, index, functional, pci + 1, pci[0], now_us);
}

static uint8_t checksum(const uint8_t *data, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += data[i];
	return (uint8_t)sum;
}

/* Format and length, target, source, data, checksum. */
static void hear_kline(struct bus *bus, const struct bus_frame *frame, int64_t now_us)
{
	const uint8_t *data = frame->data;
	size_t len = data[0] & 0x3F;

	if (frame->len < 5 || frame->len != len + 4 ||
	    checksum(data, frame->len - 1u) != data[frame->len - 1])
		return;
	for (size_t i = 0; i < family(bus)->count; i++) {
		if (data[1] == KLINE_FUNCTIONAL || data[1] == family(bus)->units[i].tx)
			begin_talk(bus, i, data[1] == KLINE_FUNCTIONAL, data + 3, len, now_us);
	}
}

/* 30, 31, 32 as the PCI, which stands first or after the extended address: no request. (3E is no flow
 * control.) */
static bool is_flow_control(const struct bus_frame *frame)
{
	return frame->id_bits != 8 && ((frame->data[0] >= 0x30 && frame->data[0] <= 0x32) ||
				       (frame->data[1] >= 0x30 && frame->data[1] <= 0x32));
}

bool bus_send(struct bus *bus, const struct bus_frame *frame, int64_t now_us)
{
	bool kline = family(bus)->bus == UNIT_BUS_KLINE;

	vehicle_step(bus->vehicle, now_us);
	bus->frames++;
	if (kline != (frame->id_bits == 8))
		return false;
	if (is_flow_control(frame) ? vehicle_asleep(bus->vehicle) : !vehicle_request(bus->vehicle))
		return false;
	if (kline) {
		hear_kline(bus, frame, now_us);
		return true;
	}
	for (size_t i = 0; i < family(bus)->count; i++)
		hear_can(bus, i, frame, now_us);
	return true;
}

/* ---- answers go out ---- */

static void put_kline(const struct bus *bus, const struct unit *unit, struct bus_talk *talk,
		      struct bus_frame *frame)
{
	if (talk->kline_part > 0)
		ecu_kline_vin(bus->vehicle, talk->kline_part, talk->answer);
	frame->id_bits = 8;
	frame->id = unit->rx;
	frame->data[0] = (uint8_t)(0x80 | talk->len);
	frame->data[1] = KLINE_TESTER;
	frame->data[2] = (uint8_t)unit->rx;
	memcpy(frame->data + 3, talk->answer, talk->len);
	frame->data[3 + talk->len] = checksum(frame->data, 3 + talk->len);
	frame->len = (uint8_t)(talk->len + 4);
	talk->sent = talk->len;
}

static void put_pending(struct bus *bus, const struct unit *unit, struct bus_talk *talk,
			struct bus_frame *frame, int64_t now_us)
{
	size_t at = unit->extension != 0;

	frame->data[at] = 3;
	frame->data[at + 1] = 0x7F;
	frame->data[at + 2] = talk->service;
	frame->data[at + 3] = 0x78;
	talk->pending--;
	talk->due_us = now_us + 10 * bus->delay_us;
}

static void put_single(const struct unit *unit, struct bus_talk *talk, struct bus_frame *frame)
{
	size_t at = unit->extension != 0;

	frame->data[at] = (uint8_t)talk->len;
	memcpy(frame->data + at + 1, talk->answer, talk->len);
	talk->sent = talk->len;
	talk->due_us = INT64_MAX;
}

static void put_first(const struct unit *unit, struct bus_talk *talk, struct bus_frame *frame,
		      int64_t now_us)
{
	size_t at = unit->extension != 0;
	size_t part = 6 - at;

	frame->data[at] = (uint8_t)(0x10 | (talk->len >> 8));
	frame->data[at + 1] = (uint8_t)talk->len;
	memcpy(frame->data + at + 2, talk->answer, part);
	talk->sent = part;
	talk->sequence = 1;
	talk->due_us = INT64_MAX;
	talk->flow_wait_us = now_us + FLOW_WAIT_US;
}

static void put_consecutive(const struct unit *unit, struct bus_talk *talk, struct bus_frame *frame,
			    int64_t now_us)
{
	size_t at = unit->extension != 0;
	size_t part = 7 - at;

	if (part > talk->len - talk->sent)
		part = talk->len - talk->sent;
	frame->data[at] = (uint8_t)(0x20 | talk->sequence);
	memcpy(frame->data + at + 1, talk->answer + talk->sent, part);
	talk->sent += part;
	talk->sequence = (talk->sequence + 1) & 0x0F;
	talk->due_us = talk->sent < talk->len ? now_us + talk->gap_us : INT64_MAX;
	if (talk->sent < talk->len && talk->block_left > 0 && --talk->block_left == 0) {
		talk->due_us = INT64_MAX;
		talk->flow_wait_us = now_us + FLOW_WAIT_US;
	}
}

static void speak(struct bus *bus, size_t index, int64_t now_us, struct bus_frame *frame)
{
	const struct unit *unit = &family(bus)->units[index];
	struct bus_talk *talk = &bus->talks[index];
	size_t single = unit->extension != 0 ? 6 : 7;

	memset(frame, 0, sizeof(*frame));
	if (unit->id_bits == 8) {
		put_kline(bus, unit, talk, frame);
		return;
	}
	frame->id = unit->rx;
	frame->id_bits = unit->id_bits;
	frame->len = 8;
	memset(frame->data, PADDING, 8);
	if (unit->extension != 0)
		frame->data[0] = KLINE_TESTER; /* F1: the tester, here too */
	if (talk->pending > 0)
		put_pending(bus, unit, talk, frame, now_us);
	else if (talk->len <= single)
		put_single(unit, talk, frame);
	else if (talk->sent == 0)
		put_first(unit, talk, frame, now_us);
	else
		put_consecutive(unit, talk, frame, now_us);
}

/* The next of the five messages of a VIN, or the end. */
static void go_on_kline(const struct bus *bus, struct bus_talk *talk, int64_t now_us)
{
	talk->due_us = INT64_MAX;
	if (talk->kline_part == 0 || talk->kline_part >= 5)
		return;
	talk->kline_part++;
	talk->due_us = now_us + bus->delay_us;
}

int64_t bus_due_us(const struct bus *bus)
{
	int64_t due_us = INT64_MAX;

	for (size_t i = 0; i < family(bus)->count; i++) {
		if (bus->talks[i].due_us < due_us)
			due_us = bus->talks[i].due_us;
	}
	return due_us;
}

bool bus_receive(struct bus *bus, int64_t now_us, struct bus_frame *ret_frame,
		 const uint8_t **ret_answer, size_t *ret_len)
{
	int64_t due_us = bus_due_us(bus);

	for (size_t i = 0; i < family(bus)->count; i++) {
		struct bus_talk *talk = &bus->talks[i];
		bool whole;

		if (talk->flow_wait_us != INT64_MAX && now_us > talk->flow_wait_us) {
			bus->vehicle->counts.starved++;
			be_silent(talk);
		}
		if (talk->due_us != due_us || due_us > now_us)
			continue;
		speak(bus, i, due_us, ret_frame);
		bus->frames++;
		whole = talk->sent == talk->len;
		*ret_answer = whole ? talk->answer : NULL;
		*ret_len = whole ? talk->len : 0;
		if (ret_frame->id_bits == 8)
			go_on_kline(bus, talk, due_us);
		return true;
	}
	return false;
}
