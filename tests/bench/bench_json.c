/* Our JSON reader beside jansson on what the core reads, and where the time of a batch goes.
 *
 * bench_json [--json]: CPU time of one thread, the best of ROUNDS. A batch is 100 records of about
 * 300 B as agents send them; the document of 7 KB is a list of full updates.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/buf.h"
#include "model/wire/batch.h"

#define RECORDS 100
#define DEVICES 20
#define DOCUMENT_BYTES 7000
#define ROUNDS 7
#define ROUND_US 60000
/* A fifth of the 3 us of CPU that the core takes a record (./dev bench ingest). */
#define TARGET_US_A_RECORD 0.6

static bool as_json;

/* Large, and one thread runs here. */
static struct wire_record record;
static struct model_update_room room;

struct input {
	struct buf text;    /* of a JSON document */
	struct buf payload; /* of a batch */
	struct buf packed;
	enum wire_body body;
	struct wire_batch *batch;
	struct wire_unpacker *unpacker;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "bench_json: %s\n", what);
	exit(1);
}

static double cpu_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
		die(strerror(errno));
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- what is read ---- */

static void put_record(struct buf *out, unsigned n)
{
	struct jw w;
	struct model_update *update = &record.update;
	int r;

	model_update_init(update, &room);
	(void)snprintf(update->device_id, sizeof(update->device_id), "bus-%02u", n % DEVICES);
	(void)snprintf(update->provider, sizeof(update->provider), "obd");
	(void)snprintf(update->source, sizeof(update->source), "obd%u", n % DEVICES);
	update->mono_us = INT64_C(911345678) + (int64_t)n * 1000123;
	r = model_update_set_number(update, MODEL_FIELD_SPEED_KMH, n % 90);
	r |= model_update_set_number(update, MODEL_FIELD_ODOMETER_KM, (1200347 + n) / 10.0);
	r |= model_update_set_number(update, MODEL_FIELD_ENGINE_RPM, 800 + n * 7.25);
	r |= model_update_set_number(update, MODEL_FIELD_ENGINE_COOLANT_TEMP_C, 88 + n % 5);
	r |= model_update_set_number(update, MODEL_FIELD_FUEL_LEVEL_PCT, 61.5 - n % 40 / 8.0);
	r |= model_update_set_number(update, MODEL_FIELD_LATITUDE, (48137154 + n * 10) / 1e6);
	r |= model_update_set_number(update, MODEL_FIELD_LONGITUDE, (11576124 + n * 10) / 1e6);
	if (r)
		die("an update cannot hold these fields");
	jw_init(&w, out);
	wire_update_encode(&w, update);
}

static void make_list(struct buf *out, size_t records, size_t bytes)
{
	buf_init(out, WIRE_UNPACKED_BYTES_MAX);
	buf_putc(out, '[');
	for (unsigned n = 0; n < records || out->len < bytes; n++) {
		if (n > 0)
			buf_putc(out, ',');
		put_record(out, n);
	}
	buf_putc(out, ']');
	if (out->error)
		die("no memory");
}

static void make_batch(struct input *in)
{
	struct wire_header header = {.batch = 1, .floor = 1, .count = RECORDS};

	in->unpacker = wire_unpacker_create();
	if (!in->unpacker)
		die("no memory");
	make_list(&in->text, RECORDS, 0);
	buf_init(&in->packed, WIRE_BATCH_BYTES_MAX);
	buf_init(&in->payload, WIRE_BATCH_BYTES_MAX);
	if (wire_body_pack(in->text.data, in->text.len, &in->packed, &in->body))
		die("the body cannot be packed");
	(void)snprintf(header.session, sizeof(header.session), "s1");
	(void)snprintf(header.epoch, sizeof(header.epoch), "e1");
	(void)snprintf(header.boot.id, sizeof(header.boot.id), "b1");
	header.boot.sent_mono_us = 1;
	header.boot.anchor_at_ms = MODEL_NO_TIME;
	header.body = in->body;
	wire_digest(in->packed.data, in->packed.len, header.digest);
	if (wire_batch_encode(&header, in->packed.data, in->packed.len, &in->payload))
		die("the batch cannot be encoded");
}

static struct wire_batch *decode_batch(struct input *in)
{
	struct wire_batch *batch = NULL;
	struct wire_header header;
	char detail[160];

	if (wire_batch_decode(in->unpacker, in->payload.data, in->payload.len, &header, &batch,
			      detail, sizeof(detail)) != WIRE_OK)
		die(detail);
	return batch;
}

/* ---- what is measured ---- */

static void read_ours(struct input *in)
{
	struct jr_error error;
	struct jr_doc *doc;

	if (jr_parse(in->text.data, in->text.len, &doc, &error))
		die(error.message);
	jr_free(doc);
}

static void read_jansson(struct input *in)
{
	json_t *root = json_loadb(in->text.data, in->text.len,
				  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (!root)
		die("jansson refuses it");
	json_decref(root);
}

static void do_digest(struct input *in)
{
	char digest[WIRE_DIGEST_SIZE];

	wire_digest(in->packed.data, in->packed.len, digest);
}

static void do_decode(struct input *in)
{
	wire_batch_free(decode_batch(in));
}

static void do_records(struct input *in)
{
	char problem[160];

	for (size_t i = 0; i < wire_batch_count(in->batch); i++) {
		model_update_init(&record.update, &room);
		if (wire_record_decode(wire_batch_at(in->batch, i), &record, problem,
				       sizeof(problem)))
			die(problem);
	}
}

static void do_pack(struct input *in)
{
	struct buf out;
	enum wire_body body;

	buf_init(&out, WIRE_BATCH_BYTES_MAX);
	if (wire_body_pack(in->text.data, in->text.len, &out, &body))
		die("the body cannot be packed");
	buf_free(&out);
}

/* Microseconds a call, and how many calls they come from. */
static double measure(void (*fn)(struct input *), struct input *in, unsigned *ret_n)
{
	double best = 0;

	*ret_n = 0;
	for (int round = 0; round < ROUNDS; round++) {
		double start = cpu_us(), us = 0;
		unsigned n = 0;

		for (; us < ROUND_US; n++) {
			fn(in);
			us = cpu_us() - start;
		}
		if (round == 0 || us / n < best)
			best = us / n;
		*ret_n += n;
	}
	return best;
}

/* ---- what is printed ---- */

static void print_target(double value, double target)
{
	if (target > 0)
		(void)printf("\"target\":%.2f,\"met\":%s}\n", target,
			     value <= target ? "true" : "false");
	else
		(void)printf("\"target\":null,\"met\":null}\n");
}

static void print_peer(const char *name, size_t bytes, double ours, double theirs, double target,
		       unsigned n)
{
	if (!as_json) {
		(void)printf("%-28s %7zu B %10.2f us, jansson %10.2f us, %5.1f times\n", name,
			     bytes, ours, theirs, theirs / ours);
		return;
	}
	(void)printf("{\"name\":\"json.%s\",\"peer\":\"jansson\",\"value\":%.2f,"
		     "\"peer_value\":%.2f,\"unit\":\"us/document\",\"n\":%u,",
		     name, ours, theirs, n);
	print_target(ours, target);
}

static void print_stage(const char *name, double us_a_record, unsigned n)
{
	if (!as_json) {
		(void)printf("%-28s %21.3f us a record\n", name, us_a_record);
		return;
	}
	(void)printf("{\"name\":\"json.%s\",\"peer\":null,\"value\":%.3f,\"unit\":\"us/record\","
		     "\"n\":%u,",
		     name, us_a_record, n);
	print_target(us_a_record, 0);
}

static void compare(const char *name, struct input *in, double target)
{
	unsigned n, unused;
	double ours = measure(read_ours, in, &n);
	double theirs = measure(read_jansson, in, &unused);

	print_peer(name, in->text.len, ours, theirs, target, n);
}

static void stages(struct input *in)
{
	static const struct {
		const char *name;
		void (*fn)(struct input *);
	} list[] = {{"digest", do_digest},
		    {"batch_decode", do_decode},
		    {"record_decode", do_records},
		    {"body_pack", do_pack}};
	double total = 0;
	unsigned n;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		double us = measure(list[i].fn, in, &n) / RECORDS;

		print_stage(list[i].name, us, n);
		if (list[i].fn == do_decode || list[i].fn == do_records)
			total += us;
	}
	print_stage("decode_in_all", total, n);
}

int main(int argc, char **argv)
{
	struct input document = {.batch = NULL}, batch = {.batch = NULL};

	as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
	make_list(&document.text, 0, DOCUMENT_BYTES);
	make_batch(&batch);
	batch.batch = decode_batch(&batch);
	compare("batch_100_records", &batch, TARGET_US_A_RECORD * RECORDS);
	compare("document_7_kb", &document, 0);
	stages(&batch);
	wire_batch_free(batch.batch);
	wire_unpacker_free(batch.unpacker);
	buf_free(&batch.packed);
	buf_free(&batch.payload);
	buf_free(&batch.text);
	buf_free(&document.text);
	return 0;
}
