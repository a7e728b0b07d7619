/* The OBD-II source: a vehicle behind an ELM327 on a serial line, Bluetooth or TCP. */
#ifndef AGENT_SOURCE_OBD_H
#define AGENT_SOURCE_OBD_H

#include "agent/source/source.h"

extern const struct source_ops source_obd_ops;

/* One entry of `pids`: a name of obd2.h or a number of service 01, and its period. */
struct obd_want {
	uint8_t pid;
	int64_t period_us; /* 0: the source's own choice */
};

#define OBD_WANTS_MAX 32

/* Reads `pids`: "speed engine_rpm 0x5B:10s", separated by spaces or commas; the period in ms, s or
 * min. Returns how many, or -EINVAL with `problem` naming the word. */
int obd_wants_parse(const char *text, struct obd_want out[static OBD_WANTS_MAX], char *problem,
		    size_t size);

#endif
