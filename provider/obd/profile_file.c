/* Freshet's own format (docs/profiles.md): an INI file. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/decimal.h"
#include "provider/obd/profile_priv.h"

#define FUNCTIONAL_11 0x7dfU
#define FUNCTIONAL_29 0x18db33f1U
#define ITEM_SIZE 64

/* The words of an X-macro list, separated by spaces. */
#define WORD(ident, name) name " "
#define PERIOD_MAX_MS ((int64_t)7 * 24 * 3600 * 1000)

static const struct conf_key profile_keys[] = {
	{"name", CONF_TEXT, NULL, 1, PROFILE_NAME_SIZE - 1, NULL, "what the profile is called"},
	{"title", CONF_TEXT, "", 0, PROFILE_TITLE_SIZE - 1, NULL, "the vehicles, for people"},
	{"bus", CONF_ENUM, "auto", 0, 0, "auto can11_500 can29_500 can11_250 can29_250",
	 "the bus at the vehicle's plug"},
	{"vin", CONF_TEXT, "", 0, 0, NULL, "beginnings of VINs"},
	{"detect", CONF_TEXT, "", 0, 0, NULL, "the command that only this family answers"},
	{"obdb", CONF_PATH, "", 0, 0, NULL, "an OBDb signal set (JSON, version 3)"},
	{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_key state_keys[] = {
#define X(ident, name) {name, CONF_TEXT, "", 0, 0, NULL, "a condition over signals"},
	PROFILE_STATES(X)
#undef X
		{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_key command_keys[] = {
	{"request", CONF_TEXT, "", 1, 64, NULL, "the bytes of the request, in hex"},
	{"ecu", CONF_TEXT, "all", 0, 0, NULL, "the identifiers of request and answer, or all"},
	{"extension", CONF_TEXT, "", 0, 0, NULL, "the byte of extended addressing, in hex"},
	{"tester", CONF_TEXT, "", 0, 0, NULL, "the byte of extended answers, in hex"},
	{"flow_control", CONF_BOOL, "no", 0, 0, NULL, "set flow control by hand"},
	{"period", CONF_DURATION, "0", 0, PERIOD_MAX_MS, NULL, "between two requests"},
	{"when", CONF_ENUM, "awake", 0, 0, PROFILE_WHENS(WORD), "when it may be sent"},
	{"kind", CONF_ENUM, "signals", 0, 0, PROFILE_KINDS(WORD), "what the answers are"},
	{"years", CONF_TEXT, "", 0, 0, NULL, "model years that have it"},
	{"valid_if", CONF_TEXT, "", 0, 0, NULL, "a condition over the command's signals"},
	{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_key signal_keys[] = {
	{"command", CONF_TEXT, "", 0, 0, NULL, "the command whose answer it stands in"},
	{"bytes", CONF_TEXT, "", 0, 0, NULL, "first byte after the echo, and how many"},
	{"bits", CONF_TEXT, "", 0, 0, NULL, "first bit after the echo, and how many"},
	{"bit", CONF_TEXT, "", 0, 0, NULL, "BYTE.BIT, bit 0 weighs 1"},
	{"order", CONF_ENUM, "big", 0, 0, "big reversed", "the order of the bytes"},
	{"signed", CONF_BOOL, "no", 0, 0, NULL, "two's complement"},
	{"mul", CONF_NUMBER, "1", 0, 0, NULL, "a factor"},
	{"div", CONF_NUMBER, "1", 0, 0, NULL, "a divisor"},
	{"add", CONF_NUMBER, "0", 0, 0, NULL, "what is added last"},
	{"min", CONF_NUMBER, "0", 0, 0, NULL, "the least plausible value"},
	{"max", CONF_NUMBER, "0", 0, 0, NULL, "the greatest plausible value"},
	{"null", CONF_TEXT, "", 0, 0, NULL, "raw values that mean not known"},
	{"null_value", CONF_TEXT, "", 0, 0, NULL, "values that mean not known"},
	{"length", CONF_TEXT, "", 0, 0, NULL, "the answers it stands in"},
	{"unit", CONF_TEXT, "", 0, 0, NULL, "the unit of the values"},
	{"negate", CONF_BOOL, "no", 0, 0, NULL, "the field has the other sign"},
	{"field", CONF_TEXT, "", 0, 0, NULL, "the canonical field that it becomes"},
	{"words", CONF_TEXT, "", 0, 0, NULL, "RAW:WORD for each raw value"},
	{"text", CONF_BOOL, "no", 0, 0, NULL, "ASCII text"},
	{"trust", CONF_ENUM, NULL, 0, 0, PROFILE_TRUSTS(WORD), "how sure it is"},
	{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_section schema[] = {
	{"profile", CONF_REQUIRED, profile_keys},
	{"state", CONF_OPTIONAL, state_keys},
	{"command", CONF_MANY, command_keys},
	{"signal", CONF_MANY, signal_keys},
	{0},
};

/* ---- mistakes and their lines ---- */

/* What the rules call a key is written under other names too. */
static const char *const spellings[][2] = {
	{"bits", "bytes"},
	{"bits", "bit"},
	{"null", "null_value"},
	{"min", "max"},
};

static const struct conf_sect *find_section(const struct conf *conf, const char *kind,
					    const char *id)
{
	const struct conf_sect *sect = conf_next(conf, kind, NULL);

	while (sect && strcmp(conf_name(sect), id) != 0)
		sect = conf_next(conf, kind, sect);
	return sect;
}

static bool has_key(const char *kind, const char *key)
{
	for (const struct conf_section *section = schema; section->kind; section++) {
		if (strcmp(section->kind, kind) != 0)
			continue;
		for (const struct conf_key *k = section->keys; k->name; k++) {
			if (strcmp(k->name, key) == 0)
				return true;
		}
	}
	return false;
}

/* profile_locate_fn. */
static int locate(void *arg, const char *kind, const char *id, const char *key)
{
	const struct conf *conf = arg;
	const struct conf_sect *sect = find_section(conf, kind, id);

	if (!sect || !has_key(kind, key))
		return 0;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		if (strcmp(kind, "signal") == 0 && strcmp(key, spellings[i][0]) == 0 &&
		    !conf_is_set(sect, key) && conf_is_set(sect, spellings[i][1]))
			return conf_line(sect, spellings[i][1]);
	}
	return conf_is_set(sect, key) ? conf_line(sect, key) : 0;
}

static void forget(void *arg)
{
	conf_free(arg);
}

/* A section that is being read. */
struct section {
	struct profile_build *build;
	const struct conf_sect *sect;
	const char *kind;
};

#define FAULT(s, key, ...)                                                                         \
	profile_build_fault((s)->build, (s)->kind, conf_name((s)->sect),                           \
			    conf_line((s)->sect, key), key, __VA_ARGS__)

/* ---- lists and numbers in texts ---- */

/* The next word of a list; false at its end. A word that is too long is cut: it fits nothing. */
static bool next_item(const char **at, char out[static ITEM_SIZE])
{
	size_t len;

	*at += strspn(*at, " \t,");
	len = strcspn(*at, " \t,");
	if (len == 0)
		return false;
	(void)snprintf(out, ITEM_SIZE, "%.*s", (int)(len < ITEM_SIZE ? len : ITEM_SIZE), *at);
	*at += len;
	return true;
}

static bool parse_unsigned(const char *text, uint32_t most, uint32_t *ret_value,
			   const char **ret_rest)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || value > most || (!ret_rest && *end))
		return false;
	*ret_value = (uint32_t)value;
	if (ret_rest)
		*ret_rest = end;
	return true;
}

/* "7EC", "22 01 01" without blanks: 1..8 digits. */
static bool parse_hex(const char *text, uint32_t *ret_value)
{
	const size_t len = strlen(text);

	if (len < 1 || len > 8 || strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	*ret_value = (uint32_t)strtoul(text, NULL, 16);
	return true;
}

/* A raw value: decimal, or hexadecimal with 0x. */
static bool parse_raw(const char *text, double *ret_value, const char **ret_rest)
{
	char *end;
	unsigned long long value;

	if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X') ||
	    !isxdigit((unsigned char)text[2]))
		return decimal_parse(text, ret_value, ret_rest);
	errno = 0;
	value = strtoull(text, &end, 16);
	if (errno)
		return false;
	*ret_value = (double)value;
	*ret_rest = end;
	return true;
}

/* "5" or "5..9". */
static bool parse_range(const char *text, struct profile_null *null)
{
	const char *rest;

	if (!parse_raw(text, &null->first, &rest))
		return false;
	null->last = null->first;
	if (rest[0] == '.' && rest[1] == '.' && !parse_raw(rest + 2, &null->last, &rest))
		return false;
	return *rest == '\0';
}

/* "39", "39..41": whole numbers up to `most`; an end that is left out is 0 where `open`. */
static bool parse_span(const char *text, uint32_t most, bool open, uint16_t *ret_first,
		       uint16_t *ret_last)
{
	const char *rest = text;
	uint32_t first = 0;
	uint32_t last = 0;

	if (!parse_unsigned(text, most, &first, &rest) && !(open && *text == '.'))
		return false;
	last = first;
	if (rest[0] == '.' && rest[1] == '.') {
		rest += 2;
		last = 0;
		if (!parse_unsigned(rest, most, &last, &rest) && !(open && !*rest))
			return false;
	}
	if (*rest)
		return false;
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return true;
}

/* "96 16": two whole numbers. */
static bool parse_pair(const char *text, uint32_t most_first, uint32_t most_second,
		       uint32_t *ret_first, uint32_t *ret_second)
{
	char first[ITEM_SIZE], second[ITEM_SIZE], more[ITEM_SIZE];

	if (!next_item(&text, first) || !next_item(&text, second) || next_item(&text, more))
		return false;
	return parse_unsigned(first, most_first, ret_first, NULL) &&
	       parse_unsigned(second, most_second, ret_second, NULL);
}

/* ---- [profile] and [state] ---- */

/* The numbers of ATSP, in the order of the key's words. */
static const uint8_t protocols[] = {0, 6, 7, 8, 9};

static bool bus_is_29(const struct conf *conf)
{
	const uint8_t protocol = protocols[conf_int(conf_get(conf, "profile"), "bus")];

	return protocol == 7 || protocol == 9;
}

static int read_head(struct profile_build *build, const struct conf *conf)
{
	const struct conf_sect *head = conf_get(conf, "profile");
	const char *vins = conf_text(head, "vin");
	char vin[ITEM_SIZE];

	(void)profile_build_name(build, conf_text(head, "name"), conf_line(head, "name"));
	(void)profile_build_title(build, conf_text(head, "title"), conf_line(head, "title"));
	profile_build_protocol(build, protocols[conf_int(head, "bus")]);
	while (next_item(&vins, vin))
		(void)profile_build_vin(build, vin, conf_line(head, "vin"));
	if (conf_is_set(head, "detect"))
		(void)profile_build_detect(build, conf_text(head, "detect"),
					   conf_line(head, "detect"));
	return 0;
}

static int read_states(struct profile_build *build, const struct conf *conf)
{
	static const char *const names[] = {
#define X(ident, name) name,
		PROFILE_STATES(X)
#undef X
	};
	const struct conf_sect *sect = conf_get(conf, "state");

	for (size_t i = 0; i < PROFILE_STATE_COUNT; i++) {
		if (!conf_is_set(sect, names[i]))
			continue;
		if (profile_build_state(build, (enum profile_state)i, conf_text(sect, names[i]),
					conf_line(sect, names[i])) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* ---- [command] ---- */

static int read_request(const struct section *in, struct profile_command *command)
{
	const char *text = conf_text(in->sect, "request");
	size_t n = 0;

	for (; *text; text++) {
		const char pair[3] = {text[0], text[1], '\0'};
		uint32_t byte;

		if (*text == ' ' || *text == '\t')
			continue;
		if (strlen(pair) != 2 || !parse_hex(pair, &byte))
			return FAULT(in, "request", "bytes in hex, such as 22 01 01, not \"%.24s\"",
				     text);
		if (n == PROFILE_REQUEST_MAX)
			return FAULT(in, "request", "at most %d bytes, what one frame carries",
				     PROFILE_REQUEST_MAX);
		command->request[n++] = (uint8_t)byte;
		text++;
	}
	command->request_len = (uint8_t)n;
	return 0;
}

/* 3 digits are an identifier of 11 bits, 8 digits one of 29. */
static bool parse_id(const char *text, uint32_t *ret_id, uint8_t *ret_bits)
{
	const size_t len = strlen(text);

	if ((len != 3 && len != 8) || !parse_hex(text, ret_id))
		return false;
	*ret_bits = len == 3 ? 11 : 29;
	return true;
}

static int read_ids(const struct section *in, bool is_29, struct profile_ecu *ecu)
{
	const char *at = conf_text(in->sect, "ecu");
	char tx[ITEM_SIZE], rx[ITEM_SIZE], more[ITEM_SIZE];
	uint8_t rx_bits;

	if (!next_item(&at, tx))
		return FAULT(in, "ecu", "REQUEST-ID ANSWER-ID, or all");
	if (strcmp(tx, "all") == 0 && !next_item(&at, more)) {
		ecu->tx = is_29 ? FUNCTIONAL_29 : FUNCTIONAL_11;
		ecu->id_bits = is_29 ? 29 : 11;
		return 0;
	}
	if (!parse_id(tx, &ecu->tx, &ecu->id_bits))
		return FAULT(in, "ecu", "an identifier of 3 or 8 hex digits, or all, not \"%s\"",
			     tx);
	if (!next_item(&at, rx))
		return 0;
	if (!parse_id(rx, &ecu->rx, &rx_bits) || rx_bits != ecu->id_bits || next_item(&at, more))
		return FAULT(in, "ecu", "one answer's identifier of as many digits, not \"%s\"",
			     rx);
	return 0;
}

static int read_byte(const struct section *in, const char *key, uint8_t *ret_byte)
{
	uint32_t byte;

	if (!conf_is_set(in->sect, key))
		return 0;
	if (!parse_hex(conf_text(in->sect, key), &byte) || byte == 0 || byte > 0xff)
		return FAULT(in, key, "a byte in hex, 01..FF");
	*ret_byte = (uint8_t)byte;
	return 0;
}

static int read_ecu(const struct section *in, bool is_29, struct profile_ecu *ecu)
{
	int r = read_ids(in, is_29, ecu);

	if (r < 0)
		return r;
	r = read_byte(in, "extension", &ecu->extension);
	if (r < 0)
		return r;
	r = read_byte(in, "tester", &ecu->tester);
	if (r < 0)
		return r;
	if (ecu->tester && !ecu->extension)
		return FAULT(in, "tester", "an `extension` too: both belong together");
	ecu->flow_control = conf_bool(in->sect, "flow_control");
	return 0;
}

static int read_years(const struct section *in, struct profile_command *command)
{
	const char *text = conf_text(in->sect, "years");

	if (!conf_is_set(in->sect, "years"))
		return 0;
	if (!parse_span(text, 9999, true, &command->year_from, &command->year_to))
		return FAULT(in, "years", "2018, 2018..2022, 2018.. or ..2022");
	return 0;
}

static int read_valid_if(const struct section *in, int command)
{
	if (!conf_is_set(in->sect, "valid_if"))
		return 0;
	return profile_build_valid_if(in->build, command, conf_text(in->sect, "valid_if"),
				      conf_line(in->sect, "valid_if"));
}

/* A command of the signal set: what the set does not say. */
static int complete_command(const struct section *in, int command)
{
	static const char *const fixed[] = {"ecu",          "extension", "tester",
					    "flow_control", "kind",      "years"};
	const struct profile_command *is = profile_build_command_at(in->build, command);
	int64_t period = is->period_us;
	enum profile_when when = is->when;
	int r;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (conf_is_set(in->sect, fixed[i]))
			return FAULT(in, fixed[i], "no such key: the signal set has this command");
	}
	if (conf_is_set(in->sect, "period"))
		period = conf_int(in->sect, "period") * 1000;
	if (conf_is_set(in->sect, "when"))
		when = (enum profile_when)conf_int(in->sect, "when");
	r = profile_build_rhythm(in->build, command, when, period);
	return r < 0 ? r : read_valid_if(in, command);
}

static int read_command(const struct section *in, bool is_29)
{
	struct profile_command command = {
		.kind = (enum profile_kind)conf_int(in->sect, "kind"),
		.when = (enum profile_when)conf_int(in->sect, "when"),
		.period_us = conf_int(in->sect, "period") * 1000,
		.line = conf_line(in->sect, NULL),
	};
	const int known = profile_build_command_find(in->build, conf_name(in->sect));
	int r;

	if (known >= 0 && !conf_is_set(in->sect, "request"))
		return complete_command(in, known);
	if (!conf_is_set(in->sect, "request"))
		return FAULT(in, "request", "the required key, the bytes of the request in hex");
	(void)snprintf(command.id, sizeof(command.id), "%s", conf_name(in->sect));
	r = read_request(in, &command);
	if (r < 0)
		return r;
	r = read_ecu(in, is_29, &command.ecu);
	if (r < 0)
		return r;
	r = read_years(in, &command);
	if (r < 0)
		return r;
	r = profile_build_command(in->build, &command);
	return r < 0 ? r : read_valid_if(in, r);
}

static int read_commands(struct profile_build *build, const struct conf *conf)
{
	struct section in = {.build = build, .kind = "command"};
	const bool is_29 = bus_is_29(conf);

	while ((in.sect = conf_next(conf, "command", in.sect)) != NULL) {
		if (read_command(&in, is_29) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* ---- [signal] ---- */

/* "17.3": the bit of weight 2^3 in byte 17. */
static bool parse_bit(const char *text, uint32_t *ret_start)
{
	const char *rest;
	uint32_t byte, bit;

	if (!parse_unsigned(text, PROFILE_ANSWER_MAX, &byte, &rest) || *rest != '.' ||
	    !parse_unsigned(rest + 1, 7, &bit, NULL))
		return false;
	*ret_start = byte * 8 + 7 - bit;
	return true;
}

static int read_place(const struct section *in, struct profile_signal *signal)
{
	const bool bytes = conf_is_set(in->sect, "bytes");
	const bool bits = conf_is_set(in->sect, "bits");
	const bool bit = conf_is_set(in->sect, "bit");
	const uint32_t most = signal->text ? 248 : 64;
	uint32_t start = 0;
	uint32_t count = 1;

	if (bytes + bits + bit != 1)
		return FAULT(in, "bits", "exactly one of bytes, bits, bit");
	if (bytes) {
		if (!parse_pair(conf_text(in->sect, "bytes"), PROFILE_ANSWER_MAX, most / 8, &start,
				&count))
			return FAULT(in, "bytes",
				     "FIRST COUNT: the first byte after the echo (0..%d), "
				     "and how many (1..%" PRIu32 ")",
				     PROFILE_ANSWER_MAX, most / 8);
		start *= 8;
		count *= 8;
	}
	if (bits &&
	    !parse_pair(conf_text(in->sect, "bits"), PROFILE_ANSWER_MAX * 8, most, &start, &count))
		return FAULT(in, "bits",
			     "FIRST COUNT: the first bit after the echo (0..%d), and how many "
			     "(1..%" PRIu32 ")",
			     PROFILE_ANSWER_MAX * 8, most);
	if (bit && !parse_bit(conf_text(in->sect, "bit"), &start))
		return FAULT(in, "bit", "BYTE.BIT such as 17.3, bit 7 is the first of a byte");
	signal->format.start = start;
	signal->format.bits = (uint8_t)count;
	return 0;
}

static int read_length(const struct section *in, struct profile_signal *signal)
{
	if (!conf_is_set(in->sect, "length"))
		return 0;
	if (!parse_span(conf_text(in->sect, "length"), PROFILE_ANSWER_MAX, false, &signal->len_min,
			&signal->len_max) ||
	    signal->len_min == 0)
		return FAULT(in, "length", "bytes after the echo: 39 or 39..41");
	return 0;
}

static int read_bounds(const struct section *in, struct profile_signal *signal)
{
	const bool min = conf_is_set(in->sect, "min");
	const bool max = conf_is_set(in->sect, "max");

	if (!min && !max)
		return 0;
	signal->min = min ? conf_number(in->sect, "min") : -INFINITY;
	signal->max = max ? conf_number(in->sect, "max") : INFINITY;
	if (signal->min > signal->max)
		return FAULT(in, "max", "a number that is not less than min");
	return 0;
}

/* A text has no scale. */
static int check_text(const struct section *in)
{
	static const char *const numbers[] = {"order",      "signed", "mul",    "div",
					      "add",        "min",    "max",    "null",
					      "null_value", "unit",   "negate", "words"};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (conf_is_set(in->sect, numbers[i]))
			return FAULT(in, numbers[i], "no such key: a text is no number");
	}
	return 0;
}

static int read_nulls(const struct section *in, int signal, const char *key, bool raw)
{
	const char *at = conf_text(in->sect, key);
	const int line = conf_line(in->sect, key);
	char item[ITEM_SIZE];
	int r = 0;

	while (r == 0 && next_item(&at, item)) {
		struct profile_null null = {.raw = raw};

		if (raw && strcmp(item, "ones") == 0)
			r = profile_build_null_ones(in->build, signal, line);
		else if (parse_range(item, &null))
			r = profile_build_null(in->build, signal, &null, line);
		else
			r = FAULT(in, key, "values or ranges such as 0 254..255%s, not \"%s\"",
				  raw ? " 0xFFFF ones" : "", item);
	}
	return r;
}

static bool is_whole(double raw)
{
	return raw > -9e15 && raw < 9e15 && !(raw < (double)(int64_t)raw) &&
	       !(raw > (double)(int64_t)raw);
}

static int read_words(const struct section *in, int signal)
{
	const char *at = conf_text(in->sect, "words");
	char item[ITEM_SIZE];
	int r = 0;

	while (r == 0 && next_item(&at, item)) {
		const char *rest = item;
		double raw;

		if (!parse_raw(item, &raw, &rest) || *rest != ':' || !is_whole(raw))
			r = FAULT(in, "words", "RAW:WORD such as 0:p, not \"%s\"", item);
		else
			r = profile_build_word(in->build, signal, (int64_t)raw, rest + 1,
					       conf_line(in->sect, "words"));
	}
	return r;
}

static int read_field(const struct section *in, int signal)
{
	const char *name = conf_text(in->sect, "field");
	const int field = profile_field_find(name);

	if (!conf_is_set(in->sect, "field"))
		return 0;
	if (field < 0 && strcmp(name, "none") != 0)
		return FAULT(in, "field",
			     "a canonical field (docs/canonical-model.md) such as "
			     "battery.pack_voltage_v, not \"%.40s\"",
			     name);
	return profile_build_field(in->build, signal, field, conf_line(in->sect, "field"));
}

/* What may also complete a signal of a signal set. */
static int read_meaning(const struct section *in, int signal)
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

static int complete_signal(const struct section *in, int signal)
{
	static const char *const fixed[] = {"bytes", "bits", "bit", "order",  "signed",
					    "mul",   "div",  "add", "length", "text"};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (conf_is_set(in->sect, fixed[i]))
			return FAULT(in, fixed[i], "no such key: the signal set has this signal");
	}
	if (profile_build_signal_at(in->build, signal)->text && check_text(in) < 0)
		return -EINVAL;
	return read_meaning(in, signal);
}

static int read_signal(const struct section *in)
{
	const char *owner = conf_text(in->sect, "command");
	const int command = profile_build_command_find(in->build, owner);
	const int known = profile_build_signal_find(in->build, conf_name(in->sect));
	struct profile_signal signal;
	int r;

	if (known >= 0 && !conf_is_set(in->sect, "command"))
		return complete_signal(in, known);
	if (command < 0)
		return FAULT(in, "command", "the name of a [command], not \"%.40s\"", owner);
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

static int read_signals(struct profile_build *build, const struct conf *conf)
{
	struct section in = {.build = build, .kind = "signal"};

	while ((in.sect = conf_next(conf, "signal", in.sect)) != NULL) {
		if (read_signal(&in) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* A command that gives nothing is a forgotten signal, unless it tells the family. */
static void check_use(struct profile_build *build, const struct conf *conf)
{
	const char *detect = conf_text(conf_get(conf, "profile"), "detect");
	struct section in = {.build = build, .kind = "command"};

	if (profile_build_mistakes(build) > 0)
		return; /* its signals may be among them */
	while ((in.sect = conf_next(conf, "command", in.sect)) != NULL) {
		const int command = profile_build_command_find(build, conf_name(in.sect));

		if (command >= 0 &&
		    profile_build_command_at(build, command)->kind == PROFILE_KIND_SIGNALS &&
		    profile_build_signals_of(build, command) == 0 &&
		    strcmp(detect, conf_name(in.sect)) != 0)
			(void)FAULT(&in, "request", "at least one [signal] of this command");
	}
}

/* ---- the whole file ---- */

/* The commands and signals of a signal set come first: ours complete them. */
static int read_signal_set(struct profile_build *build, const struct conf *conf, const char *path)
{
	const struct conf_sect *head = conf_get(conf, "profile");
	const char *set = conf_text(head, "obdb");
	char *text = NULL;
	size_t len = 0;
	int r;

	if (!conf_is_set(head, "obdb"))
		return 0;
	r = profile_read_text(set, &text, &len);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		(void)profile_build_error(build, conf_line(head, "obdb"), "profile", "obdb",
					  "a file that can be read; %s: %s", set, strerror(-r));
		return 0;
	}
	r = profile_build_file(build, set);
	if (r == 0)
		r = profile_read_obdb(build, text, len);
	free(text);
	return r < 0 ? r : profile_build_file(build, path);
}

/* What the reader of INI files found. */
static bool say_mistakes(struct profile_build *build, const struct conf *conf)
{
	for (size_t i = 0; i < conf_error_count(conf); i++) {
		const struct conf_error *error = conf_error_at(conf, i);

		(void)profile_build_error(build, error->line, error->section, error->key, "%s",
					  error->expected);
	}
	return conf_error_count(conf) > 0;
}

int profile_read_file(struct profile_build *build, const char *text, size_t len, const char *path)
{
	struct conf *conf = NULL;
	int r = conf_parse(text, len, path, schema, &conf);

	if (r < 0 && r != -EINVAL)
		return r;
	profile_build_locate(build, locate, forget, conf);
	if (say_mistakes(build, conf))
		return 0;
	r = read_signal_set(build, conf, path);
	if (r == 0)
		r = read_head(build, conf);
	if (r == 0)
		r = read_commands(build, conf);
	if (r == 0)
		r = read_signals(build, conf);
	if (r == 0)
		r = read_states(build, conf);
	if (r == 0)
		check_use(build, conf);
	return r;
}
