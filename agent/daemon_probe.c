#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon_priv.h"
#include "agent/probe/probe.h"
#include "model/wire/value.h"

#define PROBE_US INT64_C(45000000) /* a search and two rounds of values */

/* One source that is looked at. */
struct subject {
	struct source *source;
	struct probe_result result;
};

struct probe {
	struct loop *loop;
	struct subject subjects[WIRE_SOURCES_MAX];
	size_t count;
};

static void on_update(void *arg, const struct model_update *update)
{
	struct probe *probe = arg;

	for (size_t i = 0; i < probe->count; i++) {
		struct subject *subject = &probe->subjects[i];

		if (strcmp(subject->source->config->name, update->source) == 0)
			probe_take_update(&subject->result, update);
	}
}

static void on_changed(void *arg, struct source *source)
{
	(void)arg;
	(void)source;
}

/* Known whole, or in trouble that will not pass by waiting. */
static bool is_decided(const struct subject *subject)
{
	struct source_report report;

	subject->source->ops->report(subject->source, &report);
	return subject->result.known.keyframe || report.state == SOURCE_ERROR ||
	       strcmp(report.reason, "vehicle_asleep") == 0 ||
	       strcmp(report.reason, "source_silent") == 0;
}

static void put_values(struct jw *w, const struct model_update *known)
{
	jw_open_object(w);
	for (size_t i = 0; i < known->item_count; i++) {
		const enum model_field field = (enum model_field)known->items[i].field;

		if (field == MODEL_FIELD_IDENTITY_VIN)
			continue; /* shown masked */
		jw_key(w, model_field_info(field)->path);
		wire_value_encode(w, field, &known->items[i].value);
	}
	jw_close_object(w);
}

static int print_json(const struct probe *probe)
{
	struct buf out;
	struct jw w;
	int r;

	buf_init(&out, CONTROL_ANSWER_MAX);
	jw_init(&w, &out);
	jw_open_object(&w);
	jw_key(&w, "sources");
	jw_open_array(&w);
	for (size_t i = 0; i < probe->count; i++) {
		jw_open_object(&w);
		daemon_encode_source(&w, probe->subjects[i].source, loop_now_us(probe->loop));
		jw_key(&w, "readings");
		put_values(&w, &probe->subjects[i].result.known);
		jw_close_object(&w);
	}
	jw_close_array(&w);
	jw_close_object(&w);
	r = out.error;
	if (!r)
		(void)printf("%s\n", buf_text(&out));
	buf_free(&out);
	return r;
}

/* The configured profile stands where one that was found would. */
static int print_one(struct subject *subject)
{
	const struct source_config *config = subject->source->config;
	struct probe_result *result = &subject->result;
	struct buf out;
	int r;

	probe_take_source(result, subject->source);
	result->candidates[0].profile = config->profile;
	result->candidates[0].vin_match = profile_matches_vin(config->profile, result->report.vin);
	result->candidate_count = 1;
	result->suggested = 0;
	buf_init(&out, CONTROL_ANSWER_MAX);
	buf_printf(&out, "[source %s] of %s, ", config->name, config->device_id);
	probe_say(result, config->device, false, &out);
	r = out.error;
	if (!r)
		(void)fputs(buf_text(&out), stdout);
	buf_free(&out);
	return r;
}

static int make_subjects(struct probe *probe, const struct agent_config *config,
			 const struct source_env *env, const char *only)
{
	int r = 0;

	for (size_t i = 0; i < config->source_count && !r; i++) {
		const struct source_config *source = &config->sources[i];
		struct subject *subject = &probe->subjects[probe->count];

		if (only && strcmp(only, source->name) != 0)
			continue;
		r = source_kind(source->kind)->create(source, env, &subject->source);
		if (r)
			break;
		probe_init(&subject->result);
		probe->count++;
		r = subject->source->ops->start(subject->source);
	}
	return r;
}

static int wait_for_all(struct probe *probe)
{
	const int64_t until = loop_now_us(probe->loop) + PROBE_US;

	while (loop_now_us(probe->loop) < until) {
		size_t decided = 0;
		int r;

		for (size_t i = 0; i < probe->count; i++)
			decided += is_decided(&probe->subjects[i]);
		if (decided == probe->count)
			return 0;
		r = loop_run_once(probe->loop, 200);
		if (r < 0)
			return r;
	}
	return 0;
}

static int show(struct probe *probe, bool json)
{
	int bad = 0;
	int r = json ? print_json(probe) : 0;

	for (size_t i = 0; i < probe->count && !r && !json; i++) {
		if (i > 0)
			(void)putchar('\n');
		r = print_one(&probe->subjects[i]);
	}
	for (size_t i = 0; i < probe->count; i++) {
		struct source_report report;

		probe->subjects[i].source->ops->report(probe->subjects[i].source, &report);
		bad += report.state != SOURCE_OK;
	}
	return r ? r : bad > 0;
}

int daemon_probe(const struct agent_config *config, const char *only, bool json)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	struct source_env env = {.opener = stream_opener_linux(),
				 .can = canbus_opener_linux(),
				 .update = on_update,
				 .changed = on_changed,
				 .arg = probe};
	struct clock_system clock;
	int r;

	if (!probe)
		return -ENOMEM;
	r = clock_system_init(&clock, config->trust);
	if (!r)
		r = loop_create(&clock.clock, &probe->loop);
	env.loop = probe->loop;
	if (!r)
		r = make_subjects(probe, config, &env, only);
	if (!r && !probe->count)
		r = -ENOENT;
	if (!r)
		r = wait_for_all(probe);
	if (!r)
		r = show(probe, json);
	for (size_t i = 0; i < probe->count; i++)
		probe->subjects[i].source->ops->destroy(probe->subjects[i].source);
	loop_destroy(probe->loop);
	free(probe);
	return r;
}
