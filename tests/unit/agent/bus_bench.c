#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/agent/bus_bench.h"

struct bus_bench bus_bench;

static struct clock_fake fake_clock;
static struct loop *loop;
static struct source_env env;
static const struct source_ops *kind;

static void keep_text(char out[static 256], const struct model_text *text)
{
	const size_t len = text->len < 255 ? text->len : 255;

	memcpy(out, text->data, len);
	out[len] = '\0';
	for (size_t i = 0; i + 1 < len; i++)
		if (out[i] == '\0')
			out[i] = ';';
}

static void on_update(void *arg, const struct model_update *update)
{
	struct bus_seen *seen = arg;

	assert_string_equal(update->device_id, "truck-7");
	assert_string_equal(update->provider, kind->kind);
	assert_string_equal(update->source, "bus0");
	seen->updates++;
	seen->keyframes += update->keyframe;
	seen->mono_us = update->mono_us;
	memcpy(seen->vin, update->vin, sizeof(seen->vin));
	for (size_t i = 0; i < update->item_count; i++) {
		const struct model_item *item = &update->items[i];
		const enum model_type type = model_field_info((enum model_field)item->field)->type;

		seen->given[item->field]++;
		if (type == MODEL_TYPE_NUMBER)
			seen->number[item->field] = item->value.as.number;
		else if (type == MODEL_TYPE_TEXT || type == MODEL_TYPE_LIST)
			keep_text(seen->text[item->field], &item->value.as.text);
		else
			seen->integer[item->field] = item->value.as.integer;
	}
}

static void on_changed(void *arg, struct source *changed)
{
	(void)changed;
	((struct bus_seen *)arg)->changes++;
}

static void on_write(struct can_fake *fake, const struct canbus_frame *frame, void *arg)
{
	struct bus_seen *seen = arg;

	(void)fake;
	seen->frames[seen->written++ % 32] = *frame;
}

static void settle(void)
{
	for (int i = 0; i < 100 && loop_run_once(loop, 0) > 0; i++)
		;
}

void bus_bench_make(const struct source_ops *ops, const char *map_path)
{
	memset(&bus_bench, 0, sizeof(bus_bench));
	kind = ops;
	clock_fake_init(&fake_clock, 1700000000000, 5 * SECOND);
	assert_int_equal(loop_create(&fake_clock.clock, &loop), 0);
	assert_int_equal(can_fake_create(&fake_clock.clock, &bus_bench.fake), 0);
	can_fake_on_write(bus_bench.fake, on_write, &bus_bench.seen);
	assert_int_equal(bus_table_load(map_path, stderr, &bus_bench.table), 0);
	bus_bench.config = (struct source_config){
		.name = "bus0",
		.kind = ops->kind,
		.device = "can:can0",
		.device_id = "truck-7",
		.signals = "",
		.requests = "",
		.request_us = 600 * SECOND,
		.table = bus_bench.table,
	};
	env = (struct source_env){
		.loop = loop,
		.can = can_fake_opener(bus_bench.fake),
		.update = on_update,
		.changed = on_changed,
		.arg = &bus_bench.seen,
	};
}

void bus_bench_start(void)
{
	assert_int_equal(kind->create(&bus_bench.config, &env, &bus_bench.source), 0);
	assert_int_equal(kind->start(bus_bench.source), 0);
}

void bus_bench_end(void)
{
	if (bus_bench.source)
		kind->destroy(bus_bench.source);
	can_fake_destroy(bus_bench.fake);
	loop_destroy(loop);
	bus_table_free(bus_bench.table);
	memset(&bus_bench, 0, sizeof(bus_bench));
}

int bus_bench_teardown(void **state)
{
	(void)state;
	bus_bench_end();
	return 0;
}

void bus_bench_pass(int64_t us)
{
	for (int64_t t = 0; t < us; t += 10 * MS) {
		clock_fake_advance(&fake_clock, 10 * MS);
		settle();
	}
}

void bus_bench_say(const char *frame)
{
	const char *hash = strchr(frame, '#');
	uint8_t data[8];
	size_t len = 0;

	assert_non_null(hash);
	for (const char *at = hash + 1; at[0]; at += 2) {
		const char pair[3] = {at[0], at[1], '\0'};

		assert_true(len < sizeof(data));
		data[len++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	can_fake_send_data(bus_bench.fake, (uint32_t)strtoul(frame, NULL, 16), data, len);
	settle();
}

void bus_bench_repeat(const char *frame, int64_t us)
{
	for (int64_t t = 0; t < us; t += 100 * MS) {
		bus_bench_say(frame);
		bus_bench_pass(100 * MS);
	}
}

void bus_bench_broadcast(uint32_t pgn, uint8_t source, const void *data, size_t len)
{
	const size_t packets = (len + 6) / 7;
	uint8_t out[8] = {0x20, (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)packets,
			  0xff, pgn & 0xff,   pgn >> 8 & 0xff,     pgn >> 16 & 0xff};

	can_fake_send_data(bus_bench.fake, 0x1cecff00 | source, out, 8);
	for (size_t i = 0; i < packets; i++) {
		const size_t left = len - 7 * i;

		bus_bench_pass(50 * MS);
		memset(out, 0xff, sizeof(out));
		out[0] = (uint8_t)(i + 1);
		memcpy(out + 1, (const uint8_t *)data + 7 * i, left < 7 ? left : 7);
		can_fake_send_data(bus_bench.fake, 0x1cebff00 | source, out, 8);
	}
	settle();
}

struct source_report bus_bench_report(void)
{
	struct source_report report;

	kind->report(bus_bench.source, &report);
	return report;
}

const char *bus_bench_sent(void)
{
	static char text[32];
	const struct canbus_frame *frame =
		&bus_bench.seen.frames[(bus_bench.seen.written + 31) % 32];
	size_t at;

	if (!bus_bench.seen.written)
		return "";
	at = (size_t)snprintf(text, sizeof(text), "%08X#", (unsigned)frame->id);
	for (size_t i = 0; i < frame->len; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%02X", frame->data[i]);
	return text;
}
