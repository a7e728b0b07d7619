/* How a request reaches the control units of a vehicle, and their answers come back: through an
 * ELM327 or STN adapter (obd_elm.c), or over a CAN interface of this machine (obd_can.c).
 *
 * What is above this line knows the vehicle and its profile, what is below knows the way there. One
 * request after the other: ask(), then exactly one reply event, unless something of greater weight
 * comes in between (anew, lost). Every implementation asks obd2_request_allowed() and diag_id_allowed()
 * where a request leaves, and sends nothing that they refuse. All on the loop's thread; events are
 * called from the loop, never from inside an op.
 */
#ifndef AGENT_SOURCE_OBD_BUS_H
#define AGENT_SOURCE_OBD_BUS_H

#include "agent/protocol/diag.h"
#include "agent/protocol/elm327_adapter.h"
#include "agent/source/source.h"
#include "provider/obd/profile.h"
#include "provider/obd/reading.h"

#define OBD_ANSWERS_MAX 32 /* messages of one reply */

enum obd_reply_kind {
	OBD_REPLY_DATA,        /* positive answers, all of them whole */
	OBD_REPLY_PARTIAL,     /* some units' whole, others' not */
	OBD_REPLY_BAD,         /* something came, but nothing that answers */
	OBD_REPLY_NEGATIVE,    /* 7F: see nrc */
	OBD_REPLY_PENDING,     /* the unit wanted time, and no answer came in what it was given */
	OBD_REPLY_SILENCE,     /* nobody answered in time */
	OBD_REPLY_NOBODY,      /* nobody is on the bus at all */
	OBD_REPLY_UNSUPPORTED, /* the request cannot be sent: not understood, or refused by the gate */
	OBD_REPLY_OVERRUN,     /* more answers than could be taken: none of them counts */
	OBD_REPLY_BUS_ERROR, /* see trouble */
	OBD_REPLY_USELESS,   /* none of those: nothing is known */
};

struct obd_reply {
	enum obd_reply_kind kind;
	uint8_t nrc;       /* NEGATIVE */
	unsigned frames;   /* on the bus, the request included */
	uint32_t rejected; /* lines, frames, messages that broke a rule; answers still owed (78) */
	char trouble[128]; /* BUS_ERROR: a sentence for a person */
	/* DATA, PARTIAL: service + 0x40 first; they live until the next op. */
	struct obd_answer answers[OBD_ANSWERS_MAX];
	size_t count;
};

struct obd_request {
	struct diag_target target;
	uint8_t bytes[PROFILE_REQUEST_MAX];
	uint8_t len;
	int64_t timeout_us;
	bool patient; /* a unit that wants time (78) gets it, up to 8 times and 30 s */
};

/* `arg` is that of struct obd_bus. */
struct obd_bus_events {
	/* Requests may be sent: after open(), identify(), restart(), and recover() where that said true. */
	void (*ready)(void *arg);
	/* What came of a request. */
	void (*reply)(void *arg, const struct obd_reply *reply);
	/* What was known of the connection is void; ready() follows. */
	void (*anew)(void *arg);
	/* After wind_up(): go on. */
	void (*idle)(void *arg);
	/* The bus was learnt: bus->protocol is set. `name` is static. */
	void (*protocol)(void *arg, const char *name, unsigned bit_rate);
	/* The plug's ignition line; it comes before measured(). */
	void (*ignition)(void *arg, bool on);
	/* After measure(). */
	void (*measured)(void *arg, bool known, double volts);
	/* While the vehicle is left alone somebody speaks on its bus. `woke`: which was silent before; else
	 * it comes again and again, about once a second. */
	void (*stirred)(void *arg, bool woke);
	/* Trouble of the way there, or its end; `reason` is static. */
	void (*state)(void *arg, enum source_state state, const char *reason, const char *detail);
	/* It is closed, by -errno; nothing more comes before the next open(). */
	void (*lost)(void *arg, int error);
};

/* Of way() and ask(): the bus has no such identifiers; every other error is something the way cannot do. */
#define OBD_E_OTHER_BUS ELM327_E_BUS

struct obd_bus;

struct obd_bus_ops {
	/* Begins; ready() or lost() follows. Returns 0, or -errno: then it is closed. */
	int (*open)(struct obd_bus *bus);
	/* No event follows. A closed one is accepted. */
	void (*close)(struct obd_bus *bus);
	void (*destroy)(struct obd_bus *bus); /* closes, too */
	/* May the next op be called now? */
	bool (*idle)(const struct obd_bus *bus);
	/* How many steps there are to a target before a request to it; negative: it cannot be asked,
	 * and problem() says why. */
	int (*way)(const struct obd_bus *bus, const struct diag_target *target);
	/* A sentence's end for a person; static. */
	const char *(*problem)(int error);
	/* Sends a request. Returns 0, or negative as way() says: nothing was sent. */
	int (*ask)(struct obd_bus *bus, const struct obd_request *request);
	/* Sends the last one again. */
	void (*again)(struct obd_bus *bus);
	/* Somebody has answered: learns what bus it is, protocol() and ready() follow. */
	void (*identify)(struct obd_bus *bus);
	/* A request and all that became of it is over. True where something is to be put back: idle()
	 * follows. */
	bool (*wind_up)(struct obd_bus *bus);
	/* `errors` replies in a row said BUS_ERROR. True where something is done about it: ready()
	 * follows, after a pause. */
	bool (*recover)(struct obd_bus *bus, int errors);
	/* Replies make no sense: begins anew. */
	void (*restart)(struct obd_bus *bus);
	/* Measures the plug's voltage, reads its ignition line. False where it can do neither;
	 * else measured() follows. */
	bool (*measure)(struct obd_bus *bus);
	/* The vehicle is left alone: where the way can tell that it wakes up, stirred() does. It ends with
	 * the next request. NULL: it cannot. */
	void (*rest)(struct obd_bus *bus);
	/* Is it sure that the vehicle still sleeps, without asking? NULL: never. */
	bool (*quiet)(const struct obd_bus *bus);
	/* Fills in what it knows: adapter, chip, baud, missing, noise, resyncs, inits. */
	void (*report)(const struct obd_bus *bus, struct source_report *report);
};

/* Every implementation begins with this. */
struct obd_bus {
	const struct obd_bus_ops *ops;
	const struct source_config *config;
	const struct source_env *env;
	const struct obd_bus_events *events;
	void *arg;

	/* Read only. */
	uint8_t protocol;                      /* ATDPN's number; 0: not known */
	int64_t requests, rejected;            /* since it was made */
	const struct elm327_capabilities *can; /* what the adapter can do; NULL: there is none */

	/* Of the request that is out: how often it was sent again, by whomever. */
	int repeats;
	/* Resets and internal errors of the adapter since the vehicle last gave a value, which the
	 * source says by making them 0. */
	int resets, internal_errors;
};

/* Is it CAN with the identifiers of OBD-II? 29 bits of them? */
static inline bool obd_bus_is_can(const struct obd_bus *bus)
{
	return bus->protocol >= 6 && bus->protocol <= 9;
}
static inline bool obd_bus_is_long(const struct obd_bus *bus)
{
	return bus->protocol == 7 || bus->protocol == 9;
}

/* `bus` is zeroed but for its common part, which the caller has filled. `protocol`: what the profile
 * says of the bus (ATSP's number), 0: nothing. */
int obd_elm_create(const struct obd_bus *common, uint8_t protocol, struct obd_bus **ret_bus);
int obd_can_create(const struct obd_bus *common, uint8_t protocol, struct obd_bus **ret_bus);

#endif
