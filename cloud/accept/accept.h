/* The one door: whatever comes in, by MQTT now, by HTTP and polls later, is identified, validated,
 * ordered, merged and committed here, history, snapshot, outcomes and outbox in one transaction.
 *
 * One thread owns an accept and its (writing) connection. The caller groups: any number of calls,
 * then accept_commit(). Until then nothing is on disk and nothing may be acknowledged. When a call or
 * the commit fails, accept_rollback() drops the transaction and every cached thing that it touched:
 * memory is as the database is.
 *
 *	accepted   newer than what the snapshot had, at least in part
 *	late       from a gateway's spool, older than what the snapshot has
 *	stale      without mono (HTTP, poll) and older than what the device has: refused
 *	duplicate  same source, time and values; or a batch that was already committed
 *	parked     unknown_device, vin_mismatch, unsupported_provider: kept whole
 *	rejected   malformed, wrong_workspace, future, ...: kept in the rejection log
 */
#ifndef CLOUD_ACCEPT_ACCEPT_H
#define CLOUD_ACCEPT_ACCEPT_H

#include "base/clock.h"
#include "model/wire/control.h"
#include "model/wire/status.h"
#include "storage/coredb/gap.h"
#include "storage/coredb/ledger.h"
#include "storage/coredb/state.h"

struct accept;

struct accept_config {
	struct coredb *db;    /* a writing connection; outlives the accept */
	struct clock *clock;  /* for times of commit and events */
	size_t cache_devices; /* how many devices' cells are kept in memory (about 16 KB each); least
				 recently used ones go. 0: 4096 */
};

int accept_create(const struct accept_config *config, struct accept **ret_accept);
void accept_destroy(struct accept *accept); /* rolls back; NULL is accepted */
/* What went wrong last, for a person. */
const char *accept_error(const struct accept *accept);

enum accept_outcome {
	ACCEPT_ACCEPTED,
	ACCEPT_LATE,
	ACCEPT_STALE,
	ACCEPT_DUPLICATE,
	ACCEPT_PARKED,
	ACCEPT_REJECTED,
	ACCEPT_OUTCOME_COUNT
};
const char *accept_outcome_name(enum accept_outcome outcome);

/* How a batch was taken. */
enum accept_answer {
	ACCEPT_COMMITTED, /* to be acked as committed, after the commit */
	ACCEPT_AGAIN,     /* was committed before: acked again */
	ACCEPT_DEFERRED, /* not as it is (a later version, a header that is readable in part, a body
			     that is not the one it was): answered `deferred` */
	ACCEPT_REFUSED,  /* unreadable, or from nobody we know: counted, no answer is possible */
};

struct accept_batch_result {
	enum accept_answer answer;
	unsigned outcomes[ACCEPT_OUTCOME_COUNT]; /* of its records */
};

/* Takes a batch payload from the topic of `workspace`/`gateway`. Everything that can be wrong with
 * the payload is an answer; the return value is 0, or -errno when the database or memory failed (then
 * accept_rollback()). */
int accept_batch(struct accept *accept, const char *workspace, const char *gateway,
		 const void *payload, size_t len, int64_t received_ms,
		 struct accept_batch_result *ret_result);

/* A message on a data topic that the broker had kept (`retained`): batches are never sent so, nobody
 * knows how old it is, and the broker gives it again at each connection. Counted and listed, nothing
 * of it is taken. */
int accept_retained(struct accept *accept, const char *workspace, const char *gateway,
		    const void *payload, size_t len, int64_t received_ms);

/* Takes one update that did not come in a batch (HTTP item, poll): no mono; `update->device_id`
 * names the device. *ret_reason is "" or a word of the contract. */
int accept_update(struct accept *accept, const char *workspace, const struct model_update *update,
		  const char *record_json, size_t record_len, int64_t received_ms,
		  enum accept_outcome *ret_outcome, const char **ret_reason);

/* Link and status topics. `retained`: an old message that the broker kept: it proves no contact. */
int accept_link(struct accept *accept, const char *workspace, const char *gateway,
		const void *payload, size_t len, bool retained, int64_t received_ms);
int accept_status(struct accept *accept, const char *workspace, const char *gateway,
		  const void *payload, size_t len, bool retained, int64_t received_ms);

/* Something on a topic or of a size that is no business of ours: counted and kept as a rejection. */
int accept_foreign(struct accept *accept, const char *source, const char *reason,
		   const char *detail, const void *payload, size_t len, int64_t received_ms);

/* The registry was mended: applies what is parked for a device (of its workspace and name), in the
 * order of arrival, each with its own time of receipt. *ret_applied: how many left the parking. */
int accept_parked(struct accept *accept, const struct coredb_device *device, int64_t now_ms,
		  unsigned *ret_applied);

/* Judges every device; writes an event for each that has crossed into another state. Also closes
 * epochs that are abandoned, folds those that are over, clears duplicate gateways and prunes history and the rejection log, a little at a time.
 * *ret_changed: how many states changed. */
int accept_sweep(struct accept *accept, int64_t now_ms, unsigned *ret_changed);
/* Judges only the devices of workspaces with a threshold below ACCEPT_SHORT_S, and does nothing else:
 * opens a transaction only where something has changed. */
#define ACCEPT_SHORT_S 120
int accept_sweep_short(struct accept *accept, int64_t now_ms, unsigned *ret_changed);

/* Opens the transaction when none is open (every call above does so by itself). For changes of the
 * registry in the same transaction. */
int accept_begin(struct accept *accept);
bool accept_is_open(const struct accept *accept);
/* Commits. Then accept_acks() and accept_changed() tell what to answer and show. On failure
 * (-errno) nothing is on disk and everything touched is dropped from memory. */
int accept_commit(struct accept *accept);
void accept_rollback(struct accept *accept);

/* The answers of the last commit, one call a gateway and epoch; then they are forgotten. */
typedef void accept_ack_fn(void *arg, const char *workspace, const char *gateway,
			   const struct wire_ack *ack);
void accept_acks(struct accept *accept, accept_ack_fn *fn, void *arg);

/* The devices whose snapshot or health evidence the last commit changed; then they are forgotten. */
typedef void accept_changed_fn(void *arg, int64_t workspace, int64_t device);
void accept_changed(struct accept *accept, accept_changed_fn *fn, void *arg);

/* Counts since the start, for metrics and logs; records by outcome and batches by answer. */
struct accept_totals {
	uint64_t records[ACCEPT_OUTCOME_COUNT];
	uint64_t batches[ACCEPT_REFUSED + 1];
	uint64_t commits, failures;
};
void accept_totals(const struct accept *accept, struct accept_totals *ret_totals);

#endif
