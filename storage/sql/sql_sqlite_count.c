/* What a connection writes to its files, counted where SQLite hands it to the system.
 *
 * A VFS that lets the default one open each file and then puts a copy of the file's methods in their
 * place, of which xWrite counts. Nothing else differs, so that it also stands on a VFS that a program
 * has made its default.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "storage/sql/sql_driver.h"

#define NAME_SIZE 64

struct counting_vfs {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	size_t room; /* of a file of the real VFS, rounded */
	char name[NAME_SIZE];
};

/* Behind the real file. */
struct counter {
	sqlite3_io_methods methods;
	const sqlite3_io_methods *real;
	int64_t written;
};

static struct counter *counter_of(sqlite3_file *file)
{
	/* The methods in place are the counter's first member. */
	return (struct counter *)(uintptr_t)file->pMethods;
}

static int count_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct counter *counter = counter_of(file);
	const int r = counter->real->xWrite(file, data, len, at);

	if (r == SQLITE_OK)
		counter->written += len;
	return r;
}

static int open_counted(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
			int *ret_flags)
{
	const struct counting_vfs *counting = (struct counting_vfs *)vfs;
	struct counter *counter = (struct counter *)((char *)file + counting->room);
	int r;

	r = counting->real->xOpen(counting->real, name, file, flags, ret_flags);
	if (r != SQLITE_OK || !file->pMethods)
		return r;
	counter->written = 0;
	counter->real = file->pMethods;
	counter->methods = *counter->real;
	counter->methods.xWrite = count_write;
	file->pMethods = &counter->methods;
	return r;
}

/* Kept for the life of the program: SQLite's list of VFSs owns it. */
static struct counting_vfs *make(sqlite3_vfs *real, const char *name)
{
	struct counting_vfs *counting = calloc(1, sizeof(*counting));

	if (!counting)
		return NULL;
	counting->vfs = *real;
	counting->real = real;
	counting->room = ((size_t)real->szOsFile + 15) & ~(size_t)15;
	counting->vfs.szOsFile = (int)(counting->room + sizeof(struct counter));
	counting->vfs.xOpen = open_counted;
	counting->vfs.pNext = NULL;
	(void)snprintf(counting->name, sizeof(counting->name), "%s", name);
	counting->vfs.zName = counting->name;
	if (sqlite3_vfs_register(&counting->vfs, 0) == SQLITE_OK)
		return counting;
	free(counting);
	return NULL;
}

const char *sql_sqlite_counting_vfs(void)
{
	sqlite3_vfs *real, *vfs;
	struct counting_vfs *counting;
	char name[NAME_SIZE];

	if (sqlite3_initialize() != SQLITE_OK)
		return NULL;
	real = sqlite3_vfs_find(NULL);
	if (!real)
		return NULL;
	(void)snprintf(name, sizeof(name), "counting-%.40s", real->zName);
	vfs = sqlite3_vfs_find(name);
	if (vfs)
		return vfs->zName;
	counting = make(real, name);
	return counting ? counting->name : NULL;
}

static int64_t written_to(sqlite3 *db, int op)
{
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(db, "main", op, &file) != SQLITE_OK || !file || !file->pMethods ||
	    file->pMethods->xWrite != count_write)
		return 0;
	return counter_of(file)->written;
}

int64_t sql_sqlite_counted(sqlite3 *db)
{
	return written_to(db, SQLITE_FCNTL_FILE_POINTER) +
	       written_to(db, SQLITE_FCNTL_JOURNAL_POINTER);
}
