/* What is asked next, by the rhythm; sleep. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define NOTHING_US (60 * OBD_SECOND)

void obd_fall_asleep(struct obd *obd, unsigned frames)
{
	rhythm_looked(obd->rhythm, false, frames, obd_now_us(obd));
	obd->asleep = true;
	obd->connected = false;
	obd->found = false;
	obd->vin_late = false;
	obd->garbage = 0;
	obd->failing_us = MODEL_NO_TIME;
	obd_tell_silent_vehicle(obd);
	obd_wait_for_stir(obd);
	obd_next(obd);
}

/* ---- the plug's voltage ---- */

static void take_voltage(struct obd *obd, bool known, double volts)
{
	struct model_update *update;

	rhythm_measured(obd->rhythm, known, volts, obd_now_us(obd));
	if (!known)
		return;
	update = obd_begin_update(obd);
	if (obd_reading_plug_voltage(obd->reading, volts, update->mono_us, update) > 0)
		obd_emit(obd, false);
}

void obd_measured(struct obd *obd, bool known, double volts)
{
	take_voltage(obd, known, volts);
	obd_next(obd);
}

static void measure(struct obd *obd)
{
	obd->phase = OBD_PHASE_OWN;
	if (obd->bus->ops->measure(obd->bus))
		return;
	take_voltage(obd, false, 0);
	(void)obd_wait(obd, 0, obd_next);
}

/* ---- the rhythm ---- */

void obd_ask_item(struct obd *obd, size_t item)
{
	const struct profile_command *command = obd_command(obd, item);
	const struct obd_ecu *ecu = &obd->ecus[obd->items[item].ecu];
	/* A list is everybody's, also where of values only the first is listened to. */
	const struct diag_target *target = obd_is_list(obd, item) ? &ecu->target : &ecu->now;
	const int64_t timeout = obd->source.config->timeout_us;
	uint8_t joined[PROFILE_REQUEST_MAX];
	const size_t len = obd_several_join(obd, item, joined);
	int r;

	obd->current = item;
	r = len ? obd_ask(obd, OBD_PHASE_ITEM, target, joined, len, timeout)
		: obd_ask(obd, OBD_PHASE_ITEM, target, command->request, command->request_len,
			  timeout);
	if (!r)
		return;
	obd_refuse(obd, item, obd_way_problem(obd, r));
	rhythm_asked(obd->rhythm, item, RHYTHM_REFUSED, 0, obd_now_us(obd));
	(void)obd_wait(obd, 0, obd_next);
}

void obd_next(struct obd *obd)
{
	const int64_t now = obd_now_us(obd);
	int64_t until = now + NOTHING_US;
	enum rhythm_action action;
	size_t item = 0;

	if (!obd->running || !obd->bus->ops->idle(obd->bus))
		return;
	if (obd->connected && obd_next_inquiry(obd))
		return;
	if (obd_ask_late_vin(obd))
		return;
	action = rhythm_next(obd->rhythm, obd_reading_activity(obd->reading, now), now, &item,
			     &until);
	obd_tell_rest(obd);
	switch (action) {
	case RHYTHM_ASK:
		if (obd->connected)
			obd_ask_item(obd, item);
		else
			obd_start_search(obd);
		break;
	case RHYTHM_VOLTAGE:
		measure(obd);
		break;
	case RHYTHM_LOOK:
		obd_start_search(obd);
		break;
	case RHYTHM_WAIT:
		if (obd_listen(obd, &until))
			break;
		(void)obd_wait(obd, until > now ? until - now : 0, obd_next);
		break;
	}
}
