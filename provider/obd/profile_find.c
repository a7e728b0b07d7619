/* Where profiles are. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ids.h"
#include "provider/obd/profile.h"

/* Our own format first: it may complete a signal set of the same name. */
static const char *const suffixes[] = {".conf", ".json"};

#define SUFFIX_COUNT (sizeof(suffixes) / sizeof(suffixes[0]))

const char *profile_dir(void)
{
	return FRESHET_PROFILE_DIR;
}

/* DIR/NAME.SUFFIX, or DIR where there is no name. */
static int put_path(const char *dir, const char *name, const char *suffix, char *out, size_t size)
{
	const int len = snprintf(out, size, "%s%s%s%s", dir, *name ? "/" : "", name, suffix);

	return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

int profile_find(const char *dir, const char *name, char *out, size_t size)
{
	if (strchr(name, '/'))
		return put_path(name, "", "", out, size);
	if (!ids_valid(name, strlen(name)))
		return -EINVAL;
	for (size_t i = 0; i < SUFFIX_COUNT; i++) {
		const int r = put_path(dir, name, suffixes[i], out, size);

		if (r < 0 || access(out, F_OK) == 0)
			return r;
	}
	return put_path(dir, name, suffixes[0], out, size);
}

static int is_profile(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	if (!dot || entry->d_name[0] == '.')
		return 0;
	for (size_t i = 0; i < SUFFIX_COUNT; i++) {
		if (strcmp(dot, suffixes[i]) == 0)
			return 1;
	}
	return 0;
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
		if (r == 0)
			r = put_path(dir, entries[i]->d_name, "", path, sizeof(path));
		if (r == 0)
			r = each(arg, path);
		free(entries[i]);
	}
	free((void *)entries);
	return r;
}
