/* Setting a corrupt file aside. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
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
	return file_sync_name(path);
}

/* Old ones go.
 *
 * They are kept for whoever wants to look at them; they must not fill the disk. */

struct aside {
	char *path;
	struct timespec since; /* its renaming */
	int64_t bytes;
};

struct asides {
	struct aside *items;
	size_t count;
};

static void free_asides(struct asides *asides)
{
	size_t i;

	for (i = 0; i < asides->count; i++)
		free(asides->items[i].path);
	free(asides->items);
}

static int add_aside(struct asides *asides, char *path)
{
	struct aside *items;
	struct stat st;

	if (stat(path, &st)) {
		free(path);
		return 0; /* it went in between */
	}
	items = realloc(asides->items, (asides->count + 1) * sizeof(*items));
	if (!items) {
		free(path);
		return -ENOMEM;
	}
	asides->items = items;
	items[asides->count++] =
		(struct aside){.path = path, .since = st.st_ctim, .bytes = st.st_size};
	return 0;
}

static bool is_log(const char *name)
{
	const size_t len = strlen(name);

	return len > 4 &&
	       (strcmp(name + len - 4, "-wal") == 0 || strcmp(name + len - 4, "-shm") == 0);
}

static int newer_first(const void *a, const void *b)
{
	const struct timespec *one = &((const struct aside *)a)->since;
	const struct timespec *other = &((const struct aside *)b)->since;

	if (one->tv_sec != other->tv_sec)
		return one->tv_sec < other->tv_sec ? 1 : -1;
	return (one->tv_nsec < other->tv_nsec) - (one->tv_nsec > other->tv_nsec);
}

static int read_folder(DIR *dir, const char *folder, const char *prefix, struct asides *asides)
{
	struct dirent *entry;
	char *path;
	int r = 0;

	while (r == 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || is_log(entry->d_name))
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
			return -ENOMEM;
		r = add_aside(asides, path);
	}
	return r;
}

/* All that were set aside of `path`, the newest first. */
static int find_asides(const char *path, struct asides *asides)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	char *prefix = NULL;
	DIR *dir = NULL;
	int r = -ENOMEM;

	if (asprintf(&prefix, "%s.corrupt-", slash ? slash + 1 : path) < 0)
		prefix = NULL;
	if (!folder || !prefix)
		goto out;
	dir = opendir(folder);
	r = dir ? read_folder(dir, folder, prefix, asides) : -errno;
	if (r == 0 && asides->count > 1)
		qsort(asides->items, asides->count, sizeof(*asides->items), newer_first);
out:
	if (dir)
		(void)closedir(dir);
	free(prefix);
	free(folder);
	return r;
}

/* True where what is read of a file has room beside it. */
static bool has_room(const char *path, int64_t bytes)
{
	struct statvfs fs;

	return statvfs(path, &fs) != 0 || (int64_t)fs.f_bavail * (int64_t)fs.f_frsize > bytes;
}

static void remove_aside(const char *path)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char *name;
	size_t i;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
			return;
		(void)unlink(name);
		free(name);
	}
}

/* Keeps the newest `most`; of these fewer where the newest has no room to be copied. */
static void prune(const char *path, size_t most)
{
	struct asides asides = {.items = NULL};
	size_t i;

	if (find_asides(path, &asides) == 0) {
		for (i = asides.count; i > 1; i--)
			if (i > most || !has_room(asides.items[0].path, asides.items[0].bytes))
				remove_aside(asides.items[i - 1].path);
	}
	free_asides(&asides);
}

int spool_set_aside(struct clock *clock, const char *path, size_t most, char **ret_aside)
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
	prune(path, most);
	*ret_aside = aside;
	return 0;
}
