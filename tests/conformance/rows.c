#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "tests/conformance/conformance.h"

/* ---- verdicts ---- */

__attribute__((format(printf, 3, 0))) static void tell(const struct conform_run *run,
						       const char *verdict, const char *why,
						       va_list ap)
{
	FILE *out = run->options->json ? stderr : stdout;

	if (!run->options->verbose)
		return;
	(void)fprintf(out, "%s:%d: %s: ", run->file, run->line, verdict);
	(void)vfprintf(out, why, ap);
	(void)fputc('\n', out);
}

void conform_right(struct conform_run *run)
{
	run->counts.right++;
}

void conform_withheld(struct conform_run *run, const char *why, ...)
{
	va_list ap;

	run->counts.withheld++;
	va_start(ap, why);
	tell(run, "withheld", why, ap);
	va_end(ap);
}

void conform_wrong(struct conform_run *run, const char *why, ...)
{
	va_list ap;

	run->counts.wrong++;
	va_start(ap, why);
	tell(run, "wrong", why, ap);
	va_end(ap);
}

static int line_of(const char *text, size_t offset)
{
	const char *end = text + offset;
	int line = 0;

	while ((text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		text++;
		line++;
	}
	return line;
}

int conform_line(const struct conform_run *run, const struct jr_value *value)
{
	const char *raw = NULL;
	size_t len = 0;

	jr_raw(run->doc, value, &raw, &len);
	return run->line + line_of(run->text, (size_t)(raw - run->text));
}

int conform_bad(const struct conform_run *run, const struct jr_value *where, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s:%d: ", run->file, where ? conform_line(run, where) : run->line);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return -EINVAL;
}

/* ---- values of a row ---- */

const char *conform_text(const struct jr_value *object, const char *key)
{
	const char *text = NULL;
	size_t len = 0;

	if (!jr_string(jr_get(object, key), &text, &len) || strlen(text) != len)
		return NULL;
	return text;
}

const char *conform_need_text(const struct conform_run *run, const struct jr_value *object,
			      const char *key)
{
	const char *text = conform_text(object, key);

	if (!text)
		(void)conform_bad(run, NULL, "\"%s\": expected a text", key);
	return text;
}

bool conform_same_number(const struct jr_value *expected, double got)
{
	double want = 0, difference, size;

	if (!jr_number(expected, &want))
		return false;
	difference = got > want ? got - want : want - got;
	size = want < 0 ? -want : want;
	return difference <= (jr_type(expected) == JR_INTEGER ? 1e-9 : 1e-4) * size;
}

bool conform_hex_bytes(const char *text, uint8_t *out, size_t size, size_t *ret_len)
{
	size_t len = 0;

	for (; *text; text += 2) {
		const int high = hex_digit(text[0]);
		const int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || len == size)
			return false;
		out[len++] = (uint8_t)(high << 4 | low);
	}
	*ret_len = len;
	return true;
}

/* ---- reading ---- */

#define FIRST_CAP 4096

struct reader {
	FILE *in;
	char *text; /* of a row or of the document */
	size_t len, cap;
	int line; /* on which `text` begins */
	int next; /* on which the next one does */
};

static int say(const struct conform_run *run, int err)
{
	(void)fprintf(stderr, "%s: %s\n", run->file, strerror(-err));
	return err;
}

static int open_text(const struct conform_run *run, struct reader *reader)
{
	char path[4096];
	const int n = snprintf(path, sizeof(path), "%s/%s", run->options->folder, run->file);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	reader->in = fopen(path, "rb");
	return reader->in ? 0 : -errno;
}

static int open_file(const struct conform_run *run, struct reader *reader)
{
	int err;

	*reader = (struct reader){.line = 1, .next = 1};
	err = open_text(run, reader);
	if (err)
		(void)say(run, err);
	return err;
}

static void close_file(struct reader *reader)
{
	if (reader->in)
		(void)fclose(reader->in);
	free(reader->text);
}

static int put(struct reader *reader, int c, size_t limit)
{
	char *text;

	if (reader->len == limit)
		return -EFBIG;
	if (reader->len + 1 >= reader->cap) {
		const size_t cap = reader->cap ? 2 * reader->cap : FIRST_CAP;

		text = realloc(reader->text, cap);
		if (!text)
			return -ENOMEM;
		reader->text = text;
		reader->cap = cap;
	}
	reader->text[reader->len++] = (char)c;
	reader->text[reader->len] = '\0';
	return 0;
}

/* The next line that is not empty, without its newline. 1: there is one, 0: the end, or -errno. */
static int read_line(struct reader *reader)
{
	int c = EOF, err;

	do {
		reader->len = 0;
		reader->line = reader->next;
		while ((c = getc(reader->in)) != EOF && c != '\n') {
			err = put(reader, c, CONFORM_ROW_MAX);
			if (err)
				return err;
		}
		reader->next++;
		while (reader->len > 0 && (reader->text[reader->len - 1] == '\r' ||
					   reader->text[reader->len - 1] == ' '))
			reader->text[--reader->len] = '\0';
	} while (reader->len == 0 && c != EOF);
	if (ferror(reader->in))
		return -EIO;
	return reader->len > 0;
}

static int read_all(struct reader *reader)
{
	int c, err;

	rewind(reader->in);
	reader->len = 0;
	reader->line = 1;
	while ((c = getc(reader->in)) != EOF) {
		err = put(reader, c, CONFORM_DOCUMENT_MAX);
		if (err)
			return err;
	}
	return ferror(reader->in) ? -EIO : 0;
}

static int say_json(const struct conform_run *run, const struct reader *reader,
		    const struct jr_error *error)
{
	(void)fprintf(stderr, "%s:%d: %s\n", run->file,
		      reader->line + line_of(reader->text, error->offset), error->message);
	return -EINVAL;
}

/* Parses what was read and hands it over. */
static int take_text(struct conform_run *run, const struct reader *reader,
		     int (*take)(struct conform_run *run, const struct jr_value *value))
{
	struct jr_error error;
	struct jr_doc *doc = NULL;
	int err;

	/* An empty file has none. */
	if (!reader->text)
		return say(run, -ENODATA);
	err = jr_parse(reader->text, reader->len, &doc, &error);
	if (err == -EINVAL)
		return say_json(run, reader, &error);
	if (err)
		return say(run, err);
	run->doc = doc;
	run->text = reader->text;
	run->line = reader->line;
	err = take(run, jr_root(doc));
	jr_free(doc);
	return err;
}

static int take_rows(struct conform_run *run, struct reader *reader,
		     int (*take)(struct conform_run *run, const struct jr_value *value))
{
	int err = 0, more;

	while ((more = read_line(reader)) > 0) {
		const int r = take_text(run, reader, take);

		/* All malformed rows are said; without memory there is no point. */
		if (r == -ENOMEM)
			return r;
		err = r ? r : err;
	}
	if (more == -EFBIG) {
		(void)fprintf(stderr, "%s:%d: a row of more than %zu bytes\n", run->file,
			      reader->line, CONFORM_ROW_MAX);
		return more;
	}
	return more < 0 ? say(run, more) : err;
}

int conform_read(struct conform_run *run, enum conform_shape shape,
		 int (*take)(struct conform_run *run, const struct jr_value *value))
{
	struct reader reader;
	int err = open_file(run, &reader);

	if (err)
		goto out;
	if (shape == CONFORM_ROWS) {
		err = take_rows(run, &reader, take);
	} else {
		err = read_all(&reader);
		err = err ? say(run, err) : take_text(run, &reader, take);
	}
out:
	close_file(&reader);
	return err;
}

static bool parses(const struct reader *reader)
{
	struct jr_error error;
	struct jr_doc *doc = NULL;
	const bool good = reader->text && jr_parse(reader->text, reader->len, &doc, &error) == 0;

	jr_free(doc);
	return good;
}

/* A first line that is a whole object begins rows; anything else that begins like JSON is taken for
 * one document. */
static int read_shape(struct reader *reader, enum conform_shape *ret_shape)
{
	int err = read_line(reader);

	*ret_shape = CONFORM_OTHER;
	/* A line that is too long for a row may be a document all the same. */
	if (err <= 0 && err != -EFBIG)
		return err;
	if (reader->text[0] != '{' && reader->text[0] != '[')
		return 0;
	*ret_shape = CONFORM_ROWS;
	if (err > 0 && reader->text[0] == '{' && parses(reader))
		return 0;
	*ret_shape = CONFORM_DOCUMENT;
	return read_all(reader);
}

int conform_read_first(struct conform_run *run, enum conform_shape *ret_shape,
		       int (*take)(struct conform_run *run, const struct jr_value *value))
{
	struct reader reader;
	int err = open_file(run, &reader);

	*ret_shape = CONFORM_BROKEN;
	if (err)
		goto out;
	err = read_shape(&reader, ret_shape);
	if (err)
		err = say(run, err);
	else if (*ret_shape != CONFORM_OTHER)
		err = take_text(run, &reader, take);
	if (err)
		*ret_shape = CONFORM_BROKEN;
out:
	close_file(&reader);
	return err;
}

void conform_run_file(const struct conform_options *options, struct conform_file *file)
{
	const struct conform_kind *kind = file->kind;
	struct conform_run run = {.options = options, .file = file->path, .line = 1};
	int err = kind->begin ? kind->begin(&run) : 0;

	if (!err)
		err = conform_read(&run, file->shape, kind->take);
	if (kind->end)
		kind->end(&run);
	if (err == -ENOMEM)
		(void)say(&run, err);
	file->failed = err != 0;
	file->counts = run.counts;
}
