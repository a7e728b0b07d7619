/* What an answer of a vehicle costs: an adapter's text becomes messages, messages values, values fields
 * of an update, by the profiles that are shipped. The peer decodes the same text as one would write it
 * down in an hour: strtoul() for every byte, the same formulas, no rule kept.
 *
 * bench_decode [--json] [--profiles FOLDER]: CPU time of one thread, the best of ROUNDS. Allocations
 * are counted by standing in front of the C library's; after start-up there must be none.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/protocol/elm327_adapter.h"
#include "agent/protocol/obd2.h"
#include "agent/source/obd_target.h"
#include "provider/obd/reading.h"

#define ROUNDS 7
#define ROUND_NS 60e6
#define BATCH 64 /* calls between two looks at the clock */
#define TEXT_SIZE 512
#define ANSWERS_MAX 8

/* ---- allocations ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nmemb, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);

static unsigned long allocations;

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
	(void)fprintf(stderr, "bench_decode: %s\n", what);
	exit(1);
}

static double cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
		die(strerror(errno));
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- what is read ---- */

struct input {
	const char *name;
	const char *profile_name;
	uint32_t ecu;
	uint8_t payload[64];
	size_t len;

	char text[TEXT_SIZE]; /* as the adapter says it */
	struct profile *profile;
	const struct profile_command *command;
	size_t index;
	struct elm327_config config;
	char request[OBD2_TEXT_SIZE];
	struct obd_reading *reading;
};

static struct input inputs[] = {
	/* A battery's control unit on E-GMP: nine frames. */
	{.name = "egmp",
	 .profile_name = "hyundai-kia-egmp",
	 .ecu = 0x7ec,
	 .payload = {0x62, 0x01, 0x01, 0xef, 0xfb, 0xe7, 0xef, 0x9a, 0x20, 0x08, 0x20, 0x08, 0x00,
		     0x00, 0x64, 0x1b, 0x58, 0x14, 0x12, 0x13, 0x13, 0x12, 0x12, 0x13, 0x00, 0x14,
		     0xc2, 0x1e, 0xc1, 0x07, 0x00, 0x00, 0x91, 0x00, 0x01, 0x5f, 0x90, 0x00, 0x01,
		     0x5c, 0x7d, 0x00, 0x00, 0x9c, 0x40, 0x00, 0x00, 0x9a, 0x10, 0x00, 0x69, 0x78,
		     0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, 0xb8, 0x00},
	 .len = 62},
	/* Engine speed: one frame. */
	{.name = "mode01",
	 .profile_name = "generic",
	 .ecu = 0x7e8,
	 .payload = {0x41, 0x0c, 0x1a, 0xf8},
	 .len = 4},
};

#define INPUTS (sizeof(inputs) / sizeof(inputs[0]))

/* Large, and one thread runs here. */
static struct elm327_reply reply;
static struct model_update update;
static struct model_update_room room;
static double sink;

static size_t put_hex(char *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(out + 2 * i, 3, "%02X", data[i]);
	return 2 * len;
}

/* ISO-TP frames of eight bytes with headers, as after ATH1 ATS0; the last is padded. */
static void make_text(struct input *in)
{
	size_t at = 0, taken = 0;
	unsigned sequence = 0;

	while (taken < in->len) {
		uint8_t frame[8] = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa};
		const size_t pci = in->len > 7 && taken == 0 ? 2 : 1;
		const size_t left = in->len - taken;
		const size_t n = left < 8 - pci ? left : 8 - pci;

		frame[0] = (uint8_t)(in->len <= 7 ? in->len : 0x20 | (sequence & 0x0f));
		if (pci == 2) {
			frame[0] = (uint8_t)(0x10 | in->len >> 8);
			frame[1] = (uint8_t)in->len;
		}
		sequence++;
		memcpy(frame + pci, in->payload + taken, n);
		taken += n;
		at += (size_t)snprintf(in->text + at, sizeof(in->text) - at, "%03X",
				       (unsigned)in->ecu);
		at += put_hex(in->text + at, frame, sizeof(frame));
		in->text[at++] = '\r';
	}
	memcpy(in->text + at, "\r>", 3);
}

static void find_command(struct input *in)
{
	for (size_t i = 0; i < profile_command_count(in->profile); i++) {
		const struct profile_command *command = profile_command(in->profile, i);

		if (command->kind == PROFILE_KIND_SIGNALS && command->echo_len <= in->len &&
		    command->request[0] + 0x40 == in->payload[0] &&
		    memcmp(command->request + 1, in->payload + 1, command->echo_len - 1U) == 0) {
			in->command = command;
			in->index = i;
			return;
		}
	}
	die("the profile does not ask for that answer");
}

static void open_input(struct input *in, const char *folder)
{
	struct diag_target target;
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s.conf", folder, in->profile_name);
	if (profile_load(path, obd2_request_allowed, stderr, &in->profile))
		die("no profile");
	find_command(in);
	target = obd_target(&in->command->ecu);
	in->config = elm327_target_config(&target, 6);
	if (obd2_request_text(in->command->request, in->command->request_len, in->request))
		die("the gate refuses the request");
	if (obd_reading_create(in->profile, &in->reading))
		die("no memory");
	make_text(in);
}

/* ---- what is measured ---- */

static size_t take_reply(const struct input *in, struct obd_answer answers[ANSWERS_MAX])
{
	size_t count = 0;
	uint32_t id = 0;
	size_t len = 0;
	const uint8_t *data;

	elm327_begin(&reply, in->request, &in->config);
	for (const char *c = in->text; !elm327_feed(&reply, (uint8_t)*c); c++)
		continue;
	while (count < ANSWERS_MAX && (data = elm327_message(&reply, count, &id, &len)) != NULL)
		answers[count++] = (struct obd_answer){.ecu = id, .data = data, .len = len};
	return count;
}

/* Text to values: as the agent decodes, and without what it makes of them. Returns how many. */
static int decode(struct input *in)
{
	struct obd_answer answers[ANSWERS_MAX];
	const size_t count = take_reply(in, answers);
	struct profile_value value;
	int values = 0;

	for (size_t a = 0; a < count; a++) {
		for (size_t i = 0; i < in->command->signal_count; i++) {
			if (profile_decode(
				    in->profile,
				    profile_signal(in->profile, in->command->signal_first + i),
				    answers[a].data, answers[a].len, &value) != PROFILE_VALUE)
				continue;
			sink += value.number;
			values++;
		}
	}
	return values;
}

/* Text to an update: the whole way. Returns how many fields it set. */
static int read_update(struct input *in)
{
	static int64_t now_us;
	struct obd_answer answers[ANSWERS_MAX];
	const size_t count = take_reply(in, answers);

	now_us += 1000000;
	model_update_init(&update, &room);
	return obd_reading_take(in->reading, in->index, answers, count, now_us, &update);
}

/* The peer. */
static int decode_plain(struct input *in)
{
	uint8_t message[64];
	size_t have = 0, at = 0;

	while (in->text[at] != '\r') {
		char byte[4] = "";
		const bool first = have == 0;
		size_t skip = first && in->len > 7 ? 2 : 1;

		memcpy(byte, in->text + at, 3);
		if (strtoul(byte, NULL, 16) != in->ecu)
			break;
		byte[2] = '\0';
		at += 3;
		for (; in->text[at] != '\r'; at += 2) {
			memcpy(byte, in->text + at, 2);
			if (skip > 0)
				skip--;
			else if (have < in->len)
				message[have++] = (uint8_t)strtoul(byte, NULL, 16);
		}
		at++;
	}
	for (size_t i = 0; i < in->command->signal_count; i++) {
		const struct profile_signal *signal =
			profile_signal(in->profile, in->command->signal_first + i);
		uint64_t raw = 0;

		for (size_t bit = 0; bit < signal->format.bits; bit++) {
			const size_t place = signal->format.start + bit;
			const size_t byte = in->command->echo_len + place / 8;

			raw = raw << 1 |
			      (uint64_t)(byte < have && message[byte] >> (7 - place % 8) & 1);
		}
		sink += (double)raw * signal->format.mul / signal->format.div + signal->format.add;
	}
	return (int)in->command->signal_count;
}

struct result {
	double ns; /* a call */
	unsigned n;
	unsigned long allocations; /* of all calls */
};

static struct result measure(int (*fn)(struct input *), struct input *in)
{
	struct result result = {0};
	const unsigned long before = allocations;

	for (int round = 0; round < ROUNDS; round++) {
		const double start = cpu_ns();
		double ns = 0;
		unsigned n = 0;

		while (ns < ROUND_NS) {
			for (unsigned i = 0; i < BATCH; i++)
				(void)fn(in);
			n += BATCH;
			ns = cpu_ns() - start;
		}
		if (round == 0 || ns / n < result.ns)
			result.ns = ns / n;
		result.n += n;
	}
	result.allocations = allocations - before;
	return result;
}

/* ---- what is printed ---- */

static void print_json(const char *name, const char *what, double value, const char *unit,
		       double peer, unsigned n)
{
	(void)printf("{\"name\":\"decode.%s.%s\",\"peer\":", name, what);
	if (peer > 0)
		(void)printf("\"strtoul\",\"value\":%.1f,\"peer_value\":%.1f,", value, peer);
	else
		(void)printf("null,\"value\":%.1f,", value);
	(void)printf("\"unit\":\"%s\",\"n\":%u,\"target\":null,\"met\":null}\n", unit, n);
}

static void report(struct input *in, bool as_json, unsigned long *total, unsigned *calls)
{
	const int values = decode(in), fields = read_update(in);
	const struct result ours = measure(decode, in), whole = measure(read_update, in);
	const struct result plain = measure(decode_plain, in);

	if (values <= 0 || fields <= 0)
		die("an answer gave no values");
	*total += ours.allocations + whole.allocations;
	*calls += ours.n + whole.n;
	if (as_json) {
		print_json(in->name, "answer", ours.ns, "ns/answer", plain.ns, ours.n);
		print_json(in->name, "signal", ours.ns / values, "ns/signal", plain.ns / values,
			   ours.n);
		print_json(in->name, "update", whole.ns, "ns/answer", 0, whole.n);
		return;
	}
	(void)printf("%-8s %3zu bytes, %2d values, %2d fields: %7.0f ns an answer, %5.0f ns a "
		     "signal; strtoul %7.0f ns, %.1f times; to an update %7.0f ns\n",
		     in->name, in->len, values, fields, ours.ns, ours.ns / values, plain.ns,
		     plain.ns / ours.ns, whole.ns);
}

int main(int argc, char **argv)
{
	const char *folder = profile_dir();
	unsigned long total = 0;
	unsigned calls = 0;
	bool as_json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			as_json = true;
		else if (strcmp(argv[i], "--profiles") == 0 && i + 1 < argc)
			folder = argv[++i];
		else
			die("usage: bench_decode [--json] [--profiles FOLDER]");
	}
	for (size_t i = 0; i < INPUTS; i++)
		open_input(&inputs[i], folder);
	/* What stdio allocates for itself is start-up too. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < INPUTS; i++)
		report(&inputs[i], as_json, &total, &calls);
	if (as_json)
		(void)printf("{\"name\":\"decode.allocations\",\"peer\":null,\"value\":%.6f,"
			     "\"unit\":\"allocations/answer\",\"n\":%u,\"target\":0,\"met\":%s}\n",
			     (double)total / calls, calls, total == 0 ? "true" : "false");
	else
		(void)printf("allocations after start-up: %lu in %u answers, target 0: %s\n", total,
			     calls, total == 0 ? "met" : "not met");
	for (size_t i = 0; i < INPUTS; i++) {
		obd_reading_destroy(inputs[i].reading);
		profile_free(inputs[i].profile);
	}
	/* The sums are asked for, so that nothing that makes them is left out. */
	return total == 0 && sink > -1e300 ? 0 : 1;
}
