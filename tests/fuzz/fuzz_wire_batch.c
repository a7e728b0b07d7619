/* Batches as any gateway may send them: taken apart, and each record read and written again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/wire/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Large; one thread runs the fuzzer. */
static struct wire_record record;
static struct model_update_room room;

static void encode(struct buf *out)
{
	struct jw w;

	buf_init(out, 4 << 20);
	jw_init(&w, out);
	switch (record.kind) {
	case WIRE_UPDATE:
		wire_update_encode(&w, &record.update);
		break;
	case WIRE_ENVELOPE:
		wire_envelope_encode(&w, &record.envelope);
		break;
	case WIRE_DROPPED:
		wire_dropped_encode(&w, &record.dropped);
		break;
	case WIRE_EPOCH_END:
		wire_epoch_end_encode(&w, &record.epoch_end);
		break;
	}
}

static int decode(const struct jr_value *value)
{
	char problem[160];

	model_update_init(&record.update, &room);
	return wire_record_decode(value, &record, problem, sizeof(problem));
}

/* What was taken must be written, be taken again without a complaint, and be written the same. */
static void check_record(const struct jr_value *value)
{
	struct buf once, twice;
	struct jr_error error;
	struct jr_doc *doc;

	if (decode(value) != 0)
		return;
	encode(&once);
	if (once.error != 0 || jr_parse(once.data, once.len, &doc, &error) != 0)
		abort();
	if (decode(jr_root(doc)) != 0 || record.implausible != 0 || record.unknown_fields != 0)
		abort();
	encode(&twice);
	if (twice.error != 0 || twice.len != once.len ||
	    memcmp(twice.data, once.data, once.len) != 0)
		abort();
	buf_free(&once);
	buf_free(&twice);
	jr_free(doc);
}

static enum wire_problem check_batch(const void *data, size_t size, struct wire_header *header)
{
	struct wire_batch *batch = NULL;
	char detail[160];
	enum wire_problem problem =
		wire_batch_decode(NULL, data, size, header, &batch, detail, sizeof(detail));

	if (problem == WIRE_OK)
		for (size_t i = 0; i < wire_batch_count(batch); i++)
			check_record(wire_batch_at(batch, i));
	wire_batch_free(batch);
	return problem;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_header header;
	const uint8_t *body;
	struct buf mended;

	if (check_batch(data, size, &header) != WIRE_BAD_DIGEST)
		return 0;
	/* No fuzzer finds a SHA-256: give the body the digest that it has. */
	body = (const uint8_t *)memchr(data, '\n', size) + 1;
	size -= (size_t)(body - data);
	buf_init(&mended, 4 << 20);
	wire_digest(body, size, header.digest);
	if (wire_batch_encode(&header, body, size, &mended) == 0)
		(void)check_batch(mended.data, mended.len, &header);
	buf_free(&mended);
	return 0;
}
