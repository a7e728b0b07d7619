/* A simulated GPS receiver: what it says of each moment, in NMEA 0183 (RMC, GGA, GSA). It drives in a
 * circle, or stands and wanders a little, as receivers do. No I/O, no clock. */
#ifndef SIM_GPS_H
#define SIM_GPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define SIM_GPS_FAULTS(X)                                                                          \
	X(NONE, "none")                                                                            \
	X(NO_FIX, "no-fix")         /* it knows the time, not the place */                         \
	X(COLD_START, "cold-start") /* 5 s it knows nothing, 5 s the time alone, then all */       \
	X(GARBAGE, "garbage")       /* as at a wrong speed */                                      \
	X(ROLLOVER, "rollover")     /* dates of 1,024 weeks ago */                                 \
	X(CUT, "cut")               /* every sentence loses its end or its middle */               \
	X(SILENCE, "silence")                                                                      \
	X(REPEAT, "repeat") /* the same moment again and again */                                  \
	X(JUMP, "jump")     /* every third time is a week off */

enum sim_gps_fault {
#define X(id, text) SIM_GPS_##id,
	SIM_GPS_FAULTS(X)
#undef X
};

struct sim_gps {
	enum sim_gps_fault fault;
	int64_t fault_ms; /* when it began */
	bool frozen;      /* it stands */
	double angle;     /* on its circle, radians */
	int64_t at_ms;    /* of the moment that was told last */
	unsigned moments;
	uint32_t noise;
};

void sim_gps_init(struct sim_gps *gps);
/* Returns 0, or -EINVAL where there is no such fault. */
int sim_gps_fault_parse(const char *name, enum sim_gps_fault *ret_fault);
void sim_gps_set_fault(struct sim_gps *gps, enum sim_gps_fault fault, int64_t now_ms);

/* Appends what it says of the moment `now_ms` (UTC), `passed_ms` after the one before. */
void sim_gps_moment(struct sim_gps *gps, int64_t now_ms, int64_t passed_ms, struct buf *out);
/* Where it is, without its wandering. */
void sim_gps_place(const struct sim_gps *gps, double *ret_latitude, double *ret_longitude);

#endif
