/* INI configuration with one table as its schema and errors that name file, line, key and what
 * was expected.
 *
 *	[agent]
 *	gateway_id = gw-1
 *	[source obd0]            a named section: kind "source", name "obd0"
 *	device = /dev/ttyUSB0
 *
 * A program describes every section and key once, in tables of conf_section and conf_key; the
 * table gives type, range and default, so a default has one home and the getters cannot fail.
 * Parsing finds every mistake, not only the first (up to 100). Files are UTF-8 of at most 1 MiB with
 * lines of at most 1,000 bytes; a byte order mark and CR LF line ends are accepted. Comments begin
 * with ";" or "#" at the start of a line, or with " ;" after a value.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type {
	CONF_TEXT,      /* any text; min..max bound its length in bytes (0..0: no bound) */
	CONF_ID,        /* an id by ids_valid() */
	CONF_BOOL,      /* yes/no, true/false, on/off, 1/0 */
	CONF_INT,       /* decimal int64_t in min..max */
	CONF_NUMBER,    /* decimal, with a point or exponent, in min..max */
	CONF_DURATION,  /* integer with unit ms, s, min, h or d, or 0; kept in ms, in min..max */
	CONF_SIZE,      /* integer with optional KiB, MiB or GiB; kept in bytes, in min..max */
	CONF_ENUM,      /* one of the words of `words`, kept as its index */
	CONF_PATH,      /* absolute path, or relative to the folder of the file; kept absolute */
	CONF_HOST_PORT, /* host:port, [v6]:port; port 1..65535 */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	/* Default as text; NULL: the key is required where its section is. "" for TEXT, ID, PATH and
	 * HOST_PORT stands for none, even where min..max forbids an empty value in the file. */
	const char *fallback;
	int64_t min, max; /* 0..0: no bound */
	/* CONF_ENUM: the words, separated by spaces. CONF_SIZE: one word that stands for 0, or NULL. */
	const char *words;
	const char *help; /* what was expected, for errors and --help: "seconds between polls" */
};

enum conf_presence {
	CONF_OPTIONAL, /* at most once; its defaults hold when it is absent */
	CONF_REQUIRED, /* exactly once */
	CONF_MANY,     /* any number, each with its own name */
};

struct conf_section {
	const char *kind;
	enum conf_presence presence;
	const struct conf_key *keys; /* ends with a key whose name is NULL */
};

struct conf;
struct conf_sect; /* one section as read; lives as long as its conf */

/* A mistake. `line` is 0 where none can be named (a missing section), `section` and `key` are ""
 * where there is none. */
struct conf_error {
	int line;
	char section[80];
	char key[64];
	char expected[200]; /* without the word "expected" */
};

/* Reads and checks a file against `schema` (ends with a section whose kind is NULL).
 * On mistakes returns -EINVAL and sets *ret_conf too, so that conf_error_*() can be asked; on
 * -ENOMEM, -EFBIG or an unreadable file (-errno) *ret_conf is untouched. Free with conf_free(). */
int conf_load(const char *path, const struct conf_section *schema, struct conf **ret_conf);

/* Same, from text that stands for a file called `path` (tests, generated sections). */
int conf_parse(const char *text, size_t len, const char *path, const struct conf_section *schema,
	       struct conf **ret_conf);

/* NULL is accepted. */
void conf_free(struct conf *conf);

/* Adds a mistake found by the program itself (a device that is named twice, say) at a section's
 * key; conf_error_count() and conf_print_errors() then include it. Returns 0 or -ENOMEM. */
int conf_add_error(struct conf *conf, const struct conf_sect *sect, const char *key,
		   const char *expected);

size_t conf_error_count(const struct conf *conf);
const struct conf_error *conf_error_at(const struct conf *conf, size_t index);

/* One line a mistake: `FILE:LINE: [section] key: expected ...`. */
void conf_print_errors(const struct conf *conf, FILE *out);

/* The only section of a kind; for CONF_OPTIONAL ones that are absent, one that holds the defaults.
 * Never NULL for a kind of the schema that is not CONF_MANY, in a conf without errors. */
const struct conf_sect *conf_get(const struct conf *conf, const char *kind);

/* Iterates the sections of a kind in file order; NULL as `prev` starts, NULL ends. */
const struct conf_sect *conf_next(const struct conf *conf, const char *kind,
				  const struct conf_sect *prev);

const char *conf_name(const struct conf_sect *sect); /* "obd0"; "" for unnamed sections */
/* False for a CONF_OPTIONAL section that is absent: its defaults hold, and its required keys have no
 * value (NULL, 0, false). */
bool conf_present(const struct conf_sect *sect);

/* Getters: the value or its default. Asking for a key that is not in the schema, or with the wrong
 * type, is a bug in the program and aborts with a message. Strings live as long as the conf. */
const char *conf_text(const struct conf_sect *sect, const char *key);
int64_t conf_int(const struct conf_sect *sect, const char *key); /* also DURATION, SIZE, ENUM */
bool conf_bool(const struct conf_sect *sect, const char *key);
double conf_number(const struct conf_sect *sect, const char *key);
/* The parts of a CONF_HOST_PORT: the host without brackets ("" for none), the port (0 for none). */
const char *conf_host(const struct conf_sect *sect, const char *key);
uint16_t conf_port(const struct conf_sect *sect, const char *key);
/* The line that names the key; where the file does not, or `key` is NULL, that of the section's
 * heading, 0 for an absent section. */
int conf_line(const struct conf_sect *sect, const char *key);
/* True where the file itself names the key. */
bool conf_is_set(const struct conf_sect *sect, const char *key);

/* What several programs check beyond their tables. */

/* Adds a mistake where the file that `key` names (none where it is empty) is not a regular file that
 * its owner alone may read. Returns 0 or -ENOMEM. */
int conf_check_secret(struct conf *conf, const struct conf_sect *sect, const char *key);

/* True for "localhost" and the numeric addresses of the loopback networks (RFC 6890). Names are not
 * resolved. */
bool conf_host_is_loopback(const char *host);

/* A CONF_DURATION that stands elsewhere, as on a command line: "2 h". 0 or -EINVAL. */
int conf_parse_duration(const char *text, int64_t *ret_ms);

#endif
