#include "tests/sim/gps.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rfc3339.h"

/* A ring road: 2 km across, once round in 9 minutes is 42 km/h. */
#define CENTRE_LATITUDE 48.8500
#define CENTRE_LONGITUDE 2.3500
#define RADIUS_M 1000.0
#define SPEED_MPS 11.7
#define KNOTS_PER_MPS 1.943844
#define METRES_PER_DEGREE 111320.0
#define DEGREES_PER_RADIAN 57.29577951308232
#define TURN 6.283185307179586
#define WEEK_MS INT64_C(604800000)
#define COLD_MS INT64_C(5000)

static const char *const fault_names[] = {
#define X(id, text) text,
	SIM_GPS_FAULTS(X)
#undef X
};

void sim_gps_init(struct sim_gps *gps)
{
	memset(gps, 0, sizeof(*gps));
	gps->noise = 12345;
}

int sim_gps_fault_parse(const char *name, enum sim_gps_fault *ret_fault)
{
	for (size_t i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
		if (strcmp(fault_names[i], name) != 0)
			continue;
		*ret_fault = (enum sim_gps_fault)i;
		return 0;
	}
	return -EINVAL;
}

void sim_gps_set_fault(struct sim_gps *gps, enum sim_gps_fault fault, int64_t now_ms)
{
	gps->fault = fault;
	gps->fault_ms = now_ms;
}

void sim_gps_place(const struct sim_gps *gps, double *ret_latitude, double *ret_longitude)
{
	const double east_m = RADIUS_M * cos(gps->angle);
	const double north_m = RADIUS_M * sin(gps->angle);

	*ret_latitude = CENTRE_LATITUDE + north_m / METRES_PER_DEGREE;
	*ret_longitude = CENTRE_LONGITUDE +
			 east_m / (METRES_PER_DEGREE * cos(CENTRE_LATITUDE / DEGREES_PER_RADIAN));
}

static unsigned next_noise(struct sim_gps *gps)
{
	gps->noise = gps->noise * 1664525U + 1013904223U;
	return gps->noise >> 16;
}

/* ---- sentences ---- */

/* "$...*hh" as the line brings it. */
static void say(struct sim_gps *gps, struct buf *out, const char *text)
{
	char line[160];
	unsigned sum = 0;
	int len;

	for (const char *c = text; *c; c++)
		sum ^= (unsigned char)*c;
	len = snprintf(line, sizeof(line), "$%s*%02X\r\n", text, sum);
	if (gps->fault == SIM_GPS_CUT && next_noise(gps) % 2) {
		buf_append(out, line, (size_t)len / 2);
	} else if (gps->fault == SIM_GPS_CUT) {
		buf_append(out, line, (size_t)len / 3);
		buf_append(out, line + len / 2, (size_t)(len - len / 2));
	} else {
		buf_append(out, line, (size_t)len);
	}
}

static void talk_nonsense(struct sim_gps *gps, struct buf *out)
{
	for (int i = 0; i < 150; i++)
		buf_putc(out, (char)(0x80 | next_noise(gps)));
}

/* ddmm.mmmmm */
static void put_angle(double degrees, int digits, const char *letters, char out[static 24])
{
	const double value = fabs(degrees);
	const int whole = (int)value;

	(void)snprintf(out, 24, "%0*d%08.5f,%c", digits, whole, (value - whole) * 60,
		       letters[degrees < 0]);
}

static void put_place(struct sim_gps *gps, char out[static 48])
{
	double latitude, longitude;
	char north[24], east[24];

	sim_gps_place(gps, &latitude, &longitude);
	if (gps->frozen) {
		/* A metre or two. */
		latitude += ((int)(next_noise(gps) % 41) - 20) * 1e-6;
		longitude += ((int)(next_noise(gps) % 41) - 20) * 1e-6;
	}
	put_angle(latitude, 2, "NS", north);
	put_angle(longitude, 3, "EW", east);
	(void)snprintf(out, 48, "%s,%s", north, east);
}

static void say_unknown(struct sim_gps *gps, struct buf *out, const char *clock, const char *date)
{
	char text[120];

	(void)snprintf(text, sizeof(text), "GPRMC,%s,V,,,,,,,%s,,,N", clock, date);
	say(gps, out, text);
	(void)snprintf(text, sizeof(text), "GPGGA,%s,,,,,0,00,99.99,,,,,,", clock);
	say(gps, out, text);
	say(gps, out, "GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99");
}

static void say_known(struct sim_gps *gps, struct buf *out, const char *clock, const char *date)
{
	const double mps = gps->frozen ? 0.05 : SPEED_MPS;
	/* Counter-clockwise, from the east: the course is ahead of the place by a quarter turn. */
	const double course = fmod(4 * 360 - gps->angle * DEGREES_PER_RADIAN, 360);
	char text[120], place[48];

	put_place(gps, place);
	(void)snprintf(text, sizeof(text), "GPRMC,%s,A,%s,%.2f,%.1f,%s,,,A", clock, place,
		       mps * KNOTS_PER_MPS, course, date);
	say(gps, out, text);
	(void)snprintf(text, sizeof(text), "GPGGA,%s,%s,1,09,0.9,62.4,M,47.0,M,,", clock, place);
	say(gps, out, text);
	say(gps, out, "GPGSA,A,3,02,05,07,12,13,15,19,24,29,,,,1.6,0.9,1.3");
}

static int64_t told_ms(const struct sim_gps *gps, int64_t now_ms)
{
	if (gps->fault == SIM_GPS_ROLLOVER)
		return now_ms - 1024 * WEEK_MS;
	if (gps->fault == SIM_GPS_JUMP && gps->moments % 3 == 0)
		return now_ms + WEEK_MS;
	return gps->fault == SIM_GPS_REPEAT && gps->at_ms ? gps->at_ms : now_ms;
}

void sim_gps_moment(struct sim_gps *gps, int64_t now_ms, int64_t passed_ms, struct buf *out)
{
	const int64_t cold_ms = now_ms - gps->fault_ms;
	char when[RFC3339_SIZE], clock[16], date[8];

	gps->moments++;
	if (!gps->frozen)
		gps->angle =
			fmod(gps->angle + SPEED_MPS * (double)passed_ms / 1000 / RADIUS_M, TURN);
	if (gps->fault == SIM_GPS_SILENCE)
		return;
	if (gps->fault == SIM_GPS_GARBAGE) {
		talk_nonsense(gps, out);
		return;
	}
	gps->at_ms = told_ms(gps, now_ms);
	/* 2026-11-20T16:00:00.000Z */
	rfc3339_format(gps->at_ms, when);
	(void)snprintf(clock, sizeof(clock), "%.2s%.2s%.2s.%.2s", when + 11, when + 14, when + 17,
		       when + 20);
	(void)snprintf(date, sizeof(date), "%.2s%.2s%.2s", when + 8, when + 5, when + 2);
	if (gps->fault == SIM_GPS_COLD_START && cold_ms < COLD_MS)
		say_unknown(gps, out, "", "");
	else if (gps->fault == SIM_GPS_NO_FIX ||
		 (gps->fault == SIM_GPS_COLD_START && cold_ms < 2 * COLD_MS))
		say_unknown(gps, out, clock, date);
	else
		say_known(gps, out, clock, date);
}
