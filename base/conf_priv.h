/* What the three files of base_conf share: conf.c (ownership, errors, getters), conf_read.c (lines,
 * sections, keys) and conf_value.c (one value). */
#ifndef BASE_CONF_PRIV_H
#define BASE_CONF_PRIV_H

#include "base/conf.h"
#include "base/ids.h"

/* A value and where it stands; line 0: it is the default, or absent. */
struct conf_value {
	int line;
	int64_t num; /* INT, DURATION, SIZE, ENUM, BOOL; the port of HOST_PORT */
	double real; /* NUMBER */
	char *text;  /* TEXT, ID, PATH, HOST_PORT; owned */
	char *host;  /* HOST_PORT; owned */
};

struct conf_sect {
	struct conf_sect *next;
	const struct conf_section *schema;
	int line; /* of its heading; 0: it is not in the file and holds the defaults */
	char name[IDS_SIZE];
	size_t n_values;
	struct conf_value values[]; /* one a key of the schema, in its order */
};

struct conf {
	char *path;
	char *folder; /* absolute; relative CONF_PATH values start there */
	const struct conf_section *schema;
	struct conf_sect *first;
	struct conf_sect *last;
	struct conf_error *errors;
	size_t n_errors;
	bool full; /* so many mistakes that no more are kept */
};

/* Keeps a mistake. `section` and `key` may be "". Returns 0 or -ENOMEM. */
__attribute__((format(printf, 5, 6))) int conf_note(struct conf *conf, int line,
						    const char *section, const char *key,
						    const char *fmt, ...);

/* Appends a section without values. NULL when there is no memory. */
struct conf_sect *conf_sect_add(struct conf *conf, const struct conf_section *schema,
				const char *name, int line);

/* "kind" or "kind name", cut to `size`. */
void conf_sect_label(const struct conf_sect *sect, char *out, size_t size);

/* Reads text into `conf`. Mistakes are noted; returns 0 or -ENOMEM. */
int conf_read(struct conf *conf, const char *text, size_t len);

/* Checks `text` and fills `value` (but for its line). Returns 0, -ENOMEM, or -EINVAL with `value`
 * untouched. */
int conf_value_parse(const struct conf *conf, const struct conf_key *key, const char *text,
		     struct conf_value *value);

/* What the key wants, in words, with its range. */
void conf_value_describe(const struct conf_key *key, char *out, size_t size);

/* Says that the program's own tables are wrong, and aborts. */
__attribute__((format(printf, 1, 2), noreturn)) void conf_bug(const char *fmt, ...);

#endif
