/* The one gate of everything that is said to an adapter: what does not pass is not sent.
 *
 * Requests to the vehicle must be allowed by obd2_request_allowed(). But adapters have commands that
 * make other requests of them, or send frames of their own: raw frames (ATCAF0, STPX, STCSEGT),
 * J1939 requests (ATMP), remote frames (ATRTR), wake-up messages (ATWM), flow control whose bytes one
 * may choose (ATFCSD), EEPROM (ATPP, STS..). So commands have a list too: those that reading needs, in
 * the forms that it needs.
 *
 * What a frame means depends on settings, so the gate follows them:
 *	identifiers must be of diagnostic requests (diag.h): anywhere else are the vehicle's own messages;
 *	a header of 11 bits on a bus of 29 is some message of that bus (ATSH7E0: 180007E0, a torque
 *	command of J1939);
 *	an extension stands where other units expect the length: 07 04 22 01 01 04 clears their
 *	trouble codes.
 *
 * Portable: no I/O, no clock, no allocation.
 */
#ifndef AGENT_PROTOCOL_ELM327_GATE_H
#define AGENT_PROTOCOL_ELM327_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/protocol/elm327.h"

/* What the adapter was told. Zero it when a link opens: nothing is known then, and no request passes
 * before a reset (ATZ, ATWS, ATD) was answered. */
struct elm327_gate {
	bool known;
	bool resetting;      /* a reset was sent */
	uint32_t header;     /* identifier of requests (ATSH) */
	uint8_t header_bits; /* 11, 29; 0: the adapter's own header */
	uint8_t priority;    /* of 29-bit headers (ATCP); 0: 18 */
	uint8_t extension;   /* ATCEA; 0: off */
};

/* May the command of `begun`, fresh from elm327_begin(), be sent now? Where true the gate takes it for
 * sent. */
bool elm327_gate_passes(struct elm327_gate *gate, const struct elm327_reply *begun);

/* Takes the reply to what passed. Whoever gets anything but OK to a command that turns the adapter to a
 * target starts from a reset: the gate takes such commands for carried out. */
void elm327_gate_reply(struct elm327_gate *gate, const struct elm327_reply *reply);

#endif
