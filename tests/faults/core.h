/* A real core without its sockets: the database and the one door, on any folder (or disk). */
#ifndef TESTS_FAULTS_CORE_H
#define TESTS_FAULTS_CORE_H

#include "cloud/accept/accept.h"
#include "storage/coredb/gap.h"

#define CORE_WALL_MS INT64_C(1795190400000) /* 2026-11-20T16:00:00Z */
#define CORE_WORKSPACE "w1"
#define CORE_GATEWAYS 2 /* g1, g2, each with a device d1, d2 */

struct core {
	struct coredb *db;
	struct accept *accept;
	struct clock_fake clock;
	int64_t workspace; /* its row */
	char error[256];
};

/* Opens or makes FOLDER/core.db and registers what is missing. 0 or -errno; core_close() after both. */
int core_open(struct core *core, const char *folder);
void core_close(struct core *core);

/* Takes a batch as the broker brings it. 0 or -errno (then core_back()). */
int core_take(struct core *core, const char *gateway, const void *payload, size_t len,
	      enum accept_answer *ret_answer);
int core_commit(struct core *core, accept_ack_fn *fn, void *arg);
void core_back(struct core *core);

/* A number out of the database; -1 where there is none. */
int64_t core_ask(struct core *core, const char *text);
/* The database is sound and refers to nothing that is not there. */
bool core_is_whole(struct core *core);

/* What the core says of a batch's number: the strongest of these. */
enum core_word {
	CORE_COMMITTED,
	CORE_LOST,     /* a gap holds it */
	CORE_POSSIBLE, /* a possible gap does */
	CORE_SILENT,
};
enum core_word core_word_on(struct core *core, const char *gateway, const char *epoch,
			    int64_t number);

/* The open gaps that hold a number, and whether they say truly when its records were read. */
struct core_bounds {
	int gaps;
	int dated;              /* with both bounds in UTC */
	struct coredb_gap last; /* its texts are gone */
	bool wrong;             /* one leaves out first_us..last_us */
};
struct core_bounds core_bounds_of(struct core *core, const char *gateway, const char *epoch,
				  int64_t number, int64_t first_us, int64_t last_us);

#endif
