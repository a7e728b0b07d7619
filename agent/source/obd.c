#include "agent/source/obd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "agent/source/elm_link.h"
#include "provider/obd/obd.h"

#define SECOND INT64_C(1000000)
#define REOPEN_MIN_US (SECOND / 2) /* a dongle that is plugged in again is soon found */
#define REOPEN_MAX_US (5 * SECOND)
#define RESET_TIMEOUT_US (2 * SECOND)
#define SEARCH_TIMEOUT_US (12 * SECOND) /* the first request searches all protocols */
#define BUS_PAUSE_US (2 * SECOND)
#define BUS_ERRORS_CLOSE 3 /* then ATPC, ATSP */
#define BUS_ERRORS_RESET 6 /* then ATZ */
#define BACKOFF_MAX_US (300 * SECOND)
#define GARBAGE_MAX 3 /* unusable replies in a row, then resynchronise by a new start */
#define NO_DATA_MAX 4 /* unanswered requests in a row, then look whether anybody is there */
#define SILENT_MIN_US (10 * SECOND)
#define REPEATS_MAX 1 /* of a request that was interrupted or garbled */

/* The set-up of an adapter, in order. Every command but the first must answer OK; '?' is noted and
 * passed over. ATM0: its EEPROM is not worn; ATST96: 614 ms; ATFE: events of
 * a low-voltage reset are forgotten; ATSP0: find the protocol. */
static const char *const init_commands[] = {
	"ATZ",  "ATE0", "ATL0",  "ATS0",   "ATH1", "ATCAF1",
	"ATAL", "ATM0", "ATAT1", "ATST96", "ATFE", "ATSP0",
};
#define INIT_COUNT (sizeof(init_commands) / sizeof(init_commands[0]))

/* What is asked for where the configuration does not say; slow values less often. */
static const struct {
	uint8_t pid;
	uint8_t every; /* times the source's period */
} defaults[] = {
	{OBD2_SPEED, 1},          {OBD2_ENGINE_RPM, 1},    {OBD2_HYBRID_BATTERY, 5},
	{OBD2_MODULE_VOLTAGE, 5}, {OBD2_FUEL_LEVEL, 10},   {OBD2_COOLANT_TEMP, 10},
	{OBD2_ODOMETER, 30},      {OBD2_AMBIENT_TEMP, 30},
};

enum phase {
	PHASE_CLOSED,    /* no device; the timer opens it again */
	PHASE_OPENING,   /* the link brings the adapter into step */
	PHASE_INIT,      /* init_commands[step] */
	PHASE_SEARCH,    /* 0100 */
	PHASE_PROTOCOL,  /* ATDPN */
	PHASE_SUPPORT,   /* 0120, 0140 ... */
	PHASE_VIN,       /* 0902 */
	PHASE_POLL,      /* polls[current] */
	PHASE_BUS_CLOSE, /* ATPC */
	PHASE_BUS_OPEN,  /* ATSP0 */
};

struct poll {
	uint8_t pid;
	bool tried; /* since the connect */
	int64_t period_us;
	int64_t backoff_us; /* 0: none; else what is waited after the last failure */
	int64_t due_us;
};

struct obd {
	struct source source;
	struct elm_link link;
	struct loop_timer timer; /* reopen, next poll, pause, sleep */
	enum phase phase;
	size_t step;
	uint8_t base; /* of the bitmap that was asked for */
	struct elm327_config functional;
	struct obd2_support support;
	struct obd_want wants[OBD_WANTS_MAX];
	int want_count; /* 0: by default */
	struct poll polls[OBD_WANTS_MAX];
	size_t poll_count;
	size_t current;
	bool connected; /* discovery is done; records may be whole */
	bool whole_due; /* the first full round is not over yet */
	bool asleep;
	bool running;
	int repeats;
	int bus_errors, garbage, no_data;
	int64_t reopen_us;
	struct obd_evidence evidence;
	struct source_report report;
	struct model_update update;
	struct model_update_room room;
};

static void next_poll(struct obd *obd);
static void start_init(struct obd *obd);

static int64_t now_us(const struct obd *obd)
{
	return loop_now_us(obd->source.env->loop);
}

/* ---- reporting ---- */

static const char starting[] = "starting";

static void set_state(struct obd *obd, enum source_state state, const char *reason,
		      const char *detail)
{
	struct source_report *report = &obd->report;
	const bool other = report->state != state || strcmp(report->reason, reason) != 0;

	(void)snprintf(report->detail, sizeof(report->detail), "%s", detail);
	if (!other)
		return;
	report->state = state;
	report->reason = reason;
	report->since_us = now_us(obd);
	obd->source.env->changed(obd->source.env->arg, &obd->source);
}

static void set_ok(struct obd *obd)
{
	obd->report.last_ok_us = now_us(obd);
	obd->garbage = 0;
	obd->bus_errors = 0;
	obd->no_data = 0;
	obd->reopen_us = REOPEN_MIN_US;
	if (obd->connected && !obd->asleep)
		set_state(obd, SOURCE_OK, "", "");
}

/* The adapter works but no usable answer comes: say so after a while. */
static void check_silence(struct obd *obd)
{
	int64_t limit = 5 * obd->source.config->period_us;
	int64_t since = obd->report.last_ok_us;

	if (limit < SILENT_MIN_US)
		limit = SILENT_MIN_US;
	if (since == MODEL_NO_TIME || since < obd->report.since_us)
		since = obd->report.since_us;
	if ((obd->report.state == SOURCE_OK || obd->report.reason == starting) && !obd->asleep &&
	    now_us(obd) - since > limit)
		set_state(obd, SOURCE_SILENT, "source_silent",
			  "The adapter replies, but the vehicle gives no usable answer.");
}

/* ---- what was observed ---- */

static struct model_update *begin_update(struct obd *obd)
{
	const struct source_config *config = obd->source.config;
	struct model_update *update = &obd->update;

	model_update_init(update, &obd->room);
	(void)snprintf(update->device_id, sizeof(update->device_id), "%s", config->device_id);
	(void)snprintf(update->provider, sizeof(update->provider), "%s", OBD_PROVIDER);
	(void)snprintf(update->source, sizeof(update->source), "%s", config->name);
	memcpy(update->vin, obd->report.vin, sizeof(update->vin));
	update->simulated = config->simulated;
	update->mono_us = now_us(obd);
	return update;
}

static void emit(struct obd *obd)
{
	obd->source.env->update(obd->source.env->arg, &obd->update);
}

static void add_ignition(struct obd *obd)
{
	/* The room holds every field, and the value is one of the words. */
	(void)model_update_set_integer(&obd->update, MODEL_FIELD_IGNITION,
				       obd_ignition(&obd->evidence));
}

static void note_evidence(struct obd *obd, uint8_t pid, double value)
{
	struct obd_evidence *evidence = &obd->evidence;

	evidence->answers = true;
	evidence->silent = false;
	switch (pid) {
	case OBD2_ENGINE_RPM:
		evidence->has_rpm = true;
		evidence->rpm = value;
		break;
	case OBD2_SPEED:
		evidence->has_speed = true;
		evidence->speed_kmh = value;
		break;
	case OBD2_MODULE_VOLTAGE:
		evidence->has_voltage = true;
		evidence->voltage_v = value;
		break;
	default:
		break;
	}
}

/* The first round after a connect is over when every parameter was asked for once: then what is
 * known is stated whole. */
static bool round_is_over(struct obd *obd)
{
	if (!obd->whole_due)
		return false;
	for (size_t i = 0; i < obd->poll_count; i++)
		if (!obd->polls[i].tried)
			return false;
	obd->whole_due = false;
	return true;
}

static void tell_value(struct obd *obd, uint8_t pid, double value)
{
	struct model_update *update = begin_update(obd);

	note_evidence(obd, pid, value);
	if (obd_apply(update, pid, value) < 0)
		obd->report.rejected++; /* no vehicle can have it */
	add_ignition(obd);
	if (obd->report.vin[0])
		(void)model_update_set_text(update, MODEL_FIELD_IDENTITY_VIN, obd->report.vin,
					    MODEL_VIN_LEN);
	update->keyframe = round_is_over(obd);
	emit(obd);
}

/* Nobody answers on a bus that works: that is a measurement too. */
static void tell_asleep(struct obd *obd)
{
	const struct obd_evidence silent = {.silent = true};

	obd->evidence = silent;
	(void)begin_update(obd);
	add_ignition(obd);
	emit(obd);
}

/* ---- sending ---- */

static void on_timer(struct loop_timer *timer);

static void wait_us(struct obd *obd, int64_t us)
{
	/* -ENOMEM leaves us without a timer: the adapter is reported as lost by the watchdog of
	 * silence; arming again with the next event. */
	(void)loop_timer_set(obd->source.env->loop, &obd->timer, us, on_timer, obd);
}

static void send(struct obd *obd, const char *command, int64_t timeout_us)
{
	const int r = elm_link_send(&obd->link, command, &obd->functional, timeout_us);

	if (r)
		wait_us(obd, SECOND);
}

static void ask(struct obd *obd, uint8_t service, uint8_t pid, int64_t timeout_us)
{
	const uint8_t request[] = {service, pid};
	char text[OBD2_TEXT_SIZE];

	if (obd2_request_text(request, sizeof(request), text))
		return; /* cannot be: both services read */
	obd->report.requests++;
	send(obd, text, timeout_us);
}

static void send_step(struct obd *obd)
{
	const int64_t timeout = obd->source.config->timeout_us;

	switch (obd->phase) {
	case PHASE_INIT:
		send(obd, init_commands[obd->step], RESET_TIMEOUT_US);
		break;
	case PHASE_SEARCH:
		ask(obd, 0x01, 0x00, SEARCH_TIMEOUT_US);
		break;
	case PHASE_PROTOCOL:
		send(obd, "ATDPN", RESET_TIMEOUT_US);
		break;
	case PHASE_SUPPORT:
		ask(obd, 0x01, obd->base, timeout);
		break;
	case PHASE_VIN:
		ask(obd, 0x09, 0x02, timeout);
		break;
	case PHASE_POLL:
		ask(obd, 0x01, obd->polls[obd->current].pid, timeout);
		break;
	case PHASE_BUS_CLOSE:
		send(obd, "ATPC", RESET_TIMEOUT_US);
		break;
	case PHASE_BUS_OPEN:
		send(obd, "ATSP0", RESET_TIMEOUT_US);
		break;
	default:
		break;
	}
}

static void enter(struct obd *obd, enum phase phase)
{
	obd->phase = phase;
	obd->repeats = 0;
	send_step(obd);
}

/* ---- opening and closing ---- */

static const struct {
	int error;
	const char *reason, *detail;
} troubles[] = {
	{-EBUSY, "adapter_busy", "Another program has opened the adapter."},
	{-EACCES, "adapter_denied", "The adapter may not be opened: check its permissions."},
	{-ETIMEDOUT, "source_silent", "The adapter does not answer: check its power and speed."},
	{-ECONNREFUSED, "adapter_unreachable", "The adapter refuses the connection."},
	{-EHOSTUNREACH, "adapter_unreachable", "There is no way to the adapter's address."},
	{-ENETUNREACH, "adapter_unreachable", "There is no way to the adapter's address."},
	{-ERANGE, "adapter_speed", "The line cannot do the configured baud rate."},
	{-EINVAL, "adapter_address", "The device's address is not one that can be opened."},
};

static void say_trouble(struct obd *obd, int error)
{
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		if (troubles[i].error != error)
			continue;
		set_state(obd, error == -ETIMEDOUT ? SOURCE_SILENT : SOURCE_ERROR,
			  troubles[i].reason, troubles[i].detail);
		return;
	}
	set_state(obd, SOURCE_ERROR, "adapter_unplugged", "The adapter is not plugged in.");
}

/* Tries again later, longer each time. */
static void closed(struct obd *obd, int error)
{
	obd->phase = PHASE_CLOSED;
	obd->connected = false;
	obd->asleep = false;
	memset(&obd->evidence, 0, sizeof(obd->evidence));
	say_trouble(obd, error);
	wait_us(obd, obd->reopen_us);
	obd->reopen_us += obd->reopen_us / 2;
	if (obd->reopen_us > REOPEN_MAX_US)
		obd->reopen_us = REOPEN_MAX_US;
}

static void open_device(struct obd *obd)
{
	const struct source_config *config = obd->source.config;
	struct stream_opener *opener = obd->source.env->opener;
	struct stream *stream;
	int r;

	r = opener->open(opener, config->device, config->baud, &stream);
	if (!r) {
		obd->phase = PHASE_OPENING;
		r = elm_link_open(&obd->link, stream);
	}
	if (r)
		closed(obd, r);
}

static void start_init(struct obd *obd)
{
	loop_timer_cancel(&obd->timer);
	obd->functional = elm327_config_functional(0);
	obd->connected = false;
	obd->asleep = false;
	obd->garbage = 0;
	obd->no_data = 0;
	obd->step = 0;
	obd->report.inits++;
	enter(obd, PHASE_INIT);
}

/* ---- discovery ---- */

static void add_poll(struct obd *obd, uint8_t pid, int64_t period_us)
{
	struct poll *poll;

	if (obd->poll_count == OBD_WANTS_MAX)
		return;
	poll = &obd->polls[obd->poll_count++];
	*poll = (struct poll){.pid = pid, .period_us = period_us, .due_us = now_us(obd)};
}

static int64_t default_period(const struct obd *obd, uint8_t pid)
{
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (defaults[i].pid == pid)
			return defaults[i].every * obd->source.config->period_us;
	return obd->source.config->period_us;
}

/* What is configured is asked for whatever the bitmaps say: they have been seen to lie. */
static void plan_polls(struct obd *obd)
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

static void connected(struct obd *obd)
{
	obd->connected = true;
	obd->whole_due = true;
	plan_polls(obd);
	/* Only a value makes a source ok. */
	if (obd->report.state != SOURCE_SILENT)
		set_state(obd, SOURCE_SILENT, starting, "The vehicle was found.");
	if (obd->poll_count == 0)
		set_state(obd, SOURCE_SILENT, "source_silent",
			  "The vehicle supports none of the parameters that are asked for.");
	next_poll(obd);
}

/* Every ECU has its own bitmap; a parameter is asked for where any has it. */
static void take_support(struct obd *obd, const struct elm327_reply *reply)
{
	const uint8_t *answer;
	uint32_t id;
	size_t len;

	for (size_t i = 0; (answer = elm327_message(reply, i, &id, &len)) != NULL; i++) {
		if (obd2_decode_support(obd->base, answer, len, &obd->support))
			obd->report.rejected++;
		else if (obd->base == 0)
			obd->report.ecus++;
	}
}

static void next_support(struct obd *obd)
{
	const int next = obd2_support_next(&obd->support, obd->base);

	if (next < 0) {
		enter(obd, PHASE_VIN);
		return;
	}
	obd->base = (uint8_t)next;
	enter(obd, PHASE_SUPPORT);
}

/* Also asks whether anybody is still there: then what was discovered before is kept. */
static void start_search(struct obd *obd)
{
	obd->base = 0;
	if (!obd->connected) {
		memset(&obd->support, 0, sizeof(obd->support));
		obd->report.ecus = 0;
	}
	enter(obd, PHASE_SEARCH);
}

static void take_protocol(struct obd *obd, const struct elm327_reply *reply)
{
	static const char *const names[] = {
		"automatic",    "J1850 PWM",  "J1850 VPW",  "ISO 9141-2", "KWP2000 5 baud",
		"KWP2000",      "CAN 11/500", "CAN 29/500", "CAN 11/250", "CAN 29/250",
		"J1939 29/250", "user 1",     "user 2",
	};
	uint8_t protocol;
	bool found;

	if (reply->kind != ELM327_OK || !elm327_parse_protocol(reply->text, &protocol, &found))
		return;
	(void)snprintf(obd->report.protocol, sizeof(obd->report.protocol), "%s", names[protocol]);
	obd->functional = elm327_config_functional(protocol);
}

static void take_vin(struct obd *obd, const struct elm327_reply *reply)
{
	const uint8_t *answer;
	uint32_t id;
	size_t len;

	obd->report.vin[0] = '\0';
	for (size_t i = 0; (answer = elm327_message(reply, i, &id, &len)) != NULL; i++) {
		if (!obd2_decode_vin(answer, len, obd->report.vin))
			return;
		obd->report.rejected++;
	}
}

/* ---- polling ---- */

static struct poll *due_poll(struct obd *obd)
{
	struct poll *first = NULL;

	for (size_t i = 0; i < obd->poll_count; i++)
		if (!first || obd->polls[i].due_us < first->due_us)
			first = &obd->polls[i];
	return first;
}

static void next_poll(struct obd *obd)
{
	const struct poll *poll = due_poll(obd);
	const int64_t now = now_us(obd);

	obd->phase = PHASE_POLL;
	if (!poll) {
		wait_us(obd, 60 * SECOND);
		return;
	}
	if (poll->due_us > now) {
		wait_us(obd, poll->due_us - now);
		return;
	}
	obd->current = (size_t)(poll - obd->polls);
	enter(obd, PHASE_POLL);
}

/* Keeps the rhythm; what was missed is not made up for. */
static void schedule(struct obd *obd, struct poll *poll)
{
	const int64_t now = now_us(obd);

	poll->tried = true;
	poll->due_us += poll->period_us;
	if (poll->due_us <= now)
		poll->due_us = now + (poll->period_us - (now - poll->due_us) % poll->period_us);
	if (poll->due_us < now + poll->backoff_us)
		poll->due_us = now + poll->backoff_us;
}

static void back_off(struct poll *poll)
{
	poll->backoff_us = poll->backoff_us ? poll->backoff_us * 2 : poll->period_us * 2;
	if (poll->backoff_us > BACKOFF_MAX_US)
		poll->backoff_us = BACKOFF_MAX_US;
}

/* Where several ECUs answer, the one with the smallest id: the engine's is 7E8. */
static void take_value(struct obd *obd, struct poll *poll, const struct elm327_reply *reply)
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
	set_ok(obd);
	tell_value(obd, poll->pid, value);
}

/* Nobody is there: look again now and then, gently. */
static void fall_asleep(struct obd *obd)
{
	obd->asleep = true;
	obd->connected = false;
	set_state(obd, SOURCE_OK, "ignition_off",
		  "No control unit answers: the ignition is off or the vehicle sleeps.");
	tell_asleep(obd);
	obd->phase = PHASE_SEARCH;
	wait_us(obd, obd->source.config->asleep_retry_us);
}

static void bus_error(struct obd *obd, const struct elm327_reply *reply)
{
	char detail[128];

	obd->bus_errors++;
	(void)snprintf(detail, sizeof(detail),
		       "The adapter says %s: check the plug and the vehicle's bus.",
		       elm327_kind_name(reply->kind));
	set_state(obd, SOURCE_ERROR, "bus_error", detail);
	if (obd->bus_errors >= BUS_ERRORS_RESET) {
		obd->bus_errors = 0;
		obd->phase = PHASE_OPENING; /* the timer starts the init again */
	} else if (obd->bus_errors == BUS_ERRORS_CLOSE) {
		obd->phase = PHASE_BUS_CLOSE;
	}
	wait_us(obd, BUS_PAUSE_US);
}

/* Unusable replies in a row: the adapter is not where we think it is. */
static bool too_much_garbage(struct obd *obd)
{
	if (obd->garbage < GARBAGE_MAX)
		return false;
	start_init(obd);
	return true;
}

/* What every request has in common. True where the reply is dealt with. */
static bool common_trouble(struct obd *obd, const struct elm327_reply *reply)
{
	switch (reply->kind) {
	case ELM327_RESET:
	case ELM327_INTERNAL_ERROR:
		start_init(obd);
		return true;
	case ELM327_CAN_ERROR:
	case ELM327_BUS_BUSY:
	case ELM327_BUS_ERROR:
	case ELM327_FB_ERROR:
	case ELM327_BUS_INIT_ERROR:
		bus_error(obd, reply);
		return true;
	case ELM327_UNABLE_TO_CONNECT:
		fall_asleep(obd);
		return true;
	case ELM327_INCOMPLETE:
	case ELM327_STOPPED:
	case ELM327_DATA_ERROR:
	case ELM327_RX_ERROR:
	case ELM327_ALERT:
		if (obd->repeats >= REPEATS_MAX)
			return false;
		obd->repeats++;
		send_step(obd);
		return true;
	default:
		return false;
	}
}

static void on_poll_reply(struct obd *obd, const struct elm327_reply *reply)
{
	struct poll *poll = &obd->polls[obd->current];

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
	check_silence(obd);
	if (too_much_garbage(obd))
		return;
	if (obd->no_data >= NO_DATA_MAX) {
		/* Is it this parameter, or is nobody there any more? */
		obd->no_data = 0;
		start_search(obd);
		return;
	}
	next_poll(obd);
}

static void on_search_reply(struct obd *obd, const struct elm327_reply *reply)
{
	if (elm327_has_data(reply->kind) && obd->connected) {
		next_poll(obd);
		return;
	}
	if (elm327_has_data(reply->kind)) {
		obd->asleep = false;
		take_support(obd, reply);
		if (obd->report.ecus) {
			enter(obd, PHASE_PROTOCOL);
			return;
		}
	}
	if (reply->kind == ELM327_NO_DATA) {
		fall_asleep(obd);
		return;
	}
	obd->garbage++;
	check_silence(obd);
	if (too_much_garbage(obd))
		return;
	wait_us(obd, BUS_PAUSE_US);
}

static void on_init_reply(struct obd *obd, const struct elm327_reply *reply)
{
	/* A clone without a command goes on without it; a lost prompt or a reset starts over. */
	if (reply->kind != ELM327_OK && reply->kind != ELM327_UNSUPPORTED) {
		obd->garbage++;
		if (obd->garbage < 2 * GARBAGE_MAX) {
			obd->step = 0;
			wait_us(obd, SECOND / 2);
			return;
		}
		set_state(obd, SOURCE_SILENT, "source_silent",
			  "The adapter cannot be set up: its replies make no sense.");
		obd->garbage = 0;
		obd->step = 0;
		wait_us(obd, REOPEN_MAX_US);
		return;
	}
	if (++obd->step < INIT_COUNT) {
		send_step(obd);
		return;
	}
	obd->garbage = 0;
	start_search(obd);
}

static void on_reply(void *arg, const struct elm327_reply *reply)
{
	struct obd *obd = arg;

	obd->report.rejected += reply->counts.rejected;
	if (obd->phase == PHASE_INIT) {
		on_init_reply(obd, reply);
		return;
	}
	if (common_trouble(obd, reply))
		return;
	switch (obd->phase) {
	case PHASE_SEARCH:
		on_search_reply(obd, reply);
		break;
	case PHASE_PROTOCOL:
		take_protocol(obd, reply);
		next_support(obd);
		break;
	case PHASE_SUPPORT:
		take_support(obd, reply);
		next_support(obd);
		break;
	case PHASE_VIN:
		take_vin(obd, reply);
		connected(obd);
		break;
	case PHASE_POLL:
		on_poll_reply(obd, reply);
		break;
	case PHASE_BUS_CLOSE:
		enter(obd, PHASE_BUS_OPEN);
		break;
	case PHASE_BUS_OPEN:
		start_search(obd);
		break;
	default:
		break;
	}
}

static void on_ready(void *arg)
{
	start_init(arg);
}

static void on_noise(void *arg)
{
	start_init(arg);
}

static void on_lost(void *arg, int error)
{
	struct obd *obd = arg;

	if (obd->running)
		closed(obd, error);
}

static const struct elm_link_events link_events = {
	.ready = on_ready,
	.reply = on_reply,
	.noise = on_noise,
	.lost = on_lost,
};

static void on_timer(struct loop_timer *timer)
{
	struct obd *obd = timer->arg;

	switch (obd->phase) {
	case PHASE_CLOSED:
		open_device(obd);
		break;
	case PHASE_OPENING:
		if (obd->link.state == ELM_LINK_IDLE)
			start_init(obd);
		break;
	case PHASE_SEARCH:
		if (obd->link.state == ELM_LINK_IDLE)
			start_search(obd);
		break;
	case PHASE_POLL:
		if (obd->link.state == ELM_LINK_IDLE)
			next_poll(obd);
		break;
	default:
		if (obd->link.state == ELM_LINK_IDLE)
			send_step(obd);
		break;
	}
}

/* ---- the source ---- */

static int obd_check(const struct source_config *config, const char **ret_key, char *expected,
		     size_t size)
{
	struct obd_want wants[OBD_WANTS_MAX];

	if (!stream_address_valid(config->device)) {
		*ret_key = "device";
		(void)snprintf(expected, size, "serial:/dev/NAME or tcp:ADDRESS:PORT, not '%.80s'",
			       config->device);
		return -EINVAL;
	}
	if (obd_wants_parse(config->pids, wants, expected, size) < 0) {
		*ret_key = "pids";
		return -EINVAL;
	}
	return 0;
}

static int obd_create(const struct source_config *config, const struct source_env *env,
		      struct source **ret_source)
{
	struct obd *obd = calloc(1, sizeof(*obd));
	char problem[160];

	if (!obd)
		return -ENOMEM;
	obd->want_count = obd_wants_parse(config->pids, obd->wants, problem, sizeof(problem));
	if (obd->want_count < 0) {
		free(obd);
		return -EINVAL;
	}
	obd->source.ops = &source_obd_ops;
	obd->source.config = config;
	obd->source.env = env;
	obd->report.reason = starting;
	obd->report.state = SOURCE_SILENT;
	obd->report.last_ok_us = MODEL_NO_TIME;
	obd->report.since_us = loop_now_us(env->loop);
	(void)snprintf(obd->report.detail, sizeof(obd->report.detail), "%s",
		       "The adapter is being set up.");
	elm_link_init(&obd->link, env->loop, &link_events, obd);
	*ret_source = &obd->source;
	return 0;
}

static int obd_start(struct source *source)
{
	struct obd *obd = (struct obd *)source;

	if (obd->running)
		return 0;
	obd->running = true;
	obd->reopen_us = REOPEN_MIN_US;
	obd->phase = PHASE_CLOSED;
	return loop_timer_set(source->env->loop, &obd->timer, 0, on_timer, obd);
}

static void obd_stop(struct source *source)
{
	struct obd *obd = (struct obd *)source;

	obd->running = false;
	loop_timer_cancel(&obd->timer);
	elm_link_close(&obd->link);
	obd->phase = PHASE_CLOSED;
}

static void obd_report(const struct source *source, struct source_report *ret_report)
{
	const struct obd *obd = (const struct obd *)source;

	*ret_report = obd->report;
	ret_report->noise = obd->link.noise;
	ret_report->resyncs = obd->link.resyncs;
	memcpy(ret_report->adapter, obd->link.adapter, sizeof(ret_report->adapter));
}

static void obd_destroy(struct source *source)
{
	if (!source)
		return;
	obd_stop(source);
	free(source);
}

const struct source_ops source_obd_ops = {
	.kind = "obd",
	.check = obd_check,
	.create = obd_create,
	.start = obd_start,
	.stop = obd_stop,
	.report = obd_report,
	.destroy = obd_destroy,
};
