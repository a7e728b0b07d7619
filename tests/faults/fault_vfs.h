/* A disk that a test owns: a SQLite VFS above the machine's own one.
 *
 * It knows of every file below a folder what was written to it and what of that was synced, in order,
 * and can fail any operation. Whatever opens a database by the default VFS, as storage/sql does, gets
 * it, without knowing: the real spool and the real core run on it.
 *
 *	fault_vfs_install();
 *	fault_disk_create(folder, &disk);         every file that SQLite opens in it is of this disk
 *	...
 *	fault_disk_plan(disk, &(struct fault_plan){.ops = FAULT_WRITE, .at = 7, .error = ENOSPC});
 *	fault_disk_cut(disk);                     the power is gone: everything fails from here on
 *	fault_image_*()  (fault_image.h)          what a card may hold after a cut at any operation
 *
 * What is modelled. A write, a truncation, the making and the deletion of a file are in the page cache
 * until they are synced: data by the sync of its file, names by the sync of the folder, which SQLite
 * asks for with the first sync of a log or journal it made, and with some deletions. Names that somebody
 * changes past SQLite (rename, unlink, mknod of an empty file) are taken as they are found when SQLite
 * opens a file the next time; an empty one is not durable yet, any other is, whole. The shared memory
 * file (-shm) holds nothing that lasts and is never part of an image. Files are never mapped.
 *
 * Not thread-safe: one thread uses all databases below the folders of disks.
 */
#ifndef TESTS_FAULTS_FAULT_VFS_H
#define TESTS_FAULTS_FAULT_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes it SQLite's default VFS. Call it before the first database is opened. 0 or -errno. */
int fault_vfs_install(void);
/* Takes it out again; every database is closed by then. */
void fault_vfs_remove(void);

struct fault_disk;

/* `folder` exists. 0 or -errno. */
int fault_disk_create(const char *folder, struct fault_disk **ret_disk);
/* Every database of it is closed by then. NULL is accepted. */
void fault_disk_free(struct fault_disk *disk);

/* Operations that can be counted and made to fail. */
enum fault_ops {
	FAULT_OPEN = 1, /* of a database, log or journal; also the making of shared memory */
	FAULT_READ = 2,
	FAULT_WRITE = 4,
	FAULT_SYNC = 8,
	FAULT_TRUNCATE = 16,
	FAULT_DELETE = 32,
	FAULT_CHANGES = FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE | FAULT_DELETE,
};

struct fault_plan {
	unsigned ops;  /* of enum fault_ops: these are counted from now on */
	int64_t at;    /* the first of them that fails, from 1; 0: none */
	int64_t count; /* how many fail; 0: all from then on */
	int error; /* ENOSPC (of a write a part is written), EROFS (files open for reading only),
			     EIO, EDQUOT ... */
};
/* Takes the place of the plan before; NULL: everything works again. */
void fault_disk_plan(struct fault_disk *disk, const struct fault_plan *plan);
/* How many operations of the plan came, and how many of them were failed. */
int64_t fault_disk_counted(const struct fault_disk *disk);
int64_t fault_disk_failed(const struct fault_disk *disk);

/* The power is gone, or the process was killed: every later operation fails with EIO and changes
 * nothing. What is left to be done then is closing the databases. */
void fault_disk_cut(struct fault_disk *disk);
/* The same of itself before the change with this position in the journal (see below). */
void fault_disk_cut_at(struct fault_disk *disk, int64_t position);
bool fault_disk_is_cut(const struct fault_disk *disk);

/* The power is back, or the next process comes: the files are as they are. What a cut has taken is for
 * the test to take (fault_image.h). */
void fault_disk_uncut(struct fault_disk *disk);

/* Changes of all disks together have one order: each has a stamp, and this is the next one's. */
int64_t fault_stamp(void);

/* The journal of changes, in order. Its length is the position of the next one: a cut at position p
 * comes after the changes 0..p-1 were made and before p is. */
int64_t fault_disk_position(const struct fault_disk *disk);

enum fault_kind {
	FAULT_MADE,  /* a file got its name */
	FAULT_FOUND, /* a file was there already, with this content */
	FAULT_WRITTEN,
	FAULT_TRUNCATED, /* to `offset` bytes */
	FAULT_SYNCED,    /* with `folder`: also the names so far */
	FAULT_DELETED,   /* a name; with `folder`: and the names so far were synced */
};

struct fault_change {
	enum fault_kind kind;
	int file; /* a number for life: a deleted file's name may come again with another one */
	const char *name; /* without the folder */
	int64_t offset;
	const unsigned char *data;
	size_t len;
	bool folder;
	int64_t stamp;
};
/* The change at a position, until the disk is freed. */
const struct fault_change *fault_disk_change(const struct fault_disk *disk, int64_t position);
/* How many changes have a stamp below this one. */
int64_t fault_disk_position_at(const struct fault_disk *disk, int64_t stamp);
/* Of the positions so far: how many are writes, and how many syncs. */
void fault_disk_tally(const struct fault_disk *disk, int64_t *ret_writes, int64_t *ret_syncs);

#endif
