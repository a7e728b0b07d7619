/* What an append to the spool costs, beside plain SQLite inserts of the same size on the same disk.
 *
 * bench_spool [--json] [FOLDER]: FOLDER (default: the current one) says which disk is measured. Both
 * write with WAL and synchronous=FULL. "written" is what the process gave to write(2), the log and
 * its checkpoints included (/proc/self/io, wchar), a batch.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "base/clock.h"
#include "storage/spool/spool.h"
#include "storage/sql/sql.h"

#define BODY_BYTES 300
#define RECORDS 3000
#define GROUP_MAX 100

struct result {
	double per_second;
	double written; /* bytes a batch */
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_spool: %s: %s\n", what, why);
	exit(1);
}

static int64_t written_bytes(void)
{
	FILE *file = fopen("/proc/self/io", "re");
	long long bytes = -1;
	char line[128];

	if (!file)
		die("/proc/self/io", strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "wchar:", 6) == 0)
			bytes = strtoll(line + 6, NULL, 10);
	(void)fclose(file);
	return bytes;
}

/* A body as an agent's record is: it cannot be packed much, like a small batch. */
static size_t make_body(char *out, unsigned n)
{
	uint64_t x = (uint64_t)(n + 1) * 88172645463325252u;
	int len = snprintf(out, BODY_BYTES, "[{\"kind\":\"update\",\"n\":%u,\"pad\":\"", n);
	size_t at = len > 0 ? (size_t)len : 0;

	while (at < BODY_BYTES - 3) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[at++] = (char)('0' + (x >> 32) % 64);
		if (out[at - 1] == '\\')
			out[at - 1] = '_';
	}
	memcpy(out + at, "\"}]", 3);
	return at + 3;
}

static void fill(struct spool_put *puts, char bodies[][BODY_BYTES], int group, unsigned n)
{
	int i;

	for (i = 0; i < group; i++)
		puts[i] = (struct spool_put){
			.class = WIRE_CLASS_SAMPLE,
			.json = bodies[i],
			.len = make_body(bodies[i], n + (unsigned)i),
			.count = 1,
		};
}

static void run_spool(const char *folder, struct clock *clock, int group, int total,
		      struct result *result)
{
	static char bodies[GROUP_MAX][BODY_BYTES];
	struct spool_put puts[GROUP_MAX];
	struct spool_config config = {.max_bytes = INT64_C(1) << 30, .clock = clock};
	struct spool *spool;
	char path[512], young[520], error[256];
	int64_t first, start, bytes;
	int i;

	(void)snprintf(path, sizeof(path), "%s/spool-%d.db", folder, group);
	config.path = path;
	(void)snprintf(young, sizeof(young), "%s.young", path);
	config.young_path = young;
	if (spool_open(&config, &spool, NULL, error, sizeof(error)))
		die("spool", error);
	bytes = written_bytes();
	start = clock_mono_us(clock);
	for (i = 0; i < total; i += group) {
		fill(puts, bodies, group, (unsigned)i);
		if (spool_append(spool, puts, (size_t)group, &first))
			die("append", spool_error(spool));
	}
	result->per_second = (double)total * 1e6 / (double)(clock_mono_us(clock) - start);
	result->written = (double)(written_bytes() - bytes) / total;
	spool_close(spool);
}

static void insert(struct sql *sql, char *body, unsigned n)
{
	struct sql_stmt *stmt =
		sql_stmt(sql, "INSERT INTO t (class, at, body) VALUES ($1, $2, $3)");

	sql_bind_int(stmt, 1, 0);
	sql_bind_int(stmt, 2, n);
	sql_bind_blob(stmt, 3, body, make_body(body, n));
	if (sql_run(stmt))
		die("insert", sql_error(sql));
}

static void run_plain(const char *folder, struct clock *clock, int group, int total,
		      struct result *result)
{
	static char body[BODY_BYTES];
	struct sql *sql;
	char url[512], error[256];
	int64_t start, bytes;
	int i, k;

	(void)snprintf(url, sizeof(url), "sqlite:%s/plain-%d.db", folder, group);
	if (sql_open(url, SQL_CREATE, &sql, error, sizeof(error)))
		die("sqlite", error);
	if (sql_exec(sql, "CREATE TABLE t (id INTEGER PRIMARY KEY, class INTEGER, at INTEGER,"
			  " body BLOB) STRICT"))
		die("table", sql_error(sql));
	bytes = written_bytes();
	start = clock_mono_us(clock);
	for (i = 0; i < total; i += group) {
		if (sql_begin(sql))
			die("begin", sql_error(sql));
		for (k = 0; k < group; k++)
			insert(sql, body, (unsigned)(i + k));
		if (sql_commit(sql))
			die("commit", sql_error(sql));
	}
	result->per_second = (double)total * 1e6 / (double)(clock_mono_us(clock) - start);
	result->written = (double)(written_bytes() - bytes) / total;
	sql_close(sql);
}

static void print_text(int group, int total, const struct result *spool, const struct result *plain)
{
	(void)printf("%8d %8d %12.0f %12.0f %6.2f %12.0f %12.0f %6.2f\n", group, total,
		     spool->per_second, plain->per_second, spool->per_second / plain->per_second,
		     spool->written, plain->written, spool->written / plain->written);
}

static void print_json(int group, int total, const struct result *spool, const struct result *plain)
{
	(void)printf(
		"{\"name\":\"spool.append.%d\",\"peer\":\"sqlite\",\"value\":%.0f,"
		"\"peer_value\":%.0f,\"unit\":\"batches/s\",\"n\":%d,\"target\":null,\"met\":null}\n",
		group, spool->per_second, plain->per_second, total);
	(void)printf(
		"{\"name\":\"spool.written.%d\",\"peer\":\"sqlite\",\"value\":%.0f,"
		"\"peer_value\":%.0f,\"unit\":\"bytes/batch\",\"n\":%d,\"target\":null,\"met\":null}\n",
		group, spool->written, plain->written, total);
}

static void clean(const char *folder)
{
	static const char *const names[] = {"spool", "plain"};
	static const int groups[] = {1, 10, 100};
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char path[512];
	size_t i, g, s;

	for (i = 0; i < 2; i++)
		for (g = 0; g < 3; g++)
			for (s = 0; s < 3; s++) {
				(void)snprintf(path, sizeof(path), "%s/%s-%d.db%s", folder,
					       names[i], groups[g], suffixes[s]);
				(void)unlink(path);
			}
	(void)rmdir(folder);
}

int main(int argc, char **argv)
{
	static const int groups[] = {1, 10, 100};
	const char *base = ".";
	struct clock_system clock;
	struct result spool, plain;
	char folder[400];
	bool json = false;
	int i, r, total;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else
			base = argv[i];
	}
	r = clock_system_init(&clock, CLOCK_TRUST_KERNEL);
	if (r)
		die("clock", strerror(-r));
	(void)snprintf(folder, sizeof(folder), "%s/bench-spool-XXXXXX", base);
	if (!mkdtemp(folder))
		die(folder, strerror(errno));
	if (!json)
		(void)printf("%8s %8s %12s %12s %6s %12s %12s %6s\n", "a commit", "batches",
			     "spool/s", "sqlite/s", "ratio", "spool B", "sqlite B", "ratio");
	for (i = 0; i < 3; i++) {
		total = groups[i] == 1 ? RECORDS : 10 * RECORDS;
		run_plain(folder, &clock.clock, groups[i], total, &plain);
		run_spool(folder, &clock.clock, groups[i], total, &spool);
		if (json)
			print_json(groups[i], total, &spool, &plain);
		else
			print_text(groups[i], total, &spool, &plain);
	}
	clean(folder);
	return 0;
}
