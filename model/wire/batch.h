/* A batch: one header line of JSON, made at each send, a newline, and the body, made once. */
#ifndef MODEL_WIRE_BATCH_H
#define MODEL_WIRE_BATCH_H

#include "base/clock.h"
#include "model/wire/record.h"

#define WIRE_UNPACKED_BYTES_MAX ((size_t)8 * 1024 * 1024) /* its body unpacked */
#define WIRE_RECORDS_MAX 1000
#define WIRE_HEADER_BYTES_MAX 2048 /* its first line */
#define WIRE_BODY_BYTES_MAX (WIRE_BATCH_BYTES_MAX - WIRE_HEADER_BYTES_MAX)
#define WIRE_DIGEST_SIZE 17 /* first 8 bytes of the body's SHA-256, hex, NUL */

enum wire_lane { WIRE_LANE_LIVE, WIRE_LANE_BACKLOG };
enum wire_class { WIRE_CLASS_SAMPLE, WIRE_CLASS_STATE, WIRE_CLASS_ALARM, WIRE_CLASS_LEDGER };
enum wire_body { WIRE_BODY_JSON, WIRE_BODY_ZSTD };

const char *wire_class_name(enum wire_class class);

/* The boot in which the batch was recorded, and its clock anchor as known at this send. */
struct wire_boot {
	char id[WIRE_BOOT_ID_SIZE];
	int64_t sent_mono_us;   /* MODEL_NO_TIME where that boot is not the running one */
	int64_t anchor_mono_us; /* the pair mono -> wall, together or not at all */
	int64_t anchor_at_ms;   /* MODEL_NO_TIME where there is none */
	enum clock_quality quality;
};

struct wire_header {
	char session[IDS_RANDOM_SIZE]; /* the link topic's: new at each connection; acks echo it */
	char epoch[IDS_RANDOM_SIZE];
	char prev
		[IDS_RANDOM_SIZE]; /* the epoch before this one on the same disk; "" (null) for none */
	int64_t batch;
	int64_t floor; /* the oldest batch of the epoch that the agent still holds */
	int count;
	enum wire_lane lane;
	enum wire_class class;
	enum wire_body body;
	char digest[WIRE_DIGEST_SIZE];
	struct wire_boot boot;
};

void wire_digest(const void *body, size_t len, char out[static WIRE_DIGEST_SIZE]);

/* Packs a JSON array of records as the body: zstd where that is smaller. Returns 0, -EMSGSIZE where
 * the result could not be sent in one batch, -ENOMEM. */
int wire_body_pack(const char *json, size_t len, struct buf *out, enum wire_body *ret_body);

/* Appends header line, newline, body: a payload. Returns 0, -EMSGSIZE, -ENOMEM. */
int wire_batch_encode(const struct wire_header *header, const void *body, size_t len,
		      struct buf *out);

enum wire_problem {
	WIRE_OK = 0,
	WIRE_TOO_LARGE,
	WIRE_NO_HEADER,   /* not one line of JSON, or fields missing or wrong */
	WIRE_BAD_VERSION, /* `header` holds what could be read: epoch and batch for a deferral */
	WIRE_BAD_DIGEST,
	WIRE_BAD_COMPRESSION, /* broken, without a content size, or larger than allowed */
	WIRE_BAD_BODY,        /* not a JSON array of 1..1000 records, or not `count` of them */
	WIRE_NO_MEMORY,
};

/* "bad_digest"; WIRE_BAD_VERSION is "unsupported_version", the reason of a deferral. */
const char *wire_problem_name(enum wire_problem problem);

/* A payload taken apart. */
struct wire_batch;

/* What unpacking needs from batch to batch: making it anew for each costs more than unpacking does.
 * One thread at a time. NULL without memory. */
struct wire_unpacker;
struct wire_unpacker *wire_unpacker_create(void);
void wire_unpacker_free(struct wire_unpacker *unpacker); /* NULL is accepted */

/* Reads a payload whole; `unpacker` may be NULL where few are read. On success *ret_batch holds it
 * (free with wire_batch_free()). `header` is filled as far as it could be read, also on failure
 * (zeroed first): with a valid epoch and batch the core can answer. `detail` (at least 160 bytes)
 * says for a person what was wrong. */
enum wire_problem wire_batch_decode(struct wire_unpacker *unpacker, const void *payload, size_t len,
				    struct wire_header *header, struct wire_batch **ret_batch,
				    char *detail, size_t detail_size);
void wire_batch_free(struct wire_batch *batch);

size_t wire_batch_count(const struct wire_batch *batch);
/* The record at `index` as JSON, for wire_record_decode(). */
const struct jr_value *wire_batch_at(const struct wire_batch *batch, size_t index);
/* Its bytes as they came, as long as the batch lives. */
struct model_text wire_batch_raw(const struct wire_batch *batch, size_t index);
/* The body as unpacked JSON text, as long as the batch lives. */
struct model_text wire_batch_text(const struct wire_batch *batch);

#endif
