#include "agent/protocol/dtc.h"

static char hex(unsigned value)
{
	return "0123456789ABCDEF"[value & 0x0f];
}

void dtc_text(const struct dtc *dtc, char out[static DTC_TEXT_SIZE])
{
	*out++ = "PCBU"[dtc->code >> 14];
	*out++ = hex(dtc->code >> 12 & 0x03);
	*out++ = hex(dtc->code >> 8);
	*out++ = hex(dtc->code >> 4);
	*out++ = hex(dtc->code);
	if (dtc->failure) {
		*out++ = '-';
		*out++ = hex(dtc->failure >> 4);
		*out++ = hex(dtc->failure);
	}
	*out = '\0';
}

/* Stores a code where there is one and room for it. Returns how many codes it was. */
static int put(struct dtc code, struct dtc *out, size_t room, int count)
{
	if (code.code == 0 && code.failure == 0)
		return 0;
	if ((size_t)count < room)
		out[count] = code;
	return 1;
}

/* Which bytes of the answer are pairs; false where count and bytes disagree. */
static bool find_pairs(const uint8_t *answer, size_t len, bool can, size_t *ret_first,
		       size_t *ret_end)
{
	if (!can) {
		*ret_first = 1;
		*ret_end = len;
		return len > 1 && len <= 7 && len % 2 == 1;
	}
	*ret_first = 2;
	if (len < 2 || len < 2 + 2U * answer[1])
		return false;
	*ret_end = 2 + 2U * answer[1];
	for (size_t i = *ret_end; i < len; i++)
		if (answer[i])
			return false;
	return true;
}

int dtc_decode_obd(const uint8_t *answer, size_t len, bool can, struct dtc *out, size_t room)
{
	size_t first;
	size_t end;
	int count = 0;

	if (len < 1 || (answer[0] != 0x43 && answer[0] != 0x47 && answer[0] != 0x4a))
		return OBD2_E_ECHO;
	if (!find_pairs(answer, len, can, &first, &end))
		return OBD2_E_SHORT;
	for (size_t i = first; i < end; i += 2) {
		const struct dtc code = {
			.code = (uint16_t)(answer[i] << 8 | answer[i + 1]),
			.status = answer[0] == 0x47 ? DTC_PENDING : DTC_CONFIRMED,
		};

		count += put(code, out, room, count);
	}
	return count;
}

int dtc_decode_uds(const uint8_t *answer, size_t len, struct dtc *out, size_t room)
{
	int count = 0;

	if (len < 2 || answer[0] != 0x59 ||
	    (answer[1] != 0x02 && answer[1] != 0x0a && answer[1] != 0x15))
		return OBD2_E_ECHO;
	if (len < 3 || (len - 3) % 4)
		return OBD2_E_SHORT;
	for (size_t i = 3; i < len; i += 4) {
		const struct dtc code = {
			.code = (uint16_t)(answer[i] << 8 | answer[i + 1]),
			.failure = answer[i + 2],
			.status = answer[i + 3] & answer[2],
		};

		count += put(code, out, room, count);
	}
	return count;
}
