/* Opening and closing; one command after the other, whom it is for, and its reply. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/source/obd_priv.h"

#define REOPEN_MAX_US (5 * OBD_SECOND)
#define NO_TIMER_US OBD_SECOND
#define WAY_FAILURES_MAX 3

/* ---- the timer ---- */

static void on_timer(struct loop_timer *timer)
{
	struct obd *obd = timer->arg;

	/* A link that is bringing the adapter into step will speak for itself. */
	if (obd->phase == OBD_PHASE_CLOSED || obd->link.state == ELM_LINK_IDLE)
		obd->later(obd);
}

/* Without memory there is no timer; the next event of the link sets one again. */
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

void obd_forget_adapter(struct obd *obd)
{
	obd->phase = OBD_PHASE_CLOSED;
	obd->connected = false;
	obd->fresh = true;
	obd->by_everybody = false;
	obd->by_detect = false;
	obd->detected = false;
	obd->protocol = 0;
	obd->fixed = obd_plan_protocol(obd->profile);
	obd->line_on = obd->line_off = false;
	memset(&obd->can, 0, sizeof(obd->can));
	obd->way_count = 0;
	obd->report.vin[0] = '\0';
}

/* Tries again later, longer each time. */
static void closed(struct obd *obd, int error)
{
	obd_forget_adapter(obd);
	say_trouble(obd, error);
	(void)obd_wait(obd, obd->reopen_us, obd_open);
	obd->reopen_us += obd->reopen_us / 2;
	if (obd->reopen_us > REOPEN_MAX_US)
		obd->reopen_us = REOPEN_MAX_US;
}

/* Most likely first: genuine adapters, STN and clones, clones, what users set. */
static const unsigned usual_speeds[] = {38400, 115200, 9600,    500000,
					57600, 230400, 1000000, 2000000};

/* The configured speed alone, or all, the one that was right last time first. */
static size_t list_speeds(const struct obd *obd, unsigned out[static ELM_LINK_SPEEDS_MAX])
{
	const struct source_config *config = obd->source.config;
	size_t count = 0;

	if (strncmp(config->device, "serial:", strlen("serial:")) != 0)
		return 0;
	if (config->baud || obd->baud)
		out[count++] = config->baud ? config->baud : obd->baud;
	for (size_t i = 0; !config->baud && i < sizeof(usual_speeds) / sizeof(usual_speeds[0]); i++)
		if (usual_speeds[i] != obd->baud)
			out[count++] = usual_speeds[i];
	return count;
}

void obd_open(struct obd *obd)
{
	const struct source_config *config = obd->source.config;
	struct stream_opener *opener = obd->source.env->opener;
	unsigned speeds[ELM_LINK_SPEEDS_MAX] = {0};
	const size_t count = list_speeds(obd, speeds);
	struct stream *stream;
	int r;

	r = opener->open(opener, config->device, speeds[0], &stream);
	if (!r) {
		obd->phase = OBD_PHASE_OPENING;
		r = elm_link_open(&obd->link, stream, speeds, count);
	}
	if (r)
		closed(obd, r);
}

/* ---- sending ---- */

static void dispatch(struct obd *obd, const struct elm327_reply *reply);

/* The gate has refused a request: as if the adapter had, and it is never sent again. */
static void denied(struct obd *obd)
{
	obd->link.reply.kind = ELM327_UNSUPPORTED;
	dispatch(obd, &obd->link.reply);
}

static void send(struct obd *obd)
{
	const struct obd_outgoing *out = &obd->out;
	int r;

	loop_timer_cancel(&obd->timer);
	r = elm_link_send(&obd->link, out->text, &out->config, out->timeout_us);
	if (r == -EPERM)
		(void)obd_wait(obd, 0, denied);
	else if (r)
		(void)obd_wait(obd, NO_TIMER_US, send);
}

static void send_command(struct obd *obd, const char *command)
{
	obd->out.config = (struct elm327_config){.headers = true};
	obd->out.timeout_us = OBD_COMMAND_US;
	(void)snprintf(obd->out.text, sizeof(obd->out.text), "%s", command);
	send(obd);
}

void obd_say(struct obd *obd, enum obd_phase phase, const char *command)
{
	obd->phase = phase;
	obd->repeats = 0;
	obd->request.on_way = false;
	send_command(obd, command);
}

void obd_ask_again(struct obd *obd)
{
	const struct obd_request *request = &obd->request;

	obd->out.config = elm327_target_config(&request->target, obd->protocol);
	obd->out.timeout_us = request->timeout_us;
	for (size_t i = 0; i < request->len; i++)
		(void)snprintf(obd->out.text + 2 * i, 3, "%02X", request->bytes[i]);
	obd->report.requests++;
	send(obd);
}

void obd_repeat(struct obd *obd)
{
	send(obd);
}

static bool same_target(const struct elm327_target *a, const struct elm327_target *b)
{
	return a->tx == b->tx && a->rx == b->rx && a->id_bits == b->id_bits &&
	       a->extension == b->extension && a->functional == b->functional;
}

static struct obd_way *way_to(struct obd *obd, const struct elm327_target *target)
{
	for (size_t i = 0; i < obd->way_count; i++)
		if (same_target(&obd->ways[i].target, target))
			return &obd->ways[i];
	return NULL;
}

static void forget_failures(struct obd *obd, const struct elm327_target *target)
{
	struct obd_way *way = way_to(obd, target);

	if (way)
		*way = obd->ways[--obd->way_count];
}

/* `most`: there is no need to try again. */
static void note_failure(struct obd *obd, const struct elm327_target *target, bool most)
{
	struct obd_way *way = way_to(obd, target);

	if (!way && obd->way_count < RHYTHM_ECUS_MAX) {
		way = &obd->ways[obd->way_count++];
		*way = (struct obd_way){.target = *target};
	}
	if (way)
		way->failures = most ? WAY_FAILURES_MAX : way->failures + 1;
}

/* The next command of the way, or at its end the request. */
static void walk(struct obd *obd)
{
	struct obd_request *request = &obd->request;

	if (request->step < request->way.count) {
		request->on_way = true;
		obd->header_sent = true;
		send_command(obd, request->way.commands[request->step]);
		return;
	}
	request->on_way = false;
	forget_failures(obd, &request->target);
	obd->talks_to = request->target;
	obd->has_target = true;
	obd_ask_again(obd);
}

int obd_find_way(const struct obd *obd, const struct elm327_target *target,
		 struct elm327_switch *ret_way)
{
	for (size_t i = 0; i < obd->way_count; i++)
		if (obd->ways[i].failures >= WAY_FAILURES_MAX &&
		    same_target(&obd->ways[i].target, target))
			return OBD_E_WAY;
	return elm327_switch_target(&obd->can, obd->protocol,
				    obd->has_target ? &obd->talks_to : NULL, target, ret_way);
}

const char *obd_way_problem(int error)
{
	return error == OBD_E_WAY ? "the adapter does not take the commands that lead there"
				  : elm327_target_problem(error);
}

int obd_ask(struct obd *obd, enum obd_phase phase, const struct elm327_target *target,
	    const uint8_t *bytes, size_t len, int64_t timeout_us)
{
	struct obd_request request = {.target = *target, .timeout_us = timeout_us};
	const int r = obd_find_way(obd, target, &request.way);

	if (r)
		return r;
	request.len = (uint8_t)(len < sizeof(request.bytes) ? len : sizeof(request.bytes));
	memcpy(request.bytes, bytes, request.len);
	obd->request = request;
	obd->phase = phase;
	obd->repeats = 0;
	walk(obd);
	return 0;
}

/* The adapter stands somewhere between two targets: it is set up anew. What does not understand a
 * command, or fails again and again, is not asked to go there any more. */
static void on_way_reply(struct obd *obd, const struct elm327_reply *reply)
{
	if (reply->kind == ELM327_OK && strcmp(reply->text, "OK") == 0) {
		obd->request.step++;
		walk(obd);
		return;
	}
	note_failure(obd, &obd->request.target, reply->kind == ELM327_UNSUPPORTED);
	obd_start_setup(obd);
}

unsigned obd_frames(const struct elm327_reply *reply)
{
	unsigned frames = 1 + reply->counts.lines + reply->counts.rejected;

	for (size_t i = 0; i < reply->message_count; i++)
		frames += reply->messages[i].segmented;
	return frames;
}

/* ---- what the link says ---- */

static void (*const on_replies[OBD_PHASE_COUNT])(struct obd *obd,
						 const struct elm327_reply *reply) = {
	[OBD_PHASE_SETUP] = obd_on_setup_reply,
	[OBD_PHASE_PROBE] = obd_on_probe_reply,
	[OBD_PHASE_SEARCH] = obd_on_search_reply,
	[OBD_PHASE_DETECT] = obd_on_detect_reply,
	[OBD_PHASE_PROTOCOL] = obd_on_protocol_reply,
	[OBD_PHASE_SUPPORT] = obd_on_support_reply,
	[OBD_PHASE_VIN] = obd_on_vin_reply,
	[OBD_PHASE_ITEM] = obd_on_item_reply,
	[OBD_PHASE_PATIENCE] = obd_on_patience_reply,
	[OBD_PHASE_INQUIRY] = obd_on_inquiry_reply,
	[OBD_PHASE_VOLTAGE] = obd_on_voltage_reply,
	[OBD_PHASE_BUS_CLOSE] = obd_on_bus_close_reply,
	[OBD_PHASE_BUS_OPEN] = obd_on_bus_open_reply,
};

static void dispatch(struct obd *obd, const struct elm327_reply *reply)
{
	if (on_replies[obd->phase])
		on_replies[obd->phase](obd, reply);
}

static void on_reply(void *arg, const struct elm327_reply *reply)
{
	struct obd *obd = arg;

	obd->report.rejected += reply->counts.rejected;
	if (obd->phase != OBD_PHASE_SETUP && obd_mend_echo(obd, reply))
		return;
	if (obd->request.on_way)
		on_way_reply(obd, reply);
	else if (obd->phase == OBD_PHASE_SETUP || !obd_mend(obd, reply))
		dispatch(obd, reply);
}

static void on_ready(void *arg)
{
	struct obd *obd = arg;

	if (obd->link.baud)
		obd->baud = obd->link.baud;
	obd->report.baud = obd->link.baud;
	obd_start_setup(obd);
}

static void on_noise(void *arg)
{
	obd_start_setup(arg);
}

static void on_lost(void *arg, int error)
{
	struct obd *obd = arg;

	if (obd->running)
		closed(obd, error);
}

const struct elm_link_events obd_link_events = {
	.ready = on_ready,
	.reply = on_reply,
	.noise = on_noise,
	.lost = on_lost,
};
