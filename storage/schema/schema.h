/* Migrations: numbered SQL files that bring a database to the program's version.
 *
 * A set is a folder under storage/schema/: 0001_what.sql, 0002_what.sql ... without a hole. The build
 * embeds it (see CMakeLists.txt there). What has been applied stands in the table schema_version of
 * the database, with a checksum: a file that has been released is never edited, only followed.
 * A file is a script without BEGIN and COMMIT: all that is missing is applied in one transaction.
 */
#ifndef STORAGE_SCHEMA_SCHEMA_H
#define STORAGE_SCHEMA_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "storage/sql/sql.h"

struct schema_file {
	const char *name;     /* "0001_tables.sql" */
	const char *text;     /* NUL-terminated */
	const char *checksum; /* SHA-256 in hex */
};

/* File i brings the database from version i to version i + 1. */
struct schema_set {
	const char *name; /* the folder: "core", "spool" */
	const struct schema_file *files;
	size_t count;
};

/* Brings the database to the newest version of `set`. *ret_from and *ret_to (may be NULL) are the
 * versions before and after; 0 is an empty database. Returns 0, or with nothing changed:
 *   -EOVERFLOW   the database is newer than the program
 *   -EKEYREJECTED an applied migration has another checksum than the program's, or a hole is there
 *   -EINVAL ...  what sql_exec() says of a script; `error` (may be NULL) names the file
 * To be called outside a transaction, by the thread that owns the connection. */
int schema_migrate(struct sql *sql, const struct schema_set *set, int *ret_from, int *ret_to,
		   char *error, size_t error_size);

/* The same look without a change: *ret_from is the database's version, *ret_to the program's; equal
 * means that nothing is pending. Works on a read-only connection. Errors as above. */
int schema_check(struct sql *sql, const struct schema_set *set, int *ret_from, int *ret_to,
		 char *error, size_t error_size);

#endif
