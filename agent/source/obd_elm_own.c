/* Questions of an adapter's own: which bus it has found, how long it waits, what it measures. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_elm_priv.h"

/* A unit that wants time (78): the adapter waits longer, then it is asked again. */
#define PENDINGS_MAX 8
#define PENDING_MAX_US (30 * ELM_SECOND)
#define PENDING_PAUSE_US (ELM_SECOND / 2)
#define WAIT_LONG "ATSTFF" /* 1.04 s */
#define WAIT_USUAL "ATST96"

/* ---- the protocol ---- */

static unsigned bit_rate_of(uint8_t protocol)
{
	static const unsigned rates[] = {0,      41600,  10400,  10400,  10400, 10400, 500000,
					 500000, 250000, 250000, 250000, 0,     0};

	return protocol < sizeof(rates) / sizeof(rates[0]) ? rates[protocol] : 0;
}

static void take_protocol(struct obd_elm *elm, const char *text)
{
	static const char *const names[] = {
		"automatic",    "J1850 PWM",  "J1850 VPW",  "ISO 9141-2", "KWP2000 5 baud",
		"KWP2000",      "CAN 11/500", "CAN 29/500", "CAN 11/250", "CAN 29/250",
		"J1939 29/250", "user 1",     "user 2",
	};
	uint8_t protocol;
	bool by_search;

	if (!elm327_parse_protocol(text, &protocol, &by_search))
		return;
	elm->bus.protocol = protocol;
	elm->bus.events->protocol(elm->bus.arg, names[protocol], bit_rate_of(protocol));
}

void elm_ask_protocol(struct obd_elm *elm)
{
	elm_say(elm, ELM_PHASE_PROTOCOL, "ATDPN");
}

/* Once found, a CAN protocol is fixed: a look at a vehicle that sleeps is one frame then, not a search
 * through all protocols. */
void elm_on_protocol_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	char command[8];

	if (reply->request_len == 0 && strcmp(reply->sent, "ATDPN") == 0) {
		if (reply->kind == ELM327_OK)
			take_protocol(elm, reply->text);
		if (obd_bus_is_can(&elm->bus) && elm->fixed != elm->bus.protocol) {
			(void)snprintf(command, sizeof(command), "ATSP%X", elm->bus.protocol);
			elm_say(elm, ELM_PHASE_PROTOCOL, command);
			return;
		}
	} else if (reply->kind == ELM327_OK) {
		elm->fixed = elm->bus.protocol;
	}
	elm_start_probe(elm);
}

/* ---- a unit that wants time ---- */

static bool is_patience_left(const struct obd_elm *elm)
{
	return elm->pendings < PENDINGS_MAX &&
	       loop_now_us(elm->bus.env->loop) - elm->pending_since_us < PENDING_MAX_US;
}

bool elm_wait_on(struct obd_elm *elm, const struct elm327_reply *reply)
{
	if (reply->kind != ELM327_PENDING || !elm->request.patient || !is_patience_left(elm))
		return false;
	if (elm->pendings++ == 0)
		elm->pending_since_us = loop_now_us(elm->bus.env->loop);
	if (!elm->patient) {
		elm->patient = true;
		elm_say(elm, ELM_PHASE_PATIENCE, WAIT_LONG);
	} else {
		elm_wait(elm, PENDING_PAUSE_US, elm_send_request);
	}
	return true;
}

void elm_on_patience_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	(void)reply;
	if (elm->patient)
		elm_send_request(elm);
	else
		elm->bus.events->idle(elm->bus.arg);
}

bool elm_wait_as_usual(struct obd_elm *elm)
{
	elm->pendings = 0;
	if (!elm->patient)
		return false;
	elm->patient = false;
	elm_say(elm, ELM_PHASE_PATIENCE, WAIT_USUAL);
	return true;
}

/* ---- the plug ---- */

bool elm_measure(struct obd_elm *elm)
{
	if (elm327_can(&elm->can, ELM327_CAN_IGNITION))
		elm_say(elm, ELM_PHASE_VOLTAGE, "ATIGN");
	else if (elm327_can(&elm->can, ELM327_CAN_VOLTAGE))
		elm_say(elm, ELM_PHASE_VOLTAGE, "ATRV");
	else
		return false;
	return true;
}

/* An ignition line that is not connected says the same for ever: it is believed once it has said both
 * on and off. */
static void take_line(struct obd_elm *elm, const char *text)
{
	const bool on = strcmp(text, "ON") == 0;

	if (!on && strcmp(text, "OFF") != 0)
		return;
	elm->line_on = elm->line_on || on;
	elm->line_off = elm->line_off || !on;
	if (elm->line_on && elm->line_off)
		elm->bus.events->ignition(elm->bus.arg, on);
}

void elm_on_voltage_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	double volts = 0;
	bool known;

	if (strcmp(reply->sent, "ATIGN") == 0) {
		if (reply->kind == ELM327_OK)
			take_line(elm, reply->text);
		if (elm327_can(&elm->can, ELM327_CAN_VOLTAGE))
			elm_say(elm, ELM_PHASE_VOLTAGE, "ATRV");
		else
			elm->bus.events->measured(elm->bus.arg, false, 0);
		return;
	}
	known = reply->kind == ELM327_OK && elm327_parse_voltage(reply->text, &volts);
	elm->bus.events->measured(elm->bus.arg, known, volts);
}
