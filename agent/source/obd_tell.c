#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define SILENT_MIN_US (10 * OBD_SECOND)

/* ---- the source's state ---- */

const char obd_starting[] = "starting";

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

void obd_set_ok(struct obd *obd)
{
	obd->report.last_ok_us = obd_now_us(obd);
	obd->garbage = 0;
	obd->bus_errors = 0;
	obd->no_data = 0;
	obd->reopen_us = OBD_REOPEN_MIN_US;
	if (obd->connected && !obd->asleep)
		obd_set_state(obd, SOURCE_OK, "", "");
}

/* The adapter works but no usable answer comes: say so after a while. */
void obd_check_silence(struct obd *obd)
{
	int64_t limit = 5 * obd->source.config->period_us;
	int64_t since = obd->report.last_ok_us;

	if (limit < SILENT_MIN_US)
		limit = SILENT_MIN_US;
	if (since == MODEL_NO_TIME || since < obd->report.since_us)
		since = obd->report.since_us;
	if ((obd->report.state == SOURCE_OK || obd->report.reason == obd_starting) &&
	    !obd->asleep && obd_now_us(obd) - since > limit)
		obd_set_state(obd, SOURCE_SILENT, "source_silent",
			      "The adapter replies, but the vehicle gives no usable answer.");
}

/* ---- what was observed ---- */

static struct model_update *begin_update(struct obd *obd)
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

static void emit(struct obd *obd)
{
	obd->source.env->update(obd->source.env->arg, &obd->update);
}

static void add_ignition(struct obd *obd)
{
	/* The room holds every field, and the value is one of the words. */
	(void)model_update_set_integer(&obd->update, MODEL_FIELD_IGNITION,
				       obd_ignition(&obd->evidence));
}

static void note_evidence(struct obd *obd, uint8_t pid, double value)
{
	struct obd_evidence *evidence = &obd->evidence;

	evidence->answers = true;
	evidence->silent = false;
	switch (pid) {
	case OBD2_ENGINE_RPM:
		evidence->has_rpm = true;
		evidence->rpm = value;
		break;
	case OBD2_SPEED:
		evidence->has_speed = true;
		evidence->speed_kmh = value;
		break;
	case OBD2_MODULE_VOLTAGE:
		evidence->has_voltage = true;
		evidence->voltage_v = value;
		break;
	default:
		break;
	}
}

void obd_tell_value(struct obd *obd, uint8_t pid, double value)
{
	struct model_update *update = begin_update(obd);

	note_evidence(obd, pid, value);
	if (obd_apply(update, pid, value) < 0)
		obd->report.rejected++; /* no vehicle can have it */
	add_ignition(obd);
	if (obd->report.vin[0])
		(void)model_update_set_text(update, MODEL_FIELD_IDENTITY_VIN, obd->report.vin,
					    MODEL_VIN_LEN);
	update->keyframe = obd_round_is_over(obd);
	emit(obd);
}

/* Nobody answers on a bus that works: that is a measurement too. */
void obd_tell_asleep(struct obd *obd)
{
	const struct obd_evidence silent = {.silent = true};

	obd->evidence = silent;
	(void)begin_update(obd);
	add_ignition(obd);
	emit(obd);
}
