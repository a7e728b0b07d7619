/* What the three files of the building share: profile_build.c (mistakes, the head, commands),
 * profile_build_signal.c (signals), profile_finish.c (conditions, and what spans all of them). */
#ifndef PROVIDER_OBD_PROFILE_BUILD_PRIV_H
#define PROVIDER_OBD_PROFILE_BUILD_PRIV_H

#include "provider/obd/profile_priv.h"

#define PROFILE_FILES_MAX 2

/* A condition as text: signals get their places when all are known. */
struct profile_pending {
	char *text;
	int command; /* whose answer it judges; -1: it is a state's */
	enum profile_state state;
	uint8_t file;
	int line;
};

/* What is known of a signal while it is built. */
struct profile_origin {
	const char *unit; /* lasting */
	uint8_t file;
};

struct profile_build {
	struct profile *profile;
	profile_allowed_fn *allowed;
	FILE *errors;
	unsigned mistakes, remarks;
	char *files[PROFILE_FILES_MAX];
	uint8_t file;      /* whose contents are being added */
	uint8_t said_file; /* whose a mistake is */
	profile_locate_fn *locate;
	void (*forget)(void *arg);
	void *locate_arg;
	uint8_t locate_file;
	size_t command_room, signal_room, word_room;
	struct profile_origin *origins; /* per signal */
	int worded;                     /* the signal that has the last words, -1 */
	struct profile_pending *pendings;
	size_t pending_count, pending_room;
	char detect[PROFILE_ID_SIZE];
	int detect_line;
	uint8_t detect_file;
};

/* A list with room for one more element of `size` bytes; NULL where there is no memory, and the list
 * is as it was. *room follows. */
void *profile_with_room(void *list, size_t *room, size_t count, size_t size);

#endif
