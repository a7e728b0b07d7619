/* A bus that tells without being asked whether the vehicle sleeps: while it is left alone it is listened
 * to. */
#include "agent/source/obd_priv.h"

#define TELL_US (60 * OBD_SECOND) /* that it still sleeps */
#define WAKING_US OBD_SECOND /* control units need a moment from their first frame to an answer */
#define STIR_MIN_US (5 * OBD_SECOND)
#define STIR_MAX_US (1800 * OBD_SECOND)

static bool may_listen(const struct obd *obd)
{
	return obd->bus->ops->rest && rhythm_rest(obd->rhythm) != RHYTHM_AWAKE;
}

bool obd_is_quiet(const struct obd *obd)
{
	return may_listen(obd) && obd->bus->ops->quiet(obd->bus);
}

bool obd_listen(struct obd *obd, int64_t *until_us)
{
	const int64_t now = obd_now_us(obd);

	if (!may_listen(obd))
		return false;
	obd->bus->ops->rest(obd->bus);
	if (*until_us > now + OBD_BUS_PAUSE_US && obd->connected)
		*until_us = now + OBD_BUS_PAUSE_US; /* it may fall silent any time */
	else if (*until_us > now + TELL_US)
		*until_us = now + TELL_US;
	if (!obd_is_quiet(obd))
		return false;
	if (obd->connected) {
		obd_fall_asleep(obd, 0);
		return true;
	}
	if (now < obd->quiet_due_us)
		return false;
	obd->quiet_due_us = now + TELL_US;
	obd_tell_silent_vehicle(obd);
	return false;
}

void obd_wait_for_stir(struct obd *obd)
{
	obd->stir_wait_us = obd->stir_wait_us ? 2 * obd->stir_wait_us : STIR_MIN_US;
	if (obd->stir_wait_us > STIR_MAX_US)
		obd->stir_wait_us = STIR_MAX_US;
	obd->stir_due_us = obd_now_us(obd) + obd->stir_wait_us;
}

/* A vehicle that is off and whose bus is on its way to sleep is not held up. */
void obd_stirred(struct obd *obd, bool woke)
{
	const enum rhythm_rest rest = rhythm_rest(obd->rhythm);

	if (rest == RHYTHM_AWAKE || !obd->bus->ops->idle(obd->bus))
		return;
	if (woke || (rest == RHYTHM_REST_SILENT && obd_now_us(obd) >= obd->stir_due_us))
		(void)obd_wait(obd, WAKING_US, obd_start_search);
}
