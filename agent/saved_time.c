#include "agent/saved_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define PATH_SIZE 4096

int64_t saved_time_load(const char *folder)
{
	char path[PATH_SIZE];
	char text[32];
	long long ms;
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/time", folder) >= (int)sizeof(path))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	ms = strtoll(text, NULL, 10);
	return ms > 0 ? ms : 0;
}

/* Writes it and sees it on disk. */
static int write_synced(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		r = -errno;
	else if ((size_t)n != len)
		r = -ENOSPC;
	if (!r && fsync(fd))
		r = -errno;
	if (close(fd) && !r)
		r = -errno;
	return r;
}

int saved_time_store(const char *folder, int64_t ms)
{
	const int64_t saved = saved_time_load(folder);
	char path[PATH_SIZE];
	char beside[PATH_SIZE];
	char text[32];
	int r, len;

	if (saved >= ms && saved - ms < SAVED_TIME_AHEAD_MS)
		return 0;
	if (snprintf(path, sizeof(path), "%s/time", folder) >= (int)sizeof(path) ||
	    snprintf(beside, sizeof(beside), "%s/time.new", folder) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	len = snprintf(text, sizeof(text), "%lld\n", (long long)ms);
	r = write_synced(beside, text, (size_t)len);
	if (!r && rename(beside, path))
		r = -errno;
	if (r) {
		(void)unlink(beside);
		return r;
	}
	return file_sync_name(path);
}
