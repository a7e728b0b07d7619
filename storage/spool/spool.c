/* Opening, closing, and what is known of a spool as a whole. */
#include "storage/spool/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/spool/spool_priv.h"

int spool_fail(struct spool *spool, int r, const char *message)
{
	if (r == -EUCLEAN) {
		spool->unclean = true;
		spool->damage = SPOOL_DAMAGED_YOUNG | SPOOL_DAMAGED_DISK;
	}
	(void)snprintf(spool->error, sizeof(spool->error), "%s", message);
	return r;
}

int spool_fail_sql(struct spool *spool, enum floor_name floor, int r)
{
	const unsigned damage = spool->damage;

	spool->blame = floor;
	/* Our texts are right: a row that breaks a rule of its table is none that was stored. */
	r = spool_fail(spool, r == -EINVAL ? -EUCLEAN : r, sql_error(spool->sql[floor]));
	/* SQLite knows which of the two it is. */
	if (r == -EUCLEAN)
		spool->damage = damage | damage_of(floor);
	return r;
}

/* Opening. */

static void discard(struct spool *spool)
{
	if (!spool)
		return;
	floor_close(spool, YOUNG);
	floor_close(spool, DISK);
	free(spool->paths[YOUNG]);
	free(spool->paths[DISK]);
	buf_free(&spool->body);
	buf_free(&spool->ledger);
	free(spool);
}

static struct spool *make(const struct spool_config *config)
{
	struct spool *spool = calloc(1, sizeof(*spool));
	const int64_t now = clock_mono_us(config->clock);

	if (!spool)
		return NULL;
	spool->clock = config->clock;
	spool->config = *config;
	spool->measured_us = now;
	spool->credit_us = now;
	spool->credit = config->write_budget / 8;
	spool->doom_due_us = INT64_MAX;
	spool->anchor_due_us = INT64_MAX;
	/* How old that is what a process before this one left there nobody knows. */
	spool->young_due_us = 0;
	spool->paths[YOUNG] = strdup(config->young_path);
	spool->paths[DISK] = strdup(config->path);
	/* Room to pack in: how much the result may have is for wire_body_pack() to say. */
	buf_init(&spool->body, 2 * (size_t)WIRE_UNPACKED_BYTES_MAX);
	buf_init(&spool->ledger, WIRE_BATCH_BYTES_MAX);
	if (spool->paths[YOUNG] && spool->paths[DISK])
		return spool;
	discard(spool);
	return NULL;
}

/* A disk that answers so is gone without. */
static bool may_come_back(int r)
{
	return r == -ENOSPC || r == -EROFS || r == -EIO;
}

static void go_without(struct spool *spool, int r)
{
	floor_close(spool, DISK);
	memset(spool->now.held[DISK], 0, sizeof(spool->now.held[DISK]));
	(void)spool_disk_failed(spool, r);
}

/* With the disk where that works, else without. */
static int load(struct spool *spool)
{
	int r;

	r = spool_load(spool);
	if (spool->sql[DISK] && spool->blame == DISK && may_come_back(r)) {
		go_without(spool, r);
		r = spool_load(spool);
	}
	if (r || !spool->sql[DISK])
		return r;
	r = spool_adopt_now(spool);
	if (r == 0 || !may_come_back(r))
		return r;
	/* What it says of its end would be wrong with the next number. */
	return spool->was_orderly ? spool_begin_epoch(spool, NULL) : 0;
}

/* What is to be kept of files that were set aside, and what the caller is told of it. */
struct rescue {
	char *asides[FLOORS]; /* NULL: none */
	char *notice;
};

/* Adds a sentence to what the caller is told. Without memory less is told. */
static void tell(struct rescue *rescue, const char *text)
{
	char *more = NULL;

	if (asprintf(&more, "%s%s%s", rescue->notice ? rescue->notice : "",
		     rescue->notice ? "; " : "", text) < 0)
		return;
	free(rescue->notice);
	rescue->notice = more;
}

static void tell_salvage(struct rescue *rescue, const struct salvage *salvage, int r)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "%lld batches with %lld records were read from it%s, %lld places were not",
		       (long long)salvage->batches, (long long)salvage->records,
		       r ? " until the disk failed"
			 : (salvage->whole || salvage->batches == 0 ? "" : " before time was up"),
		       (long long)salvage->damaged);
	tell(rescue, text);
}

static int open_floor(struct spool *spool, enum floor_name floor, struct rescue *rescue)
{
	struct salvage salvage;
	int r;

	r = floor_open(spool, floor);
	if (r || !rescue->asides[floor])
		return r;
	if (floor == YOUNG)
		spool->inexact = true;
	r = spool_salvage(spool, floor, rescue->asides[floor], &salvage);
	tell_salvage(rescue, &salvage, r);
	/* Once is enough, however the opening goes on. */
	free(rescue->asides[floor]);
	rescue->asides[floor] = NULL;
	/* What was copied is there; the rest is stated as lost, and the file is kept. */
	return r == -EUCLEAN ? r : 0;
}

static int open_floors(struct spool *spool, struct rescue *rescue)
{
	int r;

	r = open_floor(spool, YOUNG, rescue);
	if (r)
		return r;
	r = open_floor(spool, DISK, rescue);
	if (may_come_back(r)) {
		go_without(spool, r);
		r = 0;
	}
	return r ? r : load(spool);
}

/* *ret_damage says which floors are corrupt. */
static int open_once(const struct spool_config *config, struct rescue *rescue,
		     struct spool **ret_spool, unsigned *ret_damage, char *error, size_t error_size)
{
	struct spool *spool = make(config);
	int r;

	if (!spool) {
		(void)snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	/* A file was set aside: what its epochs still hold is to be said anew. */
	spool->restate = rescue->notice != NULL;
	r = open_floors(spool, rescue);
	if (r == 0) {
		spool->replaced = false; /* nobody has seen an id */
		*ret_spool = spool;
		return 0;
	}
	(void)snprintf(error, error_size, "%s", spool->error);
	*ret_damage = spool->damage ? spool->damage : damage_of(spool->blame);
	discard(spool);
	return r;
}

/* Sets a floor's file aside; what was there begins anew. */
static int renew(const struct spool_config *config, enum floor_name floor, char *why,
		 size_t why_size, struct rescue *rescue)
{
	const char *path = floor == YOUNG ? config->young_path : config->path;
	char *aside = NULL, *text = NULL;
	int r;

	r = spool_set_aside(config->clock, path, floor == YOUNG ? 1 : SPOOL_ASIDE_MAX, &aside);
	if (r) {
		if (asprintf(&text, "%s; it cannot be set aside: %s", why, strerror(-r)) >= 0)
			(void)snprintf(why, why_size, "%s", text);
		free(text);
		return r;
	}
	if (asprintf(&text, "the %s was corrupt (%s) and is set aside as %s",
		     floor == YOUNG ? "spool's young floor" : "spool", why, aside) >= 0)
		tell(rescue, text);
	free(text);
	free(rescue->asides[floor]);
	rescue->asides[floor] = aside;
	return 0;
}

static int renew_damaged(const struct spool_config *config, unsigned damage, char *why,
			 size_t why_size, struct rescue *rescue)
{
	int f, r = 0;

	for (f = YOUNG; f < FLOORS && r == 0; f++) {
		if (!(damage & damage_of((enum floor_name)f)))
			continue;
		r = renew(config, (enum floor_name)f, why, why_size, rescue);
		/* The young floor may have gone with the memory. */
		if (r == -ENOENT && f == YOUNG)
			r = 0;
	}
	return r;
}

int spool_open(const struct spool_config *config, struct spool **ret_spool, char **ret_notice,
	       char *error, size_t error_size)
{
	char why[256] = "it failed while in use";
	struct rescue rescue = {.notice = NULL};
	unsigned damage = config->damaged;
	int tries, r = damage ? -EUCLEAN : 0;

	if (!config->path || !config->young_path) {
		(void)snprintf(error, error_size, "a spool needs two files");
		return -EINVAL;
	}
	for (tries = 0; tries <= FLOORS; tries++) {
		if (r == -EUCLEAN) {
			r = renew_damaged(config, damage, why, sizeof(why), &rescue);
			if (r)
				break;
		}
		r = open_once(config, &rescue, ret_spool, &damage, why, sizeof(why));
		if (r != -EUCLEAN)
			break;
	}
	if (r)
		(void)snprintf(error, error_size, "%s%s%s", why, rescue.notice ? "; " : "",
			       rescue.notice ? rescue.notice : "");
	free(rescue.asides[YOUNG]);
	free(rescue.asides[DISK]);
	if (r == 0 && ret_notice)
		*ret_notice = rescue.notice;
	else
		free(rescue.notice);
	return r;
}

/* No number is given after this, and the disk knows all that were. */
static int state_orderly(struct spool *spool)
{
	struct sql_stmt *stmt;
	int r;

	r = floor_begin(spool, DISK);
	if (r)
		return r;
	stmt = sql_stmt(spool->sql[DISK], "UPDATE epoch SET orderly = 1 WHERE seq = $1");
	sql_bind_int(stmt, 1, spool->now.seq);
	r = sql_run(stmt);
	return floor_end(spool, r ? spool_fail_sql(spool, DISK, r) : 0);
}

void spool_close(struct spool *spool)
{
	if (!spool)
		return;
	/* Failing, the end is stated as not known, which is safe. */
	if (!spool->unclean && spool_flush(spool) == 0)
		(void)state_orderly(spool);
	discard(spool);
}

const char *spool_error(const struct spool *spool)
{
	return spool->error[0] ? spool->error : "no error";
}

unsigned spool_damage(const struct spool *spool)
{
	return spool->damage;
}

const char *spool_epoch(const struct spool *spool)
{
	return spool->now.epoch;
}

const char *spool_boot(const struct spool *spool)
{
	return spool->now.boot_id;
}
