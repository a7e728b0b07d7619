#include <net/if.h>
#include <string.h>

#include "hal/can.h"

bool canbus_name_valid(const char *name)
{
	const size_t len = strlen(name);

	if (len < 1 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/' || name[i] == ':')
			return false;
	return true;
}

const char *canbus_interface(const char *address)
{
	static const char scheme[] = "can:";
	const size_t len = sizeof(scheme) - 1;

	return strncmp(address, scheme, len) == 0 && canbus_name_valid(address + len)
		       ? address + len
		       : NULL;
}
