#include "storage/coredb/gap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/coredb/coredb_priv.h"

#define DAY_MS INT64_C(86400000)

int coredb_gap_add(struct coredb *db, const struct coredb_gap *row)
{
	struct sql_stmt *stmt;

	stmt = coredb_stmt(db, "INSERT INTO gap (workspace_id, gateway_id, epoch_id, first, last,"
			       " records, reason, possible, detected_at, recovered_at,"
			       " from_mono_us, to_mono_us)"
			       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
	sql_bind_int(stmt, 1, row->workspace);
	sql_bind_int(stmt, 2, row->gateway);
	sql_bind_int(stmt, 3, row->epoch);
	sql_bind_int(stmt, 4, row->first);
	sql_bind_int(stmt, 5, row->last);
	if (row->records < 0)
		sql_bind_null(stmt, 6);
	else
		sql_bind_int(stmt, 6, row->records);
	sql_bind_text(stmt, 7, row->reason);
	sql_bind_int(stmt, 8, row->possible);
	sql_bind_int(stmt, 9, row->detected_at_ms);
	coredb_bind_time(stmt, 10, row->recovered_at_ms);
	coredb_bind_time(stmt, 11, row->from_mono_us);
	coredb_bind_time(stmt, 12, row->to_mono_us);
	return sql_run(stmt);
}

int coredb_gap_remove(struct coredb *db, int64_t id)
{
	struct sql_stmt *stmt = coredb_stmt(db, "DELETE FROM gap WHERE id = $1");

	sql_bind_int(stmt, 1, id);
	return sql_run(stmt);
}

int coredb_gap_overflow(struct coredb *db, const struct coredb_gap *gap)
{
	struct sql_stmt *stmt = coredb_stmt(db, "UPDATE gap SET records = records + $1, last = $2"
						" WHERE workspace_id = $3 AND gateway_id = $4"
						" AND epoch_id = 0 AND reason = $5"
						" AND recovered_at IS NULL");
	int r;

	sql_bind_int(stmt, 1, gap->records);
	sql_bind_int(stmt, 2, gap->last);
	sql_bind_int(stmt, 3, gap->workspace);
	sql_bind_int(stmt, 4, gap->gateway);
	sql_bind_text(stmt, 5, gap->reason);
	r = sql_run(stmt);
	if (r)
		return r;
	return sql_changes(db->sql) > 0 ? 0 : coredb_gap_add(db, gap);
}

int coredb_gap_tighten(struct coredb *db, int64_t epoch, int64_t number, int64_t first_mono_us,
		       int64_t last_mono_us)
{
	struct sql_stmt *stmt;
	int r;

	stmt = coredb_stmt(db, "UPDATE gap SET from_mono_us = max(coalesce(from_mono_us, $3), $3)"
			       " WHERE epoch_id = $1 AND recovered_at IS NULL AND first = $2");
	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, number + 1);
	sql_bind_int(stmt, 3, first_mono_us);
	r = sql_run(stmt);
	if (r)
		return r;
	stmt = coredb_stmt(db, "UPDATE gap SET to_mono_us = min(coalesce(to_mono_us, $3), $3)"
			       " WHERE epoch_id = $1 AND recovered_at IS NULL AND last = $2");
	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, number - 1);
	sql_bind_int(stmt, 3, last_mono_us);
	return sql_run(stmt);
}

/* b: the boot of the epoch; n: the epoch after it, c: the boot of that one. */
#define GAP_COLUMNS                                                                                \
	"SELECT x.id, x.workspace_id, x.gateway_id, x.epoch_id, x.first, x.last, x.records,"       \
	" x.reason, x.possible, x.detected_at, x.recovered_at, g.name, e.name, x.from_mono_us,"    \
	" x.to_mono_us, x.dismissed_at, x.dismissed_by, x.note, b.id, b.held_offset_ms,"           \
	" b.held_quality, c.id, c.held_offset_ms, n.first_mono_us FROM gap x"                      \
	" LEFT JOIN gateway g ON g.id = x.gateway_id LEFT JOIN epoch e ON e.id = x.epoch_id"       \
	" LEFT JOIN boot b ON b.id = e.boot_id LEFT JOIN epoch n ON n.id = e.next_id"              \
	" LEFT JOIN boot c ON c.id = n.boot_id"

static int64_t add_time(int64_t offset_ms, int64_t mono_us)
{
	int64_t ms = mono_us / 1000;

	if (offset_ms == MODEL_NO_TIME)
		return MODEL_NO_TIME;
	return offset_ms + (mono_us % 1000 < 0 ? ms - 1 : ms);
}

/* Nothing that is lost was made before its boot began, after the next epoch did, or after somebody
 * said that it is lost. */
static void read_bounds(struct sql_stmt *stmt, struct coredb_gap *row)
{
	int64_t offset_ms = coredb_col_time(stmt, 19);
	int64_t next_offset_ms = coredb_col_time(stmt, 22);
	int64_t next_mono_us = coredb_col_time(stmt, 23);
	bool has_boot = !sql_is_null(stmt, 18);
	bool has_next = !sql_is_null(stmt, 21);
	bool same_boot = has_boot && has_next && sql_int(stmt, 18) == sql_int(stmt, 21);
	bool closed;

	row->boot = has_boot ? sql_int(stmt, 18) : 0;
	row->dated = offset_ms != MODEL_NO_TIME;
	row->time_quality = has_boot ? (int)sql_int(stmt, 20) : -1;
	row->from_ms = MODEL_NO_TIME;
	row->to_ms = MODEL_NO_TIME;
	if (has_boot)
		row->from_ms = add_time(offset_ms,
					row->from_mono_us == MODEL_NO_TIME ? 0 : row->from_mono_us);
	if (row->to_mono_us != MODEL_NO_TIME && has_boot)
		row->to_ms = add_time(offset_ms, row->to_mono_us);
	else if (same_boot && next_mono_us != MODEL_NO_TIME)
		row->to_ms = add_time(offset_ms, next_mono_us);
	else if (has_next && !same_boot)
		row->to_ms = add_time(next_offset_ms, 0);
	/* What is lost was lost before it was found; what a fork or a silence hides may go on. */
	closed = !row->possible || strcmp(row->reason, "end_unknown") == 0 || row->last >= 0;
	if ((row->to_ms == MODEL_NO_TIME || row->to_ms > row->detected_at_ms) && closed)
		row->to_ms = row->detected_at_ms;
	if (row->from_ms != MODEL_NO_TIME && row->to_ms != MODEL_NO_TIME &&
	    row->from_ms > row->to_ms)
		row->from_ms = row->to_ms;
}

static void read_gap(struct sql_stmt *stmt, struct coredb_gap *row)
{
	row->id = sql_int(stmt, 0);
	row->workspace = sql_int(stmt, 1);
	row->gateway = sql_int(stmt, 2);
	row->epoch = sql_int(stmt, 3);
	row->first = sql_int(stmt, 4);
	row->last = sql_int(stmt, 5);
	row->records = sql_is_null(stmt, 6) ? -1 : sql_int(stmt, 6);
	row->reason = coredb_col_str(stmt, 7);
	row->possible = sql_int(stmt, 8) != 0;
	row->detected_at_ms = sql_int(stmt, 9);
	row->recovered_at_ms = coredb_col_time(stmt, 10);
	row->gateway_name = coredb_col_str(stmt, 11);
	row->epoch_name = coredb_col_str(stmt, 12);
	row->from_mono_us = coredb_col_time(stmt, 13);
	row->to_mono_us = coredb_col_time(stmt, 14);
	row->dismissed_at_ms = coredb_col_time(stmt, 15);
	row->dismissed_by = coredb_col_str(stmt, 16);
	row->note = coredb_col_str(stmt, 17);
	read_bounds(stmt, row);
}

COREDB_EVERY(gap, struct coredb_gap);

int64_t coredb_day(int64_t at_ms)
{
	return at_ms >= 0 ? at_ms / DAY_MS : -1;
}

/* Is a device among those of a gap? The gateway's days are few, so this is one look-up. */
static int gap_has_device(struct coredb *db, const struct coredb_gap *gap, int64_t device,
			  bool *ret_has);

struct device_filter {
	struct coredb *db;
	int64_t device;
	int limit, shown, error;
	coredb_gap_fn *fn;
	void *arg;
};

static int pass_device(void *arg, const struct coredb_gap *gap)
{
	struct device_filter *filter = arg;
	bool has = true;

	if (filter->device)
		filter->error = gap_has_device(filter->db, gap, filter->device, &has);
	if (filter->error || !has)
		return filter->error != 0;
	if (filter->shown++ == filter->limit)
		return 1;
	return filter->fn(filter->arg, gap);
}

int coredb_gap_each(struct coredb *db, int64_t workspace, const struct coredb_gap_filter *filter,
		    int64_t after, int limit, coredb_gap_fn *fn, void *arg)
{
	static const struct coredb_gap_filter all = {0};
	const struct coredb_gap_filter *f = filter ? filter : &all;
	struct device_filter pass = {db, f->device, limit, 0, 0, fn, arg};
	struct sql_stmt *stmt;
	int r;

	stmt = coredb_stmt(db, GAP_COLUMNS
			   " WHERE x.workspace_id = $1 AND x.id > $2"
			   " AND ($3 = 0 OR x.gateway_id = $3)"
			   " AND ($4 = 0 OR (x.recovered_at IS NULL AND x.dismissed_at IS NULL))"
			   " AND ($5 = 0 OR x.possible = 0) ORDER BY x.id LIMIT $6");
	sql_bind_int(stmt, 1, workspace);
	sql_bind_int(stmt, 2, after);
	sql_bind_int(stmt, 3, f->gateway);
	sql_bind_int(stmt, 4, f->open);
	sql_bind_int(stmt, 5, f->sure);
	/* With a device, which rows are shown is known only when each has been looked at. */
	sql_bind_int(stmt, 6, f->device ? INT64_MAX : limit);
	r = every_gap(stmt, pass_device, &pass);
	if (pass.error)
		return pass.error;
	if (r < 0)
		return r;
	return pass.shown < limit ? pass.shown : limit;
}

int coredb_gap_get(struct coredb *db, int64_t workspace, int64_t id, coredb_gap_fn *fn, void *arg)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, GAP_COLUMNS " WHERE x.id = $1 AND x.workspace_id = $2");
	int r;

	sql_bind_int(stmt, 1, id);
	sql_bind_int(stmt, 2, workspace);
	r = every_gap(stmt, fn, arg);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

int coredb_gap_open_of(struct coredb *db, int64_t workspace, int64_t epoch, coredb_gap_fn *fn,
		       void *arg)
{
	struct sql_stmt *stmt = coredb_stmt(db, GAP_COLUMNS " WHERE x.epoch_id = $1"
							    " AND x.workspace_id = $2"
							    " AND x.recovered_at IS NULL"
							    " ORDER BY x.first, x.id");

	sql_bind_int(stmt, 1, epoch);
	sql_bind_int(stmt, 2, workspace);
	return every_gap(stmt, fn, arg);
}

struct dismissal {
	bool possible;
	int64_t recovered_at_ms, dismissed_at_ms;
	char text[200]; /* for the event */
};

static int look(void *arg, const struct coredb_gap *gap)
{
	struct dismissal *d = arg;

	d->possible = gap->possible;
	d->recovered_at_ms = gap->recovered_at_ms;
	d->dismissed_at_ms = gap->dismissed_at_ms;
	/* Names and reasons are ids: nothing in them needs an escape. */
	(void)snprintf(d->text, sizeof(d->text),
		       "\"gateway_id\":\"%s\",\"epoch\":\"%s\",\"first\":%lld,\"reason\":\"%s\"",
		       gap->gateway_name, gap->epoch_name, (long long)gap->first, gap->reason);
	return 0;
}

int coredb_gap_dismiss(struct coredb *db, int64_t workspace, int64_t id, const char *by,
		       const char *note, int64_t now_ms)
{
	char payload[400];
	struct coredb_event event = {.workspace = workspace,
				     .name = "GapDismissed",
				     .occurred_at_ms = now_ms,
				     .payload = payload};
	struct dismissal d = {0};
	struct sql_stmt *stmt;
	int r = coredb_gap_get(db, workspace, id, look, &d);

	if (r)
		return r;
	if (!d.possible)
		return coredb_fail(db, -EPERM,
				   "what is certainly lost cannot be dismissed: only its recovery "
				   "takes it away");
	if (d.recovered_at_ms != MODEL_NO_TIME)
		return coredb_fail(db, -EPERM, "it came after all: there is nothing to dismiss");
	if (d.dismissed_at_ms != MODEL_NO_TIME)
		return coredb_fail(db, -EALREADY, "it is dismissed already");
	stmt = coredb_stmt(db, "UPDATE gap SET dismissed_at = $2, dismissed_by = $3, note = $4"
			       " WHERE id = $1");
	sql_bind_int(stmt, 1, id);
	sql_bind_int(stmt, 2, now_ms);
	sql_bind_text(stmt, 3, by);
	sql_bind_text(stmt, 4, note);
	r = sql_run(stmt);
	if (r)
		return r;
	/* The note is free text: it stands in the row alone. */
	(void)snprintf(payload, sizeof(payload), "{\"gap_id\":%lld,%s,\"by\":\"%s\"}",
		       (long long)id, d.text, by);
	return coredb_event_add(db, &event);
}

int coredb_fed_add(struct coredb *db, int64_t gateway, int64_t device, int64_t at_ms)
{
	struct sql_stmt *stmt =
		coredb_stmt(db, "INSERT INTO fed (gateway_id, day, device_id) VALUES ($1, $2, $3)"
				" ON CONFLICT (gateway_id, day, device_id) DO NOTHING");

	sql_bind_int(stmt, 1, gateway);
	sql_bind_int(stmt, 2, coredb_day(at_ms));
	sql_bind_int(stmt, 3, device);
	return sql_run(stmt);
}

/* Without a lower bound the day of the upper one must do, and the other way round. */
static void gap_days(const struct coredb_gap *gap, int64_t *ret_from, int64_t *ret_to)
{
	int64_t to_ms = gap->to_ms != MODEL_NO_TIME ? gap->to_ms : gap->detected_at_ms;
	int64_t from_ms = gap->from_ms != MODEL_NO_TIME ? gap->from_ms : to_ms;

	*ret_from = coredb_day(from_ms < to_ms ? from_ms : to_ms);
	*ret_to = coredb_day(to_ms);
}

static int show_devices(struct sql_stmt *stmt, const struct coredb_gap *gap, int64_t from,
			int64_t to, int limit, coredb_fed_fn *fn, void *arg)
{
	int shown = 0;
	int r;

	sql_bind_int(stmt, 1, gap->gateway);
	sql_bind_int(stmt, 2, from);
	sql_bind_int(stmt, 3, to);
	sql_bind_int(stmt, 4, limit);
	while ((r = sql_step(stmt)) == 1) {
		shown++;
		if (fn(arg, sql_int(stmt, 0), coredb_col_str(stmt, 1)))
			break;
	}
	sql_done(stmt);
	return r < 0 ? r : shown;
}

int coredb_gap_devices(struct coredb *db, const struct coredb_gap *gap, int limit,
		       coredb_fed_fn *fn, void *arg)
{
	int64_t from;
	int64_t to;
	int r;

	gap_days(gap, &from, &to);
	r = show_devices(coredb_stmt(db, "SELECT DISTINCT d.id, d.name FROM fed f JOIN device d ON"
					 " d.id = f.device_id WHERE f.gateway_id = $1"
					 " AND f.day >= $2 AND f.day <= $3 ORDER BY d.name"
					 " LIMIT $4"),
			 gap, from, to, limit, fn, arg);
	if (r != 0)
		return r;
	return show_devices(coredb_stmt(db, "SELECT id, name FROM device WHERE gateway_id = $1"
					    " AND $2 <= $3 AND activated_at < ($3 + 1) * 86400000"
					    " ORDER BY name LIMIT $4"),
			    gap, from, to, limit, fn, arg);
}

static int gap_has_device(struct coredb *db, const struct coredb_gap *gap, int64_t device,
			  bool *ret_has)
{
	struct sql_stmt *stmt;
	int64_t from;
	int64_t to;
	int r;

	gap_days(gap, &from, &to);
	stmt = coredb_stmt(db, "SELECT EXISTS (SELECT 1 FROM fed WHERE gateway_id = $1"
			       " AND day >= $2 AND day <= $3),"
			       " EXISTS (SELECT 1 FROM fed WHERE gateway_id = $1 AND device_id = $4"
			       " AND day >= $2 AND day <= $3),"
			       " EXISTS (SELECT 1 FROM device WHERE id = $4 AND gateway_id = $1"
			       " AND activated_at < ($3 + 1) * 86400000)");
	sql_bind_int(stmt, 1, gap->gateway);
	sql_bind_int(stmt, 2, from);
	sql_bind_int(stmt, 3, to);
	sql_bind_int(stmt, 4, device);
	r = coredb_one(stmt);
	if (r)
		return r;
	*ret_has = sql_int(stmt, 0) != 0 ? sql_int(stmt, 1) != 0 : sql_int(stmt, 2) != 0;
	sql_done(stmt);
	return 0;
}
