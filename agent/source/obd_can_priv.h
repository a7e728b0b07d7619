/* What the files of the way over a CAN interface share.
 *
 *	obd_can.c          opening and closing; the bus and its trouble
 *	obd_can_ask.c      a request, from the gate to what came of it
 *	obd_can_channel.c  ISO-TP channels, one a pair of identifiers
 *	obd_can_ear.c      what is heard beside them: that an answer has begun, who answers on 29 bits,
 *	                   that a vehicle wakes up
 *
 * Messages come by channels of can_isotp.h, whoever speaks ISO-TP there. The kernel's tells of a message
 * only when it is whole, and knows only who was expected; so an ear hears the frames of units that may
 * answer, too. A unit with 29 bits that nobody expects is learnt from its first frame.
 */
#ifndef AGENT_SOURCE_OBD_CAN_PRIV_H
#define AGENT_SOURCE_OBD_CAN_PRIV_H

#include "agent/source/can_isotp.h"
#include "agent/source/obd_bus.h"

#define CAN_MS INT64_C(1000)
#define CAN_SECOND INT64_C(1000000)
#define CAN_CHANNELS_MAX 48
#define CAN_POOL 8192 /* bytes of the answers to one request */

/* Besides enum elm327_target_error. */
enum can_problem {
	CAN_E_NOBODY = -101, /* who answers is not said */
	CAN_E_LONG = -102,   /* a request to everybody is one frame */
};

struct obd_can;

struct can_channel {
	struct obd_can *can;
	struct isotp_channel *channel; /* NULL: this place is free */
	struct isotp_pair pair;
	struct loop_fd watch;
	uint64_t used;    /* in order of use */
	bool awaited;     /* it may answer the request that is out */
	int64_t until_us; /* it has begun to answer, or wants time; 0: it has not */
	bool receiving;   /* it has begun a message */
	bool done;        /* it has said what it had to say */
};

struct obd_can {
	struct obd_bus bus;
	const char *interface;   /* of config->device */
	struct can_isotp *isotp; /* NULL: closed */
	struct loop_timer timer;
	void (*later)(struct obd_can *can); /* what the timer is for; NULL: nothing */
	int error;                          /* what later tells of */
	unsigned bit_rate;                  /* 0: the interface does not tell */
	uint8_t usual;                      /* the profile's protocol; 0: it says nothing */
	unsigned answered_bits;             /* of the identifiers by which everybody was asked */

	struct can_channel channels[CAN_CHANNELS_MAX];
	uint64_t uses;

	/* The request that is out. */
	bool busy;
	struct obd_request request;
	struct diag_target target; /* whom it goes to this time */
	unsigned tries;            /* times that the interface did not take it */
	int64_t base_until_us, hard_until_us;
	unsigned pendings, broken, refusals;
	bool overrun;
	struct obd_reply reply;
	size_t pool_len;
	uint8_t pool[CAN_POOL];

	/* The ear. */
	struct canbus *ear;
	struct loop_fd ear_watch;
	struct loop_timer ear_timer;
	bool listening;   /* to everything: the vehicle rests */
	bool deaf;        /* for a moment: the bus is not silent */
	bool talkative;   /* there is traffic without requests while the vehicle is awake */
	int64_t heard_us; /* when something was last heard */
};

/* ---- obd_can.c ---- */

/* Calls `later` from the loop. */
void can_post(struct obd_can *can, int64_t us, void (*later)(struct obd_can *can));
/* The way is lost by -errno; told from the loop. */
void can_lose(struct obd_can *can, int error);
/* A sentence about a bus that does not work; NULL where it does. */
const char *can_bus_problem(const struct canbus_state *state);
static inline int64_t can_now_us(const struct obd_can *can)
{
	return loop_now_us(can->bus.env->loop);
}

/* ---- obd_can_ask.c ---- */

int can_way(const struct obd_bus *bus, const struct diag_target *target);
const char *can_problem(int error);
int can_ask(struct obd_bus *bus, const struct obd_request *request);
void can_again(struct obd_bus *bus);
/* Nothing is asked any more. */
void can_forget_request(struct obd_can *can);
/* A message of the unit `id`. True where it is its last to this request. */
bool can_take(struct obd_can *can, uint32_t id, const uint8_t *data, size_t len);
/* Something of an answer is lost. */
void can_broke(struct obd_can *can);
/* The times of channels are other ones now: is the request over? */
void can_settle(struct obd_can *can);

/* ---- obd_can_channel.c ---- */

/* The channel of a pair, opened where it is not. Another that hears the same is closed. Returns 0 or
 * -errno. */
int can_channel_get(struct obd_can *can, const struct isotp_pair *pair,
		    struct can_channel **ret_channel);
/* Who hears that identifier (and address, where `addressed`); NULL: nobody. */
struct can_channel *can_channel_of(struct obd_can *can, uint32_t id, bool extended);
/* Fetches and drops what has come. */
void can_channel_drain(struct can_channel *channel);
void can_channels_close(struct obd_can *can);

/* ---- obd_can_ear.c ---- */

/* Returns 0 or -errno. */
int can_ear_open(struct obd_can *can);
void can_ear_close(struct obd_can *can);
/* Hears who may answer can->target. Returns 0 or -errno. */
int can_ear_turn(struct obd_can *can);
/* Hears everything, for signs of waking up. */
void can_ear_listen(struct obd_bus *bus);
bool can_ear_is_quiet(const struct obd_bus *bus);

#endif
