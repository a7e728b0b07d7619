/* What the two files of the OBDb reader share: profile_obdb.c (the set, its commands: requests,
 * addresses, years), profile_obdb_signal.c (their signals). */
#ifndef PROVIDER_OBD_PROFILE_OBDB_PRIV_H
#define PROVIDER_OBD_PROFILE_OBDB_PRIV_H

#include "model/wire/json.h"
#include "provider/obd/profile_priv.h"

#define OBDB_STATE_SIZE 1024

struct obdb_reader {
	struct profile_build *build;
	struct jr_doc *doc;
	const char *text;
	uint32_t *lines; /* where each begins */
	size_t line_count;
	char charging[OBDB_STATE_SIZE]; /* the condition that the signals suggest */
	int charging_line;
	/* What is being read. */
	struct profile_command command;
	int index;
	struct profile_signal signal;
};

/* The line of the set in which a value begins, from 1. */
int obdb_line_of(const struct obdb_reader *reader, const struct jr_value *value);

/* Says a mistake at a value; -EINVAL. */
#define OBDB_FAULT(reader, where, kind, id, ...)                                                   \
	profile_build_fault((reader)->build, kind, id, obdb_line_of(reader, where), __VA_ARGS__)

/* A member that is true or false; absent, *ret stays as it is. Returns 0, or -EINVAL (said). */
int obdb_take_bool(struct obdb_reader *reader, const struct jr_value *object, const char *key,
		   const char *kind, const char *id, bool *ret);

/* Is the value that text? */
bool obdb_is_text(const struct jr_value *value, const char *text);

/* Reads a signal of reader->command, which stands at reader->index of the profile. Returns 0 (taken,
 * or passed over with a remark), -EINVAL (said) or -ENOMEM. */
int obdb_take_signal(struct obdb_reader *reader, const struct jr_value *object);

#endif
