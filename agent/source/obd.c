/* The source as others see it: made, started, stopped, asked for a report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/obd_priv.h"

/* ---- is the configuration right? ---- */

static int check_signals(const struct source_config *config, char *expected, size_t size)
{
	const size_t count = profile_command_count(config->profile);
	struct obd_want *wants = calloc(count + 1, sizeof(*wants));
	int r;

	if (!wants)
		return -ENOMEM;
	r = obd_wants_make(config->profile, config->signals, config->period_us, wants, expected,
			   size);
	free(wants);
	return r < 0 ? r : 0;
}

static bool check_device(const struct source_config *config, char *expected, size_t size)
{
	if (!canbus_interface(config->device) && !stream_address_valid(config->device)) {
		(void)snprintf(expected, size, OBD_ADDRESS_FORMS ", not '%.80s'", config->device);
		return false;
	}
	return true;
}

static int obd_check(const struct source_config *config, const char **ret_key, char *expected,
		     size_t size)
{
	int r;

	if (!check_device(config, expected, size)) {
		*ret_key = "device";
		return -EINVAL;
	}
	if (config->rhythm.wake_above_v <= config->rhythm.sleep_below_v) {
		*ret_key = "wake_voltage";
		(void)snprintf(expected, size, "a voltage above sleep_voltage");
		return -EINVAL;
	}
	r = check_signals(config, expected, size);
	if (r == -EINVAL)
		*ret_key = "signals";
	return r;
}

/* ---- life ---- */

static void obd_destroy(struct source *source);

static int create_bus(struct obd *obd)
{
	const struct obd_bus common = {
		.config = obd->source.config,
		.env = obd->source.env,
		.events = &obd_bus_events,
		.arg = obd,
	};

	if (canbus_interface(common.config->device))
		return obd_can_create(&common, obd_plan_protocol(obd->profile), &obd->bus);
	return obd_elm_create(&common, obd_plan_protocol(obd->profile), &obd->bus);
}

static int obd_create(const struct source_config *config, const struct source_env *env,
		      struct source **ret_source)
{
	struct obd *obd = calloc(1, sizeof(*obd));
	int r;

	if (!obd)
		return -ENOMEM;
	obd->source.ops = &source_obd_ops;
	obd->source.config = config;
	obd->source.env = env;
	obd->profile = config->profile;
	r = create_bus(obd);
	if (!r)
		r = obd_reading_create(obd->profile, &obd->reading);
	if (!r)
		r = obd_plan_make(obd);
	if (r) {
		obd_destroy(&obd->source);
		return r;
	}
	obd->fresh = true;
	obd->failing_us = MODEL_NO_TIME;
	obd->report.reason = obd_starting;
	obd->report.state = SOURCE_SILENT;
	obd->report.last_ok_us = MODEL_NO_TIME;
	obd->report.since_us = loop_now_us(env->loop);
	obd->report.profile = profile_name(obd->profile);
	obd->report.vin_judgement = "";
	obd->report.wake_budget = config->rhythm.wake_budget;
	(void)snprintf(obd->report.detail, sizeof(obd->report.detail), "%s",
		       "The adapter is being set up.");
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
	return obd_wait(obd, 0, obd_open);
}

static void obd_stop(struct source *source)
{
	struct obd *obd = (struct obd *)source;

	obd->running = false;
	loop_timer_cancel(&obd->timer);
	if (obd->bus)
		obd->bus->ops->close(obd->bus);
	obd_forget_way(obd);
}

static void obd_destroy(struct source *source)
{
	struct obd *obd = (struct obd *)source;

	if (!obd)
		return;
	obd_stop(source);
	if (obd->bus)
		obd->bus->ops->destroy(obd->bus);
	obd_plan_free(obd);
	obd_reading_destroy(obd->reading);
	free(obd);
}

static void obd_report(const struct source *source, struct source_report *ret_report)
{
	const struct obd *obd = (const struct obd *)source;
	const int64_t now = obd_now_us(obd);

	*ret_report = obd->report;
	ret_report->requests = obd->bus->requests;
	ret_report->rejected += obd->bus->rejected;
	obd->bus->ops->report(obd->bus, ret_report);
	ret_report->activity = obd_activity_name(obd_reading_activity(obd->reading, now));
	rhythm_stats(obd->rhythm, now, &ret_report->rhythm);
	obd_reading_counts(obd->reading, &ret_report->readings);
	ret_report->refusals = obd->refusals;
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
