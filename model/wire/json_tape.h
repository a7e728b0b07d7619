/* A document of JSON as the reader makes it and the accessors walk it: one flat index of the text,
 * its tape. A node for each value, in document order, a container before what it holds. Each node
 * knows how many it spans, so a neighbour is one addition away. Private to model/wire.
 */
#ifndef MODEL_WIRE_JSON_TAPE_H
#define MODEL_WIRE_JSON_TAPE_H

#include "model/wire/json.h"

struct jr_value {
	union {
		bool flag;
		int64_t integer;
		double real;
		const char *text;
	} as;
	const char *key; /* in an object */
	uint32_t key_len;
	uint32_t nodes; /* that it spans, itself included */
	uint32_t count; /* of members, of elements, of a string's bytes */
	uint32_t raw;   /* where it begins in the text ... */
	uint32_t raw_len;
	enum jr_type type;
};

struct jr_doc {
	const char *source; /* the caller's, for jr_raw() */
	struct jr_value *tape;
	char text[]; /* zeros follow, so that scans need no look at the end */
};

static inline const struct jr_value *json_tape_next(const struct jr_value *value)
{
	return value + value->nodes;
}

/* Where elements of an array span several nodes, a list of where each begins stands behind the last:
 * so many nodes hold it. */
static inline size_t json_tape_nodes_for(size_t elements)
{
	return (elements * sizeof(uint32_t) + sizeof(struct jr_value) - 1) /
	       sizeof(struct jr_value);
}

/* That list; NULL where each element is one node. */
static inline const uint32_t *json_tape_elements(const struct jr_value *array)
{
	if (array->nodes - 1 == array->count)
		return NULL;
	return (const uint32_t *)(const void *)(array + array->nodes -
						json_tape_nodes_for(array->count));
}

#endif
