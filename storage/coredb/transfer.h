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
	enum clock_quality quality;
	int64_t mono_us, offset_ms, ceiling_ms, ceiling_base_ms;
	/* What follows from it: readers take these. */
	enum clock_quality held_quality;
	int64_t held_offset_ms;  /* MODEL_NO_TIME: nothing is known */
	int64_t filed_offset_ms; /* with which its batches are filed by time; NO_TIME: by receipt */
	int64_t min_mono_us, max_mono_us; /* the first and last moment known of it; -1: none */
	int64_t first_seen_ms, last_seen_ms;
};
/* Finds, or makes where it is new. */
int coredb_boot_open(struct coredb *db, int64_t gateway, const char *name, int64_t now_ms,
		     struct coredb_boot *ret);
int coredb_boot_get(struct coredb *db, int64_t id, struct coredb_boot *ret);
int coredb_boot_put(struct coredb *db, const struct coredb_boot *boot);
/* After the offset of a boot has moved: works last_update_at of the devices whose newest data is of
 * that boot out again, and since when what that boot measured first holds. `old_offset_ms` may be
 * MODEL_NO_TIME. */
int coredb_boot_retime(struct coredb *db, int64_t boot, int64_t old_offset_ms, int64_t offset_ms);

/* Files batches anew of boots whose offset has moved by COREDB_FILED_MS or more since: up to `limit`.
 * Returns how many, or -errno. */
#define COREDB_FILED_MS INT64_C(60000)
int coredb_boot_refile(struct coredb *db, int limit);

/* What the neighbours say of a boot, dated or not: the last known moment of the nearest dated one
 * before it, and the first of the nearest dated one after it; what undated ones between are known to
 * have lasted is taken off. Times are MODEL_NO_TIME where there is no such neighbour. */
struct coredb_between {
	int64_t after_ms, before_ms;
	int64_t min_mono_us, max_mono_us; /* the boot's own known moments, -1 without */
};
int coredb_boot_between(struct coredb *db, int64_t boot, struct coredb_between *ret);

/* Boots of a gateway, latest first seen first, with row id < `before` (0: all), until `fn` returns
 * non-zero. Returns how many were shown or -errno. */
typedef int coredb_boot_fn(void *arg, const struct coredb_boot *boot);
int coredb_boot_each(struct coredb *db, int64_t gateway, int64_t before, int limit,
		     coredb_boot_fn *fn, void *arg);

/* What an undated boot's moments count as: below everything that has a time. */
#define COREDB_UNDATED 0

/* A model_anchor_fn for readers: looks boots up on this connection and remembers the last few.
 * A boot without an anchor gives COREDB_UNDATED.
 * Zero it, set `db`. */
#define COREDB_ANCHORS 64
struct coredb_anchors {
	struct coredb *db;
	int64_t boot[COREDB_ANCHORS]; /* 0: empty */
	int64_t offset_ms[COREDB_ANCHORS];
	int8_t quality[COREDB_ANCHORS]; /* enum clock_quality of what is held */
	bool cut[COREDB_ANCHORS];       /* a claim that was ahead of its receipt */
	int error; /* the last boot that could not be read: what was compared with it is not right */
};
int64_t coredb_anchor(void *anchors, int64_t boot, int64_t mono_us);
/* The same memory: what is held of a boot. */
struct coredb_held {
	int64_t offset_ms; /* MODEL_NO_TIME: undated */
	enum clock_quality quality;
	bool cut; /* a claim that was ahead of its receipt */
};
void coredb_anchor_look(struct coredb_anchors *anchors, int64_t boot, struct coredb_held *ret);

/* Sorted, disjoint ranges of batch numbers; what they mean is cloud/domain/intervals.h. */
struct coredb_ranges {
	struct wire_range *items; /* owned, from malloc() */
	size_t count, cap;
};

struct coredb_epoch {
	int64_t id;
	int64_t gateway;
	int64_t boot; /* row of the boot that it numbers; 0: not known */
	char name[IDS_RANDOM_SIZE];
	char prev[IDS_RANDOM_SIZE]; /* the epoch before on the gateway's disk; "" not known */
	int64_t first_seen_ms;
	int64_t heard_at_ms; /* its last batch or epoch_end */
	int64_t live_at_ms;  /* its last live batch; NO_TIME: none */
	int64_t floor;       /* the highest seen */
	int64_t highest;     /* the largest number heard of */
	struct coredb_ranges committed;
	struct coredb_ranges lost; /* stated as lost; gap = lost - committed */
	bool over;                 /* an epoch_end came */
	int64_t end;               /* one past the last number made, -1 not known */
	bool forked;               /* two bodies under one number were seen */
	int64_t asked_at_ms;       /* since when its gateway is asked; NO_TIME: is not */
	bool abandoned;            /* asked for in vain */
	bool open;                 /* not every number below its end is committed or lost */
	int64_t told_at_ms;        /* when it last stood in an ack's `ask`; 0: never */
	/* Folded: its digests are gone, and where it is not open `committed` is 1..top and `lost` empty,
	 * whatever is in its open sure gaps (which tell what is not committed). */
	bool folded;
	int64_t folded_at_ms; /* of bodies that were made before, no digest is kept; NO_TIME: never */
	int64_t first_mono_us; /* the first moment known of it; NO_TIME: none */
	int64_t next;          /* row of the epoch after it on its disk; 0: not known */
};
/* Finds, or makes where it is new. Free with coredb_epoch_free(), also to load another into it. */
int coredb_epoch_open(struct coredb *db, int64_t gateway, const char *name, int64_t now_ms,
		      struct coredb_epoch *ret);
int coredb_epoch_put(struct coredb *db, const struct coredb_epoch *epoch);
void coredb_epoch_free(struct coredb_epoch *epoch);

/* Open epochs of a gateway that were last heard before `before_ms`, are not abandoned, and were last
 * asked for before `told_before_ms`; those that were not asked for longest first: up to `cap` rows.
 * Returns how many or -errno. */
int coredb_epoch_silent(struct coredb *db, int64_t gateway, int64_t before_ms,
			int64_t told_before_ms, int64_t *ret_ids, int cap);
/* When a gateway was last asked for any open epoch; 0: never. */
int coredb_epoch_told(struct coredb *db, int64_t gateway, int64_t *ret_at_ms);
/* Epochs that may be folded: not heard since `before_ms`, and accounted for or abandoned. */
int coredb_epoch_foldable(struct coredb *db, int64_t before_ms, int64_t *ret_ids, int cap);
/* The same of all gateways, of those that were first asked for before `before_ms` and have not
 * answered since. */
int coredb_epoch_unanswered(struct coredb *db, int64_t before_ms, int64_t *ret_ids, int cap);
/* Makes the row of an epoch that was only heard of, where there is none. */
int coredb_epoch_mention(struct coredb *db, int64_t gateway, const char *name, int64_t now_ms);
/* Epoch `next` (row) names `name` as the one before it on its disk: makes its row, too. */
int coredb_epoch_chain(struct coredb *db, int64_t gateway, const char *name, int64_t next,
		       int64_t now_ms);
int coredb_epoch_get(struct coredb *db, int64_t id, struct coredb_epoch *ret);

/* The epochs of a gateway, the last first seen first, with the id of their boot ("" not known) and how
 * many batches of them are lost. Sets are not read. Count or -errno. */
typedef int coredb_epoch_fn(void *arg, const struct coredb_epoch *epoch, const char *boot,
			    int64_t lost);
int coredb_epoch_each(struct coredb *db, int64_t gateway, int limit, coredb_epoch_fn *fn,
		      void *arg);

/* Digests of the last COREDB_DIGESTS numbers of an epoch. A body is named by (epoch, number,
 * digest): of a fork several stand under one number. */
#define COREDB_DIGESTS 10000
enum coredb_known {
	COREDB_BODY_NEW,   /* nothing is kept under this number */
	COREDB_BODY_SAME,  /* this body is */
	COREDB_BODY_OTHER, /* only other bodies are */
};
int coredb_digest_look(struct coredb *db, int64_t epoch, int64_t number, uint64_t digest,
		       enum coredb_known *ret_known);
int coredb_digest_put(struct coredb *db, int64_t epoch, int64_t number, uint64_t digest,
		      int64_t batch);
int coredb_digest_prune(struct coredb *db, int64_t epoch, int64_t below);
/* The moments of the nearest batch below (or above) a number whose body is still known;
 * MODEL_NO_TIME without. */
int coredb_neighbour(struct coredb *db, int64_t epoch, int64_t number, bool below,
		     int64_t *ret_first_mono_us, int64_t *ret_last_mono_us);

/* History: a batch as it came, its body whole; one row holds all of its records. Readers of a device
 * look at the batches of its gateways in a time range whose device list names it. */
#define COREDB_BATCH_DEVICES 1000
struct coredb_batch {
	int64_t id; /* from coredb_batch_next() */
	int64_t workspace, gateway, epoch, number, boot;
	int class;
	int64_t received_ms;
	int64_t first_mono_us, last_mono_us; /* of its records; MODEL_NO_TIME without any */
	int64_t first_at_ms, last_at_ms;     /* as anchored at commit: for finding, not for truth */
	int records;
	unsigned accepted, late, duplicate, parked, rejected; /* of its records */
	const int64_t *devices; /* rows of the devices in it, ascending */
	size_t device_count;
	int packing; /* enum wire_body */
	const void *body;
	size_t len;
};
/* The id that the next batch of this transaction gets. */
int coredb_batch_next(struct coredb *db, int64_t *ret_id);
int coredb_batch_add(struct coredb *db, const struct coredb_batch *batch);
typedef int coredb_batch_fn(void *arg, const struct coredb_batch *batch);
/* A gateway's batches that overlap from_ms..to_ms, with (first_at, id) in ascending order, until
 * `fn` returns non-zero. Texts, body and devices live during the call. Count or -errno. */
int coredb_batch_each(struct coredb *db, int64_t gateway, int64_t from_ms, int64_t to_ms,
		      coredb_batch_fn *fn, void *arg);
/* Parked records of it were applied to a device that was not registered when it came. */
int coredb_batch_add_device(struct coredb *db, int64_t batch, int64_t device, unsigned applied);
/* Removes history older than the retention of its workspace; at most `limit` batches. Returns how
 * many or -errno. */
int coredb_history_prune(struct coredb *db, int64_t now_ms, int limit);

#endif
