/* What the files of this module share. */
#ifndef STORAGE_COREDB_COREDB_PRIV_H
#define STORAGE_COREDB_COREDB_PRIV_H

#include "storage/coredb/coredb.h"

struct coredb {
	struct sql *sql;
	int64_t lease_epoch;    /* 0: this connection holds no lease */
	int64_t expected_event; /* next_event after this connection's last transaction; 0: none yet */
	int64_t next_event;     /* in the open transaction */
	int64_t first_event;    /* as it was when the transaction began */
	int64_t write;          /* the open transaction's number */
	int64_t last_write;     /* that of the last one of this connection */
	char error[256];        /* "": what the database says counts */
};

/* Keeps a sentence for coredb_error(); returns `error`. */
__attribute__((format(printf, 3, 4))) int coredb_fail(struct coredb *db, int error, const char *fmt,
						      ...);

/* Prepares and forgets the last sentence. */
struct sql_stmt *coredb_stmt(struct coredb *db, const char *text);

/* MODEL_NO_TIME stands as null. */
void coredb_bind_time(struct sql_stmt *stmt, int index, int64_t ms);
int64_t coredb_col_time(struct sql_stmt *stmt, int column);
/* 0 stands as null (references). */
void coredb_bind_ref(struct sql_stmt *stmt, int index, int64_t id);
/* Copies a text; null becomes "". What is too long is cut (columns are checked on their way in). */
void coredb_col_text(struct sql_stmt *stmt, int column, char *out, size_t size);
/* A text of the row, never NULL. */
const char *coredb_col_str(struct sql_stmt *stmt, int column);

/* Steps a statement that must give one row: 1 -> 0 (the caller reads, then sql_done()), 0 ->
 * -ENOENT. */
int coredb_one(struct sql_stmt *stmt);
/* Runs an INSERT ... RETURNING id. */
int coredb_insert(struct sql_stmt *stmt, int64_t *ret_id);

/* The device as every query selects it (d device, v vehicle, g gateway), from column 0 on. */
#define COREDB_DEVICE_COLUMNS                                                                      \
	"d.id, d.workspace_id, d.name, d.vehicle_id, v.name, v.vin, g.id, g.name, d.provider,"     \
	" d.external_id, d.asset_kind, d.simulated, d.interval_s, d.activated_at, d.created_at"
struct coredb_device;
void coredb_read_device(struct sql_stmt *stmt, struct coredb_device *row);

/* How a file reads one row, or every row, of a kind for which it has read_KIND(stmt, row):
 *	one_KIND(stmt, ret)        0, -ENOENT, -errno
 *	every_KIND(stmt, fn, arg)  until fn returns non-zero; how many were shown, or -errno */
#define COREDB_ONE(kind, type)                                                                     \
	static int one_##kind(struct sql_stmt *stmt, type *ret)                                    \
	{                                                                                          \
		int r = coredb_one(stmt);                                                          \
                                                                                                   \
		if (r)                                                                             \
			return r;                                                                  \
		read_##kind(stmt, ret);                                                            \
		sql_done(stmt);                                                                    \
		return 0;                                                                          \
	}                                                                                          \
	_Static_assert(1, "a semicolon may follow")
#define COREDB_EVERY(kind, type)                                                                   \
	static int every_##kind(struct sql_stmt *stmt, coredb_##kind##_fn *fn, void *arg)          \
	{                                                                                          \
		type row;                                                                          \
		int shown = 0;                                                                     \
		int r;                                                                             \
                                                                                                   \
		while ((r = sql_step(stmt)) == 1) {                                                \
			read_##kind(stmt, &row);                                                   \
			shown++;                                                                   \
			if (fn(arg, &row))                                                         \
				break;                                                             \
		}                                                                                  \
		sql_done(stmt);                                                                    \
		return r < 0 ? r : shown;                                                          \
	}                                                                                          \
	_Static_assert(1, "a semicolon may follow")

#endif
