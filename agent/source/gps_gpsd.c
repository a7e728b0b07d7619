/* gpsd's JSON, read by libgps: gps_unpack() takes a line wherever it came from. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/gps_priv.h"

#ifdef CONFIG_SOURCE_GPS_GPSD

#include <gps.h>

/* Names and meanings of struct gps_fix_t change with it. */
#if GPSD_API_MAJOR_VERSION < 10
#error "libgps is too old: API 10 (gpsd 3.21) or later is needed"
#endif

#define LINE_SIZE 16384 /* gpsd's longest is 10,240 */
#define KMH_PER_MPS 3.6

struct gps_gpsd {
	struct gps_data_t data;
	char line[LINE_SIZE];
	size_t len;
	bool overlong;
	enum gps_receiver receiver;
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
	memset(&gpsd->data, 0, sizeof(gpsd->data));
	gpsd->len = 0;
	gpsd->overlong = false;
	gpsd->receiver = GPS_RECEIVER_UNKNOWN;
	gpsd->release[0] = '\0';
	gpsd->driver[0] = '\0';
}

static void copy_text(char *out, size_t size, const char *in)
{
	const size_t len = strnlen(in, size - 1);

	memcpy(out, in, len);
	out[len] = '\0';
}

static bool is_active(const struct devconfig_t *device)
{
	return device->activated.tv_sec != 0;
}

static void note_devices(struct gps_gpsd *gpsd)
{
	const struct gps_data_t *data = &gpsd->data;
	const struct devconfig_t *device = &data->dev;

	if (data->set & DEVICELIST_SET) {
		if (!data->devices.ndevices)
			gpsd->receiver = GPS_RECEIVER_NONE;
		for (int i = 0; i < data->devices.ndevices && i < MAXUSERDEVS; i++)
			if (i == 0 || is_active(&data->devices.list[i]))
				device = &data->devices.list[i];
		if (!data->devices.ndevices)
			return;
	} else if (!(data->set & DEVICE_SET)) {
		return;
	}
	gpsd->receiver = is_active(device) ? GPS_RECEIVER_THERE : GPS_RECEIVER_GONE;
	copy_text(gpsd->driver, sizeof(gpsd->driver), device->driver);
}

static bool is_position(const struct gps_fix_t *fix)
{
	/* Simulated and time-only ones are none; so are estimates without satellites. */
	if (fix->mode < MODE_2D || fix->status == STATUS_SIM || fix->status == STATUS_TIME ||
	    fix->status == STATUS_DR)
		return false;
	return isfinite(fix->latitude) && isfinite(fix->longitude) && fabs(fix->latitude) <= 90 &&
	       fabs(fix->longitude) <= 180;
}

static void convert(const struct gps_data_t *data, int64_t now_us, struct gps_fix *ret)
{
	const struct gps_fix_t *fix = &data->fix;

	*ret = (struct gps_fix){
		.at_ms = MODEL_NO_TIME,
		.mono_us = now_us,
		.latitude = fix->latitude,
		.longitude = fix->longitude,
		.satellites = data->satellites_used > 0 ? (unsigned)data->satellites_used : 0,
	};
	if (fix->time.tv_sec > 0)
		ret->at_ms = (int64_t)fix->time.tv_sec * 1000 + fix->time.tv_nsec / 1000000;
	ret->has_altitude = fix->mode >= MODE_3D && isfinite(fix->altMSL);
	ret->altitude_m = ret->has_altitude ? fix->altMSL : 0;
	if (isfinite(fix->eph) && fix->eph > 0) {
		ret->has_accuracy = true;
		ret->accuracy_m = fix->eph;
	} else if (isfinite(data->dop.hdop) && data->dop.hdop > 0 && data->dop.hdop < 99) {
		ret->has_accuracy = true;
		ret->accuracy_m = data->dop.hdop * NMEA_METRES_PER_HDOP;
	}
	ret->has_speed = isfinite(fix->speed) && fix->speed >= 0;
	ret->speed_kmh = ret->has_speed ? fix->speed * KMH_PER_MPS : 0;
	ret->has_track = isfinite(fix->track) && fix->track >= 0 && fix->track <= 360;
	ret->track_deg = ret->has_track ? fix->track : 0;
}

/* What gpsd says of a receiver that is gone: libgps wants a text there, and passes it over. */
static bool says_gone(const char *line)
{
	return strstr(line, "\"class\":\"DEVICE\"") && strstr(line, "\"activated\":0}");
}

static enum gps_event take_line(struct gps_gpsd *gpsd, int64_t now_us, struct gps_fix *ret_fix)
{
	struct gps_data_t *data = &gpsd->data;

	/* gps_unpack() says 0 whatever it could not read, and takes what was cut. */
	if (gpsd->line[gpsd->len - 1] != '}') {
		gpsd->malformed++;
		return GPS_NOTHING;
	}
	if (says_gone(gpsd->line)) {
		gpsd->receiver = GPS_RECEIVER_GONE;
		return GPS_NOTHING;
	}
	data->set = 0;
	if (gps_unpack(gpsd->line, data) < 0 || !data->set) {
		gpsd->malformed++;
		return GPS_NOTHING;
	}
	if (data->set & VERSION_SET)
		copy_text(gpsd->release, sizeof(gpsd->release), data->version.release);
	if (data->set & (DEVICELIST_SET | DEVICE_SET))
		note_devices(gpsd);
	/* A TPV report. */
	if (!(data->set & MODE_SET))
		return GPS_NOTHING;
	gpsd->receiver = GPS_RECEIVER_THERE;
	if (!is_position(&data->fix))
		return GPS_NO_FIX;
	convert(data, now_us, ret_fix);
	return GPS_FIX;
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
