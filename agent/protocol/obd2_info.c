#include <stdbool.h>
#include <string.h>

#include "agent/protocol/obd2.h"

static bool is_vin_character(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return true;
	return c >= 'A' && c <= 'Z' && c != 'I' && c != 'O' && c != 'Q';
}

/* Where the text of an identification begins: what an answer repeats, and a count of items. */
static const struct vin_service {
	uint8_t echo[3];
	uint8_t len;  /* of the echo */
	uint8_t skip; /* bytes before the VIN */
	bool tail;    /* a checksum follows */
} vin_services[] = {
	{{0x49, 0x02}, 2, 3, false},
	{{0x62, 0xf1, 0x90}, 3, 3, false},
	{{0x5a, 0x90}, 2, 2, false},
	{{0x61, 0x81}, 2, 2, true},
};

static const struct vin_service *vin_service(const uint8_t *answer, size_t len)
{
	for (size_t i = 0; i < sizeof(vin_services) / sizeof(vin_services[0]); i++) {
		const struct vin_service *service = &vin_services[i];

		if (len >= service->len && memcmp(answer, service->echo, service->len) == 0)
			return service;
	}
	return NULL;
}

int obd2_decode_vin(const uint8_t *answer, size_t len, char out[static OBD2_VIN_SIZE])
{
	const struct vin_service *service = vin_service(answer, len);

	if (!service)
		return OBD2_E_ECHO;
	if (len < service->skip + 17U)
		return OBD2_E_SHORT;
	answer += service->skip;
	len -= service->skip;
	for (; len > 0 && answer[0] == 0; len--)
		answer++;
	if (service->tail && len > 17)
		len = 17;
	while (len > 0 && answer[len - 1] == 0)
		len--;
	if (len != 17)
		return OBD2_E_VALUE;
	for (size_t i = 0; i < 17; i++)
		if (!is_vin_character(answer[i]))
			return OBD2_E_VALUE;
	memcpy(out, answer, 17);
	out[17] = '\0';
	return 0;
}

/* ---- texts of a fixed length ---- */

static bool is_padding(uint8_t c)
{
	return c == 0 || c == ' ' || c == 0xff;
}

/* A text without the padding around it. False where something in it is no printable ASCII. */
static bool take_text(const uint8_t *data, size_t len, char *out)
{
	while (len > 0 && is_padding(data[len - 1]))
		len--;
	for (; len > 0 && is_padding(data[0]); len--)
		data++;
	for (size_t i = 0; i < len; i++)
		if (data[i] < 0x20 || data[i] > 0x7e)
			return false;
	memcpy(out, data, len);
	out[len] = '\0';
	return true;
}

/* The items of an answer to service 09: their number, or an error. */
static int count_items(uint8_t type, size_t size, const uint8_t *answer, size_t len)
{
	if (len < 2 || answer[0] != 0x49 || answer[1] != type)
		return OBD2_E_ECHO;
	if (len < 3 || len - 3 != answer[2] * size)
		return OBD2_E_SHORT;
	return answer[2];
}

int obd2_decode_calibrations(const uint8_t *answer, size_t len, char (*out)[OBD2_CALIBRATION_SIZE],
			     size_t room)
{
	const size_t size = OBD2_CALIBRATION_SIZE - 1;
	const int items = count_items(0x04, size, answer, len);
	int count = 0;

	for (int i = 0; i < items; i++) {
		char text[OBD2_CALIBRATION_SIZE];

		if (!take_text(answer + 3 + (size_t)i * size, size, text))
			return OBD2_E_VALUE;
		if (!text[0])
			continue;
		if ((size_t)count < room)
			memcpy(out[count], text, sizeof(text));
		count++;
	}
	return items < 0 ? items : count;
}

int obd2_decode_verifications(const uint8_t *answer, size_t len, uint32_t *out, size_t room)
{
	const int items = count_items(0x06, 4, answer, len);

	for (int i = 0; i < items && (size_t)i < room; i++) {
		const uint8_t *at = answer + 3 + 4 * (size_t)i;

		out[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
			 at[3];
	}
	return items;
}

int obd2_decode_ecu_name(const uint8_t *answer, size_t len, char out[static OBD2_ECU_NAME_SIZE])
{
	const size_t size = OBD2_ECU_NAME_SIZE - 1;
	const int items = count_items(0x0a, size, answer, len);
	char acronym[5];
	char name[OBD2_ECU_NAME_SIZE];
	size_t at;

	if (items < 0)
		return items;
	/* An acronym of four with zeros, a hyphen, a name of fifteen. */
	if (items != 1 || answer[3 + 4] != '-' || !take_text(answer + 3, 4, acronym) ||
	    !take_text(answer + 3 + 5, size - 5, name) || !acronym[0])
		return OBD2_E_VALUE;
	at = strlen(acronym);
	memcpy(out, acronym, at);
	if (name[0])
		out[at++] = '-';
	memcpy(out + at, name, strlen(name) + 1);
	return 0;
}
