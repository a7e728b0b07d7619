#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_MIN 4096

static int make_room(char **text, size_t *room, size_t len)
{
	const size_t more = *room ? *room * 2 : ROOM_MIN;
	char *larger;

	if (len + 1 < *room)
		return 0;
	larger = realloc(*text, more);
	if (!larger)
		return -ENOMEM;
	*text = larger;
	*room = more;
	return 0;
}

/* *text is the caller's to free, also after an error. */
static int read_all(int fd, size_t most, char **text, size_t *ret_len)
{
	size_t room = 0, len = 0;

	for (;;) {
		ssize_t n;
		const int r = make_room(text, &room, len);

		if (r < 0)
			return r;
		n = read(fd, *text + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > most)
			return -EFBIG;
	}
	(*text)[len] = '\0';
	*ret_len = len;
	return 0;
}

int file_read(const char *path, size_t most, char **ret_text, size_t *ret_len)
{
	/* Opening a FIFO would wait for a writer; reading from one that has a writer may wait. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text = NULL;
	size_t len = 0;
	int r;

	if (fd < 0)
		return -errno;
	r = fcntl(fd, F_SETFL, 0) < 0 ? -errno : read_all(fd, most, &text, &len);
	close(fd);
	if (r < 0) {
		free(text);
		return r;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

static int judge_secret(int fd)
{
	struct stat info;

	if (fstat(fd, &info))
		return -errno;
	if (!S_ISREG(info.st_mode))
		return -EINVAL;
	return info.st_mode & 077 ? -EPERM : 0;
}

int file_open_secret(const char *path, int *ret_fd, char *problem, size_t problem_size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const int r = fd < 0 ? -errno : judge_secret(fd);

	if (!r) {
		*ret_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	if (problem && r == -EPERM)
		(void)snprintf(problem, problem_size,
			       "%s may be read by others than its owner: chmod 600 %s", path, path);
	else if (problem)
		(void)snprintf(problem, problem_size, "%s: %s", path,
			       r == -EINVAL ? "not a file" : strerror(-r));
	return r;
}

int file_sync_name(const char *path)
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
