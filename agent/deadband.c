#include "agent/deadband.h"

#include <math.h>
#include <stdlib.h>

/* A difference of one step is that, whatever is lost where the step is no binary fraction. */
#define NEARLY 0.999
#define BAND_MAX 1000000
#define FULL_CIRCLE 360
#define LOCATION_M "10"

static const struct band {
	const char *key, *fallback;
	enum model_field first, last;
} bands_by_key[] = {
#define BAND(name, band, first, last, unit) {#name, band, MODEL_FIELD_##first, MODEL_FIELD_##last},
#include "agent/deadband.def"
};

const struct conf_key deadband_keys[] = {
#define BAND(name, band, first, last, unit)                                                        \
	{#name,                                                                                    \
	 CONF_NUMBER,                                                                              \
	 band,                                                                                     \
	 0,                                                                                        \
	 BAND_MAX,                                                                                 \
	 NULL,                                                                                     \
	 unit ": a smaller difference to what was told is withheld, 0 tells every change"},
#include "agent/deadband.def"
	{"location_m", CONF_NUMBER, LOCATION_M, 0, BAND_MAX, NULL,
	 "m: a position that is nearer to the told one is withheld, 0 tells every change"},
	{.name = NULL},
};

static void set(struct deadband *bands, const struct band *band, double value)
{
	for (enum model_field f = band->first; f <= band->last; f++)
		bands->of[f] = value;
}

void deadband_default(struct deadband *ret_bands)
{
	*ret_bands = (struct deadband){.location_m = strtod(LOCATION_M, NULL)};
	for (size_t i = 0; i < sizeof(bands_by_key) / sizeof(bands_by_key[0]); i++)
		set(ret_bands, &bands_by_key[i], strtod(bands_by_key[i].fallback, NULL));
}

void deadband_read(const struct conf_sect *sect, struct deadband *ret_bands)
{
	*ret_bands = (struct deadband){.location_m = conf_number(sect, "location_m")};
	for (size_t i = 0; i < sizeof(bands_by_key) / sizeof(bands_by_key[0]); i++)
		set(ret_bands, &bands_by_key[i], conf_number(sect, bands_by_key[i].key));
}

static double distance(enum model_field field, double a, double b)
{
	const double apart = fabs(a - b);

	if (field != MODEL_FIELD_HEADING_DEG || apart <= FULL_CIRCLE / 2.0)
		return apart;
	return FULL_CIRCLE - apart;
}

static bool is_end(enum model_field field, double value)
{
	const struct model_field_info *info = model_field_info(field);

	return value == 0 || value == info->min || value == info->max;
}

bool deadband_is_news(const struct deadband *bands, enum model_field field, double told,
		      double value)
{
	if (told == value)
		return false;
	return is_end(field, value) || distance(field, told, value) >= bands->of[field] * NEARLY;
}
