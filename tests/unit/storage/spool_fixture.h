/* A spool in a fresh folder with a clock that the test owns. */
#ifndef TESTS_UNIT_STORAGE_SPOOL_FIXTURE_H
#define TESTS_UNIT_STORAGE_SPOOL_FIXTURE_H

#include "storage/spool/spool.h"
#include "tests/unit/storage/folder.h"

#define ABANDONED_MAX 64
#define SEEN_MAX 4096
#define SEEN_TEXT 96

struct spool_fixture {
	char folder[FOLDER_SIZE];
	char path[FOLDER_SIZE + 16];
	char young_path[FOLDER_SIZE + 16];
	char boot_id[CLOCK_BOOT_ID_LEN + 1]; /* in which the young floor was made */
	struct clock_fake clock;
	struct spool_config config;
	struct spool *spool;
	struct spool *abandoned[ABANDONED_MAX];
	int abandoned_count;
	char *notice; /* of the last opening */
};

/* For cmocka. */
int spool_fixture_set_up(void **state);
int spool_fixture_tear_down(void **state);

void fixture_open(struct spool_fixture *f);
/* Closes in order and opens again. */
void fixture_reopen(struct spool_fixture *f);
/* Leaves the old handle as it is and opens what its files held at this moment: a kill, or where the
 * machine has booted since, a power cut. */
void fixture_abandon(struct spool_fixture *f);
/* The machine boots: another boot id, monotonic time from a second on. With the next opening the young
 * floor is gone, as tmpfs is. */
void fixture_boot(struct spool_fixture *f, int boot);

/* Stores one batch of one record {"n":n,...} padded to about `size` bytes; returns its number. */
int64_t fixture_put(struct spool_fixture *f, enum wire_class class, int n, size_t size);
/* The same without failing the test: what spool_append() returned. */
int fixture_try(struct spool_fixture *f, enum wire_class class, int n, size_t size,
		int64_t *ret_number);

/* How many batches the disk holds of which SQL's `where` is true, asked from outside. */
int64_t fixture_count_on_disk(const struct spool_fixture *f, const char *where);

struct seen_batch {
	char epoch[IDS_RANDOM_SIZE];
	char prev[IDS_RANDOM_SIZE];
	char digest[WIRE_DIGEST_SIZE];
	int64_t number, id;
	enum wire_class class;
	int n; /* of the first record, -1 where it has none */
	char kind[16];
	struct wire_boot boot;
	/* of a ledger record */
	char of_epoch[IDS_RANDOM_SIZE];
	char of_prev[IDS_RANDOM_SIZE];
	char of_boot[WIRE_BOOT_ID_SIZE];
	char reason[32];
	struct wire_range ranges[WIRE_RANGES_MAX];
	size_t range_count;
	int64_t records, end;
};

struct seen {
	struct seen_batch *items;
	int count;
};

/* All that is held, read as the core reads it; seen_free() it. */
void fixture_see(struct spool_fixture *f, enum spool_order order, struct seen *seen);
void seen_free(struct seen *seen);

#endif
