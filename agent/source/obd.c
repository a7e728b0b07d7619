#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define REOPEN_MAX_US (5 * OBD_SECOND)
#define RESET_TIMEOUT_US (2 * OBD_SECOND)
#define SEARCH_TIMEOUT_US (12 * OBD_SECOND) /* the first request searches all protocols */
#define BUS_ERRORS_CLOSE 3                  /* then ATPC, ATSP */
#define BUS_ERRORS_RESET 6                  /* then ATZ */
#define GARBAGE_MAX 3 /* unusable replies in a row, then resynchronise by a new start */
#define REPEATS_MAX 1 /* of a request that was interrupted or garbled */

/* The set-up of an adapter, in order. Every command but the first must answer OK; '?' is noted and
 * passed over. ATM0: its EEPROM is not worn; ATST96: it waits 614 ms for an answer; ATFE: events of a
 * low-voltage reset are forgotten; ATSP0: it finds the protocol. */
static const char *const init_commands[] = {
	"ATZ",  "ATE0", "ATL0",  "ATS0",   "ATH1", "ATCAF1",
	"ATAL", "ATM0", "ATAT1", "ATST96", "ATFE", "ATSP0",
};
#define INIT_COUNT (sizeof(init_commands) / sizeof(init_commands[0]))

/* ---- sending ---- */

static void on_timer(struct loop_timer *timer);

void obd_wait_us(struct obd *obd, int64_t us)
{
	/* Without memory there is no timer; the next event of the link sets one again. */
	(void)loop_timer_set(obd->source.env->loop, &obd->timer, us, on_timer, obd);
}

static void send(struct obd *obd, const char *command, int64_t timeout_us)
{
	const int r = elm_link_send(&obd->link, command, &obd->functional, timeout_us);

	if (r)
		obd_wait_us(obd, OBD_SECOND);
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
	case OBD_PHASE_INIT:
		send(obd, init_commands[obd->step], RESET_TIMEOUT_US);
		break;
	case OBD_PHASE_SEARCH:
		ask(obd, 0x01, 0x00, SEARCH_TIMEOUT_US);
		break;
	case OBD_PHASE_PROTOCOL:
		send(obd, "ATDPN", RESET_TIMEOUT_US);
		break;
	case OBD_PHASE_SUPPORT:
		ask(obd, 0x01, obd->base, timeout);
		break;
	case OBD_PHASE_VIN:
		ask(obd, 0x09, 0x02, timeout);
		break;
	case OBD_PHASE_POLL:
		ask(obd, 0x01, obd->polls[obd->current].pid, timeout);
		break;
	case OBD_PHASE_BUS_CLOSE:
		send(obd, "ATPC", RESET_TIMEOUT_US);
		break;
	case OBD_PHASE_BUS_OPEN:
		send(obd, "ATSP0", RESET_TIMEOUT_US);
		break;
	default:
		break;
	}
}

void obd_enter(struct obd *obd, enum obd_phase phase)
{
	obd->phase = phase;
	obd->repeats = 0;
	send_step(obd);
}

/* ---- opening and closing ---- */

static void say_trouble(struct obd *obd, int error)
{
	const struct obd_trouble *trouble = obd_trouble(obd->source.config->device, error);

	obd_set_state(obd, error == -ETIMEDOUT ? SOURCE_SILENT : SOURCE_ERROR, trouble->reason,
		      trouble->detail);
}

/* Tries again later, longer each time. */
static void closed(struct obd *obd, int error)
{
	obd->phase = OBD_PHASE_CLOSED;
	obd->connected = false;
	obd->asleep = false;
	memset(&obd->evidence, 0, sizeof(obd->evidence));
	say_trouble(obd, error);
	obd_wait_us(obd, obd->reopen_us);
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
		obd->phase = OBD_PHASE_OPENING;
		r = elm_link_open(&obd->link, stream);
	}
	if (r)
		closed(obd, r);
}

void obd_start_init(struct obd *obd)
{
	loop_timer_cancel(&obd->timer);
	obd->functional = elm327_config_functional(0);
	obd->connected = false;
	obd->asleep = false;
	obd->garbage = 0;
	obd->no_data = 0;
	obd->step = 0;
	obd->report.inits++;
	obd_enter(obd, OBD_PHASE_INIT);
}

/* ---- trouble ---- */

/* Nobody is there: look again now and then, gently. */
void obd_fall_asleep(struct obd *obd)
{
	obd->asleep = true;
	obd->connected = false;
	obd_set_state(obd, SOURCE_OK, "ignition_off",
		      "No control unit answers: the ignition is off or the vehicle sleeps.");
	obd_tell_asleep(obd);
	obd->phase = OBD_PHASE_SEARCH;
	obd_wait_us(obd, obd->source.config->asleep_retry_us);
}

static void bus_error(struct obd *obd, const struct elm327_reply *reply)
{
	char detail[128];

	obd->bus_errors++;
	(void)snprintf(detail, sizeof(detail),
		       "The adapter says %s: check the plug and the vehicle's bus.",
		       elm327_kind_name(reply->kind));
	obd_set_state(obd, SOURCE_ERROR, "bus_error", detail);
	if (obd->bus_errors >= BUS_ERRORS_RESET) {
		obd->bus_errors = 0;
		obd->phase = OBD_PHASE_OPENING; /* the timer starts the init again */
	} else if (obd->bus_errors == BUS_ERRORS_CLOSE) {
		obd->phase = OBD_PHASE_BUS_CLOSE;
	}
	obd_wait_us(obd, OBD_BUS_PAUSE_US);
}

/* Unusable replies in a row: the adapter is not where we think it is. */
bool obd_too_much_garbage(struct obd *obd)
{
	if (obd->garbage < GARBAGE_MAX)
		return false;
	obd_start_init(obd);
	return true;
}

/* What every request has in common. True where the reply is dealt with. */
static bool common_trouble(struct obd *obd, const struct elm327_reply *reply)
{
	switch (reply->kind) {
	case ELM327_RESET:
	case ELM327_INTERNAL_ERROR:
		obd_start_init(obd);
		return true;
	case ELM327_CAN_ERROR:
	case ELM327_BUS_BUSY:
	case ELM327_BUS_ERROR:
	case ELM327_FB_ERROR:
	case ELM327_BUS_INIT_ERROR:
		bus_error(obd, reply);
		return true;
	case ELM327_UNABLE_TO_CONNECT:
		obd_fall_asleep(obd);
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

/* ---- what the link says ---- */

static void on_init_reply(struct obd *obd, const struct elm327_reply *reply)
{
	/* A clone without a command goes on without it; a lost prompt or a reset starts over. */
	if (reply->kind != ELM327_OK && reply->kind != ELM327_UNSUPPORTED) {
		obd->garbage++;
		if (obd->garbage < 2 * GARBAGE_MAX) {
			obd->step = 0;
			obd_wait_us(obd, OBD_SECOND / 2);
			return;
		}
		obd_set_state(obd, SOURCE_SILENT, "source_silent",
			      "The adapter cannot be set up: its replies make no sense.");
		obd->garbage = 0;
		obd->step = 0;
		obd_wait_us(obd, REOPEN_MAX_US);
		return;
	}
	if (++obd->step < INIT_COUNT) {
		send_step(obd);
		return;
	}
	obd->garbage = 0;
	obd_start_search(obd);
}

static void on_reply(void *arg, const struct elm327_reply *reply)
{
	struct obd *obd = arg;

	obd->report.rejected += reply->counts.rejected;
	if (obd->phase == OBD_PHASE_INIT) {
		on_init_reply(obd, reply);
		return;
	}
	if (common_trouble(obd, reply))
		return;
	switch (obd->phase) {
	case OBD_PHASE_SEARCH:
		obd_on_search_reply(obd, reply);
		break;
	case OBD_PHASE_PROTOCOL:
		obd_on_protocol_reply(obd, reply);
		break;
	case OBD_PHASE_SUPPORT:
		obd_on_support_reply(obd, reply);
		break;
	case OBD_PHASE_VIN:
		obd_on_vin_reply(obd, reply);
		break;
	case OBD_PHASE_POLL:
		obd_on_poll_reply(obd, reply);
		break;
	case OBD_PHASE_BUS_CLOSE:
		obd_enter(obd, OBD_PHASE_BUS_OPEN);
		break;
	case OBD_PHASE_BUS_OPEN:
		obd_start_search(obd);
		break;
	default:
		break;
	}
}

static void on_ready(void *arg)
{
	obd_start_init(arg);
}

static void on_noise(void *arg)
{
	obd_start_init(arg);
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
	case OBD_PHASE_CLOSED:
		open_device(obd);
		break;
	case OBD_PHASE_OPENING:
		if (obd->link.state == ELM_LINK_IDLE)
			obd_start_init(obd);
		break;
	case OBD_PHASE_SEARCH:
		if (obd->link.state == ELM_LINK_IDLE)
			obd_start_search(obd);
		break;
	case OBD_PHASE_POLL:
		if (obd->link.state == ELM_LINK_IDLE)
			obd_next_poll(obd);
		break;
	default:
		if (obd->link.state == ELM_LINK_IDLE)
			send_step(obd);
		break;
	}
}

/* ---- the source: struct source_ops ---- */

static int obd_check(const struct source_config *config, const char **ret_key, char *expected,
		     size_t size)
{
	struct obd_want wants[OBD_WANTS_MAX];

	if (!stream_address_valid(config->device)) {
		*ret_key = "device";
		(void)snprintf(expected, size, STREAM_ADDRESS_FORMS ", not '%.80s'",
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
	obd->report.reason = obd_starting;
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
	obd->reopen_us = OBD_REOPEN_MIN_US;
	obd->phase = OBD_PHASE_CLOSED;
	return loop_timer_set(source->env->loop, &obd->timer, 0, on_timer, obd);
}

static void obd_stop(struct source *source)
{
	struct obd *obd = (struct obd *)source;

	obd->running = false;
	loop_timer_cancel(&obd->timer);
	elm_link_close(&obd->link);
	obd->phase = OBD_PHASE_CLOSED;
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
