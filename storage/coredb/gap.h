/* What was lost: gaps with their bounds in time, and which devices were fed then. */
#ifndef STORAGE_COREDB_GAP_H
#define STORAGE_COREDB_GAP_H

#include "storage/coredb/transfer.h"

/* What an epoch lost and the core never committed. */
struct coredb_gap {
	int64_t id;
	int64_t workspace, gateway, epoch; /* epoch 0: not of a transfer */
	const char *gateway_name;          /* on reading */
	const char *epoch_name;            /* on reading; "" without */
	int64_t first, last;               /* batch numbers; last -1: open tail */
	int64_t records;                   /* -1: not known */
	const char *reason;                /* docs/http-api.md lists them */
	bool possible;                     /* may be empty: nobody knows where the epoch ended */
	int64_t detected_at_ms;
	int64_t recovered_at_ms; /* NO_TIME: still lost */
	/* Its records were read between these moments of the epoch's time base; NO_TIME: not known. */
	int64_t from_mono_us, to_mono_us;
	/* A person has looked at it (only possible ones); NO_TIME: nobody has. */
	int64_t dismissed_at_ms;
	const char *dismissed_by, *note; /* "" without */
	/* On reading: the bounds as the anchors date them today. NO_TIME: from: nothing dates it; to: it
	 * may still go on. The lower bound may be the start of the boot, the upper one the start of the
	 * next epoch or the moment at which the gap was found. */
	int64_t from_ms, to_ms;
	int64_t boot;     /* row of the epoch's boot; 0: not known */
	bool dated;       /* that boot has an anchor */
	int time_quality; /* enum clock_quality of the anchor; -1: no boot is known */
};
int coredb_gap_add(struct coredb *db, const struct coredb_gap *row);
/* A row that is cut gives way to its pieces. */
int coredb_gap_remove(struct coredb *db, int64_t id);
/* Loss that is not of the transfer (epoch 0): counts up the open row of its gateway and reason. */
int coredb_gap_overflow(struct coredb *db, const struct coredb_gap *gap);
/* A neighbour of open gaps was committed: what was lost beside it lies before or after it. */
int coredb_gap_tighten(struct coredb *db, int64_t epoch, int64_t number, int64_t first_mono_us,
		       int64_t last_mono_us);
/* -ENOENT: there is none of that id in the workspace; -EPERM: it is not possible only, or came after
 * all; -EALREADY. Tells of it in an event. Inside a transaction. */
int coredb_gap_dismiss(struct coredb *db, int64_t workspace, int64_t id, const char *by,
		       const char *note, int64_t now_ms);

typedef int coredb_gap_fn(void *arg, const struct coredb_gap *gap);
/* Rows 0 let everything through. */
struct coredb_gap_filter {
	int64_t gateway; /* row */
	int64_t device;  /* row: gaps of gateways that fed it when they lost something */
	bool open;       /* only what is still lost and not dismissed */
	bool sure;       /* only what is not merely possible */
};
/* Of a workspace, with id > after, in order of ids. Texts live during the call. Count or -errno. */
int coredb_gap_each(struct coredb *db, int64_t workspace, const struct coredb_gap_filter *filter,
		    int64_t after, int limit, coredb_gap_fn *fn, void *arg);
int coredb_gap_get(struct coredb *db, int64_t workspace, int64_t id, coredb_gap_fn *fn, void *arg);
/* The open gaps of one epoch, in order of numbers. */
int coredb_gap_open_of(struct coredb *db, int64_t workspace, int64_t epoch, coredb_gap_fn *fn,
		       void *arg);

/* A gateway fed a device at that moment: kept by day, as long as the workspace's history. */
int coredb_fed_add(struct coredb *db, int64_t gateway, int64_t device, int64_t at_ms);
/* Days since 1970 of a moment. */
int64_t coredb_day(int64_t at_ms);
typedef int coredb_fed_fn(void *arg, int64_t device, const char *name);
/* Devices of a gap: those that its gateway fed on the days of its bounds, else (nothing was heard on
 * these days) those that were registered at it and active. By name, at most `limit`. Count or
 * -errno. */
int coredb_gap_devices(struct coredb *db, const struct coredb_gap *gap, int limit,
		       coredb_fed_fn *fn, void *arg);

#endif
