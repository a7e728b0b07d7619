/* The small payloads beside the batches: ack and link.
 *
 * Each encoder appends one object and returns through the buffer's sticky error. Each decoder
 * returns 0; -EINVAL where the payload is malformed or of another version, -EMSGSIZE where it passes
 * a limit of this header (`problem`, at least 160 bytes, says what and where), or -ENOMEM; on failure
 * what it should have filled is untouched. Members that this version does not know are ignored. */
#ifndef MODEL_WIRE_CONTROL_H
#define MODEL_WIRE_CONTROL_H

#include "base/clock.h"
#include "model/wire/batch.h"

/* The commit acknowledgement of one session's batches of one epoch. */
#define WIRE_DEFERRED_MAX 64
#define WIRE_ASK_MAX 8
struct wire_deferred {
	int64_t batch;
	char reason[32];
	int64_t retry_after_s;
};

struct wire_ack {
	int64_t at_ms;                 /* the core's time */
	char session[IDS_RANDOM_SIZE]; /* of the sends that are answered; "" without */
	char epoch[IDS_RANDOM_SIZE];
	struct wire_range committed[WIRE_RANGES_MAX];
	size_t committed_count;
	struct wire_deferred deferred[WIRE_DEFERRED_MAX];
	size_t deferred_count;
	/* Epochs of the gateway whose account is open and silent: it states what it still holds. */
	char ask[WIRE_ASK_MAX][IDS_RANDOM_SIZE];
	size_t ask_count;
};

void wire_ack_encode(struct jw *w, const struct wire_ack *ack);
int wire_ack_decode(const void *payload, size_t len, struct wire_ack *ret_ack, char *problem,
		    size_t problem_size);

/* The retained link state; the will carries the same session as "offline". */
struct wire_link {
	char session[IDS_RANDOM_SIZE];
	bool online;
};

void wire_link_encode(struct jw *w, const struct wire_link *link);
int wire_link_decode(const void *payload, size_t len, struct wire_link *ret_link, char *problem,
		     size_t problem_size);

#endif
