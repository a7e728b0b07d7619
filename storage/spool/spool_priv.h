/* What the files of the spool share. */
#ifndef STORAGE_SPOOL_SPOOL_PRIV_H
#define STORAGE_SPOOL_SPOOL_PRIV_H

#include <stdbool.h>

#include "base/buf.h"
#include "storage/spool/spool.h"
#include "storage/sql/sql.h"

/* A batch's id is the epoch's seq and its number in it. */
#define NUMBER_BITS 40
#define NUMBER_MAX ((INT64_C(1) << NUMBER_BITS) - 1)
/* Classes below it may be dropped, in the order of their values. */
#define DROPPABLE WIRE_CLASS_LEDGER

static inline int64_t id_of(int64_t seq, int64_t number)
{
	return seq << NUMBER_BITS | number;
}

static inline int64_t number_of(int64_t id)
{
	return id & NUMBER_MAX;
}

/* What a transaction that fails must take back. */
struct spool_state {
	int64_t seq; /* of the running epoch */
	char epoch[IDS_RANDOM_SIZE];
	int64_t boot; /* boot.seq of the running time base */
	char boot_id[WIRE_BOOT_ID_SIZE];
	int64_t batches, bytes;
	int64_t dropped;
	int64_t appended, acked;
	int64_t day, written_today;
	int64_t from[DROPPABLE]; /* no batch of this class has a smaller id */
};

struct spool {
	struct sql *sql;
	struct clock *clock;
	int64_t max_bytes, max_age_ms;
	int64_t next_age_check_us;
	struct spool_state now, saved;
	struct buf body;   /* packed, of the batch that is being stored */
	struct buf ledger; /* JSON of the ledger batch that is being stored */
	bool unclean;      /* corruption was seen: the next opening has to look at the whole file */
	char error[256];
};

/* spool.c */

int spool_begin(struct spool *spool);
/* Ends the transaction that spool_begin() began: commits where r is 0, else takes everything back.
 * Returns r or what the commit said. */
int spool_end(struct spool *spool, int r);
/* Keeps the reason for spool_error(); returns r. */
int spool_fail(struct spool *spool, int r, const char *message);
int spool_fail_sql(struct spool *spool, int r);

/* spool_epoch.c: inside a transaction */

/* Finds or makes the running boot and epoch, and counts what is held. */
int spool_load(struct spool *spool);
/* Starts a time base and an epoch; states the end of the running one by a ledger batch in it. */
int spool_begin_base(struct spool *spool);
/* seq of an epoch: 1 found, 0 not, -errno. */
int spool_find_epoch(struct spool *spool, const char *epoch, int64_t *ret_seq);

/* spool_store.c: inside a transaction */

/* Takes `count` numbers of the running epoch. */
int spool_take_numbers(struct spool *spool, int64_t count, int64_t *ret_first);
int spool_store(struct spool *spool, int64_t number, const struct spool_put *put);
/* Stores spool->ledger, an array of one record, as a ledger batch. */
int spool_store_ledger(struct spool *spool);

/* spool_drop.c: inside a transaction */

/* Gives up what the caps ask for, and states it. */
int spool_trim(struct spool *spool);
/* Gives up one batch that cannot be read. */
int spool_drop_unreadable(struct spool *spool, int64_t id);

#endif
