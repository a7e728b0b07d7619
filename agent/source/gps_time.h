/* What a receiver's fixes say of the time, judged: a fix tells the moment for which it was computed, and
 * arrives up to a second later, by the receiver's own delay and by a slow line.
 *
 * The difference of a fix's time and of the machine's uptime at its arrival stays the same but for that
 * delay. A time counts when three fixes more agree with it within a second than do not; of those that
 * agree the one that came soonest is told. What is told is so late by the smallest delay, never early;
 * with a fix a second that is well below a second at 9600 baud. A single fix that disagrees is refused;
 * where many in a row agree with each other on another time, the receiver has corrected itself (leap
 * seconds come with the almanac, after up to 12.5 minutes) and that counts.
 *
 * No I/O, no clock, no allocation.
 */
#ifndef AGENT_SOURCE_GPS_TIME_H
#define AGENT_SOURCE_GPS_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct gps_time_line {
	int64_t offset_us; /* UTC - uptime, of the fix that came soonest */
	int64_t at_us;     /* uptime of the last fix that agreed */
	int count;
};

struct gps_time {
	int64_t floor_ms;
	struct gps_time_line held, other;
	int64_t told_us;
	bool told;
	bool agreed;     /* the last one */
	int64_t refused; /* fixes whose time was older than the floor, or jumped */
};

/* `floor_ms`: no time is older. */
void gps_time_init(struct gps_time *time, int64_t floor_ms);

/* Takes a fix of `wall_ms` (UTC) that arrived at `mono_us`. True where a time is to be told now, at
 * first and then once a minute: at *ret_mono_us it was *ret_wall_ms. */
bool gps_time_take(struct gps_time *time, int64_t wall_ms, int64_t mono_us, int64_t *ret_wall_ms,
		   int64_t *ret_mono_us);

/* Is the fix that was taken last one of those that agree, and are these enough? */
bool gps_time_agrees(const struct gps_time *time);

#endif
