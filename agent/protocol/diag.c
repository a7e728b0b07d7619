#include "agent/protocol/diag.h"

#include <string.h>

#include "agent/protocol/isotp.h"
#include "agent/protocol/obd2.h"

uint32_t diag_target_answers(const struct diag_target *target)
{
	if (target->rx)
		return target->rx;
	if (target->functional || target->extension)
		return 0;
	if (target->id_bits == 11 && target->tx >= 0x7e0 && target->tx <= 0x7e7)
		return target->tx + 8;
	if (target->id_bits == 29 && (target->tx & UINT32_C(0xffff00ff)) == UINT32_C(0x18da00f1))
		return UINT32_C(0x18daf100) | (target->tx >> 8 & 0xff);
	return 0;
}

bool diag_target_is_everybody(const struct diag_target *target)
{
	return target->functional && !target->rx && !target->extension &&
	       (target->tx == 0 || target->tx == DIAG_FUNCTIONAL_11 ||
		target->tx == DIAG_FUNCTIONAL_29);
}

bool diag_id_allowed(uint32_t id, unsigned bits)
{
	const uint32_t format = id >> 16 & 0xff;

	if (bits == 11)
		return (id >= 0x600 && id <= 0x7ff) || (id >= 0x240 && id <= 0x25f);
	if (bits != 29 || id > UINT32_C(0x1fffffff))
		return false;
	if (format == 0xda || format == 0xdb)
		return (id & 0xf0) == 0xf0;
	return id >> 16 == 0x17fc || id >> 16 == 0x1dd0;
}

bool diag_extended_allowed(uint8_t extension, const uint8_t *request, size_t len)
{
	uint8_t other[ISOTP_FRAME_MAX] = {(uint8_t)len};

	if (!obd2_request_allowed(request, len) || len > ISOTP_FRAME_MAX - 2)
		return false;
	if (extension == 0 || extension > 7)
		return true;
	memcpy(other + 1, request, len);
	return obd2_request_allowed(other, extension);
}

static uint8_t repeated(uint8_t service)
{
	switch (service) {
	case 0x01:
	case 0x06:
	case 0x09:
	case 0x19:
	case 0x1a:
	case 0x21:
		return 1;
	case 0x02: /* the PID and the number of the frozen frame */
	case 0x22:
		return 2;
	default:
		return 0;
	}
}

uint8_t diag_echo_len(const uint8_t *request, size_t len)
{
	const size_t echo = len ? 1U + repeated(request[0]) : 0;

	return (uint8_t)(echo < len ? echo : len);
}

enum diag_meaning diag_meaning(const uint8_t *request, size_t request_len, const uint8_t *message,
			       size_t len)
{
	const size_t echo = diag_echo_len(request, request_len);
	bool same;

	if (echo == 0 || len == 0)
		return DIAG_OTHER;
	if (len >= 3 && message[0] == 0x7f && message[1] == request[0])
		return message[2] == 0x78 ? DIAG_PENDING : DIAG_REFUSAL;
	if (len < echo || message[0] != (uint8_t)(request[0] + 0x40))
		return DIAG_OTHER;
	if (request[0] == 0x01 && request_len > 2)
		same = memchr(request + 1, message[1], request_len - 1) != NULL;
	else
		same = memcmp(message + 1, request + 1, echo - 1) == 0;
	return same ? DIAG_ANSWER : DIAG_OTHER;
}
