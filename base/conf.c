#include "base/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf_priv.h"
#include "base/file.h"

#define FILE_MAX_BYTES 1048576
#define ERRORS_MAX 100

void conf_bug(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("configuration tables of the program: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

int conf_note(struct conf *conf, int line, const char *section, const char *key, const char *fmt,
	      ...)
{
	struct conf_error *error;
	va_list args;

	if (conf->full)
		return 0;
	if (!conf->errors) {
		conf->errors = calloc(ERRORS_MAX, sizeof(*conf->errors));
		if (!conf->errors)
			return -ENOMEM;
	}
	error = &conf->errors[conf->n_errors++];
	error->line = line;
	if (conf->n_errors == ERRORS_MAX) {
		conf->full = true;
		snprintf(error->expected, sizeof(error->expected),
			 "fewer mistakes than %d; the rest is not listed", ERRORS_MAX);
		return 0;
	}
	snprintf(error->section, sizeof(error->section), "%s", section);
	snprintf(error->key, sizeof(error->key), "%s", key);
	va_start(args, fmt);
	vsnprintf(error->expected, sizeof(error->expected), fmt, args);
	va_end(args);
	return 0;
}

struct conf_sect *conf_sect_add(struct conf *conf, const struct conf_section *schema,
				const char *name, int line)
{
	struct conf_sect *sect;
	size_t n = 0;

	while (schema->keys[n].name)
		n++;
	sect = calloc(1, sizeof(*sect) + n * sizeof(sect->values[0]));
	if (!sect)
		return NULL;
	sect->schema = schema;
	sect->line = line;
	sect->n_values = n;
	snprintf(sect->name, sizeof(sect->name), "%s", name);
	if (conf->last)
		conf->last->next = sect;
	else
		conf->first = sect;
	conf->last = sect;
	return sect;
}

void conf_sect_label(const struct conf_sect *sect, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", sect->schema->kind, *sect->name ? " " : "", sect->name);
}

/* The absolute folder of the file; the file itself need not exist. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *here, *folder;
	size_t size;

	if (slash == path)
		return strdup("/");
	if (*path == '/')
		return strndup(path, (size_t)(slash - path));
	here = getcwd(NULL, 0);
	if (!here || !slash)
		return here;
	size = strlen(here) + (size_t)(slash - path) + 2;
	folder = malloc(size);
	if (folder)
		snprintf(folder, size, "%s/%.*s", here, (int)(slash - path), path);
	free(here);
	return folder;
}

int conf_parse(const char *text, size_t len, const char *path, const struct conf_section *schema,
	       struct conf **ret_conf)
{
	struct conf *conf;
	int r;

	if (len > FILE_MAX_BYTES)
		return -EFBIG;
	conf = calloc(1, sizeof(*conf));
	if (!conf)
		return -ENOMEM;
	r = -ENOMEM;
	conf->schema = schema;
	conf->path = strdup(path);
	if (!conf->path)
		goto fail;
	errno = ENOMEM;
	conf->folder = folder_of(path);
	if (!conf->folder) {
		r = -errno;
		goto fail;
	}
	r = conf_read(conf, text, len);
	if (r < 0)
		goto fail;
	*ret_conf = conf;
	return conf->n_errors ? -EINVAL : 0;
fail:
	conf_free(conf);
	return r;
}

int conf_load(const char *path, const struct conf_section *schema, struct conf **ret_conf)
{
	char *text = NULL;
	size_t len = 0;
	int r = file_read(path, FILE_MAX_BYTES, &text, &len);

	if (!r)
		r = conf_parse(text, len, path, schema, ret_conf);
	free(text);
	return r;
}

static void free_sect(struct conf_sect *sect)
{
	for (size_t i = 0; i < sect->n_values; i++) {
		free(sect->values[i].text);
		free(sect->values[i].host);
	}
	free(sect);
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	while (conf->first) {
		struct conf_sect *next = conf->first->next;

		free_sect(conf->first);
		conf->first = next;
	}
	free(conf->errors);
	free(conf->folder);
	free(conf->path);
	free(conf);
}

/* Where a section keeps a key; aborts when the schema has none of that name. */
static size_t key_index(const struct conf_sect *sect, const char *key)
{
	for (size_t i = 0; i < sect->n_values; i++) {
		if (!strcmp(sect->schema->keys[i].name, key))
			return i;
	}
	conf_bug("[%s] has no key %s", sect->schema->kind, key);
}

static const struct conf_value *find_value(const struct conf_sect *sect, const char *key,
					   unsigned types)
{
	size_t i = key_index(sect, key);

	if (!(types & 1U << sect->schema->keys[i].type))
		conf_bug("[%s] %s is asked for with the wrong type", sect->schema->kind, key);
	return &sect->values[i];
}

int conf_add_error(struct conf *conf, const struct conf_sect *sect, const char *key,
		   const char *expected)
{
	char label[80];

	conf_sect_label(sect, label, sizeof(label));
	return conf_note(conf, conf_line(sect, key), label, key, "%s", expected);
}

size_t conf_error_count(const struct conf *conf)
{
	return conf->n_errors;
}

const struct conf_error *conf_error_at(const struct conf *conf, size_t index)
{
	return index < conf->n_errors ? &conf->errors[index] : NULL;
}

void conf_print_errors(const struct conf *conf, FILE *out)
{
	for (size_t i = 0; i < conf->n_errors; i++) {
		const struct conf_error *error = &conf->errors[i];

		fputs(conf->path, out);
		if (error->line)
			fprintf(out, ":%d", error->line);
		fputc(':', out);
		if (*error->section)
			fprintf(out, " [%s]", error->section);
		if (*error->key)
			fprintf(out, " %s", error->key);
		fprintf(out, "%s expected %s\n", *error->section || *error->key ? ":" : "",
			error->expected);
	}
}

const struct conf_sect *conf_next(const struct conf *conf, const char *kind,
				  const struct conf_sect *prev)
{
	const struct conf_sect *sect = prev ? prev->next : conf->first;

	while (sect && strcmp(sect->schema->kind, kind) != 0)
		sect = sect->next;
	return sect;
}

const struct conf_sect *conf_get(const struct conf *conf, const char *kind)
{
	return conf_next(conf, kind, NULL);
}

const char *conf_name(const struct conf_sect *sect)
{
	return sect->name;
}

bool conf_present(const struct conf_sect *sect)
{
	return sect->line != 0;
}

const char *conf_text(const struct conf_sect *sect, const char *key)
{
	return find_value(sect, key,
			  1U << CONF_TEXT | 1U << CONF_ID | 1U << CONF_PATH | 1U << CONF_HOST_PORT)
		->text;
}

int64_t conf_int(const struct conf_sect *sect, const char *key)
{
	return find_value(sect, key,
			  1U << CONF_INT | 1U << CONF_DURATION | 1U << CONF_SIZE | 1U << CONF_ENUM)
		->num;
}

bool conf_bool(const struct conf_sect *sect, const char *key)
{
	return find_value(sect, key, 1U << CONF_BOOL)->num != 0;
}

double conf_number(const struct conf_sect *sect, const char *key)
{
	return find_value(sect, key, 1U << CONF_NUMBER)->real;
}

const char *conf_host(const struct conf_sect *sect, const char *key)
{
	return find_value(sect, key, 1U << CONF_HOST_PORT)->host;
}

uint16_t conf_port(const struct conf_sect *sect, const char *key)
{
	return (uint16_t)find_value(sect, key, 1U << CONF_HOST_PORT)->num;
}

int conf_line(const struct conf_sect *sect, const char *key)
{
	const int line = key ? sect->values[key_index(sect, key)].line : 0;

	return line ? line : sect->line;
}

bool conf_is_set(const struct conf_sect *sect, const char *key)
{
	return sect->values[key_index(sect, key)].line != 0;
}
