#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "tests/unit/agent/obd_bench.h"

#define LINES_MAX 160

struct line {
	char command[48];
	const char *reply;
	int count;
	bool is_set;
};

struct bench bench;

static struct line lines[LINES_MAX];
static size_t line_count;
static const char *vehicle;
static char sent[256 * 1024];
static size_t sent_len;
static char input[64];
static size_t input_len;
static int mute;
static struct clock_fake fake_clock;
static struct loop *loop;
static struct source_env env;

const char bench_generic[] =
	"[profile]\nname = test\n"
	"[command speed]\nrequest = 01 0D\nperiod = 1 s\n"
	"[command rpm]\nrequest = 01 0C\nperiod = 1 s\n"
	"[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\ntrust = sources\n"
	"field = vehicle_state.speed_kmh\n"
	"[signal rpm]\ncommand = rpm\nbytes = 0 2\ndiv = 4\nunit = rpm\ntrust = sources\n"
	"field = vehicle_state.engine_rpm\n";

/* ---- the adapter ---- */

static struct line *line_of(const char *command)
{
	for (size_t i = 0; i < line_count; i++)
		if (strcmp(lines[i].command, command) == 0)
			return &lines[i];
	assert_true(line_count < LINES_MAX);
	lines[line_count] = (struct line){.reply = NULL};
	(void)snprintf(lines[line_count].command, sizeof(lines[0].command), "%s", command);
	return &lines[line_count++];
}

void bench_reply(const char *command, const char *reply)
{
	struct line *line = line_of(command);

	line->reply = reply;
	line->is_set = true;
}

void bench_vehicle(const char *reply)
{
	vehicle = reply;
}

void bench_mute(int commands)
{
	mute = commands;
}

int bench_count(const char *command)
{
	return line_of(command)->count;
}

static const char *answer(const char *command)
{
	struct line *line = line_of(command);

	line->count++;
	if (line->is_set)
		return line->reply;
	if (strncmp(command, "ST", 2) == 0)
		return "?";
	return strncmp(command, "AT", 2) == 0 ? "OK" : vehicle;
}

static void note_sent(char c)
{
	assert_true(sent_len + 1 < sizeof(sent));
	sent[sent_len++] = c;
	sent[sent_len] = '\0';
}

const char *bench_sent(void)
{
	return sent;
}

void bench_forget(void)
{
	sent_len = 0;
	sent[0] = '\0';
}

static void on_write(struct stream_fake *device, const void *data, size_t len, void *arg)
{
	const char *bytes = data;

	(void)arg;
	/* At another speed it hears noise. */
	if (bench.speed && stream_fake_baud(device) != bench.speed) {
		assert_int_equal(stream_fake_give(device, "\xf8\x80\xe6", 3), 0);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		const char *reply;

		if (bytes[i] == ' ')
			continue; /* as adapters do */
		note_sent(bytes[i]);
		if (bytes[i] != '\r') {
			assert_true(input_len + 1 < sizeof(input));
			input[input_len++] = bytes[i];
			continue;
		}
		input[input_len] = '\0';
		input_len = 0;
		if (mute > 0) {
			mute--;
			continue;
		}
		reply = answer(input);
		if (!reply)
			continue;
		assert_int_equal(stream_fake_give_text(device, reply), 0);
		assert_int_equal(stream_fake_give_text(device, "\r\r>"), 0);
	}
}

/* ---- what comes out ---- */

static void keep_text(char out[static 64], const struct model_text *text)
{
	size_t len = text->len < 63 ? text->len : 63;

	memcpy(out, text->data, len);
	for (size_t i = 0; i < len; i++)
		if (out[i] == '\0')
			out[i] = ' ';
	out[len] = '\0';
}

static void on_update(void *arg, const struct model_update *update)
{
	struct bench_seen *seen = arg;

	seen->updates++;
	seen->keyframes += update->keyframe;
	memcpy(seen->vin, update->vin, sizeof(seen->vin));
	assert_string_equal(update->device_id, "bus-12");
	assert_string_equal(update->provider, "obd");
	for (size_t i = 0; i < update->item_count; i++) {
		const struct model_item *item = &update->items[i];
		const enum model_type type = model_field_info((enum model_field)item->field)->type;

		if (item->null)
			continue;
		seen->given[item->field]++;
		if (type == MODEL_TYPE_NUMBER)
			seen->number[item->field] = item->value.as.number;
		else if (type == MODEL_TYPE_TEXT || type == MODEL_TYPE_LIST)
			keep_text(seen->text[item->field], &item->value.as.text);
		else
			seen->integer[item->field] = item->value.as.integer;
	}
}

static void on_changed(void *arg, struct source *changed)
{
	(void)changed;
	((struct bench_seen *)arg)->changes++;
}

/* ---- life ---- */

void bench_make_allowed(const char *text, profile_allowed_fn *allowed)
{
	memset(&bench, 0, sizeof(bench));
	line_count = 0;
	input_len = 0;
	bench_forget();
	mute = 0;
	vehicle = "NO DATA";
	assert_int_equal(
		profile_parse(text, strlen(text), "test.conf", allowed, stderr, &bench.profile), 0);
	bench.config = (struct source_config){
		.name = "obd0",
		.kind = "obd",
		.device = "serial:/dev/fake",
		.device_id = "bus-12",
		.profile = bench.profile,
		.signals = "",
		.baud = 38400,
		.timeout_us = 2 * SECOND,
	};
	rhythm_defaults(&bench.config.rhythm);
	bench.config.rhythm.asleep_retry_us = 30 * SECOND;
	bench.config.rhythm.wake_budget = 5000;
	clock_fake_init(&fake_clock, 0, SECOND);
	assert_int_equal(loop_create(&fake_clock.clock, &loop), 0);
	assert_int_equal(stream_fake_create(&bench.device), 0);
	stream_fake_on_write(bench.device, on_write, NULL);
	env = (struct source_env){
		.loop = loop,
		.opener = stream_fake_opener(bench.device),
		.update = on_update,
		.changed = on_changed,
		.arg = &bench.seen,
	};
	bench_reply("ATZ", "\r\rELM327 v1.5");
	bench_reply("ATI", "ELM327 v1.5");
	bench_reply("ATDPN", "A6");
	bench_reply("ATFE", "?");
	/* Supported: 0C and 0D. */
	bench_reply("0100", "SEARCHING...\r7E806410000180000");
	bench_reply("0902", "7E81014490201314434\r7E82147503030525835\r7E82242313233343536");
	bench_reply("010D", "7E803410D32");
	bench_reply("010C", "7E804410C1AF8");
	bench_reply("010D0C", "?");
	bench_reply("010C0D", "?");
}

void bench_make(const char *text)
{
	bench_make_allowed(text, obd2_request_allowed);
}

void bench_start(void)
{
	assert_int_equal(source_obd_ops.create(&bench.config, &env, &bench.source), 0);
	assert_int_equal(source_obd_ops.start(bench.source), 0);
}

void bench_end(void)
{
	if (bench.source)
		source_obd_ops.destroy(bench.source);
	stream_fake_destroy(bench.device);
	loop_destroy(loop);
	profile_free(bench.profile);
}

int bench_setup(void **state)
{
	(void)state;
	bench_make(bench_generic);
	bench_start();
	return 0;
}

int bench_teardown(void **state)
{
	(void)state;
	bench_end();
	return 0;
}

void bench_pass(int64_t us)
{
	for (int64_t t = 0; t < us; t += 10 * MS) {
		clock_fake_advance(&fake_clock, 10 * MS);
		for (int i = 0; i < 100 && loop_run_once(loop, 0) > 0; i++)
			;
	}
}

struct source_report bench_report(void)
{
	struct source_report report;

	source_obd_ops.report(bench.source, &report);
	return report;
}

const char *bench_refusal(const char *command)
{
	struct source_report report;

	source_obd_ops.report(bench.source, &report);
	for (size_t i = 0; i < report.refusal_count; i++)
		if (strcmp(report.refusals[i].what, command) == 0)
			return report.refusals[i].reason;
	return "";
}
