#include "tests/unit/agent/clock_bench.h"

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

#include "model/wire/record.h"
#include "storage/coredb/registry.h"
#include "storage/coredb/state.h"

#define BATCHES_MAX 4096

/* ---- clocks ---- */

int64_t story_true_ms(const struct story *s)
{
	return s->true_us / 1000;
}

static void advance_gateway(struct story *s, int64_t us)
{
	s->gained_ppm_us += us * s->drift_ppm;
	us += s->gained_ppm_us / 1000000;
	s->gained_ppm_us %= 1000000;
	clock_fake_advance(&s->gateway, us);
}

void story_pass(struct story *s, int64_t us)
{
	s->true_us += us;
	advance_gateway(s, us);
	clock_fake_advance(&s->core, us);
}

void story_suspend(struct story *s, int64_t us)
{
	story_pass(s, us);
}

void story_freeze(struct story *s, int64_t us)
{
	s->true_us += us;
	clock_fake_advance(&s->core, us);
}

void story_sync(struct story *s, int64_t wall_ms)
{
	s->gateway.wall_ms = wall_ms;
	s->gateway.quality = CLOCK_QUALITY_SYNCED;
}

static int offer(struct story *s, const struct time_offer *time)
{
	int r = spool_set_anchor(s->spool, time->mono_us, time->at_ms, time->quality);

	assert_true(r >= 0);
	time_keeper_given(&s->keeper, time);
	s->bases += r;
	return r;
}

void story_gps(struct story *s)
{
	struct time_offer time;

	if (time_keeper_gps(&s->keeper, story_true_ms(s), s->gateway.mono_us, &time))
		(void)offer(s, &time);
}

int story_look(struct story *s)
{
	struct time_offer time;

	return time_keeper_system(&s->keeper, &time) ? offer(s, &time) : 0;
}

/* ---- life ---- */

static void open_spool(struct story *s)
{
	char young[sizeof(s->path) + 16];
	const struct spool_config config = {
		.path = s->path,
		.young_path = young,
		.max_bytes = INT64_C(64) * 1024 * 1024,
		.clock = &s->gateway.clock,
	};
	char error[256] = "";

	/* Memory does not outlive a boot. */
	(void)snprintf(young, sizeof(young), "%s.young-%d", s->path, s->boots);
	if (spool_open(&config, &s->spool, NULL, error, sizeof(error)))
		fail_msg("%s", error);
	time_keeper_init(&s->keeper, &s->gateway.clock, s->trust, 0);
}

static void leave_spool(struct story *s)
{
	assert_true(s->left_count < (int)(sizeof(s->left) / sizeof(s->left[0])));
	s->left[s->left_count++] = s->spool;
	s->spool = NULL;
}

void story_boot(struct story *s, enum story_end end, int64_t wall_ms)
{
	if (end == STORY_ORDERLY)
		spool_close(s->spool);
	else
		leave_spool(s);
	s->boots++;
	story_pass(s, 20 * SECOND_US);
	(void)snprintf(s->gateway.boot_id, sizeof(s->gateway.boot_id),
		       "00000000-0000-4000-8000-%012d", s->boots);
	s->gateway.mono_us = 5 * SECOND_US;
	s->gateway.wall_ms = wall_ms;
	s->gateway.quality = CLOCK_QUALITY_NONE;
	open_spool(s);
}

void story_restart_agent(struct story *s)
{
	leave_spool(s);
	open_spool(s);
}

static void open_core(struct story *s)
{
	struct accept_config config = {.clock = &s->core.clock, .cache_devices = 16};
	char error[200] = "";

	if (coredb_open(s->url, COREDB_CREATE, &s->db, error, sizeof(error)))
		fail_msg("%s", error);
	config.db = s->db;
	assert_int_equal(accept_create(&config, &s->accept), 0);
}

void story_restart_core(struct story *s)
{
	accept_destroy(s->accept);
	coredb_close(s->db);
	open_core(s);
}

static void fill_registry(struct story *s)
{
	struct policy policy;

	policy_default(&policy);
	evidence_policy_back(&policy, &s->workspace.policy);
	(void)snprintf(s->workspace.name, sizeof(s->workspace.name), "w1");
	(void)snprintf(s->row.name, sizeof(s->row.name), "g1");
	(void)snprintf(s->device.name, sizeof(s->device.name), "d1");
	(void)snprintf(s->device.provider, sizeof(s->device.provider), "obd");
	assert_int_equal(accept_begin(s->accept), 0);
	assert_int_equal(coredb_workspace_add(s->db, &s->workspace, NOW_MS), 0);
	s->row.workspace = s->workspace.id;
	s->device.workspace = s->workspace.id;
	assert_int_equal(coredb_gateway_add(s->db, &s->row, NOW_MS), 0);
	s->device.gateway = s->row.id;
	s->device.activated_at_ms = NOW_MS;
	assert_int_equal(coredb_device_add(s->db, &s->device, NOW_MS), 0);
	assert_int_equal(accept_commit(s->accept), 0);
}

int story_set_up(void **state)
{
	struct story *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	folder_make(s->folder);
	(void)snprintf(s->path, sizeof(s->path), "%s/spool.db", s->folder);
	(void)snprintf(s->url, sizeof(s->url), "sqlite:%s/core.db", s->folder);
	s->true_us = NOW_MS * 1000;
	s->delay_ms = 30;
	s->trust = CLOCK_TRUST_KERNEL;
	s->boots = 1;
	clock_fake_init(&s->gateway, NOW_MS, 5 * SECOND_US);
	clock_fake_init(&s->core, NOW_MS, 3600 * SECOND_US);
	open_spool(s);
	open_core(s);
	fill_registry(s);
	*state = s;
	return 0;
}

int story_tear_down(void **state)
{
	struct story *s = *state;

	accept_destroy(s->accept);
	coredb_close(s->db);
	spool_close(s->spool);
	while (s->left_count > 0)
		spool_close(s->left[--s->left_count]);
	folder_remove(s->folder);
	free(s);
	return 0;
}

/* ---- readings ---- */

int story_read(struct story *s)
{
	struct model_update_room room = {0};
	struct model_update update;
	struct spool_put put = {.class = WIRE_CLASS_SAMPLE, .count = 1};
	struct buf json;
	struct jw w;
	int64_t number;

	assert_true(s->records < STORY_RECORDS);
	buf_init(&json, 65536);
	model_update_init(&update, &room);
	(void)snprintf(update.device_id, sizeof(update.device_id), "d1");
	(void)snprintf(update.provider, sizeof(update.provider), "obd");
	(void)snprintf(update.source, sizeof(update.source), "obd0");
	update.mono_us = s->gateway.mono_us;
	assert_int_equal(
		model_update_set_number(&update, MODEL_FIELD_ODOMETER_KM, (double)s->records), 0);
	jw_init(&w, &json);
	jw_open_array(&w);
	wire_update_encode(&w, &update);
	jw_close_array(&w);
	assert_int_equal(json.error, 0);
	put.json = json.data;
	put.len = json.len;
	put.first_mono_us = update.mono_us;
	put.last_mono_us = update.mono_us;
	assert_int_equal(spool_append(s->spool, &put, 1, &number), 0);
	buf_free(&json);
	s->truth_us[s->records] = s->true_us;
	return s->records++;
}

void story_sample(struct story *s, int count, int64_t pause_us)
{
	for (int i = 0; i < count; i++) {
		story_pass(s, pause_us);
		(void)story_look(s);
		(void)story_read(s);
	}
}

/* ---- the link ---- */

struct sending {
	struct story *s;
	struct buf payload;
	struct wire_header header;
	const void *data;
	bool found;
	struct buf body;
};

static int copy_batch(void *arg, const struct spool_batch *batch)
{
	struct sending *sending = arg;
	struct wire_header *header = &sending->header;

	*header = (struct wire_header){.batch = batch->number,
				       .count = batch->count,
				       .class = batch->class,
				       .body = batch->body,
				       .lane = WIRE_LANE_LIVE,
				       .boot = batch->boot};
	memcpy(header->epoch, batch->epoch, sizeof(header->epoch));
	memcpy(header->prev, batch->prev, sizeof(header->prev));
	memcpy(header->digest, batch->digest, sizeof(header->digest));
	(void)snprintf(header->session, sizeof(header->session), "session");
	buf_reset(&sending->body);
	buf_append(&sending->body, batch->data, batch->len);
	sending->found = true;
	return 1;
}

static int collect_id(void *arg, const struct spool_batch *batch)
{
	struct {
		int64_t *items;
		int count;
	} *ids = arg;

	assert_true(ids->count < BATCHES_MAX);
	ids->items[ids->count++] = batch->id;
	return 0;
}

/* As agent/uplink_data.c encodes it. */
static void encode(struct story *s, struct sending *sending)
{
	struct wire_header *header = &sending->header;

	header->boot.sent_mono_us = MODEL_NO_TIME;
	if (strcmp(header->boot.id, spool_boot(s->spool)) == 0)
		header->boot.sent_mono_us = s->gateway.mono_us;
	assert_int_equal(spool_floor(s->spool, header->epoch, &header->floor), 0);
	buf_reset(&sending->payload);
	assert_int_equal(
		wire_batch_encode(header, sending->body.data, sending->body.len, &sending->payload),
		0);
}

static void take_ack(void *arg, const char *workspace, const char *gateway,
		     const struct wire_ack *ack)
{
	struct story *s = arg;

	(void)workspace;
	(void)gateway;
	s->ack_at_ms = ack->at_ms;
	s->acked_count = ack->committed_count;
	memcpy(s->acked, ack->committed, sizeof(s->acked));
	memcpy(s->acked_epoch, ack->epoch, sizeof(s->acked_epoch));
}

static void send_one(struct story *s, struct sending *sending, int64_t id)
{
	struct accept_batch_result result;
	struct time_offer time;

	sending->found = false;
	/* An acknowledgement may speak of one that is yet to be sent again after a power cut. */
	if (spool_peek_id(s->spool, id, copy_batch, sending) == 0)
		return;
	assert_true(sending->found);
	encode(s, sending);
	story_pass(s, s->delay_ms * 1000);
	assert_int_equal(accept_batch(s->accept, "w1", "g1", sending->payload.data,
				      sending->payload.len, s->core.wall_ms, &result),
			 0);
	assert_true(result.answer == ACCEPT_COMMITTED || result.answer == ACCEPT_AGAIN);
	assert_int_equal(result.outcomes[ACCEPT_REJECTED], 0);
	assert_int_equal(accept_commit(s->accept), 0);
	accept_acks(s->accept, take_ack, s);
	story_pass(s, s->delay_ms * 1000);
	if (time_keeper_core(&s->keeper, s->ack_at_ms, &time))
		(void)offer(s, &time);
	assert_int_equal(spool_ack(s->spool, s->acked_epoch, s->acked, s->acked_count, NULL), 0);
}

void story_send(struct story *s)
{
	int64_t *items = calloc(BATCHES_MAX, sizeof(*items));
	struct {
		int64_t *items;
		int count;
	} ids = {items, 0};
	struct sending *sending = calloc(1, sizeof(*sending));

	assert_non_null(items);
	assert_non_null(sending);
	buf_init(&sending->body, WIRE_BATCH_BYTES_MAX);
	buf_init(&sending->payload, WIRE_BATCH_BYTES_MAX);
	(void)story_look(s);
	assert_true(spool_peek(s->spool, SPOOL_OLDEST_FIRST, 0, BATCHES_MAX, collect_id, &ids) >=
		    0);
	if (ids.count > 0)
		send_one(s, sending, ids.items[ids.count - 1]);
	for (int i = 0; i + 1 < ids.count; i++)
		send_one(s, sending, ids.items[i]);
	buf_free(&sending->body);
	buf_free(&sending->payload);
	free(sending);
	free(items);
}

/* ---- what the core says ---- */

static int64_t number_of(const char *text, size_t len, const char *key)
{
	const char *at = memmem(text, len, key, strlen(key));

	return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

/* The body of a batch, unpacked as the core does it; free with wire_batch_free(). */
static struct wire_batch *unpack(const struct coredb_batch *batch)
{
	struct wire_header header = {.batch = batch->number,
				     .floor = 1,
				     .count = batch->records,
				     .body = (enum wire_body)batch->packing};
	struct wire_batch *unpacked = NULL;
	char detail[160] = "";
	struct buf payload;

	(void)snprintf(header.epoch, sizeof(header.epoch), "epoch");
	(void)snprintf(header.session, sizeof(header.session), "session");
	(void)snprintf(header.boot.id, sizeof(header.boot.id), "boot");
	header.boot.sent_mono_us = MODEL_NO_TIME;
	header.boot.anchor_at_ms = MODEL_NO_TIME;
	wire_digest(batch->body, batch->len, header.digest);
	buf_init(&payload, WIRE_BATCH_BYTES_MAX);
	assert_int_equal(wire_batch_encode(&header, batch->body, batch->len, &payload), 0);
	if (wire_batch_decode(NULL, payload.data, payload.len, &header, &unpacked, detail,
			      sizeof(detail)) != WIRE_OK)
		fail_msg("%s", detail);
	buf_free(&payload);
	return unpacked;
}

static int note_stamp(void *arg, const struct coredb_batch *batch)
{
	struct wire_batch *unpacked = unpack(batch);
	const struct model_text text = wire_batch_text(unpacked);
	const int64_t n = number_of(text.data, text.len, "\"odometer_km\":");
	struct story *s = arg;

	if (n >= 0) {
		assert_true(n < s->records);
		s->stamps[n] = (struct model_stamp){
			.boot = batch->boot,
			.mono_us = number_of(text.data, text.len, "\"mono_us\":"),
			.at_ms = MODEL_NO_TIME,
			.received_ms = batch->received_ms,
		};
	}
	wire_batch_free(unpacked);
	return 0;
}

/* Where every record that the core has stands in its time. */
static void read_stamps(struct story *s)
{
	int64_t batches = story_query(s, "SELECT count(*) FROM batch");

	if (batches == s->batches_read)
		return;
	assert_int_equal(coredb_batch_each(s->db, s->row.id, INT64_MIN, INT64_MAX, note_stamp, s),
			 batches);
	s->batches_read = batches;
}

struct wire_time story_time(struct story *s, int n)
{
	struct coredb_anchors anchors = {.db = s->db};
	struct wire_time time;

	read_stamps(s);
	if (!s->stamps[n].boot)
		fail_msg("record %d is not in the core", n);
	evidence_time(&anchors, &s->stamps[n], &time);
	assert_int_equal(anchors.error, 0);
	return time;
}

int64_t story_error_ms(struct story *s, int n)
{
	const struct wire_time time = story_time(s, n);

	if (time.at_ms == MODEL_NO_TIME)
		fail_msg("record %d cannot be dated", n);
	return time.at_ms - s->truth_us[n] / 1000;
}

int64_t story_worst_ms(struct story *s, int from, int to)
{
	int64_t worst = 0;

	for (int n = from; n <= to; n++) {
		int64_t error = llabs(story_error_ms(s, n));

		if (error > worst)
			worst = error;
	}
	return worst;
}

int64_t story_query(struct story *s, const char *sql)
{
	struct sql_stmt *stmt = sql_stmt(coredb_sql(s->db), sql);
	int64_t value = MODEL_NO_TIME;

	if (sql_step(stmt) == 1 && !sql_is_null(stmt, 0))
		value = sql_int(stmt, 0);
	sql_done(stmt);
	return value;
}

int64_t story_last_update_ms(struct story *s)
{
	return story_query(s, "SELECT last_update_at FROM device_state");
}

int story_shown(struct story *s)
{
	struct model_device *cells = calloc(1, sizeof(*cells));
	const struct model_cell *cell;
	int n = -1;

	assert_non_null(cells);
	model_device_init(cells, "d1");
	cell = &cells->cells[MODEL_FIELD_ODOMETER_KM];
	if (coredb_body_get(s->db, s->device.id, cells) == 0 && cell->present && !cell->null)
		n = (int)cell->value.as.number;
	free(cells);
	return n;
}
