#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/conf_priv.h"
#include "base/decimal.h"

#define HOST_MAX 253 /* longest DNS name in text, RFC 1035 section 2.3.4 */

struct unit {
	const char *name;
	int64_t factor;
};

/* Ascending; the first is the base unit. */
static const struct unit durations[] = {
	{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};
static const struct unit sizes[] = {
	{"", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {NULL, 0},
};

/* A bound of 0..0 is none. */
static bool in_range(const struct conf_key *key, int64_t value)
{
	return (!key->min && !key->max) || (value >= key->min && value <= key->max);
}

/* Decimal digits with an optional "-"; *ret_rest is what follows. */
static int parse_number(const char *text, int64_t *ret_value, const char **ret_rest)
{
	char *end;
	long long value;

	if (!isdigit((unsigned char)text[text[0] == '-']))
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno)
		return -EINVAL;
	*ret_value = value;
	*ret_rest = end;
	return 0;
}

static int parse_int(const struct conf_key *key, const char *text, int64_t *ret_value)
{
	const char *rest;
	int64_t value;

	if (parse_number(text, &value, &rest) < 0 || *rest || !in_range(key, value))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int parse_real(const struct conf_key *key, const char *text, double *ret_value)
{
	double value;

	if (!decimal_parse(text, &value, NULL))
		return -EINVAL;
	if ((key->min || key->max) && !(value >= (double)key->min && value <= (double)key->max))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int parse_units(const struct conf_key *key, const struct unit *units, const char *text,
		       int64_t *ret_value)
{
	const char *rest;
	int64_t value;

	if (key->words && strcmp(text, key->words) == 0) {
		*ret_value = 0;
		return 0;
	}
	if (parse_number(text, &value, &rest) < 0)
		return -EINVAL;
	rest += strspn(rest, " \t");
	while (units->name && strcmp(units->name, rest) != 0)
		units++;
	/* Nothing is nothing in every unit. */
	if (!units->name && (value != 0 || *rest))
		return -EINVAL;
	if (units->name && __builtin_mul_overflow(value, units->factor, &value))
		return -EINVAL;
	if (!in_range(key, value))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int parse_bool(const char *text, int64_t *ret_value)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcasecmp(text, words[i])) {
			*ret_value = i % 2;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_enum(const struct conf_key *key, const char *text, int64_t *ret_value)
{
	const char *word = key->words;
	int64_t index = 0;

	for (;;) {
		size_t len;

		word += strspn(word, " ");
		len = strcspn(word, " ");
		if (!len)
			return -EINVAL;
		if (strlen(text) == len && !memcmp(word, text, len))
			break;
		word += len;
		index++;
	}
	*ret_value = index;
	return 0;
}

static int keep_text(const char *text, size_t len, char **ret_text)
{
	char *copy = strndup(text, len);

	if (!copy)
		return -ENOMEM;
	*ret_text = copy;
	return 0;
}

static int parse_path(const struct conf *conf, const char *text, char **ret_text)
{
	size_t size;
	char *path;

	if (!*text)
		return -EINVAL;
	if (*text == '/')
		return keep_text(text, strlen(text), ret_text);
	size = strlen(conf->folder) + strlen(text) + 2;
	path = malloc(size);
	if (!path)
		return -ENOMEM;
	snprintf(path, size, "%s/%s", strcmp(conf->folder, "/") != 0 ? conf->folder : "", text);
	*ret_text = path;
	return 0;
}

static bool host_name_valid(const char *host, size_t len)
{
	if (len < 1 || len > HOST_MAX || host[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)host[i]) && !strchr(".-_", host[i]))
			return false;
	}
	return true;
}

static bool ipv6_valid(const char *host, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

static int parse_host_port(const char *text, struct conf_value *value)
{
	static const struct conf_key port_range = {.min = 1, .max = 65535};
	const char *colon = strrchr(text, ':');
	const char *host = text;
	struct conf_value new = {.line = value->line};
	size_t len;
	int r = -ENOMEM;

	if (!colon || !isdigit((unsigned char)colon[1]) ||
	    parse_int(&port_range, colon + 1, &new.num) < 0)
		return -EINVAL;
	len = (size_t)(colon - text);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
		if (!ipv6_valid(host, len))
			return -EINVAL;
	} else if (!host_name_valid(host, len)) {
		return -EINVAL;
	}
	if (keep_text(text, strlen(text), &new.text) < 0)
		goto fail;
	if (keep_text(host, len, &new.host) < 0)
		goto fail;
	*value = new;
	return 0;
fail:
	free(new.text);
	return r;
}

int conf_parse_duration(const char *text, int64_t *ret_ms)
{
	const struct conf_key key = {.min = 0, .max = INT64_MAX};
	int64_t ms;
	int r = parse_units(&key, durations, text, &ms);

	if (r == 0)
		*ret_ms = ms;
	return r;
}

int conf_value_parse(const struct conf *conf, const struct conf_key *key, const char *text,
		     struct conf_value *value)
{
	size_t len = strlen(text);

	switch (key->type) {
	case CONF_TEXT:
		return in_range(key, (int64_t)len) ? keep_text(text, len, &value->text) : -EINVAL;
	case CONF_ID:
		return ids_valid(text, len) ? keep_text(text, len, &value->text) : -EINVAL;
	case CONF_BOOL:
		return parse_bool(text, &value->num);
	case CONF_INT:
		return parse_int(key, text, &value->num);
	case CONF_NUMBER:
		return parse_real(key, text, &value->real);
	case CONF_DURATION:
		return parse_units(key, durations, text, &value->num);
	case CONF_SIZE:
		return parse_units(key, sizes, text, &value->num);
	case CONF_ENUM:
		return parse_enum(key, text, &value->num);
	case CONF_PATH:
		return parse_path(conf, text, &value->text);
	case CONF_HOST_PORT:
		return parse_host_port(text, value);
	}
	conf_bug("key %s has no type", key->name);
}

/* In the largest unit that says it exactly. */
static void format_units(const struct unit *units, int64_t value, char *out, size_t size)
{
	const struct unit *best = units;

	for (; units->name; units++) {
		if (value && value % units->factor == 0)
			best = units;
	}
	snprintf(out, size, "%" PRId64 "%s", value / best->factor, best->name);
}

static void describe_units(const struct conf_key *key, const struct unit *units, const char *what,
			   char *out, size_t size)
{
	char min[32], max[32];

	if (!key->min && !key->max) {
		snprintf(out, size, "%s", what);
		return;
	}
	format_units(units, key->min, min, sizeof(min));
	if (key->max == INT64_MAX) {
		snprintf(out, size, "%s, at least %s", what, min);
		return;
	}
	format_units(units, key->max, max, sizeof(max));
	snprintf(out, size, "%s in %s..%s", what, min, max);
}

static void describe_size(const struct conf_key *key, char *out, size_t size)
{
	const int used = key->words ? snprintf(out, size, "%s, or ", key->words) : 0;

	if (used >= 0 && (size_t)used < size)
		describe_units(key, sizes, "bytes, KiB, MiB or GiB", out + used,
			       size - (size_t)used);
}

/* Without blanks at the end, which lists made by macros have. */
static int words_len(const char *words)
{
	size_t len = strlen(words);

	while (len > 0 && words[len - 1] == ' ')
		len--;
	return (int)len;
}

void conf_value_describe(const struct conf_key *key, char *out, size_t size)
{
	static const struct unit one[] = {{"", 1}, {NULL, 0}};

	switch (key->type) {
	case CONF_TEXT:
		describe_units(key, one, key->min || key->max ? "text with a length" : "text", out,
			       size);
		return;
	case CONF_ID:
		snprintf(out, size, "an id (1..64 letters, digits, '.', '_', '-')");
		return;
	case CONF_BOOL:
		snprintf(out, size, "yes or no");
		return;
	case CONF_INT:
		describe_units(key, one, "a whole number", out, size);
		return;
	case CONF_NUMBER:
		describe_units(key, one, "a number", out, size);
		return;
	case CONF_DURATION:
		describe_units(key, durations, "a whole number with ms, s, min, h or d", out, size);
		return;
	case CONF_SIZE:
		describe_size(key, out, size);
		return;
	case CONF_ENUM:
		snprintf(out, size, "one of: %.*s", words_len(key->words), key->words);
		return;
	case CONF_PATH:
		snprintf(out, size, "a path");
		return;
	case CONF_HOST_PORT:
		snprintf(out, size, "host:port or [ipv6]:port");
		return;
	}
	conf_bug("key %s has no type", key->name);
}
