/* A bare receiver's bytes become fixes.
 *
 * Receivers send the sentences of a moment in one go and pause until the next: a moment arrived with
 * the first byte after the pause. A line so slow, or so full, that there is no pause leaves the first
 * byte of the first sentence that has the moment's time. */
#include "agent/source/gps_priv.h"

#define PAUSE_US INT64_C(60000)
#define BURST_US INT64_C(900000) /* a burst that lasts longer holds more than one moment */
#define DAY_MS INT64_C(86400000)

void gps_nmea_init(struct gps_nmea *nmea, int64_t floor_ms)
{
	nmea_init(&nmea->parser, floor_ms);
	nmea->byte_us = nmea->burst_us = nmea->sentence_us = MODEL_NO_TIME;
	nmea->current = nmea->before = (struct gps_arrival){.time_of_day_ms = -1};
}

static void note_byte(struct gps_nmea *nmea, uint8_t byte, int64_t now_us)
{
	if (nmea->byte_us == MODEL_NO_TIME || now_us - nmea->byte_us >= PAUSE_US)
		nmea->burst_us = now_us;
	nmea->byte_us = now_us;
	if (byte == '$')
		nmea->sentence_us = now_us;
}

static int64_t arrival_us(const struct gps_nmea *nmea)
{
	const int64_t us = nmea->sentence_us == MODEL_NO_TIME ? nmea->byte_us : nmea->sentence_us;

	return us - nmea->burst_us <= BURST_US ? nmea->burst_us : us;
}

static void note_moment(struct gps_nmea *nmea)
{
	const int32_t time_of_day_ms = nmea_time_of_day_ms(&nmea->parser);

	if (time_of_day_ms == nmea->current.time_of_day_ms)
		return;
	nmea->before = nmea->current;
	nmea->current = (struct gps_arrival){time_of_day_ms, arrival_us(nmea)};
}

static void convert(const struct gps_nmea *nmea, const struct nmea_fix *in, struct gps_fix *ret)
{
	const int32_t time_of_day_ms = (int32_t)(in->time_ms % DAY_MS);

	*ret = (struct gps_fix){
		.at_ms = in->time_ms,
		.mono_us = nmea->current.us,
		.latitude = in->latitude,
		.longitude = in->longitude,
		.has_altitude = in->has_altitude,
		.altitude_m = in->altitude_m,
		.has_accuracy = in->has_hdop,
		.accuracy_m = nmea_accuracy_m(in),
		.has_speed = in->has_speed,
		.speed_kmh = in->speed_kmh,
		.has_track = in->has_track,
		.track_deg = in->track_deg,
		.satellites = in->satellites,
	};
	if (time_of_day_ms == nmea->before.time_of_day_ms)
		ret->mono_us = nmea->before.us;
}

static enum gps_event event_of(const struct gps_nmea *nmea, enum nmea_event event,
			       const struct nmea_fix *fix, struct gps_fix *ret_fix)
{
	if (event == NMEA_FIX)
		convert(nmea, fix, ret_fix);
	if (event == NMEA_NOTHING)
		return GPS_NOTHING;
	return event == NMEA_FIX ? GPS_FIX : GPS_NO_FIX;
}

enum gps_event gps_nmea_feed(struct gps_nmea *nmea, uint8_t byte, int64_t now_us,
			     struct gps_fix *ret_fix)
{
	struct nmea_fix fix;
	enum nmea_event event;

	note_byte(nmea, byte, now_us);
	event = nmea_feed(&nmea->parser, byte, &fix);
	note_moment(nmea);
	return event_of(nmea, event, &fix, ret_fix);
}

enum gps_event gps_nmea_flush(struct gps_nmea *nmea, struct gps_fix *ret_fix)
{
	struct nmea_fix fix;
	const enum nmea_event event = nmea_flush(&nmea->parser, &fix);

	return event_of(nmea, event, &fix, ret_fix);
}
