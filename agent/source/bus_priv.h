/* What the files of the bus sources share:
 *
 *	bus.c        the source as others see it
 *	bus_link.c   the interface: opened, lost, opened again; how the bus is doing
 *	bus_take.c   a frame becomes messages, and these become values
 *	bus_codes.c  trouble codes of several units become lists
 *	bus_unit.c   J1939: who the vehicle and its units are
 *	bus_ask.c    J1939: an address of our own, requests, answers
 *	bus_tell.c   what is told: the source's state, and updates of the vehicle
 *	bus_table.c  a map with its names resolved
 *
 * Everything happens on the loop. A frame costs no allocation.
 */
#ifndef AGENT_SOURCE_BUS_PRIV_H
#define AGENT_SOURCE_BUS_PRIV_H

#include "agent/protocol/j1939_claim.h"
#include "agent/protocol/j1939_tp.h"
#include "agent/source/bus.h"
#include "provider/bus/bus_reading.h"

#define BUS_SECOND INT64_C(1000000)
#define BUS_TICK_US BUS_SECOND
#define BUS_SILENCE_US (10 * BUS_SECOND) /* at least, before a bus counts as silent */
#define BUS_BATCH 32                     /* frames a read */

#define BUS_UNITS_MAX 24 /* that have trouble codes */
#define BUS_CODES_MAX 20 /* of one unit */

/* The trouble codes that one unit told last. */
struct bus_unit {
	uint8_t address;
	uint8_t lamp; /* malfunction indicator: enum of struct j1939_lamps */
	int64_t heard_us;
	struct j1939_dtc codes[BUS_CODES_MAX];
	size_t count;
};

/* What DM1, or DM2, said of all units. */
struct bus_codes {
	struct bus_unit units[BUS_UNITS_MAX];
	size_t count;
	bool changed;
	int64_t first_us; /* when the first of them was heard; MODEL_NO_TIME */
	int64_t told_us;  /* MODEL_NO_TIME: not yet */
};

struct bus_request {
	uint32_t pgn;
	int64_t due_us;
	bool waiting;        /* for its answer */
	unsigned unanswered; /* in a row */
};

struct bus {
	struct source source;
	const struct bus_table *table;
	struct bus_reading *reading;
	bool j1939; /* of that kind */
	bool running;

	/* The interface. */
	struct canbus *can;
	struct loop_fd watch;
	struct loop_timer tick, ask_timer;
	int64_t reopen_us;
	int64_t open_us;            /* since when it is listened to */
	int64_t silence_us;         /* as long a pause means that the bus is silent */
	struct canbus_state before; /* of openings that are over */
	struct canbus_frame frames[BUS_BATCH];

	/* What was heard. */
	int64_t heard_us; /* MODEL_NO_TIME: nothing since it was opened */
	int64_t awake_us; /* when it began to be heard after a silence; MODEL_NO_TIME */
	int64_t off_told_us;
	int64_t last_frames, last_tick_us; /* for the rate */
	uint8_t addresses[256 / 8];
	struct j1939_tp tp;
	struct bus_codes active, previous;
	uint8_t vin_source;            /* who told report.vin */
	char vin_last[MODEL_VIN_SIZE]; /* whose odometer the reading remembers */
	int64_t vin_told_us;

	/* J1939, asking. */
	struct j1939_claim claim;
	struct bus_request requests[BUS_REQUESTS_MAX];
	size_t request_count;
	struct bus_request *asked; /* whose answer is awaited */
	int64_t asked_us;

	/* The frame that is being taken. */
	uint8_t from;
	int64_t at_us;

	struct source_report report;
	struct model_update update;
	struct model_update_room room;
	char text[BUS_UNITS_MAX * BUS_CODES_MAX * J1939_DTC_TEXT];
};

static inline int64_t bus_now_us(const struct bus *bus)
{
	return loop_now_us(bus->source.env->loop);
}

/* ---- bus_link.c ---- */

/* Opens the interface now; where that fails, tries again later. */
void bus_open(struct bus *bus);
void bus_close(struct bus *bus);
/* Sends a frame. Returns 0 or -errno, which was reported. */
int bus_send(struct bus *bus, const struct j1939_id *id, const uint8_t data[static 8], size_t len);
/* Puts how the bus is doing into the report. */
void bus_note_state(struct bus *bus);

/* ---- bus_take.c ---- */

void bus_take_frame(struct bus *bus, const struct canbus_frame *frame);

/* ---- bus_codes.c ---- */

void bus_codes_init(struct bus_codes *codes);
/* DM1 or DM2 of a unit. False where it is none. */
bool bus_codes_take(struct bus_codes *codes, uint8_t address, const uint8_t *data, size_t len,
		    int64_t now_us, int64_t *rejected);
/* Forgets units that have not been heard for a while; one without codes need not speak. */
void bus_codes_expire(struct bus_codes *codes, int64_t now_us);
/* The bus was silent, and is heard again: nobody could speak. */
void bus_codes_wake(struct bus_codes *codes, int64_t now_us);
/* Each code once, each with its NUL, into `out`; returns the length, at most `size`. */
size_t bus_codes_list(const struct bus_codes *codes, char *out, size_t size, int64_t *rejected);
/* 1 on, 0 off, -1 nobody says. */
int bus_codes_lamp(const struct bus_codes *codes);
/* Is it time to tell them? */
bool bus_codes_due(const struct bus_codes *codes, int64_t now_us);

/* ---- bus_unit.c ---- */

/* A message that tells who the vehicle or a unit is, or what troubles it. */
void bus_unit_take(struct bus *bus, const struct j1939_id *id, const uint8_t *data, size_t len);
/* Trouble codes that are to be told go into bus->update. */
void bus_unit_tell(struct bus *bus, int64_t now_us);

/* ---- bus_ask.c ---- */

/* From the configuration. Returns 0 or -EINVAL. */
int bus_ask_make(struct bus *bus);
/* Forgets the address and what is awaited: the interface was lost. */
void bus_ask_reset(struct bus *bus);
/* What is due is done. */
void bus_ask_tick(struct bus *bus);
/* A message of somebody else. */
void bus_ask_take(struct bus *bus, const struct j1939_id *id, const uint8_t *data, size_t len);

/* ---- bus_tell.c ---- */

extern const char bus_starting[]; /* the reason before the first frame */

void bus_set_state(struct bus *bus, enum source_state state, const char *reason,
		   const char *detail);
/* bus->update, which is empty between events, is for what is observed at `mono_us`. */
void bus_begin_update(struct bus *bus, int64_t mono_us);
/* Adds what follows and hands it on, where there is anything. */
void bus_emit(struct bus *bus);
/* Once a second. */
void bus_tick(struct bus *bus);

#endif
