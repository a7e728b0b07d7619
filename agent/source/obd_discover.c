/* Who is there: protocol, control units, supported parameters. */
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define SEARCH_TIMEOUT_US (12 * OBD_SECOND) /* the first request searches all protocols */
#define UNUSABLE_MAX 15 /* replies to searches in a row, then the vehicle is looked at seldom */

static const struct elm327_target everybody = {.tx = 0x7df, .id_bits = 11, .functional = true};

/* ---- is anybody there? ---- */

/* Nobody was heard, but that says nothing of the vehicle: it is looked at again as one that sleeps,
 * and not told to. */
static void give_up(struct obd *obd, unsigned frames)
{
	obd->garbage = 0;
	rhythm_looked(obd->rhythm, false, frames, obd_now_us(obd));
	obd_next(obd);
}

static void ask_by_detect(struct obd *obd, unsigned frames)
{
	const struct profile_command *command = obd_plan_question(obd);
	struct elm327_target target;
	int r = 0;

	if (command) {
		target = obd_target(&command->ecu);
		r = obd_ask(obd, OBD_PHASE_DETECT, &target, command->request, command->request_len,
			    SEARCH_TIMEOUT_US);
		obd->detect_problem = r ? obd_way_problem(r) : NULL;
		if (!r)
			return;
	}
	obd->by_detect = false;
	/* Where the adapter cannot ask, silence says something of a vehicle only that has answered. */
	if (!r || obd->by_everybody) {
		obd_fall_asleep(obd, frames);
		return;
	}
	obd_plan_fit(obd); /* says of each command why it is not asked for */
	obd_set_state(obd, SOURCE_SILENT, "source_silent", obd_way_problem(r));
	give_up(obd, frames);
}

/* Electric vehicles often keep silent when everybody is asked, but for what their makers ask. */
void obd_start_search(struct obd *obd)
{
	static const uint8_t request[] = {0x01, 0x00};

	if (!obd->connected) {
		memset(obd->units, 0, sizeof(obd->units));
		obd->unit_count = 0;
		obd->base = 0;
	}
	if (obd->by_detect)
		ask_by_detect(obd, 0);
	else if (obd_ask(obd, OBD_PHASE_SEARCH, &everybody, request, sizeof(request),
			 SEARCH_TIMEOUT_US))
		obd_fall_asleep(obd, 0);
}

bool obd_is_damaged(const struct elm327_reply *reply)
{
	return reply->kind == ELM327_DATA_BAD || reply->kind == ELM327_DATA_PARTIAL ||
	       reply->counts.rejected > 0;
}

/* Every unit has its own bitmaps. */
static void take_support(struct obd *obd, const struct elm327_reply *reply)
{
	const uint8_t *answer;
	uint32_t id;
	size_t len;

	for (size_t i = 0; (answer = elm327_message(reply, i, &id, &len)) != NULL; i++) {
		size_t unit = 0;

		while (unit < obd->unit_count && obd->units[unit].id != id)
			unit++;
		if (unit == OBD_UNITS_MAX ||
		    obd2_decode_support(obd->base, answer, len, &obd->units[unit].support)) {
			obd->report.rejected++;
			continue;
		}
		obd->units[unit].id = id;
		if (unit == obd->unit_count)
			obd->unit_count++;
	}
}

/* Somebody is there. */
static void found(struct obd *obd, const struct elm327_reply *reply)
{
	rhythm_looked(obd->rhythm, true, obd_frames(reply), obd_now_us(obd));
	obd_note_answer(obd);
	if (obd->connected) {
		obd_next(obd);
		return;
	}
	obd->found = true;
	obd->unusable = 0;
	obd_say(obd, OBD_PHASE_PROTOCOL, "ATDPN");
}

/* Lines of a bus before CAN cannot be read before it is known that it is one: then the adapter is asked
 * which bus it found, and everybody again. Who answers what nobody understands must not be kept awake by
 * being asked again and again. */
static void unusable(struct obd *obd, const struct elm327_reply *reply)
{
	obd->garbage++;
	obd_check_silence(obd);
	if (++obd->unusable >= UNUSABLE_MAX) {
		give_up(obd, obd_frames(reply));
		return;
	}
	if (obd_too_much_garbage(obd))
		return;
	if (obd->protocol == 0 && reply->kind == ELM327_DATA_BAD)
		obd_say(obd, OBD_PHASE_PROTOCOL, "ATDPN");
	else
		(void)obd_wait(obd, OBD_BUS_PAUSE_US, obd_start_search);
}

/* A look at a vehicle that sleeps is one request: who has never answered is asked the profile's question
 * the next time. */
static void nobody(struct obd *obd, const struct elm327_reply *reply)
{
	if (obd->asleep && obd_plan_question(obd)) {
		obd->by_detect = !obd->by_everybody;
		obd_fall_asleep(obd, obd_frames(reply));
		return;
	}
	ask_by_detect(obd, obd_frames(reply));
}

void obd_on_search_reply(struct obd *obd, const struct elm327_reply *reply)
{
	const size_t units = obd->unit_count;

	switch (reply->kind) {
	case ELM327_DATA:
	case ELM327_DATA_PARTIAL:
		if (!obd->connected)
			take_support(obd, reply);
		if (!obd->connected && obd_is_damaged(reply) && obd->repeats < OBD_DAMAGED_MAX) {
			obd->repeats++;
			obd_ask_again(obd);
			return;
		}
		if (!obd->connected && obd->unit_count == units) {
			unusable(obd, reply);
			return;
		}
		obd->by_everybody = true;
		found(obd, reply);
		return;
	case ELM327_NEGATIVE:
	case ELM327_PENDING:
		found(obd, reply); /* it refuses, so it is there */
		return;
	case ELM327_NO_DATA:
		nobody(obd, reply);
		return;
	default:
		unusable(obd, reply);
	}
}

void obd_on_detect_reply(struct obd *obd, const struct elm327_reply *reply)
{
	switch (reply->kind) {
	case ELM327_DATA:
	case ELM327_DATA_PARTIAL:
	case ELM327_NEGATIVE:
	case ELM327_PENDING:
		obd->by_detect = true;
		obd->detected = true;
		found(obd, reply);
		return;
	case ELM327_NO_DATA:
	case ELM327_UNSUPPORTED:
		/* Who has answered everybody's question is asked that; nobody knows: in turns. */
		obd->by_detect = obd->by_detect && !obd->by_everybody && obd->detected;
		obd_fall_asleep(obd, obd_frames(reply));
		return;
	default:
		unusable(obd, reply);
	}
}

/* ---- the protocol ---- */

static unsigned bit_rate_of(uint8_t protocol)
{
	static const unsigned rates[] = {0,      41600,  10400,  10400,  10400, 10400, 500000,
					 500000, 250000, 250000, 250000, 0,     0};

	return protocol < sizeof(rates) / sizeof(rates[0]) ? rates[protocol] : 0;
}

static void take_protocol(struct obd *obd, const char *text)
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
	(void)snprintf(obd->report.protocol, sizeof(obd->report.protocol), "%s", names[protocol]);
	obd->protocol = protocol;
	rhythm_set_bit_rate(obd->rhythm, bit_rate_of(protocol));
}

/* Once found, a CAN protocol is fixed: a look at a vehicle that sleeps is one frame then, not a search
 * through all protocols. */
void obd_on_protocol_reply(struct obd *obd, const struct elm327_reply *reply)
{
	char command[8];

	if (reply->request_len == 0 && strcmp(reply->sent, "ATDPN") == 0) {
		if (reply->kind == ELM327_OK)
			take_protocol(obd, reply->text);
		if (obd_is_can(obd) && obd->fixed != obd->protocol) {
			(void)snprintf(command, sizeof(command), "ATSP%X", obd->protocol);
			obd_say(obd, OBD_PHASE_PROTOCOL, command);
			return;
		}
	} else if (reply->kind == ELM327_OK) {
		obd->fixed = obd->protocol;
	}
	obd_start_probe(obd);
}

/* ---- what is supported ---- */

static int next_base(const struct obd *obd)
{
	int next = -1;

	for (size_t i = 0; i < obd->unit_count; i++) {
		const int of_unit = obd2_support_next(&obd->units[i].support, obd->base);

		if (of_unit >= 0 && (next < 0 || of_unit < next))
			next = of_unit;
	}
	return next;
}

static void ask_support(struct obd *obd)
{
	const int next = next_base(obd);
	const uint8_t request[] = {0x01, (uint8_t)next};

	if (next >= 0 && obd_plan_wants_support(obd, (uint8_t)next)) {
		obd->base = (uint8_t)next;
		if (!obd_ask(obd, OBD_PHASE_SUPPORT, &everybody, request, sizeof(request),
			     obd->source.config->timeout_us))
			return;
	}
	obd_start_vin(obd);
}

/* An adapter that was just opened may be at another vehicle; but one with a loose contact must not
 * keep a vehicle awake. */
static bool may_look(const struct obd *obd)
{
	struct rhythm_stats stats;

	rhythm_stats(obd->rhythm, obd_now_us(obd), &stats);
	return !obd->asleep ||
	       (obd->fresh && stats.looks_today < obd->source.config->rhythm.wake_budget);
}

void obd_go_on_discovering(struct obd *obd)
{
	if (obd->found)
		ask_support(obd);
	else if (may_look(obd))
		obd_start_search(obd);
	else
		obd_next(obd);
}

/* A unit whose list is lost has nothing of what it could be asked for. */
void obd_on_support_reply(struct obd *obd, const struct elm327_reply *reply)
{
	take_support(obd, reply);
	if (obd_is_damaged(reply) && obd->repeats < OBD_DAMAGED_MAX) {
		obd->repeats++;
		obd_ask_again(obd);
	} else {
		ask_support(obd);
	}
}

void obd_end_discovery(struct obd *obd)
{
	size_t asked = 0;

	obd_plan_fit(obd);
	for (size_t i = 0; i < obd->item_count; i++) {
		obd->items[i].tried = false;
		asked += !obd->items[i].barred;
	}
	obd->report.ecus = (unsigned)obd->unit_count + (obd->unit_count == 0);
	obd->report.values = (unsigned)asked;
	obd->connected = true;
	obd->asleep = false;
	obd->fresh = false;
	obd->whole_due = true;
	obd->several = OBD_SEVERAL_UNTRIED;
	obd->several_failures = 0;
	obd->vin_wait_us = OBD_VIN_WAIT_US;
	obd->vin_due_us = obd_now_us(obd) + obd->vin_wait_us;
	rhythm_connected(obd->rhythm, obd_now_us(obd));
	/* Only a value makes a source ok. */
	if (asked == 0)
		obd_set_state(obd, SOURCE_SILENT, "source_silent",
			      "The vehicle has nothing of what the profile and the configuration "
			      "ask for.");
	else if (obd->report.state != SOURCE_SILENT && !obd->resets && !obd->internal_errors)
		obd_set_state(obd, SOURCE_SILENT, obd_starting, "The vehicle was found.");
	obd_next(obd);
}
