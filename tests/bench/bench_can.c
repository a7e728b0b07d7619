/* What listening to a full bus costs: a mix of J1939 frames at the rate of a full bus of 500 kbit/s, all of
 * which are wanted, goes through the source as it runs in the agent, long messages by broadcast among
 * them; then as fast as it can.
 *
 * bench_can [--json] [--seconds N] [--interface NAME]
 *
 * Without an interface the bus is the one in memory that the tests use (hal/fake): the cost is the
 * source's alone, without the kernel's. With one (vcan0), a second thread writes to the interface and
 * the source reads it through SocketCAN, in real time.
 *
 * CPU time is that of the source's thread while it works. Allocations are counted by standing in front of
 * the C library's; after start-up there must be none.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/source/bus.h"
#include "base/clock.h"
#include "base/loop.h"
#include "hal/fake/can_fake.h"

/* 29-bit frames of 8 bytes take about 131 bits with stuffing and the gap. */
#define FULL_RATE 3800
#define WARM_FRAMES (5 * FULL_RATE)
#define FAST_FRAMES 2000000
#define FAST_BATCH 32 /* frames between two looks of the source */
#define DEFAULT_SECONDS 5
#define NS 1e9

/* ---- allocations ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nmemb, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);

/* Of this thread: what the writer needs is not the source's. */
static _Thread_local unsigned long allocations;

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t nmemb, size_t size)
{
	allocations++;
	return __libc_calloc(nmemb, size);
}

void *realloc(void *ptr, size_t size)
{
	allocations++;
	return __libc_realloc(ptr, size);
}

static void die(const char *what)
{
	(void)fprintf(stderr, "bench_can: %s\n", what);
	exit(1);
}

static double clock_ns(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t))
		die(strerror(errno));
	return (double)t.tv_sec * NS + (double)t.tv_nsec;
}

/* ---- the traffic ---- */

struct slot {
	uint32_t id;
	uint8_t data[8];
	unsigned weight; /* of all in a round */
	int counting;    /* the byte that counts up; -1: none */
};

/* Roughly in the proportions of a truck's power train bus; others of its frames, which nobody wants, are
 * left out: filters keep them away. */
static const struct slot mix[] = {
	{0x0cf00400, {0xff, 0xff, 0x7d, 0xe0, 0x15, 0xff, 0xff, 0xff}, 50, 3}, /* EEC1 */
	{0x0cf00300, {0xff, 0x10, 0x20, 0xff, 0xff, 0xff, 0xff, 0xff}, 20, 2}, /* EEC2 */
	{0x0cfe6cee, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x32}, 20, 6}, /* TCO1 */
	{0x18fef100, {0xf3, 0x00, 0x32, 0xcf, 0xff, 0xff, 0xff, 0xff}, 10, 1}, /* CCVS1 */
	{0x18fef127, {0xf3, 0x00, 0x32, 0xcf, 0xff, 0xff, 0xff, 0xff}, 10, 1},
	{0x18fef200, {0x40, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 10, 0}, /* LFE */
	{0x18fec1ee, {0xe8, 0xf4, 0xe4, 0x01, 0xff, 0xff, 0xff, 0xff}, 2, -1}, /* VDHR */
	{0x18fec117, {0x00, 0xf4, 0xe4, 0x01, 0xff, 0xff, 0xff, 0xff}, 2, 0},
	{0x18feee00, {0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1, -1}, /* ET1 */
	{0x18fef521, {0xff, 0x00, 0x00, 0xa0, 0x23, 0xff, 0xff, 0xff}, 1, -1}, /* AMB */
	{0x18fef700, {0xff, 0xff, 0xff, 0xff, 0x30, 0x02, 0x30, 0x02}, 1, -1}, /* VEP1 */
	{0x18fefc17, {0xff, 0x96, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1, -1}, /* DD1 */
	{0x18fee500, {0x80, 0x84, 0x1e, 0x00, 0xff, 0xff, 0xff, 0xff}, 1, -1}, /* HOURS */
	{0x18feca0b, {0x00, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff}, 1, -1}, /* DM1 */
	/* DM1 of two units at once, and a VIN, by broadcast. */
	{0x1cecff00, {0x20, 0x0e, 0x00, 0x02, 0xff, 0xca, 0xfe, 0x00}, 1, -1},
	{0x1cecff21, {0x20, 0x0a, 0x00, 0x02, 0xff, 0xca, 0xfe, 0x00}, 1, -1},
	{0x1cebff00, {0x01, 0x40, 0xff, 0x6e, 0x00, 0x03, 0x02, 0xe1}, 1, -1},
	{0x1cebff21, {0x01, 0x00, 0xff, 0x64, 0x00, 0x04, 0x01, 0x70}, 1, -1},
	{0x1cebff00, {0x02, 0x06, 0x03, 0x02, 0x6f, 0x00, 0x01, 0x01}, 1, -1},
	{0x1cebff21, {0x02, 0x00, 0x01, 0x01, 0xff, 0xff, 0xff, 0xff}, 1, -1},
	{0x1cecff00, {0x20, 0x12, 0x00, 0x03, 0xff, 0xec, 0xfe, 0x00}, 1, -1},
	{0x1cebff00, {0x01, '1', 'M', '8', 'G', 'D', 'M', '9'}, 1, -1},
	{0x1cebff00, {0x02, 'A', 'X', 'K', 'P', '0', '4', '2'}, 1, -1},
	{0x1cebff00, {0x03, '7', '8', '8', '*', 0xff, 0xff, 0xff}, 1, -1},
};
#define SLOTS (sizeof(mix) / sizeof(mix[0]))
#define LONG_MESSAGES 3 /* in a round */

static unsigned round_frames(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < SLOTS; i++)
		count += mix[i].weight;
	return count;
}

struct traffic {
	size_t slot;
	unsigned done; /* of its weight */
	uint8_t counter;
};

static struct canbus_frame next_frame(struct traffic *traffic)
{
	const struct slot *slot = &mix[traffic->slot];
	struct canbus_frame frame = {.id = slot->id, .extended = true, .len = 8};

	memcpy(frame.data, slot->data, 8);
	if (slot->counting >= 0)
		frame.data[slot->counting] = traffic->counter++ & 0x7f;
	if (++traffic->done == slot->weight) {
		traffic->done = 0;
		traffic->slot = (traffic->slot + 1) % SLOTS;
	}
	return frame;
}

/* ---- the source ---- */

struct bench {
	struct clock_system clock;
	struct loop *loop;
	struct can_fake *fake;
	struct source *source;
	struct source_config config;
	struct source_env env;
	struct bus_table *table;
	struct traffic traffic;
	int64_t sent;
	unsigned long updates;
	double cpu_ns;           /* of the source */
	unsigned long allocated; /* since it was warm */
};

static void on_update(void *arg, const struct model_update *update)
{
	struct bench *bench = arg;

	(void)update;
	bench->updates++;
}

static void on_changed(void *arg, struct source *source)
{
	(void)arg;
	(void)source;
}

static void open_bench(struct bench *bench, const char *interface)
{
	static char device[32];
	char path[4096];

	if (bus_map_find(bus_map_dir(), "j1939", path, sizeof(path)) ||
	    bus_table_load(path, stderr, &bench->table))
		die("no map");
	if (clock_system_init(&bench->clock, CLOCK_TRUST_ALWAYS) ||
	    loop_create(&bench->clock.clock, &bench->loop))
		die("no loop");
	if (!interface && can_fake_create(&bench->clock.clock, &bench->fake))
		die("no bus");
	(void)snprintf(device, sizeof(device), "can:%s", interface ? interface : "can0");
	bench->config = (struct source_config){.name = "bus0",
					       .kind = "j1939",
					       .device = device,
					       .device_id = "truck",
					       .signals = "",
					       .requests = "",
					       .table = bench->table};
	bench->env = (struct source_env){.loop = bench->loop,
					 .can = interface ? canbus_opener_linux()
							  : can_fake_opener(bench->fake),
					 .update = on_update,
					 .changed = on_changed,
					 .arg = bench};
	if (source_j1939_ops.create(&bench->config, &bench->env, &bench->source) ||
	    source_j1939_ops.start(bench->source))
		die("no source");
}

static void close_bench(struct bench *bench)
{
	source_j1939_ops.destroy(bench->source);
	can_fake_destroy(bench->fake);
	loop_destroy(bench->loop);
	bus_table_free(bench->table);
}

static struct source_report report_of(const struct bench *bench)
{
	struct source_report report;

	source_j1939_ops.report(bench->source, &report);
	return report;
}

/* The source takes what is there. */
static void serve(struct bench *bench)
{
	const double start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	while (loop_run_once(bench->loop, 0) > 0)
		;
	bench->cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

static void feed(struct bench *bench, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct canbus_frame frame = next_frame(&bench->traffic);

		can_fake_send(bench->fake, &frame);
	}
	bench->sent += count;
}

/* ---- in memory ---- */

static void sleep_ns(double ns)
{
	const struct timespec t = {.tv_sec = 0, .tv_nsec = (long)ns};

	(void)nanosleep(&t, NULL);
}

/* In real time: what is due is fed each millisecond. */
static double run_paced(struct bench *bench, int seconds)
{
	const double start = clock_ns(CLOCK_MONOTONIC), end = start + seconds * NS;
	double now = start;
	unsigned long sent = 0;

	bench->cpu_ns = 0;
	while (now < end) {
		const unsigned long due = (unsigned long)((now - start) * FULL_RATE / NS);

		feed(bench, (unsigned)(due - sent));
		sent = due;
		serve(bench);
		sleep_ns(1e6);
		now = clock_ns(CLOCK_MONOTONIC);
	}
	return bench->cpu_ns / (now - start) * 100;
}

static double run_fast(struct bench *bench)
{
	bench->cpu_ns = 0;
	for (unsigned sent = 0; sent < FAST_FRAMES; sent += FAST_BATCH) {
		feed(bench, FAST_BATCH);
		serve(bench);
	}
	return FAST_FRAMES / (bench->cpu_ns / NS);
}

/* ---- through an interface ---- */

struct writer {
	const char *interface;
	int seconds;
	unsigned long sent;
	int error;
	atomic_bool over;
};

static int write_one(struct canbus *bus, struct traffic *traffic)
{
	const struct canbus_frame frame = next_frame(traffic);
	int r = canbus_write(bus, &frame);

	while (r == -EAGAIN) {
		sleep_ns(2e5);
		r = canbus_write(bus, &frame);
	}
	return r;
}

static void *write_all(void *arg)
{
	/* What is on the bus is no business of this end. */
	static const struct canbus_filter nothing;
	const struct canbus_options options = {.filters = &nothing};
	struct canbus_opener *opener = canbus_opener_linux();
	struct writer *writer = arg;
	struct traffic traffic = {0};
	struct canbus *bus = NULL;
	double start;
	int r = opener->open(opener, writer->interface, &options, &bus);

	start = clock_ns(CLOCK_MONOTONIC);
	while (!r && clock_ns(CLOCK_MONOTONIC) < start + writer->seconds * NS) {
		const double now = clock_ns(CLOCK_MONOTONIC);
		const unsigned long due = (unsigned long)((now - start) * FULL_RATE / NS);

		while (!r && writer->sent < due) {
			r = write_one(bus, &traffic);
			writer->sent += !r;
		}
		sleep_ns(1e6);
	}
	canbus_close(bus);
	writer->error = r;
	writer->over = true;
	return NULL;
}

static double run_interface(struct bench *bench, struct writer *writer)
{
	const double start = clock_ns(CLOCK_MONOTONIC);
	const double cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	unsigned long before;
	pthread_t thread;
	double end;

	if (pthread_create(&thread, NULL, write_all, writer))
		die("no thread");
	before = allocations;
	while (!writer->over)
		(void)loop_run_once(bench->loop, 20);
	end = clock_ns(CLOCK_MONOTONIC);
	bench->allocated = allocations - before;
	(void)pthread_join(thread, NULL);
	while (loop_run_once(bench->loop, 0) > 0)
		;
	if (writer->error)
		die(strerror(-writer->error));
	return (clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / (end - start) * 100;
}

/* ---- what is printed ---- */

static bool put(bool as_json, const char *name, double value, const char *unit, int64_t n,
		bool has_target, double target, bool met)
{
	if (!as_json) {
		(void)printf("%-24s %14.2f %-12s", name, value, unit);
		if (has_target)
			(void)printf(" target %.0f: %s", target, met ? "met" : "not met");
		(void)printf("\n");
		return met;
	}
	(void)printf(
		"{\"name\":\"can.%s\",\"peer\":null,\"value\":%.3f,\"unit\":\"%s\",\"n\":%lld,",
		name, value, unit, (long long)n);
	if (has_target)
		(void)printf("\"target\":%.0f,\"met\":%s}\n", target, met ? "true" : "false");
	else
		(void)printf("\"target\":null,\"met\":null}\n");
	return met;
}

static bool put_losses(bool as_json, const struct bench *bench, int64_t sent)
{
	const struct source_report report = report_of(bench);
	const int64_t dropped = report.bus.dropped + (sent - report.bus.frames);
	const int64_t rounds = sent / round_frames();
	bool met = put(as_json, "dropped", (double)dropped, "frames", sent, true, 0, dropped == 0);

	/* Long messages are all there, but those of the last round. */
	met &= put(as_json, "broken_messages", (double)report.bus.broken, "messages",
		   report.bus.messages, true, 0,
		   report.bus.broken == 0 && report.bus.messages >= LONG_MESSAGES * (rounds - 1));
	met &= put(as_json, "allocations", (double)bench->allocated, "allocations", sent, true, 0,
		   bench->allocated == 0);
	return met;
}

static bool bench_memory(bool as_json, int seconds)
{
	static struct bench bench;
	unsigned long before;
	double share, rate;
	int64_t warm, paced;
	bool met;

	open_bench(&bench, NULL);
	while (bench.sent < (int64_t)WARM_FRAMES) {
		feed(&bench, FAST_BATCH);
		serve(&bench);
	}
	warm = bench.sent;
	before = allocations;
	share = run_paced(&bench, seconds);
	paced = bench.sent - warm;
	rate = run_fast(&bench);
	bench.allocated = allocations - before;
	met = put(as_json, "paced_rate", (double)paced / seconds, "frames/s", paced, true,
		  FULL_RATE * 0.99, paced >= (int64_t)(FULL_RATE * 0.99 * seconds));
	met &= put(as_json, "paced_cpu", share, "%", paced, false, 0, true);
	met &= put(as_json, "fast_rate", rate, "frames/s", FAST_FRAMES, true, FULL_RATE,
		   rate >= FULL_RATE);
	(void)put(as_json, "frame", NS / rate, "ns", FAST_FRAMES, false, 0, true);
	met &= put_losses(as_json, &bench, bench.sent);
	met &= bench.updates > 0;
	close_bench(&bench);
	return met;
}

static bool bench_interface(bool as_json, const char *interface, int seconds)
{
	static struct bench bench;
	struct writer warm = {.interface = interface, .seconds = 1};
	struct writer writer = {.interface = interface, .seconds = seconds};
	double share, rate;
	bool met;

	open_bench(&bench, interface);
	(void)run_interface(&bench, &warm);
	share = run_interface(&bench, &writer);
	rate = (double)writer.sent / seconds;
	met = put(as_json, "interface_rate", rate, "frames/s", (int64_t)writer.sent, true,
		  FULL_RATE * 0.99, rate >= FULL_RATE * 0.99);
	met &= put(as_json, "interface_cpu", share, "%", (int64_t)writer.sent, false, 0, true);
	met &= put_losses(as_json, &bench, (int64_t)(warm.sent + writer.sent));
	close_bench(&bench);
	return met;
}

int main(int argc, char **argv)
{
	const char *interface = NULL;
	int seconds = DEFAULT_SECONDS;
	bool as_json = false;
	bool met;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			as_json = true;
		else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
			seconds = (int)strtol(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--interface") == 0 && i + 1 < argc)
			interface = argv[++i];
		else
			die("usage: bench_can [--json] [--seconds N] [--interface NAME]");
	}
	if (seconds < 1 || seconds > 3600)
		die("--seconds: 1 to 3600");
	/* What stdio allocates for itself is start-up too. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	met = interface ? bench_interface(as_json, interface, seconds)
			: bench_memory(as_json, seconds);
	return met ? 0 : 1;
}
