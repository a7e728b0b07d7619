/* Deadbands: from what difference on a value is told again. The table is agent/deadband.def; the
 * section [deadband] of the configuration overrides it.
 *
 * What is compared is the value that was last told, not the one last read: slow drift adds up. An
 * end of the field's range, and zero, are always told (stands still, is full, draws nothing). */
#ifndef AGENT_DEADBAND_H
#define AGENT_DEADBAND_H

#include <stdbool.h>

#include "base/conf.h"
#include "model/model.h"

struct deadband {
	double of[MODEL_FIELD_COUNT]; /* in the field's unit; 0: every change is told */
	double location_m;            /* of the position as a whole */
};

/* The keys of the section, with the defaults; ends as struct conf_section wants it. */
extern const struct conf_key deadband_keys[];
void deadband_default(struct deadband *ret_bands);
void deadband_read(const struct conf_sect *sect, struct deadband *ret_bands);

/* Is `value` of a NUMBER news to who was told `told`? A course is compared round the circle. */
bool deadband_is_news(const struct deadband *bands, enum model_field field, double told,
		      double value);

#endif
