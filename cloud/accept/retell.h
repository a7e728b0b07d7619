/* A JSON value as compact text again, for what must be kept whole. */
#ifndef CLOUD_ACCEPT_RETELL_H
#define CLOUD_ACCEPT_RETELL_H

#include "model/wire/json.h"

/* Appends; the buffer's error is sticky. Keys are written as they were read. */
void retell(struct buf *out, const struct jr_value *value);

#endif
