/* Opening and closing; one request after the other, and its reply. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define REOPEN_MAX_US (5 * OBD_SECOND)

/* ---- the timer ---- */

static void on_timer(struct loop_timer *timer)
{
	struct obd *obd = timer->arg;

	/* A bus that is busy with itself will speak for itself. */
	if (obd->phase == OBD_PHASE_CLOSED || obd->bus->ops->idle(obd->bus))
		obd->later(obd);
}

/* Without memory there is no timer; the next event of the bus sets one again. */
int obd_wait(struct obd *obd, int64_t us, void (*later)(struct obd *obd))
{
	obd->later = later;
	return loop_timer_set(obd->source.env->loop, &obd->timer, us, on_timer, obd);
}

/* ---- opening and closing ---- */

static void say_trouble(struct obd *obd, int error)
{
	const struct obd_trouble *trouble = obd_trouble(obd->source.config->device, error);

	obd_set_state(obd, error == -ETIMEDOUT ? SOURCE_SILENT : SOURCE_ERROR, trouble->reason,
		      trouble->detail);
}

void obd_forget_way(struct obd *obd)
{
	obd->phase = OBD_PHASE_CLOSED;
	obd->connected = false;
	obd->fresh = true;
	obd->by_everybody = false;
	obd->by_detect = false;
	obd->detected = false;
	obd->answered = false;
	obd->report.vin[0] = '\0';
}

/* Tries again later, longer each time. */
static void closed(struct obd *obd, int error)
{
	obd_forget_way(obd);
	say_trouble(obd, error);
	(void)obd_wait(obd, obd->reopen_us, obd_open);
	obd->reopen_us += obd->reopen_us / 2;
	if (obd->reopen_us > REOPEN_MAX_US)
		obd->reopen_us = REOPEN_MAX_US;
}

void obd_open(struct obd *obd)
{
	int r;

	obd->phase = OBD_PHASE_OWN;
	r = obd->bus->ops->open(obd->bus);
	if (r)
		closed(obd, r);
}

/* ---- asking ---- */

int obd_way(const struct obd *obd, const struct diag_target *target)
{
	return obd->bus->ops->way(obd->bus, target);
}

const char *obd_way_problem(const struct obd *obd, int error)
{
	return obd->bus->ops->problem(error);
}

int obd_ask(struct obd *obd, enum obd_phase phase, const struct diag_target *target,
	    const uint8_t *bytes, size_t len, int64_t timeout_us)
{
	struct obd_request request = {
		.target = *target,
		.timeout_us = timeout_us,
		.patient = phase == OBD_PHASE_ITEM && obd->joined_count == 0,
	};
	const int r = obd_way(obd, target);

	if (r < 0)
		return r;
	request.len = (uint8_t)(len < sizeof(request.bytes) ? len : sizeof(request.bytes));
	memcpy(request.bytes, bytes, request.len);
	obd->request = request;
	obd->phase = phase;
	loop_timer_cancel(&obd->timer);
	return obd->bus->ops->ask(obd->bus, &obd->request);
}

void obd_ask_again(struct obd *obd)
{
	loop_timer_cancel(&obd->timer);
	obd->bus->ops->again(obd->bus);
}

/* ---- what the bus says ---- */

static void (*const on_replies[OBD_PHASE_COUNT])(struct obd *obd, const struct obd_reply *reply) = {
	[OBD_PHASE_SEARCH] = obd_on_search_reply,   [OBD_PHASE_DETECT] = obd_on_detect_reply,
	[OBD_PHASE_SUPPORT] = obd_on_support_reply, [OBD_PHASE_VIN] = obd_on_vin_reply,
	[OBD_PHASE_ITEM] = obd_on_item_reply,       [OBD_PHASE_INQUIRY] = obd_on_inquiry_reply,
};

static void on_reply(void *arg, const struct obd_reply *reply)
{
	struct obd *obd = arg;

	if (!obd_mend(obd, reply) && on_replies[obd->phase])
		on_replies[obd->phase](obd, reply);
}

static void on_ready(void *arg)
{
	obd_go_on_discovering(arg);
}

static void on_anew(void *arg)
{
	struct obd *obd = arg;

	loop_timer_cancel(&obd->timer);
	obd->phase = OBD_PHASE_OWN;
	obd->connected = false;
	obd->found = false;
	obd->vin_late = false;
	obd->garbage = 0;
}

static void on_idle(void *arg)
{
	obd_next(arg);
}

static void on_protocol(void *arg, const char *name, unsigned bit_rate)
{
	struct obd *obd = arg;

	(void)snprintf(obd->report.protocol, sizeof(obd->report.protocol), "%s", name);
	rhythm_set_bit_rate(obd->rhythm, bit_rate);
}

static void on_ignition(void *arg, bool on)
{
	struct obd *obd = arg;

	rhythm_ignition(obd->rhythm, on, obd_now_us(obd));
}

static void on_measured(void *arg, bool known, double volts)
{
	obd_measured(arg, known, volts);
}

static void on_stirred(void *arg, bool woke)
{
	obd_stirred(arg, woke);
}

static void on_state(void *arg, enum source_state state, const char *reason, const char *detail)
{
	obd_set_state(arg, state, reason, detail);
}

static void on_lost(void *arg, int error)
{
	struct obd *obd = arg;

	if (obd->running)
		closed(obd, error);
}

const struct obd_bus_events obd_bus_events = {
	.ready = on_ready,
	.reply = on_reply,
	.anew = on_anew,
	.idle = on_idle,
	.protocol = on_protocol,
	.ignition = on_ignition,
	.measured = on_measured,
	.stirred = on_stirred,
	.state = on_state,
	.lost = on_lost,
};
