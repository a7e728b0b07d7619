/* The conformance runner: files of recorded cases, run through the parsers and decoders that the
 * programs use.
 *
 *	main.c     arguments, the report
 *	files.c    a folder becomes a list of files, each of a kind, told by the keys of its first row
 *	rows.c     a file becomes rows (JSON lines) or one document, and these are counted
 *	kinds.c    the table of kinds: a new kind is one file kind_X.c and one row there
 *	ev_facts.c facts of vehicles become signal sets
 *	candump.c  recordings of CAN frames
 *	obd_path.c a case of OBD becomes a signal set, a target, a reply, an answer, a value
 */
#ifndef TESTS_CONFORMANCE_CONFORMANCE_H
#define TESTS_CONFORMANCE_CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/wire/json.h"

#define CONFORM_ROW_MAX ((size_t)1 << 20)       /* a row; longer ones are malformed */
#define CONFORM_DOCUMENT_MAX ((size_t)16 << 20) /* a file that is one document */
#define CONFORM_FILES_MAX 20000
#define CONFORM_DEPTH_MAX 16 /* of folders */
#define CONFORM_KEYS_SIZE 160

struct conform_options {
	const char *folder;
	const char *profiles; /* folder of vehicle profiles */
	const char *facts;    /* path in the folder of its first file of kind ev_pids, or NULL */
	bool json;
	bool verbose;
};

struct conform_counts {
	int64_t right;    /* a value was expected and given */
	int64_t withheld; /* a value was expected or recorded, and none was given */
	int64_t wrong;    /* a value differs, or was given where none may be */
};

/* One file while its cases run. */
struct conform_run {
	const struct conform_options *options;
	const char *file; /* its path in the folder */
	const struct jr_doc *doc;
	const char *text; /* that `doc` was made of */
	int line;         /* where it begins, from 1 */
	struct conform_counts counts;
	void *state; /* the kind's own, between begin() and end() */
};

/* A verdict on one case; `why` is printed where the user asked for it. */
void conform_right(struct conform_run *run);
__attribute__((format(printf, 2, 3))) void conform_withheld(struct conform_run *run,
							    const char *why, ...);
__attribute__((format(printf, 2, 3))) void conform_wrong(struct conform_run *run, const char *why,
							 ...);

/* The case cannot be run: its row is malformed. Says `FILE:LINE: ...` with the line of `where`
 * (NULL: of the row) and returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int conform_bad(const struct conform_run *run,
						      const struct jr_value *where, const char *fmt,
						      ...);
/* The line of the file on which a value begins. */
int conform_line(const struct conform_run *run, const struct jr_value *value);

/* A member that must be a text (without NUL); says what is missing and returns NULL where it is
 * not. `conform_text` accepts null and absence: NULL without a word. */
const char *conform_need_text(const struct conform_run *run, const struct jr_value *object,
			      const char *key);
const char *conform_text(const struct jr_value *object, const char *key);

/* Is `got` what was expected? Integers exactly, others within 1e-4 of it. */
bool conform_same_number(const struct jr_value *expected, double got);
/* Hex digits, two a byte; false where they are none, or do not fit. */
bool conform_hex_bytes(const char *text, uint8_t *out, size_t size, size_t *ret_len);

struct conform_kind {
	const char *name;
	/* Blank-separated keys that the first row or object has; "a/b": the first element of its
	 * list a has b. */
	const char *keys;
	/* Takes a row, or the document, and gives its verdicts. Returns 0, -EINVAL (said already) or
	 * -ENOMEM. NULL: this build has no reader for it. */
	int (*take)(struct conform_run *run, const struct jr_value *value);
	/* What is made once a file; both may be NULL. begin() returns 0 or -errno (said). */
	int (*begin)(struct conform_run *run);
	void (*end)(struct conform_run *run);
	/* True where the files that it lists by "file" belong to it: they have no kind of their
	 * own. */
	bool lists;
};

/* Ends with a kind without a name. */
extern const struct conform_kind conform_kinds[];
/* The kind of a first row or object; NULL where it has none. */
const struct conform_kind *conform_kind_of(const struct jr_value *first);

int conform_obd_case(struct conform_run *run, const struct jr_value *row);
int conform_garbled(struct conform_run *run, const struct jr_value *row);
int conform_grammar(struct conform_run *run, const struct jr_value *document);
int conform_ev_pids(struct conform_run *run, const struct jr_value *document);
int conform_uds(struct conform_run *run, const struct jr_value *document);
int conform_j1939_case(struct conform_run *run, const struct jr_value *row);
int conform_j1939_log(struct conform_run *run, const struct jr_value *document);
int conform_j1939_spns(struct conform_run *run, const struct jr_value *document);
int conform_j1939_indicators(struct conform_run *run, const struct jr_value *document);
int conform_j1939_transport(struct conform_run *run, const struct jr_value *document);
int conform_nmea(struct conform_run *run, const struct jr_value *row);
int conform_ev_pids_begin(struct conform_run *run);
void conform_ev_pids_end(struct conform_run *run);

/* ---- files.c ---- */

enum conform_shape {
	CONFORM_ROWS,     /* an object a line */
	CONFORM_DOCUMENT, /* one JSON document */
	CONFORM_OTHER,    /* no JSON: a recording that cases name, a text */
	CONFORM_BROKEN,   /* begins like JSON and is none; said already */
};

struct conform_file {
	char *path; /* in the folder; owned */
	enum conform_shape shape;
	const struct conform_kind *kind; /* NULL: not known */
	const char *listed;              /* the file that lists it, NULL: none */
	char keys[CONFORM_KEYS_SIZE];    /* the first keys */
	bool failed;                     /* it could not be read to its end */
	struct conform_counts counts;
};

struct conform_files {
	struct conform_file *all; /* owned; sorted by path */
	size_t count;
};

/* Walks the folder and recognises every file. Returns 0 with *ret (free with conform_files_free()),
 * or -errno (said). Files that begin with a dot, and what is no regular file, are passed over. */
int conform_files_find(const struct conform_options *options, struct conform_files *ret);
void conform_files_free(struct conform_files *files);

/* ---- rows.c ---- */

/* Calls `take` for each row of a file, or for its document. Returns 0, what `take` returned, -EINVAL
 * for a malformed row (said), or -errno (said). */
int conform_read(struct conform_run *run, enum conform_shape shape,
		 int (*take)(struct conform_run *run, const struct jr_value *value));
/* The same for the first row alone; tells the shape. Malformed ones are not said for
 * CONFORM_OTHER. */
int conform_read_first(struct conform_run *run, enum conform_shape *ret_shape,
		       int (*take)(struct conform_run *run, const struct jr_value *value));
/* Runs all cases of a file whose kind has a reader. */
void conform_run_file(const struct conform_options *options, struct conform_file *file);

#endif
