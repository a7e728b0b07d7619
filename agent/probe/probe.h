/* Finding out what an adapter and the vehicle behind it can do, without a configuration.
 *
 * The course: the OBD-II source opens the adapter with the profile for every vehicle and discovers bus,
 * control units and VIN; then each profile's own question (detect) is asked once, where this adapter can
 * ask it; the profile that VIN and answers speak for is read for one round. A vehicle that keeps silent
 * when everybody is asked is asked by each profile in turn. Nothing but what the gate of requests passes
 * is ever sent, and nothing twice that was answered.
 */
#ifndef AGENT_PROBE_PROBE_H
#define AGENT_PROBE_PROBE_H

#include "agent/profiles.h"
#include "agent/source/obd.h"
#include "base/buf.h"

struct probe_request {
	const char *device;              /* an address for hal/stream.h, or can:INTERFACE */
	struct canbus_opener *can;       /* how CAN interfaces are reached; NULL: not at all */
	unsigned baud;                   /* of a serial line; 0: found by trying */
	const struct profiles *profiles; /* all of them loaded; one is called "generic" */
	/* Told what begins now, for a person who waits: "looking for the adapter". May be NULL. */
	void (*progress)(void *arg, const char *what);
	void *arg;
};

#define PROBE_CANDIDATES_MAX 64
#define PROBE_REFUSALS_MAX 64

/* A profile, and what speaks for it. */
struct probe_candidate {
	const struct profile *profile;
	size_t vin_match; /* characters of the VIN's beginning that are the family's; 0: none */
	struct obd_inquiry inquiry; /* its own question; command NULL: it has none */
};

struct probe_refusal {
	char what[PROFILE_ID_SIZE];
	char reason[96];
};

/* What came of it. */
struct probe_result {
	struct source_report report; /* of the last source; its lists are below */
	struct obd_view view;        /* of the discovery; its lists are below */
	struct obd_unit units[OBD_UNITS_MAX];
	struct elm327_capabilities can;
	bool found; /* a vehicle answered */
	struct probe_candidate candidates[PROBE_CANDIDATES_MAX];
	size_t candidate_count;
	int suggested; /* index of a candidate; -1: none */
	int unreadable; /* one that fits better, and that this adapter can ask nothing of; -1: none */
	struct probe_refusal refusals[PROBE_REFUSALS_MAX]; /* of the suggested profile */
	size_t refusal_count;
	struct model_update known; /* the values that were read */
	struct model_update_room room;
};

/* Takes up to some minutes (slow adapters, line speeds to try). Returns 0 with *result filled, also
 * where nothing was found: then result->report says why; -EINVAL where there is no profile "generic",
 * -ENOMEM, -errno of the loop. */
int probe_run(const struct probe_request *request, struct stream_opener *opener,
	      struct clock *clock, struct probe_result *result);

/* For those who run sources themselves: empties a result, takes over what a source of kind obd says now,
 * and what an update of it has. */
void probe_init(struct probe_result *result);
void probe_take_source(struct probe_result *result, const struct source *source);
void probe_take_update(struct probe_result *result, const struct model_update *update);

/* Sentences: what a person can do about what a report says; "" where there is nothing to do. */
const char *probe_advice(const struct source_report *report, const char *device);

/* How a result is shown. `show_vin`: whole, not masked. */
void probe_say(const struct probe_result *result, const char *device, bool show_vin,
	       struct buf *out);

struct jw;
/* The members of a result, into an open object. */
void probe_encode(const struct probe_result *result, const char *device, bool show_vin,
		  struct jw *w);

/* Helpers that both use. */
#define PROBE_EVIDENCE_SIZE 160
/* What speaks for a candidate: "the VIN begins with KMHK; 7E4 answers 220101"; "" where nothing does. */
void probe_evidence(const struct probe_result *result, const struct probe_candidate *candidate,
		    char out[static PROBE_EVIDENCE_SIZE]);
/* The VIN as it may be shown; "" where there is none. */
void probe_vin(const struct probe_result *result, bool show_vin, char out[static MODEL_VIN_SIZE]);

#endif
