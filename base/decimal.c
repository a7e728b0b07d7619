#include "base/decimal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 64

static size_t digits(const char *text)
{
	size_t n = 0;

	while (isdigit((unsigned char)text[n]))
		n++;
	return n;
}

/* How long the number is that `text` begins with; 0: none. */
static size_t span(const char *text)
{
	size_t n = *text == '-' || *text == '+' ? 1 : 0;
	const size_t whole = digits(text + n);
	size_t part = 0;

	n += whole;
	/* "1..9" is a range of two numbers. */
	if (text[n] == '.' && text[n + 1] != '.') {
		part = digits(text + n + 1);
		n += 1 + part;
	}
	if (whole + part == 0)
		return 0;
	if (text[n] == 'e' || text[n] == 'E') {
		const size_t sign = text[n + 1] == '-' || text[n + 1] == '+' ? 1 : 0;
		const size_t exponent = digits(text + n + 1 + sign);

		if (exponent > 0)
			n += 1 + sign + exponent;
	}
	return n;
}

bool decimal_parse(const char *text, double *ret_value, const char **ret_rest)
{
	char copy[DIGITS_MAX];
	const size_t len = span(text);
	double value;

	if (len == 0 || len >= sizeof(copy) || (!ret_rest && text[len]))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	value = strtod(copy, NULL);
	if (!isfinite(value))
		return false;
	*ret_value = value;
	if (ret_rest)
		*ret_rest = text + len;
	return true;
}
