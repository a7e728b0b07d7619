/* What a vehicle says, becoming the canonical model: the memory of one vehicle that is read by one
 * profile.
 *
 * Answers go in, an update comes out with what was in them and with what follows from it: charging
 * and ignition by the profile's conditions (the bits of some families lie), the current with the
 * canonical sign (positive = discharging), power, an odometer that never jumps. Only what a vehicle
 * sent is set, once: a value is never repeated as if it were new.
 *
 * Rules:
 *	where several signals are one field, the first of the profile that said something in the
 *	last few periods has it (three periods of its command, at least 15 s); the adapter's own
 *	voltage comes last;
 *	a field becomes null where the vehicle says that it does not know, and no other signal
 *	knows;
 *	conditions see what was read in the last few periods, nothing older;
 *	power is voltage times current where both were read within 3 s, once a current;
 *	ignition without a condition: on where the engine turns, the vehicle moves or a gear is
 *	engaged; not on where none of these and the 12 V system (or the 24 V one) is not being
 *	charged: told as unknown, for whether off or accessory nothing tells; on where it is being
 *	charged, but a vehicle with a traction battery then says unknown, for it also charges its
 *	12 V battery while it stands (so does, for the first minute, one whose engine was not seen
 *	running); off where the bus is silent;
 *	driving without a condition: it moves;
 *	charging without a condition is unknown; a vehicle that charges is plugged in, and one of a
 *	profile that knows charging is not while it moves; "stopped" needs a cable that is seen or a
 *	charging that was seen;
 *	what a signal of the profile says itself (a field ignition, plugged_in, charging_state ...)
 *	is not derived, and stands in where a condition is not known;
 *	derived fields are set with each answer that they rest on, and once as unknown (BOOL: null)
 *	when what they rested on is too old;
 *	the odometer: odometer.h.
 *
 * Allocates once, when it is made. One thread.
 */
#ifndef PROVIDER_OBD_READING_H
#define PROVIDER_OBD_READING_H

#include "model/update.h"
#include "provider/obd/profile.h"

#define OBD_PROVIDER "obd"

/* How the vehicle stands, for those who decide what to ask next. In this order: each wakes more.
 * Where several hold: driving, charging, on, off. It rests on what was read in the last few
 * periods; a vehicle that was not asked for two minutes is UNKNOWN, but one that was silent stays
 * ASLEEP until it answers. */
enum obd_activity {
	OBD_ACTIVITY_UNKNOWN, /* no evidence; units may answer */
	OBD_ACTIVITY_ASLEEP,  /* nobody answers */
	OBD_ACTIVITY_OFF,     /* control units answer, the ignition is not on */
	OBD_ACTIVITY_CHARGING,
	OBD_ACTIVITY_ON,
	OBD_ACTIVITY_DRIVING,
};

const char *obd_activity_name(enum obd_activity activity); /* "asleep" */

/* One control unit's answer to a command. */
struct obd_answer {
	uint32_t ecu; /* CAN identifier, or the header's source address on older buses */
	const uint8_t *data;
	size_t len;
};

struct obd_reading_counts {
	int64_t values;      /* given */
	int64_t nulls;       /* the vehicle said that it does not know */
	int64_t implausible; /* refused: out of range, an odometer that jumps */
	int64_t shorts;      /* answers that were too short for a signal */
	int64_t asleep;      /* whole answers of control units that sleep (zeros), dropped */
};

struct obd_reading;

/* `profile` must outlive it. Returns 0 or -ENOMEM. */
int obd_reading_create(const struct profile *profile, struct obd_reading **ret_reading);
void obd_reading_destroy(struct obd_reading *reading); /* NULL is accepted */

/* Forgets what was read; another vehicle may be there now. The odometer's guard goes too. */
void obd_reading_reset(struct obd_reading *reading);

/* Takes the answers to command `index` of the profile at `mono_us` and sets what they say in
 * `update`. Where several units answered, the one with the smallest id that has a value gives it; a
 * BOOL field is true where any says so. Of a command that has no signals (trouble codes) only that
 * it was answered counts. Returns how many fields were set; MODEL_E_SPACE where the update is too
 * small (struct model_update_room never is): some are not set then. The same holds below. */
int obd_reading_take(struct obd_reading *reading, size_t index, const struct obd_answer *answers,
		     size_t count, int64_t mono_us, struct model_update *update);

/* The vehicle's bus is silent: ignition off; sets it, and what was derived of charging as unknown.
 * What was read counts no more. Returns how many fields were set. */
int obd_reading_silent(struct obd_reading *reading, int64_t mono_us, struct model_update *update);

/* The voltage that the adapter measures at its plug (pin 16): sets aux_battery_v, unless a control
 * unit gives it. Returns how many fields were set. */
int obd_reading_plug_voltage(struct obd_reading *reading, double volts, int64_t mono_us,
			     struct model_update *update);

/* Trouble codes of one kind (kind DTC_*), whole: `codes` is a list of texts "P0301", each with its
 * NUL (struct model_value). Returns how many fields were set. */
int obd_reading_dtcs(struct obd_reading *reading, enum profile_kind kind, const char *codes,
		     size_t len, struct model_update *update);

enum obd_activity obd_reading_activity(const struct obd_reading *reading, int64_t mono_us);
void obd_reading_counts(const struct obd_reading *reading, struct obd_reading_counts *ret_counts);

/* How sure a VIN is. */
enum obd_vin {
	OBD_VIN_BAD,       /* not 17 of A-Z 0-9 without I, O, Q */
	OBD_VIN_WRONG_SUM, /* a region that uses the check digit (North America: 1-5; China: L), and it
			    * is wrong */
	OBD_VIN_UNCHECKED, /* a region that does not use it */
	OBD_VIN_RIGHT,     /* its check digit is right */
};

/* ISO 3779; the check digit by 49 CFR 565.15 and GB 16735. */
enum obd_vin obd_vin_check(const char *vin);

#endif
