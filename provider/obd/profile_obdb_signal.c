/* The signals of OBDb signal sets: places, scales, units, words, and the fields that they mean. */
#include <math.h>
#include <string.h>

#include "provider/obd/profile_obdb_priv.h"
#include "provider/unit.h"

#define NUMBER_BITS_MAX 64
#define TEXT_BITS_MAX 248
#define PLACE_MAX 32760 /* bits of PROFILE_ANSWER_MAX bytes */

_Static_assert(PLACE_MAX == PROFILE_ANSWER_MAX * 8, "the longest answer");

/* ---- units and fields ---- */

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

static const char *our_unit(const struct jr_value *unit)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (obdb_is_text(unit, units[i].theirs))
			return units[i].ours;
	return NULL;
}

/* 1 is yes. ("yesno" and "normal" are the other way round, and maps have words of their own.) */
static bool is_flag(const struct jr_value *fmt)
{
	const struct jr_value *unit = jr_get(fmt, "unit");

	return !jr_get(fmt, "map") && (obdb_is_text(unit, "noyes") || obdb_is_text(unit, "offon"));
}

/* "A = 1 or B = 1" */
static void suggest_charging(struct obdb_reader *reader, const struct jr_value *object)
{
	const size_t have = strlen(reader->charging);
	const int n = snprintf(reader->charging + have, sizeof(reader->charging) - have, "%s%s = 1",
			       have ? " or " : "", reader->signal.id);

	if (n < 0 || (size_t)n >= sizeof(reader->charging) - have)
		reader->charging[have] = '\0';
	else if (!have)
		reader->charging_line = obdb_line_of(reader, object);
}

/* The field that a metric means, -1: none of ours, or in a unit that does not become the field's
 * (litres in a tank). */
static int field_of(const struct jr_value *metric, const char *unit)
{
	double mul, add;

	for (size_t i = 0; unit && i < sizeof(metrics) / sizeof(metrics[0]); i++)
		if (obdb_is_text(metric, metrics[i].metric) &&
		    unit_convert(unit, (int)metrics[i].field, &mul, &add))
			return (int)metrics[i].field;
	return -1;
}

static int take_metric(struct obdb_reader *reader, const struct jr_value *object, int index)
{
	const struct jr_value *fmt = jr_get(object, "fmt");
	const struct jr_value *metric = jr_get(object, "suggestedMetric");
	const char *unit = our_unit(jr_get(fmt, "unit"));
	int field = field_of(metric, unit);
	int r = 0;

	if (obdb_is_text(metric, "isCharging") && is_flag(fmt))
		suggest_charging(reader, object);
	if (obdb_is_text(metric, "pluggedIn") && is_flag(fmt))
		field = MODEL_FIELD_PLUGGED_IN;
	if (unit)
		r = profile_build_unit(reader->build, index, unit, obdb_line_of(reader, fmt));
	if (r || field < 0 || jr_get(fmt, "map"))
		return r;
	return profile_build_field(reader->build, index, field, obdb_line_of(reader, metric));
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

static int add_word(struct obdb_reader *reader, int index, int64_t raw,
		    const struct jr_value *value)
{
	char name[sizeof(((struct profile_word *)0)->name)];
	const char *text = word_text(value);

	if (!text)
		return OBDB_FAULT(reader, value, "signal", reader->signal.id, "map",
				  "a text, or {description, value}, for each raw value");
	cut_word(text, name);
	return profile_build_word(reader->build, index, raw, name, obdb_line_of(reader, value));
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
	struct obdb_reader *reader;
	int index;
	int result;
};

static int take_word(void *arg, const char *key, size_t key_len, const struct jr_value *value)
{
	struct word_reader *words = arg;
	int64_t raw = 0;

	if (strlen(key) != key_len || !whole_number(key, &raw))
		words->result = OBDB_FAULT(words->reader, value, "signal", words->reader->signal.id,
					   "map", "raw values as keys, not \"%.20s\"", key);
	else
		words->result = add_word(words->reader, words->index, raw, value);
	return words->result != 0;
}

/* {"0": ...} by raw value, or [...] from raw value 0 on. */
static int take_map(struct obdb_reader *reader, const struct jr_value *map, int index)
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
		return OBDB_FAULT(reader, map, "signal", reader->signal.id, "map",
				  "raw values and their names");
	for (size_t i = 0; !r && i < jr_count(map); i++)
		r = add_word(reader, index, (int64_t)i, jr_at(map, i));
	return r;
}

/* ---- formats ---- */

/* An absent member is its default. */
static int take_number(struct obdb_reader *reader, const struct jr_value *fmt, const char *key,
		       double *ret)
{
	const struct jr_value *value = jr_get(fmt, key);

	if (!value || jr_number(value, ret))
		return 0;
	return OBDB_FAULT(reader, value, "signal", reader->signal.id, key, "a number");
}

static int take_place(struct obdb_reader *reader, const struct jr_value *fmt)
{
	struct profile_signal *signal = &reader->signal;
	const struct jr_value *len = jr_get(fmt, "len"), *bix = jr_get(fmt, "bix");
	int64_t bits = 0, start = 0;

	if (!jr_integer(len, &bits) || bits < 1 || bits > PLACE_MAX)
		return OBDB_FAULT(reader, len ? len : fmt, "signal", signal->id, "len",
				  "how many bits it has");
	if (bix && (!jr_integer(bix, &start) || start < 0 || start > PLACE_MAX))
		return OBDB_FAULT(reader, bix, "signal", signal->id, "bix",
				  "the bit with which it begins, 0..%d", PLACE_MAX);
	signal->format.start = (uint32_t)start;
	signal->text = obdb_is_text(jr_get(fmt, "unit"), "ascii");
	/* Longer ones say so by their bits, see is_beyond(). */
	signal->format.bits = (uint8_t)(bits > UINT8_MAX ? UINT8_MAX : bits);
	return 0;
}

static int take_bounds(struct obdb_reader *reader, const struct jr_value *fmt)
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

static int take_format(struct obdb_reader *reader, const struct jr_value *fmt)
{
	struct model_signal *format = &reader->signal.format;
	bool reversed = false;
	int r = take_place(reader, fmt);

	if (!r)
		r = obdb_take_bool(reader, fmt, "blsb", "signal", reader->signal.id, &reversed);
	if (!r)
		r = obdb_take_bool(reader, fmt, "sign", "signal", reader->signal.id,
				   &format->is_signed);
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
static int take_nulls(struct obdb_reader *reader, const struct jr_value *fmt, int index)
{
	struct profile_null low = {.first = -INFINITY, .last = -INFINITY};
	struct profile_null high = {.first = INFINITY, .last = INFINITY};
	int r = take_number(reader, fmt, "nullmin", &low.last);

	if (!r)
		r = take_number(reader, fmt, "nullmax", &high.first);
	if (!r && jr_get(fmt, "nullmin"))
		r = profile_build_null(reader->build, index, &low, obdb_line_of(reader, fmt));
	if (!r && jr_get(fmt, "nullmax"))
		r = profile_build_null(reader->build, index, &high, obdb_line_of(reader, fmt));
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

static int build_signal(struct obdb_reader *reader, const struct jr_value *object)
{
	const struct jr_value *fmt = jr_get(object, "fmt");
	const char *beyond = is_beyond(&reader->signal);
	int index, r;

	if (beyond) {
		profile_build_remark(reader->build, obdb_line_of(reader, fmt), "signal %s: %s",
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

int obdb_take_signal(struct obdb_reader *reader, const struct jr_value *object)
{
	const struct jr_value *id = jr_get(object, "id"), *fmt = jr_get(object, "fmt");
	int r;

	profile_signal_init(&reader->signal);
	if (!jr_string_copy(id, reader->signal.id, sizeof(reader->signal.id)))
		return OBDB_FAULT(reader, id ? id : object, "command", reader->command.id,
				  "signals", "an id of 1..%d bytes for each", PROFILE_ID_SIZE - 1);
	if (jr_type(fmt) != JR_OBJECT)
		return OBDB_FAULT(reader, fmt ? fmt : object, "signal", reader->signal.id, "fmt",
				  "an object");
	reader->signal.line = obdb_line_of(reader, fmt);
	r = take_format(reader, fmt);
	return r ? r : build_signal(reader, object);
}
