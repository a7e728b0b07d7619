/* What passes between the thread at the broker and the writer. */
#ifndef CLOUD_INGEST_MESSAGES_H
#define CLOUD_INGEST_MESSAGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/ids.h"
#include "base/queue.h"

enum inbound_kind {
	INBOUND_DATA,
	INBOUND_LINK,
	INBOUND_STATUS,
	INBOUND_FOREIGN,      /* on a topic that is no business of ours */
	INBOUND_CONNECTED,    /* the core hears its gateways from now on */
	INBOUND_DISCONNECTED, /* and from now on no more */
	INBOUND_PUBLISHED,    /* the broker has the outbox message `seq` */
};

struct inbound {
	enum inbound_kind kind;
	char workspace[IDS_SIZE];
	char gateway[IDS_SIZE];
	char topic[200]; /* of FOREIGN, cut */
	bool retained;
	int64_t received_ms;
	int64_t seq;
	size_t len;
	char payload[];
};

struct outbound {
	char topic[200];
	int qos;
	int64_t seq; /* of an outbox message; 0: an acknowledgement */
	size_t len;
	char payload[];
};

/* Both queues, made before the threads. `in` holds at most as many messages as its capacity and
 * INGEST_BYTES_MAX bytes: when it is full the socket is not read (the broker then queues, and what it
 * drops is sent again). `out` full: acknowledgements are dropped and counted (the batch comes again
 * and is acknowledged again). */
#define INGEST_MESSAGES_MAX 1024
#define INGEST_BYTES_MAX (32L * 1024 * 1024)

struct ingest_queues {
	struct queue *in;  /* of struct inbound, to the writer */
	struct queue *out; /* of struct outbound, to the broker */
	atomic_long in_bytes;
	atomic_ullong dropped_acks;
	int room_fd; /* eventfd: the writer has made room in `in` */
};

int ingest_queues_create(struct ingest_queues *queues); /* 0 or -errno */
void ingest_queues_destroy(struct ingest_queues *queues);

/* The writer's end: the next message, or NULL after `timeout_ms`. free() it. */
struct inbound *ingest_take(struct ingest_queues *queues, int timeout_ms);
/* True while the broker's thread may read on. */
bool ingest_has_room(struct ingest_queues *queues);
/* Hands over a message; where it cannot be taken it is freed and -ENOSPC told. */
int ingest_give(struct ingest_queues *queues, struct inbound *message);

/* The writer's end: hands a message to the broker's thread; `seq` of an outbox message, 0 without. 0,
 * -ENOMEM, or -ENOSPC where the queue is full. */
int ingest_send(struct ingest_queues *queues, const char *topic, int qos, int64_t seq,
		const char *data, size_t len);

#endif
