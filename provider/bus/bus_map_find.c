/* Where maps are. */
#include <errno.h>
#include <string.h>

#include "base/ids.h"
#include "provider/bus/bus_map.h"

const char *bus_map_dir(void)
{
	return FRESHET_MAP_DIR;
}

int bus_map_find(const char *dir, const char *name, char *out, size_t size)
{
	int len;

	if (!strchr(name, '/') && !ids_valid(name, strlen(name)))
		return -EINVAL;
	if (strchr(name, '/'))
		len = snprintf(out, size, "%s", name);
	else
		len = snprintf(out, size, "%s/%s.conf", dir, name);
	return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}
