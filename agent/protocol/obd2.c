#include "agent/protocol/obd2.h"

#include <string.h>

/* SAE J1979-DA has no short names; these are ours. */
static const struct {
	uint8_t pid;
	const char *name;
} names[] = {
	{0x04, "engine_load"},    {0x05, "coolant_temp"},   {0x0c, "engine_rpm"},
	{0x0d, "speed"},          {0x0f, "intake_temp"},    {0x11, "throttle"},
	{0x1f, "run_time"},       {0x21, "mil_distance"},   {0x2f, "fuel_level"},
	{0x31, "clear_distance"}, {0x42, "module_voltage"}, {0x46, "ambient_temp"},
	{0x5b, "hybrid_battery"}, {0x5c, "oil_temp"},       {0x5e, "fuel_rate"},
	{0x61, "demand_torque"},  {0x62, "actual_torque"},  {0x63, "reference_torque"},
	{0xa6, "odometer"},
};

bool obd2_request_allowed(const uint8_t *request, size_t len)
{
	static const uint8_t reading[] = {0x01, 0x02, 0x03, 0x06, 0x07, 0x09,
					  0x0a, 0x19, 0x1a, 0x21, 0x22};

	if (len < 1 || len > 7)
		return false;
	if (request[0] == 0x3e)
		return len == 2 && request[1] == 0x80;
	return memchr(reading, request[0], sizeof(reading)) != NULL;
}

int obd2_request_text(const uint8_t *request, size_t len, char out[static OBD2_TEXT_SIZE])
{
	static const char digits[] = "0123456789ABCDEF";

	if (!obd2_request_allowed(request, len))
		return OBD2_E_REFUSED;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[request[i] >> 4];
		out[2 * i + 1] = digits[request[i] & 0x0f];
	}
	out[2 * len] = '\0';
	return 0;
}

int obd2_support_add(struct obd2_support *support, uint8_t base, const uint8_t data[static 4])
{
	if (base % 0x20)
		return OBD2_E_UNKNOWN;
	/* Bit 7 of the first byte is base + 1: kept one place on, PID 0 at bit 7 of byte 0. */
	for (unsigned i = 0; i < 32; i++) {
		const unsigned pid = base + i + 1;

		if (pid < 256 && (data[i / 8] & (0x80 >> i % 8)))
			support->bits[pid / 8] |= (uint8_t)(0x80 >> pid % 8);
	}
	return 0;
}

bool obd2_supports(const struct obd2_support *support, uint8_t pid)
{
	return (support->bits[pid / 8] & (0x80 >> pid % 8)) != 0;
}

int obd2_support_next(const struct obd2_support *support, uint8_t base)
{
	if (base % 0x20 || base >= 0xe0 || !obd2_supports(support, (uint8_t)(base + 0x20)))
		return -1;
	return base + 0x20;
}

const char *obd2_pid_name(uint8_t pid)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].pid == pid)
			return names[i].name;
	return NULL;
}

int obd2_decode_support(uint8_t base, const uint8_t *answer, size_t len,
			struct obd2_support *support)
{
	if (len < 2 || answer[0] != 0x41 || answer[1] != base)
		return OBD2_E_ECHO;
	if (len != 6)
		return OBD2_E_SHORT;
	return obd2_support_add(support, base, answer + 2);
}
