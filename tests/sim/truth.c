/* What is true of a vehicle, in the canonical model's words: for tests that compare. */
#include <stdarg.h>
#include <string.h>

#include "tests/sim/ecu.h"
#include "tests/sim/vehicle.h"

struct text {
	char *out;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *fmt, ...)
{
	va_list args;
	int n;

	if (text->used >= text->size)
		return;
	va_start(args, fmt);
	n = vsnprintf(text->out + text->used, text->size - text->used, fmt, args);
	va_end(args);
	text->used += n > 0 ? (size_t)n : 0;
}

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

static void put_state(struct text *text, const struct vehicle *vehicle)
{
	put(text,
	    "\"vehicle_state\":{\"odometer_km\":%.3f,\"speed_kmh\":%.3f,\"ignition\":\"%s\","
	    "\"gear\":\"%s\",\"aux_battery_v\":%.3f,\"outside_temp_c\":%.3f,\"inside_temp_c\":%.3f",
	    vehicle->odometer_km, vehicle->speed_kmh, vehicle_ignition_on(vehicle) ? "on" : "off",
	    vehicle->activity == VEHICLE_DRIVING ? "d" : "p", vehicle->aux_battery_v,
	    vehicle->outside_c, vehicle->outside_c + 6);
	if (vehicle_has_engine(vehicle))
		put(text,
		    ",\"engine_rpm\":%.3f,\"engine_coolant_temp_c\":%.3f,\"fuel_level_pct\":%.3f",
		    vehicle_rpm(vehicle), vehicle->coolant_c, vehicle->fuel_pct);
	put(text, ",\"tyre_pressure_kpa\":{\"fl\":%.3f,\"fr\":%.3f,\"rl\":%.3f,\"rr\":%.3f}},",
	    vehicle_tyre_kpa(vehicle, 0), vehicle_tyre_kpa(vehicle, 1),
	    vehicle_tyre_kpa(vehicle, 2), vehicle_tyre_kpa(vehicle, 3));
}

static void put_battery(struct text *text, const struct vehicle *vehicle)
{
	put(text,
	    "\"battery\":{\"state_of_charge_pct\":%.3f,\"bms_state_of_charge_pct\":%.3f,"
	    "\"pack_voltage_v\":%.3f,\"pack_current_a\":%.3f,\"pack_power_kw\":%.3f,",
	    vehicle->soc_pct, vehicle_bms_soc_pct(vehicle), vehicle->pack_v, vehicle->pack_a,
	    vehicle->pack_v * vehicle->pack_a / 1000);
	put(text,
	    "\"temperature_min_c\":%.3f,\"temperature_max_c\":%.3f,\"cell_min_v\":%.4f,"
	    "\"cell_max_v\":%.4f,",
	    vehicle->pack_temp_c, vehicle->pack_temp_c + 2, vehicle_cell_v(vehicle, -0.02),
	    vehicle_cell_v(vehicle, 0.02));
	put(text,
	    "\"state_of_health_pct\":%.3f,\"usable_capacity_kwh\":%.3f,"
	    "\"estimated_range_km\":%.3f,\"charging_state\":\"%s\"},",
	    vehicle->soh_pct, vehicle_capacity_kwh(vehicle), vehicle_range_km(vehicle),
	    !vehicle_charging(vehicle) ? "disconnected"
	    : vehicle->soc_pct >= 100  ? "complete"
				       : "charging");
}

static void put_charging(struct text *text, const struct vehicle *vehicle)
{
	put(text,
	    "\"charging\":{\"plugged_in\":%s,\"charger_power_kw\":%.3f,"
	    "\"charger_current_a\":%.3f,\"charger_voltage_v\":%d,\"fast_charger_present\":%s},",
	    boolean(vehicle_charging(vehicle)), vehicle_charger_kw(vehicle),
	    vehicle->activity == VEHICLE_CHARGING ? 1000 * vehicle_charger_kw(vehicle) / 230 : 0,
	    vehicle->activity == VEHICLE_CHARGING ? 230 : 0,
	    boolean(vehicle->activity == VEHICLE_FAST_CHARGING));
}

static void put_codes(struct text *text, const struct vehicle *vehicle, const char *name,
		      uint8_t service)
{
	uint16_t codes[4];
	size_t count = ecu_trouble_codes(vehicle, service, codes);

	put(text, "\"%s\":[", name);
	for (size_t i = 0; i < count; i++)
		put(text, "%s\"%c%04X\"", i > 0 ? "," : "", "PCBU"[codes[i] >> 14],
		    codes[i] & 0x3FFFu);
	put(text, "]");
}

static void put_service(struct text *text, const struct vehicle *vehicle)
{
	uint16_t codes[4];

	put(text, "\"service\":{\"mil_on\":%s,",
	    boolean(ecu_trouble_codes(vehicle, 0x03, codes) > 0));
	put_codes(text, vehicle, "dtc_confirmed", 0x03);
	put(text, ",");
	put_codes(text, vehicle, "dtc_pending", 0x07);
	put(text, ",");
	put_codes(text, vehicle, "dtc_permanent", 0x0A);
	put(text, "},");
}

void vehicle_print_truth(const struct vehicle *vehicle, char *out, size_t size)
{
	struct text text = {.out = out, .size = size};

	put(&text, "{\"identity\":{\"vin\":\"%s\"},", vehicle->vin);
	put_state(&text, vehicle);
	if (vehicle_has_traction_battery(vehicle)) {
		put_battery(&text, vehicle);
		put_charging(&text, vehicle);
	}
	put_service(&text, vehicle);
	put(&text, "\"sim\":{\"kind\":\"%s\",\"profile\":\"%s\",\"activity\":\"%s\",\"asleep\":%s,",
	    vehicle_kind_name(vehicle->kind), vehicle_kind_profile(vehicle->kind),
	    vehicle_activity_name(vehicle->activity), boolean(vehicle_asleep(vehicle)));
	put(&text,
	    "\"requests\":%lld,\"requests_parked\":%lld,\"requests_asleep\":%lld,\"wakeups\":%lld,"
	    "\"starved\":%lld,\"forbidden\":%lld}}",
	    (long long)vehicle->counts.requests, (long long)vehicle->counts.requests_parked,
	    (long long)vehicle->counts.requests_asleep, (long long)vehicle->counts.wakeups,
	    (long long)vehicle->counts.starved, (long long)vehicle->counts.forbidden);
}
