/* What the files of this module share. Which file does what:
 *
 *	accept.c     the door: transactions, caches, answers after the commit
 *	batch.c      a batch: taken apart, ordered, its records taken, kept whole
 *	judge.c      whether a body is new, came before, or shares its number with another
 *	records.c    one record: who it is about, whether it may be taken, what it changes
 *	single.c     updates that did not come in a batch, and those out of the parking
 *	fed.c        which gateway fed which device, by day
 *	epochs.c     what an epoch committed, lost and may still hold
 *	gaps.c       the gaps that follow from that
 *	fold.c       epochs that are over become one row each
 *	boots.c      the clock of a boot, and what moves with it
 *	own_clock.c  what was received while the core's own clock was wrong
 *	gateway.c    link and status
 *	duplicate.c  two machines with one identity
 *	sweep.c      what time alone changes
 *	cache.c      devices in memory; sets.c: interval sets from and to the database
 *	evidence.c   from what the database holds to what cloud/domain judges
 */
#ifndef CLOUD_ACCEPT_ACCEPT_PRIV_H
#define CLOUD_ACCEPT_ACCEPT_PRIV_H

#include "cloud/accept/accept.h"
#include "cloud/accept/cache.h"
#include "cloud/accept/evidence.h"
#include "cloud/domain/intervals.h"
#include "model/wire/record.h"

/* An answer that waits for its commit. */
struct pending_ack {
	struct pending_ack *next;
	int64_t gateway_row;
	char workspace[IDS_SIZE];
	char gateway[IDS_SIZE];
	char session[IDS_RANDOM_SIZE];
	char epoch[IDS_RANDOM_SIZE];
	struct interval items[WIRE_RANGES_MAX];
	struct intervals committed;
	struct wire_deferred deferred[WIRE_DEFERRED_MAX];
	size_t deferred_count;
	char ask[WIRE_ASK_MAX][IDS_RANDOM_SIZE];
	size_t ask_count;
};

#define ACCEPT_COUNTERS 1024

struct counter {
	int64_t workspace, gateway, device;
	const char *outcome, *reason; /* literals */
	int64_t count;                /* 0: free */
};

struct accept {
	struct coredb *db;
	struct clock *clock;
	struct cache *cache;
	struct coredb_anchors anchors;
	bool open;
	int64_t own_base_ms;     /* of the core's clock when last looked at */
	int64_t steady_since_us; /* ... and since when it is that */
	char error[256];
	struct counter counters[ACCEPT_COUNTERS];
	size_t counter_count;
	struct pending_ack *acks;       /* of the open transaction */
	struct pending_ack *ready_acks; /* of the last commit */
	struct {
		int64_t workspace, device;
	} * changed; /* of the open transaction, then of the last commit */
	size_t changed_count, changed_cap, ready_changed;
	struct accept_totals totals, uncommitted;
	/* Memory that every record uses in turn. */
	struct wire_record record;
	struct model_update_room room;
	struct wire_unpacker *unpacker;
};

struct ledger;

/* Who and what a record belongs to; built once a batch. */
struct delivery {
	int64_t workspace, gateway; /* rows; gateway 0: not by one */
	const char *workspace_name, *gateway_name;
	int64_t boot;              /* row, 0: without */
	int64_t batch_row, number; /* 0: not in a batch */
	int64_t epoch;             /* row, 0: without */
	struct ledger *ledger;     /* of that epoch, open and written last; NULL: without */
	int64_t received_ms;
	bool by_spool; /* late is history; otherwise stale is refused */
	unsigned outcomes[ACCEPT_OUTCOME_COUNT];
	/* Rows of devices that it touched, ascending. */
	int64_t devices[COREDB_BATCH_DEVICES];
	size_t device_count;
	int64_t first_mono_us, last_mono_us;
};

int accept_fail(struct accept *accept, int error, const char *what);

/* Counts how a record ended; `reason` is a literal, "" without. */
int accept_count(struct accept *accept, int64_t workspace, int64_t gateway, int64_t device,
		 const char *outcome, const char *reason, int64_t count);
/* Same, of one record of a delivery. */
int accept_end(struct accept *accept, struct delivery *delivery, int64_t device,
	       enum accept_outcome outcome, const char *reason);
/* Keeps what was refused; does not count it. */
int accept_log_rejection(struct accept *accept, int64_t workspace, int64_t gateway,
			 const char *source, const char *reason, const char *detail,
			 const void *data, size_t len, int64_t now_ms);

/* Remembers that readers should look at a device. */
int accept_mark_changed(struct accept *accept, int64_t workspace, int64_t device);

/* Writes what is dirty; forgets all devices (so that they are read again). */
int accept_flush_devices(struct accept *accept);
int accept_forget_devices(struct accept *accept);

/* records.c: one record of a delivery; `raw` are its bytes as they came. */
int accept_record(struct accept *accept, struct delivery *delivery, const struct jr_value *json,
		  struct model_text raw, int position);
/* One update. It is kept whole where it is parked or rejected. Its end is counted; *ret_outcome and
 * *ret_reason (may be NULL) tell it. */
int accept_apply(struct accept *accept, struct delivery *delivery,
		 const struct model_update *update, int position, const struct model_text *raw,
		 enum accept_outcome *ret_outcome, const char **ret_reason);
/* fed.c: remembers by day who fed a device, so that a gap can name the devices that it may be of. */
int accept_fed(struct accept *accept, const struct delivery *delivery, struct cache_entry *entry,
	       int64_t at_ms);
/* own_clock.c: what the core's own clock is worth.
 * Its time base: wall clock less uptime. */
int64_t own_clock_base_ms(struct accept *accept);
/* For hours nobody has set it: what depends on dates alone (ending history) may be done. */
bool own_clock_is_steady(struct accept *accept);
/* What was received while the clock was ahead counts as received now; else it would look fresh until
 * its date, and hide what comes. In a transaction. 0 or -errno. */
int own_clock_heal(struct accept *accept, int64_t now_ms);
void own_clock_heal_device(struct cache_entry *entry, int64_t now_ms);

/* boots.c: the boot that a send names, with what the send says of its clock. What was committed before
 * moves with it. */
int boot_learn(struct accept *accept, int64_t gateway, const struct wire_boot *sent,
	       int64_t received_ms, struct coredb_boot *ret_boot);
/* Widens what is known of a boot by the records of a delivery; false where that is nothing new. */
bool boot_span(struct coredb_boot *boot, const struct delivery *delivery);
/* epochs.c: the transfer's ledger. */
struct ledger {
	struct coredb_epoch epoch;
	int64_t workspace;
	bool lost_changed; /* also: a flag on which gaps depend */
	bool was_folded;   /* and is folded again where nothing has opened it */
	int64_t doubt_from; /* from this number on bodies may be lost that nobody can tell apart; 0 */
	const char *reason;
	/* Of a `dropped` record: how many records, and when they were read. -1 and NO_TIME: not known. */
	int64_t records;
	int64_t from_mono_us, to_mono_us;
};
int ledger_open(struct accept *accept, int64_t workspace, int64_t gateway, const char *name,
		int64_t now_ms, struct ledger *ret);
void ledger_free(struct ledger *ledger);
/* Marks a number as committed. */
int ledger_commit(struct ledger *ledger, int64_t number);
/* Raises the floor: what lies below and is not committed is lost. */
int ledger_raise_floor(struct ledger *ledger, int64_t floor);
int ledger_dropped(struct accept *accept, struct ledger *ledger, const struct wire_dropped *dropped,
		   int64_t now_ms);
int ledger_end(struct accept *accept, struct ledger *ledger, const struct wire_epoch_end *end,
	       int64_t now_ms);
/* Writes the row, and the gaps as they follow from it. */
int ledger_close(struct accept *accept, struct ledger *ledger, int64_t now_ms);
/* fold.c: an epoch that is over, accounted for and silent for a day keeps one small row. A folded one
 * that is opened has its sets again. */
int ledger_unfold(struct accept *accept, struct ledger *ledger);
void ledger_refold(struct ledger *ledger);
int ledger_fold(struct accept *accept, int64_t now_ms);
/* gaps.c. Gaps of which only the numbers were known take reason, records and times of a notice. */
int gaps_explain(struct accept *accept, const struct ledger *ledger, const struct intervals *stated,
		 int64_t now_ms);
/* Writes the gaps as they follow from the account, and keeps the account's sets bounded. */
int gaps_settle(struct accept *accept, struct ledger *ledger, int64_t now_ms);
/* Ranges that the account of an epoch keeps apart, of each set. An honest gateway has a few. */
#define ACCEPT_RANGES_MAX 1024
/* Which epochs a gateway is to be asked for; fills the ack. */
int ledger_ask(struct accept *accept, struct pending_ack *ack, int64_t now_ms);
/* Gives up epochs that were asked for in vain for a day. */
int ledger_give_up(struct accept *accept, int64_t now_ms);

/* gateway.c */
int gateway_identify(struct accept *accept, const char *workspace, const char *gateway,
		     struct coredb_workspace *ret_workspace, struct coredb_gateway *ret_gateway);
/* A live message of it came. */
int gateway_contact(struct accept *accept, int64_t gateway, int64_t received_ms);

/* duplicate.c: what speaks for two machines with one identity. A batch or the word `online` of `session`
 * came; `live` is the epoch of a live batch, else NULL. */
int duplicate_heard(struct accept *accept, const struct coredb_workspace *workspace,
		    const struct coredb_gateway *gateway, const char *session,
		    const struct coredb_epoch *live, int64_t received_ms);
/* A second body was found under a number. */
int duplicate_forked(struct accept *accept, const struct coredb_workspace *workspace,
		     const struct coredb_gateway *gateway, const char *session,
		     int64_t received_ms);
/* Says of those that are quiet for COREDB_DUPLICATE_MS that there is one machine again. */
int duplicate_clear(struct accept *accept, int64_t now_ms);

#endif
