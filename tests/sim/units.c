#include "tests/sim/units.h"

#include <math.h>
#include <string.h>

#include "tests/sim/ecu.h"

#define NRC_SERVICE_NOT_SUPPORTED 0x11
#define NRC_WRONG_LENGTH 0x13
#define NRC_OUT_OF_RANGE 0x31
#define KPA_PER_PSI 6.894757

static double quantity(struct vehicle *vehicle, enum unit_quantity what)
{
	switch (what) {
	case UNIT_CONSTANT:
		return 0;
	case UNIT_SOC:
		return vehicle->soc_pct;
	case UNIT_BMS_SOC:
		return vehicle_bms_soc_pct(vehicle);
	case UNIT_SOH:
		return vehicle->soh_pct;
	case UNIT_PACK_V:
		return vehicle->pack_v;
	case UNIT_PACK_A:
		return vehicle->pack_a;
	case UNIT_TEMP_MIN:
		return vehicle->pack_temp_c;
	case UNIT_TEMP_MAX:
		return vehicle->pack_temp_c + 2;
	case UNIT_CELL_MIN:
		return vehicle_cell_v(vehicle, -0.02);
	case UNIT_CELL_MAX:
		return vehicle_cell_v(vehicle, 0.02);
	case UNIT_AUX_V:
		return vehicle->aux_battery_v;
	case UNIT_CHARGED_KWH:
		return vehicle->charged_kwh;
	case UNIT_CAPACITY_KWH:
		return vehicle_capacity_kwh(vehicle);
	case UNIT_RANGE_KM:
		return vehicle_range_km(vehicle);
	case UNIT_RUN_S:
		return vehicle->run_s;
	case UNIT_SPEED:
		return vehicle->speed_kmh;
	case UNIT_ODOMETER:
		return vehicle_read_odometer(vehicle);
	case UNIT_OUTSIDE:
		return vehicle->outside_c;
	case UNIT_INSIDE:
		return vehicle->outside_c + 6;
	case UNIT_TYRE_FL_PSI:
	case UNIT_TYRE_FR_PSI:
	case UNIT_TYRE_RL_PSI:
	case UNIT_TYRE_RR_PSI:
		return vehicle_tyre_kpa(vehicle, (unsigned)(what - UNIT_TYRE_FL_PSI)) / KPA_PER_PSI;
	case UNIT_CHARGER_W:
		return 1000 * vehicle_charger_kw(vehicle);
	case UNIT_AC_AMPERES:
		return vehicle->activity == VEHICLE_CHARGING
			       ? 1000 * vehicle_charger_kw(vehicle) / 230
			       : 0;
	case UNIT_AC_ACTIVE:
		return vehicle->activity == VEHICLE_CHARGING;
	case UNIT_DC_ACTIVE:
		return vehicle->activity == VEHICLE_FAST_CHARGING;
	case UNIT_CHARGING:
	case UNIT_PLUGGED:
		return vehicle_charging(vehicle);
	case UNIT_IGNITION:
		return vehicle_ignition_on(vehicle);
	case UNIT_DRIVING:
		return vehicle->activity == VEHICLE_DRIVING;
	}
	return 0;
}

/* Rounded to the nearest raw number; two's complement where it is negative. */
static void put_field(struct vehicle *vehicle, const struct unit_field *field, uint8_t *data)
{
	double raw = floor(quantity(vehicle, field->quantity) * field->mul + field->add + 0.5);
	uint64_t bits = (uint64_t)(int64_t)raw;

	for (unsigned i = 0; i < field->bytes; i++) {
		uint8_t *byte = data + field->at + field->bytes - 1 - i;

		*byte = (uint8_t)(*byte | (uint8_t)(bits >> (8 * i)));
	}
}

static size_t put_record(struct vehicle *vehicle, const struct unit_record *record, uint8_t *answer)
{
	size_t echo = 0;

	answer[echo++] = (uint8_t)(record->service + 0x40);
	if (record->service == 0x22)
		answer[echo++] = (uint8_t)(record->id >> 8);
	answer[echo++] = (uint8_t)record->id;
	memset(answer + echo, 0, record->len);
	if (record->zero_at_rest && !vehicle_battery_live(vehicle))
		return echo + record->len;
	for (size_t i = 0; i < UNIT_FIELDS_MAX && record->fields[i].bytes != 0; i++)
		put_field(vehicle, &record->fields[i], answer + echo);
	return echo + record->len;
}

static size_t refuse(uint8_t service, uint8_t code, uint8_t *answer)
{
	answer[0] = 0x7F;
	answer[1] = service;
	answer[2] = code;
	return 3;
}

/* 22 F1 90, 21 81: the VIN; the Leaf's ends with two zeros. */
static size_t answer_vin(const struct vehicle *vehicle, const uint8_t *request, uint8_t *answer)
{
	size_t echo = request[0] == 0x22 ? 3 : 2;

	memcpy(answer, request, echo);
	answer[0] = (uint8_t)(request[0] + 0x40);
	memcpy(answer + echo, vehicle->vin, 17);
	if (request[0] == 0x22)
		return echo + 17;
	memset(answer + echo + 17, 0, 2);
	return echo + 19;
}

/* 19 02: trouble codes by mask, one of them confirmed: P0A80-00. */
static size_t answer_dtcs(const struct unit *unit, const uint8_t *request, size_t len,
			  uint8_t *answer)
{
	static const uint8_t one[] = {0x59, 0x02, 0xFF, 0x0A, 0x80, 0x00, 0x08};

	if (len != 3 || request[1] != 0x02)
		return refuse(request[0], NRC_WRONG_LENGTH, answer);
	memcpy(answer, one, sizeof(one));
	return unit->has_vin && (request[2] & 0x08) ? sizeof(one) : 3;
}

static size_t answer_own(struct vehicle *vehicle, const struct unit *unit, const uint8_t *request,
			 size_t len, uint8_t *answer, unsigned *ret_pending)
{
	size_t want = request[0] == 0x22 ? 3 : 2;
	unsigned id = len >= 3 ? (unsigned)request[1] << 8 | request[2] : 0;

	if (request[0] == 0x19)
		return answer_dtcs(unit, request, len, answer);
	if (request[0] != 0x21 && request[0] != 0x22)
		return refuse(request[0], NRC_SERVICE_NOT_SUPPORTED, answer);
	if (len != want)
		return refuse(request[0], NRC_WRONG_LENGTH, answer);
	if (request[0] == 0x21)
		id = request[1];
	if (unit->has_vin && id == (request[0] == 0x22 ? 0xF190u : 0x81u))
		return answer_vin(vehicle, request, answer);
	for (const struct unit_record *record = unit->records; record && record->service != 0;
	     record++) {
		if (record->service != request[0] || record->id != id)
			continue;
		*ret_pending = record->pending;
		return put_record(vehicle, record, answer);
	}
	return refuse(request[0], NRC_OUT_OF_RANGE, answer);
}

size_t unit_answer(struct vehicle *vehicle, const struct unit *unit, bool functional,
		   const uint8_t *request, size_t len, uint8_t *answer, unsigned *ret_pending)
{
	bool legislated = len > 0 && request[0] < 0x10;

	*ret_pending = 0;
	if (len == 0)
		return 0;
	if (legislated) {
		if (unit->legislated < 0 || !units_of(vehicle->kind)->functional)
			return 0;
		return ecu_answer(vehicle, (unsigned)unit->legislated, request, len, answer);
	}
	/* Whoever is asked together with others keeps silent about what it does not know. */
	return functional ? 0 : answer_own(vehicle, unit, request, len, answer, ret_pending);
}
