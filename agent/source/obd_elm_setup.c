/* The adapter: its settings, what it can do. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_elm_priv.h"

#define FAILURES_MAX 6
#define UNDO_FAILURES_MAX 3
#define PAUSE_US (ELM_SECOND / 2)
#define LONG_PAUSE_US (5 * ELM_SECOND)
#define ANY_BUS 1 /* what is worth asking for on J1850 is worth asking for before a bus is known */

/* The set-up of an adapter, in order; ATSP and a protocol follow. Every command but the first must
 * answer OK; '?' is noted and passed over. ATM0: its EEPROM is not worn; ATST96: it waits 614 ms for
 * an answer; ATFE: events of a low-voltage reset are forgotten. */
static const char *const commands[] = {
	"ATZ", "ATE0", "ATL0", "ATS0", "ATH1", "ATCAF1", "ATAL", "ATM0", "ATAT1", "ATST96", "ATFE",
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void send_step(struct obd_elm *elm)
{
	char protocol[8];

	if (elm->step < COMMAND_COUNT) {
		elm_say(elm, ELM_PHASE_SETUP, commands[elm->step]);
		return;
	}
	(void)snprintf(protocol, sizeof(protocol), "ATSP%X", elm->fixed);
	elm_say(elm, ELM_PHASE_SETUP, protocol);
}

void elm_start_setup(struct obd_elm *elm)
{
	elm->has_target = false;
	elm->header_sent = false;
	elm->echo_off = false;
	elm->patient = false;
	elm->failures = 0;
	elm->step = 0;
	elm->inits++;
	(void)snprintf(elm->can.version, sizeof(elm->can.version), "%s", elm->link.adapter);
	elm->bus.events->anew(elm->bus.arg);
	send_step(elm);
}

/* A lost prompt or a reset starts over. */
static void start_over(struct obd_elm *elm)
{
	elm->failures++;
	elm->step = 0;
	if (elm->failures < FAILURES_MAX) {
		elm_wait(elm, PAUSE_US, send_step);
		return;
	}
	elm->failures = 0;
	elm->bus.events->state(elm->bus.arg, SOURCE_SILENT, "source_silent",
			       "The adapter cannot be set up: its replies make no sense.");
	elm_wait(elm, LONG_PAUSE_US, send_step);
}

void elm_on_setup_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	/* A clone without a command goes on without it, but for the reset: behind it all is known. */
	if (reply->kind != ELM327_OK && (reply->kind != ELM327_UNSUPPORTED || elm->step == 0)) {
		start_over(elm);
		return;
	}
	if (elm->step++ < COMMAND_COUNT) {
		send_step(elm);
		return;
	}
	elm->failures = 0;
	/* A bus that the profile knows is known from here on: the way to its own question, where nobody
	 * answers 0100, may need what is probed for that bus. */
	if (reply->kind == ELM327_OK)
		elm->bus.protocol = elm->fixed;
	elm_start_probe(elm);
}

/* ---- what it can do ---- */

static bool is_probed(const struct obd_elm *elm, enum elm327_capability capability)
{
	return (elm->can.probed & UINT32_C(1) << capability) != 0;
}

/* Before the bus is known only what belongs to no bus. */
static bool is_wanted(const struct obd_elm *elm, enum elm327_capability capability)
{
	/* Trying a filter that cannot be taken away again would deafen the adapter. */
	if (capability == ELM327_CAN_RECEIVE_FILTER &&
	    !elm327_can(&elm->can, ELM327_CAN_FILTER_RESET) &&
	    !elm327_can(&elm->can, ELM327_CAN_AUTO_RECEIVE))
		return false;
	return elm327_probe_applies(capability, elm->bus.protocol ? elm->bus.protocol : ANY_BUS) &&
	       !is_probed(elm, capability);
}

static void list_missing(struct obd_elm *elm)
{
	char *out = elm->missing;
	size_t len = 0;

	out[0] = '\0';
	for (int i = 0; i < ELM327_CAPABILITY_COUNT; i++) {
		const enum elm327_capability capability = (enum elm327_capability)i;

		if (!is_probed(elm, capability) || elm327_can(&elm->can, capability))
			continue;
		len += (size_t)snprintf(out + len, sizeof(elm->missing) - len, "%s%s",
					len ? " " : "", elm327_capability_name(capability));
		if (len >= sizeof(elm->missing))
			return;
	}
}

static void end_probe(struct obd_elm *elm)
{
	list_missing(elm);
	(void)snprintf(elm->chip, sizeof(elm->chip), "%s", elm->can.chip);
	elm->bus.events->ready(elm->bus.arg);
}

/* Back to the state after the set-up; the header may be that of the profile's own question. */
static void begin_undo(struct obd_elm *elm)
{
	struct elm327_switch *undo = &elm->undo;

	elm327_probe_undo(&elm->can, elm->bus.protocol, undo);
	if (obd_bus_is_can(&elm->bus) && elm->header_sent && undo->count < ELM327_SWITCH_MAX)
		(void)snprintf(undo->commands[undo->count++], sizeof(undo->commands[0]), "%s",
			       obd_bus_is_long(&elm->bus) ? "ATSHDB33F1" : "ATSH7DF");
	for (size_t i = 0; i < undo->count; i++)
		elm->header_sent = elm->header_sent || !strncmp(undo->commands[i], "ATSH", 4);
	elm->undoing = true;
	elm->has_target = false;
	elm->step = 0;
}

/* The next question from elm->step on; after the last what leads back from them. */
static void probe_step(struct obd_elm *elm)
{
	while (!elm->undoing && elm->step < ELM327_CAPABILITY_COUNT &&
	       !is_wanted(elm, (enum elm327_capability)elm->step))
		elm->step++;
	if (!elm->undoing && elm->step < ELM327_CAPABILITY_COUNT) {
		elm->undo_owed = elm->undo_owed || elm->bus.protocol != 0;
		elm_say(elm, ELM_PHASE_PROBE,
			elm327_probe_command((enum elm327_capability)elm->step));
		return;
	}
	if (!elm->undoing && elm->undo_owed)
		begin_undo(elm);
	if (elm->undoing && elm->step < elm->undo.count)
		elm_say(elm, ELM_PHASE_PROBE, elm->undo.commands[elm->step]);
	else
		end_probe(elm);
}

void elm_start_probe(struct obd_elm *elm)
{
	elm->undoing = false;
	elm->undo_owed = false;
	elm->step = 0;
	probe_step(elm);
}

void elm_on_probe_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	if (!elm->undoing)
		elm327_probe_reply(&elm->can, (enum elm327_capability)elm->step, reply);
	/* A filter that stayed would hide all units but one: a reset takes it away, too. */
	else if (reply->kind != ELM327_OK && elm->undo_failures < UNDO_FAILURES_MAX) {
		elm->undo_failures++;
		elm_start_setup(elm);
		return;
	}
	elm->step++;
	probe_step(elm);
}
