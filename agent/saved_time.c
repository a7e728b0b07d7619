#include "agent/saved_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int saved_time_store(const char *folder, int64_t ms)
{
	char path[PATH_SIZE];
	char beside[PATH_SIZE];
	char text[32];
	int r = 0;
	int len;
	int fd;

	if (snprintf(path, sizeof(path), "%s/time", folder) >= (int)sizeof(path) ||
	    snprintf(beside, sizeof(beside), "%s/time.new", folder) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	len = snprintf(text, sizeof(text), "%lld\n", (long long)ms);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)len) != len)
		r = errno ? -errno : -EIO;
	if (close(fd) && !r)
		r = -errno;
	if (!r && rename(beside, path))
		r = -errno;
	return r;
}
