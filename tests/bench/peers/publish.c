/* Gives records to a broker that is to bridge them, QoS 1, and counts what it confirms: accepted.
 *
 *   publish PORT BASE STEP COUNT RATE LIMIT
 *
 * RATE is records a second, 0 as fast as it goes; after LIMIT seconds it ends with what it has. Prints
 * {"accepted":N,"seconds":S}.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "tests/bench/bench_mqtt.h"
#include "tests/bench/bench_record.h"

#define UNDER_WAY_MAX 2000 /* unconfirmed, below what ids allow */
#define GROUP 200          /* a write */

struct publisher {
	int fd;
	struct bench_records records;
	int64_t count, rate;
	double limit_s, start_s;
	int64_t sent, confirmed;
	struct buf in, out;
};

static _Noreturn void die(const char *what, int error)
{
	(void)fprintf(stderr, "publish: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* How many may go now. */
static int64_t allowed(const struct publisher *publisher)
{
	int64_t most = publisher->count - publisher->sent;
	const int64_t window = UNDER_WAY_MAX - (publisher->sent - publisher->confirmed);

	if (publisher->rate) {
		const int64_t due =
			(int64_t)((bench_now_s() - publisher->start_s) * (double)publisher->rate) +
			1 - publisher->sent;

		most = due < most ? due : most;
	}
	most = window < most ? window : most;
	return most > GROUP ? GROUP : most;
}

static void give(struct publisher *publisher)
{
	char record[BENCH_RECORD_MAX];
	int r;

	for (int64_t n = allowed(publisher); n > 0; n--) {
		const size_t len = bench_records_next(&publisher->records, record);

		publisher->sent++;
		bench_mqtt_publish(&publisher->out, "bench/records", record, len, 1,
				   (uint16_t)(publisher->sent % 65535 + 1));
	}
	r = publisher->out.error
		    ? publisher->out.error
		    : bench_write_all(publisher->fd, publisher->out.data, publisher->out.len);
	if (r)
		die("publish", r);
	buf_reset(&publisher->out);
}

static void take(struct publisher *publisher)
{
	struct bench_message message;
	char *room = buf_reserve(&publisher->in, 65536);
	size_t at = 0;
	int64_t n;

	if (!room)
		die("memory", ENOMEM);
	n = recv(publisher->fd, room, 65536, 0);
	if (n <= 0)
		die("broker", ECONNRESET);
	buf_commit(&publisher->in, (size_t)n);
	while ((n = bench_mqtt_next(publisher->in.data + at, publisher->in.len - at, &message)) >
	       0) {
		at += (size_t)n;
		publisher->confirmed += message.type == BENCH_PUBACK;
	}
	if (n < 0)
		die("packet", (int)n);
	memmove(publisher->in.data, publisher->in.data + at, publisher->in.len - at);
	publisher->in.len -= at;
}

static void run(struct publisher *publisher)
{
	publisher->start_s = bench_now_s();
	while (publisher->confirmed < publisher->count &&
	       bench_now_s() - publisher->start_s < publisher->limit_s) {
		struct pollfd wait = {.fd = publisher->fd, .events = POLLIN};

		give(publisher);
		if (poll(&wait, 1, allowed(publisher) > 0 ? 0 : publisher->rate ? 1 : 100) > 0)
			take(publisher);
	}
}

int main(int argc, char **argv)
{
	static struct publisher publisher;
	struct bench_login login = {.client_id = "bench-publisher"};

	if (argc != 7) {
		(void)fprintf(stderr, "usage: publish PORT BASE STEP COUNT RATE LIMIT\n");
		return 2;
	}
	login.port = (int)strtol(argv[1], NULL, 10);
	bench_records_init(&publisher.records, strtoll(argv[2], NULL, 10),
			   strtoll(argv[3], NULL, 10));
	publisher.count = strtoll(argv[4], NULL, 10);
	publisher.rate = strtoll(argv[5], NULL, 10);
	publisher.limit_s = strtod(argv[6], NULL);
	buf_init(&publisher.in, (size_t)1 << 24);
	buf_init(&publisher.out, (size_t)1 << 24);
	publisher.fd = bench_mqtt_connect(&login);
	if (publisher.fd < 0)
		die("connect", publisher.fd);
	run(&publisher);
	(void)printf("{\"accepted\":%" PRId64 ",\"seconds\":%.6f}\n", publisher.confirmed,
		     bench_now_s() - publisher.start_s);
	(void)close(publisher.fd);
	buf_free(&publisher.in);
	buf_free(&publisher.out);
	return 0;
}
