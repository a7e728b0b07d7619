#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/protocol/nmea.h"

int suite_agent_nmea(void);

#define FLOOR_2020 INT64_C(1577836800000) /* 2020-01-01T00:00:00Z */
#define NOON_2026 INT64_C(1785844800000)  /* 2026-08-04T12:00:00Z */

static enum nmea_event give(struct nmea *nmea, const char *text, struct nmea_fix *fix)
{
	enum nmea_event last = NMEA_NOTHING;

	for (; *text; text++) {
		const enum nmea_event event = nmea_feed(nmea, (uint8_t)*text, fix);

		if (event != NMEA_NOTHING)
			last = event;
	}
	return last;
}

/* A sentence's text with '$', its checksum and the end of the line. */
static enum nmea_event say(struct nmea *nmea, const char *body, struct nmea_fix *fix)
{
	static const char digits[] = "0123456789ABCDEF";
	char tail[] = "*00\r\n";
	unsigned sum = 0;

	for (const char *p = body; *p; p++)
		sum ^= (unsigned char)*p;
	tail[1] = digits[sum >> 4 & 15];
	tail[2] = digits[sum & 15];
	give(nmea, "$", fix);
	give(nmea, body, fix);
	return give(nmea, tail, fix);
}

static void near(double a, double b, double by)
{
	assert_true(a > b - by && a < b + by);
}

static void rmc_alone_is_a_fix(void **state)
{
	struct nmea_fix fix = {0};
	struct nmea nmea;

	(void)state;
	nmea_init(&nmea, FLOOR_2020);
	assert_int_equal(say(&nmea,
			     "GPRMC,120000.250,A,5230.0000,N,01322.5000,E,10.0,271.5,040826,,,A",
			     &fix),
			 NMEA_FIX);
	assert_true(fix.time_ms == NOON_2026 + 250);
	near(fix.latitude, 52.5, 1e-9);
	near(fix.longitude, 13.375, 1e-9);
	near(fix.speed_kmh, 18.52, 1e-9);
	near(fix.track_deg, 271.5, 1e-9);
	assert_false(fix.has_altitude);
	near(nmea_accuracy_m(&fix), 0, 1e-9);
}

static void rmc_and_gga_of_one_time_make_one_fix(void **state)
{
	struct nmea_fix fix = {0};
	struct nmea nmea;

	(void)state;
	nmea_init(&nmea, FLOOR_2020);
	/* The first moment teaches which sentences come; the second is whole with its GGA. */
	say(&nmea, "GNRMC,120000.00,A,5230.0000,S,01322.5000,W,,,040826,,,A", &fix);
	say(&nmea, "GNGGA,120000.00,5230.0000,S,01322.5000,W,1,09,0.9,-3.5,M,45.0,M,,", &fix);
	assert_int_equal(
		say(&nmea, "GNRMC,120001.00,A,5230.0000,S,01322.5000,W,,,040826,,,A", &fix),
		NMEA_NOTHING);
	assert_int_equal(say(&nmea,
			     "GNGGA,120001.00,5230.0000,S,01322.5000,W,1,09,0.9,-3.5,M,45.0,M,,",
			     &fix),
			 NMEA_FIX);
	assert_true(fix.time_ms == NOON_2026 + 1000);
	near(fix.latitude, -52.5, 1e-9);
	near(fix.longitude, -13.375, 1e-9);
	near(fix.altitude_m, -3.5, 1e-9);
	near(nmea_accuracy_m(&fix), 4.5, 1e-9);
	assert_int_equal(fix.satellites, 9);
	assert_false(fix.has_speed);
}

static void a_moment_whose_second_sentence_is_lost_is_told_by_the_next(void **state)
{
	struct nmea_fix fix = {0};
	struct nmea nmea;

	(void)state;
	nmea_init(&nmea, FLOOR_2020);
	say(&nmea, "GNRMC,120000,A,5230.0,N,01322.5,E,,,040826", &fix);
	say(&nmea, "GNGGA,120000,5230.0,N,01322.5,E,1,09,0.9,3.5,M,45.0,M,,", &fix);
	assert_int_equal(say(&nmea, "GNRMC,120001,A,5230.0,N,01322.5,E,,,040826", &fix),
			 NMEA_NOTHING);
	assert_int_equal(say(&nmea, "GNRMC,120002,A,5230.0,N,01322.5,E,,,040826", &fix), NMEA_FIX);
	assert_true(fix.time_ms == NOON_2026 + 1000);
	assert_int_equal(nmea_flush(&nmea, &fix), NMEA_FIX);
	assert_true(fix.time_ms == NOON_2026 + 2000);
	assert_int_equal(nmea_flush(&nmea, &fix), NMEA_NOTHING);
}

static void void_estimated_and_simulated_positions_are_no_fix(void **state)
{
	static const char *const bodies[] = {
		"GPRMC,120000,V,5230.0,N,01322.5,E,,,040826",
		"GPRMC,120000,V,,,,,,,,,,N",
		"GPRMC,120000,A,5230.0,N,01322.5,E,,,040826,,,E",
		"GPRMC,120000,A,5230.0,N,01322.5,E,,,040826,,,S",
		"GPGGA,120000,5230.0,N,01322.5,E,0,00,,,M,,M,,",
		"GPGGA,120000,5230.0,N,01322.5,E,6,00,,,M,,M,,",
		"GPGGA,120000,5230.0,N,01322.5,E,8,00,,,M,,M,,",
		"GPRMC,,V,,,,,,,,,,N",
		"GPGGA,,,,,,0,00,,,M,,M,,",
	};
	struct nmea_fix fix;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct nmea nmea;

		nmea_init(&nmea, FLOOR_2020);
		assert_int_equal(say(&nmea, bodies[i], &fix), NMEA_NO_FIX);
		assert_int_equal(nmea.counts.malformed, 0);
	}
}

static void a_void_rmc_outweighs_its_gga(void **state)
{
	struct nmea_fix fix;
	struct nmea nmea;

	(void)state;
	nmea_init(&nmea, FLOOR_2020);
	say(&nmea, "GPZDA,115959,04,08,2026,00,00", &fix);
	say(&nmea, "GPRMC,120000,V,5230.0,N,01322.5,E,,,040826", &fix);
	assert_int_equal(
		say(&nmea, "GPGGA,120000,5230.0,N,01322.5,E,1,09,0.9,3.5,M,45.0,M,,", &fix),
		NMEA_NOTHING);
	assert_int_equal(nmea_flush(&nmea, &fix), NMEA_NOTHING);
}

static void what_is_malformed_is_counted_and_never_a_fix(void **state)
{
	static const char *const bodies[] = {
		"GPRMC,120000,A,9030.0,N,01322.5,E,,,040826",      /* past the pole */
		"GPRMC,120000,A,5260.0,N,01322.5,E,,,040826",      /* 60 minutes */
		"GPRMC,120000,A,5230.0,X,01322.5,E,,,040826",      /* no hemisphere */
		"GPRMC,120000,A,5230.0,N,18100.0,E,,,040826",      /* past the date line */
		"GPRMC,120000,A,52x0.0,N,01322.5,E,,,040826",      /* no digit */
		"GPRMC,120000,A,5230.0,N,01322.5,E,1.2.3,,040826", /* no number */
		"GPRMC,120000,A,5230.0,N,01322.5,E,,,310226",      /* no such day */
		"GPRMC,120000,A,5230.0,N,01322.5,E,,,0408",        /* no date */
		"GPRMC,240000,A,5230.0,N,01322.5,E,,,040826",      /* no such hour */
		"GPRMC,12000,A,5230.0,N,01322.5,E,,,040826",       /* no time */
		"GPRMC,120000,A",                                  /* cut, with the right sum */
		"GPGGA,120000,5230.0,N,01322.5,E,1,09,nan,3.5,M,45.0,M,,",
		"GPZDA,120000,31,02,2026,00,00",
	};
	struct nmea_fix fix;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct nmea nmea;

		nmea_init(&nmea, FLOOR_2020);
		assert_int_not_equal(say(&nmea, bodies[i], &fix), NMEA_FIX);
		assert_int_equal(nmea.counts.malformed, 1);
		assert_int_not_equal(nmea_flush(&nmea, &fix), NMEA_FIX);
	}
}

static void a_sentence_counts_only_with_its_checksum(void **state)
{
	static const char *const lines[] = {
		"$GPRMC,120000,A,5230.0,N,01322.5,E,,,040826*00\r\n",
		"$GPRMC,120000,A,5230.0,N,01322.5,E,,,040826\r\n",
		"$GPRMC,120000,A,5230.0,N,01322.5,E,,,040826*\r\n",
		"$GPRMC,120000,A,5230.0,N,0$GPRMC,120000*00\r\n",
		"$*\r\n",
	};
	struct nmea_fix fix;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct nmea nmea;

		nmea_init(&nmea, FLOOR_2020);
		assert_int_equal(give(&nmea, lines[i], &fix), NMEA_NOTHING);
		assert_true(nmea.counts.bad_checksum > 0);
		assert_int_equal(nmea.counts.sentences, 0);
	}
}

static void other_sentences_and_noise_are_passed_over(void **state)
{
	struct nmea_fix fix;
	struct nmea nmea;
	char longest[400];

	(void)state;
	nmea_init(&nmea, FLOOR_2020);
	assert_int_equal(give(&nmea, "\xff\x00 noise\r\n*42\r\n", &fix), NMEA_NOTHING);
	assert_int_equal(say(&nmea, "GPGSV,3,1,11,03,03,111,00", &fix), NMEA_NOTHING);
	assert_int_equal(say(&nmea, "PGRME,15.0,M,45.0,M,25.0,M", &fix), NMEA_NOTHING);
	memset(longest, 'A', sizeof(longest));
	longest[0] = '$';
	longest[sizeof(longest) - 2] = '\n';
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(give(&nmea, longest, &fix), NMEA_NOTHING);
	assert_int_equal(nmea.counts.overlong, 1);
	assert_int_equal(say(&nmea, "GPRMC,120000,A,5230.0,N,01322.5,E,,,040826", &fix), NMEA_FIX);
}

static void a_date_before_the_floor_is_moved_by_whole_rollovers(void **state)
{
	struct nmea_fix fix = {0};
	struct nmea nmea;

	(void)state;
	nmea_init(&nmea, FLOOR_2020);
	/* 2006-12-19 is 1024 weeks before 2026-08-04. */
	assert_int_equal(say(&nmea, "GPRMC,120000,A,5230.0,N,01322.5,E,,,191206", &fix), NMEA_FIX);
	assert_true(fix.time_ms == NOON_2026);
	/* And 1987-05-05 is 2048 weeks before. */
	assert_int_equal(say(&nmea, "GPRMC,120001,A,5230.0,N,01322.5,E,,,050587", &fix), NMEA_FIX);
	assert_true(fix.time_ms == NOON_2026 + 1000);
}

static void gga_takes_its_date_from_before_and_passes_midnight(void **state)
{
	struct nmea_fix fix = {0};
	struct nmea nmea;

	(void)state;
	nmea_init(&nmea, FLOOR_2020);
	assert_int_equal(
		say(&nmea, "GPGGA,235959,5230.0,N,01322.5,E,1,09,0.9,3.5,M,45.0,M,,", &fix),
		NMEA_NOTHING); /* no date yet */
	say(&nmea, "GPZDA,235959.50,04,08,2026,00,00", &fix);
	assert_int_equal(
		say(&nmea, "GPGGA,000000,5230.0,N,01322.5,E,1,09,99.99,3.5,M,45.0,M,,", &fix),
		NMEA_FIX);
	assert_true(fix.time_ms == NOON_2026 + INT64_C(12) * 3600 * 1000);
	assert_false(fix.has_hdop);
}

int suite_agent_nmea(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rmc_alone_is_a_fix),
		cmocka_unit_test(rmc_and_gga_of_one_time_make_one_fix),
		cmocka_unit_test(a_moment_whose_second_sentence_is_lost_is_told_by_the_next),
		cmocka_unit_test(void_estimated_and_simulated_positions_are_no_fix),
		cmocka_unit_test(a_void_rmc_outweighs_its_gga),
		cmocka_unit_test(what_is_malformed_is_counted_and_never_a_fix),
		cmocka_unit_test(a_sentence_counts_only_with_its_checksum),
		cmocka_unit_test(other_sentences_and_noise_are_passed_over),
		cmocka_unit_test(a_date_before_the_floor_is_moved_by_whole_rollovers),
		cmocka_unit_test(gga_takes_its_date_from_before_and_passes_midnight),
	};

	return cmocka_run_group_tests_name("agent.nmea", tests, NULL, NULL);
}
