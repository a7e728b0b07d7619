/* The line: bytes in, replies out in their time, and what goes wrong on the way. */
#include "tests/sim/elm327.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "tests/sim/elm327_priv.h"

#define MS ELM327_MS
#define REPLY_MAX 8192
#define SLOW_US (2000 * MS)

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

void elm327_init(struct elm327 *elm, struct vehicle *vehicle, unsigned seed, int64_t delay_us)
{
	memset(elm, 0, sizeof(*elm));
	elm->vehicle = vehicle;
	elm->seed = seed;
	elm->delay_us = delay_us;
	bus_init(&elm->bus, vehicle, delay_us);
	buf_init(&elm->reply, REPLY_MAX);
	elm327_set_temperament(elm, ELM327_TEMPER_PLAIN);
}

void elm327_set_temperament(struct elm327 *elm, enum elm327_temperament temperament)
{
	elm->temperament = temperament;
	elm->baud = elm327_make(elm)->paced ? elm327_make(elm)->baud : 0;
	elm->phase = ELM327_IDLE;
	elm->locked_up = false;
	elm->line_len = 0;
	elm->last[0] = '\0';
	elm327_set_defaults(elm);
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

void elm327_end_line(struct elm327 *elm)
{
	buf_puts(&elm->reply, elm->set.linefeed ? "\r\n" : "\r");
}

void elm327_say(struct elm327 *elm, const char *text)
{
	buf_puts(&elm->reply, text);
	elm327_end_line(elm);
}

static void prompt(struct elm327 *elm)
{
	elm327_end_line(elm);
	buf_putc(&elm->reply, '>');
}

/* ---- what goes wrong ---- */

static void lose(struct elm327 *elm, size_t at, size_t count)
{
	if (at + count > elm->reply.len)
		return;
	memmove(elm->reply.data + at, elm->reply.data + at + count, elm->reply.len - at - count);
	elm->reply.len -= count;
	elm->answer_count = 0;
}

/* Changes and loses a few bytes: what bad cables and clones do. */
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
			lose(elm, at, 1);
			break;
		}
	}
	elm->answer_count = 0;
}

/* The supply broke down in the middle of a reply. */
static void reset_in_reply(struct elm327 *elm, bool banner)
{
	elm->reply.len /= 2;
	elm->answer_count = 0;
	elm327_end_line(elm);
	elm327_say(elm, "LV RESET");
	elm327_set_defaults(elm);
	if (!banner)
		return;
	elm327_end_line(elm);
	elm327_say(elm, elm327_make(elm)->banner);
}

/* Two lines of data become one: the end of the first is lost, and a few characters with it. */
static void glue_lines(struct elm327 *elm)
{
	const char *end =
		elm->reply.len > 8 ? memchr(elm->reply.data + 4, '\r', elm->reply.len - 8) : NULL;

	if (end)
		lose(elm, (size_t)(end - elm->reply.data) - dice(elm, 3), 3 + dice(elm, 2));
}

/* Replies to requests suffer most: they are long. */
static void be_moody(struct elm327 *elm, bool data)
{
	if (dice(elm, 150) == 0)
		reset_in_reply(elm, true);
	else if (data && dice(elm, 14) == 0)
		glue_lines(elm);
	else if (data && elm->reply.len > 1 && dice(elm, 16) == 0)
		lose(elm, dice(elm, (unsigned)elm->reply.len - 1), 1);
}

/* Clones send NULs now and then. */
static void add_nul(struct elm327 *elm)
{
	size_t at = dice(elm, (unsigned)elm->reply.len + 1);

	buf_putc(&elm->reply, '\0');
	memmove(elm->reply.data + at + 1, elm->reply.data + at, elm->reply.len - at - 1);
	elm->reply.data[at] = '\0';
}

static int64_t disturb(struct elm327 *elm, int64_t delay_us, bool data)
{
	if (elm->temperament == ELM327_TEMPER_MOODY)
		be_moody(elm, data);
	else if (elm->temperament == ELM327_TEMPER_CLONE && dice(elm, 4) == 0)
		add_nul(elm);
	else if (elm->temperament == ELM327_TEMPER_SLOW && data)
		delay_us += (1000 + dice(elm, 1000)) * MS;
	switch (elm->fault) {
	case ELM327_FAULT_GARBAGE:
		spoil(elm);
		return delay_us;
	case ELM327_FAULT_LV_RESET:
		reset_in_reply(elm, false);
		elm->fault = ELM327_FAULT_NONE;
		return delay_us;
	case ELM327_FAULT_SLOW:
		return SLOW_US;
	default:
		return delay_us;
	}
}

static bool prompt_is_lost(struct elm327 *elm)
{
	elm->replies++;
	if (elm->fault == ELM327_FAULT_NO_PROMPT)
		return elm->replies % 3 == 0;
	return elm->temperament == ELM327_TEMPER_MOODY && dice(elm, 80) == 0;
}

/* ---- commands ---- */

static void finish(struct elm327 *elm, int64_t delay_us)
{
	bool data = elm->request_len > 0;

	delay_us = disturb(elm, delay_us, data);
	if (!prompt_is_lost(elm))
		prompt(elm);
	if (elm->baud > 0)
		delay_us += (int64_t)elm->reply.len * 10000000 / elm->baud;
	elm->phase = ELM327_REPLYING;
	elm->when_us = elm->now_us + delay_us;
}

static int64_t run_line(struct elm327 *elm)
{
	const char *line = elm->line;

	if (elm->line_len == 0)
		line = elm->last;
	else
		memcpy(elm->last, elm->line, elm->line_len + 1);
	elm->request_len = 0;
	if (line[0] == '\0' || elm->line_overflow) {
		elm327_say(elm, "?");
		return ELM327_COMMAND_US;
	}
	if (strncmp(line, "AT", 2) == 0)
		return elm327_run_at(elm, line + 2);
	if (strncmp(line, "ST", 2) == 0)
		return elm327_run_st(elm, line + 2);
	return elm327_run_request(elm, line);
}

static void run(struct elm327 *elm)
{
	int64_t delay_us;

	vehicle_step(elm->vehicle, elm->now_us);
	buf_reset(&elm->reply);
	elm->answer_count = 0;
	elm->line[elm->line_len] = '\0';
	delay_us = elm->fault == ELM327_FAULT_MUTE ? -1 : run_line(elm);
	elm->line_len = 0;
	elm->line_overflow = false;
	if (delay_us >= 0 && !elm->locked_up)
		finish(elm, delay_us);
}

static void abort_work(struct elm327 *elm)
{
	buf_reset(&elm->reply);
	elm->answer_count = 0;
	elm327_say(elm, "STOPPED");
	prompt(elm);
	elm->phase = ELM327_REPLYING;
	elm->when_us = elm->now_us + ELM327_COMMAND_US;
}

void elm327_hear(struct elm327 *elm, char byte, int64_t now_us, struct buf *out)
{
	elm->now_us = now_us;
	if (elm->locked_up)
		return;
	if (elm->phase != ELM327_IDLE) {
		abort_work(elm);
		return;
	}
	if (elm->set.echo && elm->fault != ELM327_FAULT_MUTE)
		buf_putc(out, byte);
	if (byte == '\r') {
		run(elm);
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
	int64_t bus_us;

	if (elm->phase == ELM327_IDLE)
		return INT64_MAX;
	if (elm->phase != ELM327_LISTENING)
		return elm->when_us;
	bus_us = bus_due_us(&elm->bus);
	return bus_us < elm->when_us ? bus_us : elm->when_us;
}

static void emit(struct elm327 *elm, struct buf *out)
{
	buf_append(out, elm->reply.data, elm->reply.len);
	elm->phase = ELM327_IDLE;
	for (size_t i = 0; elm->served && i < elm->answer_count; i++)
		elm->served(elm->served_arg, elm->answers[i].data, elm->answers[i].len);
	elm->answer_count = 0;
}

void elm327_advance(struct elm327 *elm, int64_t now_us, struct buf *out)
{
	while (elm327_due_us(elm) <= now_us) {
		int64_t delay_us = -1;

		elm->now_us = elm327_due_us(elm);
		switch (elm->phase) {
		case ELM327_SEARCHING:
			delay_us = elm327_start_request(elm);
			break;
		case ELM327_LISTENING:
			delay_us = elm327_listen(elm);
			break;
		case ELM327_REPLYING:
			emit(elm, out);
			break;
		case ELM327_IDLE:
			break;
		}
		if (delay_us >= 0)
			finish(elm, delay_us);
	}
}
