#include "storage/sql/sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/sql/sql_driver.h"

/* Texts are literals, so a program has some dozens; past this somebody builds texts at run time. */
#define STATEMENTS_MAX 512

static const struct sql_ops *const drivers[] = {
#ifdef CONFIG_SQL_SQLITE
	&sql_sqlite_ops,
#endif
	NULL,
};

int sql_fail(struct sql *sql, int error, const char *message)
{
	(void)snprintf(sql->error, sizeof(sql->error), "%s", message);
	return error;
}

int sql_open(const char *url, unsigned flags, struct sql **ret_sql, char *error, size_t error_size)
{
	size_t i, len;
	char unused[1];

	if (!error || error_size == 0) {
		error = unused;
		error_size = sizeof(unused);
	}
	for (i = 0; drivers[i]; i++) {
		len = strlen(drivers[i]->scheme);
		if (strncmp(url, drivers[i]->scheme, len) == 0 && url[len] == ':')
			return drivers[i]->open(url + len + 1, flags, ret_sql, error, error_size);
	}
	(void)snprintf(error, error_size,
		       "%.*s: no such database driver in this program; want sqlite:PATH",
		       (int)strcspn(url, ":"), url);
	return -ENOTSUP;
}

static void drop_statements(struct sql *sql)
{
	size_t i;

	for (i = 0; i < sql->slot_count; i++) {
		if (!sql->slots[i])
			continue;
		free(sql->slots[i]->text);
		sql->ops->finalize(sql->slots[i]);
	}
	free(sql->slots);
	sql->slots = NULL;
	sql->slot_count = 0;
	sql->stmt_count = 0;
}

void sql_close(struct sql *sql)
{
	if (!sql)
		return;
	sql_rollback(sql);
	drop_statements(sql);
	sql->ops->close(sql);
}

const char *sql_error(const struct sql *sql)
{
	return sql->error[0] ? sql->error : "no error";
}

const char *sql_driver(const struct sql *sql)
{
	return sql->ops->scheme;
}

int sql_exec(struct sql *sql, const char *text)
{
	return sql->ops->exec(sql, text);
}

/* Statements kept by text. */

static size_t hash_text(const char *text)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	return (size_t)(hash ^ (hash >> 32));
}

/* The slot of `text`, or the free one where it belongs. There is always a free slot. */
static struct sql_stmt **find_slot(struct sql_stmt **slots, size_t count, const char *text)
{
	size_t i = hash_text(text) & (count - 1);

	while (slots[i] && strcmp(slots[i]->text, text) != 0)
		i = (i + 1) & (count - 1);
	return &slots[i];
}

/* Keeps the table at most half full. */
static int grow(struct sql *sql)
{
	size_t i, count = sql->slot_count ? sql->slot_count * 2 : 64;
	struct sql_stmt **slots;

	if (sql->stmt_count * 2 < sql->slot_count)
		return 0;
	slots = calloc(count, sizeof(struct sql_stmt *));
	if (!slots)
		return sql_fail(sql, -ENOMEM, "out of memory");
	for (i = 0; i < sql->slot_count; i++)
		if (sql->slots[i])
			*find_slot(slots, count, sql->slots[i]->text) = sql->slots[i];
	free(sql->slots);
	sql->slots = slots;
	sql->slot_count = count;
	return 0;
}

static int add_statement(struct sql *sql, const char *text, struct sql_stmt **ret_stmt)
{
	struct sql_stmt *stmt = NULL;
	char *copy;
	int r;

	if (sql->stmt_count >= STATEMENTS_MAX)
		return sql_fail(sql, -EMFILE, "too many different statements; texts must be fixed");
	r = grow(sql);
	if (r)
		return r;
	copy = strdup(text);
	if (!copy)
		return sql_fail(sql, -ENOMEM, "out of memory");
	r = sql->ops->prepare(sql, copy, &stmt);
	if (r) {
		free(copy);
		return r;
	}
	stmt->sql = sql;
	stmt->text = copy;
	*find_slot(sql->slots, sql->slot_count, copy) = stmt;
	sql->stmt_count++;
	*ret_stmt = stmt;
	return 0;
}

struct sql_stmt *sql_stmt(struct sql *sql, const char *text)
{
	struct sql_stmt *stmt = NULL;
	int r;

	if (sql->slot_count)
		stmt = *find_slot(sql->slots, sql->slot_count, text);
	if (stmt) {
		sql_done(stmt);
		return stmt;
	}
	r = add_statement(sql, text, &stmt);
	if (r == 0)
		return stmt;
	sql->broken.sql = sql;
	sql->broken.bind_error = r;
	return &sql->broken;
}

/* Transactions. */

int sql_begin(struct sql *sql)
{
	return sql_run(sql_stmt(sql, sql->ops->begin));
}

int sql_begin_read(struct sql *sql)
{
	return sql_run(sql_stmt(sql, sql->ops->begin_read));
}

int sql_commit(struct sql *sql)
{
	int r;

	sql->in_doubt = false;
	r = sql_run(sql_stmt(sql, "COMMIT"));
	if (r) {
		/* Some failures leave the transaction open: nobody shall go on in it. */
		char error[sizeof(sql->error)];

		memcpy(error, sql->error, sizeof(error));
		sql_rollback(sql);
		memcpy(sql->error, error, sizeof(error));
	}
	return r;
}

bool sql_in_doubt(const struct sql *sql)
{
	return sql->in_doubt;
}

void sql_rollback(struct sql *sql)
{
	char error[sizeof(sql->error)];

	if (!sql_in_transaction(sql))
		return;
	/* What led here is what sql_error() shall tell. */
	memcpy(error, sql->error, sizeof(error));
	(void)sql->ops->exec(sql, "ROLLBACK");
	memcpy(sql->error, error, sizeof(error));
}

bool sql_in_transaction(const struct sql *sql)
{
	return sql->ops->in_transaction(sql);
}

/* Binding. */

static void bind(struct sql_stmt *stmt, int index, const struct sql_value *value)
{
	int r;

	if (!stmt || stmt->bind_error)
		return;
	r = stmt->sql->ops->bind(stmt, index, value);
	if (r) {
		stmt->bind_error = r;
		stmt->bind_index = index;
	}
}

void sql_bind_int(struct sql_stmt *stmt, int index, int64_t value)
{
	bind(stmt, index, &(struct sql_value){.type = SQL_INT, .integer = value});
}

void sql_bind_double(struct sql_stmt *stmt, int index, double value)
{
	bind(stmt, index, &(struct sql_value){.type = SQL_DOUBLE, .real = value});
}

void sql_bind_text(struct sql_stmt *stmt, int index, const char *text)
{
	if (text)
		sql_bind_text_n(stmt, index, text, strlen(text));
	else
		sql_bind_null(stmt, index);
}

void sql_bind_text_n(struct sql_stmt *stmt, int index, const char *text, size_t len)
{
	bind(stmt, index, &(struct sql_value){.type = SQL_TEXT, .data = text, .len = len});
}

void sql_bind_blob(struct sql_stmt *stmt, int index, const void *data, size_t len)
{
	if (data || len > 0)
		bind(stmt, index, &(struct sql_value){.type = SQL_BLOB, .data = data, .len = len});
	else
		sql_bind_null(stmt, index);
}

void sql_bind_null(struct sql_stmt *stmt, int index)
{
	bind(stmt, index, &(struct sql_value){.type = SQL_NULL});
}

/* Running. */

int sql_step(struct sql_stmt *stmt)
{
	char message[64];
	int r;

	if (!stmt)
		return -EINVAL;
	if (stmt == &stmt->sql->broken)
		return stmt->bind_error;
	if (stmt->bind_error) {
		r = stmt->bind_error;
		(void)snprintf(message, sizeof(message), "$%d cannot be bound: %s",
			       stmt->bind_index, strerror(-r));
		(void)sql_fail(stmt->sql, r, message);
	} else {
		r = stmt->sql->ops->step(stmt);
	}
	if (r <= 0)
		sql_done(stmt);
	return r;
}

int sql_run(struct sql_stmt *stmt)
{
	int r;

	r = sql_step(stmt);
	if (r <= 0)
		return r;
	sql_done(stmt);
	return sql_fail(stmt->sql, -EINVAL, "a statement without rows was wanted");
}

void sql_done(struct sql_stmt *stmt)
{
	if (!stmt || stmt == &stmt->sql->broken)
		return;
	stmt->bind_error = 0;
	stmt->sql->ops->reset(stmt);
}

/* Columns. */

int64_t sql_int(struct sql_stmt *stmt, int column)
{
	struct sql_value value = {.type = SQL_NULL};

	stmt->sql->ops->column(stmt, column, SQL_INT, &value);
	return value.integer;
}

double sql_double(struct sql_stmt *stmt, int column)
{
	struct sql_value value = {.type = SQL_NULL};

	stmt->sql->ops->column(stmt, column, SQL_DOUBLE, &value);
	return value.real;
}

const char *sql_text(struct sql_stmt *stmt, int column)
{
	struct sql_value value = {.type = SQL_NULL};

	stmt->sql->ops->column(stmt, column, SQL_TEXT, &value);
	return value.data;
}

const void *sql_blob(struct sql_stmt *stmt, int column, size_t *ret_len)
{
	struct sql_value value = {.type = SQL_NULL};

	stmt->sql->ops->column(stmt, column, SQL_BLOB, &value);
	*ret_len = value.len;
	return value.data;
}

bool sql_is_null(struct sql_stmt *stmt, int column)
{
	struct sql_value value = {.type = SQL_NULL};

	stmt->sql->ops->column(stmt, column, SQL_NULL, &value);
	return value.type == SQL_NULL;
}

int sql_has_table(struct sql *sql, const char *name)
{
	struct sql_stmt *stmt = sql_stmt(sql, sql->ops->find_table);
	int r;

	sql_bind_text(stmt, 1, name);
	r = sql_step(stmt);
	sql_done(stmt);
	return r;
}

int64_t sql_changes(const struct sql *sql)
{
	return sql->ops->changes(sql);
}

int64_t sql_written_bytes(const struct sql *sql)
{
	return sql->ops->written_bytes(sql);
}
