#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/wire/batch.h"
#include "tests/golden/golden.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TWO "[{\"kind\":\"update\"},{\"kind\":\"envelope\"}]"

struct fixture {
	struct wire_header header, read;
	struct wire_batch *batch;
	struct wire_unpacker
		*unpacker; /* of all that a test reads: what is broken spoils nothing */
	struct buf body, payload;
	char detail[160];
};

static int set_up(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->header = (struct wire_header){
		.session = "5e551011",
		.epoch = "b1f0c2d3e4f5061728394a5b6c7d8e9f",
		.prev = "00aa11bb22cc33dd44ee55ff66778899",
		.batch = 41,
		.floor = 38,
		.count = 2,
		.class = WIRE_CLASS_STATE,
		.boot = {.id = "0b5bd4a4-5a0f-4d16-9bd0-6f1cfd1d66a1",
			 .sent_mono_us = 912345678,
			 .anchor_mono_us = 900000000,
			 .anchor_at_ms = 1795190400000,
			 .quality = CLOCK_QUALITY_SYNCED},
	};
	buf_init(&t->body, 16 << 20);
	buf_init(&t->payload, 16 << 20);
	t->unpacker = wire_unpacker_create();
	assert_non_null(t->unpacker);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *t = *state;

	wire_batch_free(t->batch);
	wire_unpacker_free(t->unpacker);
	buf_free(&t->body);
	buf_free(&t->payload);
	free(t);
	return 0;
}

static void encode(struct fixture *t, const void *body, size_t len)
{
	wire_digest(body, len, t->header.digest);
	buf_reset(&t->payload);
	assert_int_equal(wire_batch_encode(&t->header, body, len, &t->payload), 0);
}

static enum wire_problem decode_bytes(struct fixture *t, const void *data, size_t len)
{
	wire_batch_free(t->batch);
	t->batch = NULL;
	return wire_batch_decode(t->unpacker, data, len, &t->read, &t->batch, t->detail,
				 sizeof(t->detail));
}

static enum wire_problem decode(struct fixture *t)
{
	return decode_bytes(t, t->payload.data, t->payload.len);
}

/* Encodes, compares with the golden file, reads that and makes it again from what was read. */
static void round_trip(struct fixture *t, const char *name)
{
	size_t len = 0, line;
	char *golden;

	encode(t, t->body.data, t->body.len);
	golden_check(name, t->payload.data, t->payload.len);
	golden = golden_read(name, &len);
	assert_int_equal(decode_bytes(t, golden, len), WIRE_OK);
	line = (size_t)((char *)memchr(golden, '\n', len) - golden) + 1;
	buf_reset(&t->payload);
	assert_int_equal(wire_batch_encode(&t->read, golden + line, len - line, &t->payload), 0);
	assert_int_equal(t->payload.len, len);
	assert_memory_equal(t->payload.data, golden, len);
	free(golden);
}

static void a_json_batch_comes_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;
	struct model_text raw;

	buf_puts(&t->body, TWO);
	round_trip(t, "batch_json.bin");
	assert_int_equal(wire_batch_count(t->batch), 2);
	assert_int_equal(jr_type(wire_batch_at(t->batch, 1)), JR_OBJECT);
	assert_null(wire_batch_at(t->batch, 2));
	assert_null(wire_batch_raw(t->batch, 2).data);
	raw = wire_batch_raw(t->batch, 1);
	assert_true(raw.len > 2 && raw.data[0] == '{' && raw.data[raw.len - 1] == '}');
	assert_memory_equal(raw.data, &TWO[strlen(TWO) - 1 - raw.len], raw.len);
	assert_int_equal(wire_batch_text(t->batch).len, strlen(TWO));
	assert_true(t->read.batch == 41 && t->read.floor == 38 && t->read.count == 2);
	assert_int_equal(t->read.class, WIRE_CLASS_STATE);
	assert_int_equal(t->read.boot.quality, CLOCK_QUALITY_SYNCED);
	assert_true(t->read.boot.anchor_at_ms == 1795190400000);
}

/* A frame whose bytes do not depend on the library's version: one raw block (RFC 8878, 3.1.1). */
static void raw_frame(struct buf *out, const char *text)
{
	size_t len = strlen(text), block = len << 3 | 1;
	char head[9] = {'\x28', '\xb5', '\x2f', '\xfd', '\x20', (char)len};

	assert_in_range(len, 1, 255);
	head[6] = (char)(block & 0xff);
	head[7] = (char)(block >> 8 & 0xff);
	head[8] = (char)(block >> 16);
	buf_append(out, head, sizeof(head));
	buf_puts(out, text);
}

static void a_zstd_batch_comes_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;

	raw_frame(&t->body, TWO);
	t->header.body = WIRE_BODY_ZSTD;
	t->header.lane = WIRE_LANE_BACKLOG;
	t->header.boot.sent_mono_us = MODEL_NO_TIME;
	t->header.boot.anchor_mono_us = 0;
	t->header.boot.anchor_at_ms = MODEL_NO_TIME;
	t->header.boot.quality = CLOCK_QUALITY_NONE;
	round_trip(t, "batch_zstd.bin");
	assert_int_equal(wire_batch_count(t->batch), 2);
	assert_memory_equal(wire_batch_text(t->batch).data, TWO, strlen(TWO));
	assert_int_equal(t->read.lane, WIRE_LANE_BACKLOG);
	assert_int_equal(t->read.boot.sent_mono_us, MODEL_NO_TIME);
	assert_int_equal(t->read.boot.anchor_at_ms, MODEL_NO_TIME);
}

static void the_digest_is_the_first_8_bytes_of_sha_256(void **state)
{
	char digest[WIRE_DIGEST_SIZE];

	(void)state;
	wire_digest("abc", 3, digest); /* FIPS 180-4, appendix B.1 */
	assert_string_equal(digest, "ba7816bf8f01cfea");
	wire_digest("", 0, digest);
	assert_string_equal(digest, "e3b0c44298fc1c14");
}

static void a_body_is_packed_where_that_is_smaller(void **state)
{
	struct fixture *t = *state;
	enum wire_body body = WIRE_BODY_ZSTD;
	struct buf json;

	assert_int_equal(wire_body_pack("[1]", 3, &t->body, &body), 0);
	assert_int_equal(body, WIRE_BODY_JSON);
	assert_int_equal(t->body.len, 3);

	buf_init(&json, 1 << 20);
	buf_puts(&json, "[");
	for (int i = 0; i < 500; i++)
		buf_printf(&json, "%s{\"kind\":\"update\",\"mono_us\":%d}", i ? "," : "", i);
	buf_puts(&json, "]");
	buf_reset(&t->body);
	assert_int_equal(wire_body_pack(json.data, json.len, &t->body, &body), 0);
	assert_int_equal(body, WIRE_BODY_ZSTD);
	assert_in_range(t->body.len, 1, json.len / 4);
	t->header.body = body;
	t->header.count = 500;
	encode(t, t->body.data, t->body.len);
	assert_int_equal(decode(t), WIRE_OK);
	assert_int_equal(wire_batch_text(t->batch).len, json.len);
	assert_memory_equal(wire_batch_text(t->batch).data, json.data, json.len);
	buf_free(&json);
}

static void what_cannot_be_sent_in_one_batch_is_too_large_to_pack(void **state)
{
	struct fixture *t = *state;
	enum wire_body body = WIRE_BODY_JSON;
	size_t len = WIRE_UNPACKED_BYTES_MAX + 1;
	char *noise = malloc(len);
	uint32_t seed = 1;

	assert_non_null(noise);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (char)(seed >> 24);
	}
	assert_int_equal(wire_body_pack(noise, len, &t->body, &body), -EMSGSIZE);
	assert_int_equal(wire_body_pack(noise, WIRE_BATCH_BYTES_MAX, &t->body, &body), -EMSGSIZE);
	assert_int_equal(wire_body_pack(noise, WIRE_BODY_BYTES_MAX, &t->body, &body), 0);
	assert_int_equal(wire_batch_encode(&t->header, noise, WIRE_BATCH_BYTES_MAX, &t->payload),
			 -EMSGSIZE);
	free(noise);
}

static void another_version_still_gives_epoch_and_batch(void **state)
{
	static const char payload[] =
		"{\"v\":2,\"session\":\"s1\",\"epoch\":\"e1\",\"batch\":7,\"new\":[]}\nrest";
	struct fixture *t = *state;

	assert_int_equal(decode_bytes(t, payload, sizeof(payload) - 1), WIRE_BAD_VERSION);
	assert_string_equal(t->read.epoch, "e1");
	assert_int_equal(t->read.batch, 7);
	assert_null(t->batch);
	assert_string_equal(wire_problem_name(WIRE_BAD_VERSION), "unsupported_version");
}

static void a_header_that_is_none_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"\n",
		"{}\n[]",
		"[]\n[]",
		"{\"v\":1\n}\n[]",
		"{\"v\":1,\"session\":\"s1\",\"epoch\":\"e1\",\"batch\":7}", /* no newline */
		"{\"v\":1,\"session\":\"s1\",\"epoch\":\"e1\",\"batch\":7}\n[]",
		"{\"v\":\"1\",\"session\":\"s1\",\"epoch\":\"e1\",\"batch\":7}\n[]",
		"{\"v\":1,\"epoch\":\"../x\",\"batch\":7}\n[]",
		"{\"v\":1,\"session\":\"s1\",\"epoch\":\"e1\",\"batch\":0}\n[]",
	};
	struct fixture *t = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(decode_bytes(t, cases[i], strlen(cases[i])), WIRE_NO_HEADER);
		assert_int_not_equal(t->detail[0], '\0');
		assert_null(t->batch);
	}
	assert_int_equal(decode_bytes(t, NULL, 0), WIRE_NO_HEADER);
}

/* Replaces `from` in the payload's header by `to`, and decodes. */
static enum wire_problem spoil(struct fixture *t, const char *from, const char *to)
{
	struct buf spoilt;
	const char *text = buf_text(&t->payload), *at = strstr(text, from);
	enum wire_problem problem;

	assert_non_null(at);
	buf_init(&spoilt, 1 << 20);
	buf_append(&spoilt, text, (size_t)(at - text));
	buf_puts(&spoilt, to);
	buf_puts(&spoilt, at + strlen(from));
	problem = decode_bytes(t, spoilt.data, spoilt.len);
	buf_free(&spoilt);
	return problem;
}

static void each_member_of_the_header_is_checked(void **state)
{
	static const struct {
		const char *from, *to, *detail;
	} cases[] = {
		{"\"floor\":38", "\"floor\":0", "floor: "},
		{"\"floor\":38", "\"floor\":\"38\"", "floor: "},
		{"\"count\":2", "\"count\":0", "count: "},
		{"\"count\":2", "\"count\":1001", "count: "},
		{"\"count\":2", "\"count\":2,\"count\":2", "header, byte "},
		{"\"lane\":\"live\"", "\"lane\":\"dead\"", "lane: "},
		{"\"class\":\"state\"", "\"class\":1", "class: "},
		{"\"body\":\"json\"", "\"body\":\"gzip\"", "body: "},
		{"\"digest\":\"", "\"digest\":\"x", "digest: "},
		{"\"digest\":\"", "\"no\":\"", "digest: is missing"},
		{"\"boot\":{", "\"boot\":1,\"toot\":{", "boot: "},
		{"\"id\":\"0", "\"id\":\"/0", "id: "},
		{"\"sent_mono_us\":9", "\"sent_mono_us\":-9", "sent_mono_us: "},
		{"\"anchor_mono_us\"", "\"no\"", "anchor_mono_us: is missing"},
		{"\"anchor_at\":\"2026-11", "\"anchor_at\":\"2026-13", "anchor_at: "},
		{"\"quality\":\"synced\"", "\"quality\":\"best\"", "boot.quality: "},
	};
	struct fixture *t = *state;

	encode(t, TWO, strlen(TWO));
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum wire_problem problem = spoil(t, cases[i].from, cases[i].to);

		if (problem != WIRE_NO_HEADER ||
		    strncmp(t->detail, cases[i].detail, strlen(cases[i].detail)) != 0)
			fail_msg("%s: %s, %s", cases[i].to, wire_problem_name(problem), t->detail);
	}
}

static void a_body_with_another_digest_is_refused_and_the_sender_known(void **state)
{
	struct fixture *t = *state;

	encode(t, TWO, strlen(TWO));
	t->payload.data[t->payload.len - 2] ^= 1;
	assert_int_equal(decode(t), WIRE_BAD_DIGEST);
	assert_int_equal(t->read.batch, 41);
	assert_string_equal(t->read.session, t->header.session);
	assert_string_equal(t->read.epoch, t->header.epoch);
	assert_string_equal(t->read.prev, t->header.prev);
}

static void a_body_that_is_no_list_of_the_stated_count_is_refused(void **state)
{
	static const char *const cases[] = {"[{}]",     "[{},{},{}]", "[]",
					    "{}",       "",           "[{},{}",
					    "[{},{}]x", "[{},{}][]",  "[{},{\"a\":1,\"a\":1}]"};
	struct fixture *t = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		encode(t, cases[i], strlen(cases[i]));
		if (decode(t) != WIRE_BAD_BODY || t->detail[0] == '\0')
			fail_msg("%s: %s", cases[i], t->detail);
	}
}

static void a_payload_past_the_limit_is_refused_with_its_header(void **state)
{
	struct fixture *t = *state;
	char *big = calloc(1, WIRE_BATCH_BYTES_MAX + 1);

	assert_non_null(big);
	encode(t, TWO, strlen(TWO));
	memcpy(big, t->payload.data, t->payload.len);
	assert_int_equal(decode_bytes(t, big, WIRE_BATCH_BYTES_MAX + 1), WIRE_TOO_LARGE);
	assert_int_equal(t->read.batch, 41);
	free(big);
}

static enum wire_problem decode_frame(struct fixture *t)
{
	t->header.body = WIRE_BODY_ZSTD;
	encode(t, t->body.data, t->body.len);
	return decode(t);
}

static void zstd_frames_that_lie_or_hide_their_size_are_refused(void **state)
{
	struct fixture *t = *state;
	unsigned char *frame;

	/* No content size: a window descriptor in its place. */
	buf_append(&t->body, "\x28\xb5\x2f\xfd\x00\x00\x11\x00\x00[]", 11);
	assert_int_equal(decode_frame(t), WIRE_BAD_COMPRESSION);
	assert_non_null(strstr(t->detail, "content size"));

	/* Says 8 MiB and a byte. */
	buf_reset(&t->body);
	buf_append(&t->body, "\x28\xb5\x2f\xfd\xa0\x01\x00\x80\x00\x11\x00\x00[]", 14);
	assert_int_equal(decode_frame(t), WIRE_BAD_COMPRESSION);
	assert_non_null(strstr(t->detail, "content size"));

	/* Says less, then more than there is. */
	for (int delta = -1; delta <= 1; delta += 2) {
		buf_reset(&t->body);
		raw_frame(&t->body, TWO);
		frame = (unsigned char *)t->body.data;
		frame[5] = (unsigned char)(frame[5] + delta);
		assert_int_equal(decode_frame(t), WIRE_BAD_COMPRESSION);
	}

	/* Two frames; a frame and junk; half a frame; none. */
	buf_reset(&t->body);
	raw_frame(&t->body, "[{},");
	raw_frame(&t->body, "{}]");
	assert_int_equal(decode_frame(t), WIRE_BAD_COMPRESSION);
	buf_reset(&t->body);
	raw_frame(&t->body, TWO);
	buf_puts(&t->body, "x");
	assert_int_equal(decode_frame(t), WIRE_BAD_COMPRESSION);
	t->body.len -= 4;
	assert_int_equal(decode_frame(t), WIRE_BAD_COMPRESSION);
	t->body.len = 0;
	assert_int_equal(decode_frame(t), WIRE_BAD_COMPRESSION);
	/* The unpacker is none the worse for it. */
	buf_reset(&t->body);
	raw_frame(&t->body, TWO);
	assert_int_equal(decode_frame(t), WIRE_OK);
}

static void a_bomb_is_not_unpacked(void **state)
{
	struct fixture *t = *state;
	size_t len = 64 << 20, room = ZSTD_compressBound(len);
	char *zeros = calloc(1, len);
	char *packed = malloc(room);
	size_t size;

	assert_non_null(zeros);
	assert_non_null(packed);
	size = ZSTD_compress(packed, room, zeros, len, 1);
	assert_false(ZSTD_isError(size));
	assert_in_range(size, 1, 100000);
	t->header.body = WIRE_BODY_ZSTD;
	encode(t, packed, size);
	assert_int_equal(decode(t), WIRE_BAD_COMPRESSION);
	free(zeros);
	free(packed);
}

static void a_thousand_records_are_taken(void **state)
{
	struct fixture *t = *state;

	buf_puts(&t->body, "[");
	for (int i = 0; i < WIRE_RECORDS_MAX; i++)
		buf_puts(&t->body, i ? ",{}" : "{}");
	buf_puts(&t->body, "]");
	t->header.count = WIRE_RECORDS_MAX;
	encode(t, t->body.data, t->body.len);
	assert_int_equal(decode(t), WIRE_OK);
	assert_int_equal(wire_batch_count(t->batch), WIRE_RECORDS_MAX);
}

static void classes_and_problems_have_names(void **state)
{
	(void)state;
	assert_string_equal(wire_class_name(WIRE_CLASS_LEDGER), "ledger");
	assert_null(wire_class_name(WIRE_CLASS_LEDGER + 1));
	for (int i = WIRE_OK; i <= WIRE_NO_MEMORY; i++)
		assert_non_null(wire_problem_name((enum wire_problem)i));
	assert_null(wire_problem_name(WIRE_NO_MEMORY + 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_model_wire_batch(void);
int suite_model_wire_batch(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_json_batch_comes_back_byte_for_byte),
		TEST(a_zstd_batch_comes_back_byte_for_byte),
		TEST(the_digest_is_the_first_8_bytes_of_sha_256),
		TEST(a_body_is_packed_where_that_is_smaller),
		TEST(what_cannot_be_sent_in_one_batch_is_too_large_to_pack),
		TEST(another_version_still_gives_epoch_and_batch),
		TEST(a_header_that_is_none_is_refused),
		TEST(each_member_of_the_header_is_checked),
		TEST(a_body_with_another_digest_is_refused_and_the_sender_known),
		TEST(a_body_that_is_no_list_of_the_stated_count_is_refused),
		TEST(a_payload_past_the_limit_is_refused_with_its_header),
		TEST(zstd_frames_that_lie_or_hide_their_size_are_refused),
		TEST(a_bomb_is_not_unpacked),
		TEST(a_thousand_records_are_taken),
		TEST(classes_and_problems_have_names),
	};

	return cmocka_run_group_tests_name("model.wire_batch", tests, NULL, NULL);
}
