#include "provider/unit.h"

#include <string.h>

#include "model/model.h"

enum kind {
	NONE,
	LENGTH,
	SPEED,
	TEMPERATURE,
	PRESSURE,
	VOLTAGE,
	CURRENT,
	POWER,
	ENERGY,
	CHARGE,
	TIME,
	TURNS,
	SHARE,
	ANGLE,
	VOLUME,
	FLOW,
	MASS,
	OTHER, /* known, and never a canonical field's */
};

/* value in the kind's own unit = number * mul + add. The kind's own units are those that the model
 * uses: km, km/h, degC, kPa, V, A, kW, kWh, min, rpm, %, l, l/h, kg. */
struct unit {
	const char *name;
	enum kind kind;
	double mul, add;
};

static const struct unit units[] = {
	{"", NONE, 1, 0},
	{"km", LENGTH, 1, 0},
	{"m", LENGTH, 0.001, 0},
	{"mi", LENGTH, 1.609344, 0},
	{"km/h", SPEED, 1, 0},
	{"mph", SPEED, 1.609344, 0},
	{"m/s", SPEED, 3.6, 0},
	{"C", TEMPERATURE, 1, 0},
	{"F", TEMPERATURE, 5.0 / 9, -160.0 / 9},
	{"K", TEMPERATURE, 1, -273.15},
	{"kPa", PRESSURE, 1, 0},
	{"Pa", PRESSURE, 0.001, 0},
	{"hPa", PRESSURE, 0.1, 0},
	{"bar", PRESSURE, 100, 0},
	{"psi", PRESSURE, 6.894757293168, 0},
	{"V", VOLTAGE, 1, 0},
	{"mV", VOLTAGE, 0.001, 0},
	{"A", CURRENT, 1, 0},
	{"mA", CURRENT, 0.001, 0},
	{"kW", POWER, 1, 0},
	{"W", POWER, 0.001, 0},
	{"kWh", ENERGY, 1, 0},
	{"Wh", ENERGY, 0.001, 0},
	{"Ah", CHARGE, 1, 0},
	{"min", TIME, 1, 0},
	{"s", TIME, 1.0 / 60, 0},
	{"ms", TIME, 1.0 / 60000, 0},
	{"h", TIME, 60, 0},
	{"d", TIME, 1440, 0},
	{"rpm", TURNS, 1, 0},
	{"%", SHARE, 1, 0},
	{"deg", ANGLE, 1, 0},
	{"Hz", OTHER, 1, 0},
	{"Nm", OTHER, 1, 0},
	{"l", VOLUME, 1, 0},
	{"l/h", FLOW, 1, 0},
	{"g", MASS, 0.001, 0},
	{"g/s", OTHER, 1, 0},
	{"kg", MASS, 1, 0},
	{"t", MASS, 1000, 0},
	{"gal", VOLUME, 3.785411784, 0},
	{"ohm", OTHER, 1, 0},
	{"kohm", OTHER, 1, 0},
	{"lx", OTHER, 1, 0},
	{"m/s2", OTHER, 1, 0},
};

/* What stands at the end of a field's name, or before its dot. */
static const struct {
	const char *end;
	const char *unit;
} endings[] = {
	{"_km", "km"},   {"_kmh", "km/h"}, {"_c", "C"},     {"_kpa", "kPa"}, {"_v", "V"},
	{"_a", "A"},     {"_kw", "kW"},    {"_kwh", "kWh"}, {"_min", "min"}, {"_rpm", "rpm"},
	{"_pct", "%"},   {"_deg", "deg"},  {"_m", "m"},     {"_h", "h"},     {"_l", "l"},
	{"_lph", "l/h"}, {"_kg", "kg"},
};

static const struct unit *look_up(const char *name)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	}
	return NULL;
}

const char *unit_find(const char *unit)
{
	const struct unit *found = look_up(unit);

	return found ? found->name : NULL;
}

static bool ends_in(const char *path, size_t len, const char *end)
{
	const size_t n = strlen(end);

	return len > n && memcmp(path + len - n, end, n) == 0;
}

const char *unit_of_field(int field)
{
	const struct model_field_info *info = model_field_info((enum model_field)field);
	const char *dot = info ? strchr(info->path, '.') : NULL;

	if (!info || info->type == MODEL_TYPE_ENUM || info->type == MODEL_TYPE_BOOL)
		return "";
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (ends_in(info->path, strlen(info->path), endings[i].end))
			return endings[i].unit;
		if (dot && ends_in(info->path, (size_t)(dot - info->path), endings[i].end))
			return endings[i].unit;
	}
	return "";
}

bool unit_convert(const char *unit, int field, double *ret_mul, double *ret_add)
{
	const struct unit *from = look_up(unit);
	const struct unit *to = look_up(unit_of_field(field));

	if (!from || !to || from->kind != to->kind || from->kind == OTHER)
		return false;
	*ret_mul = from->mul / to->mul;
	*ret_add = (from->add - to->add) / to->mul;
	return true;
}

int unit_field_find(const char *name)
{
	const char *dot = strchr(name, '.');
	const int module = dot ? model_module_find(name, (size_t)(dot - name)) : -1;

	if (module < 0)
		return -1;
	return model_field_find((enum model_module)module, dot + 1, strlen(dot + 1));
}
