/* What the files of the spool share. Which file does what:
 *
 *	spool.c        opening and closing
 *	spool_stats.c  figures
 *	spool_aside.c  a corrupt file is set aside
 *	spool_salvage.c what can be read of it is kept
 *	spool_floor.c  one floor: its file, transactions, rows; the same code for both
 *	spool_load.c   which epoch runs, after opening and when a disk comes
 *	spool_epoch.c  epochs: how they begin, are made known to the disk and end
 *	spool_end.c    what is said of epochs that are over
 *	spool_anchor.c time bases and clock anchors
 *	spool_store.c  appending
 *	spool_ack.c    letting go of what the core has
 *	spool_move.c   from the young floor to the disk, and a disk that fails
 *	spool_peek.c   reading both floors as one
 *	spool_drop.c   giving up, and saying so
 *	spool_trim.c   the caps that ask for it
 */
#ifndef STORAGE_SPOOL_SPOOL_PRIV_H
#define STORAGE_SPOOL_SPOOL_PRIV_H

#include <stdbool.h>

#include "base/buf.h"
#include "storage/spool/spool.h"
#include "storage/sql/sql.h"

/* A batch's id is the epoch's seq and its number in it. */
#define NUMBER_BITS 40
#define NUMBER_MAX ((INT64_C(1) << NUMBER_BITS) - 1)
#define CLASSES (WIRE_CLASS_LEDGER + 1)

enum floor_name { YOUNG, DISK, FLOORS };

static inline unsigned damage_of(enum floor_name floor)
{
	return floor == YOUNG ? SPOOL_DAMAGED_YOUNG : SPOOL_DAMAGED_DISK;
}

static inline int64_t id_of(int64_t seq, int64_t number)
{
	return seq << NUMBER_BITS | number;
}

static inline int64_t seq_of(int64_t id)
{
	return id >> NUMBER_BITS;
}

static inline int64_t number_of(int64_t id)
{
	return id & NUMBER_MAX;
}

struct id_range {
	int64_t first, last;
};

struct held {
	int64_t batches, bytes;
};

struct anchor {
	bool known;
	int64_t mono_us, at_ms;
	int quality;
};

/* A row of `batch`. Pointers live until the next step of the statement that read it. */
struct row {
	int64_t id;
	int64_t class, encoding, records;
	int64_t first_mono_us, last_mono_us;
	const char *digest;
	int64_t mark;
	const void *body;
	size_t len;
};

/* An epoch that is not the running one, with its boot. */
struct epoch_note {
	int64_t seq;
	char id[IDS_RANDOM_SIZE];
	char prev[IDS_RANDOM_SIZE];
	char boot[WIRE_BOOT_ID_SIZE];
	struct anchor anchor;
};

/* What the running epoch's row on a floor says. */
struct epoch_row {
	int64_t next, settled;
	int64_t dropped[CLASSES];
};

/* What a transaction that fails must take back. */
struct spool_state {
	int64_t seq; /* of the running epoch */
	char epoch[IDS_RANDOM_SIZE];
	char prev[IDS_RANDOM_SIZE];
	char boot_id[WIRE_BOOT_ID_SIZE]; /* of the running time base */
	int64_t base;                    /* how many of them this boot of the kernel has had */
	struct anchor anchor;
	bool anchor_dirty; /* the disk has not got it */
	bool adopted;      /* the disk knows the running epoch and all young ones */
	struct epoch_row row;
	struct epoch_row stored[FLOORS]; /* the row as the floors have it */
	struct held held[FLOORS][CLASSES];
	int64_t appended, acked, moved, moves;
	int64_t from[FLOORS][SPOOL_CLASSES]; /* no batch of this class has a smaller id */
};

/* Since when batches from `first_id` on are there. */
struct mark {
	int64_t first_id, us;
};
#define MARKS 32
#define DOOMED_MAX 64
#define NOTES_MAX 8

/* The notice of a loss that was stored last, as long as nobody was shown it: the next of its kind
 * takes its place. */
struct notice {
	int64_t id; /* 0: none */
	enum floor_name floor;
	struct wire_dropped record;
};

struct spool {
	char *paths[FLOORS];
	struct sql *sql[FLOORS]; /* NULL: not there */
	enum floor_name in;      /* the floor of the open transaction */
	struct clock *clock;
	struct spool_config config; /* its texts are not to be used */

	struct spool_state now, saved;
	struct epoch_note notes[NOTES_MAX];
	int note_count, note_next;
	struct notice notice;
	int64_t shown_ledger_id; /* a ledger batch with a larger id was shown to nobody */

	/* Acknowledged, and still on the disk floor. */
	struct id_range doomed[DOOMED_MAX];
	int doomed_count;
	int64_t doomed_batches;
	int64_t doom_due_us;

	struct mark marks[MARKS];
	int mark_count;
	int64_t young_due_us; /* when the oldest young batch is to move; INT64_MAX: none is young */
	int64_t anchor_due_us;
	int64_t next_age_check_us;

	int disk_error; /* 0 or negative */
	int disk_tries;
	int64_t disk_since_us, disk_retry_us;
	bool inexact;     /* what the young floor says of ends is not to be believed */
	int64_t disk_seq; /* of the newest epoch that the disk had; 0: none */
	char disk_epoch[IDS_RANDOM_SIZE];
	bool replaced;
	bool unread;      /* a reader was not shown all that the disk has */
	bool passed_over; /* the same, and the disk works again */
	bool was_orderly; /* the disk says that the running epoch has ended: it must learn better */
	bool restate;     /* the ends of all epochs are to be stated with the next one */
	bool twins;       /* what is on disk could not leave the young floor */
	bool recount;     /* held[DISK] is not certain */

	int64_t written_base; /* of the disk connection's count, what is in `written_total` */
	int64_t written_total, written_today, written_day;
	int64_t measured_ms, measured_us; /* until `measured_us` */
	int64_t credit, credit_us;

	struct buf body;       /* packed, of the batch that is being stored */
	struct buf ledger;     /* JSON of the ledger batch that is being stored */
	enum floor_name blame; /* the floor that failed last */
	unsigned damage;       /* the floors that are corrupt */
	bool unclean;          /* corruption was seen: this spool has to be opened anew */
	char error[256];
};

/* spool.c */

/* Keeps the reason for spool_error(); returns r. */
int spool_fail(struct spool *spool, int r, const char *message);
int spool_fail_sql(struct spool *spool, enum floor_name floor, int r);

/* spool_floor.c */

/* Opens a floor's file and brings it to the newest schema. -errno. */
int floor_open(struct spool *spool, enum floor_name floor);
void floor_close(struct spool *spool, enum floor_name floor);
/* After a disorderly end: looks at the whole file, where that is quick. */
int floor_check(struct spool *spool, enum floor_name floor);
/* Gives back what room the log takes; where that cannot be, nothing. */
void floor_shrink(struct spool *spool, enum floor_name floor);
/* One transaction at a time, on one floor. floor_end() stores the running epoch's row where it
 * changed and commits where r is 0, else takes everything back. Returns r or what the commit said. */
int floor_begin(struct spool *spool, enum floor_name floor);
int floor_end(struct spool *spool, int r);
/* What the young floor has of the disk's last transaction: the row. Failing, it has it later. */
void floor_settle(struct spool *spool);
int floor_count(struct spool *spool, enum floor_name floor);
/* What a floor has with ids in a range, by class; *ret_batches also counts those of no class. */
int floor_held(struct spool *spool, enum floor_name floor, struct id_range range,
	       struct held held[static CLASSES], int64_t *ret_batches);
/* In a transaction. 1 stored, 0 it was there, -errno. */
int floor_insert(struct spool *spool, enum floor_name floor, const struct row *row);
void floor_read_row(struct sql_stmt *stmt, struct row *ret_row);
#define FLOOR_COLUMNS                                                                              \
	"id, class, encoding, records, first_mono_us, last_mono_us, digest, mark, body"
/* What `mark` has to be: a card that changes a number or a time must not make another batch of it. */
int64_t floor_mark(const char *epoch, const struct row *row);
/* True where a row of this epoch is what was stored. */
bool floor_intact(const char *epoch, const struct row *row);
/* In a transaction: what goes is no longer counted as held; *ret_batches (may be NULL) is added to. */
int floor_remove(struct spool *spool, enum floor_name floor, struct id_range range,
		 int64_t *ret_batches);
/* The same of the classes from `first_class` on. */
int floor_remove_class(struct spool *spool, enum floor_name floor, struct id_range range,
		       int64_t first_class, int64_t *ret_batches);
/* The smallest id in a range: 1, 0 none, -errno. */
int floor_first(struct spool *spool, enum floor_name floor, struct id_range range, int64_t *ret_id);
/* One number out of one row, such as a maximum. */
int floor_number(struct spool *spool, enum floor_name floor, struct sql_stmt *stmt,
		 int64_t *ret_number);

/* spool_aside.c */

/* Renames a database with its log and keeps the newest `most` of such; *ret_aside is its new path (free()
 * it). 0 or -errno. */
int spool_set_aside(struct clock *clock, const char *path, size_t most, char **ret_aside);

/* spool_load.c */

/* Both floors are open, or the young one alone: finds the running epoch, or begins one. */
int spool_load(struct spool *spool);
/* Gives young epochs the seqs that they have on disk, or ones behind all that are there. */
int spool_place_young(struct spool *spool);
/* Takes off the young floor what is on disk too: a kill, or a full floor, came in between. */
int spool_forget_twins(struct spool *spool);

/* spool_salvage.c */

struct salvage {
	int64_t batches, records; /* kept */
	int64_t damaged;          /* places that could not be read, or are not what was stored */
	bool whole;               /* it was looked through to its end */
};
/* Copies what can be read of the database at `path` to a floor that has just been made. Nothing that
 * it finds there is an error; -errno is the floor's. */
int spool_salvage(struct spool *spool, enum floor_name floor, const char *path,
		  struct salvage *ret_salvage);

/* spool_epoch.c */

/* Begins an epoch on the young floor; with an anchor: and a time base that has it. Then spool_adopt()
 * is due. */
int spool_begin_epoch(struct spool *spool, const struct anchor *new_base);
/* Makes what is young known to the disk, and states ends. In a transaction on the disk. */
int spool_adopt(struct spool *spool);
/* In a transaction on the disk: inserts the young epochs that it does not know. */
int spool_adopt_rows(struct spool *spool);
/* spool_adopt() in a transaction of its own. 0 or the disk's -errno. */
int spool_adopt_now(struct spool *spool);
/* seq of an epoch: 1 found, 0 not, -errno. */
int spool_find_epoch(struct spool *spool, const char *epoch, int64_t *ret_seq);
/* An epoch by its seq: 0, or -EUCLEAN where no floor knows it. */
int spool_note_epoch(struct spool *spool, int64_t seq, struct epoch_note *ret_note);

/* The same on one floor, which may not be there. */
int spool_find_on(struct spool *spool, enum floor_name floor, const char *epoch, int64_t *ret_seq);
/* Of a floor; *ret_seq is untouched where that is not there. */
int spool_largest_seq(struct spool *spool, enum floor_name floor, int64_t *ret_seq);

/* spool_end.c */

/* In a transaction on the disk: states the ends of its epochs from `seq` to `last` in the running
 * one. */
int spool_state_ends(struct spool *spool, int64_t seq, int64_t last);

/* spool_anchor.c */

/* Stores the running boot's row on a floor, in a transaction. */
int spool_write_boot(struct spool *spool, enum floor_name floor);
/* Takes the newest time base of this boot of the kernel as the running one, or with `anchor` the next
 * one. */
int spool_choose_base(struct spool *spool, const struct anchor *anchor);

/* spool_store.c: in a transaction on `floor` */

/* Gives the batch the next number. */
int spool_store(struct spool *spool, enum floor_name floor, const struct spool_put *put);
/* Stores spool->ledger, an array of `records` records, as a ledger batch. */
int spool_store_ledger(struct spool *spool, enum floor_name floor, int records);

/* spool_ack.c */

/* The range of what is acknowledged that an id is in; NULL: in none. */
const struct id_range *spool_doomed(const struct spool *spool, int64_t id);
/* In a transaction on the disk: deletes what is doomed. */
int spool_delete_doomed(struct spool *spool);
/* Counts what the disk holds, without what is doomed. */
int spool_count_disk(struct spool *spool);
/* That transaction is through. */
void spool_clear_doomed(struct spool *spool);

/* spool_move.c */

/* True where the disk is there and has not just refused. */
bool spool_disk_well(const struct spool *spool);
/* True where the disk may hold batches. */
bool spool_on_disk(const struct spool *spool);
/* The disk refused: keeps why and when to try again. Returns r. */
int spool_disk_failed(struct spool *spool, int r);
void spool_disk_works(struct spool *spool);
/* The newest epoch on disk: by it the same card is known again. */
void spool_know_disk(struct spool *spool, int64_t seq, const char *epoch);
/* A batch was stored young: its time runs. */
void spool_mark(struct spool *spool, int64_t id);
/* Moves what is young to disk, or of it the classes from `first_class` on. 0 or the disk's -errno. */
int spool_move(struct spool *spool, enum wire_class first_class);
/* In memory and on the young floor: the disk is opened again and read. 0 or its -errno. */
int spool_attach(struct spool *spool);
/* True where the write budget allows a move now. */
bool spool_in_budget(struct spool *spool);
/* Takes the disk connection's count of written bytes into the totals. */
void spool_count_written(struct spool *spool);

/* spool_drop.c: each in a transaction of its own */

/* Which batches one pass looks at, in order of their ids, and when it has enough. */
struct drop_choice {
	enum floor_name floor;
	struct id_range range; /* in one epoch */
	int64_t first_class, last_class;
	const char *reason;
	int64_t bytes;         /* enough is given up; INT64_MAX: no limit */
	int64_t older_than_ms; /* 0: of any age; else up to the first that is not older */
};

/* Gives up what is chosen, as far as one ledger batch can tell: 1 something went, 0 there is nothing
 * (more), -errno. *ret_last_id (may be NULL) is the last that went. */
int spool_drop_some(struct spool *spool, const struct drop_choice *choice, int64_t *ret_last_id);
/* The first epoch from *seq on that has batches on a floor: 1, 0 or -errno. */
int spool_next_held(struct spool *spool, enum floor_name floor, int64_t *seq);
/* Gives up one batch that cannot be read. 0, or -errno where its floor refuses. */
int spool_drop_unreadable(struct spool *spool, enum floor_name floor, int64_t id);

/* spool_trim.c */

/* Gives up what the caps ask for. */
int spool_trim(struct spool *spool);

#endif
