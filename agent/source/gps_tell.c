/* Fixes become updates of the vehicle; the source's state. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/geo.h"
#include "agent/source/gps_priv.h"

/* A parked receiver wanders: so far, and not farther than so. */
#define STILL_MIN_M 10.0
#define STILL_MAX_M 100.0
#define STILL_UNKNOWN_M 25.0 /* where the accuracy is not told */
#define MOVING_KMH 5.0       /* below, speed and course are noise */
#define FIX_JITTER_US (GPS_SECOND / 5)

/* ---- the source's state ---- */

void gps_set_state(struct gps *gps, enum source_state state, const char *reason, const char *detail)
{
	struct source_report *report = &gps->report;
	const bool other = report->state != state || strcmp(report->reason, reason) != 0;

	(void)snprintf(report->detail, sizeof(report->detail), "%s", detail);
	if (!other)
		return;
	report->state = state;
	report->reason = reason;
	report->since_us = gps_now_us(gps);
	if (state != SOURCE_OK || reason[0])
		report->gps.fix = false;
	gps->source.env->changed(gps->source.env->arg, &gps->source);
}

/* `scheme`: of devices that the words are for, "" for every one; the first that fits is taken. */
static const struct {
	int error;
	const char *scheme, *reason, *detail;
} troubles[] = {
	{-ECONNREFUSED, "gpsd", "adapter_unreachable",
	 "gpsd does not run there: systemctl enable --now gpsd.socket"},
	{-ETIMEDOUT, "gpsd", "source_silent", "gpsd does not answer."},
	{-ENODEV, "gpsd", "adapter_unreachable", "gpsd has ended the connection."},
	{-EBUSY, "", "adapter_busy",
	 "Another program has opened the receiver: gpsd, perhaps (device = gpsd)."},
	{-EACCES, "rfcomm:", "adapter_denied",
	 "The Bluetooth receiver refuses: pair it with bluetoothctl."},
	{-EACCES, "", "adapter_denied",
	 "The receiver may not be opened: the agent's user belongs into group dialout."},
	{-ETIMEDOUT, "", "source_silent", "Nothing comes from the receiver: check its power."},
	{-ECONNREFUSED, "", "adapter_unreachable", "The receiver refuses the connection."},
	{-EHOSTDOWN, "", "adapter_unreachable", "The receiver is out of reach or without power."},
	{-EHOSTUNREACH, "", "adapter_unreachable", "There is no way to the receiver's address."},
	{-ENETUNREACH, "", "adapter_unreachable", "There is no way to the receiver's address."},
	{-EAFNOSUPPORT, "", "adapter_address", "This kernel has no Bluetooth (RFCOMM)."},
	{-ERANGE, "", "adapter_speed", "The line cannot do the configured baud rate."},
	{-EINVAL, "", "adapter_address", "The device's address is not one that can be opened."},
	{0, "", "adapter_unplugged", "The receiver is not plugged in."},
};

void gps_say_trouble(struct gps *gps, int error)
{
	const char *device = gps->source.config->device;
	size_t i = 0;

	while (troubles[i].error &&
	       (troubles[i].error != error ||
		strncmp(device, troubles[i].scheme, strlen(troubles[i].scheme)) != 0))
		i++;
	gps_set_state(gps, error == -ETIMEDOUT ? SOURCE_SILENT : SOURCE_ERROR, troubles[i].reason,
		      troubles[i].detail);
}

/* ---- updates ---- */

static struct model_update *begin_update(struct gps *gps, int64_t mono_us, int64_t at_ms)
{
	const struct source_config *config = gps->source.config;
	struct model_update *update = &gps->update;

	model_update_init(update, &gps->room);
	(void)snprintf(update->device_id, sizeof(update->device_id), "%s", config->device_id);
	(void)snprintf(update->provider, sizeof(update->provider), "%s", GPS_PROVIDER);
	(void)snprintf(update->source, sizeof(update->source), "%s", config->name);
	update->simulated = config->simulated;
	update->mono_us = mono_us;
	update->at_ms = at_ms;
	update->keyframe = gps->whole_due;
	return update;
}

static void emit(struct gps *gps, int64_t now_us)
{
	gps->whole_due = false;
	gps->given_us = now_us;
	gps->source.env->update(gps->source.env->arg, &gps->update);
}

/* More digits than a receiver knows are noise that costs bytes. */
static double rounded(double value, double steps)
{
	return round(value * steps) / steps;
}

static void set_optional(struct model_update *update, enum model_field field, bool has,
			 double value)
{
	if (!has || model_update_set_number(update, field, value))
		(void)model_update_set_null(update, field);
}

static void set_word(struct model_update *update, const char *word)
{
	(void)model_update_set_text(update, MODEL_FIELD_LOCATION_STATUS, word, strlen(word));
}

static void set_motion(const struct gps *gps, struct model_update *update,
		       const struct gps_fix *fix)
{
	const bool moving = fix->has_speed && fix->speed_kmh >= MOVING_KMH;

	if (!gps->source.config->speed)
		return;
	set_optional(update, MODEL_FIELD_SPEED_KMH, fix->has_speed,
		     moving ? rounded(fix->speed_kmh, 10) : 0);
	/* Where a vehicle stands its course is not known, and stays what it was. */
	if (moving && fix->has_track)
		set_optional(update, MODEL_FIELD_HEADING_DEG, true,
			     rounded(fix->track_deg < 360 ? fix->track_deg : 0, 10));
}

static bool is_due(const struct gps *gps, int64_t now_us)
{
	const int64_t period_us =
		gps->source.config->period_us ? gps->source.config->period_us : GPS_PERIOD_US;

	return gps->whole_due || gps->given_us == MODEL_NO_TIME ||
	       now_us - gps->given_us >= period_us - FIX_JITTER_US;
}

/* ---- positions ---- */

static double still_m(const struct gps_fix *fix)
{
	const double metres = fix->has_accuracy ? 2 * fix->accuracy_m : STILL_UNKNOWN_M;

	if (metres < STILL_MIN_M)
		return STILL_MIN_M;
	return metres > STILL_MAX_M ? STILL_MAX_M : metres;
}

/* Is it another position, or the same with a receiver's wandering? */
static bool has_moved(const struct gps *gps, const struct gps_fix *fix)
{
	if (!gps->has_held || gps->lost || gps->whole_due)
		return true;
	if (fix->has_speed && fix->speed_kmh >= MOVING_KMH)
		return true;
	/* A much better one replaces a poor one. */
	if (fix->has_accuracy &&
	    (!gps->held.has_accuracy || fix->accuracy_m * 2 < gps->held.accuracy_m))
		return true;
	return geo_metres(fix->latitude, fix->longitude, gps->held.latitude, gps->held.longitude) >
	       still_m(fix);
}

static void give_position(struct gps *gps, const struct gps_fix *fix, int64_t now_us)
{
	/* A time that jumps would date the record wrongly. */
	const bool dated = fix->at_ms != MODEL_NO_TIME && gps_time_agrees(&gps->time);
	struct model_update *update =
		begin_update(gps, fix->mono_us, dated ? fix->at_ms : MODEL_NO_TIME);
	const struct gps_fix *held = &gps->held;

	if (has_moved(gps, fix))
		gps->held = *fix;
	gps->has_held = true;
	gps->lost = false;
	set_optional(update, MODEL_FIELD_LATITUDE, true, rounded(held->latitude, 1e7));
	set_optional(update, MODEL_FIELD_LONGITUDE, true, rounded(held->longitude, 1e7));
	set_optional(update, MODEL_FIELD_ALTITUDE_M, held->has_altitude,
		     rounded(held->altitude_m, 10));
	set_optional(update, MODEL_FIELD_ACCURACY_M, held->has_accuracy,
		     rounded(held->accuracy_m, 10));
	set_word(update, "available");
	set_motion(gps, update, fix);
	emit(gps, now_us);
}

static void give_time(struct gps *gps, const struct gps_fix *fix)
{
	const struct source_env *env = gps->source.env;
	int64_t wall_ms, mono_us;

	if (fix->at_ms == MODEL_NO_TIME ||
	    !gps_time_take(&gps->time, fix->at_ms, fix->mono_us, &wall_ms, &mono_us))
		return;
	/* An invented place may have an invented time. */
	if (!gps->source.config->simulated && env->time)
		env->time(env->arg, wall_ms, mono_us);
}

static void note_epoch(struct gps *gps, int64_t now_us)
{
	gps->epoch_us = now_us;
	gps->report.last_ok_us = now_us;
}

void gps_take_fix(struct gps *gps, const struct gps_fix *fix)
{
	const int64_t now_us = gps_now_us(gps);

	/* The same moment again is nothing new, however often it is told. */
	if (fix->at_ms != MODEL_NO_TIME && fix->at_ms == gps->last_at_ms) {
		gps->report.gps.repeated++;
		return;
	}
	gps->last_at_ms = fix->at_ms;
	note_epoch(gps, now_us);
	gps->fix_us = now_us;
	gps->report.gps.fixes++;
	gps->report.gps.satellites = fix->satellites;
	gps->report.gps.accuracy_m = fix->has_accuracy ? fix->accuracy_m : 0;
	gps_set_state(gps, SOURCE_OK, "", "");
	gps->report.gps.fix = true;
	give_time(gps, fix);
	/* The first one of a receiver may be half told: its other sentence is still to come. */
	if (!gps->complete) {
		gps->complete = true;
		if (!fix->has_accuracy)
			return;
	}
	if (gps->lost || is_due(gps, now_us))
		give_position(gps, fix, now_us);
}

void gps_take_no_fix(struct gps *gps)
{
	static const enum model_field fields[] = {MODEL_FIELD_LATITUDE, MODEL_FIELD_LONGITUDE,
						  MODEL_FIELD_ALTITUDE_M, MODEL_FIELD_ACCURACY_M};
	const int64_t now_us = gps_now_us(gps);
	struct model_update *update;

	note_epoch(gps, now_us);
	if (gps->fix_us == MODEL_NO_TIME)
		gps->fix_us = now_us;
	/* A tunnel is no news. */
	if (now_us - gps->fix_us >= GPS_NO_FIX_GRACE_US || gps->report.state != SOURCE_OK)
		gps_set_state(
			gps, SOURCE_OK, "no_fix",
			"The receiver works but has no position: it needs a view of the sky.");
	if (now_us - gps->fix_us < GPS_NO_FIX_GRACE_US)
		return;
	if (gps->lost && !is_due(gps, now_us))
		return;
	update = begin_update(gps, now_us, MODEL_NO_TIME);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		(void)model_update_set_null(update, fields[i]);
	set_word(update, "no_fix");
	if (gps->source.config->speed) {
		(void)model_update_set_null(update, MODEL_FIELD_SPEED_KMH);
		(void)model_update_set_null(update, MODEL_FIELD_HEADING_DEG);
	}
	gps->lost = true;
	emit(gps, now_us);
}
