/* SAE J1939: identifiers, parameters, trouble codes, texts. What arrives in several frames is put
 * together by j1939_tp.h.
 *
 * Portable: no I/O, no clock, no allocation, no state.
 */
#ifndef AGENT_PROTOCOL_J1939_H
#define AGENT_PROTOCOL_J1939_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define J1939_GLOBAL 0xff /* the destination of what is for everybody */
#define J1939_NULL 0xfe   /* the source of who has no address */

/* Parameter groups that have a meaning of their own here. */
enum j1939_pgn {
	J1939_PGN_ACK = 59392,
	J1939_PGN_REQUEST = 59904,
	J1939_PGN_TP_DT = 60160,
	J1939_PGN_TP_CM = 60416,
	J1939_PGN_CLAIM = 60928,
	J1939_PGN_DM1 = 65226,  /* active trouble codes */
	J1939_PGN_DM2 = 65227,  /* previously active ones */
	J1939_PGN_SOFT = 65242, /* software identification */
	J1939_PGN_CI = 65259,   /* component identification */
	J1939_PGN_VI = 65260,   /* vehicle identification */
};

/* A 29-bit identifier taken apart (J1939-21 5.2). */
struct j1939_id {
	uint32_t pgn; /* 18 bits; the destination is not part of it */
	uint8_t priority;
	uint8_t destination; /* J1939_GLOBAL where the group has none (PDU2) */
	uint8_t source;
};

struct j1939_id j1939_id_parse(uint32_t can_id);
/* The identifier of a frame; the destination is left out where the group has none. */
uint32_t j1939_id_make(const struct j1939_id *id);

/* ---- parameters ---- */

/* A parameter (suspect parameter number): value = raw * mul + add. The table is j1939_spns.def. */
struct j1939_spn {
	uint32_t pgn;            /* the group that has it */
	uint32_t spn;            /* 0: not confirmed */
	const char *name, *unit; /* lasting */
	uint16_t start;          /* bit offset: bit 1 of byte 1 is 0, least significant first */
	uint8_t bits;            /* 1..64 */
	double mul, add;
};

/* The parameters of a group, *ret_count of them; NULL where none is known. */
const struct j1939_spn *j1939_spns(uint32_t pgn, size_t *ret_count);
/* By name; NULL where there is none. */
const struct j1939_spn *j1939_spn_find(const char *name);

/* What a parameter's bits say (J1939-71 5.1.4: by the most significant byte, or by the two bits). */
enum j1939_status {
	J1939_OK,
	J1939_NOT_AVAILABLE, /* FF; 3 of two bits */
	J1939_ERROR,         /* FE; 2 of two bits */
	J1939_RESERVED,      /* FB to FD */
	J1939_SHORT,         /* the message does not reach that far */
};

/* The raw bits, placed as in struct j1939_spn, and what they say. *ret_raw is set but with
 * J1939_SHORT. */
enum j1939_status j1939_raw(uint16_t start, uint8_t bits, const uint8_t *data, size_t len,
			    uint64_t *ret_raw);
/* The value; *ret_value is set with J1939_OK only. */
enum j1939_status j1939_value(const struct j1939_spn *spn, const uint8_t *data, size_t len,
			      double *ret_value);

/* ---- trouble codes: DM1, DM2 (J1939-73) ---- */

struct j1939_dtc {
	uint32_t spn;
	uint8_t fmi;
	uint8_t count; /* 127: not available */
	bool old_form; /* conversion method 1: the SPN may be read in three ways, and is not trusted */
};

/* Lamps: 0 off, 1 on, 2 error, 3 not available. */
struct j1939_lamps {
	uint8_t malfunction, red_stop, amber_warning, protect;
};

/* The codes of a message, at most `room` of them into `out`; *ret_count is how many the message has
 * (it may be more). Returns false where it is no DM1 or DM2. */
bool j1939_dtcs(const uint8_t *data, size_t len, struct j1939_lamps *ret_lamps,
		struct j1939_dtc *out, size_t room, size_t *ret_count);

#define J1939_DTC_TEXT 20
/* "SPN 1761 FMI 3". */
void j1939_dtc_text(const struct j1939_dtc *dtc, char out[static J1939_DTC_TEXT]);

/* ---- texts ---- */

#define J1939_VIN_SIZE 18

/* The VIN in a message of J1939_PGN_VI: its first 17 letters and digits, before or after which units
 * have been seen to send other bytes. False where there are not 17 before the '*'. */
bool j1939_vin(const uint8_t *data, size_t len, char out[static J1939_VIN_SIZE]);

/* The field `index` of a text with '*' after each, printable characters only, cut to `size`
 * (1 and up, with the NUL). False where there is none or it is empty. */
bool j1939_text(const uint8_t *data, size_t len, size_t index, char *out, size_t size);

#endif
