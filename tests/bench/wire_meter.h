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
	/* May be set after init: so many records a batch, whatever their class and batch, as a sealing
	 * of a busier gateway holds them; 0: the batches that come. */
	int fill;
	/* Sees each of these before it is packed; NULL: nobody does. */
	int (*filled)(void *arg, const struct spool_put *put);
	void *arg;
	int count; /* records that are being filled in */
	struct buf buf, packed, filling;
	int error; /* sticky */
};

void wire_meter_init(struct wire_meter *meter);
void wire_meter_free(struct wire_meter *meter);
/* A sampler_seal_fn: `arg` is the meter. */
int wire_meter_take(void *arg, const struct spool_put *puts, size_t count);
/* The last batch that is being filled; where it is not full it costs more a record. */
int wire_meter_end(struct wire_meter *meter);

#endif
