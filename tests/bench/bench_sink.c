/* The far end of a link in the benchmarks: subscribes at a broker, notes when records come and which,
 * and acknowledges batches as a core would that has nothing to commit.
 *
 *   bench_sink --port P --topic FILTER --base US --step US --expect N --quiet S --limit S
 *              [--user U --password P] [--ack]
 *
 * Ends half a second after N records were there, when nothing came for `quiet` seconds after the first,
 * `limit` seconds after its start, or on SIGTERM; then prints one object of JSON. Says "subscribed" and
 * "first" when it is so. Payloads are kept, and read once the clock has stopped.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/socket.h>

#include "model/wire/batch.h"
#include "model/wire/control.h"
#include "model/wire/json.h"
#include "tests/bench/bench_mqtt.h"
#include "tests/bench/bench_record.h"

#define READ_BYTES ((size_t)1 << 20)
#define KEPT_MAX ((size_t)4 << 30)
#define LAST_S 0.5 /* what is sent twice may still come */

struct options {
	struct bench_login login;
	const char *topic;
	int64_t base_us, step_us, expect;
	double quiet_s, limit_s;
	bool ack;
};

/* A payload as it was kept. */
struct kept {
	size_t at, len;
};

struct sink {
	const struct options *options;
	int fd;
	struct buf in, out;
	struct buf kept;
	struct kept *payloads;
	size_t count, room;
	int64_t records; /* that came, doubles too */
	double start_s, first_s, last_s;
	/* Judged at the end. */
	unsigned char *seen; /* a bit a record */
	int64_t different, twice, unordered, newest, unknown, unreadable;
};

static volatile sig_atomic_t want_end;

static void on_signal(int signo)
{
	(void)signo;
	want_end = 1;
}

static _Noreturn void die(const char *what, int error)
{
	(void)fprintf(stderr, "bench_sink: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static bool is_batch(const struct bench_message *message)
{
	return message->len > 6 && memcmp(message->payload, "{\"v\":1", 6) == 0;
}

/* ---- while the clock runs ---- */

static void keep(struct sink *sink, const struct bench_message *message)
{
	if (sink->count == sink->room) {
		struct kept *more;

		sink->room = sink->room ? 2 * sink->room : 65536;
		more = realloc(sink->payloads, sink->room * sizeof(*more));
		if (!more)
			die("payloads", ENOMEM);
		sink->payloads = more;
	}
	sink->payloads[sink->count++] = (struct kept){sink->kept.len, message->len};
	buf_append(&sink->kept, message->payload, message->len);
	if (sink->kept.error)
		die("payloads", sink->kept.error);
}

/* The header is one line of JSON; the body is looked at later. */
static bool read_header(const struct bench_message *message, struct wire_ack *ack,
			int64_t *ret_count)
{
	const char *end = memchr(message->payload, '\n', message->len);
	struct jr_error error;
	const struct jr_value *root;
	struct jr_doc *doc;
	int64_t number;
	bool good;

	if (!end || jr_parse(message->payload, (size_t)(end - message->payload), &doc, &error))
		return false;
	memset(ack, 0, sizeof(*ack));
	root = jr_root(doc);
	good = jr_string_copy(jr_get(root, "session"), ack->session, sizeof(ack->session)) &&
	       jr_string_copy(jr_get(root, "epoch"), ack->epoch, sizeof(ack->epoch)) &&
	       jr_integer(jr_get(root, "batch"), &number) &&
	       jr_integer(jr_get(root, "count"), ret_count);
	if (good) {
		ack->committed[0] = (struct wire_range){number, number};
		ack->committed_count = 1;
	}
	jr_free(doc);
	return good;
}

/* ".../data" is answered at ".../ack". */
static void acknowledge(struct sink *sink, const struct bench_message *message,
			struct wire_ack *ack)
{
	char topic[256];
	struct timespec now;
	struct buf payload;
	struct jw w;
	const size_t stem = message->topic_len > 5 ? message->topic_len - 4 : 0;

	if (!stem || stem + sizeof("ack") > sizeof(topic))
		return;
	memcpy(topic, message->topic, stem);
	memcpy(topic + stem, "ack", sizeof("ack"));
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ack->at_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	buf_init(&payload, 4096);
	jw_init(&w, &payload);
	wire_ack_encode(&w, ack);
	if (payload.error)
		die("ack", payload.error);
	bench_mqtt_publish(&sink->out, topic, payload.data, payload.len, 0, 0);
	buf_free(&payload);
}

static void take(struct sink *sink, const struct bench_message *message)
{
	struct wire_ack ack;
	int64_t count = 1;

	if (message->qos)
		bench_mqtt_puback(&sink->out, message->id);
	if (is_batch(message) && !read_header(message, &ack, &count)) {
		sink->unreadable++;
		return;
	}
	keep(sink, message);
	if (sink->options->ack && is_batch(message))
		acknowledge(sink, message, &ack);
	sink->last_s = bench_now_s();
	if (!sink->records) {
		sink->first_s = sink->last_s;
		(void)printf("first\n");
	}
	sink->records += count;
}

/* Takes all whole packets; what is left moves to the front. */
static void take_all(struct sink *sink)
{
	struct bench_message message;
	size_t at = 0;
	int64_t n;

	while ((n = bench_mqtt_next(sink->in.data + at, sink->in.len - at, &message)) > 0) {
		at += (size_t)n;
		if (message.type == BENCH_PUBLISH)
			take(sink, &message);
		else if (message.type == BENCH_SUBACK)
			(void)printf("subscribed\n");
	}
	if (n < 0)
		die("packet", (int)n);
	(void)fflush(stdout);
	memmove(sink->in.data, sink->in.data + at, sink->in.len - at);
	sink->in.len -= at;
	if (sink->out.error)
		die("answer", sink->out.error);
	if (sink->out.len && bench_write_all(sink->fd, sink->out.data, sink->out.len))
		want_end = 1;
	buf_reset(&sink->out);
}

static bool is_over(const struct sink *sink)
{
	const double now = bench_now_s();

	if (want_end || now - sink->start_s > sink->options->limit_s)
		return true;
	if (!sink->records)
		return false;
	return now - sink->last_s >
	       (sink->records >= sink->options->expect ? LAST_S : sink->options->quiet_s);
}

static void run(struct sink *sink)
{
	while (!is_over(sink)) {
		struct pollfd wait = {.fd = sink->fd, .events = POLLIN};
		char *room;
		ssize_t n;

		if (poll(&wait, 1, 50) <= 0)
			continue;
		room = buf_reserve(&sink->in, READ_BYTES);
		if (!room)
			die("memory", ENOMEM);
		n = recv(sink->fd, room, READ_BYTES, 0);
		if (n <= 0)
			return;
		buf_commit(&sink->in, (size_t)n);
		take_all(sink);
	}
}

/* ---- afterwards ---- */

static void judge(void *arg, int64_t number)
{
	struct sink *sink = arg;
	unsigned char *byte;
	unsigned char bit;

	if (number < 0 || number >= sink->options->expect) {
		sink->unknown++;
		return;
	}
	byte = &sink->seen[number / 8];
	bit = (unsigned char)(1u << number % 8);
	if (*byte & bit) {
		sink->twice++;
		return;
	}
	*byte |= bit;
	sink->different++;
	if (number < sink->newest)
		sink->unordered++;
	else
		sink->newest = number;
}

static void judge_batch(struct sink *sink, struct wire_unpacker *unpacker, const char *data,
			size_t len)
{
	struct wire_header header;
	struct wire_batch *batch;
	struct model_text text;
	char detail[160];

	if (wire_batch_decode(unpacker, data, len, &header, &batch, detail, sizeof(detail))) {
		sink->unreadable++;
		return;
	}
	text = wire_batch_text(batch);
	(void)bench_records_find(sink->options->base_us, sink->options->step_us, text.data,
				 text.len, judge, sink);
	wire_batch_free(batch);
}

static void judge_all(struct sink *sink)
{
	struct wire_unpacker *unpacker = wire_unpacker_create();

	sink->seen = calloc((size_t)sink->options->expect / 8 + 1, 1);
	if (!sink->seen || !unpacker)
		die("memory", ENOMEM);
	for (size_t i = 0; i < sink->count; i++) {
		const char *data = sink->kept.data + sink->payloads[i].at;
		const size_t len = sink->payloads[i].len;

		if (len > 6 && memcmp(data, "{\"v\":1", 6) == 0)
			judge_batch(sink, unpacker, data, len);
		else
			(void)bench_records_find(sink->options->base_us, sink->options->step_us,
						 data, len, judge, sink);
	}
	wire_unpacker_free(unpacker);
}

static void print(const struct sink *sink)
{
	(void)printf("{\"records\":%" PRId64 ",\"different\":%" PRId64 ",\"twice\":%" PRId64
		     ",\"unordered\":%" PRId64 ",\"unknown\":%" PRId64 ",\"unreadable\":%" PRId64
		     ",\"messages\":%zu,\"payload_bytes\":%zu,\"first_s\":%.6f,\"last_s\":%.6f}\n",
		     sink->records, sink->different, sink->twice, sink->unordered, sink->unknown,
		     sink->unreadable, sink->count, sink->kept.len, sink->first_s, sink->last_s);
}

static void read_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"port", required_argument, NULL, 'p'},
		{"topic", required_argument, NULL, 't'},
		{"base", required_argument, NULL, 'b'},
		{"step", required_argument, NULL, 's'},
		{"expect", required_argument, NULL, 'n'},
		{"quiet", required_argument, NULL, 'q'},
		{"limit", required_argument, NULL, 'l'},
		{"user", required_argument, NULL, 'u'},
		{"password", required_argument, NULL, 'P'},
		{"ack", no_argument, NULL, 'a'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*options = (struct options){.step_us = 1, .quiet_s = 3, .limit_s = 60};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			options->login.port = (int)strtol(optarg, NULL, 10);
			break;
		case 't':
			options->topic = optarg;
			break;
		case 'b':
			options->base_us = strtoll(optarg, NULL, 10);
			break;
		case 's':
			options->step_us = strtoll(optarg, NULL, 10);
			break;
		case 'n':
			options->expect = strtoll(optarg, NULL, 10);
			break;
		case 'q':
			options->quiet_s = strtod(optarg, NULL);
			break;
		case 'l':
			options->limit_s = strtod(optarg, NULL);
			break;
		case 'u':
			options->login.user = optarg;
			break;
		case 'P':
			options->login.password = optarg;
			break;
		case 'a':
			options->ack = true;
			break;
		default:
			exit(2);
		}
	}
	options->login.client_id = options->login.user ? options->login.user : "sink";
	if (!options->login.port || !options->topic || options->expect < 1 || options->step_us < 1)
		exit(2);
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	static struct options options;
	static struct sink sink;

	read_options(argc, argv, &options);
	(void)sigaction(SIGTERM, &action, NULL);
	sink.options = &options;
	buf_init(&sink.in, KEPT_MAX);
	buf_init(&sink.out, KEPT_MAX);
	buf_init(&sink.kept, KEPT_MAX);
	sink.fd = bench_mqtt_connect(&options.login);
	if (sink.fd < 0)
		die("connect", sink.fd);
	bench_mqtt_subscribe(&sink.out, options.topic, 1);
	if (bench_write_all(sink.fd, sink.out.data, sink.out.len))
		die("subscribe", EPIPE);
	buf_reset(&sink.out);
	sink.start_s = bench_now_s();
	run(&sink);
	(void)close(sink.fd);
	judge_all(&sink);
	print(&sink);
	buf_free(&sink.in);
	buf_free(&sink.out);
	buf_free(&sink.kept);
	free(sink.payloads);
	free(sink.seen);
	return 0;
}
