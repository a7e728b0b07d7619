#include "agent/protocol/j1939_claim.h"

#include <string.h>

#define WAIT_US INT64_C(250000)    /* J1939-81 4.4.3: nobody has objected by then */
#define DELAY_UNIT_US INT64_C(600) /* 4.4.4.3: times 0 to 255, before "cannot claim" */
#define DYNAMIC_FIRST 128
#define DYNAMIC_LAST 247
#define PRIORITY 6
#define IDENTITY_BITS 21
#define UNKNOWN_MANUFACTURER UINT64_C(0x7ff)
#define UNKNOWN_FUNCTION UINT64_C(0xff)
#define UNKNOWN_SYSTEM UINT64_C(0x7f)

uint64_t j1939_name(uint32_t identity)
{
	const uint64_t any_address = UINT64_C(1) << 63;

	return any_address | UNKNOWN_SYSTEM << 49 | UNKNOWN_FUNCTION << 40 |
	       UNKNOWN_MANUFACTURER << 21 | (identity & ((UINT32_C(1) << IDENTITY_BITS) - 1));
}

void j1939_claim_init(struct j1939_claim *claim, uint64_t name, uint8_t preferred)
{
	memset(claim, 0, sizeof(*claim));
	claim->name = name;
	claim->preferred = preferred;
	claim->address = J1939_NULL;
	claim->due_us = INT64_MAX;
}

static bool is_heard(const struct j1939_claim *claim, uint8_t address)
{
	return (claim->heard[address / 8] >> address % 8 & 1) != 0;
}

static void note_heard(struct j1939_claim *claim, uint8_t address)
{
	claim->heard[address / 8] |= (uint8_t)(1U << address % 8);
}

static bool say(const struct j1939_claim *claim, struct j1939_claim_frame *ret)
{
	ret->id = (struct j1939_id){.pgn = J1939_PGN_CLAIM,
				    .priority = PRIORITY,
				    .destination = J1939_GLOBAL,
				    .source = claim->address};
	for (unsigned i = 0; i < sizeof(ret->data); i++)
		ret->data[i] = (uint8_t)(claim->name >> 8 * i);
	return true;
}

static bool claim_address(struct j1939_claim *claim, uint8_t address, int64_t now_us,
			  struct j1939_claim_frame *ret)
{
	claim->address = address;
	claim->state = J1939_CLAIM_WAITING;
	claim->due_us = now_us + WAIT_US;
	return say(claim, ret);
}

/* The next address that nobody was heard to have; or none. */
static bool claim_another(struct j1939_claim *claim, int64_t now_us, struct j1939_claim_frame *ret)
{
	for (unsigned address = DYNAMIC_FIRST; address <= DYNAMIC_LAST; address++)
		if (!is_heard(claim, (uint8_t)address))
			return claim_address(claim, (uint8_t)address, now_us, ret);
	claim->address = J1939_NULL;
	claim->state = J1939_CLAIM_HOPELESS;
	/* Several who lose at once do not speak at once. */
	claim->due_us = now_us + (int64_t)(claim->name & 0xff) * DELAY_UNIT_US;
	return false;
}

bool j1939_claim_start(struct j1939_claim *claim, int64_t now_us, struct j1939_claim_frame *ret)
{
	if (is_heard(claim, claim->preferred))
		return claim_another(claim, now_us, ret);
	return claim_address(claim, claim->preferred, now_us, ret);
}

bool j1939_claim_tick(struct j1939_claim *claim, int64_t now_us, struct j1939_claim_frame *ret)
{
	if (now_us < claim->due_us)
		return false;
	claim->due_us = INT64_MAX;
	if (claim->state == J1939_CLAIM_WAITING)
		claim->state = J1939_CLAIM_DONE;
	return claim->state == J1939_CLAIM_HOPELESS && say(claim, ret);
}

static bool on_claim(struct j1939_claim *claim, const struct j1939_id *id, const uint8_t *data,
		     int64_t now_us, struct j1939_claim_frame *ret)
{
	uint64_t name = 0;

	for (unsigned i = 0; i < 8; i++)
		name |= (uint64_t)data[i] << 8 * i;
	if (claim->address == J1939_NULL || id->source != claim->address)
		return false;
	/* The same NAME is our own frame that came back, or a twin: neither is to be answered. */
	if (name == claim->name)
		return false;
	if (name > claim->name)
		return say(claim, ret);
	claim->lost++;
	note_heard(claim, id->source);
	return claim_another(claim, now_us, ret);
}

/* Who asks for claims, of us or of everybody, is told ours, and that we have none. */
static bool on_request(struct j1939_claim *claim, const struct j1939_id *id, const uint8_t *data,
		       struct j1939_claim_frame *ret)
{
	const uint32_t pgn = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;

	if (pgn != J1939_PGN_CLAIM || claim->state == J1939_CLAIM_NONE)
		return false;
	if (id->destination != J1939_GLOBAL && id->destination != claim->address)
		return false;
	return say(claim, ret);
}

bool j1939_claim_feed(struct j1939_claim *claim, const struct j1939_id *id, const uint8_t *data,
		      size_t len, int64_t now_us, struct j1939_claim_frame *ret)
{
	if (id->pgn == J1939_PGN_REQUEST && len >= 3)
		return on_request(claim, id, data, ret);
	if (id->source < J1939_NULL && id->source != claim->address)
		note_heard(claim, id->source);
	if (id->pgn == J1939_PGN_CLAIM && len >= 8)
		return on_claim(claim, id, data, now_us, ret);
	return false;
}
