/* The small payloads beside the batches: ack, link, status.
 *
 * Each encoder appends one object and returns through the buffer's sticky error. Each decoder
 * returns 0; -EINVAL where the payload is malformed or of another version, -EMSGSIZE where it passes
 * a limit of this header (`problem`, at least 160 bytes, says what and where), or -ENOMEM; on failure
 * what it should have filled is untouched. Members that this version does not know are ignored. */
#ifndef MODEL_WIRE_CONTROL_H
#define MODEL_WIRE_CONTROL_H

#include "base/clock.h"
#include "model/wire/batch.h"

/* The commit acknowledgement of one session's batches of one epoch. */
#define WIRE_DEFERRED_MAX 64
#define WIRE_ASK_MAX 8
struct wire_deferred {
	int64_t batch;
	char reason[32];
	int64_t retry_after_s;
};

struct wire_ack {
	int64_t at_ms;                 /* the core's time */
	char session[IDS_RANDOM_SIZE]; /* of the sends that are answered; "" without */
	char epoch[IDS_RANDOM_SIZE];
	struct wire_range committed[WIRE_RANGES_MAX];
	size_t committed_count;
	struct wire_deferred deferred[WIRE_DEFERRED_MAX];
	size_t deferred_count;
	/* Epochs of the gateway whose account is open and silent: it states what it still holds. */
	char ask[WIRE_ASK_MAX][IDS_RANDOM_SIZE];
	size_t ask_count;
};

void wire_ack_encode(struct jw *w, const struct wire_ack *ack);
int wire_ack_decode(const void *payload, size_t len, struct wire_ack *ret_ack, char *problem,
		    size_t problem_size);

/* The retained link state; the will carries the same session as "offline". */
struct wire_link {
	char session[IDS_RANDOM_SIZE];
	bool online;
};

void wire_link_encode(struct jw *w, const struct wire_link *link);
int wire_link_decode(const void *payload, size_t len, struct wire_link *ret_link, char *problem,
		     size_t problem_size);

/* The gateway's report. */
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

struct wire_status {
	char agent_version[32];
	char board[32];
	char boot_id[WIRE_BOOT_ID_SIZE];
	int64_t uptime_s;
	enum clock_quality clock;
	int64_t spool_young, spool_batches, spool_bytes;
	int64_t spool_oldest_at_ms; /* MODEL_NO_TIME when empty */
	int64_t spool_dropped_total, spool_written_bytes_today;
	int64_t sent_at_ms;
	size_t source_count;
	struct wire_source sources[WIRE_SOURCES_MAX];
	size_t certificate_count;
	struct wire_certificate certificates[WIRE_CERTIFICATES_MAX];
};

void wire_status_encode(struct jw *w, const struct wire_status *status);
int wire_status_decode(const void *payload, size_t len, struct wire_status *ret_status,
		       char *problem, size_t problem_size);

#endif
