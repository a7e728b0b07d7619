/* What the kinds of J1939 share: kind_j1939.c (single frames, the table, transport sessions) and
 * kind_j1939_log.c (whole recordings). */
#ifndef TESTS_CONFORMANCE_KIND_J1939_H
#define TESTS_CONFORMANCE_KIND_J1939_H

#include "agent/protocol/j1939_tp.h"
#include "tests/conformance/candump.h"

#define J1939_STATUS_COUNT (J1939_SHORT + 1)

/* "ok", "na", "error", "reserved", "short". */
const char *conform_j1939_status(enum j1939_status status);

/* A member that must be an integer; says what is missing and returns false where it is not. */
bool conform_j1939_need(const struct conform_run *run, const struct jr_value *object,
			const char *key, int64_t *ret);

#endif
