/* Requests to the vehicle: frames and filters, flow control, and how answers become lines. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/elm327_priv.h"

#define MS ELM327_MS
#define BUFFER_BYTES 512
#define PENDING_US (5000 * MS) /* P2* */
#define KLINE_INIT_US (1500 * MS)

enum { CAN_11 = 6, CAN_29 = 7, KWP_FAST = 5 };

static bool is_29bit(const struct elm327 *elm)
{
	return elm->set.found == CAN_29;
}

/* ---- which bus it is ---- */

static unsigned vehicle_protocol(const struct elm327 *elm)
{
	switch (units_of(elm->vehicle->kind)->bus) {
	case UNIT_BUS_CAN29:
		return CAN_29;
	case UNIT_BUS_KLINE:
		return KWP_FAST;
	case UNIT_BUS_CAN11:
		break;
	}
	return CAN_11;
}

static int64_t fail(struct elm327 *elm, const char *text, int64_t delay_us)
{
	elm327_say(elm, text);
	return delay_us;
}

static int64_t timeout_us(const struct elm327 *elm)
{
	return (int64_t)elm->set.timeout_4ms * 4096;
}

static bool bus_dead(const struct elm327 *elm)
{
	return elm->fault == ELM327_FAULT_ASLEEP || vehicle_asleep(elm->vehicle);
}

/* The search asks 0100 on one protocol after the other; who keeps silent is not found. */
static int64_t end_search(struct elm327 *elm)
{
	bool asleep = bus_dead(elm);

	if (asleep || !units_of(elm->vehicle->kind)->functional) {
		(void)vehicle_request(elm->vehicle);
		return fail(elm, "UNABLE TO CONNECT",
			    elm327_make(elm)->fail_us - elm327_make(elm)->search_us);
	}
	elm->set.found = vehicle_protocol(elm);
	if (elm->set.found == KWP_FAST)
		elm327_say(elm, "BUS INIT: OK");
	return -1;
}

/* A protocol that was set: the wire may be another's. */
static int64_t open_fixed(struct elm327 *elm)
{
	bool kline = vehicle_protocol(elm) == KWP_FAST;
	unsigned protocol = elm->set.protocol;

	if (protocol >= 3 && protocol <= KWP_FAST) {
		if (!kline || protocol != KWP_FAST || bus_dead(elm)) {
			if (kline && bus_dead(elm))
				(void)vehicle_request(elm->vehicle);
			return fail(elm, "BUS INIT: ...ERROR", KLINE_INIT_US);
		}
		elm327_say(elm, "BUS INIT: OK");
	} else if (protocol < 3) {
		return fail(elm, "NO DATA", timeout_us(elm));
	} else if (kline || protocol > CAN_29) {
		return fail(elm, "CAN ERROR", timeout_us(elm));
	} else if (bus_dead(elm)) {
		(void)vehicle_request(elm->vehicle);
		return fail(elm, "UNABLE TO CONNECT", timeout_us(elm));
	}
	elm->set.found = protocol;
	return -1;
}

/* ---- a request goes out ---- */

static uint32_t transmit_id(const struct elm327 *elm)
{
	const struct elm327_settings *set = &elm->set;

	if (elm->once_id != 0)
		return elm->once_id;
	if (is_29bit(elm)) {
		if (set->long_header != 0)
			return set->long_header & 0x1FFFFFFF;
		return (uint32_t)set->priority << 24 | (set->header ? set->header : 0xDB33F1);
	}
	return (set->header ? set->header : 0x7DF) & 0x7FF;
}

static void build_kline(const struct elm327 *elm, struct bus_frame *frame)
{
	unsigned sum = 0;

	frame->id_bits = 8;
	frame->data[0] = (uint8_t)(0xC0 | elm->request_len);
	frame->data[1] = elm->set.header ? (uint8_t)(elm->set.header >> 8) : 0x33;
	frame->data[2] = 0xF1;
	memcpy(frame->data + 3, elm->request, elm->request_len);
	frame->len = (uint8_t)(elm->request_len + 4);
	for (size_t i = 0; i + 1 < frame->len; i++)
		sum += frame->data[i];
	frame->data[frame->len - 1] = (uint8_t)sum;
}

static void build_can(const struct elm327 *elm, struct bus_frame *frame)
{
	size_t at = 0;

	frame->id = transmit_id(elm);
	frame->id_bits = is_29bit(elm) ? 29 : 11;
	frame->len = 8;
	if (elm->set.extension != 0)
		frame->data[at++] = elm->set.extension;
	if (elm->set.auto_format)
		frame->data[at++] = (uint8_t)elm->request_len;
	memcpy(frame->data + at, elm->request, elm->request_len);
}

/* Frames that came while nobody listened are gone. */
static void forget_frames(struct elm327 *elm)
{
	struct bus_frame frame;
	const uint8_t *answer;
	size_t len;

	while (bus_receive(&elm->bus, elm->now_us, &frame, &answer, &len))
		continue;
}

static int64_t transmit(struct elm327 *elm)
{
	struct bus_frame frame = {0};

	if (elm->set.found == KWP_FAST)
		build_kline(elm, &frame);
	else
		build_can(elm, &frame);
	forget_frames(elm);
	elm->frames_heard = 0;
	elm->first_line_us = INT64_MAX;
	elm->phase = ELM327_LISTENING;
	elm->when_us = elm->now_us + timeout_us(elm);
	/* Nobody there: it waits in vain. */
	(void)bus_send(&elm->bus, &frame, elm->now_us);
	return -1;
}

int64_t elm327_start_request(struct elm327 *elm)
{
	int64_t delay_us = -1;

	vehicle_step(elm->vehicle, elm->now_us);
	if (elm->set.found == 0)
		delay_us = elm->set.protocol ? open_fixed(elm) : end_search(elm);
	return delay_us < 0 ? transmit(elm) : delay_us;
}

/* What the adapter says when the vehicle's side fails by a fault; false when it does not. */
static bool bus_fails(struct elm327 *elm, int64_t *ret_delay)
{
	switch (elm->fault) {
	case ELM327_FAULT_SILENCE:
		elm327_say(elm, "NO DATA");
		*ret_delay = timeout_us(elm);
		return true;
	case ELM327_FAULT_ASLEEP:
		elm327_say(elm, elm->set.found ? "NO DATA" : "UNABLE TO CONNECT");
		*ret_delay = elm->set.found ? timeout_us(elm) : elm327_make(elm)->fail_us;
		return true;
	case ELM327_FAULT_CAN_ERROR:
		elm327_say(elm, "CAN ERROR");
		*ret_delay = 100 * MS;
		return true;
	default:
		return false;
	}
}

static int64_t run(struct elm327 *elm)
{
	int64_t delay_us;

	if (bus_fails(elm, &delay_us))
		return delay_us;
	if (elm->set.found != 0 || elm->set.protocol != 0)
		return elm327_start_request(elm);
	elm327_say(elm, "SEARCHING...");
	elm->phase = ELM327_SEARCHING;
	elm->when_us = elm->now_us + elm327_make(elm)->search_us;
	return -1;
}

/* Pairs of hex digits; false where they are none, or too many for one frame. */
static bool take_bytes(struct elm327 *elm, const char *digits, size_t count)
{
	size_t most = (elm->set.auto_format ? 7u : 8u) - (elm->set.extension != 0);

	if (count < 2 || count % 2 != 0 || count / 2 > most)
		return false;
	for (size_t i = 0; i < count / 2; i++) {
		char pair[3] = {digits[2 * i], digits[2 * i + 1], '\0'};

		if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
			return false;
		elm->request[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	elm->request_len = count / 2;
	if (!elm327_able(elm, ABILITY_MULTI_PID) && elm->request[0] == 0x01 && count > 4)
		elm->request_len = 2; /* it answers the first alone */
	return true;
}

/* An odd last digit is the number of frames to wait for. */
int64_t elm327_run_request(struct elm327 *elm, const char *digits)
{
	size_t count = strlen(digits);

	elm->once_id = 0;
	elm->frames_left = 0;
	if (count % 2 == 1 && isxdigit((unsigned char)digits[count - 1]))
		elm->frames_left = (unsigned)strtoul(digits + count - 1, NULL, 16);
	if (!take_bytes(elm, digits, count - count % 2))
		return fail(elm, "?", ELM327_COMMAND_US);
	return run(elm);
}

/* STPX H:7E4,D:220101,T:500,R:1 */
int64_t elm327_run_stpx(struct elm327 *elm, const char *arguments)
{
	const char *header = strstr(arguments, "H:");
	const char *data = strstr(arguments, "D:");
	const char *count = strstr(arguments, "R:");

	if (!data || !take_bytes(elm, data + 2, strspn(data + 2, "0123456789ABCDEF")))
		return fail(elm, "?", ELM327_COMMAND_US);
	elm->once_id = header ? (uint32_t)strtoul(header + 2, NULL, 16) : 0;
	elm->frames_left = count ? (unsigned)strtoul(count + 2, NULL, 10) : 0;
	return run(elm);
}

/* ---- what comes back ---- */

static bool passes(const struct elm327 *elm, const struct bus_frame *frame)
{
	const struct elm327_settings *set = &elm->set;
	bool wide = frame->id_bits == 29;

	if (frame->id_bits == 8)
		return true;
	if (wide != is_29bit(elm))
		return false;
	if (set->receive_id != 0)
		return frame->id == set->receive_id;
	if (set->filter_set || set->mask_set)
		return ((frame->id ^ set->filter) & (set->mask_set ? set->mask : 0x1FFFFFFF)) == 0;
	return wide ? (frame->id & 0x1FFFFF00) == 0x18DAF100 : (frame->id & 0x7F8) == 0x7E8;
}

/* Whom the flow control for `frame` goes to, and what it says; false: none is sent. By itself an
 * adapter knows the legislated identifiers alone. */
static bool flow_control(const struct elm327 *elm, const struct bus_frame *heard,
			 struct bus_frame *ret_frame)
{
	static const uint8_t go_on[] = {0x30, 0x00, 0x00};
	const struct elm327_settings *set = &elm->set;

	memset(ret_frame, 0, sizeof(*ret_frame));
	ret_frame->id_bits = heard->id_bits;
	ret_frame->len = 8;
	memcpy(ret_frame->data, go_on, sizeof(go_on));
	if (set->flow_mode != 0)
		memcpy(ret_frame->data, set->flow_data, set->flow_len);
	if (set->flow_mode == 1) {
		ret_frame->id = set->flow_header;
		return true;
	}
	for (size_t i = 0; i < set->pair_count; i++) {
		if (set->pairs[i].rx != heard->id)
			continue;
		ret_frame->id = set->pairs[i].tx;
		return true;
	}
	if (heard->id_bits == 11 && (heard->id & 0x7F8) == 0x7E8)
		ret_frame->id = heard->id - 8;
	else if (heard->id_bits == 29 && (heard->id & 0x1FFFFF00) == 0x18DAF100)
		ret_frame->id = 0x18DA00F1 | (heard->id & 0xFF) << 8;
	return ret_frame->id != 0;
}

static void put_hex(struct elm327 *elm, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_printf(&elm->reply, elm->set.spaces ? "%02X " : "%02X", data[i]);
}

static void put_id(struct elm327 *elm, const struct bus_frame *frame)
{
	if (frame->id_bits == 11) {
		buf_printf(&elm->reply, elm->set.spaces ? "%03X " : "%03X", frame->id);
		return;
	}
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_printf(&elm->reply, elm->set.spaces ? "%02X " : "%02X",
			   (frame->id >> shift) & 0xFF);
}

/* Without headers: the data alone; the chip numbers the lines of a long answer. */
static void put_bare(struct elm327 *elm, const struct bus_frame *frame)
{
	const uint8_t *pci = frame->data + (elm->set.extension != 0);
	size_t room = frame->len - (size_t)(elm->set.extension != 0);

	if (frame->id_bits == 8) {
		put_hex(elm, frame->data + 3, frame->len - 4u);
	} else if (!elm->set.auto_format) {
		put_hex(elm, frame->data, frame->len);
	} else if ((pci[0] & 0xF0) == 0x10) {
		buf_printf(&elm->reply, "%03X", (unsigned)(pci[0] & 0x0F) << 8 | pci[1]);
		elm327_end_line(elm);
		buf_puts(&elm->reply, elm->set.spaces ? "0: " : "0:");
		put_hex(elm, pci + 2, room - 2);
	} else if ((pci[0] & 0xF0) == 0x20) {
		buf_printf(&elm->reply, elm->set.spaces ? "%X: " : "%X:", pci[0] & 0x0F);
		put_hex(elm, pci + 1, room - 1);
	} else {
		put_hex(elm, pci + 1, pci[0] < room ? pci[0] : room - 1);
	}
}

/* False where the 512 bytes for replies have run over: the line takes them more slowly than the bus
 * brings them. */
static bool put_line(struct elm327 *elm, const struct bus_frame *frame)
{
	int64_t gone = 0;

	if (elm->first_line_us == INT64_MAX) {
		elm->first_line_us = elm->now_us;
		elm->first_line_at = elm->reply.len;
	}
	if (!elm->set.headers) {
		put_bare(elm, frame);
	} else {
		if (frame->id_bits != 8)
			put_id(elm, frame);
		put_hex(elm, frame->data, frame->len);
	}
	elm327_end_line(elm);
	if (elm->baud == 0)
		return true;
	gone = (elm->now_us - elm->first_line_us) * elm->baud / 10000000;
	return (int64_t)(elm->reply.len - elm->first_line_at) - gone <= BUFFER_BYTES;
}

/* The chip reassembles: one line a message, without PCI. */
static bool put_message(struct elm327 *elm, const struct bus_frame *frame, const uint8_t *answer,
			size_t len)
{
	if (!answer)
		return true;
	if (elm->set.headers)
		put_id(elm, frame);
	put_hex(elm, answer, len);
	elm327_end_line(elm);
	return true;
}

static void keep_answer(struct elm327 *elm, const uint8_t *answer, size_t len)
{
	if (!answer || elm->answer_count == ELM327_ANSWERS_MAX)
		return;
	memcpy(elm->answers[elm->answer_count].data, answer, len);
	elm->answers[elm->answer_count++].len = len;
}

/* How long it listens on after a frame. */
static int64_t patience(const struct elm327 *elm, const struct bus_frame *frame, bool whole)
{
	const uint8_t *pci = frame->data + (elm->set.extension != 0);
	bool pending = frame->id_bits != 8 && pci[0] == 3 && pci[1] == 0x7F && pci[3] == 0x78;
	int64_t gap_us = elm->delay_us > MS ? elm->delay_us : MS;

	if (pending && elm327_able(elm, ABILITY_PENDING))
		return PENDING_US;
	if (pending || !whole || !elm->set.adaptive)
		return timeout_us(elm);
	return frame->id_bits == 8 ? 3 * gap_us : gap_us;
}

/* False: the reply ends here. */
static bool hear(struct elm327 *elm, const struct bus_frame *frame, const uint8_t *answer,
		 size_t len)
{
	const uint8_t *pci = frame->data + (elm->set.extension != 0);
	struct bus_frame control;
	bool kept;

	if (!passes(elm, frame))
		return true;
	elm->frames_heard++;
	kept = elm->set.segments ? put_message(elm, frame, answer, len) : put_line(elm, frame);
	if (!kept) {
		elm327_say(elm, "BUFFER FULL");
		elm->answer_count = 0;
		return false;
	}
	keep_answer(elm, answer, len);
	if (frame->id_bits != 8 && (pci[0] & 0xF0) == 0x10 && elm->set.auto_format &&
	    flow_control(elm, frame, &control))
		(void)bus_send(&elm->bus, &control, elm->now_us);
	elm->when_us = elm->now_us + patience(elm, frame, answer != NULL);
	return elm->frames_left == 0 || elm->frames_heard < elm->frames_left;
}

int64_t elm327_listen(struct elm327 *elm)
{
	const uint8_t *answer = NULL;
	struct bus_frame frame;
	size_t len = 0;

	while (bus_receive(&elm->bus, elm->now_us, &frame, &answer, &len)) {
		if (!hear(elm, &frame, answer, len))
			return 0;
	}
	if (elm->now_us < elm->when_us)
		return -1;
	if (elm->frames_heard == 0)
		elm327_say(elm, "NO DATA");
	return 0;
}
