#include "tests/bench/wire_meter.h"

#include <stdio.h>
#include <string.h>

#define TOPIC "freshet/v1/north-fleet/depot-hamburg-1/data"
#define PUBACK_BYTES 4

void wire_meter_init(struct wire_meter *meter)
{
	memset(meter, 0, sizeof(*meter));
	buf_init(&meter->buf, (size_t)WIRE_BATCH_BYTES_MAX);
	buf_init(&meter->packed, (size_t)WIRE_BATCH_BYTES_MAX);
	buf_init(&meter->filling, (size_t)WIRE_UNPACKED_BYTES_MAX);
}

void wire_meter_free(struct wire_meter *meter)
{
	buf_free(&meter->buf);
	buf_free(&meter->packed);
	buf_free(&meter->filling);
}

/* Fixed header with its length in 7 bits a byte, topic, packet identifier. */
static int64_t packet_len(size_t payload)
{
	size_t rest = 2 + strlen(TOPIC) + 2 + payload;
	int64_t len = (int64_t)rest + 1;

	do {
		rest >>= 7;
		len++;
	} while (rest);
	return len + PUBACK_BYTES;
}

static int take_one(struct wire_meter *meter, const struct spool_put *put)
{
	struct wire_header header = {
		.session = "5e55c1d04e5a7b889f3c21d04e5a7b88",
		.epoch = "b1f0c2d04e5a7b889f3c21d04e5a7b88",
		.prev = "00aa11d04e5a7b889f3c21d04e5a7b88",
		.batch = 100000 + meter->batches,
		.floor = 100000 + meter->batches - 2,
		.count = put->count,
		.lane = WIRE_LANE_LIVE,
		.class = put->class,
		.boot = {.id = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
			 .sent_mono_us = INT64_C(91234567890),
			 .anchor_mono_us = INT64_C(90000000000),
			 .anchor_at_ms = INT64_C(1795190400000),
			 .quality = CLOCK_QUALITY_SYNCED},
	};
	int r;

	buf_reset(&meter->buf);
	buf_reset(&meter->packed);
	r = wire_body_pack(put->json, put->len, &meter->packed, &header.body);
	if (r)
		return r;
	wire_digest(meter->packed.data, meter->packed.len, header.digest);
	r = wire_batch_encode(&header, meter->packed.data, meter->packed.len, &meter->buf);
	if (r)
		return r;
	meter->batches++;
	meter->records += put->count;
	meter->json += (int64_t)put->len;
	meter->body += (int64_t)meter->packed.len;
	meter->total += packet_len(meter->buf.len);
	return 0;
}

static int take_filled(struct wire_meter *meter)
{
	struct spool_put put = {.class = WIRE_CLASS_SAMPLE, .count = meter->count};
	int r;

	buf_putc(&meter->filling, ']');
	if (meter->filling.error)
		return meter->filling.error;
	put.json = meter->filling.data;
	put.len = meter->filling.len;
	r = meter->filled ? meter->filled(meter->arg, &put) : 0;
	if (!r)
		r = take_one(meter, &put);
	buf_reset(&meter->filling);
	meter->count = 0;
	return r;
}

static int fill_in(struct wire_meter *meter, const struct spool_put *put)
{
	int r = 0;

	if (meter->count && meter->count + put->count > meter->fill)
		r = take_filled(meter);
	buf_putc(&meter->filling, meter->count ? ',' : '[');
	buf_append(&meter->filling, put->json + 1, put->len - 2);
	meter->count += put->count;
	return r;
}

int wire_meter_take(void *arg, const struct spool_put *puts, size_t count)
{
	struct wire_meter *meter = arg;

	for (size_t i = 0; i < count && !meter->error; i++)
		meter->error = meter->fill ? fill_in(meter, &puts[i]) : take_one(meter, &puts[i]);
	return meter->error;
}

int wire_meter_end(struct wire_meter *meter)
{
	if (!meter->error && meter->count)
		meter->error = take_filled(meter);
	return meter->error;
}
