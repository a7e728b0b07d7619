/* A recorded answer of an OBD adapter on the way that the agent takes it: a signal set is loaded with
 * the gate of requests, its command's address becomes an adapter's target, the adapter's text becomes
 * a reply, the reply messages, and a message values.
 */
#ifndef TESTS_CONFORMANCE_OBD_PATH_H
#define TESTS_CONFORMANCE_OBD_PATH_H

#include "agent/protocol/elm327.h"
#include "agent/protocol/obd2.h"
#include "provider/obd/profile.h"
#include "tests/conformance/conformance.h"

struct obd_path {
	struct profile *profile;
	const struct profile_command *command;
	struct elm327_config config;
	char request[OBD2_TEXT_SIZE];
	struct elm327_reply reply; /* the last one */
};

/* Makes the way of a row with request_header, response_id, extended_address, request, for signals of
 * its `formats` {id: format}. Formats of rows lack the bounds that their sources have; where a value
 * was `recorded_values` and is none of `strict_values`, it is the bound to which a lenient reader
 * pressed what it read, and becomes one again. Returns 0 (close it), -EINVAL (said), -ENOMEM. */
int obd_path_open(struct conform_run *run, const struct jr_value *row, struct obd_path *path);
/* The same for one signal, without bounds. */
int obd_path_open_one(struct conform_run *run, const struct jr_value *row, const char *id,
		      const struct jr_value *format, struct obd_path *path);
void obd_path_close(struct obd_path *path);

typedef void obd_path_fn(void *arg, uint32_t id, const uint8_t *data, size_t len);

/* Feeds what an adapter said, lines separated by LF, the last prompt left out, and hands over the
 * answers in order. Recordings hold prompts in their middle where several replies were written down
 * as one: each is judged by itself. */
void obd_path_feed(struct obd_path *path, const char *raw, obd_path_fn *fn, void *arg);

/* The value of signal `id` in an answer. False where none is given. */
bool obd_path_value(const struct obd_path *path, const char *id, const uint8_t *data, size_t len,
		    struct profile_value *ret_value);

#endif
