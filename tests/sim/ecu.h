/* The control units of a simulated vehicle: OBD-II requests in, answers out (SAE J1979). */
#ifndef SIM_ECU_H
#define SIM_ECU_H

#include <stddef.h>
#include <stdint.h>

#include "tests/sim/vehicle.h"

#define ECU_ANSWER_MAX 224

/* Which of a vehicle's legislated control units; units.h says where on the bus it stands. */
enum ecu_address { ECU_POWERTRAIN = 0, ECU_GEARBOX = 1, ECU_BRAKES = 2, ECU_BATTERY = 4 };

/* Asks the unit at `address`. Returns the length of the answer (service + 0x40 first), 0 when it
 * keeps silent: not fitted, or the request is not for it. On the K-line the answer has the older
 * shapes: three slots of trouble codes without a count; the VIN is ecu_kline_vin()'s. */
size_t ecu_answer(struct vehicle *vehicle, unsigned address, const uint8_t *request, size_t len,
		  uint8_t answer[static ECU_ANSWER_MAX]);

/* Trouble codes that this vehicle has, as the requests 03, 07, 0A list them: the raw two bytes each.
 * Returns how many were set. */
size_t ecu_trouble_codes(const struct vehicle *vehicle, uint8_t service, uint16_t codes[static 4]);

/* 09 02 before CAN: part `part` (1..5) of the VIN, 49 02 part and four bytes. */
void ecu_kline_vin(const struct vehicle *vehicle, uint8_t part, uint8_t answer[static 7]);

#endif
