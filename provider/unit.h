/* Units: what a source measures in, and what that is in the unit of a canonical field. Stateless; any
 * thread.
 */
#ifndef PROVIDER_UNIT_H
#define PROVIDER_UNIT_H

#include <stdbool.h>

/* "battery.pack_voltage_v" to its field (enum model_field), -1 where there is none. */
int unit_field_find(const char *name);

/* The name of a unit ("km", "psi", "C") as a lasting string, NULL where it is not known. "" is none
 * and known. */
const char *unit_find(const char *unit);
/* The unit of a field, "" where it has none. */
const char *unit_of_field(int field);
/* canonical = value * mul + add from `unit` to the field's own. False, with nothing set, where that
 * cannot be. */
bool unit_convert(const char *unit, int field, double *ret_mul, double *ret_add);

#endif
