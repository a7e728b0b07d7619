/* ISO-TP (ISO 15765-2), the receiving half: CAN frames become messages, strictly.
 *
 * Portable: no I/O, no clock, no allocation; memory comes from the caller. Nothing is guessed: a
 * frame that is not exactly what the standard says, or that comes out of sequence, ends the message
 * that it could have belonged to.
 */
#ifndef AGENT_PROTOCOL_ISOTP_H
#define AGENT_PROTOCOL_ISOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISOTP_FRAME_MAX 8 /* classic CAN */

enum isotp_type {
	ISOTP_BAD, /* none of those below, or malformed: ignore it and count it */
	ISOTP_SINGLE,
	ISOTP_FIRST,
	ISOTP_CONSECUTIVE,
	ISOTP_FLOW_CONTROL,
};

/* A frame taken apart. */
struct isotp_frame {
	enum isotp_type type;
	uint16_t length;     /* SINGLE, FIRST: bytes of the whole message */
	uint8_t sequence;    /* CONSECUTIVE: 0..15; FLOW_CONTROL: its status */
	const uint8_t *data; /* payload bytes, into the frame that was given; padding included */
	uint8_t count;       /* how many bytes `data` has */
	bool full;           /* the frame had all the bytes that it can have */
};

/* Takes a frame of `len` bytes apart (clause 9.6). `room` is how many bytes a full frame has after
 * the addressing: 8, or 7 with extended addressing (the address byte already taken off).
 * SINGLE: length 1..7 and that many bytes present. FIRST: a full frame with a length that needs more
 * than one (the 32-bit escape is BAD: no vehicle answer of ours is that long). */
struct isotp_frame isotp_frame_parse(const uint8_t *frame, size_t len, uint8_t room);

/* A segmented message while it comes in. Zero it before first use. */
struct isotp_rx {
	uint8_t *data; /* the caller's, `length` bytes */
	uint16_t length;
	uint16_t have;
	uint8_t next; /* sequence number of the frame that must follow */
	bool busy;
};

/* Starts a message from a FIRST frame. `data` has room for frame->length bytes and stays the
 * caller's; it must live until the message ends. What was being received is dropped. */
void isotp_rx_start(struct isotp_rx *rx, const struct isotp_frame *first, uint8_t *data);

enum isotp_event {
	ISOTP_MORE,     /* taken; further frames must follow */
	ISOTP_COMPLETE, /* rx->data holds rx->length bytes; rx is idle again */
	ISOTP_BROKEN,   /* out of sequence or short: the message is lost; rx is idle again */
	ISOTP_STRAY,    /* no message was being received */
};

/* Takes a CONSECUTIVE frame: the next number, and full unless it is the last (clause 9.6.4). */
enum isotp_event isotp_rx_push(struct isotp_rx *rx, const struct isotp_frame *frame);

#endif
