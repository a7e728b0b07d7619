/* J1939 address claim (J1939-81): who wants to send needs an address of its own.
 *
 * It claims the preferred address; within 250 ms whoever has it too says so, and the lower NAME (which
 * weighs more) keeps it. Who loses takes another address of the range for everybody (128 to 247) that
 * was not heard, and when none is left says so once, with the null address, and is silent. What was
 * claimed is defended, and told to who asks.
 *
 * Portable: no I/O, no clock (time comes in), no allocation.
 */
#ifndef AGENT_PROTOCOL_J1939_CLAIM_H
#define AGENT_PROTOCOL_J1939_CLAIM_H

#include "agent/protocol/j1939.h"

#define J1939_SERVICE_TOOL 0xf9 /* the preferred address of a tool that is plugged in */

enum j1939_claim_state {
	J1939_CLAIM_NONE,     /* nothing was claimed: nothing may be sent */
	J1939_CLAIM_WAITING,  /* somebody may still object */
	J1939_CLAIM_DONE,     /* `address` is ours */
	J1939_CLAIM_HOPELESS, /* no address is left */
};

struct j1939_claim {
	uint64_t name;
	uint8_t preferred;
	uint8_t address; /* that is ours, or is being claimed; J1939_NULL: none */
	enum j1939_claim_state state;
	int64_t due_us; /* when j1939_claim_tick() has something to do; INT64_MAX: not at all */
	uint8_t heard[256 / 8]; /* addresses that others have */
	unsigned lost;          /* addresses that others kept or took */
};

/* What must be sent. */
struct j1939_claim_frame {
	struct j1939_id id;
	uint8_t data[8];
};

/* A NAME of somebody without functions of the standard's lists, who takes any address: `identity` (21
 * bits) tells it from others of its kind. */
uint64_t j1939_name(uint32_t identity);

void j1939_claim_init(struct j1939_claim *claim, uint64_t name, uint8_t preferred);

/* Begins to claim. True where *ret must be sent. The same holds below. */
bool j1939_claim_start(struct j1939_claim *claim, int64_t now_us, struct j1939_claim_frame *ret);

/* Time goes on. */
bool j1939_claim_tick(struct j1939_claim *claim, int64_t now_us, struct j1939_claim_frame *ret);

/* Every message that is heard of others, whole: claims and requests for them are answered, all other
 * senders are remembered. */
bool j1939_claim_feed(struct j1939_claim *claim, const struct j1939_id *id, const uint8_t *data,
		      size_t len, int64_t now_us, struct j1939_claim_frame *ret);

#endif
