/* OBDb signal sets, version 3 (JSON; the schema is published as OBDb/.schemas, signals.json).
 *
 * Understood: of a command hdr, rax, eax, pri, tst, fcm1, cmd, freq, filter, proto, signals; of a
 * signal id, fmt, suggestedMetric; of a format bix, len, blsb, sign, mul, div, add, min, max, unit,
 * nullmin, nullmax, map. Passed over, because they do not change what bytes mean: names, paths,
 * descriptions, groups, synthetic signals, optima, debugging, diagnostic levels (no session is ever
 * opened: a unit that wants one refuses) and whatever a later version adds. A command or signal that
 * cannot be had here is passed over with a remark; what is malformed or forbidden is a mistake.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "provider/obd/profile_obdb_priv.h"

#define TESTER 0xf1U         /* where a set names none */
#define PRIORITY 0x18U       /* the same */
#define PHYSICAL 0xda0000U   /* ISO 15765-2 normal fixed addressing */
#define FUNCTIONAL_11 0x7dfU /* ISO 15765-4 */
#define ENGINE_11 0x7e0U
#define ANSWER_OFFSET 8U
#define REQUEST_DIGITS_MAX 12 /* of what follows the service: two for each byte */
#define FREQ_MAX_S (7.0 * 24 * 3600)

/* ---- lines and mistakes ---- */

static int index_lines(struct obdb_reader *reader, size_t len)
{
	size_t count = 1, n = 0;

	for (size_t i = 0; i < len; i++)
		if (reader->text[i] == '\n')
			count++;
	reader->lines = calloc(count, sizeof(*reader->lines));
	if (!reader->lines)
		return -ENOMEM;
	for (size_t i = 0; i < len && n + 1 < count; i++)
		if (reader->text[i] == '\n')
			reader->lines[++n] = (uint32_t)i + 1;
	reader->line_count = count;
	return 0;
}

static int line_at(const struct obdb_reader *reader, size_t offset)
{
	size_t low = 0, high = reader->line_count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (reader->lines[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	return (int)low + 1;
}

int obdb_line_of(const struct obdb_reader *reader, const struct jr_value *value)
{
	const char *raw = reader->text;
	size_t len = 0;

	jr_raw(reader->doc, value, &raw, &len);
	return line_at(reader, (size_t)(raw - reader->text));
}

/* ---- members ---- */

int obdb_take_bool(struct obdb_reader *reader, const struct jr_value *object, const char *key,
		   const char *kind, const char *id, bool *ret)
{
	const struct jr_value *value = jr_get(object, key);

	if (!value || jr_bool(value, ret))
		return 0;
	return OBDB_FAULT(reader, value, kind, id, key, "true or false");
}

bool obdb_is_text(const struct jr_value *value, const char *text)
{
	const char *have = NULL;
	size_t len = 0;

	return jr_string(value, &have, &len) && len == strlen(text) && memcmp(have, text, len) == 0;
}

static bool hex_number(const char *text, size_t len, uint32_t *ret)
{
	uint32_t number = 0;

	for (size_t i = 0; i < len; i++) {
		const int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		number = number << 4 | (uint32_t)digit;
	}
	*ret = number;
	return true;
}

/* A member of hex digits, as many as one of the bits of `lengths` says. Absent: *ret_len 0. */
static int take_hex(struct obdb_reader *reader, const struct jr_value *command, const char *key,
		    unsigned lengths, const char *expected, uint32_t *ret, size_t *ret_len)
{
	const struct jr_value *value = jr_get(command, key);
	const char *text = NULL;
	size_t len = 0;

	*ret_len = 0;
	if (!value)
		return 0;
	if (!jr_string(value, &text, &len) || len > 8 || !(lengths >> len & 1) ||
	    !hex_number(text, len, ret))
		return OBDB_FAULT(reader, value, "command", reader->command.id, key, "%s",
				  expected);
	*ret_len = len;
	return 0;
}

/* ---- a command's request ---- */

struct request_reader {
	struct obdb_reader *reader;
	int result;
};

/* {"22": "E001"}: a service and what it is asked for. */
static int take_service(void *arg, const char *key, size_t key_len, const struct jr_value *value)
{
	struct request_reader *request = arg;
	struct profile_command *command = &request->reader->command;
	const char *text = NULL;
	size_t len = 0;
	uint32_t byte = 0;

	_Static_assert(REQUEST_DIGITS_MAX == (PROFILE_REQUEST_MAX - 1) * 2, "a request's room");
	if (key_len != 2 || !hex_number(key, 2, &byte) || !jr_string(value, &text, &len) ||
	    len % 2 || len > REQUEST_DIGITS_MAX) {
		request->result = OBDB_FAULT(request->reader, value, "command", command->id, "cmd",
					     "a service and its parameter as {\"22\": \"E001\"}");
		return 1;
	}
	command->request[0] = (uint8_t)byte;
	for (size_t i = 0; i < len; i += 2) {
		if (!hex_number(text + i, 2, &byte)) {
			request->result = OBDB_FAULT(request->reader, value, "command", command->id,
						     "cmd", "hex digits");
			return 1;
		}
		command->request[1 + i / 2] = (uint8_t)byte;
	}
	command->request_len = (uint8_t)(1 + len / 2);
	return 0;
}

static int take_request(struct obdb_reader *reader, const struct jr_value *object)
{
	const struct jr_value *cmd = jr_get(object, "cmd");
	struct request_reader request = {.reader = reader};

	if (jr_type(cmd) != JR_OBJECT || jr_count(cmd) != 1)
		return OBDB_FAULT(reader, cmd ? cmd : object, "command", reader->command.id, "cmd",
				  "a service and its parameter as {\"22\": \"E001\"}");
	reader->command.line = obdb_line_of(reader, cmd);
	(void)jr_each(cmd, take_service, &request);
	return request.result;
}

/* ---- a command's addresses ---- */

struct address {
	uint32_t header, receive, extended, priority, tester;
	size_t header_len, receive_len, extended_len, priority_len, tester_len;
};

static int take_address(struct obdb_reader *reader, const struct jr_value *object,
			struct address *address)
{
	int r = take_hex(reader, object, "hdr", 1U << 3 | 1U << 4,
			 "3 hex digits, or 4 of a 29-bit identifier", &address->header,
			 &address->header_len);

	if (!r && !address->header_len)
		r = OBDB_FAULT(reader, object, "command", reader->command.id, "hdr",
			       "the header of the request");
	if (!r)
		r = take_hex(reader, object, "rax", 1U << 2 | 1U << 3 | 1U << 6 | 1U << 8,
			     "2, 3, 6 or 8 hex digits", &address->receive, &address->receive_len);
	if (!r)
		r = take_hex(reader, object, "eax", 1U << 2, "2 hex digits", &address->extended,
			     &address->extended_len);
	if (!r)
		r = take_hex(reader, object, "pri", 1U << 2, "2 hex digits", &address->priority,
			     &address->priority_len);
	if (!r)
		r = take_hex(reader, object, "tst", 1U << 2, "2 hex digits", &address->tester,
			     &address->tester_len);
	if (!r && (address->header_len == 3) != (address->receive_len == 3) && address->receive_len)
		r = OBDB_FAULT(reader, jr_get(object, "rax"), "command", reader->command.id, "rax",
			       "%s",
			       address->header_len == 3 ? "3 hex digits" : "2, 6 or 8 hex digits");
	return r;
}

/* Units answer eight above their request; "7E0" without a receive address asks everybody for what
 * every vehicle has (the public captures hold answers of up to seven units to it). */
static void address_11(const struct address *address, uint8_t service, struct profile_ecu *ecu)
{
	ecu->id_bits = 11;
	ecu->tx = address->header;
	ecu->rx = address->receive;
	if (address->receive_len)
		return;
	if (ecu->tx == ENGINE_11 && service < 0x10)
		ecu->tx = FUNCTIONAL_11;
	else if (ecu->tx != FUNCTIONAL_11)
		ecu->rx = ecu->tx + ANSWER_OFFSET;
}

/* pp HHHH tt: priority, header, tester. The answer is one byte (pp DA tt xx), its low 24 bits, or
 * whole. */
static void address_29(const struct address *address, struct profile_ecu *ecu)
{
	const uint32_t priority = (address->priority_len ? address->priority : PRIORITY) << 24;
	const uint32_t tester = address->tester_len ? address->tester : TESTER;

	ecu->id_bits = 29;
	ecu->tx = priority | address->header << 8 | tester;
	if (address->receive_len == 2)
		ecu->rx = priority | PHYSICAL | tester << 8 | address->receive;
	else if (address->receive_len == 6)
		ecu->rx = priority | address->receive;
	else if (address->receive_len == 8)
		ecu->rx = address->receive;
	else if (address->header >> 8 == PHYSICAL >> 16)
		ecu->rx = priority | PHYSICAL | tester << 8 | (address->header & 0xffU);
}

/* The byte before the PCI of an answer: BMW sends the tester, which is the low byte of its request
 * identifier (6F1); others send the unit's address again. */
static uint8_t answer_extension(const struct address *address)
{
	if (address->tester_len)
		return (uint8_t)address->tester;
	if (address->header_len == 3 && address->header >> 8 == 6)
		return (uint8_t)address->header;
	return (uint8_t)address->extended;
}

static int take_ecu(struct obdb_reader *reader, const struct jr_value *object)
{
	struct profile_ecu *ecu = &reader->command.ecu;
	struct address address = {0};
	int r = take_address(reader, object, &address);

	if (!r)
		r = obdb_take_bool(reader, object, "fcm1", "command", reader->command.id,
				   &ecu->flow_control);
	if (r)
		return r;
	if (address.header_len == 3)
		address_11(&address, reader->command.request[0], ecu);
	else
		address_29(&address, ecu);
	if (address.extended_len) {
		ecu->extension = (uint8_t)address.extended;
		ecu->tester = answer_extension(&address);
	}
	return 0;
}

/* ---- a command's years ---- */

static int take_year(struct obdb_reader *reader, const struct jr_value *value, int64_t *ret)
{
	if (jr_integer(value, ret) && *ret >= 1900 && *ret <= 2200)
		return 0;
	return OBDB_FAULT(reader, value, "command", reader->command.id, "filter", "model years");
}

/* {from, to, years}: any of them admits a year; from after to is the years outside. What is kept is
 * the span of them all: a year that lies in it and is none of them costs a request that is not
 * answered. */
static int take_filter(struct obdb_reader *reader, const struct jr_value *filter)
{
	const struct jr_value *from = jr_get(filter, "from"), *to = jr_get(filter, "to");
	const struct jr_value *years = jr_get(filter, "years");
	int64_t first = 0, last = 0, year = 0;
	int r = 0;

	if (!filter)
		return 0;
	if (jr_type(filter) != JR_OBJECT)
		return OBDB_FAULT(reader, filter, "command", reader->command.id, "filter",
				  "{from, to, years}");
	if (from)
		r = take_year(reader, from, &first);
	if (!r && to)
		r = take_year(reader, to, &last);
	for (size_t i = 0; !r && i < jr_count(years); i++) {
		r = take_year(reader, jr_at(years, i), &year);
		if (!from && !to) {
			first = !first || year < first ? year : first;
			last = year > last ? year : last;
		} else {
			first = first && year < first ? year : first;
			last = last && year > last ? year : last;
		}
	}
	if (r || (from && to && first > last))
		return r;
	reader->command.year_from = (uint16_t)first;
	reader->command.year_to = (uint16_t)last;
	return 0;
}

/* ---- commands ---- */

static int take_signals(struct obdb_reader *reader, const struct jr_value *object)
{
	const struct jr_value *signals = jr_get(object, "signals");

	if (jr_type(signals) != JR_ARRAY)
		return OBDB_FAULT(reader, signals ? signals : object, "command", reader->command.id,
				  "signals", "a list");
	for (size_t i = 0; i < jr_count(signals); i++)
		if (obdb_take_signal(reader, jr_at(signals, i)) == -ENOMEM)
			return -ENOMEM;
	return 0;
}

/* As OBDb writes it: 7E4.7EC.220101; the next one of the same gets a number. */
static void name_command(struct obdb_reader *reader, const struct jr_value *object)
{
	struct profile_command *command = &reader->command;
	const char *header = NULL, *receive = NULL;
	char base[PROFILE_ID_SIZE];
	size_t len = 0;
	int n;

	(void)jr_string(jr_get(object, "hdr"), &header, &len);
	(void)jr_string(jr_get(object, "rax"), &receive, &len);
	n = snprintf(base, sizeof(base), "%.8s%s%.8s.", header ? header : "?", receive ? "." : "",
		     receive ? receive : "");
	for (size_t i = 0; i < command->request_len && n > 0 && (size_t)n < sizeof(base); i++)
		n += snprintf(base + n, sizeof(base) - (size_t)n, "%02X", command->request[i]);
	memcpy(command->id, base, sizeof(base));
	for (unsigned twin = 2; profile_build_command_find(reader->build, command->id) >= 0; twin++)
		(void)snprintf(command->id, sizeof(command->id), "%.50s_%u", base, twin);
}

static int take_period(struct obdb_reader *reader, const struct jr_value *object)
{
	const struct jr_value *freq = jr_get(object, "freq");
	double seconds = 0;

	if (!jr_number(freq, &seconds) || seconds <= 0 || seconds > FREQ_MAX_S)
		return OBDB_FAULT(reader, freq ? freq : object, "command", reader->command.id,
				  "freq", "seconds between two requests, up to %.0f", FREQ_MAX_S);
	reader->command.period_us = (int64_t)(seconds * 1e6);
	return 0;
}

/* Before CAN: what such a bus needs is not in our profiles. */
static bool is_old_bus(const struct jr_value *object)
{
	const struct jr_value *header = jr_get(object, "hdr");

	return obdb_is_text(jr_get(object, "proto"), "9141-2") || obdb_is_text(header, "686A");
}

static int take_command(struct obdb_reader *reader, const struct jr_value *object)
{
	int r;

	reader->command = (struct profile_command){
		.kind = PROFILE_KIND_SIGNALS,
		.when = PROFILE_WHEN_AWAKE,
		.id = "?",
	};
	if (jr_type(object) != JR_OBJECT)
		return OBDB_FAULT(reader, object, "command", "?", "", "an object");
	if (is_old_bus(object)) {
		profile_build_remark(reader->build, obdb_line_of(reader, object),
				     "a command for a bus that is not CAN");
		return 0;
	}
	r = take_request(reader, object);
	if (r)
		return r;
	name_command(reader, object);
	r = take_ecu(reader, object);
	if (!r)
		r = take_period(reader, object);
	if (!r)
		r = take_filter(reader, jr_get(object, "filter"));
	if (!r)
		r = reader->index = profile_build_command(reader->build, &reader->command);
	return r < 0 ? r : take_signals(reader, object);
}

static int take_document(struct obdb_reader *reader)
{
	const struct jr_value *root = jr_root(reader->doc);
	const struct jr_value *commands = jr_get(root, "commands");

	if (jr_type(commands) != JR_ARRAY) {
		(void)profile_build_error(reader->build, obdb_line_of(reader, root), "", "",
					  "an object with a list \"commands\" (OBDb, version 3)");
		return 0;
	}
	for (size_t i = 0; i < jr_count(commands); i++)
		if (take_command(reader, jr_at(commands, i)) == -ENOMEM)
			return -ENOMEM;
	if (reader->charging[0] &&
	    profile_build_state(reader->build, PROFILE_STATE_CHARGING, reader->charging,
				reader->charging_line) == -ENOMEM)
		return -ENOMEM;
	return 0;
}

int profile_read_obdb(struct profile_build *build, const char *text, size_t len)
{
	struct obdb_reader reader = {.build = build, .text = text};
	struct jr_error error;
	size_t skip = 0;
	int r = index_lines(&reader, len);

	if (r)
		return r;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		skip = 3;
	r = jr_parse(text + skip, len - skip, &reader.doc, &error);
	if (r == -EINVAL) {
		(void)profile_build_error(build, line_at(&reader, error.offset + skip), "", "",
					  "JSON: %s", error.message);
		r = 0;
	} else if (!r) {
		r = take_document(&reader);
	}
	jr_free(reader.doc);
	free(reader.lines);
	return r;
}
