/* Freshet's own format (docs/profiles.md): an INI file. */
#include "provider/obd/profile_priv.h"

int profile_read_file(struct profile_build *build, const char *text, size_t len, const char *path)
{
	(void)text;
	(void)len;
	(void)path;
	(void)profile_build_error(build, 1, "", "", "a signal set of OBDb (JSON)");
	return 0;
}
