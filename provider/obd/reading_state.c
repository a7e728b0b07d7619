/* What follows from what a vehicle said. */
#include <string.h>

#include "provider/obd/reading_priv.h"

/* Voltage and current make a power where they were read within this. */
#define POWER_US (3 * READING_SECOND)

/* A 12 V system at or above this is being charged: alternator or DC/DC converter runs. Converters
 * of electric vehicles also hold less (recorded: a Leaf 13.0 V, a Bolt 12.7 V): of them only what
 * is below the second is none, for a battery that feeds control units that are awake soon shows
 * less. Above the last the system is one of 24 V, and everything doubles. */
#define CHARGING_12V 13.2
#define CONVERTER_12V 12.6
#define SYSTEM_24V 18.0

/* After a vehicle woke so long its evidence has time to come: the signals of the profile's own
 * condition, before the general rule may say that the ignition is not on; and any, before it is
 * said that the ignition is not known. */
#define GRACE_US (60 * READING_SECOND)

/* ---- conditions ---- */

struct evidence {
	const struct obd_reading *reading;
	int64_t now_us;
	bool is_new; /* something of it was read just now */
};

static bool signal_now(void *arg, size_t signal, double *ret_value)
{
	struct evidence *evidence = arg;
	const struct reading_slot *slot;

	if (signal >= evidence->reading->slot_count)
		return false;
	slot = &evidence->reading->slots[signal];
	if (!reading_is_fresh(slot->at_us, slot->keep_us, evidence->now_us))
		return false;
	if (slot->at_us == evidence->now_us)
		evidence->is_new = true;
	*ret_value = slot->number;
	return true;
}

/* *ret_new (may be NULL): rests on something that was read just now. */
static enum truth state_of(const struct obd_reading *reading, enum profile_state state,
			   int64_t now_us, bool *ret_new)
{
	struct evidence evidence = {reading, now_us, false};
	const enum truth truth = condition_eval(profile_state_condition(reading->profile, state),
						signal_now, &evidence);

	if (ret_new)
		*ret_new = evidence.is_new;
	return truth;
}

static bool has_rule(const struct obd_reading *reading, enum profile_state state)
{
	return profile_state_condition(reading->profile, state) != NULL;
}

static enum truth is_driving(const struct obd_reading *reading, int64_t now_us)
{
	const enum truth truth = state_of(reading, PROFILE_STATE_DRIVING, now_us, NULL);
	double speed;

	if (truth != TRUTH_UNKNOWN ||
	    !reading_fresh(reading, MODEL_FIELD_SPEED_KMH, now_us, &speed))
		return truth;
	return speed > 0 ? TRUTH_TRUE : TRUTH_FALSE;
}

/* A field that a signal of the profile is itself. */
static enum truth field_is(const struct obd_reading *reading, enum model_field field, int value,
			   int64_t now_us)
{
	double number;

	if (!reading->direct[field] || !reading_fresh(reading, field, now_us, &number))
		return TRUTH_UNKNOWN;
	return (int)number == value ? TRUTH_TRUE : TRUTH_FALSE;
}

static enum truth is_charging(const struct obd_reading *reading, int64_t now_us, bool *ret_new)
{
	const enum truth truth = state_of(reading, PROFILE_STATE_CHARGING, now_us, ret_new);

	return truth != TRUTH_UNKNOWN ? truth
				      : field_is(reading, MODEL_FIELD_CHARGING_STATE,
						 MODEL_CHARGING_CHARGING, now_us);
}

/* ---- ignition ---- */

/* Is a gear engaged? A field of words has the index of its word. */
static bool is_drive(double gear)
{
	const char *word = model_word(MODEL_WORDS_GEAR, (size_t)gear);

	return strcmp(word ? word : "", "r") == 0 || strcmp(word ? word : "", "d") == 0;
}

/* By what every vehicle has. An electric vehicle runs its converter while it charges, and to keep
 * its 12 V battery alive: there voltage alone does not say that the ignition is on. */
static int general_ignition(const struct obd_reading *reading, int64_t now_us)
{
	double rpm = 0, speed = 0, volts = 0, gear = 0;
	const bool has_gear = reading_fresh(reading, MODEL_FIELD_GEAR, now_us, &gear);
	const bool has_rpm = reading_fresh(reading, MODEL_FIELD_ENGINE_RPM, now_us, &rpm);
	const bool has_speed = reading_fresh(reading, MODEL_FIELD_SPEED_KMH, now_us, &speed);
	const bool has_volts = reading_fresh(reading, MODEL_FIELD_AUX_BATTERY_V, now_us, &volts);
	const double charging =
		(volts > SYSTEM_24V ? 2 : 1) * (reading->electric ? CONVERTER_12V : CHARGING_12V);

	if (rpm > 0 || speed > 0 || (has_gear && is_drive(gear)))
		return MODEL_IGNITION_ON;
	if (has_volts && volts < charging)
		return READING_NOT_ON;
	if (reading->electric || (!has_rpm && !has_speed))
		return READING_UNKNOWN;
	/* Its battery, if it has one for driving, may not have been read yet. */
	if (has_volts && !reading->engine && now_us - reading->awake_us < GRACE_US)
		return READING_UNKNOWN;
	return has_volts ? MODEL_IGNITION_ON : READING_NOT_ON;
}

static int find_ignition(const struct obd_reading *reading, bool answered, int64_t now_us,
			 bool *ret_new)
{
	const enum truth truth = state_of(reading, PROFILE_STATE_IGNITION_ON, now_us, ret_new);
	double said;
	int ignition;

	if (reading->direct[MODEL_FIELD_IGNITION] &&
	    reading_fresh(reading, MODEL_FIELD_IGNITION, now_us, &said))
		return (int)said;
	if (truth != TRUTH_UNKNOWN)
		return truth == TRUTH_TRUE ? MODEL_IGNITION_ON : MODEL_IGNITION_OFF;
	*ret_new = answered; /* that units answer is a part of the general rule's evidence */
	ignition = general_ignition(reading, now_us);
	if (ignition != MODEL_IGNITION_ON && has_rule(reading, PROFILE_STATE_IGNITION_ON) &&
	    now_us - reading->awake_us < GRACE_US)
		return READING_UNKNOWN;
	return ignition;
}

/* ---- charging ---- */

/* True, false or READING_UNKNOWN. Moving off with the cable in is what every vehicle that charges
 * prevents. */
static int find_plugged(const struct obd_reading *reading, int64_t now_us, bool *ret_new)
{
	enum truth truth = is_charging(reading, now_us, ret_new);

	if (truth == TRUTH_TRUE)
		return true;
	truth = state_of(reading, PROFILE_STATE_PLUGGED_IN, now_us, ret_new);
	if (truth == TRUTH_UNKNOWN)
		truth = field_is(reading, MODEL_FIELD_PLUGGED_IN, true, now_us);
	if (truth != TRUTH_UNKNOWN)
		return truth == TRUTH_TRUE;
	*ret_new = false;
	if (is_driving(reading, now_us) == TRUTH_TRUE &&
	    (has_rule(reading, PROFILE_STATE_CHARGING) ||
	     has_rule(reading, PROFILE_STATE_PLUGGED_IN)))
		return false;
	return READING_UNKNOWN;
}

/* Not charging says little alone: "stopped" needs a cable, or a charging that was seen. */
static int find_charging(const struct obd_reading *reading, int plugged, int64_t now_us,
			 bool *ret_new)
{
	const enum truth truth = is_charging(reading, now_us, ret_new);

	if (truth == TRUTH_TRUE)
		return MODEL_CHARGING_CHARGING;
	if (plugged == false)
		return MODEL_CHARGING_DISCONNECTED;
	if (truth == TRUTH_FALSE && (plugged == true || reading->was_charging))
		return MODEL_CHARGING_STOPPED;
	return READING_UNKNOWN;
}

static int find_fast(const struct obd_reading *reading, int64_t now_us, bool *ret_new)
{
	const enum truth truth = state_of(reading, PROFILE_STATE_FAST_CHARGING, now_us, ret_new);

	return truth == TRUTH_UNKNOWN ? READING_UNKNOWN : truth == TRUTH_TRUE;
}

/* ---- saying ---- */

static int add(int sum, int r)
{
	return sum < 0 ? sum : r < 0 ? r : sum + r;
}

static int set_unknown(struct model_update *update, enum model_field field)
{
	static const char unknown[] = "unknown"; /* a word of every such list */

	if (model_field_info(field)->type == MODEL_TYPE_ENUM)
		return model_update_set_text(update, field, unknown, sizeof(unknown) - 1);
	return model_update_set_null(update, field);
}

/* Sets a derived field where there is something to say: what rests on something new, what is other
 * than before, or once that what was said is not known any more. Returns how many fields were set,
 * or MODEL_E_SPACE. */
static int say(const struct obd_reading *reading, struct model_update *update,
	       enum model_field field, int value, bool is_new, int *said)
{
	int r;

	if (reading->direct[field])
		return 0;
	if (value == READING_UNKNOWN) {
		if (*said == READING_UNSAID || *said == READING_UNKNOWN)
			return 0;
		r = set_unknown(update, field);
	} else {
		if (!is_new && *said == value)
			return 0;
		r = model_update_set_integer(update, field, value);
	}
	if (r < 0)
		return r;
	*said = value;
	return 1;
}

static int derive_charging(struct obd_reading *reading, int64_t now_us, struct model_update *update)
{
	bool is_new;
	const int plugged = find_plugged(reading, now_us, &is_new);
	int set = say(reading, update, MODEL_FIELD_PLUGGED_IN, plugged, is_new,
		      &reading->said_plugged);
	int value;

	if (is_charging(reading, now_us, NULL) == TRUTH_TRUE)
		reading->was_charging = true;
	else if (plugged == false)
		reading->was_charging = false;
	value = find_charging(reading, plugged, now_us, &is_new);
	set = add(set, say(reading, update, MODEL_FIELD_CHARGING_STATE, value, is_new,
			   &reading->said_charging));
	value = find_fast(reading, now_us, &is_new);
	return add(set, say(reading, update, MODEL_FIELD_FAST_CHARGER_PRESENT, value, is_new,
			    &reading->said_fast));
}

/* A current makes one power, with the voltage that was read with it. */
static int derive_power(struct obd_reading *reading, int64_t now_us, struct model_update *update)
{
	const struct reading_given *volts = &reading->given[MODEL_FIELD_PACK_VOLTAGE_V];
	const struct reading_given *amperes = &reading->given[MODEL_FIELD_PACK_CURRENT_A];
	int r;

	if (reading->direct[MODEL_FIELD_PACK_POWER_KW] || volts->at_us == READING_NEVER ||
	    amperes->at_us == READING_NEVER || amperes->at_us == reading->power_of_us)
		return 0;
	if (now_us - volts->at_us > POWER_US || now_us - amperes->at_us > POWER_US)
		return 0;
	reading->power_of_us = amperes->at_us;
	r = model_update_set_number(update, MODEL_FIELD_PACK_POWER_KW,
				    volts->number * amperes->number / 1000);
	if (r == MODEL_E_INVALID) {
		reading->counts.implausible++;
		return 0;
	}
	return r < 0 ? r : 1;
}

int reading_derive(struct obd_reading *reading, bool answered, int64_t now_us,
		   struct model_update *update)
{
	bool is_new;
	const int ignition = find_ignition(reading, answered, now_us, &is_new);
	int set = 0;

	if (ignition != READING_UNKNOWN || now_us - reading->awake_us >= GRACE_US)
		set = say(reading, update, MODEL_FIELD_IGNITION,
			  ignition == READING_NOT_ON ? MODEL_IGNITION_UNKNOWN : ignition, is_new,
			  &reading->said_ignition);
	set = add(set, derive_charging(reading, now_us, update));
	return add(set, derive_power(reading, now_us, update));
}

int reading_derive_silent(struct obd_reading *reading, struct model_update *update)
{
	const int r = model_update_set_integer(update, MODEL_FIELD_IGNITION, MODEL_IGNITION_OFF);
	int set = r < 0 ? r : 1;

	reading->said_ignition = MODEL_IGNITION_OFF;
	reading->was_charging = false;
	set = add(set, say(reading, update, MODEL_FIELD_PLUGGED_IN, READING_UNKNOWN, false,
			   &reading->said_plugged));
	set = add(set, say(reading, update, MODEL_FIELD_CHARGING_STATE, READING_UNKNOWN, false,
			   &reading->said_charging));
	return add(set, say(reading, update, MODEL_FIELD_FAST_CHARGER_PRESENT, READING_UNKNOWN,
			    false, &reading->said_fast));
}

void reading_derive_reset(struct obd_reading *reading)
{
	reading->said_ignition = READING_UNSAID;
	reading->said_charging = READING_UNSAID;
	reading->said_plugged = READING_UNSAID;
	reading->said_fast = READING_UNSAID;
	reading->was_charging = false;
}

/* ---- activity ---- */

const char *obd_activity_name(enum obd_activity activity)
{
	switch (activity) {
	case OBD_ACTIVITY_UNKNOWN:
		return "unknown";
	case OBD_ACTIVITY_ASLEEP:
		return "asleep";
	case OBD_ACTIVITY_OFF:
		return "off";
	case OBD_ACTIVITY_CHARGING:
		return "charging";
	case OBD_ACTIVITY_ON:
		return "on";
	case OBD_ACTIVITY_DRIVING:
		return "driving";
	}
	return "unknown";
}

enum obd_activity obd_reading_activity(const struct obd_reading *reading, int64_t mono_us)
{
	bool is_new;

	if (reading->silent)
		return OBD_ACTIVITY_ASLEEP;
	if (!reading_awake(reading, mono_us))
		return OBD_ACTIVITY_UNKNOWN;
	if (is_driving(reading, mono_us) == TRUTH_TRUE)
		return OBD_ACTIVITY_DRIVING;
	if (is_charging(reading, mono_us, NULL) == TRUTH_TRUE)
		return OBD_ACTIVITY_CHARGING;
	switch (find_ignition(reading, false, mono_us, &is_new)) {
	case MODEL_IGNITION_ON:
		return OBD_ACTIVITY_ON;
	case MODEL_IGNITION_OFF:
	case MODEL_IGNITION_ACCESSORY:
	case READING_NOT_ON:
		return OBD_ACTIVITY_OFF;
	default:
		return OBD_ACTIVITY_UNKNOWN;
	}
}
