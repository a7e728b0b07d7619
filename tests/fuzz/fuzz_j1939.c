/* Frames of any shape on a J1939 bus: 4 bytes of identifier, one of length, that many of data, again
 * and again. What comes out is within what was sent. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/j1939_tp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_parameters(const struct j1939_id *id, const uint8_t *data, size_t len)
{
	size_t count;
	const struct j1939_spn *spns = j1939_spns(id->pgn, &count);

	for (size_t i = 0; i < count; i++) {
		double value = NAN;

		if (j1939_value(&spns[i], data, len, &value) == J1939_OK && !isfinite(value))
			abort();
	}
}

static void read_message(const struct j1939_id *id, const uint8_t *data, size_t len)
{
	struct j1939_dtc dtcs[4];
	struct j1939_lamps lamps;
	char vin[J1939_VIN_SIZE];
	char text[24];
	size_t count;

	read_parameters(id, data, len);
	if (j1939_dtcs(data, len, &lamps, dtcs, 4, &count)) {
		if (count > len / 4)
			abort();
		for (size_t i = 0; i < count && i < 4; i++)
			j1939_dtc_text(&dtcs[i], text);
	}
	if (j1939_vin(data, len, vin) && strlen(vin) != 17)
		abort();
	for (size_t i = 0; i < 4; i++)
		if (j1939_text(data, len, i, text, sizeof(text)) && strlen(text) >= sizeof(text))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct j1939_tp tp;
	int64_t now_us = 0;

	j1939_tp_init(&tp, size ? data[0] : J1939_NULL);
	while (size >= 5) {
		const uint32_t can_id = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
					(uint32_t)(data[3] & 0x1f) << 24;
		const struct j1939_id id = j1939_id_parse(can_id);
		struct j1939_tp_result result;
		size_t len = data[4] % 9;

		now_us += (int64_t)(data[4] / 9) * 50000;
		data += 5;
		size -= 5;
		if (len > size)
			len = size;
		if (j1939_id_parse(j1939_id_make(&id)).pgn != id.pgn)
			abort();
		read_parameters(&id, data, len);
		j1939_tp_feed(&tp, &id, data, len, now_us, &result);
		if (result.data)
			read_message(&result.id, result.data, result.len);
		data += len;
		size -= len;
	}
	return 0;
}
