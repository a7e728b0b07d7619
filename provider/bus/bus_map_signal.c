/* A [signal] of a map. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "provider/bus/bus_map_priv.h"
#include "provider/unit.h"

#define WORD_SIZE 64
#define ADDRESS_MAX 0xfd /* FE is nobody, FF everybody */

/* Adds a mistake. Returns -EINVAL or -ENOMEM. */
__attribute__((format(printf, 3, 4))) static int fault(const struct bus_map_section *in,
						       const char *key, const char *fmt, ...)
{
	char expected[160];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(expected, sizeof(expected), fmt, args);
	va_end(args);
	return conf_add_error(in->conf, in->sect, key, expected) ? -ENOMEM : -EINVAL;
}

/* The next word of a list; false at its end. One that is too long is cut: it fits nothing. */
static bool next_word(const char **at, char out[static WORD_SIZE])
{
	size_t len;

	*at += strspn(*at, " \t,");
	len = strcspn(*at, " \t,");
	if (len == 0)
		return false;
	(void)snprintf(out, WORD_SIZE, "%.*s", (int)(len < WORD_SIZE ? len : WORD_SIZE), *at);
	*at += len;
	return true;
}

/* ---- what the value becomes ---- */

static int read_field(const struct bus_map_section *in, struct bus_map_signal *signal)
{
	const char *name = conf_text(in->sect, "field");
	const int field = unit_field_find(name);

	if (field < 0)
		return fault(in, "field",
			     "a canonical field (docs/canonical-model.md) such as "
			     "vehicle_state.speed_kmh, not \"%.40s\"",
			     name);
	switch (model_field_info((enum model_field)field)->type) {
	case MODEL_TYPE_NUMBER:
	case MODEL_TYPE_INTEGER:
	case MODEL_TYPE_BOOL:
	case MODEL_TYPE_ENUM:
		break;
	default:
		return fault(in, "field", "a field that is a number, yes or no, or a word");
	}
	signal->field = (enum model_field)field;
	return 0;
}

/* "on" of a BOOL or of the field's own list. */
static bool find_word(enum model_field field, const char *word, int64_t *ret_integer)
{
	static const char *const flags[][2] = {
		{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
	const struct model_field_info *info = model_field_info(field);
	int found;

	if (info->type == MODEL_TYPE_ENUM) {
		found = model_word_find((enum model_words)info->aux, word, strlen(word));
		*ret_integer = found;
		return found >= 0;
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		for (int value = 0; value < 2; value++)
			if (strcmp(flags[i][value], word) == 0) {
				*ret_integer = value;
				return true;
			}
	return false;
}

static int read_words(const struct bus_map_section *in, struct bus_map_signal *signal)
{
	const char *at = conf_text(in->sect, "words");
	char item[WORD_SIZE];

	while (next_word(&at, item)) {
		struct bus_map_word word = {0};
		const char *rest = item;

		if (signal->word_count == BUS_MAP_WORDS_MAX)
			return fault(in, "words", "at most %d words", BUS_MAP_WORDS_MAX);
		if (!decimal_parse(item, &word.value, &rest) || *rest != ':')
			return fault(in, "words", "RAW:WORD such as 1:on, not \"%s\"", item);
		if (!find_word(signal->field, rest + 1, &word.integer))
			return fault(in, "words", "a word that the field has, not \"%s\"",
				     rest + 1);
		signal->words[signal->word_count++] = word;
	}
	return 0;
}

static int read_kind(const struct bus_map_section *in, struct bus_map_signal *signal)
{
	const enum model_type type = model_field_info(signal->field)->type;
	const bool words = conf_is_set(in->sect, "words");
	const bool above = conf_is_set(in->sect, "above");
	const bool number = type == MODEL_TYPE_NUMBER || type == MODEL_TYPE_INTEGER;

	signal->above = conf_number(in->sect, "above");
	if (number && (words || above))
		return fault(in, words ? "words" : "above", "no such key: the field is a number");
	if (words && above)
		return fault(in, "above", "either words or above");
	if (above && type == MODEL_TYPE_ENUM && signal->field != MODEL_FIELD_IGNITION)
		return fault(in, "above", "words: only ignition is on above a value");
	if (!words && !above && type == MODEL_TYPE_ENUM)
		return fault(in, "field", "words too, which say what each value means");
	signal->kind = words    ? BUS_MAP_WORDS
		       : above  ? BUS_MAP_ABOVE
		       : number ? BUS_MAP_NUMBER
				: BUS_MAP_FLAG;
	return words ? read_words(in, signal) : 0;
}

/* ---- its unit and its bounds ---- */

static int read_unit(const struct bus_map_section *in, struct bus_map_signal *signal)
{
	const char *unit = conf_text(in->sect, "unit");

	signal->unit = "";
	signal->to_mul = 1;
	if (conf_is_set(in->sect, "unit")) {
		signal->unit = unit_find(unit);
		if (!signal->unit)
			return fault(in, "unit", "a unit such as km/h, V, C, %%, not \"%.24s\"",
				     unit);
		if (signal->kind == BUS_MAP_NUMBER &&
		    !unit_convert(unit, (int)signal->field, &signal->to_mul, &signal->to_add))
			return fault(in, "unit",
				     "a unit that becomes the field's (%.12s), not \"%.24s\"",
				     unit_of_field((int)signal->field), unit);
	}
	if (conf_bool(in->sect, "negate")) {
		if (signal->kind != BUS_MAP_NUMBER)
			return fault(in, "negate", "no such key: the field is no number");
		signal->to_mul = -signal->to_mul;
		signal->to_add = -signal->to_add;
	}
	return 0;
}

static int read_bounds(const struct bus_map_section *in, struct bus_map_signal *signal)
{
	const bool min = conf_is_set(in->sect, "min");
	const bool max = conf_is_set(in->sect, "max");

	signal->min = 1;
	signal->max = 0;
	if (!min && !max)
		return 0;
	signal->min = min ? conf_number(in->sect, "min") : -INFINITY;
	signal->max = max ? conf_number(in->sect, "max") : INFINITY;
	if (signal->min > signal->max)
		return fault(in, "max", "a number that is not less than min");
	return 0;
}

/* ---- whose word counts ---- */

static int read_source(const struct bus_map_section *in, struct bus_map_signal *signal,
		       const char *item)
{
	const size_t len = strlen(item);
	unsigned long address;

	if (signal->others)
		return fault(in, "sources", "nothing after *, which is anybody else");
	if (strcmp(item, "*") == 0) {
		signal->others = true;
		return 0;
	}
	address = strtoul(item, NULL, 16);
	if (len > 2 || strspn(item, "0123456789abcdefABCDEF") != len || address > ADDRESS_MAX)
		return fault(in, "sources",
			     "addresses of 1 or 2 hex digits, 0..FD, or *, not \"%s\"", item);
	if (signal->source_count == BUS_MAP_SOURCES_MAX)
		return fault(in, "sources", "at most %d addresses", BUS_MAP_SOURCES_MAX);
	if (memchr(signal->sources, (int)address, signal->source_count))
		return fault(in, "sources", "each address once, not \"%s\" again", item);
	signal->sources[signal->source_count++] = (uint8_t)address;
	return 0;
}

static int read_sources(const struct bus_map_section *in, struct bus_map_signal *signal)
{
	const char *at = conf_text(in->sect, "sources");
	char item[WORD_SIZE];
	int r = 0;

	if (conf_is_set(in->sect, "sources") && !bus_map_conf_by_pgn(in->conf))
		return fault(in, "sources",
			     "no such key: frames that match by id have one source each");
	while (!r && next_word(&at, item))
		r = read_source(in, signal, item);
	return r;
}

int bus_map_read_signal(const struct bus_map_section *in, struct bus_map_signal *signal)
{
	const bool named = conf_is_set(in->sect, "signal");
	int r;

	(void)snprintf(signal->name, sizeof(signal->name), "%s",
		       named ? conf_text(in->sect, "signal") : conf_name(in->sect));
	signal->line = conf_line(in->sect, named ? "signal" : NULL);
	signal->period_us = conf_int(in->sect, "period") * 1000;
	r = read_field(in, signal);
	if (!r)
		r = read_kind(in, signal);
	if (!r)
		r = read_unit(in, signal);
	if (!r)
		r = read_bounds(in, signal);
	if (!r)
		r = read_sources(in, signal);
	return r;
}
