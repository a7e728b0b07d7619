#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "provider/obd/profile_file_priv.h"

bool profile_next_item(const char **at, char out[static PROFILE_ITEM_SIZE])
{
	size_t len;

	*at += strspn(*at, " \t,");
	len = strcspn(*at, " \t,");
	if (len == 0)
		return false;
	(void)snprintf(out, PROFILE_ITEM_SIZE, "%.*s",
		       (int)(len < PROFILE_ITEM_SIZE ? len : PROFILE_ITEM_SIZE), *at);
	*at += len;
	return true;
}

bool profile_parse_unsigned(const char *text, uint32_t most, uint32_t *ret_value,
			    const char **ret_rest)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || value > most || (!ret_rest && *end))
		return false;
	*ret_value = (uint32_t)value;
	if (ret_rest)
		*ret_rest = end;
	return true;
}

bool profile_parse_hex(const char *text, uint32_t *ret_value)
{
	const size_t len = strlen(text);

	if (len < 1 || len > 8 || strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	*ret_value = (uint32_t)strtoul(text, NULL, 16);
	return true;
}

bool profile_parse_raw(const char *text, double *ret_value, const char **ret_rest)
{
	char *end;
	unsigned long long value;

	if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X') ||
	    !isxdigit((unsigned char)text[2]))
		return decimal_parse(text, ret_value, ret_rest);
	errno = 0;
	value = strtoull(text, &end, 16);
	if (errno)
		return false;
	*ret_value = (double)value;
	*ret_rest = end;
	return true;
}

bool profile_parse_range(const char *text, struct profile_null *null)
{
	const char *rest;

	if (!profile_parse_raw(text, &null->first, &rest))
		return false;
	null->last = null->first;
	if (rest[0] == '.' && rest[1] == '.' && !profile_parse_raw(rest + 2, &null->last, &rest))
		return false;
	return *rest == '\0';
}

bool profile_parse_span(const char *text, uint32_t most, bool open, uint16_t *ret_first,
			uint16_t *ret_last)
{
	const char *rest = text;
	uint32_t first = 0;
	uint32_t last = 0;

	if (!profile_parse_unsigned(text, most, &first, &rest) && !(open && *text == '.'))
		return false;
	last = first;
	if (rest[0] == '.' && rest[1] == '.') {
		rest += 2;
		last = 0;
		if (!profile_parse_unsigned(rest, most, &last, &rest) && !(open && !*rest))
			return false;
	}
	if (*rest)
		return false;
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return true;
}

bool profile_parse_pair(const char *text, uint32_t most_first, uint32_t most_second,
			uint32_t *ret_first, uint32_t *ret_second)
{
	char first[PROFILE_ITEM_SIZE], second[PROFILE_ITEM_SIZE], more[PROFILE_ITEM_SIZE];

	if (!profile_next_item(&text, first) || !profile_next_item(&text, second) ||
	    profile_next_item(&text, more))
		return false;
	return profile_parse_unsigned(first, most_first, ret_first, NULL) &&
	       profile_parse_unsigned(second, most_second, ret_second, NULL);
}
