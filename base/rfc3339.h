/* RFC 3339 times on the wire: UTC with milliseconds and `Z`, as int64_t milliseconds since 1970. */
#ifndef BASE_RFC3339_H
#define BASE_RFC3339_H

#include <stddef.h>
#include <stdint.h>

#define RFC3339_SIZE 25 /* "2026-11-20T16:00:00.000Z" and the NUL */

/* Formats years 1970..9999; what lies outside is clamped to those ends. Returns `out`. */
char *rfc3339_format(int64_t ms, char out[static RFC3339_SIZE]);

/* Parses full-date "T" full-time with optional fraction (any number of digits, cut to ms) and `Z`
 * or a numeric offset; leap second :60 counts as :59.999. The whole text must match. Days are
 * checked against month and leap year. Returns 0 or -EINVAL. */
int rfc3339_parse(const char *text, size_t len, int64_t *ret_ms);

#endif
