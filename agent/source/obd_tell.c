/* What is told: the source's state, and updates of the vehicle. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define SILENT_US (10 * OBD_SECOND)

/* ---- the source's state ---- */

const char obd_starting[] = "starting";
const char obd_bus_error[] = "bus_error";

void obd_set_state(struct obd *obd, enum source_state state, const char *reason, const char *detail)
{
	struct source_report *report = &obd->report;
	const bool other = report->state != state || strcmp(report->reason, reason) != 0;

	(void)snprintf(report->detail, sizeof(report->detail), "%s", detail);
	if (!other)
		return;
	report->state = state;
	report->reason = reason;
	report->since_us = obd_now_us(obd);
	obd->source.env->changed(obd->source.env->arg, &obd->source);
}

void obd_note_answer(struct obd *obd)
{
	obd->report.last_ok_us = obd_now_us(obd);
	obd->garbage = 0;
	obd->bus_errors = 0;
	obd->reopen_us = OBD_REOPEN_MIN_US;
}

void obd_set_ok(struct obd *obd)
{
	obd_note_answer(obd);
	obd->bus->internal_errors = 0;
	obd->bus->resets = 0;
	obd->failing_us = MODEL_NO_TIME;
	if (!obd->connected)
		return;
	if (obd_reading_activity(obd->reading, obd_now_us(obd)) == OBD_ACTIVITY_OFF)
		obd_set_state(obd, SOURCE_OK, "ignition_off",
			      "The vehicle's control units answer, its ignition is off.");
	else
		obd_set_state(obd, SOURCE_OK, "", "");
}

/* It runs, and no request has reached it. */
static bool is_missed(const struct obd *obd)
{
	struct rhythm_stats stats;

	rhythm_stats(obd->rhythm, obd_now_us(obd), &stats);
	return !obd->answered && stats.is_bright;
}

/* A bus that fails is no vehicle that sleeps; but where everybody sleeps nobody acknowledges a frame,
 * which adapters call a failing bus, too: the plug's voltage tells them apart. */
static bool is_fault(const struct obd *obd)
{
	struct rhythm_stats stats;

	if (obd->report.state != SOURCE_ERROR)
		return false;
	rhythm_stats(obd->rhythm, obd_now_us(obd), &stats);
	return strcmp(obd->report.reason, obd_bus_error) != 0 || !obd->answered || !stats.is_dark;
}

static void tell_silence(struct obd *obd)
{
	/* Before the first look nobody knows. */
	if (!obd->asleep || is_fault(obd))
		return;
	if (is_missed(obd)) {
		obd_set_state(obd, SOURCE_SILENT, "source_silent",
			      "The vehicle's voltage says that it runs, but nobody answers: "
			      "is it the right profile?");
		return;
	}
	if (obd->report.state == SOURCE_ERROR)
		obd_tell_silent_vehicle(obd);
	obd_set_state(obd, SOURCE_OK, "vehicle_asleep",
		      obd->answered
			      ? "No control unit answers: the vehicle sleeps."
			      : "No control unit has answered yet: the vehicle sleeps, or the "
				"profile is not its own.");
}

/* Nobody answers on a bus that works: that is a measurement too. But who was never heard may be on
 * another bus, or be asked the wrong question. */
void obd_tell_silent_vehicle(struct obd *obd)
{
	struct model_update *update = obd_begin_update(obd);

	if (obd_reading_silent(obd->reading, update->mono_us, update) > 0 && obd->answered &&
	    !is_fault(obd))
		obd_emit(obd, false);
}

void obd_tell_rest(struct obd *obd)
{
	switch (rhythm_rest(obd->rhythm)) {
	case RHYTHM_REST_SILENT:
		tell_silence(obd);
		break;
	case RHYTHM_REST_VOLTAGE:
		/* Who has said nothing usable may be anything. */
		if (obd->report.state != SOURCE_OK)
			break;
		obd_set_state(obd, SOURCE_OK, "vehicle_asleep",
			      "The vehicle is off and its battery is low: it is left alone.");
		break;
	case RHYTHM_REST_OFF:
		if (obd->report.state != SOURCE_OK)
			break;
		obd_set_state(obd, SOURCE_OK, "vehicle_asleep",
			      "The vehicle is off: it is left alone, so that it can sleep.");
		break;
	case RHYTHM_AWAKE:
		break;
	}
}

void obd_tell_silence(struct obd *obd)
{
	if (obd->report.state == SOURCE_OK || obd->report.reason == obd_starting)
		obd_set_state(obd, SOURCE_SILENT, "source_silent",
			      "The adapter replies, but the vehicle gives no usable answer.");
}

/* The adapter works but no usable answer comes: say so after a while. */
void obd_check_silence(struct obd *obd)
{
	const int64_t now = obd_now_us(obd);

	if (obd->failing_us == MODEL_NO_TIME)
		obd->failing_us = now;
	if (now - obd->failing_us > SILENT_US)
		obd_tell_silence(obd);
}

void obd_check_left(struct obd *obd)
{
	for (size_t i = 0; i < obd->item_count; i++)
		if (!obd->items[i].barred)
			return;
	obd_set_state(
		obd, SOURCE_SILENT, "source_silent",
		"The vehicle refuses all that the profile and the configuration ask for: is it "
		"the right profile?");
}

/* ---- what was observed ---- */

struct model_update *obd_begin_update(struct obd *obd)
{
	const struct source_config *config = obd->source.config;
	struct model_update *update = &obd->update;

	model_update_init(update, &obd->room);
	(void)snprintf(update->device_id, sizeof(update->device_id), "%s", config->device_id);
	(void)snprintf(update->provider, sizeof(update->provider), "%s", OBD_PROVIDER);
	(void)snprintf(update->source, sizeof(update->source), "%s", config->name);
	memcpy(update->vin, obd->report.vin, sizeof(update->vin));
	update->simulated = config->simulated;
	update->mono_us = obd_now_us(obd);
	return update;
}

/* A single unit that does not answer is asked less and less: its other items are not waited for. */
static bool is_waited_for(const struct obd *obd, size_t item)
{
	const struct obd_ecu *ecu = &obd->ecus[obd->items[item].ecu];
	const enum profile_when when = obd_command(obd, item)->when;

	return !obd->items[item].tried && !obd->items[item].barred &&
	       (when == PROFILE_WHEN_AWAKE || when == PROFILE_WHEN_ONCE) &&
	       (ecu->target.functional || !ecu->silent);
}

/* The first round after a connect is over, once, when everything that may be asked of a vehicle that
 * is awake was asked for: then what is known is stated whole. */
static bool round_is_over(struct obd *obd)
{
	if (!obd->whole_due || !obd->connected)
		return false;
	for (size_t i = 0; i < obd->item_count; i++)
		if (is_waited_for(obd, i))
			return false;
	obd->whole_due = false;
	return true;
}

void obd_emit(struct obd *obd, bool answered)
{
	struct model_update *update = &obd->update;

	if (answered && obd->report.vin[0] && obd->connected)
		(void)model_update_set_text(update, MODEL_FIELD_IDENTITY_VIN, obd->report.vin,
					    MODEL_VIN_LEN);
	update->keyframe = round_is_over(obd);
	obd->source.env->update(obd->source.env->arg, update);
}
