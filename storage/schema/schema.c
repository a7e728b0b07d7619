#include "storage/schema/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Where an error is told. */
struct report {
	char *text;
	size_t size;
};

static int tell(const struct report *report, int error, const char *set, const char *what,
		const char *detail)
{
	if (report->text && report->size)
		(void)snprintf(report->text, report->size, "schema %s: %s%s%s", set, what,
			       detail ? ": " : "", detail ? detail : "");
	return error;
}

static int make_table(struct sql *sql)
{
	/* STRICT is SQLite's; other databases are strict by themselves. */
	if (strcmp(sql_driver(sql), "sqlite") == 0)
		return sql_exec(sql, "CREATE TABLE IF NOT EXISTS schema_version ("
				     " set_name TEXT NOT NULL, version INTEGER NOT NULL,"
				     " name TEXT NOT NULL, checksum TEXT NOT NULL,"
				     " PRIMARY KEY (set_name, version)) STRICT, WITHOUT ROWID");
	return sql_exec(sql, "CREATE TABLE IF NOT EXISTS schema_version ("
			     " set_name TEXT NOT NULL, version INTEGER NOT NULL,"
			     " name TEXT NOT NULL, checksum TEXT NOT NULL,"
			     " PRIMARY KEY (set_name, version))");
}

/* One applied migration against the program's file of the same number. */
static int compare(const struct schema_set *set, int done, int64_t version, const char *name,
		   const char *checksum, const struct report *report)
{
	if (version != done + 1)
		return tell(report, -EKEYREJECTED, set->name,
			    "the database lacks the migration before", name);
	if ((size_t)done >= set->count)
		return tell(report, -EOVERFLOW, set->name,
			    "the database is newer than this program, which does not know", name);
	if (strcmp(set->files[done].checksum, checksum) != 0)
		return tell(report, -EKEYREJECTED, set->name,
			    "the database was made by another text of", name);
	return 0;
}

/* *ret_done is how many of the set's files the database has. */
static int read_applied(struct sql *sql, const struct schema_set *set, int *ret_done,
			const struct report *report)
{
	struct sql_stmt *stmt;
	const char *name, *checksum;
	int r, done = 0;

	r = sql_has_table(sql, "schema_version");
	if (r < 0)
		return tell(report, r, set->name, "cannot be read", sql_error(sql));
	if (r == 0) {
		*ret_done = 0;
		return 0;
	}
	stmt = sql_stmt(sql, "SELECT version, name, checksum FROM schema_version"
			     " WHERE set_name = $1 ORDER BY version");
	sql_bind_text(stmt, 1, set->name);
	while ((r = sql_step(stmt)) == 1) {
		name = sql_text(stmt, 1);
		checksum = sql_text(stmt, 2);
		if (!name || !checksum)
			r = tell(report, -ENOMEM, set->name, "out of memory", NULL);
		else
			r = compare(set, done, sql_int(stmt, 0), name, checksum, report);
		if (r) {
			sql_done(stmt);
			return r;
		}
		done++;
	}
	if (r)
		return tell(report, r, set->name, "cannot be read", sql_error(sql));
	*ret_done = done;
	return 0;
}

static int apply(struct sql *sql, const struct schema_set *set, int index,
		 const struct report *report)
{
	const struct schema_file *file = &set->files[index];
	struct sql_stmt *stmt;
	int r;

	r = sql_exec(sql, file->text);
	if (r)
		goto out;
	if (!sql_in_transaction(sql))
		return tell(report, -EINVAL, set->name, file->name,
			    "a migration must not end the transaction");
	stmt = sql_stmt(sql, "INSERT INTO schema_version (set_name, version, name, checksum)"
			     " VALUES ($1, $2, $3, $4)");
	sql_bind_text(stmt, 1, set->name);
	sql_bind_int(stmt, 2, index + 1);
	sql_bind_text(stmt, 3, file->name);
	sql_bind_text(stmt, 4, file->checksum);
	r = sql_run(stmt);
out:
	if (r)
		return tell(report, r, set->name, file->name, sql_error(sql));
	return 0;
}

/* Inside the transaction: what is applied is read under the write lock, so two programs that start
 * at once do not both apply. */
static int migrate_locked(struct sql *sql, const struct schema_set *set, int *ret_from,
			  const struct report *report)
{
	int r, done;

	r = read_applied(sql, set, &done, report);
	if (r)
		return r;
	*ret_from = done;
	if ((size_t)done == set->count)
		return 0;
	r = make_table(sql);
	if (r)
		return tell(report, r, set->name, "schema_version cannot be made", sql_error(sql));
	for (; (size_t)done < set->count; done++) {
		r = apply(sql, set, done, report);
		if (r)
			return r;
	}
	return 0;
}

int schema_migrate(struct sql *sql, const struct schema_set *set, int *ret_from, int *ret_to,
		   char *error, size_t error_size)
{
	struct report report = {.size = error_size};
	int r, from = 0;

	report.text = error;
	r = sql_begin(sql);
	if (r)
		return tell(&report, r, set->name, "no transaction", sql_error(sql));
	r = migrate_locked(sql, set, &from, &report);
	if (r) {
		sql_rollback(sql);
		return r;
	}
	r = sql_commit(sql);
	if (r)
		return tell(&report, r, set->name, "cannot be committed", sql_error(sql));
	if (ret_from)
		*ret_from = from;
	if (ret_to)
		*ret_to = (int)set->count;
	return 0;
}

int schema_check(struct sql *sql, const struct schema_set *set, int *ret_from, int *ret_to,
		 char *error, size_t error_size)
{
	struct report report = {.size = error_size};
	int r, from = 0;

	report.text = error;
	r = read_applied(sql, set, &from, &report);
	if (r)
		return r;
	*ret_from = from;
	*ret_to = (int)set->count;
	return 0;
}
