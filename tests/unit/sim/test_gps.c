#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "agent/protocol/nmea.h"
#include "tests/sim/gps.h"

int suite_sim_gps(void);

#define NOW_MS INT64_C(1786968000000) /* 2026-08-17T12:00:00Z */
#define FLOOR_MS INT64_C(1767225600000)

/* What a receiver's reader makes of so many seconds. */
static struct heard {
	int fixes, none;
	struct nmea_fix last;
	struct nmea_counts counts;
	size_t bytes;
} heard;

static void listen(struct sim_gps *gps, int seconds)
{
	struct nmea nmea;
	struct nmea_fix fix;

	memset(&heard, 0, sizeof(heard));
	nmea_init(&nmea, FLOOR_MS);
	for (int i = 0; i < seconds; i++) {
		struct buf out;

		buf_init(&out, 4096);
		sim_gps_moment(gps, NOW_MS + (int64_t)i * 1000, 1000, &out);
		heard.bytes += out.len;
		for (size_t k = 0; k < out.len; k++) {
			const enum nmea_event event = nmea_feed(&nmea, (uint8_t)out.data[k], &fix);

			heard.none += event == NMEA_NO_FIX;
			heard.fixes += event == NMEA_FIX;
			if (event == NMEA_FIX)
				heard.last = fix;
		}
		buf_free(&out);
	}
	heard.counts = nmea.counts;
}

static void listen_to(const char *name, int seconds)
{
	enum sim_gps_fault fault = SIM_GPS_NONE;
	struct sim_gps gps;

	sim_gps_init(&gps);
	assert_int_equal(sim_gps_fault_parse(name, &fault), 0);
	sim_gps_set_fault(&gps, fault, NOW_MS);
	listen(&gps, seconds);
}

static void a_receiver_is_where_it_says_that_it_is(void **state)
{
	struct sim_gps gps;
	double latitude = 0, longitude = 0;

	(void)state;
	sim_gps_init(&gps);
	listen(&gps, 100);
	sim_gps_place(&gps, &latitude, &longitude);
	assert_int_equal(heard.fixes, 100);
	assert_int_equal(heard.counts.bad_checksum + heard.counts.malformed, 0);
	assert_true(fabs(heard.last.latitude - latitude) < 1e-6);
	assert_true(fabs(heard.last.longitude - longitude) < 1e-6);
	assert_true(heard.last.time_ms == NOW_MS + 99000);
	assert_true(fabs(heard.last.speed_kmh - 42.1) < 0.2);
	assert_true(heard.last.hdop == 0.9);
}

static void its_course_is_where_it_goes(void **state)
{
	struct sim_gps gps;
	double north0, east0, north1, east1, course;

	(void)state;
	sim_gps_init(&gps);
	listen(&gps, 70);
	sim_gps_place(&gps, &north0, &east0);
	course = heard.last.track_deg;
	listen(&gps, 1);
	sim_gps_place(&gps, &north1, &east1);
	north1 -= north0;
	east1 = (east1 - east0) * cos(north0 / 57.29578);
	assert_true(fabs(atan2(east1, north1) * 57.29578 + (east1 < 0 ? 360 : 0) - course) < 2);
}

static void a_frozen_one_wanders_a_little(void **state)
{
	struct sim_gps gps;
	double latitude = 0, longitude = 0;

	(void)state;
	sim_gps_init(&gps);
	gps.frozen = true;
	for (int i = 0; i < 20; i++) {
		listen(&gps, 2);
		sim_gps_place(&gps, &latitude, &longitude);
		assert_true(fabs(heard.last.latitude - latitude) < 3e-5);
		assert_true(fabs(heard.last.longitude - longitude) < 3e-5);
	}
}

static void its_faults_are_what_they_are_called(void **state)
{
	enum sim_gps_fault fault;

	(void)state;
	listen_to("no-fix", 5);
	assert_int_equal(heard.fixes, 0);
	assert_true(heard.none >= 5);
	listen_to("cold-start", 20);
	assert_int_equal(heard.fixes, 10);
	assert_true(heard.none >= 10);
	listen_to("silence", 5);
	assert_int_equal(heard.bytes, 0);
	listen_to("garbage", 5);
	assert_true(heard.bytes > 100);
	assert_int_equal(heard.counts.sentences, 0);
	listen_to("cut", 20);
	assert_int_equal(heard.fixes, 0);
	assert_true(heard.counts.bad_checksum > 20);
	listen_to("rollover", 5);
	assert_int_equal(heard.fixes, 5);
	assert_true(heard.last.time_ms == NOW_MS + 4000); /* the floor puts it right */
	listen_to("repeat", 5);
	assert_int_equal(heard.fixes, 1);
	listen_to("jump", 9);
	assert_int_equal(heard.fixes, 9);
	assert_true(heard.last.time_ms > NOW_MS + 600000000);
	assert_true(sim_gps_fault_parse("boredom", &fault) < 0);
}

int suite_sim_gps(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_receiver_is_where_it_says_that_it_is),
		cmocka_unit_test(its_course_is_where_it_goes),
		cmocka_unit_test(a_frozen_one_wanders_a_little),
		cmocka_unit_test(its_faults_are_what_they_are_called),
	};

	return cmocka_run_group_tests_name("sim.gps", tests, NULL, NULL);
}
