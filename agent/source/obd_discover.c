#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

/* Also asks whether anybody is still there: then what was discovered before is kept. */
void obd_start_search(struct obd *obd)
{
	obd->base = 0;
	if (!obd->connected) {
		memset(&obd->support, 0, sizeof(obd->support));
		obd->report.ecus = 0;
	}
	obd_enter(obd, OBD_PHASE_SEARCH);
}

/* Every ECU has its own bitmap; a parameter is asked for where any has it. */
static void take_support(struct obd *obd, const struct elm327_reply *reply)
{
	const uint8_t *answer;
	uint32_t id;
	size_t len;

	for (size_t i = 0; (answer = elm327_message(reply, i, &id, &len)) != NULL; i++) {
		if (obd2_decode_support(obd->base, answer, len, &obd->support))
			obd->report.rejected++;
		else if (obd->base == 0)
			obd->report.ecus++;
	}
}

void obd_on_search_reply(struct obd *obd, const struct elm327_reply *reply)
{
	if (elm327_has_data(reply->kind) && obd->connected) {
		obd_next_poll(obd);
		return;
	}
	if (elm327_has_data(reply->kind)) {
		obd->asleep = false;
		take_support(obd, reply);
		if (obd->report.ecus) {
			obd_enter(obd, OBD_PHASE_PROTOCOL);
			return;
		}
	}
	if (reply->kind == ELM327_NO_DATA) {
		obd_fall_asleep(obd);
		return;
	}
	obd->garbage++;
	obd_check_silence(obd);
	if (obd_too_much_garbage(obd))
		return;
	obd_wait_us(obd, OBD_BUS_PAUSE_US);
}

static void take_protocol(struct obd *obd, const struct elm327_reply *reply)
{
	static const char *const names[] = {
		"automatic",    "J1850 PWM",  "J1850 VPW",  "ISO 9141-2", "KWP2000 5 baud",
		"KWP2000",      "CAN 11/500", "CAN 29/500", "CAN 11/250", "CAN 29/250",
		"J1939 29/250", "user 1",     "user 2",
	};
	uint8_t protocol;
	bool found;

	if (reply->kind != ELM327_OK || !elm327_parse_protocol(reply->text, &protocol, &found))
		return;
	(void)snprintf(obd->report.protocol, sizeof(obd->report.protocol), "%s", names[protocol]);
	obd->functional = elm327_config_functional(protocol);
}

static void next_support(struct obd *obd)
{
	const int next = obd2_support_next(&obd->support, obd->base);

	if (next < 0) {
		obd_enter(obd, OBD_PHASE_VIN);
		return;
	}
	obd->base = (uint8_t)next;
	obd_enter(obd, OBD_PHASE_SUPPORT);
}

static void take_vin(struct obd *obd, const struct elm327_reply *reply)
{
	const uint8_t *answer;
	uint32_t id;
	size_t len;

	obd->report.vin[0] = '\0';
	for (size_t i = 0; (answer = elm327_message(reply, i, &id, &len)) != NULL; i++) {
		if (!obd2_decode_vin(answer, len, obd->report.vin))
			return;
		obd->report.rejected++;
	}
}

static void end_discovery(struct obd *obd)
{
	obd->connected = true;
	obd->whole_due = true;
	obd_plan_polls(obd);
	/* Only a value makes a source ok. */
	if (obd->report.state != SOURCE_SILENT)
		obd_set_state(obd, SOURCE_SILENT, obd_starting, "The vehicle was found.");
	if (obd->poll_count == 0)
		obd_set_state(obd, SOURCE_SILENT, "source_silent",
			      "The vehicle supports none of the parameters that are asked for.");
	obd_next_poll(obd);
}

void obd_on_protocol_reply(struct obd *obd, const struct elm327_reply *reply)
{
	take_protocol(obd, reply);
	next_support(obd);
}

void obd_on_support_reply(struct obd *obd, const struct elm327_reply *reply)
{
	take_support(obd, reply);
	next_support(obd);
}

void obd_on_vin_reply(struct obd *obd, const struct elm327_reply *reply)
{
	take_vin(obd, reply);
	end_discovery(obd);
}
