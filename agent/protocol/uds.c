#include "agent/protocol/uds.h"

#include <stdbool.h>
#include <string.h>

const struct uds_nrc *uds_nrc(uint8_t code)
{
	static const struct uds_nrc table[] = {
#define X(nrc, name, advice, sentence) {nrc, UDS_##advice, name, sentence},
		UDS_NRCS(X)
#undef X
	};
	static const struct uds_nrc unknown = {0, UDS_REFUSED, "unknown",
					       "the control unit refuses for a reason of its own"};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == code)
			return &table[i];
	return &unknown;
}

static bool is_padding(uint8_t c)
{
	return c == 0 || c == ' ' || c == 0xff;
}

int uds_decode_text(const uint8_t *answer, size_t len, size_t echo_len,
		    char out[static UDS_TEXT_SIZE])
{
	const uint8_t *text = answer + echo_len;

	if (len <= echo_len)
		return OBD2_E_SHORT;
	len -= echo_len;
	while (len > 0 && is_padding(text[len - 1]))
		len--;
	for (; len > 0 && is_padding(text[0]); len--)
		text++;
	if (len >= UDS_TEXT_SIZE)
		return OBD2_E_SHORT;
	if (len == 0)
		return OBD2_E_VALUE;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return OBD2_E_VALUE;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}
