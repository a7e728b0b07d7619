/* Whom a diagnostic request goes to on CAN, and which identifiers such requests may have, whatever
 * carries them: an adapter, or a CAN interface of this machine.
 *
 * Portable: no I/O, no clock, no allocation.
 */
#ifndef AGENT_PROTOCOL_DIAG_H
#define AGENT_PROTOCOL_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Requests to everybody who has legislated OBD-II (ISO 15765-4). */
#define DIAG_FUNCTIONAL_11 UINT32_C(0x7df)
#define DIAG_FUNCTIONAL_29 UINT32_C(0x18db33f1)
#define DIAG_TESTER 0xf1 /* the tester's address, where nobody says another */

/* Whom to talk to. */
struct diag_target {
	uint32_t tx, rx;   /* CAN identifiers; rx 0: whoever the protocol lets answer */
	uint8_t id_bits;   /* 11 or 29; 0: not on CAN */
	uint8_t extension; /* extended addressing: the unit; 0: none */
	uint8_t tester;    /* and the tester, which comes before the PCI of answers; 0: F1 */
	bool functional; /* everybody: on any bus, by that bus's own request (7DF, 18DB33F1 ...) */
	bool flow_control; /* answers have several frames */
};

/* Who answers a target: its rx; else 7E0..7E7: + 8, 18DAxxF1: 18DAF1xx; 0: more than one, or nobody
 * knows. */
uint32_t diag_target_answers(const struct diag_target *target);

/* Is it everybody, by the bus's own request? */
bool diag_target_is_everybody(const struct diag_target *target);

/* Does an identifier of 11 or 29 bits belong to diagnostic requests? 11 bit: 600..7FF (7xx; BMW 6F1,
 * PSA 6xx), 240..25F (GM); 29 bit: xxDA..Fx and xxDB..Fx (ISO 15765-2 normal fixed, tester addresses
 * F0..FF), 17FCxxxx (Volkswagen), 1DD0xxxx (Volvo). */
bool diag_id_allowed(uint32_t id, unsigned bits);

/* May a request go to a unit of extended addressing? It must be allowed, and so must what it is to
 * units that take the extension for the length of a single frame. */
bool diag_extended_allowed(uint8_t extension, const uint8_t *request, size_t len);

/* What a message of a unit is to a request (ISO 14229-1, SAE J1979). */
enum diag_meaning {
	DIAG_OTHER, /* nothing: it answers something else */
	DIAG_ANSWER, /* service + 0x40 and the PID, DID or local identifier that was asked for; of several
		       * PIDs of service 01 any: units leave out what they do not have */
	DIAG_REFUSAL, /* 7F service code */
	DIAG_PENDING, /* 7F service 78: it wants time */
};

/* How many bytes of the request an answer repeats, the service counted. */
uint8_t diag_echo_len(const uint8_t *request, size_t len);
enum diag_meaning diag_meaning(const uint8_t *request, size_t request_len, const uint8_t *message,
			       size_t len);

#endif
