#include "tests/sim/ecu.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define PIDS_PER_REQUEST 6

typedef double pid_value_fn(struct vehicle *vehicle);

static double rpm_raw(struct vehicle *vehicle)
{
	return vehicle_rpm(vehicle) * 4;
}
static double speed_raw(struct vehicle *vehicle)
{
	return vehicle->speed_kmh;
}
static double coolant_raw(struct vehicle *vehicle)
{
	return vehicle->coolant_c + 40;
}
static double load_raw(struct vehicle *vehicle)
{
	return vehicle_rpm(vehicle) > 0 ? 20 + vehicle->speed_kmh : 0;
}
static double fuel_raw(struct vehicle *vehicle)
{
	return vehicle->fuel_pct * 255 / 100;
}
static double module_voltage_raw(struct vehicle *vehicle)
{
	return vehicle->aux_battery_v * 1000;
}
static double ambient_raw(struct vehicle *vehicle)
{
	return 40 + vehicle->outside_c;
}
static double monitor_raw(struct vehicle *vehicle)
{
	uint16_t codes[4];
	size_t count = ecu_trouble_codes(vehicle, 0x03, codes);

	/* A: the lamp, and how many; B to D: tests that are there and complete */
	return count > 0 ? (double)((0x80u | count) << 24 | 0x00076500u) : (double)0x00076500u;
}
static double intake_raw(struct vehicle *vehicle)
{
	return 40 + vehicle->outside_c + 8;
}
static double throttle_raw(struct vehicle *vehicle)
{
	return vehicle_rpm(vehicle) > 0 ? 30 + vehicle->speed_kmh : 30;
}
static double run_time_raw(struct vehicle *vehicle)
{
	return vehicle->run_s;
}
static double standard_raw(struct vehicle *vehicle)
{
	(void)vehicle;
	return 6; /* EOBD */
}
/* 9A: support of charging state, voltage, current; charge depleting; V at 1/64; A at 0.1, here
 * positive = discharging */
static size_t put_hybrid(const struct vehicle *vehicle, uint8_t *out)
{
	uint32_t volts = (uint32_t)(vehicle->pack_v * 64 + 0.5);
	uint32_t amperes = (uint32_t)(int32_t)floor(vehicle->pack_a * 10 + 0.5);

	out[0] = 0x9A;
	out[1] = 0x07;
	out[2] = 0x01;
	out[3] = (uint8_t)(volts >> 8);
	out[4] = (uint8_t)volts;
	out[5] = (uint8_t)(amperes >> 8);
	out[6] = (uint8_t)amperes;
	return 7;
}
static double battery_raw(struct vehicle *vehicle)
{
	return vehicle->soc_pct * 255 / 100;
}
static double odometer_raw(struct vehicle *vehicle)
{
	return vehicle_read_odometer(vehicle) * 10;
}

enum fitted { ALWAYS, WITH_ENGINE, WITH_BATTERY, WITH_BOTH, NOT_ON_KLINE, SEVERAL_UNITS };

/* What mode 01 knows: PID, bytes, who has it, the raw value. */
static const struct pid {
	uint8_t pid;
	uint8_t bytes;
	unsigned address;
	enum fitted fitted;
	pid_value_fn *raw;
} pids[] = {
	{0x01, 4, ECU_POWERTRAIN, WITH_ENGINE, monitor_raw},
	{0x04, 1, ECU_POWERTRAIN, WITH_ENGINE, load_raw},
	{0x05, 1, ECU_POWERTRAIN, WITH_ENGINE, coolant_raw},
	{0x0C, 2, ECU_POWERTRAIN, WITH_ENGINE, rpm_raw},
	{0x0D, 1, ECU_POWERTRAIN, ALWAYS, speed_raw},
	{0x0D, 1, ECU_GEARBOX, SEVERAL_UNITS, speed_raw},
	{0x0F, 1, ECU_POWERTRAIN, WITH_ENGINE, intake_raw},
	{0x11, 1, ECU_POWERTRAIN, WITH_ENGINE, throttle_raw},
	{0x1C, 1, ECU_POWERTRAIN, ALWAYS, standard_raw},
	{0x1F, 2, ECU_POWERTRAIN, WITH_ENGINE, run_time_raw},
	{0x2F, 1, ECU_POWERTRAIN, WITH_ENGINE, fuel_raw},
	{0x42, 2, ECU_POWERTRAIN, ALWAYS, module_voltage_raw},
	{0x42, 2, ECU_BRAKES, SEVERAL_UNITS, module_voltage_raw},
	{0x46, 1, ECU_POWERTRAIN, ALWAYS, ambient_raw},
	{0x5B, 1, ECU_BATTERY, WITH_BATTERY, battery_raw},
	{0x9A, 6, ECU_BATTERY, WITH_BOTH, NULL}, /* put_hybrid() */
	{0xA6, 4, ECU_POWERTRAIN, NOT_ON_KLINE, odometer_raw},
};

static bool is_fitted(const struct vehicle *vehicle, const struct pid *pid)
{
	switch (pid->fitted) {
	case WITH_ENGINE:
		return vehicle_has_engine(vehicle);
	case WITH_BATTERY:
		return vehicle_has_traction_battery(vehicle);
	case WITH_BOTH:
		return vehicle_has_engine(vehicle) && vehicle_has_traction_battery(vehicle);
	case NOT_ON_KLINE: /* too young for such a vehicle */
		return vehicle->kind != VEHICLE_OLD_VAN;
	case SEVERAL_UNITS:
		return vehicle->kind == VEHICLE_SUV_29BIT;
	case ALWAYS:
		break;
	}
	return true;
}

static bool unit_exists(const struct vehicle *vehicle, unsigned address)
{
	return address != ECU_BATTERY || vehicle_has_traction_battery(vehicle);
}

static const struct pid *find_pid(const struct vehicle *vehicle, unsigned address, uint8_t number)
{
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
		if (pids[i].pid == number && pids[i].address == address &&
		    is_fitted(vehicle, &pids[i]))
			return &pids[i];
	}
	return NULL;
}

/* The bitmap of base+1..base+32; its last bit says that the next bitmap holds something. */
static uint32_t support_bitmap(const struct vehicle *vehicle, unsigned address, unsigned base)
{
	uint32_t bits = 0;

	for (unsigned n = base + 1; n < 0x100; n++) {
		if (!find_pid(vehicle, address, (uint8_t)n))
			continue;
		if (n <= base + 32)
			bits |= 1u << (32 - (n - base));
		else
			bits |= 1;
	}
	return bits;
}

static size_t put_be(uint8_t *out, uint32_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
	return bytes;
}

static uint32_t clamp_raw(double raw, size_t bytes)
{
	double most = bytes >= 4 ? 4294967295.0 : (double)((1u << (8 * bytes)) - 1);

	return (uint32_t)fmin(most, fmax(0, floor(raw + 0.5)));
}

static size_t answer_pid(struct vehicle *vehicle, unsigned address, uint8_t number, uint8_t *out)
{
	const struct pid *pid;

	if (number % 0x20 == 0) {
		uint32_t bits = support_bitmap(vehicle, address, number);

		if (bits == 0)
			return 0;
		out[0] = number;
		return 1 + put_be(out + 1, bits, 4);
	}
	pid = find_pid(vehicle, address, number);
	if (!pid)
		return 0;
	if (!pid->raw)
		return put_hybrid(vehicle, out);
	out[0] = number;
	return 1 + put_be(out + 1, clamp_raw(pid->raw(vehicle), pid->bytes), pid->bytes);
}

static size_t answer_current_data(struct vehicle *vehicle, unsigned address, const uint8_t *request,
				  size_t len, uint8_t *answer)
{
	size_t used = 1;

	answer[0] = 0x41;
	for (size_t i = 1; i < len && i <= PIDS_PER_REQUEST; i++)
		used += answer_pid(vehicle, address, request[i], answer + used);
	return used > 1 ? used : 0;
}

size_t ecu_trouble_codes(const struct vehicle *vehicle, uint8_t service, uint16_t codes[static 4])
{
	bool troubled = vehicle->kind == VEHICLE_SUV_29BIT || vehicle->kind == VEHICLE_OLD_VAN;

	if (!troubled || service == 0x0A)
		return 0;
	if (service == 0x07) {
		codes[0] = 0x0171; /* P0171 */
		return 1;
	}
	codes[0] = 0x0301; /* P0301 */
	codes[1] = 0xC100; /* U0100 */
	return 2;
}

/* On CAN a count precedes; before it there are three slots, 0000 where empty. */
static size_t answer_trouble_codes(const struct vehicle *vehicle, unsigned address, uint8_t service,
				   uint8_t *answer)
{
	bool slots = vehicle->kind == VEHICLE_OLD_VAN;
	uint16_t codes[4] = {0};
	size_t count = ecu_trouble_codes(vehicle, service, codes);
	size_t used = 1;

	if (address != ECU_POWERTRAIN || (slots && service == 0x0A))
		return 0;
	answer[0] = (uint8_t)(service + 0x40);
	if (!slots)
		answer[used++] = (uint8_t)count;
	for (size_t i = 0; i < (slots ? 3 : count); i++)
		used += put_be(answer + used, codes[i], 2);
	return used;
}

void ecu_kline_vin(const struct vehicle *vehicle, uint8_t part, uint8_t answer[static 7])
{
	uint8_t padded[20] = {0};

	memcpy(padded + 3, vehicle->vin, 17);
	answer[0] = 0x49;
	answer[1] = 0x02;
	answer[2] = part;
	memcpy(answer + 3, &padded[(size_t)4 * (part - 1u)], 4);
}

static size_t answer_vehicle_info(const struct vehicle *vehicle, unsigned address, uint8_t type,
				  uint8_t *answer)
{
	static const char calibration[] = "FRESHET-CAL-0001";

	if (address != ECU_POWERTRAIN || vehicle->kind == VEHICLE_OLD_VAN)
		return 0;
	answer[0] = 0x49;
	answer[1] = type;
	answer[2] = 1;
	switch (type) {
	case 0x00: /* 02 and 04 */
		return 2 + put_be(answer + 2, 1u << (32 - 2) | 1u << (32 - 4), 4);
	case 0x02:
		memcpy(answer + 3, vehicle->vin, 17);
		return 20;
	case 0x04:
		memcpy(answer + 3, calibration, 16);
		return 19;
	default:
		return 0;
	}
}

size_t ecu_answer(struct vehicle *vehicle, unsigned address, const uint8_t *request, size_t len,
		  uint8_t answer[static ECU_ANSWER_MAX])
{
	if (len < 1 || !unit_exists(vehicle, address))
		return 0;
	switch (request[0]) {
	case 0x01:
		return answer_current_data(vehicle, address, request, len, answer);
	case 0x03:
	case 0x07:
	case 0x0A:
		return answer_trouble_codes(vehicle, address, request[0], answer);
	case 0x09:
		return len > 1 ? answer_vehicle_info(vehicle, address, request[1], answer) : 0;
	default:
		return 0; /* legislated OBD units keep silent about services they lack */
	}
}
