/* The transfer's ledger: boots with their anchor, epochs with their interval sets, history. */
#ifndef STORAGE_COREDB_TRANSFER_H
#define STORAGE_COREDB_TRANSFER_H

#include "base/clock.h"
#include "model/snapshot.h"
#include "model/wire/record.h"
#include "storage/coredb/coredb.h"

struct coredb_boot {
	int64_t id;
	int64_t gateway;
	char name[40];
	/* The anchor's evidence, as cloud/domain/anchor.h understands it. */
	enum clock_quality quality, floor_quality;
	int64_t mono_us, offset_ms, ceiling_ms, floor_ms;
	/* What follows from it: readers take these. */
	enum clock_quality held_quality;
	int64_t held_offset_ms; /* MODEL_NO_TIME: nothing is known */
	int64_t previous;       /* row; 0: not known */
	int64_t max_mono_us;    /* the last monotonic moment known of it; -1: none */
	int64_t first_seen_ms, last_seen_ms;
};
/* Finds, or makes where it is new. */
int coredb_boot_open(struct coredb *db, int64_t gateway, const char *name, int64_t now_ms,
		     struct coredb_boot *ret);
int coredb_boot_get(struct coredb *db, int64_t id, struct coredb_boot *ret);
int coredb_boot_put(struct coredb *db, const struct coredb_boot *boot);
/* Rows of the boots that name `boot` as the one before; at most `cap`. Returns how many or -errno. */
int coredb_boot_after(struct coredb *db, int64_t boot, int64_t *ret_ids, int cap);

/* After the offset of a boot has moved: works last_update_at of the devices whose newest data is of
 * that boot out again. */
int coredb_boot_retime(struct coredb *db, int64_t boot, int64_t offset_ms);

/* A model_anchor_fn for readers: looks boots up on this connection and remembers the last few.
 * Zero it, set `db`. */
#define COREDB_ANCHORS 64
struct coredb_anchors {
	struct coredb *db;
	int64_t boot[COREDB_ANCHORS]; /* 0: empty */
	int64_t offset_ms[COREDB_ANCHORS];
	enum clock_quality quality[COREDB_ANCHORS];
};
int64_t coredb_anchor(void *anchors, int64_t boot, int64_t mono_us);
/* Who vouches for times of that boot. */
enum clock_quality coredb_anchor_quality(struct coredb_anchors *anchors, int64_t boot);

/* Sorted, disjoint ranges of batch numbers; what they mean is cloud/domain/intervals.h. */
struct coredb_ranges {
	struct wire_range *items; /* owned, from malloc() */
	size_t count, cap;
};

struct coredb_epoch {
	int64_t id;
	int64_t gateway;
	char name[IDS_RANDOM_SIZE];
	int64_t first_seen_ms, last_seen_ms;
	int64_t live_at_ms;     /* its last live batch; NO_TIME: none */
	int64_t floor, highest; /* largest seen */
	struct coredb_ranges committed, dropped, held;
	bool ended;
	int64_t end; /* one past the last number made, -1 not known; meaningless unless ended */
	int64_t ended_at_ms;
	bool abandoned;
};
/* Finds, or makes where it is new. Free with coredb_epoch_free(), also to load another into it. */
int coredb_epoch_open(struct coredb *db, int64_t gateway, const char *name, int64_t now_ms,
		      struct coredb_epoch *ret);
int coredb_epoch_put(struct coredb *db, const struct coredb_epoch *epoch);
void coredb_epoch_free(struct coredb_epoch *epoch);

/* Epochs that fell silent before `before_ms`, are not ended, and whose gateway has another one that
 * was live since: up to `cap` rows. Returns how many or -errno. */
int coredb_epoch_abandoned(struct coredb *db, int64_t before_ms, int64_t *ret_ids, int cap);
int coredb_epoch_get(struct coredb *db, int64_t id, struct coredb_epoch *ret);

/* Digests of the last COREDB_DIGESTS batches of an epoch. */
#define COREDB_DIGESTS 10000
int coredb_digest_get(struct coredb *db, int64_t epoch, int64_t number,
		      uint64_t *ret); /* -ENOENT */
int coredb_digest_put(struct coredb *db, int64_t epoch, int64_t number, uint64_t digest);
int coredb_digest_prune(struct coredb *db, int64_t epoch, int64_t below);

/* History: a batch as it came. */
struct coredb_batch {
	int64_t id; /* given by coredb_batch_add() */
	int64_t workspace, gateway, epoch, number, boot;
	int class;
	int64_t received_ms;
	int records;
	int packing; /* enum wire_body */
	const void *body;
	size_t len;
};
int coredb_batch_add(struct coredb *db, struct coredb_batch *batch);
int coredb_batch_get(struct coredb *db, int64_t id,
		     struct coredb_batch *ret); /* body: until the next call */

/* What a batch held of a device; adds to what is there. */
struct coredb_device_batch {
	int64_t device, batch;
	int64_t first_mono_us, last_mono_us;
	int64_t records, accepted, late, duplicate;
};
int coredb_device_batch_add(struct coredb *db, const struct coredb_device_batch *row);
/* Removes history older than the retention of its workspace; at most `limit` batches. Returns how
 * many or -errno. */
int coredb_history_prune(struct coredb *db, int64_t now_ms, int limit);

#endif
