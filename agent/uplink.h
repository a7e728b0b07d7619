/* The uplink: batches go from the spool to the core by MQTT until the core says that they are
 * committed.
 *
 * libmosquitto carries packets and is never a queue: every connection is a new handle, what is in
 * flight is at most the window's, and only the core's acknowledgement lets the spool forget. The
 * broker's PUBACK only shows that the connection is alive. Decisions: docs/decisions/0003.
 *
 * One thread, on the event loop.
 */
#ifndef AGENT_UPLINK_H
#define AGENT_UPLINK_H

#include "agent/window.h"
#include "base/loop.h"
#include "model/wire/status.h"
#include "storage/spool/spool.h"

enum uplink_protocol { UPLINK_AUTO, UPLINK_311, UPLINK_5 };

/* Texts live as long as the uplink. */
struct uplink_config {
	const char *workspace, *gateway_id; /* together the user name and the client id */
	const char *host;
	int port;
	enum uplink_protocol protocol;
	const char *password_file; /* NULL: none; read anew for each connection, mode 0600 */
	bool tls;
	const char *ca_file;
	const char *cert_file, *key_file; /* NULL: none; renewed as renewal.h says */
	int keepalive_s;
	int64_t connect_us; /* name, TCP, TLS and CONNACK together */
	int64_t dead_us;    /* without any progress for so long the link is dead */
	int64_t reconnect_min_us, reconnect_max_us; /* decorrelated jitter between them */
	int64_t stable_us; /* a session that lasted so long starts the waits over */
	int64_t status_us; /* between two reports */
	struct window_config window;
};

enum uplink_state {
	UPLINK_DOWN,       /* waiting to connect again */
	UPLINK_LOOKUP,     /* of the broker's name */
	UPLINK_CONNECTING, /* until CONNACK */
	UPLINK_ONLINE,
	UPLINK_STOPPING,
};

/* Why connections ended or did not come about, counted since the start. */
enum uplink_loss {
	UPLINK_LOSS_NAME,    /* the broker's name is not found */
	UPLINK_LOSS_REFUSED, /* nobody listens, or the broker refuses */
	UPLINK_LOSS_TIMEOUT, /* no connection in time */
	UPLINK_LOSS_TLS,     /* a certificate, or TLS itself */
	UPLINK_LOSS_NOT_AUTHORISED,
	UPLINK_LOSS_CLOSED,        /* by the broker or the network */
	UPLINK_LOSS_DEAD,          /* no PUBACK, no SUBACK, no answer to a ping */
	UPLINK_LOSS_SILENT,        /* the broker confirms, the core never answers */
	UPLINK_LOSS_MISCONFIGURED, /* a file cannot be used */
	UPLINK_LOSS_OWN,           /* we ended it: another spool, another certificate */
};
#define UPLINK_LOSS_COUNT (UPLINK_LOSS_OWN + 1)

struct uplink_report {
	enum uplink_state state;
	char reason[32];  /* why not online: "connection_refused", "not_authorised" ...; "" */
	char detail[256]; /* a sentence */
	bool mqtt5;
	int64_t since_us;                      /* monotonic, of the state */
	int64_t sessions;                      /* connections made */
	int64_t sent, resent, acked, deferred; /* batches */
	int64_t bytes_sent;
	int64_t bad_acks;    /* payloads from the core that could not be read */
	int64_t no_core;     /* PUBACKs that said: nobody is subscribed (MQTT 5) */
	int64_t not_allowed; /* PUBACKs that said: not authorised */
	int64_t too_large;   /* PUBACKs that said: packet too large */
	int64_t last_ack_us; /* MODEL_NO_TIME before the first */
	int64_t stray_acks;  /* for another session than this one: not heeded */
	int64_t set_aside;   /* batches that the core never answered while it answered others */
	int in_flight;       /* batches that the core has not acknowledged: live and backlog */
	int live_in_flight, backlog_in_flight;
	int64_t bytes_in_flight;
	int window_batches;        /* as configured */
	int64_t window_bytes;      /* as configured */
	int receive_maximum;       /* what the broker takes without a PUBACK; 0: it sets no limit */
	int64_t packet_maximum;    /* bytes of its longest packet; 0: it sets no limit */
	int window_limit;          /* batches that may be in flight now */
	int64_t backlog_limit;     /* bytes of backlog that may be in flight now */
	int64_t backlog_rate;      /* bytes a second of backlog as in force now; 0: no limit */
	int64_t ack_round_trip_us; /* from a send to its ack, smoothed; -1 before the first */
	int64_t ack_round_trip_worst_us; /* the longest of the last minute; -1: none in it */
	int64_t losses[UPLINK_LOSS_COUNT];
	char certificate[320]; /* what is wrong with a new certificate; "": nothing */
	int config_len;        /* bytes of the last configuration received, -1: none */
};

struct uplink_env {
	struct loop *loop;
	struct clock *clock;
	struct spool *spool;
	int64_t verify_ms; /* certificates are never judged at an earlier time (saved, build) */
	/* An acknowledgement told the core's time. */
	void (*core_time)(void *arg, int64_t at_ms);
	/* Online: what devices say next should be whole. */
	void (*online)(void *arg);
	/* The report's state or reason is another one. */
	void (*changed)(void *arg);
	/* Fills in what the uplink does not know of the gateway's report. */
	void (*status)(void *arg, struct wire_status *status);
	/* uplink_stop() is through. */
	void (*stopped)(void *arg);
	/* The spool failed; spool_error() says how. The uplink goes on and tries again. */
	void (*spool_failed)(void *arg, int error);
	void *arg;
};

struct uplink;

/* `config` and `env` must outlive it. Returns 0 or -errno. */
int uplink_create(const struct uplink_config *config, const struct uplink_env *env,
		  struct uplink **ret_uplink);
/* Closes without a word (the will speaks). NULL is accepted. */
void uplink_destroy(struct uplink *uplink);

/* Begins to connect. Returns 0 or -ENOMEM. */
int uplink_start(struct uplink *uplink);
/* The spool holds `count` new batches. */
void uplink_stored(struct uplink *uplink, size_t count);
/* The spool is another file now, with ids and epochs of its own: a new connection starts over. */
void uplink_spool_replaced(struct uplink *uplink);
/* The spool may have shown less than it holds, and shows all again: the backlog begins anew. */
void uplink_spool_passed_over(struct uplink *uplink);
/* The gateway's report is another one: it is sent soon. */
void uplink_status_changed(struct uplink *uplink);
/* Says offline, waits shortly for the broker, disconnects; then env->stopped(), possibly before this
 * returns. */
void uplink_stop(struct uplink *uplink);

void uplink_report(const struct uplink *uplink, struct uplink_report *ret_report);
const char *uplink_state_name(enum uplink_state state);
const char *uplink_loss_name(enum uplink_loss loss);
/* When certificates end: "gateway" (ours), "gateway.new" (one that waits to be tried), "broker" (as
 * last seen). Returns how many were written, at most `size`. */
size_t uplink_certificates(const struct uplink *uplink, struct wire_certificate *out, size_t size);

#endif
