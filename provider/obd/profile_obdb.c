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
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/wire/json.h"
#include "provider/obd/profile_priv.h"
#include "provider/unit.h"

#define STATE_SIZE 1024
#define TESTER 0xf1U         /* where a set names none */
#define PRIORITY 0x18U       /* the same */
#define PHYSICAL 0xda0000U   /* ISO 15765-2 normal fixed addressing */
#define FUNCTIONAL_11 0x7dfU /* ISO 15765-4 */
#define ENGINE_11 0x7e0U
#define ANSWER_OFFSET 8U
#define NUMBER_BITS_MAX 64
#define TEXT_BITS_MAX 248
#define REQUEST_DIGITS_MAX 12 /* of what follows the service: two for each byte */
#define PLACE_MAX 32760       /* bits of PROFILE_ANSWER_MAX bytes */
#define FREQ_MAX_S (7.0 * 24 * 3600)

struct reader {
	struct profile_build *build;
	struct jr_doc *doc;
	const char *text;
	uint32_t *lines; /* where each begins */
	size_t line_count;
	char charging[STATE_SIZE]; /* the condition that the signals suggest */
	int charging_line;
	/* What is being read. */
	struct profile_command command;
	int index;
	struct profile_signal signal;
};

/* ---- lines and mistakes ---- */

static int index_lines(struct reader *reader, size_t len)
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

static int line_at(const struct reader *reader, size_t offset)
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

static int line_of(const struct reader *reader, const struct jr_value *value)
{
	const char *raw = reader->text;
	size_t len = 0;

	jr_raw(reader->doc, value, &raw, &len);
	return line_at(reader, (size_t)(raw - reader->text));
}

#define FAULT(reader, where, kind, id, ...)                                                        \
	profile_build_fault((reader)->build, kind, id, line_of(reader, where), __VA_ARGS__)

/* ---- members ---- */

/* Each takes an absent member for its default, and says what is wrong with another. */

static int take_bool(struct reader *reader, const struct jr_value *object, const char *key,
		     const char *kind, const char *id, bool *ret)
{
	const struct jr_value *value = jr_get(object, key);

	if (!value || jr_bool(value, ret))
		return 0;
	return FAULT(reader, value, kind, id, key, "true or false");
}

static int take_number(struct reader *reader, const struct jr_value *fmt, const char *key,
		       double *ret)
{
	const struct jr_value *value = jr_get(fmt, key);

	if (!value || jr_number(value, ret))
		return 0;
	return FAULT(reader, value, "signal", reader->signal.id, key, "a number");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
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
static int take_hex(struct reader *reader, const struct jr_value *command, const char *key,
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
		return FAULT(reader, value, "command", reader->command.id, key, "%s", expected);
	*ret_len = len;
	return 0;
}

/* ---- a command's request ---- */

struct request_reader {
	struct reader *reader;
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
		request->result = FAULT(request->reader, value, "command", command->id, "cmd",
					"a service and its parameter as {\"22\": \"E001\"}");
		return 1;
	}
	command->request[0] = (uint8_t)byte;
	for (size_t i = 0; i < len; i += 2) {
		if (!hex_number(text + i, 2, &byte)) {
			request->result = FAULT(request->reader, value, "command", command->id,
						"cmd", "hex digits");
			return 1;
		}
		command->request[1 + i / 2] = (uint8_t)byte;
	}
	command->request_len = (uint8_t)(1 + len / 2);
	return 0;
}

static int take_request(struct reader *reader, const struct jr_value *object)
{
	const struct jr_value *cmd = jr_get(object, "cmd");
	struct request_reader request = {.reader = reader};

	if (jr_type(cmd) != JR_OBJECT || jr_count(cmd) != 1)
		return FAULT(reader, cmd ? cmd : object, "command", reader->command.id, "cmd",
			     "a service and its parameter as {\"22\": \"E001\"}");
	reader->command.line = line_of(reader, cmd);
	(void)jr_each(cmd, take_service, &request);
	return request.result;
}

/* ---- a command's addresses ---- */

struct address {
	uint32_t header, receive, extended, priority, tester;
	size_t header_len, receive_len, extended_len, priority_len, tester_len;
};

static int take_address(struct reader *reader, const struct jr_value *object,
			struct address *address)
{
	int r = take_hex(reader, object, "hdr", 1U << 3 | 1U << 4,
			 "3 hex digits, or 4 of a 29-bit identifier", &address->header,
			 &address->header_len);

	if (!r && !address->header_len)
		r = FAULT(reader, object, "command", reader->command.id, "hdr",
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
		r = FAULT(reader, jr_get(object, "rax"), "command", reader->command.id, "rax", "%s",
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

static int take_ecu(struct reader *reader, const struct jr_value *object)
{
	struct profile_ecu *ecu = &reader->command.ecu;
	struct address address = {0};
	int r = take_address(reader, object, &address);

	if (!r)
		r = take_bool(reader, object, "fcm1", "command", reader->command.id,
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

static int take_year(struct reader *reader, const struct jr_value *value, int64_t *ret)
{
	if (jr_integer(value, ret) && *ret >= 1900 && *ret <= 2200)
		return 0;
	return FAULT(reader, value, "command", reader->command.id, "filter", "model years");
}

/* {from, to, years}: any of them admits a year; from after to is the years outside. What is kept is
 * the span of them all: a year that lies in it and is none of them costs a request that is not
 * answered. */
static int take_filter(struct reader *reader, const struct jr_value *filter)
{
	const struct jr_value *from = jr_get(filter, "from"), *to = jr_get(filter, "to");
	const struct jr_value *years = jr_get(filter, "years");
	int64_t first = 0, last = 0, year = 0;
	int r = 0;

	if (!filter)
		return 0;
	if (jr_type(filter) != JR_OBJECT)
		return FAULT(reader, filter, "command", reader->command.id, "filter",
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

/* ---- signals ---- */

/* OBDb's units that the canonical model has, too. */
static const struct {
	const char *theirs, *ours;
} units[] = {
	{"kilometers", "km"},
	{"meters", "m"},
	{"miles", "mi"},
	{"kilometersPerHour", "km/h"},
	{"milesPerHour", "mph"},
	{"metersPerSecond", "m/s"},
	{"celsius", "C"},
	{"fahrenheit", "F"},
	{"kelvin", "K"},
	{"kilopascal", "kPa"},
	{"bars", "bar"},
	{"psi", "psi"},
	{"volts", "V"},
	{"millivolts", "mV"},
	{"amps", "A"},
	{"milliamps", "mA"},
	{"kilowatts", "kW"},
	{"watts", "W"},
	{"kilowattHours", "kWh"},
	{"percent", "%"},
	{"rpm", "rpm"},
};

/* What suggestedMetric says of a signal. The current is not here: a set does not say which of its
 * signs is charging, and a wrong sign is a wrong value. */
static const struct {
	const char *metric;
	enum model_field field;
} metrics[] = {
	{"electricRange", MODEL_FIELD_ESTIMATED_RANGE_KM},
	{"engineCoolantTemperature", MODEL_FIELD_ENGINE_COOLANT_TEMP_C},
	{"frontLeftTirePressure", MODEL_FIELD_TYRE_PRESSURE_FL_KPA},
	{"frontRightTirePressure", MODEL_FIELD_TYRE_PRESSURE_FR_KPA},
	{"fuelTankLevel", MODEL_FIELD_FUEL_LEVEL_PCT},
	{"odometer", MODEL_FIELD_ODOMETER_KM},
	{"rearLeftTirePressure", MODEL_FIELD_TYRE_PRESSURE_RL_KPA},
	{"rearRightTirePressure", MODEL_FIELD_TYRE_PRESSURE_RR_KPA},
	{"speed", MODEL_FIELD_SPEED_KMH},
	{"starterBatteryVoltage", MODEL_FIELD_AUX_BATTERY_V},
	{"stateOfCharge", MODEL_FIELD_STATE_OF_CHARGE_PCT},
	{"stateOfHealth", MODEL_FIELD_STATE_OF_HEALTH_PCT},
	{"tractionBatteryCapacity", MODEL_FIELD_USABLE_CAPACITY_KWH},
	{"tractionBatteryVoltage", MODEL_FIELD_PACK_VOLTAGE_V},
};

static bool is_text(const struct jr_value *value, const char *text)
{
	const char *have = NULL;
	size_t len = 0;

	return jr_string(value, &have, &len) && len == strlen(text) && memcmp(have, text, len) == 0;
}

static const char *our_unit(const struct jr_value *unit)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (is_text(unit, units[i].theirs))
			return units[i].ours;
	return NULL;
}

/* 1 is yes. ("yesno" and "normal" are the other way round, and maps have words of their own.) */
static bool is_flag(const struct jr_value *fmt)
{
	const struct jr_value *unit = jr_get(fmt, "unit");

	return !jr_get(fmt, "map") && (is_text(unit, "noyes") || is_text(unit, "offon"));
}

/* "A = 1 or B = 1" */
static void suggest_charging(struct reader *reader, const struct jr_value *object)
{
	const size_t have = strlen(reader->charging);
	const int n = snprintf(reader->charging + have, sizeof(reader->charging) - have, "%s%s = 1",
			       have ? " or " : "", reader->signal.id);

	if (n < 0 || (size_t)n >= sizeof(reader->charging) - have)
		reader->charging[have] = '\0';
	else if (!have)
		reader->charging_line = line_of(reader, object);
}

/* The field that a metric means, -1: none of ours, or in a unit that does not become the field's
 * (litres in a tank). */
static int field_of(const struct jr_value *metric, const char *unit)
{
	double mul, add;

	for (size_t i = 0; unit && i < sizeof(metrics) / sizeof(metrics[0]); i++)
		if (is_text(metric, metrics[i].metric) &&
		    unit_convert(unit, (int)metrics[i].field, &mul, &add))
			return (int)metrics[i].field;
	return -1;
}

static int take_metric(struct reader *reader, const struct jr_value *object, int index)
{
	const struct jr_value *fmt = jr_get(object, "fmt");
	const struct jr_value *metric = jr_get(object, "suggestedMetric");
	const char *unit = our_unit(jr_get(fmt, "unit"));
	int field = field_of(metric, unit);
	int r = 0;

	if (is_text(metric, "isCharging") && is_flag(fmt))
		suggest_charging(reader, object);
	if (is_text(metric, "pluggedIn") && is_flag(fmt))
		field = MODEL_FIELD_PLUGGED_IN;
	if (unit)
		r = profile_build_unit(reader->build, index, unit, line_of(reader, fmt));
	if (r || field < 0 || jr_get(fmt, "map"))
		return r;
	return profile_build_field(reader->build, index, field, line_of(reader, metric));
}

/* ---- words ---- */

/* As much of a text as a word has room for, whole characters of UTF-8. */
static void cut_word(const char *text, char out[static sizeof(((struct profile_word *)0)->name)])
{
	const size_t room = sizeof(((struct profile_word *)0)->name) - 1;
	size_t len = strlen(text);

	if (len > room) {
		len = room;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

/* "D", or {"description": "Drive", "value": "D"}. NULL where it is neither. */
static const char *word_text(const struct jr_value *value)
{
	const char *text = NULL;
	size_t len = 0;

	if (jr_type(value) == JR_OBJECT &&
	    (!jr_string(jr_get(value, "value"), &text, &len) || len == 0) &&
	    !jr_string(jr_get(value, "description"), &text, &len))
		return NULL;
	if (jr_type(value) != JR_OBJECT && !jr_string(value, &text, &len))
		return NULL;
	return len > 0 && strlen(text) == len ? text : NULL;
}

static int add_word(struct reader *reader, int index, int64_t raw, const struct jr_value *value)
{
	char name[sizeof(((struct profile_word *)0)->name)];
	const char *text = word_text(value);

	if (!text)
		return FAULT(reader, value, "signal", reader->signal.id, "map",
			     "a text, or {description, value}, for each raw value");
	cut_word(text, name);
	return profile_build_word(reader->build, index, raw, name, line_of(reader, value));
}

static bool whole_number(const char *text, int64_t *ret)
{
	const bool negative = text[0] == '-';
	int64_t number = 0;
	size_t digits = 0;

	for (text += negative; *text >= '0' && *text <= '9' && digits < 18; text++, digits++)
		number = number * 10 + (*text - '0');
	if (!digits || *text)
		return false;
	*ret = negative ? -number : number;
	return true;
}

struct word_reader {
	struct reader *reader;
	int index;
	int result;
};

static int take_word(void *arg, const char *key, size_t key_len, const struct jr_value *value)
{
	struct word_reader *words = arg;
	int64_t raw = 0;

	if (strlen(key) != key_len || !whole_number(key, &raw))
		words->result = FAULT(words->reader, value, "signal", words->reader->signal.id,
				      "map", "raw values as keys, not \"%.20s\"", key);
	else
		words->result = add_word(words->reader, words->index, raw, value);
	return words->result != 0;
}

/* {"0": ...} by raw value, or [...] from raw value 0 on. */
static int take_map(struct reader *reader, const struct jr_value *map, int index)
{
	struct word_reader words = {.reader = reader, .index = index};
	int r = 0;

	if (!map)
		return 0;
	if (jr_type(map) == JR_OBJECT) {
		(void)jr_each(map, take_word, &words);
		return words.result;
	}
	if (jr_type(map) != JR_ARRAY)
		return FAULT(reader, map, "signal", reader->signal.id, "map",
			     "raw values and their names");
	for (size_t i = 0; !r && i < jr_count(map); i++)
		r = add_word(reader, index, (int64_t)i, jr_at(map, i));
	return r;
}

/* ---- formats ---- */

static int take_place(struct reader *reader, const struct jr_value *fmt)
{
	struct profile_signal *signal = &reader->signal;
	const struct jr_value *len = jr_get(fmt, "len"), *bix = jr_get(fmt, "bix");
	int64_t bits = 0, start = 0;

	if (!jr_integer(len, &bits) || bits < 1 || bits > PLACE_MAX)
		return FAULT(reader, len ? len : fmt, "signal", signal->id, "len",
			     "how many bits it has");
	if (bix && (!jr_integer(bix, &start) || start < 0 || start > PLACE_MAX))
		return FAULT(reader, bix, "signal", signal->id, "bix",
			     "the bit with which it begins, 0..%d", PLACE_MAX);
	signal->format.start = (uint32_t)start;
	signal->text = is_text(jr_get(fmt, "unit"), "ascii");
	/* Longer ones say so by their bits, see is_beyond(). */
	signal->format.bits = (uint8_t)(bits > UINT8_MAX ? UINT8_MAX : bits);
	return 0;
}

static int take_bounds(struct reader *reader, const struct jr_value *fmt)
{
	struct profile_signal *signal = &reader->signal;
	double min = -INFINITY, max = INFINITY;
	int r = take_number(reader, fmt, "min", &min);

	if (!r)
		r = take_number(reader, fmt, "max", &max);
	if (!r && min <= max && (jr_get(fmt, "min") || jr_get(fmt, "max"))) {
		signal->min = min;
		signal->max = max;
	}
	return r;
}

static int take_format(struct reader *reader, const struct jr_value *fmt)
{
	struct model_signal *format = &reader->signal.format;
	bool reversed = false;
	int r = take_place(reader, fmt);

	if (!r)
		r = take_bool(reader, fmt, "blsb", "signal", reader->signal.id, &reversed);
	if (!r)
		r = take_bool(reader, fmt, "sign", "signal", reader->signal.id, &format->is_signed);
	if (!r)
		r = take_number(reader, fmt, "mul", &format->mul);
	if (!r)
		r = take_number(reader, fmt, "div", &format->div);
	if (!r)
		r = take_number(reader, fmt, "add", &format->add);
	if (!r)
		r = take_bounds(reader, fmt);
	if (reversed && format->bits > 8)
		format->order = MODEL_SIGNAL_REVERSED;
	return r;
}

/* Values at or below nullmin, at or above nullmax, on their scale, are none. */
static int take_nulls(struct reader *reader, const struct jr_value *fmt, int index)
{
	struct profile_null low = {.first = -INFINITY, .last = -INFINITY};
	struct profile_null high = {.first = INFINITY, .last = INFINITY};
	int r = take_number(reader, fmt, "nullmin", &low.last);

	if (!r)
		r = take_number(reader, fmt, "nullmax", &high.first);
	if (!r && jr_get(fmt, "nullmin"))
		r = profile_build_null(reader->build, index, &low, line_of(reader, fmt));
	if (!r && jr_get(fmt, "nullmax"))
		r = profile_build_null(reader->build, index, &high, line_of(reader, fmt));
	return r;
}

/* What no number or text of ours can hold. */
static const char *is_beyond(const struct profile_signal *signal)
{
	const struct model_signal *format = &signal->format;

	if (signal->text && (format->bits > TEXT_BITS_MAX || format->bits % 8 || format->start % 8))
		return "a text that is not of 1..31 whole bytes";
	if (!signal->text && format->bits > NUMBER_BITS_MAX)
		return "a number of more than 64 bits";
	if (format->order == MODEL_SIGNAL_REVERSED && (format->start % 8 || format->bits % 8))
		return "reversed bytes that are not whole ones";
	return NULL;
}

static int build_signal(struct reader *reader, const struct jr_value *object)
{
	const struct jr_value *fmt = jr_get(object, "fmt");
	const char *beyond = is_beyond(&reader->signal);
	int index, r;

	if (beyond) {
		profile_build_remark(reader->build, line_of(reader, fmt), "signal %s: %s",
				     reader->signal.id, beyond);
		return 0;
	}
	index = profile_build_signal(reader->build, reader->index, &reader->signal);
	if (index < 0 || reader->signal.text)
		return index < 0 ? index : 0;
	r = take_nulls(reader, fmt, index);
	if (!r)
		r = take_map(reader, jr_get(fmt, "map"), index);
	return r ? r : take_metric(reader, object, index);
}

static int take_signal(struct reader *reader, const struct jr_value *object)
{
	const struct jr_value *id = jr_get(object, "id"), *fmt = jr_get(object, "fmt");
	int r;

	profile_signal_init(&reader->signal);
	if (!jr_string_copy(id, reader->signal.id, sizeof(reader->signal.id)))
		return FAULT(reader, id ? id : object, "command", reader->command.id, "signals",
			     "an id of 1..%d bytes for each", PROFILE_ID_SIZE - 1);
	if (jr_type(fmt) != JR_OBJECT)
		return FAULT(reader, fmt ? fmt : object, "signal", reader->signal.id, "fmt",
			     "an object");
	reader->signal.line = line_of(reader, fmt);
	r = take_format(reader, fmt);
	return r ? r : build_signal(reader, object);
}

static int take_signals(struct reader *reader, const struct jr_value *object)
{
	const struct jr_value *signals = jr_get(object, "signals");

	if (jr_type(signals) != JR_ARRAY)
		return FAULT(reader, signals ? signals : object, "command", reader->command.id,
			     "signals", "a list");
	for (size_t i = 0; i < jr_count(signals); i++)
		if (take_signal(reader, jr_at(signals, i)) == -ENOMEM)
			return -ENOMEM;
	return 0;
}

/* ---- commands ---- */

/* As OBDb writes it: 7E4.7EC.220101; the next one of the same gets a number. */
static void name_command(struct reader *reader, const struct jr_value *object)
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

static int take_period(struct reader *reader, const struct jr_value *object)
{
	const struct jr_value *freq = jr_get(object, "freq");
	double seconds = 0;

	if (!jr_number(freq, &seconds) || seconds <= 0 || seconds > FREQ_MAX_S)
		return FAULT(reader, freq ? freq : object, "command", reader->command.id, "freq",
			     "seconds between two requests, up to %.0f", FREQ_MAX_S);
	reader->command.period_us = (int64_t)(seconds * 1e6);
	return 0;
}

/* Before CAN: what such a bus needs is not in our profiles. */
static bool is_old_bus(const struct jr_value *object)
{
	const struct jr_value *header = jr_get(object, "hdr");

	return is_text(jr_get(object, "proto"), "9141-2") || is_text(header, "686A");
}

static int take_command(struct reader *reader, const struct jr_value *object)
{
	int r;

	reader->command = (struct profile_command){
		.kind = PROFILE_KIND_SIGNALS,
		.when = PROFILE_WHEN_AWAKE,
		.id = "?",
	};
	if (jr_type(object) != JR_OBJECT)
		return FAULT(reader, object, "command", "?", "", "an object");
	if (is_old_bus(object)) {
		profile_build_remark(reader->build, line_of(reader, object),
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

static int take_document(struct reader *reader)
{
	const struct jr_value *root = jr_root(reader->doc);
	const struct jr_value *commands = jr_get(root, "commands");

	if (jr_type(commands) != JR_ARRAY) {
		(void)profile_build_error(reader->build, line_of(reader, root), "", "",
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
	struct reader reader = {.build = build, .text = text};
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
