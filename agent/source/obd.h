/* The OBD-II source: a vehicle behind an ELM327 (serial line, TCP, Bluetooth), read by a profile. */
#ifndef AGENT_SOURCE_OBD_H
#define AGENT_SOURCE_OBD_H

#include "agent/source/source.h"

extern const struct source_ops source_obd_ops;

/* A command of the profile that is asked for again and again. */
struct obd_want {
	size_t command;    /* index in the profile */
	int64_t period_us; /* > 0 */
	bool named;        /* the configuration names it: it is asked for whatever bitmaps say */
};

/* Makes the list of what is asked for, `signals` of the configuration on `profile`: "" is every
 * command; else words, separated by spaces or commas, each the name of a signal, of a command or of a
 * canonical field (odometer_km), with a period of its own after a colon: "odometer:5min speed:500ms".
 * `fastest_us`: the period of the fastest commands, the others in proportion (0: as the profile says);
 * a period after a colon stands as it is. VINs and the like are no business of this list. `out` has
 * room for profile_command_count(). Returns how many, or -EINVAL with `expected` naming the word. */
int obd_wants_make(const struct profile *profile, const char *signals, int64_t fastest_us,
		   struct obd_want *out, char *expected, size_t size);

#endif
