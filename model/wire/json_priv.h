/* What reader and writer of JSON share. Private to model/wire. */
#ifndef MODEL_WIRE_JSON_PRIV_H
#define MODEL_WIRE_JSON_PRIV_H

#include <stddef.h>

/* The bytes of the UTF-8 sequence at `s` (Unicode table 3-7), 0 where there is none within `len`. */
static inline size_t json_utf8_length(const unsigned char *s, size_t len)
{
	unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
	size_t need = s[0] < 0x80   ? 1
		      : s[0] < 0xc2 ? 0
		      : s[0] < 0xe0 ? 2
		      : s[0] < 0xf0 ? 3
		      : s[0] < 0xf5 ? 4
				    : 0;

	if (need == 0 || need > len)
		return 0;
	if (need > 1 && (s[1] < low || s[1] > high))
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

#endif
