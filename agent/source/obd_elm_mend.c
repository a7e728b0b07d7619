/* What is done about each error text of an adapter. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_elm_priv.h"

#define BUS_ERRORS_CLOSE 3 /* in a row, then ATPC and ATSP */
#define BUS_ERRORS_RESET 6 /* then ATZ */
#define REPEATS_MAX 1      /* of a request that was interrupted or garbled */
#define INTERNAL_MAX 2     /* ERRxx without a value in between, then it is reported */
#define RESETS_MAX 3       /* of the adapter without a value in between, the same */
#define TROUBLES_MAX 5     /* after which the pause grows no more */
#define TROUBLE_PAUSE_MAX_US (60 * ELM_SECOND)

/* ---- the bus ---- */

/* Headers that were set are for the bus that is left: then the set-up does it. */
static void close_bus(struct obd_elm *elm)
{
	if (elm->header_sent)
		elm_start_setup(elm);
	else
		elm_say(elm, ELM_PHASE_BUS_CLOSE, "ATPC");
}

/* Another protocol may be the right one: it is sought again. */
static void forget_protocol(struct obd_elm *elm)
{
	elm->fixed = 0;
	elm->bus.protocol = 0;
}

bool elm_recover(struct obd_elm *elm, int errors)
{
	if (errors % BUS_ERRORS_RESET == 0)
		elm_wait(elm, ELM_BUS_PAUSE_US, elm_start_setup);
	else if (errors % BUS_ERRORS_RESET == BUS_ERRORS_CLOSE)
		elm_wait(elm, ELM_BUS_PAUSE_US, close_bus);
	else
		return false;
	forget_protocol(elm);
	return true;
}

void elm_on_bus_close_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	(void)reply;
	elm_say(elm, ELM_PHASE_BUS_OPEN, "ATSP0");
}

void elm_on_bus_open_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	(void)reply;
	elm->bus.events->anew(elm->bus.arg);
	elm->bus.events->ready(elm->bus.arg);
}

/* ---- the adapter ---- */

/* Twice as long from time to time: each new try is a request to a vehicle that may want to sleep. */
static int64_t pause_after(int troubles)
{
	const int64_t pause = ELM_BUS_PAUSE_US
			      << (troubles < TROUBLES_MAX ? troubles : TROUBLES_MAX);

	return pause < TROUBLE_PAUSE_MAX_US ? pause : TROUBLE_PAUSE_MAX_US;
}

static void internal_error(struct obd_elm *elm, const struct elm327_reply *reply)
{
	char detail[128];

	elm->bus.internal_errors++;
	if (elm->bus.internal_errors < INTERNAL_MAX) {
		elm_start_setup(elm);
		return;
	}
	(void)snprintf(detail, sizeof(detail),
		       "The adapter reports an error of its own (%.32s): replace it if this "
		       "goes on.",
		       reply->text);
	elm->bus.events->state(elm->bus.arg, SOURCE_ERROR, "adapter_error", detail);
	elm_wait(elm, pause_after(elm->bus.internal_errors - INTERNAL_MAX), elm_start_setup);
}

/* It has forgotten its settings. */
static void was_reset(struct obd_elm *elm)
{
	if (++elm->bus.resets < RESETS_MAX) {
		elm_start_setup(elm);
		return;
	}
	elm->bus.events->state(
		elm->bus.arg, SOURCE_ERROR, "adapter_error",
		"The adapter resets itself again and again: check its power and its plug.");
	elm_wait(elm, pause_after(elm->bus.resets - RESETS_MAX), elm_start_setup);
}

bool elm_mend_echo(struct obd_elm *elm, const struct elm327_reply *reply)
{
	if (reply->echoed && elm->echo_off) {
		was_reset(elm);
		return true;
	}
	if (!reply->echoed && reply->kind != ELM327_INCOMPLETE)
		elm->echo_off = true;
	return false;
}

static bool repeat(struct obd_elm *elm)
{
	if (elm->bus.repeats >= REPEATS_MAX)
		return false;
	elm->bus.repeats++;
	elm_send_again(elm);
	return true;
}

bool elm_mend(struct obd_elm *elm, const struct elm327_reply *reply)
{
	switch (reply->kind) {
	case ELM327_RESET:
		was_reset(elm);
		return true;
	case ELM327_INTERNAL_ERROR:
		internal_error(elm, reply);
		return true;
	case ELM327_CAN_ERROR:
	case ELM327_BUS_BUSY:
	case ELM327_BUS_ERROR:
	case ELM327_FB_ERROR:
	case ELM327_BUS_INIT_ERROR:
	case ELM327_UNABLE_TO_CONNECT:
		elm_tell(elm, reply);
		return true;
	case ELM327_INCOMPLETE:
	case ELM327_STOPPED:
	case ELM327_DATA_ERROR:
	case ELM327_RX_ERROR:
	case ELM327_ALERT:
		return repeat(elm);
	default:
		return false;
	}
}
