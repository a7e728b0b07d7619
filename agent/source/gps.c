/* The source as others see it: made, started, stopped, asked for a report. */
#include "agent/source/gps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/gps_priv.h"

static int gps_check(const struct source_config *config, const char **ret_key, char *expected,
		     size_t size)
{
	char address[GPS_ADDRESS_SIZE];
	bool by_gpsd = false;

	*ret_key = "device";
	if (gps_address(config->device, &by_gpsd, address)) {
		(void)snprintf(expected, size,
			       "gpsd, gpsd:ADDRESS:PORT or " STREAM_ADDRESS_FORMS ", not '%.60s'",
			       config->device);
		return -EINVAL;
	}
	if (by_gpsd && !gps_gpsd_there()) {
		(void)snprintf(expected, size,
			       "a receiver of its own: this build has no gpsd (SOURCE_GPS_GPSD)");
		return -EINVAL;
	}
	return 0;
}

static void gps_destroy(struct source *source);

static int gps_create(const struct source_config *config, const struct source_env *env,
		      struct source **ret_source)
{
	static const char serial[] = "serial:";
	struct gps *gps = calloc(1, sizeof(*gps));
	int r;

	if (!gps)
		return -ENOMEM;
	gps->source.ops = &source_gps_ops;
	gps->source.config = config;
	gps->source.env = env;
	r = gps_address(config->device, &gps->by_gpsd, gps->address);
	if (!r && gps->by_gpsd)
		r = gps_gpsd_create(&gps->gpsd);
	if (r) {
		gps_destroy(&gps->source);
		return r;
	}
	gps->is_serial = strncmp(gps->address, serial, sizeof(serial) - 1) == 0;
	gps->report.reason = "starting";
	gps->report.state = SOURCE_SILENT;
	gps->report.last_ok_us = MODEL_NO_TIME;
	gps->report.since_us = loop_now_us(env->loop);
	gps->report.gps.known = true;
	(void)snprintf(gps->report.detail, sizeof(gps->report.detail), "%s",
		       "The receiver has told nothing yet.");
	*ret_source = &gps->source;
	return 0;
}

static int gps_start(struct source *source)
{
	struct gps *gps = (struct gps *)source;

	if (gps->running)
		return 0;
	gps->running = true;
	gps->reopen_us = GPS_REOPEN_MIN_US;
	gps->given_us = gps->fix_us = gps->epoch_us = gps->last_at_ms = MODEL_NO_TIME;
	gps->has_held = false;
	gps->lost = false;
	gps->whole_due = true;
	gps_time_init(&gps->time, source->env->floor_ms);
	gps_line_open(gps);
	return 0;
}

static void gps_stop(struct source *source)
{
	struct gps *gps = (struct gps *)source;

	gps->running = false;
	gps_line_close(gps);
}

static void gps_destroy(struct source *source)
{
	struct gps *gps = (struct gps *)source;

	if (!gps)
		return;
	gps_stop(source);
	gps_gpsd_destroy(gps->gpsd);
	free(gps);
}

static void report_gpsd(const struct gps *gps, struct source_report *ret)
{
	const char *release = gps_gpsd_release(gps->gpsd);

	ret->gps.malformed = gps_gpsd_malformed(gps->gpsd);
	ret->rejected = ret->gps.malformed;
	(void)snprintf(ret->protocol, sizeof(ret->protocol), "gpsd%s%.20s", release[0] ? " " : "",
		       release);
	(void)snprintf(ret->adapter, sizeof(ret->adapter), "%s", gps_gpsd_driver(gps->gpsd));
}

static void report_nmea(const struct gps *gps, struct source_report *ret)
{
	const struct nmea_counts *counts = &gps->nmea.parser.counts;

	ret->gps.bad_checksum = gps->bad_checksum + counts->bad_checksum;
	ret->gps.malformed = gps->malformed + counts->malformed + counts->overlong;
	ret->answers = gps->sentences + counts->sentences;
	ret->rejected = ret->gps.bad_checksum + ret->gps.malformed;
	ret->baud = gps->baud;
	if (gps->baud)
		(void)snprintf(ret->protocol, sizeof(ret->protocol), "NMEA 0183 at %u baud",
			       gps->baud);
	else
		(void)snprintf(ret->protocol, sizeof(ret->protocol), "NMEA 0183");
}

static void gps_report(const struct source *source, struct source_report *ret_report)
{
	const struct gps *gps = (const struct gps *)source;

	*ret_report = gps->report;
	ret_report->gps.refused_times = gps->time.refused;
	if (gps->gpsd)
		report_gpsd(gps, ret_report);
	else
		report_nmea(gps, ret_report);
}

const struct source_ops source_gps_ops = {
	.kind = "gps",
	.check = gps_check,
	.create = gps_create,
	.start = gps_start,
	.stop = gps_stop,
	.report = gps_report,
	.destroy = gps_destroy,
};
