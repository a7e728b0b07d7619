/* The spool: batches kept until the core has committed them. Peek and ack, with ids that are never
 * used again.
 *
 * The unit is a batch: its body is encoded once and never changes; (epoch, number) names it for
 * ever. A number is given in the transaction that stores the batch. An epoch is made at the first
 * use after a boot and at a new time base; the end of the one before is stated by a ledger batch in
 * the same transaction (docs/decisions/0001-transfer-protocol.md).
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
	const char *path; /* the database file */
	/* Of bodies. Over it the oldest samples go first, then states, then alarms, never ledgers,
	 * down to 31/32 of it, so that a full spool does not state each loss apart. What comes in may
	 * itself be what goes: it then has its number, and its loss is stated. */
	int64_t max_bytes;
	/* 0: no limit. Judged at appends, where the age is certain: by monotonic time in the running
	 * boot, else by that boot's anchor and a clock that somebody vouches for. */
	int64_t max_age_ms;
	struct clock *clock;
};

/* Opens or makes the spool, starts a new epoch where the boot is new. A file that is corrupt is set
 * aside whole as PATH.corrupt-TIME and a new one is begun; *ret_notice (may be NULL; free() it) then
 * says so. After a disorderly end the whole file is checked first. Returns 0 or -errno; `error` says
 * why. */
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
 * Returns 0 or -errno (nothing stored, no number given): -EMSGSIZE where a body is too large for one
 * batch, -EINVAL, or what sql.h says. After -ENOSPC, -EROFS, -EIO what was stored is there as before,
 * and the call may be tried again. -EUCLEAN asks for closing and opening again. */
int spool_append(struct spool *spool, const struct spool_put *puts, size_t count,
		 int64_t *ret_first);

/* One batch as it stands. */
struct spool_batch {
	char epoch[IDS_RANDOM_SIZE];
	char prev[IDS_RANDOM_SIZE]; /* the epoch before it in this spool; "" where there is none */
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
 * Returns how many were shown or -errno. `fn` must not call the spool. A batch whose body is not what
 * was stored is not shown: it is given up as `unreadable` by a ledger batch. */
int spool_peek(struct spool *spool, enum spool_order order, int64_t after, int limit,
	       int (*fn)(void *arg, const struct spool_batch *batch), void *arg);
/* One batch by its id: 1 shown, 0 not there any more, -errno. */
int spool_peek_id(struct spool *spool, int64_t id,
		  int (*fn)(void *arg, const struct spool_batch *batch), void *arg);

/* The oldest batch number that is still held of an epoch; one past the newest where none is.
 * 0, or -ENOENT where nothing is known of such an epoch (any more). */
int spool_floor(struct spool *spool, const char *epoch, int64_t *ret_floor);

/* Forgets what the core has committed: ranges of an epoch, in any order; what is not there is
 * accepted. *ret_removed (may be NULL) is how many went. 0 or -errno. */
int spool_ack(struct spool *spool, const char *epoch, const struct wire_range *ranges, size_t count,
	      int64_t *ret_removed);
/* The core asks for the end of an epoch that fell silent: states it by a ledger batch, at most once a
 * minute and epoch. 1 stated, 0 nothing to do (not known, still running, told a moment ago), -errno. */
int spool_tell_end(struct spool *spool, const char *epoch);

/* Keeps a better anchor of the running boot: one of better quality, or of the same quality where it
 * moves times by a second or more. Where two trusted ones (GPS, synced) differ by more than
 * SPOOL_TIME_BASE_MS the machine was set back or stood still: monotonic times before and after it do
 * not belong together. Then a new time base (boot.id) and with it a new epoch begins, and the caller
 * forgets what it has read and makes keyframes. 1 a new time base, 0, or -errno. */
#define SPOOL_TIME_BASE_MS 2000
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
/* The id of the running time base, as in the header of what is appended now. */
const char *spool_boot(const struct spool *spool);

#endif
