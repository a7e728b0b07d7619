/* The life of a spool, played from a seed on two disks that the test owns, with all that was made and
 * said of it written down: appends of all classes, moves to disk, sends and acknowledgements in any order,
 * anchors, new time bases, drops by caps, kills, orderly stops, boots.
 *
 * The spool is the real one. What the core does is played back later, by the real core (judge.h).
 */
#ifndef TESTS_FAULTS_STORY_H
#define TESTS_FAULTS_STORY_H

#include "storage/spool/spool.h"
#include "tests/faults/fault_vfs.h"
#include "tests/unit/storage/folder.h"

#define STORY_NEVER INT64_MAX
#define STORY_CAP INT64_C(50000) /* bytes of bodies: a story comes over it */
#define STORY_BOOTS_MAX 200
#define STORY_WINDOW_US INT64_C(2000000)

/* A batch as somebody saw it in the spool. Moments are stamps (fault_vfs.h). */
struct story_batch {
	char epoch[IDS_RANDOM_SIZE];
	int64_t number;
	char digest[WIRE_DIGEST_SIZE];
	enum wire_class class;
	int boot;
	int64_t mono_us;     /* when it was made */
	int64_t begun, made; /* the call that made it */
	int64_t durable;     /* since when the spool has said that it is on disk */
	int64_t gone;        /* when the call began that let go of it */
	bool acked;          /* what let go of it: an acknowledgement, or a cap or an operator */
	bool seen;           /* by the last look */
};

/* A batch as it was sent, and when the core committed it. */
struct story_send {
	struct buf payload;
	int64_t committed;
};

struct story {
	char name[96];   /* for messages */
	char error[256]; /* of the last opening that failed */
	char disk_folder[FOLDER_SIZE], young_folder[FOLDER_SIZE];
	char disk_path[FOLDER_SIZE + 16], young_path[FOLDER_SIZE + 16];
	struct fault_disk *disk, *young;
	struct clock_fake clock;
	struct spool_config config;
	struct spool *spool; /* NULL: it could not be opened */
	int64_t window_us;
	bool no_boots;    /* restarts are of the process only */
	unsigned damaged; /* what the next opening is to salvage */
	int boot;
	int64_t boots[STORY_BOOTS_MAX + 1]; /* when each began */
	uint64_t seed;
	struct story_batch *batches;
	size_t batch_count, batch_cap;
	struct story_send *sends;
	size_t send_count, send_cap;
	/* Disks refuse: what fails is counted and tried again later. Without, a failure fails the test. */
	bool lenient;
	int64_t refused_appends, refused_opens, notices;
	int64_t appended, acked, dropped, restarts;
};

/* Makes folders and disks, opens the spool. */
void story_begin(struct story *story, uint64_t seed);
void story_play(struct story *story, int steps);
/* Sends everything and takes every acknowledgement. */
void story_drain(struct story *story);
/* What went wrong is over: time passes, the spool is opened if need be, and runs until it is well.
 * False where it does not become well. */
bool story_recover(struct story *story);
/* kill -9: nothing of what the handle would still do happens. Does not open again. */
void story_kill(struct story *story);
/* Closes in order what is open. */
void story_stop(struct story *story);
void story_free(struct story *story);

/* For judges. */
int story_boot_at(const struct story *story, int64_t stamp);
void story_boot_id(int boot, char out[static CLOCK_BOOT_ID_LEN + 1]);
struct story_batch *story_find(struct story *story, const char *epoch, int64_t number);
/* The payload of a batch as the uplink sends it. */
void story_encode(struct spool *spool, struct clock *clock, const struct spool_batch *batch,
		  struct buf *out);
/* All that a spool holds, oldest first: how many, into *ret (free() it, each data too), -errno. */
int story_collect(struct spool *spool, enum spool_order order, int limit, struct spool_batch **ret);
void story_collected_free(struct spool_batch *batches, int count);

#endif
