/* The spool: batches kept until the core has committed them. Peek and ack, with ids that are never
 * used again.
 *
 * The unit is a batch: its body is encoded once and never changes; (epoch, number) names it for
 * ever. A number is given in the transaction that stores the batch. An epoch is made at the first
 * use after a boot; the end of the one before is stated by a ledger batch in the same transaction.
 * What the spool must give up is stated by a ledger batch in the transaction that gives it up.
 *
 * One thread owns a spool. Nothing here reads a clock but through struct clock.
 */
#ifndef STORAGE_SPOOL_SPOOL_H
#define STORAGE_SPOOL_SPOOL_H

#include "base/clock.h"
#include "model/wire/batch.h"
#include "model/wire/control.h"

struct spool;

struct spool_config {
	const char *path;   /* the database file */
	int64_t max_bytes;  /* of bodies; over it the oldest samples go first */
	int64_t max_age_ms; /* 0: no limit */
	struct clock *clock;
};

/* Opens or makes the spool, starts a new epoch where the boot is new. A file that is corrupt is set
 * aside whole as PATH.corrupt-TIME and a new one is begun; *ret_notice (may be NULL; free() it) then
 * says so. Returns 0 or -errno; `error` says why. */
int spool_open(const struct spool_config *config, struct spool **ret_spool, char **ret_notice,
	       char *error, size_t error_size);
/* States the orderly end of the epoch's numbers on disk, then closes. NULL is accepted. */
void spool_close(struct spool *spool);
const char *spool_error(const struct spool *spool);

/* What is to be kept: records encoded as the elements of a JSON array. */
struct spool_put {
	enum wire_class class;
	const char *json; /* "[{...},{...}]" */
	size_t len;
	int count; /* records in it */
	int64_t first_mono_us, last_mono_us;
};

/* Stores batches durably in one transaction and gives each its number, in order; drops the oldest
 * ones (with a ledger record) where a cap asks for it. *ret_first is the number of the first.
 * Returns 0 or -errno (nothing stored). */
int spool_append(struct spool *spool, const struct spool_put *puts, size_t count,
		 int64_t *ret_first);

/* One batch as it stands. */
struct spool_batch {
	char epoch[IDS_RANDOM_SIZE];
	int64_t number;
	int64_t id; /* the spool's own handle: larger is younger, over all epochs */
	enum wire_class class;
	enum wire_body body;
	int count;
	int64_t first_mono_us, last_mono_us;
	char digest[WIRE_DIGEST_SIZE];
	struct wire_boot boot; /* with the best anchor known of that boot; sent_mono_us not set */
	const void *data;
	size_t len;
};

enum spool_order {
	SPOOL_OLDEST_FIRST,
	SPOOL_NEWEST_FIRST,
};

/* Calls `fn` for up to `limit` batches with id > `after` (oldest first) or id < `after` (newest
 * first; 0 = from the newest), until it returns non-zero. `data` lives during the call.
 * Returns how many were shown or -errno. */
int spool_peek(struct spool *spool, enum spool_order order, int64_t after, int limit,
	       int (*fn)(void *arg, const struct spool_batch *batch), void *arg);
/* One batch by its id: 1 shown, 0 not there any more, -errno. */
int spool_peek_id(struct spool *spool, int64_t id,
		  int (*fn)(void *arg, const struct spool_batch *batch), void *arg);

/* The oldest batch number that is still held of an epoch; one past the newest where none is. */
int spool_floor(struct spool *spool, const char *epoch, int64_t *ret_floor);

/* Forgets what the core has committed: ranges of an epoch, in any order; what is not there is
 * accepted. *ret_removed (may be NULL) is how many went. 0 or -errno. */
int spool_ack(struct spool *spool, const char *epoch, const struct wire_range *ranges, size_t count,
	      int64_t *ret_removed);
/* The core holds another body under this number: gives the batch a new number in a new epoch. */
int spool_conflict(struct spool *spool, const char *epoch, int64_t number);

/* Keeps a better anchor of the running boot. 0 or -errno. */
int spool_set_anchor(struct spool *spool, int64_t mono_us, int64_t at_ms,
		     enum clock_quality quality);

struct spool_stats {
	int64_t batches, bytes; /* held now */
	int64_t oldest_mono_us; /* of the running boot; -1 where none */
	int64_t oldest_at_ms;   /* as its anchor says; MODEL_NO_TIME where empty or not known */
	int64_t dropped_total;  /* records given up, ever */
	int64_t written_bytes_today; /* of bodies, since 00:00 UTC or start */
	int64_t appended_total;      /* batches, since open */
	int64_t acked_total;
};
void spool_stats(struct spool *spool, struct spool_stats *ret_stats);
const char *spool_epoch(const struct spool *spool);

#endif
