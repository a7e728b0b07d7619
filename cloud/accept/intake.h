/* A batch that is being taken: what batch.c and judge.c share. */
#ifndef CLOUD_ACCEPT_INTAKE_H
#define CLOUD_ACCEPT_INTAKE_H

#include "cloud/accept/accept_priv.h"

struct intake {
	struct accept *accept;
	struct coredb_workspace workspace;
	struct coredb_gateway gateway;
	struct wire_header header;
	struct wire_batch *batch;
	struct ledger ledger;
	struct coredb_boot boot;
	struct delivery delivery;
	const char *payload;
	size_t len;
	int64_t received_ms;
};

/* The header's digest as a number. */
uint64_t intake_digest(const struct intake *in);
/* judge.c: is this body to be applied, or was it? */
int intake_judge(struct intake *in, bool *ret_apply);

#endif
