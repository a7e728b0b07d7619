#include "tests/unit/cloud/accept/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "cloud/accept/evidence.h"
#include "model/wire/batch.h"

static void open_accept(struct bench *b)
{
	const struct accept_config config = {
		.db = NULL, .clock = &b->clock.clock, .cache_devices = 16};
	struct accept_config filled = config;
	char error[200] = "";

	assert_int_equal(coredb_open(b->url, COREDB_CREATE, &b->db, error, sizeof(error)), 0);
	filled.db = b->db;
	assert_int_equal(accept_create(&filled, &b->accept), 0);
}

int bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct policy policy;

	assert_non_null(b);
	folder_make(b->folder);
	(void)snprintf(b->url, sizeof(b->url), "sqlite:%s/core.db", b->folder);
	clock_fake_init(&b->clock, WALL, 1000000000);
	open_accept(b);
	policy_default(&policy);
	evidence_policy_back(&policy, &b->workspace.policy);
	(void)snprintf(b->workspace.name, sizeof(b->workspace.name), "w1");
	(void)snprintf(b->gateway.name, sizeof(b->gateway.name), "g1");
	(void)snprintf(b->vehicle.name, sizeof(b->vehicle.name), "v1");
	(void)snprintf(b->vehicle.vin, sizeof(b->vehicle.vin), "%s", VIN);
	(void)snprintf(b->device.name, sizeof(b->device.name), "d1");
	(void)snprintf(b->device.provider, sizeof(b->device.provider), "obd");
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_workspace_add(b->db, &b->workspace, WALL), 0);
	b->gateway.workspace = b->workspace.id;
	b->vehicle.workspace = b->workspace.id;
	b->device.workspace = b->workspace.id;
	assert_int_equal(coredb_gateway_add(b->db, &b->gateway, WALL), 0);
	assert_int_equal(coredb_vehicle_add(b->db, &b->vehicle, WALL), 0);
	b->device.vehicle = b->vehicle.id;
	b->device.gateway = b->gateway.id;
	b->device.activated_at_ms = WALL;
	assert_int_equal(coredb_device_add(b->db, &b->device, WALL), 0);
	assert_int_equal(accept_commit(b->accept), 0);
	*state = b;
	return 0;
}

int bench_teardown(void **state)
{
	struct bench *b = *state;

	accept_destroy(b->accept);
	coredb_close(b->db);
	folder_remove(b->folder);
	free(b);
	return 0;
}

void bench_reopen(struct bench *b)
{
	accept_destroy(b->accept);
	coredb_close(b->db);
	open_accept(b);
}

void pack_begin(struct pack *pack, struct bench *b, const char *epoch, int64_t number)
{
	memset(pack, 0, sizeof(*pack));
	(void)snprintf(pack->header.session, sizeof(pack->header.session), "session1");
	(void)snprintf(pack->header.epoch, sizeof(pack->header.epoch), "%s", epoch);
	(void)snprintf(pack->header.boot.id, sizeof(pack->header.boot.id), "boot-1");
	pack->header.batch = number;
	pack->header.floor = 1;
	pack->header.lane = WIRE_LANE_LIVE;
	pack->header.boot.sent_mono_us = clock_mono_us(&b->clock.clock);
	pack->header.boot.anchor_mono_us = MODEL_NO_TIME;
	pack->header.boot.anchor_at_ms = MODEL_NO_TIME;
	buf_init(&pack->records, WIRE_UNPACKED_BYTES_MAX);
	buf_putc(&pack->records, '[');
}

static void separate(struct pack *pack)
{
	if (pack->count++ > 0)
		buf_putc(&pack->records, ',');
}

void pack_raw(struct pack *pack, const char *json)
{
	separate(pack);
	buf_puts(&pack->records, json);
}

void pack_soc_vin(struct pack *pack, const char *device, int64_t mono_us, double soc,
		  const char *vin)
{
	struct model_update update;

	model_update_init(&update, &pack->room);
	(void)snprintf(update.device_id, sizeof(update.device_id), "%s", device);
	(void)snprintf(update.provider, sizeof(update.provider), "obd");
	(void)snprintf(update.source, sizeof(update.source), "obd0");
	(void)snprintf(update.vin, sizeof(update.vin), "%s", vin);
	update.mono_us = mono_us;
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_STATE_OF_CHARGE_PCT, soc), 0);
	separate(pack);
	jw_init(&pack->w, &pack->records);
	wire_update_encode(&pack->w, &update);
}

void pack_soc(struct pack *pack, const char *device, int64_t mono_us, double soc)
{
	pack_soc_vin(pack, device, mono_us, soc, "");
}

void pack_finish(struct pack *pack, struct buf *payload)
{
	struct buf body;

	buf_putc(&pack->records, ']');
	buf_init(&body, WIRE_BATCH_BYTES_MAX);
	buf_init(payload, WIRE_BATCH_BYTES_MAX);
	assert_int_equal(
		wire_body_pack(pack->records.data, pack->records.len, &body, &pack->header.body),
		0);
	wire_digest(body.data, body.len, pack->header.digest);
	pack->header.count = pack->count;
	assert_int_equal(wire_batch_encode(&pack->header, body.data, body.len, payload), 0);
	buf_free(&body);
	buf_free(&pack->records);
}

int pack_send(struct pack *pack, struct bench *b, struct accept_batch_result *ret_result)
{
	struct accept_batch_result ignored;
	struct buf payload;
	int r;

	pack_finish(pack, &payload);
	r = accept_batch(b->accept, "w1", "g1", payload.data, payload.len,
			 clock_wall_ms(&b->clock.clock), ret_result ? ret_result : &ignored);
	buf_free(&payload);
	return r;
}

static void gather(void *arg, const char *workspace, const char *gateway,
		   const struct wire_ack *ack)
{
	struct bench *b = arg;

	assert_string_equal(workspace, "w1");
	assert_string_equal(gateway, "g1");
	b->acks++;
	b->last_ack = *ack;
	for (size_t i = 0; i < ack->committed_count; i++) {
		for (int64_t n = ack->committed[i].first; n <= ack->committed[i].last; n++) {
			assert_true(b->acked_count < 256);
			b->acked[b->acked_count++] = n;
		}
	}
}

int bench_commit(struct bench *b)
{
	int r;

	b->acked_count = 0;
	b->acks = 0;
	r = accept_commit(b->accept);
	accept_acks(b->accept, gather, b);
	return r;
}

int64_t bench_query(struct bench *b, const char *sql)
{
	struct sql_stmt *stmt = sql_stmt(coredb_sql(b->db), sql);
	int64_t value = -1;

	if (sql_step(stmt) == 1 && !sql_is_null(stmt, 0))
		value = sql_int(stmt, 0);
	sql_done(stmt);
	return value;
}

double bench_soc(struct bench *b, int64_t device)
{
	struct model_device *cells = calloc(1, sizeof(*cells));
	const struct model_cell *cell;
	double value = -1;

	assert_non_null(cells);
	model_device_init(cells, "x");
	cell = &cells->cells[MODEL_FIELD_STATE_OF_CHARGE_PCT];
	if (coredb_body_get(b->db, device, cells) == 0 && cell->present && !cell->null)
		value = cell->value.as.number;
	free(cells);
	return value;
}
