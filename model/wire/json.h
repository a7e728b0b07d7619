/* The one JSON reader and writer of Freshet. The reader is strict (RFC 8259): bad UTF-8, halves of
 * surrogate pairs, duplicate keys, keys with a NUL, trailing bytes, integers past 64 bits and numbers
 * that are not finite are errors. Integers keep 64 bits, reals are rounded as strtod() rounds.
 */
#ifndef MODEL_WIRE_JSON_H
#define MODEL_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JR_DEPTH_MAX 32
/* A value takes some 40 bytes beside its text: without a limit 8 MiB of "0," would be 160 MB. */
#define JR_VALUES_MAX 500000
#define JR_BYTES_MAX ((size_t)1 << 30)

enum jr_type {
	JR_NONE,
	JR_NULL,
	JR_BOOL,
	JR_INTEGER,
	JR_REAL,
	JR_STRING,
	JR_ARRAY,
	JR_OBJECT,
};

struct jr_doc;
struct jr_value; /* lives as long as its document */

struct jr_error {
	size_t offset;     /* bytes from the start */
	char message[128]; /* for a person */
};

/* Parses one document; what passes the limits above is an error too. The document copies what it
 * needs of `text`, except for jr_raw(). Time is bounded by n log n of the text, whatever its keys.
 * Returns 0, -EINVAL (then *ret_error says what and where) or -ENOMEM. A document never changes: any
 * thread may read it. */
int jr_parse(const char *text, size_t len, struct jr_doc **ret_doc, struct jr_error *ret_error);
void jr_free(struct jr_doc *doc); /* NULL is accepted */
const struct jr_value *jr_root(const struct jr_doc *doc);
/* The exact bytes of a value of this document, without spaces around it: a slice of the text that
 * jr_parse() was given, which must be there still. */
void jr_raw(const struct jr_doc *doc, const struct jr_value *value, const char **ret_text,
	    size_t *ret_len);

/* Readers accept NULL values (JR_NONE), so look-ups chain without checks. */
enum jr_type jr_type(const struct jr_value *value);
const struct jr_value *jr_get(const struct jr_value *object,
			      const char *key); /* walks the members */
size_t jr_count(const struct jr_value *array_or_object);
const struct jr_value *jr_at(const struct jr_value *array, size_t index);
/* Each return true and set *ret only when the value is of that type. A real is no integer; an
 * integer is a number. */
bool jr_bool(const struct jr_value *value, bool *ret);
bool jr_integer(const struct jr_value *value, int64_t *ret);
bool jr_number(const struct jr_value *value, double *ret);
/* A NUL follows the text (which may hold others); it lives as long as the document. */
bool jr_string(const struct jr_value *value, const char **ret_text, size_t *ret_len);
/* Copies a string and its NUL; false, with `out` untouched, where it is no string, does not fit or
 * holds a NUL (jr_string() hands those over as they are). */
bool jr_string_copy(const struct jr_value *value, char *out, size_t size);
/* Calls `fn` for each member in document order, with its key as a C string, until it returns
 * non-zero; returns that. */
int jr_each(const struct jr_value *object,
	    int (*fn)(void *arg, const char *key, size_t key_len, const struct jr_value *value),
	    void *arg);

/* The writer appends compact JSON to a buffer; commas are its own. Depth is bounded by
 * JR_DEPTH_MAX. Misuse (a value without a key in an object) and numbers that are not finite set
 * -EINVAL as the buffer's sticky error. Keys are ASCII without escapes; strings are escaped, bytes
 * that are no UTF-8 become U+FFFD. */
struct jw {
	struct buf *out;
	unsigned depth;
	bool first[JR_DEPTH_MAX + 1];
	bool object[JR_DEPTH_MAX + 1];
	bool after_key;
};

void jw_init(struct jw *w, struct buf *out);
void jw_open_object(struct jw *w);
void jw_close_object(struct jw *w);
void jw_open_array(struct jw *w);
void jw_close_array(struct jw *w);
void jw_key(struct jw *w, const char *key);
void jw_put_string(struct jw *w, const char *text, size_t len);
void jw_put_text(struct jw *w, const char *text); /* NULL becomes null */
void jw_put_integer(struct jw *w, int64_t value);
void jw_put_number(struct jw *w, double value); /* shortest text that reads back equal */
void jw_put_bool(struct jw *w, bool value);
void jw_put_null(struct jw *w);
void jw_put_time(struct jw *w, int64_t ms); /* RFC 3339; INT64_MIN becomes null */
/* Text that is JSON already. */
void jw_put_raw(struct jw *w, const char *json, size_t len);

/* A key and its value in one. */
void jw_text(struct jw *w, const char *key, const char *text);
void jw_int(struct jw *w, const char *key, int64_t value);
void jw_num(struct jw *w, const char *key, double value);
void jw_flag(struct jw *w, const char *key, bool value);
void jw_time(struct jw *w, const char *key, int64_t ms);

#endif
