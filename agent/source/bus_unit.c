/* J1939: who the vehicle and its units are, and what troubles them. */
#include <string.h>

#include "agent/source/bus_priv.h"
#include "provider/obd/reading.h"

#define ENGINE 0
#define VIN_AGAIN_US (60 * BUS_SECOND)

/* ---- who it is ---- */

static const char *judgement(enum obd_vin sure)
{
	static const char *const names[] = {"bad", "wrong_sum", "unchecked", "right"};

	return names[sure];
}

static void tell_vin(struct bus *bus)
{
	if (bus->vin_told_us != MODEL_NO_TIME && bus->at_us - bus->vin_told_us < VIN_AGAIN_US)
		return;
	if (model_update_set_text(&bus->update, MODEL_FIELD_IDENTITY_VIN, bus->report.vin,
				  MODEL_VIN_LEN) == 0)
		bus->vin_told_us = bus->at_us;
}

/* The engine's word counts more than another unit's: a trailer has a VIN of its own. */
static bool counts_more(const struct bus *bus, uint8_t source)
{
	return source == bus->vin_source || (source == ENGINE && bus->vin_source != ENGINE);
}

static void take_vin(struct bus *bus, uint8_t source, const uint8_t *data, size_t len)
{
	struct source_report *report = &bus->report;
	char vin[J1939_VIN_SIZE];
	enum obd_vin sure;

	if (!j1939_vin(data, len, vin)) {
		report->rejected++;
		return;
	}
	sure = obd_vin_check(vin);
	if (sure == OBD_VIN_BAD || sure == OBD_VIN_WRONG_SUM) {
		memcpy(report->vin_given, vin, sizeof(report->vin_given));
		if (!report->vin[0])
			report->vin_judgement = judgement(sure);
		report->rejected++;
		return;
	}
	if (report->vin[0] && strcmp(report->vin, vin) != 0 && !counts_more(bus, source)) {
		report->rejected++;
		return;
	}
	if (bus->vin_last[0] && strcmp(bus->vin_last, vin) != 0) {
		/* Another vehicle: what was read of the last one does not count for it. */
		bus_reading_reset(bus->reading);
		model_update_clear(&bus->update);
		bus_begin_update(bus, bus->at_us);
		bus->vin_told_us = MODEL_NO_TIME;
	}
	bus->vin_source = source;
	report->vin_given[0] = '\0';
	report->vin_judgement = judgement(sure);
	memcpy(report->vin, vin, sizeof(report->vin));
	memcpy(bus->vin_last, vin, sizeof(bus->vin_last));
	tell_vin(bus);
}

/* "CMMNS 6B 79000000": make, model and serial number, as far as they are given. */
static void take_component(struct bus *bus, const uint8_t *data, size_t len)
{
	char *out = bus->report.bus.component;
	const size_t size = sizeof(bus->report.bus.component);
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < 3; i++) {
		char text[32];

		if (!j1939_text(data, len, i, text, sizeof(text)))
			continue;
		at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " " : "", text);
		if (at >= size)
			return;
	}
}

void bus_unit_take(struct bus *bus, const struct j1939_id *id, const uint8_t *data, size_t len)
{
	struct source_report *report = &bus->report;
	bool taken = true;

	switch (id->pgn) {
	case J1939_PGN_DM1:
		taken = bus_codes_take(&bus->active, id->source, data, len, bus->at_us,
				       &report->rejected);
		break;
	case J1939_PGN_DM2:
		taken = bus_codes_take(&bus->previous, id->source, data, len, bus->at_us,
				       &report->rejected);
		break;
	case J1939_PGN_VI:
		take_vin(bus, id->source, data, len);
		break;
	case J1939_PGN_CI:
		if (id->source == ENGINE)
			take_component(bus, data, len);
		break;
	case J1939_PGN_SOFT:
		/* The first byte says how many there are. */
		if (id->source == ENGINE && len > 1)
			(void)j1939_text(data + 1, len - 1, 0, report->bus.software,
					 sizeof(report->bus.software));
		break;
	default:
		break;
	}
	if (!taken)
		report->rejected++;
}

/* ---- what troubles it ---- */

static bool tell_codes(struct bus *bus, struct bus_codes *codes, enum model_field field,
		       int64_t now_us)
{
	size_t room = model_rows_bytes_max(MODEL_ROWS_TEXT);
	size_t len;

	if (!bus_codes_due(codes, now_us))
		return false;
	if (room > sizeof(bus->text))
		room = sizeof(bus->text);
	len = bus_codes_list(codes, bus->text, room, &bus->report.rejected);
	codes->changed = false;
	codes->told_us = now_us;
	if (model_update_set_text(&bus->update, field, bus->text, len))
		bus->report.rejected++;
	return true;
}

void bus_unit_tell(struct bus *bus, int64_t now_us)
{
	int lamp;

	bus_codes_expire(&bus->active, now_us);
	if (tell_codes(bus, &bus->active, MODEL_FIELD_DTC_CONFIRMED, now_us)) {
		lamp = bus_codes_lamp(&bus->active);
		if (lamp >= 0)
			(void)model_update_set_integer(&bus->update, MODEL_FIELD_MIL_ON, lamp);
	}
	/* Those that were active before are told when they are asked for, and count until then. */
	(void)tell_codes(bus, &bus->previous, MODEL_FIELD_DTC_PREVIOUS, now_us);
}
