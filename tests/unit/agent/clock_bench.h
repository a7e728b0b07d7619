/* One gateway and its core with clocks that a test owns, for stories about time: the real spool, the
 * real time keeper, the real door of the core and its database; between them a link with a delay.
 * True time is a number that only the bench knows. */
#ifndef TESTS_UNIT_AGENT_CLOCK_BENCH_H
#define TESTS_UNIT_AGENT_CLOCK_BENCH_H

#include "agent/time_keeper.h"
#include "cloud/accept/accept.h"
#include "cloud/accept/evidence.h"
#include "storage/spool/spool.h"
#include "tests/unit/storage/folder.h"

#define STORY_RECORDS 8192
#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)
#define NOW_MS INT64_C(1795190400000) /* 2026-11-20T16:00:00Z */

struct story {
	char folder[FOLDER_SIZE];
	char path[FOLDER_SIZE + 16], url[FOLDER_SIZE + 32];
	int64_t true_us; /* since 1970 */

	/* The gateway. */
	struct clock_fake gateway;
	int64_t drift_ppm;     /* of its oscillator: wall and monotonic clock are made from it */
	int64_t gained_ppm_us; /* what that has not yet given, in millionths of a us */
	struct time_keeper keeper;
	enum clock_trust trust;
	struct spool *spool;
	struct spool *left[16]; /* of power cuts */
	int left_count, boots, bases;

	/* The core. */
	struct clock_fake core;
	struct coredb *db;
	struct accept *accept;
	struct coredb_workspace workspace;
	struct coredb_gateway row;
	struct coredb_device device;
	int64_t delay_ms; /* of the link, each way */
	int64_t ack_at_ms;
	char acked_epoch[IDS_RANDOM_SIZE];
	struct wire_range acked[WIRE_RANGES_MAX];
	size_t acked_count;

	/* What was read when, in true time; a record's number stands in it as its odometer. */
	int64_t truth_us[STORY_RECORDS];
	int records;
	struct model_stamp stamps[STORY_RECORDS]; /* as the core has them */
	int64_t batches_read;
};

int story_set_up(void **state); /* synced at NOW_MS, online in mind, boot 1 */
int story_tear_down(void **state);

/* Time goes by everywhere. */
void story_pass(struct story *s, int64_t us);
/* The gateway's machine sleeps: CLOCK_BOOTTIME counts that. */
void story_suspend(struct story *s, int64_t us);
/* A virtual machine is paused: its clocks stand still. */
void story_freeze(struct story *s, int64_t us);

enum story_end { STORY_ORDERLY, STORY_POWER_CUT };
/* The gateway's machine boots anew; twenty seconds pass. Its wall clock shows `wall_ms`, and nobody
 * vouches for it. */
void story_boot(struct story *s, enum story_end end, int64_t wall_ms);
/* The process of the agent is killed and comes again. */
void story_restart_agent(struct story *s);
void story_restart_core(struct story *s);

/* Somebody steers the gateway's wall clock: it shows `wall_ms` and the kernel calls it synchronised. */
void story_sync(struct story *s, int64_t wall_ms);
int64_t story_true_ms(const struct story *s);
/* A GPS fix with the true time. */
void story_gps(struct story *s);
/* What the daemon does every few seconds. Returns 1 where a new time base began. */
int story_look(struct story *s);

/* Reads one value now and stores it; returns its number. */
int story_read(struct story *s);
/* Reads `count` values, one every `pause_us`, and looks at the clock before each. */
void story_sample(struct story *s, int count, int64_t pause_us);
/* Connects: sends what is held, the newest batch first, and takes the acknowledgements. */
void story_send(struct story *s);

/* What the core says of record n. */
struct wire_time story_time(struct story *s, int n);
/* Its error in ms: negative is too old. Fails the test where nobody can date it. */
int64_t story_error_ms(struct story *s, int n);
/* The largest error of records from..to, without sign. */
int64_t story_worst_ms(struct story *s, int from, int to);
/* What the fleet sees of the device now: when it was last updated, and which record it shows. */
int64_t story_last_update_ms(struct story *s);
int story_shown(struct story *s);
int64_t story_query(struct story *s, const char *sql);

#endif
