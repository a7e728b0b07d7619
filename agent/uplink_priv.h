/* What the files of the uplink share. Which file does what:
 *
 *	uplink.c          its life, its state, the handle on the event loop, the gateway's report
 *	uplink_watch.c    deadlines
 *	uplink_loss.c     why a connection ended
 *	uplink_connect.c  the way to a connection: pauses, name, password, TLS, will
 *	uplink_session.c  what the broker says on a connection
 *	uplink_send.c     batches from the spool
 *	uplink_data.c     confirmations from the broker, acknowledgements from the core
 *	window.c          which batch goes next
 */
#ifndef AGENT_UPLINK_PRIV_H
#define AGENT_UPLINK_PRIV_H

#include <mosquitto.h>

#include "agent/renewal.h"
#include "agent/uplink.h"
#include "base/ids.h"
#include "base/tls.h"
#include "model/wire/control.h"

#define UPLINK_TOPIC_SIZE 192
#define UPLINK_TICK_US 500000
#define UPLINK_PEER_SIZE 128
#define UPLINK_SILENCE_MAX_US INT64_C(3600000000)
#define UPLINK_SILENCE_US INT64_C(300000000) /* the core may say nothing for so long, at first */

/* A batch that was sent: which number it has for the core. */
struct uplink_flight {
	int64_t id; /* 0: free */
	int64_t number;
	int mid; /* of the publish that the broker has not confirmed; 0: none */
	char epoch[IDS_RANDOM_SIZE];
};

struct uplink {
	const struct uplink_config *config;
	const struct uplink_env *env;
	struct uplink_report report;

	/* The connection. */
	struct mosquitto *mosq;
	struct loop_fd watch;
	struct loop_timer tick;    /* keepalive, deadlines, status */
	struct loop_timer retry;   /* connect again; look whether the name is found */
	struct loop_timer pump;    /* resends, backlog rate */
	struct loop_timer ack_due; /* acknowledgements for the spool, grouped */
	struct gaicb *lookup;
	bool mqtt5;               /* what this connection speaks */
	bool broken;              /* the handle is to be thrown away */
	bool greeted;             /* the broker has taken our login, and not answered it yet */
	char said[120];           /* by the library, of the last error */
	struct tls_said tls_said; /* why a certificate is not accepted, ours or the broker's */
	bool refused;             /* report.reason says why */
	bool subscribed;          /* the core's answers will reach us */
	bool announced;           /* the broker has taken our link state */
	int subscribe_mid, online_mid, offline_mid;
	int64_t packet_maximum; /* bytes of a packet that the broker takes; 0: no limit */
	bool retain_refused;    /* the broker keeps no retained messages */
	int64_t progress_us;
	int64_t deadline_us; /* of connecting, of stopping */
	int64_t wait_us;     /* the last pause before a reconnect */
	int64_t online_us;
	int64_t heard_us;     /* the last acknowledgement, or the beginning of the session */
	int64_t status_at_us; /* when the next report is due */
	char session[IDS_RANDOM_SIZE];
	char user[2 * IDS_SIZE];
	char peer[UPLINK_PEER_SIZE]; /* the broker, for people: "HOST:PORT" */
	char topic_data[UPLINK_TOPIC_SIZE], topic_ack[UPLINK_TOPIC_SIZE];
	char topic_link[UPLINK_TOPIC_SIZE], topic_status[UPLINK_TOPIC_SIZE];
	char topic_config[UPLINK_TOPIC_SIZE];

	struct renewal renewal;  /* ours, and the one that is to replace it */
	bool hurry;              /* the next connection need not wait long */
	bool version_guessed;    /* 3.1.1, because a broker hung up on 5 */
	int64_t guessed_us;      /* when that was */
	int outq;                /* bytes in the socket's queue when last looked */
	int64_t subscribe_by_us; /* when the subscription is to be there */
	int64_t silence_us;      /* how long the core may say nothing; grows */
	int64_t no_core_us;      /* when the broker last said that nobody is subscribed */
	int64_t own_ends_ms;     /* when the certificate in use ends; 0: none, or not known */
	int64_t broker_ends_ms;  /* when the broker's certificate ends; 0: not known */

	/* Batches. */
	struct window window;
	struct uplink_flight flights[WINDOW_MAX + WINDOW_DEFERRED_MAX];
	struct buf payload;
	char floor_epoch[IDS_RANDOM_SIZE];
	int64_t floor;
	int64_t floor_us; /* when it was asked for; MODEL_NO_TIME: not since something changed */
	char ack_epoch[IDS_RANDOM_SIZE]; /* not yet told to the spool */
	struct wire_range acks[WIRE_RANGES_MAX];
	size_t ack_count;
};

static inline int64_t uplink_now_us(const struct uplink *uplink)
{
	return loop_now_us(uplink->env->loop);
}

/* ---- uplink.c ---- */

/* Publishes with QoS 1 what is no batch. Returns true where libmosquitto took it. */
bool uplink_publish(struct uplink *uplink, const char *topic, const void *data, size_t len,
		    bool retain, int *ret_mid);
/* The same for a batch: 0, or what libmosquitto says; but where the packet is too large for the broker
 * the connection is at its end then. */
int uplink_publish_raw(struct uplink *uplink, const char *topic, const void *data, size_t len,
		       bool retain, int *ret_mid);
/* The spool failed: tells the owner. */
void uplink_spool_error(struct uplink *uplink, int error);
/* Tells the owner where state or reason is another one. */
void uplink_set_state(struct uplink *uplink, enum uplink_state state, const char *reason,
		      const char *detail);
/* Throws the connection away and tries again later; while stopping: has stopped. `detail` is a format
 * for a sentence. */
void uplink_lose(struct uplink *uplink, const char *reason, const char *detail, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, seen by the loop at its next turn: from inside the library's callbacks and others' work. */
void uplink_refuse(struct uplink *uplink, const char *reason, const char *detail, ...)
	__attribute__((format(printf, 3, 4)));
/* After every call into libmosquitto, with what it returned: is there still a connection, does it
 * want to write? */
void uplink_check(struct uplink *uplink, int rc);
/* The payload of the link topic; `out` is initialised and to be freed. */
void uplink_encode_link(const struct uplink *uplink, bool online, struct buf *out);
/* Of the timer `tick`, while there is a handle. */
void uplink_on_tick(struct loop_timer *timer);

/* ---- uplink_watch.c ---- */

/* Looks at every deadline. True where the connection has been thrown away. */
bool uplink_watch(struct uplink *uplink);

/* ---- uplink_loss.c ---- */

/* Loses a connection that has ended, with what libmosquitto said (MOSQ_ERR_*) and errno then. */
void uplink_loss_explain(struct uplink *uplink, int rc, int error);
void uplink_loss_count(struct uplink *uplink, const char *reason);

/* ---- uplink_connect.c ---- */

/* When certificates are judged: now, and never before a time that has been for certain. */
int64_t uplink_verify_ms(const struct uplink *uplink);

/* Begins: looks the name up where it is one, then connects. Returns 0 or -ENOMEM. */
int uplink_connect(struct uplink *uplink);
/* The same after a pause that grows with the failures. */
void uplink_connect_later(struct uplink *uplink);
/* A look-up that runs is given up. */
void uplink_connect_end(struct uplink *uplink);

/* ---- uplink_session.c ---- */

/* Tells a new handle whom to call. */
void uplink_session_listen(struct mosquitto *mosq);

/* ---- uplink_send.c ---- */

/* A connection is made: what the spool holds is backlog, what comes now is live. */
void uplink_data_begin(struct uplink *uplink);
/* Nothing is sent any more. */
void uplink_data_end(struct uplink *uplink);
/* Sends what the window lets through. */
void uplink_data_pump(struct uplink *uplink);
/* The same at the loop's next turn: what comes in together is answered together. */
void uplink_data_soon(struct uplink *uplink);

/* ---- uplink_data.c ---- */

void uplink_data_ack(struct uplink *uplink, const void *payload, size_t len);
/* The broker has confirmed a publish, with a reason code of MQTT 5. */
void uplink_data_confirmed(struct uplink *uplink, int mid, int reason);
/* Tells the spool what was acknowledged. */
void uplink_data_settle(struct uplink *uplink);

#endif
