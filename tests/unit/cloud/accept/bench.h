/* What the suites of accept/ share: a real database, a fake clock, and gateways that make batches. */
#ifndef TESTS_UNIT_CLOUD_ACCEPT_BENCH_H
#define TESTS_UNIT_CLOUD_ACCEPT_BENCH_H

#include "cloud/accept/accept.h"
#include "tests/unit/storage/folder.h"

#define WALL INT64_C(1795190400000)
#define VIN "WVWZZZ1KZAW123456"
#define OTHER_VIN "KMHKR81CPNU005366"

struct bench {
	char folder[FOLDER_SIZE];
	char url[FOLDER_SIZE + 32];
	struct coredb *db;
	struct accept *accept;
	struct clock_fake clock;
	struct coredb_workspace workspace;
	struct coredb_gateway gateway;
	struct coredb_vehicle vehicle;
	struct coredb_device device;
	/* The acks of the last commit, coalesced. */
	int64_t acked[256];
	int acked_count;
	struct wire_ack last_ack;
	int acks;
};

/* One batch in the making. */
struct pack {
	struct wire_header header;
	struct buf records;
	struct jw w;
	struct model_update_room room;
	int count;
};

/* For cmocka's setup and teardown: *state is a struct bench with workspace w1, gateway g1, vehicle v1
 * (VIN) and its device d1. */
int bench_setup(void **state);
int bench_teardown(void **state);
void bench_reopen(struct bench *b); /* accept and connection anew, as after kill -9 */

/* A live batch of gateway g1's boot "boot-1", made at the fake clock's monotonic time. */
void pack_begin(struct pack *pack, struct bench *b, const char *epoch, int64_t number);
/* A record of one SoC value of a device, read at `mono_us`. */
void pack_soc(struct pack *pack, const char *device, int64_t mono_us, double soc);
void pack_soc_vin(struct pack *pack, const char *device, int64_t mono_us, double soc,
		  const char *vin);
void pack_raw(struct pack *pack, const char *json);
/* Gives it to accept_batch() and forgets it. */
int pack_send(struct pack *pack, struct bench *b, struct accept_batch_result *ret_result);
/* The payload, for sending more than once; free with buf_free(). */
void pack_finish(struct pack *pack, struct buf *payload);

/* Commits and gathers the acks. */
int bench_commit(struct bench *b);

/* A number out of the database. */
int64_t bench_query(struct bench *b, const char *sql);
/* The SoC that a device's snapshot shows; -1 without. */
double bench_soc(struct bench *b, int64_t device);

#endif
