/* A vehicle profile: which requests a vehicle understands, and how the bytes of its answers become
 * canonical fields. Data, not code: a file in Freshet's own format (docs/profiles.md) or a signal set
 * of OBDb (JSON, version 3). Both become this one structure, and nothing below knows which it was.
 *
 * A profile never changes once it is loaded: any thread may read it.
 */
#ifndef PROVIDER_OBD_PROFILE_H
#define PROVIDER_OBD_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "model/model.h"
#include "model/signal.h"

#define PROFILE_NAME_SIZE 32
#define PROFILE_TITLE_SIZE 96
#define PROFILE_ID_SIZE 64       /* of commands and signals */
#define PROFILE_REQUEST_MAX 7    /* a single frame */
#define PROFILE_COMMANDS_MAX 512 /* a file; the largest public set has fewer than 200 */
#define PROFILE_SIGNALS_MAX 4096 /* a file */
#define PROFILE_FILE_MAX ((size_t)1024 * 1024)
#define PROFILE_NULLS_MAX 8
#define PROFILE_VINS_MAX 24

/* When a command may be sent. */
#define PROFILE_WHENS(X)                                                                           \
	X(AWAKE, "awake")       /* control units answer */                                         \
	X(ON, "on")             /* the ignition is on */                                           \
	X(DRIVING, "driving")   /* it moves */                                                     \
	X(CHARGING, "charging") /* the traction battery is being charged */                        \
	X(ONCE, "once")         /* after a connect, until it was answered or refused */

enum profile_when {
#define X(ident, name) PROFILE_WHEN_##ident,
	PROFILE_WHENS(X)
#undef X
		PROFILE_WHEN_COUNT
};

/* What the answers of a command are. All but the first are lists and texts that SAE J1979 and
 * ISO 14229 describe; no signals belong to them. */
#define PROFILE_KINDS(X)                                                                           \
	X(SIGNALS, "signals")                                                                      \
	X(DTC_CONFIRMED, "dtc_confirmed") /* 03, 19 02 */                                          \
	X(DTC_PENDING, "dtc_pending")     /* 07 */                                                 \
	X(DTC_PERMANENT, "dtc_permanent") /* 0A */                                                 \
	X(VIN, "vin")                     /* 09 02, 22 F1 90, 21 81 */                             \
	X(CALIBRATION, "calibration")     /* 09 04 */

enum profile_kind {
#define X(ident, name) PROFILE_KIND_##ident,
	PROFILE_KINDS(X)
#undef X
		PROFILE_KIND_COUNT
};

/* Who is asked and who answers. */
struct profile_ecu {
	uint32_t tx;     /* CAN identifier of the request */
	uint32_t rx;     /* of the answer; 0: the protocol's own (7DF: 7E8..7EF, 18DB33F1: 18DAF1xx,
			    * 7E0..7E7: + 8, 18DAxxF1: 18DAF1xx) */
	uint8_t id_bits; /* 11 or 29 */
	uint8_t extension; /* extended addressing: the byte before the PCI of a request; 0: none */
	uint8_t tester;    /* the byte before the PCI of an answer (F1); 0 with extension 0 */
	bool functional;   /* all units are asked: 7DF, 18DB33F1 */
	bool flow_control; /* an answer of several frames needs flow control set by hand: the adapter's
			    * automatic one answers 7E8..7EF only */
};

struct profile_command {
	char id[PROFILE_ID_SIZE];
	struct profile_ecu ecu;
	uint8_t request[PROFILE_REQUEST_MAX];
	uint8_t request_len;
	uint8_t echo_len; /* how many bytes of the answer repeat the request (service + 0x40, PID) */
	enum profile_kind kind;
	enum profile_when when;
	int64_t period_us;
	uint16_t year_from, year_to; /* model years that have it; 0: no bound */
	size_t signal_first, signal_count;
	/* The whole answer is dropped unless this condition holds on it: a battery's control unit that
	 * sleeps sends zeros. Index of profile_condition(), -1: none. */
	int unless_valid;
	int line; /* in the file, for messages */
};

/* Raw values, or values, that mean "not known". */
struct profile_null {
	double first, last; /* inclusive */
	bool raw;           /* compared before the scale */
};

/* How sure a signal is. */
#define PROFILE_TRUSTS(X)                                                                          \
	X(CAPTURES,                                                                                \
	  "captures")         /* seen in recorded traffic of such vehicles, and plausible there */ \
	X(SOURCES, "sources") /* several independent public sources agree */                       \
	X(CLAIMED, "claimed") /* one source says so */

enum profile_trust {
#define X(ident, name) PROFILE_TRUST_##ident,
	PROFILE_TRUSTS(X)
#undef X
		PROFILE_TRUST_COUNT
};

/* A raw value with a name: gear 3 is "d". */
struct profile_word {
	int64_t raw;
	char name[32];
};

struct profile_signal {
	char id[PROFILE_ID_SIZE];
	struct model_signal format; /* start: after the echo */
	int field;                  /* enum model_field; -1: none, it only serves conditions */
	/* canonical = value * to_mul + to_add (miles, psi, a current with the other sign) */
	double to_mul, to_add;
	double min, max; /* plausible values, before the conversion; min > max: no bound */
	struct profile_null nulls[PROFILE_NULLS_MAX];
	uint8_t null_count;
	bool text;                 /* ASCII of format.bits / 8 bytes; no number */
	uint16_t len_min, len_max; /* it stands in answers with so many bytes after the echo only;
				    * 0, 0: in any that reaches */
	size_t word_first, word_count; /* of profile_word() */
	enum profile_trust trust;
	int line;
};

struct profile;

/* May a request be sent? The gate of requests is the caller's (agent/protocol/obd2.h); a profile with
 * a request that it refuses does not load. */
typedef bool profile_allowed_fn(const uint8_t *request, size_t len);

/* Loads a file: Freshet's format, or an OBDb signal set where it begins with '{'. Every mistake is
 * printed to `errors` as `FILE:LINE: ...`, what was expected and what stands there. Returns 0;
 * -EINVAL for mistakes (printed); -ENOMEM, -EFBIG or -errno where the file cannot be read (printed
 * too). Free with profile_free(). */
int profile_load(const char *path, profile_allowed_fn *allowed, FILE *errors,
		 struct profile **ret_profile);
/* The same from text that stands for a file called `path`. */
int profile_parse(const char *text, size_t len, const char *path, profile_allowed_fn *allowed,
		  FILE *errors, struct profile **ret_profile);
void profile_free(struct profile *profile); /* NULL is accepted */

/* The folder of the profiles that come with the programs. */
const char *profile_dir(void);
/* The path of a profile: NAME is DIR/NAME.conf, or DIR/NAME.json where only that is there; what
 * has a '/' is a path already. Returns 0;
 * -EINVAL where `name` is neither, -ENAMETOOLONG. Whether it is there is found by loading it. */
int profile_find(const char *dir, const char *name, char *out, size_t size);
/* Calls `each` with the path of every *.conf and *.json of a folder, in the order of their names, until it
 * returns something else than 0, which is returned then. 0, -errno where the folder cannot be read. */
int profile_list(const char *dir, int (*each)(void *arg, const char *path), void *arg);

const char *profile_name(const struct profile *profile);  /* "hyundai-kia-egmp" */
const char *profile_title(const struct profile *profile); /* for people */
const char *profile_path(const struct profile *profile);  /* where it came from */
/* The adapter's protocol number (ATSP): 6 CAN 11/500 ...; 0: found by search. */
uint8_t profile_protocol(const struct profile *profile);
/* Does a VIN begin with one of the profile's? The length of the longest that does, 0: none. */
size_t profile_matches_vin(const struct profile *profile, const char *vin);
/* The command whose answer says that a vehicle is of this family; NULL: none. */
const struct profile_command *profile_detect(const struct profile *profile);

size_t profile_command_count(const struct profile *profile);
const struct profile_command *profile_command(const struct profile *profile, size_t index);
size_t profile_signal_count(const struct profile *profile);
const struct profile_signal *profile_signal(const struct profile *profile, size_t index);
int profile_signal_find(const struct profile *profile, const char *id); /* -1: none */
const struct profile_word *profile_word(const struct profile *profile, size_t index);

/* What the vehicle's own signals say of it. The profile gives a condition a state; a state without
 * one is derived by the rules of reading.h. */
#define PROFILE_STATES(X)                                                                          \
	X(IGNITION_ON, "ignition_on")                                                              \
	X(DRIVING, "driving")                                                                      \
	X(CHARGING, "charging")                                                                    \
	X(FAST_CHARGING, "fast_charging")                                                          \
	X(PLUGGED_IN, "plugged_in")

enum profile_state {
#define X(ident, name) PROFILE_STATE_##ident,
	PROFILE_STATES(X)
#undef X
		PROFILE_STATE_COUNT
};

struct profile_condition; /* condition.h */
const struct profile_condition *profile_state_condition(const struct profile *profile,
							enum profile_state state); /* NULL: none */
const struct profile_condition *profile_condition(const struct profile *profile, int index);

/* ---- one answer ---- */

enum profile_outcome {
	PROFILE_VALUE,          /* a value */
	PROFILE_NULL,           /* the vehicle says that it does not know */
	PROFILE_IMPLAUSIBLE,    /* out of min..max, or no word of its list */
	PROFILE_SHORT,          /* the answer does not reach that far */
	PROFILE_NOT_APPLICABLE, /* an answer of another length */
};

struct profile_value {
	uint64_t raw;     /* sign-extended */
	double number;    /* on the signal's scale, in the source's unit */
	const char *word; /* of its list; NULL where it has none */
};

/* Decodes a signal of an answer; `answer` begins with the echo, which was checked. With
 * PROFILE_VALUE, PROFILE_NULL and PROFILE_IMPLAUSIBLE *ret_value is set. Texts are not for this
 * function (PROFILE_NOT_APPLICABLE). */
enum profile_outcome profile_decode(const struct profile *profile,
				    const struct profile_signal *signal, const uint8_t *answer,
				    size_t len, struct profile_value *ret_value);

#endif
