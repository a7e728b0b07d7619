/* Opening, closing, and what is done to a spool as a whole. */
#include "storage/spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "base/rfc3339.h"
#include "schema_spool.h"
#include "storage/spool/spool_priv.h"

/* Set-aside files of one millisecond (a clock may stand still). */
#define ASIDE_TRIES 100

int spool_fail(struct spool *spool, int r, const char *message)
{
	if (r == -EUCLEAN)
		spool->unclean = true;
	(void)snprintf(spool->error, sizeof(spool->error), "%s", message);
	return r;
}

int spool_fail_sql(struct spool *spool, int r)
{
	return spool_fail(spool, r, sql_error(spool->sql));
}

int spool_begin(struct spool *spool)
{
	int r;

	r = sql_begin(spool->sql);
	if (r)
		return spool_fail_sql(spool, r);
	spool->saved = spool->now;
	return 0;
}

int spool_end(struct spool *spool, int r)
{
	if (r == 0) {
		r = sql_commit(spool->sql);
		if (r == 0)
			return 0;
		r = spool_fail_sql(spool, r);
	}
	sql_rollback(spool->sql);
	spool->now = spool->saved;
	return r;
}

/* Opening. */

static void discard(struct spool *spool)
{
	if (!spool)
		return;
	sql_close(spool->sql);
	buf_free(&spool->body);
	buf_free(&spool->ledger);
	free(spool);
}

static int open_database(struct spool *spool, const char *path)
{
	char *url = NULL;
	int r;

	if (asprintf(&url, "sqlite:%s", path) < 0)
		return spool_fail(spool, -ENOMEM, "out of memory");
	r = sql_open(url, SQL_CREATE, &spool->sql, spool->error, sizeof(spool->error));
	free(url);
	if (r)
		return r;
	r = schema_migrate(spool->sql, &schema_spool, NULL, NULL, spool->error,
			   sizeof(spool->error));
	if (r)
		return r;
	r = spool_begin(spool);
	if (r == 0)
		r = spool_end(spool, spool_load(spool));
	return r;
}

static int open_once(const struct spool_config *config, struct spool **ret_spool, char *error,
		     size_t error_size)
{
	struct spool *spool;
	int r;

	spool = calloc(1, sizeof(*spool));
	if (!spool) {
		(void)snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	spool->clock = config->clock;
	spool->max_bytes = config->max_bytes;
	spool->max_age_ms = config->max_age_ms;
	/* Room to pack in: how much the result may have is for wire_body_pack() to say. */
	buf_init(&spool->body, 2 * (size_t)WIRE_UNPACKED_BYTES_MAX);
	buf_init(&spool->ledger, WIRE_BATCH_BYTES_MAX);
	r = open_database(spool, config->path);
	if (r) {
		(void)snprintf(error, error_size, "%s", spool->error);
		discard(spool);
		return r;
	}
	*ret_spool = spool;
	return 0;
}

/* Setting a corrupt file aside. */

static int rename_suffixed(const char *from, const char *to, const char *suffix)
{
	char *old = NULL, *new = NULL;
	int r = -ENOMEM;

	if (asprintf(&old, "%s%s", from, suffix) < 0)
		old = NULL;
	if (asprintf(&new, "%s%s", to, suffix) < 0)
		new = NULL;
	if (old && new &&access(new, F_OK) == 0)
		r = -EEXIST;
	else if (old && new)
		r = rename(old, new) ? -errno : 0;
	free(old);
	free(new);
	return r;
}

static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int fd, r = 0;

	if (!slash)
		folder = strdup(".");
	else
		folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		r = -errno;
	(void)close(fd);
	return r;
}

/* The log goes last. Were it gone and the file not, the file alone could pass for an older state of
 * the spool, and numbers would be given twice. The log alone never passes: with pages missing it is
 * corrupt again, with none missing it is the newest state. */
static int move_aside(const char *path, const char *aside)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	size_t i;
	int r;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		r = rename_suffixed(path, aside, suffixes[i]);
		if (r && (r != -ENOENT || i == 0))
			return r;
	}
	return sync_folder(path);
}

static int set_aside(const struct spool_config *config, char **ret_aside)
{
	char time[RFC3339_SIZE], *aside = NULL;
	int i, r = -EEXIST;

	rfc3339_format(clock_wall_ms(config->clock), time);
	for (i = 1; i <= ASIDE_TRIES && r == -EEXIST; i++) {
		free(aside);
		if (i == 1)
			r = asprintf(&aside, "%s.corrupt-%s", config->path, time);
		else
			r = asprintf(&aside, "%s.corrupt-%s-%d", config->path, time, i);
		if (r < 0)
			return -ENOMEM;
		r = move_aside(config->path, aside);
	}
	if (r) {
		free(aside);
		return r;
	}
	*ret_aside = aside;
	return 0;
}

int spool_open(const struct spool_config *config, struct spool **ret_spool, char **ret_notice,
	       char *error, size_t error_size)
{
	char why[256], *aside = NULL, *notice = NULL;
	int r;

	r = open_once(config, ret_spool, why, sizeof(why));
	if (r == -EUCLEAN) {
		r = set_aside(config, &aside);
		if (r) {
			(void)snprintf(error, error_size, "%s; it cannot be set aside: %s", why,
				       strerror(-r));
			return r;
		}
		if (asprintf(&notice, "the spool was corrupt (%s) and is set aside as %s", why,
			     aside) < 0)
			notice = NULL;
		free(aside);
		r = open_once(config, ret_spool, why, sizeof(why));
	}
	if (r)
		(void)snprintf(error, error_size, "%s%s%s", why, notice ? "; " : "",
			       notice ? notice : "");
	if (r == 0 && ret_notice)
		*ret_notice = notice;
	else
		free(notice);
	return r;
}

void spool_close(struct spool *spool)
{
	struct sql_stmt *stmt;

	if (!spool)
		return;
	/* Failing, the end is stated as not known, which is safe. */
	if (!spool->unclean) {
		stmt = sql_stmt(spool->sql, "UPDATE epoch SET orderly = 1 WHERE seq = $1");
		sql_bind_int(stmt, 1, spool->now.seq);
		(void)sql_run(stmt);
	}
	discard(spool);
}

const char *spool_error(const struct spool *spool)
{
	return spool->error[0] ? spool->error : "no error";
}

const char *spool_epoch(const struct spool *spool)
{
	return spool->now.epoch;
}

const char *spool_boot(const struct spool *spool)
{
	return spool->now.boot_id;
}

/* Figures. */

/* 1 with the value, 0 where there is none. */
static int oldest_of_boot(struct spool *spool, int64_t *ret_mono_us)
{
	struct sql_stmt *stmt = sql_stmt(
		spool->sql,
		"SELECT first_mono_us FROM batch WHERE id >= (SELECT min(seq) FROM epoch WHERE boot = $1) << 40"
		" ORDER BY id LIMIT 1");
	int r;

	sql_bind_int(stmt, 1, spool->now.boot);
	r = sql_step(stmt);
	if (r == 1)
		*ret_mono_us = sql_int(stmt, 0);
	sql_done(stmt);
	return r;
}

static int oldest_of_all(struct spool *spool, int64_t *ret_at_ms)
{
	struct sql_stmt *stmt = sql_stmt(
		spool->sql,
		"SELECT o.anchor_at_ms + (b.first_mono_us - o.anchor_mono_us) / 1000"
		" FROM batch AS b CROSS JOIN epoch AS e ON e.seq = b.id >> 40 CROSS JOIN boot AS o ON o.seq = e.boot"
		" ORDER BY b.id LIMIT 1");
	int r;

	r = sql_step(stmt);
	if (r == 1 && sql_is_null(stmt, 0))
		r = 0;
	if (r == 1)
		*ret_at_ms = sql_int(stmt, 0);
	sql_done(stmt);
	return r;
}

void spool_stats(struct spool *spool, struct spool_stats *ret_stats)
{
	const struct spool_state *now = &spool->now;

	*ret_stats = (struct spool_stats){
		.batches = now->batches,
		.bytes = now->bytes,
		.oldest_mono_us = -1,
		.oldest_at_ms = MODEL_NO_TIME,
		.dropped_total = now->dropped,
		.appended_total = now->appended,
		.acked_total = now->acked,
	};
	if (now->day == clock_wall_ms(spool->clock) / 86400000)
		ret_stats->written_bytes_today = now->written_today;
	/* What cannot be read is not known; the next append or peek says why. */
	(void)oldest_of_boot(spool, &ret_stats->oldest_mono_us);
	(void)oldest_of_all(spool, &ret_stats->oldest_at_ms);
}
