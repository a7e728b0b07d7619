/* The one JSON reader and writer of Freshet. Which library stands behind it is this module's own
 * business; strict: bad UTF-8, duplicate keys, trailing bytes, depth past 32 and numbers that are
 * not finite are errors. Integers keep 64 bits.
 */
#ifndef MODEL_WIRE_JSON_H
#define MODEL_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH_MAX 32

enum json_type { JSON_NONE, JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_REAL, JSON_STRING, JSON_ARRAY,
		 JSON_OBJECT };

struct json_doc;
struct json_value; /* lives as long as its document */

struct json_error {
	size_t offset;     /* bytes from the start */
	char message[128]; /* for a person */
};

/* Parses one document. Returns 0, -EINVAL (then *ret_error says what and where) or -ENOMEM. */
int json_parse(const char *text, size_t len, struct json_doc **ret_doc, struct json_error *ret_error);
void json_free(struct json_doc *doc); /* NULL is accepted */
const struct json_value *json_root(const struct json_doc *doc);

/* Readers accept NULL values (JSON_NONE), so look-ups chain without checks. */
enum json_type json_type(const struct json_value *value);
const struct json_value *json_get(const struct json_value *object, const char *key);
size_t json_count(const struct json_value *array_or_object);
const struct json_value *json_at(const struct json_value *array, size_t index);
/* Each return true and set *ret only when the value is of that type. A real is no integer; an
 * integer is a number. */
bool json_bool(const struct json_value *value, bool *ret);
bool json_integer(const struct json_value *value, int64_t *ret);
bool json_number(const struct json_value *value, double *ret);
bool json_string(const struct json_value *value, const char **ret_text, size_t *ret_len);
/* Calls `fn` for each member in document order until it returns non-zero; returns that. */
int json_each(const struct json_value *object,
	      int (*fn)(void *arg, const char *key, size_t key_len, const struct json_value *value),
	      void *arg);

/* The writer appends compact JSON to a buffer; commas are its own. Depth is bounded by
 * JSON_DEPTH_MAX. Misuse (a value without a key in an object) and numbers that are not finite set
 * -EINVAL as the buffer's sticky error. Keys are ASCII without escapes; strings are escaped, bytes
 * that are no UTF-8 become U+FFFD. */
struct json_writer {
	struct buf *out;
	unsigned depth;
	bool first[JSON_DEPTH_MAX + 1];
	bool object[JSON_DEPTH_MAX + 1];
	bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_open_object(struct json_writer *w);
void json_close_object(struct json_writer *w);
void json_open_array(struct json_writer *w);
void json_close_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_put_string(struct json_writer *w, const char *text, size_t len);
void json_put_text(struct json_writer *w, const char *text); /* NULL becomes null */
void json_put_integer(struct json_writer *w, int64_t value);
void json_put_number(struct json_writer *w, double value); /* shortest text that reads back equal */
void json_put_bool(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);
void json_put_time(struct json_writer *w, int64_t ms); /* RFC 3339; INT64_MIN becomes null */
/* Text that is JSON already. */
void json_put_raw(struct json_writer *w, const char *json, size_t len);

/* A key and its value in one. */
void json_text(struct json_writer *w, const char *key, const char *text);
void json_int(struct json_writer *w, const char *key, int64_t value);
void json_num(struct json_writer *w, const char *key, double value);
void json_flag(struct json_writer *w, const char *key, bool value);
void json_time(struct json_writer *w, const char *key, int64_t ms);

#endif
