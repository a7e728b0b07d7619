/* A source: one thing that the gateway reads, as a state machine on the event loop.
 *
 * A new source is one file with one struct source_ops, named in the table of source.c.
 */
#ifndef AGENT_SOURCE_SOURCE_H
#define AGENT_SOURCE_SOURCE_H

#include "agent/source/rhythm.h"
#include "base/loop.h"
#include "hal/can.h"
#include "hal/stream.h"
#include "model/update.h"

struct source;
struct bus_table;

/* What the configuration says; texts live as long as the source. */
struct source_config {
	const char *name;      /* "obd0" */
	const char *kind;      /* "obd" */
	const char *device;    /* an address for hal/stream.h */
	const char *device_id; /* whose data it is */
	/* obd: what the vehicle understands; lives as long as the source. */
	const struct profile *profile;
	/* obd: signals or commands of the profile that are wanted, with periods; "": all, as it says */
	const char *signals;
	unsigned baud;     /* of a serial line; 0: found by trying */
	int64_t period_us; /* between two reads of the fastest values, slower ones in
				  * proportion; 0: as the profile says */
	struct rhythm_config rhythm;
	int64_t timeout_us; /* of one answer */
	bool simulated;     /* provenance */
	bool speed; /* gps: speed and heading are given too, for vehicles that tell none themselves */
	/* j1939, can: what the bus says; lives as long as the source. NULL for others. */
	const struct bus_table *table;
	const char *requests; /* j1939: what is asked for, "vin hours"; "": nothing, ever */
	int64_t request_us;   /* between two requests of one thing */
};

/* The gateway's report of a source, contract section 3. */
enum source_state { SOURCE_OK, SOURCE_SILENT, SOURCE_ERROR };

/* Something of the profile that is not asked for, and why. */
struct source_refusal {
	const char *what; /* the command's id in the profile */
	char reason[96];  /* a sentence's end for a person */
};

/* What only GPS receivers tell. */
struct source_gps_report {
	bool known; /* it is one */
	bool fix;
	unsigned satellites;  /* used; 0 where not told */
	double accuracy_m;    /* 0 where not told */
	int64_t fixes;        /* since start */
	int64_t bad_checksum; /* sentences that came damaged */
	int64_t malformed;
	int64_t repeated;      /* fixes of a moment that was told before: passed over */
	int64_t refused_times; /* that jumped, or were older than the program */
};

/* What only sources that listen to a bus tell. */
struct source_bus_report {
	const char *map; /* its title; NULL: no such source */
	const char
		*condition;  /* of the controller: "active", "warning", "passive", "off", "down" */
	double frames_per_s; /* that are wanted, in the last second */
	int64_t frames;      /* since start */
	int64_t dropped;     /* that the kernel could not keep */
	int64_t bus_errors, bus_offs;
	int64_t messages; /* that came in several frames */
	int64_t broken;   /* of these, out of sequence or cut off */
	int64_t values, implausible, outranked;
	const char *asking;  /* "", "claiming an address", "asking", why not */
	int address;         /* of our own; -1: none */
	unsigned unanswered; /* requests without an answer, since start */
	char component[64];  /* as the engine names itself */
	char software[64];
};

struct source_report {
	enum source_state state;
	const char *reason;        /* a code, "" where there is nothing to say; static */
	char detail[160];          /* a sentence for a person */
	int64_t since_us;          /* monotonic; when the state began */
	int64_t last_ok_us;        /* when the vehicle last answered; MODEL_NO_TIME before */
	char vin[MODEL_VIN_SIZE];  /* "" where not known */
	char adapter[64];          /* what the adapter calls itself */
	char protocol[32];         /* the bus, "CAN 11/500 (6, found by search)" */
	unsigned ecus;             /* that answered the discovery */
	unsigned values;           /* parameters that are polled */
	int64_t requests, answers; /* since start */
	int64_t rejected;          /* lines, messages and values that broke a rule */
	int64_t noise;             /* bytes that belonged to nothing */
	int64_t resyncs, inits;

	/* obd: */
	const char *profile; /* its name; "" without */
	char chip[64];       /* what an STN calls itself; "" */
	unsigned baud;       /* at which the adapter answers; 0: not known, or no line */
	char missing[160];   /* what the adapter cannot do, "flow_header extended" */
	const char
		*vin_judgement; /* "right", "unchecked", "wrong_sum", "bad"; "": none was given */
	char vin_given[18];     /* what was given as VIN and is not believed; "" */
	char calibration[64];   /* ids of its software, as the vehicle gives them; "" */
	const char *activity;   /* "driving", "asleep" */
	struct rhythm_stats rhythm; /* requests, bus load, looks at a vehicle that sleeps */
	int wake_budget;            /* looks a day that are allowed */
	struct obd_reading_counts readings;

	struct source_bus_report bus; /* j1939, can */
	/* The source's own, until its next event. */
	const struct source_refusal *refusals;
	size_t refusal_count;

	struct source_gps_report gps;
};

/* What a source is given. The functions are called on the loop's thread. */
struct source_env {
	struct loop *loop;
	struct stream_opener *opener; /* how hardware is reached */
	struct canbus_opener *can;    /* how CAN interfaces are; NULL: not at all */
	/* Something was observed; `update` is the source's own and valid during the call. */
	void (*update)(void *arg, const struct model_update *update);
	/* The report's state or reason is another one now. */
	void (*changed)(void *arg, struct source *source);
	/* A receiver vouches that it was `wall_ms` (UTC) at `mono_us`, late by what its line takes: by a
	 * second at most. It has agreed with itself for a while. NULL where nobody wants to know. */
	void (*time)(void *arg, int64_t wall_ms, int64_t mono_us);
	int64_t floor_ms; /* UTC: no time that a receiver tells is older than the program; or 0 */
	void *arg;
};

struct source_ops {
	const char *kind;
	/* Is the configuration what this kind can work with? Returns 0, or -EINVAL with *ret_key the
	 * key at fault and `expected` what was expected of it. */
	int (*check)(const struct source_config *config, const char **ret_key, char *expected,
		     size_t size);
	/* Makes a stopped source; `config` (checked) and `env` must outlive it. Returns 0 or -errno. */
	int (*create)(const struct source_config *config, const struct source_env *env,
		      struct source **ret_source);
	/* Begins to work; trouble with the device is not an error, it is reported and tried again.
	 * Returns 0 or -errno. */
	int (*start)(struct source *source);
	/* Lets go of the device; may be started again. */
	void (*stop)(struct source *source);
	void (*report)(const struct source *source, struct source_report *ret_report);
	/* Stops and frees. */
	void (*destroy)(struct source *source);
};

/* Every implementation begins with this. */
struct source {
	const struct source_ops *ops;
	const struct source_config *config;
	const struct source_env *env;
};

/* The kinds that this build has; NULL where there is none of that name or index. */
const struct source_ops *source_kind(const char *kind);
const struct source_ops *source_kind_at(size_t index);

const char *source_state_name(enum source_state state); /* "ok", "silent", "error" */

#endif
