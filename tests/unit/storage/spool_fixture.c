#include "tests/unit/storage/spool_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "storage/sql/sql.h"

#define NOW_MS INT64_C(1795190400000) /* 2026-11-20T16:00:00Z */
#define PUT_MAX 262144

void fixture_boot(struct spool_fixture *f, int boot)
{
	(void)snprintf(f->clock.boot_id, sizeof(f->clock.boot_id), "00000000-0000-4000-8000-%012d",
		       boot);
	f->clock.mono_us = 1000000;
}

static const char *const suffixes[] = {"", "-wal", "-shm"};
#define SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

static void remove_database(const char *path)
{
	char name[FOLDER_SIZE + 32];
	size_t i;

	for (i = 0; i < SUFFIXES; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
}

void fixture_open(struct spool_fixture *f)
{
	char error[256] = "";

	if (strcmp(f->boot_id, f->clock.boot_id) != 0)
		remove_database(f->young_path);
	memcpy(f->boot_id, f->clock.boot_id, sizeof(f->boot_id));
	free(f->notice);
	f->notice = NULL;
	if (spool_open(&f->config, &f->spool, &f->notice, error, sizeof(error)))
		fail_msg("%s", error);
}

void fixture_reopen(struct spool_fixture *f)
{
	spool_close(f->spool);
	f->spool = NULL;
	fixture_open(f);
}

static void copy_file(const char *from, const char *to)
{
	char block[16384];
	size_t len;
	FILE *in = fopen(from, "re"), *out;

	if (!in)
		return;
	out = fopen(to, "we");
	assert_non_null(out);
	while ((len = fread(block, 1, sizeof(block), in)) > 0)
		assert_true(fwrite(block, 1, len, out) == len);
	assert_int_equal(fclose(out), 0);
	(void)fclose(in);
}

/* The old handle keeps the files it has, under other names; copies of them take their place. */
static void leave_files(struct spool_fixture *f, const char *path)
{
	char name[FOLDER_SIZE + 32], left[FOLDER_SIZE + 48];
	size_t i;

	for (i = 0; i < SUFFIXES; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)snprintf(left, sizeof(left), "%s.left-%d", name, f->abandoned_count);
		(void)rename(name, left);
		if (i < 2)
			copy_file(left, name);
	}
}

void fixture_abandon(struct spool_fixture *f)
{
	assert_true(f->abandoned_count < ABANDONED_MAX);
	f->abandoned[f->abandoned_count++] = f->spool;
	f->spool = NULL;
	leave_files(f, f->path);
	leave_files(f, f->young_path);
	fixture_open(f);
}

int spool_fixture_set_up(void **state)
{
	struct spool_fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	folder_make(f->folder);
	(void)snprintf(f->path, sizeof(f->path), "%s/spool.db", f->folder);
	(void)snprintf(f->young_path, sizeof(f->young_path), "%s/young.db", f->folder);
	clock_fake_init(&f->clock, NOW_MS, 1000000);
	f->clock.quality = CLOCK_QUALITY_SYNCED;
	fixture_boot(f, 1);
	f->config = (struct spool_config){
		.path = f->path,
		.young_path = f->young_path,
		.young_max_bytes = INT64_C(4) * 1024 * 1024,
		.max_bytes = INT64_C(16) * 1024 * 1024,
		.clock = &f->clock.clock,
	};
	fixture_open(f);
	*state = f;
	return 0;
}

int spool_fixture_tear_down(void **state)
{
	struct spool_fixture *f = *state;

	spool_close(f->spool);
	while (f->abandoned_count > 0)
		spool_close(f->abandoned[--f->abandoned_count]);
	free(f->notice);
	folder_remove(f->folder);
	free(f);
	return 0;
}

/* The padding is not compressible, so that a size stays about what was asked for. */
static size_t make_record(char *out, int n, size_t size)
{
	uint64_t x = (uint64_t)n * 2654435761u + 88172645463325252u;
	size_t len;

	len = (size_t)snprintf(out, PUT_MAX, "[{\"n\":%d,\"pad\":\"", n);
	while (len + 3 < size && len < PUT_MAX - 4) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[len++] =
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[x & 63];
	}
	memcpy(out + len, "\"}]", 3);
	return len + 3;
}

int fixture_try(struct spool_fixture *f, enum wire_class class, int n, size_t size,
		int64_t *ret_number)
{
	char *json = malloc(PUT_MAX);
	struct spool_put put = {.class = class, .count = 1};
	int r;

	assert_non_null(json);
	clock_fake_advance(&f->clock, 1000);
	put.json = json;
	put.len = make_record(json, n, size);
	put.first_mono_us = f->clock.mono_us - 500;
	put.last_mono_us = f->clock.mono_us;
	r = spool_append(f->spool, &put, 1, ret_number);
	free(json);
	return r;
}

int64_t fixture_put(struct spool_fixture *f, enum wire_class class, int n, size_t size)
{
	int64_t number = -1;

	if (fixture_try(f, class, n, size, &number))
		fail_msg("append: %s", spool_error(f->spool));
	return number;
}

/* Reading back. */

static void copy_string(char *out, size_t size, const struct jr_value *value)
{
	const char *text;
	size_t len;

	out[0] = '\0';
	if (jr_string(value, &text, &len))
		(void)snprintf(out, size, "%.*s", (int)len, text);
}

static void read_ranges(struct seen_batch *item, const struct jr_value *ranges)
{
	size_t i;

	for (i = 0; i < jr_count(ranges); i++) {
		const struct jr_value *pair = jr_at(ranges, i);
		struct wire_range *range = &item->ranges[item->range_count++];

		assert_true(item->range_count <= WIRE_RANGES_MAX);
		assert_true(jr_integer(jr_at(pair, 0), &range->first));
		assert_true(jr_integer(jr_at(pair, 1), &range->last));
		assert_true(range->first <= range->last);
	}
}

static void read_record(struct seen_batch *item, const struct jr_value *record)
{
	int64_t n;

	item->n = -1;
	item->end = -1;
	if (jr_integer(jr_get(record, "n"), &n))
		item->n = (int)n;
	copy_string(item->kind, sizeof(item->kind), jr_get(record, "kind"));
	if (item->class != WIRE_CLASS_LEDGER)
		return;
	copy_string(item->of_epoch, sizeof(item->of_epoch), jr_get(record, "epoch"));
	copy_string(item->of_prev, sizeof(item->of_prev), jr_get(record, "prev"));
	copy_string(item->of_boot, sizeof(item->of_boot), jr_get(record, "boot_id"));
	copy_string(item->reason, sizeof(item->reason), jr_get(record, "reason"));
	(void)jr_integer(jr_get(record, "records"), &item->records);
	(void)jr_integer(jr_get(record, "end"), &item->end);
	read_ranges(item, jr_get(record, strcmp(item->kind, "dropped") == 0 ? "ranges" : "held"));
}

/* Through the payload, as the core gets it: header, digest and compression are checked on the way. */
static int see_one(void *arg, const struct spool_batch *batch)
{
	struct seen *seen = arg;
	struct seen_batch *item = &seen->items[seen->count++];
	struct wire_header header = {
		.session = "00112233445566778899aabbccddeeff",
		.batch = batch->number,
		.floor = batch->number,
		.count = batch->count,
		.class = batch->class,
		.body = batch->body,
		.boot = batch->boot,
	};
	struct wire_batch *decoded = NULL;
	struct jr_doc *doc = NULL;
	struct model_text text;
	struct jr_error json_error;
	char detail[200] = "";
	struct buf payload;

	assert_true(seen->count <= SEEN_MAX);
	memcpy(header.epoch, batch->epoch, sizeof(header.epoch));
	memcpy(header.prev, batch->prev, sizeof(header.prev));
	memcpy(header.digest, batch->digest, sizeof(header.digest));
	memcpy(item->epoch, batch->epoch, sizeof(item->epoch));
	memcpy(item->prev, batch->prev, sizeof(item->prev));
	memcpy(item->digest, batch->digest, sizeof(item->digest));
	item->number = batch->number;
	item->id = batch->id;
	item->class = batch->class;
	item->boot = batch->boot;
	buf_init(&payload, WIRE_BATCH_BYTES_MAX);
	assert_int_equal(wire_batch_encode(&header, batch->data, batch->len, &payload), 0);
	if (wire_batch_decode(NULL, payload.data, payload.len, &header, &decoded, detail,
			      sizeof(detail)) != WIRE_OK)
		fail_msg("%s", detail);
	text = wire_batch_text(decoded);
	assert_int_equal(jr_parse(text.data, text.len, &doc, &json_error), 0);
	read_record(item, jr_at(jr_root(doc), 0));
	jr_free(doc);
	wire_batch_free(decoded);
	buf_free(&payload);
	return 0;
}

void fixture_see(struct spool_fixture *f, enum spool_order order, struct seen *seen)
{
	int r;

	seen->items = calloc(SEEN_MAX, sizeof(*seen->items));
	seen->count = 0;
	assert_non_null(seen->items);
	r = spool_peek(f->spool, order, 0, SEEN_MAX, see_one, seen);
	if (r < 0)
		fail_msg("peek: %s", spool_error(f->spool));
	assert_int_equal(r, seen->count);
}

void seen_free(struct seen *seen)
{
	free(seen->items);
	seen->items = NULL;
}

int64_t fixture_count_on_disk(const struct spool_fixture *f, const char *where)
{
	struct sql *sql = NULL;
	struct sql_stmt *stmt;
	char text[160];
	int64_t count;

	(void)snprintf(text, sizeof(text), "sqlite:%s", f->path);
	assert_int_equal(sql_open(text, SQL_READ_ONLY, &sql, NULL, 0), 0);
	(void)snprintf(text, sizeof(text), "SELECT count(*) FROM batch WHERE %s", where);
	stmt = sql_stmt(sql, text);
	assert_int_equal(sql_step(stmt), 1);
	count = sql_int(stmt, 0);
	sql_close(sql);
	return count;
}
