#include "cloud/ingest/messages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Some room above the policy's limit, for notices that must not wait (connected, published). */
#define NOTICE_ROOM 64

int ingest_queues_create(struct ingest_queues *queues)
{
	int r;

	memset(queues, 0, sizeof(*queues));
	queues->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queues->room_fd < 0)
		return -errno;
	r = queue_create(INGEST_MESSAGES_MAX + NOTICE_ROOM, &queues->in);
	if (!r)
		r = queue_create(INGEST_MESSAGES_MAX, &queues->out);
	if (r)
		ingest_queues_destroy(queues);
	return r;
}

void ingest_queues_destroy(struct ingest_queues *queues)
{
	queue_destroy(queues->in, free);
	queue_destroy(queues->out, free);
	queues->in = NULL;
	queues->out = NULL;
	if (queues->room_fd >= 0)
		(void)close(queues->room_fd);
	queues->room_fd = -1;
}

bool ingest_has_room(struct ingest_queues *queues)
{
	return queue_count(queues->in) < INGEST_MESSAGES_MAX &&
	       atomic_load(&queues->in_bytes) < INGEST_BYTES_MAX;
}

struct inbound *ingest_take(struct ingest_queues *queues, int timeout_ms)
{
	struct inbound *message;
	bool was_full = !ingest_has_room(queues);
	const uint64_t one = 1;

	message = timeout_ms ? queue_pop_wait(queues->in, timeout_ms) : queue_pop(queues->in);
	if (!message)
		return NULL;
	(void)atomic_fetch_sub(&queues->in_bytes, (long)message->len);
	/* A full counter means that the other end is awake already. */
	if (was_full && write(queues->room_fd, &one, sizeof(one)) < 0)
		return message;
	return message;
}

int ingest_give(struct ingest_queues *queues, struct inbound *message)
{
	int r;

	(void)atomic_fetch_add(&queues->in_bytes, (long)message->len);
	r = queue_push(queues->in, message);
	if (r) {
		(void)atomic_fetch_sub(&queues->in_bytes, (long)message->len);
		free(message);
	}
	return r;
}

int ingest_send(struct ingest_queues *queues, const char *topic, int qos, int64_t seq,
		const char *data, size_t len)
{
	struct outbound *message = calloc(1, sizeof(*message) + len);
	int r;

	if (!message)
		return -ENOMEM;
	(void)snprintf(message->topic, sizeof(message->topic), "%s", topic);
	message->qos = qos;
	message->seq = seq;
	message->len = len;
	memcpy(message->payload, data, len);
	r = queue_push(queues->out, message);
	if (r)
		free(message);
	return r;
}
