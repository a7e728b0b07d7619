#include "tests/unit/agent/day.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"

#define FAULTS_TOLD 20
#define ANSWER_US (30 * DAY_MS)

void day_fault(struct day *day, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the analyzer misreads va_start */
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (++day->faults <= FAULTS_TOLD)
		(void)fprintf(day->report, "%9.1f s: %s\n", (double)day_now_us(day) / DAY_SECOND,
			      text);
}

int64_t day_now_us(const struct day *day)
{
	return loop_now_us(day->loop);
}

int64_t day_wall_ms(int64_t mono_us)
{
	return DAY_WALL_MS + mono_us / 1000;
}

/* ---- the line ---- */

static void deliver(struct day *day)
{
	if (day->out.len && stream_fake_give(day->line, day->out.data, day->out.len))
		abort();
	buf_reset(&day->out);
}

static void on_write(struct stream_fake *line, const void *data, size_t len, void *arg)
{
	struct day *day = arg;
	const char *bytes = data;

	(void)line;
	if (day->setup.no_voltage && len == 5 && memcmp(bytes, "ATRV\r", len) == 0)
		buf_append(&day->out, "?\r\r>", 4);
	else
		for (size_t i = 0; i < len; i++)
			elm327_hear(&day->elm, bytes[i], day_now_us(day), &day->out);
	deliver(day);
}

static void on_served(void *arg, const uint8_t *answer, size_t len)
{
	struct day *day = arg;

	(void)answer;
	(void)len;
	day->answers++;
}

static void on_update(void *arg, const struct model_update *update)
{
	struct day *day = arg;

	day_judge_update(day, update);
	if (sampler_update(day->sampler, update, day_now_us(day)))
		day_fault(day, "the sampler refuses an update");
}

static void on_changed(void *arg, struct source *source)
{
	(void)arg;
	(void)source;
}

/* ---- time ---- */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void end_minute(struct day *day)
{
	struct day_minute *minute = &day->minutes[day->minute_count];
	struct source_report report;

	if (day->minute_count == DAY_MINUTES)
		return;
	day->source->ops->report(day->source, &report);
	minute->activity = day->vehicle.activity;
	minute->asleep = vehicle_asleep(&day->vehicle);
	minute->frames = day->wire ? day->port.bus.frames : day->elm.bus.frames;
	minute->requests = day->vehicle.counts.requests;
	minute->requests_asleep = day->vehicle.counts.requests_asleep;
	minute->looks = report.rhythm.looks;
	minute->updates = day->updates;
	minute->values = day->values;
	minute->records = day->records;
	day_core_minute(day, minute);
	day->minute_count++;
}

/* Everything that is to happen now happens. */
static void settle(struct day *day)
{
	const int64_t now = day_now_us(day);

	vehicle_step(&day->vehicle, now);
	day_judge_truth(day);
	if (elm327_due_us(&day->elm) <= now) {
		elm327_advance(&day->elm, now, &day->out);
		day_judge_truth(day);
		deliver(day);
	}
	while (loop_run_once(day->loop, 0) > 0)
		;
	if (sampler_due(day->sampler) <= now && sampler_run(day->sampler, now))
		day_fault(day, "the sampler cannot seal");
}

void day_run(struct day *day, int64_t until_us)
{
	settle(day);
	while (day_now_us(day) < until_us) {
		const int64_t minute_us = (int64_t)(day->minute_count + 1) * DAY_MINUTE;
		int64_t next = sooner(until_us, minute_us);

		next = sooner(next, elm327_due_us(&day->elm));
		next = sooner(next, loop_due_us(day->loop));
		next = sooner(next, sampler_due(day->sampler));
		if (next > day_now_us(day))
			clock_fake_advance(&day->clock, next - day_now_us(day));
		settle(day);
		if (day_now_us(day) >= minute_us)
			end_minute(day);
	}
}

/* ---- beginning and end ---- */

static int make_source(struct day *day)
{
	day->config = (struct source_config){
		.name = "obd0",
		.kind = "obd",
		.device = day->wire ? "can:can0" : "serial:/dev/day",
		.device_id = "day",
		.signals = "",
		.profile = day->profile,
		.baud = 38400,
		.timeout_us = 2 * DAY_SECOND,
		.rhythm = day->setup.rhythm,
		.simulated = true,
	};
	day->env = (struct source_env){
		.loop = day->loop,
		.opener = stream_fake_opener(day->line),
		.can = day->wire ? can_fake_opener(day->wire) : NULL,
		.update = on_update,
		.changed = on_changed,
		.arg = day,
	};
	return source_obd_ops.create(&day->config, &day->env, &day->source);
}

static int put_on_can(struct day *day)
{
	int r = can_fake_create(&day->clock.clock, &day->wire);

	if (r)
		return r;
	can_fake_set_rate(day->wire, 500000, 100);
	day->port.served = on_served;
	day->port.served_arg = day;
	return can_port_open(&day->port, day->loop, can_fake_opener(day->wire), "can0",
			     &day->vehicle, ANSWER_US);
}

int day_begin(struct day *day, const struct day_setup *setup, const struct profile *profile)
{
	int r;

	memset(day, 0, sizeof(*day));
	day->setup = *setup;
	day->profile = profile;
	day->report = stdout;
	clock_fake_init(&day->clock, DAY_WALL_MS, 0);
	buf_init(&day->out, 65536);
	r = loop_create(&day->clock.clock, &day->loop);
	if (r)
		return r;
	r = stream_fake_create(&day->line);
	if (r)
		return r;
	stream_fake_on_write(day->line, on_write, day);
	vehicle_init_kind(&day->vehicle, setup->kind, 1, 0);
	day->vehicle.soc_pct = 70;
	vehicle_set_script(&day->vehicle, setup->legs, setup->leg_count);
	elm327_init(&day->elm, &day->vehicle, 1, ANSWER_US);
	elm327_set_temperament(&day->elm, setup->temperament);
	day->elm.served = on_served;
	day->elm.served_arg = day;
	if (setup->over_can) {
		r = put_on_can(day);
		if (r)
			return r;
	}
	day_judge_begin(day);
	r = day_core_begin(day);
	if (r)
		return r;
	r = make_source(day);
	return r ? r : day->source->ops->start(day->source);
}

void day_end(struct day *day)
{
	if (day->source)
		day->source->ops->destroy(day->source);
	day_core_end(day);
	can_port_close(&day->port);
	can_fake_destroy(day->wire);
	elm327_fini(&day->elm);
	stream_fake_destroy(day->line);
	loop_destroy(day->loop);
	buf_free(&day->out);
}
