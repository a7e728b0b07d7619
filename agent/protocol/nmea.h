/* NMEA 0183 as GPS receivers send it: bytes in, fixes out (NMEA 0183 v4.11, sentences RMC, GGA, ZDA
 * of any talker).
 *
 * A push parser. A sentence counts only whole and with the right checksum; what breaks a rule is
 * counted and passed over. RMC and GGA of one time make one fix, given as soon as both are there, or,
 * from a receiver that sends only one of them, at once. RMC decides whether there is a fix: void
 * (V), simulated and estimated positions are none.
 *
 * Dates have two digits of a year, and receivers whose week number has overflowed (every 1,024 weeks)
 * tell dates of 19.6 years ago: a date before `floor` is moved by whole rollovers until it is not.
 *
 * Portable: no I/O, no clock, no allocation. One struct a receiver, owned by the caller.
 */
#ifndef AGENT_PROTOCOL_NMEA_H
#define AGENT_PROTOCOL_NMEA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NMEA_LINE_MAX 120 /* 82 by the standard; receivers with more digits exceed it */

/* Metres of error a unit of HDOP: the range error of a plain receiver (GPS SPS Performance Standard
 * 2020, 95 %: 7.8 m at worst; 5 m is common with EGNOS or WAAS). */
#define NMEA_METRES_PER_HDOP 5.0

struct nmea_fix {
	int64_t time_ms;            /* UTC */
	double latitude, longitude; /* degrees, WGS 84; north and east positive */
	bool has_altitude, has_speed, has_track, has_hdop;
	double altitude_m; /* above mean sea level */
	double speed_kmh;
	double track_deg; /* true */
	double hdop;
	uint8_t satellites; /* used; 0 where not told */
};

/* hdop as an accuracy in metres; 0 where the fix has no hdop. */
double nmea_accuracy_m(const struct nmea_fix *fix);

enum nmea_event {
	NMEA_NOTHING,
	NMEA_FIX,    /* *ret_fix is set */
	NMEA_NO_FIX, /* the receiver works and says that it has none */
};

struct nmea_counts {
	uint32_t sentences;    /* whole, with the right checksum */
	uint32_t bad_checksum; /* or none at all */
	uint32_t malformed;    /* a field that is not what it must be */
	uint32_t overlong;
};

/* What is known of one moment; the parser's own. */
struct nmea_epoch {
	struct nmea_fix fix;
	int32_t time_of_day_ms; /* -1: none */
	int64_t day;            /* since 1970-01-01; valid with has_day */
	bool has_day, has_rmc, has_gga, valid, told;
};

struct nmea {
	struct nmea_counts counts;

	/* The parser's own. */
	int64_t floor_day;
	char line[NMEA_LINE_MAX + 1];
	size_t len;
	bool in_sentence, overlong;
	struct nmea_epoch epoch;
	bool sends_rmc, sends_gga; /* in the epoch before */
	int64_t day;               /* of the last dated sentence */
	int32_t day_time_ms;       /* its time of day */
	bool has_day;
};

/* `floor_ms`: UTC, no fix is older (the build's date, say). */
void nmea_init(struct nmea *nmea, int64_t floor_ms);

/* Takes one byte. */
enum nmea_event nmea_feed(struct nmea *nmea, uint8_t byte, struct nmea_fix *ret_fix);

/* The time of day of the moment that the last sentences are of, in ms; -1 before. A fix belongs to it
 * where its own time of day is the same, else to the moment before. */
int32_t nmea_time_of_day_ms(const struct nmea *nmea);

/* The receiver has paused: gives what is still held back of the moment, if anything. */
enum nmea_event nmea_flush(struct nmea *nmea, struct nmea_fix *ret_fix);

#endif
