/* A DBC file of any shape, and a frame decoded by it. The first 8 bytes are the frame. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/dbc.h"

#define FRAME 8
#define ROOM 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_all(const struct dbc *dbc, const uint8_t *frame)
{
	for (size_t i = 0; i < dbc->signal_count; i++) {
		const struct dbc_signal *signal = &dbc->signals[i];
		double number = NAN;
		uint64_t raw;

		if (signal->message >= dbc->message_count)
			abort();
		if (dbc_raw(dbc, signal, frame, FRAME, &raw))
			(void)dbc_value_name(dbc, signal, raw);
		if (dbc_number(dbc, signal, frame, FRAME, &number) && !isfinite(number))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dbc_message messages[ROOM];
	static struct dbc_signal signals[ROOM];
	static struct dbc_range ranges[ROOM];
	static struct dbc_value values[ROOM];
	struct dbc_error error = {0};
	struct dbc caps = {0};
	struct dbc dbc = {.messages = messages,
			  .signals = signals,
			  .ranges = ranges,
			  .values = values,
			  .message_cap = ROOM,
			  .signal_cap = ROOM,
			  .range_cap = ROOM,
			  .value_cap = ROOM};

	if (size < FRAME)
		return 0;
	if (!dbc_parse(&dbc, (const char *)data + FRAME, size - FRAME, &error)) {
		if (!error.line || !error.reason[0])
			abort();
		return 0;
	}
	dbc_measure((const char *)data + FRAME, size - FRAME, &caps);
	if (caps.message_cap < dbc.message_count || caps.signal_cap < dbc.signal_count ||
	    caps.range_cap < dbc.range_count || caps.value_cap < dbc.value_count)
		abort();
	decode_all(&dbc, data);
	(void)dbc_find_pgn(&dbc, 61444);
	(void)dbc_find(&dbc, 1, false);
	return 0;
}
