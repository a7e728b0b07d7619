/* The OBD-II source: a vehicle behind an ELM327 (serial line, TCP, Bluetooth) or on a CAN interface,
 * read by a profile. */
#ifndef AGENT_SOURCE_OBD_H
#define AGENT_SOURCE_OBD_H

#include "agent/protocol/elm327_adapter.h"
#include "agent/protocol/obd2.h"
#include "agent/source/source.h"

#define OBD_ADDRESS_FORMS STREAM_ADDRESS_FORMS " or can:INTERFACE"

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

/* ---- for a probe ---- */

#define OBD_UNITS_MAX 16 /* control units that answer one functional request */

/* A control unit that answered the functional request 0100. */
struct obd_unit {
	uint32_t id;
	struct obd2_support support;
};

/* What the report does not tell. Pointers are the source's own, until its next event. */
struct obd_view {
	bool connected; /* a vehicle was discovered */
	bool asleep;    /* nobody answered the last look */
	const struct obd_unit *units;
	size_t unit_count;
	const struct elm327_capabilities *can; /* what the adapter can do; NULL: there is none */
	/* Why the profile's own question could not be asked where nobody answers everybody's: a
	 * sentence's end, static; NULL where it was asked. */
	const char *detect_problem;
	size_t inquiries_left;
};

void obd_view(const struct source *source, struct obd_view *ret_view);

enum obd_inquiry_outcome {
	OBD_INQUIRY_OPEN, /* not asked yet */
	OBD_INQUIRY_ANSWERED,
	OBD_INQUIRY_REFUSED,     /* the unit is there, and does not know the request */
	OBD_INQUIRY_SILENT,      /* nobody answers */
	OBD_INQUIRY_OTHER_BUS,   /* the vehicle's bus has no such identifiers */
	OBD_INQUIRY_UNREACHABLE, /* the adapter cannot ask */
	OBD_INQUIRY_GARBLED,     /* no reply could be used */
};

/* A command of another profile that is asked once. */
struct obd_inquiry {
	const struct profile_command *command;
	enum obd_inquiry_outcome outcome;
	const char *problem; /* a sentence's end, static; NULL where there is none */
	uint32_t ecu;        /* ANSWERED: who */
};

/* Asks each that is open, in their order, as soon as a vehicle is connected and before anything of the
 * source's own profile. `inquiries` is used until none is left or this is called again; count 0 ends
 * it. Returns 0 or -ENOMEM. */
int obd_inquire(struct source *source, struct obd_inquiry *inquiries, size_t count);

#endif
