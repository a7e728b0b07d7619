#include "cloud/ingest/writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cloud/accept/accept.h"
#include "cloud/ingest/acks.h"
#include "cloud/relay/outbox.h"

#define GROUP_MESSAGES 16
#define GROUP_BYTES (4L * 1024 * 1024)
#define SWEEP_MS INT64_C(60000)
/* Workspaces whose thresholds are short are looked at so often (and never for more than a tenth of
 * the writer's time). */
#define SHORT_SWEEP_MS INT64_C(1000)
#define IDLE_MS 1000
#define RETRY_MS 500
#define LEASE_MS INT64_C(180000)
#define ACK_BYTES_MAX ((size_t)64 * 1024)
#define OUTBOX_BYTES_MAX ((size_t)1024 * 1024)

struct writer {
	struct writer_config config;
	pthread_t thread;
	struct coredb *db;
	struct accept *accept;
	struct acks *acks;
	struct inbound *group[GROUP_MESSAGES];
	size_t group_count;
	int64_t next_sweep_us, next_short_us;
	bool failing; /* the last try met a fault of the place */
	bool connected;
	int64_t published, publishing; /* the outbox's cursor; the message in flight, 0: none */
	bool events_wait;              /* there may be events behind the cursor */
	struct buf text;
};

static int64_t now_us(const struct writer *writer)
{
	return clock_mono_us(writer->config.clock);
}

static int set_listening(struct writer *writer, int64_t since_ms)
{
	int r = accept_begin(writer->accept);

	return r ? r : coredb_set_listening(writer->db, since_ms);
}

static int note_published(struct writer *writer, int64_t seq)
{
	int r = accept_begin(writer->accept);

	writer->publishing = 0;
	if (!r)
		r = coredb_set_published(writer->db, seq);
	if (!r)
		writer->published = seq;
	return r;
}

static void drop_acks(struct writer *writer, size_t count)
{
	(void)atomic_fetch_add(&writer->config.queues->dropped_acks, count);
}

static int take(struct writer *writer, const struct inbound *in)
{
	struct accept *accept = writer->accept;
	struct accept_batch_result result;

	switch (in->kind) {
	case INBOUND_DATA:
		if (in->retained)
			return accept_retained(accept, in->workspace, in->gateway, in->payload,
					       in->len, in->received_ms);
		return accept_batch(accept, in->workspace, in->gateway, in->payload, in->len,
				    in->received_ms, &result);
	case INBOUND_LINK:
		return accept_link(accept, in->workspace, in->gateway, in->payload, in->len,
				   in->retained, in->received_ms);
	case INBOUND_STATUS:
		return accept_status(accept, in->workspace, in->gateway, in->payload, in->len,
				     in->retained, in->received_ms);
	case INBOUND_FOREIGN:
		return accept_foreign(accept, in->topic, "foreign_topic",
				      "no gateway's topic, or a name that is no id", in->payload,
				      in->len, in->received_ms);
	case INBOUND_CONNECTED:
		writer->connected = true;
		return set_listening(writer, in->received_ms);
	case INBOUND_DISCONNECTED:
		writer->connected = false;
		writer->publishing = 0;
		drop_acks(writer, acks_forget(writer->acks));
		return set_listening(writer, MODEL_NO_TIME);
	case INBOUND_PUBLISHED:
		return note_published(writer, in->seq);
	}
	return -EINVAL;
}

static void keep_ack(void *arg, const char *workspace, const char *gateway,
		     const struct wire_ack *ack)
{
	struct writer *writer = arg;

	if (!writer->connected || acks_add(writer->acks, workspace, gateway, ack))
		drop_acks(writer, 1);
}

static void send_ack(void *arg, const char *workspace, const char *gateway, struct wire_ack *ack)
{
	struct writer *writer = arg;
	char topic[200];
	struct jw w;

	/* From an ack a gateway without a clock learns the time: that at which it leaves. */
	ack->at_ms = clock_wall_ms(writer->config.clock);
	(void)snprintf(topic, sizeof(topic), "freshet/v1/%s/%s/ack", workspace, gateway);
	buf_reset(&writer->text);
	jw_init(&w, &writer->text);
	wire_ack_encode(&w, ack);
	if (writer->text.error ||
	    ingest_send(writer->config.queues, topic, 0, 0, writer->text.data, writer->text.len))
		drop_acks(writer, 1);
	else
		(void)atomic_fetch_add(writer->config.acks, 1);
}

static void send_acks(struct writer *writer)
{
	acks_send(writer->acks, now_us(writer), send_ack, writer);
}

/* No acknowledgement waits longer than it must. */
static int wait_ms(const struct writer *writer)
{
	int64_t due_us = acks_due_us(writer->acks);
	int64_t left_us = due_us == INT64_MAX ? INT64_MAX : due_us - now_us(writer);

	if (left_us >= IDLE_MS * INT64_C(1000))
		return IDLE_MS;
	return left_us <= 0 ? 0 : (int)(left_us / 1000) + 1;
}

static void tell_live(void *arg, int64_t workspace, int64_t device)
{
	struct writer *writer = arg;

	live_changed(writer->config.live, workspace, device);
}

static void tell_counts(struct writer *writer)
{
	struct accept_totals totals;
	unsigned long long records = 0;
	unsigned long long batches = 0;

	accept_totals(writer->accept, &totals);
	for (int i = 0; i < ACCEPT_OUTCOME_COUNT; i++)
		records += totals.records[i];
	for (int i = 0; i <= ACCEPT_REFUSED; i++)
		batches += totals.batches[i];
	atomic_store(writer->config.records, records);
	atomic_store(writer->config.batches, batches);
	atomic_store(writer->config.rejected, totals.records[ACCEPT_REJECTED]);
	atomic_store(writer->config.commits, totals.commits);
	atomic_store(writer->config.commit_failures, totals.failures);
	atomic_store(writer->config.deferred, totals.batches[ACCEPT_DEFERRED]);
}

static int commit(struct writer *writer)
{
	int r = accept_commit(writer->accept);

	if (!r) {
		accept_acks(writer->accept, keep_ack, writer);
		send_acks(writer);
		accept_changed(writer->accept, tell_live, writer);
		writer->events_wait = true;
	}
	tell_counts(writer);
	return r;
}

/* A fault of the place, which the next message would meet too, or one of the message? */
static bool is_systemic(int error)
{
	return error == -ENOSPC || error == -EIO || error == -EROFS || error == -EACCES ||
	       error == -EBUSY || error == -ESTALE || error == -ENOMEM;
}

static int take_and_commit(struct writer *writer, struct inbound *const *messages, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && !r; i++)
		r = take(writer, messages[i]);
	if (!r)
		r = commit(writer);
	if (r) {
		if (!is_systemic(r))
			log_error("a transaction failed messages=%zu error=\"%s\" detail=\"%s\"",
				  count, strerror(-r), accept_error(writer->accept));
		accept_rollback(writer->accept);
	}
	return r;
}

static void drop_group(struct writer *writer)
{
	for (size_t i = 0; i < writer->group_count; i++)
		free(writer->group[i]);
	writer->group_count = 0;
}

/* Says at each change whether the database takes what it is given. */
static void tell_database(struct writer *writer, int error)
{
	bool failing = is_systemic(error);

	atomic_store(writer->config.database_ok, !failing);
	if (failing && !writer->failing)
		log_error("the database takes nothing, so nothing is acknowledged; trying again "
			  "error=\"%s\" detail=\"%s\"",
			  strerror(-error), accept_error(writer->accept));
	if (!failing && writer->failing)
		log_notice("the database takes what it is given again");
	writer->failing = failing;
}

/* So that the neighbours of a message that fails get through. */
static int take_each(struct writer *writer)
{
	size_t done = 0;
	int r = 0;

	for (; done < writer->group_count; done++) {
		r = take_and_commit(writer, &writer->group[done], 1);
		if (is_systemic(r))
			break;
		free(writer->group[done]);
	}
	for (size_t i = done; i < writer->group_count; i++)
		writer->group[i - done] = writer->group[i];
	writer->group_count -= done;
	return is_systemic(r) ? r : 0;
}

/* A group that meets a fault of the place waits for its end: link, status and notices come only once.
 * A message that fails alone is given up; it was not acknowledged, so its gateway has it still. */
static int finish_group(struct writer *writer)
{
	int r = take_and_commit(writer, writer->group, writer->group_count);

	if (r && !is_systemic(r) && writer->group_count > 1)
		r = take_each(writer);
	if (!is_systemic(r))
		drop_group(writer);
	tell_database(writer, r);
	return is_systemic(r) ? r : 0;
}

/* No timer: what is there is taken, and while it is committed the next group gathers. */
static void gather(struct writer *writer, struct inbound *first)
{
	long bytes = 0;

	writer->group_count = 0;
	for (struct inbound *message = first; message;) {
		bytes += (long)message->len;
		writer->group[writer->group_count++] = message;
		if (writer->group_count == GROUP_MESSAGES || bytes > GROUP_BYTES)
			break;
		message = ingest_take(writer->config.queues, 0);
	}
}

/* Ends a sweep's transaction, where it has one. */
static int end_sweep(struct writer *writer, int r, unsigned changed)
{
	if (!r && accept_is_open(writer->accept))
		r = commit(writer);
	if (r) {
		if (!is_systemic(r))
			log_error("the sweep failed error=\"%s\" detail=\"%s\"", strerror(-r),
				  accept_error(writer->accept));
		accept_rollback(writer->accept);
	} else if (changed > 0) {
		log_info("devices changed their state count=%u", changed);
	}
	if (r)
		tell_database(writer, r);
	return r;
}

static int sweep(struct writer *writer)
{
	int64_t now_ms = clock_wall_ms(writer->config.clock);
	unsigned changed = 0;
	int r = accept_sweep(writer->accept, now_ms, &changed);

	if (!r)
		r = coredb_lease_renew(writer->db, now_ms + LEASE_MS);
	r = end_sweep(writer, r, changed);
	writer->next_sweep_us = now_us(writer) + SWEEP_MS * 1000;
	return r;
}

static int sweep_short(struct writer *writer)
{
	int64_t began_us = now_us(writer);
	int64_t took_us;
	unsigned changed = 0;
	int r = accept_sweep_short(writer->accept, clock_wall_ms(writer->config.clock), &changed);

	r = end_sweep(writer, r, changed);
	took_us = now_us(writer) - began_us;
	writer->next_short_us =
		now_us(writer) +
		(9 * took_us > SHORT_SWEEP_MS * 1000 ? 9 * took_us : SHORT_SWEEP_MS * 1000);
	return r;
}

static int sweep_when_due(struct writer *writer)
{
	int64_t at_us = now_us(writer);

	if (at_us >= writer->next_sweep_us)
		return sweep(writer);
	return at_us >= writer->next_short_us ? sweep_short(writer) : 0;
}

/* Hands the next events to the broker's thread; one message is in flight at a time. */
static int relay(struct writer *writer)
{
	char topic[OUTBOX_TOPIC_SIZE] = "";
	int64_t last = writer->published;
	struct buf payload;
	int r = 0;

	if (!writer->connected || writer->publishing || !writer->events_wait)
		return 0;
	buf_init(&payload, OUTBOX_BYTES_MAX);
	r = outbox_next(writer->db, writer->published, topic, &payload, &last);
	if (r)
		goto out;
	writer->events_wait = last != writer->published;
	if (payload.len > 0) {
		writer->publishing = last;
		r = ingest_send(writer->config.queues, topic, 1, last, payload.data, payload.len);
		if (r)
			writer->publishing = 0;
	} else if (last != writer->published) {
		r = note_published(writer, last);
		if (!r)
			r = commit(writer);
	}
out:
	if (r && r != -ENOSPC)
		log_error("events cannot be relayed error=\"%s\"", strerror(-r));
	buf_free(&payload);
	return 0;
}

/* The command line writes events too: they leave when nothing else makes the writer look. */
static void look_for_events(struct writer *writer)
{
	struct coredb_shard shard;

	if (coredb_shard(writer->db, &shard) == 0 && shard.next_event - 1 > writer->published)
		writer->events_wait = true;
}

/* -ECANCELED: told to stop and all is done, or what is left cannot be done. */
static int one_round(struct writer *writer)
{
	bool stopping = atomic_load(writer->config.stop);
	int r = 0;

	atomic_store(writer->config.seen_us, now_us(writer));
	if (writer->group_count == 0) {
		int wait = wait_ms(writer);
		struct inbound *first = ingest_take(writer->config.queues, wait);

		if (!first && stopping)
			return -ECANCELED;
		if (first)
			gather(writer, first);
		else if (wait == IDLE_MS)
			look_for_events(writer);
		send_acks(writer);
	}
	if (writer->group_count > 0)
		r = finish_group(writer);
	if (!r)
		r = sweep_when_due(writer);
	if (r == -ESTALE)
		return r;
	if (r && stopping)
		return -ECANCELED;
	if (r)
		(void)poll(NULL, 0, RETRY_MS);
	else
		(void)relay(writer);
	return 0;
}

static void *run(void *arg)
{
	struct writer *writer = arg;
	int r = set_listening(writer, MODEL_NO_TIME);

	if (!r)
		r = commit(writer);
	if (r)
		accept_rollback(writer->accept);
	tell_database(writer, r);
	if (r != -ESTALE)
		r = 0;
	while (!r)
		r = one_round(writer);
	drop_group(writer);
	if (r == -ESTALE) {
		log_error("another core has taken the database over");
		atomic_store(writer->config.lost, true);
	}
	return NULL;
}

static int open_all(struct writer *writer, char *error, size_t error_size)
{
	const struct writer_config *c = &writer->config;
	struct accept_config config = {.clock = c->clock, .cache_devices = c->cache_devices};
	int64_t now_ms = clock_wall_ms(c->clock);
	struct coredb_shard shard;
	int r;

	r = coredb_open(c->database_url, 0, &writer->db, error, error_size);
	if (r)
		return r;
	r = coredb_lease_take(writer->db, c->owner, now_ms, now_ms + LEASE_MS);
	if (!r)
		r = coredb_shard(writer->db, &shard);
	if (r) {
		(void)snprintf(error, error_size, "%s", coredb_error(writer->db));
		return r;
	}
	writer->published = shard.published;
	writer->events_wait = true;
	config.db = writer->db;
	return accept_create(&config, &writer->accept);
}

static void free_writer(struct writer *writer)
{
	accept_destroy(writer->accept);
	acks_destroy(writer->acks);
	coredb_close(writer->db);
	buf_free(&writer->text);
	free(writer);
}

int writer_start(const struct writer_config *config, struct writer **ret_writer, char *error,
		 size_t error_size)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	int r;

	if (!writer)
		return -ENOMEM;
	writer->config = *config;
	buf_init(&writer->text, ACK_BYTES_MAX);
	r = acks_create(&writer->acks);
	if (!r)
		r = open_all(writer, error, error_size);
	if (!r)
		r = -pthread_create(&writer->thread, NULL, run, writer);
	if (r) {
		free_writer(writer);
		return r;
	}
	(void)pthread_setname_np(writer->thread, "writer");
	*ret_writer = writer;
	return 0;
}

void writer_join(struct writer *writer)
{
	if (!writer)
		return;
	(void)pthread_join(writer->thread, NULL);
	free_writer(writer);
}
