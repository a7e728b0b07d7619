/* The health of one configured device: exactly one of five states, and the reason for it.
 * Portable; times are ms UTC of the core's clock, MODEL_NO_TIME where not known.
 */
#ifndef CLOUD_DOMAIN_HEALTH_H
#define CLOUD_DOMAIN_HEALTH_H

#include <stdbool.h>

#include "cloud/domain/policy.h"
#include "model/update.h"

/* From best to worst within each pair of "never had data" and "had data". */
#define HEALTH_STATES(X)                                                                           \
	X(HEALTHY, "healthy")                                                                      \
	X(DELAYED, "delayed")                                                                      \
	X(STALE, "stale")                                                                          \
	X(AWAITING_FIRST_DATA, "awaiting-first-data")                                              \
	X(CONFIGURED_NO_DATA, "configured-no-data")

enum health_state {
#define X(ident, name) HEALTH_##ident,
	HEALTH_STATES(X)
#undef X
		HEALTH_STATE_COUNT
};

/* Reasons in order of precedence: the first that the evidence supports is the one that is told.
 * What stands earlier hides what stands later (a gateway that is off says nothing of its sources)
 * or needs a hand more urgently.
 *
 *	vin_mismatch       records of this device are parked because another vehicle answers
 *	duplicate_gateway  two machines send as its gateway: whatever else is said of it may be of
 *	                   either
 *	gateway_offline    nothing was heard of the gateway: its will came, or silence
 *	adapter_unplugged  the gateway cannot reach the device's hardware
 *	ignition_off       measured: the newest value of ignition is off, or the source says so
 *	vehicle_asleep     measured: the newest inventory state is asleep, or the source says so (its
 *	                   word goes before an ignition that was measured off)
 *	source_silent      the gateway is there, its source gets no answers (late or no data only),
 *	                   and has not only just begun
 *	backlog_draining   older records are still on the gateway (late data only, or never any)
 *	clock_untrusted    data came, but none of it can be dated: it was recorded in a boot without a
 *	                   trusted clock and was never sent live (a live send is dated by its receipt)
 *	never_reported     no data ever and nothing above explains it
 */
#define HEALTH_REASONS(X)                                                                          \
	X(NONE, "")                                                                                \
	X(VIN_MISMATCH, "vin_mismatch")                                                            \
	X(DUPLICATE_GATEWAY, "duplicate_gateway")                                                  \
	X(GATEWAY_OFFLINE, "gateway_offline")                                                      \
	X(ADAPTER_UNPLUGGED, "adapter_unplugged")                                                  \
	X(IGNITION_OFF, "ignition_off")                                                            \
	X(VEHICLE_ASLEEP, "vehicle_asleep")                                                        \
	X(SOURCE_SILENT, "source_silent")                                                          \
	X(BACKLOG_DRAINING, "backlog_draining")                                                    \
	X(CLOCK_UNTRUSTED, "clock_untrusted")                                                      \
	X(NEVER_REPORTED, "never_reported")

enum health_reason {
#define X(ident, name) HEALTH_REASON_##ident,
	HEALTH_REASONS(X)
#undef X
		HEALTH_REASON_COUNT
};

const char *health_state_name(enum health_state state);
const char *health_reason_name(enum health_reason reason);
int health_state_find(const char *name);  /* -1 where there is none */
int health_reason_find(const char *name); /* -1 where there is none */

/* A gateway counts as offline this long after the last that was heard of it (it reports every
 * minute). */
#define HEALTH_GATEWAY_SILENCE_MS INT64_C(180000)

/* A source that says "starting" is given so long before that counts as silence. */
#define HEALTH_SOURCE_START_MS INT64_C(60000)

/* What a gateway says of the source that feeds the device. */
enum health_source {
	HEALTH_SOURCE_UNKNOWN, /* the gateway does not name one */
	HEALTH_SOURCE_OK,
	HEALTH_SOURCE_SILENT,
	HEALTH_SOURCE_ERROR,
};

/* The evidence about one device. Texts may be "" and live as long as the call. */
struct health_input {
	int64_t evaluated_at_ms;
	int64_t activated_at_ms;
	int64_t interval_s;        /* longer interval that a budget or profile dictates; 0: none */
	int64_t last_update_at_ms; /* freshness_advance_ms() over its accepted updates */
	int64_t last_accepted_at_ms; /* when the core last accepted one */
	bool clock_untrusted;        /* it has data, none of which can be dated */

	int64_t vin_mismatch_at_ms; /* the newest record parked for it; NO_TIME: none is */
	const char *registered_vin; /* masked, for the sentence */

	bool has_gateway; /* data comes by a gateway at all */
	const char *gateway_name;
	bool gateway_is_two; /* two machines send under its name */
	int64_t gateway_two_since_ms;
	bool gateway_said_offline;     /* its will, or an orderly good-bye, is the newest of it */
	int64_t gateway_contact_at_ms; /* last live message of it */
	int64_t listening_since_ms; /* since when the core itself hears: silence counts from here;
					  NO_TIME: it does not, so silence says nothing */
	int64_t backlog_batches;    /* held on the gateway as last reported */
	int64_t backlog_oldest_at_ms;

	enum health_source source;
	const char *source_name;
	const char *source_reason; /* its own word: "adapter_unplugged", "ignition_off", ... */
	int64_t source_since_ms;

	bool ignition_off; /* as last measured */
	int64_t ignition_since_ms;
	bool asleep;
	int64_t asleep_since_ms;
};

#define HEALTH_SENTENCE_SIZE 224

struct health {
	enum health_state state;
	int64_t state_since_ms; /* when it came into this state, by time alone */
	int64_t age_ms;         /* freshness age; MODEL_NO_TIME without an update */
	enum health_reason reason;
	int64_t reason_since_ms;           /* MODEL_NO_TIME where not known */
	char detail[HEALTH_SENTENCE_SIZE]; /* a sentence a person can act on; "" without reason */
};

/* Boundaries are inclusive on the better side: an age of exactly the target is healthy, of exactly
 * the stale threshold delayed; exactly at the end of grace a device still awaits its first data. */
void health_evaluate(const struct policy *policy, const struct health_input *input,
		     struct health *ret_health);

#endif
