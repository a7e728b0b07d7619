/* The bus of a simulated vehicle: frames in, frames out, each in its time.
 *
 * ISO 15765-2 is real here: a unit sends a first frame and goes on only when a flow control reaches it
 * in time (N_Bs); the block size and the separation time it asks for are kept. On the K-line a frame is
 * an ISO 14230 message with its header and checksum. The caller owns time.
 */
#ifndef SIM_BUS_H
#define SIM_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/ecu.h"
#include "tests/sim/units.h"
#include "tests/sim/vehicle.h"

#define BUS_FRAME_MAX 12

struct bus_frame {
	uint32_t id;
	uint8_t id_bits; /* 11, 29; 8: K-line */
	uint8_t len;
	uint8_t data[BUS_FRAME_MAX];
};

/* What a unit is busy sending. */
struct bus_talk {
	uint8_t answer[ECU_ANSWER_MAX];
	size_t len, sent;
	uint8_t sequence;
	unsigned pending; /* 7F xx 78 still to come before the answer */
	uint8_t service;
	uint8_t kline_part;   /* of a VIN in five messages; 0: none */
	int64_t due_us;       /* next frame; INT64_MAX: none */
	int64_t flow_wait_us; /* until when it waits for flow control; INT64_MAX: it does not */
	unsigned block_left;  /* frames until the next flow control; 0: no limit */
	int64_t gap_us;
};

struct bus {
	struct vehicle *vehicle;
	int64_t delay_us; /* a unit needs so long to answer */
	struct bus_talk talks[UNITS_MAX];
	uint64_t frames; /* of both directions, ever */
};

void bus_init(struct bus *bus, struct vehicle *vehicle, int64_t delay_us);

/* A frame from the plug. Returns false where nobody is there to acknowledge it: the bus sleeps, or
 * is of another kind. */
bool bus_send(struct bus *bus, const struct bus_frame *frame, int64_t now_us);

/* When the next frame comes; INT64_MAX: none. */
int64_t bus_due_us(const struct bus *bus);

/* The next frame that is due at `now_us`; false: none. *ret_answer is the whole answer where the
 * frame ends it, else NULL; it lives until the next call. */
bool bus_receive(struct bus *bus, int64_t now_us, struct bus_frame *ret_frame,
		 const uint8_t **ret_answer, size_t *ret_len);

#endif
