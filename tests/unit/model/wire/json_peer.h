/* Our JSON reader beside jansson, which must say the same of every text. Deliberate differences, in
 * each of which ours refuses:
 * - nested deeper than JR_DEPTH_MAX (jansson: 2048), more than JR_VALUES_MAX values, longer than
 *   JR_BYTES_MAX: a peer's text may not cost more than that;
 * - a NUL byte, which no JSON text may hold: jansson 2.14 overlooks one behind a number, "[1\0]".
 */
#ifndef TESTS_UNIT_MODEL_WIRE_JSON_PEER_H
#define TESTS_UNIT_MODEL_WIRE_JSON_PEER_H

#include <stdbool.h>
#include <stddef.h>

/* NULL where both agree on accept or refuse and on each value; otherwise what differs, for a
 * person. *ret_taken (may be NULL): did both accept? */
const char *json_peer_differ(const char *text, size_t len, bool *ret_taken);

#endif
