/* Does the cost of a batch in the core, or the room of a finished epoch, grow with what was before?
 *
 * bench_ledger [--json] [FOLDER]: one gateway that has had 10, 1,000 and 100,000 epochs (every tenth
 * with a gap, every hundredth without an end), all through accept/, swept as the core sweeps; then an
 * epoch that has had 10, 1,000 and 100,000 batches. After each, CPU time of one thread for a batch of one
 * record with its share of a commit of 16 (the best of ROUNDS), and what the database keeps of a finished
 * epoch: its row, its indices, digests. Exits 1 where the largest costs more than LIMIT times the smallest.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cloud/accept/accept.h"
#include "cloud/accept/evidence.h"
#include "model/wire/batch.h"

#define WALL INT64_C(1795190400000)
#define MINUTE_US INT64_C(60000000)
#define GROUP 16
#define MEASURED 1600
#define ROUNDS 5
#define LIMIT 1.5

static bool as_json;

struct room {
	char folder[256];
	struct coredb *db;
	struct accept *accept;
	struct clock_fake clock;
	int64_t number; /* of the running epoch */
	int64_t epochs;
	int pending;
};

static void die(const char *what, int error)
{
	(void)fprintf(stderr, "bench_ledger: %s: %s\n", what, strerror(-error));
	exit(1);
}

static double cpu_us(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
	return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static void commit(struct room *room)
{
	int r = accept_commit(room->accept);

	if (r)
		die(accept_error(room->accept), r);
	room->pending = 0;
}

static void register_all(struct room *room)
{
	struct coredb_workspace workspace = {.name = "w"};
	struct coredb_gateway gateway = {.name = "g"};
	struct coredb_device device = {.name = "d", .provider = "obd", .activated_at_ms = WALL};
	struct policy policy;
	int r = accept_begin(room->accept);

	policy_default(&policy);
	evidence_policy_back(&policy, &workspace.policy);
	if (!r)
		r = coredb_workspace_add(room->db, &workspace, WALL);
	gateway.workspace = workspace.id;
	device.workspace = workspace.id;
	if (!r)
		r = coredb_gateway_add(room->db, &gateway, WALL);
	device.gateway = gateway.id;
	if (!r)
		r = coredb_device_add(room->db, &device, WALL);
	if (r)
		die("registry", r);
	commit(room);
}

static void open_room(struct room *room, const char *parent)
{
	struct accept_config config = {.clock = &room->clock.clock, .cache_devices = 16};
	char url[300];
	char error[200] = "";
	int r;

	memset(room, 0, sizeof(*room));
	(void)snprintf(room->folder, sizeof(room->folder), "%s/ledger-XXXXXX", parent);
	if (!mkdtemp(room->folder))
		die(parent, -errno);
	(void)snprintf(url, sizeof(url), "sqlite:%s/core.db", room->folder);
	clock_fake_init(&room->clock, WALL, 1000 * MINUTE_US);
	r = coredb_open(url, COREDB_CREATE, &room->db, error, sizeof(error));
	if (r)
		die(error, r);
	config.db = room->db;
	r = accept_create(&config, &room->accept);
	if (r)
		die("accept", r);
	register_all(room);
}

static void close_room(struct room *room)
{
	struct dirent *entry;
	DIR *dir;

	accept_destroy(room->accept);
	coredb_close(room->db);
	dir = opendir(room->folder);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		(void)closedir(dir);
	(void)rmdir(room->folder);
}

/* A batch of one record; `floor` above its number states a gap below. */
static void send(struct room *room, int64_t epoch, int64_t number, const char *record)
{
	struct wire_header header = {.batch = number, .floor = 1, .count = 1};
	struct accept_batch_result result = {.answer = ACCEPT_REFUSED};
	struct buf body;
	struct buf payload;
	int r;

	(void)snprintf(header.session, sizeof(header.session), "s%lld", (long long)epoch);
	(void)snprintf(header.epoch, sizeof(header.epoch), "%032llx", (unsigned long long)epoch);
	if (epoch > 1)
		(void)snprintf(header.prev, sizeof(header.prev), "%032llx",
			       (unsigned long long)epoch - 1);
	(void)snprintf(header.boot.id, sizeof(header.boot.id), "boot");
	header.boot.sent_mono_us = clock_mono_us(&room->clock.clock);
	header.boot.anchor_at_ms = MODEL_NO_TIME;
	buf_init(&body, WIRE_BATCH_BYTES_MAX);
	buf_init(&payload, WIRE_BATCH_BYTES_MAX);
	r = wire_body_pack(record, strlen(record), &body, &header.body);
	wire_digest(body.data, body.len, header.digest);
	if (!r)
		r = wire_batch_encode(&header, body.data, body.len, &payload);
	if (!r)
		r = accept_batch(room->accept, "w", "g", payload.data, payload.len,
				 clock_wall_ms(&room->clock.clock), &result);
	if (r || result.answer != ACCEPT_COMMITTED)
		die("a batch was not taken", r);
	buf_free(&body);
	buf_free(&payload);
	if (++room->pending == GROUP)
		commit(room);
}

static void send_data(struct room *room)
{
	char record[300];

	clock_fake_advance(&room->clock, 1000000);
	room->number++;
	(void)snprintf(record, sizeof(record),
		       "[{\"kind\":\"update\",\"device_id\":\"d\",\"provider\":\"obd\",\"source\":"
		       "\"obd0\",\"mono_us\":%lld,\"module_status\":{\"battery\":\"partial\"},"
		       "\"battery\":{\"state_of_charge_pct\":%d}}]",
		       (long long)clock_mono_us(&room->clock.clock), (int)(room->number % 100));
	send(room, room->epochs, room->number, record);
}

static void sweep(struct room *room)
{
	unsigned changed;
	int r = accept_sweep(room->accept, clock_wall_ms(&room->clock.clock), &changed);

	if (r)
		die(accept_error(room->accept), r);
	commit(room);
}

/* Ends the running epoch and begins another with the word of it. */
static void next_epoch(struct room *room)
{
	bool lossy = room->epochs % 10 == 0;
	bool cut = room->epochs % 100 == 0;
	char record[300];
	char end[24] = "null";

	if (!cut)
		(void)snprintf(end, sizeof(end), "%lld", (long long)room->number + (lossy ? 3 : 1));
	(void)snprintf(record, sizeof(record),
		       "[{\"kind\":\"epoch_end\",\"epoch\":\"%032llx\",\"boot_id\":\"boot\","
		       "\"held\":[],\"end\":%s}]",
		       (unsigned long long)room->epochs, end);
	clock_fake_advance(&room->clock, MINUTE_US);
	room->number = 1;
	room->epochs++;
	send(room, room->epochs, 1, record);
	send_data(room);
	if (room->epochs % 32 == 0)
		sweep(room);
}

static int64_t ask(struct room *room, const char *sql)
{
	struct sql_stmt *stmt = sql_stmt(coredb_sql(room->db), sql);
	int64_t value = -1;

	if (sql_step(stmt) == 1)
		value = sql_int(stmt, 0);
	sql_done(stmt);
	return value;
}

static double measure(struct room *room)
{
	double best = 1e18;

	commit(room);
	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_us();
		double took;

		for (int i = 0; i < MEASURED; i++)
			send_data(room);
		took = (cpu_us() - began) / MEASURED;
		best = took < best ? took : best;
	}
	return best;
}

static void tell(const char *name, const char *unit, int64_t n, double value, bool met)
{
	if (as_json)
		(void)printf("{\"name\":\"ledger.%s\",\"peer\":null,\"value\":%.2f,\"unit\":\"%s\","
			     "\"n\":%lld,\"target\":null,\"met\":%s}\n",
			     name, value, unit, (long long)n, met ? "true" : "false");
	else
		(void)printf("  %-28s %8lld %10.1f %s\n", name, (long long)n, value, unit);
}

/* A day later, when everything that is over is folded. */
static void fold_all(struct room *room)
{
	int64_t open;

	clock_fake_advance(&room->clock, INT64_C(25) * 60 * MINUTE_US);
	do {
		open = ask(room, "SELECT count(*) FROM epoch WHERE folded = 0 AND open = 0");
		sweep(room);
	} while (open > ask(room, "SELECT count(*) FROM epoch WHERE folded = 0 AND open = 0"));
}

static const int64_t sizes[] = {10, 1000, 100000};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static bool epochs(const char *parent)
{
	double cost[SIZES];
	struct room room;

	open_room(&room, parent);
	room.epochs = 1;
	send_data(&room);
	for (size_t i = 0; i < SIZES; i++) {
		while (room.epochs < sizes[i])
			next_epoch(&room);
		commit(&room);
		fold_all(&room);
		tell("bytes_a_finished_epoch", "B", sizes[i],
		     (double)ask(&room, "SELECT sum(payload) FROM dbstat WHERE name IN"
					" (SELECT name FROM sqlite_schema WHERE tbl_name ="
					" 'epoch')") /
			     (double)sizes[i],
		     true);
		tell("largest_row", "B", sizes[i],
		     (double)ask(&room, "SELECT max(length(committed) + length(lost)) FROM epoch"
					" WHERE folded = 1"),
		     true);
		tell("digests", "rows", sizes[i],
		     (double)ask(&room, "SELECT count(*) FROM batch_digest"), true);
		tell("gaps", "rows", sizes[i], (double)ask(&room, "SELECT count(*) FROM gap"),
		     true);
		cost[i] = measure(&room);
		tell("batch_after_epochs", "us CPU", sizes[i], cost[i], cost[i] < LIMIT * cost[0]);
		next_epoch(&room);
	}
	close_room(&room);
	return cost[SIZES - 1] < LIMIT * cost[0];
}

static bool batches(const char *parent)
{
	double cost[SIZES];
	struct room room;

	open_room(&room, parent);
	room.epochs = 1;
	for (size_t i = 0; i < SIZES; i++) {
		while (room.number < sizes[i])
			send_data(&room);
		cost[i] = measure(&room);
		tell("batch_after_batches", "us CPU", sizes[i], cost[i], cost[i] < LIMIT * cost[0]);
	}
	tell("digests_of_the_epoch", "rows", room.number,
	     (double)ask(&room, "SELECT count(*) FROM batch_digest"), true);
	tell("row_of_the_epoch", "B", room.number,
	     (double)ask(&room, "SELECT length(committed) + length(lost) FROM epoch"), true);
	close_room(&room);
	return cost[SIZES - 1] < LIMIT * cost[0];
}

int main(int argc, char **argv)
{
	const char *folder = ".";
	bool met;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			as_json = true;
		else
			folder = argv[i];
	}
	if (!as_json)
		(void)printf("  %-28s %8s %10s\n", "", "before", "");
	met = epochs(folder);
	met = batches(folder) && met;
	if (!as_json)
		(void)printf(
			"  %s: the cost of a batch after 100,000 is below %.1f times that after 10\n",
			met ? "met" : "MISSED", LIMIT);
	return met ? 0 : 1;
}
