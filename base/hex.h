/* Hexadecimal digits of texts. Stateless; any thread. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

/* The value of a digit, upper or lower case, in any locale: 0..15; -1 for another character. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#endif
