#include "tests/faults/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/evidence.h"

/* Adds what a cut has taken, as the operator would; each a transaction of its own. */

static int ensure_workspace(struct core *core)
{
	struct coredb_workspace row = {.id = 0};
	struct policy policy;
	int r;

	r = coredb_workspace_find(core->db, CORE_WORKSPACE, &row);
	if (r == -ENOENT) {
		policy_default(&policy);
		evidence_policy_back(&policy, &row.policy);
		(void)snprintf(row.name, sizeof(row.name), CORE_WORKSPACE);
		r = accept_begin(core->accept);
		if (r == 0)
			r = coredb_workspace_add(core->db, &row, CORE_WALL_MS);
		if (r == 0)
			r = accept_commit(core->accept);
	}
	core->workspace = row.id;
	return r;
}

static int add_gateway(struct core *core, struct coredb_gateway *gateway, int n)
{
	struct coredb_device device = {.workspace = core->workspace,
				       .activated_at_ms = CORE_WALL_MS};
	int r;

	r = accept_begin(core->accept);
	if (r == 0)
		r = coredb_gateway_add(core->db, gateway, CORE_WALL_MS);
	device.gateway = gateway->id;
	(void)snprintf(device.name, sizeof(device.name), "d%d", n);
	(void)snprintf(device.provider, sizeof(device.provider), "obd");
	if (r == 0)
		r = coredb_device_add(core->db, &device, CORE_WALL_MS);
	return r ? r : accept_commit(core->accept);
}

static int ensure_gateway(struct core *core, int n)
{
	struct coredb_gateway row = {.workspace = core->workspace};
	struct coredb_gateway found;
	int r;

	(void)snprintf(row.name, sizeof(row.name), "g%d", n);
	r = coredb_gateway_find(core->db, core->workspace, row.name, &found);
	return r == -ENOENT ? add_gateway(core, &row, n) : r;
}

int core_open(struct core *core, const char *folder)
{
	struct accept_config config = {.clock = &core->clock.clock, .cache_devices = 16};
	char url[256];
	int r, n;

	memset(core, 0, sizeof(*core));
	clock_fake_init(&core->clock, CORE_WALL_MS, INT64_C(1000000000));
	(void)snprintf(url, sizeof(url), "sqlite:%s/core.db", folder);
	r = coredb_open(url, COREDB_CREATE, &core->db, core->error, sizeof(core->error));
	if (r)
		return r;
	config.db = core->db;
	r = accept_create(&config, &core->accept);
	if (r == 0)
		r = ensure_workspace(core);
	for (n = 1; r == 0 && n <= CORE_GATEWAYS; n++)
		r = ensure_gateway(core, n);
	if (r && core->accept)
		(void)snprintf(core->error, sizeof(core->error), "%s", coredb_error(core->db));
	return r;
}

void core_close(struct core *core)
{
	accept_destroy(core->accept);
	coredb_close(core->db);
	core->accept = NULL;
	core->db = NULL;
}

int core_take(struct core *core, const char *gateway, const void *payload, size_t len,
	      enum accept_answer *ret_answer)
{
	struct accept_batch_result result;
	int r;

	r = accept_batch(core->accept, CORE_WORKSPACE, gateway, payload, len,
			 clock_wall_ms(&core->clock.clock), &result);
	if (r == 0 && ret_answer)
		*ret_answer = result.answer;
	return r;
}

static void ignore(void *arg, int64_t workspace, int64_t device)
{
	(void)arg;
	(void)workspace;
	(void)device;
}

static void ignore_ack(void *arg, const char *workspace, const char *gateway,
		       const struct wire_ack *ack)
{
	(void)arg;
	(void)workspace;
	(void)gateway;
	(void)ack;
}

int core_commit(struct core *core, accept_ack_fn *fn, void *arg)
{
	int r;

	r = accept_commit(core->accept);
	if (r) {
		accept_rollback(core->accept);
		return r;
	}
	accept_acks(core->accept, fn ? fn : ignore_ack, arg);
	accept_changed(core->accept, ignore, NULL);
	return 0;
}

void core_back(struct core *core)
{
	accept_rollback(core->accept);
}

int64_t core_ask(struct core *core, const char *text)
{
	struct sql_stmt *stmt = sql_stmt(coredb_sql(core->db), text);
	int64_t value = -1;

	if (sql_step(stmt) == 1 && !sql_is_null(stmt, 0))
		value = sql_int(stmt, 0);
	sql_done(stmt);
	return value;
}

bool core_is_whole(struct core *core)
{
	struct sql *sql = coredb_sql(core->db);
	struct sql_stmt *stmt = sql_stmt(sql, "PRAGMA integrity_check(1)");
	bool whole = sql_step(stmt) == 1 && strcmp(sql_text(stmt, 0), "ok") == 0;

	sql_done(stmt);
	stmt = sql_stmt(sql, "PRAGMA foreign_key_check");
	whole = whole && sql_step(stmt) == 0;
	sql_done(stmt);
	return whole;
}

/* Its word on a number. */

static int64_t epoch_row(struct core *core, const char *gateway, const char *epoch)
{
	struct sql_stmt *stmt =
		sql_stmt(coredb_sql(core->db), "SELECT e.id FROM epoch e JOIN gateway g ON g.id ="
					       " e.gateway_id WHERE g.name = $1 AND e.name = $2");
	int64_t row = 0;

	sql_bind_text(stmt, 1, gateway);
	sql_bind_text(stmt, 2, epoch);
	if (sql_step(stmt) == 1)
		row = sql_int(stmt, 0);
	sql_done(stmt);
	return row;
}

struct look {
	int64_t number;
	enum core_word word;
	int64_t first_us, last_us;
	struct core_bounds bounds;
};

static bool gap_holds(const struct coredb_gap *gap, int64_t number)
{
	return number >= gap->first && (gap->last < 0 || number <= gap->last);
}

static int look_at_gap(void *arg, const struct coredb_gap *gap)
{
	struct look *look = arg;
	enum core_word word = gap->possible ? CORE_POSSIBLE : CORE_LOST;

	if (gap_holds(gap, look->number) && word < look->word)
		look->word = word;
	return 0;
}

static int look_at_bounds(void *arg, const struct coredb_gap *gap)
{
	struct look *look = arg;

	if (!gap_holds(gap, look->number))
		return 0;
	look->bounds.gaps++;
	look->bounds.last = *gap;
	look->bounds.dated += gap->from_ms != MODEL_NO_TIME && gap->to_ms != MODEL_NO_TIME;
	if (gap->from_mono_us != MODEL_NO_TIME && gap->from_mono_us > look->first_us)
		look->bounds.wrong = true;
	if (gap->to_mono_us != MODEL_NO_TIME && gap->to_mono_us < look->last_us)
		look->bounds.wrong = true;
	return 0;
}

struct core_bounds core_bounds_of(struct core *core, const char *gateway, const char *epoch,
				  int64_t number, int64_t first_us, int64_t last_us)
{
	struct look look = {.number = number, .first_us = first_us, .last_us = last_us};
	int64_t row = epoch_row(core, gateway, epoch);

	if (row)
		(void)coredb_gap_open_of(core->db, core->workspace, row, look_at_bounds, &look);
	return look.bounds;
}

enum core_word core_word_on(struct core *core, const char *gateway, const char *epoch,
			    int64_t number)
{
	struct look look = {.number = number, .word = CORE_SILENT};
	struct coredb_epoch account = {.id = 0};
	int64_t row = epoch_row(core, gateway, epoch);
	size_t i;

	if (!row || coredb_epoch_get(core->db, row, &account))
		return CORE_SILENT;
	for (i = 0; i < account.committed.count; i++)
		if (number >= account.committed.items[i].first &&
		    number <= account.committed.items[i].last)
			look.word = CORE_COMMITTED;
	coredb_epoch_free(&account);
	(void)coredb_gap_open_of(core->db, core->workspace, row, look_at_gap, &look);
	return look.word;
}
