/* The control units of simulated vehicles: who listens to which identifier, and what the makers' own
 * requests (services 21 and 22) are answered with.
 *
 * The bytes are set here by hand from what is publicly known of these vehicles, on purpose apart from
 * the profiles that decode them: each checks the other.
 */
#ifndef SIM_UNITS_H
#define SIM_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/vehicle.h"

#define UNITS_MAX 8 /* of a vehicle */

enum unit_quantity {
	UNIT_CONSTANT,
	UNIT_SOC,
	UNIT_BMS_SOC,
	UNIT_SOH,
	UNIT_PACK_V,
	UNIT_PACK_A, /* positive = discharging */
	UNIT_TEMP_MIN,
	UNIT_TEMP_MAX,
	UNIT_CELL_MIN,
	UNIT_CELL_MAX,
	UNIT_AUX_V,
	UNIT_CHARGED_KWH,
	UNIT_CAPACITY_KWH,
	UNIT_RANGE_KM,
	UNIT_RUN_S,
	UNIT_SPEED,
	UNIT_ODOMETER,
	UNIT_OUTSIDE,
	UNIT_INSIDE,
	UNIT_TYRE_FL_PSI,
	UNIT_TYRE_FR_PSI,
	UNIT_TYRE_RL_PSI,
	UNIT_TYRE_RR_PSI,
	UNIT_CHARGER_W,
	UNIT_AC_AMPERES,
	UNIT_AC_ACTIVE, /* 0 or 1, like those below */
	UNIT_DC_ACTIVE,
	UNIT_CHARGING,
	UNIT_PLUGGED,
	UNIT_IGNITION,
	UNIT_DRIVING,
};

/* raw = quantity * mul + add, in `bytes` bytes from `at`, most significant first; added to what stands
 * there, so that bits of one byte may come from several (bytes 1, mul 8: bit 3). */
struct unit_field {
	uint8_t at;
	uint8_t bytes; /* 0 ends the list */
	enum unit_quantity quantity;
	double mul, add;
};

#define UNIT_FIELDS_MAX 16

struct unit_record {
	uint8_t service; /* 0x21: one byte of identifier; 0x22: two; 0 ends the list */
	uint16_t id;
	uint8_t len;       /* of the data after the echo */
	bool zero_at_rest; /* zeros while the high-voltage side is off */
	uint8_t pending;   /* so often 7F xx 78 precedes the answer */
	struct unit_field fields[UNIT_FIELDS_MAX];
};

struct unit {
	uint32_t tx, rx;
	uint8_t id_bits;
	uint8_t extension; /* extended addressing: this byte precedes the PCI of requests; 0: none */
	int8_t legislated;                 /* the OBD-II address it has in ecu.h; -1: none */
	bool has_vin;                      /* 22 F190 (E-GMP), 21 81 (Leaf) */
	const struct unit_record *records; /* NULL: none */
};

enum unit_bus { UNIT_BUS_CAN11, UNIT_BUS_CAN29, UNIT_BUS_KLINE };

struct unit_family {
	enum unit_bus bus;
	bool functional; /* legislated OBD-II is answered */
	struct unit units[UNITS_MAX];
	size_t count;
};

const struct unit_family *units_of(enum vehicle_kind kind);

/* Asks one unit. Returns the length of the answer (positive, or 7F service code), 0 when it keeps
 * silent; *ret_pending: how many 7F service 78 come before it. */
size_t unit_answer(struct vehicle *vehicle, const struct unit *unit, bool functional,
		   const uint8_t *request, size_t len, uint8_t *answer, unsigned *ret_pending);

#endif
