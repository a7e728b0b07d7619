/* A [signal] of our own format. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "provider/obd/profile_file_priv.h"
#include "provider/unit.h"

#define TEXT_BITS_MAX 248 /* 31 bytes */

/* "17.3": the bit of weight 2^3 in byte 17. */
static bool parse_bit(const char *text, uint32_t *ret_start)
{
	const char *rest;
	uint32_t byte, bit;

	if (!profile_parse_unsigned(text, PROFILE_ANSWER_MAX, &byte, &rest) || *rest != '.' ||
	    !profile_parse_unsigned(rest + 1, 7, &bit, NULL))
		return false;
	*ret_start = byte * 8 + 7 - bit;
	return true;
}

static int read_place(const struct profile_section *in, struct profile_signal *signal)
{
	const bool bytes = conf_is_set(in->sect, "bytes");
	const bool bits = conf_is_set(in->sect, "bits");
	const bool bit = conf_is_set(in->sect, "bit");
	const uint32_t most = signal->text ? TEXT_BITS_MAX : 64;
	uint32_t start = 0;
	uint32_t count = 1;

	if (bytes + bits + bit != 1)
		return PROFILE_FAULT(in, "bits", "exactly one of bytes, bits, bit");
	if (bytes) {
		if (!profile_parse_pair(conf_text(in->sect, "bytes"), PROFILE_ANSWER_MAX, most / 8,
					&start, &count))
			return PROFILE_FAULT(in, "bytes",
					     "FIRST COUNT: the first byte after the echo (0..%d), "
					     "and how many (1..%" PRIu32 ")",
					     PROFILE_ANSWER_MAX, most / 8);
		start *= 8;
		count *= 8;
	}
	if (bits && !profile_parse_pair(conf_text(in->sect, "bits"), PROFILE_ANSWER_MAX * 8, most,
					&start, &count))
		return PROFILE_FAULT(
			in, "bits",
			"FIRST COUNT: the first bit after the echo (0..%d), and how many "
			"(1..%" PRIu32 ")",
			PROFILE_ANSWER_MAX * 8, most);
	if (bit && !parse_bit(conf_text(in->sect, "bit"), &start))
		return PROFILE_FAULT(in, "bit",
				     "BYTE.BIT such as 17.3, bit 7 is the first of a byte");
	signal->format.start = start;
	signal->format.bits = (uint8_t)count;
	return 0;
}

static int read_length(const struct profile_section *in, struct profile_signal *signal)
{
	if (!conf_is_set(in->sect, "length"))
		return 0;
	if (!profile_parse_span(conf_text(in->sect, "length"), PROFILE_ANSWER_MAX, false,
				&signal->len_min, &signal->len_max) ||
	    signal->len_min == 0)
		return PROFILE_FAULT(in, "length", "bytes after the echo: 39 or 39..41");
	return 0;
}

static int read_bounds(const struct profile_section *in, struct profile_signal *signal)
{
	const bool min = conf_is_set(in->sect, "min");
	const bool max = conf_is_set(in->sect, "max");

	if (!min && !max)
		return 0;
	signal->min = min ? conf_number(in->sect, "min") : -INFINITY;
	signal->max = max ? conf_number(in->sect, "max") : INFINITY;
	if (signal->min > signal->max)
		return PROFILE_FAULT(in, "max", "a number that is not less than min");
	return 0;
}

/* A text has no scale. */
static int check_text(const struct profile_section *in)
{
	static const char *const numbers[] = {"order",      "signed", "mul",    "div",
					      "add",        "min",    "max",    "null",
					      "null_value", "unit",   "negate", "words"};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (conf_is_set(in->sect, numbers[i]))
			return PROFILE_FAULT(in, numbers[i], "no such key: a text is no number");
	}
	return 0;
}

static int read_nulls(const struct profile_section *in, int signal, const char *key, bool raw)
{
	const char *at = conf_text(in->sect, key);
	const int line = conf_line(in->sect, key);
	char item[PROFILE_ITEM_SIZE];
	int r = 0;

	while (r == 0 && profile_next_item(&at, item)) {
		struct profile_null null = {.raw = raw};

		if (raw && strcmp(item, "ones") == 0)
			r = profile_build_null_ones(in->build, signal, line);
		else if (profile_parse_range(item, &null))
			r = profile_build_null(in->build, signal, &null, line);
		else
			r = PROFILE_FAULT(in, key,
					  "values or ranges such as 0 254..255%s, not \"%s\"",
					  raw ? " 0xFFFF ones" : "", item);
	}
	return r;
}

static bool is_whole(double raw)
{
	return raw > -9e15 && raw < 9e15 && !(raw < (double)(int64_t)raw) &&
	       !(raw > (double)(int64_t)raw);
}

static int read_words(const struct profile_section *in, int signal)
{
	const char *at = conf_text(in->sect, "words");
	char item[PROFILE_ITEM_SIZE];
	int r = 0;

	while (r == 0 && profile_next_item(&at, item)) {
		const char *rest = item;
		double raw;

		if (!profile_parse_raw(item, &raw, &rest) || *rest != ':' || !is_whole(raw))
			r = PROFILE_FAULT(in, "words", "RAW:WORD such as 0:p, not \"%s\"", item);
		else
			r = profile_build_word(in->build, signal, (int64_t)raw, rest + 1,
					       conf_line(in->sect, "words"));
	}
	return r;
}

static int read_field(const struct profile_section *in, int signal)
{
	const char *name = conf_text(in->sect, "field");
	const int field = unit_field_find(name);

	if (!conf_is_set(in->sect, "field"))
		return 0;
	if (field < 0 && strcmp(name, "none") != 0)
		return PROFILE_FAULT(in, "field",
				     "a canonical field (docs/canonical-model.md) such as "
				     "battery.pack_voltage_v, not \"%.40s\"",
				     name);
	return profile_build_field(in->build, signal, field, conf_line(in->sect, "field"));
}

/* What may also complete a signal of a signal set. */
static int read_meaning(const struct profile_section *in, int signal)
{
	struct profile_signal *is = profile_build_signal_at(in->build, signal);
	int r = read_bounds(in, is);

	is->trust = (enum profile_trust)conf_int(in->sect, "trust");
	if (r == 0)
		r = read_nulls(in, signal, "null", true);
	if (r == 0)
		r = read_nulls(in, signal, "null_value", false);
	if (r == 0)
		r = read_words(in, signal);
	if (r == 0 && conf_is_set(in->sect, "unit"))
		r = profile_build_unit(in->build, signal, conf_text(in->sect, "unit"),
				       conf_line(in->sect, "unit"));
	if (r == 0)
		r = read_field(in, signal);
	if (r == 0 && conf_bool(in->sect, "negate")) {
		is->to_mul = -is->to_mul;
		is->to_add = -is->to_add;
	}
	return r;
}

static int complete_signal(const struct profile_section *in, int signal)
{
	static const char *const fixed[] = {"bytes", "bits", "bit", "order",  "signed",
					    "mul",   "div",  "add", "length", "text"};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (conf_is_set(in->sect, fixed[i]))
			return PROFILE_FAULT(in, fixed[i],
					     "no such key: the signal set has this signal");
	}
	if (profile_build_signal_at(in->build, signal)->text && check_text(in) < 0)
		return -EINVAL;
	return read_meaning(in, signal);
}

int profile_read_signal(const struct profile_section *in)
{
	const char *owner = conf_text(in->sect, "command");
	const int command = profile_build_command_find(in->build, owner);
	const int known = profile_build_signal_find(in->build, conf_name(in->sect));
	struct profile_signal signal;
	int r;

	if (known >= 0 && !conf_is_set(in->sect, "command"))
		return complete_signal(in, known);
	if (known < 0 && !conf_is_set(in->sect, "command"))
		return PROFILE_FAULT(
			in, "command",
			"the required key, the name of a [command] (only a signal of the "
			"obdb set needs none; freshet-agent profile SET lists them)");
	if (command < 0)
		return PROFILE_FAULT(in, "command", "the name of a [command], not \"%.40s\"",
				     owner);
	profile_signal_init(&signal);
	(void)snprintf(signal.id, sizeof(signal.id), "%s", conf_name(in->sect));
	signal.line = conf_line(in->sect, NULL);
	signal.text = conf_bool(in->sect, "text");
	signal.format.order = (enum model_signal_order)conf_int(in->sect, "order");
	signal.format.is_signed = conf_bool(in->sect, "signed");
	signal.format.mul = conf_number(in->sect, "mul");
	signal.format.div = conf_number(in->sect, "div");
	signal.format.add = conf_number(in->sect, "add");
	r = signal.text ? check_text(in) : 0;
	if (r == 0)
		r = read_place(in, &signal);
	if (r == 0)
		r = read_length(in, &signal);
	if (r == 0)
		r = profile_build_signal(in->build, command, &signal);
	return r < 0 ? r : read_meaning(in, r);
}
