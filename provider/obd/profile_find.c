/* Where profiles are. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "provider/obd/profile.h"

#define SUFFIX ".conf"

const char *profile_dir(void)
{
	return FRESHET_PROFILE_DIR;
}

int profile_find(const char *dir, const char *name, char *out, size_t size)
{
	int len;

	if (strchr(name, '/'))
		len = snprintf(out, size, "%s", name);
	else if (ids_valid(name, strlen(name)))
		len = snprintf(out, size, "%s/%s" SUFFIX, dir, name);
	else
		return -EINVAL;
	return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

static int is_profile(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);
	const size_t end = strlen(SUFFIX);

	return entry->d_name[0] != '.' && len > end &&
	       strcmp(entry->d_name + len - end, SUFFIX) == 0;
}

int profile_list(const char *dir, int (*each)(void *arg, const char *path), void *arg)
{
	struct dirent **entries = NULL;
	char path[PATH_MAX];
	int r = 0;
	const int count = scandir(dir, &entries, is_profile, alphasort);

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		const int len = snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);

		if (r == 0 && (len < 0 || (size_t)len >= sizeof(path)))
			r = -ENAMETOOLONG;
		if (r == 0)
			r = each(arg, path);
		free(entries[i]);
	}
	free((void *)entries);
	return r;
}
