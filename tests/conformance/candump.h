/* Recordings of CAN frames as candump -L writes them: "(1608041699.326500) can0 7BB#10266201007E5007". */
#ifndef TESTS_CONFORMANCE_CANDUMP_H
#define TESTS_CONFORMANCE_CANDUMP_H

#include "tests/conformance/conformance.h"

#define CANDUMP_DATA_MAX 64

struct candump_frame {
	double t; /* seconds; 0 where the text has none */
	uint32_t id;
	bool extended; /* 8 digits */
	uint8_t data[CANDUMP_DATA_MAX];
	size_t len;
};

/* "18FEF547#0000002022000000". */
bool candump_frame_parse(const char *text, struct candump_frame *ret);

/* Calls `take` for each frame of a recording, whose path is in the folder or beside the file of `run`.
 * Returns 0, -EINVAL (said), or what `take` returned when that is not 0. */
int candump_read(const struct conform_run *run, const char *log,
		 int (*take)(void *arg, const struct candump_frame *frame), void *arg);

#endif
