/* How a profile is built: what the readers of both formats share (profile_file.c: our own,
 * profile_obdb.c: OBDb's signal sets). Readers turn text into structures; every rule that a profile
 * must keep is checked here, so that both formats keep the same ones.
 *
 * The functions that add return an index (0 and up), or 0 where there is none, -EINVAL where what is
 * added is wrong (said already: go on with the next, so that all mistakes are said), or -ENOMEM (give
 * up). Structures and texts are copied.
 */
#ifndef PROVIDER_OBD_PROFILE_PRIV_H
#define PROVIDER_OBD_PROFILE_PRIV_H

#include "provider/obd/condition.h"
#include "provider/obd/profile.h"

#define PROFILE_VIN_SIZE 18
#define PROFILE_MISTAKES_MAX 100
/* The longest answer of ISO 15765-2 in its common form. */
#define PROFILE_ANSWER_MAX 4095

struct profile {
	char *path;
	char name[PROFILE_NAME_SIZE];
	char title[PROFILE_TITLE_SIZE];
	uint8_t protocol;
	char vins[PROFILE_VINS_MAX][PROFILE_VIN_SIZE];
	size_t vin_count;
	int detect; /* index of a command, -1: none */
	struct profile_command *commands;
	size_t command_count;
	struct profile_signal *signals; /* the signals of a command stand together */
	uint16_t *owners;               /* per signal, the index of its command */
	size_t signal_count;
	struct profile_word *words;
	size_t word_count;
	struct profile_condition **conditions;
	size_t condition_count;
	int states[PROFILE_STATE_COUNT]; /* index of a condition, -1: none */
};

struct profile_build;

/* A profile without anything, from a file called `path`. Returns 0 or -ENOMEM. */
int profile_build_begin(const char *path, profile_allowed_fn *allowed, FILE *errors,
			struct profile_build **ret_build);

/* What follows comes from another file (a signal set that ours names). Returns 0 or -ENOMEM. */
int profile_build_file(struct profile_build *build, const char *path);

/* Says a mistake: `FILE:LINE: [section] key: expected ...`. `line` 0, `section` "" and `key` "" where
 * there is none. The profile will not load. Returns -EINVAL. */
__attribute__((format(printf, 5, 6))) int profile_build_error(struct profile_build *build, int line,
							      const char *section, const char *key,
							      const char *fmt, ...);

/* Says what is passed over: `FILE:LINE: passed over: ...`. No mistake: the profile loads. */
__attribute__((format(printf, 3, 4))) void profile_build_remark(struct profile_build *build,
								int line, const char *fmt, ...);

/* How many were said so far. */
unsigned profile_build_mistakes(const struct profile_build *build);

/* Optional: the line of a key of "command" or "signal" `id` in the present file, 0 where it does not
 * stand there, so that a mistake is said with the line of its key. `forget`
 * (may be NULL) is called with `arg` when the building ends. */
typedef int profile_locate_fn(void *arg, const char *kind, const char *id, const char *key);
void profile_build_locate(struct profile_build *build, profile_locate_fn *locate,
			  void (*forget)(void *arg), void *arg);

/* For the head. Without a name a profile is called like its file. */
int profile_build_name(struct profile_build *build, const char *name, int line);
int profile_build_title(struct profile_build *build, const char *title, int line);
void profile_build_protocol(struct profile_build *build, uint8_t protocol);
int profile_build_vin(struct profile_build *build, const char *prefix, int line);
/* The command may be added later. */
int profile_build_detect(struct profile_build *build, const char *command, int line);

/* Adds a command. To be set: id, ecu (tx, rx or 0, id_bits, extension, tester; functional is derived,
 * flow_control too where it is not set), request, request_len, kind, when, period_us, years, line.
 * Derived: echo_len, signals, unless_valid. */
int profile_build_command(struct profile_build *build, const struct profile_command *command);
/* The index of a command, -1. */
int profile_build_command_find(const struct profile_build *build, const char *id);
const struct profile_command *profile_build_command_at(const struct profile_build *build,
						       int command);

/* How often and when a command is sent, anew. Returns 0 or -EINVAL. */
int profile_build_rhythm(struct profile_build *build, int command, enum profile_when when,
			 int64_t period_us);
/* How many signals a command has so far. */
size_t profile_build_signals_of(const struct profile_build *build, int command);

/* The answer of a command is dropped unless the condition holds. The last word counts. */
int profile_build_valid_if(struct profile_build *build, int command, const char *text, int line);
/* The last word counts, so that ours stands for what a signal set suggests. */
int profile_build_state(struct profile_build *build, enum profile_state state, const char *text,
			int line);

/* Starts a signal: no field, mul, div and to_mul 1, no bounds, trust claimed. */
void profile_signal_init(struct profile_signal *signal);

/* Adds a signal to a command, in any order; what it says is checked at the end. The index that is
 * returned holds until profile_build_finish(), which sorts. */
int profile_build_signal(struct profile_build *build, int command,
			 const struct profile_signal *signal);
int profile_build_signal_find(const struct profile_build *build, const char *id); /* -1: none */
/* The signal, to be completed; valid until the next one is added. */
struct profile_signal *profile_build_signal_at(struct profile_build *build, int signal);
/* Gives a raw value of a signal a name. All words of one signal are added in one go; the first call
 * after another signal's replaces those that it had. */
int profile_build_word(struct profile_build *build, int signal, int64_t raw, const char *name,
		       int line);
/* Adds to a signal's values that are not known. first <= last. */
int profile_build_null(struct profile_build *build, int signal, const struct profile_null *null,
		       int line);
/* All ones in the signal's width, which must be set. */
int profile_build_null_ones(struct profile_build *build, int signal, int line);

/* The unit of a signal's values, which is remembered for a field that is given later; "": none.
 * Returns 0 or -EINVAL. */
int profile_build_unit(struct profile_build *build, int signal, const char *unit, int line);
/* Makes a signal a canonical field (-1: none), from its unit: sets field, to_mul, to_add. Returns 0, or
 * -EINVAL where the unit does not become the field's. */
int profile_build_field(struct profile_build *build, int signal, int field, int line);

/* Checks everything that spans commands and signals, and ends the building, whatever it returns: 0
 * with *ret_profile, -EINVAL or -ENOMEM. `build` is gone. */
int profile_build_finish(struct profile_build *build, struct profile **ret_profile);
/* Gives up; NULL is accepted. */
void profile_build_abandon(struct profile_build *build);

/* The rules of one command or signal; what breaks one is said. profile_check.c. Return 0 or -EINVAL. */
int profile_check_command(struct profile_build *build, const struct profile_command *command);
int profile_check_signal(struct profile_build *build, const struct profile *profile,
			 const struct profile_command *command,
			 const struct profile_signal *signal);
/* Says a mistake in a key of a command or signal, with the key's own line where it is known. */
__attribute__((format(printf, 6, 7))) int profile_build_fault(struct profile_build *build,
							      const char *kind, const char *id,
							      int line, const char *key,
							      const char *fmt, ...);
/* May the request be sent? */
bool profile_build_allowed(const struct profile_build *build, const uint8_t *request, size_t len);

/* The readers. Return 0 (mistakes are counted in `build`) or -ENOMEM. */
int profile_read_file(struct profile_build *build, const char *text, size_t len, const char *path);
int profile_read_obdb(struct profile_build *build, const char *text, size_t len);

#endif
