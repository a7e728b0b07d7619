/* A tester's ISO-TP channels against control units that are scripted to go wrong, and the cases that
 * every ISO-TP must pass: ours on a bus in memory with a clock of its own, ours and the kernel's on a
 * virtual interface in real time. */
#ifndef TESTS_UNIT_AGENT_ISOTP_BENCH_H
#define TESTS_UNIT_AGENT_ISOTP_BENCH_H

#include "agent/protocol/isotp_session.h"
#include "agent/source/can_isotp.h"

#define UNIT_FRAMES_MAX 1024

struct isotp_bench;

/* A control unit: what it sent and heard, and what it is to do wrong. */
struct unit {
	struct isotp_bench *bench;
	struct canbus *bus;
	struct loop_fd watch;
	struct loop_timer timer;
	struct isotp_session session;
	uint32_t tx, rx;
	bool extended;

	/* Frames of data are counted from 1; 0: none. */
	unsigned drop;  /* is not sent */
	unsigned spoil; /* has a wrong sequence number */
	unsigned cut;   /* after this one a message of one frame goes out, and nothing more */
	bool mute;      /* no flow control */
	uint8_t status; /* of the flow control: 0 go on, 1 wait, 2 overflow */

	unsigned sent;
	struct canbus_frame heard[UNIT_FRAMES_MAX];
	size_t heard_count;
	unsigned messages;
};

struct isotp_bench {
	/* The suite's. */
	struct canbus_opener *opener;
	const char *interface;
	enum can_isotp_way way;
	void (*set_link)(struct isotp_bench *bench, bool up);
	bool thorough; /* time costs nothing */

	/* The bench's. */
	struct clock *clock;
	struct loop *loop;
	struct can_isotp *isotp;
	struct unit unit, other;
};

/* How long something may take in a slow machine. */
#define BENCH_PATIENCE_US INT64_C(8000000)

void bench_begin(struct isotp_bench *bench, struct clock *clock);
void bench_end(struct isotp_bench *bench);

/* A channel to a unit: opens both. `addressed` gives the pair extended addresses (unit 07). */
struct isotp_channel *bench_open(struct isotp_bench *bench, struct unit *unit, uint32_t tx,
				 uint32_t rx, bool addressed);
void unit_open(struct isotp_bench *bench, struct unit *unit, uint32_t tx, uint32_t rx,
	       bool addressed);
void unit_send(struct unit *unit, const uint8_t *data, size_t len);

/* Once round the loop, and on with a clock that is fake. */
void bench_step(struct isotp_bench *bench);
/* What the channel says when its descriptor says that there is something. -EAGAIN: nothing came. */
ssize_t bench_receive(struct isotp_bench *bench, struct isotp_channel *channel, uint8_t *data,
		      int64_t patience_us);
/* Until the unit has heard so many messages. */
void bench_wait_messages(struct isotp_bench *bench, const struct unit *unit, unsigned messages);

/* Runs the cases; returns what cmocka does. */
int isotp_cases_run(const char *name, struct isotp_bench *bench, int (*setup)(void **state),
		    int (*teardown)(void **state));

#endif
