#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/daemon_priv.h"

int daemon_spool_config(const struct agent_config *config, struct clock *clock,
			struct daemon_spool_paths *paths, struct spool_config *ret_spool)
{
	if (snprintf(paths->disk, DAEMON_PATH_MAX, "%s/spool.db", config->state_dir) >=
		    DAEMON_PATH_MAX ||
	    snprintf(paths->young, DAEMON_PATH_MAX, "%s/young.db", config->run_dir) >=
		    DAEMON_PATH_MAX)
		return -ENAMETOOLONG;
	*ret_spool = config->spool;
	ret_spool->path = paths->disk;
	ret_spool->young_path = paths->young;
	ret_spool->clock = clock;
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

static int lock_folder(const char *folder)
{
	char path[DAEMON_PATH_MAX];
	int fd;
	int r = make_folders(folder);

	if (r)
		return r;
	if (snprintf(path, sizeof(path), "%s/lock", folder) >= (int)sizeof(path))
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

int daemon_lock(const struct agent_config *config)
{
	return lock_folder(config->state_dir);
}

int daemon_lock_run(const struct agent_config *config)
{
	return lock_folder(config->run_dir);
}

bool daemon_run_is_tmpfs(const struct agent_config *config)
{
	struct statfs fs;

	if (statfs(config->run_dir, &fs))
		return true;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}
