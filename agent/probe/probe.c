#include "agent/probe/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define STEP_MS 100
#define LOOK_US (90 * SECOND)    /* all speeds of a line, a set-up, a search, a round */
#define MENDING_US (15 * SECOND) /* what may pass by itself */
#define INQUIRE_US (60 * SECOND)
#define DETECT_US (25 * SECOND)
#define ROUND_US (60 * SECOND)

struct probe {
	const struct probe_request *request;
	struct probe_result *result;
	struct loop *loop;
	struct source_env env;
	struct source_config config;
	struct source *source;
};

/* ---- what the source tells ---- */

/* Texts are kept once: their memory is never given back. */
static void keep(struct model_update *known, const struct model_item *item)
{
	const enum model_field field = (enum model_field)item->field;
	const enum model_type type = model_field_info(field)->type;

	if ((type == MODEL_TYPE_TEXT || type == MODEL_TYPE_LIST) && model_update_get(known, field))
		return;
	if (!item->null)
		(void)model_update_set_value(known, field, &item->value);
}

void probe_take_update(struct probe_result *result, const struct model_update *update)
{
	for (size_t i = 0; i < update->item_count; i++)
		keep(&result->known, &update->items[i]);
	result->known.keyframe = result->known.keyframe || update->keyframe;
}

static void on_update(void *arg, const struct model_update *update)
{
	struct probe *probe = arg;

	probe_take_update(probe->result, update);
}

static void on_changed(void *arg, struct source *source)
{
	(void)arg;
	(void)source;
}

static void say(const struct probe *probe, const char *what)
{
	if (probe->request->progress)
		probe->request->progress(probe->request->arg, what);
}

/* ---- one source at a time ---- */

static void end_source(struct probe *probe)
{
	if (probe->source)
		probe->source->ops->destroy(probe->source);
	probe->source = NULL;
}

static int begin_source(struct probe *probe, const struct profile *profile)
{
	int r;

	end_source(probe);
	model_update_init(&probe->result->known, &probe->result->room);
	probe->config.profile = profile;
	r = source_obd_ops.create(&probe->config, &probe->env, &probe->source);
	return r ? r : probe->source->ops->start(probe->source);
}

/* Trouble that opening the device tells does not pass by waiting a little; that of a bus may. */
static bool is_hopeless(const struct source_report *report, int64_t since_us)
{
	if (report->state == SOURCE_ERROR)
		return strncmp(report->reason, "adapter_", strlen("adapter_")) == 0 ||
		       since_us > MENDING_US;
	return report->state == SOURCE_SILENT && strcmp(report->reason, "source_silent") == 0;
}

enum until {
	UNTIL_FOUND, /* a vehicle, or that there is none */
	UNTIL_ROUND, /* and its values */
	UNTIL_ASKED, /* the inquiries */
};

static bool is_over(struct probe *probe, enum until until)
{
	const int64_t now = loop_now_us(probe->loop);
	struct source_report report;
	struct obd_view view;

	probe->source->ops->report(probe->source, &report);
	obd_view(probe->source, &view);
	if (until == UNTIL_ASKED && view.inquiries_left == 0)
		return true;
	if (view.connected)
		return until == UNTIL_FOUND ||
		       (until == UNTIL_ROUND &&
			(probe->result->known.keyframe || report.values == 0));
	return view.asleep || is_hopeless(&report, now - report.since_us);
}

static int run_until(struct probe *probe, enum until until, int64_t most_us)
{
	const int64_t end_us = loop_now_us(probe->loop) + most_us;

	while (!is_over(probe, until) && loop_now_us(probe->loop) < end_us) {
		const int r = loop_run_once(probe->loop, STEP_MS);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- what was found ---- */

/* The source's own lists end with the source. */
static void take_report(struct probe_result *result, const struct source *source)
{
	struct source_report *report = &result->report;

	source->ops->report(source, report);
	result->refusal_count = 0;
	for (size_t i = 0; i < report->refusal_count && i < PROBE_REFUSALS_MAX; i++) {
		struct probe_refusal *refusal = &result->refusals[result->refusal_count++];

		(void)snprintf(refusal->what, sizeof(refusal->what), "%s",
			       report->refusals[i].what);
		memcpy(refusal->reason, report->refusals[i].reason, sizeof(refusal->reason));
	}
	report->refusals = NULL;
}

void probe_take_source(struct probe_result *result, const struct source *source)
{
	take_report(result, source);
	obd_view(source, &result->view);
	memcpy(result->units, result->view.units,
	       result->view.unit_count * sizeof(result->units[0]));
	result->can = (struct elm327_capabilities){.has = 0};
	if (result->view.can)
		result->can = *result->view.can;
	result->view.units = result->units;
	result->view.can = &result->can;
	result->found = result->view.connected;
}

void probe_init(struct probe_result *result)
{
	memset(result, 0, sizeof(*result));
	result->suggested = -1;
	result->unreadable = -1;
	result->report.reason = "";
	result->report.activity = "";
	result->report.vin_judgement = "";
	model_update_init(&result->known, &result->room);
}

static void list_candidates(struct probe *probe)
{
	struct probe_result *result = probe->result;
	const struct profile *profile;

	for (size_t i = 0; (profile = profiles_at(probe->request->profiles, i)) != NULL &&
			   result->candidate_count < PROBE_CANDIDATES_MAX;
	     i++) {
		struct probe_candidate *candidate = &result->candidates[result->candidate_count++];

		candidate->profile = profile;
		candidate->inquiry.command = profile_detect(profile);
	}
}

static void match_vins(struct probe_result *result)
{
	for (size_t i = 0; i < result->candidate_count; i++)
		result->candidates[i].vin_match =
			profile_matches_vin(result->candidates[i].profile, result->report.vin);
}

/* ---- asking ---- */

static bool same_question(const struct profile_command *a, const struct profile_command *b)
{
	return a->ecu.tx == b->ecu.tx && a->ecu.rx == b->ecu.rx &&
	       a->ecu.id_bits == b->ecu.id_bits && a->ecu.extension == b->ecu.extension &&
	       a->request_len == b->request_len &&
	       memcmp(a->request, b->request, a->request_len) == 0;
}

/* Families share questions: each is asked once. */
static const struct obd_inquiry *asked_before(const struct probe_result *result, size_t index)
{
	const struct profile_command *command = result->candidates[index].inquiry.command;

	for (size_t i = 0; i < index; i++) {
		const struct obd_inquiry *other = &result->candidates[i].inquiry;

		if (other->command && other->outcome != OBD_INQUIRY_OPEN &&
		    same_question(other->command, command))
			return other;
	}
	return NULL;
}

static int inquire(struct probe *probe, struct probe_candidate *candidate)
{
	int r = obd_inquire(probe->source, &candidate->inquiry, 1);

	if (!r)
		r = run_until(probe, UNTIL_ASKED, INQUIRE_US);
	(void)obd_inquire(probe->source, NULL, 0);
	return r;
}

static int ask_all(struct probe *probe)
{
	struct probe_result *result = probe->result;
	int r = 0;

	for (size_t i = 0; i < result->candidate_count && !r; i++) {
		struct probe_candidate *candidate = &result->candidates[i];
		const struct obd_inquiry *other;

		if (!candidate->inquiry.command)
			continue;
		other = asked_before(result, i);
		if (other) {
			const struct profile_command *command = candidate->inquiry.command;

			candidate->inquiry = *other;
			candidate->inquiry.command = command;
			continue;
		}
		say(probe, profile_title(candidate->profile));
		r = inquire(probe, candidate);
	}
	return r;
}

static void take_detect(const struct probe_result *result, struct obd_inquiry *inquiry)
{
	inquiry->problem = result->found ? NULL : result->view.detect_problem;
	if (result->found)
		inquiry->outcome = OBD_INQUIRY_ANSWERED;
	else
		inquiry->outcome = inquiry->problem ? OBD_INQUIRY_UNREACHABLE : OBD_INQUIRY_SILENT;
	inquiry->ecu = inquiry->command->ecu.rx;
}

/* Nobody answers when everybody is asked. With a profile the source asks what that family answers. */
static int search_by_profile(struct probe *probe)
{
	struct probe_result *result = probe->result;
	const struct source_report first = result->report;
	int r = 0;

	for (size_t i = 0; i < result->candidate_count && !r && !result->found; i++) {
		struct probe_candidate *candidate = &result->candidates[i];
		const struct obd_inquiry *other;

		if (!candidate->inquiry.command)
			continue;
		other = asked_before(result, i);
		if (other) {
			candidate->inquiry.outcome = other->outcome;
			candidate->inquiry.problem = other->problem;
			continue;
		}
		say(probe, profile_title(candidate->profile));
		r = begin_source(probe, candidate->profile);
		if (!r)
			r = run_until(probe, UNTIL_FOUND, DETECT_US);
		if (!r)
			probe_take_source(result, probe->source);
		take_detect(result, &candidate->inquiry);
	}
	/* What one family's question met says nothing of the vehicle. */
	if (!r && !result->found) {
		result->report.state = first.state;
		result->report.reason = first.reason;
		memcpy(result->report.detail, first.detail, sizeof(first.detail));
	}
	return r;
}

/* ---- the suggestion ---- */

/* A VIN that does not fit its own family's question is worth less than the question's answer. */
static int weight_of(const struct probe_candidate *candidate)
{
	const bool vin = candidate->vin_match > 0;

	switch (candidate->inquiry.command ? candidate->inquiry.outcome : OBD_INQUIRY_OPEN) {
	case OBD_INQUIRY_ANSWERED:
		return vin ? 4 : 2;
	case OBD_INQUIRY_SILENT:
	case OBD_INQUIRY_REFUSED:
		return vin ? 1 : 0;
	default:
		return vin ? 3 : 0;
	}
}

static bool is_generic(const struct profile *profile)
{
	return strcmp(profile_name(profile), "generic") == 0;
}

static int find_generic(const struct probe_result *result)
{
	for (size_t i = 0; i < result->candidate_count; i++)
		if (is_generic(result->candidates[i].profile))
			return (int)i;
	return -1;
}

static void suggest(struct probe_result *result)
{
	int best = -1;

	for (size_t i = 0; i < result->candidate_count; i++) {
		const struct probe_candidate *candidate = &result->candidates[i];
		const struct probe_candidate *leader = best < 0 ? NULL : &result->candidates[best];
		const int weight = weight_of(candidate);

		if (weight > 0 && !is_generic(candidate->profile) &&
		    (!leader || weight > weight_of(leader) ||
		     (weight == weight_of(leader) && candidate->vin_match > leader->vin_match)))
			best = (int)i;
	}
	/* What SAE J1979 has for everybody: where units answered that. */
	if (best < 0 && result->view.unit_count > 0)
		best = find_generic(result);
	result->suggested = best;
}

/* ---- the course ---- */

static const struct profile *generic_of(const struct profiles *profiles)
{
	const struct profile *profile;

	for (size_t i = 0; (profile = profiles_at(profiles, i)) != NULL; i++)
		if (is_generic(profile))
			return profile;
	return NULL;
}

/* Reads the suggested profile for a round, where that was not done while looking. */
static int read_round(struct probe *probe)
{
	struct probe_result *result = probe->result;
	const struct profile *profile = result->candidates[result->suggested].profile;
	int r = 0;

	say(probe, "reading the vehicle");
	if (profile != probe->config.profile)
		r = begin_source(probe, profile);
	if (!r)
		r = run_until(probe, UNTIL_ROUND, ROUND_US);
	if (!r)
		take_report(result, probe->source);
	return r;
}

/* A family whose every command this adapter cannot send is read as any vehicle, as far as that goes. */
static int read_what_can_be(struct probe *probe)
{
	struct probe_result *result = probe->result;
	int r = read_round(probe);

	if (r || result->report.values > 0 || result->view.unit_count == 0 ||
	    is_generic(result->candidates[result->suggested].profile))
		return r;
	result->unreadable = result->suggested;
	result->suggested = find_generic(result);
	return read_round(probe);
}

static int find_vehicle(struct probe *probe, const struct profile *generic)
{
	struct probe_result *result = probe->result;
	int r;

	say(probe, "looking for the adapter and the vehicle");
	r = begin_source(probe, generic);
	if (!r)
		r = run_until(probe, UNTIL_FOUND, LOOK_US);
	if (r)
		return r;
	probe_take_source(result, probe->source);
	if (result->found)
		return ask_all(probe);
	return result->view.asleep ? search_by_profile(probe) : 0;
}

static int take_course(struct probe *probe)
{
	const struct profile *generic = generic_of(probe->request->profiles);
	int r;

	if (!generic)
		return -EINVAL;
	list_candidates(probe);
	r = find_vehicle(probe, generic);
	if (r || !probe->result->found)
		return r;
	match_vins(probe->result);
	suggest(probe->result);
	return probe->result->suggested < 0 ? 0 : read_what_can_be(probe);
}

int probe_run(const struct probe_request *request, struct stream_opener *opener,
	      struct clock *clock, struct probe_result *result)
{
	struct probe probe = {
		.request = request,
		.result = result,
		.env = {.opener = opener,
			.can = request->can,
			.update = on_update,
			.changed = on_changed,
			.arg = &probe},
		.config = {.name = "probe",
			   .kind = "obd",
			   .device = request->device,
			   .device_id = "probe",
			   .signals = "",
			   .baud = request->baud,
			   .timeout_us = 5 * SECOND},
	};
	int r;

	probe_init(result);
	rhythm_defaults(&probe.config.rhythm);
	r = loop_create(clock, &probe.loop);
	if (r)
		return r;
	probe.env.loop = probe.loop;
	r = take_course(&probe);
	end_source(&probe);
	loop_destroy(probe.loop);
	return r;
}
