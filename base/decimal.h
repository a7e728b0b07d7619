/* Decimal numbers in text that people write. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdbool.h>

/* Reads `-12`, `0.5`, `1e-3`: digits with an optional sign, a point, an exponent; no hexadecimal, no
 * "inf", no "nan", nothing that overflows. The number ends where it can no more go on; *ret_rest (may
 * be NULL: the text must end there) is what follows. The programs do not set a locale, so the point
 * is a point. False, with nothing set, where no number stands there. */
bool decimal_parse(const char *text, double *ret_value, const char **ret_rest);

#endif
