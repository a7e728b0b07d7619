/* What is done about each error text of an adapter. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define BUS_ERRORS_CLOSE 3 /* in a row, then ATPC and ATSP */
#define BUS_ERRORS_RESET 6 /* then ATZ */
#define BUS_ERRORS_REST 18 /* then the vehicle is left alone like one that sleeps */
#define GARBAGE_MAX 3      /* unusable replies in a row, then resynchronise by a new start */
#define REPEATS_MAX 1      /* of a request that was interrupted or garbled */
#define INTERNAL_MAX 2     /* ERRxx without a value in between, then it is reported */
#define RESETS_MAX 3       /* of the adapter without a value in between, the same */

bool obd_too_much_garbage(struct obd *obd)
{
	if (obd->garbage < GARBAGE_MAX)
		return false;
	obd_start_setup(obd);
	return true;
}

/* ---- the bus ---- */

/* Headers that were set are for the bus that is left: then the set-up does it. */
static void close_bus(struct obd *obd)
{
	if (obd->header_sent)
		obd_start_setup(obd);
	else
		obd_say(obd, OBD_PHASE_BUS_CLOSE, "ATPC");
}

static void go_on(struct obd *obd)
{
	if (obd->connected)
		obd_next(obd);
	else
		obd_start_search(obd);
}

/* Another protocol may be the right one: it is sought again. */
static void forget_protocol(struct obd *obd)
{
	obd->fixed = 0;
	obd->protocol = 0;
}

static void bus_error(struct obd *obd, const struct elm327_reply *reply)
{
	char detail[128];

	obd->bus_errors++;
	if (obd->phase == OBD_PHASE_ITEM)
		obd_item_done(obd, obd->current, RHYTHM_UNANSWERED, obd_frames(reply));
	(void)snprintf(detail, sizeof(detail),
		       "The adapter says %s: check the plug and the vehicle's bus.",
		       elm327_kind_name(reply->kind));
	obd_set_state(obd, SOURCE_ERROR, "bus_error", detail);
	if (obd->bus_errors >= BUS_ERRORS_REST) {
		obd->bus_errors = 0;
		obd_fall_asleep(obd, obd_frames(reply));
	} else if (obd->bus_errors % BUS_ERRORS_RESET == 0) {
		forget_protocol(obd);
		(void)obd_wait(obd, OBD_BUS_PAUSE_US, obd_start_setup);
	} else if (obd->bus_errors % BUS_ERRORS_RESET == BUS_ERRORS_CLOSE) {
		forget_protocol(obd);
		(void)obd_wait(obd, OBD_BUS_PAUSE_US, close_bus);
	} else {
		(void)obd_wait(obd, OBD_BUS_PAUSE_US, go_on);
	}
}

void obd_on_bus_close_reply(struct obd *obd, const struct elm327_reply *reply)
{
	(void)reply;
	obd_say(obd, OBD_PHASE_BUS_OPEN, "ATSP0");
}

void obd_on_bus_open_reply(struct obd *obd, const struct elm327_reply *reply)
{
	(void)reply;
	obd->connected = false;
	obd->found = false;
	obd_start_search(obd);
}

/* ---- the adapter ---- */

static void internal_error(struct obd *obd, const struct elm327_reply *reply)
{
	char detail[128];

	obd->internal_errors++;
	if (obd->internal_errors >= INTERNAL_MAX) {
		(void)snprintf(
			detail, sizeof(detail),
			"The adapter reports an error of its own (%.32s): replace it if this "
			"goes on.",
			reply->text);
		obd_set_state(obd, SOURCE_ERROR, "adapter_error", detail);
		(void)obd_wait(obd, OBD_BUS_PAUSE_US, obd_start_setup);
		return;
	}
	obd_start_setup(obd);
}

/* It has forgotten its settings. */
static void was_reset(struct obd *obd)
{
	if (++obd->resets < RESETS_MAX) {
		obd_start_setup(obd);
		return;
	}
	obd_set_state(obd, SOURCE_ERROR, "adapter_error",
		      "The adapter resets itself again and again: check its power and its plug.");
	(void)obd_wait(obd, OBD_BUS_PAUSE_US, obd_start_setup);
}

bool obd_mend_echo(struct obd *obd, const struct elm327_reply *reply)
{
	if (reply->echoed && obd->echo_off) {
		was_reset(obd);
		return true;
	}
	if (!reply->echoed && reply->kind != ELM327_INCOMPLETE)
		obd->echo_off = true;
	return false;
}

static bool repeat(struct obd *obd)
{
	if (obd->repeats >= REPEATS_MAX)
		return false;
	obd->repeats++;
	obd_repeat(obd);
	return true;
}

/* A vehicle that sleeps gives no acknowledgement: for a look that is no fault. */
static bool is_look(const struct obd *obd)
{
	return obd->asleep && (obd->phase == OBD_PHASE_SEARCH || obd->phase == OBD_PHASE_DETECT);
}

bool obd_mend(struct obd *obd, const struct elm327_reply *reply)
{
	switch (reply->kind) {
	case ELM327_RESET:
		was_reset(obd);
		return true;
	case ELM327_INTERNAL_ERROR:
		internal_error(obd, reply);
		return true;
	case ELM327_CAN_ERROR:
	case ELM327_BUS_BUSY:
	case ELM327_BUS_ERROR:
	case ELM327_FB_ERROR:
	case ELM327_BUS_INIT_ERROR:
		if (is_look(obd))
			obd_fall_asleep(obd, obd_frames(reply));
		else
			bus_error(obd, reply);
		return true;
	case ELM327_UNABLE_TO_CONNECT:
		obd_fall_asleep(obd, obd_frames(reply));
		return true;
	case ELM327_INCOMPLETE:
	case ELM327_STOPPED:
	case ELM327_DATA_ERROR:
	case ELM327_RX_ERROR:
	case ELM327_ALERT:
		return repeat(obd);
	default:
		return false;
	}
}
