/* Reading the members of an object into a struct, with one sticky error that says what was wrong.
 * Private to model/wire. */
#ifndef MODEL_WIRE_MEMBER_PRIV_H
#define MODEL_WIRE_MEMBER_PRIV_H

#include "model/wire/json.h"
#include "model/wire/record.h"

/* Begin with {object, problem, problem_size, 0}. After the first failure the readers do nothing. */
struct member_reader {
	const struct jr_value *object;
	char *problem; /* "batch: expected an integer in 1..9223372036854775807" */
	size_t problem_size;
	int error; /* 0, -EINVAL, -EMSGSIZE */
};

/* Sets error and problem, if there is none yet. */
__attribute__((format(printf, 3, 4))) void member_fail(struct member_reader *r, int error,
						       const char *fmt, ...);

/* Ids by ids_valid(). The second gives "" where the member is absent or null. */
void member_id(struct member_reader *r, const char *key, char *out, size_t size);
void member_id_or_none(struct member_reader *r, const char *key, char *out, size_t size);
/* Printable UTF-8, "" where absent or null. */
void member_text_or_none(struct member_reader *r, const char *key, char *out, size_t size);
void member_integer(struct member_reader *r, const char *key, int64_t min, int64_t max,
		    int64_t *out);
/* `fallback` where the member is absent or null. */
void member_integer_or(struct member_reader *r, const char *key, int64_t min, int64_t max,
		       int64_t fallback, int64_t *out);
void member_bool_or(struct member_reader *r, const char *key, bool fallback, bool *out);
void member_time(struct member_reader *r, const char *key, int64_t *out);
/* MODEL_NO_TIME where absent or null. */
void member_time_or_none(struct member_reader *r, const char *key, int64_t *out);
/* One of `count` words, as its index. */
int member_word(struct member_reader *r, const char *key, const char *const *words, size_t count);
/* [[first,last],...], ascending, from 1, not touching each other's numbers. */
void member_ranges(struct member_reader *r, const char *key, struct wire_range *out, size_t max,
		   size_t *ret_count);
void member_ranges_encode(struct jw *w, const char *key, const struct wire_range *ranges,
			  size_t count);
/* The elements of a list; 0 where it is absent. */
size_t member_list(struct member_reader *r, const char *key, size_t max,
		   const struct jr_value **ret_list);
/* A reader of an element of a list, or of a member that is an object. */
struct member_reader member_inner(const struct member_reader *r, const struct jr_value *object);

/* A payload that is being read: its document, and the reader of its object. */
struct member_payload {
	struct jr_doc *doc;
	struct member_reader r;
};

/* Parses and checks the version; always ended by member_payload_close(), which returns the error. */
void member_payload_open(struct member_payload *p, const void *data, size_t len, char *problem,
			 size_t problem_size);
int member_payload_close(struct member_payload *p);

#endif
