#include "provider/obd/reading.h"

#include <errno.h>
#include <stdlib.h>

#include "provider/obd/reading_priv.h"

/* A value counts as evidence for some periods of its command, because answers get lost. */
#define KEEP_PERIODS 3
#define KEEP_MIN_US (15 * READING_SECOND)

/* An adapter runs from what it measures: below and above these it measures nothing. */
#define PLUG_MIN_V 6.0
#define PLUG_MAX_V 36.0
#define PLUG_KEEP_US (90 * READING_SECOND)

#define AWAKE_US (120 * READING_SECOND)

/* ---- life ---- */

static int64_t keep_us(const struct profile_command *command)
{
	int64_t keep;

	if (command->when == PROFILE_WHEN_ONCE)
		return INT64_MAX; /* it was asked once because it does not change */
	keep = command->period_us < INT64_MAX / KEEP_PERIODS ? KEEP_PERIODS * command->period_us
							     : INT64_MAX;
	return keep > KEEP_MIN_US ? keep : KEEP_MIN_US;
}

static void learn_profile(struct obd_reading *reading)
{
	const struct profile *profile = reading->profile;

	for (size_t c = 0; c < profile_command_count(profile); c++) {
		const struct profile_command *command = profile_command(profile, c);

		for (size_t i = 0; i < command->signal_count; i++) {
			const size_t s = command->signal_first + i;
			const int field = profile_signal(profile, s)->field;

			reading->slots[s].keep_us = keep_us(command);
			if (field >= 0)
				reading->direct[field] = true;
		}
	}
}

int obd_reading_create(const struct profile *profile, struct obd_reading **ret_reading)
{
	const size_t count = profile_signal_count(profile);
	struct obd_reading *reading;

	reading = calloc(1, sizeof(*reading) + count * sizeof(reading->slots[0]));
	if (!reading)
		return -ENOMEM;
	reading->profile = profile;
	reading->slot_count = count;
	learn_profile(reading);
	obd_reading_reset(reading);
	*ret_reading = reading;
	return 0;
}

void obd_reading_destroy(struct obd_reading *reading)
{
	free(reading);
}

static void forget_values(struct obd_reading *reading)
{
	for (size_t i = 0; i < reading->slot_count; i++)
		reading->slots[i].at_us = READING_NEVER;
	for (size_t i = 0; i < MODEL_FIELD_COUNT; i++)
		reading->given[i].at_us = READING_NEVER;
	reading->power_of_us = READING_NEVER;
	reading->awake_us = READING_NEVER;
	reading->answer_us = READING_NEVER;
}

void obd_reading_reset(struct obd_reading *reading)
{
	forget_values(reading);
	odometer_reset(&reading->odometer);
	/* A profile that knows charging is one of vehicles that charge. */
	reading->electric = profile_state_condition(reading->profile, PROFILE_STATE_CHARGING) ||
			    profile_state_condition(reading->profile, PROFILE_STATE_PLUGGED_IN);
	reading->engine = false;
	reading->silent = false;
	reading_derive_reset(reading);
}

void obd_reading_counts(const struct obd_reading *reading, struct obd_reading_counts *ret_counts)
{
	*ret_counts = reading->counts;
}

/* ---- what is known ---- */

bool reading_fresh(const struct obd_reading *reading, enum model_field field, int64_t now_us,
		   double *ret_number)
{
	const struct reading_given *given = &reading->given[field];

	if (!reading_is_fresh(given->at_us, given->keep_us, now_us))
		return false;
	*ret_number = given->number;
	return true;
}

bool reading_awake(const struct obd_reading *reading, int64_t now_us)
{
	return reading_is_fresh(reading->answer_us, AWAKE_US, now_us);
}

static void note_answer(struct obd_reading *reading, int64_t mono_us)
{
	if (reading->awake_us == READING_NEVER)
		reading->awake_us = mono_us;
	reading->answer_us = mono_us;
	reading->silent = false;
}

/* ---- what comes in ---- */

int obd_reading_take(struct obd_reading *reading, size_t index, const struct obd_answer *answers,
		     size_t count, int64_t mono_us, struct model_update *update)
{
	const struct profile_command *command;
	int set;

	if (index >= profile_command_count(reading->profile) || count == 0)
		return 0;
	command = profile_command(reading->profile, index);
	note_answer(reading, mono_us);
	if (command->kind != PROFILE_KIND_SIGNALS)
		return 0;
	set = reading_take(reading, command, answers, count, mono_us, update);
	if (set >= 0)
		(void)reading_add(&set, reading_derive(reading, true, mono_us, update));
	return set;
}

int obd_reading_silent(struct obd_reading *reading, int64_t mono_us, struct model_update *update)
{
	(void)mono_us;
	forget_values(reading);
	reading->silent = true;
	return reading_derive_silent(reading, update);
}

int obd_reading_plug_voltage(struct obd_reading *reading, double volts, int64_t mono_us,
			     struct model_update *update)
{
	const enum model_field field = MODEL_FIELD_AUX_BATTERY_V;
	int set = 1;
	int r;

	if (!(volts >= PLUG_MIN_V && volts <= PLUG_MAX_V)) {
		reading->counts.implausible++;
		return 0;
	}
	if (reading_is_held(reading, field, READING_PLUG, mono_us))
		return 0;
	r = model_update_set_number(update, field, volts);
	if (r < 0)
		return r;
	reading->given[field] = (struct reading_given){volts, mono_us, PLUG_KEEP_US, READING_PLUG};
	reading->counts.values++;
	if (reading_is_fresh(reading->answer_us, KEEP_MIN_US, mono_us))
		(void)reading_add(&set, reading_derive(reading, false, mono_us, update));
	return set;
}

int obd_reading_dtcs(struct obd_reading *reading, enum profile_kind kind, const char *codes,
		     size_t len, struct model_update *update)
{
	enum model_field field;
	int r;

	switch (kind) {
	case PROFILE_KIND_DTC_CONFIRMED:
		field = MODEL_FIELD_DTC_CONFIRMED;
		break;
	case PROFILE_KIND_DTC_PENDING:
		field = MODEL_FIELD_DTC_PENDING;
		break;
	case PROFILE_KIND_DTC_PERMANENT:
		field = MODEL_FIELD_DTC_PERMANENT;
		break;
	default:
		return 0;
	}
	r = model_update_set_text(update, field, codes, len);
	if (r == MODEL_E_INVALID) {
		reading->counts.implausible++;
		return 0;
	}
	if (r < 0)
		return r;
	reading->counts.values++;
	return 1;
}
