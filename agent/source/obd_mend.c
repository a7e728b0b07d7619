/* A bus that fails, replies that make no sense. */
#include "agent/source/obd_priv.h"

#define BUS_ERRORS_REST 18 /* in a row, then the vehicle is left alone like one that sleeps */
#define GARBAGE_MAX 3      /* unusable replies in a row, then resynchronise by a new start */

bool obd_too_much_garbage(struct obd *obd)
{
	if (obd->garbage < GARBAGE_MAX)
		return false;
	obd->phase = OBD_PHASE_OWN;
	obd->bus->ops->restart(obd->bus);
	return true;
}

static void go_on(struct obd *obd)
{
	if (obd->connected)
		obd_next(obd);
	else
		obd_start_search(obd);
}

static void bus_error(struct obd *obd, const struct obd_reply *reply)
{
	obd->bus_errors++;
	if (obd->phase == OBD_PHASE_ITEM)
		obd_item_done(obd, obd->current, RHYTHM_UNANSWERED, reply->frames);
	obd_set_state(obd, SOURCE_ERROR, obd_bus_error, reply->trouble);
	obd->phase = OBD_PHASE_OWN;
	if (obd->bus_errors >= BUS_ERRORS_REST) {
		obd->bus_errors = 0;
		obd_fall_asleep(obd, reply->frames);
	} else if (!obd->bus->ops->recover(obd->bus, obd->bus_errors)) {
		(void)obd_wait(obd, OBD_BUS_PAUSE_US, go_on);
	}
}

/* A vehicle that sleeps gives no acknowledgement: for a look that is no fault. */
static bool is_look(const struct obd *obd)
{
	return obd->asleep && (obd->phase == OBD_PHASE_SEARCH || obd->phase == OBD_PHASE_DETECT);
}

bool obd_mend(struct obd *obd, const struct obd_reply *reply)
{
	if (reply->kind == OBD_REPLY_NOBODY || (reply->kind == OBD_REPLY_BUS_ERROR && is_look(obd)))
		obd_fall_asleep(obd, reply->frames);
	else if (reply->kind == OBD_REPLY_BUS_ERROR)
		bus_error(obd, reply);
	else
		return false;
	return true;
}
