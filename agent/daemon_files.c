#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/daemon_priv.h"

int daemon_spool_path(const struct agent_config *config, char out[static DAEMON_PATH_MAX])
{
	if (snprintf(out, DAEMON_PATH_MAX, "%s/spool.db", config->state_dir) >= DAEMON_PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static int make_folders(const char *path)
{
	char part[DAEMON_PATH_MAX];

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (const char *at = strchr(path + 1, '/');; at = strchr(at + 1, '/')) {
		const size_t len = at ? (size_t)(at - path) : strlen(path);

		memcpy(part, path, len);
		part[len] = '\0';
		if (mkdir(part, 0750) && errno != EEXIST)
			return -errno;
		if (!at)
			return 0;
	}
}

int daemon_make_parent(const char *path)
{
	char folder[DAEMON_PATH_MAX];
	const char *slash = strrchr(path, '/');
	const size_t len = slash ? (size_t)(slash - path) : 0;

	if (!len)
		return 0;
	if (len >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, path, len);
	folder[len] = '\0';
	return make_folders(folder);
}

int daemon_lock(const struct agent_config *config)
{
	char path[DAEMON_PATH_MAX];
	int fd;
	int r = make_folders(config->state_dir);

	if (r)
		return r;
	if (snprintf(path, sizeof(path), "%s/lock", config->state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}
