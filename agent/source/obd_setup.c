/* The adapter: its settings, what it can do. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define FAILURES_MAX 6
#define PAUSE_US (OBD_SECOND / 2)
#define LONG_PAUSE_US (5 * OBD_SECOND)
#define ANY_BUS 1 /* what is worth asking for on J1850 is worth asking for before a bus is known */

/* The set-up of an adapter, in order; ATSP and a protocol follow. Every command but the first must
 * answer OK; '?' is noted and passed over. ATM0: its EEPROM is not worn; ATST96: it waits 614 ms for
 * an answer; ATFE: events of a low-voltage reset are forgotten. */
static const char *const commands[] = {
	"ATZ", "ATE0", "ATL0", "ATS0", "ATH1", "ATCAF1", "ATAL", "ATM0", "ATAT1", "ATST96", "ATFE",
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void send_step(struct obd *obd)
{
	char protocol[8];

	if (obd->step < COMMAND_COUNT) {
		obd_say(obd, OBD_PHASE_SETUP, commands[obd->step]);
		return;
	}
	(void)snprintf(protocol, sizeof(protocol), "ATSP%X", obd->fixed);
	obd_say(obd, OBD_PHASE_SETUP, protocol);
}

void obd_start_setup(struct obd *obd)
{
	obd->connected = false;
	obd->found = false;
	obd->has_target = false;
	obd->header_sent = false;
	obd->echo_off = false;
	obd->request.on_way = false;
	obd->vin_late = false;
	obd->patient = false;
	obd->garbage = 0;
	obd->step = 0;
	obd->report.inits++;
	(void)snprintf(obd->can.version, sizeof(obd->can.version), "%s", obd->link.adapter);
	send_step(obd);
}

/* A lost prompt or a reset starts over. */
static void start_over(struct obd *obd)
{
	obd->garbage++;
	obd->step = 0;
	if (obd->garbage < FAILURES_MAX) {
		(void)obd_wait(obd, PAUSE_US, send_step);
		return;
	}
	obd->garbage = 0;
	obd_set_state(obd, SOURCE_SILENT, "source_silent",
		      "The adapter cannot be set up: its replies make no sense.");
	(void)obd_wait(obd, LONG_PAUSE_US, send_step);
}

void obd_on_setup_reply(struct obd *obd, const struct elm327_reply *reply)
{
	/* A clone without a command goes on without it, but for the reset: behind it all is known. */
	if (reply->kind != ELM327_OK && (reply->kind != ELM327_UNSUPPORTED || obd->step == 0)) {
		start_over(obd);
		return;
	}
	if (obd->step++ < COMMAND_COUNT) {
		send_step(obd);
		return;
	}
	obd->garbage = 0;
	/* A bus that the profile knows is known from here on: the way to its own question, where nobody
	 * answers 0100, may need what is probed for that bus. */
	if (reply->kind == ELM327_OK)
		obd->protocol = obd->fixed;
	obd_start_probe(obd);
}

/* ---- what it can do ---- */

static bool is_probed(const struct obd *obd, enum elm327_capability capability)
{
	return (obd->can.probed & UINT32_C(1) << capability) != 0;
}

/* Before the bus is known only what belongs to no bus. */
static bool is_wanted(const struct obd *obd, enum elm327_capability capability)
{
	/* Trying a filter that cannot be taken away again would deafen the adapter. */
	if (capability == ELM327_CAN_RECEIVE_FILTER &&
	    !elm327_can(&obd->can, ELM327_CAN_FILTER_RESET) &&
	    !elm327_can(&obd->can, ELM327_CAN_AUTO_RECEIVE))
		return false;
	return elm327_probe_applies(capability, obd->protocol ? obd->protocol : ANY_BUS) &&
	       !is_probed(obd, capability);
}

static void list_missing(struct obd *obd)
{
	char *out = obd->report.missing;
	size_t len = 0;

	out[0] = '\0';
	for (int i = 0; i < ELM327_CAPABILITY_COUNT; i++) {
		const enum elm327_capability capability = (enum elm327_capability)i;

		if (!is_probed(obd, capability) || elm327_can(&obd->can, capability))
			continue;
		len += (size_t)snprintf(out + len, sizeof(obd->report.missing) - len, "%s%s",
					len ? " " : "", elm327_capability_name(capability));
		if (len >= sizeof(obd->report.missing))
			return;
	}
}

static void end_probe(struct obd *obd)
{
	list_missing(obd);
	(void)snprintf(obd->report.chip, sizeof(obd->report.chip), "%s", obd->can.chip);
	obd_go_on_discovering(obd);
}

/* Back to the state after the set-up; the header may be that of the profile's own question. */
static void begin_undo(struct obd *obd)
{
	struct elm327_switch *undo = &obd->undo;
	const bool long_ids = obd->protocol == 7 || obd->protocol == 9;

	elm327_probe_undo(&obd->can, obd->protocol, undo);
	if (obd_is_can(obd) && obd->header_sent && undo->count < ELM327_SWITCH_MAX)
		(void)snprintf(undo->commands[undo->count++], sizeof(undo->commands[0]), "%s",
			       long_ids ? "ATSHDB33F1" : "ATSH7DF");
	for (size_t i = 0; i < undo->count; i++)
		obd->header_sent = obd->header_sent || !strncmp(undo->commands[i], "ATSH", 4);
	obd->undoing = true;
	obd->has_target = false;
	obd->step = 0;
}

/* The next question from obd->step on; after the last what leads back from them. */
static void probe_step(struct obd *obd)
{
	while (!obd->undoing && obd->step < ELM327_CAPABILITY_COUNT &&
	       !is_wanted(obd, (enum elm327_capability)obd->step))
		obd->step++;
	if (!obd->undoing && obd->step < ELM327_CAPABILITY_COUNT) {
		obd->undo_owed = obd->undo_owed || obd->protocol != 0;
		obd_say(obd, OBD_PHASE_PROBE,
			elm327_probe_command((enum elm327_capability)obd->step));
		return;
	}
	if (!obd->undoing && obd->undo_owed)
		begin_undo(obd);
	if (obd->undoing && obd->step < obd->undo.count)
		obd_say(obd, OBD_PHASE_PROBE, obd->undo.commands[obd->step]);
	else
		end_probe(obd);
}

void obd_start_probe(struct obd *obd)
{
	obd->undoing = false;
	obd->undo_owed = false;
	obd->step = 0;
	probe_step(obd);
}

void obd_on_probe_reply(struct obd *obd, const struct elm327_reply *reply)
{
	if (!obd->undoing)
		elm327_probe_reply(&obd->can, (enum elm327_capability)obd->step, reply);
	obd->step++;
	probe_step(obd);
}
