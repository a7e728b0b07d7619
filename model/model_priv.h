/* What the modules of model/ share among themselves. */
#ifndef MODEL_MODEL_PRIV_H
#define MODEL_MODEL_PRIV_H

#include "model/model.h"

static inline bool model_type_has_text(enum model_type type)
{
	return type == MODEL_TYPE_TEXT || type == MODEL_TYPE_LIST;
}

/* Moves the `texts`, which all stand in `memory` and do not overlap, together at its start, and sets
 * *len to their sum. What is in the memory and not named is given up. */
void model_text_compact(char *memory, size_t *len, struct model_text *const *texts, size_t count);

#endif
