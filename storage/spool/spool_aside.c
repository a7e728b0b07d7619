/* Setting a corrupt file aside. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "base/rfc3339.h"
#include "storage/spool/spool_priv.h"

/* Set-aside files of one millisecond (a clock may stand still). */
#define ASIDE_TRIES 100

static int rename_suffixed(const char *from, const char *to, const char *suffix)
{
	char *old = NULL, *new = NULL;
	int r = -ENOMEM;

	if (asprintf(&old, "%s%s", from, suffix) < 0)
		old = NULL;
	if (asprintf(&new, "%s%s", to, suffix) < 0)
		new = NULL;
	if (old && new &&access(new, F_OK) == 0)
		r = -EEXIST;
	else if (old && new)
		r = rename(old, new) ? -errno : 0;
	free(old);
	free(new);
	return r;
}

static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int fd, r = 0;

	if (!slash)
		folder = strdup(".");
	else
		folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		r = -errno;
	(void)close(fd);
	return r;
}

/* The log goes last. Were it gone and the file not, the file alone could pass for an older state of
 * the spool, and numbers would be given twice. The log alone never passes: with pages missing it is
 * corrupt again, with none missing it is the newest state. */
static int move_aside(const char *path, const char *aside)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	size_t i;
	int r;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		r = rename_suffixed(path, aside, suffixes[i]);
		if (r && (r != -ENOENT || i == 0))
			return r;
	}
	return sync_folder(path);
}

int spool_set_aside(struct clock *clock, const char *path, char **ret_aside)
{
	char time[RFC3339_SIZE], *aside = NULL;
	int i, r = -EEXIST;

	rfc3339_format(clock_wall_ms(clock), time);
	for (i = 1; i <= ASIDE_TRIES && r == -EEXIST; i++) {
		free(aside);
		if (i == 1)
			r = asprintf(&aside, "%s.corrupt-%s", path, time);
		else
			r = asprintf(&aside, "%s.corrupt-%s-%d", path, time, i);
		if (r < 0)
			return -ENOMEM;
		r = move_aside(path, aside);
	}
	if (r) {
		free(aside);
		return r;
	}
	*ret_aside = aside;
	return 0;
}
