/* Lines, sections and keys. libinih takes a `key = value` line apart; what it cannot tell is done
 * here, where each line is handed to it: Debian's build reports neither line numbers nor headings,
 * cuts section names at 50 bytes and accepts anything after the "]". */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "base/conf_priv.h"

#define LINE_MAX_BYTES 1000

struct reader {
	struct conf *conf;
	const char *at;
	const char *end;
	int line;
	bool pending;           /* libinih has the line and has not made a key of it yet */
	bool in_section;        /* a heading was seen, known or not */
	struct conf_sect *sect; /* NULL: none, or unknown: its keys are passed over */
	int error;
};

static void set_up_libinih(void)
{
	/* Without multi-line values an indented line is a key like any other. */
	ini_allow_multiline = false;
	ini_max_line = LINE_MAX_BYTES + 24;
}

/* The bytes of the UTF-8 character at `text`, 0 when it is none (RFC 3629 section 4). */
static size_t utf8_len(const unsigned char *text, size_t len)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t n;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		n = 2;
	else if ((text[0] & 0xf0) == 0xe0)
		n = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	/* No over-long forms, surrogates, or what lies past U+10FFFF. */
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++) {
		if (text[i] < low || text[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* NULL when the line is clean text, else what it should have been. */
static const char *line_fault(const char *line, size_t len)
{
	size_t i = 0;

	if (len > LINE_MAX_BYTES)
		return "a line of at most 1000 bytes";
	if (memchr(line, '\0', len))
		return "text, not a NUL byte";
	while (i < len) {
		size_t n = utf8_len((const unsigned char *)line + i, len - i);

		if (!n)
			return "text in UTF-8";
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == '\x7f')
			return "text, not control characters";
		i += n;
	}
	return NULL;
}

static void current_label(const struct reader *in, char *out, size_t size)
{
	out[0] = '\0';
	if (in->sect)
		conf_sect_label(in->sect, out, size);
}

static void note_line(struct reader *in, const char *expected)
{
	char label[80];

	current_label(in, label, sizeof(label));
	if (conf_note(in->conf, in->line, label, "", "%s", expected) < 0)
		in->error = -ENOMEM;
}

/* Text from a file in a message: short, printable, whole characters. */
static void excerpt(const char *text, char *out, size_t size)
{
	size_t len = 0;

	while (len < size - 4 && text[len]) {
		out[len] = (unsigned char)text[len] < ' ' ? '?' : text[len];
		len++;
	}
	if (text[len]) {
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
		memcpy(out + len, "...", 3);
		len += 3;
	}
	out[len] = '\0';
}

static const struct conf_section *find_schema(const struct conf *conf, const char *kind)
{
	for (const struct conf_section *s = conf->schema; s->kind; s++) {
		if (!strcmp(s->kind, kind))
			return s;
	}
	return NULL;
}

static const struct conf_sect *find_sect(const struct conf *conf, const struct conf_section *schema,
					 const char *name)
{
	for (const struct conf_sect *s = conf->first; s; s = s->next) {
		if (s->schema == schema && !strcmp(s->name, name))
			return s;
	}
	return NULL;
}

/* Appends a word to a list in a fixed buffer; a list that is too long ends in "...". */
static void list_add(char *list, size_t size, const char *word, const char *suffix)
{
	size_t len = strlen(list);
	size_t want = strlen(word) + strlen(suffix) + 2;

	if (len >= 3 && !strcmp(list + len - 3, "..."))
		return;
	if (len + want + 5 > size)
		snprintf(list + len, size - len, " ...");
	else
		snprintf(list + len, size - len, "%s%s%s", len ? ", " : "", word, suffix);
}

static int note_unknown_section(const struct reader *in, const char *label)
{
	char list[160] = "";

	for (const struct conf_section *s = in->conf->schema; s->kind; s++)
		list_add(list, sizeof(list), s->kind, s->presence == CONF_MANY ? " NAME" : "");
	return conf_note(in->conf, in->line, label, "", "a known section: %s", list);
}

/* Notes what is wrong with a heading of a known kind; it is entered all the same, so that its keys
 * are checked too. */
static int check_heading(const struct reader *in, const struct conf_section *schema,
			 const char *name, const char *label)
{
	const struct conf_sect *twin;

	if (schema->presence != CONF_MANY && *name)
		return conf_note(in->conf, in->line, label, "", "[%s] without a name",
				 schema->kind);
	if (schema->presence == CONF_MANY && !ids_valid(name, strlen(name)))
		return conf_note(in->conf, in->line, label, "",
				 "[%s NAME] with a name of 1..64 letters, digits, '.', '_', '-'",
				 schema->kind);
	twin = find_sect(in->conf, schema, name);
	if (twin)
		return conf_note(in->conf, in->line, label, "",
				 "every section once; this one began in line %d already",
				 twin->line);
	return 0;
}

/* Between the brackets: `kind` or `kind name`. Changes `inside`. */
static int enter_section(struct reader *in, char *inside)
{
	const struct conf_section *schema;
	char label[80];
	char *name;
	int r;

	excerpt(inside, label, sizeof(label));
	name = inside + strcspn(inside, " \t");
	if (*name) {
		*name++ = '\0';
		name += strspn(name, " \t");
	}
	in->in_section = true;
	in->sect = NULL;
	schema = find_schema(in->conf, inside);
	if (!schema)
		return note_unknown_section(in, label);
	r = check_heading(in, schema, name, label);
	if (r < 0)
		return r;
	in->sect = conf_sect_add(in->conf, schema, name, in->line);
	return in->sect ? 0 : -ENOMEM;
}

/* A line that begins with "[". */
static int read_heading(struct reader *in, const char *line, size_t len)
{
	char inside[LINE_MAX_BYTES + 1];
	const char *close = memchr(line, ']', len);
	const char *begin = line + 1;
	const char *after;

	if (!close) {
		in->sect = NULL;
		in->in_section = true;
		return conf_note(in->conf, in->line, "", "", "a ']' at the end of the heading");
	}
	after = close + 1;
	while (after < line + len && (*after == ' ' || *after == '\t'))
		after++;
	if (after < line + len && *after != ';' && *after != '#' &&
	    conf_note(in->conf, in->line, "", "", "nothing after the ']' of a heading") < 0)
		return -ENOMEM;
	while (begin < close && (*begin == ' ' || *begin == '\t'))
		begin++;
	while (close > begin && (close[-1] == ' ' || close[-1] == '\t'))
		close--;
	memcpy(inside, begin, (size_t)(close - begin));
	inside[close - begin] = '\0';
	return enter_section(in, inside);
}

/* Cuts the next line off, without its end and without a byte order mark. */
static const char *take_line(struct reader *in, size_t *ret_len)
{
	const char *line = in->at;
	const char *newline = memchr(line, '\n', (size_t)(in->end - line));
	size_t len = (size_t)((newline ? newline : in->end) - line);

	in->at = newline ? newline + 1 : in->end;
	in->line++;
	if (in->line == 1 && len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		len -= 3;
	}
	while (len && line[len - 1] == '\r')
		len--;
	*ret_len = len;
	return line;
}

/* Takes a line; true when it is one for libinih, which then stands in *ret_line. */
static bool next_key_line(struct reader *in, const char **ret_line, size_t *ret_len)
{
	size_t len;
	const char *line = take_line(in, &len);
	const char *fault = line_fault(line, len);

	if (fault) {
		note_line(in, fault);
		return false;
	}
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (!len || *line == ';' || *line == '#')
		return false;
	if (*line == '[') {
		in->error = read_heading(in, line, len);
		return false;
	}
	*ret_line = line;
	*ret_len = len;
	return true;
}

/* ini_reader: like fgets(3). */
static char *give_line(char *out, int size, void *arg)
{
	struct reader *in = arg;
	const char *line;
	size_t len;

	if (in->pending) {
		in->pending = false;
		note_line(in, "a line `key = value`, [section] or a comment");
	}
	while (!in->error && !in->conf->full && in->at < in->end) {
		if (!next_key_line(in, &line, &len))
			continue;
		if (len + 1 > (size_t)size)
			len = (size_t)size - 1; /* cannot be: set_up_libinih() */
		memcpy(out, line, len);
		out[len] = '\0';
		in->pending = true;
		return out;
	}
	return NULL;
}

static int note_unknown_key(const struct reader *in, const char *label, const char *name)
{
	char list[160] = "";

	for (const struct conf_key *key = in->sect->schema->keys; key->name; key++)
		list_add(list, sizeof(list), key->name, "");
	return conf_note(in->conf, in->line, label, name, "a known key: %s", list);
}

/* "polls: a whole number in 1..9" */
static void describe(const struct conf_key *key, char *out, size_t size)
{
	char what[120];

	conf_value_describe(key, what, sizeof(what));
	if (key->help)
		snprintf(out, size, "%s: %s", key->help, what);
	else
		snprintf(out, size, "%s", what);
}

static int note_wrong_value(const struct reader *in, const char *label, const struct conf_key *key,
			    const char *text)
{
	char what[140];
	char found[44];

	describe(key, what, sizeof(what));
	excerpt(text, found, sizeof(found));
	return conf_note(in->conf, in->line, label, key->name, "%s, not \"%s\"", what, found);
}

static int read_key(struct reader *in, const char *name, const char *text)
{
	char label[80], shown[64];
	struct conf_value *value;
	size_t i = 0;
	int r;

	excerpt(name, shown, sizeof(shown));
	if (!in->in_section)
		return conf_note(in->conf, in->line, "", shown,
				 "a [section] heading before the first key");
	if (!in->sect)
		return 0; /* in an unknown section, which was noted */
	current_label(in, label, sizeof(label));
	if (!*name)
		return conf_note(in->conf, in->line, label, "", "a key in front of the '='");
	while (in->sect->schema->keys[i].name && strcmp(in->sect->schema->keys[i].name, name) != 0)
		i++;
	if (!in->sect->schema->keys[i].name)
		return note_unknown_key(in, label, shown);
	value = &in->sect->values[i];
	if (value->line)
		return conf_note(in->conf, in->line, label, name,
				 "every key once; this one stands in line %d already", value->line);
	value->line = in->line;
	r = conf_value_parse(in->conf, &in->sect->schema->keys[i], text, value);
	if (r == -EINVAL)
		r = note_wrong_value(in, label, &in->sect->schema->keys[i], text);
	return r;
}

/* ini_handler. */
static int take_key(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *in = arg;

	(void)section;
	in->pending = false;
	if (!in->error)
		in->error = read_key(in, name, value);
	return 1;
}

static bool is_text(enum conf_type type)
{
	return type == CONF_TEXT || type == CONF_ID || type == CONF_PATH || type == CONF_HOST_PORT;
}

static int set_default(const struct conf *conf, const struct conf_key *key,
		       struct conf_value *value)
{
	int r;

	/* An empty default stands for "none", also where an empty value would be wrong. */
	if (!*key->fallback && is_text(key->type)) {
		value->text = strdup("");
		if (key->type == CONF_HOST_PORT)
			value->host = strdup("");
		return value->text && (key->type != CONF_HOST_PORT || value->host) ? 0 : -ENOMEM;
	}
	r = conf_value_parse(conf, key, key->fallback, value);
	if (r == -EINVAL)
		conf_bug("the default of %s is wrong: %s", key->name, key->fallback);
	return r;
}

static int complete_section(struct conf *conf, struct conf_sect *sect)
{
	char label[80], what[140];
	int r = 0;

	conf_sect_label(sect, label, sizeof(label));
	for (size_t i = 0; i < sect->n_values && !r; i++) {
		const struct conf_key *key = &sect->schema->keys[i];

		if (sect->values[i].line)
			continue;
		if (key->fallback) {
			r = set_default(conf, key, &sect->values[i]);
		} else if (sect->line) {
			describe(key, what, sizeof(what));
			r = conf_note(conf, sect->line, label, key->name, "the required key, %s",
				      what);
		}
	}
	return r;
}

/* Fills in what the file does not say, and notes what it should have said. */
static int complete(struct conf *conf)
{
	int r = 0;

	for (const struct conf_section *s = conf->schema; s->kind && !r; s++) {
		if (s->presence == CONF_MANY || find_sect(conf, s, ""))
			continue;
		if (s->presence == CONF_REQUIRED)
			r = conf_note(conf, 0, s->kind, "", "the required section");
		if (!r && !conf_sect_add(conf, s, "", 0))
			r = -ENOMEM;
	}
	for (struct conf_sect *sect = conf->first; sect && !r; sect = sect->next)
		r = complete_section(conf, sect);
	return r;
}

int conf_read(struct conf *conf, const char *text, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct reader in = {.conf = conf, .at = text, .end = text + len};

	pthread_once(&once, set_up_libinih);
	/* Its own count of wrong lines is of no use: give_line() has noted each. */
	if (ini_parse_stream(give_line, &in, take_key, &in) == -2)
		return -ENOMEM;
	if (in.error)
		return in.error;
	return complete(conf);
}
