#include <string.h>

#include "agent/source/obd_priv.h"

#define BACKOFF_MAX_US (300 * OBD_SECOND)
#define NO_DATA_MAX 4 /* unanswered requests in a row, then look whether anybody is there */

/* What is asked for where the configuration does not say; slow values less often. */
static const struct {
	uint8_t pid;
	uint8_t every; /* times the source's period */
} defaults[] = {
	{OBD2_SPEED, 1},          {OBD2_ENGINE_RPM, 1},    {OBD2_HYBRID_BATTERY, 5},
	{OBD2_MODULE_VOLTAGE, 5}, {OBD2_FUEL_LEVEL, 10},   {OBD2_COOLANT_TEMP, 10},
	{OBD2_ODOMETER, 30},      {OBD2_AMBIENT_TEMP, 30},
};

/* ---- the plan ---- */

static void add_poll(struct obd *obd, uint8_t pid, int64_t period_us)
{
	struct obd_poll *poll;

	if (obd->poll_count == OBD_WANTS_MAX)
		return;
	poll = &obd->polls[obd->poll_count++];
	*poll = (struct obd_poll){.pid = pid, .period_us = period_us, .due_us = obd_now_us(obd)};
}

static int64_t default_period(const struct obd *obd, uint8_t pid)
{
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (defaults[i].pid == pid)
			return defaults[i].every * obd->source.config->period_us;
	return obd->source.config->period_us;
}

/* What is configured is asked for whatever the bitmaps say: they have been seen to lie. */
void obd_plan_polls(struct obd *obd)
{
	obd->poll_count = 0;
	for (int i = 0; i < obd->want_count; i++)
		add_poll(obd, obd->wants[i].pid,
			 obd->wants[i].period_us ? obd->wants[i].period_us
						 : default_period(obd, obd->wants[i].pid));
	for (size_t i = 0; !obd->want_count && i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (obd2_supports(&obd->support, defaults[i].pid))
			add_poll(obd, defaults[i].pid, default_period(obd, defaults[i].pid));
	obd->report.values = (unsigned)obd->poll_count;
}

/* ---- the rhythm ---- */

static struct obd_poll *due_poll(struct obd *obd)
{
	struct obd_poll *first = NULL;

	for (size_t i = 0; i < obd->poll_count; i++)
		if (!first || obd->polls[i].due_us < first->due_us)
			first = &obd->polls[i];
	return first;
}

void obd_next_poll(struct obd *obd)
{
	const struct obd_poll *poll = due_poll(obd);
	const int64_t now = obd_now_us(obd);

	obd->phase = OBD_PHASE_POLL;
	if (!poll) {
		obd_wait_us(obd, 60 * OBD_SECOND);
		return;
	}
	if (poll->due_us > now) {
		obd_wait_us(obd, poll->due_us - now);
		return;
	}
	obd->current = (size_t)(poll - obd->polls);
	obd_enter(obd, OBD_PHASE_POLL);
}

/* Keeps the rhythm; what was missed is not made up for. */
static void schedule(struct obd *obd, struct obd_poll *poll)
{
	const int64_t now = obd_now_us(obd);

	poll->tried = true;
	poll->due_us += poll->period_us;
	if (poll->due_us <= now)
		poll->due_us = now + (poll->period_us - (now - poll->due_us) % poll->period_us);
	if (poll->due_us < now + poll->backoff_us)
		poll->due_us = now + poll->backoff_us;
}

static void back_off(struct obd_poll *poll)
{
	poll->backoff_us = poll->backoff_us ? poll->backoff_us * 2 : poll->period_us * 2;
	if (poll->backoff_us > BACKOFF_MAX_US)
		poll->backoff_us = BACKOFF_MAX_US;
}

/* The first round after a connect is over when every parameter was asked for once: then what is
 * known is stated whole. */
bool obd_round_is_over(struct obd *obd)
{
	if (!obd->whole_due)
		return false;
	for (size_t i = 0; i < obd->poll_count; i++)
		if (!obd->polls[i].tried)
			return false;
	obd->whole_due = false;
	return true;
}

/* ---- the answers ---- */

/* Where several ECUs answer, the one with the smallest id: the engine's is 7E8. */
static void take_value(struct obd *obd, struct obd_poll *poll, const struct elm327_reply *reply)
{
	const uint8_t *answer;
	uint32_t best_id = 0;
	bool found = false;
	double value = 0;
	uint32_t id;
	size_t len;

	for (size_t i = 0; (answer = elm327_message(reply, i, &id, &len)) != NULL; i++) {
		if (found && id >= best_id)
			continue;
		if (obd2_decode(poll->pid, answer, len, &value)) {
			obd->report.rejected++;
			continue;
		}
		found = true;
		best_id = id;
	}
	if (!found) {
		obd->garbage++;
		return;
	}
	poll->tried = true;
	poll->backoff_us = 0;
	obd->report.answers++;
	obd_set_ok(obd);
	obd_tell_value(obd, poll->pid, value);
}

void obd_on_poll_reply(struct obd *obd, const struct elm327_reply *reply)
{
	struct obd_poll *poll = &obd->polls[obd->current];

	if (elm327_has_data(reply->kind)) {
		take_value(obd, poll, reply);
	} else if (reply->kind == ELM327_NO_DATA || reply->kind == ELM327_NEGATIVE ||
		   reply->kind == ELM327_UNSUPPORTED || reply->kind == ELM327_PENDING) {
		obd->no_data += reply->kind == ELM327_NO_DATA;
		back_off(poll);
	} else {
		obd->garbage++;
	}
	if (!obd->running || obd->link.state == ELM_LINK_CLOSED)
		return;
	schedule(obd, poll);
	obd_check_silence(obd);
	if (obd_too_much_garbage(obd))
		return;
	if (obd->no_data >= NO_DATA_MAX) {
		/* Is it this parameter, or is nobody there any more? */
		obd->no_data = 0;
		obd_start_search(obd);
		return;
	}
	obd_next_poll(obd);
}
