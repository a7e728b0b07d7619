/* A simulated GPS receiver on a line: a pty under a stable name, or a TCP port; and its control socket. */
#ifndef SIM_GPS_LINE_H
#define SIM_GPS_LINE_H

#include "base/clock.h"
#include "base/loop.h"

struct gps_line_options {
	const char *dir;     /* where the pty's name goes, DIR/gps */
	const char *control; /* unix socket; NULL: none */
	int64_t interval_us; /* between two moments */
	bool frozen;
	bool tcp;
};

struct gps_line;

/* Opens it; it speaks from now on, whether anybody hears it or not. `clock` tells it the time. Returns 0
 * or -errno. */
int gps_line_create(struct loop *loop, struct clock *clock, const struct gps_line_options *options,
		    struct gps_line **ret_line);
void gps_line_destroy(struct gps_line *line); /* NULL is accepted */
/* As an agent's configuration takes it: serial:/..., tcp:host:port. */
const char *gps_line_address(const struct gps_line *line);

#endif
