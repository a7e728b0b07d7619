/* The spool: batches kept until the core has committed them. Peek and ack, with ids that are never
 * used again.
 *
 * It has two floors, two SQLite files of the same schema. What is new lies on the young one, a file
 * on tmpfs: it survives the process, not the machine. What the core has not committed within the
 * window moves to the file on disk, in groups, first there and then out of the young one. Alarms and
 * ledgers go to the disk before spool_append() returns. Readers see both floors as one.
 *
 * The unit is a batch: its body is encoded once and never changes; (epoch, number) names it for
 * ever. A number is given in the transaction that stores the batch. An epoch begins on the young
 * floor: at the first use after a boot, where the young floor is gone, at a new time base, and where
 * the disk was not there or was damaged. The end of the one before is stated by a ledger batch in the
 * disk transaction that makes the new one known there (docs/decisions/0001-transfer-protocol.md).
 * What the spool must give up is stated by a ledger batch in the transaction that gives it up.
 *
 * A disk that cannot be written, or read, or is not there, stops nothing: what comes in stays young
 * within young_max_bytes, and the disk is tried again.
 *
 * One thread owns a spool. Nothing here reads a clock but through struct clock.
 */
#ifndef STORAGE_SPOOL_SPOOL_H
#define STORAGE_SPOOL_SPOOL_H

#include "base/clock.h"
#include "model/wire/batch.h"
#include "model/wire/control.h"

struct spool;

#define SPOOL_WINDOW_MAX_US INT64_C(60000000)
/* Classes that may be given up, in this order: sample, state, alarm. Ledgers never are. */
#define SPOOL_CLASSES WIRE_CLASS_LEDGER

/* 0: no limit of its own. Bytes are those of bodies. An age is judged where it is certain: by
 * monotonic time in the running boot, else by that boot's anchor and a clock that somebody vouches
 * for. */
struct spool_cap {
	int64_t bytes;
	int64_t age_ms;
};

struct spool_config {
	const char *path; /* the disk floor: a database file */
	/* The young floor: a database file, on tmpfs. Nobody else may use it meanwhile. */
	const char *young_path;
	int64_t window_us; /* 0 to SPOOL_WINDOW_MAX_US; 0: on disk before spool_append() returns */
	/* Of bodies, both floors together. Over it the oldest samples go first, then states, then
	 * alarms, never ledgers, down to 31/32 of it, so that a full spool does not state each loss
	 * apart. What comes in may itself be what goes: it then has its number, and its loss is
	 * stated. */
	int64_t max_bytes;
	/* Of bodies on the young floor while the disk refuses or the budget is used up; then the
	 * same. With a disk that works it only makes the move come sooner. */
	int64_t young_max_bytes;
	struct spool_cap caps[SPOOL_CLASSES]; /* by class, beside max_bytes */
	/* Bytes that may be written to the disk in any 24 hours; 0: no limit. An eighth of it may go
	 * at once, the rest evenly. Over it moves wait and become larger (fewer bytes a record).
	 * Alarms and ledgers are written all the same and count. */
	int64_t write_budget;
	/* What the card endures, bytes written by the host, as its maker says (TBW); 0: not known. */
	int64_t card_endurance;
	/* What spool_damage() said after -EUCLEAN, 0 otherwise: these floors are set aside and salvaged
	 * without asking whether they are damaged. */
	unsigned damaged;
	struct clock *clock;
};

/* Opens or makes both floors; goes on with the running epoch or begins one. A file that is corrupt is
 * set aside whole as PATH.corrupt-TIME, what can be read of it goes into a new one and the ends of its
 * epochs are stated anew; *ret_notice (may be NULL; free() it) then says so. The newest
 * SPOOL_ASIDE_MAX of them are kept. A disk that answers with -ENOSPC, -EROFS or -EIO is gone without
 * (spool_stats() says so) and tried again by spool_run(). Returns 0 or -errno; `error` says why. */
#define SPOOL_ASIDE_MAX 3
int spool_open(const struct spool_config *config, struct spool **ret_spool, char **ret_notice,
	       char *error, size_t error_size);
/* Moves everything to disk, states there the orderly end of the epoch's numbers, then closes. NULL is
 * accepted. Where the disk refuses the young floor keeps what it has. */
void spool_close(struct spool *spool);
const char *spool_error(const struct spool *spool);
/* After -EUCLEAN: which floors are to blame, for spool_config.damaged. */
#define SPOOL_DAMAGED_YOUNG 1u
#define SPOOL_DAMAGED_DISK 2u
unsigned spool_damage(const struct spool *spool);

/* What is to be kept: records encoded as the elements of a JSON array. */
struct spool_put {
	enum wire_class class;
	const char *json; /* "[{...},{...}]" */
	size_t len;
	int count; /* records in it */
	int64_t first_mono_us, last_mono_us;
};

/* Stores batches in one transaction and gives each its number, in order; drops the oldest ones (with
 * a ledger record) where a cap asks for it. *ret_first is the number of the first. With window 0, or
 * an alarm or a ledger among them, they are on disk before it returns, unless the disk refuses: then
 * they are young, and spool_stats() and spool_run() tell the trouble.
 * Returns 0 or -errno (nothing stored, no number given): -EMSGSIZE where a body is too large for one
 * batch, -EINVAL, or what sql.h says where both floors refuse. The call may be tried again. -EUCLEAN
 * asks for closing and opening again with `damaged`. */
int spool_append(struct spool *spool, const struct spool_put *puts, size_t count,
		 int64_t *ret_first);

/* ---- upkeep ---- */

/* Monotonic us at which spool_run() is due; INT64_MAX: never. To be asked anew after each call. */
int64_t spool_due(struct spool *spool);
/* Moves what the window asks for to disk (one commit for all), forgets there what was acknowledged,
 * tries again a disk that failed, stores an anchor. Returns 0 or the disk's -errno: nothing is lost
 * by it, and spool_due() says when the next try is. -EUCLEAN as for spool_append(). */
int spool_run(struct spool *spool);
/* Everything that is young to disk, now and whatever the budget says. Returns as spool_run(). */
int spool_flush(struct spool *spool);
/* True once after ids have changed: a disk came (back) that has batches of its own. Whoever keeps ids
 * begins anew. */
bool spool_take_replaced(struct spool *spool);
/* True once after a disk that could not be read works again: spool_peek() may have passed over what lies
 * there. Whoever goes through the batches in order begins again with the oldest. */
bool spool_take_passed_over(struct spool *spool);

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
 * was stored is not shown: it is given up as `unreadable` by a ledger batch. A disk that cannot be
 * read fails no call: what is young is shown. */
int spool_peek(struct spool *spool, enum spool_order order, int64_t after, int limit,
	       int (*fn)(void *arg, const struct spool_batch *batch), void *arg);
/* One batch by its id: 1 shown, 0 not there any more, -errno. */
int spool_peek_id(struct spool *spool, int64_t id,
		  int (*fn)(void *arg, const struct spool_batch *batch), void *arg);

/* The oldest batch number that is still held of an epoch; one past the newest where none is; 1 where
 * the disk cannot be asked, which states nothing.
 * 0, or -ENOENT where nothing is known of such an epoch (any more). */
int spool_floor(struct spool *spool, const char *epoch, int64_t *ret_floor);

/* Forgets what the core has committed: ranges of an epoch, in any order; what is not there is
 * accepted. The disk forgets with the next spool_run(); after a crash before that such a batch is
 * there again, which is harmless. *ret_removed (may be NULL) is how many went. 0 or -errno. */
int spool_ack(struct spool *spool, const char *epoch, const struct wire_range *ranges, size_t count,
	      int64_t *ret_removed);
/* The core asks for the end of an epoch that fell silent: states it by a ledger batch, at most once a
 * minute and epoch. 1 stated, 0 nothing to do (not known, still running, told a moment ago, the disk
 * cannot be asked), -errno. */
int spool_tell_end(struct spool *spool, const char *epoch);

/* Which batches an operator gives up. */
struct spool_filter {
	const char *epoch;     /* NULL: any */
	int64_t first, last;   /* numbers; 0, 0: any */
	int class;             /* enum wire_class; -1: any but ledger, which is never given up */
	int64_t older_than_ms; /* 0: of any age; otherwise where the age is certain */
};
/* Gives them up, stated with the reason "operator". *ret_records (may be NULL) is how many records
 * went. 0 or -errno; what was given up before an error is stated. */
int spool_drop(struct spool *spool, const struct spool_filter *filter, int64_t *ret_records);

/* Keeps a better anchor of the running boot: one of better quality, or of the same quality where it
 * moves times by SPOOL_ANCHOR_STEP_MS or more. Where two trusted ones (GPS, synced) differ by more than
 * SPOOL_TIME_BASE_MS the machine was set back or stood still: monotonic times before and after it do
 * not belong together. Then a new time base (boot.id) and with it a new epoch begins, and the caller
 * forgets what it has read and makes keyframes. It goes to the disk with what else goes there. 1 a new
 * time base, 0, or -errno. */
#define SPOOL_TIME_BASE_MS 2000
#define SPOOL_ANCHOR_STEP_MS 50
int spool_set_anchor(struct spool *spool, int64_t mono_us, int64_t at_ms,
		     enum clock_quality quality);

/* A card programs larger pages than it is given: for a byte of small synced writes it wears as for so
 * many. 2 to 10 are published; nobody can measure it from outside. */
#define SPOOL_CARD_AMPLIFICATION 4

struct spool_stats {
	int64_t batches, bytes;             /* held now, both floors; bytes of bodies */
	int64_t young_batches, young_bytes; /* of these, on the young floor */
	int64_t disk_batches, disk_bytes;   /* and on disk */
	int64_t class_batches[WIRE_CLASS_LEDGER + 1], class_bytes[WIRE_CLASS_LEDGER + 1];
	int64_t oldest_mono_us; /* of the running boot; -1 where none */
	int64_t oldest_at_ms;   /* as its anchor says; MODEL_NO_TIME where empty or not known */
	int64_t dropped_total;  /* records given up, ever */
	int64_t dropped[WIRE_CLASS_LEDGER + 1]; /* the same by class; kept over a restart */
	int64_t appended_total;                 /* batches, since open */
	int64_t acked_total;
	int64_t moved_total; /* batches that went to disk, since open */
	int64_t moves;       /* commits they took */

	int disk_errno;                /* 0: well; else errno of what the disk refused last */
	int64_t disk_failing_since_us; /* monotonic; MODEL_NO_TIME where it is well */
	bool disk_there;               /* the file is open */

	/* Bytes given to the disk: log, checkpoints and all. Kept over restarts. */
	int64_t written_bytes_today; /* since 00:00 UTC by the machine's clock */
	int64_t written_bytes_total;
	int64_t measured_ms;  /* running time over which the total was written */
	int64_t write_budget; /* as configured; 0: no limit */
	int64_t budget_left;  /* bytes that may be written at once; below 0: moves wait */
	/* endurance / (SPOOL_CARD_AMPLIFICATION * written_bytes_total / measured_ms), in days; -1 where
	 * the endurance is not known or less than an hour was measured. */
	int64_t card_life_days;
};
void spool_stats(struct spool *spool, struct spool_stats *ret_stats);
const char *spool_epoch(const struct spool *spool);
/* The id of the running time base, as in the header of what is appended now. */
const char *spool_boot(const struct spool *spool);

#endif
