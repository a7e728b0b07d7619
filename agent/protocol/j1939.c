#include "agent/protocol/j1939.h"

#include <stdio.h>
#include <string.h>

#include "agent/protocol/bits.h"

#define PDU2 240 /* a PDU format from here on has no destination */

struct j1939_id j1939_id_parse(uint32_t can_id)
{
	const uint8_t format = can_id >> 16 & 0xff;
	const uint8_t specific = can_id >> 8 & 0xff;
	struct j1939_id id = {
		.priority = can_id >> 26 & 7, .source = can_id & 0xff, .destination = J1939_GLOBAL};

	id.pgn = (can_id >> 8 & 0x30000) | (uint32_t)format << 8;
	if (format < PDU2)
		id.destination = specific;
	else
		id.pgn |= specific;
	return id;
}

uint32_t j1939_id_make(const struct j1939_id *id)
{
	uint32_t can_id =
		(uint32_t)(id->priority & 7) << 26 | (id->pgn & 0x3ffff) << 8 | id->source;

	if ((id->pgn >> 8 & 0xff) < PDU2)
		can_id = (can_id & ~UINT32_C(0xff00)) | (uint32_t)id->destination << 8;
	return can_id;
}

/* ---- parameters ---- */

static const struct j1939_spn spns[] = {
#define SPN(pgn, spn, name, start, bits, mul, add, unit)                                           \
	{pgn, spn, name, unit, start, bits, mul, add},
#include "agent/protocol/j1939_spns.def"
};
#define SPN_COUNT (sizeof(spns) / sizeof(spns[0]))

/* The table is in the order of the groups. */
const struct j1939_spn *j1939_spns(uint32_t pgn, size_t *ret_count)
{
	size_t first = 0;
	size_t last = SPN_COUNT;
	size_t end;

	while (first < last) {
		const size_t middle = (first + last) / 2;

		if (spns[middle].pgn < pgn)
			first = middle + 1;
		else
			last = middle;
	}
	for (end = first; end < SPN_COUNT && spns[end].pgn == pgn; end++)
		;
	*ret_count = end - first;
	return end > first ? &spns[first] : NULL;
}

const struct j1939_spn *j1939_spn_find(const char *name)
{
	for (size_t i = 0; i < SPN_COUNT; i++)
		if (strcmp(spns[i].name, name) == 0)
			return &spns[i];
	return NULL;
}

static enum j1939_status judge(uint8_t bits, uint64_t raw)
{
	uint64_t top;

	if (bits == 2)
		return raw == 3 ? J1939_NOT_AVAILABLE : raw == 2 ? J1939_ERROR : J1939_OK;
	if (bits == 4)
		return raw == 15 ? J1939_NOT_AVAILABLE : raw == 14 ? J1939_ERROR : J1939_OK;
	if (bits < 8)
		return J1939_OK;
	top = raw >> (bits - 8);
	if (top == 0xff)
		return J1939_NOT_AVAILABLE;
	if (top == 0xfe)
		return J1939_ERROR;
	return top > 0xfa ? J1939_RESERVED : J1939_OK;
}

enum j1939_status j1939_raw(uint16_t start, uint8_t bits, const uint8_t *data, size_t len,
			    uint64_t *ret_raw)
{
	if (!bits_intel(data, len, start, bits, ret_raw))
		return J1939_SHORT;
	return judge(bits, *ret_raw);
}

enum j1939_status j1939_value(const struct j1939_spn *spn, const uint8_t *data, size_t len,
			      double *ret_value)
{
	uint64_t raw;
	const enum j1939_status status = j1939_raw(spn->start, spn->bits, data, len, &raw);

	if (status == J1939_OK)
		*ret_value = (double)raw * spn->mul + spn->add;
	return status;
}

/* ---- trouble codes ---- */

static bool read_dtc(const uint8_t data[static 4], struct j1939_dtc *ret)
{
	ret->spn = data[0] | (uint32_t)data[1] << 8 | (uint32_t)(data[2] >> 5) << 16;
	ret->fmi = data[2] & 0x1f;
	ret->count = data[3] & 0x7f;
	ret->old_form = (data[3] & 0x80) != 0;
	/* No code: zeros, and the ones that pad a frame. */
	return !(ret->spn == 0 && ret->fmi == 0) && !(ret->spn == 0x7ffff && ret->fmi == 0x1f);
}

bool j1939_dtcs(const uint8_t *data, size_t len, struct j1939_lamps *ret_lamps,
		struct j1939_dtc *out, size_t room, size_t *ret_count)
{
	size_t count = 0;

	/* Two bytes of lamps and whole codes, or one code and two bytes of padding. */
	if (len < 6 || (len != 8 && (len - 2) % 4 != 0))
		return false;
	ret_lamps->malfunction = data[0] >> 6;
	ret_lamps->red_stop = data[0] >> 4 & 3;
	ret_lamps->amber_warning = data[0] >> 2 & 3;
	ret_lamps->protect = data[0] & 3;
	for (size_t at = 2; at + 4 <= len; at += 4) {
		struct j1939_dtc dtc;

		if (!read_dtc(data + at, &dtc))
			continue;
		if (count < room)
			out[count] = dtc;
		count++;
	}
	*ret_count = count;
	return true;
}

void j1939_dtc_text(const struct j1939_dtc *dtc, char out[static J1939_DTC_TEXT])
{
	(void)snprintf(out, J1939_DTC_TEXT, "SPN %u FMI %u", (unsigned)(dtc->spn & 0x7ffff),
		       (unsigned)(dtc->fmi & 0x1f));
}

/* ---- texts ---- */

static bool is_vin_letter(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z' && c != 'I' && c != 'O' && c != 'Q');
}

bool j1939_vin(const uint8_t *data, size_t len, char out[static J1939_VIN_SIZE])
{
	char vin[J1939_VIN_SIZE] = "";
	size_t have = 0;

	for (size_t i = 0; i < len && data[i] != '*' && have < J1939_VIN_SIZE - 1; i++)
		if (is_vin_letter(data[i]))
			vin[have++] = (char)data[i];
	if (have < J1939_VIN_SIZE - 1)
		return false;
	memcpy(out, vin, sizeof(vin));
	return true;
}

bool j1939_text(const uint8_t *data, size_t len, size_t index, char *out, size_t size)
{
	size_t have = 0;
	size_t at = 0;

	if (!size)
		return false;
	for (; index && at < len; at++)
		if (data[at] == '*')
			index--;
	for (; !index && at < len && data[at] != '*'; at++)
		if (data[at] > 0x20 && data[at] < 0x7f && have + 1 < size)
			out[have++] = (char)data[at];
	if (!have)
		return false;
	out[have] = '\0';
	return true;
}
