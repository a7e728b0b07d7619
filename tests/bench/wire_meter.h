/* What batches cost on the wire: each is packed and given a header as a send does, and its MQTT packet
 * counted (PUBLISH with QoS 1 by MQTT 3.1.1, sections 2.2 and 3.3, and the PUBACK), without TLS and
 * TCP/IP. */
#ifndef TESTS_BENCH_WIRE_METER_H
#define TESTS_BENCH_WIRE_METER_H

#include "base/buf.h"
#include "storage/spool/spool.h"

struct wire_meter {
	int64_t batches, records;
	int64_t json;  /* bytes of the bodies before packing */
	int64_t body;  /* after */
	int64_t total; /* the whole packets */
	struct buf buf, packed;
	int error; /* sticky */
};

void wire_meter_init(struct wire_meter *meter);
void wire_meter_free(struct wire_meter *meter);
/* A sampler_seal_fn: `arg` is the meter. */
int wire_meter_take(void *arg, const struct spool_put *puts, size_t count);

#endif
