/* SQL behind one small interface; a driver a database. Texts use $1, $2 ... as placeholders and the
 * part of SQL that SQLite and PostgreSQL share where that can be.
 *
 * A connection belongs to one thread. Statements are prepared once by their text and kept. Every
 * connection sets its own pragmas (WAL, synchronous=FULL, foreign_keys, busy_timeout ...).
 */
#ifndef STORAGE_SQL_SQL_H
#define STORAGE_SQL_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sql;      /* a connection */
struct sql_stmt; /* a statement of it, owned by the connection */

enum sql_flags {
	SQL_CREATE = 1, /* make the database where there is none */
	SQL_READ_ONLY = 2,
	/* Survives the process, not the machine: nothing is synced. For files on tmpfs. */
	SQL_VOLATILE = 4,
	/* Little memory (512 KiB of cache), and little is written: small pages in a new file, and what is
	 * deleted is overwritten only where that costs no write. */
	SQL_LEAN = 8,
	SQL_COUNTED = 16, /* sql_written_bytes() is wanted */
};

/* Opens `url`: "sqlite:PATH". Returns 0, -ENOTSUP for a driver that is not built in, or -errno; then
 * `error` (may be NULL) says why. */
int sql_open(const char *url, unsigned flags, struct sql **ret_sql, char *error, size_t error_size);
void sql_close(struct sql *sql); /* rolls back what is open; NULL is accepted */

/* What went wrong last on this connection, for a person. Never NULL. */
const char *sql_error(const struct sql *sql);
const char *sql_driver(const struct sql *sql); /* "sqlite" */

/* Runs one or more statements without parameters and without rows. 0 or -errno, see below. */
int sql_exec(struct sql *sql, const char *text);

/* Transactions. sql_begin() takes the write lock at once (BEGIN IMMEDIATE); sql_begin_read() a
 * consistent view. They do not nest. A sql_commit() that fails has rolled back. sql_rollback()
 * outside a transaction is accepted; it keeps what sql_error() says. */
int sql_begin(struct sql *sql);
int sql_begin_read(struct sql *sql);
int sql_commit(struct sql *sql);
void sql_rollback(struct sql *sql);
/* True after a sql_commit() that failed when all was written and only the sync was left: here it is
 * rolled back, but who opens the database next, after a kill say, may find it committed. */
bool sql_in_doubt(const struct sql *sql);
bool sql_in_transaction(const struct sql *sql);

/* The prepared statement of `text`: one statement, a string literal (it is found again by its text;
 * a program that builds texts runs into a limit of some hundred). It comes reset, with nothing bound.
 * Never NULL: where it cannot be prepared, sql_step() says why. Nobody frees it. A statement is in
 * one use at a time; sql_done() ends a use early, so does the next sql_stmt() of the same text. */
struct sql_stmt *sql_stmt(struct sql *sql, const char *text);

/* Bind $index (from 1). Errors are kept and come out of the next sql_step(); a NULL statement is
 * accepted, so a caller checks once. Texts and blobs must stay until the use ends. */
void sql_bind_int(struct sql_stmt *stmt, int index, int64_t value);
void sql_bind_double(struct sql_stmt *stmt, int index, double value);
void sql_bind_text(struct sql_stmt *stmt, int index, const char *text); /* NULL binds null */
void sql_bind_text_n(struct sql_stmt *stmt, int index, const char *text, size_t len);
void sql_bind_blob(struct sql_stmt *stmt, int index, const void *data, size_t len); /* the same */
void sql_bind_null(struct sql_stmt *stmt, int index);

/* 1: a row is there; 0: done (and reset); negative: failed (and reset): -EEXIST unique constraint,
 * -EINVAL any other constraint or bad text, -EBUSY, -ENOSPC (also a quota or a file size limit),
 * -EROFS, -EIO, -EUCLEAN a corrupt database or none at all, -EMSGSIZE, -ENOMEM. Inside a transaction
 * the caller then calls sql_rollback(). */
int sql_step(struct sql_stmt *stmt);
/* Steps a statement that gives no rows: 0 or negative. */
int sql_run(struct sql_stmt *stmt);
void sql_done(struct sql_stmt *stmt); /* NULL is accepted */

/* Columns of the current row, from 0. Texts and blobs live until the next step. */
int64_t sql_int(struct sql_stmt *stmt, int column);
double sql_double(struct sql_stmt *stmt, int column);
const char *sql_text(struct sql_stmt *stmt, int column); /* NULL for null */
const void *sql_blob(struct sql_stmt *stmt, int column, size_t *ret_len);
bool sql_is_null(struct sql_stmt *stmt, int column);

/* 1 where there is a table of this name, 0, or -errno. */
int sql_has_table(struct sql *sql, const char *name);

/* Bytes that this connection has given to its files so far, log and checkpoints included; 0 where it
 * was opened without SQL_COUNTED. */
int64_t sql_written_bytes(const struct sql *sql);

int64_t sql_changes(const struct sql *sql); /* rows changed by the last statement */

#endif
