#include "model/wire/batch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/sha256.h>
#include <zstd.h>

#include "model/wire/member_priv.h"

/* Level 1 is enough: records repeat themselves, and a Pi Zero packs them. */
#define PACK_LEVEL 1

static const char *const lane_names[] = {
	[WIRE_LANE_LIVE] = "live",
	[WIRE_LANE_BACKLOG] = "backlog",
};
static const char *const class_names[] = {
	[WIRE_CLASS_SAMPLE] = "sample",
	[WIRE_CLASS_STATE] = "state",
	[WIRE_CLASS_ALARM] = "alarm",
	[WIRE_CLASS_LEDGER] = "ledger",
};
static const char *const body_names[] = {
	[WIRE_BODY_JSON] = "json",
	[WIRE_BODY_ZSTD] = "zstd",
};
static const char *const problem_names[] = {
	[WIRE_OK] = "ok",
	[WIRE_TOO_LARGE] = "too_large",
	[WIRE_NO_HEADER] = "no_header",
	[WIRE_BAD_VERSION] = "unsupported_version",
	[WIRE_BAD_DIGEST] = "bad_digest",
	[WIRE_BAD_COMPRESSION] = "bad_compression",
	[WIRE_BAD_BODY] = "bad_body",
	[WIRE_NO_MEMORY] = "no_memory",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *wire_class_name(enum wire_class class)
{
	return (unsigned)class < COUNT(class_names) ? class_names[class] : NULL;
}

const char *wire_problem_name(enum wire_problem problem)
{
	return (unsigned)problem < COUNT(problem_names) ? problem_names[problem] : NULL;
}

void wire_digest(const void *body, size_t len, char out[static WIRE_DIGEST_SIZE])
{
	unsigned char sum[32] = {0};

	/* Fails only where hardware acceleration does, which this build has not. */
	if (mbedtls_sha256_ret(body, len, sum, 0) != 0)
		memset(sum, 0, sizeof(sum));
	for (size_t i = 0; i < (WIRE_DIGEST_SIZE - 1) / 2; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

int wire_body_pack(const char *json, size_t len, struct buf *out, enum wire_body *ret_body)
{
	size_t room = ZSTD_compressBound(len), packed;
	enum wire_body body = WIRE_BODY_ZSTD;
	char *to;

	if (len > WIRE_UNPACKED_BYTES_MAX)
		return -EMSGSIZE;
	to = malloc(room);
	if (!to)
		return -ENOMEM;
	packed = ZSTD_compress(to, room, json, len, PACK_LEVEL);
	if (ZSTD_isError(packed) || packed >= len) {
		body = WIRE_BODY_JSON;
		packed = len;
	}
	if (packed > WIRE_BODY_BYTES_MAX) {
		free(to);
		return -EMSGSIZE;
	}
	buf_append(out, body == WIRE_BODY_ZSTD ? to : json, packed);
	free(to);
	if (out->error == 0)
		*ret_body = body;
	return out->error;
}

static void encode_boot(struct jw *w, const struct wire_boot *boot)
{
	jw_key(w, "boot");
	jw_open_object(w);
	jw_text(w, "id", boot->id);
	if (boot->sent_mono_us != MODEL_NO_TIME)
		jw_int(w, "sent_mono_us", boot->sent_mono_us);
	if (boot->anchor_at_ms != MODEL_NO_TIME) {
		jw_int(w, "anchor_mono_us", boot->anchor_mono_us);
		jw_time(w, "anchor_at", boot->anchor_at_ms);
	}
	jw_text(w, "quality", clock_quality_name(boot->quality));
	jw_close_object(w);
}

static void encode_header(struct jw *w, const struct wire_header *header)
{
	jw_open_object(w);
	jw_int(w, "v", WIRE_VERSION);
	jw_text(w, "session", header->session);
	jw_text(w, "epoch", header->epoch);
	jw_text(w, "prev", header->prev[0] != '\0' ? header->prev : NULL);
	jw_int(w, "batch", header->batch);
	jw_int(w, "floor", header->floor);
	jw_int(w, "count", header->count);
	jw_text(w, "lane", lane_names[header->lane]);
	jw_text(w, "class", class_names[header->class]);
	jw_text(w, "body", body_names[header->body]);
	jw_text(w, "digest", header->digest);
	encode_boot(w, &header->boot);
	jw_close_object(w);
}

int wire_batch_encode(const struct wire_header *header, const void *body, size_t len,
		      struct buf *out)
{
	size_t before = out->len;
	struct jw w;

	jw_init(&w, out);
	encode_header(&w, header);
	buf_putc(out, '\n');
	buf_append(out, body, len);
	if (out->error == 0 && out->len - before > WIRE_BATCH_BYTES_MAX)
		return -EMSGSIZE;
	return out->error;
}

struct wire_batch {
	struct jr_doc *doc;
	char *text; /* owned */
	size_t len;
};

void wire_batch_free(struct wire_batch *batch)
{
	if (!batch)
		return;
	jr_free(batch->doc);
	free(batch->text);
	free(batch);
}

size_t wire_batch_count(const struct wire_batch *batch)
{
	return jr_count(jr_root(batch->doc));
}

const struct jr_value *wire_batch_at(const struct wire_batch *batch, size_t index)
{
	return jr_at(jr_root(batch->doc), index);
}

struct model_text wire_batch_raw(const struct wire_batch *batch, size_t index)
{
	struct model_text raw = {NULL, 0};
	const struct jr_value *record = wire_batch_at(batch, index);

	if (record)
		jr_raw(batch->doc, record, &raw.data, &raw.len);
	return raw;
}

struct model_text wire_batch_text(const struct wire_batch *batch)
{
	return (struct model_text){batch->text, batch->len};
}

static void read_quality(struct member_reader *r, enum clock_quality *quality)
{
	char name[16] = "";

	member_id(r, "quality", name, sizeof(name));
	if (!r->error && clock_quality_parse(name, quality) != 0)
		member_fail(r, -EINVAL, "boot.quality: expected none, core, gps or synced");
}

static void read_boot(struct member_reader *outer, struct wire_boot *boot)
{
	struct member_reader r = {jr_get(outer->object, "boot"), outer->problem,
				  outer->problem_size, outer->error};

	if (jr_type(r.object) != JR_OBJECT)
		member_fail(&r, -EINVAL, "boot: expected an object");
	member_id(&r, "id", boot->id, sizeof(boot->id));
	member_integer_or(&r, "sent_mono_us", 0, INT64_MAX, MODEL_NO_TIME, &boot->sent_mono_us);
	member_time_or_none(&r, "anchor_at", &boot->anchor_at_ms);
	if (boot->anchor_at_ms != MODEL_NO_TIME)
		member_integer(&r, "anchor_mono_us", 0, INT64_MAX, &boot->anchor_mono_us);
	read_quality(&r, &boot->quality);
	outer->error = r.error;
}

static void read_digest(struct member_reader *r, char digest[static WIRE_DIGEST_SIZE])
{
	member_id(r, "digest", digest, WIRE_DIGEST_SIZE);
	if (!r->error && strspn(digest, "0123456789abcdef") != WIRE_DIGEST_SIZE - 1)
		member_fail(r, -EINVAL, "digest: expected %d hexadecimal digits",
			    WIRE_DIGEST_SIZE - 1);
}

/* Everything beside epoch, batch and version. */
static void read_rest(struct member_reader *r, struct wire_header *header)
{
	int64_t count = 0;

	member_integer(r, "floor", 1, INT64_MAX, &header->floor);
	member_integer(r, "count", 1, WIRE_RECORDS_MAX, &count);
	header->count = (int)count;
	header->lane = (enum wire_lane)member_word(r, "lane", lane_names, COUNT(lane_names));
	header->class = (enum wire_class)member_word(r, "class", class_names, COUNT(class_names));
	header->body = (enum wire_body)member_word(r, "body", body_names, COUNT(body_names));
	read_digest(r, header->digest);
	read_boot(r, &header->boot);
}

static enum wire_problem read_header(const char *line, size_t len, struct wire_header *header,
				     char *detail, size_t detail_size)
{
	enum wire_problem problem = WIRE_OK;
	struct jr_doc *doc = NULL;
	struct jr_error error;
	struct member_reader r = {NULL, detail, detail_size, 0};
	int64_t version = 0;
	int status = jr_parse(line, len, &doc, &error);

	if (status == -ENOMEM)
		return WIRE_NO_MEMORY;
	if (status != 0) {
		(void)snprintf(detail, detail_size, "header, byte %zu: %s", error.offset,
			       error.message);
		return WIRE_NO_HEADER;
	}
	r.object = jr_root(doc);
	if (jr_type(r.object) != JR_OBJECT)
		member_fail(&r, -EINVAL, "header: expected an object");
	/* Session, epoch and batch come first: with them the sender can be answered, whatever the
	 * rest. */
	member_id(&r, "session", header->session, sizeof(header->session));
	member_id(&r, "epoch", header->epoch, sizeof(header->epoch));
	if (r.error)
		header->epoch[0] = '\0';
	member_integer(&r, "batch", 1, INT64_MAX, &header->batch);
	member_integer(&r, "v", 1, INT64_MAX, &version);
	if (!r.error && version != WIRE_VERSION) {
		member_fail(&r, -EINVAL, "v: this program reads %d", WIRE_VERSION);
		problem = WIRE_BAD_VERSION;
	}
	member_id_or_none(&r, "prev", header->prev, sizeof(header->prev));
	read_rest(&r, header);
	if (r.error && problem == WIRE_OK)
		problem = WIRE_NO_HEADER;
	jr_free(doc);
	return problem;
}

/* zstd's own context has no other name; this one hides it from the header. */
struct wire_unpacker *wire_unpacker_create(void)
{
	return (struct wire_unpacker *)ZSTD_createDCtx();
}

void wire_unpacker_free(struct wire_unpacker *unpacker)
{
	(void)ZSTD_freeDCtx((ZSTD_DCtx *)unpacker);
}

static size_t unpack_frame(struct wire_unpacker *unpacker, struct wire_batch *batch, size_t room,
			   const char *body, size_t len)
{
	if (!unpacker)
		return ZSTD_decompress(batch->text, room, body, len);
	return ZSTD_decompressDCtx((ZSTD_DCtx *)unpacker, batch->text, room, body, len);
}

/* Checks everything that the frame says before a byte is allocated for it. */
static enum wire_problem unpack(struct wire_unpacker *unpacker, const char *body, size_t len,
				struct wire_batch *batch, char *detail, size_t detail_size)
{
	unsigned long long size = ZSTD_getFrameContentSize(body, len);
	size_t frame = ZSTD_findFrameCompressedSize(body, len), done;

	if (size == ZSTD_CONTENTSIZE_ERROR || ZSTD_isError(frame) || frame != len) {
		(void)snprintf(detail, detail_size, "body: not one whole zstd frame");
		return WIRE_BAD_COMPRESSION;
	}
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size > WIRE_UNPACKED_BYTES_MAX) {
		(void)snprintf(detail, detail_size,
			       "body: a zstd frame must state a content size of at most %zu",
			       WIRE_UNPACKED_BYTES_MAX);
		return WIRE_BAD_COMPRESSION;
	}
	batch->text = malloc((size_t)size + 1);
	if (!batch->text)
		return WIRE_NO_MEMORY;
	done = unpack_frame(unpacker, batch, (size_t)size, body, len);
	if (ZSTD_isError(done) || done != size) {
		(void)snprintf(detail, detail_size, "body: %s",
			       ZSTD_isError(done) ? ZSTD_getErrorName(done) : "cut");
		return WIRE_BAD_COMPRESSION;
	}
	batch->len = done;
	return WIRE_OK;
}

static enum wire_problem copy(const char *body, size_t len, struct wire_batch *batch)
{
	batch->text = malloc(len + 1);
	if (!batch->text)
		return WIRE_NO_MEMORY;
	memcpy(batch->text, body, len);
	batch->len = len;
	return WIRE_OK;
}

static enum wire_problem parse_body(struct wire_batch *batch, int count, char *detail,
				    size_t detail_size)
{
	struct jr_error error;
	int status = jr_parse(batch->text, batch->len, &batch->doc, &error);

	if (status == -ENOMEM)
		return WIRE_NO_MEMORY;
	if (status != 0) {
		(void)snprintf(detail, detail_size, "body, byte %zu: %s", error.offset,
			       error.message);
		return WIRE_BAD_BODY;
	}
	if (jr_type(jr_root(batch->doc)) != JR_ARRAY) {
		(void)snprintf(detail, detail_size, "body: expected a list of records");
		return WIRE_BAD_BODY;
	}
	/* The header's count is 1..1000 already. */
	if (wire_batch_count(batch) != (size_t)count) {
		(void)snprintf(detail, detail_size, "body: %zu records where the header says %d",
			       wire_batch_count(batch), count);
		return WIRE_BAD_BODY;
	}
	return WIRE_OK;
}

static enum wire_problem read_body(struct wire_unpacker *unpacker, const char *body, size_t len,
				   const struct wire_header *header, struct wire_batch *batch,
				   char *detail, size_t detail_size)
{
	char digest[WIRE_DIGEST_SIZE];
	enum wire_problem problem;

	wire_digest(body, len, digest);
	if (strcmp(digest, header->digest) != 0) {
		(void)snprintf(detail, detail_size, "digest: the body's is %s", digest);
		return WIRE_BAD_DIGEST;
	}
	if (header->body == WIRE_BODY_ZSTD)
		problem = unpack(unpacker, body, len, batch, detail, detail_size);
	else
		problem = copy(body, len, batch);
	if (problem != WIRE_OK)
		return problem;
	return parse_body(batch, header->count, detail, detail_size);
}

enum wire_problem wire_batch_decode(struct wire_unpacker *unpacker, const void *payload, size_t len,
				    struct wire_header *header, struct wire_batch **ret_batch,
				    char *detail, size_t detail_size)
{
	const char *text = payload, *newline;
	enum wire_problem problem;
	struct wire_batch *batch;
	size_t line;

	memset(header, 0, sizeof(*header));
	detail[0] = '\0';
	newline = len > 0 ? memchr(text, '\n',
				   len < WIRE_HEADER_BYTES_MAX ? len : WIRE_HEADER_BYTES_MAX)
			  : NULL;
	if (!newline) {
		(void)snprintf(detail, detail_size, "header: no line of at most %d bytes",
			       WIRE_HEADER_BYTES_MAX);
		return WIRE_NO_HEADER;
	}
	line = (size_t)(newline - text);
	problem = read_header(text, line, header, detail, detail_size);
	if (problem != WIRE_OK)
		return problem;
	if (len > WIRE_BATCH_BYTES_MAX) {
		(void)snprintf(detail, detail_size, "%zu bytes, at most %zu are taken", len,
			       WIRE_BATCH_BYTES_MAX);
		return WIRE_TOO_LARGE;
	}
	batch = calloc(1, sizeof(*batch));
	if (!batch)
		return WIRE_NO_MEMORY;
	problem = read_body(unpacker, newline + 1, len - line - 1, header, batch, detail,
			    detail_size);
	if (problem == WIRE_OK)
		*ret_batch = batch;
	else
		wire_batch_free(batch);
	return problem;
}
