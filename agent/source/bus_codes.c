/* Trouble codes of several units become lists. */
#include <string.h>

#include "agent/source/bus_priv.h"

/* DM1 comes every second while a code is active (J1939-73 5.7.1); a unit without codes need not go on
 * to speak. */
#define HEARD_US (10 * BUS_SECOND)
#define GATHER_US (3 * BUS_SECOND) /* until every unit has spoken once */
#define AGAIN_US (60 * BUS_SECOND)

void bus_codes_init(struct bus_codes *codes)
{
	memset(codes, 0, sizeof(*codes));
	codes->first_us = MODEL_NO_TIME;
	codes->told_us = MODEL_NO_TIME;
}

static struct bus_unit *unit_of(struct bus_codes *codes, uint8_t address)
{
	size_t i = 0;

	while (i < codes->count && codes->units[i].address != address)
		i++;
	if (i == BUS_UNITS_MAX)
		return NULL;
	if (i == codes->count) {
		codes->units[i] = (struct bus_unit){.address = address, .lamp = 3};
		codes->count++;
		codes->changed = true;
	}
	return &codes->units[i];
}

static bool same_codes(const struct bus_unit *unit, const struct j1939_dtc *dtcs, size_t count)
{
	if (unit->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (unit->codes[i].spn != dtcs[i].spn || unit->codes[i].fmi != dtcs[i].fmi)
			return false;
	return true;
}

bool bus_codes_take(struct bus_codes *codes, uint8_t address, const uint8_t *data, size_t len,
		    int64_t now_us, int64_t *rejected)
{
	struct j1939_dtc dtcs[BUS_CODES_MAX];
	struct j1939_lamps lamps;
	struct bus_unit *unit;
	size_t count = 0;

	if (!j1939_dtcs(data, len, &lamps, dtcs, BUS_CODES_MAX, &count))
		return false;
	unit = unit_of(codes, address);
	if (!unit)
		return false;
	if (count > BUS_CODES_MAX) {
		*rejected += (int64_t)(count - BUS_CODES_MAX);
		count = BUS_CODES_MAX;
	}
	unit->heard_us = now_us;
	if (codes->first_us == MODEL_NO_TIME)
		codes->first_us = now_us;
	if (!same_codes(unit, dtcs, count) || unit->lamp != lamps.malfunction)
		codes->changed = true;
	unit->lamp = lamps.malfunction;
	memcpy(unit->codes, dtcs, count * sizeof(dtcs[0]));
	unit->count = count;
	return true;
}

void bus_codes_expire(struct bus_codes *codes, int64_t now_us)
{
	for (size_t i = 0; i < codes->count;) {
		if (now_us - codes->units[i].heard_us <= HEARD_US) {
			i++;
			continue;
		}
		codes->units[i] = codes->units[--codes->count];
		codes->changed = true;
	}
}

void bus_codes_wake(struct bus_codes *codes, int64_t now_us)
{
	for (size_t i = 0; i < codes->count; i++)
		codes->units[i].heard_us = now_us;
}

static bool has(const char *list, size_t len, const char *text)
{
	for (size_t at = 0; at < len; at += strlen(list + at) + 1)
		if (strcmp(list + at, text) == 0)
			return true;
	return false;
}

size_t bus_codes_list(const struct bus_codes *codes, char *out, size_t size, int64_t *rejected)
{
	size_t len = 0;

	for (size_t i = 0; i < codes->count; i++) {
		for (size_t j = 0; j < codes->units[i].count; j++) {
			char text[J1939_DTC_TEXT];
			size_t n;

			j1939_dtc_text(&codes->units[i].codes[j], text);
			n = strlen(text) + 1;
			if (has(out, len, text))
				continue;
			if (len + n > size) {
				(*rejected)++;
				continue;
			}
			memcpy(out + len, text, n);
			len += n;
		}
	}
	return len;
}

int bus_codes_lamp(const struct bus_codes *codes)
{
	int lamp = -1;

	for (size_t i = 0; i < codes->count; i++) {
		if (codes->units[i].lamp == 1)
			return 1;
		if (codes->units[i].lamp == 0)
			lamp = 0;
	}
	return lamp;
}

bool bus_codes_due(const struct bus_codes *codes, int64_t now_us)
{
	if (codes->first_us == MODEL_NO_TIME || now_us - codes->first_us < GATHER_US)
		return false;
	return codes->told_us == MODEL_NO_TIME || codes->changed ||
	       (codes->count && now_us - codes->told_us >= AGAIN_US);
}
