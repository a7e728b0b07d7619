/* What is asked next, by the rhythm; sleep. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define NOTHING_US (60 * OBD_SECOND)

void obd_fall_asleep(struct obd *obd, unsigned frames)
{
	struct model_update *update;

	rhythm_looked(obd->rhythm, false, frames, obd_now_us(obd));
	obd->asleep = true;
	obd->connected = false;
	obd->found = false;
	obd->garbage = 0;
	obd->failing_us = MODEL_NO_TIME;
	/* Nobody answers on a bus that works: that is a measurement too. */
	update = obd_begin_update(obd);
	if (obd_reading_silent(obd->reading, update->mono_us, update) > 0)
		obd_emit(obd, false);
	obd_next(obd);
}

/* ---- the plug's voltage ---- */

static void measured(struct obd *obd, bool known, double volts)
{
	struct model_update *update;

	rhythm_measured(obd->rhythm, known, volts, obd_now_us(obd));
	if (!known)
		return;
	update = obd_begin_update(obd);
	if (obd_reading_plug_voltage(obd->reading, volts, update->mono_us, update) > 0)
		obd_emit(obd, false);
}

static void measure(struct obd *obd)
{
	if (elm327_can(&obd->can, ELM327_CAN_VOLTAGE)) {
		obd_say(obd, OBD_PHASE_VOLTAGE, "ATRV");
		return;
	}
	measured(obd, false, 0);
	(void)obd_wait(obd, 0, obd_next);
}

/* An ignition line that is not connected says the same for ever: it is believed once it has said both
 * on and off. */
static void take_line(struct obd *obd, const char *text)
{
	const bool on = strcmp(text, "ON") == 0;

	if (!on && strcmp(text, "OFF") != 0)
		return;
	obd->line_on = obd->line_on || on;
	obd->line_off = obd->line_off || !on;
	if (obd->line_on && obd->line_off)
		rhythm_ignition(obd->rhythm, on, obd_now_us(obd));
}

void obd_on_voltage_reply(struct obd *obd, const struct elm327_reply *reply)
{
	double volts = 0;
	bool known;

	if (strcmp(reply->sent, "ATIGN") == 0) {
		if (reply->kind == ELM327_OK)
			take_line(obd, reply->text);
		measure(obd);
		return;
	}
	known = reply->kind == ELM327_OK && elm327_parse_voltage(reply->text, &volts);
	measured(obd, known, volts);
	obd_next(obd);
}

/* ---- the rhythm ---- */

void obd_ask_item(struct obd *obd, size_t item)
{
	const struct profile_command *command = obd_command(obd, item);
	const struct elm327_target *target = &obd->ecus[obd->items[item].ecu].now;
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
	obd_refuse(obd, item, obd_way_problem(r));
	rhythm_asked(obd->rhythm, item, RHYTHM_REFUSED, 0, obd_now_us(obd));
	(void)obd_wait(obd, 0, obd_next);
}

void obd_next(struct obd *obd)
{
	const int64_t now = obd_now_us(obd);
	int64_t until = now + NOTHING_US;
	enum rhythm_action action;
	size_t item = 0;

	if (!obd->running || obd->link.state != ELM_LINK_IDLE)
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
		if (elm327_can(&obd->can, ELM327_CAN_IGNITION))
			obd_say(obd, OBD_PHASE_VOLTAGE, "ATIGN");
		else
			measure(obd);
		break;
	case RHYTHM_LOOK:
		obd_start_search(obd);
		break;
	case RHYTHM_WAIT:
		(void)obd_wait(obd, until > now ? until - now : 0, obd_next);
		break;
	}
}
