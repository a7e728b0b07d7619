/* The way through an adapter: opening and closing; one command after the other, its reply. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/obd_elm_priv.h"

#define NO_TIMER_US ELM_SECOND

/* ---- the timer ---- */

static void on_timer(struct loop_timer *timer)
{
	struct obd_elm *elm = timer->arg;
	void (*later)(struct obd_elm * elm) = elm->later;

	elm->later = NULL;
	/* A link that is bringing the adapter into step will speak for itself. */
	if (elm->link.state == ELM_LINK_IDLE && later)
		later(elm);
}

/* Without memory there is no timer; the next event of the link sets one again. */
void elm_wait(struct obd_elm *elm, int64_t us, void (*later)(struct obd_elm *elm))
{
	elm->later =
		loop_timer_set(elm->bus.env->loop, &elm->timer, us, on_timer, elm) ? NULL : later;
}

static void cancel(struct obd_elm *elm)
{
	elm->later = NULL;
	loop_timer_cancel(&elm->timer);
}

/* ---- opening and closing ---- */

/* Most likely first: genuine adapters, STN and clones, clones, what users set. */
static const unsigned usual_speeds[] = {38400, 115200, 9600,    500000,
					57600, 230400, 1000000, 2000000};

/* The configured speed alone, or all, the one that was right last time first. */
static size_t list_speeds(const struct obd_elm *elm, unsigned out[static ELM_LINK_SPEEDS_MAX])
{
	const struct source_config *config = elm->bus.config;
	size_t count = 0;

	if (strncmp(config->device, "serial:", strlen("serial:")) != 0)
		return 0;
	if (config->baud || elm->baud)
		out[count++] = config->baud ? config->baud : elm->baud;
	for (size_t i = 0; !config->baud && i < sizeof(usual_speeds) / sizeof(usual_speeds[0]); i++)
		if (usual_speeds[i] != elm->baud)
			out[count++] = usual_speeds[i];
	return count;
}

/* Nothing of the adapter is sure any more. */
static void forget(struct obd_elm *elm)
{
	cancel(elm);
	elm->bus.protocol = 0;
	elm->fixed = elm->usual;
	elm->line_on = elm->line_off = false;
	memset(&elm->can, 0, sizeof(elm->can));
	elm->way_count = 0;
	elm->undo_failures = 0;
}

static int open_elm(struct obd_bus *bus)
{
	struct obd_elm *elm = (struct obd_elm *)bus;
	struct stream_opener *opener = bus->env->opener;
	unsigned speeds[ELM_LINK_SPEEDS_MAX] = {0};
	const size_t count = list_speeds(elm, speeds);
	struct stream *stream;
	int r;

	r = opener->open(opener, bus->config->device, speeds[0], &stream);
	if (!r) {
		elm->phase = ELM_PHASE_OPENING;
		r = elm_link_open(&elm->link, stream, speeds, count);
	}
	if (r)
		forget(elm);
	return r;
}

static void close_elm(struct obd_bus *bus)
{
	struct obd_elm *elm = (struct obd_elm *)bus;

	elm_link_close(&elm->link);
	forget(elm);
}

static void destroy_elm(struct obd_bus *bus)
{
	close_elm(bus);
	free(bus);
}

/* ---- sending ---- */

static void dispatch(struct obd_elm *elm, const struct elm327_reply *reply);

/* The gate has refused something: as if the adapter had, and it is never sent again. */
static void denied(struct obd_elm *elm)
{
	elm->link.reply.kind = ELM327_UNSUPPORTED;
	if (elm->phase == ELM_PHASE_WAY)
		elm_tell(elm, &elm->link.reply);
	else
		dispatch(elm, &elm->link.reply);
}

void elm_send_again(struct obd_elm *elm)
{
	const struct elm_outgoing *out = &elm->out;
	int r;

	cancel(elm);
	r = elm_link_send(&elm->link, out->text, &out->config, out->timeout_us);
	if (r == -EPERM)
		elm_wait(elm, 0, denied);
	else if (r)
		elm_wait(elm, NO_TIMER_US, elm_send_again);
}

void elm_send_command(struct obd_elm *elm, const char *command)
{
	elm->out.config = (struct elm327_config){.headers = true};
	elm->out.timeout_us = ELM_COMMAND_US;
	(void)snprintf(elm->out.text, sizeof(elm->out.text), "%s", command);
	elm_send_again(elm);
}

void elm_say(struct obd_elm *elm, enum elm_phase phase, const char *command)
{
	elm->phase = phase;
	elm->bus.repeats = 0;
	elm_send_command(elm, command);
}

void elm_send_request(struct obd_elm *elm)
{
	const struct obd_request *request = &elm->request;

	elm->phase = ELM_PHASE_REQUEST;
	elm->out.config = elm327_target_config(&request->target, elm->bus.protocol);
	elm->out.timeout_us = request->timeout_us;
	for (size_t i = 0; i < request->len; i++)
		(void)snprintf(elm->out.text + 2 * i, 3, "%02X", request->bytes[i]);
	elm->bus.requests++;
	elm_send_again(elm);
}

static bool is_idle(const struct obd_bus *bus)
{
	const struct obd_elm *elm = (const struct obd_elm *)bus;

	return elm->link.state == ELM_LINK_IDLE && !elm->later;
}

static int way_to(const struct obd_bus *bus, const struct diag_target *target)
{
	struct elm327_switch way;
	const int r = elm_find_way((const struct obd_elm *)bus, target, &way);

	return r ? r : way.count;
}

static int ask_elm(struct obd_bus *bus, const struct obd_request *request)
{
	struct obd_elm *elm = (struct obd_elm *)bus;
	struct elm327_switch way;
	const int r = elm_find_way(elm, &request->target, &way);

	if (r)
		return r;
	elm->way = way;
	elm->way_step = 0;
	elm->request = *request;
	bus->repeats = 0;
	elm_walk(elm);
	return 0;
}

static void ask_again(struct obd_bus *bus)
{
	elm_send_request((struct obd_elm *)bus);
}

/* ---- what the link says ---- */

static unsigned count_frames(const struct elm327_reply *reply)
{
	unsigned frames = 1 + reply->counts.lines + reply->counts.rejected;

	for (size_t i = 0; i < reply->message_count; i++)
		frames += reply->messages[i].segmented;
	return frames;
}

static enum obd_reply_kind kind_of(enum elm327_kind kind)
{
	switch (kind) {
	case ELM327_DATA:
		return OBD_REPLY_DATA;
	case ELM327_DATA_PARTIAL:
		return OBD_REPLY_PARTIAL;
	case ELM327_DATA_BAD:
		return OBD_REPLY_BAD;
	case ELM327_NEGATIVE:
		return OBD_REPLY_NEGATIVE;
	case ELM327_PENDING:
		return OBD_REPLY_PENDING;
	case ELM327_NO_DATA:
		return OBD_REPLY_SILENCE;
	case ELM327_UNABLE_TO_CONNECT:
		return OBD_REPLY_NOBODY;
	case ELM327_UNSUPPORTED:
		return OBD_REPLY_UNSUPPORTED;
	case ELM327_BUFFER_FULL:
		return OBD_REPLY_OVERRUN;
	case ELM327_CAN_ERROR:
	case ELM327_BUS_BUSY:
	case ELM327_BUS_ERROR:
	case ELM327_FB_ERROR:
	case ELM327_BUS_INIT_ERROR:
		return OBD_REPLY_BUS_ERROR;
	default:
		return OBD_REPLY_USELESS;
	}
}

/* Units that want time, and whose answer did not come with the others'. */
static uint32_t count_owing(const struct elm327_reply *reply)
{
	struct elm327_part part;
	uint32_t count = 0;
	uint8_t nrc;

	for (size_t i = 0; elm327_part(reply, i, &part); i++)
		count += part.kind == ELM327_PENDING &&
			 elm327_ecu_kind(reply, part.id, &nrc) == ELM327_PENDING;
	return count;
}

void elm_tell(struct obd_elm *elm, const struct elm327_reply *reply)
{
	struct obd_reply *out = &elm->reply;
	struct obd_answer *answer;

	*out = (struct obd_reply){
		.kind = kind_of(reply->kind),
		.nrc = reply->nrc,
		.frames = count_frames(reply),
		.rejected = reply->counts.rejected,
	};
	if (out->kind == OBD_REPLY_DATA)
		out->rejected += count_owing(reply);
	for (; out->count < OBD_ANSWERS_MAX; out->count++) {
		answer = &out->answers[out->count];
		answer->data = elm327_message(reply, out->count, &answer->ecu, &answer->len);
		if (!answer->data)
			break;
	}
	if (out->kind == OBD_REPLY_BUS_ERROR)
		(void)snprintf(out->trouble, sizeof(out->trouble),
			       "The adapter says %s: check the plug and the vehicle's bus.",
			       elm327_kind_name(reply->kind));
	elm->bus.events->reply(elm->bus.arg, out);
}

static void on_request_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	if (!elm_wait_on(elm, reply))
		elm_tell(elm, reply);
}

static void (*const on_replies[ELM_PHASE_COUNT])(struct obd_elm *elm,
						 const struct elm327_reply *reply) = {
	[ELM_PHASE_SETUP] = elm_on_setup_reply,
	[ELM_PHASE_PROBE] = elm_on_probe_reply,
	[ELM_PHASE_PROTOCOL] = elm_on_protocol_reply,
	[ELM_PHASE_WAY] = elm_on_way_reply,
	[ELM_PHASE_REQUEST] = on_request_reply,
	[ELM_PHASE_PATIENCE] = elm_on_patience_reply,
	[ELM_PHASE_VOLTAGE] = elm_on_voltage_reply,
	[ELM_PHASE_BUS_CLOSE] = elm_on_bus_close_reply,
	[ELM_PHASE_BUS_OPEN] = elm_on_bus_open_reply,
};

static void dispatch(struct obd_elm *elm, const struct elm327_reply *reply)
{
	if (on_replies[elm->phase])
		on_replies[elm->phase](elm, reply);
}

static void on_reply(void *arg, const struct elm327_reply *reply)
{
	struct obd_elm *elm = arg;
	const bool own = elm->phase == ELM_PHASE_WAY || elm->phase == ELM_PHASE_SETUP;

	elm->bus.rejected += reply->counts.rejected;
	if (elm->phase != ELM_PHASE_SETUP && elm_mend_echo(elm, reply))
		return;
	if (own || !elm_mend(elm, reply))
		dispatch(elm, reply);
}

static void on_ready(void *arg)
{
	struct obd_elm *elm = arg;

	if (elm->link.baud)
		elm->baud = elm->link.baud;
	elm->answers_at = elm->link.baud;
	elm_start_setup(elm);
}

static void on_noise(void *arg)
{
	elm_start_setup(arg);
}

static void on_lost(void *arg, int error)
{
	struct obd_elm *elm = arg;

	forget(elm);
	elm->bus.events->lost(elm->bus.arg, error);
}

static const struct elm_link_events link_events = {
	.ready = on_ready,
	.reply = on_reply,
	.noise = on_noise,
	.lost = on_lost,
};

/* ---- life ---- */

static void report_elm(const struct obd_bus *bus, struct source_report *report)
{
	const struct obd_elm *elm = (const struct obd_elm *)bus;

	report->noise = elm->link.noise;
	report->resyncs = elm->link.resyncs;
	report->inits = elm->inits;
	report->baud = elm->answers_at;
	(void)snprintf(report->adapter, sizeof(report->adapter), "%s", elm->link.adapter);
	(void)snprintf(report->chip, sizeof(report->chip), "%s", elm->chip);
	memcpy(report->missing, elm->missing, sizeof(report->missing));
}

static void identify(struct obd_bus *bus)
{
	elm_ask_protocol((struct obd_elm *)bus);
}

static bool wind_up(struct obd_bus *bus)
{
	return elm_wait_as_usual((struct obd_elm *)bus);
}

static bool recover(struct obd_bus *bus, int errors)
{
	return elm_recover((struct obd_elm *)bus, errors);
}

static void restart(struct obd_bus *bus)
{
	elm_start_setup((struct obd_elm *)bus);
}

static bool measure(struct obd_bus *bus)
{
	return elm_measure((struct obd_elm *)bus);
}

static const struct obd_bus_ops ops = {
	.open = open_elm,
	.close = close_elm,
	.destroy = destroy_elm,
	.idle = is_idle,
	.way = way_to,
	.problem = elm_way_problem,
	.ask = ask_elm,
	.again = ask_again,
	.identify = identify,
	.wind_up = wind_up,
	.recover = recover,
	.restart = restart,
	.measure = measure,
	.report = report_elm,
};

int obd_elm_create(const struct obd_bus *common, uint8_t protocol, struct obd_bus **ret_bus)
{
	struct obd_elm *elm = calloc(1, sizeof(*elm));

	if (!elm)
		return -ENOMEM;
	elm->bus = *common;
	elm->bus.ops = &ops;
	elm->bus.can = &elm->can;
	elm->usual = protocol;
	elm->fixed = protocol;
	elm_link_init(&elm->link, common->env->loop, &link_events, elm);
	*ret_bus = &elm->bus;
	return 0;
}
