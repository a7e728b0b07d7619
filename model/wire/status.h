/* The gateway's report on the status topic: what it reads, what it holds for the core, how it is
 * linked. Encoding and decoding as in control.h. */
#ifndef MODEL_WIRE_STATUS_H
#define MODEL_WIRE_STATUS_H

#include <stdbool.h>

#include "base/clock.h"
#include "model/wire/batch.h"

#define WIRE_SOURCES_MAX 64
enum wire_source_state { WIRE_SOURCE_OK, WIRE_SOURCE_SILENT, WIRE_SOURCE_ERROR };

/* Something of a vehicle that is not asked for, and why. */
#define WIRE_REFUSALS_MAX 8
struct wire_refusal {
	char what[64];
	char reason[96];
};

/* How a vehicle is read, for people: it is sent, and kept by the core as it came; decoding passes it
 * over. */
struct wire_vehicle {
	char profile[40]; /* "": this source reads none, and nothing of this is sent */
	char activity[16];
	char vin_judgement[16]; /* "" where none was given */
	char missing[160];      /* what the adapter cannot do */
	double bus_load_pct;
	int64_t looks_today, wake_budget;
	size_t refused_total, refused_count; /* the latter are in `refused` */
	struct wire_refusal refused[WIRE_REFUSALS_MAX];
};

struct wire_source {
	char name[MODEL_ID_SIZE];
	char kind[16];
	char device_id[MODEL_ID_SIZE];
	enum wire_source_state state;
	char reason[32];  /* "adapter_unplugged", "ignition_off" ...; "" where all is well */
	char detail[160]; /* a sentence for a person */
	int64_t since_ms; /* since when in this state; MODEL_NO_TIME where not known */
	int64_t last_ok_at_ms;
	struct wire_vehicle vehicle;
};

/* A certificate that the gateway uses and when it ends, so that the core can warn in time. */
#define WIRE_CERTIFICATES_MAX 8
struct wire_certificate {
	char name[MODEL_ID_SIZE];
	int64_t expires_at_ms;
};

#define WIRE_CLASS_COUNT (WIRE_CLASS_LEDGER + 1)

/* What is held for the core. What is said from `disk` on is for people and for metrics: the core
 * keeps it as it came and decides by none of it. */
struct wire_spool {
	int64_t young; /* batches that are not on disk yet */
	int64_t batches, bytes;
	int64_t oldest_at_ms; /* MODEL_NO_TIME where empty or not known */
	int64_t dropped_total;
	int64_t written_bytes_today; /* given to the disk, logs and all */

	char disk[16]; /* "ok", or why it takes nothing: "full", "read_only", "io_error" ... */
	int64_t young_bytes, written_bytes_total, write_budget; /* the last: 0 for none */
	int64_t card_life_days; /* at the mean rate so far; -1: not known yet */
	int64_t errors;         /* calls that failed since the start */
	struct wire_spool_class {
		int64_t batches, bytes, dropped; /* the last in records, ever */
	} classes[WIRE_CLASS_COUNT];
};

/* How the gateway is linked; for people and metrics as above. */
struct wire_uplink {
	char state[16], reason[32], detail[256], protocol[8];
	bool tls;
	int64_t sessions, sent, resent, acked, deferred, bytes_sent;
	int64_t set_aside; /* batches that were never answered while others were */
	int64_t live_in_flight, backlog_in_flight; /* batches that the core has not acknowledged */
	int64_t window_batches, window_bytes;      /* the most that may be so, as in force */
	int64_t backlog_rate;                      /* bytes a second, as in force; 0: no limit */
	int64_t ack_ms, ack_max_ms; /* round trip: smoothed, the longest of late; -1: none yet */
};

/* What became of what the sources read. */
struct wire_sampler {
	int64_t told, withheld; /* values: put into records; unchanged within their deadband */
	int64_t limited;        /* replaced by newer ones within the minimum interval */
	int64_t coalesced;      /* replaced by newer ones before the spool could take them */
	int64_t refused;        /* updates of more devices than a gateway may have */
};

struct wire_status {
	char agent_version[32];
	char board[32];
	char boot_id[WIRE_BOOT_ID_SIZE];
	int64_t uptime_s;
	enum clock_quality clock;
	int64_t sent_at_ms;
	struct wire_spool spool;
	struct wire_uplink uplink;
	struct wire_sampler sampler;
	size_t source_count;
	struct wire_source sources[WIRE_SOURCES_MAX];
	size_t certificate_count;
	struct wire_certificate certificates[WIRE_CERTIFICATES_MAX];
};

/* The members of one part, into an open object: `freshet-agent status` shows them, too. */
void wire_spool_encode(struct jw *w, const struct wire_spool *spool);
void wire_uplink_encode(struct jw *w, const struct wire_uplink *uplink);
void wire_sampler_encode(struct jw *w, const struct wire_sampler *sampler);
/* A list. */
void wire_certificates_encode(struct jw *w, const struct wire_certificate *certificates,
			      size_t count);
void wire_status_encode(struct jw *w, const struct wire_status *status);
int wire_status_decode(const void *payload, size_t len, struct wire_status *ret_status,
		       char *problem, size_t problem_size);

#endif
