/* What the files of reading share: reading.c keeps what is known, reading_answer.c takes answers,
 * reading_state.c derives from them. */
#ifndef PROVIDER_OBD_READING_PRIV_H
#define PROVIDER_OBD_READING_PRIV_H

#include "provider/obd/condition.h"
#include "provider/obd/reading.h"
#include "provider/odometer.h"

#define READING_SECOND INT64_C(1000000)
#define READING_NEVER INT64_MIN
#define READING_PLUG SIZE_MAX /* stands for a signal: the adapter's own measurement */

/* What is known of a signal. */
struct reading_slot {
	double number;   /* in the source's unit */
	int64_t at_us;   /* READING_NEVER: not known */
	int64_t keep_us; /* how long it counts as evidence */
	/* Of the answer that is being taken. */
	bool has_value, has_null, yes;
	const char *word;
	size_t answer;
};

/* What was given of a field. */
struct reading_given {
	double number;
	int64_t at_us; /* READING_NEVER: nothing */
	int64_t keep_us;
	size_t signal; /* who gave it */
};

struct obd_reading {
	const struct profile *profile;
	struct obd_reading_counts counts;
	struct odometer odometer;
	struct reading_given given[MODEL_FIELD_COUNT];
	bool direct[MODEL_FIELD_COUNT]; /* a signal of the profile is this field */
	bool electric;       /* it has a traction battery: the profile or its values say so */
	bool engine;         /* one was seen running */
	int64_t power_of_us; /* the current that was already part of a power */
	int64_t awake_us, answer_us; /* first answer since it woke, last answer */
	bool silent;
	/* What was last said of derived fields: a value, READING_UNSAID, or READING_UNKNOWN. */
	int said_ignition, said_charging, said_plugged, said_fast;
	bool was_charging; /* since it was last driven */
	size_t slot_count;
	struct reading_slot slots[];
};

#define READING_UNSAID (-1)
#define READING_UNKNOWN (-2)
/* Of the ignition: it is not on, but whether off or accessory nothing tells. */
#define READING_NOT_ON (-3)

static inline bool reading_is_fresh(int64_t at_us, int64_t keep_us, int64_t now_us)
{
	return at_us != READING_NEVER && now_us - at_us <= keep_us;
}

/* Is the field in the hands of a signal that the profile prefers to this one? */
bool reading_is_held(const struct obd_reading *reading, enum model_field field, size_t signal,
		     int64_t mono_us);

/* Adds what a step set to the sum; false where the update is full, which the sum then says. */
static inline bool reading_add(int *sum, int r)
{
	if (r < 0)
		*sum = r;
	else
		*sum += r;
	return r >= 0;
}

/* Takes what the units answered to a command of kind SIGNALS and sets what they say. Returns how
 * many fields were set, or MODEL_E_SPACE. */
int reading_take(struct obd_reading *reading, const struct profile_command *command,
		 const struct obd_answer *answers, size_t count, int64_t mono_us,
		 struct model_update *update);

/* A field's value that is still good as evidence. */
bool reading_fresh(const struct obd_reading *reading, enum model_field field, int64_t now_us,
		   double *ret_number);

/* Did somebody answer so recently that the vehicle counts as awake? */
bool reading_awake(const struct obd_reading *reading, int64_t now_us);

/* Sets what follows from what is known. `answered`: a unit answered just now. Returns how many
 * fields were set, or MODEL_E_SPACE. */
int reading_derive(struct obd_reading *reading, bool answered, int64_t now_us,
		   struct model_update *update);

/* Sets what a silent bus means. As reading_derive(). */
int reading_derive_silent(struct obd_reading *reading, struct model_update *update);

/* Forgets what was said of derived fields. */
void reading_derive_reset(struct obd_reading *reading);

#endif
