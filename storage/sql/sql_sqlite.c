/* The SQLite driver. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "storage/sql/sql_driver.h"

/* Group and operator may look at positions and VINs; nobody else. */
#define FILE_MODE 0640
#define BUSY_TIMEOUT_MS 5000
/* $1 .. $PARAMS_MAX; SQLite's own limit is far above. */
#define PARAMS_MAX 99

struct sqlite_sql {
	struct sql base;
	sqlite3 *db;
	bool counted;
};

struct sqlite_stmt {
	struct sql_stmt base;
	sqlite3_stmt *handle;
	/* $n -> SQLite's index, which counts names as they appear in the text; 0: not in the text */
	unsigned char index[PARAMS_MAX + 1];
};

static struct sqlite_sql *sqlite_sql(const struct sql *sql)
{
	return (struct sqlite_sql *)sql;
}

static sqlite3_stmt *handle_of(const struct sql_stmt *stmt)
{
	return ((const struct sqlite_stmt *)stmt)->handle;
}

/* Errors. */

/* An input or output error by what the system said. SQLite knows ENOSPC itself; a quota and a
 * file size limit mean the same to us. */
static int map_io_error(int extended, int system_error)
{
	switch (extended) {
	case SQLITE_IOERR_NOMEM:
		return -ENOMEM;
	case SQLITE_IOERR_CORRUPTFS:
		return -EUCLEAN;
	default:
		break;
	}
	switch (system_error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case EROFS:
		return -EROFS;
	case ENOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static int map_constraint(int extended)
{
	switch (extended) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return -EEXIST;
	default:
		return -EINVAL;
	}
}

static int map_error(int extended, int system_error)
{
	switch (extended & 0xff) {
	case SQLITE_CONSTRAINT:
		return map_constraint(extended);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_IOERR:
		return map_io_error(extended, system_error);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CANTOPEN:
		return system_error > 0 ? -system_error : -ENOENT;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_INTERRUPT:
		return -EINTR;
	case SQLITE_TOOBIG:
		return -EMSGSIZE;
	default:
		return -EINVAL;
	}
}

/* sqlite3_system_errno() knows of failed opens only. For the rest errno still says what the failed
 * call left; callers clear it before they ask SQLite for anything. */
static int last_error(sqlite3 *db)
{
	int system_error = sqlite3_system_errno(db);

	return map_error(sqlite3_extended_errcode(db), system_error ? system_error : errno);
}

static int fail(struct sqlite_sql *sql)
{
	const int extended = sqlite3_extended_errcode(sql->db);

	/* All of it is written then, the mark of the commit too. */
	if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC)
		sql->base.in_doubt = true;
	return sql_fail(&sql->base, last_error(sql->db), sqlite3_errmsg(sql->db));
}

/* Opening. */

/* mknod() rather than open(): closing a descriptor would drop the locks that another connection of
 * this process may hold on the file. It also tells why better than SQLite's "unable to open". */
static int make_file(const char *path)
{
	if (mknod(path, S_IFREG | FILE_MODE, 0) == 0 || errno == EEXIST)
		return 0;
	return -errno;
}

/* WAL is kept in the file: asking again is free. A database in memory has none. */
static int set_wal(sqlite3 *db, const char *path)
{
	sqlite3_stmt *stmt = NULL;
	const char *mode;
	int r = 0;

	errno = 0;
	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW) {
		r = last_error(db);
	} else {
		mode = (const char *)sqlite3_column_text(stmt, 0);
		if (!mode || (strcmp(mode, "wal") != 0 && strcmp(path, ":memory:") != 0))
			r = -ENOTSUP;
	}
	(void)sqlite3_finalize(stmt);
	return r;
}

static int set_up(sqlite3 *db, const char *path, unsigned flags)
{
	/* A checkpoint every 1000 pages (4 MB) bounds what a reader must search; the file itself
	 * is cut back to 16 MB after a long transaction. */
	static const char pragmas[] = "PRAGMA foreign_keys = ON;"
				      "PRAGMA temp_store = MEMORY;"
				      "PRAGMA trusted_schema = OFF;"
				      "PRAGMA cell_size_check = ON;";
	static const char write_pragmas[] = "PRAGMA synchronous = FULL;"
					    "PRAGMA wal_autocheckpoint = 1000;"
					    "PRAGMA journal_size_limit = 16777216;";
	/* The log of such a file lies in memory. */
	static const char volatile_pragmas[] = "PRAGMA synchronous = OFF;"
					       "PRAGMA wal_autocheckpoint = 128;"
					       "PRAGMA journal_size_limit = 1048576;";
	/* Small pages: of a short commit each is mostly what was written before. */
	static const char small_pages[] = "PRAGMA page_size = 2048;";
	static const char lean_pragmas[] = "PRAGMA cache_size = -512;"
					   "PRAGMA secure_delete = FAST;";
	static const char lean_log[] = "PRAGMA wal_autocheckpoint = 2000;";
	int r;

	errno = 0;
	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* "text" in double quotes is a name, never silently a string, as in PostgreSQL. */
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	if (sqlite3_exec(db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return last_error(db);
	if ((flags & SQL_LEAN) && sqlite3_exec(db, small_pages, NULL, NULL, NULL) != SQLITE_OK)
		return last_error(db);
	if (flags & SQL_READ_ONLY)
		/* Reads the header now, so that a file that is no database fails here. */
		return sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) ==
				       SQLITE_OK
			       ? 0
			       : last_error(db);
	r = set_wal(db, path);
	if (r)
		return r;
	if (sqlite3_exec(db, flags & SQL_VOLATILE ? volatile_pragmas : write_pragmas, NULL, NULL,
			 NULL) != SQLITE_OK)
		return last_error(db);
	if (!(flags & SQL_LEAN))
		return 0;
	if (sqlite3_exec(db, lean_pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return last_error(db);
	if (!(flags & SQL_VOLATILE) && sqlite3_exec(db, lean_log, NULL, NULL, NULL) != SQLITE_OK)
		return last_error(db);
	return 0;
}

/* Why a database that was to be written can only be read: the file system, or a damaged header that
 * speaks of a version which this library could read at best. */
static int why_read_only(sqlite3 *db, const char *path)
{
	unsigned char version = 0;
	sqlite3_file *file = NULL;

	if (access(path, W_OK))
		return -errno;
	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
	    file && file->pMethods && file->pMethods->xRead(file, &version, 1, 18) == SQLITE_OK &&
	    version > 2)
		return -EUCLEAN;
	return -EROFS;
}

static int open_sqlite(const char *path, unsigned flags, struct sql **ret_sql, char *error,
		       size_t error_size)
{
	int mode = SQLITE_OPEN_NOMUTEX;
	struct sqlite_sql *sql;
	int r = 0;

	mode |= flags & SQL_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	if ((flags & SQL_CREATE) && !(flags & SQL_READ_ONLY) && strcmp(path, ":memory:") != 0)
		r = make_file(path);
	if (r) {
		(void)snprintf(error, error_size, "%s: %s", path, strerror(-r));
		return r;
	}
	sql = calloc(1, sizeof(*sql));
	if (!sql) {
		(void)snprintf(error, error_size, "%s: out of memory", path);
		return -ENOMEM;
	}
	sql->base.ops = &sql_sqlite_ops;
	sql->counted = (flags & SQL_COUNTED) != 0;
	if (sqlite3_open_v2(path, &sql->db, mode,
			    sql->counted ? sql_sqlite_counting_vfs() : NULL) != SQLITE_OK)
		r = sql->db ? last_error(sql->db) : -ENOMEM;
	/* SQLite falls back to reading only, and would fail at the log in ways that mislead. */
	if (r == 0 && !(flags & SQL_READ_ONLY) && sqlite3_db_readonly(sql->db, "main") == 1)
		r = why_read_only(sql->db, path);
	if (r == 0)
		r = set_up(sql->db, path, flags);
	/* The header has been read only now. */
	if (r == 0 && !(flags & SQL_READ_ONLY) && sqlite3_db_readonly(sql->db, "main") == 1)
		r = why_read_only(sql->db, path);
	if (r == 0) {
		*ret_sql = &sql->base;
		return 0;
	}
	if (r == -ENOTSUP)
		(void)snprintf(error, error_size, "%s: no write-ahead log is possible here", path);
	else
		(void)snprintf(error, error_size, "%s: %s (%s)", path,
			       sql->db ? sqlite3_errmsg(sql->db) : "out of memory", strerror(-r));
	(void)sqlite3_close(sql->db);
	free(sql);
	return r;
}

static void close_sqlite(struct sql *base)
{
	struct sqlite_sql *sql = sqlite_sql(base);

	(void)sqlite3_close(sql->db);
	free(sql);
}

static int exec_sqlite(struct sql *base, const char *text)
{
	struct sqlite_sql *sql = sqlite_sql(base);

	errno = 0;
	if (sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return fail(sql);
}

static bool in_transaction(const struct sql *sql)
{
	return sqlite3_get_autocommit(sqlite_sql(sql)->db) == 0;
}

/* Statements. */

/* SQLite numbers "$2" by its place in the text, not by its digits. */
static int map_params(struct sqlite_stmt *stmt)
{
	int i, n = sqlite3_bind_parameter_count(stmt->handle);
	const char *name;
	char *end;
	long number;

	if (n > PARAMS_MAX)
		return -EINVAL;
	for (i = 1; i <= n; i++) {
		name = sqlite3_bind_parameter_name(stmt->handle, i);
		if (!name || name[0] != '$')
			return -EINVAL;
		number = strtol(name + 1, &end, 10);
		if (*end || number < 1 || number > PARAMS_MAX)
			return -EINVAL;
		stmt->index[number] = (unsigned char)i;
	}
	return 0;
}

static bool blank(const char *text)
{
	return text[strspn(text, " \t\r\n;")] == '\0';
}

static int prepare(struct sql *base, const char *text, struct sql_stmt **ret_stmt)
{
	struct sqlite_sql *sql = sqlite_sql(base);
	struct sqlite_stmt *stmt;
	const char *tail;
	int r;

	stmt = calloc(1, sizeof(*stmt));
	if (!stmt)
		return sql_fail(base, -ENOMEM, "out of memory");
	errno = 0;
	if (sqlite3_prepare_v3(sql->db, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle,
			       &tail) != SQLITE_OK) {
		r = fail(sql);
		goto out;
	}
	if (!stmt->handle || !blank(tail)) {
		r = sql_fail(base, -EINVAL, "exactly one statement was wanted");
		goto out;
	}
	r = map_params(stmt);
	if (r) {
		r = sql_fail(base, r, "placeholders are $1 to $99");
		goto out;
	}
	*ret_stmt = &stmt->base;
	return 0;
out:
	(void)sqlite3_finalize(stmt->handle);
	free(stmt);
	return r;
}

static void finalize(struct sql_stmt *stmt)
{
	(void)sqlite3_finalize(handle_of(stmt));
	free(stmt);
}

static void reset(struct sql_stmt *stmt)
{
	(void)sqlite3_reset(handle_of(stmt));
	(void)sqlite3_clear_bindings(handle_of(stmt));
}

static int bind_value(sqlite3_stmt *handle, int index, const struct sql_value *value)
{
	switch (value->type) {
	case SQL_NULL:
		return sqlite3_bind_null(handle, index);
	case SQL_INT:
		return sqlite3_bind_int64(handle, index, value->integer);
	case SQL_DOUBLE:
		return sqlite3_bind_double(handle, index, value->real);
	case SQL_TEXT:
		return sqlite3_bind_text64(handle, index, value->data, value->len, SQLITE_STATIC,
					   SQLITE_UTF8);
	case SQL_BLOB:
		return sqlite3_bind_blob64(handle, index, value->data, value->len, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static int bind_sqlite(struct sql_stmt *base, int index, const struct sql_value *value)
{
	struct sqlite_stmt *stmt = (struct sqlite_stmt *)base;
	int r;

	if (index < 1 || index > PARAMS_MAX || stmt->index[index] == 0)
		return -EINVAL;
	r = bind_value(stmt->handle, stmt->index[index], value);
	return r == SQLITE_OK ? 0 : map_error(r, 0);
}

static int step(struct sql_stmt *stmt)
{
	int r;

	errno = 0;
	r = sqlite3_step(handle_of(stmt));
	if (r == SQLITE_ROW)
		return 1;
	if (r == SQLITE_DONE)
		return 0;
	return fail(sqlite_sql(stmt->sql));
}

static void column(struct sql_stmt *stmt, int i, enum sql_type want, struct sql_value *ret_value)
{
	sqlite3_stmt *handle = handle_of(stmt);

	if (sqlite3_column_type(handle, i) == SQLITE_NULL)
		return;
	ret_value->type = want;
	switch (want) {
	case SQL_NULL:
		ret_value->type = SQL_BLOB; /* anything but null */
		break;
	case SQL_INT:
		ret_value->integer = sqlite3_column_int64(handle, i);
		break;
	case SQL_DOUBLE:
		ret_value->real = sqlite3_column_double(handle, i);
		break;
	case SQL_TEXT:
		ret_value->data = sqlite3_column_text(handle, i);
		ret_value->len = (size_t)sqlite3_column_bytes(handle, i);
		break;
	case SQL_BLOB:
		/* Of an empty blob SQLite gives no address. */
		ret_value->data = sqlite3_column_blob(handle, i);
		ret_value->len = (size_t)sqlite3_column_bytes(handle, i);
		if (!ret_value->data && ret_value->len == 0)
			ret_value->data = "";
		break;
	}
}

static int64_t changes(const struct sql *sql)
{
	return sqlite3_changes64(sqlite_sql(sql)->db);
}

static int64_t written_bytes(const struct sql *sql)
{
	return sqlite_sql(sql)->counted ? sql_sqlite_counted(sqlite_sql(sql)->db) : 0;
}

const struct sql_ops sql_sqlite_ops = {
	.scheme = "sqlite",
	.begin = "BEGIN IMMEDIATE",
	.begin_read = "BEGIN",
	.find_table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1",
	.open = open_sqlite,
	.close = close_sqlite,
	.exec = exec_sqlite,
	.in_transaction = in_transaction,
	.prepare = prepare,
	.finalize = finalize,
	.reset = reset,
	.bind = bind_sqlite,
	.step = step,
	.column = column,
	.changes = changes,
	.written_bytes = written_bytes,
};
