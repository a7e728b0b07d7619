/* One field's value as JSON, and the nesting of field paths. */
#ifndef MODEL_WIRE_VALUE_H
#define MODEL_WIRE_VALUE_H

#include "model/model.h"
#include "model/wire/json.h"

/* The canonical JSON of one field's value ("82.5", "\"charging\"", rows as objects ...). */
void wire_value_encode(struct jw *w, enum model_field field, const struct model_value *value);

/* Where the cells of a list are put together; as large as the longest list. */
struct wire_cells {
	char data[2048];
	size_t len;
	bool overflow;
	unsigned unknown; /* members of rows that are no columns */
};

/* Reads a field's value, which is not null. Texts point into the document, lists into `cells`.
 * Returns NULL, or what is wrong, as a sentence's end ("is no number"). Ranges are not judged:
 * that is model_validate()'s. */
const char *wire_value_decode(const struct jr_value *json, enum model_field field,
			      struct wire_cells *cells, struct model_value *ret_value);

/* Writes the key of each field of a module in turn, nesting "location.latitude" by itself: begin
 * with {.w = w}, call wire_path_key() before each value in the table's order, then wire_path_end(). */
struct wire_path {
	struct jw *w;
	const char *group; /* path of a field of the open group; NULL: none is open */
	size_t group_len;
};

void wire_path_key(struct wire_path *path, enum model_field field);
void wire_path_end(struct wire_path *path);

/* "battery.state_of_charge_pct". */
#define WIRE_FIELD_NAME_SIZE 80
void wire_field_name(enum model_field field, char out[static WIRE_FIELD_NAME_SIZE]);
int wire_field_find(const char *name, size_t len); /* -1 where there is none */

#endif
