/* Nothing is dropped silently: what was parked or rejected, and how every record ended. What was lost
 * stands in gap.h. */
#ifndef STORAGE_COREDB_LEDGER_H
#define STORAGE_COREDB_LEDGER_H

#include "storage/coredb/transfer.h"

/* A valid record that is not wanted yet, kept whole. */
struct coredb_parked {
	int64_t id;
	int64_t workspace;
	int64_t gateway;          /* 0: not by a gateway */
	int64_t device;           /* 0: not registered */
	const char *device_name;  /* as the record names it */
	const char *gateway_name; /* on reading; "" without */
	const char *reason;       /* "unknown_device", "vin_mismatch", "unsupported_provider" */
	int64_t batch, number, boot;
	int position;
	int64_t received_ms;
	const char *vin; /* "" where the record has none */
	const char *record;
	size_t record_len;
};
/* At most this many records and bytes a workspace are kept parked. */
#define COREDB_PARKED_MAX 10000
#define COREDB_PARKED_BYTES_MAX (64LL * 1024 * 1024)
/* -EDQUOT where the workspace's room is full (nothing stored). */
int coredb_parked_add(struct coredb *db, const struct coredb_parked *row);
/* The largest id so far; 0 without any. */
int coredb_parked_last(struct coredb *db, int64_t *ret_id);
int coredb_parked_remove(struct coredb *db, int64_t id);
typedef int coredb_parked_fn(void *arg, const struct coredb_parked *parked);
/* Of a workspace, of one device's name or (NULL) all, with id > after, in order of arrival. */
int coredb_parked_each(struct coredb *db, int64_t workspace, const char *device_name, int64_t after,
		       int limit, coredb_parked_fn *fn, void *arg);

/* What could not be taken. The same again only counts. */
struct coredb_rejection {
	int64_t id;
	int64_t workspace, gateway; /* 0: not known */
	const char *gateway_name;   /* on reading */
	const char *source;         /* where it came from, for a person */
	const char *reason;         /* "malformed", "too_large", "wrong_workspace", ... */
	const char *detail;         /* a sentence */
	const void *data;           /* on writing the whole; on reading the first 256 bytes */
	size_t len;
	const char *rest_sha256;         /* on reading */
	int64_t bytes;                   /* on reading: how many there were */
	int64_t first_at_ms, last_at_ms; /* on writing only last_at_ms */
	int64_t count;                   /* on reading */
};
int coredb_rejection_add(struct coredb *db, const struct coredb_rejection *row);
typedef int coredb_rejection_fn(void *arg, const struct coredb_rejection *rejection);
/* Newest first: with id < before (0: from the newest). Workspace 0: those of no known one. */
int coredb_rejection_each(struct coredb *db, int64_t workspace, int64_t before, int limit,
			  coredb_rejection_fn *fn, void *arg);
/* Keeps the newest `keep` rows; the counts of outcomes are not touched. */
int coredb_rejection_prune(struct coredb *db, int64_t keep);

/* How records ended: adds to the hour's count. */
struct coredb_outcome {
	int64_t workspace, gateway, device;     /* 0: not known */
	const char *gateway_name, *device_name; /* on reading; "" without */
	const char *outcome;                    /* "accepted", "late", ... */
	const char *reason;                     /* "" without */
	int64_t count;
};
int coredb_outcome_add(struct coredb *db, const struct coredb_outcome *row, int64_t now_ms);
typedef int coredb_outcome_fn(void *arg, const struct coredb_outcome *outcome);
/* Sums a workspace's counts since `from_ms`: a row a gateway, device, outcome and reason. */
int coredb_outcome_each(struct coredb *db, int64_t workspace, int64_t from_ms,
			coredb_outcome_fn *fn, void *arg);

#endif
