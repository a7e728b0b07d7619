/* freshet-agent spool: what a gateway holds for the core, listed, checked and written out. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/daemon.h"
#include "agent/daemon_priv.h"
#include "agent/main_priv.h"

#define LIST_MAX 1000 /* batches that are listed */
#define STEP 100      /* batches that are read in one go */

static int open_files(const struct agent_config *config, struct clock_system *clock,
		      struct spool **ret_spool)
{
	struct daemon_spool_paths *paths = malloc(sizeof(*paths));
	char error[256] = "";
	char *notice = NULL;
	struct spool_config spool;
	int r = -ENOMEM;

	if (paths)
		r = daemon_spool_config(config, &clock->clock, paths, &spool);
	if (!r && access(paths->disk, R_OK))
		r = -errno;
	if (!r)
		r = clock_system_init(clock, config->trust);
	if (!r)
		r = spool_open(&spool, ret_spool, &notice, error, sizeof(error));
	if (notice)
		(void)fprintf(stderr, "freshet-agent: %s\n", notice);
	if (r && error[0])
		(void)fprintf(stderr, "freshet-agent: %s\n", error);
	free(notice);
	free(paths);
	return r;
}

/* Both folders: an agent may share one of them by mistake. */
static int take_locks(const struct agent_config *config, struct main_spool *spool)
{
	spool->lock = daemon_lock(config);
	if (spool->lock < 0)
		return spool->lock;
	spool->run_lock = daemon_lock_run(config);
	if (spool->run_lock >= 0)
		return 0;
	close(spool->lock);
	return spool->run_lock;
}

static void drop_locks(struct main_spool *spool)
{
	close(spool->run_lock);
	close(spool->lock);
}

int main_spool_open(const struct agent_config *config, struct main_spool *spool)
{
	int r = take_locks(config, spool);

	if (r)
		return r;
	r = open_files(config, &spool->clock, &spool->spool);
	if (r)
		drop_locks(spool);
	return r;
}

void main_spool_close(struct main_spool *spool)
{
	spool_close(spool->spool);
	drop_locks(spool);
}

/* ---- ls ---- */

static int print_batches(const char *json, size_t len, bool as_json)
{
	const struct jr_value *items;
	struct jr_error error;
	struct jr_doc *doc;
	int r;

	if (as_json) {
		(void)printf("%.*s\n", (int)len, json);
		return 0;
	}
	r = jr_parse(json, len, &doc, &error);
	if (r)
		return r;
	items = jr_get(jr_root(doc), "items");
	(void)printf("%10s  %-32s %10s %-7s %7s %9s\n", "ID", "EPOCH", "BATCH", "CLASS", "RECORDS",
		     "BYTES");
	for (size_t i = 0; i < jr_count(items); i++) {
		const struct jr_value *item = jr_at(items, i);

		(void)printf("%10" PRId64 "  %-32s %10" PRId64 " %-7s %7" PRId64 " %9" PRId64 "\n",
			     main_int_of(item, "id"), main_text_of(item, "epoch"),
			     main_int_of(item, "batch"), main_text_of(item, "class"),
			     main_int_of(item, "records"), main_int_of(item, "bytes"));
	}
	(void)printf("%" PRId64 " batches, %" PRId64 " bytes; the oldest %zu are shown\n",
		     main_int_of(jr_root(doc), "batches"), main_int_of(jr_root(doc), "bytes"),
		     jr_count(items));
	jr_free(doc);
	return 0;
}

/* The same document as the daemon's, from the file. */
static int list_stopped(const struct agent_config *config, struct buf *out)
{
	struct main_spool spool;
	struct spool_stats stats;
	struct jw w;
	int r;

	r = main_spool_open(config, &spool);
	if (r)
		return r;
	spool_stats(spool.spool, &stats);
	jw_init(&w, out);
	jw_open_object(&w);
	jw_int(&w, "batches", stats.batches);
	jw_int(&w, "bytes", stats.bytes);
	jw_key(&w, "items");
	r = daemon_encode_batches(&w, spool.spool, 0, LIST_MAX);
	jw_close_object(&w);
	main_spool_close(&spool);
	return r < 0 ? r : out->error;
}

static int list(const struct agent_config *config, const struct options *options)
{
	struct buf out;
	int r = main_ask(config, "spool ls 0", &out);

	if (r == -ENOENT || r == -ECONNREFUSED) {
		buf_reset(&out);
		r = list_stopped(config, &out);
	}
	if (!r)
		r = print_batches(out.data, out.len, options->json);
	buf_free(&out);
	return r ? main_fail("spool ls", r) : EXIT_DONE;
}

/* ---- walking over a stopped agent's spool ---- */

struct walk {
	struct main_spool open;
	int64_t total; /* batches at the beginning */
	int64_t dropped_before;
	int64_t batches, bytes, wrong, last;
	int error; /* what a visitor could not do */
};

static int walk_begin(struct walk *walk, const struct agent_config *config)
{
	struct spool_stats stats;
	int r;

	*walk = (struct walk){.total = 0};
	r = main_spool_open(config, &walk->open);
	if (r)
		return r;
	spool_stats(walk->open.spool, &stats);
	walk->total = stats.batches;
	walk->dropped_before = stats.dropped_total;
	return 0;
}

/* Returns how many records could not be read: the spool gives such a batch up and counts them. */
static int64_t walk_end(struct walk *walk)
{
	struct spool_stats stats;

	spool_stats(walk->open.spool, &stats);
	main_spool_close(&walk->open);
	return stats.dropped_total - walk->dropped_before;
}

static void show_progress(const struct walk *walk, bool end)
{
	if (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
		(void)fprintf(stderr, "\r%" PRId64 " of %" PRId64 " batches%s", walk->batches,
			      walk->total, end ? "\n" : "");
}

/* Shows every batch to `visit`, oldest first, until it returns non-zero; also those that the spool
 * adds meanwhile, to state what it gives up. Returns 0 or -errno. */
static int walk_all(struct walk *walk, int (*visit)(void *arg, const struct spool_batch *batch))
{
	int r;

	do {
		r = spool_peek(walk->open.spool, SPOOL_OLDEST_FIRST, walk->last, STEP, visit, walk);
		show_progress(walk, r <= 0);
	} while (r > 0 && !walk->error);
	return r < 0 ? r : walk->error;
}

static int begin_failed(const char *what, int error)
{
	return error == -EWOULDBLOCK ? main_usage_error("stop the agent first", NULL)
				     : main_fail(what, error);
}

/* ---- verify ---- */

static int verify_one(void *arg, const struct spool_batch *batch)
{
	struct walk *walk = arg;
	char digest[WIRE_DIGEST_SIZE];

	wire_digest(batch->data, batch->len, digest);
	walk->wrong += strcmp(digest, batch->digest) != 0;
	walk->batches++;
	walk->bytes += (int64_t)batch->len;
	walk->last = batch->id;
	return 0;
}

static int verify(const struct agent_config *config, const struct options *options)
{
	struct walk walk;
	int64_t unreadable;
	int r = walk_begin(&walk, config);

	if (r)
		return begin_failed("spool verify", r);
	r = walk_all(&walk, verify_one);
	unreadable = walk_end(&walk);
	if (r)
		return main_fail("spool verify", r);
	(void)printf(options->json ? "{\"batches\":%" PRId64 ",\"bytes\":%" PRId64
				     ",\"wrong\":%" PRId64 ",\"unreadable_records\":%" PRId64 "}\n"
				   : "%" PRId64 " batches, %" PRId64 " bytes, %" PRId64
				     " with a wrong digest, %" PRId64 " unreadable records\n",
		     walk.batches, walk.bytes, walk.wrong, unreadable);
	return walk.wrong || unreadable ? EXIT_FAILED : EXIT_DONE;
}

/* ---- export ---- */

static void fill_header(const struct spool_batch *batch, struct wire_header *header)
{
	*header = (struct wire_header){
		.batch = batch->number,
		.floor = batch->number,
		.count = batch->count,
		.class = batch->class,
		.body = batch->body,
		.boot = batch->boot,
	};
	memcpy(header->epoch, batch->epoch, sizeof(header->epoch));
	memcpy(header->prev, batch->prev, sizeof(header->prev));
	memcpy(header->session, batch->epoch, sizeof(header->session)); /* no session sends it */
	memcpy(header->digest, batch->digest, sizeof(header->digest));
	header->boot.sent_mono_us = MODEL_NO_TIME;
}

/* Takes the batch apart as the core will: what is exported is what it would accept. */
static int unpack(const struct spool_batch *batch, struct wire_batch **ret_records)
{
	struct wire_header header;
	char detail[160];
	struct buf payload;
	int r;

	buf_init(&payload, WIRE_BATCH_BYTES_MAX);
	fill_header(batch, &header);
	r = wire_batch_encode(&header, batch->data, batch->len, &payload);
	if (!r && wire_batch_decode(NULL, payload.data, payload.len, &header, ret_records, detail,
				    sizeof(detail)) != WIRE_OK) {
		(void)fprintf(stderr, "freshet-agent: batch %" PRId64 " of epoch %s: %s\n",
			      batch->number, batch->epoch, detail);
		r = -EBADMSG;
	}
	buf_free(&payload);
	return r;
}

static void encode_line(const struct spool_batch *batch, struct model_text records, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_open_object(&w);
	jw_text(&w, "epoch", batch->epoch);
	jw_int(&w, "batch", batch->number);
	jw_text(&w, "class", wire_class_name(batch->class));
	jw_text(&w, "digest", batch->digest);
	jw_key(&w, "boot");
	jw_open_object(&w);
	jw_text(&w, "id", batch->boot.id);
	jw_text(&w, "quality", clock_quality_name(batch->boot.quality));
	if (batch->boot.anchor_at_ms != MODEL_NO_TIME) {
		jw_int(&w, "anchor_mono_us", batch->boot.anchor_mono_us);
		jw_time(&w, "anchor_at", batch->boot.anchor_at_ms);
	}
	jw_close_object(&w);
	jw_int(&w, "count", batch->count);
	jw_key(&w, "records");
	jw_put_raw(&w, records.data, records.len);
	jw_close_object(&w);
	buf_putc(out, '\n');
}

static int export_one(void *arg, const struct spool_batch *batch)
{
	struct walk *walk = arg;
	struct wire_batch *records;
	struct buf line;
	int r = unpack(batch, &records);

	walk->batches++;
	walk->last = batch->id;
	if (r == -EBADMSG) {
		walk->wrong++; /* its neighbours are whole */
		return 0;
	}
	if (!r) {
		buf_init(&line, WIRE_UNPACKED_BYTES_MAX + WIRE_HEADER_BYTES_MAX);
		encode_line(batch, wire_batch_text(records), &line);
		r = line.error;
		if (!r && fwrite(line.data, 1, line.len, stdout) != line.len)
			r = errno ? -errno : -EIO;
		buf_free(&line);
		wire_batch_free(records);
	}
	walk->error = r;
	return r != 0;
}

static int export(const struct agent_config *config, const struct options *options)
{
	struct walk walk;
	int64_t unreadable;
	int r = walk_begin(&walk, config);

	(void)options; /* it is JSON anyway */
	if (r)
		return begin_failed("spool export", r);
	r = walk_all(&walk, export_one);
	if (!r && fflush(stdout))
		r = -errno;
	unreadable = walk_end(&walk);
	if (r)
		return main_fail("spool export", r);
	if (walk.wrong || unreadable)
		(void)fprintf(stderr,
			      "freshet-agent: %" PRId64 " batches and %" PRId64
			      " records could not be read\n",
			      walk.wrong, unreadable);
	return walk.wrong || unreadable ? EXIT_FAILED : EXIT_DONE;
}

int main_spool(const struct agent_config *config, const struct options *options)
{
	const char *what = options->word_count ? options->words[0] : "";

	if (strcmp(what, "ls") == 0)
		return list(config, options);
	if (strcmp(what, "export") == 0)
		return export(config, options);
	if (strcmp(what, "verify") == 0)
		return verify(config, options);
	if (strcmp(what, "drop") == 0)
		return main_spool_drop(config, options);
	return main_usage_error("spool ls, verify, export or drop is expected", what);
}
