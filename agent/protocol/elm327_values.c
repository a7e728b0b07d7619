#include "agent/protocol/elm327_priv.h"

bool elm327_parse_protocol(const char *text, uint8_t *ret_protocol, bool *ret_auto)
{
	bool automatic = false;
	int digit;

	if (elm327_upper(text[0]) == 'A' && text[1]) {
		automatic = true;
		text++;
	}
	digit = elm327_hex_digit(elm327_upper(text[0]));
	if (digit < 0 || digit > 12 || text[1])
		return false;
	*ret_protocol = (uint8_t)digit;
	*ret_auto = automatic;
	return true;
}

bool elm327_parse_voltage(const char *text, double *ret_volts)
{
	double value = 0;
	double scale = 1;
	bool fraction = false;
	size_t digits = 0;

	for (; *text && elm327_upper(*text) != 'V'; text++) {
		if (*text == '.' && !fraction && digits) {
			fraction = true;
			continue;
		}
		if (*text < '0' || *text > '9' || ++digits > 6)
			return false;
		value = value * 10 + (*text - '0');
		if (fraction)
			scale *= 10;
	}
	if (!digits || elm327_upper(*text) != 'V' || text[1] || value / scale > 40)
		return false;
	*ret_volts = value / scale;
	return true;
}

struct elm327_config elm327_config_functional(uint8_t protocol)
{
	struct elm327_config config = {.headers = true, .protocol = protocol};

	if (protocol == 6 || protocol == 8) {
		config.id_digits = 3;
		config.rx_id = 0x7e8;
		config.rx_mask = 0x7f8;
	} else if (protocol == 7 || protocol == 9) {
		config.id_digits = 8;
		config.rx_id = 0x18daf100;
		config.rx_mask = 0x1fffff00;
	}
	return config;
}
