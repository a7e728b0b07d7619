/* What a database driver owes. Private to storage/sql: sql.c keeps the statements, the sticky errors
 * of binding and the transactions, a driver only talks to its database. A new driver is one file
 * with one `const struct sql_ops` and one line in sql.c's table.
 */
#ifndef STORAGE_SQL_SQL_DRIVER_H
#define STORAGE_SQL_SQL_DRIVER_H

#include "storage/sql/sql.h"

enum sql_type { SQL_NULL, SQL_INT, SQL_DOUBLE, SQL_TEXT, SQL_BLOB };

/* A value to bind or a column's content. `data` is borrowed. */
struct sql_value {
	enum sql_type type;
	int64_t integer;
	double real;
	const void *data; /* SQL_TEXT and SQL_BLOB; a column's text ends with a NUL */
	size_t len;
};

struct sql_ops {
	const char *scheme;     /* "sqlite": what stands before the colon of a url */
	const char *begin;      /* takes the write lock at once */
	const char *begin_read; /* a consistent view */
	const char *find_table; /* $1 is a table's name: one row where it is there */

	/* Opens what follows the scheme. Sets every pragma a connection needs. On failure nothing
	 * is left behind and `error` is written. */
	int (*open)(const char *where, unsigned flags, struct sql **ret_sql, char *error,
		    size_t error_size);
	/* Frees the connection. Every statement is finalized already. Never fails. */
	void (*close)(struct sql *sql);

	/* Runs a script. Failing, it calls sql_fail(). */
	int (*exec)(struct sql *sql, const char *text);
	bool (*in_transaction)(const struct sql *sql);

	/* One statement; the text lives as long as it. Failing, it calls sql_fail(). */
	int (*prepare)(struct sql *sql, const char *text, struct sql_stmt **ret_stmt);
	void (*finalize)(struct sql_stmt *stmt);
	/* Ends a use: no row, nothing bound. */
	void (*reset)(struct sql_stmt *stmt);
	/* Data stays the caller's until reset(). 0 or -errno, without sql_fail(). */
	int (*bind)(struct sql_stmt *stmt, int index, const struct sql_value *value);
	/* 1 a row, 0 done, -errno after sql_fail(). sql.c resets after 0 and after failures. */
	int (*step)(struct sql_stmt *stmt);
	/* A column of the current row converted to `want`, or SQL_NULL. SQL_NULL for `want` asks
	 * only whether it is null. */
	void (*column)(struct sql_stmt *stmt, int column, enum sql_type want,
		       struct sql_value *ret_value);

	int64_t (*changes)(const struct sql *sql);
	int64_t (*written_bytes)(const struct sql *sql);
};

/* The part of a statement that sql.c owns; a driver's own struct begins with it. */
struct sql_stmt {
	struct sql *sql;
	char *text; /* owned */
	int bind_error;
	int bind_index;
};

/* The same of a connection. */
struct sql {
	const struct sql_ops *ops;
	struct sql_stmt **slots; /* open hash by text */
	size_t slot_count, stmt_count;
	/* Stands in for a statement that could not be prepared; its bind_error says why. */
	struct sql_stmt broken;
	bool in_doubt; /* set by the driver: sql_in_doubt() */
	char error[256];
};

/* Keeps `message` for sql_error() and returns `error`, which is negative. */
int sql_fail(struct sql *sql, int error, const char *message);

#ifdef CONFIG_SQL_SQLITE
extern const struct sql_ops sql_sqlite_ops;

/* sql_sqlite_count.c */

struct sqlite3;
/* The name of a VFS that does as the default one does and counts what is written. NULL without
 * memory. */
const char *sql_sqlite_counting_vfs(void);
/* Bytes written through it to the files of this connection. */
int64_t sql_sqlite_counted(struct sqlite3 *db);
#endif

#endif
