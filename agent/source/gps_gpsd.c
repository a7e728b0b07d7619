/* gpsd's JSON (gpsd_json(5)): TPV a position, SKY the satellites, DEVICES and DEVICE the receivers,
 * VERSION. Not by libgps: docs/decisions/0006-gpsd-without-libgps.md says why. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/gps_priv.h"

#ifdef CONFIG_SOURCE_GPS_GPSD

#include "base/rfc3339.h"
#include "model/wire/json.h"

#define LINE_SIZE 16384 /* gpsd's longest is 10,240 */
#define KMH_PER_MPS 3.6
#define DEVICES_MAX 16

/* TPV's mode and status. */
#define MODE_2D 2
#define MODE_3D 3
#define STATUS_ESTIMATED 5
#define STATUS_TIME_ONLY 7
#define STATUS_SIMULATED 8

struct gps_gpsd {
	char line[LINE_SIZE];
	size_t len;
	bool overlong;
	enum gps_receiver receiver;
	double hdop; /* of the last SKY; 0: not told */
	unsigned satellites;
	int64_t malformed;
	char release[64];
	char driver[64];
};

bool gps_gpsd_there(void)
{
	return true;
}

int gps_gpsd_create(struct gps_gpsd **ret_gpsd)
{
	struct gps_gpsd *gpsd = calloc(1, sizeof(*gpsd));

	if (!gpsd)
		return -ENOMEM;
	*ret_gpsd = gpsd;
	return 0;
}

void gps_gpsd_destroy(struct gps_gpsd *gpsd)
{
	free(gpsd);
}

void gps_gpsd_reset(struct gps_gpsd *gpsd)
{
	gpsd->len = 0;
	gpsd->overlong = false;
	gpsd->receiver = GPS_RECEIVER_UNKNOWN;
	gpsd->hdop = 0;
	gpsd->satellites = 0;
	gpsd->release[0] = '\0';
	gpsd->driver[0] = '\0';
}

/* ---- members ---- */

static bool take_number(const struct jr_value *object, const char *key, double least, double most,
			double *ret)
{
	double value;

	if (!jr_number(jr_get(object, key), &value) || !(value >= least && value <= most))
		return false;
	*ret = value;
	return true;
}

static int64_t integer_of(const struct jr_value *object, const char *key)
{
	int64_t value = 0;

	return jr_integer(jr_get(object, key), &value) ? value : 0;
}

/* ---- reports ---- */

static void take_version(struct gps_gpsd *gpsd, const struct jr_value *report)
{
	if (!jr_string_copy(jr_get(report, "release"), gpsd->release, sizeof(gpsd->release)))
		gpsd->release[0] = '\0';
}

/* gpsd tells when it has opened a receiver, and 0 when that is gone. */
static void take_device(struct gps_gpsd *gpsd, const struct jr_value *device)
{
	const struct jr_value *activated = jr_get(device, "activated");
	const bool there = jr_type(activated) == JR_STRING;

	if (gpsd->receiver == GPS_RECEIVER_THERE && !there && jr_type(activated) == JR_NONE)
		return; /* something else is told of it */
	gpsd->receiver = there ? GPS_RECEIVER_THERE : GPS_RECEIVER_GONE;
	if (there && !jr_string_copy(jr_get(device, "driver"), gpsd->driver, sizeof(gpsd->driver)))
		gpsd->driver[0] = '\0';
}

static void take_devices(struct gps_gpsd *gpsd, const struct jr_value *report)
{
	const struct jr_value *list = jr_get(report, "devices");

	gpsd->receiver = GPS_RECEIVER_NONE;
	for (size_t i = 0; i < jr_count(list) && i < DEVICES_MAX; i++)
		if (gpsd->receiver != GPS_RECEIVER_THERE)
			take_device(gpsd, jr_at(list, i));
}

static void take_sky(struct gps_gpsd *gpsd, const struct jr_value *report)
{
	const struct jr_value *list = jr_get(report, "satellites");
	const int64_t used = integer_of(report, "uSat");
	bool is_used;

	/* Receivers say 99.99 where they do not know. */
	if (!take_number(report, "hdop", 0.01, 99, &gpsd->hdop))
		gpsd->hdop = 0;
	if (jr_type(list) != JR_ARRAY)
		return;
	gpsd->satellites = used > 0 && used < 1000 ? (unsigned)used : 0;
	for (size_t i = 0; !used && i < jr_count(list); i++)
		if (jr_bool(jr_get(jr_at(list, i), "used"), &is_used) && is_used)
			gpsd->satellites++;
}

/* Simulated and time-only ones are no positions; neither are estimates without satellites. */
static bool is_position(const struct jr_value *report)
{
	const int64_t status = integer_of(report, "status");

	return integer_of(report, "mode") >= MODE_2D && status != STATUS_SIMULATED &&
	       status != STATUS_TIME_ONLY && status != STATUS_ESTIMATED;
}

/* eph since 3.20, before it an error each way. */
static bool take_accuracy(const struct gps_gpsd *gpsd, const struct jr_value *report, double *ret)
{
	double east, north;

	if (take_number(report, "eph", 0.001, 1e6, ret))
		return true;
	if (take_number(report, "epx", 0.001, 1e6, &east) &&
	    take_number(report, "epy", 0.001, 1e6, &north)) {
		*ret = sqrt(east * east + north * north);
		return true;
	}
	*ret = gpsd->hdop * NMEA_METRES_PER_HDOP;
	return gpsd->hdop > 0;
}

static enum gps_event take_position(struct gps_gpsd *gpsd, const struct jr_value *report,
				    int64_t now_us, struct gps_fix *ret_fix)
{
	struct gps_fix fix = {.at_ms = MODEL_NO_TIME, .mono_us = now_us};
	const char *time;
	size_t len;

	gpsd->receiver = GPS_RECEIVER_THERE;
	if (!is_position(report) || !take_number(report, "lat", -90, 90, &fix.latitude) ||
	    !take_number(report, "lon", -180, 180, &fix.longitude))
		return GPS_NO_FIX;
	if (jr_string(jr_get(report, "time"), &time, &len) && rfc3339_parse(time, len, &fix.at_ms))
		fix.at_ms = MODEL_NO_TIME;
	fix.satellites = gpsd->satellites;
	/* altMSL since 3.20. */
	fix.has_altitude = integer_of(report, "mode") >= MODE_3D &&
			   (take_number(report, "altMSL", -1e5, 1e5, &fix.altitude_m) ||
			    take_number(report, "alt", -1e5, 1e5, &fix.altitude_m));
	fix.has_accuracy = take_accuracy(gpsd, report, &fix.accuracy_m);
	fix.has_speed = take_number(report, "speed", 0, 1e4, &fix.speed_kmh);
	fix.speed_kmh *= KMH_PER_MPS;
	fix.has_track = take_number(report, "track", 0, 360, &fix.track_deg);
	*ret_fix = fix;
	return GPS_FIX;
}

static enum gps_event take_report(struct gps_gpsd *gpsd, const struct jr_value *report,
				  int64_t now_us, struct gps_fix *ret_fix)
{
	char class[16];

	if (!jr_string_copy(jr_get(report, "class"), class, sizeof(class))) {
		gpsd->malformed++;
		return GPS_NOTHING;
	}
	if (strcmp(class, "TPV") == 0)
		return take_position(gpsd, report, now_us, ret_fix);
	if (strcmp(class, "SKY") == 0)
		take_sky(gpsd, report);
	else if (strcmp(class, "DEVICE") == 0)
		take_device(gpsd, report);
	else if (strcmp(class, "DEVICES") == 0)
		take_devices(gpsd, report);
	else if (strcmp(class, "VERSION") == 0)
		take_version(gpsd, report);
	return GPS_NOTHING;
}

static enum gps_event take_line(struct gps_gpsd *gpsd, int64_t now_us, struct gps_fix *ret_fix)
{
	struct jr_doc *doc = NULL;
	struct jr_error error;
	enum gps_event event;

	if (jr_parse(gpsd->line, gpsd->len, &doc, &error)) {
		gpsd->malformed++;
		return GPS_NOTHING;
	}
	event = take_report(gpsd, jr_root(doc), now_us, ret_fix);
	jr_free(doc);
	return event;
}

enum gps_event gps_gpsd_feed(struct gps_gpsd *gpsd, uint8_t byte, int64_t now_us, bool *ret_line,
			     struct gps_fix *ret_fix)
{
	enum gps_event event = GPS_NOTHING;

	*ret_line = false;
	if (byte != '\n') {
		if (gpsd->len + 1 < sizeof(gpsd->line) && byte)
			gpsd->line[gpsd->len++] = (char)byte;
		else
			gpsd->overlong = true;
		return GPS_NOTHING;
	}
	while (gpsd->len && gpsd->line[gpsd->len - 1] == '\r')
		gpsd->len--;
	gpsd->line[gpsd->len] = '\0';
	if (!gpsd->overlong && gpsd->line[0] == '{') {
		*ret_line = true;
		event = take_line(gpsd, now_us, ret_fix);
	} else if (gpsd->overlong || gpsd->len) {
		gpsd->malformed++;
	}
	gpsd->len = 0;
	gpsd->overlong = false;
	return event;
}

enum gps_receiver gps_gpsd_receiver(const struct gps_gpsd *gpsd)
{
	return gpsd->receiver;
}

int64_t gps_gpsd_malformed(const struct gps_gpsd *gpsd)
{
	return gpsd->malformed;
}

const char *gps_gpsd_release(const struct gps_gpsd *gpsd)
{
	return gpsd->release;
}

const char *gps_gpsd_driver(const struct gps_gpsd *gpsd)
{
	return gpsd->driver;
}

#else

struct gps_gpsd {
	int unused;
};

bool gps_gpsd_there(void)
{
	return false;
}

int gps_gpsd_create(struct gps_gpsd **ret_gpsd)
{
	(void)ret_gpsd;
	return -ENOTSUP;
}

void gps_gpsd_destroy(struct gps_gpsd *gpsd)
{
	(void)gpsd;
}

void gps_gpsd_reset(struct gps_gpsd *gpsd)
{
	(void)gpsd;
}

enum gps_event gps_gpsd_feed(struct gps_gpsd *gpsd, uint8_t byte, int64_t now_us, bool *ret_line,
			     struct gps_fix *ret_fix)
{
	(void)gpsd;
	(void)byte;
	(void)now_us;
	(void)ret_fix;
	*ret_line = false;
	return GPS_NOTHING;
}

enum gps_receiver gps_gpsd_receiver(const struct gps_gpsd *gpsd)
{
	(void)gpsd;
	return GPS_RECEIVER_UNKNOWN;
}

int64_t gps_gpsd_malformed(const struct gps_gpsd *gpsd)
{
	(void)gpsd;
	return 0;
}

const char *gps_gpsd_release(const struct gps_gpsd *gpsd)
{
	(void)gpsd;
	return "";
}

const char *gps_gpsd_driver(const struct gps_gpsd *gpsd)
{
	(void)gpsd;
	return "";
}

#endif
