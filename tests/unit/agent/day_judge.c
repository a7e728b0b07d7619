#include <math.h>
#include <string.h>

#include "tests/unit/agent/day.h"

/* A value may be so old when it is told: the adapter waits for more answers, and is slow. */
#define AGE_US (4 * DAY_SECOND)
/* What a profile derives may rest on what was read so long ago. */
#define STATE_AGE_US (45 * DAY_SECOND)
#define SAMPLE_GAP_US (20 * DAY_MS)

/* ---- the truth ---- */

static double speed(const struct vehicle *v)
{
	return v->speed_kmh;
}
static double odometer(const struct vehicle *v)
{
	return v->odometer_km;
}
static double rpm(const struct vehicle *v)
{
	return vehicle_rpm(v);
}
static double coolant(const struct vehicle *v)
{
	return v->coolant_c;
}
static double fuel(const struct vehicle *v)
{
	return v->fuel_pct;
}
static double aux_volts(const struct vehicle *v)
{
	return v->aux_battery_v;
}
static double outside(const struct vehicle *v)
{
	return v->outside_c;
}
static double soc(const struct vehicle *v)
{
	return v->soc_pct;
}
static double bms_soc(const struct vehicle *v)
{
	return vehicle_bms_soc_pct(v);
}
static double soh(const struct vehicle *v)
{
	return v->soh_pct;
}
static double pack_volts(const struct vehicle *v)
{
	return v->pack_v;
}
static double pack_amperes(const struct vehicle *v)
{
	return v->pack_a;
}
static double pack_power(const struct vehicle *v)
{
	return v->pack_v * v->pack_a / 1000;
}
static double cell_min(const struct vehicle *v)
{
	return vehicle_cell_v(v, -0.02);
}
static double cell_max(const struct vehicle *v)
{
	return vehicle_cell_v(v, 0.02);
}
static double pack_coldest(const struct vehicle *v)
{
	return v->pack_temp_c;
}
static double pack_hottest(const struct vehicle *v)
{
	return v->pack_temp_c + 2;
}
static double charger_power(const struct vehicle *v)
{
	return vehicle_charger_kw(v);
}
static double capacity(const struct vehicle *v)
{
	return vehicle_capacity_kwh(v);
}
static double range(const struct vehicle *v)
{
	return vehicle_range_km(v);
}

/* `step`: of the coarsest profile that gives the field, and what the simulated sensor wavers. */
static const struct {
	enum model_field field;
	double (*value)(const struct vehicle *vehicle);
	double step;
} quantities[] = {
	{MODEL_FIELD_SPEED_KMH, speed, 1.7}, /* whole miles */
	{MODEL_FIELD_ODOMETER_KM, odometer, 1.7},
	{MODEL_FIELD_ENGINE_RPM, rpm, 4}, /* it moves between two samples */
	{MODEL_FIELD_ENGINE_COOLANT_TEMP_C, coolant, 1},
	{MODEL_FIELD_FUEL_LEVEL_PCT, fuel, 0.5},
	{MODEL_FIELD_AUX_BATTERY_V, aux_volts, 0.31}, /* 0.1, and 0.2 of its noise */
	{MODEL_FIELD_OUTSIDE_TEMP_C, outside, 1},
	{MODEL_FIELD_STATE_OF_CHARGE_PCT, soc, 1},
	{MODEL_FIELD_STATE_OF_CHARGE_PCT, bms_soc, 1}, /* where the profile has no other */
	{MODEL_FIELD_STATE_OF_HEALTH_PCT, soh, 1},
	{MODEL_FIELD_PACK_VOLTAGE_V, pack_volts, 1},
	{MODEL_FIELD_PACK_CURRENT_A, pack_amperes, 1},
	{MODEL_FIELD_PACK_POWER_KW, pack_power, 1},
	{MODEL_FIELD_CELL_MIN_V, cell_min, 0.021},
	{MODEL_FIELD_CELL_MAX_V, cell_max, 0.021},
	{MODEL_FIELD_TEMPERATURE_MIN_C, pack_coldest, 1},
	{MODEL_FIELD_TEMPERATURE_MAX_C, pack_hottest, 1},
	{MODEL_FIELD_CHARGER_POWER_KW, charger_power, 0.5},
	{MODEL_FIELD_USABLE_CAPACITY_KWH, capacity, 0.5},
	{MODEL_FIELD_ESTIMATED_RANGE_KM, range, 2},
};

#define QUANTITIES (sizeof(quantities) / sizeof(quantities[0]))
_Static_assert(QUANTITIES <= DAY_QUANTITIES_MAX, "DAY_QUANTITIES_MAX");

static void follow(struct day_state *state, bool is, int64_t now_us)
{
	if (is == state->is)
		return;
	state->was = state->is;
	state->is = is;
	state->since_us = now_us;
	state->told = false;
}

void day_judge_truth(struct day *day)
{
	const int64_t now = day_now_us(day);
	const size_t last = (day->truth_next + DAY_SAMPLES - 1) % DAY_SAMPLES;
	struct day_truth *truth = &day->truth[day->truth_next];

	follow(&day->ignition, vehicle_ignition_on(&day->vehicle), now);
	follow(&day->charging, vehicle_charger_kw(&day->vehicle) > 0, now);
	/* A battery that is full charges or does not, as its vehicle likes to call it. */
	if (day->vehicle.soc_pct >= 100)
		day->charging.told = true;
	/* Between two samples that are near the vehicle stays between them. */
	if (now - day->truth[last].at_us < SAMPLE_GAP_US && day->vehicle.speed_kmh > 0)
		return;
	truth->at_us = now;
	for (size_t i = 0; i < QUANTITIES; i++)
		truth->values[i] = quantities[i].value(&day->vehicle);
	day->truth_next = (day->truth_next + 1) % DAY_SAMPLES;
}

void day_judge_begin(struct day *day)
{
	for (size_t i = 0; i < DAY_SAMPLES; i++)
		day->truth[i].at_us = INT64_MIN / 2;
	day->ignition.is = vehicle_ignition_on(&day->vehicle);
	day->charging.is = vehicle_charger_kw(&day->vehicle) > 0;
	day->ignition.told = day->charging.told = true;
}

/* ---- numbers ---- */

/* The truth of the time in which a value can have been read. */
static bool fits(const struct day *day, size_t quantity, double value, int64_t at_us,
		 double *ret_least, double *ret_most)
{
	double least = quantities[quantity].value(&day->vehicle);
	double most = least;
	double rounding = fabs(value) * 1e-6;

	for (size_t n = 1; n <= DAY_SAMPLES; n++) {
		const struct day_truth *truth =
			&day->truth[(day->truth_next + DAY_SAMPLES - n) % DAY_SAMPLES];

		least = fmin(least, truth->values[quantity]);
		most = fmax(most, truth->values[quantity]);
		/* The one before the window belongs to it. */
		if (truth->at_us < at_us - AGE_US)
			break;
	}
	*ret_least = least;
	*ret_most = most;
	return value >= least - quantities[quantity].step - rounding &&
	       value <= most + quantities[quantity].step + rounding;
}

static void check_number(struct day *day, const struct model_item *item, int64_t at_us)
{
	const double value = item->value.as.number;
	double least = 0, most = 0;
	bool known = false;

	for (size_t i = 0; i < QUANTITIES; i++) {
		if (quantities[i].field != (enum model_field)item->field)
			continue;
		day->checked += !known;
		known = true;
		if (fits(day, i, value, at_us, &least, &most))
			return;
	}
	if (known)
		day_fault(day, "%s is told as %g, the truth was %g to %g",
			  model_field_info((enum model_field)item->field)->path, value, least,
			  most);
}

static void check_odometer(struct day *day, double value)
{
	if (value < day->odometer_km)
		day_fault(day, "the odometer goes back from %g to %g", day->odometer_km, value);
	day->odometer_km = value;
}

/* ---- states ---- */

static void check_state(struct day *day, const char *what, struct day_state *state, bool value,
			int64_t at_us)
{
	int64_t *worst = value ? &state->worst_on_us : &state->worst_off_us;

	day->checked++;
	if (value != state->is) {
		if (value != state->was || at_us - state->since_us > STATE_AGE_US)
			day_fault(day, "%s is told as %d, and is not for %.0f s", what, value,
				  (double)(at_us - state->since_us) / DAY_SECOND);
		return;
	}
	if (state->told)
		return;
	state->told = true;
	if (at_us - state->since_us > *worst)
		*worst = at_us - state->since_us;
}

static void check_word(struct day *day, const struct model_item *item, int64_t at_us)
{
	const int64_t word = item->value.as.integer;

	if (item->field == MODEL_FIELD_IGNITION && word != MODEL_IGNITION_UNKNOWN)
		check_state(day, "ignition", &day->ignition, word == MODEL_IGNITION_ON, at_us);
	if (item->field == MODEL_FIELD_CHARGING_STATE && word != MODEL_CHARGING_UNKNOWN &&
	    day->vehicle.soc_pct < 100)
		check_state(day, "charging", &day->charging, word == MODEL_CHARGING_CHARGING,
			    at_us);
	if (item->field == MODEL_FIELD_PLUGGED_IN && !word && day->charging.is &&
	    at_us - day->charging.since_us > STATE_AGE_US)
		day_fault(day, "it charges, and is told to be unplugged");
}

/* ---- updates ---- */

/* Without an answer the vehicle has said nothing: only what its silence or its plug tell is new. */
static bool needs_answer(uint16_t field)
{
	return field != MODEL_FIELD_IGNITION && field != MODEL_FIELD_AUX_BATTERY_V &&
	       field != MODEL_FIELD_CHARGING_STATE && field != MODEL_FIELD_PLUGGED_IN &&
	       field != MODEL_FIELD_FAST_CHARGER_PRESENT;
}

static void remember(struct day *day, uint16_t field, int64_t at_us)
{
	struct day_reads *reads = &day->reads[field];

	reads->at_us[reads->next] = at_us;
	reads->next = (reads->next + 1) % DAY_READS;
	if (reads->count < DAY_READS)
		reads->count++;
}

bool day_judge_was_read(const struct day *day, enum model_field field, int64_t at_us)
{
	const struct day_reads *reads = &day->reads[field];

	for (size_t n = 1; n <= reads->count; n++) {
		const int64_t read_us = reads->at_us[(reads->next + DAY_READS - n) % DAY_READS];

		/* Ages are told in whole milliseconds. */
		if (read_us <= at_us + 1000 && read_us >= at_us - 1000)
			return true;
		if (read_us < at_us - 1000)
			return false;
	}
	return false;
}

static void check_item(struct day *day, const struct model_item *item, int64_t at_us)
{
	const struct model_field_info *info = model_field_info((enum model_field)item->field);
	struct day_reads *reads = &day->reads[item->field];

	day->values++;
	/* One answer may come in several updates of the same moment. Which answers came through a
	 * line that loses characters the adapter does not know. */
	if (reads->answers == day->answers && reads->told_us != at_us && !item->null &&
	    needs_answer(item->field) && day->setup.temperament != ELM327_TEMPER_MOODY)
		day_fault(day, "%s is told again, and nobody has answered since", info->path);
	reads->answers = day->answers;
	reads->told_us = at_us;
	remember(day, item->field, at_us);
	if (item->null)
		return;
	if (item->field == MODEL_FIELD_ODOMETER_KM)
		check_odometer(day, item->value.as.number);
	check_number(day, item, at_us);
	check_word(day, item, at_us);
}

void day_judge_update(struct day *day, const struct model_update *update)
{
	day->updates++;
	if (update->mono_us != day_now_us(day))
		day_fault(day, "an update is of another time");
	for (size_t i = 0; i < update->item_count; i++) {
		const struct model_item *item = &update->items[i];

		check_item(day, item, update->mono_us - (int64_t)item->age_ms * 1000);
	}
}
