#include "provider/obd/profile_priv.h"

int profile_read_obdb(struct profile_build *build, const char *text, size_t len)
{
	(void)text;
	(void)len;
	(void)profile_build_error(
		build, 1, "", "",
		"a profile in Freshet's own format: signal sets of OBDb (JSON) are "
		"not read yet");
	return 0;
}
