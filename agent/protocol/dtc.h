/* Diagnostic trouble codes: SAE J2012 (ISO 15031-6) as SAE J1979 and ISO 14229-1 send them.
 *
 * Portable: no I/O, no clock, no allocation. Errors are those of obd2.h.
 */
#ifndef AGENT_PROTOCOL_DTC_H
#define AGENT_PROTOCOL_DTC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/protocol/obd2.h"

/* Bits of a status (ISO 14229-1 annex D.2). */
enum dtc_status {
	DTC_FAILED = 0x01,             /* the last test failed */
	DTC_FAILED_THIS_CYCLE = 0x02,  /* a test in this operation cycle failed */
	DTC_PENDING = 0x04,            /* failed in this or the last cycle */
	DTC_CONFIRMED = 0x08,          /* often enough to be stored */
	DTC_NOT_TESTED_CLEARED = 0x10, /* not tested since the codes were cleared */
	DTC_FAILED_CLEARED = 0x20,     /* failed since then */
	DTC_NOT_TESTED_CYCLE = 0x40,   /* not tested in this cycle */
	DTC_WARNING = 0x80,            /* asks for the warning lamp */
};

struct dtc {
	uint16_t code;   /* two bits P C B U, two bits, three nibbles */
	uint8_t failure; /* failure type byte (SAE J2012-DA annex C); 0: none given */
	uint8_t status; /* enum dtc_status, those bits that the ECU supports; services 03, 07, 0A say
			  * DTC_CONFIRMED, DTC_PENDING, DTC_CONFIRMED */
};

#define DTC_TEXT_SIZE 9

/* "P0301"; with a failure type "P0301-1C", as SAE J2012-DA writes it. */
void dtc_text(const struct dtc *dtc, char out[static DTC_TEXT_SIZE]);

/* The codes in an answer to service 03, 07 or 0A. On CAN a count comes first and zeros may follow;
 * before (`can` false) a message has three places of which 0000 is empty, and an ECU with more codes
 * sends several messages: each is decoded alone. Returns how many codes there are, of which the first
 * `room` stand in `out`; OBD2_E_ECHO for another service; OBD2_E_SHORT where count and bytes
 * disagree. */
int dtc_decode_obd(const uint8_t *answer, size_t len, bool can, struct dtc *out, size_t room);

/* The codes in an answer to 19 02 (by status mask), 19 0A (supported) or 19 15 (permanent): 59, the
 * function, the status bits that the ECU supports, then code, failure type and status of each. A code
 * of all zeros is none. Returns and errors as above. */
int dtc_decode_uds(const uint8_t *answer, size_t len, struct dtc *out, size_t room);

#endif
