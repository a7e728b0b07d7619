#include "provider/obd/obd.h"

struct mapping {
	uint8_t pid;
	enum model_field field;
};

/* SAE J1979-DA; the units are those of the fields. */
static const struct mapping mappings[] = {
	{0x05, MODEL_FIELD_ENGINE_COOLANT_TEMP_C},
	{0x0c, MODEL_FIELD_ENGINE_RPM},
	{0x0d, MODEL_FIELD_SPEED_KMH},
	{0x2f, MODEL_FIELD_FUEL_LEVEL_PCT},
	{0x42, MODEL_FIELD_AUX_BATTERY_V},
	{0x46, MODEL_FIELD_OUTSIDE_TEMP_C},
	{0x5b, MODEL_FIELD_STATE_OF_CHARGE_PCT},
	{0xa6, MODEL_FIELD_ODOMETER_KM},
};

int obd_field(uint8_t pid)
{
	for (size_t i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++)
		if (mappings[i].pid == pid)
			return (int)mappings[i].field;
	return -1;
}

int obd_apply(struct model_update *update, uint8_t pid, double value)
{
	const int field = obd_field(pid);
	int r;

	if (field < 0)
		return 0;
	r = model_update_set_number(update, (enum model_field)field, value);
	return r < 0 ? r : 1;
}

enum model_ignition obd_ignition(const struct obd_evidence *evidence)
{
	const bool charging = evidence->has_voltage && evidence->voltage_v >= OBD_CHARGING_V;

	if (evidence->silent)
		return MODEL_IGNITION_OFF;
	if (!evidence->answers)
		return MODEL_IGNITION_UNKNOWN;
	if ((evidence->has_rpm && evidence->rpm > 0) ||
	    (evidence->has_speed && evidence->speed_kmh > 0))
		return MODEL_IGNITION_ON;
	if (charging)
		return evidence->has_rpm || evidence->has_speed ? MODEL_IGNITION_ON
								: MODEL_IGNITION_UNKNOWN;
	return MODEL_IGNITION_ACCESSORY;
}
