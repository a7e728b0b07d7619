/* Records: the JSON of what a batch's body holds, and of what HTTP items hold. */
#ifndef MODEL_WIRE_RECORD_H
#define MODEL_WIRE_RECORD_H

#include "base/ids.h"
#include "model/update.h"
#include "model/wire/json.h"

#define WIRE_VERSION 1
#define WIRE_BATCH_BYTES_MAX ((size_t)1024 * 1024) /* any payload as sent */

enum wire_kind {
	WIRE_UPDATE,    /* canonical fields of a device */
	WIRE_ENVELOPE,  /* a provider's raw message */
	WIRE_DROPPED,   /* what the spool gave up of an epoch */
	WIRE_EPOCH_END, /* what is still held of an epoch that is over */
};

/* first..last, both included. */
struct wire_range {
	int64_t first, last;
};
#define WIRE_RANGES_MAX 256
/* A kernel's boot id, or one with "." and a counter: the id of a time base. */
#define WIRE_BOOT_ID_SIZE 48

struct wire_envelope {
	char provider[MODEL_ID_SIZE];
	char external_id[MODEL_ID_SIZE];
	int64_t mono_us; /* MODEL_NO_TIME without */
	int64_t at_ms;   /* receivedAt of HTTP envelopes; MODEL_NO_TIME without */
	struct model_text raw;
};

struct wire_dropped {
	char epoch[IDS_RANDOM_SIZE];
	struct wire_range ranges[WIRE_RANGES_MAX];
	size_t range_count;
	int64_t records;
	char reason[32];
	int64_t first_mono_us, last_mono_us;
};

struct wire_epoch_end {
	char epoch[IDS_RANDOM_SIZE];
	char prev[IDS_RANDOM_SIZE]; /* the epoch before it on the same disk; "" (null) for none */
	char boot_id[WIRE_BOOT_ID_SIZE];
	struct wire_range held[WIRE_RANGES_MAX];
	size_t held_count;
	int64_t end; /* one past the last number made; -1: not known (null) */
};

/* A record. Its texts point into the JSON document that it was read from. */
struct wire_record {
	enum wire_kind kind;
	struct model_update update; /* has its memory from model_update_init() before decoding */
	struct wire_envelope envelope;
	struct wire_dropped dropped;
	struct wire_epoch_end epoch_end;
	/* Fields of an update that could not be taken: they are left out, the record stays. */
	unsigned unknown_fields; /* members that this version does not know: ignored */
	unsigned implausible;    /* out of range, or of another JSON type: nulled */
	char first_problem[160]; /* names the first of them for a person */
};

/* Appends an update's JSON. Returns through the buffer's sticky error. */
void wire_update_encode(struct jw *w, const struct model_update *update);
void wire_envelope_encode(struct jw *w, const struct wire_envelope *envelope);
void wire_dropped_encode(struct jw *w, const struct wire_dropped *dropped);
void wire_epoch_end_encode(struct jw *w, const struct wire_epoch_end *end);

/* Reads one record of any kind; `record->update` must have its memory, whose content is replaced.
 * An update needs kind, provider and device_id (or external_id in its stead), an envelope provider
 * and external_id. Returns 0; -EINVAL where it is malformed (`problem` says what and where, at least
 * 160 bytes; it never quotes values); -EMSGSIZE where a limit of this header is passed (also with a
 * `problem`). `record` is not to be used after a failure. */
int wire_record_decode(const struct jr_value *value, struct wire_record *record, char *problem,
		       size_t problem_size);

#endif
