/* The control units of a simulated vehicle: OBD-II requests in, answers out (SAE J1979). */
#ifndef SIM_ECU_H
#define SIM_ECU_H

#include <stddef.h>
#include <stdint.h>

#include "tests/sim/vehicle.h"

#define ECU_ANSWER_MAX 64

/* Which of a vehicle's control units: the OBD-II address n answers as CAN id 7E8 + n. */
enum ecu_address { ECU_POWERTRAIN = 0, ECU_BATTERY = 4, ECU_ADDRESSES = 8 };

/* Asks the unit at `address` (0..7). Returns the length of the answer (service + 0x40 first), 0 when
 * it keeps silent: not fitted, or the request is not for it. */
size_t ecu_answer(struct vehicle *vehicle, unsigned address, const uint8_t *request, size_t len,
		  uint8_t answer[static ECU_ANSWER_MAX]);

#endif
