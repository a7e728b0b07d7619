/* OBD-II services as data (SAE J1979, ISO 15031-5): what may be asked, and what an answer means.
 *
 * Trouble codes are in dtc.h, refusals and texts of ISO 14229 in uds.h.
 *
 * Portable: no I/O, no clock, no allocation. Requests are bytes; how they reach the bus is the
 * business of elm327.h or of a CAN socket.
 */
#ifndef AGENT_PROTOCOL_OBD2_H
#define AGENT_PROTOCOL_OBD2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum obd2_error {
	OBD2_E_SHORT = -1,   /* fewer or more bytes than the parameter has */
	OBD2_E_UNKNOWN = -2, /* a PID that no table of ours has */
	OBD2_E_ECHO = -3,    /* not an answer to that request */
	OBD2_E_VALUE = -4,   /* the right bytes, but no value (a VIN of zeros) */
	OBD2_E_REFUSED = -5, /* may not be sent */
};

/* The one gate of everything that is sent to a vehicle: services 01 02 03 06 07 09 0A 19 1A 21 22
 * (they read) and 3E 80 (tester present, no answer wanted); everything else is refused: 04 clears
 * trouble codes, 08 and 2F actuate, 2E, 31, 34.. write. `request` is the payload, 1..7 bytes (a
 * functional request is a single frame). */
bool obd2_request_allowed(const uint8_t *request, size_t len);

#define OBD2_TEXT_SIZE 15 /* 7 bytes in hex and the NUL */

/* The hex text of a request for an ELM327, after asking obd2_request_allowed(). Returns 0,
 * OBD2_E_REFUSED (out untouched). */
int obd2_request_text(const uint8_t *request, size_t len, char out[static OBD2_TEXT_SIZE]);

/* Which PIDs of service 01 an ECU (or any of several) supports. Zero it before first use. */
struct obd2_support {
	uint8_t bits[32];
};

/* Notes the bitmap that answered PID `base` (00, 20 .. E0): data[0] bit 7 is base + 1, data[3] bit 0
 * is base + 32 and says that the next bitmap exists. Returns 0 or OBD2_E_UNKNOWN for another base. */
int obd2_support_add(struct obd2_support *support, uint8_t base, const uint8_t data[static 4]);
bool obd2_supports(const struct obd2_support *support, uint8_t pid);
/* The next bitmap to ask for after `base`, or -1. */
int obd2_support_next(const struct obd2_support *support, uint8_t base);

/* What people call a parameter of service 01 ("engine_rpm"); NULL where it has no name here. What
 * its bytes mean is data: provider/obd/profiles/generic.conf. */
const char *obd2_pid_name(uint8_t pid);

/* The bitmap in an answer to a support PID (00, 20 ..). Returns 0, OBD2_E_ECHO or OBD2_E_SHORT. */
int obd2_decode_support(uint8_t base, const uint8_t *answer, size_t len,
			struct obd2_support *support);

/* ---- several parameters in one request (CAN only) ---- */

#define OBD2_MULTI_MAX 6      /* PIDs in a request */
#define OBD2_PID_BYTES_MAX 41 /* data bytes of the longest parameter of service 01 */

/* How many data bytes PID `pid` of service 01 has (SAE J1979, J1979-DA); 0 where that is not known or
 * where it varies: 06..09 and 55..58 have one or two, others grew from one edition to the next. */
uint8_t obd2_pid_bytes(uint8_t pid);

/* A request for 1..6 PIDs. Returns its length; OBD2_E_UNKNOWN where an answer could not be taken apart
 * (a PID whose length is not known); OBD2_E_VALUE for no PID, too many, one twice, or a bitmap (00,
 * 20 ..) beside a parameter, which the standard forbids. out is untouched then. */
int obd2_multi_request(const uint8_t *pids, size_t count, uint8_t out[static 1 + OBD2_MULTI_MAX]);

/* One parameter's answer as if it had been asked for alone: 41, the PID, its data. */
struct obd2_part {
	uint8_t len;
	uint8_t answer[2 + OBD2_PID_BYTES_MAX];
};

/* Takes the answer to a request of service 01 with one or more PIDs apart. An ECU leaves out what it
 * does not have, and may answer in another order. All or nothing: where the lengths do not come out
 * even, or a PID was not asked for or comes twice, some length is not the standard's, and no byte can
 * be told from another. Returns the number of parts, in the order of the answer; OBD2_E_ECHO,
 * OBD2_E_SHORT, OBD2_E_UNKNOWN with `parts` in no defined state. */
int obd2_multi_split(const uint8_t *request, size_t request_len, const uint8_t *answer, size_t len,
		     struct obd2_part parts[static OBD2_MULTI_MAX]);

/* ---- service 09 and the identification that other services give ---- */

/* Before CAN an answer of service 09 is several messages with a number each; elm327.h joins them, so
 * that all of these look as on CAN: 49, the type, the number of items, the items. */

#define OBD2_VIN_SIZE 18

/* The VIN in an answer to 09 02, 22 F1 90, 1A 90 or 21 81: 17 characters, zeros before and after them
 * ignored; 21 81 has a checksum behind them. Returns 0; OBD2_E_ECHO, OBD2_E_SHORT; OBD2_E_VALUE where
 * it is not 17 of A-Z 0-9 without I, O, Q (ISO 3779). */
int obd2_decode_vin(const uint8_t *answer, size_t len, char out[static OBD2_VIN_SIZE]);

#define OBD2_CALIBRATION_SIZE 17

/* The calibration identifications in an answer to 09 04: 16 characters each, padding taken off.
 * Returns how many there are (empty ones left out), of which the first `room` stand in `out`;
 * OBD2_E_ECHO; OBD2_E_SHORT where the items are not whole; OBD2_E_VALUE where one is no text. */
int obd2_decode_calibrations(const uint8_t *answer, size_t len, char (*out)[OBD2_CALIBRATION_SIZE],
			     size_t room);

/* The calibration verification numbers in an answer to 09 06, in the order of the identifications.
 * Returns how many there are; OBD2_E_ECHO, OBD2_E_SHORT. */
int obd2_decode_verifications(const uint8_t *answer, size_t len, uint32_t *out, size_t room);

#define OBD2_ECU_NAME_SIZE 21

/* The ECU's name in an answer to 09 0A: "ECM-EngineControl". Returns 0; OBD2_E_ECHO, OBD2_E_SHORT,
 * OBD2_E_VALUE. */
int obd2_decode_ecu_name(const uint8_t *answer, size_t len, char out[static OBD2_ECU_NAME_SIZE]);

#endif
