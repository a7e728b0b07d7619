#include "tests/faults/fault_vfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include <sqlite3.h>

#define DISKS_MAX 8
/* A part of a write that finds the disk full is written: the first so many bytes of it. */
#define PART 512

/* A file that was seen, by its inode: renaming it past SQLite changes nothing. */
struct seen_file {
	dev_t device;
	ino_t inode;
	char *name; /* owned */
	bool made;  /* by SQLite; its first sync also syncs the folder */
	bool gone;
};

struct fault_disk {
	char *folder; /* with a slash at its end */
	struct fault_change *changes;
	size_t change_count, change_cap;
	struct seen_file *files; /* its index is the file's number */
	size_t file_count, file_cap;
	struct fault_plan plan;
	int64_t counted, failed;
	int64_t cut_at; /* -1: never */
	bool cut;
};

/* SQLite's idea of an open file; the real one follows it in memory. */
struct fault_file {
	sqlite3_file base;
	struct fault_disk *disk; /* NULL: none of ours */
	int number;
	sqlite3_file *real;
};

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	struct fault_disk *disks[DISKS_MAX];
	int64_t stamp;
	int last_error; /* of the last failure of our own making; 0: ask the real one */
} fault;

/* The journal. */

static void *must(void *memory)
{
	if (!memory)
		abort(); /* a test without memory has nothing to say */
	return memory;
}

static void add_change(struct fault_disk *disk, const struct fault_change *change)
{
	struct fault_change *slot;
	unsigned char *data;

	if (disk->change_count == disk->change_cap) {
		disk->change_cap = disk->change_cap ? 2 * disk->change_cap : 256;
		disk->changes =
			must(realloc(disk->changes, disk->change_cap * sizeof(*disk->changes)));
	}
	slot = &disk->changes[disk->change_count++];
	*slot = *change;
	slot->stamp = fault.stamp++;
	if (change->name)
		slot->name = must(strdup(change->name));
	if (change->data) {
		data = must(malloc(change->len ? change->len : 1));
		memcpy(data, change->data, change->len);
		slot->data = data;
	}
}

int64_t fault_disk_position(const struct fault_disk *disk)
{
	return (int64_t)disk->change_count;
}

const struct fault_change *fault_disk_change(const struct fault_disk *disk, int64_t position)
{
	return &disk->changes[position];
}

int64_t fault_stamp(void)
{
	return fault.stamp;
}

int64_t fault_disk_position_at(const struct fault_disk *disk, int64_t stamp)
{
	size_t low = 0, high = disk->change_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (disk->changes[middle].stamp < stamp)
			low = middle + 1;
		else
			high = middle;
	}
	return (int64_t)low;
}

void fault_disk_tally(const struct fault_disk *disk, int64_t *ret_writes, int64_t *ret_syncs)
{
	size_t i;

	*ret_writes = 0;
	*ret_syncs = 0;
	for (i = 0; i < disk->change_count; i++) {
		*ret_writes += disk->changes[i].kind == FAULT_WRITTEN ||
			       disk->changes[i].kind == FAULT_TRUNCATED;
		*ret_syncs += disk->changes[i].kind == FAULT_SYNCED;
	}
}

/* Faults. */

void fault_disk_plan(struct fault_disk *disk, const struct fault_plan *plan)
{
	disk->plan = plan ? *plan : (struct fault_plan){.ops = 0};
	disk->counted = 0;
	disk->failed = 0;
}

int64_t fault_disk_counted(const struct fault_disk *disk)
{
	return disk->counted;
}

int64_t fault_disk_failed(const struct fault_disk *disk)
{
	return disk->failed;
}

void fault_disk_cut(struct fault_disk *disk)
{
	disk->cut = true;
}

void fault_disk_cut_at(struct fault_disk *disk, int64_t position)
{
	disk->cut_at = position;
}

void fault_disk_uncut(struct fault_disk *disk)
{
	disk->cut = false;
	disk->cut_at = -1;
}

bool fault_disk_is_cut(const struct fault_disk *disk)
{
	return disk->cut;
}

/* The error that this operation is to fail with; 0: none. */
static int due(struct fault_disk *disk, unsigned op)
{
	const struct fault_plan *plan = &disk->plan;

	if (disk->cut_at >= 0 && (op & FAULT_CHANGES) &&
	    (int64_t)disk->change_count >= disk->cut_at)
		disk->cut = true;
	if (disk->cut)
		return EIO;
	if (!(plan->ops & op))
		return 0;
	disk->counted++;
	if (plan->at == 0 || disk->counted < plan->at ||
	    (plan->count > 0 && disk->counted >= plan->at + plan->count))
		return 0;
	disk->failed++;
	return plan->error;
}

/* As the real VFS reports it: the cause stands in errno and in what xGetLastError tells. */
static int fail(int error, int code)
{
	fault.last_error = error;
	errno = error;
	return error == ENOSPC && code != SQLITE_CANTOPEN ? SQLITE_FULL : code;
}

/* Files. */

static struct fault_file *fault_file(sqlite3_file *file)
{
	return (struct fault_file *)file;
}

static int file_close(sqlite3_file *base)
{
	struct fault_file *file = fault_file(base);

	return file->real->pMethods->xClose(file->real);
}

static int file_read(sqlite3_file *base, void *data, int len, sqlite3_int64 offset)
{
	struct fault_file *file = fault_file(base);
	int error = file->disk ? due(file->disk, FAULT_READ) : 0;

	if (error)
		return fail(error, SQLITE_IOERR_READ);
	return file->real->pMethods->xRead(file->real, data, len, offset);
}

static int write_through(struct fault_file *file, const void *data, int len, sqlite3_int64 offset)
{
	int r;

	r = file->real->pMethods->xWrite(file->real, data, len, offset);
	if (r == SQLITE_OK && file->disk)
		add_change(file->disk, &(struct fault_change){.kind = FAULT_WRITTEN,
							      .file = file->number,
							      .offset = offset,
							      .data = data,
							      .len = (size_t)len});
	return r;
}

static int file_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
	struct fault_file *file = fault_file(base);
	int error = file->disk ? due(file->disk, FAULT_WRITE) : 0;

	if (error == 0)
		return write_through(file, data, len, offset);
	if (error == ENOSPC && len > PART)
		(void)write_through(file, data, PART, offset);
	return fail(error, SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct fault_file *file = fault_file(base);
	int r, error = file->disk ? due(file->disk, FAULT_TRUNCATE) : 0;

	if (error)
		return fail(error, SQLITE_IOERR_TRUNCATE);
	r = file->real->pMethods->xTruncate(file->real, size);
	if (r == SQLITE_OK && file->disk)
		add_change(file->disk, &(struct fault_change){.kind = FAULT_TRUNCATED,
							      .file = file->number,
							      .offset = size});
	return r;
}

static int file_sync(sqlite3_file *base, int flags)
{
	struct fault_file *file = fault_file(base);
	int r, error = file->disk ? due(file->disk, FAULT_SYNC) : 0;
	struct seen_file *seen;

	if (error)
		return fail(error, SQLITE_IOERR_FSYNC);
	r = file->real->pMethods->xSync(file->real, flags);
	if (r != SQLITE_OK || !file->disk)
		return r;
	seen = &file->disk->files[file->number];
	add_change(file->disk, &(struct fault_change){.kind = FAULT_SYNCED,
						      .file = file->number,
						      .folder = seen->made});
	seen->made = false;
	return r;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
	struct fault_file *file = fault_file(base);

	return file->real->pMethods->xFileSize(file->real, ret_size);
}

static int file_lock(sqlite3_file *base, int level)
{
	return fault_file(base)->real->pMethods->xLock(fault_file(base)->real, level);
}

static int file_unlock(sqlite3_file *base, int level)
{
	return fault_file(base)->real->pMethods->xUnlock(fault_file(base)->real, level);
}

static int file_reserved(sqlite3_file *base, int *ret_is)
{
	return fault_file(base)->real->pMethods->xCheckReservedLock(fault_file(base)->real, ret_is);
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
	return fault_file(base)->real->pMethods->xFileControl(fault_file(base)->real, op, arg);
}

static int file_sector(sqlite3_file *base)
{
	return fault_file(base)->real->pMethods->xSectorSize(fault_file(base)->real);
}

static int file_traits(sqlite3_file *base)
{
	return fault_file(base)->real->pMethods->xDeviceCharacteristics(fault_file(base)->real);
}

/* Of a file system that is read only the real one answers so too: the log can still be read where
 * somebody has left it. */
static int shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **ret)
{
	struct fault_file *file = fault_file(base);
	int error = file->disk && page == 0 ? due(file->disk, FAULT_OPEN) : 0;

	if (error == EROFS)
		return fail(error, SQLITE_READONLY_CANTINIT);
	if (error)
		return fail(error, SQLITE_IOERR_SHMOPEN);
	return file->real->pMethods->xShmMap(file->real, page, size, extend, ret);
}

static int shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
	return fault_file(base)->real->pMethods->xShmLock(fault_file(base)->real, offset, n, flags);
}

static void shm_barrier(sqlite3_file *base)
{
	fault_file(base)->real->pMethods->xShmBarrier(fault_file(base)->real);
}

static int shm_unmap(sqlite3_file *base, int delete_it)
{
	return fault_file(base)->real->pMethods->xShmUnmap(fault_file(base)->real, delete_it);
}

/* Version 2: shared memory, no mapping of the file itself. */
static const sqlite3_io_methods file_methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

/* Names. */

static struct fault_disk *disk_of(const char *path)
{
	size_t i;

	for (i = 0; path && i < DISKS_MAX; i++) {
		struct fault_disk *disk = fault.disks[i];
		size_t len = disk ? strlen(disk->folder) : 0;

		if (disk && strncmp(path, disk->folder, len) == 0 && !strchr(path + len, '/'))
			return disk;
	}
	return NULL;
}

static const char *name_in(const struct fault_disk *disk, const char *path)
{
	return path + strlen(disk->folder);
}

static int find_file(const struct fault_disk *disk, const struct stat *st)
{
	size_t i;

	for (i = 0; i < disk->file_count; i++)
		if (!disk->files[i].gone && disk->files[i].device == st->st_dev &&
		    disk->files[i].inode == st->st_ino)
			return (int)i;
	return -1;
}

static unsigned char *read_whole(const char *path, size_t size)
{
	unsigned char *data = must(malloc(size ? size : 1));
	FILE *in = fopen(path, "rb");

	if (!in || fread(data, 1, size, in) != size)
		abort();
	(void)fclose(in);
	return data;
}

/* The number of a file that SQLite has just opened; `made` tells whether it was SQLite that made it. */
static int note_file(struct fault_disk *disk, const char *path, bool made)
{
	struct fault_change change = {.kind = FAULT_MADE, .name = name_in(disk, path)};
	unsigned char *data = NULL;
	struct seen_file *file;
	struct stat st;
	int number;

	if (stat(path, &st))
		abort();
	number = find_file(disk, &st);
	if (number >= 0 && strcmp(disk->files[number].name, change.name) == 0)
		return number;
	if (number < 0) {
		if (disk->file_count == disk->file_cap) {
			disk->file_cap = disk->file_cap ? 2 * disk->file_cap : 16;
			disk->files =
				must(realloc(disk->files, disk->file_cap * sizeof(*disk->files)));
		}
		number = (int)disk->file_count++;
		disk->files[number] = (struct seen_file){.made = made};
	}
	file = &disk->files[number];
	file->device = st.st_dev;
	file->inode = st.st_ino;
	free(file->name);
	file->name = must(strdup(change.name));
	change.file = number;
	if (!made && st.st_size > 0) {
		change.kind = FAULT_FOUND;
		change.len = (size_t)st.st_size;
		data = read_whole(path, change.len);
		change.data = data;
	}
	add_change(disk, &change);
	free(data);
	return number;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
		    int *ret_flags)
{
	struct fault_file *file = fault_file(base);
	struct stat st;
	bool there;
	int r, error;

	(void)vfs;
	memset(file, 0, sizeof(*file));
	file->real = (sqlite3_file *)(file + 1);
	file->disk = disk_of(path);
	error = file->disk ? due(file->disk, FAULT_OPEN) : 0;
	/* The real one falls back to reading too. */
	if (error == EROFS) {
		flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
		flags |= SQLITE_OPEN_READONLY;
		error = 0;
	}
	if (error)
		return fail(error, SQLITE_CANTOPEN);
	fault.last_error = 0;
	there = path && stat(path, &st) == 0;
	r = fault.real->xOpen(fault.real, path, file->real, flags, ret_flags);
	if (r != SQLITE_OK)
		return r;
	if (file->disk && path)
		file->number = note_file(file->disk, path, !there);
	file->base.pMethods = &file_methods;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
	struct fault_disk *disk = disk_of(path);
	struct stat st;
	int r, number = -1, error = disk ? due(disk, FAULT_DELETE) : 0;

	(void)vfs;
	if (error)
		return fail(error, SQLITE_IOERR_DELETE);
	fault.last_error = 0;
	if (disk && stat(path, &st) == 0)
		number = find_file(disk, &st);
	r = fault.real->xDelete(fault.real, path, sync_folder);
	if (r != SQLITE_OK || !disk)
		return r;
	add_change(disk, &(struct fault_change){.kind = FAULT_DELETED,
						.file = number,
						.name = name_in(disk, path),
						.folder = sync_folder != 0});
	if (number >= 0)
		disk->files[number].gone = true;
	return r;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret_is)
{
	(void)vfs;
	return fault.real->xAccess(fault.real, path, flags, ret_is);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
	(void)vfs;
	return fault.real->xFullPathname(fault.real, path, size, out);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *out)
{
	(void)vfs;
	if (fault.last_error)
		return fault.last_error;
	return fault.real->xGetLastError(fault.real, size, out);
}

int fault_vfs_install(void)
{
	if (fault.real)
		return 0;
	fault.real = sqlite3_vfs_find(NULL);
	if (!fault.real)
		return -ENOENT;
	/* What takes no notice of its first argument stays the real one's own. */
	fault.vfs = *fault.real;
	fault.vfs.pNext = NULL;
	fault.vfs.zName = "fault";
	fault.vfs.szOsFile = (int)sizeof(struct fault_file) + fault.real->szOsFile;
	fault.vfs.xOpen = vfs_open;
	fault.vfs.xDelete = vfs_delete;
	fault.vfs.xAccess = vfs_access;
	fault.vfs.xFullPathname = vfs_full_path;
	fault.vfs.xGetLastError = vfs_last_error;
	if (sqlite3_vfs_register(&fault.vfs, 1) == SQLITE_OK)
		return 0;
	fault.real = NULL;
	return -EINVAL;
}

void fault_vfs_remove(void)
{
	if (!fault.real)
		return;
	(void)sqlite3_vfs_unregister(&fault.vfs);
	(void)sqlite3_vfs_register(fault.real, 1);
	fault.real = NULL;
}

int fault_disk_create(const char *folder, struct fault_disk **ret_disk)
{
	struct fault_disk *disk;
	size_t i = 0;

	while (i < DISKS_MAX && fault.disks[i])
		i++;
	if (i == DISKS_MAX)
		return -EMFILE;
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return -ENOMEM;
	disk->cut_at = -1;
	if (asprintf(&disk->folder, "%s/", folder) < 0) {
		free(disk);
		return -ENOMEM;
	}
	fault.disks[i] = disk;
	*ret_disk = disk;
	return 0;
}

void fault_disk_free(struct fault_disk *disk)
{
	size_t i;

	if (!disk)
		return;
	for (i = 0; i < DISKS_MAX; i++)
		if (fault.disks[i] == disk)
			fault.disks[i] = NULL;
	for (i = 0; i < disk->change_count; i++) {
		free((void *)(uintptr_t)disk->changes[i].name);
		free((void *)(uintptr_t)disk->changes[i].data);
	}
	for (i = 0; i < disk->file_count; i++)
		free(disk->files[i].name);
	free(disk->changes);
	free(disk->files);
	free(disk->folder);
	free(disk);
}
