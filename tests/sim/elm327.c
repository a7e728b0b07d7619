#include "tests/sim/elm327.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000)
#define REPLY_MAX 4096
#define RESET_US (300 * MS)
#define SEARCH_US (250 * MS)
#define SLOW_US (2000 * MS)
#define FUNCTIONAL_ID 0x7DFu
#define FIRST_REQUEST_ID 0x7E0u
#define FIRST_ANSWER_ID 0x7E8u
#define PADDING 0xAA

static const char *const fault_names[ELM327_FAULT_COUNT] = {
	[ELM327_FAULT_NONE] = "none",           [ELM327_FAULT_SILENCE] = "silence",
	[ELM327_FAULT_ASLEEP] = "asleep",       [ELM327_FAULT_MUTE] = "mute",
	[ELM327_FAULT_GARBAGE] = "garbage",     [ELM327_FAULT_CAN_ERROR] = "can-error",
	[ELM327_FAULT_LV_RESET] = "lv-reset",   [ELM327_FAULT_SLOW] = "slow",
	[ELM327_FAULT_NO_PROMPT] = "no-prompt",
};

const char *elm327_fault_name(enum elm327_fault fault)
{
	return (unsigned)fault < ELM327_FAULT_COUNT ? fault_names[fault] : NULL;
}

int elm327_fault_parse(const char *name, enum elm327_fault *ret_fault)
{
	for (unsigned i = 0; i < ELM327_FAULT_COUNT; i++) {
		if (strcmp(name, fault_names[i]) == 0) {
			*ret_fault = (enum elm327_fault)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void set_defaults(struct elm327 *elm)
{
	elm->echo = true;
	elm->linefeed = false;
	elm->spaces = true;
	elm->headers = false;
	elm->adaptive = true;
	elm->searched = false;
	elm->timeout_4ms = 0x32;
	elm->transmit_id = FUNCTIONAL_ID;
	elm->receive_id = 0;
}

void elm327_init(struct elm327 *elm, struct vehicle *vehicle, unsigned seed, int64_t delay_us)
{
	memset(elm, 0, sizeof(*elm));
	elm->vehicle = vehicle;
	elm->seed = seed;
	elm->delay_us = delay_us;
	elm->due_us = INT64_MAX;
	buf_init(&elm->reply, REPLY_MAX);
	set_defaults(elm);
}

void elm327_fini(struct elm327 *elm)
{
	buf_free(&elm->reply);
}

static unsigned dice(struct elm327 *elm, unsigned sides)
{
	elm->seed = elm->seed * 1664525u + 1013904223u;
	return (elm->seed >> 8) % sides;
}

static void end_line(struct elm327 *elm)
{
	buf_puts(&elm->reply, elm->linefeed ? "\r\n" : "\r");
}

static void say(struct elm327 *elm, const char *text)
{
	buf_puts(&elm->reply, text);
	end_line(elm);
}

static void prompt(struct elm327 *elm)
{
	end_line(elm);
	buf_putc(&elm->reply, '>');
}

/* AT commands that take a setting and say OK, by their first letters; the argument is free. */
static bool accepts_quietly(const char *command)
{
	static const char *const prefixes[] = {
		"M0", "M1", "CAF", "AL", "NL",  "TP", "SP",  "FCSH", "FCSD", "FCSM", "CFC",
		"FE", "PC", "R0",  "R1", "DP0", "SS", "CEA", "BI",   "IIA",  "KW",   "CSM"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(command, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

static bool parse_hex(const char *text, unsigned *ret_value)
{
	char *end = NULL;
	unsigned long value;

	if (!isxdigit((unsigned char)text[0]))
		return false;
	value = strtoul(text, &end, 16);
	if (*end != '\0')
		return false;
	*ret_value = (unsigned)value;
	return true;
}

static int64_t reset_adapter(struct elm327 *elm)
{
	set_defaults(elm);
	end_line(elm);
	end_line(elm);
	say(elm, "ELM327 v1.5");
	return RESET_US;
}

/* On/off settings: one letter and 0 or 1. */
static bool run_switch(struct elm327 *elm, const char *command)
{
	bool on = command[0] != '\0' && command[1] == '1';

	if (command[0] == '\0' || (command[1] != '0' && command[1] != '1') || command[2] != '\0')
		return false;
	switch (command[0]) {
	case 'E':
		elm->echo = on;
		return true;
	case 'L':
		elm->linefeed = on;
		return true;
	case 'S':
		elm->spaces = on;
		return true;
	case 'H':
		elm->headers = on;
		return true;
	default:
		return false;
	}
}

/* Settings that carry a hex number. */
static bool run_setting(struct elm327 *elm, const char *command)
{
	unsigned value = 0;

	if (strncmp(command, "ST", 2) == 0 && parse_hex(command + 2, &value)) {
		elm->timeout_4ms = value ? value : 0x32;
		return true;
	}
	if (strncmp(command, "SH", 2) == 0 && parse_hex(command + 2, &value)) {
		elm->transmit_id = value;
		return true;
	}
	if (strncmp(command, "CRA", 3) == 0 &&
	    (command[3] == '\0' || parse_hex(command + 3, &value))) {
		elm->receive_id = value;
		return true;
	}
	if (strncmp(command, "AT", 2) == 0 && command[2] >= '0' && command[2] <= '2') {
		elm->adaptive = command[2] != '0';
		return true;
	}
	if (strcmp(command, "AR") == 0) {
		elm->receive_id = 0;
		return true;
	}
	return false;
}

static int64_t run_at(struct elm327 *elm, const char *command)
{
	char text[32];

	if (strcmp(command, "Z") == 0 || strcmp(command, "WS") == 0)
		return reset_adapter(elm);
	if (strcmp(command, "D") == 0) {
		set_defaults(elm);
		say(elm, "OK");
	} else if (strcmp(command, "I") == 0) {
		say(elm, "ELM327 v1.5");
	} else if (strcmp(command, "@1") == 0) {
		say(elm, "OBDII to RS232 Interpreter");
	} else if (strcmp(command, "RV") == 0) {
		snprintf(text, sizeof(text), "%.1fV", elm->vehicle->aux_battery_v);
		say(elm, text);
	} else if (strcmp(command, "IGN") == 0) {
		say(elm, elm->fault == ELM327_FAULT_ASLEEP ? "OFF" : "ON");
	} else if (strcmp(command, "DPN") == 0) {
		say(elm, elm->searched ? "A6" : "A0");
	} else if (strcmp(command, "DP") == 0) {
		say(elm, elm->searched ? "AUTO, ISO 15765-4 (CAN 11/500)" : "AUTO");
	} else if (run_switch(elm, command) || run_setting(elm, command) ||
		   accepts_quietly(command)) {
		say(elm, "OK");
	} else {
		say(elm, "?");
	}
	return 2 * MS;
}

static void put_hex(struct elm327 *elm, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_printf(&elm->reply, elm->spaces ? "%02X " : "%02X", data[i]);
}

/* One CAN frame as a line: id and eight bytes with headers on, else its data alone. */
static void put_frame(struct elm327 *elm, unsigned id, const uint8_t frame[8], size_t header,
		      size_t used)
{
	if (elm->headers) {
		buf_printf(&elm->reply, elm->spaces ? "%03X " : "%03X", id);
		put_hex(elm, frame, 8);
	} else {
		put_hex(elm, frame + header, used);
	}
	end_line(elm);
}

static void put_single(struct elm327 *elm, unsigned id, const uint8_t *data, size_t len)
{
	uint8_t frame[8];

	memset(frame, PADDING, sizeof(frame));
	frame[0] = (uint8_t)len;
	memcpy(frame + 1, data, len);
	put_frame(elm, id, frame, 1, len);
}

/* ISO 15765-2 first and consecutive frames; without headers the chip numbers the lines itself. */
static void put_segmented(struct elm327 *elm, unsigned id, const uint8_t *data, size_t len)
{
	uint8_t frame[8];
	size_t sent = 6;

	if (!elm->headers) {
		buf_printf(&elm->reply, "%03zX", len);
		end_line(elm);
		buf_puts(&elm->reply, elm->spaces ? "0: " : "0:");
	}
	frame[0] = (uint8_t)(0x10 | (len >> 8));
	frame[1] = (uint8_t)len;
	memcpy(frame + 2, data, 6);
	put_frame(elm, id, frame, 2, 6);
	for (unsigned n = 1; sent < len; n++) {
		size_t part = len - sent < 7 ? len - sent : 7;

		memset(frame, PADDING, sizeof(frame));
		frame[0] = (uint8_t)(0x20 | (n & 0x0F));
		memcpy(frame + 1, data + sent, part);
		if (!elm->headers)
			buf_printf(&elm->reply, elm->spaces ? "%X: " : "%X:", n & 0x0F);
		put_frame(elm, id, frame, 1, 7);
		sent += part;
	}
}

/* Asks every control unit that the request reaches; returns how many answered. */
static size_t ask_units(struct elm327 *elm, const uint8_t *request, size_t len, size_t most)
{
	elm->answer_count = 0;
	for (unsigned address = 0; address < ECU_ADDRESSES && elm->answer_count < most; address++) {
		unsigned id = FIRST_ANSWER_ID + address;
		struct elm327_answer *answer = &elm->answers[elm->answer_count];

		if (elm->transmit_id != FUNCTIONAL_ID &&
		    elm->transmit_id != FIRST_REQUEST_ID + address)
			continue;
		if (elm->receive_id != 0 && elm->receive_id != id)
			continue;
		answer->len = ecu_answer(elm->vehicle, address, request, len, answer->data);
		if (answer->len == 0)
			continue;
		elm->answer_count++;
		if (answer->len <= 7)
			put_single(elm, id, answer->data, answer->len);
		else
			put_segmented(elm, id, answer->data, answer->len);
	}
	return elm->answer_count;
}

/* What the adapter says when the vehicle's side fails; false when it does not. */
static bool bus_fails(struct elm327 *elm, int64_t *ret_delay)
{
	int64_t timeout = (int64_t)elm->timeout_4ms * 4096;

	switch (elm->fault) {
	case ELM327_FAULT_SILENCE:
		say(elm, "NO DATA");
		*ret_delay = timeout;
		return true;
	case ELM327_FAULT_ASLEEP:
		say(elm, elm->searched ? "NO DATA" : "UNABLE TO CONNECT");
		*ret_delay = elm->searched ? timeout : 4 * SEARCH_US;
		return true;
	case ELM327_FAULT_CAN_ERROR:
		say(elm, "CAN ERROR");
		*ret_delay = 100 * MS;
		return true;
	default:
		return false;
	}
}

static int64_t run_request(struct elm327 *elm, const uint8_t *request, size_t len, size_t most)
{
	int64_t delay = elm->delay_us;

	elm->answer_count = 0;
	if (bus_fails(elm, &delay))
		return delay;
	if (!elm->searched) {
		say(elm, "SEARCHING...");
		elm->searched = true;
		delay += SEARCH_US;
	}
	if (ask_units(elm, request, len, most) == 0) {
		say(elm, "NO DATA");
		return (int64_t)elm->timeout_4ms * 4096;
	}
	return delay;
}

/* Hex digits of a request; an odd last digit is the number of answers to wait for. */
static int64_t run_hex(struct elm327 *elm, const char *digits)
{
	uint8_t request[7];
	size_t count = strlen(digits);
	size_t most = ECU_ADDRESSES;

	for (size_t i = 0; i < count; i++) {
		if (!isxdigit((unsigned char)digits[i])) {
			say(elm, "?");
			return 2 * MS;
		}
	}
	if (count < 2 || count / 2 > sizeof(request)) {
		say(elm, "?");
		return 2 * MS;
	}
	if (count % 2 == 1)
		most = (size_t)strtoul(digits + count - 1, NULL, 16);
	for (size_t i = 0; i < count / 2; i++) {
		char pair[3] = {digits[2 * i], digits[2 * i + 1], '\0'};

		request[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return run_request(elm, request, count / 2, most);
}

/* Changes, loses and doubles a few bytes: what bad cables and clones do. */
static void spoil(struct elm327 *elm)
{
	for (unsigned n = 1 + dice(elm, 4); n > 0 && elm->reply.len > 2; n--) {
		size_t at = dice(elm, (unsigned)elm->reply.len);

		switch (dice(elm, 3)) {
		case 0:
			elm->reply.data[at] = (char)(0x80 | dice(elm, 128));
			break;
		case 1:
			elm->reply.data[at] = "0123456789ABCDEF\r"[dice(elm, 17)];
			break;
		default:
			memmove(elm->reply.data + at, elm->reply.data + at + 1,
				elm->reply.len - at - 1);
			elm->reply.len--;
			break;
		}
	}
}

static int64_t disturb(struct elm327 *elm, int64_t delay)
{
	switch (elm->fault) {
	case ELM327_FAULT_GARBAGE:
		spoil(elm);
		elm->answer_count = 0;
		return delay;
	case ELM327_FAULT_LV_RESET:
		elm->reply.len /= 2;
		elm->answer_count = 0;
		end_line(elm);
		say(elm, "LV RESET");
		set_defaults(elm);
		elm->fault = ELM327_FAULT_NONE;
		return delay;
	case ELM327_FAULT_SLOW:
		return SLOW_US;
	default:
		return delay;
	}
}

static int64_t run_line(struct elm327 *elm)
{
	const char *line = elm->line;
	int64_t delay;

	if (elm->line_len == 0)
		line = elm->last;
	else
		memcpy(elm->last, elm->line, elm->line_len + 1);
	if (line[0] == '\0' || elm->line_overflow) {
		say(elm, "?");
		return 2 * MS;
	}
	delay = strncmp(line, "AT", 2) == 0 ? run_at(elm, line + 2) : run_hex(elm, line);
	return delay;
}

static void run(struct elm327 *elm, int64_t now_us)
{
	int64_t delay;

	vehicle_step(elm->vehicle, now_us);
	buf_reset(&elm->reply);
	elm->answer_count = 0;
	elm->line[elm->line_len] = '\0';
	if (elm->fault == ELM327_FAULT_MUTE) {
		elm->line_len = 0;
		return;
	}
	delay = disturb(elm, run_line(elm));
	elm->line_len = 0;
	elm->line_overflow = false;
	elm->replies++;
	if (elm->fault != ELM327_FAULT_NO_PROMPT || elm->replies % 3 != 0)
		prompt(elm);
	elm->due_us = now_us + delay;
}

static void abort_work(struct elm327 *elm, int64_t now_us)
{
	buf_reset(&elm->reply);
	elm->answer_count = 0;
	say(elm, "STOPPED");
	prompt(elm);
	elm->due_us = now_us + 2 * MS;
}

void elm327_feed(struct elm327 *elm, char byte, int64_t now_us, struct buf *out)
{
	if (elm->due_us != INT64_MAX) {
		abort_work(elm, now_us);
		return;
	}
	if (elm->echo && elm->fault != ELM327_FAULT_MUTE)
		buf_putc(out, byte);
	if (byte == '\r') {
		run(elm, now_us);
	} else if (isspace((unsigned char)byte) || byte == '\0') {
		return;
	} else if (elm->line_len + 1 < sizeof(elm->line)) {
		elm->line[elm->line_len++] = (char)toupper((unsigned char)byte);
	} else {
		elm->line_overflow = true;
	}
}

int64_t elm327_due_us(const struct elm327 *elm)
{
	return elm->due_us;
}

void elm327_advance(struct elm327 *elm, int64_t now_us, struct buf *out)
{
	if (now_us < elm->due_us)
		return;
	buf_append(out, elm->reply.data, elm->reply.len);
	elm->due_us = INT64_MAX;
	for (size_t i = 0; elm->served && i < elm->answer_count; i++)
		elm->served(elm->served_arg, elm->answers[i].data, elm->answers[i].len);
	elm->answer_count = 0;
}
