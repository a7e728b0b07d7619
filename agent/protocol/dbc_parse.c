#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/dbc_priv.h"

#define NUMBER_MAX 48
#define ID_EXTENDED UINT32_C(0x80000000)
#define ID_INDEPENDENT UINT32_C(0xc0000000) /* "VECTOR__INDEPENDENT_SIG_MSG": signals of no frame */

struct reader {
	const char *at, *end;
	unsigned line;
	struct dbc *dbc;
	struct dbc_error *error;
	bool skip_message; /* signals of no frame are passed over */
};

static bool fail(struct reader *reader, const char *reason)
{
	reader->error->line = reader->line;
	(void)snprintf(reader->error->reason, sizeof(reader->error->reason), "%s", reason);
	return false;
}

/* ---- tokens ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static char peek(const struct reader *reader)
{
	return reader->at < reader->end ? *reader->at : '\0';
}

static void step(struct reader *reader)
{
	if (*reader->at == '\n')
		reader->line++;
	reader->at++;
}

static void skip_space(struct reader *reader)
{
	while (is_blank(peek(reader)) || peek(reader) == '\n')
		step(reader);
}

static void skip_line(struct reader *reader)
{
	while (reader->at < reader->end && *reader->at != '\n')
		step(reader);
}

/* Of statements without a ';' the further lines are indented; those of NS_ are words that are keywords
 * elsewhere. */
static void skip_indented(struct reader *reader)
{
	skip_line(reader);
	while (reader->at + 1 < reader->end && (is_blank(reader->at[1]) || reader->at[1] == '\n')) {
		step(reader);
		skip_line(reader);
	}
}

static bool take_char(struct reader *reader, char c)
{
	skip_space(reader);
	if (peek(reader) != c)
		return false;
	step(reader);
	return true;
}

static bool want(struct reader *reader, char c)
{
	char reason[32];

	if (take_char(reader, c))
		return true;
	(void)snprintf(reason, sizeof(reason), "expected '%c'", c);
	return fail(reader, reason);
}

static bool take_word(struct reader *reader, struct dbc_text *ret)
{
	skip_space(reader);
	ret->data = reader->at;
	while (is_word(peek(reader)))
		step(reader);
	ret->len = (size_t)(reader->at - ret->data);
	return ret->len > 0;
}

static bool want_name(struct reader *reader, const char *what, struct dbc_text *ret)
{
	char reason[64];

	if (take_word(reader, ret) && !(ret->data[0] >= '0' && ret->data[0] <= '9'))
		return true;
	(void)snprintf(reason, sizeof(reason), "expected the name of a %s", what);
	return fail(reader, reason);
}

/* A backslash keeps the next character; a text may go over several lines. */
static bool want_string(struct reader *reader, struct dbc_text *ret)
{
	if (!take_char(reader, '"'))
		return fail(reader, "expected a text in quotes");
	ret->data = reader->at;
	while (reader->at < reader->end && *reader->at != '"') {
		if (*reader->at == '\\' && reader->at + 1 < reader->end)
			step(reader);
		step(reader);
	}
	ret->len = (size_t)(reader->at - ret->data);
	if (reader->at == reader->end)
		return fail(reader, "a text without its closing quote");
	step(reader);
	return true;
}

static bool want_integer(struct reader *reader, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	size_t digits = 0;

	skip_space(reader);
	for (; peek(reader) >= '0' && peek(reader) <= '9'; step(reader), digits++) {
		const unsigned digit = (unsigned)(peek(reader) - '0');

		if (value > (max - digit) / 10)
			return fail(reader, "a number that is too large");
		value = value * 10 + digit;
	}
	if (!digits)
		return fail(reader, "expected a whole number");
	*ret = value;
	return true;
}

static bool want_number(struct reader *reader, double *ret)
{
	char text[NUMBER_MAX];
	size_t len = 0;
	char *end;
	double value;

	skip_space(reader);
	while (reader->at < reader->end && strchr("+-.0123456789eE", *reader->at) &&
	       len + 1 < sizeof(text)) {
		text[len++] = *reader->at;
		step(reader);
	}
	text[len] = '\0';
	value = strtod(text, &end);
	if (!len || *end || !(value > -1e300 && value < 1e300))
		return fail(reader, "expected a number");
	*ret = value;
	return true;
}

static bool is_text(const struct dbc_text *text, const char *word)
{
	return text->len == strlen(word) && memcmp(text->data, word, text->len) == 0;
}

static bool same_text(const struct dbc_text *a, const struct dbc_text *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Strings may hold a semicolon. */
static bool skip_statement(struct reader *reader)
{
	struct dbc_text text;

	while (reader->at < reader->end && *reader->at != ';') {
		if (*reader->at == '"') {
			if (!want_string(reader, &text))
				return false;
		} else {
			step(reader);
		}
	}
	return reader->at == reader->end ? fail(reader, "a statement without its ';'")
					 : want(reader, ';');
}

/* ---- look-ups ---- */

static struct dbc_message *message_of(struct reader *reader, uint64_t id)
{
	const uint32_t bare = (uint32_t)id & DBC_EXTENDED_MAX;
	const bool extended = (id & ID_EXTENDED) != 0;

	for (size_t i = 0; i < reader->dbc->message_count; i++)
		if (reader->dbc->messages[i].id == bare &&
		    reader->dbc->messages[i].extended == extended)
			return &reader->dbc->messages[i];
	return NULL;
}

static int signal_of(const struct reader *reader, const struct dbc_message *message,
		     const struct dbc_text *name)
{
	for (size_t i = 0; i < message->signal_count; i++)
		if (same_text(&reader->dbc->signals[message->signal_first + i].name, name))
			return (int)(message->signal_first + i);
	return -1;
}

/* "MESSAGE SIGNAL" of a statement that describes a signal more closely. *ret_index is -1 where it
 * belongs to signals of no frame. */
static bool want_signal(struct reader *reader, int *ret_index)
{
	const struct dbc_message *message;
	struct dbc_text name;
	uint64_t id;

	*ret_index = -1;
	if (!want_integer(reader, UINT32_MAX, &id) || !want_name(reader, "signal", &name))
		return false;
	if (id == ID_INDEPENDENT)
		return true;
	message = message_of(reader, id);
	if (!message)
		return fail(reader, "a message that is not in the file");
	*ret_index = signal_of(reader, message, &name);
	return *ret_index >= 0 || fail(reader, "a signal that its message does not have");
}

/* ---- messages and signals ---- */

/* BO_ 2566844926 EEC1: 8 Engine */
static bool read_message(struct reader *reader)
{
	struct dbc_message message = {.signal_first = reader->dbc->signal_count};
	struct dbc_text sender;
	uint64_t id, size;

	if (!want_integer(reader, UINT32_MAX, &id) ||
	    !want_name(reader, "message", &message.name) || !want(reader, ':') ||
	    !want_integer(reader, UINT32_MAX, &size))
		return false;
	(void)take_word(reader, &sender);
	reader->skip_message = id == ID_INDEPENDENT;
	if (reader->skip_message)
		return true;
	message.extended = (id & ID_EXTENDED) != 0;
	message.id = (uint32_t)id & ~ID_EXTENDED;
	if (message.id > (message.extended ? DBC_EXTENDED_MAX : 0x7ffU))
		return fail(reader, "an identifier of neither 11 nor 29 bits");
	if (size > DBC_SIZE_MAX)
		return fail(reader, "a message of more than 1,785 bytes");
	if (message_of(reader, id))
		return fail(reader, "an identifier that another message has");
	if (reader->dbc->message_count == reader->dbc->message_cap)
		return fail(reader, "too many messages");
	message.size = (uint16_t)size;
	reader->dbc->messages[reader->dbc->message_count++] = message;
	return true;
}

static bool add_range(struct reader *reader, struct dbc_signal *signal, uint64_t first,
		      uint64_t last)
{
	struct dbc *dbc = reader->dbc;

	if (dbc->range_count == dbc->range_cap)
		return fail(reader, "too many multiplexer values");
	if (!signal->range_count)
		signal->range_first = dbc->range_count;
	dbc->ranges[dbc->range_count++] = (struct dbc_range){first, last};
	signal->range_count++;
	return true;
}

/* M, m0, m0M before the colon. */
static bool read_multiplex(struct reader *reader, struct dbc_signal *signal)
{
	struct dbc_text word;
	uint64_t value = 0;
	size_t i = 1;

	if (take_char(reader, ':'))
		return true;
	if (!take_word(reader, &word))
		return fail(reader, "expected ':'");
	if (is_text(&word, "M")) {
		signal->multiplexer = true;
		return want(reader, ':');
	}
	for (; i < word.len && word.data[i] >= '0' && word.data[i] <= '9' && i < 12; i++)
		value = value * 10 + (unsigned)(word.data[i] - '0');
	signal->multiplexer = i + 1 == word.len && word.data[i] == 'M';
	if (word.data[0] != 'm' || i == 1 || (i != word.len && !signal->multiplexer))
		return fail(reader, "expected M, m and a number, or ':'");
	return add_range(reader, signal, value, value) && want(reader, ':');
}

/* 24|16@1+ */
static bool read_position(struct reader *reader, struct dbc_signal *signal)
{
	uint64_t start, bits, order;

	if (!want_integer(reader, DBC_SIZE_MAX * 8 - 1, &start) || !want(reader, '|') ||
	    !want_integer(reader, 64, &bits) || !want(reader, '@') ||
	    !want_integer(reader, 9, &order))
		return false;
	if (!bits)
		return fail(reader, "a signal without bits");
	if (order > 1)
		return fail(reader, "expected the byte order 0 (Motorola) or 1 (Intel)");
	signal->start = (uint16_t)start;
	signal->bits = (uint8_t)bits;
	signal->motorola = order == 0;
	if (take_char(reader, '-'))
		signal->type = DBC_SIGNED;
	else if (!take_char(reader, '+'))
		return fail(reader, "expected + (unsigned) or - (signed)");
	return true;
}

/* (0.125,0) [0|8031.875] "rpm" */
static bool read_scale(struct reader *reader, struct dbc_signal *signal)
{
	if (!want(reader, '(') || !want_number(reader, &signal->factor) || !want(reader, ',') ||
	    !want_number(reader, &signal->offset) || !want(reader, ')') || !want(reader, '[') ||
	    !want_number(reader, &signal->min) || !want(reader, '|') ||
	    !want_number(reader, &signal->max) || !want(reader, ']') ||
	    !want_string(reader, &signal->unit))
		return false;
	if (signal->factor > 0 || signal->factor < 0)
		return true;
	return fail(reader, "a factor of 0: the signal would always have the same value");
}

static bool fits(const struct dbc_signal *signal, size_t bytes)
{
	const size_t first = signal->motorola ? signal->start / 8 * 8U + (7U - signal->start % 8U)
					      : signal->start;

	return first + signal->bits <= bytes * 8;
}

/* SG_ EngineSpeed : 24|16@1+ (0.125,0) [0|8031.875] "rpm" Vector__XXX */
static bool read_signal(struct reader *reader)
{
	struct dbc *dbc = reader->dbc;
	struct dbc_signal signal = {.parent = -1, .line = reader->line};
	struct dbc_message *message;

	if (reader->skip_message) {
		skip_line(reader);
		return true;
	}
	if (!dbc->message_count)
		return fail(reader, "a signal before the first message");
	message = &dbc->messages[dbc->message_count - 1];
	signal.message = dbc->message_count - 1;
	if (!want_name(reader, "signal", &signal.name) || !read_multiplex(reader, &signal) ||
	    !read_position(reader, &signal) || !read_scale(reader, &signal))
		return false;
	skip_line(reader); /* who receives it */
	if (!fits(&signal, message->size))
		return fail(reader, "a signal that reaches past the end of its message");
	if (signal_of(reader, message, &signal.name) >= 0)
		return fail(reader, "a signal that its message has already");
	if (dbc->signal_count == dbc->signal_cap)
		return fail(reader, "too many signals");
	dbc->signals[dbc->signal_count++] = signal;
	message->signal_count++;
	return true;
}

/* ---- what describes a signal more closely ---- */

/* SIG_VALTYPE_ 2024 Signal : 1; */
static bool read_value_type(struct reader *reader)
{
	struct dbc_signal *signal;
	uint64_t type;
	int index;

	if (!want_signal(reader, &index))
		return false;
	(void)take_char(reader, ':'); /* some tools leave it out */
	if (!want_integer(reader, 9, &type) || !want(reader, ';'))
		return false;
	if (index < 0 || type == 0)
		return true;
	signal = &reader->dbc->signals[index];
	if (type > 2 || signal->bits != (type == 1 ? 32 : 64))
		return fail(reader, "expected 1 (float of 32 bits) or 2 (double of 64 bits)");
	signal->type = type == 1 ? DBC_FLOAT : DBC_DOUBLE;
	return true;
}

/* SG_MUL_VAL_ 100 Signal Multiplexer 0-0, 5-7; */
static bool read_multiplexers(struct reader *reader)
{
	struct dbc *dbc = reader->dbc;
	struct dbc_signal *signal;
	struct dbc_text name;
	int index;

	if (!want_signal(reader, &index) || !want_name(reader, "multiplexer", &name))
		return false;
	if (index < 0)
		return skip_statement(reader);
	signal = &dbc->signals[index];
	signal->parent = signal_of(reader, &dbc->messages[signal->message], &name);
	if (signal->parent < 0 || !dbc->signals[signal->parent].multiplexer)
		return fail(reader, "a multiplexer that the message does not have");
	signal->named_parent = true;
	signal->range_count = 0;
	do {
		uint64_t first, last;

		if (!want_integer(reader, UINT64_MAX, &first) || !want(reader, '-') ||
		    !want_integer(reader, UINT64_MAX, &last))
			return false;
		if (last < first)
			return fail(reader, "a range that ends before it begins");
		if (!add_range(reader, signal, first, last))
			return false;
	} while (take_char(reader, ','));
	return want(reader, ';');
}

static bool want_raw(struct reader *reader, int64_t *ret)
{
	const bool negative = take_char(reader, '-');
	uint64_t value;

	if (!want_integer(reader, INT64_MAX, &value))
		return false;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

/* VAL_ 100 Gear 0 "park" 1 "reverse" ; and VAL_ EnvironmentVariable ... ; */
static bool read_values(struct reader *reader)
{
	struct dbc *dbc = reader->dbc;
	struct dbc_signal *signal;
	int index;

	skip_space(reader);
	if (!(peek(reader) >= '0' && peek(reader) <= '9'))
		return skip_statement(reader);
	if (!want_signal(reader, &index))
		return false;
	if (index < 0)
		return skip_statement(reader);
	signal = &dbc->signals[index];
	signal->value_first = dbc->value_count;
	signal->value_count = 0;
	while (!take_char(reader, ';')) {
		struct dbc_value value;

		if (dbc->value_count == dbc->value_cap)
			return fail(reader, "too many names of values");
		if (!want_raw(reader, &value.raw) || !want_string(reader, &value.name))
			return false;
		dbc->values[dbc->value_count++] = value;
		signal->value_count++;
	}
	return true;
}

/* ---- the file ---- */

static bool read_statement(struct reader *reader)
{
	static const struct {
		const char *word;
		bool (*read)(struct reader *reader);
	} statements[] = {
		{"BO_", read_message},
		{"SG_", read_signal},
		{"SIG_VALTYPE_", read_value_type},
		{"SG_MUL_VAL_", read_multiplexers},
		{"VAL_", read_values},
	};
	struct dbc_text word;

	if (!take_word(reader, &word))
		return fail(reader, "expected a keyword such as BO_ or SG_");
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		if (is_text(&word, statements[i].word))
			return statements[i].read(reader);
	if (is_text(&word, "NS_") || is_text(&word, "BS_") || is_text(&word, "BU_") ||
	    is_text(&word, "VERSION")) {
		skip_indented(reader);
		return true;
	}
	if (word.data[word.len - 1] != '_')
		return fail(reader, "not a keyword of a DBC file");
	return skip_statement(reader);
}

bool dbc_parse(struct dbc *dbc, const char *text, size_t len, struct dbc_error *ret_error)
{
	struct reader reader = {
		.at = text, .end = text + len, .line = 1, .dbc = dbc, .error = ret_error};

	dbc->message_count = 0;
	dbc->signal_count = 0;
	dbc->range_count = 0;
	dbc->value_count = 0;
	/* Some tools write a byte order mark. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		reader.at += 3;
	for (skip_space(&reader); reader.at < reader.end; skip_space(&reader))
		if (!read_statement(&reader))
			return false;
	if (!dbc->message_count) {
		reader.line = 1;
		return fail(&reader, "no message (BO_) in the file");
	}
	return dbc_link(dbc, ret_error);
}

/* Each message, signal, range and value costs at least one of these signs. */
void dbc_measure(const char *text, size_t len, struct dbc *ret_caps)
{
	size_t colons = 0;
	size_t bars = 0;
	size_t quotes = 0;
	size_t dashes = 0;

	for (size_t i = 0; i < len; i++) {
		colons += text[i] == ':';
		bars += text[i] == '|';
		quotes += text[i] == '"';
		dashes += text[i] == '-';
	}
	ret_caps->message_cap = colons;
	ret_caps->signal_cap = bars / 2;
	ret_caps->range_cap = dashes + bars / 2;
	ret_caps->value_cap = quotes / 2;
}
