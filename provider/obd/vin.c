#include <string.h>

#include "provider/obd/reading.h"

/* ISO 3779: the first character is the region. 1 to 5 is North America (49 CFR 565.15 demands the
 * check digit), L is China (GB 16735 demands it). Elsewhere the ninth character is the maker's own:
 * that it fits the sum there is chance. */
static bool uses_check_digit(char region)
{
	return (region >= '1' && region <= '5') || region == 'L';
}

enum obd_vin obd_vin_check(const char *vin)
{
	if (!model_vin_valid(vin, strnlen(vin, MODEL_VIN_SIZE)))
		return OBD_VIN_BAD;
	if (!uses_check_digit(vin[0]))
		return OBD_VIN_UNCHECKED;
	return model_vin_check_digit_ok(vin) ? OBD_VIN_RIGHT : OBD_VIN_WRONG_SUM;
}
