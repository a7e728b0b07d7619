/* Commit acknowledgements on their way out, gathered so that a gateway that sends fast is not answered
 * message by message: at most one message a gateway every ACKS_INTERVAL_US, or as soon as ACKS_BATCHES
 * batches wait in one. The first answer to a gateway that was quiet goes at once.
 *
 * An ack speaks of one session and epoch. What belongs to several is sent in turn, the longest waiting
 * first. One thread owns it; it reads no clock. Nothing in here needs to last: an acknowledgement that
 * is lost is made again when its batch comes again. */
#ifndef CLOUD_INGEST_ACKS_H
#define CLOUD_INGEST_ACKS_H

#include "model/wire/control.h"

#define ACKS_INTERVAL_US INT64_C(50000)
#define ACKS_BATCHES 64

struct acks;

int acks_create(struct acks **ret_acks); /* 0 or -ENOMEM */
void acks_destroy(struct acks *acks);    /* NULL is accepted */

/* Takes what a commit answers; `ack` stays the caller's. 0, or -ENOMEM and nothing of it is sent. */
int acks_add(struct acks *acks, const char *workspace, const char *gateway,
	     const struct wire_ack *ack);

/* Hands everything that is due at `now_us` (monotonic) to `fn`, which sets `at_ms`. */
typedef void acks_send_fn(void *arg, const char *workspace, const char *gateway,
			  struct wire_ack *ack);
void acks_send(struct acks *acks, int64_t now_us, acks_send_fn *fn, void *arg);

/* When the next is due; INT64_MAX where nothing waits. */
int64_t acks_due_us(const struct acks *acks);

/* Nobody is there to be answered: forgets what waits. Returns how many messages that were. */
size_t acks_forget(struct acks *acks);

#endif
